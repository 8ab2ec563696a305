"""A recording played again as if live: the same packets at the same spacing, or faster, over the same connections."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..arrays import PathLike
from ..errors import BadInputError
from ..formats import grfrec
from ..formats.grfrec import Begin, Kind, Record, RecordFile
from ..wire import SAMPLES, STANCE, Info, Running, SettingKey, Stream
from .host_clock import host_ns
from .link import Characteristic, Exchange, Inbox, LinkClosed, LinkTimeout, ReceivedPacket

__all__ = ["Marker", "ReplayLink", "devices_in", "markers_in", "sides_in", "unread_in"]


@dataclass
class _Connection:
    """One connection of the recording: its beginning, its packets and time syncs in order, why it ended."""

    begin: Begin
    packets: list[Record] = field(default_factory=list)
    syncs: list[Record] = field(default_factory=list)
    reason: str | None = None


def devices_in(path: PathLike) -> list[int]:
    """Return the numbers of the devices in a recording, first come first.

    Raises
    ------
    BadInputError
        If the file is no recording.
    """
    return list(sides_in(path))


def sides_in(path: PathLike) -> dict[int, str]:
    """Return whose foot each device of a recording is for, by number, first come first; BadInputError as above."""
    begins = [(record.device, begin) for record in RecordFile(Path(path)) if (begin := _begin_of(record)) is not None]
    return {device: "right" if begin.side else "left" for device, begin in begins}


def unread_in(path: PathLike) -> int:
    """Return how many bytes at the end of a recording are no complete record; BadInputError if it is no recording."""
    file = RecordFile(Path(path))
    deque(file, maxlen=0)
    return file.unread


@dataclass(frozen=True)
class Marker:
    """A mark, note or tare made while it was recorded (``kind``), ``after_ns`` the first record."""

    after_ns: int
    kind: str
    device: int
    text: str


def markers_in(path: PathLike) -> list[Marker]:
    """Return the marks, notes and tares of a recording in order.

    Raises
    ------
    BadInputError
        If the file is no recording.
    """
    kinds = {Kind.MARK: "mark", Kind.NOTE: "note", Kind.TARE: "tare"}
    first_ns: int | None = None
    markers = []
    for record in RecordFile(Path(path)):
        first_ns = record.arrival_ns if first_ns is None else first_ns
        if record.kind in kinds:
            markers.append(Marker(record.arrival_ns - first_ns, kinds[Kind(record.kind)], record.device, record.text))
    return markers


class ReplayLink:
    """One device of a recording as a :class:`~grfkit.device.link.Link`.

    Arrival times are those recorded, moved as a whole so that the first record comes now; ``speed`` changes when
    packets are handed out, not what they say. Each ``connect`` takes the recording's next connection; after the last
    one it raises :class:`LinkClosed`. What is not recorded (tare, set) is answered and does nothing.

    Parameters
    ----------
    device
        Number of the device in the recording; see :func:`devices_in`.
    speed
        1 for true rate; ``float("inf")`` as fast as packets are taken.
    origin_ns
        Host time that the recording's first record moves to, the same for all devices of it; now if not given.

    Raises
    ------
    BadInputError
        If the file is no recording, or holds no such device.
    """

    def __init__(self, path: PathLike, *, device: int = 0, speed: float = 1.0, origin_ns: int | None = None) -> None:
        if not speed > 0:
            raise BadInputError(f"a recording is to be played {speed:g} times as fast, expected a number above 0")
        self._path, self._device, self._speed = Path(path), device, speed
        self._connections, first_ns, self._types = _connections(self._path, device)
        self._origin_ns = host_ns() if origin_ns is None else origin_ns
        self._shift_ns = self._origin_ns - first_ns
        self._number = 0
        self._inbox = Inbox()
        self._closed = True
        self._player: asyncio.Task[None] | None = None
        self._syncs: deque[Record] = deque()

    @property
    def address(self) -> str:
        """Return the file and the device's number in it."""
        return f"{self._path.name}#{self._device}"

    @property
    def connection(self) -> int:
        """Return the number of the present connection."""
        return self._number

    @property
    def closed(self) -> bool:
        """Return whether there is no connection."""
        return self._closed

    @property
    def started_ns(self) -> int:
        """Return when the recorded START was, on the times that packets have now."""
        return self._now.begin.started_ns + self._shift_ns

    @property
    def over(self) -> bool:
        """Return whether no connection is left."""
        return self._number >= len(self._connections)

    @property
    def stances(self) -> bool:
        """Return whether the recording holds stances of any device (type 3)."""
        return STANCE in self._types

    @property
    def forces(self) -> bool:
        """Return whether the recording holds GRF samples of any device (type 2)."""
        return SAMPLES in self._types

    def syncs_until(self, until_ns: int) -> list[Exchange]:
        """Return the present connection's time syncs that had come by then and were not given before, in order.

        Parameters
        ----------
        until_ns
            On the times that packets have now.
        """
        exchanges = []
        while self._syncs and self._syncs[0].arrival_ns + self._shift_ns <= until_ns:
            exchanges.append(self._exchange(self._syncs.popleft()))
        return exchanges

    @property
    def _now(self) -> _Connection:
        return self._connections[max(self._number, 1) - 1]

    async def connect(self) -> Info:
        """Take the next connection of the recording; LinkClosed after the last."""
        if self._number >= len(self._connections):
            raise LinkClosed("the recording is over", address=self.address)
        self._number += 1
        self._closed, self._inbox = False, Inbox()
        self._syncs = deque(self._now.syncs)
        return self._info()

    async def start(self, streams: Stream, rate_hz: int) -> Running:
        """Start playing; the recorded packets come, whatever streams and rate are requested."""
        del streams, rate_hz
        self._require_open()
        if self._player is None or self._player.done():
            self._player = asyncio.get_running_loop().create_task(self._play(self._now, self._inbox, self._number))
        return self._running()

    async def stop(self) -> None:
        """Stop playing."""
        if self._player is not None:
            self._player.cancel()
            await asyncio.gather(self._player, return_exceptions=True)
            self._player = None

    async def tare(self) -> None:
        """Do nothing."""
        self._require_open()

    async def set(self, key: SettingKey, amount: float) -> None:
        """Do nothing."""
        del key, amount
        self._require_open()

    async def state(self) -> tuple[Info, Running | None]:
        """Return what the recording says of this connection."""
        self._require_open()
        return self._info(), self._running()

    async def time_sync(self) -> Exchange:
        """Return the next recorded time sync of this connection; LinkTimeout where there is none (left)."""
        self._require_open()
        if not self._syncs:
            raise LinkTimeout("no time sync is left in the recording", address=self.address)
        return self._exchange(self._syncs.popleft())

    def _exchange(self, record: Record) -> Exchange:
        t1, t2, t3, t4 = grfrec.sync_of(record)
        return Exchange(t1 + self._shift_ns, t2, t3, t4 + self._shift_ns)

    async def battery_percent(self) -> int | None:
        """Return None: it is not recorded."""
        return None

    def packets(self) -> AsyncIterator[ReceivedPacket]:
        """Give this connection's packets when they are due; LinkClosed where the recorded link was lost."""
        return aiter_of(self._inbox)

    async def close(self) -> None:
        """Stop playing."""
        await self.stop()
        self._inbox.end()
        self._closed = True

    async def _play(self, recorded: _Connection, inbox: Inbox, number: int) -> None:
        for record in recorded.packets:
            arrival_ns = record.arrival_ns + self._shift_ns
            due_s = (arrival_ns - self._origin_ns) / self._speed * 1e-9
            wait_s = due_s - (host_ns() - self._origin_ns) * 1e-9
            if wait_s > 0 or len(inbox) > _AHEAD:
                await asyncio.sleep(max(wait_s, 0.0))
            while len(inbox) > _AHEAD:
                await asyncio.sleep(0.001)
            inbox.put(ReceivedPacket(record.body[1:], Characteristic(record.body[0]), arrival_ns, number))
        self._closed = True
        # the last connection ends with the recording; any other was lost, and whoever plays it connects again
        over = self._number == len(self._connections)
        reason = recorded.reason or "the recording ends here"
        inbox.end(None if over else LinkClosed(reason, address=self.address))

    def _require_open(self) -> None:
        if self._closed:
            raise LinkClosed("it is not connected", address=self.address)

    def _info(self) -> Info:
        begin = self._now.begin
        return Info(
            side=begin.side,
            adc_bits=begin.adc_bits,
            accel_range_g=begin.accel_range_g,
            gyro_range_dps=begin.gyro_range_dps,
            model_id=begin.model_id,
        )

    def _running(self) -> Running:
        begin = self._now.begin
        return Running(begin.cfg_id, begin.samples_per_packet, begin.rate_hz, begin.period_us)


_AHEAD = 1000
"""Packets that wait to be taken before the player does: at unlimited speed it would fill the memory."""


async def aiter_of(inbox: Inbox) -> AsyncIterator[ReceivedPacket]:
    """Give the packets of an inbox."""
    async for arrived in inbox:
        yield arrived


def _connections(path: Path, device: int) -> tuple[list[_Connection], int, set[int]]:
    connections: list[_Connection] = []
    first_ns: int | None = None
    types: set[int] = set()
    readable = False
    for record in RecordFile(Path(path)):
        first_ns = record.arrival_ns if first_ns is None else first_ns
        if record.kind == Kind.PACKET and len(record.body) > 1:
            # the body opens with the characteristic, then comes the packet, whose first byte holds version and type
            types.add(record.body[1] & 15)
        if record.device != device:
            continue
        if record.kind == Kind.BEGIN:
            begin = _begin_of(record)
            readable = begin is not None
            if begin is not None:
                connections.append(_Connection(begin))
        elif readable:
            _keep(record, connections[-1])
    if not connections or first_ns is None:
        raise BadInputError(f"{path}: holds no device {device}")
    return connections, first_ns, types


def _keep(record: Record, connection: _Connection) -> None:
    """Keep a record of a connection; one that cannot be read is left out, as :func:`grfkit.io.read` leaves it out."""
    if record.kind == Kind.PACKET and record.body and record.body[0] in list(Characteristic):
        connection.packets.append(record)
    elif record.kind == Kind.TIME_SYNC:
        with suppress(BadInputError):
            grfrec.sync_of(record)
            connection.syncs.append(record)
    elif record.kind == Kind.END:
        connection.reason = record.text


def _begin_of(record: Record) -> Begin | None:
    """Return the beginning of a session; None for any other record, and for one that cannot be read."""
    if record.kind != Kind.BEGIN:
        return None
    try:
        return Begin.from_bytes(record.body)
    except BadInputError:
        return None
