"""Text of a generic CSV file: one header row of ``name [unit]`` columns, then numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError


@dataclass(frozen=True)
class CsvColumn:
    """One column: name, unit as written in square brackets, values (NaN becomes an empty cell), decimals."""

    name: str
    unit: str
    values: NDArray[np.float64]
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
    text = [form % value for value in (column.values + 0.0).tolist()]
    for row in np.flatnonzero(np.isnan(column.values)):
        text[row] = ""
    return text
