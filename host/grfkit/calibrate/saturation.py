"""Peaks that are cut off because the amplifier's range was too small."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..arrays import Floats
from ..signals.runs import true_runs
from .findings import Finding
from .vertical import force_channels

_SATURATED_BW = 0.1
"""Height (BW) of a peak that is worth calling cut off; chosen by hand."""
_FLAT_SAMPLES, _ENTRY_STEPS = 3, 3.0
"""Equal samples that make a cut-off peak, and the jump into it, in the smallest steps that the channel makes: a coarse
converter's rounded peak has equal samples too, but is entered by one step; chosen by hand."""


def saturation(stream: xr.Dataset, weight_n: float) -> Finding | None:
    """Report forces that stay at one extreme value where they should pass through a peak."""
    worst: tuple[int, str, float] = (0, "", 0.0)
    for name in force_channels(stream):
        values = np.asarray(stream[name].values, dtype=np.float64)
        for side in (1.0, -1.0):
            count, at = flat_top(side * values, smallest_n=_SATURATED_BW * weight_n)
            worst = max(worst, (count, name, side * at))
    count, name, at = worst
    if not count:
        return None
    text = (
        f"{name} stays at {at:.1f} N for {count} samples where a peak is cut off, expected a rounded peak;"
        " the amplifier's range was too small: leave those contacts out"
    )
    return Finding(code="saturation", severity="error", text=text, value=float(count), unit="1")


def flat_top(values: Floats, *, smallest_n: float) -> tuple[int, float]:
    """Return how many samples lie in cut-off peaks at the maximum, and the maximum.

    A cut-off peak: at least three equal samples at the maximum, entered by more than three of the smallest steps
    the channel makes. None where the maximum is not ``smallest_n`` above zero and above the channel's median.
    """
    finite = values[np.isfinite(values)]
    if finite.size < 8:
        return 0, 0.0
    top, rest = float(finite.max()), float(np.median(finite))
    if top < smallest_n or top - rest < smallest_n:
        return 0, top
    steps = np.abs(np.diff(finite))
    # the smallest step that occurs, as files seldom state the resolution; what is below it is rounding
    resolution = float(steps[steps > 1e-9].min(initial=np.inf))
    at_top: NDArray[np.bool_] = finite >= top - 1e-9 * abs(top)
    runs = [(a, b) for a, b in true_runs(at_top).tolist() if b - a >= _FLAT_SAMPLES and a > 0]
    cut = [(a, b) for a, b in runs if top - finite[a - 1] > _ENTRY_STEPS * resolution]
    return sum(b - a for a, b in cut), top
