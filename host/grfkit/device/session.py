"""One insole from START to the end of its connection: packets in, samples on the host's time out, losses counted."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..formats.device_clock import CLOCK_RESTARTED_US, CLOCK_TURN_US, WrappedClock, ahead_us, clock_goes_on
from ..formats.packet_stream import GrfSamples, Item, PacketCounts, PacketStream, ReceivedStance, Samples
from ..wire import Info, Running
from .clock import ClockEstimate
from .link import Exchange, Link, LinkTimeout, ReceivedPacket

SYNC_BURST, SYNC_EVERY_S = 8, 10.0
"""Time syncs of a burst, and the time between bursts."""
FIRST_SYNCS = 24
"""Time syncs after connecting, before START."""
_APART_S = 0.05
"""Time syncs of a burst wait up to this long, at random: longer than a connection interval of 45 ms, with whose events
they would keep step otherwise."""

__all__ = [
    "FIRST_SYNCS",
    "SYNC_BURST",
    "SYNC_EVERY_S",
    "GrfSamples",
    "PacketCounts",
    "ReceivedStance",
    "Samples",
    "Session",
    "TimedItem",
    "samples_between",
    "sync_burst",
]


@dataclass(frozen=True)
class TimedItem:
    """The content of a packet, and its time.

    Attributes
    ----------
    host_s
        Host time (``device.host_clock``) of every sample, rising; of a stance its initial contact and toe off.
    uncertainty_ms
        Half-width around these times.
    """

    item: Item
    host_s: NDArray[np.float64]
    uncertainty_ms: float


class Session:
    """One device from START to disconnection.

    Parameters
    ----------
    number
        The link's connection; packets of any other are ignored and counted in :attr:`stale`.
    started_ns
        Host time when START was sent.
    exchanges
        Time syncs made on this connection before START, so that the first samples are well placed.
    """

    def __init__(
        self,
        *,
        number: int,
        info: Info,
        running: Running,
        started_ns: int,
        exchanges: tuple[Exchange, ...] = (),
    ) -> None:
        self.number, self.info, self.running, self.started_ns = number, info, running, started_ns
        self.stale = 0
        self.first: Samples | GrfSamples | None = None
        self.last: Samples | GrfSamples | None = None
        self._wrapped = WrappedClock()
        self._stream = PacketStream(
            cfg_id=running.cfg_id,
            samples_per_packet=running.samples_per_packet,
            period_us=running.period_us,
            right=info.right,
            started_ns=started_ns,
            clock=self._wrapped,
        )
        self._epoch = 0
        self.clock = ClockEstimate()
        for exchange in exchanges:
            self.synced(exchange)

    @property
    def counts(self) -> PacketCounts:
        """Return what came and what did not."""
        return self._stream.counts

    @property
    def side(self) -> str:
        """Return ``left`` or ``right``."""
        return "right" if self.info.right else "left"

    def take(self, arrived: ReceivedPacket) -> TimedItem | None:
        """Return what a packet held and when; None if refused, repeated, stale, or part of a stance."""
        if arrived.connection != self.number:
            self.stale += 1
            return None
        item = self._stream.take(arrived.content, int(arrived.characteristic), arrived.arrival_ns)
        if item is None:
            return None
        if isinstance(item, ReceivedStance):
            return self._stance(item)
        self._restart_at_jump(item)
        count = len(item.cells) if isinstance(item, Samples) else len(item.force_n)
        # a packet can leave once its last sample is taken: delay is counted from there
        sent_us = item.device_us + (count - 1) * self.running.period_us
        if item.epoch == self._epoch:
            self.clock.arrived(sent_us, arrived.arrival_ns)
        self.first, self.last = self.first or item, item
        at_us = item.device_us + self.running.period_us * np.arange(count, dtype=np.float64)
        return TimedItem(item, self.clock.host_s(at_us), self.clock.uncertainty_ms)

    def synced(self, exchange: Exchange) -> None:
        """Take an exchange of time stamps of this connection."""
        t2 = self._wrapped.unwrapped(exchange.t2_us, exchange.t4_ns)
        if self._wrapped.device_us is None:
            self._wrapped.keep(t2, exchange.t4_ns)
        # answered within a turn of the device's 32-bit clock (71.6 min)
        t3 = t2 + ((exchange.t3_us - exchange.t2_us) & 0xFFFFFFFF)
        self.clock.exchanged(exchange.t1_ns, t2, t3, exchange.t4_ns)

    def _restart_at_jump(self, item: Samples | GrfSamples) -> None:
        if item.epoch > self._epoch:
            self._epoch = item.epoch
            # evidence of before the jump says nothing about the clock after it
            self.clock = ClockEstimate(not_before_s=self.clock.latest_s)

    def _stance(self, item: ReceivedStance) -> TimedItem:
        ends_us = item.device_us + np.asarray([0.0, item.report.contact_s * 1e6])
        return TimedItem(item, self.clock.host_s(ends_us, advance=False), self.clock.uncertainty_ms)


async def sync_burst(link: Link, count: int = SYNC_BURST) -> list[Exchange]:
    """Return time syncs at moments that do not keep step with the link's events; those not answered are left out.

    Raises
    ------
    LinkClosed
        If the link closes meanwhile.
    """
    exchanges = []
    for _ in range(count):
        await asyncio.sleep(random.uniform(0.0, _APART_S))
        try:
            exchanges.append(await link.time_sync())
        except LinkTimeout:
            continue
    return exchanges


def samples_between(before: Samples | GrfSamples, after: Samples | GrfSamples, *, period_us: int) -> int:
    """Return how many samples are missing between two pieces of one device over a reconnection.

    By the device's own clock, which runs on while nobody listens, even where the host slept and its clock did not
    count that; where the device's clock restarted, by arrival time. It restarted if it parts from arrival (see
    :func:`~grfkit.formats.device_clock.clock_goes_on`), but for one that is ahead and shows more than has passed since
    the piece before: it begins at 0 when an insole is switched on, so that it was not switched on meanwhile. Samples
    missing since the new START are counted there, and not here.

    Parameters
    ----------
    before, after
        Last piece of the earlier connection, first of the later one.
    period_us
        Nominal time between samples.
    """
    count = len(before.cells) if isinstance(before, Samples) else len(before.force_n)
    elapsed_us = (after.arrival_ns - before.arrival_ns) / 1e3
    ahead = ahead_us(after.device_us - before.device_us, elapsed_us)
    goes_on = clock_goes_on(before.device_us, before.arrival_ns, after.device_us, after.arrival_ns)
    host_slept = ahead > 0 and after.device_us % CLOCK_TURN_US > elapsed_us + CLOCK_RESTARTED_US
    if goes_on or host_slept:
        elapsed_us += ahead
    return max(0, round(elapsed_us / period_us) - count - after.missing)
