"""Own splits: test rows of another file or column, labels in a second file, numbers of rows, rows in time."""

import numpy as np
import pytest
from PIL import Image

from narrows.data import load_dataset
from narrows.errors import ConfigError, DataError

T = np.random.default_rng(0).normal(size=(20, 3))


def write(path, names, rows):
    path.write_text(",".join(names) + "\n" + "\n".join(",".join(map(str, row)) for row in rows))
    return path


@pytest.fixture
def train(tmp_path):
    return write(
        tmp_path / "train.csv", ["a", "b", "c", "kind"], [[*row, "uv"[i % 2]] for i, row in enumerate(T.tolist())]
    )


def test_a_file_of_test_rows_is_put_in_the_order_of_the_training_columns(tmp_path, train):
    test = write(tmp_path / "new.csv", ["c", "kind", "a", "b"], [[c, "w", a, b] for a, b, c in T[:6].tolist()])
    data = load_dataset(train, label="kind", test=str(test))
    assert np.array_equal(data.train, T)
    assert np.array_equal(data.test, T[:6])
    assert data.label_names == ("u", "v", "w")
    assert data.test_labels.tolist() == [2] * 6
    assert data.options["test"] == str(test)
    bare = write(tmp_path / "bare.csv", ["c", "a", "b"], [[c, a, b] for a, b, c in T[:6].tolist()])
    data = load_dataset(train, label="kind", test=bare)
    assert np.array_equal(data.test, T[:6])
    assert data.test_labels is None
    assert data.ids("test").values.tolist() == list(range(6))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", "b", "income"], r"no 'c' and 'income' beside them\. Rename or add"),
        (["a", "b"], r"must have the columns of the training data; got no 'c'"),
        (["a", "b", "c", "d"], r"got 'd' beside them\. Leave it out with drop='d'"),
    ],
)
def test_missing_and_further_columns_of_test_rows_are_named(tmp_path, train, names, message):
    test = write(tmp_path / "new.csv", names, np.ones((4, len(names))).tolist())
    with pytest.raises(DataError, match=message):
        load_dataset(train, label="kind", test=test)


def test_test_rows_of_other_kinds_of_files(tmp_path):
    np.save(tmp_path / "a.npy", T)
    np.save(tmp_path / "b.npy", T[:5])
    assert np.array_equal(load_dataset(tmp_path / "a.npy", test=tmp_path / "b.npy").test, T[:5])
    np.save(tmp_path / "b.npy", T[:, :2])
    with pytest.raises(DataError, match=r"samples of shape \(3,\), as the training data; got \(2,\)"):
        load_dataset(tmp_path / "a.npy", test=tmp_path / "b.npy")
    with pytest.raises(DataError, match=r"test must be an existing path; got 'no\.npy'"):
        load_dataset(tmp_path / "a.npy", test="no.npy")


def test_files_without_header(tmp_path):
    np.savetxt(tmp_path / "a.csv", np.column_stack([T, np.arange(20) % 2]), delimiter=",")
    np.savetxt(tmp_path / "b.csv", T[:4], delimiter=",")
    data = load_dataset(tmp_path / "a.csv", label=-1, test=tmp_path / "b.csv")
    assert np.array_equal(data.test, T[:4])
    np.savetxt(tmp_path / "b.csv", T[:4, :2], delimiter=",")
    with pytest.raises(DataError, match="must have 3 columns of features"):
        load_dataset(tmp_path / "a.csv", label=-1, test=tmp_path / "b.csv")


def test_a_folder_of_train_and_test(tmp_path, train):
    write(tmp_path / "test.csv", ["b", "a", "c"], [[b, a, c] for a, b, c in T[:6].tolist()])
    write(tmp_path / "val.csv", ["b", "a", "c"], [[b, a, c] for a, b, c in T[6:9].tolist()])
    data = load_dataset(tmp_path, label="kind")
    assert np.array_equal(data.test, T[:6])
    assert np.array_equal(data.validation, T[6:9])


def test_a_number_of_rows(train):
    data = load_dataset(train, label="kind", test=7, validation=3)
    assert (len(data.train), len(data.validation), len(data.test)) == (10, 3, 7)
    assert "test: 7 of all rows" in data.splits["how"]
    with pytest.raises(DataError, match="at least one training row of 20; got 20"):
        load_dataset(train, label="kind", test=20)


@pytest.mark.parametrize(
    ("name", "values"),
    [("part", ["train"] * 12 + ["Test"] * 6 + ["val"] * 2), ("fold", [0] * 12 + [2] * 6 + [1] * 2),
     ("is_train", [1] * 12 + [0] * 6 + [1] * 2)],
)  # fmt: skip
def test_a_column_that_says_which_rows_are_which(tmp_path, name, values):
    rows = [[*row, value] for row, value in zip(T.tolist(), values, strict=True)]
    data = load_dataset(write(tmp_path / "x.csv", ["a", "b", "c", name], rows), split_column=name)
    assert np.array_equal(data.test, T[12:18])
    assert data.ids("test").values.tolist() == list(range(12, 18))
    assert np.array_equal(data.split("all").X, T)
    assert len(data.train) == (14 if name == "is_train" else 12)


def test_a_column_that_says_something_else(train):
    with pytest.raises(DataError, match=r"split_column must say train, validation or test.*got u, v in 'kind'"):
        load_dataset(train, split_column="kind")


def test_labels_in_a_second_file(tmp_path, train):
    path = write(tmp_path / "x.csv", ["key", "a", "b"], [[f"r{i}", a, b] for i, (a, b, _) in enumerate(T.tolist())])
    labels = write(tmp_path / "y.csv", ["name", "class"], [[f"r{i}", "pq"[i % 2]] for i in reversed(range(20))])
    data = load_dataset(path, id="key", labels=labels, test=0, shuffle=False)
    assert data.label_names == ("p", "q")
    assert data.train_labels.tolist() == [0, 1] * 10
    np.save(tmp_path / "y.npy", np.arange(20))
    assert load_dataset(path, id="key", labels=tmp_path / "y.npy", test=0, shuffle=False).train_labels[3] == 3
    lone = write(tmp_path / "lone.csv", ["class"], [["pq"[i % 2]] for i in range(20)])
    assert load_dataset(path, id="key", labels=lone, test=5).label_names == ("p", "q")
    write(lone, ["class"], [["p"]] * 3)
    with pytest.raises(DataError, match="one label for each of the 20 samples"):
        load_dataset(path, id="key", labels=lone)
    write(lone, ["class", "other"], [["p", "q"]] * 20)
    with pytest.raises(DataError, match="one column of labels"):
        load_dataset(path, id="key", labels=lone)
    with pytest.raises(ConfigError, match="labels must be an existing file"):
        load_dataset(path, id="key", labels="nothing.csv")


@pytest.mark.parametrize("written", ["{}", "{}.png", "all/{}.png"])
def test_labels_of_images_by_the_names_of_their_files(tmp_path, written):
    (tmp_path / "all").mkdir()
    for i in range(6):
        Image.new("L", (2, 2), i).save(tmp_path / f"all/im{i}.png")
    labels = write(
        tmp_path / "y.csv", ["file", "class"], [[written.format(f"im{i}"), f"c{i}"] for i in reversed(range(6))]
    )
    data = load_dataset(tmp_path / "all", labels=labels, test=0.5)
    for split in ("train", "test"):
        _, X, y = data.split(split)
        assert [data.label_names[label] for label in y] == [f"c{x[0, 0, 0]}" for x in X]


def log(path, n=48, gap=None):
    hours = [i + (10 if gap is not None and i >= gap else 0) for i in range(n)]
    times = [f"2024-03-{1 + hour // 24:02} {hour % 24:02}:00:00" for hour in hours]
    rows = [[time, i, i % 5, "WARN" if i == 20 else "OK", int(i == 20)] for i, time in enumerate(times)]
    return write(path, ["timestamp", "a", "b", "status", "bad"], rows)


def test_windows_of_a_log_keep_their_time_and_order(tmp_path):
    path = log(tmp_path / "log.csv")
    for options in ({"drop": "timestamp,status,bad"}, {"drop": "status,bad", "id": "timestamp"}):
        data = load_dataset(path, window=12, test=0.25, **options)
        assert data.train.shape == (3, 12, 2)
        assert data.train[1, :, 0].tolist() == list(range(12, 24))
        assert data.test[0, :, 0].tolist() == list(range(36, 48))
        assert data.ids("test").name == "timestamp"
        assert data.ids("test").values.tolist() == ["2024-03-02 12:00:00"]
        assert data.ids("test").rows.tolist() == [36]
    data = load_dataset(path, window=12, drop="status", label="bad", test=0)
    assert data.train_labels.tolist() == [0, 1, 0, 0]


def test_windows_that_overlap_are_not_held_out_beside_each_other(tmp_path):
    data = load_dataset(log(tmp_path / "log.csv"), window=12, stride=4, drop="status,bad", test=0.2)
    assert data.train[:, -1, 0].max() < data.test[:, 0, 0].min()


def test_no_window_spans_a_gap_in_time(tmp_path):
    data = load_dataset(log(tmp_path / "log.csv", gap=30), window=12, drop="status,bad", test=0)
    assert data.train[:, 0, 0].tolist() == [0, 12, 30]
    assert any("1 gaps in 'timestamp': no window spans one" in note for note in data.notes)


def test_rows_in_the_order_of_time_are_not_shuffled_unless_asked(tmp_path):
    path = log(tmp_path / "log.csv")
    data = load_dataset(path, drop="status,bad", validation=0.25, test=0.25)
    assert data.test[:, 0].tolist() == list(range(36, 48))
    assert data.validation[:, 0].tolist() == list(range(27, 36))
    assert load_dataset(path, drop="status,bad", shuffle=True).test[:, 0].tolist() != list(range(38, 48))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 60}, "window must be at most the 48 training rows; got 60"),
        ({"window": 0}, "window must be a whole number"),
        ({"stride": 2}, "stride must go with window"), ({"window": 5, "stride": 0}, "stride must be a whole number"),
    ],
)  # fmt: skip
def test_wrong_windows_are_named(tmp_path, options, message):
    with pytest.raises((ConfigError, DataError), match=message):
        load_dataset(log(tmp_path / "log.csv"), drop="status,bad", **options)
