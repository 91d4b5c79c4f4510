"""Routes that tell of runs: the list, one run, its history, frames, pictures and advice."""

from __future__ import annotations

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from narrows.data.arrays import Array
from narrows.errors import FormatError
from narrows.http.answers import Json
from narrows.page.events import events
from narrows.page.history import read_from
from narrows.page.requests import missing_run, number, run_of, watch_of
from narrows.page.wire import Message, pack
from narrows.runs import Run

MOST = 2**23
"""Bytes of frames in one answer."""
LATEST = 2**31 - 1
"""Epochs and bytes, at most."""


def runs(request: Request) -> Json:
    """List all runs, newest first."""
    watch = watch_of(request)
    watch.refresh()
    change = watch.since(0)
    return Json({"runs": change.changed, "problems": change.problems})


def detail(request: Request) -> Json:
    """Tell all that is known of a run."""
    name = request.path_params["run"]
    known = watch_of(request).detail(name)
    if known is None:
        raise missing_run(request, name)
    return Json(known)


def history(request: Request) -> Json:
    """Return the lines of a history from a byte on, as many as one answer holds."""
    part = read_from(run_of(request).folder / "metrics.jsonl", number(request, "from", 0, 0, 2**50))
    return Json({"lines": part.lines, "offset": part.offset, "broken": part.broken, "more": part.more})


def frames(request: Request) -> Response:
    """Return the frames of some epochs, as many as one answer holds; `next` names the first that is left."""
    run = run_of(request)
    first, last = number(request, "from", 1, 0, LATEST), number(request, "to", LATEST, 0, LATEST)
    epochs = [epoch for epoch in run.frames.epochs if first <= epoch <= last]
    try:
        originals = run.frames.originals
        x = originals["x"]
    except (FormatError, KeyError):
        raise HTTPException(404, f"{run.folder.name} has no frames: it was trained without pictures.") from None
    read, left = _read(run, epochs, x)
    tensors = {"epochs": np.array([epoch for epoch, _ in read], np.int32), "originals": x}
    if read:
        tensors["reconstructions"] = np.stack([frame["reconstruction"] for _, frame in read])
        if "samples" in read[0][1]:
            tensors["samples"] = np.stack([frame["samples"] for _, frame in read])
    kind = "image" if x.dtype == np.uint8 else "sequence" if x.ndim == 3 else "table"
    labels, names = originals.get("labels"), run.record["data"].get("label_names")
    metadata = {"next": left, "kind": kind, "labels": None if labels is None else _named(labels, names)}
    return Response(pack(Message(metadata, tensors)), media_type="application/octet-stream")


def _read(run: Run, epochs: list[int], x: Array) -> tuple[list[tuple[int, dict[str, Array]]], int | None]:
    """Return frames of the first epochs, and the first epoch that is left; those that are broken are left out."""
    read: list[tuple[int, dict[str, Array]]] = []
    size = 0
    for epoch in epochs:
        try:
            frame = run.frames.read(epoch)
        except FormatError:
            continue
        if read and size + sum(array.nbytes for array in frame.values()) > MOST:
            return read, epoch
        if frame["reconstruction"].shape == x.shape and (not read or _shapes(frame) == _shapes(read[0][1])):
            read.append((epoch, frame))
            size += sum(array.nbytes for array in frame.values())
    return read, None


def _shapes(frame: dict[str, Array]) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in frame.items()}


def _named(labels: Array, names: list[str] | None) -> list[str]:
    """Return labels as text: names of classes, or numbers."""
    if names is not None and labels.dtype.kind == "i" and labels.min() >= 0 and labels.max() < len(names):
        return [names[label] for label in labels]
    return [f"{label:g}" if labels.dtype.kind == "f" else str(label) for label in labels]


def picture(request: Request) -> Response:
    """Return a picture of a run, looked up among those that it has."""
    run, name = run_of(request), request.path_params["file"]
    paths = {path.name: path for path in (*run.pictures, *run.samples) if path.suffix == ".png"}
    drawn = {path.name: path for path in run.folder.glob("*.png")}  # of analyses
    path = (drawn | paths).get(name)
    try:
        if path is None or path.is_symlink():
            raise FileNotFoundError
        data = path.read_bytes()
    except OSError:
        raise HTTPException(404, f"{run.folder.name} has no picture {name[:100]!r}.") from None
    return Response(data, media_type="image/png", headers={"Cache-Control": "no-cache"})


def advice(request: Request) -> Json:
    """Return the latest advice on a run; `pending` where there is newer to come."""
    run = run_of(request)
    watch_of(request).refresh()
    given = request.app.state.adviser.latest(run.folder.name)
    return Json({"advice": given or [], "pending": given is None})


ROUTES = [
    Route("/api/runs", runs),
    Route("/api/events", events),
    Route("/api/runs/{run}", detail),
    Route("/api/runs/{run}/history", history),
    Route("/api/runs/{run}/frames", frames),
    Route("/api/runs/{run}/pictures/{file}", picture),
    Route("/api/runs/{run}/advice", advice),
]
