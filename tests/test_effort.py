"""How long training takes by default, what it holds out, where it may end, and on how many threads it runs."""

import threading

import numpy as np
import pytest
import torch

from narrows import AE, PCA, VAE
from narrows.data.arrays import Arrays
from narrows.data.batches import Batches
from narrows.data.schema import Schema
from narrows.training import effort
from narrows.training.state import Best, Evaluation


def noise(n, d=6, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def bent(n, seed=0):
    """Points near a curve in six dimensions, which no plane holds."""
    rng = np.random.default_rng(seed)
    t = rng.uniform(-2, 2, (n, 2))
    return np.c_[t, t**2, np.sin(2 * t)] + rng.normal(0, 0.01, (n, 6))


@pytest.mark.parametrize(
    ("n", "batch_size", "multiplications", "epochs"),
    [
        (100, 128, 10**3, 200),  # an epoch of one step
        (1280, 128, 10**3, 200),  # ten steps
        (1280, None, 10**3, 200),
        (1280, 128, 10**6, 50),  # 2 x 10^11 multiplications: a quarter of the steps
        (128_000, 128, 10**3, 15),  # a thousand
        (128_000, 128, 10**7, 2),  # 3 x 10^12 multiplications
        (10**8, 128, 10**3, 1),
    ],
)
def test_epochs_follow_from_the_sizes(n, batch_size, multiplications, epochs):
    assert effort.auto_epochs(n, batch_size, multiplications) == epochs


@pytest.mark.parametrize(("n", "held"), [(3, 0), (4, 1), (100, 25), (1000, 100), (5000, 500), (10**6, 10_000)])
def test_a_tenth_is_held_out_within_bounds(n, held):
    parts = effort.held_out(n, seed=3)
    if not held:
        assert parts is None
        return
    rest, out = parts
    assert len(out) == held
    np.testing.assert_array_equal(np.sort(np.r_[rest, out]), np.arange(n))
    assert not np.array_equal(out, effort.held_out(n, seed=4)[1]) or n == 4


@pytest.mark.parametrize(
    ("network", "shape", "expected"),
    [
        ("mlp:7", (5,), 5 * 7 + 7 * 2 + 2 * 7 + 7 * 5),
        ("residual:7", (5,), 5 * 7 + 7 * 2 + 2 * 7 + 7 * 5),  # PCA's maps are not trained
    ],
)
def test_multiplications_are_those_of_the_weights(network, shape, expected):
    X = noise(20, *shape).astype(np.float32)
    ae = AE(latent_dim=2, network=network, epochs=1).fit(X)
    rows = Batches(Arrays(X), Schema.of(X), torch.device("cpu"))
    assert effort.multiplications(ae.module_, rows) == 3 * expected


def test_convolutions_count_at_every_position():
    X = np.random.default_rng(0).random((4, 1, 8, 8)).astype(np.float32)
    ae = AE(latent_dim=2, network="conv", epochs=1).fit(X)
    rows = Batches(Arrays(X), Schema.of(X), torch.device("cpu"))
    layer = next(m for m in ae.module_.encoder.modules() if isinstance(m, torch.nn.Conv2d))
    assert effort.multiplications(ae.module_, rows) > 3 * layer.weight.numel() * 16
    assert not any(m._forward_hooks for m in ae.module_.modules())


@pytest.mark.parametrize("cls", [AE, VAE])
def test_a_default_fit_of_noise_is_not_worse_than_pca(cls):
    """Six independent columns: there is nothing to learn."""
    X, test = noise(200), noise(500, seed=1)
    model = cls(latent_dim=3).fit(X)
    scale = X.std(0)
    pca = PCA(latent_dim=3).fit(X / scale)
    if cls is AE:
        error = np.square((test - model.reconstruct(test)) / scale).sum()
        assert error <= 1.001 * np.square(test / scale - pca.reconstruct(test / scale)).sum()
    else:
        density = pca.score_samples(test / scale) - np.log(scale).sum()
        assert model.score_samples(test).mean() > density.mean() - 0.01


@pytest.mark.slow
def test_a_default_fit_of_a_curve_ends_far_below_pca():
    X, test = bent(1000), bent(300, seed=1)
    ae = AE(latent_dim=2).fit(X)
    pca = PCA(latent_dim=2).fit(X)
    error = np.square(test - ae.reconstruct(test)).sum()
    assert error < 0.4 * np.square(test - pca.reconstruct(test)).sum()
    last = ae.history_[-1]
    assert last["epochs"] == 200
    assert last["validation"] is not None


def test_given_validation_data_nothing_else_is_held_out():
    X = noise(40)
    ae = AE(latent_dim=2, network="mlp:4", epochs="auto", batch_size=40).fit(X, validation=X[:8])
    assert ae.history_[-1]["step"] == len(ae.history_)  # all 40 in one step
    fixed = AE(latent_dim=2, network="mlp:4", epochs=2).fit(X)
    assert fixed.history_[-1]["validation"] is None


def evaluation(losses):
    losses = torch.tensor(losses, dtype=torch.float64)
    return Evaluation({"loss": float(losses.mean())}, losses)


def test_leaving_the_start_takes_more_than_chance():
    module = torch.nn.Linear(1, 1)
    best, rng = Best(), np.random.default_rng(0)
    start = rng.normal(size=100)
    best.begin(evaluation(start), module)
    noisy = start + rng.normal(size=100)
    assert not best.beaten_by(evaluation(noisy - noisy.mean() + start.mean() - 0.05))  # half a standard error
    assert best.beaten_by(evaluation(noisy - noisy.mean() + start.mean() - 0.2))
    best.keep(evaluation(start - 0.2), 1, module)
    assert best.beaten_by(evaluation(start - 0.201))  # what has left it competes without a margin
    assert not best.beaten_by(evaluation(start - 0.199))


def test_small_steps_run_on_one_thread_and_leave_the_others_theirs():
    torch.set_num_threads(before := torch.get_num_threads())
    seen = []

    class Spy(torch.nn.Linear):
        def forward(self, x):
            seen.append((threading.get_ident(), torch.get_num_threads()))
            return super().forward(x)

    reports = AE(latent_dim=2, network=(Spy(6, 2), torch.nn.Linear(2, 6)), epochs=3).fit_iter(noise(40))
    for _ in reports:
        assert torch.get_num_threads() == before  # between reports, and where a fit is left open
    training = [threads for _, threads in seen[-3:]]
    assert training
    assert set(training) == {1} or before == 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(("shape", "expected"), [((4,), 2), ((1,), 1), ((100,), 20), ((5, 3), 7), ((1, 28, 28), 20)])
def test_the_latent_dimension_follows_from_the_sample(shape, expected):
    assert AE().latent_size(Schema.of(np.random.default_rng(0).random((4, *shape)))) == expected
