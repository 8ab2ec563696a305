"""The cost of eight bits on people whom a model has not seen: as converted, and repaired; and the C runtime's."""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Mapping

from grfkit.deploy.c_layers import NoC
from grfkit.deploy.compile_c import compile_c
from grfkit.deploy.emit_c import c_model
from grfkit.deploy.from_torch import plan_inputs
from grfkit.deploy.parity import BOUNDS, parity
from grfkit.deploy.same_bytes import compare_c
from grfkit.embedded.compile import compiler
from grfkit.learn.model import GrfModel, calibration_windows
from grfkit.records.stance_set import StanceSet
from grfkit.runtime import load, to_int8

from .models import BILSTM, BUILD, CNN, NO_ROOM, TCN, Rows, converted, files_of, without_room

MICRO = "tflite-micro"
KIND_NAMES = {
    "int8_as_converted": "int8 as converted",
    "int8": "int8 (repaired)",
    NO_ROOM: "int8, ranges of the windows alone (repaired)",
}
KINDS = tuple(KIND_NAMES)


def rows_of(bench: str, models: Mapping[str, GrfModel], held_out: StanceSet, *, windows: int) -> list[Rows]:
    """Return the rows of each model: its file as converted, repaired, and of some repaired without room."""
    rows = []
    for name, model in models.items():
        for kind in KINDS if name in (BILSTM, TCN, CNN) else KINDS[:2]:
            row = _cached(name, model, kind, held_out, windows)
            rows.append({"bench": bench, "model": name, "file": KIND_NAMES[kind]} | row)
    return rows


def _cached(name: str, model: GrfModel, kind: str, held_out: StanceSet, windows: int) -> Rows:
    who = "".join(held_out.participants)
    path = BUILD / "parity" / f"{files_of(model)}_{kind}_{windows}_{zlib.crc32(who.encode())}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        print(f"  parity of {name}, {kind}", file=sys.stderr)
        path.write_text(json.dumps(_row(model, kind, held_out, windows), default=float), encoding="utf-8")
    row: Rows = json.loads(path.read_text(encoding="utf-8"))
    return row


def _row(model: GrfModel, kind: str, held_out: StanceSet, windows: int) -> Rows:
    conversion = converted(model)
    file = without_room(model) if kind == NO_ROOM else conversion.files[kind]
    files = {"int8": file, "float32": conversion.files["float32"]}
    report = parity(model, conversion.plan, files, held_out, windows=windows)
    figures = {c.name: c.value for c in report.checks}
    # TFLite Micro is what runs on a board; without it the first interpreter that is there
    micro = next((i for i in report.interpreters if i.startswith(MICRO)), report.interpreters[0])
    row: Rows = {"windows": report.windows, "people": len(report.participants)}
    row["float32, greatest BW"] = figures["torch to float32 TFLite, greatest"]
    for axis in conversion.plan.axes:
        row[f"rRMSE added, {axis}"] = figures[f"{micro}: rRMSE added, {axis}"]
    axis = "vgrf" if "vgrf" in conversion.plan.axes else conversion.plan.axes[0]
    for what in ("RMS", "p99.9", "greatest"):
        row[f"{what} BW, {axis}"] = figures[f"{micro}: error added, {what}, {axis}"]
    for label in ("BUILTIN_REF", "XNNPACK"):
        row[f"LiteRT {label} to TFLM, LSB"] = next(
            (v for k, v in figures.items() if label in k and k.endswith("TFLite Micro, greatest")), None
        )
    row["bounds"] = "kept" if not report.failed else f"BROKEN: {len(report.failed)} ({report.failed[0]})"
    return row | ({"C to TFLM": _in_c(model, held_out, windows)} if kind == "int8" else {})


def _in_c(model: GrfModel, held_out: StanceSet, windows: int) -> str:
    """Return how many windows the C runtime answered with other bytes than TFLite Micro."""
    file = converted(model).files["int8"]
    if compiler() is None:
        return "not run: no C compiler"
    try:
        library = compile_c(c_model(file, "edge"), BUILD / "c" / files_of(model))
    except NoC as reason:
        return f"no C: {reason}"
    ends = load(file.content, "litert").input
    real = to_int8(
        plan_inputs(model, calibration_windows(held_out, windows)), scale=ends.scale, zero_point=ends.zero_point
    )
    comparison = compare_c(file, library, real.values)
    return f"{sum(int(f.value) for f in comparison.figures)} of {comparison.windows} windows differ"


BOUND_TEXT = (
    f"Bounds: float32 {BOUNDS.float_bw:g} BW; added rRMSE {BOUNDS.rrmse_points:g} points per axis; vertical RMS"
    f" {BOUNDS.rms_bw:g} and p99.9 {BOUNDS.p999_bw:g} BW; LiteRT's reference kernels within {BOUNDS.micro_lsb} LSB of"
    " TFLite Micro. Figures without another name are TFLite Micro's against torch."
)
