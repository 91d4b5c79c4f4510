"""A record: a JSON file with the tensors, and the lines, that belong to it, written as one.

The record names the files beside it by their checksums, and has a checksum itself: whoever reads sees all of the old
state or all of the new one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from narrows.errors import FormatError
from narrows.storage.atomic import write_bytes
from narrows.storage.json import pack_json, plain, read_json
from narrows.storage.lines import pack_lines
from narrows.storage.tensors import pack_tensors

ABANDONED = 3600.0
"""Seconds after which an unfinished file is no longer another process's work, and may be removed."""
SUFFIXES = {"tensors": "safetensors", "lines": "jsonl"}
"""Of the files that belong to a record, by the entry that names them."""


def write_record(
    path: Path,
    record: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray],
    lines: Iterable[Mapping[str, Any]] | None = None,
) -> None:
    """Write a JSON file and what belongs to it as one: whoever reads sees all old or all new.

    Parameters
    ----------
    path
        Of the JSON file; the others lie beside it, under names made from their checksums.
    record
        An object fit for JSON; "tensors", "lines" and "sha256" are set here.
    tensors, lines
        Arrays by name; and objects of which there may be too many for one JSON file, such as the epochs of a history.

    Raises
    ------
    FormatError
        Something exceeds what may be read back; nothing was written.
    OSError
        The disk is full, ...; the old state is intact.
    """
    contents = {"tensors": pack_tensors(tensors, path)}
    if lines is not None:
        contents["lines"] = pack_lines(lines, path)
    names = {entry: hashlib.sha256(data).hexdigest() for entry, data in contents.items()}
    named = {**plain(record), **names}
    signed = {**named, "sha256": _checksum(named)}
    text = pack_json(signed, path)
    old, new = _files(path), {_beside(path, entry, signed): data for entry, data in contents.items()}
    existing = {file for file in new if file.exists()}
    try:
        for file, data in new.items():
            write_bytes(file, data)
        write_bytes(path, text)
    except BaseException:
        for file in new.keys() - existing - _files(path):
            file.unlink(missing_ok=True)
        raise
    abandoned = time.time() - ABANDONED
    for file in _belonging(path):
        with contextlib.suppress(FileNotFoundError):  # another process tidied up as well
            if file not in new and (file in old or file.stat().st_mtime < abandoned):
                file.unlink()


def remove_others(path: Path) -> None:
    """Remove what a killed process left beside a record; for who alone writes there."""
    named = {path, *_files(path)}
    for file in _belonging(path):
        if file not in named:
            file.unlink(missing_ok=True)


def _belonging(path: Path) -> list[Path]:
    """Return the files that belong to a record, to one before it, or to one that was never finished."""
    patterns = (*(f"{path.stem}-*.{suffix}" for suffix in SUFFIXES.values()), f".{path.stem}[-.]*.tmp")
    return [file for pattern in patterns for file in path.parent.glob(pattern)]


def read_record(path: Path) -> dict[str, Any]:
    """Read a record that `write_record` wrote; its "tensors" and "lines" are the checksums of the files beside it.

    Raises FormatError where it is missing, is not sound JSON, or is not what was written.
    """
    record = read_json(path)
    checksum = record.pop("sha256", None)
    for entry in ("tensors", *({"lines"} & record.keys())):
        if not (isinstance(name := record.get(entry), str) and re.fullmatch("[0-9a-f]{64}", name)):
            raise FormatError(f"{path}: must name its {entry} by a checksum; it does not. Is it a file of narrows?")
    if checksum != _checksum(record):
        raise FormatError(f"{path}: must have the checksum that it states; it has another. It was changed or cut.")
    return record


def tensor_path(path: Path, record: Mapping[str, Any]) -> Path:
    """Return the file that holds the tensors of a record."""
    return _beside(path, "tensors", record)


def lines_path(path: Path, record: Mapping[str, Any]) -> Path:
    """Return the file that holds the lines of a record; FormatError where it has none."""
    if "lines" not in record:
        raise FormatError(f"{path}: must name a file of lines; it does not. Was it written by this version?")
    return _beside(path, "lines", record)


def _beside(path: Path, entry: str, record: Mapping[str, Any]) -> Path:
    return path.with_name(f"{path.stem}-{record[entry][:16]}.{SUFFIXES[entry]}")


def _files(path: Path) -> set[Path]:
    """Return the files that the record on disk names, if there is a sound one."""
    try:
        record = read_record(path)
    except FormatError:
        return set()
    return {_beside(path, entry, record) for entry in SUFFIXES if entry in record}


def _checksum(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True, allow_nan=False).encode()).hexdigest()
