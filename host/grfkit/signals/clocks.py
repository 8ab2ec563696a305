"""Time stamps: taking the jitter out of them, and finding where they break."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from .robust import MAD_TO_SD

FEWEST_STAMPS = 32
"""Stamps below which no period is worth fitting; chosen by hand."""
REGULAR_WITHIN, REGULAR_SHARE = 0.1, 0.98
"""Stamps are regular where this share of their steps lies within that share of a period from a whole number of periods;
chosen by hand: a file that rounds its stamps passes, arrivals at a host do not."""
WINDOWS = (12, 200)
"""Samples, at the least and at the most, of the windows that are compared on both sides of a possible break."""
WINDOW_GAIN = 140.0
"""Samples of such a window for a jitter (SD) of one period: the loss of one sample is then 8.4 standard errors of the
difference between two windows."""
BREAK_PERIODS, BREAK_SDS = 0.6, 4.5
"""A break moves the stamps by more than so many periods, and than so many standard errors; chosen by hand: more than
half a sample, and more than normal jitter makes in 100,000 samples."""
SHORTEST_STRETCH = 8
"""Samples between two breaks at the least."""


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
    if count < FEWEST_STAMPS:
        return time_s
    steps = np.diff(time_s)
    typical = float(np.median(steps))
    if typical > 0:
        multiples = np.maximum(np.rint(steps / typical), 1.0) * typical  # samples may be missing; that is no jitter
        if np.mean(np.abs(steps - multiples) <= REGULAR_WITHIN * typical + 1e-9) >= REGULAR_SHARE:
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
        # the median: arrivals may be late by any time, but hardly early
        fixed[start:end] = line + np.median(time_s[start:end] - line)
    # neighbouring stretches may overlap by a fraction of the jitter; time must not run backwards
    return np.maximum.accumulate(fixed)


def _robust_period(time_s: Floats) -> float:
    """Return the common period: the median over short stretches of span over count."""
    # over stretches, since steps themselves may be mostly 0 (bursts); the median, since some stretches hold a break
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
    # a step holds the jitter of two stamps, hence the root of 2
    jitter = MAD_TO_SD * float(np.median(np.abs(steps - np.median(steps)))) / np.sqrt(2.0)
    # of bursts most steps are equal and the first figure is 0: the SD of all but the outermost then counts
    jitter = max(jitter, float(np.std(np.clip(steps, *np.percentile(steps, [2, 98])))) / np.sqrt(2.0))
    width = int(np.clip(WINDOW_GAIN * (jitter / period) ** 2, *WINDOWS))
    if time_s.size < 4 * width:
        return [0, time_s.size]
    limit = max(BREAK_PERIODS * period, BREAK_SDS * jitter * np.sqrt(2.0 / width))
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
        # the windows place a break to some samples; the longest single step near it is the break itself
        first = max(middle - width // 4, 1)
        at = first + int(np.argmax(steps[first - 1 : min(middle + width // 4, time_s.size - 1)]))
        if at - starts[-1] >= SHORTEST_STRETCH:
            starts.append(at)
        position = int(np.searchsorted(candidates, middle, side="right"))
    return [*starts, time_s.size]


def increasing(time_s: Floats) -> NDArray[np.bool_]:
    """Return which times are known and later than all before them: where a clock was set back, the first ones stay."""
    # compared with the latest time so far, not the neighbour: after a set-back clock more than one sample is late
    latest = np.maximum.accumulate(np.where(np.isfinite(time_s), time_s, -np.inf))
    return np.asarray(np.isfinite(time_s) & (time_s > np.concatenate([[-np.inf], latest[:-1]])), dtype=bool)
