"""loadsol text exports (novel loadapp): time, zones, total and IMU of each foot, found by name.

Layout seen in real files: line 1 the recording's name, which is its start time; line 2 a comment; then a
row of sensor names (``PGV247-L::heel``, blank above a time column) and a row of units (``Time[secs]``,
``Force[N]``, ``[g]``, ``[rad/s]``). Every time column opens a block that reaches to the next one. The right
foot's zones stand in reversed order, so nothing is taken by position. A sample that was lost on the air has
every zone at -1, the total at 0, and ``-`` for the IMU. The app writes a fixed rate: a sensor that is slower
(by 1 to 3 %) has a sample repeated now and then, both copies with the stamp of the later one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError
from .rows import unquoted
from .text import as_tabs, checked_unit, decimal_sign, name_and_unit, parse_table, refuse_split_decimals, separator_of

LOST = -1.0
"""What every zone holds in a sample that was lost on the air."""
_END = "End measurement"
# Lines searched for the row of units, chosen by hand: real files have it in line 4
_HEADER_LINES = 40
_ZONES = frozenset({"heel", "medial", "lateral", "forefoot", "midfoot", "rearfoot", "toe", "toes", "hallux"})
# How far a total may be from the sum of its zones (all are rounded), in the file's unit, and the share of such rows up
# to which they are damage and not this file's way; both chosen by hand
_ROUNDING, _FEW = 0.05, 0.01
# A step this close to two periods, in periods, before one of none is a sample repeated; chosen by hand
_REPEATED = 0.1
_STARTED = re.compile(r"(\d{4})_(\d\d)_(\d\d)_(\d\d)_(\d\d)_(\d\d)_(\d{1,3})")
_SENSOR = re.compile(r"(?P<id>.+?)(?:::(?P<part>.+))?")
_IMU_PART = re.compile(r"([xyz])(acc|gyro|mag)", re.IGNORECASE)
_QUANTITY = {"force": ("N", "count", "V"), "acc": ("m/s^2", "count", "V")}
_QUANTITY |= {"gyro": ("rad/s", "count", "V"), "mag": ("T", "count", "V")}


@dataclass(frozen=True)
class LoadsolColumn:
    """One column: its index, grfkit's channel name, unit as stated, and the file's own name."""

    index: int
    channel: str
    unit: str
    raw: str


@dataclass
class LoadsolBlock:
    """The columns of one time column and one sensor: the load (``insole``) or the motion (``imu``).

    Attributes
    ----------
    side
        ``left``, ``right``, or ``unknown`` where the sensor's name does not say.
    time, table
        Shapes (samples,) and (samples, columns); NaN where missing.
    repeated
        Rows that hold a sample for the second time.
    """

    sensor: str
    side: str
    kind: str
    time_index: int
    time_unit: str
    columns: list[LoadsolColumn]
    time: Floats = field(default_factory=lambda: np.empty(0))
    time_raw: Floats = field(default_factory=lambda: np.empty(0))
    table: Floats = field(default_factory=lambda: np.empty((0, 0)))
    repeated: int = 0
    lost: int = 0


@dataclass(frozen=True)
class LoadsolFile:
    """Content of a file; ``started`` is the phone's local time, "" if unknown."""

    blocks: list[LoadsolBlock]
    started: str
    notes: list[str]


def find_header(lines: Sequence[str]) -> int:
    """Return the index of the row of units, -1 if there is none.

    It is the first row with a ``Time[...]`` cell and another bracketed one, below a row of names.
    """
    for index, line in enumerate(lines[:_HEADER_LINES]):
        separator = separator_of(line)
        cells = unquoted(line.split(separator))
        has_names = index > 0 and separator in lines[index - 1]
        if has_names and any(cell.startswith("Time[") for cell in cells) and sum("[" in c for c in cells) > 1:
            return index
    return -1


def parse_loadsol(text: str) -> LoadsolFile:
    """Return the blocks of a loadsol text, lost samples NaN.

    Raises
    ------
    BadInputError
        If the two header rows are missing or disagree, a unit is unknown, or a row is damaged.
    """
    lines = text.splitlines()
    at = find_header(lines)
    if at < 0:
        raise BadInputError(
            "is no loadsol text: expected a row of units with 'Time[secs]' and 'Force[N]' below sensor names"
        )
    notes: list[str] = []
    separator = separator_of(lines[at])
    if separator != "\t":
        refuse_split_decimals(lines[at + 1 :], separator, len(lines[at].rstrip(",; ").split(separator)), at + 2)
        lines = as_tabs(lines, separator)
        notes.append(f"its cells are separated by '{separator}', not by tabs as the app writes them: read as that")
    blocks = _blocks(lines[at - 1].split("\t"), lines[at].split("\t"), at + 1)
    width = 1 + max(column.index for block in blocks for column in block.columns)
    rows, remarks = _data_rows(lines[at + 1 :], width, at + 2)
    table = parse_table(
        rows,
        columns=_names(blocks, width),
        separator="\t",
        first_line=at + 2,
        missing=frozenset({"-"}),
        decimal=decimal_sign(rows, "\t"),
        line_ended=text.endswith(("\n", "\r")),
    )
    notes += remarks + table.notes + _unusual_zones(blocks)
    for block in blocks:
        _fill(block, table.values)
        _check_total(block, at + 2, notes)
    return LoadsolFile(blocks, _started(lines[: at - 1]), notes)


def _started(lines: Sequence[str]) -> str:
    for line in lines[:3]:
        match = _STARTED.search(line)
        if match:
            year, month, day, hour, minute, second, ms = match.groups()
            return f"{year}-{month}-{day} {hour}:{minute}:{second}.{ms:0>3}"
    return ""


def _data_rows(lines: Sequence[str], width: int, first_line: int) -> tuple[list[str], list[str]]:
    """Return rows without remarks, i.e. text beyond the named columns and "End measurement: ...".

    The app writes that remark behind the row at which the recording was stopped, and some rows after it.
    """
    rows, remarks = list(lines), []
    for index, row in enumerate(rows):
        if not row.rstrip()[-1:].isalpha() and _END not in row:
            continue
        ended = row.find(_END)
        cells = "\t".join(row[: ended if ended >= 0 else None].split("\t")[:width])
        if cells != row:
            remarks.append(first_line + index)
            rows[index] = cells if cells.strip() else ""
    if not remarks:
        return rows, []
    where = ", ".join(str(number) for number in remarks[:5]) + (", ..." if len(remarks) > 5 else "")
    return rows, [f"a remark such as '{_END}' stands behind line {where}; the rows after it are kept"]


def _blocks(names: list[str], units: list[str], line: int) -> list[LoadsolBlock]:
    names = [name.strip() for name in names]
    units = [unit.strip() for unit in units]
    names += [""] * (len(units) - len(names))
    blocks: dict[tuple[int, str, str], LoadsolBlock] = {}
    time_index, time_unit = -1, ""
    for index, (name, cell) in enumerate(zip(names, units)):
        quantity, unit = name_and_unit(cell)
        if quantity.lower() == "time":
            if name:
                raise BadInputError(f"line {line}, column {index + 1}: time column is named '{name}'")
            time_index, time_unit = index, checked_unit(unit, ("s",), what=f"column {index + 1} (time)")
            continue
        if not name and not cell:
            continue
        if not name or not unit:
            raise BadInputError(
                f"line {line}, column {index + 1}: name '{name}' with unit '{cell}'; expected both,"
                " or 'Time[secs]' below a blank"
            )
        if time_index < 0:
            raise BadInputError(f"column '{name}' stands before any 'Time[secs]' column")
        _add(blocks, index, name, quantity, unit, (time_index, time_unit))
    if any(names[len(units) :]):
        raise BadInputError(f"line {line} states {len(units)} units, line {line - 1} names more columns")
    if not blocks:
        raise BadInputError("names no sensor; expected columns such as 'PGV247-L::heel'")
    _check_blocks(list(blocks.values()))
    return list(blocks.values())


def _add(
    blocks: dict[tuple[int, str, str], LoadsolBlock],
    index: int,
    name: str,
    quantity: str,
    unit: str,
    time: tuple[int, str],
) -> None:
    match = _SENSOR.fullmatch(name)
    sensor, part = (match["id"].strip(), (match["part"] or "").strip()) if match else (name, "")
    kind, channel, measured = _channel(part, quantity, name)
    checked_unit(unit, _QUANTITY[measured], what=f"column '{name}'")
    key = (time[0], sensor, kind)
    if key not in blocks:
        blocks[key] = LoadsolBlock(sensor, _side(sensor), kind, time[0], time[1], [])
    if any(column.channel == channel for column in blocks[key].columns):
        raise BadInputError(f"column '{name}' stands twice in one block")
    blocks[key].columns.append(LoadsolColumn(index, channel, unit, name))


def _channel(part: str, quantity: str, name: str) -> tuple[str, str, str]:
    """Return kind of stream, channel name and measured quantity of a column."""
    imu = _IMU_PART.fullmatch(part)
    if imu and not quantity:
        return "imu", f"{imu[2].lower()}_{imu[1].lower()}", imu[2].lower()
    if imu or quantity.lower() != "force":
        raise BadInputError(
            f"column '{name}' has the quantity '{quantity}'; expected 'Force[...]' for a zone or the total,"
            " and '[...]' for xAcc to zGyro"
        )
    if not part:
        return "insole", "force", "force"
    zone = re.sub(r"\W+", "_", part.lower()).strip("_")
    return "insole", f"zone_{zone}", "force"


def _side(sensor: str) -> str:
    words = re.split(r"[\s_\-]+", sensor.lower())
    left, right = {"l", "left"} & set(words), {"r", "right"} & set(words)
    if bool(left) == bool(right):
        return "unknown"
    return "left" if left else "right"


def _check_blocks(blocks: list[LoadsolBlock]) -> None:
    for time_index in {block.time_index for block in blocks}:
        together = {b.sensor: b.side for b in blocks if b.time_index == time_index}
        if len(together) > 1 and (len(set(together.values())) < len(together) or "unknown" in together.values()):
            names = ", ".join(f"'{sensor}'" for sensor in together)
            raise BadInputError(
                f"sensors {names} share the time of column {time_index + 1}; expected one sensor per foot"
            )
    sensor_of: dict[tuple[str, str], str] = {}
    for block in blocks:
        key = (block.side, block.kind)
        if key in sensor_of:
            raise BadInputError(
                f"sensors '{sensor_of[key]}' and '{block.sensor}' both give the {block.side} {block.kind};"
                " expected one per foot"
            )
        sensor_of[key] = block.sensor
    sensors: dict[str, str] = {}
    for block in blocks:
        if sensors.setdefault(block.side, block.sensor) != block.sensor:
            raise BadInputError(f"the {block.side} foot has two sensors, '{sensors[block.side]}' and '{block.sensor}'")


def _names(blocks: list[LoadsolBlock], width: int) -> list[str]:
    names = [f"column {index + 1}" for index in range(width)]
    for block in blocks:
        names[block.time_index] = f"time of {block.sensor}"
        for column in block.columns:
            names[column.index] = column.raw
    return names


def _fill(block: LoadsolBlock, values: Floats) -> None:
    table = values[:, [column.index for column in block.columns]]
    stamps = values[:, block.time_index]
    if block.kind == "insole":
        zones = [i for i, c in enumerate(block.columns) if c.channel != "force"]
        looked_at = table[:, zones] if zones else table
        # by the zones alone: the total of a lost sample is 0, as in flight
        lost = (looked_at == LOST).any(axis=1)
        table[lost] = np.nan
        block.lost = int(lost.sum())
    present = np.isfinite(stamps)
    without = ~present & np.isfinite(table).any(axis=1)
    if without.any():
        raise BadInputError(f"sensor '{block.sensor}' has values but no time in data row {without.argmax() + 1}")
    if not present.any():
        raise BadInputError(f"sensor '{block.sensor}' has no sample")
    block.table, block.time_raw = table[present], stamps[present]
    block.time, block.repeated = _unrepeated(block.time_raw)


def _unusual_zones(blocks: Sequence[LoadsolBlock]) -> list[str]:
    """Return a note for each zone name outside of those known: a misspelt or damaged header."""
    return [
        f"zone '{column.raw}' is none of {', '.join(sorted(_ZONES))}; it is kept as '{column.channel}'"
        for block in blocks
        for column in block.columns
        if column.channel.startswith("zone_") and column.channel[len("zone_") :] not in _ZONES
    ]


def _check_total(block: LoadsolBlock, first_line: int, notes: list[str]) -> None:
    """Refuse rows whose total is not the sum of the zones, in a file where nearly all rows satisfy that."""
    total = next((i for i, c in enumerate(block.columns) if c.channel == "force"), -1)
    zones = [i for i, c in enumerate(block.columns) if c.channel.startswith("zone_")]
    if block.kind != "insole" or total < 0 or not zones:
        return
    off = np.abs(block.table[:, zones].sum(axis=1) - block.table[:, total])
    wrong = off > _ROUNDING
    if wrong.mean() > _FEW:
        notes.append(f"{block.sensor}: the total is not the sum of the zones ({wrong.sum()} rows)")
    elif wrong.any():
        row = int(wrong.argmax())
        raise BadInputError(
            f"{block.sensor}: the total in data row {row + 1} (about line {row + first_line}) is"
            f" {block.table[row, total]:g}, its zones sum to {block.table[row, zones].sum():g}; it is damaged"
        )


def _unrepeated(stamps: Floats) -> tuple[Floats, int]:
    """Return stamps in which each repeated sample is put one period earlier, and how many there were.

    The app writes both copies with the stamp of the later one: a step of two periods, then a step of none.
    """
    steps = np.diff(stamps)
    moving = steps[steps > 0]
    if moving.size < 2:
        return stamps.copy(), 0
    period = float(np.median(moving))
    # a step of none alone is no repeated sample: its stamps stay as they are
    first = np.flatnonzero((np.abs(steps[:-1] - 2 * period) < _REPEATED * period) & (steps[1:] == 0)) + 1
    time = stamps.copy()
    time[first] -= period
    return time, int(first.size)
