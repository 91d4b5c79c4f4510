"""Whether a model fits into memory, asked before any is taken."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from narrows.data.schema import Schema
from narrows.errors import ConfigError

COPIES = 4
"""Weights, gradients, and the two averages of Adam."""
LIMIT = Path("/sys/fs/cgroup/memory.max")
"""Holds what a container may use."""


def check_memory(estimator: Any, schema: Schema) -> None:
    """Refuse a module whose training needs more memory than the machine has.

    Raises: ConfigError, which says how much that is.
    """
    try:
        with torch.device("meta"):  # shapes alone
            planned = estimator.build(schema)
    except (RuntimeError, TypeError) as error:
        if "overflow" not in str(error).lower():  # its own fault, which it shows when it is built
            return
        count, needed = "more values than can be counted", math.inf
    else:
        tensors = [*planned.parameters(), *planned.buffers()]
        count = f"{sum(t.numel() for t in tensors):,} values"
        needed = COPIES * sum(t.numel() * t.element_size() for t in tensors)
    if needed > (available := _memory()):
        size = "" if math.isinf(needed) else f", which take {needed / 1e9:,.0f} GB in training"
        raise ConfigError(
            f"{type(estimator).__name__}: weights must fit into the memory of this machine, {available / 1e9:,.0f} GB; "
            f"got {count}{size}. Make the network's layers or latent_dim smaller."
        )


def _memory() -> float:
    """Return the bytes of memory that there are, for this container where there is one; infinite where unknown."""
    sizes = [math.inf]
    with suppress(AttributeError, ValueError, OSError):  # not everywhere
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    with suppress(OSError, ValueError):  # no container, or one without a limit: "max"
        sizes.append(float(LIMIT.read_text()))
    return min(sizes)
