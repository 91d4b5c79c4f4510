"""What views ask of a model: the same numbers and pixels as from the model itself and from the commands."""

import numpy as np
import pytest
from PIL import Image

import narrows
from narrows import figures
from narrows.analyses import Subject
from narrows.analyses.combination import Combine
from narrows.analyses.denoising import Denoise
from narrows.data import Dataset
from narrows.data.arrays import Arrays
from narrows.data.types_table import MixedTable, Values, text_values
from narrows.errors import ConfigError, DataError
from narrows.figures.captions import MARGIN
from narrows.figures.samples import TILE, edges_of
from narrows.page.explorer import Explorer
from narrows.page.info import info
from narrows.page.saving import save
from narrows.page.wire import Message
from webpage.explorers import digits, explorer, run_with, sequences, table


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_with(tmp_path_factory.mktemp("runs") / "digits")


@pytest.fixture(scope="module")
def of_run(run):
    return Explorer(run.load(), digits(), name="digits")


K = TILE // 8
"""Times by which pictures enlarge these digits."""


def test_decoding_equals_the_model_to_the_last_grey_level():
    explored = explorer()
    z = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    np.testing.assert_array_equal(explored.decode(z)["x"], explored.model.inverse_transform(z)[:, 0])


def test_codes_far_from_all_are_cut_and_told():
    explored = explorer()
    np.testing.assert_allclose(explored.decode(np.full((1, 3), 1e9))["z"], 10)


def test_encoding_what_is_shown_gives_the_codes():
    for kind in ("vae", "pca", "sequences", "table"):
        explored = explorer(kind)
        shown = explored.reconstruct([0, 3, 5])
        np.testing.assert_allclose(explored.encode(shown["x"])["z"], shown["z"], atol=1e-5)
        X = explored.on().shown.X[[0, 3, 5]]
        np.testing.assert_allclose(
            explored.model.transform(list(X) if kind == "sequences" else X), shown["z"], atol=1e-6
        )


def test_sequences_are_shown_in_their_units_and_end_where_they_do():
    explored, row = explorer("sequences"), 2
    shown = explored.reconstruct([row])
    n = len(sequences().test[row])
    np.testing.assert_allclose(shown["x"][0, :n], sequences().test[row], atol=1e-5)
    assert np.isnan(shown["x"][0, n:]).all()
    assert np.isnan(shown["reconstruction"][0, n:]).all()
    assert np.isfinite(shown["reconstruction"][0, :n]).all()


def test_whole_numbers_of_a_table_are_shown_as_they_are_decoded():
    explored = explorer("table")
    shown = explored.reconstruct([1, 4])
    np.testing.assert_allclose(shown["x"], table().test[[1, 4]], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        shown["reconstruction"],
        explored.model.reconstruct(table().test[[1, 4]]).astype(np.float32),
        rtol=1e-5,
        atol=1e-5,
    )


def test_combining_equals_the_command(run, of_run):
    expression = "3 - 7 + 0.5*class:two"
    result = Combine(expression=expression)(Subject(run, digits()))
    answer = of_run.combine(expression)
    assert {name: answer["numbers"][name] for name in result.numbers} == dict(result.numbers)
    picture = np.asarray(Image.open(run.folder / "combined.png"))
    tile = picture[MARGIN : MARGIN + 8 * K, -MARGIN - 8 * K : -MARGIN]
    np.testing.assert_array_equal(answer["decoded"][0], tile[::K, ::K, 0])


def test_rows_with_weights_are_a_sum(of_run):
    weighted, written = of_run.combine(rows=[3, 7, 12], weights=[1, -1, 0.5]), of_run.combine("3 - 7 + 0.5*12")
    np.testing.assert_array_equal(weighted["decoded"], written["decoded"])
    test = digits().test[:, 0] / 255
    plain = np.clip(test[3] - test[7] + 0.5 * test[12], 0, 1)
    assert np.abs(written["plain"][0] - 255 * plain).max() <= 0.5 + 1e-9
    assert written["numbers"]["nearest row"] in range(40)


def test_blending_is_a_sum_of_codes():
    explored = explorer()
    z = explored.on().codes
    blend = explored.blend([1, 2], [0.25, 0.75])
    np.testing.assert_allclose(blend["z"][0], 0.25 * z[1] + 0.75 * z[2])
    np.testing.assert_array_equal(blend["x"], explored.decode(blend["z"])["x"])


def test_denoising_equals_the_command(run, of_run):
    result = Denoise(corruption="salt_pepper:0.2", index=(5,), seed=3)(Subject(run, digits()))
    answer = of_run.denoise(row=5, corruption="salt_pepper", strength=0.2, seed=3)
    assert answer["numbers"] == dict(result.numbers)
    picture = np.asarray(Image.open(run.folder / "denoised.png"))
    versions = ("input", "reconstruction", "noisy", "denoised")
    left, margin, height, gap = edges_of((1, 8, 8), versions)
    for i, name in enumerate(versions):
        top = margin + i * (height + gap)
        tile = picture[top : top + 8 * K : K, left : left + 8 * K : K, 0]
        np.testing.assert_array_equal(answer[name][0], tile, err_msg=name)


def test_a_sample_of_ones_own_is_denoised_as_one_of_the_data():
    explored = explorer()
    x = explored.on().values(explored.on().arrays.rows([5]))
    own, given = explored.denoise(input=x, strength=0.3), explored.denoise(row=5, strength=0.3)
    assert own["numbers"] == given["numbers"]
    np.testing.assert_array_equal(own["denoised"], given["denoised"])


def test_paths_begin_and_end_at_reconstructions():
    explored = explorer()
    for way in ("linear", "spherical"):
        path = explored.interpolate(2, 9, np.array([0.0, 0.5, 1.0]), way)["x"]
        np.testing.assert_array_equal(path[[0, 2]], explored.reconstruct([2, 9])["reconstruction"])


@pytest.mark.parametrize("sampler", ["prior", "gmm", "kde"])
def test_new_samples_are_those_of_the_model(sampler):
    explored = explorer()
    new = explored.generate(6, sampler, 1.0, 4)
    np.testing.assert_array_equal(new["x"], explored.model.sample(6, 4, sampler)[:, 0])
    centre = explored.distribution.centre if sampler == "prior" else explored.model.density(sampler).mean
    np.testing.assert_allclose(explored.generate(6, sampler, 2.0, 4)["z"] - centre, 2 * (new["z"] - centre))
    np.testing.assert_allclose(explored.generate(6, sampler, 0.0, 4)["z"], np.tile(centre, (6, 1)))


@pytest.mark.parametrize("kind", ["vae", "sequences", "table"])
def test_the_nearest_training_samples_are_found(kind):
    explored = explorer(kind)
    z = explored.on().codes[:7]
    answer, train = explored.nearest(z), explored.on("train").arrays
    x = explored.model.decode(z).astype(np.float64)
    t, mask = explored.on("train").values(train), train.mask
    squares = np.square(x[:, None] - t[None])
    squares = squares if mask is None else np.where(mask[None], squares, 0)
    distance = np.sqrt(squares.reshape(7, len(t), -1).sum(2))
    np.testing.assert_array_equal(answer["rows"], distance.argmin(1))
    np.testing.assert_allclose(answer["distance"], distance.min(1))
    own = explored.nearest(x=explored.reconstruct([4], "train")["x"])
    assert own["rows"][0] == 4
    assert own["distance"][0] < 1e-5


def test_a_condition_is_that_of_the_view_or_of_the_sample():
    explored = explorer("conditional", condition="concat")
    assert info(explored)["condition"][3] == "three"
    z = np.zeros((1, 3))
    by_name, by_position, first = (explored.decode(z, y)["x"] for y in ("three", 3, None))
    np.testing.assert_array_equal(by_name, by_position)
    np.testing.assert_array_equal(by_name, explored.model.inverse_transform(z, y=[3])[:, 0])
    np.testing.assert_array_equal(first, explored.decode(z, "zero")["x"])
    assert (by_name != first).any()
    row = 6
    shown = explored.reconstruct([row])
    np.testing.assert_array_equal(explored.blend([row], [1.0])["x"], shown["reconstruction"])
    np.testing.assert_array_equal(explored.combine(f"{row}")["decoded"], shown["reconstruction"])
    x = explored.on().values(explored.on().arrays.rows([row]))
    errors = [explored.denoise(input=x, y=position)["numbers"]["reconstruction"] for position in range(10)]
    assert explored.denoise(input=x)["numbers"]["reconstruction"] == min(errors)
    with pytest.raises(ConfigError, match="one of the classes"):
        explored.decode(z, "eleven")


def test_indices_are_shown_and_not_dragged():
    explored = explorer("ae", code="vq:8", network="conv")
    known = info(explored)
    assert not known["code"]["continuous"]
    assert "indices" in known["absent"]["drag"]
    assert known["maps"] == ["pca", "tsne"] or "umap" in known["maps"]
    assert explored.reconstruct([1, 2])["z"].shape[0] == 2
    for call in (
        lambda: explored.decode(np.zeros((1, 4))),
        lambda: explored.combine("1"),
        lambda: explored.generate(2),
    ):
        with pytest.raises(ConfigError, match="indices"):
            call()


@pytest.mark.parametrize("kind", ["pixels", "whole", "real"])
def test_new_rows_have_the_same_nearest_as_their_codes(kind):
    rng = np.random.default_rng(0)
    X = {
        "pixels": rng.integers(0, 256, (60, 64)).astype(np.uint8), "whole": rng.integers(0, 40, (60, 6)),
        "real": rng.normal(size=(60, 6)) * 50,
    }[kind]  # fmt: skip
    explored = Explorer(narrows.VAE(latent_dim=2, epochs=1, network="mlp:8").fit(X), Dataset("rows", X), name="rows")
    new = explored.generate(9, seed=1, temperature=2.0)
    by_code, by_row = explored.nearest(new["z"]), explored.nearest(None, new["x"])
    np.testing.assert_array_equal(by_row["rows"], by_code["rows"])
    np.testing.assert_allclose(by_row["distance"], by_code["distance"], rtol=1e-4)


def texts(values):
    return [values.levels[i] for i in values.data]


def test_rows_of_typed_columns_are_shown_decoded_and_drawn(tmp_path):
    rng = np.random.default_rng(0)
    z = rng.normal(size=60)
    city = np.where(z > 0, "a", "b")
    day = np.where(z > 0, 0.0, 86400 * 365.2425 * 30) + z * 1e6
    columns = {"size": Values("number", 50 + 3 * z), "city": text_values(city), "day": Values("time", day)}
    rows = MixedTable(columns)
    model = narrows.VAE(latent_dim=2, epochs=1, network="mlp:8").fit(rows)
    explored = Explorer(model, Dataset("rows", rows[:40], rows[40:]), name="rows")
    known = info(explored)
    assert {view: why[:6] for view, why in known["absent"].items()} == {
        "combine": "Levels", "denoise": "Levels", "nearest": "Betwee", "save": "Rows w", "recolour": "These ",
        "draw": "Its sa",
    }  # fmt: skip
    assert explored.on().codes.shape == (20, 2)
    # Bars stand beside levels by name, and in the units of the data.
    assert known["columns"] == ["size", "city", "day"]
    size, town, time = known["distribution"]
    assert 40 < size["quantiles"][0] < size["quantiles"][10] < 60
    assert (town["levels"], time["unit"]) == ([*dict.fromkeys(city.tolist())], "year")
    shown = explored.reconstruct([0, 1])["x"]
    np.testing.assert_allclose(shown[:, 0], 50 + 3 * z[40:42], rtol=1e-5)
    assert [town["levels"][int(i)] for i in shown[:, 1]] == city[40:42].tolist()
    np.testing.assert_allclose(shown[:, 2], 1970 + day[40:42] / (86400 * 365.2425), atol=1e-2)
    # A code decodes to the row that `inverse_transform` gives; new rows are those of `sample`.
    decoded = explored.decode(np.array([[0.5, -1.0]]))["x"][0]
    row = model.inverse_transform(np.array([[0.5, -1.0]]))
    np.testing.assert_allclose(decoded[0], row.columns["size"].data[0], rtol=1e-5)
    assert town["levels"][int(decoded[1])] == texts(row.columns["city"])[0]
    drawn = explored.generate(30, seed=3)["x"]
    new = model.sample(30, 3)
    np.testing.assert_allclose(drawn[:, 0], new.columns["size"].data, atol=0.51)  # which has the data's decimals
    assert [town["levels"][int(i)] for i in drawn[:, 1]] == texts(new.columns["city"])
    with pytest.raises(ConfigError, match="narrows sample"):
        save(explored, tmp_path, Message({"kind": "generated", "call": {"n": 4}}))


def test_a_model_whose_data_are_gone_still_decodes():
    whole = explorer()
    explored = Explorer(whole.model, None, name="alone", gone="The data of this run cannot be read: they are gone.")
    known = info(explored)
    assert known["splits"] == {}
    assert known["absent"]["combine"] == explored.gone
    assert len(known["dims"]) == 3
    np.testing.assert_array_equal(explored.generate(2)["x"], whole.generate(2)["x"])
    np.testing.assert_array_equal(explored.decode(np.zeros((1, 3)))["x"], whole.decode(np.zeros((1, 3)))["x"])
    with pytest.raises(DataError, match="they are gone"):
        explored.combine("1 + 2")


def test_limits_are_known_without_data():
    X = 50 + 20 * np.random.default_rng(0).normal(size=(30, 1, 8, 8))
    model = narrows.AE(latent_dim=2, epochs=1).fit(X)
    alone, whole = Explorer(model, None), Explorer(model, Dataset("real", X))
    np.testing.assert_allclose(alone.limits(), whole.limits(), rtol=1e-5)
    assert explorer().limits() == Explorer(explorer().model, None).limits() == (0, 1)


def test_what_is_known_of_a_model():
    known = info(explorer("table"))
    assert known["kind"] == "table"
    assert known["columns"] == ["count", "large", "small"] or known["columns"] is None
    np.testing.assert_allclose(
        known["distribution"][0]["quantiles"][::10], [table().train[:, 0].min(), table().train[:, 0].max()]
    )
    known = info(explorer("pca"))
    assert (known["usage_unit"], known["dims_by_usage"]) == ("variance", [0, 1])
    assert [sampler["name"] for sampler in known["samplers"]][:1] == ["gmm"]
    known = info(explorer())
    assert (known["splits"], known["default_split"]) == ({"train": 300, "test": 40}, "test")
    assert {kind["name"] for kind in known["corruption"]["kinds"]} >= {"gaussian", "masking", "warp"}


@pytest.mark.parametrize(
    "call",
    [
        lambda e: e.decode(np.full((1, 3), np.nan)), lambda e: e.decode(np.zeros((5000, 3))),
        lambda e: e.reconstruct([40]), lambda e: e.reconstruct([-1]), lambda e: e.reconstruct([]),
        lambda e: e.reconstruct([0], "nowhere"), lambda e: e.combine(rows=[1, 2], weights=[1.0]),
        lambda e: e.combine(rows=[1], weights=[np.inf]), lambda e: e.combine("1 ++"),
        lambda e: e.generate(10**6), lambda e: e.generate(2, "none"), lambda e: e.generate(2, temperature=float("nan")),
        lambda e: e.denoise(row=1, corruption="gaussian", strength=-1.0), lambda e: e.denoise(row=1, seed=-1),
        lambda e: e.denoise(), lambda e: e.encode(np.zeros((1, 9, 9), np.uint8)), lambda e: e.encode(),
        lambda e: e.encode(input=np.full((1, 1, 8, 8), np.inf)), lambda e: e.interpolate(0, 1, np.array([1e9])),
    ],
)  # fmt: skip
def test_what_is_out_of_bounds_is_a_sentence(call):
    with pytest.raises((ConfigError, DataError)) as told:
        call(explorer())
    assert str(told.value).rstrip().endswith((".", "?", "'", ")"))


def test_grey_levels_and_back():
    explored = explorer()
    levels = np.arange(128, dtype=np.uint8).reshape(2, 8, 8)
    arrays: Arrays = explored.display.arrays_of(levels)
    np.testing.assert_array_equal(figures.levels_of(arrays.x, (0.0, 1.0)), levels)


def test_rows_of_a_table_are_brought_to_the_models_scale():
    explored = explorer("table")
    row = table().test[[3]].astype(np.float32)
    prepared = explored.prepare(row)
    by_row, by_values = explored.denoise(row=3, seed=1), explored.denoise(input=prepared["input"], seed=1)
    np.testing.assert_allclose(prepared["x"], row)
    np.testing.assert_allclose(by_values["denoised"], by_row["denoised"], rtol=1e-4)
