"""Shifts of a plate's zero within a record: the baseline of the flight phases jumps from one level to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import Floats
from .robust import MAD_TO_SD
from .treadmill_drift import Flights, find_flights

_SIDE, _FEWEST = 5, 3
"""Flights on each side of a shift whose medians are compared, and how many there are at the least. Chosen by hand."""
_ABRUPT = 0.6
"""Share of a shift that lies between two flights that follow each other; a drift takes many. Chosen by hand."""
_NOISES = 6.0
"""A shift in SDs of the flights' own scatter, at the least. Chosen by hand."""
_SHARP = 0.5
"""Share of a shift by which one sample jumps where it lies within a contact. Chosen by hand."""
_MOST = 8
"""Shifts that are looked for in one record; more are no shifts of a zero. Chosen by hand."""


@dataclass(frozen=True)
class ZeroShift:
    """From ``sample`` on the zero is higher by ``jump_n`` (N)."""

    sample: int
    jump_n: float


def zero_shifts(load_n: Floats, *, rate_hz: float, threshold_n: float, least_n: float) -> list[ZeroShift]:
    """Return the shifts of a running trial's zero, in order.

    A shift is a difference between the medians of five flights before and five after, most of which lies between two
    flights that follow each other.

    Parameters
    ----------
    load_n
        Shape (samples,), N, up positive; missing samples NaN.
    threshold_n
        As for :func:`~grfkit.signals.treadmill_drift.find_flights`.
    least_n
        Smallest shift (N).
    """
    flights = find_flights(load_n, rate_hz=rate_hz, threshold_n=threshold_n)
    values = flights.values(load_n)
    if values.size < 2 * _FEWEST:
        return []
    scatter = MAD_TO_SD * float(np.median(np.abs(np.diff(values)))) / np.sqrt(2.0)
    places = sorted(_places(values, 0, max(least_n, _NOISES * scatter)))
    if len(places) > _MOST:
        return []
    bounds = [0, *places, values.size]
    levels = [
        (np.median(values[max(a, k - _SIDE) : k]), np.median(values[k : min(b, k + _SIDE)]))
        for a, k, b in zip(bounds, places, bounds[2:])
    ]
    return [
        ZeroShift(_sample(load_n, flights, k, float(after - before)), float(after - before))
        for k, (before, after) in zip(places, levels)
    ]


def _places(values: Floats, first: int, least_n: float) -> list[int]:
    """Return the flights, counted from ``first``, before which the level shifts."""
    count = values.size
    if count < 2 * _FEWEST:
        return []
    inner = range(_FEWEST, count - _FEWEST + 1)
    jumps = np.asarray([np.median(values[k : k + _SIDE]) - np.median(values[max(0, k - _SIDE) : k]) for k in inner])
    steps = np.asarray([values[k] - values[k - 1] for k in inner])
    abrupt = (np.abs(jumps) > least_n) & (steps * np.sign(jumps) > _ABRUPT * np.abs(jumps))
    if not abrupt.any():
        return []
    k = inner[int(np.argmax(np.where(abrupt, np.abs(jumps), 0.0)))]
    return [*_places(values[:k], first, least_n), first + k, *_places(values[k:], first + k, least_n)]


def _sample(load_n: Floats, flights: Flights, k: int, jump_n: float) -> int:
    """Return the first sample after a shift: that of the sharpest jump, else the middle between the flights."""
    first, last = int(flights.inner[1][k - 1]), int(flights.inner[0][k])
    part = load_n[max(first - 2, 0) : last + 2]
    steps = np.diff(part) * np.sign(jump_n)
    if steps.size < 3:
        return (first + last) // 2
    # beyond the mean of its neighbours, as a landing is steep too, but for many samples
    sharp = steps[1:-1] - (steps[:-2] + steps[2:]) / 2.0
    if not np.isfinite(sharp).any() or float(np.nanmax(sharp)) < _SHARP * abs(jump_n):
        return (first + last) // 2
    return max(first - 2, 0) + int(np.nanargmax(sharp)) + 2


def without_shifts(channel: Floats, shifts: Sequence[ZeroShift]) -> Floats:
    """Return a channel with the zero of its first part throughout."""
    level = np.zeros(channel.size)
    for shift in shifts:
        level[shift.sample :] += shift.jump_n
    return np.asarray(channel - level)
