"""Parquet files through pyarrow, which comes with the extra ``parquet``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from ..errors import BadInputError
from ..extras import without_extra


@dataclass(frozen=True)
class ParquetColumn:
    """One column: name, kind, values (None is null), and what it holds, kept in the field's metadata."""

    name: str
    kind: Literal["text", "number", "count"]
    values: Sequence[Any] | NDArray[Any]
    meaning: str = ""


def need_parquet() -> Any:
    """Return pyarrow.

    Raises
    ------
    BadInputError
        If it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise without_extra("a .parquet file", error) or BadInputError(f"a .parquet file needs {error.name}") from error
    return pyarrow


def write_parquet(path: Path, columns: Sequence[ParquetColumn], metadata: dict[str, str] | None = None) -> None:
    """Write columns of one length; NaN and None become null.

    Raises
    ------
    BadInputError
        If pyarrow is not installed.
    """
    arrow = need_parquet()
    types = {"text": arrow.string(), "number": arrow.float64(), "count": arrow.int64()}
    fields = [arrow.field(c.name, types[c.kind], metadata={"meaning": c.meaning}) for c in columns]
    arrays = [arrow.array(c.values, type=f.type, from_pandas=True) for c, f in zip(columns, fields)]
    schema = arrow.schema(fields, metadata=metadata or None)
    arrow.parquet.write_table(arrow.Table.from_arrays(arrays, schema=schema), str(path))
