"""JSON that may come from anywhere: its size, depth and number of values are bounded, in reading and in writing."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from narrows.errors import FormatError
from narrows.storage.atomic import read_bytes, write_bytes

MAX_BYTES = 2**25
"""Bytes that a JSON file may have."""
MAX_DEPTH = 32
"""Levels that JSON may nest."""
MAX_VALUES = 2**21
"""Values that a JSON file may hold; each takes some 60 bytes in memory."""

# The closing quote is optional, so that a string that never ends is passed over once, and not at each of its quotes.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]++|\\.?)*+"?|[][{}]', re.DOTALL)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def plain(value: Any) -> Any:
    """Return a value as JSON holds it: lists for tuples, Python's numbers for numpy's, None for what is not finite."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def pack_json(value: Mapping[str, Any], path: Path, *, indent: int | None = 2) -> bytes:
    """Return an object as JSON that `parse_json` accepts; numbers that are not finite become null.

    It takes one line where `indent` is None; `path` is for messages.

    Raises
    ------
    FormatError
        It has more bytes, levels or values than may be read back, or text that is not Unicode.
    """
    text = json.dumps(plain(value), indent=indent, allow_nan=False, ensure_ascii=False)
    data = f"{text}\n".encode("utf-8", "surrogatepass")
    try:
        _parse(data)
    except ValueError as error:
        raise FormatError(f"{path}: must be JSON that can be read again; {error}. Nothing was written.") from error
    return data


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write an object as a JSON file atomically; see `pack_json`."""
    write_bytes(path, pack_json(value, path))


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises FormatError where it is missing, holds something else, exceeds a limit, repeats a key, or has a number that
    is not finite.
    """
    return parse_json(read_bytes(path, MAX_BYTES), path)


def parse_json(data: bytes, path: Path) -> dict[str, Any]:
    """Return the object that JSON from anywhere holds; `path` is for messages. See `read_json`."""
    try:
        return _parse(data)
    except ValueError as error:
        raise FormatError(
            f"{path}: must be sound JSON; {error}. The file was changed, cut, or made by something else."
        ) from error


def _parse(data: bytes) -> dict[str, Any]:
    """Return the object, or raise ValueError with the reason; limits are checked before the parser, which recurses."""
    if len(data) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES} bytes")
    if sum(map(data.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise ValueError(f"it holds more than {MAX_VALUES} values")
    text = data.decode("utf-8")
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        mark = text[token.start()]
        depth += (mark in "[{") - (mark in "]}")
        if depth > MAX_DEPTH:
            raise ValueError(f"it nests deeper than {MAX_DEPTH} levels")
    value = json.loads(
        text, object_pairs_hook=_unique, parse_float=_finite, parse_int=_integer, parse_constant=_constant
    )
    if _SURROGATE.search(text):
        json.dumps(value, ensure_ascii=False).encode()  # half of a pair of surrogates is no text
    if not isinstance(value, dict):
        raise ValueError(f"it holds no object but {type(value).__name__}")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key is there twice")
    return value


def _finite(text: str) -> float:
    if not math.isfinite(float(text)):
        raise ValueError(f"the number {text[:20]} is too large")
    return float(text)


def _integer(text: str) -> int:
    if len(text) > 20:
        raise ValueError(f"the number {text[:20]}... is too long")
    return int(text)


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
