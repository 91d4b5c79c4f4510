"""Answers in JSON, and what an error of HTTP says."""

from __future__ import annotations

import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from narrows.storage.json import plain


def to_json(content: Any) -> bytes:
    """Return content as JSON; numbers that are not finite become null."""
    try:
        text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError):  # which is rare, and takes longer
        text = json.dumps(plain(content), allow_nan=False, separators=(",", ":"))
    return text.encode()


class Json(JSONResponse):
    """An answer in JSON; see `to_json`."""

    def render(self, content: Any) -> bytes:
        """Return the text."""
        return to_json(content)


def sentence_of(error: HTTPException) -> str:
    """Return what an error says, also where Starlette raised it."""
    if error.status_code == 404 and error.detail == "Not Found":
        return "There is nothing at this address."
    return "The address is for another method." if error.status_code == 405 else error.detail
