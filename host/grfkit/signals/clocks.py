"""Time stamps: taking the jitter out of them, and finding where they break."""

from __future__ import annotations

import itertools

import numpy as np

from ..arrays import Floats


def dejittered(time_s: Floats) -> Floats:
    """Return stamps without arrival jitter: one common period, breaks kept.

    Stamps that are already regular (all but one step in fifty within a tenth of a whole number of periods) come back
    as they are. Otherwise the samples are taken as equally spaced between breaks (lost samples: a
    lasting step of the stamps against the sample count), with one period for the whole record and the median offset
    of each stretch. Bursts of equal stamps are jitter, not breaks.

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
    if typical > 0:
        multiples = np.maximum(np.rint(steps / typical), 1.0) * typical  # samples may be missing; that is no jitter
        if np.mean(np.abs(steps - multiples) <= 0.1 * typical + 1e-9) >= 0.98:
            return time_s
    period = _robust_period(time_s)
    if period <= 0:
        return time_s
    index = np.arange(count)
    breaks = _breaks(time_s, period)
    period = _common_period(time_s, breaks, period)
    fixed = np.empty(count)
    for start, end in itertools.pairwise(breaks):
        line = period * (index[start:end] - start)
        fixed[start:end] = line + np.median(time_s[start:end] - line)
    return np.maximum.accumulate(fixed)


def _robust_period(time_s: Floats) -> float:
    """Return the common period: the median over short stretches of span over count."""
    width = min(200, time_s.size // 4)
    spans = (time_s[width:] - time_s[:-width]) / width
    return float(np.median(spans))


def _common_period(time_s: Floats, breaks: list[int], period: float) -> float:
    """Return the least-squares slope of stamps over count that all stretches share."""
    over = under = 0.0
    for start, end in itertools.pairwise(breaks):
        count = np.arange(end - start) - (end - start - 1) / 2.0
        over += float(count @ (time_s[start:end] - time_s[start]))
        under += float(count @ count)
    return over / under if under > 0 else period


def _breaks(time_s: Floats, period: float) -> list[int]:
    """Return where stretches start (and the end): lasting jumps of the stamps against the sample count.

    Means over windows on both sides of every sample are compared; the windows are long enough to see the loss of one
    sample through the jitter, if 200 samples are.
    """
    trend = time_s - period * np.arange(time_s.size)
    steps = np.diff(trend)
    jitter = 1.4826 * float(np.median(np.abs(steps - np.median(steps)))) / np.sqrt(2.0)
    jitter = max(jitter, float(np.std(np.clip(steps, *np.percentile(steps, [2, 98])))) / np.sqrt(2.0))
    width = int(np.clip(140.0 * (jitter / period) ** 2, 12, 200))
    if time_s.size < 4 * width:
        return [0, time_s.size]
    limit = max(0.6 * period, 4.5 * jitter * np.sqrt(2.0 / width))
    sums = np.concatenate([[0.0], np.cumsum(trend)])
    level = (sums[width:] - sums[:-width]) / width
    jump = level[width:] - level[:-width]  # jump[k]: mean of the samples from k + width on less that before it
    starts = [0]
    candidates = np.flatnonzero(np.abs(jump) > limit)
    position = 0
    while position < candidates.size:
        last = int(np.searchsorted(candidates, candidates[position] + 2 * width, side="right"))
        group = candidates[position:last]
        middle = int(group[np.argmax(np.abs(jump[group]))]) + width
        first = max(middle - width // 4, 1)
        at = first + int(np.argmax(steps[first - 1 : min(middle + width // 4, time_s.size - 1)]))
        if at - starts[-1] >= 8:
            starts.append(at)
        position = int(np.searchsorted(candidates, middle, side="right"))
    return [*starts, time_s.size]
