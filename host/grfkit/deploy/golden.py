"""Golden vectors: windows from raw counts to forces, which a device and this machine have to compute alike."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..embedded.insole import fixed_columns
from ..embedded.int8_input import counts_to_int8, offsets_and_multipliers
from ..learn.batches import Windows
from ..learn.spec import ModelSpec
from ..records.stance_set import StanceSet
from ..runtime import Interpreter
from ..runtime.bundle import forces_bw, scale_of, scaled
from ..runtime.manifest import Column, Manifest
from ..runtime.numbers import to_int8

WINDOWS = 32
"""Golden windows of ``golden.npz``. Chosen by hand: the file takes half a megabyte."""
Golden = dict[str, NDArray[Any]]


class Physical(NamedTuple):
    """Windows in their units: inputs (n, T, channels), statics (n, statics), masses (n,) in kg."""

    inputs: NDArray[np.float32]
    statics: NDArray[np.float32]
    mass_kg: NDArray[np.float32]


def physical(spec: ModelSpec, data: StanceSet) -> Physical:
    """Return windows as a model takes them, before any scaling."""
    scaler = spec.scaler
    parts = list(Windows(data, scaler.channels, scaler.statics, (), memory_mb=0).in_order())
    return Physical(*(np.concatenate([getattr(p, n) for p in parts]) for n in Physical._fields))


def counts(manifest: Manifest, windows: Physical) -> NDArray[np.int16]:
    """Return windows as a device's counts, one column per column of the input tensor; what is missing is ``offset``."""
    columns = manifest.columns
    n, points = windows.inputs.shape[:2]
    table = np.empty((n, points, len(columns)))
    channels = [c.name for c in manifest.of_role("channel")]
    statics = [c.name for c in manifest.of_role("static")]
    for k, column in enumerate(columns):
        table[:, :, k] = _values(column, windows, channels, statics)
    steps = np.asarray([c.unit_per_count for c in columns])
    offsets, _ = offsets_and_multipliers(fixed_columns(manifest))
    # a count that equals the offset becomes 0 after scaling, as a missing value does in training
    raw = np.where(np.isfinite(table), np.rint(table / steps), offsets)
    return np.clip(raw, -32768, 32767).astype(np.int16)


def _values(column: Column, windows: Physical, channels: list[str], statics: list[str]) -> NDArray[Any]:
    if column.role == "static":
        return windows.statics[:, [statics.index(column.name)]]
    values = windows.inputs[:, :, channels.index(column.name)]
    return np.isnan(values) if column.role == "missing" else values


def golden_of(manifest: Manifest, windows: Physical, torch_bw: NDArray[Any], engine: Interpreter) -> Golden:
    """Return golden vectors of some windows.

    ``inputs``, ``statics``, ``mass_kg``: in units, NaN where missing; ``torch_bw``: what the trained model says of
    them. ``raw``: the same windows in counts; ``input_int8``, ``output_int8``: what the integers of the manifest and
    the int8 file make of the counts; ``force``, ``force_bw``: these in the manifest's unit and in BW.

    Parameters
    ----------
    engine
        An interpreter of the int8 file by TFLite Micro's arithmetic, where it is installed.
    """
    raw = counts(manifest, windows)
    stored = counts_to_int8(raw, fixed_columns(manifest))
    outputs = engine.run(stored)
    return {
        **windows._asdict(),
        "torch_bw": torch_bw,
        "raw": raw,
        "input_int8": stored,
        "output_int8": outputs,
        "force": int8_forces(manifest, outputs),
        "force_bw": forces_bw(manifest, outputs, windows.mass_kg),
    }


def int8_forces(manifest: Manifest, stored: NDArray[np.int8]) -> Floats:
    """Return forces in the manifest's unit of int8 outputs (n, T, axes)."""
    real = (stored.astype(np.float64) - manifest.output.zero_point) * manifest.output.scale
    centres, sizes = scale_of(manifest.axes)
    return np.asarray(real * sizes + centres, dtype=np.float64)


def fixed_to_float_lsb(manifest: Manifest, golden: Mapping[str, NDArray[Any]]) -> int:
    """Return how far inputs by the fixed-point path are from those by the floating one, steps of the last bit."""
    real = scaled(manifest, golden["inputs"], golden["statics"])
    other = to_int8(real, scale=manifest.input.scale, zero_point=manifest.input.zero_point).values
    return int(np.abs(other.astype(np.int16) - golden["input_int8"].astype(np.int16)).max())


def npz_bytes(golden: Mapping[str, NDArray[Any]]) -> bytes:
    """Return ``golden.npz``; the same arrays give the same bytes."""
    buffer = io.BytesIO()
    # numpy writes no time of day into the archive, so that arrays in one order give one file
    arrays: dict[str, Any] = {key: golden[key] for key in sorted(golden)}
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def read_npz(content: bytes) -> Golden:
    """Return the arrays of ``golden.npz``."""
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        return dict(stored)
