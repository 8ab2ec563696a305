"""Losses of nearly a whole step: the contacts still fall on contacts, but on the wrong ones, from somewhere on."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..signals.contacts import Contacts
from .matching import match
from .score import rhythm, score

_REACH = 3
_PARTS = 10
_FEWEST = 16
_LEAST_NATS = 8.0
_LEAST_NATS_ON_PLATES = 12.0
_FEWEST_HITS = 4
_PASS_GAP_S = 2.5


def slips_within(
    reference: Contacts, device: Contacts, *, offset_s: float, rate: float, step_s: float, plates: bool = False
) -> tuple[float, float, float] | None:
    """Return the stretch of reference time that speaks for another step: (start, end, steps); None if none does.

    A loss shifts all that follows it, and a later one may shift it back. So beginnings, ends and stretches within are
    asked, by the same likelihood that chose the lag, whether they favour one of one to three steps either side by more
    than eight nats. Fewer than sixteen contacts cannot tell.

    Parameters
    ----------
    offset_s, rate
        The clock found.
    step_s
        The step time.
    plates
        The reference sees some contacts only: beginnings and ends are those of its passes, and any shift of up to three
        steps that brings contacts together is asked about.
    """
    if plates:
        return _slips_on_plates(reference, device, offset_s, rate, step_s)
    beat = rhythm(reference, device)
    mapped = offset_s + rate * device.onset_s
    inner = np.flatnonzero((mapped > reference.onset_s[0] - 0.1) & (mapped < reference.onset_s[-1] + 0.1))
    if inner.size < 2 * _FEWEST:
        return None
    shifts = step_s * np.arange(-_REACH, _REACH + 1).astype(np.float64)

    def gains(first: int, last: int) -> Floats:
        """Return the nats of contacts ``first`` to ``last`` at each shift over those at none."""
        chosen = inner[first:last]
        part = _part(device, chosen)
        near = _part(reference, _around(reference, mapped[chosen], (_REACH + 1) * step_s))
        if near.size < _FEWEST or part.size < _FEWEST:
            return np.zeros(shifts.size)
        found = match(near, part, offset_s + shifts, rate=rate, rate_prior_ppm=5.0, windows_s=(0.08, 0.06))
        total = score(near, part, found, beat, plates=False, rate_prior_ppm=5.0, start_rate=rate).total
        return np.asarray(total - total[_REACH])

    borders = np.linspace(0, inner.size, min(_PARTS, inner.size // _FEWEST) + 1).astype(int)
    single = np.stack([gains(a, b) for a, b in itertools.pairwise(borders)], axis=1)
    best: tuple[float, int, int, float] | None = None
    for first, last in _stretches(single, borders, inner.size):
        gain = gains(first, last)
        k = int(np.argmax(gain))
        if gain[k] > _LEAST_NATS and (best is None or gain[k] > best[0]):
            best = (float(gain[k]), first, last, float(k - _REACH))
    if best is None:
        return None
    return float(mapped[inner[best[1]]]), float(mapped[inner[best[2] - 1]]), best[3]


def _slips_on_plates(
    reference: Contacts, device: Contacts, offset_s: float, rate: float, step_s: float
) -> tuple[float, float, float] | None:
    """Return as :func:`slips_within` for separate plates; four contacts or more can tell there, with luck."""
    beat = rhythm(reference, device, plates=True)
    passes = np.flatnonzero(np.diff(reference.onset_s, prepend=-np.inf) > _PASS_GAP_S)
    size = reference.size
    best: tuple[float, int, int, float] | None = None
    for first, last in sorted({(0, int(b)) for b in passes[1:]} | {(int(b), size) for b in passes[1:]}):
        if last - first < _FEWEST_HITS:
            continue
        part = reference.taken(np.arange(first, last))
        apart = (part.onset_s[:, None] - offset_s - rate * device.onset_s[None, :]).ravel()
        apart = apart[np.abs(apart) < (_REACH + 0.5) * step_s]
        shifts = np.unique(np.concatenate([[0.0], np.round(apart / 0.01) * 0.01]))
        found = match(part, device, offset_s + shifts, rate=rate, rate_prior_ppm=5.0, windows_s=(0.08, 0.06))
        total = score(part, device, found, beat, plates=True, rate_prior_ppm=5.0, start_rate=rate).total
        own = float(total[np.abs(shifts) < 0.05].max())
        other = np.where(np.abs(found.offset_s - offset_s) > 0.1, total, -np.inf)
        k = int(np.argmax(other))
        gain = float(other[k]) - own
        if gain > _LEAST_NATS_ON_PLATES and (best is None or gain > best[0]):
            best = (gain, first, last, float(found.offset_s[k] - offset_s) / step_s)
    if best is None:
        return None
    return float(reference.onset_s[best[1]]), float(reference.onset_s[best[2] - 1]), best[3]


def _stretches(single: Floats, borders: NDArray[np.int64], size: int) -> list[tuple[int, int]]:
    """Return the stretches worth asking: beginnings, ends, and for each shift the run of parts that favours it most."""
    found = {(0, int(b)) for b in borders[1:-1]} | {(int(b), size) for b in borders[1:-1]}
    for ends in (_FEWEST, 2 * _FEWEST):
        if ends < size:
            found |= {(0, ends), (size - ends, size)}
    for k in range(single.shape[0]):
        if k != _REACH:
            first, last = _best_run(single[k])
            if single[k, first:last].sum() > 0.0 and (first, last) != (0, single.shape[1]):
                found.add((int(borders[first]), int(borders[last])))
    return sorted(found)


def _best_run(gain: Floats) -> tuple[int, int]:
    """Return the half-open run of neighbours with the largest sum."""
    sums = np.concatenate([[0.0], np.cumsum(gain)])
    total = sums[None, :] - sums[:, None]
    total[np.tril_indices(sums.size)] = -np.inf
    first, last = np.unravel_index(int(np.argmax(total)), total.shape)
    return int(first), int(last)


def _part(train: Contacts, chosen: NDArray[np.int64]) -> Contacts:
    """Return consecutive contacts of a train, covered only as far as they reach."""
    part = train.taken(chosen)
    if not part.size:
        return part
    low, high = part.onset_s[0] - 0.05, part.onset_s[-1] + 0.05
    covered = np.clip(train.covered_s, low, high)
    covered = covered[covered[:, 1] > covered[:, 0]]
    return Contacts(part.onset_s, part.offset_s, part.strength, part.foot, covered)


def _around(train: Contacts, at_s: Floats, reach_s: float) -> NDArray[np.int64]:
    return np.flatnonzero((train.onset_s > at_s[0] - reach_s) & (train.onset_s < at_s[-1] + reach_s))
