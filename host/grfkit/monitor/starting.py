"""The START of one insole: its settings, time syncs, and as many streams as it gives."""

from __future__ import annotations

from ..device.host_clock import host_ns
from ..device.link import Link, LinkRefused
from ..device.replay import ReplayLink
from ..device.session import FIRST_SYNCS, sync_burst
from ..wire import Info, Running, SettingKey, Status, Stream
from .sessions import PendingSession

__all__ = ["StreamStarter"]

_STREAMS_OF_A_MODEL = (Stream.SENSOR | Stream.SAMPLES | Stream.STANCE, Stream.SENSOR | Stream.STANCE)
"""Streams that an insole with a model is asked for: the most first, then less."""


class StreamStarter:
    """One insole's START, the same over all its connections.

    Parameters
    ----------
    stances
        Whether types 2 and 3 are asked of an insole that has a model.
    set_values
        What SET sends before the first START, and after each later one.
    """

    def __init__(self, link: Link, *, rate_hz: int, stances: bool, set_values: dict[SettingKey, float]) -> None:
        self._link, self._rate_hz, self._stances = link, rate_hz, stances
        self._replay = link if isinstance(link, ReplayLink) else None
        self._streams: Stream | None = None
        self.set_values = set_values

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

    async def start(self, info: Info, *, first: bool) -> PendingSession:
        """Return the session that begins; SET and time syncs come before the first START alone.

        Raises
        ------
        LinkRefused, LinkClosed
            As :meth:`~grfkit.device.link.Link.start`.
        """
        if first:
            await self.send_set_values()
        exchanges = await sync_burst(self._link, FIRST_SYNCS) if first and self._replay is None else []
        started_ns = host_ns()
        running = await self._start_most(info)
        if self._replay is not None:
            started_ns = self._replay.started_ns
            exchanges = self._replay.syncs_until(started_ns)
        return PendingSession(self._link.connection, self._link.address, info, running, started_ns, exchanges)

    async def send_set_values(self) -> None:
        """SET mass, speed and slope, as far as they are known."""
        for key, amount in dict(self.set_values).items():
            await self._link.set(key, amount)

    async def _start_most(self, info: Info) -> Running:
        """START with all that the profile has, then with less, as long as the insole refuses a parameter."""
        if self._streams is not None:
            return await self._link.start(self._streams, self._rate_hz)
        for streams in _STREAMS_OF_A_MODEL if self._stances and info.model_id and self._replay is None else ():
            try:
                running = await self._link.start(streams, self._rate_hz)
            except LinkRefused as error:
                if error.status != Status.BAD_PARAMETER:
                    raise
                continue
            self._streams = streams
            return running
        self._streams = Stream.SENSOR
        return await self._link.start(Stream.SENSOR, self._rate_hz)
