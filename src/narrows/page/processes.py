"""Trainings as processes of their own: started, found again by the record of their run, and stopped.

What is started here goes on when the page is closed or the server ends. What it prints goes to a file, whose last lines
say why it ended where it did before it had a run to write that in.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from narrows.cli.plugins import plugin_flags
from narrows.errors import ConfigError, TrainingError
from narrows.page.watch import Watch
from narrows.runs import Run
from narrows.storage.lock import is_held, lock_of
from narrows.storage.process import is_alive

PATIENCE = 60.0
"""Seconds until a training begins: data may be read or fetched first."""
PAUSE = 0.05
CLEANED = re.compile(r"^error: ", re.MULTILINE)


class Started:
    """A training that the page has started.

    Parameters
    ----------
    arguments
        Of `narrows`.
    place
        The folder that it runs in, from which relative paths of data are found.
    """

    def __init__(self, arguments: Sequence[str], place: Path | None = None) -> None:
        written, path = tempfile.mkstemp(prefix="narrows-", suffix=".log")
        self._log = open(path, "rb")  # noqa: SIM115
        self._text = ""
        try:
            self.process = subprocess.Popen(  # noqa: S603 - a list of arguments: no shell reads it
                [sys.executable, "-m", "narrows", *plugin_flags(), *arguments], cwd=place, stdin=subprocess.DEVNULL,
                stdout=written, stderr=subprocess.STDOUT, start_new_session=True, env={**os.environ, "COLUMNS": "1000"},
            )  # fmt: skip
        finally:
            os.close(written)
            with contextlib.suppress(OSError):  # nothing is left of it, however either process ends; not on Windows
                os.unlink(path)

    @property
    def failure(self) -> str:
        """Why it ended, where it did so with an error; empty while it runs."""
        code = self.process.poll()
        return "" if code in (None, 0, 130, 143) else self.message or f"It ended with the code {code}."

    @property
    def message(self) -> str:
        """The error that it printed, or else its last line."""
        with contextlib.suppress(ValueError):  # closed by another thread: what was read last holds
            size = os.fstat(self._log.fileno()).st_size
            self._log.seek(max(0, size - 20_000))
            self._text = self._log.read(20_000).decode(errors="replace").strip()
        text = self._text
        errors = CLEANED.split(text)
        return (errors[-1] if len(errors) > 1 else text.rpartition("\n")[2]).strip()

    def let_go(self) -> None:
        """Close what it printed, of which the end is kept, and wait for it no more; it goes on."""
        _ = self.message
        self._log.close()
        if self.process.poll() is None:
            self.process.returncode = 0  # else Python warns of it

    def wait_for(self, begun: Callable[[], bool]) -> None:
        """Wait until its training has begun; ConfigError with its sentence where it ends before that."""
        until = time.monotonic() + PATIENCE
        while not begun():
            if self.process.poll() is not None:
                if begun() or self.process.returncode == 0:
                    return
                raise ConfigError(self.message or "The training ended before it began, without a word why.")
            if time.monotonic() > until:
                return  # data are still read or fetched: the page hears of it once it begins
            time.sleep(PAUSE)


class Trainings:
    """The trainings that the page has started.

    Parameters
    ----------
    watch
        The runs, whose problems tell which of these trainings failed without a run that says so.
    """

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self._started: dict[str, tuple[str, Started]] = {}
        self._lock = threading.Lock()

    def start(self, name: str, what: str, arguments: Sequence[str], place: Path | None = None) -> Started:
        """Start one, of the run of a name; `what` is what it does."""
        started = Started(arguments, place)
        with self._lock:
            if name in self._started:
                self._started[name][1].let_go()
            self._started[name] = what, started
            self.watch.notes.pop(name, None)
        return started

    def refresh(self) -> None:
        """See which have ended, and how."""
        with self._lock:
            for name, (what, started) in list(self._started.items()):
                if started.process.poll() is None:
                    continue
                there = (self.watch.folder / name / "run.json").exists()
                if started.failure and (what == "resume" or not there):
                    self.watch.notes[name] = f"{what} {name}: {started.failure}"
                started.let_go()
                del self._started[name]

    def close(self) -> None:
        """Let go of all, which go on."""
        with self._lock:
            for _, started in self._started.values():
                started.let_go()
            self._started.clear()


def stop(run: Run) -> None:
    """Ask the process that trains a run to stop, as Ctrl-C does: what was learned is kept.

    Raises: TrainingError where no process of this machine is at it, or it is not known which.
    """
    process = run.record.get("process")
    if run.record["status"] != "running" or process is None or is_held(lock_of(run.folder)) is False:
        raise TrainingError(f"stop: {run.folder.name} must be running; it is {run.status}. There is nothing to stop.")
    if is_alive(process) is not True or process["began"] is None:
        raise TrainingError(
            f"stop: {run.folder.name} must be trained by a process of this machine that the page can tell from others; "
            f"it is process {process['pid']} on {process['host']}. Stop it there, by Ctrl-C."
        )
    _signal(process["pid"], process)


def _signal(pid: int, process: dict[str, object]) -> None:
    """Send what Ctrl-C sends, or SIGTERM to a process that does not hear that, such as one begun in the background."""
    number = signal.SIGTERM if _ignores(pid, signal.SIGINT) else signal.SIGINT
    with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
        if sys.platform == "linux":
            handle = os.pidfd_open(pid)  # the number may be given anew between the look and the signal, the handle not
            try:
                if is_alive(process):
                    signal.pidfd_send_signal(handle, number)
            finally:
                os.close(handle)
        else:
            os.kill(pid, number)


def _ignores(pid: int, number: int) -> bool:
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        mask = next(line.split()[1] for line in lines if line.startswith("SigIgn:"))
        return bool(int(mask, 16) >> (number - 1) & 1)
    return False
