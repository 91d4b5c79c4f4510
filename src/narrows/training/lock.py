"""One process per folder: the others are told who holds it."""

from __future__ import annotations

import errno
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from narrows.errors import TrainingError

__all__ = ["holder", "locked"]

UNKNOWN = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
"""What file systems without locks say."""
TRIES, PAUSE = 5, 0.05
"""How often a lock is tried for, and seconds between: who only asks for the holder has it for a moment."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file while in here. The system frees it when its holder dies, however it dies.

    Raises
    ------
    TrainingError
        Another process holds it; it is named.
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
                raise TrainingError(
                    f"{path.parent}: must be trained into by one process at a time; {_signature(file)} is at it. Wait "
                    "for it to end, or choose another folder."
                ) from None
        os.ftruncate(file, 0)
        os.write(file, f"process {os.getpid()} on {platform.node()}, since {time.ctime()}".encode())
        yield
    finally:
        os.close(file)


def holder(path: Path) -> str | None:
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
