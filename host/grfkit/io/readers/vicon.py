"""Vicon Nexus' ASCII export: force plates and analog channels of its devices, trajectories, model outputs.

Read in files with ``Devices`` (EMG, other voltages) and ``Trajectories`` of pyomeca's tests (Apache-2); the columns of
force plates (``FP1 - Force``, ``- Moment``, ``- CoP``) are as readers of others describe them (PeggyS/vicon_insoles,
PaulT95/Import_Vicon_Data) and are marked unverified.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import xarray as xr

from ... import units
from ...errors import BadInputError
from ...formats.csv_generic import choose_columns
from ...formats.vicon import DEVICES, TRAJECTORIES, NexusSection, parse_nexus, section_starts
from ...records import Channel, Recording, make_landmarks, make_stream
from ..base import Head, Match, Reader, ReadOptions
from ..files import check_extent, file_recording, plate_attrs, read_text, refuse_extra, snake
from ..table_streams import streams_of

_UNVERIFIED = "layout of Nexus' force plates from others' readers, no real file"
_PLATE = re.compile(r"(?P<device>.+) - (?P<what>Force|Moment|CoP)", re.IGNORECASE)
_CHANNELS = {
    "force": {"fx": "fx", "fy": "fy", "fz": "fz"},
    "moment": {"mx": "mx", "my": "my", "mz": "mz"},
    "cop": {"cx": "cop_x", "cy": "cop_y", "cz": "cop_z"},
}
# Lines of a file's head looked at, chosen by hand: events may stand above the first section
_LOOKED_AT = 400
_QUANTITY = {"force": "N", "moment": "N m", "cop": "m"}


def _sniff(head: Head) -> Match:
    lines = head.lines(_LOOKED_AT)
    for index, kind in section_starts(lines):
        following = lines[index + 3 : index + 4]
        if following and re.match(r'"?Frame"?\s*[,;\t]\s*"?Sub Frame', following[0]):
            return Match(0.98, f"line {index + 1} is '{kind}', with a rate and 'Frame', 'Sub Frame' below it")
    return Match(0.0, "has no line 'Devices' or 'Trajectories' with a rate and 'Frame', 'Sub Frame' below it")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "vicon")
    sections = parse_nexus(read_text(path))
    notes = [note for section in sections for note in section.notes]
    streams: dict[str, xr.Dataset] = {}
    _refuse_absent(sections, options.column_map)
    for section in sections:
        if section.kind == DEVICES:
            made = _devices(section, options.column_map, notes)
        elif section.kind == TRAJECTORIES:
            made = _trajectories(section, notes)
        else:
            made = {snake(section.kind): _analog(section, range(len(section.names)))}
        if twice := sorted(made.keys() & streams.keys()):
            raise BadInputError(f"has two sections '{section.kind}', both with '{twice[0]}'; export them apart")
        streams |= made
    if not streams:
        raise BadInputError("holds no column but frame numbers")
    return file_recording(path, streams, device="Vicon Nexus", reader="vicon", notes=notes)


def _refuse_absent(sections: list[NexusSection], column_map: dict[str, str]) -> None:
    labels = [label for section in sections if section.kind == DEVICES for label in section.labels]
    absent = [name for name in column_map if name not in labels]
    if absent:
        have = ", ".join(f"'{label}'" for label in labels[:12]) + (", ..." if len(labels) > 12 else "")
        raise BadInputError(f"the column map names '{absent[0]}', but the columns of its devices are {have or 'none'}")


def _devices(section: NexusSection, column_map: dict[str, str], notes: list[str]) -> dict[str, xr.Dataset]:
    """Return a stream for each force plate, those of a column map's names, and the rest as analog channels."""
    mine = {label: name for label, name in column_map.items() if label in section.labels}
    mapped = choose_columns(section.labels, mine, [], units_row=section.units) if mine else []
    mapped = [(index, column) for index, column in mapped if column.raw in mine]
    streams: dict[str, xr.Dataset] = {}
    if mapped:
        at = [index for index, _ in mapped]
        columns = [column for _, column in mapped]
        streams = streams_of(columns, section.table[:, at], section.time, "s", section.rate_hz, notes)
    taken = {index for index, _ in mapped}
    number = 0
    for device, columns_of in _plates(section, taken).items():
        number += 1
        while f"plate_{number}" in streams:
            number += 1
        streams[f"plate_{number}"] = _plate(section, device, columns_of)
        taken |= set(columns_of.values())
    if number:
        notes.append(
            "axes and signs of force plates are as Nexus exported them; the loaded axis and its sign are taken from the"
            " force itself"
        )
    rest = [i for i in range(len(section.names)) if i not in taken and section.components[i]]
    if rest:
        streams["analog"] = _analog(section, rest)
        notes += _without_unit(section, rest)
    return streams


def _without_unit(section: NexusSection, columns: list[int]) -> list[str]:
    """Return a note on forces and moments that are no plate's since their unit is not stated."""
    plates = [i for i in columns if _PLATE.fullmatch(section.names[i]) and not section.units[i]]
    if not plates:
        return []
    return [
        f"{len(plates)} columns of force plates state no unit and are analog channels, no plate; export them with their"
        f' row of units, or state it in a column map, e.g. "{section.labels[plates[0]]}" = "fx [N]"'
    ]


def _plates(section: NexusSection, taken: set[int]) -> dict[str, dict[str, int]]:
    """Return the columns of each device with all three forces in a unit of force: device -> channel -> column."""
    found: dict[str, dict[str, int]] = {}
    for index, (name, part) in enumerate(zip(section.names, section.components)):
        match = _PLATE.fullmatch(name)
        channel = _CHANNELS[match["what"].lower()].get(part.lower()) if match else None
        if match and channel and index not in taken and units.is_unit(section.units[index] or "?"):
            if units.parse_unit(section.units[index]).canonical != _QUANTITY[match["what"].lower()]:
                continue
            columns = found.setdefault(match["device"], {})
            if channel in columns:
                raise BadInputError(f"two force plates are called '{match['device']}'; rename one")
            columns[channel] = index
    return {device: columns for device, columns in found.items() if {"fx", "fy", "fz"} <= columns.keys()}


def _plate(section: NexusSection, device: str, columns: dict[str, int]) -> xr.Dataset:
    channels = [
        Channel(name, section.table[:, i], section.units[i], "global", section.labels[i]) for name, i in columns.items()
    ]
    return make_stream(
        channels, section.time, kind="force_plate", rate_hz=section.rate_hz, stamp_source="index",
        attrs=plate_attrs(unverified=_UNVERIFIED) | {"device_id": device},
    )  # fmt: skip


def _analog(section: NexusSection, columns: range | list[int]) -> xr.Dataset:
    names: dict[str, int] = {}
    channels = []
    for index in columns:
        # a prime is a derivative: X' is no X
        name = snake(section.labels[index].replace("'", "_dot"))
        names[name] = names.get(name, 0) + 1
        name = f"{name}_{names[name]}" if names[name] > 1 else name
        unit = section.units[index] or "unknown"
        channels.append(Channel(name, section.table[:, index], unit, "raw", section.labels[index]))
    return make_stream(channels, section.time, kind="analog", rate_hz=section.rate_hz, stamp_source="index")


def _trajectories(section: NexusSection, notes: list[str]) -> dict[str, xr.Dataset]:
    """Return the markers: three components each, in one unit of length."""
    at: dict[str, dict[str, int]] = {}
    left_out = []
    for index, (name, part) in enumerate(zip(section.names, section.components)):
        if part in ("X", "Y", "Z") and name:
            if part in at.setdefault(name, {}):
                raise BadInputError(f"two trajectories are called '{name}'; rename one")
            at[name][part] = index
        else:
            left_out.append(section.labels[index])
    whole = [name for name, columns in at.items() if len(columns) == len("XYZ")]
    left_out += [name for name in at if name not in whole]
    if left_out:
        notes.append(f"of the trajectories these have no X, Y and Z and are left out: {', '.join(left_out[:8])}")
    if not whole:
        raise BadInputError("its Trajectories name no marker with X, Y and Z")
    places = [[at[name][part] for part in "XYZ"] for name in whole]
    stated = {section.units[i] for columns in places for i in columns}
    unit = stated.pop() if len(stated) == 1 else ""
    units.require(unit or "unknown", "m", what="the one unit of its Trajectories")
    positions = np.stack([section.table[:, columns] for columns in places], axis=1)
    stream = make_landmarks(positions, whole, section.time, unit=unit, rate_hz=section.rate_hz, stamp_source="index")
    check_extent(stream["position"].values, unit)
    return {"landmarks": stream}


READER = Reader("vicon", "Vicon Nexus ASCII export", (".csv", ".txt"), _sniff, _read, ("column_map",))
