"""Measures of disentanglement on codes whose value is known, and the rendered factor set."""

import math

import numpy as np
import pytest

from narrows.data import load_dataset
from narrows.errors import ConfigError, DataError
from narrows.evaluation import (
    completeness,
    dci,
    disentanglement_of_matrix,
    factor_grid,
    factor_vae_score,
    measure_disentanglement,
    mig,
    modularity,
    modularity_of_matrix,
    mutual_information_matrix,
    sap,
)

TWO_OF_TEN = np.hstack([5 * np.eye(5)] * 2)  # each of five codes stands for two of ten factors


@pytest.fixture(scope="module")
def factors():
    return np.random.default_rng(0).integers(10, size=(3000, 10))


def mixed(factors):
    """Every row's factors in an order of its own."""
    return np.random.default_rng(1).permuted(factors, axis=1).astype(float)


@pytest.mark.slow
def test_identity_code(factors):
    Z = factors.astype(float)
    for measure in (mig, sap, factor_vae_score, modularity):
        assert measure(Z, factors) >= 0.9, measure
    found = dci(Z[:300, :5], factors[:300, :5])
    assert min(found[:3]) >= 0.9


@pytest.mark.slow
def test_zero_code(factors):
    Z = np.zeros((3000, 10))
    for measure in (mig, sap, factor_vae_score, modularity):
        assert measure(Z, factors) <= 0.2, measure
    assert max(dci(Z[:100, :5], factors[:100, :5])[:3]) <= 0.2


@pytest.mark.slow
def test_duplicated_code(factors):
    Z = np.hstack([factors, factors]).astype(float)
    assert mig(Z, factors) <= 0.1
    assert sap(Z, factors) <= 0.1
    assert modularity(Z, factors) >= 0.9
    five = factors[:250, :5]
    found = dci(np.hstack([five, five]).astype(float), five)
    assert found.disentanglement >= 0.9
    assert found.completeness == pytest.approx(1 - math.log(2) / math.log(10), abs=0.1)


@pytest.mark.slow
def test_mixed_code(factors):
    rows = np.random.default_rng(0).integers(10, size=(20_000, 10))
    assert modularity(mixed(rows), rows) <= 0.2
    found = dci(mixed(factors[:300, :5]), factors[:300, :5])
    assert found.disentanglement <= 0.2
    assert found.completeness <= 0.2


def test_matrices():
    cases = [
        (5 * np.eye(5), 1, 1, 1),
        (np.array([[1.0, 0], [0, 1], [0, 0]]), 1, 1, 2 / 3),
        (np.zeros((10, 10)), 0, 0, 0),
        (TWO_OF_TEN.T, 1, 1 - math.log(2) / math.log(10), 1),
        (5 * np.eye(5)[:2], 1, 1, 1),
        (TWO_OF_TEN, 1 - math.log(2) / math.log(10), 1, 1 - 1 / 9),
    ]
    for matrix, wanted_disentanglement, wanted_completeness, wanted_modularity in cases:
        assert disentanglement_of_matrix(matrix) == pytest.approx(wanted_disentanglement)
        assert completeness(matrix) == pytest.approx(wanted_completeness)
        assert modularity_of_matrix(matrix) == pytest.approx(wanted_modularity)


def test_mutual_information_of_identical_and_of_independent():
    a, b = np.repeat([0, 1], 50), np.tile([0, 1], 50)
    found = mutual_information_matrix(np.stack([a, b], 1), np.stack([a, b], 1))
    np.testing.assert_allclose(found, [[math.log(2), 0], [0, math.log(2)]], atol=1e-12)


def test_sap_of_a_categorical_factor():
    shape = np.arange(300) % 2
    Z = np.stack([shape + 0.0, np.random.default_rng(0).normal(size=300)], 1)
    assert sap(Z, shape[:, None], categorical=(0,)) == pytest.approx(0.5, abs=0.1)
    with pytest.raises(ConfigError, match=r"sap: categorical must be in \[0, 0\]; got \[1\]"):
        sap(Z, shape[:, None], categorical=(1,))


def test_unused_and_scaled_numbers_do_not_mislead_factor_vae(factors):
    Z = factors * np.logspace(0, 0.5, 10)
    assert factor_vae_score(np.hstack([Z, 1e-3 * np.random.default_rng(0).normal(size=(3000, 2))]), factors) >= 0.9


@pytest.fixture(scope="module")
def grid():
    return factor_grid(16, scales=3, rotations=4, positions=4)


def test_grid_holds_every_combination_once(grid):
    assert grid.images.shape == (3 * 3 * 4 * 4 * 4, 1, 16, 16)
    assert len(np.unique(grid.factors, axis=0)) == math.prod(grid.sizes) == len(grid.images)
    assert len(np.unique(grid.images.reshape(len(grid.images), -1), axis=0)) == len(grid.images)
    np.testing.assert_array_equal(grid.factors.max(0) + 1, grid.sizes)


def test_factors_are_what_the_images_show(grid):
    mass = grid.images[:, 0].astype(float)
    area = mass.sum((1, 2))
    across, down = (mass.sum(1) @ np.arange(16) / area, mass.sum(2) @ np.arange(16) / area)
    shape, scale, rotation, x, y = grid.factors.T
    squares = shape == 0
    for value, centre in ((x, across), (y, down)):
        steps = [centre[squares & (value == v)].mean() for v in range(4)]
        assert np.ptp(np.diff(steps)) < 0.05
        assert min(np.diff(steps)) > 1
    for s in range(3):
        sizes = [area[(shape == s) & (scale == v)].mean() for v in range(3)]
        np.testing.assert_allclose(sizes / sizes[-1], np.array([4, 9, 16]) / 16, rtol=0.05)
    flat = squares & (rotation == 0) & (scale == 2)
    assert area[flat].mean() / 255 == pytest.approx((2 * 0.25 * math.sqrt(0.5) * 16) ** 2, rel=0.05)
    placed = area.reshape(3, 3, 4, 16)
    assert (np.ptp(placed, -1) / placed.mean(-1)).max() < 0.1  # nothing is cut off at any place


@pytest.mark.slow
def test_code_made_of_the_grids_factors_is_disentangled(grid):
    found = measure_disentanglement(grid.factors.astype(float), grid.factors, categorical=grid.categorical)
    assert found.mig == pytest.approx(1)
    assert found.factor_vae == 1
    assert found.modularity == pytest.approx(1)
    assert found.dci.disentanglement == pytest.approx(1)
    rotated = grid.factors @ np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))[0]
    other = measure_disentanglement(rotated, grid.factors, categorical=grid.categorical)
    assert other.mig < 0.3
    assert other.dci.disentanglement < 0.7


def test_errors(factors):
    with pytest.raises(DataError, match=r"mig: Z must be \(N, latent_dim\) and factors \(N, F\)"):
        mig(np.zeros((3, 2)), factors)
    with pytest.raises(DataError, match=r"mig: factors must be integers; got float64"):
        mig(np.zeros((3, 2)), np.zeros((3, 2)))
    with pytest.raises(ConfigError, match=r"factor_grid: shapes must be a whole number from 1 to 3; got 4"):
        factor_grid(shapes=4)


@pytest.mark.slow
def test_the_rendered_set_is_a_data_set():
    data = load_dataset("shapes", label="row", size=8)
    whole = factor_grid(8)
    np.testing.assert_array_equal(data.test, whole.images[data.test_labels])
    assert len(data.train) + len(data.test) == 7680
    shape = load_dataset("shapes", size=8)
    assert shape.label_names == ("square", "ellipse", "heart")
    assert np.bincount(shape.train_labels).tolist() == [2048] * 3
    with pytest.raises(ConfigError, match=r"label must be one of .*; got 'scal'\. Did you mean 'scale'\?"):
        load_dataset("shapes", label="scal")
