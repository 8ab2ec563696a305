"""XSENSOR insole exports (CSV): per frame a block of lines per sensor, or one row per frame.

*Blocks*: ``FRAME,n``, ``Date``, ``Time``, then per sensor ``SENSOR,name``, its size, ``Est. Load (N)`` and
other figures, and ``SENSELS`` with the grid; ``GROUP`` blocks repeat parts of a sensor and are left out.
*Rows*: a header ``Frame,Date,Time,...,Sensor,...,Est. Load (lbf),...,Sensor,...`` with a stretch of columns
per sensor. The foot is part of a sensor's name (``...-LF S0073``), or stands in a ``Side`` column. Every figure but
the load may be absent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError
from ..units import parse_unit, to_si
from .rows import quoted_cells
from .sensels import CHUNK_FRAMES, LARGEST_SIDE, SenselSums, joined, sensel_sums
from .text import checked_unit, decimal_sign, matrix_rows, name_and_unit, separator_of

# Lines searched for FRAME and SENSOR or the header row, chosen by hand: a real file has eight above them
_HEADER_LINES = 60
_CLOCK = re.compile(r"(\d{1,2}):(\d\d):(\d\d(?:[.,]\d+)?)\s*(AM|PM)?", re.IGNORECASE)
_FIGURES = {
    "est. load": "N",
    "average pressure": "Pa",
    "peak pressure": "Pa",
    "contact area": "m^2",
    "cop row": "1",
    "cop column": "1",
}
"""The figures that are kept, and the quantity each must be of."""

_DAY_S = 86400.0
"""Seconds of a day."""


@dataclass
class XsensorFoot:
    """One sensor: figures by name as (unit, values (frames,)), and grid sums where the file has grids."""

    sensor: str
    side: str
    unit: str
    figures: dict[str, tuple[str, Floats]]
    sums: SenselSums | None = None
    cell_m: tuple[float, float] | None = None


@dataclass(frozen=True)
class XsensorFile:
    """Seconds of the day (frames,), rising beyond a day over midnight; the sensors; and notes."""

    time: Floats
    feet: list[XsensorFoot]
    date: str
    notes: list[str]


@dataclass
class _Part:
    """One sensor in one frame."""

    sensor: str
    line: int
    values: dict[str, str] = field(default_factory=dict)
    rows: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)


@dataclass
class _Frame:
    number: str
    line: int
    date: str = ""
    time: str = ""
    parts: dict[str, _Part] = field(default_factory=dict)


def looks_like_xsensor(lines: Sequence[str]) -> str:
    """Return why these first lines are no XSENSOR export, "" if they are one."""
    head = lines[:_HEADER_LINES]
    starts = {re.split(r"[,;\t]", line, maxsplit=1)[0].strip() for line in head}
    if {"FRAME", "SENSOR"} <= starts:
        return ""
    if _row_header(head) >= 0:
        return ""
    return "has neither lines FRAME and SENSOR nor a header row with Frame, Time and Est. Load"


def parse_xsensor(text: str) -> XsensorFile:
    """Return what an export holds.

    Raises
    ------
    BadInputError
        If it is neither kind of export, a frame is incomplete or cut off, or a figure or unit is damaged.
    """
    lines = text.splitlines()
    if why := looks_like_xsensor(lines):
        raise BadInputError(why)
    at = _row_header(lines[:_HEADER_LINES])
    ended = text.endswith(("\n", "\r"))
    return _parse_rows(lines, at, ended) if at >= 0 else _parse_blocks(lines, ended)


def _row_header(lines: Sequence[str]) -> int:
    for index, line in enumerate(lines):
        cells = [cell.strip().strip('"').lower() for cell in line.split(separator_of(line))]
        if cells[0] in ("frame", "frame #") and any(cell.startswith("est. load") for cell in cells):
            return index
    return -1


# --- blocks ---------------------------------------------------------------------------------------------


def _parse_blocks(lines: Sequence[str], ended: bool) -> XsensorFile:
    separator = separator_of(lines[0])
    unit, frames = _split_frames(lines, separator)
    notes: list[str] = []
    sensors = list(dict.fromkeys(name for frame in frames for name in frame.parts))
    if not sensors:
        raise BadInputError("holds frames but no sensor")
    _check_frames(frames, sensors, separator, ended)
    time = _seconds([frame.time for frame in frames], [frame.line for frame in frames])
    feet = [_foot(name, frames, unit, separator) for name in sensors]
    _check_feet(feet)
    notes.append("groups (regions of a sensor) are left out")
    return XsensorFile(time, feet, frames[0].date, notes)


def _split_frames(lines: Sequence[str], separator: str) -> tuple[str, list[_Frame]]:
    """Return the unit of the cells and the frames, each with the lines of its sensors."""
    unit, frames = "", []
    part: _Part | None = None
    in_grid = False
    blank = separator + " \r"
    for number, line in enumerate(lines, start=1):
        tidy = line.rstrip(blank)
        if not tidy:
            continue
        key, _, value = tidy.partition(separator)
        key = key.strip()
        if key == "FRAME":
            frames.append(_Frame(value.strip(), number))
            part, in_grid = None, False
        elif key in ("SENSOR", "GROUP"):
            part, in_grid = None, False
            if key == "SENSOR" and frames:
                part = _new_part(frames[-1], value.strip(), number)
        elif key == "Units:" and not frames:
            unit = value.strip()
        elif key == "SENSELS":
            in_grid = part is not None
        elif part is not None and in_grid:
            part.rows.append(tidy)
            part.lines.append(number)
        elif part is not None:
            part.values.setdefault(key, value.strip())
        elif frames and not frames[-1].parts and key in ("Date", "Time"):
            if key == "Date":
                frames[-1].date = value.strip()
            else:
                frames[-1].time = value.strip()
    return unit, frames


def _new_part(frame: _Frame, sensor: str, line: int) -> _Part:
    if not sensor:
        raise BadInputError(f"line {line}: a sensor without a name")
    if sensor in frame.parts:
        raise BadInputError(f"line {line}: sensor '{sensor}' stands twice in frame {frame.number}")
    frame.parts[sensor] = _Part(sensor, line)
    return frame.parts[sensor]


def _check_frames(frames: list[_Frame], sensors: list[str], separator: str, ended: bool) -> None:
    """Refuse a file in which a frame has no block of a sensor, or only a part of its grid."""
    first = frames[0]
    for frame in frames:
        lacking = _lacking(frame, first, sensors)
        if not lacking and frame is frames[-1] and not ended and frame is not first:
            lacking = _cut(frame, first, separator)
        if lacking and frame is frames[-1] and len(frames) > 1:
            raise BadInputError(f"is cut off: its last frame ({frame.number}) {lacking}; export it again")
        if lacking:
            raise BadInputError(f"frame {frame.number} (line {frame.line}) {lacking}")


def _lacking(frame: _Frame, first: _Frame, sensors: list[str]) -> str:
    for name in sensors:
        part = frame.parts.get(name)
        if part is None:
            return f"has no sensor '{name}'"
        expected = first.parts[name].values if name in first.parts else part.values
        absent = [key for key in expected if key not in part.values]
        if absent:
            return f"has no '{absent[0]}' of sensor '{name}'"
        rows = part.values.get("Rows", "0")
        if len(part.rows) != (int(rows) if rows.isdigit() else -1):
            return f"has {len(part.rows)} rows of cells of sensor '{name}', expected Rows = '{rows}'"
    return ""


def _cut(frame: _Frame, first: _Frame, separator: str) -> str:
    """Return why a frame that ends the file without a line end may be cut in its last row of cells."""
    last, first_part = list(frame.parts.values())[-1], list(first.parts.values())[-1]
    if last.rows and last.rows[-1].count(separator) < first_part.rows[-1].count(separator):
        return "ends in a short row"
    return ""


def _foot(name: str, frames: Sequence[_Frame], unit: str, separator: str) -> XsensorFoot:
    parts = [frame.parts[name] for frame in frames]
    keys = list(parts[0].values)
    cells = [[part.values.get(key, "") for key in keys] for part in parts]
    foot = XsensorFoot(name, _side(name), unit, _figures(keys, cells, [part.line for part in parts], unit))
    if not parts[0].rows:
        return foot
    shape = (len(parts[0].rows), _count(parts[0], "Columns"))
    if not unit or parse_unit(unit).canonical not in ("Pa", "count"):
        raise BadInputError(f"line 'Units:' states '{unit}', expected the cells' unit, e.g. 'Units:,mmHg'")
    foot.sums = joined(
        [_sums(parts[start : start + CHUNK_FRAMES], shape, separator) for start in range(0, len(parts), CHUNK_FRAMES)]
    )
    foot.cell_m = _cell_size(parts[0])
    return foot


def _sums(parts: Sequence[_Part], shape: tuple[int, int], separator: str) -> SenselSums:
    rows = [row for part in parts for row in part.rows]
    lines = [line for part in parts for line in part.lines]
    decimal = decimal_sign(rows, separator)
    cells = matrix_rows(rows, lines, width=shape[1], separator=separator, decimal=decimal)
    bad = ~(cells >= 0).all(axis=1)
    if bad.any():
        raise BadInputError(f"line {lines[int(bad.argmax())]} holds a negative or missing pressure")
    return sensel_sums(cells.reshape(len(parts), *shape))


def _count(part: _Part, key: str) -> int:
    text = part.values.get(key, "")
    if not text.isdigit() or not 0 < int(text) <= LARGEST_SIDE:
        raise BadInputError(f"sensor '{part.sensor}' states {key} = '{text}', expected 1 to {LARGEST_SIDE}")
    return int(text)


def _cell_size(part: _Part) -> tuple[float, float] | None:
    """Return height and width of a cell (m), None where the file does not state both."""
    sizes = {}
    for key, text in part.values.items():
        name, unit = name_and_unit(key)
        if name.lower() not in ("sensel height", "sensel width"):
            continue
        value = float(_numbers([[text]], [part.line], [key])[0, 0])
        checked_unit(unit, ("m",), what=f"'{key}'")
        sizes[name.lower()] = float(to_si(np.array([value]), unit)[0])
    if len(sizes) != 2 or not all(size > 0 for size in sizes.values()):
        return None
    return sizes["sensel height"], sizes["sensel width"]


# --- rows -----------------------------------------------------------------------------------------------


def _parse_rows(lines: Sequence[str], at: int, ended: bool) -> XsensorFile:
    separator = separator_of(lines[at])
    header = [cell.strip() for cell in quoted_cells(lines[at], separator)]
    numbered = [(i, line) for i, line in enumerate(lines[at + 1 :], at + 2) if line.strip(separator + " \r")]
    rows = [quoted_cells(line, separator) for _, line in numbered]
    numbers = [number for number, _ in numbered]
    if len(rows) > 1 and (len(rows[-1]) < len(rows[-2]) or not (ended or rows[-1][-1])):
        raise BadInputError(f"is cut off inside its last row (line {numbers[-1]}); export it again")
    if not rows:
        raise BadInputError("holds a header but no data")
    for number, row in zip(numbers, rows):
        if len(row) != len(header):
            raise BadInputError(f"line {number} has {len(row)} cells, expected {len(header)}")
    # backwards, so that of equal names the first column is taken
    places = {cell.lower(): i for i, cell in reversed(list(enumerate(header)))}
    if "time" not in places:
        raise BadInputError("has no column 'Time'")
    time = _seconds([row[places["time"]] for row in rows], numbers)
    unit = rows[0][places["units"]].strip() if "units" in places else ""
    feet = [_row_foot(header, rows, numbers, block, unit) for block in _row_blocks(header)]
    _check_feet(feet)
    date = rows[0][places["date"]].strip() if "date" in places else ""
    return XsensorFile(time, feet, date, [])


def _row_blocks(header: Sequence[str]) -> list[range]:
    """Return the columns of each sensor: from ``Sensor`` to the next one, or to a group's ``Name``."""
    marks = [i for i, cell in enumerate(header) if cell.lower() in ("sensor", "group", "name")]
    if not marks:
        return [range(len(header))]
    ends = [*marks[1:], len(header)]
    return [range(a, b) for a, b in zip(marks, ends) if header[a].lower() == "sensor"]


def _row_foot(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    numbers: Sequence[int],
    block: range,
    unit: str,
) -> XsensorFoot:
    keys = [header[i] for i in block]
    has_sensor_column = keys[0].lower() == "sensor"
    sensor = rows[0][block.start].strip() if has_sensor_column else "sensor"
    if has_sensor_column and any(row[block.start].strip() != sensor for row in rows):
        raise BadInputError(f"column '{keys[0]}' names '{sensor}' and others; expected one sensor per column")
    sides = {row[i].strip().lower() for i in block if header[i].lower() == "side" for row in rows}
    side = sides.pop() if len(sides) == 1 else _side(sensor)
    figures = _figures(keys, [[row[i] for i in block] for row in rows], numbers, unit)
    return XsensorFoot(sensor, side if side in ("left", "right") else _side(sensor), unit, figures)


# --- both -----------------------------------------------------------------------------------------------


def _side(sensor: str) -> str:
    words = set(re.split(r"[\s.\-_]+", sensor.upper()))
    left, right = bool(words & {"LF", "LEFT"}), bool(words & {"RF", "RIGHT"})
    if left == right:
        return "unknown"
    return "left" if left else "right"


def _figures(
    keys: Sequence[str], cells: Sequence[Sequence[str]], lines: Sequence[int], unit: str
) -> dict[str, tuple[str, Floats]]:
    """Return the figures grfkit keeps, by name, each with its unit."""
    figures: dict[str, tuple[str, Floats]] = {}
    for index, key in enumerate(keys):
        name, stated = name_and_unit(key)
        name = name.lower()
        if name not in _FIGURES:
            continue
        if name in figures:
            raise BadInputError(f"'{key}' stands twice for one sensor")
        expected = _FIGURES[name]
        stated = stated or (unit if expected == "Pa" else "" if expected != "1" else "1")
        checked_unit(stated, (expected,), what=f"'{key}'")
        figures[name] = stated, _numbers([[row[index]] for row in cells], lines, [key])[:, 0]
    return figures


def _numbers(cells: Sequence[Sequence[str]], lines: Sequence[int], columns: Sequence[str]) -> Floats:
    """Return figures as numbers, with either decimal sign (a figure has no thousands sign)."""
    rows = ["\t".join(row).replace(",", ".") for row in cells]
    try:
        return matrix_rows(rows, lines, width=len(columns), separator="\t")
    except BadInputError as error:
        raise BadInputError(f"'{columns[0]}': {error}") from error


def _seconds(texts: Sequence[str], lines: Sequence[int]) -> Floats:
    """Return seconds of the day of ``hh:mm:ss.fff`` stamps, rising beyond a day over midnight."""
    seconds = np.empty(len(texts))
    for index, (text, line) in enumerate(zip(texts, lines)):
        match = _CLOCK.fullmatch(text.strip())
        if match is None:
            raise BadInputError(f"line {line}: time is '{text.strip()}', expected hh:mm:ss.fff")
        hour, minute, second = int(match[1]), int(match[2]), float(match[3].replace(",", "."))
        if match[4]:
            hour = hour % 12 + (12 if match[4].upper() == "PM" else 0)
        # 61: a leap second
        if hour > 23 or minute > 59 or second >= 61:
            raise BadInputError(f"line {line}: time is '{text.strip()}', expected hh:mm:ss.fff")
        seconds[index] = 3600.0 * hour + 60.0 * minute + second
    # back by more than half a day can only be midnight
    nights = np.cumsum(np.diff(seconds, prepend=seconds[:1]) < -0.5 * _DAY_S)
    return np.asarray(seconds + _DAY_S * nights)


def _check_feet(feet: Sequence[XsensorFoot]) -> None:
    for foot in feet:
        if "est. load" not in foot.figures and foot.sums is None:
            raise BadInputError(f"sensor '{foot.sensor}' has neither a load nor cells")
    sides = [foot.side for foot in feet]
    for side in set(sides):
        if sides.count(side) > 1:
            names = ", ".join(f"'{foot.sensor}'" for foot in feet if foot.side == side)
            raise BadInputError(f"sensors {names} are all of the {side} foot; expected one per foot")
