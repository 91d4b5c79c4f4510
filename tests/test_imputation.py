"""Missing values filled in: against the conditional mean of a linear Gaussian model, and what was observed stays."""

import numpy as np
import pandas as pd
import pytest

from drawn import structured
from narrows import AE, PCA, VAE
from narrows.errors import ConfigError

RNG = np.random.default_rng(0)
QUICK = {"latent_dim": 2, "network": "mlp:6", "epochs": 3}


def plane(n=400, d=6, k=2, noise=0.3):
    """Samples of a linear Gaussian model."""
    return RNG.normal(size=(n, k)) @ RNG.normal(size=(k, d)) + noise * RNG.normal(size=(n, d)) + RNG.normal(size=d)


def with_gaps(X, share=0.3, seed=1):
    gaps = np.random.default_rng(seed).random(X.shape) < share
    gaps[np.arange(len(X)), np.arange(len(X)) % X.shape[1]] = False  # something of every row
    return np.where(gaps, np.nan, X)


def test_the_conditional_mean_of_a_linear_gaussian_model():
    """At its start a residual VAE is probabilistic PCA: E[x_m | x_o] = mu_m + C_mo C_oo^-1 (x_o - mu_o)."""
    X = plane(noise=1.0)
    vae = VAE(latent_dim=2, network="residual:4", likelihood="gaussian:learned", epochs=1, learning_rate=1e-30).fit(X)
    offset, factor = vae.schema_.offset, vae.schema_.factor
    pca = PCA(latent_dim=2).fit((X - offset) / factor)
    W, s = pca.components_, pca.noise_variance_
    C = (W.T * (pca.explained_variance_ - s)) @ W + s * np.eye(6)
    holes = with_gaps(X[:40])
    filled = vae.impute(holes, samples=10_000)
    for x, out in zip((holes - offset) / factor, (filled - offset) / factor, strict=True):
        o = ~np.isnan(x)
        expected = C[np.ix_(~o, o)] @ np.linalg.solve(C[np.ix_(o, o)], x[o])
        np.testing.assert_allclose(out[~o], expected, atol=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("model", [AE, VAE])
def test_training_with_missing_values_imputes_better_than_the_mean(model):
    X = plane()
    holes = with_gaps(X)
    fitted = model(latent_dim=2, network="mlp:32", epochs=60, learning_rate=1e-2, batch_size=50).fit(holes)
    filled, gaps = fitted.impute(holes), np.isnan(holes)
    mean = np.broadcast_to(np.nanmean(holes, 0), X.shape)
    assert ((filled - X)[gaps] ** 2).mean() < 0.6 * ((mean - X)[gaps] ** 2).mean()


@pytest.mark.parametrize("model", [AE, VAE])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_observed_values_come_back_to_the_last_digit(model, dtype):
    X = (1e6 + plane(40)).astype(dtype)
    holes = with_gaps(X)
    fitted = model(**QUICK).fit(holes)
    before = holes.copy()
    filled = fitted.impute(holes)
    seen = ~np.isnan(holes)
    assert filled.dtype == dtype
    np.testing.assert_array_equal(filled[seen], X[seen])
    np.testing.assert_array_equal(holes, before)
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(fitted.impute(X), X)  # nothing is missing


@pytest.mark.parametrize("model", [AE, VAE])
def test_of_frames_and_sequences_too(model):
    table = 1e6 + plane(40)
    holes = pd.DataFrame(with_gaps(table), columns=list("abcdef"), index=range(100, 140))
    filled = model(**QUICK).fit(holes).impute(holes)
    assert isinstance(filled, pd.DataFrame)
    assert filled.index.equals(holes.index)
    seen = holes.notna().to_numpy()
    np.testing.assert_array_equal(filled.to_numpy()[seen], table[seen])
    assert filled.notna().all().all()

    sequences = [1e6 + 10 * x[: 2 + i % 4] for i, x in enumerate(structured((5, 3)).astype(np.float64))]
    gaps = [np.where(np.random.default_rng(i).random(x.shape) < 0.2, np.nan, x) for i, x in enumerate(sequences)]
    filled = model(**{**QUICK, "network": "recurrent:5"}).fit(gaps).impute(gaps)
    for one, hole, full in zip(filled, gaps, sequences, strict=True):
        assert one.shape == full.shape
        np.testing.assert_array_equal(one[~np.isnan(hole)], full[~np.isnan(hole)])
        assert np.isfinite(one).all()
    np.testing.assert_array_equal(
        model(**{**QUICK, "network": "recurrent:5"}).fit(gaps).impute(sequences)[1], sequences[1]
    )


def test_draws_depend_on_the_seed_and_the_row_alone(monkeypatch):
    X = with_gaps(plane(30))
    vae = VAE(**QUICK).fit(X)
    filled = vae.impute(X, samples=50, seed=3)
    np.testing.assert_array_equal(vae.impute(X, samples=50, seed=3), filled)
    assert not np.array_equal(vae.impute(X, samples=50, seed=4), filled)
    np.testing.assert_allclose(vae.impute(X[:7], samples=50, seed=3), filled[:7], rtol=1e-5)
    monkeypatch.setattr("narrows.data.batches.ROWS", 100)
    np.testing.assert_allclose(vae.impute(X, samples=50, seed=3), filled, rtol=1e-5)


def test_errors():
    X = with_gaps(plane(30))
    vae = VAE(**QUICK).fit(X)
    for samples in (0, -1, 1.5, True, "many"):
        with pytest.raises(ConfigError, match="VAE: samples must be a whole number >= 1; got"):
            vae.impute(X, samples=samples)
    assert vae.impute(X, samples=np.int64(3)).shape == X.shape
