"""Arrays of MATLAB files: version 5 to 7 by their bytes, 7.3 (HDF5) through h5py, under the names MATLAB gives them.

Structures are gone into: ``trial.left.force``, ``trial(2).force`` of a structure array, ``trials{3}`` of a cell array.
Tables, timetables and other objects are not stored as arrays and cannot be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import BadInputError
from .matlab5 import read_version_5
from .rows import LARGEST

MAGIC_5, MAGIC_73 = b"MATLAB 5.0 MAT-file", b"MATLAB 7.3 MAT-file"
# Bytes of a file read at most (1 GiB) and structures gone into, chosen by hand: what is deeper is no recording
_LARGEST_BYTES, _DEEPEST, _MOST_ARRAYS = 1 << 30, 8, 20_000
_PART = re.compile(r"(?P<name>.+)\((?P<row>:|\d{1,6}),(?P<column>:|\d{1,6})\)")


def matlab_arrays(path: Path) -> dict[str, NDArray[np.float64]]:
    """Return the real arrays of one or two dimensions in a file, name -> shape (rows, columns).

    Raises
    ------
    BadInputError
        If the file is no MATLAB file, damaged or too large, or holds no such array.
    """
    with open(path, "rb") as handle:
        magic = handle.read(len(MAGIC_5))
    if path.stat().st_size > _LARGEST_BYTES:
        raise BadInputError(f"is larger than {_LARGEST_BYTES / 1e9:.1f} GB; save the arrays that matter alone")
    if magic not in (MAGIC_5, MAGIC_73):
        raise BadInputError(f"starts neither with '{MAGIC_5.decode()}' nor with '{MAGIC_73.decode()}'")
    try:
        found = dict(_limited(_version_73(path) if magic == MAGIC_73 else read_version_5(path.read_bytes())))
    except (BadInputError, MemoryError):
        raise
    except Exception as error:  # h5py raises whatever a damaged file leads it to
        what = f"{type(error).__name__}: {error}".splitlines()[0][:160]
        raise BadInputError(f"is a damaged MATLAB file, or one that h5py does not know ({what})") from error
    if not found:
        raise BadInputError(
            "holds no array of numbers (tables and other objects are none; convert them by table2struct or table2array)"
        )
    return found


def column_of(arrays: dict[str, NDArray[np.float64]], name: str) -> Floats:
    """Return one vector by its name in MATLAB: ``force`` of a vector, ``force(:,3)`` or ``force(3,:)`` of a matrix.

    Raises
    ------
    BadInputError
        If there is no such array, row or column, or a matrix is named without one of them; with what there is.
    """
    part = _PART.fullmatch(name)
    whole = part["name"] if part else name
    if whole not in arrays:
        raise BadInputError(f"the column map names '{name}', but the file's arrays are {summary(arrays)}")
    array = arrays[whole]
    if part is None:
        if 1 not in array.shape:
            rows, columns = array.shape
            raise BadInputError(
                f"'{name}' has {rows} rows and {columns} columns; name one of them in the column map, e.g."
                f" '{name}(:,1)' or '{name}(1,:)'"
            )
        return np.asarray(array.ravel())
    if (part["row"] == ":") == (part["column"] == ":"):
        raise BadInputError(f"'{name}' names no single row or column; write '{whole}(:,1)' or '{whole}(1,:)'")
    axis = 1 if part["row"] == ":" else 0
    index = int(part["column"] if axis else part["row"]) - 1
    if not 0 <= index < array.shape[axis]:
        raise BadInputError(
            f"'{name}' is outside of '{whole}', which has {array.shape[0]} rows, {array.shape[1]} columns"
        )
    return np.asarray(array[:, index] if axis else array[index])


def checked(values: Floats, name: str) -> Floats:
    """Return values that may be measurements; refused are infinite ones and those beyond 1e30."""
    wild = np.flatnonzero(np.abs(np.nan_to_num(values, posinf=np.inf)) > LARGEST)
    if wild.size:
        raise BadInputError(f"'{name}' is {values[wild[0]]:g} in place {wild[0] + 1}; that is no measurement")
    return values


def summary(arrays: dict[str, NDArray[np.float64]]) -> str:
    """Return names and sizes of the first arrays, for messages."""
    some = [f"'{name}' ({a.shape[0]} x {a.shape[1]})" for name, a in list(arrays.items())[:10]]
    return ", ".join(some) + (", ..." if len(arrays) > len(some) else "")


def _limited(found: Iterator[tuple[str, NDArray[np.float64]]]) -> Iterator[tuple[str, NDArray[np.float64]]]:
    for number, item in enumerate(found):
        if number >= _MOST_ARRAYS:
            raise BadInputError(f"holds more than {_MOST_ARRAYS} arrays; save those that matter alone")
        yield item


def _real(values: Any) -> NDArray[np.float64] | None:
    """Return an array of numbers as a matrix, None of anything else."""
    array = np.asarray(values)
    if array.dtype.kind not in "iuf" or array.ndim > 2 or not array.size:
        return None
    return np.atleast_2d(array.astype(np.float64))


def _version_73(path: Path) -> Iterator[tuple[str, NDArray[np.float64]]]:
    import h5py

    with h5py.File(path, "r") as file:
        for name, node in file.items():
            if not name.startswith("#"):
                yield from _node(file, name, node, 0)


def _node(file: Any, name: str, node: Any, depth: int) -> Iterator[tuple[str, NDArray[np.float64]]]:
    import h5py

    if depth > _DEEPEST:
        return
    kind = bytes(node.attrs.get("MATLAB_class", b"")).decode(errors="replace")
    if isinstance(node, h5py.Group):
        for field, inner in node.items():
            yield from _node(file, f"{name}.{field}", inner, depth + 1)
    elif node.dtype == h5py.ref_dtype:
        # a cell array, or the fields of a structure array: the file's order is the reverse of MATLAB's
        references = np.asarray(node[()]).ravel()
        for number, reference in enumerate(references, 1):
            if reference:
                stem = f"{name}{{{number}}}" if kind == "cell" else f"{name}({number})"
                yield from _node(file, _of_structure(stem) if kind != "cell" else stem, file[reference], depth + 1)
    elif kind not in ("char", "function_handle") and not node.attrs.get("MATLAB_empty", 0):
        array = _real(node[()]) if node.dtype.kind in "iuf" and node.ndim <= 2 else None
        if array is not None:
            yield name, np.ascontiguousarray(array.T)


def _of_structure(name: str) -> str:
    """Return ``trial(2).force`` for ``trial.force(2)``, as MATLAB names an element of a structure array."""
    match = re.fullmatch(r"(.+)\.([^.]+)(\(\d+\))", name)
    return f"{match[1]}{match[3]}.{match[2]}" if match else name
