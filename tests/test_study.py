"""Studies: every trial once, by any number of workers, of which some die; samplers, ranges and pruning."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import narrows
from narrows import AE, PCA, cli
from narrows.cli.sweep import ranges_of
from narrows.data import load_dataset
from narrows.errors import ConfigError, TrainingError
from narrows.runs import Run
from narrows.storage.process import this_process
from narrows.sweeps import Range, Study
from narrows.sweeps.storage import Storage
from postgres import postgres_server

optuna = pytest.importorskip("optuna", reason='studies need optuna: pip install "narrows[sweep]"')
SMALL = {"network": "mlp:", "epochs": 2}


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits", limit=80, validation=0.2)


@pytest.fixture
def study_of(digits, tmp_path):
    def study(**given):
        return Study(**{
            "model": AE, "space": {"latent_dim": (2, 3)}, "dataset": digits, "folder": tmp_path / "runs",
            "storage": str(tmp_path / "study.journal"), "name": "s", "fixed": SMALL, "per_class": 0,
        } | given)  # fmt: skip

    return study


def trials(study):
    with Storage(study.storage, study.heartbeat, lambda *_: None) as storage:
        return optuna.load_study(study_name=study.name, storage=storage.storage).trials


def test_a_grid_is_trained_once_and_resumes_to_nothing(study_of, tmp_path):
    seen = []
    study = study_of(seeds=2)
    done = list(study.train(lambda number, report: seen.append((number, report.epoch))))
    assert [(t.values["latent_dim"], t.seed) for t in done] == [(2, 0), (3, 0), (2, 1), (3, 1)]
    assert {t.state for t in done} == {"complete"}
    assert {number for number, _ in seen} == {0, 1, 2, 3}
    for trial in done:
        run = Run(tmp_path / "runs" / f"latent-dim-{trial.values['latent_dim']}_seed-{trial.seed}")
        assert trial.loss == min(epoch["validation"]["loss"] for epoch in run.history)
        assert trial.measures["squared error"] == run.summary["squared_error"]["model"]
    assert list(study.train()) == []  # another command finds nothing to do
    assert study.results() == done
    rows = list(csv.DictReader(study.write(study.results()).read_text().splitlines()))
    assert [float(row["validation loss"]) for row in rows] == sorted(trial.loss for trial in done)
    assert all(len(trial.intermediate_values) == 2 for trial in trials(study))  # after every epoch


def test_a_sampler_draws_as_many_trials_as_were_asked_for(study_of):
    space = {"learning_rate": Range(1e-3, 1e-1, False), "latent_dim": Range(2, 5, True)}
    study = study_of(space=space, sampler="random", trials=3)
    done = list(study.train())
    assert len(done) == 3
    assert all(1e-3 <= t.values["learning_rate"] <= 1e-1 and t.values["latent_dim"] in (2, 3, 4, 5) for t in done)
    assert len({t.values["learning_rate"] for t in done}) == 3
    assert (Range(1e-3, 1e-1, False).log, Range(2, 5, True).log, Range(0, 5, False).log) == (True, False, False)


def test_a_pruned_trial_ends_early_and_counts(study_of, monkeypatch):
    monkeypatch.setattr(optuna.trial.Trial, "should_prune", lambda trial: trial.number == 1)
    done = list(study_of(pruner="median").train())
    assert [t.state for t in done] == ["complete", "pruned"]
    assert done[1].loss is not None
    assert [len(trial.intermediate_values) for trial in trials(study_of())] == [2, 1]


def test_an_interrupted_trial_is_given_back(study_of):
    study = study_of()

    def stop(number, report):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(study.train(stop))
    assert [trial.state.name for trial in trials(study)] == ["FAIL", "WAITING", "WAITING"]
    assert [t.values["latent_dim"] for t in study.train()] == [3, 2]
    assert sorted(t.values["latent_dim"] for t in study.results()) == [2, 3]


@pytest.mark.parametrize("signed", [True, False])
def test_the_trial_of_a_dead_process_is_given_back(study_of, signed):
    study = study_of()
    storage = Storage(study.storage, 1, lambda *_: None)
    trial = storage.claimed(study._opened(storage))
    if signed:  # else it was killed between the two
        trial.set_user_attr("process", {**this_process(), "began": "before"})  # one that had this process's number
    assert sorted(t.values["latent_dim"] for t in study.train()) == [2, 3]
    assert [t.state.name for t in trials(study)] == ["FAIL", "COMPLETE", "COMPLETE"]
    assert len(study.results()) == 2


def test_a_training_that_diverges_is_a_failed_trial(study_of):
    done = list(
        study_of(space={"learning_rate": (1e-3, 1e30)}, fixed={**SMALL, "latent_dim": 2, "optimizer": "sgd"}).train()
    )
    assert [t.state for t in done] == ["complete", "failed"]
    assert "DivergedError" in done[1].error


def test_another_study_of_the_same_name_is_refused(study_of):
    list(study_of().train())
    with pytest.raises(ConfigError, match="has another space"):
        list(study_of(space={"latent_dim": (2, 4)}).train())


@pytest.mark.parametrize(("given", "message"), [
    ({"sampler": "best"}, "sampler must be one of grid, random, tpe"),
    ({"pruner": "x"}, "pruner must be one of none, median, hyperband"),
    ({"trials": 3}, "trials must be left out for a grid"), ({"sampler": "tpe"}, "trials must be a number >= 1"),
    ({"sampler": "tpe", "trials": 2, "seeds": 2}, "and seeds 1"),
    ({"space": {"latent_dim": Range(2, 5, True)}}, "must have values for a grid, not a range"),
    ({"space": {"latent": (2, 5)}}, "parameters must be those of AE"),
    ({"space": {"latent_dim": (0, 5)}}, "latent_dim"),
    ({"model": PCA, "fixed": {}}, "trained by epochs"),
])  # fmt: skip
def test_mistakes_are_named_before_anything_is_trained(study_of, given, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        study_of(**given)
    assert list(tmp_path.iterdir()) == []


def test_a_storage_that_is_none_is_named(study_of, tmp_path):
    with pytest.raises(ConfigError, match="must be postgresql://"):
        list(study_of(storage="mysql://root:secret@x/y").train())
    with pytest.raises(ConfigError, match="must be a file that can be written"):
        list(study_of(storage=str(tmp_path)).train())
    with pytest.raises(ConfigError, match="validation data"):
        study_of(dataset=load_dataset("digits", limit=50))


def test_a_server_that_is_not_there_is_named_without_the_password(study_of):
    pytest.importorskip("psycopg")
    with pytest.raises(TrainingError, match=r"postgresql://me@127\.0\.0\.1:9/x") as error:
        list(study_of(storage="postgresql://me:secret@127.0.0.1:9/x").train())
    assert "secret" not in str(error.value)


def test_flags_give_ranges():
    given = {"latent_dim": "2..9", "learning_rate": "1e-4..0.1", "epochs": "3,4", "network": "mlp:8"}
    assert ranges_of(AE, given) == {"latent_dim": Range(2, 9, True), "learning_rate": Range(1e-4, 0.1, False)}
    assert given == {"epochs": "3,4", "network": "mlp:8"}
    for text in ("9..2", "2..", "2..3..4", "a..b"):
        with pytest.raises(ConfigError):
            ranges_of(AE, {"latent_dim": text})


def test_flags_of_studies_need_a_storage(capsys):
    for words in (["--latent-dim", "2..9"], ["--latent-dim", "2,9", "--sampler", "tpe"]):
        assert cli.main(["sweep", "ae", "--data", "digits", *words]) == 2
        assert "must go with --storage" in capsys.readouterr().err


# Several processes ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server():
    pytest.importorskip("psycopg", reason='PostgreSQL needs psycopg: pip install "narrows[sweep]"')
    with postgres_server() as address:
        yield address


def command(storage, folder, *more):
    return [sys.executable, "-m", "narrows", "sweep", "ae", "--data", "digits", "--limit", "200", "--network", "mlp:8",
            "--latent-dim", "2,3,4", "--seeds", "2", "--epochs", "60", "--per-class", "0", "--storage", storage,
            "--study", "digits", "--out", str(folder), *more]  # fmt: skip


def four_workers_one_killed(storage, tmp_path):
    """Run four commands on 6 trials, each with a folder of its own, kill one at work, and return the trials."""
    environment = {**os.environ, "PYTHONPATH": str(Path(narrows.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    folders = [tmp_path / f"worker-{i}" for i in range(4)]
    log = [(tmp_path / f"log-{i}").open("w") for i in range(4)]
    workers = [
        subprocess.Popen(command(storage, folder), env=environment, stdout=file, stderr=file)
        for folder, file in zip(folders, log, strict=True)
    ]
    until, killed = time.monotonic() + 300, None
    while killed is None and time.monotonic() < until:
        time.sleep(0.05)
        at_work = [i for i, folder in enumerate(folders) if list(folder.glob("*/metrics.jsonl"))]
        running = [
            i for i in at_work if any(Run(path.parent).status == "running" for path in folders[i].glob("*/run.json"))
        ]
        if running:
            killed = running[0]
            workers[killed].send_signal(signal.SIGKILL)
    codes = [worker.wait(timeout=400) for worker in workers]
    for file in log:
        file.close()
    texts = [(tmp_path / f"log-{i}").read_text() for i in range(4)]
    assert [code for i, code in enumerate(codes) if i != killed] == [0, 0, 0], texts
    assert codes[killed] == -signal.SIGKILL
    return folders


def check_none_lost_none_twice(all_trials):
    complete = [t for t in all_trials if t.state.name == "COMPLETE"]
    points = [(t.params["latent_dim"], t.user_attrs["seed"]) for t in complete]
    assert sorted(points) == [(str(k), seed) for k in (2, 3, 4) for seed in (0, 1)]  # each once, none missing
    failed = [t for t in all_trials if t.state.name == "FAIL"]
    assert len(failed) == 1  # that of the worker that was killed
    assert [t.user_attrs.get("again") for t in complete if "again" in t.user_attrs] == [failed[0].number]
    assert len(all_trials) == 7


@pytest.mark.slow
def test_four_workers_on_postgresql_one_killed(server, tmp_path):
    folders = four_workers_one_killed(server, tmp_path)
    with Storage(server, 15, lambda *_: None) as storage:
        check_none_lost_none_twice(optuna.load_study(study_name="digits", storage=storage.storage).trials)
    results = [
        list(csv.reader((folder / "study.csv").read_text().splitlines()))
        for folder in folders
        if (folder / "study.csv").exists()
    ]
    assert len(results[0]) == 7
    assert all(result == results[0] for result in results)  # every worker ends with the results of all


@pytest.mark.slow
def test_four_workers_on_a_journal_one_killed(tmp_path):
    journal = tmp_path / "study.journal"
    four_workers_one_killed(str(journal), tmp_path)
    storage = Storage(str(journal), 15, lambda *_: None)
    check_none_lost_none_twice(optuna.load_study(study_name="digits", storage=storage.storage).trials)


@pytest.mark.slow
def test_a_worker_of_another_machine_that_falls_silent_is_replaced(server, study_of):
    """Nobody here can ask whether its process lives: only its heartbeat says so."""
    study = study_of(storage=server, name="silent", heartbeat=1)
    began = time.monotonic()
    with Storage(server, 1, lambda *_: None) as storage:
        trial = storage.claimed(study._opened(storage))
        trial.set_user_attr("process", {**this_process(), "host": "elsewhere"})
        with storage.beating("silent", trial.number):
            time.sleep(6)  # it beats for longer than silence may last
            storage.fail_silent(study._opened(storage))
            assert next(t.state.name for t in trials(study)) == "RUNNING"
    done = list(study.train())
    assert sorted(t.values["latent_dim"] for t in done) == [2, 3]
    assert time.monotonic() - began > 6 + 4  # not before it had been silent for four beats
    assert [t.state.name for t in trials(study)] == ["FAIL", "COMPLETE", "COMPLETE"]


@pytest.mark.slow
def test_workers_of_one_command_tell_each_trial(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["--network=mlp:", "--epochs=1", "--latent-dim=2,3,4", "--seeds=1", "--storage=s.journal", "--jobs=2"]
    assert cli.main(["sweep", "ae", "--data", "digits", *words]) == 0
    told = capsys.readouterr().out
    assert all(f"trial {number}  latent_dim {2 + number}" in told for number in range(3))
    assert "3 trials, 3 of them here" in told
    assert cli.main(["sweep", "ae", "--data", "digits", *words]) == 0
    assert "3 trials, 0 of them here" in capsys.readouterr().out
