"""Files of every kind that has a reader beside test_data_files: workbooks, JSON, Arrow, HDF5, tensors, folders."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch

from narrows import AE
from narrows.data import load_dataset, sparse_rows
from narrows.data.dataset import with_test
from narrows.data.options import OPTIONS
from narrows.data.readers.formats import READERS
from narrows.data.stored import StoredRows
from narrows.errors import ConfigError, DataError

T = np.random.default_rng(0).normal(size=(20, 3))
FRAME = pd.DataFrame(T, columns=list("abc")).assign(kind=["u", "v"] * 10)
SEQUENCES = [np.random.default_rng(n).normal(size=(n, 2)) for n in (3, 7, 5, 4)]


def load(path, **options):
    return load_dataset(path, **{"test": 0, "shuffle": False, **options})


def arrow_stream(path):
    pa = pytest.importorskip("pyarrow")
    table = pa.Table.from_pandas(FRAME)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)


WRITERS = {
    "x.xlsx": lambda path: FRAME.to_excel(path, index=False), "i.xlsx": FRAME.to_excel,
    "x.json": lambda path: FRAME.to_json(path, orient="records", double_precision=15),
    "c.json": lambda path: FRAME.to_json(path, double_precision=15),
    "s.json": lambda path: FRAME.to_json(path, orient="split", double_precision=15),
    "x.jsonl": lambda path: FRAME.to_json(path, orient="records", lines=True, double_precision=15),
    "x.feather": FRAME.to_feather, "x.parquet": FRAME.to_parquet, "x.arrow": arrow_stream,
    "x.tsv": lambda path: FRAME.to_csv(path, sep="\t", index=False),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITERS)
def test_tables(tmp_path, name):
    WRITERS[name](tmp_path / name)
    data = load(tmp_path / name, label="kind")
    assert np.allclose(data.train, T, rtol=0, atol=1e-14)
    assert (data.columns, data.label_names) == (("a", "b", "c"), ("u", "v"))
    assert data.train_labels.tolist() == [0, 1] * 10
    table = load(tmp_path / name).train
    assert table.columns["kind"].objects() == ["u", "v"] * 10
    assert np.allclose(table.columns["a"].numbers(), T[:, 0], rtol=0, atol=1e-14)


def test_sheets(tmp_path):
    with pd.ExcelWriter(tmp_path / "x.xlsx") as book:
        FRAME.to_excel(book, sheet_name="one", index=False)
        pd.DataFrame({"q": [1, 2, 3]}).to_excel(book, sheet_name="two", index=False)
    assert load(tmp_path / "x.xlsx", sheet="two").columns == ("q",)
    assert load(tmp_path / "x.xlsx", sheet=1).train.tolist() == [[1], [2], [3]]
    assert any("sheet 'one', of 2" in note for note in load(tmp_path / "x.xlsx", drop="kind").notes)
    with pytest.raises(ConfigError, match=r"sheet must be one of 'one', 'two'; got 'tow'. Did you mean 'two'"):
        load(tmp_path / "x.xlsx", sheet="tow")


def test_the_index_of_a_frame_in_parquet_is_no_feature(tmp_path):
    FRAME.set_index("kind").to_parquet(tmp_path / "x.parquet")
    data = load(tmp_path / "x.parquet")
    assert (data.columns, data.ids("train").name) == (("a", "b", "c"), "kind")
    FRAME.iloc[::2].drop(columns="kind").reset_index(names="__index_level_0__").to_parquet(tmp_path / "y.parquet")
    data = load(tmp_path / "y.parquet")
    assert (data.columns, data.ids("train").values[:3].tolist()) == (("a", "b", "c"), [0, 2, 4])


def test_columns_of_lists_are_vectors_or_sequences(tmp_path):
    pd.DataFrame({"emb": T.tolist(), "k": FRAME.kind}).to_parquet(tmp_path / "v.parquet")
    data = load(tmp_path / "v.parquet", label="k")
    assert np.array_equal(data.train, T)
    assert data.columns == ("emb[0]", "emb[1]", "emb[2]")
    pd.DataFrame({"s": [s.tolist() for s in SEQUENCES]}).to_parquet(tmp_path / "s.parquet")
    data = load(tmp_path / "s.parquet")
    assert data.sample_shape == (7, 2)
    assert all(np.array_equal(x, s) for x, s in zip(data.train, SEQUENCES, strict=True))
    (tmp_path / "n.json").write_text(
        json.dumps([{"at": {"x": 1, "y": 2}, "v": [1, 2]}, {"at": {"x": 3, "y": 4}, "v": [3, 4]}])
    )
    assert load(tmp_path / "n.json").columns == ("at.x", "at.y", "v[0]", "v[1]")


def test_a_folder_of_arrow_files_is_one_table(tmp_path):
    for i in range(2):
        arrow_stream(tmp_path / f"data-{i}.arrow")
    data = load(tmp_path, label="kind")
    assert np.array_equal(data.train, np.concatenate([T, T]))


@pytest.mark.parametrize("kind", ["csr", "csc", "coo"])
def test_sparse_matrices_are_whole_not_their_values(tmp_path, kind):
    X = np.random.default_rng(0).poisson(0.15, (40, 6)).astype(np.float32)
    scipy.sparse.save_npz(tmp_path / "x.npz", scipy.sparse.coo_matrix(X).asformat(kind))
    assert np.array_equal(load(tmp_path / "x.npz").train, X)
    with np.load(tmp_path / "x.npz") as file:
        parts = dict(file)
    name = "row" if kind == "coo" else "indices"
    np.savez(tmp_path / "bad.npz", **{**parts, name: parts[name] + 2**20})
    with pytest.raises(DataError, match=r"bad\.npz"):
        load(tmp_path / "bad.npz")
    for shape in ((10**15, 6), (10**7, 10**7)):  # neither takes memory
        np.savez(tmp_path / "huge.npz", **{**parts, "shape": np.array(shape)})
        with pytest.raises(DataError, match=r"at most 100,000,000 rows|index pointer size|at most 200,000 columns"):
            load(tmp_path / "huge.npz")


def test_large_sparse_matrices_of_a_file_become_dense_row_by_row(tmp_path, monkeypatch):
    X = np.random.default_rng(0).poisson(0.15, (40, 6)).astype(np.float32)
    scipy.sparse.save_npz(tmp_path / "x.npz", scipy.sparse.csr_matrix(X))
    whole = with_test(load(tmp_path / "x.npz"), 0.25, seed=1, shuffle=None)
    monkeypatch.setattr(sparse_rows, "LARGE", 0)
    rows = with_test(load(tmp_path / "x.npz"), 0.25, seed=1, shuffle=None)
    assert isinstance(rows.train, StoredRows)
    assert len(rows.train) == 30
    together = np.concatenate([np.asarray(rows.train), np.asarray(rows.test)])
    assert sorted(map(tuple, together)) == sorted(map(tuple, np.concatenate([whole.train, whole.test])))


@pytest.mark.filterwarnings("ignore:Validating sparse tensor invariants")  # torch 2.14 says that it checks them
def test_tensors(tmp_path):
    X, y = torch.from_numpy(T), torch.arange(20)
    for content in (X, {"X": X, "y": y}, (X, y), {"X": X.to_sparse(), "y": y}):
        torch.save(content, tmp_path / "x.pt")
        data = load(tmp_path / "x.pt")
        assert np.array_equal(data.train, T)
        assert data.train_labels is None or data.train_labels.tolist() == list(range(20))
    torch.save(X.bfloat16(), tmp_path / "x.pt")
    assert load(tmp_path / "x.pt").train.dtype == np.float32
    torch.save([torch.from_numpy(s) for s in SEQUENCES], tmp_path / "x.pt")
    assert load(tmp_path / "x.pt").sample_shape == (7, 2)
    torch.save(torch.nn.Linear(2, 2), tmp_path / "x.pt")
    with pytest.raises(DataError, match="must hold tensors alone"):
        load(tmp_path / "x.pt")


def test_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["X"], file["y"], file["note"] = T, np.arange(20) % 3, "made today"
        file["away"] = h5py.ExternalLink("other.h5", "/X")
    assert np.array_equal(load(tmp_path / "x.h5").train, T)
    assert load(tmp_path / "x.h5").train_labels.tolist()[:4] == [0, 1, 2, 0]
    with h5py.File(tmp_path / "s.hdf5", "w") as file:
        file["train/X"], file["train/y"], file["test/X"], file["test/y"] = T, np.arange(20) % 3, T[:4], np.arange(4) % 3
    data = load_dataset(tmp_path / "s.hdf5")
    assert (len(data.train), len(data.test), data.test_labels.tolist()) == (20, 4, [0, 1, 2, 0])
    assert load(tmp_path / "s.hdf5", variable="test/X").train.shape == (4, 3)


def test_matlab_7_3(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.mat", "w", userblock_size=512) as file:
        file["X"], file["y"], file["title"] = T.T, np.arange(20.0)[None] % 3, np.array([[65]], np.uint16)
        file["title"].attrs["MATLAB_class"] = np.bytes_("char")
    with (tmp_path / "x.mat").open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM")
    data = load(tmp_path / "x.mat")
    assert np.array_equal(data.train, T)
    assert data.train_labels.tolist()[:4] == [0, 1, 2, 0]


def test_anndata(tmp_path):
    h5py = pytest.importorskip("h5py")
    text, X = h5py.string_dtype(), scipy.sparse.random(40, 6, 0.3, format="csr", dtype=np.float32, random_state=0)
    with h5py.File(tmp_path / "x.h5ad", "w") as file:
        matrix, obs, var = file.create_group("X"), file.create_group("obs"), file.create_group("var")
        matrix.attrs["encoding-type"], matrix.attrs["shape"] = "csr_matrix", X.shape
        matrix["data"], matrix["indices"], matrix["indptr"] = X.data, X.indices, X.indptr
        obs.attrs["_index"], var.attrs["_index"] = "_index", "gene"
        obs["_index"] = np.array([f"cell{i}" for i in range(40)], text)
        obs["type/categories"], obs["type/codes"] = np.array(["A", "B"], text), np.arange(40, dtype=np.int8) % 2
        var["gene"] = np.array([f"g{i}" for i in range(6)], text)
        file["layers/raw"] = X.toarray() * 2
    data = load(tmp_path / "x.h5ad", label="type")
    assert np.array_equal(data.train, X.toarray())
    assert (data.columns[5], data.label_names, data.ids("train").values[3]) == ("g5", ("A", "B"), "cell3")
    assert np.array_equal(load(tmp_path / "x.h5ad", variable="layers/raw").train, X.toarray() * 2)
    with pytest.raises(ConfigError, match="variable must be one of X, layers/raw"):
        load(tmp_path / "x.h5ad", variable="raw")
    with pytest.raises(ConfigError, match="Did you mean 'type'"):
        load(tmp_path / "x.h5ad", label="tipe")


def test_folders_and_archives_of_sequences_of_different_length(tmp_path):
    for i, sequence in enumerate(SEQUENCES):
        np.save(tmp_path / f"{i:02}.npy", sequence)
    data = load(tmp_path)
    assert data.sample_shape == (7, 2)
    assert data.ids("train").values.tolist() == ["00.npy", "01.npy", "02.npy", "03.npy"]
    assert AE(latent_dim=2, epochs=1).fit(data.train).transform(data.train).shape == (4, 2)
    for seed in range(4):  # a model takes no longer ones than it was trained on
        divided = load_dataset(tmp_path, test=2, seed=seed)
        assert max(map(len, divided.train)) == 7
        assert sorted(divided.ids("all").values) == ["00.npy", "01.npy", "02.npy", "03.npy"]
    np.savez(tmp_path / "x.npz", *SEQUENCES)
    other = load(tmp_path / "x.npz")
    assert other.ids("train").values.tolist() == ["arr_0", "arr_1", "arr_2", "arr_3"]
    assert other.sha256 == data.sha256
    packed = np.empty(4, object)
    packed[:] = SEQUENCES
    np.savez(tmp_path / "o.npz", X=packed)
    with pytest.raises(DataError, match=r"np\.savez\(path, \*sequences\)"):
        load(tmp_path / "o.npz")


def test_a_folder_of_arrays_with_roles_or_classes(tmp_path):
    roles, classes = tmp_path / "roles", tmp_path / "classes"
    roles.mkdir()
    for name, array in {"X_train": T, "y_train": np.arange(20) % 2, "X_test": T[:5]}.items():
        np.save(roles / f"{name}.npy", array)
    data = load_dataset(roles)
    assert (len(data.train), len(data.test), data.train_labels[:3].tolist()) == (20, 5, [0, 1, 0])
    for kind in ("cat", "dog"):
        (classes / kind).mkdir(parents=True)
        for i in range(3):
            np.save(classes / kind / f"{i}.npy", T[i])
    data = load(classes)
    assert (data.label_names, data.train_labels.tolist()) == (("cat", "dog"), [0, 0, 0, 1, 1, 1])


@pytest.mark.parametrize(("name", "module", "extra"), [("x.xlsx", "openpyxl", "tables"), ("x.h5", "h5py", "hdf5"),
                                                       ("x.parquet", "pyarrow", "tables")])  # fmt: skip
def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch, name, module, extra):
    (tmp_path / name).write_bytes(b"PK")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DataError, match=rf'{module} must be installed.*pip install "narrows\[{extra}\]"'):
        load(tmp_path / name)


@pytest.mark.parametrize("name", ["x.xls", "x.pkl", "x.sav"])
def test_other_kinds_of_files_say_what_to_do(tmp_path, name):
    (tmp_path / name).write_bytes(b"a")
    with pytest.raises(DataError, match=r"must end in one of.*[Ss]ave it as"):
        load(tmp_path / name)


def test_every_option_of_every_reader_is_described():
    from narrows.data.catalogue import _options_of

    for reader in set(READERS.values()):
        assert set(_options_of(reader)) <= OPTIONS.keys(), reader
