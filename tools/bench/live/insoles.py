"""Insoles in another process for the live benchmark, and their truth beside a recording."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grfkit import wire
from grfkit.device.link import Characteristic
from grfkit.formats.grfrec import Begin, Kind, RecordFile
from grfkit.simulate.clocks import TrueClock

RATE_HZ = 200
"""Sampling rate of the insoles in all parts but the day."""
_SEQUENCES = 1 << 16


@dataclass
class Program:
    """A running ``grf-simulate insole``; ``truth`` is there once it ended."""

    process: subprocess.Popen[bytes]
    port: int
    truth_file: Path
    truth: dict[str, Any] = field(default_factory=dict)

    @property
    def adapter(self) -> str:
        """Return the adapter by which the insoles are reached."""
        return f"bumble:tcp-client:127.0.0.1:{self.port}"

    def foot(self, side: str) -> dict[str, Any]:
        """Return one insole's truth."""
        foot: dict[str, Any] = next(foot for foot in self.truth["insoles"] if foot["side"] == side)
        return foot


@contextmanager
def insoles(*options: str) -> Iterator[Program]:
    """Give both feet in another process; its truth is read when it has ended."""
    with socket.socket() as listener:
        # a free port is taken and given back: the insoles bind it a moment later
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        truth = Path(folder) / "truth.json"
        command = [sys.executable, "-m", "grfkit.cli.simulate", "insole", "--json"]
        command += [] if "--duration-s" in options else ["--duration-s", "20"]
        command += ["--hci", f"tcp-server:127.0.0.1:{port}", "--truth", str(truth), *options]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
        program = Program(process, port, truth)
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield program
        finally:
            # not killed: the truth is written as it ends
            process.send_signal(signal.SIGTERM)
            process.wait(90)
            if process.stdout is not None:
                process.stdout.close()
            if truth.exists():
                program.truth = json.loads(truth.read_text(encoding="utf-8"))


@dataclass
class Run:
    """One connection as it was recorded: sensor packets as ``(arrival_ns, header)``, and the insole's truth of it.

    ``contents`` are the same packets, ``(arrival_ns, content)``.
    """

    begin: Begin
    packets: list[tuple[int, wire.PacketHeader]] = field(default_factory=list)
    contents: list[tuple[int, bytes]] = field(default_factory=list)
    truth: dict[str, Any] = field(default_factory=dict)

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Return the first sample of every packet, counted since the insole was switched on."""
        counters = np.asarray([header.counter for _, header in self.packets], dtype=np.float64)
        return np.asarray(np.unwrap(counters, period=_SEQUENCES), dtype=np.int64) + int(self.truth["first_sample"])

    @property
    def after(self) -> int:
        """Return the number after the last sample that came."""
        return int(self.numbers[-1]) + self.packets[-1][1].count


def runs_in(path: Path) -> dict[int, list[Run]]:
    """Return what a recording holds, connection by connection, by device."""
    runs: dict[int, list[Run]] = {}
    for record in RecordFile(path):
        connections = runs.setdefault(record.device, [])
        if record.kind == Kind.BEGIN:
            connections.append(Run(Begin.from_bytes(record.body)))
        elif record.kind == Kind.PACKET and record.body[0] == Characteristic.SENSOR_DATA:
            connections[-1].contents.append((record.arrival_ns, record.body[1:]))
            connections[-1].packets.append((record.arrival_ns, wire.PacketHeader.from_bytes(record.body[1:])))
    return {device: connections for device, connections in runs.items() if connections}


def with_truth(runs: list[Run], foot: dict[str, Any]) -> list[Run]:
    """Return the runs in which anything came, each with the insole's truth of the same START.

    A START whose link is lost before the insole has begun is in the recording alone.

    Raises
    ------
    ValueError
        If packets came of a START that the insole does not know.
    """
    # one iterator for all: both lists are in order, and cfg_id returns after 255 STARTs
    truths, received = iter(foot["runs"]), [run for run in runs if run.packets]
    for run in received:
        truth = next((candidate for candidate in truths if candidate["cfg_id"] == run.begin.cfg_id), None)
        if truth is None:
            raise ValueError(f"packets of configuration {run.begin.cfg_id} came, of which the insole knows nothing")
        run.truth = truth
    return received


def taken_s(runs: list[Run], foot: dict[str, Any]) -> NDArray[np.float64]:
    """Return when the last sample of every packet was taken (s, host's monotonic clock), by the insole's true clock."""
    parameters = foot["clock"]
    names = ("offset_s", "drift_ppm", "sinusoid_ppm", "sinusoid_s", "sinusoid_phase")
    clock = TrueClock(**{name: parameters[name] for name in names})
    every = [header for run in runs for _, header in run.packets]
    # over all connections: the device's clock goes on between them, by less than half a turn
    stamps = np.unwrap(np.asarray([h.time_us for h in every], dtype=np.float64), period=1 << 32)
    running = (stamps - parameters["first_us"]) / 1e6 + (np.asarray([h.count for h in every]) - 1) / RATE_HZ
    return np.asarray(parameters["epoch_s"] + clock.running(running))


def latencies_ms(runs: list[Run], foot: dict[str, Any]) -> NDArray[np.float64]:
    """Return the latency of every packet (ms): from its last sample, by the insole's true clock, to its arrival."""
    came = np.asarray([arrival_ns for run in runs for arrival_ns, _ in run.packets]) / 1e9
    return np.asarray((came - taken_s(runs, foot)) * 1e3)


def apart_ms(feet: list[tuple[NDArray[np.float64], NDArray[np.float64]]], *, from_s: float = 5.0) -> float:
    """Return how far a left and a right foot are apart in time, rms in ms, ``from_s`` after the later one began.

    Parameters
    ----------
    feet
        Of each: when samples were truly taken, and when the host says so (s).
    """
    (left, host_left), (right, host_right) = feet
    grid = np.arange(max(left[0], right[0]) + from_s, min(left[-1], right[-1]), 0.1)
    error = np.interp(grid, left, host_left - left) - np.interp(grid, right, host_right - right)
    return float(1e3 * np.sqrt(np.mean(error**2))) if grid.size else float("nan")


def injected(runs: list[Run], foot: dict[str, Any]) -> dict[str, int]:
    """Return what one insole sent, what came, and what went missing on purpose before a packet that came.

    What is missing after a connection's last packet belongs to the gap between connections, in samples.

    Raises
    ------
    ValueError
        If a connection sent more packets than a sequence number tells apart.
    """
    counts = {
        "sent": sum(run["sensor"]["sent"] for run in foot["runs"]),
        "came": 0,
        "injected": 0,
        "injected_samples": 0,
    }
    for run in runs:
        sensor = run.truth["sensor"]
        if sensor["attempted"] > _SEQUENCES:
            raise ValueError(f"a connection of {sensor['attempted']} packets; losses are listed by 16-bit sequence")
        last = run.packets[-1][1].sequence
        # what is missing after the last packet that came is seen by no counter of this connection
        lost = [packet for packet in (*sensor["lost"], *sensor["dropped"]) if packet[0] < last]
        counts["came"] += len(run.packets)
        counts["injected"] += len(lost)
        counts["injected_samples"] += sum(packet[2] for packet in lost)
    return counts


def true_gaps(runs: list[Run]) -> list[int]:
    """Return how many samples truly lie between the last of each connection and the first of the next."""
    return [int(after.numbers[0]) - before.after for before, after in pairwise(runs)]
