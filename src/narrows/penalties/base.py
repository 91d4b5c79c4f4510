"""Penalties on codes, added to the objective: any number of them, each a component such as `"sparsity:0.032"`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import Tensor, nn

from narrows.components import Component, component
from narrows.errors import ConfigError
from narrows.module import Batch, Loss, Prior
from narrows.params import param


class Penalty(Component):
    """A penalty on the codes of a batch."""

    axis: ClassVar[str] = "penalty"
    slope: ClassVar[bool] = False
    """Whether the term is computed from the gradient of the codes with respect to the input."""

    def check(self, owner: str, activation: str) -> None:
        """Refuse codes that the penalty cannot apply to; `activation` is that of the code."""
        return

    def term(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the weighted penalty: input (B, *shape) and latents (B, *latent shape) to (B,)."""
        raise NotImplementedError(f"{type(self).__name__} must define `term`, or `layer`.")

    def metrics(self, z: Tensor) -> dict[str, Tensor]:
        """Return values to log, (B,) each."""
        return {}

    def layer(self, name: str, latent_shape: tuple[int, ...]) -> PenaltyLayer:
        """Return the penalty as a part of a module, with the parameters that it needs."""
        return PenaltyLayer(name, self)


class PenaltyLayer(nn.Module):
    """A penalty within a module. One with parameters of its own trains them in a phase of that name."""

    def __init__(self, name: str, penalty: Penalty) -> None:
        super().__init__()
        self.name, self.penalty = name, penalty

    def term(self, x: Tensor, z: Tensor, batch: Batch) -> Tensor:
        """Return what is added to the main objective: (B,)."""
        return self.penalty.term(x, z)

    def phase_loss(self, z: Tensor, batch: Batch) -> Loss:
        """Return the loss of the penalty's own phase; only a layer with parameters has one."""
        raise ConfigError(f"{type(self.penalty).__name__}: phase must be 'main': the penalty has no parameters.")

    def phase_parameters(self) -> Iterable[nn.Parameter]:
        """Return the parameters trained in the penalty's own phase; none by default."""
        return ()

    def prior(self) -> Prior | None:
        """Return the distribution that the penalty draws the codes to, if it is one that can be sampled."""
        return None


@component
class Sparsity(Penalty):
    """The KL divergence of every unit's mean activity from a target, summed over units.

    sum_j t log(t / a_j) + (1 - t) log((1 - t) / (1 - a_j)), a_j the batch mean of unit j, which lies in (0, 1)
    (Ng 2011, CS294A lecture notes, p. 15). One value for the batch, at every sample. In nats.
    """

    weight: float = param(1.0, "Weight of the penalty, which is summed over units.", low=0)
    target: float = param(0.05, "Mean activity of a unit.", low=0, high=1, low_open=True, high_open=True)

    def check(self, owner: str, activation: str) -> None:
        """Refuse codes outside (0, 1)."""
        if activation != "sigmoid":
            raise ConfigError(
                f"{owner}: penalty='sparsity' must go with a code in (0, 1); got the activation {activation!r}. Set "
                "code='continuous:sigmoid', or penalty='l1'."
            )

    def term(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the penalty: one value, at every sample."""
        activity = z.float().flatten(1)
        tiny = torch.finfo(activity.dtype).eps  # a unit that is silent for a whole batch still has a finite penalty
        mean = activity.mean(0).clamp(tiny, 1 - tiny)
        t = torch.as_tensor(self.target, dtype=mean.dtype, device=mean.device)
        penalty = (torch.xlogy(t, t / mean) + torch.xlogy(1 - t, (1 - t) / (1 - mean))).sum()
        return self.weight * penalty.expand(activity.shape[0])

    def metrics(self, z: Tensor) -> dict[str, Tensor]:
        """Return the mean activity of each sample's code."""
        return {"activity": z.detach().float().flatten(1).mean(1)}


@component
class L1(Penalty):
    """The sum of absolute activities (Olshausen & Field 1996)."""

    weight: float = param(1.0, "Weight of the penalty, which is summed over units.", low=0)

    def term(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the penalty: (B,)."""
        return self.weight * z.float().flatten(1).abs().sum(1)

    def metrics(self, z: Tensor) -> dict[str, Tensor]:
        """Return the mean activity of each sample's code."""
        return {"activity": z.detach().float().flatten(1).mean(1)}


@component
class Contractive(Penalty):
    """The squared Frobenius norm of dz/dx, exact for any encoder (Rifai et al. 2011, eq. 2).

    Costs one backward pass per latent dimension.
    """

    slope: ClassVar[bool] = True

    weight: float = param(0.1, "Weight of the squared slope of the encoder.", low=0)

    def term(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the penalty, (B,): x must require a gradient, and z be computed from it row by row."""
        penalty = x.new_zeros(x.shape[0])
        flat = z.flatten(1)
        for j in range(flat.shape[1]):
            (gradient,) = torch.autograd.grad(flat[:, j].sum(), x, create_graph=True)
            penalty = penalty + gradient.flatten(1).square().sum(1)
        return self.weight * penalty
