"""How likely each candidate offset is: log-likelihood ratios (nats) against trains that share only a rhythm.

Three kinds of evidence are added:

* *times*: at the right offset the residuals are sensor jitter; at a wrong one they carry the runner's own step
  variability as well. Jitter and steps are both correlated from contact to contact, so it is the innovations that
  are compared: on a treadmill those of an autoregressive model, on plates a Gaussian with a common part per pass.
* *durations* and *strengths*: contact time and load vary from contact to contact, and both devices see it. A Bayes
  factor (unit-information g-prior, Liang et al. 2008, doi 10.1198/016214507000001337) for a positive slope.
* *feet*, where both devices know them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..signals.contacts import Contacts
from .covariation import courses, covariation, partial_hits, shared_measures, whole_hits
from .known_device import KnownDevice
from .matching import LEAST_OUTLIER_S, WINDOWS_S, Matches, masked_median, match
from .rhythm import FLOOR_S, TWO_FOOTED_S, Rhythm, innovation_variance

MISS = 0.03
"""Chance that a contact one device saw was missed by the other, or was found at a wrong place."""
USUAL_MISSES = 0.05
"""Share of contacts that any detector misses at the right lag; chosen by hand."""
PASS_GAP_S = 2.5
"""Time (s) without a contact after which another pass over the plates begins: longer than any stride."""
LONGEST_STANCE_S = 1.2
"""Contact time (s) beyond which a contact is no stance of gait; the reference design."""
STRAY = 0.03
"""Chance that a contact is found, but at a wrong place; as ``MISS``."""
STRAY_S = 0.012
"""SD (s) of such a place about the right one; chosen by hand."""
LONG_STAY = 1.6
"""A contact so many times as long as the usual one is no stride: standing, or a jump's landing; chosen by hand."""
JITTERS_S = (0.0015, 0.003, 0.005, 0.008, 0.012)
"""SDs (s) of the jitter of a contact that the likelihood over plates is averaged over; a detector's 2 to 12 ms."""
COMMON_S = (0.001, 0.003, 0.006)
"""The same of what all contacts of a pass share."""
DURATION_WEIGHT, STRENGTH_WEIGHT = 0.7, 0.5
"""Share of the evidence of durations and strengths that counts: both are correlated; the reference design."""
ODD_SD_S, ODD_WINDOW_S, LEAST_ODD_NATS = 0.04, 0.8, -4.0
"""Of odd contacts: SD (s) with which two devices agree on a duration, the span (s) of durations that chance would
give, and the evidence (nats) of one pair at the least; chosen by hand."""
LANDS_LONG, LANDS_SHORT = 0.5, 0.02
"""Chance that a landing on both feet begins a long stay on a plate, or an ordinary hit; chosen by hand."""
RIGHT_FOOT, WRONG_FOOT = 0.98, 0.02
"""Chance that a matched contact's foot is labelled as it is, or the other way round; chosen by hand."""
SWAPPED = 1e-3
"""Chance that left and right of a whole device were exchanged; chosen by hand."""


@dataclass(frozen=True)
class Scores:
    """Log-likelihood ratios (nats) of K candidates, and what the gates look at.

    Attributes
    ----------
    total
        Shape (K,).
    times, durations, strengths, feet
        Shape (K,): the parts of ``total``.
    per_contact
        Shape (K,): ``times`` over matched contacts.
    inliers
        Shape (K,): share of contacts that could match and did.
    residual_s
        Shape (K,): SD of the kept residuals.
    swapped
        Shape (K,): the feet fit better with the device's left and right exchanged.
    labelled, exchanged
        Shape (K,): the evidence of the feet as labelled, and exchanged (the chance of that not counted).
    """

    total: Floats
    times: Floats
    durations: Floats
    strengths: Floats
    feet: Floats
    per_contact: Floats
    inliers: Floats
    residual_s: Floats
    swapped: NDArray[np.bool_]
    labelled: Floats
    exchanged: Floats


def score(
    reference: Contacts,
    device: Contacts,
    matches: Matches,
    beat: Rhythm,
    *,
    plates: bool,
    rate_prior_ppm: float,
    start_rate: float = 1.0,
    swap_chance: float = SWAPPED,
    known: KnownDevice | None = None,
) -> Scores:
    """Return the scores of every candidate in ``matches``.

    Parameters
    ----------
    swap_chance
        Chance that left and right of the device were exchanged.
    known
        What other trials say of the device; on plates.
    """
    residual = np.where(matches.inlier, matches.residual_s, np.nan)
    times = _plates_times(reference, matches, beat, known) if plates else _treadmill_times(matches, beat)
    times = times - 0.5 * ((matches.rate - start_rate) / (rate_prior_ppm * 1e-6)) ** 2
    detrend = not plates
    stances = np.where(whole_hits(reference), _stances(reference), np.nan) if plates else _stances(reference)
    durations = DURATION_WEIGHT * covariation(stances, _stances(device), device, matches, detrend)
    if plates:
        durations = durations + _odd_durations(reference, device, matches)
        durations = durations + _two_footed_landings(reference, device, matches)
    strengths = STRENGTH_WEIGHT * covariation(reference.strength, device.strength, device, matches, detrend)
    if plates and shared_measures(reference, device):
        strengths = courses(reference, device, matches)
    if plates and known is not None and known.courses is not None:
        strengths = known.courses.evidence(reference, device, matches)
    labelled, exchanged = feet_evidence(reference, device, matches, by_pass=plates)
    knows = (matches.inlier & (reference.foot >= 0) & (device.foot[np.clip(matches.partner, 0, None)] >= 0)).any(axis=1)
    swapped = exchanged + np.where(knows, np.log(swap_chance), 0.0)
    feet = np.maximum(labelled, swapped)
    count = np.maximum(matches.inlier.sum(axis=1), 1)
    spread = np.sqrt(np.where(matches.inlier, np.nan_to_num(residual) ** 2, 0.0).sum(axis=1) / count)
    spread = np.where(matches.inlier.any(axis=1), spread, 1.0)
    return Scores(
        times + durations + strengths + feet,
        times,
        durations,
        strengths,
        feet,
        times / count,
        _inliers(matches, beat, plates),
        spread,
        swapped > labelled,
        labelled,
        exchanged,
    )


def match_and_score(
    reference: Contacts,
    device: Contacts,
    offset_s: Floats,
    beat: Rhythm,
    *,
    plates: bool,
    rate: float,
    rate_prior_ppm: float,
    windows_s: tuple[float, ...] = WINDOWS_S,
    least_outlier_s: float = LEAST_OUTLIER_S,
    swap_chance: float = SWAPPED,
    known: KnownDevice | None = None,
) -> tuple[Matches, Scores]:
    """Return the matches at each candidate offset, and their scores."""
    matches = match(
        reference, device, offset_s, rate=rate, rate_prior_ppm=rate_prior_ppm, windows_s=windows_s,
        least_outlier_s=least_outlier_s,
    )  # fmt: skip
    scores = score(
        reference, device, matches, beat, plates=plates, rate_prior_ppm=rate_prior_ppm, start_rate=rate,
        swap_chance=swap_chance, known=known,
    )  # fmt: skip
    return matches, scores


def _inliers(matches: Matches, beat: Rhythm, plates: bool) -> Floats:
    matched = matches.inlier.sum(axis=1)
    if plates:
        possible = matches.possible.sum(axis=1) / (2.0 if beat.feet == 1 else 1.0)
        return np.asarray(np.minimum(matched / np.maximum(possible, 1.0), 1.0))
    return np.asarray(matched / np.maximum(matches.visible, 1.0))


def _treadmill_times(matches: Matches, beat: Rhythm) -> Floats:
    count = matches.inlier.sum(axis=1)
    packed = _packed(np.where(matches.inlier, matches.residual_s, np.nan))
    innovation = np.maximum(innovation_variance(packed, count), FLOOR_S**2)
    # two Gaussians, each at its own variance: only the ratio of the variances is left, for every contact beyond
    # the few that the fits use up
    gain = 0.5 * np.maximum(count - 5, 0) * np.log(beat.innovation_s**2 / innovation)
    outliers = (matches.partner >= 0).sum(axis=1) - count
    missed = matches.idle
    if beat.feet == 2:
        missed = np.maximum(missed, (matches.possible & (matches.partner < 0)).sum(axis=1))
    # a contact without a partner: its chance over a period, against what a Gaussian innovation is worth on average
    lost = np.log(MISS / beat.period_s) + 0.5 * np.log(2 * np.pi * math.e * beat.innovation_s**2)
    # unrelated trains would have their misses too: those that any detector has cost nothing
    astray = np.maximum(outliers + missed - USUAL_MISSES * matches.visible, 0.0)
    return np.asarray(gain + np.minimum(lost, -1.0) * astray)


def jitter_table(reference: Contacts, telling: NDArray[np.bool_], residual_s: Floats) -> Floats:
    """Return the log-likelihood of the residuals by each jitter of the grid, shape (grid, K), but for a constant.

    Parameters
    ----------
    telling, residual_s
        Shape (K, contacts): which matches tell a time (:func:`telling_times`), and by how much each is off (s).
    """
    starts = np.flatnonzero(np.diff(reference.onset_s, prepend=-np.inf) > PASS_GAP_S)
    u = np.where(telling, np.nan_to_num(residual_s), 0.0)
    count = np.add.reduceat(telling.astype(np.float64), starts, axis=1)
    total = np.add.reduceat(u, starts, axis=1)
    squares = np.add.reduceat(u**2, starts, axis=1)
    within = squares - total**2 / np.maximum(count, 1)
    terms = []
    for jitter in JITTERS_S:
        for common in COMMON_S:
            # the covariance j^2 I + c^2 11' of a pass: its sum varies by n times this, all else about its mean by j^2
            spread = jitter**2 + count * common**2
            pieces = -0.5 * (np.maximum(count - 1, 0) * np.log(jitter**2) + within / jitter**2)
            pieces -= 0.5 * (np.log(spread) + total**2 / np.maximum(count, 1) / spread)
            terms.append(np.where(count > 0, pieces, 0.0).sum(axis=1))
    return np.stack(terms)


def telling_times(reference: Contacts) -> NDArray[np.bool_]:
    """Return which contacts tell a time: part of a foot is felt late, and such a hit tells none."""
    return np.asarray(~partial_hits(reference))


def _plates_times(reference: Contacts, matches: Matches, beat: Rhythm, known: KnownDevice | None) -> Floats:
    """Return the marginal likelihood of the residuals, pass by pass, over a grid of jitter SDs."""
    tells = telling_times(reference)
    inlier = matches.inlier & tells
    table = jitter_table(reference, inlier, matches.residual_s)
    chances = np.full(len(table), -np.log(len(table))) if known is None else known.jitter
    # the mean of likelihoods over the grid, taken from its largest so that no exponential underflows
    table = table + chances[:, None]
    best = table.max(axis=0)
    density = best + np.log(np.sum(np.exp(table - best), axis=0))
    matched = inlier.sum(axis=1)
    possible = (matches.possible & tells).sum(axis=1)
    # against chance, by which a contact lies anywhere in a period; and the Gaussians' constant, left out above
    density += matched * (np.log(beat.period_s) - 0.5 * np.log(2 * np.pi))
    outlying = (matches.partner >= 0) & tells & ~inlier
    stray = STRAY * np.exp(-0.5 * (np.nan_to_num(matches.residual_s) / STRAY_S) ** 2)
    stray *= beat.period_s / (STRAY_S * np.sqrt(2 * np.pi))
    density += np.where(outlying, np.log(np.maximum(stray, MISS)), 0.0).sum(axis=1)
    unmatched = np.maximum(possible - matched - outlying.sum(axis=1), 0)
    # one foot sees every other contact, so a hit says as much as a miss
    miss = np.log(0.5) if beat.feet == 1 else np.log(MISS)
    hit = np.log(0.5) if beat.feet == 1 else np.log(1 - MISS)
    return np.asarray(density + matched * hit + unmatched * miss)


def _packed(values: Floats) -> Floats:
    """Return rows with their values first, NaN after."""
    order = np.argsort(np.isnan(values), axis=1, kind="stable")
    return np.asarray(np.take_along_axis(values, order, axis=1))


def _stances(train: Contacts) -> Floats:
    """Return contact times, NaN for those too long to be a stance of gait."""
    return np.where(train.duration_s <= LONGEST_STANCE_S, train.duration_s, np.nan)


def _odd_durations(reference: Contacts, device: Contacts, matches: Matches) -> Floats:
    """Return the evidence of contacts that are no strides: the landing of a jump lasts equally long on both devices.

    Contacts ``LONG_STAY`` times as long as the usual one, or longer. Where the durations agree (SD
    ``ODD_SD_S`` about the usual difference between the devices), each is evidence for the match: unrelated durations
    would be spread over ``ODD_WINDOW_S``.
    """
    usual = float(np.nanmedian(reference.duration_s)) if np.isfinite(reference.duration_s).any() else np.nan
    if not np.isfinite(usual) or not np.isfinite(device.duration_s).any():
        return np.zeros(matches.offset_s.shape)
    safe = np.clip(matches.partner, 0, None)
    difference = device.duration_s[safe] - reference.duration_s[None, :]
    comparable = matches.inlier & np.isfinite(difference)
    odd = comparable & (reference.duration_s > LONG_STAY * usual)[None, :]
    bias = masked_median(difference, comparable & ~odd)
    z = (difference - bias[:, None]) / ODD_SD_S
    gain = np.maximum(np.log(ODD_WINDOW_S / (ODD_SD_S * np.sqrt(2 * np.pi))) - 0.5 * z**2, LEAST_ODD_NATS)
    return np.asarray(np.where(odd, gain, 0.0).sum(axis=1))


def _two_footed_landings(reference: Contacts, device: Contacts, matches: Matches) -> Floats:
    """Return the evidence of jumps: both feet land within ``TWO_FOOTED_S``, which no walker's or runner's feet do.

    Such a landing matched to a long stay on a plate is evidence for the lag, the more so the rarer such landings are;
    matched to an ordinary hit it is evidence against. A long stay that begins with one foot costs little, for so one
    steps onto a plate. Zero where the device sees one foot, or no such landing.
    """
    double = _lands_on_both(device)
    usual = float(np.nanmedian(reference.duration_s)) if np.isfinite(reference.duration_s).any() else np.nan
    if not double.any() or not np.isfinite(usual):
        return np.zeros(matches.offset_s.shape)
    # Laplace's rule, so that no share is 0 or 1
    share = (double.sum() + 1.0) / (double.size + 2.0)
    long_stay = (reference.duration_s > LONG_STAY * usual)[None, :]
    landed = double[np.clip(matches.partner, 0, None)]
    # of a half the complement is a half: the second term is the chance that a long stay begins with one foot
    on_long = np.where(landed, np.log(LANDS_LONG / share), np.log(LANDS_LONG / (1.0 - share)))
    on_hit = np.where(landed, min(np.log(LANDS_SHORT / share), 0.0), 0.0)
    return np.asarray(np.where(matches.inlier, np.where(long_stay, on_long, on_hit), 0.0).sum(axis=1))


def _lands_on_both(device: Contacts) -> NDArray[np.bool_]:
    """Return which contacts have one of the other foot within ``TWO_FOOTED_S``."""
    close = (np.diff(device.onset_s) < TWO_FOOTED_S) & (device.foot[1:] != device.foot[:-1])
    close &= (device.foot[1:] >= 0) & (device.foot[:-1] >= 0)
    return np.asarray(np.concatenate([close, [False]]) | np.concatenate([[False], close]), dtype=bool)


def feet_evidence(
    reference: Contacts, device: Contacts, matches: Matches, *, by_pass: bool = False
) -> tuple[Floats, Floats]:
    """Return the evidence (nats) of matching feet as labelled, and with the device's left and right exchanged.

    Zero where either side does not know the feet; the chance that labels are exchanged is not in it. With ``by_pass``
    the contacts of a pass count as one, for feet alternate, and agreement counts nothing: an even step keeps it in
    every pass.
    """
    safe = np.clip(matches.partner, 0, None)
    labelled = matches.inlier & (reference.foot >= 0) & (device.foot[safe] >= 0)
    weight = labelled.astype(np.float64)
    if by_pass and reference.size:
        lap = np.cumsum(np.diff(reference.onset_s, prepend=reference.onset_s[0]) > PASS_GAP_S)
        weight /= np.maximum(np.add.reduceat(weight, np.flatnonzero(np.diff(lap, prepend=-1)), axis=1), 1.0)[:, lap]
    same = (weight * (device.foot[safe] == reference.foot)).sum(axis=1)
    other = weight.sum(axis=1) - same
    # against chance, by which one of two labels is right: hence the 2
    chance = 1.0 if by_pass else 0.5
    right, wrong = np.log(RIGHT_FOOT / chance), np.log(WRONG_FOOT / chance)
    return np.asarray(same * right + other * wrong), np.asarray(other * right + same * wrong)
