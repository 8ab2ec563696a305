"""A local page's server: a bound socket, a token in the address, uvicorn without signal handlers, files from memory."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import socket
from collections.abc import Callable, Coroutine, Generator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import uvicorn
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp

from ..errors import BadInputError
from .guard import is_loopback

STATIC = Path(__file__).with_name("static")
"""Files of the monitor's page, of which other pages take the charts' library and the style."""

_TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_TYPES |= {".css": "text/css; charset=utf-8"}
FAREWELL_S = 0.1
"""Time for telling pages that the monitor has ended, before their sockets close; chosen by hand."""
SEND_BUFFER_BYTES = 32 * 1024
"""Of a page's socket: what lies there only grows old (see :mod:`grfkit.monitor.outbox`)."""


def new_token() -> str:
    """Return a token that nobody can guess: 32 characters of 192 random bits."""
    return secrets.token_urlsafe(24)


async def serve_until(
    over: Callable[[], Coroutine[Any, Any, object]],
    application: Callable[[int, str | None, str | None], ASGIApp],
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | None = None,
    ready: Callable[[str], object] | None = None,
    browse: Callable[[str], object] | None = None,
    listener: socket.socket | None = None,
) -> None:
    """Serve an application until what ``over`` gives has run or the task is cancelled.

    Parameters
    ----------
    application
        Gives the guarded application for a port, a token and a ticket.
    host, port, token, ready, browse, listener
        As of :func:`grfkit.monitor.server.serve`.

    Raises
    ------
    BadInputError
        See :func:`bind_listener`.
    """
    listener = listener or bind_listener(host, port, token)
    if token is None and not is_loopback(host):
        token = new_token()
    number = int(listener.getsockname()[1])
    ticket = new_token() if token else None
    app = application(number, token, ticket)
    config = uvicorn.Config(
        # commands are short texts, and a page that does not close is not waited for long
        app, log_config=None, log_level="error", access_log=False, lifespan="off", server_header=False,
        ws_per_message_deflate=False, ws_max_size=64 * 1024, timeout_graceful_shutdown=2,
    )  # fmt: skip
    url = f"http://{address_to_type(host)}:{number}/"

    def answers() -> None:
        """Say where the page is, now that it answers."""
        if ready is not None:
            ready(url + (f"?token={token}" if token else ""))
        if browse is not None:
            browse(url + (f"?ticket={ticket}" if ticket else ""))

    server = QuietServer(config, answers)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    ended = asyncio.create_task(over())
    try:
        await asyncio.wait({serving, ended}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done() and not ended.cancelled():
            await asyncio.sleep(FAREWELL_S)
    finally:
        ended.cancel()
        server.should_exit = True
        await asyncio.shield(serving)
        with contextlib.suppress(asyncio.CancelledError):
            await ended


class QuietServer(uvicorn.Server):
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
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise BadInputError(f"cannot serve the page at {host}:{port}: {error}; give another --port") from error
    return listener


def address_to_type(host: str) -> str:
    """Return the address to type: for a wildcard the one that other machines reach, by the routes of this one."""
    if host not in ("0.0.0.0", "::"):
        return f"[{host}]" if ":" in host else host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # documentation address; connecting a datagram socket sends nothing
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def static_files(folder: Path) -> dict[str, bytes]:
    """Return the files in a folder by their path in it."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def static_answer(files: Mapping[str, bytes], path: str) -> Response:
    """Return a static file, ``index.html`` where none is named."""
    path = path or "index.html"
    if path not in files:
        return PlainTextResponse("there is nothing here\n", 404)
    return Response(files[path], media_type=_TYPES.get(PurePosixPath(path).suffix, "text/plain"))
