"""A way to one insole, whatever carries it: Bluetooth, a serial line, a recording played again.

What is above a link does not know which it is. A link hands on bytes and when they came, nothing more.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol, runtime_checkable

from ..errors import BadInputError, GrfError
from ..wire import Answer, Info, Op, Request, Running, SettingKey, Start, Status, Stream

__all__ = [
    "PAUSE_SPREAD",
    "Characteristic",
    "Conversation",
    "Exchange",
    "Inbox",
    "Link",
    "LinkClosed",
    "LinkRefused",
    "LinkTimeout",
    "ReceivedPacket",
    "Running",
    "fail",
    "start_anew",
]

PAUSE_SPREAD = (0.8, 1.2)
"""Share of a pause between tries that is waited, drawn at random; chosen by hand: both feet lose a radio at once, and
are not to try again in step."""


class LinkClosed(GrfError):
    """The link is gone (or was not there); connecting again may help.

    Attributes
    ----------
    reason
        One clause: ``"link loss"``, ``"closed by the host"``.
    """

    def __init__(self, reason: str, *, address: str = "") -> None:
        super().__init__(f"the link to {address or 'the insole'} is closed: {reason}")
        self.reason, self.address = reason, address


class LinkTimeout(LinkClosed):
    """The insole did not answer in time."""


class LinkRefused(GrfError):
    """The insole's control point answered another status than OK; the link itself goes on.

    Attributes
    ----------
    op, status
        The request, and the status of the answer.
    """

    _WHY = {  # noqa: RUF012
        Status.UNKNOWN_OP: "it does not know that request",
        Status.BAD_PARAMETER: "a parameter is out of its range",
        Status.MTU_TOO_SMALL: "packets of the link are too small for one sample; an MTU of 59 or more is needed",
        Status.BUSY: "it is busy; stop it or try again",
    }

    def __init__(self, op: int, status: Status) -> None:
        name = Op(op).name if op in list(Op) else f"request {op}"
        super().__init__(f"the insole refused {name}: {self._WHY.get(status, status.name)}")
        self.op, self.status = op, status


class Characteristic(IntEnum):
    """Origin of received bytes: the last digit of the UUID, and the first byte of a serial frame."""

    INFO = 2
    CONTROL_POINT = 3
    SENSOR_DATA = 4
    GRF_DATA = 5
    TIME_SYNC = 6


@dataclass(frozen=True)
class ReceivedPacket:
    """One notification, verbatim.

    Attributes
    ----------
    arrival_ns
        :func:`~grfkit.device.host_clock.host_ns` when the host had it.
    connection
        Which connection of the link it belongs to; see :attr:`Link.connection`.
    """

    content: bytes
    characteristic: Characteristic
    arrival_ns: int
    connection: int = 0


@dataclass(frozen=True)
class Exchange:
    """One time sync: sent (host), received and answered (device, wrapping at 2^32), back again (host)."""

    t1_ns: int
    t2_us: int
    t3_us: int
    t4_ns: int


@runtime_checkable
class Link(Protocol):
    """One insole, connected again and again; every ``connect`` is a new connection with a number of its own."""

    @property
    def address(self) -> str:
        """Return what names the device on this kind of link."""

    @property
    def connection(self) -> int:
        """Return the number of the present connection: one more with every :meth:`connect`, from 1."""

    @property
    def closed(self) -> bool:
        """Return whether there is no connection."""

    async def connect(self) -> Info:
        """Connect, subscribe, and return Info; packets do not flow before :meth:`start`.

        Raises
        ------
        LinkClosed
            If it cannot be reached.
        BadInputError
            If the device is no insole of this profile.
        """

    async def start(self, streams: Stream, rate_hz: int) -> Running:
        """Have it stream and return the configuration; LinkRefused with the insole's status, LinkClosed."""

    async def stop(self) -> None:
        """Have it stop streaming."""

    async def tare(self) -> None:
        """Have it tare, and return once it has: 100 quiet samples."""

    async def set(self, key: SettingKey, amount: float) -> None:
        """Tell it mass (kg), speed (m/s) or slope (%)."""

    async def state(self) -> tuple[Info, Running | None]:
        """Return what GET answers."""

    async def time_sync(self) -> Exchange:
        """Return one exchange of time stamps; LinkTimeout if no answer came."""

    async def battery_percent(self) -> int | None:
        """Return the battery's level, None where the link does not have it."""

    def packets(self) -> AsyncIterator[ReceivedPacket]:
        """Give packets of the present connection as they arrive.

        Ends after :meth:`close`; raises LinkClosed when the connection is lost.
        """

    async def close(self) -> None:
        """Stop, disconnect and free the device so that it can be found again; may be called twice."""


class Inbox:
    """Packets between a callback and who awaits them; what came before the end is still handed out."""

    def __init__(self) -> None:
        self._waiting: deque[ReceivedPacket] = deque()
        self._news = asyncio.Event()
        self._ended = False
        self._error: LinkClosed | None = None

    def __len__(self) -> int:
        """Return how many packets nobody has taken yet."""
        return len(self._waiting)

    def put(self, arrived: ReceivedPacket) -> None:
        """Take a packet; one that comes after the end is dropped."""
        if not self._ended:
            self._waiting.append(arrived)
            self._news.set()

    def end(self, error: LinkClosed | None = None) -> None:
        """End the stream: quietly, or with an error; the first end counts."""
        if not self._ended:
            self._ended, self._error = True, error
            self._news.set()

    async def __aiter__(self) -> AsyncIterator[ReceivedPacket]:
        """Give packets until the end."""
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            if self._ended:
                break
            # nothing is awaited between looking and clearing, so that no packet is missed
            self._news.clear()
            await self._news.wait()
        if self._error:
            raise self._error


class Conversation:
    """The control point's requests, one at a time, each with its answer.

    An answer names its request's op and nothing else, so that one that comes after its time-out looks like the next
    answer of that op. Answers that are still owed are therefore counted. Where one comes that may be such a late one, a
    request of an op that no profile has is sent behind (a fence): the insole answers in order, so that what came last
    before the fence's own answer is the answer to the present request, and what came before that was late.

    Parameters
    ----------
    write
        Sends a request's bytes.
    """

    def __init__(self, write: Callable[[bytes], Awaitable[None]], *, address: str = "") -> None:
        self._write, self._address = write, address
        self._lock, self._writing = asyncio.Lock(), asyncio.Lock()
        self._waiting: asyncio.Future[Answer] | None = None
        self._op = 0
        self._owed: Counter[int] = Counter()
        # answers to the present request's op while others of that op are owed; the last one may be the right one
        self._doubtful: list[Answer] = []
        self._fence = _FENCES[-1]
        self._fencing: asyncio.Task[None] | None = None
        self.unexpected = 0
        """Messages that no request waited for, or that were no answers."""

    async def ask(self, request: Request, *, timeout_s: float = 5.0) -> bytes:
        """Return the payload of the answer.

        Raises
        ------
        LinkRefused
            If its status is not OK.
        LinkTimeout
            If none came in time.
        LinkClosed
            If the link closed meanwhile.
        """
        async with self._lock:
            content = request.to_bytes()
            self._op, self._waiting = content[0], asyncio.get_running_loop().create_future()
            self._doubtful = []
            answer: Answer | None = None
            try:
                await self._send(content)
                answer = await asyncio.wait_for(self._waiting, timeout_s)
            except asyncio.TimeoutError:
                reason = f"{Op(self._op).name} was not answered in {timeout_s:g} s"
                raise LinkTimeout(reason, address=self._address) from None
            finally:
                # timed out, or whoever asked was cancelled: the answer may still come
                owed = self._owed[self._op] + 1 - len(self._doubtful)
                self._owed[self._op] = owed if answer is None else 0
                self._waiting = None
        if answer.status != Status.OK:
            raise LinkRefused(answer.op, answer.status)
        return answer.payload

    def receive(self, content: bytes) -> Answer | None:
        """Take what the control point indicated, and return it if it is what the present request waited for."""
        try:
            answer = Answer.from_bytes(content)
        except BadInputError:
            self.unexpected += 1
            return None
        if answer.op == self._fence and self._doubtful:
            return self._settle(self._doubtful[-1])
        if self._waiting is None or self._waiting.done() or answer.op != self._op:
            self.unexpected += 1
            self._owed[answer.op] = max(0, self._owed[answer.op] - 1)
            return None
        if len(self._doubtful) == self._owed[answer.op]:
            # all that were owed have come, or none was
            return self._settle(answer)
        self._doubtful.append(answer)
        if self._fencing is None or self._fencing.done():
            self._fence = _FENCES[(self._fence + 1 - _FENCES[0]) % len(_FENCES)]
            self._fencing = asyncio.ensure_future(self._send_fence())
        return None

    def end(self, error: LinkClosed) -> None:
        """Let a waiting request fail: no answer will come."""
        if self._waiting is not None:
            fail(self._waiting, error)

    def _settle(self, answer: Answer) -> Answer | None:
        if self._waiting is None or self._waiting.done():
            return None
        self._doubtful = []
        self._waiting.set_result(answer)
        return answer

    async def _send(self, content: bytes) -> None:
        # one at a time: stacks refuse a write while another is under way
        async with self._writing:
            await self._write(content)

    async def _send_fence(self) -> None:
        # a link that is gone ends the request itself
        with suppress(GrfError):
            await self._send(bytes([self._fence]))


async def start_anew(
    ask: Callable[[Request], Awaitable[bytes]], stop: Callable[[], Awaitable[None]], streams: Stream, rate_hz: int
) -> Running:
    """Return the configuration that START answers; an insole that still streams is stopped first.

    Its host may have ended without STOP, or another one may have had it.

    Raises
    ------
    LinkRefused
        If it refuses for another reason, or is busy still.
    """
    try:
        return Running.from_bytes(await ask(Start(streams, rate_hz)))
    except LinkRefused as error:
        if error.status != Status.BUSY:
            raise
    await stop()
    return Running.from_bytes(await ask(Start(streams, rate_hz)))


_FENCES = range(0x60, 0x80)
"""Ops that no version of the profile gives a meaning; an insole answers UNKNOWN_OP. Taken in turn, so that a late
answer to one is not that to the next."""


def fail(waiting: asyncio.Future[Any], error: Exception) -> None:
    """Set a future's error, without asyncio's complaint where it is no longer awaited."""
    if not waiting.done():
        waiting.set_exception(error)
        waiting.exception()
