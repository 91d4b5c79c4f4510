"""What comes back is what went in: units, types, frames; scales, offsets, densities, labels, missing values."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from drawn import structured
from narrows import AE, PCA, VAE
from narrows.data.arrays import Arrays, on_disk
from narrows.data.batches import Batches
from narrows.data.schema import Schema
from narrows.errors import ConfigError, DataError
from narrows.estimators.inference import encoded
from narrows.estimators.loading import load_model

CPU = torch.device("cpu")
RNG = np.random.default_rng(0)
TABLE = RNG.normal([3, -20, 0.5], [1, 5, 0.1], (40, 3))
QUICK: dict[str, Any] = {"latent_dim": 2, "network": "mlp:6", "epochs": 2}


def round_trip(X, **options):
    schema = Schema.of(X, **options)
    arrays = schema.encode(X)
    x = arrays.x / 255 if schema.pixels and arrays.x.dtype == np.uint8 else arrays.x
    return schema, arrays, schema.decode(x, like=X, lengths=arrays.lengths)


# Scales ---------------------------------------------------------------------------------------------------------------


def test_standard():
    schema, arrays, back = round_trip(TABLE, scale="standard")
    np.testing.assert_allclose(arrays.x.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(arrays.x.std(0), 1, rtol=1e-6)
    np.testing.assert_allclose(back, TABLE, rtol=1e-6)
    assert schema.log_jacobian == pytest.approx(-np.log(TABLE.std(0)).sum())


def test_minmax():
    schema, arrays, back = round_trip(TABLE, scale="minmax")
    assert arrays.x.min(0).tolist() == [0] * 3
    np.testing.assert_allclose(arrays.x.max(0), 1, rtol=1e-6)
    np.testing.assert_allclose(back, TABLE, rtol=1e-5)
    assert schema.log_jacobian == pytest.approx(-np.log(np.ptp(TABLE, 0)).sum())


def test_a_number():
    schema, arrays, back = round_trip((TABLE * 100).astype(np.int16), scale=4095)
    np.testing.assert_allclose(arrays.x, (TABLE * 100).astype(np.int16) / 4095, rtol=1e-6)
    np.testing.assert_array_equal(back, (TABLE * 100).astype(np.int16))
    assert schema.log_jacobian == pytest.approx(-3 * math.log(4095))


def test_none():
    schema, arrays, back = round_trip(TABLE, scale=None)
    np.testing.assert_array_equal(arrays.x, TABLE.astype(np.float32))
    np.testing.assert_allclose(back, TABLE, rtol=1e-6)
    assert (schema.scale, schema.log_jacobian) == (None, 0)


@pytest.mark.parametrize(
    ("X", "scale"),
    [
        (TABLE, "standard"),
        (structured((3,)), None),
        (structured((4, 3)) * 2, "standard"),
        ((structured((64,)) * 255).astype(np.uint8), "pixels"),
        ((structured((63,)) * 255).astype(np.uint8), "standard"),
        ((structured((64,)) * 127).astype(np.uint8), "standard"),
        (structured((1, 3, 3)), None),
        (RNG.integers(0, 4096, (9, 1, 3, 3)).astype(np.uint16), "minmax"),
        (np.eye(4), None),
    ],
)
def test_auto(X, scale):
    assert Schema.of(X).scale == scale


def test_channels_have_a_scale_each():
    X = RNG.normal([[[[5]], [[-3]]]], [[[[2]], [[0.1]]]], (20, 2, 3, 4))
    schema, arrays, back = round_trip(X)
    np.testing.assert_allclose(schema.offset, X.mean((0, 2, 3)))
    np.testing.assert_allclose(schema.factor, X.std((0, 2, 3)))
    np.testing.assert_allclose(arrays.x.std((0, 2, 3)), 1, rtol=1e-6)
    np.testing.assert_allclose(back, X, rtol=1e-4, atol=1e-5)
    assert schema.log_jacobian == pytest.approx(-12 * np.log(X.std((0, 2, 3))).sum())


def test_a_constant_feature_is_centred_alone():
    X = np.column_stack([TABLE, np.full(40, 0.1 + 0.2)])
    for scale in ("standard", "minmax"):
        schema, arrays, back = round_trip(X, scale=scale)
        assert schema.factor[3] == 1
        assert np.abs(arrays.x[:, 3]).max() < 1e-6
        np.testing.assert_allclose(back, X, rtol=1e-6)


@pytest.mark.parametrize("part", [1, 7, 2**21])
def test_moments_are_those_of_all_parts(monkeypatch, part):
    monkeypatch.setattr("narrows.data.scales.PART", part)
    monkeypatch.setattr("narrows.data.facts.PART", part)
    X = np.where(RNG.random(TABLE.shape) < 0.2, np.nan, TABLE)
    schema = Schema.of(X)
    np.testing.assert_allclose(schema.offset, np.nanmean(X, 0), rtol=1e-12)
    np.testing.assert_allclose(schema.factor, np.nanstd(X, 0), rtol=1e-12)
    np.testing.assert_array_equal(schema.encode(X).mask, ~np.isnan(X))


OFFSETS = {
    "1e9 + N(0, 1)": 1e9 + RNG.normal(size=(200, 1)) @ RNG.normal(size=(1, 4)),
    "metres of a map": 5_400_000 + 0.05 * (RNG.normal(size=(200, 1)) @ RNG.normal(size=(1, 4))),
    "1e-30": 1e-30 * RNG.normal(size=(200, 1)) @ RNG.normal(size=(1, 4)),
    "1e30": 1e30 * RNG.normal(size=(200, 1)) @ RNG.normal(size=(1, 4)),
    "seconds": 1_700_000_000 + np.arange(200)[:, None] * np.ones(4),
}


@pytest.mark.parametrize("case", OFFSETS)
def test_offsets_beyond_single_precision_keep_what_varies(case):
    X = OFFSETS[case]
    ae = AE(latent_dim=1, network="mlp:", epochs=40, learning_rate=5e-2, batch_size=50).fit(X)
    explained = 1 - ((X - ae.reconstruct(X)) ** 2).sum() / ((X - X.mean(0)) ** 2).sum()
    assert explained > 0.99
    assert ae.reconstruct(X).dtype == np.float64
    assert ae.transform(X).std() > 0.1


@pytest.mark.parametrize("case", ["1e9 + N(0, 1)", "metres of a map", "seconds"])
def test_offsets_that_would_be_lost_are_refused_by_name(case):
    with pytest.raises(DataError, match=r"AE: X must vary by more than float32 resolves where scale=None; feature 0"):
        AE(**QUICK, scale=None).fit(OFFSETS[case])
    PCA(latent_dim=1).fit(OFFSETS[case])  # all digits


@pytest.mark.parametrize("scale", ["standardise", True, 0, -1, math.nan, math.inf])
def test_what_is_no_scale(scale):
    with pytest.raises(ConfigError, match="scale must be"):
        Schema.of(TABLE, scale=scale)
    with pytest.raises(ConfigError, match="AE: scale must be"):
        AE(**QUICK, scale=scale).fit(TABLE)


@pytest.mark.parametrize("scale", [None, "standard", "minmax", 7])
@pytest.mark.parametrize("model", [AE, VAE])
@pytest.mark.parametrize("shape", [(3,), (4, 3), (3, 2, 2)])
def test_the_score_is_of_the_data_as_given(model, scale, shape):
    """By the change of variables: that of data scaled by hand, plus log |dx / dX|."""
    network = {1: "mlp:5", 2: "recurrent:5", 3: "conv:3"}[len(shape)]
    X = RNG.normal(2, 3, (30, *shape))
    scaled = model(latent_dim=2, network=network, epochs=2, scale=scale).fit(X)
    x = scaled.schema_.encode(X).x
    plain = model(latent_dim=2, network=network, epochs=2, scale=None).fit(x)
    np.testing.assert_allclose(scaled.transform(X), plain.transform(x), rtol=1e-5, atol=1e-6)
    expected = plain.score_samples(x) + scaled.schema_.log_jacobian
    np.testing.assert_allclose(scaled.score_samples(X), expected, rtol=1e-5)
    assert scaled.history_[-1]["train"]["reconstruction"] == pytest.approx(
        plain.history_[-1]["train"]["reconstruction"], rel=1e-5
    )


def test_the_score_of_what_is_observed_alone():
    X = np.where(RNG.random(TABLE.shape) < 0.3, np.nan, TABLE)
    scaled = AE(**QUICK).fit(X)
    x = (X - scaled.schema_.offset) / scaled.schema_.factor
    plain = AE(**QUICK, scale=None).fit(x)
    expected = plain.score_samples(x) - (~np.isnan(X) * np.log(scaled.schema_.factor)).sum(1)
    np.testing.assert_allclose(scaled.score_samples(X), expected, rtol=1e-4, atol=1e-4)


def test_a_probability_has_no_unit():
    """Bernoulli's and the rounded logistic's: of grey levels, whatever they are divided by."""
    X = (structured((6,)) > 0.5).astype(float)
    one, other = AE(**QUICK, likelihood="bernoulli").fit(X), AE(**QUICK, likelihood="bernoulli", scale=2).fit(X * 2)
    np.testing.assert_allclose(one.score_samples(X), other.score_samples(X * 2), rtol=1e-5)


# Types and frames -----------------------------------------------------------------------------------------------------

DTYPES = ["uint8", "int64", "int16", "uint32", "bool", "float16", "float32", "float64"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(4,), (3, 2), (1, 2, 2)])
def test_the_type_comes_back(dtype, shape):
    X = (structured(shape) * (1.99 if dtype == "bool" else 200)).astype(dtype)
    _, _, back = round_trip(X)
    assert back.dtype == X.dtype
    np.testing.assert_allclose(back.astype(float), X.astype(float), rtol=1e-3 if dtype == "float16" else 1e-5)
    ae = AE(latent_dim=2, network="mlp:5", epochs=1).fit(X, axes={1: None, 2: "NTD", 3: None}[len(shape)])
    Z = ae.transform(X)
    for out in (ae.reconstruct(X), ae.inverse_transform(Z), ae.sample(3, 0, "gaussian")):
        assert out.dtype == X.dtype
        assert out.shape[1:] == shape


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.int32, np.int8, np.uint8])
def test_values_beyond_a_whole_numbers_type_end_at_its_limits(dtype):
    schema = Schema.of(np.zeros((2, 1), dtype), scale=None)
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    assert schema.decode(np.array([[-1e30], [1e30], [float(high)]])).tolist() == [[low], [high], [high]]


def frames():
    plain = {"a": TABLE[:, 0], "b": TABLE[:, 1].round().astype(int), "c": TABLE[:, 2] > 0.5}
    yield "pandas", pd.DataFrame(plain, index=[f"row {i}" for i in range(40)])
    yield "pyarrow", pa.table(plain)
    try:
        import polars
    except ImportError:
        return
    yield "polars", polars.DataFrame(plain)


FRAMES = dict(frames())


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("model", [PCA(latent_dim=2), AE(**QUICK), VAE(**QUICK)], ids=lambda m: type(m).__name__)
def test_a_frame_comes_back_as_one(kind, model, tmp_path):
    X = FRAMES[kind]
    model.fit(X)
    schema = model.schema_
    assert (schema.frame, schema.columns) == (kind, ("a", "b", "c"))
    back = model.reconstruct(X)
    assert type(back) is type(X)
    assert [str(t) for t in types(back)] == [str(t) for t in types(X)]
    if kind == "pandas":
        assert back.index.equals(X.index)
        assert list(back.columns) == ["a", "b", "c"]
    values = np.asarray(back.to_pandas() if kind != "pandas" else back, float)
    assert np.abs(values[:, :2] - TABLE[:, :2]).mean() < 5
    assert type(model.inverse_transform(model.transform(X))) is type(X)
    assert len(model.sample(5, 0, "gaussian")) == 5
    loaded = load_model(model.save(tmp_path))
    assert type(loaded.reconstruct(X)) is type(X)
    assert loaded.schema_.dtypes == schema.dtypes


def types(frame):
    return frame.schema.types if isinstance(frame, pa.Table) else list(frame.dtypes)


def test_a_held_out_share_of_a_frame_is_a_share_of_its_rows():
    X = FRAMES["pandas"]
    ae = AE(**QUICK).fit(X, validation=0.25)
    assert ae.schema_.rows == 30
    assert type(ae.reconstruct(X)) is pd.DataFrame


def test_names_given_for_a_plain_table(tmp_path):
    ae = AE(**QUICK)
    for _ in ae.fit_iter(TABLE, columns=["x", "y", "z"]):
        pass
    assert ae.schema_.columns == ("x", "y", "z")
    assert load_model(ae.save(tmp_path)).schema_.columns == ("x", "y", "z")
    assert isinstance(ae.reconstruct(TABLE), np.ndarray)


# Missing values -------------------------------------------------------------------------------------------------------


def test_missing_values_are_a_mask_and_zeros():
    X = TABLE.copy()
    X[3, 1] = math.nan
    for scale in ("standard", "minmax", None, 5):
        schema = Schema.of(X, scale=scale)
        arrays = schema.encode(X)
        assert schema.missing
        assert arrays.mask.sum() == 119
        assert arrays.x[3, 1] == 0
        assert np.isfinite(arrays.x).all()
    assert not Schema.of(TABLE).missing
    assert Schema.of(TABLE).encode(TABLE).mask is None
    assert Schema.of(TABLE).encode(X).mask is not None  # though training had none


def test_a_column_without_any_value_is_named():
    X = pd.DataFrame({"a": TABLE[:, 0], "empty": np.full(40, math.nan)})
    with pytest.raises(
        DataError, match="AE: X must have an observed value in every feature; got none in column 'empty'"
    ):
        AE(**QUICK).fit(X)
    with pytest.raises(DataError, match="got none in feature 1"):
        AE(**QUICK).fit(X.to_numpy())


def test_a_model_that_takes_no_missing_values_says_what_to_do(monkeypatch):
    monkeypatch.setattr(PCA, "takes_missing", False)
    with pytest.raises(DataError, match=r"PCA: .*\(NaN\) in feature 0 \(\d+\). This model takes no missing"):
        PCA(latent_dim=1).fit(np.where(TABLE > 3, np.nan, TABLE))


def test_a_residual_network_begins_at_pca_with_missing_values():
    X = RNG.normal(size=(200, 2)) @ RNG.normal(size=(2, 5)) + [50, -3, 0, 7, 1] + 0.1 * RNG.normal(size=(200, 5))
    X[RNG.random(X.shape) < 0.1] = np.nan
    ae = AE(latent_dim=2, network="residual:4", scale=None, epochs=1, learning_rate=1e-30, corruption=None).fit(X)
    pca = PCA(latent_dim=2).fit(X)
    # It fills what is missing by a Gaussian with a prior: 1e-4 beside the noise's variance of 1e-2.
    assert np.square(ae.reconstruct(X) - pca.reconstruct(X)).mean() < 1e-4


# Memory maps ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", ["auto", None, 3.0])
@pytest.mark.parametrize("model", [PCA, AE, VAE])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint8"])
def test_memory_maps_give_what_arrays_give(tmp_path, model, dtype, scale):
    X = (structured((5,)) * 100).astype(dtype)
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    known = (
        {"scale": scale}
        if model is PCA
        else {**QUICK, "network": "mlp:6" if model is AE else "residual:6", "scale": scale}
    )
    one, other = (model(**{"latent_dim": 2, **known}).fit(x, validation=x[:9]) for x in (X, mapped))
    for verb in ("transform", "reconstruct", "score_samples"):
        np.testing.assert_array_equal(getattr(one, verb)(X), getattr(other, verb)(mapped), err_msg=verb)
    assert one.schema_.record() == other.schema_.record()


def test_missing_values_of_memory_maps(tmp_path):
    X = np.where(RNG.random(TABLE.shape) < 0.2, np.nan, TABLE)
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    one, other = VAE(**QUICK).fit(X), VAE(**QUICK).fit(mapped)
    for verb in ("transform", "reconstruct", "score_samples", "impute"):
        np.testing.assert_array_equal(getattr(one, verb)(X), getattr(other, verb)(mapped), err_msg=verb)


def test_views_of_memory_maps_stay_on_the_disk(tmp_path):
    np.save(tmp_path / "x.npy", TABLE)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert all(map(on_disk, (mapped, mapped[3:], np.asarray(mapped), np.asarray(mapped)[2:].reshape(-1, 1))))
    assert not on_disk(TABLE[2:])
    rows = Batches(Arrays(np.asarray(mapped)), Schema.of(mapped), CPU)
    assert not rows._tensors
    assert rows.take(torch.tensor([2])).x.shape == (1, 3)


# Labels ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "levels", "codes"),
    [
        (["b", "a", "b"], ("a", "b"), [1, 0, 1]),
        (np.array([7, 3, 3]), (3, 7), [1, 0, 0]),
        (np.array([True, False, True]), (False, True), [1, 0, 1]),
        (np.array([2.0, 1.0, 2.0]), (1.0, 2.0), [1, 0, 1]),
        (pd.Series(["x", "y", "x"], index=[5, 6, 7]), ("x", "y"), [0, 1, 0]),
        (pd.Series(["x", "y", "x"], dtype="category"), ("x", "y"), [0, 1, 0]),
    ],
)
def test_classes(y, levels, codes):
    schema = Schema.of(TABLE[:3], y)
    assert schema.levels == levels
    assert schema.label_size == len(levels)
    assert schema.encode(TABLE[:3], y).y.tolist() == codes
    assert Schema.from_record(schema.record(), schema.tensors()).levels == levels


def test_numbers_as_labels():
    one = Schema.of(TABLE, TABLE[:, 0])
    assert (one.levels, one.label_size) == (None, 1)
    np.testing.assert_array_equal(one.encode(TABLE, TABLE[:, 0]).y, TABLE[:, :1].astype(np.float32))
    two = Schema.of(TABLE, TABLE[:, :2])
    assert two.label_size == 2
    assert two.encode(TABLE, TABLE[:, :2]).y.shape == (40, 2)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "y must be given, since the model takes a condition"),
        (["a", "b"], "y must have one label per sample, 3; got 2"),
        (["a", "b", "z"], "y must hold classes of training, 'a', 'b'; got 'z'"),
    ],
)
def test_labels_that_are_refused(y, message):
    with pytest.raises(DataError, match=message):
        Schema.of(TABLE[:3], ["a", "b", "a"]).encode(TABLE[:3], y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["a", None, "a"], "y must have a label for every sample"),
        ([1.5, math.nan, 2], "y must hold classes .* or finite numbers"),
        ([[1.0], [math.inf], [2.0]], "y must hold classes .* or finite numbers"),
    ],
)
def test_labels_that_no_schema_learns(y, message):
    with pytest.raises(DataError, match=message):
        Schema.of(TABLE[:3], y)


# Records --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schema",
    [
        Schema.of(TABLE, ["u", "v"] * 20, columns=["a", "b", "c"]),
        Schema.of((structured((1, 3, 3)) * 255).astype(np.uint8)),
        Schema.of([TABLE[:5], TABLE[:9]]),
        Schema.of(FRAMES["pandas"].to_numpy(float), like=FRAMES["pandas"], scale="minmax"),
        Schema.of(TABLE, TABLE, scale=12),
    ],
)
def test_records_round_trip(schema):
    import json

    record = json.loads(json.dumps(schema.record()))
    back = Schema.from_record(record, schema.tensors())
    assert back.record() == schema.record()
    x = RNG.random((2, *schema.sample_shape))
    np.testing.assert_array_equal(np.asarray(back.decode(x)), np.asarray(schema.decode(x)))


def test_pixels_of_other_types_are_taken_where_they_are_pixels():
    X = (structured((64,)) * 255).astype(np.uint8)
    ae = AE(**QUICK).fit(X)
    expected = ae.transform(X)
    np.testing.assert_array_equal(ae.transform(X.astype(np.int64)), expected)
    np.testing.assert_allclose(ae.transform(X / 255), expected, atol=1e-5)
    np.testing.assert_array_equal(ae.transform(X.astype(float)), expected)
    with pytest.raises(DataError, match=r"AE: X must be pixels as in fit, 0\.\.255 or divided by 255; got float64"):
        ae.transform(X * 2.0)


def test_what_measures_see_is_the_models_scale():
    X = (structured((64,)) * 255).astype(np.uint8)
    pixels, table = AE(**QUICK).fit(X), AE(**QUICK).fit(TABLE)
    np.testing.assert_array_equal(pixels.schema_.values(encoded(pixels, X)), X / 255)
    np.testing.assert_allclose(table.schema_.values(encoded(table, TABLE)).std(0), 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("X", "options", "words"),
    [
        (np.zeros((2, 1, 3, 4), np.uint8), {}, "images of 1 x 3 x 4 uint8; pixels scaled by 1/255"),
        (
            np.arange(6.0).reshape(3, 2),
            {"columns": ("a", "b")},
            "table of 2 float64; every column scaled to mean 0 and",
        ),
        (np.arange(6.0).reshape(3, 2), {"scale": 255}, "table of 2 float64; values divided by 255.0"),
        (np.arange(6.0).reshape(3, 2), {"scale": None, "y": ["u", "v", "u"]}, "values as they are; classes u, v"),
        (
            [np.ones((2, 3)), np.zeros((4, 3))],
            {"scale": "minmax"},
            "sequences of ? x 3 float64; every feature scaled to",
        ),
    ],
)
def test_a_schema_in_words(X, options, words):
    assert words in str(Schema.of(X, **options))


def test_columns_and_holes_are_named():
    X = np.where(np.eye(3) > 0, np.nan, 1.0)
    assert str(Schema.of(X, columns=("a", "b", "c"))).endswith("columns a, b, c; some values missing")
