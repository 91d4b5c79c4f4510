"""Anomalies, and the columns that make them so: by closed forms and by values that were put out of place."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

import narrows
from narrows.errors import ConfigError, DataError
from narrows.evaluation import anomalies, anomaly_scores, column_nats, column_shares, threshold


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2)) @ rng.normal(size=(2, 5)) + 0.2 * rng.normal(size=(400, 5))
    return X * [1, 10, 0.1, 1, 3] + 4


def test_the_nats_of_a_value_are_those_given_the_others(rows):
    """For PCA, log p(x_d | x_-d) of the normal distribution of the model."""
    model = narrows.PCA(latent_dim=5).fit(rows)
    mean, covariance = rows.mean(0), np.cov(rows.T)
    precision = np.linalg.inv(covariance)
    expected = [
        norm.logpdf(rows[:, d], rows[:, d] - (rows - mean) @ precision[d] / precision[d, d], precision[d, d] ** -0.5)
        for d in range(5)
    ]
    np.testing.assert_allclose(column_nats(model, rows), np.transpose(expected), rtol=1e-6, atol=1e-8)


def test_missing_values_have_no_nats_and_do_not_count_for_others(rows):
    model = narrows.PCA(latent_dim=5).fit(rows)
    X = rows[:4].copy()
    X[1, [0, 3]] = np.nan
    found = column_nats(model, X)
    assert np.isnan(found[1, [0, 3]]).all()
    kept = [1, 2, 4]
    covariance, mean = np.cov(rows.T), rows.mean(0)

    def density(columns):
        return multivariate_normal(mean[columns], covariance[np.ix_(columns, columns)]).logpdf(X[1, columns])

    assert found[1, 2] == pytest.approx(density(kept) - density([1, 4]), rel=1e-6)
    assert column_shares(model, X, rows)[1, [0, 3]].tolist() == [0, 0]


@pytest.mark.parametrize(
    "model", [narrows.PCA(), narrows.AE(latent_dim=2, epochs=3), narrows.VAE(latent_dim=2, epochs=3)], ids=repr
)
def test_rows_with_a_value_out_of_place_are_found_with_the_column(rows, model):
    X = rows.copy()
    for row, column in ((3, 0), (50, 2), (333, 4)):
        X[row, column] += 8 * X[:, column].std()
    found = anomalies(model.fit(rows), X, rate=3 / 400, X_train=rows)
    assert set(found.rows) == {3, 50, 333}
    places = dict(zip(found.rows.tolist(), found.shares.argmax(1).tolist(), strict=True))
    assert places == {3: 0, 50: 2, 333: 4}
    np.testing.assert_allclose(found.shares.sum(1), 1)
    assert found.columns == tuple(f"value_{i}" for i in range(1, 6))
    assert found.by == "nearest"


def test_the_limit_is_that_of_known_scores(rows):
    model = narrows.PCA(latent_dim=2).fit(rows)
    known = anomaly_scores(model, rows, by="score")
    found = anomalies(model, rows[:50] + 1, rate=0.1, by="score", reference=known)
    assert found.limit == threshold(known, 0.1)
    assert (found.scores[found.rows] < found.limit).all()
    assert len(anomalies(model, rows, rate=0).rows) == 0
    assert anomalies(model, rows, rate=0).shares.shape == (0, 5)


def test_tables_are_scored_by_distance_where_training_rows_are_known(rows):
    model = narrows.PCA(latent_dim=2).fit(rows)
    auto = [anomaly_scores(model, rows, by="auto", X_train=given) for given in (rows, None)]
    np.testing.assert_array_equal(auto[0], anomaly_scores(model, rows, by="nearest", X_train=rows))
    np.testing.assert_array_equal(auto[1], anomaly_scores(model, rows, by="score"))


def test_distances_are_of_what_is_observed(rows):
    model = narrows.AE(latent_dim=2, epochs=2).fit(rows)
    X = np.repeat(rows[:1], 2, 0)
    X[1, 1] = np.nan
    scores = anomaly_scores(model, X, by="nearest", X_train=rows)
    assert np.isfinite(scores).all()
    assert scores[0] != scores[1]
    X[0, 1] += 50 * rows[:, 1].std()
    assert anomaly_scores(model, X, by="nearest", X_train=rows)[0] < scores[1] - 10


def test_images_have_no_columns_and_bad_rates_are_named(rows):
    images = np.random.default_rng(0).random((20, 1, 4, 4))
    model = narrows.PCA(latent_dim=2).fit(images)
    assert anomalies(model, images, rate=0.1)[4:] == (None, None)
    with pytest.raises(DataError, match="one of a table; got one of images"):
        column_nats(model, images)
    with pytest.raises(ConfigError, match=r"rate must be a share >= 0 and < 1; got 1"):
        anomalies(model, images, rate=1)
