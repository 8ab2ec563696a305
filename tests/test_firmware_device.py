"""The C of a whole insole: two calls instead of one, packets that wait, the service byte for byte, and a host on it."""

from __future__ import annotations

import asyncio
import shutil
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("bumble")
pytest.importorskip("bleak")

from firmware_c import need, need_compiler
from firmware_insole import CONTROL_POINT, GRF_DATA, SENSOR_DATA, TIME_SYNC, CInsole, FirmwareInsole, library_of
from grfkit import wire
from grfkit.device.ble import Adapter, BleLink
from grfkit.device.link import LinkRefused
from grfkit.embedded.compile import RUNTIME
from grfkit.embedded.made_up_foot import made_up_foot
from grfkit.runtime.bundle_files import read_manifest
from grfkit.simulate.clocks import TrueClock
from grfkit.virtual import testbed
from grfkit.virtual.insole import VirtualInsole
from grfkit.virtual.link_model import LinkSettings, ModelLink
from grfkit.virtual.ring import Queued, TransmitRing
from grfkit.virtual.source import SampleSource, phantom
from grfkit.virtual.stance import OnDeviceModel
from grfkit.virtual.stream import Ticks
from grfkit.virtual.testbed import InsoleTestBed
from grfkit.wire import Info, Op, SettingKey, Stream

BUNDLE = RUNTIME.parent / "bilstm_simulated"
NAME = BUNDLE.name
START = wire.Start(Stream.SENSOR | Stream.STANCE, 100).to_bytes()
STANCES = wire.Start(Stream.STANCE, 100).to_bytes()


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped bundle, sampled at 100 Hz."""
    return library_of(BUNDLE, NAME, tmp_path_factory.mktemp("c") / "insole.so", rate_hz=100)


class Radio:
    """A radio that takes what its ``room`` says, and keeps what it took."""

    def __init__(self) -> None:
        self.taken: list[tuple[int, bytes]] = []
        self.refused = 0
        self.deaf = False
        self.room = lambda: True

    def send(self, characteristic: int, value: bytes) -> bool:
        if characteristic in (SENSOR_DATA, GRF_DATA) and not self.room():
            self.refused += 1
            return False
        self.taken.append((characteristic, value))
        return True

    def of(self, characteristic: int) -> list[bytes]:
        return [value for what, value in self.taken if what == characteristic]


def started(library: Path, tmp_path: Path, request: bytes = STANCES, *, mtu: int = 247, left: bool = True):
    """Return an insole that runs, of a library of its own, and its radio."""
    copy = tmp_path / f"{len(list(tmp_path.iterdir()))}.so"
    shutil.copy(library, copy)
    radio = Radio()
    insole = CInsole(copy, radio.send)
    insole.begin(left=left)
    insole.mtu(mtu)
    insole.written(CONTROL_POINT, request)
    insole.delivered()
    return insole, radio


def reports(packets: list[bytes]) -> list[wire.StanceReport]:
    """Return the reports of fragments in order."""
    pieces: dict[int, list[wire.Fragment]] = {}
    for packet in packets:
        piece = wire.Fragment.from_bytes(packet)
        pieces.setdefault(piece.stance_id, []).append(piece)
    joined = [wire.joined(one) for one in pieces.values()]
    assert None not in joined
    return [one for one in joined if one is not None]


def walk(insole: CInsole, *, work_every: int = 1, after: int = 0) -> None:
    """Push the made-up foot; ``work`` is called ``after`` samples after one that said so, and each ``work_every``."""
    cells, imu, missed = made_up_foot(100.0)
    due = -1
    for k, (row, moved, gone) in enumerate(zip(cells, imu, missed)):
        more = insole.miss(k * 10_000) if gone else insole.sample(row, moved, k * 10_000)
        due = k + after if more and due < 0 else due
        if k == due or (work_every > 1 and k % work_every == 0):
            insole.work()
            due = -1
    insole.work()


def python_reports(rate_hz: int, cells: np.ndarray, imu: np.ndarray, missed: np.ndarray, *, left: bool) -> list[Any]:
    """Return what the Python twin makes of samples: take and answer apart."""
    need("tflite_micro")
    source = SampleSource("left" if left else "right", float(rate_hz), cells, imu)
    run = OnDeviceModel(BUNDLE, "tflm")(source, rate_hz, {})
    waiting = []
    for row, moved, gone in zip(cells, imu, missed):
        if gone:
            waiting += run.miss(1)
        else:
            waiting += run.take(row[None], moved[None])
    return [(cut.start, run.answer(cut)) for cut in waiting]


# Two calls


@pytest.mark.parametrize("after", [0, 1, 6, 25])
def test_the_model_may_answer_many_samples_after_the_stance_ended(library: Path, tmp_path: Path, after: int) -> None:
    """Samples that come in between move the ring, the levels and the detector, and no byte of the report."""
    at_once, one = started(library, tmp_path)
    walk(at_once)
    later, other = started(library, tmp_path)
    walk(later, after=after)
    assert len(reports(one.of(GRF_DATA))) == 8
    assert other.of(GRF_DATA) == one.of(GRF_DATA)


def test_both_twins_answer_the_same_bytes_in_two_calls(library: Path, tmp_path: Path) -> None:
    insole, radio = started(library, tmp_path)
    walk(insole, after=6)
    due = python_reports(100, *made_up_foot(100.0), left=True)
    sent = reports(radio.of(GRF_DATA))
    assert len(sent) == len(due) == 8
    for (start, report), found, packet in zip(due, sent, radio.of(GRF_DATA)[::2]):
        assert (found.curve == report.curve).all()
        assert (round(found.contact_s * 1e4), found.missed, found.offset_bw) == (
            round(report.contact_s * 1e4),
            report.missed,
            report.offset_bw,
        )
        header = wire.PacketHeader.from_bytes(packet)
        assert header.counter == int(np.floor(start)), "the sample at or before initial contact"
        assert abs(header.time_us - start * 10_000) <= 40, (
            "a hundredth of a sample, from a time of initial contact / 256"
        )


def test_a_stance_that_ends_while_another_waits_changes_nothing_of_it(library: Path, tmp_path: Path) -> None:
    """A model that never gets its turn: the first stance goes out as it was, the others are not sent."""
    at_once, one = started(library, tmp_path)
    walk(at_once)
    starved, other = started(library, tmp_path)
    walk(starved, after=10_000)
    assert other.of(GRF_DATA) == one.of(GRF_DATA)[:2]


# Packets that wait


def test_a_failed_notification_keeps_the_stance_for_the_next(library: Path, tmp_path: Path) -> None:
    """The radio takes nothing but every seventh offer: all packets come, once and in order."""
    free, one = started(library, tmp_path)
    walk(free)
    insole, radio = started(library, tmp_path)
    offers = iter(range(1_000_000))
    radio.room = lambda: next(offers) % 7 == 6
    walk(insole, work_every=2)
    while insole.work():
        pass
    assert radio.refused > 50
    assert radio.of(GRF_DATA) == one.of(GRF_DATA)


def test_what_comes_too_many_goes_from_the_front_and_is_flagged(library: Path, tmp_path: Path) -> None:
    """16 packets wait and one is offered: of 40 the rest is lost, which the next one says."""
    insole, radio = started(library, tmp_path, wire.Start(Stream.SENSOR, 100).to_bytes())
    radio.room = lambda: False
    row, moved = np.full(16, 700, np.uint16), np.zeros(6, np.int16)
    for k in range(200):
        insole.sample(row, moved, k * 10_000)
        insole.work()
    radio.room = lambda: True
    assert not insole.work()
    headers = [wire.PacketHeader.from_bytes(p) for p in radio.of(SENSOR_DATA)]
    assert [h.sequence for h in headers] == [0, *range(24, 40)]
    assert [h.dropped for h in headers] == [False, True, *[False] * 15]
    assert [h.counter for h in headers] == [5 * h.sequence for h in headers]
    assert [h.time_us for h in headers] == [50_000 * h.sequence for h in headers]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=120))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_ring_is_the_virtual_insoles(library: Path, tmp_path: Path, turns: list[tuple[bool, int]]) -> None:
    """Against TransmitRing, whatever the order of packets and of room."""
    insole, radio = started(library, tmp_path, wire.Start(Stream.SENSOR, 100).to_bytes())
    ring, expected, leaving, number = TransmitRing(16), [], None, 0
    row, moved = np.full(16, 700, np.uint16), np.zeros(6, np.int16)
    for packet, room in turns:
        for k in range(5 if packet else 0):
            insole.sample(row, moved, number * 50_000 + k * 10_000)
        if packet:
            ring.push(Queued(SENSOR_DATA, bytes([0x11, 0]), number, 0, 5))
            number += 1
        left = [room]

        def take(left: list[int] = left) -> bool:
            left[0] -= 1
            return left[0] >= 0

        radio.room = take
        insole.work()
        for _ in range(room + 1):
            # the one on offer is out of the ring
            leaving = leaving or (ring.pop() if len(ring) else None)
            if leaving is not None and _ < room:
                expected.append((leaving.sequence, leaving.content[1]))
                leaving = None
    sent = [wire.PacketHeader.from_bytes(p) for p in radio.of(SENSOR_DATA)]
    assert [(h.sequence, 2 * h.dropped) for h in sent] == expected


@pytest.mark.parametrize(("mtu", "samples", "pieces"), [(247, 5, 2), (517, 5, 2), (185, 3, 3), (103, 2, 5), (62, 1, 9)])
def test_room_follows_the_mtu(library: Path, tmp_path: Path, mtu: int, samples: int, pieces: int) -> None:
    """Also of a stance: 347 bytes in values of MTU - 3, 244 at most."""
    insole, radio = started(library, tmp_path, START, mtu=mtu)
    walk(insole)
    answer = wire.Answer.from_bytes(radio.of(CONTROL_POINT)[0])
    assert wire.Running.from_bytes(answer.payload).samples_per_packet == samples
    stances = radio.of(GRF_DATA)
    assert len(reports(stances)) == 8
    assert len(stances) == 8 * pieces
    data = [*radio.of(SENSOR_DATA), *stances]
    assert max(map(len, data)) <= min(mtu - 3, 244)
    assert max(map(len, stances)) == min(mtu - 3, 244, 16 + 347)


def test_below_the_least_mtu_start_is_refused_and_nothing_is_sent(library: Path, tmp_path: Path) -> None:
    insole, radio = started(library, tmp_path, START, mtu=58)
    walk(insole)
    assert radio.taken == [(CONTROL_POINT, bytes([0x81, 3]))]


def test_a_missed_sample_ends_its_packet_and_shows_in_the_counter(library: Path, tmp_path: Path) -> None:
    insole, radio = started(library, tmp_path, wire.Start(Stream.SENSOR, 50).to_bytes())
    row, moved = np.arange(16, dtype=np.uint16), np.arange(6, dtype=np.int16) - 3
    row[3], moved[0] = 4095, 32767
    for k in range(40):
        insole.miss(k * 10_000) if k == 14 else insole.sample(row, moved, k * 10_000)
    insole.work()
    packets = [wire.SensorPacket.from_bytes(p) for p in radio.of(SENSOR_DATA)]
    assert [(p.header.counter, p.header.count) for p in packets] == [(0, 5), (5, 2), (8, 5), (13, 5)]
    assert [p.header.time_us for p in packets] == [0, 100_000, 160_000, 260_000]
    assert all(p.header.saturated and not p.header.right for p in packets)
    assert (packets[2].cells == row).all()
    assert (packets[2].imu == moved).all()


def test_start_begins_anew_and_stop_sends_nothing_more(library: Path, tmp_path: Path) -> None:
    """A stance that waits when the link breaks is of no later run."""
    insole, radio = started(library, tmp_path)
    radio.room = lambda: False
    walk(insole, after=3)
    insole.disconnected()
    radio.room = lambda: True
    assert not insole.work()
    assert not radio.of(GRF_DATA)
    fresh, other = started(library, tmp_path)
    walk(fresh)
    insole.mtu(247)
    insole.written(CONTROL_POINT, STANCES)
    insole.delivered()
    walk(insole)
    changed = [packet[:11] + bytes([1]) + packet[12:] for packet in radio.of(GRF_DATA)]
    assert changed == other.of(GRF_DATA), "but for the configuration's number"
    assert radio.of(GRF_DATA)[0][11] == 2
    insole.written(CONTROL_POINT, bytes([Op.STOP]))
    count = len(radio.taken)
    walk(insole)
    assert len(radio.taken) == count


# The service, byte for byte


@pytest.fixture(scope="module")
def model() -> OnDeviceModel:
    """The shipped bundle for the virtual insole in Python."""
    need("tflite_micro")
    return OnDeviceModel(BUNDLE, "tflm")


class Connected:
    """The virtual insole's own control point in Python, without a link."""

    def __init__(self, model: OnDeviceModel) -> None:
        flat = SampleSource("right", 100.0, np.full((400, 16), 40, np.uint16), np.zeros((400, 6), np.int16))
        told = read_manifest(BUNDLE)
        self.insole = VirtualInsole(
            flat, Ticks(TrueClock(0.0, 0.0), 0.0), ModelLink(LinkSettings()), model=model, model_id=told.model_id
        )
        self.runs = False
        self.told: list[bytes] = []

        async def indicate(_connection: Any, content: bytes) -> bool:
            self.told.append(content)
            return True

        self.insole._server.indicate = indicate  # type: ignore[method-assign]
        self.insole._run = lambda configured, *_: setattr(self, "runs", configured)  # type: ignore[method-assign]
        self.insole._end_run = self._end  # type: ignore[method-assign]

    async def _end(self, _reason: str) -> None:
        self.runs = False

    async def answer(self, content: bytes, mtu: int) -> bytes:
        self.told.clear()
        kind = type(self.insole)
        connection = SimpleNamespace(att_mtu=mtu)
        self.insole._server.connection = connection  # type: ignore[assignment]
        running = SimpleNamespace(running=self.runs) if self.runs else None
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kind, "running", property(lambda _: running))
            await self.insole._answer(connection, content)  # type: ignore[arg-type]
        return self.told[0]


REQUESTS = st.one_of(
    st.binary(max_size=8),
    st.tuples(st.integers(0, 9), st.integers(0, 400)).map(lambda a: struct.pack("<BBH", 1, *a)),
    st.tuples(st.sampled_from([1, 4, 5, 5]), st.sampled_from([10, 20, 25, 50, 100])).map(
        lambda a: struct.pack("<BBH", 1, *a)
    ),
    st.tuples(st.integers(0, 4), st.integers(-30_000, 30_000)).map(lambda a: struct.pack("<BBi", 5, *a)),
    st.integers(-(2**31), 2**31 - 1).map(lambda a: struct.pack("<BBi", 5, 3, a)),
    st.sampled_from([bytes([2]), bytes([3]), bytes([2, 0]), bytes([3, 1]), b"", bytes([0x81]), bytes([4, 4])]),
)


@given(st.lists(st.tuples(REQUESTS, st.sampled_from([23, 24, 58, 59, 103, 247, 517])), min_size=1, max_size=12))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_control_point_answers_as_the_virtual_insole(
    library: Path, tmp_path: Path, model: OnDeviceModel, requests: list[tuple[bytes, int]]
) -> None:
    """Any bytes at any MTU, in any order: the same answer, and the same configuration runs."""
    insole, radio = started(library, tmp_path, bytes([Op.STOP]), left=False)
    radio.taken.clear()

    async def both() -> None:
        python = Connected(model)
        for content, mtu in requests:
            insole.mtu(mtu)
            insole.written(CONTROL_POINT, content)
            assert radio.of(CONTROL_POINT)[-1] == await python.answer(content, mtu), content.hex()
            insole.delivered()

    asyncio.run(both())
    assert len(radio.taken) == len(requests)
    for path in tmp_path.iterdir():
        path.unlink()


def test_info_is_the_profiles(library: Path, tmp_path: Path) -> None:
    for left in (True, False):
        insole, _ = started(library, tmp_path, left=left)
        assert insole.info() == Info(int(not left), model_id=read_manifest(BUNDLE).model_id).to_bytes()


def test_a_tare_waits_for_quiet_samples_and_is_busy_meanwhile(library: Path, tmp_path: Path) -> None:
    """A step of 20 counts is quiet at 12 bits, 21 is not (0.5 % of 4096 is 20.48)."""
    insole, radio = started(library, tmp_path, wire.Start(Stream.SENSOR, 100).to_bytes())
    radio.taken.clear()
    insole.written(CONTROL_POINT, bytes([Op.TARE]))
    assert not radio.taken
    moved = np.zeros(6, np.int16)
    for step in (21, 20):
        for k in range(101 if step == 21 else 100):
            assert not radio.of(CONTROL_POINT), (step, k)
            insole.sample(np.full(16, 500 + step * (k % 2), np.uint16), moved, k)
            insole.work()
        if step == 21:
            insole.written(CONTROL_POINT, wire.Set.of(SettingKey.MASS, 70.0).to_bytes())
            assert radio.of(CONTROL_POINT) == [bytes([0x85, 4])]
            insole.written(CONTROL_POINT, bytes([Op.GET]))
            assert radio.of(CONTROL_POINT)[1][:2] == bytes([0x83, 0])
            radio.taken.clear()
    assert radio.of(CONTROL_POINT) == [bytes([0x84, 0])]
    for k in range(10):
        insole.sample(np.full(16, 500, np.uint16), moved, k)
    insole.work()
    flags = [wire.PacketHeader.from_bytes(p).tared for p in radio.of(SENSOR_DATA)]
    assert (flags[0], flags[-1]) == (False, True)


def test_a_start_whose_answer_never_left_does_not_begin_with_the_next_answer(library: Path, tmp_path: Path) -> None:
    radio = Radio()
    honest, radio.deaf = radio.send, True
    copy = tmp_path / "deaf.so"
    shutil.copy(library, copy)
    insole = CInsole(copy, lambda what, value: not radio.deaf and honest(what, value))
    insole.begin(left=True)
    insole.mtu(247)
    insole.written(CONTROL_POINT, wire.Start(Stream.SENSOR, 100).to_bytes())
    radio.deaf = False
    insole.written(CONTROL_POINT, bytes([Op.GET]))
    insole.delivered()
    walk(insole)
    assert [value[:2] for value in radio.of(CONTROL_POINT)] == [bytes([0x83, 0])]
    assert not radio.of(SENSOR_DATA)
    insole.written(CONTROL_POINT, wire.Start(Stream.SENSOR, 100).to_bytes())
    insole.delivered()
    walk(insole)
    assert radio.of(SENSOR_DATA)


def test_a_time_reply_repeats_the_request_and_bears_both_times(library: Path, tmp_path: Path) -> None:
    """t3 is taken when the reply is sent, again where it was refused the first time."""
    copy, now, room, sent = tmp_path / "x.so", [70], [False], []
    shutil.copy(library, copy)

    def send(characteristic: int, value: bytes) -> bool:
        if room[0]:
            sent.append((characteristic, value))
        return room[0]

    insole = CInsole(copy, send, lambda: now[0])
    insole.begin(left=True)
    request = wire.TimeRequest(9, 2**63 + 5)
    insole.written(TIME_SYNC, request.to_bytes() + b"\0", 1)
    insole.written(TIME_SYNC, request.to_bytes(), 2**32 - 3)
    assert insole.work()
    now[0], room[0] = 12_345, True
    assert not insole.work()
    assert sent == [(TIME_SYNC, wire.TimeReply(9, 2**63 + 5, 2**32 - 3, 12_345).to_bytes())]


# A host on it


@pytest.fixture
def firmware(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Every insole that a test bed adds answers with a C library of its own, sampled at the phantom's 200 Hz."""
    built = library_of(BUNDLE, NAME, tmp_path / "insole.so", rate_hz=200)

    def make(*arguments: Any, **more: Any) -> FirmwareInsole:
        copy = tmp_path / f"insole_{len(list(tmp_path.iterdir()))}.so"
        shutil.copy(built, copy)
        kind = type("Firmware", (FirmwareInsole,), {"library": copy})
        return kind(*arguments, **more)

    monkeypatch.setattr(testbed, "VirtualInsole", make)


def test_a_host_gets_samples_stances_and_time_from_the_c_behind_the_virtual_insole(firmware: None) -> None:
    """Connect, SET, time sync, START, samples as the source's, stances as the Python twin's; then a broken link."""
    need_compiler()
    need("tflite_micro")
    runner = phantom(seed=2, duration_s=12.0)

    async def host() -> tuple[Any, ...]:
        async with InsoleTestBed(lead_s=-2.0) as bed:
            source = runner.sources["left"]
            insole = await bed.add(source)
            adapter = Adapter.on(await bed.radio())
            (found,) = await adapter.find(1)
            link = BleLink(adapter, found)
            info = await link.connect()
            await link.set(SettingKey.MASS, 70.0)
            with pytest.raises(LinkRefused):
                await link.set(SettingKey.MASS, 5.0)
            exchanges = [await link.time_sync() for _ in range(4)]
            running = await link.start(Stream.SENSOR | Stream.STANCE, 200)
            packets = []
            stances = 0
            async for packet in link.packets():
                packets.append(packet)
                stances += packet.content[0] & 15 == 3
                if stances >= 6:
                    break
            state = await link.state()
            await link.stop()
            await insole.disconnect()
            await link.close()
            again = BleLink(adapter, found)
            await again.connect()
            second = await again.start(Stream.SENSOR, 100)
            first = await anext(aiter(again.packets()))
            await again.close()
            return source, insole, info, exchanges, running, packets, state, second, first

    source, _, info, exchanges, running, packets, state, second, first = asyncio.run(asyncio.wait_for(host(), 60))
    assert info == Info(0, model_id=read_manifest(BUNDLE).model_id)
    assert (running.cfg_id, running.rate_hz, running.period_us, running.samples_per_packet) == (1, 200, 5000, 5)
    assert state == (info, running)
    assert (second.cfg_id, second.rate_hz) == (2, 100)
    assert wire.PacketHeader.from_bytes(first.content).counter == 0
    for one in exchanges:
        assert 0 <= (one.t3_us - one.t2_us) % 2**32 < 100_000
    sensor = [wire.SensorPacket.from_bytes(p.content) for p in packets if p.content[0] & 15 == 1]
    assert [p.header.sequence for p in sensor] == list(range(len(sensor)))
    cells, imu = np.concatenate([p.cells for p in sensor]), np.concatenate([p.imu for p in sensor])
    start = round(sensor[0].header.time_us * 200 / 1e6)
    due_cells, due_imu = source.rows(start, len(cells))
    assert (cells == due_cells).all()
    assert (imu == due_imu).all()
    stances = [p.content for p in packets if p.content[0] & 15 == 3]
    run = OnDeviceModel(BUNDLE, "tflm")(source, 200, {})
    expected = run.push(cells, imu)
    sent = reports(stances[: len(stances) // 2 * 2])
    assert len(sent) >= 3
    for (at, report), found, packet in zip(expected, sent, stances[::2]):
        assert (found.curve == report.curve).all()
        assert found.contact_s == pytest.approx(report.contact_s, abs=1e-9)
        assert wire.PacketHeader.from_bytes(packet).counter == int(np.floor(at))
