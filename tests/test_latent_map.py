"""Maps of codes: what is laid out where, thumbnails that do not overlap, and numbers with known values."""

import sys

import numpy as np
import pytest

from drawn import structured
from narrows import PCA, figures
from narrows.analyses.latent_map import Map, agreement
from narrows.cli.app import main
from narrows.data import Dataset
from narrows.errors import ConfigError
from narrows.figures.thumbnails import apart
from subjects import subject_of

pytestmark = pytest.mark.usefixtures("blank_pictures")


def made(folder, X, y=None, k=3):
    """Return a run of PCA, fitted to three quarters of the samples and evaluated on the rest."""
    n = 3 * len(X) // 4
    labels = {} if y is None else {"train_labels": y[:n], "test_labels": y[n:]}
    return subject_of(folder, PCA(latent_dim=k), Dataset("made", X[:n], X[n:], **labels))


@pytest.fixture(scope="module")
def groups(tmp_path_factory):
    """Two groups of images, far apart: light on dark, 8 x 8."""
    rng = np.random.default_rng(0)
    y = np.arange(240) % 2
    X = (rng.random((240, 1, 8, 8)) < 0.08).astype(np.float32)
    X[y == 0, :, 1] = 1
    X[y == 1, :, :, 6] = 1
    return made(tmp_path_factory.mktemp("groups") / "run", X, y)


def test_boxes_apart_are_the_first_that_have_room():
    centres = np.array([[0, 0], [9, 4.9], [10, 0], [0, 4], [-1, -5], [25, 25], [19.9, 0.0]])
    assert apart(centres, (10, 5)).tolist() == [0, 2, 4, 5]
    assert apart(centres[[2, 0, 6]], (10, 5)).tolist() == [0, 1]
    drawn = np.random.default_rng(0).uniform(-300, 300, (2000, 2))
    chosen = drawn[apart(drawn, (30, 20))]
    gaps = np.abs(chosen[:, None] - chosen)
    np.fill_diagonal(gaps[:, :, 0], np.inf)
    assert ((gaps[:, :, 0] >= 30) | (gaps[:, :, 1] >= 20)).all()
    near = np.abs(drawn[:, None] - chosen)  # all others are in the way of one that was taken
    assert ((near[:, :, 0] < 30) & (near[:, :, 1] < 20)).any(1).all()


def test_agreement_is_the_share_of_neighbours_with_the_same_label():
    line = np.array([[0.0], [1.0], [2.1], [10.0]])
    # neighbours: 1, 0, 1, 2 and the second ones 2, 2, 0, 1
    assert agreement(line, np.array([0, 0, 1, 1]), 1) == (1 + 1 + 0 + 1) / 4
    assert agreement(line, np.array([0, 0, 1, 1]), 2) == (1 + 1 + 0 + 1) / 8
    assert agreement(line, np.array([5, 5, 5, 5]), 3) == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("method", ["tsne", "pca"])
def test_groups_stay_groups_in_the_map_and_the_same_seed_gives_the_same_picture(groups, method):
    result = Map(method=method, neighbours=5)(groups)
    assert result.numbers["neighbours of the same label, map"] > 0.99
    assert result.numbers["neighbours of the same label, codes"] == 1.0
    assert 0.75 < result.numbers["trustworthiness"] <= 1.0
    assert result.note == "60 test samples, 5 neighbours of each."
    (picture,) = result.pictures
    assert picture == groups.run.folder / f"map_{method}.png"
    first = picture.read_bytes()
    assert Map(method=method, neighbours=5)(groups).numbers == result.numbers
    assert picture.read_bytes() == first
    assert Map(method=method, limit=20, seed=1)(groups).note == "20 test samples, 9 neighbours of each."


def test_a_map_by_pca_of_two_numbers_is_exact(tmp_path):
    subject = made(tmp_path / "run", structured((6,), 80), k=2)
    result = Map(method="pca")(subject)
    assert result.numbers == {"trustworthiness": 1.0}  # no labels: nothing else to say


def test_codes_of_one_number_and_codes_that_do_not_vary_have_maps(tmp_path):
    one = made(tmp_path / "one", structured((6,), 80), k=1)
    assert Map(method="pca")(one).numbers == {"trustworthiness": 1.0}
    assert Map()(one).pictures[0].exists()
    same = made(tmp_path / "same", np.ones((80, 6), np.float32), k=1)
    assert Map()(same).pictures[0].exists()


def test_numbers_as_labels_colour_points_and_have_no_neighbours_of_the_same(tmp_path):
    X = structured((6,), 80)
    result = Map(method="pca")(made(tmp_path / "run", X, X[:, 0].astype(float)))
    assert list(result.numbers) == ["trustworthiness"]


@pytest.mark.usefixtures("drawn_pictures")
def test_light_images_on_dark_are_ink_in_the_colour_of_their_label():
    X = np.zeros((2, 1, 8, 8), np.float32)
    X[:, 0, 3:5] = 1
    page = np.asarray(figures.thumbnail_map(np.array([[0.0, 0.0], [5.0, 5.0]]), X, np.array([0, 1])))
    for colour in ((0x2F, 0x6D, 0xB5), (0xE0, 0x8A, 0x1E)):
        rows, columns = np.nonzero((page[:, :1300] == colour).all(2))  # the legend lies beyond
        assert len(rows) == 10 * 40  # 5 pixels for each, in two rows of 8
        assert (rows.max() - rows.min() + 1, columns.max() - columns.min() + 1) == (10, 40)


@pytest.mark.usefixtures("drawn_pictures")
def test_other_images_stand_in_a_frame_of_the_colour_of_their_label():
    X = np.full((2, 3, 6, 40), 0.5, np.float32)
    X[:, 0] = 1
    page = np.asarray(figures.thumbnail_map(np.array([[0.0, 0.0], [5.0, 5.0]]), X, np.array([0, 1])))
    assert (page == (255, 128, 128)).all(2).sum() == 2 * 6 * 40
    assert (page[:, :1300] == (0x2F, 0x6D, 0xB5)).all(2).sum() == 10 * 44 - 6 * 40


def test_too_few_samples_and_a_missing_package_are_named(groups, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="at least 4 test samples; got 3"):
        Map()(made(tmp_path / "run", structured((6,), 12)))
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ConfigError, match=r'must have umap-learn installed; it is not. Run: pip install "narrows\[map'):
        Map(method="umap")(groups)


@pytest.mark.slow
def test_the_command_writes_the_picture_and_prints_the_numbers(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "pca", "--data", "digits", "--latent-dim", "4"]) == 0
    capsys.readouterr()
    assert main(["map", "--method", "pca", "--limit", "50", "--out", "plane.png"]) == 0
    printed = capsys.readouterr().out
    assert "trustworthiness" in printed
    assert printed.endswith("50 test samples, 10 neighbours of each.\nplane.png\n")
    assert (tmp_path / "plane.png").stat().st_size > 5000
