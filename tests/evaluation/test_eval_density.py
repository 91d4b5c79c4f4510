"""Densities over codes, against densities that are known."""

import sys

import numpy as np
import pytest
import scipy.stats
import torch

import narrows
from narrows.errors import ConfigError, DataError
from narrows.evaluation import DENSITIES, fit_density, sample


def two_clouds(n=1500, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)) * [0.3, 3.0] + np.where(rng.random(n) < 0.5, -2.0, 2.0)[:, None] * [1.0, 0.0] + 10


def log_density(Z):
    parts = [scipy.stats.norm(10 + m, 0.3).logpdf(Z[:, 0]) for m in (-2, 2)]
    return np.logaddexp(*parts) - np.log(2) + scipy.stats.norm(10, 3.0).logpdf(Z[:, 1])


@pytest.mark.parametrize(("name", "slack"), [("gmm", 0.05), ("kde", 0.12), ("flow", 0.2)])
def test_density_is_found_and_drawn_from(name, slack):
    fresh = two_clouds(seed=1)
    density = fit_density(two_clouds(), name)
    truth = log_density(fresh).mean()
    assert truth - slack < density.score_samples(fresh).mean() < truth + 0.05
    drawn = density.sample(1500, seed=3)
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(drawn.mean(0), [10, 10], atol=0.3)
    np.testing.assert_allclose(drawn.std(0), [2.02, 3.0], atol=0.35)
    assert np.mean(np.abs(drawn[:, 0] - 10) < 1) < 0.06  # nothing between the clouds
    np.testing.assert_array_equal(density.sample(1500, seed=3), drawn)
    assert not np.array_equal(density.sample(1500, seed=4), drawn)


def test_one_normal_is_the_normal_of_the_codes():
    Z = np.random.default_rng(0).multivariate_normal([1, -2], [[2, 0.8], [0.8, 1]], 500)
    wanted = scipy.stats.multivariate_normal(Z.mean(0), np.cov(Z.T, ddof=0)).logpdf(Z)
    np.testing.assert_allclose(fit_density(Z, "gaussian").score_samples(Z), wanted, atol=5e-3)


@pytest.mark.parametrize("name", DENSITIES)
def test_global_noise_is_left_alone(name):
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    fit_density(two_clouds(60), name).sample(5, seed=0)
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)


def test_models_without_a_prior_generate(digits):
    train = digits[0]
    model = narrows.PCA(latent_dim=8).fit(train)
    found = sample(model, train, 300, sampler="gmm", seed=1)
    assert found.shape == (300, 64)
    np.testing.assert_allclose(found.mean(0), train.mean(0), atol=0.08)
    # Codes of 0 are the mean digit: drawn ones must differ from each other as much as real reconstructions do.
    assert found.var(0).sum() == pytest.approx(model.reconstruct(train).var(0).sum(), rel=0.1)


def test_prior_is_the_models_own(digits):
    vae = narrows.VAE(latent_dim=2, hidden=(4,), epochs=1).fit(digits[0])
    np.testing.assert_array_equal(sample(vae, digits[0], 3, sampler="prior", seed=2), vae.sample(3, seed=2))


def test_errors(digits):
    with pytest.raises(ConfigError, match=r"sampler must be one of .*; got 'gnm'. Did you mean 'gmm'\?"):
        fit_density(two_clouds(60), "gnm")
    with pytest.raises(DataError, match=r"FlowDensity: Z must be finite, of shape \(N, latent_dim\) with N >= 20"):
        fit_density(two_clouds(10), "flow")
    with pytest.raises(DataError, match="must be finite"):
        fit_density(np.full((5, 2), np.nan), "kde")


def test_a_flow_without_zuko_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "zuko", None)
    with pytest.raises(ConfigError, match=r'zuko must be installed for "flow"; it is not. Run: pip install'):
        fit_density(two_clouds(60), "flow")
