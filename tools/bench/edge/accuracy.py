"""Accuracy on held-out people: networks, their int8 files, the student, and the baselines that they have to beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grfkit.evaluation.methods import baseline_methods
from grfkit.evaluation.predictions import predict_folds
from grfkit.evaluation.scores import scores
from grfkit.evaluation.wrapped import OnChannels
from grfkit.learn.method import Method

from ..accuracy.methods import MEAN, MOTION, RIDGE, SPEED, show_progress
from .models import (
    BILSTM,
    BILSTM_64,
    BUILD,
    CNN,
    LSTM,
    STUDENT,
    TCN,
    Bench,
    CachedNetwork,
    Rows,
    conversion,
    folds,
    settings,
    stances,
    trained,
)

WITHIN = 0.3
"""Percentage points of rRMSE that the TCN may be behind the BiLSTM."""
EIGHT = ", int8"


def methods(bench: Bench, *, quick: bool) -> list[Method]:
    """Return baselines, networks and int8 files of a bench."""
    baselines = {m.name for m in baseline_methods(stances(bench))}
    chosen_methods: list[Method] = [m for m in (MEAN, SPEED) if m.name in baselines]
    chosen_methods.append(OnChannels("ridge", RIDGE, MOTION) if bench.source == "B" else RIDGE)
    members = [BILSTM, TCN, STUDENT] if quick else [BILSTM, BILSTM_64, LSTM, TCN, CNN, STUDENT]
    for member in members:
        key = settings(bench, member)
        chosen_methods.append(CachedNetwork(member, bench, member, key))
        if member in (BILSTM, TCN, STUDENT):
            chosen_methods.append(CachedNetwork(member + EIGHT, bench, member, f"{key} {conversion()}", eight=True))
    return chosen_methods


def tested(bench: Bench, *, quick: bool) -> Rows:
    """Return the scores of all methods on the same folds, with the goals."""
    data = stances(bench)
    tested_folds = folds(bench)[:1] if quick else folds(bench)
    path = BUILD / "sets" / f"{''.join(c for c in bench.name if c.isalnum())}.nc"
    path.parent.mkdir(parents=True, exist_ok=True)
    data.to_netcdf(path, force=True)
    answers = predict_folds(
        path,
        tested_folds,
        methods(bench, quick=quick),
        split="grouped_kfold",
        results=BUILD / "folds",
        progress=show_progress,
    )
    part = scores(answers, headline=TCN)
    part["note"] = bench.note
    tables = {"Goals": goals(part), "What the student costs": student_rows(bench, part, len(tested_folds))}
    return part | {"tables": tables}


def people(part: Rows, method: str, axis: str, measure: str = "rrmse_percent") -> dict[str, float]:
    """Return a measure of every tested participant."""
    values = part["methods"][method][axis]["participants"][measure]
    return {k: float("nan") if v is None else float(v) for k, v in values.items()}


def apart(
    part: Rows, method: str, other: str, axis: str, measure: str = "rrmse_percent", *, draws: int = 10_000
) -> tuple[float, float, float]:
    """Return the mean over participants of one method's measure minus another's, and its 95 % bootstrap interval."""
    a, b = (people(part, m, axis, measure) for m in (method, other))
    off = np.asarray([a[k] - b[k] for k in sorted(a) if np.isfinite(a[k] - b[k])])
    if not off.size:
        return float("nan"), float("nan"), float("nan")
    # people are drawn with both their errors: the difference is paired
    means = off[np.random.default_rng(0).integers(0, off.size, (draws, off.size))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(off.mean()), float(low), float(high)


def goals(part: Rows) -> list[Rows]:
    """Return how far the TCN is from the BiLSTM, and whether networks lose to what knows less."""
    rows = []
    for axis in part["axes"]:
        for network in [m for m in (TCN, TCN + EIGHT, CNN) if m in part["methods"]]:
            mean, low, high = apart(part, network, BILSTM, axis)
            rows.append({
                "axis": axis, "goal": f"{network} at most {WITHIN:g} points of rRMSE above {BILSTM}", "points": mean,
                "low": low, "high": high, "verdict": "met" if mean <= WITHIN else "NOT MET",
            })  # fmt: skip
        for other in [m.name for m in (MEAN, SPEED, RIDGE) if m.name in part["methods"]]:
            for network in (BILSTM, TCN):
                mean, low, high = apart(part, network, other, axis)
                verdict = "met" if high < 0 else "below, not certain" if mean < 0 else "NOT MET: the network loses"
                rows.append({
                    "axis": axis, "goal": f"{network} below {other}, rRMSE", "points": mean, "low": low, "high": high,
                    "verdict": verdict,
                })  # fmt: skip
    return rows


def student_rows(bench: Bench, part: Rows, count: int) -> list[Rows]:
    """Return what the student costs against its teacher, and what it was in each fold."""
    rows: list[Rows] = []
    for axis in part["axes"]:
        for method in (STUDENT, STUDENT + EIGHT):
            mean, low, high = apart(part, method, BILSTM, axis)
            rows.append(
                {"axis": axis, "method": method, f"rRMSE points above {BILSTM}": mean, "low": low, "high": high}
            )
    for fold in folds(bench)[:count]:
        spec = trained(bench, STUDENT, fold).spec
        tried: Sequence[Rows] = spec.training["tried"]
        share, net = spec.training["teacher"]["share_of_truth"], spec.network
        candidate = next(t for t in tried if t["share"] == share and t["network"] == net)
        rows.append({
            "fold": fold.name, "chosen": f"{net['name']} {net['hidden']}", "share of truth": share,
            "weights": candidate["weights"], "inner loss": candidate["inner_loss"],
            "least inner loss": min(t["inner_loss"] for t in tried), "tried": len(tried),
        })  # fmt: skip
    return rows
