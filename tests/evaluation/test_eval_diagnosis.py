"""Every rule is provoked once by a model, and all are silent on runs that are sound."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import narrows
from narrows.evaluation import diagnose
from narrows.evaluation.diagnosis.rules import RULES

SMALL: dict[str, Any] = {"network": "mlp:64", "batch_size": 16}
TANH: dict[str, Any] = {"network": "mlp:64,activation=tanh", "batch_size": 16}


@pytest.fixture(scope="module")
def cloud():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 3)) @ rng.normal(size=(3, 8)) + 0.3 * rng.normal(size=(1000, 8))
    return X[:800].astype(np.float32), X[800:].astype(np.float32)


def found(model, X, X_test=None):
    """Return every finding by its rule, those that follow from others too."""
    return {finding.rule: finding for finding in diagnose(model, X, X_test, every=True)}


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        narrows.PCA(latent_dim=10),
        narrows.AE(latent_dim=10, epochs=40, **SMALL),
        narrows.VAE(latent_dim=6, epochs=40, likelihood="gaussian:learned", **SMALL),
        narrows.AE(latent_dim=10, epochs=40, corruption="gaussian:0.1", **TANH),
    ],
    ids=["PCA", "AE", "VAE", "denoising"],
)
def test_sound_runs_on_digits_are_silent(model, digits):
    train, _, test, _ = digits
    model.fit(train)
    assert found(model, train, test) == {}
    assert found(model, train) == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        narrows.AE(latent_dim=3, **TANH),
        narrows.VAE(latent_dim=3, **SMALL),
        narrows.VAE(latent_dim=3, kl_warmup=0.5, **SMALL),
    ],
    ids=["AE", "VAE", "warm-up"],
)
def test_sound_runs_on_normals_are_silent(model, cloud):
    train, test = cloud
    assert found(model.fit(train), train, test) == {}


@pytest.mark.slow
def test_sound_run_on_images_is_silent(digits):
    images = (digits[0].reshape(-1, 1, 8, 8) * 255).astype(np.uint8)
    model = narrows.AE(latent_dim=10, epochs=25, batch_size=16, network="conv:16x32").fit(images)
    assert found(model, images) == {}


def test_exact_model_is_silent(linear_gaussian):
    model, X = linear_gaussian(n=3000)
    assert found(model, X[:2000], X[2000:]) == {}


@pytest.mark.slow
def test_posterior_collapse(digits):
    model = narrows.VAE(latent_dim=5, beta=100, epochs=20, **SMALL).fit(digits[0])
    (first, *_) = diagnose(model, digits[0])
    assert first.rule == "posterior collapse"
    assert first.evidence["kl"] < 0.05
    assert "kl_warmup" in first.remedy
    assert str(first) == f"{first.sentence} {first.remedy}"


def test_collapsed_dimensions(linear_gaussian):
    model, X = linear_gaussian(n=500, unused=2)
    finding = found(model, X)["collapsed dimensions"]
    assert finding.evidence == {"collapsed": 2, "dimensions": 3}
    assert finding.remedy == "Try latent_dim=1 (loses nothing)."


def test_unused_codes():
    X = np.random.default_rng(0).normal(size=(300, 3)) @ np.eye(3, 8)
    finding = found(narrows.PCA(latent_dim=5).fit(X), X)["unused codes"]
    assert finding.evidence == {"unused": 2, "dimensions": 5}


def test_dead_units(digits):
    model = narrows.AE(latent_dim=5, learning_rate=0.1, epochs=10, **SMALL).fit(digits[0])
    finding = found(model, digits[0])["dead units"]
    assert finding.evidence["share"] > 0.8
    assert "decoder" in finding.sentence


def test_saturated_units(cloud):
    model = narrows.AE(latent_dim=3, network="mlp:activation=tanh", scale=None, epochs=5).fit(cloud[0] * 100)
    finding = found(model, cloud[0] * 100)["saturated units"]
    assert finding.evidence["share"] > 0.5


@pytest.mark.parametrize("factor", [0.1, 10])
def test_likelihood_whose_deviation_does_not_fit(linear_gaussian, factor):
    model, _ = linear_gaussian(d=40)
    _, X = linear_gaussian(n=500, d=40, deviation=0.5 * factor)
    ratio = found(model, X)["likelihood misfit"].evidence["ratio"]
    assert (ratio < 0.2) if factor < 1 else (ratio > 5)


def test_bernoulli_on_grey_values():
    X = np.random.default_rng(0).uniform(0.2, 0.8, size=(200, 5)).astype(np.float32)
    model = narrows.VAE(latent_dim=2, network="mlp:4", likelihood="bernoulli", epochs=1).fit(X)
    assert found(model, X)["likelihood misfit"].evidence == {"share": 1.0}


def test_scale_of_a_column_and_of_all(cloud):
    X = cloud[0] * np.array([1, 1, 1, 1000, 1, 1, 1, 1], np.float32)
    (first, *rest) = diagnose(narrows.PCA(latent_dim=2).fit(X), X)
    assert (first.rule, first.evidence["column"], rest) == ("scale misfit", 3, [])
    X = cloud[0] * 1e5
    (first, *rest) = diagnose(narrows.AE(latent_dim=3, network="mlp", scale=None, epochs=4).fit(X), X)
    assert (first.rule, [f.rule for f in rest]) == ("scale misfit", ["worse than PCA"])
    assert first.evidence["deviation"] > 1e4
    assert diagnose(narrows.PCA(latent_dim=3).fit(X), X) == []  # the linear code does not mind


@pytest.mark.slow
def test_learning_rate_too_high(digits):
    model = narrows.AE(latent_dim=5, learning_rate=1.0, epochs=10, **SMALL).fit(digits[0])
    findings = diagnose(model, digits[0])
    assert [f.rule for f in findings] == ["learning rate too high", "worse than PCA"]
    assert findings[0].evidence["jump"] > findings[0].evidence["fall"]


def test_learning_rate_too_low(digits):
    for model in (narrows.AE, narrows.VAE):
        fitted = model(latent_dim=5, network="mlp", learning_rate=1e-5, epochs=10).fit(digits[0])
        findings = diagnose(fitted, digits[0])
        assert [f.rule for f in findings] == ["learning rate too low", "worse than PCA"]
        assert findings[0].evidence["speed"] > 0.4


@pytest.mark.slow
def test_overfitting_and_too_few_samples(digits):
    train, _, test, _ = digits
    model = narrows.AE(latent_dim=3, network="mlp:256", epochs=150, batch_size=16).fit(train[:160])
    (first, *_) = diagnose(model, train[:160], test)
    assert first.rule == "overfitting"
    assert first.evidence["ratio"] > 2
    few = narrows.PCA(latent_dim=20).fit(train[:60])
    (first, *rest) = diagnose(few, train[:60], test)
    assert (first.rule, first.evidence["samples"], rest) == ("too few samples", 60, [])


def test_worse_than_pca(linear_gaussian):
    model, X = linear_gaussian(n=400, shift=0.6)
    finding = found(model, X, X[:200])["worse than PCA"]
    assert finding.evidence["error"] > 1.25 * finding.evidence["pca"]
    assert "held-out samples" in finding.sentence


class Deaf(nn.Linear):
    """A decoder that hears nothing."""

    def forward(self, z):
        return super().forward(0 * z)


def test_output_that_ignores_the_code(digits):
    torch.manual_seed(0)
    model = narrows.AE(latent_dim=5, network=(nn.Linear(64, 5), Deaf(5, 64)), epochs=3).fit(digits[0])
    (first, *rest) = diagnose(model, digits[0])
    assert (first.rule, [f.rule for f in rest]) == ("output ignores the code", ["worse than PCA"])
    assert first.evidence["share"] < 1e-6


def test_samples_off_range(linear_gaussian):
    model, X = linear_gaussian(n=500)
    finding = found(model, X / 10)["samples off range"]
    assert finding.evidence["share"] > 0.5


def test_consequences_follow_their_causes_in_the_table():
    order = list(RULES)
    for rule, consequences in RULES.items():
        assert all(order.index(later) > order.index(rule) for later in consequences), rule.__name__
