"""Runs that were deleted and can be restored, until the server ends.

They lie in a hidden folder among the runs, so that to move them is to rename them, with a file that says which process
put them there: where that ended without clearing up, the next server does.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from narrows.cli.runs import check_idle, remove
from narrows.errors import ConfigError, FormatError
from narrows.storage.form import check_form
from narrows.storage.json import read_json, write_json
from narrows.storage.process import FORM, is_alive, this_process

PREFIX = ".narrows-deleted-"
OWNER = "process.json"


class Trash:
    """Deleted runs of a folder.

    Parameters
    ----------
    runs
        The folder of the runs.
    """

    def __init__(self, runs: Path) -> None:
        self.runs = runs
        self.folder = runs / f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}"

    def delete(self, folder: Path) -> str:
        """Move a run here, and return what it is restored by; TrainingError where a process trains it."""
        check_idle(folder, "delete")
        if not self.folder.exists():
            self.folder.mkdir()
            write_json(self.folder / OWNER, this_process())
        key = secrets.token_urlsafe(8)
        (self.folder / key).mkdir()
        folder.rename(self.folder / key / folder.name)
        return key

    def restore(self, key: str) -> str:
        """Move a run back, and return its name; ConfigError where there is none, or another has taken its name."""
        keys = os.listdir(self.folder) if self.folder.exists() else []
        if key not in keys or key == OWNER:
            raise ConfigError("undo: the run must have been deleted since the server began; it was not.")
        (name,) = os.listdir(self.folder / key)
        if os.path.lexists(self.runs / name):
            raise ConfigError(f"undo: the name {name!r} must be free; another run has taken it. Rename that one first.")
        (self.folder / key / name).rename(self.runs / name)
        (self.folder / key).rmdir()
        return name

    def clear(self) -> None:
        """Remove what was deleted, here and by servers that ended without doing so."""
        _remove(self.folder)
        for left in self.runs.glob(f"{PREFIX}*"):
            with contextlib.suppress(FormatError):
                process = read_json(left / OWNER)
                check_form(process, FORM, left / OWNER, "process")
                if is_alive(process) is False:
                    _remove(left)


def _remove(trash: Path) -> None:
    """Remove a folder of deleted runs as it was made here; what else lies in it stays."""
    if trash.is_symlink() or not trash.is_dir():
        return
    for key in trash.iterdir():
        if key.is_dir() and not key.is_symlink():
            for folder in key.iterdir():
                remove(folder)
            key.rmdir()
    (trash / OWNER).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        trash.rmdir()
