"""Shimmer's Consensys text: ``sep=`` line, a row of names, a row of units, then numbers.

Names are ``<device>_<signal>_<CAL or UNCAL>`` (``Shimmer_952D_Accel_LN_X_CAL``); calibrated columns state their unit
in the row below, uncalibrated ones ``no_units``: counts. Of the two accelerometers the wide-range one is ``acc``: the
low-noise one ends at 2 g, which every step exceeds. Read in files that Consensys wrote (tests of pyshimmer, GPL-3; of
devicely, MIT).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from ... import units
from ...arrays import Floats
from ...errors import BadInputError
from ...formats.header_rows import cells_of
from ...formats.rows import number_table
from ...formats.text import decimal_sign, separator_of, torn_row_note
from ...records import Channel, Frame, Recording, make_stream
from ..base import Head, Match, Reader, ReadOptions
from ..files import UNIX_TIME_S, check_time, file_recording, read_text, refuse_extra, snake

_KIND = r"(?P<kind>CAL|UNCAL|RAW)"
_STAMP = re.compile(rf"(?:(?P<device>.+?)_)??(?P<clock>(?:System_)?Timestamp\w*?)_{_KIND}")
_SENSOR = re.compile(rf"(?:(?P<device>.+)_)?(?P<sensor>Accel(?:_(?:LN|WR))?|Gyro|Mag)_(?P<axis>[XYZ])_{_KIND}")
_ANY = re.compile(rf"(?P<signal>.+)_{_KIND}")
_UNITS = {
    "m/(s^2)": "m/s^2",
    "no_units": "count",
    "no units": "count",
    "local_flux": "1",
    "local": "1",
    "Degrees Celsius": "degC",
}
_QUANTITIES = {"Accel": ("m/s^2", "count"), "Gyro": ("rad/s", "count"), "Mag": ("T", "1", "count")}
_CHANNELS = {"Accel": "acc", "Gyro": "gyro", "Mag": "mag"}
_HEADER_LINES = 8


@dataclass(frozen=True)
class _Column:
    """A column: its place in the table, name in the file, device, sensor and axis ("" if none), and its unit."""

    index: int
    raw: str
    device: str
    sensor: str
    axis: str
    is_calibrated: bool
    unit: str


def find_header(lines: list[str]) -> int:
    """Return the index of the row of names, -1 if there is none: it has a time stamp, and its unit in the row below."""
    for index, line in enumerate(lines[:_HEADER_LINES]):
        if _stamp_in(line) and index + 1 < len(lines):
            names, below = (cells_of(text, separator_of(line)) for text in lines[index : index + 2])
            if any(
                _STAMP.fullmatch(name) and unit in ("ms", "no_units", "no units") for name, unit in zip(names, below)
            ):
                return index
    return -1


def _stamp_in(line: str) -> str:
    return next((cell for cell in cells_of(line, separator_of(line)) if _STAMP.fullmatch(cell)), "")


def _sniff(head: Head) -> Match:
    lines = head.lines(_HEADER_LINES + 2)
    at = find_header(lines)
    if at < 0:
        return Match(0.0, "has no row of names with '..._Timestamp_Unix_CAL' and 'ms' below it")
    return Match(0.98, f"line {at + 1} names a '{_stamp_in(lines[at])}', with its unit below")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "shimmer")
    text = read_text(path)
    lines = text.splitlines()
    at = find_header(lines)
    if at < 0:
        raise BadInputError("has no row of names with a time stamp above a row of units")
    separator = separator_of(lines[at])
    names, below = (cells_of(line, separator) for line in lines[at : at + 2])
    if len(below) != len(names) or len(set(names)) < len(names):
        raise BadInputError(f"line {at + 1} has {len(names)} names, one twice or not as many as the units below")
    stamps = _stamps(names, below)
    columns = [_column(i, name, below[i]) for i, name in enumerate(names) if not _STAMP.fullmatch(name)]
    if not columns:
        raise BadInputError("holds a time stamp but no other column")
    rows = lines[at + 2 :]
    picked = [stamps, *(column.index for column in columns)]
    decimal = decimal_sign(rows, separator)
    # Consensys ends every row with a separator: then a row with a cell less is one cell short, not shifted by one
    ended = [""] if lines[at].rstrip("\r").endswith(separator) else []
    if ended:
        _refuse_longer(rows, separator, len(names), at + 3)
    table = number_table(
        rows, columns=[*names, *ended], separator=separator, first_line=at + 3, decimal=decimal, pick=picked
    )
    notes: list[str] = []
    if not text.endswith(("\n", "\r")) and (torn := torn_row_note(rows, separator, at + 3, decimal)):
        notes.append(torn)
        table = table[:-1]
    return _recording(path, names[stamps], columns, table, notes)


def _refuse_longer(rows: Sequence[str], separator: str, width: int, first_line: int) -> None:
    """Refuse a row with a value where the blank cell at its end should be: its values have slid."""
    for line, row in enumerate(rows, first_line):
        if "".join(row.split(separator, width)[width:]).strip(separator + " \t\r"):
            raise BadInputError(f"line {line} has more than {width} cells; the file is damaged there")


def _recording(path: Path, stamp: str, columns: list[_Column], table: Floats, notes: list[str]) -> Recording:
    time = units.to_si(table[:, 0], "ms")
    check_time(time)
    placed = [(column, table[:, i + 1]) for i, column in enumerate(columns)]
    streams: dict[str, xr.Dataset] = {}
    devices = list(dict.fromkeys(column.device for column in columns if column.sensor))
    for device in devices:
        mine = [(column, values) for column, values in placed if column.sensor and column.device == device]
        name = "imu" if len(devices) == 1 else f"imu_{snake(device)}"
        if name in streams:
            raise BadInputError(f"two devices are called '{device}'; rename one")
        streams[name] = make_stream(
            _channels(mine, notes), table[:, 0], kind="imu", time_unit="ms", stamp_source="crystal",
            attrs={"device_id": device},
        )  # fmt: skip
    rest = [_other(column, values) for column, values in placed if not column.sensor]
    if rest:
        streams["analog"] = make_stream(rest, table[:, 0], kind="analog", time_unit="ms", stamp_source="crystal")
    unknown = [c.raw_name for c in rest if c.unit == "unknown"]
    if unknown:
        notes.append(f"without a unit that grfkit knows: {', '.join(unknown)}")
    absolute = UNIX_TIME_S[0] < time[0] < UNIX_TIME_S[1]
    notes.append(f"time is that of '{stamp}'" + (" (Unix time)" if absolute else ""))
    return file_recording(
        path, streams, device="Shimmer", reader="shimmer", notes=notes, t0_unix_s=0.0 if absolute else None
    )


def _stamps(names: list[str], below: list[str]) -> int:
    """Return the index of the column that tells the time: calibrated, of Unix time where there is one.

    Raises
    ------
    BadInputError
        If no stamp is in ms.
    """
    matches = {i: m for i, name in enumerate(names) if (m := _STAMP.fullmatch(name))}
    usable = [
        i for i, m in matches.items() if m["kind"] == "CAL" and below[i] == "ms" and "Formatted" not in m["clock"]
    ]
    if not usable:
        raise BadInputError(
            f"its time stamp '{names[next(iter(matches))]}' is a date in words or a raw count; export it with"
            " calibrated (Unix) time stamps in ms"
        )

    def rank(index: int) -> tuple[bool, bool, bool]:
        clock = matches[index]["clock"]
        # synchronised among devices before the device's own; the computer's time of arrival last
        return ("System" in clock, "unix" not in clock.lower(), "sync" not in clock.lower())

    return min(usable, key=rank)


def _column(index: int, raw: str, stated: str) -> _Column:
    unit = _UNITS.get(stated.rstrip("*"), stated)
    match = _SENSOR.fullmatch(raw)
    if match:
        quantity = _QUANTITIES[match["sensor"][:5].rstrip("_")]
        if not units.is_unit(unit) or units.parse_unit(unit).canonical not in quantity:
            raise BadInputError(f"column '{raw}' is in '{stated}', expected a unit like {' or '.join(quantity)}")
        return _Column(index, raw, match["device"] or "", match["sensor"], match["axis"], match["kind"] == "CAL", unit)
    anything = _ANY.fullmatch(raw)
    return _Column(index, raw, "", "", "", bool(anything and anything["kind"] == "CAL"), unit)


def _channels(mine: list[tuple[_Column, Floats]], notes: list[str]) -> list[Channel]:
    """Return a device's channels: of two of one quantity (wide range, low noise; calibrated, raw) one is ``acc``."""
    chosen: dict[str, str] = {}
    for stem in _CHANNELS:
        there = list(dict.fromkeys(
            (c.sensor, c.is_calibrated) for c, _ in mine if c.sensor.startswith(stem)
        ))  # fmt: skip
        if there:
            first = min(there, key=lambda s: (not s[1], s[0].endswith("_LN")))
            chosen[first[0] + str(first[1])] = _CHANNELS[stem]
            if len({name for name, _ in there}) > 1:
                note = f"'{_CHANNELS[stem]}' is {first[0]}; the other accelerometer is kept beside it"
                notes += [note] if note not in notes else []
    channels = []
    for column, values in mine:
        own = f"{column.sensor}_{'' if column.is_calibrated else 'raw_'}".lower().rstrip("_")
        stem = chosen.get(column.sensor + str(column.is_calibrated), own.replace("accel", "acc"))
        frame: Frame = "raw" if units.parse_unit(column.unit).canonical == "count" else "sensor"
        channels.append(Channel(f"{stem}_{column.axis.lower()}", values, column.unit, frame, column.raw))
    return channels


def _other(column: _Column, values: Floats) -> Channel:
    unit = column.unit if units.is_unit(column.unit) else "unknown"
    return Channel(snake(column.raw), np.asarray(values), unit, "raw", column.raw)


READER = Reader("shimmer", "Shimmer (Consensys) text", (".csv", ".txt"), _sniff, _read)
