"""The prior axis: p(z)."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from narrows.components import Axis, Component, component


class PriorLayer(nn.Module):
    """p(z) as a part of a module, with the parameters that it learns; it need not factorise over the latents."""

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p(z), summed over the latents: (..., latent_dim) -> (...), in nats."""
        raise NotImplementedError(f"{type(self).__name__} must define `log_prob`.")

    def draw(self, n: int, rng: torch.Generator) -> Tensor:
        """Return n draws: (n, latent_dim)."""
        raise NotImplementedError(f"{type(self).__name__} must define `draw`.")

    def kl_from(self, mean: Tensor, stddev: Tensor) -> Tensor | None:
        """Return KL(N(mean, stddev^2) || p) per latent dimension; None without a closed form, as here."""
        return None

    def quantile(self, p: Tensor) -> Tensor | None:
        """Return the quantiles of every dimension at probabilities p (n,): (n, latent_dim); None where unknown."""
        return None


class PriorFamily(Component):
    """A family of priors."""

    axis: ClassVar[str] = "prior"

    @abstractmethod
    def layer(self, latent_dim: int) -> PriorLayer:
        """Return the prior over latents (latent_dim,)."""


class StandardNormal(PriorLayer):
    """N(0, I)."""

    origin: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.register_buffer("origin", torch.zeros(latent_dim), persistent=False)

    def log_prob(self, z: Tensor) -> Tensor:
        """Return the log density: (..., latent_dim) -> (...)."""
        return (-z.square() / 2 - math.log(2 * math.pi) / 2).sum(-1)

    def draw(self, n: int, rng: torch.Generator) -> Tensor:
        """Return n draws."""
        return torch.randn(n, len(self.origin), generator=rng, device=rng.device, dtype=self.origin.dtype)

    def kl_from(self, mean: Tensor, stddev: Tensor) -> Tensor:
        """Return KL(N(mean, stddev^2) || N(0, 1)) per dimension (Kingma & Welling 2014, app. B)."""
        return (mean.square() + stddev.square() - 1) / 2 - stddev.log()

    def quantile(self, p: Tensor) -> Tensor:
        """Return the quantiles."""
        return torch.special.ndtri(p)[:, None].expand(-1, len(self.origin))


@component
class Normal(PriorFamily):
    """A standard normal distribution."""

    def layer(self, latent_dim: int) -> StandardNormal:
        """Return it."""
        return StandardNormal(latent_dim)


PRIORS = Axis("prior", {"normal": Normal})
