"""Codes ordered by nested dropout: their first k numbers are codes by themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from narrows import AE, PCA, VAE
from narrows.errors import ConfigError, DataError
from narrows.estimators.loading import load_model
from narrows.module import Batch
from narrows.objectives import negative_log_likelihood

X = load_digits().data.astype(np.float32) / 16
TRAIN, TEST = X[:1437], X[1437:]


def test_short_codes_of_pca_are_those_of_a_smaller_pca() -> None:
    large, small = PCA(latent_dim=16).fit(TRAIN), PCA(latent_dim=4).fit(TRAIN)
    np.testing.assert_allclose(large.transform(TEST)[:, :4], small.transform(TEST), atol=1e-5)
    np.testing.assert_allclose(large.reconstruct(TEST, k=4), small.reconstruct(TEST), atol=1e-5)
    several = large.reconstruct(TEST, k=[4, 16])
    assert several.shape == (2, *TEST.shape)
    np.testing.assert_allclose(several[1], large.reconstruct(TEST), atol=1e-6)


@pytest.mark.slow
def test_one_ordered_model_beats_pca_at_every_length_it_was_cut_to() -> None:
    model = AE(latent_dim=16, network="mlp:128", code="ordered", epochs=50, learning_rate=1e-2).fit(TRAIN)
    pca = PCA(latent_dim=16).fit(TRAIN)
    lengths = [1, 2, 4, 8]
    errors = ((model.reconstruct(TEST, k=lengths) - TEST) ** 2).sum(2).mean(1)
    linear = ((pca.reconstruct(TEST, k=lengths) - TEST) ** 2).sum(2).mean(1)
    assert (errors < linear).all(), (errors, linear)
    assert (np.diff(errors) < 0).all()


def test_every_length_is_drawn_and_the_code_is_cut_from_the_end() -> None:
    module = AE(latent_dim=8, network="mlp:", code="ordered", epochs=1).fit(TRAIN).module_.train()
    kept = module.layer.keep(Batch(torch.zeros(20_000, 64)))
    assert kept is not None
    assert bool((kept[:, :-1] >= kept[:, 1:]).all())
    lengths = torch.bincount(kept.sum(1).long(), minlength=9)[1:] / 20_000
    expected = torch.log(torch.arange(2.0, 10.0) / torch.arange(1.0, 9.0)) / np.log(9)  # log-uniform
    expected = 0.8 * expected + 0.2 * torch.eye(8)[7]  # and a fifth of the codes stay whole
    torch.testing.assert_close(lengths, expected, atol=0.012, rtol=0)
    assert module.eval().layer.keep(Batch(torch.zeros(3, 64))) is None


def test_the_objective_of_an_ordered_vae_is_the_bound_of_the_shorter_code() -> None:
    vae = VAE(latent_dim=4, network="mlp:8", likelihood="gaussian", code="ordered", epochs=1).fit(TRAIN)
    module = vae.module_.train().double()
    x = torch.from_numpy(TEST[:32]).double()
    loss = module.loss(Batch(x, rng=torch.Generator().manual_seed(5)))
    rng = torch.Generator().manual_seed(5)
    posterior = module.posterior(Batch(x))
    noise = torch.randn(32, 4, generator=rng, dtype=torch.float64)
    kept = module.layer.keep(Batch(x, rng=rng))
    z = (posterior.mean + posterior.stddev * noise) * kept
    expected = negative_log_likelihood(module.likelihood(z), x) + (posterior.kl(module.prior()) * kept).sum(1)
    torch.testing.assert_close(loss.total, expected)


def test_saved_codes_stay_ordered(tmp_path) -> None:
    model = AE(latent_dim=4, network="mlp:8", code="ordered", epochs=1).fit(TRAIN)
    model.save(tmp_path / "m")
    loaded = load_model(tmp_path / "m")
    np.testing.assert_array_equal(loaded.reconstruct(TEST, k=2), model.reconstruct(TEST, k=2))


def test_codes_that_are_not_ordered_are_not_cut() -> None:
    model = AE(latent_dim=4, network="mlp:8", epochs=1).fit(TRAIN)
    with pytest.raises(ConfigError, match=r"AE: k must go with ordered codes; got k=2\. Fit with code='ordered'"):
        model.reconstruct(TEST, k=2)
    with pytest.raises(DataError, match="Z must have latent_dim = 4 columns; got 2"):
        model.inverse_transform(np.zeros((3, 2)))
    pca = PCA(latent_dim=4).fit(TRAIN)
    for k in (5, 0, -1, [2, 5], 2.5, True, "2"):
        with pytest.raises(ConfigError, match="k must be a whole number from 1 to latent_dim = 4; got"):
            pca.reconstruct(TEST, k=k)


@pytest.mark.parametrize("k", [np.int64(2), np.uint8(2), [np.int32(1), 2], np.array([1, 2]), (1, 2), range(1, 3)])
def test_lengths_may_be_numpys_numbers(k) -> None:
    pca = PCA(latent_dim=4).fit(TRAIN)
    plain = 2 if np.ndim(k) == 0 else [1, 2]
    np.testing.assert_array_equal(pca.reconstruct(TEST, k=k), pca.reconstruct(TEST, k=plain))


@pytest.mark.parametrize("model", [PCA(latent_dim=4), AE(latent_dim=4, code="ordered", epochs=1)])
def test_lengths_of_an_estimator_that_returns_frames(model) -> None:
    expected = model.fit(TRAIN).reconstruct(TEST, k=2)
    np.testing.assert_array_equal(model.set_output(transform="pandas").reconstruct(TEST, k=2), expected)
    assert model.sample(3, 0, "gaussian", X=TRAIN).shape == (3, 64)
    assert model.transform(TEST).shape == (360, 4)


def test_short_codes_stand_for_samples() -> None:
    pca = PCA(latent_dim=6).fit(TRAIN)
    short = pca.inverse_transform(pca.transform(TEST)[:, :3])
    np.testing.assert_allclose(short, pca.reconstruct(TEST, k=3), atol=1e-9)
