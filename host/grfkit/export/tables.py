"""CSV and Parquet: one table on one time base, or a folder with a table for each stream."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..arrays import Floats
from ..formats.parquet import ParquetColumn, write_parquet
from .one_clock import wide
from .source import ExportColumn, ExportSource

ABOUT = "about.json"
_TIME_DIGITS, _DIGITS = 12, 9


def wide_table(path: Path, source: ExportSource, *, kind: str, rate_hz: float | None = None) -> list[str]:
    """Write one table of all streams, and return what was noticed.

    Raises
    ------
    BadInputError
        If the rate cannot be, or there is no signal.
    """
    notes: list[str] = []
    time, columns = wide(source, rate_hz, notes)
    _write(path, kind, time, columns, source.about(notes))
    return notes


def tables_folder(folder: Path, source: ExportSource, *, kind: str) -> list[str]:
    """Write a table for each stream with its own samples, one of the contacts, and ``about.json``."""
    for stream in source.streams:
        _write(folder / f"{stream.file_name}.{kind}", kind, stream.time_s, stream.columns, stream.about())
    (folder / ABOUT).write_text(json_text(source.about()), encoding="utf-8")
    return []


def json_text(about: dict[str, object]) -> str:
    """Return what stands beside exported tables as JSON."""
    return json.dumps(about, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _write(path: Path, kind: str, time: Floats, columns: Sequence[ExportColumn], about: dict[str, object]) -> None:
    if kind == "parquet":
        table = [ParquetColumn("time", "number", time, "unit: s")]
        table += [ParquetColumn(c.name, "number", c.values, f"unit: {c.unit}; frame: {c.frame}") for c in columns]
        write_parquet(path, table, {"grfkit": json.dumps(about, ensure_ascii=False, allow_nan=False)})
        return
    path.write_text(csv_text(time, columns), encoding="utf-8", newline="")


def csv_text(time: Floats, columns: Sequence[ExportColumn]) -> str:
    """Return a table with a row of ``name [unit]``; unknown is an empty cell, numbers have nine digits."""
    head = ",".join(["time [s]", *(f"{c.name} [{c.unit or '1'}]" for c in columns)])
    cells = [_cells(time, _TIME_DIGITS), *(_cells(c.values, _DIGITS) for c in columns)]
    return head + "\n" + "".join(",".join(row) + "\n" for row in zip(*cells))


def _cells(values: Floats, digits: int) -> list[str]:
    form = f"%.{digits}g"
    # adding 0.0 makes 0.0 of -0.0
    text = [form % value for value in (values + 0.0).tolist()]
    for row in np.flatnonzero(~np.isfinite(values)):
        text[row] = ""
    return text
