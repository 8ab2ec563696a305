"""A browser's requests to an ASGI application, without a socket (not a test module)."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status_code: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


@dataclass
class AsgiClient:
    """Requests to one application from one page: cookies are kept, a redirect is followed."""

    app: Any
    host: str
    origin: str | None = None
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> Answer:
        answer = self._ask("GET", path, b"", headers)
        if answer.status_code == 303:
            return self.get(answer.headers["location"], **headers)
        return answer

    def post(self, path: str, document: object = None, **headers: str) -> Answer:
        own = {} if self.origin is None else {"origin": self.origin}
        return self._ask("POST", path, json.dumps(document).encode(), own | headers)

    def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        parts = urlsplit(path)
        all_headers = {"host": self.host, "cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())} | headers
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": parts.path,
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "headers": [(k.encode(), v.encode()) for k, v in all_headers.items() if v],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 80),
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        asyncio.run(self.app(scope, receive, send))
        back = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
        if "set-cookie" in back:
            name, _, value = back["set-cookie"].split(";")[0].partition("=")
            self.cookies[name] = value
        return Answer(sent[0]["status"], back, b"".join(m.get("body", b"") for m in sent[1:]))
