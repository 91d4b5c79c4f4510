"""On an accelerator, CUDA's or Apple's: the results of the CPU, computed there, and nothing left changed.

pytest -m gpu -n 0 tests/gpu
"""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from drawn import structured
from narrows import AE, PCA, VAE, elbo, log_likelihood
from narrows.estimators.base import Autoencoder
from narrows.estimators.loading import load_model
from narrows.evaluation import active_units, anomaly_scores, diagnose, knn_accuracy, measure_reconstruction
from narrows.training import Checkpoints
from narrows.training.optimizers import OPTIMIZERS

CUDA, MPS = torch.cuda.is_available(), torch.backends.mps.is_available()
DEVICE = "cuda" if CUDA else "mps" if MPS else "cpu"
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(DEVICE == "cpu", reason="no accelerator")]

TABLE, SEQUENCES, IMAGES = structured((6,)), structured((5, 3)), structured((1, 7, 6))
RAGGED = [sequence[: 2 + i % 4] for i, sequence in enumerate(SEQUENCES)]
PIXELS = (IMAGES * 255).round().astype(np.uint8)
MISSING = np.where(np.random.default_rng(0).random(TABLE.shape) < 0.2, np.float32(np.nan), TABLE)
LABELS = np.arange(len(TABLE)) % 3
FEW: dict[str, Any] = {"latent_dim": 2, "epochs": 3, "batch_size": 16, "precision": "fp32", "device": DEVICE}

CASES: dict[str, tuple[Autoencoder, Any]] = {
    "pca": (PCA(latent_dim=2), TABLE),
    "ae": (AE(**FEW, network="mlp:8"), TABLE),
    "ae, pixels": (AE(**FEW, network="conv:4,batch_norm=true", likelihood="bernoulli"), PIXELS),
    "ae, sequences": (AE(**FEW, network="recurrent:4"), SEQUENCES),
    "ae, sequences of different lengths": (AE(**FEW, network="recurrent:4"), RAGGED),
    "ae, residual": (AE(**FEW, network="residual:8"), TABLE),
    "ae, averaged, clipped": (AE(**FEW, network="mlp:8", averaging=0.9, clip=1.0), TABLE),
    "ae, sparse": (AE(**FEW, network="mlp:8", code="continuous:sigmoid", penalty="sparsity:0.1"), TABLE),
    "ae, contractive": (AE(**FEW, network="mlp:8", penalty="contractive:0.1"), TABLE),
    "ae, missing": (AE(**FEW, network="mlp:8"), MISSING),
    "vae": (VAE(**FEW, network="mlp:8"), TABLE),
    "vae, pixels": (VAE(**FEW, network="conv:4"), PIXELS),
    "vae, grey levels": (VAE(**FEW, network="mlp:8", likelihood="discretized_logistic"), PIXELS),
    "vae, residual": (VAE(**FEW, network="residual:8"), TABLE),
    "vae, missing": (VAE(**FEW, network="mlp:8"), MISSING),
    "vae, condition": (VAE(**FEW, network="mlp:8", condition="concat"), TABLE),
}  # fmt: skip
DRAWN = {"ae, codebook": (AE(**FEW, network="conv:4", code="vq:4"), PIXELS),
         "ae, adversarial": (AE(**FEW, network="mlp:8", penalty="adversarial:1"), TABLE),
         "ae, corrupted": (AE(**FEW, network="mlp:8", corruption="gaussian:0.1"), TABLE),
         "ae, ordered": (AE(**FEW, network="mlp:8", code="ordered"), TABLE)}  # fmt: skip
"""Training draws from the device's own generator: other numbers than the CPU's."""
EVERY = CASES | DRAWN


def random_state() -> torch.Tensor:
    """Return the state of the device's global generator."""
    return torch.cuda.get_rng_state() if CUDA else torch.mps.get_rng_state()


def fitted(case: str, **changes: Any) -> tuple[Autoencoder, Any]:
    """Return a model of a case, fitted, and its data."""
    model, X = EVERY[case]
    model = copy.deepcopy(model)
    if not isinstance(model, PCA):
        model.set_params(**changes)
    return model.fit(X, LABELS), X


def on_cpu(model: Autoencoder) -> Autoencoder:
    """Return the same model on the CPU."""
    moved = copy.deepcopy(model)
    moved.module_.to("cpu")
    return moved


def results(model: Autoencoder, X: Any) -> Iterator[tuple[str, Any]]:
    """Yield what the verbs return."""
    for verb in ("transform", "reconstruct", "score_samples"):
        values = getattr(model, verb)(X, y=LABELS)
        yield verb, np.concatenate(values) if isinstance(values, list) else values


@pytest.mark.parametrize("case", EVERY)
def test_what_is_computed_there_equals_the_cpus(case: str) -> None:
    model, X = fitted(case)
    assert model.module_.device.type == ("cpu" if case == "pca" else DEVICE)
    for (verb, there), (_, here) in zip(results(model, X), results(on_cpu(model), X), strict=True):
        scale = np.abs(np.asarray(here, np.float64)).max()
        np.testing.assert_allclose(np.float64(there), np.float64(here), rtol=1e-3, atol=1e-3 * scale, err_msg=verb)


@pytest.mark.parametrize("case", [case for case in CASES if not case.startswith("vae")])
def test_training_there_takes_the_steps_of_the_cpu(case: str) -> None:
    losses = [
        [epoch["train"]["loss"] for epoch in fitted(case, device=device)[0].history_] for device in ("cpu", DEVICE)
    ]
    np.testing.assert_allclose(losses[1], losses[0], rtol=5e-3)


@pytest.mark.parametrize("case", ["vae", "vae, pixels", "vae, condition", *DRAWN])
def test_training_that_draws_ends_as_well_there(case: str) -> None:
    losses = [fitted(case, device=device, epochs=30)[0].history_[-1]["train"]["loss"] for device in ("cpu", DEVICE)]
    first = fitted(case, epochs=1)[0].history_[0]["train"]["loss"]
    assert abs(losses[1] - losses[0]) < 0.25 * abs(first - losses[0])


@pytest.mark.parametrize("case", EVERY)
def test_a_seeded_refit_is_the_same_and_leaves_global_generators_alone(case: str) -> None:
    before, here = random_state(), torch.get_rng_state()
    states = []
    for _ in range(2):
        model, X = fitted(case)
        states.append(model.module_.state_dict())
        dict(results(model, X))
        if model.code_.continuous:
            model.sample(2, seed=0, sampler="gaussian", y=LABELS[:2] if "condition" in case else None)
    assert torch.equal(random_state(), before)
    assert torch.equal(torch.get_rng_state(), here)
    for name, tensor in states[0].items():
        torch.testing.assert_close(states[1][name], tensor, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("verb", ["transform", "reconstruct", "score_samples"])
def test_verbs_compute_there(verb: str) -> None:
    model, X = fitted("vae")
    seen: set[str] = set()
    encoder: Any = model.module_.encoder
    encoder.register_forward_hook(lambda module, inputs, output: seen.add(output.device.type))
    getattr(model, verb)(X)
    assert seen == {DEVICE}


@pytest.mark.parametrize("X", [TABLE, PIXELS], ids=["float32", "uint8"])
@pytest.mark.parametrize("cls", [AE, VAE])
def test_memory_maps(cls: type[AE | VAE], X: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    models = [cls(**FEW).fit(data, validation=data[:10]) for data in (X, mapped)]
    assert models[1].module_.device.type == DEVICE
    for verb in ("transform", "score_samples"):
        values = [getattr(model, verb)(X) for model in models]
        np.testing.assert_allclose(values[1], values[0], rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(getattr(models[1], verb)(mapped), values[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("case", EVERY)
def test_save_and_load_round_trip(case: str, tmp_path: Path) -> None:
    model, X = fitted(case)
    back = load_model(model.save(tmp_path / "model"))
    assert back.module_.device == model.module_.device
    for name, tensor in model.module_.state_dict().items():
        assert torch.equal(back.module_.state_dict()[name], tensor)
    for (verb, values), (_, again) in zip(results(model, X), results(back, X), strict=True):
        np.testing.assert_allclose(again, values, rtol=1e-5, atol=1e-6, err_msg=verb)


def test_a_model_trained_there_loads_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, X = fitted("ae")
    model.save(tmp_path / "model")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    back = load_model(tmp_path / "model")
    assert back.module_.device.type == "cpu"
    np.testing.assert_allclose(back.transform(X), model.transform(X), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("case", ["vae", "vae, pixels", "ae", "pca"])
def test_measures(case: str) -> None:
    model, X = fitted(case)
    other = on_cpu(model)
    for measure in (
        lambda m: measure_reconstruction(m, X).per_sample,
        lambda m: anomaly_scores(m, X, by="reconstruction"),
        lambda m: knn_accuracy(m, X, LABELS, X, LABELS),
        *([lambda m: elbo(m, X), lambda m: log_likelihood(m, X, samples=20), lambda m: active_units(m, X).variance]
          if case.startswith("vae") else []),
    ):  # fmt: skip
        there, here = (np.asarray(measure(m), np.float64) for m in (model, other))
        np.testing.assert_allclose(there, here, rtol=1e-2, atol=1e-2 * np.abs(here).max())
    assert isinstance(diagnose(model, X), list)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimiser(optimizer: str) -> None:
    model, _ = fitted("ae", optimizer=optimizer, epochs=20, learning_rate=1e-3)
    losses = [epoch["train"]["loss"] for epoch in model.history_]
    assert losses[-1] < losses[0]


def test_lower_precision() -> None:
    model, X = fitted("ae", precision="bf16", epochs=20)
    losses = [epoch["train"]["loss"] for epoch in model.history_]
    assert losses[-1] < losses[0]
    assert model.transform(X).dtype == np.float32


@pytest.mark.parametrize("case", ["vae", "ae, averaged, clipped", "ae, adversarial", "ae, codebook"])
def test_resuming(case: str, tmp_path: Path) -> None:
    model, X = EVERY[case]
    uninterrupted = copy.deepcopy(model).fit(X)
    reports = copy.deepcopy(model).fit_iter(X, resume=Checkpoints(tmp_path, epochs=1))
    next(report for report in reports if report.end_of_epoch)
    reports.close()
    resumed = copy.deepcopy(model).fit(X, resume=tmp_path)
    for name, tensor in uninterrupted.module_.state_dict().items():
        torch.testing.assert_close(resumed.module_.state_dict()[name], tensor, rtol=1e-4, atol=1e-5)


def test_a_loss_that_is_not_finite_leaves_the_weights_of_the_step_before() -> None:
    from narrows.errors import DivergedError

    model = AE(**{**FEW, "network": "mlp:8", "epochs": 9})
    reports = model.fit_iter(TABLE)
    next(report for report in reports if report.end_of_epoch)
    next(model.module_.parameters()).register_hook(lambda gradient: gradient * torch.inf)
    with pytest.raises(DivergedError, match="the gradient must be finite"):
        list(reports)
    assert all(torch.isfinite(p).all() for p in model.module_.parameters())
