"""One contract for every estimator, over the values of the axes and every kind of sample."""

import copy
import math

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from drawn import structured
from narrows import AE, ESTIMATORS, PCA, VAE
from narrows.components import Component
from narrows.corruptions import Masking
from narrows.data.batches import Batches
from narrows.errors import DataError
from narrows.estimators.inference import encoded, map_batches
from narrows.estimators.loading import load_model
from narrows.module import MAIN, Batch
from narrows.nn import MLP, VQ
from narrows.params import fields
from narrows.penalties import L1, Contractive
from narrows.training.optimizers import phase_parameters
from own import Mixture, registered

N = 24
NETWORK = {
    "table": "mlp:6,activation=tanh", "missing": "mlp:6,activation=tanh", "sequences": "recurrent:5",
    "ragged": "recurrent:5", "images": "conv:4,activation=tanh", "pixels": "conv:4,activation=tanh",
    "holes": "conv:4,activation=tanh",
}  # fmt: skip
KINDS = tuple(NETWORK)
RESIDUAL = "residual:4,activation=tanh"
FULL = ("table", "sequences", "images", "pixels")

CASES = {
    "pca": (PCA, {}, (*FULL, "missing", "holes")),
    "pca-scaled": (PCA, {"scale": "standard", "whiten": True}, ("images",)),
    "ae": (AE, {}, KINDS),
    "ae-residual": (AE, {"network": RESIDUAL, "likelihood": "gaussian:learned"}, ("missing", "pixels")),
    "ae-tied": (AE, {"network": MLP(hidden=(5,), activation="tanh", tied=True)}, ("missing",)),
    "ae-conv": (AE, {"network": "conv:4x4,activation=tanh,batch_norm=true"}, ("sequences", "pixels")),
    "ae-ordered": (AE, {"code": "ordered:tanh", "averaging": 0.5}, ("table", "ragged")),
    "ae-vq": (AE, {"code": VQ(size=6, positions=3)}, ("missing", "ragged", "images")),
    "ae-penalties": (AE, {"penalty": (L1(weight=0.1), "contractive:0.1")}, ("table", "ragged")),
    "ae-sparsity": (AE, {"code": "continuous:sigmoid", "penalty": "sparsity:0.1,target=0.3"}, ("pixels",)),
    "ae-adversarial": (AE, {"penalty": "adversarial:0.5,hidden=4"}, ("missing", "ragged", "images")),
    "ae-condition": (AE, {"condition": "concat"}, ("ragged", "pixels")),
    "ae-corruption": (AE, {"corruption": Masking(p=0.3), "likelihood": "laplace:learned"}, ("missing", "ragged")),
    "vae": (VAE, {}, KINDS),
    "vae-residual": (VAE, {"network": RESIDUAL}, ("table", "images")),
    "vae-ordered": (VAE, {"code": "ordered", "kl_warmup": 0.5}, ("missing",)),
    "vae-condition": (VAE, {"condition": "concat", "free_bits": 0.1}, ("missing", "sequences", "images")),
    "vae-grey": (VAE, {"likelihood": "discretized_logistic"}, ("pixels",)),
    "vae-own": (VAE, {"likelihood": "heteroscedastic:0.1", "prior": Mixture()}, ("missing", "ragged", "pixels")),
}  # fmt: skip
"""An estimator with values of its axes, and the kinds of samples that it is tried on."""

PAIRS = [(case, kind) for case, (_, _, kinds) in CASES.items() for kind in kinds]
TRAINED = [(case, kind) for case, kind in PAIRS if CASES[case][0] is not PCA]


def samples(kind):
    """Return N samples and their labels."""
    y = np.arange(N) % 3
    if kind == "table":
        return structured((6,), N) * 4 - 1, y
    if kind == "missing":
        X = structured((6,), N).astype(np.float64) * 1e3 + 1e5
        X[np.random.default_rng(1).random(X.shape) < 0.2] = math.nan
        return X, y
    if kind == "sequences":
        return structured((5, 3), N), y
    if kind == "ragged":
        return [x[: 2 + i % 4] * 10 for i, x in enumerate(structured((5, 3), N))], y
    images = structured((1, 7, 6), N)
    if kind == "holes":
        images[np.random.default_rng(1).random(images.shape) < 0.2] = math.nan
    return ((images * 255).round().astype(np.uint8) if kind == "pixels" else images), y


def make(case, kind, **changes):
    """Return an estimator that fits in a moment."""
    cls, options, _ = CASES[case]
    known = {field.name for field in fields(cls)}
    small = {"latent_dim": 2, "epochs": 3, "batch_size": 12, "learning_rate": 1e-2, "network": NETWORK[kind]}
    return cls(**{name: value for name, value in {**small, **options, **changes}.items() if name in known})


FITTED, LEARNED = {}, {}


@pytest.fixture(scope="module", autouse=True)
def _own_components():
    with registered():
        yield
    FITTED.clear()
    LEARNED.clear()


@pytest.fixture
def fitted(case, kind):
    """A fitted estimator and its samples; fitted once for all tests, and copied for each."""
    if (case, kind) not in FITTED:
        X, y = samples(kind)
        FITTED[case, kind] = make(case, kind).fit(X, y)
    return (copy.deepcopy(FITTED[case, kind]), *samples(kind))


def state(estimator):
    return {name: t.clone() for name, t in estimator.module_.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def flat(values):
    """Return samples, or what came of them, as one array of numbers: (n, -1), or (n,) for a list."""
    return np.concatenate([v.ravel() for v in values]) if isinstance(values, list) else np.asarray(values)


def outputs(estimator, X, y):
    return [flat(getattr(estimator, verb)(X, y=y)) for verb in ("transform", "reconstruct", "score_samples")]


def whole(estimator, X, y):
    """Return all samples as one batch, with noise of a seed."""
    module = estimator.module_
    data = encoded(estimator, X, y)
    rows = Batches(data, estimator.schema_, module.device, module.dtype, module.density)
    return rows.whole(rng=torch.Generator().manual_seed(5))


both = pytest.mark.parametrize(("case", "kind"), PAIRS)
trained = pytest.mark.parametrize(("case", "kind"), TRAINED)
once = pytest.mark.parametrize(("case", "kind"), [(case, kinds[0]) for case, (_, _, kinds) in CASES.items()])
few = pytest.mark.parametrize(("case", "kind"), [("ae", "table"), ("vae", "ragged"), ("ae-adversarial", "images")])


@both
def test_a_seeded_refit_is_bitwise_the_same(case, kind, fitted):
    estimator, X, y = fitted
    before = state(estimator)
    again = estimator.fit(X, y) if kind == "table" else make(case, kind).fit(X, y)  # of itself, and of another
    assert same(state(again), before)
    assert [r["train"] for r in again.history_] == [r["train"] for r in FITTED[case, kind].history_]


@few
def test_another_seed_is_another_model(case, kind, fitted):
    estimator, X, y = fitted
    assert not same(state(make(case, kind, seed=1, epochs=1).fit(X, y)), state(estimator))


@both
def test_save_and_load_round_trip_bitwise(case, kind, fitted, tmp_path):
    estimator, X, y = fitted
    back = load_model(estimator.save(tmp_path / "model"))
    assert type(back) is type(estimator)
    assert back.get_params() == estimator.get_params()
    assert clone(back).get_params() == clone(estimator).get_params()
    assert same(state(back), state(estimator))
    assert back.schema_.record() == estimator.schema_.record()
    assert back.code_ == estimator.code_
    assert back.history_ == estimator.history_
    for one, other in zip(outputs(back, X, y), outputs(estimator, X, y), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(back.codes_, estimator.codes_)
    assert (back.save(tmp_path / "again") / "model.json").exists()


def learned(case, kind):
    """Return an estimator that was trained long enough to have learned something; not to be changed."""
    if (case, kind) not in LEARNED:
        thorough = case in ("pca", "ae", "vae", "ae-vq")
        made = make(case, kind, epochs=30 if thorough else 12, learning_rate=4e-2 if thorough else 1e-2)
        LEARNED[case, kind] = made.fit(*samples(kind))
    return LEARNED[case, kind]


@both
def test_the_loss_falls(case, kind):
    estimator = learned(case, kind)
    # A weight that rises, and a discriminator that learns, raise other terms.
    term = "reconstruction" if case in ("vae-ordered", "ae-adversarial") else "loss"
    history = [record["train"][term] for record in estimator.history_]
    assert np.isfinite(history).all()
    assert len(history) == 1 or min(history[-3:]) < history[0]


NEARER = [
    pair for pair in PAIRS if pair[0] in ("pca", "ae", "ae-vq") or (pair[0] == "vae" and pair[1] in ("table", "pixels"))
]


@pytest.mark.parametrize(("case", "kind"), NEARER)
def test_reconstructions_are_nearer_than_the_mean(case, kind):
    X, _ = samples(kind)
    estimator = learned(case, kind)
    data = encoded(estimator, X)
    x, mask = estimator.schema_.values(data), data.mask if data.mask is not None else np.ones(data.x.shape, bool)
    x_hat = estimator.schema_.values(encoded(estimator, estimator.reconstruct(X)))
    mean = np.where(mask, x, 0).sum(0) / np.maximum(mask.sum(0), 1)
    error, baseline = (np.where(mask, (x - other) ** 2, 0).sum() for other in (x_hat, mean))
    assert error < baseline


@trained
def test_a_gradient_reaches_every_parameter(case, kind, fitted):
    estimator, X, y = fitted
    module = estimator.module_.train()
    names = {id(p): name for name, p in module.named_parameters()}
    batch = whole(estimator, X, y)
    reached = 0
    for phase, parameters in phase_parameters(module).items():
        module.zero_grad()
        module.loss(batch, phase).total.mean().backward(inputs=parameters)
        for parameter in parameters:
            assert parameter.grad is not None, names[id(parameter)]
            assert torch.isfinite(parameter.grad).all(), names[id(parameter)]
            assert parameter.grad.abs().sum() > 0, names[id(parameter)]
            reached += 1
    assert reached == sum(p.requires_grad for p in module.parameters()) > 0


@pytest.mark.parametrize("kind", FULL)
def test_pca_sets_every_parameter_and_trains_none(kind):
    X, _ = samples(kind)
    module = PCA(latent_dim=2).fit(X).module_
    assert not any(phase_parameters(module).values())
    assert {name for name, p in module.named_parameters() if p.abs().sum() > 0} == {
        "mean", "components", "variance", "variance_ratio", "noise_variance",
    }  # fmt: skip


@both
def test_terms_have_one_value_per_sample(case, kind, fitted):
    estimator, X, y = fitted
    for phase in estimator.module_.phases():
        loss = estimator.module_.loss(whole(estimator, X, y), phase)
        assert all(term.shape == (N,) for term in (*loss.terms.values(), *loss.metrics.values()))
        assert all(value.shape == () for value in loss.batch_metrics.values())
        if phase == MAIN:
            assert next(iter(loss.terms)) == "reconstruction"


@both
def test_evaluation_does_not_depend_on_the_batch(case, kind, fitted):
    estimator, X, y = fitted
    for function in (estimator.module_.encode, estimator.module_.score):
        together, in_threes = (map_batches(estimator, function, X, y, size=size) for size in (N, 3))
        np.testing.assert_allclose(in_threes, together, rtol=1e-4, atol=1e-5)
    before = outputs(estimator, X, y)
    for one, other in zip(outputs(estimator, X, y), before, strict=True):
        np.testing.assert_array_equal(one, other)
    alone = estimator.score_samples(X[3:4], y=y[3:4])
    np.testing.assert_allclose(alone, before[2][3:4], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("case", "kind"), [pair for pair in TRAINED if pair[1] in ("missing", "ragged", "holes")])
@pytest.mark.parametrize("hidden", [math.nan, -1e30])
def test_what_is_masked_changes_nothing(case, kind, fitted, hidden):
    """Neither loss, nor gradients, nor codes, nor scores: of missing values, and of what pads a sequence."""
    estimator, X, y = fitted
    module = estimator.module_

    def results(value):
        batch = whole(estimator, X, y)
        assert batch.mask is not None
        batch = Batch(
            torch.where(batch.mask, batch.x, value), batch.mask, batch.lengths, batch.y, 1.0,
            torch.Generator().manual_seed(5), batch.log_jacobian,
        )  # fmt: skip
        found = []
        for phase, parameters in phase_parameters(module.train()).items():
            module.zero_grad()
            total = module.loss(batch, phase).total
            total.mean().backward(inputs=parameters)
            found += [total.detach(), *(p.grad.clone() for p in parameters)]
        module.eval()
        with torch.no_grad():
            return [*found, module.encode(batch), module.score(batch)]

    expected = results(0.0)
    assert all(torch.isfinite(t).all() for t in expected)
    assert all(map(torch.equal, results(hidden), expected))


@pytest.mark.parametrize(("case", "kind"), [pair for pair in TRAINED if pair[1] == "ragged"])
def test_a_sequence_alone_is_what_it_is_among_longer_ones(case, kind, fitted):
    estimator, X, y = fitted
    for rows in (slice(0, 1), slice(0, 24, 4), slice(0, 2)):  # of two steps alone, all of two steps, of two and three
        for verb in ("transform", "reconstruct", "score_samples"):
            alone, among = getattr(estimator, verb)(X[rows], y=y[rows]), getattr(estimator, verb)(X, y=y)[rows]
            for one, other in zip(alone, among, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    array = np.stack(X[0:24:4])  # of one length, and given as an array
    np.testing.assert_array_equal(estimator.reconstruct(array, y=y[::4]), estimator.reconstruct(X[::4], y=y[::4]))


@both
def test_shapes_and_types(case, kind, fitted):
    estimator, X, y = fitted
    Z = estimator.transform(X, y)
    assert Z.shape == (N, *estimator.code_.shape)
    assert estimator.codes_.shape == Z.shape
    assert Z.dtype == (estimator.computing_dtype if estimator.code_.continuous else np.int64)
    X_hat = estimator.reconstruct(X, y=y)
    if kind == "ragged":
        assert [x.shape for x in X_hat] == [x.shape for x in X]
        assert {x.dtype for x in X_hat} == {x.dtype for x in X}
    else:
        assert (X_hat.shape, X_hat.dtype) == (X.shape, X.dtype)
        np.testing.assert_allclose(
            estimator.inverse_transform(Z, y), X_hat, rtol=1e-5, atol=0 if kind == "pixels" else 1e-3
        )
    assert estimator.score_samples(X, y).shape == (N,)
    assert estimator.score(X, y) == pytest.approx(estimator.score_samples(X, y).mean(dtype=np.float64))
    assert estimator.sample_shape_ == ((5, 3) if kind == "ragged" else X.shape[1:])
    assert estimator.n_features_in_ == np.prod(estimator.sample_shape_)
    assert estimator.schema_.pixels is (kind == "pixels")
    assert estimator.schema_.ragged is (kind == "ragged")
    assert estimator.latent_dim_ == 2
    for out in outputs(estimator, X, y):
        assert np.isfinite(out).all()


@pytest.mark.parametrize(("case", "kind"), [pair for pair in PAIRS if pair[0] in ("pca", "ae", "vae")])
def test_more_normal_scores_higher(case, kind):
    X, _ = samples(kind)
    estimator = learned(case, kind)
    rng = np.random.default_rng(1)
    noise = [rng.permutation(x.ravel()).reshape(x.shape) for x in X] if kind == "ragged" else rng.permuted(X, axis=0)
    if kind in ("images", "pixels", "sequences", "holes"):
        noise = rng.permuted(X.reshape(N, -1), axis=1).reshape(X.shape)
    assert estimator.score(X) > estimator.score(noise)


@few
def test_closing_the_generator_keeps_what_was_learned(case, kind):
    X, y = samples(kind)
    estimator = make(case, kind)
    for report in estimator.fit_iter(X, y):
        if report.end_of_epoch:
            break
    assert len(estimator.history_) == 1
    assert all(np.isfinite(out).all() for out in outputs(estimator, X, y))
    other = make(case, kind)
    reports = other.fit_iter(X, y)
    while not next(reports).end_of_epoch:
        pass
    reports.close()
    assert same(state(estimator), state(other))


@both
def test_sample_is_seeded_or_has_a_named_error(case, kind, fitted):
    estimator, X, y = fitted
    samplers = {"gaussian": estimator.code_.continuous, "prior": CASES[case][0] is VAE or case == "ae-adversarial"}
    before = torch.get_rng_state()
    for sampler, known in samplers.items():
        if not known:
            with pytest.raises(ValueError, match=f"{type(estimator).__name__}: sampler must be .*; got '{sampler}'"):
                estimator.sample(2, 0, sampler, y=y[:2])
            continue
        one = estimator.sample(4, 1, sampler, y=y[:4])
        assert one.shape == (4, *estimator.sample_shape_)
        assert one.dtype == estimator.reconstruct(X, y=y)[0].dtype
        np.testing.assert_array_equal(one, estimator.sample(4, 1, sampler, y=y[:4]))
        assert not np.array_equal(one, estimator.sample(4, 2, sampler, y=y[:4]))
    assert torch.equal(before, torch.get_rng_state())


@once
def test_params(case, kind):
    estimator = make(case, kind)
    assert clone(estimator).get_params() == estimator.get_params()
    assert set(estimator.get_params(deep=False)) == {field.name for field in fields(estimator)}
    assert estimator.set_params(latent_dim=3).latent_dim == 3
    nested = [name for name in estimator.get_params() if "__" in name]
    for name in nested:
        outer, _, inner = name.partition("__")
        value = estimator.get_params()[name]
        estimator.set_params(**{name: value})
        assert isinstance(getattr(estimator, outer), Component)
        assert getattr(getattr(estimator, outer), inner) == value
    if CASES[case][0] is not PCA:
        assert {"code__activation", "network__hidden"} & set(nested)
    with pytest.raises(TypeError):
        type(estimator)(3)


@once
def test_history_has_one_record_per_epoch(case, kind, fitted):
    estimator, _, _ = fitted
    assert [record["epoch"] for record in estimator.history_] == list(range(1, len(estimator.history_) + 1))
    assert all("loss" in record["train"] and record["seconds"] >= 0 for record in estimator.history_)
    assert len(estimator.history_) == getattr(estimator, "epochs", 1)


@both
def test_samples_of_another_shape_are_refused(case, kind, fitted):
    estimator, X, y = fitted
    name = type(estimator).__name__
    fewer = [x[:, :-1] for x in X] if kind == "ragged" else X[..., :-1]
    with pytest.raises(ValueError, match=rf"{name}.*features|{name}.*samples of shape"):
        estimator.transform(fewer, y)
    if kind == "ragged":
        with pytest.raises(DataError, match=f"{name}: X must have sequences of at most 5 steps, as in fit; got 6"):
            estimator.transform([np.zeros((6, 3)), X[0]], y[:2])


@once
def test_codes_of_another_size_are_refused(case, kind, fitted):
    estimator, _, y = fitted
    message = (
        "Z must have latent_dim = 2 columns; got 3" if estimator.code_.continuous else "Z must have codes of shape"
    )
    with pytest.raises(ValueError, match=message):
        estimator.inverse_transform(np.zeros((2, 3 if estimator.code_.continuous else 50), int), y[:2])


@both
def test_the_data_stay_as_they_are(case, kind, fitted):
    """No verb writes into the samples or the codes of the caller, whatever the network does in place."""
    estimator, X, y = fitted
    for layer in estimator.module_.modules():
        if hasattr(layer, "inplace"):
            layer.inplace = True
    before = copy.deepcopy(X)
    outputs(estimator, X, y)
    make(case, kind, epochs=1).fit(X, y)
    Z = estimator.transform(X, y)
    codes = Z.copy()
    estimator.inverse_transform(Z, y)
    np.testing.assert_array_equal(Z, codes)
    for one, other in zip(X, before, strict=True):
        np.testing.assert_array_equal(one, other)


# What needs no combination


@pytest.fixture(params=list(ESTIMATORS))
def name(request):
    return request.param


def test_evaluation_beyond_one_chunk(name, table, monkeypatch):
    known = {field.name for field in fields(ESTIMATORS[name])}
    options = {"latent_dim": 2, "epochs": 1, "network": "mlp:4"}
    estimator = ESTIMATORS[name](**{k: v for k, v in options.items() if k in known}).fit(table)
    monkeypatch.setattr("narrows.data.batches.ROWS", 100)
    many = np.tile(table, (6, 1))  # 288 rows: three chunks
    np.testing.assert_allclose(estimator.transform(many)[-48:], estimator.transform(table), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(estimator.reconstruct(many)[-48:], estimator.reconstruct(table), rtol=1e-4, atol=1e-5)
    assert estimator.inverse_transform(estimator.transform(many)).shape == many.shape


def test_nothing_works_before_fit(name, table, tmp_path):
    estimator = ESTIMATORS[name]()
    for verb in ("transform", "inverse_transform", "reconstruct", "score_samples", "score", "impute"):
        with pytest.raises((NotFittedError, ValueError), match=r"not fitted|takes missing values"):
            getattr(estimator, verb)(table)
    for call in (lambda: estimator.save(tmp_path), estimator.sample):
        with pytest.raises(NotFittedError):
            call()


def test_how_many_samples(table):
    for model in (PCA(latent_dim=2).fit(table), VAE(latent_dim=2, network="mlp:4", epochs=1).fit(table)):
        assert model.sample(np.int64(2), np.int64(3), "gaussian").shape == (2, 6)
        assert not np.array_equal(model.sample(4, sampler="gaussian"), model.sample(4, sampler="gaussian"))
        for n in (0, -1, 2.5, True, "2"):
            with pytest.raises(ValueError, match="n must be a whole number >= 1"):
                model.sample(n)


def test_objects_in_files_are_plain_json(tmp_path, table):
    import json

    model = AE(latent_dim=2, network=MLP(hidden=(3, 4)), penalty=(L1(weight=0.5), Contractive()), epochs=1).fit(table)
    described = json.loads((model.save(tmp_path) / "model.json").read_text())["parameters"]
    hidden = {"hidden": [3, 4], "activation": "relu", "output_activation": "linear", "tied": False}
    assert described["network"] == {"mlp": hidden}
    assert described["penalty"] == [{"l1": {"weight": 0.5}}, {"contractive": {"weight": 0.1}}]
    assert load_model(tmp_path).get_params() == model.get_params()
