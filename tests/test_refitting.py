"""The second fit of few samples, whose first one holds many of them out."""

import numpy as np
import pytest
import torch

from narrows import AE, PCA, VAE, load_dataset
from narrows.cli.arguments import OF_DATA
from narrows.cli.config import plan
from narrows.estimators import refitting
from narrows.estimators.refitting import NOTE, UNTRAINED
from narrows.runs import Run, record, resume
from narrows.training import Checkpoints, train
from narrows.training.effort import costly, held_out

SMALL = {"latent_dim": 2, "network": "residual:16", "learning_rate": 1e-2, "patience": 4}


def curve(n, seed=0):
    """Points near a bent sheet in six dimensions."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 2))
    X = np.column_stack([z, z**2, z[:, :1] * z[:, 1:], np.sin(2 * z[:, :1])])
    return (X + 0.05 * rng.normal(size=X.shape)).astype(np.float32)


def weights(model):
    return {name: value.clone() for name, value in model.module_.state_dict().items()}


def calls(into):
    def trainer(module, data, settings, validation, checkpoints):
        into.append((len(data), settings, validation))
        yield from train(module, data, settings, validation, checkpoints)

    return trainer


@pytest.mark.parametrize(("n", "twice"), [(60, False), (80, True), (999, True), (1000, False)])
def test_many_samples_held_out_and_not_too_few_are_trained_on_in_the_end(n, twice):
    assert costly(len(held_out(n, 0)[1]), n) is twice


def test_the_second_fit_takes_the_best_number_of_steps_on_all_samples():
    X, seen = curve(193), []
    ae = AE(**SMALL)
    for _ in ae.fit_iter(X, trainer=calls(seen)):
        pass
    (n, first, held), (again, second, none) = seen[0], seen[-1]
    assert (n, len(held), again, none) == (145, 48, 193, None)
    assert second.batch_size == 97  # two steps an epoch, as of 145 samples by 128
    assert (second.epochs, second.patience) == (first.epochs, None)
    best = max(record["epoch"] for record in ae.history_ if record["best"])
    alone = AE(**SMALL | {"patience": None}, epochs=first.epochs, batch_size=97)
    for report in alone.fit_iter(X):
        if report.end_of_epoch and report.epoch == best:
            break
    for name, value in weights(alone).items():
        torch.testing.assert_close(weights(ae)[name], value, rtol=0, atol=0)


def test_a_gain_by_chance_leaves_pca_of_all_samples(monkeypatch):
    monkeypatch.setattr(refitting, "SURE", 1e9)
    X, test = curve(193), curve(200, 1)
    ae = AE(**SMALL).fit(X)
    assert any(record["best"] for record in ae.history_)
    pca, scale = PCA(latent_dim=2).fit(X / X.std(0)), X.std(0)
    np.testing.assert_allclose(ae.reconstruct(test) / scale, pca.reconstruct(test / scale), atol=1e-4)


def test_a_learned_scale_is_what_held_out_samples_leave(monkeypatch):
    """Nothing is learned of noise, of which PCA of a few samples leaves too little."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 40)).astype(np.float32)
    vae = VAE(latent_dim=10, network="residual:8", likelihood="gaussian:learned", scale=None)
    vae.fit(X)
    assert not any(record["best"] for record in vae.history_)
    corrected = vae.module_.observed.scale.item()
    monkeypatch.setattr(refitting.Refit, "_correction", lambda self: 0.0)
    plain = VAE(**vae.get_params(deep=False)).fit(X)
    assert corrected > 1.05 * plain.module_.observed.scale.item()
    test = rng.normal(size=(2000, 40)).astype(np.float32)
    assert vae.score_samples(test).mean() > plain.score_samples(test).mean() + 0.1
    for name, value in weights(plain).items():
        if not name.endswith("log_scale"):
            torch.testing.assert_close(weights(vae)[name], value, rtol=0, atol=0)


def test_whoever_stops_in_the_second_fit_has_the_first(tmp_path):
    X, held = curve(120), []

    def spied(module, data, settings, validation, checkpoints):
        yield from train(module, data, settings, validation, checkpoints)
        if validation is not None:
            held.append({name: value.clone() for name, value in module.state_dict().items()})

    ae = AE(**SMALL)
    reports = ae.fit_iter(X, trainer=spied, resume=Checkpoints(tmp_path))
    last = next(report for report in reports if report.note == NOTE)
    reports.close()
    assert not last.end_of_epoch
    assert last.epoch == len(ae.history_)
    for name, value in held[0].items():
        torch.testing.assert_close(weights(ae)[name], value, rtol=0, atol=0)
    resumed = AE(**SMALL).fit(X, resume=Checkpoints(tmp_path))  # the second fit alone is done again
    whole = AE(**SMALL).fit(X)
    for name, value in weights(whole).items():
        torch.testing.assert_close(weights(resumed)[name], value, rtol=0, atol=0)
    assert len(resumed.history_) == len(whole.history_)


def saved(folder, X):
    np.savetxt(folder / "curve.csv", X, delimiter=",", comments="", header="a,b,c,d,e,f")
    return str(folder / "curve.csv")


def test_a_run_trains_twice_as_well_and_is_resumed_within_the_second_fit(tmp_path):
    data = load_dataset(saved(tmp_path, curve(240)))
    same = AE(**SMALL).fit(data.train)
    for name in ("whole", "left"):
        reports = record(AE(**SMALL), data, tmp_path / name, pictures=False)
        if name == "left":
            next(report for report in reports if report.note == NOTE)
            reports.close()
            left = Run(tmp_path / name)
            assert (left.status, left.record.get("note")) == ("interrupted", None)
            reports = resume(tmp_path / name)
        steps = [report.step for report in reports]
        assert steps == sorted(steps)
        run = Run(tmp_path / name)
        assert (run.status, run.record["note"]) == ("finished", NOTE)
        for mine, its in ((run.history, same.history_), (run.load().codes_.tolist(), same.codes_.tolist())):
            assert len(mine) == len(its)
        for weight, value in weights(same).items():
            torch.testing.assert_close(weights(run.load())[weight], value, rtol=0, atol=0)
    assert left.load().module_ is not None


def test_a_run_says_that_nothing_was_learned(tmp_path, monkeypatch):
    monkeypatch.setattr(refitting, "SURE", 1e9)
    data = load_dataset(saved(tmp_path, curve(120)))
    *_, last = record(AE(**SMALL), data, tmp_path / "run", pictures=False)
    assert (last.end_of_epoch, last.note) == (False, UNTRAINED)
    assert Run(tmp_path / "run").record["note"] == UNTRAINED


@pytest.mark.parametrize(
    ("given", "held"),
    [
        ({}, 0),  # the model does
        ({"epochs": "3"}, 10),
        ({"validation": "0.2"}, 19),
        ({"validation": "0", "epochs": "3"}, 0),
        ({f"{OF_DATA}test": "0"}, 12),  # nothing else is left to evaluate by
        ({f"{OF_DATA}shuffle": "no"}, 10),
        ({f"{OF_DATA}window": "4"}, 2),  # in the order of time
    ],
)
def test_a_command_holds_out_what_the_model_would_not(given, held, tmp_path):
    data = plan("ae", {"data": saved(tmp_path, curve(120)), **given}).dataset()
    assert (0 if data.validation is None else len(data.validation)) == held


def test_a_warm_start_is_what_the_second_fit_begins_with():
    X = curve(100)
    first = AE(**SMALL | {"patience": None}, epochs=3).fit(X)
    before = weights(first)
    still = AE(**SMALL | {"learning_rate": 1e-12}).fit(X, warm_start=first)
    for name, value in before.items():
        torch.testing.assert_close(weights(still)[name], value, rtol=1e-4, atol=1e-6)


def test_holes_and_other_networks_are_trained_on_twice_as_well():
    X = curve(100)
    mlp = AE(**SMALL | {"network": "mlp:4"}).fit(X)
    assert np.isfinite(mlp.reconstruct(X)).all()
    X[::7, 2] = np.nan
    assert np.isfinite(VAE(**SMALL).fit(X).score_samples(X)).all()
