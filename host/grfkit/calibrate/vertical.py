"""Which axis of a plate is up, and the vertical force along it."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..errors import BadInputError
from ..units import require

FORCES = ("fx", "fy", "fz")
MOMENTS = ("mx", "my", "mz")

_CLEAR_RATIO = 1.8
"""Ratio of the largest force range to the next that tells the vertical axis; in running it is about 2.5, in walking
about 2.7."""


def vertical_force(stream: xr.Dataset) -> Floats:
    """Return the vertical force of a plate, N, up positive, shape (samples,), missing samples NaN.

    The axis comes from the stream's ``vertical`` attribute; a stream with one force channel has no other
    choice, and where the attribute is empty the axis that clearly carries the load is taken as pointing up.

    Raises
    ------
    BadInputError
        If the stream has no force channel, or its vertical axis is unknown.
    UnitError
        If the force is not in N.
    """
    here = force_channels(stream)
    if not here:
        raise BadInputError("the force plate stream has no channel fx, fy or fz; it holds no force")
    vertical = str(stream.attrs.get("vertical", ""))
    name, sign = f"f{vertical[1:]}", -1.0 if vertical[:1] == "-" else 1.0
    if len(here) == 1:
        name = here[0]
    elif not vertical:
        axis = load_axis(stream)
        if not axis:
            raise BadInputError("the vertical axis of the force plate is unknown; set its attribute 'vertical'")
        name = f"f{axis}"
    if name not in here:
        raise BadInputError(f"the force plate's vertical is '{vertical}', but it has no channel {name}")
    require(str(stream[name].attrs.get("units", "unknown")), "N", what=f"channel '{name}'")
    return sign * np.asarray(stream[name].values, dtype=np.float64)


def force_channels(stream: xr.Dataset) -> list[str]:
    """Return which of ``fx fy fz`` the stream has."""
    return [name for name in FORCES if name in stream]


def load_axis(stream: xr.Dataset) -> str:
    """Return the axis (``x``, ``y``, ``z``) that clearly carries the load, ``""`` where none does.

    Clearly: the force along it ranges over ``_CLEAR_RATIO`` times that along any other.
    """
    here = force_channels(stream)
    if len(here) < 2:
        return here[0][1] if here else ""
    spans = [(force_range(np.asarray(stream[n].values, dtype=np.float64)), n[1]) for n in here]
    spans.sort(reverse=True)
    return spans[0][1] if spans[0][0] > _CLEAR_RATIO * spans[1][0] and spans[0][0] > 0 else ""


def force_range(values: Floats, width: int = 5) -> float:
    """Return max - min of the medians of every ``width`` samples: single samples do not count; 0 if empty."""
    finite = values[np.isfinite(values)]
    if finite.size < width:
        return 0.0
    # of blocks: a spike of a sample or two, as a loose cable makes, must not choose the axis
    medians = np.median(finite[: finite.size // width * width].reshape(-1, width), axis=1)
    return float(medians.max() - medians.min())
