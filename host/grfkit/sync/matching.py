"""Which contact is which: mutual nearest matches at many candidate offsets at once, and their affine fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..signals.contacts import Contacts, inside
from ..signals.robust import MAD_TO_SD
from .fit import TUKEY

WINDOWS_S = (0.110, 0.080, 0.060)
"""Distance (s) within which contacts may match, round by round; the reference design."""
RATE_PRIOR_PPM = 60.0
"""SD (ppm) of a crystal's rate; the reference design."""
FOOT_PRIOR_S = 0.003
"""SD (s) of the difference between right and left sensor, as in the fit of the clock."""
NOISE_S = 0.005
"""SD (s) of the contacts' jitter that the priors are weighed against: an insole's onset."""
LEAST_SCATTER_S = 0.001
"""Least SD (s) of the residuals for Tukey's weights: neither side times a contact better."""
OUTLIER_SDS = 4.0
"""A match counts where its residual is within so many SDs; chosen by hand."""
LEAST_OUTLIER_S = 0.004
"""The same limit (s) at the least: two samples at 500 Hz; chosen by hand."""
EMPTY_SCATTER_S = 0.05
"""Scatter (s) stated where nothing matches: far above what any gate allows."""


@dataclass(frozen=True)
class Matches:
    """Matches of every reference contact at K candidates.

    Attributes
    ----------
    offset_s, rate
        Shape (K,): ``t_reference = offset_s + rate * t_device``.
    partner
        Shape (K, reference contacts): index of the device contact, -1 where none.
    residual_s
        Shape (K, reference contacts): reference onset minus mapped device onset, foot difference removed, NaN
        where unmatched.
    inlier
        Same shape, bool: matched and no outlier.
    possible
        Shape (K, reference contacts): the device covered that moment.
    foot_s
        Shape (K,): right minus left sensor difference that was removed (s).
    idle
        Shape (K,): device contacts within covered reference time that match nothing.
    visible
        Shape (K,): device contacts within covered reference time.
    """

    offset_s: Floats
    rate: Floats
    partner: NDArray[np.int64]
    residual_s: Floats
    inlier: NDArray[np.bool_]
    possible: NDArray[np.bool_]
    foot_s: Floats
    idle: Floats
    visible: Floats


def match(
    reference: Contacts,
    device: Contacts,
    offset_s: Floats,
    *,
    rate: Floats | float = 1.0,
    rate_prior_ppm: float = RATE_PRIOR_PPM,
    windows_s: tuple[float, ...] = WINDOWS_S,
    least_outlier_s: float = LEAST_OUTLIER_S,
) -> Matches:
    """Return the matches and the robust affine fit at each candidate offset.

    Windows shrink from round to round; in each, contacts are matched to their mutual nearest and an offset, a
    rate (Gaussian prior about the starting rate) and a left/right difference (prior SD 3 ms) are fitted by
    Tukey's biweight.

    Parameters
    ----------
    offset_s
        Shape (K,), where to start.
    least_outlier_s
        Residual (s) below which nothing is an outlier: of a short stretch, whose own scatter a few contacts understate.
    """
    offset = np.array(offset_s, dtype=np.float64)
    start_rate = np.broadcast_to(np.asarray(rate, dtype=np.float64), offset.shape).copy()
    slope, foot = start_rate.copy(), np.zeros(offset.shape)
    side = np.where(device.foot == 1, 0.5, np.where(device.foot == 0, -0.5, 0.0))
    prior_s = max(rate_prior_ppm, 1e-3) * 1e-6
    for window in windows_s:
        partner = _nearest(reference.onset_s, device.onset_s, offset, slope, window)
        safe = np.clip(partner, 0, None)
        fitted = _fit(reference, device, safe, partner >= 0, side, start_rate, prior_s)
        # where nothing matches there is nothing to fit, and the candidate stays where it is
        any_match = (partner >= 0).any(axis=1)
        offset, slope, foot = (np.where(any_match, new, old) for new, old in zip(fitted, (offset, slope, foot)))
    residual = reference.onset_s - offset[:, None] - slope[:, None] * device.onset_s[safe]
    residual = np.where(partner >= 0, residual - foot[:, None] * side[safe], np.nan)
    scale = _scale(residual)
    inlier = np.abs(residual) < np.maximum(OUTLIER_SDS * scale, least_outlier_s)[:, None]
    possible = inside(device.covered_s, (reference.onset_s - offset[:, None]) / slope[:, None])
    idle, visible = _idle(reference, device, offset, slope, partner)
    return Matches(offset, slope, partner, residual, inlier, possible, foot, idle, visible)


def _nearest(reference: Floats, device: Floats, offset: Floats, slope: Floats, window: float) -> NDArray[np.int64]:
    """Return the mutual nearest device contact of each reference contact, -1 if none within the window."""
    at = (reference[None, :] - offset[:, None]) / slope[:, None]
    after = np.searchsorted(device, at)
    before = np.clip(after - 1, 0, None)
    after = np.clip(after, 0, device.size - 1)
    nearer = np.abs(device[after] - at) < np.abs(at - device[before])
    partner = np.where(nearer, after, before)
    distance = np.abs(device[partner] - at)
    lost = distance > window
    # two reference contacts on one device contact: the nearer has it. Partners rise with time, so rivals are neighbours
    same = partner[:, 1:] == partner[:, :-1]
    lost[:, 1:] |= same & (distance[:, 1:] > distance[:, :-1])
    lost[:, :-1] |= same & (distance[:, :-1] >= distance[:, 1:])
    return np.where(lost, -1, partner).astype(np.int64)


def _fit(
    reference: Contacts,
    device: Contacts,
    safe: NDArray[np.int64],
    matched: NDArray[np.bool_],
    side: Floats,
    start_rate: Floats,
    prior_s: float,
) -> tuple[Floats, Floats, Floats]:
    """Return offset, rate and foot difference of each candidate by iterated reweighted ridge regression."""
    x = device.onset_s[safe]
    # about the middle of the matches, where an error of the rate does not move the offset
    count = np.maximum(matched.sum(axis=1), 1)
    centre = (x * matched).sum(axis=1) / count
    dx = x - centre[:, None]
    y = np.where(matched, reference.onset_s[None, :] - start_rate[:, None] * x, 0.0)
    level = masked_median(y, matched)
    y = y - level[:, None]
    foot = side[safe]
    weight = matched.astype(np.float64)
    ridge = np.zeros((3, 3))
    ridge[1, 1], ridge[2, 2] = (NOISE_S / prior_s) ** 2, (NOISE_S / FOOT_PRIOR_S) ** 2
    ridge[0, 0] = 1e-9  # the offset has no prior; a candidate without a match must be solvable all the same
    beta = np.zeros((y.shape[0], 3))
    for _ in range(3):
        beta = _ridge(dx, foot, y, weight, ridge)
        residual = y - beta[:, :1] - beta[:, 1:2] * dx - beta[:, 2:] * foot
        scale = np.maximum(_scale(np.where(matched, residual, np.nan)), LEAST_SCATTER_S)
        u = residual / (TUKEY * scale[:, None])
        weight = np.where(matched & (np.abs(u) < 1), (1 - u**2) ** 2, 0.0)
    slope = start_rate + beta[:, 1]
    offset = level + beta[:, 0] - beta[:, 1] * centre
    return offset, slope, beta[:, 2]


def _ridge(dx: Floats, foot: Floats, y: Floats, weight: Floats, ridge: Floats) -> Floats:
    sums = [
        [weight.sum(1), (weight * dx).sum(1), (weight * foot).sum(1)],
        [None, (weight * dx * dx).sum(1), (weight * dx * foot).sum(1)],
        [None, None, (weight * foot * foot).sum(1)],
    ]
    normal = np.empty((dx.shape[0], 3, 3))
    for i in range(3):
        for j in range(i, 3):
            normal[:, i, j] = normal[:, j, i] = sums[i][j]
    right = np.stack([(weight * y).sum(1), (weight * dx * y).sum(1), (weight * foot * y).sum(1)], axis=1)
    return np.asarray(np.linalg.solve(normal + ridge, right[..., None])[..., 0])


def masked_median(values: Floats, mask: NDArray[np.bool_]) -> Floats:
    """Return the (lower) median of each row's values under the mask, 0 for a row of none."""
    ordered = np.sort(np.where(mask, values, np.inf), axis=1)
    middle = np.maximum(mask.sum(axis=1) - 1, 0) // 2
    median = ordered[np.arange(values.shape[0]), middle]
    return np.where(np.isfinite(median), median, 0.0)


def _scale(residual: Floats) -> Floats:
    """Return the robust SD of each row's residuals (``EMPTY_SCATTER_S`` for a row of none)."""
    finite = np.isfinite(residual)
    spread = MAD_TO_SD * masked_median(np.abs(np.nan_to_num(residual)), finite)
    return np.where(finite.any(axis=1), spread, EMPTY_SCATTER_S)


def _idle(
    reference: Contacts, device: Contacts, offset: Floats, slope: Floats, partner: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Return how many device contacts match nothing where the reference saw, and how many lie there, by candidate."""
    visible = inside(reference.covered_s, offset[:, None] + slope[:, None] * device.onset_s[None, :])
    used = np.zeros(visible.shape, dtype=bool)
    rows, columns = np.nonzero(partner >= 0)
    used[rows, partner[rows, columns]] = True
    return (visible & ~used).sum(axis=1).astype(np.float64), visible.sum(axis=1).astype(np.float64)
