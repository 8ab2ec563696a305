"""Gait Up Physilog as CSV: some lines about the recording, a row of names, a row of units, then numbers.

Names are ``Time``, ``Accel X`` to ``Z``, ``Gyro X`` to ``Z``. Written from the loader of Linn39/imu_gait_analysis on
GitHub, which reads the sensors of the TRIPOD and DUO-Gait data sets (doi 10.3390/data6090095,
10.1038/s41597-023-02391-w): five lines above the names, a row of units below them. No real file was at hand:
unverified.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ... import units
from ...errors import BadInputError
from ...formats.csv_generic import parse_csv
from ...formats.header_rows import HeaderLayout, cells_of, read_header
from ...formats.text import separator_of
from ...records import Recording
from ..base import Head, Match, Reader, ReadOptions
from ..files import file_recording, read_text, refuse_extra
from ..table_streams import table_streams

# Lines searched for the names; chosen by hand, above the five of the loader named above
_HEADER_LINES = 20
_SENSOR = re.compile(r"(Accel|Gyro) ([XYZ])")
_NAMES = {"Accel": "acc", "Gyro": "gyro"}
_EXPECTED = {"Time": "s", "Accel": "m/s^2", "Gyro": "rad/s"}


def _names_at(lines: Sequence[str]) -> int:
    """Return the index of the row of names, -1 where there is none."""
    for index, line in enumerate(lines[:_HEADER_LINES]):
        cells = cells_of(line, separator_of(line))
        if "Time" in cells and any(_SENSOR.fullmatch(cell) for cell in cells):
            return index
    return -1


def _sniff(head: Head) -> Match:
    at = _names_at(head.lines(_HEADER_LINES))
    if at < 0:
        return Match(0.0, "has no row of names with 'Time' and 'Accel X' or 'Gyro X'")
    return Match(0.97, f"line {at + 1} names 'Time' and 'Accel' or 'Gyro', as exports of Physilog sensors do")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "physilog")
    lines = read_text(path).splitlines(keepends=True)
    at = _names_at(lines)
    if at < 0:
        raise BadInputError("has no row of names with 'Time' and 'Accel X' or 'Gyro X'; export it as CSV again")
    if "Mag" not in lines[at]:
        # a capital G is gauss in grfkit's table; without a magnetometer it can only be gravity
        lines[at + 1 : at + 2] = [re.sub(r"(?<!\w)G(?!\w)", "g", line) for line in lines[at + 1 : at + 2]]
    text = "".join(lines)
    layout = HeaderLayout(at, 1, units_row=True)
    if options.column_map:
        stated = layout if options.layout.is_plain else options.layout
        parsed = parse_csv(text, options.column_map, needs=() if options.rate_hz else ("time",), layout=stated)
    else:
        parsed = parse_csv(text, _column_map(lines, layout), needs=("time",), layout=layout)
    streams, t0_unix_s, notes = table_streams(parsed, options)
    notes.append("layout of Physilog's CSV from a public loader; no real file was at hand: unverified")
    return file_recording(
        path, streams, device="Physilog (Gait Up)", reader="physilog", t0_unix_s=t0_unix_s, notes=notes
    )


def _column_map(lines: Sequence[str], layout: HeaderLayout) -> dict[str, str]:
    """Return the house name, with its unit, of each column that Physilog writes."""
    header = read_header(lines, layout)
    below = cells_of(lines[header.end - 1], header.separator)
    found = {}
    for index, cell in enumerate(header.names):
        match = _SENSOR.fullmatch(cell)
        if not match and cell != "Time":
            continue
        kind = match[1] if match else cell
        unit = _unit(cell, below[index] if index < len(below) else "", _EXPECTED[kind])
        found[cell] = f"{_NAMES[kind]}_{match[2].lower()} [{unit}]" if match else f"time [{unit}]"
    return found


def _unit(cell: str, stated: str, canonical: str) -> str:
    if not stated or not units.is_unit(stated, canonical):
        what = f"is '{stated}'" if stated else "is empty"
        raise BadInputError(
            f"the row of units below the names {what} for column '{cell}', expected a unit like {canonical};"
            " state it in a column map (--column-map map.toml, with skip_lines)"
        )
    return units.canonical_name(stated)


READER = Reader("physilog", "Physilog (Gait Up) CSV", (".csv",), _sniff, _read, ("rate_hz", "column_map"))
