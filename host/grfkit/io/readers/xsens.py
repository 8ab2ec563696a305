"""Xsens exports: MT Manager text (MTi, MTw) and Xsens DOT / Movella DOT CSV, told apart by what they hold.

MT Manager: ``//`` comment lines, m/s^2, rad/s; time from the packet counter and the stated rate. DOT: lines such as
``DeviceTag:,D1``, m/s^2, deg/s, no unit for the magnetometer; time from ``SampleTimeFine``, a 32-bit count of
microseconds (Xsens DOT User Manual). Files of MVN Analyze (MVN, MVNX, XLSX) hold a body model and are not read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...arrays import Floats
from ...errors import BadInputError
from ...formats.rows import is_number, number_table
from ...formats.text import without_torn_row
from ...formats.timing import unwrapped
from ...records import Channel, Recording, make_stream
from ...records.gaps import LONGEST_FILLED_GAP_S
from ..base import Head, Match, Reader, ReadOptions
from ..files import file_recording, read_text, refuse_extra, snake

COUNTER = "PacketCounter"
TICKS = "SampleTimeFine"
_OLD_COUNTER = "Counter"
_CLOCK = frozenset({COUNTER, _OLD_COUNTER, TICKS, "Year", "Month", "Day", "Second"})
# PacketCounter has 16 bits in an MT, 32 in a DOT, as SampleTimeFine has
_COUNTER_RANGE, _LONG_RANGE = 1 << 16, 1 << 32
# Ticks a second of SampleTimeFine: 10 kHz of an MT, microseconds of a DOT
_MT_TICK_HZ, _DOT_TICK_HZ = 1e4, 1e6
# Ticks a sample: an MT at 5 Hz has 2,000, a DOT at 120 Hz, its fastest, 8,333
_FEWEST_DOT_TICKS = 2500.0
# What only one of both writes
_ONLY_DOT = re.compile(r"(Euler|Quat|dq|FreeAcc)_[WXYZ]|dv\[[1-3]\]|i[qv]_[XYZ]|ClipCount(Acc|Gyr)", re.IGNORECASE)
_ONLY_MT = re.compile(r"Quat_q[0-3]|Mat\[[1-3]\]\[[1-3]\]|FreeAcc_[ENU]|Roll|Pitch|Yaw|UTC_\w+|(Ori|Vel)Inc_\w+")
_DOT_PREAMBLE = frozenset({"devicetag", "outputrate", "measurement mode", "appversion", "filterprofile"})
_RATES = ("update rate", "sample rate", "outputrate", "output rate")
# The range of an MT's and a DOT's gyroscope, 2,000 deg/s, in rad/s, with a margin
_LARGEST_RATE = 40.0
# A stated rate and that of the ticks differ by less than this share; chosen by hand: no clock is that wrong
_SAME_RATE = 0.05
_MEASURED = re.compile(
    r"(Acc|Gyr|Mag|FreeAcc)_\w|Quat_\w+|Mat\[[1-3]\]\[[1-3]\]|Euler_\w|Roll|d[qv][\[_]\w.*", re.IGNORECASE
)
_UNITS = (
    (re.compile(r"(Quat|dq|OriInc|Mat)_\w+|Mat\[[1-3]\]\[[1-3]\]", re.IGNORECASE), "1"),
    (re.compile(r"FreeAcc_[XYZENU]"), "m/s^2"),
    (re.compile(r"dv\[[1-3]\]|VelInc_[XYZ]", re.IGNORECASE), "m/s"),
    (re.compile(r"Roll|Pitch|Yaw|Euler_[XYZ]"), "deg"),
)
# Lines before the table that are looked through at most; chosen by hand
_HEADER_LINES = 60


@dataclass(frozen=True)
class XsensFile:
    """Header lines as keys in lower case -> values; column names; numbers (samples, columns); notes on the rows."""

    header: dict[str, str]
    columns: list[str]
    table: Floats
    has_comments: bool
    row_notes: list[str]

    @property
    def rate_hz(self) -> float | None:
        """Return the rate that the header states, None where it states none."""
        for key in _RATES:
            match = re.fullmatch(r"([\d.]+)\s*Hz", self.header.get(key, ""), re.IGNORECASE)
            if match and is_number(match[1]) and float(match[1]) > 0:
                return float(match[1])
        return None

    def column(self, name: str) -> Floats | None:
        """Return a column that holds numbers, None where there is none."""
        if name not in self.columns:
            return None
        values: Floats = self.table[:, self.columns.index(name)]
        return None if np.isnan(values).all() else values

    @property
    def is_dot(self) -> bool:
        """Return whether a DOT wrote it: by its preamble, its columns, or the size of its ticks."""
        if self.has_comments:
            return False
        if _DOT_PREAMBLE & self.header.keys():
            return True
        dot, mt = (any(p.fullmatch(c) for c in self.columns) for p in (_ONLY_DOT, _ONLY_MT))
        if dot != mt:
            return dot
        ticks = self.column(TICKS)
        return ticks is not None and ticks.size > 1 and float(np.median(np.diff(ticks))) >= _FEWEST_DOT_TICKS


def parse_xsens(text: str) -> XsensFile:
    """Return what an export holds; columns separated by tab, comma, semicolon or single blanks.

    Raises
    ------
    BadInputError
        If there is no row of names that starts with a counter or ``SampleTimeFine``, or a row is damaged.
    """
    header: dict[str, str] = {}
    lines = text.splitlines()
    comments = False
    for index, line in enumerate(lines[:_HEADER_LINES]):
        columns, separator = _names(line)
        if columns:
            if len(columns) < 2 or len(set(columns)) < len(columns):
                raise BadInputError(f"line {index + 1} names no column but {columns[0]}, or one twice")
            table, torn = _numbers(text, lines[index + 1 :], columns, separator, index + 2)
            return XsensFile(header, columns, table, comments, torn)
        comments = comments or line.startswith("//")
        key, _, value = line.lstrip("/").partition(":")
        header.setdefault(key.strip().lower(), value.strip().strip(",;\t").strip())
    raise BadInputError(f"has no row of column names that starts with '{COUNTER}' after its header lines")


def _names(line: str) -> tuple[list[str], str | None]:
    """Return the names and the separator of a row of column names; no names if it is none."""
    tidy = line.strip().rstrip("\t;,")
    separator = next((s for s in "\t;, " if s in tidy), None)
    cells = [cell.strip().strip('"') for cell in tidy.split(separator)]
    if not cells or cells[0] not in (COUNTER, _OLD_COUNTER, TICKS):
        return [], None
    if cells[0] != COUNTER and not any(_MEASURED.fullmatch(cell) for cell in cells):
        return [], None
    return cells, separator


def _numbers(
    text: str, rows: list[str], columns: list[str], separator: str | None, first_line: int
) -> tuple[Floats, list[str]]:
    decimal = "," if separator != "," and rows and "," in rows[0] and "." not in rows[0] else "."
    table = number_table(rows, columns=columns, separator=separator, first_line=first_line, decimal=decimal)
    return without_torn_row(table, text, rows, separator, first_line, decimal)


def _sniff(head: Head) -> Match:
    for line in head.lines(_HEADER_LINES):
        columns, _ = _names(line)
        if columns:
            return Match(0.98 if columns[0] != _OLD_COUNTER else 0.95, f"its columns start with '{columns[0]}'")
    if "<mvnx" in head.text[:4096]:
        return Match(
            0.0, "is an MVNX file of MVN Analyze, a body model's segments; export its trackers from MT Manager"
        )
    return Match(0.0, f"has no row of columns that starts with '{COUNTER}'")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "xsens")
    parsed = parse_xsens(read_text(path))
    if not parsed.is_dot:
        _check_unknown(parsed)
    notes = _notes(parsed)
    counted = _counted(parsed, notes)
    stamps, rate = _times(parsed, counted, options.rate_hz, notes)
    rows = _rows(counted, stamps, rate)
    channels = [replace(c, values=_at(c.values, rows)) for c in _channels(parsed)]
    stream = make_stream(
        channels,
        np.interp(np.arange(rows.size), np.flatnonzero(rows >= 0), stamps),
        kind="imu",
        rate_hz=rate,
        stamp_source="crystal" if parsed.is_dot else "index",
        attrs={"device_id": parsed.header.get("deviceid", "") or parsed.header.get("devicetag", "")},
    )
    recorded = np.isfinite(stream["time_raw"].values)
    stream["time_raw"].values[recorded] = _at(stamps, rows)
    device = "Xsens DOT" if parsed.is_dot else "Xsens MT"
    return file_recording(path, {"imu": stream}, device=device, reader="xsens", notes=notes)


def _check_unknown(parsed: XsensFile) -> None:
    """Refuse a file whose gyroscope is beyond any MT's range where nothing says that an MT wrote it."""
    gyro = [i for i, column in enumerate(parsed.columns) if re.fullmatch(r"Gyr_[XYZ]", column)]
    some = parsed.table[:, gyro]
    reached = float(np.abs(some[np.isfinite(some)]).max(initial=0.0))
    if reached > _LARGEST_RATE and not parsed.has_comments:
        raise BadInputError(
            f"its Gyr columns reach {reached:.4g}: no rad/s, as MT Manager writes (2,000 deg/s are 35), and nothing"
            f" says that it is an Xsens DOT export in deg/s; export it with its header lines or with {TICKS}"
        )


def _notes(parsed: XsensFile) -> list[str]:
    dot = "units as Xsens DOT writes them: m/s^2, deg/s; magnetometer without unit"
    mt = "units as MT Manager writes them: m/s^2, rad/s, deg; magnetometer relative to the local field"
    notes = [dot if parsed.is_dot else mt, *parsed.row_notes]
    if any(column.startswith("FreeAcc_") for column in parsed.columns):
        notes.append("FreeAcc is without gravity and in the earth's axes: it is kept apart from the sensor's acc")
    if any(re.match(r"d[qv][\[_]", column, re.IGNORECASE) for column in parsed.columns):
        notes.append(
            "dq and dv are changes of orientation and velocity over a sample, kept as they are: no gyro, no acc"
        )
    if empty := [c for c, v in zip(parsed.columns, parsed.table.T) if c not in _CLOCK and np.isnan(v).all()]:
        notes.append(f"{', '.join(empty)}: no sample holds a number, and the column is left out")
    if started := parsed.header.get("starttime", ""):
        notes.append(f"the file states its start as '{started}'")
    return notes


def _counted(parsed: XsensFile, notes: list[str]) -> Floats | None:
    """Return the number of each sample, from 0, lost ones counted; None in a file without counter."""
    counter = parsed.column(COUNTER)
    counter = parsed.column(_OLD_COUNTER) if counter is None else counter
    if counter is None:
        return None
    whole = unwrapped(counter, _LONG_RANGE if parsed.is_dot and counter.max() >= _COUNTER_RANGE else _COUNTER_RANGE)
    steps = np.diff(whole)
    # an MT that sends every n-th sample counts all of them; a DOT's ticks say what it lost
    every = float(steps.min()) if steps.size and not parsed.is_dot else 1.0
    if every > 1 and np.mean(steps == every) > 0.5:
        notes.append(f"the counter goes in steps of {every:.0f}: each is one sample")
        return np.asarray(np.rint((whole - whole[0]) / every), dtype=np.float64)
    return np.asarray(whole - whole[0], dtype=np.float64)


def _times(parsed: XsensFile, counted: Floats | None, stated: float | None, notes: list[str]) -> tuple[Floats, float]:
    """Return the time of each sample (s) and the sampling rate (Hz)."""
    rate, ticks = stated or parsed.rate_hz, parsed.column(TICKS)
    measured = None if ticks is None else _tick_rate(ticks, counted, parsed.is_dot)
    if rate and measured and abs(measured / rate - 1.0) > _SAME_RATE:
        notes.append(f"its {TICKS} goes at {measured:.4g} Hz, the stated rate is {rate:g} Hz")
        rate = measured if parsed.is_dot else rate
    rate = rate or measured
    if not rate:
        raise BadInputError("states no update rate; state it, e.g. --rate-hz 100 (rate_hz=100 in Python)")
    if parsed.is_dot and ticks is not None:
        clock = unwrapped(ticks, _LONG_RANGE) / _DOT_TICK_HZ
        return clock - clock[0], rate
    if counted is None:
        raise BadInputError(
            f"has neither a counter nor a {TICKS} in microseconds to tell the time by; export it with one"
        )
    return np.asarray(counted / rate, dtype=np.float64), rate


def _tick_rate(ticks: Floats, counted: Floats | None, is_dot: bool) -> float | None:
    """Return the rate (Hz) by the ticks between samples, None where they stand or are missing."""
    steps = np.diff(ticks)
    samples = np.diff(counted) if counted is not None else np.ones(steps.size)
    good = (steps > 0) & (samples > 0)
    if not good.any():
        return None
    return float((_DOT_TICK_HZ if is_dot else _MT_TICK_HZ) / np.median(steps[good] / samples[good]))


def _rows(counted: Floats | None, stamps: Floats, rate: float) -> NDArray[np.int64]:
    """Return, for every sample that was taken, its row in the file, -1 for a lost one.

    A hole of more than 10 s is left to :func:`grfkit.records.make_stream`, as all longer holes are.
    """
    if counted is None:
        return np.arange(stamps.size)
    lost = np.clip(np.diff(counted).astype(np.int64) - 1, 0, None)
    added = np.where(lost > LONGEST_FILLED_GAP_S * rate, 0, lost)
    first = np.concatenate([[0], np.cumsum(added + 1)])
    rows = np.full(int(first[-1]) + 1, -1, dtype=np.int64)
    rows[first] = np.arange(stamps.size)
    return rows


def _at(values: Floats, rows: NDArray[np.int64]) -> Floats:
    return np.where(rows >= 0, values[rows], np.nan)


def _channels(parsed: XsensFile) -> list[Channel]:
    channels = []
    for index, column in enumerate(parsed.columns):
        values: Floats = parsed.table[:, index]
        if column in _CLOCK or column.startswith("UTC_") or np.isnan(values).all():
            continue
        name, unit = _name(column, is_dot=parsed.is_dot)
        channels.append(Channel(name, values, unit, "sensor" if unit != "unknown" else "raw", column))
    if not channels:
        raise BadInputError("holds no measured column")
    return channels


def _name(column: str, *, is_dot: bool) -> tuple[str, str]:
    """Return the channel's name and its unit."""
    # both give the magnetometer without unit, an MT relative to the strength of the local field
    known = {"Acc": ("acc", "m/s^2"), "Gyr": ("gyro", "deg/s" if is_dot else "rad/s"), "Mag": ("mag", "1")}
    if match := re.fullmatch(r"(Acc|Gyr|Mag)_([XYZ])", column):
        name, unit = known[match[1]]
        return f"{name}_{match[2].lower()}", unit
    return snake(column), next((unit for pattern, unit in _UNITS if pattern.fullmatch(column)), "unknown")


READER = Reader("xsens", "Xsens MT Manager or DOT text", (".txt", ".csv"), _sniff, _read, ("rate_hz",))
