"""Commands that use the model of a run: encode, reconstruct, sample."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from narrows import figures
from narrows.cli.console import note, number, out
from narrows.cli.show import find
from narrows.cli.train import options_of
from narrows.data import DATASETS, Dataset, load_dataset
from narrows.errors import ConfigError, did_you_mean
from narrows.estimators.base import Array
from narrows.runs.folder import Run
from narrows.storage.atomic import write_bytes

__all__ = ["chosen_data", "encode", "own_data", "reconstruct", "sample"]

PARTS = ("train", "validation", "test", "all")


class _Chosen(NamedTuple):
    X: Array
    labels: Array | None
    names: tuple[str, ...] | None
    part: str


def encode(name: str | None, out_: str | None, data: str | None, pairs: Sequence[str], part: str | None) -> None:
    """Write codes to .npy, or to .csv with a column per number, and the label where there is one."""
    run = find(name)
    path = _target(run, out_, "codes.npy", (".npy", ".csv"))
    chosen = _samples(run, data, pairs, part)
    Z = run.load().transform(chosen.X)
    if path.suffix == ".npy":
        _write_array(path, Z)
    else:
        columns = [f"code_{i + 1}" for i in range(Z.shape[1])]
        rows: list[list[Any]] = Z.tolist()
        if chosen.labels is not None:
            columns.append("label")
            for row, label in zip(rows, chosen.labels.tolist(), strict=True):
                row.append(label if chosen.names is None else chosen.names[int(label)])
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
        write_bytes(path, buffer.getvalue().encode())
    _say(f"{len(Z):,} codes of {Z.shape[1]} number{'s' if Z.shape[1] > 1 else ''} ({chosen.part} samples)", path)


def reconstruct(
    name: str | None, out_: str | None, index: str | None, data: str | None, pairs: Sequence[str], part: str | None
) -> None:
    """Rebuild samples: a picture of the first ones, or all numbers."""
    run = find(name)
    path = _target(run, out_, "reconstructed.png", (".png", ".npy"))
    chosen = _samples(run, data, pairs, part)
    X = _rows(chosen.X, index)
    rebuilt = run.load().reconstruct(X)
    if path.suffix == ".npy":
        _write_array(path, rebuilt)
    else:
        n = _shown(X, index)
        _write_picture(path, figures.compare({"original": X[:n], "reconstruction": rebuilt[:n]}))
    out().print(f"squared error {number(_error(X, rebuilt))} per sample, {len(X):,} {chosen.part} samples")
    _say("", path)


def sample(name: str | None, n: int, seed: int, sampler: str, out_: str | None) -> None:
    """Draw new samples."""
    run = find(name)
    path = _target(run, out_, "sampled.png", (".png", ".npy"))
    if seed < 0:
        raise ConfigError(f"sample: seed must be a whole number >= 0; got {seed}.")
    estimator = run.load()
    # Models saved without codes learn how they are spread from the run's own data.
    given = own_data(run, {}).train if sampler != "prior" and estimator.codes_ is None else None
    X = estimator.sample(n, seed, sampler, X=given)
    if path.suffix == ".npy":
        _write_array(path, X)
    else:
        # A few values below black would make all of it grey.
        _write_picture(path, figures.gallery(X.clip(0, 1) if estimator.pixels_ else X))
    _say(f"{n:,} samples, seed {seed}" + ("" if sampler == "prior" else f", codes by {sampler}"), path)


def _samples(run: Run, data: str | None, pairs: Sequence[str], part: str | None) -> _Chosen:
    """Return the samples that a command works on: of the run's own data, or of others."""
    if part is not None and part not in PARTS:
        raise ConfigError(f"--part must be one of {', '.join(PARTS)}; got {part!r}.{did_you_mean(part, PARTS)}")
    dataset = chosen_data(run, data, options_of(pairs))
    return _part(dataset, part or ("all" if data is not None and data not in DATASETS else None))


def chosen_data(run: Run, data: str | None, options: dict[str, Any]) -> Dataset:
    """Return the data set of that name or path; the run's own where there is none."""
    if data is None:
        return own_data(run, options)
    if data in DATASETS:
        return load_dataset(data, **options)
    return load_dataset(data, **{"shuffle": False, **options})  # parts in a row are the file's own order


def own_data(run: Run, options: dict[str, Any]) -> Dataset:
    """Return the data that a run was trained on, with other options where there are some; say so where they changed."""
    recorded = run.record["data"]
    dataset = load_dataset(recorded["name"], **{**recorded["options"], **options})
    if not options and dataset.sha256 != recorded["sha256"]:
        note(
            f"{recorded['name']} is not what the run was trained on: sha256 {dataset.sha256[:12]}..., "
            f"and {recorded['sha256'][:12]}... then"
        )
    return dataset


def _part(dataset: Dataset, part: str | None) -> _Chosen:
    if part == "all":
        splits = [dataset.split(name) for name in dataset.split_names]
        labels = [y for _, _, y in splits if y is not None]
        y = np.concatenate(labels) if len(labels) == len(splits) else None
        X = np.concatenate([X for _, X, _ in splits])
        return _Chosen(X, y, dataset.label_names, "all" if len(splits) > 1 else "")
    split = dataset.split(part or ("test" if dataset.test is not None else "train"))
    return _Chosen(split.X, split.y, dataset.label_names, split.name)


def _rows(X: Array, index: str | None) -> Array:
    if index is None:
        return X
    try:
        rows = [int(i) for i in index.split(",")]
    except ValueError:
        rows = [-1]
    if not all(0 <= i < len(X) for i in rows):
        raise ConfigError(f"--index must be whole numbers from 0 to {len(X) - 1}, such as 7 or 0,3,5; got {index!r}.")
    return X[rows]


def _shown(X: Array, index: str | None) -> int:
    """Return how many samples the picture shows: those asked for, or as many as there is room for."""
    return min(len(X), figures.room(X.shape[1:]) if index is None else 20)


def _unit(X: Array) -> Array:
    """Return samples on the model's scale: pixels in [0, 1]."""
    return X / np.float32(255) if X.dtype == np.uint8 else np.asarray(X, np.float32)


def _error(X: Array, rebuilt: Array) -> float:
    return float(np.square(_unit(X) - rebuilt, dtype=np.float64).sum() / len(X))


def _target(run: Run, path: str | None, default: str, endings: tuple[str, ...]) -> Path:
    found = run.folder / default if path is None else Path(path)
    if found.suffix.lower() not in endings:
        raise ConfigError(f"--out must end in {' or '.join(endings)}; got {str(found)!r}.")
    if found.parent.exists() and not found.parent.is_dir():
        raise ConfigError(f"--out must lie in a folder; got {str(found)!r}.")
    found.parent.mkdir(parents=True, exist_ok=True)
    return found


def _write_array(path: Path, X: Array) -> None:
    buffer = io.BytesIO()
    np.save(buffer, X, allow_pickle=False)
    write_bytes(path, buffer.getvalue())


def _write_picture(path: Path, picture: Any) -> None:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    write_bytes(path, buffer.getvalue())


def _say(what: str, path: Path) -> None:
    if what:
        out().print(what)
    out().print(str(path), soft_wrap=True, markup=False)
