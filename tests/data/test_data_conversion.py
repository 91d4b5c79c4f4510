"""Arrays, lists, tensors and sparse matrices as people have them: taken, or refused by name with what to do."""

import datetime

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from narrows import AE, PCA
from narrows.data import sparse_rows
from narrows.data.conversion import as_array
from narrows.errors import DataError

RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(20, 3)).round(1)


def make(**changes):
    return AE(**{"latent_dim": 1, "network": "mlp:4", "epochs": 1, **changes})


# Sparse matrices ------------------------------------------------------------------------------------------------------

COUNTS = RNG.poisson(0.3, (30, 6))


@pytest.mark.parametrize(
    ("form", "dtype"),
    [
        ("csr_matrix", "float32"), ("csr_matrix", "uint8"), ("csr_array", "int64"), ("csc_matrix", "float64"),
        ("coo_array", "float64"), ("lil_matrix", "bool"),
    ],
)  # fmt: skip
def test_sparse_matrices_are_tables(form, dtype):
    X = getattr(sparse, form)(COUNTS.astype(dtype))
    for model in (make(), PCA(latent_dim=2)):
        codes = model.fit(X).transform(X)
        assert not model.schema_.pixels
        assert model.reconstruct(X).shape == COUNTS.shape
        np.testing.assert_allclose(codes, model.fit_transform(X.toarray()), rtol=1e-5, atol=1e-6)


def test_sparse_matrices_that_are_too_wide_are_refused():
    with pytest.raises(DataError, match=r"at most 200,000 columns as a sparse matrix; got 1,000,000.*TruncatedSVD"):
        make().fit(sparse.csr_matrix((10**6, 10**6)))
    with pytest.raises(DataError, match=r"AE: X must hold real numbers; got complex numbers \(complex128\)"):
        make().fit(sparse.csr_matrix(COUNTS.astype(complex)))


@pytest.mark.parametrize("form", ["csr_matrix", "csc_array", "coo_array"])
def test_large_sparse_matrices_become_dense_row_by_row(form, monkeypatch):
    monkeypatch.setattr(sparse_rows, "LARGE", 0)
    X = getattr(sparse, form)(COUNTS.astype(np.float64))
    before = X.copy()
    assert isinstance(as_array(X, "AE"), sparse_rows.SparseRows)
    for model in (make(), PCA(latent_dim=2)):
        codes = model.fit(X).transform(X)
        np.testing.assert_allclose(codes, model.fit_transform(X.toarray()), rtol=1e-5, atol=1e-6)
    assert (before != X).nnz == 0


def test_values_of_a_sparse_matrix_at_one_place_are_added_and_what_was_given_stays():
    X = sparse.coo_array((np.array([1.0, 2.0, 4.0]), (np.array([0, 0, 1]), np.array([1, 1, 0]))), shape=(2, 2)).tocsr()
    raw = sparse.csr_array((np.array([1.0, 2.0, 4.0]), np.array([1, 1, 0]), np.array([0, 2, 3])), shape=(2, 2))
    rows = sparse_rows.SparseRows(raw)
    np.testing.assert_array_equal(np.asarray(rows), [[0.0, 3.0], [4.0, 0.0]])
    np.testing.assert_array_equal(rows[np.array([1, 0, 1])], [[4.0, 0.0], [0.0, 3.0], [4.0, 0.0]])
    assert raw.nnz == 3
    assert rows.identity == sparse_rows.SparseRows(X).identity != sparse_rows.SparseRows(2 * X).identity


# Tensors --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t, lambda t: t.requires_grad_(), lambda t: t.bfloat16(), lambda t: t.half(), lambda t: t.to_sparse(),
        lambda t: t.int(), lambda t: t.flip(0).flip(0), lambda t: t.T.contiguous().T, lambda t: torch.nn.Parameter(t),
    ],
)  # fmt: skip
def test_tensors(change):
    tensor = change(torch.tensor(TABLE))
    plain = tensor.detach().to_dense().double().numpy()
    assert make().fit(tensor).reconstruct(tensor).shape == TABLE.shape
    np.testing.assert_allclose(make().fit_transform(tensor), make().fit_transform(plain), rtol=1e-4, atol=1e-5)


# Missing values and lists ---------------------------------------------------------------------------------------------


def test_masked_values_are_missing(monkeypatch):
    masked = np.ma.masked_greater(TABLE, 0.5)
    plain = masked.filled(np.nan)
    np.testing.assert_array_equal(make().fit_transform(masked), make().fit_transform(plain))
    whole = np.ma.masked_greater(COUNTS, 1)
    np.testing.assert_array_equal(make().fit(whole).arrays(whole).mask, ~whole.mask)
    monkeypatch.setattr(PCA, "takes_missing", False)
    with pytest.raises(DataError, match=r"PCA: .*missing values \(NaN\) in feature"):
        PCA().fit(masked)
    assert make().fit(np.ma.array(COUNTS)).schema_.dtype == "int64"
    assert not make().fit(np.ma.array(COUNTS)).schema_.missing


RAGGED = [np.sin(np.arange(n)[:, None]) for n in RNG.integers(5, 9, 12)]


@pytest.mark.parametrize(
    "given",
    [
        lambda x: x, tuple, lambda x: np.array(x, dtype=object), lambda x: [s.tolist() for s in x],
        lambda x: [torch.tensor(s) for s in x], lambda x: [pd.DataFrame(s) for s in x],
        lambda x: [np.ma.array(s) for s in x],
    ],
)  # fmt: skip
def test_sequences_of_different_length(given):
    expected = make(network="recurrent:3").fit_transform(RAGGED)
    model = make(network="recurrent:3").fit(given(RAGGED))
    np.testing.assert_array_equal(model.transform(given(RAGGED)), expected)
    assert [x.shape for x in model.reconstruct(given(RAGGED))] == [x.shape for x in RAGGED]


def test_bytes_in_sequences_are_numbers():
    X = [(s * 100).astype(np.uint8) for s in RAGGED]
    model = make(network="recurrent:3").fit(X)
    assert model.schema_.scale == "standard"
    np.testing.assert_allclose(model.transform([x.astype(float) for x in X]), model.transform(X), rtol=1e-5)


# What is refused ------------------------------------------------------------------------------------------------------

NUMBERS = np.array([(1, 2.0)] * 3, dtype=[("a", int), ("b", float)])
REFUSED = {
    "flat": ([np.ones(3), np.ones(4)], r"got shapes \(3,\), \(4,\)\. Fill short rows .*reshape\(x, \(-1, 1\)\)"),
    "lists": ([[1.0], [1.0, 2.0]], r"rows of one shape, or sequences \(T_i, D\); got shapes \(1,\), \(2,\)"),
    "sizes": ([np.ones((3, 8, 8)), np.ones((3, 9, 8))], r"got shapes \(3, 8, 8\), \(3, 9, 8\)\. Bring images"),
    "features": ([np.ones((3, 2)), np.ones((4, 3))], r"with the same D and .*; got shapes \(3, 2\), \(4, 3\)"),
    "infinite steps": ([np.ones((3, 2)), np.full((4, 2), np.inf)], r"got others \(NaN, inf\) in sequences 1\. Leave"),
    "records": (NUMBERS, r"got records .*Give a data frame: pandas\.DataFrame\(X\)"),
    "dicts": ([{"a": 1.0}], r"got a list of dicts\. Give a data frame"),
    "dict": ({"a": [1.0]}, "got a dict. Give a data"),
    "generator": ((row for row in TABLE), r"got a generator\. Give all at once: numpy\.stack\(list\(X\)\)"),
    "dataset": (torch.utils.data.TensorDataset(torch.ones(3, 2)), r"got a TensorDataset\. Give all at once: torch"),
    "path": ("x.csv", r"got a str\. Read a file first: narrows\.load_dataset\(path\)"), "none": (None, "got None"),
    "object": (object(), "got an object. Give an array"),
    "number": (3.0, r"got an array of shape \(\)\. Reshape your data"),
    "dates": (np.array([["2020-01-01"]], "M8[D]"), r"got dates and times \(datetime64\[D\]\)\. Make numbers of them"),
    "spans": (np.array([[1]], "m8[s]"), r"got spans of time .*timedelta64\(1, 's'\)"),
    "text": (TABLE.astype(str), r"got text \(<U\d+\)\. Convert numbers by X\.astype\(float\)"),
    "complex": (TABLE + 1j, r"got complex numbers \(complex128\)\. Complex data not supported"),
    "complex tensor": (torch.tensor(TABLE + 1j), r"got complex numbers \(complex128\)"),
    "dates in objects": (np.array([[datetime.date(2020, 1, 1), 1.0]], object), r"got date in column 0 \(float"),
    "words": (np.array([[1.0, "a"], ["b", 2.0]], object), r"got str in columns 0, 1 \(could not convert string"),
    "identifiers": (np.array([[2**60, 1]] * 3), r"whole numbers beyond 2\*\*53 in feature 0 \(3\)\. Leave id"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case):
    X, message = REFUSED[case]
    with pytest.raises(DataError, match=r"AE: X must .*" + message):
        make().fit(X)


def test_wide_types_of_numbers():
    for dtype in (np.float16, np.longdouble, ">f8", "<i2"):
        X = TABLE.astype(dtype)
        codes = make().fit(X).transform(X)
        np.testing.assert_allclose(codes, make().fit_transform(X.astype(float)), rtol=2e-3, atol=1e-3)
