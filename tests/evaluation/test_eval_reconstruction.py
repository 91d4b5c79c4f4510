"""Measures of reconstruction against their formulas."""

import math
import sys

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

import narrows
from narrows.errors import ConfigError, DataError
from narrows.estimators.inference import reconstruct_encoded
from narrows.evaluation import against_baselines, compare, measure_reconstruction, squared_error, ssim


def test_measures_follow_their_formulas():
    rng = np.random.default_rng(0)
    X, noise = rng.random((5, 3, 12, 14)), 0.1 * rng.normal(size=(5, 3, 12, 14))
    found = compare(X, X + noise, data_range=1.0)
    assert math.isclose(found.per_sample, (noise**2).sum() / 5)
    assert math.isclose(found.per_value, (noise**2).mean())
    wanted = np.mean([peak_signal_noise_ratio(a, a + e, data_range=1.0) for a, e in zip(X, noise, strict=True)])
    assert math.isclose(found.psnr, wanted, rel_tol=1e-9)
    assert found.rounded_accuracy == np.mean((X >= 0.5) == (X + noise >= 0.5))
    assert 0 < found.ssim < 1


def test_perfect_reconstruction():
    X = np.random.default_rng(0).random((3, 1, 16, 16))
    found = compare(X, X)
    assert found[:3] == (0.0, 0.0, math.inf)
    assert found.ssim == pytest.approx(1.0)
    assert found.rounded_accuracy == 1.0


def test_ssim_of_constant_images_is_its_luminance_term():
    a, b, c = 0.2, 0.6, 0.01**2
    found = ssim(np.full((1, 1, 15, 15), a), np.full((1, 1, 15, 15), b), 1.0)
    assert found == pytest.approx((2 * a * b + c) / (a * a + b * b + c))


def test_what_does_not_apply_is_none():
    X = np.random.default_rng(0).normal(size=(4, 1, 8, 8))
    found = compare(X, X * 0.9)
    assert found.ssim is None
    assert found.rounded_accuracy is None
    assert found.data_range == X.max() - X.min()


def test_pixels_are_compared_in_unit_range():
    X = np.random.default_rng(0).integers(0, 256, size=(40, 1, 12, 12), dtype=np.uint8)
    model = narrows.PCA(latent_dim=3).fit(X)
    found = measure_reconstruction(model, X)
    errors = ((X / 255 - reconstruct_encoded(model, X)) ** 2).sum((1, 2, 3))
    np.testing.assert_allclose(squared_error(model, X), errors)
    assert math.isclose(found.per_sample, errors.mean())
    assert found.data_range == 1.0


def test_pca_is_its_own_baseline(digits):
    train, _, test, _ = digits
    model = narrows.PCA(latent_dim=6).fit(train)
    found = against_baselines(model, test, train)
    assert found.model.per_sample == pytest.approx(found.pca.per_sample)
    assert found.mean.per_sample == pytest.approx(((test - train.mean(0)) ** 2).sum(1).mean())
    assert found.explained == pytest.approx(1 - found.model.per_sample / found.mean.per_sample)
    assert found.rank == 6
    assert against_baselines(model, train, train).explained == pytest.approx(model.explained_variance_ratio_.sum())


def test_shapes_must_agree():
    with pytest.raises(DataError, match=r"reconstruction: X_hat must have the shape of X"):
        compare(np.zeros((2, 3)), np.zeros((2, 4)))


def test_what_is_not_installed_is_left_out_or_named(monkeypatch):
    X = np.random.default_rng(0).random((2, 1, 12, 12))
    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    with pytest.raises(ConfigError, match=r"scikit-image must be installed; it is not. Run: pip install"):
        compare(X, X, with_ssim=True)
    assert compare(X, X, with_ssim=False).ssim is None
    monkeypatch.setattr("narrows.evaluation.reconstruction.find_spec", lambda name: None)
    assert compare(X, X).ssim is None
