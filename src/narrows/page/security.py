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

from collections.abc import Iterable
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from narrows.http.security import LOOPBACK, OVER, Headers, Place, bounded, carries, new_token, refuse, same

COOKIE = "narrows"
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


class Guard:
    """ASGI middleware that lets requests of the page through, and refuses all others.

    Parameters
    ----------
    app
        What answers those.
    token
        Of the address.
    names, others, any_address
        Of the hosts that are answered; see `narrows.http.security.Place`.
    cookie
        The name of the cookie: servers on several ports of a machine share their cookies.
    """

    def __init__(
        self, app: ASGIApp, token: str, names: Iterable[str] = LOOPBACK, *, others: Iterable[str] = (),
        any_address: bool = False, cookie: str = COOKIE,
    ) -> None:  # fmt: skip
        self.app, self.token, self.cookie = app, token, cookie
        self.place = Place(names, others=others, any_address=any_address)
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
            await refuse(send, *refusal, in_words=scope["path"] == "/")
        elif headers.too_long:
            await refuse(send, 413, OVER)
        else:
            await self.app(scope, bounded(receive), send)

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
        if not self.place.is_host(host):
            return "The host of the address must be one that the server was started for. Open the printed address."
        if headers.all("origin") and not self.place.is_origin(headers.one("origin"), host):
            return "The request must come from the page itself; it comes from another origin."
        site = headers.one("sec-fetch-site")
        is_visit = scope["type"] == "http" and scope["method"] == "GET" and headers.one("sec-fetch-mode") == "navigate"
        if site not in (None, "same-origin", "none") and not (is_visit and scope["path"] == "/"):
            return "The request must come from the page itself; it comes from another site."
        return None

    def _is_known(self, headers: Headers) -> bool:
        """Return whether a request carries the cookie or the token."""
        if carries(headers, self.token):
            return True
        pairs = (pair.partition("=") for line in headers.all("cookie") for pair in line.split(";"))
        return any(name.strip() == self.cookie and same(value.strip(), self.pass_) for name, _, value in pairs)

    def _is_exchange(self, scope: Scope) -> bool:
        """Return whether a request brings the token in the address of the page."""
        if scope["method"] != "GET" or scope["path"] != "/":
            return False
        try:
            query = parse_qs(scope["query_string"].decode("ascii"), keep_blank_values=True, max_num_fields=100)
        except ValueError:
            return False
        tokens = query.get("token", [])
        return len(tokens) == 1 and same(tokens[0], self.token)

    async def _exchange(self, scope: Scope, send: Send) -> None:
        """Give the cookie, and send the browser to the address without the token.

        Neither names a path: both hold for the address that the browser sees, also behind the prefix of a proxy.
        """
        secure = "; Secure" if scope.get("scheme") == "https" else ""
        cookie = f"{self.cookie}={self.pass_}; HttpOnly; SameSite=Strict{secure}"
        headers = [(b"location", b"./"), (b"set-cookie", cookie.encode("ascii")), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body"})


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
