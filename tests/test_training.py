"""The loop: optimisers, schedules, averaging and early stopping."""

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from line import DATA, Line, rows_of, trained
from narrows import AE
from narrows.errors import ConfigError, DataError
from narrows.training import Settings, train
from narrows.training.optimizers import OPTIMIZERS, optimizer
from narrows.training.schedules import SCHEDULES, factor


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
