"""Files with text, times and holes through the commands."""

import re

import numpy as np
import pandas as pd
import pytest

from narrows.cli import main


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
