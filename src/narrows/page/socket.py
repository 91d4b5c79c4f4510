"""The WebSocket of a model's views: calls in, answers out, and of each lane only the newest call."""

from __future__ import annotations

import asyncio
import contextlib

from starlette.websockets import WebSocket, WebSocketDisconnect

from narrows.errors import ConfigError, FormatError
from narrows.page.calls import refusal
from narrows.page.lanes import Lanes
from narrows.page.models import Models
from narrows.page.wire import Message, pack, unpack

UNSUPPORTED, MALFORMED = 1003, 1007
"""Codes with which a connection is closed, by RFC 6455."""
NO_RUN = 4404
"""The code where there is no such run."""


class Queue:
    """The calls of one connection that wait for their turn."""

    def __init__(self) -> None:
        self._lanes = Lanes()
        self._some = asyncio.Event()

    def put(self, message: Message) -> None:
        """Let a call wait; see `Lanes`."""
        self._lanes.put(message)
        self._some.set()

    async def next(self) -> Message:
        """Wait for the next call."""
        await self._some.wait()
        message = self._lanes.take()
        if not self._lanes:
            self._some.clear()
        return message


async def serve(websocket: WebSocket) -> None:
    """Answer the calls of one view until it leaves."""
    models: Models = websocket.app.state.models
    name = websocket.path_params["run"]
    await websocket.accept()
    queue = Queue()
    answering = asyncio.create_task(_answer(models, name, queue, websocket))
    try:
        await _listen(websocket, queue)
    finally:
        answering.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await answering


async def _listen(websocket: WebSocket, queue: Queue) -> None:
    """Take calls in until the view leaves, or says something that is none."""
    while True:
        event = await websocket.receive()
        if event["type"] == "websocket.disconnect":
            return
        data = event.get("bytes")
        if data is None:
            await _close(websocket, UNSUPPORTED, "calls are binary messages")
            return
        try:
            message = unpack(data)
        except FormatError as error:
            await _close(websocket, MALFORMED, str(error))
            return
        try:
            queue.put(message)
        except ConfigError as error:
            await websocket.send_bytes(pack(refusal(message, error)))


async def _answer(models: Models, name: str, queue: Queue, websocket: WebSocket) -> None:
    """Answer one call after the other."""
    while True:
        message = await queue.next()
        try:
            worker = await models.get(name)
        except Exception as error:
            reply = pack(refusal(message, error))
        else:
            if worker is None:
                await _close(websocket, NO_RUN, "there is no such run")
                return
            reply = await worker.reply(message)
        try:
            await websocket.send_bytes(reply)
        except (WebSocketDisconnect, RuntimeError):  # it left meanwhile
            return


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        await websocket.close(code, reason.encode()[:120].decode(errors="ignore"))
