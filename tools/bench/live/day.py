"""A day of packets in accelerated time: ``python tools/bench live.day``; nothing may grow, nothing be miscounted.

Hub, stations, sessions, clocks, contacts and recorder are the monitor's own; only the insoles are made up and time is
not waited for: the event loop's clock, and with it ``time.monotonic``, jumps to whatever is due next. The left insole
streams all day without a break; the right one loses its link every hour and a half for three seconds; of both a
thousandth of the packets is lost. Every hour the process's memory is taken.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import math
import selectors
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from grfkit import wire
from grfkit.device.link import Link, ReceivedPacket
from grfkit.device.session import TimedItem
from grfkit.formats.grfrec import Kind, RecordFile
from grfkit.monitor import hub as hub_module
from grfkit.monitor.hub import Hub, HubSettings
from grfkit.virtual.source import SIDES, SampleSource, Side, phantom
from grfkit.wire import Info, Running

from .fed import FedLink

PACKED, HOUR_S = 5, 3600.0
BATCH_S, STATE_S = 0.5, 5.0
"""Intervals of batches and states (s), longer than the hub's own: no page looks, and a day of them is long."""
LOSS, BREAK_EVERY_S, BREAK_S = 0.001, 5400.0, 3.0
"""Share of packets lost; how long the right link lasts and is away (s). Chosen by hand: a run longer than the wraps of
the 32-bit clock (71.6 min), and losses by the thousand."""
DELAY_NS = (1e6, 14e6)
"""Delay of a packet (ns), drawn within these: about a connection interval of 15 ms."""
DRIFT_PPM = {"left": 30.0, "right": -25.0}
FLAT, EVEN = 0.05, 0.01
"""Goals: by what share memory may grow from the first hour to the last, and stances differ between hours."""
_CLOCK = 1 << 32
_HEAD = struct.Struct("<HIH")


class _Skipping(selectors.DefaultSelector):  # type: ignore[misc,valid-type]
    """A selector that lets time pass instead of waiting for it."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ns = time.monotonic_ns()

    def select(self, timeout: float | None = None) -> list[Any]:
        # what is ready is taken at once; with nothing ready the clock jumps to the next timer
        ready: list[Any] = super().select(None if timeout is None else 0)
        if not ready and timeout is not None and timeout > 0:
            self.now_ns += math.ceil(timeout * 1e9)
        return ready


def accelerated(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run work in a loop whose time, and ``time.monotonic``, is what its timers say."""
    skipping, clocks = _Skipping(), (time.monotonic, time.monotonic_ns)
    # asyncio's loop and the monitor both ask the module time: one patch moves them together
    time.monotonic, time.monotonic_ns = (lambda: skipping.now_ns * 1e-9), (lambda: skipping.now_ns)
    loop = asyncio.SelectorEventLoop(skipping)
    try:
        loop.run_until_complete(work())
    finally:
        loop.close()
        time.monotonic, time.monotonic_ns = clocks


@dataclass
class Insole:
    """The packets of an insole over a day, and their truth; samples are counted since it was switched on.

    Attributes
    ----------
    break_every_s
        How long a connection lasts.
    on_ns
        When it was switched on; then its clock showed ``first_us``.
    number_0
        First sample of the present connection.
    before
        Of the last packet that came on it: its 32-bit stamp, sample counter and sequence.
    """

    source: SampleSource
    rate_hz: int
    seed: int
    break_every_s: float
    first_us: int = _CLOCK - 5_000_000
    on_ns: int = 0
    came: int = 0
    lost: int = 0
    clock_wraps: int = 0
    counter_wraps: int = 0
    sequence_wraps: int = 0
    first: int | None = None
    after: int = 0
    cfg_id: int = 1
    number_0: int = 0
    before: tuple[int, int, int] = (0, 0, 0)

    def __post_init__(self) -> None:
        self.period_us = round(1e6 / self.rate_hz)
        self.rate = 1.0 + DRIFT_PPM[self.source.side] * 1e-6
        self.rng = np.random.default_rng([self.seed, self.source.side == "right"])
        self.bodies = self._bodies()

    def _bodies(self) -> list[bytes]:
        """Return what packets hold, over and over."""
        every, right = round(self.source.rate_hz) // self.rate_hz, self.source.side == "right"
        packets = []
        for k in range(len(self.source.cells) // every // PACKED):
            cells, imu = self.source.rows(k * PACKED, PACKED, every=every)
            header = wire.PacketHeader(wire.SENSOR, 0, 0, 0, PACKED, self.cfg_id, right=right)
            packets.append(wire.SensorPacket(header, cells, imu).to_bytes())
        return packets

    def device_us(self, at_ns: int) -> int:
        """Return the device's 32-bit clock."""
        return (self.first_us + round((at_ns - self.on_ns) / 1e3 * self.rate)) % _CLOCK

    def host_ns(self, number: float) -> int:
        """Return when a sample is taken."""
        return self.on_ns + round(number * self.period_us * 1e3 / self.rate)

    async def feed(self, link: FedLink) -> None:
        """Send from START on, until the link is lost."""
        now_ns = time.monotonic_ns()
        until_ns = now_ns + round(self.break_every_s * 1e9)
        # the first sample after START, on the grid that began when it was switched on
        self.number_0 = math.ceil((now_ns - self.on_ns) / 1e3 * self.rate / self.period_us)
        self.first = self.number_0 if self.first is None else self.first
        lost, self.before = 0, (0, 0, 0)
        for k in count():
            number = self.number_0 + PACKED * k
            due_ns = self.host_ns(number + PACKED - 1) + round(self.rng.uniform(*DELAY_NS))
            if due_ns > until_ns:
                break
            await asyncio.sleep((due_ns - time.monotonic_ns()) * 1e-9)
            if k and self.rng.random() < LOSS:
                lost += 1
                continue
            # losses count only once a later packet came: what is missing at a connection's end belongs to the gap
            self.lost, lost, self.came, self.after = self.lost + lost, 0, self.came + 1, number + PACKED
            content = self._packet(k, number)
            self._count_wraps(content)
            link.put(content, time.monotonic_ns())

    def _count_wraps(self, content: bytes) -> None:
        sequence, stamp, counter = _HEAD.unpack_from(content, 2)
        self.clock_wraps += stamp < self.before[0]
        self.counter_wraps += counter < self.before[1]
        self.sequence_wraps += sequence < self.before[2]
        self.before = stamp, counter, sequence

    def _packet(self, k: int, number: int) -> bytes:
        # a body made once and three fields written into it: a day has millions of packets
        content = bytearray(self.bodies[number // PACKED % len(self.bodies)])
        stamp = (self.first_us + number * self.period_us) % _CLOCK
        _HEAD.pack_into(content, 2, k & 0xFFFF, stamp, PACKED * k & 0xFFFF)
        return bytes(content)

    def link(self) -> FedLink:
        """Switch it on and return the way to it; after a lost link it is away for some seconds."""
        self.on_ns = time.monotonic_ns()
        running = Running(self.cfg_id, PACKED, self.rate_hz, self.period_us)
        return _Away(Info(int(self.source.side == "right")), running, self.feed, self.device_us)


class _Away(FedLink):
    async def connect(self) -> Info:
        if self.connection:
            await asyncio.sleep(BREAK_S)
        return await super().connect()


@dataclass
class Placing:
    """Errors of the times of one foot's samples."""

    worst_ms: float = 0.0
    outside: int = 0
    backwards: int = 0
    last_s: float = -math.inf
    last: tuple[int, int, int] = (-1, 0, 0)
    clock_wraps: int = 0
    counter_wraps: int = 0
    """Wraps as the session undid them: of the 32-bit clock, of the 16-bit sample counter."""


class DayHub(Hub):
    """The monitor's hub, which also compares the time of every sample with the truth."""

    def __init__(self, insoles: list[Insole], settings: HubSettings) -> None:
        super().__init__(self._insoles, settings)
        self.insoles, self.placing = insoles, [Placing() for _ in insoles]

    async def _insoles(self, _: int) -> list[Link]:
        return [insole.link() for insole in self.insoles]

    def received(self, device: int, packet: ReceivedPacket, timed: TimedItem) -> None:
        """Compare, then take what a packet held."""
        placing, insole = self.placing[device], self.insoles[device]
        item, number = timed.item, insole.number_0 + timed.item.first
        turns = (packet.connection, item.device_us // _CLOCK, item.first // (1 << 16))
        if turns[0] == placing.last[0]:
            placing.clock_wraps += turns[1] - placing.last[1]
            placing.counter_wraps += turns[2] - placing.last[2]
        placing.last = turns
        error_ms = abs(float(timed.host_s[0]) - insole.host_ns(number) * 1e-9) * 1e3
        placing.worst_ms = max(placing.worst_ms, error_ms)
        placing.outside += error_ms > timed.uncertainty_ms
        placing.backwards += bool(timed.host_s[0] <= placing.last_s or (np.diff(timed.host_s) <= 0).any())
        placing.last_s = float(timed.host_s[-1])
        super().received(device, packet, timed)


@dataclass
class Day:
    """The figures as they gather."""

    hours: list[dict[str, float]] = field(default_factory=list)

    def look(self, hour: int, hub: Hub) -> None:
        """Take memory and counts at a full hour."""
        if hub.recorder is not None:
            hub.recorder.flush()
        # cycles that wait for the collector are no growth
        gc.collect()
        stances = sum(state.stances for state in hub.snapshot().devices)
        self.hours.append({"hour": hour, "rss_mb": rss_mb(), "blocks": sys.getallocatedblocks(), "stances": stances})


def rss_mb() -> float:
    """Return the resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1e6


async def _lived(hub: DayHub, day: Day, hours: int, hour_s: float) -> None:
    async def listen() -> None:
        async for _ in hub.subscribe():
            pass

    async with hub:
        await hub.ready()
        listening = asyncio.ensure_future(listen())
        start_s = time.monotonic()
        for hour in range(1, hours + 1):
            await asyncio.sleep(start_s + hour * hour_s - time.monotonic())
            day.look(hour, hub)
            print(f"  hour {hour}: {day.hours[-1]['rss_mb']:.1f} MB", file=sys.stderr)
    await listening


def lived(
    hours: int, rate_hz: int, *, seed: int = 1, hour_s: float = HOUR_S, break_every_s: float = BREAK_EVERY_S
) -> dict[str, Any]:
    """Return the figures of ``hours`` hours; the right link is lost every ``break_every_s``."""
    # the hub reads its module's constants at every tick
    hub_module.BATCH_S, hub_module.STATE_S = BATCH_S, STATE_S
    sources: dict[Side, SampleSource] = phantom(seed=seed, duration_s=60.0).sources
    lasting_s = {"left": 1e9, "right": break_every_s}
    insoles = [Insole(sources[side], rate_hz, seed, lasting_s[side]) for side in SIDES]
    day, start_s, cpu = Day(), time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "day.grfrec"
        hub = DayHub(insoles, HubSettings(rate_hz=rate_hz, record=record))
        accelerated(lambda: _lived(hub, day, hours, hour_s))
        costs = {"wall_s": time.perf_counter() - start_s, "cpu_s": time.process_time() - cpu}
        recorded, unread = _recorded(record)
        size_mb = record.stat().st_size / 1e6
    feet = [_foot(hub, k, recorded.get(k, 0), hours) for k in range(len(insoles))]
    about = {"hours": hours, "rate_hz": rate_hz, "recording_mb": size_mb, "unread_bytes": unread}
    return about | costs | {"feet": feet, "memory": day.hours}


def _recorded(path: Path) -> tuple[dict[int, int], int]:
    """Return the packets that a recording holds, by device, and its bytes unread."""
    packets: dict[int, int] = {}
    file = RecordFile(path)
    for record in file:
        if record.kind == Kind.PACKET:
            packets[record.device] = packets.get(record.device, 0) + 1
    return packets, file.unread


def _foot(hub: DayHub, device: int, recorded: int, hours: int) -> dict[str, Any]:
    insole, station, placing = hub.insoles[device], hub.connections[device], hub.placing[device]
    counts, state = station.counts, hub.snapshot().devices[device]
    return {
        "side": insole.source.side,
        "packets": counts.packets, "packets_truly": insole.came, "packets_recorded": recorded,
        "packets_lost": counts.packets_lost, "packets_lost_truly": insole.lost,
        "samples_missing": counts.samples_lost + station.samples_between,
        "samples_missing_truly": insole.after - (insole.first or 0) - PACKED * insole.came,
        "clock_wraps": placing.clock_wraps, "clock_wraps_truly": insole.clock_wraps,
        "counter_wraps": placing.counter_wraps, "counter_wraps_truly": insole.counter_wraps,
        "sequence_wraps_truly": insole.sequence_wraps,
        "reconnects": station.reconnects, "refused": state.refused, "time_jumps": counts.time_jumps,
        "stances": state.stances, "stances_h": state.stances / hours,
        "worst_time_error_ms": placing.worst_ms, "outside_stated": placing.outside, "backwards": placing.backwards,
    }  # fmt: skip


_COUNTED = ("packets", "packets_lost", "samples_missing", "clock_wraps", "counter_wraps")


def day_goals(part: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Return each goal: what, the figure, whether it is met."""
    feet, first, last = part["feet"], part["memory"][0], part["memory"][-1]
    wrong = [f"{foot['side']} {name}" for foot in feet for name in _COUNTED if foot[name] != foot[f"{name}_truly"]]
    wrong += [f"{foot['side']} recorded" for foot in feet if foot["packets_recorded"] != foot["packets_truly"]]
    wrong += [f"{foot['side']} {name}" for foot in feet for name in ("refused", "time_jumps") if foot[name]]
    grown = {name: last[name] / first[name] - 1 for name in ("rss_mb", "blocks")}
    steps = [after["stances"] - before["stances"] for before, after in pairwise(part["memory"])]
    even = bool(steps) and max(steps) - min(steps) <= EVEN * max(steps)
    wraps = ", ".join(
        f"{foot['clock_wraps']} / {foot['counter_wraps']} / {foot['sequence_wraps_truly']}" for foot in feet
    )
    worst = max(foot["worst_time_error_ms"] for foot in feet)
    memory = (
        f"{first['rss_mb']:.1f} MB in hour {first['hour']}, {last['rss_mb']:.1f} MB in hour {last['hour']}; Python's"
    )
    return [
        ("24 h of packets of two feet", f"{part['hours']} h at {part['rate_hz']} Hz", part["hours"] >= 24),
        (
            "memory flat (5 %)",
            f"{memory} blocks {100 * grown['blocks']:+.1f} %",
            last["hour"] > first["hour"] and max(grown.values()) <= FLAT,
        ),
        (
            "packets, losses, gaps and wraps counted exactly",
            ", ".join(wrong) or f"all; wraps of clock / counter / sequence: {wraps}",
            not wrong,
        ),
        (
            "host time within what is stated, never backwards",
            f"{worst:.2f} ms off at most, {sum(foot['outside_stated'] for foot in feet)} outside",
            not any(foot["outside_stated"] or foot["backwards"] for foot in feet),
        ),
        ("as many stances in every hour (1 %)", f"{min(steps, default=0)} to {max(steps, default=0)} an hour", even),
    ]


def day_table(part: dict[str, Any]) -> list[str]:
    """Return the part's text and tables."""
    lines = [
        f"{part['hours']} h in {part['wall_s']:.0f} s ({part['cpu_s']:.0f} s of processor time). The insoles sample at"
        f" {part['rate_hz']} Hz, not 200, so that a day takes minutes: the clock wraps as often, the 16-bit counters"
        f" {part['rate_hz'] / 200:.3g} times as often. Batches every {BATCH_S:g} s and states every {STATE_S:g} s, for"
        f" no page looks. A thousandth of the packets is lost, and the right link every {BREAK_EVERY_S / 3600:g} h for"
        f" {BREAK_S:g} s. Contacts are of the cells. The recording has {part['recording_mb']:.0f} MB,"
        f" {part['unread_bytes']} bytes of it unread.",
        "",
        "| foot | " + " | ".join(f"{name.replace('_', ' ')} (true)" for name in _COUNTED) + " | sequence wraps (true)"
        " | recorded | reconnections | stances/h | worst time error ms |",
        "|---" * (len(_COUNTED) + 6) + "|",
    ]  # fmt: skip
    for foot in part["feet"]:
        counts = " | ".join(f"{foot[name]} ({foot[f'{name}_truly']})" for name in _COUNTED)
        rest = f"{foot['sequence_wraps_truly']} | {foot['packets_recorded']} | {foot['reconnects']}"
        lines.append(
            f"| {foot['side']} | {counts} | {rest} | {foot['stances_h']:.0f} | {foot['worst_time_error_ms']:.2f} |"
        )
    lines += ["", "| hour | resident MB | blocks | stances |", "|---|---|---|---|"]
    few = [hour for hour in part["memory"] if hour["hour"] in (1, 2, 6, 12, 18) or hour is part["memory"][-1]]
    return lines + [f"| {m['hour']} | {m['rss_mb']:.1f} | {m['blocks']} | {m['stances']} |" for m in few]


def main() -> None:
    """Live through the hours and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--rate-hz", type=int, default=25, choices=(20, 25, 40, 50, 100, 200))
    parser.add_argument("--seed", type=int, default=1)
    request = parser.parse_args()
    print(json.dumps(lived(request.hours, request.rate_hz, seed=request.seed)))
