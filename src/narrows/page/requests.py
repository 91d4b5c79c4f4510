"""What all routes share: the run that an address names, numbers within bounds, bodies, and answers."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request

from narrows.errors import ConfigError, FormatError, did_you_mean
from narrows.page.watch import Watch
from narrows.runs import Run
from narrows.storage.json import parse_json

BODY = Path("body")
"""What errors call the body of a request."""


def watch_of(request: HTTPConnection) -> Watch:
    """Return the runs that the page shows."""
    watch: Watch = request.app.state.watch
    return watch


def run_of(request: HTTPConnection) -> Run:
    """Return the run that the address names, looked up in the list of runs; 404 where there is none."""
    name = str(request.path_params["run"])
    run = watch_of(request).run(name)
    if run is None:
        raise missing_run(request, name)
    return run


def missing_run(request: HTTPConnection, name: str) -> HTTPException:
    """Return the answer where there is no run of a name."""
    hint = did_you_mean(name, watch_of(request).names())
    return HTTPException(404, f"There is no run {name[:200]!r} in this folder; it may have been removed.{hint}")


def number(request: HTTPConnection, name: str, default: float, low: float, high: float, *, whole: bool = True) -> Any:
    """Return a number of the query; ConfigError where it is none, or out of bounds."""
    text = request.query_params.get(name)
    if text is None:
        return default
    try:
        sound = re.fullmatch(r"-?\d{1,20}" if whole else r"-?[\d.]{1,20}(e-?\d{1,3})?", text, re.ASCII)
        value = math.nan if sound is None else int(text) if whole else float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        kind = "a whole number" if whole else "a number"
        raise ConfigError(f"page: {name} must be {kind} from {low:,} to {high:,}; got {text[:50]!r}.")
    return value


async def body_of(request: Request) -> dict[str, Any]:
    """Return the JSON object in the body; ConfigError where it holds something else."""
    data = await request.body()
    try:
        return parse_json(data or b"{}", BODY)
    except FormatError as error:
        raise ConfigError(str(error)) from None


def text_in(body: dict[str, Any], name: str, longest: int = 1000) -> str:
    """Return a text of a body; ConfigError where it is missing, or something else."""
    value = body.get(name)
    if not isinstance(value, str) or len(value) > longest:
        raise ConfigError(f"page: {name} must be a text of at most {longest} characters; got {str(value)[:50]!r}.")
    return value
