"""Who is answered: every request and every WebSocket is checked before any other code sees it.

Decisions are taken on what the server received, the ASGI scope, and never on an address put together from headers.

- *Host* must be a name of this machine that the server was started for, so that no other name that leads here, as in
  DNS rebinding, is answered. Its port is free: a proxy on this machine, such as Jupyter's, has another.
- *Origin*, where the browser sends it, must be that host; `Sec-Fetch-Site`, which tells of requests without an origin,
  must not name another site.
- The *token* of the printed address is exchanged for a cookie, which lasts until the server ends. Scripts may send the
  token itself: `Authorization: Bearer TOKEN`.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import re
import secrets
import socket
from collections.abc import Iterable
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from narrows.errors import ConfigError

MAX_BODY = 2**24
"""Bytes that the body of a request may have."""
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
SHORTEST = 16
"""Characters of a token that one chooses."""
COOKIE = "narrows"
HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::\d{1,5})?")
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""Of every answer. What an answer sets itself is kept, but for the policies."""
OVER = "The body must have at most 16 MiB; it has more. Send less at once."


def new_token() -> str:
    """Return a token that nobody guesses."""
    return secrets.token_urlsafe(32)


def check_token(token: str) -> str:
    """Return a token that one chose; ConfigError where it could be guessed, or does not fit an address."""
    if re.fullmatch(rf"[\w.~-]{{{SHORTEST},200}}", token, re.ASCII) is None:
        raise ConfigError(
            f"open: token must have from {SHORTEST} to 200 letters, digits or the signs -._~; got {len(token)} "
            "characters. Make one: python -c 'import secrets; print(secrets.token_urlsafe())'."
        )
    return token


def is_loopback(host: str) -> bool:
    """Return whether a name or an address to listen on is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def names_of(host: str) -> frozenset[str]:
    """Return the names that the header Host may have, for a server that listens on `host`."""
    if is_loopback(host):
        return frozenset((*LOOPBACK, _bracketed(host)))
    own = socket.gethostname().lower()
    return frozenset((*LOOPBACK, _bracketed(host), own, f"{own}.local", socket.getfqdn().lower()))


def _bracketed(host: str) -> str:
    return f"[{host.lower()}]" if ":" in host and not host.startswith("[") else host.lower()


class Guard:
    """ASGI middleware that lets requests of the page through, and refuses all others.

    Parameters
    ----------
    app
        What answers those.
    token
        Of the address.
    names
        The names that the header Host may have; see `names_of`.
    others
        Further ones, such as that of a proxy, which may be the origin as well where the proxy changes Host.
    any_address
        Whether Host may be any IP address, as where the server listens on all of them. No browser can be led to send
        another's address as the host of a page of its own.
    cookie
        The name of the cookie: servers on several ports of a machine share their cookies.
    """

    def __init__(
        self, app: ASGIApp, token: str, names: Iterable[str] = LOOPBACK, *, others: Iterable[str] = (),
        any_address: bool = False, cookie: str = COOKIE,
    ) -> None:  # fmt: skip
        self.app, self.token, self.cookie = app, token, cookie
        self.others = frozenset(name.lower() for name in others)
        self.names, self.any_address = frozenset(names) | self.others, any_address
        self.pass_ = new_token()
        """The value of the cookie."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] not in ("http", "websocket"):
            return
        headers = Headers(scope)
        if scope["type"] == "websocket":
            if self._refusal(scope, headers) is None:
                await self.app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1008})
            return
        send = _with_headers(send)
        if self._is_exchange(scope) and self._problem_of_place(scope, headers) is None:
            await self._exchange(scope, send)
        elif (refusal := self._refusal(scope, headers)) is not None:
            await _answer(send, *refusal, in_words=scope["path"] == "/")
        elif len(length := (headers.one("content-length") or "0").lstrip("0")) > 15 or int(length or 0) > MAX_BODY:
            await _answer(send, 413, OVER)
        else:
            await self.app(scope, _bounded(receive), send)

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        """Return why a request is not answered, or None."""
        if (problem := self._problem_of_place(scope, headers)) is not None:
            return 403, problem
        if not self._is_known(headers):
            return 401, "This page needs the address that `narrows open` printed, with its token. Open that address."
        return None

    def _problem_of_place(self, scope: Scope, headers: Headers) -> str | None:
        """Return what is wrong with the place that a request comes from or goes to, or None."""
        host = headers.one("host")
        name = _name_of(host)
        if name not in self.names and not (self.any_address and _is_address(name)):
            return "The host of the address must be one that the server was started for. Open the printed address."
        if headers.all("origin") and not self._is_own(headers.one("origin"), str(host)):
            return "The request must come from the page itself; it comes from another origin."
        site = headers.one("sec-fetch-site")
        is_visit = scope["type"] == "http" and scope["method"] == "GET" and headers.one("sec-fetch-mode") == "navigate"
        if site not in (None, "same-origin", "none") and not (is_visit and scope["path"] == "/"):
            return "The request must come from the page itself; it comes from another site."
        return None

    def _is_own(self, origin: str | None, host: str) -> bool:
        """Return whether an origin is that of the page itself."""
        scheme, separator, place = (origin or "").lower().partition("://")
        if separator and scheme in ("http", "https"):
            return place == host.lower() or _name_of(place) in self.others
        return False

    def _is_known(self, headers: Headers) -> bool:
        """Return whether a request carries the cookie or the token."""
        kind, _, token = (headers.one("authorization") or "").partition(" ")
        if kind.lower() == "bearer" and _same(token.strip(), self.token):
            return True
        pairs = (pair.partition("=") for line in headers.all("cookie") for pair in line.split(";"))
        return any(name.strip() == self.cookie and _same(value.strip(), self.pass_) for name, _, value in pairs)

    def _is_exchange(self, scope: Scope) -> bool:
        """Return whether a request brings the token in the address of the page."""
        if scope["method"] != "GET" or scope["path"] != "/":
            return False
        try:
            query = parse_qs(scope["query_string"].decode("ascii"), keep_blank_values=True, max_num_fields=100)
        except ValueError:
            return False
        tokens = query.get("token", [])
        return len(tokens) == 1 and _same(tokens[0], self.token)

    async def _exchange(self, scope: Scope, send: Send) -> None:
        """Give the cookie, and send the browser to the address without the token.

        Neither names a path: both hold for the address that the browser sees, also behind the prefix of a proxy.
        """
        secure = "; Secure" if scope.get("scheme") == "https" else ""
        cookie = f"{self.cookie}={self.pass_}; HttpOnly; SameSite=Strict{secure}"
        headers = [(b"location", b"./"), (b"set-cookie", cookie.encode("ascii")), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body"})


class Headers:
    """The headers of a request, as they were received."""

    def __init__(self, scope: Scope) -> None:
        self.lines = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]

    def all(self, name: str) -> list[str]:
        """Return every value of a header."""
        return [value for each, value in self.lines if each == name]

    def one(self, name: str) -> str | None:
        """Return the value of a header; None where there is none, or several."""
        values = self.all(name)
        return values[0] if len(values) == 1 else None


def _name_of(host: str | None) -> str:
    """Return the host in `host:port`; an empty text where it is none."""
    match = None if host is None else HOST.fullmatch(host.lower())
    return "" if match is None else match[1]


def _is_address(name: str) -> bool:
    """Return whether a host is an IP address."""
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _same(sent: str, secret: str) -> bool:
    return hmac.compare_digest(sent.encode("utf-8", "replace"), secret.encode())


async def _answer(send: Send, status: int, sentence: str, *, in_words: bool = False) -> None:
    """Refuse a request: in JSON, or as a page for who opens the address by hand."""
    page = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>narrows</title><p>{sentence}</p></html>'
    body = page.encode() if in_words else json.dumps({"error": sentence}).encode()
    kind = b"text/html; charset=utf-8" if in_words else b"application/json"
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    if status == 413:
        headers.append((b"connection", b"close"))  # what is left of the body is not read
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _with_headers(send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower(): value for name, value in message.get("headers", ())}
            added = [
                (name.encode(), value.encode())
                for name, value in HEADERS.items()
                if name != "cache-control" or b"cache-control" not in given
            ]
            message = {**message, "headers": [*message.get("headers", ()), *added]}
        await send(message)

    return with_headers


def _bounded(receive: Receive) -> Receive:
    """Count the bytes of a body that tells no length, as it comes."""
    received = 0

    async def bounded() -> Message:
        nonlocal received
        message = await receive()
        if message["type"] == "http.request":
            received += len(message.get("body", b""))
            if received > MAX_BODY:
                raise HTTPException(413, OVER)
        return message

    return bounded
