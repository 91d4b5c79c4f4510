"""How much memory a process has taken, and how much more it took since."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from pathlib import Path


def peak_mb() -> float:
    """Return the most memory that this process has had; its own: ru_maxrss begins at its parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def fresh_peak() -> float:
    """Forget what the peak was, where the system lets one, and return the memory in use, from which growth counts."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20 if statm.exists() else peak_mb()
