"""Tables of typed columns, and holes, as ONNX: the same values as the estimator's, and without torch."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest

from drawn import structured
from export.exported import close, frame
from export.table import BATCHES, at, one_registry
from export.test_onnx_runtime import ALONE
from narrows import AE, PCA, VAE, export_model, load_onnx
from narrows.data.schema import Schema
from narrows.data.types import UnseenLevelWarning
from narrows.data.types_schema import encoded_table
from narrows.errors import DataError
from narrows.export.columns import Columns
from narrows.export.frames import arrays_of, table_of
from narrows.export.samples import comparable
from narrows.export.typed import TypedScale

onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra export")
torch = pytest.importorskip("torch")

N = 240


def holes(shape=(40, 6), share=0.15):
    X = structured(shape[1:], shape[0]).astype(np.float64) * 3 + 5
    return np.where(np.random.default_rng(1).random(X.shape) < share, np.nan, X)


def test_the_scale_of_a_graph_is_that_of_the_columns():
    table = frame()
    schema = Schema.of(table_of_frame(table))
    columns, scale = Columns(schema.types), TypedScale(schema.types)
    tensors, strange = columns.tensors(table_of(table, schema.types, "VAE"))
    assert not strange
    wanted = encoded_table(table, schema.types, np.dtype(np.float64), None, "VAE")
    x, mask = scale({name: torch.from_numpy(array) for name, array in tensors.items()})
    np.testing.assert_allclose(x.numpy(), wanted.x, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(mask.numpy(), wanted.mask)
    encoded, observed = columns.encoded(tensors)
    np.testing.assert_allclose(encoded, wanted.x, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(observed, wanted.mask)
    for name, array in columns.decoded(wanted.x).items():
        np.testing.assert_allclose(scale.inverse(x)[name].numpy(), array, rtol=1e-12)
        there = ~np.isnan(tensors[name]) if array.dtype.kind == "f" else tensors[name] >= 0
        np.testing.assert_allclose(array[there], tensors[name][there], rtol=1e-9)


def table_of_frame(table):
    from narrows.data.frames import frame_of
    from narrows.data.types_frames import mixed_table

    return mixed_table(frame_of(table), "VAE")


def test_frames_of_any_library_and_columns_are_the_same_values():
    table = frame(60)
    types = Schema.of(table_of_frame(table)).types
    wanted, _ = Columns(types).tensors(table_of(table, types, "VAE"))
    mapping = {name: table[name].tolist() for name in table}
    for X in (pl.from_pandas(table), pl.from_pandas(table).to_arrow(), mapping, table[list(table)[::-1]]):
        got, _ = Columns(types).tensors(table_of(X, types, "VAE"))
        for name, array in wanted.items():
            np.testing.assert_array_equal(got[name], array)
    back = arrays_of(Columns(types).values(wanted))
    assert back["town"].tolist() == [None if v != v else v for v in table["town"]]
    assert back["kids"].dtype == np.int64
    assert back["when"].astype("M8[D]").tolist() == table["when"].dt.date.tolist()
    assert back["land"].tolist() == ["DE"] * 60
    for X, problem in (
        (table.drop(columns="age"), "no column 'age'"), (table.assign(more=1), "column 'more', which was not there"),
        (table.assign(age="old"), "'age', which held numbers"), (np.zeros((2, 3)), "10 columns of fit"),
        (table.assign(age=np.inf), "infinity in 'age'"), (table[:0], "one row at least"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=problem):
            table_of(X, types, "VAE")


@pytest.fixture(scope="module")
def typed(tmp_path_factory):
    table = frame()
    model = VAE(latent_dim=2, network="mlp:6", epochs=2).fit(table)
    folder = tmp_path_factory.mktemp("typed") / "model"
    with one_registry():
        files = export_model(model, folder, X=table)
    return model, table, files, folder


@pytest.mark.slow
@pytest.mark.parametrize("n", BATCHES)
def test_typed_functions_compute_what_torch_computes(typed, n):
    from narrows.export.runtime import opened

    model, table, files, _ = typed
    arrays = {name: array[:n] for name, array in comparable(model, 33, table).items()}
    assert set(arrays) == {"numbers", "levels"}
    for file in files:
        assert at(model, opened(file.path), file.name, arrays, None) <= 1e-5


@pytest.mark.slow
def test_typed_functions_as_programs_of_torch(typed, tmp_path):
    from narrows.export.torch import opened

    model, table, _, _ = typed
    files = export_model(model, tmp_path / "programs", "torch", X=table)
    for n in BATCHES:
        arrays = {name: array[:n] for name, array in comparable(model, 33, table).items()}
        for file in files:
            assert at(model, opened(file.path), file.name, arrays, None) <= 1e-6


@pytest.mark.slow
def test_typed_rows_come_back_typed(typed):
    model, table, _, folder = typed
    exported = load_onnx(folder)
    close(exported.transform(table), model.transform(table))
    np.testing.assert_allclose(exported.score_samples(table), model.score_samples(table), rtol=1e-5, atol=1e-4)
    got, wanted = pd.DataFrame(exported.reconstruct(table)), model.reconstruct(table)
    assert list(got) == list(wanted)
    for name in ("key", "town", "member", "grade", "land"):
        assert got[name].tolist() == wanted[name].tolist()
    for name in ("age", "income", "kids", "gain"):
        np.testing.assert_allclose(got[name], wanted[name], rtol=1e-4, atol=0.1)
    Z = model.transform(table)[:5]
    rows = pd.DataFrame(exported.inverse_transform(Z))
    assert rows["town"].tolist() == model.inverse_transform(Z)["town"].tolist()
    assert "key" not in rows
    with pytest.warns(UnseenLevelWarning, match="'town' \\('Oslo'\\)"):
        unknown = exported.transform(table.assign(town="Oslo"))
    close(unknown, model.transform(table.assign(town=pd.Series([None] * N, dtype=object))))
    described = json.loads((folder / "schema.json").read_text())
    assert described["inputs"]["levels"][0] == "town"
    levels = {column["name"]: column.get("levels") for column in described["types"]}
    assert levels["town"] == ["Bonn", "Rome", "Ulm"]


@pytest.mark.slow
def test_typed_rows_need_no_torch(typed, tmp_path):
    model, table, _, folder = typed
    program = ALONE.replace("X = np.load(sys.argv[2])", "import json; X = json.load(open(sys.argv[2]))")
    program = program.replace(
        "x=model.inverse_transform(Z), again=model.reconstruct(X)", "age=model.reconstruct(X)['age']"
    )
    columns = {name: [None if v != v else v for v in table[name].tolist()] for name in table if name != "when"}
    columns["when"] = table["when"].dt.strftime("%Y-%m-%d").tolist()
    (tmp_path / "x.json").write_text(json.dumps(columns))
    command = [sys.executable, "-c", program, str(folder), str(tmp_path / "x.json"), str(tmp_path / "out.npz")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    close(np.load(tmp_path / "out.npz")["z"], model.transform(table))


@pytest.mark.slow
@pytest.mark.parametrize(("model", "shape"), [
    (PCA(latent_dim=2, whiten=True), (40, 6)), (PCA(latent_dim=2), (40, 1, 3, 4)),
    (AE(latent_dim=2, network="mlp:6", epochs=1), (40, 6)), (VAE(latent_dim=2, network="mlp:6", epochs=1), (40, 6)),
], ids=["pca", "pca of images", "ae", "vae"])  # fmt: skip
def test_holes_are_filled_in_as_the_estimator_does(model, shape, tmp_path):
    X = holes(shape)
    model.fit(X)
    with one_registry():
        files = export_model(model, tmp_path / "model", X=X)
    assert max(file.difference for file in files) <= 1e-5
    exported = load_onnx(tmp_path / "model")
    for rows in (slice(1), slice(2), slice(33)):
        close(exported.transform(X[rows]), model.transform(X[rows]), model.transform(X).std())
        close(exported.reconstruct(X[rows]), model.reconstruct(X[rows]), np.nanstd(X))
        np.testing.assert_allclose(exported.score_samples(X[rows]), model.score_samples(X[rows]), rtol=1e-5, atol=1e-5)
    whole = np.nan_to_num(X, nan=5.0)
    close(exported.transform(whole), model.transform(whole))
    with pytest.raises(DataError, match="infinity"):
        exported.transform(np.where(np.isnan(X), np.inf, X))
