"""Data of every kind: a right result or an error that names the cause; never nan out."""

import warnings

import numpy as np
import pytest

from narrows import ESTIMATORS
from narrows.errors import ConfigError, DataError, DivergedError
from narrows.params import fields

PLAIN = np.random.default_rng(0).random((12, 4))


NETWORK = {3: "recurrent:5", 4: "conv:5"}


def make(name, X=PLAIN, **changes):
    known = {field.name for field in fields(ESTIMATORS[name])}
    network = NETWORK.get(np.ndim(X), "mlp:5")
    options = {"latent_dim": 2, "network": network, "epochs": 2, "batch_size": 8, **changes}
    return ESTIMATORS[name](**{k: v for k, v in options.items() if k in known})


@pytest.fixture(params=list(ESTIMATORS))
def name(request):
    return request.param


def outputs(estimator, X):
    return [estimator.transform(X), estimator.reconstruct(X), estimator.score_samples(X)]


def with_value(value, dtype=np.float64):
    X = PLAIN.astype(dtype)
    X[3, 1] = value
    return X


REFUSED = {
    "no samples": (np.empty((0, 4)), r"0 sample\(s\)"),
    "no features": (np.empty((4, 0)), r"0 feature\(s\)"),
    "no pixels": (np.empty((4, 1, 0, 3)), "at least one value per sample|0"),
    "no steps": (np.empty((4, 0, 3)), "at least one value per sample|0"),
    "one axis": (PLAIN[:, 0], "Reshape your data"),
    "no axis": (np.float64(3), "X must be a table .* got an array of shape \\(\\)"),
    "five axes": (np.zeros((2, 2, 2, 2, 2)), "X must be a table .*2, 2, 2, 2, 2"),
    "nan": (with_value(np.nan), r"missing values \(NaN\) in feature 1 \(1\)"),
    "inf": (with_value(np.inf), r"infinity \(inf\) in feature 1 \(1\)"),
    "-inf": (with_value(-np.inf), r"infinity \(inf\) in feature 1"),
    "nan in images": (with_value(np.nan).reshape(12, 1, 2, 2), r"missing values \(NaN\) in 1 value of 1 samples"),
    "inf in sequences": (with_value(np.inf).reshape(12, 2, 2), r"infinity \(inf\) in 1 value of 1 samples"),
    "nan in float16": (with_value(np.nan, np.float16), r"\(NaN\) in feature 1"),
    "complex": (PLAIN + 1j, "[Cc]omplex"),
    "complex images": ((PLAIN + 1j).reshape(12, 1, 2, 2), "[Cc]omplex"),
    "strings": (np.array([["a", "b"], ["c", "d"]]), "got text .* Convert"),
    "strings in objects": (np.array([["a", 1.0], ["c", 2.0]], dtype=object), "got str in column 0 .*could not convert"),
    "ragged": ([[1.0, 2.0], [3.0]], r"rows of one shape, or sequences .*got shapes \(1,\), \(2,\)"),
    "none": (None, "X must be a table .*; got None"),
    "dict": ({"a": 1}, "got a dict. Give a data frame: pandas.DataFrame"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(name, case):
    X, message = REFUSED[case]
    if case.startswith("nan") and ESTIMATORS[name].takes_missing:
        assert all(np.isfinite(out).all() for out in outputs(make(name, X).fit(X), X))
        return
    with pytest.raises(DataError, match=message) as caught:
        make(name).fit(X)
    assert str(caught.value).startswith(name.upper() + ": X must ")


@pytest.mark.parametrize("case", ["nan", "inf", "-inf"])
def test_what_is_refused_after_fit(name, case):
    estimator = make(name).fit(PLAIN)
    for verb in ("transform", "reconstruct", "score_samples", "score"):
        if case == "nan" and estimator.takes_missing:
            assert np.isfinite(getattr(estimator, verb)(REFUSED[case][0])).all()
            continue
        with pytest.raises(DataError, match=REFUSED[case][1]):
            getattr(estimator, verb)(REFUSED[case][0])
    with pytest.raises(ValueError, match="contains"):
        estimator.inverse_transform([[np.nan, 0]])


def strided():
    wide = np.zeros((24, 8))
    wide[::2, ::2] = PLAIN
    return wide[::2, ::2]


def locked():
    X = PLAIN.copy()
    X.flags.writeable = False
    return X


SAME = {
    "fortran": np.asfortranarray(PLAIN),
    "strided": strided(),
    "backwards": PLAIN[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": locked(),
    "list": PLAIN.tolist(),
    "objects": PLAIN.astype(object),
    "big-endian": PLAIN.astype(">f8"),
}


@pytest.mark.parametrize("case", SAME)
def test_how_it_lies_in_memory_changes_nothing(name, case):
    expected = outputs(make(name).fit(PLAIN), PLAIN)
    for one, other in zip(outputs(make(name).fit(SAME[case]), SAME[case]), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_a_read_only_memory_map_changes_nothing(name, dtype, tmp_path):
    X = (PLAIN * 20 + 100).astype(dtype)
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for one, other in zip(outputs(make(name).fit(mapped), mapped), outputs(make(name).fit(X), X), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("case", ["fortran", "backwards", "read-only"])
def test_nor_for_images(name, case, dtype):
    X = np.random.default_rng(0).random((9, 2, 3, 4))
    X = (X * 255).astype(dtype) if dtype == np.uint8 else X.astype(dtype)
    other = {"fortran": np.asfortranarray(X), "backwards": X[:, :, ::-1].copy()[:, :, ::-1], "read-only": X.copy()}[
        case
    ]
    other.flags.writeable = case != "read-only"
    for one, two in zip(outputs(make(name, X).fit(X), X), outputs(make(name, X).fit(other), other), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int16, np.int64, np.uint16, np.float16, np.float32])
def test_numbers_of_every_type(name, dtype):
    X = np.random.default_rng(0).integers(0, 2, (12, 4)).astype(dtype)
    real = X.astype(np.float64)
    found, expected = outputs(make(name).fit(X), X), outputs(make(name).fit(real), real)
    assert found[1].dtype == dtype
    if np.dtype(dtype).kind != "f":
        expected[1] = np.rint(expected[1].clip(0, 1) if dtype is bool else expected[1])
    atol = 2e-3 if dtype is np.float16 else 1e-4
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=atol)


def test_bytes_are_pixels(name):
    X = np.random.default_rng(0).integers(0, 256, (12, 64), np.uint8)
    estimator = make(name).fit(X)
    assert estimator.schema_.pixels
    assert estimator.reconstruct(X).dtype == np.uint8
    assert np.abs(estimator.reconstruct(X).astype(int) - X).mean() < 90


DEGENERATE = {
    "constant": np.full((12, 4), 3.7),
    "one constant feature": np.hstack([np.ones((12, 1)), PLAIN]),
    "all zero": np.zeros((12, 4)),
    "one feature": PLAIN[:, :1],
    "two samples": PLAIN[:2],
    "repeated samples": np.repeat(PLAIN[:1], 12, 0),
    "black pixels": np.zeros((12, 1, 3, 3), np.uint8),
    "white pixels": np.full((12, 1, 3, 3), 255, np.uint8),
    "tiny": PLAIN * 1e-30,
    "denormal": PLAIN * 1e-310,
}


@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_data_give_finite_numbers(name, case):
    X = DEGENERATE[case]
    for k in (1, min(2, X.shape[1] if X.ndim == 2 else 2)):
        estimator = make(name, X, latent_dim=k, data_bias=True).fit(X)
        for out in outputs(estimator, X):
            assert np.isfinite(out).all()
        assert np.isfinite(estimator.score(X))
        if case in ("constant", "all zero") and name == "pca":
            np.testing.assert_allclose(estimator.reconstruct(X), X, atol=1e-12)


def test_whitening_degenerate_data():
    for X in DEGENERATE.values():
        for out in outputs(ESTIMATORS["pca"](latent_dim=1, whiten=True).fit(X), X):
            assert np.isfinite(out).all()


def test_one_sample(name):
    if name == "pca":
        with pytest.raises(DataError, match="at least 2 samples; got n_samples = 1"):
            make(name).fit(PLAIN[:1])
    else:
        for out in outputs(make(name).fit(PLAIN[:1]), PLAIN[:1]):
            assert np.isfinite(out).all()


@pytest.mark.parametrize("value", [1e20, 1e38, 1e39, 1e300, np.finfo(np.float64).max])
def test_huge_values_are_right_or_a_named_error(name, value):
    X = with_value(value)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            out = outputs(make(name, learning_rate=1e-3).fit(X), X)
        except (DataError, DivergedError) as error:
            assert "finite" in str(error) or "float32" in str(error) or "large" in str(error)  # noqa: PT017
        else:
            assert all(np.isfinite(o).all() for o in out)


def test_values_beyond_single_precision_print_their_range():
    with pytest.raises(DataError, match=r"AE: X must lie within float32, \+-3.4e\+38; got values from .* to 1e\+300"):
        make("ae", scale=None).fit(with_value(1e300))


def test_the_largest_whole_number(name):
    X = np.random.default_rng(0).integers(0, 3, (12, 4))
    X[2, 2] = np.iinfo(np.int64).max
    with pytest.raises(DataError, match=r"whole numbers beyond 2\*\*53 in feature 2 \(1\). Leave identifiers out"):
        make(name).fit(X)


def test_codes_larger_than_the_data(name):
    if name == "pca":
        with pytest.raises(ConfigError, match=r"latent_dim must be at most min\(n_samples, n_features\) = 4 .*got 9"):
            make(name, latent_dim=9).fit(PLAIN)
        with pytest.raises(ConfigError, match=r"= 3 .*n_samples = 3.*got 4. Lower it or add samples"):
            make(name, latent_dim=4).fit(PLAIN[:3])
    else:
        assert make(name, latent_dim=9).fit(PLAIN).transform(PLAIN).shape == (12, 9)
        assert make(name, latent_dim=4).fit(PLAIN[:3]).transform(PLAIN).shape == (12, 4)


def test_a_bad_fit_leaves_the_last_good_one(name):
    estimator = make(name).fit(PLAIN)
    before = estimator.transform(PLAIN)
    with pytest.raises(DataError):
        estimator.fit(REFUSED["inf"][0])
    np.testing.assert_array_equal(estimator.transform(PLAIN), before)
