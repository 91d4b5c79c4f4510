"""Data frames as people have them: columns by name, types that hold no numbers, what comes back."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from narrows import AE, PCA, VAE
from narrows.data.frames import frame_of
from narrows.errors import DataError
from narrows.estimators.loading import load_model

polars = pytest.importorskip("polars")
RNG = np.random.default_rng(0)
PEOPLE = pd.DataFrame(
    RNG.normal(size=(30, 1)) * [8, 10, 2] + [170, 70, 42] + RNG.normal(size=(30, 3)),
    columns=["height", "weight", "shoe"], index=[f"row {i}" for i in range(30)],
)  # fmt: skip
KINDS = {
    "pandas": lambda frame: frame, "polars": polars.DataFrame,
    "pyarrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
}  # fmt: skip
MODELS = {"pca": lambda: PCA(latent_dim=1), "ae": lambda: AE(latent_dim=1, network="mlp:4", epochs=2)}


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]()


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


def test_columns_are_put_in_order_by_name(model, kind, tmp_path):
    codes = model.fit(kind(PEOPLE)).transform(PEOPLE)
    other = kind(PEOPLE[["shoe", "height", "weight"]])
    for fitted in (model, load_model(model.save(tmp_path))):
        np.testing.assert_array_equal(fitted.transform(other), codes)
        np.testing.assert_array_equal(fitted.score_samples(other), fitted.score_samples(kind(PEOPLE)))
        back = fitted.reconstruct(other)
        assert type(back) is type(other)
        assert list(frame_of(back).columns) == ["shoe", "height", "weight"]
        np.testing.assert_array_equal(
            np.asarray(frame_of(back)["height"]), frame_of(fitted.reconstruct(PEOPLE))["height"]
        )


def test_a_model_of_one_kind_of_frame_takes_all(model, kind):
    model.fit(PEOPLE)
    np.testing.assert_array_equal(model.transform(kind(PEOPLE)), model.transform(PEOPLE))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.rename(columns={"shoe": "income"}), r"no column 'shoe' and column 'income', which was"),
        (lambda f: f.assign(group=1, b="x"), r"\(height, weight, shoe\); got columns 'group', 'b', .* Leave out"),
        (lambda f: f[["height"]], r"X must have the 3 columns of fit .*; got no columns 'weight', 'shoe'\. Add"),
    ],
)  # fmt: skip
def test_other_columns_are_named_all_at_once(model, kind, change, message):
    model.fit(kind(PEOPLE))
    for verb in (model.transform, model.reconstruct, model.score_samples, model.score):
        with pytest.raises(DataError, match=message):
            verb(kind(change(PEOPLE)))


def test_names_without_names(model):
    """As scikit-learn says it."""
    model.fit(PEOPLE)
    assert model.feature_names_in_.tolist() == list(PEOPLE.columns)
    with pytest.warns(UserWarning, match=r"X does not have valid feature names, but \w+ was fitted with feature names"):
        codes = model.transform(PEOPLE.to_numpy())
    np.testing.assert_array_equal(codes, model.transform(PEOPLE))
    with pytest.warns(UserWarning, match="valid feature names"), pytest.raises(DataError, match=r"3 features .* got 2"):
        model.transform(PEOPLE.to_numpy()[:, :2])
    model.fit(PEOPLE.to_numpy())
    with pytest.warns(UserWarning, match="was fitted without feature names"):
        back = model.reconstruct(PEOPLE)
    assert back.columns.equals(PEOPLE.columns)
    assert back.index.equals(PEOPLE.index)


def test_columns_known_by_name_alone():
    """Such as those of a file: arrays are taken in their order, frames by name, and nothing is warned of."""
    model = AE(latent_dim=1, network="mlp:4", epochs=1)
    for _ in model.fit_iter(PEOPLE.to_numpy(), columns=list(PEOPLE.columns)):
        pass
    np.testing.assert_array_equal(
        model.transform(PEOPLE[["shoe", "weight", "height"]]), model.transform(PEOPLE.to_numpy())
    )


BAD = pd.DataFrame({
    "fine": [1.0, 2.0], "when": pd.to_datetime(["2020-01-01", "2021-01-01"]), "kind": pd.Categorical(["u", "v"]),
    "name": ["x", "y"], "mixed": np.array([1, "a"], object), "far": [np.inf, 0], "id": [2**60, 2**60 + 1],
    "span": pd.to_timedelta([1, 2], unit="s"), "list": [[1], [2]], "period": pd.period_range("2020", periods=2),
})  # fmt: skip


def test_all_that_is_wrong_in_one_message():
    with pytest.raises(DataError) as caught:
        PCA(latent_dim=1).fit(BAD)
    message = str(caught.value)
    for part in (
        "times in 'when'", "categories in 'kind'", "text in 'name', 'mixed'", "infinity (inf) in 'far' (1)",
        "whole numbers beyond 2**53 in 'id' (2)", "spans of time in 'span'", "type list in 'list'",
        "Period in 'period'", "one-hot", "Leave those columns out", "Leave identifiers out",
    ):  # fmt: skip
        assert part in message
    assert "'fine'" not in message


def test_a_model_of_typed_columns_names_what_it_takes_not():
    with pytest.raises(DataError) as caught:
        AE().fit(BAD)
    message = str(caught.value)
    for part in ("'mixed' (values of different types: int, str)", "'far' (infinity", "'list' (", "'period' ("):
        assert part in message
    for taken in ("'fine'", "'when'", "'kind'", "'name'", "'id'", "'span'"):
        assert taken not in message


@pytest.mark.parametrize("make", [polars.DataFrame, pa.table])
def test_so_for_other_frames(make):
    columns = {"fine": [1.0, 2.0], "day": [datetime.date(2020, 1, 1)] * 2, "name": ["a", "b"], "list": [[1.0], [2.0]]}
    with pytest.raises(
        DataError, match=r"got dates in 'day'; text in 'name'; lists in 'list'. Leave those columns out"
    ):
        PCA(latent_dim=1).fit(make(columns))
    with pytest.raises(DataError, match=r"got other columns: 'list' \(lists\)"):
        AE(latent_dim=1).fit(make(columns))


def test_numbers_written_as_text_are_told_apart(kind):
    with pytest.raises(DataError, match=r"got numbers written as text in 'x'; text in 'y'\. Convert numbers .*astype"):
        PCA().fit(kind(pd.DataFrame({"x": ["1.5", "2"], "y": ["1.5", "low"], "z": [1, 2]})))


def test_missing_values_are_named_with_their_columns(monkeypatch):
    monkeypatch.setattr(PCA, "takes_missing", False)
    with pytest.raises(
        DataError, match=r"PCA: .*missing values \(NaN\) in 'weight' \(2\), 'shoe' \(1\)\. This model takes no"
    ):
        PCA().fit(PEOPLE.assign(weight=[np.nan] * 2 + [1.0] * 28, shoe=[np.nan] + [1.0] * 29))


NULLABLE = pd.DataFrame({
    "i": pd.array([1, None, 3, 4], dtype="Int64"), "f": pd.array([1.5, 2.5, None, 1.0], dtype="Float64"),
    "b": pd.array([True, None, False, True], dtype="boolean"), "o": np.array([True, None, 2.5, 1], dtype=object),
    "d": [decimal.Decimal(i) for i in range(4)], "s": pd.arrays.SparseArray([0.0, 1.0, 0.0, 0.0]),
})  # fmt: skip


def test_nullable_types():
    model = AE(latent_dim=1, network="mlp:4", epochs=1).fit(NULLABLE)
    mask = model.arrays(NULLABLE).mask
    np.testing.assert_array_equal(~mask, NULLABLE.isna())
    back = model.reconstruct(NULLABLE)
    assert back.dtypes[["i", "f", "b"]].equals(NULLABLE.dtypes[["i", "f", "b"]])
    values = {"i": [1, None], "b": [True, None], "n": [None, None], "d": [1.5, 2.5]}
    same = [AE(latent_dim=1, network="mlp:4", epochs=1) for _ in range(2)]
    codes = [
        m.fit(make({k: v for k, v in values.items() if k != "n"})).transform(
            make({k: v for k, v in values.items() if k != "n"})
        )
        for m, make in zip(same, (polars.DataFrame, pa.table), strict=True)
    ]
    np.testing.assert_array_equal(*codes)
    with pytest.raises(DataError, match=r"observed value in every feature; got none in column 'n'. Leave it out"):
        AE(latent_dim=1, network="mlp:4", epochs=1).fit(polars.DataFrame({**values, "n": [None, None]}))


@pytest.mark.parametrize(
    "columns",
    [[0, 1, 2], ["a", 1, 2.5], pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)])],
    ids=["numbers", "mixed", "levels"],
)
def test_labels_of_columns_come_back(model, columns):
    frame = PEOPLE.set_axis(columns, axis=1)
    model.fit(frame)
    assert model.reconstruct(frame).columns.equals(frame.columns)
    assert model.reconstruct(frame[frame.columns[::-1]]).columns.equals(frame.columns[::-1])
    assert not hasattr(model, "feature_names_in_")
    if list(columns) == [0, 1, 2]:
        assert model.inverse_transform(model.transform(frame)).columns.equals(pd.RangeIndex(3))


@pytest.mark.parametrize("names", [["a", "a", "b"], ["1", 1, "b"]])
def test_columns_of_one_name_are_named(model, names):
    with pytest.raises(DataError, match=r"X must have every column once; got .* more than once. Rename them"):
        model.fit(PEOPLE.set_axis(names, axis=1))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (polars.DataFrame({"a": [1.0]}).lazy(), r"a data frame in memory; got a lazy one\. Call X\.collect\(\)"),
        (PEOPLE["shoe"], r"got one column alone\. Reshape your data: X\.to_frame\(\)"),
        (polars.Series([1.0, 2.0]), "got one column alone"),
        (PEOPLE[:0], r"got 0 sample\(s\)"), (PEOPLE[[]], r"got 0 feature\(s\)"),
    ],
)  # fmt: skip
def test_frames_that_are_no_tables(model, X, message):
    with pytest.raises(DataError, match=message):
        model.fit(X)


# Zeros and ones -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [AE, VAE])
def test_one_hot_columns_of_any_type_give_one_model(cls):
    colour = np.array(["red", "green", "blue"])[RNG.integers(0, 3, 60)]
    expected = None
    for dtype in ("float32", "bool", "int8", "uint8"):
        frame = pd.get_dummies(pd.DataFrame({"colour": colour}), dtype=dtype)
        for X in (frame, frame.to_numpy()):
            model = cls(latent_dim=2, network="mlp:6", epochs=1).fit(X)
            assert model.schema_.scale is None
            expected = model.transform(X) if expected is None else expected
            np.testing.assert_array_equal(model.transform(X), expected)
        assert np.asarray(model.reconstruct(frame.to_numpy())).max() <= 1


def test_counts_in_small_types_are_no_pixels():
    counts = RNG.poisson(3, (40, 4))
    one, two = (AE(latent_dim=1, network="mlp:4", epochs=1).fit(counts.astype(t)) for t in (np.uint8, np.float64))
    np.testing.assert_allclose(one.transform(counts.astype(np.uint8)), two.transform(counts.astype(float)), rtol=1e-5)
    frame = pd.DataFrame(RNG.integers(0, 256, (40, 4)).astype(np.uint8))
    assert AE(latent_dim=1, network="mlp:4", epochs=1).fit(frame).schema_.scale == "standard"
