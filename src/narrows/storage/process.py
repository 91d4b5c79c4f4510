"""Which process something is: its number, its machine, and when it began, since numbers are given anew."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FORM = {"pid": int, "host": str, "began": str | None}
"""The form of what `this_process` returns in files."""


def this_process() -> dict[str, Any]:
    """Return what tells this process from all others: fit for JSON."""
    return {"pid": os.getpid(), "host": platform.node(), "began": _began(os.getpid())}


def launcher() -> str | None:
    """Return what tells the torchrun that started this process from all others; None where none did.

    It stays the same when torchrun starts its processes again.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return None
    name = os.environ["TORCHELASTIC_RUN_ID"]
    if name != "none":  # what torchrun says where it was given no id
        return f"torchrun {name}"
    parent = os.getppid()
    return f"torchrun, process {parent} on {platform.node()}, {_began(parent)}"


def is_alive(process: Mapping[str, Any]) -> bool | None:
    """Return whether a process lives, by what `this_process` said in it; None where it cannot be known from here."""
    if process["host"] != platform.node() or sys.platform == "win32":  # there, to ask is to send a signal
        return None
    pid, began = process["pid"], process["began"]
    try:
        if pid < 1:
            return False
        os.kill(pid, 0)
    except PermissionError:
        pass
    except (OSError, OverflowError):
        return False
    return not _ended(pid) and (began is None or _began(pid) in (began, None))


def _ended(pid: int) -> bool:
    """Return whether a process has ended, and its parent has not asked how: its number is still taken."""
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] in ("Z", "X")
    return False


def _began(pid: int) -> str | None:
    """Return when a process began, as its system says it; None where it does not."""
    with contextlib.suppress(OSError, IndexError):
        ticks = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[19]
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}:{ticks}"
    return None
