"""Kills of a monitor that records over an older recording: what has the name afterwards is the old one or the new one.

Each monitor is the hub of ``grf-monitor --record OLD --force`` with two insoles in memory, forked and killed (SIGKILL)
at a random moment: before the insoles answer, while the old recording gives way, and while the new one grows.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from grfkit import wire
from grfkit.device.host_clock import host_ns
from grfkit.device.link import Link
from grfkit.errors import BadInputError
from grfkit.formats.grfrec import Kind, RecordFile
from grfkit.io import read
from grfkit.monitor.hub import Hub, HubSettings
from grfkit.monitor.live_contact import warm_up
from grfkit.wire import Info, Running

from .fed import FedLink

AT_ONCE = 10
"""Monitors at a time, chosen by hand."""
LONGEST_S = 2.0
"""Each is killed within this of its fork, chosen by hand: about half of them before the first samples."""
SLOWEST_ANSWER_S = 0.5
"""Insoles answer START after up to this long, at random, so that the old recording gives way at any moment."""
_EACH, _RATE_HZ, _PERIOD_US = 5, 200, 5000


def packet(number: int, *, right: bool) -> bytes:
    """Return a foot's packet of this number."""
    header = wire.PacketHeader(
        wire.SENSOR, number & 0xFFFF, number * _EACH * _PERIOD_US, number * _EACH & 0xFFFF, _EACH, 7, right=right
    )
    cells = np.full((_EACH, wire.CELLS), number & 0xFFF, np.uint16)
    return wire.SensorPacket(header, cells, np.zeros((_EACH, 6), np.int16)).to_bytes()


def _foot(right: bool, answers_after_s: float) -> FedLink:
    """Return an insole that streams numbered packets from START on, which it answers when it does."""
    began_ns = host_ns()

    async def feed(link: FedLink) -> None:
        await asyncio.sleep(answers_after_s)
        number = 0
        while True:
            link.put(packet(number, right=right), host_ns())
            number += 1
            await asyncio.sleep(_EACH / _RATE_HZ)

    running = Running(7, _EACH, _RATE_HZ, _PERIOD_US)
    return FedLink(Info(int(right)), running, feed, lambda at_ns: (at_ns - began_ns) // 1000 & 0xFFFFFFFF, late_s=1e-3)


async def monitor(path: Path, seconds: float, *, force: bool, answers_after_s: float = 0.0) -> None:
    """Record two insoles for so long."""

    async def find(_: int) -> list[Link]:
        return [_foot(right, answers_after_s) for right in (False, True)]

    async with Hub(find, HubSettings(record=path, force=force)) as hub:
        await hub.ready()
        await asyncio.sleep(seconds)


def outcome(path: Path, old: bytes) -> str:
    """Return ``old`` or ``new`` for what has the name; ``neither`` where that is no whole recording with samples."""
    try:
        if path.read_bytes() == old:
            return "old"
        numbers: dict[int, list[int]] = {}
        for record in RecordFile(path):
            if record.kind == Kind.PACKET:
                header = wire.PacketHeader.from_bytes(record.body[1:])
                numbers.setdefault(record.device, []).append(header.sequence)
        whole = bool(numbers) and all(n == list(range(len(n))) for n in numbers.values())
        return "new" if whole and read(path).streams else "neither"
    except (OSError, BadInputError):
        return "neither"


def _killed(folder: Path, old: bytes, count: int, rng: random.Random) -> list[str]:
    """Return what is left of ``count`` monitors that ran at once, each over its own copy of an old recording."""
    monitors = []
    for k in range(count):
        path = folder / f"{k}.grfrec"
        path.write_bytes(old)
        answers_after_s, killed_after_s = rng.uniform(0.0, SLOWEST_ANSWER_S), rng.uniform(0.0, LONGEST_S)
        pid = os.fork()
        if not pid:
            try:
                asyncio.run(monitor(path, 3600.0, force=True, answers_after_s=answers_after_s))
            finally:
                os._exit(1)
        monitors.append((time.monotonic() + killed_after_s, pid, path))
    for kill_s, pid, _ in sorted(monitors):
        time.sleep(max(0.0, kill_s - time.monotonic()))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return [outcome(path, old) for _, _, path in monitors]


def over_old_part(kills: int, *, seed: int = 1) -> dict[str, Any]:
    """Return how many names stood for the old recording, the new one, and neither; it forks."""
    rng, outcomes, parts = random.Random(seed), [], 0
    with tempfile.TemporaryDirectory() as where:
        folder = Path(where)
        # another recording than any monitor makes, and what contacts need is compiled once
        asyncio.run(monitor(folder / "old.grfrec", 2.0, force=False))
        warm_up()
        old = (folder / "old.grfrec").read_bytes()
        while len(outcomes) < kills:
            outcomes += _killed(folder, old, min(AT_ONCE, kills - len(outcomes)), rng)
            for part in folder.glob(".*.part"):
                parts += 1
                part.unlink()
    kinds = {kind: outcomes.count(kind) for kind in ("old", "new", "neither")}
    return {"over_old": len(outcomes), **kinds, "parts_left": parts}
