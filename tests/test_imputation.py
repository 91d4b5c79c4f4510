"""Missing values filled in: against the conditional mean of a linear Gaussian model, and what was observed stays."""

import numpy as np
import pandas as pd
import pytest
import torch

from drawn import structured
from narrows import AE, PCA, VAE
from narrows.errors import ConfigError
from narrows.evaluation.likelihood import elbo, log_likelihood
from narrows.probability.posteriors import NormalPosterior

QUICK = {"latent_dim": 2, "network": "mlp:6", "epochs": 3}


def plane(n=400, d=6, k=2, noise=0.3):
    """Samples of a linear Gaussian model."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, k)) @ rng.normal(size=(k, d)) + noise * rng.normal(size=(n, d)) + rng.normal(size=d)


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
    filled = vae.impute(holes, importance_samples=10_000)
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
    filled = vae.impute(X, importance_samples=50, seed=3)
    np.testing.assert_array_equal(vae.impute(X, importance_samples=50, seed=3), filled)
    assert not np.array_equal(vae.impute(X, importance_samples=50, seed=4), filled)
    np.testing.assert_allclose(vae.impute(X[:7], importance_samples=50, seed=3), filled[:7], rtol=1e-5)
    monkeypatch.setattr("narrows.data.batches.ROWS", 100)
    np.testing.assert_allclose(vae.impute(X, importance_samples=50, seed=3), filled, rtol=1e-5)


def exact_vae(n_features=6, **options):
    """A VAE that is probabilistic PCA, the mean and the covariance of its density, and samples on its scale."""
    X = plane(d=n_features, noise=0.7)
    start = {"latent_dim": 2, "network": "residual:4", "epochs": 1, "learning_rate": 1e-30, "scale": None}
    vae = VAE(**start, likelihood="gaussian:learned", **options).fit(X)
    pca = PCA(latent_dim=2).fit(X)
    W, s = pca.components_, pca.noise_variance_
    return vae, pca, pca.mean_, (W.T * (pca.explained_variance_ - s)) @ W + s * np.eye(n_features), X


@pytest.mark.parametrize("which", [0, 1])
def test_draws_have_the_moments_of_the_conditional_distribution(which):
    vae, pca, mean, C, X = exact_vae()
    model, row = (vae, pca)[which], with_gaps(X[:1], 0.3, seed=2)
    m = np.isnan(row[0])
    A = C[np.ix_(m, ~m)] @ np.linalg.inv(C[np.ix_(~m, ~m)])
    drawn = np.stack(model.impute(row, samples=2000, importance_samples=40_000))[:, 0]
    assert 0 < m.sum() < 6
    np.testing.assert_array_equal(drawn[:, ~m], np.broadcast_to(row[0, ~m], (2000, (~m).sum())))
    expected = C[np.ix_(m, m)] - A @ C[np.ix_(~m, m)]
    np.testing.assert_allclose(drawn[:, m].mean(0), mean[m] + A @ (row[0, ~m] - mean[~m]), atol=0.1)
    np.testing.assert_allclose(np.cov(drawn[:, m].T), expected, atol=0.12)
    given = {int(i): float(row[0, i]) for i in np.flatnonzero(~m)}
    rows = model.conditional(given, 3000, importance_samples=30_000)
    np.testing.assert_allclose(rows[:, m].mean(0), mean[m] + A @ (row[0, ~m] - mean[~m]), atol=0.12)
    np.testing.assert_allclose(np.cov(rows[:, m].T), expected, atol=0.15)


def test_conditional_of_one_value_far_out():
    """The posterior of a row of one value is unlike those of training; the prior's draws make up for it."""
    vae, _, mean, C, X = exact_vae()
    value = X[:, 0].mean() + 2 * X[:, 0].std()
    rows = vae.conditional({0: value}, 2000, importance_samples=40_000)
    assert (rows[:, 0] == np.float64(value)).all()
    expected = mean[1:] + C[1:, 0] / C[0, 0] * (value - mean[0])
    np.testing.assert_allclose(rows[:, 1:].mean(0), expected, atol=0.15)
    assert len(np.unique(rows[:, 1])) > 1900


@pytest.mark.parametrize("model", [PCA(latent_dim=2), VAE(**QUICK)])
def test_draws_of_frames_and_of_a_row_alone(model, monkeypatch):
    X = pd.DataFrame(with_gaps(plane(45)), columns=list("abcdef"), index=range(100, 145)).astype(np.float32)
    model.fit(X)
    first, second = model.impute(X, samples=2, importance_samples=40)
    assert first.index.equals(X.index)
    assert list(first.dtypes) == list(X.dtypes)
    gaps = X.isna().to_numpy()
    assert (first.to_numpy()[gaps] != second.to_numpy()[gaps]).all()
    np.testing.assert_array_equal(first.to_numpy()[~gaps], X.to_numpy()[~gaps])
    alone = model.impute(X[:7], samples=2, importance_samples=40)[0]
    np.testing.assert_allclose(alone.to_numpy(), first[:7].to_numpy(), rtol=1e-4, atol=1e-5)
    rows = model.conditional({"b": 1.5, 3: -1}, 4, seed=2)
    assert list(rows.columns) == list("abcdef")
    assert (rows["b"] == 1.5).all()
    assert (rows["d"] == -1).all()
    assert rows["a"].nunique() == 4
    pd.testing.assert_frame_equal(rows, model.conditional({"b": 1.5, "d": -1}, 4, seed=2))
    assert model.conditional({}, 3).shape == (3, 6)


def test_no_global_generator_is_used():
    vae, *_, X = exact_vae()
    before = torch.get_rng_state()
    vae.impute(with_gaps(X[:3]), samples=2, importance_samples=20)
    vae.conditional({0: 1.0}, 2)
    assert torch.equal(before, torch.get_rng_state())


def test_bounds_are_of_what_is_observed(monkeypatch):
    """With values missing, bounds are of p(x observed), which is known: the residual VAE is probabilistic PCA."""
    vae, pca, *_, X = exact_vae()
    holes = with_gaps(X[:40], 0.3)

    def wide(batch):  # its own posterior is that of whole rows: too narrow for those with holes
        return NormalPosterior(torch.zeros(len(batch), 2), 1.5 * torch.ones(len(batch), 2))

    monkeypatch.setattr(vae.module_, "posterior", wide)
    expected, bound = pca.score_samples(holes), log_likelihood(vae, holes, samples=20_000)
    np.testing.assert_allclose(bound, expected, atol=0.25)
    assert abs((bound - expected).mean()) < 0.03
    assert (elbo(vae, holes, samples=300) < expected + 0.1).all()


def test_errors():
    X = with_gaps(plane(30))
    vae = VAE(**QUICK).fit(X)
    for count in (0, -1, 1.5, True, "many"):
        for name in ("samples", "importance_samples"):
            with pytest.raises(ConfigError, match=f"VAE: {name} must be a whole number >= 1; got"):
                vae.impute(X, **{name: count})
        with pytest.raises(ConfigError, match="VAE: n must be a whole number >= 1; got"):
            vae.conditional({0: 1.0}, count)
    assert vae.impute(X, importance_samples=np.int64(3)).shape == X.shape
    with pytest.raises(ConfigError, match="AE: samples must be None for a model without a distribution over x; got 2"):
        AE(**QUICK).fit(X).impute(X, samples=2)
    named = VAE(**QUICK).fit(pd.DataFrame(X, columns=["age", *"bcdef"]))
    with pytest.raises(ConfigError, match=r"given must have columns by the names age.*got 'agee'. Did you mean 'age'"):
        named.conditional({"agee": 1})
    with pytest.raises(ConfigError, match="given must have columns by positions below 6; got 6"):
        vae.conditional({6: 1})
    with pytest.raises(ConfigError, match="given must hold finite numbers; got 'x' for column 'age'"):
        named.conditional({"age": "x"})
    with pytest.raises(ConfigError, match="VAE: conditional must have a model of tables; got one of images"):
        VAE(latent_dim=2, network="mlp:3", epochs=1).fit(structured((1, 4, 4))).conditional({0: 1})
