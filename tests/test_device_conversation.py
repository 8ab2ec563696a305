"""Requests and their answers: a late one is not the next one's, an insole that still streams is stopped first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from grfkit import wire
from grfkit.device.link import Characteristic, Conversation, LinkRefused, LinkTimeout, start_anew
from grfkit.device.serial_port import SerialLink
from grfkit.wire import Answer, Get, Op, Request, Running, Set, SettingKey, Start, Status, Stop, Stream
from monitor_serial import SerialInsole, on_pty
from test_monitor_hostile import unix


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 20))


class Line:
    """A control point whose answers are handed over when the test says so."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.conversation = Conversation(self._write, address="a")

    async def _write(self, content: bytes) -> None:
        self.written.append(content)

    async def times_out(self, request: Request) -> None:
        with pytest.raises(LinkTimeout, match="was not answered in 0 s"):
            await self.conversation.ask(request, timeout_s=0.0)

    async def asking(self, request: Request) -> asyncio.Task[bytes]:
        task = asyncio.ensure_future(self.conversation.ask(request))
        await settled()
        return task

    async def answers(self, op: int, payload: bytes = b"", status: Status = Status.OK) -> None:
        self.conversation.receive(Answer(op, status, payload).to_bytes())
        await settled()

    async def answers_fence(self) -> None:
        """Answer the last fence that was written."""
        fence = [content for content in self.written if content[0] not in list(Op)][-1]
        await self.answers(fence[0], status=Status.UNKNOWN_OP)


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def start(rate_hz: int) -> Start:
    return Start(Stream.SENSOR, rate_hz)


@pytest.mark.parametrize(
    "request_", [start(200), Get(), Stop(), Set.of(SettingKey.MASS, 70.0)], ids=lambda r: type(r).__name__
)
def test_a_late_answer_is_not_taken_for_the_next_one_s(request_: Request) -> None:
    async def test() -> None:
        line, op = Line(), request_.to_bytes()[0]
        await line.times_out(request_)
        task = await line.asking(request_)
        await line.answers(op, b"late")
        assert not task.done(), "it may be the late one"
        await line.answers(op, b"mine")
        assert await task == b"mine"
        task = await line.asking(request_)
        await line.answers(op, b"again")
        assert await task == b"again", "nothing is owed any more"

    run(test)


def test_where_the_late_answer_never_comes_the_fence_says_so() -> None:
    """The answer was lost on the line; the one that comes is the present request's, and no one is waited for."""

    async def test() -> None:
        line = Line()
        await line.times_out(start(100))
        for number in range(40):
            task = await line.asking(start(200))
            await line.answers(Op.START, b"mine")
            assert task.done() == (number > 0)
            if not number:
                assert line.written[-1][0] not in list(Op)
                assert len(line.written[-1]) == 1
                await line.answers_fence()
            assert await task == b"mine"

    run(test)


def test_several_late_answers_and_one_that_comes_while_nobody_asks() -> None:
    async def test() -> None:
        line = Line()
        for _ in range(3):
            await line.times_out(Get())
        await line.answers(Op.GET, b"late 1")
        assert line.conversation.unexpected == 1
        task = await line.asking(Get())
        await line.answers(Op.GET, b"late 2")
        await line.answers(Op.GET, b"late 3")
        assert not task.done()
        await line.answers(Op.GET, b"mine")
        assert await task == b"mine"
        task = await line.asking(Get())
        await line.answers_fence()
        assert not task.done(), "a fence's answer that comes late settles nothing"
        await line.answers(Op.GET, b"mine too")
        assert await task == b"mine too"

    run(test)


def test_of_two_answers_before_the_fence_s_the_last_is_the_right_one() -> None:
    async def test() -> None:
        line = Line()
        for _ in range(3):
            await line.times_out(Get())
        task = await line.asking(Get())
        await line.answers(Op.GET, b"late")
        await line.answers(Op.GET, b"mine")
        assert not task.done(), "three are owed, two have come"
        await line.answers_fence()
        assert await task == b"mine"

    run(test)


def test_a_request_that_was_given_up_is_owed_its_answer_as_well() -> None:
    async def test() -> None:
        line = Line()
        task = await line.asking(Stop())
        task.cancel()
        await settled()
        task = await line.asking(Stop())
        await line.answers(Op.STOP, status=Status.BUSY)
        await line.answers(Op.STOP)
        assert await task == b"", "BUSY was the first one's"

    run(test)


def test_an_answer_of_another_op_is_never_the_present_one_s() -> None:
    async def test() -> None:
        line = Line()
        await line.times_out(start(100))
        task = await line.asking(Get())
        await line.answers(Op.START, b"late")
        assert not task.done()
        await line.answers(Op.GET, b"mine")
        assert await task == b"mine"
        assert len(line.written) == 2, "nothing had to be found out"

    run(test)


def test_a_start_that_is_busy_is_stopped_and_started() -> None:
    async def test() -> None:
        requests: list[str] = []

        async def ask(request: Request) -> bytes:
            requests.append(type(request).__name__)
            if requests == ["Start"]:
                raise LinkRefused(Op.START, Status.BUSY)
            return Running(3, 5, 200, 5000).to_bytes()

        async def stop() -> None:
            requests.append("Stop")

        assert (await start_anew(ask, stop, Stream.SENSOR, 200)).cfg_id == 3
        assert requests == ["Start", "Stop", "Start"]

    run(test)


class StillStreaming(SerialInsole):
    """Answers START with BUSY while it streams, as the profile has it."""

    def _asked(self, value: bytes) -> None:
        if value[0] == Op.START and self._began is not None:
            self.refuse(Status.BUSY)
        else:
            super()._asked(value)

    def refuse(self, status: Status) -> None:
        self._say(Answer(Op.START, status).to_bytes(), Characteristic.CONTROL_POINT)


@unix
def test_a_serial_insole_that_still_streams_is_stopped_and_started() -> None:
    """Its host was killed: it streams on, and the next one is not refused."""

    async def test() -> None:
        with on_pty(kind=StillStreaming) as (url, insole):
            first = SerialLink(url)
            await first.connect()
            await first.start(Stream.SENSOR, 200)
            # killed: the port is closed, and nobody said STOP
            first._streaming = False
            await first.close()
            again = SerialLink(url)
            await again.connect()
            assert (await again.start(Stream.SENSOR, 200)).samples_per_packet == 5
            async for packet in again.packets():
                assert wire.PacketHeader.from_bytes(packet.content).counter == 0, "of the new START"
                break
            await again.close()
            assert insole.requests[-4:] == [Op.START, Op.STOP, Op.START, Op.STOP]

    run(test)
