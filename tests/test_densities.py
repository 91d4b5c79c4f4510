"""Densities over codes, against densities that are known; and models drawn from through them."""

import sys

import numpy as np
import pytest
import scipy.stats
import torch
from sklearn.datasets import load_digits

import narrows
from narrows.errors import ConfigError, DataError, FormatError
from narrows.estimators.loading import load_model
from narrows.probability.densities import DENSITIES, fit_density
from narrows.storage.lines import read_lines
from narrows.storage.record import lines_path, read_record, tensor_path, write_record
from narrows.storage.tensors import read_tensors


def two_clouds(n=1500, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)) * [0.3, 3.0] + np.where(rng.random(n) < 0.5, -2.0, 2.0)[:, None] * [1.0, 0.0] + 10


def log_density(Z):
    parts = [scipy.stats.norm(10 + m, 0.3).logpdf(Z[:, 0]) for m in (-2, 2)]
    return np.logaddexp(*parts) - np.log(2) + scipy.stats.norm(10, 3.0).logpdf(Z[:, 1])


@pytest.mark.slow
@pytest.mark.parametrize(("name", "n", "slack"), [("gmm", 1500, 0.05), ("kde", 1500, 0.12), ("flow", 600, 0.3)])
def test_density_is_found_and_drawn_from(name, n, slack):
    fresh = two_clouds(seed=1)
    density = fit_density(two_clouds(n), name)
    truth = log_density(fresh).mean()
    assert truth - slack < density.score_samples(fresh).mean() < truth + 0.05
    drawn = density.sample(1500, seed=3)
    assert drawn.dtype == np.float64
    np.testing.assert_allclose(drawn.mean(0), [10, 10], atol=0.35)
    np.testing.assert_allclose(drawn.std(0), [2.02, 3.0], atol=0.35)
    assert np.mean(np.abs(drawn[:, 0] - 10) < 1) < 0.06  # nothing between the clouds
    np.testing.assert_array_equal(density.sample(1500, seed=3), drawn)
    assert not np.array_equal(density.sample(1500, seed=4), drawn)


def test_one_normal_is_the_normal_of_the_codes():
    Z = np.random.default_rng(0).multivariate_normal([1, -2], [[2, 0.8], [0.8, 1]], 500)
    wanted = scipy.stats.multivariate_normal(Z.mean(0), np.cov(Z.T, ddof=0)).logpdf(Z)
    np.testing.assert_allclose(fit_density(Z, "gaussian").score_samples(Z), wanted, atol=5e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", DENSITIES)
def test_global_noise_is_left_alone(name):
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    fit_density(two_clouds(60), name).sample(5, seed=0)
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)


TRAIN = (load_digits().data[:300] / 16).astype(np.float32)


@pytest.mark.parametrize(("sampler", "wider"), [("gmm", 0.1), ("gaussian", 0.1), ("kde", 0.2)])
def test_models_without_a_prior_generate(sampler, wider):
    model = narrows.PCA(latent_dim=8).fit(TRAIN)
    found = model.sample(300, 1, sampler)
    assert found.shape == (300, 64)
    np.testing.assert_allclose(found.mean(0), TRAIN.mean(0), atol=0.08)
    # Codes of 0 are the mean digit: drawn ones must differ from each other as much as real reconstructions do.
    assert found.var(0).sum() == pytest.approx(model.reconstruct(TRAIN).var(0).sum(), rel=wider)
    np.testing.assert_array_equal(model.sample(300, 1, sampler), found)
    assert not np.array_equal(model.sample(300, 2, sampler), found)
    assert not np.array_equal(model.sample(300, None, sampler), model.sample(300, None, sampler))


def test_codes_are_those_of_training_and_a_bounded_number_of_them(monkeypatch):
    model = narrows.AE(latent_dim=2, network="mlp:", epochs=1).fit(TRAIN)
    np.testing.assert_allclose(model.codes_, model.transform(TRAIN), atol=1e-6)
    np.testing.assert_array_equal(model.sample(5, 0, "gmm"), model.sample(5, 0, "gmm", X=TRAIN))
    monkeypatch.setattr("narrows.estimators.fitting.KEPT", 50)
    some = narrows.AE(latent_dim=2, network="mlp:", epochs=1).fit(TRAIN).codes_
    assert some.shape == (50, 2)
    assert {tuple(code) for code in some.round(4)} <= {tuple(code) for code in model.codes_.round(4)}
    monkeypatch.setattr("narrows.estimators.fitting.KEPT_VALUES", 80)
    assert narrows.PCA(latent_dim=4).fit(TRAIN).codes_.shape == (20, 4)


def test_other_samples_may_be_given():
    model = narrows.PCA(latent_dim=3).fit(TRAIN)
    ones = TRAIN[load_digits().target[:300] == 1]
    drawn = model.sample(200, 0, "gaussian", X=ones)
    np.testing.assert_allclose(drawn.mean(0), model.reconstruct(ones).mean(0), atol=0.1)


def test_a_training_that_is_left_keeps_codes_and_a_refit_forgets_them():
    model = narrows.AE(latent_dim=2, network="mlp:", epochs=3)
    for _ in model.fit_iter(TRAIN):
        assert model.codes_ is None
        break
    np.testing.assert_allclose(model.codes_, model.transform(TRAIN), atol=1e-6)
    first = model.sample(3, 0, "gaussian")
    assert not np.array_equal(model.fit(TRAIN[:150]).sample(3, 0, "gaussian"), first)


def test_saved_models_draw_the_same(tmp_path):
    model = narrows.AE(latent_dim=2, network="mlp:4", epochs=1).fit(TRAIN)
    loaded = load_model(model.save(tmp_path))
    np.testing.assert_array_equal(loaded.codes_, model.codes_)
    np.testing.assert_array_equal(loaded.sample(4, 3, "kde"), model.sample(4, 3, "kde"))


def test_models_saved_without_codes_ask_for_samples(tmp_path):
    path = narrows.AE(latent_dim=2, network="mlp:4", epochs=1).fit(TRAIN).save(tmp_path) / "model.json"
    record = read_record(path)
    tensors, lines = read_tensors(tensor_path(path, record)), read_lines(lines_path(path, record))
    del tensors["training.codes"], record["tensors"]
    write_record(path, {**record, "codes": 0}, tensors, lines)
    model = load_model(tmp_path)
    with pytest.raises(ConfigError, match=r"AE: sampler='gmm' must have codes .* sample\(n, seed, 'gmm', X=\.\.\.\)"):
        model.sample(3, 0, "gmm")
    assert model.sample(3, 0, "gmm", X=TRAIN).shape == (3, 64)


@pytest.mark.parametrize(("codes", "told"), [(7, "training.codes"), (-1, "training.codes"), (2.0, "codes must be")])
def test_a_record_that_counts_other_codes_is_refused(tmp_path, codes, told):
    path = narrows.AE(latent_dim=2, network="mlp:4", epochs=1).fit(TRAIN).save(tmp_path) / "model.json"
    record = read_record(path)
    tensors = read_tensors(tensor_path(path, record))
    del record["tensors"]
    write_record(path, {**record, "codes": codes}, tensors)
    with pytest.raises(FormatError, match=told):
        load_model(tmp_path)


def test_the_prior_is_what_is_drawn_from_by_default():
    vae = narrows.VAE(latent_dim=2, network="mlp:4", epochs=1).fit(TRAIN)
    np.testing.assert_array_equal(vae.sample(3, 2), vae.sample(3, 2, "prior"))
    with pytest.raises(
        ConfigError, match="PCA: sampler must be 'gaussian', 'gmm', 'kde' or 'flow' for a model without"
    ):
        narrows.PCA(latent_dim=2).fit(TRAIN).sample()


def test_errors():
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
