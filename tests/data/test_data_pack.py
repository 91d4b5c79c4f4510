"""Packing into shards, and using them as arrays are used."""

import json
import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from narrows import PCA, load_dataset
from narrows.cli import main
from narrows.data import pack as packing
from narrows.data.pack import pack
from narrows.data.shards import INDEX, Shards, verify
from narrows.errors import ConfigError, DataError, FormatError

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (530, 1, 4, 4)).astype(np.uint8)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    for module in ("sources", "packed_tables"):
        monkeypatch.setattr(f"narrows.data.{module}.SHARD", 1600)  # 100 rows of 16 bytes


def content(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name != "lock"}


def blocks(size=70):
    return (PIXELS[i : i + size] for i in range(0, len(PIXELS), size))


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    for i, pixels in enumerate(PIXELS[:230]):
        name = folder / ("cats" if i % 3 else "dogs") / f"{i:03d}.png"
        name.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[0]).save(name)
    (folder / "cats" / "bad.png").write_bytes(b"no image")
    return folder


def test_arrays_of_any_length_become_shards_of_one(tmp_path):
    data = load_dataset(pack(blocks(), tmp_path / "s"), test=0)
    assert isinstance(data.train, Shards)
    assert [path.name for path in data.train.paths] == [f"{i:06d}.npy" for i in range(6)]
    np.testing.assert_array_equal(np.asarray(data.train), PIXELS)
    assert content(tmp_path / "s") == content(pack(blocks(111), tmp_path / "other"))
    assert verify(tmp_path / "s") == []


def test_arrays_with_labels(tmp_path):
    y = RNG.integers(0, 5, 530)
    pairs = ((PIXELS[i : i + 50], y[i : i + 50]) for i in range(0, 530, 50))
    data = load_dataset(pack(pairs, tmp_path / "s"), validation=0.1)
    for split in data.split_names:
        _, X, labels = data.split(split)
        rows = data.ids(split).rows
        np.testing.assert_array_equal(np.asarray(X), PIXELS[rows])
        np.testing.assert_array_equal(labels, y[rows])
    _, X, labels = data.split("all")
    np.testing.assert_array_equal(np.asarray(X), PIXELS)
    np.testing.assert_array_equal(labels, y)


def test_what_has_parts_looks_like_an_array(tmp_path):
    X = load_dataset(pack(blocks(), tmp_path / "s"), test=0).train
    for index in (
        3,
        -1,
        slice(95, 310),
        slice(None, None, 7),
        [0, 529, 100, 99],
        np.arange(530) % 5 == 0,
        [[1], [200]],
    ):
        np.testing.assert_array_equal(np.asarray(X[index]), PIXELS[index])
    np.testing.assert_array_equal(np.asarray(X[90:400][20:30]), PIXELS[110:120])
    np.testing.assert_array_equal(np.asarray(X.reshape(530, -1)), PIXELS.reshape(530, -1))
    assert (X.min(), X.max(), X.sum()) == (PIXELS.min(), PIXELS.max(), PIXELS.sum())
    assert (X.ndim, X.size, X.nbytes, len(X)) == (4, 530 * 16, 530 * 16, 530)
    for index in (530, [-531], (1, 2), [True]):
        with pytest.raises(IndexError):
            X[index]


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_folder_of_images(images, tmp_path, jobs):
    data = load_dataset(pack(images, tmp_path / "s", jobs=jobs), test=0)
    with pytest.warns(UserWarning, match="cannot be read"):
        read = load_dataset(images, test=0, shuffle=False)
    np.testing.assert_array_equal(np.asarray(data.train), read.train)
    np.testing.assert_array_equal(data.train_labels, read.train_labels)
    assert data.label_names == ("cats", "dogs")
    assert data.ids("train").values.tolist() == read.ids("train").values.tolist()
    assert [each.split(":")[0] for each in data.skipped] == ["cats/bad.png"]


def test_an_archive_of_images_with_splits(images, tmp_path):
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for number, file in enumerate(sorted(images.rglob("*.png"))):
            archive.write(file, f"{'test' if number % 4 == 0 else 'train'}/{file.parent.name}/{file.name}")
    data = load_dataset(pack(tmp_path / "images.zip", tmp_path / "s"))
    with pytest.warns(UserWarning, match="cannot be read"):
        read = load_dataset(tmp_path / "images.zip")
    for split in ("train", "test"):
        np.testing.assert_array_equal(np.asarray(data.split(split).X), read.split(split).X)
        np.testing.assert_array_equal(data.split(split).y, read.split(split).y)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_tables(tmp_path, ending):
    frame = pd.DataFrame(RNG.normal(size=(530, 3)).round(6), columns=list("abc"))
    frame.loc[7, "b"] = np.nan
    frame["kind"], frame["name"] = np.where(frame.a > 0, "p", "n"), [f"row {i}" for i in range(530)]
    if ending == "csv":
        frame.to_csv(tmp_path / "t.csv", index=False)
    else:
        frame.to_parquet(tmp_path / "t.parquet", row_group_size=60)
    data = load_dataset(pack(tmp_path / f"t.{ending}", tmp_path / "s", label="kind", id="name"), test=0)
    np.testing.assert_array_equal(np.asarray(data.train), frame[["a", "b", "c"]])
    assert data.columns == ("a", "b", "c")
    assert [data.label_names[i] for i in data.train_labels] == frame.kind.tolist()
    assert data.ids("train").values.tolist() == frame.name.tolist()
    with pytest.raises(ConfigError, match="'nothing'"):
        pack(tmp_path / f"t.{ending}", tmp_path / "other", drop="nothing")


def test_an_array_file_and_any_other_file(tmp_path):
    np.save(tmp_path / "x.npy", PIXELS[:, 0])
    np.savez(tmp_path / "x.npz", X=PIXELS, y=np.arange(530))
    one, other = (pack(tmp_path / name, tmp_path / name[2:]) for name in ("x.npy", "x.npz"))
    np.testing.assert_array_equal(np.asarray(load_dataset(one, test=0).train), PIXELS)
    np.testing.assert_array_equal(load_dataset(other, test=0).train_labels, np.arange(530))


class Stop(Exception):
    pass


@pytest.mark.parametrize("kind", ["images", "arrays"])
def test_interrupted_it_resumes_and_gives_the_same_bytes(images, tmp_path, kind, monkeypatch):
    def source():
        return images if kind == "images" else blocks()

    whole = content(pack(source(), tmp_path / "whole"))
    write, left = packing.write_shard, 2

    def dying(into, number, *rest):
        nonlocal left
        if left == 0:
            (into / f".{number:06d}.npy.tmp").write_bytes(b"half of a")
            (into / f"{number:06d}.npy").write_bytes(b"a shard without a record")
            raise Stop
        left -= 1
        write(into, number, *rest)

    monkeypatch.setattr(packing, "write_shard", dying)
    with pytest.raises(Stop):
        pack(source(), tmp_path / "s")
    with pytest.raises((FormatError, DataError)):
        load_dataset(tmp_path / "s")
    done = (tmp_path / "s" / "000000.npy").stat().st_mtime_ns
    monkeypatch.setattr(packing, "write_shard", write)
    pack(source(), tmp_path / "s")
    assert content(tmp_path / "s") == whole
    assert (tmp_path / "s" / "000000.npy").stat().st_mtime_ns == done  # it was not written again
    before = (tmp_path / "s" / INDEX).stat().st_mtime_ns
    pack(source(), tmp_path / "s")  # all is there
    assert (tmp_path / "s" / INDEX).stat().st_mtime_ns == before


def test_folders_of_something_else_stay_as_they_are(images, tmp_path):
    before = sorted(images.rglob("*"))
    with pytest.raises(ConfigError, match="must be new, empty"):
        pack(blocks(), images)
    assert sorted(images.rglob("*")) == before
    pack(images, tmp_path / "s")
    with pytest.raises(ConfigError, match="of the same source"):
        pack(blocks(), tmp_path / "s")


def test_sources_that_hold_no_samples_of_one_shape(tmp_path):
    for source, message in [
        (iter([]), "must hold samples"), (iter([PIXELS, PIXELS[:, :, :2]]), "as the first one"),
        (iter(["text"]), "arrays"), (tmp_path / "nothing", "existing"),
    ]:  # fmt: skip
        with pytest.raises(DataError, match=message):
            pack(source, tmp_path / "s")
        shutil.rmtree(tmp_path / "s", ignore_errors=True)
    with pytest.raises(ConfigError, match="jobs"):
        pack(blocks(), tmp_path / "s", jobs=0)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2}, {"shards": []}, {"dtype": "object"}, {"shape": [5]}, {"shape": [-4]},
        {"shards": [{"name": "../x", "rows": 1, "split": "train", "sha256": "", "low": 0, "high": 1}]},
    ],
)  # fmt: skip
def test_an_index_that_is_not_sound_is_refused(tmp_path, change):
    path = pack(blocks(), tmp_path / "s") / INDEX
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(FormatError, match=r"Pack the data again|The file was changed"):
        load_dataset(tmp_path / "s")


def test_files_that_are_missing_or_cut_are_named(tmp_path):
    folder = pack(blocks(), tmp_path / "s")
    file = folder / "000002.npy"
    changed = bytearray(file.read_bytes())
    changed[-1] ^= 1
    file.write_bytes(changed)
    assert verify(folder) == ["000002"]
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(FormatError, match=r"000002\.npy"):
        load_dataset(folder)
    file.unlink()
    with pytest.raises(FormatError, match=r"000002\.npy"):
        load_dataset(folder)


def test_pca_of_shards_is_that_of_the_array(tmp_path):
    X = RNG.normal(size=(530, 2)) @ RNG.normal(size=(2, 16)) + 5
    for name, rows in (("pixels", PIXELS), ("numbers", X)):
        data = load_dataset(pack(iter([rows]), tmp_path / name), test=0)
        for options in ({}, {"solver": "covariance"}, {"scale": "standard", "solver": "covariance"}):
            one, other = (PCA(latent_dim=2, **options).fit(each) for each in (data.train, rows))
            np.testing.assert_allclose(one.components_, other.components_, atol=1e-8)
            np.testing.assert_allclose(one.score_samples(data.train), other.score_samples(rows), rtol=1e-6)


def test_the_command(images, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["data", "pack", "images", "s"]) == 0
    out, err = capsys.readouterr()
    assert "230 samples of 1x4x4 in 3 shards" in out
    assert "bad.png" in err
    assert main(["data", "s"]) == 0
    assert "184 training, 46 test" in capsys.readouterr().out
    assert main(["data", "pack", "images", "s", "--label", "x"]) == 2
    assert "size, mode" in capsys.readouterr().err
