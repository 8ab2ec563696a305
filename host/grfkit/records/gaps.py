"""Which samples a stream's stamps leave out: losses, told from stamps that are late or doubled and from clock leaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats

# Chosen by hand: a longer hole is a pause of the recording, and rows for it would only cost memory.
LONGEST_FILLED_GAP_S = 10.0
# Stamps are regular where this share of their differences lies within that fraction of the median (chosen by hand:
# exports rounded to 10 ms at 100 Hz still pass, arrival times of a host do not).
_REGULAR_SHARE, _REGULAR_WITHIN = 0.9, 0.2
# A stamp that was late or early for fewer samples than this tells of no loss; chosen by hand: with steps of a fifth
# less than the period, which still count as regular, a stamp late by three periods is caught up in 15 samples.
_STRAY_SAMPLES = 17
# Steps of half as many periods and more may end a burst that is longer than that (a radio link that was down):
# what comes back within twice the step was late, not lost.
_BURST_PERIODS = _STRAY_SAMPLES // 2
# Clocks are set by whole multiples of this (s): the smallest difference between time zones, and of daylight saving time
# (3,600 s; 1,800 s on Lord Howe Island).
_ZONE_STEP_S = 900.0
# How far such a leap may be from that, s, and in periods where these are longer; chosen by hand: a pause that
# is none falls within it once in 20,000 times.
_LEAP_WITHIN_S, _LEAP_PERIODS = 0.02, 1.0


@dataclass(frozen=True)
class Gaps:
    """What the steps between a stream's stamps leave out.

    Attributes
    ----------
    missing
        Shape (samples - 1,): samples that are missing between each stamp and the next.
    leaps
        Shape (samples - 1,): where the clock was set forward rather than samples lost.
    late
        Steps of two periods and more where nothing is missing, since the stamps before or after make up for it.
    period_s
        The usual step, 0 where there is none.
    """

    missing: NDArray[np.int64]
    leaps: NDArray[np.bool_]
    late: int
    period_s: float

    @property
    def holes(self) -> NDArray[np.bool_]:
        """Return the steps in which something is missing, or the clock leaps."""
        return np.asarray((self.missing > 0) | self.leaps, dtype=bool)


def find_gaps(stamps_s: Floats) -> Gaps:
    """Return what regular stamps leave out; nothing where they are irregular (bursts, host arrival times).

    A sample is missing where the stamps step ahead of the sample count and stay ahead. Where they come back within 15
    samples a stamp was late, where they had fallen behind before it one stood twice: nothing is missing then. The same
    holds of a longer burst that ends within twice its length. A step by a multiple of 15 min is a clock that was set.
    """
    steps = np.diff(stamps_s)
    none = np.zeros(steps.shape, dtype=np.int64)
    if not is_regular(stamps_s):
        return Gaps(none, none > 0, 0, median_step(stamps_s))
    period = usual_step(stamps_s)
    ahead = np.asarray(np.clip(np.rint(steps / period) - 1, 0, None), dtype=np.int64)
    if not ahead.any():
        return Gaps(ahead, none > 0, 0, period)
    leaps = _leaps(steps, period)
    excess = np.where(leaps, 0.0, steps / period - 1.0)
    missing = np.minimum(_lasting(excess), np.where(leaps, 0, ahead))
    late = int(np.count_nonzero((missing < ahead) & ~leaps))
    return Gaps(missing, leaps, late, period)


def _leaps(steps: Floats, period: float) -> NDArray[np.bool_]:
    within = max(_LEAP_WITHIN_S, _LEAP_PERIODS * period)
    whole = np.rint((steps - period) / _ZONE_STEP_S)
    return np.asarray((whole >= 1) & (np.abs(steps - period - whole * _ZONE_STEP_S) <= within), dtype=bool)


def _lasting(excess: Floats) -> NDArray[np.int64]:
    """Return how many whole periods each step puts the stamps ahead of the sample count for good.

    By opening and closing the curve of how far they are ahead: what rises or falls for fewer than 17 samples goes, what
    rises and stays (or only ever rises) is kept as it is. Both can rise only where the curve itself does. Doubled
    stamps close to each other look like a fall that stays where the curve is opened first, late ones like a rise that
    stays where it is closed first: of both orders the one that leaves fewer missing is right.
    """
    from scipy.ndimage import maximum_filter1d, minimum_filter1d

    ahead = np.concatenate([[0.0], np.cumsum(excess)])
    size = _STRAY_SAMPLES
    # held on beyond both ends: a rise in the first or last step stays
    held = np.pad(ahead, size, mode="edge")
    opened = maximum_filter1d(minimum_filter1d(held, size), size)
    closed = minimum_filter1d(maximum_filter1d(held, size), size)
    curves = (
        minimum_filter1d(maximum_filter1d(opened, size), size),
        maximum_filter1d(minimum_filter1d(closed, size), size),
    )
    rises = [_without_bursts(ahead, np.clip(np.rint(np.diff(c[size:-size])), 0, None), excess) for c in curves]
    return np.asarray(min(rises, key=lambda rise: float(rise.sum())), dtype=np.int64)


def _without_bursts(ahead: Floats, lasting: Floats, excess: Floats) -> Floats:
    """Return what lasts of each rise where a large step was made up for by a burst after or before it."""
    for step in np.flatnonzero((lasting > 0) & (np.maximum(lasting, np.rint(excess)) >= _BURST_PERIODS)):
        rise = max(float(lasting[step]), float(np.rint(excess[step])))
        lasting[step] = min(float(lasting[step]), _without_burst(ahead, int(step), rise))
    return lasting


def _without_burst(ahead: Floats, step: int, rise: float) -> float:
    """Return how much of a large rise stays: the samples of a burst after it (or before it) were not lost."""
    reach = int(2 * rise) + _STRAY_SAMPLES
    stays = float(ahead[step + 1 : step + 2 + reach].min() - ahead[step])
    came = float(ahead[step + 1] - ahead[max(0, step - reach) : step + 1].max())
    least = min(stays, came)
    # a period that is known to a thousandth moves the curve a little over so many samples: that is no burst
    return rise if least > 0.5 * rise else max(float(np.rint(least)), 0.0)


def is_regular(stamps_s: Floats) -> bool:
    """Return whether nine in ten steps lie within a fifth of the median step."""
    period, steps = median_step(stamps_s), np.diff(stamps_s)
    return bool(
        steps.size >= 2 and period > 0 and np.mean(np.abs(steps - period) < _REGULAR_WITHIN * period) >= _REGULAR_SHARE
    )


def median_step(stamps_s: Floats) -> float:
    """Return the median step (s), 0 of a single stamp."""
    steps = np.diff(stamps_s)
    return float(np.median(steps)) if steps.size else 0.0


def usual_step(stamps_s: Floats) -> float:
    """Return the mean (s) of the steps of regular stamps that are near their median.

    Stamps rounded to milliseconds have a median step that is off by up to half of one.
    """
    period, steps = median_step(stamps_s), np.diff(stamps_s)
    return float(np.mean(steps[np.abs(steps - period) < 0.5 * period]))


def with_missing_rows(stamps_s: Floats, gaps: Gaps) -> tuple[Floats, NDArray[np.int64]]:
    """Return complete time (s) and, per row, the row of ``stamps_s`` (-1 for an added one).

    One row a missing sample; one alone where the hole is longer than 10 s, or where the clock leaps.
    """
    if not gaps.holes.any():
        return stamps_s.copy(), np.arange(stamps_s.size)
    too_long = gaps.leaps | (gaps.missing * gaps.period_s > LONGEST_FILLED_GAP_S)
    added = np.where(too_long, 1, gaps.missing)
    first = np.concatenate([[0], np.cumsum(added + 1)])
    source = np.full(int(first[-1]) + 1, -1, dtype=np.int64)
    source[first] = np.arange(stamps_s.size)
    return np.interp(np.arange(source.size), first, stamps_s), source


def set_by(step_s: float, period_s: float) -> float:
    """Return by how much (s) a step of the stamps says that the clock was set: a multiple of 15 min, 0 if by none."""
    whole = round((step_s - period_s) / _ZONE_STEP_S)
    within = max(_LEAP_WITHIN_S, _LEAP_PERIODS * period_s)
    return whole * _ZONE_STEP_S if abs(step_s - period_s - whole * _ZONE_STEP_S) <= within else 0.0
