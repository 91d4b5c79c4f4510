"""Routes on the models of runs: what they are, their codes, samples, drawings, and the socket of their views."""

from __future__ import annotations

from typing import Any

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from narrows.errors import ConfigError, FormatError
from narrows.page.calls import answer
from narrows.page.codes import Maps
from narrows.page.kept import Progress
from narrows.page.models import Models, Worker
from narrows.page.saving import save
from narrows.page.socket import serve
from narrows.page.wire import NAME, Message, pack, unpack
from narrows.storage.json import parse_json, plain

WHOLE = ("limit", "from", "to")
"""Arguments in the query that are whole numbers."""


async def model(request: Request) -> Response:
    """Tell what a view must know of a model."""
    worker = await _worker(request, fresh=True)
    return JSONResponse(plain((await _answer(worker, {"do": "info"})).meta))


async def codes(request: Request) -> Response:
    """Return the codes of a split on a map; 202 while it is being computed."""
    return await _on_split(request, "codes")


async def values(request: Request) -> Response:
    """Return labels, errors and scores of a split."""
    return await _on_split(request, "values")


async def thumbnails(request: Request) -> Response:
    """Return small pictures of samples of a split."""
    return await _on_split(request, "thumbnails")


async def samples(request: Request) -> Response:
    """Return some samples, their reconstructions, codes, errors, labels and ids."""
    text = request.query_params.get("rows", "")
    try:
        rows = [int(row) for row in text.split(",")] if len(text) < 20_000 else []
    except ValueError:
        rows = []
    if not rows:
        raise ConfigError(f"samples: rows must be whole numbers, such as 3,7; got {text[:40]!r}.")
    return _packed(await _answer(await _worker(request), {"do": "samples", "rows": rows, **_query(request)}))


async def prepare(request: Request) -> Response:
    """Bring a drawing, or a picture file, to the form of the data."""
    worker, body = await _worker(request), await request.body()
    draw = request.query_params.get("draw", "") not in ("", "0")
    if body[8:9] != b"{":  # a message has a brace there, after the length of its header
        message = Message({"do": "prepare", "draw": draw}, {"file": np.frombuffer(body, np.uint8)})
    else:
        message = Message({"do": "prepare"}, {"x": _unpacked(body).tensors.get("x", np.zeros((0, 0)))})
    return _packed(await _told(worker, message))


async def keep(request: Request) -> Response:
    """Draw a result into the run's folder."""
    worker, body = await _worker(request), await request.body()
    message = _unpacked(body) if body[8:9] == b"{" else Message(_parsed(body))
    file = await worker.run(lambda maps: save(maps.explorer, worker.folder, message))
    return JSONResponse({"file": file})


ROUTES: list[BaseRoute] = [
    Route("/api/runs/{run}/model", model),
    Route("/api/runs/{run}/codes", codes),
    Route("/api/runs/{run}/values", values),
    Route("/api/runs/{run}/samples", samples),
    Route("/api/runs/{run}/thumbnails", thumbnails),
    Route("/api/runs/{run}/prepare", prepare, methods=["POST"]),
    Route("/api/runs/{run}/save", keep, methods=["POST"]),
    WebSocketRoute("/api/runs/{run}/socket", serve),
]
"""They need `Models` in `app.state.models`; errors of narrows are left to the application to answer."""


async def _worker(request: Request, *, fresh: bool = False) -> Worker:
    """Return the model of the run that the address names; 404 where there is none."""
    models: Models = request.app.state.models
    name = request.path_params["run"]
    worker = await models.get(name, fresh=fresh)
    if worker is None:
        raise HTTPException(404, f"There is no run {name[:200]!r} in this folder; it may have been removed.")
    return worker


async def _on_split(request: Request, call: str) -> Response:
    worker = await _worker(request)
    message = Message({"do": call, **_query(request)})
    await worker.steps(message)
    result = await _told(worker, message)
    if isinstance(result, Progress):
        return JSONResponse({"progress": result.sentence}, 202)
    return _packed(result)


def _query(request: Request) -> dict[str, Any]:
    """Return the arguments in the query."""
    given: dict[str, Any] = {
        name: request.query_params[name] for name in ("split", "map") if name in request.query_params
    }
    for name in WHOLE:
        if (text := request.query_params.get(name)) is not None:
            if not text.isascii() or not text.isdecimal() or len(text) > 9:
                raise ConfigError(f"{name} must be a whole number; got {text[:40]!r}.")
            given[name] = int(text)
    return given


async def _answer(worker: Worker, meta: dict[str, Any]) -> Message:
    result = await _told(worker, Message(meta))
    assert isinstance(result, Message)
    return result


async def _told(worker: Worker, message: Message) -> Message | Progress:
    def told(maps: Maps) -> Message | Progress:
        return answer(maps, message)

    return await worker.run(told)


def _packed(message: Message | Progress) -> Response:
    assert isinstance(message, Message)
    return Response(pack(message), media_type="application/octet-stream")


def _unpacked(body: bytes) -> Message:
    """Return the message in a body."""
    try:
        return unpack(body)
    except FormatError as error:
        raise ConfigError(f"body: {error}") from None


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        return parse_json(body, NAME)
    except FormatError as error:
        raise ConfigError(f"body: {error}") from None
