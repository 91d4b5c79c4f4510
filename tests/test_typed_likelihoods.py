"""Likelihoods of typed columns against scipy's distributions, and what their draws are distributed like."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

import narrows
from narrows.data.frames import frame_of
from narrows.data.schema import Schema
from narrows.data.types import ColumnType
from narrows.data.types_frames import mixed_table
from narrows.estimators import inference
from narrows.evaluation import errors
from narrows.nn.typed import TypedInput, cycles_of
from narrows.probability.typed import COMMON, ColumnLikelihoods, outputs_of
from narrows.probability.typed_distribution import thresholds_of

OFFSET, FACTOR = 2.0, 3.0
COLUMNS = {
    "gaussian": ColumnType("a", "real", "number", "gaussian", offset=OFFSET, factor=FACTOR, high=10.0),
    "log_normal": ColumnType("b", "positive", "number", "log_normal", offset=OFFSET, factor=FACTOR, low=0.1, high=9.0),
    "student": ColumnType("c", "real", "number", "student", offset=OFFSET, factor=FACTOR, high=10.0),
    "spike": ColumnType("d", "real", "number", "spike", offset=OFFSET, factor=FACTOR, high=10.0, spike=4.0, share=0.3),
    "log_spike": ColumnType(
        "e", "positive", "number", "log_spike", offset=OFFSET, factor=FACTOR, low=0.1, high=9.0, spike=0.0, share=0.3
    ),
    "poisson": ColumnType("f", "count", "number", "poisson", offset=OFFSET, factor=FACTOR, high=9.0, whole=True),
    "negative_binomial": ColumnType(
        "g", "count", "number", "negative_binomial", offset=OFFSET, factor=FACTOR, high=9.0, whole=True
    ),
    "bernoulli": ColumnType("h", "category", "truth", "bernoulli", levels=(False, True), counts=(7, 3)),
    "categorical": ColumnType("i", "category", "text", "categorical", levels=("x", "y", "z"), counts=(5, 4, 3)),
    "ordinal": ColumnType(
        "j", "ordinal", "number", "ordinal", levels=(1, 2, 3, 4), counts=(4, 3, 2, 1), offset=1.0, factor=0.8
    ),
}  # fmt: skip


def layer_of(*columns):
    return ColumnLikelihoods(columns).layer()


def log_prob(column, x, h):
    """Return log p of values x (N,) on the model's scale at decoder outputs h (outputs,)."""
    layer = layer_of(column)
    with torch.no_grad():
        outputs = torch.tensor(h, dtype=torch.float64).expand(len(x), -1)
        return layer(outputs).log_prob(torch.tensor(x, dtype=torch.float64)[:, None])[:, 0].numpy(), layer


def scaled(values):
    return (np.asarray(values, float) - OFFSET) / FACTOR


def test_normal_and_student():
    x = np.linspace(-3, 3, 7)
    found, layer = log_prob(COLUMNS["gaussian"], x, [0.5])
    scale = layer.scales.item()
    np.testing.assert_allclose(found, stats.norm(0.5, scale).logpdf(x), rtol=1e-6)
    found, layer = log_prob(COLUMNS["student"], x, [0.5])
    np.testing.assert_allclose(found, stats.t(4.0, 0.5, layer.scales.item()).logpdf(x), rtol=1e-6)


def test_a_value_with_a_probability_of_its_own():
    column = COLUMNS["spike"]
    found, layer = log_prob(column, [column.spike_code, 0.3], [0.7, -0.2])
    share = 1 / (1 + math.exp(-0.7))
    expected = [math.log(share), math.log1p(-share) + stats.norm(-0.2, layer.scales.item()).logpdf(0.3)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_counts():
    k = np.arange(12)
    found, _ = log_prob(COLUMNS["poisson"], scaled(k), [math.log(4.0)])
    np.testing.assert_allclose(found, stats.poisson(4.0).logpmf(k), rtol=1e-5)
    found, layer = log_prob(COLUMNS["negative_binomial"], scaled(k), [math.log(4.0)])
    r = layer.log_scales.exp().item()
    np.testing.assert_allclose(found, stats.nbinom(r, r / (r + 4.0)).logpmf(k), rtol=1e-5)


def test_levels():
    found, _ = log_prob(COLUMNS["bernoulli"], [0.0, 1.0], [0.4])
    np.testing.assert_allclose(np.exp(found), [1 / (1 + math.exp(0.4)), 1 / (1 + math.exp(-0.4))], rtol=1e-6)
    logits = np.array([0.1, -1.0, 2.0])
    found, _ = log_prob(COLUMNS["categorical"], [0.0, 1.0, 2.0], logits)
    np.testing.assert_allclose(np.exp(found), np.exp(logits) / np.exp(logits).sum(), rtol=1e-6)
    found, layer = log_prob(COLUMNS["ordinal"], (np.arange(4) - 1.0) / 0.8, [0.6])
    assert layer.scales.item() == pytest.approx(1)
    below = 1 / (1 + np.exp(-(thresholds_of(layer.steps[0]).detach().numpy() - 0.6)))
    np.testing.assert_allclose(np.exp(found), np.diff([0, *below, 1]), rtol=1e-5)


def test_columns_of_one_kind_have_the_probabilities_that_each_has_alone():
    rng = np.random.default_rng(0)
    columns = []
    for n in (4, 2, 3, 4, 3, 7):
        levels, counts = tuple(range(n)), tuple(rng.integers(5, 50, n).tolist())
        columns.append(ColumnType(f"o{len(columns)}", "ordinal", "number", "ordinal", levels=levels, counts=counts))
        named = tuple(map(str, levels))
        columns.append(ColumnType(f"c{len(columns)}", "category", "text", "categorical", levels=named, counts=counts))
    columns.append(LETTERS)
    x = torch.tensor([[k % c.classes for c in columns] for k in range(8)], dtype=torch.float64)
    h = torch.from_numpy(rng.normal(size=(8, sum(map(outputs_of, columns)))))
    torch.manual_seed(0)
    layer = layer_of(*columns)
    together, at = layer(h).log_prob(x), 0
    for i, column in enumerate(columns):
        torch.manual_seed(0)
        alone = layer_of(column)(h[:, at : at + outputs_of(column)]).log_prob(x[:, i : i + 1])
        at += outputs_of(column)
        assert torch.equal(alone[:, 0], together[:, i])
    together.sum().backward()
    assert all(p.grad.isfinite().all() for p in layer.parameters() if p.grad is not None)


LETTERS = ColumnType(
    "k", "category", "text", "categorical", levels=tuple(map(str, range(150))), counts=tuple(range(400, 250, -1))
)


def test_logits_of_many_levels_are_sums_over_factors_and_begin_at_the_frequencies():
    factors = outputs_of(LETTERS) - 16
    assert factors == 26 == round(1.6 * 150**0.56)
    layer = layer_of(LETTERS)
    shares = torch.tensor(LETTERS.class_shares, dtype=torch.float32)
    begun = layer(torch.cat([shares[:16].log(), torch.zeros(factors)])[None])
    torch.testing.assert_close(begun.moments[0], shares)
    (link,) = ColumnLikelihoods([LETTERS]).link(shares[None, :16])
    assert link.shape == (16 + factors,)
    assert not link[16:].any()
    h = torch.randn(3, 16 + factors, generator=torch.Generator().manual_seed(0))
    (levels,) = layer.levels.values()
    with torch.no_grad():
        logits = h[:, 16:].numpy() @ levels.weight.numpy().T + levels.bias.numpy()
        logits[:, :16] += h[:, :16].numpy()
        x = torch.tensor([[3.0], [20.0], [149.0]])
        expected = (logits - np.logaddexp.reduce(logits, 1, keepdims=True))[range(3), [3, 20, 149]]
        np.testing.assert_allclose(layer(h).log_prob(x)[:, 0].numpy(), expected, rtol=1e-5)
        np.testing.assert_allclose(layer(h).moments.sum(1), 1.0, rtol=1e-5)
        drawn = layer(h[:1].expand(40_000, -1)).draw(torch.Generator().manual_seed(0)).long()[:, 0]
        shares = torch.bincount(drawn, minlength=150) / len(drawn)
        torch.testing.assert_close(shares, layer(h).moments[0], atol=0.005, rtol=0)


def test_an_ordinal_column_begins_at_its_frequencies():
    found, _ = log_prob(COLUMNS["ordinal"], (np.arange(4) - 1.0) / 0.8, [0.0])
    np.testing.assert_allclose(np.exp(found), [0.4, 0.3, 0.2, 0.1], atol=1e-4)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_mean_and_draws_follow_the_probabilities(name):
    column, n = COLUMNS[name], 40_000
    layer = layer_of(column)
    h = torch.tensor([[0.3, -0.4, 0.8][: outputs_of(column)]]).expand(n, -1)
    distribution = layer(h)
    rng = torch.Generator().manual_seed(0)
    drawn = distribution.draw(rng)
    before = torch.get_rng_state()
    torch.testing.assert_close(layer(h).draw(torch.Generator().manual_seed(0)), drawn)
    assert torch.equal(torch.get_rng_state(), before)
    values = drawn[:, 0].numpy()
    if column.numeric:
        middle = values.mean() if name != "student" else np.median(values)
        tolerance = 4 * values.std() / math.sqrt(n) if name != "log_spike" else 0.05
        assert abs(middle - distribution.mean[0, 0].item()) < tolerance
    else:
        shares = np.bincount(values.astype(int), minlength=column.classes) / n
        points = torch.arange(column.classes, dtype=torch.float32)[:, None]
        expected = layer(h[: column.classes]).log_prob(points).exp()[:, 0].detach().numpy()
        np.testing.assert_allclose(shares, expected, atol=0.01)
        assert distribution.mean[0, 0].item() == expected.argmax()


def test_the_link_gives_the_outputs_of_means():
    features = tuple(COLUMNS.values())
    likelihoods = ColumnLikelihoods(features)
    mean = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5, 0.3, -0.5, 0.6, 0.7, 0.25, 0.5, 0.3, 0.2, 0.9], dtype=torch.float64)
    h = likelihoods.link(mean)
    distribution = likelihoods.layer()(h[None])
    assert len(h) == sum(map(outputs_of, features))
    moments = distribution.moments[0].detach().numpy()
    expected = [0.1, 0.2, 0.3, None, None, 0.6, 0.7, 0.25, 0.5, 0.3, 0.2]
    for position, value in enumerate(expected):
        if value is not None:
            assert moments[position] == pytest.approx(value, abs=1e-5)
    share = 1 / (1 + math.exp(-h[3].item()))
    assert share == pytest.approx(0.4)  # of the value that many rows have
    assert h[4].item() == pytest.approx(0.5)  # and where the others lie


def test_nats_are_those_of_the_data_as_given():
    """The score of a model without a code to speak of is the log density of the columns, in their own units."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"amount": np.exp(rng.normal(3, 2, 2000)), "height": rng.normal(170, 10, 2000), "sex": "m"})
    frame.loc[::4, "sex"] = "w"
    schema = Schema.of(mixed_table(frame_of(frame), "test"), like=frame)
    x = torch.from_numpy(schema.encode(frame, dtype=np.dtype(float)).x)
    layer = layer_of(*schema.features)
    with torch.no_grad():
        layer.log_scales[:2] = torch.log(1 - layer.floor[:2])  # deviations of 1
        h = ColumnLikelihoods(schema.features).link(torch.tensor([0.0, 0.0, 0.25], dtype=torch.float64))
        nats = layer(h.expand(2000, -1)).log_prob(x) + schema.log_jacobian_of_values(x)
    log_amount, height = np.log(frame.amount), frame.height
    expected = [
        stats.norm(log_amount.mean(), log_amount.std(ddof=0)).logpdf(log_amount) - log_amount,
        stats.norm(height.mean(), height.std(ddof=0)).logpdf(height),
        np.where(frame.sex == "m", math.log(0.75), math.log(0.25)),
    ]
    np.testing.assert_allclose(nats.numpy(), np.column_stack(expected), rtol=1e-4, atol=1e-5)


def test_inputs_say_what_is_missing_and_stand_at_the_mean_there():
    features = [COLUMNS["gaussian"], COLUMNS["bernoulli"], COLUMNS["categorical"]]
    inputs = TypedInput([ColumnType(**{**vars_of(column), "missing": 0.5}) for column in features])
    x = torch.tensor([[1.5, 1.0, 2.0], [9.0, 9.0, 9.0]])
    mask = torch.tensor([[True, True, True], [False, False, False]])
    found = inputs(x, mask)
    assert found.shape == (2, inputs.size)
    np.testing.assert_allclose(found[0], [1.5, 1, 0, 0, 1, 0, 0, 0])
    np.testing.assert_allclose(found[1], [0, 0.3, 5 / 12, 4 / 12, 3 / 12, 1, 1, 1], rtol=1e-6)


def vars_of(column):
    return {name: getattr(column, name) for name in ColumnType.__dataclass_fields__}


def test_dates_have_the_cycles_that_they_go_through():
    hour = 3600.0
    long = ColumnType("t", "date", "time", "gaussian", low=0.0, high=3 * 365 * 24 * hour, step=1.0)
    assert [length / 24 / hour for length in cycles_of(long)] == [1.0, 7.0, 365.2425]
    days = ColumnType("t", "date", "time", "gaussian", low=0.0, high=20 * 24 * hour, step=24 * hour)
    assert [length / 24 / hour for length in cycles_of(days)] == [7.0]
    noon = ColumnType("t", "date", "time", "gaussian", offset=1e9, factor=1e6, low=1e9, high=1e9 + 9e5, step=1.0)
    seconds = np.arange(0, 10) * 24 * hour + 12 * hour
    inputs = TypedInput([noon])
    found = inputs(torch.tensor((seconds[:, None] - 1e9) / 1e6, dtype=torch.float64), None)
    np.testing.assert_allclose(found[:, 1:3].numpy(), [[0, -1]] * 10, atol=1e-6)


def people(n=400, seed=0):
    """Return rows whose numbers, levels and whole numbers depend on two hidden ones; also a category of 30 levels."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 2))
    frame = pd.DataFrame(z @ rng.normal(size=(2, 4)) + 0.2 * rng.normal(size=(n, 4)), columns=list("abcd"))
    frame["kind"] = np.where(z[:, 0] + 0.3 * rng.normal(size=n) < 0, "x", "y")
    frame["grade"] = np.clip(np.rint(2 * z[:, 1] + 5), 1, 9)
    frame["place"] = [f"p{min(int(i), 29)}" for i in rng.exponential(4, n)]
    return frame


def test_errors_are_those_of_numbers_and_of_levels():
    frame = people()
    ae = narrows.AE(latent_dim=3, epochs=1, network="mlp:8").fit(frame)
    arrays = ae.arrays(frame)
    x, x_hat = errors.compared_values(ae, arrays), errors.compared_reconstructions(ae, arrays)
    place = ae.schema_.features[-1]
    assert (place.classes > 16, place.linear, x.shape) == (True, 16, (400, 4 + 1 + 1 + 16))
    np.testing.assert_allclose(x[:, 4], frame.kind == ae.schema_.features[4].levels[1])
    np.testing.assert_allclose(x[:, 6:].sum(1), arrays.x[:, 6] < 16)
    assert ((x_hat[:, 6:] > 0) & (x_hat[:, 6:] < 1)).all()
    assert (x_hat[:, 6:].sum(1) < 1).all()
    total = errors.squared_error(ae, frame)
    np.testing.assert_allclose(total, np.square(x - x_hat).sum(1), rtol=1e-6)
    by_column = errors.squared_error_by_feature(ae, frame)
    assert by_column.shape == (400, 7)
    np.testing.assert_allclose(by_column.sum(1), total, rtol=1e-6)


@pytest.mark.parametrize("holes", [False, True])
def test_training_begins_at_pca_of_numbers_and_levels(holes):
    frame = people()
    if holes:
        rng = np.random.default_rng(1)
        frame = frame.mask(rng.random(frame.shape) < 0.2)
    ae = narrows.AE(latent_dim=3, epochs=1, learning_rate=1e-12).fit(frame)
    of_pca = errors.pca_baseline(ae, frame).squared_error(frame).mean()
    assert errors.squared_error(ae, frame).mean() == pytest.approx(of_pca, rel=0.03)
    vae = narrows.VAE(latent_dim=3, epochs=1, learning_rate=1e-12).fit(frame)
    assert errors.squared_error(vae, frame).mean() < 1.15 * of_pca


def test_training_never_ends_below_pca():
    frame = people(600).drop(columns="place")
    train, held = frame[:400], frame[400:]
    given = {"network": "residual:16", "latent_dim": 2}
    start = narrows.VAE(**given, epochs=1, learning_rate=1e-12).fit(train, validation=held)
    vae = narrows.VAE(**given, epochs=6).fit(train, validation=held)
    assert vae.score(held) > start.score(held) - 0.01  # of other draws than in training
    ae = narrows.AE(**given, epochs=6).fit(train, validation=held)
    of_pca = errors.pca_baseline(ae, train).squared_error(held).mean()
    assert errors.squared_error(ae, held).mean() < of_pca


def test_scales_start_at_the_residuals():
    frame = people()
    frame["calls"] = np.random.default_rng(2).negative_binomial(3, 0.2, len(frame))
    vae = narrows.VAE(latent_dim=2, epochs=1, learning_rate=1e-12, columns={"calls": "count:negative_binomial"})
    vae.fit(frame)
    layer, names = vae.module_.observed, list(frame)
    left = np.square(frame[["a", "b", "c", "d"]] - vae.reconstruct(frame)[["a", "b", "c", "d"]]).mean().to_numpy()
    scales = layer.scales.detach().numpy()[:4] * np.array([t.factor for t in vae.schema_.features[:4]])
    assert (scales > 0.9 * np.sqrt(left)).all()  # and what the posterior leaves open
    assert (scales < 2.5 * np.sqrt(left)).all()
    assert layer.log_scales[names.index("calls")].exp().item() == pytest.approx(3, rel=0.4)
    fixed = narrows.AE(latent_dim=2, epochs=1).fit(frame).module_.observed
    np.testing.assert_allclose(fixed.scales.detach().numpy()[:4], COMMON)
    learned = narrows.AE(latent_dim=2, epochs=1, likelihood="gaussian:learned").fit(frame).module_.observed
    assert len(set(learned.scales.tolist()[:4])) == 4


def test_ordinal_thresholds_give_every_level_its_frequency():
    frame = people()
    vae = narrows.VAE(latent_dim=2, epochs=1, learning_rate=1e-12).fit(frame)
    batch = next(inference.batches(vae, frame, size=len(frame)))
    at = list(frame).index("grade")
    with torch.no_grad():
        distribution = vae.module_.likelihood(vae.module_.encode(batch), batch)
        column, shares = vae.schema_.features[at], []
        for k in range(len(column.levels)):
            batch.x[:, at] = (k - column.offset) / column.factor
            shares.append(distribution.log_prob(batch.x)[:, at].exp().mean().item())
    np.testing.assert_allclose(shares, column.class_shares, atol=0.05)
