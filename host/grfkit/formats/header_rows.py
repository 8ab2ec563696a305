"""Headers of several rows: names in one or more rows, below them a row of units; cells joined to one name a column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .. import units
from ..errors import BadInputError
from .rows import is_missing, is_number, quoted_cells, unquoted
from .text import separator_of

MOST_HEADER_ROWS = 20
"""Header rows that a layout may state at most, chosen by hand: Visual3D writes five."""
MOST_LINES = 60
"""Lines searched for where numbers begin, chosen by hand: what programs write above a table has up to some thirty."""


@dataclass(frozen=True)
class HeaderLayout:
    """Where the header of a table stands: lines above it, rows of names, and whether a row of units follows."""

    skip_lines: int = 0
    header_rows: int = 1
    units_row: bool = False

    @property
    def is_plain(self) -> bool:
        """Return whether this is the usual header: one row of names, nothing stated above or below it."""
        return self == HeaderLayout()


@dataclass(frozen=True)
class Header:
    """A header as read: separator, a name and a unit ("" for none or an unknown one) a column, first line of data."""

    separator: str
    names: list[str]
    units: list[str]
    end: int
    notes: list[str]


def read_header(lines: Sequence[str], layout: HeaderLayout, *, separator: str = "") -> Header:
    """Return the header that a layout describes.

    A blank cell in any row of names but the last inherits what stands left of it, as programs leave it out where one
    device or marker has several columns: ``FP1 - Force,,,`` above ``Fx,Fy,Fz`` gives ``FP1 - Force: Fx`` and so on.

    Parameters
    ----------
    separator
        Tab, semicolon or comma; of the last row of names if "".

    Raises
    ------
    BadInputError
        If the lines end before the data, a row of names holds numbers only, or no column has a name.
    """
    begin, count = layout.skip_lines, layout.header_rows
    end = begin + count + layout.units_row
    if len(lines) <= end:
        raise BadInputError(f"has {len(lines)} lines, and a header of {end} is stated; no data follow it")
    separator = separator or separator_of(lines[begin + count - 1])
    rows = [cells_of(line, separator) for line in lines[begin : begin + count]]
    for index, row in enumerate(rows):
        filled = [cell for cell in row if cell]
        if not filled or all(is_number(cell) for cell in filled):
            raise BadInputError(f"line {begin + index + 1} holds no names, as the stated header would have there")
    below = cells_of(lines[end - 1], separator) if layout.units_row else []
    # a last row of names is as wide as the table; units or upper names beyond it have no column
    width = max(len(rows[-1]), len(below))
    names = joined_names(rows, width)
    stated = [below[i] if i < len(below) else "" for i in range(width)]
    unknown = [unit for unit in dict.fromkeys(stated) if unit and not units.is_unit(unit)]
    notes = [f"units that grfkit does not know are kept as unknown: {', '.join(unknown[:8])}"] if unknown else []
    return Header(separator, names, [unit if units.is_unit(unit) else "" for unit in stated], end, notes)


def cells_of(line: str, separator: str) -> list[str]:
    """Return the cells of a line of names, without quotes, blanks around them and empty cells at the end."""
    cells = unquoted(quoted_cells(line.rstrip("\r\n"), separator))
    while cells and not cells[-1]:
        cells.pop()
    return cells


def joined_names(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Return one name a column: the cells of all rows above each other, joined by ``": "``."""
    parts: list[list[str]] = [[] for _ in range(width)]
    for index, row in enumerate(rows):
        last = ""
        for column in range(width):
            cell = row[column] if column < len(row) else ""
            last = cell or ("" if index == len(rows) - 1 else last)
            if last:
                parts[column].append(last)
    return [": ".join(part) for part in parts]


def layout_of(lines: Sequence[str]) -> HeaderLayout | None:
    """Return the layout of a header of several rows as it seems to be, None where the first rows are no such header.

    Numbers begin at the first two lines of equally many cells of which at least half are numbers or missing; the lines
    of names above them that follow each other are the header, the last one a row of units if most of its cells are
    units. It is a guess to advise by, never to read by.
    """
    rows = [cells_of(line, separator_of(line)) for line in lines[: MOST_LINES + 2]]
    for first in range(1, len(rows) - 1):
        if _is_data(rows[first]) and _is_data(rows[first + 1]) and len(rows[first]) == len(rows[first + 1]):
            break
    else:
        return None
    begin = first
    while begin and len(rows[begin - 1]) > 1 and not any(is_number(cell) for cell in rows[begin - 1]):
        begin -= 1
    if first - begin < 2:
        return None
    below = [cell for cell in rows[first - 1] if cell]
    units_row = 2 * sum(units.is_unit(cell) for cell in below) > len(below)
    count = first - begin - units_row
    return HeaderLayout(begin, count, units_row) if count <= MOST_HEADER_ROWS else None


def _is_data(cells: Sequence[str]) -> bool:
    good = sum(is_number(cell) or is_number(cell, ",") for cell in cells)
    return good > 1 and 2 * sum(is_missing(c) or is_number(c) or is_number(c, ",") for c in cells) >= len(cells)
