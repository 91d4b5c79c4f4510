"""The loop: optimisers, schedules, averaging, early stopping, what is not finite, and what is left untouched."""

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

from narrows import AE, VAE
from narrows.data.arrays import Arrays
from narrows.data.batches import Batches
from narrows.data.schema import Schema
from narrows.errors import ConfigError, DataError, DivergedError
from narrows.module import MAIN, Batch, CodeSpec, Loss, Module
from narrows.probability.posteriors import NormalPosterior
from narrows.training import Checkpoints, Report, Settings, train
from narrows.training.optimizers import OPTIMIZERS, optimizer
from narrows.training.precision import lowered
from narrows.training.schedules import SCHEDULES, factor

DATA = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
CPU = torch.device("cpu")


def rows_of(X):
    """Return batches of an array as it is."""
    return Batches(Arrays(X), Schema.of(X, scale=None), CPU)


class Line(Module):
    """Half the squared distance of x W from x: something to train that fits on one line."""

    code = CodeSpec((3,))

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.eye(3) * 0.1)
        self.seen = []

    def encode(self, batch):
        return batch.x @ self.weight

    def decode(self, z, batch=None):
        return z

    def loss(self, batch, phase=MAIN):
        self.seen.append((batch.x.clone(), batch.progress))
        return Loss({"reconstruction": ((batch.x - self.encode(batch)) ** 2).sum(1) / 2})


def trained(data=DATA, validation=None, **settings: Any):
    module = Line()
    held_out = None if validation is None else rows_of(validation)
    reports = list(train(module, rows_of(data), Settings(**settings), held_out))
    return module, reports


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimiser_lowers_the_loss(name):
    _, reports = trained(optimizer=name, learning_rate=0.02, epochs=20, batch_size=5, momentum=0.5)
    assert reports[-1].train["loss"] < 0.8 * reports[0].train["loss"]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_is_torchs_own(name):
    """Three steps, against the plain class on the same gradients."""
    rate, betas, momentum, decay = 0.03, (0.8, 0.95), 0.7, 0.1
    mine = nn.Parameter(torch.tensor([1.0, -2.0]))
    theirs = nn.Parameter(mine.detach().clone())
    options: dict[str, Any] = {"lr": rate, "weight_decay": decay}
    options |= {"betas": betas} if name in ("adam", "adamw", "adamax") else {}
    options |= {"momentum": momentum} if name in ("sgd", "rmsprop") else {}
    plain = {
        "adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "adamax": torch.optim.Adamax,
        "sgd": torch.optim.SGD, "rmsprop": torch.optim.RMSprop, "adagrad": torch.optim.Adagrad,
    }[name]([theirs], **options)  # fmt: skip
    ours = optimizer(name, [mine], rate, momentum=momentum, adam_betas=betas, weight_decay=decay)
    for step in range(3):
        mine.grad = torch.tensor([0.5, 1.0 - step])
        theirs.grad = mine.grad.clone()
        ours.step()
        plain.step()
    torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("first", [torch.float32, torch.float64])
@pytest.mark.parametrize(("name", "plain"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_adam_is_torchs_own_to_the_last_bit(name, plain, first):
    """Also where rates change, a weight has no gradient for a while, or a state is loaded."""
    drawn = torch.Generator().manual_seed(0)
    shapes = [(3, 2), (2,), (4,)]
    mine = [nn.Parameter(torch.randn(shape, generator=drawn, dtype=first)) for shape in shapes[:2]]
    mine.append(nn.Parameter(torch.randn(shapes[2], generator=drawn)))
    theirs = [nn.Parameter(weight.detach().clone()) for weight in mine]
    decay, betas = 0.1, (0.8, 0.95)
    groups = [{"params": mine[:1], "lr": 0.01}, {"params": mine[1:], "lr": 0.02}]
    ours = optimizer(name, groups, 0.01, momentum=0.0, adam_betas=betas, weight_decay=decay)
    groups = [{"params": theirs[:1], "lr": 0.01}, {"params": theirs[1:], "lr": 0.02}]
    other = plain(groups, lr=0.01, betas=betas, weight_decay=decay, fused=True)
    for step in range(12):
        for a, b in zip(mine, theirs, strict=True):
            a.grad = torch.randn(a.shape, generator=drawn, dtype=a.dtype)
            b.grad = a.grad.clone()
        if step in (4, 5):
            mine[1].grad = theirs[1].grad = None
        for opt in (ours, other):
            opt.param_groups[0]["lr"] = 0.01 / (step + 1)
            opt.step()
        if step == 8:
            for opt in (ours, other):
                opt.load_state_dict(copy.deepcopy(opt.state_dict()))
        assert all(map(torch.equal, mine, theirs)), step
    for a, b in zip(mine, theirs, strict=True):
        assert ours.state[a].keys() == other.state[b].keys()
        assert all(torch.equal(value, other.state[b][key]) for key, value in ours.state[a].items())


def test_plain_gradient_descent_by_hand():
    module, _ = trained(optimizer="sgd", learning_rate=0.1, epochs=3, batch_size=None)
    weight, x = torch.eye(3) * 0.1, torch.from_numpy(DATA)
    for _ in range(3):
        weight = weight - 0.1 * x.T @ (x @ weight - x) / len(x)
    torch.testing.assert_close(module.weight.detach(), weight, rtol=1e-5, atol=1e-6)


def test_schedules():
    assert [factor("constant", 0, done) for done in (0, 0.5, 0.99)] == [1, 1, 1]
    assert [factor("linear", 0, done) for done in (0, 0.25, 0.75)] == pytest.approx([1, 0.75, 0.25])
    assert [factor("cosine", 0, done) for done in (0, 0.5, 1 / 3)] == pytest.approx([1, 0.5, 0.75])
    assert set(SCHEDULES) == {"constant", "linear", "cosine"}
    for name in SCHEDULES:
        assert [factor(name, 0.2, done) for done in (0.05, 0.1, 0.2)] == pytest.approx([0.25, 0.5, 1])
        assert factor(name, 0.2, 0.6) == pytest.approx(factor(name, 0, 0.5))


def test_the_rate_follows_the_schedule():
    _, reports = trained(epochs=9, batch_size=None, learning_rate=0.1, schedule="linear", warmup=0.2)
    expected = [0.05, 0.1, *(0.1 * (1 - (step / 10 - 0.2) / 0.8) for step in range(3, 10))]
    assert [report.learning_rate for report in reports] == pytest.approx(expected)


def test_progress_runs_from_zero_to_one():
    module, _ = trained(epochs=3, batch_size=10)
    assert [progress for _, progress in module.seen] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])


def test_every_epoch_takes_every_sample_once_in_another_order():
    module, reports = trained(epochs=2, batch_size=6)
    assert [len(x) for x, _ in module.seen] == [6, 6, 6, 2] * 2
    first, second = (torch.cat([x for x, _ in part]) for part in (module.seen[:4], module.seen[4:]))
    for epoch in (first, second):
        assert torch.equal(epoch[epoch[:, 0].argsort()], torch.from_numpy(DATA[DATA[:, 0].argsort()]))
    assert not torch.equal(first, second)
    assert (reports[-1].step, reports[-1].steps) == (8, 8)


def test_reported_means_weigh_every_sample_alike():
    _, reports = trained(epochs=1, batch_size=6, optimizer="sgd", learning_rate=1e-12)
    expected = (0.81 * DATA.astype(np.float64) ** 2).sum(1).mean() / 2
    assert reports[0].train["loss"] == pytest.approx(expected, rel=1e-5)
    assert reports[0].train["reconstruction"] == pytest.approx(expected, rel=1e-5)


def test_full_batch_and_too_large_a_batch():
    for size in (None, 20, 1000):
        module, _ = trained(epochs=2, batch_size=size)
        assert [len(x) for x, _ in module.seen] == [20, 20]


def test_clipping_bounds_the_step():
    """With plain gradient descent a step is the rate times the gradient's norm, at most rate * clip."""
    start = Line().weight.detach()
    free, _ = trained(DATA * 50, epochs=1, batch_size=None, optimizer="sgd", learning_rate=1e-6)
    bound, _ = trained(DATA * 50, epochs=1, batch_size=None, optimizer="sgd", learning_rate=1e-6, clip=0.5)
    assert (free.weight - start).norm() > 1e-4
    assert (bound.weight - start).norm().item() == pytest.approx(5e-7, rel=0.1)
    cosine = torch.cosine_similarity((free.weight - start).flatten(), (bound.weight - start).flatten(), 0)
    assert cosine.item() == pytest.approx(1, abs=1e-2)


def test_averaging_is_an_exponential_moving_average():
    decay, module = 0.8, Line()
    settings = Settings(epochs=6, batch_size=None, learning_rate=0.05, averaging=decay)
    weights = [module.weight.detach().clone() for _ in train(module, rows_of(DATA), settings)]
    average = weights[0]
    for weight in weights[1:]:
        average = decay * average + (1 - decay) * weight
    torch.testing.assert_close(module.weight.detach(), average)
    assert not torch.allclose(module.weight, weights[-1], atol=1e-4)


def test_early_stopping_restores_the_best_weights():
    """Validation data that ask for the opposite: the first epoch is the best one."""
    rng = np.random.default_rng(1)
    X, apart = rng.normal(size=(40, 4)).astype(np.float32), rng.normal(size=(30, 4)).astype(np.float32) * 0.01 + 5
    ae = AE(
        latent_dim=2, network="mlp:8", epochs=50, patience=3, learning_rate=2e-2, batch_size=8, data_bias=False,
        scale=None,
    )  # fmt: skip
    losses = [report.validation["loss"] for report in ae.fit_iter(X, validation=apart) if report.end_of_epoch]
    best = int(np.argmin(losses))
    assert len(losses) == min(50, best + 4)
    assert [record["best"] for record in ae.history_] == [loss == min(losses[: i + 1]) for i, loss in enumerate(losses)]
    assert -ae.score(apart) == pytest.approx(losses[best], rel=1e-5)
    assert len(losses) == 50 or "stopped early" in ae.history_[-1]["note"]


def test_early_stopping_stops():
    ae = AE(latent_dim=1, network="mlp:", epochs=50, patience=2, learning_rate=0.3, schedule="constant", warmup=0.0)
    ae.fit(DATA, validation=DATA[:5] * -3 + 7)
    assert len(ae.history_) < 50
    assert ae.history_[-1]["note"].startswith("stopped early: no better validation loss in 2 epochs since ")


def test_the_best_weights_win_without_patience_too():
    ae = AE(latent_dim=1, network="mlp:", epochs=15, learning_rate=0.5, schedule="constant", warmup=0.0, scale=None)
    ae.fit(DATA, validation=DATA[:6])
    assert -ae.score(DATA[:6]) == pytest.approx(min(r["validation"]["loss"] for r in ae.history_), rel=1e-5)


def test_a_share_is_held_out():
    ae = AE(latent_dim=1, epochs=1, batch_size=None)
    ae.fit(DATA, validation=0.25)
    assert ae.history_[0]["validation"].keys() == {"loss", "reconstruction"}
    again = AE(latent_dim=1, epochs=1, batch_size=None).fit(DATA, validation=np.float64(0.25))
    assert ae.history_[0]["validation"] == again.history_[0]["validation"]


@pytest.mark.parametrize("validation", [0.0, 1.0, -0.5, 1.5, 0.001, math.nan, 3, True, "some", DATA[:, :2]])
def test_validation_that_is_none(validation):
    with pytest.raises((DataError, ConfigError), match="AE: "):
        AE(latent_dim=1, epochs=1).fit(DATA, validation=validation)


def test_patience_needs_validation():
    with pytest.raises(ConfigError, match="patience must come with validation data"):
        AE(latent_dim=1, epochs=2, patience=2).fit(DATA)


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


# Resuming, with everything that a state may hold


class Stops:
    """A corruption that changes nothing, and interrupts training at one of its calls."""

    def __init__(self, at=None):
        self.at, self.calls = at, 0

    def __repr__(self):
        return "Stops()"

    def __call__(self, x, rng):
        self.calls += 1
        if self.calls == self.at:
            raise KeyboardInterrupt
        return x + 0.1 * torch.randn(x.shape, generator=rng)


TWO = {"penalty": ("l1:0.1", "adversarial:1,hidden=4")}


@pytest.mark.parametrize(
    ("model", "fields", "at"),
    [
        (AE, TWO, 3),
        (AE, TWO, 11),
        (AE, {"penalty": "adversarial:1,hidden=4", "optimizer": "sgd", "momentum": 0.9, "condition": "concat"}, 7),
        (AE, {"code": "vq:4,positions=2", "averaging": 0.8}, 7),
        (VAE, {"code": "ordered", "kl_warmup": 0.5, "condition": "concat"}, 7),
    ],
)
def test_training_resumes_bit_for_bit_within_an_epoch(model, fields, at, tmp_path, monkeypatch):
    """Two optimisers, codebooks, missing values, labels: as if it had never stopped."""
    monkeypatch.setattr("narrows.training.checkpoints.SHARE", 1e9)  # a checkpoint after every step
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 6)), rng.integers(0, 3, 40)
    X[rng.random(X.shape) < 0.2] = np.nan
    options = {"latent_dim": 2, "network": "mlp:5", "epochs": 3, "batch_size": 10, "learning_rate": 1e-2, **fields}

    def fit(folder, stops):
        made = model(**options, corruption=stops)
        return made.fit(X, y, validation=(X[:9], y[:9]) if made.condition else X[:9], resume=folder)

    phases = 2 if "penalty" in fields else 1  # the corruption is drawn in each
    expected = fit(Checkpoints(tmp_path / "whole", seconds=0), Stops())
    with pytest.raises(KeyboardInterrupt):
        fit(Checkpoints(tmp_path / "cut", seconds=0), Stops(at * phases))
    resumed = Checkpoints(tmp_path / "cut", seconds=0)
    model_again = fit(resumed, Stops())
    assert resumed.step == at - 1
    one, other = expected.module_.state_dict(), model_again.module_.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    for a, b in zip(expected.history_, model_again.history_, strict=True):
        assert (a["train"], a["validation"]) == (b["train"], b["validation"])
