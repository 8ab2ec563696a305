"""XDF files (Lab Streaming Layer): chunks to streams, each apart, up to where the file is torn.

Layout after the XDF 1.0 specification: ``XDF:``, then chunks of a length, a tag and their content. Tag 1 heads the
file, 2 a stream, 3 holds samples, 4 an offset between the clocks of stream and recorder, 5 is a boundary, 6 ends a
stream. A damaged chunk spoils its stream, a chunk that is cut off or starts nowhere ends the file.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass, field
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import BadInputError
from .timing import HIGHEST_RATE_HZ

MAGIC = b"XDF:"
GZIP = b"\x1f\x8b"
_FILE_HEADER, _HEADER, _SAMPLES, _OFFSET, _BOUNDARY, _FOOTER = range(1, 7)
_OF_A_STREAM = (_HEADER, _SAMPLES, _OFFSET, _FOOTER)
_TYPES = {"double64": "<f8", "float32": "<f4", "int8": "<i1", "int16": "<i2", "int32": "<i4", "int64": "<i8"}
_TEXT = "string"
# The byte before a sample: with a time stamp, or without one
_STAMPED, _UNSTAMPED = 8, 0
_UNPACKED_BLOCK = 1 << 20
_STARTED = re.compile(rb"<datetime>\s*([0-9T:.+-]{10,40})\s*</datetime>")


class _Damage(Exception):
    """What is wrong with the content of a chunk, as a clause."""


@dataclass
class XdfStream:
    """One stream as the file holds it; its stamps are on the sender's clock.

    Attributes
    ----------
    stamps_s
        Shape (samples,); those that the file leaves out are counted on at the nominal rate.
    values
        Shape (samples, channels); of a text stream a list of lists.
    offset_times_s, offsets_s
        When, on the stream's clock, and by how much the recorder's clock was measured to be ahead.
    stated_samples
        Of its footer; None without one.
    has_footer
        Whether its end was written: the recorder closed the file.
    problem
        Why it cannot be used, as a clause; "" if it can.
    """

    number: int
    name: str
    kind: str
    rate_hz: float
    labels: list[tuple[str, str]]
    is_text: bool
    stamps_s: Floats = field(default_factory=lambda: np.empty(0))
    values: NDArray[np.float64] | list[list[str]] = field(default_factory=list)
    offset_times_s: list[float] = field(default_factory=list)
    offsets_s: list[float] = field(default_factory=list)
    stated_samples: int | None = None
    has_footer: bool = False
    problem: str = ""


@dataclass(frozen=True)
class XdfFile:
    """The streams of a file in their order, and a note for each thing that is wrong with the file as a whole.

    ``started``: the recorder's date and time at the start, as its header states it; "" if it does not.
    """

    streams: list[XdfStream]
    notes: list[str]
    started: str = ""


def parse_xdf(data: bytes) -> XdfFile:
    """Return the streams in a file's bytes (packed with gzip or not).

    Raises
    ------
    BadInputError
        If the file is no XDF file.
    """
    data, notes = _unpacked(data)
    if not data.startswith(MAGIC):
        raise BadInputError("does not start with 'XDF:'")
    building: dict[int, _Builder] = {}
    early: list[tuple[int, int]] = []
    strangers, at, started = 0, len(MAGIC), ""
    while at < len(data):
        try:
            tag, start, end = _chunk(data, at)
        except _Damage as damage:
            notes.append(_torn(data, at, building, str(damage)))
            break
        if tag in _OF_A_STREAM:
            taken = _take(data, tag, start, end, building)
            # a recorder may measure a clock before it writes the stream's header
            early += [(start, end)] if tag == _OFFSET and not taken else []
            strangers += tag != _OFFSET and not taken
            if tag == _HEADER:
                early = [span for span in early if not _take(data, _OFFSET, *span, building)]
        elif tag == _FILE_HEADER:
            found = _STARTED.search(data, start, end)
            started = started or (found[1].decode("ascii", "replace") if found else "")
        elif tag != _BOUNDARY:
            strangers += 1
        at = end
    if strangers + len(early):
        notes.append(f"{strangers + len(early)} chunks of unknown kind, or of no stream, are left out")
    return XdfFile([builder.finished() for builder in building.values()], notes, started)


def _unpacked(data: bytes) -> tuple[bytes, list[str]]:
    """Return the content of a packed file up to where it is damaged, and a note if it is."""
    if not data.startswith(GZIP):
        return data, []
    unpacker, parts = zlib.decompressobj(16 + zlib.MAX_WBITS), []
    try:
        for at in range(0, len(data), _UNPACKED_BLOCK):
            parts.append(unpacker.decompress(data[at : at + _UNPACKED_BLOCK]))
    except zlib.error:
        pass
    notes = [] if unpacker.eof else ["the packed file (gzip) is cut off or damaged: what could be unpacked is read"]
    return b"".join(parts), notes


def _chunk(data: bytes, at: int) -> tuple[int, int, int]:
    """Return tag, start and end of the content of the chunk at a byte."""
    width = data[at]
    # a byte says in how many bytes the chunk's length is written
    if width not in (1, 4, 8):
        raise _Damage("no chunk starts there")
    if at + 1 + width + 2 > len(data):
        raise _Damage("the chunk there is cut off")
    length = int.from_bytes(data[at + 1 : at + 1 + width], "little")
    start = at + 1 + width
    if length < 2:
        raise _Damage("no chunk starts there")
    if start + length > len(data):
        raise _Damage(f"the chunk there should end at byte {start + length}")
    return int.from_bytes(data[start : start + 2], "little"), start + 2, start + length


def _take(data: bytes, tag: int, start: int, end: int, building: dict[int, _Builder]) -> bool:
    """Put a chunk to its stream; return whether there is one."""
    if end - start < 4:
        return False
    number = int.from_bytes(data[start : start + 4], "little")
    if tag == _HEADER:
        if number in building:
            building[number].spoil(f"its number, {number}, stands on two streams")
        else:
            building[number] = _Builder.of(number, data[start + 4 : end])
        return True
    if number not in building:
        return False
    builder = building[number]
    try:
        builder.take(tag, data, start + 4, end)
    except _Damage as damage:
        builder.spoil(f"its chunk at byte {start} is damaged ({damage})")
    return True


def _torn(data: bytes, at: int, building: dict[int, _Builder], why: str) -> str:
    """Return a note of where the file is torn, having kept the whole samples of the chunk at the tear."""
    kept = ""
    start = at + 1 + data[at]
    number = int.from_bytes(data[start + 2 : start + 6], "little")
    is_samples = data[at] in (1, 4, 8) and data[start : start + 2] == struct.pack("<H", _SAMPLES)
    if is_samples and number in building and not building[number].stream.problem:
        try:
            count = building[number].take_samples(data, start + 6, len(data), torn=True)
            kept = f" ({count} whole samples of '{building[number].stream.name}' after it are kept)" if count else ""
        except _Damage:
            pass
    return (
        f"the file is cut off or damaged at byte {at} of {len(data)} ({why}): what stands before is read, the rest is"
        f" left out{kept}"
    )


class _Builder:
    """Collects the chunks of a stream."""

    def __init__(self, stream: XdfStream, value_type: str) -> None:
        self.stream = stream
        self._type = np.dtype((value_type, (len(stream.labels),))) if value_type else np.dtype("V0")
        self._stamps: list[Floats] = []
        self._given: list[NDArray[np.bool_]] = []
        self._values: list[NDArray[np.float64]] = []
        self._texts: list[list[str]] = []

    @classmethod
    def of(cls, number: int, xml: bytes) -> _Builder:
        """Return the builder of a stream from its header."""
        try:
            return cls._of_header(number, ElementTree.fromstring(xml.decode("utf-8", "replace")))
        except (ElementTree.ParseError, ValueError, _Damage) as error:
            stream = XdfStream(
                number, f"stream {number}", "", 0.0, [], False, problem=f"its header is damaged: {error}"
            )
            return cls(stream, "")

    @classmethod
    def _of_header(cls, number: int, info: ElementTree.Element) -> _Builder:
        name = (info.findtext("name") or "").strip() or f"stream {number}"
        value_type = (info.findtext("channel_format") or "").strip()
        stream = XdfStream(number, name, (info.findtext("type") or "").strip(), 0.0, [], value_type == _TEXT)
        count, rate = info.findtext("channel_count") or "", info.findtext("nominal_srate") or "0"
        try:
            channels, stream.rate_hz = int(count), float(rate)
        except ValueError:
            stream.problem = f"it states {count!r} channels at {rate!r} Hz"
            return cls(stream, "")
        if not 0 < channels < 1 << 20 or not 0 <= stream.rate_hz < HIGHEST_RATE_HZ:
            stream.problem = f"it states {channels} channels at {rate} Hz"
        elif value_type not in _TYPES and not stream.is_text:
            stream.problem = f"its values are of the unknown type {value_type!r}"
        described = [
            ((c.findtext("label") or "").strip(), (c.findtext("unit") or "").strip())
            for c in info.findall("desc/channels/channel")
        ]
        stream.labels = [] if stream.problem else [*described[:channels], *[("", "")] * (channels - len(described))]
        return cls(stream, "" if stream.problem else _TYPES.get(value_type, ""))

    def spoil(self, problem: str) -> None:
        """Note the first thing that is wrong with the stream."""
        self.stream.problem = self.stream.problem or problem

    def take(self, tag: int, data: bytes, start: int, end: int) -> None:
        """Take a chunk's content after its stream's number."""
        if tag == _OFFSET:
            if end - start != 16:
                raise _Damage("a clock offset of another size")
            at, offset = struct.unpack("<dd", data[start:end])
            self.stream.offset_times_s.append(at)
            self.stream.offsets_s.append(offset)
        elif tag == _FOOTER:
            self._footer(data[start:end])
        elif not self.stream.problem:
            self.take_samples(data, start, end)

    def _footer(self, xml: bytes) -> None:
        self.stream.has_footer = True
        try:
            text = ElementTree.fromstring(xml.decode("utf-8", "replace")).findtext("sample_count") or ""
        except ElementTree.ParseError:
            return
        self.stream.stated_samples = int(text) if text.strip().isdigit() else None

    def take_samples(self, data: bytes, start: int, end: int, *, torn: bool = False) -> int:
        """Take the samples of a chunk, or the whole ones of a torn chunk; return how many."""
        count, at = _number(data, start, end)
        if self.stream.is_text:
            return self._take_texts(data, at, end, count, torn)
        size = self._type.itemsize
        if count * (9 + size) == end - at and self._take_block(data, at, count, stamped=True):
            return count
        if count * (1 + size) == end - at and self._take_block(data, at, count, stamped=False):
            return count
        return self._take_mixed(data, at, end, count, torn)

    def _take_block(self, data: bytes, at: int, count: int, *, stamped: bool) -> bool:
        """Take samples that all have a stamp, or all none; return False where they do not."""
        fields = [("flag", "u1"), *([("stamp", "<f8")] if stamped else []), ("value", self._type)]
        rows = np.frombuffer(data, dtype=np.dtype(fields), count=count, offset=at)
        if (rows["flag"] != (_STAMPED if stamped else _UNSTAMPED)).any():
            return False
        stamps = rows["stamp"].astype(np.float64) if stamped else np.zeros(count)
        self._keep(stamps, np.full(count, stamped), rows["value"].astype(np.float64))
        return True

    def _take_mixed(self, data: bytes, at: int, end: int, count: int, torn: bool) -> int:
        size, stamps, given, places = self._type.itemsize, [], [], []
        for _ in range(count):
            wide = 8 if at < end and data[at] == _STAMPED else 0
            if at + 1 + wide + size > end:
                if torn:
                    break
                raise _Damage("fewer samples than it states")
            if data[at] not in (_STAMPED, _UNSTAMPED):
                raise _Damage("a sample that does not start as one")
            stamps.append(struct.unpack_from("<d", data, at + 1)[0] if wide else 0.0)
            given.append(bool(wide))
            places.append(at + 1 + wide)
            at += 1 + wide + size
        if at != end and not torn:
            raise _Damage("more bytes than its samples take")
        raw = np.frombuffer(b"".join(data[p : p + size] for p in places), dtype=self._type)
        self._keep(np.asarray(stamps, dtype=np.float64), np.asarray(given, dtype=bool), raw.astype(np.float64))
        return len(places)

    def _take_texts(self, data: bytes, at: int, end: int, count: int, torn: bool) -> int:
        stamps, given, rows = [], [], []
        try:
            for _ in range(count):
                stamp, is_given, row, at = self._text(data, at, end)
                stamps.append(stamp)
                given.append(is_given)
                rows.append(row)
        except _Damage:
            if not torn:
                raise
        if at != end and not torn:
            raise _Damage("more bytes than its samples take")
        self._texts.extend(rows)
        self._stamps.append(np.asarray(stamps, dtype=np.float64))
        self._given.append(np.asarray(given, dtype=bool))
        return len(rows)

    def _text(self, data: bytes, at: int, end: int) -> tuple[float, bool, list[str], int]:
        if at >= end or data[at] not in (_STAMPED, _UNSTAMPED):
            raise _Damage("a sample that does not start as one")
        is_given = data[at] == _STAMPED
        if is_given and at + 9 > end:
            raise _Damage("fewer samples than it states")
        stamp = struct.unpack_from("<d", data, at + 1)[0] if is_given else 0.0
        at += 9 if is_given else 1
        row = []
        for _ in self.stream.labels:
            length, at = _number(data, at, end)
            if at + length > end:
                raise _Damage("fewer samples than it states")
            row.append(data[at : at + length].decode("utf-8", "replace"))
            at += length
        return stamp, is_given, row, at

    def _keep(self, stamps: Floats, given: NDArray[np.bool_], values: NDArray[np.float64]) -> None:
        self._stamps.append(stamps)
        self._given.append(given)
        self._values.append(values.reshape(len(stamps), len(self.stream.labels)))

    def finished(self) -> XdfStream:
        """Return the stream, its stamps complete."""
        if self._stamps:
            stamps, given = np.concatenate(self._stamps), np.concatenate(self._given)
            # the row of the last stamp that the file gives, up to each sample
            last = np.maximum.accumulate(np.where(given, np.arange(stamps.size), -1))
            period = 1.0 / self.stream.rate_hz if self.stream.rate_hz > 0 else 0.0
            if stamps.size and last[0] < 0:
                self.spoil("its first sample has no time stamp")
            self.stream.stamps_s = stamps[last] + (np.arange(stamps.size) - last) * period
        if self.stream.is_text:
            self.stream.values = self._texts
        else:
            empty = np.empty((0, len(self.stream.labels)))
            self.stream.values = np.concatenate(self._values) if self._values else empty
        return self.stream


def _number(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Return the number whose width its first byte states, and where it ends."""
    width = data[at] if at < end else 0
    if width not in (1, 4, 8) or at + 1 + width > end:
        raise _Damage("a count that is none")
    return int.from_bytes(data[at + 1 : at + 1 + width], "little"), at + 1 + width
