"""Errors of force curves: contact by contact, then condition, participant and group, in this order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats

FLAT_BW = 1e-3
"""Range (BW) below which a curve is flat: no share of it means anything; chosen by hand, below any sensor's noise."""
OVER_SAMPLES = ("mae_percent_bw", "r_samples")
MEASURES = ("rmse_bw", "mae_bw", "bias_bw", "r", "rrmse_percent", "rrmse_mean_range_percent")


def curve_errors(measured: Floats, predicted: Floats) -> dict[str, Floats]:
    """Return the errors of every contact.

    Parameters
    ----------
    measured, predicted
        Shape (contacts, time), BW. A sample that was not measured (NaN) does not count. A contact in which a measured
        sample was not predicted (NaN) has no errors at all: leaving samples out must not make a method better.

    Returns
    -------
    dict
        Arrays of shape (contacts,); NaN where a contact has no sample, a measured one was not predicted, or the
        measure does not exist (a range below ``FLAT_BW`` is none):

        ``rmse_bw``, ``mae_bw``, ``bias_bw`` (predicted minus measured);
        ``r``, Pearson's over the samples of the contact (NaN where either curve is flat);
        ``rrmse_percent``, RMSE over the range of the measured curve (Carter 2025; Zhou 2025, inferred);
        ``rrmse_mean_range_percent``, RMSE over the mean of both ranges (Alcantara 2022, doi
        10.7717/peerj.12752, eq. 1).

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if measured.shape != predicted.shape or measured.ndim != 2:
        raise ValueError(f"measured has shape {measured.shape}, predicted {predicted.shape}; expected (contacts, time)")
    measurable = np.isfinite(measured)
    complete = np.asarray((np.isfinite(predicted) | ~measurable).all(axis=1))
    measurable = measurable & complete[:, None]
    y, p = np.where(measurable, measured, 0.0), np.where(measurable, predicted, 0.0)
    count = measurable.sum(axis=1).astype(np.float64)
    count[count == 0] = np.nan  # so that a contact without a sample comes out as NaN, not as an error of 0
    off = p - y
    rmse = np.sqrt((off**2).sum(axis=1) / count)
    span = _range(y, measurable)
    mean_span = 0.5 * (span + _range(p, measurable))
    return {
        "rmse_bw": rmse,
        "mae_bw": np.abs(off).sum(axis=1) / count,
        "bias_bw": off.sum(axis=1) / count,
        "r": _pearson(y, p, measurable, count),
        "rrmse_percent": 100.0 * rmse / np.where(span > FLAT_BW, span, np.nan),
        "rrmse_mean_range_percent": 100.0 * rmse / np.where(mean_span > FLAT_BW, mean_span, np.nan),
    }


def _range(values: Floats, mask: NDArray[np.bool_]) -> Floats:
    high = np.where(mask, values, -np.inf).max(axis=1, initial=-np.inf)
    low = np.where(mask, values, np.inf).min(axis=1, initial=np.inf)
    return np.asarray(np.where(mask.any(axis=1), high - low, np.nan))


def _pearson(y: Floats, p: Floats, mask: NDArray[np.bool_], count: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        a = np.where(mask, y - (y.sum(axis=1) / count)[:, None], 0.0)
        b = np.where(mask, p - (p.sum(axis=1) / count)[:, None], 0.0)
        size = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
        flat = (np.sqrt((a**2).sum(axis=1)) < FLAT_BW) | (np.sqrt((b**2).sum(axis=1)) < FLAT_BW)
        # rounding can carry r past 1, where Fisher's z has no value
        r = np.clip((a * b).sum(axis=1) / np.where(flat, np.nan, size), -1.0, 1.0)
    return np.asarray(r, dtype=np.float64)


def by_participant(
    values: Floats, participants: Sequence[str], conditions: Sequence[str] | None = None
) -> dict[str, float]:
    """Return one value per participant: the mean over its conditions of the mean over their contacts.

    NaN contacts do not count; a participant without any is NaN. Conditions weigh alike, however many contacts each has.
    """
    people = np.asarray([str(p) for p in participants])
    labels = np.asarray([""] * len(people) if conditions is None else [str(c) for c in conditions])
    by_person = {}
    for person in sorted(set(people.tolist())):
        of_person = people == person
        means = [_mean(values[of_person & (labels == c)]) for c in sorted(set(labels[of_person].tolist()))]
        by_person[person] = _mean(np.asarray(means))
    return by_person


def over_samples(measured: Floats, predicted: Floats, participants: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return by participant the errors over all of their samples at once, as papers on films print them.

    Parameters
    ----------
    measured, predicted
        Shape (contacts, time), BW. NaN as in :func:`curve_errors`: a contact in which a measured sample was not
        predicted does not count.

    Returns
    -------
    dict
        ``mae_percent_bw``, the mean absolute error in percent of body weight; ``r_samples``, Pearson's r over all
        samples of the person (Mochizuki & Shibata 2023). A contact with more samples counts more.
    """
    people = np.asarray([str(p) for p in participants])
    complete = (np.isfinite(predicted) | ~np.isfinite(measured)).all(axis=1)
    mae: dict[str, float] = {}
    correlation: dict[str, float] = {}
    for person in sorted(set(people.tolist())):
        rows = (people == person) & complete
        y, p = measured[rows].reshape(1, -1), predicted[rows].reshape(1, -1)
        if not np.isfinite(y).any():
            mae[person] = correlation[person] = float("nan")
            continue
        errors = curve_errors(y, p)
        mae[person], correlation[person] = 100.0 * float(errors["mae_bw"][0]), float(errors["r"][0])
    return {"mae_percent_bw": mae, "r_samples": correlation}


def _mean(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else float("nan")


@dataclass(frozen=True)
class Group:
    """A measure over participants.

    Attributes
    ----------
    mean, sd, low, high
        Mean and SD (n - 1) over participants, and the interval of the mean at ``level`` (Student's t); the interval is
        NaN with fewer than two.
    least, most, worst
        Smallest and largest participant's value, and who has the largest (the smallest where more is better).
    """

    n: int
    mean: float
    sd: float
    low: float
    high: float
    least: float
    most: float
    worst: str
    level: float = 0.95


def group(
    values: dict[str, float], *, level: float = 0.95, more_is_better: bool = False, signed: bool = False
) -> Group:
    """Return mean, interval, extremes and the worst participant of one value per participant; NaN ones do not count.

    With ``signed`` (a bias) the worst is the one farthest from 0.
    """
    from scipy.stats import t

    finite = {k: v for k, v in values.items() if np.isfinite(v)}
    nan = float("nan")
    if not finite:
        return Group(0, nan, nan, nan, nan, nan, nan, "", level)
    v = np.asarray(list(finite.values()))
    n, mean = v.size, float(v.mean())
    sd = float(v.std(ddof=1)) if n > 1 else nan
    half = float(t.ppf(0.5 + level / 2, n - 1)) * sd / np.sqrt(n) if n > 1 else nan
    pick = min if more_is_better else max
    worst = pick(sorted(finite), key=lambda k: abs(finite[k]) if signed else finite[k])
    return Group(n, mean, sd, mean - half, mean + half, float(v.min()), float(v.max()), worst, level)


def mean_r(values: Floats) -> float:
    """Return the mean correlation through Fisher's z (atanh, mean, tanh); |r| above 1 - 1e-12 is cut there."""
    correlations = np.clip(values[np.isfinite(values)], -1 + 1e-12, 1 - 1e-12)
    return float(np.tanh(np.arctanh(correlations).mean())) if correlations.size else float("nan")


def participant_curves(curves: Floats, participants: Sequence[str]) -> tuple[tuple[str, ...], Floats]:
    """Return the participants in order and the mean curve of each, shape (participants, ...); NaN does not count."""
    people = np.asarray([str(p) for p in participants])
    names = tuple(sorted(set(people.tolist())))
    means = []
    for name in names:
        of_person = curves[people == name]
        finite = np.isfinite(of_person)
        count = finite.sum(axis=0)
        total = np.where(finite, of_person, 0.0).sum(axis=0)
        means.append(np.where(count > 0, total / np.maximum(count, 1), np.nan))
    return names, np.stack(means)
