"""Variational autoencoder (Kingma & Welling, 2014). arXiv:1312.6114."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution, Normal

from narrows.estimators.base import NeuralAutoencoder
from narrows.module import LatentVariableModule
from narrows.nn.network import networks
from narrows.objectives import Batch, Loss, StandardNormal, free_bits, kl, negative_log_likelihood, rising
from narrows.params import model, param
from narrows.probability.likelihoods import Likelihood

__all__ = ["VAE", "VAEModule"]


class VAEModule(LatentVariableModule):
    """q(z | x) = N(mean, diag(variance)) from the encoder, p(z) = N(0, I), p(x | z) from the decoder."""

    origin: Tensor

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, likelihood: Likelihood, *,
        latent_dim: int, beta: float, kl_warmup: float, free_bits: float,
    ) -> None:  # fmt: skip
        super().__init__()
        self.encoder, self.decoder, self.observed = encoder, decoder, likelihood
        self.beta, self.kl_warmup, self.free_bits = beta, kl_warmup, free_bits
        self.register_buffer("origin", torch.zeros(latent_dim), persistent=False)

    def posterior(self, x: Tensor) -> Distribution:
        mean, log_variance = self.encoder(x).to(self.dtype).chunk(2, dim=1)
        # Deviations from e^-30 to e^30: far beyond what learns, and their squares stay within float32. `hardtanh` is
        # torch's name for a clamp whose gradient is one step instead of four.
        return Normal(mean, F.hardtanh(log_variance / 2, -30.0, 30.0).exp(), validate_args=False)

    def prior(self) -> Distribution:
        return StandardNormal(self.origin)

    def likelihood(self, z: Tensor) -> Distribution:
        return self.observed(self.decoder(z))

    def loss(self, batch: Batch) -> Loss:
        posterior = self.posterior(self.corrupted(batch))
        noise = torch.randn(
            posterior.mean.shape, generator=batch.rng, device=batch.x.device, dtype=posterior.mean.dtype
        )
        z = torch.addcmul(posterior.mean, posterior.stddev, noise)
        kept = self.kept(batch, z.shape[1])
        z = z if kept is None else z * kept
        reconstruction = negative_log_likelihood(self.likelihood(z), batch.x, batch.mask)
        divergence = kl(posterior, self.prior())
        if kept is not None:  # numbers that are left out cost nothing: the bound of the shorter code
            divergence = divergence * kept
        nats = divergence.sum(1)
        weight = self.beta * rising(batch.progress, self.kl_warmup)
        penalty = free_bits(divergence, self.free_bits) if self.free_bits and self.training else nats
        return Loss(
            {"reconstruction": reconstruction, "kl": weight * penalty}, {"elbo": -(reconstruction + nats).detach()}
        )


@model
class VAE(NeuralAutoencoder):
    """An autoencoder whose codes follow a normal distribution, from which new samples are drawn.

    Minimises -E_q log p(x | z) + beta KL(q(z | x) || p(z)) (Kingma & Welling, 2014, eq. 3; Higgins et al., 2017)
    Shapes: x (B, *shape), z (B, latent_dim). Units: nats per sample.
    Use it to generate, to compare likelihoods, to spot the unusual; prefer AE for the sharpest reconstruction.
    Raises: ConfigError for a field out of bounds; DataError where the likelihood cannot explain the data.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> vae = VAE(latent_dim=2, likelihood="gaussian:learned", epochs=2).fit(load_iris().data)
    >>> vae.sample(5, seed=0).shape
    (5, 4)

    References: arXiv:1312.6114
    """

    beta: float = param(1.0, "Weight of the KL term.", low=0)
    kl_warmup: float = param(0.0, "Share of training over which beta rises from 0.", low=0, high=1)
    free_bits: float = param(0.0, "Nats of every latent dimension that cost nothing.", low=0)
    likelihood: str | Likelihood = param(
        "auto", "Distribution of a value, given the code; auto: bernoulli for pixels, gaussian:learned for the rest."
    )

    heads: ClassVar[int] = 2

    def build(self, shape: tuple[int, ...]) -> VAEModule:
        """Return the module for samples of a shape."""
        encoder, decoder = networks(self.network, self.layout(shape))
        return VAEModule(
            encoder, decoder, self.observed(), latent_dim=self.latent_dim,
            beta=self.beta, kl_warmup=self.kl_warmup, free_bits=self.free_bits,
        )  # fmt: skip
