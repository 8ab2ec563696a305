"""Tables of numbers in text files of any length: fast, with tokens for missing values; a row left out is noted."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError
from ..units import canonical_name, parse_unit
from .rows import CHUNK_ROWS, LARGEST, data_rows, is_missing, numbers, quoted_cells, row_cells

READ_SHORT = "read it without that line by --allow-short (allow_short=True in Python)"
"""What to do with a file that is shorter than its header states and may end inside a row."""
# Rows before the last one whose decimals are compared with its own; chosen by hand
_LOOKED_BACK = 50
# Rows looked at for decimal commas, chosen by hand
_ROWS_LOOKED_AT = 20
_WHOLE_NUMBERS = re.compile(r"\s*[+-]?\d*\s*(,\s*[+-]?\d*\s*)*")
_TWO_IN_ONE_CELL = re.compile(rb"[0-9.] +[0-9.+\-]")
_BRACKET = re.compile(r"\s*(?P<name>[^\[\]()]*?)\s*[\[(](?P<unit>[^\[\]()]+)[\])]\s*")


@dataclass(frozen=True)
class Table:
    """Numbers (rows, columns), NaN where missing, and what a user should know about the rows."""

    values: Floats
    notes: list[str]


def parse_table(
    lines: Sequence[str],
    *,
    columns: Sequence[str],
    separator: str,
    first_line: int,
    missing: frozenset[str] = frozenset(),
    decimal: str = ".",
    line_ended: bool = True,
) -> Table:
    """Return the numbers of ``lines``.

    Blank cells beyond the last column and blank lines at the end are ignored. Empty cells, ``NaN`` and the like are
    missing (see :func:`grfkit.formats.rows.is_missing`).

    Parameters
    ----------
    columns, first_line
        Their names and the first row's line number in the file, for messages.
    separator
        One character.
    missing
        Further cells that stand for a missing value, e.g. ``"-"``.
    line_ended
        Whether the text ends with a line end. If not, its last number may be cut: a row whose last number has fewer
        decimals than all before is refused; where decimals vary anyway, or it has none, the row is left out, with a
        note.

    Raises
    ------
    BadInputError
        If there is no row, the last row is cut off, a row has too few or too many cells, or a cell is no number
        or beyond 1e30.
    """
    rows = data_rows(lines)
    form = _Form(tuple(columns), separator, missing, decimal)
    rows, notes = _without_cut_row(rows, form, first_line, line_ended)
    parts = [
        _chunk(rows[start : start + CHUNK_ROWS], form, first_line + start) for start in range(0, len(rows), CHUNK_ROWS)
    ]
    return Table(np.concatenate(parts), notes)


def decimal_sign(lines: Sequence[str], separator: str) -> str:
    """Return the decimal sign of the numbers in ``lines``: ``","`` or ``"."``.

    Raises
    ------
    BadInputError
        If both stand in them.
    """
    if separator == "," or not any("," in line for line in lines):
        return "."
    if any("." in line for line in lines):
        raise BadInputError("writes numbers with both ',' and '.'; export it with one decimal sign")
    return ","


def as_tabs(lines: Sequence[str], separator: str) -> list[str]:
    """Return lines in which another separator stands between the cells, with tabs; quotes around cells are taken off.

    A program that opened and saved a file of tabs leaves it so.
    """
    if not any('"' in line for line in lines):
        return [line.replace(separator, "\t") for line in lines]
    return ["\t".join(quoted_cells(line, separator)) for line in lines]


def ends_whole(rows: Sequence[str], separator: str | None, decimal: str = ".") -> bool:
    """Return whether the last of several rows without a line end behind it is whole, as far as can be seen.

    Its last number has the decimals that those of the rows before have; where theirs differ nothing can be seen.
    """
    if len(rows) < 2:
        return False
    decimals = [len(_last_cell(row, separator).partition(decimal)[2]) for row in rows[-1 - _LOOKED_BACK :]]
    return len(set(decimals)) == 1 and decimals[-1] > 0


def torn_row_note(rows: Sequence[str], separator: str | None, first_line: int, decimal: str = ".") -> str:
    """Return the note where the last row, without a line end, is to be left out: its last number may be torn; else "".

    That is so where its last number has fewer decimals than some row before it, or no decimals (where those before are
    not all the same), or is missing. A blank behind a number ends it, so does a separator where all rows end with one.

    Raises
    ------
    BadInputError
        If it has fewer decimals than all rows before it.
    """
    if len(rows) < 2 or rows[-1][-1:].isspace():
        return ""
    last = [_last_cell(row, separator) for row in rows[-1 - _LOOKED_BACK :]]
    if not any(last):
        return ""
    *before, here = [len(cell.partition(decimal)[2]) for cell in last]
    line = first_line + len(rows) - 1
    if last[-1] and here < min(before):
        raise BadInputError(f"is cut off inside its last row (line {line}); export it again")
    # a row that ends in a number where no other does has lost the separator behind it, or more
    whole_number = not here and len(set(last)) > 1
    if here < max(before) or whole_number or not any(last[:-1]):
        return f"the last row (line {line}) has no line end and its last number may be cut off; it is left out"
    return ""


def without_torn_row(
    table: Floats, text: str, rows: Sequence[str], separator: str | None, first_line: int, decimal: str = "."
) -> tuple[Floats, list[str]]:
    """Return the numbers read from ``rows`` without the last one where it may be torn (:func:`torn_row_note`); notes.

    Parameters
    ----------
    text
        The whole file: a line end at its end ends the last row.

    Raises
    ------
    BadInputError
        As :func:`torn_row_note`.
    """
    if text.endswith(("\n", "\r")) or not (torn := torn_row_note(rows, separator, first_line, decimal)):
        return table, []
    return table[:-1], [torn]


def _last_cell(row: str, separator: str | None) -> str:
    return row.rstrip().rpartition(separator or " ")[2]


def refuse_split_decimals(lines: Sequence[str], separator: str, width: int, first_line: int) -> None:
    """Refuse decimal commas between commas: ``0,01,512,4`` is 0.01 and 512.4, or four numbers.

    Raises
    ------
    BadInputError
        If each of the first rows has more cells than the header, all of them whole numbers or missing.
    """
    some = [line.rstrip(",; \t\r") for line in lines[:_ROWS_LOOKED_AT] if line.strip()]
    if separator != "," or not some or not all(_WHOLE_NUMBERS.fullmatch(line) for line in some):
        return
    if all(line.count(",") + 1 > width for line in some):
        raise BadInputError(
            f"line {first_line} has {some[0].count(',') + 1} whole numbers below {width} names: they seem to have"
            " decimal commas, which cannot be told from the commas between them; export it with ';' between the"
            " columns or with decimal points (or name every column)"
        )


def separator_of(line: str) -> str:
    """Return the separator of a header line: tab before semicolon before comma."""
    return next((s for s in ("\t", ";") if s in line), ",")


def name_and_unit(cell: str) -> tuple[str, str]:
    """Return name and unit of a header cell such as ``Force[N]``; the unit is "" where there is none."""
    match = _BRACKET.fullmatch(cell)
    if match:
        return match["name"], match["unit"].strip()
    return cell.strip(), ""


def checked_unit(unit: str, expected: Sequence[str], *, what: str) -> str:
    """Return the unit's own name, if it is of one of the quantities ``expected`` (canonical units).

    Raises
    ------
    BadInputError
        If it is unknown or of another quantity.
    """
    quantity = parse_unit(unit).canonical
    if quantity not in expected:
        raise BadInputError(f"{what} is stated in '{unit}', expected a unit like {' or '.join(expected)}")
    return canonical_name(unit)


@dataclass(frozen=True)
class _Form:
    columns: tuple[str, ...]
    separator: str
    missing: frozenset[str]
    decimal: str


def _without_cut_row(rows: list[str], form: _Form, first_line: int, line_ended: bool) -> tuple[list[str], list[str]]:
    number = first_line + len(rows) - 1
    cut = f"is cut off inside its last row (line {number}); export it again"
    try:
        _slow(rows[-1:], form, number)
    except BadInputError as error:
        if len(rows) == 1 or _width(rows[-1], form) > _width(rows[-2], form):
            raise
        raise BadInputError(cut) from error
    if line_ended or len(rows) == 1:
        return rows, []
    if _width(rows[-1], form) < _width(rows[-2], form):
        raise BadInputError(cut)
    torn = torn_row_note(rows, form.separator, first_line, form.decimal)
    return (rows[:-1], [torn]) if torn else (rows, [])


def _width(row: str, form: _Form) -> int:
    return len(row.split(form.separator))


def _chunk(rows: list[str], form: _Form, first_line: int) -> Floats:
    values = _fast(rows, form)
    if values is None:
        _check_blank_ends(rows, form, first_line)
        return _slow(rows, form, first_line)
    return values


def _check_blank_ends(rows: list[str], form: _Form, first_line: int) -> None:
    """Refuse a row whose blank cells at its end hide that it is shorter or longer than others: its values have slid.

    Where rows end in blank cells beyond the columns, one without them ends in a value; where they do not, one has none.
    """
    counts = [_width(row, form) for row in rows]
    usual, width = max(set(counts), key=counts.count), len(form.columns)
    if usual < width:
        return
    for line, (row, count) in enumerate(zip(rows, counts), first_line):
        ends_blank = not row.rpartition(form.separator)[2].strip()
        longer = count > usual == width and ends_blank
        if longer or width < count < usual or (count == width < usual and ends_blank):
            raise BadInputError(
                f"line {line} has {count} cells, most rows have {usual}; the file is cut off or damaged there"
            )


def _slow(rows: list[str], form: _Form, first_line: int) -> Floats:
    width = len(form.columns)
    cells = [
        ["" if cell.strip() in form.missing else cell for cell in _cells(row, form, width, first_line + i)]
        for i, row in enumerate(rows)
    ]
    return numbers(cells, columns=form.columns, first_line=first_line, decimal=form.decimal)


def _cells(row: str, form: _Form, width: int, line: int) -> list[str]:
    if not row.strip():
        raise BadInputError(f"line {line} is blank in the middle of the data; the file is damaged there")
    cells = row.split(form.separator)
    while len(cells) > width and (is_missing(cells[-1]) or cells[-1].strip() in form.missing):
        cells.pop()
    return row_cells(form.separator.join(cells), form.separator, width, line)


def _fast(rows: list[str], form: _Form) -> Floats | None:
    """Return the numbers where every row has as many cells and every cell is plain or missing, else None."""
    counts = {row.count(form.separator) for row in rows}
    width = len(form.columns)
    if len(counts) != 1 or (cell_count := counts.pop() + 1) < width:
        return None
    body = _plain_bytes(rows, form)
    if body is None:
        return None
    with warnings.catch_warnings():
        # fromstring stops at what is no number and only warns of it
        warnings.simplefilter("error", DeprecationWarning)
        try:
            flat = np.fromstring(body, dtype=np.float64, sep=" ")
        except (DeprecationWarning, ValueError):
            return None
    if flat.size != len(rows) * cell_count:
        return None
    table = flat.reshape(len(rows), cell_count)
    with np.errstate(invalid="ignore"):
        if not np.isnan(table[:, width:]).all() or (np.abs(table) > LARGEST).any():
            return None
    return np.ascontiguousarray(table[:, :width])


def _plain_bytes(rows: list[str], form: _Form) -> str | None:
    """Return rows as blank-separated numbers with ``nan`` for missing cells; None if they hold any other character."""
    text = "\n" + "\n".join(rows) + "\n"
    if not text.isascii():
        return None
    body = text.encode("ascii")
    # every separator becomes a tab, so that blanks inside a cell stand out from blanks between cells
    if form.separator != "\t":
        if b"\t" in body:
            return None
        body = body.replace(form.separator.encode("ascii"), b"\t")
    for token in form.missing:
        body = _replaced(body, token.encode("ascii", "replace"), b"")
    if form.decimal != ".":
        body = body.replace(form.decimal.encode("ascii"), b".")
    if b" " in body:
        if _TWO_IN_ONE_CELL.search(body):
            return None
        body = body.replace(b" ", b"")
    if body.translate(None, b"0123456789+-.eE\t\n"):
        return None
    return _replaced(body, b"", b"nan").decode("ascii")


def _replaced(body: bytes, token: bytes, by: bytes) -> bytes:
    """Return ``body`` with every cell that is ``token`` replaced; rows start and end with a line end."""
    for before, after in ((b"\t", b"\t"), (b"\n", b"\t"), (b"\t", b"\n")):
        for _ in range(2):  # neighbours overlap: the second pass takes every other one
            body = body.replace(before + token + after, before + by + after)
    return body


def matrix_rows(
    rows: Sequence[str],
    numbers_of_lines: Sequence[int],
    *,
    width: int,
    separator: str = ",",
    missing: frozenset[str] = frozenset(),
    decimal: str = ".",
) -> Floats:
    """Return rows of numbers that do not stand in one stretch of the file, shape (rows, width).

    Parameters
    ----------
    numbers_of_lines
        Each row's line number, for messages.

    Raises
    ------
    BadInputError
        If there is no row, a row has not ``width`` cells, or a cell is no number or beyond 1e30.
    """
    form = _Form(tuple(f"column {i + 1}" for i in range(width)), separator, missing, decimal)
    parts = []
    for start in range(0, len(rows), CHUNK_ROWS):
        part = list(rows[start : start + CHUNK_ROWS])
        values = _fast(part, form)
        if values is None:
            lines = numbers_of_lines[start : start + CHUNK_ROWS]
            values = np.concatenate([_slow([row], form, line) for row, line in zip(part, lines)])
        parts.append(values)
    if not parts:
        raise BadInputError("holds a header but no data")
    return np.concatenate(parts)
