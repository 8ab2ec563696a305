"""Differences of a model's files from it, in body weights and steps of the last bit, on people it has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import BadInputError
from ..learn.folds import LeakError
from ..learn.model import GrfModel, calibration_windows, predict
from ..records.stance_set import StanceSet
from ..runtime import available, from_int8, load, to_int8
from ..runtime.interpreters import RESOLVERS, Resolver, label
from ..stats.curves import by_participant, curve_errors, group
from ..units import G
from .bounds import BOUNDS, VERTICAL, Bounds
from .from_torch import plan_inputs
from .plan import Plan
from .tflite_file import TfliteFile

WINDOWS, ORDER_WINDOWS = 400, 40
"""Windows that are compared at most, and that are run in reverse order again. Chosen by hand, as in an export."""
TAIL = 0.999
"""Quantile of the error whose bound is ``Bounds.p999_bw``: the greatest error alone would hang on a single sample."""
ENGINES: tuple[tuple[str, Resolver], ...] = (("litert", "xnnpack"), ("litert", "reference"), ("tflm", "xnnpack"))


@dataclass(frozen=True)
class Check:
    """One figure, with the bound it has to keep; a bound of None is reported only."""

    name: str
    value: float
    unit: str
    bound: float | None = None

    @property
    def kept(self) -> bool:
        """Return whether the bound is kept; a figure that is no number keeps none."""
        return self.bound is None or bool(self.value <= self.bound)


@dataclass(frozen=True)
class ParityReport:
    """All figures of one model's files.

    Attributes
    ----------
    interpreters
        Which ones ran the files, with version and kernels.
    axes
        Per axis: the rRMSE of torch and of each interpreter, and saturated outputs.
    """

    participants: tuple[str, ...]
    windows: int
    interpreters: tuple[str, ...]
    checks: tuple[Check, ...]
    axes: Mapping[str, Mapping[str, float]]

    @property
    def failed(self) -> tuple[str, ...]:
        """Return the figures beyond their bounds, as sentences."""
        return tuple(f"{c.name} is {c.value:.4g} {c.unit}, bound {c.bound:g}" for c in self.checks if not c.kept)

    def to_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        document = asdict(self)
        for entry, check in zip(document["checks"], self.checks):
            entry["kept"] = check.kept
        return document


@dataclass(frozen=True)
class _Case:
    """The data of every figure: inputs, torch's forces and the measured force, in BW."""

    plan: Plan
    inputs: NDArray[np.float32]
    torch_bw: Floats
    measured_bw: Floats
    mass_kg: Floats
    participants: NDArray[np.str_]

    def to_bw(self, outputs: NDArray[Any]) -> Floats:
        """Return forces in BW of standardised outputs."""
        forces = self.plan.forces(outputs)
        return forces / (self.mass_kg * G)[:, None, None] if self.plan.unit == "N" else forces


class _EngineRun(NamedTuple):
    """Outputs of the int8 file in one interpreter, as stored and in BW."""

    label: str
    stored: NDArray[np.int8]
    bw: Floats
    saturated_inputs: int
    same_in_reverse: bool


def parity(
    model: GrfModel,
    plan: Plan,
    files: Mapping[str, TfliteFile],
    held_out: StanceSet,
    *,
    windows: int = WINDOWS,
    bounds: Bounds = BOUNDS,
) -> ParityReport:
    """Return the differences of a model's files from it.

    Parameters
    ----------
    files
        ``int8``, and ``float32`` or ``float16`` where they exist.
    held_out
        Windows with measured forces, of people the model has not seen; so many of them, evenly spread, are used.

    Raises
    ------
    LeakError
        If the model has seen one of these people.
    BadInputError
        If there is no int8 file or no interpreter for it.
    """
    trained = sorted(set(held_out.participants) & set(model.participants))
    if trained:
        raise LeakError(
            f"participant {', '.join(trained)} was in training; measure parity on people the model has not seen"
        )
    case = _case(model, plan, calibration_windows(held_out, windows))
    runs = _engine_runs(files, case)
    axes = _axes(case, runs)
    checks = [_float_check(k, files[k], case, bounds) for k in ("float32", "float16") if k in files]
    for run in runs:
        checks += _int8_checks(case, run, axes, bounds)
    checks += _between(runs, bounds)
    participants = tuple(sorted({str(p) for p in case.participants}))
    return ParityReport(participants, len(case.inputs), tuple(run.label for run in runs), tuple(checks), axes)


def _case(model: GrfModel, plan: Plan, data: StanceSet) -> _Case:
    _, targets, weight = data.arrays()
    columns = [data.axes.index(a) for a in plan.axes]
    measured = np.where(weight[:, :, None] > 0, targets[:, :, columns].astype(np.float64), np.nan)
    # a bundle answers one window at a time: what it is to equal is balanced over no strides
    forces = predict(model, data, balanced=False)
    inputs = plan_inputs(model, data)
    return _Case(plan, inputs, forces, measured, data.scalar("mass_kg"), data.per_stance("participant"))


def _float_check(kind: str, file: TfliteFile, case: _Case, bounds: Bounds) -> Check:
    """Return the greatest difference of a float file from torch; only float32 has a bound."""
    forces_bw = case.to_bw(load(file.content, "litert", resolver="xnnpack").run(case.inputs))
    worst = float(np.max(np.abs(forces_bw - case.torch_bw)))
    return Check(f"torch to {kind} TFLite, greatest", worst, "BW", bounds.float_bw if kind == "float32" else None)


def _engine_runs(files: Mapping[str, TfliteFile], case: _Case) -> list[_EngineRun]:
    """Return the int8 file's outputs in every interpreter that is installed."""
    if "int8" not in files:
        raise BadInputError("parity needs the int8 file; convert it")
    runs = [_engine_run(files["int8"], case, name, r) for name, r in ENGINES if name in available()]
    if not runs:
        raise BadInputError("no interpreter of int8 files is installed; pip install 'grfkit[quantize]'")
    return runs


def _engine_run(file: TfliteFile, case: _Case, name: str, resolver: Resolver) -> _EngineRun:
    engine = load(file.content, name, resolver=resolver)
    inputs = to_int8(case.inputs, scale=engine.input.scale, zero_point=engine.input.zero_point)
    stored = engine.run(inputs.values)
    # a state left over from the window before shows in another order
    few = inputs.values[:ORDER_WINDOWS]
    same = bool((engine.run(few[::-1])[::-1] == stored[: len(few)]).all())
    real = from_int8(stored, scale=engine.output.scale, zero_point=engine.output.zero_point)
    return _EngineRun(label(engine), stored, case.to_bw(real), inputs.beyond, same)


def _rrmse(case: _Case, forces: Floats, axis: int) -> float:
    """Return the mean over participants of the mean rRMSE of their contacts, percent of the measured range."""
    errors = curve_errors(case.measured_bw[:, :, axis], forces[:, :, axis])["rrmse_percent"]
    return group(by_participant(errors, case.participants.tolist())).mean


def _axes(case: _Case, runs: Sequence[_EngineRun]) -> dict[str, dict[str, float]]:
    table: dict[str, dict[str, float]] = {}
    for i, axis in enumerate(case.plan.axes):
        row = {"rrmse_percent torch": _rrmse(case, case.torch_bw, i)}
        for run in runs:
            row[f"rrmse_percent {run.label}"] = _rrmse(case, run.bw, i)
            row[f"saturated {run.label}"] = float(np.isin(run.stored[:, :, i], (-128, 127)).sum())
        table[axis] = row
    return table


def _int8_checks(case: _Case, run: _EngineRun, axes: Mapping[str, Mapping[str, float]], bounds: Bounds) -> list[Check]:
    """Return the cost of eight bits in one interpreter."""
    checks = []
    for i, (axis, row) in enumerate(axes.items()):
        error_bw = np.abs(run.bw[:, :, i] - case.torch_bw[:, :, i])
        added = row[f"rrmse_percent {run.label}"] - row["rrmse_percent torch"]
        vertical = axis == VERTICAL
        rms, tail = float(np.sqrt(np.mean(error_bw**2))), float(np.quantile(error_bw, TAIL))
        checks += [
            Check(f"{run.label}: rRMSE added, {axis}", added, "points", bounds.rrmse_points),
            Check(f"{run.label}: error added, RMS, {axis}", rms, "BW", bounds.rms_bw if vertical else None),
            Check(f"{run.label}: error added, p99.9, {axis}", tail, "BW", bounds.p999_bw if vertical else None),
            Check(f"{run.label}: error added, greatest, {axis}", float(error_bw.max()), "BW"),
        ]
    share = 100.0 * run.saturated_inputs / case.inputs.size
    return [
        *checks,
        Check(f"{run.label}: inputs beyond the range", share, "percent"),
        Check(f"{run.label}: windows that differ in another order", float(not run.same_in_reverse), "(0 or 1)", 0.0),
    ]


def _between(runs: Sequence[_EngineRun], bounds: Bounds) -> list[Check]:
    """Return the differences of the other interpreters from TFLite Micro."""
    micro = [run for run in runs if run.label.startswith("tflite-micro")]
    checks = []
    for run in [r for r in runs if micro and r is not micro[0]]:
        # in int16: a difference of two int8 does not fit int8
        steps = np.abs(run.stored.astype(np.int16) - micro[0].stored.astype(np.int16))
        share = 100.0 * float((steps > 0).mean())
        bound = bounds.micro_lsb if RESOLVERS["reference"] in run.label else None
        checks += [
            Check(f"{run.label} to TFLite Micro, greatest", float(steps.max()), "LSB", bound),
            Check(f"{run.label} to TFLite Micro, outputs that differ", share, "percent"),
        ]
    return checks
