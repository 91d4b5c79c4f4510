"""Models trained at once: each ends where it ends alone, keeps its own noise and stop, and fails alone."""

import contextlib
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import narrows.together
from narrows import AE, PCA, VAE
from narrows.datasets import load_dataset
from narrows.errors import DivergedError
from narrows.evaluation import compare_models
from narrows.losses import Loss
from narrows.modules import Module
from narrows.runs import Run
from narrows.sweeps import Sweep
from narrows.together import batches
from narrows.training import Lockstep, Rows, Settings, Training, fits, rehearse, train

X = (np.random.default_rng(0).normal(size=(50, 3)) @ np.random.default_rng(1).normal(size=(3, 12))).astype(np.float32)
HELD_OUT = X[:11] + 0.1
SMALL = {"network": "mlp", "hidden": (9,), "latent_dim": 2, "epochs": 4, "batch_size": 16, "learning_rate": 0.01}
IMAGES = X[:, :9].reshape(50, 1, 3, 3)


def at_once(estimators, data=X, validation=None):
    """Fit all, and return the error of each."""
    lockstep, errors = Lockstep(), []
    readers = [estimator.fit_iter(data, validation=validation, trainer=lockstep.train) for estimator in estimators]
    assert [next(reader).step for reader in readers] == [0] * len(readers)
    for reader in readers:
        error = None
        try:
            for _ in reader:
                pass
        except DivergedError as problem:
            error = str(problem)
        errors.append(error)
    return errors


def assert_same(one, other, rtol=1e-4, weights=True):
    assert len(one.history_) == len(other.history_)
    for a, b in zip(one.history_, other.history_, strict=True):
        for part in ("train", "validation"):
            assert (a[part] or {}).keys() == (b[part] or {}).keys()
            assert a[part] == (None if b[part] is None else pytest.approx(b[part], rel=rtol, abs=1e-5))
        kept = ("epoch", "step", "learning_rate", "best", "note")
        assert [a[name] for name in kept] == [b[name] for name in kept]
    for mine, theirs in zip(one.module_.parameters(), other.module_.parameters(), strict=True):
        if weights:
            torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4)


RATES = [{"seed": 0}, {"seed": 1, "learning_rate": 0.003}, {"seed": 2}]


@pytest.mark.parametrize(
    ("cls", "shared", "own"),
    [
        (AE, {}, RATES),
        (AE, {"optimizer": "adamw", "weight_decay": 0.1, "clip": 0.5}, RATES),
        (AE, {"optimizer": "sgd", "momentum": 0.9, "learning_rate": 1e-3, "tied": True}, [{"seed": 0}, {"seed": 1}]),
        (AE, {"optimizer": "rmsprop", "corruption": "masking:0.3"}, RATES),
        (AE, {"corruption": lambda x, rng: x + torch.randint(0, 2, x.shape, generator=rng)}, RATES),
        (AE, {"sparsity": "l1"}, [{"seed": 0, "sparsity_weight": 0.1}, {"seed": 0, "sparsity_weight": 2.0}]),
        (VAE, {"likelihood": "gaussian:learned"}, [{"seed": s, "beta": b} for s in (0, 1) for b in (0.5, 4.0)]),
        (VAE, {"ordered": True, "corruption": "gaussian:0.2", "free_bits": 0.1, "kl_warmup": 0.5}, RATES),
        (VAE, {"network": "residual"}, RATES),
    ],
)  # fmt: skip
@pytest.mark.parametrize("validation", [None, HELD_OUT, 0.2])
def test_each_ends_where_it_ends_alone(cls, shared, own, validation):
    fields = [{**SMALL, **shared, **each} for each in own]
    several = [cls(**each) for each in fields]
    assert at_once(several, validation=validation) == [None] * len(own)
    for estimator, each in zip(several, fields, strict=True):
        assert_same(estimator, cls(**each).fit(X, validation=validation))
        assert not estimator.module_.training


@pytest.mark.parametrize("batch_norm", [False, True])
def test_convolutions_and_their_norms_train_at_once(batch_norm):
    fields = {**SMALL, "network": "conv", "hidden": (3, 4), "batch_norm": batch_norm}
    several = [AE(seed=seed, **fields) for seed in (0, 1)]
    at_once(several, IMAGES, IMAGES[:9])
    for seed, estimator in enumerate(several):
        alone = AE(seed=seed, **fields).fit(IMAGES, validation=IMAGES[:9])
        # A norm takes out the bias before it, which Adam then moves by rounding errors.
        assert_same(estimator, alone, rtol=1e-3, weights=not batch_norm)


def test_every_model_stops_early_by_itself():
    fields = {**SMALL, "epochs": 30, "patience": 1, "schedule": "constant", "warmup": 0.0}
    own = [{"seed": s, "learning_rate": rate} for s in (0, 1) for rate in (0.05, 0.002)]
    several = [AE(**{**fields, **each}) for each in own]
    at_once(several, validation=HELD_OUT)
    lengths = [len(estimator.history_) for estimator in several]
    assert len(set(lengths)) > 1
    assert min(lengths) < 30
    for estimator, each in zip(several, own, strict=True):
        assert_same(estimator, AE(**{**fields, **each}).fit(X, validation=HELD_OUT), rtol=1e-3)


def test_one_that_diverges_fails_alone():
    fields = {**SMALL, "optimizer": "sgd", "epochs": 20, "schedule": "constant", "warmup": 0.0}
    rates = (1e-3, 1e7, 1e-2)
    several = [AE(**{**fields, "learning_rate": rate}) for rate in rates]
    errors = at_once(several)
    with pytest.raises(DivergedError) as alone:
        AE(**{**fields, "learning_rate": 1e7}).fit(X)
    assert errors == [None, str(alone.value), None]
    assert all(torch.isfinite(p).all() for p in several[1].module_.parameters())
    for position in (0, 2):
        assert_same(several[position], AE(**{**fields, "learning_rate": rates[position]}).fit(X))


def test_one_whose_reader_leaves_keeps_what_it_learned_and_the_others_go_on():
    several = [AE(seed=seed, **SMALL) for seed in range(3)]
    lockstep = Lockstep()
    readers = [estimator.fit_iter(X, trainer=lockstep.train) for estimator in several]
    for reader in readers:
        next(reader)
    assert next(readers[0]).epoch == 1
    readers[0].close()
    left = [p.clone() for p in several[0].module_.parameters()]
    assert [[report.epoch for report in reader] for reader in readers[1:]] == [[1, 2, 3, 4]] * 2
    assert all(torch.equal(a, b) for a, b in zip(left, several[0].module_.parameters(), strict=True))
    for seed in (1, 2):
        assert_same(several[seed], AE(seed=seed, **SMALL).fit(X))


def test_a_program_may_end_while_models_are_trained():
    code = """
import numpy as np
from narrows import AE
from narrows.training import Lockstep
lockstep = Lockstep()
X = np.random.default_rng(0).random((300, 8)).astype(np.float32)
readers = [AE(latent_dim=2, hidden=(3,), seed=s, epochs=2).fit_iter(X, trainer=lockstep.train) for s in (0, 1)]
print([next(reader).step for reader in readers], next(readers[0]).epoch)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[0, 0] 1\n"


class Line(Module):
    """x W, with whatever a test makes of the loss."""

    def __init__(self, start, change=lambda module, batch: 0.0):
        super().__init__()
        self.weight, self.change, self.scale = nn.Parameter(torch.eye(12) * start), change, start
        self.shared = nn.Linear(12, 12, bias=False)
        self.shared.weight = self.weight  # one tensor with two names

    def encode(self, x):
        return self.shared(x)

    decode = score = encode

    def loss(self, batch):
        errors = ((batch.x - batch.x @ self.weight - self.encode(batch.x)) ** 2).sum(1)
        return Loss({"reconstruction": errors + self.change(self, batch)})


def trainings(change=lambda module, batch: 0.0, n=2, **settings):
    rows = Rows(X, torch.device("cpu"))
    return [
        Training(Line(0.1 * (seed + 1), change), rows, Settings(epochs=30, batch_size=5, seed=seed, **settings), None)
        for seed in range(n)
    ]


def test_a_loss_that_shoots_up_is_told_of_as_alone():
    def jump(module, batch):
        return batch.x.sum(1) * 0 + 1e6 * (batch.progress > 0.001)

    for trainer in (train, Lockstep().train):
        (training,) = trainings(jump, n=1, learning_rate=1e-3)
        with pytest.warns(UserWarning, match=r"rose from .* by step 2: the learning rate is probably too high"):
            list(trainer(*training))


def test_weights_with_two_names_are_one():
    lockstep, alone = Lockstep(), trainings(learning_rate=0.01)
    several = trainings(learning_rate=0.01)
    readers = [lockstep.train(*training) for training in several]
    for reader in readers:
        next(reader)
    for reader, mine, theirs in zip(readers, several, alone, strict=True):
        list(reader)
        list(train(*theirs))
        assert mine.module.weight is mine.module.shared.weight
        torch.testing.assert_close(mine.module.weight, theirs.module.weight, rtol=1e-4, atol=1e-6)


def test_each_keeps_its_noise_where_what_is_drawn_changes_from_step_to_step():
    def turns(module, batch):
        turn, x = round(batch.progress * 299) % 5, batch.x
        noise = torch.zeros(x.shape)
        if turn in (0, 1, 2):
            noise = noise + torch.randn(x.shape, generator=batch.rng)
        if turn in (2, 3):  # one more than the step before, and then another as the first
            noise = noise + torch.rand(x.shape, generator=batch.rng)
        return ((noise * x) @ module.weight).sum(1)

    lockstep, alone = Lockstep(), trainings(turns, n=3, learning_rate=0.01)
    several = trainings(turns, n=3, learning_rate=0.01)
    readers = [lockstep.train(*training) for training in several]
    for reader in readers:
        next(reader)
    for reader, mine, theirs in zip(readers, several, alone, strict=True):
        assert list(reader)[-1].step == 300
        list(train(*theirs))
        torch.testing.assert_close(mine.module.weight, theirs.module.weight, rtol=1e-4, atol=1e-5)


def test_what_stops_the_step_stops_all():
    calls = []

    def change(module, batch):
        calls.append(1)
        if len(calls) > 5:
            raise OSError("a disk of one's own")
        return 0.0

    lockstep = Lockstep()
    readers = [lockstep.train(*training) for training in trainings(change)]
    for reader in readers:
        next(reader)
    for reader in readers:
        with pytest.raises(OSError, match="one's own"):
            list(reader)


def chance(module, batch):
    return nn.functional.dropout(batch.x, 0.5).sum(1)


def choice(module, batch):
    return 1.0 if module.scale > 0.15 else 0.0


def by_tensor(module, batch):
    return torch.bernoulli(batch.x.abs().clamp(max=1), generator=batch.rng).sum(1)


def hidden(module, batch):
    return 30 * abs(float(module.seed)) + 0 * batch.x.sum(1)


@pytest.mark.parametrize("change", [chance, choice, by_tensor, hidden])
def test_what_cannot_be_done_at_once_is_found_before(change):
    found = trainings(change)
    for seed, training in enumerate(found):
        training.module.seed = np.float32(seed)  # no plain number: that it differs shows in the loss alone
    assert rehearse(found) is None


def test_a_rehearsal_leaves_everything_as_it_was(monkeypatch):
    found = trainings(lambda module, batch: torch.rand(len(batch.x), generator=batch.rng))
    weights = [training.module.weight.clone() for training in found]
    state = torch.get_rng_state()
    assert rehearse(found) in (True, False)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(a, b.module.weight) for a, b in zip(weights, found, strict=True))
    assert all(b.module.weight.grad is None for b in found)
    monkeypatch.setattr("narrows.training.lockstep.GAIN", 1e9)
    assert rehearse(found) is True
    monkeypatch.setattr("narrows.training.lockstep.GAIN", 0.0)
    assert rehearse(found) is False


def test_only_trainings_of_one_kind_fit_together():
    assert fits(trainings())
    assert not fits(trainings(n=1))
    one, other = trainings()
    assert not fits([one, other._replace(settings=Settings(epochs=30, batch_size=5, momentum=0.5))])
    assert not fits([one, other._replace(data=Rows(X[:40], torch.device("cpu")))])
    assert not fits([one, other._replace(validation=one.data)])
    assert not fits(trainings(averaging=0.99))
    assert not fits(trainings(precision="bf16"))
    few = [training._replace(settings=Settings(epochs=2, seed=seed)) for seed, training in enumerate(trainings())]
    assert not fits(few)  # a rehearsal would take longer
    other.module.shared.extra = "another structure"
    assert not fits([one, other])


@pytest.fixture
def gains(monkeypatch):
    """Everything that can be trained at once is, whatever a clock says."""
    monkeypatch.setattr("narrows.training.lockstep.GAIN", 1e9)
    monkeypatch.setattr("narrows.training.lockstep.WORTH", 0)


def test_estimators_go_together_by_their_fields(gains):
    def planned(*fields, cls=VAE):
        return list(batches([cls(**{**SMALL, **each}) for each in fields], X))

    assert planned({"seed": 0}, {"latent_dim": 3}, {"seed": 1}, {"latent_dim": 3, "seed": 1}) == [[0, 2], [1, 3]]
    assert planned({"beta": 0.1}, {"beta": 2.0, "learning_rate": 0.1}, {"epochs": 5}) == [[0, 1], [2]]
    # Whether there are free bits is a choice within the loss: those with equal ones go together.
    several = [{"free_bits": bits, "seed": seed} for seed in (0, 1) for bits in (0.1, 0.2)]
    assert planned(*several) == [[0, 2], [1, 3]]
    assert planned({"averaging": 0.9}, {"averaging": 0.9, "seed": 1}) == [[0], [1]]
    assert planned({"likelihood": "bernoulli"}, {"likelihood": "bernoulli", "seed": 1}) == [[0], [1]]  # DataError
    sequences = [AE(latent_dim=2, hidden=(3,), epochs=2, seed=seed) for seed in (0, 1)]
    assert list(batches(sequences, X.reshape(50, 4, 3))) == [[0], [1]]  # LSTMs
    assert list(batches([PCA(latent_dim=1), PCA(latent_dim=2)], X)) == [[0], [1]]


def test_large_models_are_not_even_copied(gains, monkeypatch):
    monkeypatch.setattr("narrows.training.lockstep.NUMBERS", 500)
    built = []
    build = AE.build
    monkeypatch.setattr(AE, "build", lambda self, shape: built.append(1) or build(self, shape))
    assert list(batches([AE(seed=seed, **SMALL) for seed in range(4)], X)) == [[0], [1], [2], [3]]
    assert len(built) == 1


@pytest.fixture(scope="module")
def cloud():
    return load_dataset("digits", limit=200)


def sweep_of(data, folder, **given):
    fixed = {**SMALL, "epochs": 3}
    return Sweep(VAE, {"beta": (0.5, 2.0)}, data, folder, **{"fixed": fixed, "seeds": 2, "per_class": 0, **given})


def test_a_sweep_at_once_is_the_sweep_one_by_one(cloud, tmp_path, gains, monkeypatch):
    read = []
    monkeypatch.setattr(narrows.sweeps, "Lockstep", lambda: read.append(1) or Lockstep())
    done = list(sweep_of(cloud, tmp_path / "at-once").train())
    assert read == [1]
    monkeypatch.setattr(narrows.sweeps, "batches", lambda estimators, *_: ([i] for i in range(len(estimators))))
    alone = list(sweep_of(cloud, tmp_path / "alone").train())
    assert [(t.values, t.seed, t.run.name) for t in done] == [(t.values, t.seed, t.run.name) for t in alone]
    for a, b in zip(done, alone, strict=True):
        assert a.run.status == "finished"
        assert not a.run.checkpoints_folder.exists()
        assert a.measures == pytest.approx({**b.measures, "seconds": a.measures["seconds"]}, rel=1e-4)
        assert [line["train"] for line in a.run.history] == [pytest.approx(line["train"]) for line in b.run.history]
    assert all(trained.again for trained in sweep_of(cloud, tmp_path / "at-once").train())


def test_a_sweep_at_once_that_is_interrupted_keeps_what_is_finished(cloud, tmp_path, gains):
    begun = []

    def read(reports):
        begun.append(1)
        with contextlib.closing(reports):
            for report in reports:
                if len(begun) == 2 and report.epoch == 2:
                    raise KeyboardInterrupt
        return Run(sweep.folder / "beta-0.5_seed-0")

    sweep = sweep_of(cloud, tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        list(sweep.train(read))
    statuses = {path.name: Run(path).status for path in sweep.folder.iterdir() if path.is_dir()}
    assert statuses.pop("beta-0.5_seed-0") == "finished"
    assert set(statuses.values()) == {"interrupted"}
    assert len(statuses) == 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [trained.again for trained in sweep.train()] == [True, False, False, False]


def test_a_sweep_at_once_writes_down_who_diverged(cloud, tmp_path, gains):
    fixed = {**SMALL, "optimizer": "sgd", "schedule": "constant", "epochs": 30, "batch_size": None}
    del fixed["learning_rate"]
    sweep = Sweep(AE, {"learning_rate": (1e-5, 1e6)}, cloud, tmp_path, fixed=fixed, seeds=1, per_class=0)
    done = list(sweep.train())
    assert [trained.run.status for trained in done] == ["finished", "failed"]
    assert "DivergedError" in done[1].run.record["error"]


def test_a_comparison_trains_its_seeds_at_once(gains, monkeypatch):
    taken = []
    fit = narrows.together.fit
    monkeypatch.setattr(
        "narrows.evaluation.comparison.fit", lambda several, *rest: taken.append(len(several)) or fit(several, *rest)
    )
    found = compare_models({"AE": AE(**SMALL)}, X, X[:20], seeds=3, samples=2)
    assert taken == [3, 1]  # PCA by itself
    for seed, estimator in enumerate(found.models["AE"]):
        assert_same(estimator, AE(**{**SMALL, "seed": seed}).fit(X))
