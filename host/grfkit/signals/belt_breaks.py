"""A shift of two belts that changes within a record: where, and by how much, as where one of them lost samples."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import Floats
from .belt_clocks import FORWARD, LEAST_S, TOLD_GAIN, TOLD_S, WIDEST_S, belt_averages, belt_shift

PLACE_S = 1.5
"""How near (s) the place of a break is known, for only where the feet change does a wrong shift show: of 335 breaks of
50 to 400 ms cut into 28 real walks (Pearl 2024) the farthest was placed 1.3 s off, 95 % within 0.5 s."""
SMALLEST_S, SMALLEST_GAIN = TOLD_S, TOLD_GAIN
"""Change (s) from which on a break is told, and the ratio by which the summed force on either side of it must vary less
at its own shift than at the other side's: those of a shift of the whole record."""
BLOCK_S = 0.1
"""Length (s) of what is looked at as one: the place of a break is known to no less than that."""


@dataclass(frozen=True)
class BeltPart:
    """A stretch of two belts' record over which the shift of their clocks holds.

    Attributes
    ----------
    start_s, end_s
        Times from the record's first sample; the place of a break is known to :data:`PLACE_S`.
    late_s
        By how much the second belt's samples come later than the first's; NaN where it is near half a stride, or the
        stretch shows no shift.
    """

    start_s: float
    end_s: float
    late_s: float


def belt_parts(first: Floats, second: Floats, *, rate_hz: float) -> list[BeltPart]:
    """Return the stretches between which the shift of two belts changes; empty where it does not, or nothing shows it.

    The summed force of somebody who walks is steady at the right shift. The record is cut where two shifts, one before
    and one after, leave it steadier by far than one, and its parts are cut likewise.

    Parameters
    ----------
    first, second
        As of :func:`~grfkit.signals.belt_clocks.belt_shift`.
    """
    known = belt_averages(first, second, rate_hz=rate_hz)
    if known is None:
        return []
    step, a, b = known
    reach = round(WIDEST_S / step)
    every = max(1, round(BLOCK_S / step))
    costs = np.cumsum(_unsteadiness(a, b, reach, every), axis=1)
    seen = np.isfinite(a[reach : reach + (costs.shape[1] - 1) * every, 0]).reshape(-1, every).mean(axis=1)
    cuts = _cuts(costs, np.append(0.0, np.cumsum(seen)), 0, costs.shape[1] - 1, (every * step, step))
    if not cuts:
        return []
    edges_s = [0.0, *((cut * every + reach) * step for cut in cuts), len(first) / rate_hz]
    parts = []
    for start_s, end_s in itertools.pairwise(edges_s):
        inner = slice(
            round((start_s + (PLACE_S if start_s else 0.0)) * rate_hz),
            round((end_s - (PLACE_S if end_s < edges_s[-1] else 0.0)) * rate_hz),
        )
        shift = belt_shift(first[inner], second[inner], rate_hz=rate_hz)
        parts.append(BeltPart(start_s, end_s, float("nan") if shift is None else shift.late_s))
    return parts


def told_parts(parts: Sequence[BeltPart], other: str) -> str:
    """Return in words where the second belt's clock breaks against the other's, and by how much."""
    return (
        ", then ".join(
            f"{'by an unknown time, near half a stride, off' if np.isnan(part.late_s) else _told(part.late_s)} from"
            f" {part.start_s:.1f} to {part.end_s:.1f} s"
            for part in parts
        )
        + f" against {other} (places to {PLACE_S:.1f} s)"
    )


def _told(late_s: float) -> str:
    milliseconds = round(1e3 * late_s)
    return f"{abs(milliseconds)} ms {'late' if milliseconds > 0 else 'early'}" if milliseconds else "on time"


def _unsteadiness(a: Floats, b: Floats, reach: int, every: int) -> Floats:
    """Return the squared deviation of the summed force from its mean, shape (shifts, blocks + 1), the first one 0.

    Each block holds the sum over as many samples; those that are unknown add nothing.
    """
    size = (len(a) - 2 * reach) // every * every
    mine = a[reach : reach + size]
    rows = []
    for k in range(2 * reach + 1):
        off = mine + b[k : k + size]
        off = off - np.nanmean(off, axis=0)
        square = np.nan_to_num(off[:, 0] ** 2 + FORWARD * off[:, 1] ** 2)
        rows.append(np.append(0.0, square.reshape(-1, every).sum(axis=1)))
    return np.asarray(rows)


def _cuts(costs: Floats, seen: Floats, start: int, end: int, steps_s: tuple[float, float]) -> list[int]:
    """Return the blocks between start and end at which the best shift changes; steps (s) of blocks and of shifts.

    ``seen`` counts the blocks up to each that are known: what is unknown is steady at every shift.
    """
    least = round(LEAST_S / steps_s[0])
    if end - start <= 2 * least:
        return []
    inside = np.arange(start + least, end - least)
    inside = inside[(seen[inside] - seen[start] >= least) & (seen[end] - seen[inside] >= least)]
    if not inside.size:
        return []
    before = costs[:, inside] - costs[:, [start]]
    after = costs[:, [end]] - costs[:, inside]
    at = int(np.argmin(before.min(axis=0) + after.min(axis=0)))
    one, two = int(before[:, at].argmin()), int(after[:, at].argmin())
    gain = min(before[two, at] / max(before[one, at], 1e-12), after[one, at] / max(after[two, at], 1e-12))
    if abs(one - two) * steps_s[1] < SMALLEST_S or gain < SMALLEST_GAIN:
        return []
    cut = int(inside[at])
    return [*_cuts(costs, seen, start, cut, steps_s), cut, *_cuts(costs, seen, cut, end, steps_s)]
