"""The Gaussian that fills in missing values for an encoder: closed forms, its objective, its weight."""

import numpy as np
import pytest
import torch

from narrows import VAE
from narrows.filling import WEIGHTS, chosen_weight, filled, filling_gaussian, fitted
from narrows.ppca import leading_axes


def rows(n=60, d=4, k=2, noise=0.5, share=0.25, seed=0):
    """Return rows on k factors, and which of their values are observed."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, k)) @ rng.normal(size=(k, d)) + noise * rng.normal(size=(n, d)) + 3 * rng.normal(size=d)
    return torch.from_numpy(X), torch.from_numpy(rng.random((n, d)) >= share)


def test_complete_rows_have_a_closed_form():
    """C = (n S + w diag S) / (n + w): the covariances are shrunk, the variances stay."""
    x, _ = rows()
    S = np.cov(x.T.numpy(), bias=True)
    model = fitted(x, torch.ones_like(x, dtype=torch.bool), 4, 15.0)
    np.testing.assert_allclose(model.covariance, (60 * S + 15 * np.diag(np.diag(S))) / 75, rtol=1e-9)
    np.testing.assert_allclose(model.mean, x.mean(0), rtol=1e-12)


def test_it_is_the_greatest_of_its_objective():
    """The gradient of log p(x observed) - w / 2 (log |C| + tr C^-1 P), row by row, is 0 there."""
    x, mask = rows(30)
    weight = 5.0
    model = fitted(x, mask, 3, weight, steps=3000, tolerance=1e-14)
    seen = torch.where(mask, x, torch.nan).numpy()
    P = torch.from_numpy(np.diag(np.nanvar(seen, 0)))
    mean = model.mean.clone().requires_grad_()
    factor = torch.linalg.cholesky(model.covariance).requires_grad_()
    C = factor @ factor.T
    objective = -weight / 2 * (torch.logdet(C) + torch.trace(torch.linalg.solve(C, P)))
    for row, o in zip(x, mask, strict=True):
        if o.any():
            normal = torch.distributions.MultivariateNormal(mean[o], C[o][:, o])
            objective = objective + normal.log_prob(row[o])
    objective.backward()
    assert mean.grad.abs().max() < 1e-3
    assert factor.grad.tril().abs().max() < 1e-3


def test_without_a_prior_it_is_the_maximum_of_the_likelihood():
    from narrows import PCA

    x, mask = rows(80, share=0.15)
    model = fitted(x, mask, 3, 1e-9, steps=2000, tolerance=1e-12)
    pca = PCA(latent_dim=3).fit(np.where(mask, x, np.nan))
    np.testing.assert_allclose(model.mean, pca.mean_, atol=1e-3)
    np.testing.assert_allclose(model.covariance, pca.module_.gaussian.covariance * 79 / 80, atol=2e-3)


def test_the_weight_is_great_where_columns_say_nothing_of_each_other_and_small_where_they_say_all():
    rng = np.random.default_rng(0)
    x, mask = torch.from_numpy(rng.normal(size=(40, 8))), torch.from_numpy(rng.random((40, 8)) < 0.7)
    assert chosen_weight(x, mask, 7)[0] == max(WEIGHTS)
    x, mask = rows(400, 8, noise=0.05)
    assert chosen_weight(x, mask, 7)[0] == min(WEIGHTS)


def test_few_rows_of_many_columns_are_not_overfitted():
    """Removed values of new rows are nearer than their mean is, unlike those of the maximum of the likelihood."""
    x, mask = rows(260, 20, k=2, noise=1.5, share=0.4)
    train, test = slice(0, 60), slice(60, None)

    def explained(model):
        left = torch.where(mask, 0.0, filled(x, mask, model) - x)[test]
        return 1 - left.square().sum() / torch.where(mask, 0.0, x - x[train].mean(0))[test].square().sum()

    assert explained(fitted(x[train], mask[train], 19, 1e-9)) < 0
    assert explained(filling_gaussian(x[train], mask[train], 19)) > 0.15


@pytest.mark.parametrize("k", [1, 3, 5])
def test_axes_of_a_gaussian(k):
    x, mask = rows(50, 5)
    model = fitted(x, mask, 4, 3.0)
    axes = leading_axes(model, k)
    values = np.linalg.eigvalsh(model.covariance)[::-1]
    np.testing.assert_allclose(axes.variance, values[:k])
    np.testing.assert_allclose(axes.components @ model.covariance.numpy(), axes.variance[:, None] * axes.components)
    assert axes.total == pytest.approx(values.sum())
    assert axes.noise == pytest.approx(values[k:].mean() if k < 5 else 0)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_columns_that_do_not_vary_or_are_hardly_observed(scale):
    x, mask = rows(30, 5)
    x[:, 1], mask[1:, 2] = 7.0, False
    x = x * scale
    model = filling_gaussian(x, mask, 4)
    assert torch.isfinite(filled(x, mask, model)).all()
    np.testing.assert_allclose(filled(x, mask, model)[:, 1], 7.0 * scale, rtol=1e-3)


def test_a_vae_starts_there():
    """Its linear maps are the leading axes of the Gaussian; the encoder's filling is all of it."""
    x, mask = rows(200, 6)
    holes = np.where(mask, x, np.nan)
    vae = VAE(latent_dim=2, network="residual:4", epochs=1, learning_rate=1e-30, scale=None).fit(holes)
    model = filling_gaussian(x.float().double(), mask, 5)
    inputs = vae.module_.networks.inputs
    full = inputs.loadings @ inputs.loadings.T + inputs.noise * torch.eye(6)
    np.testing.assert_allclose(full, model.covariance, rtol=1e-4, atol=1e-4)
    W = vae.module_.decoder.linear.weight.double()
    axes = leading_axes(model, 2)
    expected = (axes.components.T * (axes.variance - axes.noise)) @ axes.components
    np.testing.assert_allclose(W @ W.T, expected, rtol=1e-3, atol=1e-3)
