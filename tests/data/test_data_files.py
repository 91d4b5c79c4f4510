"""Array and table files, sound and damaged."""

import contextlib
import gzip
import io
import struct
import zipfile
from typing import Any

import numpy as np
import pytest
import scipy.io

from narrows.data import load_dataset
from narrows.errors import ConfigError, DataError

rng = np.random.default_rng(0)
TABLE = rng.standard_normal((20, 3))


def test_npy_keeps_rows_types_and_nan(tmp_path):
    path = tmp_path / "two words\nand a line é.npy"
    rows = TABLE.copy()
    rows[3, 1] = np.nan
    np.save(path, rows)
    data = load_dataset(path, test=0.25)
    both = np.concatenate([data.train, data.test])
    assert both.shape == (20, 3)
    assert np.isnan(both).sum() == 1
    assert np.array_equal(np.sort(both[:, 0]), np.sort(rows[:, 0]))


def test_npy_can_stay_on_disk(tmp_path):
    np.save(tmp_path / "x.npy", TABLE)
    data = load_dataset(tmp_path / "x.npy", memory_map=True, validation=0.25)
    assert isinstance(data.train, np.memmap)
    assert isinstance(data.validation, np.memmap)
    assert np.array_equal(data.test, TABLE[-4:])
    assert "the last ones" in data.splits["how"]
    assert data.sha256 == load_dataset(tmp_path / "x.npy", memory_map=False, shuffle=False, validation=0.25).sha256


@pytest.mark.parametrize(
    ("shape", "dtype", "sample", "result"),
    [
        ((5,), "f4", (1,), "f4"),
        ((5, 4, 3), "f4", (4, 3), "f4"),
        ((5, 4, 3), "u1", (1, 4, 3), "u1"),
        ((5, 8, 7, 3), "u1", (3, 8, 7), "u1"),
        ((5, 1, 8, 7), "u1", (1, 8, 7), "u1"),
        ((5, 2), ">i8", (2,), "f8"),
        ((5, 2), ">i2", (2,), "f4"),
        ((5, 2), "?", (2,), "f4"),
        ((5, 2), ">f8", (2,), "f8"),
    ],
)
def test_npy_shapes_and_types(tmp_path, shape, dtype, sample, result):
    np.save(tmp_path / "x.npy", np.ones(shape, dtype))
    data = load_dataset(tmp_path / "x.npy")
    assert data.sample_shape == sample
    assert data.train.dtype == np.dtype(result)


@pytest.mark.parametrize(
    "array",
    [np.array([1, "a", None], object), np.array(["a"]), np.ones(3, complex), np.ones(2, "i4,f4"), np.ones((0, 3))],
)
def test_npy_of_other_things_is_refused(tmp_path, array):
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(DataError, match=r"x\.npy"):
        load_dataset(tmp_path / "x.npy")


def header(shape, descr="<f8"):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": descr, "fortran_order": False, "shape": shape})
    return stream.getvalue()


@pytest.mark.parametrize("shape", [(2**62, 4), (10**9, 10**9), (-1, 3), (5,), (3,)])
def test_npy_header_that_lies_is_refused_before_memory_is_asked_for(tmp_path, shape):
    (tmp_path / "x.npy").write_bytes(header(shape) + b"\0" * 32)
    with pytest.raises(DataError, match=r"x\.npy"):
        load_dataset(tmp_path / "x.npy")


def test_npz_roles_and_labels(tmp_path):
    words = np.array(["b", "a"] * 10)
    np.savez(tmp_path / "x.npz", X_train=TABLE, X_test=TABLE[:6], y_train=words, y_test=words[:6])
    data = load_dataset(tmp_path / "x.npz")
    assert np.array_equal(data.train, TABLE)
    assert data.label_names == ("a", "b")
    assert data.test_labels.tolist() == [1, 0, 1, 0, 1, 0]
    np.savez(tmp_path / "y.npz", codes=TABLE, target=np.arange(20.0) % 2)
    data = load_dataset(tmp_path / "y.npz", test=0.5)
    assert np.bincount(data.test_labels).tolist() == [5, 5]
    np.savez(tmp_path / "z.npz", first=TABLE, second=TABLE, kind=np.arange(20))
    with pytest.raises(DataError, match="variable="):
        load_dataset(tmp_path / "z.npz")
    assert len(load_dataset(tmp_path / "z.npz", variable="second", label="kind").train_labels) == 16
    with pytest.raises(ConfigError, match="Did you mean 'second'"):
        load_dataset(tmp_path / "z.npz", variable="secnd")


def test_npz_bombs_lies_and_bad_names_are_refused(tmp_path):
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("X.npy", header((100 * 2**17, 1)) + b"\0" * (100 * 2**20))
    with pytest.raises(DataError, match="bomb"):
        load_dataset(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", header((2**40, 2)) + b"\0" * 64)
    with pytest.raises(DataError, match="bytes that its header"):
        load_dataset(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../X.npy", header((4, 2)) + b"\0" * 64)
    with pytest.raises(DataError, match="within itself"):
        load_dataset(path)
    np.savez(path, X=np.array([{}], object))
    with pytest.raises(DataError, match="Python objects"):
        load_dataset(path)


def idx(array, dtype=0x08):
    return bytes([0, 0, dtype, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def test_idx_with_labels_and_test_part_beside(tmp_path):
    images, labels = rng.integers(0, 256, (9, 4, 5), dtype=np.uint8), np.arange(9, dtype=np.uint8)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(labels))
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(images[:3]))
    for name in ("train-images-idx3-ubyte.gz", "."):
        data = load_dataset(tmp_path / name)
        assert np.array_equal(data.train[:, 0], images)
        assert data.train_labels.tolist() == list(range(9))
        assert data.test.shape == (3, 1, 4, 5)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\x08",
        b"\0\0\x07\x01\0\0\0\1a",
        b"\0\0\x08\x03" + b"\xff" * 12,
        idx(np.ones((3, 4), np.uint8)) + b"more",
        gzip.compress(b"\0\0\x08\x02" + struct.pack(">2I", 10**6, 10**6), mtime=0),
        gzip.compress(idx(np.ones((3, 4), np.uint8)), mtime=0)[:-9],
    ],
)
def test_damaged_idx(tmp_path, content):
    (tmp_path / "a-idx3-ubyte").write_bytes(content)
    with pytest.raises(DataError, match="a-idx3-ubyte"):
        load_dataset(tmp_path / "a-idx3-ubyte")


def test_mat(tmp_path):
    scipy.io.savemat(tmp_path / "x.mat", {"X": TABLE, "y": np.arange(20)[:, None] % 4}, do_compression=True)
    data = load_dataset(tmp_path / "x.mat", test=0.2)
    assert data.train.shape == (16, 3)
    assert np.bincount(data.test_labels).tolist() == [1, 1, 1, 1]
    scipy.io.savemat(tmp_path / "f.mat", {"ff": TABLE})
    assert load_dataset(tmp_path / "f.mat", transpose=True, test=0).train.shape == (3, 20)
    scipy.io.savemat(tmp_path / "i.mat", {"X": np.ones((8, 7, 3, 5), np.uint8)})
    assert load_dataset(tmp_path / "i.mat", test=0).train.shape == (5, 3, 8, 7)
    scipy.io.savemat(tmp_path / "c.mat", {"X": np.array([{"a": 1}, "b"], object)})
    with pytest.raises(DataError, match="numeric matrix"):
        load_dataset(tmp_path / "c.mat")


@pytest.mark.parametrize("version", ["4", "5"])
@pytest.mark.parametrize("dtype", ["f8", "f4", "u1", "i2", "i4"])
def test_mat_reads_what_scipy_writes(tmp_path, version, dtype):
    values = (rng.random((6, 5)) * 200).astype(dtype)
    scipy.io.savemat(tmp_path / "x.mat", {"text": "hi", "other": np.ones((2, 2)) * 1j, "X": values}, format=version)
    data = load_dataset(tmp_path / "x.mat", test=0, shuffle=False).train
    assert np.array_equal(np.sort(data, axis=0), np.sort(values, axis=0))
    assert np.array_equal(data.astype(float)[data[:, 0].argsort()], values.astype(float)[values[:, 0].argsort()])


@pytest.mark.parametrize("options", [{}, {"do_compression": True}, {"format": "4"}])
def test_mat_with_changed_bytes_ends_in_samples_or_a_named_error(tmp_path, options):
    scipy.io.savemat(tmp_path / "x.mat", {"X": TABLE, "y": np.arange(20)}, **options)
    whole = (tmp_path / "x.mat").read_bytes()
    for _ in range(60):
        damaged = bytearray(whole)
        for at in rng.integers(0, min(len(whole), 320), 3):
            damaged[at] = rng.integers(256)
        (tmp_path / "x.mat").write_bytes(damaged)
        with contextlib.suppress(DataError):  # anything else, or a crash, fails
            assert load_dataset(tmp_path / "x.mat").train.size


def test_csv(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a,b,kind\n1,2,cat\n3,,dog\n5,NaN,cat\n7,8e1,dog\n", encoding="utf-8-sig")
    data = load_dataset(path, label="kind", test=0, shuffle=False)
    assert np.array_equal(data.train, [[1, 2], [3, np.nan], [5, np.nan], [7, 80]], equal_nan=True)
    assert data.train_labels.tolist() == [0, 1, 0, 1]
    assert data.label_names == ("cat", "dog")
    assert load_dataset(path, drop="kind,a").sample_shape == (1,)
    data = load_dataset(path)
    assert data.typed
    table: Any = data.train
    assert table.columns["kind"].objects()[0] == "cat"
    with pytest.raises(ConfigError, match="Did you mean 'kind'"):
        load_dataset(path, label="kid")


@pytest.mark.parametrize("text", ["1;2\n3;4\n", "1\t2\n3\t4\n", "1 2\n\n3  4\n", "1|2\r\n3|4", "x,y\n1,2\n3,4\n"])
def test_csv_delimiters_and_headers(tmp_path, text):
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(text.encode()))
    assert load_dataset(tmp_path / "x.csv.gz", test=0, shuffle=False).train.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"a,b\n",
        b"1,2\n3\n",
        b"1,\0\n",
        b"\xff\xfe1,2\n",
        b'1,"2\n',
        gzip.compress(b"0," * 2**20, mtime=0)[:99],
    ],
)
def test_damaged_csv(tmp_path, content):
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.csv"):
        load_dataset(tmp_path / "x.csv")


def test_parquet(tmp_path):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": [1, None, 3], "b": [0.5, 1.5, 2.5], "k": ["u", "v", "u"]}), path)
    data = load_dataset(path, label="k", test=0, shuffle=False)
    assert np.array_equal(data.train, [[1, 0.5], [np.nan, 1.5], [3, 2.5]], equal_nan=True)
    assert data.train_labels.tolist() == [0, 1, 0]
    table: Any = load_dataset(path, test=0, shuffle=False).train
    assert [values.objects() for values in table.columns.values()] == [[1, None, 3], [0.5, 1.5, 2.5], ["u", "v", "u"]]


@pytest.mark.parametrize("kind", ["npy", "npz", "mat", "idx.gz", "parquet", "csv.gz"])
def test_a_file_cut_anywhere_is_a_named_error(tmp_path, kind):
    path = tmp_path / f"x.{kind}"
    if kind == "npy":
        np.save(path, TABLE)
    elif kind == "npz":
        np.savez_compressed(path, X=TABLE)
    elif kind == "mat":
        scipy.io.savemat(path, {"X": TABLE})
    elif kind == "parquet":
        pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        pq.write_table(pa.table({"a": TABLE[:, 0]}), path)
    elif kind == "csv.gz":
        path.write_bytes(gzip.compress(b"1,2,3\n" * 50))
    else:
        path.write_bytes(gzip.compress(idx(rng.integers(0, 256, (9, 4, 5), dtype=np.uint8))))
    whole = path.read_bytes()
    for percent in range(0, 100, 4):
        path.write_bytes(whole[: len(whole) * percent // 100])
        with pytest.raises(DataError, match="load_dataset"):
            load_dataset(path)


def test_other_files(tmp_path):
    (tmp_path / "x.pkl").write_bytes(b"\x80\x04")
    with pytest.raises(DataError, match="must end in one of"):
        load_dataset(tmp_path / "x.pkl")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="must hold images"):
        load_dataset(tmp_path / "empty")
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(DataError, match="must hold images"):
        load_dataset(tmp_path / "x.csv")


def written(path, values):
    """Write a table in the format of the path's ending."""
    kind = path.name.partition(".")[2]
    if kind == "npy":
        np.save(path, values)
    elif kind == "npz":
        np.savez(path, X=values)
    elif kind == "mat":
        scipy.io.savemat(path, {"X": values})
    elif kind == "4.mat":
        scipy.io.savemat(path, {"X": values}, format="4")
    elif kind == "idx":
        code = {"f8": 0x0E, "i4": 0x0C}[values.dtype.str[1:]]
        path.write_bytes(idx(values.astype(values.dtype.newbyteorder(">")), code))
    elif kind == "csv":
        path.write_text("\n".join(",".join(map(repr, row)) for row in values.tolist()))
    else:
        pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        pq.write_table(pa.table({str(i): column for i, column in enumerate(values.T)}), path)


@pytest.mark.parametrize("kind", ["npy", "npz", "mat", "4.mat", "idx", "csv", "parquet"])
@pytest.mark.parametrize("dtype", ["f8", "i4", "i8"])
def test_small_differences_of_large_values_stay(tmp_path, kind, dtype):
    """Coordinates in metres and times in seconds, whose differences float32 would round away."""
    if kind == "idx" and dtype == "i8":
        pytest.skip("the format has no such type")
    if dtype == "f8":
        values = 5_400_000 + 0.05 * np.random.default_rng(0).normal(size=(20, 2))
    else:
        values = (1_700_000_000 + np.arange(40).reshape(20, 2)).astype(dtype)
    path = tmp_path / f"x.{kind}"
    written(path, values)
    assert np.array_equal(load_dataset(path, test=0, shuffle=False).train, values)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_columns_keep_their_names(tmp_path, kind):
    path = tmp_path / f"x.{kind}"
    table = {"height, m": np.arange(20.0), "y": np.arange(20) % 2, "weight": -np.arange(20.0), "id": np.arange(20)}
    if kind == "csv":
        rows = zip(*table.values(), strict=True)
        path.write_text('"height, m",y, weight ,id\n' + "".join(",".join(map(str, row)) + "\n" for row in rows))
    else:
        pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        pq.write_table(pa.table(table), path)
    assert load_dataset(path).columns == ("height, m", "y", "weight", "id")
    data = load_dataset(path, label="y", drop="id", test=0.2, validation=0.25, limit=12)
    assert data.columns == ("height, m", "weight")
    assert len(data.validation) == 3
    assert np.array_equal(data.train[:, 0], -data.train[:, 1])
    assert load_dataset(path, shape="2x2").columns is None


def test_columns_without_names(tmp_path):
    (tmp_path / "x.csv").write_text("1,2\n3,4\n")
    np.save(tmp_path / "x.npy", TABLE)
    for path in ("x.csv", "x.npy"):
        assert load_dataset(tmp_path / path, test=0).columns is None
    assert load_dataset(tmp_path / "x.csv", header=True, test=0).columns == ("1", "2")
