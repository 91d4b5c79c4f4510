"""Recognition from a few labels: accuracies with known values, the same draws for all, and what is refused."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from narrows import PCA, figures
from narrows.analyses import Subject
from narrows.analyses.recognition import Recognise
from narrows.cli.app import main
from narrows.data import Dataset, load_dataset
from narrows.data.arrays import Arrays
from narrows.errors import ConfigError, DataError
from narrows.estimators import AE
from narrows.evaluation.probes import few_label_accuracy, few_labels
from narrows.runs import Run
from subjects import subject_of

pytestmark = pytest.mark.usefixtures("blank_pictures")


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    ae = AE(latent_dim=3, network="mlp:", epochs=1)
    return subject_of(tmp_path_factory.mktemp("digits") / "run", ae, load_dataset("digits"))


def test_accuracies_are_those_of_the_nearest_of_the_samples_drawn(digits):
    data, model = digits.dataset, digits.model
    few = few_label_accuracy(model, data.train, data.train_labels, data.test, data.test_labels, per_class=2, draws=3)
    rng = np.random.default_rng(0)
    classes = [np.flatnonzero(data.train_labels == c) for c in range(10)]
    for accuracy in few.accuracies:
        rows = np.concatenate([rng.choice(members, 2, replace=False) for members in classes])
        nearest = KNeighborsClassifier(1).fit(model.transform(data.train[rows]), data.train_labels[rows])
        assert accuracy == nearest.score(model.transform(data.test), data.test_labels)
    assert few.mean == pytest.approx(np.mean(few.accuracies))
    assert few.deviation == pytest.approx(np.std(few.accuracies, ddof=1))


def values(rows):
    return rows.x


def test_only_samples_that_are_drawn_are_encoded():
    seen = []

    def encode(rows):
        seen.append(len(rows.x))
        return rows.x

    X, y = np.arange(100.0)[:, None], np.arange(100) // 50
    few = few_labels(encode, Arrays(X), y, Arrays(X[::10]), y[::10], per_class=1, draws=3, seed=0)
    assert seen[0] <= 6
    assert seen[1] == 10
    assert few.mean > 0.5


def test_the_cosine_leaves_out_how_long_a_code_is():
    labelled, test = Arrays(np.array([[1.0, 0.0], [9.0, 9.0]])), Arrays(np.array([[16.0, 0.0]]))
    given = {"per_class": 1, "draws": 2, "seed": 0}  # near to the second, in the direction of the first
    assert few_labels(values, labelled, [0, 1], test, [0], **given, metric="cosine").mean == 1.0
    assert few_labels(values, labelled, [0, 1], test, [0], **given, metric="euclidean").mean == 0.0
    with pytest.raises(ConfigError, match=r"metric must be one of euclidean, cosine; got 'cosin'. Did you mean"):
        few_labels(values, labelled, [0, 1], test, [0], **given, metric="cosin")


@pytest.mark.slow
def test_codes_stand_beside_those_of_pca_and_the_values_themselves(digits):
    result = Recognise(draws=5)(digits)
    numbers, data = result.numbers, digits.dataset
    assert list(numbers)[::2] == ["accuracy, codes", "accuracy, PCA's codes", "accuracy, raw values"]
    raw = few_labels(
        values,
        Arrays(data.train),
        data.train_labels,
        Arrays(data.test),
        data.test_labels,
        per_class=10,
        draws=5,
        seed=0,
    )
    assert numbers["accuracy, raw values"] == raw.mean
    assert numbers["accuracy, raw values, deviation"] == raw.deviation
    pca = PCA(latent_dim=3).fit(data.train)
    labelled = (data.train, data.train_labels, data.test, data.test_labels)
    assert numbers["accuracy, PCA's codes"] == few_label_accuracy(pca, *labelled, per_class=10, draws=5).mean
    assert numbers["accuracy, raw values"] > numbers["accuracy, PCA's codes"] > 0.3
    assert result.note == "359 test samples, 10 x 10 labelled ones drawn 5 times."
    assert result.pictures == (digits.run.folder / "recognition.png",)
    assert Recognise(draws=5, seed=1)(digits).numbers["accuracy, codes"] != numbers["accuracy, codes"]


def test_codes_that_are_the_labels_are_recognised_without_fault(tmp_path):
    y = np.arange(120) % 3
    X = np.eye(3)[y] + 1e-3 * np.random.default_rng(0).normal(size=(120, 3))
    data = Dataset("made", X[:90], X[90:], train_labels=y[:90], test_labels=y[90:])
    result = Recognise(per_class=1)(subject_of(tmp_path / "run", PCA(latent_dim=2), data))
    assert result.numbers == {
        "accuracy, codes": 1.0, "accuracy, codes, deviation": 0.0,
        "accuracy, raw values": 1.0, "accuracy, raw values, deviation": 0.0,
    }  # fmt: skip  # PCA is not held against itself


def test_what_cannot_be_recognised_is_told(digits, tmp_path):
    with pytest.raises(ConfigError, match="part must be validation or test, since labelled samples are drawn from"):
        Recognise()(Subject(digits.run, digits.dataset, "train"))
    with pytest.raises(DataError, match="every class must have per_class = 1000 samples"):
        Recognise(per_class=1000)(digits)
    with pytest.raises(ConfigError, match="draws must be a whole number >= 2; got 1"):
        Recognise(draws=1)(digits)
    cloud = subject_of(tmp_path / "run", PCA(latent_dim=1), load_dataset("cloud"))
    with pytest.raises(ConfigError, match="Recognise: data must have classes; 'cloud' has none"):
        Recognise()(cloud)


@pytest.mark.usefixtures("drawn_pictures")
def test_bars_are_as_long_as_the_means():
    page = np.asarray(figures.bars({"a": [0.2, 0.6], "b": [0.8]}, "accuracy"))
    long = [(np.abs(page.astype(int) - colour).sum(2) < 60).sum(1).max() for colour in ((206, 97, 77), (169, 176, 184))]
    assert long[1] / long[0] == pytest.approx(2, rel=0.06)  # dots and whiskers cover some


def test_the_command_keeps_the_numbers_with_the_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    subject_of(tmp_path / "runs" / "pca-digits-1", PCA(latent_dim=4), load_dataset("digits"))
    assert main(["recognise", "--per-class", "2", "--draws", "3", "--metric", "cosine"]) == 0
    printed = capsys.readouterr().out
    assert "10 x 2 labelled ones drawn 3 times." in printed
    kept = Run("runs/pca-digits-1").record["analyses"]["recognise"]
    assert 0.3 < kept["accuracy, codes"] < 0.9
    assert main(["recognise", "--metric", "cosin"]) == 2
    assert "Did you mean 'cosine'?" in capsys.readouterr().err
