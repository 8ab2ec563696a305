"""Xsens MT Manager text: ``//`` comment lines, a row of names, one row per packet; time from the packet counter."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...arrays import Floats
from ...errors import BadInputError
from ...formats.rows import is_number, number_table
from ...formats.timing import unwrapped
from ...records import Channel, Recording, make_stream
from ..base import Head, Match, Reader, ReadOptions
from ..files import file_recording, read_text, refuse_extra, snake

COUNTER = "PacketCounter"
# PacketCounter has 16 bits and starts anew
_COUNTER_RANGE = 65536
_CLOCK = frozenset({COUNTER, "SampleTimeFine", "Year", "Month", "Day", "Second"})
_KNOWN = (
    (re.compile(r"(Acc)_([XYZ])"), "acc", "m/s^2"),
    (re.compile(r"(Gyr)_([XYZ])"), "gyro", "rad/s"),
    # MT Manager gives the magnetometer relative to the strength of the local field
    (re.compile(r"(Mag)_([XYZ])"), "mag", "1"),
)
_UNITLESS = re.compile(r"Quat_q[0-3]|Mat\[[1-3]\]\[[1-3]\]")
_ANGLES = frozenset({"Roll", "Pitch", "Yaw"})


@dataclass(frozen=True)
class XsensFile:
    """Header lines as keys in lower case -> values; column names; numbers (samples, columns)."""

    header: dict[str, str]
    columns: list[str]
    table: Floats

    @property
    def rate_hz(self) -> float | None:
        """Return the update rate that the header states, None where it states none."""
        match = re.fullmatch(r"([\d.]+)\s*Hz", self.header.get("update rate", ""), re.IGNORECASE)
        return float(match[1]) if match and is_number(match[1]) and float(match[1]) > 0 else None


def parse_xsens(text: str) -> XsensFile:
    """Return what an export holds; columns separated by tab, comma, semicolon or single blanks.

    Raises
    ------
    BadInputError
        If there is no row of names that starts with ``PacketCounter``, or a row is damaged.
    """
    header: dict[str, str] = {}
    lines = text.splitlines()
    for index, line in enumerate(lines):
        if line.startswith("//"):
            key, _, value = line[2:].partition(":")
            header[key.strip().lower()] = value.strip()
        elif line.startswith(COUNTER):
            separator = next((s for s in "\t;, " if s in line.strip()), None)
            columns = [cell.strip() for cell in line.strip().split(separator)]
            if len(columns) < 2 or len(set(columns)) < len(columns):
                raise BadInputError(f"line {index + 1} names no column but {COUNTER}, or one twice")
            table = number_table(lines[index + 1 :], columns=columns, separator=separator, first_line=index + 2)
            return XsensFile(header, columns, table)
        elif line.strip():
            break
    raise BadInputError(f"has no row of column names that starts with '{COUNTER}' after its comment lines")


def _sniff(head: Head) -> Match:
    for line in head.lines(60):
        if line.startswith(COUNTER):
            return Match(0.95, f"its columns start with '{COUNTER}'")
        if line.strip() and not line.startswith("//"):
            break
    return Match(0.0, f"has no '//' lines followed by columns that start with '{COUNTER}'")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "xsens")
    parsed = parse_xsens(read_text(path))
    rate = options.rate_hz or parsed.rate_hz
    if not rate:
        raise BadInputError("states no update rate; state it, e.g. --rate-hz 100")
    counter = unwrapped(parsed.table[:, 0], _COUNTER_RANGE)
    stream = make_stream(
        _channels(parsed),
        (counter - counter[0]) / rate,
        kind="imu",
        rate_hz=rate,
        stamp_source="index",
        attrs={"device_id": parsed.header.get("deviceid", "")},
    )
    return file_recording(
        path,
        {"imu": stream},
        device="Xsens MT",
        reader="xsens",
        notes=["units as MT Manager writes them: m/s^2, rad/s, deg; magnetometer relative to the local field"],
    )


def _channels(parsed: XsensFile) -> list[Channel]:
    channels = []
    for index, column in enumerate(parsed.columns):
        values: Floats = parsed.table[:, index]
        if column in _CLOCK or column.startswith("UTC_") or np.isnan(values).all():
            continue
        name, unit = _name(column)
        channels.append(Channel(name, values, unit, "sensor" if unit != "unknown" else "raw", column))
    if not channels:
        raise BadInputError("holds no measured column")
    return channels


def _name(column: str) -> tuple[str, str]:
    for pattern, name, unit in _KNOWN:
        if match := pattern.fullmatch(column):
            return f"{name}_{match[2].lower()}", unit
    if _UNITLESS.fullmatch(column):
        return snake(column), "1"
    return snake(column), "deg" if column in _ANGLES else "unknown"


READER = Reader("xsens", "Xsens MT Manager text", (".txt", ".csv"), _sniff, _read, ("rate_hz",))
