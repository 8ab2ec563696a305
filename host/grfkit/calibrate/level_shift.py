"""A walkway plate that rests at another level from some moment on: its zero shifted, or something was left on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Floats
from ..signals.runs import true_runs
from .baseline import STEADY_BW, quiet_windows

_LEAST_SHIFT_BW, _LARGEST_SHIFT_BW = 0.02, 0.5
"""Difference (BW) of two levels that is a shift; a larger one is a person. Chosen by hand."""
_SAME_LEVEL = 0.25
"""Share of a shift by which the levels on either side may vary. Chosen by hand."""
_SHORTEST_S, _LEAST_TIME_S = 0.2, 0.5
"""Length (s) of a quiet stretch, and of all on either side of a shift together, at the least. Chosen by hand."""


@dataclass(frozen=True)
class LevelShift:
    """From ``time_s`` after the start on the channel rests ``jump_n`` (N) above its level before."""

    time_s: float
    jump_n: float


def level_shift(values: Floats, *, rate_hz: float, weight_n: float) -> LevelShift | None:
    """Return the shift of a vertical channel's resting level, None where it rests at one, or at many.

    After the shift the plate must have been loaded and come back to the new level at least once: a person who stands
    still does not come back.

    Parameters
    ----------
    values
        Shape (samples,), N, as recorded; missing samples NaN.
    """
    windows = quiet_windows(values, rate_hz=rate_hz, weight_n=weight_n)
    if windows is None:
        return None
    median, quiet, first = windows
    period = (first[1] - first[0]) / rate_hz if first.size > 1 else np.inf
    # a jump from one window to the next ends a stretch, too
    level = quiet & np.concatenate([[True], np.abs(np.diff(median)) < STEADY_BW * weight_n])
    runs = [(a, b) for a, b in true_runs(level).tolist() if (b - a) * period >= _SHORTEST_S]
    levels = np.asarray([np.median(median[a:b]) for a, b in runs])
    lengths = np.asarray([(b - a) * period for a, b in runs])
    best: LevelShift | None = None
    for k in range(1, levels.size - 1):
        before, after = float(np.median(levels[:k])), float(np.median(levels[k:]))
        jump = after - before
        if not _LEAST_SHIFT_BW * weight_n < abs(jump) < _LARGEST_SHIFT_BW * weight_n:
            continue
        apart = max(float(np.abs(levels[:k] - before).max()), float(np.abs(levels[k:] - after).max()))
        seen = min(lengths[:k].sum(), lengths[k:].sum()) >= _LEAST_TIME_S
        if seen and apart < _SAME_LEVEL * abs(jump) and (best is None or abs(jump) > abs(best.jump_n)):
            best = LevelShift(float(first[runs[k][0]] / rate_hz), jump)
    return best
