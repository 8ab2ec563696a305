"""The control point of the GRF Insole Service: what a host asks of an insole, and what it answers."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import TypeAlias

from ..errors import BadInputError
from .profile import INFO_BYTES, RUNNING_BYTES, Info, Running
from .structs import pack

# op, streams, rate; op, key, value
_START = struct.Struct("<BBH")
_SET = struct.Struct("<BBi")
_ANSWER_BIT = 0x80
"""Set in the first byte of an answer; the rest of that byte is the request's."""


class Op(IntEnum):
    """Requests of the control point."""

    START = 1
    STOP = 2
    GET = 3
    TARE = 4
    SET = 5


class Status(IntEnum):
    """Status in the control point's answer."""

    OK = 0
    UNKNOWN_OP = 1
    BAD_PARAMETER = 2
    MTU_TOO_SMALL = 3
    BUSY = 4


class Stream(IntFlag):
    """Streams that START can ask for."""

    SENSOR = 1
    SAMPLES = 2
    STANCE = 4


class SettingKey(IntEnum):
    """Values that SET sends to an insole."""

    MASS = 1
    """In 10 g."""
    SPEED = 2
    """In mm/s."""
    SLOPE = 3
    """In 0.01 %."""


PER_UNIT = {SettingKey.MASS: 100.0, SettingKey.SPEED: 1000.0, SettingKey.SLOPE: 100.0}
"""Counts on the wire of 1 kg, 1 m/s and 1 % of slope."""


class ControlError(BadInputError):
    """A request that an insole refuses, with the status of its answer.

    Attributes
    ----------
    op
        The request's first byte, 0 where there is none.
    """

    def __init__(self, message: str, *, op: int, status: Status) -> None:
        super().__init__(message)
        self.op, self.status = op, status


@dataclass(frozen=True)
class Start:
    """START: the streams requested, and the rate of the samples."""

    streams: Stream
    rate_hz: int

    def to_bytes(self) -> bytes:
        """Return the request."""
        return pack("START", _START, Op.START, self.streams, self.rate_hz)


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
    """SET: one thing that the insole cannot measure, in counts of :class:`SettingKey`."""

    key: SettingKey
    value: int

    def to_bytes(self) -> bytes:
        """Return the request."""
        return pack("SET", _SET, Op.SET, self.key, self.value)

    @classmethod
    def of(cls, key: SettingKey, amount: float) -> Set:
        """Return the request for an amount in kg, m/s or % of slope."""
        return cls(key, round(amount * PER_UNIT[key]))

    @property
    def amount(self) -> float:
        """Return the amount in kg, m/s or % of slope."""
        return self.value / PER_UNIT[self.key]


Request: TypeAlias = Start | Stop | Get | Tare | Set
_ALONE: dict[int, type[Stop] | type[Get] | type[Tare]] = {Op.STOP: Stop, Op.GET: Get, Op.TARE: Tare}


def parse_request(content: bytes) -> Request:
    """Return the request that these bytes are; for the device's side.

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
        if key not in list(SettingKey):
            raise ControlError(f"SET of key {key}, expected 1 to 3", op=op, status=Status.BAD_PARAMETER)
        return Set(SettingKey(key), value)
    raise ControlError(f"control point request {content[:8].hex()} is unknown", op=op, status=Status.UNKNOWN_OP)


@dataclass(frozen=True)
class Answer:
    """An answer of the control point: ``0x80 | op``, status, payload."""

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
            If it is no answer, or its status is unknown.
        """
        if len(content) < 2 or not content[0] & _ANSWER_BIT or content[1] not in list(Status):
            raise BadInputError(f"control point answered {content[:8].hex()}; expected 0x80 | op, then a status")
        return cls(content[0] & ~_ANSWER_BIT, Status(content[1]), bytes(content[2:]))


def state_to_bytes(info: Info, running: Running | None) -> bytes:
    """Return the payload of the answer to GET: Info, then 8 bytes of the running configuration, zeros for none."""
    return info.to_bytes() + (running.to_bytes() if running else bytes(RUNNING_BYTES))


def state_from_bytes(payload: bytes) -> tuple[Info, Running | None]:
    """Return Info, which may be longer, and the running configuration, the last 8 bytes; None when stopped.

    Raises
    ------
    BadInputError
        If either is none.
    """
    if len(payload) < INFO_BYTES + RUNNING_BYTES:
        raise BadInputError(f"GET answered {len(payload)} bytes, expected {INFO_BYTES + RUNNING_BYTES} or more")
    # counted from the end: Info may grow in a later minor version
    info, last = Info.from_bytes(payload[:-RUNNING_BYTES]), payload[-RUNNING_BYTES:]
    return info, Running.from_bytes(last) if any(last) else None


def _length(what: str, op: int, content: bytes, expected: int) -> None:
    if len(content) != expected:
        message = f"{what} has {len(content)} bytes, expected {expected}"
        raise ControlError(message, op=op, status=Status.BAD_PARAMETER)
