"""The page's server: static files and one WebSocket per page, for this machine unless another address is bound.

Whoever may open a page may stop a recording, so :class:`.guard.Guard` looks at every request before it reaches the hub.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import socket
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from ..calibrate.library import load_insole
from ..errors import GrfError
from .guard import Guard
from .hub_like import HubLike, MessageStream
from .messages import Command, Snapshot
from .outbox import Outbox
from .serving import STATIC, bind_listener, new_token, serve_until, static_answer, static_files

__all__ = ["application", "bind_listener", "new_token", "serve"]

GEOMETRY = "fsr16_m"
"""Where the cells are drawn: the published 16-cell insole of size M; the true insole may be of another size."""

_AT_ONCE = 8
"""Commands of one page under way; a tare of both feet and a few impatient clicks fit."""


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

    def app(number: int, token: str | None, ticket: str | None) -> ASGIApp:
        """Return the application at its port."""
        return application(hub, host=host, port=number, token=token, ticket=ticket)

    await serve_until(
        lambda: _drain(hub), app, host=host, port=port, token=token, ready=ready, browse=browse, listener=listener
    )


def application(hub: HubLike, *, host: str, port: int, token: str | None, ticket: str | None = None) -> ASGIApp:
    """Return the guarded application, for the address it will be bound to."""
    page = _Page(hub)
    routes = [WebSocketRoute("/ws", page.talk), Route("/{path:path}", page.file)]
    return Guard(Starlette(routes=routes), host=host, port=port, token=token, ticket=ticket)


class _Page:
    """The routes: files from memory, and the WebSocket."""

    def __init__(self, hub: HubLike) -> None:
        self._hub = hub
        self._files = static_files(STATIC)
        self._hello = {"type": "hello", "hub": secrets.token_hex(8), "layout": _layout()}

    async def file(self, request: Request) -> Response:
        """Return a static file."""
        return static_answer(self._files, request.path_params["path"])

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
