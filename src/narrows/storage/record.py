"""Files that are whole or not there, and that are checked before they are believed: JSON and safetensors.

A file is written beside its name, flushed, and renamed. A record (JSON) and its tensors (safetensors) are written as
one: the record names the tensors by their checksum, so that whoever reads sees both old or both new. What is read may
come from anywhere: sizes, offsets and nesting are checked before memory is taken, and nothing is executed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import time
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np

from narrows.errors import FormatError

__all__ = [
    "check_form",
    "parse_json",
    "plain",
    "read_json",
    "read_record",
    "read_tensors",
    "tensor_path",
    "write_bytes",
    "write_json",
    "write_record",
    "write_tensors",
    "write_text",
]

LARGEST = 2**25
"""Bytes that a JSON file may have: the history of some 50,000 epochs."""
DEEPEST = 32
"""Levels that JSON may nest."""
MOST_VALUES = 2**21
"""Values that a JSON file may hold; each takes some 60 bytes in memory."""
MOST_TENSORS = 10_000
LARGEST_HEADER = 2**21
"""Bytes that the header of a safetensors file may have."""
ABANDONED = 3600.0
"""Seconds after which an unfinished file is no longer another process's work, and may be removed."""

DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"), "F32": np.dtype("<f4"), "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"), "I32": np.dtype("<i4"), "I16": np.dtype("<i2"), "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"), "U32": np.dtype("<u4"), "U16": np.dtype("<u2"), "U8": np.dtype("u1"), "BOOL": np.dtype("?"),
}  # fmt: skip
"""What numbers are called in a safetensors file."""


# Writing ---------------------------------------------------------------------------------------------------------


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically: a reader sees the old one or the new one, also after a power cut.

    Raises
    ------
    OSError
        The disk is full, the folder may not be written, ...; the old file is intact and nothing else is left behind.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(file, rest) :]
            os.fsync(file)  # the rename must not reach the disk before what it names
        finally:
            os.close(file)
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder outlive a power cut."""
    if os.name == "nt":  # a folder cannot be opened there; NTFS journals its names
        return
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file atomically; numbers that are not finite become null, which every reader knows."""
    write_text(path, json.dumps(plain(value), indent=2, allow_nan=False, ensure_ascii=False) + "\n")


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


def write_tensors(path: Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> None:
    """Write arrays to a safetensors file atomically."""
    write_bytes(path, _packed(tensors, metadata))


def _packed(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> bytes:
    from safetensors.numpy import save

    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    return save(arrays, dict(metadata) if metadata else None)


def write_record(path: Path, record: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> None:
    """Write a JSON file and the tensors that belong to it as one: whoever reads sees both old or both new.

    The tensors lie beside it, under a name made from their checksum. The record names them, and has a checksum itself.
    """
    data = _packed(tensors)
    named = {**plain(record), "tensors": hashlib.sha256(data).hexdigest()}
    signed = {**named, "sha256": _checksum(named)}
    new, old = tensor_path(path, signed), _current(path)
    was_there = new.exists()
    try:
        write_bytes(new, data)
        write_json(path, signed)
    except BaseException:
        if not was_there and _current(path) != new:
            new.unlink(missing_ok=True)
        raise
    abandoned = time.time() - ABANDONED
    for pattern in (f"{path.stem}-*.safetensors", f".{path.stem}[-.]*.tmp"):
        for left in path.parent.glob(pattern):
            with contextlib.suppress(FileNotFoundError):  # another process tidied up as well
                if left != new and (left == old or left.stat().st_mtime < abandoned):
                    left.unlink()


def tensor_path(path: Path, record: Mapping[str, Any]) -> Path:
    """Return where the tensors of a record lie."""
    return path.with_name(f"{path.stem}-{record['tensors'][:16]}.safetensors")


def _current(path: Path) -> Path | None:
    """Return where the tensors lie that the record on disk names, if there is a sound one."""
    try:
        return tensor_path(path, read_record(path))
    except FormatError:
        return None


def _checksum(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True, allow_nan=False).encode()).hexdigest()


# Reading ---------------------------------------------------------------------------------------------------------


def read_record(path: Path) -> dict[str, Any]:
    """Read a record that `write_record` wrote; its "tensors" is the checksum of the file beside it.

    Raises
    ------
    FormatError
        It is missing, is not sound JSON, or is not what was written.
    """
    record = read_json(path)
    checksum = record.pop("sha256", None)
    tensors = record.get("tensors")
    if not (isinstance(tensors, str) and re.fullmatch("[0-9a-f]{64}", tensors)):
        raise FormatError(f"{path}: must name its tensors by a checksum; it does not. Is it a file of narrows?")
    if checksum != _checksum(record):
        raise FormatError(f"{path}: must have the checksum that it states; it has another. It was changed or cut.")
    return record


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object: no key twice, no number that is not finite, no depth that is no use.

    Raises
    ------
    FormatError
        It is missing, is not sound JSON, or holds something else.
    """
    with _opened(path) as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise FormatError(f"{path}: must have at most {LARGEST} bytes of JSON; it has more. Was it written by narrows?")
    return parse_json(data, path)


def _opened(path: Path) -> BinaryIO:
    if not path.is_file():  # a pipe or a device would never end
        what = "it is something else" if path.exists() else "it is missing"
        raise FormatError(f"{path}: must be a file; {what}. Is {path.parent} a narrows folder?")
    try:
        return path.open("rb")
    except OSError as error:
        raise FormatError(f"{path}: must be readable; {error.strerror}. Check its permissions.") from error


# The closing quote is optional, so that a string that never ends is passed over once, and not at each of its quotes.
_MARKS = re.compile(r'"(?:[^"\\]++|\\.?)*+"?|[][{}]', re.DOTALL)

_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def parse_json(data: bytes, path: Path) -> dict[str, Any]:
    """Return the object that JSON from anywhere holds; `path` is for messages. See `read_json`."""

    def refuse(why: str) -> NoReturn:
        raise FormatError(f"{path}: must be sound JSON; {why}. The file was changed, cut, or made by something else.")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            refuse("a key is there twice")
        return found

    def finite(text: str) -> float:
        return float(text) if math.isfinite(float(text)) else refuse(f"the number {text[:20]} is too large")

    def whole(text: str) -> int:
        return int(text) if len(text) <= 20 else refuse(f"the number {text[:20]}... is too long")

    try:
        if sum(map(data.count, (b",", b"[", b"{"))) > MOST_VALUES:
            refuse(f"it holds more than {MOST_VALUES} values")
        text = data.decode("utf-8")
        depth = 0
        for token in _MARKS.finditer(text):
            mark = text[token.start()]
            depth += (mark in "[{") - (mark in "]}")
            if depth > DEEPEST:
                refuse(f"it nests deeper than {DEEPEST} levels")
        value = json.loads(
            text, object_pairs_hook=unique, parse_float=finite, parse_int=whole,
            parse_constant=lambda name: refuse(f"{name} is no number of JSON"),
        )  # fmt: skip
        if _HALF.search(text):
            json.dumps(value, ensure_ascii=False).encode()  # halves of a pair of surrogates are no text
    except FormatError:
        raise
    except ValueError as error:
        refuse(str(error))
    return value if isinstance(value, dict) else refuse(f"it holds no object but {type(value).__name__}")


def check_form(value: Any, form: Any, path: Path, where: str = "the record") -> None:
    """Refuse a value of JSON that has another form.

    Parameters
    ----------
    value
        What was read.
    form
        A type or a union of types; `[form]` for a list; `{key: form}` for an object, where a key that ends in "?" may
        be missing and other keys may be there; `{str: form}` for an object of any keys; a tuple of forms for either.
    path, where
        For the message.

    Raises
    ------
    FormatError
        Names the place.
    """
    match form:
        case tuple():
            problems = []
            for either in form:
                try:
                    return check_form(value, either, path, where)
                except FormatError as error:
                    problems.append(error)
            raise problems[0]
        case list():
            check_form(value, list, path, where)
            for index, item in enumerate(value):
                check_form(item, form[0], path, f"{where}[{index}]")
        case dict():
            check_form(value, dict, path, where)
            inner = dict.fromkeys(value, form[str]) if str in form else form
            for key, kind in inner.items():
                name = key if str in form else key.removesuffix("?")
                if name in value:
                    check_form(value[name], kind, path, f"{where}.{name[:40]}")
                elif key == name:
                    raise FormatError(f"{path}: {where} must have {key!r}; it has not. The file was changed.")
        case _:
            kinds = typing.get_args(form) or (form,)
            if type(value) not in kinds:
                wanted = " or ".join("null" if kind is type(None) else kind.__name__ for kind in kinds)
                raise FormatError(
                    f"{path}: {where} must be {wanted}; got {type(value).__name__}. The file was changed."
                )
    return None


def read_tensors(
    path: Path, expected: Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]] | None = None, sha256: str | None = None
) -> dict[str, np.ndarray]:
    """Read all arrays of a safetensors file; header, names and sizes are checked before memory is taken.

    Parameters
    ----------
    path
        The file.
    expected
        Type and shape by name; the file must hold these and no others.
    sha256
        Checksum that the file must have.

    Raises
    ------
    FormatError
        It is missing, is not a sound safetensors file, or holds something else.
    """
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        header = _header(file, size, path)
        spans = _spans(parse_json(header, path), size - 8 - len(header), path)
        if expected is not None:
            _compare({name: (dtype, shape) for name, dtype, shape in spans}, expected, path)
        digest = hashlib.sha256(len(header).to_bytes(8, "little") + header)
        arrays = {}
        for name, dtype, shape in spans:
            array = np.empty(shape, dtype)
            raw = array.reshape(-1).view(np.uint8)
            if file.readinto(raw) != raw.size:  # type: ignore[attr-defined]
                raise FormatError(f"{path}: must hold all of its tensors; it was cut while it was read.")
            digest.update(raw.data)
            if dtype == np.bool_ and raw.max(initial=0) > 1:
                raise FormatError(f"{path}: {name!r} must hold 0 and 1, being of type BOOL; it holds something else.")
            arrays[name] = array
    if sha256 is not None and digest.hexdigest() != sha256:
        raise FormatError(f"{path}: must have the checksum {sha256[:16]}...; it has another. The file was changed.")
    return arrays


def _header(file: BinaryIO, size: int, path: Path) -> bytes:
    start = file.read(8)
    length = int.from_bytes(start, "little")
    if len(start) < 8 or length > min(size - 8, LARGEST_HEADER):
        pickled = start[:1] == b"\x80" or start[:4] == b"PK\x03\x04"
        what = "It looks like a pickle, which narrows never loads." if pickled else "The file was changed or cut."
        raise FormatError(
            f"{path}: must be a safetensors file with a header of at most {LARGEST_HEADER} bytes; got {length} in a "
            f"file of {size}. {what}"
        )
    return file.read(length)


def _spans(header: dict[str, Any], size: int, path: Path) -> list[tuple[str, np.dtype[Any], tuple[int, ...]]]:
    """Return name, type and shape of every tensor, in the order in which they fill the `size` bytes of data."""
    metadata = header.pop("__metadata__", {})
    if not (isinstance(metadata, dict) and all(isinstance(value, str) for value in metadata.values())):
        raise FormatError(f"{path}: __metadata__ must hold strings; it does not. The file was changed.")
    if len(header) > MOST_TENSORS:
        raise FormatError(f"{path}: must hold at most {MOST_TENSORS} tensors; got {len(header)}.")
    found = []
    for full, entry in header.items():
        name = full[:80]  # for messages
        match entry:
            case {"dtype": str(kind), "shape": list(shape), "data_offsets": [int(start), int(end)], **rest} if (
                not rest and kind in DTYPES and len(shape) <= 8 and all(type(n) is int and n >= 0 for n in shape)
            ):
                if end - start != math.prod(shape) * DTYPES[kind].itemsize:
                    raise FormatError(f"{path}: {name!r} must have as many bytes as its shape {shape} takes.")
                found.append((start, end, full, DTYPES[kind], tuple(shape)))
            case _:
                raise FormatError(f"{path}: {name!r} must have a known dtype, a shape and data_offsets, and no more.")
    found.sort(key=lambda span: span[:2])
    at = 0
    for start, end, name, _, _ in found:
        if start != at:
            raise FormatError(f"{path}: {name[:80]!r} must begin where the one before ends, at {at}; got {start}.")
        at = end
    if at != size:
        raise FormatError(f"{path}: must hold {at} bytes of tensors, as its header says; got {size}. It was cut.")
    return [(name, dtype, shape) for _, _, name, dtype, shape in found]


def _compare(found: Mapping[str, Any], expected: Mapping[str, Any], path: Path) -> None:
    for what, names in (("lacks", expected.keys() - found.keys()), ("must not hold", found.keys() - expected.keys())):
        if names:
            shown = ", ".join(repr(name[:80]) for name in sorted(names)[:3])
            raise FormatError(f"{path}: {what} the tensors {shown} ({len(names)} in all). It belongs to another model.")
    for name, (dtype, shape) in expected.items():
        if found[name] != (dtype, shape):
            got = f"{found[name][0]} {found[name][1]}"
            raise FormatError(f"{path}: {name!r} must be {dtype} {shape}; got {got}. It belongs to another model.")
