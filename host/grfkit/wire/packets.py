"""Data packets of an insole, bytes <-> dataclasses: sensor packets (type 1), GRF samples (2) and GRF stances (3).

Little endian; offsets are in firmware_models/README.md, and the C twin is firmware_models/runtime/grf_packet.c. One
table of bytes (tests/test_firmware_packet.py) holds both.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError
from .structs import pack

VERSION = 1
"""Of the packets' layout, in the high nibble of the first byte."""
SENSOR, SAMPLES, STANCE = 1, 2, 3
"""Types of packets, in the low nibble."""
CELLS, IMU = 16, 6
"""Cells of an insole, and axes of its inertial sensor: three of acceleration, then three of angular rate."""
AXES = ("forward", "medial", "up")
FORCES = ("apgrf", "mlgrf", "vgrf")
"""The axes of a stance's curves, bit 0 first."""
# version and type, flags, sequence, time, sample counter, count, cfg_id
_HEADER = struct.Struct("<BBHIHBB")
HEADER_BYTES = _HEADER.size
# stance_id, place of the fragment, fragments in all
_FRAGMENT = struct.Struct("<HBB")
# model_id, contact time, points, axes, missed, point of the peak, peak, impulse, braking, propulsion, 0
_REPORT = struct.Struct("<IHBBBBhhhhH")
_SENSOR = np.dtype([("cells", "<u2", (CELLS,)), ("imu", "<i2", (IMU,))])
_SAMPLE = np.dtype([("fx", "<i2"), ("fy", "<i2"), ("fz", "<i2"), ("cop_x", "<i2"), ("cop_y", "<i2")])
_PER_N, _PER_MM = [10.0, 10.0, 5.0], 10.0
"""Counts on the wire of 1 N (forward, medial, up) and of 1 mm: int16 reaches 3.2 kN, and 6.5 kN upwards."""
SIZES = {SENSOR: _SENSOR.itemsize, SAMPLES: _SAMPLE.itemsize, STANCE: 1}
"""Bytes of one of a packet's ``count`` things; a stance's fragment counts bytes, after four of its own."""


@dataclass(frozen=True)
class PacketHeader:
    """The 12 bytes that open every packet.

    Attributes
    ----------
    sequence
        One more per packet attempted.
    time_us
        Of the device's clock at the first sample (initial contact for a stance); wraps after 71.6 min.
    counter
        Sample counter of the same sample.
    """

    type: int
    sequence: int
    time_us: int
    counter: int
    count: int
    cfg_id: int
    right: bool = False
    dropped: bool = False
    time_jump: bool = False
    saturated: bool = False
    tared: bool = False

    def to_bytes(self) -> bytes:
        """Return the 12 bytes."""
        flags = (self.right, self.dropped, self.time_jump, self.saturated, self.tared)
        bits = sum(1 << k for k, flag in enumerate(flags) if flag)
        first = VERSION << 4 | self.type
        return pack(
            "a packet's header",
            _HEADER,
            first,
            bits,
            self.sequence,
            self.time_us,
            self.counter,
            self.count,
            self.cfg_id,
        )

    @classmethod
    def from_bytes(cls, content: bytes) -> PacketHeader:
        """Return the header of a complete packet.

        Raises
        ------
        BadInputError
            If the packet is of another version or type, or not as long as its header says.
        """
        if len(content) < _HEADER.size:
            raise BadInputError(f"a packet of {len(content)} bytes is shorter than its header of {_HEADER.size}")
        first, flags, sequence, time_us, counter, count, cfg_id = _HEADER.unpack_from(content)
        kind = first & 15
        if first >> 4 != VERSION or kind not in SIZES:
            raise BadInputError(f"a packet opens with {first:#04x}; expected version {VERSION} and type 1, 2 or 3")
        expected = _HEADER.size + (_FRAGMENT.size if kind == STANCE else 0) + count * SIZES[kind]
        if not count or len(content) != expected:
            raise BadInputError(f"a packet of type {kind} with {count} has {len(content)} bytes, expected {expected}")
        bits = [bool(flags >> k & 1) for k in range(5)]
        return cls(kind, sequence, time_us, counter, count, cfg_id, *bits)


@dataclass(frozen=True)
class SensorPacket:
    """Raw samples: cells (n, 16) uint16 counts, imu (n, 6) int16 counts."""

    header: PacketHeader
    cells: NDArray[np.uint16]
    imu: NDArray[np.int16]

    def to_bytes(self) -> bytes:
        """Return the packet."""
        rows = np.zeros(self.header.count, dtype=_SENSOR)
        rows["cells"], rows["imu"] = self.cells, self.imu
        return self.header.to_bytes() + rows.tobytes()

    @classmethod
    def from_bytes(cls, content: bytes) -> SensorPacket:
        """Return the packet; BadInputError as :meth:`PacketHeader.from_bytes`."""
        header, rows = _rows(content, SENSOR, _SENSOR)
        return cls(header, rows["cells"].astype(np.uint16), rows["imu"].astype(np.int16))


@dataclass(frozen=True)
class SamplesPacket:
    """GRF samples: force (n, 3) in N, forward, medial and up; centre of pressure (n, 2) in mm."""

    header: PacketHeader
    force_n: NDArray[np.float64]
    cop_mm: NDArray[np.float64]

    def to_bytes(self) -> bytes:
        """Return the packet; forces are kept to 0.1 N (up: 0.2 N), places to 0.1 mm, and saturate."""
        rows = np.zeros(self.header.count, dtype=_SAMPLE)
        values = np.concatenate([self.force_n * _PER_N, self.cop_mm * _PER_MM], axis=1)
        for name, column in zip(_SAMPLE.names or (), np.clip(np.rint(values), -32768, 32767).T):
            rows[name] = column.astype(np.int16)
        return self.header.to_bytes() + rows.tobytes()

    @classmethod
    def from_bytes(cls, content: bytes) -> SamplesPacket:
        """Return the packet; BadInputError as :meth:`PacketHeader.from_bytes`."""
        header, rows = _rows(content, SAMPLES, _SAMPLE)
        columns = np.stack([rows[name].astype(np.float64) for name in _SAMPLE.names or ()], axis=1)
        return cls(header, columns[:, :3] / _PER_N, columns[:, 3:] / _PER_MM)


@dataclass(frozen=True)
class Fragment:
    """A piece of a stance's report."""

    header: PacketHeader
    stance_id: int
    fragment: int
    fragments: int
    content: bytes

    def to_bytes(self) -> bytes:
        """Return the packet."""
        return (
            self.header.to_bytes()
            + pack("a fragment's head", _FRAGMENT, self.stance_id, self.fragment, self.fragments)
            + self.content
        )

    @classmethod
    def from_bytes(cls, content: bytes) -> Fragment:
        """Return the packet.

        Raises
        ------
        BadInputError
            As :meth:`PacketHeader.from_bytes`, or if it is no fragment of a stance.
        """
        header = _of_type(content, STANCE)
        stance_id, fragment, fragments = _FRAGMENT.unpack_from(content, _HEADER.size)
        if fragment >= fragments:
            raise BadInputError(f"a stance's fragment {fragment} of {fragments} cannot be; expected 0 to fragments - 1")
        return cls(header, stance_id, fragment, fragments, bytes(content[_HEADER.size + _FRAGMENT.size :]))


@dataclass(frozen=True)
class StanceReport:
    """One contact as the device's model sees it.

    Attributes
    ----------
    model_id
        CRC-32 of the .tflite.
    contact_s
        Kept to 0.1 ms.
    axes
        Bits: 1 forward, 2 medial, 4 up.
    missed
        Samples of the stance that were missed and repeated.
    peak_bw, impulse_bw_s, braking_bw, propulsion_bw
        Of the vertical force, and the least and largest forward one; 0 where the axis is not sent.
    offset_bw, scale_bw
        Per axis sent: the force is ``offset + scale * curve``.
    curve
        Shape (points, axes sent), int8.
    """

    model_id: int
    contact_s: float
    axes: int
    missed: int
    peak_point: int
    peak_bw: float
    impulse_bw_s: float
    braking_bw: float
    propulsion_bw: float
    offset_bw: tuple[float, ...]
    scale_bw: tuple[float, ...]
    curve: NDArray[np.int8]

    @property
    def force_bw(self) -> NDArray[np.float64]:
        """Return the curves in body weights, shape (points, axes sent)."""
        return np.asarray(np.asarray(self.offset_bw) + np.asarray(self.scale_bw) * self.curve, dtype=np.float64)

    def to_bytes(self) -> bytes:
        """Return the report's bytes."""
        # int16 in 0.001 BW and 0.0001 BW s: up to 32 BW and 3.2 BW s
        features = (self.peak_bw * 1e3, self.impulse_bw_s * 1e4, self.braking_bw * 1e3, self.propulsion_bw * 1e3)
        points, sent = self.curve.shape
        if not 0 < self.axes < 8 or sent != bin(self.axes).count("1") or not 0 < points < 256:
            raise BadInputError(f"a stance of curves {self.curve.shape} and axes {self.axes} cannot be sent")
        head = pack(
            "a stance's head",
            _REPORT,
            self.model_id,
            round(self.contact_s * 1e4),
            points,
            self.axes,
            min(self.missed, 255),
            self.peak_point,
            *(int(np.clip(round(v), -32768, 32767)) for v in features),
            0,
        )
        scales = b"".join(struct.pack("<ff", o, s) for o, s in zip(self.offset_bw, self.scale_bw))
        return head + scales + np.ascontiguousarray(self.curve, dtype=np.int8).tobytes()

    @classmethod
    def from_bytes(cls, content: bytes) -> StanceReport:
        """Return the report.

        Raises
        ------
        BadInputError
            If it is not as long as its head says, or holds no axis or no finite scale.
        """
        if len(content) < _REPORT.size:
            raise BadInputError(f"a stance of {len(content)} bytes is shorter than its head of {_REPORT.size}")
        model_id, contact, points, axes, missed, where, peak, impulse, braking, propulsion, _ = _REPORT.unpack_from(
            content
        )
        sent = bin(axes).count("1")
        expected = _REPORT.size + sent * (8 + points)
        if not points or not 0 < axes < 8 or len(content) != expected:
            raise BadInputError(
                f"a stance of {points} points and axes {axes} has {len(content)} bytes, expected {expected}"
            )
        floats = struct.unpack_from(f"<{2 * sent}f", content, _REPORT.size)
        if not all(map(math.isfinite, floats)):
            raise BadInputError("a stance's offset or scale is not finite")
        curve = np.frombuffer(content, dtype=np.int8, offset=_REPORT.size + 8 * sent).reshape(points, sent)
        features = (peak / 1e3, impulse / 1e4, braking / 1e3, propulsion / 1e3)
        return cls(model_id, contact / 1e4, axes, missed, where, *features, floats[0::2], floats[1::2], curve)


def fragments(report: bytes, header: PacketHeader, stance_id: int, *, room: int) -> list[Fragment]:
    """Return a report cut into packets of at most ``room`` bytes (MTU - 3), sequence numbers counted on.

    Raises
    ------
    BadInputError
        If there is no room for a byte of it, or more than 255 packets are needed.
    """
    # the header counts a fragment's bytes in one byte
    each = min(255, room - _HEADER.size - _FRAGMENT.size)
    count = -(-len(report) // each) if each > 0 else 0
    if not 0 < count < 256:
        raise BadInputError(f"a stance of {len(report)} bytes does not fit packets of {room}")
    pieces = [report[k * each : (k + 1) * each] for k in range(count)]
    return [
        Fragment(
            PacketHeader(**{**header.__dict__, "sequence": (header.sequence + k) & 0xFFFF, "count": len(piece)}),
            stance_id,
            k,
            count,
            piece,
        )
        for k, piece in enumerate(pieces)
    ]


def joined(pieces: Sequence[Fragment]) -> StanceReport | None:
    """Return the report of one stance's fragments in any order, None while some are missing.

    Raises
    ------
    BadInputError
        If they are of different stances, or no report when joined.
    """
    by_place = {piece.fragment: piece for piece in pieces}
    # stance_id wraps at 16 bits: two of one number differ in the time of their contact
    stances = {(piece.stance_id, piece.fragments, piece.header.time_us) for piece in pieces}
    if len(stances) > 1:
        raise BadInputError(f"fragments of {len(stances)} stances were joined; join those of one stance_id")
    if not pieces or len(by_place) < pieces[0].fragments:
        return None
    return StanceReport.from_bytes(b"".join(by_place[k].content for k in sorted(by_place)))


def _of_type(content: bytes, kind: int) -> PacketHeader:
    header = PacketHeader.from_bytes(content)
    if header.type != kind:
        raise BadInputError(f"a packet is of type {header.type}, expected {kind}")
    return header


def _rows(content: bytes, kind: int, dtype: np.dtype[np.void]) -> tuple[PacketHeader, NDArray[np.void]]:
    return _of_type(content, kind), np.frombuffer(content, dtype=dtype, offset=_HEADER.size)
