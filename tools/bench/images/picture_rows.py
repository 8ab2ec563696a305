"""Rows of pictures in the benchmark of films: every method on the same people left out, and on the other laboratory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from grfkit.arrays import Floats
from grfkit.evaluation.methods import NetworkMethod
from grfkit.learn.baseline_base import Baseline
from grfkit.learn.film_baselines import ConstantMedian, ImageKernel, PhaseMeanCurve, SpeedMeanCurve
from grfkit.learn.folds import Fold, loso
from grfkit.learn.method import FittedMethod, Method
from grfkit.learn.networks import network_config, parameter_count
from grfkit.learn.parallel import Job, map_folds
from grfkit.learn.preset import load_preset
from grfkit.learn.recipe import from_preset
from grfkit.learn.result_cache import ResultCache, fingerprint_of
from grfkit.learn.train_config import TrainConfig
from grfkit.records.stance_set import StanceSet
from grfkit.stats.curves import over_samples

from ..harness import Rows
from .picture_sets import CACHE, picture_set, set_digest

TRAIN = TrainConfig(
    scaling="none", target="bw", batch=2, lr=3e-3, epochs=40, patience=0, schedule="one-cycle", axes=("vgrf",)
)
"""Of every network but the published one: nobody decides when to stop, the epochs are fixed."""
CONVOLUTIONS = {"batch": 4, "epochs": 30}
WIDTH, EPOCHS = 8, 4
"""Maps and epochs of the published network here: its 256 maps and up to 500 epochs are for a GPU."""
DRAWN = 4
"""People on whom 3D networks and the GRU are tested (every third of twelve): one of them costs a CPU minutes."""


@dataclass(frozen=True)
class BaselineRow:
    """A baseline by the name of its class; ``lags`` are those of the image kernel."""

    name: str
    kind: str
    lags: tuple[int, ...] = ()

    def fit(self, data: StanceSet, fold: Fold) -> FittedMethod:
        """Return the baseline, fitted on training and inner participants alike."""
        kinds: dict[str, type[Baseline]] = {k.__name__: k for k in (ConstantMedian, PhaseMeanCurve, SpeedMeanCurve)}
        fitted = ImageKernel(fold.leaks, lags=self.lags) if self.lags else kinds[self.kind](fold.leaks)
        fitted.fit(data)
        return fitted


@dataclass(frozen=True)
class Tried:
    """A row: a method on one kind of picture."""

    picture: str
    method: Method
    note: str = ""
    foot: str = "near"
    people: int = 0
    axes: tuple[str, ...] = ("vgrf",)


def network(name: str, kind: str, *, train: dict[str, Any] | None = None, **settings: Any) -> NetworkMethod:
    """Return a network's method."""
    return NetworkMethod(name, network_config(kind, **settings), TRAIN.model_copy(update=train or {}))


def mlp(name: str, before: int, after: int, **settings: Any) -> NetworkMethod:
    """Return the network on 40 main components of each frame."""
    return network(name, "film_mlp", before=before, after=after, **({"hidden": 64, "head": (64,)} | settings))


def kernel(*lags: int) -> BaselineRow:
    """Return the image kernel on the frames at these lags."""
    return BaselineRow("image kernel", "ImageKernel", lags)


def published() -> NetworkMethod:
    """Return the published network as it is, but of few maps and epochs."""
    recipe = from_preset(load_preset("mochizuki2023", "faithful"))
    config = recipe.train.model_copy(update={"epochs": EPOCHS})
    settings = recipe.network | {"hidden": WIDTH}
    return NetworkMethod(f"3D-CNN as published, {WIDTH} maps, {EPOCHS} epochs", network_config(**settings), config)


def tried(*, quick: bool) -> list[Tried]:
    """Return the rows, the quick ones first."""
    full, crop = "full frame", "silhouette"
    cnn = {"hidden": 8, "layers": 3, "head": (64,), "train": CONVOLUTIONS}
    rows = [
        Tried(crop, BaselineRow("constant median", "ConstantMedian")),
        Tried(crop, BaselineRow(PhaseMeanCurve.name, "PhaseMeanCurve")),
        Tried(crop, BaselineRow(SpeedMeanCurve.name, "SpeedMeanCurve")),
        Tried(full, kernel(-4, -3, -2, -1, 0), "5 frames"),
        Tried(crop, kernel(0), "1 frame"),
        Tried(crop, kernel(-4, -3, -2, -1, 0), "5 frames"),
        Tried(crop, kernel(*range(-8, 9, 2)), "+-8 frames"),
        Tried(crop, three_axes(), "+-4 frames", axes=("vgrf", "apgrf", "mlgrf")),
        Tried(full, mlp("MLP, soft labels", 4, 0), "5 frames"),
        Tried(full, mlp("MLP, soft labels", 0, 0), "1 frame"),
        *[Tried(crop, mlp("MLP, soft labels", *reach), frames) for *reach, frames in REACHES],
        *[
            Tried(crop, mlp(f"MLP, {words}", *reach, **answer), frames)
            for *reach, frames in REACHES[1:]
            for words, answer in ANSWERS
        ],
        Tried(crop, mlp("MLP, soft labels, balanced", 8, 8, train={"balance_force": 0.5}), "+-8 frames"),
        Tried(crop, mlp("MLP, soft labels", 8, 8), "+-8 frames, far foot", foot="far"),
        Tried(full, network("2D-CNN, soft labels", "film_cnn2d", before=0, **cnn), "1 frame"),
        Tried(full, network("2D-CNN, soft labels", "film_cnn2d", **cnn), "5 frames"),
        Tried(crop, network("2D-CNN, soft labels", "film_cnn2d", **cnn), "5 frames"),
        Tried(crop, network("3D-CNN, soft labels", "film_cnn3d", **cnn), "5 frames", people=DRAWN),
        Tried(crop, network("2D-CNN + GRU, soft labels", "film_cnn2d_gru", **cnn), "the clip so far", people=DRAWN),
        Tried(full, network("3D-CNN, soft labels", "film_cnn3d", **cnn), "5 frames", people=DRAWN),
        Tried(full, published(), "5 frames", people=DRAWN),
    ]
    slow = ("published", "GRU", "3D-CNN")
    return [r for r in rows if not (quick and any(word in r.method.name for word in slow))]


REACHES = ((0, 0, "1 frame"), (4, 0, "5 frames"), (8, 8, "+-8 frames"))
"""Frames before and after the answered one, and words for them."""
ANSWERS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("classes, highest", {"answer": "classes", "decode": "argmax"}),
    ("classes, expected value", {"answer": "classes"}),
    ("absolute error", {"answer": "absolute"}),
    ("squared error", {"answer": "squared"}),
)


def three_axes() -> NetworkMethod:
    """Return the preset film-silhouette: one network of three axes."""
    recipe = from_preset(load_preset("film-silhouette"))
    return NetworkMethod("preset film-silhouette", recipe.network_config(), recipe.train)


def picture_rows(*, quick: bool, workers: int = 0, kept: bool = False) -> Iterator[Rows]:
    """Give row after row with the error of every person: MAE in % BW and r over all of the person's samples.

    Parameters
    ----------
    kept
        Only rows of which all folds were run before.
    """
    cache, digests = ResultCache(CACHE / "folds"), dict[str, str]()
    for row in tried(quick=quick):
        data = picture_set(row.picture, foot=row.foot, quick=quick)
        digest = set_digest(row.picture, foot=row.foot, quick=quick)
        jobs = []
        for fold in drawn(loso(data, inner=0), row.people):
            arguments = {"row": replace(row, note=""), "fold": fold, "quick": quick, "digest": digest}
            jobs.append(Job(f"{row.picture}, {row.method.name}, {row.note} | {fold.name}", arguments))
        if kept and any(fingerprint_of(tested, job.arguments, digests) not in cache for job in jobs):
            continue
        yield as_row(row, map_folds(tested, jobs, workers=workers, results=CACHE / "folds", progress=say))


def say(report: Any) -> None:
    """Print what is done."""
    import sys

    print(f"{report.done}/{report.total} {report.name} {report.seconds:.0f} s", file=sys.stderr)


def drawn(folds: Sequence[Fold], people: int) -> Sequence[Fold]:
    """Return all folds, or so many of them, evenly spread."""
    return folds[:: max(1, len(folds) // people)][:people] if people else folds


def tested(row: Tried, fold: Fold, *, quick: bool, digest: str) -> dict[str, Any]:
    """Return the errors of one person left out, in both laboratories; ``digest`` names the pictures in the cache."""
    base = of_axes(picture_set(row.picture, foot=row.foot, quick=quick), row.axes)
    fitted = row.method.fit(fold.of(base, "train"), fold)
    other = of_axes(picture_set(row.picture, laboratory="other", foot=row.foot, quick=quick), row.axes)
    result: dict[str, Any] = {"person": fold.test[0], "digest": digest, "parameters": parameters_of(fitted)}
    for where, data in (("base", base), ("other", other)):
        test = fold.of(data, "test")
        predicted = fitted.predict(test)
        targets = np.where(test.data["weight"].values[:, :, None] > 0, test.data["targets"].values, np.nan)
        for i, axis in enumerate(row.axes):
            errors = over_samples(
                targets[:, :, i].astype(np.float64),
                np.asarray(predicted[:, :, i]),
                list(test.per_stance("participant")),
            )
            result[f"{where} {axis}"] = {k: v[fold.test[0]] for k, v in errors.items()}
    return result


def of_axes(data: StanceSet, axes: Sequence[str]) -> StanceSet:
    """Return the set with these axes alone."""
    return StanceSet(data.data.isel(axis=[data.axes.index(a) for a in axes]))


def parameters_of(fitted: FittedMethod) -> int:
    """Return how many numbers a fitted network has; 0 of a baseline."""
    model = getattr(fitted, "model", None)
    return 0 if model is None else parameter_count(model.network)


def as_row(row: Tried, parts: Sequence[Rows]) -> Rows:
    """Return a row of the table with its figures by person."""
    figures: Rows = {"method": row.method.name, "pictures": row.picture, "frames": row.note, "foot": row.foot}
    figures["parameters"] = parts[0]["parameters"]
    for where in ("base", "other"):
        for axis in row.axes:
            of = {p["person"]: p[f"{where} {axis}"] for p in parts}
            figures[f"{where} {axis}"] = {m: {k: v[m] for k, v in of.items()} for m in ("mae_percent_bw", "r_samples")}
    return figures


def mean(values: Floats) -> float:
    """Return the mean of what is known."""
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    return float(known.mean()) if known.size else float("nan")
