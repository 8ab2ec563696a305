"""Estimates as files: netCDF4 with everything, CSV, and OpenSim's ground reactions with their ExternalLoads."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..arrays import Floats
from ..artefacts import check_file, written_together, written_whole
from ..calibrate.documents import InsoleGeometry
from ..errors import BadInputError
from ..formats.csv_generic import CsvColumn, csv_text
from ..formats.opensim import FootLoad, external_loads_text, mot_text, opensim_axes
from ..gait.cop import insole_cop
from ..provenance import SCHEMA_VERSION
from ..records.trees import write_tree
from ..units import G
from .curves import FootCurve
from .types import SIDES, Estimate, Side

SUFFIXES = (".nc", ".csv", ".mot")
_LABELS = {
    "vgrf": "vertical, up positive",
    "apgrf": "antero-posterior, forward positive",
    "mlgrf": "medio-lateral, medial of this foot positive",
    "lab_y": "to the left of the walking direction (lab +Y)",
}
_HEEL_M = (-0.06, 0.40)
_HALF_WIDTH_M = 0.08
"""Where a centre of pressure can lie, m forward from the heel's end and to either side: chosen by hand, the largest
shoe and some room for the calibration of cells."""
_INNER_PERCENT = (5.0, 95.0)
"""Percentiles between which the centre is judged: chosen by hand; at heel strike and toe-off it may jump anywhere."""


def check_outputs(out: Path, *, force: bool) -> tuple[Path, ...]:
    """Return the files that an output's name stands for: itself, and for ``.mot`` the ExternalLoads beside it.

    Raises
    ------
    BadInputError
        If the ending is none of ``.nc``, ``.csv``, ``.mot``, the folder is missing, or a file exists and ``force`` is
        false: before the work rather than after it.
    """
    if out.suffix.lower() not in SUFFIXES:
        raise BadInputError(f"{out}: ends in '{out.suffix}', expected one of {', '.join(SUFFIXES)}")
    files = (out, out.with_name(f"{out.stem}_ExternalLoads.xml")) if out.suffix.lower() == ".mot" else (out,)
    for path in files:
        check_file(path, force=force)
    return files


def write_estimate(
    estimate: Estimate, out: Path, *, geometry: InsoleGeometry | None = None, heel_m: float = 0.0, force: bool = False
) -> tuple[tuple[Path, ...], list[str]]:
    """Write an estimate as its file's ending says, whole or not at all; return the files and what was noticed.

    Parameters
    ----------
    geometry
        Places of the insole's cells, for the centre of pressure that ``.mot`` needs.
    heel_m
        How far in front of the origin of the foot's body (calcn) the insole's heel end lies, m.

    Raises
    ------
    BadInputError
        If a file exists and ``force`` is false, or for ``.mot`` mass or centre of pressure are not known.
    """
    files = check_outputs(out, force=force)
    kind = out.suffix.lower()
    if kind == ".nc":
        write_tree(as_tree(estimate), out, force=force)
        return files, []
    if kind == ".csv":
        with written_whole(out, force=force) as temporary:
            temporary.write_text(as_csv(estimate), encoding="utf-8")
        return files, []
    mot, notes = as_mot(estimate, out.stem, geometry=geometry, heel_m=heel_m)
    xml = external_loads_text(out.name, [side for side in SIDES if side in estimate.feet])
    with written_together(files, force=force) as (first, second):
        first.write_text(mot, encoding="utf-8")
        second.write_text(xml, encoding="utf-8")
    return files, notes


def lab_y(curve: FootCurve, side: Side) -> Floats:
    """Return the force to the left of the walking direction (BW): medial of the right foot, lateral of the left."""
    medial = curve.force_bw[:, curve.axes.index("mlgrf")]
    # medial of the right foot is to the left, of the left foot to the right
    return medial if side == "right" else -medial


def as_tree(estimate: Estimate) -> xr.DataTree:
    """Return the estimate as a tree: ``/force_left``, ``/force_right`` and ``/stances``.

    Each foot's stream has ``vgrf_bw`` and, as the model gives them, ``apgrf_bw``, ``mlgrf_bw`` (medial of this foot)
    and ``lab_y_bw`` (the same, to the left of the walking direction); and all of these in newtons (``_n``) where the
    mass is known. ``time`` is the recording's own, or the reference clock of a trial.
    """
    nodes: dict[str, xr.Dataset] = {
        f"/force_{side}": _stream(estimate, side) for side in SIDES if side in estimate.feet
    }
    nodes["/stances"] = _table(estimate)
    tree: xr.DataTree = xr.DataTree.from_dict(nodes)
    tree.attrs.update(
        schema_version=SCHEMA_VERSION,
        artefact="estimate",
        participant=estimate.participant,
        mass_kg=estimate.mass_kg,
        network=estimate.network,
        cut=estimate.cut,
        cut_of_training=estimate.cut_of_training,
        leaks=json.dumps(list(estimate.leaks)),
        rejected=json.dumps(dict(estimate.rejected), sort_keys=True),
        provenance=estimate.provenance.model_dump_json(),
    )
    return tree


def _columns(estimate: Estimate, side: Side) -> dict[str, Floats]:
    curve = estimate.feet[side]
    columns = {axis: curve.force_bw[:, i] for i, axis in enumerate(curve.axes)}
    if "mlgrf" in columns:
        columns["lab_y"] = lab_y(curve, side)
    return columns


def _stream(estimate: Estimate, side: Side) -> xr.Dataset:
    curve, weight_n = estimate.feet[side], estimate.mass_kg * G
    data: dict[str, tuple[str, Floats, dict[str, Any]]] = {}
    for name, values in _columns(estimate, side).items():
        data[f"{name}_bw"] = ("time", values, {"units": "BW", "long_name": _LABELS[name]})
        if np.isfinite(weight_n):
            data[f"{name}_n"] = ("time", values * weight_n, {"units": "N", "long_name": _LABELS[name]})
    attrs = {"kind": "estimated_force", "side": side, "rate_hz": curve.rate_hz}
    return xr.Dataset(data, coords={"time": ("time", curve.time_s, {"units": "s"})}, attrs=attrs)


def _table(estimate: Estimate) -> xr.Dataset:
    rows = estimate.rows

    def numbers(name: str) -> Floats:
        """Return one number of every row."""
        return np.asarray([getattr(r, name) for r in rows], dtype=np.float64)

    def texts(values: list[str]) -> tuple[str, NDArray[Any]]:
        """Return texts as a variable over stances."""
        return "stance", np.asarray(values, dtype=object)

    peak = numbers("peak_bw")
    data: dict[str, Any] = {
        "start": ("stance", numbers("start_s"), {"units": "s"}),
        "end": ("stance", numbers("end_s"), {"units": "s"}),
        "contact": ("stance", numbers("contact_s"), {"units": "s"}),
        "peak_vgrf_bw": ("stance", peak, {"units": "BW"}),
        "side": texts([r.side for r in rows]),
        "flags": texts(["; ".join(r.flags) for r in rows]),
        "leaks": texts(["; ".join(estimate.leaks)] * len(rows)),
        "answered": ("stance", np.asarray([r.answered for r in rows], dtype=np.int8)),
    }
    if np.isfinite(estimate.mass_kg):
        data["peak_vgrf_n"] = ("stance", peak * estimate.mass_kg * G, {"units": "N"})
    return xr.Dataset(data)


def common_times(estimate: Estimate) -> Floats:
    """Return one time base of all feet: their own samples where these are the same, else evenly at the highest rate."""
    curves = list(estimate.feet.values())
    first = curves[0].time_s
    if all(c.time_s.shape == first.shape and np.allclose(c.time_s, first, atol=1e-9) for c in curves):
        return first
    start, end = min(float(c.time_s[0]) for c in curves), max(float(c.time_s[-1]) for c in curves)
    rate = max(c.rate_hz for c in curves)
    return start + np.arange(int((end - start) * rate + 1e-6) + 1) / rate


def as_csv(estimate: Estimate) -> str:
    """Return ``time [s],left_vgrf [BW],...`` and, where the mass is known, ``left_vgrf_n [N]``; empty where unknown."""
    time = common_times(estimate)
    columns = [CsvColumn("time", "s", time, 6)]
    for side in SIDES:
        if side not in estimate.feet:
            continue
        force = estimate.feet[side].at(time)
        for i, axis in enumerate(estimate.axes):
            columns.append(CsvColumn(f"{side}_{axis}", "BW", force[:, i], 5))
            if np.isfinite(estimate.mass_kg):
                columns.append(CsvColumn(f"{side}_{axis}_n", "N", force[:, i] * estimate.mass_kg * G, 2))
    return csv_text(columns)


def as_mot(estimate: Estimate, name: str, *, geometry: InsoleGeometry | None, heel_m: float) -> tuple[str, list[str]]:
    """Return OpenSim's ground reactions, forces in ground and points in each foot's body, and what was noticed.

    The file lasts from the first answered contact to the last toe-off. OpenSim reads no missing values: what is not
    known in between is written as 0 and counted in what was noticed.
    """
    if not np.isfinite(estimate.mass_kg):
        raise BadInputError("an OpenSim file holds newtons, and the body mass is not known; state --mass-kg")
    points = {side: foot_cop(estimate, side, geometry) for side in SIDES if side in estimate.feet}
    time, notes = _span(estimate), []
    if "apgrf" not in estimate.axes:
        notes.append("the model estimates vertical force only: forward and sideways forces are written as 0")
    feet = []
    for side, (when, cop_m) in points.items():
        force = estimate.feet[side].at(time)
        unknown = np.asarray(~np.isfinite(force).all(axis=1), dtype=bool)
        if unknown.any():
            notes.append(f"{side} foot: {unknown.mean() * 100:.1f} % of the samples are not known and written as 0")
        force = np.where(unknown[:, None], 0.0, force) * estimate.mass_kg * G
        feet.append(FootLoad(side, _ground(force, estimate.axes, side), _body_points(when, cop_m, time, heel_m)))
    head = ["estimated, not measured; free moments are 0", _made_of(estimate), *notes]
    head += [f"LEAKS: {leak}" for leak in estimate.leaks]
    return mot_text(time, feet, name=name, notes=head), notes


def _made_of(estimate: Estimate) -> str:
    files = ", ".join(f"{f.role} {f.name} SHA-256 {f.sha256}" for f in estimate.provenance.inputs)
    return f"grfkit {estimate.provenance.version}: {files}"


def _span(estimate: Estimate) -> Floats:
    time = common_times(estimate)
    predicted = [r for r in estimate.rows if r.answered]
    if not predicted:
        return time
    start, end = min(r.start_s for r in predicted), max(r.end_s for r in predicted)
    step = 1.0 / max(c.rate_hz for c in estimate.feet.values())
    return time[(time >= start - step) & (time <= end + step)]


def _ground(force_n: Floats, axes: tuple[str, ...], side: Side) -> Floats:
    none = np.zeros(len(force_n))
    parts = {axis: force_n[:, i] for i, axis in enumerate(axes)}
    medial = parts.get("mlgrf", none)
    return opensim_axes(parts.get("apgrf", none), medial if side == "right" else -medial, parts["vgrf"])


def _body_points(when: Floats, cop_m: Floats, time: Floats, heel_m: float) -> Floats:
    """Return points (samples, 3) in calcn of centres (samples, 2; forward, left); held where no centre is known."""
    valid = np.flatnonzero(np.isfinite(cop_m).all(axis=1))
    # held through swing, where the force is 0 and the point moves nothing
    forward, left = (np.interp(time, when[valid], cop_m[valid, k]) for k in (0, 1))
    return opensim_axes(forward + heel_m, left, np.zeros(time.size))


def foot_cop(estimate: Estimate, side: Side, geometry: InsoleGeometry | None) -> tuple[Floats, Floats]:
    """Return times and centre of pressure of a foot, shape (samples, 2): m forward from the insole's heel, and left.

    From ``cop_x``, ``cop_y`` in the foot's frame where the insole has them, else from its cells and their places: of
    a geometry, or those that calibration gave the channels. A cell's unloaded level, its median in swing, is taken
    off first.

    Raises
    ------
    BadInputError
        If there is neither, or the centre is not in metres from the heel.
    """
    stream = estimate.streams[side]
    time = np.asarray(stream["time"].values, dtype=np.float64)
    if stream.attrs.get("kind") != "insole":
        raise BadInputError(
            f"the {side} foot's recording is an {stream.attrs.get('kind')}: no insole tells where the force acts, and"
            " an OpenSim file needs that; write .nc or .csv"
        )
    if "cop_x" in stream and "cop_y" in stream:
        cop = _own_cop(stream, side)
    else:
        cop = _cell_cop(estimate, stream, side, geometry)
    cop = np.where(_stance_samples(estimate, side, time)[:, None], cop, np.nan)
    keep = np.flatnonzero(np.isfinite(time))
    if not np.isfinite(cop[keep]).all(axis=1).any():
        raise BadInputError(
            f"the {side} foot's centre of pressure is known at no time of its stances; write .nc or .csv"
        )
    _check_place(cop[keep], side)
    return time[keep], cop[keep]


def _own_cop(stream: xr.Dataset, side: Side) -> Floats:
    for name in ("cop_x", "cop_y"):
        unit, frame = stream[name].attrs.get("units"), stream[name].attrs.get("frame")
        if unit != "m" or frame != "foot":
            raise BadInputError(
                f"'{name}' of the {side} insole is in {unit} ({frame} frame), expected m (foot frame: forward from the"
                " heel, and to the left); an OpenSim file cannot be written from it"
            )
    return np.stack([np.asarray(stream[n].values, dtype=np.float64) for n in ("cop_x", "cop_y")], axis=1)


def _cell_cop(estimate: Estimate, stream: xr.Dataset, side: Side, geometry: InsoleGeometry | None) -> Floats:
    cells = [str(n) for n in stream.data_vars if str(n).startswith("cell_")]
    places = dict(geometry.positions_m(side)) if geometry else {}
    if not geometry:
        with_place = {c: stream[c].attrs for c in cells if {"x_m", "y_m"} <= set(stream[c].attrs)}
        places = {c: (float(a["x_m"]), float(a["y_m"])) for c, a in with_place.items()}
    lost = [c for c in cells if c not in places]
    if not cells or lost:
        what = "no cells" if not cells else f"cells of unknown place ({', '.join(lost[:4])}...)"
        raise BadInputError(
            f"the {side} insole has no centre of pressure and {what}, and an OpenSim file needs to know where the force"
            " acts; name the insole's geometry with --insole, or write .nc or .csv"
        )
    loads = np.stack([np.asarray(stream[c].values, dtype=np.float64) for c in cells], axis=1)
    swing = ~_stance_samples(estimate, side, np.asarray(stream["time"].values, dtype=np.float64))
    loaded = np.flatnonzero(np.isfinite(loads[swing]).any(axis=0))
    level = np.zeros(len(cells))
    # the median of swing: a shoe presses on unloaded cells, and this pulls the centre to the middle
    level[loaded] = np.nanmedian(loads[swing][:, loaded], axis=0)
    # the geometry's x points right and its y to the toes; the centre is asked forward and to the left
    where = np.asarray([(places[c][1], -places[c][0]) for c in cells])
    return insole_cop(loads - level, where)


def _stance_samples(estimate: Estimate, side: Side, time_s: Floats) -> NDArray[np.bool_]:
    inside = np.zeros(time_s.size, dtype=bool)
    for row in estimate.rows:
        if row.side == side:
            inside |= (time_s >= row.start_s) & (time_s <= row.end_s)
    return inside


def _check_place(cop_m: Floats, side: Side) -> None:
    """Refuse a centre that is not in metres forward from the heel and to the left: other axes or another origin."""
    low, high = np.nanpercentile(cop_m, _INNER_PERCENT, axis=0)
    fits = _HEEL_M[0] <= low[0] and high[0] <= _HEEL_M[1] and max(-low[1], high[1]) <= _HALF_WIDTH_M
    if not fits or high[0] - low[0] <= high[1] - low[1]:
        raise BadInputError(
            f"the {side} foot's centre of pressure lies {low[0]:.3f} to {high[0]:.3f} m forward and {low[1]:.3f} to"
            f" {high[1]:.3f} m to the left; expected m forward from the heel ({_HEEL_M[0]:g} to {_HEEL_M[1]:g}) and to"
            " the left, travelling mostly forward: its axes or origin are others"
        )


def summary(estimate: Estimate) -> dict[str, Any]:
    """Return what an estimate holds, for machines; no NaN in it."""
    flags = Counter(flag for row in estimate.rows for flag in row.flags)
    feet = {}
    for side, curve in estimate.feet.items():
        rows = [r for r in estimate.rows if r.side == side]
        peaks = [r.peak_bw for r in rows if r.answered]
        feet[side] = {
            "stances": len(rows),
            "answered": len(peaks),
            "samples": int(curve.time_s.size),
            "known_samples": int(np.isfinite(curve.force_bw).all(axis=1).sum()),
            "rate_hz": round(curve.rate_hz, 6),
            "median_peak_vgrf_bw": float(np.median(peaks)) if peaks else None,
            "median_contact_s": float(np.median([r.contact_s for r in rows])) if rows else None,
        }
    return {
        "participant": estimate.participant,
        "mass_kg": estimate.mass_kg if np.isfinite(estimate.mass_kg) else None,
        "network": estimate.network,
        "axes": list(estimate.axes),
        "cut": estimate.cut,
        "cut_of_training": estimate.cut_of_training,
        "feet": feet,
        "flags": dict(flags),
        "rejected": dict(estimate.rejected),
        "leaks": list(estimate.leaks),
        "findings": list(estimate.findings),
    } | ({"files": list(estimate.files)} if estimate.files else {})
