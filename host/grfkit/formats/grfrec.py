"""Live recordings (.grfrec): packets verbatim, session marks, time syncs; appended, each record with its own CRC.

``GRFREC``, u8 version, u8 0; then records: u32 bytes of the body, u8 kind, u64 arrival (ns, host's steady clock), u8
device, the body, u32 CRC-32 of all of it. Little endian. A reader stops at the first incomplete
record and reports how many bytes it left unread; damage never costs what was written before it.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from ..arrays import PathLike
from ..errors import BadInputError

MAGIC = b"GRFREC"
VERSION = 1
"""Of the file's layout; a reader refuses any other."""
_OPENING = MAGIC + bytes([VERSION, 0])
_HEAD = struct.Struct("<IBQB")
_CRC = struct.Struct("<I")
_SYNC = struct.Struct("<QIIQ")
_PAIR = struct.Struct("<q")
LARGEST_BODY = 1 << 16
"""Bytes of a record's body at most, chosen by hand: a packet has hundreds, a note what a person types."""
_RANGES = {
    "connection": (0, (1 << 32) - 1),
    "started_ns": (0, (1 << 63) - 1),
    "side": (0, 1),
    "adc_bits": (1, 16),
    "accel_range_g": (1, 0xFFFF),
    "gyro_range_dps": (1, 0xFFFF),
    "model_id": (0, (1 << 32) - 1),
    "cfg_id": (0, 255),
    "samples_per_packet": (1, 255),
    "rate_hz": (1, 0xFFFF),
    "period_us": (100, (1 << 32) - 1),
}


class Kind(IntEnum):
    """The kinds of record, each with the layout of its body."""

    PACKET = 1
    """u8 characteristic (last digit of its UUID), then the bytes as they came."""
    BEGIN = 2
    """A :class:`Begin` as JSON."""
    END = 3
    """Why the connection ended, text."""
    MARK = 4
    """A label, text; a marker that a person set."""
    NOTE = 5
    """Text."""
    TARE = 6
    """No body: the insole has tared."""
    TIME_SYNC = 7
    """u64 t1 (ns), u32 t2, u32 t3 (us of the device), u64 t4 (ns)."""
    CLOCK_PAIR = 8
    """i64: unix time (ns) at the record's arrival."""
    LOST = 9
    """JSON ``{"records", "why"}``: this many records could not be written before this one."""


@dataclass(frozen=True)
class Record:
    """One record."""

    kind: int
    arrival_ns: int
    device: int
    body: bytes

    def to_bytes(self) -> bytes:
        """Return the record with its CRC.

        Raises
        ------
        BadInputError
            If the body is longer than 65536 bytes.
        """
        if len(self.body) > LARGEST_BODY:
            raise BadInputError(f"a record's body of {len(self.body)} bytes is longer than {LARGEST_BODY}")
        content = _HEAD.pack(len(self.body), self.kind, self.arrival_ns, self.device) + self.body
        return content + _CRC.pack(zlib.crc32(content))

    @property
    def text(self) -> str:
        """Return the body as text."""
        return self.body.decode("utf-8", errors="replace")


@dataclass(frozen=True)
class Begin:
    """A connection that streams: what the insole is and how it runs.

    Attributes
    ----------
    connection
        Number of the link's connection.
    started_ns
        Host time when START was sent.
    side
        0 left, 1 right; this and the following fields as stated by Info and the answer to START.
    """

    connection: int
    address: str
    started_ns: int
    side: int
    adc_bits: int
    accel_range_g: int
    gyro_range_dps: int
    model_id: int
    cfg_id: int
    samples_per_packet: int
    rate_hz: int
    period_us: int

    def to_bytes(self) -> bytes:
        """Return the record's body."""
        return json.dumps(asdict(self), sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, body: bytes) -> Begin:
        """Return the beginning of a connection; BadInputError if a field is missing or of the wrong type."""
        try:
            document = json.loads(body)
            begin = cls(**{name: document[name] for name in cls.__dataclass_fields__})
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise BadInputError(f"a session's beginning cannot be read ({type(error).__name__}: {error})") from error
        if not isinstance(begin.address, str):
            raise BadInputError(f"a session's address is {begin.address!r}, expected text")
        for name, (least, most) in _RANGES.items():
            value = getattr(begin, name)
            if type(value) is not int or not least <= value <= most:
                raise BadInputError(f"a session's {name} is {value!r}, expected {least} to {most}")
        return begin


def packet_body(characteristic: int, content: bytes) -> bytes:
    """Return the body of a packet's record."""
    return bytes([characteristic]) + content


def sync_body(t1_ns: int, t2_us: int, t3_us: int, t4_ns: int) -> bytes:
    """Return the body of a time sync's record."""
    return _SYNC.pack(t1_ns, t2_us, t3_us, t4_ns)


def sync_of(record: Record) -> tuple[int, int, int, int]:
    """Return ``(t1_ns, t2_us, t3_us, t4_ns)``; BadInputError if the body is of another size."""
    t1_ns, t2_us, t3_us, t4_ns = _unpacked(_SYNC, record)
    return t1_ns, t2_us, t3_us, t4_ns


def pair_body(unix_ns: int) -> bytes:
    """Return the body of a clock pair's record."""
    return _PAIR.pack(unix_ns)


def unix_ns_of(record: Record) -> int:
    """Return the unix time (ns) of a clock pair; BadInputError if the body is of another size."""
    return int(_unpacked(_PAIR, record)[0])


def lost_body(records: int, why: str) -> bytes:
    """Return the body of the record that stands where ``records`` records could not be written."""
    return json.dumps({"records": records, "why": why}).encode()


def lost_of(record: Record) -> int:
    """Return how many records could not be written; BadInputError if the body does not say so."""
    try:
        lost = json.loads(record.body)["records"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadInputError(f"a record of losses cannot be read ({type(error).__name__}: {error})") from error
    if type(lost) is not int or lost < 0:
        raise BadInputError(f"a record of losses states {lost!r} records, expected a number")
    return lost


def opening() -> bytes:
    """Return the bytes a recording starts with."""
    return _OPENING


class RecordFile:
    """The records of a file, one after the other; :attr:`unread` is valid after iterating over them.

    Attributes
    ----------
    unread
        Bytes at the end that hold no complete record.

    Raises
    ------
    BadInputError
        If the file is no recording, or of another version.
    """

    def __init__(self, path: PathLike) -> None:
        self.path, self.unread = Path(path), 0
        with self._open() as file:
            start = file.read(len(_OPENING))
        if start[: len(MAGIC)] != MAGIC:
            raise BadInputError(f"starts with {start[:6]!r}, expected {MAGIC!r}")
        if start != _OPENING:
            raise BadInputError(f"is a recording of version {start[6:7].hex() or 'none'}, expected {VERSION:02x}")

    def __iter__(self) -> Iterator[Record]:
        """Give every complete record up to the first incomplete one."""
        with self._open() as file:
            size = file.seek(0, 2)
            at = file.seek(len(_OPENING))
            while True:
                self.unread = size - at
                head = file.read(_HEAD.size)
                if len(head) < _HEAD.size:
                    return
                length, kind, arrival_ns, device = _HEAD.unpack(head)
                if length > LARGEST_BODY:
                    return
                rest = file.read(length + _CRC.size)
                if len(rest) < length + _CRC.size:
                    return
                # the length may be what is damaged, so that no later record can be found
                if zlib.crc32(rest[:length], zlib.crc32(head)) != _CRC.unpack_from(rest, length)[0]:
                    return
                at += len(head) + len(rest)
                self.unread = size - at
                yield Record(kind, arrival_ns, device, rest[:length])

    def _open(self) -> Any:
        # a read of a pipe may never end
        if self.path.exists() and not self.path.is_file():
            raise BadInputError("is no regular file (a folder, pipe, socket or device); name a recording")
        try:
            return open(self.path, "rb")
        except OSError as error:
            raise BadInputError(f"cannot be read ({error.strerror or error})") from error


def _unpacked(layout: struct.Struct, record: Record) -> Any:
    if len(record.body) != layout.size:
        raise BadInputError(f"a record of kind {record.kind} has {len(record.body)} bytes, expected {layout.size}")
    return layout.unpack(record.body)
