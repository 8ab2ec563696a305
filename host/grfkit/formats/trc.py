"""TRC marker positions (text, tab separated): read as Cortex, Motive, OpenSim and Pose2Sim write them, and written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError
from ..units import is_unit
from .rows import data_rows, numbers
from .text import READ_SHORT, as_tabs, decimal_sign, ends_whole, refuse_split_decimals, torn_row_note
from .timing import HIGHEST_RATE_HZ, exact_time

MAGIC = "PathFileType"
# Lines of a header: the magic, keys, values, names, axes; and one of data at least
_HEADER_LINES = 6


@dataclass(frozen=True)
class TrcFile:
    """A TRC file's content.

    Attributes
    ----------
    rate_hz
        As the header states it (``DataRate``), 0 where it states none.
    unit
        As the header states it.
    names
        Marker names, in file order.
    frames, time
        Shape (samples,): frame numbers, and seconds as printed.
    positions
        Shape (samples, markers, 3), in ``unit``, missing coordinates NaN.
    notes
        What a user should know about the file.
    """

    rate_hz: float
    unit: str
    names: list[str]
    frames: Floats
    time: Floats
    positions: Floats
    notes: list[str]


def parse_trc(text: str, *, allow_short: bool = False) -> TrcFile:
    """Return what a TRC file holds.

    Blank and ``NaN`` coordinates are missing; so is a marker at exactly 0 0 0, which several programs write
    for a marker not seen. Time stamps printed with few digits are rebuilt from frame number and rate where
    both agree to the printed digit.

    Parameters
    ----------
    allow_short
        Whether a file that ends inside its last row, with fewer frames than its header states, is read without that
        row.

    Raises
    ------
    BadInputError
        If the header is incomplete, names and columns disagree, a row is cut short or is not numeric, or
        the file ends inside a row.
    """
    notes: list[str] = []
    lines = _tabbed(text.splitlines(), notes)
    header = _header(lines)
    names = _names(lines, header)
    start = _first_row(lines)
    columns = ["Frame#", "Time", *(f"{name} {axis}" for name in names for axis in "XYZ")]
    body = data_rows(lines[start:])
    rows, unlabelled = _rows(body, len(columns), start + 1)
    if unlabelled:
        notes.append(f"{unlabelled} unlabelled points are left out")
    decimal = decimal_sign(body, "\t")
    table = numbers(rows, columns=columns, first_line=start + 1, decimal=decimal)
    frames, time = table[:, 0], table[:, 1]
    whole = text.endswith(("\n", "\r")) or ends_whole(body, "\t", decimal)
    short = _check_frames(frames, header, notes, whole=whole)
    if short and not allow_short:
        raise BadInputError(f"{short}; export it again, or {READ_SHORT}")
    torn = short or ("" if text.endswith(("\n", "\r")) else torn_row_note(body, "\t", start + 1, decimal))
    if torn:
        notes.append(f"{torn}, which is left out" if short else torn)
        table, frames, time = table[:-1], frames[:-1], time[:-1]
    positions = _unseen(table[:, 2:].reshape(len(table), len(names), 3), notes)
    rate = _positive(header.get("DataRate", ""), "DataRate")
    time = _exact_time(frames, time, rate, notes)
    return TrcFile(rate, header["Units"], names, frames, time, positions, notes)


def _tabbed(lines: list[str], notes: list[str]) -> list[str]:
    """Return lines with tabs between the cells, as a TRC file has them and a spreadsheet may have changed them."""
    if not lines or len(lines) < _HEADER_LINES or "\t" in lines[3]:
        return lines
    separator = next((s for s in ";," if s in lines[3]), "")
    if not separator:
        return lines
    notes.append(f"its cells are separated by '{separator}', not by tabs as in a TRC file: read as that")
    width = 2 + 3 * sum(bool(cell.strip(' "')) for cell in lines[3].split(separator)[2:])
    refuse_split_decimals(lines[_HEADER_LINES:], separator, width, _HEADER_LINES + 1)
    return as_tabs(lines, separator)


def _header(lines: list[str]) -> dict[str, str]:
    if not lines or not lines[0].startswith(MAGIC):
        raise BadInputError(f"does not start with '{MAGIC}', so it is no TRC file")
    if len(lines) < _HEADER_LINES:
        raise BadInputError(f"ends after {len(lines)} lines, inside its TRC header; it was cut off")
    # an empty cell shifts what stands behind it if blanks separate; two tabs in a row do if tabs separate
    cells = [[cell.strip() for cell in line.rstrip().split("\t")] for line in lines[1:3]]
    by_tabs = dict(zip(*cells))
    if "Units" in by_tabs and not by_tabs["Units"] and len(cells[0]) == len(cells[1]):
        raise BadInputError("line 3 of its TRC header states nothing below 'Units'; add the unit, e.g. mm")
    by_blanks = dict(zip(lines[1].split(), lines[2].split()))
    header = by_tabs if is_unit(by_tabs.get("Units", "")) else by_blanks
    if "Units" not in header:
        raise BadInputError("line 2 and 3 of its TRC header name no 'Units'; add the unit of the positions, e.g. mm")
    return header


def _names(lines: list[str], header: dict[str, str]) -> list[str]:
    cells = [cell.strip() for cell in lines[3].split("\t")]
    if len(cells) < 2 or not cells[0].lower().startswith("frame") or not cells[1].lower().startswith("time"):
        raise BadInputError("line 4 does not start with 'Frame#' and 'Time', as a TRC file's does")
    names = [cell for cell in cells[2:] if cell]
    if not names:
        raise BadInputError(
            "names no marker: unlabelled points change their column from frame to frame;"
            " label the markers and export again"
        )
    in_place = cells[2 : 2 + 3 * len(names) : 3] == names
    stated = header.get("NumMarkers", "")
    if not in_place and stated != str(len(names)):
        raise BadInputError(
            f"line 4 names {len(names)} markers, not in every third column, and the header states"
            f" {stated or 'none'}; which column is which marker cannot be told"
        )
    return _once(names)


def _once(names: list[str]) -> list[str]:
    """Return the names with ``_2``, ``_3``... at those that stand a second and third time."""
    times: dict[str, int] = {}
    for index, name in enumerate(names):
        times[name] = times.get(name, 0) + 1
        if times[name] > 1:
            names[index] = f"{name}_{times[name]}"
    return names


def _first_row(lines: list[str]) -> int:
    for index in range(5, len(lines)):
        if lines[index].strip():
            return index
    raise BadInputError("holds a TRC header but no frame")


def _rows(lines: list[str], width: int, first_line: int) -> tuple[list[list[str]], int]:
    """Return the cells of each frame, cut to the named markers, and the number of points beyond them.

    Some programs end each row with a tab; whether they do is read off the first row and must not change.
    """
    # frame, time and three cells for each marker: 1 + 3 n tabs, one more where rows end with a tab
    tail = (lines[0].count("\t") - 1) % 3
    rows, beyond = [], 0
    for index, line in enumerate(lines):
        cells = line.split("\t")
        if tail and not cells[-1].strip():
            cells.pop()
        if len(cells) < width or (len(cells) - 2) % 3 or tail > 1:
            raise BadInputError(
                f"line {first_line + index} has {len(cells)} cells, expected {width}"
                " (frame, time and three per marker); the file is cut off or damaged there"
            )
        beyond = max(beyond, (len(cells) - width) // 3)
        rows.append(cells[:width])
    return rows, beyond


def _check_frames(frames: Floats, header: dict[str, str], notes: list[str], *, whole: bool) -> str:
    """Note frames that are not as many as stated (files are trimmed); return why a file ends inside a row, or ""."""
    stated = header.get("NumFrames", "")
    if not stated.isdigit() or int(stated) == frames.size:
        return ""
    fewer = frames.size < int(stated)
    if fewer and not whole and not frames[0] > 1:
        return f"is cut off: its header states {stated} frames, it holds {frames.size}, and its last line may be torn"
    note = f"the header states {stated} frames, the file holds {frames.size} (from frame {frames[0]:.0f})"
    notes.append(note + ("; trimmed, or cut off" if fewer else ""))
    return ""


def _unseen(positions: Floats, notes: list[str]) -> Floats:
    zero = (positions == 0).all(axis=2)
    if not zero.any():
        return positions
    notes.append(f"{int(zero.sum())} marker positions of exactly 0 0 0 are taken as not seen")
    return np.where(zero[:, :, None], np.nan, positions)


def _positive(text: str, what: str) -> float:
    try:
        value = float(text) if text else 0.0
    except ValueError as error:
        raise BadInputError(f"{what} is '{text}', expected a number") from error
    if not 0 <= value < HIGHEST_RATE_HZ:
        raise BadInputError(f"{what} is {text}, expected a rate in Hz above 0")
    return value


def _exact_time(frames: Floats, time: Floats, rate: float, notes: list[str]) -> Floats:
    """Return time rebuilt from frame number and rate where every printed stamp is that, rounded."""
    if not rate or time.size < 2 or not np.isfinite(time).any():
        return time
    rebuilt = exact_time(_numbered(frames, notes) - 1, time, rate)
    if rebuilt is None:
        notes.append(f"time stamps do not follow the stated rate of {rate:g} Hz and are used as they are")
    return time if rebuilt is None else rebuilt


def _numbered(frames: Floats, notes: list[str]) -> Floats:
    """Return frame numbers in which those left blank are counted from the others, by their rows."""
    blank = np.isnan(frames)
    if not blank.any():
        return frames
    notes.append(f"{int(blank.sum())} frames have no number; they are counted from their rows")
    rows = np.arange(frames.size, dtype=np.float64)
    if blank.all():
        return rows + 1
    # of each, by the numbered row before it; by the first numbered one where there is none before
    before = np.maximum.accumulate(np.where(blank, -1, np.arange(frames.size)))
    before = np.where(before < 0, int(np.flatnonzero(~blank)[0]), before)
    return np.asarray(frames[before] + rows - before)


def trc_text(positions_mm: Floats, names: Sequence[str], time_s: Floats, *, rate_hz: float) -> str:
    """Return a TRC file in millimetres; missing points become empty cells.

    Parameters
    ----------
    positions_mm
        Shape (frames, markers, 3).

    Raises
    ------
    BadInputError
        If shapes do not fit each other.
    """
    frames = positions_mm.shape[0]
    if positions_mm.shape != (time_s.size, len(names), 3):
        raise BadInputError(
            f"marker positions have shape {positions_mm.shape}, expected ({time_s.size}, {len(names)}, 3)"
        )
    rate = f"{rate_hz:g}"
    axes = "\t".join(f"{axis}{number + 1}" for number in range(len(names)) for axis in "XYZ")
    head = [
        "PathFileType\t4\t(X/Y/Z)\tlandmarks.trc",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        f"{rate}\t{rate}\t{frames}\t{len(names)}\tmm\t{rate}\t1\t{frames}",
        "Frame#\tTime\t" + "\t\t\t".join(names) + "\t\t",
        "\t\t" + axes,
        "",
    ]
    flat = positions_mm.reshape(frames, -1)
    rows = (
        f"{number + 1}\t{time:.6f}\t" + "\t".join("" if value != value else f"{value:.4f}" for value in row)
        for number, (time, row) in enumerate(zip(time_s.tolist(), flat.tolist()))
    )
    return "\n".join([*head, *rows]) + "\n"
