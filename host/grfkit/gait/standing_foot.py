"""Which foot stood on a plate, as the contacts of wearables say."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..arrays import Floats
from ..signals.contacts import Contacts
from .plate_force import PlateContact

_NEAR_S = 0.12
"""Distance (s) of a landing from a contact from which on it says nothing of it. Chosen by hand: under half a runner's
step."""
_LEAST_MATCH, _RIVAL_MATCH = 0.5, 0.8
"""A foot made a contact if its match (0 to 1) is at least the first, and the other foot's is below the second times it.
Chosen by hand: in doubt the side stays unknown."""


def foot_times(trains: Iterable[Contacts], foot: int) -> tuple[Floats, Floats]:
    """Return a foot's landings and toe-offs, s, in order."""
    spans = [(t.onset_s[t.foot == foot], t.offset_s[t.foot == foot]) for t in trains]
    if not spans:
        return np.zeros(0), np.zeros(0)
    onset, offset = (np.concatenate(parts) for parts in zip(*spans))
    order = np.argsort(onset)
    return onset[order], offset[order]


def standing_foot(
    contact: PlateContact, left: tuple[Floats, Floats], right: tuple[Floats, Floats], *, overlap: bool
) -> int:
    """Return the foot that stood during a contact, -1 where neither or both did."""
    shares = [_overlap(contact, *foot) if overlap else _nearness(contact, foot[0]) for foot in (left, right)]
    # both feet match where they stand together, or where one clock is off: then neither is named
    best = int(np.argmax(shares))
    return best if shares[best] >= _LEAST_MATCH and shares[1 - best] < _RIVAL_MATCH * shares[best] else -1


def _overlap(contact: PlateContact, onset: Floats, offset: Floats) -> float:
    """Return the share of a contact in which a foot's insole was loaded."""
    shared = np.minimum(offset, contact.to_s) - np.maximum(onset, contact.ic_s)
    return float(np.clip(shared, 0.0, None).sum() / (contact.to_s - contact.ic_s)) if shared.size else 0.0


def _nearness(contact: PlateContact, onset: Floats) -> float:
    """Return 1 for a landing at the contact, 0.5 for one 0.06 s off, 0 beyond 0.12 s."""
    if not onset.size:
        return 0.0
    return max(0.0, 1.0 - float(np.abs(onset - contact.ic_s).min()) / _NEAR_S)
