"""Many samples as few: what a screen's columns can show, with every peak kept."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..arrays import Floats


class Envelope(NamedTuple):
    """Lowest and highest value of each column; NaN where a column has no finite sample."""

    at: Floats
    low: Floats
    high: Floats


def envelope(x: Floats, y: Floats, *, start: float, end: float, columns: int) -> Envelope:
    """Return the extremes of ``y`` in ``columns`` equal columns of ``x`` between ``start`` and ``end``.

    Parameters
    ----------
    x
        Shape (samples,), never decreasing, without NaN.
    y
        Shape (samples,), NaN where missing.
    """
    edges = np.linspace(start, end, columns + 1)
    bounds = np.searchsorted(x, edges)
    low, high = np.full(columns, np.nan), np.full(columns, np.nan)
    filled = np.flatnonzero(bounds[1:] > bounds[:-1])
    if filled.size:
        # consecutive filled columns share a border, as the empty ones between them hold no sample
        part = y[bounds[0] : bounds[-1]]
        starts = bounds[filled] - bounds[0]
        low[filled] = np.fmin.reduceat(part, starts)
        high[filled] = np.fmax.reduceat(part, starts)
    return Envelope((edges[1:] + edges[:-1]) / 2, low, high)


def curve(x: Floats, y: Floats, *, start: float, end: float, columns: int = 420) -> tuple[Floats, Floats]:
    """Return a curve that looks like ``y`` over ``x`` on a screen ``columns`` wide.

    Up to two samples per column are returned as they are (with one neighbour on each side, so that the line
    reaches the border), more as lowest and highest value in turn.
    """
    first, last = np.searchsorted(x, [start, end])
    if last - first <= 2 * columns:
        cut = slice(max(int(first) - 1, 0), int(last) + 1)
        return x[cut], y[cut]
    extremes = envelope(x, y, start=start, end=end, columns=columns)
    # lowest and highest stand a quarter of a column to either side, so that the line rises and falls within it
    half = (end - start) / columns / 4
    at = np.column_stack([extremes.at - half, extremes.at + half]).ravel()
    return at, np.column_stack([extremes.low, extremes.high]).ravel()


def ordered(t: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return time without NaN or steps back, and ``y`` with NaN where the time is unknown."""
    finite = np.isfinite(t)
    if not finite.any():
        return np.empty(0), np.empty(0)
    first = int(np.argmax(finite))
    # most times are complete and in order already, and a copy of a 2 h recording takes memory
    if finite.all() and not (np.diff(t) < 0).any():
        return t, y
    # a clock set back stands still until it has caught up; the samples keep their order
    forward = np.fmax.accumulate(t[first:])
    return forward, np.where(finite[first:], y[first:], np.nan)
