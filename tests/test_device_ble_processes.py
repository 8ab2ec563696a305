"""Two processes over HCI on TCP: insoles as a program, and a host that finds, loses and finds them again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("bumble")
pytest.importorskip("bleak")

from typer.testing import CliRunner

from grfkit import wire
from grfkit.cli.simulate import app
from grfkit.device.ble import Adapter, BleLink
from grfkit.device.link import LinkClosed, ReceivedPacket
from grfkit.device.session import Session
from grfkit.errors import BadInputError
from grfkit.simulate.clocks import TrueClock
from grfkit.wire import Stream

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="ends the program with a signal")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Program:
    """A running ``grf-simulate insole``."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port, self.truth_file, self.plate = free_port(), folder / "truth.json", folder / "plate.c3d"
        command = [sys.executable, "-m", "grfkit.cli.simulate", "insole", "--json", "--duration-s", "10"]
        command += ["--hci", f"tcp-server:127.0.0.1:{self.port}", "--truth", str(self.truth_file)]
        command += ["--plate", str(self.plate), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"})
        assert self.process.stdout is not None
        self.ready = json.loads(self.process.stdout.readline())

    @property
    def adapter(self) -> str:
        return f"bumble:tcp-client:127.0.0.1:{self.port}"

    def end(self) -> dict:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(10) == 0
        return json.loads(self.truth_file.read_text())

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    one = Program(tmp_path, "--loss", "0.05", "--seed", "5", "--drift-ppm", "60")
    yield one
    one.close()


async def streamed(link: BleLink, seconds: float) -> tuple[Session, list[ReceivedPacket]]:
    info = await link.connect()
    started = time.monotonic_ns()
    running = await link.start(Stream.SENSOR, 200)
    session = Session(number=link.connection, info=info, running=running, started_ns=started)
    held: list[ReceivedPacket] = []

    async def take() -> None:
        try:
            async for one in link.packets():
                held.append(one)
                session.take(one)
        except LinkClosed:
            pass

    task = asyncio.ensure_future(take())
    await asyncio.sleep(seconds)
    await link.stop()
    await link.close()
    await task
    return session, held


def test_insoles_in_another_process_stream_are_lost_and_are_found_again(program: Program) -> None:
    """Both feet over one TCP controller; then a host that vanishes; then the same again. Counts equal the truth."""

    async def once(seconds: float) -> dict[str, tuple[Session, list[ReceivedPacket]]]:
        adapter = await Adapter.open(program.adapter)
        found = await adapter.find(2, timeout_s=10.0)
        assert [one.address for one in found] == [one["address"] for one in program.ready["insoles"]]
        links = [BleLink(adapter, one) for one in found]
        done = await asyncio.gather(*(streamed(link, seconds) for link in links))
        await adapter.close()
        return {session.side: (session, held) for session, held in done}

    async def vanish() -> None:
        """Connect and go without a word, as a program that is killed."""
        adapter = await Adapter.open(program.adapter)
        (found, *_) = await adapter.find(2, timeout_s=10.0)
        link = BleLink(adapter, found)
        await link.connect()
        await link.start(Stream.SENSOR, 200)
        # an insole begins once it knows that its answer has come: until then there is no run to lose
        await anext(link.packets())
        radio = adapter._radio
        await radio._transport.close()  # type: ignore[union-attr]
        await asyncio.sleep(1.5)  # both ends have to notice, also on a busy machine
        assert link.closed, "the link has to notice that the controller is gone"

    first = asyncio.run(asyncio.wait_for(once(2.0), 30))
    asyncio.run(asyncio.wait_for(vanish(), 30))
    again = asyncio.run(asyncio.wait_for(once(0.5), 30))
    truth = program.end()
    assert program.plate.stat().st_size > 10_000
    for insole in truth["insoles"]:
        runs, side = insole["runs"], insole["side"]
        for (session, held), run in ((first[side], runs[0]), (again[side], runs[-1])):
            assert len(held) == run["sensor"]["sent"] > 0
            came = [wire.PacketHeader.from_bytes(one.content).sequence for one in held]
            lost = [one for one in run["sensor"]["lost"] if one[0] < came[-1]]
            assert session.counts.packets_lost == len(lost)
            assert session.counts.samples_lost == 5 * len(lost)
            assert not session.counts.refused
        assert run["reason"] == "stopped"
    assert sum(len(run["sensor"]["lost"]) for one in truth["insoles"] for run in one["runs"]) > 0
    gone = [run["reason"] for one in truth["insoles"] for run in one["runs"] if run["reason"] != "stopped"]
    assert gone == ["disconnected"]
    _stamps_follow_the_clock(truth["insoles"][0], first["left"][1])


def _stamps_follow_the_clock(insole: dict, held: list[ReceivedPacket]) -> None:
    """No packet came before its last sample was taken by the device's own clock, and most soon after."""
    told = insole["clock"]
    clock = TrueClock(
        told["offset_s"],
        told["drift_ppm"],
        sinusoid_ppm=told["sinusoid_ppm"],
        sinusoid_s=told["sinusoid_s"],
        sinusoid_phase=told["sinusoid_phase"],
    )
    assert told["drift_ppm"] == 60
    headers = [wire.PacketHeader.from_bytes(one.content) for one in held]
    taken_s = np.asarray([(h.time_us - told["first_us"]) / 1e6 + 5e-3 * (h.count - 1) for h in headers])
    late_s = np.asarray([one.arrival_ns / 1e9 for one in held]) - told["epoch_s"] - clock.running(taken_s)
    assert late_s.min() > 0
    assert np.median(late_s) < 0.03


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--side", "middle"), "side is 'middle'"),
        (("--interval-ms", "3"), "connection interval of 3 ms; expected 7.5"),
        (("--truth", "THERE"), "exists; use --force"),
        (("--on-device", "."), "SHA256SUMS"),
        (("--plate", "no/p.c3d"), "folder does not exist"),
        (("--file", "THERE", "--plate", "p.c3d"), "has no force plate"),
        (("--loss", "1.5"), "loss is 1.5"),
    ],
)
def test_what_cannot_be_simulated_is_refused(
    options: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("THERE").write_text("{}")
    done = CliRunner().invoke(app, ["insole", *options])
    assert isinstance(done.exception, BadInputError)
    assert said in str(done.exception)
