"""A writer of XDF files for tests, after the format's specification."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

_TYPES = {"double64": "<f8", "float32": "<f4", "int16": "<i2", "int32": "<i4", "int64": "<i8", "int8": "<i1"}


def chunk(tag: int, content: bytes) -> bytes:
    """Return a chunk with its length in four bytes."""
    return b"\x04" + struct.pack("<I", len(content) + 2) + struct.pack("<H", tag) + content


def stream_xml(name: str, kind: str, channels: list[tuple[str, str]], rate: float, fmt: str) -> bytes:
    """Return the XML of a stream's header."""
    described = "".join(f"<channel><label>{a}</label><unit>{b}</unit></channel>" for a, b in channels)
    return (
        f"<?xml version='1.0'?><info><name>{name}</name><type>{kind}</type>"
        f"<channel_count>{len(channels)}</channel_count><nominal_srate>{rate}</nominal_srate>"
        f"<channel_format>{fmt}</channel_format><created_at>1</created_at>"
        f"<desc><channels>{described}</channels></desc></info>"
    ).encode()


def samples(rows: list[tuple[float, list[float] | str]]) -> bytes:
    """Return the content of a chunk of samples, a stamp each, after its stream's number."""
    out = b"\x04" + struct.pack("<I", len(rows))
    for stamp, values in rows:
        out += b"\x08" + struct.pack("<d", stamp)
        if isinstance(values, str):
            out += b"\x01" + bytes([len(values.encode())]) + values.encode()
        else:
            out += struct.pack(f"<{len(values)}d", *values)
    return out


def xdf_bytes() -> bytes:
    """Return a file of an insole at 100 Hz, an IMU on another clock, events, and an empty stream."""
    out = b"XDF:" + chunk(1, b"<?xml version='1.0'?><info><version>1.0</version></info>")
    heads = [
        (
            1,
            stream_xml(
                "Sole L",
                "Force",
                [("left_force", "kN"), ("left_cell_01", "adc"), ("odd", "")],
                100,
                "double64",
            ),
        ),
        (2, stream_xml("Shank", "IMU", [("acc_x", "g"), ("acc_y", "cubits")], 50, "double64")),
        (3, stream_xml("Marks", "Markers", [("m", "")], 0, "string")),
        (4, stream_xml("Silent", "EEG", [("x", "uV")], 10, "double64")),
    ]
    for number, xml in heads:
        out += chunk(2, struct.pack("<I", number) + xml)
    out += chunk(4, struct.pack("<Idd", 2, 1000.0, -500.0)) + chunk(4, struct.pack("<Idd", 2, 1005.0, -500.2))
    rows1 = [(1000 + i / 100, [float(i), 2.0 * i, -1.0]) for i in range(20)]
    rows2 = [(1500 + i / 50, [1.0, float(i)]) for i in range(10)]
    out += chunk(3, struct.pack("<I", 1) + samples(rows1)) + chunk(3, struct.pack("<I", 2) + samples(rows2))
    out += chunk(3, struct.pack("<I", 3) + samples([(1000.05, "start"), (1000.1, "stop"), (1000.15, "start")]))
    for number in (1, 2, 3, 4):
        out += chunk(6, struct.pack("<I", number) + b"<?xml version='1.0'?><info><sample_count>1</sample_count></info>")
    return out


def stream(
    number: int,
    name: str,
    channels: list[tuple[str, str]],
    rate: float,
    stamps: np.ndarray,
    values: np.ndarray,
    *,
    fmt: str = "double64",
    stamp_every: int = 1,
    per_chunk: int = 50,
    offsets: Sequence[tuple[float, float]] = (),
) -> list[bytes]:
    """Return the chunks of a stream of numbers: header, samples, offsets (time, offset in s), footer."""
    head = struct.pack("<I", number)
    out = [chunk(2, head + stream_xml(name, "Test", channels, rate, fmt))]
    for start in range(0, stamps.size, per_chunk):
        rows = range(start, min(start + per_chunk, stamps.size))
        body = b"\x04" + struct.pack("<I", len(rows))
        for k in rows:
            body += b"\x08" + struct.pack("<d", stamps[k]) if k % stamp_every == 0 else b"\x00"
            body += np.asarray(values[k], _TYPES[fmt]).tobytes()
        out.append(chunk(3, head + body))
    out += [chunk(4, head + struct.pack("<dd", at, offset)) for at, offset in offsets]
    footer = f"<?xml version='1.0'?><info><sample_count>{stamps.size}</sample_count></info>"
    return [*out, chunk(6, head + footer.encode())]


def markers(number: int, name: str, rows: list[tuple[float, str]], *, per_chunk: int = 2) -> list[bytes]:
    """Return the chunks of a stream of texts."""
    head = struct.pack("<I", number)
    out = [chunk(2, head + stream_xml(name, "Markers", [("m", "")], 0, "string"))]
    out += [chunk(3, head + samples([*rows[k : k + per_chunk]])) for k in range(0, len(rows), per_chunk)]
    return [*out, chunk(6, head + b"<?xml version='1.0'?><info></info>")]


def xdf(*streams: list[bytes]) -> bytes:
    """Return a file of streams one after the other."""
    return b"XDF:" + chunk(1, b"<?xml version='1.0'?><info></info>") + b"".join(b"".join(s) for s in streams)
