"""The application: the routes of the protocol, those for people with curl, and what becomes of errors."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from narrows.errors import NarrowsError
from narrows.http.answers import Json, sentence_of
from narrows.serve import curl, inference
from narrows.serve.admission import BUSY, RETRY
from narrows.serve.batching import BusyError
from narrows.serve.metrics import CONTENT_TYPE, Metrics
from narrows.serve.models import Models
from narrows.serve.openapi import description


def application(models: Models, metrics: Metrics, *, report: Callable[[str], object] = lambda line: None) -> Starlette:
    """Return the models as an ASGI application that answers everybody: see `guard.Guard`.

    `report` is called with a line on an error of the server itself.
    """
    routes = [*inference.ROUTES, *curl.ROUTES, Route("/metrics", counts), Route("/openapi.json", openapi)]
    app = Starlette(routes=routes, exception_handlers=_handlers(report), lifespan=_lifespan)
    app.router.redirect_slashes = False  # a redirection would name the host of a header
    app.state.models, app.state.metrics = models, metrics
    app.state.description = description(models)
    return app


def counts(request: Request) -> Response:
    """Return what was counted."""
    metrics: Metrics = request.app.state.metrics
    models: Models = request.app.state.models
    metrics.waiting.set(sum(served.batcher.waiting for served in models.served.values()))
    return Response(metrics.text(), media_type=CONTENT_TYPE)


def openapi(request: Request) -> Response:
    """Return the description of what is served."""
    return JSONResponse(request.app.state.description)


@contextlib.asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    try:
        yield
    finally:
        app.state.models.close()


def _handlers(report: Callable[[str], object]) -> dict[Any, Any]:
    def of_http(request: Request, error: HTTPException) -> Json:
        return Json({"error": sentence_of(error)}, error.status_code, headers=error.headers)

    def of_narrows(request: Request, error: NarrowsError) -> Json:
        return Json({"error": str(error)}, 400)

    def of_busy(request: Request, error: BusyError) -> Json:
        return Json({"error": BUSY}, 503, headers=RETRY)

    def of_others(request: Request, error: Exception) -> Json:
        report(f"{request.method} {request.scope['path'][:200]!r}: {type(error).__name__}: {error}")
        return Json({"error": f"Something is wrong in narrows itself: {type(error).__name__}."}, 500)

    return {HTTPException: of_http, NarrowsError: of_narrows, BusyError: of_busy, Exception: of_others}
