"""Time stamps: taking the jitter out of them, and finding where they break."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def dejittered(time_s: Floats) -> Floats:
    """Return stamps without arrival jitter: one common period, breaks kept.

    Stamps that are already regular (all but one in a hundred within a tenth of the period of the line through
    them) come back as they are. Otherwise the samples are taken as equally spaced between breaks (a step of more
    than five periods and 15 ms in the *trend*), with one period for the whole record and the median offset of
    each stretch. Bursts of equal stamps are jitter, not breaks.

    Parameters
    ----------
    time_s
        Shape (samples,), never decreasing.
    """
    count = time_s.size
    if count < 32:
        return time_s
    steps = np.diff(time_s)
    typical = float(np.median(steps))
    if typical > 0 and np.mean(np.abs(steps - typical) <= 0.1 * typical + 1e-9) >= 0.98:
        return time_s
    period = _robust_period(time_s)
    if period <= 0:
        return time_s
    index = np.arange(count)
    breaks = _breaks(time_s, period)
    fixed = np.empty(count)
    for start, end in zip(breaks[:-1], breaks[1:]):
        line = period * (index[start:end] - start)
        fixed[start:end] = line + np.median(time_s[start:end] - line)
    return np.maximum.accumulate(fixed)


def _robust_period(time_s: Floats) -> float:
    """Return the common period: the median over short stretches of span over count."""
    width = min(200, time_s.size // 4)
    spans = (time_s[width:] - time_s[:-width]) / width
    return float(np.median(spans))


def _breaks(time_s: Floats, period: float) -> list[int]:
    """Return where stretches start (and the end): lasting jumps of the stamps against the sample count."""
    trend = time_s - period * np.arange(time_s.size)
    width = 25
    limit = max(5 * period, 0.015)
    if time_s.size < 4 * width:
        return [0, time_s.size]
    windows = np.lib.stride_tricks.sliding_window_view(trend, width)
    level = np.median(windows, axis=1)
    jump = level[width:] - level[:-width]
    found = [0]
    candidates = np.flatnonzero(np.abs(jump) > limit)
    while candidates.size:
        group_end = candidates[0] + 2 * width
        group = candidates[candidates <= group_end]
        middle = int(group[np.argmax(np.abs(jump[group]))]) + width
        around = np.arange(max(middle - width, 1), min(middle + width, time_s.size))
        at = int(around[np.argmax(np.diff(time_s)[around - 1])])
        if at - found[-1] > width:
            found.append(at)
        candidates = candidates[candidates > group_end]
    return [*found, time_s.size]
