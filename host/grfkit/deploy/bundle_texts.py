"""The texts of a bundle that follow from its manifest, its model's document and its golden windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..embedded.curve import curve_integers
from ..embedded.cutter import SCALARS
from ..embedded.insole import AXES, MOST_STATICS, fixed_columns, insole_reason, origins, tick_q16
from ..embedded.made_up_foot import FOOT_STEPS, foot_samples
from ..learn.spec import ModelSpec
from ..runtime.bundle import scale_of
from ..runtime.manifest import Column, Detector, Manifest
from .plan import BEYOND, BEYOND_POINTS
from .render import c_float, render

UNTESTED = "Untested: nobody has run this on a board yet; what is tested is `make test` and the boards of sizes.json."
IN_C = 8
"""Golden windows that go into C, where a device's flash has to hold them; ``golden.npz`` has more."""
_WINDOWS_IN_C = ("raw", "input_int8", "output_int8", "force")
_ABOUT = ("README.md", "CARD.md")
_C = (
    "c/NAME_config.h",
    "c/NAME_config.c",
    "c/NAME_golden.h",
    "c/NAME_golden.c",
    "Makefile",
    "CMakeLists.txt",
    "zephyr/module.yml",
    "zephyr/Kconfig",
    "zephyr/CMakeLists.txt",
    "examples/zephyr/CMakeLists.txt",
    "examples/zephyr/prj.conf",
    "examples/arduino/NAME/NAME.ino",
)
_INSOLE = (
    "examples/insole/insole.h",
    "examples/insole/insole.c",
    "examples/zephyr_insole/CMakeLists.txt",
    "examples/zephyr_insole/prj.conf",
    "examples/zephyr_insole/main.c",
    "examples/arduino/NAME_insole/NAME_insole.ino",
)
"""Only where an insole can run the bundle from its samples to packets."""


def bundle_texts(
    manifest: Manifest, spec: ModelSpec, golden: Mapping[str, NDArray[Any]], runtime: Sequence[str]
) -> dict[str, str]:
    """Return card, README and, where there is C, all of its side but model and runtime, by path.

    The texts of a manifest in memory and of the same one read back are equal: nothing depends on the order of a
    table's keys.

    Parameters
    ----------
    runtime
        Names of the runtime's C files.
    """
    manifest = _as_read(manifest)
    content = _content(manifest)
    content |= {
        "spec": spec,
        "parity": manifest.parity,
        "sizes": manifest.sizes,
        "beyond": BEYOND_POINTS if content["per_point"] else BEYOND,
        "channels": manifest.of_role("channel"),
        "statics": manifest.of_role("static"),
        "turned": [c.name for c in manifest.columns if c.turned_on_left],
        "int8_rrmse": {axis: _int8_rrmse(row) for axis, row in manifest.parity.axes.items()},
    }
    texts = _rendered(_ABOUT, content)
    return texts if manifest.c is None else texts | c_texts(manifest, golden, runtime)


def c_texts(manifest: Manifest, golden: Mapping[str, NDArray[Any]], runtime: Sequence[str]) -> dict[str, str]:
    """Return the texts of all C-side files but the model itself and the runtime, by path.

    Parameters
    ----------
    golden
        ``raw`` (n, T, width) int16, ``input_int8``, ``output_int8`` and ``force`` (n, T, axes) in the manifest's unit;
        ``foot_...`` of the made-up foot where an insole can run the bundle.
    runtime
        Names of the runtime's C files.
    """
    name, detector = manifest.name, manifest.detector
    content = _content(manifest)
    content["sources"] = [f"c/{name}.c", f"c/{name}_config.c"]
    content["runtime_sources"] = [f"runtime/{n}" for n in runtime]
    content["foot"] = None
    content["integers"] = fixed_columns(manifest)
    content["point_centre"], content["point_size"] = (table.reshape(-1).tolist() for table in scale_of(manifest.axes))
    templates = [*_C]
    if detector is not None and "foot_input" in golden:
        content["foot"] = _foot(detector, golden)
        templates.append("c/NAME_golden_foot.h")
    if content["insole"]:
        content |= _insole(manifest)
        templates += _INSOLE
    return _rendered(templates, content | _windows(golden))


def _rendered(templates: Sequence[str], content: Mapping[str, Any]) -> dict[str, str]:
    return {path.replace("NAME", content["name"]): render(path, **content) for path in templates}


def _as_read(manifest: Manifest) -> Manifest:
    """Return the manifest as its file has it, the axes of parity in the order of the output."""
    read = Manifest.model_validate_json(manifest.text())
    rows = read.parity.axes
    first = [a.name for a in read.axes if a.name in rows]
    axes = {name: rows[name] for name in (*first, *(n for n in rows if n not in first))}
    return read.model_copy(update={"parity": read.parity.model_copy(update={"axes": axes})})


def _int8_rrmse(row: Mapping[str, float]) -> str:
    """Return the key of the rRMSE of the last interpreter of the int8 file, TFLite Micro."""
    keys = [k for k in row if k.startswith("rrmse_percent") and not k.endswith("torch")]
    return keys[-1] if keys else ""


def _content(manifest: Manifest) -> dict[str, Any]:
    """Return what all templates are given."""
    detector, reason = manifest.detector, insole_reason(manifest)
    levels = detector.levels if detector is not None else None
    return {
        "manifest": manifest,
        "name": manifest.name,
        "upper": manifest.name.upper(),
        "axes": [a.name for a in manifest.axes],
        "detector": detector,
        "levels": levels,
        "lowpass": detector.lowpass if detector is not None else None,
        "per_point": any(axis.points for axis in manifest.axes),
        "rate_mhz": round(detector.rate_hz * 1000) if detector is not None else None,
        "remembered_s": _remembered_s(detector, levels) if detector is not None and levels is not None else None,
        "insole": reason is None,
        "reason": reason,
        "untested": UNTESTED,
        "described": _described,
    }


def _remembered_s(detector: Detector, levels: Mapping[str, int]) -> float:
    """Return how long a device looks back for the unloaded level, s."""
    return levels["blocks"] * levels["block_rows"] * levels["every"] / detector.rate_hz


def _described(column: Column) -> str:
    turned = ", sign turned on a left foot" if column.turned_on_left else ""
    kind = "" if column.role == "channel" else f"{column.role} "
    return f"{kind}{column.name}, {column.unit_per_count:.6g} {column.unit or '?'} per count{turned}"


def _insole(manifest: Manifest) -> dict[str, Any]:
    """Return the numbers of ``grf_insole_settings_t``; offset and scale as the virtual insole rounds them."""
    assert manifest.detector is not None
    names = [a.name for a in manifest.axes]
    order = [names.index(n) for n in AXES if n in names]
    ends, sent = manifest.output, [manifest.axes[k] for k in order]
    integers = curve_integers(manifest)
    return {
        "inputs_by_set": [c.name for c in manifest.of_role("static") if c.name != "contact_s"],
        "origins": origins(manifest.columns),
        "told_keys": _told_keys(manifest),
        "tick_q16": tick_q16(manifest.detector.rate_hz),
        "axis_order": order,
        "axis_bits": sum(1 << k for k, n in enumerate(AXES) if n in names),
        "curve": None if integers is None else integers[:, order].reshape(-1, 2).tolist(),
        "wire_offset": [a.centre - ends.scale * ends.zero_point * a.size for a in sent],
        "wire_scale": [ends.scale * a.size for a in sent],
    }


def _told_keys(manifest: Manifest) -> list[int]:
    """Return the key of SET for each number a device keeps, in the order of the statics; 0 where there is none."""
    keys = [int(SCALARS[c.name]) for c in manifest.of_role("static") if c.name != "contact_s"]
    return [*keys, *[0] * (MOST_STATICS - len(keys))]


def _windows(golden: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return the golden windows that go into C, a row of numbers each."""
    few = {name: golden[name][:IN_C] for name in _WINDOWS_IN_C}
    windows, points, columns = few["raw"].shape
    rows: dict[str, Any] = {name: array.reshape(windows, -1).tolist() for name, array in few.items()}
    rows["force"] = [map(c_float, row) for row in rows["force"]]
    return rows | {
        "windows": windows, "points": points, "columns": columns, "force_columns": few["output_int8"].shape[2]
    }  # fmt: skip


def _foot(detector: Detector, golden: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return what a device makes of :func:`~grfkit.embedded.made_up_foot.made_up_foot`."""
    step, contact = foot_samples(detector.rate_hz)
    inputs, output = golden["foot_input"], golden["foot_output"]
    return {
        "step": step,
        "contact": contact,
        "samples": FOOT_STEPS * step,
        "input_hashes": [f"0x{_fnv1a(window):08x}u" for window in inputs],
        "contact_100us": golden["foot_contact_100us"].astype(int).tolist(),
        "outputs": inputs.shape[1] * output.shape[2],
        "output": output.reshape(len(output), -1).tolist(),
    }


def _fnv1a(window: NDArray[np.int8]) -> int:
    """Return the FNV-1a hash of a window's bytes, 32 bits."""
    # offset basis and prime of the 32-bit hash of Fowler, Noll and Vo
    state = 2166136261
    for value in np.ascontiguousarray(window).tobytes():
        state = ((state ^ value) * 16777619) & 0xFFFFFFFF
    return state
