"""`narrows data`, and the options of data as flags."""

from pathlib import Path

import numpy as np
import pytest

from narrows import PCA
from narrows.cli import main
from narrows.cli.arguments import data_flags, data_options
from narrows.cli.console import in_flags
from narrows.data.options import OPTIONS

LOG = "timestamp,temp,status\n" + "\n".join(
    f"2024-03-{1 + i // 24:02} {i % 24:02}:00:00,{i / 2 if i % 9 else -999},{'WARN' if i % 7 == 0 else 'OK'}"
    for i in range(60)
)


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "log.csv").write_text(LOG)


def test_a_file_is_described(log, capsys):
    assert main(["data", "log.csv"]) == 0
    out = capsys.readouterr().out
    lines = {words[0]: line for line in out.splitlines() if (words := line.split())}
    assert lines["timestamp"].rstrip().endswith("id (times)")
    assert "numbers" in lines["temp"]
    assert "-999 to 29.5" in lines["temp"]
    assert "2 different: OK, WARN" in lines["status"]
    assert lines["status"].rstrip().endswith("feature")
    assert "header: yes, since 'timestamp' stands above numbers" in out
    assert "fields separated by comma" in out
    for flag in ("--label", "--drop", "--missing", "--header", "--encoding", "--test", "--window"):
        assert flag in lines["options:"] or flag in out


def test_with_options_it_says_what_would_be_done(log, capsys):
    assert main(["data", "log.csv", "--label", "status", "--missing", "-999", "--window", "6"]) == 0
    out = capsys.readouterr().out
    assert "8 training, 2 test" in out
    assert "6 missing" in out
    assert "windows of 6 rows, 6 apart" in out
    assert "timestamp, such as 2024-03-01 00:00:00" in out


def test_training_says_how_a_file_was_read(log, capsys):
    assert main(["train", "pca", "--data", "log.csv", "--drop", "status", "--latent-dim", "1"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "read as: header: yes, since 'timestamp' stands above numbers; fields separated by comma" in out
    assert "if it means missing, --missing -999" in out


def test_flags_of_data_are_their_options():
    flags = data_flags(data_option="")
    assert {flag.name.removeprefix("data__") for flag in flags} == {"data_option", *OPTIONS}
    given = {
        "data__drop": "0", "data__header": "no", "data__limit": "5", "data__test": "new.csv", "data__transpose": True,
        "data_option": ["label=true"], "latent_dim": 2,
    }  # fmt: skip
    options = {"label": "true", "drop": "0", "header": False, "limit": 5, "test": "new.csv", "transpose": True}
    assert data_options(given) == options
    assert given == {"latent_dim": 2}


def test_an_option_that_a_file_does_not_take_is_named(log, capsys):
    assert main(["data", "log.csv", "--sheet", "one"]) == 2
    assert "options of 'log.csv' must be among label, drop, id" in capsys.readouterr().err
    assert main(["data", "log.csv", "--header", "perhaps"]) == 2
    assert "header must be yes or no; got 'perhaps'" in capsys.readouterr().err


def test_missing_values_are_named_with_their_columns_where_a_model_takes_none(log, capsys, monkeypatch):
    monkeypatch.setattr(PCA, "takes_missing", False)
    flags = ["--drop", "status", "--missing", "-999", "--latent-dim", "1"]
    assert main(["train", "pca", "--data", "log.csv", *flags]) == 2
    assert "missing values (NaN) in 'temp' (6). This model takes no missing values" in capsys.readouterr().err


def test_every_option_stands_in_the_readme_as_it_is_described():
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8").replace("\\|", "|")
    for name, option in OPTIONS.items():
        (line,) = [line for line in readme.splitlines() if line.startswith(f"| `--{name.replace('_', '-')}` |")]
        assert line.endswith(f"| {option.help} |")


def test_sequences_of_different_lengths_from_files_to_reconstructions(tmp_path, monkeypatch, blank_pictures_here):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clips").mkdir()
    for i in range(12):
        np.save(f"clips/{i:02}.npy", np.sin(np.arange(5 + i % 4))[:, None])
    assert main(["train", "ae", "--data", "clips", "--latent-dim", "1", "--epochs", "1", "--name", "c"]) == 0
    assert main(["reconstruct", "c", "--split", "all", "--out", "r.npy"]) == 0
    reconstructed = np.load("r.npy")
    assert reconstructed.shape == (12, 8, 1)
    assert np.isnan(reconstructed).sum() == sum(3 - i % 4 for i in range(12))


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("drop='a,b c', or id='k'.", "--drop 'a,b c', or --id k."),
        ("Name its encoding=.", "Name its --encoding."),
        ("missing, missing=-200", "missing, --missing -200"),
        ("(otherwise: shape=28x28)", "(otherwise: --shape 28x28)"),
        ("say split_column='part', transpose=true", "say --split-column part, --transpose"),
        ("got 'label=quality', latent_dim=3", "got 'label=quality', latent_dim=3"),
    ],
)
def test_keywords_of_data_are_flags_on_the_command_line(said, shown):
    assert in_flags(said) == shown
