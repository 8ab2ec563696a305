"""Moticon OpenGo/Science text: ``#`` header lines, then ``# time`` and a column per quantity and foot, on one clock.

Columns are named ``left pressure 1[N/cm²]``, ``right acceleration X[g]``, ``left angular Z[dps]``, ``left
total force[N]``, ``left center of pressure X[-0.5...+0.5]``; any may be absent. An empty cell is missing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import xarray as xr

from ... import units
from ...arrays import Floats
from ...errors import BadInputError
from ...formats.text import checked_unit, decimal_sign, name_and_unit, parse_table, separator_of
from ...records import Channel, Frame, Recording, Side, StreamKind, make_stream
from ..base import Head, Match, Reader, ReadOptions
from ..files import check_time, file_recording, read_text, refuse_extra, with_pressure_sum

# Lines searched for the row of names, chosen by hand: comment lines of any number stand above it
_HEADER_LINES = 60
_FOOT = re.compile(r"(left|right)\s+(.+)", re.IGNORECASE)
_AXES = {"acceleration": "acc", "angular": "gyro", "angular rate": "gyro", "gyro": "gyro", "magnetic": "mag"}
_UNITS = {"acc": ("m/s^2", "count"), "gyro": ("rad/s", "count"), "mag": ("T", "count")}
_START = re.compile(r"#\s*(?:Start time:|Measurement)\s*(.+)", re.IGNORECASE)
# Steps of an insole between 250 and 8 Hz, chosen by hand around its 10 to 200 Hz
_SHORTEST_STEP_S, _LONGEST_STEP_S = 0.004, 0.125
_KINDS: tuple[tuple[StreamKind, Frame], ...] = (("insole", "foot"), ("imu", "sensor"), ("analog", "raw"))


@dataclass(frozen=True)
class MoticonColumn:
    """One column: stream (``insole``, ``imu``, ``analog``), foot ("" if none), channel, unit, name in the file."""

    index: int
    kind: str
    side: str
    channel: str
    unit: str
    raw: str


@dataclass(frozen=True)
class MoticonFile:
    """Time (samples,) in ``time_unit``; table (samples, columns), NaN where missing; start as written."""

    columns: list[MoticonColumn]
    time: Floats
    time_unit: str
    table: Floats
    started: str
    notes: list[str] = field(default_factory=list)


def find_header(lines: Sequence[str]) -> int:
    """Return the index of the row of column names, -1 if there is none."""
    for index, line in enumerate(lines[:_HEADER_LINES]):
        cells = line.lstrip("# ").split(separator_of(line))
        timed = re.match(r"time\b", cells[0].strip(), re.IGNORECASE)
        if timed and any(_FOOT.fullmatch(cell.strip()) and "[" in cell for cell in cells[1:]):
            return index
    return -1


def parse_moticon(text: str) -> MoticonFile:
    """Return what an export holds.

    Raises
    ------
    BadInputError
        If there is no row of column names, a unit is unknown or of the wrong quantity, the time's unit is
        not stated and does not show from its steps, or a row is damaged.
    """
    lines = text.splitlines()
    at = find_header(lines)
    if at < 0:
        raise BadInputError("has no row of columns such as '# time' and 'left pressure 1[N/cm²]'")
    separator = separator_of(lines[at])
    cells = [cell.strip() for cell in lines[at].lstrip("# ").split(separator)]
    while cells and not cells[-1]:
        cells.pop()
    notes: list[str] = []
    columns = _columns(cells, notes)
    rows = lines[at + 1 :]
    table = parse_table(
        rows,
        columns=cells,
        separator=separator,
        first_line=at + 2,
        decimal=decimal_sign(rows, separator),
        line_ended=text.endswith(("\n", "\r")),
    )
    notes += table.notes
    time = table.values[:, 0]
    unit = _time_unit(cells[0], time, notes)
    values = table.values[:, [column.index for column in columns]]
    return MoticonFile(columns, time, unit, values, _started(lines[:at]), notes)


def _started(lines: Sequence[str]) -> str:
    for line in lines:
        if match := _START.match(line.strip()):
            return match[1].strip()
    return ""


def _columns(cells: list[str], notes: list[str]) -> list[MoticonColumn]:
    columns: list[MoticonColumn] = []
    for index, cell in enumerate(cells[1:], start=1):
        column = _column(index, cell, notes)
        if column is None:
            continue
        if any((c.kind, c.side, c.channel) == (column.kind, column.side, column.channel) for c in columns):
            raise BadInputError(f"column '{cell}' stands twice")
        columns.append(column)
    if not any(column.kind in ("insole", "imu") for column in columns):
        raise BadInputError("has neither pressure, force nor motion columns of a left or right foot")
    return columns


def _column(index: int, cell: str, notes: list[str]) -> MoticonColumn | None:
    name, unit = name_and_unit(cell)
    name = re.sub(r"\s+", " ", name).lower()
    what = f"column '{cell}'"
    match = _FOOT.fullmatch(name)
    if not match:
        channel = re.sub(r"\W+", "_", name.strip()).strip("_") or "unnamed"
        return MoticonColumn(index, "analog", "", channel, unit or "unknown", cell)
    side, quantity = match[1], match[2]
    stem, _, last = quantity.rpartition(" ")
    if stem == "pressure" and last.isdigit():
        checked_unit(unit, ("Pa", "count"), what=what)
        return MoticonColumn(index, "insole", side, f"cell_{int(last):02d}", unit, cell)
    if stem in _AXES and last in "xyz":
        short = _AXES[stem]
        checked_unit(unit, _UNITS[short], what=what)
        return MoticonColumn(index, "imu", side, f"{short}_{last}", unit, cell)
    if quantity == "total force":
        checked_unit(unit, ("N", "count"), what=what)
        return MoticonColumn(index, "insole", side, "force", unit, cell)
    if stem in ("center of pressure", "cop") and last in "xy":
        return MoticonColumn(index, "insole", side, f"cop_{last}", _cop_unit(unit, what), cell)
    notes.append(f"{what} is left out: its quantity is not known")
    return None


def _cop_unit(unit: str, what: str) -> str:
    """Return the unit of a centre of pressure: a share of the insole's size where its range is stated."""
    if re.fullmatch(r"-0[.,]5\s*\.{2,3}\s*\+?0[.,]5", unit):
        return "1"
    return checked_unit(unit, ("m", "1"), what=what)


def _time_unit(cell: str, time: Floats, notes: list[str]) -> str:
    """Return the time's unit: as stated, or the only one that makes the steps those of an insole."""
    unit = name_and_unit(cell)[1]
    if unit:
        return checked_unit(unit, ("s",), what=f"column '{cell}'")
    steps = np.diff(time[np.isfinite(time)])
    step = float(np.median(steps)) if steps.size else 0.0
    for name, factor in (("s", 1.0), ("ms", 1e-3)):
        if _SHORTEST_STEP_S <= step * factor <= _LONGEST_STEP_S:
            # printed steps of 0.004 to 0.125 are s, of 4 to 125 ms: the ranges do not overlap
            notes.append(f"time states no unit; its steps of {step:g} can only be {name} (8 to 250 Hz)")
            return name
    raise BadInputError(
        f"column '{cell}' states no unit, and its steps of {step:g} fit neither s nor ms; write 'time[s]'"
    )


def _sniff(head: Head) -> Match:
    if find_header(head.text.splitlines()) >= 0:
        return Match(0.95, "has columns such as 'time' and 'left pressure 1[N/cm²]'")
    return Match(0.0, "has no row of columns such as '# time' and 'left pressure 1[N/cm²]'")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "moticon")
    parsed = parse_moticon(read_text(path))
    check_time(units.to_si(parsed.time, parsed.time_unit))
    notes = [*parsed.notes]
    if parsed.started:
        notes.append(f"the file states its start as '{parsed.started}' (no time zone)")
    streams = {}
    for kind, frame in _KINDS:
        for side in ("left", "right", ""):
            stream = _stream(parsed, kind, frame, side, notes)
            if stream is not None:
                streams["_".join(filter(None, (kind, side)))] = stream
    if not any(stream.attrs["kind"] != "analog" for stream in streams.values()):
        raise BadInputError("every pressure, force and motion value is missing")
    return file_recording(path, streams, device="Moticon", reader="moticon", notes=notes)


def _stream(parsed: MoticonFile, kind: StreamKind, frame: Frame, side: str, notes: list[str]) -> xr.Dataset | None:
    """Return the stream of one kind and foot, None if the file has no such column or no value in them."""
    indices = [i for i, c in enumerate(parsed.columns) if c.kind == kind and c.side == side]
    if not indices:
        return None
    values = parsed.table[:, indices]
    if not np.isfinite(values).any():
        notes.append(f"every {side} {kind} value is missing; the stream is left out")
        return None
    channels = [
        Channel(
            parsed.columns[i].channel,
            parsed.table[:, i],
            parsed.columns[i].unit,
            frame,
            parsed.columns[i].raw,
        )
        for i in indices
    ]
    without = int((~np.isfinite(values)).all(axis=1).sum())
    if without:
        notes.append(f"{side} {kind}: {without} of {len(values)} rows are empty")
    return make_stream(
        with_pressure_sum(channels) if kind == "insole" else channels,
        parsed.time,
        kind=kind,
        side=cast(Side, side or "unknown"),
        time_unit=parsed.time_unit,
    )


READER = Reader("moticon", "Moticon text", (".txt", ".csv"), _sniff, _read)
