"""Packets of a virtual insole between START and STOP: true rate, ring, losses on purpose, and the truth."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..device.link import Characteristic
from ..errors import BadInputError
from ..simulate.clocks import TrueClock
from ..wire import SENSOR, STANCE, PacketHeader, Running, SensorPacket, StanceReport, Stream, fragments
from .ring import Queued, TransmitRing
from .source import SampleSource

__all__ = ["Faults", "InsoleRun", "PacketTruth", "RunTruth", "StanceModel", "Ticks"]

_SENSOR, _GRF = int(Characteristic.SENSOR_DATA), int(Characteristic.GRF_DATA)
_IMU_ENDS = (-32768, 32767)
"""Counts of a saturated inertial sensor."""
_STANCE_PACKETS = 96
"""Room in the ring for stances beside half a second of samples; chosen by hand: ten stances of three axes in packets of
the least MTU that START takes (59), several seconds of them."""


class StanceModel(Protocol):
    """A model on the device: takes every sample, predicts stances."""

    @property
    def model_id(self) -> int:
        """Return the CRC-32 of the .tflite."""

    def push(self, cells: NDArray[np.uint16], imu: NDArray[np.int16]) -> list[tuple[float, StanceReport]]:
        """Take samples; return the stances that became known, each with its initial contact in pushed samples."""


@dataclass(frozen=True)
class Faults:
    """Faults on purpose, by seed.

    Attributes
    ----------
    loss
        Share of packets that leave the ring and never arrive.
    disconnects_s
        When the link breaks, in seconds after the first START.
    disconnect_every_s, stall_every_s
        Mean times between more of either, drawn by seed; 0: none.
    stall_s
        How long no connection event succeeds.
    """

    seed: int = 1
    loss: float = 0.0
    disconnects_s: tuple[float, ...] = ()
    disconnect_every_s: float = 0.0
    stall_every_s: float = 0.0
    stall_s: float = 0.3

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not 0 <= self.loss <= 1 or min(self.disconnect_every_s, self.stall_every_s, self.stall_s) < 0:
            raise BadInputError(f"faults {self}; expected a loss of 0 to 1 and times of 0 s or more")

    def lose(self, side: int) -> NDArray[np.bool_]:
        """Return, by sequence number, which packets are lost, shape (65536,)."""
        # drawn by sequence number beforehand: what is lost does not depend on how busy the machine is
        return np.random.default_rng([self.seed, side, 1]).random(65536) < self.loss

    def disconnect_times(self, side: int, *, until_s: float) -> list[float]:
        """Return when the link breaks (s after the first START), in order."""
        return sorted([*self.disconnects_s, *self._random_times(side, 2, self.disconnect_every_s, until_s)])

    def stall_times(self, side: int, *, until_s: float) -> list[float]:
        """Return when the link stalls (s after the first START), in order."""
        return self._random_times(side, 3, self.stall_every_s, until_s)

    def _random_times(self, side: int, kind: int, mean_s: float, until_s: float) -> list[float]:
        if not mean_s:
            return []
        gaps = np.random.default_rng([self.seed, side, kind]).exponential(mean_s, int(3 * until_s / mean_s) + 10)
        times = np.cumsum(gaps)
        return [float(t) for t in times[times < until_s]]


@dataclass(frozen=True)
class Ticks:
    """A device's time: samples and microseconds since it was switched on, against the host's monotonic clock.

    Attributes
    ----------
    epoch_s
        ``time.monotonic()`` at reference time 0.
    first_us
        What the device's 32-bit clock showed when it was switched on.
    """

    clock: TrueClock
    epoch_s: float
    first_us: int = 0

    def running_s(self, monotonic_s: float) -> float:
        """Return the device's running time."""
        return float(self.clock.t_running(np.float64(monotonic_s - self.epoch_s)))

    def monotonic_s(self, running_s: float) -> float:
        """Return when the device's running time is reached."""
        return self.epoch_s + float(self.clock.running(np.float64(running_s)))

    def stamp_us(self, running_s: float) -> int:
        """Return the device's 32-bit clock."""
        return (self.first_us + round(running_s * 1e6)) & 0xFFFFFFFF


@dataclass
class PacketTruth:
    """The fate of one characteristic's packets; each listed one as ``[sequence, first sample, samples]``."""

    attempted: int = 0
    sent: int = 0
    lost: list[tuple[int, int, int]] = field(default_factory=list)
    dropped: list[tuple[int, int, int]] = field(default_factory=list)
    unsent: list[tuple[int, int, int]] = field(default_factory=list)


@dataclass
class RunTruth:
    """The truth of one START up to its end; samples are counted since the device was switched on.

    Attributes
    ----------
    first_sample, end_sample
        Half-open range of the samples that were put into sensor packets.
    """

    cfg_id: int
    mtu: int
    rate_hz: int
    samples_per_packet: int
    first_sample: int
    started_ns: int
    end_sample: int = 0
    ended_ns: int = 0
    reason: str = ""
    sensor: PacketTruth = field(default_factory=PacketTruth)
    grf: PacketTruth = field(default_factory=PacketTruth)

    def document(self) -> dict[str, Any]:
        """Return the truth as it is written."""
        return asdict(self)


class InsoleRun:
    """One START to its end.

    Parameters
    ----------
    send
        Hands a characteristic's packet to the stack; called while ``free()`` says that an event has room.
    first_sequence, first_counter
        Where sequences and the sample counter begin with START: 0, but for tests of wraps.
    paced_here
        Sample by a timer of its own, where no connection event calls :meth:`until`.
    flat_out
        Send packets as fast as the stack takes them, not at the source's rate (to measure the stack).
    """

    def __init__(
        self,
        source: SampleSource,
        ticks: Ticks,
        running: Running,
        streams: Stream,
        *,
        mtu: int,
        ring_s: float,
        send: Callable[[int, bytes], None],
        free: Callable[[], bool],
        first_sequence: int = 0,
        first_counter: int = 0,
        lose: NDArray[np.bool_] | None = None,
        tared: bool = False,
        model: StanceModel | None = None,
        flat_out: bool = False,
        paced_here: bool = False,
    ) -> None:
        self.running, self._streams, self._mtu = running, streams, mtu
        self._source, self._ticks, self._model = source, ticks, model
        self._send, self._free = send, free
        self._sequences = {_SENSOR: first_sequence, _GRF: first_sequence}
        self._first_counter, self._lose, self._flat_out = first_counter, lose, flat_out
        self.tared, self._paced_here = tared, paced_here
        self._every = round(source.rate_hz) // running.rate_hz
        per_s = running.rate_hz / max(1, running.samples_per_packet)
        self._ring = TransmitRing(math.ceil(ring_s * per_s) + (_STANCE_PACKETS if Stream.STANCE in streams else 0))
        now = time.monotonic()
        self._sample = self._first = math.floor(ticks.running_s(now) * running.rate_hz) + 1
        self._block = running.samples_per_packet or 5
        per_packet = running.samples_per_packet
        self.truth = RunTruth(
            running.cfg_id, mtu, running.rate_hz, per_packet, self._sample, time.monotonic_ns(), self._sample
        )
        self._stances = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Return how many packets are in the ring."""
        return len(self._ring)

    def begin(self) -> None:
        """Begin to sample and send: at :meth:`until`, or by itself where the link has no events."""
        if self._flat_out or self._paced_here:
            self._task = asyncio.ensure_future(self._flat() if self._flat_out else self._pump())

    async def end(self, reason: str) -> None:
        """Stop; what waited is never sent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None
        for packet in self._ring.clear():
            self._counts(packet.characteristic).unsent.append((packet.sequence, packet.sample, packet.count))
        self.truth.end_sample, self.truth.ended_ns = self._sample, time.monotonic_ns()
        self.truth.reason = self.truth.reason or reason

    def feed(self) -> None:
        """Hand packets from the ring to the stack while there is room."""
        while len(self._ring) and self._free():
            packet = self._ring.pop()
            counts = self._counts(packet.characteristic)
            if self._lose is not None and self._lose[packet.sequence]:
                counts.lost.append((packet.sequence, packet.sample, packet.count))
                continue
            counts.sent += 1
            self._send(packet.characteristic, packet.content)

    def undelivered(self, characteristic: int, content: bytes) -> None:
        """Take back a packet that the stack had taken and never carried."""
        header = PacketHeader.from_bytes(content)
        counts = self._counts(characteristic)
        # the header's counter has 16 bits: the packet lies less than a turn before the next sample
        sample = self._sample - ((self._first_counter + self._sample - self._first - header.counter) & 0xFFFF)
        counts.sent -= 1
        counts.unsent.append((header.sequence, sample, header.count))

    def until(self, monotonic_s: float) -> None:
        """Sample up to a time, and hand over what there is room for."""
        last = self._ticks.running_s(monotonic_s) * self.running.rate_hz
        while self._sample + self._block - 1 <= last:
            self._sample_block()
        self.feed()

    async def _pump(self) -> None:
        while True:
            last = self._sample + self._block - 1
            block_end_s = self._ticks.monotonic_s(last / self.running.rate_hz)
            await asyncio.sleep(max(0.0, block_end_s - time.monotonic()))
            self.until(time.monotonic())

    async def _flat(self) -> None:
        while True:
            for _ in range(4):
                self._sample_block()
            self.feed()
            await asyncio.sleep(0)
            while len(self._ring) > self._ring.capacity - 8:
                await asyncio.sleep(0)
                self.feed()

    def _sample_block(self) -> None:
        """Sample a block, and put what is made of it into the ring."""
        first, count = self._sample, self._block
        self._sample += count
        cells, imu = self._source.rows(first, count, every=self._every)
        if Stream.SENSOR in self._streams:
            header = self._header(SENSOR, _SENSOR, first, count, cells, imu)
            self._push(Queued(_SENSOR, SensorPacket(header, cells, imu).to_bytes(), header.sequence, first, count))
        if self._model is not None and Stream.STANCE in self._streams:
            for sample, report in self._model.push(cells, imu):
                self._stance(self._first + sample, report)

    def _stance(self, contact: float, report: StanceReport) -> None:
        sample = math.floor(contact)
        header = self._header(STANCE, _GRF, sample, 1, None, None)
        header = replace(header, time_us=self._ticks.stamp_us(contact / self.running.rate_hz))
        pieces = fragments(report.to_bytes(), header, self._stances, room=self._mtu - 3)
        self._stances = (self._stances + 1) & 0xFFFF
        # a stance takes a sequence number for each fragment
        self._sequences[_GRF] = (header.sequence + len(pieces)) & 0xFFFF
        for piece in pieces:
            self._push(Queued(_GRF, piece.to_bytes(), piece.header.sequence, sample, piece.header.count))

    def _header(
        self,
        kind: int,
        characteristic: int,
        sample: int,
        count: int,
        cells: NDArray[np.uint16] | None,
        imu: NDArray[np.int16] | None,
    ) -> PacketHeader:
        sequence = self._sequences[characteristic]
        self._sequences[characteristic] = (sequence + 1) & 0xFFFF
        top = (1 << self._source.adc_bits) - 1
        full = cells is not None and imu is not None and bool((cells >= top).any() or np.isin(imu, _IMU_ENDS).any())
        return PacketHeader(
            type=kind,
            sequence=sequence,
            time_us=self._ticks.stamp_us(sample / self.running.rate_hz),
            counter=(self._first_counter + sample - self._first) & 0xFFFF,
            count=count,
            cfg_id=self.running.cfg_id,
            right=self._source.side == "right",
            saturated=full,
            tared=self.tared,
        )

    def _push(self, packet: Queued) -> None:
        self._counts(packet.characteristic).attempted += 1
        dropped = self._ring.push(packet)
        if dropped is not None:
            counts = self._counts(dropped.characteristic)
            counts.dropped.append((dropped.sequence, dropped.sample, dropped.count))

    def _counts(self, characteristic: int) -> PacketTruth:
        return self.truth.sensor if characteristic == _SENSOR else self.truth.grf
