"""An insole on a serial line: the packets of the radio in COBS frames with a CRC; real ports, ptys, sockets, RFC 2217.

A frame is ``COBS(content, CRC-16/CCITT-FALSE of it, little endian) 0x00``. Sensor and GRF packets are their own
content. All else is one byte for the characteristic, the last digit of its UUID, and then its value: 2 Info, 3 control
point, 6 time sync. A packet opens with its version in the high nibble, so the two cannot be mixed up. To the device go
2 (no value: Info is asked for), 3 (a request) and 6 (a time request); it answers with the same byte.
"""

from __future__ import annotations

import asyncio
import binascii
import contextlib
import errno
import os
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from ..errors import BadInputError
from ..wire import (
    SENSOR,
    VERSION,
    Get,
    Info,
    Op,
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
from .host_clock import host_ns
from .link import (
    Characteristic,
    Conversation,
    Exchange,
    Inbox,
    LinkClosed,
    LinkTimeout,
    ReceivedPacket,
    fail,
    start_anew,
)
from .port_holders import holders_of, is_device, keep_to_one, release

BAUD = 460_800
"""Nearly five times what an insole at 200 Hz needs (40 packets of 236 bytes a second); ports over USB ignore it."""
LONGEST_FRAME = 600
"""Bytes between two zeros that can still be a frame; more is garbage, and is dropped as it comes."""
_ANSWER_S = 2.0
"""How long an answer, a write and the end of the reading thread may take; a line answers in milliseconds."""
_TARE_S = 30.0
"""How long a tare may take: 100 quiet samples, of a foot that may have to stand still first; chosen by hand."""
_INFO_TRIES, _INFO_S = 6, 0.5
"""Requests for Info, and the wait for each answer (s); chosen by hand: 3 s in all."""
_SOCKET, _SOCKET_WAIT_S, _WAIT_S = "socket://", 0.004, 0.05
"""pyserial does not know how much waits in a socket: it is read until 4 ms are over."""
_TELNET = "rfc2217://"
"""pyserial cannot limit how long it writes there."""
_TAKEN = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EBUSY)
"""What a port answers that another program has: its lock is taken, or (TIOCEXCL) it opens to nobody else."""
_VALUE_FRAMES = (Characteristic.INFO, Characteristic.CONTROL_POINT, Characteristic.TIME_SYNC)


def framed(content: bytes, characteristic: Characteristic | None = None) -> bytes:
    """Return the bytes on the line for a packet, or for a value of ``characteristic``, the closing zero included."""
    from cobs import cobs

    inner = content if characteristic is None else bytes([characteristic]) + content
    return bytes(cobs.encode(inner + binascii.crc_hqx(inner, 0xFFFF).to_bytes(2, "little"))) + b"\0"


class Deframer:
    """Bytes in, values of characteristics out; after garbage it goes on at the next zero.

    Attributes
    ----------
    broken
        Frames that were dropped: wrong CRC, not COBS, too long, or of an unknown characteristic.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._overlong = False
        self.broken = 0

    def feed(self, content: bytes) -> list[tuple[Characteristic, bytes]]:
        """Return the frames that are complete now, in order."""
        values = []
        *ends, rest = content.split(b"\0")
        for end in ends:
            self._hold(end)
            value = self._complete_frame()
            if value is not None:
                values.append(value)
        self._hold(rest)
        return values

    def _hold(self, part: bytes) -> None:
        self._buffer += part
        if len(self._buffer) > LONGEST_FRAME:
            self._buffer.clear()
            self._overlong = True

    def _complete_frame(self) -> tuple[Characteristic, bytes] | None:
        frame, overlong = bytes(self._buffer), self._overlong
        self._buffer.clear()
        self._overlong = False
        if not frame and not overlong:
            return None
        value = None if overlong else _value(frame)
        self.broken += value is None
        return value


def _value(frame: bytes) -> tuple[Characteristic, bytes] | None:
    from cobs import cobs

    try:
        inner = bytes(cobs.decode(frame))
    except cobs.DecodeError:
        return None
    if len(inner) < 3 or binascii.crc_hqx(inner[:-2], 0xFFFF) != int.from_bytes(inner[-2:], "little"):
        return None
    first, body = inner[0], inner[:-2]
    if first >> 4 == VERSION:
        return (Characteristic.SENSOR_DATA if first & 15 == SENSOR else Characteristic.GRF_DATA), body
    if first not in _VALUE_FRAMES:
        return None
    return Characteristic(first), body[1:]


class SerialLink:
    """One insole on a serial line, as a :class:`~grfkit.device.link.Link`.

    Parameters
    ----------
    url
        Anything that ``serial.serial_for_url`` takes: ``/dev/ttyACM0``, ``COM3``, a pty, ``socket://host:port``,
        ``rfc2217://host:port``.
    """

    def __init__(self, url: str, *, baud: int = BAUD) -> None:
        self._url, self._baud, self._number = url, baud, 0
        self._port: Any = None
        self._reader: threading.Thread | None = None
        self._inbox, self._deframer = Inbox(), Deframer()
        self._conversation = Conversation(self._ask, address=url)
        self._syncs: dict[int, asyncio.Future[tuple[TimeReply, int]]] = {}
        self._info: asyncio.Future[Info] | None = None
        self._next_id = 0
        self._streaming = False
        self.early = 0
        """Packets that came before START was answered, and were dropped."""

    @property
    def address(self) -> str:
        """Return the port."""
        return self._url

    @property
    def connection(self) -> int:
        """Return the number of the present connection."""
        return self._number

    @property
    def closed(self) -> bool:
        """Return whether the port is closed."""
        return self._port is None

    @property
    def broken(self) -> int:
        """Return how many frames were broken."""
        return self._deframer.broken

    async def connect(self) -> Info:
        """Close what this link had open, open the port, and return Info."""
        await self.close()
        self._port = await asyncio.to_thread(_open_port, self._url, self._baud)
        self._number += 1
        self._inbox, self._deframer, self._streaming = Inbox(), Deframer(), False
        # Info is read first, and answers come in order: none to an earlier conversation comes after it
        self._conversation = Conversation(self._ask, address=self._url)
        loop = asyncio.get_running_loop()
        take = _once_in(loop, self._take, self._number)
        lost = _once_in(loop, self._lost, self._number)
        self._reader = threading.Thread(
            target=_read, args=(self._port, self._url, take, lost), name="serial", daemon=True
        )
        self._reader.start()
        try:
            return await self._read_info()
        except BaseException:
            await self.close()
            raise

    async def start(self, streams: Stream, rate_hz: int) -> Running:
        """Have it stream and return the configuration; one that still streams is stopped first."""
        running = await start_anew(self._conversation.ask, self.stop, streams, rate_hz)
        self._streaming = True
        return running

    async def stop(self) -> None:
        """Have it stop streaming."""
        await self._conversation.ask(Stop(), timeout_s=_ANSWER_S)
        self._streaming = False

    async def tare(self) -> None:
        """Have it tare."""
        await self._conversation.ask(Tare(), timeout_s=_TARE_S)

    async def set(self, key: SettingKey, amount: float) -> None:
        """Tell it mass (kg), speed (m/s) or slope (%)."""
        await self._conversation.ask(Set.of(key, amount))

    async def state(self) -> tuple[Info, Running | None]:
        """Return what GET answers."""
        return state_from_bytes(await self._conversation.ask(Get()))

    async def time_sync(self) -> Exchange:
        """Return one exchange of time stamps."""
        self._next_id = (self._next_id + 1) & 0xFF
        number, waiting = self._next_id, asyncio.get_running_loop().create_future()
        self._syncs[number] = waiting
        t1_us = host_ns() // 1000
        try:
            await self._send(Characteristic.TIME_SYNC, TimeRequest(number, t1_us).to_bytes())
            reply, arrival_ns = await asyncio.wait_for(waiting, _ANSWER_S)
        except asyncio.TimeoutError:
            raise LinkTimeout("time sync was not answered", address=self._url) from None
        finally:
            self._syncs.pop(number, None)
        return Exchange(t1_us * 1000, reply.t2_us, reply.t3_us, arrival_ns)

    async def battery_percent(self) -> int | None:
        """Return None: the serial protocol has no battery level."""
        return None

    async def packets(self) -> AsyncIterator[ReceivedPacket]:
        """Give packets of the present connection as they arrive."""
        async for arrived in self._inbox:
            yield arrived

    async def close(self) -> None:
        """Stop the insole, close the port; may be called twice."""
        if self._port is None:
            return
        if self._streaming:
            with contextlib.suppress(LinkClosed):
                await self.stop()
        self._end(None, "closed by the host")
        if self._reader is not None:
            await asyncio.to_thread(self._reader.join, _ANSWER_S)

    async def _read_info(self) -> Info:
        """Ask for Info, again if need be: the first answer may follow garbage."""
        for _ in range(_INFO_TRIES):
            self._info = asyncio.get_running_loop().create_future()
            await self._send(Characteristic.INFO, b"")
            with contextlib.suppress(asyncio.TimeoutError):
                return await asyncio.wait_for(self._info, _INFO_S)
        raise LinkTimeout(
            f"nothing answered in {_INFO_TRIES * _INFO_S:g} s; is an insole there, at this baud rate?",
            address=self._url,
        )

    async def _ask(self, content: bytes) -> None:
        await self._send(Characteristic.CONTROL_POINT, content)

    async def _send(self, characteristic: Characteristic, content: bytes) -> None:
        port = self._port
        if port is None:
            raise LinkClosed("it is not connected", address=self._url)
        try:
            # a zero first: it ends whatever garbage the other side has gathered
            await asyncio.to_thread(port.write, b"\0" + framed(content, characteristic))
        except (OSError, TypeError) as error:
            self._end(LinkClosed(str(error), address=self._url), str(error))
            raise LinkClosed(str(error), address=self._url) from error

    def _take(self, number: int, content: bytes, arrival_ns: int) -> None:
        if number != self._number or self._port is None:
            return
        for characteristic, value in self._deframer.feed(content):
            self._hand_on(characteristic, value, arrival_ns)

    def _hand_on(self, characteristic: Characteristic, value: bytes, arrival_ns: int) -> None:
        if characteristic in (Characteristic.SENSOR_DATA, Characteristic.GRF_DATA):
            if self._streaming:
                self._inbox.put(ReceivedPacket(value, characteristic, arrival_ns, self._number))
            else:
                self.early += 1
        elif characteristic == Characteristic.CONTROL_POINT:
            answer = self._conversation.receive(value)
            # START answered OK: packets may follow before the task that waits for the answer runs again
            if answer is not None and (answer.op, answer.status) == (Op.START, Status.OK):
                self._streaming = True
        elif characteristic == Characteristic.TIME_SYNC:
            with contextlib.suppress(BadInputError):
                reply = TimeReply.from_bytes(value)
                waiting = self._syncs.get(reply.id)
                if waiting is not None and not waiting.done():
                    waiting.set_result((reply, arrival_ns))
        elif self._info is not None and not self._info.done():
            try:
                self._info.set_result(Info.from_bytes(value))
            except BadInputError as error:
                self._info.set_exception(error)

    def _lost(self, number: int, why: str, _: int) -> None:
        if number == self._number and self._port is not None:
            self._end(LinkClosed(why, address=self._url), why)

    def _end(self, error: LinkClosed | None, why: str) -> None:
        port, self._port = self._port, None
        self._streaming = False
        self._inbox.end(error)
        failure = error or LinkClosed(why, address=self._url)
        self._conversation.end(failure)
        futures: list[asyncio.Future[Any]] = [*self._syncs.values(), *([self._info] if self._info else [])]
        for waiting in futures:
            fail(waiting, failure)
        if port is not None:
            with contextlib.suppress(Exception):
                release(port)
                port.close()


def _open_port(url: str, baud: int) -> Any:
    """Return an open port that nobody else has.

    Raises
    ------
    LinkClosed
        If it cannot be opened, or another program has it: two readers would take each other's bytes.
    """
    import serial

    wait_s = _SOCKET_WAIT_S if url.startswith(_SOCKET) else _WAIT_S
    patience = {} if url.startswith(_TELNET) else {"write_timeout": _ANSWER_S}
    # a lock on the device; Windows gives a port to one program only by itself
    alone = {"exclusive": True} if os.name == "posix" and is_device(url) else {}
    try:
        port = serial.serial_for_url(url, baudrate=baud, timeout=wait_s, **patience, **alone)
    except (serial.SerialException, OSError, ValueError) as error:
        if alone and getattr(error, "errno", None) in _TAKEN:
            raise LinkClosed(_taken(holders_of(url)), address=url) from error
        number = getattr(error, "errno", None)
        why = os.strerror(number) if alone and isinstance(number, int) else str(error)
        raise LinkClosed(f"the port cannot be opened ({why}){_ports_here()}", address=url) from error
    if alone:
        keep_to_one(port)
    return port


def _ports_here() -> str:
    """Return a clause that names the ports of this computer."""
    from serial.tools.list_ports import comports

    try:
        names = sorted(port.device for port in comports())
    except Exception:  # what a system raises here is its own, and only the list is lost
        return ""
    return f"; here are {', '.join(names)}" if names else "; no port is connected here"


def _taken(holders: Sequence[str]) -> str:
    names = " and ".join(holders) or "another program"
    return f"the port is in use by {names}; end that first, or name another port"


def _once_in(loop: asyncio.AbstractEventLoop, call: Callable[..., None], number: int) -> Callable[..., None]:
    """Return a call that a thread may make: it runs in the loop, with the connection's number."""

    def later(what: object, arrival_ns: int) -> None:
        """Make the call in the loop."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(call, number, what, arrival_ns)

    return later


def _read(port: Any, url: str, take: Callable[[bytes, int], None], lost: Callable[[str, int], None]) -> None:
    """Read until the port is closed or gone; bytes are stamped as soon as they are here."""
    socket = url.startswith(_SOCKET)
    while True:
        try:
            # one byte is waited for, then all that came with it is taken: bytes are stamped when they come
            content = port.read(256 if socket else max(1, min(4096, port.in_waiting)))
        except Exception as error:  # pyserial raises whatever the platform does when a port is closed under it
            lost(str(error) or type(error).__name__, host_ns())
            return
        if content:
            take(content, host_ns())
