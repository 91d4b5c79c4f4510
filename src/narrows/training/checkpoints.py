"""Checkpoints: training that is killed at any moment resumes from the last one, bit for bit.

A checkpoint is a record with its tensors and its history, written as one (see `narrows.storage.record`) and named by
its step. The last two good ones are kept. Nothing in them is executed: they are JSON and safetensors, checked by their
checksums.
"""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from narrows.data.stored import StoredRows, sampled_sha256
from narrows.errors import ConfigError, FormatError, TrainingError
from narrows.storage.form import check_form
from narrows.storage.json import plain
from narrows.storage.lines import read_lines
from narrows.storage.lock import locked
from narrows.storage.record import lines_path, read_record, tensor_path, write_record
from narrows.storage.tensors import read_tensors
from narrows.training import signals
from narrows.training.report import EPOCH
from narrows.training.state import STATE, State, impossible

FORMAT = 2
"""Version of a checkpoint's layout."""
KEPT = 2
"""Good checkpoints that are kept."""
EVERY = "10s"
"""Between two checkpoints by default; see `interval`."""
SHARE = 0.02
"""Of the time that saving may take: slow disks are written to less often."""
UNITS = {"s": 1, "min": 60, "h": 3600}
HARMLESS = ("versions", "threads", "device")
"""What may differ between the parts of a training: the result is then as good, but not the same to the last bit."""

Saved = tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]
"""A state's record, its history included, and its tensors."""


class Checkpoints:
    """Where training saves its state from time to time, and resumes from.

    Parameters
    ----------
    folder
        Of the checkpoints; training resumes from the last good one there, if there is one.
    seconds
        Between two checkpoints, at least: where writing them is slow, they are rarer.
    epochs
        Between two checkpoints, instead of seconds.
    force
        Resume though data, fields or batch size have changed since.
    """

    def __init__(
        self, folder: str | Path, *, seconds: float = 10.0, epochs: int | None = None, force: bool = False
    ) -> None:
        self.folder = Path(folder)
        self.seconds, self.epochs, self.force = seconds, epochs, force
        self.history: list[dict[str, Any]] = []
        """Of the epochs that had ended at the checkpoint resumed from."""
        self.step = 0
        """The step resumed from; 0 for a new training."""
        self.restored: Callable[[State], object] = lambda state: None
        """Called with a state that was set to that of a checkpoint."""
        self._identity: dict[str, Any] = {}
        self._last: Saved | None = None
        self._good: list[Path] = []
        self._due = 0.0

    @contextmanager
    def opened(self, identity: Mapping[str, Any]) -> Iterator[None]:
        """Lock the folder, read the last good checkpoint, and defer SIGINT and SIGTERM, while in here.

        `identity` says what the training is of: model, fields, data, versions.

        Raises
        ------
        TrainingError
            Another process holds the folder, or the checkpoint there is of another training.
        FormatError
            There are checkpoints, and none of them is sound.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder / "lock"), signals.deferred():
            self._identity = plain(identity)
            self._last = self._newest()
            record = {} if self._last is None else self._last[0]
            self.history, self.step = record.get("history", []), record.get("step", 0)
            self._due = time.monotonic() + self.seconds
            yield

    def restore(self, state: State) -> None:
        """Set the state to that of the last good checkpoint, if there is one."""
        if self._last is None:
            return
        record, arrays = self._last
        self._last = None
        try:
            state.restore(record, arrays)
        except (RuntimeError, KeyError, ValueError, TypeError, ArithmeticError) as error:
            raise FormatError(
                f"{self.folder}: must hold checkpoints of this model; the last one does not fit: {error}. Train anew."
            ) from error
        self.restored(state)

    def reached(self, state: State, *, epoch_ended: bool = False) -> None:
        """Save the state if it is time to; stop, once it is saved, if SIGINT or SIGTERM asked for that."""
        if self.epochs is None:
            due = time.monotonic() >= self._due
        else:
            due = epoch_ended and (state.epoch - 1) % self.epochs == 0
        stop = signals.pending()
        if due or stop:
            self.save(state)
        if stop:
            signals.act()

    def save(self, state: State) -> None:
        """Write the state, and remove all but the last two good ones; a state that is not finite is not written.

        Where the disk is full (OSError) or the history too long (FormatError), the checkpoints before are intact.
        """
        if not state.finite():
            return
        started = time.monotonic()
        path = self.folder / f"step-{state.step:012d}.json"
        values = state.record()
        history = values.pop("history")
        record = {"format": FORMAT, "identity": self._identity, "state": values}
        write_record(path, record, state.tensors(), history)
        self._good = [*(good for good in self._good if good != path), path][-KEPT:]
        kept = tuple(good.stem for good in self._good)
        for file in self.folder.glob("*step-*"):
            if not file.name.startswith(kept):  # also what a dead process left unfinished: the lock is ours
                file.unlink()
        now = time.monotonic()
        self._due = now + max(self.seconds, (now - started) / SHARE)

    def _newest(self) -> Saved | None:
        """Return the last sound checkpoint; None where there is none at all."""
        problems = []
        paths = sorted(self.folder.glob("step-*.json"))
        for number, path in reversed(list(enumerate(paths))):
            try:
                saved = self._read(path)
            except FormatError as error:
                problems.append(str(error))
                continue
            for problem in problems:
                warnings.warn(f"{problem} Resuming from the checkpoint before, {path.name}.", stacklevel=2)
            self._good = paths[: number + 1]
            return saved
        if problems:
            raise FormatError(
                f"{self.folder}: must hold a sound checkpoint; none of {len(problems)} is. {problems[0]} "
                "Train into a new folder to start again."
            )
        return None

    def _read(self, path: Path) -> Saved:
        record = read_record(path)
        match record:
            case {"format": int(version), "identity": dict(before), "state": dict(state)} if version == FORMAT:
                check_form(state, STATE, path, "state")
                self._compare(before)
            case _:
                raise FormatError(f"{path}: must be a checkpoint of format {FORMAT}. Train into a new folder.")
        history = read_lines(lines_path(path, record), record["lines"])
        check_form(history, [EPOCH], path, "history")
        tensors = read_tensors(tensor_path(path, record), sha256=record["tensors"])
        if problem := impossible(state, history, tensors):
            raise FormatError(f"{path}: must be a state that training can have; {problem}. The file was changed.")
        return {**state, "history": history}, tensors

    def _compare(self, before: dict[str, Any]) -> None:
        """Refuse to resume another training; warn where the difference is harmless."""
        changed = sorted(
            f"{part}.{name}" if name else part
            for part in before.keys() | self._identity.keys()
            for name in _differences(before.get(part), self._identity.get(part))
        )
        harmless = [name for name in changed if name.split(".")[0] in HARMLESS]
        if serious := [name for name in changed if name not in harmless]:
            changes = self._changes(before, serious)
            if not self.force:
                raise TrainingError(
                    f"{self.folder}: training must resume with what it began with; {changes}. Restore that, train into "
                    "a new folder, or force it."
                )
            warnings.warn(f"Resuming though it changed: {changes}.", stacklevel=2)
        if harmless:
            changes = self._changes(before, harmless)
            warnings.warn(f"Last digits may differ from an uninterrupted training: {changes}.", stacklevel=2)

    def _changes(self, before: Mapping[str, Any], names: list[str]) -> str:
        return "; ".join(f"{name} was {_at(before, name)!r} and is {_at(self._identity, name)!r}" for name in names)


def interval(text: str) -> dict[str, Any]:
    """Return the options of `Checkpoints` that "30s", "5min", "1h" or "2 epochs" ask for.

    Raises
    ------
    ConfigError
        It is none of these.

    Examples
    --------
    >>> interval("5min"), interval("1 epoch")
    ({'seconds': 300.0}, {'epochs': 1})
    """
    match re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(s|min|h|epochs?)", text):
        case re.Match() as match if (unit := match[2]) in UNITS:
            return {"seconds": float(match[1]) * UNITS[unit]}
        case re.Match() as match if match[1].isdigit() and int(match[1]):
            return {"epochs": int(match[1])}
    raise ConfigError(
        f"train: checkpoint_every must be a time or a number of epochs; got {text!r}. Write 30s, 5min, 1h or 2 epochs."
    )


def fingerprint(X: np.ndarray[Any, Any] | StoredRows) -> dict[str, Any]:
    """Return what identifies data: shape, type, and a checksum of their bytes.

    Of data beyond 256 MB, rows at equal distances are read; of stored rows, none.
    """
    if isinstance(X, StoredRows):
        return {"shape": list(X.shape), "dtype": str(X.dtype), "sha256": X.identity}
    return {"shape": list(X.shape), "dtype": str(X.dtype), "sha256": sampled_sha256(X)}


def _differences(a: Any, b: Any) -> list[str]:
    """Return the keys at which two objects differ; [""] where they are not objects and differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        return [key for key in a.keys() | b.keys() if a.get(key) != b.get(key)]
    return [] if a == b else [""]


def _at(identity: Mapping[str, Any], name: str) -> Any:
    part, _, key = name.partition(".")
    return (identity.get(part) or {}).get(key) if key else identity.get(part)
