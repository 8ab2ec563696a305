"""Personalisation in an evaluation: every tested person's error against strides of their own; never a headline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ..arguments import ArgumentError
from ..errors import BadInputError
from ..learn.folds import Fold
from ..learn.model import GrfModel
from ..learn.parallel import Job, map_folds
from ..learn.train_config import TrainConfig
from ..records.stance_set import StanceSet
from ..stats.compare import paired
from ..stats.curves import group
from .methods import ChosenMethod, NetworkMethod, TransferMethod
from .nested_search import SearchedMethod
from .personalise import COUNTS, LEAK_PERSONAL, WAYS, parts_for, personalise

TrainedMethod = NetworkMethod | SearchedMethod | TransferMethod | ChosenMethod


class PersonalPlan(BaseModel):
    """Settings of personalisation in an evaluation.

    Attributes
    ----------
    counts
        Numbers of calibration strides; 0, the model as it is, is always among them.
    epochs, batch, lr_factor
        Of fine-tuning, at a constant learning rate of so much of the training's.
    prior_windows
        Of :func:`fit_affine`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    counts: tuple[int, ...] = COUNTS
    epochs: int = Field(default=20, ge=1)
    batch: int = Field(default=8, ge=1)
    lr_factor: float = Field(default=0.1, gt=0)
    prior_windows: float = Field(default=1.0, ge=0)


def plan_of_counts(text: str) -> PersonalPlan:
    """Return the plan of counts such as ``0,2,4,8,16``.

    Raises
    ------
    BadInputError
        If one is no whole number of 0 or more, one is given twice, or none is above 0.
    """
    parts = [p.strip() for p in text.split(",") if p.strip()]
    if not all(p.isdecimal() for p in parts) or len({int(p) for p in parts}) < len(parts):
        raise ArgumentError(
            "personalise", f"is '{text}', expected different whole numbers of strides, as in 0,2,4,8,16"
        )
    counts = sorted({0, *(int(p) for p in parts)})
    if len(counts) < 2:
        raise ArgumentError("personalise", f"is '{text}', expected a number of strides above 0, as in 0,2,4,8,16")
    return PersonalPlan(counts=tuple(counts))


def windows_per_stride(data: StanceSet) -> int:
    """Return how many windows a stride gives: one for each foot that was measured."""
    return len(set(data.per_stance("side").tolist()))


def left_out(data: StanceSet, counts: Sequence[int]) -> dict[str, str]:
    """Return who cannot be personalised, and why.

    Parameters
    ----------
    counts
        Strides.
    """
    reasons = {}
    for person in data.participants:
        windows = data.of([person])
        try:
            parts_for(windows, [n * windows_per_stride(windows) for n in counts])
        except BadInputError as error:
            reasons[person] = str(error)
    return reasons


def check_personal(data: StanceSet, folds: Sequence[Fold], plan: PersonalPlan, surface: str = "") -> dict[str, str]:
    """Return which of those tested cannot be personalised, and why.

    Raises
    ------
    BadInputError
        If the folds do not keep participants apart, or nobody has windows enough.
    """
    if any(fold.unit != "participant" for fold in folds):
        raise BadInputError(
            "personalisation starts from a model that has not seen the person; take --split loso (split='loso' in"
            " Python)"
        )
    tested = {p for fold in folds for p in fold.test}
    lost = {p: why for p, why in left_out(on_surface(data, surface), plan.counts).items() if p in tested}
    if tested <= set(lost):
        raise BadInputError(f"nobody can be personalised; {next(iter(lost.values()))}")
    return lost


def personalise_job(
    data: StanceSet | Path, fold: Fold, method: TrainedMethod, plan: PersonalPlan, surface: str = ""
) -> dict[str, Any]:
    """Return rows of those a fold tests, each personalised from the fold's model in both ways.

    Parameters
    ----------
    method
        Trained on the fold's training part as in the evaluation itself; of several trainings the first counts.
    surface
        Only windows of this surface calibrate and test; empty: all.
    """
    stances = StanceSet.open(data) if isinstance(data, Path) else data
    model = method.train(fold.of(stances, "train", "inner") if fold.inner else fold.of(stances, "train"), fold)
    config = tuning_config(model, plan)
    how: dict[str, Any] = {"config": config, "lr_factor": plan.lr_factor, "prior_windows": plan.prior_windows}
    rows: list[dict[str, Any]] = []
    for person in fold.test:
        windows = on_surface(stances.of([person]), surface)
        if left_out(windows, plan.counts):
            continue
        each = windows_per_stride(windows)
        for way in WAYS:
            calibrated = personalise(model, windows, counts=[n * each for n in plan.counts], method=way, **how)
            rows += [row.row() | {"strides": row.windows // each} for row in calibrated]
    return {"rows": [_plain(row) for row in rows]}


def on_surface(data: StanceSet, surface: str) -> StanceSet:
    """Return the windows of one surface; all where it is empty."""
    return data.where(data.per_stance("surface") == surface) if surface else data


def tuning_config(model: GrfModel, plan: PersonalPlan) -> TrainConfig:
    """Return how a model is trained further: as it was trained, for the plan's epochs, nobody deciding when to stop."""
    # the document also holds what is no setting, such as mode and the rate used
    training = {k: v for k, v in model.spec.training.items() if k in TrainConfig.model_fields}
    # nobody inner is left to stop by: the person's other windows are the test
    changed = {"epochs": plan.epochs, "batch": plan.batch, "patience": 0, "schedule": "constant", "balance_batches": ""}
    return TrainConfig.model_validate(training | changed)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    errors = {axis: value if np.isfinite(value) else None for axis, value in row["rmse_bw"].items()}
    return row | {"rmse_bw": errors}


def personalise_folds(
    data: StanceSet,
    folds: Sequence[Fold],
    method: TrainedMethod,
    plan: PersonalPlan,
    *,
    surface: str = "",
    leaks: Sequence[str] = (),
    shared: Path | None = None,
    workers: int = 0,
    **how: Any,
) -> dict[str, Any]:
    """Return the error of those tested by number of calibration strides, as JSON values.

    Parameters
    ----------
    leaks
        Of the protocol, for every row.
    shared
        A file of the same set, for other processes.
    workers, how
        Of :func:`~grfkit.learn.parallel.map_folds`; how: ``cluster``, ``results``, ``progress``.

    Raises
    ------
    BadInputError
        If the folds do not keep participants apart, or nobody has windows enough.
    """
    lost = check_personal(data, folds, plan, surface)
    same = {"data": shared or data, "method": method, "plan": plan, "surface": surface}
    jobs = [Job(f"{f.name} | personalisation", same | {"fold": f}) for f in folds if not set(f.test) <= set(lost)]
    rows = [row for value in map_folds(personalise_job, jobs, workers=workers, **how) for row in value["rows"]]
    for row in rows:
        # also the rows without calibration: what the protocol knew of the tested holds for them, too
        row["leaks"] = list(dict.fromkeys([*leaks, *row["leaks"]]))
    document = {
        "method": method.name,
        "plan": plan.model_dump(mode="json"),
        "unit": "strides" if str(data.data.attrs["window"]) == "stance" else "windows",
        "leaks": list(dict.fromkeys([*leaks, LEAK_PERSONAL])),
        "headline_allowed": False,
        "left_out": lost,
        "means": means(rows, plan.counts),
        "rows": rows,
    }
    return document | {"words": personal_words(document)}


def means(rows: Sequence[dict[str, Any]], counts: Sequence[int]) -> dict[str, Any]:
    """Return by way, axis and number of strides: mean over participants, its interval, and what calibrating changed.

    ``change`` is the paired difference to the same participants' error at 0 strides (BW; below 0 is better), with its
    interval (Student's t over participants), and None where there are fewer than two.
    """
    axes = list(rows[0]["rmse_bw"])
    table: dict[str, Any] = {}
    for way in WAYS:
        table[way] = {}
        for axis in axes:
            by_count = {n: _errors(rows, way, axis, n) for n in counts}
            table[way][axis] = {str(n): _mean(values, by_count[0]) for n, values in by_count.items()}
    return table


def _errors(rows: Sequence[dict[str, Any]], way: str, axis: str, strides: int) -> dict[str, float]:
    of_way = [r for r in rows if r["method"] == way and r["strides"] == strides]
    return {r["participant"]: np.nan if r["rmse_bw"][axis] is None else float(r["rmse_bw"][axis]) for r in of_way}


def _mean(values: dict[str, float], before: dict[str, float]) -> dict[str, Any]:
    summary = group(values)
    both = sum(bool(np.isfinite(values[p]) and np.isfinite(before[p])) for p in values)
    # at 0 strides both are the same numbers, and there is nothing to compare
    change = asdict(paired(values, before)) if both > 1 and values != before else None
    numbers = (
        {"n": summary.n}
        | {k: _number(getattr(summary, k)) for k in ("mean", "sd", "low", "high")}
        | {"worst": summary.worst}
    )
    picked = ("n", "mean", "low", "high", "better")
    return numbers | {"change": None if change is None else {k: _number(change[k]) for k in picked}}


def _number(value: float) -> float | None:
    if not np.isfinite(value):
        return None
    return int(value) if isinstance(value, int) else float(value)


def personal_words(document: dict[str, Any]) -> list[str]:
    """Return in words what calibration on a person's own first strides changed; never a headline."""
    counts, unit = document["plan"]["counts"], document["unit"]
    people = len({row["participant"] for row in document["rows"]})
    late = sorted({row["test_windows"] for row in document["rows"]})
    span = f"{late[0]}" if len(late) == 1 else f"{late[0]} to {late[-1]}"
    stride = " (a stride: a window of each measured foot)" if unit == "strides" else ""
    lines = [
        f"Personalisation of {document['method']}, {people} participants, each tested on the same {span} later windows"
        f" after any number of calibration {unit}{stride}. Their own force was seen: no headline."
    ]
    for way, axes in document["means"].items():
        for axis, by_count in axes.items():
            lines.append(f"{axis}, {WAYS[way]}: {_course(by_count, counts, unit)}")
    lines += [f"left out: {why}" for why in document["left_out"].values()]
    return lines


def _course(by_count: dict[str, Any], counts: Sequence[int], unit: str) -> str:
    before, most = by_count["0"], by_count[str(max(counts))]
    if before["mean"] is None or most["mean"] is None:
        return "no error is known"
    text = ", ".join(f"{n}: {by_count[str(n)]['mean']:.4f}" for n in counts if by_count[str(n)]["mean"] is not None)
    text = f"RMSE in BW by {unit}: {text}"
    change = most["change"]
    if change is None:
        return text
    # an interval that holds 0 is no proof of harm either
    if change["low"] is None or change["low"] <= 0 <= change["high"]:
        verdict = f"not shown to help or to harm with {max(counts)}"
    else:
        verdict = f"{'better' if change['high'] < 0 else 'WORSE'} with {max(counts)}"
    return (
        f"{text}; {verdict} (difference {change['mean']:+.4f}, 95 % {change['low']:+.4f} to {change['high']:+.4f};"
        f" {change['better']} of {change['n']} people better)"
    )
