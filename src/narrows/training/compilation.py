"""Loss and gradients as one compiled function, where what it saves over the rest of training repays the compiler."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from narrows.losses import Batch, Loss
from narrows.modules import Module
from narrows.training.gradients import Found, Gradients, objective, total
from narrows.training.noise import Drawing, HandsOut, Watches, by_values, drawn

__all__ = ["COMPILE", "MEASURED", "CompiledGradients"]

COMPILE = ("auto", "on", "off")
MEASURED = 2.0
"""Seconds of training from which "auto" estimates the rest, once."""
GAIN, COST = 0.45, 10.0
"""The share of what is not products that is saved, and the seconds that compiling takes, as measured on two cores."""
SLOW = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.RNNBase)
"""Layers that torch runs as one call, and that lose by being taken apart."""


class CompiledGradients(Gradients):
    """Likewise, by one function that is compiled for batches of the first one's shape; others go as ever.

    The module's Python runs once: what it did to tensors then, forward and backward, is what is compiled. So any
    module can be, and no part of a step is left to be looked up while it runs. What may differ from step to step is
    handed in: weights, buffers, samples, progress, and the noise, which is drawn before, in the same order. What
    Python decides by the values of those cannot be compiled; then training goes on without.
    """

    def __init__(self, module: Module, products: torch.autocast) -> None:
        super().__init__(module, products)
        self._draws: list[Drawing] | None = None
        """What the first batch was seen to draw."""
        self._shape = torch.Size()
        self._function: Callable[..., Sequence[Tensor]] | None = None
        self._works = False
        """Whether it has been compiled, and has run."""
        self._state = {f"module.{name}": t for name, t in (*module.named_parameters(), *module.named_buffers())}
        self._trained: list[nn.Parameter] = []
        """Those that the objective depends on."""
        self._names: tuple[str, ...] = ()
        self._n_terms = 0

    def repay(self, seconds: float, rows: int, steps: int) -> bool:
        """Tell whether compiling repays itself within so many steps, each of so many seconds and rows."""
        return not any(isinstance(layer, SLOW) for layer in self.module.modules()) and (
            GAIN * (seconds - self._products(rows)) * steps > COST
        )

    def _products(self, rows: int) -> float:
        """Return what a step's products with weights take, in seconds: one forward and two backward, not saved."""
        taken = 0.0
        with self.products:
            lower = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None
        for weight in (p.detach().to(lower) for p in self.parameters if p.dim() == 2 and p.device.type == "cpu"):
            x, tries = weight.new_ones(rows, weight.shape[1]), []
            for _ in range(5):
                begun = time.perf_counter()
                x @ weight.T
                tries.append(time.perf_counter() - begun)
            taken += 3 * min(tries)
        return taken

    def __call__(self, batch: Batch) -> Found:
        """Do what `eager` does, up to rounding."""
        if self._draws is None:
            with Watches(batch.rng) as seen:
                found = self.eager(batch)
            self._draws, self._shape = seen.drawn, batch.x.shape
            if not any(map(by_values, seen.drawn)):
                self._function = self._compiled
            return found
        if self._function is None or batch.x.shape != self._shape:
            return self.eager(batch)
        before = None if self._works else batch.rng.get_state()
        noise = [drawn(drawing, batch.rng) for drawing in self._draws]
        double = torch.float32 if batch.x.device.type == "mps" else torch.float64  # which that device lacks
        progress = torch.tensor(batch.progress, dtype=double, device=batch.x.device)
        for parameter in self.parameters:
            parameter.grad = None
        try:
            with torch.no_grad():  # the gradients are among what is computed
                computed = self._function(batch.x, progress, *self._state.values(), *noise)
        except Exception as error:  # a compiler that is missing or gives up, in one of many ways
            if before is None:
                raise
            self._function = None
            warnings.warn(
                f"compiling failed, and training goes on without: {_first_line(error)}. compile='off' does not try.",
                stacklevel=2,
            )  # fmt: skip
            batch.rng.set_state(before)
            return self.eager(batch)
        self._works = True
        sums, value, all_gradients, *gradients = computed
        for parameter, gradient in zip(self._trained, gradients, strict=True):
            parameter.grad = gradient
        if batch.x.is_cuda:  # these outlive the step, and what a CUDA graph computes does not
            sums, value, all_gradients = sums.clone(), value.clone(), all_gradients.clone()
        return Found(self._names, self._n_terms, sums, value, all_gradients)

    def _compiled(self, *given: Tensor) -> Sequence[Tensor]:
        """Compile, and compute; from then on the compiled function stands in for this."""
        from torch.fx.experimental.proxy_tensor import make_fx  # half a second, for those who compile

        # On copies: to trace is to run, and buffers may be written to.
        copies: list[Any] = [t.clone() for t in given]
        self._function = backend(make_fx(self._step)(*copies), copies)
        return self._function(*given)

    def _step(self, x: Tensor, progress: Tensor, *given: Tensor) -> list[Tensor]:
        """Return sums, objective, the sum of all gradients, and the gradients, as functions of what is given."""
        values, noise = given[: len(self._state)], given[len(self._state) :]
        of = dict(zip(self._state, values, strict=True))
        with torch.enable_grad():
            leaves = {name: of[name].detach().requires_grad_() for name, t in self._state.items() if t.requires_grad}
            batch = Batch(x, progress=progress, rng=torch.Generator(x.device))
            with self.products, HandsOut(batch.rng, noise):
                loss: Loss = functional_call(_Losses(self.module), of | leaves, (batch,))
            sums, value = loss.sums, objective(loss, batch)
            found = torch.autograd.grad(value, list(leaves.values()), allow_unused=True)
        self._names, self._n_terms = loss.names, len(loss.terms)
        # The optimisers' kernels take numbers in the order of memory.
        gradients = {name: g.contiguous() for name, g in zip(leaves, found, strict=True) if g is not None}
        self._trained = [self._state[name] for name in gradients]  # type: ignore[misc]
        return [sums.detach(), value.detach(), total(list(gradients.values())), *gradients.values()]


def backend(graph: torch.fx.GraphModule, inputs: list[Any]) -> Callable[..., Sequence[Tensor]]:
    """Return the graph compiled, with nothing to check at each call: shapes and types stay what they are."""
    # On a GPU as one CUDA graph: a launch instead of a hundred. On a CPU without trying out which vector instructions
    # there are, which torch knows already, and which takes 6 s once on a machine and 1 s ever after.
    options = {"triton.cudagraphs": True} if inputs[0].device.type == "cuda" else {"cpp.vec_isa_ok": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, of its own parts
        from torch import _inductor  # a second, likewise
        from torch._guards import TracingContext, tracing
        from torch._subclasses.fake_tensor import FakeTensorMode
        from torch.fx.experimental.symbolic_shapes import ShapeEnv

        with tracing(TracingContext(FakeTensorMode(shape_env=ShapeEnv()))):  # or nothing comes from inductor's cache
            compiled: Callable[..., Sequence[Tensor]] = _inductor.compile(graph, inputs, options=options)
    return compiled


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


class _Losses(nn.Module):
    """The module as `functional_call` takes it: what is called is its loss."""

    def __init__(self, module: Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, batch: Batch) -> Loss:
        return self.module.loss(batch)
