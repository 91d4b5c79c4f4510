"""The runs of a folder, kept up to date: only what changed is read again."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from narrows.errors import FormatError
from narrows.page.history import Course
from narrows.page.rows import detail_of, row_of
from narrows.runs import Run

Stamp = tuple[int, ...]


class Change(NamedTuple):
    """What changed since a version of the list."""

    version: int
    changed: list[dict[str, Any]]
    """Rows, newest first."""
    gone: list[str]
    problems: list[str] | None
    """All sentences on what could not be read, where they changed."""


@dataclass
class Entry:
    """A run that is known."""

    course: Course
    stamp: Stamp = ()
    """Of run.json when it was read."""
    run: Run | None = None
    problem: str = ""
    row: dict[str, Any] = field(default_factory=dict)
    version: int = 0
    """Of the list when the row changed last."""

    @property
    def active(self) -> bool:
        """Whether it is being trained, as far as its record tells."""
        return self.run is not None and self.run.record["status"] == "running"


class Watch:
    """The runs in a folder. Any thread may ask.

    Parameters
    ----------
    folder
        That holds runs; it need not exist.
    only
        The name of the only run to show, or None for all.
    """

    def __init__(self, folder: Path, only: str | None = None) -> None:
        self.folder, self.only = folder, only
        self.notes: dict[str, str] = {}
        """Sentences of other parts of the page that are shown with the problems, by what they are about."""
        self._entries: dict[str, Entry] = {}
        self._gone: dict[str, int] = {}
        self._problems: list[str] = []
        self._problems_version = self._version = 1
        self._lock = threading.Lock()

    def refresh(self, *, all_: bool = True) -> int:
        """Look at the folder, or else only at the runs that are being trained; return the version of the list."""
        with self._lock:
            stamps = self._look() if all_ else {}
            for name, entry in self._entries.items():
                if entry.active or (name in stamps and stamps[name] != entry.stamp):
                    self._update(name, entry)
            problems = [*sorted(e.problem for e in self._entries.values() if e.problem), *self.notes.values()]
            if problems != self._problems:
                self._problems = problems
                self._version += 1
                self._problems_version = self._version
            return self._version

    def since(self, version: int) -> Change:
        """Return what changed since a version; 0 for everything."""
        with self._lock:
            rows = [entry.row for entry in self._entries.values() if entry.row and entry.version > version]
            rows.sort(key=lambda row: (row["started"], row["name"]), reverse=True)
            gone = [name for name, at in self._gone.items() if at > version > 0]
            problems = self._problems if self._problems_version > version or not version else None
            return Change(self._version, rows, gone, problems)

    def names(self) -> list[str]:
        """Return the names of all runs, whether they can be read or not, in no order."""
        try:
            names = os.listdir(self.folder)
        except OSError:
            return []  # the folder is not there yet, or no more
        return [name for name in names if not name.startswith(".") and self.only in (None, name)]

    def folder_of(self, name: str) -> Path | None:
        """Return the folder of a run, looked up among those that are there; None where there is none of that name."""
        folder = next((self.folder / known for known in self.names() if known == name), None)
        return folder if folder is not None and (folder / "run.json").exists() else None

    def run(self, name: str) -> Run | None:
        """Return a run as its record is now; None where there is none of that name."""
        folder = self.folder_of(name)
        try:
            return None if folder is None else Run(folder)
        except FormatError:  # it was removed, or broken, a moment ago
            return None

    def known(self, name: str) -> tuple[Run, int] | None:
        """Return a run as it was when it was last looked at, and how many epochs it had."""
        entry = self._entries.get(name)
        if entry is not None and entry.run is not None:
            return entry.run, entry.course.epochs
        run = self.run(name)
        if run is None:
            return None
        course = Course(run.folder / "metrics.jsonl")
        course.refresh()
        return run, course.epochs

    def detail(self, name: str) -> dict[str, Any] | None:
        """Return all that is known of a run; None where there is none of that name."""
        run = self.run(name)
        if run is None:
            return None
        with self._lock:
            entry = self._entries.get(name)
            course = Course(run.folder / "metrics.jsonl") if entry is None else entry.course
            course.refresh()
            return detail_of(run, course)

    def _look(self) -> dict[str, Stamp]:
        """Find runs that are new, and those that are gone; return the stamps of those that are there."""
        stamps = {name: stamp for name in self.names() if (stamp := self._stamp(name))}
        for name in self._entries.keys() - stamps.keys():
            del self._entries[name]
            self._version += 1
            self._gone[name] = self._version
        for name in stamps.keys() - self._entries.keys():
            self._entries[name] = Entry(Course(self.folder / name / "metrics.jsonl"))
            self._gone.pop(name, None)
        return stamps

    def _stamp(self, name: str) -> Stamp:
        """Return what tells a state of a run's record from all others; empty where there is no record."""
        try:
            stat = os.stat(f"{self.folder}/{name}/run.json")
        except OSError:
            return ()
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def _update(self, name: str, entry: Entry) -> None:
        """Read what changed of a run."""
        stamp = self._stamp(name)
        if not stamp:
            return  # it is being removed: the next look tells
        read = stamp != entry.stamp
        if read:
            entry.stamp = stamp
            try:
                name.encode()
                entry.run, entry.problem = Run(self.folder / name), ""
                self._gone.pop(name, None)
            except FormatError as error:
                entry.run, entry.problem = None, str(error)
            except UnicodeEncodeError:
                entry.run, entry.problem = None, f"{name!r}: a run's name must be text. Rename its folder."
        if entry.run is None:
            if entry.row:
                self._gone_since(name, entry)
            return
        if entry.course.refresh() or read or entry.active:
            try:
                row = row_of(entry.run, entry.course)
            except Exception as error:  # of a record whose form is right and whose content is not
                entry.problem = f"{name}: must hold a run that can be shown; {type(error).__name__}: {error}."
                row = {}
            if row != entry.row and not row:
                self._gone_since(name, entry)
            elif row != entry.row:
                self._version += 1
                entry.row, entry.version = row, self._version

    def _gone_since(self, name: str, entry: Entry) -> None:
        """Note that a run can be shown no more."""
        entry.row = {}
        self._version += 1
        self._gone[name] = self._version
