"""GRF Insole Service v1: UUIDs, Info, control point, time sync; bytes <-> dataclasses, little endian.

What an insole sends as data (sensor packets, GRF samples and stances) is in :mod:`grfkit.wire`. Everything here that is
shorter or longer than due is refused, but Info, which may grow: a reader takes the part it knows.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import TypeAlias

from ..errors import BadInputError
from . import packets as wire

MAJOR, MINOR = 1, 0
NAME = "GRF Insole"
"""How an insole's name in the scan response starts; devices are found by :data:`SERVICE`, never by name."""


def uuid(short: int) -> str:
    """Return the UUID of one attribute of the service, lower case."""
    return f"2f7a{short:04x}-9c3e-4b1d-8a65-5d0f3e71c6b2"


SERVICE = uuid(1)
INFO = uuid(2)
"""Read."""
CONTROL_POINT = uuid(3)
"""Write with response, indicate."""
SENSOR_DATA = uuid(4)
"""Notify."""
GRF_DATA = uuid(5)
"""Notify."""
TIME_SYNC = uuid(6)
"""Write without response, notify."""
BATTERY_SERVICE = "0000180f-0000-1000-8000-00805f9b34fb"
BATTERY_LEVEL = "00002a19-0000-1000-8000-00805f9b34fb"
DEVICE_INFORMATION = "0000180a-0000-1000-8000-00805f9b34fb"

ATT_HEADER = 3
"""Bytes of an ATT notification before its value: a value holds MTU - 3."""
ACCEL_COUNTS = GYRO_COUNTS = 32768
"""Counts of the inertial sensors' full range: ``value = count / 32768 * range``."""
_HEADER_BYTES = 12
_MOST = {wire.SENSOR: 5, wire.SAMPLES: 10}

_INFO = struct.Struct("<BBBBHHHI")
_RUNNING = struct.Struct("<BBHI")
_START = struct.Struct("<BBH")
_SET = struct.Struct("<BBi")
_TIME_ASKED = struct.Struct("<BQ")
_TIME_TOLD = struct.Struct("<BQII")
_ANSWER_BIT = 0x80


class Op(IntEnum):
    """What the control point can be asked."""

    START = 1
    STOP = 2
    GET = 3
    TARE = 4
    SET = 5


class Status(IntEnum):
    """How the control point answers."""

    OK = 0
    UNKNOWN_OP = 1
    BAD_PARAMETER = 2
    MTU_TOO_SMALL = 3
    BUSY = 4


class Stream(IntFlag):
    """What START can ask for."""

    SENSOR = 1
    SAMPLES = 2
    STANCE = 4


class Key(IntEnum):
    """What SET can tell an insole."""

    MASS = 1
    """In 10 g."""
    SPEED = 2
    """In mm/s."""
    SLOPE = 3
    """In 0.01 %."""


PER_UNIT = {Key.MASS: 100.0, Key.SPEED: 1000.0, Key.SLOPE: 100.0}
"""Counts on the wire of 1 kg, 1 m/s and 1 % of slope."""


class ControlError(BadInputError):
    """A request that an insole does not take, with the status that it answers.

    Attributes
    ----------
    op
        The request's first byte, 0 where there is none.
    """

    def __init__(self, message: str, *, op: int, status: Status) -> None:
        super().__init__(message)
        self.op, self.status = op, status


def samples_per_packet(mtu: int, kind: int = wire.SENSOR) -> int:
    """Return how many samples one packet of ``kind`` (1 sensor, 2 GRF samples) holds; 0: START answers MTU_TOO_SMALL.

    Sensor: ``min(5, floor((mtu - 3 - 12) / 44))``; GRF samples: at most 10 of 10 bytes.
    """
    room = mtu - ATT_HEADER - _HEADER_BYTES
    return max(0, min(_MOST[kind], room // wire.SIZES[kind]))


@dataclass(frozen=True)
class Info:
    """What an insole is: 14 bytes; a longer value is read as far as it is known.

    Attributes
    ----------
    side
        0 left, 1 right.
    adc_bits
        Bits of a cell's count.
    accel_range_g, gyro_range_dps
        Full range of the inertial sensors.
    model_id
        CRC-32 of the .tflite on the device, 0 for none.
    """

    side: int
    n_cells: int = wire.CELLS
    adc_bits: int = 12
    accel_range_g: int = 16
    gyro_range_dps: int = 2000
    model_id: int = 0
    major: int = MAJOR
    minor: int = MINOR

    @property
    def right(self) -> bool:
        """Return whether it is the right foot's."""
        return self.side == 1

    def to_bytes(self) -> bytes:
        """Return the 14 bytes."""
        values = (self.major, self.minor, self.side, self.n_cells, self.adc_bits, self.accel_range_g)
        return _pack("Info", _INFO, *values, self.gyro_range_dps, self.model_id)

    @classmethod
    def from_bytes(cls, content: bytes) -> Info:
        """Return the Info of 14 bytes or more.

        Raises
        ------
        BadInputError
            If it is shorter, of another major version, of no foot, or of another count of cells.
        """
        if len(content) < _INFO.size:
            raise BadInputError(f"Info has {len(content)} bytes, expected {_INFO.size} or more")
        major, minor, side, cells, bits, accel, gyro, model_id = _INFO.unpack_from(content)
        if major != MAJOR:
            raise BadInputError(f"the insole speaks profile {major}.{minor}, expected {MAJOR}.x; update grfkit or it")
        if side > 1:
            raise BadInputError(f"Info tells side {side}, expected 0 (left) or 1 (right)")
        if cells != wire.CELLS or not 0 < bits <= 16 or not accel or not gyro:
            raise BadInputError(
                f"Info tells {cells} cells of {bits} bits, {accel} g and {gyro} deg/s; expected {wire.CELLS} cells of 1"
                " to 16 bits and ranges above 0"
            )
        return cls(side, cells, bits, accel, gyro, model_id, major, minor)


@dataclass(frozen=True)
class Running:
    """What START answers: the configuration that now runs, 8 bytes.

    Attributes
    ----------
    cfg_id
        Also in every packet; differs from that of the configuration before.
    samples_per_packet
        Of sensor packets.
    period_us
        Nominal time between samples.
    """

    cfg_id: int
    samples_per_packet: int
    rate_hz: int
    period_us: int

    def to_bytes(self) -> bytes:
        """Return the 8 bytes."""
        return _pack("a configuration", _RUNNING, self.cfg_id, self.samples_per_packet, self.rate_hz, self.period_us)

    @classmethod
    def from_bytes(cls, content: bytes) -> Running:
        """Return the configuration.

        Raises
        ------
        BadInputError
            If it is not 8 bytes, or tells no sample, rate or period.
        """
        running = cls(*_unpack("a configuration", _RUNNING, content))
        if not (running.samples_per_packet and running.rate_hz and running.period_us):
            raise BadInputError(f"a configuration tells {running}, expected samples, rate and period above 0")
        return running


@dataclass(frozen=True)
class Start:
    """START: streams asked for, and the rate of the samples."""

    streams: Stream
    rate_hz: int

    def to_bytes(self) -> bytes:
        """Return the request."""
        return _pack("START", _START, Op.START, self.streams, self.rate_hz)


@dataclass(frozen=True)
class Stop:
    """STOP: no more data."""

    def to_bytes(self) -> bytes:
        """Return the request."""
        return bytes([Op.STOP])


@dataclass(frozen=True)
class Get:
    """GET: Info and the running configuration."""

    def to_bytes(self) -> bytes:
        """Return the request."""
        return bytes([Op.GET])


@dataclass(frozen=True)
class Tare:
    """TARE: the unloaded cells are averaged over 100 quiet samples, then it is answered."""

    def to_bytes(self) -> bytes:
        """Return the request."""
        return bytes([Op.TARE])


@dataclass(frozen=True)
class Set:
    """SET: one thing that the insole cannot measure, in counts of :class:`Key`."""

    key: Key
    value: int

    def to_bytes(self) -> bytes:
        """Return the request."""
        return _pack("SET", _SET, Op.SET, self.key, self.value)

    @classmethod
    def of(cls, key: Key, amount: float) -> Set:
        """Return the request for an amount in kg, m/s or % of slope."""
        return cls(key, round(amount * PER_UNIT[key]))

    @property
    def amount(self) -> float:
        """Return the amount in kg, m/s or % of slope."""
        return self.value / PER_UNIT[self.key]


Request: TypeAlias = Start | Stop | Get | Tare | Set
_ALONE: dict[int, type[Stop] | type[Get] | type[Tare]] = {Op.STOP: Stop, Op.GET: Get, Op.TARE: Tare}


def parse_request(content: bytes) -> Request:
    """Return what the control point is asked; for the device's side.

    Raises
    ------
    ControlError
        With the status to answer: UNKNOWN_OP, or BAD_PARAMETER for a wrong length, no or unknown streams, a rate of 0,
        an unknown key.
    """
    op = content[0] if content else 0
    if op in _ALONE:
        _length("request", op, content, 1)
        return _ALONE[op]()
    if op == Op.START:
        _length("START", op, content, _START.size)
        _, streams, rate_hz = _START.unpack(content)
        if not 0 < streams < 8 or not rate_hz:
            raise ControlError(
                f"START of streams {streams:#04x} at {rate_hz} Hz; expected bits 0 to 2 and a rate above 0",
                op=op,
                status=Status.BAD_PARAMETER,
            )
        return Start(Stream(streams), rate_hz)
    if op == Op.SET:
        _length("SET", op, content, _SET.size)
        _, key, value = _SET.unpack(content)
        if key not in list(Key):
            raise ControlError(f"SET of key {key}, expected 1 to 3", op=op, status=Status.BAD_PARAMETER)
        return Set(Key(key), value)
    raise ControlError(f"control point request {content[:8].hex()} is unknown", op=op, status=Status.UNKNOWN_OP)


@dataclass(frozen=True)
class Answer:
    """What the control point indicates: ``0x80 | op``, status, payload."""

    op: int
    status: Status
    payload: bytes = b""

    def to_bytes(self) -> bytes:
        """Return the indication."""
        return bytes([_ANSWER_BIT | self.op, self.status]) + self.payload

    @classmethod
    def from_bytes(cls, content: bytes) -> Answer:
        """Return the answer.

        Raises
        ------
        BadInputError
            If it is no answer, or of no known status.
        """
        if len(content) < 2 or not content[0] & _ANSWER_BIT or content[1] not in list(Status):
            raise BadInputError(f"control point answered {content[:8].hex()}; expected 0x80 | op, then a status")
        return cls(content[0] & ~_ANSWER_BIT, Status(content[1]), bytes(content[2:]))


def state_to_bytes(info: Info, running: Running | None) -> bytes:
    """Return the payload of the answer to GET: Info, then 8 bytes of the running configuration, zeros for none."""
    return info.to_bytes() + (running.to_bytes() if running else bytes(_RUNNING.size))


def state_from_bytes(payload: bytes) -> tuple[Info, Running | None]:
    """Return Info, which may be longer, and the running configuration, the last 8 bytes; None when stopped.

    Raises
    ------
    BadInputError
        If either is none.
    """
    if len(payload) < _INFO.size + _RUNNING.size:
        raise BadInputError(f"GET answered {len(payload)} bytes, expected {_INFO.size + _RUNNING.size} or more")
    info, last = Info.from_bytes(payload[: -_RUNNING.size]), payload[-_RUNNING.size :]
    return info, Running.from_bytes(last) if any(last) else None


@dataclass(frozen=True)
class TimeAsked:
    """What the host writes to Time Sync: a number that comes back, and when it was sent (us of its own clock)."""

    id: int
    t1_us: int

    def to_bytes(self) -> bytes:
        """Return the 9 bytes."""
        return _pack("a time request", _TIME_ASKED, self.id, self.t1_us)

    @classmethod
    def from_bytes(cls, content: bytes) -> TimeAsked:
        """Return the request; BadInputError if it is not 9 bytes."""
        return cls(*_unpack("a time request", _TIME_ASKED, content))


@dataclass(frozen=True)
class TimeTold:
    """What the device notifies: the request's two, when it came (t2) and when this left (t3), us of the device."""

    id: int
    t1_us: int
    t2_us: int
    t3_us: int

    def to_bytes(self) -> bytes:
        """Return the 17 bytes."""
        return _pack("a time answer", _TIME_TOLD, self.id, self.t1_us, self.t2_us, self.t3_us)

    @classmethod
    def from_bytes(cls, content: bytes) -> TimeTold:
        """Return the answer; BadInputError if it is not 17 bytes."""
        return cls(*_unpack("a time answer", _TIME_TOLD, content))


def _length(what: str, op: int, content: bytes, due: int) -> None:
    if len(content) != due:
        message = f"{what} has {len(content)} bytes, expected {due}"
        raise ControlError(message, op=op, status=Status.BAD_PARAMETER)


def _unpack(what: str, layout: struct.Struct, content: bytes) -> tuple[int, ...]:
    if len(content) != layout.size:
        raise BadInputError(f"{what} has {len(content)} bytes, expected {layout.size}")
    return layout.unpack(content)


def _pack(what: str, layout: struct.Struct, *values: int) -> bytes:
    try:
        return layout.pack(*values)
    except struct.error as error:
        raise BadInputError(f"{what} of {values} does not fit its {layout.size} bytes: {error}") from error
