"""Losses of nearly a whole step: the contacts still fall on contacts, but on the wrong ones, from somewhere on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..signals.contacts import Contacts
from .matching import match
from .score import rhythm, score

Floats = NDArray[np.float64]

_REACH = 3
_PARTS = 10
_FEWEST = 16
_LEAST_NATS = 5.0


def slips_within(
    reference: Contacts, device: Contacts, *, offset_s: float, rate: float, step_s: float
) -> tuple[float, float, int] | None:
    """Return the stretch of reference time that speaks for another step: (start, end, steps); None if none does.

    A loss shifts all that follows it, so beginnings and ends of the record of every length are asked, by the same
    likelihood that chose the lag, whether they favour one of one to three steps either side by more than five nats.

    Parameters
    ----------
    offset_s, rate
        The clock found.
    step_s
        The step time.
    """
    beat = rhythm(reference, device)
    mapped = offset_s + rate * device.onset_s
    inner = np.flatnonzero((mapped > reference.onset_s[0] - 0.1) & (mapped < reference.onset_s[-1] + 0.1))
    if inner.size < 2 * _FEWEST:
        return None
    shifts = step_s * np.arange(-_REACH, _REACH + 1).astype(np.float64)
    parts = min(_PARTS, inner.size // _FEWEST)
    borders = np.linspace(0, inner.size, parts + 1).astype(int)
    best: tuple[float, float, float, int] | None = None
    for first, last in [(0, b) for b in borders[1:-1]] + [(b, inner.size) for b in borders[1:-1]]:
        chosen = inner[first:last]
        part = _part(device, chosen)
        near = _part(reference, _around(reference, mapped[chosen], (_REACH + 1) * step_s))
        if near.size < _FEWEST:
            continue
        found = match(near, part, offset_s + shifts, rate=rate, rate_prior_ppm=5.0, windows_s=(0.08, 0.06))
        total = score(near, part, found, beat, plates=False, rate_prior_ppm=5.0, start_rate=rate).total
        gain = total - total[_REACH]
        k = int(np.argmax(gain))
        if gain[k] > _LEAST_NATS and (best is None or gain[k] > best[0]):
            best = (float(gain[k]), float(mapped[chosen[0]]), float(mapped[chosen[-1]]), k - _REACH)
    return None if best is None else best[1:]


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
