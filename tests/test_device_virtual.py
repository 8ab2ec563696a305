"""The virtual insole itself: its ring, its link, its faults, its time, what it measures, and the model it runs."""

from __future__ import annotations

import asyncio
import math
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("bumble")
pytest.importorskip("bleak")

from bumble import hci
from bumble.core import PhysicalTransport

from grfkit import wire
from grfkit.device.ble import Adapter, BleLink
from grfkit.device.link import Characteristic, LinkRefused
from grfkit.device.session import Session
from grfkit.embedded.insole import CELLS, IMU
from grfkit.embedded.int8_input import int8_channel
from grfkit.errors import BadInputError
from grfkit.estimation.detector import COUNTS
from grfkit.runtime.manifest import Axis, Column, Detector, Tensor
from grfkit.simulate.clocks import TrueClock
from grfkit.units import G
from grfkit.virtual import stance as virtual_stance
from grfkit.virtual.insole import InsoleSettings
from grfkit.virtual.link_model import LinkSettings, ModelLink
from grfkit.virtual.ring import Queued, TransmitRing
from grfkit.virtual.run import InsoleRequest, clocks_of
from grfkit.virtual.source import Phantom, SampleSource, imu_counts, phantom
from grfkit.virtual.stream import Faults, InsoleRun, Ticks
from grfkit.virtual.testbed import InsoleTestBed
from grfkit.wire import Running, SettingKey, Status, Stream

SENSOR = int(Characteristic.SENSOR_DATA)


def packet(sequence: int, characteristic: int = SENSOR) -> Queued:
    return Queued(characteristic, bytes([0x11, 0, sequence & 0xFF, 0]), sequence, sequence * 5, 5)


@given(st.integers(1, 30), st.lists(st.booleans(), max_size=200))
def test_a_ring_keeps_order_drops_the_oldest_and_flags_what_follows(capacity: int, pushes: list[bool]) -> None:
    """Against a list that is cut from the front; the flag is on the first packet after a drop, on no other."""
    ring, model, number, dropped = TransmitRing(capacity), [], 0, []
    flag = False
    for push in pushes:
        if push:
            gone = ring.push(packet(number))
            model.append(number)
            number += 1
            if len(model) > capacity:
                assert gone is not None
                dropped.append(gone.sequence)
                assert dropped[-1] == model.pop(0)
                flag = True
            else:
                assert gone is None
        elif model:
            left = ring.pop()
            assert left.sequence == model.pop(0)
            assert bool(left.content[1] & 2) == flag
            flag = False
        assert len(ring) == len(model)
    assert dropped == sorted(dropped)
    assert [one.sequence for one in ring.clear()] == model
    assert len(ring) == 0


def test_a_drop_is_told_on_its_own_characteristic() -> None:
    ring = TransmitRing(2)
    for one in (packet(1, 4), packet(7, 5), packet(2, 4)):
        ring.push(one)
    assert [(p.characteristic, p.content[1]) for p in (ring.pop(), ring.pop())] == [(5, 0), (4, 2)]


@pytest.mark.parametrize(
    "options", [{"interval_ms": 7.0}, {"interval_ms": 5000.0}, {"pdus_per_event": 0}, {"pdu_bytes": 252}]
)
def test_no_link_is_like_that(options: dict[str, Any]) -> None:
    with pytest.raises(BadInputError, match="expected"):
        LinkSettings(**options)


def test_a_frame_takes_as_many_pdus_as_it_fills() -> None:
    assert [LinkSettings().pdus(n) for n in (1, 251, 252)] == [1, 1, 2]
    assert LinkSettings(pdu_bytes=27).pdus(239) == 9


@pytest.mark.parametrize("within", [False, True], ids=["before the event", "in the event"])
def test_no_packet_is_stamped_later_than_it_leaves(within: bool) -> None:
    """A process that was busy past an event carries it out late, and what is handed over then leaves at once."""
    own, peer = hci.Address("F6:47:52:46:01:01"), hci.Address("F6:47:52:46:00:01")
    frame, left, told = bytes(20), [], []
    sender: Any = SimpleNamespace(le_connections={peer: SimpleNamespace(self_address=own)})

    async def late() -> None:
        link = ModelLink(LinkSettings(45.0))
        link.find_le_controller = lambda _: SimpleNamespace(  # type: ignore[method-assign,assignment,return-value]
            on_link_acl_data=lambda *_: left.append(time.monotonic())
        )

        def hand_over() -> None:
            told.append((time.monotonic(), link.leaves_at(own)))
            link.send_acl_data(sender, peer, PhysicalTransport.LE, frame)

        def event(_due_s: float) -> None:
            if within and len(left) == 1 and not told:
                hand_over()

        link.send_acl_data(sender, peer, PhysicalTransport.LE, frame)
        link.before_events(own, event)
        while not left:
            await asyncio.sleep(0.001)
        time.sleep(0.06)
        if not within:
            hand_over()
        while len(left) < 2:
            await asyncio.sleep(0.001)
        link.before_events(own, None)
        link.forget(own, peer)

    asyncio.run(asyncio.wait_for(late(), 20))
    ((handed_s, said_s),) = told
    assert handed_s <= said_s <= left[1]


def test_faults_follow_the_seed_and_their_rate() -> None:
    one, same, other = Faults(seed=1, loss=0.1), Faults(seed=1, loss=0.1), Faults(seed=2, loss=0.1)
    assert (one.lose(0) == same.lose(0)).all()
    assert (one.lose(0) != other.lose(0)).any()
    assert (one.lose(0) != one.lose(1)).any(), "each foot loses its own"
    assert one.lose(0).mean() == pytest.approx(0.1, abs=4 * math.sqrt(0.09 / 65536))
    times = Faults(disconnects_s=(5.0,), disconnect_every_s=60.0).disconnect_times(0, until_s=36_000.0)
    assert times == sorted(times)
    assert 5.0 in times
    assert len(times) == pytest.approx(600, abs=100)
    assert not Faults().stall_times(0, until_s=1e5)
    with pytest.raises(BadInputError, match="0 to 1"):
        Faults(loss=1.5)


@given(st.floats(0, 5000), st.floats(-200, 200), st.integers(0, 2**32 - 1))
def test_ticks_turn_both_ways_and_wrap(running_s: float, drift_ppm: float, first_us: int) -> None:
    ticks = Ticks(TrueClock(0.0, drift_ppm, sinusoid_ppm=3.0), epoch_s=1e5, first_us=first_us)
    there = ticks.monotonic_s(running_s)
    assert ticks.running_s(there) == pytest.approx(running_s, abs=1e-6)
    assert there - 1e5 == pytest.approx(running_s * (1 + drift_ppm * 1e-6), abs=1e-3)
    assert ticks.stamp_us(running_s) == (first_us + round(running_s * 1e6)) % 2**32


def test_a_ring_holds_half_a_second_whatever_the_rate() -> None:
    """As many packets as half a second makes wait without loss; the next drops the first."""
    for rate, each in ((200, 5), (200, 1), (100, 3), (20, 5)):
        sent: list[bytes] = []
        source = SampleSource("left", 200.0, np.zeros((200, 16), np.uint16), np.zeros((200, 6), np.int16))
        ticks = Ticks(TrueClock(0.0, 0.0), time.monotonic())
        run = InsoleRun(
            source,
            ticks,
            Running(1, each, rate, 1_000_000 // rate),
            Stream.SENSOR,
            mtu=247,
            ring_s=0.5,
            send=lambda _, content, sent=sent: sent.append(content),
            free=lambda: False,
        )
        first = run.truth.first_sample
        run.until(ticks.monotonic_s((first + rate // 2 - 1) / rate))
        assert not run.truth.sensor.dropped
        assert run.truth.sensor.attempted == rate // 2 // each
        run.until(ticks.monotonic_s((first + rate * 2) / rate))
        assert run.truth.sensor.dropped
        assert run.waiting >= rate / 2 / each
        assert not sent


def test_samples_are_the_sources_at_each_rate() -> None:
    cells = np.arange(400 * 16, dtype=np.uint16).reshape(400, 16)
    source = SampleSource("right", 200.0, cells, np.zeros((400, 6), np.int16), loops=True)
    assert (source.rows(3, 4, every=2)[0] == cells[[6, 8, 10, 12]]).all()
    assert (source.rows(399, 2)[0] == cells[[399, 0]]).all()
    held = SampleSource("right", 200.0, cells, np.zeros((400, 6), np.int16), loops=False)
    assert (held.rows(399, 3)[0] == cells[[399, 399, 399]]).all()
    with pytest.raises(BadInputError, match=r"expected \(n, 16\)"):
        SampleSource("left", 200.0, cells[:, :3], np.zeros((400, 6), np.int16))


def test_inertial_counts_are_full_range_over_32768_and_saturate() -> None:
    motion = np.asarray([[G, -16 * G, 40 * G, 0.0, math.radians(1000), math.radians(-4000)]])
    assert imu_counts(motion).tolist() == [[2048, -32768, 32767, 0, 16384, -32768]]


def test_clocks_differ_between_feet_and_stay_within_what_crystals_do() -> None:
    clocks = clocks_of(InsoleRequest(seed=3))
    assert clocks["left"] != clocks["right"]
    assert clocks == clocks_of(InsoleRequest(seed=3))
    assert all(abs(one.drift_ppm) <= 40 and one.sinusoid_ppm == 3 for one in clocks.values())
    asked = clocks_of(InsoleRequest(drift_ppm=50))
    assert (asked["left"].drift_ppm, asked["right"].drift_ppm) == (50, -50)


@pytest.fixture(scope="module")
def runner() -> Phantom:
    """A runner whose left insole's crystal is slow by 400 ppm."""
    clocks = {"left": TrueClock(0.0, 400.0), "right": TrueClock(0.0, 0.0)}
    return phantom(seed=2, duration_s=12.0, clocks=clocks)


def test_a_phantom_loads_each_foot_when_the_world_says_so(runner: Phantom) -> None:
    """Cells' sum is high in the middle of that foot's contacts and low in its flights."""
    world = runner.trial.truth.world
    for side, source in runner.sources.items():
        load = source.cells.sum(axis=1).astype(float)
        own = [k for k in range(world.steps.onset_s.size) if world.steps.left[k] == (side == "left")]
        middle = np.asarray([world.steps.onset_s[k] + world.steps.contact_s[k] / 2 for k in own])
        inside = (middle > 0.5) & (middle < 11.5)
        stance = load[np.rint(middle[inside] * 200).astype(int)]
        flight = load[np.rint((middle[inside][:-1] + np.diff(middle[inside]) / 2) * 200).astype(int)]
        assert stance.min() > 2 * flight.max()
        assert source.cells.max() < 4096
        assert source.duration_s == pytest.approx(12.0, abs=0.01)
        assert (source.imu != 0).any()


def test_a_phantoms_plate_is_written_as_c3d(runner: Phantom, tmp_path: Path) -> None:
    from grfkit.io import read

    runner.write_plate(tmp_path / "plate.c3d")
    plates = read(tmp_path / "plate.c3d")
    up = np.sum([np.abs(s["fz"].values) for s in plates.streams.values() if "fz" in s], axis=0)
    assert up.mean() == pytest.approx(runner.mass_kg * G, rel=0.1), "over many steps the plate carries the weight"


class Engine:
    """An int8 network that answers its input's first three columns, whatever they are."""

    def run(self, values: np.ndarray) -> np.ndarray:
        return np.asarray(values[:, :, :3], dtype=np.int8)


def manifest(**other: Any) -> SimpleNamespace:
    """A manifest of what an insole can run: all cells and the IMU, contact time beside them, at 100 Hz."""
    names = [*CELLS, *IMU]
    units = ["count"] * 16 + ["m/s^2"] * 3 + ["rad/s"] * 3
    columns = [_column("channel", n, u, n == "acc_y") for n, u in zip(names, units)]
    columns.append(_column("static", "contact_s", "s", False))
    settings = {
        "smooth_shift": 0, "block_shift": 4, "high_shift": 5, "low_shift": 7, "on_q8": 38, "off_q8": 38,
        "confirm_on": 1, "confirm_off": 3, "warmup": 150, "bridge": 2, "least_span": 64,
    }  # fmt: skip
    buffer = {
        "channels": 22, "capacity": 63, "points": 101, "shortest": 8, "longest": 50, "most_missed": 2,
        "smooth_shift": 0,
    }  # fmt: skip
    told: dict[str, Any] = {
        "model_id": 0xABCD1234,
        "window": "stance",
        "points": 101,
        "cells": "as recorded",
        "imu_lowpass_hz": 0.0,
        "force_unit": "BW",
        "input": Tensor(shape=(1, 101, 23), dtype="int8", scale=0.5, zero_point=-3),
        "output": Tensor(shape=(1, 101, 3), dtype="int8", scale=0.01, zero_point=5),
        "axes": (Axis(name="vgrf", centre=1.2, size=2.0), Axis(name="apgrf", centre=0.1, size=0.5),
                 Axis(name="mlgrf", centre=0.0, size=-0.2)),
        "detector": Detector(rate_hz=100.0, source="insole", contacts=settings, buffer=buffer),
        "columns": tuple(columns),
    }  # fmt: skip
    told.update(other)
    made = SimpleNamespace(**told)
    made.of_role = lambda role: tuple(c for c in made.columns if c.role == role)
    return made


def _column(role: Any, name: str, unit: str, turned: bool, size: float = 10.0) -> Column:
    step = COUNTS.get(unit, 1.0)
    integers = int8_channel(centre=0.0, size=size / step, scale=0.5, zero=-3)
    return Column(
        role=role, name=name, unit=unit, centre=0.0, size=size, unit_per_count=step, turned_on_left=turned,
        **{k: v for k, v in vars(integers).items() if k != "points"},
    )  # fmt: skip


@pytest.fixture
def maker(monkeypatch: pytest.MonkeyPatch) -> Any:
    from grfkit.runtime.bundle import Bundle

    told = manifest()

    def loaded(folder: Path, _backend: str) -> Bundle:
        return Bundle(folder, told, Engine())  # type: ignore[arg-type]

    monkeypatch.setattr(virtual_stance, "load_bundle", loaded)
    return lambda **other: (told.__dict__.update(other), virtual_stance.OnDeviceModel(Path("a")))[1]


def test_the_device_finds_the_worlds_contacts_and_answers_each(maker: Any, runner: Phantom) -> None:
    """Initial contact and contact time of every stance after the warm-up, within two samples at 100 Hz and a bias."""
    world = runner.trial.truth.world
    for side, source in runner.sources.items():
        model = maker()(source, 200, {})
        found = [one for k in range(0, 2400, 5) for one in model.push(*source.rows(k, 5))]
        own = [k for k in range(world.steps.onset_s.size) if world.steps.left[k] == (side == "left")]
        clock = runner.clocks[side]
        onset = clock.t_running(world.steps.onset_s[own])
        off = clock.t_running(world.steps.onset_s[own] + world.steps.contact_s[own])
        due = (onset > 2.5) & (off < 11.0)
        starts = np.asarray([sample / 200 for sample, _ in found])
        nearest = [int(np.argmin(np.abs(starts - one))) for one in onset[due]]
        assert np.abs(starts[nearest] - onset[due]).max() < 0.025
        lasted = np.asarray([found[k][1].contact_s for k in nearest])
        assert np.abs(lasted - (off - onset)[due]).max() < 0.06
        assert len(set(nearest)) == due.sum()
        assert all(report.model_id == 0xABCD1234 and report.curve.shape == (101, 3) for _, report in found)


def test_a_left_foots_lateral_channel_is_turned_and_a_rights_is_not(maker: Any) -> None:
    row = np.zeros((1, 6), np.int16)
    for side, sign in (("left", -1.0), ("right", 1.0)):
        source = SampleSource(side, 200.0, np.zeros((9, 16), np.uint16), np.zeros((9, 6), np.int16))  # type: ignore[arg-type]
        model = maker()(source, 100, {})
        assert model._sign[IMU.index("acc_y") + 16] == sign
        assert np.count_nonzero(model._sign < 0) == (side == "left")
        assert model._unit[16] == pytest.approx(16 * G / 32768)
        assert not model.push(np.zeros((1, 16), np.uint16), row)


def test_a_report_holds_the_networks_bytes_in_body_weights() -> None:
    """Force by the manifest's own arithmetic, axes in the wire's order, features from that force."""
    rng = np.random.default_rng(4)
    stored = rng.integers(-128, 128, (101, 3)).astype(np.int8)
    told: Any = manifest()
    report = virtual_stance.report_of(told, stored, contact_s=0.25, missed=1, mass_kg=math.nan)
    up, forward, medial = ((stored[:, k].astype(float) - 5) * 0.01 * a.size + a.centre for k, a in enumerate(told.axes))
    assert np.allclose(report.force_bw, np.stack([forward, medial, up], axis=1), atol=1e-6)
    assert report.axes == 7
    assert report.peak_point == int(np.argmax(up))
    assert report.peak_bw == pytest.approx(up.max())
    area = ((up[1:] + up[:-1]) / 2).sum() * 0.0025
    assert report.impulse_bw_s == pytest.approx(area, abs=1e-6)
    assert (report.braking_bw, report.propulsion_bw) == (pytest.approx(forward.min()), pytest.approx(forward.max()))
    again = wire.StanceReport.from_bytes(report.to_bytes())
    assert (again.curve == report.curve).all()
    newtons: Any = manifest(force_unit="N")
    heavier = virtual_stance.report_of(newtons, stored, contact_s=0.25, missed=0, mass_kg=2 / G)
    assert np.allclose(heavier.force_bw, report.force_bw / 2, atol=1e-6)


def test_a_network_of_newtons_waits_for_the_mass(maker: Any, runner: Phantom) -> None:
    source = runner.sources["right"]
    told: dict[SettingKey, float] = {}
    model = maker(force_unit="N")(source, 200, told)
    assert not [one for k in range(0, 1200, 5) for one in model.push(*source.rows(k, 5))]
    told[SettingKey.MASS] = 70.0
    assert [one for k in range(1200, 2000, 5) for one in model.push(*source.rows(k, 5))]


def test_relative_cells_wait_for_three_steps_and_do_not_know_the_insoles_gain(maker: Any, runner: Phantom) -> None:
    """Counts times two and a constant more on each cell give the same answers."""
    source = runner.sources["right"]
    columns = tuple(
        _column("channel", c.name, "relative", False, 0.005) if c.unit == "count" else c for c in manifest().columns
    )
    answers = []
    for gain, offset in ((1, 0), (2, 100)):
        model = maker(cells="relative", columns=columns)(source, 200, {})
        cells = (source.cells.astype(np.int64) * gain + offset).astype(np.uint16)
        answers.append([o for k in range(0, 2400, 5) for o in model.push(cells[k : k + 5], source.imu[k : k + 5])])
    plain = maker(cells="as recorded", columns=manifest().columns)(source, 200, {})
    every = [one for k in range(0, 2400, 5) for one in plain.push(*source.rows(k, 5))]
    assert len(every) - len(answers[0]) in (2, 3)
    assert [s for s, _ in answers[0]] == pytest.approx([s for s, _ in answers[1]], abs=1.0)
    apart = [np.abs(a[1].curve.astype(int) - b[1].curve.astype(int)).max() for a, b in zip(*answers)]
    assert np.median(apart) <= 2
    assert max(np.ptp(report.curve) for _, report in answers[0]) > 20, "the cells are seen at all"


def test_what_a_device_takes_for_levels_and_steps_is_near_the_whole_recordings(maker: Any, runner: Phantom) -> None:
    """After 12 s, against percentile and median over all of them as a training takes them."""
    columns = tuple(
        _column("channel", c.name, "relative", False, 0.005) if c.unit == "count" else c for c in manifest().columns
    )
    for source in runner.sources.values():
        model = maker(cells="relative", columns=columns)(source, 200, {})
        cuts = model.cuts(*source.rows(0, 2400))
        cells, _ = source.rows(0, 1200, every=2)  # the model's detector works at 100 Hz
        level = np.percentile(cells, 2, axis=0)
        load = (cells - level).sum(axis=1)
        spans = [c.start / 2 + np.linspace(0, 100 * c.contact_s, 101) for c in cuts]
        peak = np.median([load[int(at[0]) : int(at[-1]) + 1].max() for at in spans])
        last, index = cuts[-1], np.arange(len(cells))
        due = np.stack([np.interp(spans[-1], index, (cells[:, k] - level[k]) / peak) for k in range(16)], axis=1)
        assert np.sqrt(((last.window[:, :16] - due) ** 2).mean()) < 0.01 * due.max()
        assert due.max() > 0.05


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"window": "continuous"}, "an insole cuts stances"),
        ({"detector": None}, "an insole cuts stances"),
        ({"columns": (_column("channel", "cop_y", "m", True),)}, "takes 'cop_y' in m"),
        ({"columns": (_column("channel", "cell_01", "N", False),)}, "takes 'cell_01' in N"),
        ({"columns": (_column("static", "age", "year", False),)}, "does not know"),
    ],
)
def test_a_bundle_that_no_insole_can_run_is_refused(maker: Any, other: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        maker(**other)


def test_a_rate_that_the_detector_does_not_divide_is_refused(maker: Any) -> None:
    source = SampleSource("left", 200.0, np.zeros((9, 16), np.uint16), np.zeros((9, 6), np.int16))
    with pytest.raises(BadInputError, match="no multiple"):
        maker()(source, 50, {})


def test_stances_of_the_device_arrive_whole_with_their_time(maker: Any, runner: Phantom) -> None:
    """Over GATT at an MTU of 247 and of 64; the model's id in Info and in every report; refused without a model."""

    async def once(room: InsoleTestBed, adapter: Adapter, mtu: int) -> None:
        made = maker()
        insole = await room.add(runner.sources["right"], InsoleSettings(mtu=mtu), model=made, model_id=made.model_id)
        (found,) = await adapter.find(1, address=insole.settings.address)
        link = BleLink(adapter, found)
        info = await link.connect()
        assert info.model_id == 0xABCD1234
        with pytest.raises(LinkRefused) as refused:
            await link.start(Stream.SENSOR | Stream.STANCE, 50)
        assert refused.value.status is Status.BAD_PARAMETER
        with pytest.raises(LinkRefused):
            await link.start(Stream.SAMPLES, 200)
        await link.set(SettingKey.MASS, 70.5)
        assert insole.set_values[SettingKey.MASS] == 70.5
        session = Session(
            number=1,
            info=info,
            running=await link.start(Stream.SENSOR | Stream.STANCE, 200),
            started_ns=time.monotonic_ns(),
        )
        held = []

        async def take() -> None:
            async for one in link.packets():
                held.append((one, session.take(one)))

        task = asyncio.ensure_future(take())
        until = time.monotonic() + 12.0
        while session.counts.stances < 2 and time.monotonic() < until:
            await asyncio.sleep(0.1)
        await link.close()
        await task
        stances = [placed for _, placed in held if placed is not None and hasattr(placed.item, "report")]
        assert len(stances) >= 2
        assert session.counts.stances == len(stances)
        assert not session.counts.refused
        assert session.counts.packets_lost == 0
        for placed in stances:
            assert placed.item.report.model_id == 0xABCD1234
            assert 0.08 <= placed.host_s[1] - placed.host_s[0] <= 0.5
        assert insole.runs[-1].truth.grf.sent >= len(stances)

    async def both() -> None:
        async with InsoleTestBed(LinkSettings(7.5, pdus_per_event=4)) as room:
            adapter = Adapter.on(await room.radio())
            await asyncio.gather(once(room, adapter, 247), once(room, adapter, 64))
            await adapter.close()

    asyncio.run(asyncio.wait_for(both(), 30))


def test_tare_waits_for_quiet_samples_flags_them_and_is_busy_meanwhile() -> None:
    """Loud for 0.4 s, then still: TARE answers 100 still samples later, and START meanwhile is answered busy."""
    cells = np.full((4000, 16), 50, np.uint16)
    source = SampleSource("left", 200.0, cells, np.zeros((4000, 6), np.int16))

    async def work() -> None:
        async with InsoleTestBed(LinkSettings(7.5, pdus_per_event=4)) as room:
            insole = await room.add(source)
            adapter = Adapter.on(await room.radio())
            (found,) = await adapter.find(1)
            link = BleLink(adapter, found)
            await link.connect()
            now = int(insole.ticks.running_s(time.monotonic()) * 200)
            cells[now : now + 120 : 2] = 900
            began = time.monotonic()
            await link.tare()
            took_s = time.monotonic() - began
            assert 0.45 < took_s - 0.2 < 1.5
            await link.start(Stream.SENSOR, 200)
            packets = link.packets()
            first = wire.PacketHeader.from_bytes((await packets.__anext__()).content)
            assert first.tared
            assert wire.SensorPacket.from_bytes((await packets.__anext__()).content).cells[0, 0] == 50, "still raw"
            insole._taring = True
            with pytest.raises(LinkRefused) as refused:
                await link.set(SettingKey.SPEED, 3.0)
            assert refused.value.status is Status.BUSY
            insole._taring = False
            await link.close()
            await adapter.close()

    asyncio.run(asyncio.wait_for(work(), 20))
