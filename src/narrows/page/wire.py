"""Messages of the page: safetensors bytes, tensors by name and JSON for everything else, the same both ways."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from narrows.data.arrays import Array
from narrows.errors import FormatError
from narrows.storage.json import parse_json, plain
from narrows.storage.tensors import parse_tensors

MAX_BYTES = 2**24
"""Bytes that a message from the browser may have."""
TYPES = (np.dtype(np.uint8), np.dtype(np.int32), np.dtype(np.float32))
"""Types of tensors in messages."""
NAME = Path("message")
"""What errors call a message."""


@dataclass(frozen=True)
class Message:
    """Tensors by name, and JSON."""

    meta: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, Array] = field(default_factory=dict)


def pack(message: Message) -> bytes:
    """Return a message as bytes; other types of numbers become uint8, int32 and float32, and NaN in JSON null."""
    from safetensors.numpy import save

    arrays = {name: np.ascontiguousarray(_plain_type(array)) for name, array in message.tensors.items()}
    return save(arrays, {"json": json.dumps(plain(message.meta), allow_nan=False, ensure_ascii=False)})


def unpack(data: bytes, limit: int | None = MAX_BYTES) -> Message:
    """Return the message that bytes from anywhere hold, at most `limit` of them.

    Raises: FormatError where they hold none, or one that is too large.
    """
    if limit is not None and len(data) > limit:
        raise FormatError(f"{NAME}: must have at most {limit} bytes; got {len(data)}. Send less at once.")
    tensors, metadata = parse_tensors(data, NAME)
    for name, array in tensors.items():
        if array.dtype not in TYPES:
            raise FormatError(f"{NAME}: {name[:80]!r} must be of type U8, I32 or F32; got {array.dtype}.")
    return Message(parse_json(metadata.get("json", "{}").encode("utf-8", "surrogatepass"), NAME), tensors)


def _plain_type(array: Array) -> Array:
    kind = array.dtype.kind
    if array.dtype in TYPES:
        return array
    return array.astype(np.float32 if kind == "f" else np.uint8 if kind == "b" else np.int32)
