"""Codes that are indices, against brute force and by hand; maps of codes; what they do not go with."""

import math

import numpy as np
import pytest
import torch

from drawn import structured
from narrows import AE, VAE
from narrows.errors import ConfigError, DataError
from narrows.estimators.loading import load_model
from narrows.module import Batch
from narrows.nn import CODES, VQ
from narrows.nn.quantizers import TINY

G = torch.Generator().manual_seed(0)


def layer(size=5, latents=(3, 4), **settings):
    """Return a codebook at random places."""
    made = VQ(size=size, **settings).layer(latents)
    made.codebook.copy_(torch.randn(size, latents[0], generator=G))
    made.sums.copy_(made.codebook)
    made.counts.fill_(1.0)
    made.started.fill_(True)
    return made


def batch(h):
    return Batch(h, rng=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("latents", [(3, 4), (2, 3, 5)])
def test_the_nearest_vector(latents):
    made = layer(7, latents)
    h = torch.randn(6, *latents, generator=G)
    codes = made.encode(h)
    assert codes.dtype == torch.int64
    assert codes.shape == (6, *latents[1:])
    vectors = h.movedim(1, -1)
    distance = ((vectors[..., None, :] - made.codebook) ** 2).sum(-1)
    assert torch.equal(codes, distance.argmin(-1))
    quantized = made.latents_of(codes)
    assert quantized.shape == h.shape
    assert torch.equal(quantized.movedim(1, -1), made.codebook[codes])
    assert torch.equal(made.encode(quantized), codes)
    assert torch.equal(made.eval()(h, batch(h)).z, quantized) or torch.allclose(made(h, batch(h)).z, quantized)


def test_far_vectors_lose_no_digit():
    """||e||^2 - 2 v e, not ||v - e||^2: right also where all vectors lie far out and near to each other."""
    made = layer(4, (2, 1))
    made.codebook.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [100.0, 100.0]]))
    h = torch.tensor([[[0.4], [0.1]], [[0.6], [0.0]], [[99.0], [99.0]]])
    assert made.encode(h).flatten().tolist() == [0, 1, 3]


def test_gradients_pass_straight_through():
    made = layer(commitment=0.25)
    h = torch.randn(6, 3, 4, generator=G, requires_grad=True)
    weights = torch.randn(6, 3, 4, generator=G)
    z, terms, _ = made(h, batch(h))
    quantized = made.latents_of(made.encode(h.detach()))
    torch.testing.assert_close(z, quantized)
    (z * weights).sum().backward(retain_graph=True)
    torch.testing.assert_close(h.grad, weights)
    h.grad = None
    assert terms["commitment"].shape == (6,)
    torch.testing.assert_close(terms["commitment"], 0.25 * ((h - quantized) ** 2).sum((1, 2)))
    terms["commitment"].sum().backward()
    torch.testing.assert_close(h.grad, 0.5 * (h.detach() - quantized))
    assert not made.codebook.requires_grad


def test_the_moving_averages_by_hand():
    decay, made = 0.9, layer(3, (2, 2), decay=0.9, restart=0.0)
    h = torch.randn(8, 2, 2, generator=G)
    codebook, counts, sums = made.codebook.clone(), torch.ones(3), made.codebook.clone()
    for step in range(3):
        made.train()(h + step, batch(h))
        assert torch.equal(made.codebook, codebook)  # it moves after the step, not within it
        vectors = (h + step).movedim(1, -1).reshape(-1, 2)
        nearest = ((vectors[:, None] - codebook) ** 2).sum(2).argmin(1)
        n = torch.tensor([(nearest == i).sum() for i in range(3)], dtype=torch.float32)
        total = torch.stack([vectors[nearest == i].sum(0) for i in range(3)])
        counts, sums = decay * counts + (1 - decay) * n, decay * sums + (1 - decay) * total
        smoothed = (counts + TINY) / (counts.sum() + 3 * TINY) * counts.sum()
        codebook = sums / smoothed[:, None]
        made.after_step()
        torch.testing.assert_close(made.codebook, codebook)
        torch.testing.assert_close(made.counts, counts)
        codebook = made.codebook.clone()
    made.after_step()  # nothing was seen since
    assert torch.equal(made.codebook, codebook)
    made.eval()(h, batch(h))
    made.after_step()
    assert torch.equal(made.codebook, codebook)


def test_vectors_hardly_used_restart_at_latents_of_the_batch():
    made = layer(4, (2, 1), decay=0.5, restart=0.2)
    made.codebook.copy_(torch.tensor([[0.0, 0.0], [50.0, 50.0], [60.0, 60.0], [1.0, 1.0]]))
    made.sums.copy_(made.codebook)
    h = torch.rand(30, 2, 1, generator=G)
    for _ in range(4):
        made.train()(h, batch(h))
        made.after_step()
    assert made.codebook.max() < 2  # the two far ones came back
    used = made.encode(h).unique()
    assert len(used) == 4


def test_a_codebook_starts_at_latents_of_the_first_batch():
    made = VQ(size=6).layer((2, 3))
    assert not made.started
    h = 5 + torch.rand(10, 2, 3, generator=G)
    made.train()(h, batch(h))
    assert made.started
    vectors = h.movedim(1, -1).reshape(-1, 2)
    assert ((made.codebook[:, None] - vectors) ** 2).sum(2).min(1).values.max() < 0.01


@pytest.mark.parametrize("size", [2, 4, 8])
def test_perplexity(size):
    made = layer(size, (1, size))
    made.codebook.copy_(torch.arange(float(size))[:, None])
    even = torch.arange(float(size)).view(1, 1, size).repeat(3, 1, 1)
    assert made(even, batch(even)).batch_metrics["perplexity"].item() == pytest.approx(size)
    one = torch.zeros(3, 1, size)
    assert made(one, batch(one)).batch_metrics["perplexity"].item() == pytest.approx(1)


# In an autoencoder ----------------------------------------------------------------------------------------------------


def clusters(n=240, k=4):
    rng = np.random.default_rng(0)
    centres = 5 * rng.normal(size=(k, 6))
    return (centres[np.arange(n) % k] + 0.1 * rng.normal(size=(n, 6))).astype(np.float32), np.arange(n) % k


def test_codes_are_clusters():
    X, truth = clusters()
    options = {"latent_dim": 4, "network": "mlp:16", "epochs": 40, "learning_rate": 1e-2, "batch_size": 60}
    ae = AE(**options, code="vq:8,positions=1").fit(X)
    Z = ae.transform(X)
    assert Z.shape == (240, 1)
    assert all(len(np.unique(Z[truth == k])) == 1 for k in range(4))
    assert len(np.unique(Z)) == 4
    assert ((X - ae.reconstruct(X)) ** 2).mean() < 0.05 * X.var()
    last = ae.history_[-1]["train"]
    assert last["perplexity"] == pytest.approx(4, rel=0.05)
    assert last["loss"] == pytest.approx(last["reconstruction"] + last["commitment"], rel=1e-6)
    np.testing.assert_array_equal(ae.inverse_transform(Z), ae.reconstruct(X))


@pytest.mark.parametrize(
    ("network", "shape", "code"),
    [
        ("conv:4x4", (1, 9, 6), (3, 2)),
        ("conv:4", (8, 3), (4,)),
        ("mlp:5", (1, 4, 4), (3,)),
        ("recurrent:5", (6, 2), (3,)),
        ("residual:5", (6,), (3,)),
    ],
)
def test_a_code_is_a_map_on_convolutions_and_positions_elsewhere(network, shape, code, tmp_path):
    X = structured(shape)
    ae = AE(latent_dim=2, network=network, code="vq:7,positions=3", epochs=2, averaging=0.5).fit(X, validation=0.2)
    assert ae.code_.shape == code
    assert not ae.code_.continuous
    Z = ae.transform(X)
    assert (Z.shape, str(Z.dtype)) == ((48, *code), "int64")
    assert 0 <= Z.min() <= Z.max() < 7
    assert ae.codes_.dtype == np.int64
    assert len(ae.get_feature_names_out()) == math.prod(code)
    back = load_model(ae.save(tmp_path))
    np.testing.assert_array_equal(back.transform(X), Z)
    np.testing.assert_array_equal(back.inverse_transform(Z.reshape(48, -1)), ae.inverse_transform(Z))


def test_averaged_weights_have_an_averaged_codebook():
    X, _ = clusters()
    ae = AE(latent_dim=3, network="mlp:8", code="vq:4", epochs=10, averaging=0.9, learning_rate=1e-2).fit(X)
    assert ae.module_.layer.started
    assert ((X - ae.reconstruct(X)) ** 2).mean() < X.var()


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.full((2, 3), 7), "Z must hold indices from 0 to 6; got 7"),
        (np.full((2, 3), -1), "Z must hold indices from 0 to 6; got -1"),
        (np.zeros((2, 4), int), r"Z must have codes of shape \(3,\); got 4 values a row"),
        (np.full((2, 3), 0.5), "Z must hold whole numbers; got 0.5"),
    ],
)
def test_codes_that_are_none(codes, message, table):
    ae = AE(latent_dim=2, network="mlp:5", code="vq:7,positions=3", epochs=1).fit(table)
    with pytest.raises(DataError, match=f"AE: {message}"):
        ae.inverse_transform(codes)


@pytest.mark.parametrize("sampler", ["prior", "gmm", "gaussian"])
@pytest.mark.parametrize("penalty", [(), "adversarial:1"])
def test_indices_have_no_density(table, sampler, penalty):
    ae = AE(latent_dim=2, network="mlp:5", code="vq:7", penalty=penalty, epochs=1).fit(table)
    with pytest.raises(
        ConfigError, match=f"AE: sampler must be .*real numbers, not indices; got '{sampler}'. Use code='continuous'"
    ):
        ae.sample(2, 0, sampler)


def test_what_codes_do_not_go_with(table):
    with pytest.raises(
        ConfigError, match="VAE: code must be 'continuous' or 'ordered', without an activation; got 'vq'"
    ):
        VAE(latent_dim=2, code="vq").fit(table)
    with pytest.raises(ConfigError, match=r"got 'continuous:tanh'. Use AE"):
        VAE(latent_dim=2, code="continuous:tanh").fit(table)
    with pytest.raises(ConfigError, match="AE: k must go with ordered codes"):
        AE(latent_dim=2, network="mlp:5", code="vq:7", epochs=1).fit(table).reconstruct(table, k=1)
    assert set(CODES) == {"continuous", "ordered", "vq"}
