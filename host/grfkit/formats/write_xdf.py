"""XDF files (Lab Streaming Layer): streams of doubles with a stamp for each sample, and markers.

The layout is that of the specification, https://github.com/sccn/xdf/wiki/Specifications.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

import numpy as np

from ..arrays import Floats

MAGIC = b"XDF:"
_FILE, _HEADER, _SAMPLES, _OFFSET, _FOOTER = 1, 2, 3, 4, 6
_PER_CHUNK = 1000
"""Samples in a chunk; chosen by hand."""


@dataclass(frozen=True)
class XdfSignals:
    """A stream of numbers: times (samples,) in s, values (samples, channels), NaN where unknown.

    Attributes
    ----------
    rate_hz
        Nominal rate; 0 where samples come irregularly.
    labels, units
        One for each channel.
    facts
        Further texts of the description, by name.
    """

    name: str
    kind: str
    rate_hz: float
    labels: Sequence[str]
    units: Sequence[str]
    time_s: Floats
    values: Floats
    facts: dict[str, str]


@dataclass(frozen=True)
class XdfMarkers:
    """A stream of texts at times (s)."""

    name: str
    time_s: Floats
    texts: Sequence[str]


def xdf_bytes(signals: Sequence[XdfSignals], markers: XdfMarkers | None = None) -> bytes:
    """Return an XDF file whose streams are on one clock."""
    parts = [MAGIC, _chunk(_FILE, b'<?xml version="1.0"?><info><version>1.0</version></info>')]
    for number, stream in enumerate(signals, start=1):
        channels = "".join(
            f"<channel><label>{escape(label)}</label><unit>{escape(unit)}</unit></channel>"
            for label, unit in zip(stream.labels, stream.units)
        )
        about = f"<channels>{channels}</channels>" + "".join(
            f"<{key}>{escape(text)}</{key}>" for key, text in stream.facts.items()
        )
        parts.append(_head(number, stream.name, stream.kind, len(stream.labels), stream.rate_hz, "double64", about))
        parts += _samples(number, stream)
        parts.append(_foot(number, stream.time_s))
    if markers is not None and len(markers.texts):
        number = len(signals) + 1
        parts.append(_head(number, markers.name, "Markers", 1, 0.0, "string", ""))
        body = b"".join(
            b"\x08" + struct.pack("<d", time) + _length(len(data)) + data
            for time, data in zip(markers.time_s.tolist(), (text.encode("utf-8") for text in markers.texts))
        )
        parts.append(_chunk(_SAMPLES, struct.pack("<I", number) + _length(len(markers.texts)) + body))
        parts.append(_foot(number, markers.time_s))
    return b"".join(parts)


def _head(number: int, name: str, kind: str, channels: int, rate_hz: float, numbers: str, about: str) -> bytes:
    xml = (
        f'<?xml version="1.0"?><info><name>{escape(name)}</name><type>{escape(kind)}</type>'
        f"<channel_count>{channels}</channel_count><nominal_srate>{rate_hz:.12g}</nominal_srate>"
        f"<channel_format>{numbers}</channel_format><source_id>{escape(name)}</source_id><created_at>0</created_at>"
        f"<desc>{about}</desc></info>"
    )
    return _chunk(_HEADER, struct.pack("<I", number) + xml.encode("utf-8"))


def _samples(number: int, stream: XdfSignals) -> list[bytes]:
    width = stream.values.shape[1]
    record = np.dtype([("stamped", "u1"), ("time", "<f8"), ("values", "<f8", (width,))])
    table = np.zeros(stream.time_s.size, dtype=record)
    table["stamped"], table["time"], table["values"] = 8, stream.time_s, stream.values
    parts = []
    for start in range(0, table.size, _PER_CHUNK):
        part = table[start : start + _PER_CHUNK]
        parts.append(_chunk(_SAMPLES, struct.pack("<I", number) + _length(part.size) + part.tobytes()))
    return parts


def _foot(number: int, time_s: Floats) -> bytes:
    first, last = (float(time_s[0]), float(time_s[-1])) if time_s.size else (0.0, 0.0)
    xml = (
        f'<?xml version="1.0"?><info><first_timestamp>{first!r}</first_timestamp><last_timestamp>{last!r}'
        f"</last_timestamp><sample_count>{time_s.size}</sample_count></info>"
    )
    # an offset of 0 at either end says that the stream is on the common clock
    offsets = b"".join(_chunk(_OFFSET, struct.pack("<Idd", number, at, 0.0)) for at in (first, last))
    return offsets + _chunk(_FOOTER, struct.pack("<I", number) + xml.encode("utf-8"))


def _chunk(tag: int, body: bytes) -> bytes:
    return b"\x04" + struct.pack("<IH", len(body) + 2, tag) + body


def _length(count: int) -> bytes:
    return b"\x01" + struct.pack("<B", count) if count < 256 else b"\x04" + struct.pack("<I", count)
