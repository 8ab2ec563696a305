"""Fixed layouts of bytes: values into them and out, each refusal naming what does not fit."""

from __future__ import annotations

import struct

from ..errors import BadInputError


def pack(what: str, layout: struct.Struct, *values: int) -> bytes:
    """Return the bytes of values; BadInputError if one does not fit its field."""
    try:
        return layout.pack(*values)
    except struct.error as error:
        raise BadInputError(f"{what} of {values} does not fit its {layout.size} bytes: {error}") from error


def unpack(what: str, layout: struct.Struct, content: bytes) -> tuple[int, ...]:
    """Return the values of bytes; BadInputError if there are more or fewer than the layout has."""
    if len(content) != layout.size:
        raise BadInputError(f"{what} has {len(content)} bytes, expected {layout.size}")
    return layout.unpack(content)
