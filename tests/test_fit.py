"""A fit that fails, is left, or is never begun; and the process around it: threads, random states, devices."""

import copy
import threading

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.exceptions import NotFittedError
from torch.overrides import TorchFunctionMode

from drawn import structured
from narrows import AE, PCA, VAE
from narrows.errors import ConfigError, DataError, DivergedError
from narrows.probability.densities import fit_density
from narrows.training.optimizers import FUSED, OPTIMIZERS, optimizer
from own import Heteroscedastic

QUICK = {"latent_dim": 2, "network": "mlp:6", "epochs": 2, "batch_size": 16}
X = structured((6,)) * 3
MODELS = {"pca": PCA(latent_dim=2), "ae": AE(**QUICK), "vae": VAE(**QUICK)}


@pytest.fixture(params=MODELS)
def model(request):
    return copy.deepcopy(MODELS[request.param])


def fail(x, rng):
    raise RuntimeError("of the user's own")


def explode(x, rng):
    return x * torch.nan


FAILURES = {
    "data": (lambda m: m.fit(np.full((9, 6), np.inf)), DataError),
    "shape": (lambda m: m.fit(np.zeros((3, 2, 2, 2, 2))), DataError),
    "parameter": (lambda m: m.set_params(latent_dim=0).fit(X), ConfigError),
    "validation": (lambda m: m.fit(X, validation=2.5), DataError),
    "validation of another shape": (lambda m: m.fit(X, validation=X[:, :3]), (DataError, ValueError)),
}
IN_TRAINING = {
    "the user's own": (lambda m: m.set_params(corruption=fail).fit(X), RuntimeError),
    "diverged": (lambda m: m.set_params(corruption=explode).fit(X), DivergedError),
    "network": (lambda m: m.set_params(network="conv").fit(X), ConfigError),
    "likelihood": (lambda m: m.set_params(likelihood="bernoulli", scale=None).fit(X), DataError),
    "patience": (lambda m: m.set_params(patience=2).fit(X), ConfigError),
    "device": (lambda m: m.set_params(device="mps").fit(X), ConfigError),
}


def outcome(call, fitted):
    """Return an estimator's attributes after a failure: those that it learned."""
    how, kinds = call
    with pytest.raises(kinds):
        how(fitted)
    return {name for name in vars(fitted) if name.endswith("_") and not name.startswith("_")}


@pytest.mark.parametrize("case", FAILURES)
def test_a_fit_that_fails_leaves_nothing(model, case):
    assert outcome(FAILURES[case], model) == set()
    with pytest.raises(NotFittedError):
        model.set_params(latent_dim=2).transform(X)


@pytest.mark.parametrize("case", IN_TRAINING)
@pytest.mark.parametrize("cls", [AE, VAE])
def test_a_training_that_fails_leaves_nothing(cls, case):
    if case == "device" and torch.backends.mps.is_available():
        pytest.skip("this machine has mps")
    made = cls(**QUICK)
    assert outcome(IN_TRAINING[case], made) == set()
    with pytest.raises(NotFittedError):
        made.transform(X)


@pytest.mark.parametrize("case", [*FAILURES, *IN_TRAINING])
def test_a_fit_that_fails_leaves_the_last_good_one(model, case):
    frame = pd.DataFrame(X, columns=list("abcdef"))
    call = FAILURES.get(case) or IN_TRAINING[case]
    if case in IN_TRAINING and isinstance(model, PCA):
        return
    if case == "device" and torch.backends.mps.is_available():
        pytest.skip("this machine has mps")
    params = model.fit(frame, validation=0.2).get_params(deep=False)
    before = vars(model).copy()
    expected = np.asarray(model.reconstruct(frame))
    outcome(call, model)
    model.set_params(**params)
    assert {k: v for k, v in vars(model).items() if k not in params} == {
        k: v for k, v in before.items() if k not in params
    }
    np.testing.assert_array_equal(np.asarray(model.reconstruct(frame)), expected)


def test_a_fit_that_was_not_begun_changes_nothing(model):
    model.fit_iter(X)
    with pytest.raises(NotFittedError):
        model.transform(X)
    codes = model.fit(X).transform(X)
    model.fit_iter(X[:20] * 5)
    model.fit_iter(X[:20] * 5).close()
    np.testing.assert_array_equal(model.transform(X), codes)


def test_an_error_comes_at_once_and_not_at_the_first_step(model):
    with pytest.raises(DataError):
        model.fit_iter(np.full((3, 6), np.inf))


def test_a_divergence_after_a_report_keeps_what_was_learned():
    calls = []

    def late(x, rng):
        calls.append(1)
        return x * (torch.nan if len(calls) > 4 else 1.0)  # three steps an epoch

    ae = AE(**QUICK, corruption=late)
    with pytest.raises(DivergedError, match=r"step 5 \(epoch 2"):
        ae.fit(X)
    assert len(ae.history_) == 1
    assert np.isfinite(ae.transform(X)).all()
    assert ae.codes_.shape == (48, 2)


@pytest.mark.parametrize("validation", [0.25, np.float32(0.25), np.float64(0.25)])
def test_a_share_may_be_numpys(model, validation):
    assert model.fit(X, validation=validation).schema_.rows == 36


# Threads and random states --------------------------------------------------------------------------------------------


def in_threads(*functions):
    """Run functions at once, and return what they return."""
    results = [None] * len(functions)

    def run(i):
        results[i] = functions[i]()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.slow
def test_fits_in_threads_are_those_of_one_thread():
    """Weights, order, noise, dropout in a user's layers, and what is drawn: none is of a global generator."""
    network = (
        torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Dropout(0.3), torch.nn.Linear(8, 2)),
        torch.nn.Linear(2, 6),
    )

    def work(seed):
        made = VAE(**{**QUICK, "epochs": 3}, seed=seed, corruption="masking:0.2").fit(X, validation=0.2)
        other = AE(**{**QUICK, "network": network}, seed=seed, penalty="adversarial:1,hidden=4").fit(X)
        density = fit_density(made.transform(X), "gmm", seed).sample(5, seed)
        drawn = [m.sample(4, 5) for m in (made, other) for _ in range(3)]
        return [*drawn, made.transform(X), other.transform(X), density, made.impute(np.where(X > 2.5, np.nan, X))]

    alone = [work(seed) for seed in (0, 1)]
    before = torch.get_rng_state()
    for _ in range(2):
        for one, other in zip(in_threads(lambda: work(0), lambda: work(1)), alone, strict=True):
            for a, b in zip(one, other, strict=True):
                np.testing.assert_array_equal(a, b)
    assert torch.equal(torch.get_rng_state(), before)


def test_one_model_is_used_by_threads_at_once():
    fitted = VAE(**QUICK).fit(X)
    expected = [fitted.transform(X), fitted.reconstruct(X), fitted.score_samples(X), fitted.sample(4, seed=5)]

    def work():
        return [
            [fitted.transform(X), fitted.reconstruct(X), fitted.score_samples(X), fitted.sample(4, seed=5)]
            for _ in range(20)
        ]

    for results in in_threads(work, work):
        for result in results:
            for a, b in zip(result, expected, strict=True):
                np.testing.assert_array_equal(a, b)
    assert not fitted.module_.training


@pytest.mark.parametrize("seed", [1, 2])
def test_the_global_generators_are_neither_read_nor_moved(model, seed):
    expected = copy.deepcopy(model).fit(X).transform(X)
    state = torch.get_rng_state()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        moved = torch.get_rng_state()
        np.testing.assert_array_equal(model.fit(X).transform(X), expected)
        model.sample(3, 0, "gaussian")
        assert torch.equal(torch.get_rng_state(), moved)
    assert torch.equal(torch.get_rng_state(), state)


# Devices, simulated ---------------------------------------------------------------------------------------------------


class NoDouble(TorchFunctionMode):
    """As on a device without double precision: only what has come to the CPU may be made double."""

    def __init__(self):
        super().__init__()
        self.home = set()
        self.kept = []  # so that no id is used again

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        asked = [*args[1:], *kwargs.values()]
        to_double = name == "double" or (name in ("to", "type", "sum", "mean", "cumsum") and torch.float64 in asked)
        if to_double and id(args[0]) not in self.home and args[0].dtype != torch.float64:
            pytest.fail(f"{name} makes a tensor on the device double")
        result = func(*args, **kwargs)
        if name in ("cpu", "from_numpy"):
            self.home.add(id(result))
            self.kept.append(result)
        return result


def test_the_simulation_notices():
    with NoDouble():
        torch.zeros(2).cpu().double()
        for make in (lambda t: t.double(), lambda t: t.to(torch.float64), lambda t: t.sum(dtype=torch.float64)):
            with pytest.raises(pytest.fail.Exception, match="on the device double"):
                make(torch.zeros(2))


@pytest.mark.parametrize(
    ("cls", "fields", "kind"),
    [
        (AE, {}, "table"),
        (VAE, {"likelihood": "gaussian:learned"}, "table"),
        (VAE, {"likelihood": "continuous_bernoulli", "network": "conv:3"}, "pixels"),
        (VAE, {"network": "residual:3"}, "images"),
        (AE, {"likelihood": Heteroscedastic(), "network": "recurrent:4"}, "sequences"),
        (AE, {"code": "vq:4", "penalty": "adversarial:1,hidden=3"}, "table"),
    ],
)
def test_nothing_on_the_device_is_double(cls, fields, kind):
    """Apple's GPUs have none; training, validation, scores, codes and samples go without."""
    data = {
        "table": X,
        "pixels": (structured((1, 5, 4)) * 255).astype(np.uint8),
        "images": structured((1, 5, 4)),
        "sequences": structured((5, 3)),
    }[kind]
    with NoDouble():
        made = cls(**{**QUICK, **fields}).fit(data, validation=0.2)
        results = [made.transform(data), made.reconstruct(data), np.array(made.score(data)), made.impute(data)]
        if made.code_.continuous:
            results.append(made.sample(3, 0, "prior" if cls is VAE else "gaussian"))
    assert [len(result) for result in results[:2]] == [len(data)] * 2
    assert all(np.isfinite(result).all() for result in results)
    assert {tensor.dtype for tensor in made.module_.parameters()} == {torch.float32}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("device", ["cpu", "cuda", "mps", "xpu"])
def test_steps_are_fused_where_torch_can(name, device):
    made = optimizer(
        name,
        [torch.nn.Parameter(torch.ones(2))],
        0.1,
        momentum=0.0,
        adam_betas=(0.9, 0.99),
        weight_decay=0.0,
        device=device,
    )
    fused = bool(made.defaults.get("fused"))
    assert fused is (device in FUSED.get(name, ()))
    assert not (name == "adagrad" and device != "cpu" and fused)
    assert not (device == "xpu" and fused)
