"""Generic CSV, read and written: one header row of ``name [unit]`` columns, then numbers; comma, semicolon or tab."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .. import units
from ..arrays import Floats
from ..errors import BadInputError, UnitError
from .header_rows import Header, HeaderLayout, read_header
from .rows import is_missing, is_number, number_table, numbers, quoted_cells, row_cells, unquoted
from .text import decimal_sign, refuse_split_decimals, without_torn_row

_BRACKETS = re.compile(r"(?P<name>.*?)\s*(?:\[(?P<square>[^\[\]]*)\]|\((?P<round>[^()]*)\))\s*$")

# A number in which every comma may part thousands: 1,234 or 12,345.6
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")

# Lines searched for the header row, chosen by hand: comment lines of any number stand above it
_HEADER_LINES = 200
_PLAIN = HeaderLayout()


@dataclass(frozen=True)
class TableColumn:
    """One column: the file's header cell, its name (lower case, blanks as ``_``) and unit ("" if none)."""

    raw: str
    name: str
    unit: str


@dataclass(frozen=True)
class CsvFile:
    """A table: its columns, their numbers (samples, columns) with NaN where missing, and notes."""

    columns: list[TableColumn]
    table: Floats
    notes: list[str]


def parse_column(text: str, *, raw: str | None = None) -> TableColumn:
    """Return the column that ``"name [unit]"`` or ``"name (unit)"`` names.

    Round brackets that hold no unit belong to the name; square ones always hold a unit.

    Raises
    ------
    BadInputError
        If the name is empty or the unit in square brackets is unknown.
    """
    match = _BRACKETS.match(text.strip())
    name, unit = text.strip(), ""
    if match and match["square"] is not None:
        name, unit = match["name"], _unit(match["square"], text)
    elif match and units.is_unit(match["round"]):
        name, unit = match["name"], match["round"]
    tidy = re.sub(r"\W+", "_", name.strip().lower()).strip("_")
    if not tidy:
        raise BadInputError(f"column '{text}' has no name; write it as 'name [unit]'")
    return TableColumn(text if raw is None else raw, tidy, unit)


def split_header(text: str) -> tuple[int, str, list[str]]:
    """Return the index of the header line, the separator and the header's cells.

    Blank lines, lines that start with ``#`` and a spreadsheet's ``sep=`` line before the header are skipped.

    Raises
    ------
    BadInputError
        If there is no header row of at least two named columns.
    """
    for index, line in enumerate(text.splitlines()[:_HEADER_LINES]):
        tidy = line.strip()
        if not tidy or tidy.startswith("#") or re.fullmatch(r"\"?sep=.\"?", tidy):
            continue
        separator = next((s for s in "\t;," if s in line), "")
        if not separator:
            raise BadInputError(f"line {index + 1} holds one cell, expected a header row of named columns")
        cells = unquoted(quoted_cells(line.rstrip("\r"), separator))
        while cells and not cells[-1]:
            cells.pop()
        if len(cells) < 2 or any(is_number(cell) or is_number(cell, ",") for cell in cells):
            raise BadInputError(f"line {index + 1} is no header row; name each column, e.g. 'time [s]'")
        return index, separator, cells
    raise BadInputError("holds no header row of named columns, e.g. 'time [s],left_force [N]'")


def parse_csv(
    text: str,
    column_map: Mapping[str, str] | None = None,
    *,
    needs: Sequence[str] = (),
    layout: HeaderLayout = _PLAIN,
) -> CsvFile:
    """Return the columns of a CSV text and their numbers.

    Parameters
    ----------
    column_map
        Header cell -> ``"name [unit]"``. With a map, columns outside it that state no unit are left out.
    needs
        Names of columns without which the file is refused.
    layout
        Lines above the header, rows of names, row of units.

    Raises
    ------
    BadInputError
        If there is no header, a mapped column is absent, a name stands twice, or a cell is no number.
    """
    found = _header(text, layout)
    separator, header, index = found.separator, found.names, found.end - 1
    notes = list(found.notes)
    indexed = choose_columns(header, dict(column_map or {}), notes, units_row=found.units if layout.units_row else ())
    check_names([column for _, column in indexed], needs)
    lines = text.splitlines()[index + 1 :]
    while lines and not lines[-1].strip(" \t;,"):
        lines.pop()
    if not lines:
        raise BadInputError("holds a header row but no data")
    picked = [i for i, _ in indexed]
    if any('"' in line for line in lines):
        table, decimal = _quoted_table(lines, separator, header, picked, index + 2)
    else:
        refuse_split_decimals(lines, separator, len(header), index + 2)
        decimal = decimal_sign(lines, separator)
        table = number_table(
            lines, columns=header, separator=separator, first_line=index + 2, decimal=decimal, pick=picked
        )
    if len(header) - 1 in picked and not lines[-1].endswith('"'):
        table, torn = without_torn_row(table, text, lines, separator, index + 2, decimal)
        notes += torn
    return CsvFile([column for _, column in indexed], table, notes)


def looks_like_table(text: str) -> tuple[str, list[str]]:
    """Return why a text is no table ("" if it is one), and its header cells (none if it is not).

    A table has a header row, and the next row has as many cells, at least half of them numbers or missing.
    """
    try:
        index, separator, header = split_header(text)
        lines = text.splitlines()[index + 1 :]
        following = next((line for line in lines if line.strip()), "")
        if not following:
            return "", header
        # the head may end inside a line
        refuse_split_decimals(lines[: max(1, len(lines) - 1)], separator, len(header), index + 2)
        if '"' in following:
            following = "\t".join(quoted_cells(following.rstrip("\r"), separator))
            separator = "\t"
        cells = unquoted(row_cells(following, separator, len(header), index + 2))
    except BadInputError as error:
        return str(error), []
    # a cell counts with either decimal sign: which one the file uses is settled when all rows are read
    good = sum(is_missing(cell) or is_number(cell) or is_number(cell, ",") for cell in cells)
    if 2 * good < len(cells):
        return f"line {index + 2} holds words where a table holds numbers", []
    return "", header


def _header(text: str, layout: HeaderLayout) -> Header:
    if not layout.is_plain:
        return read_header(text.splitlines(), layout)
    index, separator, header = split_header(text)
    return Header(separator, header, [""] * len(header), index + 1, [])


def choose_columns(
    header: Sequence[str], column_map: Mapping[str, str], notes: list[str], *, units_row: Sequence[str] = ()
) -> list[tuple[int, TableColumn]]:
    """Return the columns to read, by their index: those of a map under its names, and all others that state a unit.

    Parameters
    ----------
    column_map
        Header cell -> ``"name [unit]"``; without one all columns are chosen.
    units_row
        Unit a column as a row of the file states them, "" for none; a map need not repeat them.

    Raises
    ------
    BadInputError
        If a mapped column is absent or stands twice, or map and row of units differ.
    """
    absent = [name for name in column_map if name not in header]
    if absent:
        columns = ", ".join(f"'{cell}'" for cell in header[:12]) + (", ..." if len(header) > 12 else "")
        raise BadInputError(f"the column map names '{absent[0]}', but the file's columns are {columns}")
    twice = [name for name in column_map if header.count(name) > 1]
    if twice:
        raise BadInputError(f"column '{twice[0]}' of the column map stands {header.count(twice[0])} times in the file")
    indexed, left_out = [], []
    for index, cell in enumerate(header):
        below = units_row[index] if index < len(units_row) else ""
        if cell in column_map:
            indexed.append((index, _with_unit(parse_column(column_map[cell], raw=cell), below)))
        elif column_map and (not cell or not (below or parse_column(cell).unit)):
            left_out.append(cell)
        else:
            indexed.append((index, _with_unit(parse_column(cell), below)))
    if left_out:
        names = ", ".join(f"'{cell}'" for cell in left_out[:8]) + (", ..." if len(left_out) > 8 else "")
        notes.append(f"{len(left_out)} columns outside the column map are left out: {names}")
    return indexed


def _with_unit(column: TableColumn, below: str) -> TableColumn:
    """Return a column with the unit that the row of units states."""
    if not below or (column.unit and units.parse_unit(column.unit) == units.parse_unit(below)):
        return column
    if column.unit:
        raise BadInputError(
            f"column '{column.raw}' is in {column.unit} by its name or the column map, and in {below} by the file's"
            " row of units; correct one"
        )
    return TableColumn(column.raw, column.name, below)


def check_names(columns: Sequence[TableColumn], needs: Sequence[str]) -> None:
    """Refuse columns of which a needed one is absent, or two have one name.

    Raises
    ------
    BadInputError
        With the first such name.
    """
    absent = [name for name in needs if name not in {column.name for column in columns}]
    if absent:
        have = ", ".join(f"'{column.raw}'" for column in columns[:8]) + (", ..." if len(columns) > 8 else "")
        raise BadInputError(
            f"has no column '{absent[0]}' (columns: {have}); name it in a column map, or state the rate"
        )
    by_name: dict[str, TableColumn] = {}
    for column in columns:
        if column.name in by_name:
            first = by_name[column.name].raw
            raise BadInputError(
                f"columns '{first}' and '{column.raw}' are both '{column.name}'; rename one or map them"
            )
        by_name[column.name] = column


def _quoted_table(
    lines: list[str], separator: str, header: Sequence[str], picked: Sequence[int], first_line: int
) -> tuple[Floats, str]:
    """Return the numbers of rows of which some cells are quoted, and the decimal sign that the cells have."""
    rows, numbers_of_lines = _quoted_rows(lines, separator, len(header), first_line)
    cells = [[row[i] for i in picked] for row in rows]
    labels = [header[i] for i in picked]
    decimal = _quoted_decimal(cells) if separator == "," else decimal_sign(lines, separator)
    if numbers_of_lines[-1] - first_line == len(rows) - 1:
        return numbers(cells, columns=labels, first_line=first_line, decimal=decimal), decimal
    # a quoted cell runs over several lines: each row's own line for messages
    parts = [
        numbers([row], columns=labels, first_line=line, decimal=decimal) for row, line in zip(cells, numbers_of_lines)
    ]
    return np.concatenate(parts), decimal


def _quoted_decimal(rows: Sequence[Sequence[str]]) -> str:
    """Return the decimal sign of cells in which a comma can be one, as quotes keep it from separating cells.

    Raises
    ------
    BadInputError
        If commas may as well be thousands signs: ``1,234``, or some numbers have a point.
    """
    with_comma = [cell.strip() for row in rows for cell in row if "," in cell and is_number(cell, ",")]
    grouped = next((cell for row in rows for cell in row if _GROUPED.fullmatch(cell.strip())), "")
    if not with_comma and not grouped:
        return "."
    has_point = any("." in cell and is_number(cell) for row in rows for cell in row)
    if has_point or (with_comma and all(_GROUPED.fullmatch(cell) for cell in with_comma)) or not with_comma:
        raise BadInputError(
            f"writes {grouped or with_comma[0]!r}: whether ',' is a decimal or a thousands sign cannot be told;"
            " export it without thousands signs and with one decimal sign"
        )
    return ","


def _quoted_rows(lines: list[str], separator: str, width: int, first_line: int) -> tuple[list[list[str]], list[int]]:
    """Return the cells of each row, and the line that each row begins in."""
    rows: list[list[str]] = []
    begins: list[int] = []
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        line = first_line + reader.line_num
        try:
            cells = next(reader)
        except StopIteration:
            return rows, begins
        except csv.Error as error:
            raise BadInputError(f"line {line} has a stray quote ({error}); mend the file there") from error
        while len(cells) > width and is_missing(cells[-1]):
            cells.pop()
        if len(cells) != width:
            raise BadInputError(f"line {line} has {len(cells)} cells, expected {width}")
        rows.append(cells)
        begins.append(line)


def _unit(text: str, column: str) -> str:
    try:
        units.parse_unit(text)
    except UnitError as error:
        raise UnitError(f"column '{column.strip()}': {error}") from error
    return text.strip()


@dataclass(frozen=True)
class CsvColumn:
    """One column: name, unit as written in square brackets, values (NaN becomes an empty cell), decimals."""

    name: str
    unit: str
    values: Floats
    decimals: int


def csv_text(columns: Sequence[CsvColumn]) -> str:
    """Return a CSV table with comma separators and ``\\n`` line ends.

    Raises
    ------
    BadInputError
        If there is no column or lengths differ.
    """
    lengths = {column.values.size for column in columns}
    if len(lengths) != 1:
        raise BadInputError(f"CSV columns have {sorted(lengths)} rows, expected one and the same length")
    header = ",".join(f"{column.name} [{column.unit}]" for column in columns)
    cells = [_cells(column) for column in columns]
    return header + "\n" + "".join(",".join(row) + "\n" for row in zip(*cells))


def _cells(column: CsvColumn) -> list[str]:
    form = f"%.{column.decimals}f"
    # adding 0.0 makes 0.0 of -0.0
    text = [form % value for value in (column.values + 0.0).tolist()]
    for row in np.flatnonzero(np.isnan(column.values)):
        text[row] = ""
    return text
