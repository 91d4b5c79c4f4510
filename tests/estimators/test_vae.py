"""The variational autoencoder's mathematics: its bound, its weights, and the exact likelihood of the linear case."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.decomposition import PCA as REFERENCE

from narrows import PCA, VAE
from narrows.errors import ConfigError
from narrows.module import Batch
from narrows.probability.likelihoods import BernoulliLikelihood, GaussianLikelihood


def fitted(X, **options):
    return VAE(**{"latent_dim": 2, "network": "mlp:5", "epochs": 2, **options}).fit(X)


def by_hand(vae, X, seed=0):
    """Return -log p(x | z) and KL per dimension in float64, from the networks' outputs alone."""
    module = vae.module_.double()
    x = torch.from_numpy(X).double()
    mean, log_variance = module.encoder(x).chunk(2, 1)
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    h = module.decoder(mean + (log_variance / 2).exp() * noise)
    divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance)
    return x, h, divergence


def loss(vae, x, progress=1.0, *, training=True):
    return vae.module_.train(training).loss(Batch(x, progress=progress))


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_the_loss_is_the_bound_by_hand(beta, table):
    vae = fitted(table, beta=beta, likelihood="gaussian:0.5")
    x, h, divergence = by_hand(vae, table)
    reconstruction = ((x - h) ** 2 / (2 * 0.25) + 0.5 * np.log(2 * np.pi * 0.25)).sum(1)
    found = loss(vae, x)
    torch.testing.assert_close(found.terms["reconstruction"], reconstruction, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(found.terms["kl"], beta * divergence.sum(1), atol=1e-6, rtol=0)
    torch.testing.assert_close(found.total, reconstruction + beta * divergence.sum(1), atol=1e-6, rtol=1e-6)
    elbo = -(reconstruction + divergence.sum(1))
    torch.testing.assert_close(found.metrics["elbo"], elbo.detach(), atol=1e-6, rtol=1e-6)


def test_the_loss_with_bernoulli(table):
    vae = fitted(table, likelihood="bernoulli")
    x, h, divergence = by_hand(vae, table)
    p = torch.sigmoid(h)
    expected = -(x * p.log() + (1 - x) * (1 - p).log()).sum(1) + divergence.sum(1)
    torch.testing.assert_close(loss(vae, x).total, expected, atol=1e-6, rtol=0)


def test_the_score_is_the_bound_at_the_mean(table):
    vae = fitted(table, likelihood="gaussian")
    found = vae.score_samples(table)
    x, _, divergence = by_hand(vae, table)
    mean = vae.module_.encoder(x).chunk(2, 1)[0]
    expected = -((x - vae.module_.decoder(mean)) ** 2 / 2 + 0.5 * np.log(2 * np.pi)).sum(1) - divergence.sum(1)
    np.testing.assert_allclose(found, expected.detach(), rtol=1e-5)


def test_the_kl_warms_up(table):
    vae = fitted(table, beta=2.0, kl_warmup=0.4)
    x, _, divergence = by_hand(vae, table)
    for progress, weight in ((0.0, 0.0), (0.1, 0.5), (0.2, 1.0), (0.4, 2.0), (0.7, 2.0), (1.0, 2.0)):
        expected = weight * divergence.sum(1)
        torch.testing.assert_close(loss(vae, x, progress).terms["kl"], expected, atol=1e-9, rtol=1e-9)
    without = fitted(table, beta=2.0)
    assert loss(without, torch.from_numpy(table), 0.0).terms["kl"].sum() > 0


def test_free_bits_hold_in_training_only(table):
    vae = fitted(table, free_bits=3.0)
    x, _, divergence = by_hand(vae, table)
    expected = divergence.mean(0).clamp(min=3.0).sum()
    found = loss(vae, x).terms["kl"]
    torch.testing.assert_close(found, expected.expand(len(x)), atol=1e-9, rtol=0)
    torch.testing.assert_close(loss(vae, x, training=False).terms["kl"], divergence.sum(1), atol=1e-9, rtol=0)


def test_free_bits_are_used(table):
    """A heavy weight empties the code; what is free is then still used."""
    options = {"beta": 50.0, "epochs": 150, "learning_rate": 1e-2, "batch_size": None, "likelihood": "gaussian"}
    empty, kept = fitted(table, **options), fitted(table, free_bits=0.5, **options)

    def nats(vae):
        return by_hand(vae, table)[2].mean(0)

    assert nats(empty).max() < 0.01
    assert nats(kept).min() > 0.15
    assert nats(kept).max() < 0.7


def test_a_larger_beta_gives_a_smaller_divergence(table):
    options = {"epochs": 60, "learning_rate": 1e-2, "likelihood": "gaussian:0.2"}
    small, large = (by_hand(fitted(table, beta=beta, **options), table)[2].sum(1).mean() for beta in (0.5, 8.0))
    assert large < 0.5 * small


def test_auto_is_bernoulli_for_black_and_white_pixels_alone(table):
    writing = np.where(table > 0.5, 250, 3).astype(np.uint8).reshape(-1, 1, 2, 3)
    for network in ("mlp:5", "residual:4"):
        assert isinstance(fitted(writing, network=network).module_.observed.of, BernoulliLikelihood)
    for other in (table, (table * 255).astype(np.uint8).reshape(writing.shape)):
        assert fitted(other).module_.observed.of == GaussianLikelihood(scale="learned")


def test_rows_of_named_columns_are_draws_with_the_covariance_of_the_model():
    """At its start a residual VAE is probabilistic PCA, whose covariance is W W^T + s^2 I."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        rng.normal(size=(500, 2)) @ rng.normal(size=(2, 5)) + rng.normal(size=(500, 5)), columns=list("abcde")
    )
    options = {"latent_dim": 2, "network": "residual:4", "epochs": 1, "learning_rate": 1e-30, "scale": None}
    vae, pca = VAE(**options, likelihood="gaussian:learned").fit(X), PCA(latent_dim=2).fit(X)
    W, s = pca.components_, pca.noise_variance_
    C = (W.T * (pca.explained_variance_ - s)) @ W + s * np.eye(5)
    drawn = vae.sample(40_000, seed=0)
    assert list(drawn.columns) == list(X.columns)
    np.testing.assert_allclose(np.cov(drawn.T), C, atol=0.03 * C.max())
    means = vae.sample(40_000, seed=0, noise=False)
    np.testing.assert_allclose(np.cov(means.T), C - s * np.eye(5), atol=0.03 * C.max())
    np.testing.assert_array_equal(drawn, vae.sample(40_000, seed=0))
    unnamed = VAE(**options, likelihood="gaussian:learned").fit(X.to_numpy())
    np.testing.assert_allclose(unnamed.sample(9, seed=0), vae.sample(9, seed=0, noise=False), rtol=1e-5)
    with pytest.raises(ConfigError, match="noise must be False for a model without"):
        pca.sample(3, noise=True, sampler="gmm")


def test_samples_follow_the_data():
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(600, 2)) @ [[1, 0.5, -0.5], [0, 1, 1]] + [3, -2, 1]).astype(np.float32)
    vae = VAE(
        latent_dim=2, network="mlp:,activation=linear", scale=None, epochs=300, batch_size=None, learning_rate=5e-2
    )
    drawn = vae.fit(X).sample(4000, seed=0)
    np.testing.assert_allclose(drawn.mean(0), X.mean(0), atol=0.15)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(X.T), atol=0.2)


@pytest.mark.slow
def test_the_linear_model_reaches_the_exact_likelihood():
    """With a learnt variance the bound is tight at probabilistic PCA's maximum (Lucas et al. 2019)."""
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(400, 3)) @ rng.normal(size=(3, 8)) + 0.5 * rng.normal(size=(400, 8))).astype(np.float32)
    vae = VAE(
        latent_dim=3, network="mlp:,activation=linear", scale=None, likelihood="gaussian:learned",
        epochs=800, batch_size=None, learning_rate=5e-2, adam_betas=(0.9, 0.99),
    ).fit(X)  # fmt: skip
    exact = exact_likelihood(X, 3)
    x = torch.from_numpy(np.tile(X, (50, 1)))
    with torch.no_grad():
        elbo = vae.module_.eval().loss(Batch(x)).metrics["elbo"].double().mean().item()
    assert elbo == pytest.approx(exact, rel=1e-3)
    assert vae.module_.observed.scale.item() ** 2 == pytest.approx(REFERENCE(3).fit(X).noise_variance_, rel=0.02)


def exact_likelihood(X, k):
    """Return the maximum of the mean log-likelihood per sample (Tipping & Bishop 1999, eq. 8)."""
    d = X.shape[1]
    values = np.sort(np.linalg.eigvalsh(np.cov(X.T.astype(np.float64), bias=True)))[::-1]
    noise = values[k:].mean()
    return -0.5 * (d * np.log(2 * np.pi) + np.log(values[:k]).sum() + (d - k) * np.log(noise) + d)
