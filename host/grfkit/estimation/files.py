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
from ..formats.opensim import external_loads_text
from ..provenance import SCHEMA_VERSION
from ..records.trees import write_tree
from ..units import G
from .curves import FootCurve, common_times
from .opensim_files import as_mot
from .types import SIDES, Estimate, Side

SUFFIXES = (".nc", ".csv", ".mot")
_LABELS = {
    "vgrf": "vertical, up positive",
    "apgrf": "antero-posterior, forward positive",
    "mlgrf": "medio-lateral, medial of this foot positive",
    "lab_y": "to the left of the walking direction (lab +Y)",
}


def check_outputs(out: Path, *, force: bool) -> tuple[Path, ...]:
    """Return the files that an output's name stands for: itself, and for ``.mot`` the ExternalLoads beside it.

    Raises
    ------
    BadInputError
        If the ending is none of ``.nc``, ``.csv``, ``.mot``, the folder is missing, or a file exists and ``force`` is
        false: before the work rather than after it.
    """
    if out.suffix.lower() not in SUFFIXES:
        ending = f"ends in '{out.suffix}'" if out.suffix else "has no ending"
        raise BadInputError(f"{out}: {ending}, expected one of {', '.join(SUFFIXES)}, which decides what is written")
    files = (out, out.with_name(f"{out.stem}_ExternalLoads.xml")) if out.suffix.lower() == ".mot" else (out,)
    for path in files:
        check_file(path, force=force)
    return files


def write_estimate(
    estimate: Estimate,
    out: Path,
    *,
    geometry: InsoleGeometry | None = None,
    heel_m: float = 0.0,
    unknown: str = "refuse",
    force: bool = False,
) -> tuple[tuple[Path, ...], list[str]]:
    """Write an estimate as its file's ending says, whole or not at all; return the files and what was noticed.

    Parameters
    ----------
    geometry
        Places of the insole's cells, for the centre of pressure that ``.mot`` needs.
    heel_m
        How far in front of the origin of the foot's body (calcn) the insole's heel end lies, m.
    unknown
        What ``.mot`` does where a foot's force is unknown, of :data:`~grfkit.estimation.opensim_files.UNKNOWN`.

    Raises
    ------
    BadInputError
        If a file exists and ``force`` is false, or for ``.mot`` mass, centre of pressure or force are not known.
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
    mot, notes = as_mot(estimate, out.stem, geometry=geometry, heel_m=heel_m, unknown=unknown)
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
        outside_training=json.dumps(outside_training(estimate)),
        balance=json.dumps(balance_of(estimate)),
        provenance=estimate.provenance.model_dump_json(),
    )
    return tree


def outside_training(estimate: Estimate) -> list[dict[str, Any]]:
    """Return in what the recording lies outside the model's training: name, value, least and most of the training."""
    return [{"what": d.what, "value": d.value, "low": d.low, "high": d.high} for d in estimate.outside]


def balance_of(estimate: Estimate) -> dict[str, float] | None:
    """Return by how much the estimate was balanced over its strides; None where it was not."""
    return None if estimate.balance is None else {name: float(v) for name, v in estimate.balance._asdict().items()}


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


def as_csv(estimate: Estimate) -> str:
    """Return ``time [s],left_vgrf [BW],...`` and, where the mass is known, ``left_vgrf_n [N]``; empty where unknown."""
    time = common_times(list(estimate.feet.values()))
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
    lists = {"clocks": estimate.clocks, "files": estimate.files}
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
        "outside_training": outside_training(estimate),
        "carried_bw": estimate.carried_bw if np.isfinite(estimate.carried_bw) else None,
        "balance": balance_of(estimate),
        "stated_error": None if estimate.stated_error is None else estimate.stated_error.to_json(),
    } | {name: list(values) for name, values in lists.items() if values}
