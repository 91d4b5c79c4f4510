"""evaluate, diagnose and compare, as one types them."""

import json

import pytest

from narrows.cli.app import main

pytestmark = pytest.mark.usefixtures("blank_pictures")

SMALL = ["--data", "digits", "--data-option", "limit=300"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("judged")


@pytest.fixture
def typed(folder, monkeypatch, capsys):
    """Return a function that runs a command in a folder that holds one run, and returns what it printed."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "200")
    if not (folder / "runs").exists():
        train = ["train", "vae", *SMALL, "--latent-dim", "3", "--network", "mlp:16", "--epochs", "2", "--name", "first"]
        assert main(train) == 0
        capsys.readouterr()

    def run(*tokens, code=0):
        assert main(list(tokens)) == code
        captured = capsys.readouterr()
        return captured.out if code == 0 else captured.err

    return run


@pytest.mark.slow
def test_evaluate_prints_and_writes(typed, folder):
    text = typed("evaluate", "first", "--samples", "3", "--features", "pixels")
    assert "PCA" in text
    assert "kNN accuracy" in text
    assert "active units" in text
    assert "PSNR [dB] ↑" in text
    record = json.loads((folder / "runs" / "first" / "evaluation.json").read_text())
    assert [row["model"] for row in record["rows"]] == ["first", "PCA"]
    assert record["code"]["importance_samples"] == 3
    assert "frechet distance (pixels, n=" in text
    assert record["generation"].pop("sampler") == "prior"
    assert all("(pixels, n=" in name for name in record["generation"])
    assert "Did you mean 'classifier'?" in typed("evaluate", "first", "--features", "clasifier", code=2)


def test_diagnose_gives_a_reason_and_a_remedy(typed):
    text = typed("diagnose")
    assert "  Try --network residual (begins at PCA)." in text.splitlines()
    assert "worse than PCA: On held-out samples the squared error is " in text


SHORT = [*SMALL, "--network", "mlp:16", "--latent-dim", "3", "--batch-size", "32"]


@pytest.mark.slow
def test_training_tells_once_what_goes_wrong_and_sums_up_at_its_end(typed):
    text = typed("train", "vae", *SHORT, "--beta", "100", "--epochs", "7", "--name", "collapsed")
    lines = text.splitlines()
    (first,) = (i for i, line in enumerate(lines) if line.startswith("advice: The code holds"))
    assert lines[first - 1].startswith("epoch ")
    assert any(line.startswith("epoch ") for line in lines[first:])  # in time
    assert "posterior collapse: The code holds no information" in "\n".join(lines[first:])
    assert lines[-1].startswith("  Try --")
    assert "Ctrl-C stops. Try --kl-warmup 0.3 (the KL term rises slowly), or --beta 1 (the KL" in lines[first]


@pytest.mark.slow
def test_sound_trainings_end_without_advice(typed, monkeypatch):
    monkeypatch.setattr("narrows.cli.advice.PATIENCE", 1e9)  # a busy machine is no reason not to look
    text = typed("train", "pca", *SMALL, "--latent-dim", "8", "--name", "sound")
    assert "advice" not in text
    assert "  Try " not in text
    assert text.splitlines()[-1].endswith("map of the codes")
    monkeypatch.setattr("narrows.cli.advice.PATIENCE", 0)  # as where looking would take long
    text = typed("train", "pca", *SMALL, "--latent-dim", "8", "--name", "large")
    assert text.splitlines()[-1].startswith("narrows diagnose runs/large")


@pytest.mark.slow
def test_compare_trains_what_is_not_trained(typed, folder):
    text = typed("compare", "first", "pca", "--out", "both")
    header, first, *_ = text.splitlines()[1:]
    assert header.split() == ["first", "pca"]
    assert first.startswith("squared error per sample ↓")
    assert (folder / "both" / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    rows = json.loads((folder / "both" / "comparison.json").read_text())["rows"]
    assert [(row["model"], row["seeds"]) for row in rows] == [("first", 1), ("pca", 1)]
    assert rows[1]["measures"]["parameters"]["mean"] == 3 * 64 + 64 + 3 + 3 + 1  # as many numbers as the run's code
    assert (folder / "both" / "comparison.csv").read_text().startswith("model,seeds,")


def test_mistakes_are_told(typed):
    assert "got none" in typed("compare", code=2)
    assert "Did you mean 'vae'?" in typed("compare", "vea", code=2)
    assert "Did you mean 'cloud-pca'?" in typed("compare", "cloud-pcs", code=2)
    told = typed("compare", "cloud-pca", "digits-vae", code=2)
    assert "recipes must be of the same data" in told
    assert "cloud-pca: cloud" in told
    assert "digits-vae: mnist" in told


@pytest.mark.slow
def test_compare_trains_recipes_on_their_own_data(typed, folder):
    text = typed("compare", "cloud-pca", "cloud-linear", "--seeds", "1", "--out", "recipes")
    assert text.startswith("cloud: ")
    rows = json.loads((folder / "recipes" / "comparison.json").read_text())["rows"]
    assert [row["model"] for row in rows] == ["cloud-pca", "cloud-linear"]
    errors = [row["measures"]["squared error per sample"]["mean"] for row in rows]
    assert errors[1] == pytest.approx(errors[0], rel=0.02)  # the recipe's point: the linear autoencoder finds PCA
