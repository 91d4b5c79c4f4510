"""Tables of typed columns: what goes into a schema comes out of it, and out of every verb of a model."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal as assert_polars_equal

import narrows
from mixed import random_frame
from narrows.data.frames import frame_of
from narrows.data.schema import Schema
from narrows.data.types_frames import mixed_table
from narrows.errors import ConfigError, DataError


def schema_of(frame, **types):
    return Schema.of(mixed_table(frame_of(frame), "test"), like=frame, types=types or None)


def modelled(frame, schema):
    """Return the columns that a round trip keeps, with values of unseen or identifying kinds left out."""
    left = [column.name for column in schema.types if column.kind == "identifier"]
    return frame.drop(columns=left)


def assert_same(found, expected):
    pd.testing.assert_frame_equal(found, expected, check_exact=False, rtol=1e-4, atol=1e-3, check_freq=False)


def round_trip(frame):
    schema = schema_of(frame)
    again = Schema.from_record(json.loads(json.dumps(schema.record())), schema.tensors())
    assert again.types == schema.types
    arrays = again.encode(frame, dtype=np.dtype(np.float64))
    return schema, arrays, again.decode(arrays.x, like=frame, mask=arrays.mask)


@pytest.mark.parametrize("seed", range(50))
def test_a_random_frame_comes_back(seed):
    frame = random_frame(seed)
    schema, arrays, found = round_trip(frame)
    rare = [c.name for c in schema.types if c.rare]  # these come back as the most frequent of them
    constant = [c.name for c in schema.types if c.kind == "constant" and c.missing]
    kept = [name for name in frame if name not in rare and name not in constant]
    assert list(found) == list(frame)
    assert_same(found[kept], frame[kept])
    assert found.dtypes.equals(frame.dtypes)
    assert np.isfinite(arrays.x).all()


@pytest.mark.parametrize("seed", [
    pytest.param(seed, marks=pytest.mark.slow if seed < 75 else pytest.mark.campaign) for seed in range(50, 250)
])  # fmt: skip
def test_a_random_frame_goes_through_a_model(seed, tmp_path):
    frame = random_frame(seed)
    vae = narrows.VAE(latent_dim=2, epochs=1, network="mlp:8").fit(frame)
    left = [c.name for c in vae.schema_.types if c.kind == "identifier"]
    Z = vae.transform(frame)
    assert Z.shape == (len(frame), 2)
    assert np.isfinite(vae.score_samples(frame)).all()
    for found in (vae.reconstruct(frame), vae.impute(frame, importance_samples=3)):
        assert list(found) == list(frame)
        assert found.index.equals(frame.index)
        assert found.dtypes.equals(frame.dtypes)
    filled, empty = vae.impute(frame, importance_samples=3), frame.columns[frame.isna().all()]
    assert not filled.drop(columns=empty).isna().any(axis=None)
    pd.testing.assert_frame_equal(
        filled.where(frame.notna(), None), frame.where(frame.notna(), None), check_dtype=False
    )
    vae.save(tmp_path)
    loaded = narrows.load(tmp_path)
    np.testing.assert_array_equal(loaded.transform(frame), Z)
    drawn = loaded.sample(7, seed=1)
    pd.testing.assert_frame_equal(drawn, vae.sample(7, seed=1))
    assert list(drawn) == [name for name in frame if name not in left]
    assert_legal(drawn, frame)
    assert list(loaded.inverse_transform(Z[:3])) == list(drawn)


def assert_legal(drawn, frame):
    """Assert that drawn rows have the types and levels of a frame."""
    for name in drawn:
        assert drawn[name].dtype == frame[name].dtype or drawn[name].isna().any(), name
        if frame[name].dtype.kind in "O" or str(frame[name].dtype) in ("str", "category"):
            assert set(drawn[name].dropna()) <= set(frame[name].dropna()), name


@pytest.fixture(scope="module")
def people():
    rng = np.random.default_rng(0)
    n = 400
    old = rng.normal(40, 10, n).round().astype(int)
    city = rng.choice(["Berlin", "Köln", "Paris"], n, p=[0.5, 0.3, 0.2])
    return pd.DataFrame(
        {
            "id": [f"p{i}" for i in range(n)],
            "age": old,
            "city": pd.Series(city).where(rng.random(n) > 0.1),
            "member": rng.random(n) < 0.3,
            "visits": rng.negative_binomial(2, 0.05, n),
            "spent": np.where(rng.random(n) < 0.5, 0.0, np.exp(rng.normal(4, 1, n))),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="D"),
            "size": pd.Categorical(rng.choice(["S", "M", "L"], n), categories=["S", "M", "L"], ordered=True),
            "country": "DE",
        }
    )


@pytest.fixture(scope="module")
def vae(people):
    return narrows.VAE(latent_dim=3, epochs=3, network="mlp:32").fit(people)


def test_kinds_and_likelihoods_are_inferred(vae):
    found = {column.name: (column.kind, column.likelihood) for column in vae.schema_.types}
    assert found == {
        "id": ("identifier", None), "age": ("real", "gaussian"), "city": ("category", "categorical"),
        "member": ("category", "bernoulli"), "visits": ("count", "negative_binomial"),
        "spent": ("positive", "log_spike"), "since": ("date", "gaussian"), "size": ("ordinal", "ordinal"),
        "country": ("constant", None),
    }  # fmt: skip
    text = str(vae.schema_)
    assert "id: identifier, left out" in text
    assert "spent: positive (log_spike), mostly 0" in text
    assert "city: category (categorical), 3 levels, 10% missing" in text


def test_features_are_the_columns_of_the_model(vae):
    assert vae.n_features_in_ == 9
    assert vae.schema_.n_features == 7
    assert vae.feature_names_in_.tolist()[0] == "id"
    assert vae.get_feature_names_out().tolist() == ["vae0", "vae1", "vae2"]


def test_columns_override(people):
    schema = schema_of(people, age="count", visits="real:student", size="category")
    found = {column.name: (column.kind, column.likelihood) for column in schema.types}
    assert found["age"][0] == "count"
    assert found["visits"] == ("real", "student")
    assert found["size"] == ("category", "categorical")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"agee": "real"}, r"columns must name columns of X; got 'agee'. Did you mean 'age'"),
        ({"age": "rael"}, r"columns must give every column one of real, .*; got 'age': 'rael'. Did you mean 'real'"),
        ({"age": "real:poisson"}, r"columns must give every column one of gaussian, student, spike; got"),
        ({"city": "real"}, r"columns must give 'city', which holds text, one of category"),
        ({"spent": "count"}, r"columns must give 'spent' another kind than 'count'"),
    ],
)
def test_a_wrong_override_is_named(people, columns, message):
    with pytest.raises(ConfigError, match=message):
        narrows.VAE(columns=columns, epochs=1).fit(people)


def test_columns_are_a_parameter_of_plain_frames_as_well():
    frame = pd.DataFrame({"a": np.arange(30) % 3, "b": np.linspace(0, 1, 30)})
    assert narrows.AE(latent_dim=1, epochs=1).fit(frame).schema_.types is None
    ae = narrows.AE(latent_dim=1, epochs=1, columns={"a": "category"}).fit(frame)
    assert [column.kind for column in ae.schema_.types] == ["category", "real"]
    assert ae.reconstruct(frame).dtypes.equals(frame.dtypes)


def test_an_unseen_level_counts_as_missing_and_is_named(vae, people):
    strange = people.assign(city="Rom")
    with pytest.warns(UserWarning, match=r"values that fit did not see .*: 'city' \('Rom'\)"):
        Z = vae.transform(strange)
    np.testing.assert_array_equal(Z, vae.transform(people.assign(city=None)))


def test_columns_are_found_by_name(vae, people):
    np.testing.assert_array_equal(vae.transform(people[people.columns[::-1]]), vae.transform(people))
    np.testing.assert_array_equal(vae.transform(people.drop(columns=["id", "country"])), vae.transform(people))
    with pytest.raises(DataError, match=r"no column 'age'"):
        vae.transform(people.drop(columns="age"))
    with pytest.raises(DataError, match=r"column 'more', which was not there"):
        vae.transform(people.assign(more=1))
    with pytest.raises(DataError, match=r"'age', which held numbers in fit, holds text"):
        vae.transform(people.assign(age="old"))


def test_other_libraries_give_the_same_codes(vae, people):
    Z = vae.transform(people)
    for frame in (pl.from_pandas(people), pa.Table.from_pandas(people, preserve_index=False)):
        np.testing.assert_array_equal(vae.transform(frame), Z)


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_frames_of_other_libraries_come_back(kind, people):
    people = people.assign(zoned=people.since.dt.tz_localize("UTC"), when=people.since + pd.Timedelta("3h"))
    frame = pl.from_pandas(people) if kind == "polars" else pa.Table.from_pandas(people, preserve_index=False)
    if kind == "polars":
        frame = frame.with_columns(pl.col("since").cast(pl.Date), pl.col("city").cast(pl.Categorical))
    _, arrays, found = round_trip(frame)
    assert arrays.x.shape == (400, 9)
    if kind == "polars":
        columns = [name for name in frame.columns if name not in ("spent",)]
        assert_polars_equal(found[columns], frame[columns], abs_tol=1e-3, rel_tol=1e-4)
    else:
        assert found.schema.remove_metadata() == frame.schema.remove_metadata()
        assert_same(found.to_pandas(), frame.to_pandas())


def test_drawn_rows_satisfy_the_schema(vae, people):
    drawn = vae.sample(500, seed=0)
    assert list(drawn) == [name for name in people if name != "id"]
    assert_legal(drawn, people)
    assert 0.04 < drawn.city.isna().mean() < 0.2
    assert (drawn.country == "DE").all()
    assert (drawn.visits >= 0).all()
    assert 0.3 < (drawn.spent == 0).mean() < 0.7
    pd.testing.assert_frame_equal(drawn, vae.sample(500, seed=0))
    clipped = vae.sample(500, seed=0, clip=True)
    assert clipped.age.between(people.age.min(), people.age.max()).all()


def test_impute_fills_what_is_missing_and_nothing_else(vae, people):
    frame = people.head(40).astype({"age": float})
    frame.loc[::3, "age"] = np.nan
    filled = vae.impute(frame, importance_samples=20)
    assert not filled.isna().any(axis=None)
    observed = frame.notna()
    assert (filled.where(observed) == frame.where(observed)).where(observed, True).all(axis=None)
    assert (filled.id == frame.id).all()
    assert set(filled.city) <= {"Berlin", "Köln", "Paris"}


def test_a_saved_model_is_the_same(vae, people, tmp_path):
    vae.save(tmp_path)
    loaded = narrows.load(tmp_path)
    assert loaded.schema_.types == vae.schema_.types
    np.testing.assert_array_equal(loaded.score_samples(people), vae.score_samples(people))
    pd.testing.assert_frame_equal(loaded.reconstruct(people), vae.reconstruct(people))
    assert loaded.get_params()["columns"] is None


def test_columns_that_hold_lists_are_named(people):
    frame = pl.from_pandas(people).with_columns(pl.lit([1, 2]).alias("pair"))
    with pytest.raises(DataError, match=r"got other columns: 'pair' \(lists\)"):
        narrows.VAE(epochs=1).fit(frame)


def test_many_levels_share_a_rare_one():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"word": rng.zipf(1.5, 3000).astype(str), "x": rng.normal(size=3000)})
    column = schema_of(frame).types[0]
    assert column.classes < len(column.levels)
    assert all(column.counts[i] < 3 for i in column.rare)
    drawn = column.decode(np.full(1000, column.classes - 1.0), np.random.default_rng(0))
    assert set(drawn.objects()) <= {column.levels[i] for i in column.rare}
    assert f"{len(column.rare):,} of them rare" in str(column)


def test_score_does_not_depend_on_the_unit_but_for_its_logarithm(people):
    """Amounts in cents have log 100 nats less of density a value, in columns of densities alone."""
    cents = people.assign(spent=people.spent * 100)
    scores = [narrows.AE(latent_dim=2, epochs=1, network="mlp:4").fit(frame).score_samples(frame)
              for frame in (people, cents)]  # fmt: skip
    expected = np.where(people.spent == 0, 0.0, -np.log(100))
    np.testing.assert_allclose(scores[1] - scores[0], expected, atol=2e-2)


def with_codes(n=200):
    """Return numbers alone: grades, truth as 1 and 2, a case number, an amount; a fifth of the values is missing."""
    rng = np.random.default_rng(3)
    z = rng.normal(size=n)
    frame = pd.DataFrame(
        {
            "pain": np.clip(np.rint(z + 3), 1, 5),
            "pulse": np.clip(np.rint(2 * z + rng.normal(size=n) + 3), 1, 6),
            "surgery": np.where(z > 0, 1.0, 2.0),
            "volume": np.exp(z + 3),
        }
    )
    frame = frame.mask(rng.random(frame.shape) < 0.2)
    frame["case_number"] = np.r_[rng.permutation(n - 1) + 5000, 5000]
    return frame


def test_numbers_with_gaps_and_codes_have_types():
    frame = with_codes()
    vae = narrows.VAE(epochs=1, network="mlp:8").fit(frame)
    kinds = {column.name: column.kind for column in vae.schema_.types}
    assert kinds == {
        "pain": "ordinal", "pulse": "ordinal", "surgery": "category", "volume": "positive", "case_number": "identifier",
    }  # fmt: skip
    filled = vae.impute(frame)
    assert set(filled.pain) <= set(frame.pain.dropna())
    assert set(filled.surgery) == {1.0, 2.0}
    assert filled.case_number.equals(frame.case_number)
    assert vae.arrays(frame.to_numpy()).x.shape == (200, 4)


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("nothing is missing", lambda frame: frame.ffill().bfill()),
        ("few codes", lambda frame: frame.assign(**{name: np.exp(frame.pain) for name in "abcd"}, e=frame.volume + 1)),
        ("an array", lambda frame: frame.to_numpy()),
    ],
)
def test_other_numbers_stay_an_array(what, change):
    assert narrows.VAE(epochs=1, network="mlp:8").fit(change(with_codes())).schema_.types is None
