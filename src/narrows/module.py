"""The two contracts of a network under training: tensors in, tensors out; no files, no numpy, no loop."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from narrows.corruptions import Corruption
from narrows.errors import ConfigError
from narrows.objectives import Batch, Loss, kl, negative_log_likelihood

__all__ = ["LatentVariableModule", "Module"]

WHOLE = 0.2
"""Share of the samples whose ordered code stays whole in training: without it the longest code suffers most."""


class Module(nn.Module):
    """Encodes, decodes, and says what to minimise."""

    probabilistic: ClassVar[bool] = False
    """Whether `posterior`, `prior` and `likelihood` are there."""
    exact_score: ClassVar[bool] = False
    """Whether `score` is log p(x) itself, in closed form."""
    corruption: Corruption | None = None
    """What is done to the input in training; see `corrupted`."""
    ordered: bool = False
    """Whether the first k numbers of a code are a code by themselves, the others counting as 0."""

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """Return the codes: (B, *shape) -> (B, latent_dim); without noise."""

    @abstractmethod
    def decode(self, z: Tensor) -> Tensor:
        """Return the reconstruction: (B, latent_dim) -> (B, *shape), the mean over x."""

    @abstractmethod
    def loss(self, batch: Batch) -> Loss:
        """Return the objective's terms, one value per sample, in nats where the model is probabilistic."""

    @abstractmethod
    def score(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return how normal samples are: (B, *shape) -> (B,), higher is more normal; without noise."""

    def prior(self) -> Distribution:
        """Return p(z), or say that this model has none."""
        name = type(self).__name__.removesuffix("Module")
        raise ConfigError(
            f"{name}: sampler must be 'gaussian', 'gmm', 'kde' or 'flow' for a model without a prior over codes; got "
            "'prior'. Use 'gmm'."
        )

    def corrupted(self, batch: Batch) -> Tensor:
        """Return the batch's input with the corruption in training, as it is elsewhere."""
        if self.corruption is None or not self.training:
            return batch.x
        return self.corruption(batch.x, batch.rng)

    def kept(self, batch: Batch, latent_dim: int) -> Tensor | None:
        """Return which numbers of the codes remain in training, (B, latent_dim) of 1 and 0; None where all do.

        Nested dropout (Rippel et al. 2014, sec. 3): the first k remain, k drawn for every sample. A share of the
        samples keep all, since the whole code is what is used most; for the others k is drawn log-uniformly, so that
        every doubling of the code's length is trained alike.
        """
        if not self.ordered or not self.training:
            return None
        u = torch.rand(2, len(batch.x), 1, generator=batch.rng, device=batch.x.device)
        k = torch.exp(u[0] * math.log(latent_dim + 1)).floor()
        kept = (torch.arange(latent_dim, device=batch.x.device) < k) | (u[1] < WHOLE)
        return kept.to(batch.x.dtype)

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights."""
        return _first_weight(self).dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return _first_weight(self).device


def _first_weight(module: nn.Module) -> Tensor:
    """Return the first of `parameters()`, which lists all modules before it, and takes as long as a layer."""
    found = _search(module)
    return next(module.parameters()) if found is None else found


def _search(module: nn.Module) -> Tensor | None:
    for weight in module._parameters.values():
        if weight is not None:
            return weight
    for layer in module._modules.values():
        if layer is not None and (found := _search(layer)) is not None:
            return found
    return None


class LatentVariableModule(Module):
    """Adds the three distributions from which bounds, samples and diagnosis are made, outside the models."""

    probabilistic = True

    @abstractmethod
    def posterior(self, x: Tensor) -> Distribution:
        """Return q(z | x), independent over the latent dimensions: batch shape (B, latent_dim)."""

    @abstractmethod
    def prior(self) -> Distribution:
        """Return p(z), independent over the latent dimensions: batch shape (latent_dim,)."""

    @abstractmethod
    def likelihood(self, z: Tensor) -> Distribution:
        """Return p(x | z), independent over the values: batch shape (B, *shape)."""

    def encode(self, x: Tensor) -> Tensor:
        """Return the posterior mean."""
        return self.posterior(x).mean

    def decode(self, z: Tensor) -> Tensor:
        """Return the likelihood's mean."""
        return self.likelihood(z).mean

    def score(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return log p(x | z) - KL(q || p) at the posterior mean: in nats, and without noise."""
        posterior = self.posterior(x)
        reconstruction = negative_log_likelihood(self.likelihood(posterior.mean), x, mask)
        return -reconstruction - kl(posterior, self.prior()).sum(1)
