"""The loss as one compiled function, by `torch.compile`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from narrows.module import Batch, Loss, Module


def compiled(module: Module) -> Callable[[Batch, str], Loss]:
    """Return the module's loss, compiled for the shape of the batches; noise is drawn between the compiled parts.

    The first step takes the compiler some 20 seconds. What changes from step to step enters as a tensor: a number in
    Python would be compiled in.
    """
    if not hasattr(Batch.randn, "_torchdynamo_disable"):  # here, since to import the compiler takes seconds
        Batch.randn = torch.compiler.disable(Batch.randn)  # type: ignore[method-assign]
    function: Any = torch.compile(module.loss, dynamic=False)
    shape: list[torch.Size] = []

    def loss(batch: Batch, phase: str) -> Loss:
        if not shape:
            shape.append(batch.x.shape)
        if batch.x.shape != shape[0]:  # an epoch's last batch is not worth the compiler's time
            return module.loss(batch, phase)
        batch.progress = torch.as_tensor(batch.progress, dtype=torch.float32, device=batch.x.device)
        result: Loss = function(batch, phase)
        return result

    return loss
