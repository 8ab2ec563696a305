"""Delsys Trigno exports, Trigno Discover and EMGworks CSV: columns of several rates side by side in one table.

Discover: ``Application:, Trigno Discover (1.7.0)``, two more such lines, a row of sensors, one of modes, one of
channels with units (``ACC X (G)``), one of rates; with or without a time column before each channel. Before version
1.5 the channels state a rounded rate (``ACC X (148Hz)``) and no unit. EMGworks: pairs of ``X[s]`` and
``"Avanti sensor 1: ACC.X 1"``. A column that is through before the others is empty from there on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .. import units
from ..arrays import Floats
from ..errors import BadInputError
from .header_rows import cells_of
from .rows import is_number
from .text import decimal_sign, parse_table
from .timing import HIGHEST_RATE_HZ

_APPLICATION = re.compile(r'"?Application:"?\s*[,;]\s*"?Trigno Discover\s*\(?([\d.]*)')
_CHANNEL = re.compile(r"(?P<name>.+?)\s*\((?P<unit>[^()]*(?:\([^()]*\))?)\)")
_RATE_IN_NAME = re.compile(r"(\d{1,9}(?:\.\d+)?)\s*Hz")
_RATE = re.compile(r"(-?\d{1,9}(?:\.\d+)?)\s*Hz")
_PERIOD = re.compile(r"-?[\d.eE+-]+\s*s")
_TIME_OF = " Time Series"
_EMGWORKS_TIME = "X[s]"
_LABEL = re.compile(r"Label:\s*(?P<label>.+?)\s+Sampling frequency:.*?Unit:\s*(?P<unit>\S+)")
# Delsys writes G for the standard gravity, which is gauss elsewhere
_UNITS = {"G": "g", "Volts": "V", "deg/sec": "deg/s"}
# How much longer than the stated collection a channel may last, chosen by hand: link devices go on for some seconds
_LONGER, _LONGER_S = 1.05, 5.0
# Lines searched for the row of channels, chosen by hand: EMGworks lists every channel in a line of its own
_HEADER_LINES = 200


@dataclass(frozen=True)
class DelsysColumn:
    """One channel: sensor and name as the file states them, unit ("" if none or unknown), time and values.

    Attributes
    ----------
    rate_hz
        As stated, None where only the time column tells it.
    time, values
        Shape (samples,), s; NaN among them is a missing sample.
    """

    sensor: str
    name: str
    unit: str
    rate_hz: float | None
    time: Floats
    values: Floats

    @property
    def label(self) -> str:
        """Return sensor and name as one, as a column map names it."""
        return f"{self.sensor}: {self.name}" if self.sensor else self.name


@dataclass(frozen=True)
class DelsysFile:
    """A file's channels, the program that wrote it, its start as written ("" if none) and notes."""

    columns: list[DelsysColumn]
    program: str
    started: str
    notes: list[str]


@dataclass(frozen=True)
class _Plan:
    """One channel before the numbers are read: its column, that of its time (-1 if none), and what the header says."""

    index: int
    time: int
    sensor: str
    name: str
    unit: str
    rate_hz: float | None


def looks_like_delsys(lines: Sequence[str]) -> str:
    """Return why these first lines are of a Delsys export, "" if they are of none."""
    if lines and _APPLICATION.match(lines[0]):
        return "starts with 'Application:' and 'Trigno Discover'"
    if _emgworks_row(lines) >= 0:
        return f"has a header row of pairs of '{_EMGWORKS_TIME}' and a channel"
    return ""


def parse_delsys(text: str) -> DelsysFile:
    """Return what an export holds.

    Raises
    ------
    BadInputError
        If the header is incomplete or contradicts itself, a row is damaged, or time goes back.
    """
    lines = text.splitlines()
    if lines and (match := _APPLICATION.match(lines[0])):
        return _discover(lines, match[1], line_ended=text.endswith(("\n", "\r")))
    at = _emgworks_row(lines)
    if at < 0:
        raise BadInputError(
            f"neither starts with 'Application:, Trigno Discover' nor has pairs of '{_EMGWORKS_TIME}' and a channel"
        )
    return _emgworks(lines, at, line_ended=text.endswith(("\n", "\r")))


def _separator(line: str) -> str:
    return ";" if ";" in line else ("\t" if "\t" in line else ",")


def _emgworks_row(lines: Sequence[str]) -> int:
    for index, line in enumerate(lines[:_HEADER_LINES]):
        if line.lstrip('" ').startswith(_EMGWORKS_TIME):
            cells = cells_of(line, _separator(line))
            if len(cells) > 1 and all(cell.replace(" ", "") == _EMGWORKS_TIME for cell in cells[::2]):
                return index
    return -1


def _emgworks(lines: list[str], at: int, *, line_ended: bool) -> DelsysFile:
    separator = _separator(lines[at])
    cells = cells_of(lines[at], separator)
    if len(cells) % 2:
        raise BadInputError(
            f"line {at + 1} names {len(cells)} columns, expected pairs of '{_EMGWORKS_TIME}' and a channel"
        )
    stated = {m["label"]: _unit(m["unit"]) for line in lines[:at] if (m := _LABEL.search(line))}
    plans = []
    for index in range(1, len(cells), 2):
        sensor, _, name = cells[index].rpartition(": ")
        plans.append(_Plan(index, index - 1, sensor, name, stated.get(cells[index], ""), None))
    columns, notes = _columns(lines[at + 1 :], cells, plans, separator, at + 2, line_ended=line_ended)
    return DelsysFile(columns, "EMGworks", "", notes)


def _discover(lines: list[str], version: str, *, line_ended: bool) -> DelsysFile:
    if len(lines) < 7:
        raise BadInputError(f"ends after {len(lines)} lines, inside its header; it was cut off")
    separator = _separator(lines[0])
    started = cells_of(lines[1], separator)[1:2]
    channels = cells_of(lines[5], separator)
    sensors = _filled(cells_of(lines[3], separator), len(channels))
    if not channels or not all(channels) or not sensors[0]:
        raise BadInputError("line 4 and 6 do not name a sensor and a channel for every column")
    begin, rates = 6, [""] * len(channels)
    stated = cells_of(lines[6], separator)
    if stated and all(not cell or _RATE.fullmatch(cell) for cell in stated):
        begin, rates = 7, [*stated, *[""] * (len(channels) - len(stated))]
        extra = cells_of(lines[7], separator)[: len(channels)] if len(lines) > 7 else []
        begin += bool(extra) and all(not cell or _PERIOD.fullmatch(cell) for cell in extra)
    plans, notes = _plans(channels, sensors, rates)
    rows = lines[begin:]
    if _beyond(lines[begin - 1], separator, len(channels)):
        # events stand to the right of the channels, in columns of their own
        notes.append("events beside the channels are left out")
        rows = [separator.join(row.split(separator)[: len(channels)]) for row in rows]
    columns, more = _columns(rows, channels, plans, separator, begin + 1, line_ended=line_ended)
    notes += _longer(columns, cells_of(lines[2], separator)[1:2])
    return DelsysFile(columns, f"Trigno Discover {version}".strip(), started[0] if started else "", [*notes, *more])


def _longer(columns: list[DelsysColumn], stated: list[str]) -> list[str]:
    """Return a note where a channel lasts longer than the collection: somebody cut the rows off below."""
    if not stated or not is_number(stated[0]):
        return []
    last = max(float(column.time[-1]) for column in columns)
    if last <= _LONGER * float(stated[0]) + _LONGER_S:
        return []
    return [
        f"states a collection of {float(stated[0]):g} s, but a channel lasts {last:g} s: rows were cut off, and fast"
        " channels end before slow ones"
    ]


def _beyond(line: str, separator: str, width: int) -> bool:
    return any(cell for cell in cells_of(line, separator)[width:])


def _filled(cells: list[str], width: int) -> list[str]:
    """Return a row of sensors in which a blank cell inherits the one to its left."""
    filled: list[str] = []
    for index in range(width):
        cell = cells[index] if index < len(cells) else ""
        filled.append(cell or (filled[-1] if filled else ""))
    return filled


def _plans(channels: list[str], sensors: list[str], rates: list[str]) -> tuple[list[_Plan], list[str]]:
    plans: list[_Plan] = []
    notes: list[str] = []
    timeless: list[str] = []
    rounded: list[float] = []
    time = -1
    for index, (cell, sensor) in enumerate(zip(channels, sensors)):
        if cell.endswith("(s)") and _TIME_OF in cell:
            time = index
            continue
        match = _CHANNEL.fullmatch(cell)
        name, unit = (match["name"], match["unit"]) if match else (cell, "")
        stated = _RATE.fullmatch(rates[index])
        rate = float(stated[1]) if stated else None
        if in_name := _RATE_IN_NAME.fullmatch(unit):
            unit, rate = "", float(in_name[1])
            rounded.append(rate)
        if rate is not None and not 0 < rate < HIGHEST_RATE_HZ:
            rate = None
        if rate is None and time < 0:
            timeless.append(f"{sensor}: {name}")
        else:
            plans.append(_Plan(index, time, sensor, name, _unit(unit), rate))
        time = -1
    if timeless:
        notes.append(f"have neither a rate nor a time column and are left out: {', '.join(timeless[:8])}")
    if rounded:
        notes.append(
            "rates are printed in whole Hz and units not at all, as Discover did before version 1.5: time may be off"
            f" by up to {50.0 / max(min(rounded), 1.0):.2g} %, and channels have no unit; export it again with a later"
            " version, or name them in a column map"
        )
    return plans, notes


def _unit(text: str) -> str:
    unit = _UNITS.get(text.strip(), text.strip())
    return unit if unit and units.is_unit(unit) else ""


def _columns(
    rows: list[str], cells: list[str], plans: list[_Plan], separator: str, first_line: int, *, line_ended: bool
) -> tuple[list[DelsysColumn], list[str]]:
    parsed = parse_table(
        rows,
        columns=cells,
        separator=separator,
        first_line=first_line,
        decimal=decimal_sign(rows, separator),
        line_ended=line_ended,
    )
    notes = list(parsed.notes)
    columns, empty = [], []
    for plan in plans:
        values = parsed.values[:, plan.index]
        finite = np.flatnonzero(np.isfinite(values))
        if not finite.size:
            empty.append(f"{plan.sensor}: {plan.name}")
            continue
        values = values[: finite[-1] + 1]
        columns.append(
            DelsysColumn(plan.sensor, plan.name, plan.unit, plan.rate_hz, _stamps(plan, parsed.values, values), values)
        )
    if empty:
        notes.append(f"hold no number and are left out: {', '.join(empty[:8])}")
    if not columns:
        raise BadInputError("holds no channel with a number in it")
    return columns, notes


def _stamps(plan: _Plan, table: Floats, values: Floats) -> Floats:
    if plan.time < 0:
        assert plan.rate_hz is not None
        return np.arange(values.size) / plan.rate_hz
    time = np.asarray(table[: values.size, plan.time])
    if not np.isfinite(time).all():
        raise BadInputError(f"'{plan.sensor}: {plan.name}' has a sample without a time")
    return time
