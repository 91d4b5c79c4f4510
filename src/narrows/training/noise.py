"""What a step draws from its batch's generator: seen, drawn before the step, and handed in.

Modules know nothing of it: they draw from `batch.rng`, and a mode of torch stands between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

__all__ = ["Drawing", "EachDraws", "HandsOut", "OtherDrawsError", "Watches", "by_values", "drawn", "drawn_by_each"]

Drawing = tuple[Callable[..., Tensor], tuple[Any, ...], dict[str, Any]]
"""A call that draws: the function, and what it is given besides the generator."""


def drawn(drawing: Drawing, rng: torch.Generator) -> Tensor:
    """Return what a call draws from a generator."""
    func, args, rest = drawing
    return func(*args, **rest, generator=rng)


def drawn_by_each(drawing: Drawing, own: Sequence[torch.Generator]) -> Tensor:
    """Return what a call draws from every generator: (generators, ...)."""
    return torch.stack([drawn(drawing, rng) for rng in own])


def by_values(drawing: Drawing) -> bool:
    """Tell whether what is drawn depends on a tensor, and so cannot be drawn before it."""
    _, args, rest = drawing
    return any(isinstance(value, Tensor) for value in (*args, *rest.values()))


class _Draws(TorchFunctionMode):
    """Takes over every call that draws from a generator."""

    def __init__(self, rng: torch.Generator) -> None:
        super().__init__()
        self.rng = rng

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not kwargs or kwargs.get("generator") is not self.rng:
            return func(*args, **(kwargs or {}))
        return self._answer((func, args, {name: value for name, value in kwargs.items() if name != "generator"}))

    def _answer(self, drawing: Drawing) -> Tensor:
        raise NotImplementedError


class Watches(_Draws):
    """Writes down what is drawn."""

    def __init__(self, rng: torch.Generator) -> None:
        super().__init__(rng)
        self.drawn: list[Drawing] = []

    def _answer(self, drawing: Drawing) -> Tensor:
        self.drawn.append(drawing)
        return drawn(drawing, self.rng)


class HandsOut(_Draws):
    """Hands out what was drawn before, in order."""

    def __init__(self, rng: torch.Generator, noise: Sequence[Tensor]) -> None:
        super().__init__(rng)
        self.noise = list(noise)

    def _answer(self, drawing: Drawing) -> Tensor:
        return self.noise.pop(0)


class OtherDrawsError(Exception):
    """A step draws something else than the one before it."""


class EachDraws(_Draws):
    """Within vmap, whatever is drawn from the batch's generator is drawn from the generator of each model.

    What is drawn is written down; `given` that and the noise, it is handed out: to draw within vmap takes a tenth of
    a step.
    """

    def __init__(
        self, rng: torch.Generator, index: Tensor, own: Sequence[torch.Generator],
        given: tuple[list[Drawing], Sequence[Tensor]] | None,
    ) -> None:  # fmt: skip
        super().__init__(rng)
        self.index, self.own, self.given = index, own, given
        self.drawn: list[Drawing] = []

    def _answer(self, drawing: Drawing) -> Tensor:
        if by_values(drawing):
            raise NotImplementedError(f"{drawing[0].__name__} draws by a tensor, which differs between models")
        self.drawn.append(drawing)
        if self.given is not None:
            expected, noise = self.given
            if self.drawn != expected[: len(self.drawn)]:
                raise OtherDrawsError
            return noise[len(self.drawn) - 1]
        return _Draw.apply(self.index, lambda: drawn_by_each(drawing, self.own))  # type: ignore[no-untyped-call]


class _Draw(torch.autograd.Function):
    """Noise within vmap: `draw()` makes that of all models, (models, ...), and each sees its own."""

    @staticmethod
    def forward(index: Tensor, draw: Callable[[], Tensor]) -> Tensor:
        raise NotImplementedError  # there is no noise for one model alone

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep nothing: noise has no gradient."""

    @staticmethod
    def vmap(info: Any, in_dims: Any, index: Tensor, draw: Callable[[], Tensor]) -> tuple[Tensor, int]:
        return draw(), 0
