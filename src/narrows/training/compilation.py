"""The loss as one compiled function, where what it saves over the rest of training repays the compiler's time."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from narrows.losses import Batch, Loss
from narrows.modules import Module

__all__ = ["COMPILE", "MEASURED", "CompiledLoss", "repays"]

COMPILE = ("auto", "on", "off")
MEASURED = 2.0
"""Seconds of training from which "auto" estimates the rest, once."""
GAIN, COST = 0.15, 30.0
"""The share of a step that is saved at the least, and the seconds that compiling takes at the most, on two cores."""
BACKEND = "inductor"

Losses = tuple[dict[str, Tensor], dict[str, Tensor]]
Call = tuple[Callable[..., Tensor], tuple[Any, ...], dict[str, Any]]


def repays(module: nn.Module, seconds: float) -> bool:
    """Tell whether compiling repays itself in training that would go on for so many seconds.

    Only layers that torch does not already run as one call gain: convolutions and recurrent layers lose.
    """
    slow = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.RNNBase)
    return GAIN * seconds > COST and not any(isinstance(layer, slow) for layer in module.modules())


class CompiledLoss:
    """`module.loss`, compiled for batches of the first one's shape; others, and what cannot be compiled, go as ever.

    What the module draws from the batch's generator is drawn before, in the same order: a compiler sees no generators.
    """

    def __init__(self, module: Module) -> None:
        self.module = module
        self._draws: list[Call] | None = None
        """What the first batch was seen to draw."""
        self._shape = torch.Size()
        self._function: Callable[..., Losses] | None = None

    def __call__(self, batch: Batch) -> Loss:
        """Return `module.loss(batch)`, up to rounding."""
        if self._draws is None:
            with _Watched(batch.rng) as seen:
                loss = self.module.loss(batch)
            # What is drawn by a tensor's values cannot be drawn before them.
            tensors = any(isinstance(v, Tensor) for _, args, options in seen.calls for v in (*args, *options.values()))
            self._draws, self._shape = seen.calls, batch.x.shape
            if not tensors:
                self._function = torch.compile(self._losses, backend=BACKEND)
            return loss
        if self._function is None or batch.x.shape != self._shape:
            return self.module.loss(batch)
        before = batch.rng.get_state()
        noise = [draw(*args, **options) for draw, args, options in self._draws]
        try:
            return Loss(*self._function(batch, noise))
        except Exception as error:  # a compiler that is missing or gives up, in one of many ways
            self._function = None
            warnings.warn(
                f"compiling failed, and training goes on without: {str(error).strip().splitlines()[0]}. compile='off' "
                "does not try.", stacklevel=2,
            )  # fmt: skip
            batch.rng.set_state(before)
            return self.module.loss(batch)

    def _losses(self, batch: Batch, noise: Sequence[Tensor]) -> Losses:
        with _Drawn(noise):
            loss = self.module.loss(batch)
        return loss.terms, loss.metrics


class _Watched(TorchFunctionMode):
    """Writes down what is drawn from a generator."""

    def __init__(self, rng: torch.Generator) -> None:
        super().__init__()
        self.rng = rng
        self.calls: list[Call] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if kwargs.get("generator") is self.rng:
            self.calls.append((func, args, kwargs))
        return func(*args, **kwargs)


class _Drawn(TorchFunctionMode):
    """Hands out what was drawn before."""

    def __init__(self, noise: Sequence[Tensor]) -> None:
        super().__init__()
        self.noise = list(noise)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        return self.noise.pop(0) if kwargs.get("generator") is not None else func(*args, **kwargs)
