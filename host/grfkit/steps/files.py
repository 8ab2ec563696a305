"""The table of steps as CSV, Parquet or JSON."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from ..artefacts import check_file, written_whole
from ..errors import BadInputError
from ..formats.parquet import ParquetColumn, write_parquet
from .columns import COLUMNS, NAMES
from .table import Cell, StepTable

SUFFIXES = (".csv", ".parquet", ".json")


def check_out(out: Path, *, force: bool = False) -> Path:
    """Return a path whose ending says what is written; refuse one that cannot be, before the work.

    Raises
    ------
    BadInputError
        If the ending is none of ``.csv``, ``.parquet``, ``.json``, the file exists and ``force`` is false, or what
        writes Parquet is not installed.
    """
    if out.suffix.lower() not in SUFFIXES:
        ending = f"ends in '{out.suffix}'" if out.suffix else "has no ending"
        raise BadInputError(f"{out}: {ending}, expected one of {', '.join(SUFFIXES)}, which decides what is written")
    if out.suffix.lower() == ".parquet":
        from ..formats.parquet import need_parquet

        need_parquet()
    check_file(out, force=force)
    return out


def write_table(table: StepTable, out: Path, *, force: bool = False) -> None:
    """Write a table as its file's ending says, whole or not at all.

    Raises
    ------
    BadInputError
        As :func:`check_out`.
    """
    check_out(out, force=force)
    kind = out.suffix.lower()
    with written_whole(out, force=force) as temporary:
        if kind == ".parquet":
            columns = [ParquetColumn(c.name, c.kind, [row[c.name] for row in table.rows], c.meaning) for c in COLUMNS]
            write_parquet(temporary, columns)
        else:
            text = csv_text(table) if kind == ".csv" else json_text(table)
            temporary.write_text(text, encoding="utf-8", newline="")


def json_text(table: StepTable) -> str:
    """Return the table as JSON; unknown is null."""
    return json.dumps(table.to_json(), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def csv_text(table: StepTable) -> str:
    """Return the table as CSV: commas, a row of names, nine digits; unknown is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(NAMES)
    writer.writerows([_cell(row[name]) for name in NAMES] for row in table.rows)
    return text.getvalue()


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    return f"{value:.9g}" if isinstance(value, float) else str(value)
