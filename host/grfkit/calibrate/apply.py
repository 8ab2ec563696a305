"""From records to newtons: calibration documents applied to a recording, their digests in its provenance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..errors import BadInputError
from ..provenance import InputFile, Provenance
from ..records import Recording
from ..records.calibrated import BY
from ..units import parse_unit, require
from .cell_apply import cells_to_force
from .cell_documents import CellCalibration
from .correct import with_pressure
from .documents import InsoleGeometry, LagTable, PlateCorrection, PressureCalibration
from .imu_documents import ImuCalibration, calibrated_imu
from .kinds import AnyDocument
from .library import Loaded
from .plate_check import verdict
from .plate_documents import ForcePlates, with_plates
from .scale_documents import LoadScale, scaled_load
from .vertical import FORCES, MOMENTS

_CALIBRATED_PREFIXES = ("cell_", "zone_")
_ONE_A_STREAM = ("load_scale", "imu_calibration", "cell_calibration")
"""Kinds that say all of a stream's scale: a second document multiplies or subtracts once more. A pressure calibration
is of channels, and a second one of the same channels finds them in N."""


def apply(recording: Recording, documents: Sequence[Loaded[AnyDocument]]) -> Recording:
    """Return the recording in physical units, as the documents say, in their order.

    A ``PressureCalibration`` turns channels into N, a ``CellCalibration`` each cell by its own law; a
    ``PlateCorrection`` zeroes, mixes and signs a plate, an ``InsoleGeometry`` adds the cells' places to every insole
    stream that has them, ``ForcePlates`` makes plates of channels. Name and SHA-256 of each document go to the
    provenance (inputs of role ``calibration``) and to the stream's attribute ``calibrations`` (digests with a space
    between).

    Raises
    ------
    UnitError
        If a channel is not in the unit the document takes; names the channel, its unit and what to do.
    BadInputError
        If a document is for a stream or channel that the recording has not, does not apply to a recording
        (a lag table), or was applied already.
    """
    streams, inputs, sentences = recording.streams, [], []
    for loaded in documents:
        document = loaded.document
        if isinstance(document, LagTable):
            raise BadInputError(
                f"calibration '{document.name}' is a lag table, which is not applied to a recording;"
                " give it to the alignment"
            )
        if isinstance(document, ForcePlates):
            streams, targets = with_plates(streams, document)
            streams |= {name: _with_digest(streams[name], loaded) for name in targets}
            if document.check is not None and verdict(document.check) == "fault":
                sentences.append(
                    f"calibration '{document.name}': its check with a known load ended in a FAULT"
                    f" ({'; '.join(document.check.failures)}); do not use these forces before the sheet is mended"
                )
        else:
            targets = _targets(streams, document)
            for name in targets:
                _refuse_twice(streams[name], name, loaded)
                streams[name] = _with_digest(_applied(streams[name], name, document), loaded)
        inputs.append(_as_input(loaded))
        sentences.append(
            f"calibration '{document.name}' ({document.kind}, sha256 {loaded.sha256[:12]}) applied to"
            f" {', '.join(targets)}"
        )
    changed = recording.replaced(streams, findings=sentences)
    provenance = changed.provenance.merged(Provenance(inputs=inputs))
    changed.tree.attrs["provenance"] = provenance.model_dump_json()
    return changed


def pressure_to_force(values: Floats, calibration: PressureCalibration) -> Floats:
    """Return force (N) of values in the calibration's unit; NaN beyond ``valid_max``, 0 below ``zero``.

    With a negative gain (a sensor whose value falls under load) it is the value above ``zero`` that is 0 and
    the one below ``valid_min`` that is NaN.
    """
    up = 1.0 if calibration.gain > 0 else -1.0
    # cut at 0 before the power: a negative value has no real one where the exponent is broken
    load = np.maximum(up * (values - calibration.zero), 0.0)
    force = abs(calibration.gain) * load**calibration.exponent
    beyond = values > calibration.valid_max if up > 0 else values < calibration.valid_min
    return np.asarray(np.where(beyond | np.isnan(values), np.nan, force), dtype=np.float64)


def _targets(streams: dict[str, xr.Dataset], document: AnyDocument) -> list[str]:
    if isinstance(document, InsoleGeometry):
        fit = [
            name
            for name, data in streams.items()
            if data.attrs["kind"] == "insole" and any(c in data for c in document.positions_m("left"))
        ]
        if not fit:
            raise BadInputError(f"calibration '{document.name}' fits no stream: none has pressure cells")
        return fit
    assert not isinstance(document, LagTable | ForcePlates)
    if isinstance(document, LoadScale):
        found = [foot.stream for foot in document.feet if foot.stream in streams]
        if not found:
            wanted = ", ".join(foot.stream for foot in document.feet)
            raise BadInputError(
                f"calibration '{document.name}' is for {wanted}, the recording has {', '.join(streams)}"
            )
        return found
    target = document.plate if isinstance(document, PlateCorrection) else document.stream
    if target not in streams:
        raise BadInputError(
            f"calibration '{document.name}' is for stream '{target}', the recording has {', '.join(streams)}"
        )
    return [target]


def _refuse_twice(stream: xr.Dataset, name: str, loaded: Loaded[AnyDocument]) -> None:
    # a gain applied twice still looks like a force, so that nothing later would notice
    if loaded.sha256 in str(stream.attrs.get("calibrations", "")).split():
        raise BadInputError(f"calibration '{loaded.document.name}' was applied to '{name}' already; apply it once")
    kind = loaded.document.kind
    if kind in _ONE_A_STREAM and kind in str(stream.attrs.get(BY, "")).split():
        raise BadInputError(
            f"calibration '{loaded.document.name}': another {kind} was applied to '{name}' already, and both together"
            " are neither's; give one of them"
        )


def _applied(stream: xr.Dataset, name: str, document: AnyDocument) -> xr.Dataset:
    if isinstance(document, PressureCalibration):
        return _pressure(stream, name, document)
    if isinstance(document, PlateCorrection):
        return _plate(stream, name, document)
    if isinstance(document, ImuCalibration):
        return calibrated_imu(stream, name, document)
    if isinstance(document, LoadScale):
        return scaled_load(stream, name, document)
    if isinstance(document, CellCalibration):
        return cells_to_force(stream, name, document)
    assert isinstance(document, InsoleGeometry)
    return _with_positions(stream, name, document)


def _with_digest(stream: xr.Dataset, loaded: Loaded[AnyDocument]) -> xr.Dataset:
    before = str(stream.attrs.get("calibrations", "")).split()
    stream.attrs["calibrations"] = " ".join([*before, loaded.sha256])
    stream.attrs[BY] = " ".join([*str(stream.attrs.get(BY, "")).split(), loaded.document.kind])
    return stream


def _as_input(loaded: Loaded[AnyDocument]) -> InputFile:
    return InputFile(name=loaded.file_name, sha256=loaded.sha256, size_bytes=loaded.size_bytes, role="calibration")


def _copy(stream: xr.Dataset) -> xr.Dataset:
    copied: xr.Dataset = stream.copy()
    copied.attrs = dict(stream.attrs)
    return copied


def _pressure(stream: xr.Dataset, name: str, document: PressureCalibration) -> xr.Dataset:
    channels = document.channels or tuple(
        str(c) for c in stream.data_vars if str(c).startswith(_CALIBRATED_PREFIXES) or c == "force"
    )
    changed = _copy(stream)
    for channel in channels:
        if channel not in stream:
            raise BadInputError(f"calibration '{document.name}' names channel '{channel}', '{name}' has it not")
        values = _in_unit(stream[channel], f"{name} channel '{channel}'", document.unit_in)
        attrs = dict(stream[channel].attrs) | {"units": document.unit_out, "residual_n": document.residual_n}
        changed[channel] = (stream[channel].dims, pressure_to_force(values, document), attrs)
    return changed


def _in_unit(channel: xr.DataArray, what: str, unit: str) -> Floats:
    """Return a channel's values in the document's own unit (recordings hold canonical units)."""
    require(str(channel.attrs.get("units", "unknown")), parse_unit(unit).canonical, what=what)
    scale = parse_unit(unit)
    return (np.asarray(channel.values, dtype=np.float64) - scale.shift) / scale.factor


def _plate(stream: xr.Dataset, name: str, document: PlateCorrection) -> xr.Dataset:
    for channel in (*FORCES, *MOMENTS):
        if channel not in stream:
            raise BadInputError(f"calibration '{document.name}' takes fx to mz, '{name}' has no '{channel}'")
        unit = "N" if channel in FORCES else "N m"
        require(str(stream[channel].attrs.get("units", "unknown")), unit, what=f"{name} channel '{channel}'")
    rows = np.stack([np.asarray(stream[c].values, dtype=np.float64) for c in (*FORCES, *MOMENTS)])
    matrix = np.asarray(document.matrix, dtype=np.float64) if document.matrix else np.eye(6)
    # the zero first: the matrix mixes channels, and would mix their offsets
    corrected = document.sign * matrix @ (rows - np.asarray(document.zero)[:, None])
    changed = _copy(stream)
    for channel, values in zip((*FORCES, *MOMENTS), corrected):
        changed[channel] = (stream[channel].dims, values, dict(stream[channel].attrs))
    return with_pressure(changed)


def _with_positions(stream: xr.Dataset, name: str, document: InsoleGeometry) -> xr.Dataset:
    side = str(stream.attrs.get("side", "unknown"))
    if side not in ("left", "right"):
        raise BadInputError(f"'{name}' has side '{side}'; an insole geometry needs left or right")
    changed = _copy(stream)
    for channel, (x, y) in document.positions_m("left" if side == "left" else "right").items():
        if channel in stream:
            attrs = dict(stream[channel].attrs) | {"x_m": x, "y_m": y}
            changed[channel] = (stream[channel].dims, stream[channel].values, attrs)
    changed.attrs["insole_size"] = document.size
    return changed
