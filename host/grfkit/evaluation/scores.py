"""Scores of predictions, as JSON values: by contact and participant; strata, features, comparisons, bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import BadInputError
from ..gait.loading import Curve, active_peak, horizontal, impact_peak, impulse_bw_s, valr
from ..records.window_length import in_contact, window_length_s
from ..stats.agreement import bland_altman, icc_2_1, tost
from ..stats.compare import paired, with_holm
from ..stats.conformal import highest_level, leave_one_out_coverage
from ..stats.curves import by_participant, curve_errors, group, mean_r, over_samples, participant_curves
from ..stats.spm import permutation_max_t, spm_paired
from ..units import G
from .predictions import Predictions

STRATA = ("condition", "surface", "speed_m_s", "slope_percent", "side")
MARGINS = {
    "active peak BW": 0.05,
    "impact peak BW": 0.05,
    "VALR A BW/s": 0.10,
    "VALR B_time BW/s": 0.10,
    "vertical impulse BW s": 0.05,
    "braking peak BW": 0.05,
    "propulsive peak BW": 0.05,
    "braking impulse BW s": 0.05,
    "propulsive impulse BW s": 0.05,
}
"""Margins of equivalence as a share of the measured mean, stated before any result (systems.md 5.6)."""
ALPHA = 0.05
"""Level of the permutation test over all axes together: the usual one, as in the parametric test beside it."""
MOST_CONDITIONS, MOST_STRATA = 40, 10
"""Kinds of condition, and of any other label, up to which errors are listed by kind: chosen by hand, what a reader can
look through; more are mostly names of single trials."""
LEAST_LEVEL = 0.02
"""Share of the group's mean below which a contact's feature has no relative error: chosen by hand, because division by
nearly 0 would rule the mean."""


def scores(predictions: Predictions, *, headline: str = "", level: float = 0.9) -> dict[str, Any]:
    """Return all scores of an evaluation.

    Parameters
    ----------
    headline
        The method that is compared with every other; the last one where empty.
    level
        Of the conformal bands; lowered to n/(n+1) of those calibrated on where there are too few, and said.

    Returns
    -------
    dict
        JSON values: ``methods`` (by name and axis: group, participants, strata), ``comparisons``, ``spm``,
        ``features``, ``bands``; ``leaks``, and ``headline_allowed``, false where anything leaks.
    """
    main = headline or predictions.methods[-1]
    if main not in predictions.methods:
        raise BadInputError(f"there is no method '{main}' among {', '.join(predictions.methods)}")
    attrs = predictions.data.attrs
    table = {m: method_scores(predictions, m) for m in predictions.methods}
    return {
        "split": str(attrs["split"]),
        "leaks": list(predictions.leaks),
        # leaking rows stay in the table, but no report may lead with them
        "headline_allowed": not predictions.leaks,
        "window": str(attrs["window"]),
        "cut": str(attrs["cut"]),
        "source": str(attrs["source"]),
        "participants": len(predictions.participants),
        "windows": {p: int((predictions.per_stance("participant") == p).sum()) for p in predictions.participants},
        "axes": list(predictions.axes),
        "headline": main,
        "seconds": {
            m: round(float(np.nansum(predictions.data["seconds"].values[i])), 2)
            for i, m in enumerate(predictions.methods)
        },
        "methods": table,
        "comparisons": comparisons(table, predictions, main),
        "spm": {m: spm(predictions, m) for m in predictions.methods} if attrs["window"] == "stance" else {},
        "features": {m: features(predictions, m) for m in predictions.methods} if attrs["window"] == "stance" else {},
        "curves": curves(predictions) if attrs["window"] == "stance" else {},
        "bands": {a: _band(predictions, main, i, level) for i, a in enumerate(predictions.axes)},
    }


def method_scores(predictions: Predictions, method: str) -> dict[str, Any]:
    """Return the scores of one method by axis: ``group`` and ``participants`` of each measure, and ``strata``.

    Windows of a film go beyond their contact, where the force is 0; ``rmse_contact_bw`` is of the contact alone.
    """
    people, conditions = predictions.per_stance("participant").tolist(), _conditions(predictions)
    measured, predicted = predictions.measured, predictions.predicted(method)
    mass, within = predictions.scalar("mass_kg"), in_contact(predictions, measured.shape[1])
    result = {}
    for i, axis in enumerate(predictions.axes):
        errors = curve_errors(measured[:, :, i], predicted[:, :, i])
        errors["rmse_n"] = errors["rmse_bw"] * mass * G
        if within is not None:
            alone = curve_errors(np.where(within, measured[:, :, i], np.nan), predicted[:, :, i])
            errors["rmse_contact_bw"] = alone["rmse_bw"]
        # contacts, then conditions, then people: a speed with many contacts must not rule a person's error
        per_person = {k: by_participant(v, people, conditions) for k, v in errors.items()}
        per_person |= over_samples(measured[:, :, i], predicted[:, :, i], people)
        result[axis] = {
            "group": {k: _group(k, v, len(people)) for k, v in per_person.items()},
            "participants": {k: _clean(v) for k, v in per_person.items()},
            "strata": _strata(predictions, errors["rmse_bw"]),
            "pooled_rmse_bw": _number(np.nanmean(errors["rmse_bw"])),
            "unanswered": int((~np.isfinite(errors["rmse_bw"])).sum()),
        }
    return result


def _conditions(predictions: Predictions) -> list[str]:
    """Return what a participant's contacts are grouped by: condition, or speed and slope where there is no label."""
    labels = predictions.per_stance("condition")
    if any(labels):
        return [str(v) for v in labels]
    speed, slope = predictions.scalar("speed_m_s"), predictions.scalar("slope_percent")
    return [f"{a:.1f} m/s {b:+.0f} %" for a, b in zip(np.nan_to_num(speed), np.nan_to_num(slope))]


def _group(name: str, values: dict[str, float], n: int) -> dict[str, Any]:
    correlation = name in ("r", "r_samples")
    summary = asdict(group(values, more_is_better=correlation, signed=name == "bias_bw"))
    result = {k: _number(v) if isinstance(v, float) else v for k, v in summary.items()} | {"contacts": n}
    if correlation:
        result["fisher_mean"] = _number(mean_r(np.asarray(list(values.values()))))
    return result


def _strata(predictions: Predictions, rmse: Floats) -> dict[str, dict[str, Any]]:
    """Return RMSE by condition, surface, speed, slope and side, over participants who have the stratum."""
    people = predictions.per_stance("participant")
    strata: dict[str, dict[str, Any]] = {}
    for name in STRATA:
        labels = _labels(predictions, name)
        kinds = sorted({label for label in labels.tolist() if label})
        if len(kinds) < 2 or len(kinds) > (MOST_CONDITIONS if name == "condition" else MOST_STRATA):
            continue
        strata[name] = {}
        for kind in kinds:
            rows = labels == kind
            summary = group(by_participant(rmse[rows], people[rows].tolist()))
            strata[name][kind] = {
                "n": summary.n,
                "mean": _number(summary.mean),
                "sd": _number(summary.sd),
                "worst": summary.worst,
            }
    return strata


def _labels(predictions: Predictions, name: str) -> NDArray[np.str_]:
    if name in ("condition", "surface", "side"):
        return predictions.per_stance(name)
    # measured speeds differ in the last digits; a decimal makes them strata
    values = np.round(predictions.scalar(name), 1) + 0.0  # no -0 beside 0
    return np.asarray([f"{v:g}" if np.isfinite(v) else "" for v in values])


def comparisons(table: dict[str, Any], predictions: Predictions, main: str) -> dict[str, Any]:
    """Return paired differences of RMSE (BW), the chosen method minus each other, Holm over all methods of an axis."""
    by_axis: dict[str, Any] = {}
    for axis in predictions.axes:
        mine = _values(table[main][axis]["participants"]["rmse_bw"])
        others = [m for m in predictions.methods if m != main]
        if len(mine) < 2:
            by_axis[axis] = {"note": "one participant: nothing to compare"}
            continue
        usable = {m: _values(table[m][axis]["participants"]["rmse_bw"]) for m in others}
        # a method that did not answer for somebody is compared with nobody: the pairs would be other people
        family = {m: paired(mine, v) for m, v in usable.items() if set(v) == set(mine) and _both(mine, v) > 1}
        by_axis[axis] = {
            m: _plain(asdict(p)) | {"excludes_zero": p.excludes_zero} for m, p in with_holm(family).items()
        }
    return by_axis


def _both(a: dict[str, float], b: dict[str, float]) -> int:
    return sum(bool(np.isfinite(a[k]) and np.isfinite(b[k])) for k in a)


def spm(predictions: Predictions, method: str) -> dict[str, Any]:
    """Return predicted against measured mean curves of the participants, axis by axis: SPM{t} and permutation."""
    people = predictions.per_stance("participant").tolist()
    tests: dict[str, Any] = {}
    for i, axis in enumerate(predictions.axes):
        _, a = participant_curves(predictions.predicted(method)[:, :, i], people)
        _, b = participant_curves(predictions.measured[:, :, i], people)
        complete = np.isfinite(a).all(axis=1) & np.isfinite(b).all(axis=1)
        if complete.sum() < 2:
            tests[axis] = {"note": f"{int(complete.sum())} participants have whole mean curves; no test"}
            continue
        # alpha is shared between the axes (Bonferroni), here and in the permutation test
        test = spm_paired(a[complete], b[complete], family=len(predictions.axes))
        other = permutation_max_t(a[complete], b[complete], alpha=ALPHA / len(predictions.axes))
        tests[axis] = {
            "n": test.n,
            "t": [_number(v) for v in test.t],
            "threshold": _number(test.threshold),
            "share_above": _number(test.share_above),
            "clusters": [_plain(asdict(c)) for c in test.clusters],
            "note": test.note,
            "permutation_threshold": _number(other.threshold),
            "permutation_p": _number(other.p),
            "alpha": test.alpha,
        }
    return tests


def contact_features(measured: Floats, contact_s: Floats, axes: Sequence[str]) -> dict[str, Floats]:
    """Return loading features of time-normalised contacts, each of shape (contacts,); NaN where a curve is not whole.

    Parameters
    ----------
    measured
        Shape (contacts, time, axes), BW.
    contact_s
        Contact time of each, s; without it there are no rates and impulses.
    """
    names = [n for n in MARGINS if "apgrf" in axes or not n.startswith(("braking", "propulsive"))]
    columns = {n: np.full(len(measured), np.nan) for n in names}
    for row, (curves, duration) in enumerate(zip(measured, contact_s)):
        if np.isfinite(duration) and duration > 0 and np.isfinite(curves).all():
            for name, value in _features(curves, float(duration), axes).items():
                columns[name][row] = value
    return columns


def _features(curves: Floats, duration: float, axes: Sequence[str]) -> dict[str, float]:
    t = np.linspace(0.0, duration, len(curves))
    vertical = Curve(t, curves[:, list(axes).index("vgrf")])
    impact = impact_peak(vertical)
    values = {
        "active peak BW": active_peak(vertical).value_bw,
        "impact peak BW": impact.value_bw,
        "VALR A BW/s": valr(vertical, method="A", cutoff_hz=None, impact=impact).value_bw_s,
        "VALR B_time BW/s": valr(vertical, method="B_time", cutoff_hz=None, impact=impact).value_bw_s,
        "vertical impulse BW s": impulse_bw_s(vertical),
    }
    if "apgrf" in axes:
        forward = horizontal(Curve(t, curves[:, list(axes).index("apgrf")]))
        values |= {
            "braking peak BW": forward.braking_peak_bw,
            "propulsive peak BW": forward.propulsive_peak_bw,
            "braking impulse BW s": forward.braking_impulse_bw_s,
            "propulsive impulse BW s": forward.propulsive_impulse_bw_s,
        }
    return values


def features(predictions: Predictions, method: str) -> dict[str, Any]:
    """Return agreement of loading features: errors, Bland-Altman of contacts, ICC(2,1) and TOST of participants."""
    if "vgrf" not in predictions.axes:
        return {}
    contact_s, people = window_length_s(predictions), predictions.per_stance("participant").tolist()
    true = contact_features(predictions.measured, contact_s, predictions.axes)
    predicted = contact_features(predictions.predicted(method), contact_s, predictions.axes)
    return {name: feature_agreement(predicted[name], true[name], people, MARGINS[name]) for name in true}


def feature_agreement(predicted: Floats, true: Floats, people: Sequence[str], margin: float) -> dict[str, Any]:
    """Return how well one feature agrees, participants first; the margin is a share of the measured mean."""
    a, b = by_participant(predicted, people), by_participant(true, people)
    names = [k for k in b if np.isfinite(a[k]) and np.isfinite(b[k])]
    if len(names) < 2:
        return {"n": len(names), "note": "too few participants"}
    x, y = np.asarray([a[k] for k in names]), np.asarray([b[k] for k in names])
    level = abs(float(y.mean()))
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(np.abs(true) > LEAST_LEVEL * level, 100 * np.abs(predicted - true) / np.abs(true), np.nan)
    result: dict[str, Any] = {
        "n": len(names),
        "measured": _number(y.mean()),
        "predicted": _number(x.mean()),
        "absolute_error": _number(group(by_participant(np.abs(predicted - true), people)).mean),
        "relative_error_percent": _number(group(by_participant(relative, people)).mean),
        "bland_altman": _plain(asdict(bland_altman(predicted, true, people))),
        "tost": _plain(asdict(tost(x - y, margin=margin * level))) | {"margin_percent": 100 * margin},
    }
    if len(names) >= 3 and np.ptp(np.concatenate([x, y])) > 0:
        result["icc_2_1"] = _plain(asdict(icc_2_1(np.stack([x, y], axis=1))))
    return result


def curves(predictions: Predictions) -> dict[str, Any]:
    """Return by axis the mean over participants of measured and predicted mean curves, and the SD of the measured."""
    people = predictions.per_stance("participant").tolist()
    by_axis: dict[str, Any] = {}
    for i, axis in enumerate(predictions.axes):
        _, true = participant_curves(predictions.measured[:, :, i], people)
        by_axis[axis] = {"measured": _mean_curve(true), "measured_sd": _sd_curve(true), "methods": {}}
        for method in predictions.methods:
            _, predicted = participant_curves(predictions.predicted(method)[:, :, i], people)
            by_axis[axis]["methods"][method] = _mean_curve(predicted)
    return by_axis


def _mean_curve(curves: Floats) -> list[float | None]:
    valid = np.isfinite(curves)
    count = valid.sum(axis=0)
    mean = np.where(valid, curves, 0.0).sum(axis=0) / np.maximum(count, 1)
    return [_number(v) if n else None for v, n in zip(mean, count)]


def _sd_curve(curves: Floats) -> list[float | None]:
    return [_number(c[np.isfinite(c)].std(ddof=1)) if np.isfinite(c).sum() > 1 else None for c in curves.T]


def _band(predictions: Predictions, method: str, axis: int, level: float) -> dict[str, Any]:
    people = predictions.per_stance("participant").tolist()
    n = len(predictions.participants)
    if n < 3:
        return {"note": f"{n} participants: no interval for a next one"}
    # n - 1: in each turn one person is left out and the others calibrate
    most = highest_level(n - 1)
    used = min(level, most)
    residuals = predictions.predicted(method)[:, :, axis] - predictions.measured[:, :, axis]
    answered = np.isfinite(residuals).any(axis=1)
    lost = sorted(set(people) - set(predictions.per_stance("participant")[answered].tolist()))
    if lost:
        return {"note": f"{', '.join(lost)} has no window with a force and an answer: no interval for a next one"}
    band: dict[str, Any] = _plain(asdict(leave_one_out_coverage(residuals, people, level=used)))
    if used < level:
        band["note"] = f"{n - 1} people to calibrate on promise {most:.3f} at most, not {level:g}"
    return band


def _values(plain: dict[str, float | None]) -> dict[str, float]:
    return {k: float("nan") if v is None else v for k, v in plain.items()}


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _clean(values: dict[str, float]) -> dict[str, float | None]:
    return {k: _number(v) for k, v in values.items()}


def _plain(value: Any) -> Any:
    """Return JSON values: NaN and infinities are None."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return _number(value)
    return value.item() if isinstance(value, np.generic) else value
