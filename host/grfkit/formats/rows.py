"""Rows of separated numbers as text -> an array, with the line and column named where one is wrong."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError

CHUNK_ROWS = 20000
"""Rows split at once, chosen by hand: cells as Python strings take some fifty bytes each."""
LARGEST = 1e30
"""A number beyond this is no measurement: the file is broken or not what it seems."""

_MISSING = frozenset({"", "nan", "-nan", "nan(ind)", "-nan(ind)", "1.#qnan", "-1.#ind", "n/a", "na", "null", "none"})
_NUL = "\ue000"
"""Stands for a NUL while the csv module reads a line; a character of nobody's, which no file of numbers holds."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d{1,3})?")
_UNUSUAL = re.compile(r"[^0-9+\-.eE \t\r]")


def number_table(
    rows: Sequence[str],
    *,
    columns: Sequence[str],
    separator: str | None,
    first_line: int,
    decimal: str = ".",
    pick: Sequence[int] | None = None,
) -> Floats:
    """Return the numbers of ``rows``, shape (rows, columns), missing ones NaN.

    Missing are empty cells and ``NaN``, ``NA``, ``null``. Blank cells beyond the last column and blank lines at the end
    are ignored.

    Parameters
    ----------
    columns, first_line
        Their names and the first row's line number in the file, for messages.
    separator
        One character, or None for any run of blanks (then no cell can be empty).
    pick
        Which columns to return; the others may hold anything. All if None.

    Raises
    ------
    BadInputError
        If there is no row, a row has too few or too many cells, or a cell is no number or beyond 1e30.
    """
    rows, width = data_rows(rows), len(columns)
    labels = [columns[i] for i in pick] if pick is not None else columns
    parts = []
    for start in range(0, len(rows), CHUNK_ROWS):
        line = first_line + start
        chunk = rows[start : start + CHUNK_ROWS]
        cells = [row_cells(row, separator, width, line + i) for i, row in enumerate(chunk)]
        if pick is not None:
            cells = [[row[i] for i in pick] for row in cells]
        parts.append(numbers(cells, columns=labels, first_line=line, decimal=decimal))
    return np.concatenate(parts)


def data_rows(lines: Sequence[str]) -> list[str]:
    """Return lines without the blank ones at their end; BadInputError if none is left."""
    rows = list(lines)
    while rows and not rows[-1].strip():
        rows.pop()
    if not rows:
        raise BadInputError("holds a header but no data")
    return rows


def numbers(cells: Sequence[Sequence[str]], *, columns: Sequence[str], first_line: int, decimal: str = ".") -> Floats:
    """Return the numbers in split rows, each as long as ``columns``; else as :func:`number_table`."""
    flat = list(chain.from_iterable(cells))
    if decimal != ".":
        flat = [cell.replace(decimal, ".") for cell in flat]
    values = _fast(flat)
    if values is None:
        values = _careful(flat, columns, first_line)
    table = values.reshape(len(cells), len(columns))
    _check_size(table, columns, first_line)
    return table


def is_number(text: str, decimal: str = ".") -> bool:
    """Return whether ``text`` is one finite number (``1_000`` and ``inf`` are none)."""
    return _NUMBER.fullmatch(text.strip().replace(decimal, ".")) is not None


def is_missing(text: str) -> bool:
    """Return whether ``text`` stands for a missing value."""
    return text.strip().lower() in _MISSING


def row_cells(row: str, separator: str | None, width: int, line: int) -> list[str]:
    """Return the cells of a row, blank ones beyond ``width`` dropped.

    Raises
    ------
    BadInputError
        If there are fewer or more.
    """
    cells = row.split(separator)
    while len(cells) > width and not cells[-1].strip():
        cells.pop()
    if len(cells) != width:
        raise BadInputError(
            f"line {line} has {len(cells)} cells, expected {width}; the file is cut off or damaged there"
        )
    return cells


def _fast(flat: list[str]) -> Floats | None:
    """Return the numbers where every cell is a plain one or empty, None otherwise."""
    # Python's float() takes "1_000", "inf" and "infinity" too, which are no numbers of a table
    if _UNUSUAL.search("".join(flat)):
        return None
    try:
        return np.array([cell if cell and not cell.isspace() else "nan" for cell in flat], dtype=np.float64)
    except ValueError:
        return None


def _careful(flat: list[str], columns: Sequence[str], first_line: int) -> Floats:
    values = np.full(len(flat), np.nan)
    for index, cell in enumerate(flat):
        tidy = _unquoted(cell)
        if _NUMBER.fullmatch(tidy):
            values[index] = float(tidy.replace("d", "e").replace("D", "e"))
        elif tidy.lower() not in _MISSING:
            line, column = divmod(index, len(columns))
            excerpt = tidy if len(tidy) <= 30 else tidy[:27] + "..."
            raise BadInputError(f"line {first_line + line}, column '{columns[column]}': {excerpt!r} is no number")
    return values


def _check_size(table: Floats, columns: Sequence[str], first_line: int) -> None:
    with np.errstate(invalid="ignore"):
        wild = np.abs(table) > LARGEST
    if wild.any():
        line, column = (int(i) for i in np.argwhere(wild)[0])
        raise BadInputError(
            f"line {first_line + line}, column '{columns[column]}': {table[line, column]:g} is no measurement"
        )


def quoted_cells(line: str, separator: str) -> list[str]:
    """Return the cells of a line, in which quotes may hold a separator; a line that is no table's is cut as it is.

    A NUL, which binary files are full of, is a character like others: before Python 3.11 the csv module refuses it.
    """
    try:
        cells = next(csv.reader([line.replace("\0", _NUL)], delimiter=separator), [])
    except csv.Error:  # a quote that never ends, in a file of another kind
        return line.split(separator)
    return [cell.replace(_NUL, "\0") for cell in cells]


def unquoted(cells: Iterable[str]) -> list[str]:
    """Return cells without surrounding blanks and quotes."""
    return [_unquoted(cell) for cell in cells]


def _unquoted(cell: str) -> str:
    """Return a cell without the pair of quotes around it; a single quote belongs to the cell."""
    tidy = cell.strip()
    paired = len(tidy) > 1 and tidy[0] == tidy[-1] == '"'
    return tidy[1:-1].strip() if paired else tidy
