"""OpenSim .mot and .sto files: ground reactions as plates, everything else as analog channels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from ...formats.opensim import StorageFile, bare, parse_storage
from ...formats.opensim_columns import GroundReactionColumns, forces_note, plate_columns, unplaced_forces
from ...records import Channel, Recording, make_stream
from ..base import Head, Match, Reader, ReadOptions
from ..files import check_time, file_recording, plate_attrs, read_text, refuse_extra, snake

# Only a foot that presses harder than this (N) has a point of force to judge by; chosen by hand
_LOADED_N = 50.0
# A point farther from the origin than this (m) is in mm; chosen by hand: no laboratory is larger
_FARTHEST_M = 20.0


def _sniff(head: Head) -> Match:
    lines = [bare(line).lower() for line in head.lines(200)]
    if "endheader" not in lines:
        return Match(0.0, "has no line 'endheader'")
    return Match(0.95, f"line {lines.index('endheader') + 1} is 'endheader', as in every OpenSim storage file")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "opensim")
    parsed = parse_storage(read_text(path), allow_short=options.allow_short)
    check_time(parsed.time)
    notes = list(parsed.notes)
    plates = plate_columns(parsed.labels)
    in_mm = _in_mm(parsed, plates)
    if in_mm:
        notes.append(
            f"in m, as OpenSim files are, points of force lie beyond {_FARTHEST_M:g} m; those of all plates are taken"
            " as mm and their torques as N mm"
        )
    streams = {f"plate_{i + 1}": _plate(parsed, plate, in_mm=in_mm) for i, plate in enumerate(plates)}
    used = {index for plate in plates for index in plate.indices()}
    if unplaced := unplaced_forces(parsed.labels, used):
        notes.append(forces_note(unplaced))
    rest = [i for i in range(len(parsed.labels)) if i not in used]
    if rest:
        streams["analog"] = _analog(parsed, rest, notes)
    return file_recording(path, streams, device="OpenSim", reader="opensim", notes=notes)


def _plate(parsed: StorageFile, plate: GroundReactionColumns, *, in_mm: bool) -> xr.Dataset:
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


def _in_mm(parsed: StorageFile, plates: Sequence[GroundReactionColumns]) -> bool:
    """Return whether the point of a loaded plate lies so far away that metres cannot be the file's unit.

    One file has one unit: a plate at the origin of the laboratory has small numbers in mm as well.
    """
    for plate in plates:
        if not plate.point:
            continue
        force = np.linalg.norm(parsed.table[:, list(plate.force.values())], axis=1)
        points = np.abs(parsed.table[:, list(plate.point.values())]).max(axis=1)
        loaded = points[(force > _LOADED_N) & np.isfinite(points)]
        if loaded.size and np.median(loaded) > _FARTHEST_M:
            return True
    return False


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


READER = Reader("opensim", "OpenSim motion or storage", (".mot", ".sto"), _sniff, _read, ("allow_short",))
