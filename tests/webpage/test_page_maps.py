"""Maps of codes, values and thumbnails of a split, and drawings."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from narrows import PCA, figures
from narrows.data import Dataset
from narrows.data.dataset import RowIds
from narrows.errors import ConfigError, DataError, TrainingError
from narrows.evaluation import squared_error
from narrows.page import kept
from narrows.page.codes import MOST, Maps
from narrows.page.drawing import Drawings, _measured
from narrows.page.explorer import Explorer
from narrows.page.kept import KeptMaps, Progress
from narrows.page.samples import ModelOnSplit
from webpage.explorers import digits, explorer


def test_dimensions_are_those_of_the_codes():
    explored = explorer()
    message = Maps(explored).map("dims:2,0")
    np.testing.assert_allclose(message.tensors["points"], explored.on().codes[:, [2, 0]], rtol=1e-6)
    assert message.meta["names"] == ["dimension 3", "dimension 1"]
    assert message.meta["inverse"] == {"kind": "dims", "dims": [2, 0]}
    np.testing.assert_array_equal(message.tensors["rows"], np.arange(40))


def test_the_principal_plane_has_an_inverse():
    explored = explorer("pca")
    message = Maps(explored).map("pca", "train")
    inverse = message.meta["inverse"]
    z = np.array(inverse["mean"]) + message.tensors["points"] @ np.array(inverse["components"])
    np.testing.assert_allclose(z, explored.on("train").codes, atol=1e-5)


def test_few_codes_are_drawn_with_a_seed():
    maps = Maps(explorer())
    first, again = (maps.map("pca", "train", 20).tensors for _ in range(2))
    assert len(first["rows"]) == 20
    assert (np.diff(first["rows"]) > 0).all()
    np.testing.assert_array_equal(first["rows"], again["rows"])
    np.testing.assert_array_equal(maps.rows("train", 20), first["rows"])
    assert maps.values("train", 20).tensors["rows"].tolist() == first["rows"].tolist()


@pytest.mark.parametrize("name", ["", "dims", "dims:", "dims:3,0", "dims:0,1,2", "dims:-1,0", "dims:a,b", "isomap"])
def test_other_maps_are_a_sentence(name):
    with pytest.raises(ConfigError, match="map"):
        Maps(explorer()).map(name)


def test_indices_are_mapped_by_their_reconstructions():
    maps = Maps(explorer("ae", code="vq:8", network="conv"))
    message = maps.map("pca")
    assert message.meta["names"] == ["PCA 1 of the reconstructions", "PCA 2 of the reconstructions"]
    assert message.meta["inverse"] == {"kind": "neighbours"}
    with pytest.raises(ConfigError, match="indices"):
        maps.map("dims:0,1")


def test_values_are_those_of_evaluation():
    explored = explorer()
    message = Maps(explored).values()
    test = digits()
    np.testing.assert_allclose(message.tensors["error"], squared_error(explored.model, test.test), rtol=1e-6)
    np.testing.assert_allclose(message.tensors["score"], explored.model.score_samples(test.test), rtol=1e-6)
    np.testing.assert_array_equal(message.tensors["labels"], test.test_labels)
    assert message.meta["label_names"][4] == "four"
    assert message.meta["ids"] is None  # they are the rows' numbers


def test_values_name_the_samples_of_files():
    explored = explorer()
    files = np.array([f"digit-{i}.png" for i in range(40)])
    named = replace(digits(), row_ids={"test": RowIds("file", files, np.arange(40))})
    assert Maps(Explorer(explored.model, named)).values().meta["ids"] == files.tolist()


def test_steps_change_no_bit(monkeypatch):
    explored = explorer()
    on = ModelOnSplit(explored.model, digits(), "train")
    monkeypatch.setattr("narrows.page.samples.STEP", 1)
    monkeypatch.setattr("narrows.page.samples.chunk_size", lambda shape: 128)
    one, other = on.encode(), on.encode()  # two views ask at once
    assert [next(one), next(other), next(one), next(other, None)] == [128 / 300, 256 / 300, 1, None]
    np.testing.assert_allclose(on.codes, explored.on("train").codes, atol=1e-6)
    assert len(on.measures.error) == 300


def test_reconstructions_of_indices_come_in_steps(monkeypatch):
    explored = explorer("ae", code="vq:8", network="conv")
    monkeypatch.setattr("narrows.page.codes.SEEN", 128)
    maps = Maps(explored)
    one, other = maps.steps("train"), maps.steps("train")
    assert [next(one), next(other), next(one), next(other, None)] == [128 / 300, 256 / 300, 1, None]
    assert maps.map("pca", "train").tensors["points"].shape == (300, 2)


def test_thumbnails_are_the_samples():
    maps = Maps(explorer())
    tiles = maps.tiles("train", 3, 6).tensors["tiles"]
    np.testing.assert_array_equal(tiles, digits().train[3:6, 0])
    with pytest.raises(ConfigError, match="apart"):
        maps.tiles(None, 0, 5000)
    with pytest.raises(ConfigError, match="images"):
        Maps(explorer("table")).tiles(None, 0, 1)


def test_a_map_that_takes_long_is_computed_once_and_kept(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(kept, "points_of", lambda Z, method: calls.append(method) or Z[:, :2].astype(np.float32) + 1)
    folder = tmp_path / "page"
    message = Maps(explorer(), folder, "a" * 64).map("tsne")
    again = Maps(explorer(), folder, "a" * 64).map("tsne")
    assert calls == ["tsne"]
    np.testing.assert_array_equal(message.tensors["points"], again.tensors["points"])
    Maps(explorer(), folder, "b" * 64).map("tsne")  # another model
    assert len(calls) == 2
    for path in folder.glob("*.safetensors"):
        path.write_bytes(b"spoiled")
    Maps(explorer(), folder, "b" * 64).map("tsne")
    assert len(calls) == 3


def test_meanwhile_it_is_said_that_it_is_computed(monkeypatch):
    monkeypatch.setattr(kept, "SMALL", 0)
    started = []
    monkeypatch.setattr("narrows.page.kept.threading.Thread", lambda **given: started.append(given) or started_thread())
    maps = KeptMaps(None, "")
    assert isinstance(maps.points("a", "tsne", np.zeros((9, 2))), Progress)
    assert "t-SNE of 9 codes" in maps.points("a", "tsne", np.zeros((9, 2))).sentence
    assert len(started) == 1


def started_thread():
    return type("Thread", (), {"start": lambda self: None})()


def test_an_error_is_told_and_then_it_is_tried_again(monkeypatch):
    def fails(Z, method):
        raise TrainingError("no memory")

    monkeypatch.setattr(kept, "points_of", fails)
    maps = KeptMaps(None, "")
    with pytest.raises(TrainingError):
        maps.points("a", "tsne", np.zeros((9, 2)))
    monkeypatch.setattr(kept, "points_of", lambda Z, method: Z)
    assert maps.points("a", "tsne", np.zeros((9, 2))).shape == (9, 2)


@pytest.mark.slow
def test_another_process_computes_the_same_map(monkeypatch):
    from narrows.page import mapping

    Z = explorer().on().codes
    here = mapping.points_of(Z, "tsne")
    monkeypatch.setattr(mapping, "SMALL", 0)
    np.testing.assert_allclose(mapping.points_of(Z, "tsne"), here, atol=1e-3)
    with pytest.raises(TrainingError, match="KeyError"):
        mapping.points_of(Z, "other")


def test_maps_show_at_most_so_many_codes(monkeypatch):
    monkeypatch.setitem(MOST, "tsne", 15)
    maps = Maps(explorer())
    assert len(maps.rows("train", kind="tsne")) == 15
    assert len(maps.rows("train", kind="pca")) == 300


# Drawings -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawings():
    """Of digits with a margin, as those of MNIST have."""
    X = np.pad(digits().train, ((0, 0), (0, 0), (6, 6), (6, 6)))
    explored = Explorer(PCA(latent_dim=2).fit(X), Dataset("padded", X))
    return Drawings(explored.on(), explored.limits())


def seven(size, ground=0, ink=255, at=(40, 30)):
    picture = Image.new("L", size, ground)
    x, y = at
    ImageDraw.Draw(picture).line([(x, y), (x + 60, y), (x + 20, y + 90)], fill=ink, width=12, joint="curve")
    return picture


def test_a_drawing_lies_where_the_ink_of_the_data_does(drawings):
    large = _measured(drawings.drawn(np.asarray(seven((200, 160))))[0, 0]).ink
    assert large.side == pytest.approx(drawings.ink.side, abs=1)
    np.testing.assert_allclose(large.centre, drawings.ink.centre, atol=0.1)
    assert large.strength == pytest.approx(drawings.ink.strength)


def test_ink_is_not_moved_over_the_border():
    explored = explorer()  # whose digits are as high as the images
    x = Drawings(explored.on(), explored.limits()).drawn(np.asarray(seven((200, 160))))[0, 0]
    assert x[0].max() > 0.5
    assert x[-1].max() > 0.2


def test_place_size_and_polarity_of_a_drawing_do_not_matter(drawings):
    first = drawings.drawn(np.asarray(seven((200, 160))))
    moved = drawings.drawn(np.asarray(seven((420, 300), at=(300, 150))))
    dark = drawings.drawn(np.asarray(seven((200, 160), ground=255, ink=0)))
    np.testing.assert_allclose(moved, first, atol=1e-3)
    np.testing.assert_allclose(dark, first, atol=1e-3)
    grey = np.unique(np.round(first * 255))
    assert len(grey) > 8  # neither jagged nor black and white


def test_a_picture_file_is_cut_and_resized_as_the_data_are(drawings):
    file = io.BytesIO()
    wide = Image.new("RGB", (64, 32), (255, 0, 0))
    wide.paste((0, 0, 255), (16, 0, 48, 32))
    wide.save(file, "PNG")
    x = drawings.read(file.getvalue())
    assert x.shape == (1, 1, 20, 20)
    np.testing.assert_allclose(x, 29 / 255, atol=4 / 255)  # blue's luminance: the middle is what is left
    drawn = io.BytesIO()
    seven((200, 160)).save(drawn, "JPEG", quality=95)
    np.testing.assert_allclose(
        drawings.read(drawn.getvalue(), drawing=True), drawings.drawn(np.asarray(seven((200, 160)))), atol=0.1
    )


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n" + b"\0" * 40, b"%PDF-1.7"])
def test_other_files_are_a_sentence(drawings, content):
    with pytest.raises(DataError, match="prepare: the picture must be a sound"):
        drawings.read(content)


@pytest.mark.parametrize("drawing", [np.zeros((20, 20)), np.zeros((0, 5)), np.zeros(9), np.zeros((1, 9999))])
def test_no_drawing_is_a_sentence(drawings, drawing):
    with pytest.raises(DataError, match="prepare"):
        drawings.drawn(drawing)


def test_tables_and_sequences_take_no_drawings():
    with pytest.raises(DataError, match="of shape"):
        explorer("table").prepare(np.ones((9, 9)))
    with pytest.raises(ConfigError, match="images"):
        explorer("sequences").prepare(np.ones((9, 9)))


def test_what_is_shown_of_a_drawing_is_what_the_model_gets():
    explored = explorer()
    answer = explored.prepare(np.asarray(seven((200, 160))))
    np.testing.assert_array_equal(answer["x"], figures.levels_of(answer["input"], (0, 1)))
    assert explored.denoise(input=answer["input"])["input"].shape == (1, 8, 8)
