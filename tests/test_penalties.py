"""Penalties against closed forms and automatic differentiation; the adversarial one's two phases."""

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck

from narrows import AE
from narrows.components import resolve
from narrows.errors import ConfigError
from narrows.estimators.inference import batches
from narrows.module import MAIN, Batch
from narrows.nn import Layout
from narrows.penalties import L1, Adversarial, Contractive, Sparsity
from narrows.training.optimizers import phase_parameters

G = torch.Generator().manual_seed(0)
CODES = torch.randn(7, 3, generator=G, dtype=torch.float64)


def test_sparsity():
    activity = torch.rand(9, 4, generator=G, dtype=torch.float64).float()
    target, mean = 0.05, activity.double().mean(0).numpy()
    closed = (target * np.log(target / mean) + (1 - target) * np.log((1 - target) / (1 - mean))).sum()
    penalty = Sparsity(weight=3.0, target=target)
    assert penalty.term(activity, activity).tolist() == pytest.approx([3 * closed] * 9, rel=1e-5)
    even = Sparsity(target=0.25).term(activity, torch.full((3, 2), 0.25))
    assert even.abs().max() < 1e-6
    for silent in (0.0, 1.0):
        assert torch.isfinite(Sparsity(target=0.1).term(activity, torch.full((3, 2), silent))).all()
    assert penalty.metrics(activity)["activity"].tolist() == pytest.approx(activity.mean(1).tolist())


def test_l1():
    assert L1(weight=2.0).term(CODES, torch.tensor([[1.0, -2.0], [0.5, 0.0]])).tolist() == [6, 1]


@pytest.mark.parametrize(
    ("network", "shape"),
    [("mlp:4,activation=tanh", (6,)), ("conv:4,activation=tanh", (2, 5, 3)), ("recurrent:4", (4, 3))],
)
def test_contractive_is_the_jacobians_norm(network, shape):
    torch.manual_seed(0)
    encoder = resolve("network", network).build(Layout(shape, (3,)))[0].double()
    x = torch.randn(5, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    penalty = Contractive(weight=2.0).term(x, encoder(x)) / 2
    jacobians = [torch.autograd.functional.jacobian(lambda v: encoder(v[None])[0], row) for row in x.detach()]
    expected = torch.stack([jacobian.square().sum() for jacobian in jacobians])
    torch.testing.assert_close(penalty.detach(), expected, atol=1e-8, rtol=1e-8)
    penalty.sum().backward()
    assert next(encoder.parameters()).grad.abs().sum() > 0


def test_gradients():
    weight = torch.randn(3, 4, generator=G, dtype=torch.float64, requires_grad=True)

    def slope(weight):
        x = torch.ones(2, 4, dtype=torch.float64, requires_grad=True)
        return Contractive(weight=1.0).term(x, torch.tanh(x @ weight.T))

    assert gradcheck(slope, (weight,))


# The adversarial penalty


@pytest.fixture
def adversarial(table):
    return AE(latent_dim=2, network="mlp:4", penalty="adversarial:2,hidden=5", epochs=2, batch_size=16).fit(table)


def batch_of(model, X):
    return next(batches(model, X))


def test_two_phases_share_no_parameter(adversarial):
    phases = phase_parameters(adversarial.module_)
    assert list(phases) == [MAIN, "adversarial"]
    main, other = ({id(p) for p in parameters} for parameters in phases.values())
    assert not main & other
    assert main | other == {id(p) for p in adversarial.module_.parameters() if p.requires_grad}
    assert sum(p.numel() for p in phases["adversarial"]) == 2 * 5 + 5 + 5 + 1


@pytest.mark.parametrize("phase", [MAIN, "adversarial"])
def test_a_phase_leaves_the_others_parameters_alone(adversarial, table, phase):
    module = adversarial.module_.train()
    phases = phase_parameters(module)
    before = {name: [p.detach().clone() for p in parameters] for name, parameters in phases.items()}
    trained = phases[phase]
    optimizer = torch.optim.SGD(trained, 0.1)
    module.zero_grad()
    module.loss(batch_of(adversarial, table), phase).total.mean().backward(inputs=trained)
    optimizer.step()
    for name, parameters in phases.items():
        changed = [not torch.equal(p, old) for p, old in zip(parameters, before[name], strict=True)]
        assert all(changed) if name == phase else not any(changed), name


def test_the_discriminators_loss_reaches_no_other_parameter(adversarial, table):
    module = adversarial.module_.train()
    module.zero_grad()
    module.loss(batch_of(adversarial, table), "adversarial").total.mean().backward()
    assert all(p.grad is None or not p.grad.any() for p in phase_parameters(module)[MAIN])


@pytest.mark.parametrize("logit", [-2.0, 0.0, 0.7])
def test_the_losses_for_a_fixed_logit(logit):
    """With every weight 0 the discriminator says one logit of everything: both losses have a closed form."""
    layer = Adversarial(weight=3.0, hidden=(4,)).layer("adversarial", (2,))
    for parameter in layer.parameters():
        torch.nn.init.zeros_(parameter)
    torch.nn.init.constant_(layer.discriminator[-1].bias, logit)
    z = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
    belief = 1 / (1 + math.exp(-logit))
    assert layer.term(z, z, Batch(z)).tolist() == pytest.approx([-3 * math.log(belief)] * 6)
    loss = layer.phase_loss(z, Batch(z))
    assert loss.total.tolist() == pytest.approx([-math.log(belief) - math.log(1 - belief)] * 6)
    assert loss.metrics["accuracy"].tolist() == [0.5] * 6


def test_the_discriminators_loss_by_hand(adversarial, table):
    module = adversarial.module_.eval()
    batch = batch_of(adversarial, table)
    batch.rng.manual_seed(9)
    loss = module.loss(batch, "adversarial")
    draws = torch.randn(48, 2, generator=torch.Generator().manual_seed(9))
    judge = module.penalties[0].discriminator
    expected = -F.logsigmoid(judge(draws)) - F.logsigmoid(-judge(module.encode(batch)))
    torch.testing.assert_close(loss.total, expected.squeeze(1))


@pytest.mark.slow
def test_codes_come_to_the_prior_and_are_drawn_from_it():
    X = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32) * [3, 2, 0.1, 0.1] + 5
    options: dict[str, Any] = {
        "latent_dim": 2,
        "network": "mlp:16",
        "epochs": 40,
        "batch_size": 30,
        "learning_rate": 5e-3,
    }
    options["adam_betas"] = (0.5, 0.9)
    free = AE(**{**options, "epochs": 5}).fit(X).transform(X)
    drawn = AE(**options, penalty="adversarial:1,hidden=32x32").fit(X)
    Z = drawn.transform(X)
    apart = [np.abs(np.cov(codes.T) - np.eye(2)).max() + np.abs(codes.mean(0)).max() for codes in (free, Z)]
    assert apart[1] < 0.3
    assert apart[0] > 1
    samples = drawn.sample(200, seed=0)
    assert np.abs(samples.mean(0) - X.mean(0)).max() < 1
    assert {"adversarial", "adversarial discriminator", "adversarial accuracy"} <= drawn.history_[-1]["train"].keys()


# Messages


def test_a_penalty_without_parameters_has_no_phase():
    layer = L1().layer("l1", (2,))
    with pytest.raises(ConfigError, match="L1: phase must be 'main'"):
        layer.phase_loss(CODES, Batch(CODES))
    assert layer.prior() is None


@pytest.mark.parametrize(
    ("penalty", "message"),
    [
        ("sparsety", r"AE: penalty must be one of .*; got 'sparsety'. Did you mean 'sparsity'\?"),
        ("sparsity:-1", "weight must be a number >= 0; got -1"),
        ("sparsity:1,target=1", "target must be a number > 0 and < 1"),
        ("sparsity:1", "penalty='sparsity' must go with a code in .*Set code='continuous:sigmoid'"),
        (("l1:1", "l1:2"), "AE: penalty must name every penalty once; got 'l1' twice"),
        (3, "AE: penalty must be a component or one of .*; got 3"),
        (Contractive, "AE: penalty must be a component or one of .*; got <class"),
    ],
)
def test_errors(penalty, message, table):
    with pytest.raises(ConfigError, match=message):
        AE(latent_dim=2, penalty=penalty, epochs=1).fit(table)


def test_several_penalties(table):
    several = ("l1:0.1", Contractive(weight=0.2), "adversarial:0.5,hidden=4")
    model = AE(latent_dim=2, network="mlp:4", penalty=several, epochs=1).fit(table)
    terms = model.module_.train().loss(batch_of(model, table)).terms
    assert list(terms) == ["reconstruction", "l1", "contractive", "adversarial"]
