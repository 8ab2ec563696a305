"""Insole text of "Gait in Parkinson's Disease" (PhysioNet gaitpdb): 19 columns without a header, feet on one clock.

Time in s, eight cells of the left and eight of the right foot in N, and each foot's total (format.txt of the
data set). Each total is the sum of its cells, which sets such a file apart from any other of 19 columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from ...arrays import Floats
from ...errors import BadInputError
from ...formats.rows import is_number
from ...formats.text import parse_table
from ...records import Channel, Recording, Side, make_stream
from ..base import Head, Match, Reader, ReadOptions
from ..files import check_time, file_recording, read_text, refuse_extra

COLUMNS = 19
"""Of the data set's format.txt: time, sixteen cells, two totals."""
CELLS = 8
"""Cells of one insole."""
# How far a total may be from the sum of its cells, N: all are rounded when printed
_ROUNDING_N = 0.05
NAMES = (
    "time",
    *(f"L{i}" for i in range(1, CELLS + 1)),
    *(f"R{i}" for i in range(1, CELLS + 1)),
    "total left",
    "total right",
)


@dataclass(frozen=True)
class GaitpdbFile:
    """Time (samples,) in s; cells (samples, 8) and total (samples,) in N, by foot."""

    time: Floats
    cells: dict[str, Floats]
    total: dict[str, Floats]
    notes: list[str]


def looks_like_gaitpdb(lines: Sequence[str]) -> str:
    """Return why these first lines are no gaitpdb file, "" if they are one."""
    rows = [line.split("\t") for line in lines if line.strip()]
    if len(rows) < 3 or any(len(row) != COLUMNS or not all(map(is_number, row)) for row in rows):
        return f"does not start with rows of {COLUMNS} numbers"
    table = np.array(rows, dtype=np.float64)
    if _wrong_total(table) >= 0:
        return f"has rows of {COLUMNS} numbers, but the last two are not the sums of eight cells each"
    return ""


def parse_gaitpdb(text: str) -> GaitpdbFile:
    """Return what a file holds.

    Raises
    ------
    BadInputError
        If a row is damaged, or its totals are not the sums of its cells.
    """
    table = parse_table(
        text.splitlines(),
        columns=NAMES,
        separator="\t",
        first_line=1,
        line_ended=text.endswith(("\n", "\r")),
    )
    values, notes = table.values, table.notes
    # a last number that was cut short is no longer the sum of its cells
    if not text.endswith(("\n", "\r")) and _wrong_total(values[-1:]) == 0 and len(values) > 1:
        values, notes = values[:-1], [*notes, "the last row is cut off; it is left out"]
    wrong = _wrong_total(values)
    if wrong >= 0:
        raise BadInputError(f"line {wrong + 1}: a foot's total is not the sum of its eight cells; the row is damaged")
    cells = {"left": values[:, 1 : 1 + CELLS], "right": values[:, 1 + CELLS : 1 + 2 * CELLS]}
    return GaitpdbFile(values[:, 0], cells, {"left": values[:, -2], "right": values[:, -1]}, notes)


def _wrong_total(table: Floats) -> int:
    left = table[:, 1 : 1 + CELLS].sum(axis=1) - table[:, -2]
    right = table[:, 1 + CELLS : 1 + 2 * CELLS].sum(axis=1) - table[:, -1]
    with np.errstate(invalid="ignore"):
        wrong = (np.abs(left) > _ROUNDING_N) | (np.abs(right) > _ROUNDING_N)
    return int(wrong.argmax()) if wrong.any() else -1


def _sniff(head: Head) -> Match:
    complete = len(head.data) >= head.size
    lines = head.lines(12)
    why = looks_like_gaitpdb(lines if not complete else lines[:-1])
    if why:
        return Match(0.0, why)
    return Match(0.9, "has rows of 19 numbers whose last two are the sums of eight cells each")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "gaitpdb")
    parsed = parse_gaitpdb(read_text(path))
    check_time(parsed.time)
    streams = {}
    for side, cells in parsed.cells.items():
        channels = [
            Channel(f"cell_{i + 1:02d}", cells[:, i], "N", "foot", f"{side[0].upper()}{i + 1}")
            for i in range(cells.shape[1])
        ]
        channels.append(Channel("force", parsed.total[side], "N", "foot", f"total {side}"))
        streams[f"insole_{side}"] = make_stream(
            channels, parsed.time, kind="insole", side=cast(Side, side), stamp_source="index"
        )
    return file_recording(
        path,
        streams,
        device="Ultraflex (gaitpdb)",
        reader="gaitpdb",
        notes=[*parsed.notes, "units and feet as the data set documents them: N, left before right"],
    )


READER = Reader("gaitpdb", "gaitpdb insole text (PhysioNet)", (".txt",), _sniff, _read)
