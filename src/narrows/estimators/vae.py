"""Variational autoencoder (Kingma & Welling, 2014). arXiv:1312.6114."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.distributions import Distribution

from narrows.components import resolve
from narrows.data.schema import Schema
from narrows.errors import ConfigError
from narrows.estimators.ae import Conditional, NetworkModule
from narrows.estimators.neural import NeuralAutoencoder
from narrows.missingness import Missingness, MissingnessLayer, bound_with_missingness
from narrows.module import MAIN, Batch, LatentVariableModule, Loss, Posterior
from narrows.nn.codes import CodeLayer
from narrows.objectives import free_bits, negative_log_likelihood, rising
from narrows.params import model, param
from narrows.probability.likelihoods import Likelihood, LikelihoodLayer
from narrows.probability.posteriors import PosteriorFamily
from narrows.probability.priors import PriorFamily, PriorLayer


class VAEModule(NetworkModule, LatentVariableModule):
    """q(z | x) from the encoder, p(z), and p(x | z) from the decoder."""

    def __init__(
        self, networks: Conditional, code: CodeLayer, likelihood: LikelihoodLayer, prior: PriorLayer,
        posterior: PosteriorFamily, *, beta: float, kl_warmup: float, free_bits: float,
        missingness: MissingnessLayer | None = None, samples: int = 1,
    ) -> None:  # fmt: skip
        super().__init__(networks, code, likelihood)
        self.missingness, self.samples = missingness, samples
        self.latent_prior, self.family = prior, posterior
        self.beta, self.kl_warmup, self.free_bits = beta, kl_warmup, free_bits

    def posterior(self, batch: Batch) -> Posterior:
        """Return q(z | x)."""
        return self.family.posterior(self.networks.encode(batch).to(self.dtype))

    def mask_log_prob(self, x: Tensor, mask: Tensor) -> Tensor | None:
        """Return log p(mask | x)."""
        return None if self.missingness is None else self.missingness.log_prob(x, mask)

    def prior(self, batch: Batch | None = None) -> PriorLayer:
        """Return p(z)."""
        return self.latent_prior

    def likelihood(self, z: Tensor, batch: Batch | None = None) -> Distribution:
        """Return p(x | z)."""
        return self.observed(self.networks.decode(z, batch))

    def loss(self, batch: Batch, phase: str = MAIN) -> Loss:
        """Return the reconstruction at one draw and the weighted KL term; the metric is the bound itself."""
        seen, weight = self.corrupted(batch), self.beta * rising(batch.progress, self.kl_warmup)
        if self.missingness is not None:
            return bound_with_missingness(self, self.missingness, batch, seen, self.samples, weight)
        posterior, prior = self.posterior(seen), self.prior(batch)
        noise = batch.randn(posterior.mean.shape, posterior.mean.dtype)
        z = posterior.draw(noise)
        kept = self.layer.keep(batch)
        z = z if kept is None else z * kept
        reconstruction = negative_log_likelihood(self.likelihood(z, batch), batch.x, batch.mask)
        divergence = posterior.kl(prior)
        if divergence is None:  # no closed form: the draw estimates it
            penalty = nats = posterior.log_prob(z) - prior.log_prob(z)
        else:
            if kept is not None:  # latents that are left out cost nothing: the bound of the shorter code
                divergence = divergence * kept
            nats = divergence.sum(1)
            penalty = free_bits(divergence, self.free_bits) if self.free_bits and self.training else nats
        elbo = -(reconstruction + nats).detach() + batch.log_jacobian
        return Loss({"reconstruction": reconstruction, "kl": weight * penalty}, {"elbo": elbo})


@model
class VAE(NeuralAutoencoder):
    """An autoencoder whose codes follow a prior distribution, from which new samples are drawn.

    Minimises -E_q log p(x | z) + beta KL(q(z | x) || p(z)) (Kingma & Welling, 2014, eq. 3; Higgins et al., 2017)
    Shapes: x (B, *shape), z (B, latent_dim). Units: nats per sample.
    Use it to generate, to compare likelihoods, to spot the unusual; prefer AE for the sharpest reconstruction.
    Raises: ConfigError for a parameter out of bounds; DataError where the likelihood cannot explain the data.

    {parameters}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> vae = VAE(latent_dim=2, likelihood="gaussian:learned", epochs=2).fit(load_iris().data)
    >>> vae.sample(5, seed=0).shape
    (5, 4)

    References: arXiv:1312.6114
    """

    prior: str | PriorFamily = param("normal", "Distribution of the latents.", axis="prior")
    posterior: str | PosteriorFamily = param("diagonal", "Family of q(z | x).", axis="posterior")
    beta: float = param(1.0, "Weight of the KL term.", low=0)
    kl_warmup: float = param(0.0, "Share of training over which beta rises from 0.", low=0, high=1)
    free_bits: float = param(0.0, "Nats of every latent dimension that cost nothing.", low=0)
    likelihood: str | Likelihood = param(
        "auto", "Distribution of a value, given the code; auto: bernoulli for writing, else gaussian:learned.",
        axis="likelihood",
    )  # fmt: skip

    missingness: str | Missingness | None = param(
        None, "Which values are missing: self, because of what they are; None, at random.", axis="missingness"
    )

    heads: ClassVar[int] = 2

    def build(self, schema: Schema) -> VAEModule:
        """Return the module for samples of a schema."""
        owner = type(self).__name__
        encoder, decoder, code, layout, likelihood, network, inputs = self.networks(schema)
        layer = code.layer(layout.latents)
        if not layer.spec.continuous or code.activation != "linear":
            raise ConfigError(
                f"{owner}: code must be 'continuous' or 'ordered', without an activation; got {str(self.code)!r}. "
                "Use AE."
            )
        missingness = self._missingness_for(schema, layer, likelihood)
        prior: PriorFamily = resolve("prior", self.prior, owner)
        module = VAEModule(
            Conditional(encoder, decoder, self._component("condition"), inputs), layer, likelihood.layer(),
            prior.layer(self.latent_size(schema)), resolve("posterior", self.posterior, owner),
            beta=self.beta, kl_warmup=self.kl_warmup, free_bits=self.free_bits,
            missingness=None if missingness is None else missingness.layer(schema.n_features),
            samples=1 if missingness is None else missingness.samples,
        )  # fmt: skip
        module.layers_draw = network.draws
        return module

    def _missingness_for(self, schema: Schema, code: CodeLayer, likelihood: Likelihood) -> Missingness | None:
        """Return the model of missing values. Raises: ConfigError where it does not go with the rest."""
        missingness: Missingness | None = resolve("missingness", self.missingness, type(self).__name__)
        wrong = {
            f"samples of kind {schema.kind!r}. It is for tables": schema.kind != "table",
            "training samples without missing values. Leave it out": not schema.missing,
            f"free_bits={self.free_bits}. Leave that out": self.free_bits > 0,
            "ordered codes. Use code='continuous'": code.spec.ordered,
            f"likelihood={str(likelihood)!r}, of which no value can be drawn with a gradient. Use 'gaussian:learned'":
                likelihood.discrete,
        }  # fmt: skip
        if missingness is not None and (reason := next((reason for reason, holds in wrong.items() if holds), None)):
            raise ConfigError(f"{type(self).__name__}: missingness must be None for {reason}.")
        return missingness
