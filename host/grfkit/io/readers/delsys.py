"""Delsys Trigno exports: a stream for each sensor and rate, inertial sensors apart from EMG and other voltages.

Read in files of Trigno Discover 1.4 to 1.7 and of EMGworks that the package ``delsys`` (MIT) has as tests.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from ...errors import BadInputError
from ...formats.csv_generic import TableColumn, parse_column
from ...formats.delsys import DelsysColumn, looks_like_delsys, parse_delsys
from ...records import Channel, Recording, Side, make_stream
from ..base import Head, Match, Reader, ReadOptions
from ..files import check_time, file_recording, read_text, refuse_extra, snake
from ..naming import channel_of, place_of
from ..table_streams import streams_of

_INERTIAL = re.compile(r"(?P<kind>ACC|GYRO|MAG)[ .](?P<axis>[XYZ])(?: \d+)?", re.IGNORECASE)
_LINES = 210


def _sniff(head: Head) -> Match:
    why = looks_like_delsys(head.lines(_LINES))
    return Match(0.98, why) if why else Match(0.0, "is neither Trigno Discover's nor EMGworks' CSV by its first lines")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "delsys")
    parsed = parse_delsys(read_text(path))
    for column in parsed.columns:
        check_time(column.time)
    notes = [*parsed.notes]
    if parsed.started:
        notes.append(f"the file states its start as '{parsed.started}'")
    mapped, rest = _split(parsed.columns, options.column_map)
    streams = _mapped(mapped, options.column_map, notes)
    for name, columns in _groups(rest).items():
        inertial = name.startswith("imu_")
        if inertial and not all(column.unit for column in columns):
            # an acceleration without a unit is no acceleration yet: it stays beside the others, under its own name
            name = name.replace("imu_", "analog_", 1)
            inertial = False
        if name in streams:
            name = f"{name}_{columns[0].rate_hz or 0:.0f}hz"
        if name in streams:
            raise BadInputError(f"two groups of channels would be '{name}'; rename a sensor")
        streams[name] = _stream(columns, inertial=inertial)
    without = sum(not column.unit for column in rest)
    if without:
        notes.append(
            f"{without} channels state no unit that grfkit knows; name them with a unit in a column map, e.g."
            f' "{next(c for c in rest if not c.unit).label}" = "left_acc_x [g]"'
        )
    return file_recording(path, streams, device=parsed.program, reader="delsys", notes=notes)


def _split(
    columns: Sequence[DelsysColumn], column_map: dict[str, str]
) -> tuple[list[DelsysColumn], list[DelsysColumn]]:
    labels = [column.label for column in columns]
    absent = [name for name in column_map if name not in labels]
    if absent:
        have = ", ".join(f"'{label}'" for label in labels[:8]) + (", ..." if len(labels) > 8 else "")
        raise BadInputError(f"the column map names '{absent[0]}', but the file's channels are {have}")
    mapped = [column for column in columns if column.label in column_map]
    if len(mapped) > len(column_map):
        raise BadInputError("a name of the column map stands twice in the file; rename a sensor")
    return mapped, [column for column in columns if column.label not in column_map]


def _mapped(columns: list[DelsysColumn], column_map: dict[str, str], notes: list[str]) -> dict[str, xr.Dataset]:
    """Return the streams of a column map's names; channels of one stream have to be of one rate."""
    named: dict[str, list[tuple[DelsysColumn, TableColumn]]] = {}
    names = {parse_column(text).name for text in column_map.values()}
    for column in columns:
        house = parse_column(column_map[column.label], raw=column.label)
        if not house.unit:
            house = TableColumn(house.raw, house.name, column.unit)
        # checked here, so that a refusal comes before any stream is made
        channel_of(house, place_of(house.name, names), column.values)
        named.setdefault(place_of(house.name, names).stream, []).append((column, house))
    streams: dict[str, xr.Dataset] = {}
    for stream, members in named.items():
        first = members[0][0]
        for other, _ in members[1:]:
            if _base(other) != _base(first):
                raise BadInputError(
                    f"the column map puts '{first.label}' and '{other.label}' into one stream ({stream}), but they are"
                    " sampled at different times"
                )
        columns_of, time, table = [house for _, house in members], first.time, _table([c for c, _ in members])
        streams |= streams_of(columns_of, table, time[: len(table)], "s", first.rate_hz, notes)
    return streams


def _base(column: DelsysColumn) -> tuple[float, float]:
    """Return what two channels of one time base have in common: start and step."""
    step = (
        1 / column.rate_hz if column.rate_hz else float(np.median(np.diff(column.time))) if column.time.size > 1 else 0
    )
    return round(float(column.time[0]), 6), round(step, 7)


def _groups(columns: Sequence[DelsysColumn]) -> dict[str, list[DelsysColumn]]:
    """Return the channels that make a stream: those of one sensor, of one kind and time base, under its name."""
    groups: dict[str, list[DelsysColumn]] = {}
    base_of: dict[str, tuple[float, float]] = {}
    for column in columns:
        kind = "imu" if _INERTIAL.fullmatch(column.name) else "analog"
        stem = f"{kind}_{snake(column.sensor)}" if column.sensor else kind
        name, number = stem, 1
        while base_of.setdefault(name, _base(column)) != _base(column):
            number += 1
            name = f"{stem}_{number}"
        groups.setdefault(name, []).append(column)
    return groups


def _table(columns: Sequence[DelsysColumn]) -> np.ndarray:
    """Return the values of channels of one time base; one that ends sooner is missing from there on."""
    longest = max(column.values.size for column in columns)
    table = np.full((longest, len(columns)), np.nan)
    for index, column in enumerate(columns):
        table[: column.values.size, index] = column.values
    return table


def _stream(columns: list[DelsysColumn], *, inertial: bool) -> xr.Dataset:
    table = _table(columns)
    time = max((column.time for column in columns), key=len)
    channels = []
    for index, column in enumerate(columns):
        match = _INERTIAL.fullmatch(column.name) if inertial else None
        name = f"{match['kind']}_{match['axis']}".lower() if match else snake(column.name)
        unit = column.unit or "unknown"
        channels.append(Channel(name, table[:, index], unit, "sensor" if match else "raw", column.label))
    return make_stream(
        channels,
        time,
        kind="imu" if inertial else "analog",
        side=_side(columns[0].sensor) if inertial else "unknown",
        rate_hz=columns[0].rate_hz,
        stamp_source="crystal",
        attrs={"device_id": columns[0].sensor},
    )


def _side(sensor: str) -> Side:
    words = re.split(r"[\W_]+", sensor.lower())
    if ("left" in words) == ("right" in words):
        return "unknown"
    return "left" if "left" in words else "right"


READER = Reader("delsys", "Delsys Trigno CSV (Discover, EMGworks)", (".csv",), _sniff, _read, ("column_map",))
