"""The adversarial penalty: a discriminator draws the codes to a prior (Makhzani et al. 2016, arXiv:1511.05644)."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch.nn.functional as F
from torch import Tensor, nn

from narrows.components import component
from narrows.module import Batch, Loss
from narrows.params import param
from narrows.penalties.base import Penalty, PenaltyLayer
from narrows.probability.priors import StandardNormal


@component
class Adversarial(Penalty):
    """How surely a discriminator tells the codes from draws of N(0, I): -log D(z), D(z) its belief in a draw.

    The discriminator is trained in a phase of its own, after the autoencoder's, to minimise
    -log D(draw) - log(1 - D(z)) (Goodfellow et al. 2014, with the loss that does not saturate). New samples are
    decoded from the prior's draws.
    """

    weight: float = param(1.0, "Weight of the penalty.", low=0)
    hidden: tuple[int, ...] = param((128, 128), "Units of the discriminator's layers.", low=1)

    def layer(self, name: str, latent_shape: tuple[int, ...]) -> PenaltyLayer:
        """Return the discriminator."""
        return AdversarialLayer(name, self, math.prod(latent_shape))


class AdversarialLayer(PenaltyLayer):
    """A discriminator of codes and draws from the prior."""

    def __init__(self, name: str, penalty: Adversarial, latent_dim: int) -> None:
        super().__init__(name, penalty)
        self.weight = penalty.weight
        layers: list[nn.Module] = []
        size = latent_dim
        for units in penalty.hidden:
            layers += [nn.Linear(size, units), nn.LeakyReLU(0.2)]
            size = units
        self.discriminator = nn.Sequential(nn.Flatten(), *layers, nn.Linear(size, 1))
        self.goal = StandardNormal(latent_dim)

    def term(self, x: Tensor, z: Tensor, batch: Batch) -> Tensor:
        """Return the weighted -log D(z): (B,)."""
        return self.weight * F.softplus(-self.discriminator(z).squeeze(1))

    def phase_loss(self, z: Tensor, batch: Batch) -> Loss:
        """Return the discriminator's loss, and how often it is right."""
        draws = batch.randn(z.shape, z.dtype)
        real, fake = self.discriminator(draws).squeeze(1), self.discriminator(z).squeeze(1)
        right = ((real > 0).to(z.dtype) + (fake <= 0).to(z.dtype)) / 2
        return Loss({"discriminator": F.softplus(-real) + F.softplus(fake)}, {"accuracy": right.detach()})

    def phase_parameters(self) -> Iterable[nn.Parameter]:
        """Return the discriminator's."""
        return self.discriminator.parameters()

    def prior(self) -> StandardNormal:
        """Return the prior."""
        return self.goal
