"""Networks over every shape, their options, and a user's modules."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import narrows
from narrows import AE, PCA, VAE
from narrows.data.schema import Schema
from narrows.errors import ConfigError
from narrows.estimators.loading import load_model
from narrows.nn import ACTIVATIONS, NETWORKS, Layout

SHAPES = [
    (1, 28, 20), (3, 218, 178), (1, 112, 92), (1, 1, 7), (1, 13, 1), (3, 5, 3), (1, 1, 1),
    (5, 3), (1, 4), (7, 1), (13,), (1,),
]  # fmt: skip
NARROW = {"mlp": (8,), "conv": (3, 4), "recurrent": (6,), "residual": (8,)}


def pair(name, shape, latents=(3,), heads=1, outputs=1, condition=0, **options):
    torch.manual_seed(0)
    layout = Layout(shape, latents, heads, outputs, condition)
    return NETWORKS[name](**{"hidden": NARROW[name], **options}).build(layout)


def weights(module, kind):
    return [layer for layer in module.modules() if type(layer) is kind]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NETWORKS)
def test_any_shape_comes_back(name, shape):
    if len(shape) == 1 and name in ("conv", "recurrent"):
        with pytest.raises(ConfigError, match=f"network='{name}:.*' must have sequences or images"):
            pair(name, shape)
        return
    encoder, decoder = pair(name, shape, heads=2, **({} if name == "recurrent" else {"activation": "tanh"}))
    for layer in (*encoder.parameters(), *decoder.parameters()):
        if not layer.any():  # what is 0 at first says nothing of shapes
            nn.init.normal_(layer)
    x = torch.rand(2, *shape)
    assert encoder(x).shape == (2, 6)
    assert decoder(torch.randn(2, 3)).shape == x.shape
    assert not torch.equal(encoder(x)[0], encoder(x)[1])


@pytest.mark.parametrize("downsample", ["stride", "max", "average"])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("shape", [(1, 7, 5), (3, 8, 8), (7, 2)])
def test_variants_of_conv(shape, downsample, batch_norm):
    encoder, decoder = pair("conv", shape, downsample=downsample, batch_norm=batch_norm, kernel=5)
    x = torch.rand(4, *shape)
    assert decoder(encoder(x)).shape == x.shape
    kinds = {type(layer).__name__ for layer in encoder.modules()}
    assert any(kind.startswith("Norm") for kind in kinds) is batch_norm
    assert any(kind.startswith(("MaxPool", "AvgPool")) for kind in kinds) is (downsample != "stride")


@pytest.mark.parametrize("hidden", [(), (4,), (2, 3, 4, 5)])
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("mlp", (6,)),
        ("conv", (1, 6, 5)),
        ("conv", (6, 2)),
        ("recurrent", (6, 2)),
        ("residual", (6,)),
        ("residual", (1, 6, 5)),
    ],
)
def test_any_depth(name, shape, hidden):
    encoder, decoder = pair(name, shape, hidden=hidden)
    assert decoder(encoder(torch.rand(2, *shape))).shape == (2, *shape)


def test_an_even_kernel_is_refused():
    with pytest.raises(ConfigError, match="kernel must be odd"):
        pair("conv", (1, 8, 8), kernel=4)


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("condition", [0, 2])
@pytest.mark.parametrize(
    ("name", "shape", "latents"),
    [
        ("mlp", (6,), (3,)),
        ("mlp", (1, 4, 5), (3, 2)),
        ("conv", (2, 7, 6), (3,)),
        ("conv", (2, 7, 6), (3, 2, 2)),
        ("conv", (7, 2), (3,)),
        ("conv", (7, 2), (3, 2)),
        ("recurrent", (5, 2), (3,)),
        ("recurrent", (5, 2), (3, 2)),
        ("recurrent", (2, 4, 3), (3,)),
        ("residual", (6,), (3,)),
        ("residual", (2, 4, 5), (3,)),
    ],
)
def test_any_latents_outputs_and_conditions(name, shape, latents, outputs, condition):
    bent = {} if name == "recurrent" else {"activation": "tanh"}
    encoder, decoder = pair(name, shape, latents, 2, outputs, condition, **bent)
    for layer in (*encoder.parameters(), *decoder.parameters()):
        if not layer.any():
            nn.init.normal_(layer)
    layout = encoder.layout
    h = encoder(torch.rand(2, *layout.input_shape))
    assert h.shape == (2, 2 * latents[0], *latents[1:])
    x = decoder(torch.randn(2, *layout.decoder_latents))
    assert x.shape == ((2, *shape) if outputs == 1 else (2, outputs, *shape))
    assert not torch.equal(x[0], x[1])


@pytest.mark.parametrize(
    ("name", "shape"), [("mlp", (6,)), ("mlp", (2, 3, 4)), ("conv", (2, 3, 4)), ("conv", (5, 2)), ("recurrent", (5, 2))]
)
def test_every_output_of_a_value_starts_at_its_link(name, shape):
    """Several outputs per value come as (B, outputs, *shape), each with its own bias."""
    _, decoder = pair(name, shape, outputs=2)
    mean = torch.rand(shape)
    decoder.start_at(mean, lambda m: torch.stack([m, torch.full_like(m, -3.0)]))
    for n, parameter in decoder.output.named_parameters():
        if n.endswith("weight"):
            nn.init.zeros_(parameter)
    x = decoder(torch.zeros(1, 3))[0]
    expected = mean.mean(decoder.shared) if decoder.shared else mean
    if name == "conv" and len(shape) == 3:
        expected = expected[:, None, None]
    torch.testing.assert_close(x[0], expected.expand(shape), atol=1e-6, rtol=0)
    assert (x[1] == -3).all()


def test_auto_goes_by_the_kind_of_samples():
    schemas = [Schema.of(np.zeros((2, *shape))) for shape in ((4,), (4, 2), (1, 4, 4))]
    assert [str(AE().network_for(schema)) for schema in schemas] == ["residual"] * 3
    assert [str(AE(code="vq:4").network_for(schema)) for schema in schemas] == ["residual", "residual", "conv"]
    assert str(AE().network_for(Schema.of([np.zeros((2, 1)), np.zeros((3, 1))]))) == "recurrent"


def test_sequences_of_different_length_need_a_network_that_takes_them():
    X = [np.random.default_rng(i).normal(size=(2 + i, 2)) for i in range(4)]
    for network in ("mlp", "conv", "residual"):
        with pytest.raises(ConfigError, match=f"AE: network must be 'recurrent' for sequences of .*; got '{network}'"):
            AE(latent_dim=2, network=network, epochs=1).fit(X)


def test_what_follows_a_sequences_end_changes_nothing():
    encoder, _ = pair("recurrent", (6, 2))
    x, lengths = torch.rand(3, 6, 2), torch.tensor([6, 2, 4])
    codes = encoder(x, lengths)
    for row, n in enumerate(lengths):
        torch.testing.assert_close(encoder(x[row : row + 1, :n])[0], codes[row])
        x[row, n:] = 1e3
    torch.testing.assert_close(encoder(x, lengths), codes)


def test_a_step_of_a_sequence_is_not_a_feature():
    """A convolution runs along the steps: a step far from the start moves no number of the first stage's start."""
    encoder, _ = pair("conv", (16, 2))
    x = torch.rand(1, 16, 2)
    far = x.clone()
    far[0, -1] += 1
    first = encoder.body[:2]
    assert first(x).shape == (1, 3, 8)
    assert torch.equal(first(x)[..., :6], first(far)[..., :6])
    assert not torch.equal(first(x), first(far))


def test_the_sizes_of_the_published_lstm():
    encoder, decoder = pair("recurrent", (20, 5), (30,), hidden=(100,))
    assert [(m.input_size, m.hidden_size) for m in weights(encoder, nn.LSTM)] == [(5, 100), (100, 30)]
    assert [(m.input_size, m.hidden_size) for m in weights(decoder, nn.LSTM)] == [(30, 100)]
    assert (decoder.output.in_features, decoder.output.out_features) == (100, 5)
    assert not weights(encoder, nn.Linear)
    z = torch.randn(2, 30)
    repeated = decoder.body[0](z)
    assert repeated.shape == (2, 20, 30)
    assert torch.equal(repeated[:, 7], z)


def test_an_images_rows_are_steps():
    encoder, decoder = pair("recurrent", (3, 4, 5))
    x = torch.arange(60.0).reshape(1, 3, 4, 5)
    steps = encoder.rows(x)
    assert steps.shape == (1, 4, 15)
    assert torch.equal(steps[0, 2], x[0, :, 2].flatten())
    decoder.output.weight.data.zero_()
    decoder.output.bias.data = torch.arange(15.0)
    assert torch.equal(decoder(torch.zeros(1, 3))[0, 1, 2], torch.arange(5.0, 10.0))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_acts(name):
    encoder, _ = pair("mlp", (4,), activation=name)
    x = torch.randn(16, 4)
    bent = (encoder(x) + encoder(-x) - 2 * encoder(torch.zeros_like(x))).abs().max()
    assert (bent > 1e-4) is not (name == "linear") or bent.item() == pytest.approx(0, abs=1e-5)
    assert (bent < 1e-5) == (name == "linear")


def test_selu_keeps_mean_and_variance():
    """Eight layers of selu with its initialisation: activities stay near mean 0 and variance 1."""
    encoder, _ = pair("mlp", (256,), (256,), hidden=(256,) * 8, activation="selu")
    x = torch.randn(512, 256, generator=torch.Generator().manual_seed(0))
    linear = weights(encoder, nn.Linear)
    for layer in linear:
        assert layer.weight.std().item() == pytest.approx(1 / 16, rel=0.02)
        assert not layer.bias.any()
    activity = encoder.body[:-1](x)
    assert activity.mean().abs() < 0.1
    assert activity.var().item() == pytest.approx(1, abs=0.25)


def test_tied_weights_are_one(tmp_path, table):
    ae = AE(latent_dim=2, network="mlp:4,tied=true", epochs=3).fit(table)
    encoder, decoder = ae.module_.encoder.body, ae.module_.decoder
    x = torch.from_numpy(table)
    h = torch.relu(encoder[3](torch.relu(encoder[1](encoder[0](x)))) @ encoder[3].weight + decoder.body[0].bias)
    np.testing.assert_allclose(ae.reconstruct(table), (h @ encoder[1].weight + decoder.output.bias).detach(), atol=1e-5)
    assert sum(p.numel() for p in ae.module_.parameters() if p.requires_grad) == 6 * 4 + 4 + 4 * 2 + 2 + 4 + 6
    back = load_model(ae.save(tmp_path))
    np.testing.assert_array_equal(back.reconstruct(table), ae.reconstruct(table))
    back.module_.encoder.body[1].weight.data.zero_()
    assert not np.array_equal(back.reconstruct(table), ae.reconstruct(table))


def test_what_tied_weights_do_not_go_with(table):
    y = (table[:, 0] > 0.5).astype(int)
    for model in (VAE(network="mlp:4,tied=true"), AE(network="mlp:4,tied=true", condition="concat")):
        with pytest.raises(ConfigError, match="MLP: tied must go with one value per latent and per output"):
            model.fit(table, y)


def test_batch_norm_takes_a_last_batch_of_one():
    X = np.random.default_rng(0).random((9, 1, 4, 4), np.float32)
    ae = AE(latent_dim=2, network="conv:3x4,batch_norm=true", batch_size=4, epochs=2).fit(X)
    assert np.isfinite(ae.reconstruct(X)).all()


def own(n_in=6, n_out=2, back=2):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(n_in, 5), nn.Tanh(), nn.Linear(5, n_out)), nn.Linear(back, n_in)


def test_own_modules_are_used_and_left_alone(table):
    network = own()
    before = copy.deepcopy(network)
    ae = AE(latent_dim=2, network=network, epochs=20, learning_rate=1e-2).fit(table)
    for mine, old, fitted in zip(network, before, (ae.module_.encoder, ae.module_.decoder), strict=True):
        for a, b, c in zip(mine.parameters(), old.parameters(), fitted.parameters(), strict=True):
            assert torch.equal(a, b)
            assert not torch.equal(a, c)
    assert ae.history_[-1]["train"]["loss"] < ae.history_[0]["train"]["loss"]
    expected = ae.module_.encoder(torch.from_numpy(table)).detach()
    np.testing.assert_allclose(ae.transform(table), expected, atol=1e-6)


@pytest.mark.parametrize("model", [AE, VAE])
def test_own_modules_that_work_in_place_change_neither_data_nor_target(model, table):
    heads = 2 if model is VAE else 1

    def modules(inplace):
        torch.manual_seed(0)
        return (
            nn.Sequential(nn.LeakyReLU(0.1, inplace=inplace), nn.Linear(6, 2 * heads)),
            nn.Sequential(nn.LeakyReLU(0.1, inplace=inplace), nn.Linear(2, 6)),
        )

    X = table * 4 - 2
    before = X.copy()
    options = {"latent_dim": 2, "epochs": 5, "scale": None}
    fitted, plain = (model(network=modules(inplace), **options).fit(X, validation=X[:9]) for inplace in (True, False))
    Z = fitted.transform(X)
    codes = Z.copy()
    fitted.inverse_transform(Z)
    np.testing.assert_array_equal(Z, codes)
    np.testing.assert_array_equal(X, before)
    for verb in ("transform", "reconstruct", "score_samples"):
        np.testing.assert_array_equal(getattr(fitted, verb)(X), getattr(plain, verb)(X))
    assert fitted.history_[-1]["validation"] == plain.history_[-1]["validation"]
    np.testing.assert_array_equal(X, before)


def test_own_modules_in_a_vae_return_mean_and_log_variance(table):
    vae = VAE(latent_dim=2, network=own(n_out=4), epochs=2).fit(table)
    expected = vae.module_.encoder(torch.from_numpy(table)).detach()[:, :2]
    np.testing.assert_allclose(vae.transform(table), expected, atol=1e-6)
    with pytest.raises(ConfigError, match=r"encoder must return \(B, 4\).*got shape \(B, 2\).*log-variance"):
        VAE(latent_dim=2, network=own()).fit(table)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (own(n_out=3), r"encoder must return \(B, 2\) for \(B, 6\); got shape \(B, 3\)"),
        (own(n_in=7), r"encoder must take \(B, 6\)"),
        (own(back=3), r"decoder must take \(B, 2\)"),
        ((own()[0], nn.Linear(2, 5)), r"decoder must return \(B, 6\)"),
        ((own()[0],), "pair"),
    ],
)
def test_own_modules_of_wrong_shapes(network, message, table):
    with pytest.raises(ConfigError, match=message):
        AE(latent_dim=2, network=network).fit(table)


@pytest.mark.parametrize("shape", [(12,), (4, 3), (1, 4, 3)])
def test_the_residual_network_begins_at_pca(shape):
    X = drawn(shape)
    pca = PCA(latent_dim=3).fit(X)
    start: dict[str, Any] = {"latent_dim": 3, "network": "residual", "epochs": 1, "learning_rate": 1e-30, "scale": None}
    ae = AE(**start).fit(X)
    np.testing.assert_allclose(ae.reconstruct(X), pca.reconstruct(X), atol=2e-5)
    np.testing.assert_allclose(ae.transform(X), pca.transform(X) / np.sqrt(pca.explained_variance_), atol=2e-5)
    # The variational one at probabilistic PCA: the bound is the likelihood itself, from any draw.
    vae = VAE(**start, likelihood="gaussian:learned").fit(X)
    np.testing.assert_allclose(narrows.log_likelihood(vae, X, samples=1), pca.score_samples(X), atol=2e-3)
    assert narrows.elbo(vae, X, samples=64).mean() == pytest.approx(pca.score(X), abs=2e-3)


@pytest.mark.slow
def test_the_residual_network_improves_on_pca():
    X = drawn((1, 4, 3))
    X = X + 0.5 * X[:, :, ::-1] ** 2  # a bend that no plane has
    pca = PCA(latent_dim=3).fit(X)
    ae = AE(
        latent_dim=3, scale=None, network="residual:32,activation=tanh", epochs=40, batch_size=50, learning_rate=5e-3
    ).fit(X)
    better = ((X - ae.reconstruct(X)) ** 2).sum() / ((X - pca.reconstruct(X)) ** 2).sum()
    assert better < 0.8


def test_the_residual_network_leaves_flat_axes_alone():
    X = np.zeros((40, 5), np.float32)
    X[:, 0] = np.linspace(-1, 1, 40)  # one axis; of the others there is nothing
    for model in (AE, VAE):
        found = model(latent_dim=8, network="residual", epochs=1, learning_rate=1e-30, likelihood="gaussian:learned")
        found.fit(X)
        assert np.isfinite(found.transform(X)).all()
        assert np.abs(found.reconstruct(X) - X).max() < 1e-4


@pytest.mark.parametrize(
    ("fields", "low"),
    [
        ({"likelihood": "bernoulli"}, 0.001),
        ({"likelihood": "continuous_bernoulli"}, 0.02),
        ({"network": "residual:8,output_activation=sigmoid"}, 0.02),
        ({"network": "residual:8,output_activation=tanh"}, -0.98),
        ({"network": "residual:8,output_activation=relu"}, 0.0),
    ],
)
def test_the_residual_network_begins_at_pca_where_the_output_is_bounded(fields, low):
    X = np.random.default_rng(0).random((60, 5)) @ np.diag([1, 0.8, 0.5, 0.3, 0.1]) ** 3
    ae = AE(**{"latent_dim": 2, "network": "residual:8", "epochs": 1, "learning_rate": 1e-12, "scale": None, **fields})
    pca = PCA(latent_dim=2).fit(X).reconstruct(X)
    np.testing.assert_allclose(ae.fit(X).reconstruct(X), pca.clip(low, 0.98 if low < 0 else 1 - low), atol=1e-3)


@pytest.mark.parametrize("likelihood", ["bernoulli", "continuous_bernoulli"])
def test_a_variational_model_of_bounded_values_begins_near_pca(likelihood):
    X = np.random.default_rng(0).normal(size=(300, 2)) @ np.random.default_rng(1).normal(size=(2, 8))
    X = (X / 20 + 0.5).clip(0, 1)
    vae = VAE(latent_dim=2, network="residual:8", epochs=1, learning_rate=1e-12, likelihood=likelihood).fit(X)
    pca = PCA(latent_dim=2).fit(X)
    left = np.square(vae.reconstruct(X) - X).sum() / np.square(X - X.mean(0)).sum()
    assert left < 0.02 + np.square(pca.reconstruct(X) - X).sum() / np.square(X - X.mean(0)).sum()


def test_low_precision_leaves_the_start_finite():
    X = np.random.default_rng(0).integers(0, 2, (40, 12)).astype(np.float32)
    options = {"latent_dim": 2, "network": "residual:4", "epochs": 2, "likelihood": "bernoulli", "scale": None}
    low, full = (VAE(**options, precision=name).fit(X).history_[0]["train"]["loss"] for name in ("bf16", "fp32"))
    assert low == pytest.approx(full, rel=0.05)


def test_an_output_activation_without_an_inverse_is_refused():
    with pytest.raises(ConfigError, match=r"Residual: output_activation must be one of 'linear', .*; got 'selu'"):
        AE(network="residual:8,output_activation=selu").fit(np.eye(4))


def test_a_saved_residual_network_has_its_maps(tmp_path):
    X = drawn((1, 5, 3))
    vae = VAE(latent_dim=2, network="residual", epochs=1).fit(X)
    vae.save(tmp_path)
    np.testing.assert_array_equal(load_model(tmp_path).reconstruct(X), vae.reconstruct(X))


def drawn(shape):
    """Samples with some axes that stand out."""
    rng = np.random.default_rng(0)
    n = int(np.prod(shape))
    X = rng.normal(size=(400, n)) * np.geomspace(2, 0.1, n) @ np.linalg.qr(rng.normal(size=(n, n)))[0]
    return (X + rng.normal(size=n)).astype(np.float32).reshape(-1, *shape)
