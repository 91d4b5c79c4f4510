"""Moments of rows: of parts they merge into those of the whole, whatever the type and the offset."""

import numpy as np
import pytest

from narrows.moments import Moments

RNG = np.random.default_rng(0)
ROWS = {
    "float64": RNG.normal(size=(900, 6)) @ RNG.normal(size=(6, 6)),
    "far from 0": RNG.normal(size=(900, 6)) + 1e6 * np.arange(6),
    "float32": (RNG.normal(size=(900, 6)) + 3).astype(np.float32),
    "pixels": RNG.integers(0, 256, (900, 2, 3)).astype(np.uint8),
}
CUTS = [[450], [1], [899], [100, 101, 640]]


@pytest.mark.parametrize("name", ROWS)
def test_mean_and_covariance_are_numpys(name):
    X = ROWS[name]
    flat = X.reshape(len(X), -1).astype(np.float64)
    found, rtol = Moments.of(X), 1e-5 if name == "float32" else 1e-9
    np.testing.assert_allclose(found.mean, flat.mean(0), rtol=rtol, atol=1e-6)
    np.testing.assert_allclose(found.covariance(), np.cov(flat.T), rtol=rtol, atol=1e-6)
    np.testing.assert_allclose(found.scatter(center=False), flat.T @ flat, rtol=1e-5 if name == "float32" else 1e-12)


@pytest.mark.parametrize("cuts", CUTS, ids=str)
@pytest.mark.parametrize("name", ROWS)
def test_parts_merge_into_the_whole(name, cuts):
    X = ROWS[name]
    whole, merged = Moments.of(X), Moments.merged(map(Moments.of, np.split(X, cuts)))
    assert merged.count == len(X)
    rtol, atol = (1e-5, 1e-5) if name == "float32" else (1e-10, 1e-9 * float(np.abs(X).max()))
    np.testing.assert_allclose(merged.mean, whole.mean, rtol=rtol, atol=atol)
    np.testing.assert_allclose(merged.covariance(), whole.covariance(), rtol=rtol, atol=atol)


def test_pixels_merge_without_losing_a_digit():
    X = ROWS["pixels"]
    merged = Moments.of(X[:333]).merge(Moments.of(X[333:]))
    np.testing.assert_array_equal(merged.product, Moments.of(X).product)


def test_merging_leaves_both_as_they_were():
    one, other = Moments.of(ROWS["float64"][:10]), Moments.of(ROWS["float64"][10:])
    before = one.product.copy(), other.product.copy()
    one.merge(other).scatter()
    np.testing.assert_array_equal(one.product, before[0])
    np.testing.assert_array_equal(other.product, before[1])
