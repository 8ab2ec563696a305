"""The page's server: who may open it, what goes over the WebSocket byte by byte, and that nobody is held up."""

from __future__ import annotations

import asyncio
import gc
import json
import struct
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("websockets")

import websockets

from grfkit.calibrate.library import load_insole
from grfkit.cli.monitor_run import Showing, _views
from grfkit.errors import BadInputError
from grfkit.monitor.guard import Guard, host_allowed, is_loopback, origin_allowed
from grfkit.monitor.messages import MonitorEvent, SampleBatch
from grfkit.monitor.outbox import Outbox
from grfkit.monitor.server import serve
from monitor_hub import FakeHub, batch, stance

Work = Callable[[FakeHub, str], Awaitable[None]]


def served(work: Work, *, hub: FakeHub | None = None, live: bool = True, **asked: Any) -> FakeHub:
    """Run work against a server; what it leaves open is an error."""
    made = hub or FakeHub()

    async def all_of_it() -> None:
        url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        living = asyncio.create_task(made.run(3600 if live else 0.0)) if live else None
        serving = asyncio.create_task(serve(made, ready=url.set_result, **asked))
        try:
            await asyncio.wait({url, serving}, return_when=asyncio.FIRST_COMPLETED)
            await work(made, url.result())
        finally:
            serving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await serving
            if living:
                living.cancel()
                await living
        assert not made.subscriptions

    asyncio.run(asyncio.wait_for(all_of_it(), 60))
    gc.collect()
    return made


async def fetched(url: str, path: str = "/", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of one request, as the bytes that came."""
    address = url.split("/")[2]
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = {"Host": address, "Connection": "close", **{k.replace("_", "-"): v for k, v in headers.items()}}
    writer.write(
        f"GET {path} HTTP/1.1\r\n{''.join(f'{k}: {v}{chr(13)}{chr(10)}' for k, v in lines.items())}\r\n".encode()
    )
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *rest = head.decode().split("\r\n")
    return int(status.split()[1]), {k.lower(): v for k, _, v in (line.partition(": ") for line in rest)}, body


def opened(url: str, *, origin: str | None = "", query: str = "", **headers: str) -> Any:
    """Return a WebSocket as the server's own page would open it."""
    address = url.split("/")[2]
    return websockets.connect(
        f"ws://{address}/ws{query}", origin=f"http://{address}" if origin == "" else origin,
        additional_headers=headers, compression=None,
    )  # fmt: skip


async def told(socket: Any, kind: str) -> dict[str, Any]:
    """Return the next text of a kind."""
    while True:
        message = await socket.recv()
        if isinstance(message, str) and (content := json.loads(message))["type"] == kind:
            return content


async def refused(connecting: Any) -> int:
    """Return the status of a WebSocket that was not let in."""
    with pytest.raises(websockets.InvalidStatus) as caught:
        async with connecting:
            pass
    return int(caught.value.response.status_code)


# who may open it


def test_page_and_its_files_come_with_headers_that_let_nothing_else_in() -> None:
    async def work(hub: FakeHub, url: str) -> None:
        status, headers, body = await fetched(url)
        assert status == 200
        assert b"<title>GRF monitor</title>" in body
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        for path in ("app.js", "socket.js", "charts.js", "heatmap.js", "controls.js", "view.js", "style.css"):
            status, headers, body = await fetched(url, f"/{path}")
            assert (status, len(body) > 500) == (200, True), path
            assert headers["content-type"].startswith(("text/javascript", "text/css"))
        assert (await fetched(url, "/vendor/uPlot.iife.min.js"))[0] == 200
        for path in ("/../server.py", "/%2e%2e/server.py", "/static/app.js", "/vendor", "/nothing"):
            assert (await fetched(url, path))[0] == 404, path

    served(work, live=False)


def test_page_has_no_inline_script_or_style_that_its_policy_would_stop() -> None:
    page = (files("grfkit.monitor") / "static" / "index.html").read_text("utf-8")
    assert "<style" not in page
    assert " style=" not in page
    assert " on" + "click" not in page
    assert page.count("<script") == page.count("<script src=")


def test_everything_the_page_asks_for_is_in_the_package() -> None:
    static = files("grfkit.monitor") / "static"
    names = {"index.html", "app.js", "socket.js", "charts.js", "heatmap.js", "controls.js", "view.js", "style.css"}
    assert names <= {item.name for item in static.iterdir()}
    assert (
        (static / "vendor" / "uPlot.iife.min.js")
        .read_text("utf-8")
        .startswith("/*! https://github.com/leeoniya/uPlot (v1.6.32)")
    )
    assert "MIT" in (static / "vendor" / "LICENSE.uPlot").read_text("utf-8")


def test_other_hosts_and_other_origins_are_refused() -> None:
    async def work(hub: FakeHub, url: str) -> None:
        port = url.split(":")[2].rstrip("/")
        for host in (
            "evil.example",
            f"evil.example:{port}",
            "127.0.0.1",
            f"127.0.0.1.evil.example:{port}",
            "127.0.0.1:1",
            "",
        ):
            status, _, body = await fetched(url, Host=host)
            assert status in (400, 421), host
            assert b"<title>" not in body
        assert (await fetched(url, Host=f"localhost:{port}"))[0] == 200
        address = f"127.0.0.1:{port}"
        for origin in (None, "null", "http://evil.example", "http://127.0.0.1", f"http://localhost:{port}", f"ftp://{address}",
                       f"http://{address}.evil.example", f"http://evil@{address}"):  # fmt: skip
            assert await refused(opened(url, origin=origin)) == 403, origin
        async with opened(url) as socket:
            assert (await told(socket, "hello"))["hub"]

    served(work, live=False)


def test_beyond_this_machine_a_token_is_made_up_and_asked_for() -> None:
    async def work(hub: FakeHub, url: str) -> None:
        address, token = url.split("/?token=")
        local = f"http://127.0.0.1:{address.rpartition(':')[2]}/"
        assert len(token) >= 32
        assert (await fetched(local))[0] == 401
        assert (await fetched(local, "/app.js"))[0] == 401
        assert (await fetched(local, f"/?token={token[:-1]}"))[0] == 401
        assert (await fetched(local, f"/?token={token}&token=other"))[0] == 401
        assert await refused(opened(local)) == 403
        assert await refused(opened(local, query="?token=wrong")) == 403
        status, headers, _ = await fetched(local, f"/?token={token}")
        assert (status, headers["location"]) == (303, "/")
        cookie = headers["set-cookie"]
        assert "httponly" in cookie.lower()
        assert "samesite=strict" in cookie.lower()
        pair = cookie.partition(";")[0]
        assert (await fetched(local, Cookie=pair))[0] == 200
        assert (await fetched(local, Cookie=pair + "x"))[0] == 401
        assert await refused(opened(local, origin="http://evil.example", Cookie=pair)) == 403
        async with opened(local, Cookie=pair) as socket:
            await told(socket, "hello")
        async with opened(local, query=f"?token={token}") as socket:
            await told(socket, "hello")
        assert (await fetched(local, Host="rebound.example:" + local.rstrip("/").rpartition(":")[2], Cookie=pair))[
            0
        ] == 421

    served(work, live=False, host="0.0.0.0")


def test_token_given_is_asked_for_on_loopback_too() -> None:
    async def work(hub: FakeHub, url: str) -> None:
        assert url.endswith("/?token=of-my-own")
        assert (await fetched(url))[0] == 401
        assert (await fetched(url, "/?token=of-my-own"))[0] == 303
        assert (await fetched(url, "/?token=%C3%A9"))[0] == 401

    served(work, live=False, token="of-my-own")


@pytest.mark.parametrize(
    ("header", "bound", "right"),
    [
        ("127.0.0.1:80", "127.0.0.1", True),
        ("[::1]:80", "::1", True),
        ("LOCALHOST:80", "127.0.0.1", True),
        ("192.168.1.7:80", "127.0.0.1", False),
        ("192.168.1.7:80", "0.0.0.0", True),
        ("[fe80::1]:80", "::", True),
        ("coach.example:80", "coach.example", True),
        ("other.example:80", "coach.example", False),
        ("127.0.0.1:81", "127.0.0.1", False),
        ("127.0.0.1:x", "127.0.0.1", False),
        ("[::1", "::1", False),
        ("127.0.0.1:80?x", "127.0.0.1", False),
        ("localhost?:80", "127.0.0.1", False),
        ("127.0.0.1?;script-src *:80", "127.0.0.1", False),
        ("evil@127.0.0.1:80", "127.0.0.1", False),
        ("127.0.0.1:80/", "127.0.0.1", False),
        ("127.0.0.1:80#", "127.0.0.1", False),
        ("127.0.0.1:80 https:", "127.0.0.1", False),
        ("127.0.0.1:80;", "127.0.0.1", False),
        ("127.0.0.1,*:80", "127.0.0.1", False),
        ("127.0.0.1:\u0668\u0660", "127.0.0.1", False),
        ("127.0.0.1:80\n", "127.0.0.1", False),
        ("", "127.0.0.1", False),
        ("localhost", "127.0.0.1", True),
    ],
)
def test_host_header(header: str, bound: str, right: bool) -> None:
    assert host_allowed(header, bound=bound, port=80) is right


@given(st.text(max_size=40))
def test_no_other_origin_and_no_odd_host_passes_or_breaks(text: str) -> None:
    assert not origin_allowed(text, host="127.0.0.1:8000") or text.lower().endswith("://127.0.0.1:8000")
    assert not host_allowed(text, bound="127.0.0.1", port=8000)


@pytest.mark.parametrize("odd", ["?x", "?;script-src%20*", "/a", "#a", ";", ",*", "@evil", '"', "'", "*"])
def test_nothing_of_a_host_header_gets_into_the_policy_but_a_name_and_a_port(odd: str) -> None:
    async def work(hub: FakeHub, url: str) -> None:
        host = url.split("/")[2]
        name, port = host.split(":")
        for header in (host + odd, f"{name}{odd}:{port}"):
            status, headers, _ = await fetched(url, Host=header)
            assert status in (400, 421), "400 is the server's own, before the guard"
            assert status == 400 or "connect-src 'self'; img-src" in headers["content-security-policy"]

    served(work, live=False)


def test_the_command_asks_for_a_token_on_loopback_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other people may use this machine: only who sees the printed address opens the page."""
    lines: list[str] = []
    started: list[str] = []
    monkeypatch.setattr("grfkit.cli.monitor_run.say", lines.append)
    monkeypatch.setattr("webbrowser.open", started.append)

    async def work() -> None:
        (page,) = _views(Showing(False, False, False, False, "127.0.0.1", 0, None, True))
        hub = FakeHub()
        serving = asyncio.create_task(page(hub))
        while not (lines and started):
            await asyncio.sleep(0.01)
        url = lines[0].removeprefix("the page is at ")
        local, token = url.split("?token=")
        assert len(token) == 32
        assert (await fetched(local))[0] == 401
        assert await refused(opened(local)) == 403
        assert (await fetched(local, f"/?token={token}"))[0] == 303
        assert token not in started[0]
        assert (await fetched(local, "/" + started[0].removeprefix(local)))[0] == 303
        hub.end()
        await serving

    asyncio.run(asyncio.wait_for(work(), 60))
    gc.collect()


def test_a_ticket_opens_the_page_once_and_nothing_else() -> None:
    """A browser is started with it, which everybody on the machine sees; by then it is spent."""
    tickets: list[str] = []

    async def work(hub: FakeHub, url: str) -> None:
        (opened_url,) = tickets
        assert opened_url.split("?")[0] == url.split("?")[0]
        query = "/?" + opened_url.split("?")[1]
        assert query.startswith("/?ticket=")
        assert "of-my-own" not in query
        local = url.split("?")[0]
        assert (await fetched(local, query + "x"))[0] == 401
        assert (await fetched(local, "/app.js" + query[1:]))[0] == 401
        assert await refused(opened(local, query=query[1:])) == 403, "no WebSocket by ticket"
        status, headers, _ = await fetched(local, query)
        assert (status, headers["location"]) == (303, "/")
        assert query.split("=")[1] not in headers["set-cookie"]
        assert (await fetched(local, Cookie=headers["set-cookie"].partition(";")[0]))[0] == 200
        assert (await fetched(local, query))[0] == 401, "it is spent"
        assert (await fetched(local, "/?token=of-my-own"))[0] == 303, "the token is not"

    served(work, live=False, token="of-my-own", browse=tickets.append)


def test_loopback() -> None:
    assert [is_loopback(one) for one in ("127.0.0.1", "127.9.9.9", "::1", "localhost")] == [True] * 4
    assert [is_loopback(one) for one in ("0.0.0.0", "::", "192.168.0.1", "localhost.evil.example", "")] == [False] * 5


def test_address_that_is_taken_or_not_ours_is_refused() -> None:
    async def work(hub: FakeHub, url: str) -> None:
        with pytest.raises(BadInputError, match=r"cannot serve the page at 127\.0\.0\.1:.*another --port"):
            await serve(hub, port=int(url.split(":")[2].rstrip("/")))
        with pytest.raises(BadInputError, match=r"no address of this machine|cannot serve"):
            await serve(hub, host="host.invalid")

    served(work, live=False)


# what goes over it


def test_batches_arrive_as_the_bytes_the_page_decodes() -> None:
    async def work(hub: FakeHub, url: str) -> None:
        async with opened(url) as socket:
            hello = await told(socket, "hello")
            sent = batch(1, 12.0, 12.05, sent_s=12.09, gap=True)
            hub.tell(sent)
            while isinstance(content := await socket.recv(), str):
                pass
        cells = load_insole("fsr16_m").document.cells
        assert hello["layout"]["cells"] == [[cell.x_mm, cell.y_mm] for cell in cells]
        version, device, n, m, flags, first, at = struct.unpack_from("<BBHHHdd", content)
        assert (version, device, n, m, flags, at) == (1, 1, 10, 17, 1, 12.09)
        floats = np.frombuffer(content, "<f4", offset=24).reshape(18, n)
        np.testing.assert_allclose(first + floats[0], sent.time_s, atol=1e-6)
        np.testing.assert_array_equal(floats[1:], sent.columns)
        np.testing.assert_array_equal(SampleBatch.from_bytes(content).columns, sent.columns)

    served(work, hub=FakeHub(), live=False)


def test_ping_tells_the_hubs_clock() -> None:
    async def work(hub: FakeHub, url: str) -> None:
        async with opened(url) as socket:
            before = hub.now()
            await socket.send(json.dumps({"type": "ping", "id": 7, "t": 123.5}))
            answer = await told(socket, "pong")
            assert before <= answer["server_s"] <= hub.now()
            assert (answer["id"], answer["t"]) == (7, 123.5)
            await socket.send(json.dumps({"type": "ping", "id": None, "t": {"x": 1}}))
            assert set(await told(socket, "pong")) == {"type", "server_s"}

    served(work)


def test_commands_reach_the_hub_and_each_answer_its_asker() -> None:
    async def work(hub: FakeHub, url: str) -> None:
        async with opened(url) as socket, opened(url) as other:
            hub.tare_s = 0.5
            await socket.send(json.dumps({"type": "command", "id": 1, "action": "tare", "device": 1}))
            await socket.send(json.dumps({"type": "command", "id": 2, "action": "mark", "arguments": {"text": "hill"}}))
            first, second = await told(socket, "answer"), await told(socket, "answer")
            assert [first["id"], second["id"]] == [2, 1], "a mark does not wait for a tare"
            assert first["ok"]
            assert second["ok"]
            assert (await told(other, "event"))["kind"] == "mark", "every page hears of it"
        assert [(one.action, one.device) for one in hub.commands] == [("tare", 1), ("mark", None)]
        assert hub.commands[1].arguments == {"text": "hill"}

    served(work)


@pytest.mark.parametrize(
    ("text", "number", "words"),
    [
        ("not json", None, "no command"),
        ("[1, 2]", None, "no command"),
        ("12", None, "no command"),
        ('{"id": 5}', 5, "no command"),
        ('{"id": 5, "action": "format"}', 5, "'format' is no command"),
        ('{"id": 5, "action": "tare", "device": "left"}', 5, "no command"),
        ('{"id": 5, "action": "tare", "device": 9}', 5, "there is no device 9"),
        ('{"id": 5, "action": "note", "arguments": 3}', 5, "no command"),
        ('{"id": 5, "action": "clear", "arguments": {"text": "break"}}', 5, "could not do it: RuntimeError"),
        ("", None, "no command"),
    ],
)
def test_what_is_no_command_is_answered_and_the_stream_goes_on(text: str, number: int | None, words: str) -> None:
    async def work(hub: FakeHub, url: str) -> None:
        async with opened(url) as socket:
            await socket.send(text)
            answer = await told(socket, "answer")
            assert (answer["ok"], answer["id"]) == (False, number)
            assert words in answer["error"]
            await socket.send(b"\x00\xff")
            assert (await told(socket, "answer"))["ok"] is False
            hub.tell(MonitorEvent("mark", 1.0, "still here"))
            assert (await told(socket, "event"))["text"] == "still here"

    served(work, live=False)


def test_endless_commands_are_answered_as_busy() -> None:
    async def work(hub: FakeHub, url: str) -> None:
        hub.tare_s = 30.0
        async with opened(url) as socket:
            for number in range(20):
                await socket.send(json.dumps({"id": number, "action": "tare"}))
            answers = [await told(socket, "answer") for _ in range(12)]
            assert all("busy" in one["error"] for one in answers)
            assert len(hub.commands) == 8

    served(work, live=False)


def test_a_page_that_does_not_read_holds_nobody_up() -> None:
    async def work(hub: FakeHub, url: str) -> None:
        wide = SampleBatch(0, np.arange(500) / 1000, np.zeros((17, 500), dtype=np.float32), 0.0)
        async with opened(url) as slow, opened(url) as quick:
            slow.transport.pause_reading()
            for number in range(400):  # 14 MB: more than the sockets on the way hold
                hub.tell(wide)
                if number % 8 == 0:
                    while not isinstance(await quick.recv(), bytes):
                        pass
                await asyncio.sleep(0)
            hub.tell(MonitorEvent("note", 1.0, "last"))
            assert (await told(quick, "event"))["text"] == "last"
            slow.transport.resume_reading()
            batches = 0
            while True:
                content = await slow.recv()
                batches += isinstance(content, bytes)
                if isinstance(content, str) and json.loads(content).get("text") == "last":
                    break
            assert batches < 400, "old batches were thrown away, the event was not"
            hub.tell(hub.snapshot())
            assert (await told(slow, "dropped"))["batches"] > 0

    served(work, live=False)


def test_outbox_keeps_the_newest_and_marks_the_gap() -> None:
    async def work() -> None:
        outbox = Outbox(3, texts=3)
        for number in range(5):
            outbox.put(batch(number % 2, number, number + 0.05, sent_s=float(number)))
            outbox.put(MonitorEvent("mark", float(number)))
        outbox.end()
        content = [one async for one in _emptied(outbox)]
        texts = [json.loads(one) for one in content if isinstance(one, str)]
        batches = [SampleBatch.from_bytes(one) for one in content if isinstance(one, bytes)]
        assert [one["time_s"] for one in texts] == [2.0, 3.0, 4.0]
        assert [one.sent_s for one in batches] == [2.0, 3.0, 4.0]
        assert [one.gap for one in batches] == [True, True, False], "the first of each foot after a loss"
        assert outbox.dropped == 2

    asyncio.run(work())


def test_a_page_that_opens_late_is_greeted_and_knows_the_feet_before_their_stances() -> None:
    """The last dozen stances of four feet come at once: greeting and state are first, and none of all is lost."""

    async def work(hub: FakeHub, url: str) -> None:
        hub.past = [hub.snapshot(), *(stance(device, k, float(k)) for k in range(12) for device in range(4))]
        async with opened(url) as socket:
            texts = [json.loads(await socket.recv()) for _ in range(50)]
        assert [one["type"] for one in texts] == ["hello", "state", *["stance"] * 48]
        assert len({(one["device"], one["number"]) for one in texts[2:]}) == 48

    served(work, live=False)


def test_a_page_that_asks_and_never_reads_fills_no_memory() -> None:
    async def work() -> None:
        outbox = Outbox(3, texts=5)
        outbox.tell({"type": "hello"})
        for number in range(10_000):
            outbox.tell({"type": "pong", "t": number})
            outbox.put(MonitorEvent("mark", float(number)))
        outbox.end()
        kinds = [json.loads(one).get("type") async for one in _emptied(outbox)]
        assert kinds[0] == "hello"
        assert len(kinds) < 300

    asyncio.run(work())


def test_outbox_sends_no_more_than_a_page_takes() -> None:
    async def work() -> None:
        outbox = Outbox(100)
        for number in range(100):
            outbox.put(batch(0, number, number + 0.01, sent_s=float(number)))
        outbox.acknowledge(0)
        taken = 0
        while True:
            try:
                await asyncio.wait_for(outbox.get(), 0.2)
            except asyncio.TimeoutError:
                break
            taken += 1
        assert taken == 32
        outbox.put(MonitorEvent("mark", 1.0))
        assert isinstance(await outbox.get(), str), "what is no batch goes out at once"
        outbox.acknowledge(10)
        assert {type(await outbox.get()) for _ in range(10)} == {bytes}
        outbox.acknowledge(5)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(outbox.get(), 0.05)

    asyncio.run(work())


async def _emptied(outbox: Outbox) -> Any:
    while (content := await outbox.get()) is not None:
        yield content


# how it ends


def test_when_the_hub_ends_so_does_the_server_and_says_so() -> None:
    async def all_of_it() -> None:
        hub = FakeHub()
        url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(serve(hub, ready=url.set_result))
        async with opened(await url) as socket:
            await told(socket, "hello")
            hub.tell(MonitorEvent("note", 1.0, "last words"))
            hub.end()
            assert (await told(socket, "event"))["text"] == "last words"
            await told(socket, "ended")
            await socket.wait_closed()
            assert socket.close_code in (1000, 1012)
        await asyncio.wait_for(serving, 20)
        assert not hub.subscriptions

    asyncio.run(asyncio.wait_for(all_of_it(), 60))
    gc.collect()


def test_a_page_that_leaves_is_forgotten() -> None:
    async def work(hub: FakeHub, url: str) -> None:
        async with opened(url) as socket:
            await told(socket, "hello")
            assert len(hub.subscriptions) == 2, "the page's and the server's own"
        for _ in range(200):
            if len(hub.subscriptions) == 1:
                return
            await asyncio.sleep(0.05)
        pytest.fail("the page's subscription is still there")

    served(work)


def test_guard_lets_nothing_but_web_through() -> None:
    async def never(*_: Any) -> None:
        raise AssertionError("was let through")

    guard = Guard(never, host="127.0.0.1", port=80, token=None)
    asyncio.run(guard({"type": "lifespan"}, never, never))
