"""The application: its routes, and what becomes of errors.

To the browser every error is a sentence, `{"error": ...}`; none ends the server.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from narrows import __version__
from narrows.errors import ConfigError, FormatError, NarrowsError, TrainingError
from narrows.estimators import ESTIMATORS
from narrows.http.answers import Json, sentence_of
from narrows.page import actions, compare, runs, training
from narrows.page.advice import Adviser
from narrows.page.events import Ticker
from narrows.page.models import Models
from narrows.page.processes import Trainings
from narrows.page.routes import ROUTES
from narrows.page.trash import Trash
from narrows.page.watch import Watch

STATIC = Path(__file__).with_name("static")
TYPES = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml", ".woff2": "font/woff2", ".json": "application/json",
}  # fmt: skip
STATUS: dict[type[Exception], int] = {TrainingError: 409, FormatError: 409, ConfigError: 400, NarrowsError: 400}
"""Of an error, the first that it is an instance of."""


def application(
    folder: Path, *, only: str | None = None, report: Callable[[str], object] = lambda line: None
) -> Starlette:
    """Return the page on a folder of runs as an ASGI application that answers everybody: see `security.Guard`.

    Parameters
    ----------
    folder
        That holds the runs; it need not exist yet.
    only
        The name of the only run to show, or None for all.
    report
        Called with a line on an error of the server itself.
    """
    watch = Watch(folder, only)
    trainings = Trainings(watch)
    routes: list[BaseRoute] = [Route("/", index), Route("/static/{file}", static), Route("/api/page", page)]
    routes += [*runs.ROUTES, *actions.ROUTES, *training.ROUTES, *compare.ROUTES, *ROUTES]
    app = Starlette(routes=routes, exception_handlers=_handlers(report), lifespan=_lifespan)
    app.router.redirect_slashes = False  # a redirection would name the host of a header
    app.state.watch, app.state.trainings, app.state.trash = watch, trainings, Trash(folder)
    app.state.adviser, app.state.ticker = Adviser(watch), Ticker(watch, trainings)
    app.state.models = Models(watch.folder_of)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    state = app.state
    state.trash.clear()
    try:
        yield
    finally:
        state.ticker.close()
        state.trainings.close()
        state.models.close()
        state.trash.clear()


def index(request: Request) -> Response:
    """Return the page itself."""
    return _file("index.html")


def static(request: Request) -> Response:
    """Return a file of the page, looked up among those that there are."""
    return _file(request.path_params["file"])


def _file(name: str) -> Response:
    paths = {path.name: path for path in STATIC.iterdir() if path.is_file()} if STATIC.is_dir() else {}
    if "index.html" not in paths:
        raise HTTPException(503, "The files of the page are missing from this copy of narrows: npm run build, in web/.")
    if name not in paths:
        raise HTTPException(404, f"The page has no file {name[:100]!r}.")
    media = TYPES.get(paths[name].suffix, "application/octet-stream")
    return Response(paths[name].read_bytes(), media_type=media, headers={"Cache-Control": "no-cache"})


def page(request: Request) -> Json:
    """Tell what the page shows, and what it can do."""
    can = {"umap": importlib.util.find_spec("umap") is not None}
    folder: Path = request.app.state.watch.folder
    return Json({"version": __version__, "folder": folder.absolute().name, "models": list(ESTIMATORS), "can": can})


def _handlers(report: Callable[[str], object]) -> dict[Any, Any]:
    def of_http(request: Request, error: HTTPException) -> Json:
        return Json({"error": sentence_of(error)}, error.status_code, headers=error.headers)

    def of_narrows(request: Request, error: NarrowsError) -> Json:
        return Json({"error": str(error)}, _status(error, STATUS))

    def of_files(request: Request, error: OSError) -> Json:
        return Json({"error": f"{error}. Is the disk full, or a folder not to be written?"}, 500)

    def of_others(request: Request, error: Exception) -> Json:
        report(f"{request.method} {request.scope['path'][:200]!r}: {type(error).__name__}: {error}")
        return Json({"error": f"Something is wrong in narrows itself: {type(error).__name__}: {error}"}, 500)

    return {HTTPException: of_http, NarrowsError: of_narrows, OSError: of_files, Exception: of_others}


def _status(error: Exception, known: dict[type[Exception], int]) -> int:
    return next(status for kind, status in known.items() if isinstance(error, kind))
