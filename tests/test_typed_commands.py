"""Files with text, times and holes through the commands."""

import re

import numpy as np
import pandas as pd
import pytest

from narrows.cli import main
from narrows.data.types import UnseenLevelWarning


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with people.csv and a run on it."""
    folder = tmp_path_factory.mktemp("typed")
    rng = np.random.default_rng(0)
    n = 300
    frame = pd.DataFrame(
        {
            "key": [f"k{i}" for i in range(n)],
            "city": rng.choice(["Köln", "Paris", "?"], n, p=[0.6, 0.3, 0.1]),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="D"),
            "zip": rng.choice([50667, 75001, 10115], n),
            "size": rng.normal(170, 10, n).round(1),
        }
    )
    frame.to_csv(folder / "people.csv", index=False)
    return folder


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return folder


def run(command, capsys):
    assert main(command.split()) == 0
    return capsys.readouterr().out


@pytest.fixture
def trained(here, capsys):
    if not (here / "runs" / "a").exists():
        command = (
            "train vae --data people.csv --epochs 2 --network mlp:16 --name a --column zip=category --latent-dim 2"
        )
        out = run(command, capsys)
        assert "key: identifier, left out" in out
        assert re.search(r"city: category \(bernoulli\), 2 levels, \d+% missing", out)
        assert "since: date (gaussian)" in out
        assert "zip: category (categorical), 3 levels" in out
        assert "squared error" in out
    return here / "runs" / "a"


def test_rows_are_reconstructed_and_drawn(trained, capsys):
    run("reconstruct a", capsys)
    found = pd.read_csv(trained / "reconstructed.csv")
    assert list(found) == ["row", "key", "city", "since", "zip", "size"]
    assert set(found.zip) <= {50667, 75001, 10115}
    run("sample a -n 50 --out drawn.csv --force", capsys)
    drawn = pd.read_csv("drawn.csv", parse_dates=["since"])
    assert list(drawn) == ["row", "city", "since", "zip", "size"]
    assert set(drawn.city.dropna()) <= {"Köln", "Paris"}
    assert (drawn.since == drawn.since.dt.normalize()).all()


def test_codes_and_scores(trained, capsys):
    run("encode a", capsys)
    assert len(pd.read_csv(trained / "codes.csv")) == 60
    assert "300 samples scored" in run("score a --data people.csv", capsys)
    assert "of 300 samples" in run("anomalies a --data people.csv", capsys)
    out = run("evaluate a", capsys)
    assert "log likelihood [nats" in out
    assert "table of 5 columns" in run("show a", capsys)


def test_what_is_missing_is_filled_in(trained, capsys):
    out = run("impute a", capsys)
    held, filled = (pd.read_csv(path, na_values="?") for path in ("people.csv", trained / "imputed.csv"))
    missing = held.city.isna()
    assert f"{missing.sum()} values filled in, 300 samples: {missing.sum()} in city" in out
    assert list(filled) == ["row", *held]
    assert set(filled.city) == {"Köln", "Paris"}
    assert (filled.city == held.city)[~missing].all()
    drawn = [
        pd.read_csv("drawn.csv")
        for seed in (0, 1)
        if run(f"impute a --draw --seed {seed} --out drawn.csv --force", capsys)
    ]
    assert not drawn[0].city.equals(drawn[1].city)


def test_levels_that_fit_did_not_see_are_not_filled_in(trained, here, capsys):
    frame = pd.read_csv("people.csv").head(20)
    frame["city"] = ["Bern", np.nan, *["Paris"] * 18]
    frame.to_csv("new.csv", index=False)
    with pytest.warns(UnseenLevelWarning, match=r"'city' \('Bern'\)") as told:
        out = run("impute a --data new.csv --out new-filled.csv", capsys)
    assert len(told) == 1
    assert "1 values filled in, 20 samples: 1 in city" in out
    assert pd.read_csv("new-filled.csv").city[0] == "Bern"


def test_a_table_of_codes_with_gaps(here, capsys):
    rng = np.random.default_rng(0)
    z = rng.normal(size=200)
    codes = {name: np.clip(np.rint(z + rng.normal(size=200) + 3), 1, 5) for name in "abc"}
    frame = pd.DataFrame({**codes, "size": z}).mask(rng.random((200, 4)) < 0.2)
    frame.to_csv("codes.csv", index=False)
    out = run("train vae --data codes.csv --epochs 1 --network mlp:8 --name codes", capsys)
    assert "a: ordinal (ordinal), 5 levels" in out
    run("impute codes", capsys)
    filled = pd.read_csv(here / "runs" / "codes" / "imputed.csv")
    assert set(filled.a) <= {1, 2, 3, 4, 5}
    assert "of 40 test samples" in run("anomalies codes", capsys)
    assert main(["impute", "codes", "--out", "x.npy"]) != 0
    assert "--out must end in .csv or .parquet" in capsys.readouterr().err
    run("reconstruct codes", capsys)
    run("train pca --data codes.csv --name plain", capsys)
    assert "values filled in, 200 samples" in run("impute plain", capsys)
    assert pd.read_csv(here / "runs" / "plain" / "imputed.csv").notna().all().all()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("map a", "Map: data must be numbers or images; got a table of typed columns"),
        ("sample a --out drawn.png --force", "--out must end in .csv or .parquet for a table with text or times"),
        ("anomalies a --picture x.png", "--picture must be left out for a table of typed columns"),
        ("train pca --data people.csv", "PCA: X must hold numbers; got others in key, city"),
        ("train vae --data people.csv --column zip", "--column must be written NAME=KIND; got 'zip'"),
        ("train vae --data people.csv --column zap=real", "columns must name columns of X; got 'zap'"),
        ("train ae --data people.csv --corruption gaussian:0.1", "corruption must be one that hides values"),
        ("train ae --data people.csv --penalty contractive", "penalty must not be of the encoder's slope"),
        ("train vae --data people.csv --likelihood laplace", "likelihood must be left out for a table of typed"),
    ],
)
def test_what_makes_no_sense_is_refused(trained, command, message, capsys):
    assert main(command.split()) != 0
    assert message in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.slow  # boosted trees for every column
def test_drawn_rows_are_measured_beside_those_held_out(trained, capsys):
    out = run("evaluate a --synthesis", capsys)
    assert "column distance" in out
    assert re.search(r"valid rows +1\.000", out)
    assert (trained / "synthesis.png").exists()
