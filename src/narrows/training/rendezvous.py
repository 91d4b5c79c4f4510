"""How the processes of one training find one another, also where torchrun has started them again."""

from __future__ import annotations

import time
import uuid
from datetime import timedelta
from typing import Any

from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from narrows.errors import TrainingError

PATIENCE = 300.0
"""Seconds that processes wait for one another."""
PAUSE = 0.05
"""Seconds between two looks."""


def met() -> tuple[Any, int, int]:
    """Return the store through which these processes speak, the number of this one, and how many they are.

    torchrun keeps its store when it starts the processes again, and with it the addresses of those that have ended:
    all keys of the new ones get a name of their own before them. The first process chooses it and gives it to
    every other one under a name that this one has made up itself, so that no answer is of an earlier time.

    Raises: TrainingError where a process does not come.
    """
    store, rank, size = next(iter(rendezvous("env://", timeout=timedelta(seconds=PATIENCE))))
    own = uuid.uuid4().hex
    if rank:
        store.set(f"narrows/here/{rank}", own)
        try:
            chosen = store.get(f"narrows/met/{rank}/{own}").decode()
        except RuntimeError as error:
            raise TrainingError(f"rank {rank} must reach rank 0; it did not answer within {PATIENCE:g} s.") from error
        store.set(f"narrows/{chosen}/{rank}", "")
    else:
        chosen = own
        _welcome(store, size, chosen)
    return PrefixStore(chosen, store), rank, size


def _welcome(store: Any, size: int, chosen: str) -> None:
    """Give the name to all others; what one has said that has ended since is answered too, and brings no reply."""
    missing, answered, until = set(range(1, size)), set(), time.monotonic() + PATIENCE
    while missing:
        for other in missing:
            if store.check([f"narrows/here/{other}"]):
                said = store.get(f"narrows/here/{other}").decode()
                if said not in answered:
                    answered.add(said)
                    store.set(f"narrows/met/{other}/{said}", chosen)
        missing = {other for other in missing if not store.check([f"narrows/{chosen}/{other}"])}
        if missing and time.monotonic() > until:
            raise TrainingError(
                f"rank 0 must reach all ranks; {', '.join(map(str, sorted(missing)))} did not come in {PATIENCE:g} s."
            )
        time.sleep(PAUSE if missing else 0)
