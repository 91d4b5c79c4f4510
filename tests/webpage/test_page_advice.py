"""Advice on runs: while they train, and once they have ended."""

import json
import time

import pytest

from narrows import AE, load_dataset
from narrows.page import advice
from narrows.page.advice import Adviser, advice_on
from narrows.page.watch import Watch
from narrows.runs import Run, record
from webpage.served import append, client, epoch, running, trained, written

pytestmark = pytest.mark.usefixtures("blank_pictures")


def settled(adviser, name):
    """Return the advice once it is computed."""
    until = time.monotonic() + 20
    while (given := adviser.latest(name)) is None:
        assert time.monotonic() < until
        time.sleep(0.01)
    return given


def line(number, loss, **more):
    means = {"loss": loss, "reconstruction": loss}
    return epoch(number, 20) | {"train": means, "validation": means} | more


def test_a_history_alone_gives_advice(tmp_path):
    run = running(tmp_path, "run", epochs=0, model="ae", parameters={"learning_rate": 0.5})
    watch = Watch(tmp_path)
    adviser = Adviser(watch)
    for n, loss in enumerate((9.0, 5.0, 30.0), 1):
        append(run, line(n, loss))
    watch.refresh()
    assert adviser.latest("run") is None  # too few epochs
    append(run, line(4, 4.0))
    append(run, line(5, 3.0))
    watch.refresh()
    (given,) = settled(adviser, "run")
    assert given["title"] == "learning rate too high"
    assert "Try --learning-rate" in given["text"]
    assert given["command"].startswith("narrows train ae --data cloud --data-option samples=100 --learning-rate ")
    assert given["severity"] == "warning"
    assert adviser.latest("none") is None


def test_advice_is_computed_once_for_each_state(tmp_path, monkeypatch):
    run = running(tmp_path, "run", epochs=5)
    computed = []
    monkeypatch.setattr(advice, "advice_on", lambda run: computed.append(run.name) or [])
    watch = Watch(tmp_path)
    adviser = Adviser(watch)
    watch.refresh()
    for _ in range(3):
        settled(adviser, "run")
    assert computed == ["run"]
    append(run, epoch(6))
    watch.refresh()
    adviser.latest("run")
    until = time.monotonic() + 10
    while len(computed) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    assert computed == ["run", "run"]


def test_a_finished_run_is_diagnosed_with_its_data(tmp_path):
    run = trained(tmp_path)
    with client(tmp_path) as page:
        given = page.get("/api/runs/cloud/advice").json()
        while given["pending"]:
            time.sleep(0.02)
            given = page.get("/api/runs/cloud/advice").json()
    titles = [each["title"] for each in given["advice"]]
    from narrows.cli.advice import findings_of
    from narrows.runs import dataset_of

    assert titles == [finding.rule for finding in findings_of(Run(run).load(), dataset_of(Run(run)))]
    assert titles  # three epochs of four units are too few


def test_data_that_are_gone_or_changed_are_told(tmp_path):
    (tmp_path / "data.csv").write_text("a,b\n" + "".join(f"{i},{i * i % 7}\n" for i in range(40)))
    data = load_dataset(tmp_path / "data.csv")
    list(record(AE(latent_dim=1, network="mlp:4", epochs=2), data, tmp_path / "run", pictures=False))
    (tmp_path / "data.csv").write_text("a,b\n" + "".join(f"{i},{i * i % 5}\n" for i in range(40)))
    notes = [each["text"] for each in advice_on(Run(tmp_path / "run")) if each["severity"] == "note"]
    assert "is not what the run was trained on" in notes[0]
    (tmp_path / "data.csv").unlink()
    (note,) = advice_on(Run(tmp_path / "run"))
    assert "data must be where they were" in note["text"]
    assert note["severity"] == "note"


def test_a_diagnosis_that_takes_long_is_left_to_the_command_line(tmp_path, monkeypatch):
    trained(tmp_path / "x")
    monkeypatch.setattr(advice, "LONGEST", -1.0)
    given = advice_on(Run(tmp_path / "x" / "cloud"))
    assert given[-1]["command"] == f"narrows diagnose {tmp_path / 'x' / 'cloud'}"


def test_a_model_that_is_broken_costs_the_advice_alone(tmp_path):
    run = written(tmp_path, "run")
    (run / "model").mkdir()
    (run / "model" / "model.json").write_text(json.dumps({"model": "vae"}))
    (note,) = advice_on(Run(run))
    assert (note["severity"], note["command"]) == ("note", None)
