"""Arrays and data frames of Dask: block by block as in one process, to the bit."""

from typing import Any

import numpy as np
import pytest

from narrows import AE, PCA, VAE
from narrows.errors import ConfigError, DataError
from narrows.moments import Moments
from narrows.pca import axes_of, principal_axes

da = pytest.importorskip("dask.array", reason='these need Dask: pip install "narrows[dask]"')
dask = pytest.importorskip("dask")


@pytest.fixture(autouse=True)
def here():
    """Compute in this thread."""
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(103, 7)) @ rng.normal(size=(7, 7)) + 5


CHUNKS = (40, 40, 23)


def blocks_of(X):
    return np.split(X, np.cumsum(CHUNKS)[:-1])


def test_pca_is_that_of_the_blocks_moments_and_of_all_rows(rows):
    fitted = PCA(latent_dim=3).fit(da.from_array(rows, chunks=(CHUNKS, 4)))
    axes = axes_of(Moments.merged(map(Moments.of, blocks_of(rows))), 3)
    assert np.array_equal(fitted.components_, axes.components)
    assert np.array_equal(fitted.explained_variance_, axes.variance)
    whole = PCA(latent_dim=3).fit(rows)
    for name in ("components_", "mean_", "explained_variance_", "explained_variance_ratio_"):
        assert np.allclose(getattr(fitted, name), getattr(whole, name), rtol=1e-10, atol=1e-12), name
    assert np.allclose(fitted.score_samples(rows), whole.score_samples(rows), rtol=1e-9)
    assert (fitted.n_features_in_, fitted.schema_.rows) == (7, 103)


@pytest.mark.parametrize("center", [True, False])
def test_axes_of_moments_are_those_of_the_rows(rows, center):
    found, expected = axes_of(Moments.of(rows), 7, center=center), principal_axes(rows, 7, center=center)
    assert np.allclose(found.components, expected.components, atol=1e-8)
    assert np.allclose(found.variance, expected.variance, rtol=1e-9)


def test_pixels_of_images_count_as_in_memory():
    X = np.random.default_rng(1).integers(0, 256, (60, 1, 4, 5), np.uint8)
    fitted: Any = PCA(latent_dim=4).fit(da.from_array(X, chunks=(25, 1, 2, 5)))
    whole = PCA(latent_dim=4).fit(X)
    assert np.allclose(fitted.components_, whole.components_, atol=1e-9)
    assert np.allclose(fitted.transform(X), whole.transform(X), atol=1e-9)
    assert np.array_equal(
        fitted.transform(da.from_array(X, chunks=(25, 1, 4, 5))).compute()[:25], fitted.transform(X[:25])
    )


MODELS = {
    "pca": lambda X: PCA(latent_dim=3).fit(X),
    "vae": lambda X: VAE(latent_dim=2, network="mlp:8", epochs=1).fit(X),
    "vq": lambda X: AE(latent_dim=2, network="mlp:8", epochs=1, code="vq:8").fit(X),
}


@pytest.mark.parametrize("name", MODELS)
def test_codes_and_scores_are_those_of_each_block(name, rows):
    model, X = MODELS[name](rows), da.from_array(rows, chunks=(CHUNKS, 3))
    verbs: list[Any] = [model.transform, model.score_samples]
    for verb in verbs:
        lazy = verb(X)
        assert isinstance(lazy, da.Array)
        expected = np.concatenate([verb(block) for block in blocks_of(rows)])
        result = lazy.compute()
        assert np.array_equal(result, expected)
        assert (lazy.shape, lazy.dtype, lazy.chunks[0]) == (expected.shape, expected.dtype, CHUNKS)


def test_data_frames_keep_their_index(rows):
    dd = pytest.importorskip("dask.dataframe")
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(rows, columns=list("abcdefg"), index=np.arange(100, 203))
    lazy = dd.from_pandas(frame, npartitions=3)
    model: Any = PCA(latent_dim=2).fit(lazy)
    assert np.allclose(model.components_, PCA(latent_dim=2).fit(frame).components_, atol=1e-10)
    assert model.schema_.columns == tuple("abcdefg")
    parts = [lazy.get_partition(i).compute() for i in range(lazy.npartitions)]
    codes, scores = model.transform(lazy).compute(), model.score_samples(lazy).compute()
    assert list(codes.index) == list(scores.index) == list(range(100, 203))
    assert list(codes) == list(model.get_feature_names_out())
    assert np.array_equal(codes, np.concatenate([model.transform(part) for part in parts]))
    assert np.array_equal(scores, np.concatenate([model.score_samples(part) for part in parts]))


def test_what_cannot_be_fitted_is_named(rows):
    lazy = da.from_array(rows, chunks=40)
    with pytest.raises(ConfigError, match="VAE: X must be in memory or on the disk to train"):
        VAE().fit(lazy)
    with pytest.raises(ConfigError, match="scale must be None for Dask"):
        PCA(scale="standard").fit(lazy)
    with pytest.raises(ConfigError, match="latent_dim must be at most"):
        PCA(latent_dim=8).fit(lazy)
    holes = rows.copy()
    holes[90, 2] = np.nan
    with pytest.raises(DataError, match="must hold finite numbers"):
        PCA(latent_dim=2).fit(da.from_array(holes, chunks=40))
    model = PCA(latent_dim=2).fit(rows)
    conditional: Any = VAE(latent_dim=1, network="mlp:4", epochs=1, condition="concat").fit(rows, np.arange(103) % 2)
    with pytest.raises(ConfigError, match="for a model with a condition"):
        conditional.transform(lazy)
    with pytest.raises(DataError, match="7 features of fit; got 6"):
        np.asarray(model.transform(lazy[:, :6]))


@pytest.mark.slow
def test_two_processes_give_the_same_bits(rows):
    distributed = pytest.importorskip("distributed")
    X = da.from_array(rows, chunks=(CHUNKS, 7))
    here = PCA(latent_dim=3).fit(X)
    vae = MODELS["vae"](rows)
    verbs: list[Any] = [here.transform, vae.transform, vae.score_samples]
    alone = [verb(X).compute() for verb in verbs]
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster),
        dask.config.set(scheduler="distributed"),
    ):
        there = PCA(latent_dim=3).fit(X)
        verbs[0] = there.transform
        together = [verb(X).compute() for verb in verbs]
    assert np.array_equal(there.components_, here.components_)
    assert np.array_equal(there.explained_variance_, here.explained_variance_)
    for one, two in zip(alone, together, strict=True):
        assert np.array_equal(one, two)
