"""Training: losses that are not finite, precision, compilation, memory, and what it leaves alone."""

import copy
import math
import os
import platform
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from line import CPU, DATA, Line, rows_of
from narrows import AE, VAE
from narrows.data.batches import Batches
from narrows.data.schema import Schema
from narrows.errors import ConfigError, DivergedError
from narrows.module import MAIN, Batch
from narrows.probability.posteriors import NormalPosterior
from narrows.training import Report, Settings, train
from narrows.training.precision import lowered


class Exploding(Line):
    """A term that is not finite from its fourth step on."""

    def loss(self, batch, phase=MAIN):
        loss = super().loss(batch, phase)
        loss.terms["penalty"] = loss.terms["reconstruction"] * (math.nan if len(self.seen) > 3 else 1)
        return loss


def test_a_loss_that_is_not_finite_stops_with_the_last_good_weights():
    module = Exploding()
    with pytest.raises(DivergedError, match=r"'penalty' must be finite.*step 4 .*learning rate.*0.001"):
        list(train(module, rows_of(DATA[:15]), Settings(epochs=2, batch_size=5)))
    assert torch.isfinite(module.weight).all()
    stopped = Exploding()
    reports = train(stopped, rows_of(DATA[:15]), Settings(epochs=1, schedule="constant", batch_size=4))
    with pytest.raises(DivergedError):
        next(reports)
    assert len(stopped.seen) == 4
    assert torch.isfinite(stopped.weight).all()
    assert not torch.equal(stopped.weight, Line().weight)


def test_the_last_good_weights_are_those_of_the_step_before():
    module, good = Exploding(), Line()
    settings: dict[str, Any] = {"learning_rate": 1e-2, "batch_size": 5}
    list(train(good, rows_of(DATA[:15]), Settings(epochs=1, **settings)))
    with pytest.raises(DivergedError):
        list(train(module, rows_of(DATA[:15]), Settings(epochs=2, **settings)))
    # Three steps, with twice the gradient: Adam's are the same but for its epsilon.
    torch.testing.assert_close(module.weight, good.weight, atol=1e-6, rtol=0)


class Steep(Line):
    """A finite loss whose gradient is not."""

    def loss(self, batch, phase=MAIN):
        loss = super().loss(batch, phase)
        loss.terms["root"] = (self.weight[0, 1].abs() * 0).sqrt().expand(len(batch.x))
        return loss


def test_a_gradient_that_is_not_finite_stops():
    module = Steep()
    before = module.weight.detach().clone()
    with pytest.raises(DivergedError, match=r"the gradient must be finite.*step 1"):
        list(train(module, rows_of(DATA), Settings(epochs=1)))
    assert torch.equal(module.weight, before)


@pytest.mark.filterwarnings("ignore:The loss rose")
def test_a_rate_far_too_high_leaves_a_model_that_works():
    ae = AE(
        latent_dim=2, network="mlp:", optimizer="sgd", learning_rate=1e4, schedule="constant", warmup=0.0, epochs=20
    )
    with pytest.raises(DivergedError, match="learning rate too high"):
        ae.fit(DATA)
    assert np.isfinite(ae.transform(DATA)).all()


def test_pixels_stay_bytes_until_they_are_a_batch():
    X = np.random.default_rng(0).integers(0, 256, (30, 1, 4, 4), np.uint8)
    schema = Schema.of(X)
    rows = Batches(schema.encode(X), schema, CPU)
    assert rows._tensors["x"].dtype == torch.uint8
    batch = rows.take(torch.tensor([3, 1]))
    assert batch.x.dtype == torch.float32
    torch.testing.assert_close(batch.x, torch.from_numpy(X[[3, 1]]) / 255)
    assert torch.equal(torch.cat([b.x for b in rows.chunks(7)]), rows.take(torch.arange(30)).x)
    assert rows._tensors["x"].data_ptr() == X.ctypes.data


def test_bytes_and_their_fractions_train_alike():
    X = np.random.default_rng(0).integers(0, 256, (30, 64), np.uint8)
    options: dict[str, Any] = {"latent_dim": 2, "epochs": 3, "likelihood": "bernoulli", "network": "mlp"}
    fractions = (X / 255).astype(np.float32)
    one, other = AE(**options).fit(X), AE(**options).fit(fractions)
    np.testing.assert_allclose(one.transform(X), other.transform(fractions), atol=1e-5)
    np.testing.assert_array_equal(one.reconstruct(X), np.rint(255 * other.reconstruct(fractions)))
    np.testing.assert_allclose(one.score_samples(X), other.score_samples(fractions), rtol=1e-5)


@pytest.mark.parametrize("mode", ["r", "c", "r+"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_memory_maps_train_as_arrays_do(tmp_path, mode, dtype):
    X = np.random.default_rng(0).integers(0, 2, (40, 6)).astype(dtype)
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode=mode)
    options: dict[str, Any] = {"latent_dim": 2, "epochs": 2, "batch_size": 16}
    one, other = AE(**options).fit(X), AE(**options).fit(mapped)
    np.testing.assert_array_equal(one.transform(X), other.transform(mapped))
    assert not rows_of(mapped)._tensors
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), X)


@pytest.mark.parametrize("model", [AE, VAE])
def test_training_leaves_global_random_states_and_the_data(model, table):
    data, numpy_state, torch_state = table.copy(), np.random.get_state(), torch.get_rng_state()
    model(latent_dim=2, epochs=2, corruption="gaussian:0.1").fit(table, validation=0.2)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert all(np.array_equal(a, b) for a, b in zip(np.random.get_state(), numpy_state, strict=True))
    np.testing.assert_array_equal(table, data)


def test_global_seeds_do_not_change_a_fit(table):
    weights = []
    for seed in (1, 2):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            weights.append(VAE(latent_dim=2, epochs=2, corruption="masking:0.2").fit(table).transform(table))
    np.testing.assert_array_equal(*weights)


def test_a_keyboard_interrupt_keeps_what_was_learned(table):
    ae = AE(latent_dim=2, epochs=10)
    reports = ae.fit_iter(table)
    while next(reports).epoch < 3:
        pass
    weights = copy.deepcopy(ae.module_.state_dict())
    with pytest.raises(KeyboardInterrupt):
        reports.throw(KeyboardInterrupt)
    assert all(torch.equal(weights[name], value) for name, value in ae.module_.state_dict().items())
    assert len(ae.history_) == 3
    assert np.isfinite(ae.reconstruct(table)).all()
    assert not ae.module_.training


def test_an_interrupt_within_a_step_keeps_what_was_learned(table):
    def interrupted(x, rng):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return x

    calls = []
    ae = AE(latent_dim=2, epochs=10, corruption=interrupted)
    with pytest.raises(KeyboardInterrupt):
        ae.fit(table)
    assert len(ae.history_) == 2
    assert np.isfinite(ae.transform(table)).all()


def test_a_device_that_is_not_there(table):
    if torch.backends.mps.is_available():
        pytest.skip("this machine has mps")
    with pytest.raises(ConfigError, match=r"device must be one that this machine has.*'cpu'.*got 'mps'"):
        AE(device="mps").fit(table)


def test_weight_decay_shrinks_weights(table):
    free = AE(latent_dim=2, epochs=20, learning_rate=1e-2, optimizer="adamw").fit(table)
    held = AE(latent_dim=2, epochs=20, learning_rate=1e-2, optimizer="adamw", weight_decay=5.0).fit(table)
    norms = [sum(p.square().sum() for n, p in m.module_.named_parameters() if "weight" in n) for m in (free, held)]
    assert norms[1] < 0.8 * norms[0]


def test_a_report_as_a_record():
    report = Report(1, 2, 3, 6, {"loss": 0.5}, None, 1.5, 10.0, 0.1, True, True, "why")
    assert report.record() == {
        "epoch": 1, "epochs": 2, "step": 3, "steps": 6, "train": {"loss": 0.5}, "validation": None, "seconds": 1.5,
        "samples_per_second": 10.0, "learning_rate": 0.1, "best": True, "note": "why",
    }  # fmt: skip


def test_low_precision_trains_and_leaves_single_precision(table):
    ae = AE(latent_dim=2, network="mlp", epochs=10, learning_rate=1e-2, precision="bf16").fit(table)
    assert ae.history_[-1]["train"]["loss"] < ae.history_[0]["train"]["loss"]
    assert {p.dtype for p in ae.module_.parameters()} == {torch.float32}
    full = AE(latent_dim=2, network="mlp", epochs=10, learning_rate=1e-2, precision="fp32").fit(table)
    assert not np.array_equal(ae.transform(table), full.transform(table))
    assert ae.score(table) == pytest.approx(full.score(table), rel=0.02)


@pytest.mark.parametrize(
    ("layer", "rows", "gains"),
    [
        (nn.Linear(784, 400), 128, True),
        (nn.Linear(784, 400), 53, False),
        (nn.Linear(784, 400), 54, True),
        (nn.Linear(100, 400), 128, False),
        (nn.Linear(100, 400), 512, True),
        (nn.LSTM(28, 100), 1, True),
        (nn.LSTM(28, 32), 128, False),
        (nn.Sequential(nn.Conv2d(1, 8, 3), nn.Linear(784, 400)), 128, False),
    ],
)
def test_low_precision_where_many_multiplications_repay_its_conversions(monkeypatch, layer, rows, gains):
    monkeypatch.setattr("narrows.training.precision._native", lambda device: True)
    cpu = torch.device("cpu")
    assert lowered(layer, "auto", cpu, rows) == gains
    assert lowered(layer, "bf16", cpu, rows)
    assert not lowered(layer, "fp32", cpu, rows)
    monkeypatch.setattr("narrows.training.precision._native", lambda device: False)
    assert not lowered(layer, "auto", cpu, rows)


def test_low_precision_that_is_forced_reaches_codes_but_no_score(table):
    ae = AE(latent_dim=2, network="mlp:16", epochs=2, precision="fp32").fit(table)
    codes, images, scores = ae.transform(table), ae.reconstruct(table), ae.score_samples(table)
    np.testing.assert_array_equal(ae.set_params(precision="auto").transform(table), codes)
    ae.set_params(precision="bf16")
    for found, full in ((ae.transform(table), codes), (ae.reconstruct(table), images)):
        assert found.dtype == np.float32
        assert 0 < np.abs(found - full).max() < 0.02 * np.abs(full).max()
    np.testing.assert_array_equal(ae.score_samples(table), scores)


def test_distributions_of_a_batch_do_not_validate_in_the_loop(table):
    """Checking arguments at every step would cost more than the step."""
    for likelihood in ("gaussian", "laplace", "bernoulli", "continuous_bernoulli"):
        module = VAE(latent_dim=2, epochs=1, likelihood=likelihood).fit(table).module_
        batch = Batch(torch.from_numpy(table))
        assert isinstance(module.posterior(batch), NormalPosterior)
        assert not module.likelihood(module.posterior(batch).mean, batch)._validate_args


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")  # of torch, about its own parts
@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (VAE, {"kl_warmup": 0.5, "corruption": "gaussian:0.1", "code": "ordered"}),
        (VAE, {"network": "conv:8", "likelihood": "gaussian:learned"}),
        (AE, {"network": "mlp:8,tied=true", "penalty": "l1:0.1"}),
        (AE, {"network": "mlp:8", "penalty": "adversarial:1,hidden=8"}),
    ],
)
def test_a_compiled_loss_trains_alike(model, fields):
    X = np.random.default_rng(1).random((70, 1, 8, 8), dtype=np.float32)  # the last batch is a short one
    same = {"latent_dim": 2, "network": "mlp:8", "epochs": 2, "batch_size": 32, "precision": "fp32"}
    one, other = (model(compile=how, **same | fields).fit(X) for how in (False, True))
    np.testing.assert_allclose(one.transform(X), other.transform(X), rtol=1e-3, atol=1e-4)
    for before, after in zip(one.history_, other.history_, strict=True):
        assert before["train"] == pytest.approx(after["train"], rel=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="about glibc's malloc")
def test_what_a_step_frees_stays_for_the_next(monkeypatch):
    for name in [name for name in os.environ if name.startswith("MALLOC_")]:
        monkeypatch.delenv(name)
    code = """
import resource, torch
from narrows.training.memory import keep_freed
keep_freed()
for step in range(25):
    if step == 5:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [torch.empty(1_500_000).fill_(1.0) for _ in range(5)]
    del blocks
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

    def faults():
        return int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)

    pages = 20 * 5 * 6_000_000 // os.sysconf("SC_PAGE_SIZE")
    assert faults() < 0.05 * pages
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "131072")  # who sets it has the say
    assert faults() > 0.9 * pages


@pytest.mark.slow
def test_a_fit_left_open_when_python_ends_is_saved_quietly(tmp_path):
    code = (
        "import sys, numpy as np\nfrom narrows import AE\n"
        "reports = AE(latent_dim=2, epochs=50).fit_iter(np.eye(60, dtype=np.float32), resume=sys.argv[1])\n"
        "next(reports)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert ended.stderr == ""
    assert list(tmp_path.glob("*.safetensors"))
