"""OpenSim .mot and .sto files: ground reactions as plates, everything else as analog channels."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import xarray as xr

from ...formats.opensim import GroundReactionColumns, StorageFile, parse_storage, plate_columns
from ...records import Channel, Recording, make_stream
from ..base import Head, Match, Reader, ReadOptions
from ..files import check_time, file_recording, plate_attrs, read_text, refuse_extra, snake

# Only a foot that presses harder than this (N) has a point of force to judge by; chosen by hand
_LOADED_N = 50.0
# A point farther from the origin than this (m) is in mm; chosen by hand: no laboratory is larger
_FARTHEST_M = 20.0


def _sniff(head: Head) -> Match:
    lines = [line.strip().lower() for line in head.lines(200)]
    if "endheader" not in lines:
        return Match(0.0, "has no line 'endheader'")
    return Match(0.95, f"line {lines.index('endheader') + 1} is 'endheader', as in every OpenSim storage file")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "opensim")
    parsed = parse_storage(read_text(path))
    check_time(parsed.time)
    notes = list(parsed.notes)
    plates = plate_columns(parsed.labels)
    streams = {f"plate_{i + 1}": _plate(parsed, plate, i + 1, notes) for i, plate in enumerate(plates)}
    used = {i for plate in plates for axes in (plate.force, plate.point, plate.torque) for i in axes.values()}
    rest = [i for i in range(len(parsed.labels)) if i not in used]
    if rest:
        streams["analog"] = _analog(parsed, rest, notes)
    return file_recording(path, streams, device="OpenSim", reader="opensim", notes=notes)


def _plate(parsed: StorageFile, plate: GroundReactionColumns, number: int, notes: list[str]) -> xr.Dataset:
    in_mm = _in_mm(parsed, plate)
    if in_mm:
        notes.append(
            f"plate {number}: in m, as OpenSim files are, its point of force lies beyond {_FARTHEST_M:g} m;"
            " it is taken as mm and its torque as N mm"
        )
    channels = [_channel(parsed, f"f{axis}", index, "N") for axis, index in sorted(plate.force.items())]
    for axis, index in sorted(plate.point.items()):
        channels.append(_channel(parsed, f"cop_{axis}", index, "mm" if in_mm else "m"))
    up = "" if plate.axes_of_c3d else "y"
    for axis, index in sorted(plate.torque.items()):
        name = "free_moment" if axis == up else f"torque_{axis}"
        channels.append(_channel(parsed, name, index, "N mm" if in_mm else "N m"))
    return make_stream(
        channels,
        parsed.time,
        kind="force_plate",
        stamp_source="index",
        attrs=plate_attrs(vertical="" if plate.axes_of_c3d else "+y", knows_feet=plate.foot),
    )


def _in_mm(parsed: StorageFile, plate: GroundReactionColumns) -> bool:
    """Return whether the point of a loaded plate lies so far away that metres cannot be its unit."""
    if not plate.point:
        return False
    force = np.linalg.norm(parsed.table[:, list(plate.force.values())], axis=1)
    points = np.abs(parsed.table[:, list(plate.point.values())]).max(axis=1)
    loaded = points[(force > _LOADED_N) & np.isfinite(points)]
    return bool(loaded.size and np.median(loaded) > _FARTHEST_M)


def _channel(parsed: StorageFile, name: str, index: int, unit: str) -> Channel:
    return Channel(name, parsed.table[:, index], unit, "global", parsed.labels[index])


def _analog(parsed: StorageFile, columns: list[int], notes: list[str]) -> xr.Dataset:
    """Return the columns that are no plate's; a model's coordinates in rad and m, others of unknown unit."""
    coordinates = any(re.search(r"(^|/)pelvis_", parsed.labels[i]) for i in columns)
    channels = []
    for index in columns:
        label = parsed.labels[index]
        unit = "unknown"
        if coordinates and parsed.in_degrees is not None:
            moves = re.search(r"_t[xyz](/value)?$", label)
            unit = "m" if moves else ("deg" if parsed.in_degrees else "rad")
        channels.append(Channel(snake(label), parsed.table[:, index], unit, "raw", label))
    if coordinates and parsed.in_degrees is not None:
        notes.append(
            "model coordinates: names that end in _tx, _ty, _tz are metres, the others"
            f" {'degrees' if parsed.in_degrees else 'radians'} (inDegrees={parsed.header['indegrees']})"
        )
    return make_stream(channels, parsed.time, kind="analog", stamp_source="index")


READER = Reader("opensim", "OpenSim motion or storage", (".mot", ".sto"), _sniff, _read)
