"""Where a module is trained and used."""

from __future__ import annotations

import torch

from narrows.errors import ConfigError


def device_of(name: str, *, strict: bool = True) -> torch.device:
    """Return the device that a name stands for; auto is CUDA, Apple's, or the CPU, whichever there is first.

    Raises: ConfigError where the machine has none of that name, and `strict`; else the CPU is returned.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, usable in there.items() if usable)
    if not there[name]:
        if not strict:
            return torch.device("cpu")
        usable = ", ".join(repr(kind) for kind, usable in there.items() if usable)
        raise ConfigError(f"device must be one that this machine has ({usable}); got {name!r}. Use 'auto'.")
    return torch.device(name)
