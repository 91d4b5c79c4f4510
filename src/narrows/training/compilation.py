"""The loss as one compiled function, by `torch.compile`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from narrows.module import Batch, Loss, Module

__all__ = ["compiled"]


def compiled(module: Module) -> Callable[[Batch, str], Loss]:
    """Return the module's loss, compiled for the shape of the batches; noise is drawn between compiled parts."""
    function: Any = torch.compile(module.loss, dynamic=False)
    return function
