"""Connections to a server that end: at a time, and where hardly anything arrives, headers included.

A timeout of urllib holds for each read alone, so that a server that sends a byte a second keeps its reader for ever.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
import urllib.request
from collections.abc import Callable
from typing import Any

SLOWEST = 512
"""Bytes a second, averaged over the timeout: less than that counts as stalled."""


def opener(timeout: float, until: float) -> urllib.request.OpenerDirector:
    """Return what opens addresses whose reads raise TimeoutError when they stall, and at a time of `time.monotonic`.

    Parameters
    ----------
    timeout
        Seconds without an answer, or at less than 512 bytes a second, that count as stalled.
    until
        When reading ends in any case.
    """

    class Response(http.client.HTTPResponse):
        def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
            super().__init__(sock, *args, **options)
            self.fp = io.BufferedReader(_BoundedReads(self.fp.detach(), sock, timeout, until))

    def bounded(kind: Callable[..., Any]) -> Callable[..., Any]:
        def connect(*args: Any, **options: Any) -> Any:
            connection = kind(*args, **options)
            connection.response_class = Response
            return connection

        return connect

    class Plain(urllib.request.HTTPHandler):
        def do_open(self, http_class: Any, req: Any, **options: Any) -> Any:
            return super().do_open(bounded(http_class), req, **options)

    class Encrypted(urllib.request.HTTPSHandler):
        def do_open(self, http_class: Any, req: Any, **options: Any) -> Any:
            return super().do_open(bounded(http_class), req, **options)

    return urllib.request.build_opener(Plain, Encrypted)


class _BoundedReads(io.RawIOBase):
    """What a socket sends, until it stalls or the time is over."""

    def __init__(self, raw: Any, sock: socket.socket, timeout: float, until: float) -> None:
        self.raw, self.sock, self.timeout, self.until = raw, sock, timeout, until
        self.since, self.received = time.monotonic(), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        now = time.monotonic()
        if now >= self.until:
            raise TimeoutError("timed out")
        if (passed := now - self.since) > self.timeout:
            if self.received < SLOWEST * passed:
                raise TimeoutError(f"stalled at {self.received / passed:.0f} bytes a second")
            self.since, self.received = now, 0
        self.sock.settimeout(min(self.timeout, self.until - now))
        count: int | None = self.raw.readinto(buffer)
        self.received += count or 0
        return count

    def close(self) -> None:
        self.raw.close()
        super().close()
