"""pedar ASCII exports (novel, ``.asc``): a header of nine lines, then time and the cells of both insoles, on one clock.

The header states the unit (``pressure values in  kPa``), the rate, and per insole which cells follow (``left
insole: 1,2,...``); the row above the data numbers the columns in that order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from ...arrays import Floats
from ...errors import BadInputError
from ...formats.rows import is_number
from ...formats.text import checked_unit, decimal_sign, name_and_unit, parse_table
from ...records import Channel, Recording, Side, make_stream
from ...units import parse_unit
from ..base import Head, Match, Reader, ReadOptions
from ..files import check_time, file_recording, read_text, refuse_extra, with_pressure_sum

# Lines searched for the row of numbers; the header has nine, chosen by hand with room for comments
_HEADER_LINES = 40
_VALUES = re.compile(r"(pressure|force) values in\s+(\S+)", re.IGNORECASE)
_INSOLE = re.compile(r"(left|right) insole:\s*([\d,\s]*)", re.IGNORECASE)
_RATE = re.compile(r"scanning rate \[Hz\]:\s*(\S+)", re.IGNORECASE)
_TOTAL = re.compile(r"total time \[secs?\]:\s*(\S+)", re.IGNORECASE)
_DATE = re.compile(r"date/time\s+([0-9./: -]+)", re.IGNORECASE)
# How far the stamps may be from the stated rate; chosen by hand: stamps are rounded when printed
_RATE_TOLERANCE = 0.02
# Steps by which the last stamp may stay below the stated total time; chosen by hand: that may count the last sample's
# own step, and both are rounded
_LAST_STEPS = 1.5


@dataclass(frozen=True)
class PedarFile:
    """Cells of each insole by side: their numbers and values (samples, cells) in ``unit``; time in s."""

    time: Floats
    rate_hz: float | None
    unit: str
    numbers: dict[str, list[int]]
    cells: dict[str, Floats]
    started: str
    notes: list[str]


def find_header(lines: Sequence[str]) -> int:
    """Return the index of the row that numbers the columns, -1 if this is no pedar export."""
    head = list(lines[:_HEADER_LINES])
    if not any(_VALUES.match(line.strip()) for line in head):
        return -1
    for index, line in enumerate(head):
        cells = [cell.strip() for cell in line.split("\t")]
        if cells[0].lower().startswith("time[") and len(cells) > 1:
            return index
    return -1


def parse_pedar(text: str) -> PedarFile:
    """Return what an export holds.

    Raises
    ------
    BadInputError
        If the header lacks its unit, its insoles or its row of cell numbers, these disagree, the stamps are
        not of the stated rate, it is cut off, or a row is damaged.
    """
    lines = text.splitlines()
    at = find_header(lines)
    if at < 0:
        raise BadInputError("is no pedar export: expected 'pressure values in kPa' and a row 'time[secs] 1 2 ...'")
    names = [cell.strip() for cell in lines[at].split("\t")]
    while names and not names[-1]:
        names.pop()
    checked_unit(name_and_unit(names[0])[1], ("s",), what=f"column '{names[0]}'")
    head, notes = "\n".join(lines[:at]), []
    numbers = _insoles(lines[:at], names[1:])
    rows = lines[at + 1 :]
    labels = [names[0], *(f"{side} cell {n}" for side, listed in numbers.items() for n in listed)]
    table = parse_table(
        rows,
        columns=labels,
        separator="\t",
        first_line=at + 2,
        decimal=decimal_sign(rows, "\t"),
        line_ended=text.endswith(("\n", "\r")),
    )
    notes += table.notes
    time, cells, start = table.values[:, 0], {}, 1
    for side, listed in numbers.items():
        cells[side] = table.values[:, start : start + len(listed)]
        start += len(listed)
    rate = _rate(head, time)
    _check_length(head, time)
    date = _DATE.search(head)
    return PedarFile(time, rate, _unit(head), numbers, cells, date[1].strip() if date else "", notes)


def _unit(head: str) -> str:
    match = _VALUES.search(head)
    assert match is not None  # find_header saw it
    expected = "Pa" if match[1].lower() == "pressure" else "N"
    if parse_unit(match[2]).canonical != expected:
        raise BadInputError(f"states '{match[0]}', expected a unit of {match[1].lower()}")
    return match[2]


def _insoles(head: Sequence[str], columns: list[str]) -> dict[str, list[int]]:
    listed: dict[str, list[int]] = {}
    for line in head:
        if match := _INSOLE.match(line.strip()):
            if match[1].lower() in listed:
                raise BadInputError(f"lists the {match[1].lower()} insole twice")
            numbers = [cell.strip() for cell in match[2].split(",") if cell.strip()]
            if numbers:
                listed[match[1].lower()] = [int(cell) for cell in numbers]
    if not listed:
        raise BadInputError("lists no insole; expected lines such as 'left insole: 1,2,3,...' above the data")
    expected = [str(number) for numbers in listed.values() for number in numbers]
    if expected != columns:
        pairs = enumerate(zip(expected, columns))
        at = next((i for i, (a, b) in pairs if a != b), min(len(expected), len(columns)))
        raise BadInputError(
            f"lists {len(expected)} cells of the {' and '.join(listed)} insole, but numbers {len(columns)}"
            f" columns, differing from column {at + 2} on"
        )
    for side, numbers_of in listed.items():
        if len(set(numbers_of)) != len(numbers_of):
            raise BadInputError(f"lists a cell of the {side} insole twice")
    return listed


def _rate(head: str, time: Floats) -> float | None:
    """Return the stated rate (Hz), checked against the stamps; None where none is stated."""
    match = _RATE.search(head)
    if match is None:
        return None
    if not is_number(match[1]) or float(match[1]) <= 0:
        raise BadInputError(f"states its scanning rate as '{match[1]}', expected a number above 0")
    rate, steps = float(match[1]), np.diff(time)
    step = float(np.median(steps)) if steps.size else 1.0 / rate
    if not abs(step * rate - 1.0) < _RATE_TOLERANCE:
        raise BadInputError(f"states {rate:g} Hz, but its stamps are {step:g} s apart; one of them is wrong")
    return rate


def _check_length(head: str, time: Floats) -> None:
    match = _TOTAL.search(head)
    if match is None or not is_number(match[1]) or len(time) < 2:
        return
    stated, last_s = float(match[1]), float(time[-1])
    if last_s < stated - _LAST_STEPS * float(np.median(np.diff(time))):
        raise BadInputError(
            f"is cut off: its header states {stated:g} s, its last row is at {last_s:g} s; export it again"
        )


def _sniff(head: Head) -> Match:
    if find_header(head.text.splitlines()) >= 0:
        return Match(0.95, "states 'pressure values in' and has a row 'time[secs] 1 2 ...'")
    return Match(0.0, "has no line 'pressure values in kPa' above a row 'time[secs] 1 2 ...'")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "pedar")
    parsed = parse_pedar(read_text(path))
    check_time(parsed.time)
    streams = {
        f"insole_{side}": make_stream(
            _channels(parsed, side),
            parsed.time,
            kind="insole",
            side=cast(Side, side),
            rate_hz=parsed.rate_hz,
            stamp_source="index",
        )
        for side in parsed.cells
    }
    notes = [*parsed.notes]
    if parse_unit(parsed.unit).canonical == "Pa":
        notes.append("the file holds pressures but no cell areas: 'pressure_sum' stands for the force")
    if parsed.started:
        notes.append(f"the file states its start as '{parsed.started}' (no time zone)")
    return file_recording(path, streams, device="pedar", reader="pedar", notes=notes)


def _channels(parsed: PedarFile, side: str) -> list[Channel]:
    values = parsed.cells[side]
    channels = [
        Channel(f"cell_{number:02d}", values[:, i], parsed.unit, "foot", f"{side} insole {number}")
        for i, number in enumerate(parsed.numbers[side])
    ]
    if parse_unit(parsed.unit).canonical == "N":
        return [*channels, Channel("force", np.sum(values, axis=1), parsed.unit, "foot", "sum of cells")]
    return with_pressure_sum(channels)


READER = Reader("pedar", "pedar ASCII (novel)", (".asc", ".txt"), _sniff, _read)
