"""Who is answered: tokens, the names that a request may name this machine by, and how long a body may be.

Decisions are taken on what the server received, the ASGI scope, and never on an address put together from headers.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import re
import secrets
import socket
from collections.abc import Iterable, Mapping

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from narrows.errors import ConfigError

MAX_BODY = 2**24
"""Bytes that the body of a request may have."""
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
ANY = ("0.0.0.0", "::")  # noqa: S104  # nosec B104
"""Hosts that stand for all addresses of a machine."""
SHORTEST = 16
"""Characters of a token that one chooses."""
HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::\d{1,5})?")
OVER = "The body must have at most 16 MiB; it has more. Send less at once."


def new_token() -> str:
    """Return a token that nobody guesses."""
    return secrets.token_urlsafe(32)


def check_token(token: str, command: str) -> str:
    """Return a token that one chose; ConfigError where it could be guessed, or does not fit an address."""
    if re.fullmatch(rf"[\w.~-]{{{SHORTEST},200}}", token, re.ASCII) is None:
        raise ConfigError(
            f"{command}: token must have from {SHORTEST} to 200 letters, digits or the signs -._~; got {len(token)} "
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


def reached_by(host: str) -> str:
    """Return who reaches a server that listens on more than this machine."""
    return "every machine that reaches this one" if host in ANY else f"every machine that reaches {host}"


def _bracketed(host: str) -> str:
    return f"[{host.lower()}]" if ":" in host and not host.startswith("[") else host.lower()


class Headers:
    """The headers of a request, as they were received."""

    def __init__(self, scope: Scope) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            self._values.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))

    def all(self, name: str) -> list[str]:
        """Return every value of a header."""
        return self._values.get(name, [])

    def one(self, name: str) -> str | None:
        """Return the value of a header; None where there is none, or several."""
        values = self.all(name)
        return values[0] if len(values) == 1 else None

    @property
    def too_long(self) -> bool:
        """Whether the body is announced to be longer than a body may be."""
        length = (self.one("content-length") or "0").lstrip("0")
        return len(length) > 15 or int(length or 0) > MAX_BODY


class Place:
    """The names by which a server may be reached.

    Parameters
    ----------
    names
        The names that the header Host may have; see `names_of`.
    others
        Further ones, such as that of a proxy, which may be the origin as well where the proxy changes Host.
    any_address
        Whether Host may be any IP address, as where the server listens on all of them. No browser can be led to send
        another's address as the host of a page of its own.
    """

    def __init__(
        self, names: Iterable[str] = LOOPBACK, *, others: Iterable[str] = (), any_address: bool = False
    ) -> None:
        self.others = frozenset(name.lower() for name in others)
        self.names, self.any_address = frozenset(names) | self.others, any_address

    def is_host(self, host: str | None) -> bool:
        """Return whether a header Host names this server."""
        name = _name_of(host)
        return name in self.names or (self.any_address and _is_address(name))

    def is_origin(self, origin: str | None, host: str | None) -> bool:
        """Return whether a header Origin is the server itself, whose header Host is the second."""
        scheme, separator, place = (origin or "").lower().partition("://")
        if separator and scheme in ("http", "https"):
            return place == str(host).lower() or _name_of(place) in self.others
        return False


def carries(headers: Headers, token: str) -> bool:
    """Return whether a request carries a token: `Authorization: Bearer TOKEN`."""
    kind, _, sent = (headers.one("authorization") or "").partition(" ")
    return kind.lower() == "bearer" and same(sent.strip(), token)


def same(sent: str, secret: str) -> bool:
    """Return whether a text is the secret, in a time that does not depend on where they differ."""
    return hmac.compare_digest(sent.encode("utf-8", "replace"), secret.encode())


async def refuse(
    send: Send, status: int, sentence: str, *, headers: Mapping[str, str] | None = None, in_words: bool = False
) -> None:
    """Refuse a request: in JSON, or as a page for who opens the address by hand."""
    page = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>narrows</title><p>{sentence}</p></html>'
    body = page.encode() if in_words else json.dumps({"error": sentence}).encode()
    kind = b"text/html; charset=utf-8" if in_words else b"application/json"
    lines = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    lines += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in (headers or {}).items()]
    if status == 413:
        lines.append((b"connection", b"close"))  # what is left of the body is not read
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


def bounded(receive: Receive) -> Receive:
    """Count the bytes of a body that tells no length, as it comes."""
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        if message["type"] == "http.request":
            received += len(message.get("body", b""))
            if received > MAX_BODY:
                raise HTTPException(413, OVER)
        return message

    return counted


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
