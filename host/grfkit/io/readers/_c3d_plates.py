"""One plate of a C3D file: its channels zeroed, turned to global axes, with centre of pressure."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ... import units
from ...arrays import Floats
from ...errors import BadInputError
from ...formats.c3d import C3dFile
from ...formats.c3d_plates import PlateSpec, zero_frames
from ...records import Channel, make_stream
from ...signals import plates
from ..base import ReadOptions

_Column = tuple[str, Floats, str, str]
"""Name, values, their unit, and the unit of the file's own channels."""

ZERO_CHOICES = ("auto", "always", "never")
# FORCE_PLATFORM:ZERO is subtracted where mean and SD of the vertical force over its frames (N) stay below these; chosen
# by hand: drift of an unloaded plate is tens of newtons, a person standing is hundreds, and a moving one is not steady
_UNLOADED_N, _STEADY_N = 50.0, 10.0
# A subtracted mean below this (N) is not worth a note
_NOTABLE_N = 0.05
# A centre of pressure this many half-widths from the middle is beside the plate; more than this share of them is noted
_BESIDE, _BESIDE_SHARE = 1.1, 0.5
# The low-pass before the centre of pressure needs a cut-off below this share of the rate, with room to half of it
_CUTOFF_SHARE = 0.45
_UNVERIFIED = {
    5: "type 5 is decoded from the specification; no real file of it was at hand",
    6: "type 6 is decoded from the specification (channels Fx1 Fy1 Fz1 Fx2...); no real file was at hand",
    7: "type 7 is decoded from the specification; no real file of it was at hand",
}


def plate_stream(
    file: C3dFile, spec: PlateSpec, options: ReadOptions, heights_m: Floats | None, notes: list[str]
) -> xr.Dataset:
    """Return one plate's stream; what was assumed or corrected is added to ``notes``.

    Parameters
    ----------
    heights_m
        Shape (n, 3), global: marker positions, to tell which way is up; None where there are none.

    Raises
    ------
    BadInputError
        If the corners make no surface or no sample is finite; the text continues "plate n is not read: it".
    """
    frame = plates.plate_frame(spec.corners_m)
    turned = plates.to_global(_wrench(file, spec, options, notes), frame)
    vertical = plates.vertical_axis(frame, heights_m, file.parameters.text("POINT", "Y_SCREEN"))
    attrs = _attrs(spec, vertical)
    if not spec.moment_unit:
        return _stream(file, spec, _force_columns(turned, spec), attrs)
    cutoff = _cutoff(options, file, notes)
    pressure = plates.center_of_pressure(
        turned.force,
        turned.moment,
        corners_m=spec.corners_m,
        threshold_n=options.cop_threshold_n,
        rate_hz=file.analog_rate_hz,
        cutoff_hz=cutoff,
        vertical=vertical,
        polynomial=spec.polynomial,
    )
    attrs |= {"cop_threshold_n": float(options.cop_threshold_n), "cop_filter_hz": float(cutoff or 0.0)}
    if spec.polynomial is not None:
        attrs["cop_polynomial"] = [float(v) for v in spec.polynomial]
    notes += _outside(pressure.cop, spec, frame)
    return _stream(file, spec, _force_columns(turned, spec) + _other_columns(turned, pressure, spec), attrs)


def _attrs(spec: PlateSpec, vertical: str) -> dict[str, Any]:
    """Return the attributes of the plate's stream that describe the plate itself."""
    return {
        "corners_m": [float(v) for v in spec.corners_m],
        "origin_m": [float(v) for v in spec.origin_m],
        "plate_type": spec.plate_type,
        "vertical": vertical,
        "knows_feet": "",
        "unverified": _UNVERIFIED.get(spec.plate_type, ""),
    }


def analog_time(file: C3dFile) -> Floats:
    """Return the time (s) of the analog samples; frame 1 is time 0."""
    return np.asarray(file.start_s + np.arange(file.analog.shape[0]) / file.analog_rate_hz, dtype=np.float64)


def _outside(cop: Floats, spec: PlateSpec, frame: plates.PlateFrame) -> list[str]:
    """Return a note where most of the loaded samples press beside the plate: a unit or ORIGIN is wrong."""
    at = spec.corners_m.reshape(4, 3)
    half = np.asarray([np.linalg.norm(at[0] - at[1]), np.linalg.norm(at[0] - at[3])]) / 2.0
    local = np.abs((cop - frame.centre_m) @ frame.axes)[:, :2]
    local = local[np.isfinite(local).all(axis=1)]
    share = float(np.mean((local > _BESIDE * half).any(axis=1))) if local.shape[0] else 0.0
    if share <= _BESIDE_SHARE:
        return []
    return [
        f"plate {spec.number}: the centre of pressure is beside the plate in {100 * share:.0f} % of loaded"
        f" samples: check the zero, the unit of its moments ({spec.moment_unit}), its corners and ORIGIN"
    ]


def _force_columns(wrench: plates.Wrench, spec: PlateSpec) -> list[_Column]:
    """Return the forces in SI units, or in the unit of the raw values where that is no force's."""
    unit = units.parse_unit(spec.force_unit).canonical
    return [(f"f{a}", wrench.force[:, i], unit, spec.force_unit) for i, a in enumerate("xyz")]


def _other_columns(wrench: plates.Wrench, pressure: plates.Pressure, spec: PlateSpec) -> list[_Column]:
    columns = [(f"m{a}", wrench.moment[:, i], "N m", spec.moment_unit) for i, a in enumerate("xyz")]
    columns += [(f"cop_{a}", pressure.cop[:, i], "m", "m") for i, a in enumerate("xyz")]
    return [*columns, ("free_moment", pressure.free_moment, "N m", "N m")]


def _stream(file: C3dFile, spec: PlateSpec, columns: list[_Column], attrs: dict[str, Any]) -> xr.Dataset:
    raw = [file.analog_labels[c] for c in spec.channels]
    names = raw[:6] if len(raw) == 6 and spec.plate_type == 2 else []
    channels = [
        Channel(name, values, unit, "global", names[i] if i < len(names) else "")
        for i, (name, values, unit, _) in enumerate(columns)
    ]
    stream = make_stream(
        channels, analog_time(file), kind="force_plate", rate_hz=file.analog_rate_hz, stamp_source="index",
        attrs=attrs,
    )  # fmt: skip
    for name, _, _, stated in columns:
        stream[name].attrs["raw_units"] = stated
    return stream


def _wrench(file: C3dFile, spec: PlateSpec, options: ReadOptions, notes: list[str]) -> plates.Wrench:
    raw = file.analog[:, spec.channels]
    wrench = _si_wrench(_zeroed(file, spec, raw, options, notes), spec)
    peak = float(np.nanmax(np.abs(wrench.force))) if np.isfinite(wrench.force).any() else float("nan")
    if not np.isfinite(peak):
        raise BadInputError("has no finite force")
    return wrench


def _si_wrench(raw: Floats, spec: PlateSpec) -> plates.Wrench:
    """Return force (N) and moment (N m) in plate axes; lengths are brought to m where they enter.

    Forces that are counts, volts or of unknown unit stay that; without a moment unit the moments mean nothing.
    """
    force_factor = units.parse_unit(spec.force_unit).factor
    moment_factor = units.parse_unit(spec.moment_unit).factor if spec.moment_unit else 0.0
    if spec.plate_type == 1:
        scale = [force_factor] * 3 + [units.parse_unit(spec.length_unit).factor] * 2 + [moment_factor]
        return plates.plate_wrench(raw * np.asarray(scale), plate_type=1, origin_m=spec.origin_m)
    scale = [force_factor] * 3 + [moment_factor] * 3
    if spec.calibration is None:
        values = raw * (np.asarray(scale) if raw.shape[1] == 6 else force_factor)
        return plates.plate_wrench(values, plate_type=spec.plate_type, origin_m=spec.origin_m)
    rows = spec.calibration.shape[0]
    matrix = spec.calibration * (np.asarray(scale)[:, None] if rows == 6 else force_factor)
    return plates.plate_wrench(raw, plate_type=spec.plate_type, origin_m=spec.origin_m, calibration=matrix)


def _zeroed(file: C3dFile, spec: PlateSpec, raw: Floats, options: ReadOptions, notes: list[str]) -> Floats:
    """Return the channels less their mean over FORCE_PLATFORM:ZERO, where that was an unloaded plate."""
    frames, choice = zero_frames(file), options.extra.get("zero", "auto")
    if frames is None or choice == "never":
        return raw
    part = raw[frames[0] * file.per_frame : frames[1] * file.per_frame]
    where = f"plate {spec.number}: ZERO frames {frames[0] + file.first_frame}-{frames[1] + file.first_frame - 1}"
    always = "(from Python: read(path, ReadOptions(extra={'zero': 'always'})) subtracts them)"
    if not np.isfinite(part).all() or not part.size:
        notes.append(f"{where} hold missing samples and are not subtracted")
        return raw
    # judged in newtons: raw channels of type 3 or with a matrix say nothing of the load one by one
    load, unit = _si_wrench(part, spec).force[:, 2], units.parse_unit(spec.force_unit).canonical
    what = f"{where} (mean Fz {load.mean():.1f} {unit})"
    if choice == "auto" and unit != "N":
        notes.append(f"{what} may be loaded or not and are not subtracted {always}")
        return raw
    if choice == "auto" and (abs(load.mean()) > _UNLOADED_N or load.std() > _STEADY_N):
        notes.append(f"{what} look loaded and are not subtracted {always}")
        return raw
    if np.abs(load.mean()) > _NOTABLE_N:
        notes.append(f"{what} are subtracted, as the file says")
    return np.asarray(raw - part.mean(axis=0), dtype=np.float64)


def _cutoff(options: ReadOptions, file: C3dFile, notes: list[str]) -> float | None:
    if not options.cop_filter_hz:
        return None
    if options.cop_filter_hz < _CUTOFF_SHARE * file.analog_rate_hz:
        return options.cop_filter_hz
    note = (
        f"force is not filtered before the centre of pressure: {options.cop_filter_hz:g} Hz is too high"
        f" for {file.analog_rate_hz:g} Hz"
    )
    notes += [note] if note not in notes else []
    return None
