"""Clients of a server over HTTP on one machine: as little work for each request as Python allows."""

from __future__ import annotations

import asyncio
import json
import selectors
import socket
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Answer(NamedTuple):
    """What a request came to."""

    status: int
    """0 where the connection ended without an answer."""
    seconds: float
    body: bytes


def infer_request(model: str, x: np.ndarray[Any, Any], *, binary: bool = True) -> bytes:
    """Return a request of the Open Inference Protocol, uint8 samples x as bytes or as JSON."""
    about: dict[str, Any] = {"name": "x", "datatype": "UINT8", "shape": list(x.shape)}
    content, lines, more = b"", [], {}
    if binary:
        content = x.tobytes()
        about["parameters"], more = {"binary_data_size": len(content)}, {"parameters": {"binary_data_output": True}}
    else:
        about["data"] = x.ravel().tolist()
    text = json.dumps({"inputs": [about], **more}).encode()
    if binary:
        lines = [f"Inference-Header-Content-Length: {len(text)}"]
    return post(f"/v2/models/{model}/infer", text + content, *lines)


def post(path: str, body: bytes, *lines: str) -> bytes:
    """Return a request with a body."""
    head = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}", *lines, "", ""]
    return "\r\n".join(head).encode() + body


class Client(asyncio.Protocol):
    """One connection, which sends a request when the one before was answered."""

    def __init__(self) -> None:
        self.buffer = b""
        self.open = False
        self._future: asyncio.Future[Answer] | None = None
        self._sent = 0.0
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @classmethod
    async def connect(cls, port: int) -> Client:
        """Return a client that is connected. Raises: ConnectionError where nobody listens."""
        _, client = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.open = transport, True

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0 or self._future is None:
            return
        head = self.buffer[:end].lower()
        at = head.index(b"\r\ncontent-length:") + 17
        length = int(head[at:].partition(b"\r\n")[0])
        if len(self.buffer) < end + 4 + length:
            return
        body, self.buffer = self.buffer[end + 4 : end + 4 + length], self.buffer[end + 4 + length :]
        if b"connection: close" in head:
            self.open = False
            self.transport.close()
        self._done(Answer(int(head[9:12]), time.perf_counter() - self._sent, body))

    def connection_lost(self, error: Exception | None) -> None:
        self.open = False
        if not self._gone.done():
            self._gone.set_result(None)
        self._done(Answer(0, time.perf_counter() - self._sent, b""))

    def _done(self, answer: Answer) -> None:
        future, self._future = self._future, None
        if future is not None and not future.done():
            future.set_result(answer)

    def ask(self, request: bytes) -> asyncio.Future[Answer]:
        """Send a request; the future is its answer."""
        self._future = asyncio.get_running_loop().create_future()
        self._sent = time.perf_counter()
        self.transport.write(request)
        return self._future

    async def close(self) -> None:
        """Close the connection, and wait until it is."""
        self.transport.close()
        await asyncio.shield(self._gone)


async def closed_loop(port: int, requests: list[bytes], clients: int, seconds: float) -> list[Answer]:
    """Return the answers to clients each of which sends its next request once the one before was answered."""
    answers: list[Answer] = []
    until = time.perf_counter() + seconds

    async def one(number: int) -> None:
        client = await Client.connect(port)
        while time.perf_counter() < until:
            answers.append((await client.ask(requests[number % len(requests)]))._replace(body=b""))
            number += clients
        await client.close()

    await asyncio.gather(*(one(number) for number in range(clients)))
    return answers


def open_loop(
    port: int, requests: list[bytes], rate: float, seconds: float, connections: int
) -> tuple[list[Answer], int]:
    """Return the answers to requests that are sent at a rate, whatever becomes of them, and how many were not sent.

    A request is not sent where every connection waits for an answer. No event loop and no bodies: what is spent
    here is taken from the server, on the same cores.
    """
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
    sent: dict[int, tuple[float, bytes]] = {}
    answers: list[Answer] = []
    unsent, due, begun = 0, 0, time.perf_counter()
    with selectors.DefaultSelector() as ready:
        for client in idle:
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ready.register(client, selectors.EVENT_READ)
        while (now := time.perf_counter()) < begun + seconds or sent:
            while due < (now - begun) * rate and now < begun + seconds:
                due += 1
                if not idle:
                    unsent += 1
                    continue
                client = idle.pop()
                sent[client.fileno()] = time.perf_counter(), b""
                client.send(requests[due % len(requests)])
            for key, _ in ready.select(0.001):
                data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                begin, before = sent.pop(key.fd)
                answer = before + data
                if data and not _is_whole(answer):
                    sent[key.fd] = begin, answer
                    continue
                answers.append(Answer(int(answer[9:12]) if data else 0, time.perf_counter() - begin, b""))
                if data:
                    idle.append(key.fileobj)  # type: ignore[arg-type]
                else:
                    ready.unregister(key.fileobj)
        for key in list(ready.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
    return answers, unsent


def _is_whole(answer: bytes) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    at = head.find(b"\r\ncontent-length: ") + 18
    return at > 17 and len(body) >= int(head[at : at + 12].partition(b"\r\n")[0])


def percentile(answers: list[Answer], share: float, keep: Callable[[Answer], bool] = lambda answer: True) -> float:
    """Return a percentile of the milliseconds of answers."""
    seconds = [answer.seconds for answer in answers if keep(answer)]
    return 1e3 * float(np.quantile(seconds, share)) if seconds else float("nan")
