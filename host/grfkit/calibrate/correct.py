"""Applying what the doctor found: vertical axis, sign, zero or drift, then the centre of pressure anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..records import Recording
from ..signals.belt_breaks import PLACE_S, BeltPart
from ..signals.plates import COP_THRESHOLD_N, center_of_pressure
from ..signals.treadmill_drift import FLIGHT_THRESHOLD_BW, drift_curve, find_flights
from ..signals.zero_shift import without_shifts
from .baseline import shifts_of
from .findings import CorrectionRequest, PlateFindings, decided
from .vertical import FORCES, MOMENTS, vertical_force


def correct(recording: Recording, findings: list[PlateFindings], *, ask: CorrectionRequest | None = None) -> Recording:
    """Return the recording with what was asked for, and what is unambiguous, corrected.

    Order: vertical axis, sign, then the drift or the constant zero of every force and moment channel, then a belt's
    clock, then the horizontal axes; the centre of pressure is computed again where the plate's corners and moments are
    known. Every finding goes to the provenance, with a note of whether it was corrected; the streams' attributes
    ``vertical``, ``sign``, ``zero_offset_n`` (vertical force as recorded), ``drift_range_n``, ``belt_late_ms`` and
    ``belt_late_parts_ms`` hold the numbers.

    Parameters
    ----------
    findings
        From :func:`grfkit.calibrate.examine` on this recording.
    ask
        What to correct; by default the unambiguous.
    """
    streams, sentences = recording.streams, []
    every = decided(findings, ask)
    for plate in every:
        for finding in plate.findings:
            state = "corrected" if finding.corrected else "not corrected"
            sentences.append(f"{plate.plate}: {finding.text} [{finding.code}, {state}]")
        if plate.plate in streams:
            streams[plate.plate] = treated(streams[plate.plate], plate)
    for code in (f.code for plate in every for f in plate.findings if f.corrected and plate.plate not in streams):
        streams = {n: _turned(s, code) if s.attrs["kind"] == "force_plate" else s for n, s in streams.items()}
    return recording.replaced(streams, findings=sentences)


def treated(stream: xr.Dataset, plate: PlateFindings) -> xr.Dataset:
    """Return one plate with the findings marked ``corrected`` corrected."""
    codes = {f.code for f in plate.findings if f.corrected}
    if not codes:
        return stream
    changed = stream.copy()
    changed.attrs = dict(stream.attrs)
    if "vertical_axis" in codes:
        changed.attrs["vertical"] = plate.vertical
    if "sign" in codes:
        _turn_round(changed)
    # the curve through the flights holds the constant offset as well: never both
    if codes & {"drift", "zero_shift"}:
        _detrend(changed, plate)
    elif codes & {"zero_offset", "constant_load", "wandering_zero"}:
        # zeros are as recorded, the channels may have been turned round since
        _zero(changed, plate.zero, -1.0 if "sign" in codes else 1.0)
    if "belt_clock" in codes:
        changed = _earlier(changed, next(f.value or 0.0 for f in plate.findings if f.code == "belt_clock"))
    if "belt_break" in codes:
        changed = _in_parts(changed, plate.belt_parts)
    return with_pressure(changed)


def _in_parts(stream: xr.Dataset, parts: Sequence[BeltPart]) -> xr.Dataset:
    """Return a belt with each part earlier by its own shift, and unknown about the breaks between them."""
    rate_hz, size = float(stream.attrs["rate_hz"]), stream.sizes["time"]
    whole = [_earlier(stream, 1e3 * part.late_s) for part in parts]
    changed: xr.Dataset = whole[0].copy()
    changed.attrs = dict(stream.attrs) | {"belt_late_parts_ms": [w.attrs["belt_late_ms"] for w in whole]}
    for name in [n for n in stream.data_vars if stream[n].dims[:1] == ("time",) and stream[n].dtype.kind == "f"]:
        values = np.full_like(np.asarray(stream[name].values), np.nan)
        for part, moved in zip(parts, whole):
            first = round((part.start_s + (PLACE_S if part.start_s > 0 else 0.0)) * rate_hz)
            last = size if part is parts[-1] else round((part.end_s - PLACE_S) * rate_hz)
            values[first:last] = np.asarray(moved[name].values)[first:last]
        changed[name] = (stream[name].dims, values, dict(stream[name].attrs))
    return changed


def _earlier(stream: xr.Dataset, milliseconds: float) -> xr.Dataset:
    """Return a stream whose samples lie earlier by a shift, in whole samples; those that nobody knows are missing."""
    by = round(1e-3 * milliseconds * float(stream.attrs["rate_hz"]))
    changed: xr.Dataset = stream.copy()
    changed.attrs = dict(stream.attrs) | {"belt_late_ms": 1e3 * by / float(stream.attrs["rate_hz"])}
    for name in [n for n in stream.data_vars if stream[n].dims[:1] == ("time",) and stream[n].dtype.kind == "f"]:
        values = np.asarray(stream[name].values)
        moved = np.full_like(values, np.nan)
        if by >= 0:
            moved[: len(values) - by] = values[by:]
        else:
            moved[-by:] = values[:by]
        changed[name] = (stream[name].dims, moved, dict(stream[name].attrs))
    return changed


def _turned(stream: xr.Dataset, code: str) -> xr.Dataset:
    """Return a plate with its horizontal force turned round, and where all axes are turned its moments as well."""
    upright = str(stream.attrs.get("vertical", ""))[1:]
    if code not in ("horizontal_sign", "half_turn", "forward") or not upright:
        return stream
    changed = stream.copy()
    changed.attrs = dict(stream.attrs)
    kinds = (FORCES,) if code == "horizontal_sign" else (FORCES, MOMENTS)
    for name in [n for names in kinds for n in names if n in stream and n[1] != upright]:
        _set(changed, name, -np.asarray(stream[name].values, dtype=np.float64))
    return with_pressure(changed)


def _set(stream: xr.Dataset, name: str, values: Floats) -> None:
    stream[name] = (stream[name].dims, values, dict(stream[name].attrs))


def _load_channels(stream: xr.Dataset) -> list[str]:
    return [name for name in (*FORCES, *MOMENTS) if name in stream]


def _turn_round(stream: xr.Dataset) -> None:
    for name in [*_load_channels(stream), *(["free_moment"] if "free_moment" in stream else [])]:
        _set(stream, name, -np.asarray(stream[name].values, dtype=np.float64))
    stream.attrs["sign"] = -int(stream.attrs.get("sign", 1))


def _zero(stream: xr.Dataset, zero: Mapping[str, float], turned: float) -> None:
    before = vertical_force(stream)
    for name in _load_channels(stream):
        if name in zero:
            _set(stream, name, np.asarray(stream[name].values, dtype=np.float64) - turned * zero[name])
    # as the vertical force shows it: which channel that is, and its sign, are known there only
    moved = before - vertical_force(stream)
    differences = moved[np.isfinite(moved)]
    offset = float(differences[0]) if differences.size else 0.0
    stream.attrs["zero_offset_n"] = float(stream.attrs.get("zero_offset_n", 0.0)) + turned * offset


def _detrend(stream: xr.Dataset, plate: PlateFindings) -> None:
    load, rate = vertical_force(stream), float(stream.attrs["rate_hz"])
    shifts = shifts_of(load, rate_hz=rate, weight_n=plate.body_weight_n)
    at = [shift.sample for shift in shifts]
    threshold = FLIGHT_THRESHOLD_BW * plate.body_weight_n
    flights = find_flights(without_shifts(load, shifts), rate_hz=rate, threshold_n=threshold)
    curve = drift_curve(load, flights, rate_hz=rate, shifts=at)
    # each channel by its own baseline, but at the flights of the vertical force, the only one that shows them
    for name in _load_channels(stream):
        values = np.asarray(stream[name].values, dtype=np.float64)
        _set(stream, name, values - drift_curve(values, flights, rate_hz=rate, shifts=at))
    stream.attrs["drift_range_n"] = float(np.ptp(curve))
    turned = float(stream.attrs.get("sign", 1))
    stream.attrs["zero_offset_n"] = float(stream.attrs.get("zero_offset_n", 0.0)) + turned * float(np.median(curve))


def with_pressure(stream: xr.Dataset) -> xr.Dataset:
    """Return the stream with CoP and free moment from its corrected channels, where these are all there."""
    corners = stream.attrs.get("corners_m")
    if corners is None or any(name not in stream for name in (*FORCES, *MOMENTS)):
        return stream
    force = np.stack([np.asarray(stream[n].values, dtype=np.float64) for n in FORCES], axis=1)
    moment = np.stack([np.asarray(stream[n].values, dtype=np.float64) for n in MOMENTS], axis=1)
    pressure = center_of_pressure(
        force,
        moment,
        corners_m=np.asarray(corners, dtype=np.float64),
        threshold_n=float(stream.attrs.get("cop_threshold_n", COP_THRESHOLD_N)),
        rate_hz=float(stream.attrs["rate_hz"]),
        cutoff_hz=float(stream.attrs.get("cop_filter_hz", 0.0)) or None,
        vertical=str(stream.attrs.get("vertical", "")),
    )
    new = {f"cop_{axis}": pressure.cop[:, k] for k, axis in enumerate("xyz")}
    for name, values in (new | {"free_moment": pressure.free_moment}).items():
        if name in stream:
            _set(stream, name, values)
    return stream
