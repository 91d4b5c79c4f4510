"""Who is let in while there is much to do: decided at the head of a request, before anything is spent on it.

A refused request costs a tenth of an answered one, or less: no task, no routing, no reading of its body. Otherwise a
server that is asked for more than it can compute would spend its time on saying so.
"""

from __future__ import annotations

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

    def on_headers_complete(self) -> None:
        """Refuse a request, or go on as uvicorn does."""
        self._discarded = None
        if not self.admission.is_full(len(self.tasks)) or not self._can_refuse():
            super().on_headers_complete()
            return
        self._discarded = 0
        self.admission.metrics.refused()
        stays = self.parser.should_keep_alive() and not self.admission.ending
        self.transport.write(REFUSED if stays else REFUSED_AND_CLOSED)
        if not stays:
            self.transport.close()

    def _can_refuse(self) -> bool:
        """Return whether the answer can be written here and now: after those before it, and to who reads answers."""
        is_next = self.cycle is None or self.cycle.response_complete
        ordinary = self.parser.get_method() == b"POST" and not self.expect_100_continue
        return is_next and ordinary and not self.flow.write_paused and not self.transport.is_closing()

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
        if self._discarded is None:
            super().on_message_complete()
        elif not self.transport.is_closing():
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
