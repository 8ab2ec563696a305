"""The search over all lags: candidates, scores, the winner and the runner-up."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..records import Prior
from ..signals.contacts import Contacts
from .candidates import candidate_offsets, surprise_nats
from .known_device import KnownDevice, Shown, shown_at
from .matching import RATE_PRIOR_PPM, Matches
from .rhythm import Rhythm, rhythm
from .score import SWAPPED, Scores, jitter_table, match_and_score, telling_times

NEIGHBOURS = 3
"""Steps to either side of the winner that are always looked at; the reference design."""
SAME_LAG = 0.3
"""Share of a step within which two lags are the same alignment; chosen by hand."""
LOOKED_AT = 0.25
"""Share of a step within which a lag is not scored again; below ``SAME_LAG``."""
CLIMBS = 4
"""Rounds of looking at the winner's neighbours: the histogram's own peaks leave few to find."""
JITTER_S = 0.015
"""SD (s) of a coincidence without drift; the reference design."""
DRIFT_SHARE = 0.3
"""Share of the overlap by which drift smears coincidences: SD of a uniform distribution of times, 0.29."""
SHORTEST_OVERLAP_S = 10.0
"""Overlap (s) that a candidate needs where the caller does not say; a few strides."""
FEWEST_CONTACTS = 3
"""Contacts that each side needs: with fewer any lag fits."""


@dataclass(frozen=True)
class Limits:
    """Where an alignment is looked for.

    Attributes
    ----------
    prior
        Gaussian on the offset.
    rate, rate_prior_ppm
        Mean and SD of the prior on the device's rate.
    shortest_overlap_s
        Overlap (s) below which an offset is no candidate.
    swap_chance
        Chance that left and right of the device were exchanged.
    known
        What other trials say of the device; on plates.
    """

    prior: Prior | None = None
    rate: float = 1.0
    rate_prior_ppm: float = RATE_PRIOR_PPM
    shortest_overlap_s: float = SHORTEST_OVERLAP_S
    swap_chance: float = SWAPPED
    known: KnownDevice | None = None


@dataclass(frozen=True)
class BestLag:
    """The winner of a search over all lags, and what its margin is to.

    Attributes
    ----------
    offset_s, rate
        The winner: ``t_reference = offset_s + rate * t_device``.
    pivot_s
        Device time in the middle of the overlap: lags are compared there.
    margin, margin_without_prior
        Nats to the best other lag within the prior's reach, and to none at all.
    range_s
        Range of the offsets at which the records share a moment.
    runner_up_s
        Offset of that other lag; NaN if there was none, or none that is better than no alignment at all.
    partner, residual_s, inlier
        Of the winner, per reference contact, as in :class:`~grfkit.sync.matching.Matches`.
    swapped
        Whether left and right are exchanged; None where the reference does not know feet.
    as_labelled
        Nats by which the best offset of feet as labelled is better than the best of exchanged ones, their chance not
        counted; 0 where the reference does not know feet.
    lags_s, log_likelihood
        All candidates at the pivot, for the report, by lag.
    shown
        What the winner shows of the device; None on a treadmill.
    """

    offset_s: float
    rate: float
    pivot_s: float
    margin: float
    margin_without_prior: float
    range_s: float
    runner_up_s: float
    log_likelihood_ratio: float
    per_contact: float
    inliers: float
    residual_sd_s: float
    foot_s: float
    partner: NDArray[np.int64]
    residual_s: Floats
    inlier: NDArray[np.bool_]
    lags_s: Floats
    log_likelihood: Floats
    beat: Rhythm
    swapped: bool | None
    as_labelled: float = 0.0
    shown: Shown | None = None

    @property
    def matched(self) -> int:
        """Return the number of matched contacts that counted."""
        return int(self.inlier.sum())


def search(reference: Contacts, device: Contacts, limits: Limits, *, plates: bool) -> BestLag | None:
    """Return the best alignment of two contact trains and its margin; None if there is nothing to compare.

    Parameters
    ----------
    reference, device
        Contact trains on their own clocks.
    plates
        True where the reference sees only some of the contacts.
    """
    if min(reference.size, device.size) < FEWEST_CONTACTS:
        return None
    beat = rhythm(reference, device, plates=plates)
    overlap_s = float(min(np.ptp(reference.onset_s), np.ptp(device.onset_s)))
    starts = candidate_offsets(
        reference,
        device.warped(0.0, limits.rate),
        spread_s=float(np.hypot(JITTER_S, limits.rate_prior_ppm * 1e-6 * DRIFT_SHARE * overlap_s)),
        shortest_overlap_s=limits.shortest_overlap_s,
        prior=limits.prior,
    )
    if not starts.size:
        return None

    def scored_at(offset_s: Floats) -> tuple[Matches, Scores]:
        """Return matches and scores at candidate offsets."""
        return match_and_score(
            reference,
            device,
            offset_s,
            beat,
            plates=plates,
            rate=limits.rate,
            rate_prior_ppm=limits.rate_prior_ppm,
            swap_chance=limits.swap_chance,
            known=limits.known,
        )

    matches, scores = scored_at(starts)
    for _ in range(CLIMBS):  # climb: the winner's neighbours by whole steps, until the winner stays
        best = int(np.argmax(scores.total + _log_prior(matches, limits.prior)))
        pivot = _pivot(reference, device, matches, best)
        # lags are compared in the middle of the overlap, where rates do not move them
        lag = matches.offset_s + (matches.rate - limits.rate) * pivot
        neighbours = lag[best] + beat.step_s * np.delete(np.arange(-NEIGHBOURS, NEIGHBOURS + 1), NEIGHBOURS)
        fresh = neighbours[np.abs(neighbours[:, None] - lag[None, :]).min(axis=1) > LOOKED_AT * beat.step_s]
        if not fresh.size:
            break
        more, extra = scored_at(fresh)
        matches, scores = _joined(matches, more), _joined(scores, extra)
    return _winner(reference, device, matches, scores, beat, limits.prior, plates)


def _log_prior(matches: Matches, prior: Prior | None) -> Floats:
    if prior is None:
        return np.zeros(matches.offset_s.shape)
    return np.asarray(-0.5 * ((matches.offset_s - prior.offset_s) / prior.sd_s) ** 2, dtype=np.float64)


def _pivot(reference: Contacts, device: Contacts, matches: Matches, best: int) -> float:
    start = (reference.covered_s[0, 0] - matches.offset_s[best]) / matches.rate[best]
    end = (reference.covered_s[-1, 1] - matches.offset_s[best]) / matches.rate[best]
    start, end = max(start, device.covered_s[0, 0]), min(end, device.covered_s[-1, 1])
    return float((start + end) / 2.0)


_T = TypeVar("_T", Matches, Scores)


def _joined(first: _T, second: _T) -> _T:
    both = {f.name: np.concatenate([getattr(first, f.name), getattr(second, f.name)]) for f in fields(first)}
    return type(first)(**both)


def _winner(
    reference: Contacts,
    device: Contacts,
    matches: Matches,
    scores: Scores,
    beat: Rhythm,
    prior: Prior | None,
    plates: bool,
) -> BestLag:
    """Return the best candidate, and its margin to the best of those that are another alignment."""
    bonus = _log_prior(matches, prior)
    total = scores.total + bonus
    best = int(np.argmax(total))
    pivot = _pivot(reference, device, matches, best)
    lag = matches.offset_s + (matches.rate - matches.rate[best]) * pivot
    other = np.flatnonzero(np.abs(lag - lag[best]) > SAME_LAG * beat.step_s)
    # no alignment at all scores zero nats (and the prior what it can at most): the winner has to beat that too, by so
    # much less as a prior leaves fewer offsets to chance
    floor = min(float(bonus.max()), 0.0) if prior else 0.0
    range_s = float(np.ptp(reference.covered_s) + np.ptp(device.covered_s))
    floor -= surprise_nats(prior, range_s)
    rival = float(total[other].max(initial=-np.inf))
    rival_plain = float(scores.total[other].max(initial=-np.inf))
    order = np.argsort(lag, kind="stable")
    without_feet = total - scores.feet
    as_labelled = float((without_feet + scores.labelled).max() - (without_feet + scores.exchanged).max())
    knows_feet = bool((reference.foot >= 0).any() and (device.foot >= 0).any())
    return BestLag(
        offset_s=float(matches.offset_s[best]),
        rate=float(matches.rate[best]),
        pivot_s=pivot,
        margin=float(total[best] - max(rival, floor)),
        margin_without_prior=float(scores.total[best] - max(rival_plain, -surprise_nats(prior, range_s))),
        range_s=range_s,
        runner_up_s=float(lag[other[np.argmax(total[other])]]) if rival > floor else float("nan"),
        log_likelihood_ratio=float(scores.times[best]),
        per_contact=float(scores.per_contact[best]),
        inliers=float(scores.inliers[best]),
        residual_sd_s=float(scores.residual_s[best]),
        foot_s=float(matches.foot_s[best]),
        partner=matches.partner[best],
        residual_s=matches.residual_s[best],
        inlier=matches.inlier[best],
        lags_s=lag[order],
        log_likelihood=total[order],
        beat=beat,
        swapped=bool(scores.swapped[best]) if knows_feet else None,
        as_labelled=as_labelled if knows_feet else 0.0,
        shown=_shown(reference, device, matches, best) if plates else None,
    )


def _shown(reference: Contacts, device: Contacts, matches: Matches, best: int) -> Shown:
    """Return what the winner shows of the device; the other candidates' jitter is not needed again."""
    telling = matches.inlier[best : best + 1] & telling_times(reference)
    (jitter,) = jitter_table(reference, telling, matches.residual_s[best : best + 1]).T
    return shown_at(reference, device, matches, best, jitter)
