"""Who may open the page: the Host and Origin of a request are checked, and a token beyond this machine."""

from __future__ import annotations

import functools
import ipaddress
import re
import secrets
import socket
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HOST = re.compile(r"(?P<name>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?", re.ASCII)
"""A ``Host`` header (RFC 9110, 7.2) of the names and addresses that a monitor can have. It is copied into the page's
policy, where any other character could begin something new."""
_LOCAL = ("localhost", "127.0.0.1", "::1")


class Guard:
    """ASGI middleware that lets nothing through that does not come from a page of this server.

    Parameters
    ----------
    host, port
        What the server is bound to.
    token
        None where none is required.
    ticket
        Opens the page once in place of the token, for a browser that is started with it: what a program is started with
        is seen by everybody on the machine, and by then this is spent.
    """

    def __init__(self, app: ASGIApp, *, host: str, port: int, token: str | None, ticket: str | None = None) -> None:
        self._app, self._host, self._port, self._token, self._ticket = app, host, port, token, ticket
        # with the port: cookies do not tell ports apart, and two monitors on one machine would overwrite each other's
        self._cookie = f"grf_monitor_{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a refusal, or pass on with the security headers added."""
        if scope["type"] not in ("http", "websocket"):
            return
        refused = self._refusal(scope)
        answer = refused
        if answer is None and scope["type"] == "http":
            answer = self._welcome(scope)
        if answer is not None and scope["type"] == "websocket":
            # ASGI has the connection taken before it can be closed; 1008 is "policy violation" (RFC 6455, 7.4.1)
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "refused"})
            return
        # only a Host that was checked is written into the policy
        host = Headers(scope=scope).get("host", "") if refused is None else ""
        with_headers = functools.partial(self._send, send, host)
        await (answer or self._app)(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not host_allowed(host, bound=self._host, port=self._port):
            return PlainTextResponse(f"this server does not answer for host '{host[:100]}'\n", 421)
        # browsers let any page open a WebSocket to any host; CORS does not stop that
        if scope["type"] == "websocket" and not origin_allowed(headers.get("origin"), host=host):
            return PlainTextResponse("refused: the page that asks is not this server's\n", 403)
        allowed = self._has_token(scope) or self._has_cookie(headers) or self._has_ticket(scope)
        if self._token is not None and not allowed:
            return PlainTextResponse("refused: open the address with the token that the command printed\n", 401)
        return None

    def _welcome(self, scope: Scope) -> Response | None:
        """Return a redirect that moves the token from the address into a cookie."""
        # out of the address, where it is seen over a shoulder and kept in the history
        if self._token is None or scope["path"] != "/" or not (self._has_token(scope) or self._has_ticket(scope)):
            return None
        if self._has_ticket(scope):
            self._ticket = None
        answer = RedirectResponse("/", 303)
        answer.set_cookie(self._cookie, self._token, httponly=True, samesite="strict", path="/")
        return answer

    def _has_token(self, scope: Scope) -> bool:
        given = _only(scope, "token")
        return given is not None and self._same(given)

    def _has_ticket(self, scope: Scope) -> bool:
        given = _only(scope, "ticket") if scope["type"] == "http" and scope["path"] == "/" else None
        if given is None or self._ticket is None:
            return False
        return secrets.compare_digest(given.encode(), self._ticket.encode())

    def _has_cookie(self, headers: Headers) -> bool:
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return False
        return self._cookie in cookies and self._same(cookies[self._cookie].value)

    def _same(self, token: str) -> bool:
        return secrets.compare_digest(token.encode(), (self._token or "").encode())

    @staticmethod
    async def _send(send: Send, host: str, message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *_security(host)]
        await send(message)


def _only(scope: Scope, name: str) -> str | None:
    """Return the value of a query's parameter that is given once."""
    values = parse_qs(scope.get("query_string", b"").decode("latin-1")).get(name, [])
    return values[0] if len(values) == 1 else None


def host_allowed(header: str, *, bound: str, port: int) -> bool:
    """Return whether a ``Host`` header names this server.

    Bound to loopback, only loopback's names do. Bound elsewhere, a literal address or this machine's own name: DNS
    rebinding needs a name of the attacker's.
    """
    name, number = _split(header)
    if number != port:
        return False
    if is_loopback(bound):
        return name in (*_LOCAL, bound.lower())
    hostname = socket.gethostname().lower()
    return _is_address(name) or name in ("localhost", bound.lower(), hostname, f"{hostname}.local")


def origin_allowed(origin: str | None, *, host: str) -> bool:
    """Return whether a WebSocket comes from a page of the very host and port that it speaks to."""
    if not origin:
        return False
    parts = urlsplit(origin)
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def is_loopback(host: str) -> bool:
    """Return whether nobody but this machine reaches an address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _split(header: str) -> tuple[str, int]:
    """Return name and port of a ``Host`` header; an empty name where it is anything else than these two."""
    parts = _HOST.fullmatch(header)
    if parts is None:
        return "", 0
    return parts["name"].strip("[]").lower(), int(parts["port"] or 80)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _security(host: str) -> list[tuple[bytes, bytes]]:
    # older browsers do not count WebSockets as 'self'
    socket_too = f" ws://{host}" if host else ""
    policy = (
        f"default-src 'self'; connect-src 'self'{socket_too}; img-src 'self' data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; object-src 'none'"
    )
    headers = {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "no-store",
    }
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
