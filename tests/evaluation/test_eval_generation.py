"""Distances of samples, against closed forms and scipy."""

import numpy as np
import pytest
import scipy.linalg

from narrows.data import Dataset
from narrows.errors import ConfigError, DataError, FormatError
from narrows.evaluation import (
    PIXELS,
    classifier_features,
    density_coverage,
    frechet_distance,
    frechet_from_moments,
    kernel_distance,
    measure_generation,
    precision_recall,
)
from narrows.storage.tensors import write_tensors


def covariance(d, seed):
    root = np.random.default_rng(seed).normal(size=(d, d))
    return root @ root.T / d


def test_equal_covariances_leave_the_squared_distance_of_means():
    for d in (1, 3, 40):
        c, shift = covariance(d, 0), np.random.default_rng(1).normal(size=d)
        assert frechet_from_moments(shift, c, np.zeros(d), c) == pytest.approx(shift @ shift, abs=1e-9)
        X = np.random.default_rng(2).normal(size=(100, d))
        assert frechet_distance(X, X + shift) == pytest.approx(shift @ shift, abs=1e-9)


@pytest.mark.parametrize("d", [2, 10, 60])
def test_frechet_distance_against_scipy(d):
    c, c_2 = covariance(d, 3), 2 * covariance(d, 4)
    m, m_2 = np.random.default_rng(5).normal(size=(2, d))
    root = scipy.linalg.sqrtm(c @ c_2).real
    wanted = ((m - m_2) ** 2).sum() + np.trace(c + c_2 - 2 * root)
    assert frechet_from_moments(m, c, m_2, c_2) == pytest.approx(wanted, abs=1e-6)


def test_frechet_distance_of_diagonals_and_of_planes():
    c, c_2 = np.diag([4.0, 9.0, 0.0]), np.diag([1.0, 0.0, 16.0])
    assert frechet_from_moments(np.zeros(3), c, np.zeros(3), c_2) == pytest.approx(1 + 9 + 16)
    X = np.random.default_rng(0).normal(size=(5, 30))  # fewer samples than features
    assert frechet_distance(X, X) == pytest.approx(0, abs=1e-6)


def test_kernel_distance_has_no_bias_and_sees_a_shift():
    rng = np.random.default_rng(0)
    same = kernel_distance(rng.normal(size=(4000, 5)), rng.normal(size=(4000, 5)), block=100)
    assert abs(same.mean) < 4 * same.deviation / 40**0.5
    assert same.deviation > 0
    other = kernel_distance(rng.normal(size=(4000, 5)), rng.normal(size=(4000, 5)) + 0.5, block=100)
    assert other.mean > 10 * other.deviation / 40**0.5


def test_kernel_distance_by_hand():
    a, b = np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]])
    # k(0, 1) = 1; k(1, 2) = 27; cross: k(0, 1) = 1, k(0, 2) = 1, k(1, 1) = 8, k(1, 2) = 27
    assert kernel_distance(a, b).mean == pytest.approx(1 + 27 - 2 * (1 + 1 + 8 + 27) / 4)


def test_one_distribution_has_the_expected_density_and_coverage():
    rng = np.random.default_rng(0)
    n, k = 1000, 5
    found = density_coverage(rng.normal(size=(n, 3)), rng.normal(size=(n, 3)))
    missed = np.prod([(n - i) / (2 * n - i) for i in range(1, k + 1)])  # Naeem et al. 2020, eq. 9
    assert found.coverage == pytest.approx(1 - missed, abs=0.02)
    assert found.density == pytest.approx(1, abs=0.05)


def test_one_mode_is_precise_but_does_not_recall():
    rng = np.random.default_rng(0)
    real = np.concatenate([rng.normal(size=(300, 2)), rng.normal(size=(300, 2)) + 20])
    one = rng.normal(size=(600, 2))
    found, cover = precision_recall(real, one), density_coverage(real, one)
    assert found.precision > 0.9
    assert found.recall == pytest.approx(0.5, abs=0.05)
    assert cover.coverage == pytest.approx(0.5, abs=0.03)
    assert precision_recall(one, real).precision == pytest.approx(0.5, abs=0.05)
    assert precision_recall(real, real) == (1.0, 1.0)
    assert precision_recall(real, real + 1000) == (0.0, 0.0)


def test_names_carry_features_and_number(digits, tmp_path):
    train, y, test, _ = digits
    found = measure_generation(train, test, features=PIXELS)
    assert "frechet distance (pixels, n=200)" in found
    data = Dataset("digits", train, train_labels=y)
    features = classifier_features(data, folder=tmp_path)
    assert features.name == f"classifier:{data.sha256[:12]}"
    near = measure_generation(train, test, features=features)
    noise = measure_generation(train, np.random.default_rng(0).random(test.shape), features=features)
    name = f"frechet distance ({features.name}, n=200)"
    assert near[name] < 0.2 * noise[name]
    assert all(features.name in key for key in near)


def test_classifier_is_stored_once(digits, tmp_path):
    train, y, test, _ = digits
    data = Dataset("digits", train, train_labels=y)
    first = classifier_features(data, folder=tmp_path).extract(test)
    (path,) = tmp_path.iterdir()
    written = path.stat().st_mtime_ns
    np.testing.assert_array_equal(classifier_features(data, folder=tmp_path).extract(test), first)
    assert path.stat().st_mtime_ns == written
    assert first.shape == (200, 64)
    assert classifier_features(data, folder=tmp_path, seed=1).name.endswith("-1")


def test_uint8_and_unit_range_have_the_same_features():
    X = np.arange(12, dtype=np.uint8).reshape(2, 1, 2, 3)
    np.testing.assert_array_equal(PIXELS.extract(X), PIXELS.extract(X / 255))


def test_errors(digits, tmp_path):
    train, y, test, _ = digits
    with pytest.raises(DataError, match=r"classifier_features: data must have train_labels"):
        classifier_features(Dataset("digits", train), folder=tmp_path)
    data = Dataset("digits", train, train_labels=y)
    write_tensors(tmp_path / f"classifier-{data.sha256[:12]}.safetensors", {"weight.0": np.zeros((2, 2))})
    with pytest.raises(FormatError, match=r"must hold weight.0 of shape \(64, 256\)"):
        classifier_features(data, folder=tmp_path)
    with pytest.raises(DataError, match=r"frechet_distance: real and generated must be features"):
        frechet_distance(train, test[:, :3])
    with pytest.raises(ConfigError, match=r"precision_recall: neighbours must be in \[1, 1\]; got 3"):
        precision_recall(train[:2], test[:2])
