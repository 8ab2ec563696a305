"""The path of a foot's centre of pressure on the ground that it stands on, from where a plate saw it in the lab."""

from __future__ import annotations

import numpy as np

from ..arrays import Floats
from .cop import LONGEST_FOOT_M

LOADED_BW = 0.3
"""Vertical force (BW) from which a plate's centre of pressure is taken: below, it is noise over a small force. By hand
on 3,251 contacts of walkers on two belts (Pearl 2022): from .2 BW on it travels further than the longest foot in
11 % of them, from .3 BW on in 2 %."""
LEAST_LOADED = 0.5
"""Share of a contact's samples that are loaded and have a centre, at the least. Chosen by hand: .9 is usual."""
TOO_FAR = "centre of pressure travels further than a foot is long"
BACKWARD = "centre of pressure runs backward: is +X the direction of walking?"
NOT_KNOWN = "centre of pressure not known in half of the contact"
_MM = 1e3


def cop_path(lab_m: Floats, force_bw: Floats, time_s: Floats, *, belt_m_s: float, medial_sign: float) -> Floats | str:
    """Return the path (mm) of one contact's centre of pressure on the ground, or why it has none.

    The ground under a foot is a belt that runs backward, or the floor: the path is the centre in the lab plus how far
    the belt has run. Its zero is the path's own mean, weighed by force: no landmark says where the heel is, and the
    centre at contact, over hardly any force, is known to some centimetres only.

    Parameters
    ----------
    lab_m
        Shape (samples, 2): forward and left in the lab, NaN where unknown.
    force_bw
        Shape (samples,): vertical force of the plates that bore the foot.
    belt_m_s
        Speed of the belt; 0 over a floor.
    medial_sign
        1 where medial is to the left (a right foot), else -1.

    Returns
    -------
    Floats or str
        Shape (samples, 2): along the direction of walking, and medial; NaN where the foot bears less than
        :data:`LOADED_BW` or its centre is not known.
    """
    known = (force_bw >= LOADED_BW) & np.isfinite(lab_m).all(axis=1)
    if known.sum() < max(2, LEAST_LOADED * len(known)):
        return NOT_KNOWN
    ground = lab_m * [1.0, medial_sign]
    ground[:, 0] += belt_m_s * (time_s - time_s[0])
    place, weight = ground[known], force_bw[known]
    if np.hypot(*(place.max(axis=0) - place.min(axis=0))) > LONGEST_FOOT_M:
        return TOO_FAR
    third = max(1, len(place) // 3)
    if place[-third:, 0].mean() < place[:third, 0].mean():
        return BACKWARD
    path = np.full_like(ground, np.nan)
    path[known] = (place - np.average(place, axis=0, weights=weight)) * _MM
    return path
