"""The fields of a manifest that follow from the files it is about: written by an export, compared by a verification."""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..dataset.cut import LATERAL
from ..embedded.compile import RUNTIME
from ..embedded.int8_input import Int8Channel, int8_channel
from ..errors import BadInputError
from ..estimation.detector import COUNTS, detector
from ..gait.causal import causal_settings
from ..gait.relative_cells import UNIT
from ..learn.scaler import STILL, Scaler
from ..learn.spec import ModelSpec
from ..runtime.manifest import CFiles, Column, Detector, Manifest, Points, Role, Tensor
from .emit_c import CModel
from .plan import Plan
from .tflite_file import TensorInfo, TfliteFile

RATE_HZ = 100.0
"""Of a device, where no other rate is given, Hz: the insole's own default."""
_STATIC_UNITS = {
    "contact_s": "s", "stride_s": "s", "mass_kg": "kg", "speed_m_s": "m/s", "slope_percent": "%",
    "hka_own": "deg", "hka_other": "deg",
}  # fmt: skip
_HEADERS = re.compile(
    "assert|complex|ctype|errno|fenv|float|inttypes|iso646|limits|locale|math|setjmp|signal|std(align|arg|atomic|bool|def"
    "|int|io|lib|noreturn)|string|tgmath|threads|time|uchar|wchar|wctype"
)
_BUNDLE_NAMES = frozenset({"golden", "golden_foot", "test_golden"})
_BUNDLE_ENDS = re.compile(
    ".+_(config|golden|golden_foot|columns|contacts|buffer|centre|size|levels|lowpass|insole|memory)"
)
"""Names that another bundle's files or symbols may have: ``walk_insole`` is of the bundle ``walk``."""

_REACH_SIZES, _LEAST_REACH = 8.0, 1e-9
"""Range of a column whose unit has no count: so many sizes to both sides of the centre, and never less. Chosen by hand:
int16 then still has 2,000 steps or more to a size."""


def name_of(folder: Path) -> str:
    """Return the C identifier of a bundle's folder: small letters, digits, underscores; ``m_`` before what is taken."""
    tidy = re.sub(r"[^a-z0-9]+", "_", Path(folder).name.lower()).strip("_")[:40].rstrip("_")
    return f"m_{tidy}"[:40].rstrip("_") if not tidy[:1].isalpha() or _reserved(tidy) else tidy


def _reserved(name: str) -> bool:
    """Return whether a name's files or symbols are those of the C library, of the runtime or of the bundle itself."""
    if _HEADERS.fullmatch(name) or name in _BUNDLE_NAMES or _BUNDLE_ENDS.fullmatch(name) or name.startswith("grf_"):
        return True
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(RUNTIME.glob("grf_*.h")))
    return re.search(rf"\bgrf_{name}(?:_\w+)?\b", text, re.IGNORECASE) is not None


def derived(file: TfliteFile, spec: ModelSpec, plan_unit: str, *, rate_hz: float) -> dict[str, Any]:
    """Return the fields of a manifest that follow from the int8 file, the model's document and the device's rate.

    Raises
    ------
    BadInputError
        If the file and the document are not of one model.
    """
    relative = UNIT in spec.scaler.units
    return {
        "model_id": zlib.crc32(file.content),
        "window": spec.window,
        "points": file.input.shape[1],
        "rate_hz": spec.rate_hz,
        "cut": spec.cut,
        "mirrored": spec.mirrored,
        "cells": "relative" if relative else "as recorded",
        "imu_lowpass_hz": float(spec.cut_told.get("imu_lowpass_hz", 0.0)),
        "input": _tensor(file.input),
        "output": _tensor(file.output),
        "columns": columns(file, spec),
        "force_unit": plan_unit,
        "detector": detector(spec, file.input.shape[1], rate_hz),
        "operators": dict(sorted(Counter(o.name for o in file.operators).items())),
        "trained_on": spec.participants,
        "leaks": spec.leaks,
    }


CREEP_SETTINGS = ("slack_q6", "creep", "swing")
"""Settings of the contact detector's rule for cells that creep (:class:`grfkit.gait.causal.CausalSettings`)."""


def differences(manifest: Manifest, file: TfliteFile, spec: ModelSpec) -> list[str]:
    """Return the fields of a manifest that are not what the int8 file and the model's document say."""
    rate_hz = manifest.detector.rate_hz if manifest.detector else RATE_HZ
    unit = "N" if spec.scaler.target == "newton" else "BW"
    expected = derived(file, spec, unit, rate_hz=rate_hz)
    expected["detector"] = _as_written(expected["detector"], manifest.detector)
    wrong = [k for k, v in expected.items() if getattr(manifest, k) != v]
    if tuple(a.name for a in manifest.axes) != spec.scaler.axes:
        wrong.append("axes")
    if (manifest.trained.weights_sha256, manifest.trained.network) != (spec.weights_sha256, spec.network):
        wrong.append("trained")
    if manifest.sizes.tflite_bytes != len(file.content):
        wrong.append("sizes.tflite_bytes")
    return wrong


def _as_written(expected: Detector | None, stated: Detector | None) -> Detector | None:
    """Return the expected detector, without settings that an earlier bundle does not state."""
    if expected is None or stated is None:
        return expected
    unstated: dict[str, object] = {name: None for name in ("levels", "lowpass") if getattr(stated, name) is None}
    if not set(CREEP_SETTINGS) & set(stated.contacts):
        # a bundle from before cells that creep were looked for: it states none of this rule, and runs without it
        kept = {name: value for name, value in expected.contacts.items() if name not in CREEP_SETTINGS}
        unstated["contacts"] = kept
    return expected.model_copy(update=unstated)


def with_todays_contacts(manifest: Manifest) -> Manifest:
    """Return the manifest, with the rule for cells that creep where its detector states none of it."""
    stated = manifest.detector
    if stated is None or set(CREEP_SETTINGS) & set(stated.contacts):
        return manifest
    today = asdict(causal_settings(stated.rate_hz))
    contacts = {**stated.contacts, **{name: today[name] for name in CREEP_SETTINGS}}
    return manifest.model_copy(update={"detector": stated.model_copy(update={"contacts": contacts})})


def _tensor(tensor: TensorInfo) -> Tensor:
    return Tensor(shape=tensor.shape, dtype="int8", scale=tensor.scale, zero_point=tensor.zero_point)


def columns(file: TfliteFile, spec: ModelSpec) -> tuple[Column, ...]:
    """Return the columns of the input tensor in order.

    Raises
    ------
    BadInputError
        If the tensor has another width.
    """
    scaler, tensor = spec.scaler, file.input
    rows: list[tuple[Role, str, str, float, float]] = [
        ("channel", n, u, c, s) for n, u, c, s in zip(scaler.channels, scaler.units, scaler.centre, scaler.size)
    ]
    if scaler.missing_masks:
        rows += [("missing", n, "1", 0.0, 1.0) for n in scaler.channels]
    rows += [
        ("static", n, _STATIC_UNITS.get(n, ""), c, s)
        for n, c, s in zip(scaler.statics, scaler.static_centre, scaler.static_size)
    ]
    if len(rows) != tensor.shape[-1]:
        raise BadInputError(f"the file takes {tensor.shape[-1]} columns, the model's document has {len(rows)}")
    return tuple(
        _column(
            *row, tensor=tensor, mirrored=spec.mirrored, points=_points(scaler, k) if k < len(scaler.units) else None
        )
        for k, row in enumerate(rows)
    )


def _points(scaler: Scaler, channel: int) -> Points | None:
    """Return centre and size of a channel at each point, where points have their own."""
    if not scaler.per_point:
        return None
    centre, size = (tuple(row[channel] for row in table) for table in (scaler.point_centre, scaler.point_size))
    return Points(centre=centre, size=size)


def _column(
    role: Role,
    name: str,
    unit: str,
    centre: float,
    size: float,
    *,
    tensor: TensorInfo,
    mirrored: bool,
    points: Points | None,
) -> Column:
    step = 1.0 if role == "missing" else _unit_per_count(unit, centre, size)
    # a column that never moved in training counts nothing: whatever comes is the tensor's zero
    if size >= STILL:
        fixed = Int8Channel(0, 0, 1, tensor.zero_point)
    else:
        fixed = int8_channel(centre=centre / step, size=size / step, scale=tensor.scale, zero=tensor.zero_point)
    turned = role == "channel" and mirrored and name in LATERAL
    return Column(
        role=role, name=name, unit=unit, centre=centre, size=size, unit_per_count=step, turned_on_left=turned,
        points=points, **{k: v for k, v in asdict(fixed).items() if k != "points"},
    )  # fmt: skip


def _unit_per_count(unit: str, centre: float, size: float) -> float:
    """Return a count in its unit; where no device states it, a power of two that holds eight sizes about the centre."""
    if unit in COUNTS:
        return COUNTS[unit]
    reach = abs(centre) + _REACH_SIZES * (size if size < STILL else 1.0)
    return float(2.0 ** math.ceil(math.log2(max(reach, _LEAST_REACH) / 32767.0)))


def axes_of(plan: Plan) -> list[dict[str, Any]]:
    """Return name, centre, size and, where points have their own, those of each axis of a plan."""
    if not plan.per_point:
        return [{"name": n, "centre": c, "size": s} for n, c, s in zip(plan.axes, plan.centre, plan.size)]
    centre, size = np.asarray(plan.centre).T.tolist(), np.asarray(plan.size).T.tolist()
    return [
        {"name": n, "centre": m, "size": h, "points": {"centre": tuple(c), "size": tuple(s)}}
        for n, m, h, c, s in zip(plan.axes, plan.middle, plan.half, centre, size)
    ]


def c_files_of(model: CModel) -> CFiles:
    """Return the names of a model in C, as a manifest has them."""
    name = model.name
    return CFiles(symbol=f"grf_{name}", source=f"c/{name}.c", header=f"c/{name}.h", stream=model.stream)


def units_without_counts(spec: ModelSpec) -> Sequence[str]:
    """Return the units whose counts were chosen by range, because no device states them; of no unit, the name."""
    statics = (_STATIC_UNITS.get(n, n) for n in spec.scaler.statics)
    return sorted({u for u in (*spec.scaler.units, *statics) if u not in COUNTS})
