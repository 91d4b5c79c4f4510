"""Scores, thresholds and the protocol."""

import numpy as np
import pytest

import narrows
from narrows.errors import ConfigError, DataError
from narrows.evaluation import (
    anomaly_scores,
    detection,
    elbo,
    one_against_rest,
    predict_anomalies,
    squared_error,
    threshold,
)


def test_detection_by_hand():
    found = detection([5.0, 4.0, 3.0, 2.0, 1.0], [0, 0, 1, 0, 1])
    assert found.auroc == pytest.approx(5 / 6)  # of 3 x 2 pairs one is the wrong way round
    assert found.average_precision == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert found.prevalence == 0.4
    assert detection(np.zeros(5), [0, 0, 1, 0, 1]).auroc == 0.5


def test_threshold_flags_the_share_that_was_asked_for():
    scores = np.random.default_rng(0).normal(size=1000)
    for share in (0.0, 0.05, 0.1, 0.29, 0.5):
        flagged = predict_anomalies(scores, threshold(scores, share)) == -1
        assert flagged.sum() == round(share * 1000)


def test_each_score_finds_what_it_is_made_for(linear_gaussian):
    model, X = linear_gaussian(n=300)
    loadings = model.module_.loadings.numpy()
    outside = np.linalg.svd(loadings)[0][:, -1]
    off_plane, far_code = X[:100] + 4 * outside, X[:100] + 15 * loadings[:, 0]
    for by, odd in (
        ("reconstruction", off_plane),
        ("score", off_plane),
        ("elbo", off_plane),
        ("elbo", far_code),
        ("nearest", far_code),
        ("latent:gaussian", far_code),
        ("latent:gmm", far_code),
        ("latent:kde", far_code),
    ):
        scores = anomaly_scores(model, np.concatenate([X, odd]), by=by, X_train=X)
        assert detection(scores, np.arange(400) >= 300).auroc > 0.99, by
    blind = anomaly_scores(model, np.concatenate([X[100:200], off_plane]), by="latent:gaussian", X_train=X)
    assert abs(detection(blind, np.arange(200) >= 100).auroc - 0.5) < 0.1
    np.testing.assert_array_equal(anomaly_scores(model, X, by="elbo"), elbo(model, X, samples=10))
    np.testing.assert_array_equal(anomaly_scores(model, X, by="reconstruction"), -squared_error(model, X))


def test_a_cluster_of_anomalies_in_the_training_data_is_found_by_small_draws(linear_gaussian):
    model, X = linear_gaussian(n=600)
    odd = X[:30] * 0.2 + 8 * model.module_.loadings.numpy()[:, 0]  # as close together as no normal samples are
    data, truth = np.concatenate([X, odd]), np.arange(630) >= 600
    found = anomaly_scores(model, data, by="nearest", X_train=data)
    assert detection(found, truth).auroc > 0.95
    assert detection(anomaly_scores(model, data, by="latent:kde", X_train=data), truth).auroc < 0.5
    np.testing.assert_array_equal(found, anomaly_scores(model, data, by="nearest", X_train=data))


def test_one_against_rest_fits_each_class_alone(digits):
    train, y, test, y_test = digits
    model = narrows.PCA(latent_dim=8)
    found = one_against_rest(model, train, y, test, y_test, by="reconstruction", classes=[0, 3])
    single = narrows.PCA(latent_dim=8).fit(train[y == 3])
    assert found.auroc[1] == detection(-squared_error(single, test), y_test != 3).auroc
    assert found.auroc.min() > 0.9
    assert found.mean_auroc == pytest.approx(found.auroc.mean())
    assert found.classes.tolist() == [0, 3]
    assert not hasattr(model, "module_")


def test_errors(digits):
    train, y, test, y_test = digits
    model = narrows.PCA(latent_dim=2).fit(train)
    with pytest.raises(ConfigError, match=r"by must be one of .*; got 'elb'. Did you mean 'elbo'\?"):
        anomaly_scores(model, test, by="elb")
    with pytest.raises(ConfigError, match=r"X_train must be given for by='latent:kde'"):
        anomaly_scores(model, test, by="latent:kde")
    with pytest.raises(DataError, match=r"anomalous must hold both kinds; got 0 anomalies of 3"):
        detection([1, 2, 3], [0, 0, 0])
    with pytest.raises(ConfigError, match=r"contamination must be in \[0, 1\)"):
        threshold([1.0], 1.0)
    with pytest.raises(DataError, match=r"classes must occur in y"):
        one_against_rest(model, train, y, test, y_test, classes=[11])
