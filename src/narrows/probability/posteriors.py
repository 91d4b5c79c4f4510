"""The posterior axis: encoder output -> q(z | x)."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from narrows.components import Axis, Component, component
from narrows.module import Posterior, Prior


class PosteriorFamily(Component):
    """A family of posteriors; the encoder returns the parameters of one for every sample."""

    axis: ClassVar[str] = "posterior"
    heads: ClassVar[int] = 2
    """Values that the encoder returns per latent."""

    @abstractmethod
    def posterior(self, h: Tensor) -> Posterior:
        """Return q(z | x) for encoder output (B, heads * latent_dim)."""


class NormalPosterior:
    """N(mean, diag(stddev^2))."""

    def __init__(self, mean: Tensor, stddev: Tensor) -> None:
        self.mean, self.stddev = mean, stddev

    def draw(self, noise: Tensor) -> Tensor:
        """Return mean + stddev * noise, for noise (..., B, latent_dim)."""
        return torch.addcmul(self.mean, self.stddev, noise)

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log q(z | x): (..., B, latent_dim) -> (..., B), in nats."""
        variance = self.stddev.square()
        per_dimension = -((z - self.mean).square() / (2 * variance)) - self.stddev.log() - math.log(2 * math.pi) / 2
        return per_dimension.sum(-1)

    def kl(self, prior: Prior) -> Tensor | None:
        """Return KL(q || p) per latent dimension, (B, latent_dim), where the prior knows it in closed form."""
        return prior.kl_from(self.mean, self.stddev)


@component
class Diagonal(PosteriorFamily):
    """A normal distribution, independent over the latents (Kingma & Welling 2014)."""

    def posterior(self, h: Tensor) -> NormalPosterior:
        """Return it for means and log-variances."""
        mean, log_variance = h.chunk(2, dim=1)
        # Deviations from e^-30 to e^30: far beyond what is learned, and their squares stay within float32. `hardtanh`
        # is torch's name for a clamp whose gradient is one step instead of four.
        return NormalPosterior(mean, F.hardtanh(log_variance / 2, -30.0, 30.0).exp())


POSTERIORS = Axis("posterior", {"diagonal": Diagonal})
