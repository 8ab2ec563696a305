"""One insole kept alive: connected, timed, recorded, and connected again whenever the link is lost."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from ..device.link import Exchange, Link, LinkClosed, LinkRefused, LinkTimeout, ReceivedPacket
from ..device.recorder import Recorder
from ..device.replay import ReplayLink
from ..device.session import (
    FIRST_SYNCS,
    SYNC_BURST,
    SYNC_EVERY_S,
    PacketCounts,
    Session,
    TimedItem,
    samples_between,
    sync_burst,
)
from ..errors import BadInputError, GrfError
from ..wire import Info, PacketHeader, Running, SettingKey, Status, Stream
from .latency import Latency
from .messages import State

__all__ = ["Listener", "Station"]

_AGAIN_S = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)
_BATTERY_EVERY_S = 60.0
_KEPT_SYNCS = 3 * FIRST_SYNCS
_SAME_CLOCK_S = 2.0
_EVER_NS = 1 << 63
_MORE = (Stream.SENSOR | Stream.SAMPLES | Stream.STANCE, Stream.SENSOR | Stream.STANCE)
_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")


class Listener(Protocol):
    """Who is told what a station receives; ``device`` is the station's number."""

    def began(self, device: int, session: Session, gap: int | None, *, sends: bool) -> None:
        """Take note that a session begins with the next packet, ``gap`` samples after the last one of the one before.

        ``gap`` is None for a device's first session, and after a stop on purpose; ``sends``: stances were asked for.
        """

    def placed(self, device: int, arrived: ReceivedPacket, placed: TimedItem) -> None:
        """Take what a packet held."""

    def happened(self, device: int, kind: str, text: str) -> None:
        """Take a moment worth a line."""


@dataclass
class _Starting:
    """A START whose first packet has not come: the session is made with it, for the clock may be the one before's."""

    info: Info
    running: Running
    started_ns: int
    exchanges: list[Exchange]


class Station:
    """One insole, from the first connection to :meth:`close`.

    Losses are counted by the session; what lies between two sessions by the device's own clock
    (:attr:`samples_between`). Packets of an earlier connection are ignored. A link that is lost is connected again at
    once, then with growing pauses up to 5 s, for ever; time syncs are made before the first START, and after START of
    a later one, so that samples flow again as soon as can be.

    Parameters
    ----------
    stances
        Whether type 2 and 3 are asked of an insole that has a model.
    told
        What SET tells an insole before the first START, and after each later one.

    Attributes
    ----------
    tried
        Set once it streams for the first time, or has failed to.
    """

    def __init__(
        self,
        link: Link,
        listener: Listener,
        *,
        device: int = 0,
        rate_hz: int = 200,
        stances: bool = True,
        told: dict[SettingKey, float] | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.link, self.device, self.recorder, self.told = link, device, recorder, dict(told or {})
        self._listener, self._rate_hz, self._stances = listener, rate_hz, stances
        self._replay = link if isinstance(link, ReplayLink) else None
        self.info: Info | None = None
        self.state: State = "connecting"
        self.session: Session | None = None
        self.problem: str | None = None
        self.battery_percent: int | None = None
        self.mtu: int | None = None
        self.reconnects = self.samples_between = 0
        self.latency = Latency()
        self._before = PacketCounts()
        self._starting: _Starting | None = None
        self._last: tuple[Any, int] | None = None
        self._syncs: list[Exchange] = []
        self._streams: Stream | None = None
        self._wanted, self._ending = True, asyncio.Event()
        self._asking = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self.tried = asyncio.Event()
        self._begun = False

    @property
    def counts(self) -> PacketCounts:
        """Return what came and what did not, over all sessions."""
        return self._before + self.session.counts if self.session else self._before

    @property
    def ever(self) -> bool:
        """Return whether it ever streamed."""
        return self._begun

    @property
    def samples_lost(self) -> int:
        """Return the samples that are missing between the first and the last: on the link, and between connections."""
        return self.counts.samples_lost + self.samples_between

    @property
    def name(self) -> str:
        """Return what people call it."""
        return str(getattr(self.link, "name", "") or self.link.address)

    @property
    def sends_stances(self) -> bool:
        """Return whether the insole was asked for stances, or a recording holds them."""
        if self._replay is not None:
            return self._replay.stances
        return self._streams is not None and Stream.STANCE in self._streams

    @property
    def sends_forces(self) -> bool:
        """Return whether the insole was asked for GRF samples, or a recording holds them."""
        if self._replay is not None:
            return self._replay.forces
        return self._streams is not None and Stream.SAMPLES in self._streams

    @property
    def running(self) -> Running | None:
        """Return the configuration that runs, None while nothing does."""
        waiting = self._starting
        return waiting.running if waiting else self.session.running if self.session else None

    async def connect(self) -> Info:
        """Connect for the first time, so that the foot is known; LinkClosed, BadInputError."""
        self.info = await self.link.connect()
        self.mtu = getattr(self.link, "mtu", None)
        return self.info

    async def run(self) -> None:
        """Stream until :meth:`close`, or until a recording is over; connects first where nobody has."""
        tries = 0
        while not self._ending.is_set():
            if tries:
                self.tried.set()
            try:
                if self.link.closed:
                    await self._connect_again()
                await self._stream()
                self._end("the recording is over" if self._replay else "closed")
                break
            except LinkClosed as error:
                if self._lost(error):
                    break
                tries = 0 if self.session or self._starting else tries + 1
            except LinkRefused as error:
                self._tell_problem(str(error))
                await self._hang_up()
                tries += 1
            except BadInputError as error:
                self._tell_problem(str(error))
                break
            self._close_session()
            if tries:
                await self._pause(_AGAIN_S[min(tries, len(_AGAIN_S)) - 1])
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
        async with self._asking:
            if self._wanted and self.state == "streaming":
                return
            self._wanted = True
            if not self.link.closed:
                await self._start(first=False)

    async def stop(self) -> None:
        """Have it stop streaming; the connection stays."""
        async with self._asking:
            self._wanted = False
            if self.link.closed or self.state != "streaming":
                return
            await self.link.stop()
            await asyncio.sleep(0)
            self._end("stopped")
            self._close_session()
            self._last, self.state = None, "stopped"

    async def tare(self) -> None:
        """Have it tare; returns when 100 quiet samples were averaged."""
        await self._answered(self.link.tare())
        if self.recorder is not None:
            self.recorder.tare(self.device)
        self._listener.happened(self.device, "tare", "")

    async def set(self, key: SettingKey, amount: float) -> None:
        """Tell it mass (kg), speed (m/s) or slope (%), now and before every later START."""
        self.told[key] = amount
        if not self.link.closed:
            await self._answered(self.link.set(key, amount))

    async def _answered(self, asked: Awaitable[_T]) -> _T:
        try:
            return await asked
        except LinkTimeout as error:
            self._tell_problem(str(error))
            raise

    # One connection

    async def _connect_again(self) -> None:
        self.state = "reconnecting" if self._begun else "connecting"
        connecting = asyncio.ensure_future(self.link.connect())
        ending = asyncio.ensure_future(self._ending.wait())
        await asyncio.wait({connecting, ending}, return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        if not connecting.done():
            connecting.cancel()
            await asyncio.wait({connecting})
            raise LinkClosed("closed by the host", address=self.link.address)
        self.info = connecting.result()
        self.mtu = getattr(self.link, "mtu", None)

    async def _stream(self) -> None:
        again = self._begun
        if self._wanted:
            async with self._asking:
                await self._start(first=not again)
        else:
            self.state = "stopped"
        self.reconnects += again
        self._begun = True
        self._listener.happened(self.device, "reconnected" if again else "connected", self.name)
        caring = [self._spawn(self._sync()), self._spawn(self._watch_battery())] if self._replay is None else []
        try:
            async for arrived in self.link.packets():
                self._take(arrived)
        finally:
            for task in caring:
                task.cancel()

    async def _start(self, *, first: bool) -> None:
        """Ask for the most that the insole gives; SET and time syncs come first where nobody waits for samples."""
        info = self.info
        if info is None:
            raise LinkClosed("not connected", address=self.link.address)
        if first:
            for key, amount in self.told.items():
                await self.link.set(key, amount)
        exchanges = await sync_burst(self.link, FIRST_SYNCS) if first and self._replay is None else []
        started_ns = time.monotonic_ns()
        running = await self._granted(info)
        if self._replay is not None:
            started_ns = self._replay.started_ns
            exchanges = self._replay.syncs_until(started_ns)
        self._syncs = exchanges or self._syncs
        self._starting = _Starting(info, running, started_ns, exchanges)
        self._record_begin(self._starting)
        self.state, self.problem = "streaming", None
        self.tried.set()
        if not first and self._replay is None:
            self._spawn(self._tell_again())

    async def _tell_again(self) -> None:
        """SET what it may have forgotten meanwhile; its samples flow already."""
        with suppress(LinkClosed):
            try:
                for key, amount in dict(self.told).items():
                    await self.link.set(key, amount)
            except LinkRefused as error:
                self._tell_problem(str(error))

    async def _granted(self, info: Info) -> Running:
        """START with what the profile knows, then with less, as long as the insole finds fault with it."""
        if self._streams is not None:
            return await self.link.start(self._streams, self._rate_hz)
        for streams in _MORE if self._stances and info.model_id and self._replay is None else ():
            try:
                running = await self.link.start(streams, self._rate_hz)
            except LinkRefused as error:
                if error.status != Status.BAD_PARAMETER:
                    raise
                continue
            self._streams = streams
            return running
        self._streams = Stream.SENSOR
        return await self.link.start(Stream.SENSOR, self._rate_hz)

    def _record_begin(self, begun: _Starting) -> None:
        if self.recorder is None:
            return
        self.recorder.begin(
            self.device,
            connection=self.link.connection,
            address=self.link.address,
            info=begun.info,
            running=begun.running,
            started_ns=begun.started_ns,
        )
        for exchange in begun.exchanges:
            self.recorder.synced(self.device, exchange)

    def _take(self, arrived: ReceivedPacket) -> None:
        if self.recorder is not None:
            self.recorder.packet(self.device, arrived)
        if self._starting is not None:
            self._begin_session(arrived)
        session = self.session
        if session is None:
            return
        if self._replay is not None:
            for exchange in self._replay.syncs_until(arrived.arrival_ns):
                self._synced(exchange)
        first = session.first is None
        placed = session.take(arrived)
        if placed is None:
            return
        if first and session.first is not None:
            self._listener.began(self.device, session, self._gap(session), sends=self.sends_stances)
        if len(placed.host_s) and session.last is placed.item:
            self._last = (placed.item, session.running.period_us)
            self.latency.add(arrived.arrival_ns * 1e-9 - float(placed.host_s[-1]))
        self._listener.placed(self.device, arrived, placed)

    def _begin_session(self, arrived: ReceivedPacket) -> None:
        begun, self._starting = self._starting, None
        if begun is None:
            return
        if not begun.exchanges and not self._same_clock(arrived):
            self._syncs = []
        self.session = Session(
            number=self.link.connection,
            info=begun.info,
            running=begun.running,
            started_ns=begun.started_ns,
            exchanges=tuple(self._syncs),
        )

    def _same_clock(self, arrived: ReceivedPacket) -> bool:
        """Return whether the device's clock goes on as the last time syncs had it: it did not restart."""
        try:
            header = PacketHeader.from_bytes(arrived.content)
        except BadInputError:
            return False
        return self._goes_on(header.time_us, arrived.arrival_ns)

    def _goes_on(self, device_us: int, at_ns: int) -> bool:
        if not self._syncs:
            return False
        last = self._syncs[-1]
        parted_us = device_us - last.t3_us - round((at_ns - last.t4_ns) / 1e3)
        return abs((parted_us + (1 << 31)) % (1 << 32) - (1 << 31)) < _SAME_CLOCK_S * 1e6

    def _gap(self, session: Session) -> int | None:
        """Return how many samples are missing since the session before, and count them."""
        if self._last is None or session.first is None:
            return None
        missing = samples_between(self._last[0], session.first, period_us=session.running.period_us)
        self.samples_between += missing
        return missing

    # Time, battery

    async def _sync(self) -> None:
        with suppress(GrfError):
            if not self._syncs or self.reconnects:
                await self._burst()
            while True:
                await asyncio.sleep(SYNC_EVERY_S)
                await self._burst()

    async def _burst(self) -> None:
        for _ in range(SYNC_BURST):
            for exchange in await sync_burst(self.link, 1):
                self._synced(exchange)

    def _synced(self, exchange: Exchange) -> None:
        kept = self._syncs[1 - _KEPT_SYNCS :] if self._goes_on(exchange.t2_us, exchange.t4_ns) else []
        self._syncs = [*kept, exchange]
        if self.session is not None:
            self.session.synced(exchange)
        if self.recorder is not None:
            self.recorder.synced(self.device, exchange)

    async def _watch_battery(self) -> None:
        while True:
            with suppress(GrfError):
                self.battery_percent = await self.link.battery_percent()
            await asyncio.sleep(_BATTERY_EVERY_S)

    # Ends

    def _lost(self, error: LinkClosed) -> bool:
        """Note that the link is gone; return whether that is the end."""
        self._end(error.reason)
        if self._replay is not None:
            for exchange in self._replay.syncs_until(_EVER_NS):
                self._synced(exchange)
        if self._ending.is_set():
            return True
        if self._replay is not None and self._replay.over:
            return True
        if self.state == "streaming" or self.state == "stopped":
            self._listener.happened(self.device, "disconnected", error.reason)
        self.state = "reconnecting" if self._begun else "lost"
        return False

    def _end(self, reason: str) -> None:
        if self.recorder is not None and (self.session is not None or self._starting is not None):
            self.recorder.end(self.device, reason)

    def _close_session(self) -> None:
        if self.session is not None:
            self._before += self.session.counts
        self.session = self._starting = None

    async def _hang_up(self) -> None:
        with suppress(GrfError, OSError):
            await self.link.close()

    async def _pause(self, seconds: float) -> None:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._ending.wait(), seconds * random.uniform(0.8, 1.2))

    def _tell_problem(self, text: str) -> None:
        if text != self.problem:
            self.problem = text
            self._listener.happened(self.device, "problem", text)

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def connected(stations: Iterable[Station], told: Callable[[Station, Exception], None]) -> list[Station]:
    """Connect stations for the first time; return those that are insoles, ``told`` of what failed.

    One that cannot be reached now stays among them, to be tried again; one that is no insole of this profile does not.
    """
    every = list(stations)
    done = await asyncio.gather(*(one.connect() for one in every), return_exceptions=True)
    kept = []
    for station, result in zip(every, done):
        if isinstance(result, BaseException) and not isinstance(result, Exception):
            raise result
        if isinstance(result, Exception):
            told(station, result)
        if not isinstance(result, Exception) or isinstance(result, LinkClosed):
            kept.append(station)
    return kept
