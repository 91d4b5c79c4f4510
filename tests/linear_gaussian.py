"""A model whose log p(x) is known."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.distributions import Normal

from narrows.estimators.base import Autoencoder
from narrows.module import MAIN, Batch, CodeSpec, LatentVariableModule, Loss
from narrows.objectives import divergence, negative_log_likelihood
from narrows.params import model, param
from narrows.probability.posteriors import NormalPosterior
from narrows.probability.priors import StandardNormal
from narrows.training import Report


class LaplacePosterior:
    """A posterior without a closed form of its KL divergence from a normal."""

    def __init__(self, mean: torch.Tensor, stddev: torch.Tensor) -> None:
        self.mean, self.stddev = mean, stddev

    @property
    def family(self):
        return torch.distributions.Laplace(self.mean, self.stddev / math.sqrt(2), validate_args=False)

    def draw(self, noise):
        return self.family.icdf(torch.special.ndtr(noise))

    def log_prob(self, z):
        return self.family.log_prob(z).sum(-1)

    def kl(self, prior):
        return None


class LinearGaussianModule(LatentVariableModule):
    """z ~ N(0, I), x | z ~ N(W z, s^2 I) with orthogonal columns of W: the exact posterior is diagonal."""

    density = True

    def __init__(self, loadings: torch.Tensor, deviation: float, shift: float, family: type) -> None:
        super().__init__()
        self.loadings = torch.nn.Parameter(loadings, requires_grad=False)
        self.deviation, self.shift, self.family = deviation, shift, family
        self.latent_prior = StandardNormal(loadings.shape[1]).to(loadings.dtype)
        self.code = CodeSpec((loadings.shape[1],), loadings.dtype)

    def posterior(self, batch: Batch):
        variance = 1 / (1 + self.loadings.square().sum(0) / self.deviation**2)
        mean = batch.x @ self.loadings / self.deviation**2 * variance + self.shift
        return self.family(mean, variance.sqrt().expand_as(mean))

    def prior(self, batch: Batch | None = None):
        return self.latent_prior

    def likelihood(self, z, batch: Batch | None = None):
        return Normal(z @ self.loadings.T, self.deviation, validate_args=False)

    def loss(self, batch: Batch, phase: str = MAIN) -> Loss:
        posterior = self.posterior(batch)
        reconstruction = negative_log_likelihood(self.likelihood(posterior.mean), batch.x)
        return Loss({"reconstruction": reconstruction, "kl": divergence(posterior, self.prior(), posterior.mean)})


@model
class LinearGaussian(Autoencoder):
    latent_dim: int = param(3, "Latent dimension.", low=1)
    deviation: float = param(0.5, "Of x given z.", low=0, low_open=True)
    shift: float = param(0.0, "How far the posterior's mean is off.")
    family: type = param(NormalPosterior, "Of the posterior.")
    double: bool = param(True, "Double precision.")
    unused: int = param(0, "Latent dimensions that the output ignores.", low=0)
    scale: float | None = param(None, "What the data are divided by.", low=0)

    takes_float64 = True

    def latent_size(self, schema):
        return self.latent_dim

    def _scale(self):
        return self.scale

    def build(self, schema):
        n, k = schema.n_features, self.latent_dim
        basis = np.linalg.qr(np.random.default_rng(1).normal(size=(n, k)))[0] * np.linspace(2.0, 1.0, k)
        basis[:, k - self.unused :] = 0
        loadings = torch.tensor(basis, dtype=torch.float64 if self.double else torch.float32)
        return LinearGaussianModule(loadings, self.deviation, self.shift, self.family)

    def optimise(self, data, validation, checkpoints, trainer):
        yield Report(1, 1, 1, 1, {"loss": 0.0, "reconstruction": 0.0}, None, 0.0, 1.0, 0.0, False)

    def covariance(self) -> np.ndarray:
        w = self.module_.loadings.double().numpy()
        return w @ w.T + self.deviation**2 * np.eye(len(w))

    def draw(self, n: int, seed: int = 0) -> np.ndarray:
        return np.random.default_rng(seed).multivariate_normal(np.zeros(len(self.covariance())), self.covariance(), n)
