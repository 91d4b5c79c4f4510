"""What the course of training tells while it runs."""

from typing import Any

import numpy as np
import pytest

import narrows
from narrows.evaluation import diagnose_history
from narrows.evaluation.diagnosis.evidence import in_training

SMALL: dict[str, Any] = {"network": "mlp:64", "batch_size": 16}


def watched(model, X, **options):
    """Return the rules that fire while the model is trained, with the epoch at which each fires first."""
    records, fired = [], {}
    for report in model.fit_iter(X, **options):
        if report.end_of_epoch:
            records.append(report.record())
            for finding in diagnose_history(records, model):
                fired.setdefault(finding.rule, report.epoch)
    assert [record["train"] for record in records] == [record["train"] for record in model.history_]
    return fired


@pytest.mark.slow
def test_learning_rate_too_high_is_told_early(digits):
    fired = watched(narrows.AE(latent_dim=5, learning_rate=1.0, epochs=20, **SMALL), digits[0])
    assert fired["learning rate too high"] <= 10


@pytest.mark.slow
def test_collapse_is_told_early(digits):
    fired = watched(narrows.VAE(latent_dim=5, beta=100, epochs=20, **SMALL), digits[0])
    assert list(fired) == ["posterior collapse"]
    assert fired["posterior collapse"] <= 15


@pytest.mark.slow
def test_overfitting_is_told_and_names_the_epoch(digits):
    train, _, test, _ = digits
    model = narrows.AE(latent_dim=20, network="mlp:256", epochs=150, schedule="constant", batch_size=16)
    assert list(watched(model, train[:60], validation=test)) == ["overfitting"]
    (finding,) = diagnose_history(model.history_, model)
    losses = [record["validation"]["loss"] for record in model.history_]
    assert finding.evidence["best"] == np.argmin(losses) + 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        narrows.PCA(latent_dim=10),
        narrows.AE(latent_dim=10, epochs=15, **SMALL),
        narrows.VAE(latent_dim=6, epochs=15, **SMALL),
        narrows.VAE(latent_dim=6, epochs=15, kl_warmup=0.5, **SMALL),
        narrows.VAE(latent_dim=6, epochs=15, likelihood="bernoulli", **SMALL),
    ],
    ids=["PCA", "AE", "VAE", "warm-up", "Bernoulli"],
)
def test_sound_runs_are_silent(model, digits):
    assert watched(model, digits[0], validation=digits[2]) == {}


def test_a_rise_that_is_small_beside_the_whole_fall_is_no_overfitting():
    falls = [100.0, 60, 58.01, 58, 58.02, 58.03, 58.03, 58.03, 58.03, 58.03]
    history = [
        {"train": {"loss": 58 - i / 1e3, "reconstruction": 58 - i / 1e3}, "validation": {"loss": held}}
        for i, held in enumerate(falls)
    ]
    fixed = narrows.AE(epochs=10)
    assert diagnose_history(history, fixed) == []
    for record in history[4:]:
        record["validation"]["loss"] += 3
    assert [finding.rule for finding in diagnose_history(history, fixed)] == ["overfitting"]
    assert diagnose_history(history, narrows.AE()) == []  # which stops by itself


@pytest.mark.parametrize(("kl", "rules"), [(25.0, []), (0.02, ["posterior collapse"])])
@pytest.mark.parametrize("jacobian", [40.0, -40.0])
@pytest.mark.parametrize("given", [{}, {"beta": 4.0}, {"kl_warmup": 0.5}])
def test_collapse_is_told_of_the_kl_term_whatever_the_unit_and_the_weight(kl, rules, jacobian, given):
    weights = [given.get("beta", 1.0) * min(1.0, (i + 0.5) / 20 / given.get("kl_warmup", 1e-9)) for i in range(10)]
    history = [
        {"epoch": i + 1, "epochs": 20, "validation": None,
         "train": {"loss": 9.0 + w * kl, "reconstruction": 9.0, "kl": w * kl, "elbo": jacobian - 9 - kl}}
        for i, w in enumerate(weights)
    ]  # fmt: skip
    assert [finding.rule for finding in diagnose_history(history, narrows.VAE(latent_dim=15, **given))] == rules


@pytest.mark.slow
def test_default_sizes_are_those_that_training_took():
    X = np.random.default_rng(0).normal(size=(60, 8))
    model = narrows.VAE(network="mlp:4", learning_rate=1e-4).fit(X)
    evidence = in_training(model.history_, model)
    assert evidence.parameter("latent_dim") == 4
    assert evidence.parameter("epochs") == model.history_[-1]["epochs"]
    assert evidence.kl is None or len(evidence.kl) == 4
    unknown = in_training(model.history_, narrows.VAE())
    assert (unknown.parameter("latent_dim", 7), unknown.parameter("epochs", 9)) == (7, 9)
