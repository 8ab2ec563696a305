"""One insole kept alive: connected, timed, recorded, and connected again whenever the link is lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from ..device.link import PAUSE_SPREAD, Link, LinkClosed, LinkRefused, LinkTimeout, ReceivedPacket
from ..device.recorder import Recorder
from ..device.replay import ReplayLink
from ..device.session import SYNC_BURST, SYNC_EVERY_S, PacketCounts, Session, TimedItem, sync_burst
from ..errors import BadInputError, GrfError
from ..wire import Info, Running, SettingKey
from .latency import Latency
from .messages import Side, State
from .sessions import SessionChain
from .starting import StreamStarter

__all__ = ["ConnectionListener", "InsoleConnection"]

_AGAIN_S = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Pauses before each further try to connect, the last one for ever."""
_BATTERY_EVERY_S = 60.0
"""A battery that lasts hours falls by less than a percent in a minute."""
_END_OF_TIME_NS = 1 << 63
"""Later than any arrival: all that is left."""
_T = TypeVar("_T")


class ConnectionListener(Protocol):
    """Receives what a connection reports; ``device`` is the connection's number."""

    def session_began(self, device: int, session: Session, gap: int | None, *, sends: bool) -> None:
        """Take note that a session begins with the next packet, ``gap`` samples after the last one of the one before.

        ``gap`` is None for a device's first session, and after a stop on purpose; ``sends``: stances were asked for.
        """

    def received(self, device: int, packet: ReceivedPacket, timed: TimedItem) -> None:
        """Take what a packet held."""

    def happened(self, device: int, kind: str, text: str) -> None:
        """Take an event worth a line."""


class InsoleConnection:
    """One insole, from the first connection to :meth:`close`.

    Losses are counted by its sessions (:class:`~grfkit.monitor.sessions.SessionChain`). Packets of an earlier
    connection are ignored. A link that is lost is connected again at once, then with growing pauses up to 5 s, for
    ever. Time syncs come before the first START, and after a later one, so that samples flow again as soon as can be.

    Parameters
    ----------
    stances
        Whether type 2 and 3 are asked of an insole that has a model.
    set_values
        What SET sends to an insole before the first START, and after each later one.

    Attributes
    ----------
    tried
        Set once it streams for the first time, or has failed to.
    ever
        Whether it ever streamed.
    """

    def __init__(
        self,
        link: Link,
        listener: ConnectionListener,
        *,
        device: int = 0,
        rate_hz: int = 200,
        stances: bool = True,
        set_values: dict[SettingKey, float] | None = None,
    ) -> None:
        self.link, self.device = link, device
        self._recorder: Recorder | None = None
        self._listener = listener
        self._starter = StreamStarter(link, rate_hz=rate_hz, stances=stances, set_values=dict(set_values or {}))
        self._replay = link if isinstance(link, ReplayLink) else None
        self.info: Info | None = None
        self.state: State = "connecting"
        self.problem: str | None = None
        self.battery_percent: int | None = None
        self.mtu: int | None = None
        self.reconnects = 0
        self._sessions = SessionChain(
            lambda session, gap: listener.session_began(self.device, session, gap, sends=self._starter.sends_stances)
        )
        self._should_stream, self._ending = True, asyncio.Event()
        self._control = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self.tried = asyncio.Event()
        self.ever = False

    @property
    def counts(self) -> PacketCounts:
        """Return what came and what did not, over all sessions."""
        return self._sessions.counts

    @property
    def latency(self) -> Latency:
        """Return how late packets came."""
        return self._sessions.latency

    @property
    def samples_between(self) -> int:
        """Return the samples missing between connections."""
        return self._sessions.samples_between

    @property
    def samples_lost(self) -> int:
        """Return the samples that are missing between the first and the last: on the link, and between connections."""
        return self.counts.samples_lost + self.samples_between

    @property
    def name(self) -> str:
        """Return what people call it."""
        return str(getattr(self.link, "name", "") or self.link.address)

    @property
    def side(self) -> Side:
        """Return the foot by Info; before that by the last letter of the name."""
        if self.info is not None:
            return "right" if self.info.right else "left"
        return "right" if self.name.rstrip().upper().endswith("R") else "left"

    @property
    def sends_forces(self) -> bool:
        """Return whether the insole was asked for GRF samples, or a recording holds them."""
        return self._starter.sends_forces

    @property
    def running(self) -> Running | None:
        """Return the configuration that runs, None while nothing does."""
        return self._sessions.running

    def record(self, recorder: Recorder | None) -> None:
        """Record all that comes from now on, under the present number."""
        self._recorder = recorder
        self._sessions.record(recorder, self.device)

    async def connect(self) -> Info:
        """Connect for the first time, so that the foot is known; LinkClosed, BadInputError."""
        self.info = await self.link.connect()
        self.mtu = getattr(self.link, "mtu", None)
        return self.info

    async def run(self) -> None:
        """Stream until :meth:`close`, or until a recording is over; connects first where nobody has."""
        tries = 0
        while not self._ending.is_set():
            # whoever waits for all insoles' first samples is not held up by one that is not there
            if tries:
                self.tried.set()
            try:
                if self.link.closed:
                    await self._connect_again()
                await self._stream()
                self._sessions.end("the recording is over" if self._replay else "closed")
                break
            except LinkClosed as error:
                if self._lost(error):
                    break
                # a link that streamed until it was lost is connected again at once
                tries = 0 if self._sessions.active else tries + 1
            except LinkRefused as error:
                self.report_problem(str(error))
                await self._hang_up()
                tries += 1
            except BadInputError as error:
                self.report_problem(str(error))
                break
            self._sessions.close()
            if tries:
                pause_s = _AGAIN_S[min(tries, len(_AGAIN_S)) - 1] * random.uniform(*PAUSE_SPREAD)
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._ending.wait(), pause_s)
        self.state = "ended"
        self.tried.set()
        await self._hang_up()

    async def close(self) -> None:
        """Stop, disconnect and end :meth:`run`."""
        self._ending.set()
        for task in tuple(self._tasks):
            task.cancel()
        await self._hang_up()

    async def start(self) -> None:
        """Stream again after :meth:`stop`."""
        async with self._control:
            if self._should_stream and self.state == "streaming":
                return
            self._should_stream = True
            if not self.link.closed:
                await self._start(first=False)

    async def stop(self) -> None:
        """Have it stop streaming; the connection stays."""
        async with self._control:
            self._should_stream = False
            if self.link.closed or self.state != "streaming":
                return
            await self.link.stop()
            await asyncio.sleep(0)  # packets that came before the answer are taken first
            self._sessions.end("stopped")
            self._sessions.close()
            self._sessions.forget_last()
            self.state = "stopped"

    async def tare(self) -> None:
        """Have it tare; returns when 100 quiet samples were averaged."""
        await self._or_problem(self.link.tare())
        if self._recorder is not None:
            self._recorder.tare(self.device)
        self._listener.happened(self.device, "tare", "")

    async def set(self, key: SettingKey, amount: float) -> None:
        """Send it mass (kg), speed (m/s) or slope (%), now and at every later START."""
        self._starter.set_values[key] = amount
        if not self.link.closed:
            await self._or_problem(self.link.set(key, amount))

    async def _or_problem(self, request: Awaitable[_T]) -> _T:
        """Return the answer to a request; one that does not come is reported as well as raised."""
        try:
            return await request
        except LinkTimeout as error:
            self.report_problem(str(error))
            raise

    # One connection

    async def _connect_again(self) -> None:
        self.state = "reconnecting" if self.ever else "connecting"
        connecting = asyncio.ensure_future(self.connect())
        ending = asyncio.ensure_future(self._ending.wait())
        await asyncio.wait({connecting, ending}, return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        if not connecting.done():
            connecting.cancel()
            await asyncio.wait({connecting})
            raise LinkClosed("closed by the host", address=self.link.address)
        connecting.result()

    async def _stream(self) -> None:
        again = self.ever
        if self._should_stream:
            async with self._control:
                await self._start(first=not again)
        else:
            self.state = "stopped"
        self.reconnects += again
        self.ever = True
        self._listener.happened(self.device, "reconnected" if again else "connected", self.name)
        caring = [self._spawn(self._sync()), self._spawn(self._watch_battery())] if self._replay is None else []
        try:
            async for packet in self.link.packets():
                self._take(packet)
        finally:
            for task in caring:
                task.cancel()

    async def _start(self, *, first: bool) -> None:
        if self.info is None:
            raise LinkClosed("not connected", address=self.link.address)
        self._sessions.start(await self._starter.start(self.info, first=first))
        self.state, self.problem = "streaming", None
        self.tried.set()
        if not first and self._replay is None:
            self._spawn(self._set_again())

    async def _set_again(self) -> None:
        """SET what it may have forgotten meanwhile; its samples flow already."""
        with suppress(LinkClosed):
            try:
                await self._starter.send_set_values()
            except LinkRefused as error:
                self.report_problem(str(error))

    def _take(self, packet: ReceivedPacket) -> None:
        exchanges = self._replay.syncs_until(packet.arrival_ns) if self._replay is not None else ()
        timed = self._sessions.take(packet, exchanges)
        if timed is not None:
            self._listener.received(self.device, packet, timed)

    # Time, battery

    async def _sync(self) -> None:
        with suppress(GrfError):
            # after a reconnection START came first, so these are still to be made
            if not self._sessions.has_syncs or self.reconnects:
                await self._burst()
            while True:
                await asyncio.sleep(SYNC_EVERY_S)
                await self._burst()

    async def _burst(self) -> None:
        for _ in range(SYNC_BURST):
            for exchange in await sync_burst(self.link, 1):
                self._sessions.synced(exchange)

    async def _watch_battery(self) -> None:
        while True:
            with suppress(GrfError):
                self.battery_percent = await self.link.battery_percent()
            await asyncio.sleep(_BATTERY_EVERY_S)

    # Ends

    def _lost(self, error: LinkClosed) -> bool:
        """Note that the link is gone; return whether that is the end."""
        self._sessions.end(error.reason)
        if self._replay is not None:
            # those after the last packet belong to the recording too
            for exchange in self._replay.syncs_until(_END_OF_TIME_NS):
                self._sessions.synced(exchange)
        if self._ending.is_set() or (self._replay is not None and self._replay.over):
            return True
        if self.state in ("streaming", "stopped"):
            self._listener.happened(self.device, "disconnected", error.reason)
        self.state = "reconnecting" if self.ever else "lost"
        return False

    async def _hang_up(self) -> None:
        with suppress(GrfError, OSError):
            await self.link.close()

    def report_problem(self, text: str) -> None:
        """Note what is wrong with this insole; the same is reported once."""
        if text != self.problem:
            self.problem = text
            self._listener.happened(self.device, "problem", text)

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        # held here: asyncio itself keeps weak references to tasks only
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
