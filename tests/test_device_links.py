"""Links without a radio: a serial line (pty, socket) and a recording played again, up to the samples."""

from __future__ import annotations

import asyncio
import binascii
import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grfkit import wire
from grfkit.device.link import Characteristic, Link, LinkClosed, LinkRefused, LinkTimeout, ReceivedPacket
from grfkit.device.replay import ReplayLink, devices_in
from grfkit.device.serial_port import Deframer, SerialLink, framed
from grfkit.device.session import Samples, Session, sync_burst
from grfkit.errors import BadInputError
from grfkit.wire import Answer, ControlError, Info, Running, SettingKey, Status, Stream
from live_files import Insole, write_recording

INFO = Info(1, model_id=99)
RUNNING = Running(4, 5, 200, 5000)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 30))


def sensor(k: int) -> bytes:
    header = wire.PacketHeader(wire.SENSOR, k & 0xFFFF, 25_000 * k, 5 * k & 0xFFFF, 5, 4, right=True)
    cells = np.full((5, 16), k % 4096, dtype=np.uint16)
    return wire.SensorPacket(header, cells, np.zeros((5, 6), np.int16)).to_bytes()


class FakeInsole(threading.Thread):
    """A device at the other end of a line: answers, and streams ``packets`` with garbage in between."""

    def __init__(self, read: Callable[[], bytes], write: Callable[[bytes], object], *, packets: int = 40) -> None:
        super().__init__(daemon=True)
        self.recv, self.send, self.packets = read, write, packets
        self.requests: list[bytes] = []
        self.garbage = b"boot garbage \x00\xff, which takes the first answer with it"

    def run(self) -> None:
        frames = Deframer()
        with contextlib.suppress(OSError):
            while content := self.recv():
                for characteristic, value in frames.feed(content):
                    self.answer(characteristic, value)

    def answer(self, characteristic: Characteristic, value: bytes) -> None:
        if characteristic == Characteristic.INFO:
            garbage, self.garbage = self.garbage, b""
            self.send(garbage + framed(INFO.to_bytes(), Characteristic.INFO))
        elif characteristic == Characteristic.TIME_SYNC:
            asked = wire.TimeRequest.from_bytes(value)
            now = time.monotonic_ns() // 1000 & 0xFFFFFFFF
            self.send(framed(wire.TimeReply(asked.id, asked.t1_us, now, now).to_bytes(), Characteristic.TIME_SYNC))
        else:
            self.control(value)

    def control(self, value: bytes) -> None:
        self.requests.append(value)
        status, payload = Status.OK, b""
        try:
            request = wire.parse_request(value)
            if isinstance(request, wire.Start):
                payload = RUNNING.to_bytes()
                status = Status.MTU_TOO_SMALL if request.rate_hz == 999 else status
            if isinstance(request, wire.Get):
                payload = wire.state_to_bytes(INFO, RUNNING)
        except ControlError as error:
            status = error.status
        self.send(framed(Answer(value[0], status, payload).to_bytes(), Characteristic.CONTROL_POINT))
        if value[0] == wire.Op.START and status == Status.OK:
            for k in range(self.packets):
                self.send(framed(sensor(k)))
                if k == 10:
                    self.send(b"\x01\x02garbage without end")
                if k == 20:
                    self.send(b"\x00" + b"x" * 5000 + b"\x00")
        if value[0] == wire.Op.TARE:
            self.send(b"")


async def first(link: Link, count: int) -> list[ReceivedPacket]:
    taken = []
    async for arrived in link.packets():
        taken.append(arrived)
        if len(taken) == count:
            break
    return taken


async def talks(link: SerialLink, insole: FakeInsole) -> None:
    """Everything a link can do, over whatever line."""
    assert await link.connect() == INFO
    assert (link.connection, link.closed) == (1, False)
    exchanges = await sync_burst(link, 3)
    assert len(exchanges) == 3
    for one in exchanges:
        assert 0 <= one.t2_us - (one.t1_ns // 1000 & 0xFFFFFFFF) <= (one.t4_ns - one.t1_ns) // 1000 + 1
    with pytest.raises(LinkRefused, match="START: packets of the link are too small") as refused:
        await link.start(Stream.SENSOR, 999)
    assert refused.value.status == Status.MTU_TOO_SMALL
    started_ns = time.monotonic_ns()
    assert await link.start(Stream.SENSOR, 200) == RUNNING
    session = Session(number=1, info=INFO, running=RUNNING, started_ns=started_ns, exchanges=tuple(exchanges))
    for arrived in await first(link, 39):
        placed = session.take(arrived)
        assert placed is not None
        assert isinstance(placed.item, Samples)
        assert np.all(placed.item.cells == placed.item.first // 5)
    assert (session.counts.packets, session.counts.packets_lost) == (39, 1), "garbage took the packet it ran into"
    assert link.broken >= 2
    assert await link.state() == (INFO, RUNNING)
    await link.set(SettingKey.SPEED, 3.2)
    assert insole.requests[-1] == bytes.fromhex("0502800c0000")
    await link.tare()
    await link.close()
    assert insole.requests[-1] == b"\x02", "closed insoles have been stopped"
    assert link.closed
    assert [arrived async for arrived in link.packets()] == []
    await link.close()


def test_over_a_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        async def test() -> None:
            host, port = server.getsockname()
            link = SerialLink(f"socket://{host}:{port}")
            connected = asyncio.get_running_loop().run_in_executor(None, server.accept)
            insole = FakeInsole(lambda: line[0].recv(4096), lambda content: line[0].sendall(content))
            line: list[socket.socket] = []

            async def answer() -> None:
                line.append((await connected)[0])
                insole.start()

            answering = asyncio.ensure_future(answer())
            await talks(link, insole)
            await answering
            line[0].close()

        run(test)


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="a pseudo terminal is a Unix thing")
def test_over_a_pseudo_terminal() -> None:
    import tty

    master, slave = os.openpty()
    tty.setraw(slave)
    insole = FakeInsole(lambda: os.read(master, 4096), lambda content: os.write(master, content))
    insole.start()
    run(lambda: talks(SerialLink(os.ttyname(slave)), insole))
    os.close(slave)
    insole.join(2)
    os.close(master)


def test_a_line_that_breaks_ends_the_stream_with_its_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        async def test() -> None:
            host, port = server.getsockname()
            link = SerialLink(f"socket://{host}:{port}")
            connecting = asyncio.ensure_future(link.connect())
            line, _ = await asyncio.get_running_loop().run_in_executor(None, server.accept)
            FakeInsole(lambda: line.recv(4096), line.sendall, packets=3).start()
            await connecting
            await link.start(Stream.SENSOR, 200)
            assert len(await first(link, 3)) == 3
            line.shutdown(socket.SHUT_RDWR)
            with pytest.raises(LinkClosed, match="is closed"):
                await first(link, 1)
            assert link.closed
            with pytest.raises(LinkClosed, match="not connected"):
                await link.time_sync()
            line.close()

        run(test)


def test_a_port_that_is_not_there_is_a_closed_link() -> None:
    async def test() -> None:
        with pytest.raises(LinkClosed, match="cannot be opened"):
            await SerialLink("/dev/not-a-port").connect()

    run(test)


def test_a_frame_is_that_of_the_reference() -> None:
    """CRC-16/CCITT-FALSE's check value, and COBS by its definition for content without zeros."""
    assert binascii.crc_hqx(b"123456789", 0xFFFF) == 0x29B1
    assert framed(b"123456789") == b"\x0c" + b"123456789" + b"\xb1\x29" + b"\0"


@given(
    st.lists(st.binary(min_size=1, max_size=300), max_size=6), st.binary(max_size=700), st.integers(1, 50), st.data()
)
def test_what_follows_any_garbage_is_found(values: list[bytes], garbage: bytes, step: int, data: st.DataObject) -> None:
    line = garbage + b"\0" + b"".join(framed(value, Characteristic.CONTROL_POINT) for value in values)
    frames, found = Deframer(), []
    for at in range(0, len(line), step):
        found += frames.feed(line[at : at + step])
    assert found[-len(values) :] == [(3, value) for value in values] if values else True


@given(st.binary(min_size=1, max_size=200), st.data())
def test_a_flipped_bit_on_the_line_is_refused(value: bytes, data: st.DataObject) -> None:
    line = bytearray(framed(value, Characteristic.CONTROL_POINT))
    bit = data.draw(st.integers(0, 8 * len(line) - 9))
    line[bit // 8] ^= 1 << bit % 8
    frames = Deframer()
    assert (3, value) not in frames.feed(bytes(line))
    assert frames.broken >= 1


COUNTS = np.arange(3200).reshape(200, 16) % 4096
IMU = np.zeros((200, 6), dtype=np.int64)


def recording(path: Path) -> Path:
    one = Insole(1, 0.0, 2**32 - 300_000, 4, start_s=0.1)
    two = Insole(1, 0.0, 1_000_000, 4, start_s=1.4, connection=2)
    lost = frozenset({7, 8})
    records = [one.begin(), *one.packets(COUNTS, IMU, lost), *one.syncs(1)]
    records += [two.begin(), *two.packets(COUNTS[:100], IMU[:100], frozenset()), *two.syncs(1)]
    write_recording(path, records)
    return path


@pytest.mark.parametrize("speed", [2.0, float("inf")])
def test_a_recording_plays_as_if_live(speed: float, tmp_path: Path) -> None:
    path = recording(tmp_path / "a.grfrec")
    assert devices_in(path) == [4]

    async def test() -> None:
        link = ReplayLink(path, device=4, speed=speed)
        assert isinstance(link, Link)
        began, packets, counts = time.monotonic(), [], []
        for connection in (1, 2):
            info = await link.connect()
            exchanges = await sync_burst(link, 4)
            assert len(exchanges) == 4
            running = await link.start(Stream.SENSOR, 200)
            session = Session(number=connection, info=info, running=running, started_ns=link.started_ns)
            with contextlib.suppress(LinkClosed):
                async for arrived in link.packets():
                    placed = session.take(arrived)
                    assert placed is not None
                    packets.append(arrived)
            counts.append(session.counts)
        with pytest.raises(LinkClosed, match="over"):
            await link.connect()
        took = time.monotonic() - began
        assert (counts[0].packets, counts[0].packets_lost, counts[0].samples_lost) == (38, 2, 10)
        assert (counts[1].packets, counts[1].packets_lost) == (20, 0)
        steps = np.diff([p.arrival_ns for p in packets]) * 1e-9
        assert 0.3 < steps.max() < 0.6, "the pause between the connections is as it was recorded"
        if speed == 2.0:
            assert 0.9 < took < 3.0

    run(test)


def test_what_a_recording_does_not_hold_is_refused(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.grfrec")
    with pytest.raises(BadInputError, match="holds no device 1"):
        ReplayLink(path, device=1)
    with pytest.raises(BadInputError, match="above 0"):
        ReplayLink(path, device=4, speed=0)

    async def test() -> None:
        link = ReplayLink(path, device=4)
        with pytest.raises(LinkClosed, match="not connected"):
            await link.start(Stream.SENSOR, 200)
        await link.connect()
        for _ in range(8):
            await link.time_sync()
        with pytest.raises(LinkTimeout, match="no time sync"):
            await link.time_sync()
        await link.close()

    run(test)
