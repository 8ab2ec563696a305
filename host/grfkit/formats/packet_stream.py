"""Samples of a run of packets: counters and clock unwrapped, losses counted exactly, broken packets refused.

One :class:`PacketStream` follows one insole from START to the end of the connection, live or in a recording. START sets
both sequences and the sample counter to 0, so that losses before the first packet are known too.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import BadInputError
from ..wire import SAMPLES, SENSOR, STANCE, Fragment, PacketHeader, SamplesPacket, SensorPacket, StanceReport
from .device_clock import CLOCK_DRIFT, CLOCK_RESTARTED_US, WrappedClock, nearest
from .stance_fragments import StanceFragments

SENSOR_DATA, GRF_DATA = 4, 5
"""The characteristics that carry packets (last digit of their UUID)."""
_OF = {SENSOR_DATA: (SENSOR,), GRF_DATA: (SAMPLES, STANCE)}
# Bits of the sample and packet counters in a packet
_COUNTER_BITS = 16
_TRUSTED_US = 60_000_000
"""A device's clock that differs from arrival times by more than this cannot say how often a counter wrapped."""
_SLACK_US, _SLACK_RATE = 20_000, 1e-3
"""How far time may differ from counter x period without a jump: 20 ms and a thousandth."""
_LATE_START_US = 2_000_000
"""How much longer an insole may seem to have run than since START was sent (us); chosen by hand."""
_MOST_STEPS = 64
"""Packets that may be missing between two that bear each other out; chosen by hand."""

Refusal: TypeAlias = Literal["broken", "cfg_id", "side", "characteristic", "implausible"]
"""Why a packet is refused: not parsed; of another configuration, foot or characteristic; at odds with the others."""
REFUSALS: tuple[Refusal, ...] = get_args(Refusal)


@dataclass
class PacketCounts:
    """Exact counts of what arrived and what did not.

    A packet that arrived and was refused is missing in the sequence, so it counts among the lost as well.

    Attributes
    ----------
    packets, samples
        Accepted: packets of every type; sensor samples.
    packets_lost, samples_lost
        Missing before a packet that arrived, by its sequence and its sample counter.
    packets_lost_device, samples_lost_device
        The part of these that the device says it dropped itself (flag bit 1); the rest the link lost.
    grf_samples, grf_samples_lost
        The same for GRF samples (type 2).
    stances, stances_lost
        Complete reports (type 3), and ids without a complete report.
    refused
        Packets by reason (:data:`REFUSALS`).
    repeated
        Packets that had arrived before.
    time_jumps
        Times the device's clock jumped, announced or not.
    host_sleeps
        Times the host's clock stood while the device's went on: the host slept, and its clock does not count that.
    """

    packets: int = 0
    packets_lost: int = 0
    packets_lost_device: int = 0
    samples: int = 0
    samples_lost: int = 0
    samples_lost_device: int = 0
    grf_samples: int = 0
    grf_samples_lost: int = 0
    stances: int = 0
    stances_lost: int = 0
    repeated: int = 0
    time_jumps: int = 0
    host_sleeps: int = 0
    saturated: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def to_dict(self) -> dict[str, int | dict[str, int]]:
        """Return the counts as plain numbers, the refused packets by reason; ``json.dumps`` takes it."""
        # dataclasses.asdict would rebuild the Counter from its items, and count these
        return {f.name: dict(n) if isinstance(n := getattr(self, f.name), Counter) else int(n) for f in fields(self)}

    def __add__(self, other: PacketCounts) -> PacketCounts:
        """Return the sum, as over several connections."""
        return PacketCounts(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})


@dataclass(frozen=True)
class Received:
    """Fields that every kind of packet has.

    Attributes
    ----------
    first
        Number of the first sample since START, unwrapped.
    device_us
        The device's time of it, unwrapped; it may step where ``epoch`` does.
    epoch
        One more with every jump of the device's clock, and with every sleep that the host's clock does not count.
    missing
        Samples missing just before it; ``dropped`` if the device says that it dropped them.
    """

    first: int
    device_us: int
    arrival_ns: int
    epoch: int
    missing: int
    dropped: bool
    saturated: bool
    tared: bool


@dataclass(frozen=True)
class Samples(Received):
    """Raw samples: cells (n, 16) and imu (n, 6), counts."""

    cells: NDArray[np.uint16]
    imu: NDArray[np.int16]


@dataclass(frozen=True)
class GrfSamples(Received):
    """The device's GRF: force (n, 3) in N, forward, medial and up; centre of pressure (n, 2) in mm."""

    force_n: Floats
    cop_mm: Floats


@dataclass(frozen=True)
class ReceivedStance(Received):
    """The device's report of one contact; ``first`` and ``device_us`` are those of initial contact."""

    stance_id: int
    report: StanceReport


Item: TypeAlias = Samples | GrfSamples | ReceivedStance


@dataclass(frozen=True)
class _Track:
    """Where one type's samples stand: the last packet's first sample, its length, its time and its arrival."""

    first: int
    count: int
    device_us: int
    arrival_ns: int
    jumps: int = 0
    sleeps: int = 0


@dataclass(frozen=True)
class _Place:
    """Where a packet lies: steps of the sequence since the last one, its first sample, its time."""

    step: int
    first: int
    device_us: int
    in_time: bool


class PacketStream:
    """Packets in, samples out.

    Parameters
    ----------
    cfg_id, samples_per_packet, period_us
        As START answered.
    right
        The foot, as Info states it.
    started_ns
        Host time when START was sent: the insole cannot have lost more before the first packet than it sampled since.
    clock
        The device's clock, shared with time sync; one of its own if none is given.
    """

    def __init__(
        self,
        *,
        cfg_id: int,
        samples_per_packet: int,
        period_us: int,
        right: bool,
        started_ns: int,
        clock: WrappedClock | None = None,
    ) -> None:
        self.counts = PacketCounts()
        self.clock = clock or WrappedClock()
        self._cfg_id, self._most, self._period_us, self._right = cfg_id, samples_per_packet, period_us, right
        self._started_ns = started_ns
        self._sequence: dict[int, int] = {}
        self._tracks: dict[int, _Track] = {}
        self._doubted: PacketHeader | None = None
        # the least that arrivals lie behind the device's clock, and the jumps and sleeps before it
        self._least_us: tuple[int, int, int] | None = None
        self._stances = StanceFragments()

    def take(self, content: bytes, characteristic: int, arrival_ns: int) -> Item | None:
        """Return what a packet holds; None where it is refused, came before, or completes no stance."""
        packet = self._parsed(content, characteristic)
        if packet is None:
            return None
        header = packet.header
        place = self._place(header, characteristic, arrival_ns)
        if place.step <= 0:
            self.counts.repeated += 1
            return None
        if self._implausible(header, place):
            self._refuse("implausible")
            return None
        self._count_packet(header, place.step)
        self._sequence[characteristic] = self._sequence.get(characteristic, header.sequence - place.step) + place.step
        if isinstance(packet, Fragment):
            return self._stance(packet, place, arrival_ns)
        return self._samples(packet, place, arrival_ns)

    def _parsed(self, content: bytes, characteristic: int) -> _Packet | None:
        """Return a packet of this stream; counts and drops any other."""
        try:
            header = PacketHeader.from_bytes(content)
            packet = _PARSERS[header.type].from_bytes(content)
        except BadInputError:
            self._refuse("broken")
            return None
        reasons: dict[Refusal, bool] = {
            "characteristic": header.type not in _OF.get(characteristic, ()),
            "side": header.right != self._right,
            "cfg_id": header.cfg_id != self._cfg_id,
            "implausible": header.type == SENSOR and header.count > self._most,
        }
        why = next((name for name, wrong in reasons.items() if wrong), None)
        if why is not None:
            self._refuse(why)
            return None
        return packet

    def _refuse(self, why: Refusal) -> None:
        self.counts.refused[why] += 1

    def _place(self, header: PacketHeader, characteristic: int, arrival_ns: int) -> _Place:
        """Return the place of a packet by its own counters, unwrapped with the help of the clocks."""
        device_us = self.clock.unwrapped(header.time_us, arrival_ns)
        track = self._tracks.get(SENSOR if header.type == STANCE else header.type)
        first, in_time, ahead = header.counter, True, 1
        if track is not None:
            elapsed_us = (arrival_ns - track.arrival_ns) // 1000
            device_elapsed_us = device_us - track.device_us
            # a device's clock says best how many samples went by, unless it jumped: then only arrival times are left
            if not header.time_jump and self._trusted(device_elapsed_us, elapsed_us, header, track):
                elapsed_us = device_elapsed_us
            first = self._first(header, track, elapsed_us)
            in_time = self._in_time(device_elapsed_us, first - track.first)
            ahead = (first - track.first) // self._most if header.type == SENSOR else 1
        last = self._sequence.get(characteristic)
        if last is not None:
            return _Place(nearest(header.sequence, last + ahead, bits=_COUNTER_BITS) - last, first, device_us, in_time)
        # START sets the sequence to 0, so that its first value is the number of packets that did not arrive
        before = header.sequence if self._could_miss(header.sequence, arrival_ns) else 0
        return _Place(1 + before, first, device_us, in_time)

    def _first(self, header: PacketHeader, track: _Track, elapsed_us: int) -> int:
        """Return the number of a packet's first sample, by the time since the last one; its counter has 16 bits."""
        return nearest(header.counter, track.first + round(elapsed_us / self._period_us), bits=_COUNTER_BITS)

    def _trusted(self, device_elapsed_us: int, elapsed_us: int, header: PacketHeader, track: _Track) -> bool:
        """Return whether the device's clock went on.

        One that parts from arrivals by minutes did so where its counter, which does not know of the clock, says the
        same: the host slept, or the reader stood and what the line held came late. A clock that was set has the counter
        against it.
        """
        if abs(device_elapsed_us - elapsed_us) < _TRUSTED_US:
            return True
        samples = self._first(header, track, device_elapsed_us) - track.first
        return device_elapsed_us >= 0 and self._in_time(device_elapsed_us, samples)

    def _could_miss(self, value: int, arrival_ns: int) -> bool:
        """Return whether this many can be missing before the first packet; a device may not have started at 0."""
        return value * self._period_us <= (arrival_ns - self._started_ns) / 1e3 + _LATE_START_US

    def _in_time(self, elapsed_us: int, samples: int) -> bool:
        expected_us = samples * self._period_us
        return abs(elapsed_us - expected_us) <= _SLACK_US + _SLACK_RATE * abs(expected_us)

    def _implausible(self, header: PacketHeader, place: _Place) -> bool:
        """Return whether a header contradicts the last one, and no later one confirms it."""
        track = self._tracks.get(SENSOR)
        if header.type != SENSOR or track is None:
            return False
        doubted, self._doubted = self._doubted, None
        # samples between the last packet and this one: each missing packet held one to _most of them
        went = place.first - track.first - track.count
        fits = place.step - 1 <= went <= (place.step - 1) * self._most or (header.dropped and went >= 0)
        if (fits and (place.in_time or header.time_jump)) or (doubted is not None and self._follows(doubted, header)):
            return False
        # one broken header must not move the stream, but a real jump is confirmed by the packet after it
        self._doubted = header
        return True

    def _follows(self, before: PacketHeader, header: PacketHeader) -> bool:
        steps = (header.sequence - before.sequence) & 0xFFFF
        went = (header.counter - before.counter) & 0xFFFF
        elapsed_us = (header.time_us - before.time_us) & 0xFFFFFFFF
        return 0 < steps < _MOST_STEPS and steps <= went <= steps * self._most and self._in_time(elapsed_us, went)

    def _count_packet(self, header: PacketHeader, step: int) -> None:
        self.counts.packets += 1
        self.counts.packets_lost += step - 1
        self.counts.packets_lost_device += (step - 1) * header.dropped
        self.counts.saturated += header.saturated

    def _samples(self, packet: SensorPacket | SamplesPacket, place: _Place, arrival_ns: int) -> Item:
        header, track = packet.header, self._tracks.get(packet.header.type)
        jumps, sleeps, missing = 0, 0, place.first if self._could_miss(place.first, arrival_ns) else 0
        if track is not None:
            missing = max(0, place.first - track.first - track.count)
            jumps = track.jumps + (header.time_jump or not place.in_time)
            sleeps = track.sleeps + self._host_slept(place.device_us, arrival_ns, track, jumps)
            # every type of packet meets the same jump: counted once, not for each type
            self.counts.time_jumps = max(self.counts.time_jumps, jumps)
            self.counts.host_sleeps = max(self.counts.host_sleeps, sleeps)
        self._keep_least(place.device_us, arrival_ns, jumps, sleeps)
        self.clock.keep(place.device_us, arrival_ns)
        self._tracks[header.type] = _Track(place.first, header.count, place.device_us, arrival_ns, jumps, sleeps)
        about = (place.first, place.device_us, arrival_ns, jumps + sleeps, missing, header.dropped, header.saturated)
        if isinstance(packet, SamplesPacket):
            self.counts.grf_samples += header.count
            self.counts.grf_samples_lost += missing
            return GrfSamples(*about, header.tared, packet.force_n, packet.cop_mm)
        self.counts.samples += header.count
        self.counts.samples_lost += missing
        self.counts.samples_lost_device += missing * header.dropped
        return Samples(*about, header.tared, packet.cells, packet.imu)

    def _host_slept(self, device_us: int, arrival_ns: int, track: _Track, jumps: int) -> bool:
        """Return whether a packet came earlier than any can: the host's clock stood, and the device's did not jump."""
        if self._least_us is None or self._least_us[1:] != (jumps, track.sleeps):
            return False
        elapsed_us = device_us - track.device_us
        early_us = self._least_us[0] - (arrival_ns // 1000 - device_us)
        return early_us > CLOCK_RESTARTED_US + CLOCK_DRIFT * elapsed_us

    def _keep_least(self, device_us: int, arrival_ns: int, jumps: int, sleeps: int) -> None:
        behind_us = arrival_ns // 1000 - device_us
        if (
            self._least_us is None
            or self._least_us[1:] < (jumps, sleeps)
            or (self._least_us[1:] == (jumps, sleeps) and behind_us < self._least_us[0])
        ):
            self._least_us = behind_us, jumps, sleeps

    def _stance(self, piece: Fragment, place: _Place, arrival_ns: int) -> ReceivedStance | None:
        try:
            report = self._stances.add(piece)
        except BadInputError:
            self._refuse("broken")
            return None
        if report is None:
            return None
        header, track = piece.header, self._tracks.get(SENSOR)
        self.counts.stances += 1
        self.counts.stances_lost = self._stances.lost
        epoch = track.jumps + track.sleeps if track else 0
        about = (place.first, place.device_us, arrival_ns, epoch, 0, header.dropped)
        return ReceivedStance(*about, header.saturated, header.tared, piece.stance_id, report)


_Packet: TypeAlias = SensorPacket | SamplesPacket | Fragment
_PARSERS: dict[int, type[SensorPacket] | type[SamplesPacket] | type[Fragment]] = {
    SENSOR: SensorPacket,
    SAMPLES: SamplesPacket,
    STANCE: Fragment,
}
