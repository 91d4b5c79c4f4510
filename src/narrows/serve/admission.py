"""Who is let in while there is much to do: decided at the head of a request, before anything is spent on it.

A refused request costs a tenth of an answered one, or less: no task, no routing, no reading of its body, and where it
came in one piece, as small ones do, not even the parser's callbacks. Otherwise a server that is asked for more than it
can compute would spend its time on saying so.
"""

from __future__ import annotations

import re
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from narrows.http.answers import to_json
from narrows.http.security import MAX_BODY
from narrows.serve.metrics import Metrics

BUSY = "The server has as much to do as it may hold; send the request again in a second."
RETRY = {"retry-after": "1"}


def _refusal(*, closes: bool) -> bytes:
    body = to_json({"error": BUSY})
    lines = {
        "content-type": "application/json", "content-length": str(len(body)), "x-content-type-options": "nosniff",
        "cache-control": "no-store", **RETRY, **({"connection": "close"} if closes else {}),
    }  # fmt: skip
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return b"".join([STATUS_LINE[503], head.encode(), b"\r\n", body])


REFUSED, REFUSED_AND_CLOSED = _refusal(closes=False), _refusal(closes=True)

_ELSE = rb"(?!content-length|transfer-encoding|expect|upgrade|connection: *+(?!keep-alive\r)|[ \t])[^\r\n]++\r\n"
"""A line that says neither how long the body is nor what becomes of the connection, and continues none before it."""
_PLAIN = re.compile(
    rb"POST [^ \r\n]++ HTTP/1\.1\r\n(?:%b)*content-length: ?(\d{1,8})\r\n(?:%b)*\r\n" % (_ELSE, _ELSE), re.IGNORECASE
)
"""The head of a request whose end is where it says, on a connection that goes on."""


def is_whole(data: bytes) -> bool:
    """Return whether bytes are one request that need not be parsed to be refused: POST, to its end and no further."""
    head = _PLAIN.match(data)
    return head is not None and head.end() + int(head[1]) == len(data)


class Admission:
    """How much is in progress, and how much may be.

    Parameters
    ----------
    most
        Requests that are in progress, at most.
    metrics
        Counts those that are refused.

    Attributes
    ----------
    receiving
        Requests in progress whose body is still on its way: they keep nobody else out.
    ending
        Whether the server is about to end.
    """

    def __init__(self, most: int, metrics: Metrics) -> None:
        self.most, self.metrics = most, metrics
        self.receiving = 0
        self.ending = False

    def is_full(self, in_progress: int) -> bool:
        """Return whether another request would be one too many."""
        return in_progress - self.receiving >= self.most


class AdmittingProtocol(HttpToolsProtocol):
    """HTTP of a connection, which answers POST with 503 by itself where too many requests are in progress.

    Parameters
    ----------
    admission
        Of the server.
    state
        What uvicorn gives to a protocol.
    """

    def __init__(self, *, admission: Admission, **state: Any) -> None:
        super().__init__(**state)
        self.admission = admission
        self._discarded: int | None = None
        """Bytes of the body of a refused request that came; None where the request is not refused."""
        self._is_between = True
        """Whether the parser is at the end of a request, or before the first."""
        self._refused_at = 0.0
        """When a request was refused without the parser, by the clock of the loop."""

    def data_received(self, data: bytes) -> None:
        """Refuse a request that came in one piece, or let the parser see what came."""
        if not (self._is_between and self.admission.is_full(len(self.tasks)) and self._may_write() and is_whole(data)):
            super().data_received(data)
            return
        self._refuse(stays=not self.admission.ending)
        self._refused_at = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._wait_for_another(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection, unless a request was refused after the timer was set."""
        left = self._refused_at + self.timeout_keep_alive - self.loop.time()
        if left > 0 and not self.transport.is_closing():
            self._wait_for_another(left)
        else:
            super().timeout_keep_alive_handler()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._is_between = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Refuse a request, or go on as uvicorn does."""
        self._discarded = None
        if not self.admission.is_full(len(self.tasks)) or not self._can_refuse():
            super().on_headers_complete()
            return
        self._discarded = 0
        self._refuse(stays=self.parser.should_keep_alive() and not self.admission.ending)

    def _refuse(self, *, stays: bool) -> None:
        self.admission.metrics.refused()
        self.transport.write(REFUSED if stays else REFUSED_AND_CLOSED)
        if not stays:
            self.transport.close()

    def _can_refuse(self) -> bool:
        return self.parser.get_method() == b"POST" and not self.expect_100_continue and self._may_write()

    def _may_write(self) -> bool:
        """Return whether an answer can be written here and now: after those before it, and to who reads answers."""
        is_next = self.cycle is None or self.cycle.response_complete
        return is_next and not self.flow.write_paused and not self.transport.is_closing()

    def on_body(self, body: bytes) -> None:
        """Pass over the body of a refused request."""
        if self._discarded is None:
            super().on_body(body)
            return
        self._discarded += len(body)
        if self._discarded > MAX_BODY:
            self.transport.close()

    def on_message_complete(self) -> None:
        """Wait for the next request, for as long as after any answer."""
        self._is_between = True
        if self._discarded is None:
            super().on_message_complete()
        elif not self.transport.is_closing():
            self._unset_keepalive_if_required()
            self._wait_for_another(self.timeout_keep_alive)

    def _wait_for_another(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)
