"""Random numbers: independent seeds for each use of the one that the user gave, and draws without any global state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


def seed_of(*parts: int) -> int:
    """Return an independent seed for each use of the one that the user gave."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))


_FUNCTIONS: frozenset[Callable[..., Any]] = frozenset(
    [
        torch.rand, torch.randn, torch.randint, torch.randperm, torch.normal, torch.bernoulli, torch.multinomial,
        torch.Tensor.uniform_, torch.Tensor.normal_, torch.Tensor.bernoulli_, torch.Tensor.exponential_,
        torch.Tensor.random_, torch.Tensor.log_normal_, torch.Tensor.cauchy_, torch.Tensor.geometric_,
        nn.init.uniform_, nn.init.normal_, nn.init.trunc_normal_, nn.init.xavier_uniform_, nn.init.xavier_normal_,
        nn.init.kaiming_uniform_, nn.init.kaiming_normal_, nn.init.orthogonal_, nn.init.sparse_,
    ]
)  # fmt: skip
"""What draws random numbers and takes a generator."""


class Seeded(TorchFunctionMode):
    """While in here, what torch draws in this thread comes from a generator, and not from torch's global one.

    Layers draw their initial weights from the global generator, and offer no other way. Seeding that one would change
    what other threads draw, and theirs would change the weights.

    Parameters
    ----------
    seed
        Of the generator: on the CPU the numbers are those that `torch.manual_seed(seed)` would give.
    device
        Where tensors are drawn.
    """

    def __init__(self, seed: int | None, device: torch.device | str = "cpu") -> None:
        super().__init__()
        self.generator = torch.Generator(device)
        if seed is None:
            self.generator.seed()
        else:
            self.generator.manual_seed(seed)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function of torch, with the generator where it draws."""
        kwargs = kwargs or {}
        if func in _FUNCTIONS and kwargs.get("generator") is None and not _on_meta(args):
            return func(*args, **{**kwargs, "generator": self.generator})
        if func is torch.nn.functional.dropout:
            return self._dropout(*args, **kwargs)
        if func in (torch.rand_like, torch.randn_like):
            draw = torch.rand if func is torch.rand_like else torch.randn
            like = {"dtype": args[0].dtype, "device": args[0].device}
            return draw(args[0].shape, generator=self.generator, **{**like, **kwargs})
        return func(*args, **kwargs)

    def _dropout(self, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        """Return dropout as torch's function does, which takes no generator."""
        if not training or p == 0:
            return input
        keep = torch.rand(input.shape, generator=self.generator).to(input.device) >= p
        return torch.where(keep, input / (1 - p) if p < 1 else input, torch.zeros_like(input))


def _on_meta(args: Any) -> bool:
    return bool(args) and isinstance(args[0], torch.Tensor) and args[0].is_meta
