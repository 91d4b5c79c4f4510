"""Sweeps: every combination once, numbers that are those of the runs, and going on where it stopped."""

import csv
import json
import os
import signal
import threading
import time
from typing import Any

import numpy as np
import pytest
import torch

from narrows import AE, PCA
from narrows.data import load_dataset
from narrows.errors import ConfigError
from narrows.evaluation.probes import few_label_accuracy
from narrows.runs import Run
from narrows.sweeps import Sweep, measures
from narrows.sweeps import sweep as sweep_module
from narrows.sweeps.table import across

OPTIONS: dict[str, Any] = {"limit": 200, "shape": "image"}
SMALL = {"network": "mlp:", "epochs": 1}


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits", **OPTIONS)


def sweep_of(digits, folder, **given: Any):
    return Sweep(
        **{
            "model": AE,
            "grid": {"latent_dim": (2, 5)},
            "dataset": digits,
            "folder": folder,
            "fixed": SMALL,
            "seeds": 2,
            "per_class": 5,
        }
        | given
    )


@pytest.fixture(scope="module")
def made(digits, tmp_path_factory):
    """A sweep that was trained, and what it reported."""
    sweep = sweep_of(digits, tmp_path_factory.mktemp("sweep") / "out")
    return sweep, list(sweep.train())


@pytest.mark.slow
def test_every_combination_is_trained_with_every_seed_into_a_run_of_its_own(made):
    sweep, done = made
    assert [(t.values["latent_dim"], t.seed) for t in done] == [(2, 0), (5, 0), (2, 1), (5, 1)]
    assert sorted(path.name for path in sweep.folder.iterdir() if path.is_dir()) == [
        "latent-dim-2_seed-0", "latent-dim-2_seed-1", "latent-dim-5_seed-0", "latent-dim-5_seed-1",
    ]  # fmt: skip
    run = Run(sweep.folder / "latent-dim-5_seed-1")
    assert (run.status, run.record["parameters"]["latent_dim"], run.record["seed"]) == ("finished", 5, 1)
    assert run.record["parameters"]["network"] == "mlp:"
    assert [*run.pictures, *run.samples] == []  # of small models they would take most of the time


def test_numbers_are_those_of_the_models(made, digits):
    _, done = made
    trained = done[1]
    model = trained.run.load()
    error = np.square(digits.test - model.reconstruct(digits.test)).sum((1, 2, 3)).mean()
    assert trained.measures["squared error"] == pytest.approx(error, rel=1e-5)
    pca = PCA(latent_dim=5).fit(digits.train)
    labelled = (digits.train, digits.train_labels, digits.test, digits.test_labels)
    assert trained.measures["accuracy"] == few_label_accuracy(model, *labelled, per_class=5).mean
    assert trained.measures["accuracy, PCA"] == few_label_accuracy(pca, *labelled, per_class=5).mean
    pca_error = np.square(digits.test - pca.reconstruct(digits.test)).sum((1, 2, 3)).mean()
    assert trained.measures["squared error, PCA"] == pytest.approx(pca_error, rel=1e-5)


def test_the_table_holds_means_and_deviations_over_seeds(made):
    sweep, done = made
    rows = sweep.rows(done)
    assert [(row.values, row.trainings) for row in rows] == [({"latent_dim": 2}, 2), ({"latent_dim": 5}, 2)]
    several = [t.measures["squared error"] for t in done if t.values == {"latent_dim": 5}]
    assert rows[1].cells["squared error"].mean == pytest.approx(np.mean(several))
    assert rows[1].cells["squared error"].deviation == pytest.approx(abs(several[0] - several[1]) / np.sqrt(2))
    assert rows[1].cells["squared error, PCA"].deviation == 0
    written = json.loads((sweep.folder / "sweep.json").read_text())
    assert written["grid"] == {"latent_dim": [2, 5]}
    assert [run["run"] for run in written["runs"]] == [t.run.name for t in done]
    assert written["rows"][1]["cells"]["squared error"]["mean"] == rows[1].cells["squared error"].mean
    table = list(csv.DictReader((sweep.folder / "sweep.csv").read_text().splitlines()))
    assert [(row["latent_dim"], row["trainings"]) for row in table] == [("2", "2"), ("5", "2")]
    assert float(table[0]["accuracy"]) == rows[0].cells["accuracy"].mean
    assert float(table[0]["accuracy, deviation"]) == rows[0].cells["accuracy"].deviation
    assert (sweep.folder / "sweep.png").stat().st_size > 5000


@pytest.mark.slow
def test_what_is_trained_is_not_trained_again_and_more_values_can_be_added(made, digits, monkeypatch):
    sweep, done = made
    with monkeypatch.context() as patch:
        patch.setattr(sweep_module, "record", None)
        patch.setattr(measures, "few_labels", None)
        again = list(sweep.train())
    assert [t.measures for t in again] == [t.measures for t in done]
    assert all(t.earlier for t in again)
    more = sweep_of(digits, sweep.folder, grid={"latent_dim": (2, 3)}, seeds=1)
    assert [t.earlier for t in more.train()] == [True, False]


@pytest.mark.slow
def test_a_sweep_that_is_interrupted_goes_on_within_the_training_at_work(digits, tmp_path):
    sweep = sweep_of(digits, tmp_path / "broken", grid={"latent_dim": (2, 3)}, seeds=1, fixed={**SMALL, "epochs": 3})
    whole = list(sweep_of(digits, tmp_path / "whole", grid=sweep.grid, seeds=1, fixed=sweep.fixed).train())
    calls = 0

    def read(reports):
        nonlocal calls
        calls += 1
        for report in reports:
            if calls == 2 and report.end_of_epoch and report.epoch == 2:
                reports.close()
                raise KeyboardInterrupt
        return Run(sweep.folder / "latent-dim-2_seed-0")

    done = []
    with pytest.raises(KeyboardInterrupt):
        done.extend(sweep.train(read))
    assert len(json.loads((sweep.folder / "sweep.json").read_text())["runs"]) == 1
    assert Run(sweep.folder / "latent-dim-3_seed-0").status == "interrupted"
    again = list(sweep.train())
    assert [t.earlier for t in again] == [True, False]
    resumed = Run(sweep.folder / "latent-dim-3_seed-0")
    assert resumed.record["resumed"]
    assert [*resumed.pictures, *resumed.samples] == []
    for a, b in zip(again, whole, strict=True):
        assert {**a.measures, "seconds": 0} == {**b.measures, "seconds": 0}


@pytest.mark.slow
def test_a_training_that_diverges_is_a_finding(digits, tmp_path):
    fixed = {**SMALL, "optimizer": "sgd", "latent_dim": 2, "schedule": "constant", "epochs": 30}
    sweep = sweep_of(digits, tmp_path / "out", grid={"learning_rate": (1e-4, 1e6)}, seeds=1, fixed=fixed)
    with pytest.warns(UserWarning, match="learning rate is probably too high"):
        done = list(sweep.train())
    assert [bool(t.measures) for t in done] == [True, False]
    assert [row.trainings for row in sweep.rows(done)] == [1, 0]
    assert json.loads((sweep.folder / "sweep.json").read_text())["runs"][1]["measures"] is None
    assert [t.earlier for t in sweep.train()] == [True, True]


def test_models_without_chance_are_trained_once(digits, tmp_path):
    sweep = sweep_of(digits, tmp_path / "out", model=PCA, fixed={}, grid={"latent_dim": (1, 4)}, per_class=0)
    done = list(sweep.train())
    assert [t.seed for t in done] == [0, 0]
    assert "squared error, PCA" not in done[0].measures  # it is PCA
    assert "accuracy" not in done[0].measures


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"grid": {}}, "a parameter must have several values"),
        ({"grid": {"latent_dims": (2, 3)}}, "those of AE; got 'latent_dims'. Did you mean 'latent_dim'"),
        ({"grid": {"latent_dim": (2, 2)}}, r"latent_dim must have values that differ; got \[2, 2\]"),
        ({"grid": {"latent_dim": (2, 0)}}, "latent_dim must be a whole number >= 1 or 'auto'; got 0"),
        ({"grid": {"seed": (1, 2)}}, "seed must be left out"),
        ({"fixed": {"latent_dim": 3}}, "latent_dim must be swept or fixed; got both"),
        ({"seeds": 0}, "seeds must be >= 1, per_class >= 0; got 0 and 5"),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(digits, tmp_path, given, message):
    with pytest.raises(ConfigError, match=message):
        sweep_of(digits, tmp_path / "out", **given)
    assert not (tmp_path / "out").exists()


def test_runs_of_another_sweep_are_left_alone(made, digits):
    sweep, _ = made
    other = sweep_of(digits, sweep.folder, fixed={**SMALL, "epochs": 2})
    with pytest.raises(ConfigError, match=r"must hold trainings of this sweep only; .* has other parameters or data"):
        next(other.train())


def test_names_of_runs_and_the_field_the_picture_goes_along(digits, tmp_path):
    grid: dict[str, Any] = {"network": ("mlp:400x200", "mlp:50"), "learning_rate": (1e-3, 1e-2, 0.1)}
    grid["corruption"] = ("gaussian:0.2", None)
    sweep = sweep_of(digits, tmp_path / "out", grid=grid, fixed={})
    assert len(sweep.points) == 12
    assert sweep.name_of(sweep.points[0], 1) == "network-mlp-400x200_learning-rate-0.001_corruption-gaussian-0.2_seed-1"
    assert across(sweep.grid) == "learning_rate"
    assert len({sweep.name_of(values, seed) for values, seed in sweep.trainings}) == 24


def timeless(done):
    """Return what was measured of trainings, but for the time."""
    return {t.run.name: {**t.measures, "seconds": 0} for t in done}


@pytest.mark.slow
def test_several_processes_come_to_the_same_bits(made, digits, tmp_path):
    sweep, done = made
    several = sweep_of(digits, tmp_path / "out", jobs=2)
    assert timeless(several.train()) == timeless(done)
    for trained in done:
        weights = [Run(s.folder / trained.run.name).load().module_.state_dict() for s in (sweep, several)]
        assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    table = json.loads((several.folder / "sweep.json").read_text())
    assert [run["run"] for run in table["runs"]] == [trained.run.name for trained in done]
    assert [t.earlier for t in several.train()] == [True] * 4


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*learning rate is probably too high")
def test_a_failure_in_a_process_is_a_result(digits, tmp_path):
    fixed = {**SMALL, "optimizer": "sgd", "latent_dim": 2, "schedule": "constant", "epochs": 30}
    sweep = sweep_of(
        digits, tmp_path / "out", grid={"learning_rate": (1e-4, 1e6, 1e-3)}, seeds=1, fixed=fixed, jobs=2
    )  # fmt: skip
    done = {t.values["learning_rate"]: t for t in sweep.train()}
    assert [bool(done[rate].measures) for rate in (1e-4, 1e6, 1e-3)] == [True, False, True]
    assert done[1e6].run.failure == "DivergedError"


@pytest.mark.slow
def test_an_interrupt_stops_all_processes_and_the_next_sweep_resumes(digits, tmp_path):
    fixed = {**SMALL, "epochs": 500}
    sweep = sweep_of(digits, tmp_path / "out", grid={"latent_dim": (2, 3, 4)}, seeds=1, fixed=fixed, jobs=2)
    folders = [sweep.folder / f"latent-dim-{k}_seed-0" for k in (2, 3)]

    def interrupt():
        while not all((folder / "metrics.jsonl").exists() for folder in folders):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        list(sweep.train())
    assert [Run(folder).status for folder in folders] == ["interrupted", "interrupted"]
    assert not (sweep.folder / "latent-dim-4_seed-0").exists()
    done = list(sweep.train())
    assert all(t.measures and not t.earlier for t in done)
    assert len(Run(folders[0]).record["resumed"]) == 1
    alone = sweep_of(digits, tmp_path / "alone", grid=sweep.grid, seeds=1, fixed=fixed)
    assert timeless(done) == timeless(alone.train())
