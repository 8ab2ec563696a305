"""Losses of nearly a whole step: the contacts still fall on contacts, but on the wrong ones, from somewhere on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..signals.contacts import Contacts
from .matching import match

Floats = NDArray[np.float64]

_BLOCK = 16
_REACH = 3
_LEAST = 15.0
_PER_ROOT_BLOCK = 12.0


def slips_within(
    reference: Contacts, device: Contacts, *, offset_s: float, rate: float, step_s: float
) -> tuple[float, float, int] | None:
    """Return the stretch of reference time that speaks for another step: (start, end, steps); None if none does.

    For blocks of 16 matched contacts the scatter at the chosen lag is compared with that at one to three steps either
    side. A loss shifts all that follows it, so it is the record's beginning or end that is asked whether it favours
    another lag by more than chance would.

    Parameters
    ----------
    offset_s, rate
        The clock found.
    step_s
        The step time.
    """
    shifts = step_s * np.arange(-_REACH, _REACH + 1).astype(np.float64)
    matches = match(reference, device, offset_s + shifts, rate=rate, rate_prior_ppm=1.0, windows_s=(0.08,))
    residual = np.where(matches.partner >= 0, matches.residual_s, np.nan)
    usable = np.flatnonzero(np.isfinite(residual[_REACH]))
    if usable.size < 2 * _BLOCK:
        return None
    blocks = np.array_split(usable, max(1, usable.size // _BLOCK))
    scatter = np.stack([_scatter(residual[:, b]) for b in blocks], axis=1)
    gain = 0.5 * _BLOCK * np.log(scatter[_REACH] / scatter)
    best: tuple[float, float, float, int] | None = None
    for k in range(2 * _REACH + 1):
        if k == _REACH:
            continue
        total, first, last = _best_end(gain[k])
        if total > 0.0 and (best is None or total > best[0]):
            start = float(reference.onset_s[blocks[first][0]])
            best = (total, start, float(reference.onset_s[blocks[last][-1]]), k - _REACH)
    return None if best is None else best[1:]


def _scatter(residual: Floats) -> Floats:
    """Return the winsorised variance of each row about its middle; wide where less than half is matched."""
    known = np.isfinite(residual)
    count = known.sum(axis=1)
    ordered = np.sort(np.where(known, residual, np.inf), axis=1)
    rows = np.arange(residual.shape[0])
    middle = np.where(count > 0, ordered[rows, np.maximum(count - 1, 0) // 2], 0.0)
    away = np.where(known, np.abs(residual - middle[:, None]), np.inf)
    spread = np.maximum(1.4826 * np.sort(away, axis=1)[rows, np.maximum(count - 1, 0) // 2], 0.001)
    clipped = np.where(known, np.minimum(away, 2.5 * spread[:, None]), 0.0)
    variance = (clipped**2).sum(axis=1) / np.maximum(count, 1)
    return np.where(2 * count >= residual.shape[1], np.maximum(variance, 1e-6), 0.03**2)


def _best_end(gain: Floats) -> tuple[float, int, int]:
    """Return the beginning or end of the record that speaks most for another lag: (excess, first, last).

    Excess: the sum of the blocks' nats less what chance would give so many blocks in one trial of hundreds.
    """
    count = np.arange(1, gain.size + 1)
    needed = np.maximum(_LEAST, _PER_ROOT_BLOCK * np.sqrt(count))
    head = np.cumsum(gain) - needed
    tail = np.cumsum(gain[::-1]) - needed
    if head.max() >= tail.max():
        return float(head.max()), 0, int(np.argmax(head))
    return float(tail.max()), gain.size - 1 - int(np.argmax(tail)), gain.size - 1
