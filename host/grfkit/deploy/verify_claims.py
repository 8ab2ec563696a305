"""Claims of a manifest on measurements at export, compared with each other and with the files beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from ..learn.spec import ModelSpec
from ..records.participants import seen_among
from ..runtime.interpreters import RESOLVERS
from ..runtime.manifest import Manifest, Sizes
from .bounds import VERTICAL, bound_of
from .bundle_texts import bundle_texts
from .golden import Golden
from .same_bytes import LEAST_WINDOWS

_ROUNDING = 1e-9
"""Difference between a figure and the same one computed again, percentage points: only rounding. Chosen by hand."""


def wrong_claims(manifest: Manifest, folder: Path) -> Iterator[str]:
    """Yield in words the claims of a manifest that cannot be true, and those that are missing."""
    yield from wrong_figures(manifest)
    yield from _wrong_people(manifest)
    paths = {f.path for f in manifest.files}
    if manifest.c is None and any(path.startswith("c/") for path in paths):
        yield "c is null, though there are files in c/"
    if manifest.c is not None:
        paths_in_c = (manifest.c.source, manifest.c.header)
        yield from (f"c names {path}, which is no file of it" for path in paths_in_c if path not in paths)
        if manifest.parity.c_windows < LEAST_WINDOWS:
            yield f"parity.c_windows is {manifest.parity.c_windows}, expected {LEAST_WINDOWS} at least"
    try:
        same = Sizes.model_validate_json((folder / "sizes.json").read_bytes()) == manifest.sizes
    except (OSError, ValidationError):
        same = False
    if not same:
        yield "sizes are not those of sizes.json"


def wrong_figures(manifest: Manifest) -> Iterator[str]:
    """Yield the figures that are missing, have not the bound they have to keep, or are beyond it."""
    figures = {f.name: f for f in manifest.parity.figures}
    yield from (f"figure '{name}' is missing" for name in bound_figures(manifest) if name not in figures)
    for name, figure in figures.items():
        bound = bound_of(name)
        if bound is not None and (figure.bound is None or figure.bound > bound):
            yield f"figure '{name}' has to keep {bound:g}, not {figure.bound}"
        within = figure.bound is None or figure.value <= figure.bound
        if not within:
            yield f"figure '{name}' is beyond its bound"
        elif figure.kept != within:
            yield f"figure '{name}' says kept: {str(figure.kept).lower()}, though {figure.value:g} is within its bound"
    yield from _wrong_differences(manifest)


def _wrong_differences(manifest: Manifest) -> Iterator[str]:
    """Yield the figures of added rRMSE that are not the int8 rRMSE of parity.axes minus that of torch."""
    figures = {f.name: f.value for f in manifest.parity.figures}
    for label, axis in ((label, a.name) for label in manifest.interpreters for a in manifest.axes):
        row, added = manifest.parity.axes.get(axis, {}), figures.get(f"{label}: rRMSE added, {axis}")
        eight, torch = row.get(f"rrmse_percent {label}"), row.get("rrmse_percent torch")
        if eight is None or torch is None:
            yield f"parity.axes of {axis} have no 'rrmse_percent {label if eight is None else 'torch'}'"
        # not "... > _ROUNDING", which NaN would pass
        elif added is not None and not abs(eight - torch - added) <= _ROUNDING:
            yield f"figure '{label}: rRMSE added, {axis}' is {added:g}, though parity.axes make {eight - torch:g} of it"


def wrong_texts(manifest: Manifest, spec: ModelSpec, golden: Golden, folder: Path) -> Iterator[str]:
    """Yield the paths of the texts that differ from those rendered from manifest, document and golden windows."""
    runtime = sorted(f.path for f in manifest.files if f.path.startswith("runtime/") and f.path.endswith(".c"))
    texts = bundle_texts(manifest, spec, golden, [path.removeprefix("runtime/") for path in runtime])
    for path, text in sorted(texts.items()):
        if not (folder / path).is_file() or (folder / path).read_bytes() != text.encode("utf-8"):
            yield path


def bound_figures(manifest: Manifest) -> list[str]:
    """Return the names of the figures with a bound that an export measures."""
    names = ["torch to float32 TFLite, greatest", "fixed-point inputs to floating ones, greatest"]
    for label in manifest.interpreters:
        names.append(f"{label}: windows that differ in another order")
        names += [f"{label}: rRMSE added, {a.name}" for a in manifest.axes]
        if VERTICAL in (a.name for a in manifest.axes):
            names += [f"{label}: error added, {kind}, {VERTICAL}" for kind in ("RMS", "p99.9")]
        if label.endswith(RESOLVERS["reference"]):
            names.append(f"{label} to TFLite Micro, greatest")
    if manifest.c is not None:
        names += ["C to TFLite Micro, windows that differ", "C, windows that differ in another order"]
    boards = manifest.sizes.boards or {}
    return names + [f"{machine} (QEMU) to C on this machine, windows that differ" for machine in boards]


def _wrong_people(manifest: Manifest) -> Iterator[str]:
    trained, tested = manifest.trained_on, manifest.parity.participants
    leaked = seen_among(tested, trained)
    if manifest.parity.on == "held-out people" and leaked:
        yield f"parity is of held-out people, though {', '.join(leaked)} was in training"
    strangers = [p for p in manifest.calibrated_on if p not in seen_among(manifest.calibrated_on, trained)]
    if strangers:
        yield f"calibrated_on names {', '.join(strangers)}, who was not in training"
    if not any(label.startswith("tflite-micro") for label in manifest.interpreters):
        yield "interpreters have no TFLite Micro"


def wrong_golden(manifest: Manifest, golden: Golden) -> str | None:
    """Return what is wrong with the golden windows' arrays, before anything is computed from them; None: nothing."""
    n, points = len(np.atleast_1d(golden.get("raw", np.empty(0)))), manifest.points
    width, axes = len(manifest.columns), len(manifest.axes)
    channels, statics = len(manifest.of_role("channel")), len(manifest.of_role("static"))
    expected = {
        "raw": ("int16", (n, points, width)), "input_int8": ("int8", (n, points, width)),
        "output_int8": ("int8", (n, points, axes)), "force": ("float64", (n, points, axes)),
        "force_bw": ("float64", (n, points, axes)), "torch_bw": ("float", (n, points, axes)),
        "inputs": ("float32", (n, points, channels)), "statics": ("float32", (n, statics)),
        "mass_kg": ("float32", (n,)),
    }  # fmt: skip
    if n == 0:
        return "holds no window"
    for name, (kind, shape) in expected.items():
        if name not in golden:
            return f"has no '{name}'"
        array = golden[name]
        if not array.dtype.name.startswith(kind) or array.shape != shape:
            return f"'{name}' is {array.dtype.name} {array.shape}, expected {kind} {shape}"
    return None
