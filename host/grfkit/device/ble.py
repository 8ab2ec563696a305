"""One insole over Bluetooth, through bleak's public interface: with its own backends or Bumble's."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable

from bleak import BleakClient
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.exc import BleakError

from ..errors import BadInputError
from ..wire import (
    ATT_HEADER,
    BATTERY_LEVEL,
    CONTROL_POINT,
    GRF_DATA,
    INFO,
    SENSOR_DATA,
    SERVICE,
    TIME_SYNC,
    Get,
    Info,
    Op,
    Request,
    Running,
    Set,
    SettingKey,
    Status,
    Stop,
    Stream,
    Tare,
    TimeReply,
    TimeRequest,
    state_from_bytes,
)
from .adapter import Adapter, AdvertisedInsole
from .host_clock import host_ns
from .link import (
    PAUSE_SPREAD,
    Characteristic,
    Conversation,
    Exchange,
    Inbox,
    LinkClosed,
    LinkRefused,
    LinkTimeout,
    ReceivedPacket,
    fail,
    start_anew,
)

__all__ = ["Adapter", "BleLink"]

_BACK_OFF_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Pauses between tries to connect, the last one for ever."""
_CONNECT_S, _SYNC_S, _TARE_S, _RESCAN_S = 10.0, 1.0, 60.0, 3.0
"""How long a connection, a time sync, a tare (100 quiet samples, of a foot that may have to stand still first) and a
scan for an insole that a stack has forgotten may take; chosen by hand."""
_SPREAD_S = 0.05
"""Time requests wait up to this long, at random: right behind the last answer, each would wait a whole interval."""
_RESCAN_AFTER = 3
"""Tries at the address it had before it is scanned for; chosen by hand: a scan costs seconds, a lost link that is there
again answers at once."""
_STOP_S = 2.0
"""How long STOP may take at the end; chosen by hand: disconnecting stops the insole too."""
_SUBSCRIBED = {
    CONTROL_POINT: Characteristic.CONTROL_POINT,
    SENSOR_DATA: Characteristic.SENSOR_DATA,
    GRF_DATA: Characteristic.GRF_DATA,
    TIME_SYNC: Characteristic.TIME_SYNC,
}
_FAILURES = (BleakError, asyncio.TimeoutError, OSError, EOFError)
_LOG = logging.getLogger(__name__)


class BleLink:
    """One insole over Bluetooth; see :class:`~grfkit.device.link.Link`.

    Parameters
    ----------
    patience_s
        How long :meth:`connect` tries, waiting longer after each failure (0.05 s to 5 s).

    Attributes
    ----------
    early, stale
        Notifications that came before START was answered, and of connections that had ended.
    """

    def __init__(self, adapter: Adapter, insole: AdvertisedInsole, *, patience_s: float = 20.0) -> None:
        self._adapter, self._insole, self._patience_s = adapter, insole, patience_s
        self._client: BleakClient | None = None
        self._conversation: Conversation | None = None
        self._inbox = Inbox()
        self._inbox.end()
        self._number = self._sync_id = 0
        self._streaming = self._closing = False
        self._syncs: dict[int, asyncio.Future[tuple[TimeReply, int]]] = {}
        self.early = self.stale = 0

    @property
    def address(self) -> str:
        """Return the insole's address."""
        return self._insole.address

    @property
    def name(self) -> str:
        """Return the advertised name, empty where none was received."""
        return self._insole.name

    @property
    def connection(self) -> int:
        """Return the number of the present connection."""
        return self._number

    @property
    def closed(self) -> bool:
        """Return whether there is no connection."""
        return self._client is None

    @property
    def mtu(self) -> int:
        """Return the MTU, from what can be written to an attribute (BlueZ's own figure is always 23)."""
        characteristic = self._attribute(TIME_SYNC)
        return characteristic.max_write_without_response_size + ATT_HEADER

    async def connect(self) -> Info:
        """Connect, subscribe and return Info; tries again with growing pauses for ``patience_s``.

        Raises
        ------
        LinkClosed
            If it cannot be reached.
        BadInputError
            If the device is no insole of this profile.
        """
        if self._client is not None:
            raise LinkClosed("connected already; close it first", address=self.address)
        give_up, tries = time.monotonic() + self._patience_s, 0
        while True:
            try:
                return await self._connect(tries)
            except _FAILURES as error:
                pause = _BACK_OFF_S[min(tries, len(_BACK_OFF_S) - 1)] * random.uniform(*PAUSE_SPREAD)
                tries += 1
                if time.monotonic() + pause > give_up:
                    reason = f"could not connect in {tries} tries ({error})"
                    raise LinkClosed(reason, address=self.address) from error
                _LOG.info("%s: %s; again in %.2f s", self.address, error, pause)
                await asyncio.sleep(pause)
                if tries >= _RESCAN_AFTER:
                    await self._look_again()

    async def _look_again(self) -> None:
        """Scan for it: some stacks forget a device that went away."""
        for insole in await self._adapter.find(1, timeout_s=_RESCAN_S, address=self.address):
            self._insole = insole

    async def _connect(self, tries: int) -> Info:
        self._number += 1
        number = self._number
        client = BleakClient(
            self._insole.device, lambda _: self._lost(number), timeout=_CONNECT_S, **self._adapter.client_options
        )
        try:
            # a slow one gets there in the end; one that is switched off holds up the others by short turns at first
            await self._adapter.in_turn(client.connect, turns=2.0**tries)
            self._client, self._inbox, self._streaming = client, Inbox(), False
            self._conversation = Conversation(self._write, address=self.address)
            return await self._set_up(client, number)
        # cancelled too: an insole that is left connected does not advertise, and is not found again
        except BaseException:
            self._client = None
            self._inbox.end()
            await _disconnect(client)
            raise

    async def _set_up(self, client: BleakClient, number: int) -> Info:
        if client.services.get_service(SERVICE) is None:
            raise BadInputError(f"{self.address} has no GRF insole service; is it an insole of another kind?")
        info = Info.from_bytes(bytes(await client.read_gatt_char(self._attribute(INFO))))
        for uuid, characteristic in _SUBSCRIBED.items():
            await client.start_notify(self._attribute(uuid), self._receiver(characteristic, number))
        return info

    def _attribute(self, uuid: str) -> BleakGATTCharacteristic:
        characteristic = None if self._client is None else self._client.services.get_characteristic(uuid)
        if self._client is None:
            raise LinkClosed("not connected", address=self.address)
        if characteristic is None:
            raise BadInputError(f"{self.address} lacks characteristic {uuid}; expected GRF Insole Service v1")
        return characteristic

    def _receiver(
        self, characteristic: Characteristic, number: int
    ) -> Callable[[BleakGATTCharacteristic, bytearray], None]:
        """Return the callback of one characteristic and connection; of an ended one it only counts."""

        def received(_: BleakGATTCharacteristic, value: bytearray) -> None:
            """Take a notification."""
            # stamped before anything else is done: t4 of a time sync, and the arrival of a packet
            now = host_ns()
            # stacks may still call a callback after the end of its connection was asked for
            if number != self._number or self._client is None or (self._closing and not self._streaming):
                self.stale += 1
            elif characteristic is Characteristic.CONTROL_POINT:
                self._control_answer(bytes(value))
            elif characteristic is Characteristic.TIME_SYNC:
                self._sync_reply(bytes(value), now)
            # START's answer says what packets are made of; those of before it cannot be placed
            elif self._streaming:
                self._inbox.put(ReceivedPacket(bytes(value), characteristic, now, number))
            else:
                self.early += 1

        return received

    def _control_answer(self, content: bytes) -> None:
        # here, not in start(): packets may follow before the task that waits for the answer runs again
        answer = self._conversation.receive(content) if self._conversation is not None else None
        if answer is not None and (answer.op, answer.status) == (Op.START, Status.OK):
            self._streaming = True

    def _sync_reply(self, content: bytes, now_ns: int) -> None:
        try:
            reply = TimeReply.from_bytes(content)
        except BadInputError:
            return
        waiting = self._syncs.pop(reply.id, None)
        if waiting is not None and not waiting.done():
            waiting.set_result((reply, now_ns))

    def _lost(self, number: int) -> None:
        if number == self._number and self._client is not None:
            self._end(None if self._closing else LinkClosed("link loss", address=self.address))

    def _end(self, error: LinkClosed | None) -> None:
        self._client, self._streaming = None, False
        self._inbox.end(error)
        why = error or LinkClosed("closed by the host", address=self.address)
        if self._conversation is not None:
            self._conversation.end(why)
        for waiting in self._syncs.values():
            fail(waiting, why)
        self._syncs.clear()

    async def _write(self, content: bytes, uuid: str = CONTROL_POINT, *, response: bool = True) -> None:
        attribute, client = self._attribute(uuid), self._client
        if client is None:
            raise LinkClosed("not connected", address=self.address)
        try:
            await client.write_gatt_char(attribute, content, response=response)
        except _FAILURES as error:
            raise LinkClosed(str(error), address=self.address) from error

    async def _ask(self, request: Request, *, timeout_s: float = 5.0) -> bytes:
        if self._conversation is None or self._client is None:
            raise LinkClosed("not connected", address=self.address)
        return await self._conversation.ask(request, timeout_s=timeout_s)

    async def start(self, streams: Stream, rate_hz: int) -> Running:
        """Have it stream; one that still streams is stopped first."""
        return await start_anew(self._ask, self.stop, streams, rate_hz)

    async def stop(self) -> None:
        """Have it stop streaming."""
        await self._ask(Stop())
        self._streaming = False

    async def tare(self) -> None:
        """Have it tare, and return once it has averaged 100 quiet samples (within a minute)."""
        await self._ask(Tare(), timeout_s=_TARE_S)

    async def set(self, key: SettingKey, amount: float) -> None:
        """Tell it mass (kg), speed (m/s) or slope (%)."""
        await self._ask(Set.of(key, amount))

    async def state(self) -> tuple[Info, Running | None]:
        """Return what GET answers."""
        return state_from_bytes(await self._ask(Get()))

    async def time_sync(self) -> Exchange:
        """Return one exchange of time stamps; LinkTimeout after a second without an answer."""
        await asyncio.sleep(random.uniform(0.0, _SPREAD_S))
        self._sync_id = number = (self._sync_id + 1) & 0xFF
        waiting = self._syncs[number] = asyncio.get_running_loop().create_future()
        sent_ns = host_ns()
        try:
            request = TimeRequest(number, sent_ns // 1000)
            await self._write(request.to_bytes(), TIME_SYNC, response=False)
            reply, back_ns = await asyncio.wait_for(waiting, _SYNC_S)
        except asyncio.TimeoutError:
            raise LinkTimeout("time sync was not answered", address=self.address) from None
        finally:
            self._syncs.pop(number, None)
        return Exchange(sent_ns, reply.t2_us, reply.t3_us, back_ns)

    async def battery_percent(self) -> int | None:
        """Return the battery's level, None where it has none or is not connected."""
        client = self._client
        level = None if client is None else client.services.get_characteristic(BATTERY_LEVEL)
        if client is None or level is None:
            return None
        try:
            content = await client.read_gatt_char(level)
        except _FAILURES:
            return None
        return content[0] if content else None

    def packets(self) -> AsyncIterator[ReceivedPacket]:
        """Give packets of the present connection as they arrive; LinkClosed when it is lost."""
        return self._inbox.__aiter__()

    async def close(self) -> None:
        """Stop, disconnect and free the insole so that it can be found again; may be called twice."""
        client = self._client
        if client is None or self._closing:
            return
        self._closing = True
        try:
            if self._streaming:
                await asyncio.wait_for(self.stop(), _STOP_S)
        except (LinkClosed, LinkRefused, asyncio.TimeoutError) as error:
            _LOG.debug("%s: stop: %s", self.address, error)
        finally:
            self._streaming = False
            await _disconnect(client)
            self._end(None)
            self._closing = False


async def _disconnect(client: BleakClient) -> None:
    try:
        await client.disconnect()
    except _FAILURES as error:
        _LOG.debug("%s: disconnect: %s", client.address, error)
