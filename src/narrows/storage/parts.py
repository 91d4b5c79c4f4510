"""Results that come part by part and end in one file: what is done outlives a kill, and is not done again.

Parts lie in a hidden folder beside the file, each whole or absent, with a record of the task that they belong to. The
file has the same bytes however often its making was interrupted.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from narrows.errors import ConfigError, FormatError, TrainingError
from narrows.storage.atomic import write_bytes
from narrows.storage.columns import Array, Part, write_parts
from narrows.storage.json import plain, read_json, write_json
from narrows.storage.lock import locked

COLUMN, ARRAY = "column.", "array."
"""Before the names of columns and of arrays in the file of a part."""
UNSOUND = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
"""What reading a file raises that a power cut left unfinished."""


class Parts:
    """The parts of one file.

    Parameters
    ----------
    path
        Of the file.
    task
        What must be the same for parts that are there to be used: an object fit for JSON.
    """

    def __init__(self, path: Path, task: Mapping[str, Any]) -> None:
        self.path, self.folder = path, path.with_name(f".{path.name}.parts")
        self.task: Any = plain(task)
        self.finished = False
        self.others = False
        """Whether parts of another task were there, which are removed."""

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the parts while in here, so that one process makes the file; the folder goes when it is made, or empty.

        Raises
        ------
        ConfigError
            Another process makes it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(locked(self.folder / "lock"))
            except TrainingError:
                raise ConfigError(
                    f"--out must be written by one process; another writes {str(self.path)!r}. Wait for it to end."
                ) from None
            try:
                yield
            finally:
                left = any(self.folder.glob("*.npz")) and not self.finished
        if not left:
            shutil.rmtree(self.folder)

    def begin(self) -> int:
        """Return how many parts are there, the first ones; those after a gap, and of another task, are removed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        record = self.folder / "task.json"
        with contextlib.suppress(FormatError):
            if record.exists() and read_json(record) == self.task:
                return self._sound()
        self.others = any(self.folder.glob("*.npz"))
        self._remove(0)
        write_json(record, self.task)
        return 0

    def add(self, number: int, part: Part) -> None:
        """Write a part."""
        arrays = {COLUMN + name: values for name, values in part.columns.items()}
        arrays |= {ARRAY + name: values for name, values in part.arrays.items()}
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        write_bytes(self._path(number), buffer.getvalue(), lasting=False)  # one that a power cut empties is made again

    def read(self) -> Iterator[Part]:
        """Yield the parts that are there, in order."""
        number = 0
        while (path := self._path(number)).exists():
            with np.load(path, allow_pickle=False) as arrays:
                columns = {n.removeprefix(COLUMN): arrays[n] for n in arrays.files if n.startswith(COLUMN)}
                yield Part(columns, {n.removeprefix(ARRAY): arrays[n] for n in arrays.files if n.startswith(ARRAY)})
            number += 1

    def finish(self, keys: Path | None = None) -> None:
        """Write the file from its parts; to `keys` what tells rows apart, where there is more than their number."""
        if keys is not None and self._has_keys():
            write_parts(keys, lambda: (Part(_keys(part), {}) for part in self.read()))
        write_parts(self.path, self.read)
        self.finished = True

    def _has_keys(self) -> bool:
        """Return whether there is more that tells rows apart than their number, from 0."""
        at = 0
        for part in self.read():
            keys = _keys(part)
            rows = keys.pop("row")
            if keys or not np.array_equal(rows, np.arange(at, at + len(rows))):
                return True
            at += len(rows)
        return False

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.npz"

    def _sound(self) -> int:
        number = 0
        while self._path(number).exists():
            try:
                with zipfile.ZipFile(self._path(number)) as archive:
                    if archive.testzip() is not None:
                        break
            except UNSOUND:
                break
            number += 1
        self._remove(number)
        return number

    def _remove(self, first: int) -> None:
        for path in self.folder.glob("*.npz"):
            if not path.stem.isdigit() or int(path.stem) >= first:
                path.unlink()


def _keys(part: Part) -> dict[str, Array]:
    """Return what tells the rows of a part apart: its arrays after the first."""
    return dict(list(part.arrays.items())[1:])
