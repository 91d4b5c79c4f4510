"""What codes carry, against closed forms."""

import math

import numpy as np
import pytest
import torch

import narrows
from narrows.errors import ConfigError, DataError
from narrows.evaluation import (
    active_units,
    aggregate_posterior,
    few_label_accuracy,
    information,
    kl_per_dimension,
    knn_accuracy,
    logistic_accuracy,
    perplexity,
    trustworthiness,
)
from narrows.module import Batch


def test_kl_per_dimension_of_normals(linear_gaussian):
    model, X = linear_gaussian(n=50)
    q = model.module_.posterior(Batch(torch.from_numpy(X)))
    mean, deviation = q.mean.numpy(), q.stddev.numpy()
    wanted = ((mean**2 + deviation**2 - 1) / 2 - np.log(deviation)).mean(0)
    np.testing.assert_allclose(kl_per_dimension(model, X), wanted, rtol=1e-9)


def test_silent_dimension_has_no_kl_and_is_not_active(linear_gaussian):
    model, X = linear_gaussian(n=500, unused=1)
    assert kl_per_dimension(model, X)[-1] == pytest.approx(0, abs=1e-12)
    units = active_units(model, X)
    assert units.active.tolist() == [True, True, False]
    assert units.number == 2
    np.testing.assert_allclose(units.variance, model.transform(X).var(0), rtol=1e-6)


def test_aggregate_of_exact_posteriors_is_the_prior(linear_gaussian):
    model, X = linear_gaussian(n=20_000)
    found = aggregate_posterior(model, X)
    np.testing.assert_allclose(found.mean, found.prior_mean, atol=0.03)
    np.testing.assert_allclose(found.variance, found.prior_variance, atol=0.03)


def test_information_of_a_linear_gaussian_channel(linear_gaussian):
    model, X = linear_gaussian(n=2000, deviation=1.0)
    found = information(model, X)
    exact = sum(math.log(1 + w**2) / 2 for w in np.linspace(2.0, 1.0, 3))
    assert found.mutual_information == pytest.approx(exact, abs=0.1)
    assert found.marginal_kl == pytest.approx(0, abs=0.1)
    assert found.kl == pytest.approx(found.mutual_information + found.marginal_kl)
    assert found.kl == pytest.approx(kl_per_dimension(model, X).sum(), abs=0.1)


def test_information_is_at_most_log_n(linear_gaussian):
    model, X = linear_gaussian(n=300, deviation=1e-3)
    found = information(model, X, limit=100)
    assert found.n == 100
    assert found.mutual_information == pytest.approx(found.ceiling, abs=1e-6)
    assert found.ceiling == math.log(100)


def test_perplexity():
    assert perplexity(np.arange(12).reshape(3, 4), 12).perplexity == pytest.approx(12)
    assert perplexity(np.zeros(7, int), 12) == (1.0, 1, 12)
    assert perplexity([0, 0, 0, 1], 2).perplexity == pytest.approx(4 / 3**0.75)
    with pytest.raises(DataError, match=r"perplexity: indices must be integers in \[0, 2\)"):
        perplexity([0, 2], 2)


def test_probes_on_digits(digits):
    train, y, test, y_test = digits
    model = narrows.PCA(latent_dim=16).fit(train)
    assert knn_accuracy(model, train, y, test, y_test) > 0.9
    assert knn_accuracy(model, train, y, train, y, neighbours=1) == 1.0
    assert knn_accuracy(model, train, y, test, y_test, k=1) < 0.5
    assert logistic_accuracy(model, train, y, test, y_test) > 0.88
    assert trustworthiness(model, train) > 0.95
    assert trustworthiness(narrows.PCA(latent_dim=1).fit(train), train) < 0.85


def test_codes_that_are_the_labels_are_read_perfectly():
    y = np.arange(60) % 3
    X = np.eye(3)[y] + 1e-3 * np.random.default_rng(0).normal(size=(60, 3))
    model = narrows.PCA(latent_dim=2).fit(X)
    few = few_label_accuracy(model, X, y, X, y)
    assert (few.mean, few.deviation, few.per_class, len(few.accuracies)) == (1.0, 0.0, 1, 20)
    assert logistic_accuracy(model, X, y, X, y) == 1.0


def test_few_labels_rise_with_their_number_and_are_seeded(digits):
    train, y, test, y_test = digits
    model = narrows.PCA(latent_dim=16).fit(train)
    one, five = (few_label_accuracy(model, train, y, test, y_test, per_class=n) for n in (1, 5))
    assert 0.4 < one.mean < five.mean - 0.1
    assert one.deviation > 0.01
    again = few_label_accuracy(model, train, y, test, y_test)
    np.testing.assert_array_equal(again.accuracies, one.accuracies)


def test_errors(digits, linear_gaussian):
    train, y, test, y_test = digits
    model = narrows.PCA(latent_dim=2).fit(train)
    with pytest.raises(ConfigError, match=r"kl_per_dimension: model must have a posterior"):
        kl_per_dimension(model, train)
    with pytest.raises(DataError, match=r"knn_accuracy: y must have one label per sample, shape \(400,\); got \(3,\)"):
        knn_accuracy(model, train, y[:3], test, y_test)
    with pytest.raises(DataError, match=r"every class must have per_class = 300 samples"):
        few_label_accuracy(model, train, y, test, y_test, per_class=300)
    with pytest.raises(ConfigError, match=r"few_label_accuracy: draws must be >= 2"):
        few_label_accuracy(model, train, y, test, y_test, draws=1)
    with pytest.raises(ConfigError, match=r"trustworthiness: neighbours must be >= 1"):
        trustworthiness(model, train[:8])
