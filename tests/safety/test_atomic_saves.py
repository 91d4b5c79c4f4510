"""A save that is cut anywhere leaves the old state or the new one; one that fails says so and leaves no litter."""

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from narrows import PCA
from narrows.errors import FormatError
from narrows.estimators.base import Autoencoder
from narrows.estimators.loading import load_model
from narrows.storage.atomic import write_bytes
from narrows.storage.json import read_json, write_json
from narrows.storage.record import ABANDONED, lines_path, read_record, tensor_path
from safety.disk import Disk, PowerCut


@pytest.fixture(scope="module")
def models() -> list[Autoencoder]:
    rng = np.random.default_rng(0)
    return [PCA(latent_dim=2).fit(rng.normal(size=(10, 4))) for _ in range(2)]


def which(folder: Path, models: list[Autoencoder]) -> int | None:
    """Return which of the models the folder holds, whole; None for nothing at all."""
    if not (folder / "model.json").exists():
        return None
    loaded = load_model(folder).components_
    (found,) = (i for i, model in enumerate(models) if np.array_equal(model.components_, loaded))
    return found


def every_operation(folder: Path, save: Callable[[], object], prepare: Callable[[], object]) -> list[str]:
    """Return the operations that a save makes."""
    prepare()
    disk = Disk(folder)
    with disk.watched():
        save()
    assert {"open", "write", "fsync", "close", "replace"} <= set(disk.names)
    return disk.names


def emptied(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("first", [False, True])
def test_a_power_cut_at_every_operation(first: bool, models: list[Autoencoder], tmp_path: Path) -> None:
    def prepare() -> None:
        emptied(tmp_path)
        if not first:
            models[0].save(tmp_path)

    old = None if first else 0
    outcomes = set()
    names = every_operation(tmp_path, lambda: models[1].save(tmp_path), prepare)
    for number in range(1, len(names) + 1):
        for done in (0, 0.5, 1):
            for renames_lost in (None, False, True):
                prepare()
                disk = Disk(tmp_path, number, done=done)
                with pytest.raises(PowerCut), disk.watched():
                    models[1].save(tmp_path)
                if renames_lost is not None:
                    disk.forget(renames_lost)
                found = which(tmp_path, models)
                assert found in (old, 1), (number, names[number - 1], done, renames_lost)
                outcomes.add(found)
                for path in tmp_path.iterdir():  # a later save tidies up what a dead one left
                    os.utime(path, (0, 0))
                models[1].save(tmp_path)
                assert which(tmp_path, models) == 1
                assert len(list(tmp_path.iterdir())) == 3
    assert outcomes == {old, 1}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("first", [False, True])
def test_an_error_at_every_operation(code: int, first: bool, models: list[Autoencoder], tmp_path: Path) -> None:
    def prepare() -> None:
        emptied(tmp_path)
        if not first:
            models[0].save(tmp_path)

    names = every_operation(tmp_path, lambda: models[1].save(tmp_path), prepare)
    for number, name in enumerate(names, 1):
        for done in (0, 0.5) if name == "write" else (0,):
            prepare()
            kept = set(tmp_path.iterdir())
            disk = Disk(tmp_path, number, OSError(code, os.strerror(code)), done)
            with disk.watched(), pytest.raises(OSError, match=os.strerror(code)):
                models[1].save(tmp_path)
            found = which(tmp_path, models)
            if found == 1:  # the error came after the new state was there
                assert names[:number].count("replace") == 3
                path = tmp_path / "model.json"
                record = read_record(path)
                kept |= {path, tensor_path(path, record), lines_path(path, record)}
            else:
                assert found == (None if first else 0)
            assert set(tmp_path.iterdir()) <= kept, (number, name)


def test_the_error_names_the_file(tmp_path: Path) -> None:
    disk = Disk(tmp_path, 2, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    with disk.watched(), pytest.raises(OSError, match=r"No space left on device: .*x\.json"):
        write_json(tmp_path / "x.json", {"a": 1})
    assert list(tmp_path.iterdir()) == []


def test_short_writes_are_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, bytes(data)[:7]))
    write_bytes(tmp_path / "x", bytes(range(256)))
    assert (tmp_path / "x").read_bytes() == bytes(range(256))


def test_the_same_model_again(models: list[Autoencoder], tmp_path: Path) -> None:
    models[0].save(tmp_path)
    models[0].save(tmp_path)
    assert which(tmp_path, models) == 0
    write = every_operation(tmp_path, lambda: models[0].save(tmp_path), lambda: None).index("write") + 1
    failing = Disk(tmp_path, write, OSError(errno.EIO, "x"))
    with failing.watched(), pytest.raises(OSError, match="x"):
        models[0].save(tmp_path)
    assert which(tmp_path, models) == 0


def test_others_unfinished_files_stay_for_an_hour(models: list[Autoencoder], tmp_path: Path) -> None:
    stem = "model-0123456789abcdef"
    for name in (".model.json.1.tmp", f"{stem}.safetensors", f"{stem}.jsonl", "model.txt"):
        (tmp_path / name).touch()
    models[0].save(tmp_path)
    assert len(list(tmp_path.iterdir())) == 7
    for path in tmp_path.iterdir():
        os.utime(path, (0, path.stat().st_mtime - ABANDONED - 60))
    models[1].save(tmp_path)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".jsonl", ".safetensors", ".txt"]


@pytest.mark.parametrize("saves", [40, pytest.param(500, marks=pytest.mark.campaign)])
def test_a_reader_never_sees_half_a_save(saves: int, models: list[Autoencoder], tmp_path: Path) -> None:
    models[0].save(tmp_path)
    errors: list[BaseException] = []

    def write() -> None:
        try:
            for number in range(saves):
                models[number % 2].save(tmp_path)
        except BaseException as error:
            errors.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    seen = []
    while writer.is_alive():
        seen.append(which(tmp_path, models))
        assert read_json(tmp_path / "model.json")["model"] == "pca"
    writer.join()
    assert errors == []
    assert {0, 1} <= set(seen)
    assert len(seen) > saves / 10


def test_a_record_of_something_else_is_replaced(models: list[Autoencoder], tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text("{")
    with pytest.raises(FormatError):
        load_model(tmp_path)
    models[0].save(tmp_path)
    assert which(tmp_path, models) == 0
