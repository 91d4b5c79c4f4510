"""Commands on folders of runs: list, rename, delete, find the data again, go on from one, use what a plugin adds."""

import json
import os
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from narrows import AE, PCA, VAE, load, load_dataset
from narrows.cli.app import main
from narrows.components import AXES
from narrows.errors import DataError
from narrows.evaluation import compare_models
from narrows.evaluation.tables import latex, markdown
from narrows.numbers import number
from narrows.plugins import PREFIX
from narrows.runs import Run, record
from narrows.runs.dataset import dataset_of, own_data
from narrows.runs.listing import arranged, differing, runs_in, values_of
from narrows.storage.lock import lock_of, locked

pytestmark = pytest.mark.usefixtures("blank_pictures")
COLUMNS = ["a", "b", "c", "d"]


def table(n, seed=0, columns=COLUMNS):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2)) @ np.random.default_rng(9).normal(size=(2, 4)) + 0.1 * rng.normal(size=(n, 4))
    return pd.DataFrame(X.round(6), columns=COLUMNS)[list(columns)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a file of data and runs on it."""
    folder, before = tmp_path_factory.mktemp("made"), os.getcwd()
    os.chdir(folder)
    try:
        table(120).to_csv("own.csv", index=False)
        data = load_dataset("own.csv", validation=0.1)
        models = {
            "pca": PCA(latent_dim=1), "small": AE(latent_dim=1, network="mlp:4", epochs=2),
            "large": AE(latent_dim=2, network="mlp:4", epochs=3), "vae": VAE(latent_dim=2, network="mlp:4", epochs=2),
        }  # fmt: skip
        for name, model in models.items():
            list(record(model, data, f"runs/{name}", pictures=False))
        cloud = load_dataset("cloud", samples=40)
        list(record(PCA(latent_dim=1), cloud, "runs/cloud", pictures=False))
        reports = record(AE(latent_dim=1, network="mlp:4", epochs=4), data, "runs/left", pictures=False)
        next(reports)
        reports.close()
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch, capsys):
    """A copy of it, to work in."""
    shutil.copytree(made, tmp_path / "here")
    for path in (tmp_path / "here/runs").glob("*/run.json"):
        path.write_text(path.read_text().replace(str(made), str(tmp_path / "here")))
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "here"


def printed(capsys, *tokens, code=0):
    assert main(list(tokens)) == code
    captured = capsys.readouterr()
    return captured.out if code == 0 else captured.err


def names(text):
    return re.findall(r"^ (\S+) +(?:finished|interrupted) ", text, re.M)


# runs, rename, delete -------------------------------------------------------------------------------------------------


def test_runs_show_data_date_what_differs_and_pcas_error(here, capsys):
    text = printed(capsys, "runs")
    assert names(text) == ["pca", "small", "large", "vae", "cloud", "left"]
    row = next(line for line in text.splitlines() if line.startswith(" large "))
    errors, started = Run("runs/large").errors, Run("runs/large").record["started"]
    assert "own.csv" in row
    assert "latent_dim=2, network=mlp:4, epochs=3" in row
    assert f"{number(errors['model'])} " in row
    assert f"{number(errors['pca'])} " in row
    assert started[:16].replace("T", " ") in row
    same = next(line for line in printed(capsys, "runs", "--filter", "name=large").splitlines() if " large " in line)
    assert "latent_dim=2, network=mlp:4" in same  # of one run, all that is not at its default


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--sort", "name"], ["cloud", "large", "left", "pca", "small", "vae"]),
        (["--sort", "latent-dim", "--filter", "model=ae"], ["small", "left", "large"]),
        (["--sort", "epochs", "--descending", "--filter", "model!=pca", "--filter", "status=finished"],
         ["large", "small", "vae"]),
        (["--filter", "data=cloud"], ["cloud"]), (["--filter", "a"], ["pca", "small", "large", "vae"]),
        (["--filter", "latent_dim<2", "--filter", "data=own.csv"], ["pca", "small", "left"]),
        (["--filter", "epochs>=3"], ["large"]), (["--filter", "elbo<1000"], ["vae"]),
        (["--filter", "network = mlp:4"], ["small", "large", "vae", "left"]),
    ],
)  # fmt: skip
def test_runs_are_sorted_and_filtered(flags, expected, here, capsys):
    assert names(printed(capsys, "runs", *flags)) == expected


def test_sorted_by_error_runs_without_one_come_last(here, capsys):
    order = names(printed(capsys, "runs", "--sort", "error"))
    assert order[-1] == "left"
    errors = [Run(f"runs/{name}").errors["model"] for name in order[:-1]]
    assert errors == sorted(errors)


@pytest.mark.parametrize("flags", [["--sort", "eror"], ["--filter", "eror<3"]])
def test_names_that_no_run_has_are_refused(flags, here, capsys):
    assert "Did you mean 'error'?" in printed(capsys, "runs", *flags, code=2)


@pytest.mark.parametrize("columns", ["40", "60", "80"])
def test_the_list_fits_small_terminals(columns, here, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", columns)
    table = printed(capsys, "runs").split("Resume what was")[0]  # a command is not broken, so that it can be copied
    assert max(map(len, table.splitlines())) <= int(columns)


def test_a_killed_run_says_how_it_is_resumed(here, capsys):
    shutil.rmtree("runs/left/model")
    assert "Resume: narrows resume runs/left\n" in printed(capsys, "show", "left")
    assert "Resume what was interrupted: narrows resume runs/left\n" in printed(capsys, "runs")
    for command in ("encode", "score", "evaluate", "diagnose", "map"):
        error = printed(capsys, command, "left", code=2)
        assert "it is interrupted, with none saved yet. Resume it: narrows resume runs/left." in error


def test_the_name_of_an_interrupted_run_is_refused_with_how_to_resume_it(here, capsys):
    error = printed(capsys, "train", "ae", "--data", "own.csv", "--name", "left", code=2)
    assert "which ended before it was finished (narrows resume runs/left). Choose another name." in error


@pytest.mark.slow
def test_pictures_of_analyses_are_not_replaced_silently(here, capsys):
    for said in ("runs/large/map_pca.png\n", "runs/large/map_pca.png  replaced\n"):
        assert printed(capsys, "map", "large", "--method", "pca").endswith(said)
    Path("mine.png").write_text("mine")
    assert "'mine.png' is there. Add --force" in printed(capsys, "map", "large", "--out", "mine.png", code=2)


def test_none_that_meets_the_conditions_is_said(here, capsys):
    assert "None of 6 runs in runs/ meets model=vae and epochs>5." in printed(
        capsys, "runs", "--filter", "model=vae", "--filter", "epochs>5"
    )


def test_what_differs_is_left_out_where_it_is_the_default(made):
    runs, problems = runs_in(made / "runs")
    by_name = {run.name: run for run in runs}
    assert problems == []
    assert differing([by_name["small"], by_name["large"]]) == [
        {"latent_dim": "1", "epochs": "2"}, {"latent_dim": "2", "epochs": "3"}
    ]  # fmt: skip
    assert values_of(by_name["small"])["latent_dim"] == "1"
    assert [run.name for run in arranged(runs, conditions=["seed=0", "model=vae"])] == ["vae"]


def test_rename_and_delete(here, capsys, monkeypatch):
    assert printed(capsys, "rename", "small", "tiny") == "runs/tiny\n"
    assert Run("runs/tiny").name == "tiny"
    assert "'runs/large' is there" in printed(capsys, "rename", "tiny", "large", code=2)
    assert "must be the name of a folder" in printed(capsys, "rename", "tiny", "../x", code=2)
    assert "Did you mean 'tiny'?" in printed(capsys, "rename", "tny", "x", code=2)
    assert "--yes must be given where there is no terminal" in printed(capsys, "delete", "tiny", code=2)
    assert "must be at least one run; got none" in printed(capsys, "delete", code=2)
    assert "Did you mean 'tiny'?" in printed(capsys, "delete", "large", "tny", "--yes", code=2)
    assert Path("runs/large").is_dir()  # nothing goes before all are known
    text = printed(capsys, "delete", "tiny", "runs/large", "--yes")
    assert re.fullmatch(r"deleted runs/tiny \(\d+ files, [\d.]+ KB\)\ndeleted runs/large \(.*\)\n", text)
    assert not Path("runs/tiny").exists()
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for answer, there in (("", True), ("no", True), ("y", False)):
        monkeypatch.setattr("builtins.input", lambda answer=answer: answer)
        assert printed(capsys, "delete", "vae").startswith("Delete runs/vae (")
        assert Path("runs/vae").exists() == there


def test_a_run_that_is_trained_is_neither_renamed_nor_deleted(here, capsys):
    with locked(lock_of(Path("runs/left"))):
        for command in (["rename", "left", "x"], ["delete", "left", "--yes"]):
            assert f"process {os.getpid()} on" in printed(capsys, *command, code=2)
    assert Path("runs/left").is_dir()


# The data of a run ----------------------------------------------------------------------------------------------------


def test_data_are_found_from_any_folder(here, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert own_data(Run("here/runs/small")).sha256 == Run("here/runs/small").record["data"]["sha256"]
    shutil.move(tmp_path / "here", tmp_path / "moved")  # the data with the runs
    assert len(dataset_of(Run("moved/runs/small")).train) == 86
    shutil.copytree("moved/runs/small", "elsewhere/small")  # a run alone: its data are where they were
    content = json.loads(Path("elsewhere/small/run.json").read_text())
    content["data"]["place"]["absolute"] = str(tmp_path / "moved/own.csv")
    Path("elsewhere/small/run.json").write_text(json.dumps(content))
    assert len(dataset_of(Run("elsewhere/small")).train) == 86


def test_another_file_of_that_name_is_passed_over(here, monkeypatch):
    (here / "other").mkdir()
    monkeypatch.chdir(here / "other")
    table(120, seed=5).to_csv("own.csv", index=False)
    told = []
    own_data(Run("../runs/small"), changed=told.append)
    assert told == []
    (here / "own.csv").unlink()
    own_data(Run("../runs/small"), changed=told.append)
    assert len(told) == 1


def test_data_that_are_nowhere_are_named_with_their_checksum(here, capsys):
    Path("own.csv").rename("moved.csv")
    checksum = Run("runs/left").record["data"]["file_sha256"]
    for command in (["encode", "small"], ["resume", "left"]):
        error = printed(capsys, *command, code=2)
        assert f"the file with sha256 {checksum} there" in error
        assert "--data PATH" in error
    text = printed(capsys, "resume", "left", "--data", "moved.csv")
    assert "resuming runs/left" in text
    assert Run("runs/left").status == "finished"


def test_other_data_are_no_data_of_a_run(here, capsys):
    table(120, seed=5).to_csv("others.csv", index=False)
    assert "data must not have changed; others.csv is not" in printed(
        capsys, "resume", "left", "--data", "others.csv", code=2
    )


# train --from ---------------------------------------------------------------------------------------------------------


def test_training_goes_on_from_a_run(here, capsys):
    text = printed(capsys, "train", "--from", "small", "--learning-rate", "1e-30", "--epochs", "1", "--name", "more")
    assert "ae on own.csv: 86 training, 10 validation, 24 test samples of 4, from runs/small" in text
    more, small = Run("runs/more"), Run("runs/small")
    X = own_data(small).test
    np.testing.assert_array_equal(more.load().transform(X), small.load().transform(X))
    assert more.record["parameters"] == {**small.record["parameters"], "learning_rate": 1e-30, "epochs": 1}
    assert more.record["data"]["sha256"] == small.record["data"]["sha256"]


@pytest.mark.slow
def test_new_data_keep_the_columns_and_the_scale_and_can_be_resumed(here, capsys):
    table(60, seed=3, columns="dbca").assign(note="x").to_csv("new.csv", index=False)
    flags = ["--data", "new.csv", "--drop", "note", "--epochs", "2", "--validation", "0.2"]
    assert printed(capsys, "train", "ae", "--from=runs/small", *flags, "--name", "new")
    run = Run("runs/new")
    assert run.record["data"]["columns"] == COLUMNS
    np.testing.assert_array_equal(run.load().schema_.offset, load("runs/small").schema_.offset)
    assert own_data(run).sha256 == run.record["data"]["sha256"]
    error = printed(capsys, "train", "--from", "small", "--data", "new.csv", code=2)
    assert "note" in error


def test_a_run_that_begins_at_another_is_resumed_at_it(here, monkeypatch):
    data, start = own_data(Run("runs/small")), load("runs/small")
    whole = AE(**{**start.get_params(deep=False), "epochs": 3})
    list(record(whole, data, "runs/whole", warm_start=start, pictures=False))
    part = AE(**{**start.get_params(deep=False), "epochs": 3})
    reports = record(part, data, "runs/part", warm_start=start, pictures=False)
    next(reports)
    reports.close()
    for path in Path("runs/part/checkpoints").glob("*step-*"):
        path.unlink()  # as where it was killed before the first
    from narrows.runs import resume

    with pytest.warns(match="had no checkpoint yet"):
        list(resume("runs/part"))
    np.testing.assert_array_equal(load("runs/part").transform(data.test), whole.transform(data.test))
    assert not Path("runs/part/checkpoints").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--from smal", "Did you mean 'small'?"),
        ("vae --from small", "--from must name a run of vae; runs/small is of ae"),
        ("--from small --latent-dim 3 --epochs 1", "the same network; it differs in latent_dim"),
        ("--from runs/small/model", "--data must be given with a saved model"),
        ("pca --from pca", "Unknown option: --from"), ("--from", "MODEL"),
    ],
)  # fmt: skip
def test_mistakes_of_from_are_named(flags, message, here, capsys):
    before = set(Path("runs").iterdir())
    assert message in printed(capsys, "train", *flags.split(), code=2) or message == "MODEL"
    assert set(Path("runs").iterdir()) == before


# --plugin -------------------------------------------------------------------------------------------------------------

PLUGIN = '''
from torch.distributions import StudentT
from narrows import register
from narrows.components import component
from narrows.estimators import AE
from narrows.params import model, param
from narrows.probability.likelihoods import Likelihood


@register
@component
class Heavy(Likelihood):
    """Student's t."""

    df: float = param(3.0, "Degrees of freedom.", low=0, low_open=True)

    def distribution(self, h, scale):
        return StudentT(self.df, h, 1.0, validate_args=False)

    def link(self, mean):
        return mean


@register
@model
class Deep(AE):
    """An autoencoder of my own."""

    network: str = param("mlp:8x8", "Its network.", axis="network")
'''


@pytest.fixture
def plugin(here):
    Path("mine.py").write_text(PLUGIN)
    path = list(sys.path)
    yield "mine.py"
    sys.path[:] = path
    for name in [name for name in sys.modules if name.startswith(PREFIX)]:
        del sys.modules[name]
    AXES["likelihood"].values_by_name.pop("heavy", None)
    AXES["estimator"].values_by_name.pop("deep", None)


@pytest.mark.slow
def test_components_and_models_of_a_plugin_are_trained_used_and_resumed(plugin, capsys):
    flags = ["--data", "own.csv", "--latent-dim", "1", "--epochs", "1", "--name", "mine"]
    assert printed(capsys, "--plugin", plugin, "train", "deep", *flags, "--likelihood", "heavy", "--likelihood.df", "5")
    assert Run("runs/mine").record["parameters"]["likelihood"] == "heavy:5"
    assert "An autoencoder of my own." in printed(capsys, "train", "--help", f"--plugin={plugin}")
    assert "24 codes" in printed(capsys, "encode", "mine", "--plugin", plugin)
    assert type(load("runs/mine")).__name__ == "Deep"


@pytest.mark.slow
def test_a_plugin_reaches_the_processes_of_jobs(here, plugin, capsys):
    Path("json.py").write_text(Path(plugin).read_text().replace("@register\n@model", "@model"))  # the name of another
    flags = ["--data", "own.csv", "--epochs", "1", "--likelihood", "heavy", "--latent-dim", "1,2", "--seeds", "1"]
    shown = printed(capsys, "--plugin", "json.py", "sweep", "ae", *flags, "--jobs", "2")
    assert "2 trainings" in shown


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x = (", "SyntaxError, line 1: '(' was never closed"),
        ("a = 1\nb = a / 0\n", "ZeroDivisionError, line 2: division"),
        ("import nothing_of_that_name", "ModuleNotFoundError, line 1: No module named"), (None, "got 'wrong.py'"),
        ("from narrows import register\nregister(int)", "register: kind must be an estimator or a component"),
    ],
)  # fmt: skip
def test_mistakes_of_plugins_are_named(content, message, here, capsys):
    if content is not None:
        Path("wrong.py").write_text(content)
    assert message in printed(capsys, "runs", "--plugin", "wrong.py", code=2)
    assert not any(name.startswith(PREFIX) for name in sys.modules)


def test_a_run_that_needs_a_plugin_says_so(here, capsys):
    content = json.loads(Path("runs/small/run.json").read_text())
    content["command"] = ["narrows", "--plugin", "their.py", "train", "ae"]
    Path("runs/small/run.json").write_text(json.dumps(content))
    assert main(["show", "small"]) == 0
    assert "small was trained with --plugin their.py, which may be needed here" in capsys.readouterr().err


# compare --------------------------------------------------------------------------------------------------------------


def test_compare_takes_the_parameters_of_its_models(here, capsys):
    flags = [
        "--network",
        "mlp:4",
        "--epochs",
        "1",
        "--seeds",
        "1",
        "--beta",
        "2",
        "--samples",
        "2",
        "--data",
        "own.csv",
    ]
    text = printed(capsys, "compare", "vae", "ae", "pca", "--latent-dim", "3", *flags, "--out", "both.json")
    parameters = {
        row["model"]: row["measures"]["parameters"]["mean"] for row in json.loads(Path("both.json").read_text())["rows"]
    }
    assert parameters["pca"] == 3 * 4 + 4 + 3 + 3 + 1
    assert parameters["ae"] == 4 * 4 + 4 + 4 * 3 + 3 + 3 * 4 + 4 + 4 * 4 + 4 + 1
    assert text.endswith("both.json\n")
    assert "--beta must go with a model that is trained here" in printed(
        capsys, "compare", "pca", "--beta", "2", code=2
    )
    assert "epochs must be" in printed(capsys, "compare", "ae", "--epochs", "0", code=2)
    assert "Add --force" in printed(capsys, "compare", "pca", "--data", "own.csv", "--out", "both.json", code=2)


@pytest.mark.parametrize("name", ["t.tex", "t.csv", "t.md"])
def test_compare_writes_the_table_alone(name, here, capsys):
    assert printed(capsys, "compare", "small", "pca", "--samples", "2", "--out", f"new/{name}").endswith(
        f"new/{name}\n"
    )
    assert [path.name for path in Path("new").iterdir()] == [name]


def test_tables_of_a_comparison_hold_its_cells(table):
    models = {"a_1": PCA(latent_dim=1), "50% & |": PCA(latent_dim=3)}
    comparison = compare_models(models, table[:30], table[30:], seeds=1, samples=2)
    tex, text = latex(comparison).splitlines(), markdown(comparison).splitlines()
    assert tex[:4] == [r"\begin{tabular}{lrr}", r"\toprule", r" & a\_1 & 50\% \& | \\", r"\midrule"]
    assert tex[-2:] == [r"\bottomrule", r"\end{tabular}"]
    cells = {row.name: str(row.cells["squared error per sample"]) for row in comparison.rows}
    better = min(comparison.rows, key=lambda row: row.cells["squared error per sample"].mean).name
    worse = next(name for name in models if name != better)
    assert rf"\textbf{{{cells[better]}}}" in tex[4]
    assert f" {cells[worse]} " in tex[4]
    assert text[0] == r"|  | a_1 | 50% & \| |"
    assert text[1] == "| --- | ---: | ---: |"
    assert f"| **{cells[better]}** |" in text[2]
    assert len(text) == 2 + len(comparison.measures) == len(tex) - 4


def test_new_rows_of_a_run_that_do_not_fit_are_named(here):
    table(10, columns="abc").to_csv("few.csv", index=False)
    with pytest.raises(DataError, match="no 'd'"):
        dataset_of(Run("runs/small"), "few.csv")
