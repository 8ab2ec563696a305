"""A hub over insoles in a room of this process, for the tests of the monitor: known steps, and all that was told."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("bumble")
pytest.importorskip("bleak")

from grfkit import wire
from grfkit.device.ble import Adapter, BleLink
from grfkit.device.link import Link
from grfkit.formats import grfrec
from grfkit.formats.grfrec import Begin, Kind, RecordFile
from grfkit.monitor.hub import Hub, HubSettings
from grfkit.monitor.messages import Command, Message, MonitorEvent, SampleBatch, Snapshot, StanceShown
from grfkit.virtual.insole import InsoleSettings, VirtualInsole
from grfkit.virtual.link_model import LinkSettings
from grfkit.virtual.source import SampleSource, Side
from grfkit.virtual.testbed import InsoleTestBed

RATE_HZ, STRIDE_S, CONTACT_S, PEAK, EMPTY = 200.0, 0.5, 0.25, 1000.0, 40.0
FAST = LinkSettings(interval_ms=7.5, pdus_per_event=4)


def load(phase_s: np.ndarray) -> np.ndarray:
    """What one cell says, counts: a half sine over the contact, ``EMPTY`` in the air."""
    within = phase_s < CONTACT_S
    return EMPTY + np.where(within, PEAK * np.sin(np.pi * phase_s / CONTACT_S), 0.0)


def steps(side: Side, *, seconds: float = 20.0, scale: float = 1.0) -> SampleSource:
    """A foot that steps twice a second, the right one half a stride after the left; all cells alike."""
    at = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    phase = (at - (STRIDE_S / 2 if side == "right" else 0.0)) % STRIDE_S
    cells = np.rint(EMPTY + scale * (load(phase) - EMPTY)).astype(np.uint16)
    return SampleSource(side, RATE_HZ, np.repeat(cells[:, None], 16, axis=1), np.zeros((at.size, 6), np.int16))


@dataclass
class Told:
    """Everything a listener was told."""

    messages: list[Message] = field(default_factory=list)

    def of(self, kind: type) -> list[Any]:
        return [m for m in self.messages if isinstance(m, kind)]

    @property
    def stances(self) -> list[StanceShown]:
        return self.of(StanceShown)

    @property
    def states(self) -> list[Snapshot]:
        return self.of(Snapshot)

    def batches(self, device: int) -> list[SampleBatch]:
        return [m for m in self.of(SampleBatch) if m.device == device]

    def happened(self, kind: str) -> list[MonitorEvent]:
        return [m for m in self.of(MonitorEvent) if m.kind == kind]


class Lab:
    """A room, its insoles, and a hub on them."""

    def __init__(self, room: InsoleTestBed, adapter: Adapter) -> None:
        self.room, self.adapter = room, adapter
        self.insoles: dict[str, VirtualInsole] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def add(self, side: Side, settings: InsoleSettings | None = None, **more: Any) -> VirtualInsole:
        self.insoles[side] = await self.room.add(more.pop("source", None) or steps(side), settings, **more)
        return self.insoles[side]

    async def find(self, _: int) -> Sequence[Link]:
        found = await self.adapter.find(len(self.insoles), timeout_s=60.0)
        return [BleLink(self.adapter, one) for one in found]

    def hub(self, settings: HubSettings | None = None) -> Hub:
        return Hub(self.find, settings)

    def listen(self, hub: Hub) -> Told:
        told = Told()

        async def listening() -> None:
            async for message in hub.subscribe():
                told.messages.append(message)

        self._tasks.append(asyncio.ensure_future(listening()))
        return told

    async def close(self) -> None:
        await asyncio.wait_for(asyncio.gather(*self._tasks), 60.0)


@asynccontextmanager
async def lab(link: LinkSettings = FAST) -> Any:
    """Give a lab; everything is switched off afterwards."""
    async with InsoleTestBed(link) as room:
        adapter = Adapter.on(await room.radio())
        one = Lab(room, adapter)
        try:
            yield one
            await one.close()
        finally:
            await adapter.close()


async def until(true: Any, *, seconds: float = 150.0) -> None:
    """Wait until something is so."""
    for _ in range(math.ceil(seconds / 0.02)):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never was so")


async def ask(hub: Hub, action: str, device: int | None = None, **arguments: Any) -> dict[str, Any]:
    """Ask the hub and return its answer."""
    return await hub.command(Command(7, action, device, arguments))


@dataclass
class Recorded:
    """One connection in a recording, as its bytes say."""

    begin: Begin
    headers: list[wire.PacketHeader] = field(default_factory=list)
    ended: str | None = None


def connections(path: Path, device: int) -> list[Recorded]:
    """Return a device's connections in a recording; sensor packets by header alone, parsed here."""
    found: list[Recorded] = []
    for record in RecordFile(path):
        if record.device != device:
            continue
        if record.kind == Kind.BEGIN:
            found.append(Recorded(Begin.from_bytes(record.body)))
        elif record.kind == Kind.PACKET and record.body[0] == 4:
            found[-1].headers.append(wire.PacketHeader.from_bytes(record.body[1:]))
        elif record.kind == Kind.END:
            found[-1].ended = record.text
    assert grfrec
    return found
