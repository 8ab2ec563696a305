"""Tekscan ASCII movies (F-Scan, I-Scan; ``.asf``, ``.csv``): ``KEY value`` lines, then ``Frame n`` and a grid each.

``B`` stands for a place without a cell. One file holds one foot; its header does not say which. Of each grid the
force (or sum of cells), centre of pressure and peak are kept. F-Scan was read in a real file; I-Scan, and rows that a
spreadsheet filled up with commas, as public readers do (jiwooba/HSS-TAP, tassos/tekscan-analysis on GitHub).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from ...arrays import Floats
from ...errors import BadInputError
from ...formats.rows import is_number
from ...formats.sensels import CHUNK_FRAMES, LARGEST_SIDE, SenselSums, joined, sensel_sums
from ...formats.text import matrix_rows
from ...records import Channel, Recording, make_stream
from ...units import canonical_name, parse_unit, to_si
from ..base import Head, Match, Reader, ReadOptions
from ..files import check_time, file_recording, read_text, refuse_extra
from ._insoles import stated_side, stream_name

# Lines searched for ASCII_DATA, chosen by hand: a real one has 29
_HEADER_LINES = 200
_FRAME = re.compile(r"Frame\s+(\d+)\s*(?:,.*)?")
_QUANTITY = re.compile(r"([0-9.]+(?:[eE][+-]?\d+)?)\s*([^\s\d]\S*)")
# How far the stated area of a cell may be from the product of the spacings; chosen by hand: both are rounded
_AREA_TOLERANCE = 0.02
# SENSOR_TYPE of F-Scan's insoles: the word, and Tekscan's map numbers 3000, 3000E, 3001
_INSOLES = re.compile(r"F-?SCAN.*|300[01]\w*", re.IGNORECASE)
# Time between frames (s) that a movie may state: 10 kHz to 0.1 Hz, chosen by hand
_SHORTEST_FRAME_S, _LONGEST_FRAME_S = 1e-4, 10.0


@dataclass(frozen=True)
class FscanFile:
    """A movie: frame numbers (frames,), what each frame sums up to in ``unit``, and the grid's pitch.

    Attributes
    ----------
    unit
        As in :mod:`grfkit.units`; ``count`` for raw values.
    period_s
        Time between frames.
    row_m, column_m, area_m2
        Distance of rows and columns and a cell's area; NaN where the header states none.
    side
        ``left`` or ``right`` where a header line says so, else ``unknown``.
    sensor
        ``SENSOR_TYPE`` where it is none of F-Scan's insoles, else "".
    """

    frame: Floats
    sums: SenselSums
    unit: str
    period_s: float
    row_m: float
    column_m: float
    area_m2: float
    side: str
    started: str
    sensor: str
    notes: list[str]


def looks_like_fscan(lines: Sequence[str]) -> str:
    """Return why these first lines are no Tekscan movie, "" if they are one."""
    keys = {line.split(" ", 1)[0] for line in lines[:_HEADER_LINES]}
    absent = sorted({"ROWS", "COLS", "ASCII_DATA"} - keys)
    return f"has no header line '{absent[0]}'" if absent else ""


def parse_fscan(text: str) -> FscanFile:
    """Return what a movie holds.

    Raises
    ------
    BadInputError
        If the header lacks rows, columns, unit or time per frame, a frame is incomplete or lacks at the end, or
        a cell is no number.
    """
    # a cell is never empty, so that commas at the end are a spreadsheet's
    lines = [line.rstrip(", \t") for line in text.splitlines()]
    end = next((i for i, line in enumerate(lines[:_HEADER_LINES]) if line.startswith("ASCII_DATA")), -1)
    if end < 0:
        raise BadInputError("has no header line 'ASCII_DATA'; it is no Tekscan ASCII movie, or cut off")
    header = _header(lines[:end])
    shape = _side_of_grid(header, "ROWS"), _side_of_grid(header, "COLS")
    unit = _unit(header)
    notes: list[str] = []
    starts = _frames(lines, end + 1, shape[0])
    number = np.array([n for _, n in starts], dtype=np.float64)
    _check_order(starts)
    _check_end(header, number, notes)
    sums = joined(
        [sensel_sums(_grids(lines, starts[i : i + CHUNK_FRAMES], shape)) for i in range(0, len(starts), CHUNK_FRAMES)]
    )
    if (sums.loaded == 0).all():
        notes.append("no cell of any frame is loaded")
    row, column = _quantity(header, "ROW_SPACING", "m"), _quantity(header, "COL_SPACING", "m")
    area = _area(header, row, column, notes)
    period = _seconds(header)
    kind = header.get("SENSOR_TYPE", "")
    sensor = "" if _INSOLES.fullmatch(kind) else kind
    started = header.get("TIME", "")
    return FscanFile(number, sums, unit, period, row, column, area, _side(header), started, sensor, notes)


def _header(lines: Sequence[str]) -> dict[str, str]:
    header: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(" ")
        header.setdefault(key, value.strip())
    return header


def _side_of_grid(header: dict[str, str], key: str) -> int:
    text = header.get(key, "")
    if not text.isdigit() or not 0 < int(text) <= LARGEST_SIDE:
        raise BadInputError(f"header line {key} is '{text}', expected a count from 1 to {LARGEST_SIDE}")
    return int(text)


def _unit(header: dict[str, str]) -> str:
    text = header.get("UNITS", "")
    if not text:
        raise BadInputError("has no header line 'UNITS'; expected e.g. 'UNITS KPa' or 'UNITS Raw'")
    if parse_unit(text).canonical not in ("Pa", "count"):
        raise BadInputError(f"header line UNITS is '{text}', expected a pressure or raw counts")
    return canonical_name(text)


def _seconds(header: dict[str, str]) -> float:
    text = header.get("SECONDS_PER_FRAME", "")
    if not is_number(text) or not _SHORTEST_FRAME_S < float(text) < _LONGEST_FRAME_S:
        raise BadInputError(f"header line SECONDS_PER_FRAME is '{text}', expected seconds, e.g. 0.01")
    return float(text)


def _quantity(header: dict[str, str], key: str, canonical: str) -> float:
    """Return a header line's value in SI units, NaN if there is no such line."""
    if key not in header:
        return float("nan")
    match = _QUANTITY.fullmatch(header[key])
    if match is None or not is_number(match[1]) or float(match[1]) <= 0:
        raise BadInputError(f"header line {key} is '{header[key]}', expected a number and a unit")
    if parse_unit(match[2]).canonical != canonical:
        raise BadInputError(f"header line {key} is '{header[key]}', expected a unit like {canonical}")
    return float(to_si(np.array([float(match[1])]), match[2])[0])


def _area(header: dict[str, str], row: float, column: float, notes: list[str]) -> float:
    stated, product = _quantity(header, "SENSEL_AREA", "m^2"), row * column
    if np.isnan(stated):
        return product
    if abs(stated / product - 1.0) > _AREA_TOLERANCE:
        notes.append(
            f"SENSEL_AREA is {stated * 1e6:.4g} mm^2, the spacings give {product * 1e6:.4g}; the first is used"
        )
    return stated


def _side(header: dict[str, str]) -> str:
    for key in ("SIDE", "FOOT"):
        word = header.get(key, "").strip().lower()
        if word in ("left", "right"):
            return word
    return "unknown"


def _frames(lines: Sequence[str], begin: int, rows: int) -> list[tuple[int, int]]:
    """Return (index of the first row, frame number) of each frame; all must be complete."""
    heads = [(i, match) for i, line in enumerate(lines[begin:], begin) if (match := _FRAME.fullmatch(line))]
    if not heads:
        raise BadInputError("holds a header but no 'Frame 1'")
    stray = next((i for i in range(begin, heads[0][0]) if lines[i]), -1)
    if stray >= 0:
        raise BadInputError(f"line {stray + 1} stands before the first frame; the file is damaged there")
    end_of_data = next((i for i in range(len(lines) - 1, -1, -1) if lines[i] == "@@"), len(lines))
    ends = [*(i for i, _ in heads[1:]), end_of_data]
    starts = []
    for (at, match), end in zip(heads, ends):
        filled = [i for i in range(at + 1, end) if lines[i]]
        last = end == ends[-1]
        complete = len(filled) == rows and filled[-1] - filled[0] == rows - 1
        # the file's end mark is missing: a last row cut inside a number still shows by its fewer commas
        if complete and last and lines[end - 1 if end == len(lines) else end] != "@@":
            complete = lines[filled[-1]].count(",") == lines[filled[0]].count(",")
        if complete:
            starts.append((filled[0], int(match[1])))
        elif last and len(filled) <= rows:
            raise BadInputError(f"is cut off inside its last frame ({match[1]}, line {at + 1}); export it again")
        else:
            raise BadInputError(f"frame {match[1]} (line {at + 1}) has {len(filled)} rows, expected {rows}")
    return starts


def _check_order(starts: list[tuple[int, int]]) -> None:
    for (_, before), (at, number) in pairwise(starts):
        if number <= before:
            raise BadInputError(f"frame {number} (line {at}) follows frame {before}; frames are out of order")


def _check_end(header: dict[str, str], number: Floats, notes: list[str]) -> None:
    text = header.get("START_FRAME", "")
    if text.isdigit() and int(text) != number[0]:
        notes.append(f"the header states frames from {text}, the first one here is {number[0]:.0f}")
    text = header.get("END_FRAME", "")
    if text.isdigit() and int(text) > number[-1]:
        raise BadInputError(
            f"is cut off: its header states frames up to {text}, its last one is {number[-1]:.0f}; export it again"
        )
    if text.isdigit() and int(text) != number[-1]:
        notes.append(f"the header states frames up to {text}, the last one here is {number[-1]:.0f}")


def _grids(lines: Sequence[str], starts: Sequence[tuple[int, int]], shape: tuple[int, int]) -> Floats:
    rows = [lines[i] for at, _ in starts for i in range(at, at + shape[0])]
    line_numbers = [i + 1 for at, _ in starts for i in range(at, at + shape[0])]
    cells = matrix_rows(rows, line_numbers, width=shape[1], missing=frozenset({"B"}))
    negative = np.flatnonzero((cells < 0).any(axis=1))
    if negative.size:
        raise BadInputError(f"line {line_numbers[negative[0]]} holds a negative pressure; the file is damaged")
    return cells.reshape(len(starts), *shape)


def _sniff(head: Head) -> Match:
    why = looks_like_fscan(head.lines(_HEADER_LINES))
    if why:
        return Match(0.0, why)
    return Match(0.95, "has header lines ROWS, COLS and ASCII_DATA")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "fscan")
    parsed = parse_fscan(read_text(path))
    notes = [*parsed.notes, "of the grid, sum, centre and peak are kept, not every cell"]
    side = stated_side(parsed.side, notes, what="the movie")
    if parsed.started:
        notes.append(f"the file states its start as '{parsed.started}' (no time zone)")
    if parsed.sensor:
        notes.append(
            f"SENSOR_TYPE is '{parsed.sensor}', no insole of F-Scan: its sum is the load on that sensor (I-Scan; its"
            " layout from public readers, no real file was at hand: unverified)"
        )
    time = (parsed.frame - parsed.frame[0]) * parsed.period_s
    check_time(time)
    stream = make_stream(
        _channels(parsed, notes),
        time,
        kind="insole",
        side=side,
        rate_hz=1.0 / parsed.period_s,
        stamp_source="index",
        attrs={"cell_area_m2": parsed.area_m2, "missing_samples": _lost(parsed)},
    )
    device = f"Tekscan {parsed.sensor}" if parsed.sensor else "F-Scan"
    return file_recording(path, {stream_name("insole", side): stream}, device=device, reader="fscan", notes=notes)


def _lost(parsed: FscanFile) -> int:
    """Return how many frames the numbering skips; an unloaded frame has no centre, but is not lost."""
    return int(parsed.frame[-1] - parsed.frame[0]) + 1 - parsed.frame.size


def _channels(parsed: FscanFile, notes: list[str]) -> list[Channel]:
    sums, is_pressure = parsed.sums, parse_unit(parsed.unit).canonical == "Pa"
    if is_pressure and np.isfinite(parsed.area_m2):
        force = to_si(sums.total, parsed.unit) * parsed.area_m2
        channels = [Channel("force", force, "N", "foot", "sum of cells times cell area")]
    else:
        channels = [Channel("pressure_sum", sums.total, parsed.unit, "foot", "sum of cells")]
        notes.append("no force can be told (no calibration or no cell area): 'pressure_sum' stands for it")
    channels.append(Channel("peak_pressure", sums.peak, parsed.unit, "foot", "largest cell"))
    if np.isfinite(parsed.row_m) and np.isfinite(parsed.column_m):
        channels.append(Channel("cop_x", sums.column * parsed.column_m, "m", "sensor", "centre, along columns"))
        channels.append(Channel("cop_y", sums.row * parsed.row_m, "m", "sensor", "centre, along rows"))
    return channels


READER = Reader("fscan", "F-Scan or I-Scan ASCII movie (Tekscan)", (".asf",), _sniff, _read)
