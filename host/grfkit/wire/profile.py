"""GRF Insole Service v1: UUIDs, Info, the running configuration and time sync; bytes <-> dataclasses, little endian.

The control point is in :mod:`grfkit.wire.control`, data packets in :mod:`grfkit.wire.packets`. A value of another
length than its own is refused, but for Info, which may grow: a reader takes the part it knows.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ..errors import BadInputError
from .packets import CELLS, HEADER_BYTES, SAMPLES, SENSOR, SIZES
from .structs import pack, unpack

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
_MOST = {SENSOR: 5, SAMPLES: 10}
"""Samples of one packet at most, by the profile."""

# major, minor, side, cells, ADC bits, ranges of acceleration and rate, model_id
_INFO = struct.Struct("<BBBBHHHI")
# cfg_id, samples per packet, rate, period
_RUNNING = struct.Struct("<BBHI")
INFO_BYTES, RUNNING_BYTES = _INFO.size, _RUNNING.size
# id and t1; the answer repeats them and adds t2 and t3
_TIME_REQUEST = struct.Struct("<BQ")
_TIME_REPLY = struct.Struct("<BQII")


def samples_per_packet(mtu: int, kind: int = SENSOR) -> int:
    """Return how many samples one packet of ``kind`` (1 sensor, 2 GRF samples) holds; 0: START answers MTU_TOO_SMALL.

    Sensor: ``min(5, floor((mtu - 3 - 12) / 44))``; GRF samples: at most 10 of 10 bytes.
    """
    room = mtu - ATT_HEADER - HEADER_BYTES
    return max(0, min(_MOST[kind], room // SIZES[kind]))


@dataclass(frozen=True)
class Info:
    """Properties of an insole: 14 bytes; a longer value is read as far as it is known.

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
    n_cells: int = CELLS
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
        return pack("Info", _INFO, *values, self.gyro_range_dps, self.model_id)

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
            raise BadInputError(f"Info has side {side}, expected 0 (left) or 1 (right)")
        if cells != CELLS or not 0 < bits <= 16 or not accel or not gyro:
            raise BadInputError(
                f"Info has {cells} cells of {bits} bits, {accel} g and {gyro} deg/s; expected {CELLS} cells of 1"
                " to 16 bits and ranges above 0"
            )
        return cls(side, cells, bits, accel, gyro, model_id, major, minor)


@dataclass(frozen=True)
class Running:
    """The answer to START: the configuration that now runs, 8 bytes.

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
        return pack("a configuration", _RUNNING, self.cfg_id, self.samples_per_packet, self.rate_hz, self.period_us)

    @classmethod
    def from_bytes(cls, content: bytes) -> Running:
        """Return the configuration.

        Raises
        ------
        BadInputError
            If it is not 8 bytes, or its samples, rate or period are 0.
        """
        running = cls(*unpack("a configuration", _RUNNING, content))
        if not (running.samples_per_packet and running.rate_hz and running.period_us):
            raise BadInputError(f"a configuration has {running}, expected samples, rate and period above 0")
        return running


@dataclass(frozen=True)
class TimeRequest:
    """The host's time request: a number that comes back, and when it was sent (us of the host's clock)."""

    id: int
    t1_us: int

    def to_bytes(self) -> bytes:
        """Return the 9 bytes."""
        return pack("a time request", _TIME_REQUEST, self.id, self.t1_us)

    @classmethod
    def from_bytes(cls, content: bytes) -> TimeRequest:
        """Return the request; BadInputError if it is not 9 bytes."""
        return cls(*unpack("a time request", _TIME_REQUEST, content))


@dataclass(frozen=True)
class TimeReply:
    """The device's answer: the request's two fields, when it came (t2) and when this left (t3), us of the device."""

    id: int
    t1_us: int
    t2_us: int
    t3_us: int

    def to_bytes(self) -> bytes:
        """Return the 17 bytes."""
        return pack("a time answer", _TIME_REPLY, self.id, self.t1_us, self.t2_us, self.t3_us)

    @classmethod
    def from_bytes(cls, content: bytes) -> TimeReply:
        """Return the answer; BadInputError if it is not 17 bytes."""
        return cls(*unpack("a time answer", _TIME_REPLY, content))
