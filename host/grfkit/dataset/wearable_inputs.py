"""The inputs that wearables give a window: which channels there are, and their values at the window's times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..errors import BadInputError
from ..gait.relative_cells import is_cell
from ..gait.stances import Stance
from .cut import LATERAL, CutRequest
from .motion import SIDES
from .resample import linear

_SIGNALS = {"insole": ("cell_", "zone_", "force", "cop_"), "imu": ("acc_", "gyro_")}
"""Beginnings of the names of channels that are inputs, by kind of wearable."""
_MARGIN_S = 0.1
"""Samples this close to a window (s) are read with it, so that its ends lie between two. Chosen by hand: a few samples
of the slowest insoles (50 Hz)."""


def check_values(streams: Mapping[str, xr.Dataset], kinds: Sequence[str]) -> None:
    """Refuse a wearable of which a signal holds no value at all; of an insole's cells some may be dead.

    Raises
    ------
    BadInputError
        Naming the stream and its empty signals.
    """
    for name, stream in streams.items():
        kind = str(stream.attrs.get("kind"))
        if kind not in kinds or stream.attrs.get("side") not in SIDES:
            continue
        signals = [str(n) for n in stream.data_vars if str(n).startswith(_SIGNALS[kind]) and str(n) != "cop_z"]
        empty = [n for n in signals if not np.isfinite(stream[n].values).any()]
        cells = [n for n in signals if is_cell(n)]
        lost = [n for n in empty if n not in cells or set(cells) <= set(empty)]
        if lost:
            raise BadInputError(
                f"stream '{name}' holds no value of {', '.join(lost[:4])}{' ...' if len(lost) > 4 else ''} in the whole"
                " trial; leave the trial out, or its stream when aligning (single dead cells are masked)"
            )


def channels_of(streams: dict[str, xr.Dataset], kinds: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return names and units of the inputs: those that any foot's stream of these kinds holds.

    Raises
    ------
    BadInputError
        If there is no such stream, or a channel has one unit on one foot and another on the other.
    """
    units: dict[str, str] = {}
    for kind in kinds:
        for stream in streams.values():
            if stream.attrs.get("kind") != kind or str(stream.attrs.get("side")) not in SIDES:
                continue
            for channel in map(str, stream.data_vars):
                if channel.startswith(_SIGNALS[kind]) and channel != "cop_z":
                    unit = str(stream[channel].attrs.get("units", ""))
                    if units.setdefault(channel, unit) != unit:
                        raise BadInputError(
                            f"channel '{channel}' is in {units[channel] or 'no unit'} on one foot and in"
                            f" {unit or 'no unit'} on the other: calibrate both feet's recordings, or none"
                        )
    if not units:
        film = any(stream.attrs.get("kind") == "keypoints" for stream in streams.values())
        advice = (
            '; it holds a film, whose points are taken by kinds = ["keypoints"], source = "film" and'
            ' rule = "5%BW walking" in the [cut] table of a TOML file for --config (fields of CutRequest in Python)'
        )
        raise BadInputError(f"the trial holds no {' or '.join(kinds)} stream of a known foot{advice if film else ''}")
    # insole first, then by name: the same order in every trial, whatever its streams are called
    names = sorted(units, key=lambda n: (not n.startswith(_SIGNALS["insole"]), n))
    return names, [units[n] for n in names]


def inputs_at(
    streams: dict[str, xr.Dataset], stance: Stance, at: Floats, channels: Sequence[str], request: CutRequest
) -> Floats:
    """Return the foot's own signals at the window's times, shape (points, channels); NaN where it has none.

    Nothing is filtered here: see :func:`~grfkit.dataset.foot_force.low_passed`.
    """
    values = np.full((at.size, len(channels)), np.nan)
    for kind in request.kinds:
        for stream in streams.values():
            if stream.attrs.get("kind") != kind or stream.attrs.get("side") != stance.side:
                continue
            here = [i for i, n in enumerate(channels) if n in stream and n.startswith(_SIGNALS[kind])]
            time = np.asarray(stream["time"].values, dtype=np.float64)
            low, high = np.searchsorted(time, [at[0] - _MARGIN_S, at[-1] + _MARGIN_S])
            if not here or high - low < 2:
                continue
            columns = np.stack([stream[channels[i]].values[low:high] for i in here], axis=1)
            values[:, here] = linear(time[low:high], np.asarray(columns, dtype=np.float64), at)
    if request.mirror and stance.side == "left":
        for index, channel in enumerate(channels):
            if channel in LATERAL:
                values[:, index] *= -1.0
    return values
