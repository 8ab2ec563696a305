"""A computer that slept: what insoles sent meanwhile is missing, and counted, whichever clock shows it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from grfkit import wire
from grfkit.device import host_clock
from grfkit.device.link import Characteristic, Exchange, ReceivedPacket
from grfkit.device.session import Samples, Session, samples_between
from grfkit.formats.device_clock import CLOCK_RESTARTED_US, CLOCK_TURN_US, clock_goes_on
from grfkit.monitor import hub as hub_module
from grfkit.monitor.hub import Hub
from grfkit.monitor.messages import MonitorEvent
from grfkit.monitor.sessions import PendingSession, SessionChain
from grfkit.wire import Info, Running

PERIOD_US, EACH = 5000, 5
RUNNING = Running(7, EACH, 200, PERIOD_US)
START_NS = 1_000_000_000_000
SLEPT_S = 1200


def packet(sample: int, *, number: int = 1, since: int = 0, clock_us: int = 0, slept_s: float = 0.0) -> ReceivedPacket:
    """Return the packet that begins with a sample of the insole's life, 10 ms after its last one.

    ``since``: the sample at START, where its counters are 0; ``slept_s``: what the host's clock does not count.
    """
    counted, at_us = sample - since, (clock_us + sample * PERIOD_US) & 0xFFFFFFFF
    header = wire.PacketHeader(wire.SENSOR, counted // EACH & 0xFFFF, at_us, counted & 0xFFFF, EACH, 7)
    content = wire.SensorPacket(header, np.zeros((EACH, 16), np.uint16), np.zeros((EACH, 6), np.int16)).to_bytes()
    arrival_ns = START_NS + ((sample + EACH) * PERIOD_US + 10_000) * 1000 - round(slept_s * 1e9)
    return ReceivedPacket(content, Characteristic.SENSOR_DATA, arrival_ns, number)


def session(number: int = 1) -> Session:
    return Session(number=number, info=Info(0), running=RUNNING, started_ns=START_NS)


def samples(of: Session, received: ReceivedPacket) -> Samples:
    placed = of.take(received)
    assert placed is not None
    assert isinstance(placed.item, Samples)
    return placed.item


@pytest.mark.parametrize("uncounted_s", [SLEPT_S, 0], ids=["the host's clock stood", "the host's clock went on"])
@pytest.mark.parametrize(
    "clock_us", [0, 50_000_000, 2**32 - 600_000_000], ids=["young", "some time on", "wraps asleep"]
)
def test_over_a_reconnection_20_minutes_asleep_are_240_395_samples(uncounted_s: int, clock_us: int) -> None:
    """2 s without a link, of which the packet before took 25 ms, and the sleep between."""
    before, after = session(), session(2)
    last = samples(before, packet(1000, clock_us=clock_us))
    first = samples(after, packet(241_400, number=2, since=241_400, clock_us=clock_us, slept_s=uncounted_s))
    assert samples_between(last, first, period_us=PERIOD_US) == 240_395


def test_an_insole_that_was_switched_off_and_on_is_counted_by_arrivals() -> None:
    """Its clock begins at 0, wherever the one before had got to; what the host does not know stays unknown."""
    last = samples(session(), packet(100_000))
    for up_s in (0.4, 3.9):
        clock_us = round(up_s * 1e6) - 101_000 * PERIOD_US
        first = samples(session(2), packet(101_000, number=2, since=101_000, clock_us=clock_us))
        assert samples_between(last, first, period_us=PERIOD_US) == 995


@pytest.mark.parametrize("lost", [60_000, 65_535, 65_536, 131_077, 240_395])
@pytest.mark.parametrize("counted", [True, False])
def test_within_a_session_counters_of_16_bits_are_unwrapped_by_the_insole_s_clock(lost: int, counted: bool) -> None:
    """A serial line stays open: the counter has turned up to four times while the host's clock may have stood."""
    running = session()
    lost -= lost % EACH
    slept_s = 0.0 if counted else lost * PERIOD_US * 1e-6
    for k in range(20):
        samples(running, packet(EACH * k))
    after = [running.take(packet(100 + lost + EACH * k, slept_s=slept_s)) for k in range(20)]
    assert all(after)
    counts = running.counts
    assert (counts.packets, counts.packets_lost, counts.samples_lost) == (40, lost // EACH, lost)
    assert (counts.host_sleeps, counts.time_jumps) == (0 if counted else 1, 0)
    host_s = np.concatenate([placed.host_s for placed in after if placed is not None])
    assert np.all(np.diff(host_s) > 0)
    due_s = (START_NS - slept_s * 1e9) * 1e-9 + (100 + lost + np.arange(100)) * PERIOD_US * 1e-6
    assert np.abs(host_s - due_s).max() < 0.05


def test_a_program_that_stood_is_no_sleep() -> None:
    """Stopped for 20 minutes: what the line held comes late, and what comes next is on time."""
    running = session()
    for k in range(20):
        samples(running, packet(EACH * k))
    for k in range(20, 24):
        held = packet(EACH * k)
        samples(running, replace(held, arrival_ns=START_NS + SLEPT_S * 10**9))
    for k in range(48_000, 48_020):
        samples(running, packet(EACH * k))
    counts = running.counts
    assert (counts.samples_lost, counts.host_sleeps, counts.time_jumps) == (EACH * (48_000 - 24), 0, 0)


@pytest.mark.parametrize("jump_s", [90, 700, 1500])
def test_a_clock_that_was_set_is_no_sleep(jump_s: int) -> None:
    """Its counter goes on by one packet, whatever the clock says."""
    running = session()
    for k in range(20):
        samples(running, packet(EACH * k))
    ahead = jump_s * 10**6 + 7_000
    assert running.take(packet(100, clock_us=ahead)) is None, "doubted once"
    for k in range(21, 40):
        samples(running, packet(EACH * k, clock_us=ahead))
    counts = running.counts
    assert (counts.samples_lost, counts.time_jumps, counts.host_sleeps) == (EACH, 1, 0)


@pytest.mark.parametrize(
    ("apart_us", "elapsed_s", "goes_on"),
    [
        (CLOCK_RESTARTED_US, 0, True),
        (CLOCK_RESTARTED_US + 1, 0, False),
        (-CLOCK_RESTARTED_US - 1, 0, False),
        (CLOCK_RESTARTED_US + 900_000, 10_000, True),
        (CLOCK_RESTARTED_US + 1_100_000, 10_000, False),
        (CLOCK_TURN_US + 10, 3, True),
    ],
)
def test_one_limit_says_whether_a_clock_went_on(apart_us: int, elapsed_s: int, goes_on: bool) -> None:
    after_us = (123 + elapsed_s * 10**6 + apart_us) % CLOCK_TURN_US
    assert clock_goes_on(123, 5, after_us, 5 + elapsed_s * 10**9) is goes_on


def test_time_syncs_of_before_a_sleep_that_was_not_counted_are_forgotten() -> None:
    """They say where the clock was: kept, all samples after the sleep would lie 20 minutes off."""
    chain = SessionChain(lambda *_: None)
    exchange = Exchange(START_NS, 4_000, 4_000, START_NS + 8_000_000)
    chain.start(PendingSession(1, "a", Info(0), RUNNING, START_NS, [exchange]))
    chain.take(packet(0))
    chain.close()
    pending = PendingSession(2, "a", Info(0), RUNNING, START_NS + 2 * 10**9, [])
    chain.start(pending)
    first = chain.take(packet(240_400, number=2, since=240_400, slept_s=SLEPT_S))
    assert first is not None
    assert abs(first.host_s[0] - (START_NS * 1e-9 + 2.0)) < 0.05
    assert chain.samples_between == 240_395


def test_the_host_s_clock_goes_on_in_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    before_ns, awake_ns = host_clock.host_ns(), time.monotonic_ns()
    assert abs(before_ns - awake_ns) < 50_000_000, "until it sleeps the two are one"
    assert abs(host_clock.slept_ns()) < 50_000_000
    if host_clock._CLOCK is None:
        pytest.skip("this system's monotonic clock counts sleep itself")
    real = time.clock_gettime_ns
    monkeypatch.setattr(time, "clock_gettime_ns", lambda clock: real(clock) + SLEPT_S * 10**9)
    assert host_clock.host_ns() - before_ns >= SLEPT_S * 10**9
    assert abs(host_clock.slept_ns() - SLEPT_S * 10**9) < 50_000_000


def test_a_hub_tells_that_the_computer_slept(monkeypatch: pytest.MonkeyPatch) -> None:
    slept = [0]
    monkeypatch.setattr(hub_module, "slept_ns_now", lambda: slept[0])

    async def work() -> list[Any]:
        hub = Hub(lambda _: asyncio.sleep(0, []))
        events: list[Any] = []
        monkeypatch.setattr(hub, "publish", events.append)
        hub._notice_sleep()
        slept[0] += 400_000_000
        hub._notice_sleep()
        slept[0] += 1200 * 10**9
        hub._notice_sleep()
        hub._notice_sleep()
        return events

    (event,) = asyncio.run(work())
    assert isinstance(event, MonitorEvent)
    assert (event.kind, event.text) == (
        "problem",
        "this computer slept for 1200 s; what insoles sent meanwhile is missing",
    )
