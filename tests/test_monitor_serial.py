"""grf-monitor on serial lines, as a program and through the hub: four feet, every kind of port and of packet."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("bumble")
pytest.importorskip("bleak")
pytest.importorskip("serial")
if not hasattr(os, "openpty"):
    pytest.skip("a pseudo terminal is a Unix thing", allow_module_level=True)

from grfkit.cli.monitor_run import Showing, run_monitor
from grfkit.device.link import LinkClosed
from grfkit.device.serial_port import SerialLink
from grfkit.errors import BadInputError
from grfkit.io import read
from grfkit.monitor.hub import Hub, HubSettings
from grfkit.monitor.messages import SampleBatch, Snapshot
from monitor_room import EMPTY, PEAK
from monitor_serial import Faults, SerialInsole, newtons, on_pty, on_rfc2217, on_socket

PROGRAM = [sys.executable, "-m", "grfkit.cli.monitor"]


def run(*arguments: Any, code: int = 0) -> tuple[dict[str, Any], str]:
    command = [*PROGRAM, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout) if done.stdout else {}, done.stderr


def without_lateness(said: str) -> list[str]:
    """Return the lines of a run but for what is said of a computer that has too much else to do."""
    return [line for line in said.splitlines() if not line.startswith("problem: this computer cannot keep up")]


def test_four_feet_on_every_kind_of_line_are_two_runners(tmp_path: Path) -> None:
    """A pseudo terminal, two sockets and a Telnet port server; nothing is lost, and all that is told is recorded."""
    path = tmp_path / "four.grfrec"
    with contextlib.ExitStack() as held:
        lines = [
            held.enter_context(kind(right=right))
            for kind, right in ((on_pty, True), (on_socket, False), (on_rfc2217, False), (on_socket, True))
        ]
        ports = [part for url, _ in lines for part in ("--serial", url)]
        told, said = run(*ports, "--headless", "--json", "--seconds", "4", "--record", path)
        sent = [insole.sent for _, insole in lines]
        stopped = [insole.requests[-1] for _, insole in lines]
    waiting, streaming, recording = without_lateness(said)
    assert waiting == f"waiting for an answer of {', '.join(ports[1::2])}"
    assert streaming == "streaming: left, right, left, right"
    assert recording == f"recording to {path}"
    assert [one["side"] for one in told["devices"]] == ["left", "right", "left", "right"]
    for one, count in zip(told["devices"], (sent[1], sent[0], sent[2], sent[3])):
        assert one["packets_lost"] == one["reconnects"] == 0
        assert one["packets"] <= count, "what was sent while it was stopped is nobody's any more"
        assert one["samples"] == 5 * one["packets"] > 300
        assert one["stances"] >= 2
    assert stopped == [2] * 4, "the insoles have been told to stop"
    streams = read(path).streams
    known = sum(int(np.isfinite(s["cell_01"].values).sum()) for k, s in streams.items() if k.startswith("insole"))
    assert known == sum(one["samples"] for one in told["devices"])


def test_a_stale_configuration_is_refused_and_counted_and_two_left_feet_are_two_runners() -> None:
    with on_socket(faults=Faults(cfg_id=9)) as (stale, _), on_socket() as (good, _):
        told, _ = run("--serial", stale, "--serial", good, "--headless", "--json", "--seconds", "2", "--no-record")
    assert [one["side"] for one in told["devices"]] == ["left", "left"]
    refused = sorted(sum(one["refused"].values()) for one in told["devices"])
    assert refused[0] == 0
    assert refused[1] > 10
    assert {tuple(one["refused"]) for one in told["devices"]} == {(), ("cfg_id",)}
    assert sorted(one["samples"] > 0 for one in told["devices"]) == [False, True]


GARBAGE = [
    (b"\x01", "Info"),
    (bytes([9, *[0] * 13]), "profile 9.0"),
    (bytes([1, 0, 7, 16, 12, 0, 16, 0, 208, 7, 0, 0, 0, 0]), "side"),
    (bytes([1, 0, 0, 3, 12, 0, 16, 0, 208, 7, 0, 0, 0, 0]), "cells"),
]


@pytest.mark.parametrize(("info", "said"), GARBAGE)
def test_what_is_no_insole_is_named(info: bytes, said: str) -> None:
    async def work(url: str) -> None:
        with pytest.raises(BadInputError, match=said):
            await SerialLink(url).connect()

    with on_socket(faults=Faults(info=info)) as (url, _):
        asyncio.run(asyncio.wait_for(work(url), 60))
        gc.collect()


def test_what_is_no_insole_ends_the_program_in_one_line_without_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "a.grfrec"
    with on_socket(faults=Faults(info=GARBAGE[1][0])) as (url, _):
        told, words = run("--serial", url, "--headless", "--json", "--seconds", "2", "--record", path, code=2)
    assert not told
    assert "\ngrf-monitor: " in words
    assert "profile 9.0" in words
    assert not path.exists()


def test_a_port_that_is_not_there_ends_without_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "a.grfrec"
    _, said = run("--serial", "/dev/nothing-here", "--headless", "--seconds", "1", "--record", path, code=2)
    assert "no insole was reached: /dev/nothing-here" in said
    assert not path.exists()


@pytest.mark.parametrize("option", ["serial", "address"])
def test_one_insole_named_twice_is_refused(option: str) -> None:
    showing = Showing(True, False, False, False, "127.0.0.1", 0, None, False)
    with pytest.raises(BadInputError, match=f"--{option} names 'A' twice; name it once"):
        run_monitor({option: ("A", "b", "A")}, showing, no_record=True)


def test_the_terminal_view_through_the_program() -> None:
    """In a pseudo terminal of its own: the foot is shown, q ends it, and the summary is the last word."""
    master, slave = os.openpty()
    with on_socket() as (url, _):
        command = [*PROGRAM, "--serial", url, "--tui", "--json", "--no-record"]
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"}
        with subprocess.Popen(
            command, stdin=slave, stderr=slave, stdout=subprocess.PIPE, text=True, env=environment
        ) as program:
            seen, deadline = b"", time.monotonic() + 150
            asked = False
            while program.poll() is None:
                assert time.monotonic() < deadline, seen[-3000:]
                if select.select([master], [], [], 0.1)[0]:
                    seen += os.read(master, 65536)
                if b"LEFT" in seen and b"sum of cells" in seen and not asked:
                    asked = True
                    os.write(master, b"q")
            told = json.loads(program.stdout.read().splitlines()[-1]) if program.stdout else {}
    os.close(slave)
    os.close(master)
    assert program.returncode == 0
    assert told["devices"][0]["packets"] > 0
    assert b"Traceback" not in seen


def test_the_insoles_own_force_is_shown_in_newtons_and_a_hub_without_stances_still_knows_the_cadence() -> None:
    """Type 2 beside type 1: each sample has the force that came for it, and the cells' contacts tell the cadence."""

    async def work(url: str) -> tuple[list[SampleBatch], Snapshot]:
        async def find(_: int) -> list[SerialLink]:
            return [SerialLink(url)]

        batches: list[SampleBatch] = []
        async with Hub(find, HubSettings()) as hub:

            async def listen() -> None:
                async for message in hub.subscribe():
                    if isinstance(message, SampleBatch):
                        batches.append(message)

            listening = asyncio.ensure_future(listen())
            await hub.ready()
            for _ in range(4000):
                await asyncio.sleep(0.02)
                if hub.snapshot().devices[0].cadence_per_min is not None:
                    break
            last = hub.snapshot()
        await listening
        return batches, last

    with on_socket(model_id=0xABCD) as (url, insole):
        batches, last = asyncio.run(asyncio.wait_for(work(url), 150))
        gc.collect()
        assert insole.sent_grf > 0
    state = last.devices[0]
    assert state.force_unit == "N"
    assert state.cadence_per_min == pytest.approx(240.0, rel=0.01)
    assert state.estimate == "device 0000abcd"
    columns = np.concatenate([b.columns for b in batches], axis=1)
    known = np.isfinite(columns[0])
    assert known.mean() > 0.9
    assert columns[0, known].max() == pytest.approx(newtons(np.full((1, 16), PEAK + EMPTY))[0], rel=0.01)
    later = known & (np.arange(known.size) > 400)
    force, cells = columns[0, later], columns[1:, later].sum(axis=0)
    assert np.allclose(force, (cells + 16 * EMPTY) / 10, atol=1.0), "sample by sample"


def test_a_second_monitor_on_a_port_is_refused_and_takes_no_byte(tmp_path: Path) -> None:
    """Two readers of one line take each other's bytes: both would count losses, and neither would know why."""
    path = tmp_path / "a.grfrec"
    with on_pty() as (url, insole):
        command = [*PROGRAM, "--serial", url, "--headless", "--json", "--record", str(path), "--seconds", "60"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as first:
            deadline = time.monotonic() + 100
            while insole.sent < 20:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            _, said = run("--serial", url, "--headless", "--seconds", "2", "--no-record", code=2)
            more = insole.sent
            while insole.sent < more + 20:
                time.sleep(0.05)
            first.send_signal(signal.SIGINT)
            out, _ = first.communicate(timeout=100)
    holder = f"grfkit.cli.monitor (process {first.pid})" if sys.platform == "linux" else "another program"
    why = f"{url}: the port is in use by {holder}; end that first, or name another port"
    assert without_lateness(said) == [
        f"waiting for an answer of {url}",
        f"problem: {why}",
        "streaming: none; waiting for left (connecting)",
        f"grf-monitor: no insole was reached: {why}",
    ]
    (foot,) = json.loads(out)["devices"]
    assert (foot["packets"], foot["packets_lost"], foot["reconnects"]) == (insole.sent, 0, 0)


def test_a_port_is_free_again_once_its_monitor_has_ended() -> None:
    """Also where a link fails to find an insole, and where two links of one program want the same port."""

    async def work() -> None:
        with on_pty() as (url, _):
            one, two = SerialLink(url), SerialLink(url)
            await one.connect()
            with pytest.raises(LinkClosed, match="the port is in use by"):
                await two.connect()
            assert (two.connection, two.closed) == (0, True)
            await one.close()
            assert (await two.connect()).side == 0
            await two.close()
            await one.connect()
            await one.close()

    asyncio.run(asyncio.wait_for(work(), 60))


class Silent(SerialInsole):
    """Answers every request, and sends no sample: a dead sensor board behind a radio that lives."""

    def _stream(self) -> None:
        return


class Refused(SerialInsole):
    """Sends packets of another configuration than it answered, which are all refused."""

    def _packet(self, began_us: int) -> None:
        self.faults.cfg_id = 77
        super()._packet(began_us)


@pytest.mark.parametrize("kind", [Silent, Refused])
def test_an_insole_without_samples_costs_no_old_recording(kind: type[SerialInsole], tmp_path: Path) -> None:
    path = tmp_path / "old.grfrec"
    path.write_bytes(b"GRFREC\x01\x00 an old recording")
    old = path.read_bytes()
    with on_pty(kind=kind) as (url, _):
        told, said = run("--serial", url, "--headless", "--json", "--seconds", "2", "--record", path, "--force")
    assert path.read_bytes() == old
    assert told["recording"] is None
    assert (
        told["recording_trouble"]["problem"] == f"no samples came, so that nothing was recorded; {path} stays as it was"
    )
    assert told["devices"][0]["samples"] == 0
    assert without_lateness(said) == [
        f"waiting for an answer of {url}",
        "streaming: left",
        f"recording to {path}",
    ]
    assert [entry.name for entry in tmp_path.iterdir()] == ["old.grfrec"]
