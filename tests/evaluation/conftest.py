"""A model whose log p(x) is known, and small data."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.distributions import Distribution, Normal

from narrows.estimators.base import Autoencoder
from narrows.module import LatentVariableModule
from narrows.objectives import Batch, Loss, kl, negative_log_likelihood
from narrows.params import model, param


class LinearGaussianModule(LatentVariableModule):
    """z ~ N(0, I), x | z ~ N(W z, s^2 I) with orthogonal columns of W: the exact posterior is diagonal."""

    def __init__(self, loadings: torch.Tensor, deviation: float, shift: float, family: type[Distribution]) -> None:
        super().__init__()
        self.loadings = torch.nn.Parameter(loadings, requires_grad=False)
        self.deviation, self.shift, self.family = deviation, shift, family

    def posterior(self, x):
        variance = 1 / (1 + self.loadings.square().sum(0) / self.deviation**2)
        mean = x @ self.loadings / self.deviation**2 * variance + self.shift
        return self.family(mean, variance.sqrt().expand_as(mean), validate_args=False)

    def prior(self):
        zero = self.loadings.new_zeros(self.loadings.shape[1])
        return Normal(zero, torch.ones_like(zero), validate_args=False)

    def likelihood(self, z):
        return Normal(z @ self.loadings.T, self.deviation, validate_args=False)

    def loss(self, batch: Batch) -> Loss:
        posterior = self.posterior(batch.x)
        reconstruction = negative_log_likelihood(self.likelihood(posterior.mean), batch.x)
        return Loss({"reconstruction": reconstruction, "kl": kl(posterior, self.prior()).sum(1)})


@model
class LinearGaussian(Autoencoder):
    latent_dim: int = param(3, "Numbers in the code.", low=1)
    deviation: float = param(0.5, "Of x given z.", low=0, low_open=True)
    shift: float = param(0.0, "How far the posterior's mean is off.")
    family: type = param(Normal, "Of the posterior.")
    double: bool = param(True, "Double precision.")
    silent: int = param(0, "Dimensions of the code that the output ignores.", low=0)

    takes_float64 = True

    def build(self, shape):
        n, k = math.prod(shape), self.latent_dim
        basis = np.linalg.qr(np.random.default_rng(1).normal(size=(n, k)))[0] * np.linspace(2.0, 1.0, k)
        basis[:, k - self.silent :] = 0
        loadings = torch.tensor(basis, dtype=torch.float64 if self.double else torch.float32)
        return LinearGaussianModule(loadings, self.deviation, self.shift, self.family)

    def optimise(self, X, validation, checkpoints=None, trainer=None):
        yield from ()

    def covariance(self) -> np.ndarray:
        w = self.module_.loadings.double().numpy()
        return w @ w.T + self.deviation**2 * np.eye(len(w))

    def draw(self, n: int, seed: int = 0) -> np.ndarray:
        return np.random.default_rng(seed).multivariate_normal(np.zeros(len(self.covariance())), self.covariance(), n)


@pytest.fixture
def linear_gaussian():
    """Return a function that makes the model, fitted, with 6 values per sample, and 9 samples of it."""

    def make(n: int = 9, d: int = 6, **fields):
        fitted = LinearGaussian(**fields).fit(np.zeros((2, d)))
        return fitted, fitted.draw(n)

    return make


@pytest.fixture(scope="session")
def digits():
    """Return 8x8 digits as a table in [0, 1], 400 to train and 200 to test, with labels."""
    from sklearn.datasets import load_digits

    content = load_digits()
    order = np.random.default_rng(0).permutation(len(content.data))  # the file goes writer by writer
    X, y = (content.data[order] / 16).astype(np.float32), content.target[order]
    return X[:400], y[:400], X[400:600], y[400:600]
