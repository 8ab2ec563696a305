"""C3D of any make, and Theia3D's C3D of rotations: plates, landmarks, analog channels and events."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ... import units
from ...errors import BadInputError
from ...formats.c3d import LARGEST_BYTES, C3dFile, parse_c3d
from ...formats.c3d_params import looks_like_c3d
from ...formats.c3d_plates import PlateSpec, plate_specs, zero_frames
from ...provenance import Provenance
from ...records import Channel, Floats, Recording, make_landmarks, make_recording, make_stream
from ...signals import plates
from ..base import Head, Match, Reader, ReadOptions

_EXTRA = ("plates", "zero")
_ZERO_CHOICES = ("auto", "always", "never")
_NOT_POSITIONS = ("ANGLES", "FORCES", "MOMENTS", "POWERS", "SCALARS", "REACTIONS")
_UNLOADED_N = 50.0
_STEADY_N = 10.0
_UNVERIFIED = {
    5: "type 5 is decoded from the specification; no real file of it was at hand",
    6: "type 6 is decoded from the specification (channels Fx1 Fy1 Fz1 Fx2...); no real file was at hand",
    7: "type 7 is decoded from the specification; no real file of it was at hand",
}


def sniff(head: Head) -> Match:
    """Return whether the head is a C3D header."""
    if looks_like_c3d(head.data):
        return Match(0.95 if head.path.suffix.lower() == ".c3d" else 0.8, "byte 2 is the C3D key 0x50")
    return Match(0.0, "byte 2 is not the C3D key 0x50")


def read(path: Path, options: ReadOptions) -> Recording:
    """Return plates, landmarks, analog channels and events of a C3D file.

    Forces and moments are in the file's global axes with the file's own sign (on the plate or on the foot:
    the file decides); moments are about the centre of each plate's surface. ``options.extra``: ``plates`` (a
    TOML file or parsed tables that describe the plates in place of the file's) and ``zero`` (``"auto"``:
    FORCE_PLATFORM:ZERO is subtracted where the plate was unloaded and steady; ``"always"``, ``"never"``).

    Raises
    ------
    BadInputError
        If the file is no C3D, broken, cut, larger than 4 GB, or holds nothing that can be read.
    """
    _check_options(options)
    size = path.stat().st_size
    if size > LARGEST_BYTES:
        raise BadInputError(f"has {size / 2**30:.1f} GB, more than 4 GB; cut it into shorter trials")
    file = parse_c3d(path.read_bytes(), rate_hz=options.rate_hz)
    notes = list(file.notes)
    specs, remarks = _specs(file, options)
    notes += remarks
    streams: dict[str, xr.Dataset] = {}
    for spec in specs:
        try:
            streams[f"plate_{spec.number}"] = _plate(file, spec, options, notes)
        except BadInputError as error:
            notes.append(f"plate {spec.number} is not read: it {error}")
    used = {channel for spec in specs if f"plate_{spec.number}" in streams for channel in spec.channels}
    streams |= _landmarks(file, notes) | _segments(file, notes) | _analog(file, used, notes)
    if not streams:
        raise BadInputError(
            "holds no point, rotation or analog channel" + "".join(f"; {n}" for n in notes[:2])
        )
    recording = make_recording(
        streams, device=_device(file), reader=READER.name, provenance=Provenance(), notes=notes
    )
    recording.tree.attrs["events"] = json.dumps([dataclasses.asdict(event) for event in file.events])
    return recording


def _check_options(options: ReadOptions) -> None:
    unknown = sorted(set(options.extra) - set(_EXTRA))
    if unknown:
        raise BadInputError(
            f"option '{unknown[0]}' is not known to the C3D reader; it knows {', '.join(_EXTRA)}"
        )
    if options.extra.get("zero", "auto") not in _ZERO_CHOICES:
        raise BadInputError(
            f"option zero is '{options.extra['zero']}', expected one of {', '.join(_ZERO_CHOICES)}"
        )


def _specs(file: C3dFile, options: ReadOptions) -> tuple[list[PlateSpec], list[str]]:
    specs, notes = plate_specs(file)
    if not specs and not notes and file.analog.shape[1]:
        notes.append(
            f"{file.analog.shape[1]} analog channels but FORCE_PLATFORM describes no plate:"
            " describe the plates in a TOML file and pass it as option 'plates'"
        )
    return specs, notes


def _plate(file: C3dFile, spec: PlateSpec, options: ReadOptions, notes: list[str]) -> xr.Dataset:
    frame = plates.plate_frame(spec.corners_m)
    wrench = _wrench(file, spec, options, notes)
    turned = plates.to_global(wrench, frame)
    vertical = plates.vertical_axis(frame, _marker_heights(file), _screen_up(file))
    cutoff = _cutoff(options, file, notes)
    pressure = plates.center_of_pressure(
        turned.force,
        turned.moment,
        corners_m=spec.corners_m,
        threshold_n=options.cop_threshold_n,
        rate_hz=file.analog_rate_hz,
        cutoff_hz=cutoff,
        vertical=vertical,
    )
    cop = _corrected(pressure.cop, spec, frame)
    attrs: dict[str, Any] = {
        "corners_m": [float(v) for v in spec.corners_m],
        "origin_m": [float(v) for v in spec.origin_m],
        "plate_type": spec.plate_type,
        "vertical": vertical,
        "knows_feet": "",
        "cop_threshold_n": float(options.cop_threshold_n),
        "cop_filter_hz": float(cutoff or 0.0),
        "unverified": _UNVERIFIED.get(spec.plate_type, ""),
    }
    return _plate_stream(file, spec, turned, cop, pressure.free_moment, attrs)


def _plate_stream(
    file: C3dFile, spec: PlateSpec, wrench: plates.Wrench, cop: Floats, free: Floats, attrs: dict[str, Any]
) -> xr.Dataset:
    columns = [(f"f{a}", wrench.force[:, i], "N") for i, a in enumerate("xyz")]
    columns += [(f"m{a}", wrench.moment[:, i], "N m") for i, a in enumerate("xyz")]
    columns += [(f"cop_{a}", cop[:, i], "m") for i, a in enumerate("xyz")] + [("free_moment", free, "N m")]
    raw = [file.analog_labels[c] for c in spec.channels]
    names = raw[:6] if len(raw) == 6 and spec.plate_type == 2 else []
    channels = [
        Channel(name, values, unit, "global", names[i] if i < len(names) else "")
        for i, (name, values, unit) in enumerate(columns)
    ]
    return make_stream(
        channels, _analog_time(file), kind="force_plate", rate_hz=file.analog_rate_hz, stamp_source="index",
        attrs=attrs,
    )  # fmt: skip


def _wrench(file: C3dFile, spec: PlateSpec, options: ReadOptions, notes: list[str]) -> plates.Wrench:
    raw = file.analog[:, spec.channels]
    wrench = _si_wrench(_zeroed(file, spec, raw, options, notes), spec)
    peak = float(np.nanmax(np.abs(wrench.force))) if np.isfinite(wrench.force).any() else float("nan")
    if not np.isfinite(peak):
        raise BadInputError("has no finite force")
    return wrench


def _si_wrench(raw: Floats, spec: PlateSpec) -> plates.Wrench:
    """Return force (N) and moment (N m) in plate axes; lengths are brought to m where they enter."""
    force_factor = units.parse_unit(spec.force_unit).factor
    moment_factor = units.parse_unit(spec.moment_unit).factor
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
    frames, choice = zero_frames(file.parameters), options.extra.get("zero", "auto")
    if frames is None or choice == "never":
        return raw
    per_frame = max(1, file.header.analog_per_frame)
    part = raw[frames[0] * per_frame : frames[1] * per_frame]
    if not np.isfinite(part).all() or not part.size:
        notes.append(f"plate {spec.number}: ZERO names frames {frames[0] + 1}-{frames[1]}, which it has not")
        return raw
    load = _si_wrench(part, spec).force[:, 2]
    what = f"plate {spec.number}: ZERO frames {frames[0] + 1}-{frames[1]} (mean Fz {load.mean():.1f} N)"
    if choice == "auto" and (abs(load.mean()) > _UNLOADED_N or load.std() > _STEADY_N):
        notes.append(f"{what} look loaded and are not subtracted (option zero = 'always' subtracts them)")
        return raw
    if np.abs(load.mean()) > 0.05:
        notes.append(f"{what} are subtracted, as the file says")
    return np.asarray(raw - part.mean(axis=0), dtype=np.float64)


def _corrected(cop: Floats, spec: PlateSpec, frame: plates.PlateFrame) -> Floats:
    if spec.polynomial is None:
        return cop
    factor = units.parse_unit(spec.length_unit).factor
    local = (cop - frame.centre_m) @ frame.axes / factor
    moved = plates.kistler_cop_correction(local, spec.polynomial) * factor
    return np.asarray(moved @ frame.axes.T + frame.centre_m, dtype=np.float64)


def _cutoff(options: ReadOptions, file: C3dFile, notes: list[str]) -> float | None:
    if not options.cop_filter_hz:
        return None
    if options.cop_filter_hz < 0.45 * file.analog_rate_hz:
        return options.cop_filter_hz
    note = (
        f"force is not filtered before the centre of pressure: {options.cop_filter_hz:g} Hz is too high"
        f" for {file.analog_rate_hz:g} Hz"
    )
    notes += [note] if note not in notes else []
    return None


def _landmarks(file: C3dFile, notes: list[str]) -> dict[str, xr.Dataset]:
    kept = _positions(file)
    left_out = len(file.point_labels) - len(kept)
    if left_out:
        notes.append(f"{left_out} points are angles, forces, moments or powers, not positions: left out")
    if not kept:
        return {}
    labels = _unique([file.point_labels[i] for i in kept], "point", notes)
    unit = _length(file, notes)
    time = file.start_s + np.arange(file.points.shape[0]) / file.point_rate_hz
    return {
        "landmarks": make_landmarks(file.points[:, kept], labels, time, unit=unit, rate_hz=file.point_rate_hz)
    }


def _positions(file: C3dFile) -> list[int]:
    others = {label for group in _NOT_POSITIONS for label in file.parameters.texts("POINT", group)} - {""}
    return [i for i, label in enumerate(file.point_labels) if label not in others]


def _segments(file: C3dFile, notes: list[str]) -> dict[str, xr.Dataset]:
    """Return the origins of Theia's segments as landmarks, in the file's unit of points."""
    if not file.rotation_labels:
        return {}
    notes.append(
        f"this is ROTATION data (Theia3D): the origins of {len(file.rotation_labels)} segments are read"
        " as landmarks, their directions are not"
    )
    names = [re.sub(r"_4x4$", "", label, flags=re.IGNORECASE) for label in file.rotation_labels]
    origins = file.rotations[:, :, :3, 3]
    time = file.start_s + np.arange(origins.shape[0]) / file.rotation_rate_hz
    stream = make_landmarks(
        origins,
        _unique(names, "segment", notes),
        time,
        unit=_length(file, notes),
        rate_hz=file.rotation_rate_hz,
        attrs={"source": "theia3d rotations"},
    )
    return {"segments" if _positions(file) else "landmarks": stream}


def _analog(file: C3dFile, used: set[int], notes: list[str]) -> dict[str, xr.Dataset]:
    kept = [c for c in range(file.analog.shape[1]) if c not in used]
    if not kept:
        return {}
    names = _unique([_plain(file.analog_labels[c]) for c in kept], "analog channel", notes)
    strange = [c for c in kept if not _is_unit(file.analog_units[c])]
    if strange:
        shown = ", ".join(f"{file.analog_labels[c]} ('{file.analog_units[c]}')" for c in strange[:4])
        more = f" and {len(strange) - 4} more" if len(strange) > 4 else ""
        notes.append(
            f"the unit of {len(strange)} analog channels is not known and kept as 'unknown': {shown}{more}"
        )
    channels = [
        Channel(
            name,
            file.analog[:, c],
            "unknown" if c in strange else file.analog_units[c],
            "raw",
            file.analog_labels[c],
        )
        for name, c in zip(names, kept)
    ]
    stream = make_stream(
        channels, _analog_time(file), kind="analog", rate_hz=file.analog_rate_hz, stamp_source="index"
    )
    return {"analog": stream}


def _unique(labels: Sequence[str], what: str, notes: list[str]) -> list[str]:
    """Return the labels with repeats numbered (``LASI``, ``LASI_2``), and note that."""
    taken: set[str] = set()
    renamed: list[str] = []
    found: list[str] = []
    for label in labels:
        name, number = label, 1
        while name in taken:
            number += 1
            name = f"{label}_{number}"
        if number > 1:
            renamed.append(name)
        taken.add(name)
        found.append(name)
    if renamed:
        shown = ", ".join(renamed[:6]) + (" ..." if len(renamed) > 6 else "")
        notes.append(f"{len(renamed)} {what} labels stand twice and are numbered: {shown}")
    return found


def _plain(label: str) -> str:
    name = re.sub(r"\W+", "_", label.strip().lower()).strip("_")
    return f"{name}_" if name in ("", "time", "time_raw") else name


def _is_unit(name: str) -> bool:
    try:
        units.parse_unit(name)
    except BadInputError:
        return False
    return True


def _length(file: C3dFile, notes: list[str]) -> str:
    if _is_unit(file.point_unit) and units.parse_unit(file.point_unit).canonical == "m":
        return file.point_unit
    finite = np.abs(np.concatenate([file.points.ravel(), file.rotations[..., :3, 3].ravel()]))
    finite = finite[np.isfinite(finite)]
    unit = "m" if finite.size and np.percentile(finite, 99) < 20.0 else "mm"
    notes.append(
        f"POINT:UNITS is '{file.point_unit}', no length: positions are taken as {unit} by their size"
    )
    return unit


def _marker_heights(file: C3dFile) -> Floats | None:
    kept = _positions(file)
    if not kept or not _is_unit(file.point_unit):
        return None
    step = max(1, file.points.shape[0] // 50)
    some = file.points[::step][:, kept].reshape(-1, 3)
    return np.asarray(some * units.parse_unit(file.point_unit).factor, dtype=np.float64)


def _screen_up(file: C3dFile) -> str:
    return file.parameters.text("POINT", "Y_SCREEN").lower()


def _analog_time(file: C3dFile) -> Floats:
    return np.asarray(file.start_s + np.arange(file.analog.shape[0]) / file.analog_rate_hz, dtype=np.float64)


def _device(file: C3dFile) -> str:
    parts = [file.parameters.text("MANUFACTURER", key) for key in ("COMPANY", "SOFTWARE")]
    return " ".join(dict.fromkeys(part for part in parts if part)) or "motion capture (C3D)"


READER = Reader(name="c3d", title="C3D", suffixes=(".c3d",), sniff=sniff, read=read)
