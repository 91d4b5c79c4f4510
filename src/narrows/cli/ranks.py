"""Training by several processes: `--processes N` of this machine, or those of a torchrun that starts the command."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from narrows.cli.console import error
from narrows.errors import ConfigError
from narrows.storage.process import launcher

if TYPE_CHECKING:
    from narrows.runs import Run

FLAG = "--processes"
HELP = "Processes that train together, on the cores or GPUs of this machine: narrows train vae --processes 2."
TRAINING = ("train", "resume")
SPEAKS = 10
"""Seconds within which the first process says what is wrong with the settings of all; then torchrun ends the others."""


def start(tokens: Sequence[str], number: str) -> int | None:
    """Train in so many processes, which torchrun starts and watches, and return the exit code; a signal reaches all.

    Where one is enough nothing is started, and None is returned.

    Raises
    ------
    ConfigError
        It is no whole number, or the command does not train.
    """
    if not number.isascii() or not number.isdigit() or not 1 <= int(number) <= 1024:
        raise ConfigError(f"{FLAG} must be a whole number from 1 to 1,024; got {number[:40]!r}.")
    if not tokens or tokens[0] not in TRAINING:
        raise ConfigError(
            f"{FLAG} must go with {' or '.join(TRAINING)}; got {tokens[0] if tokens else 'no command'!r}."
        )
    if int(number) == 1:
        return None
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    logging.disable(logging.ERROR)  # the first process says what went wrong
    try:
        torchrun(["--standalone", "--nproc-per-node", number, "--local-ranks-filter", "0", "-m", "narrows", *tokens])
    except SignalException as stop:
        return 128 + stop.sigval
    except ChildFailedError as failed:
        first = failed.failures.get(0)
        if first is not None and first.exitcode > 0:
            return first.exitcode  # it has said why
        rank, failure = failed.get_first_failure()
        how = failure.signal_name() if failure.exitcode < 0 else f"exit code {failure.exitcode}"
        return error(f"rank {rank} (process {failure.pid}) ended first, by {how}", 1)
    return 0


def rank() -> int:
    """Return the number of this process among those that train together; 0 where it is alone."""
    return int(os.environ.get("RANK", "0")) if int(os.environ.get("WORLD_SIZE", "1")) > 1 else 0


def let_the_first_speak() -> None:
    """Wait, in every process but the first: the first that ends ends all, and only the first process is heard."""
    if rank() > 0:
        time.sleep(SPEAKS)


def restarted() -> bool:
    """Return whether torchrun has started the processes again, because one of them had died."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


@contextlib.contextmanager
def together() -> Iterator[bool]:
    """Train with the processes that torchrun started beside this one, while in here; give whether this is the first."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:  # before torch is imported
        yield True
        return
    from narrows.training.distributed import joined

    with joined() as processes:
        yield processes.rank == 0


def begun(out: str, name: str | None) -> Run | None:
    """Return the run that the same command trained before torchrun started it again; None where there is none."""
    if not restarted():
        return None
    from narrows.runs.listing import runs_in

    runs = [run for run in runs_in(Path(out))[0] if run.record.get("launcher") == launcher()]
    return next((run for run in reversed(runs) if name in (None, run.name)), None)
