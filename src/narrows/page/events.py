"""What changes, told to every page that listens as it happens: server-sent events.

One task looks at the folder for all listeners, and only while there is one. Each listener has seen a version of the
list of runs, and a part of the histories that it follows; it is told what came after.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from narrows.errors import ConfigError
from narrows.http.answers import to_json
from narrows.page.advice import Adviser
from narrows.page.history import read_from
from narrows.page.processes import Trainings
from narrows.page.watch import Watch
from narrows.runs.frames import Frames

TICK = 0.15
"""Seconds between two looks at the runs that are being trained."""
EVERY = 4
"""Looks between two at the whole folder."""
SILENCE = 15.0
"""Seconds after which a listener is told that the server lives."""
FOLLOWED = 50
"""Runs that one listener may follow."""


class Ticker:
    """Looks at the folder while somebody listens, and wakes the listeners.

    Parameters
    ----------
    watch, trainings
        The runs, and what the page has started.
    """

    def __init__(self, watch: Watch, trainings: Trainings) -> None:
        self.watch, self.trainings = watch, trainings
        self.closing = False
        self._listeners: set[asyncio.Event] = set()
        self._task: asyncio.Task[None] | None = None

    def add(self) -> asyncio.Event:
        """Return an event that is set after every look."""
        event = asyncio.Event()
        self._listeners.add(event)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())
        return event

    def remove(self, event: asyncio.Event) -> None:
        """Wake a listener no more."""
        self._listeners.discard(event)

    def close(self) -> None:
        """End all streams: the server ends."""
        self.closing = True
        for event in self._listeners:
            event.set()

    async def _run(self) -> None:
        look = 0
        while self._listeners and not self.closing:
            try:
                await run_in_threadpool(self._look, all_=look % EVERY == 0)
            except Exception as error:  # whatever it is, the others are told, and it goes on
                self.watch.notes["page"] = f"The runs could not be looked at: {type(error).__name__}: {error}"
            for event in self._listeners:
                event.set()
            look += 1
            await asyncio.sleep(TICK)

    def _look(self, *, all_: bool) -> None:
        if all_:
            self.trainings.refresh()
        self.watch.refresh(all_=all_)


class Followed:
    """A run whose history, frames and advice a listener follows."""

    def __init__(self, watch: Watch, adviser: Adviser, name: str, offset: int) -> None:
        self.watch, self.adviser, self.name, self.offset = watch, adviser, name, offset
        self._file: tuple[int, int] = (0, -1)
        self._frames: tuple[int, list[int]] = (-1, [])
        self._advice: Any = None
        self._folder: Path | None = None

    def news(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the events since the last call."""
        if self._folder is None:
            self._folder = self.watch.folder_of(self.name)
        folder = self._folder
        return [] if folder is None else [*self._history(folder), *self._new_frames(folder), *self._new_advice()]

    def _history(self, folder: Path) -> list[tuple[str, dict[str, Any]]]:
        path = folder / "metrics.jsonl"
        try:
            stat = path.stat()
        except OSError:
            return []
        if self._file[1] == stat.st_size and self._file[0] == stat.st_ino:
            return []
        rewound = self._file[0] not in (0, stat.st_ino) or stat.st_size < self.offset
        self._file = (stat.st_ino, stat.st_size)
        events = []
        offset, more = 0 if rewound else self.offset, True
        while more:
            part = read_from(path, offset)
            more, offset = part.more and part.offset > offset, part.offset
            if part.lines or part.broken or rewound:
                told = {"run": self.name, "lines": part.lines, "offset": offset, "broken": part.broken}
                events.append(("history", told | ({"reset": True} if rewound else {})))
            rewound = False
        self.offset = offset
        return events

    def _new_frames(self, folder: Path) -> list[tuple[str, dict[str, Any]]]:
        try:
            stamp = (folder / "frames").stat().st_mtime_ns
        except OSError:
            return []
        if stamp == self._frames[0]:
            return []
        before = self._frames[1]
        epochs = Frames(folder / "frames").epochs
        self._frames = (stamp, epochs)
        new, gone = sorted(set(epochs) - set(before)), sorted(set(before) - set(epochs))
        told = {"run": self.name, "epochs": new} | ({"gone": gone} if gone else {})
        return [("frames", told)] if new or gone else []

    def _new_advice(self) -> list[tuple[str, dict[str, Any]]]:
        advice = self.adviser.latest(self.name)
        if advice is None or advice == self._advice:
            return []
        self._advice = advice
        return [("advice", {"run": self.name, "advice": advice})]


async def stream(ticker: Ticker, followed: Sequence[Followed]) -> AsyncGenerator[bytes, None]:
    """Yield what changes as lines of server-sent events, until the server ends or the listener leaves."""
    event = ticker.add()
    version, spoke = 0, time.monotonic()
    try:
        yield b": listening\n\n"
        while not ticker.closing:
            change = await run_in_threadpool(ticker.watch.since, version)
            events: list[tuple[str, dict[str, Any]]] = []
            if version == 0 or change.version != version:
                told = {"changed": change.changed, "gone": change.gone}
                if change.problems is not None:
                    told["problems"] = change.problems
                events.append(("runs", told))
                version = change.version
            if followed:
                events += await run_in_threadpool(_news, followed)
            if events:
                spoke = time.monotonic()
                yield await run_in_threadpool(_text, events)
            elif time.monotonic() - spoke > SILENCE:
                spoke = time.monotonic()
                yield b": still here\n\n"
            await event.wait()
            event.clear()
    finally:
        ticker.remove(event)


def _news(followed: Sequence[Followed]) -> list[tuple[str, dict[str, Any]]]:
    return [event for each in followed for event in each.news()]


def _text(events: Sequence[tuple[str, dict[str, Any]]]) -> bytes:
    return b"".join(b"event: %s\ndata: %s\n\n" % (name.encode(), to_json(data)) for name, data in events)


def followed_of(request: Request) -> list[Followed]:
    """Return the runs that a request asks to follow; ConfigError where it does not say from which byte on."""
    asked = request.query_params.getlist("follow")
    if len(asked) > FOLLOWED:
        raise ConfigError(f"page: follow must name at most {FOLLOWED} runs; got {len(asked)}. Select fewer runs.")
    state, followed = request.app.state, []
    for text in asked:
        name, colon, offset = text.rpartition(":")
        if not colon or not (offset.isascii() and offset.isdecimal()) or len(offset) > 15:
            raise ConfigError(f"page: follow must be NAME:OFFSET; got {text[:100]!r}.")
        followed.append(Followed(state.watch, state.adviser, name, int(offset)))
    return followed


async def events(request: Request) -> Response:
    """Answer with the stream of what changes."""
    if request.method == "HEAD":
        return Response(media_type="text/event-stream")
    state = request.app.state
    followed = followed_of(request)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # a proxy must not wait for more
    return StreamingResponse(stream(state.ticker, followed), media_type="text/event-stream", headers=headers)
