"""A network of pictures in eight bits: its files, and how far they are from it on people it has not seen."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..learn.model import GrfModel, predict
from ..records.stance_set import StanceSet
from ..runtime import available, load, to_int8
from ..runtime.interpreters import Interpreter, label
from ..runtime.manifest import Figure
from ..runtime.pictures import Answer, Voxel, answered
from ..stats.curves import over_samples
from .bounds import BOUNDS
from .convert import Progress, convert
from .from_pictures import COMPONENTS, picture_plan, voxel_inputs
from .parity import ENGINES
from .plan import Plan, calibrated
from .repair import repaired
from .smooth import centred
from .tflite_file import TfliteFile

MOST_VOXELS = 600
"""Voxels that the converter sees, evenly spread over those that count. Chosen by hand: ten seconds, and 1,600 of them
change no figure."""
TIMED = 200
"""Answers whose time is taken; the median of five runs counts. Chosen by hand."""
ADDED_POINTS = 0.2
"""Greatest mean absolute error that eight bits may add on any axis, points of % BW: the benchmark of films asks it."""


@dataclass(frozen=True)
class QuantisedPictures:
    """The files of a network of pictures, by kind, and what their numbers mean."""

    plan: Plan
    files: Mapping[str, TfliteFile]
    voxel: Voxel
    answer: Answer
    calibrated_on: tuple[str, ...]


@dataclass(frozen=True)
class PictureParity:
    """What was measured: figures with their bounds, whose people, how many answers, and answers a second."""

    figures: tuple[Figure, ...]
    participants: tuple[str, ...]
    frames: int
    frames_per_s: float
    interpreters: tuple[str, ...]
    mae: Mapping[str, Mapping[str, float]]

    @property
    def failed(self) -> tuple[str, ...]:
        """Return the figures beyond their bounds, as sentences."""
        return tuple(f"{f.name} is {f.value:.4g} {f.unit}, bound {f.bound:g}" for f in self.figures if not f.kept)


def quantised_pictures(
    model: GrfModel, calibration: StanceSet, *, progress: Progress | None = None
) -> QuantisedPictures:
    """Return the float32 and int8 files of a network of pictures; the ranges are those of training windows.

    Raises
    ------
    BadInputError
        If the network cannot be quantised, or the conversion fails.
    """
    inputs = spread(voxel_inputs(model, calibration), MOST_VOXELS)
    # a picture is never brighter than white: nothing lies beyond the pictures as a signal does beyond its range
    plan = calibrated(picture_plan(model), inputs)
    files = convert(plan, inputs, kinds=("float32", "int8"), progress=progress)
    files["int8"], _ = repaired(files["int8"], plan)
    files["int8"], _ = centred(files["int8"], plan, inputs)
    return QuantisedPictures(plan, files, voxel_of(model), answer_of(model, plan), calibration.participants)


def picture_parity(model: GrfModel, made: QuantisedPictures, data: StanceSet, mass_kg: Floats) -> PictureParity:
    """Return how far the files are from the model, over all pictures that count of some windows.

    Parameters
    ----------
    mass_kg
        Of every window.
    """
    _, targets, weight = data.arrays()
    axes = [data.axes.index(a) for a in made.answer.axes]
    counts = np.asarray(weight > 0)
    measured = np.where(counts[:, :, None], targets[:, :, axes].astype(np.float64), np.nan)
    torch_bw = np.asarray(predict(model, data, balanced=False), dtype=np.float64)
    voxels = voxel_inputs(model, data)
    masses = np.repeat(np.asarray(mass_kg, dtype=np.float64), counts.sum(axis=1))
    engines = {label(e): e for e in _engines(made.files["int8"])}
    answers = {name: _forces(e, made.answer, voxels, masses) for name, e in engines.items()}
    figures = [_float_figure(made, voxels, masses, torch_bw[counts])]
    people = list(data.per_stance("participant"))
    errors = {name: _mae(measured, _placed(values, counts), people) for name, values in answers.items()}
    errors["torch"] = _mae(measured, torch_bw, people)
    for name, values in answers.items():
        for k, axis in enumerate(made.answer.axes):
            added = errors[name][k] - errors["torch"][k]
            figures.append(_figure(f"{name}: error added, {axis}", added, "points of % BW", ADDED_POINTS))
        off = values[:, 0] - torch_bw[counts][:, 0]
        rms = float(np.sqrt(np.mean(off**2)))
        figures.append(_figure(f"{name}: from torch, RMS, {made.answer.axes[0]}", rms, "BW", BOUNDS.rms_bw))
    figures += _between(made.files["int8"], spread(voxels, TIMED))
    mae = {name: dict(zip(made.answer.axes, values)) for name, values in errors.items()}
    rate = frames_per_s(next(iter(engines.values())), voxels)
    return PictureParity(
        tuple(figures), tuple(sorted({str(p) for p in people})), int(counts.sum()), rate, tuple(engines), mae
    )


def spread(values: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    """Return at most so many of some inputs, evenly spread."""
    at = np.unique(np.linspace(0, len(values) - 1, min(most, len(values))).round().astype(int))
    return np.asarray(values[at])


def frames_per_s(engine: Interpreter, voxels: NDArray[np.float32]) -> float:
    """Return how many voxels an interpreter answers in a second on one core, the median of five runs."""
    few = to_int8(spread(voxels, TIMED), scale=engine.input.scale, zero_point=engine.input.zero_point).values
    engine.run(few[:1])
    taken = []
    for _ in range(5):
        start = time.perf_counter()
        engine.run(few)
        taken.append(time.perf_counter() - start)
    return len(few) / float(np.median(taken))


def _engines(file: TfliteFile) -> list[Interpreter]:
    return [load(file.content, name, resolver=r) for name, r in ENGINES if name in available()]


def _forces(engine: Interpreter, answer: Answer, voxels: NDArray[np.float32], masses: Floats) -> Floats:
    """Return forces in BW of voxels, each of its own mass."""
    if answer.unit == "BW":
        return answered(engine, answer, voxels, 1.0)
    parts = [answered(engine, answer, voxels[masses == mass], float(mass)) for mass in np.unique(masses)]
    forces = np.empty((len(voxels), len(answer.axes)))
    for mass, part in zip(np.unique(masses), parts):
        forces[masses == mass] = part
    return forces


def _placed(values: Floats, counts: NDArray[np.bool_]) -> Floats:
    """Return answers at the places of the pictures that count, NaN elsewhere."""
    placed = np.full((*counts.shape, values.shape[1]), np.nan)
    placed[counts] = values
    return placed


def _mae(measured: Floats, predicted: Floats, people: list[Any]) -> list[float]:
    """Return the mean over people of the mean absolute error, % BW, of every axis."""
    errors = [over_samples(measured[:, :, k], predicted[:, :, k], people) for k in range(measured.shape[2])]
    return [float(np.nanmean(list(of["mae_percent_bw"].values()))) for of in errors]


def _float_figure(made: QuantisedPictures, voxels: NDArray[np.float32], masses: Floats, torch_bw: Floats) -> Figure:
    engine = load(made.files["float32"].content, "litert")
    off = float(np.abs(_forces(engine, made.answer, voxels, masses) - torch_bw).max())
    # the highest of two scores that are nearly equal is another class by rounding alone
    bound = None if made.answer.decode == "argmax" and made.answer.classes_bw else BOUNDS.float_bw
    return _figure("torch to float32 TFLite, greatest", off, "BW", bound)


def _between(file: TfliteFile, voxels: NDArray[np.float32]) -> list[Figure]:
    """Return how far LiteRT's reference kernels are from TFLite Micro, where that is installed."""
    if "tflm" not in available() or "litert" not in available():
        return []
    stored = to_int8(voxels, scale=file.input.scale, zero_point=file.input.zero_point).values
    reference, micro = load(file.content, "litert", resolver="reference"), load(file.content, "tflm")
    off = int(np.abs(reference.run(stored).astype(np.int16) - micro.run(stored)).max())
    return [_figure("LiteRT's reference kernels to TFLite Micro, greatest", off, "LSB", float(BOUNDS.micro_lsb))]


def _figure(name: str, value: float, unit: str, bound: float | None) -> Figure:
    return Figure(name=name, value=float(value), unit=unit, bound=bound, kept=bound is None or bool(value <= bound))


def voxel_of(model: GrfModel) -> Voxel:
    """Return what a network of pictures sees of a film."""
    config: Any = model.network.config
    return Voxel(
        rows=config.rows, columns=config.columns, before=config.before, after=config.after,
        layout="frames" if config.name == COMPONENTS else "planes",
    )  # fmt: skip


def answer_of(model: GrfModel, plan: Plan) -> Answer:
    """Return what the outputs of a plan mean."""
    import torch

    from ..learn.networks.classes import centres

    config: Any = model.network.config
    axes = model.spec.scaler.axes
    classes = centres(len(axes), torch.zeros(1, dtype=torch.float64)).tolist() if config.scored else []
    numbers: dict[str, Any] = {"centre": plan.centre, "size": plan.size, "classes_bw": classes, "unit": plan.unit}
    return Answer(axes=axes, decode=config.decode, **numbers)
