"""``grf-estimate`` with a model of the centre of pressure: its path (mm) under both feet, nothing where unloaded."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..arguments import as_path, refuse_other_ending
from ..arrays import Floats, PathLike
from ..artefacts import check_file, written_whole
from ..dataset.resample import linear
from ..documents import document_bytes
from ..errors import BadInputError
from ..formats.csv_generic import CsvColumn, csv_text
from ..io import ReadOptions
from ..learn.beyond import distances
from ..learn.cop_job import LOADED_SHARE
from ..learn.model import GrfModel
from ..learn.outputs import EVALUATION
from ..learn.spec import ModelSpec
from ..learn.training_range import UNLIKE, finding_of
from ..provenance import SCHEMA_VERSION, Provenance, describe_input
from ..records import Recording, Trial
from ..records.calibrated import other_ways, ways_of
from ..records.target_units import COP_AXES, COP_ESTIMATE
from ..records.trees import write_tree
from .beyond_findings import training_findings
from .curves import between, common_times, sample_times
from .estimate import allowed_leaks, cut_feet
from .feet import Foot, cut_request
from .flag_counts import flag_counts
from .outside import departures_of, seen_in
from .source import EstimateRequest, EstimateSource, facts_of, open_source
from .types import SIDES, Side
from .windows import prepared_windows

LOADED = 0.5
"""Share of the contacts of training that had a centre at a point of stance, from which one is stated there: half."""
SUFFIXES = (".csv", ".nc")


@dataclass(frozen=True)
class CopCurve:
    """Path of one foot's centre of pressure at the samples of its wearable.

    Attributes
    ----------
    time_s
        Shape (samples,), increasing.
    cop_mm
        Shape (samples, 2): along and medial, from the path's mean; NaN where the foot is unloaded or it is not known.
    """

    time_s: Floats
    cop_mm: Floats
    rate_hz: float


@dataclass(frozen=True)
class CopRow:
    """One stance: how far its path runs along and across (mm), NaN where nothing was predicted."""

    side: Side
    start_s: float
    end_s: float
    along_mm: float
    across_mm: float
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class CopEstimate:
    """The estimated path of the centre of pressure under both feet.

    Attributes
    ----------
    half_width_mm
        By direction, for a person who is not of the training; empty where no evaluation lies beside the model.
    """

    feet: dict[Side, CopCurve]
    rows: tuple[CopRow, ...]
    participant: str
    cut: str
    method: str
    half_width_mm: dict[str, float]
    leaks: tuple[str, ...]
    rejected: dict[str, int]
    findings: tuple[str, ...]
    provenance: Provenance
    files: tuple[str, ...] = ()


def estimate_cop(
    model: PathLike,
    recording: PathLike | Recording | Trial,
    *,
    options: ReadOptions | None = None,
    out: PathLike | None = None,
    force: bool = False,
    tell: Callable[[str], None] | None = None,
    calibrations: Sequence[PathLike] = (),
    **stated: Any,
) -> CopEstimate:
    """Return the path of the centre of pressure under both feet of a recording.

    It is stated from contact to toe-off where half or more of the contacts of training had one: not in swing, not in
    gaps, not in contacts that were turned down.

    Parameters
    ----------
    model
        Folder of a model of ``grf-train --targets cop``.
    recording
        A trial, a wearable's recording, or the file of either.
    out
        File to write, ``.csv`` or ``.nc``; None writes nothing.
    options, force, tell, calibrations
        Of :func:`~grfkit.estimation.estimate.estimate`.
    stated
        Fields of :class:`~grfkit.estimation.source.EstimateRequest`.

    Raises
    ------
    LeakError
        If the participant was in the training of the model, and no leak is allowed.
    RefusedError
        If inputs are so far beyond those of training that no answer is safe, and that was not accepted.
    BadInputError
        For whatever cannot be used; nothing is written then.
    """
    path = None if out is None else _output(as_path(out, what="the file to write"), force=force)
    folder = as_path(model, what="a model's folder")
    loaded, request = GrfModel.load(folder, targets="cop"), EstimateRequest.of(**stated)
    source = open_source(recording, options, tell, calibrations)
    made = _estimated(loaded, folder, source, request)
    if path is not None:
        _write(made, path, force=force)
        made = CopEstimate(**{**made.__dict__, "files": (str(path),)})
    return made


def _output(path: Path, *, force: bool) -> Path:
    refuse_other_ending(path, SUFFIXES, "a centre of pressure is written as CSV or netCDF")
    check_file(path, force=force)
    return path


def _estimated(model: GrfModel, folder: Path, source: EstimateSource, request: EstimateRequest) -> CopEstimate:
    spec = model.spec
    facts, findings = facts_of(source, request, spec)
    findings += other_ways(spec.calibrated, ways_of(source.trial.streams, spec.calibrated))
    feet, lost, cut = cut_feet(spec, source, request, facts, findings)
    findings += [f"the {side} foot is left out: {why}" for side, why in lost.items()]
    leaks = allowed_leaks(spec, facts["participant"], request.allow_leak)
    cutting = cut_request(spec, cut)
    curves: dict[Side, CopCurve] = {}
    rows: list[CopRow] = []
    apart, seen = [], []
    for foot in feet:
        prepared = prepared_windows(model, foot, cutting, facts, source.name)
        paths = [np.full((spec.points, 2), np.nan) for _ in prepared.at]
        flags: list[tuple[str, ...]] = [foot.flags for _ in prepared.at]
        if prepared.data is not None:
            predicted = _where_loaded(spec, model.predict(prepared.data, leaks=leaks))
            apart.append(distances(spec.scaler, prepared.data))
            seen.append(of_foot := seen_in(spec, prepared.data))
            for k, row in enumerate(prepared.usable):
                paths[row] = predicted[k]
                if of_foot is not None and spec.range is not None and spec.range.unlike(float(of_foot.distance[k])):
                    flags[row] = (*flags[row], UNLIKE)
        curves[foot.side] = _curve(foot, prepared.at, paths)
        rows += [_row(foot.side, at, p, f) for at, p, f in zip(prepared.at, paths, flags)]
    if not any(np.isfinite(c.cop_mm).any() for c in curves.values()):
        raise BadInputError(f"{source.name}: no stance was found by {cut} that the model can answer")
    findings += training_findings(spec, apart, source.name, accepted=request.accept_beyond)
    findings += finding_of(departures_of(spec, seen))
    findings += flag_counts([row.flags for row in rows])
    width, told = _half_width(folder)
    findings.append(told)
    files = [*source.joined, *([] if source.file is None else [source.file])]
    files += [describe_input(folder / name, role="model") for name in model.files]
    made_by = Provenance(
        command="grf-estimate", configuration=request.model_dump(mode="json"), inputs=files, findings=list(findings)
    )
    rejected = Counter(r.reason for r in {r for foot in feet for r in foot.rejections})
    method = str(spec.training.get("method", model.name)).replace("mean curve", "mean path")
    return CopEstimate(
        curves, tuple(sorted(rows, key=lambda r: r.start_s)), facts["participant"], cut, method, width,
        (*spec.leaks, *leaks), dict(rejected), tuple(findings), made_by,
    )  # fmt: skip


def _where_loaded(spec: ModelSpec, paths: Floats) -> Floats:
    """Return paths without the points of stance at which training knew hardly any centre."""
    share = np.asarray(spec.training.get(LOADED_SHARE, [1.0] * spec.points), dtype=np.float64)
    return np.where((share >= LOADED)[None, :, None], paths, np.nan)


def _curve(foot: Foot, at: Sequence[Floats], paths: Sequence[Floats]) -> CopCurve:
    time, received = sample_times(foot.base)
    cop = np.full((time.size, 2), np.nan)
    for times, path in zip(at, paths):
        inside = between(time, float(times[0]), float(times[-1]))
        cop[inside] = linear(times, path, time[inside])
    cop[~received] = np.nan
    return CopCurve(time, cop, float(foot.base.attrs["rate_hz"]))


def _row(side: Side, at: Floats, path: Floats, flags: tuple[str, ...]) -> CopRow:
    known = path[np.isfinite(path).all(axis=1)]
    along, across = np.ptp(known, axis=0) if len(known) else (np.nan, np.nan)
    more = () if len(known) else ("all inputs missing",)
    return CopRow(side, float(at[0]), float(at[-1]), float(along), float(across), (*flags, *more))


def _half_width(folder: Path) -> tuple[dict[str, float], str]:
    """Return by how much a path may be off, and the sentence that says it."""
    nearby = folder / EVALUATION
    band = json.loads(document_bytes(nearby)).get("band", {}) if nearby.exists() else {}
    if "half_width_mm" not in band:
        return {}, "how far off the centre is nobody measured: grf-evaluate TRIALS --model FOLDER does"
    width = {k: float(v) for k, v in band["half_width_mm"].items()}
    return width, (
        f"stated half-widths: +-{width['along']:.0f} mm along, +-{width['across']:.0f} mm across, of people left out of"
        " training; from the path's own mean, which says nothing of where the heel is"
    )


def _write(made: CopEstimate, path: Path, *, force: bool) -> None:
    if path.suffix.lower() == ".nc":
        write_tree(as_tree(made), path, force=force)
        return
    time = common_times(list(made.feet.values()))
    columns = [CsvColumn("time", "s", time, 6)]
    for side in SIDES:
        if side in made.feet:
            values = linear(made.feet[side].time_s, made.feet[side].cop_mm, time)
            columns += [CsvColumn(f"{side}_{axis}", "mm", values[:, i], 1) for i, axis in enumerate(COP_AXES)]
    with written_whole(path, force=force) as temporary:
        temporary.write_text(csv_text(columns), encoding="utf-8")


def as_tree(made: CopEstimate) -> xr.DataTree:
    """Return the estimate as a tree: ``/cop_left``, ``/cop_right`` and ``/stances``, in mm."""
    nodes: dict[str, xr.Dataset] = {}
    for side, curve in made.feet.items():
        data = {f"{a}_mm": ("time", curve.cop_mm[:, i], {"units": "mm"}) for i, a in enumerate(COP_AXES)}
        attrs = {"kind": "estimated_cop", "side": side, "rate_hz": curve.rate_hz, "frame": "path"}
        nodes[f"/cop_{side}"] = xr.Dataset(data, coords={"time": ("time", curve.time_s, {"units": "s"})}, attrs=attrs)
    numbers = {"start": "start_s", "end": "end_s", "along": "along_mm", "across": "across_mm"}
    table: dict[str, Any] = {
        name: ("stance", np.asarray([getattr(r, of) for r in made.rows]), {"units": of.rsplit("_", 1)[1]})
        for name, of in numbers.items()
    }
    table["side"] = ("stance", np.asarray([r.side for r in made.rows], dtype=object))
    table["flags"] = ("stance", np.asarray(["; ".join(r.flags) for r in made.rows], dtype=object))
    nodes["/stances"] = xr.Dataset(table)
    tree: xr.DataTree = xr.DataTree.from_dict(nodes)
    tree.attrs.update(
        schema_version=SCHEMA_VERSION, artefact=COP_ESTIMATE, participant=made.participant, method=made.method,
        cut=made.cut, half_width_mm=json.dumps(made.half_width_mm), leaks=json.dumps(list(made.leaks)),
        rejected=json.dumps(made.rejected), provenance=made.provenance.model_dump_json(),
    )  # fmt: skip
    return tree


def summary(made: CopEstimate) -> dict[str, Any]:
    """Return what an estimate holds, for machines; no NaN in it."""
    feet = {}
    for side, curve in made.feet.items():
        of_side = [r for r in made.rows if r.side == side]
        told = [r.along_mm for r in of_side if np.isfinite(r.along_mm)]
        feet[side] = {
            "stances": len(of_side),
            "answered": len(told),
            "median_along_mm": float(np.median(told)) if told else None,
            "samples": int(curve.time_s.size),
            "known_samples": int(np.isfinite(curve.cop_mm).all(axis=1).sum()),
        }
    return {
        "targets": "cop", "unit": "mm", "participant": made.participant, "method": made.method, "cut": made.cut,
        "feet": feet, "half_width_mm": made.half_width_mm, "rejected": made.rejected, "leaks": list(made.leaks),
        "findings": list(made.findings), "files": list(made.files),
    }  # fmt: skip


def words(values: dict[str, Any]) -> str:
    """Return what people read of an estimate."""
    head = f"{', '.join(values['files'])}: participant {values['participant']}, stances cut by {values['cut']}"
    lines = [f"{head}; centre of pressure, mm, empty where the foot is unloaded"]
    for side, foot in values["feet"].items():
        run = "" if foot["median_along_mm"] is None else f", runs {foot['median_along_mm']:.0f} mm along (median)"
        lines.append(f"  {side}: {foot['answered']} of {foot['stances']} stances{run}")
    lines += [f"  turned down: {n} x {why}" for why, n in values["rejected"].items()]
    lines += [f"  LEAKS: {leak}" for leak in values["leaks"]]
    lines += [f"  note: {text}" for text in values["findings"]]
    return "\n".join(lines)
