"""Which foot stood during a contact, by which foot's landmarks are lower: for plates that both feet share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..signals.landmark_contacts import foot_heights

LEAST_LOWER_M = 0.03
"""How much lower (m) the standing foot has to be in the middle of the contact. Chosen by hand: a runner's other foot
swings 0.1 m and more above it; a walker's toe clears the floor by 0.015 m, and then the foot stays unknown."""
_MIDDLE = (0.3, 0.7)
"""Part of a contact that is looked at: a walker's other foot stands before and after. Chosen by hand."""


def lower_feet(streams: Iterable[xr.Dataset], contacts: Sequence[tuple[float, float]]) -> list[int]:
    """Return the foot that stood during each contact: 0 left, 1 right, -1 where neither is clearly the lower one.

    Parameters
    ----------
    streams
        Landmarks, on the contacts' clock.
    contacts
        Begin and end of each (s).
    """
    feet = [-1] * len(contacts)
    for stream in streams:
        names = [str(n) for n in stream["position"]["landmark"].values]
        left, right = foot_heights(np.asarray(stream["position"].values, dtype=np.float64), names)
        if left is None or right is None:
            continue
        time = np.asarray(stream["time"].values, dtype=np.float64)
        for index, contact in enumerate(contacts):
            if feet[index] < 0:
                feet[index] = _lower(time, left, right, contact)
    return feet


def _lower(time: Floats, left: Floats, right: Floats, contact: tuple[float, float]) -> int:
    start, end = (contact[0] + share * (contact[1] - contact[0]) for share in _MIDDLE)
    within = (time >= start) & (time <= end) & np.isfinite(left) & np.isfinite(right)
    if not within.any():
        return -1
    higher_m = float(np.median(left[within] - right[within]))
    return -1 if abs(higher_m) < LEAST_LOWER_M else int(higher_m > 0)
