"""Folders of Parquet files that are read where they are: what they give is what the files in memory give."""

import numpy as np
import pandas as pd
import pytest
import torch

from narrows import AE, PCA, VAE, load_dataset
from narrows.cli import main
from narrows.data.arrays import Arrays
from narrows.data.batches import Batches
from narrows.data.feeds import DiskFeed, feed
from narrows.data.parquet import ParquetRows
from narrows.data.schema import Schema
from narrows.data.types_stored import StoredTable
from narrows.errors import ConfigError, DataError
from narrows.evaluation import measure_reconstruction

N = 630
RNG = np.random.default_rng(0)
FEW = {"latent_dim": 2, "epochs": 2, "network": "residual:8", "batch_size": 32}


def numbers():
    frame = pd.DataFrame(
        RNG.normal(size=(N, 2)) @ RNG.normal(size=(2, 5)) + RNG.normal(size=(N, 5)), columns=list("abcde")
    )
    frame["kind"], frame["name"] = np.where(frame.a > 0, "p", "n"), [f"row {i}" for i in range(N)]
    return frame


def people():
    frame = pd.DataFrame({
        "age": RNG.integers(18, 80, N).astype(float), "job": RNG.choice(["clerk", "smith", "cook"], N),
        "pay": np.exp(RNG.normal(3, 1, N)).round(2), "smokes": RNG.choice([True, False], N),
        "born": pd.Timestamp("1990-01-01") + pd.to_timedelta(RNG.integers(0, 5000, N), "D"),
    })  # fmt: skip
    frame.loc[RNG.random(N) < 0.1, "pay"] = np.nan
    frame.loc[RNG.random(N) < 0.1, "job"] = None
    return frame


def written(frame, folder, rows=70):
    """Write three files of several row groups."""
    folder.mkdir()
    for i, part in enumerate(np.array_split(np.arange(len(frame)), 3)):
        frame.iloc[part].to_parquet(folder / f"part-{i}.parquet", row_group_size=rows, index=False)
    return folder


@pytest.fixture(autouse=True)
def large(monkeypatch):
    monkeypatch.setattr("narrows.data.parquet.LARGE", 0)
    monkeypatch.setattr("narrows.estimators.validation.HELD", 0)
    monkeypatch.setattr("narrows.data.types_schema.HELD", 0)


def test_rows_labels_and_ids_are_those_of_the_files(tmp_path):
    frame = numbers()
    data = load_dataset(written(frame, tmp_path / "t"), label="kind", id="name", test=0)
    X = data.train
    assert isinstance(X, ParquetRows)
    assert (data.columns, X.stretch) == (tuple("abcde"), 70)
    expected = frame[list("abcde")].to_numpy()
    np.testing.assert_array_equal(np.asarray(X), expected)
    np.testing.assert_array_equal(np.asarray(X[65:216]), expected[65:216])
    rows = RNG.permutation(N)[:100]
    np.testing.assert_array_equal(X[rows], expected[rows])
    assert [data.label_names[i] for i in data.train_labels] == frame.kind.tolist()
    assert data.ids("train").values.tolist() == frame.name.tolist()
    assert np.asarray(X[:0]).shape == (0, 5)


def test_what_is_small_is_read_into_memory(tmp_path, monkeypatch):
    folder = written(numbers(), tmp_path / "t")
    monkeypatch.setattr("narrows.data.parquet.LARGE", 2**28)
    assert isinstance(load_dataset(folder, label="kind", id="name").train, np.ndarray)


def test_an_epoch_has_every_row_once_and_reads_groups_of_a_window(tmp_path, monkeypatch):
    frame = numbers()
    X = load_dataset(written(frame, tmp_path / "t"), label="kind", drop="name", test=0).train
    monkeypatch.setattr("narrows.data.feeds.BLOCK", 1)
    monkeypatch.setattr("narrows.data.feeds.WINDOW", 1)
    batches = Batches(Arrays(X), Schema.of(X, scale=None), torch.device("cpu"))
    orders = []
    for epoch in (1, 2):
        with feed(batches, 32, 0, epoch, 0) as rows:
            assert isinstance(rows, DiskFeed)
            assert rows.order.windows == N // 140  # two groups each
            parts = [rows.take(i, min(i + 32, N), 0.0, torch.Generator()).x for i in range(0, N, 32)]
        orders.append(torch.cat(parts).numpy())
    expected = frame[list("abcde")].to_numpy(np.float32)
    for order in orders:
        np.testing.assert_array_equal(order[np.lexsort(order.T)], expected[np.lexsort(expected.T)])
    assert (orders[0] != orders[1]).any()


@pytest.mark.parametrize("model", [PCA(latent_dim=2), AE(**FEW), VAE(**FEW)], ids=["PCA", "AE", "VAE"])
def test_models_are_those_of_rows_in_memory(tmp_path, model):
    frame = numbers()
    data = load_dataset(written(frame, tmp_path / "t"), label="kind", drop="name", validation=0.1)
    here = model.fit(data.train, validation=data.validation).transform(data.test)
    scores = model.score_samples(data.test)
    errors = measure_reconstruction(model, data.test).per_sample
    rows = np.asarray(data.test)
    np.testing.assert_array_equal(model.transform(rows), here)
    np.testing.assert_allclose(model.score_samples(rows), scores, rtol=1e-6)
    np.testing.assert_allclose(measure_reconstruction(model, rows).per_sample, errors, rtol=1e-6)
    if isinstance(model, PCA):
        there = PCA(latent_dim=2).fit(np.asarray(data.train))
        np.testing.assert_allclose(model.components_, there.components_, atol=1e-8)


def test_typed_columns_have_the_types_and_losses_that_they_have_in_memory(tmp_path, monkeypatch):
    folder = written(people(), tmp_path / "t")
    here = load_dataset(folder, test=0)
    assert isinstance(here.train, StoredTable)
    with monkeypatch.context() as small:
        small.setattr("narrows.data.parquet.LARGE", 2**28)
        there = load_dataset(folder, test=0, shuffle=False)
    assert Schema.of(here.train).types == Schema.of(there.train).types
    for name, values in there.train.columns.items():
        assert here.train.columns[name].objects() == values.objects()
    model = VAE(**FEW)
    codes = model.fit(here.train).transform(here.train)
    np.testing.assert_array_equal(model.transform(there.train), codes)


def test_resumed_training_ends_at_the_same_weights(tmp_path):
    X = load_dataset(written(numbers(), tmp_path / "t"), label="kind", drop="name", test=0).train
    whole = AE(**FEW).fit(X)
    reports = AE(**FEW).fit_iter(X, resume=tmp_path / "checkpoints")
    for report in reports:
        if report.step == 25:
            break
    reports.close()
    resumed = AE(**FEW).fit(X, resume=tmp_path / "checkpoints")
    np.testing.assert_array_equal(resumed.transform(np.asarray(X)), whole.transform(np.asarray(X)))


def test_other_files_are_other_data(tmp_path):
    frame = numbers().drop(columns=["kind", "name"])
    one = load_dataset(written(frame, tmp_path / "a"), test=0)
    same = load_dataset(written(frame, tmp_path / "b"), test=0)
    frame.loc[3, "a"] += 1
    other = load_dataset(written(frame, tmp_path / "c"), test=0)
    assert one.sha256 == same.sha256 != other.sha256


@pytest.mark.slow
def test_new_rows_have_their_columns_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = numbers().drop(columns="name")
    written(frame, tmp_path / "t")
    written(frame[["kind", "e", "d", "c", "b", "a"]], tmp_path / "new")
    options = ["--data-option", "label=kind"]
    flags = ["--latent-dim", "2", "--epochs", "1", "--network", "mlp:8", "--name", "r"]
    assert main(["train", "vae", "--data", "t", *options, *flags]) == 0
    assert main(["encode", "r", "--data", "t", "--out", "t.csv"]) == 0
    assert main(["encode", "r", "--data", "new", "--out", "new.csv"]) == 0
    one, other = (pd.read_csv(name).filter(regex="^z|^code") for name in ("t.csv", "new.csv"))
    assert one.shape == (N, 2)
    pd.testing.assert_frame_equal(one, other)
    assert main(["evaluate", "r"]) == 0


def test_what_cannot_be_read_in_place_is_named_with_what_to_do(tmp_path, monkeypatch):
    frame = numbers()
    frame["spans"] = pd.to_timedelta(np.arange(N), "s")
    folder = written(frame, tmp_path / "t")
    with pytest.raises(DataError, match=r"load_dataset: features must be .* got 'spans' \(duration.*drop='spans'"):
        load_dataset(folder, label="kind", id="name")
    with pytest.raises(ConfigError, match="load_dataset: columns must be among"):
        load_dataset(folder, label="nothing")
    monkeypatch.setattr("narrows.data.parquet.GROUP", 60 * 5 * 8)
    with pytest.raises(DataError, match=r"at most 60 rows .* got 70 .*size=15, or pack it: narrows data pack"):
        load_dataset(folder, label="kind", id="name", drop="spans")
    (folder / "part-1.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(DataError, match=r"sound"):
        load_dataset(folder)
