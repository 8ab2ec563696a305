"""Insoles over bleak and Bumble: real GATT between our link and a virtual insole, losses and times known."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("bumble")
pytest.importorskip("bleak")

from bleak import BleakClient, BleakScanner
from bleak.exc import BleakError

from grfkit import wire
from grfkit.device import bumble_backend
from grfkit.device.ble import Adapter, BleLink
from grfkit.device.bumble_backend import BumbleClient, BumbleScanner
from grfkit.device.bumble_radio import BumbleRadio
from grfkit.device.link import Characteristic, Link, LinkClosed, LinkRefused, ReceivedPacket
from grfkit.device.session import Session
from grfkit.errors import BadInputError
from grfkit.virtual.insole import InsoleSettings, VirtualInsole
from grfkit.virtual.link_model import LinkSettings
from grfkit.virtual.source import SampleSource, Side
from grfkit.virtual.stream import Faults
from grfkit.virtual.testbed import InsoleTestBed
from grfkit.wire import Info, SettingKey, Status, Stream

FAST = LinkSettings(interval_ms=7.5, pdus_per_event=4)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run one test's work; unclosed sockets and tasks that were left are errors."""
    asyncio.run(asyncio.wait_for(work, 40))
    gc.collect()


def counting(side: Side, *, samples: int = 4000) -> SampleSource:
    """A source whose every sample is known by its number: cell 0 counts up, cell 1 tells the side."""
    cells = np.zeros((samples, 16), dtype=np.uint16)
    cells[:, 0] = np.arange(samples) % 4000
    cells[:, 1] = 1 if side == "right" else 2
    return SampleSource(side, 200.0, cells, np.zeros((samples, 6), dtype=np.int16))


class Host:
    """What a test needs of the host's side: a room, insoles, links, and all that arrived."""

    def __init__(self, room: InsoleTestBed, adapter: Adapter) -> None:
        self.room, self.adapter = room, adapter
        self.insoles: dict[str, VirtualInsole] = {}
        self.links: dict[str, BleLink] = {}
        self.arrived: dict[str, list[ReceivedPacket]] = {}
        self._takers: list[asyncio.Task[None]] = []

    async def add(self, side: Side, settings: InsoleSettings | None = None) -> BleLink:
        insole = self.insoles[side] = await self.room.add(counting(side), settings)
        (found,) = await self.adapter.find(1, address=insole.settings.address.lower())
        link = self.links[side] = BleLink(self.adapter, found, patience_s=5.0)
        assert isinstance(link, Link)
        return link

    async def start(self, side: str, rate_hz: int = 200) -> Session:
        link = self.links[side]
        info = await link.connect()
        started = time.monotonic_ns()
        running = await link.start(Stream.SENSOR, rate_hz)
        self.take(side)
        return Session(number=link.connection, info=info, running=running, started_ns=started)

    def take(self, side: str) -> None:
        held = self.arrived.setdefault(side, [])

        async def taking() -> None:
            try:
                async for one in self.links[side].packets():
                    held.append(one)
            except LinkClosed:
                pass

        self._takers.append(asyncio.ensure_future(taking()))

    async def close(self) -> None:
        for link in self.links.values():
            await link.close()
        for task in self._takers:
            await asyncio.wait_for(task, 2.0)
        await self.adapter.close()
        await self.room.close()


def hosted(work: Callable[[Host], Awaitable[None]], link: LinkSettings = FAST, **client: Any) -> None:
    """Run ``work`` with a host in a room."""

    async def inside() -> None:
        room = InsoleTestBed(link)
        host = Host(room, Adapter.on(await room.radio(), **client))
        try:
            await work(host)
        finally:
            await host.close()

    run(inside())


def headers(arrived: list[ReceivedPacket]) -> list[wire.PacketHeader]:
    return [wire.PacketHeader.from_bytes(one.content) for one in arrived]


def test_both_feet_stream_and_nothing_sent_is_lost() -> None:
    async def work(host: Host) -> None:
        for side in ("left", "right"):
            await host.add(side)
        sessions = dict(zip(host.links, await asyncio.gather(*map(host.start, host.links))))
        await asyncio.sleep(2.0)
        for side, link in host.links.items():
            await link.stop()
            truth = host.insoles[side].runs[0].truth
            came = headers(host.arrived[side])
            assert len(came) == truth.sensor.sent
            assert [h.sequence for h in came] == list(range(len(came)))
            assert [h.counter for h in came] == [5 * k for k in range(len(came))]
            ticks = host.insoles[side].ticks
            taken_s = [ticks.monotonic_s((truth.first_sample + h.counter + h.count - 1) / 200.0) for h in came]
            late_s = np.asarray([one.arrival_ns / 1e9 for one in host.arrived[side]]) - taken_s
            assert late_s.min() > 0, "no packet comes before its last sample was taken"
            assert np.median(late_s) < 0.1, "and none much later: the rate is the source's"
            assert {h.right for h in came} == {side == "right"}
            for one in host.arrived[side]:
                sessions[side].take(one)
            assert sessions[side].counts.samples == 5 * len(came)
            assert not sessions[side].counts.packets_lost
            assert not sessions[side].counts.refused
            rows = np.concatenate([wire.SensorPacket.from_bytes(one.content).cells for one in host.arrived[side]])
            assert set(rows[:, 1]) == {1 if side == "right" else 2}
            assert (np.diff(rows[:, 0].astype(int)) % 4000 == 1).all()

    hosted(work)


def test_losses_on_the_way_are_counted_exactly() -> None:
    async def work(host: Host) -> None:
        await host.add(
            "left", InsoleSettings(faults=Faults(seed=3, loss=0.15), first_sequence=65500, first_counter=65000)
        )
        session = await host.start("left")
        await asyncio.sleep(3.0)
        await host.links["left"].stop()
        for one in host.arrived["left"]:
            session.take(one)
        truth = host.insoles["left"].runs[0].truth
        came = {h.sequence for h in headers(host.arrived["left"])}
        lost = [one for one in truth.sensor.lost if (one[0] - 65500) % 65536 < _last(came)]
        first = [one for one in lost if (one[0] - 65500) % 65536 < _first(came)]
        assert len(lost) - len(first) > 5, "the seed has to lose packets between others"
        assert session.counts.packets_lost == len(lost) - len(first)
        assert session.counts.samples_lost == sum(one[2] for one in lost) - sum(one[2] for one in first)
        assert session.counts.packets == truth.sensor.sent
        assert session.counts.packets_lost_device == 0

    def _last(came: set[int]) -> int:
        return max((s - 65500) % 65536 for s in came)

    def _first(came: set[int]) -> int:
        return min((s - 65500) % 65536 for s in came)

    hosted(work)


def test_a_ring_that_overruns_drops_the_oldest_and_says_so() -> None:
    async def work(host: Host) -> None:
        await host.add("right")
        session = await host.start("right")
        await asyncio.sleep(0.5)
        host.insoles["right"].stall(1.0)
        await asyncio.sleep(2.0)
        await host.links["right"].stop()
        truth = host.insoles["right"].runs[0].truth
        for one in host.arrived["right"]:
            session.take(one)
        dropped = {one[0] for one in truth.sensor.dropped}
        assert len(dropped) >= 15, "a ring of 0.5 s (20 packets) in a stall of 1 s (40)"
        assert session.counts.packets_lost == len(truth.sensor.dropped) == session.counts.packets_lost_device
        assert session.counts.samples_lost_device == 5 * len(truth.sensor.dropped)
        flagged = [h.sequence for h in headers(host.arrived["right"]) if h.dropped]
        assert flagged == sorted(one + 1 for one in dropped if one + 1 not in dropped)

    hosted(work)


@pytest.mark.parametrize(("mtu", "each"), [(64, 1), (185, 3), (247, 5)])
def test_every_mtu_carries_what_it_can(mtu: int, each: int) -> None:
    async def work(host: Host) -> None:
        link = await host.add("left", InsoleSettings(mtu=mtu))
        await host.start("left")
        assert link.mtu == mtu
        await asyncio.sleep(0.5)
        await link.stop()
        came = headers(host.arrived["left"])
        assert {h.count for h in came} == {each}
        assert len(came) == host.insoles["left"].runs[0].truth.sensor.sent > 0
        assert {len(one.content) for one in host.arrived["left"]} == {12 + 44 * each}

    hosted(work, mtu=517)


def test_an_mtu_of_23_is_refused_by_name() -> None:
    async def work(host: Host) -> None:
        link = await host.add("left", InsoleSettings(mtu=23))
        await link.connect()
        assert link.mtu == 23
        with pytest.raises(LinkRefused, match="MTU of 59") as refused:
            await link.start(Stream.SENSOR, 200)
        assert refused.value.status is Status.MTU_TOO_SMALL
        with pytest.raises(LinkRefused):
            await link.state()
        assert (await link.time_sync()).t3_us >= 0

    hosted(work, LinkSettings(7.5, pdus_per_event=4, pdu_bytes=27), mtu=23)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"\x09", Status.UNKNOWN_OP),
        (b"\x00", Status.UNKNOWN_OP),
        (b"\x01\x01", Status.BAD_PARAMETER),
        (b"\x01\x00\xc8\x00", Status.BAD_PARAMETER),
        (b"\x01\x01\x00\x00", Status.BAD_PARAMETER),
        (b"\x01\x01\x07\x00", Status.BAD_PARAMETER),
        (b"\x01\x01\x2d\x01", Status.BAD_PARAMETER),
        (b"\x01\x04\xc8\x00", Status.BAD_PARAMETER),
        (b"\x02\x00", Status.BAD_PARAMETER),
        (b"\x05\x04\x00\x00\x00\x00", Status.BAD_PARAMETER),
        (b"\x05\x01\x01\x00\x00\x00", Status.BAD_PARAMETER),
        (b"\x05\x01\x70\x17\x00\x00", Status.OK),
        (b"\x02", Status.OK),
        (b"\x01\x01\xc8\x00", Status.OK),
    ],
)
def test_the_control_point_answers_every_request(content: bytes, status: Status) -> None:
    """Truncated, overlong, unknown, out of range, a rate or stream it has not; 60 kg; STOP; START."""

    async def work(host: Host) -> None:
        insole = await host.room.add(counting("left"))
        (found,) = await host.adapter.find(1)
        answers: asyncio.Queue[bytes] = asyncio.Queue()
        async with BleakClient(found.device, **host.adapter.client_options) as client:
            with pytest.raises(BleakError):
                await client.write_gatt_char(wire.CONTROL_POINT, b"\x02", response=True)
            await client.start_notify(wire.CONTROL_POINT, lambda _, value: answers.put_nowait(bytes(value)))
            await client.write_gatt_char(wire.CONTROL_POINT, content, response=True)
            said = await asyncio.wait_for(answers.get(), 2.0)
            assert said[:2] == bytes([0x80 | content[0], status])
            if content[0] == 5 and status is Status.OK:
                assert insole.set_values == {SettingKey.MASS: 60.0}

    hosted(work)


def test_start_of_a_streaming_insole_is_busy_and_the_link_restarts_it() -> None:
    async def work(host: Host) -> None:
        link = await host.add("left")
        session = await host.start("left")
        again = await link.start(Stream.SENSOR, 100)
        assert (again.rate_hz, again.period_us) == (100, 10_000)
        assert again.cfg_id != session.running.cfg_id
        info, running = await link.state()
        assert running == again
        assert not info.right
        await asyncio.sleep(0.3)
        before = len(host.arrived["left"])
        for one in host.arrived["left"]:
            session.take(one)
        later = [h for h in headers(host.arrived["left"]) if h.cfg_id == again.cfg_id]
        assert 0 < len(later) <= session.counts.refused["cfg_id"] <= before, (
            "packets of the new START are not the old's"
        )

    hosted(work)


@pytest.mark.parametrize(
    ("info", "said"),
    [
        (Info(0, major=2).to_bytes(), "speaks profile 2.0, expected 1.x"),
        (Info(0).to_bytes()[:-1], "Info has 13 bytes"),
        (Info(0).to_bytes()[:2] + b"\x07" + Info(0).to_bytes()[3:], "side 7"),
    ],
)
def test_another_version_is_refused_and_the_insole_is_free_again(info: bytes, said: str) -> None:
    async def work(host: Host) -> None:
        link = await host.add("left", InsoleSettings(info=info))
        with pytest.raises(BadInputError, match=said):
            await link.connect()
        assert link.closed
        assert await host.adapter.find(1, timeout_s=2.0)

    hosted(work)


def test_a_longer_info_is_read_as_far_as_it_is_known() -> None:
    async def work(host: Host) -> None:
        link = await host.add("right", InsoleSettings(info=Info(1, minor=3).to_bytes() + b"more"))
        info = await link.connect()
        assert (info.minor, info.right) == (3, True)

    hosted(work)


def test_after_a_disconnection_it_streams_again_at_the_first_try_and_without_a_scan() -> None:
    """At 15 ms and one PDU an event; the gap is known to the sample by the device's clock."""

    async def nobody_scans(*_: Any, **__: Any) -> list[Any]:
        raise AssertionError("its address is known")

    async def work(host: Host) -> None:
        await host.add("left", InsoleSettings(first_us=2**32 - 1_500_000))
        await host.start("left")
        await asyncio.sleep(1.0)
        insole, link = host.insoles["left"], host.links["left"]
        await insole.disconnect()
        while not link.closed:
            await asyncio.sleep(0.001)
        held = len(host.arrived["left"])
        host.adapter.find = nobody_scans  # type: ignore[method-assign]
        await host.start("left")
        while len(host.arrived["left"]) == held:
            await asyncio.sleep(0.001)
        assert link.connection == 2, "one try"
        last, first = headers(host.arrived["left"])[held - 1], headers(host.arrived["left"])[held]
        one, two = (run.truth for run in insole.runs)
        unsent = sum(count for *_, count in one.sensor.unsent)
        missing = ((first.time_us - last.time_us) & 0xFFFFFFFF) // 5000 - last.count
        assert one.reason == "disconnected"
        assert missing == two.first_sample - one.end_sample + unsent
        assert two.first_sample + first.counter == round((first.time_us - 2**32 + 1_500_000) % 2**32 / 5000)
        assert len(one.sensor.lost) == len(one.sensor.dropped) == 0
        assert held == one.sensor.sent

    hosted(work, LinkSettings(15.0))


def test_what_comes_after_the_end_or_before_start_is_not_data() -> None:
    async def work(host: Host) -> None:
        link = await host.add("left")
        await link.connect()
        receive = link._receiver(Characteristic.SENSOR_DATA, link.connection)
        attribute = link._attribute(wire.SENSOR_DATA)
        receive(attribute, bytearray(b"early"))
        assert (link.early, link.stale) == (1, 0)
        await link.start(Stream.SENSOR, 200)
        await link.close()
        receive(attribute, bytearray(b"late"))
        assert link.stale == 1
        await link.connect()
        await link.start(Stream.SENSOR, 200)
        receive(attribute, bytearray(b"of the connection before"))
        assert link.stale == 2
        host.take("left")
        await asyncio.sleep(0.2)
        assert host.arrived["left"]
        assert {one.connection for one in host.arrived["left"]} == {2}
        assert all(len(one.content) == 232 for one in host.arrived["left"])

    hosted(work)


def test_a_clean_stop_leaves_an_insole_that_can_be_found() -> None:
    async def work(host: Host) -> None:
        for side in ("left", "right"):
            await host.add(side)
        await asyncio.gather(*map(host.start, host.links))
        assert not await host.adapter.find(1, timeout_s=0.3), "a connected insole does not advertise"
        for link in host.links.values():
            await link.close()
            await link.close()
        found = await host.adapter.find(2, timeout_s=2.0)
        assert {one.name for one in found} == {"GRF Insole L", "GRF Insole R"}
        assert [run.truth.reason for insole in host.insoles.values() for run in insole.runs] == ["stopped"] * 2

    hosted(work)


def test_a_link_that_nobody_answers_gives_up_in_words_and_frees_the_radio() -> None:
    async def work(host: Host) -> None:
        link = await host.add("left")
        host.links["left"] = gone = BleLink(host.adapter, link._insole, patience_s=0.3)
        await host.insoles["left"].end()
        with pytest.raises(LinkClosed, match=r"could not connect in \d tries"):
            await gone.connect()
        other = await host.room.add(counting("right"))
        (found,) = await host.adapter.find(1)
        host.links["right"] = again = BleLink(host.adapter, found)
        assert (await again.connect()).right
        assert found.address == other.settings.address

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("grfkit.device.ble._CONNECT_S", 0.2)
        hosted(work)


def test_an_insole_that_is_switched_off_holds_up_no_other() -> None:
    """A radio connects to one at a time: who waits longest gives way, and goes on afterwards."""

    async def work(host: Host) -> None:
        for side in ("left", "right"):
            await host.add(side)
        await host.insoles["left"].end()
        waiting = asyncio.ensure_future(host.links["left"].connect())
        await asyncio.sleep(0.1)
        assert (await host.links["right"].connect()).right
        assert not waiting.done(), "it is still tried"
        waiting.cancel()
        await asyncio.wait({waiting})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("grfkit.device.ble._CONNECT_S", 300.0)
        patch.setattr("grfkit.device.adapter._TURN_ALONE_S", 0.5)
        hosted(work)


def test_requests_in_flight_end_with_the_link() -> None:
    async def work(host: Host) -> None:
        link = await host.add("left")
        await host.start("left")
        host.insoles["left"].stall(5.0)
        asked = [asyncio.ensure_future(one) for one in (link.state(), link.time_sync())]
        await asyncio.sleep(0.2)
        began = time.monotonic()
        await host.insoles["left"].disconnect()
        for one in asked:
            with pytest.raises(LinkClosed):
                await one
        assert time.monotonic() - began < 1.0
        assert await link.battery_percent() is None
        with pytest.raises(LinkClosed, match="not connected"):
            await link.start(Stream.SENSOR, 200)

    hosted(work)


def test_time_sync_tells_the_device_clock() -> None:
    """The middle of the shortest of twelve exchanges lies within half its round trip of the truth."""

    async def work(host: Host) -> None:
        link = await host.add("right", InsoleSettings(first_us=2**32 - 200_000))
        await link.connect()
        best = min([await link.time_sync() for _ in range(12)], key=lambda e: e.t4_ns - e.t1_ns)
        half_s = (best.t4_ns - best.t1_ns) / 2e9
        ticks = host.insoles["right"].ticks
        truth = ticks.stamp_us(ticks.running_s((best.t1_ns + best.t4_ns) / 2e9))
        error_s = ((((best.t2_us + best.t3_us) // 2 - truth) + 2**31) % 2**32 - 2**31) / 1e6
        if best.t3_us >= best.t2_us:
            assert abs(error_s) <= half_s
        assert half_s < 0.02

    hosted(work)


def test_battery_and_device_information_are_there() -> None:
    async def work(host: Host) -> None:
        link = await host.add("left", InsoleSettings(battery_percent=64, battery_percent_per_hour=36_000.0))
        await link.connect()
        first = await link.battery_percent()
        await asyncio.sleep(0.3)
        second = await link.battery_percent()
        assert first is not None
        assert second is not None
        assert 64 >= first > second > 40
        assert link._client is not None
        maker = await link._client.read_gatt_char("00002a29-0000-1000-8000-00805f9b34fb")
        assert maker == b"grfkit"

    hosted(work)


def test_the_backend_is_bleaks(tmp_path: Path) -> None:
    """bleak's own entry points take the backend; descriptors, unsubscribing, errors are as bleak's users expect."""

    async def work(host: Host) -> None:
        await host.room.add(counting("left"))
        options = host.adapter.scanner_options
        seen = await BleakScanner.discover(0.3, return_adv=True, **options)
        ((device, told),) = seen.values()
        assert told.service_uuids == [wire.SERVICE]
        assert told.local_name == device.name == "GRF Insole L"
        assert not await BleakScanner.discover(0.2, service_uuids=["0000180d-0000-1000-8000-00805f9b34fb"], **options)
        client = BleakClient(device, **host.adapter.client_options)
        with pytest.raises(BleakError):
            await client.read_gatt_char(wire.INFO)
        async with client:
            assert client.is_connected
            assert client.mtu_size == 247
            info = client.services.get_characteristic(wire.INFO)
            assert info is not None
            assert info.properties == ["read"]
            with pytest.raises(BleakError):
                await client.write_gatt_char(info, b"x", response=True)
            with pytest.raises(BleakError, match="no CCCD"):
                await client.start_notify(info, lambda *_: None)
            await client.start_notify(wire.SENSOR_DATA, lambda *_: None)
            with pytest.raises(BleakError, match="are on already"):
                await client.start_notify(wire.SENSOR_DATA, lambda *_: None)
            data = client.services.get_characteristic(wire.SENSOR_DATA)
            assert data is not None
            (cccd,) = data.descriptors
            assert await client.read_gatt_descriptor(cccd) == b"\x01\x00"
            await client.stop_notify(data)
            assert await client.read_gatt_descriptor(cccd) == b"\x00\x00"
        assert not client.is_connected
        with pytest.raises(NotImplementedError, match="does not pair"):
            await client.pair()

    hosted(work)


@pytest.mark.parametrize("spec", ["usb0", "hci", "bumble", "bumble:"])
def test_an_unknown_adapter_is_refused(spec: str) -> None:
    async def work() -> None:
        with pytest.raises(BadInputError, match="expected bumble:TRANSPORT"):
            await Adapter.open(spec)

    run(work())


@pytest.mark.parametrize("transport", ["nonsense:1", "tcp-client:127.0.0.1:1", "tcp-client:nowhere"])
def test_a_controller_that_is_not_there_is_refused(transport: str) -> None:
    async def work() -> None:
        with pytest.raises(BadInputError, match="no Bluetooth controller at"):
            await Adapter.open(f"bumble:{transport}")

    run(work())


@pytest.mark.skipif(
    not os.access("/dev/vhci", os.W_OK), reason="this kernel has no /dev/vhci to plug a controller into"
)
def test_bleaks_own_backend_on_a_virtual_controller() -> None:
    """BlueZ's stack against the same peripheral; needs bluetoothd."""

    async def work() -> None:
        async with InsoleTestBed(FAST) as room:
            await room.add(counting("left"))
            await room.offer("vhci")
            adapter = await Adapter.open(None)
            (found,) = await adapter.find(1)
            link = BleLink(adapter, found)
            await link.connect()
            await link.start(Stream.SENSOR, 100)
            await asyncio.sleep(1.0)
            await link.close()

    run(work())


def test_names_are_what_others_import() -> None:
    """One module gives all three, wherever they are defined."""
    assert bumble_backend.__all__ == ["BumbleClient", "BumbleRadio", "BumbleScanner"]
    assert all(one in vars(bumble_backend).values() for one in (BumbleClient, BumbleRadio, BumbleScanner))


def test_a_computer_without_bluetooth_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nothing:
        def __init__(self, *_: Any, **__: Any) -> None:
            pass

        async def __aenter__(self) -> None:
            raise BleakError("no powered Bluetooth adapters found")

        async def __aexit__(self, *_: object) -> None:
            pass

    async def work() -> None:
        with pytest.raises(BadInputError, match=r"no powered.*--adapter bumble:usb:0"):
            await (await Adapter.open(None)).find()

    monkeypatch.setattr("grfkit.device.adapter.BleakScanner", Nothing)
    run(work())


def test_a_host_that_falls_behind_learns_it_from_the_ring_and_not_from_old_data() -> None:
    """While the host does nothing for a second the socketless link goes on; data never arrive twice or out of order."""

    async def work(host: Host) -> None:
        await host.add("left")
        await host.start("left")
        await asyncio.sleep(0.3)
        time.sleep(0.8)
        await asyncio.sleep(0.3)
        await host.links["left"].stop()
        numbers = [h.sequence for h in headers(host.arrived["left"])]
        truth = host.insoles["left"].runs[0].truth
        gone = {one[0] for one in truth.sensor.dropped}
        assert numbers == [k for k in range(numbers[-1] + 1) if k not in gone]

    hosted(work)
