"""What every request passes: who is answered, how much is taken in at once, and how the server ends."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from narrows.http.security import MAX_BODY, OVER, Headers, Place, bounded, carries, refuse
from narrows.serve.admission import BUSY, RETRY, Admission

MOST_BYTES = 2**28
"""Bytes of bodies that are taken in at once."""
HEALTH = ("/v2/health/live", "/v2/health/ready")
"""Addresses that need no token: those who ask have none, and they tell nothing."""


class Guard:
    """ASGI middleware that lets requests through, and refuses all others.

    Parameters
    ----------
    app
        What answers those.
    admission
        Of the server. It is told who is still sending, its metrics count all answers, and once the server is to end
        every answer closes its connection.
    token
        That requests must carry; None where all are answered.
    place
        The hosts that are answered, so that no page of another name, as in DNS rebinding, reaches a server of this
        machine alone; None where any is.
    """

    def __init__(
        self, app: ASGIApp, admission: Admission, *, token: str | None = None, place: Place | None = None
    ) -> None:
        self.app, self.admission, self.token, self.place = app, admission, token, place
        self._bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        scope["ending"] = self.admission.ending
        begun, status = time.perf_counter(), 500

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                extra = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]
                if self.admission.ending:
                    extra.append((b"connection", b"close"))
                message = {**message, "headers": [*message.get("headers", ()), *extra]}
            await send(message)

        try:
            await self._answer(scope, receive, counted)
        finally:
            self.admission.metrics.answered(scope.get("model", ""), status, time.perf_counter() - begun)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope)
        if (refusal := self._refusal(scope, headers)) is not None:
            status, sentence = refusal
            await refuse(send, status, sentence, headers={"www-authenticate": "Bearer"} if status == 401 else None)
            return
        if headers.too_long:
            await refuse(send, 413, OVER)
            return
        announced = headers.one("content-length") or ""
        size = int(announced) if announced.isdecimal() else MAX_BODY if headers.all("transfer-encoding") else 0
        if self._bytes + size > MOST_BYTES:
            await refuse(send, 503, BUSY, headers=RETRY)
            return
        self._bytes += size
        try:
            await self.app(scope, bounded(self._received(receive)), send)
        finally:
            self._bytes -= size

    def _received(self, receive: Receive) -> Receive:
        """Let others in while a body is on its way: who sends slowly would keep them out."""

        async def waited() -> Message:
            self.admission.receiving += 1
            try:
                return await receive()
            finally:
                self.admission.receiving -= 1

        return waited

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        """Return why a request is not answered, or None."""
        if self.place is not None:
            host = headers.one("host")
            if not self.place.is_host(host):
                return 403, "The host of the address must be one that the server was started for; see --allow-host."
            if headers.all("origin") and not self.place.is_origin(headers.one("origin"), host):
                return 403, "The request must not come from a page of another origin."
        if self.token is not None and scope["path"] not in HEALTH and not carries(headers, self.token):
            return 401, "The request must carry the token of the server: Authorization: Bearer TOKEN."
        return None
