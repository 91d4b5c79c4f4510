"""Codes ordered by nested dropout: their first k numbers are codes by themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

import narrows
from narrows import AE, PCA, VAE
from narrows.errors import ConfigError, DataError
from narrows.objectives import Batch, kl, negative_log_likelihood

X = load_digits().data.astype(np.float32) / 16
TRAIN, TEST = X[:1437], X[1437:]


def test_short_codes_of_pca_are_those_of_a_smaller_pca() -> None:
    large, small = PCA(latent_dim=16).fit(TRAIN), PCA(latent_dim=4).fit(TRAIN)
    np.testing.assert_allclose(large.transform(TEST, k=4), small.transform(TEST), atol=1e-5)
    np.testing.assert_allclose(large.reconstruct(TEST, k=4), small.reconstruct(TEST), atol=1e-5)
    several = large.reconstruct(TEST, k=[4, 16])
    assert several.shape == (2, *TEST.shape)
    np.testing.assert_allclose(several[1], large.reconstruct(TEST), atol=1e-6)


def test_one_ordered_model_beats_pca_at_every_length_it_was_cut_to() -> None:
    model = AE(latent_dim=16, network="mlp", network="mlp:128", ordered=True, epochs=120, learning_rate=5e-3).fit(TRAIN)
    pca = PCA(latent_dim=16).fit(TRAIN)
    lengths = [1, 2, 4, 8]
    errors = ((model.reconstruct(TEST, k=lengths) - TEST) ** 2).sum(2).mean(1)
    linear = ((pca.reconstruct(TEST, k=lengths) - TEST) ** 2).sum(2).mean(1)
    assert (errors < linear).all(), (errors, linear)
    assert (np.diff(errors) < 0).all()


def test_every_length_is_drawn_and_the_code_is_cut_from_the_end() -> None:
    module = AE(latent_dim=8, network="mlp:", ordered=True, epochs=1).fit(TRAIN).module_.train()
    kept = module.kept(Batch(torch.zeros(20_000, 64)), 8)
    assert kept is not None
    assert bool((kept[:, :-1] >= kept[:, 1:]).all())
    lengths = torch.bincount(kept.sum(1).long(), minlength=9)[1:] / 20_000
    expected = torch.log(torch.arange(2.0, 10.0) / torch.arange(1.0, 9.0)) / np.log(9)  # log-uniform
    expected = 0.8 * expected + 0.2 * torch.eye(8)[7]  # and a fifth of the codes stay whole
    torch.testing.assert_close(lengths, expected, atol=0.012, rtol=0)
    assert module.eval().kept(Batch(torch.zeros(3, 64)), 8) is None


def test_the_objective_of_an_ordered_vae_is_the_bound_of_the_shorter_code() -> None:
    vae = VAE(latent_dim=4, network="mlp:8", likelihood="gaussian", ordered=True, epochs=1).fit(TRAIN)
    module = vae.module_.train().double()
    x = torch.from_numpy(TEST[:32]).double()
    loss = module.loss(Batch(x, rng=torch.Generator().manual_seed(5)))
    rng = torch.Generator().manual_seed(5)
    posterior = module.posterior(x)
    noise = torch.randn(32, 4, generator=rng, dtype=torch.float64)
    kept = module.kept(Batch(x, rng=rng), 4)
    z = (posterior.mean + posterior.stddev * noise) * kept
    expected = negative_log_likelihood(module.likelihood(z), x) + (kl(posterior, module.prior()) * kept).sum(1)
    torch.testing.assert_close(loss.total, expected)


def test_saved_codes_stay_ordered(tmp_path) -> None:
    model = AE(latent_dim=4, network="mlp:8", ordered=True, epochs=1).fit(TRAIN)
    model.save(tmp_path / "m")
    loaded = narrows.load(tmp_path / "m")
    np.testing.assert_array_equal(loaded.reconstruct(TEST, k=2), model.reconstruct(TEST, k=2))


def test_codes_that_are_not_ordered_are_not_cut() -> None:
    model = AE(latent_dim=4, network="mlp:8", epochs=1).fit(TRAIN)
    with pytest.raises(ConfigError, match=r"AE: k must go with ordered codes; got k=2\. Fit with ordered=True"):
        model.transform(TEST, k=2)
    with pytest.raises(DataError, match="Z must have latent_dim = 4 columns; got 2"):
        model.inverse_transform(np.zeros((3, 2)))
    with pytest.raises(ConfigError, match="k must be between 1 and latent_dim = 4; got 5"):
        PCA(latent_dim=4).fit(TRAIN).reconstruct(TEST, k=5)
