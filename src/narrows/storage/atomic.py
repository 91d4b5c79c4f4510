"""Writing files so that a reader sees the old content or the new one, also after a power cut."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from narrows.errors import FormatError

if TYPE_CHECKING:
    from PIL import Image

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of disks that take no more."""


def write_bytes(path: Path, data: bytes, *, lasting: bool = True) -> None:
    """Write a file atomically: to a temporary file beside it, flushed to the disk, and renamed.

    Where the disk is full or the folder may not be written, OSError is raised, the old file is intact and nothing else
    is left behind. What need not be `lasting` is not flushed, which takes its time: a power cut may leave it empty.
    """
    with _taking_the_place_of(path) as temporary:
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(file, rest) :]
            if lasting:
                os.fsync(file)  # the rename must not reach the disk before the content
        finally:
            os.close(file)
    if lasting:
        _sync_folder(path.parent)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write to that takes the name `path` when all went well, and is removed when it did not.

    For what is larger than the memory; see `write_bytes`.
    """
    with _taking_the_place_of(path) as temporary, temporary.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(path.parent)


@contextlib.contextmanager
def _taking_the_place_of(path: Path) -> Iterator[Path]:
    """Give a path beside `path` whose file is renamed to it when all went well, and removed when it did not."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically; see `write_bytes`."""
    write_bytes(path, text.encode())


def write_png(path: Path, picture: Image.Image) -> None:
    """Write a picture as PNG atomically; see `write_bytes`."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    write_bytes(path, buffer.getvalue())


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading; a pipe or a device, which might never end, is refused.

    Raises FormatError where it is missing, is no regular file, or cannot be read.
    """
    try:
        regular = stat.S_ISREG(path.stat().st_mode)  # asked once: another process may write or remove it meanwhile
    except (OSError, ValueError):
        raise FormatError(f"{path}: must be a file; it is missing. Is {path.parent} a narrows folder?") from None
    if not regular:
        raise FormatError(f"{path}: must be a file; it is something else. Is {path.parent} a narrows folder?")
    try:
        return path.open("rb")
    except OSError as error:
        raise FormatError(f"{path}: must be readable; {error.strerror}. Check its permissions.") from error


def read_bytes(path: Path, limit: int) -> bytes:
    """Return the content of a regular file; one of more than `limit` bytes is refused before memory is taken.

    Raises FormatError where it is too large, and as `open_regular` does.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise FormatError(f"{path}: must have at most {limit} bytes; got {size}. Was it written by narrows?")
        return file.read(size)


def _sync_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk."""
    if os.name == "nt":  # a folder cannot be opened there; NTFS journals its names
        return
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def check_sha256(path: Path, actual: str, expected: str | None) -> None:
    """Raise FormatError where a file has another checksum than it must have."""
    if expected is not None and actual != expected:
        raise FormatError(f"{path}: must have the checksum {expected[:16]}...; it has another. The file was changed.")
