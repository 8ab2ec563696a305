"""The clock that fits the matched contacts: offset, rate, wander, and how well each instant is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..records import Anchors, Knot, Segment
from ..signals.contacts import Contacts
from ..signals.robust import MAD_TO_SD

RATE_WALK_PPM = 0.35
"""How far a crystal's rate walks in one second, ppm (random walk): 12 ppm of warm-up within ten minutes or so."""
KNOT_S = 30.0
"""Distance (s) of the knots: in it a crystal's walk bends the clock by some microseconds only."""
MOST_KNOTS = 400
"""Knots at most, which bounds the time of a solve; a record of more than 3.3 h has wider ones."""
LEAST_WANDER_S = 1e-4
"""Wander (s) below which a clock is stated as a straight line: a tenth of a sample at 1000 Hz."""
STRETCH = 16
"""Contacts of a stretch whose residuals are looked at together: some six seconds of a run; chosen by hand."""
FOOT_SD_S = 0.003
"""SD (s) of the prior on the difference between right and left sensor; chosen by hand, as lags differ by 0.9 to 2.4 ms
(SD) between devices of one class."""
FIRST_SCATTER_S = 0.005
"""SD (s) of the contacts' jitter before the first round has measured it: that of an insole's onset."""
LEAST_SCATTER_S = 2e-4
"""Least SD (s) of it, so that equal trains do not divide by zero."""
ROUNDS = 5
"""Rounds of reweighting; chosen by hand."""
TUKEY = 4.685
"""Tukey's biweight: residuals of this many SDs have no weight (95 % efficiency at a normal distribution)."""
FEWEST_FOR_INFLATION, ASSUMED_INFLATION = 12, 2.0
"""Pairs below which the correlation of their jitter is not measured, and the inflation assumed instead; chosen
by hand."""
LONGEST_CORRELATION = 16
"""Contacts over which that correlation is summed at most; chosen by hand."""
LARGEST_INFLATION = 10.0
"""Inflation of variance at most; chosen by hand."""
UNSTEADY_ERRORS, MEDIAN_ERROR = 3.5, 1.25
"""Standard errors by which a stretch's median may be off by chance (chosen by hand, as the worst of many is taken),
and the error of a median over that of a mean."""


@dataclass(frozen=True)
class ClockFit:
    """A fitted clock over one stretch of device time.

    Attributes
    ----------
    offset_s, rate
        The straight line: ``t_reference = offset_s + rate * t_device``.
    knots_s, extra_s
        Shape (knots,): device time, and what is added to the line there (linear between).
    sd_s
        Shape (knots,): standard error at each knot; jitter's correlation and the clock's wander included.
    residual_s
        Shape (pairs,): what is left of each pair.
    rate_sd
        Standard error of the rate, the prior on it included.
    """

    offset_s: float
    rate: float
    knots_s: Floats
    extra_s: Floats
    sd_s: Floats
    residual_s: Floats
    rate_sd: float

    @property
    def worst_sd_s(self) -> float:
        """Return the largest standard error over the stretch."""
        return float(self.sd_s.max())


def fit_clock(
    device_s: Floats,
    reference_s: Floats,
    foot: NDArray[np.int64],
    *,
    start_s: float,
    end_s: float,
    rate: float = 1.0,
    rate_sd_ppm: float = 200.0,
    foot_s: float = 0.0,
) -> ClockFit:
    """Return the clock that maps device onsets to reference onsets over ``[start_s, end_s]`` of device time.

    The clock is a line plus an integrated random walk on a grid of knots (a smoothing spline with a physical
    penalty), solved as one Gaussian regression with Tukey weights. The jitter's correlation from contact to
    contact inflates its variance; the posterior covariance is the stated standard error.

    Parameters
    ----------
    device_s, reference_s
        Shape (pairs,): matched onsets, sensor lag already removed.
    foot
        Shape (pairs,): 0, 1 or -1; a constant right-left difference about ``foot_s`` is removed.
    rate, rate_sd_ppm
        Mean and SD of the prior on the clock's rate.
    """
    count = int(np.clip(np.ceil((end_s - start_s) / KNOT_S), 2, MOST_KNOTS)) + 1
    knots = np.linspace(start_s, end_s, count)
    centre = float(np.median(device_s))
    base = float(np.median(reference_s - rate * device_s))
    y = reference_s - rate * device_s - base
    # half of the difference either way, so that the offset is that of both feet's middle
    side = np.where(foot == 1, 0.5, np.where(foot == 0, -0.5, 0.0))
    hats, prior = _hats(device_s, knots), _penalty(knots, rate_sd_ppm)
    design = np.concatenate([hats, side[:, None]], axis=1)
    prior = np.pad(prior, ((0, 1), (0, 1)))
    prior[-1, -1] = 1.0 / FOOT_SD_S**2
    # the regression's priors are about zero, so what is already known is taken off first
    y = y - foot_s * side
    beta, normal, residual = _tukey_regression(design, y, prior)
    covariance = np.linalg.inv(normal)[:count, :count]
    # the line is drawn through the knots, so that what they add to it is wander and nothing else
    slope = (knots - knots.mean()) / np.sum((knots - knots.mean()) ** 2)
    line = np.polynomial.polynomial.polyfit(knots - centre, beta[:count], 1)
    extra = beta[:count] - line[0] - line[1] * (knots - centre)
    offset = base + float(line[0]) - float(line[1]) * centre
    return ClockFit(
        offset,
        rate + float(line[1]),
        knots,
        extra,
        np.sqrt(np.diag(covariance)),
        residual,
        float(np.sqrt(slope @ covariance @ slope)),
    )


def _tukey_regression(design: Floats, y: Floats, prior: Floats) -> tuple[Floats, Floats, Floats]:
    """Return coefficients, their precision and the residuals of a Gaussian regression reweighted by Tukey's biweight.

    Parameters
    ----------
    prior
        Prior precision of the coefficients, about zero.
    """
    weight, sigma, inflation = np.ones(y.size), FIRST_SCATTER_S, 1.0
    for _ in range(ROUNDS):
        normal = (design * weight[:, None]).T @ design / (sigma**2 * inflation) + prior
        right = (design * weight[:, None]).T @ y / (sigma**2 * inflation)
        beta = np.linalg.solve(normal, right)
        residual = y - design @ beta
        sigma = max(MAD_TO_SD * float(np.median(np.abs(residual))), LEAST_SCATTER_S)
        u = residual / (TUKEY * sigma)
        weight = np.where(np.abs(u) < 1, (1 - u**2) ** 2, 0.0)
        inflation = _inflation(residual, weight > 0)
    return beta, normal, residual


def _hats(at: Floats, knots: Floats) -> Floats:
    # linear interpolation as a matrix: each row holds the weights of the two knots about an instant
    place = np.clip((at - knots[0]) / (knots[1] - knots[0]), 0, knots.size - 1 - 1e-9)
    left = place.astype(int)
    hats = np.zeros((at.size, knots.size))
    rows = np.arange(at.size)
    hats[rows, left] = 1 - (place - left)
    hats[rows, left + 1] = place - left
    return hats


def _penalty(knots: Floats, rate_sd_ppm: float) -> Floats:
    """Return the prior precision of the knots: a free offset, a rate of given SD, a rate that walks."""
    step, count = knots[1] - knots[0], knots.size
    precision = np.zeros((count, count))
    end = np.zeros(count)
    end[0], end[-1] = -1.0, 1.0
    span = knots[-1] - knots[0]
    precision += np.outer(end, end) / (rate_sd_ppm * 1e-6 * span) ** 2
    # in one step the rate walks by its root times the SD, and the clock by that rate times the step
    walk_sd = RATE_WALK_PPM * 1e-6 * np.sqrt(step) * step
    for k in range(1, count - 1):
        bend = np.zeros(count)
        bend[k - 1 : k + 2] = 1.0, -2.0, 1.0
        precision += np.outer(bend, bend) / walk_sd**2
    return precision


def _inflation(residual: Floats, used: NDArray[np.bool_]) -> float:
    """Return by how much correlation from contact to contact inflates the variance of a mean (1 to 10)."""
    series = residual[used]
    if series.size < FEWEST_FOR_INFLATION:
        return ASSUMED_INFLATION
    series = series - series.mean()
    power = float((series**2).mean())
    if power <= 0:
        return 1.0
    lags = np.arange(1, min(LONGEST_CORRELATION, series.size // 4))
    correlation = np.asarray([float((series[k:] * series[:-k]).mean()) / power for k in lags])
    # Bartlett's window: without it the sum over noisy correlations may be less than nothing
    window = 1.0 - lags / (lags.size + 1.0)
    return float(np.clip(1.0 + 2.0 * (window * correlation).sum(), 1.0, LARGEST_INFLATION))


def fit_anchors(
    reference: Contacts,
    device: Contacts,
    partner: NDArray[np.int64],
    inlier: NDArray[np.bool_],
    *,
    lag_s: float,
    start_s: float,
    end_s: float,
    rate: float,
    rate_sd_ppm: float = 200.0,
    foot_s: float,
) -> tuple[Anchors, ClockFit]:
    """Return the matched contacts with their residuals, and the clock fitted through those that count.

    Parameters
    ----------
    partner, inlier
        Shape (reference contacts,): index of the device's contact, -1 where none; whether it counts.
    lag_s
        Sensor lag (s) to subtract from the device's contacts.
    rate, rate_sd_ppm
        Mean and SD of the prior on the clock's rate.
    """
    pairs = np.flatnonzero(partner >= 0)
    partner, inlier = partner[pairs], inlier[pairs]
    t_device, t_reference = device.onset_s[partner] - lag_s, reference.onset_s[pairs]
    fit = fit_clock(
        t_device[inlier],
        t_reference[inlier],
        device.foot[partner][inlier],
        start_s=start_s,
        end_s=end_s,
        rate=rate,
        rate_sd_ppm=rate_sd_ppm,
        foot_s=foot_s,
    )
    residual = t_reference - segment_of(fit, start_s, end_s).apply(t_device)
    return Anchors(t_device, t_reference, residual, inlier), fit


def segment_of(fit: ClockFit, start_s: float, end_s: float) -> Segment:
    """Return a fit as a segment of a clock map over ``[start_s, end_s)``; knots only where the clock wanders."""
    knots: list[Knot] = []
    if np.abs(fit.extra_s).max() > LEAST_WANDER_S:
        knots = [Knot(t_device_s=float(t), extra_s=float(x)) for t, x in zip(fit.knots_s, fit.extra_s)]
    return Segment(
        start_s=start_s,
        end_s=end_s,
        offset_s=float(fit.offset_s),
        drift_ppm=float((fit.rate - 1.0) * 1e6),
        knots=knots,
    )


def unsteadiness_s(anchors: Anchors) -> float:
    """Return how far (s) the residuals of some six seconds stand off together, beyond what their scatter explains.

    A clock that jumped by less than can be found, or wandered faster than a crystal, leaves this behind.
    """
    residual = anchors.residual_s[anchors.kept]
    if residual.size < 2 * STRETCH:
        return 0.0
    parts = np.array_split(residual, residual.size // STRETCH)
    middle = np.asarray([np.median(p) for p in parts])
    scatter = MAD_TO_SD * np.asarray([np.median(np.abs(p - m)) for p, m in zip(parts, middle)])
    # jitter is correlated from contact to contact: half the number counts, hence the 2
    chance = UNSTEADY_ERRORS * MEDIAN_ERROR * np.median(scatter) * np.sqrt(2.0 / STRETCH)
    return float(max(np.abs(middle).max() - chance, 0.0))
