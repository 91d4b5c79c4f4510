"""Models of missingness: their probabilities, their bound, and the bias that they take away."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from narrows import VAE, load
from narrows.data.batches import Batches
from narrows.errors import ConfigError
from narrows.estimators.inference import encoded
from narrows.missingness import SelfMasking, bound_with_missingness

QUICK = {"latent_dim": 2, "network": "mlp:6", "epochs": 3, "missingness": "self:4"}


def correlated(n=1500, seed=0):
    """Columns with a factor in common, all of mean 0 and deviation 1."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, 1)) + 0.5 * rng.normal(size=(n, 4))) / np.sqrt(1.25)


def self_masked(X, slope=3.0, seed=1):
    """Lose values of the first column the more, the higher they are."""
    lost = np.random.default_rng(seed).random(len(X)) < 1 / (1 + np.exp(-slope * X[:, 0]))
    holes = X.copy()
    holes[lost, 0] = np.nan
    return holes


def test_probabilities_of_self_masking():
    layer = SelfMasking().layer(3)
    mask = torch.tensor([[True, False, True], [False, True, True], [False, False, True], [True, True, True]])
    layer.start(mask)
    np.testing.assert_allclose(layer.offset[:2].detach().sigmoid(), [0.5, 0.5])
    assert layer.varies.tolist() == [True, True, False]
    with torch.no_grad():
        layer.slope[:] = torch.tensor([2.0, -1.0, 5.0])
        layer.offset[:] = torch.tensor([0.5, 0.0, 5.0])
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    p = torch.sigmoid(x * torch.tensor([2.0, -1.0, 5.0]) + torch.tensor([0.5, 0.0, 5.0]))
    expected = torch.where(mask, 1 - p, p)[:, :2].log().sum(1)
    torch.testing.assert_close(layer.log_prob(x, mask).detach(), expected)


def test_the_bound_is_that_of_the_joint_density_of_values_and_mask():
    """By quadrature, over the missing value of a model whose density is known: log p(x observed, mask)."""
    X = correlated(300)
    start = {"latent_dim": 1, "network": "residual:4", "epochs": 1, "learning_rate": 1e-30, "scale": None}
    vae = VAE(**start, likelihood="gaussian:learned", missingness="self").fit(self_masked(X))
    module = vae.module_
    with torch.no_grad():
        module.missingness.slope[0], module.missingness.offset[0] = 1.5, -0.3
    decoder = module.decoder.linear
    W, mean, s = (t.detach().double().numpy() for t in (decoder.weight, decoder.bias, module.observed.scale))
    C = W @ W.T + s**2 * np.eye(4)
    row = np.array([[np.nan, 0.8, 1.1, 0.6]])
    grid = np.linspace(-8, 8, 4001)
    A = C[0, 1:] @ np.linalg.inv(C[1:, 1:])
    centre, spread = mean[0] + A @ (row[0, 1:] - mean[1:]), C[0, 0] - A @ C[1:, 0]
    density = np.exp(-((grid - centre) ** 2) / (2 * spread)) / np.sqrt(2 * np.pi * spread)
    p = 1 / (1 + np.exp(-1.5 * grid + 0.3))
    r = row[0, 1:] - mean[1:]
    log_observed = -(r @ np.linalg.solve(C[1:, 1:], r) + np.linalg.slogdet(2 * np.pi * C[1:, 1:])[1]) / 2
    step = grid[1] - grid[0]
    expected = log_observed + np.log((density * p).sum() * step)
    batch = Batches(encoded(vae, row), vae.schema_, module.device, module.dtype).whole()
    with torch.no_grad():
        loss = bound_with_missingness(module, module.missingness, batch, batch, 20_000, 1.0)
    assert -float(loss.total) == pytest.approx(expected, abs=0.05)
    assert set(loss.terms) == {"reconstruction", "kl", "missingness", "importance"}
    with torch.no_grad():
        one = bound_with_missingness(module, module.missingness, batch, batch, 1, 1.0)
    assert float(one.terms["importance"]) == pytest.approx(0, abs=1e-5)
    filled = vae.impute(row, importance_samples=20_000)[0, 0]
    assert filled == pytest.approx((grid * density * p).sum() / (density * p).sum(), abs=0.05)
    drawn = [x[0, 0] for x in vae.impute(row, samples=400, importance_samples=20_000)]
    assert np.mean(drawn) == pytest.approx(filled, abs=0.1)


def test_the_slope_is_that_of_the_greatest_likelihood():
    """Of a model whose density of x is known, the bound is greatest where quadrature over the missing value is."""
    X = correlated()
    holes = self_masked(X)
    nearly = X.copy()
    nearly[0, 0] = np.nan  # so that the column may lack values, and the density is that of complete rows
    start = {"latent_dim": 1, "network": "residual:4", "epochs": 1, "learning_rate": 1e-30, "scale": None}
    vae = VAE(**start, likelihood="gaussian:learned", missingness="self").fit(nearly)
    module, layer = vae.module_, vae.module_.missingness
    decoder = module.decoder.linear
    W, mean, s = (t.detach().double().numpy() for t in (decoder.weight, decoder.bias, module.observed.scale))
    C = W @ W.T + s**2 * np.eye(4)
    A = C[0, 1:] @ np.linalg.inv(C[1:, 1:])
    lost = np.isnan(holes[:, 0])
    centre, spread = mean[0] + (X[lost, 1:] - mean[1:]) @ A, np.sqrt(C[0, 0] - A @ C[1:, 0])
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)

    def negative(at):
        p = expit(at[0] * (centre[:, None] + spread * nodes) + at[1]) @ weights / weights.sum()
        return -np.log(p).sum() - log_expit(-at[0] * X[~lost, 0] - at[1]).sum()

    expected = minimize(negative, [0.0, 0.0]).x
    batch = Batches(encoded(vae, holes), vae.schema_, module.device, module.dtype).whole()
    optimizer = torch.optim.LBFGS([layer.slope, layer.offset], max_iter=30, line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        batch.rng.manual_seed(0)  # the same draws each time: a fixed function
        value = bound_with_missingness(module, layer, batch, batch, 100, 1.0).total.sum()
        value.backward()
        return value

    optimizer.step(loss)
    found = [layer.slope[0].item(), layer.offset[0].item()]
    np.testing.assert_allclose(found, expected, atol=0.05)
    assert found[0] == pytest.approx(3.0, abs=0.4)  # two standard errors of so many rows


@pytest.mark.slow
def test_the_bias_of_the_mean_is_taken_away():
    """Half of a column is lost, the high values above all. Its mean is 0; that of what is left is -0.5."""
    X = correlated()
    holes = self_masked(X)
    assert np.nanmean(holes[:, 0]) < -0.45
    common = {"latent_dim": 1, "network": "residual:16", "epochs": 400, "learning_rate": 1e-2, "batch_size": 300}
    ignoring = VAE(**common).fit(holes).impute(holes)[:, 0].mean()
    vae = VAE(**common, missingness="self").fit(holes)
    modelled = vae.impute(holes)[:, 0].mean()
    assert abs(modelled) < 0.5 * abs(ignoring)
    assert abs(modelled) < 0.1


def test_fitted_saved_loaded_and_seeded(tmp_path):
    X = self_masked(correlated(60))
    vae, again = VAE(**QUICK).fit(X), VAE(**QUICK).fit(X)
    np.testing.assert_array_equal(vae.impute(X), again.impute(X))
    loaded = load(vae.save(tmp_path / "model"))
    assert loaded.missingness == "self:4" or str(loaded.missingness) == "self:4"
    np.testing.assert_array_equal(loaded.impute(X), vae.impute(X))
    np.testing.assert_array_equal(vae.impute(X[:5])[:, 0], vae.impute(X)[:5, 0])
    assert set(vae.history_[0]["train"]) >= {"loss", "reconstruction", "kl", "missingness", "importance", "elbo"}
    assert vae.module_.missingness.slope[0] != 0
    assert vae.module_.missingness.slope[1] == 0  # nothing of it is missing


def test_errors():
    X = self_masked(correlated(60))
    wrong = {
        "training samples without missing values": ({}, correlated(60)),
        "samples of kind 'sequences'": ({}, X.reshape(60, 2, 2)),
        "free_bits=0.5": ({"free_bits": 0.5}, X),
        "ordered codes": ({"code": "ordered"}, X),
        "likelihood='bernoulli'": ({"likelihood": "bernoulli", "scale": "minmax"}, X),
    }
    for message, (options, samples) in wrong.items():
        with pytest.raises(ConfigError, match=f"VAE: missingness must be None for {message}"):
            VAE(**QUICK, **options).fit(samples)
    with pytest.raises(ConfigError, match="missingness must be one of 'self'; got 'selv'"):
        VAE(**{**QUICK, "missingness": "selv"}).fit(X)
