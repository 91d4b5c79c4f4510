"""Limits of time that hold on a busy machine: waiting for a processor at which others are does not count."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def waited(pid: int | str) -> float:
    """Return for how many seconds a process was ready and had no processor; 0 where the system does not say."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail unless what is done in here takes less time."""
    begun, before = time.perf_counter(), waited("self")
    yield
    taken, queued = time.perf_counter() - begun, waited("self") - before
    assert taken - queued < seconds, (taken, queued)


def ends_within(process: subprocess.Popen[str], seconds: float) -> str:
    """Wait for the end of a process, and return what it told on standard error; fail if it takes longer."""
    begun, before = time.perf_counter(), waited(process.pid)
    taken = queued = 0.0
    while process.poll() is None and taken - queued < seconds:
        time.sleep(0.02)
        taken, queued = time.perf_counter() - begun, max(queued, waited(process.pid) - before)
    if process.returncode is None:
        killed(process)
        raise AssertionError(f"not ended after {taken:.1f} s, of which it waited for a processor for {queued:.1f} s")
    return process.communicate()[1]


def killed(process: subprocess.Popen[str]) -> None:
    """Leave no process and no open pipe behind."""
    process.kill()
    process.communicate()
