"""Models of samples given labels: the conditional VAE (Sohn et al. 2015)."""

from typing import Any

import numpy as np
import pytest
import torch

from drawn import structured
from narrows import AE, VAE, elbo, log_likelihood
from narrows.conditions import Concat, join
from narrows.errors import ConfigError, DataError
from narrows.estimators.loading import load_model
from narrows.module import Batch

QUICK = {"latent_dim": 2, "network": "mlp:6", "epochs": 2, "condition": "concat"}
MEANS = np.array([[4, 0, 0, 0], [0, 4, 0, -4], [0, 0, 4, 0]], np.float32)


def classes(n=300):
    y = np.arange(n) % 3
    return MEANS[y] + np.random.default_rng(0).normal(0, 0.3, (n, 4)).astype(np.float32), y


def test_values():
    condition = Concat()
    assert condition.size(4) == 4
    like = torch.zeros(1, dtype=torch.float64)
    assert condition.values(torch.tensor([2, 0]), 3, like).tolist() == [[0, 0, 1], [1, 0, 0]]
    numbers = torch.tensor([[0.5, 2.0]])
    assert condition.values(numbers, 2, like).dtype == torch.float64
    with pytest.raises(ConfigError, match="Concat: y must be given to fit a model with condition='concat'"):
        condition.size(0)


@pytest.mark.parametrize(("shape", "axis"), [((4,), 1), ((5, 3), 2), ((2, 4, 3), 1)])
def test_join_repeats_over_all_other_axes(shape, axis):
    x, values = torch.rand(2, *shape), torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    wide = join(x, values, axis)
    assert torch.equal(wide.narrow(axis, 0, x.shape[axis]), x)
    added = wide.narrow(axis, x.shape[axis], 2).movedim(axis, -1)
    for row in range(2):
        assert (added[row] == values[row]).all()


@pytest.mark.slow
@pytest.mark.parametrize("names", [None, np.array(["cat", "dog", "emu"])])
def test_samples_of_a_class_have_its_mean(names, tmp_path):
    X, y = classes()
    y = y if names is None else names[y]
    vae = VAE(latent_dim=2, network="mlp:16", condition="concat", epochs=40, learning_rate=1e-2, batch_size=50).fit(
        X, y
    )
    back = load_model(vae.save(tmp_path))
    for k, label in enumerate(np.unique(y)):
        for model in (vae, back):
            drawn = model.sample(200, 3, y=label)
            np.testing.assert_allclose(drawn.mean(0), MEANS[k], atol=0.4)
            np.testing.assert_allclose(model.sample(200, 3, "gaussian", y=label).mean(0), MEANS[k], atol=0.6)
    each = vae.sample(len(y), 0, y=y)
    assert ((each - X) ** 2).mean() < 1
    # The class is known, so that the code need not tell it: the label moves a reconstruction.
    moved = vae.reconstruct(X[y == np.unique(y)[0]], y=np.full((y == np.unique(y)[0]).sum(), np.unique(y)[1]))
    assert np.abs(moved.mean(0) - MEANS[1]).max() < np.abs(moved.mean(0) - MEANS[0]).max()


@pytest.mark.parametrize("model", [AE, VAE])
def test_labels_must_be_given_to_every_verb(model):
    X, y = classes(30)
    fitted = model(**QUICK).fit(X, y)
    Z = fitted.transform(X, y)
    name = model.__name__
    for call in (
        lambda: fitted.transform(X),
        lambda: fitted.reconstruct(X),
        lambda: fitted.score_samples(X),
        lambda: fitted.score(X),
        lambda: fitted.inverse_transform(Z),
        lambda: fitted.impute(X),
        lambda: fitted.sample(3, 0, "gaussian"),
        lambda: fitted.fit(X, y, validation=X[:5]),
    ):
        with pytest.raises(DataError, match=rf"{name}: y must be given, since the model takes a condition; got None"):
            call()
    with pytest.raises(DataError, match=f"{name}: y must have one label per sample, 30; got 29"):
        fitted.transform(X, y[1:])
    with pytest.raises(DataError, match=f"{name}: y must hold classes of training, 0, 1, 2; got 3"):
        fitted.transform(X, y + 1)
    with pytest.raises(DataError, match=f"{name}: y must have one label per sample, 4; got 2"):
        fitted.sample(4, 0, "gaussian", y=[0, 1])
    with pytest.raises(ConfigError, match="Concat: y must be given to fit a model with condition='concat'; got none"):
        model(**QUICK).fit(X)


def test_a_model_without_a_condition_ignores_labels():
    X, y = classes(30)
    options = {**QUICK, "condition": None}
    one, other = VAE(**options).fit(X, y), VAE(**options).fit(X)
    np.testing.assert_array_equal(one.transform(X, y), other.transform(X))
    assert one.schema_.levels is None
    np.testing.assert_array_equal(one.sample(3, 0, y=1), other.sample(3, 0))


@pytest.mark.parametrize("shape", [(6,), (5, 3), (2, 5, 4)])
@pytest.mark.parametrize("numbers", [1, 2])
def test_numbers_as_conditions(shape, numbers, tmp_path):
    X = structured(shape)
    y = X.reshape(48, -1)[:, :numbers].astype(np.float64) * 3
    y = y[:, 0] if numbers == 1 else y
    network = {1: "residual:6", 2: "recurrent:6", 3: "conv:4"}[len(shape)]
    vae = VAE(**{**QUICK, "network": network}).fit(X, y, validation=0.25 if len(shape) > 1 else None)
    assert vae.schema_.label_size == numbers
    assert not np.array_equal(vae.transform(X, y), vae.transform(X, y + 1))
    back = load_model(vae.save(tmp_path))
    np.testing.assert_array_equal(back.reconstruct(X, y=y), vae.reconstruct(X, y=y))
    wrong = np.full_like(y, np.nan)
    with pytest.raises(DataError, match="VAE: y must hold finite numbers"):
        vae.transform(X, wrong)
    with pytest.raises(DataError, match=f"VAE: y must have {numbers} numbers? per sample; got 3"):
        vae.transform(X, np.zeros((48, 3)))


def test_validation_has_labels_too():
    X, y = classes(60)
    one = VAE(**QUICK).fit(X, y, validation=(X[:12], y[:12]))
    assert one.history_[0]["validation"]["loss"] > 0
    two = VAE(**QUICK).fit(X, y, validation=0.2)
    assert two.schema_.rows == 48


def test_bounds_given_labels():
    X, y = classes(60)
    vae = VAE(**{**QUICK, "epochs": 80}, learning_rate=2e-2).fit(X, y)
    right, wrong = elbo(vae, X, y=y), elbo(vae, X, y=(y + 1) % 3)
    assert right.mean() > wrong.mean() + 1
    assert log_likelihood(vae, X, y=y, samples=20).mean() > right.mean()


def test_the_condition_is_joined_to_input_and_latents():
    X, y = classes(30)
    module = VAE(**QUICK, scale=None).fit(X, y).module_
    batch = Batch(torch.from_numpy(X), y=torch.from_numpy(y))
    one_hot = torch.eye(3)[batch.y]
    mean = module.encoder.body(torch.cat([batch.x, one_hot], 1))[:, :2]
    torch.testing.assert_close(module.encode(batch), mean)
    values: Any = module.networks.decoder.values
    decoded = values(torch.cat([mean, one_hot], 1))
    torch.testing.assert_close(module.decode(mean, batch), decoded)
