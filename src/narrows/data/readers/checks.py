"""Reading files that may be damaged or hostile: sizes are checked before memory is asked for, errors name the file."""

from __future__ import annotations

import csv
import gzip
import importlib
import stat
import struct
import tarfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath
from typing import IO, Any

import numpy as np

from narrows.errors import DataError, NarrowsError

MAX_DEFLATE_RATIO = 1032  # what deflate reaches at most (zlib's technical notes): a larger claim is a lie
_SUSPECT_RATIO = 200  # beyond this, and beyond the size below, a file is taken for a decompression bomb
_SUSPECT_BYTES = 64 * 2**20
_CHUNK = 2**20


Readable = IO[bytes] | gzip.GzipFile
"""A binary stream, packed or not."""


def unsound(path: Path, must: str) -> DataError:
    """Return the error of a file that must be, hold or do something: what, what it has instead, and what to do."""
    return DataError(f"load_dataset: {str(path)!r} must {must}")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever a reader raises on a damaged file into a DataError that names the file."""
    try:
        # Numbers that do not fit their type are errors too, rather than warnings. This state is the thread's own, while
        # filters of warnings are the process's: they are never touched.
        with np.errstate(divide="raise", over="raise", invalid="raise"):
            yield
    except NarrowsError:
        raise
    except (
        OSError,  # includes gzip.BadGzipFile
        EOFError,
        ValueError,  # includes UnicodeDecodeError, and numpy's complaints about headers
        TypeError,
        KeyError,
        IndexError,
        ArithmeticError,  # includes OverflowError, and numpy's FloatingPointError
        SyntaxError,  # numpy parses its headers as Python literals
        tokenize.TokenError,
        RuntimeError,  # zipfile: encrypted members, recursion
        NotImplementedError,
        MemoryError,
        Warning,  # where the caller has made errors of them
        csv.Error,
        struct.error,
        tarfile.TarError,
        zlib.error,
        zipfile.BadZipFile,
    ) as error:
        reason = str(error) or type(error).__name__
        raise unsound(path, f"be a sound file of its type; got: {reason}. Check or fetch it again.") from error


def check_regular(path: Path) -> None:
    """Raise DataError unless `path` is a plain file (reading a pipe or a device might never end)."""
    with reading(path):
        mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise unsound(path, "be a plain file; got a pipe, device or folder.")


def check_expansion(what: str, packed: int, unpacked: int, *, most: float = MAX_DEFLATE_RATIO) -> None:
    """Raise DataError where `unpacked` bytes cannot, beyond `most` times, or should not come out of `packed`."""
    if unpacked > packed * most + 64 or (unpacked > _SUSPECT_BYTES and unpacked > packed * _SUSPECT_RATIO):
        raise DataError(
            f"load_dataset: {what} must not unpack to more than {_SUSPECT_RATIO} times its size; got {packed} bytes "
            f"that claim to hold {unpacked}. It looks like a decompression bomb: unpack it by hand if you trust it."
        )


def read_exactly(stream: Readable, size: int, what: str, *, last: bool = True) -> bytearray:
    """Read `size` bytes, growing as they arrive, and raise DataError if there are fewer (or, with `last`, more)."""
    content = bytearray()
    while len(content) < size:
        chunk = stream.read(min(_CHUNK, size - len(content)))
        if not chunk:
            raise DataError(
                f"load_dataset: {what} must hold {size} bytes; got {len(content)}. It is cut short: fetch it again."
            )
        content += chunk
    if last and stream.read(1):
        raise DataError(
            f"load_dataset: {what} must hold {size} bytes; got more. Its header does not match its content."
        )
    return content


@contextmanager
def opened(path: Path) -> Iterator[Readable]:
    """Open a file for reading, unpacking gzip, or a zip archive of one file, where its first bytes say so."""
    with path.open("rb") as raw:
        start = raw.read(4)
        raw.seek(0)
        if start == b"PK\x03\x04":
            with zipfile.ZipFile(raw) as archive:
                members = {name: of for name, of in zip_members(archive, str(path)).items() if not is_litter(name)}
                if len(members) != 1:
                    raise unsound(path, f"hold one file; got {len(members)}. Unpack it, and name one.")
                with archive.open(next(iter(members.values()))) as member:
                    yield member
            return
        with gzip.GzipFile(fileobj=raw) if start[:2] == b"\x1f\x8b" else raw as stream:
            yield stream


def needed(module: str, extra: str, path: Path) -> Any:
    """Return a module that reads a kind of file, or raise DataError with the extra that brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DataError(
            f"load_dataset: {module} must be installed to read {path.suffix or 'these'} files; {path.name!r} is one. "
            f'Run: pip install "narrows[{extra}]"'
        ) from error


def zip_members(archive: zipfile.ZipFile, what: str) -> dict[str, zipfile.ZipInfo]:
    """Return the files of a zip archive by name, refusing names and sizes that a sound one does not have.

    Nothing is ever unpacked to disk; the names are checked all the same, since they become names of samples.
    """
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        if member.is_dir():
            continue
        check_member_name(member.filename, what)
        if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):  # 0: written where there are no modes
            raise DataError(f"load_dataset: {what} must hold plain files; got {member.filename!r}, a link or a device.")
        if member.filename in members:
            raise DataError(f"load_dataset: {what} must hold each name once; got {member.filename!r} twice.")
        check_expansion(f"{member.filename!r} in {what}", member.compress_size, member.file_size)
        members[member.filename] = member
    return members


def is_litter(name: str) -> bool:
    """Return whether a member of an archive is what systems add: macOS' own files, and hidden ones."""
    return name.startswith("__MACOSX/") or name.rsplit("/", 1)[-1].startswith(".")


def as_text(name: str) -> str:
    """Return the name of a file as text that can be printed and written, also where its bytes are no UTF-8."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def check_member_name(name: str, what: str) -> None:
    """Raise DataError for a member whose name leads out of its archive."""
    path = PureWindowsPath(name)  # knows both kinds of slashes, drives ("C:x") and shares
    if path.anchor or ".." in path.parts or "\0" in name:
        raise DataError(f"load_dataset: {what} must hold names within itself; got {name!r}. Do not use this archive.")
