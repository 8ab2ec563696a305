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
from .matching import Matches

MISS = 0.03
"""Chance that a contact one device saw was missed by the other, or was found at a wrong place."""
_USUAL_MISSES = 0.05
_FLOOR_S = 0.0015
_ORDER = 4
_PASS_GAP_S = 2.5
_LONGEST_STANCE_S = 1.2
_STRAY = 0.03
_STRAY_S = 0.012
_LONG_STAY = 1.6
_TWO_FOOTED_S = 0.08


@dataclass(frozen=True)
class Rhythm:
    """What each train says about its own predictability.

    Attributes
    ----------
    period_s
        Median interval between matchable contacts: the step with both feet, the stride with one.
    step_s
        Median step time: what a slip by one is.
    innovation_s
        SD (s) of what remains of the difference of two unrelated interval series after prediction.
    feet
        How many feet the device sees.
    reference_s
        SD (s) of what remains of the reference's own intervals after prediction.
    """

    period_s: float
    step_s: float
    innovation_s: float
    feet: int
    reference_s: float


def rhythm(reference: Contacts, device: Contacts, *, plates: bool = False) -> Rhythm:
    """Return the rhythm of a reference and a device train.

    A device whose feet are unknown is one foot's if its contacts come half as often as the treadmill's.
    """
    period = fundamental(device.onset_s)
    feet = len(set(device.foot[device.foot >= 0].tolist()))
    if feet < 1:
        feet = 1 if plates or period > 1.5 * fundamental(reference.onset_s) else 2
    stretch = 2 if feet == 1 else 1
    v_device = _interval_variance(device.onset_s, period)
    v_reference = _interval_variance(reference.onset_s[::stretch], period)
    innovation = np.sqrt(max(v_device + v_reference, _FLOOR_S**2))
    return Rhythm(period, period / stretch, float(innovation), feet, float(np.sqrt(v_reference)))


def fundamental(onset_s: Floats) -> float:
    """Return the interval between neighbouring contacts of a train some of whose contacts were missed (s)."""
    intervals = np.diff(onset_s)
    intervals = intervals[intervals > _TWO_FOOTED_S]
    if intervals.size < 4:
        return 0.5
    short = float(np.percentile(intervals, 20.0))
    near = intervals[np.abs(intervals - short) < 0.25 * short]
    return float(np.median(near)) if near.size else short


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


def score(
    reference: Contacts,
    device: Contacts,
    matches: Matches,
    beat: Rhythm,
    *,
    plates: bool,
    rate_prior_ppm: float,
    start_rate: float = 1.0,
) -> Scores:
    """Return the scores of every candidate in ``matches``."""
    residual = np.where(matches.kept, matches.residual_s, np.nan)
    times = _plates_times(reference, matches, beat) if plates else _treadmill_times(matches, beat)
    times = times - 0.5 * ((matches.rate - start_rate) / (rate_prior_ppm * 1e-6)) ** 2
    detrend = not plates
    durations = 0.7 * _covariation(_stances(reference), _stances(device), device, matches, detrend)
    if plates:
        durations = durations + _odd_durations(reference, device, matches)
        durations = durations + _two_footed_landings(reference, device, matches)
    strengths = 0.5 * _covariation(reference.strength, device.strength, device, matches, detrend)
    labelled, swapped = feet_evidence(reference, device, matches)
    feet = np.maximum(labelled, swapped)
    count = np.maximum(matches.kept.sum(axis=1), 1)
    spread = np.sqrt(np.where(matches.kept, np.nan_to_num(residual) ** 2, 0.0).sum(axis=1) / count)
    spread = np.where(matches.kept.any(axis=1), spread, 1.0)
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
    )


def _inliers(matches: Matches, beat: Rhythm, plates: bool) -> Floats:
    kept = matches.kept.sum(axis=1)
    if plates:
        possible = matches.possible.sum(axis=1) / (2.0 if beat.feet == 1 else 1.0)
        return np.asarray(np.minimum(kept / np.maximum(possible, 1.0), 1.0))
    return np.asarray(kept / np.maximum(matches.seen, 1.0))


def _treadmill_times(matches: Matches, beat: Rhythm) -> Floats:
    count = matches.kept.sum(axis=1)
    packed = _packed(np.where(matches.kept, matches.residual_s, np.nan))
    innovation = np.maximum(_innovation_variance(packed, count), _FLOOR_S**2)
    gain = 0.5 * np.maximum(count - 5, 0) * np.log(beat.innovation_s**2 / innovation)
    outliers = (matches.partner >= 0).sum(axis=1) - count
    missed = matches.idle
    if beat.feet == 2:
        missed = np.maximum(missed, (matches.possible & (matches.partner < 0)).sum(axis=1))
    lost = np.log(MISS / beat.period_s) + 0.5 * np.log(2 * np.pi * math.e * beat.innovation_s**2)
    # unrelated trains would have their misses too: those that any detector has cost nothing
    astray = np.maximum(outliers + missed - _USUAL_MISSES * matches.seen, 0.0)
    return np.asarray(gain + np.minimum(lost, -1.0) * astray)


def _plates_times(reference: Contacts, matches: Matches, beat: Rhythm) -> Floats:
    """Return the marginal likelihood of the residuals, pass by pass, over a grid of jitter SDs."""
    kept = matches.kept
    starts = np.flatnonzero(np.diff(reference.onset_s, prepend=-np.inf) > _PASS_GAP_S)
    u = np.where(kept, np.nan_to_num(matches.residual_s), 0.0)
    count = np.add.reduceat(kept.astype(np.float64), starts, axis=1)
    total = np.add.reduceat(u, starts, axis=1)
    squares = np.add.reduceat(u**2, starts, axis=1)
    within = squares - total**2 / np.maximum(count, 1)
    terms = []
    for own in (0.0015, 0.003, 0.005, 0.008, 0.012):
        for common in (0.001, 0.003, 0.006):
            spread = own**2 + count * common**2
            pieces = -0.5 * (np.maximum(count - 1, 0) * np.log(own**2) + within / own**2)
            pieces -= 0.5 * (np.log(spread) + total**2 / np.maximum(count, 1) / spread)
            terms.append(np.where(count > 0, pieces, 0.0).sum(axis=1))
    table = np.stack(terms)
    best = table.max(axis=0)
    density = best + np.log(np.mean(np.exp(table - best), axis=0))
    matched = kept.sum(axis=1)
    possible = matches.possible.sum(axis=1)
    density += matched * (np.log(beat.period_s) - 0.5 * np.log(2 * np.pi))
    outlying = (matches.partner >= 0) & ~kept
    stray = _STRAY * np.exp(-0.5 * (np.nan_to_num(matches.residual_s) / _STRAY_S) ** 2)
    stray *= beat.period_s / (_STRAY_S * np.sqrt(2 * np.pi))
    density += np.where(outlying, np.log(np.maximum(stray, MISS)), 0.0).sum(axis=1)
    unmatched = np.maximum(possible - matched - outlying.sum(axis=1), 0)
    miss = np.log(0.5) if beat.feet == 1 else np.log(MISS)
    hit = np.log(0.5) if beat.feet == 1 else np.log(1 - MISS)
    return np.asarray(density + matched * hit + unmatched * miss)


def _packed(values: Floats) -> Floats:
    """Return rows with their known values first, NaN after."""
    order = np.argsort(np.isnan(values), axis=1, kind="stable")
    return np.asarray(np.take_along_axis(values, order, axis=1))


def _innovation_variance(packed: Floats, count: NDArray[np.int64]) -> Floats:
    """Return the one-step prediction error variance of each row by Yule-Walker of order 4 (mean known: zero)."""
    width = packed.shape[1]
    order = min(_ORDER, max(width - 1, 0))
    filled = np.nan_to_num(packed)
    size = np.maximum(count, 1)
    covariance = np.stack(
        [(filled[:, lag:] * filled[:, : width - lag]).sum(axis=1) / size for lag in range(order + 1)], axis=1
    )
    variance = covariance[:, 0].copy()
    if order == 0:
        return np.asarray(variance)
    index = np.abs(np.arange(order)[:, None] - np.arange(order)[None, :])
    normal = covariance[:, index] + (1e-6 * covariance[:, 0] + 1e-12)[:, None, None] * np.eye(order)
    weights = np.linalg.solve(normal, covariance[:, 1:, None])[..., 0]
    innovation = variance - (weights * covariance[:, 1:]).sum(axis=1)
    enough = count > 4 * order
    innovation = innovation * size / np.maximum(size - order - 1.0, 1.0)
    return np.asarray(np.where(enough, np.clip(innovation, 0.05 * variance, variance), variance))


def _interval_variance(onset_s: Floats, period: float) -> float:
    """Return the innovation variance of the ordinary intervals, robustly."""
    intervals = np.diff(onset_s)
    intervals = intervals[np.abs(intervals - period) < 0.3 * period]
    if intervals.size < 4:
        return (0.1 * period) ** 2
    series = intervals - _smooth_level(intervals)
    limit = 4.0 * 1.4826 * float(np.median(np.abs(series))) + 1e-6
    series = np.clip(series, -limit, limit)
    return float(_innovation_variance(series[None, :], np.asarray([series.size]))[0])


def _smooth_level(values: Floats, width: int = 21) -> Floats:
    if values.size < 2 * width:
        return np.full(values.shape, np.median(values))
    kernel = np.ones(width)
    return np.asarray(np.convolve(values, kernel, "same") / np.convolve(np.ones(values.size), kernel, "same"))


def _covariation(reference: Floats, device: Floats, train: Contacts, matches: Matches, detrend: bool) -> Floats:
    """Return the log Bayes factor of a positive slope between what the two devices measured at each contact."""
    if not np.isfinite(device).any() or not np.isfinite(reference).any():
        return np.zeros(matches.offset_s.shape)
    safe = np.clip(matches.partner, 0, None)
    x = np.broadcast_to(_local(reference) if detrend else reference, safe.shape)
    y = (_local(device) if detrend else device)[safe]
    good = matches.kept & np.isfinite(x) & np.isfinite(y)
    foot = train.foot[safe]
    x, y = np.where(good, x, 0.0), np.where(good, y, 0.0)
    for side in (-1, 0, 1):
        one = good & (foot == side)
        if one.any():
            x, y = _less_mean(x, one), _less_mean(y, one)
    x, y = _ranked(x, good), _ranked(y, good)
    n = good.sum(axis=1).astype(np.float64)
    power = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    r = np.clip((x * y).sum(axis=1) / np.where(power > 0, power, 1.0), 0.0, 0.999)
    dof = np.maximum(n - 2.0, 0.0)
    factor = 0.5 * dof * np.log1p(n) - 0.5 * (dof + 1.0) * np.log1p(n * (1.0 - r**2))
    return np.where(n >= 6, factor, 0.0)


def _stances(train: Contacts) -> Floats:
    """Return contact times, NaN for those too long to be a stance of gait."""
    return np.where(train.duration_s <= _LONGEST_STANCE_S, train.duration_s, np.nan)


def _odd_durations(reference: Contacts, device: Contacts, matches: Matches) -> Floats:
    """Return the evidence of contacts that are no strides: a jump's landing lasts as long on both devices or on none.

    Contacts 1.6 times as long as the usual one, or longer. Where the durations agree (SD 40 ms about the usual
    difference between the devices) each speaks for the match as a coincidence within 0.8 s would against it.
    """
    usual = float(np.nanmedian(reference.duration_s)) if np.isfinite(reference.duration_s).any() else np.nan
    if not np.isfinite(usual) or not np.isfinite(device.duration_s).any():
        return np.zeros(matches.offset_s.shape)
    safe = np.clip(matches.partner, 0, None)
    difference = device.duration_s[safe] - reference.duration_s[None, :]
    known = matches.kept & np.isfinite(difference)
    odd = known & (reference.duration_s > _LONG_STAY * usual)[None, :]
    bias = _row_median(difference, known & ~odd)
    z = (difference - bias[:, None]) / 0.04
    gain = np.maximum(np.log(0.8 / (0.04 * np.sqrt(2 * np.pi))) - 0.5 * z**2, -4.0)
    return np.asarray(np.where(odd, gain, 0.0).sum(axis=1))


def _two_footed_landings(reference: Contacts, device: Contacts, matches: Matches) -> Floats:
    """Return the evidence of jumps: both feet land within 80 ms, which no walker's or runner's feet do.

    Matched to a long stay on a plate it speaks for the lag as rarely as the device shows such landings; matched to an
    ordinary hit it speaks against. A long stay after a single foot is how one steps onto a plate and costs little.
    Nothing where the device sees one foot, or no such landing.
    """
    double = _lands_on_both(device)
    usual = float(np.nanmedian(reference.duration_s)) if np.isfinite(reference.duration_s).any() else np.nan
    if not double.any() or not np.isfinite(usual):
        return np.zeros(matches.offset_s.shape)
    share = (double.sum() + 1.0) / (double.size + 2.0)
    long_stay = (reference.duration_s > _LONG_STAY * usual)[None, :]
    landed = double[np.clip(matches.partner, 0, None)]
    on_long = np.where(landed, np.log(0.5 / share), np.log(0.5 / (1.0 - share)))
    on_hit = np.where(landed, min(np.log(0.02 / share), 0.0), 0.0)
    return np.asarray(np.where(matches.kept, np.where(long_stay, on_long, on_hit), 0.0).sum(axis=1))


def _lands_on_both(device: Contacts) -> NDArray[np.bool_]:
    """Return which contacts have one of the other foot within 80 ms."""
    close = (np.diff(device.onset_s) < _TWO_FOOTED_S) & (device.foot[1:] != device.foot[:-1])
    close &= (device.foot[1:] >= 0) & (device.foot[:-1] >= 0)
    return np.asarray(np.concatenate([close, [False]]) | np.concatenate([[False], close]), dtype=bool)


def _row_median(values: Floats, mask: NDArray[np.bool_]) -> Floats:
    ordered = np.sort(np.where(mask, values, np.inf), axis=1)
    middle = np.maximum(mask.sum(axis=1) - 1, 0) // 2
    median = ordered[np.arange(values.shape[0]), middle]
    return np.asarray(np.where(np.isfinite(median), median, 0.0))


def _local(values: Floats) -> Floats:
    """Return each value less the mean of its same-foot neighbours (two and four contacts away)."""
    if values.size < 9:
        return values - np.nanmean(values) if np.isfinite(values).any() else values
    padded = np.concatenate([values[4:0:-1], values, values[-2:-6:-1]])
    near = np.stack([padded[:-8], padded[2:-6], padded[6:-2], padded[8:]])
    known = np.isfinite(near)
    level = np.where(known, near, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(known.any(axis=0), values - level, np.nan)


def _less_mean(values: Floats, mask: NDArray[np.bool_]) -> Floats:
    mean = (values * mask).sum(axis=1) / np.maximum(mask.sum(axis=1), 1)
    return np.where(mask, values - mean[:, None], values)


def _ranked(values: Floats, good: NDArray[np.bool_]) -> Floats:
    """Return each row winsorised at three robust SDs: one odd contact must not make or break a correlation."""
    magnitude = np.where(good, np.abs(values), np.nan)
    ordered = np.sort(magnitude, axis=1)
    middle = np.maximum(good.sum(axis=1) - 1, 0) // 2
    limit = 3.0 * 1.4826 * np.nan_to_num(ordered[np.arange(values.shape[0]), middle])
    return np.where(good, np.clip(values, -limit[:, None], limit[:, None]), 0.0)


def feet_evidence(reference: Contacts, device: Contacts, matches: Matches) -> tuple[Floats, Floats]:
    """Return the evidence (nats) of matching feet as labelled, and with the device's left and right exchanged.

    Nothing where either side does not know them. Swapped labels are a mistake one in a thousand makes.
    """
    safe = np.clip(matches.partner, 0, None)
    known = matches.kept & (reference.foot >= 0) & (device.foot[safe] >= 0)
    same = (known & (device.foot[safe] == reference.foot)).sum(axis=1)
    other = known.sum(axis=1) - same
    right, wrong = np.log(2 * 0.98), np.log(2 * 0.02)
    swapped = other * right + same * wrong + np.where(known.any(axis=1), np.log(1e-3), 0.0)
    return np.asarray(same * right + other * wrong), np.asarray(swapped)
