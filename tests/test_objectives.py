"""Every term against torch.distributions, closed forms or automatic differentiation, in double precision."""

import math

import pytest
import torch
from torch.autograd import gradcheck
from torch.distributions import Normal, kl_divergence

from narrows.errors import ConfigError
from narrows.module import Batch, Loss, Module
from narrows.objectives import divergence, free_bits, negative_log_likelihood, rising, sum_values
from narrows.probability.posteriors import Diagonal, NormalPosterior
from narrows.probability.priors import PriorLayer, StandardNormal

G = torch.Generator().manual_seed(0)
MEAN = torch.randn(7, 3, generator=G, dtype=torch.float64)
LOG_VARIANCE = torch.randn(7, 3, generator=G, dtype=torch.float64)
STANDARD = Normal(torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64))
PRIOR = StandardNormal(3).double()


def posterior(mean=MEAN, log_variance=LOG_VARIANCE):
    return Diagonal().posterior(torch.cat([mean, log_variance], 1))


def test_kl():
    per_dimension = posterior().kl(PRIOR)
    expected = kl_divergence(Normal(MEAN, (LOG_VARIANCE / 2).exp()), STANDARD)
    torch.testing.assert_close(per_dimension, expected, atol=1e-12, rtol=0)
    closed = 0.5 * (MEAN**2 + LOG_VARIANCE.exp() - 1 - LOG_VARIANCE)
    torch.testing.assert_close(per_dimension, closed, atol=1e-12, rtol=0)
    assert posterior(MEAN * 0, LOG_VARIANCE * 0).kl(PRIOR).abs().max() == 0
    torch.testing.assert_close(divergence(posterior(), PRIOR, MEAN), closed.sum(1))


def test_densities_of_posterior_and_prior():
    z = torch.randn(5, 7, 3, generator=G, dtype=torch.float64)
    normal = Normal(MEAN, (LOG_VARIANCE / 2).exp())
    torch.testing.assert_close(posterior().log_prob(z), normal.log_prob(z).sum(-1))
    torch.testing.assert_close(PRIOR.log_prob(z), STANDARD.log_prob(z).sum(-1))
    noise = torch.randn(5, 7, 3, generator=G, dtype=torch.float64)
    torch.testing.assert_close(posterior().draw(noise), MEAN + (LOG_VARIANCE / 2).exp() * noise)
    p = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    torch.testing.assert_close(PRIOR.quantile(p), STANDARD.icdf(p[:, None]).expand(3, 3))
    draws = StandardNormal(2).draw(50_000, torch.Generator().manual_seed(3))
    assert draws.mean(0).abs().max() < 0.02
    assert (draws.std(0) - 1).abs().max() < 0.02


class Shifted(PriorLayer):
    """N(1, 1), which knows no closed form."""

    def log_prob(self, z):
        return Normal(1.0, 1.0).log_prob(z).sum(-1)


def test_a_divergence_without_closed_form_is_estimated_at_the_draw():
    z = torch.randn(7, 3, generator=G, dtype=torch.float64)
    expected = posterior().log_prob(z) - Shifted().log_prob(z)
    torch.testing.assert_close(divergence(posterior(), Shifted(), z), expected)
    many = posterior().draw(torch.randn(200_000, 7, 3, generator=G, dtype=torch.float64))
    mean = (posterior().log_prob(many) - Shifted().log_prob(many)).mean(0)
    closed = kl_divergence(Normal(MEAN, (LOG_VARIANCE / 2).exp()), Normal(1.0, 1.0)).sum(1)
    torch.testing.assert_close(mean, closed, atol=2e-2, rtol=1e-2)


def test_free_bits():
    table = torch.tensor([[0.1, 2.0, 0.0], [0.5, 4.0, 0.2]], dtype=torch.float64)
    assert free_bits(table, 0.5).tolist() == pytest.approx([0.5 + 3 + 0.5] * 2)
    assert free_bits(table, 0.0).mean().item() == pytest.approx(table.sum(1).mean().item())
    table.requires_grad_()
    free_bits(table, 0.5).mean().backward()
    assert table.grad.tolist() == [[0, 0.5, 0], [0, 0.5, 0]]


def test_rising():
    assert [rising(progress, 0.4) for progress in (0, 0.1, 0.4, 1)] == [0, 0.25, 1, 1]
    assert rising(0.0, 0.0) == 1


def test_sums_leave_out_what_is_missing():
    x = torch.tensor([[[1.0, 2.0], [3.0, float("nan")]]])
    assert sum_values(x, ~torch.isnan(x)).item() == 6
    assert sum_values(torch.ones(2, 3, 4)).tolist() == [12, 12]
    expected = -STANDARD.log_prob(MEAN).sum(1)
    torch.testing.assert_close(negative_log_likelihood(STANDARD, MEAN), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("hidden", [math.nan, math.inf, 1e30])
def test_missing_values_have_no_gradient(hidden):
    """Whatever stands where the mask is False: masked after the arithmetic, 0 * nan would be nan."""
    h = torch.zeros(1, 2, requires_grad=True)
    mask = torch.tensor([[True, False]])
    nll = negative_log_likelihood(Normal(h, 1.0), torch.tensor([[1.0, hidden]]), mask)
    assert nll.item() == pytest.approx(0.5 + math.log(2 * math.pi) / 2)
    nll.sum().backward()
    assert h.grad.tolist() == [[-1, 0]]


def test_gradients():
    mean, log_variance = MEAN.clone().requires_grad_(), LOG_VARIANCE.clone().requires_grad_()
    assert gradcheck(lambda m, v: posterior(m, v).kl(PRIOR), (mean, log_variance))
    assert gradcheck(lambda m, v: free_bits(posterior(m, v).kl(PRIOR), 0.4), (mean, log_variance))
    assert gradcheck(lambda m, v: divergence(posterior(m, v), Shifted(), MEAN), (mean, log_variance))
    assert gradcheck(lambda h: negative_log_likelihood(Normal(h, 0.5), MEAN * 2), (mean,))


def test_extreme_variances_stay_finite():
    wild = torch.full((2, 3), 1e4, requires_grad=True)
    for sign in (1, -1):
        q = posterior(torch.zeros(2, 3), sign * wild)
        assert torch.isfinite(q.kl(StandardNormal(3))).all()
        assert torch.isfinite(q.log_prob(torch.ones(2, 3) if sign > 0 else q.mean)).all()
    assert isinstance(q, NormalPosterior)


def test_batch():
    batch = Batch(torch.ones(2, 3))
    assert (batch.mask, batch.lengths, batch.y, batch.progress, batch.log_jacobian) == (None, None, None, 1.0, 0.0)
    assert batch.rng.initial_seed() == 0
    assert Batch(torch.ones(1)).rng is not batch.rng
    assert len(batch) == 2
    x = torch.tensor([[1.0, math.nan], [2.0, math.inf]])
    masked = Batch(x, torch.isfinite(x))
    assert masked.x.tolist() == [[1, 0], [2, 0]]
    assert x[1, 1] == math.inf  # the caller's tensor stays
    one, other = (Batch(x, rng=torch.Generator().manual_seed(4)).randn((2, 5)) for _ in range(2))
    assert torch.equal(one, other)


def test_loss():
    loss = Loss({"reconstruction": torch.tensor([1.0, 2.0]), "kl": torch.tensor([0.5, 0.25])}, {"elbo": torch.ones(2)})
    assert loss.total.tolist() == [1.5, 2.25]
    assert loss.names == ("reconstruction", "kl", "elbo")
    assert loss.sums.tolist() == [3, 0.75, 2]
    assert Loss({"reconstruction": torch.tensor([1.0])}).total.tolist() == [1]
    mixed = Loss({"a": torch.ones(4)}, {"b": torch.zeros(4)}, {"perplexity": torch.tensor(3.0)})
    assert mixed.names == ("a", "b", "perplexity")
    assert (mixed.sums / 4).tolist() == [1, 0, 3]  # the mean over samples is the batch's value


def test_a_module_without_a_prior_says_so():
    class Plain(Module):
        pass

    with pytest.raises(ConfigError, match=r"for a model without a prior over codes; got 'prior'. Use 'gmm'"):
        Plain().prior()
