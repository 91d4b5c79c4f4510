"""One process per folder: the others are told who holds it, before anything heavy is imported."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from narrows.errors import ConfigError, FormatError, TrainingError
from narrows.storage.form import check_form
from narrows.storage.json import read_json, write_json
from narrows.storage.process import FORM, is_alive, this_process

UNKNOWN = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
"""What file systems without locks say."""
TRIES, PAUSE = 5, 0.05
"""How often a lock is tried for, and seconds between: who only asks for the holder has it for a moment."""
PROCESS = "process.json"
SIGNED = 1.0
"""Seconds within which a run that begins has its record."""


def lock_of(run: Path) -> Path:
    """Return the file that who trains into a run folder holds."""
    return run / "checkpoints" / "run.lock"


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file while in here. The system frees it when its holder dies, however it dies.

    Where another process holds it, a TrainingError names that. On a file system without locks a folder, which
    names its process, takes the place of the lock; one whose process has died is removed.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    claim = None
    try:
        for left in reversed(range(TRIES)):
            try:
                if not _take(file):
                    claim = _claimed(path)
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
        if claim is not None:
            shutil.rmtree(claim, ignore_errors=True)
        os.close(file)


def check_free(path: Path) -> None:
    """Raise the TrainingError that `locked` would, without taking the lock."""
    if name := _holder(path):
        raise _refusal(path, name)


def is_held(path: Path) -> bool | None:
    """Return whether a process holds a lock file; None where that cannot be known from here."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        if _take(file, shared=True):
            return False
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return _lives(_claim(path)) if _claim(path).exists() else None


def _claim(path: Path) -> Path:
    return path.with_suffix(".process")


def _claimed(path: Path) -> Path:
    """Make the folder that names this process, of which there can be only one; BlockingIOError where another lives.

    A folder takes its name at once, with what is in it, and never that of another one that is not empty.
    """
    claim = _claim(path)
    own = claim.with_name(f"{claim.name}.{os.getpid()}")
    try:
        own.mkdir()
        write_json(own / PROCESS, this_process())
        for _ in range(TRIES):
            with contextlib.suppress(OSError):
                os.rename(own, claim)
                return claim
            if _lives(claim) is not False:
                break
            dead = own.with_suffix(".dead")
            with contextlib.suppress(FileNotFoundError):
                os.rename(claim, dead)
                if _lives(dead) is not False:  # between the two, another took the place of the dead one
                    os.rename(dead, claim)
                    break
                shutil.rmtree(dead)
    finally:
        shutil.rmtree(own, ignore_errors=True)
    raise BlockingIOError


def _lives(claim: Path) -> bool | None:
    """Return whether the process lives that a claim names; None where that cannot be known."""
    with contextlib.suppress(FormatError):
        process = read_json(claim / PROCESS)
        check_form(process, FORM, claim, "process")
        return is_alive(process)
    return None


def check_vacant(folder: Path) -> None:
    """Raise ConfigError where a folder holds something, such as another run; who trains it is named."""
    try:
        if not any(folder.iterdir()):
            return
        content = _content(folder)
    except FileNotFoundError:
        if not folder.is_symlink():
            return
        content = "is a link to nothing"
    except NotADirectoryError:
        content = "holds something else"
    raise ConfigError(f"Run: folder must be new or empty; got {str(folder)!r}, which {content}. Choose another name.")


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
        process: Any = run.get("process")
        check_form(process, FORM, record, "process")
        if run.get("status") == "running" and is_alive(process):  # it has not taken the lock yet
            return f"holds another run; process {process['pid']} is at it"
    if lock.parent.is_dir():
        return f"holds another run, which ended before it was finished (narrows resume {folder})"
    return "holds another run"


def _holder(path: Path) -> str | None:
    """Return what a lock's holder is called; None where nobody holds it, as far as one can know."""
    if not is_held(path):
        return None
    with path.open("rb") as file:
        return _signature(file.fileno())


def _refusal(path: Path, name: str) -> TrainingError:
    return TrainingError(
        f"{path.parent}: must be trained into by one process at a time; {name} is at it. Wait for it to end, or choose "
        "another folder."
    )


def _signature(file: int) -> str:
    return os.read(file, 200).decode(errors="replace").strip() or "another process"


if sys.platform == "win32":
    import msvcrt

    def _take(file: int, *, shared: bool = False) -> bool:
        os.lseek(file, 2**20, os.SEEK_SET)  # what is locked cannot be read there: the holder's name can
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError from error
        finally:
            os.lseek(file, 0, os.SEEK_SET)
        return True

else:
    import fcntl

    def _take(file: int, *, shared: bool = False) -> bool:
        """Take the lock, alone or with others who ask; False where the file system has none."""
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError as error:
            if error.errno not in UNKNOWN:
                raise
            return False
        return True
