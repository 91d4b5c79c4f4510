"""What changes, told as it happens."""

import asyncio
import json
import os
import shutil

import pytest

from loops import complete
from narrows.errors import ConfigError
from narrows.page import events
from narrows.page.app import application
from narrows.page.events import Followed, stream
from narrows.runs.frames import Frames
from webpage.served import append, client, epoch, running, written


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(events, "TICK", 0.005)


class Listener:
    """Reads the events of a stream, one after the other."""

    def __init__(self, app, *follow):
        state = app.state
        self.followed = [Followed(state.watch, state.adviser, name, offset) for name, offset in follow]
        self.stream = stream(state.ticker, self.followed)
        self.waiting = []

    async def next(self, name=None, seconds=5.0):
        """Return the next event, or the next of a name."""
        while True:
            while self.waiting:
                kind, data = self.waiting.pop(0)
                if name in (None, kind):
                    return kind, data
            text = (await asyncio.wait_for(anext(self.stream), seconds)).decode()
            for block in text.split("\n\n"):
                if block.startswith("event: "):
                    head, data = block.split("\n", 1)
                    self.waiting.append((head.removeprefix("event: "), json.loads(data.removeprefix("data: "))))

    async def close(self):
        await self.stream.aclose()


def listening(test):
    """Run a test with an application on a folder, in an event loop, with advice left out."""

    def run(tmp_path):
        app = application(tmp_path)
        app.state.adviser.latest = lambda name: None
        complete(asyncio.wait_for(test(app, tmp_path), 20))

    run.__name__ = test.__name__
    return run


@listening
async def test_runs_are_told_as_they_come_change_and_go(app, folder):
    written(folder, "old")
    listener = Listener(app)
    kind, data = await listener.next()
    assert kind == "runs"
    # The first look may come before or after the first event.
    while not data["changed"]:
        kind, data = await listener.next("runs")
    assert [row["name"] for row in data["changed"]] == ["old"]
    new = running(folder, "new", epochs=1)
    _, data = await listener.next("runs")
    assert [(row["name"], row["epoch"]) for row in data["changed"]] == [("new", 1)]
    append(new, epoch(2))
    _, data = await listener.next("runs")
    assert [(row["name"], row["epoch"]) for row in data["changed"]] == [("new", 2)]
    (folder / "old" / "run.json").write_text("{")
    _, data = await listener.next("runs")
    assert (data["gone"], len(data["problems"])) == (["old"], 1)
    shutil.rmtree(new)
    _, data = await listener.next("runs")
    assert data["gone"] == ["new"]
    await listener.close()


@listening
async def test_only_new_lines_are_told(app, folder):
    run = running(folder, "run", epochs=2)
    size = (run / "metrics.jsonl").stat().st_size
    whole, rest = Listener(app, ("run", 0)), Listener(app, ("run", size))
    _, data = await whole.next("history")
    assert [line["epoch"] for line in data["lines"]] == [1, 2]
    assert (data["offset"], data["broken"]) == (size, 0)
    await rest.next("runs")
    text = json.dumps(epoch(3))
    append(run, text[:20])
    await asyncio.sleep(0.05)
    append(run, text[20:] + "\n")
    for listener in (whole, rest):
        _, data = await listener.next("history")
        assert [line["epoch"] for line in data["lines"]] == [3]
        assert data["offset"] == (run / "metrics.jsonl").stat().st_size
        await listener.close()


@listening
async def test_a_history_that_is_written_anew_is_told_from_the_beginning(app, folder):
    run = running(folder, "run", epochs=3)
    listener = Listener(app, ("run", 0))
    await listener.next("history")
    new = run / "new"
    new.write_text("".join(json.dumps(epoch(n, loss=n)) + "\n" for n in (1, 2, 3, 4)))
    os.replace(new, run / "metrics.jsonl")  # longer than before
    _, data = await listener.next("history")
    assert data["reset"]
    assert [line["epoch"] for line in data["lines"]] == [1, 2, 3, 4]
    (run / "metrics.jsonl").write_text("")
    _, data = await listener.next("history")
    assert (data["reset"], data["lines"], data["offset"]) == (True, [], 0)
    await listener.close()


@listening
async def test_frames_are_told(app, folder):
    run = running(folder, "run")
    kept = Frames(run / "frames")
    listener = Listener(app, ("run", 0))
    await listener.next("history")
    kept.write(1, {}, {})
    _, data = await listener.next("frames")
    told = data["epochs"]
    kept.write(2, {}, {})
    while 2 not in told:
        told += (await listener.next("frames"))[1]["epochs"]
    assert told == [1, 2]
    kept.rewind(1)
    _, data = await listener.next("frames")
    assert (data["epochs"], data["gone"]) == ([], [2])
    await listener.close()


@listening
async def test_advice_is_told_once(app, folder):
    running(folder, "run")
    advice = [{"title": "x", "text": "<b>", "command": None, "severity": "warning"}]
    app.state.adviser.latest = lambda name: advice
    listener = Listener(app, ("run", 0))
    _, data = await listener.next("advice")
    assert data == {"run": "run", "advice": advice}
    with pytest.raises(TimeoutError):
        await listener.next("advice", seconds=0.1)


@listening
async def test_nobody_looks_when_nobody_listens(app, folder):
    written(folder, "run")
    listener = Listener(app, ("none", 0))
    await listener.next("runs")
    await listener.close()
    await asyncio.sleep(0.05)
    assert app.state.ticker._task.done()
    looks = []
    app.state.watch.refresh = lambda **_: looks.append(1)
    await asyncio.sleep(0.05)
    assert looks == []


@listening
async def test_streams_end_with_the_server_and_speak_up_meanwhile(app, folder):
    events.SILENCE, before = 0.02, events.SILENCE
    try:
        listener = Listener(app)
        parts = [await asyncio.wait_for(anext(listener.stream), 5) for _ in range(4)]
    finally:
        events.SILENCE = before
    assert b": still here\n\n" in parts
    app.state.ticker.close()
    assert len([part async for part in listener.stream]) <= 2


@pytest.mark.parametrize("follow", ["run", "run:", "run:x", "run:-1", "run:1.5", ":", "run:" + "9" * 40])
def test_what_cannot_be_followed(follow, tmp_path):
    with client(tmp_path) as page:
        answer = page.get("/api/events", params={"follow": follow})
        assert answer.status_code == 400
        assert "NAME:OFFSET" in answer.json()["error"]


def test_not_too_many_are_followed(tmp_path):
    with client(tmp_path) as page:
        assert page.get("/api/events", params={"follow": ["a:0"] * 51}).status_code == 400
    assert issubclass(ConfigError, ValueError)
