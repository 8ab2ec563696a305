"""C3D of any make, and Theia3D's C3D of rotations: plates, landmarks, analog channels and events."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from ... import units
from ...arrays import Floats
from ...errors import BadInputError
from ...formats.c3d import LARGEST_BYTES, C3dFile, parse_c3d
from ...formats.c3d_params import has_processor, looks_like_c3d
from ...formats.c3d_plates import PlateSpec, plate_specs
from ...formats.c3d_plates_toml import plates_by_hand, specs_by_hand
from ...provenance import Provenance
from ...records import Channel, Recording, make_landmarks, make_recording, make_stream
from ..base import Head, Match, Reader, ReadOptions
from ._c3d_plates import ZERO_CHOICES, analog_time, plate_stream

_EXTRA = ("plates", "zero", "force_unit", "moment_unit")
# Frames whose markers say which way is up; chosen by hand
_HEIGHT_FRAMES = 50
# Coordinates whose percentile is below this are in m; chosen by hand: a laboratory in m, a few cm in mm
_PERCENT, _LARGEST_M = 99, 20.0
# Groups of POINT whose labels name model outputs and not places
_NOT_POSITIONS = ("ANGLES", "FORCES", "MOMENTS", "POWERS", "SCALARS", "REACTIONS")


def sniff(head: Head) -> Match:
    """Return whether the head is a C3D header."""
    data = head.data.lstrip(b"\0")  # some writers leave zeros before the header
    if looks_like_c3d(data) and has_processor(data):
        return Match(0.95, "byte 2 is the C3D key 0x50 and its parameters name a processor")
    if looks_like_c3d(data) and head.path.suffix.lower() == ".c3d":
        return Match(0.9, "byte 2 is the C3D key 0x50")
    if looks_like_c3d(data):
        return Match(0.0, "byte 2 is the C3D key 0x50, but no C3D parameters follow")
    return Match(0.0, "byte 2 is not the C3D key 0x50")


def read(path: Path, options: ReadOptions) -> Recording:
    """Return plates, landmarks, analog channels and events of a C3D file.

    Forces and moments are in the file's global axes with the file's own sign (on the plate or on the foot:
    the file decides); moments are about the centre of each plate's surface. ``options.extra``: ``plates`` (a
    TOML file or parsed tables that describe the plates in place of the file's) and ``zero`` (``"auto"``:
    FORCE_PLATFORM:ZERO is subtracted where the plate was unloaded and steady; ``"always"``, ``"never"``);
    ``force_unit`` and ``moment_unit`` of plate channels, where ANALOG:UNITS does not say them, or wrongly. A plate
    whose channels are in counts, volts or no unit holds its forces as such, and nothing else.

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
    heights = _marker_heights(file)
    for spec in specs:
        try:
            streams[f"plate_{spec.number}"] = plate_stream(file, spec, options, heights, notes)
        except BadInputError as error:
            notes.append(f"plate {spec.number} is not read: it {error}")
    used = {channel for spec in specs if f"plate_{spec.number}" in streams for channel in spec.channels}
    streams |= _landmarks(file, notes) | _segments(file, notes) | _analog(file, used, notes)
    if not streams:
        raise BadInputError("holds no point, rotation or analog channel" + "".join(f"; {n}" for n in notes[:2]))
    recording = make_recording(
        streams, device=_device(file), reader=READER.name, provenance=Provenance(), notes=_together(notes)
    )
    recording.tree.attrs["events"] = json.dumps([dataclasses.asdict(event) for event in file.events])
    return recording


def _check_options(options: ReadOptions) -> None:
    unknown = sorted(set(options.extra) - set(_EXTRA))
    if unknown:
        raise BadInputError(f"option '{unknown[0]}' is not known to the C3D reader; it knows {', '.join(_EXTRA)}")
    if options.extra.get("zero", "auto") not in ZERO_CHOICES:
        raise BadInputError(f"extra 'zero' is '{options.extra['zero']}', expected one of {', '.join(ZERO_CHOICES)}")
    for key, quantity in (("force_unit", "N"), ("moment_unit", "N m")):
        if key in options.extra:
            units.require(str(options.extra[key]), quantity, what=f"extra '{key}'")


def _specs(file: C3dFile, options: ReadOptions) -> tuple[list[PlateSpec], list[str]]:
    if "plates" in options.extra:
        return specs_by_hand(plates_by_hand(options.extra["plates"]), file)
    stated = {key: str(options.extra[key]) for key in ("force_unit", "moment_unit") if key in options.extra}
    specs, notes = plate_specs(file, **stated)
    if not specs and not notes and file.analog.shape[1]:
        notes.append(
            f"{file.analog.shape[1]} analog channels but FORCE_PLATFORM describes no plate:"
            " describe the plates in a TOML file and name it with --plates FILE"
            " (ReadOptions(extra={'plates': FILE}) in Python)"
        )
    return specs, notes


def _marker_heights(file: C3dFile) -> Floats | None:
    """Return some frames of all positions (m), by which the upward direction at a plate is found."""
    positions = _positions(file)
    if not positions or not units.is_unit(file.point_unit):
        return None
    step = max(1, file.points.shape[0] // _HEIGHT_FRAMES)
    some = file.points[::step][:, positions].reshape(-1, 3)
    return np.asarray(some * units.parse_unit(file.point_unit).factor, dtype=np.float64)


def _together(notes: Sequence[str]) -> list[str]:
    """Return the notes, those with the same text about several plates joined into one."""
    plates: dict[str, list[str]] = {}
    for note in notes:
        match = re.match(r"plate (\d+): (.*)", note)
        plates.setdefault(match[2] if match else f"={note}", []).append(match[1] if match else "")
    return [
        text[1:] if text.startswith("=") else f"plate{'s' if len(who) > 1 else ''} {', '.join(who)}: {text}"
        for text, who in plates.items()
    ]


def _landmarks(file: C3dFile, notes: list[str]) -> dict[str, xr.Dataset]:
    positions = _positions(file)
    left_out = len(file.point_labels) - len(positions)
    if left_out:
        notes.append(f"{left_out} points are angles, forces, moments or powers, not positions: left out")
    if not positions:
        return {}
    labels = _unique([file.point_labels[i] for i in positions], "point", notes)
    unit = _length(file, notes)
    time = file.start_s + np.arange(file.points.shape[0]) / file.point_rate_hz
    return {"landmarks": make_landmarks(file.points[:, positions], labels, time, unit=unit, rate_hz=file.point_rate_hz)}


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
    columns = [c for c in range(file.analog.shape[1]) if c not in used]
    if not columns:
        return {}
    names = _unique([_plain(file.analog_labels[c]) for c in columns], "analog channel", notes)
    strange = [c for c in columns if not units.is_unit(file.analog_units[c])]
    if strange:
        examples = ", ".join(f"{file.analog_labels[c]} ('{file.analog_units[c]}')" for c in strange[:4])
        more = f" and {len(strange) - 4} more" if len(strange) > 4 else ""
        notes.append(f"the unit of {len(strange)} analog channels is not known and kept as 'unknown': {examples}{more}")
    channels = [
        Channel(
            name,
            file.analog[:, c],
            "unknown" if c in strange else file.analog_units[c],
            "raw",
            file.analog_labels[c],
        )
        for name, c in zip(names, columns)
    ]
    stream = make_stream(channels, analog_time(file), kind="analog", rate_hz=file.analog_rate_hz, stamp_source="index")
    return {"analog": stream}


def _unique(labels: Sequence[str], what: str, notes: list[str]) -> list[str]:
    """Return the labels with repeats numbered (``LASI``, ``LASI_2``), and note that."""
    used: set[str] = set()
    renamed: list[str] = []
    names: list[str] = []
    for label in labels:
        name, number = label, 1
        while name in used:
            number += 1
            name = f"{label}_{number}"
        if number > 1:
            renamed.append(name)
        used.add(name)
        names.append(name)
    if renamed:
        examples = ", ".join(renamed[:6]) + (" ..." if len(renamed) > 6 else "")
        notes.append(f"{len(renamed)} {what} labels stand twice and are numbered: {examples}")
    return names


def _plain(label: str) -> str:
    name = re.sub(r"\W+", "_", label.strip().lower()).strip("_")
    return f"{name}_" if name in ("", "time", "time_raw") else name


def _length(file: C3dFile, notes: list[str]) -> str:
    if units.is_unit(file.point_unit, "m"):
        return file.point_unit
    finite = np.abs(np.concatenate([file.points.ravel(), file.rotations[..., :3, 3].ravel()]))
    finite = finite[np.isfinite(finite)]
    unit = "m" if finite.size and np.percentile(finite, _PERCENT) < _LARGEST_M else "mm"
    notes.append(f"POINT:UNITS is '{file.point_unit}', no length: positions are taken as {unit} by their size")
    return unit


def _device(file: C3dFile) -> str:
    parts = [file.parameters.text("MANUFACTURER", key) for key in ("COMPANY", "SOFTWARE")]
    return " ".join(dict.fromkeys(part for part in parts if part)) or "motion capture (C3D)"


READER = Reader(name="c3d", title="C3D", suffixes=(".c3d",), sniff=sniff, read=read, uses=("rate_hz",))
