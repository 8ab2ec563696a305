"""A hub without insoles: two feet that run for ever, the same every time, and a note of all that was asked."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from grfkit.errors import BadInputError
from grfkit.monitor.messages import (
    SIDES,
    Command,
    DeviceState,
    Message,
    MonitorEvent,
    SampleBatch,
    Snapshot,
    StanceShown,
)

RATE_HZ = 200.0
STRIDE_S = 0.72
CONTACT_S = 0.24
PEAK = 21000.0
CELLS = 16
BATCH_S = 0.066


class FakeSubscription:
    """A queue that forgets its oldest; None ends it."""

    def __init__(self, hub: FakeHub) -> None:
        self._hub = hub
        self.queue: asyncio.Queue[Message | None] = asyncio.Queue()
        self.closed = False

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        message = await self.queue.get()
        if message is None or self.closed:
            raise StopAsyncIteration
        return message

    def close(self) -> None:
        self.closed = True
        self._hub.subscriptions.discard(self)
        self.queue.put_nowait(None)


@dataclass
class FakeHub:
    """A hub as the server sees it; ``states`` and the rest may be changed while it runs."""

    unit: str = "count"
    source: Any = "cells"
    demo: bool = True
    commands: list[Command] = field(default_factory=list)
    subscriptions: set[FakeSubscription] = field(default_factory=set)
    running: bool = True
    silent: set[int] = field(default_factory=set)
    changed: dict[int, dict[str, Any]] = field(default_factory=dict)
    target: dict[str, Any] | None = None
    recording: dict[str, Any] | None = None
    tare_s: float = 0.05
    bridged_every: int = 0
    past: list[Message] = field(default_factory=list)
    behind_s: float = 0.0
    stated: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.peak = PEAK if self.unit == "count" else 2.4
        self.began = time.monotonic()
        self.sent = {0: 0, 1: 0}
        self.stances = {0: 0, 1: 0}
        self.ended = False

    # what the server asks

    def subscribe(self) -> FakeSubscription:
        one = FakeSubscription(self)
        self.subscriptions.add(one)
        for message in self.past:
            one.queue.put_nowait(message)
        if self.ended:
            one.queue.put_nowait(None)
        return one

    async def command(self, command: Command) -> dict[str, Any]:
        self.commands.append(command)
        if command.action == "tare":
            await asyncio.sleep(self.tare_s)
            if command.device not in (None, 0, 1):
                raise BadInputError(f"there is no device {command.device}, expected 0 or 1")
        elif command.action in ("start", "stop"):
            self.running = command.action == "start"
        elif command.action == "target":
            self.target = command.arguments or None
        elif command.action == "clear" and command.arguments.get("text") == "break":
            raise RuntimeError("broken on purpose")
        self.tell(MonitorEvent(command.action, self.now(), str(command.arguments.get("text", "")), command.device))
        self.tell(self.snapshot())
        return {"ok": True}

    def now(self) -> float:
        return time.monotonic() - self.began

    def snapshot(self) -> Snapshot:
        now = self.now()
        devices = []
        for device, side in enumerate(SIDES):
            state = DeviceState(
                device, side, f"GRF-{side[0].upper()}0{device + 1}", f"C0:00:00:00:00:0{device}",
                "streaming" if self.running else "stopped", reconnects=device, packets=self.sent[device] // 5,
                packets_lost=2 * device, samples=self.sent[device], samples_lost=10 * device,
                stances=self.stances[device], latency_ms={"p50": 11.2, "p99": 23.1 + device}, data_age_ms=40.0,
                clock_uncertainty_ms=0.42, battery_percent=87 - 74 * device, rate_hz=RATE_HZ, mtu=247,
                force_unit=self.unit, cadence_per_min=166.7, contact_s=0.240 + 0.011 * device,
                peak=self.peak * (1 - 0.04 * device),
                loading_rate=20 * self.peak * (1 + 0.03 * device), stance_unit=self.unit,
            )  # fmt: skip
            devices.append(replace(state, **self.changed.get(device, {})))
        size = {"path": "/home/coach/runs/2026-11-21_intervals.grfrec", "bytes": int(18560 * now), "seconds": now}
        return Snapshot(
            now, devices, self.running, recording=self.recording or {**size, "problem": None, "lost": 0},
            asymmetry_percent={"contact_s": -4.5, "peak": 4.1, "loading_rate": -3.0}, target=self.target,
            demo=self.demo, behind_s=self.behind_s, stated=self.stated,
        )  # fmt: skip

    # what happens by itself

    def tell(self, message: Message) -> None:
        for one in list(self.subscriptions):
            one.queue.put_nowait(message)

    async def run(self, seconds: float = 3600.0) -> None:
        """Send batches, stances and states until the time is over, then end."""
        last = self.now()
        told = 0.0
        with contextlib.suppress(asyncio.CancelledError):
            while self.now() < seconds:
                await asyncio.sleep(BATCH_S)
                now = self.now()
                for device in (0, 1):
                    if self.running and device not in self.silent:
                        self.tell(batch(device, last, now - 0.02, sent_s=now, peak=self.peak))
                        self.sent[device] += max(0, len(sample_times(last, now - 0.02)))
                        for stance in self.stances_between(device, last - 0.02, now - 0.02):
                            self.tell(stance)
                last = now - 0.02
                if now - told > 0.5:
                    told = now
                    self.tell(self.snapshot())
        self.end()

    def end(self) -> None:
        self.ended = True
        for one in list(self.subscriptions):
            one.queue.put_nowait(None)

    def stances_between(self, device: int, start: float, end: float) -> list[StanceShown]:
        shift = device * STRIDE_S / 2
        first = int(np.ceil((start - shift - CONTACT_S) / STRIDE_S))
        last = int(np.ceil((end - shift - CONTACT_S) / STRIDE_S))
        found = []
        for number in range(max(first, 0), last):
            self.stances[device] += 1
            one = stance(device, number, shift + number * STRIDE_S, unit=self.unit, source=self.source)
            gone = self.bridged_every and number % self.bridged_every == 0
            found.append(replace(one, missed=5, within=None) if gone else one)
        return found


def sample_times(start: float, end: float) -> np.ndarray:
    """Return the times of samples in ``(start, end]``."""
    return np.arange(np.floor(start * RATE_HZ) + 1, np.floor(end * RATE_HZ) + 1) / RATE_HZ


def force(device: int, time_s: np.ndarray, peak: float = PEAK) -> np.ndarray:
    """Return the force: a contact each stride, with an impact, each a little different."""
    shifted = time_s - device * STRIDE_S / 2
    share = (shifted % STRIDE_S) / CONTACT_S
    vary = 1 + 0.04 * np.sin(7.3 * np.floor(shifted / STRIDE_S))
    curve = np.sin(np.pi * np.clip(share, 0, 1)) + 0.35 * np.exp(-(((share - 0.14) / 0.07) ** 2))
    return np.where(share < 1, np.maximum(curve, 0), 0.0) * peak * vary * (1 - 0.04 * device)


def batch(
    device: int, start: float, end: float, *, sent_s: float, gap: bool = False, peak: float = PEAK
) -> SampleBatch:
    """Return the samples of a stretch of time; the load rolls from heel to toe."""
    times = sample_times(start, end)
    total = force(device, times, peak)
    share = ((times - device * STRIDE_S / 2) % STRIDE_S) / CONTACT_S
    along = np.array([20, 20, 55, 94, 129, 174, 216, 185, 231, 222, 183, 207, 171, 129, 94, 55]) / 240
    weight = np.exp(-(((along[:, None] - np.clip(share, 0, 1)) / 0.28) ** 2))
    cells = total * weight / weight.sum(axis=0)
    return SampleBatch(device, times, np.vstack([total, cells]).astype(np.float32), sent_s, gap)


def stance(device: int, number: int, start_s: float, *, unit: str = "count", source: Any = "cells") -> StanceShown:
    """Return one contact; with a model there are three axes and an interval."""
    x = np.linspace(0, 1, 101)
    curve = force(device, start_s + 1e-9 + x * CONTACT_S * 0.9999, PEAK if source == "cells" else 2.4)
    axes = {"v": curve.tolist()}
    low = high = None
    if source != "cells":
        axes = {
            "v": curve.tolist(),
            "ap": (-0.3 * np.sin(2 * np.pi * x)).tolist(),
            "ml": (0.1 * np.sin(np.pi * x)).tolist(),
        }
        low, high = (curve - 0.15).tolist(), (curve + 0.15).tolist()
    features = {"contact_s": CONTACT_S + 0.01 * np.sin(number), "peak": float(curve.max()), "loading_rate": 4e5}
    within = bool(features["contact_s"] < 0.245)
    return StanceShown(device, number, start_s, CONTACT_S, axes, unit, source, features, low, high, 0, 31.0, within)
