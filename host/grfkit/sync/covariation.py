"""What two devices measured at the same contacts: log Bayes factors (nats) of a positive slope between them.

Contact time, load and loading rate vary from contact to contact, and both devices see it. At a wrong offset one
contact's value is compared with another's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..signals.contacts import Contacts
from ..signals.robust import MAD_TO_SD
from .matching import Matches, masked_median

LARGEST_CORRELATION = 0.999
"""Correlation at the most, which keeps equal series from being infinite evidence."""
FEWEST_PAIRS = 6
"""Contacts that a correlation needs."""
WINSOR_SDS = 3.0
"""Robust SDs at which durations and strengths are cut off."""
PARTIAL_SDS, LEAST_PARTIAL = 4.0, 0.04
"""Robust SDs, and share of the usual impulse at the least, by which a hit's impulse differs from the usual one's where
part of the foot was beside the plate, or it was no stride. Without them the evidence of insoles' peaks is five times as
large (118 trials of tuning seeds)."""


def shared_measures(reference: Contacts, device: Contacts) -> list[str]:
    """Return the names of what both sides measured of the course of a contact."""
    return sorted(
        name
        for name in set(reference.measures) & set(device.measures)
        if np.isfinite(reference.measures[name]).any() and np.isfinite(device.measures[name]).any()
    )


def courses(reference: Contacts, device: Contacts, matches: Matches) -> Floats:
    """Return the evidence of the measures that both sides have, shape (K,); of hits by the whole foot alone."""
    whole = whole_hits(reference)
    parts = [
        covariation(np.where(whole, reference.measures[name], np.nan), device.measures[name], device, matches, False)
        for name in shared_measures(reference, device)
    ]
    return np.asarray(np.sum(parts, axis=0))


def whole_hits(reference: Contacts) -> NDArray[np.bool_]:
    """Return which hits have the usual impulse: the others bore part of a foot, or were no strides."""
    return np.asarray(np.abs(_unusual_impulse(reference)) <= 1.0, dtype=bool)


def partial_hits(reference: Contacts) -> NDArray[np.bool_]:
    """Return which hits bore part of a foot only."""
    return np.asarray(_unusual_impulse(reference) < -1.0, dtype=bool)


def _unusual_impulse(reference: Contacts) -> Floats:
    """Return by how much each impulse differs from the usual one, as a multiple of what strides may; 0 if unknown."""
    impulse = reference.strength * reference.duration_s
    if not np.isfinite(impulse).any():
        return np.zeros(reference.size)
    usual = float(np.nanmedian(impulse))
    apart = impulse - usual
    limit = max(PARTIAL_SDS * MAD_TO_SD * float(np.nanmedian(np.abs(apart))), LEAST_PARTIAL * abs(usual), 1e-12)
    return np.asarray(np.nan_to_num(apart / limit))


def covariation(reference: Floats, device: Floats, train: Contacts, matches: Matches, detrend: bool) -> Floats:
    """Return the log Bayes factor of a positive slope between what the two devices measured at each contact."""
    if not np.isfinite(device).any() or not np.isfinite(reference).any():
        return np.zeros(matches.offset_s.shape)
    safe = np.clip(matches.partner, 0, None)
    x = np.broadcast_to(_local(reference) if detrend else reference, safe.shape)
    y = (_local(device) if detrend else device)[safe]
    good = matches.inlier & np.isfinite(x) & np.isfinite(y)
    foot = train.foot[safe]
    x, y = np.where(good, x, 0.0), np.where(good, y, 0.0)
    # a difference between the feet alternates, and so speaks for every second step alike: it is taken off
    for side in (-1, 0, 1):
        of_side = good & (foot == side)
        if of_side.any():
            x, y = _less_mean(x, of_side), _less_mean(y, of_side)
    x, y = _ranked(x, good), _ranked(y, good)
    n = good.sum(axis=1).astype(np.float64)
    power = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    # from 0: a negative correlation is no evidence for anything, as more load is more load on both devices
    r = np.clip((x * y).sum(axis=1) / np.where(power > 0, power, 1.0), 0.0, LARGEST_CORRELATION)
    dof = np.maximum(n - 2.0, 0.0)
    # Liang et al. 2008 for one predictor and g = n: (1 + n)^((n - 2) / 2) / (1 + n (1 - r^2))^((n - 1) / 2)
    factor = 0.5 * dof * np.log1p(n) - 0.5 * (dof + 1.0) * np.log1p(n * (1.0 - r**2))
    return np.where(n >= FEWEST_PAIRS, factor, 0.0)


def _local(values: Floats) -> Floats:
    """Return each value less the mean of its same-foot neighbours (two and four contacts away)."""
    if values.size < 9:
        return values - np.nanmean(values) if np.isfinite(values).any() else values
    # reflected about the first and the last contact, so that feet go on alternating
    padded = np.concatenate([values[4:0:-1], values, values[-2:-6:-1]])
    near = np.stack([padded[:-8], padded[2:-6], padded[6:-2], padded[8:]])
    finite = np.isfinite(near)
    level = np.where(finite, near, 0.0).sum(axis=0) / np.maximum(finite.sum(axis=0), 1)
    return np.where(finite.any(axis=0), values - level, np.nan)


def _less_mean(values: Floats, mask: NDArray[np.bool_]) -> Floats:
    mean = (values * mask).sum(axis=1) / np.maximum(mask.sum(axis=1), 1)
    return np.where(mask, values - mean[:, None], values)


def _ranked(values: Floats, good: NDArray[np.bool_]) -> Floats:
    """Return each row winsorised at three robust SDs: one odd contact must not make or break a correlation."""
    limit = WINSOR_SDS * MAD_TO_SD * masked_median(np.abs(values), good)
    return np.where(good, np.clip(values, -limit[:, None], limit[:, None]), 0.0)
