"""The autoencoder's mathematics: PCA's subspace, its penalties, and the units of its loss."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles
from sklearn.datasets import load_digits

from narrows import AE, PCA
from narrows.module import Batch
from narrows.nn import MLP


def cloud():
    rng = np.random.default_rng(0)
    return rng.multivariate_normal([1, -1], [[1, 0.8], [0.8, 1]], 200)


def arc():
    rng = np.random.default_rng(4)
    angle = rng.random(60) * 3 * np.pi / 2 - 0.5
    X = np.empty((60, 3))
    X[:, 0] = np.cos(angle) + np.sin(angle) / 2 + 0.1 * rng.normal(size=60) / 2
    X[:, 1] = np.sin(angle) * 0.7 + 0.1 * rng.normal(size=60) / 2
    X[:, 2] = X[:, 0] * 0.1 + X[:, 1] * 0.3 + 0.1 * rng.normal(size=60)
    return X


LINEAR: dict[str, Any] = {"batch_size": None, "adam_betas": (0.9, 0.99), "scale": None}


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(
    ("data", "k", "settings"),
    [
        (cloud, 1, {"epochs": 600, "learning_rate": 5e-2}),
        (arc, 2, {"epochs": 500, "learning_rate": 5e-2}),
        pytest.param(
            lambda: load_digits().data / 16, 8, {"epochs": 1500, "learning_rate": 2e-2}, marks=pytest.mark.slow
        ),
    ],
    ids=["cloud", "arc", "digits"],
)
def test_the_linear_autoencoder_finds_pcas_subspace(data, k, settings, tied):
    X = data()
    network = MLP(hidden=(), activation="linear", tied=tied)
    ae = AE(latent_dim=k, network=network, **LINEAR, **settings).fit(X)
    pca = PCA(latent_dim=k).fit(X)
    weight = ae.module_.decoder.output.weight if not tied else ae.module_.encoder.body[1].weight.T
    angle = subspace_angles(weight.detach().double().numpy(), pca.components_.T).max()
    assert angle < 1e-3
    error, least = (((X - model.reconstruct(X)) ** 2).sum() for model in (ae, pca))
    assert error == pytest.approx(least, rel=1e-3)


def terms(ae, X, *, training=True):
    """Return the loss of a batch, without corruption."""
    module = ae.module_
    module.train(training)
    return module.loss(Batch(torch.from_numpy(X)))


def test_the_loss_is_half_the_squared_error_in_nats(table):
    ae = AE(latent_dim=2, epochs=2).fit(table)
    error = ((table - ae.reconstruct(table)) ** 2).sum(1) / 2 + 6 * np.log(2 * np.pi) / 2
    loss = terms(ae, table)
    assert list(loss.terms) == ["reconstruction"]
    np.testing.assert_allclose(loss.total.detach(), error, rtol=1e-5)
    np.testing.assert_allclose(ae.score_samples(table), -error, rtol=1e-5)


def test_sparsity_by_divergence(table):
    ae = AE(latent_dim=4, code="continuous:sigmoid", penalty="sparsity:3,target=0.1", epochs=2)
    a = ae.fit(table).transform(table).astype(np.float64).mean(0)
    expected = 3 * (0.1 * np.log(0.1 / a) + 0.9 * np.log(0.9 / (1 - a))).sum()
    loss = terms(ae, table)
    assert loss.terms["sparsity"].mean().item() == pytest.approx(expected, rel=1e-4)
    assert loss.metrics["activity"].mean().item() == pytest.approx(a.mean(), rel=1e-5)


def test_sparsity_reaches_its_target(table):
    options: dict[str, Any] = {
        "latent_dim": 8,
        "code": "continuous:sigmoid",
        "epochs": 100,
        "learning_rate": 2e-2,
        "batch_size": None,
    }
    sparse = AE(penalty="sparsity:20,target=0.4", **options).fit(table).transform(table)
    free = AE(**options).fit(table).transform(table)
    np.testing.assert_allclose(sparse.mean(0), 0.4, atol=0.03)
    assert np.abs(free.mean(0) - 0.4).max() > 0.1
    assert ((sparse > 0) & (sparse < 1)).all()


def test_sparsity_by_absolute_values(table):
    ae = AE(latent_dim=4, penalty="l1:0.7", epochs=2).fit(table)
    expected = 0.7 * np.abs(ae.transform(table)).sum(1)
    np.testing.assert_allclose(terms(ae, table).terms["l1"].detach(), expected, rtol=1e-5)
    options: dict[str, Any] = {"latent_dim": 4, "epochs": 40, "learning_rate": 1e-2}
    small = AE(penalty="l1:0.3", **options).fit(table)
    assert np.abs(small.transform(table)).mean() < 0.5 * np.abs(AE(**options).fit(table).transform(table)).mean()


@pytest.mark.parametrize(
    ("network", "shape"),
    [("mlp:6,activation=tanh", (6,)), ("conv:6,activation=tanh", (1, 5, 4)), ("recurrent:6", (4, 3))],
)
def test_the_contractive_penalty_trains_every_network(network, shape):
    X = np.random.default_rng(0).random((40, *shape), np.float32)
    options: dict[str, Any] = {
        "latent_dim": 2,
        "network": network,
        "epochs": 15,
        "batch_size": 20,
        "learning_rate": 1e-2,
    }
    flat, steep = AE(penalty="contractive:5", **options).fit(X), AE(**options).fit(X)

    def slope(ae):
        jacobians = (
            torch.autograd.functional.jacobian(lambda v: ae.module_.encode(Batch(v[None]))[0], x) for x in rows
        )
        return float(sum(jacobian.square().sum() for jacobian in jacobians)) / len(rows)

    rows = torch.from_numpy(X[:6])
    assert slope(flat) < 0.5 * slope(steep)
    assert flat.history_[-1]["train"]["contractive"] < flat.history_[0]["train"]["contractive"]
    term = terms(flat, X[:6]).terms["contractive"].mean().item()
    assert term == pytest.approx(5 * slope(flat), rel=1e-3)
    assert "contractive" not in terms(flat, X[:6], training=False).terms


def test_the_contractive_penalty_of_a_linear_encoder_is_its_weights_norm(table):
    ae = AE(latent_dim=2, network="mlp:", penalty="contractive:0.5", epochs=2).fit(table)
    expected = 0.5 * ae.module_.encoder.body[1].weight.square().sum().item()
    np.testing.assert_allclose(terms(ae, table).terms["contractive"].detach(), expected, rtol=1e-5)


@pytest.mark.parametrize(("name", "low", "high"), [("sigmoid", 0, 1), ("tanh", -1, 1), ("relu", 0, np.inf)])
def test_the_codes_activation(name, low, high, table):
    Z = AE(latent_dim=3, code=f"continuous:{name}", epochs=5).fit(table).transform(table)
    assert Z.min() >= low
    assert Z.max() <= high


def test_output_activation_bounds_the_reconstruction(table):
    out = AE(latent_dim=2, network="mlp:8,output_activation=sigmoid", epochs=3).fit(table).reconstruct(table * 5)
    assert out.min() > 0
    assert out.max() < 1
