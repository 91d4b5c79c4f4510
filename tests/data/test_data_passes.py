"""Rows on disk are read once before training, and statistics of that pass are those of numpy."""

import numpy as np
import pytest
from scipy import sparse

from narrows import AE, PCA, VAE
from narrows.data.facts import Facts
from narrows.data.schema import Schema
from narrows.data.stored import StoredRows
from narrows.errors import DataError
from narrows.estimators import initialisation
from narrows.estimators.on_disk import axes_on_disk
from narrows.moments import Moments, Products
from narrows.pca import principal_axes

RNG = np.random.default_rng(0)
N, D = 3000, 70
REAL = (RNG.normal(size=(N, 5)) @ RNG.normal(size=(5, D)) * 4 + RNG.normal(size=(N, D)) + 3).astype(np.float32)
PIXELS = (REAL * 8 + 90).clip(0, 255).astype(np.uint8)
HOLES = np.where(RNG.random(REAL.shape) < 0.05, np.float32(np.nan), REAL)
STEP = {"epochs": 1, "batch_size": N - 1, "latent_dim": 4}


class Counted(StoredRows):
    """Rows that count how many of them are read."""

    identity = "rows"

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.read_rows = array, array.shape, array.dtype, 0

    def read(self, start, stop):
        self.read_rows += stop - start
        return self.array[start:stop].copy()

    def pick(self, rows):
        self.read_rows += len(rows)
        return self.array[rows]

    def passes(self):
        """Return how often all rows were read since it was last asked."""
        passes, self.read_rows = self.read_rows / len(self), 0
        return passes


@pytest.fixture(autouse=True)
def large(monkeypatch):
    """Small rows are read as they are: here all count as large, are read in parts, and none is decomposed itself."""
    monkeypatch.setattr("narrows.estimators.validation.HELD", 0)
    monkeypatch.setattr("narrows.data.stored.PART", 2**14)
    monkeypatch.setattr("narrows.pca.FEW", 0)


@pytest.fixture
def passes(monkeypatch):
    """The passes until the first step of a fit, or until the end of one that takes no steps."""

    def count(model, X, **options):
        rows = Counted(X)
        if isinstance(model, PCA):
            monkeypatch.setattr("narrows.estimators.fitting.KEPT", 1)
            model.fit(rows)
            return rows.passes()
        reports = model.fit_iter(rows, **options)
        start = initialisation.start_at_data
        found = []

        def counted(*args):
            start(*args)
            found.append(rows.passes())

        monkeypatch.setattr("narrows.estimators.neural.start_at_data", counted)
        list(reports)
        return found[0]

    return count


@pytest.mark.parametrize("X", [REAL, PIXELS], ids=["real", "pixels"])
@pytest.mark.parametrize(
    ("model", "most"),
    [
        (PCA(latent_dim=3), 1), (PCA(latent_dim=3, scale="standard"), 1), (PCA(latent_dim=3, solver="range"), 2),
        (PCA(latent_dim=3, solver="range", center=False), 2), (PCA(latent_dim=3, solver="range", scale="standard"), 3),
        (VAE(**STEP, network="mlp:8"), 1), (VAE(**STEP, network="residual:8"), 1),
        (AE(**STEP, network="residual:8", scale="minmax"), 1),
    ],
)  # fmt: skip
def test_before_training_rows_are_read_once(passes, X, model, most):
    assert most <= passes(model, X) < most + 0.1


def test_held_out_rows_are_read_with_their_neighbours_and_by_themselves(passes):
    assert passes(VAE(**STEP, network="residual:8"), REAL, validation=0.2) < 1.25


def test_rows_with_holes_are_read_once_and_for_some_of_them(passes, monkeypatch):
    monkeypatch.setattr("narrows.estimators.initialisation.ROWS", 100)
    assert passes(VAE(**STEP, network="residual:8"), HOLES) < 1.2


@pytest.mark.parametrize("X", [REAL, PIXELS, HOLES], ids=["real", "pixels", "holes"])
@pytest.mark.parametrize("shape", [(D,), (7, 10), (2, 5, 7)], ids=str)
def test_facts_are_numpys(X, shape):
    found = Counted(X).facts.by_feature(shape)
    axes = {1: (0,), 2: (0, 1), 3: (0, 2, 3)}[len(shape)]
    whole = X.reshape(-1, *shape).astype(np.float64)
    for value, expected in (
        (found.mean, np.nanmean(whole, axes)), (found.squares / found.count, np.nanvar(whole, axes)),
        (found.low, np.nanmin(whole, axes)), (found.high, np.nanmax(whole, axes)),
    ):  # fmt: skip
        np.testing.assert_allclose(value, expected, rtol=1e-12)
    assert found.missing == bool(np.isnan(whole).any())


def test_bytes_are_summed_without_rounding():
    rows = np.full((2**16 + 3, 2), 255, np.uint8)
    rows[0] = 0
    np.testing.assert_allclose(Facts.of(rows).squares, rows.astype(float).var(0) * len(rows), rtol=1e-10)


@pytest.mark.parametrize("X", [REAL, REAL.astype(np.float64) + 1e7, PIXELS], ids=["single", "far from 0", "pixels"])
def test_products_of_blocks_are_those_of_all_rows(X):
    products = Products(D, X.dtype)
    for start in range(0, N, 170):
        products.add(X[start : start + 170])
    exact, rtol = np.cov(X.astype(np.float64).T), 1e-6 if X.dtype == np.float32 else 1e-9
    np.testing.assert_allclose(products.moments.covariance(), exact, atol=rtol * exact.max())
    np.testing.assert_allclose(products.moments.mean, X.mean(0, dtype=np.float64), rtol=rtol)
    factor = RNG.uniform(0.1, 10, D)
    scaled = products.moments.scaled(X.mean(0), factor).covariance()
    np.testing.assert_allclose(scaled, products.moments.covariance() / factor / factor[:, None], rtol=1e-9, atol=1e-9)


def test_merged_in_place_they_are_merged():
    products = Products(D, np.dtype(float))
    parts = np.split(REAL.astype(float), 5)
    for part in parts:
        products.add(part)
    merged = Moments.merged(map(Moments.of, parts))
    np.testing.assert_allclose(products.moments.covariance(), merged.covariance(), rtol=1e-9)


@pytest.mark.parametrize("solver", ["covariance", "range"])
@pytest.mark.parametrize("options", [{}, {"center": False}, {"scale": "standard"}], ids=str)
@pytest.mark.parametrize("X", [REAL, PIXELS], ids=["real", "pixels"])
def test_axes_are_those_in_memory(X, options, solver):
    here = PCA(latent_dim=3, solver=solver, **options).fit(Counted(X))
    there = PCA(latent_dim=3, solver="svd", **options).fit(X)
    atol = {"covariance": 1e-5, "range": 2e-4}[solver]
    np.testing.assert_allclose(here.components_, there.components_, atol=atol)
    np.testing.assert_allclose(here.explained_variance_, there.explained_variance_, rtol=atol)
    np.testing.assert_allclose(here.explained_variance_ratio_, there.explained_variance_ratio_, rtol=atol)
    np.testing.assert_allclose(here.mean_, there.mean_, rtol=1e-6, atol=1e-6)
    assert here.noise_variance_ == pytest.approx(there.noise_variance_, rel=1e-3)


def test_two_passes_hold_nearly_all_variance_of_a_slow_spectrum_and_tell_no_more_than_they_hold():
    n, d, k = 1500, 900, 10
    X = (RNG.normal(size=(n, d)) * np.arange(1, d + 1) ** -0.5).astype(np.float32)
    schema = Schema.of(X, scale=None)
    found = axes_on_disk(Counted(X), schema, k, np.dtype(np.float32), solver="range")
    best = principal_axes(X, k, solver="covariance")
    held = ((X - X.mean(0)) @ found.components.T).var(0, ddof=1)
    assert 0.999 < held.sum() / best.variance.sum() <= 1 + 1e-6
    assert (found.variance <= held * (1 + 1e-4)).all()
    np.testing.assert_allclose(found.variance, best.variance, rtol=2e-3)
    np.testing.assert_allclose(found.components @ found.components.T, np.eye(k), atol=1e-6)
    assert found.total == pytest.approx(best.total, rel=1e-6)


def test_rows_of_fewer_dimensions_than_axes(tmp_path):
    X = (RNG.normal(size=(200, 2)) @ RNG.normal(size=(2, 60))).astype(np.float32)
    found = axes_on_disk(Counted(X), Schema.of(X, scale=None), 5, np.dtype(np.float32), solver="range")
    assert (found.variance[2:] < 1e-5 * found.variance[0]).all()
    np.testing.assert_allclose(found.components @ found.components.T, np.eye(5), atol=1e-5)


@pytest.mark.parametrize("X", [REAL, PIXELS, HOLES], ids=["real", "pixels", "holes"])
def test_training_starts_where_it_does_in_memory(X):
    schema = Schema.of(X)
    here, there = (initialisation.moments(schema.encode(each), schema) for each in (Counted(X), X))
    np.testing.assert_allclose(here.mean, there.mean, atol=1e-5)
    np.testing.assert_allclose(here[1:4], there[1:4], rtol=1e-5)
    assert here.grey == there.grey


def test_a_second_fit_reads_nothing_of_what_is_known(passes):
    rows = Counted(REAL)
    Schema.of(rows)
    assert rows.passes() == 1
    Schema.of(rows)
    assert rows.passes() == 0


@pytest.mark.parametrize(
    ("model", "value"), [(PCA(latent_dim=2), np.inf), (AE(**STEP), np.inf), (AE(**STEP, scale=None), -np.inf)]
)
def test_values_that_a_model_cannot_take_are_named(model, value):
    X = REAL.copy()
    X[2001, 3] = value
    with pytest.raises(DataError, match=r"feature 3 \(1\)"):
        model.fit(Counted(X))


def test_a_wide_sparse_matrix_is_read_in_blocks_of_so_many_bytes(monkeypatch):
    monkeypatch.setattr("narrows.data.sparse_rows.LARGE", 0)
    monkeypatch.setattr("narrows.data.stored.PART", 2**14)
    monkeypatch.setattr("narrows.data.sparse_rows.SparseRows.read", read := Sizes())
    X = sparse.random_array((120, 800), density=0.05, rng=np.random.default_rng(0), dtype=np.float32, format="csr")
    model = PCA(latent_dim=2, solver="range").fit(X)
    assert 0 < max(read.sizes[:-1]) <= 2**14  # the last are those whose codes are kept
    dense = PCA(latent_dim=2, solver="svd").fit(X.toarray())
    np.testing.assert_allclose(model.explained_variance_, dense.explained_variance_, rtol=0.1)


class Sizes:
    """Reads rows of a sparse matrix, and keeps how many bytes they take."""

    def __init__(self):
        self.sizes = []

    def __get__(self, rows, owner):
        def read(start, stop):
            part = np.asarray(rows.matrix[start:stop].toarray())
            self.sizes.append(part.nbytes)
            return part

        return read
