"""C3D header and parameter section: bytes to checked numbers, every length tested before it is used.

Source: The C3D File Format, user guide (c3d.org), sections on header, parameters and processor types.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import BadInputError

Processor = Literal["intel", "dec", "mips"]
BLOCK = 512
"""Bytes of a block: header, parameters and data each start at one."""
_PROCESSORS: dict[int, Processor] = {84: "intel", 85: "dec", 86: "mips"}
# Byte 2 of every C3D file
_KEY = 0x50
# Header word 150 where events with 4-character labels follow, and how many there is room for
_EVENTS_KEY, _MOST_EVENTS = 12345, 18
_NEEDED_GROUPS = ("POINT", "ANALOG", "FORCE_PLATFORM", "ROTATION", "TRIAL")
_PROSE = ("DESCRIPTIONS", "DESCRIPTION")
_TYPE_BYTES = {-1: 1, 1: 1, 2: 2, 4: 4}


@dataclass(frozen=True)
class C3dHeader:
    """The first 512 bytes of a C3D file.

    Attributes
    ----------
    points, analog_words
        3D points per frame, and analog values per frame (channels times samples per frame).
    first_frame, last_frame
        Numbered from 1; 65535 at most, so long trials say more in the parameters.
    data_block
        Number of the first data block, from 1.
    events
        Label, time (s) of the header's own events.
    """

    processor: Processor
    points: int
    analog_words: int
    first_frame: int
    last_frame: int
    scale: float
    data_block: int
    analog_per_frame: int
    rate_hz: float
    events: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Parameters:
    """The parameters of a C3D file by group and name (upper case).

    A value is a list of strings, or an array in the file's order of dimensions (first runs fastest), flat
    for one dimension.
    """

    groups: dict[str, dict[str, Any]]

    def has(self, group: str, name: str) -> bool:
        """Return whether the file holds this parameter with at least one value."""
        value = self.groups.get(group, {}).get(name)
        return value is not None and len(value) > 0

    def texts(self, group: str, name: str) -> list[str]:
        """Return a text parameter continued over ``NAME2``, ``NAME3``..., empty where there is none."""
        texts: list[str] = []
        for value in self._continued(group, name):
            texts += [str(v) for v in value] if isinstance(value, list) else []
        return texts

    def numbers(self, group: str, name: str) -> Floats:
        """Return a number parameter, flat and continued over ``NAME2``..., empty where there is none."""
        with np.errstate(invalid="ignore"):
            parts = [
                np.asarray(v, dtype=np.float64).ravel(order="F")
                for v in self._continued(group, name)
                if isinstance(v, np.ndarray)
            ]
        return np.concatenate(parts) if parts else np.empty(0)

    def array(self, group: str, name: str) -> Floats:
        """Return one number parameter with its dimensions, empty where there is none."""
        value = self.groups.get(group, {}).get(name)
        if not isinstance(value, np.ndarray):
            return np.empty(0)
        with np.errstate(invalid="ignore"):
            return np.asarray(value, dtype=np.float64)

    def count(self, group: str, name: str) -> int | None:
        """Return a count (whole and never negative: 16-bit values are read without sign), or None."""
        value = self.groups.get(group, {}).get(name)
        if not isinstance(value, np.ndarray) or not value.size:
            return None
        first = float(value.ravel(order="F")[0])
        if not np.isfinite(first) or abs(first) > 2**31:
            return None
        bits = {1: 256, 2: 65536}.get(value.dtype.itemsize, 0) if value.dtype.kind in "iu" else 0
        number = int(first)
        return number + bits if number < 0 and bits else max(number, 0)

    def text(self, group: str, name: str) -> str:
        """Return the first string of a parameter, empty where there is none."""
        texts = self.texts(group, name)
        return texts[0] if texts else ""

    def _continued(self, group: str, name: str) -> list[Any]:
        parameters = self.groups.get(group, {})
        values, number = [], 1
        while (key := name if number == 1 else f"{name}{number}") in parameters:
            values.append(parameters[key])
            number += 1
        return values


def looks_like_c3d(head: bytes) -> bool:
    """Return whether the first bytes can be a C3D header: its key 0x50 after a block number."""
    return len(head) >= 2 and head[1] == _KEY and 0 < head[0] < 128


def has_processor(head: bytes) -> bool:
    """Return whether the parameter header that the first byte points at names a processor C3D knows."""
    at = (head[0] - 1) * BLOCK + 3 if head else 0
    return BLOCK < at < len(head) and head[at] in _PROCESSORS


def parse_header(data: bytes) -> C3dHeader:
    """Return the checked header.

    Parameters
    ----------
    data
        The file from its first byte to the end of the parameter section, or all of it.

    Raises
    ------
    BadInputError
        If it is no C3D header, or the file is cut before its parameters.
    """
    if not looks_like_c3d(data):
        raise BadInputError(f"is no C3D file: byte 2 is {data[1:2].hex() or 'missing'}, expected 50")
    if len(data) < BLOCK:
        raise BadInputError(f"is cut inside the C3D header ({len(data)} bytes of 512); copy it again")
    processor = _processor(data)
    words = np.frombuffer(data, dtype=_int16(processor), count=256).astype(np.int64) & 0xFFFF
    return C3dHeader(
        processor=processor,
        points=int(words[1]),
        analog_words=int(words[2]),
        first_frame=int(words[3]),
        last_frame=int(words[4]),
        scale=float(floats(data[12:16], processor)[0]),
        data_block=int(words[8]),
        analog_per_frame=int(words[9]),
        rate_hz=float(floats(data[20:24], processor)[0]),
        events=_header_events(data, words, processor),
    )


def parse_parameters(data: bytes, header: C3dHeader) -> Parameters:
    """Return the parameters of all groups.

    Raises
    ------
    BadInputError
        If a record points outside the section or the file, or a value is longer than its record.
    """
    start = (data[0] - 1) * BLOCK
    blocks = data[start + 2]
    limit = len(data)
    # the count of blocks is one byte, so that a longer section is only known to end where the data begin
    if blocks and header.data_block > data[0]:
        limit = min(limit, max(start + blocks * BLOCK, (header.data_block - 1) * BLOCK))
    names: dict[int, str] = {}
    raw: dict[int, dict[str, bytes]] = {}
    for number, name, body in _records(data, start + 4, limit):
        # a record with a negative number is a group's own, which gives it its name
        if number < 0:
            names.setdefault(-number, name)
        else:
            raw.setdefault(number, {}).setdefault(name, body)
    groups: dict[str, dict[str, Any]] = {}
    for number, bodies in raw.items():
        group = names.get(number, f"GROUP_{number}")
        groups.setdefault(group, {}).update(_values(bodies, header.processor, group))
    for name in names.values():
        groups.setdefault(name, {})
    return Parameters(groups)


def floats(data: bytes, processor: Processor) -> NDArray[np.float32]:
    """Return 32-bit floats in the byte order of the processor; DEC (VAX F) is converted to IEEE.

    A VAX F float is two little-endian 16-bit words, the high one first, with an exponent that is 2 larger.
    """
    if processor != "dec":
        return np.frombuffer(data, dtype="<f4" if processor == "intel" else ">f4").astype(np.float32)
    words = np.frombuffer(data, dtype="<u2").reshape(-1, 2)
    bits = (words[:, 0].astype(np.uint32) << 16) | words[:, 1]
    with np.errstate(invalid="ignore"):
        quarter = bits.view(np.float32).astype(np.float64) / 4.0
    return np.where(bits & 0x7F800000, quarter, 0.0).astype(np.float32)


def integers(data: bytes, processor: Processor) -> NDArray[np.int16]:
    """Return signed 16-bit integers in the byte order of the processor."""
    return np.frombuffer(data, dtype=_int16(processor)).astype(np.int16)


def _int16(processor: Processor) -> str:
    return ">i2" if processor == "mips" else "<i2"


def _processor(data: bytes) -> Processor:
    start = (data[0] - 1) * BLOCK
    if start < BLOCK or start + 4 > len(data):
        raise BadInputError(
            f"is broken or cut: its parameters should start at byte {start}, the file has {len(data)} bytes"
        )
    processor = _PROCESSORS.get(data[start + 3])
    if processor is None:
        raise BadInputError(
            f"is broken: processor type {data[start + 3]} in its parameter header,"
            " expected 84 (Intel), 85 (DEC) or 86 (MIPS)"
        )
    return processor


def _header_events(data: bytes, words: NDArray[np.int64], processor: Processor) -> tuple[tuple[str, float], ...]:
    count = int(words[150])
    if words[149] != _EVENTS_KEY or not 0 < count <= _MOST_EVENTS:
        return ()
    # words 153 to 188 hold 18 times, words 199 on 18 labels of four characters
    times = floats(data[304:376], processor)
    labels = [decode_text(data[396 + 4 * i : 400 + 4 * i]) for i in range(count)]
    return tuple((label, float(time)) for label, time in zip(labels, times) if np.isfinite(time))


def _records(data: bytes, at: int, limit: int) -> list[tuple[int, str, bytes]]:
    """Return (group number, name, body after the offset word) of each record of the section."""
    order = ">H" if data[(data[0] - 1) * BLOCK + 3] == 86 else "<H"
    records: list[tuple[int, str, bytes]] = []
    while at + 2 <= limit and data[at] != 0:
        # a negative length marks a locked parameter
        length, number = abs(struct.unpack_from("b", data, at)[0]), struct.unpack_from("b", data, at + 1)[0]
        name_end = at + 2 + length
        if number == 0 or name_end + 2 > limit:
            raise BadInputError(
                f"is broken: the parameter record at byte {at} does not fit its section (ends at {limit})"
            )
        name = decode_text(data[at + 2 : name_end]).upper()[:40]
        offset = struct.unpack_from(order, data, name_end)[0]
        if name_end + offset > limit:  # some MIPS writers leave single offsets in the other byte order
            offset = struct.unpack_from("<H" if order == ">H" else ">H", data, name_end)[0]
        after = name_end + offset if offset else limit
        if after > limit or (offset and after <= name_end + 2):
            raise BadInputError(f"is broken: parameter '{name}' at byte {at} points outside its section")
        records.append((number, name, data[name_end + 2 : after]))
        if not offset:
            break
        at = after
    if not records:
        raise BadInputError("is broken: its parameter section is empty; export the file again")
    return records


def _values(bodies: dict[str, bytes], processor: Processor, group: str) -> dict[str, Any]:
    """Return the values of one group; a broken one is skipped where nothing depends on it."""
    values: dict[str, Any] = {}
    for name, body in bodies.items():
        try:
            values[name] = _value(body, processor, f"{group}:{name}")
        except BadInputError:
            if group in _NEEDED_GROUPS and name not in _PROSE:
                raise
    return values


def _value(body: bytes, processor: Processor, name: str) -> Any:
    if len(body) < 2:
        raise BadInputError(f"is broken: parameter '{name}' has no type")
    kind, dimensions = struct.unpack_from("bB", body)
    shape = tuple(body[2 : 2 + dimensions])
    size = _TYPE_BYTES.get(kind)
    if size is None or len(shape) < dimensions or dimensions > 7:
        raise BadInputError(
            f"is broken: parameter '{name}' is of type {kind} with {dimensions} dimensions,"
            " expected type -1, 1, 2 or 4 and at most 7 dimensions"
        )
    count = int(np.prod(np.asarray(shape, dtype=np.float64))) if shape else 1
    block = body[2 + dimensions : 2 + dimensions + count * size]
    if len(block) < count * size:
        raise BadInputError(f"is broken: parameter '{name}' needs {count * size} bytes, its record holds {len(block)}")
    if kind == -1:
        return _strings(block, shape)
    if kind == 1:
        values: NDArray[Any] = np.frombuffer(block, dtype=np.int8)
    else:
        values = integers(block, processor) if kind == 2 else floats(block, processor)
    return values.reshape(shape or (1,), order="F")


def _strings(block: bytes, shape: tuple[int, ...]) -> list[str]:
    width = shape[0] if shape else 1
    if not width:
        return []
    return [decode_text(block[i : i + width]) for i in range(0, len(block), width)]


def decode_text(raw: bytes) -> str:
    """Return text in UTF-8 where it is that, in Latin-1 otherwise, without padding."""
    content = raw.split(b"\0", 1)[0] if raw[:1] != b"\0" else raw.strip(b"\0")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    return "".join(c if c.isprintable() else " " for c in text).strip()
