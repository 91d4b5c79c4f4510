"""`--processes N`: training by so many processes of this machine, which torchrun starts and watches."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from narrows.errors import ConfigError

FLAG = "--processes"
HELP = "Processes that train together, on the cores or GPUs of this machine: narrows train vae --processes 2."
TRAINING = ("train", "resume")


def start(tokens: Sequence[str], number: str) -> None:
    """Become torchrun, which starts the command in so many processes; return where one is enough.

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
        return
    run = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", number, "--local-ranks-filter", "0"]
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *run, "-m", "narrows", *tokens])  # noqa: S606


def rank() -> int:
    """Return the number of this process among those that train together; 0 where it is alone."""
    return int(os.environ.get("RANK", "0")) if int(os.environ.get("WORLD_SIZE", "1")) > 1 else 0
