"""Requests to an ASGI application, and a WebSocket, without a server."""

import asyncio
from contextlib import asynccontextmanager

import httpx2

from narrows.page.wire import Message, pack, unpack


async def request(app, method, path, **given):
    """Return the response to a request."""
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1") as client:
        return await client.request(method, path, **given)


class Socket:
    """The browser's end of a WebSocket."""

    def __init__(self):
        self.sent, self.received = asyncio.Queue(), asyncio.Queue()

    def send(self, data):
        """Send a message, bytes, or a text."""
        data = pack(data) if isinstance(data, Message) else data
        self.sent.put_nowait({"type": "websocket.receive", "text" if isinstance(data, str) else "bytes": data})

    def call(self, seq, do, tensors=None, **given):
        """Send a call."""
        self.send(Message({"seq": seq, "do": do, **given}, tensors or {}))

    async def event(self):
        """Return what comes next."""
        return await asyncio.wait_for(self.received.get(), 20)

    async def answer(self):
        """Return the next answer."""
        event = await self.event()
        assert event["type"] == "websocket.send", event
        return unpack(event["bytes"], None)


@asynccontextmanager
async def socket(app, path):
    """Open a WebSocket at a path, and close it."""
    opened = Socket()
    opened.sent.put_nowait({"type": "websocket.connect"})
    scope = {"type": "websocket", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": [],
             "subprotocols": [], "asgi": {"version": "3.0"}}  # fmt: skip
    served = asyncio.create_task(app(scope, opened.sent.get, opened.received.put))
    try:
        assert (await opened.event())["type"] == "websocket.accept"
        yield opened
    finally:
        opened.sent.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(served, 20)
