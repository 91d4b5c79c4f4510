"""The history of a training, read while it grows: only what is new, and the course of the loss in a few numbers."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from narrows.errors import FormatError
from narrows.storage.form import check_form
from narrows.storage.json import parse_json
from narrows.training.report import EPOCH

PART = 2**20
"""Bytes that are read at once."""
POINTS = 40
"""Numbers of a sparkline."""
KEPT = 10 * POINTS
"""Epochs whose losses are kept for a sparkline, at most; of longer histories every second one, every fourth, ..."""


class Part(NamedTuple):
    """What a history holds from a byte on."""

    lines: list[dict[str, Any]]
    """One record per epoch."""
    offset: int
    """Where the next line begins; less than what was asked for where the file was written anew."""
    broken: int
    """Lines that are no record of an epoch."""
    more: bool
    """Whether there is more to read now."""


def read_from(path: Path, offset: int) -> Part:
    """Return the complete lines of a history from a byte on, as far as one reading goes.

    A last line that is only half written is left for the next reading. A file that is not there has no lines.
    """
    data, start, more = _new_bytes(path, offset)
    lines, broken = [], 0
    for line in data.splitlines():
        try:
            epoch = parse_json(line, path)
            check_form(epoch, EPOCH, path, "a line")
            lines.append(epoch)
        except FormatError:
            broken += 1
    return Part(lines, start + len(data), broken, more)


def _new_bytes(path: Path, offset: int) -> tuple[bytes, int, bool]:
    """Return the bytes up to the last end of a line, where they begin, and whether there are more."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = offset if offset <= size else 0
            file.seek(start)
            data = file.read(PART)
            while b"\n" not in data and (rest := file.read(PART)):
                data += rest
    except OSError:
        return b"", 0, False
    return data[: data.rfind(b"\n") + 1], start, start + len(data) < size


class Course:
    """How a training went so far: its last line, and losses for a sparkline. It reads each line once.

    Parameters
    ----------
    path
        Of the history.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last: dict[str, Any] = {}
        """The last sound line."""
        self._offset = self._file = self._lines = 0
        self._stride = 1
        self._losses: list[float] = []

    def refresh(self) -> bool:
        """Read what is new; return whether there was anything."""
        try:
            stat = self.path.stat()
        except OSError:
            stat = None
        size, file = (0, 0) if stat is None else (stat.st_size, stat.st_ino)
        if (file, size) == (self._file, self._offset):
            return False
        before = (self._file, self._offset)
        if file != self._file or size < self._offset:  # written anew, as by a training that was resumed
            self.__init__(self.path)  # type: ignore[misc]
            self._file = file
        more = True
        while more:
            data, start, more = _new_bytes(self.path, self._offset)
            if start != self._offset:
                return True  # written anew meanwhile: the next reading begins at the beginning
            self._add(data)
            self._offset += len(data)
        return (self._file, self._offset) != before

    @property
    def epochs(self) -> int:
        """Lines so far."""
        return self._lines

    @property
    def losses(self) -> list[float]:
        """At most `POINTS` losses from the first epoch to the last: on validation data, if there are any."""
        last = None if (self._lines - 1) % self._stride == 0 else _loss(self.last)  # else it is among them
        known = [*self._losses, *([] if last is None else [last])]
        if len(known) <= POINTS:
            return known
        return [known[round(i * (len(known) - 1) / (POINTS - 1))] for i in range(POINTS)]

    def _add(self, data: bytes) -> None:
        lines = data.splitlines()
        for line in lines:
            if self._lines % self._stride == 0 and (loss := _loss(_parsed(line))) is not None:
                self._losses.append(loss)
                if len(self._losses) > KEPT:
                    self._losses, self._stride = self._losses[::2], 2 * self._stride
            self._lines += 1
        for line in reversed(lines):
            if "epoch" in (epoch := _parsed(line)):
                self.last = epoch
                break


def _parsed(line: bytes) -> dict[str, Any]:
    """Return a line quickly and unchecked; an empty record where it is none."""
    with contextlib.suppress(ValueError, RecursionError):
        value = json.loads(line)
        if isinstance(value, dict):
            return value
    return {}


def _loss(epoch: dict[str, Any]) -> float | None:
    for split in ("validation", "train"):
        if isinstance(means := epoch.get(split), dict):
            loss = means.get("loss")
            return loss if isinstance(loss, float) else None
    return None
