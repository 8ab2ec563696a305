"""Packets to samples: whatever is lost, doubled, wrapped or broken, the counts are the truth's."""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grfkit import wire
from grfkit.device.link import Characteristic, Exchange, ReceivedPacket
from grfkit.device.session import GrfSamples, ReceivedStance, Samples, Session, samples_between
from grfkit.wire import Info, Running

PERIOD_US = 5000
RUNNING = Running(cfg_id=7, samples_per_packet=5, rate_hz=200, period_us=PERIOD_US)
START_NS = 1_000_000_000_000


@dataclass
class Device:
    """A device that counts as the profile says, from any point of its clock."""

    clock_us: int = 0
    number: int = 1
    cfg_id: int = 7
    right: bool = False
    sequence: int = 0
    counter: int = 0
    sent: list[ReceivedPacket] = field(default_factory=list)

    def packet(self, count: int = 5, **flags: bool) -> ReceivedPacket:
        """Return the next packet; ``arrival`` is 10 ms after its last sample."""
        header = wire.PacketHeader(
            wire.SENSOR,
            self.sequence & 0xFFFF,
            (self.clock_us + self.counter * PERIOD_US) & 0xFFFFFFFF,
            self.counter & 0xFFFF,
            count,
            self.cfg_id,
            right=self.right,
            **flags,
        )
        cells = np.full((count, 16), self.counter & 0x3FF, dtype=np.uint16)
        content = wire.SensorPacket(header, cells, np.zeros((count, 6), np.int16)).to_bytes()
        self.sequence += 1
        self.counter += count
        return self._arrived(content, Characteristic.SENSOR_DATA)

    def skip(self, packets: int = 0, samples: int = 0) -> None:
        """Lose packets, or samples that were never packed."""
        self.sequence += packets
        self.counter += 5 * packets + samples

    def _arrived(self, content: bytes, where: Characteristic) -> ReceivedPacket:
        at = START_NS + (self.counter * PERIOD_US + 10_000) * 1000
        return ReceivedPacket(content, where, at, self.number)


def session(**about: int) -> Session:
    return Session(number=about.get("number", 1), info=Info(0), running=RUNNING, started_ns=START_NS)


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("sent"), st.integers(1, 12)),
        st.tuples(st.just("lost"), st.integers(1, 90000)),
        st.tuples(st.just("dropped"), st.integers(1, 400)),
        st.tuples(st.just("unpacked"), st.integers(1, 20000)),
        st.tuples(st.just("again"), st.integers(1, 5)),
        st.tuples(st.just("broken"), st.integers(0, 400)),
        st.tuples(st.just("stale"), st.integers(0, 3)),
    ),
    max_size=12,
)


@settings(max_examples=80, deadline=None)
@given(EVENTS, st.integers(0, 2**32 - 1))
def test_any_pattern_of_losses_is_counted_exactly(events: list[tuple[str, int]], clock_us: int) -> None:
    device, taken = Device(clock_us), session()
    due = {"packets": 0, "lost": 0, "lost_device": 0, "samples": 0, "gap": 0, "gap_device": 0, "again": 0, "broken": 0}
    pending, pending_gap, by_device, stale, firsts = 0, 0, False, 0, []
    kept: list[ReceivedPacket] = []
    for what, amount in events:
        if not kept and what in ("lost", "unpacked"):
            amount = min(amount, 400)  # nothing tells how often a counter wrapped before the first packet
        if what == "lost":
            device.skip(packets=amount)
            pending, pending_gap = pending + amount, pending_gap + 5 * amount
        elif what == "dropped":
            device.skip(packets=amount)
            pending, pending_gap, by_device = pending + amount, pending_gap + 5 * amount, True
        elif what == "unpacked":
            device.skip(samples=amount)
            pending_gap, by_device = pending_gap + amount, True
        elif what == "sent":
            for _ in range(amount):
                flags = {"dropped": True} if by_device else {}
                arrived = device.packet(**flags)
                placed = taken.take(arrived)
                assert placed is not None
                assert isinstance(placed.item, Samples)
                assert placed.item.missing == pending_gap
                firsts.append((placed.item.first, placed.item.device_us))
                due["packets"] += 1
                due["samples"] += 5
                due["lost"] += pending
                due["gap"] += pending_gap
                due["lost_device"] += pending * by_device
                due["gap_device"] += pending_gap * by_device
                pending, pending_gap, by_device = 0, 0, False
                kept.append(arrived)
        elif what == "again":
            for one in kept[-amount:]:
                late = ReceivedPacket(one.content, one.characteristic, one.arrival_ns + 30_000_000, 1)
                assert taken.take(late) is None
                due["again"] += 1
        elif what == "broken" and kept:
            content = kept[-1].content
            cut = content[: amount % len(content)] if amount % 2 else content + b"\0"
            assert taken.take(ReceivedPacket(cut, Characteristic.SENSOR_DATA, kept[-1].arrival_ns, 1)) is None
            due["broken"] += 1
        elif what == "stale" and kept:
            assert (
                taken.take(
                    ReceivedPacket(kept[-1].content, Characteristic.SENSOR_DATA, kept[-1].arrival_ns, amount + 2)
                )
                is None
            )
            stale += 1
    counts = taken.counts
    assert (counts.packets, counts.packets_lost, counts.packets_lost_device) == (
        due["packets"],
        due["lost"],
        due["lost_device"],
    )
    assert (counts.samples, counts.samples_lost, counts.samples_lost_device) == (
        due["samples"],
        due["gap"],
        due["gap_device"],
    )
    assert counts.repeated == due["again"]
    assert counts.refused["broken"] == due["broken"]
    assert counts.refused["implausible"] == 0
    assert taken.stale == stale
    assert counts.time_jumps == 0
    if firsts:
        steps = np.diff(np.asarray(firsts, dtype=float), axis=0)
        assert np.all(steps[:, 1] == steps[:, 0] * PERIOD_US), "time and counter unwrap together"


@pytest.mark.parametrize("lost", [1, 3, 13106, 13107, 13108, 65535, 65536, 65537])
def test_a_gap_of_any_length_is_known_to_the_sample(lost: int) -> None:
    device, taken = Device(clock_us=2**32 - 40_000), session()
    for _ in range(3):
        taken.take(device.packet())
    device.skip(packets=lost)
    placed = taken.take(device.packet())
    assert placed is not None
    assert taken.counts.packets_lost == lost
    assert taken.counts.samples_lost == 5 * lost


def test_what_is_missing_before_the_first_packet_counts_but_not_what_cannot_be() -> None:
    device, taken = Device(), session()
    device.skip(packets=4)
    taken.take(device.packet())
    assert (taken.counts.packets_lost, taken.counts.samples_lost) == (4, 20)
    runs_on, taken = Device(sequence=40000), session()
    first = runs_on.packet()
    taken.take(ReceivedPacket(first.content, first.characteristic, START_NS + 60_000_000, 1))
    taken.take(runs_on.packet())
    assert (taken.counts.packets, taken.counts.packets_lost, taken.counts.samples_lost) == (2, 0, 0)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 12 * 8 - 1), st.integers(1, 30))
def test_a_flipped_bit_of_the_header_makes_no_loss(bit: int, before: int) -> None:
    """A flip in type, count, cfg_id, sequence or counter is refused; one in a flag or of a few ms is not seen."""
    device, taken = Device(clock_us=1 << 31), session()
    for _ in range(before):
        taken.take(device.packet())
    good = device.packet()
    broken = bytearray(good.content)
    broken[bit // 8] ^= 1 << bit % 8
    flipped = taken.take(ReceivedPacket(bytes(broken), good.characteristic, good.arrival_ns, 1))
    for _ in range(3):
        assert taken.take(device.packet()) is not None
    counts = taken.counts
    seen = counts.refused.total() + counts.repeated
    assert seen == (flipped is None)
    assert counts.packets_lost == seen
    assert counts.samples_lost == 5 * seen
    unseen = 8 < bit < 16 or 32 <= bit < 47
    assert flipped is None or unseen
    assert counts.packets + seen == before + 4


def test_what_is_of_another_configuration_foot_or_place_is_refused_by_name() -> None:
    device, taken = Device(), session()
    taken.take(device.packet())
    wrong = Device(cfg_id=6, sequence=1, counter=5)
    assert taken.take(wrong.packet()) is None
    other = Device(right=True, sequence=1, counter=5)
    assert taken.take(other.packet()) is None
    misplaced = device.packet()
    assert taken.take(ReceivedPacket(misplaced.content, Characteristic.GRF_DATA, misplaced.arrival_ns, 1)) is None
    assert dict(taken.counts.refused) == {"cfg_id": 1, "side": 1, "characteristic": 1}


def test_a_header_that_two_packets_agree_on_is_believed() -> None:
    device, taken = Device(), session()
    for _ in range(3):
        taken.take(device.packet())
    device.skip(samples=37)  # the device dropped samples and did not say so
    assert taken.take(device.packet()) is None
    placed = taken.take(device.packet())
    assert placed is not None
    assert placed.item.missing == 37 + 5
    assert taken.counts.samples_lost == 42
    assert taken.counts.refused == {"implausible": 1}


@pytest.mark.parametrize("told", [True, False])
def test_a_jump_of_the_clock_starts_a_new_epoch_and_time_goes_on(told: bool) -> None:
    device, taken = Device(clock_us=50_000_000), session()
    ends = []
    for _ in range(40):
        placed = taken.take(device.packet())
        assert placed is not None
        ends.append(placed.host_s[-1])
    device.clock_us -= 30_000_000
    placed = taken.take(device.packet(time_jump=True) if told else device.packet())
    placed = placed or taken.take(device.packet())
    assert placed is not None
    assert placed.item.epoch == 1
    assert taken.counts.time_jumps == 1
    assert 0 < placed.host_s[0] - ends[-1] < 0.04
    assert taken.counts.samples_lost == (0 if told else 5)


def test_grf_samples_and_stances_share_a_sequence_and_lose_apart() -> None:
    taken = session()
    report = wire.StanceReport(9, 0.25, 4, 0, 40, 2.4, 0.3, 0.0, 0.0, (0.0,), (0.01,), np.zeros((101, 1), np.int8))
    rows = (np.ones((10, 3)), np.ones((10, 2)))
    sequence, at, got = 0, START_NS + 60_000_000, []
    for k in range(6):
        header = wire.PacketHeader(wire.SAMPLES, sequence, 50_000 * k, 10 * k, 10, 7)
        if k != 3:
            got.append(
                taken.take(ReceivedPacket(wire.SamplesPacket(header, *rows).to_bytes(), Characteristic.GRF_DATA, at, 1))
            )
        sequence, at = sequence + 1, at + 50_000_000
        pieces = wire.fragments(
            report.to_bytes(), wire.PacketHeader(wire.STANCE, sequence, 50_000 * k, 10 * k, 1, 7), k, room=61
        )
        sequence += len(pieces)
        for piece in pieces:
            if k == 2 and piece.fragment == 1:
                continue
            got.append(taken.take(ReceivedPacket(piece.to_bytes(), Characteristic.GRF_DATA, at, 1)))
    items = [placed.item for placed in got if placed]
    stances = [item for item in items if isinstance(item, ReceivedStance)]
    assert [s.stance_id for s in stances] == [0, 1, 3, 4, 5]
    assert sum(isinstance(item, GrfSamples) for item in items) == 5
    counts = taken.counts
    assert (counts.grf_samples, counts.grf_samples_lost) == (50, 10)
    assert (counts.stances, counts.stances_lost, counts.packets_lost) == (5, 1, 2)


def test_over_a_reconnection_the_gap_is_known_to_the_sample() -> None:
    before, after = Device(clock_us=2**32 - 1_000_000), Device(clock_us=0, number=2)
    first, second = session(), session(number=2)
    for _ in range(10):
        first.take(before.packet())
    after.clock_us = (before.clock_us + (before.counter + 777) * PERIOD_US) & 0xFFFFFFFF
    shift = (before.counter + 777) * PERIOD_US * 1000
    after.skip(packets=2)
    late = after.packet()
    second.take(ReceivedPacket(late.content, late.characteristic, late.arrival_ns + shift + 40_000_000, 2))
    assert isinstance(first.last, Samples)
    assert isinstance(second.first, Samples)
    assert samples_between(first.last, second.first, period_us=PERIOD_US) == 777
    assert second.counts.samples_lost == 10
    assert (first.counts + second.counts).packets == 11


def test_a_time_sync_places_the_first_samples() -> None:
    """4 ms either way on air; packets arrive 10 ms late, which must not shift them."""
    exchanges = tuple(
        Exchange(
            START_NS - k * 10**8,
            5_000_000 - k * 10**5 + 4000,
            5_000_000 - k * 10**5 + 4300,
            START_NS - k * 10**8 + 8_300_000,
        )
        for k in range(5, 0, -1)
    )
    taken = Session(number=1, info=Info(0), running=RUNNING, started_ns=START_NS, exchanges=exchanges)
    placed = taken.take(Device(clock_us=5_000_000).packet())
    assert placed is not None
    assert placed.host_s[0] == pytest.approx(START_NS * 1e-9, abs=1e-6)
    assert placed.uncertainty_ms == pytest.approx(4.0, abs=0.2)


@pytest.mark.slow
def test_a_day_of_packets_leaves_memory_as_it_was() -> None:
    """24 h of five samples every 1.25 s: the clock wraps 20 times, the samples five times, the sequence once."""
    running = Running(7, 5, 4, 250_000)
    taken = Session(number=1, info=Info(0), running=running, started_ns=START_NS)
    header = wire.PacketHeader(wire.SENSOR, 0, 0, 0, 5, 7)
    content = bytearray(wire.SensorPacket(header, np.zeros((5, 16), np.uint16), np.zeros((5, 6), np.int16)).to_bytes())
    packets, sizes, last = 24 * 2880, [], 0.0
    for k in range(packets):
        struct.pack_into("<HIH", content, 2, k & 0xFFFF, k * 1_250_000 & 0xFFFFFFFF, 5 * k & 0xFFFF)
        if k % 1000 == 17:
            continue
        arrival_ns = START_NS + (k + 1) * 1_250_025_000
        placed = taken.take(ReceivedPacket(bytes(content), Characteristic.SENSOR_DATA, arrival_ns, 1))
        assert placed is not None
        assert placed.host_s[0] > last
        last = placed.host_s[-1]
        if k % 8640 == 8639:
            sizes.append(len(pickle.dumps(taken)))
    lost = len(range(17, packets, 1000))
    assert (taken.counts.packets, taken.counts.packets_lost) == (packets - lost, lost)
    assert taken.counts.samples_lost == 5 * lost
    assert max(sizes[1:]) < 1.1 * sizes[0]
    assert taken.clock.drift_ppm == pytest.approx(20.0, abs=0.5)
