"""What encode, score and reconstruct write: every row can be traced, in the units and names of the file."""

import csv
import io
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from narrows import AE, VAE, load, load_dataset
from narrows.cli.app import main
from narrows.errors import ConfigError
from narrows.evaluation import anomaly_scores, squared_error, threshold
from narrows.evaluation.errors import squared_error_by_feature
from narrows.runs import Run, record
from narrows.runs.dataset import own_data, with_new_rows
from narrows.storage.columns import csv_text, harmless, write_columns

pytestmark = pytest.mark.usefixtures("blank_pictures")


def plant(n, seed=0):
    rng = np.random.default_rng(seed)
    load_ = rng.normal(size=n)
    return pd.DataFrame({
        "pressure": 1013 + 8 * load_ + rng.normal(0, 1, n), "temperature": 80 + 5 * load_ + rng.normal(0, 0.5, n),
        "vibration": 0.02 + 0.004 * load_ + rng.normal(0, 0.0005, n),
    }).round(6)  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a run on a table, a run on small pictures, and files of new rows."""
    folder, before = tmp_path_factory.mktemp("place"), os.getcwd()
    os.chdir(folder)
    try:
        own = plant(300)
        own.insert(0, "tag", [f"={i}" if i % 2 else f"T{i}" for i in range(300)])
        own["state"] = ["low" if p < 1013 else "high" for p in own["pressure"]]
        own.to_csv("own.csv", index=False)
        new = plant(40, seed=1)
        new.loc[7, "temperature"], new.loc[13, "vibration"] = 200, 0.5
        new.to_csv("new.csv", index=False)
        new[["vibration", "pressure", "temperature"]].to_csv("order.csv", index=False)
        new.assign(extra=1.5).to_csv("extra.csv", index=False)
        new.rename(columns={"vibration": "vib"}).to_csv("renamed.csv", index=False)
        named = new.assign(state=["high", "low"] * 20)
        named.insert(0, "tag", [f"N{i}" for i in range(40)])
        named.to_csv("named.csv", index=False)
        data = load_dataset("own.csv", label="state", id="tag", validation=0.1)
        list(record(AE(latent_dim=1, network="mlp:8", epochs=5), data, "runs/plant", pictures=False))
        rng = np.random.default_rng(0)
        for group, n in (("pictures", 40), ("others", 6)):
            (folder / group).mkdir()
            for i in range(n):
                size = (6, 5) if group == "pictures" else (12, 10)
                pixels = rng.integers(0, 255, size, dtype=np.uint8)
                Image.fromarray(pixels).save(folder / group / f"p{(n - i):02d}.png")
        few = AE(latent_dim=2, network="mlp:8", epochs=2)
        list(record(few, load_dataset("pictures"), "runs/pictures", pictures=False))
    finally:
        os.chdir(before)
    return folder


@pytest.fixture(autouse=True)
def here(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    monkeypatch.setenv("COLUMNS", "120")
    capsys.readouterr()


def written(tmp_path, *command, name="x.csv"):
    out = tmp_path / name
    assert main([*command, "--out", str(out)]) == 0
    if out.suffix == ".npz":
        with np.load(out) as arrays:
            return dict(arrays)
    return (
        pd.read_csv(out) if out.suffix == ".csv" else pd.read_parquet(out) if out.suffix == ".parquet" else np.load(out)
    )


def test_rows_of_a_run_carry_their_number_id_and_label(tmp_path):
    codes = written(tmp_path, "encode", "plant")
    own = pd.read_csv("own.csv")
    assert list(codes.columns) == ["row", "tag", "label", "code_1"]
    assert len(codes) == 60
    assert (own["tag"][codes["row"]].map(harmless).to_numpy() == codes["tag"].to_numpy()).all()
    assert (own["state"][codes["row"]].to_numpy() == codes["label"].to_numpy()).all()
    X = own.loc[codes["row"], ["pressure", "temperature", "vibration"]].to_numpy()
    np.testing.assert_allclose(codes["code_1"], load("runs/plant").transform(X)[:, 0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["x.csv", "x.parquet", "x.npz"])
def test_files_of_every_form_say_the_same(name, tmp_path):
    table = written(tmp_path, "encode", "plant", "--data", "named.csv", name=name)
    assert list(np.asarray(table["row"])) == list(range(40))
    assert list(np.asarray(table["tag"])) == [f"N{i}" for i in range(40)]
    assert list(np.asarray(table["label"])) == ["high", "low"] * 20
    codes = load("runs/plant").transform(plant_rows("named.csv"))
    shown = table["codes"] if name == "x.npz" else np.asarray(table["code_1"])[:, None]
    np.testing.assert_allclose(shown, codes, rtol=1e-6)
    np.testing.assert_array_equal(written(tmp_path, "encode", "plant", "--data", "named.csv", name="y.npy"), codes)


@pytest.mark.parametrize("command", ["score", "anomalies", "reconstruct"])
def test_beside_npy_a_second_file_tells_the_rows_apart(command, tmp_path, capsys):
    table = written(tmp_path, command, "plant", "--data", "named.csv")
    values = written(tmp_path, command, "plant", "--data", "named.csv", name="y.npy")
    assert str(tmp_path / "y.keys.csv") in capsys.readouterr().out
    keys = pd.read_csv(tmp_path / "y.keys.csv")
    assert list(keys.columns) == ["row", "tag", "label"]
    pd.testing.assert_frame_equal(keys, table[keys.columns])
    first = values if values.ndim == 1 else values[:, 0]
    np.testing.assert_allclose(first, table[table.columns[3]], rtol=1e-6)


def plant_rows(file):
    return pd.read_csv(file)[["pressure", "temperature", "vibration"]].to_numpy()


def test_columns_are_put_in_the_order_of_the_model(tmp_path):
    a, b = (written(tmp_path, "encode", "plant", "--data", f"{f}.csv", name=f"{f}.csv") for f in ("new", "order"))
    pd.testing.assert_frame_equal(a, b)


@pytest.mark.parametrize(
    ("file", "words"), [("extra.csv", ["'extra' beside", "drop"]), ("renamed.csv", ["no 'vibration'", "'vib'"])]
)
@pytest.mark.parametrize("command", ["encode", "score", "anomalies", "evaluate", "diagnose", "reconstruct"])
def test_columns_that_are_missing_or_more_are_named(command, file, words, capsys):
    assert main([command, "plant", "--data", file]) == 2
    error = capsys.readouterr().err
    assert all(word in error for word in words), error


def test_columns_that_a_flag_leaves_out_are_no_mistake(tmp_path):
    a = written(tmp_path, "encode", "plant", "--data", "new.csv", name="a.csv")
    b = written(tmp_path, "encode", "plant", "--data", "extra.csv", "--drop", "extra", name="b.csv")
    pd.testing.assert_frame_equal(a, b)


def test_reconstructions_have_the_names_and_units_of_the_file(tmp_path):
    table = written(tmp_path, "reconstruct", "plant", "--data", "order.csv")
    assert list(table.columns) == ["row", "pressure", "temperature", "vibration"]
    X_hat = load("runs/plant").reconstruct(plant_rows("new.csv"))
    np.testing.assert_allclose(table.to_numpy()[:, 1:], X_hat, rtol=1e-6)


def test_pictures_are_traced_by_file_name_and_brought_to_the_size_of_the_model(tmp_path):
    table = written(tmp_path, "reconstruct", "pictures", "--data", "others")
    assert list(table["file"]) == [f"p{i:02d}.png" for i in range(1, 7)]
    assert table.shape == (6, 2 + 30)
    scores = written(tmp_path, "score", "pictures", "--data", "others", name="s.csv")
    assert list(scores.columns) == ["row", "file", "score", "error"]
    assert list(scores["file"]) == list(table["file"])
    flags = ["--picture", f"{tmp_path}/w.png", "--rate", "0.9"]
    found = written(tmp_path, "anomalies", "pictures", "--data", "others", *flags, name="a.csv")
    assert list(found.columns) == ["row", "file", "score"]
    with Image.open(tmp_path / "w.png") as picture:
        assert picture.width > 100


# score and anomalies --------------------------------------------------------------------------------------------------


def test_scores_and_errors_are_those_of_the_model(tmp_path, capsys):
    table = written(tmp_path, "score", "plant", "--data", "new.csv")
    model, X = load("runs/plant"), plant_rows("new.csv")
    np.testing.assert_allclose(table["score"], model.score_samples(X), rtol=1e-5)
    np.testing.assert_allclose(table["error"], squared_error(model, X), rtol=1e-6)
    by_column = table[["error_pressure", "error_temperature", "error_vibration"]].to_numpy()
    np.testing.assert_allclose(by_column.sum(1), table["error"], rtol=1e-6)
    assert "40 samples scored: from" in capsys.readouterr().out


@pytest.mark.parametrize("by", ["score", "auto"])
def test_anomalies_are_traced_and_explained(tmp_path, capsys, by):
    table = written(tmp_path, "anomalies", "plant", "--data", "new.csv", "--rate", "0.05", "--by", by)
    model, own = load("runs/plant"), own_data(Run("runs/plant"))
    assert {7, 13} <= set(table["row"])
    assert (np.diff(table["score"]) >= 0).all()
    held_out = anomaly_scores(model, np.concatenate([own.validation, own.test]), by=by, X_train=own.train)
    scores = anomaly_scores(model, plant_rows("new.csv"), by=by, X_train=own.train)
    assert set(table["row"]) == set(np.flatnonzero(scores < threshold(held_out, 0.05)))
    because = table.set_index("row")
    assert because["column_1"][[7, 13]].tolist() == ["temperature", "vibration"]
    assert ((because["share_1"] > 0.3) & (because["share_1"] <= 1)).all()
    text = capsys.readouterr().out
    assert f"{len(table)} of 40 samples ({len(table) / 40:.2%})" in text
    assert f"the lowest 5% of the run's {len(own.validation) + len(own.test)} held-out samples" in text
    assert "temperature 200 (" in text


def test_where_few_are_held_out_all_samples_set_the_limit(tmp_path, capsys):
    written(tmp_path, "anomalies", "plant", "--rate", "0.001")
    assert "the lowest 0.1% of the run's 300 own samples" in capsys.readouterr().out


def test_where_the_own_data_are_gone_the_rows_set_the_limit(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("narrows.cli.scores.own_data", lambda run, changed: own_data(run, path="gone.csv"))
    table = written(tmp_path, "anomalies", "plant", "--data", "new.csv", "--rate", "0.05")
    assert set(table["row"]) == {7, 13}
    said = capsys.readouterr()
    assert "note: the rows themselves say what is usual: " in said.err
    assert "the lowest 5% of these samples" in said.out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--rate 1", "--rate must be a share >= 0 and < 1; got 1.0"),
        ("--by scroe", "Did you mean 'score'?"),
        ("--picture x.jpg", "--picture must end in .png; got 'x.jpg'"),
        ("--out x.txt", "--out must end in .csv, .parquet, .npy or .npz; got 'x.txt'"),
    ],
)
def test_mistakes_of_anomalies_are_named(flags, message, capsys):
    assert main(["anomalies", "plant", *flags.split()]) == 2
    assert message in capsys.readouterr().err


def test_errors_by_feature_add_up(X):
    model = AE(latent_dim=2, network="mlp:4", epochs=1).fit(X)
    errors = squared_error_by_feature(model, X)
    assert errors.shape == (len(X), X.shape[-1] if X.ndim < 4 else X.shape[1])
    np.testing.assert_allclose(errors.sum(1), squared_error(model, X), rtol=1e-9)


# evaluate and diagnose ------------------------------------------------------------------------------------------------


def test_evaluate_measures_new_rows_beside_the_runs_training_rows(tmp_path, capsys):
    assert main(["evaluate", "plant", "--data", "order.csv", "--samples", "2", "--out", f"{tmp_path}/e.json"]) == 0
    text = capsys.readouterr().out
    assert "plant on 40 test samples of order.csv" in text
    run = Run("runs/plant")
    data = with_new_rows(run, "order.csv")
    assert (len(data.train), len(data.test)) == (216, 40)
    np.testing.assert_array_equal(data.test, plant_rows("new.csv"))
    error = float(squared_error(run.load(), data.test).mean())
    assert f"{error:.1f}" in text or f"{error:.2f}" in text
    assert main(["diagnose", "plant", "--data", "order.csv"]) == 0
    assert main(["evaluate", "pictures", "--data", "others", "--samples", "2", "--out", f"{tmp_path}/p.json"]) == 0
    assert "pictures on 6 test samples of others" in capsys.readouterr().out


def test_labels_of_new_rows_are_numbered_as_in_training():
    data = with_new_rows(Run("runs/plant"), "named.csv")
    assert data.label_names == ("high", "low")
    assert data.test_labels.tolist() == [0, 1] * 20


# Files ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "shown"),
    [("=1+1", "'=1+1"), ("+49 30", "'+49 30"), ("-x", "'-x"), ("@a", "'@a"), ("\tx", "'\tx"), ("\rx", "'\rx"),
     ("-5", "-5"), ("+1e3", "+1e3"), ("a=1", "a=1"), ("", ""), (-5, -5), (-2.5, -2.5)],
)  # fmt: skip
def test_texts_that_spreadsheets_execute_are_quoted_and_numbers_are_not(cell, shown):
    assert harmless(cell) == shown
    assert next(csv.reader(io.StringIO(csv_text([[cell]]), newline=""))) == [str(shown)]


def test_numbers_are_written_in_full_and_missing_ones_left_empty(tmp_path):
    columns = {"=n": np.array([0.1, np.nan, -1e-30], np.float32), "b": np.array([True, False, True])}
    write_columns(tmp_path / "x.csv", columns, {})
    assert (tmp_path / "x.csv").read_text() == "'=n,b\n0.1,True\n,False\n-1e-30,True\n"


def test_parquet_needs_a_package(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ConfigError, match="pip install pyarrow"):
        write_columns(tmp_path / "x.parquet", {"a": np.zeros(2)}, {})
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_replaced_silently(tmp_path, capsys):
    before = Path("new.csv").read_text()
    for command in ("encode", "score", "reconstruct"):
        assert main([command, "plant", "--data", "new.csv", "--out", "new.csv"]) == 2
        assert "'new.csv' is there. Add --force to replace it." in capsys.readouterr().err
    assert Path("new.csv").read_text() == before
    assert main(["evaluate", "plant", "--samples", "2", "--out", "new.csv"]) == 2
    assert main(["sample", "plant", "--sampler", "gaussian", "--out", f"{tmp_path}/s.csv", "-n", "3"]) == 0
    assert list(pd.read_csv(tmp_path / "s.csv").columns) == ["row", "pressure", "temperature", "vibration"]
    capsys.readouterr()
    for said in ("runs/plant/scores.csv\n", "runs/plant/scores.csv  replaced\n"):
        assert main(["score", "plant"]) == 0
        assert capsys.readouterr().out.endswith(said)


# Sequences and labels -------------------------------------------------------------------------------------------------


def test_windows_keep_the_columns_by_name(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    t = np.arange(200)
    log = pd.DataFrame({"x": np.sin(t / 5), "y": 5 + np.cos(t / 7)}).round(6)
    log.to_csv("log.csv", index=False)
    log[["y", "x"]].to_csv("order.csv", index=False)
    log.rename(columns={"y": "z"}).to_csv("renamed.csv", index=False)
    model = AE(latent_dim=1, network="mlp:4", epochs=1)
    list(record(model, load_dataset("log.csv", window=10), "runs/log", pictures=False))
    a, b = (written(tmp_path, "reconstruct", "log", "--data", f, name=f"r-{f}") for f in ("log.csv", "order.csv"))
    pd.testing.assert_frame_equal(a, b)
    assert list(a.columns) == ["row", "step", "x", "y"]
    assert a["row"].tolist() == np.repeat(np.arange(0, 200, 10), 10).tolist()
    assert a["step"].tolist() == list(range(10)) * 20
    scores = written(tmp_path, "score", "log", "--data", "order.csv", name="s.csv")
    assert list(scores.columns)[1:] == ["score", "error", "error_x", "error_y"]
    capsys.readouterr()
    assert main(["encode", "log", "--data", "renamed.csv"]) == 2
    assert "'y'" in capsys.readouterr().err


def test_labels_of_other_files_enter_as_in_training(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    pd.DataFrame({"k": ["u", "v", "w"] * 10, "a": rng.normal(size=30), "b": rng.normal(size=30)}).to_csv(
        "own.csv", index=False
    )
    pd.DataFrame({"k": ["w", "v"], "b": [1.0, 2.0], "a": [3.0, 4.0]}).to_csv("few.csv", index=False)
    pd.DataFrame({"k": ["w", "z"], "b": [1.0, 2.0], "a": [3.0, 4.0]}).to_csv("new.csv", index=False)
    model = VAE(latent_dim=1, network="mlp:4", epochs=1, condition="concat")
    list(record(model, load_dataset("own.csv", label="k"), "runs/own", pictures=False))
    codes = written(tmp_path, "encode", "own", "--data", "few.csv")
    np.testing.assert_allclose(codes["code_1"], model.transform(np.array([[3.0, 1], [4, 2]]), [2, 1])[:, 0], rtol=1e-5)
    assert main(["evaluate", "own", "--data", "few.csv", "--samples", "2"]) == 0
    assert main(["score", "own", "--data", "few.csv"]) == 0
    capsys.readouterr()
    assert main(["encode", "own", "--data", "new.csv"]) == 2
    assert "labels must be classes of training; got 'z'" in capsys.readouterr().err
