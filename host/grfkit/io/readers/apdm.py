"""APDM exports (CSV): Motion Studio's ``Sample Rate`` table and the older ``Format=7``; a stream per sensor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ... import units
from ...arrays import Floats
from ...errors import BadInputError
from ...formats.rows import is_number, number_table
from ...formats.text import without_torn_row
from ...records import Channel, Recording, Side, make_stream
from ..base import Head, Match, Reader, ReadOptions
from ..files import UNIX_TIME_S, check_time, file_recording, read_text, refuse_extra, snake

_QUANTITIES = {
    "Acceleration": "acc",
    "Accelerometer": "acc",
    "Angular Velocity": "gyro",
    "Gyroscope": "gyro",
    "Magnetic Field": "mag",
    "Magnetometer": "mag",
    "Orientation": "quat",
    "Temperature": "temperature",
    "Pressure": "pressure",
    "Barometer": "barometer",
}
_FORMAT7_UNITS = {"acc": "m/s^2", "gyro": "rad/s", "mag": "uT", "quat": "1", "barometer": "unknown"}
# A channel with numbers beyond this holds no reading of any quantity, whatever its unit; chosen by hand
_LARGEST_READING = 1e12
# Lines searched for "Sample Rate:", and for the row of names; chosen by hand
_RATE_LINES, _HEADER_LINES = 8, 12


@dataclass(frozen=True)
class ApdmColumn:
    """One column: the sensor's label, grfkit's channel name, its unit, and the file's own words."""

    sensor: str
    channel: str
    unit: str
    raw: str


@dataclass(frozen=True)
class ApdmFile:
    """Columns and numbers (samples, columns); ``time`` in ``time_unit``; 0 where no rate is stated."""

    columns: list[ApdmColumn]
    time: Floats
    time_unit: str
    rate_hz: float
    table: Floats
    notes: list[str]


def looks_like_apdm(lines: list[str]) -> str:
    """Return why these first lines are an APDM export, "" if they are none."""
    if lines and lines[0].startswith("Format=7,"):
        return "starts with 'Format=7'"
    rated = any(line.startswith("Sample Rate:,") for line in lines[:_RATE_LINES])
    if rated and any("/Acceleration/" in line for line in lines[:_HEADER_LINES]):
        return "states a 'Sample Rate:' and columns such as '<sensor>/Acceleration/X'"
    return ""


def parse_apdm(text: str) -> ApdmFile:
    """Return what an export holds.

    Raises
    ------
    BadInputError
        If header rows are missing or disagree, or a row is damaged.
    """
    lines = text.splitlines()
    if not looks_like_apdm(lines[:_HEADER_LINES]):
        raise BadInputError("is no APDM export")
    return _format7(text, lines) if lines[0].startswith("Format=7,") else _table(text, lines)


def _table(text: str, lines: list[str]) -> ApdmFile:
    start = next((i for i, line in enumerate(lines[:_HEADER_LINES]) if line.startswith("Time,")), -1)
    if start < 0 or start + 2 >= len(lines):
        raise BadInputError("is cut off inside its header: expected a row 'Time,...', a row of units, and data")
    names, stated = _cells(lines[start]), _cells(lines[start + 1])
    stated += [""] * (len(names) - len(stated))
    rate = next((_cells(line)[1] for line in lines[:start] if line.startswith("Sample Rate:,")), "")
    if not is_number(rate) or float(rate) <= 0:
        raise BadInputError(f"states its sample rate as '{rate}', expected a number above 0")
    columns = [_column(name, unit) for name, unit in zip(names[1:], stated[1:])]
    table, notes = _numbers(text, lines[start + 2 :], names, start + 3)
    return ApdmFile(columns, table[:, 0], stated[0], float(rate), table[:, 1:], notes)


def _numbers(text: str, rows: list[str], names: list[str], first_line: int) -> tuple[Floats, list[str]]:
    table = number_table(rows, columns=names, separator=",", first_line=first_line)
    return without_torn_row(table, text, rows, ",", first_line)


def _column(name: str, unit: str) -> ApdmColumn:
    parts = name.split("/")
    if len(parts) != 3 or parts[1] not in _QUANTITIES:
        raise BadInputError(f"column '{name}' is not '<sensor>/<quantity>/<axis>'")
    axis = "" if parts[2] == "Scalar" and parts[1] != "Orientation" else parts[2]
    return ApdmColumn(parts[0], _channel_name(parts[1], axis), unit or "1", name)


def _channel_name(quantity: str, axis: str) -> str:
    short = {"Scalar": "s", "S": "s"}.get(axis, axis.lower())
    return f"{_QUANTITIES[quantity]}_{short}" if short else _QUANTITIES[quantity]


def _format7(text: str, lines: list[str]) -> ApdmFile:
    if len(lines) < 4:
        raise BadInputError("is cut off inside its header: expected three header rows and data")
    sensors, quantities, axes = (line.rstrip("\r").split(",") for line in lines[:3])
    width = len(quantities)
    sensors += [""] * (width - len(sensors))
    axes += [""] * (width - len(axes))
    columns, sensor, quantity = [], "", ""
    for i in range(1, width):
        if is_number(sensors[i]):  # the sensor's number opens its block, its label stands three cells on
            sensor = sensors[i + 3].strip() if i + 3 < width else ""
        quantity = quantities[i].strip() or quantity
        if not sensor or quantity not in _QUANTITIES:
            raise BadInputError(f"header column {i + 1} ('{quantity}') belongs to no known sensor or quantity")
        unit = _FORMAT7_UNITS.get(_QUANTITIES[quantity], "unknown")
        columns.append(
            ApdmColumn(sensor, _channel_name(quantity, axes[i].strip()), unit, f"{sensor}/{quantity}/{axes[i]}")
        )
    names = ["Time", *(column.raw for column in columns)]
    table, notes = _numbers(text, lines[3:], names, 4)
    return ApdmFile(columns, table[:, 0], "us", 0.0, table[:, 1:], notes)


def _cells(line: str) -> list[str]:
    cells = [cell.strip() for cell in line.split(",")]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _sniff(head: Head) -> Match:
    why = looks_like_apdm(head.lines(_HEADER_LINES))
    if why:
        return Match(0.95, why)
    return Match(0.0, "starts neither with 'Format=7' nor has '<sensor>/Acceleration/X' columns")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "apdm")
    parsed = parse_apdm(read_text(path))
    units.require(parsed.time_unit, "s", what="column 'Time'")
    time = units.to_si(parsed.time, parsed.time_unit)
    check_time(time)
    notes = list(parsed.notes)
    notes += [] if parsed.rate_hz else ["units as APDM documents them: m/s^2, rad/s, uT; time in us"]
    streams = {}
    for sensor in dict.fromkeys(column.sensor for column in parsed.columns):
        name = f"imu_{snake(sensor)}"
        if name in streams:
            raise BadInputError(f"two sensors are called '{sensor}'; rename one")
        streams[name] = make_stream(
            _channels(parsed, sensor, notes),
            parsed.time,
            kind="imu",
            side=_side(sensor),
            time_unit=parsed.time_unit,
            rate_hz=parsed.rate_hz or None,
            stamp_source="crystal",
        )
    absolute = bool(np.isfinite(time[0]) and time[0] > UNIX_TIME_S[0])
    return file_recording(path, streams, device="APDM", reader="apdm", t0_unix_s=0.0 if absolute else None, notes=notes)


def _channels(parsed: ApdmFile, sensor: str, notes: list[str]) -> list[Channel]:
    channels = []
    for index, column in enumerate(parsed.columns):
        if column.sensor != sensor:
            continue
        values = parsed.table[:, index]
        if np.nanmax(np.abs(values), initial=0.0) > _LARGEST_READING:
            notes.append(f"'{column.raw}' is left out: its values ({values[0]:.3g}) are no reading")
            continue
        channels.append(Channel(column.channel, values, column.unit, "sensor", column.raw))
    if not channels:
        raise BadInputError(f"sensor '{sensor}' holds no usable channel")
    return channels


def _side(sensor: str) -> Side:
    words = sensor.lower().replace("_", " ").split()
    if "left" in words:
        return "left"
    return "right" if "right" in words else "unknown"


READER = Reader("apdm", "APDM export", (".csv",), _sniff, _read)
