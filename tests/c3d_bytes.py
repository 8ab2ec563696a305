"""Bytes of a C3D file (Intel, floats or integers), to test the reader with (not a test module)."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grfkit.arrays import Floats
from grfkit.errors import BadInputError
from grfkit.formats.c3d_params import BLOCK

Value = str | Sequence[str] | NDArray[Any]


def c3d_bytes(
    points: Floats,
    analog: NDArray[Any],
    *,
    point_rate_hz: float,
    analog_per_frame: int = 1,
    point_labels: Sequence[str] = (),
    analog_labels: Sequence[str] = (),
    analog_units: Sequence[str] = (),
    groups: Mapping[str, Mapping[str, Value]] | None = None,
    first_frame: int = 1,
    point_scale: float = -1.0,
) -> bytes:
    """Return a C3D file.

    Parameters
    ----------
    points
        Shape (frames, points, 3), mm unless ``groups`` says otherwise; NaN is written as residual -1.
    analog
        Shape (frames * analog_per_frame, channels), as stored: OFFSET and SCALE are only written beside them.
    groups
        Further parameters, group -> name -> value; they go before the usual ones of the same name. Arrays
        are written as 16-bit integers where their dtype is integer, as floats otherwise, first index fastest.
    point_scale
        Negative: floats. Positive: 16-bit integers, points divided by it.

    Raises
    ------
    BadInputError
        If shapes do not fit each other, or a parameter is too large for C3D.
    """
    frames = points.shape[0]
    if points.ndim != 3 or analog.ndim != 2 or analog.shape[0] != frames * analog_per_frame:
        raise BadInputError(
            f"points of shape {points.shape} and analog values of shape {analog.shape} do not fit"
            f" {analog_per_frame} samples per frame"
        )
    table = _usual(points, analog, point_rate_hz, analog_per_frame, point_scale)
    table["POINT"] |= {"LABELS": list(point_labels) or [f"M{i + 1}" for i in range(points.shape[1])]}
    table["ANALOG"] |= {"LABELS": list(analog_labels) or [f"CH{i + 1}" for i in range(analog.shape[1])]}
    table["ANALOG"] |= {"UNITS": list(analog_units) or ["V"] * analog.shape[1]}
    for group, values in (groups or {}).items():
        table[group] = {**table.get(group, {}), **values}
    blocks = -(-(len(_section(table, 0)) + 4) // BLOCK)
    section = struct.pack("<BBBB", 1, 0x50, blocks, 84) + _section(table, 2 + blocks)
    counts = (points.shape[1], analog.shape[1] * analog_per_frame, first_frame, first_frame + frames - 1)
    header = struct.pack("<BB4HH", 2, 0x50, *_capped(counts), 0)
    header += struct.pack("<fHHf", point_scale, 2 + blocks, analog_per_frame, point_rate_hz)
    data = _body(points, analog, point_scale)
    padded = header.ljust(BLOCK, b"\0") + section.ljust(blocks * BLOCK, b"\0") + data
    return padded + b"\0" * (-len(padded) % BLOCK)


def _capped(counts: Sequence[int]) -> list[int]:
    return [min(count, 65535) for count in counts]


def _usual(
    points: Floats, analog: NDArray[Any], rate: float, per_frame: int, scale: float
) -> dict[str, dict[str, Value]]:
    channels = analog.shape[1]
    short = np.int16
    return {
        "POINT": {
            "USED": np.asarray([points.shape[1]], short),
            "FRAMES": np.asarray([min(points.shape[0], 65535)], np.uint16).view(short),
            "SCALE": np.asarray([scale]),
            "RATE": np.asarray([rate]),
            "UNITS": ["mm"],
        },
        "ANALOG": {
            "USED": np.asarray([channels], short),
            "RATE": np.asarray([rate * per_frame]),
            "GEN_SCALE": np.asarray([1.0]),
            "SCALE": np.ones(channels),
            "OFFSET": np.zeros(channels, short),
        },
    }


def _section(table: Mapping[str, Mapping[str, Value]], data_block: int) -> bytes:
    written = b""
    for number, (group, values) in enumerate(table.items(), start=1):
        named = {**values, "DATA_START": np.asarray([data_block], np.int16)} if group == "POINT" else values
        written += struct.pack("<bb", len(group), -number) + group.encode() + struct.pack("<HB", 3, 0)
        for name, value in named.items():
            body = _value(name, value)
            written += struct.pack("<bb", len(name), number) + name.encode()
            written += struct.pack("<H", len(body) + 2) + body
    return written + b"\0\0"


def _value(name: str, value: Value) -> bytes:
    if isinstance(value, str):
        value = [value]
    if isinstance(value, np.ndarray):
        kind, shape = (2, value.shape) if value.dtype.kind in "iu" else (4, value.shape)
        stored = value.astype("<i2" if kind == 2 else "<f4").tobytes(order="F")
    else:
        texts = [text.encode("utf-8") for text in value]
        width = max((len(text) for text in texts), default=1)
        kind, shape = -1, (width, len(texts))
        stored = b"".join(text.ljust(width) for text in texts)
    if max(shape, default=0) > 255:
        raise BadInputError(f"parameter '{name}' has shape {shape}; C3D holds 255 per dimension, use {name}2")
    return struct.pack(f"<bB{len(shape)}B", kind, len(shape), *shape) + stored + b"\0"


def _body(points: Floats, analog: NDArray[Any], scale: float) -> bytes:
    frames = points.shape[0]
    missing = np.asarray(np.isnan(points).any(axis=2))
    quads = np.zeros((frames, points.shape[1], 4))
    quads[:, :, :3] = np.where(missing[:, :, None], 0.0, points) / (1.0 if scale < 0 else scale)
    quads[:, :, 3] = np.where(missing, -1.0, 0.0)
    table = np.concatenate([quads.reshape(frames, -1), analog.reshape(frames, -1)], axis=1)
    if scale < 0:
        return bytes(table.astype("<f4").tobytes())
    return bytes(np.rint(table).astype(np.int64).astype("<i2").tobytes())
