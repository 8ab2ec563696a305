"""The review page's server: JSON over HTTP for one :class:`~grfkit.review.desk.Desk`, on this machine alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from ..arguments import refusal
from ..device.interrupted import interrupted
from ..errors import BadInputError, GrfError
from ..monitor.guard import Guard, origin_allowed
from ..monitor.serving import STATIC, bind_listener, serve_until, static_answer, static_files
from .desk import Desk, Draft, Verdict

MOST_BYTES = 1_000_000
"""Size of a request's body; a few thousand changed contacts fit."""
_OWN = Path(__file__).with_name("static")
_SHARED = ("style.css", "icon.svg", "vendor/uPlot.iife.min.js", "vendor/uPlot.min.css")
"""Files that the monitor's page has too."""
_Asked = TypeVar("_Asked", bound=BaseModel)


async def serve_review(
    desk: Desk,
    *,
    port: int = 0,
    token: str | None = None,
    ready: Callable[[str], object] | None = None,
    browse: Callable[[str], object] | None = None,
) -> None:
    """Serve the page until somebody finishes there, or a signal comes.

    Parameters
    ----------
    port, token, ready, browse
        As of :func:`grfkit.monitor.server.serve`.

    Raises
    ------
    BadInputError
        If the port cannot be bound.
    """
    listener = bind_listener("127.0.0.1", port, token)
    finished = asyncio.Event()

    def app(number: int, token: str | None, ticket: str | None) -> ASGIApp:
        """Return the application at its port."""
        return application(desk, port=number, token=token, ticket=ticket, finished=finished)

    with interrupted() as enough:

        async def over() -> None:
            """Wait for the page's last button, or Ctrl-C."""
            waiting = [asyncio.ensure_future(event.wait()) for event in (finished, enough)]
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in waiting:
                    task.cancel()

        await serve_until(over, app, token=token, ready=ready, browse=browse, listener=listener)


def application(
    desk: Desk,
    *,
    port: int,
    token: str | None,
    ticket: str | None = None,
    finished: asyncio.Event | None = None,
) -> ASGIApp:
    """Return the guarded application, for the port it will be bound to."""
    page = _Page(desk, finished)
    routes = [
        Route("/api/review", page.about),
        Route("/api/signals", page.signals, methods=["POST"]),
        Route("/api/likelihood", page.likelihood, methods=["POST"]),
        Route("/api/fit", page.fit, methods=["POST"]),
        Route("/api/decide", page.decide, methods=["POST"]),
        Route("/api/finish", page.finish, methods=["POST"]),
        Route("/{path:path}", page.file),
    ]
    return Guard(Starlette(routes=routes), host="127.0.0.1", port=port, token=token, ticket=ticket)


class _Stretch(Draft):
    """Signals that the page asks for."""

    start_s: float
    end_s: float
    columns: int = 1400


class _Page:
    """The routes."""

    def __init__(self, desk: Desk, finished: asyncio.Event | None) -> None:
        self._desk, self._finished = desk, finished
        shared = static_files(STATIC)
        self._files = {name: shared[name] for name in _SHARED} | static_files(_OWN)
        # one request after the other: they share what was computed
        self._busy = asyncio.Lock()

    async def file(self, request: Request) -> Response:
        """Return a static file."""
        return static_answer(self._files, request.path_params["path"])

    async def about(self, _: Request) -> Response:
        """Return the trial and its clocks."""
        return _json(await self._quietly(self._desk.about))

    async def signals(self, request: Request) -> Response:
        """Return the curves of a stretch."""
        return await self._answer(request, _Stretch, self._signals)

    def _signals(self, asked: _Stretch) -> dict[str, Any]:
        draft = Draft.model_validate(asked.model_dump(exclude={"start_s", "end_s", "columns"}))
        self._desk.keep(draft)
        return self._desk.signals(draft, asked.start_s, asked.end_s, asked.columns)

    async def likelihood(self, request: Request) -> Response:
        """Return how likely a place is."""
        return await self._answer(request, Draft, self._desk.likelihood)

    async def fit(self, request: Request) -> Response:
        """Return the clock through the contacts that match."""
        return await self._answer(request, Draft, self._desk.fit)

    async def decide(self, request: Request) -> Response:
        """Write a decision."""
        return await self._answer(request, Verdict, self._desk.decide)

    async def finish(self, request: Request) -> Response:
        """End the review."""
        if (refused := _foreign(request)) is not None:
            return refused
        if self._finished is not None:
            self._finished.set()
        return _json(self._desk.result())

    async def _answer(self, request: Request, kind: type[_Asked], work: Callable[[_Asked], dict[str, Any]]) -> Response:
        if (refused := _foreign(request)) is not None:
            return refused
        try:
            asked = kind.model_validate_json(await _body(request))
            return _json(await self._quietly(lambda: work(asked)))
        except ValidationError as error:
            return _json({"error": f"the request cannot be used: {refusal(error)}"}, 400)
        except GrfError as error:
            return _json({"error": str(error)}, 400)

    async def _quietly(self, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        async with self._busy:
            return await run_in_threadpool(work)


def _foreign(request: Request) -> Response | None:
    """Return the refusal of a request that does not come from this page: forms of any page can be sent here."""
    if origin_allowed(request.headers.get("origin"), host=request.headers.get("host", "")):
        return None
    return PlainTextResponse("refused: the page that asks is not this review's\n", 403)


async def _body(request: Request) -> bytes:
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > MOST_BYTES:
            raise BadInputError("the request is too large")
    return content


def _json(document: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(document, allow_nan=False), status, media_type="application/json")
