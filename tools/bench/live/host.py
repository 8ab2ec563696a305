"""The host of the live benchmark: the monitor's own hub and recorder, watched; with Bumble, and without any radio."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grfkit import wire
from grfkit.device.ble import Adapter, BleLink
from grfkit.device.link import Link, ReceivedPacket
from grfkit.device.session import Samples, Session, TimedItem
from grfkit.monitor.hub import Hub, HubSettings
from grfkit.wire import Info, Running

from .fed import FedLink
from .insoles import RATE_HZ, Program


class Processor:
    """Share of one core that this process takes within a ``with`` block."""

    share = 0.0

    def __enter__(self) -> Processor:
        """Begin."""
        self._begun, self._cpu = time.monotonic(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self.seconds = time.monotonic() - self._begun
        self.share = (time.process_time() - self._cpu) / self.seconds


@dataclass
class Noted:
    """Events of one device.

    Attributes
    ----------
    lost_ns
        Host times of lost links.
    gaps
        Samples missing before each later session.
    placed_s
        Host time of every packet's last sample, as the session has placed it.
    """

    lost_ns: list[int] = field(default_factory=list)
    gaps: list[int] = field(default_factory=list)
    placed_s: list[float] = field(default_factory=list)


class WatchedHub(Hub):
    """The monitor's hub, which also notes when links went, what gaps it counted, when it says samples were taken."""

    def __init__(self, find: Any, settings: HubSettings) -> None:
        super().__init__(find, settings)
        self.noted: defaultdict[int, Noted] = defaultdict(Noted)

    def session_began(self, device: int, session: Session, gap: int | None, *, sends: bool) -> None:
        """Note the gap: between connections, and missing before the first packet of the new one."""
        if gap is not None and session.first is not None:
            self.noted[device].gaps.append(gap + session.first.missing)
        super().session_began(device, session, gap, sends=sends)

    def received(self, device: int, packet: ReceivedPacket, timed: TimedItem) -> None:
        """Note when the last sample was taken."""
        if isinstance(timed.item, Samples):
            self.noted[device].placed_s.append(float(timed.host_s[-1]))
        super().received(device, packet, timed)

    def happened(self, device: int, kind: str, text: str) -> None:
        """Note a link that went."""
        if kind == "disconnected":
            self.noted[device].lost_ns.append(time.monotonic_ns())
        super().happened(device, kind, text)


@dataclass
class Foot:
    """The hub's counts of one insole."""

    runner: int
    side: str
    counts: dict[str, int]
    reconnects: int
    noted: Noted


@dataclass
class Hosted:
    """The figures of a run."""

    processor: Processor
    feet: dict[int, Foot]


async def hosted(programs: Sequence[Program], seconds: float, *, record: Path) -> Hosted:
    """Run the monitor without a page on insoles of other processes, recording."""
    adapters = [await Adapter.open(program.adapter) for program in programs]

    async def find(_: int) -> list[Link]:
        return [BleLink(a, f) for a in adapters for f in await a.find(2, timeout_s=20.0)]

    try:
        async with WatchedHub(find, HubSettings(rate_hz=RATE_HZ, record=record)) as hub:
            await hub.ready()
            listening = asyncio.ensure_future(_listen(hub))
            with Processor() as processor:
                await asyncio.sleep(seconds)
        await listening
    finally:
        for adapter in adapters:
            await adapter.close()
    return Hosted(processor, _feet(hub))


async def _listen(hub: Hub) -> None:
    async for _ in hub.subscribe():
        pass


def _feet(hub: WatchedHub) -> dict[int, Foot]:
    feet = {}
    for state, station in zip(hub.snapshot().devices, hub.connections):
        counts = {
            "packets": state.packets,
            "packets_lost": state.packets_lost,
            "samples": state.samples,
            "samples_lost": station.counts.samples_lost,
            "samples_between": station.samples_between,
            "refused": state.refused,
        }
        feet[state.device] = Foot(state.runner, state.side, counts, state.reconnects, hub.noted[state.device])
    return feet


async def without_radio(packets: Mapping[int, list[tuple[int, bytes]]], seconds: float, *, record: Path) -> Processor:
    """Return what the same hub and recorder take when the same packets come at the same moments from memory.

    Parameters
    ----------
    packets
        ``(arrival_ns, content)`` of each device's sensor packets, 200 Hz, in order.
    """
    begun_ns = min(packets_of_device[0][0] for packets_of_device in packets.values())

    async def find(origin_ns: int) -> list[Link]:
        return [
            _from_memory(packets_of_device, origin_ns + round(1e9) - begun_ns) for packets_of_device in packets.values()
        ]

    async with Hub(find, HubSettings(rate_hz=RATE_HZ, record=record)) as hub:
        await hub.ready()
        listening = asyncio.ensure_future(_listen(hub))
        await asyncio.sleep(2.0)
        with Processor() as processor:
            await asyncio.sleep(seconds)
    await listening
    return processor


def _from_memory(packets: list[tuple[int, bytes]], later_ns: int) -> FedLink:
    header, period_us = wire.PacketHeader.from_bytes(packets[0][1]), round(1e6 / RATE_HZ)
    taken_ns, upcoming = packets[0][0] + later_ns - round(10e6), iter(packets)
    last_us = header.time_us + (header.count - 1) * period_us

    async def feed(link: FedLink) -> None:
        for arrival_ns, content in upcoming:
            await asyncio.sleep((arrival_ns + later_ns - time.monotonic_ns()) * 1e-9)
            link.put(content, time.monotonic_ns())
        await asyncio.Event().wait()

    def device_us(at_ns: int) -> int:
        return (last_us + (at_ns - taken_ns) // 1000) & 0xFFFFFFFF

    running = Running(header.cfg_id, header.count, RATE_HZ, period_us)
    return FedLink(Info(int(header.right)), running, feed, device_us)
