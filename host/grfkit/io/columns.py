"""Column maps: a TOML document that names the columns of a CSV file.

.. code-block:: toml

    time = "Zeit (ms)"        # the column with the time stamps ...
    time_unit = "ms"          # ... and its unit: s, ms, us or min
    # rate_hz = 100           # instead of both, where the file has no time column
    # side = "left"           # foot of every name without left_ or right_
    # header_rows = 2         # rows of names, joined with ": "; a blank cell inherits what stands left of it
    # units_row = true        # a row of units below them
    # skip_lines = 5          # lines above them
    # sheet = "Trial 3"       # of a workbook

    [columns]                 # column of the file = "house name [unit]"
    "Kraft L" = "left_force [N]"
    "ACC1" = "left_acc_x [g]"

    [files."*_Gyro.trc"]      # in place of [columns], of the files so named
    "toes_l" = "left_gyro [rad/s]"
"""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from .. import units
from ..arguments import refusal
from ..arrays import PathLike
from ..documents import toml_document
from ..errors import BadInputError
from ..formats.csv_generic import parse_column
from ..formats.header_rows import MOST_HEADER_ROWS, HeaderLayout
from .base import ReadOptions


class ColumnMap(BaseModel):
    """Which column of a CSV file is what; unknown keys are refused.

    Attributes
    ----------
    time, time_unit
        The column with the time stamps and its unit; both or none.
    rate_hz
        Sampling rate of a file without time column.
    side
        Foot of the names that state none.
    header_rows, units_row, skip_lines
        Rows of names, whether a row of units follows, and lines above them.
    sheet
        Of a workbook: the sheet that holds the table.
    columns
        Column of the file -> ``"name [unit]"``.
    files
        The same in place of ``columns``, by a pattern of file names (``*`` and ``?``; capitals do not matter).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    time: str | None = None
    time_unit: str | None = None
    rate_hz: float | None = Field(default=None, gt=0)
    side: Literal["left", "right"] | None = None
    header_rows: int = Field(default=1, ge=1, le=MOST_HEADER_ROWS)
    units_row: bool = False
    skip_lines: int = Field(default=0, ge=0, le=10_000)
    sheet: str | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    files: dict[str, dict[str, str]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> ColumnMap:
        if (self.time is None) != (self.time_unit is None):
            raise ValueError("'time' and 'time_unit' belong together: state both or none")
        if self.time is not None and self.rate_hz is not None:
            raise ValueError("states both a time column and 'rate_hz'; keep one")
        if self.time is not None and self.time in self.columns:
            raise ValueError(f"names column '{self.time}' twice")
        if self.time_unit is not None and units.parse_unit(self.time_unit).canonical != "s":
            raise ValueError(f"'time_unit' is '{self.time_unit}', expected s, ms, us or min")
        for columns in (self.columns, *self.files.values()):
            column_of: dict[str, str] = {} if self.time is None else {"time": self.time}
            for raw, text in columns.items():
                name = parse_column(text).name
                if name in column_of:
                    raise ValueError(f"names both '{column_of[name]}' and '{raw}' as '{name}'")
                column_of[name] = raw
        return self

    def options(self, base: ReadOptions | None = None, *, file: PathLike = "") -> ReadOptions:
        """Return read options with this map in them, for a file; a rate or side already in ``base`` stays.

        Raises
        ------
        BadInputError
            If two patterns of ``files`` match the file.
        """
        base = base or ReadOptions()
        columns = dict(self._columns_of(Path(file).name))
        if self.time is not None:
            columns[self.time] = f"time [{self.time_unit}]"
        extra = dict(base.extra)
        if self.side is not None:
            extra.setdefault("side", self.side)
        if self.sheet is not None:
            extra["sheet"] = self.sheet
        layout = HeaderLayout(self.skip_lines, self.header_rows, self.units_row)
        return replace(base, column_map=columns, layout=layout, rate_hz=base.rate_hz or self.rate_hz, extra=extra)

    def _columns_of(self, file: str) -> dict[str, str]:
        matching = [pattern for pattern in self.files if fnmatchcase(file.lower(), pattern.lower())]
        if len(matching) > 1:
            raise BadInputError(f"the column map has two patterns for {file}: '{matching[0]}' and '{matching[1]}'")
        return self.files[matching[0]] if matching else self.columns


def load_column_map(path: PathLike) -> ColumnMap:
    """Return the column map in a TOML file.

    Raises
    ------
    BadInputError
        If the file is no regular one or cannot be read, is no TOML, or says what :class:`ColumnMap` does not know.
    """
    document = toml_document(Path(path))
    try:
        return ColumnMap.model_validate(document)
    except ValidationError as error:
        raise BadInputError(f"{path}: {refusal(error, ColumnMap)}") from error
    except BadInputError as error:
        raise BadInputError(f"{path}: is no column map ({error})") from error
