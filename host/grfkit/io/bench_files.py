"""Files of a calibration bench: cells and load of one run, from tables whose columns a TOML file names.

::

    [cells]                      # the insole's logger
    variable = "experiment.C"    # of a MATLAB file; left out for text
    time_column = 2              # number from 1, or the name in a text file's first line; or rate_hz
    time_unit = "s"
    first_cell = 3               # the first of the cells, which stand side by side
    count = 280                  # of cells; all columns to the last where left out
    unit = "count"
    full_scale = [0, 255]        # least and largest value the logger can show; optional
    device = "left insole 12"    # optional

    [bench]                      # the chamber's or the scale's logger
    variable = "experiment.P"
    column = 1
    rate_hz = 48.7               # about: a rate up to 4 % off is found; or time_column
    unit = "bar"                 # a pressure, N, or kg
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..arguments import refusal
from ..arrays import Floats
from ..documents import document_bytes, toml_document
from ..errors import BadInputError
from ..units import G, is_unit, parse_unit, require

FEWEST_ROWS = 500
"""Rows of a table at the least: ten seconds at 50 Hz; less is no run."""
LARGEST_TABLE = 200_000_000
"""Values of a table at most: a 280-cell insole at 50 Hz for four hours."""
LEAST_KNOWN_SHARE = 0.5
"""Share of the bench's rows that must hold a load; chosen by hand."""
_DELIMITERS = ("\t", ";", ",")


class _Columns(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    variable: str = ""
    time_column: int | str | None = None
    time_unit: str = "s"
    rate_hz: float | None = Field(default=None, gt=0)
    unit: str

    @model_validator(mode="after")
    def _timed(self) -> _Columns:
        if (self.time_column is None) == (self.rate_hz is None):
            raise ValueError("give one of time_column and rate_hz")
        if not is_unit(self.time_unit, "s"):
            raise ValueError(f"time_unit '{self.time_unit}' is no unit of time")
        if self.unit == "unknown" or not is_unit(self.unit):
            raise ValueError(f"unit '{self.unit}' is not known; a calibration needs one")
        return self


class CellColumns(_Columns):
    """Where the cells' values stand; see the module's example."""

    first_cell: int | str
    count: int | None = Field(default=None, ge=1)
    full_scale: tuple[float, float] | None = None
    device: str = ""


class LoadColumns(_Columns):
    """Where the bench's load stands."""

    column: int | str

    @model_validator(mode="after")
    def _loads(self) -> LoadColumns:
        if parse_unit(self.unit).canonical not in ("Pa", "N", "kg"):
            raise ValueError(f"unit '{self.unit}' of the bench is no pressure, force or mass")
        return self


class BenchMap(BaseModel):
    """The TOML file: how to read both loggers."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    cells: CellColumns
    bench: LoadColumns


@dataclass(frozen=True)
class BenchFile:
    """What two loggers recorded of one run, each on its own clock.

    Attributes
    ----------
    cells
        Shape (samples, cells), in the logger's unit.
    load
        Shape (rows,): Pa, or N.
    """

    name: str
    cells_s: Floats
    cells: Floats
    load_s: Floats
    load: Floats


def bench_map(path: Path) -> BenchMap:
    """Return what a bench's TOML file says.

    Raises
    ------
    BadInputError
        If it cannot be read, or a key is unknown, missing or wrong.
    """
    try:
        return BenchMap.model_validate(toml_document(path))
    except ValidationError as error:
        raise BadInputError(f"{path}: {refusal(error, BenchMap)}") from error


def read_bench(cells: Path, load: Path, columns: BenchMap) -> BenchFile:
    """Return one run, of a file with both loggers' tables or of two.

    Raises
    ------
    BadInputError
        If a file, variable or column is not there, or times do not run on.
    """
    table, heads = _table(cells, columns.cells.variable)
    cells_s = _times(table, heads, columns.cells, cells)
    first = _column(columns.cells.first_cell, heads, table, cells)
    last = table.shape[1] if columns.cells.count is None else first + columns.cells.count
    if last > table.shape[1]:
        raise BadInputError(
            f"{cells}: has {table.shape[1] - first} columns from the first cell on, expected {last - first}"
        )
    of_bench, heads = _table(load, columns.bench.variable)
    load_s = _times(of_bench, heads, columns.bench, load)
    values = of_bench[:, _column(columns.bench.column, heads, of_bench, load)]
    unit = parse_unit(columns.bench.unit)
    require(columns.bench.unit, unit.canonical, what="bench")
    factor = unit.factor * (G if unit.canonical == "kg" else 1.0)
    known = np.isfinite(values)
    if known.mean() < LEAST_KNOWN_SHARE:
        raise BadInputError(f"{load}: its load is missing in {100 * (1 - known.mean()):.0f} % of the rows")
    load_s, values = load_s[known], values[known]
    name = cells.name if cells == load else f"{cells.name} with {load.name}"
    return BenchFile(name, cells_s, table[:, first:last], load_s, values * factor)


def _times(table: Floats, heads: tuple[str, ...], columns: _Columns, path: Path) -> Floats:
    if columns.time_column is None:
        assert columns.rate_hz is not None
        return np.arange(table.shape[0]) / columns.rate_hz
    time_s = table[:, _column(columns.time_column, heads, table, path)] * parse_unit(columns.time_unit).factor
    steps = np.diff(time_s)
    if not np.isfinite(time_s).all() or (steps <= 0).any():
        at = int(np.argmax(~(steps > 0))) + 2
        raise BadInputError(f"{path}: times of column {columns.time_column} do not run on (row {at})")
    return np.asarray(time_s - time_s[0], dtype=np.float64)


def _column(which: int | str, heads: tuple[str, ...], table: Floats, path: Path) -> int:
    if isinstance(which, str):
        if which not in heads:
            raise BadInputError(f"{path}: has no column '{which}'; it has {', '.join(heads) or 'no names'}")
        return heads.index(which)
    if not 1 <= which <= table.shape[1]:
        raise BadInputError(f"{path}: has no column {which}; it has 1 to {table.shape[1]}")
    return which - 1


def _table(path: Path, variable: str) -> tuple[Floats, tuple[str, ...]]:
    table, heads = _of_matlab(path, variable) if path.suffix.lower() == ".mat" else _of_text(path)
    if table.ndim != 2 or table.shape[0] < FEWEST_ROWS:
        raise BadInputError(f"{path}: its table has {table.shape[0]} rows, expected {FEWEST_ROWS} or more")
    if table.size > LARGEST_TABLE:
        raise BadInputError(f"{path}: its table has {table.size:,} values, more than any bench's run")
    return table, heads


def _of_matlab(path: Path, variable: str) -> tuple[Floats, tuple[str, ...]]:
    from io import BytesIO

    from scipy.io import loadmat

    if not variable:
        raise BadInputError(f"{path}: is a MATLAB file; the map names its variable ('variable = \"experiment.C\"')")
    root, *fields = variable.split(".")
    try:
        value: Any = loadmat(BytesIO(document_bytes(path)), variable_names=[root])[root]
        for name in fields:
            value = value[name][0, 0]
        table = np.asarray(value, dtype=np.float64)
    except NotImplementedError as error:
        raise BadInputError(f"{path}: is a MATLAB 7.3 file; save it with '-v7'") from error
    except BadInputError:
        raise
    # a damaged file makes scipy raise whatever its parser stumbles over
    except Exception as error:
        raise BadInputError(f"{path}: holds no table '{variable}' of numbers that can be read") from error
    return np.atleast_2d(table), ()


def _of_text(path: Path) -> tuple[Floats, tuple[str, ...]]:
    text = document_bytes(path).decode("utf-8-sig", errors="replace")
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise BadInputError(f"{path}: is empty")
    delimiter = max(_DELIMITERS, key=lines[-1].count)
    decimal = "," if delimiter != "," and "," in lines[-1] else "."
    heads: tuple[str, ...] = ()
    if not _is_numbers(lines[0].split(delimiter), decimal):
        heads, lines = tuple(h.strip().strip('"') for h in lines[0].split(delimiter)), lines[1:]
    width = len(lines[0].split(delimiter)) if lines else 0
    rows = []
    for number, line in enumerate(lines, start=2 if heads else 1):
        parts = line.split(delimiter)
        if len(parts) != width or not _is_numbers(parts, decimal):
            raise BadInputError(f"{path}: line {number} is not {width} numbers")
        rows.append([float(p.replace(decimal, ".")) if p.strip() else np.nan for p in parts])
    return np.asarray(rows, dtype=np.float64).reshape(len(rows), width), heads


def _is_numbers(parts: list[str], decimal: str) -> bool:
    try:
        for part in parts:
            if part.strip():
                float(part.replace(decimal, "."))
    except ValueError:
        return False
    return True
