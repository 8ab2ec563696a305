"""What sure trials of one device say of it: how its contacts jitter, and how its loads follow the plates'.

Ten hits over plates are few to learn either from, and a likelihood that has to is a weak one. In a session the device
is the same in every trial, so what the sure ones show of it holds in the one that is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from ..arrays import Floats
from ..signals.contacts import Contacts
from ..signals.robust import MAD_TO_SD
from .covariation import WINSOR_SDS, shared_measures, whole_hits
from .matching import Matches

ANOTHER_JITTER = 1e-3
"""Chance that a device jitters otherwise than in the trials that are sure: a strap that slipped; chosen by hand."""
ODD_HIT = 0.02
"""Chance that a hit's course has nothing to do with what the device shows of others: a lost packet at its peak.
Without it one of 140 bouts of tuning seeds (45,500,000 on) preferred a wrong place by 8 nats, with it none did."""
COURSE_WEIGHT = 0.7
"""Share of the evidence of known courses that counts, as of durations: load is correlated from stride to stride. With
it exp(evidence) at wrong lags averages 1.2 of insoles and 0.4 of shoe IMUs (168 bouts of the same seeds)."""
FEWEST_KNOWN = 8
"""Hits, beyond one a foot and trial and one a measure, from which courses are learned; chosen by hand."""
LEAST_VARIANCE = 1e-9
"""Least variance of a measure's residual, as a share of its own: equal series on both sides are not infinitely sure."""


@dataclass(frozen=True)
class Shown:
    """What one trial shows of a device at its best lag.

    Attributes
    ----------
    jitter
        Shape (grid,): log-likelihood of each jitter of the score's grid.
    names
        Measures that both sides have.
    reference, device
        Shape (hits, measures): each less its foot's median, own units.
    levels
        How many medians were taken off.
    """

    jitter: Floats
    names: tuple[str, ...]
    reference: Floats
    device: Floats
    levels: int


@dataclass(frozen=True)
class CourseFit:
    """A device's measures by the plates': ``device = reference @ slopes``, with the covariance of what is left.

    Attributes
    ----------
    limits
        Largest value of the reference's and of the device's measures, shape (measures,) each; others are cut off there.
    slopes, spread
        Shape (measures, measures).
    alone
        Shape (measures, measures): covariance of the device's measures by themselves.
    slope_variance
        Shape (measures, measures): of the slopes, as a multiple of ``spread``.
    degrees, degrees_alone
        Degrees of freedom of ``spread`` and ``alone``.
    """

    names: tuple[str, ...]
    limits: tuple[Floats, Floats]
    slopes: Floats
    spread: Floats
    alone: Floats
    slope_variance: Floats
    degrees: float
    degrees_alone: float

    def evidence(self, reference: Contacts, device: Contacts, matches: Matches) -> Floats:
        """Return the evidence (nats) of the courses at every candidate, shape (K,): Student's t against Student's t."""
        return np.asarray([self._of(reference, device, matches, k) for k in range(matches.offset_s.size)])

    def _of(self, reference: Contacts, device: Contacts, matches: Matches, k: int) -> float:
        theirs, own, side = compared(self.names, reference, device, matches, k)
        levels = np.unique(side).size
        if len(theirs) <= levels:
            return 0.0
        x, y = _cut(theirs, self.limits[0], side), _cut(own, self.limits[1], side)
        widened = 1.0 + np.einsum("ni,ij,nj->n", x, self.slope_variance, x)
        ratio = _log_t(y - x @ self.slopes, self.spread, self.degrees, widened)
        ratio = ratio - _log_t(y, self.alone, self.degrees_alone, np.ones(len(y)))
        each = np.logaddexp(np.log(1.0 - ODD_HIT) + ratio, np.log(ODD_HIT))
        # the levels were taken off these hits themselves
        return COURSE_WEIGHT * float(each.sum()) * (len(y) - levels) / len(y)


@dataclass(frozen=True)
class KnownDevice:
    """What the sure trials of a device say of it.

    Attributes
    ----------
    jitter
        Shape (grid,): log-probability of each jitter of the score's grid.
    courses
        None where too few hits show them.
    lenders
        The trials.
    p_wrong
        Chance that one of them is wrong.
    margin
        The least of theirs (nats).
    """

    jitter: Floats
    courses: CourseFit | None
    lenders: tuple[str, ...] = ()
    p_wrong: float = 0.0
    margin: float = np.inf


def known_device(
    shown: Sequence[Shown], *, lenders: Sequence[str] = (), p_wrong: float = 0.0, margin: float = np.inf
) -> KnownDevice:
    """Return what trials that are sure say together of their device; one at least."""
    total = np.sum([one.jitter for one in shown], axis=0)
    learned = np.log(1.0 - ANOTHER_JITTER) + total - logsumexp(total)
    jitter = np.logaddexp(learned, np.log(ANOTHER_JITTER / total.size))
    return KnownDevice(np.asarray(jitter), _course_fit(shown), tuple(lenders), p_wrong, margin)


def compared(
    names: Sequence[str], reference: Contacts, device: Contacts, matches: Matches, k: int
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Return both sides' measures of the hits that a candidate matches, each less its foot's median, and the feet.

    Hits by the whole foot alone, of which both sides have every measure; shape (hits, measures) each, and (hits,). A
    median, as one odd hit would move a mean, and with it all others.
    """
    safe = np.clip(matches.partner[k], 0, None)
    if not names or any(name not in reference.measures or name not in device.measures for name in names):
        return np.zeros((0, len(names))), np.zeros((0, len(names))), np.zeros(0, dtype=np.int64)
    x = np.stack([reference.measures[name] for name in names], axis=1)
    y = np.stack([device.measures[name][safe] for name in names], axis=1)
    good = matches.inlier[k] & whole_hits(reference) & np.isfinite(x).all(axis=1) & np.isfinite(y).all(axis=1)
    x, y, foot = x[good], y[good], device.foot[safe][good]
    for side in np.unique(foot):
        x[foot == side] -= np.median(x[foot == side], axis=0)
        y[foot == side] -= np.median(y[foot == side], axis=0)
    return x, y, foot


def _cut(values: Floats, limit: Floats, foot: NDArray[np.int64]) -> Floats:
    """Return rows cut off at a limit, and then less their foot's mean."""
    cut = np.clip(values, -limit, limit)
    for side in np.unique(foot):
        cut[foot == side] -= cut[foot == side].mean(axis=0)
    return cut


def shown_at(reference: Contacts, device: Contacts, matches: Matches, k: int, jitter: Floats) -> Shown:
    """Return what a trial shows of its device at one of its candidates.

    Parameters
    ----------
    jitter
        Shape (grid,): log-likelihood of each jitter there.
    """
    names = tuple(shared_measures(reference, device))
    theirs, own, foot = compared(names, reference, device, matches, k)
    return Shown(jitter, names, theirs, own, int(np.unique(foot).size))


def _course_fit(shown: Sequence[Shown]) -> CourseFit | None:
    names = shown[0].names
    some = [one for one in shown if one.names == names and len(one.device)]
    hits = sum(len(one.device) - one.levels for one in some)
    if not names or hits < FEWEST_KNOWN + len(names):
        return None
    x, y = np.concatenate([one.reference for one in some]), np.concatenate([one.device for one in some])
    limits = _limit(x), _limit(y)
    x, y = np.clip(x, -limits[0], limits[0]), np.clip(y, -limits[1], limits[1])
    if not (x.std(axis=0) > 0).all() or not (y.std(axis=0) > 0).all():
        return None
    variance = np.linalg.pinv(x.T @ x)
    slopes = variance @ x.T @ y
    left, degrees = y - x @ slopes, float(hits - len(names))
    alone = y.T @ y / hits
    least = np.diag(LEAST_VARIANCE * np.diag(alone))
    return CourseFit(
        names, limits, slopes, left.T @ left / degrees + least, alone + least, variance, degrees, float(hits)
    )


def _limit(values: Floats) -> Floats:
    """Return where measures are cut off: so many robust SDs from their median."""
    return np.asarray(WINSOR_SDS * MAD_TO_SD * np.median(np.abs(values), axis=0))


def _log_t(values: Floats, covariance: Floats, degrees: float, widened: Floats) -> Floats:
    """Return the log-density of rows by a multivariate Student's t, but for a constant of the degrees of freedom."""
    size = values.shape[1]
    distance = np.einsum("ni,ij,nj->n", values, np.linalg.pinv(covariance), values) / widened
    density = -0.5 * (degrees + size) * np.log1p(distance / degrees)
    return np.asarray(density - 0.5 * np.linalg.slogdet(covariance)[1] - 0.5 * size * np.log(widened))
