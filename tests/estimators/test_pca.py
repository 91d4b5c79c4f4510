"""PCA against scikit-learn's, and against what is printed of real data."""

import gzip

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA as REFERENCE

from narrows import PCA, moments
from narrows.errors import ConfigError

RNG = np.random.default_rng(0)
TABLES = {
    "iris": load_iris().data,
    "digits": load_digits().data[:400],
    "wide": RNG.normal(size=(20, 60)) * np.linspace(3, 0.1, 60),
    "offset": RNG.normal(size=(50, 5)) * [5, 3, 2, 1, 0.5] + 1e4,
}
SOLVERS = ["auto", "svd", "covariance", "gram"]


def compare(found, expected, X, k, atol=1e-5):
    """Everything that scikit-learn's PCA tells, signs included."""
    np.testing.assert_allclose(found.components_, expected.components_[:k], atol=atol)
    np.testing.assert_allclose(found.mean_, expected.mean_, rtol=1e-12)
    np.testing.assert_allclose(found.explained_variance_, expected.explained_variance_, rtol=1e-5)
    np.testing.assert_allclose(found.explained_variance_ratio_, expected.explained_variance_ratio_, rtol=1e-5)
    assert found.noise_variance_ == pytest.approx(expected.noise_variance_, rel=1e-5, abs=1e-12)
    Z = expected.transform(X)
    np.testing.assert_allclose(found.transform(X), Z, atol=atol * max(1, np.abs(Z).max()))
    np.testing.assert_allclose(found.inverse_transform(Z), expected.inverse_transform(Z), rtol=1e-5, atol=atol)


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", TABLES)
def test_equal_to_scikit_learns(name, solver, whiten):
    X = TABLES[name]
    found = PCA(latent_dim=3, solver=solver, whiten=whiten).fit(X)
    assert found.components_.shape == (3, X.shape[1])
    compare(found, REFERENCE(3, whiten=whiten, svd_solver="full").fit(X), X, 3)


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("k", [1, 3])
def test_score_is_equal(name, k, whiten):
    X = TABLES[name]
    expected = REFERENCE(k, svd_solver="full").fit(X)  # the density of X does not depend on the codes' scale
    found = PCA(latent_dim=k, whiten=whiten).fit(X)
    np.testing.assert_allclose(found.score_samples(X), expected.score_samples(X), rtol=1e-6, atol=1e-6)
    assert found.score(X[:7]) == pytest.approx(expected.score(X[:7]), rel=1e-6)


def test_score_with_every_dimension():
    X = TABLES["iris"]
    np.testing.assert_allclose(PCA().fit(X).score_samples(X), REFERENCE().fit(X).score_samples(X), rtol=1e-6)


def test_score_is_the_density_of_a_normal_distribution():
    from scipy.stats import multivariate_normal

    X = TABLES["iris"]
    pca = PCA(latent_dim=2).fit(X)
    W, s = pca.components_, pca.noise_variance_
    covariance = (W.T * (pca.explained_variance_ - s)) @ W + s * np.eye(4)
    np.testing.assert_allclose(pca.score_samples(X), multivariate_normal(X.mean(0), covariance).logpdf(X), rtol=1e-9)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("center", [True, False])
def test_products_of_pixels_lose_no_digit(center, whole, monkeypatch):
    if whole and not moments._multiplies_whole():
        pytest.skip("the processor has no product of 8-bit whole numbers")
    monkeypatch.setattr(moments, "_multiplies_whole", lambda: whole)
    monkeypatch.setattr(moments, "WHOLE", 1000)
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (2500, 12)).astype(np.uint8)  # three times what is summed at once, and a rest
    X[:, :4] = 255  # the largest products that there are
    X[::2, 3] = 0
    found, expected = (PCA(latent_dim=5, solver=s, center=center).fit(X) for s in ("covariance", "svd"))
    np.testing.assert_allclose(found.explained_variance_, expected.explained_variance_, rtol=1e-12)
    np.testing.assert_allclose(found.components_, expected.components_, atol=1e-9)
    assert found.noise_variance_ == pytest.approx(expected.noise_variance_, rel=1e-12)


@pytest.mark.parametrize("solver", ["covariance", "range"])
@pytest.mark.parametrize("offset", [0.0, 0.5, 1000.0])
def test_single_precision_products_lose_no_more_than_single_precision(solver, offset, monkeypatch):
    monkeypatch.setattr("narrows.moments.ROWS", 700)  # several pieces, and a rest
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(5000, 6)) @ rng.normal(size=(6, 30)) + offset).astype(np.float32)
    assert (moments.shift_of(X) is None) == (offset < 1)
    found = PCA(latent_dim=5, solver=solver).fit(X)
    expected = REFERENCE(5, svd_solver="full").fit(X.astype(np.float64))
    np.testing.assert_allclose(found.mean_, expected.mean_, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found.explained_variance_, expected.explained_variance_, rtol=1e-5)
    np.testing.assert_allclose(np.abs(np.sum(found.components_ * expected.components_, 1)), 1, atol=1e-6)
    assert found.noise_variance_ == pytest.approx(expected.noise_variance_, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("pixels", [True, False])
def test_a_range_holds_nearly_all_of_the_variance(pixels):
    rng = np.random.default_rng(0)
    X = 40 * rng.normal(size=(5000, 8)) @ rng.normal(size=(8, 300)) / 3 + 20 * rng.normal(size=(5000, 300)) + 128
    X = X.clip(0, 255).astype(np.uint8) if pixels else X
    found, expected = (PCA(latent_dim=20, solver=s).fit(X) for s in ("range", "svd"))
    lost = 1 - found.explained_variance_.sum() / expected.explained_variance_.sum()
    assert 0 <= lost + 1e-6 < 1e-3  # 12 of the 20 axes are noise, with hardly a gap between them
    np.testing.assert_allclose(found.explained_variance_[:8], expected.explained_variance_[:8], rtol=1e-5)
    np.testing.assert_allclose(found.components_ @ found.components_.T, np.eye(20), atol=1e-6)
    total = [f.explained_variance_.sum() + 280 * f.noise_variance_ for f in (found, expected)]
    assert total[0] == pytest.approx(total[1], rel=1e-6)


@pytest.mark.slow
def test_a_range_holds_all_of_a_variance_that_falls(monkeypatch):
    monkeypatch.setattr("narrows.moments.ROWS", 700)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 1000)) * np.arange(1, 1001) ** -0.75 + 0.5  # variance falls as in photographs
    X = X.astype(np.float32)
    found, expected = (PCA(latent_dim=40, solver=s).fit(X) for s in ("range", "svd"))
    assert 0 <= 1 - found.explained_variance_.sum() / expected.explained_variance_.sum() + 1e-6 < 1e-5
    np.testing.assert_allclose(found.explained_variance_[:20], expected.explained_variance_[:20], rtol=1e-6)
    np.testing.assert_allclose(found.components_ @ found.components_.T, np.eye(40), atol=1e-6)
    np.testing.assert_array_equal(found.components_, PCA(latent_dim=40, solver="range").fit(X).components_)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("columns", [0, 7, 100])
def test_a_range_of_data_with_fewer_dimensions_than_it_follows(columns, scale):
    X = np.zeros((500, 400), np.float32)  # all others are constant: products with them are 0, not nearly
    X[:, :columns] = scale * np.random.default_rng(0).normal(size=(500, columns))
    found, expected = (PCA(latent_dim=120, solver=s).fit(X) for s in ("range", "svd"))
    np.testing.assert_allclose(found.components_ @ found.components_.T, np.eye(120), atol=1e-6)
    np.testing.assert_allclose(found.explained_variance_, expected.explained_variance_, atol=1e-6 * scale**2)


@pytest.mark.parametrize("solver", SOLVERS)
def test_without_centring(solver):
    X = TABLES["iris"]
    pca = PCA(latent_dim=2, center=False, solver=solver).fit(X)
    v = np.linalg.svd(X, full_matrices=False)[2][:2]
    v *= np.sign(v[np.arange(2), np.abs(v).argmax(1)])[:, None]
    np.testing.assert_allclose(pca.components_, v, atol=1e-8)
    assert not pca.mean_.any()
    np.testing.assert_allclose(pca.reconstruct(X), X @ v.T @ v, atol=1e-8)


@pytest.mark.parametrize("solver", SOLVERS)
def test_data_in_a_plane(solver):
    X = RNG.normal(size=(30, 2)) @ RNG.normal(size=(2, 8)) + 1
    pca = PCA(latent_dim=5, solver=solver).fit(X)
    np.testing.assert_allclose(pca.components_ @ pca.components_.T, np.eye(5), atol=1e-6)
    np.testing.assert_allclose(pca.reconstruct(X), X, atol=1e-8)
    np.testing.assert_allclose(pca.explained_variance_[2:], 0, atol=1e-12)
    assert np.isfinite(pca.score_samples(X)).all()
    two = PCA(latent_dim=2, solver=solver).fit(X)
    compare(two, REFERENCE(2, svd_solver="full").fit(X), X, 2)


@pytest.mark.parametrize("solver", SOLVERS)
def test_as_many_dimensions_as_samples(solver):
    X = TABLES["wide"]
    pca = PCA(latent_dim=20, solver=solver).fit(X)
    np.testing.assert_allclose(pca.components_ @ pca.components_.T, np.eye(20), atol=1e-6)
    np.testing.assert_allclose(pca.reconstruct(X), X, atol=1e-6)


def test_cut_to_fewer_numbers():
    X = TABLES["digits"]
    pca = PCA(latent_dim=10).fit(X)
    for k in (1, 4, 10):
        np.testing.assert_allclose(pca.transform(X)[:, :k], PCA(latent_dim=k).fit(X).transform(X), atol=1e-8)
        np.testing.assert_allclose(pca.reconstruct(X, k=k), PCA(latent_dim=k).fit(X).reconstruct(X), atol=1e-8)


def test_as_many_as_the_data_allow():
    assert PCA().fit(TABLES["iris"]).components_.shape == (4, 4)
    assert PCA().fit(TABLES["wide"]).components_.shape == (20, 60)


def test_single_precision_keeps_its_digits():
    """The decomposition is in double precision: float32 data lose nothing but their own rounding."""
    X = TABLES["offset"].astype(np.float32)
    found, expected = PCA(latent_dim=3).fit(X), REFERENCE(3, svd_solver="full").fit(X.astype(np.float64))
    np.testing.assert_allclose(found.components_, expected.components_, atol=1e-5)
    np.testing.assert_allclose(found.transform(X), expected.transform(X.astype(np.float64)), atol=1e-5)


@pytest.mark.parametrize("offset", [0.0, 1000.0])
@pytest.mark.parametrize("solver", ["svd", "covariance", "gram"])
def test_single_precision_is_computed_as_double(solver, offset, monkeypatch):
    """Block by block, which changes no bit: the data need not be copied as a whole."""
    monkeypatch.setattr("narrows.moments.ROWS", 60)
    X = (RNG.normal(size=(200, 8)) @ RNG.normal(size=(8, 20)) + offset).astype(np.float32)
    single, double = (PCA(latent_dim=3, solver=solver).fit(x) for x in (X, X.astype(np.float64)))
    for name in ("components_", "mean_", "explained_variance_", "noise_variance_", "codes_"):
        np.testing.assert_array_equal(getattr(single, name), getattr(double, name))


FAR = {"1e9 + N(0, 1)": (1e9, 1.0), "5,400,000 +- 0.05": (5.4e6, 0.05), "1e-30": (0.0, 1e-30), "1e30": (0.0, 1e30)}
"""Offset and deviation of data in double precision."""


@pytest.mark.parametrize("solver", ["svd", "covariance", "gram"])
@pytest.mark.parametrize("name", FAR)
def test_data_far_from_0_and_of_any_size(name, solver):
    offset, deviation = FAR[name]
    X = RNG.normal(size=(120, 6)) @ RNG.normal(size=(6, 10)) * deviation + offset
    apart = X - offset  # exact, as numbers so near one another are
    _, s, v = np.linalg.svd(apart - apart.mean(0), full_matrices=False)
    found = PCA(latent_dim=3, solver=solver).fit(X)
    np.testing.assert_allclose(found.explained_variance_, s[:3] ** 2 / 119, rtol=1e-9)
    np.testing.assert_allclose(np.abs((found.components_ * v[:3]).sum(1)), 1, rtol=1e-12)
    np.testing.assert_allclose(found.mean_ - offset, apart.mean(0), rtol=1e-9, atol=1e-14 * offset)


@pytest.mark.parametrize("shape", [(1, 8, 8), (4, 4, 4), (8, 8), (64,)])
def test_images_and_sequences_are_rows(shape):
    flat = TABLES["digits"]
    X = flat.reshape(-1, *shape)
    pca, table = PCA(latent_dim=6).fit(X), PCA(latent_dim=6).fit(flat)
    np.testing.assert_array_equal(pca.components_, table.components_)
    assert pca.reconstruct(X).shape == X.shape
    np.testing.assert_array_equal(pca.reconstruct(X).reshape(flat.shape), table.reconstruct(flat))
    np.testing.assert_array_equal(pca.score_samples(X), table.score_samples(flat))


def test_pixels_are_scaled():
    X = (TABLES["digits"] * 15).astype(np.uint8)
    compare(PCA(latent_dim=3).fit(X / 255), REFERENCE(3, svd_solver="full").fit(X / 255), X / 255, 3)
    np.testing.assert_allclose(PCA(latent_dim=3).fit(X).transform(X), PCA(latent_dim=3).fit(X / 255).transform(X / 255))


def test_whitened_codes_have_unit_variance():
    X = TABLES["digits"]
    Z = PCA(latent_dim=5, whiten=True).fit(X).transform(X)
    np.testing.assert_allclose(np.cov(Z.T), np.eye(5), atol=1e-8)


def test_the_report_is_half_the_squared_error():
    X = TABLES["iris"]
    (report,) = PCA(latent_dim=2).fit_iter(X)
    pca = PCA(latent_dim=2).fit(X)
    assert report.train["loss"] == pytest.approx(((X - pca.reconstruct(X)) ** 2).sum(1).mean() / 2)
    assert (report.epoch, report.epochs, report.end_of_epoch) == (1, 1, True)
    assert pca.history_[0]["train"] == report.train


def test_attributes_before_fit():
    with pytest.raises(AttributeError, match="PCA: components is there after fit"):
        _ = PCA().components_


def idx(path):
    raw = gzip.decompress(path.read_bytes())
    return np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 1, 28, 28)


@pytest.mark.slow
def test_the_printed_errors_on_mnist(real_data):
    """Hinton & Salakhutdinov (2006) print 13.87 for 30 dimensions."""
    folder = real_data / "mnist"
    train, test = idx(folder / "train-images-idx3-ubyte.gz"), idx(folder / "t10k-images-idx3-ubyte.gz")
    pca = PCA(latent_dim=64).fit(train)
    Z = pca.transform(test)
    flat = test.reshape(len(test), -1) / 255
    for k, error in ((64, 7.093), (30, 13.866), (16, 21.06)):
        rebuilt = Z[:, :k] @ pca.components_[:k] + pca.mean_
        assert ((flat - rebuilt) ** 2).sum(1).mean() == pytest.approx(error, abs=6e-3 if k == 16 else 6e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_the_range_finder_finds_the_same_where_it_may_keep_nothing(dtype, monkeypatch):
    """It then multiplies once more instead of remembering."""
    rng = np.random.default_rng(3)
    X = (rng.random((400, 60)) @ rng.random((60, 300)) * 8).astype(dtype)
    kept = PCA(latent_dim=5, solver="range").fit(X)
    monkeypatch.setattr("narrows.pca.CODES", 0)
    again = PCA(latent_dim=5, solver="range").fit(X)
    np.testing.assert_allclose(again.components_, kept.components_, atol=1e-5)
    np.testing.assert_allclose(again.explained_variance_, kept.explained_variance_, rtol=1e-6)


@pytest.mark.parametrize("scale", ["standard", "minmax", 10.0])
def test_a_scaled_pca_is_that_of_scaled_data(scale):
    """Codes, reconstructions and the density, by the change of variables."""
    X = TABLES["iris"]
    offset, factor = {"standard": (X.mean(0), X.std(0)), "minmax": (X.min(0), np.ptp(X, 0)), 10.0: (0, np.full(4, 10))}[
        scale
    ]
    scaled, plain = PCA(latent_dim=2, scale=scale).fit(X), PCA(latent_dim=2).fit((X - offset) / factor)
    x = (X - offset) / factor
    np.testing.assert_allclose(scaled.transform(X), plain.transform(x), atol=1e-9)
    np.testing.assert_allclose(scaled.reconstruct(X), plain.reconstruct(x) * factor + offset, atol=1e-9)
    np.testing.assert_allclose(scaled.score_samples(X), plain.score_samples(x) - np.log(factor).sum(), rtol=1e-9)


def test_fewer_rows_are_left_than_the_codes_have_values():
    X = TABLES["iris"][:6]
    assert PCA().fit(X, validation=0.5).latent_dim_ == 3
    with pytest.raises(ConfigError, match=r"PCA: latent_dim must be at most .* = 3 \(n_samples = 3.*got 4"):
        PCA(latent_dim=4).fit(X, validation=0.5)
