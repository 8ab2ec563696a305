"""The page's server: static files and one WebSocket per page, for this machine unless another address is bound.

Whoever may open a page may stop a recording, so :class:`.guard.Guard` looks at every request before it reaches the hub.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Generator
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from ..calibrate.library import load_insole
from ..errors import BadInputError, GrfError
from .guard import Guard, is_loopback
from .messages import Command, Message, Snapshot
from .outbox import Outbox

GEOMETRY = "fsr16_m"
"""Where the cells are drawn: the published 16-cell insole of size M; the true insole may be of another size."""

_TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_TYPES |= {".css": "text/css; charset=utf-8"}
_AT_ONCE = 8
"""Commands of one page under way; a tare of both feet and a few impatient clicks fit."""
_FAREWELL_S = 0.1
"""Time for telling pages that the monitor has ended, before their sockets close; chosen by hand."""
_SEND_BUFFER_BYTES = 32 * 1024
"""Of a page's socket: what lies there only grows old (see :mod:`grfkit.monitor.outbox`)."""


class MessageStream(Protocol):
    """Messages from the moment of subscribing on; ends when the hub does."""

    def __aiter__(self) -> AsyncIterator[Message]:
        """Return itself."""

    async def __anext__(self) -> Message:
        """Return the next message."""

    def close(self) -> Any:
        """Stop listening; may be awaitable."""


class HubLike(Protocol):
    """The part of a hub that the server and the terminal use."""

    def subscribe(self) -> MessageStream:
        """Return a subscription of its own for each listener."""

    async def command(self, command: Command, /) -> dict[str, Any]:
        """Carry a command out and return the answer for the page, with ``ok`` and ``error``.

        Raises
        ------
        GrfError
            If it cannot be done; the text goes to the page.
        """

    def snapshot(self) -> Snapshot:
        """Return everything but samples; ``now_s`` is the moment of the call."""


async def serve(
    hub: HubLike,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | None = None,
    ready: Callable[[str], object] | None = None,
    browse: Callable[[str], object] | None = None,
    listener: socket.socket | None = None,
) -> None:
    """Serve the page until the hub ends or the task is cancelled.

    Parameters
    ----------
    host, port
        What to bind; port 0 takes a free one. Anything but loopback needs a token: one is made up where none is given.
        On loopback everybody who has an account on this machine opens the page if none is given; see
        :func:`new_token`.
    token
        What a page has to know; comes in the URL once and stays as a cookie.
    ready
        Called with the URL to open, token included, once it answers.
    browse
        Then called with a URL for a browser to be started with: in place of the token it holds a ticket that opens the
        page once, as other people's programs see what a program is started with.
    listener
        What :func:`bind_listener` gave for the same host, port and token; it is closed at the end.

    Raises
    ------
    BadInputError
        See :func:`bind_listener`.
    """
    listener = listener or bind_listener(host, port, token)
    local = is_loopback(host)
    if token is None and not local:
        token = new_token()
    number = int(listener.getsockname()[1])
    ticket = new_token() if token else None
    app = application(hub, host=host, port=number, token=token, ticket=ticket)
    config = uvicorn.Config(
        # commands are short texts, and a page that does not close is not waited for long
        app, log_config=None, log_level="error", access_log=False, lifespan="off", server_header=False,
        ws_per_message_deflate=False, ws_max_size=64 * 1024, timeout_graceful_shutdown=2,
    )  # fmt: skip
    url = f"http://{_address_to_type(host)}:{number}/"

    def answers() -> None:
        """Say where the page is, now that it answers."""
        if ready is not None:
            ready(url + (f"?token={token}" if token else ""))
        if browse is not None:
            browse(url + (f"?ticket={ticket}" if ticket else ""))

    server = _Server(config, answers)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    ended = asyncio.create_task(_drain(hub))
    try:
        await asyncio.wait({serving, ended}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done() and not ended.cancelled():
            await asyncio.sleep(_FAREWELL_S)
    finally:
        ended.cancel()
        server.should_exit = True
        await asyncio.shield(serving)
        with contextlib.suppress(asyncio.CancelledError):
            await ended


def new_token() -> str:
    """Return a token that nobody can guess: 32 characters of 192 random bits."""
    return secrets.token_urlsafe(24)


def application(hub: HubLike, *, host: str, port: int, token: str | None, ticket: str | None = None) -> ASGIApp:
    """Return the guarded application, for the address it will be bound to."""
    page = _Page(hub)
    routes = [WebSocketRoute("/ws", page.talk), Route("/{path:path}", page.file)]
    return Guard(Starlette(routes=routes), host=host, port=port, token=token, ticket=ticket)


class _Page:
    """The routes: files from memory, and the WebSocket."""

    def __init__(self, hub: HubLike) -> None:
        self._hub = hub
        self._files = _static_files()
        self._hello = {"type": "hello", "hub": secrets.token_hex(8), "layout": _layout()}

    async def file(self, request: Request) -> Response:
        """Return a static file."""
        path = request.path_params["path"] or "index.html"
        if path not in self._files:
            return PlainTextResponse("there is nothing here\n", 404)
        return Response(self._files[path], media_type=_TYPES.get(PurePosixPath(path).suffix, "text/plain"))

    async def talk(self, websocket: WebSocket) -> None:
        """Keep one page up to date and do what it asks, until either ends."""
        await websocket.accept()
        outbox = Outbox()
        outbox.tell({**self._hello, "server_s": self._hub.snapshot().now_s})
        outbox.put(self._hub.snapshot())
        tasks = [
            asyncio.create_task(_listen(self._hub, outbox)),
            asyncio.create_task(_send_all(websocket, outbox)),
            asyncio.create_task(self._obey(websocket, outbox)),
        ]
        try:
            # not for the listener: when the hub ends, what waits for the page is still sent
            await asyncio.wait(tasks[1:], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if (
            websocket.client_state is WebSocketState.CONNECTED
            and websocket.application_state is WebSocketState.CONNECTED
        ):
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await websocket.close(1000, "the monitor has ended")

    async def _obey(self, websocket: WebSocket, outbox: Outbox) -> None:
        """Answer pings at once and commands as they are done, several at a time: a tare takes a while."""
        doing: set[asyncio.Task[None]] = set()
        try:
            while True:
                received = await websocket.receive()
                if received["type"] != "websocket.receive":
                    return
                text = received.get("text") or ""
                request = _parse(text)
                if request.get("type") == "ping":
                    outbox.tell(self._pong(request))
                elif request.get("type") == "seen":
                    outbox.acknowledge(_integer(request.get("batches")))
                elif len(doing) >= _AT_ONCE:
                    outbox.tell(_answer(request, error=f"busy with {len(doing)} earlier commands; try again"))
                else:
                    task = asyncio.create_task(self._do(text, request, outbox))
                    doing.add(task)
                    task.add_done_callback(doing.discard)
        finally:
            for task in doing:
                task.cancel()

    def _pong(self, request: dict[str, Any]) -> dict[str, Any]:
        echoed = {key: value for key in ("id", "t") if isinstance(value := request.get(key), int | float)}
        return {"type": "pong", **echoed, "server_s": self._hub.snapshot().now_s}

    async def _do(self, text: str, request: dict[str, Any], outbox: Outbox) -> None:
        try:
            command = Command.from_json(text)
            reply = await self._hub.command(command)
            outbox.tell({"ok": True, "error": None, **reply, "type": "answer", "id": command.id})
        except GrfError as error:
            outbox.tell(_answer(request, error=str(error)))
        except Exception as error:  # the page has to hear of it, and the stream goes on
            outbox.tell(_answer(request, error=f"the monitor could not do it: {error!r}"))


async def _listen(hub: HubLike, outbox: Outbox) -> None:
    """Take every message at once, so that a page that does not read holds up nothing."""
    subscription = hub.subscribe()
    reported = 0
    try:
        async for message in subscription:
            outbox.put(message)
            if isinstance(message, Snapshot) and outbox.dropped != reported:
                reported = outbox.dropped
                outbox.tell({"type": "dropped", "batches": reported})
        outbox.tell({"type": "ended"})
    finally:
        outbox.end()
        await _close(subscription)


async def _send_all(websocket: WebSocket, outbox: Outbox) -> None:
    while (content := await outbox.get()) is not None:
        if isinstance(content, bytes):
            await websocket.send_bytes(content)
        else:
            await websocket.send_text(content)


async def _drain(hub: HubLike) -> None:
    subscription = hub.subscribe()
    try:
        async for _ in subscription:
            pass
    finally:
        await _close(subscription)


async def _close(subscription: MessageStream) -> None:
    waiting = subscription.close()
    if asyncio.iscoroutine(waiting):
        await waiting


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: the program that serves decides what Ctrl-C does."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], object]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets=sockets)
        self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Capture none."""
        yield


def bind_listener(host: str, port: int, token: str | None) -> socket.socket:
    """Return a socket bound for :func:`serve`, so that what cannot be served is refused before anything begins.

    Raises
    ------
    BadInputError
        If the address cannot be bound, or the token protects nothing.
    """
    if token is not None and not re.fullmatch(r"[A-Za-z0-9_-]{8,200}", token):
        raise BadInputError(f"a token of {len(token)} characters cannot be used; 8 or more of A-Z a-z 0-9 _ -")
    if not 0 <= port <= 65535:
        raise BadInputError(f"there is no port {port}; expected 0 (a free one) to 65535")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise BadInputError(f"'{host}' is no address of this machine: {error}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise BadInputError(f"cannot serve the page at {host}:{port}: {error}; give another --port") from error
    return listener


def _address_to_type(host: str) -> str:
    """Return the address to type: for a wildcard the one that other machines reach, by the routes of this one."""
    if host not in ("0.0.0.0", "::"):
        return f"[{host}]" if ":" in host else host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # documentation address; connecting a datagram socket sends nothing
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def _static_files() -> dict[str, bytes]:
    folder = Path(__file__).with_name("static")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _layout() -> dict[str, Any]:
    """Return where the cells of a left insole are drawn, mm: x to the right seen from above, y from the heel."""
    insole = load_insole(GEOMETRY).document
    return {"name": insole.name, "cells": [[cell.x_mm, cell.y_mm] for cell in insole.cells]}


def _parse(text: str) -> dict[str, Any]:
    try:
        request = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return request if isinstance(request, dict) else {}


def _integer(number: object) -> int:
    return number if isinstance(number, int) else 0


def _answer(document: dict[str, Any], *, error: str) -> dict[str, Any]:
    number = document.get("id")
    return {"type": "answer", "id": number if isinstance(number, int) else None, "ok": False, "error": error}
