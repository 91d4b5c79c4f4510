"""Safetensors files: header, names and sizes are checked before memory is taken, and nothing is executed."""

from __future__ import annotations

import hashlib
import io
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from narrows.errors import FormatError
from narrows.storage.atomic import check_sha256, open_regular, write_bytes
from narrows.storage.json import parse_json

MAX_TENSORS = 10_000
MAX_HEADER = 2**21
"""Bytes that the header of a safetensors file may have."""
MAX_NAME = 80
"""Characters of a tensor's name that a message shows."""

DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"), "F32": np.dtype("<f4"), "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"), "I32": np.dtype("<i4"), "I16": np.dtype("<i2"), "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"), "U32": np.dtype("<u4"), "U16": np.dtype("<u2"), "U8": np.dtype("u1"), "BOOL": np.dtype("?"),
}  # fmt: skip
"""numpy's types by their names in a safetensors file."""


def write_tensors(
    path: Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None, *, lasting: bool = True
) -> None:
    """Write arrays to a safetensors file atomically; see `pack_tensors` and `write_bytes`."""
    write_bytes(path, pack_tensors(tensors, path, metadata), lasting=lasting)


def pack_tensors(tensors: Mapping[str, np.ndarray], path: Path, metadata: Mapping[str, str] | None = None) -> bytes:
    """Return arrays as a safetensors file that `read_tensors` accepts; `path` is for messages.

    Raises FormatError where there are more tensors, longer names or other types than may be read back.
    """
    from safetensors.numpy import save

    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    data = save(arrays, dict(metadata) if metadata else None)
    length = int.from_bytes(data[:8], "little")
    if length > MAX_HEADER:
        raise FormatError(f"{path}: must have a header of at most {MAX_HEADER} bytes; got {length}. Use shorter names.")
    _entries(parse_json(data[8 : 8 + length], path), len(data) - 8 - length, path)
    return data


def read_tensors(
    path: Path, expected: Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]] | None = None, sha256: str | None = None
) -> dict[str, np.ndarray]:
    """Read all arrays of a safetensors file; header, names and sizes are checked before memory is taken.

    Parameters
    ----------
    path, sha256
        The file, and the checksum that it must have.
    expected
        Type and shape by name; the file must hold these and no others.

    Raises
    ------
    FormatError
        It is missing, is not a sound safetensors file, or holds something else.
    """
    with open_regular(path) as file:
        return _read(file, os.fstat(file.fileno()).st_size, path, expected, sha256)


def parse_tensors(data: bytes, path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the arrays and the metadata of a safetensors file's bytes; `path` is for messages. See `read_tensors`."""
    file = io.BytesIO(data)
    metadata = parse_json(_header(file, len(data), path), path).get("__metadata__", {})
    file.seek(0)
    return _read(file, len(data), path, None, None), metadata


def _read(
    file: BinaryIO, size: int, path: Path, expected: Mapping[str, Any] | None, sha256: str | None
) -> dict[str, np.ndarray]:
    header = _header(file, size, path)
    entries = _entries(parse_json(header, path), size - 8 - len(header), path)
    if expected is not None:
        _compare({name: (dtype, shape) for name, dtype, shape in entries}, expected, path)
    digest = hashlib.sha256(len(header).to_bytes(8, "little") + header) if sha256 else None
    arrays = {}
    for name, dtype, shape in entries:
        try:
            array = np.empty(shape, dtype)
        except ValueError as error:  # no bytes, and more rows than there can be
            raise FormatError(f"{path}: {name[:MAX_NAME]!r} must have a possible shape; got {shape}.") from error
        raw = array.reshape(-1).view(np.uint8)
        if file.readinto(raw) != raw.size:  # type: ignore[attr-defined]
            raise FormatError(f"{path}: must hold all of its tensors; it was cut while it was read.")
        if digest is not None:
            digest.update(raw.data)
        if dtype == np.bool_ and raw.max(initial=0) > 1:
            raise FormatError(f"{path}: {name!r} must hold 0 and 1, being of type BOOL; it holds something else.")
        arrays[name] = array
    if digest is not None:
        check_sha256(path, digest.hexdigest(), sha256)
    return arrays


def _header(file: BinaryIO, size: int, path: Path) -> bytes:
    start = file.read(8)
    length = int.from_bytes(start, "little")
    if len(start) < 8 or length > min(size - 8, MAX_HEADER):
        pickled = start[:1] == b"\x80" or start[:4] == b"PK\x03\x04"
        what = "It looks like a pickle, which narrows never loads." if pickled else "The file was changed or cut."
        raise FormatError(
            f"{path}: must be a safetensors file with a header of at most {MAX_HEADER} bytes; got {length} in a "
            f"file of {size}. {what}"
        )
    return file.read(length)


def _entries(header: dict[str, Any], size: int, path: Path) -> list[tuple[str, np.dtype[Any], tuple[int, ...]]]:
    """Return name, type and shape of every tensor, in the order in which they fill the `size` bytes of data."""
    metadata = header.pop("__metadata__", {})
    if not (isinstance(metadata, dict) and all(isinstance(value, str) for value in metadata.values())):
        raise FormatError(f"{path}: __metadata__ must hold strings; it does not. The file was changed.")
    if len(header) > MAX_TENSORS:
        raise FormatError(f"{path}: must hold at most {MAX_TENSORS} tensors; got {len(header)}.")
    entries = []
    for full, entry in header.items():
        name = full[:MAX_NAME]
        match entry:
            case {"dtype": str(kind), "shape": list(shape), "data_offsets": [int(start), int(end)], **rest} if (
                not rest and kind in DTYPES and len(shape) <= 8 and all(type(n) is int and n >= 0 for n in shape)
            ):
                if end - start != math.prod(shape) * DTYPES[kind].itemsize:
                    raise FormatError(f"{path}: {name!r} must have as many bytes as its shape {shape} takes.")
                entries.append((start, end, full, DTYPES[kind], tuple(shape)))
            case _:
                raise FormatError(f"{path}: {name!r} must have a known dtype, a shape and data_offsets, and no more.")
    entries.sort(key=lambda entry: entry[:2])
    at = 0
    for start, end, name, _, _ in entries:
        if start != at:
            raise FormatError(
                f"{path}: {name[:MAX_NAME]!r} must begin where the one before ends, at {at}; got {start}."
            )
        at = end
    if at != size:
        raise FormatError(f"{path}: must hold {at} bytes of tensors, as its header says; got {size}. It was cut.")
    return [(name, dtype, shape) for _, _, name, dtype, shape in entries]


def _compare(actual: Mapping[str, Any], expected: Mapping[str, Any], path: Path) -> None:
    for what, names in (("lacks", expected.keys() - actual.keys()), ("must not hold", actual.keys() - expected.keys())):
        if names:
            shown = ", ".join(repr(name[:MAX_NAME]) for name in sorted(names)[:3])
            raise FormatError(f"{path}: {what} the tensors {shown} ({len(names)} in all). It belongs to another model.")
    for name, (dtype, shape) in expected.items():
        if actual[name] != (dtype, shape):
            got = f"{actual[name][0]} {actual[name][1]}"
            raise FormatError(f"{path}: {name!r} must be {dtype} {shape}; got {got}. It belongs to another model.")
