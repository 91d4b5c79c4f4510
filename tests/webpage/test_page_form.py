"""The form of a training: its fields, presets, the command line that it stands for, and its start."""

import os
import shlex
import signal
import time

import pytest

from narrows.cli.train import application as commands
from narrows.estimators import ESTIMATORS
from narrows.page.form import form
from narrows.page.training import asked
from narrows.params import fields
from narrows.runs import Run
from narrows.storage.lock import is_held, lock_of
from webpage.served import client


@pytest.fixture
def page(tmp_path):
    with client(tmp_path / "runs") as page:
        yield page


def test_every_parameter_is_a_field(page):
    models = {model["name"]: model for model in page.get("/api/form").json()["models"]}
    assert list(models) == list(ESTIMATORS)
    for name, cls in ESTIMATORS.items():
        made = {field["name"]: field for field in models[name]["fields"]}
        assert list(made) == [field.name for field in fields(cls) if field.name != "verbose"]
        assert all(field["help"] for field in made.values())
        assert models[name]["about"]
    vae = {field["name"]: field for field in models["vae"]["fields"]}
    assert (vae["latent_dim"]["type"], vae["latent_dim"]["low"], vae["latent_dim"]["choices"]) == ("whole", 1, ["auto"])
    assert (vae["clip"]["type"], vae["clip"]["default"], vae["clip"]["choices"]) == ("number", "none", ["none"])
    assert (vae["optimizer"]["type"], vae["optimizer"]["group"]) == ("choice", "training")
    assert (vae["data_bias"]["type"], vae["data_bias"]["default"]) == ("flag", "true")
    assert [option["name"] for option in vae["network"]["options"]] == ["mlp", "conv", "recurrent", "residual"]
    assert [option["name"] for option in vae["corruption"]["options"]][:2] == ["none", "gaussian"]
    assert vae["network"]["options"][0]["fields"][0]["name"] == "hidden"
    ae = {field["name"]: field for field in models["ae"]["fields"]}
    assert (ae["penalty"]["type"], ae["penalty"]["default"]) == ("list", "")


def test_defaults_stand_as_one_types_them():
    for model in form()["models"]:
        parameters = {field["name"]: field["default"] for field in model["fields"] if field["default"]}
        asked({"model": model["name"], "parameters": parameters}).check()


@pytest.mark.parametrize("every", [9, pytest.param(1, marks=pytest.mark.slow)])
def test_presets_are_trainings(every):
    presets = form()["presets"]
    assert len(presets) > 20
    for preset in presets[::every]:
        asked({key: preset[key] for key in ("model", "data", "data_options", "parameters")}).check()


def test_data_sets_that_are_here_come_first(page):
    names = [each["name"] for each in page.get("/api/data").json()["datasets"]]
    assert {"mnist-5k", "cloud", "digits"} <= set(names[:6])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"model": "pca"}, "pca"),
        ({"model": "vae", "data": "cloud", "parameters": {"latent_dim": "1"}}, "vae --data cloud --latent-dim 1"),
        ({"model": "vae", "parameters": {"data_bias": "false", "compile": "true"}}, "vae --no-data-bias --compile"),
        ({"model": "ae", "parameters": {"penalty": "l1:0.1 sparsity"}}, "ae --penalty l1:0.1 --penalty sparsity"),
        ({"model": "ae", "data_options": {"label": "-1", "samples": "50"}}, "ae --label=-1 --data-option samples=50"),
        ({"model": "ae", "data_options": {"transpose": "no", "strict": "yes"}}, "ae --strict"),
        ({"model": "ae", "name": "a b", "validation": "0.2"}, "ae --validation 0.2 --name 'a b'"),
        ({"model": "ae", "data": "--plugin x.py", "name": "--help"}, "ae '--data=--plugin x.py' --name=--help"),
    ],
)
def test_the_command_line_of_a_form(body, words, page, tmp_path):
    command = page.post("/api/command", json=body).json()["command"]
    assert command == f"narrows train {words} --out {tmp_path / 'runs'}"
    tokens = shlex.split(command)[2:]
    _, bound, _ = commands(tokens).parse_args(tokens, exit_on_error=False, print_error=False)
    _, ours, _ = commands(tokens).parse_args(
        [body["model"], *(flag.token for flag in asked(body).flags), f"--out={tmp_path / 'runs'}"], exit_on_error=False
    )
    assert bound == ours


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "MODEL must be one of pca, ae, vae"),
        ({"model": "gan"}, "MODEL must be one of pca, ae, vae; got 'gan'"),
        ({"model": "vae", "parameters": {"latent_dim": "0"}}, "latent_dim must be a whole number >= 1"),
        ({"model": "vae", "parameters": {"network": "mpl"}}, "Did you mean 'mlp'?"),
        ({"model": "vae", "parameters": {"plugin": "x.py"}}, "vae has no parameter 'plugin'"),
        ({"model": "vae", "parameters": {"config": "x.toml"}}, "vae has no parameter 'config'"),
        ({"model": "vae", "parameters": {"latent_dim": 3}}, "must be a text"),
        ({"model": "vae", "parameters": {"latent_dim": "1\0"}}, "must be a text"),
        ({"model": "vae", "parameters": [1]}, "must be texts by name"),
        ({"model": "vae", "parameters": {"compile": "perhaps"}}, "must be true or false"),
        ({"model": "vae", "name": "../x"}, "--name must be the name of a folder"),
        ({"model": "vae", "validation": "2"}, "validation must be a share"),
        ({"model": "vae", "data": "x" * 3000}, "at most 2000 characters"),
        ({"model": "pca", "validation": "0.1"}, "validation"),
    ],
)
def test_what_the_command_line_refuses(body, sentence, page):
    for path in ("/api/command", "/api/train"):
        answer = page.post(path, json=body)
        assert answer.status_code == 400
        assert sentence in answer.json()["error"]
    assert not list(page.app.app.state.watch.folder.glob("*"))


def test_a_name_that_is_taken_is_refused(page, tmp_path):
    (tmp_path / "runs" / "one").mkdir(parents=True)
    (tmp_path / "runs" / "one" / "file").write_text("")
    answer = page.post("/api/train", json={"model": "pca", "name": "one"})
    assert answer.status_code == 400
    assert "must be new or empty" in answer.json()["error"]


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def ended(folder):
    """Whether nothing writes into the run any more: its status is written before its model."""
    return Run(folder).record["status"] != "running" and not is_held(lock_of(folder))


@pytest.mark.slow
def test_a_training_is_started_stopped_and_resumed(page, tmp_path):
    body = {"model": "ae", "data": "cloud", "parameters": {"epochs": "100000", "latent_dim": "1"}}
    answer = page.post("/api/train", json=body)
    assert answer.json()["run"] == "ae-cloud-1"
    assert answer.json()["command"].endswith("--name ae-cloud-1")
    folder = tmp_path / "runs" / "ae-cloud-1"
    until(lambda: Run(folder).history)
    assert Run(folder).record["process"]["pid"] != os.getpid()
    assert page.get("/api/runs").json()["runs"][0]["status"] == "running"
    assert page.post("/api/runs/ae-cloud-1/stop").status_code == 202
    until(lambda: ended(folder))
    run = Run(folder)
    assert run.status == "interrupted"
    assert run.load().transform([[0.0, 0.0]]).shape == (1, 1)
    before = run.history[-1]["epoch"]
    assert page.post("/api/runs/ae-cloud-1/resume").status_code == 202
    until(lambda: Run(folder).status == "running" and Run(folder).history[-1]["epoch"] > before)
    assert page.post("/api/runs/ae-cloud-1/stop").status_code == 202
    until(lambda: ended(folder))


@pytest.mark.slow
def test_a_training_that_ignores_the_sign_of_control_c_is_stopped_as_well(page, tmp_path):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in the background of a shell without job control
    try:
        page.post("/api/train", json={"model": "ae", "data": "cloud", "parameters": {"epochs": "100000"}})
    finally:
        signal.signal(signal.SIGINT, before)
    folder = tmp_path / "runs" / "ae-cloud-1"
    until(lambda: Run(folder).history)
    assert page.post("/api/runs/ae-cloud-1/stop").status_code == 202
    until(lambda: ended(folder))
    assert Run(folder).record["status"] == "interrupted"


@pytest.mark.slow
def test_a_training_whose_data_are_missing_says_so(page, tmp_path):
    answer = page.post("/api/train", json={"model": "pca", "data": str(tmp_path / "none.csv")})
    assert answer.status_code == 400
    assert "none.csv" in answer.json()["error"]
    assert not answer.json()["error"].startswith("error:")
    assert list((tmp_path / "runs").iterdir()) == []
