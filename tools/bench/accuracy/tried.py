"""Variants of the networks of A and B, and whether a choice on inner participants would have taken them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from grfkit.arrays import Floats
from grfkit.evaluation.methods import NetworkMethod
from grfkit.evaluation.predictions import Predictions
from grfkit.evaluation.wrapped import on_channels
from grfkit.learn.augment import Augmentation
from grfkit.learn.folds import Fold, loso
from grfkit.learn.method import Method
from grfkit.learn.model import FittedModel
from grfkit.learn.train import fine_tune, fit, training_scaler
from grfkit.records.stance_set import StanceSet, join
from grfkit.stats.compare import paired
from grfkit.stats.curves import by_participant, curve_errors

from ..harness import Rows
from . import sets
from .methods import MOTION, Run, cnn, shank_cnn

PLAIN = "as it is"


@dataclass(frozen=True)
class Pretrained:
    """A network trained on the phantom's windows first, then on the fold's; one scaler of both."""

    name: str
    member: NetworkMethod
    phantom: Path
    lr_factor: float = 0.5

    def fit(self, data: StanceSet, fold: Fold) -> FittedModel:
        """Return the network trained on the phantom, then on the training part."""
        network, config = self.member.network, self.member.config
        phantom = on_channels(StanceSet.open(self.phantom), data.channels)
        # one scale for both: weights learnt on the phantom mean the same on people
        scaler = training_scaler(config, join([phantom, fold.of(data, "train")]))
        first = Fold(f"{fold.name}, phantom", phantom.participants, (), fold.test)
        model = fit(network, config, phantom, first, scaler=scaler)
        return FittedModel(fine_tune(model, config, data, fold, lr_factor=self.lr_factor))


def landmark_variants(run: Run) -> list[Method]:
    """Return the landmark network as it is, and with one thing changed at a time."""
    epochs = 3 if run.quick else 12

    def one(name: str, **more: Any) -> NetworkMethod:
        settings: dict[str, Any] = {"channels": MOTION, "statics": ("contact_s",), "batch": 16}
        return cnn(name, epochs=epochs, **(settings | more))

    physics = (*MOTION, "physics_*")
    variants: list[Method] = [
        one(PLAIN),
        one("noise and gains varied", augmentation=Augmentation(noise=0.05, gain=0.1)),
        one("shifted by up to 2 samples", augmentation=Augmentation(shift_samples=2)),
        one("errors of steps count, too", derivative=0.1),
        one("physics prior as input", channels=physics),
        one("positions as inputs, too", channels=("*_x", "*_y", "*_z", *MOTION)),
        one("speed as input", statics=("contact_s", "speed_m_s")),
        one("3 seeds", seeds=3),
    ]
    if not run.quick:
        variants.append(Pretrained("trained on the phantom first", one("phantom"), sets.phantom_file()))
    return variants


def shank_variants(run: Run) -> list[Method]:
    """Return the shank's network as it is, and with one thing changed at a time."""
    epochs = 8 if run.quick else 60
    return [
        shank_cnn(PLAIN, epochs),
        shank_cnn("noise and gains varied", epochs, augmentation=Augmentation(noise=0.05, gain=0.1)),
        shank_cnn("shifted by up to 2 samples", epochs, augmentation=Augmentation(shift_samples=2)),
        shank_cnn("errors of steps count, too", epochs, derivative=0.1),
        shank_cnn("mass and speed as inputs", epochs, statics=("mass_kg", "speed_m_s")),
        shank_cnn("3 seeds", epochs, seeds=3),
    ]


def bench_tried(run: Run) -> Rows:
    """Variants for A and B: each on the same folds, and the choice inner participants would make."""
    runners = sets.thinned(sets.runners_physics(), 40)
    folds = loso(runners, inner=3)[::4]
    parts = {"B, tried": nested(run, runners, folds[:1] if run.quick else folds, landmark_variants(run))}
    for condition in ("running", "walking"):
        data = sets.bach_set(condition, "continuous")
        folds = loso(data, inner=1)
        name = f"A {condition}, continuous, tried"
        parts[name] = nested(run, data, folds[:1] if run.quick else folds, shank_variants(run))
    return parts


def nested(run: Run, data: StanceSet, folds: Sequence[Fold], variants: Sequence[Method]) -> Rows:
    """Return a row per variant and axis: error of the tested and of the inner participants, and who was chosen.

    A variant is trained once per fold, on its training participants, for all its epochs; inner participants see
    nothing of it but their own errors, and those choose.
    """
    tested: dict[str, list[dict[str, Floats]]] = {m.name: [] for m in variants}
    inner: dict[str, list[Floats]] = {m.name: [] for m in variants}
    for fold in folds:
        # inner people are tested here, not trained on: one training gives both errors
        both = Fold(f"tried:{fold.name}", fold.train, (), (*fold.inner, *fold.test))
        answers = run.answers(data, [both], variants, split="loso")
        for method in variants:
            errors = person_errors(answers, method.name)
            inner[method.name].append(np.mean([errors[p] for p in fold.inner], axis=0))
            tested[method.name].append({p: errors[p] for p in fold.test})
    rows, chosen_rows = [], []
    for i, axis in enumerate(data.axes):
        mine = {m: {p: float(v[i]) for people in parts for p, v in people.items()} for m, parts in tested.items()}
        near = {m: [float(v[i]) for v in parts] for m, parts in inner.items()}
        rows += [_row(axis, m, mine, near) for m in mine]
        chosen_rows.append(choice_row(axis, mine, near, [f.test for f in folds]))
    note = (
        f"{len(folds)} folds, all variants trained alike (no early stopping) on fewer windows than the benchmark's own"
        " table: compare rows with each other. `minus` is the paired difference from the first row over the tested;"
        " what is above zero did not win; of many variants one may win by chance, which the nested choice below pays"
        " for. The phantom adds as many epochs of its own."
    )
    return {"rows": rows, "note": note, "tables": {"The variant that inner participants choose": chosen_rows}}


def person_errors(answers: Predictions, method: str) -> dict[str, Floats]:
    """Return every participant's RMSE (BW), shape (axes,)."""
    people = answers.per_stance("participant").tolist()
    per_axis = [
        by_participant(
            curve_errors(answers.measured[:, :, i], answers.predicted(method)[:, :, i])["rmse_bw"], people
        )
        for i in range(len(answers.axes))
    ]  # fmt: skip
    return {p: np.asarray([errors[p] for errors in per_axis]) for p in per_axis[0]}


def _row(axis: str, method: str, tested: dict[str, dict[str, float]], inner: dict[str, list[float]]) -> Rows:
    errors = tested[method]
    row: Rows = {
        "axis": axis, "variant": method, "RMSE BW, tested": float(np.mean(list(errors.values()))),
        "RMSE BW, inner": float(np.mean(inner[method])),
    }  # fmt: skip
    if method != PLAIN and len(errors) > 1:
        difference = paired(errors, tested[PLAIN])
        row |= {"minus": difference.mean, "low": difference.low, "high": difference.high}
        row["verdict"] = "wins" if difference.high < 0 else "loses" if difference.low > 0 else "undecided"
    return row


def choice_row(
    axis: str, tested: dict[str, dict[str, float]], inner: dict[str, list[float]], test_people: Sequence[Sequence[str]]
) -> Rows:
    """Return the error reached when every fold's variant of least inner error predicts for the tested people."""
    picks = [min(inner, key=lambda m: inner[m][k]) for k in range(len(test_people))]
    reached = {p: tested[pick][p] for pick, people in zip(picks, test_people) for p in people}
    plain = {p: tested[PLAIN][p] for p in reached}
    row: Rows = {
        "axis": axis, "chosen": ", ".join(f"{n} x {p}" for p, n in _counted(picks)),
        "RMSE BW, chosen": float(np.mean(list(reached.values()))),
        f"RMSE BW, {PLAIN}": float(np.mean(list(plain.values()))),
    }  # fmt: skip
    if len(reached) > 1:
        difference = paired(reached, plain)
        row |= {"minus": difference.mean, "low": difference.low, "high": difference.high}
    return row


def _counted(picks: Sequence[str]) -> list[tuple[str, int]]:
    key: Callable[[str], int] = picks.count
    return [(p, picks.count(p)) for p in sorted(set(picks), key=key, reverse=True)]
