"""Ways to insoles by what a person names: an address, a serial port, a recording, or a virtual insole."""

from __future__ import annotations

import asyncio
import math
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from ..arguments import as_path, described
from ..arrays import PathLike
from ..device.link import Link
from ..device.replay import ReplayLink, devices_in, sides_in
from ..device.session import SYNC_EVERY_S, PacketCounts, TimedItem, sync_burst
from ..errors import BadInputError, GrfError
from ..extras import refuse_without
from ..wire import Info, SettingKey
from .messages import SIDES, Side
from .sessions import SessionChain
from .starting import StreamStarter

__all__ = ["ConnectedInsole", "bluetooth_links", "connect", "replay_links", "serial_links"]

Find: TypeAlias = Callable[[int], Awaitable[Sequence[Link]]]
"""Returns links to insoles, given the host time (ns) at which a recording's first record is played."""
VIRTUAL = "virtual"
_PORT = re.compile(r"/dev/|COM\d|.*://", re.IGNORECASE)
_BLUETOOTH = re.compile(r"([0-9A-F]{2}:){5}[0-9A-F]{2}|[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}", re.IGNORECASE)
"""A Bluetooth address, or the UUID that macOS has in place of it."""
_ADDRESS_TYPE = re.compile(r"/[PR]$", re.IGNORECASE)
"""Some programs write behind an address whether it is a public or a random one."""
_NETWORK_PORT = re.compile(r"(socket|rfc2217)://", re.IGNORECASE)
_PHANTOM_S = 10.0
"""A virtual insole's run, which begins again at its end; short, so that it is soon made."""


class ConnectedInsole:
    """One insole that is connected; :func:`connect` gives it.

    Attributes
    ----------
    info
        What it is: side, cells, ranges, model.
    set_values
        Mass, speed and slope that were sent to it.
    """

    def __init__(self, link: Link, info: Info, *, rate_hz: int, set_values: dict[SettingKey, float]) -> None:
        self.info, self.set_values = info, set_values
        self._link = link
        self._replay = link if isinstance(link, ReplayLink) else None
        self._starter = StreamStarter(link, rate_hz=rate_hz, stances=True, set_values=set_values)
        self._sessions = SessionChain(lambda _session, _gap: None)
        self._syncing: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        """Return the address, and whose foot it is for."""
        return f"<ConnectedInsole {self.address}, {self.side} foot>"

    @property
    def address(self) -> str:
        """Return the address, the port, or the recording and the number in it."""
        return self._link.address

    @property
    def side(self) -> Side:
        """Return whose foot it is for."""
        return "right" if self.info.right else "left"

    @property
    def counts(self) -> PacketCounts:
        """Return what came so far and what did not."""
        return self._sessions.counts

    async def packets(self) -> AsyncIterator[TimedItem]:
        """Stream, and give what each packet held and when that was.

        An item is ``Samples`` (cells and inertial sensor in counts), ``GrfSamples`` (N) or ``ReceivedStance`` (of
        the insole's own model); ``host_s`` are times on the host's clock (``time.monotonic``, going on while the
        computer sleeps), with their half-width in ms. Ends with a recording.

        Raises
        ------
        LinkClosed
            If the link is lost; connect again, or let :class:`~grfkit.monitor.hub.Hub` do that.
        LinkRefused
            If the insole does not start.
        """
        self._sessions.start(await self._starter.start(self.info, first=True))
        if self._replay is None:
            self._syncing = asyncio.ensure_future(self._keep_synced())
        async for packet in self._link.packets():
            exchanges = self._replay.syncs_until(packet.arrival_ns) if self._replay is not None else ()
            timed = self._sessions.take(packet, exchanges)
            if timed is not None:
                yield timed

    async def tare(self) -> None:
        """Have it average its unloaded cells; returns once it has seen 100 quiet samples."""
        await self._link.tare()

    async def battery_percent(self) -> int | None:
        """Return the battery's level, None where the link does not have it."""
        return await self._link.battery_percent()

    async def close(self) -> None:
        """Stop and disconnect."""
        if self._syncing is not None:
            self._syncing.cancel()
            await asyncio.wait({self._syncing})
        await self._link.close()

    async def _keep_synced(self) -> None:
        with suppress(GrfError):
            while True:
                await asyncio.sleep(SYNC_EVERY_S)
                for exchange in await sync_burst(self._link):
                    self._sessions.synced(exchange)


@asynccontextmanager
async def connect(
    address: PathLike,
    *,
    side: Side | None = None,
    rate_hz: int = 200,
    mass_kg: float | None = None,
    speed_m_s: float | None = None,
    slope_percent: float | None = None,
    adapter: str | None = None,
    find_s: float = 10.0,
    speed: float = 1.0,
) -> AsyncIterator[ConnectedInsole]:
    """Connect to one insole; it is stopped and disconnected at the end of ``async with``.

    Parameters
    ----------
    address
        A Bluetooth address (a UUID on macOS), a serial port (``/dev/ttyACM0``, ``COM3``, any pyserial URL), the path of
        a recording of ``grf-monitor`` to play, or ``"virtual"`` for a simulated insole in this process.
    side
        Whose, of a recording or a virtual insole: ``left`` or ``right``; the first one if None.
    rate_hz
        Of the samples.
    mass_kg, speed_m_s, slope_percent
        Sent before it starts, for the model of an insole that has one.
    adapter
        Bluetooth adapter as ``--adapter`` of ``grf-monitor`` takes it; None for the system's own.
    find_s
        How long to look for it over Bluetooth.
    speed
        How many times as fast a recording is played.

    Raises
    ------
    BadInputError
        If the address is none of these, or nothing is found there.
    LinkClosed
        If it cannot be reached.

    Examples
    --------
    >>> import asyncio
    >>> from grfkit import connect
    >>> async def first_packet():
    ...     async with connect("virtual", side="right") as insole:
    ...         async for timed in insole.packets():
    ...             return insole.side, timed.item.cells.shape, len(timed.host_s)
    >>> asyncio.run(first_packet())
    ('right', (5, 16), 5)
    """
    wanted = _side_of(side)
    location = os.fspath(as_path(address, what="a recording, an address or a port"))
    _check_numbers({"rate_hz": rate_hz, "find_s": find_s}, above=0.0)
    # an endless speed plays a recording without waiting
    _check_numbers({} if speed == math.inf else {"speed": speed}, above=0.0)
    stated = {"mass_kg": mass_kg, "speed_m_s": speed_m_s, "slope_percent": slope_percent}
    _check_numbers({name: value for name, value in stated.items() if value is not None})
    _check_numbers({} if mass_kg is None else {"mass_kg": mass_kg}, above=0.0)
    amounts = {SettingKey.MASS: mass_kg, SettingKey.SPEED: speed_m_s, SettingKey.SLOPE: slope_percent}
    set_values = {key: amount for key, amount in amounts.items() if amount is not None}
    async with _link(location, wanted, adapter, find_s=find_s, speed=speed) as link:
        insole = ConnectedInsole(link, await link.connect(), rate_hz=rate_hz, set_values=set_values)
        try:
            yield insole
        finally:
            await insole.close()


def _side_of(side: str | None) -> Side | None:
    """Return the side meant, in capitals or not."""
    sides: dict[str | None, Side | None] = {None: None, **{name: name for name in SIDES}}
    key = side.strip().lower() if isinstance(side, str) else side
    if key not in sides:
        raise BadInputError(f"an insole of side {described(side)}; expected left, right, or none")
    return sides[key]


def _check_numbers(values: Mapping[str, float], *, above: float = -math.inf) -> None:
    """Refuse options that are no numbers, or not above a limit."""
    for name, value in values.items():
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not number or value <= above:
            limit = "" if math.isinf(above) else f" above {above:g}"
            raise BadInputError(f"{name} is {described(value)}, expected a number{limit}")


@asynccontextmanager
async def _link(
    address: str, side: Side | None, adapter: str | None, *, find_s: float, speed: float
) -> AsyncIterator[Link]:
    """Give the link that an address stands for."""
    if address == VIRTUAL:
        async with _virtual_link(side or "left") as link:
            yield link
    elif Path(address).is_file():
        yield _recorded_link(Path(address), side, speed)
    elif _PORT.match(address):
        yield serial_links([address])[0]
    elif is_bluetooth_address(address):
        async with bluetooth_links(adapter, addresses=[address], find_s=find_s) as find:
            links = await find(0)
            if not links:
                raise BadInputError(f"{address}: no insole of this address was found in {find_s:g} s; switch it on")
            yield links[0]
    else:
        raise BadInputError(
            f"'{address}' is no file, serial port or Bluetooth address; expected one of these, or '{VIRTUAL}'"
        )


def _recorded_link(path: Path, side: Side | None, speed: float) -> ReplayLink:
    try:
        sides = sides_in(path)
    except BadInputError as error:
        raise BadInputError(f"{path}: {error}") from error
    numbers = [device for device, recorded in sides.items() if side in (None, recorded)]
    if not numbers:
        raise BadInputError(f"{path}: holds no {side or ''} insole; it holds {', '.join(sides.values()) or 'none'}")
    return ReplayLink(path, device=numbers[0], speed=speed)


@asynccontextmanager
async def _virtual_link(side: Side) -> AsyncIterator[Link]:
    """Give the link to a simulated runner's insole in this process."""
    try:
        from ..device.ble import Adapter, BleLink
        from ..virtual.source import phantom
        from ..virtual.testbed import InsoleTestBed
    except ImportError as error:
        raise BadInputError(f"a virtual insole needs Bumble ({error}); pip install 'grfkit[ble]'") from error
    runner = await asyncio.to_thread(phantom, duration_s=_PHANTOM_S)
    async with InsoleTestBed() as bed:
        await bed.add(runner.sources[side])
        adapter = Adapter.on(await bed.radio())
        try:
            (insole,) = await adapter.find(1)
            yield BleLink(adapter, insole)
        finally:
            await adapter.close()


def is_bluetooth_address(text: str) -> bool:
    """Return whether a text is a Bluetooth address, or the UUID that macOS has in place of one."""
    return _BLUETOOTH.fullmatch(_ADDRESS_TYPE.sub("", text)) is not None


def wrong_in_port(port: str) -> str | None:
    """Return why a text can be no serial port, None where it may be one."""
    if not port.strip():
        return "is empty; name a port, for example /dev/ttyACM0 or COM3"
    if not _NETWORK_PORT.match(port):
        return None
    try:
        parts = urlsplit(port)
        complete = bool(parts.hostname) and parts.port is not None
    except ValueError:
        complete = False
    return None if complete else f"names no host and port; write {port.split(':')[0].lower()}://HOST:PORT"


def serial_links(ports: Sequence[str]) -> list[Link]:
    """Return the links to insoles on serial ports (any pyserial URL)."""
    refuse_without("a serial port", {"ble": ("serial", "cobs")})
    from ..device.serial_port import SerialLink

    return [SerialLink(port) for port in ports]


def replay_links(path: Path, speed: float) -> Find:
    """Return what gives links to all insoles of a recording.

    Raises
    ------
    BadInputError
        If it is no recording, or holds no insole.
    """
    try:
        numbers = devices_in(path)
    except BadInputError as error:
        raise BadInputError(f"{path}: {error}") from error
    if not numbers:
        raise BadInputError(f"{path}: holds no insole; it ends before one was connected")

    async def links(origin_ns: int) -> Sequence[Link]:
        """Return a link for each insole."""
        return [ReplayLink(path, device=number, speed=speed, origin_ns=origin_ns) for number in numbers]

    return links


@asynccontextmanager
async def bluetooth_links(
    adapter: str | None, *, addresses: Sequence[str] = (), feet: int = 2, find_s: float = 10.0
) -> AsyncIterator[Find]:
    """Give what finds insoles over Bluetooth; the adapter is freed afterwards.

    Parameters
    ----------
    addresses
        Only these; empty for the first ``feet`` that advertise.
    """
    try:
        from ..device.ble import Adapter, BleLink
    except ImportError as error:
        raise BadInputError(f"insoles over Bluetooth need Bleak ({error}); pip install 'grfkit[ble]'") from error

    radio = await Adapter.open(adapter)

    async def find(_: int) -> Sequence[Link]:
        """Return a link for each insole that advertises."""
        if not addresses:
            return [BleLink(radio, insole) for insole in await radio.find(feet, timeout_s=find_s)]
        links: list[Link] = []
        for address in addresses:
            links += [BleLink(radio, insole) for insole in await radio.find(1, timeout_s=find_s, address=address)]
        return links

    try:
        yield find
    finally:
        await radio.close()
