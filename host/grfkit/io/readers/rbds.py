"""Text files of the RBDS running data set (Fukuchi, Fukuchi & Duarte 2017, PeerJ 5:e3298).

Forces: ``Time Fx Fy Fz COPx COPy COPz Ty``, N, mm and N mm, 300 Hz, where ``Time`` is the sample number.
Markers: ``Time`` in s, rounded to ms, then ``<marker>X <marker>Y <marker>Z`` in mm, 150 Hz. X forward, Y up.
A file states neither its rate nor its units: they are those that the data set documents.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from ...arrays import Floats
from ...errors import BadInputError
from ...formats.rows import number_table
from ...formats.timing import exact_time
from ...records import Channel, Recording, make_landmarks, make_stream
from ..base import Head, Match, Reader, ReadOptions
from ..files import check_extent, check_time, file_recording, plate_attrs, read_text, refuse_extra

FORCE_COLUMNS = ("Time", "Fx", "Fy", "Fz", "COPx", "COPy", "COPz", "Ty")
FORCE_RATE_HZ = 300.0
"""Rate of the force files, as the data set's paper states it."""
MARKER_RATE_HZ = 150.0
"""Rate of the marker files, as the data set's paper states it."""


@dataclass(frozen=True)
class RbdsFile:
    """Columns and numbers; ``markers`` is empty for a force file; ``time`` in s."""

    markers: list[str]
    time: Floats
    table: Floats
    notes: list[str]


def marker_names(header: list[str]) -> list[str]:
    """Return the markers that ``Time <m>X <m>Y <m>Z ...`` names, an empty list if it is another header."""
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


def _force_time(number: Floats, rate: float) -> Floats:
    steps = np.diff(number)
    if not np.isfinite(number).all() or (number != np.floor(number)).any() or (steps < 1).any():
        raise BadInputError("column 'Time' is no rising sample number, as in RBDS force files")
    return np.asarray((number - number[0]) / rate)


def _marker_time(time: Floats, rate: float, notes: list[str]) -> Floats:
    rebuilt = exact_time(np.arange(time.size, dtype=np.float64), time, rate)
    if rebuilt is None:
        notes.append(f"time stamps do not follow {rate:g} Hz and are used as they are")
    return time if rebuilt is None else rebuilt


def _sniff(head: Head) -> Match:
    first = head.lines(1) or [""]
    header = [cell.strip() for cell in first[0].rstrip("\t").split("\t")]
    if tuple(header) == FORCE_COLUMNS:
        return Match(0.9, f"its columns are {' '.join(FORCE_COLUMNS)}")
    names = marker_names(header)
    if names:
        return Match(0.8, f"its columns are Time and X, Y, Z of {len(names)} markers")
    return Match(0.0, "its first line is neither 'Time Fx Fy Fz COPx COPy COPz Ty' nor Time and marker columns")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "rbds")
    parsed = parse_rbds(read_text(path), options.rate_hz)
    check_time(parsed.time)
    streams = {"landmarks": _landmarks(parsed)} if parsed.markers else {"plate_1": _plate(parsed)}
    return file_recording(
        path,
        streams,
        device="motion capture" if parsed.markers else "instrumented treadmill",
        reader="rbds",
        notes=parsed.notes,
    )


def _landmarks(parsed: RbdsFile) -> xr.Dataset:
    positions = parsed.table.reshape(len(parsed.table), len(parsed.markers), 3)
    stream = make_landmarks(positions, parsed.markers, parsed.time, unit="mm", stamp_source="index")
    check_extent(stream["position"].values, "mm")
    return stream


def _plate(parsed: RbdsFile) -> xr.Dataset:
    names = ("fx", "fy", "fz", "cop_x", "cop_y", "cop_z", "free_moment")
    kinds = ("N", "N", "N", "mm", "mm", "mm", "N mm")
    channels = [
        Channel(name, parsed.table[:, i], unit, "global", raw)
        for i, (name, unit, raw) in enumerate(zip(names, kinds, FORCE_COLUMNS[1:]))
    ]
    return make_stream(
        channels, parsed.time, kind="force_plate", stamp_source="index", attrs=plate_attrs(vertical="+y")
    )


READER = Reader("rbds", "RBDS running text", (".txt",), _sniff, _read, ("rate_hz",))
