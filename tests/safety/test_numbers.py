"""Numbers at the edge: a named error or a finite result, and the same ones each time."""

import os
import re
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest
import torch

from narrows import AE, ESTIMATORS, VAE
from narrows.errors import ConfigError, DataError, DivergedError
from narrows.estimators import memory
from narrows.estimators.neural import NeuralAutoencoder
from narrows.training import loop

rng = np.random.default_rng(0)
TABLE = (rng.normal(size=(300, 3)) @ rng.normal(size=(3, 10))).astype(np.float32)
IMAGES = rng.integers(0, 256, (200, 1, 8, 8), dtype=np.uint8)
SEQUENCES = rng.normal(size=(200, 6, 3)).astype(np.float32)
DATA: dict[str, np.ndarray] = {"table": TABLE, "images": IMAGES, "sequences": SEQUENCES}
NETWORKS = {"table": "mlp:16", "images": "conv:16", "sequences": "recurrent:16"}
NEURAL = {name: model for name, model in ESTIMATORS.items() if issubclass(model, NeuralAutoencoder)}


@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
@pytest.mark.parametrize("name", NEURAL)
def test_a_learning_rate_of_10000_times_is_flagged(
    name: str, optimizer: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "INTERVAL", -1.0)
    rate = 1e4 * (1e-4 if optimizer == "sgd" else 2e-3)
    model = NEURAL[name](
        latent_dim=3, network=NETWORKS[kind], epochs=20, batch_size=16, optimizer=optimizer, learning_rate=rate
    )
    step, told = 0, ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            for report in model.fit_iter(DATA[kind], validation=DATA[kind]):
                step = report.step
                if caught or step > 20:
                    break
        except DivergedError as error:
            told = str(error)
        told = told or str(caught[0].message)
    assert re.search(
        r"(rose|must be finite).* (at|by) step \d+.*learning rate .*too high \(it is \d+: try a tenth", told
    )
    assert step <= 20
    assert all(torch.isfinite(p).all() for p in model.module_.parameters())


def test_the_best_weights_are_kept_when_training_explodes() -> None:
    model = AE(latent_dim=3, network="mlp:8", epochs=9)
    reports = model.fit_iter(TABLE, validation=TABLE)
    first = next(reports)
    weights = {name: t.clone() for name, t in model.module_.state_dict().items()}
    with torch.no_grad():
        for p in model.module_.parameters():
            p.mul_(1e15)
    with pytest.raises(DivergedError, match="the term 'reconstruction' must be finite"):
        next(reports)
    assert first.best
    assert all(torch.equal(t, weights[name]) for name, t in model.module_.state_dict().items())
    assert np.isfinite(model.score_samples(TABLE)).all()


@pytest.mark.parametrize("log_variance", [-1e4, 1e4])
def test_log_variances_beyond_all_bounds(log_variance: float) -> None:
    model = VAE(latent_dim=2, network="mlp:4", epochs=1).fit(TABLE)
    encoder: Any = model.module_.encoder
    last: Any = list(encoder.modules())[-1]
    with torch.no_grad():
        last.bias[2:] = log_variance
    for found in (model.transform(TABLE), model.reconstruct(TABLE), model.score_samples(TABLE)):
        assert np.isfinite(found).all()


@pytest.mark.parametrize("likelihood", ["bernoulli", "continuous_bernoulli", "discretized_logistic"])
@pytest.mark.parametrize("value", [-0.001, 1.001, 3e38])
def test_targets_out_of_range(likelihood: str, value: float) -> None:
    X = np.full((20, 4), 0.2, np.float32)
    X[3, 1] = value
    for model in (AE, VAE):
        with pytest.raises(DataError, match=r"X must lie in \[0, 1\]"):
            model(latent_dim=2, likelihood=likelihood, epochs=1).fit(X)


@pytest.mark.parametrize("scale", [1e15, 1e20, 1e30, 3e38])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_data_whose_squares_are_beyond_float32(name: str, scale: float) -> None:
    X = (np.sign(TABLE) * scale).astype(np.float32)
    X[:, 0] *= 0.5
    reconstructed = small(name).fit(X).reconstruct(X)
    assert np.isfinite(reconstructed).all()
    x = X / np.float64(scale)
    assert np.square(reconstructed / np.float64(scale) - x).sum() < np.square(x - x.mean(0)).sum()


@pytest.mark.parametrize("scale", [1e15, 1e20, 1e30, 3e38])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_samples_whose_squares_are_beyond_float32(name: str, scale: float) -> None:
    X = (np.sign(TABLE) * scale).astype(np.float32)
    model = small(name).fit(TABLE)
    if name in NEURAL and scale > 1e18:  # a score of these is beyond float32, and so is the code in the end
        with pytest.raises(DataError, match=r"must be finite|must lie within float32"):
            model.score_samples(X)
    else:
        assert model.score_samples(X).max() < -scale


def small(name: str) -> Any:
    """Return an estimator that fits in a moment."""
    quick = {"epochs": 5, "batch_size": 64, "learning_rate": 1e-2}
    return ESTIMATORS[name](latent_dim=2, **(quick if name in NEURAL else {}))


BIG = np.random.default_rng(1).integers(0, 256, (300, 1, 28, 28), dtype=np.uint8)


def losses(**fields: Any) -> list[float]:
    """Return the mean loss up to each of the first 20 steps."""
    reports = VAE(**{"latent_dim": 8, "batch_size": 100, "epochs": 10, **fields}).fit_iter(BIG)
    return [next(reports).train["loss"] for _ in range(20)]


@pytest.mark.slow
@pytest.mark.parametrize("network", ["mlp:200", "conv:8x8"])
def test_one_thread_and_two(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "INTERVAL", -1.0)
    threads = torch.get_num_threads()
    found = []
    for number in (1, 2):
        torch.set_num_threads(number)
        try:
            found.append(losses(network=network, precision="fp32"))
        finally:
            torch.set_num_threads(threads)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


SEEDED = """
import hashlib, numpy as np, narrows
X = np.random.default_rng(0).normal(size=(200, 6)).astype("f")
digest = hashlib.sha256()
for model in (narrows.PCA(latent_dim=2), narrows.AE(latent_dim=2, epochs=3), narrows.VAE(latent_dim=2, epochs=3)):
    model.fit(X)
    digest.update(model.transform(X).tobytes() + model.score_samples(X).tobytes())
print(digest.hexdigest())
"""


@pytest.mark.campaign
def test_ten_processes_with_one_seed() -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SEEDED]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) for _ in range(10)]
    assert len({process.communicate()[0] for process in started}) == 1
    assert all(process.returncode == 0 for process in started)


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("table", {"network": "mlp:1000000000"}),
        ("table", {"network": "mlp:8x1000000000x8"}),
        ("table", {"network": "residual:1000000000"}),
        ("images", {"network": "residual:9223372036854775807"}),
        ("images", {"network": "conv:1000000000"}),
        ("images", {"network": "conv:8x8,kernel=1000000001"}),
        ("sequences", {"network": "conv:4000000000"}),
        ("sequences", {"network": "recurrent:100000000"}),
        ("sequences", {"network": "recurrent:9223372036854775807"}),
        ("table", {"latent_dim": 10**12}),
        ("table", {"code": "vq:1000000000000"}),
        ("table", {"code": "vq:512,positions=1000000000"}),
        ("table", {"penalty": "adversarial:hidden=1000000000"}),
    ],
    ids=str,
)
def test_weights_that_no_memory_holds_are_refused_before_they_are_made(kind: str, parameters: dict[str, Any]) -> None:
    model = AE(epochs=1).set_params(**parameters)
    with pytest.raises(ConfigError, match="weights must fit into the memory of this machine"):
        model.fit(DATA[kind])
    assert not hasattr(model, "module_")


def test_weights_that_fit_are_counted_with_what_training_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    model = AE(latent_dim=2, network="mlp:16", epochs=1)
    values = (10 * 16 + 16) + (16 * 2 + 2) + (2 * 16 + 16) + (16 * 10 + 10) + 1  # and the likelihood's scale
    monkeypatch.setattr(memory, "_memory", lambda: 16 * values)
    model.fit(TABLE)
    monkeypatch.setattr(memory, "_memory", lambda: 16 * values - 1)
    with pytest.raises(ConfigError, match=f"got {values:,} values"):
        model.fit(TABLE)
