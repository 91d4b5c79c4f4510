"""The data of a run: its own, found and loaded again, or others for its model."""

from __future__ import annotations

import hashlib
import math
import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from narrows.data import DATASETS, Dataset, load_dataset
from narrows.data.arrays import Array
from narrows.data.catalogue import load_like, options_for
from narrows.errors import ConfigError, DataError
from narrows.runs.folder import Run

OF_DIVISION = ("seed", "test", "validation", "limit", "shuffle", "labels")
"""Options of a run that say which rows are used: they do not hold for another file."""
OF_COLUMNS = ("label", "drop", "id", "columns", "split_column")
"""Options of columns, which are known by name once a run is trained."""


def place_of(name: str, run: Path) -> dict[str, str] | None:
    """Return where a file or folder of data is, from the run's folder and from the root; None for a named data set."""
    if name in DATASETS:
        return None
    file = Path(name).absolute()
    place = {"absolute": str(file)}
    try:
        place["relative"] = os.path.relpath(file, run.absolute())
    except ValueError:  # on another drive
        return place
    return place


def file_sha256(name: str) -> str | None:
    """Return the checksum of a file; None for a named data set or a folder."""
    if name in DATASETS or not Path(name).is_file():
        return None
    with Path(name).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def dataset_of(
    run: Run,
    data: str | None = None,
    options: Mapping[str, Any] | None = None,
    *,
    changed: Callable[[str], object] = warnings.warn,
) -> Dataset:
    """Return the data that a run was trained on, or other data for it.

    A run's own file is looked for where it was named, where it was from the run's folder, and where it was on the disk.
    The rows of another file are all taken, in its order, and read as the run's were: its columns are put in the order
    of the model's.

    Parameters
    ----------
    run
        What the data are for.
    data
        The name of another data set or a path; None for the run's own.
    options
        Options of `load_dataset`: they are added to those of the run's own data, and replace equal ones.
    changed
        Called with a sentence where the run's own data are not what they were when it was trained.

    Raises
    ------
    DataError
        The run's own data are nowhere; or a column of the model is missing among others, or there is one more.
    """
    if data is not None:
        return _for_model(run, data, dict(options or {}))
    return own_data(run, options, changed=changed)


def own_data(
    run: Run,
    options: Mapping[str, Any] | None = None,
    *,
    path: str | None = None,
    changed: Callable[[str], object] = warnings.warn,
) -> Dataset:
    """Return the data that a run was trained on; see `dataset_of`.

    `path` is where they are now, if that is known.
    """
    recorded = run.record["data"]
    name = path or _found(run)
    dataset = load_dataset(name, **{**recorded["options"], **(options or {})})
    before, now = recorded["sha256"], dataset.sha256
    if not options and before != now:
        changed(f"{name} is not what the run was trained on: sha256 was {before[:12]}... and is {now[:12]}...")
    return dataset


def with_new_rows(
    run: Run, data: str, options: Mapping[str, Any] | None = None, *, changed: Callable[[str], object] = warnings.warn
) -> Dataset:
    """Return a run's own data in which the rows of another file are the test split, for measures beside PCA.

    Of a data set with a test split it is that split.
    """
    own, other = own_data(run, changed=changed), dataset_of(run, data, options)
    split = "test" if data in DATASETS and other.test is not None else "all"
    _, X, y = other.split(split)
    if other.label_names != own.label_names:
        y = None  # there are classes that training had not
    return replace(
        own, name=other.name, test=X, test_labels=y, row_ids={**own.row_ids, "test": other.ids(split)},
        splits={**own.splits, "test": len(X)},
    )  # fmt: skip


def training_data(
    run: Run,
    data: str | None = None,
    options: Mapping[str, Any] | None = None,
    *,
    changed: Callable[[str], object] = warnings.warn,
) -> Dataset:
    """Return the data to train a run's model further: its own, or others in its columns, divided anew.

    What `load_dataset` is given is in the `options` of the result, so that the same data can be loaded again.
    """
    given = dict(options or {})
    if data is None:
        return own_data(run, given, changed=changed)
    if data in DATASETS:
        return load_dataset(data, **given)
    taken = options_for(data)
    form = {name: value for name, value in _form(run).items() if name in taken and name not in OF_DIVISION}
    try:
        dataset = load_dataset(data, **{**form, **given})
    except (ConfigError, DataError):  # the labels, or what was left out, may be missing here
        form = {name: value for name, value in form.items() if name not in OF_COLUMNS}
        dataset = load_dataset(data, **{**form, **given})
    columns = _columns(run)
    if columns is None or dataset.columns is None or list(dataset.columns) == columns:
        return dataset
    missing = [repr(name) for name in columns if name not in dataset.columns]
    extra = [repr(name) for name in dataset.columns if name not in columns]
    if missing or extra:
        parts = [f"{', '.join(names[:10])} {what}" for names, what in ((missing, "missing"), (extra, "new")) if names]
        advice = "" if missing else " Leave out what is no feature, by --drop."
        raise DataError(f"{data}: columns must be those of {run.name}; {'; '.join(parts)}.{advice}")
    return load_dataset(data, **{**form, **given, "columns": columns})


def form_of(run: Run) -> dict[str, Any]:
    """Return the options that other data for a run are read with."""
    return {name: value for name, value in _form(run).items() if name not in OF_DIVISION + OF_COLUMNS}


def _form(run: Run) -> dict[str, Any]:
    """Return the options that a run's data were read with, and those that bring pictures to the size of the model's."""
    recorded, schema = run.record["data"], run.schema
    form = {} if recorded["name"] in DATASETS else dict(recorded["options"])
    if schema is not None and schema.kind == "images":
        channels, height, width = schema.sample_shape
        form |= {"size": f"{height}x{width}", "mode": "rgb" if channels == 3 else "grey"}
    return form


def _columns(run: Run) -> list[str] | None:
    """Return the names of a model's features; None where they have none."""
    columns, schema = run.record["data"].get("columns"), run.schema
    return columns or (None if schema is None or schema.columns is None else list(schema.columns))


def _found(run: Run) -> str:
    """Return the path of a run's own data, or their name; DataError where they are nowhere."""
    recorded = run.record["data"]
    name, place, checksum = recorded["name"], recorded.get("place"), recorded.get("file_sha256")
    if name in DATASETS or place is None:
        return str(name)
    paths = [Path(name), *([run.folder / place["relative"]] if "relative" in place else []), Path(place["absolute"])]
    there = [path for path in paths if path.exists()]
    for path in there[:-1]:  # a file of the same name elsewhere may be another one
        if checksum is None or file_sha256(str(path)) == checksum:
            return str(path)
    if there:
        return str(there[0] if len(there) == 1 or file_sha256(str(there[-1])) != checksum else there[-1])
    what = f"the file with sha256 {checksum}" if checksum else f"{place['absolute']}"
    raise DataError(
        f"{run.name}: its data must be where they were, {place['absolute']}; nothing is there. Put {what} there, or "
        "say where it is: --data PATH."
    )


def _for_model(run: Run, data: str, options: dict[str, Any]) -> Dataset:
    if data in DATASETS:
        return load_dataset(data, **options)
    recorded = run.record["data"]
    form = form_of(run)
    columns, others = _columns(run), recorded.get("other_columns") or {}
    shape = recorded["sample_shape"][-1:] if "window" in form else recorded["sample_shape"]
    dataset = load_like(data, columns, others, {**form, **options}, size=math.prod(shape))
    return _with_classes(run, dataset)


def _with_classes(run: Run, dataset: Dataset) -> Dataset:
    """Return other data whose classes have the numbers that they have in a run's own."""
    names, own = dataset.label_names, run.record["data"].get("label_names")
    if names is None or own is None:
        return dataset
    table, names = class_numbers(run, names, dataset.name)
    if names == dataset.label_names:
        return dataset
    labels: dict[str, Any] = {
        f"{split}_labels": None if (y := dataset.split(split).y) is None else table[y.astype(np.int64)]
        for split in dataset.split_names
    }
    return replace(dataset, label_names=names, **labels)


def class_numbers(run: Run, names: tuple[str, ...], data: str) -> tuple[Array, tuple[str, ...]]:
    """Return the numbers that classes of other data have in a run's own, and the names of these.

    Where there are classes that the run has not, and its model takes none, they keep their own.

    Raises
    ------
    DataError
        The model takes classes, and there are some that it does not know.
    """
    own, kept = run.record["data"].get("label_names"), (np.arange(len(names)), names)
    if own is None:
        return kept
    numbers = {name: number for number, name in enumerate(own)}
    new = [name for name in names if name not in numbers]
    if new and run.record["parameters"].get("condition") is None:
        return kept  # they are carried along, and enter nothing
    if new:
        raise DataError(f"{data}: labels must be classes of training; got {', '.join(map(repr, new[:10]))}.")
    return np.array([numbers[name] for name in names], np.int64), tuple(own)
