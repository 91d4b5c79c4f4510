"""One contract for every model and every kind of sample."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from narrows import ESTIMATORS, load
from narrows.data.batches import Rows
from narrows.estimators.base import _moments
from narrows.objectives import Batch
from narrows.params import fields

TRAINED = [name for name, cls in ESTIMATORS.items() if "seed" in {field.name for field in fields(cls)}]
"""Those whose weights are drawn and learned; PCA's are computed, from the data alone."""
SMALL = {"latent_dim": 2, "epochs": 8, "batch_size": 16, "learning_rate": 1e-2}


def small(name, **changes):
    """Return a model that fits in a moment."""
    known = {field.name for field in fields(ESTIMATORS[name])}
    return ESTIMATORS[name](**{k: v for k, v in {**SMALL, **changes}.items() if k in known})


def state(estimator):
    return {name: t.clone() for name, t in estimator.module_.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(params=list(ESTIMATORS))
def name(request):
    return request.param


def test_a_seeded_refit_is_bitwise_the_same(name, X):
    one, other = small(name).fit(X), small(name).fit(X)
    assert same(state(one), state(other))
    assert same(state(one), state(one.fit(X)))


@pytest.mark.parametrize("name", TRAINED)
def test_another_seed_is_another_model(name, X):
    assert not same(state(small(name).fit(X)), state(small(name, seed=1).fit(X)))


def test_save_and_load_round_trip_bitwise(name, X, tmp_path):
    estimator = small(name).fit(X)
    back = load(estimator.save(tmp_path / "model"))
    assert type(back) is type(estimator)
    assert back.get_params() == estimator.get_params()
    assert same(state(back), state(estimator))
    for verb in ("transform", "reconstruct", "score_samples"):
        np.testing.assert_array_equal(getattr(back, verb)(X), getattr(estimator, verb)(X))
    assert back.history_ == estimator.history_


def test_the_loss_falls(name, X):
    estimator = small(name, epochs=30).fit(X)
    history = [record["train"]["loss"] for record in estimator.history_]
    assert np.isfinite(history).all()
    if len(history) > 1:
        assert history[-1] < history[0]
    scaled = X / 255 if X.dtype == np.uint8 else X
    mean = scaled.mean(0, keepdims=True)
    assert ((estimator.reconstruct(X) - scaled) ** 2).sum() < ((scaled - mean) ** 2).sum()


@pytest.mark.parametrize("name", TRAINED)
def test_a_gradient_reaches_every_parameter(name, X):
    module = small(name, epochs=1).fit(X).module_.train()
    trained = {n: p for n, p in module.named_parameters() if p.requires_grad}
    assert trained
    x = next(Rows(X, module.device, module.dtype).chunks(16))
    module.loss(Batch(x)).total.mean().backward()
    for parameter_name, parameter in trained.items():
        assert parameter.grad is not None, parameter_name
        assert torch.isfinite(parameter.grad).all(), parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name


def test_terms_have_one_value_per_sample(name, X):
    module = small(name, epochs=1).fit(X).module_
    loss = module.loss(Batch(next(Rows(X, module.device, module.dtype).chunks(5))))
    assert "reconstruction" in loss.terms
    assert all(term.shape == (5,) for term in (*loss.terms.values(), *loss.metrics.values()))


def test_evaluation_does_not_depend_on_the_batch(name, X):
    estimator = small(name).fit(X)
    for verb in ("transform", "reconstruct", "score_samples"):
        together = getattr(estimator, verb)(X)
        one_by_one = np.concatenate([getattr(estimator, verb)(X[i : i + 1]) for i in range(len(X))])
        np.testing.assert_allclose(together, one_by_one, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(together, getattr(estimator, verb)(X))


def test_evaluation_beyond_one_chunk(name, table):
    estimator = small(name, epochs=1).fit(table)
    many = np.tile(table, (200, 1))  # 9,600 rows: three chunks
    np.testing.assert_allclose(estimator.transform(many)[-48:], estimator.transform(table), rtol=1e-4, atol=1e-5)
    assert estimator.reconstruct(many).shape == many.shape


def test_shapes_and_types(name, X):
    estimator = small(name, epochs=1).fit(X)
    Z = estimator.transform(X)
    assert Z.shape == (48, 2)
    assert estimator.reconstruct(X).shape == X.shape
    assert estimator.inverse_transform(Z).shape == X.shape
    assert estimator.score_samples(X).shape == (48,)
    assert estimator.score(X) == pytest.approx(estimator.score_samples(X).mean(dtype=np.float64))
    np.testing.assert_allclose(estimator.inverse_transform(Z), estimator.reconstruct(X), rtol=1e-5, atol=1e-6)
    assert estimator.sample_shape_ == X.shape[1:]
    assert estimator.n_features_in_ == np.prod(X.shape[1:])
    assert estimator.pixels_ is (X.dtype == np.uint8)
    assert estimator.latent_dim_ == 2
    for out in (Z, estimator.reconstruct(X), estimator.score_samples(X)):
        assert out.dtype.kind == "f"
        assert np.isfinite(out).all()


def test_more_normal_scores_higher(name, X):
    estimator = small(name, epochs=30).fit(X)
    noise = np.random.default_rng(1).random(X.shape)
    noise = (noise * 255).astype(np.uint8) if X.dtype == np.uint8 else noise.astype(np.float32)
    assert estimator.score(X) > estimator.score(noise)


def test_closing_the_generator_keeps_what_was_learned(name, X):
    estimator = small(name, batch_size=16)
    reports = estimator.fit_iter(X)
    first = next(reports)
    reports.close()
    assert first.epoch == 1
    assert np.isfinite(estimator.transform(X)).all()
    if first.epochs > 1:
        assert same(state(estimator), state_after_one_epoch(name, X))
        assert len(estimator.history_) == 1


def state_after_one_epoch(name, X):
    """Return the weights when the first of all epochs ends."""
    estimator = small(name)
    for report in estimator.fit_iter(X):
        if report.end_of_epoch:
            return state(estimator)
    raise AssertionError


def test_clone_and_params(name):
    estimator = small(name)
    assert clone(estimator).get_params() == estimator.get_params()
    assert estimator.set_params(latent_dim=3).latent_dim == 3
    assert set(estimator.get_params()) == {field.name for field in fields(estimator)}
    with pytest.raises(TypeError):
        ESTIMATORS[name](3)


def test_history_has_one_record_per_epoch(name, X):
    estimator = small(name).fit(X)
    assert [record["epoch"] for record in estimator.history_] == list(range(1, len(estimator.history_) + 1))
    assert all("loss" in record["train"] and record["seconds"] >= 0 for record in estimator.history_)
    assert len(estimator.history_) == getattr(estimator, "epochs", 1)


def test_nothing_works_before_fit(name, table, tmp_path):
    estimator = small(name)
    for verb in ("transform", "inverse_transform", "reconstruct", "score_samples", "score"):
        with pytest.raises(NotFittedError):
            getattr(estimator, verb)(table)
    with pytest.raises(NotFittedError):
        estimator.save(tmp_path)


def test_samples_of_another_shape_are_refused(name, X):
    estimator = small(name, epochs=1).fit(X)
    with pytest.raises(ValueError, match=name.upper() + ".*features|" + name.upper() + ".*samples of shape"):
        estimator.transform(X[..., :-1])


def test_codes_of_another_size_are_refused(name, X):
    estimator = small(name, epochs=1).fit(X)
    with pytest.raises(ValueError, match="Z must have latent_dim = 2 columns; got 3"):
        estimator.inverse_transform(np.zeros((2, 3)))


def test_sample_is_seeded_or_has_a_named_error(name, X):
    estimator = small(name, epochs=1).fit(X)
    samplers = ["gaussian", "prior"]
    if not estimator.module_.probabilistic:
        with pytest.raises(ValueError, match="prior over codes"):
            estimator.sample(2)
        samplers.remove("prior")
    before = torch.get_rng_state()
    for sampler in samplers:
        one = estimator.sample(4, 1, sampler)
        assert one.shape == (4, *X.shape[1:])
        np.testing.assert_array_equal(one, estimator.sample(4, 1, sampler))
        assert not np.array_equal(one, estimator.sample(4, 2, sampler))
        assert not np.array_equal(estimator.sample(4, sampler=sampler), estimator.sample(4, sampler=sampler))
    assert torch.equal(before, torch.get_rng_state())
    for n in (0, -1, 2.5):
        with pytest.raises(ValueError, match="n must be a whole number >= 1"):
            estimator.sample(n)


@pytest.mark.parametrize("chunk", [1, 20, 2**22])
def test_moments_of_the_data_are_taken_in_parts_of_any_size(monkeypatch, chunk):
    """A part of wide data has few rows: in float64 it takes as much memory however wide they are."""
    monkeypatch.setattr("narrows.estimators.base.CHUNK", chunk)
    X = np.random.default_rng(0).integers(0, 256, (23, 2, 5)).astype(np.uint8)
    mean, deviation, low, high, grey = _moments(X)
    np.testing.assert_allclose(mean, (X / 255).mean(0), rtol=1e-12)
    assert deviation == pytest.approx((X / 255).std(), rel=1e-12)
    assert (low, high, grey) == (X.min() / 255, X.max() / 255, True)
    assert not _moments(np.float32(X) + np.float32(0.5))[-1]
