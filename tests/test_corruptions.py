"""What denoising removes: its statistics, its source of noise, and that it stays in training."""

import numpy as np
import pytest
import torch

from narrows import AE, VAE
from narrows.components import resolve
from narrows.corruptions import CORRUPTIONS, Dropout, Gaussian, Masking, SaltPepper, Uniform, Warp
from narrows.errors import ConfigError
from narrows.module import Batch

N = 200_000
HALF = torch.full((N, 1), 0.5)


def corruption(spec):
    return resolve("corruption", spec)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def close(value, expected, deviation):
    """Compare a mean over N draws with what is expected, to five standard errors."""
    assert abs(float(value) - expected) < 5 * deviation / N**0.5


def test_gaussian():
    noise = Gaussian(std=0.2)(HALF, rng()) - HALF
    close(noise.mean(), 0, 0.2)
    assert noise.std().item() == pytest.approx(0.2, rel=0.01)
    assert (noise / 0.2).pow(4).mean().item() == pytest.approx(3, rel=0.05)


def test_dropout():
    out = Dropout(p=0.3)(HALF, rng())
    close((out == 0).float().mean(), 0.3, 0.46)
    close(out.mean(), 0.5, 0.33)
    torch.testing.assert_close(out.unique(), torch.tensor([0, 0.5 / 0.7]))


def test_masking():
    out = Masking(p=0.25)(HALF, rng())
    close((out == 0).float().mean(), 0.25, 0.44)
    assert out.unique().tolist() == [0, 0.5]


def test_uniform():
    out = Uniform(p=0.4)(HALF, rng())
    close((out != 0.5).float().mean(), 0.4, 0.5)
    hit = out[out != 0.5]
    close((hit == 1).float().mean(), 0.5, 0.8)
    inside = hit[hit < 1]
    assert (inside.min() - 0.5).abs() < 1e-3
    assert inside.mean().item() == pytest.approx(0.75, abs=5e-3)
    assert out.max() <= 1


def test_salt_pepper():
    out = SaltPepper(p=0.2)(HALF, rng())
    close((out == 0).float().mean(), 0.1, 0.3)
    close((out == 1).float().mean(), 0.1, 0.3)
    assert out.unique().tolist() == [0, 0.5, 1]


def test_warp_moves_a_point_as_its_map_says():
    side, n = 41, 4000
    x = torch.zeros(n, 1, side, side)
    x[:, :, 18:23, 28:33] = 1  # about (u, v) = (10, 0) / 20.5
    out = Warp(amount=0.05)(x, rng())
    places = (torch.arange(side) - 20) / 20.5
    mass = out.sum((1, 2, 3))
    u, v = (out.sum((1, 2)) * places).sum(1) / mass, (out.sum((1, 3)) * places).sum(1) / mass
    far = 10 / 20.5
    assert u.mean().item() == pytest.approx(far, abs=0.005)
    assert v.mean().item() == pytest.approx(0, abs=0.005)
    spread = 0.05 * (far**2 + 0.4**2) ** 0.5  # of A (u, v) + b, to first order
    assert u.std().item() == pytest.approx(spread, rel=0.1)
    assert v.std().item() == pytest.approx(spread, rel=0.1)
    assert out.max() <= 1
    level = Warp(amount=0.2)(torch.full((8, 3, 5, 6), 0.7), rng())
    torch.testing.assert_close(level, torch.full_like(level, 0.7))  # beyond the border lies its colour


@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if name != "copy_mask"])
def test_seeded_and_in_place_of_nothing(name):
    x = torch.rand(20, 1, 3, 4, generator=rng(5))
    before, state = x.clone(), torch.get_rng_state()
    make = corruption(f"{name}:0.3")
    one = make(x, rng(1))
    assert torch.equal(x, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(one, make(x, rng(1)))
    assert not torch.equal(one, make(x, rng(2)))
    assert not torch.equal(one, x)
    assert torch.equal(corruption(f"{name}:0")(x, rng()), x)
    assert one.shape == x.shape
    assert one.dtype == x.dtype


def test_strings_and_components():
    assert corruption("gaussian:0.2") == corruption("gaussian") == Gaussian(std=0.2)
    assert corruption("salt_pepper:0.1") == SaltPepper(p=0.1)
    mine = Masking(p=0.5)
    assert corruption(mine) is mine


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("gausian:0.2", r"corruption must be one of .*got 'gausian:0.2'. Did you mean 'gaussian'\?"),
        ("gaussian:much", "Gaussian: std must be a number >= 0; got 'much'"),
        ("gaussian:-1", "Gaussian: std must be a number >= 0; got -1.0"),
        ("gaussian:nan", "std must be a number >= 0"),
        ("gaussian:inf", "std must be a number >= 0"),
        *((f"{name}:{p}", "p must be a number >= 0 and < 1") for name in ("dropout", "masking") for p in ("1", "-0.1")),
        ("uniform:1.5", "Uniform: p must be"),
        ("salt_pepper:2", "SaltPepper: p must be"),
        ("warp:1", "Warp: amount must be a number >= 0 and < 1; got 1.0"),
    ],
)
def test_errors(spec, message, table):
    with pytest.raises(ConfigError, match=message):
        corruption(spec)
    with pytest.raises(ConfigError, match=message):
        AE(latent_dim=2, corruption=spec).fit(table)


def test_warp_is_for_images(table):
    with pytest.raises(
        ConfigError, match=r"Warp: x must be images \(N, C, H, W\); got shape \(48, 6\). Choose another"
    ):
        AE(latent_dim=2, corruption="warp:0.2", epochs=1).fit(table)


@pytest.mark.parametrize("model", [AE, VAE])
def test_in_training_only_and_against_the_clean_input(model, table):
    options = {"network": "mlp:4", "likelihood": "gaussian", "corruption": "masking:0.5"}
    estimator = model(latent_dim=2, epochs=1, **options).fit(table)
    module, x, seen = estimator.module_, torch.from_numpy(table), []
    module.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().clone()))
    module.train()
    training = module.loss(Batch(x, rng=rng(3)))
    assert 0.35 < (seen[-1] == 0).float().mean() < 0.65
    kept = seen[-1] != 0
    assert torch.equal(seen[-1][kept], x[kept])
    module.eval()
    module.loss(Batch(x, rng=rng(3)))
    assert torch.equal(seen[-1], x)
    estimator.transform(table)
    assert torch.equal(seen[-1], x)
    if model is AE:
        output = module.decoder(module.encoder(Masking(p=0.5)(x, rng(3))))
        clean = ((output - x) ** 2 / 2 + 0.5 * np.log(2 * np.pi)).sum(1)
        torch.testing.assert_close(training.terms["reconstruction"], clean)


def test_denoising_denoises():
    generator = np.random.default_rng(0)
    X = (generator.normal(size=(400, 1)) @ np.ones((1, 16)) / 2).astype(np.float32)
    noisy = X + generator.normal(0, 0.5, X.shape).astype(np.float32)
    ae = AE(latent_dim=4, network="mlp:", corruption="gaussian:0.5", epochs=40, learning_rate=1e-2, scale=None).fit(X)
    assert ((ae.reconstruct(noisy) - X) ** 2).mean() < 0.3 * ((noisy - X) ** 2).mean()


def test_a_callable_of_ones_own(table):
    seen = []

    def zero(x, rng):
        seen.append(rng)
        return torch.zeros_like(x)

    AE(latent_dim=2, corruption=zero, epochs=1).fit(table)
    assert all(isinstance(generator, torch.Generator) for generator in seen)
    assert seen


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_missing_values_stay_missing(name):
    """What was not observed is 0 for the network, whatever the noise."""
    model = AE(latent_dim=2, corruption=f"{name}:0.3", epochs=1)
    X = np.random.default_rng(0).random((8, 1, 3, 4))
    module = model.fit(X).module_.train()
    mask = torch.rand(8, 1, 3, 4, generator=rng(3)) < 0.5
    seen = module.corrupted(Batch(torch.from_numpy(X).float(), mask))
    assert (seen.x[~mask] == 0).all()
    assert not (seen.mask & ~mask).any()


def test_copy_mask_hides_what_other_rows_lack():
    corrupt = corruption("copy_mask:1")
    mask = torch.rand(300, 6, generator=rng(3)) < 0.7
    mask[:, 0] = True
    x = torch.rand(300, 6, generator=rng(4))
    same, left = corrupt.corrupted(x, mask, rng(1))
    assert same is x
    assert torch.equal(left, corrupt.corrupted(x, mask, rng(1))[1])
    assert not (left & ~mask).any()
    kept = {tuple(row) for row in mask.tolist()}
    for row, own in zip(left.tolist(), mask.tolist(), strict=True):  # what is left is its own and another row's
        assert any(row == [a and b for a, b in zip(own, other, strict=True)] for other in kept)
    share = mask[:, 1:].float().mean(0)
    assert float(left[:, 1:].float().mean()) == pytest.approx(float((share**2).mean()), abs=0.02)
    half = corruption("copy_mask:0.5").corrupted(x, mask, rng(1))[1]
    assert float(half[:, 1:].float().mean()) == pytest.approx(float((share + share**2).mean() / 2), abs=0.02)
    assert torch.equal(corruption("copy_mask:0").corrupted(x, mask, rng(1))[1], mask)
    assert corrupt.corrupted(x, None, rng(1)) == (x, None)
    thin = torch.eye(6, dtype=torch.bool).repeat(50, 1)  # a single value of each row: it stays
    assert torch.equal(corrupt.corrupted(x, thin, rng(1))[1], thin)
