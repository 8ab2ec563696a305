"""MATLAB files of version 5 to 7, by the bytes: SciPy ends the whole process on some damaged ones.

The layout is that of MathWorks' "MAT-File Format" (R2024a, "Level 5 MAT-File Format"): a header of 128 bytes, then
data elements of a tag (type, bytes) and content; arrays hold flags, dimensions, a name and their parts, each a data
element again; whole variables may be packed with zlib. Every length is checked against what is there.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError

HEADER_BYTES = 128
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT = 1, 2
# Classes of arrays of numbers: double, single and the whole numbers
_NUMBERS = frozenset(range(6, 16))
_COMPLEX = 0x08
# Bytes that a file may unpack to, structures gone into, and elements of a structure array; chosen by hand
_LARGEST_BYTES, _DEEPEST, _MOST_ELEMENTS = 1 << 31, 8, 20_000


@dataclass
class _Budget:
    """How many bytes may still be unpacked."""

    left: int = _LARGEST_BYTES


@dataclass(frozen=True)
class _Element:
    """A data element: its type and content."""

    kind: int
    content: memoryview


def read_version_5(data: bytes) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Return the real arrays of one or two dimensions in a file, under their names in MATLAB.

    Raises
    ------
    BadInputError
        If a data element is cut off or contradicts itself.
    """
    if len(data) < HEADER_BYTES or data[126:128] not in (b"IM", b"MI"):
        raise BadInputError("is a damaged MATLAB file: its header names no order of bytes")
    order = "<" if data[126:128] == b"IM" else ">"
    budget = _Budget()
    for element in _elements(memoryview(data)[HEADER_BYTES:], order):
        yield from _variable(element, order, budget)


def _variable(element: _Element, order: str, budget: _Budget) -> Iterator[tuple[str, NDArray[np.float64]]]:
    if element.kind == _COMPRESSED:
        for inner in _elements(memoryview(_unpacked(element.content, budget)), order):
            if inner.kind == _MATRIX:
                yield from _array(inner.content, order, "", 0)
    elif element.kind == _MATRIX:
        yield from _array(element.content, order, "", 0)


def _unpacked(content: memoryview, budget: _Budget) -> bytes:
    packed = zlib.decompressobj()
    try:
        data = packed.decompress(content, budget.left)
    except zlib.error as error:
        raise BadInputError(f"is a damaged MATLAB file: a packed variable cannot be unpacked ({error})") from error
    if packed.unconsumed_tail:
        raise BadInputError(f"unpacks to more than {_LARGEST_BYTES / 1e9:.1f} GB; save the arrays that matter alone")
    if not packed.eof:
        raise BadInputError("is a damaged MATLAB file: a packed variable is cut off")
    budget.left -= len(data)
    return data


def _elements(content: memoryview, order: str) -> Iterator[_Element]:
    """Return the data elements that follow each other."""
    at = 0
    while at < len(content):
        if len(content) - at < 8:
            if not any(content[at:]):
                return
            raise BadInputError("is a damaged MATLAB file: it ends inside a tag")
        first, second = struct.unpack_from(f"{order}II", content, at)
        if first >> 16:
            # small: type and length in one word, up to four bytes behind it
            kind, size, begin, after = first & 0xFFFF, first >> 16, at + 4, at + 8
            if size > 4:
                raise BadInputError(f"is a damaged MATLAB file: a small data element states {size} bytes")
        else:
            kind, size, begin = first, second, at + 8
            # packed variables are not filled up to eight bytes
            after = begin + (size if kind == _COMPRESSED else -(-size // 8) * 8)
        if begin + size > len(content):
            raise BadInputError("is a damaged MATLAB file, or cut off: a data element is longer than what is left")
        yield _Element(kind, content[begin : begin + size])
        at = after


def _array(content: memoryview, order: str, name: str, depth: int) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Return the arrays of numbers in an array: itself, or those of its fields or cells."""
    if depth > _DEEPEST or not len(content):
        return
    parts = list(_elements(content, order))
    if len(parts) < 3 or parts[0].kind != 6 or len(parts[0].content) < 8 or parts[1].kind != 5:
        # objects, tables and handles have another layout: they are passed over
        return
    flags = struct.unpack_from(f"{order}I", parts[0].content)[0]
    sizes = [int(n) for n in np.frombuffer(parts[1].content, f"{order}i4")] if len(parts[1].content) % 4 == 0 else []
    own = name or bytes(parts[2].content).decode("ascii", errors="replace")
    if len(sizes) < 2 or min(sizes) < 0 or not own:
        raise BadInputError(f"is a damaged MATLAB file: array '{own}' states no size")
    count = int(np.prod([float(n) for n in sizes]))
    kind = flags & 0xFF
    if kind in _NUMBERS and not (flags >> 8) & _COMPLEX:
        if len(sizes) == 2 and count and len(parts) > 3:
            yield own, _numbers(parts[3], order, sizes, own)
    elif kind == _CELL:
        for number, cell in enumerate(_inner(parts[3:], count, own), 1):
            yield from _array(cell.content, order, f"{own}{{{number}}}", depth + 1)
    elif kind == _STRUCT:
        yield from _fields(parts, order, own, count, depth)


def _inner(parts: list[_Element], count: int, name: str) -> list[_Element]:
    if len(parts) != count or count > _MOST_ELEMENTS:
        raise BadInputError(f"is a damaged MATLAB file: '{name}' states {count} elements and holds {len(parts)}")
    return [part if part.kind == _MATRIX else _Element(_MATRIX, part.content[:0]) for part in parts]


def _fields(
    parts: list[_Element], order: str, name: str, count: int, depth: int
) -> Iterator[tuple[str, NDArray[np.float64]]]:
    if len(parts) < 5 or len(parts[3].content) < 4:
        raise BadInputError(f"is a damaged MATLAB file: structure '{name}' names no fields")
    length = struct.unpack_from(f"{order}i", parts[3].content)[0]
    text = bytes(parts[4].content)
    if not 0 < length <= 4096 or len(text) % length:
        raise BadInputError(
            f"is a damaged MATLAB file: structure '{name}' names its fields in no whole number of bytes"
        )
    names = [
        text[i : i + length].split(b"\0")[0].decode("ascii", errors="replace") for i in range(0, len(text), length)
    ]
    inner = _inner(parts[5:], count * len(names), name)
    for index, part in enumerate(inner):
        element, field = divmod(index, len(names))
        stem = f"{name}({element + 1})" if count > 1 else name
        yield from _array(part.content, order, f"{stem}.{names[field]}", depth + 1)


def _numbers(part: _Element, order: str, sizes: list[int], name: str) -> NDArray[np.float64]:
    dtype = _TYPES.get(part.kind)
    count = sizes[0] * sizes[1]
    if dtype is None or len(part.content) != count * np.dtype(dtype).itemsize:
        raise BadInputError(
            f"is a damaged MATLAB file: array '{name}' of {sizes[0]} x {sizes[1]} has {len(part.content)} bytes"
        )
    values = np.frombuffer(part.content, f"{order}{dtype}").astype(np.float64)
    return np.asarray(values.reshape(sizes, order="F"))
