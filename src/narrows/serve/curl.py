"""Routes for people with curl: a picture, CSV or JSON as the body, and JSON, CSV or a picture back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from narrows.data.arrays import Array
from narrows.errors import ConfigError, did_you_mean
from narrows.http.answers import Json
from narrows.serve.batching import BusyError
from narrows.serve.models import Models, Served, apart
from narrows.serve.ports import SAMPLES
from narrows.serve.samples import csv_of, csv_of_rows, picture_of
from narrows.serve.verbs import VERBS, Question

WARNING = "narrows-warning"
"""The header, of answers in JSON the field `warning` as well, that says what the estimator would warn of."""
CSV, PNG = "text/csv", "image/png"


async def ask(request: Request, verb: str) -> Response:
    """Return the answer of a verb to the samples in the body."""
    served = _served(request, verb)
    if served.batcher.full:  # before the body is read
        raise BusyError
    body = await request.body()
    question, warning = await apart(len(body), _asked, served, body, request.query_params.get("y"))
    result = await served.answer(question)
    accept = request.headers.get("accept", "")
    response = await apart(result.nbytes, _answered, served, result, accept, warning)
    if warning is not None:  # a header holds ASCII alone
        response.headers[WARNING] = warning.encode("ascii", "backslashreplace").decode()
    return response


def _asked(served: Served, body: bytes, y: str | None) -> tuple[Question, str | None]:
    tensors, warning = served.bodies.read(body, y)
    return served.question(tensors), warning


def _answered(served: Served, result: Array, accept: str, warning: str | None) -> Response:
    verb, schema = served.verb, served.verb.schema
    more = {} if warning is None else {"warning": warning}
    is_samples = verb.output.name in SAMPLES
    if is_samples and verb.columns is not None:
        return _typed(served, result, accept, more)
    columns = list(schema.columns) if is_samples and schema.columns is not None else None
    if PNG in accept and is_samples:
        return Response(picture_of(result, schema), media_type=PNG)
    if CSV in accept:
        return Response(csv_of(result, columns, "value" if is_samples else verb.output.name), media_type=CSV)
    answer: dict[str, Any] = {"model": served.name, verb.output.name: result.tolist(), **more}
    return Json(answer if columns is None else {**answer, "columns": columns})


def _typed(served: Served, result: Array, accept: str, more: Mapping[str, str]) -> Response:
    """Return rows of typed columns as they were in the data: as CSV, or as a list of records."""
    assert served.verb.columns is not None
    tensors = dict(zip(served.verb.columns.names, served.verb.tensors(result).values(), strict=True))
    values = served.verb.columns.values(tensors)
    cells = {name: column.cells().tolist() for name, column in values.items()}
    if CSV in accept:
        return Response(csv_of_rows(list(cells), zip(*cells.values(), strict=True)), media_type=CSV)
    dates = {name for name, column in values.items() if column.holds == "time"}
    plain = [cells[name] if name in dates else values[name].objects() for name in cells]
    rows = [dict(zip(cells, row, strict=True)) for row in zip(*plain, strict=True)]
    name = "x" if served.verb.output.name in served.verb.columns.names else "reconstruction"
    return Json({"model": served.name, name: rows, **more})


def _served(request: Request, verb: str) -> Served:
    models: Models = request.app.state.models
    run = request.query_params.get("run")
    if run is None and len(models.runs) > 1:
        raise ConfigError(f"{verb}: run must be given where several are served: ?run={models.runs[0]}; got none.")
    served = models.of_run(models.runs[0] if run is None else run, verb)
    if served is None:
        hint = did_you_mean(str(run)[:100], models.runs)
        raise ConfigError(f"{verb}: run must be one of {', '.join(models.runs)}; got {str(run)[:100]!r}.{hint}")
    request.scope["model"] = served.name
    return served


def _route(verb: str) -> Route:
    async def endpoint(request: Request) -> Response:
        return await ask(request, verb)

    return Route(f"/{verb}", endpoint, methods=["POST"], name=verb)


ROUTES: list[BaseRoute] = [_route(verb) for verb in VERBS]
"""They need `Models` in `app.state.models`; errors of narrows are left to the application to answer."""
