"""The sessions of one insole, one after the other: samples on the host's time, and losses in and between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..device.link import Exchange, ReceivedPacket
from ..device.recorder import Recorder
from ..device.session import (
    FIRST_SYNCS,
    GrfSamples,
    PacketCounts,
    Samples,
    Session,
    TimedItem,
    samples_between,
)
from ..errors import BadInputError
from ..formats.device_clock import clock_goes_on
from ..wire import Info, PacketHeader, Running
from .latency import Latency

__all__ = ["PendingSession", "SessionChain"]

_MOST_SYNCS = 3 * FIRST_SYNCS
"""Exchanges remembered over a reconnection; three first bursts, chosen by hand: the drift is fitted from these."""


@dataclass
class PendingSession:
    """A START whose first packet has not come: only that tells whether the device's clock went on.

    Attributes
    ----------
    number
        The link's connection.
    exchanges
        Time syncs made on this connection before START.
    """

    number: int
    address: str
    info: Info
    running: Running
    started_ns: int
    exchanges: list[Exchange]


class SessionChain:
    """One insole's sessions.

    Parameters
    ----------
    began
        Called with each session as its first packet is taken, and with the samples missing since the one before (None
        for the first session, and after a stop on purpose).

    Attributes
    ----------
    session
        The present one, None while nothing streams.
    samples_between
        Samples missing between sessions, by the device's own clock.
    """

    def __init__(self, began: Callable[[Session, int | None], None]) -> None:
        self._began = began
        self.session: Session | None = None
        self.samples_between = 0
        self.latency = Latency()
        self._earlier = PacketCounts()
        self._pending: PendingSession | None = None
        self._last: Samples | GrfSamples | None = None
        self._syncs: list[Exchange] = []
        self._recorder: Recorder | None = None
        self._device = 0

    def record(self, recorder: Recorder | None, device: int) -> None:
        """Record all that comes from now on, as of the device of this number."""
        self._recorder, self._device = recorder, device

    @property
    def counts(self) -> PacketCounts:
        """Return what came and what did not, over all sessions."""
        return self._earlier + self.session.counts if self.session else self._earlier

    @property
    def running(self) -> Running | None:
        """Return the configuration that runs, None while nothing does."""
        pending = self._pending
        return pending.running if pending else self.session.running if self.session else None

    @property
    def active(self) -> bool:
        """Return whether a session runs, or waits for its first packet."""
        return self.session is not None or self._pending is not None

    @property
    def has_syncs(self) -> bool:
        """Return whether the device's clock is known from time syncs."""
        return bool(self._syncs)

    def start(self, pending: PendingSession) -> None:
        """Wait for the first packet of a session."""
        self._syncs = pending.exchanges or self._syncs
        self._pending = pending
        if self._recorder is None:
            return
        self._recorder.begin(
            self._device,
            connection=pending.number,
            address=pending.address,
            info=pending.info,
            running=pending.running,
            started_ns=pending.started_ns,
        )
        for exchange in pending.exchanges:
            self._recorder.synced(self._device, exchange)

    def take(self, received: ReceivedPacket, exchanges: Iterable[Exchange] = ()) -> TimedItem | None:
        """Return what a packet held and when; None where it is refused, or nothing streams.

        Parameters
        ----------
        exchanges
            Time syncs that came before it.
        """
        timed = None
        try:
            timed = self._placed(received, exchanges)
        finally:
            # verbatim, whatever becomes of it; one that is refused takes no older recording's place
            if self._recorder is not None:
                self._recorder.packet(self._device, received, has_samples=timed is not None)
        if timed is None or self.session is None:
            return None
        # of samples alone: a stance comes after its end, which is no latency of the link
        if len(timed.host_s) and self.session.last is timed.item:
            self._last = self.session.last
            self.latency.add(received.arrival_ns * 1e-9 - float(timed.host_s[-1]))
        return timed

    def synced(self, exchange: Exchange) -> None:
        """Take a time sync; those of before are forgotten where the device has restarted since."""
        before = self._syncs[1 - _MOST_SYNCS :] if self._goes_on(exchange.t2_us, exchange.t4_ns) else []
        self._syncs = [*before, exchange]
        if self.session is not None:
            self.session.synced(exchange)
        if self._recorder is not None:
            self._recorder.synced(self._device, exchange)

    def end(self, reason: str) -> None:
        """Record why the present session ended; it is counted with the others by :meth:`close`."""
        if self._recorder is not None and self.active:
            self._recorder.end(self._device, reason)

    def close(self) -> None:
        """Be done with the present session; its counts stay."""
        if self.session is not None:
            self._earlier += self.session.counts
        self.session = self._pending = None

    def forget_last(self) -> None:
        """Count no samples as missing before the next session: the stop was on purpose."""
        self._last = None

    def _placed(self, received: ReceivedPacket, exchanges: Iterable[Exchange]) -> TimedItem | None:
        """Return what a packet of the session that runs, or begins with it, held and when; None as :meth:`take`."""
        if self._pending is not None:
            self._begin(self._pending, received)
        session = self.session
        if session is None:
            return None
        for exchange in exchanges:
            self.synced(exchange)
        first = session.first is None
        timed = session.take(received)
        if timed is not None and first and session.first is not None:
            self._began(session, self._gap(session))
        return timed

    def _begin(self, pending: PendingSession, received: ReceivedPacket) -> None:
        self._pending = None
        # a START after a reconnection has no syncs of its own: those of before hold if the clock went on
        if not pending.exchanges and not self._same_clock(received):
            self._syncs = []
        self.session = Session(
            number=pending.number,
            info=pending.info,
            running=pending.running,
            started_ns=pending.started_ns,
            exchanges=tuple(self._syncs),
        )

    def _same_clock(self, received: ReceivedPacket) -> bool:
        """Return whether the device's clock goes on as the last time syncs had it: it did not restart."""
        try:
            header = PacketHeader.from_bytes(received.content)
        except BadInputError:
            return False
        return self._goes_on(header.time_us, received.arrival_ns)

    def _goes_on(self, device_us: int, at_ns: int) -> bool:
        if not self._syncs:
            return False
        last = self._syncs[-1]
        return clock_goes_on(last.t3_us, last.t4_ns, device_us, at_ns)

    def _gap(self, session: Session) -> int | None:
        """Return how many samples are missing since the session before, and count them."""
        if self._last is None or session.first is None:
            return None
        missing = samples_between(self._last, session.first, period_us=session.running.period_us)
        self.samples_between += missing
        return missing
