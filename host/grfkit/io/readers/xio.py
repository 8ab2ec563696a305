"""x-io Technologies' CSV: x-IMU (``CalInertialAndMag``), NGIMU (``sensors.csv``) and x-IMU3 (``Inertial.csv``).

One row of names with units in round brackets, ``Gyroscope X (deg/s)``, ``Accelerometer X (g)``. NGIMU and x-IMU3 write
time stamps; an x-IMU numbers its packets of all kinds together, which tells neither time nor a lost sample. Read in
files of scikit-kinematics (BSD-2) and of x-io's own examples on GitHub (Gait-Tracking,
NGIMU-MATLAB-Import-Logged-Data-Example, Gait-Tracking-With-x-IMU, x-IMU3-CSV).
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ... import units
from ...arrays import Floats
from ...errors import BadInputError
from ...formats.csv_generic import split_header
from ...formats.text import decimal_sign, parse_table
from ...formats.timing import without_wraps
from ...records import Channel, Recording, make_stream
from ..base import Head, Match, Reader, ReadOptions
from ..files import UNIX_TIME_S, check_time, file_recording, read_text, refuse_extra, snake

_NAMES = {"gyroscope": "gyro", "accelerometer": "acc", "magnetometer": "mag"}
_SENSOR = re.compile(r"(Gyroscope|Accelerometer|Magnetometer) ([XYZ]) \(([^()]+)\)")
_TIME = re.compile(r"(?:Time|Timestamp) \((s|us)\)")
_PACKETS = "Packet number"
# x-IMU3 gives its magnetometer without unit
_UNITS = {"a.u.": "1"}


def _first(cells: list[str]) -> str:
    return cells[0] if cells and (_TIME.fullmatch(cells[0]) or cells[0] == _PACKETS) else ""


def _sniff(head: Head) -> Match:
    try:
        _, _, cells = split_header(head.text)
    except BadInputError:
        cells = []
    sensors = [cell for cell in cells if (m := _SENSOR.fullmatch(cell)) and m[1] != "Magnetometer"]
    if _first(cells) and sensors:
        return Match(0.98, f"has a header row with '{cells[0]}' and '{sensors[0]}'")
    return Match(0.0, "has no header row with 'Time (s)' or 'Timestamp (us)' and 'Gyroscope X (deg/s)'")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "xio")
    text = read_text(path)
    index, separator, cells = split_header(text)
    if not _first(cells):
        raise BadInputError(f"its first column is '{cells[0]}', expected Time (s), Timestamp (us) or {_PACKETS}")
    if len(set(cells)) < len(cells):
        raise BadInputError("names a column twice in its header row")
    lines = text.splitlines()[index + 1 :]
    table = parse_table(
        lines,
        columns=cells,
        separator=separator,
        first_line=index + 2,
        decimal=decimal_sign(lines, separator),
        line_ended=text.endswith(("\n", "\r")),
    )
    notes = list(table.notes)
    time, unit, rate = _time(table.values[:, 0], cells[0], options.rate_hz, notes)
    channels = [_channel(cell, table.values[:, i], notes) for i, cell in enumerate(cells) if i]
    stream = make_stream(
        channels, time, kind="imu", time_unit=unit, rate_hz=rate, stamp_source="index" if rate else "crystal"
    )
    absolute = UNIX_TIME_S[0] < float(units.to_si(time[:1], unit)[0]) < UNIX_TIME_S[1]
    return file_recording(
        path, {"imu": stream}, device="x-io", reader="xio", notes=notes, t0_unix_s=0.0 if absolute else None
    )


def _time(column: Floats, name: str, rate_hz: float | None, notes: list[str]) -> tuple[Floats, str, float | None]:
    """Return the stamps, their unit, and the rate where time is counted at one that the user states."""
    if match := _TIME.fullmatch(name):
        if rate_hz:
            notes.append(f"the stated rate of {rate_hz:g} Hz is not used: column '{name}' tells the time")
        seconds = units.to_si(column, match[1])
        check_time(seconds)
        counted, wrapped = without_wraps(seconds)
        if not wrapped:
            return column, match[1], None
        notes.append(f"time starts anew, as {wrapped} does: it is counted on from there")
        return counted, "s", None
    if not rate_hz:
        raise BadInputError(
            f"has no time column ('{_PACKETS}' counts packets of all kinds); state the rate, e.g. --rate-hz 256"
            " (rate_hz=256 in Python)"
        )
    notes.append(
        f"time is counted from the rows at {rate_hz:g} Hz, as stated: '{_PACKETS}' counts packets of all kinds, so lost"
        " samples cannot be told"
    )
    return np.arange(column.size) / rate_hz, "s", rate_hz


def _channel(cell: str, values: Floats, notes: list[str]) -> Channel:
    if match := _SENSOR.fullmatch(cell):
        kind, axis, unit = match.groups()
        unit = _UNITS.get(unit, unit)
        expected = {"Gyroscope": ("rad/s",), "Accelerometer": ("m/s^2",), "Magnetometer": ("T", "1")}[kind]
        if not units.is_unit(unit) or units.parse_unit(unit).canonical not in expected:
            raise BadInputError(f"column '{cell}' is in '{unit}', expected a unit like {' or '.join(expected)}")
        return Channel(f"{_NAMES[kind.lower()]}_{axis.lower()}", values, unit, "sensor", cell)
    match = re.fullmatch(r"(.+?) \(([^()]+)\)", cell)
    name, unit = (match[1], match[2]) if match else (cell, "")
    if not units.is_unit(unit):
        notes.append(f"column '{cell}' is kept without a unit that grfkit knows")
        unit = "unknown"
    return Channel(snake(name), values, unit, "raw", cell)


READER = Reader("xio", "x-io IMU (x-IMU, NGIMU, x-IMU3) CSV", (".csv",), _sniff, _read, ("rate_hz",))
