"""Where a plate is unloaded, how far that level is from zero, and whether there can be doubt about it.

Two views. A treadmill runner leaves the belt in every step: the level is that of the flight phases. Any
other plate is seen through short windows: the unloaded level is quiet, often visited, and nothing lies
beyond it. A person standing still is quiet too, so a level that could be a load is never called certain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..signals.robust import MAD_TO_SD, MEDIAN_TO_MEAN_ERROR
from ..signals.runs import true_runs
from ..signals.treadmill_drift import FLIGHT_THRESHOLD_BW, RHYTHM, Flights, drift_curve, find_flights
from ..signals.zero_shift import ZeroShift, without_shifts, zero_shifts

IDLE_RANGE_BW = 0.12
"""A plate whose force ranges over less than this was not stepped on."""
NEAR_ZERO_BW = 0.05
"""A level within this (BW) of zero is taken for the zero; chosen by hand, far below a person's weight."""
MIN_FLIGHTS = 5
"""Flights that a rhythm shows in, at the least."""
STEPS_S = (0.2, 1.6)
"""Shortest and longest time (s) between two flights: a sprint's step, and a stride where one foot is seen."""
WINDOW_S = 0.02
"""Length (s) of the windows whose level and noise are taken; chosen by hand: a foot's load changes within it."""
STEADY_BW = 0.01
"""Wander or noise (BW) up to which a level is steady; chosen by hand."""
SHORTEST_QUIET_S = 0.2
"""Time (s) that a level has to be seen for, in all or at once; chosen by hand."""
CENTRAL_90_SDS = 3.29
"""SDs between the 5th and the 95th percentile of a normal distribution."""

# Of the level in flight; all chosen by hand.
PEAK_PERCENT, LEAST_PEAK_BW = 95.0, 0.3
"""Percentile of the load that is its peaks', and its height (BW) above that level: less is no running."""
LARGEST_FLIGHT_SHARE, CERTAIN_FLIGHT_SHARE = 0.5, 0.2
"""Share of that height which the level may be off zero at all, and which it may be above zero to be certain."""
FLIGHT_SCATTER_BW = 0.05
"""SD (BW) from flight to flight beyond which these are no flights."""
BELOW_FLIGHT_BW, MOST_BELOW_FLIGHT = 0.15, 0.01
"""Depth (BW) below the level, and the share of samples that may lie deeper: no load is less than an empty belt's."""
LEAST_SHIFT_BW = 0.015
"""Jump (BW) of the level in flight that is a shift of the zero; chosen by hand: 10 N of 70 kg."""
REGULAR_SHARE = 0.6
"""Share of the steps that are as long as the median one (within ``RHYTHM``) where somebody runs."""

# Of a quiet level elsewhere; all chosen by hand.
CONTESTED_BW = 0.1
"""Level (BW) beyond which it is in doubt where the other end of the range is as quiet."""
QUIET_PERCENT, QUIET_RATIO = 20.0, 1.5
"""A window is quiet up to so many times the noise at this percentile of the windows."""
LOW_SHARE = 0.3
"""Share of the range, from its unloaded end, in which the level is looked for."""
NEAR_BW, BEYOND_BW, BLURS = 0.025, 0.06, 3.0
"""Distance (BW) within which a window is at the level, and from which it is beyond; both give way by so many standard
errors of a window's median."""
MOST_BEYOND = 0.005
"""Share of the windows that may lie beyond the level."""
CROWDED_SHARE = 0.5
"""Share of the low windows that lie at the level: an empty plate always shows the same force."""
RETURN_BW, UNSWAYED_BW = 0.015, 0.005
"""Differences (BW) within which a force returned to the level, and the wander of one that nobody stands on: a person
who stands still sways by more, and does not come back so exactly."""
HIGHEST_ZERO_BW = 0.5
"""Level (BW) up to which such a return is taken for the zero."""


@dataclass(frozen=True)
class UnloadedLevel:
    """The unloaded level of one vertical force channel.

    Attributes
    ----------
    state
        ``flights``, ``quiet`` (an unloaded level was seen), ``idle`` (never stepped on), ``none``.
    direction
        +1 where load makes the channel rise, -1 where it makes it fall, 0 unknown.
    level_n, noise_n
        Median and robust SD of the unloaded samples.
    wander_n
        SD of the level over windows, beyond what noise explains.
    unloaded
        Shape (samples,): the samples the level was taken from.
    certain
        Whether the level can be nothing but the plate's zero.
    shifts
        Where the zero jumps, with upward load positive; the other values are then those of the first part.
    """

    state: str
    direction: int
    level_n: float
    noise_n: float
    wander_n: float
    unloaded: NDArray[np.bool_]
    certain: bool
    flights: Flights | None = None
    shifts: tuple[ZeroShift, ...] = ()


@dataclass(frozen=True)
class _Windows:
    """Medians and SDs of 20-ms windows; ``length`` samples each, ``first`` their first samples."""

    median: Floats
    sd: Floats
    first: NDArray[np.int64]
    length: int


@dataclass(frozen=True)
class _Edge:
    level: float
    quiet: NDArray[np.bool_]
    time_s: float
    stretches: NDArray[np.int64]
    wander: float


def find_baseline(values: Floats, *, rate_hz: float, weight_n: float, flights_expected: bool) -> UnloadedLevel:
    """Return the unloaded level of a vertical force channel as recorded.

    Parameters
    ----------
    values
        Shape (samples,), N, any sign and offset; missing samples NaN.
    weight_n
        Body weight: every threshold is a share of it.
    flights_expected
        True for a treadmill: look for flight phases first.
    """
    windows = _windows(values, rate_hz)
    if windows.median.size < 3:
        return _nothing(values, "none")
    if float(np.ptp(windows.median)) < IDLE_RANGE_BW * weight_n:
        return _idle(values, windows, weight_n)
    if flights_expected:
        # turned round, peaks can pass for flights; the true level is the one nearer zero
        candidates = [_in_flight(values, d, rate_hz, weight_n) for d in (1, -1)]
        baselines = [b for b in candidates if b is not None]
        if baselines:
            return min(baselines, key=lambda b: abs(b.level_n))
    return _quiet(values, windows, rate_hz, weight_n)


def shifts_of(load_n: Floats, *, rate_hz: float, weight_n: float) -> list[ZeroShift]:
    """Return the shifts of a treadmill's zero, of upward load; empty where there are no flights."""
    return zero_shifts(
        load_n, rate_hz=rate_hz, threshold_n=FLIGHT_THRESHOLD_BW * weight_n, least_n=LEAST_SHIFT_BW * weight_n
    )


def quiet_windows(
    values: Floats, *, rate_hz: float, weight_n: float
) -> tuple[Floats, NDArray[np.bool_], NDArray[np.int64]] | None:
    """Return the medians of 20-ms windows, which of them are quiet, and their first samples; None for very few."""
    windows = _windows(values, rate_hz)
    if windows.median.size < 3:
        return None
    limit = max(STEADY_BW * weight_n, QUIET_RATIO * float(np.percentile(windows.sd, QUIET_PERCENT)))
    return windows.median, windows.sd <= limit, windows.first


def noise_sd(values: Floats) -> float:
    """Return the robust SD (by the median absolute deviation) of samples; 0 where there are none or most are equal."""
    finite = values[np.isfinite(values)]
    return float(MAD_TO_SD * np.median(np.abs(finite - np.median(finite)))) if finite.size else 0.0


def _nothing(values: Floats, state: str) -> UnloadedLevel:
    return UnloadedLevel(state, 0, 0.0, 0.0, 0.0, np.zeros(values.size, dtype=bool), False)


def _windows(values: Floats, rate_hz: float) -> _Windows:
    length = max(4, round(WINDOW_S * rate_hz))
    rows = values[: values.size // length * length].reshape(-1, length)
    complete = np.isfinite(rows).all(axis=1)
    first = np.arange(rows.shape[0], dtype=np.int64)[complete] * length
    rows = rows[complete]
    if not rows.size:
        return _Windows(np.zeros(0), np.zeros(0), first, length)
    return _Windows(np.median(rows, axis=1), rows.std(axis=1), first, length)


def _slow_sd(median: Floats, sd: Floats, length: int) -> float:
    """Return the SD of window medians beyond what white noise of the windows' own SD makes."""
    if median.size < 2:
        return 0.0
    white = MEDIAN_TO_MEAN_ERROR * float(np.median(sd)) / np.sqrt(length)
    low, high = np.percentile(median, [5.0, 95.0])
    return float(np.sqrt(max(0.0, ((high - low) / CENTRAL_90_SDS) ** 2 - white**2)))


def _idle(values: Floats, windows: _Windows, weight_n: float) -> UnloadedLevel:
    level = float(np.median(values[np.isfinite(values)]))
    wander = _slow_sd(windows.median, windows.sd, windows.length)
    noise = float(np.median(windows.sd))
    certain = abs(level) <= NEAR_ZERO_BW * weight_n and wander <= STEADY_BW * weight_n
    return UnloadedLevel("idle", 0, level, noise, wander, np.isfinite(values), certain)


def _in_flight(values: Floats, direction: int, rate_hz: float, weight_n: float) -> UnloadedLevel | None:
    """Return the level in flight if load points this way, None where there are no flights to be sure of."""
    recorded = direction * values
    shifts = shifts_of(recorded, rate_hz=rate_hz, weight_n=weight_n)
    load = without_shifts(recorded, shifts)
    flights = find_flights(load, rate_hz=rate_hz, threshold_n=FLIGHT_THRESHOLD_BW * weight_n)
    if not _rhythmic(flights, rate_hz):
        return None
    at = flights.values(load)
    level = float(np.median(at))
    above = float(np.nanpercentile(load, PEAK_PERCENT)) - level
    # of differences, in which drift cancels; each holds the noise of two flights, hence the root
    scatter = noise_sd(np.diff(at)) / np.sqrt(2.0)
    beyond = float(np.mean(load < level - BELOW_FLIGHT_BW * weight_n))
    if abs(level) > LARGEST_FLIGHT_SHARE * above or above < LEAST_PEAK_BW * weight_n:
        return None
    if scatter > FLIGHT_SCATTER_BW * weight_n or beyond > MOST_BELOW_FLIGHT:
        return None
    unloaded = flights.mask(values.size)
    noise = noise_sd((load - drift_curve(load, flights, rate_hz=rate_hz))[unloaded])
    # one-sided: far below zero the level is an offset for certain, as nobody pulls at the belt
    certain = level <= CERTAIN_FLIGHT_SHARE * above
    return UnloadedLevel(
        "flights", direction, direction * level, noise, noise_sd(at), unloaded, certain, flights, tuple(shifts)
    )


def _rhythmic(flights: Flights, rate_hz: float) -> bool:
    """Return whether the flights come as regularly as steps do."""
    if flights.size < MIN_FLIGHTS:
        return False
    step = np.diff(flights.middle()) / rate_hz
    usual = float(np.median(step))
    regular = float(np.mean(np.abs(step - usual) < RHYTHM * usual))
    return STEPS_S[0] <= usual <= STEPS_S[1] and regular >= REGULAR_SHARE


def _quiet(values: Floats, windows: _Windows, rate_hz: float, weight_n: float) -> UnloadedLevel:
    edges = {d: _edge(windows, d, rate_hz, weight_n) for d in (1, -1)}
    valid = {d: e for d, e in edges.items() if e is not None}
    if not valid:
        return _nothing(values, "none")
    direction, edge = min(valid.items(), key=lambda item: abs(item[1].level))
    unloaded = np.zeros(values.size, dtype=bool)
    for start in windows.first[edge.quiet]:
        unloaded[start : start + windows.length] = True
    level = float(np.median(values[unloaded]))
    noise = float(np.median(windows.sd[edge.quiet]))
    # quiet at both ends: somebody who stands and steps off looks like this either way up
    contested = len(valid) == 2 and abs(level) > CONTESTED_BW * weight_n
    certain = not contested and _is_zero(edge, windows, direction * level, rate_hz, weight_n)
    return UnloadedLevel("quiet", direction, level, noise, edge.wander, unloaded, certain)


def _edge(windows: _Windows, direction: int, rate_hz: float, weight_n: float) -> _Edge | None:
    """Return the level the channel leaves when loaded this way, None where there is no such level."""
    height = direction * windows.median
    quiet = windows.sd <= max(STEADY_BW * weight_n, QUIET_RATIO * float(np.percentile(windows.sd, QUIET_PERCENT)))
    low = quiet & (height <= height.min() + LOW_SHARE * float(np.ptp(height)))
    if not low.any():
        return None
    level = _densest(height[low], STEADY_BW * weight_n)
    blur = MEDIAN_TO_MEAN_ERROR * float(np.median(windows.sd[low])) / np.sqrt(windows.length)
    near = quiet & (np.abs(height - level) <= NEAR_BW * weight_n + BLURS * blur)
    beyond = float(np.mean(height < level - BEYOND_BW * weight_n - BLURS * blur))
    seconds = float(near.sum()) * windows.length / rate_hz
    crowded = near.sum() >= CROWDED_SHARE * np.count_nonzero(height <= level + LOW_SHARE * float(np.ptp(height)))
    if seconds < SHORTEST_QUIET_S or beyond > MOST_BEYOND or not crowded:
        return None
    wander = _slow_sd(windows.median[near], windows.sd[near], windows.length)
    return _Edge(direction * level, near, seconds, true_runs(near), wander)


def _densest(values: Floats, width: float) -> float:
    """Return the middle of the most visited stretch of ``2 * width``."""
    ordered = np.sort(values)
    last = np.searchsorted(ordered, ordered + 2.0 * width, side="right")
    best = int(np.argmax(last - np.arange(ordered.size)))
    return float(np.median(ordered[best : last[best]]))


def _is_zero(edge: _Edge, windows: _Windows, height_n: float, rate_hz: float, weight_n: float) -> bool:
    """Return whether the level can be nothing but the zero.

    It is near zero; or it lies on the far side of zero from the load; or the channel came back to exactly that
    low level.
    """
    if abs(height_n) <= NEAR_ZERO_BW * weight_n:
        return True
    window_s = windows.length / rate_hz
    long = [(a, b) for a, b in edge.stretches if (b - a) * window_s >= SHORTEST_QUIET_S]
    if height_n < 0:
        # values of both signs: somebody who stands and dips down never changes the sign of the force
        low, high = float(windows.median.min()), float(windows.median.max())
        return bool(long) and min(-low, high) > NEAR_ZERO_BW * weight_n
    levels = [float(np.median(windows.median[a:b])) for a, b in long]
    returned = len(levels) >= 2 and max(levels) - min(levels) <= RETURN_BW * weight_n
    return returned and edge.wander <= UNSWAYED_BW * weight_n and height_n <= HIGHEST_ZERO_BW * weight_n
