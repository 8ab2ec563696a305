"""Drift of a treadmill's force: the baseline seen in each flight phase, joined by a cubic spline.

The idea is that of dryft (Alcantara, J Open Source Softw 4(44):1910, 2019): while both feet are in the air
the force is the baseline. Here the baseline of a flight is the median over its middle third, which
single-sample noise and the filter's ringing at touch-down do not reach.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from .robust import MAD_TO_SD
from .runs import true_runs

Ints = NDArray[np.int64]

BLOCK_S = 1.0
"""Length (s) over which the floor of a load is taken: two or three steps of a run."""
LONGEST_SPLINE_GAP_S = 3.0
"""Time (s) without a flight across which a cubic may swing; a straight line is drawn instead; chosen by hand."""
RHYTHM = 0.3
"""Share of the median step by which a flight may be off its place; chosen by hand."""
OUTLYING_SDS = 5.0
"""Robust SDs from the median of its neighbours beyond which a flight's value is left out; chosen by hand."""
FLIGHT_THRESHOLD_BW = 0.1
"""Load (BW) above the floor that ends a flight. One for all who look for flights: those that are examined, corrected
and weighed have to be the same; chosen by hand, above noise and what drifts in a second."""
FLOOR_PERCENT, TOP_PERCENT = 5.0, 95.0
"""Percentiles of a second's load that are its floor and its top: flights take 0.19 to 0.49 of a run's time (RBDS)."""
LEAST_SPAN, SAME_FLOOR = 0.3, 0.1
"""Of a second with both load and flight: its span at least, as a share of the largest one, and how far its floor may be
from the usual one, as a share of the usual span; chosen by hand."""
RUNNING_SPAN, FEWEST_SHIFTED = 0.7, 3
"""Share of the usual span, and seconds in a row, that show running on another floor, after a shift of the zero. Chosen
by hand: walking spans half as much as running."""
FEWEST_TO_SPLINE = 4
"""Points of which a cubic is drawn."""
NEIGHBOURS = 9
"""Flights of which that median is taken."""


@dataclass(frozen=True)
class Flights:
    """Unloaded phases between two contacts, in order; those cut by the ends or by a gap are left out.

    Attributes
    ----------
    start, end
        Shape (flights,): sample ranges ``[start, end)``.
    """

    start: Ints
    end: Ints

    @property
    def size(self) -> int:
        """Return the number of flights."""
        return int(self.start.size)

    @property
    def inner(self) -> tuple[Ints, Ints]:
        """Return the sample range of each flight's middle third, at least one sample."""
        third = (self.end - self.start) // 3
        return self.start + third, np.maximum(self.end - third, self.start + third + 1)

    def mask(self, samples: int) -> NDArray[np.bool_]:
        """Return which samples lie in the middle third of a flight."""
        first, last = self.inner
        edges = np.zeros(samples + 1, dtype=np.int64)
        np.add.at(edges, first, 1)
        np.add.at(edges, last, -1)
        return np.asarray(np.cumsum(edges)[:samples] > 0)

    def values(self, channel: Floats) -> Floats:
        """Return the median of a channel over each flight's middle third, shape (flights,)."""
        first, last = self.inner
        return np.asarray([np.nanmedian(channel[a:b]) for a, b in zip(first, last)], dtype=np.float64)

    def middle(self) -> Floats:
        """Return the middle of each flight in samples, shape (flights,)."""
        first, last = self.inner
        return (first + last - 1) / 2.0


def find_flights(
    load_n: Floats, *, rate_hz: float, threshold_n: float, shortest_s: float = 0.03, longest_s: float = 2.0
) -> Flights:
    """Return the flight phases of a running trial.

    The threshold stands on a floor that follows the drift: the 5th percentile of each second, taken over the
    seconds that hold both load and flight.

    Parameters
    ----------
    load_n
        Shape (samples,), N, up positive; any offset or drift; missing samples NaN.
    threshold_n
        Load above the floor that ends a flight; scale it by body weight.
    shortest_s, longest_s
        Unloaded phases outside this are no flights, nor are those out of the step rhythm on both sides.
    """
    above = load_n - _floor(load_n, rate_hz)
    below = above < threshold_n  # NaN is not below
    start, end = true_runs(below).T
    inside = (start > 0) & (end < load_n.size)
    finite = np.isfinite(load_n)
    # a phase beside a gap may have begun or ended within it: its middle is unknown
    inside[inside] &= finite[start[inside] - 1] & finite[end[inside]]
    length = (end - start) / rate_hz
    keep = inside & (length >= shortest_s) & (length <= longest_s) & (end - start >= 2)
    keep[keep] = _in_rhythm((start[keep] + end[keep]) / 2.0)
    return Flights(start[keep].astype(np.int64), end[keep].astype(np.int64))


def _in_rhythm(middle: Floats) -> NDArray[np.bool_]:
    """Return which flights lie a usual step from a neighbour; all of them where they are too few to tell."""
    if middle.size < 4:
        return np.ones(middle.size, dtype=bool)
    step = np.diff(middle)
    usual = np.abs(step - np.median(step)) <= RHYTHM * np.median(step)
    return np.asarray(np.concatenate([[False], usual]) | np.concatenate([usual, [False]]))


def drift_curve(channel: Floats, flights: Flights, *, rate_hz: float, shifts: Sequence[int] = ()) -> Floats:
    """Return the baseline of a channel at every sample, shape (samples,).

    A cubic spline through the flights' values at their middles. Before the first and after the last flight
    the baseline is held, not extrapolated; across more than 3 s without a flight it is a straight line, as a
    cubic may swing there. Values further than 5 robust SD from the median of their nine neighbours are left
    out. Zeros where there is no flight.

    Parameters
    ----------
    shifts
        Samples at which the zero jumps: the baseline is held up to each, and from it on.
    """
    at, value = flights.middle(), flights.values(channel)
    edges = [0, *shifts, channel.size]
    curve = np.zeros(channel.size)
    for first, end in pairwise(edges):
        here = (at >= first) & (at < end) & np.isfinite(value)
        curve[first:end] = _curve(at[here] - first, value[here], end - first, rate_hz)
    return curve


def _curve(at: Floats, value: Floats, samples: int, rate_hz: float) -> Floats:
    """Return the baseline of a stretch without a jump, through values at these samples of it."""
    keep = _not_outlying(value)
    at, value = at[keep], value[keep]
    index = np.arange(samples, dtype=np.float64)
    if at.size < FEWEST_TO_SPLINE:
        return np.interp(index, at, value) if at.size else np.zeros(samples)
    curve = np.interp(index, at, value)
    breaks = np.flatnonzero(np.diff(at) > LONGEST_SPLINE_GAP_S * rate_hz) + 1
    for part in np.split(np.arange(at.size), breaks):
        if part.size >= FEWEST_TO_SPLINE:
            _join(curve, at[part], value[part])
    return np.asarray(curve, dtype=np.float64)


def _join(curve: Floats, at: Floats, value: Floats) -> None:
    from scipy.interpolate import CubicSpline

    first, last = int(np.ceil(at[0])), int(np.floor(at[-1])) + 1
    curve[first:last] = CubicSpline(at, value, bc_type="natural")(np.arange(first, last, dtype=np.float64))


def wander_n(values: Floats) -> float:
    """Return how far the baseline wanders: range of the flights' values smoothed over nine flights.

    Zero for fewer than nine flights: single values hold noise that smoothing must remove first.
    """
    if values.size < NEIGHBOURS:
        return 0.0
    smooth = _running_median(values)
    return float(smooth.max() - smooth.min())


def _running_median(values: Floats) -> Floats:
    width = min(NEIGHBOURS, values.size if values.size % 2 else values.size - 1)
    # ends repeated: a window that shrank there would follow single flights
    padded = np.pad(values, width // 2, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)
    return np.asarray(np.median(windows, axis=1), dtype=np.float64)


def _not_outlying(values: Floats) -> NDArray[np.bool_]:
    if values.size < NEIGHBOURS:
        return np.ones(values.size, dtype=bool)
    off = np.abs(values - _running_median(values))
    return np.asarray(off <= np.maximum(OUTLYING_SDS * MAD_TO_SD * np.median(off), 1e-9))


def _floor(load_n: Floats, rate_hz: float) -> Floats:
    """Return the low level of each second with both load and flight, at every sample."""
    count = max(1, int(load_n.size / (BLOCK_S * rate_hz)))
    parts = np.array_split(np.arange(load_n.size), count)
    middle = np.asarray([part.mean() for part in parts])
    low, high = np.full(count, np.nan), np.full(count, np.nan)
    for k, part in enumerate(parts):
        block = load_n[part][np.isfinite(load_n[part])]
        if block.size >= 4:
            low[k], high[k] = np.percentile(block, [FLOOR_PERCENT, TOP_PERCENT])
    spans = high - low
    both = np.isfinite(spans)
    if not both.any():
        return np.zeros(load_n.size)
    both &= spans >= LEAST_SPAN * np.nanmax(spans)
    usual = float(np.median(low[both]))
    # a second of shuffling spans a load, but has no flight
    span = float(np.median(spans[both]))
    shifted = both & (spans >= RUNNING_SPAN * span)
    both &= np.abs(low - usual) <= SAME_FLOOR * span
    # a zero that shifted far within the record: whole seconds of running on another floor
    for first, end in true_runs(shifted & ~both).tolist():
        both[first:end] |= end - first >= FEWEST_SHIFTED
    if not both.any():
        return np.full(load_n.size, usual)
    return np.asarray(np.interp(np.arange(load_n.size), middle[both], low[both]), dtype=np.float64)
