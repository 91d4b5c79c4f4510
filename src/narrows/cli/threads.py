"""`--threads N`: how many threads a command may use, and a hint where fewer would be faster."""

from __future__ import annotations

import os
import sys

from narrows.errors import ConfigError

FLAG = "--threads"
HELP = "Threads that a command may use: narrows train vae --threads 1; one is often fastest on a busy machine."
MOST = 1024
VARIABLE = "OMP_NUM_THREADS"


def set_threads(text: str) -> None:
    """Limit torch's and numpy's threads in this process.

    Raises
    ------
    ConfigError
        It is no whole number from 1 to 1,024.
    """
    if not text.isascii() or not text.isdigit() or len(text) > len(str(MOST)) or not 1 <= int(text) <= MOST:
        raise ConfigError(f"{FLAG} must be a whole number from 1 to {MOST:,}; got {text[:40]!r}.")
    os.environ[VARIABLE] = text  # read when torch and numpy are imported
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(int(text))


def busy() -> str:
    """Return a hint where other processes keep all cores busy, so that threads wait for one another; else nothing."""
    cores = os.cpu_count() or 1
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load <= cores or os.environ.get(VARIABLE) == "1":
        return ""
    return f"{load:.1f} processes share {cores} cores: {FLAG} 1 may be faster"
