"""Tables of texts, times, numbers and holes in shards: what models learn of them is what they learn in memory."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from narrows import AE, VAE, load_dataset
from narrows.cli import main
from narrows.data import packed_tables, types_schema, types_stored
from narrows.data.batches import Batches
from narrows.data.feeds import DiskFeed
from narrows.data.order import Order
from narrows.data.pack import pack
from narrows.data.schema import Schema
from narrows.data.types_stored import StoredTable
from narrows.errors import DataError, FormatError
from narrows.evaluation import anomaly_scores, measure_reconstruction

N = 420
FEW = {"latent_dim": 2, "epochs": 2, "network": "mlp:8", "batch_size": 32}


def people():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({
        "age": rng.integers(18, 80, N).astype(float), "job": rng.choice(["clerk", "smith", "cook"], N),
        "pay": np.exp(rng.normal(3, 1, N)).round(2), "smokes": rng.choice(["yes", "no"], N),
        "born": pd.Timestamp("1990-01-01") + pd.to_timedelta(rng.integers(0, 5000, N), "D"),
        "kind": rng.choice(["a", "b"], N),
    })  # fmt: skip
    for name, gap in (("job", None), ("pay", np.nan), ("born", pd.NaT)):
        frame.loc[rng.random(N) < 0.1, name] = gap
    return frame


@pytest.fixture(params=["csv", "parquet"])
def tables(request, tmp_path, monkeypatch):
    """The same table in shards of some 60 rows, and in memory in the same order."""
    monkeypatch.setattr(packed_tables, "SHARD", 60 * 40)
    file = tmp_path / f"people.{request.param}"
    frame = people()
    frame.to_csv(file, index=False) if request.param == "csv" else frame.to_parquet(file, row_group_size=50)
    shards = load_dataset(pack(file, tmp_path / "shards", label="kind"), test=0)
    return shards, load_dataset(file, test=0, label="kind", shuffle=False)


@pytest.fixture
def large(monkeypatch):
    """Small tables are read when they are encoded: here all count as large, and columns are read one by one."""
    monkeypatch.setattr(types_schema, "HELD", 0)
    monkeypatch.setattr(types_stored, "HELD", N * 8)


def test_columns_labels_and_values_are_those_of_the_file(tables):
    shards, memory = tables
    assert isinstance(shards.train, StoredTable)
    assert len(shards.train.rows.paths) > 4
    assert (shards.columns, shards.label_names, shards.sample_shape) == (memory.columns, ("a", "b"), (5,))
    np.testing.assert_array_equal(shards.train_labels, memory.train_labels)
    for index in (slice(None), slice(130, 250), [7, 3, 400]):
        part, there = shards.train[index], memory.train[index]
        for name, values in there.columns.items():
            assert part.columns[name].holds == values.holds
            assert part.columns[name].objects() == values.objects()


@pytest.mark.parametrize("model", [VAE(**FEW), AE(**FEW, corruption="copy_mask")])
def test_losses_and_codes_are_those_in_memory(tables, large, model):
    shards, memory = tables
    there = model.fit(memory.train)
    expected = [each["train"]["loss"] for each in there.history_]
    codes, scores, kept = there.transform(memory.train), there.score_samples(memory.train), there.codes_
    errors = measure_reconstruction(there, memory.train).per_sample
    here = model.fit(shards.train)
    assert here.schema_.types == Schema.of(memory.train).types
    assert here.schema_.missing
    assert [each["train"]["loss"] for each in here.history_] == expected
    np.testing.assert_array_equal(here.transform(shards.train), codes)
    np.testing.assert_array_equal(here.score_samples(shards.train), scores)
    np.testing.assert_array_equal(here.codes_, kept)
    np.testing.assert_allclose(measure_reconstruction(here, shards.train).per_sample, errors, rtol=1e-12)
    assert np.isfinite(anomaly_scores(here, shards.train, by="reconstruction")).all()


def test_kinds_take_one_pass_for_each_column_that_is_read_alone(large, tables, monkeypatch):
    table, passes = tables[0].train, []
    parts = type(table.rows).parts
    monkeypatch.setattr(type(table.rows), "parts", lambda rows: passes.append(1) or parts(rows))
    Schema.of(table)
    assert len(passes) == len(table.form)


def test_texts_of_parquet_take_one_pass(tmp_path, monkeypatch):
    people().to_parquet(tmp_path / "people.parquet", row_group_size=100)
    read, table = [], packed_tables.ParquetFiles.table
    monkeypatch.setattr(
        packed_tables.ParquetFiles, "table", lambda self, group, names: read.append(group) or table(self, group, names)
    )
    source = packed_tables.ParquetFiles("people", {"label": "kind"}, [tmp_path / "people.parquet"])
    assert read == list(range(5))
    assert source.label_names == ("a", "b")
    assert [column.levels for column in source.form.table if column.name == "job"] == [("clerk", "cook", "smith")]


def test_batches_of_windows_have_the_rows_of_their_order(tables, large):
    shards, memory = tables
    schema = Schema.of(memory.train)
    on_disk = schema.encode(shards.train)
    whole = schema.encode(memory.train)
    order = Order(N, 20, 3, 1, block=200, window=1200)
    rng = torch.Generator()
    with DiskFeed(Batches(on_disk, schema, torch.device("cpu")), order, 0) as feed:
        assert order.windows > 4
        for start in range(0, N, 50):
            batch, rows = feed.take(start, min(start + 50, N), 0.0, rng), order.rows(start, min(start + 50, N))
            np.testing.assert_array_equal(batch.x, whole.x[rows])
            np.testing.assert_array_equal(True if batch.mask is None else batch.mask, whole.mask[rows])


def test_held_out_rows_are_other_rows_and_keep_their_numbers(tables, tmp_path):
    shards, memory = tables
    data = load_dataset(shards.name, test=0.2, validation=0.1)
    parts = {split: data.ids(split).rows for split in data.split_names}
    assert sorted(np.concatenate(list(parts.values()))) == list(range(N))
    for split, rows in parts.items():
        X: Any = data.split(split).X
        y = data.split(split).y
        assert X.columns["job"].objects() == memory.train[rows].columns["job"].objects()
        np.testing.assert_array_equal(y, memory.train_labels[rows])
    X = data.split("all").X
    assert X.columns["pay"].objects() == memory.train.columns["pay"].objects()
    assert len(VAE(**FEW).fit(data.train, validation=data.validation).history_) == 2
    assert len(VAE(**FEW).fit(data.train, validation=0.1).history_) == 2
    assert data.sha256 == load_dataset(shards.name, test=0.2, validation=0.1).sha256 != shards.sha256


@pytest.mark.parametrize("columns", [None, {"zip": "category"}])
def test_numbers_that_are_codes_have_typed_columns_too(tmp_path, large, columns):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"zip": rng.integers(0, 5, N), "a": rng.normal(size=N), "b": rng.integers(0, 3, N)})
    frame["c"] = np.where(rng.random(N) < 0.1, np.nan, rng.integers(0, 4, N))
    frame.to_csv(tmp_path / "codes.csv", index=False)
    shards = load_dataset(pack(tmp_path / "codes.csv", tmp_path / "s"), test=0)
    memory = load_dataset(tmp_path / "codes.csv", test=0, shuffle=False)
    there, here = AE(**FEW, columns=columns), AE(**FEW, columns=columns)
    for model, data in ((there, memory), (here, shards)):
        list(model.fit_iter(data.train, columns=data.columns))
    assert there.schema_.types is not None
    assert here.schema_.types == there.schema_.types
    np.testing.assert_array_equal(here.transform(shards.train), there.transform(memory.train))


def test_on_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    people().to_csv("people.csv", index=False)
    assert main(["data", "pack", "people.csv", "P", "--label", "kind"]) == 0
    assert (
        main(["train", "vae", "--data", "P", "--epochs", "1", "--latent-dim", "2", "--network", "mlp:8", "--name", "r"])
        == 0
    )
    assert main(["encode", "r", "--data", "P", "--out", "codes.csv"]) == 0
    assert len(pd.read_csv("codes.csv")) == N
    assert "job: category" in capsys.readouterr().out


def test_mistakes(tmp_path, monkeypatch):
    monkeypatch.setattr(packed_tables, "LEVELS", 100)
    frame = people().assign(name=[f"row {i}" for i in range(N)])
    frame.to_parquet(tmp_path / "p.parquet")
    frame.to_csv(tmp_path / "p.csv", index=False)
    for ending in ("parquet", "csv"):
        with pytest.raises(DataError, match="at most 100 different values; 'name' has more"):
            pack(tmp_path / f"p.{ending}", tmp_path / ending)
    folder = pack(tmp_path / "p.parquet", tmp_path / "shards", id="name")
    index = json.loads((folder / "shards.json").read_text())
    index["table"][0]["name"] = "pay"
    (folder / "shards.json").write_text(json.dumps(index))
    with pytest.raises(FormatError, match="different names"):
        load_dataset(folder)


def test_real_numbers_in_shards_are_brought_to_the_scale_wherever_rows_are_picked(tmp_path):
    X = np.random.default_rng(0).normal(20, 5, (N, 6)).astype(np.float32)
    shards = load_dataset(pack([X], tmp_path / "s"), test=0).train
    there, here = AE(**FEW).fit(X), AE(**FEW).fit(shards)
    np.testing.assert_array_equal(here.codes_, there.codes_)
    X[::3, 2] = np.nan
    shards = load_dataset(pack([X], tmp_path / "holes"), test=0).train
    there, here = AE(**{**FEW, "network": "residual:8"}).fit(X), AE(**{**FEW, "network": "residual:8"}).fit(shards)
    np.testing.assert_array_equal(here.transform(shards), there.transform(X))
    errors = [measure_reconstruction(model, data).per_sample for model, data in ((there, X), (here, shards))]
    np.testing.assert_allclose(errors[1], errors[0], rtol=1e-12)
