"""Text files of the RBDS running data set (Fukuchi, Fukuchi & Duarte 2017, PeerJ 5:e3298).

Forces: ``Time Fx Fy Fz COPx COPy COPz Ty``, N, mm and N mm, 300 Hz, where ``Time`` is the sample number.
Markers: ``Time`` in s, rounded to ms, then ``<marker>X <marker>Y <marker>Z`` in mm, 150 Hz. X forward, Y up.
Neither states its rate or units: they are those that the data set documents.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError
from .rows import number_table
from .timing import exact_time

FORCE_COLUMNS = ("Time", "Fx", "Fy", "Fz", "COPx", "COPy", "COPz", "Ty")
FORCE_RATE_HZ = 300.0
MARKER_RATE_HZ = 150.0


@dataclass(frozen=True)
class RbdsFile:
    """Columns and numbers; ``markers`` is empty for a force file; ``time`` in s."""

    markers: list[str]
    time: NDArray[np.float64]
    table: NDArray[np.float64]
    notes: list[str]


def marker_names(header: list[str]) -> list[str]:
    """Return the markers that ``Time <m>X <m>Y <m>Z ...`` names, none if the header is another."""
    if len(header) < 4 or header[0] != "Time" or (len(header) - 1) % 3:
        return []
    names = [cell[:-1] for cell in header[1::3]]
    expected = [f"{name}{axis}" for name in names for axis in "XYZ"]
    return names if expected == header[1:] and all(names) else []


def parse_rbds(text: str, rate_hz: float | None = None) -> RbdsFile:
    """Return what a force or marker file holds.

    Parameters
    ----------
    rate_hz
        Overrides the documented rate.

    Raises
    ------
    BadInputError
        If the header is neither, a row is damaged, or the sample number does not count.
    """
    lines = text.splitlines()
    header = [cell.strip() for cell in lines[0].rstrip("\t").split("\t")] if lines else []
    markers = marker_names(header)
    if not markers and tuple(header) != FORCE_COLUMNS:
        raise BadInputError(f"does not start with {' '.join(FORCE_COLUMNS)} or Time and marker columns")
    table = number_table(lines[1:], columns=header, separator="\t", first_line=2)
    rate = rate_hz or (MARKER_RATE_HZ if markers else FORCE_RATE_HZ)
    where = "as stated" if rate_hz else "as the RBDS data set documents"
    notes = [f"the file states neither rate nor units: {rate:g} Hz {where}, N, mm and N mm"]
    time = _marker_time(table[:, 0], rate, notes) if markers else _force_time(table[:, 0], rate)
    return RbdsFile(markers, time, table[:, 1:], notes)


def _force_time(number: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    steps = np.diff(number)
    if not np.isfinite(number).all() or (number != np.floor(number)).any() or (steps < 1).any():
        raise BadInputError("column 'Time' is no rising sample number, as in RBDS force files")
    return np.asarray((number - number[0]) / rate)


def _marker_time(time: NDArray[np.float64], rate: float, notes: list[str]) -> NDArray[np.float64]:
    rebuilt = exact_time(np.arange(time.size, dtype=np.float64), time, rate)
    if rebuilt is None:
        notes.append(f"time stamps do not follow {rate:g} Hz and are used as they are")
    return time if rebuilt is None else rebuilt
