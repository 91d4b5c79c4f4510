"""Every term against torch.distributions, closed forms or automatic differentiation, in double precision."""

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck
from torch.distributions import Normal, kl_divergence

from narrows.nn.network import Layout, networks
from narrows.objectives import (
    Batch,
    Loss,
    StandardNormal,
    contractive_penalty,
    free_bits,
    kl,
    negative_log_likelihood,
    sparsity_kl,
    sparsity_l1,
    sum_values,
)

G = torch.Generator().manual_seed(0)
MEAN = torch.randn(7, 3, generator=G, dtype=torch.float64)
LOG_VARIANCE = torch.randn(7, 3, generator=G, dtype=torch.float64)
PRIOR = Normal(torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64))


def posterior(mean=MEAN, log_variance=LOG_VARIANCE):
    return Normal(mean, (log_variance / 2).exp(), validate_args=False)


def test_kl():
    found = kl(posterior(), PRIOR)
    torch.testing.assert_close(found, kl_divergence(posterior(), PRIOR), atol=1e-6, rtol=0)
    closed = 0.5 * (MEAN**2 + LOG_VARIANCE.exp() - 1 - LOG_VARIANCE)
    torch.testing.assert_close(found, closed, atol=1e-6, rtol=0)
    assert kl(PRIOR, PRIOR).abs().max() == 0


def test_kl_from_the_standard_prior_is_that_from_any():
    prior = StandardNormal(torch.zeros(3, dtype=torch.float64))
    closed = 0.5 * (MEAN**2 + LOG_VARIANCE.exp() - 1 - LOG_VARIANCE)
    torch.testing.assert_close(kl(posterior(), prior), closed, atol=1e-12, rtol=0)
    assert kl(prior, prior).abs().max() == 0
    wide = prior.expand(torch.Size([7, 3]))
    assert wide.batch_shape == (7, 3)
    torch.testing.assert_close(kl(posterior(), wide), closed, atol=1e-12, rtol=0)
    mean, log_variance = MEAN.clone().requires_grad_(), LOG_VARIANCE.clone().requires_grad_()
    assert gradcheck(lambda m, v: kl(posterior(m, v), prior), (mean, log_variance))


def test_kl_is_the_mean_log_ratio_of_draws():
    q = Normal(torch.tensor(0.7), torch.tensor(0.5))
    p = Normal(torch.tensor(0.0), torch.tensor(1.0))
    z = 0.7 + 0.5 * torch.randn(400_000, generator=torch.Generator().manual_seed(0))
    assert kl(q, p).item() == pytest.approx((q.log_prob(z) - p.log_prob(z)).mean().item(), abs=5e-3)


def test_free_bits():
    table = torch.tensor([[0.1, 2.0, 0.0], [0.5, 4.0, 0.2]], dtype=torch.float64)
    assert free_bits(table, 0.5).tolist() == pytest.approx([0.5 + 3 + 0.5] * 2)
    assert free_bits(table, 0.0).mean().item() == pytest.approx(table.sum(1).mean().item())
    table.requires_grad_()
    free_bits(table, 0.5).mean().backward()
    assert table.grad.tolist() == [[0, 0.5, 0], [0, 0.5, 0]]


def test_sparsity_kl():
    activity = torch.rand(9, 4, generator=G, dtype=torch.float64)
    target, mean = 0.05, activity.mean(0).numpy()
    closed = (target * np.log(target / mean) + (1 - target) * np.log((1 - target) / (1 - mean))).sum()
    assert sparsity_kl(activity, target).tolist() == pytest.approx([closed] * 9, abs=1e-6)
    assert sparsity_kl(torch.full((3, 2), 0.3).double(), 0.3).abs().max() < 1e-12
    for silent in (0.0, 1.0):
        assert torch.isfinite(sparsity_kl(torch.full((3, 2), silent), 0.1)).all()


def test_sparsity_l1():
    assert sparsity_l1(torch.tensor([[1.0, -2.0], [0.5, 0.0]])).tolist() == [3, 0.5]


def test_sums_leave_out_what_is_missing():
    x = torch.tensor([[[1.0, 2.0], [3.0, float("nan")]]])
    assert sum_values(x, ~torch.isnan(x)).item() == 6
    assert sum_values(torch.ones(2, 3, 4)).tolist() == [12, 12]
    expected = -PRIOR.log_prob(MEAN).sum(1)
    torch.testing.assert_close(negative_log_likelihood(PRIOR, MEAN), expected, atol=1e-6, rtol=0)


def test_missing_values_have_no_gradient():
    h = torch.zeros(1, 2, requires_grad=True)
    x = torch.tensor([[1.0, float("nan")]])
    mask = ~torch.isnan(x)
    negative_log_likelihood(Normal(h, 1.0), torch.where(mask, x, 0.0), mask).sum().backward()
    assert h.grad.tolist() == [[-1, 0]]


@pytest.mark.parametrize(("name", "shape"), [("mlp", (6,)), ("conv", (2, 5, 3)), ("lstm", (4, 3))])
def test_contractive_penalty_is_the_jacobians_norm(name, shape):
    torch.manual_seed(0)
    encoder, _ = networks(name, Layout(shape, 3, 3, hidden=(4,), activation="tanh"))
    encoder = encoder.double()
    x = torch.randn(5, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    found = contractive_penalty(x, encoder(x))
    jacobians = [torch.autograd.functional.jacobian(lambda v: encoder(v[None])[0], row) for row in x.detach()]
    expected = torch.stack([jacobian.square().sum() for jacobian in jacobians])
    torch.testing.assert_close(found.detach(), expected, atol=1e-8, rtol=1e-8)
    if name != "lstm":  # torch.func has no rule for an LSTM's state
        by_func = torch.func.vmap(torch.func.jacrev(lambda v: encoder(v[None])[0]))(x.detach())
        torch.testing.assert_close(found.detach(), by_func.square().flatten(1).sum(1), atol=1e-8, rtol=1e-8)
    found.sum().backward()
    assert next(encoder.parameters()).grad.abs().sum() > 0


def test_gradients():
    mean, log_variance = MEAN.clone().requires_grad_(), LOG_VARIANCE.clone().requires_grad_()
    assert gradcheck(lambda m, v: kl(posterior(m, v), PRIOR), (mean, log_variance))
    assert gradcheck(lambda m, v: free_bits(kl(posterior(m, v), PRIOR), 0.4), (mean, log_variance))
    activity = torch.sigmoid(MEAN).requires_grad_()
    assert gradcheck(lambda a: sparsity_kl(a, 0.1), (activity,))
    assert gradcheck(sparsity_l1, (mean,))
    assert gradcheck(lambda h: negative_log_likelihood(Normal(h, 0.5), MEAN * 2), (mean,))
    weight = torch.randn(3, 4, generator=G, dtype=torch.float64, requires_grad=True)

    def slope(weight):
        x = torch.ones(2, 4, dtype=torch.float64, requires_grad=True)
        return contractive_penalty(x, torch.tanh(x @ weight.T))

    assert gradcheck(slope, (weight,))


def test_batch_and_loss():
    batch = Batch(torch.ones(2, 3))
    assert (batch.mask, batch.y, batch.progress) == (None, None, 1.0)
    assert batch.rng.initial_seed() == 0
    assert Batch(torch.ones(1)).rng is not batch.rng
    loss = Loss({"reconstruction": torch.tensor([1.0, 2.0]), "kl": torch.tensor([0.5, 0.25])}, {"elbo": torch.zeros(2)})
    assert loss.total.tolist() == [1.5, 2.25]
    assert Loss({"reconstruction": torch.tensor([1.0])}).total.tolist() == [1]
