"""Where the lag of a sensor on the body jumps within a record: samples lost there, or a clock that was set.

Two lags, one before and one after a place, are taken for one where they explain what differs from stride to stride by
many nats more than any single lag does. Every part is asked again, so that several breaks are found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from .body_course import GRID_HZ, LARGEST_CORRELATION, ORDER_S, Course, bartlett, course_of, foretold, unforetold
from .body_search import PHASES, BestBodyLag
from .contact_events import LoadSignal

LONGEST_BREAK_S = 6.0
"""Largest jump (s) that is looked for, either way: a belt's file may break as well; as for contacts."""
SMALLEST_BREAK_S = 0.025
"""Smallest jump (s) that is a break; chosen by hand: two and a half steps of the lags that are tried."""
BREAK_NATS = 25.0
"""Nats by which two lags have to beat one; the gate of an alignment by the body."""
BORDER_NATS = 5.0
"""Places of a break that are less likely than the best by no more than this (nats) are possible, as for contacts."""
SHORTEST_PART_S = 4.0
"""Shortest part (s) that is looked at by itself; chosen by hand: a slow walker's three strides."""
BLOCK_S, MOST_BLOCKS = 0.2, 1000
"""Grid (s) of the places at which a break is looked for, coarser in records of more than so many."""
SETTLE_S = 0.3
"""Time (s) about a break in which the band-pass mixes both sides; chosen by hand."""
ROUNDS = 3
"""Rounds at most in which each break is placed anew between its neighbours."""
SHAKEN_S = 8.0
"""Longest part (s) between two breaks that is left out where it follows no lag; chosen by hand."""


@dataclass(frozen=True)
class BodyPart:
    """A part of a record on one line of its own.

    Attributes
    ----------
    start_s, end_s
        Device time; what lies between two parts is not placed.
    lag_s
        What is added to the times of the whole record's best lag.
    margin
        Nats by which the part's lag beats every other one within the search's reach.
    """

    start_s: float
    end_s: float
    lag_s: float
    margin: float


class _Cut(NamedTuple):
    """A break: the first and the last block at which it may lie, and the best."""

    first: int
    best: int
    last: int


@dataclass(frozen=True)
class _Sums:
    """Sums over blocks of time, shape (lags, blocks + 1), cumulative: of products, of squares, and of what is known."""

    lags_s: Floats
    product: Floats
    mine: Floats
    other: Floats
    known: Floats
    correlated: float

    def nats(self, first: NDArray[np.int64] | int, end: NDArray[np.int64] | int) -> Floats:
        """Return the nats of every lag over blocks ``first`` to before ``end``, shape (lags, places)."""
        a, b = np.atleast_1d(first), np.atleast_1d(end)
        product, mine, other, known = (
            values[:, b] - values[:, a] for values in (self.product, self.mine, self.other, self.known)
        )
        power = np.sqrt(np.maximum(mine * other, 0.0))
        r = np.clip(product / np.maximum(power, 1e-12), 0.0, LARGEST_CORRELATION)
        return np.asarray(-0.5 * known / self.correlated * np.log1p(-(r**2)))


def body_parts(winner: BestBodyLag, body: LoadSignal, force: LoadSignal, *, same_s: float) -> list[BodyPart]:
    """Return the parts between breaks, the whole record where there is none.

    Parameters
    ----------
    same_s
        Lags nearer than this are one.
    """
    start_s, end_s = float(body.time_s[0]), float(body.time_s[-1])
    moved = winner.mapped(body.time_s)
    mine = course_of(moved, body.value)
    if mine is None:
        return [BodyPart(start_s, end_s, 0.0, np.inf)]
    block = max(round(BLOCK_S * GRID_HZ), -(-mine.value.size // MOST_BLOCKS))
    sums = _sums(mine, force, block)
    blocks = sums.known.shape[1] - 1
    cuts = _cuts(sums, blocks, max(1, round(SHORTEST_PART_S * GRID_HZ / block)))
    edges_s = mine.start_s + block / GRID_HZ * np.arange(blocks + 1)
    device_s = winner.middle_s + (edges_s - winner.middle_s - winner.lag_s) / winner.rate
    parts = []
    starts = [start_s, *(float(device_s[last]) + SETTLE_S for _, _, last in cuts)]
    ends = [*(float(device_s[first]) - ORDER_S - SETTLE_S for first, _, _ in cuts), end_s]
    at = [0, *(middle for _, middle, _ in cuts), blocks]
    for first, end, part_start_s, part_end_s in zip(at[:-1], at[1:], starts, ends):
        nats = sums.nats(first, end)[:, 0]
        top = int(np.argmax(nats))
        far = np.abs(sums.lags_s - sums.lags_s[top]) > same_s
        lag_s = float(sums.lags_s[top])
        parts.append(BodyPart(part_start_s, part_end_s, lag_s, float(nats[top] - nats[far].max(initial=0.0))))
    # what a break makes of a filter's output can look like a part of its own: it belongs to what is not placed
    inner = [p for p in parts[1:-1] if p.margin >= BREAK_NATS or p.end_s - p.start_s > SHAKEN_S]
    parts = [parts[0], *inner, parts[-1]] if len(parts) > 1 else parts
    sure = max(part.margin for part in parts) >= BREAK_NATS
    # two records that have nothing in common also fit at one lag here and at another there
    return parts if sure else [BodyPart(start_s, end_s, 0.0, np.inf)]


def _cuts(sums: _Sums, blocks: int, shortest: int) -> list[_Cut]:
    """Return the breaks in order, each judged between its neighbours: with a third lag in sight the first is rough."""
    cuts = _rough_cuts(sums, 0, blocks, shortest)
    for _ in range(ROUNDS):
        before = list(cuts)
        index = 0
        while index < len(cuts):
            first = cuts[index - 1].best if index else 0
            end = cuts[index + 1].best if index + 1 < len(cuts) else blocks
            own = _cut(sums, first, end, shortest)
            cuts[index : index + 1] = [] if own is None else [own]
            index += own is not None
        if cuts == before:
            break
    return cuts


def _rough_cuts(sums: _Sums, first: int, end: int, shortest: int) -> list[_Cut]:
    """Return the breaks within some blocks: the clearest one, and those before and after it."""
    cut = _cut(sums, first, end, shortest)
    if cut is None:
        return []
    return [*_rough_cuts(sums, first, cut.best, shortest), cut, *_rough_cuts(sums, cut.best, end, shortest)]


def _cut(sums: _Sums, first: int, end: int, shortest: int) -> _Cut | None:
    """Return the clearest break within some blocks, None where there is none."""
    places = np.arange(first + shortest, end - shortest + 1)
    if places.size == 0:
        return None
    before, after = sums.nats(first, places), sums.nats(places, end)
    lag_before, lag_after = before.argmax(axis=0), after.argmax(axis=0)
    # one lag on both sides is also given a correlation on each: what shakes a sensor for a while is no break
    gain = before.max(axis=0) + after.max(axis=0) - (before + after).max(axis=0)
    gain[np.abs(sums.lags_s[lag_after] - sums.lags_s[lag_before]) < SMALLEST_BREAK_S] = -np.inf
    best = int(np.argmax(gain))
    if gain[best] < BREAK_NATS:
        return None
    held = before[lag_before[best]] + after[lag_after[best]]
    possible = places[held > held[best] - BORDER_NATS]
    return _Cut(int(possible[0]), int(places[best]), int(possible[-1]))


def _sums(mine: Course, force: LoadSignal, block: int) -> _Sums:
    """Return the sums over blocks of what is left of both courses, at every lag within reach."""
    weights = foretold(mine)
    body = unforetold(mine, weights)
    count = -(-body.value.size // block)
    lags, rows, correlated = [], [], 1.0
    for phase in range(PHASES):
        course = course_of(force.time_s, force.value, shift_s=phase / (PHASES * GRID_HZ))
        if course is None:
            continue
        other = unforetold(course, weights)
        correlated = max(correlated, bartlett(body.value, other.value))
        # moved by so many steps of the grid the force's course lies under the body's
        nearest = (body.start_s - other.start_s) * GRID_HZ
        reach = LONGEST_BREAK_S * GRID_HZ
        for step in range(int(np.ceil(nearest - reach)), int(np.floor(nearest + reach)) + 1):
            lags.append((step - nearest) / GRID_HZ)
            y, known = _shifted(other.value, step, body.value.size), _shifted(other.known, step, body.value.size)
            both = body.known * known
            each = np.stack([body.value * y * both, body.value**2 * both, y**2 * both, both])
            padded = np.pad(each, ((0, 0), (0, count * block - body.value.size)))
            rows.append(padded.reshape(4, count, block).sum(axis=2))
    order = np.argsort(lags)
    cumulative = np.cumsum(np.pad(np.asarray(rows)[order], ((0, 0), (0, 0), (1, 0))), axis=2)
    product, mine_squared, other_squared, known_both = (cumulative[:, k] for k in range(4))
    return _Sums(np.asarray(lags)[order], product, mine_squared, other_squared, known_both, correlated)


def _shifted(values: Floats, by: int, size: int) -> Floats:
    """Return ``values[by : by + size]``, 0 where there are none."""
    moved = np.zeros(size)
    first, end = max(by, 0), min(by + size, values.size)
    if end > first:
        moved[first - by : end - by] = values[first:end]
    return moved
