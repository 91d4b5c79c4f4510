"""`narrows encode`: any number of rows, part by part, resumed to the same bytes."""

import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import narrows
from narrows import AE, PCA
from narrows.cli import encode, main, rows
from narrows.errors import ConfigError
from narrows.runs import record
from narrows.storage.columns import Part, write_columns, write_parts
from narrows.storage.parts import Parts
from narrows.training.report import read_all

ENDINGS = ("csv", "npy", "npz")


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Return a folder of 23 small images in two classes, one file of which is no image."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for i in range(23):
        place = folder / ("a" if i % 2 else "b")
        place.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (6, 5), np.uint8)).save(place / f"{i:02d}.png")
    (folder / "a" / "11.png").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    data = tmp_path_factory.mktemp("data") / "images.npy"
    np.save(data, np.random.default_rng(1).integers(0, 256, (40, 1, 6, 5), np.uint8))
    return read_all(record(PCA(latent_dim=3), narrows.load_dataset(data), data.parent / "run", pictures=False))


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(rows, "MOST", 4)


def parts_of(path):
    return list(path.parent.glob(".*.parts"))


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_has_the_same_bytes_in_one_part_or_in_many(ending, tmp_path):
    rng = np.random.default_rng(0)
    columns = {
        "row": np.arange(9),
        "name": np.array(["a", "bb", "=c", "d", "é", "f", "g", "h", "iiii"]),
        "x": rng.random(9),
    }
    arrays = {"codes": rng.random((9, 2, 3)).astype(np.float32), **columns}

    def parts():
        for start in range(0, 9, 4):
            part = slice(start, start + 4)
            yield Part(*({name: values[part] for name, values in each.items()} for each in (columns, arrays)))

    write_columns(tmp_path / f"one.{ending}", columns, arrays)
    write_parts(tmp_path / f"many.{ending}", parts)
    assert (tmp_path / f"one.{ending}").read_bytes() == (tmp_path / f"many.{ending}").read_bytes()
    if ending == "npy":
        assert np.array_equal(np.load(tmp_path / "many.npy"), arrays["codes"])
    if ending == "npz":
        with np.load(tmp_path / "many.npz") as loaded:
            assert {name: loaded[name].tolist() for name in loaded.files} == {n: v.tolist() for n, v in arrays.items()}


def test_texts_and_numbers_of_one_column_become_texts(tmp_path):
    parts = [Part({"id": np.array([1, 2])}, {}), Part({"id": np.array(["x"])}, {})]
    write_parts(tmp_path / "x.parquet", lambda: parts)
    pq = pytest.importorskip("pyarrow.parquet")
    assert pq.read_table(tmp_path / "x.parquet").to_pydict() == {"id": ["1", "2", "x"]}


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    def parts():
        yield Part({"x": np.arange(3)}, {})
        raise OSError(28, "disk")

    with pytest.raises(OSError, match=r"disk.*x\.csv"):
        write_parts(tmp_path / "x.csv", parts)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", [*ENDINGS, "parquet"])
@pytest.mark.usefixtures("small_parts")
def test_images_are_encoded_file_by_file(ending, run, faces, tmp_path, capsys):
    out = tmp_path / f"codes.{ending}"
    assert main(["encode", str(run.folder), "--data", str(faces), "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert "22 codes of latent dimension 3 (22 of 23 images)" in said.out
    assert "1 images cannot be read and are left out: a/11.png" in said.err
    with pytest.warns(UserWarning, match="cannot be read"):
        data = narrows.load_dataset(faces, test=0)
    order = np.argsort(data.ids("train").values)
    codes, names = run.load().transform(data.train[order]), data.ids("train").values[order]
    frames = pytest.importorskip("pandas")
    if ending == "npy":
        assert np.allclose(np.load(out), codes, rtol=1e-12)
        keys = frames.read_csv(tmp_path / "codes.keys.csv")
        assert str(tmp_path / "codes.keys.csv") in said.out
    elif ending == "npz":
        with np.load(out) as loaded:
            assert np.allclose(loaded["codes"], codes, rtol=1e-12)
            keys = {name: loaded[name] for name in ("row", "file", "label")}
    else:
        table = frames.read_csv(out) if ending == "csv" else frames.read_parquet(out)
        assert np.allclose(table[["code_1", "code_2", "code_3"]], codes, rtol=1e-12)
        keys = table
    assert list(keys["file"]) == list(names)
    assert [int(row) for row in keys["row"]] == [i for i in range(23) if i != 5]  # that of the file, in their order
    assert list(keys["label"]) == ["a"] * 10 + ["b"] * 12
    assert parts_of(out) == []


@pytest.mark.usefixtures("small_parts")
def test_an_archive_is_encoded_as_its_folder(run, faces, tmp_path):
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        for path in sorted(faces.rglob("*.png"), reverse=True):
            archive.write(path, path.relative_to(faces))
    for name, data in (("zip", tmp_path / "faces.zip"), ("folder", faces)):
        assert main(["encode", str(run.folder), "--data", str(data), "--out", str(tmp_path / f"{name}.csv")]) == 0
    assert (tmp_path / "zip.csv").read_bytes() == (tmp_path / "folder.csv").read_bytes()


@pytest.mark.parametrize("ending", [*ENDINGS, "parquet"])
@pytest.mark.parametrize("kind", ["images", "array", "table"])
@pytest.mark.usefixtures("small_parts")
def test_interrupted_it_resumes_to_the_same_bytes(kind, ending, run, faces, tmp_path, monkeypatch, capsys):
    data, folder = faces, run.folder
    if kind == "array":
        data = tmp_path / "new.npy"
        np.save(data, np.random.default_rng(2).integers(0, 256, (19, 1, 6, 5), np.uint8))
    if kind == "table":
        data = tmp_path / "new.csv"
        X = np.random.default_rng(3).normal(size=(19, 3))
        data.write_text("name,u,v,w\n" + "\n".join(f"n{i},{a},{b},{c}" for i, (a, b, c) in enumerate(X)))
        folder = tmp_path / "run"
        model = AE(latent_dim=2, network="mlp:4", epochs=1)
        read_all(record(model, narrows.load_dataset(data, id="name"), folder, pictures=False))
    command = ["encode", str(folder), "--data", str(data), "--out"]
    assert main([*command, str(tmp_path / f"whole.{ending}")]) == 0

    out, made = tmp_path / f"codes.{ending}", []
    part_of = encode._part

    def interrupted(*arguments):
        made.append(1)
        if len(made) == 3:
            raise KeyboardInterrupt
        return part_of(*arguments)

    monkeypatch.setattr(encode, "_part", interrupted)
    assert main([*command, str(out)]) == 130
    assert "the same command resumes it" in capsys.readouterr().err
    assert not out.exists()
    assert len(parts_of(out)) == 1
    (parts_of(out)[0] / "000001.npz").write_bytes(b"")  # as a power cut may leave it
    assert main([*command, str(out)]) == 0
    assert "resumes: 4 of" in capsys.readouterr().err
    assert len(made) == 3 + 5 - (kind != "images")  # the parts but the first one
    assert out.read_bytes() == (tmp_path / f"whole.{ending}").read_bytes()
    assert parts_of(out) == []


@pytest.mark.usefixtures("small_parts")
def test_parts_of_other_data_are_not_taken(run, tmp_path, monkeypatch, capsys):
    out, data = tmp_path / "codes.npy", tmp_path / "new.npy"
    rng = np.random.default_rng(2)
    part_of = encode._part

    def interrupted(*arguments):
        if any((tmp_path / ".codes.npy.parts").glob("*.npz")):
            raise KeyboardInterrupt
        return part_of(*arguments)

    np.save(data, rng.integers(0, 256, (19, 1, 6, 5), np.uint8))
    monkeypatch.setattr(encode, "_part", interrupted)
    command = ["encode", str(run.folder), "--data", str(data), "--out", str(out)]
    assert main(command) == 130
    other = rng.integers(0, 256, (20, 1, 6, 5), np.uint8)
    np.save(data, other)
    monkeypatch.setattr(encode, "_part", part_of)
    assert main(command) == 0
    assert "it starts again" in capsys.readouterr().err
    assert np.array_equal(np.load(out), run.load().transform(other))


def test_npy_without_other_keys_has_no_second_file(run, tmp_path):
    np.save(tmp_path / "new.npy", np.zeros((5, 1, 6, 5), np.uint8))
    command = ["encode", str(run.folder), "--data", str(tmp_path / "new.npy"), "--out", str(tmp_path / "codes.npy")]
    assert main(command) == 0
    assert not (tmp_path / "codes.keys.csv").exists()
    assert main(command) == 2  # it is there
    (tmp_path / "codes.npy").unlink()
    (tmp_path / "codes.keys.csv").write_text("mine")
    assert main(command) == 2  # it would be replaced


def test_two_processes_do_not_write_one_file(tmp_path):
    first, second = Parts(tmp_path / "x.csv", {"a": 1}), Parts(tmp_path / "x.csv", {"a": 1})
    with first.held(), pytest.raises(ConfigError, match="must be written by one process"), second.held():
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_encoded_leaves_nothing(run, faces, tmp_path, capsys):
    folder = tmp_path / "bad"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(b"none")
    out = tmp_path / "codes.csv"
    assert main(["encode", str(run.folder), "--data", str(folder), "--out", str(out)]) == 2
    assert "at least one image must be sound; got 2 malformed" in capsys.readouterr().err
    assert main(["encode", str(run.folder), "--data", str(faces), "--strict", "--out", str(out)]) == 2
    assert "a/11.png" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.slow
def test_killed_in_the_middle_it_resumes_to_the_same_bytes(tmp_path):
    """A process that is killed by SIGKILL, several times, on an array that is read from the disk."""
    data = tmp_path / "new.npy"
    X = np.lib.format.open_memmap(data, "w+", np.uint8, (400_000, 1, 28, 28))
    rng = np.random.default_rng(0)
    for start in range(0, len(X), 50_000):
        X[start : start + 50_000] = rng.integers(0, 256, (1, 28, 28), np.uint8) ^ rng.integers(
            0, 16, (50_000, 1, 28, 28), np.uint8
        )
    few = tmp_path / "few.npy"
    np.save(few, X[::1000])
    read_all(record(PCA(latent_dim=8), narrows.load_dataset(few), tmp_path / "run", pictures=False))
    environment = {**os.environ, "PYTHONPATH": str(Path(narrows.__file__).parents[1])}
    command = [sys.executable, "-m", "narrows", "encode", str(tmp_path / "run"), "--data", str(data), "--out"]
    subprocess.run([*command, str(tmp_path / "whole.npy")], env=environment, check=True, capture_output=True)
    out = tmp_path / "codes.npy"
    parts, kills = tmp_path / ".codes.npy.parts", 0
    for wanted in (2, 9, 17):
        process = subprocess.Popen(
            [*command, str(out)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        until = time.monotonic() + 120
        while len(list(parts.glob("*.npz"))) < wanted and process.poll() is None and time.monotonic() < until:
            time.sleep(0.005)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
    assert kills == 3
    assert not out.exists()
    done = subprocess.run([*command, str(out)], env=environment, check=True, capture_output=True, text=True)
    assert "resumes: " in done.stderr
    assert out.read_bytes() == (tmp_path / "whole.npy").read_bytes()
    assert np.allclose(np.load(out)[:1000], narrows.load(tmp_path / "run").transform(np.asarray(X[:1000])))
    assert not parts.exists()
