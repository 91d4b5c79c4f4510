"""A disk that fails at a chosen operation, and forgets at a power cut what was not flushed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

OPERATIONS = ("open", "write", "fsync", "close", "replace", "unlink")


class PowerCut(BaseException):
    """The process is gone: nothing that it does afterwards has an effect."""


class Disk:
    """Counts the file operations below a folder, and fails at number `fail_at` of them (from 1; 0 for never).

    Parameters
    ----------
    folder
        What is watched.
    fail_at
        Number of the operation.
    error
        What that one operation raises; with `PowerCut`, all that come after it raise it too.
    done
        Share of the failing operation that still happens: 0, 0.5 (of the bytes of a write) or 1.
    """

    def __init__(self, folder: Path, fail_at: int = 0, error: BaseException | None = None, done: float = 0) -> None:
        self.folder, self.fail_at, self.error, self.done = folder, fail_at, error or PowerCut(), done
        self.names: list[str] = []
        self.real = {name: getattr(os, name) for name in OPERATIONS}
        self.files: dict[int, str] = {}  # descriptor -> path
        self.dirty: set[str] = set()  # written, not flushed
        self.renames: list[tuple[str, str, bytes | None]] = []  # not flushed: from, to, what was there

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Stand between Python and the disk."""
        with pytest.MonkeyPatch.context() as patch:
            for name in OPERATIONS:
                patch.setattr(os, name, self._wrapper(name))
            yield

    def _wrapper(self, name: str) -> Callable[..., Any]:
        def operation(*args: Any, **kwargs: Any) -> Any:
            path = self.files.get(args[0], "") if isinstance(args[0], int) else os.fspath(args[0])
            if not str(path).startswith(str(self.folder)):
                return self.real[name](*args, **kwargs)
            self.names.append(name)
            number = len(self.names)
            if self.fail_at and number == self.fail_at:
                if name == "write" and self.done:
                    self._do(name, path, (args[0], bytes(args[1])[: max(1, int(len(args[1]) * self.done))]), kwargs)
                elif self.done == 1:
                    self._do(name, path, args, kwargs)
                raise self.error
            if self.fail_at and number > self.fail_at and isinstance(self.error, PowerCut):
                raise self.error
            return self._do(name, path, args, kwargs)

        return operation

    def _do(self, name: str, path: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        path = str(path)
        if name == "replace":
            target = Path(args[1])
            self.renames.append((path, str(target), target.read_bytes() if target.exists() else None))
            if path in self.dirty:
                self.dirty.remove(path)
                self.dirty.add(str(target))
        result = self.real[name](*args, **kwargs)
        if name == "open":
            self.files[result] = path
        elif name == "write":
            self.dirty.add(path)
        elif name == "fsync":
            self.dirty.discard(path)
            self.renames = [rename for rename in self.renames if str(Path(rename[1]).parent) != path]
        elif name == "close":
            self.files.pop(args[0])
        elif name == "unlink":
            self.dirty.discard(path)
        return result

    def forget(self, renames: bool) -> None:
        """Lose what was not flushed: the contents of files, and with `renames` the new names too; removals stay."""
        if renames:
            for source, target, before in reversed(self.renames):
                moved = Path(target)
                if not moved.exists():
                    continue
                Path(source).write_bytes(moved.read_bytes())
                moved.unlink() if before is None else moved.write_bytes(before)
                if target in self.dirty:
                    self.dirty.remove(target)
                    self.dirty.add(source)
        for path in self.dirty:
            if os.path.exists(path):
                Path(path).write_bytes(b"")
