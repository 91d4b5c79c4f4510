"""One process per folder: the others are told who holds it, before anything heavy is imported."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from narrows.errors import ConfigError, FormatError, TrainingError
from narrows.storage.json import read_json

UNKNOWN = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
"""What file systems without locks say."""
TRIES, PAUSE = 5, 0.05
"""How often a lock is tried for, and seconds between: who only asks for the holder has it for a moment."""
SIGNED = 1.0
"""Seconds within which a run that begins has its record."""


def lock_of(run: Path) -> Path:
    """Return the file that who trains into a run folder holds."""
    return run / "checkpoints" / "run.lock"


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file while in here. The system frees it when its holder dies, however it dies.

    Where another process holds it, a TrainingError names that.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        for left in reversed(range(TRIES)):
            try:
                _take(file)
                break
            except BlockingIOError:
                if left:
                    time.sleep(PAUSE)
                    continue
                raise _refusal(path, _signature(file)) from None
        os.ftruncate(file, 0)
        os.write(file, f"process {os.getpid()} on {platform.node()}, since {time.ctime()}".encode())
        yield
    finally:
        os.close(file)


def check_free(path: Path) -> None:
    """Raise the TrainingError that `locked` would, without taking the lock."""
    if name := _holder(path):
        raise _refusal(path, name)


def check_vacant(folder: Path) -> None:
    """Raise ConfigError where a folder holds something, such as another run; who trains it is named."""
    try:
        if not any(folder.iterdir()):
            return
    except FileNotFoundError:
        return
    except NotADirectoryError:
        pass
    raise ConfigError(
        f"Run: folder must be new or empty; got {str(folder)!r}, which {_content(folder)}. Choose another name."
    )


def _content(folder: Path) -> str:
    """Return what is in a folder that is not empty, and who is at it."""
    lock, record = lock_of(folder), folder / "run.json"
    until = time.monotonic() + SIGNED
    while lock.parent.is_dir() and not record.exists() and time.monotonic() < until:
        time.sleep(0.02)  # a run is just beginning there
    if not record.exists():
        return "holds something else"
    if name := _holder(lock):
        return f"holds another run; {name} is at it"
    with contextlib.suppress(FormatError):  # a record that cannot be read names nobody
        run = read_json(record)
        if run.get("status") == "running" and (pid := run.get("pid")):  # it has not taken the lock yet
            return f"holds another run; process {pid} is at it"
    return "holds another run"


def _holder(path: Path) -> str | None:
    """Return what a lock's holder is called; None where nobody holds it."""
    try:
        file = os.open(path, os.O_RDWR)
    except OSError:  # not there, or not ours to ask about
        return None
    try:
        _take(file)
    except BlockingIOError:
        return _signature(file)
    finally:
        os.close(file)
    return None


def _refusal(path: Path, name: str) -> TrainingError:
    return TrainingError(
        f"{path.parent}: must be trained into by one process at a time; {name} is at it. Wait for it to end, or choose "
        "another folder."
    )


def _signature(file: int) -> str:
    return os.read(file, 200).decode(errors="replace").strip() or "another process"


if sys.platform == "win32":
    import msvcrt

    def _take(file: int) -> None:
        os.lseek(file, 2**20, os.SEEK_SET)  # what is locked cannot be read there: the holder's name can
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError from error
        finally:
            os.lseek(file, 0, os.SEEK_SET)

else:
    import fcntl

    def _take(file: int) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError as error:
            if error.errno not in UNKNOWN:
                raise
