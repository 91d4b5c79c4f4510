"""What the page does to runs: stop, resume, rename, delete, and undo."""

from __future__ import annotations

import time

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import Route

from narrows.cli.runs import renamed
from narrows.errors import ConfigError, TrainingError
from narrows.http.answers import Json
from narrows.page.processes import stop
from narrows.page.requests import body_of, run_of, text_in, watch_of
from narrows.runs import Run
from narrows.storage.lock import check_free, is_held, lock_of

PATIENCE = 10.0
"""Seconds that a run which was stopped has to end."""


def stopped(request: Request) -> Json:
    """Ask the training of a run to stop."""
    stop(run_of(request))
    return Json({}, 202)


def resumed(request: Request) -> Json:
    """Resume a run in a process of its own, and wait until it trains, or says why it does not."""
    run = run_of(request)
    until = time.monotonic() + PATIENCE
    while run.resumable and is_held(lock_of(run.folder)) and time.monotonic() < until:
        time.sleep(0.05)  # what was stopped a moment ago still saves its model and draws its pictures
    check_free(lock_of(run.folder))
    if not run.resumable:
        raise TrainingError(
            f"resume: {run.folder.name} must have been interrupted; it is {run.status}. Train a new run."
        )
    arguments = ["resume", str(run.folder.absolute())]
    started = request.app.state.trainings.start(run.folder.name, "resume", arguments)
    started.wait_for(lambda: Run(run.folder).status == "running")
    watch_of(request).refresh()
    return Json({}, 202)


async def rename(request: Request) -> Json:
    """Give a run another name."""
    name = text_in(await body_of(request), "to", 200)

    def act() -> str:
        if name.startswith("."):
            raise ConfigError(f"rename: NAME must not begin with a dot, which hides the folder; got {name!r}.")
        folder, watch = run_of(request).folder, watch_of(request)
        renamed(folder, name)
        watch.only = name if watch.only == folder.name else watch.only
        watch.refresh()
        return name

    return Json({"run": await run_in_threadpool(act)})


def delete(request: Request) -> Json:
    """Delete a run, which `undo` brings back."""
    run = run_of(request)
    key = request.app.state.trash.delete(run.folder)
    watch_of(request).refresh()
    return Json({"undo": key})


async def undo(request: Request) -> Json:
    """Bring back a run that was deleted."""
    key = text_in(await body_of(request), "undo", 100)

    def act() -> str:
        name: str = request.app.state.trash.restore(key)
        watch_of(request).refresh()
        return name

    return Json({"run": await run_in_threadpool(act)})


ROUTES = [
    Route("/api/runs/{run}/stop", stopped, methods=["POST"]),
    Route("/api/runs/{run}/resume", resumed, methods=["POST"]),
    Route("/api/runs/{run}/rename", rename, methods=["POST"]),
    Route("/api/runs/{run}/delete", delete, methods=["POST"]),
    Route("/api/undo", undo, methods=["POST"]),
]
