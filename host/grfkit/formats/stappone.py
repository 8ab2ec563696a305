"""stAPPone sole exports (CSV): stamps in ms since 1970, motion, twelve pressures, and a flag per row.

The file states no unit for motion and pressure, so these are counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError
from .text import decimal_sign, parse_table

_MOTION = re.compile(r"(accel|gyro|magn)_([xyz])")
_CELL = re.compile(r"pressure_(\d{1,2})")
_SHORT = {"accel": "acc", "gyro": "gyro", "magn": "mag"}


@dataclass(frozen=True)
class StapponeSole:
    """One sole: stamps (samples,) in ms since 1970; motion and pressure by channel name, corrupt rows NaN."""

    sole: int
    time_ms: NDArray[np.float64]
    motion: dict[str, NDArray[np.float64]]
    pressure: dict[str, NDArray[np.float64]]
    corrupt: int


@dataclass(frozen=True)
class StapponeFile:
    """The soles of a file, by their number, and the file's own name of each channel."""

    soles: list[StapponeSole]
    raw_names: dict[str, str]
    notes: list[str]


def is_header(line: str) -> bool:
    """Return whether this first line names a sole, a stamp and at least one pressure."""
    cells = _cells(line)
    return {"sole_id", "timestamp"} <= set(cells) and any(_CELL.fullmatch(cell) for cell in cells)


def parse_stappone(text: str) -> StapponeFile:
    """Return what a file holds.

    Raises
    ------
    BadInputError
        If the header is missing, names a column twice or one that is not known, or a row is damaged.
    """
    lines = text.splitlines()
    if not lines or not is_header(lines[0]):
        raise BadInputError("has no header row with sole_id, timestamp and pressure_01")
    separator = _separator(lines[0])
    names = _cells(lines[0])
    channels = _channels(names)
    table = parse_table(
        lines[1:],
        columns=names,
        separator=separator,
        first_line=2,
        decimal=decimal_sign(lines[1:], separator),
        line_ended=text.endswith(("\n", "\r")),
    )
    soles = _soles(table.values, names, channels)
    cells = sorted(int(channel[len("cell_") :]) for channel in channels if channel.startswith("cell_"))
    notes = table.notes
    if cells != list(range(1, len(cells) + 1)):
        notes.append(f"the file holds pressure cells {', '.join(map(str, cells))}; some numbers are left out")
    return StapponeFile(soles, {channel: names[i] for channel, i in channels.items()}, notes)


def _separator(line: str) -> str:
    return next((s for s in ("\t", ";") if s in line), ",")


def _cells(line: str) -> list[str]:
    return [cell.strip().strip('"') for cell in line.split(_separator(line))]


def _channels(names: Sequence[str]) -> dict[str, int]:
    channels: dict[str, int] = {}
    for index, name in enumerate(names):
        if names.count(name) > 1:
            raise BadInputError(f"column '{name}' stands twice")
        if name in ("sole_id", "timestamp", "corrupt"):
            continue
        motion, cell = _MOTION.fullmatch(name), _CELL.fullmatch(name)
        if motion:
            channels[f"{_SHORT[motion[1]]}_{motion[2]}"] = index
        elif cell:
            channels[f"cell_{int(cell[1]):02d}"] = index
        else:
            raise BadInputError(f"column '{name}' is not known; expected accel_x, gyro_x, pressure_01, corrupt")
    return channels


def _soles(values: NDArray[np.float64], names: list[str], channels: dict[str, int]) -> list[StapponeSole]:
    number = values[:, names.index("sole_id")]
    whole = np.isfinite(number) & (number == np.floor(number)) & (number >= 0)
    if not whole.all():
        raise BadInputError(f"line {int((~whole).argmax()) + 2}: sole_id is no whole number")
    soles = []
    for sole in np.unique(number):
        rows = values[number == sole].copy()
        flagged = _flagged(rows, names)
        for index in channels.values():
            rows[flagged, index] = np.nan
        held = {channel: rows[:, i] for channel, i in channels.items()}
        soles.append(
            StapponeSole(
                int(sole),
                rows[:, names.index("timestamp")],
                {n: v for n, v in held.items() if not n.startswith("cell_")},
                {n: v for n, v in held.items() if n.startswith("cell_")},
                int(flagged.sum()),
            )
        )
    return soles


def _flagged(rows: NDArray[np.float64], names: list[str]) -> NDArray[np.bool_]:
    if "corrupt" not in names:
        return np.zeros(len(rows), dtype=bool)
    return np.asarray(rows[:, names.index("corrupt")] != 0)
