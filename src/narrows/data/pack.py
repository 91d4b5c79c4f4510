"""Packing any source of samples into shards: in constant memory, by several processes, resumed where it was killed.

Which rows a shard holds follows from the source alone, and a shard is there once its record is: whoever runs a pack
again does what is missing, and the folder is the same, byte for byte.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from narrows.data.catalogue import load_dataset
from narrows.data.packed_tables import ParquetFiles, TextTable, TypedTable
from narrows.data.readers.arrow import PARQUET
from narrows.data.readers.image_files import is_image, names_in
from narrows.data.shards import INDEX, PARTS, Index, Shard, checksum, read_index
from narrows.data.sources import Arrays, Block, Images, Npy, Source, Stream, Task
from narrows.data.stored import Array
from narrows.errors import ConfigError, DataError
from narrows.storage.json import plain, read_json, write_json
from narrows.storage.lock import locked

UNFINISHED = "packing.json"
"""Says what is being packed, until the index is there."""

TABLE, IMAGE = ("label", "id", "drop", "columns"), ("size", "mode")
"""Options of tables, and of images."""

Told = Callable[[int, int], object]
"""Called with the number of shards that are there, and of all of them, 0 where that is not known."""


def pack(
    source: str | os.PathLike[str] | Iterable[Any], folder: str | os.PathLike[str], *, jobs: int = 1,
    told: Told = lambda done, total: None, **options: Any,
) -> Path:  # fmt: skip
    """Write samples as shards, which `load_dataset(folder)` reads where they are; return the folder.

    Parameters
    ----------
    source
        A folder or zip archive of images; a .csv, .tsv, .parquet or .npy file; a folder of Parquet files; anything else
        that `load_dataset` reads, which then has to fit into memory; or an iterable of arrays (n, *shape), or of pairs
        of such an array and labels (n,), of which only one shard is in memory at a time.
    folder
        New, empty, or one in which the same pack was interrupted: what is there is not done again. Of an iterable the
        same arrays must come again.
    jobs
        Processes. A script that takes several keeps its own work below ``if __name__ == "__main__":``.
    told
        Called with the number of shards that are there, and of all of them.
    options
        Of tables: `label`, `id`, `drop`, `columns`, names separated by commas. Of images: `size`, `mode`.

    Raises
    ------
    ConfigError
        The folder holds something else, or an option is none of the source's.
    DataError
        The source does not hold samples of one shape.

    Examples
    --------
    >>> import tempfile, narrows
    >>> folder = pack((np.full((100, 3), i, np.float32) for i in range(5)), tempfile.mkdtemp())
    >>> narrows.load_dataset(folder, test=0).train.shape
    (500, 3)
    """
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1:
        raise ConfigError(f"pack: jobs must be a whole number >= 1; got {jobs!r}.")
    into = Path(folder)
    taken = source_of(source, options)
    into.mkdir(parents=True, exist_ok=True)
    _check_vacant(into)
    with locked(into / "lock"):
        if _begun(into, taken):
            return into
        if isinstance(taken, Stream):
            number = 0
            for number, block in enumerate(taken.blocks(), 1):
                if not _record(into, number - 1).is_file():
                    write_shard(into, number - 1, "train", block)
                told(number, 0)
            total = number
        else:
            total = len(taken.tasks)
            _all(into, taken, jobs, told)
        _finish(into, taken, total)
    return into


def _check_vacant(into: Path) -> None:
    names = {each.name for each in into.iterdir()}
    if not names <= {"lock"} and not names & {INDEX, UNFINISHED}:
        raise ConfigError(f"pack: folder must be new, empty, or hold an unfinished pack; got {str(into)!r}.")


def _begun(into: Path, source: Source) -> bool:
    """Return whether all is done; refuse a folder that holds something else."""
    described = plain(source.description)
    if (into / INDEX).is_file():
        if read_index(into).source == described["source"]:
            return True
        raise ConfigError(f"pack: folder must be new or of the same source; {into} holds {read_index(into).source}.")
    if (into / UNFINISHED).is_file():
        before = read_json(into / UNFINISHED)
        if before != described:
            changed = ", ".join(name for name in described if before.get(name) != described[name])
            raise ConfigError(
                f"pack: folder must hold an unfinished pack of the same source; {into} differs in {changed}."
            )
        return False
    _check_vacant(into)
    write_json(into / UNFINISHED, described)
    return False


def _all(into: Path, source: Source, jobs: int, told: Told) -> None:
    """Write every shard that is missing."""
    missing = [number for number in range(len(source.tasks)) if not _record(into, number).is_file()]
    done, total = len(source.tasks) - len(missing), len(source.tasks)
    told(done, total)
    work = partial(_pack_one, into, source)
    if jobs == 1 or len(missing) < 2 or not source.sendable:
        for number in missing:
            work(number)
            done += 1
            told(done, total)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(missing)), context, initializer=_leave_signals) as pool:
        futures = [pool.submit(work, number) for number in missing]
        try:
            for future in as_completed(futures):
                future.result()
                done += 1
                told(done, total)
        except BrokenProcessPool as error:
            raise DataError(
                "pack: a process was killed, as systems do that are short of memory. Run it again."
            ) from error
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _leave_signals() -> None:
    """Ctrl-C on a terminal reaches all processes: the first one ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _pack_one(into: Path, source: Source, number: int) -> None:
    task: Task = source.tasks[number]
    write_shard(into, number, task.split, source.block(task))


def write_shard(into: Path, number: int, split: str, block: Block) -> None:
    """Write a shard and then its record; one without rows is a record alone."""
    name = f"{number:06d}"
    rows = len(block.x)
    if rows:
        for part, array in zip(PARTS, (block.x, block.y, block.ids), strict=True):
            if array is not None:
                _save(into / f"{name}{part}.npy", array)
    low, high = (block.x.min(), block.x.max()) if rows else (0, 0)
    shard = Shard(name, rows, split, checksum(into, name), float(low), float(high))
    write_json(_record(into, number), {**asdict(shard), "skipped": list(block.skipped), "names": list(block.names)})


def _save(path: Path, array: Array) -> None:
    """Write an array atomically."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def _record(into: Path, number: int) -> Path:
    return into / f"{number:06d}.json"


def _records(into: Path, total: int) -> Iterator[dict[str, Any]]:
    for number in range(total):
        yield read_json(_record(into, number))


def _finish(into: Path, source: Source, total: int) -> None:
    """Write the index in place of the records."""
    shards, skipped, names = [], [], source.label_names
    for record in _records(into, total):
        skipped += record.pop("skipped")
        names = tuple(record.pop("names")) or names
        if record["rows"]:
            shards.append(Shard(**record))
    if not shards:
        raise DataError(f"pack: source must hold samples; got none. {'; '.join(skipped[:3])}")
    form = source.form
    index = Index(
        shape=form.shape, dtype=form.dtype, shards=tuple(shards), columns=form.columns, label_names=names,
        labels=form.labels, ids=form.ids, source=source.description["source"], skipped=tuple(skipped), notes=form.notes,
        table=form.table,
    )  # fmt: skip
    write_json(into / INDEX, index.record())
    for number in range(total):
        _record(into, number).unlink()
    (into / UNFINISHED).unlink()


def source_of(source: Any, options: Mapping[str, Any]) -> Source:
    """Return what reads a source; ConfigError or DataError where nothing does."""
    if not isinstance(source, str | os.PathLike):
        return Arrays(source, _only(options, ()))
    path = Path(source)
    if not path.exists():
        raise DataError(f"pack: source must be an existing file or folder; got {str(path)!r}, which does not exist.")
    suffix = path.suffix.lower()
    if path.is_dir():
        if parquet := sorted(file for file in path.rglob("*") if file.suffix.lower() in PARQUET):
            return ParquetFiles(str(path), _only(options, TABLE), parquet)
        if names_in(path):
            return Images(str(path), _only(options, IMAGE))
    elif suffix in PARQUET:
        return ParquetFiles(str(path), _only(options, TABLE), [path])
    elif suffix in (".csv", ".tsv"):
        text = TextTable(str(path), _only(options, TABLE))
        if text.roles.table is None:
            return text
    elif suffix == ".npy":
        return Npy(str(path), _only(options, ()))
    elif suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            if any(is_image(PurePosixPath(name).name) for name in archive.namelist()):
                return Images(str(path), _only(options, IMAGE))
    given = {name: value for name, value in options.items() if value is not None}
    data = load_dataset(path, test=0, shuffle=False, **given)
    if data.typed:
        return TypedTable(str(path), given, data)
    return Arrays([(data.train, data.train_labels)], {}, name=str(path), columns=data.columns, names=data.label_names)


def _only(options: Mapping[str, Any], known: tuple[str, ...]) -> dict[str, Any]:
    """Return options that were given; ConfigError where one is none of the source's."""
    given = {name: value for name, value in options.items() if value is not None}
    if unknown := [name for name in given if name not in known]:
        raise ConfigError(
            f"pack: options must be among {', '.join(known) or 'none'} for this source; got {unknown[0]!r}."
        )
    return given
