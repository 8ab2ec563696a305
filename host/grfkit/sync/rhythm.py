"""How predictable a runner's steps are: period, and what remains of the intervals after prediction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..signals.contacts import Contacts
from ..signals.robust import MAD_TO_SD

UNRELATED_S = 0.1
"""Largest SD (s) of the unpredicted part of intervals; chosen by hand above the 20 to 40 ms of a slow walker's strides.
Without it strides of a device that misses landings seem so unsteady that any match, however bad, is evidence."""
FLOOR_S = 0.0015
"""Least SD (s) of an innovation: neither side times a contact better; chosen by hand."""
ORDER = 4
"""Order of the autoregressive prediction: the two last strides of both feet; chosen by hand."""
TWO_FOOTED_S = 0.08
"""Time (s) within which both feet land in a jump, and in no step; chosen by hand."""
USUAL_PERIOD_S = 0.5
"""Interval (s) stated for trains too short to show theirs."""
FEWEST_INTERVALS = 4
"""Intervals below which nothing is said of their spread."""
ONE_FOOT_RATIO = 1.5
"""A device whose contacts come this many times as slowly as the treadmill's sees one foot: between 1 and 2."""
ORDINARY = 0.3
"""Share of the period within which an interval counts as ordinary; others hold a missed contact or a jump."""
UNKNOWN_SPREAD = 0.1
"""Share of the period stated as the SD of intervals where there are too few; far above a runner's 0.5 to 3 %."""
LEVEL_WIDTH = 21
"""Intervals over which their level is smoothed: slower changes of pace are no rhythm; chosen by hand."""
SHORT_PERCENT, SHORT_WITHIN = 20.0, 0.25
"""Percentile of the intervals that is surely no missed contact's, and the share of it within which others are like it;
chosen by hand."""
LEAST_UNPREDICTED = 0.05
"""Share of the intervals' variance that no prediction takes away: a fit to few contacts would; chosen by hand."""
WINSOR_SDS = 4.0
"""Robust SDs at which intervals are cut off before they are predicted; chosen by hand."""


@dataclass(frozen=True)
class Rhythm:
    """The period of two trains, and how predictable each is.

    Attributes
    ----------
    period_s
        Median interval between matchable contacts: the step with both feet, the stride with one.
    step_s
        Median step time: what a slip by one is.
    innovation_s
        SD (s) of what remains of the difference of two unrelated interval series after prediction.
    feet
        How many feet the device sees.
    reference_s
        SD (s) of what remains of the reference's own intervals after prediction.
    """

    period_s: float
    step_s: float
    innovation_s: float
    feet: int
    reference_s: float


def rhythm(reference: Contacts, device: Contacts, *, plates: bool = False) -> Rhythm:
    """Return the rhythm of a reference and a device train.

    A device whose feet are unknown is one foot's if its contacts come half as often as the treadmill's.
    """
    period = fundamental(device.onset_s)
    feet = len(set(device.foot[device.foot >= 0].tolist()))
    if feet < 1:
        feet = 1 if plates or period > ONE_FOOT_RATIO * fundamental(reference.onset_s) else 2
    stretch = 2 if feet == 1 else 1
    # a device of one foot: the reference's strides, every second of its contacts, are what its intervals compare with
    v_device = _interval_variance(device.onset_s, period)
    v_reference = _interval_variance(reference.onset_s[::stretch], period)
    innovation = np.clip(np.sqrt(v_device + v_reference), FLOOR_S, UNRELATED_S)
    return Rhythm(period, period / stretch, float(innovation), feet, float(np.sqrt(v_reference)))


def fundamental(onset_s: Floats) -> float:
    """Return the interval between neighbouring contacts of a train some of whose contacts were missed (s)."""
    intervals = np.diff(onset_s)
    intervals = intervals[intervals > TWO_FOOTED_S]
    if intervals.size < FEWEST_INTERVALS:
        return USUAL_PERIOD_S
    # missed contacts make long intervals only: the short ones show the period
    short = float(np.percentile(intervals, SHORT_PERCENT))
    near = intervals[np.abs(intervals - short) < SHORT_WITHIN * short]
    return float(np.median(near)) if near.size else short


def innovation_variance(packed: Floats, count: NDArray[np.int64]) -> Floats:
    """Return the one-step prediction error variance of each row by Yule-Walker (mean zero)."""
    width = packed.shape[1]
    order = min(ORDER, max(width - 1, 0))
    filled = np.nan_to_num(packed)
    size = np.maximum(count, 1)
    covariance = np.stack(
        [(filled[:, lag:] * filled[:, : width - lag]).sum(axis=1) / size for lag in range(order + 1)], axis=1
    )
    variance = covariance[:, 0].copy()
    if order == 0:
        return np.asarray(variance)
    index = np.abs(np.arange(order)[:, None] - np.arange(order)[None, :])
    # the ridge keeps rows without a contact, or of equal intervals, solvable
    normal = covariance[:, index] + (1e-6 * covariance[:, 0] + 1e-12)[:, None, None] * np.eye(order)
    weights = np.linalg.solve(normal, covariance[:, 1:, None])[..., 0]
    innovation = variance - (weights * covariance[:, 1:]).sum(axis=1)
    enough = count > 4 * order
    # what the fitted weights explain of pure noise is given back
    innovation = innovation * size / np.maximum(size - order - 1.0, 1.0)
    return np.asarray(np.where(enough, np.clip(innovation, LEAST_UNPREDICTED * variance, variance), variance))


def _interval_variance(onset_s: Floats, period: float) -> float:
    """Return the innovation variance of the ordinary intervals, robustly."""
    intervals = np.diff(onset_s)
    intervals = intervals[np.abs(intervals - period) < ORDINARY * period]
    if intervals.size < FEWEST_INTERVALS:
        return (UNKNOWN_SPREAD * period) ** 2
    series = intervals - _smooth_level(intervals)
    limit = WINSOR_SDS * MAD_TO_SD * float(np.median(np.abs(series))) + 1e-6
    series = np.clip(series, -limit, limit)
    return float(innovation_variance(series[None, :], np.asarray([series.size]))[0])


def _smooth_level(values: Floats, width: int = LEVEL_WIDTH) -> Floats:
    if values.size < 2 * width:
        return np.full(values.shape, np.median(values))
    # over the values that are there: at the ends a plain convolution would sink towards zero
    kernel = np.ones(width)
    return np.asarray(np.convolve(values, kernel, "same") / np.convolve(np.ones(values.size), kernel, "same"))
