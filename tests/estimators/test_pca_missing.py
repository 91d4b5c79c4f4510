"""PCA where values are missing: EM against other ways to the same maximum, and conditional distributions."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.exceptions import ConvergenceWarning

from narrows import PCA
from narrows.errors import DataError
from narrows.pca import principal_axes
from narrows.ppca import expectation_maximisation

D = 5


def plane(n=150, d=D, k=2, noise=0.5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, k)) @ rng.normal(size=(k, d)) + noise * rng.normal(size=(n, d)) + 3 * rng.normal(size=d)


def with_gaps(X, share=0.25, seed=1):
    return np.where(np.random.default_rng(seed).random(X.shape) < share, np.nan, X)


def steps(X, k, **options):
    return list(expectation_maximisation(torch.tensor(np.nan_to_num(X)), torch.tensor(~np.isnan(X)), k, **options))


def covariance(pca, n=None):
    """Return the model's covariance; with n, that of the maximum likelihood, with n degrees of freedom."""
    W, s = pca.components_, pca.noise_variance_
    C = (W.T * (pca.explained_variance_ - s)) @ W + s * np.eye(W.shape[1])
    return C if n is None else C * (n - 1) / n


def log_likelihood(X, mean, C):
    seen = ~np.isnan(X)
    return sum(
        multivariate_normal(mean[o], C[np.ix_(o, o)]).logpdf(x[o]) for x, o in zip(X, seen, strict=True) if o.any()
    )


@cache
def gaussian():
    X = with_gaps(plane(40), 0.15)
    return X, *gaussian_by_em(X)


def gaussian_by_em(X, iterations=150):
    """Return the mean and covariance of greatest likelihood, row by row (Little & Rubin 2002, sec. 11.2)."""
    mean, C = np.nanmean(X, 0), np.diag(np.nanvar(X, 0))
    for _ in range(iterations):
        filled, spread = X.copy(), np.zeros_like(C)
        for row in filled:
            m = np.isnan(row)
            A = C[np.ix_(m, ~m)] @ np.linalg.inv(C[np.ix_(~m, ~m)])
            row[m] = mean[m] + A @ (row[~m] - mean[~m])
            spread[np.ix_(m, m)] += C[np.ix_(m, m)] - A @ C[np.ix_(~m, m)]
        mean = filled.mean(0)
        C = ((filled - mean).T @ (filled - mean) + spread) / len(X)
    return mean, C


@pytest.mark.parametrize("k", [D - 1, D])
def test_every_direction_but_one_is_a_gaussian_with_any_covariance(k, monkeypatch):
    monkeypatch.setattr("narrows.ppca.TOLERANCE", 1e-13)
    X, mean, C = gaussian()
    pca = PCA(latent_dim=k).fit(X)
    np.testing.assert_allclose(pca.mean_, mean, atol=1e-5)
    W = pca.components_
    found = (W.T * pca.explained_variance_) @ W * 39 / 40 if k == D else covariance(pca, 40)
    np.testing.assert_allclose(found, C, atol=2e-5)


def test_one_pattern_has_a_closed_form(monkeypatch):
    """Columns that the last rows lack follow from regression on the others in the whole rows (Anderson 1957)."""
    monkeypatch.setattr("narrows.ppca.TOLERANCE", 1e-14)
    X = plane(80, 4)
    X[50:, 2:] = np.nan
    mean, C = X[:, :2].mean(0), np.cov(X[:, :2].T, bias=True)
    part, m = np.cov(X[:50].T, bias=True), X[:50].mean(0)
    B = part[2:, :2] @ np.linalg.inv(part[:2, :2])
    whole = np.block([[C, C @ B.T], [B @ C, part[2:, 2:] - B @ part[:2, 2:] + B @ C @ B.T]])
    pca = PCA(latent_dim=3).fit(X)
    np.testing.assert_allclose(pca.mean_, [*mean, *(m[2:] + B @ (mean - m[:2]))], atol=1e-5)
    np.testing.assert_allclose(covariance(pca, 80), whole, atol=1e-4)


def test_no_other_parameters_are_likelier(monkeypatch):
    """The gradient of the likelihood, which numpy and torch compute row by row, is 0, and all about is lower."""
    monkeypatch.setattr("narrows.ppca.TOLERANCE", 1e-13)
    X, k = with_gaps(plane(20), 0.15), 2
    last = steps(X, k)[-1].model
    parts = [p.clone().requires_grad_() for p in (last.mean, last.loadings, last.noise.log())]

    def total(mean, W, log_noise):
        C = W @ W.T + log_noise.exp() * torch.eye(D, dtype=torch.float64)
        seen, x = torch.tensor(~np.isnan(X)), torch.tensor(X)
        normal = torch.distributions.MultivariateNormal
        return sum(normal(mean[o], C[o][:, o]).log_prob(row[o]) for row, o in zip(x, seen, strict=True) if o.any())

    best = total(*parts)
    best.backward()
    for part in parts:
        assert part.grad.abs().max() < 1e-3
    rng = torch.Generator().manual_seed(0)
    for _ in range(3):
        near = [p.detach() + 0.02 * torch.randn(p.shape, generator=rng, dtype=p.dtype) for p in parts]
        assert total(*near) < best


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("k", [1, 2, D])
def test_the_likelihood_rises_with_every_step(k, center):
    X = with_gaps(plane(60), 0.3)
    every = steps(X, k, center=center)
    values = [step.log_likelihood for step in every]
    assert len(values) > 5
    assert np.diff(values).min() > -1e-12
    mean, C = every[-2].model.mean.numpy(), every[-2].model
    C = (C.loadings @ C.loadings.T + C.noise * torch.eye(D, dtype=torch.float64)).numpy()
    assert values[-1] == pytest.approx(log_likelihood(X, mean, C) / 60, rel=1e-9)
    assert center or not mean.any()


@pytest.mark.parametrize("k", [1, 3, D])
def test_without_holes_it_is_the_decomposition(k):
    X = plane()
    (first, *_), expected = steps(X, k), principal_axes(X, k)
    np.testing.assert_allclose(first.values[:k] * 150 / 149, expected.variance, rtol=1e-9)
    np.testing.assert_allclose(np.abs(np.sum(first.components[:k].numpy() * expected.components, 1)), 1, rtol=1e-9)
    pca = PCA(latent_dim=k).fit(X)  # bit for bit
    np.testing.assert_array_equal(pca.components_, expected.components)
    np.testing.assert_array_equal(pca.explained_variance_, expected.variance)
    assert pca.noise_variance_ == expected.noise


def test_the_fewer_holes_the_nearer_to_complete_data():
    X = plane(300)
    complete, apart = PCA(latent_dim=2).fit(X), []
    for share in (0.2, 0.02, 0.001):
        pca = PCA(latent_dim=2).fit(with_gaps(X, share))
        apart.append(np.abs(covariance(pca) - covariance(complete)).max())
    assert apart[0] > 2 * apart[1] > 4 * apart[2]
    assert apart[2] < 0.02


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("k", [1, 3, D])
def test_what_is_missing_is_that_of_the_conditional_gaussian(k, whiten):
    pca = PCA(latent_dim=k, whiten=whiten).fit(with_gaps(plane()))
    W, mean = pca.components_, pca.mean_
    C = (W.T * pca.explained_variance_) @ W if k == D else covariance(pca)
    X = with_gaps(plane(40, seed=0), 0.5)
    X[0] = np.nan
    filled, codes, score = pca.impute(X), pca.transform(X), pca.score_samples(X)
    expected = X.copy()
    for row in expected:
        m = np.isnan(row)
        row[m] = mean[m] + C[np.ix_(m, ~m)] @ np.linalg.solve(C[np.ix_(~m, ~m)], row[~m] - mean[~m])
    np.testing.assert_allclose(filled, expected, atol=1e-8)
    np.testing.assert_allclose(codes, pca.transform(expected), atol=1e-8)
    np.testing.assert_allclose(score.sum(), log_likelihood(X, mean, C), rtol=1e-9)
    assert score[0] == pytest.approx(0, abs=1e-12)
    np.testing.assert_array_equal(filled[~np.isnan(X)], X[~np.isnan(X)])
    np.testing.assert_allclose(pca.transform(X[:7]), codes[:7], atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(6,), (3, 2), (1, 2, 3)])
def test_of_every_kind_of_sample_and_any_scale(shape, dtype):
    X = with_gaps(plane(80, 6)).reshape(-1, *shape).astype(dtype)
    pca, table = PCA(latent_dim=2).fit(X), PCA(latent_dim=2).fit(X.reshape(80, 6))
    np.testing.assert_array_equal(pca.components_, table.components_)
    filled = pca.impute(X)
    assert filled.dtype == dtype
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(filled.reshape(80, 6), table.impute(X.reshape(80, 6)))
    scaled = PCA(latent_dim=2, scale="standard").fit(X)
    assert np.isfinite(scaled.score_samples(X)).all()
    deviation = np.log(scaled.schema_.factor).reshape(-1, *([1, 1] if len(shape) == 3 else []))
    x = (X - scaled.schema_.offset.reshape(deviation.shape)) / np.exp(deviation)
    plain = PCA(latent_dim=2).fit(x)
    jacobian = np.where(np.isnan(X), 0, np.broadcast_to(deviation, X.shape)).reshape(80, -1).sum(1)
    np.testing.assert_allclose(scaled.score_samples(X), plain.score_samples(x) - jacobian, rtol=1e-3, atol=1e-3)


def test_frames_keep_their_kind():
    X = pd.DataFrame(with_gaps(plane(40)), columns=list("abcde"), index=range(7, 47))
    filled = PCA(latent_dim=2).fit(X).impute(X)
    assert filled.index.equals(X.index)
    assert filled.notna().all().all()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "X", [plane(60, noise=0.0), np.ones((30, 5)), plane(6, 20, 3), plane(40) * 1e-12, 1e8 + plane(40)]
)
def test_data_without_a_density(X):
    X = with_gaps(X, 0.1)
    pca = PCA(latent_dim=3).fit(X)
    assert np.isfinite(pca.impute(X)).all()
    assert np.isfinite(pca.score_samples(X)).all()
    np.testing.assert_allclose(pca.components_ @ pca.components_.T, np.eye(3), atol=1e-6)


def test_a_plane_is_found_again():
    X = plane(200, noise=1e-3)
    holes = with_gaps(X, 0.2)
    enough = np.isnan(holes).sum(1) <= 2
    np.testing.assert_allclose(PCA(latent_dim=2).fit(holes).impute(holes)[enough], X[enough], atol=0.1)


def test_errors_and_warnings(monkeypatch):
    X = with_gaps(plane(40))
    X[:, 3] = np.nan
    with pytest.raises(DataError, match="PCA: X must have an observed value in every feature; got none in feature 3"):
        PCA(latent_dim=2).fit(X)
    monkeypatch.setattr("narrows.ppca.ITERATIONS", 2)
    with pytest.warns(ConvergenceWarning, match="PCA: EM did not converge in 2 iterations"):
        PCA(latent_dim=2).fit(with_gaps(plane(40)))


def test_saved_and_loaded(tmp_path):
    from narrows.estimators.loading import load_model

    X = with_gaps(plane(40))
    pca = PCA(latent_dim=2).fit(X)
    np.testing.assert_array_equal(load_model(pca.save(tmp_path / "model")).impute(X), pca.impute(X))
