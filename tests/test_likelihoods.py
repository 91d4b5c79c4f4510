"""Every likelihood against torch.distributions or scipy.stats, in double precision."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch.autograd import gradcheck
from torch.distributions import Bernoulli, ContinuousBernoulli

from narrows import AE, VAE
from narrows.components import resolve
from narrows.errors import ConfigError, DataError
from narrows.probability.likelihoods import LIKELIHOODS, DiscretizedLogistic, GaussianLikelihood

G = torch.Generator().manual_seed(0)
H = torch.randn(6, 5, generator=G, dtype=torch.float64) * 3
UNIT = torch.rand(6, 5, generator=G, dtype=torch.float64)
REAL = torch.randn(6, 5, generator=G, dtype=torch.float64) * 2
GREYS = torch.arange(256, dtype=torch.float64) / 255


def likelihood(spec):
    return resolve("likelihood", spec).layer()


def exact(spec):
    return likelihood(spec).double()


@pytest.mark.parametrize(("spec", "scale"), [("gaussian", 1.0), ("gaussian:0.5", 0.5), ("gaussian:learned", 1.0)])
def test_gaussian(spec, scale):
    expected = stats.norm(H.numpy(), scale).logpdf(REAL.numpy())
    np.testing.assert_allclose(exact(spec)(H).log_prob(REAL).detach(), expected, atol=1e-6)
    assert torch.equal(exact(spec)(H).mean, H)


def test_unit_gaussian_is_half_the_squared_error():
    constant = 0.5 * np.log(2 * np.pi)
    torch.testing.assert_close(-exact("gaussian")(H).log_prob(REAL), (REAL - H) ** 2 / 2 + constant)


@pytest.mark.parametrize(("spec", "scale"), [("laplace", 1.0), ("laplace:0.3", 0.3)])
def test_laplace(spec, scale):
    expected = stats.laplace(H.numpy(), scale).logpdf(REAL.numpy())
    np.testing.assert_allclose(exact(spec)(H).log_prob(REAL).detach(), expected, atol=1e-6)


def test_bernoulli():
    p = torch.sigmoid(H)
    for x in (UNIT.round(), UNIT):
        expected = x * p.log() + (1 - x) * (1 - p).log()
        torch.testing.assert_close(exact("bernoulli")(H).log_prob(x), expected, atol=1e-6, rtol=0)
    expected = Bernoulli(logits=H).log_prob(UNIT.round())
    torch.testing.assert_close(exact("bernoulli")(H).log_prob(UNIT.round()), expected, atol=1e-6, rtol=0)


def test_continuous_bernoulli_is_a_density():
    found = exact("continuous_bernoulli")(H)
    torch.testing.assert_close(found.log_prob(UNIT), ContinuousBernoulli(logits=H).log_prob(UNIT), atol=1e-6, rtol=0)
    p = torch.sigmoid(H)
    constant = torch.where((p - 0.5).abs() > 1e-3, 2 * torch.atanh(1 - 2 * p) / (1 - 2 * p), 2.0).log()
    expected = UNIT * p.log() + (1 - UNIT) * (1 - p).log() + constant
    torch.testing.assert_close(found.log_prob(UNIT), expected, atol=1e-6, rtol=0)
    grid = torch.linspace(0, 1, 20001, dtype=torch.float64)
    densities = exact("continuous_bernoulli")(H[0, :, None]).log_prob(grid).exp()
    torch.testing.assert_close(torch.trapezoid(densities, grid), torch.ones(5, dtype=torch.float64), atol=1e-6, rtol=0)


def test_the_continuous_bernoulli_keeps_its_digits_in_single_precision():
    """Against 1 / (1 - exp(-h)) - 1 / h and h / tanh(h / 2), of which torch's own lose 0.003 and more."""
    logits = torch.cat([torch.linspace(-60, 60, 4001), torch.linspace(-0.05, 0.05, 101)])
    wide = logits.double()
    there = wide.abs() > 1e-5
    mean, constant = torch.full_like(wide, 0.5), torch.full_like(wide, 2)
    mean[there] = 1 / -torch.expm1(-wide[there]) - 1 / wide[there]
    constant[there] = wide[there] / torch.tanh(wide[there] / 2)
    found = exact("continuous_bernoulli")(logits)
    torch.testing.assert_close(found.mean.double(), mean, atol=3e-7, rtol=0)
    density = found.log_prob(torch.full_like(logits, 0.3)).double()
    expected = 0.3 * wide - torch.nn.functional.softplus(wide) + constant.log()
    torch.testing.assert_close(density, expected, atol=5e-6, rtol=0)


@pytest.mark.parametrize("scale", [1e-3, 0.02, 0.3, 5.0])
@pytest.mark.parametrize("loc", [-0.5, 0.0, 0.37, 1.0, 1.4])
def test_discretized_logistic(loc, scale):
    found = exact(f"discretized_logistic:{scale}")(torch.full((256,), loc, dtype=torch.float64)).log_prob(GREYS)
    assert found.exp().sum().item() == pytest.approx(1, abs=1e-6)
    assert torch.isfinite(found).all()
    edges = stats.logistic(loc, scale).cdf((np.arange(255) + 0.5) / 255)
    np.testing.assert_allclose(found.exp().detach(), np.diff(edges, prepend=0, append=1), atol=1e-6)


def test_the_mean_of_the_discretized_logistic():
    for loc, scale in ((0.3, 0.05), (0.0, 0.1), (0.9, 0.02), (1.3, 0.2)):
        d = DiscretizedLogistic(torch.tensor(loc).double(), torch.tensor(scale).double())
        wide = DiscretizedLogistic(d.loc.expand(256), d.scale.expand(256))
        assert d.mean.item() == pytest.approx((wide.log_prob(GREYS).exp() * GREYS).sum().item(), abs=0.5 / 255)


def test_draws_of_the_discretized_logistic_follow_its_probabilities():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        loc = torch.tensor([0.02, 0.5])
        drawn = DiscretizedLogistic(loc, torch.tensor(0.02)).sample(torch.Size([40000]))
    assert (drawn * 255 - (drawn * 255).round()).abs().max() < 1e-3
    expected = DiscretizedLogistic(loc.expand(256, 2), torch.tensor(0.02)).log_prob(GREYS.float()[:, None]).exp()
    for j in range(2):
        counts = torch.bincount((drawn[:, j] * 255).round().long(), minlength=256) / 40000
        assert (counts - expected[:, j]).abs().max() < 0.012


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_link_gives_the_output_of_a_mean(name):
    mean = torch.linspace(0.03, 0.97, 33, dtype=torch.float64)
    found = likelihood(f"{name}:0.01" if name == "discretized_logistic" else name).double()
    torch.testing.assert_close(found(found.of.link(mean)).mean.detach(), mean, atol=2e-3, rtol=0)
    assert torch.isfinite(found.of.link(torch.tensor([0.0, 1.0]).double())).all()


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_gradients(name):
    found = likelihood(name).double()
    x = torch.tensor([0.0, 3.0, 128.0, 255.0], dtype=torch.float64) / 255
    h = torch.tensor([0.3, -0.7, 0.45, 1.2], dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda h: found(h).log_prob(x), (h,))
    learned = [p for p in found.parameters() if p.requires_grad]
    for parameter in learned:
        assert gradcheck(lambda s: torch.distributions.Normal(h.detach(), s.exp()).log_prob(x), (parameter,))
    if learned:
        assert gradcheck(
            lambda h, s: torch.func.functional_call(found, {"log_scale": s}, h).log_prob(x), (h, learned[0])
        )


@pytest.mark.parametrize("name", LIKELIHOODS)
@pytest.mark.parametrize("size", [1e2, 1e4])
def test_extreme_outputs_stay_finite(name, size):
    h = torch.tensor([-size, size], requires_grad=True)
    value = likelihood(name)(h).log_prob(torch.tensor([1.0, 0.0]))
    value.sum().backward()
    assert torch.isfinite(value).all()
    assert torch.isfinite(h.grad).all()


def test_low_precision_is_left_behind():
    for spec in LIKELIHOODS:
        assert likelihood(spec)(torch.zeros(3, dtype=torch.bfloat16)).mean.dtype == torch.float32


@pytest.mark.parametrize("name", ["bernoulli", "continuous_bernoulli", "discretized_logistic"])
def test_data_out_of_range_print_their_range(name, table):
    X = table * 3 - 1.25
    message = rf"X must lie in \[0, 1\] for likelihood='{name}'; got values from {X.min():.6g} to {X.max():.6g}"
    for model in (AE, VAE):
        with pytest.raises(DataError, match=message):
            model(likelihood=name, latent_dim=2).fit(X)


def test_discretized_logistic_takes_grey_levels_alone(table):
    with pytest.raises(DataError, match="X must be 8-bit pixels"):
        AE(likelihood="discretized_logistic", latent_dim=2).fit(table)
    pixels = (table * 255).round().reshape(-1, 1, 2, 3)
    by_byte = AE(likelihood="discretized_logistic", latent_dim=2, epochs=1).fit(pixels.astype(np.uint8))
    by_level = AE(likelihood="discretized_logistic", latent_dim=2, epochs=1).fit(pixels / 255)
    assert by_byte.score(pixels.astype(np.uint8)) == pytest.approx(by_level.score(pixels / 255), rel=1e-4)


def test_a_scale_is_learned():
    X = np.random.default_rng(0).normal(0, 0.25, (400, 6)).astype(np.float32)
    options: dict[str, Any] = {"latent_dim": 1, "network": "mlp:", "scale": None}
    ae = AE(likelihood="gaussian:learned", epochs=60, learning_rate=2e-2, **options).fit(X)
    residual = np.sqrt(((X - ae.reconstruct(X)) ** 2).mean())
    assert ae.module_.observed.scale.item() == pytest.approx(residual, rel=0.02)
    fixed = AE(likelihood="gaussian:0.5", epochs=2, **options).fit(X)
    assert fixed.module_.observed.scale.item() == 0.5


@pytest.mark.parametrize("scale", [None, "standard"])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_a_learned_scale_starts_at_the_deviation(offset, scale):
    """Also far from zero, where E[x^2] - E[x]^2 would have no digit left."""
    X = offset + np.random.default_rng(0).normal(0, 0.5, (500, 4))
    ae = AE(latent_dim=1, network="mlp", likelihood="gaussian:learned", epochs=1, learning_rate=1e-9, scale=scale).fit(
        X
    )
    expected = 1.0 if scale else X.astype(np.float32).std(dtype=np.float64)
    assert ae.module_.observed.scale.item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", ["gaussian", "bernoulli", "continuous_bernoulli"])
def test_the_output_starts_at_the_mean(name):
    X = np.random.default_rng(0).random((64, 5)) ** 3
    ae = AE(latent_dim=1, network="mlp", likelihood=name, epochs=1, learning_rate=1e-9).fit(X)
    ae.module_.decoder.output.weight.data.zero_()
    np.testing.assert_allclose(ae.reconstruct(X)[0], X.mean(0), atol=2e-3)


def test_a_component_is_used_and_left_alone(table):
    mine = GaussianLikelihood(scale="learned")
    ae = AE(latent_dim=2, likelihood=mine, epochs=3).fit(table)
    assert mine == GaussianLikelihood(scale="learned")
    assert ae.module_.observed.log_scale.item() != 0


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("gausian", "likelihood must be one of .*got 'gausian'. Did you mean 'gaussian'?"),
        ("gaussian:", "scale must be a number > 0 or 'learned'; got ''"),
        ("gaussian:x", "scale must be a number > 0 or 'learned'; got 'x'"),
        ("gaussian:0", "a number > 0"),
        ("gaussian:-1", "a number > 0"),
        ("gaussian:nan", "a number > 0"),
        ("gaussian:inf", "a number > 0"),
        ("bernoulli:0.5", "must be written without a value"),
        ("", "must be one of"),
    ],
)
def test_errors(spec, message):
    with pytest.raises(ConfigError, match=message):
        likelihood(spec)


def test_a_bounded_likelihood_takes_no_output_activation(table):
    with pytest.raises(ConfigError, match="output_activation must be 'linear'"):
        AE(likelihood="bernoulli", network="mlp:4,output_activation=sigmoid").fit(table)
