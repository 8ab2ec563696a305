"""Generic CSV files: streams from column names such as ``left_force [N]``, ``right_gyro_z [rad/s]``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from ... import units
from ...errors import BadInputError
from ...formats.csv_generic import Column, CsvFile, parse_csv, split_header
from ...provenance import Provenance, describe_input
from ...records import Channel, Floats, Frame, Recording, Side, StreamKind, make_recording, make_stream
from ..base import Head, Match, Reader, ReadOptions
from ..files import check_time, plate_attrs, read_text, refuse_extra, with_pressure_sum

_INSOLE = re.compile(r"(?:(left|right)_)?(force|zone_\w+|cell_(\d{1,3})|pressure_sum)")
_IMU = re.compile(r"(?:(left|right)_)?((acc|gyro|mag)_[xyz])")
_PLATE = re.compile(r"(?:(left|right)_|plate_(\d{1,2})_)?(f[xyz]|m[xyz]|free_moment|cop_[xyz])")

_QUANTITIES: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
    (re.compile(r"force|f[xyz]"), ("N", "BW", "N/kg", "count", "V")),
    (re.compile(r"zone_\w+|cell_\d+|pressure_sum"), ("N", "Pa", "BW", "count", "V", "1")),
    (re.compile(r"m[xyz]|free_moment"), ("N m", "count", "V")),
    (re.compile(r"cop_[xyz]"), ("m", "1")),
    (re.compile(r"acc_[xyz]"), ("m/s^2", "count", "V")),
    (re.compile(r"gyro_[xyz]"), ("rad/s", "count", "V")),
    (re.compile(r"mag_[xyz]"), ("T", "1", "count", "V")),
)
_SLOW_HZ, _FAST_HZ = 5.0, 50000.0


@dataclass(frozen=True)
class _Place:
    """Where a column goes: stream, its kind and side, the channel's name and frame."""

    stream: str
    kind: StreamKind
    side: Side
    channel: str
    frame: Frame


def _sniff(head: Head) -> Match:
    try:
        _, _, cells = split_header(head.text)
    except BadInputError as error:
        return Match(0.0, str(error))
    timed = [cell for cell in cells if re.match(r"time\s*[\[(]", cell, re.IGNORECASE)]
    if timed:
        return Match(0.5, f"has a header row with '{timed[0]}'")
    return Match(0.1, f"has a header row of {len(cells)} named columns, but no 'time [s]'")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "csv")
    parsed = parse_csv(read_text(path), options.column_map)
    time, time_unit, notes = _time(parsed, options)
    streams = _streams(parsed, time, time_unit, options.rate_hz if not _time_columns(parsed) else None, notes)
    first_s = float(units.to_si(time[:1], time_unit)[0])
    absolute = 1e9 < first_s < 4e9
    if absolute:
        notes.append("time counts from 1970 (Unix time)")
    return make_recording(
        streams,
        device="csv",
        reader="csv",
        provenance=Provenance(inputs=[describe_input(path)]),
        t0_unix_s=0.0 if absolute else None,
        notes=[*parsed.notes, *notes],
    )


def _time_columns(parsed: CsvFile) -> list[int]:
    return [i for i, column in enumerate(parsed.columns) if column.name == "time"]


def _time(parsed: CsvFile, options: ReadOptions) -> tuple[Floats, str, list[str]]:
    """Return the time column and its unit; counted from a rate the user states where there is none."""
    found = _time_columns(parsed)
    if not found:
        if not options.rate_hz:
            have = ", ".join(f"'{column.raw}'" for column in parsed.columns[:8])
            raise BadInputError(
                f"has no column 'time [s]' (columns: {have}); name it in a column map, or state --rate-hz"
            )
        note = f"the file has no time column; time is counted at {options.rate_hz:g} Hz, as stated"
        return np.arange(len(parsed.table)) / options.rate_hz, "s", [note]
    column = parsed.columns[found[0]]
    if not column.unit:
        raise BadInputError(
            f"column '{column.raw}' states no unit; write 'time [s]', 'time [ms]' or use a column map"
        )
    units.require(column.unit, "s", what=f"column '{column.raw}'")
    time = parsed.table[:, found[0]]
    check_time(units.to_si(time, column.unit))
    return time, column.unit, []


def _streams(
    parsed: CsvFile, time: Floats, time_unit: str, rate_hz: float | None, notes: list[str]
) -> dict[str, xr.Dataset]:
    names = {column.name for column in parsed.columns}
    members: dict[str, list[Channel]] = {}
    about: dict[str, _Place] = {}
    for index, column in enumerate(parsed.columns):
        if column.name == "time":
            continue
        place = _place(column.name, names)
        members.setdefault(place.stream, []).append(_channel(column, place, parsed.table[:, index]))
        about.setdefault(place.stream, place)
    if not members:
        raise BadInputError("holds a time column but no other")
    streams = {}
    for name, channels in members.items():
        place = about[name]
        streams[name] = make_stream(
            with_pressure_sum(channels) if place.kind == "insole" else channels,
            time,
            kind=place.kind,
            side=place.side if place.kind != "force_plate" else "unknown",
            time_unit=time_unit,
            rate_hz=rate_hz,
            stamp_source="index" if rate_hz else "unknown",
            attrs=plate_attrs(knows_feet=_foot(place.side)) if place.kind == "force_plate" else None,
        )
    _note_rate(streams, notes)
    return streams


def _place(name: str, names: set[str]) -> _Place:
    """Return where a column of this name goes; ``names`` are all names of the file."""
    if found := _IMU.fullmatch(name):
        side = _side(found[1])
        return _Place(_with_side("imu", side), "imu", side, found[2], "sensor")
    if found := _INSOLE.fullmatch(name):
        side = _side(found[1])
        channel = f"cell_{int(found[3]):02d}" if found[3] else found[2]
        return _Place(_with_side("insole", side), "insole", side, channel, "foot")
    if found := _PLATE.fullmatch(name):
        side = _side(found[1])
        if not found[2] and found[3].startswith("cop_") and _has_insole(found[1], names):
            return _Place(_with_side("insole", side), "insole", side, found[3], "foot")
        return _Place(_plate_stream(found[1], found[2], names), "force_plate", side, found[3], "global")
    return _Place("analog", "analog", "unknown", name, "raw")


def _side(prefix: str | None) -> Side:
    if prefix == "left":
        return "left"
    return "right" if prefix == "right" else "unknown"


def _foot(side: Side) -> str:
    return "" if side == "unknown" else side


def _with_side(stream: str, side: Side) -> str:
    return stream if side == "unknown" else f"{stream}_{side}"


def _has_insole(prefix: str | None, names: set[str]) -> bool:
    """Return whether a centre of pressure of this prefix belongs to an insole: it has cells or one force."""
    start = f"{prefix}_" if prefix else ""
    found = [_INSOLE.fullmatch(name) for name in names]
    return any(m and m[1] == prefix for m in found) and not any(
        f"{start}{axis}" in names for axis in ("fx", "fy", "fz")
    )


def _plate_stream(prefix: str | None, number: str | None, names: set[str]) -> str:
    if number:
        return f"plate_{int(number)}"
    if prefix is None:
        return "plate_1"
    found = [_PLATE.fullmatch(name) for name in names]
    taken = {int(m[2]) for m in found if m and m[2]} | {1 for m in found if m and not m[1] and not m[2]}
    free = [n for n in range(1, 101) if n not in taken]
    feet = [side for side in ("left", "right") if any(m and m[1] == side for m in found)]
    return f"plate_{free[feet.index(prefix)]}"


def _channel(column: Column, place: _Place, values: Floats) -> Channel:
    """Return the channel, its unit checked against what its name can be measured in."""
    allowed = next((q for pattern, q in _QUANTITIES if pattern.fullmatch(place.channel)), None)
    if place.kind == "analog" or allowed is None:
        return Channel(place.channel, values, column.unit or "unknown", "raw", column.raw)
    if not column.unit:
        raise BadInputError(f"column '{column.raw}' states no unit; write '{column.name} [{allowed[0]}]' ")
    found = units.parse_unit(column.unit).canonical
    if found not in allowed:
        raise BadInputError(
            f"column '{column.raw}' is in {found}, but {column.name} is measured in"
            f" {', '.join(allowed)}; correct its unit"
        )
    frame: Frame = "raw" if found in ("count", "V") else place.frame
    return Channel(place.channel, values, column.unit, frame, column.raw)


def _note_rate(streams: dict[str, xr.Dataset], notes: list[str]) -> None:
    rate = float(next(iter(streams.values())).attrs["rate_hz"])
    if rate and not _SLOW_HZ <= rate <= _FAST_HZ:
        notes.append(f"samples come at {rate:.3g} Hz: check the unit of the time column")


READER = Reader("csv", "generic CSV (time [s], name [unit], ...)", (".csv", ".tsv", ".txt"), _sniff, _read)
