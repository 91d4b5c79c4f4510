"""Bounds against closed forms, and exactly as many draws as were asked for."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
import torch
from sklearn.decomposition import PCA as SklearnPCA
from sklearn.decomposition import FactorAnalysis
from sklearn.exceptions import NotFittedError

import narrows
from linear_gaussian import LaplacePosterior
from narrows.errors import ConfigError
from narrows.estimators.inference import row_noise
from narrows.evaluation import bits_per_dimension, mean_and_error, unit
from narrows.evaluation import likelihood as module
from narrows.module import Batch

COUNTS = (1, 7, 100, 101, 5000)


def log_density(model, X):
    return scipy.stats.multivariate_normal(np.zeros(X.shape[1]), model.covariance()).logpdf(X)


@pytest.mark.parametrize("samples", COUNTS)
@pytest.mark.parametrize("double", [True, False])
def test_exact_posterior_gives_log_p_for_every_count(linear_gaussian, samples, double):
    model, X = linear_gaussian(double=double)
    truth = log_density(model, X)
    np.testing.assert_allclose(narrows.log_likelihood(model, X, samples=samples), truth, atol=1e-5)
    np.testing.assert_allclose(narrows.elbo(model, X, samples=samples), truth, atol=1e-5)


@pytest.mark.slow
def test_wrong_posterior_rises_with_the_count_towards_log_p(linear_gaussian):
    model, X = linear_gaussian(n=300, shift=0.4)
    means = [narrows.log_likelihood(model, X, samples=k).mean() for k in COUNTS]
    truth = log_density(model, X).mean()
    assert all(a < b for a, b in itertools.pairwise(means))
    assert means[-1] < truth + 0.01
    assert truth - means[0] > 0.5 > 0.05 > truth - means[-1]


def test_elbo_is_log_p_less_the_divergence_from_the_exact_posterior(linear_gaussian):
    model, X = linear_gaussian(n=5, shift=0.4)
    deviation = model.module_.posterior(Batch(torch.from_numpy(X))).stddev[0].numpy()
    gap = (0.4**2 / (2 * deviation**2)).sum()  # KL of two normals with one variance
    np.testing.assert_allclose(log_density(model, X) - narrows.elbo(model, X, samples=20_000), gap, atol=0.1)


def test_one_draw_of_both_bounds_is_one_number(linear_gaussian):
    model, X = linear_gaussian(shift=0.3)
    assert np.array_equal(narrows.elbo(model, X), narrows.log_likelihood(model, X, samples=1))


def test_posterior_of_another_family_is_drawn_by_its_inverse(linear_gaussian):
    model, X = linear_gaussian(family=LaplacePosterior)
    np.testing.assert_allclose(narrows.log_likelihood(model, X, samples=20_000), log_density(model, X), atol=0.05)


@pytest.mark.parametrize("samples", COUNTS)
def test_count_is_honoured_whatever_the_chunk(linear_gaussian, samples, monkeypatch):
    model, X = linear_gaussian(shift=0.4)
    seen = []
    plain = model.module_.likelihood
    monkeypatch.setattr(model.module_, "likelihood", lambda z, batch=None: seen.append(len(z)) or plain(z))
    values = []
    for budget in (2**22, 6 * 1000, 6 * 101, 6 * max(1, samples // 9)):
        seen.clear()
        monkeypatch.setattr(module, "BUDGET", budget)
        values.append(narrows.log_likelihood(model, X, samples=samples))
        assert sum(seen) == samples * len(X)
        assert max(seen) <= max(budget // 6, 1)
    for other in values[1:]:
        np.testing.assert_allclose(other, values[0], rtol=1e-12)


def test_rows_draw_by_position_and_do_not_share_noise(linear_gaussian):
    model, X = linear_gaussian(shift=0.4)
    same = np.repeat(X[:1], 50, axis=0)
    values = narrows.elbo(model, same)
    assert len(np.unique(values)) == 50
    np.testing.assert_allclose(narrows.elbo(model, same[:7]), values[:7], rtol=1e-12)
    assert not np.array_equal(narrows.elbo(model, same, seed=1), values)
    first, second = next(row_noise(range(2), (3,), 10_000, 10_000, 0)).transpose(1, 0, 2).reshape(2, -1)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03
    assert scipy.stats.kstest(first, "norm").pvalue > 0.01


def test_global_noise_is_left_alone_and_training_mode_kept(linear_gaussian):
    model, X = linear_gaussian()
    model.module_.train()
    state = torch.get_rng_state()
    narrows.elbo(model, X)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.module_.training


@pytest.mark.slow
def test_linear_vae_approaches_the_likelihood_of_pca():
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(1000, 2)) @ rng.normal(size=(2, 5)) + 0.5 * rng.normal(size=(1000, 5))).astype(np.float32)
    vae = narrows.VAE(
        latent_dim=2,
        network="mlp:",
        likelihood="gaussian:learned",
        scale=None,
        epochs=60,
        batch_size=50,
        learning_rate=1e-2,
    )
    vae.fit(X)
    best = SklearnPCA(2).fit(X).score(X)
    found = narrows.log_likelihood(vae, X, samples=100).mean()
    assert best - 0.1 < found <= best + 0.01


def test_pca_is_exact():
    X = np.random.default_rng(0).normal(size=(50, 4))
    model = narrows.PCA(latent_dim=2).fit(X)
    expected = SklearnPCA(2).fit(X).score_samples(X)
    np.testing.assert_allclose(narrows.log_likelihood(model, X, samples=3), expected, rtol=1e-6)


@pytest.mark.parametrize("shape", [(2, 9, 7), (5, 3)], ids=["images", "sequences"])
def test_any_sample_shape(shape):
    X = np.random.default_rng(0).normal(size=(12, *shape)).astype(np.float32)
    model = narrows.VAE(latent_dim=2, network="mlp:4", epochs=1).fit(X)
    one, many = (narrows.log_likelihood(model, X, samples=k) for k in (1, 50))
    assert one.shape == (12,)
    assert many.mean() > one.mean()
    np.testing.assert_array_equal(narrows.elbo(model, X), one)


def test_dequantised_density_is_a_probability_of_grey_levels():
    """A uniform density over [0, 1] is 1/256 for every level: 8 bits; a point density is far from one."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, size=(40, 1, 1, 3), dtype=np.uint8)
    model = narrows.PCA(latent_dim=1).fit(X)
    bits = bits_per_dimension(model, X)
    cross_entropy_of_a_normal = 8 - 0.5 * math.log2(12 / (2 * math.pi * math.e))
    assert abs(bits.mean - cross_entropy_of_a_normal) < 4 * bits.standard_error + 0.05
    assert "dequantisation" in unit(model, X, dequantise=True)
    assert "not dequantised" in unit(model, X)


@pytest.mark.parametrize(
    ("likelihood", "words"),
    [
        ("bernoulli", "cross-entropy"),
        ("discretized_logistic", "log probability"),
        ("continuous_bernoulli", "not dequantised"),
    ],
)
def test_unit_says_what_the_numbers_are(likelihood, words):
    X = np.random.default_rng(0).integers(0, 256, size=(30, 1, 1, 5), dtype=np.uint8)
    model = narrows.VAE(latent_dim=2, network="mlp:4", likelihood=likelihood, epochs=1).fit(X)
    assert words in unit(model, X)
    bits = bits_per_dimension(model, X, samples=3)
    nats = narrows.log_likelihood(model, X, samples=3, dequantise=likelihood == "continuous_bernoulli")
    assert math.isclose(bits.mean, -nats.mean() / 5 / math.log(2), rel_tol=1e-9)
    binary = (X > 127).astype(np.uint8) * 255
    assert likelihood != "bernoulli" or unit(model, binary) == "nats, log probability of the values"


def test_mean_and_error():
    estimate = mean_and_error([1.0, 2.0, 4.0])
    assert math.isclose(estimate.mean, 7 / 3)
    assert math.isclose(estimate.standard_error, np.std([1, 2, 4], ddof=1) / math.sqrt(3))
    assert math.isnan(mean_and_error([1.0]).standard_error)


def test_errors(linear_gaussian):
    model, X = linear_gaussian()
    for samples in (0, 1.5, True, 10**20):
        with pytest.raises(ConfigError, match=r"log_likelihood: samples must be an integer >= 1 and <= 1,000,000; got"):
            narrows.log_likelihood(model, X, samples=samples)
    with pytest.raises(ConfigError, match=r"elbo: seed must be an integer >= 0; got -1"):
        narrows.elbo(model, X, seed=-1)
    with pytest.raises(ConfigError, match=r"elbo: dequantise must be False unless X is uint8"):
        narrows.elbo(model, X, dequantise=True)
    plain = narrows.AE(latent_dim=1, network="mlp:2", epochs=1).fit(X)
    with pytest.raises(ConfigError, match=r"elbo: model must have a posterior, a prior and a likelihood; got AE"):
        narrows.elbo(plain, X)
    with pytest.raises(NotFittedError):
        narrows.elbo(narrows.VAE(), X)


@pytest.mark.slow
def test_linear_vae_is_below_factor_analysis_with_a_noise_per_value():
    rng = np.random.default_rng(0)
    noise = np.array([0.2, 0.4, 0.6, 0.8, 1.0])
    X = (rng.normal(size=(1000, 2)) @ rng.normal(size=(2, 5)) + noise * rng.normal(size=(1000, 5))).astype(np.float32)
    vae = narrows.VAE(latent_dim=2, network="mlp:", scale=None, epochs=40, batch_size=50, learning_rate=1e-2).fit(X)
    found = narrows.log_likelihood(vae, X).mean()
    isotropic, own = SklearnPCA(2).fit(X).score(X), FactorAnalysis(2).fit(X).score(X)
    assert isotropic - 0.1 < found < isotropic + 0.01 < own


def test_bounds_are_nats_of_the_data_as_given(linear_gaussian):
    model, X = linear_gaussian(scale=4.0)
    truth = log_density(model, X) - X.shape[1] * math.log(4)
    np.testing.assert_allclose(narrows.elbo(model, X * 4), truth, atol=1e-9)
    np.testing.assert_allclose(narrows.log_likelihood(model, X * 4, samples=7), truth, atol=1e-9)


@pytest.mark.slow
def test_elbo_is_the_reconstruction_less_the_kl_term(linear_gaussian):
    model, X = linear_gaussian(n=4, shift=0.4)
    closed = module.kl(model, X)
    np.testing.assert_allclose(closed.mean(), narrows.evaluation.kl_per_dimension(model, X).sum())
    other, _ = linear_gaussian(n=4, shift=0.4, family=LaplacePosterior)
    draws = np.mean([module.kl(other, X, seed=seed) for seed in range(3000)], 0)
    q = other.module_.posterior(Batch(torch.from_numpy(X))).family
    z = q.rsample(torch.Size([200_000]))
    exact = (q.log_prob(z) + z.square() / 2 + math.log(2 * math.pi) / 2).sum(-1).mean(0)
    np.testing.assert_allclose(draws, exact.numpy(), atol=0.15)
