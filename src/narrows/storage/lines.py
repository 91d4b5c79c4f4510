"""JSON lines: one object a line, such as the epochs of a history; bounded in reading and in writing."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from narrows.errors import FormatError
from narrows.storage.atomic import check_sha256, read_bytes, write_bytes
from narrows.storage.json import pack_json, parse_json

MAX_BYTES = 2**28
"""Bytes that a file of lines may have: some 800,000 epochs."""
MAX_VALUES = 2**25
"""Values that a file of lines may hold: 8 bytes each, which epochs, whose values have names, never come below."""


def pack_lines(values: Iterable[Mapping[str, Any]], path: Path) -> bytes:
    """Return objects as lines that `read_lines` accepts; FormatError, which names `path`, where they are too many."""
    data = b"".join(pack_json(value, path, indent=None) for value in values)
    _check_limits(data, path)
    return data


def write_lines(path: Path, values: Iterable[Mapping[str, Any]]) -> None:
    """Write objects as a file of lines atomically; see `pack_lines`."""
    write_bytes(path, pack_lines(values, path))


def append_line(path: Path, value: Mapping[str, Any]) -> None:
    """Append an object to a file of lines. A crash can cut this line; see `read_lines`.

    Raises FormatError where the file would be larger than may be read back.
    """
    line = pack_json(value, path, indent=None)
    with path.open("ab") as file:
        if os.fstat(file.fileno()).st_size + len(line) > MAX_BYTES:
            raise FormatError(f"{path}: must have at most {MAX_BYTES} bytes; one more line would exceed that.")
        file.write(line)


def read_lines(path: Path, sha256: str | None = None, *, appended: bool = False) -> list[dict[str, Any]]:
    """Read a file of lines, whose checksum must be `sha256` where that is given.

    Where lines were `appended` one by one, a crash may have cut one: such lines are left out.

    Raises
    ------
    FormatError
        It is missing, too large, not what was written, or a line of it is no sound JSON.
    """
    data = read_bytes(path, MAX_BYTES)
    _check_limits(data, path)
    check_sha256(path, hashlib.sha256(data).hexdigest(), sha256)
    values = []
    for line in data.splitlines():
        try:
            values.append(parse_json(line, path))
        except FormatError:
            if not appended:
                raise
    return values


def _check_limits(data: bytes, path: Path) -> None:
    if len(data) > MAX_BYTES or sum(map(data.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise FormatError(
            f"{path}: must have at most {MAX_BYTES} bytes and {MAX_VALUES} values; it has more. Train for fewer epochs."
        )
