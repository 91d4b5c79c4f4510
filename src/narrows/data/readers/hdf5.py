"""HDF5 files, those of AnnData and of MATLAB 7.3 among them; needs h5py."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from narrows.data.arrays import Array
from narrows.data.dataset import Dataset, RowIds, as_read
from narrows.data.readers.arrays import as_labels, as_samples, from_arrays
from narrows.data.readers.checks import check_expansion, needed, reading, unsound
from narrows.data.readers.roles import choose
from narrows.data.readers.sparse import matrix_of
from narrows.errors import ConfigError, did_you_mean


def read_hdf5(path: Path, *, variable: str | None = None, label: str | None = None, transpose: bool = False) -> Dataset:
    """Read samples from an HDF5 file, with the labels and the test and validation splits in it.

    Arrays are named by their path, such as `train/X`, or by its last part; which are recognised says `read_npz`.
    """
    h5py = needed("h5py", "hdf5", path)
    with reading(path), h5py.File(path, "r") as file:
        if any("pandas_type" in group.attrs for group in file.values() if group is not None):
            raise unsound(path, "hold plain arrays; got frames of pandas. Save them with to_parquet.")
        found = dict(_datasets(file, path))
        return _from_datasets(found, path, variable, label, transpose=transpose)


def read_mat73(
    path: Path, *, variable: str | None = None, label: str | None = None, transpose: bool = False
) -> Dataset:
    """Read samples from a MATLAB file of version 7.3, whose matrices lie in the file with their axes reversed."""
    h5py = needed("h5py", "hdf5", path)
    with reading(path), h5py.File(path, "r") as file:
        found = {name: item for name, item in _datasets(file, path) if item.attrs.get("MATLAB_class") != b"char"}
        turned = {name: _Reversed(item) for name, item in found.items()}
        return _from_datasets(turned, path, variable, label, transpose=transpose, images_last=not transpose)


def read_h5ad(path: Path, *, variable: str | None = None, label: str | None = None) -> Dataset:
    """Read the matrix of an AnnData file: cells are samples, the names of genes are columns, those of cells the ids.

    Parameters
    ----------
    path
        The file.
    variable
        Another matrix than X, such as layers/counts or obsm/X_pca.
    label
        Column of obs that holds the labels.
    """
    h5py = needed("h5py", "hdf5", path)
    with reading(path), h5py.File(path, "r") as file:
        name = variable or "X"
        if name not in file:
            known = [f"{group}/{key}" for group in ("layers", "obsm") if group in file for key in file[group]]
            raise ConfigError(
                f"load_dataset: variable must be one of {', '.join(['X', *known])} in {str(path)!r}; got {name!r}."
            )
        X = _matrix(file[name], path)
        obs, columns = file["obs"], _index(file["var"]) if "var" in file else None
        labels, names = None, None
        if label is not None:
            if label not in obs:
                known = [key for key in obs if not key.startswith("_")]
                raise ConfigError(
                    f"load_dataset: label must be a column of obs ({', '.join(known)}); got {label!r}."
                    f"{did_you_mean(label, known)}"
                )
            labels, names = as_labels(_obs_column(obs[label]), len(X), f"{label!r} in {path}")
        cells = _index(obs)
    ids = RowIds.numbered(len(X)) if cells is None else RowIds("cell", cells, np.arange(len(X)))
    named = columns is not None and len(columns) == X.shape[1]
    return as_read(
        X, train_labels=labels, label_names=names, source=str(path), row_ids={"train": ids},
        columns=tuple(columns.tolist()) if named and columns is not None else None,
    )  # fmt: skip


class _Reversed:
    """A dataset of MATLAB, whose axes are those of the matrix in reverse."""

    def __init__(self, item: Any) -> None:
        self.item = item
        self.shape = tuple(reversed(item.shape))

    def __getitem__(self, key: tuple[()]) -> Array:
        return np.asarray(self.item[()]).T


def _from_datasets(
    found: dict[str, Any], path: Path, variable: str | None, label: str | None, *, transpose: bool,
    images_last: bool = False,
) -> Dataset:  # fmt: skip
    if not found:
        raise unsound(path, "hold a numeric array; got none.")
    short = {name.rsplit("/", 1)[-1] for name in found}
    if len(short) == len(found):  # paths are needed only where the last parts are not enough
        keep = {variable, label} & found.keys()
        found = {name if name in keep else name.rsplit("/", 1)[-1]: item for name, item in found.items()}
    else:
        found = {
            name.replace("/", "_") if name not in (variable, label) else name: item for name, item in found.items()
        }
    wanted = choose({name: item.shape for name, item in found.items()}, variable, label, str(path))
    arrays = {role: _decoded(np.asarray(found[name][()])) for role, name in wanted.items()}
    if images_last and arrays["train"].ndim == 4:
        arrays = {role: np.moveaxis(a, 3, 0) if a.ndim == 4 else a for role, a in arrays.items()}
    return from_arrays(arrays, path, transpose=transpose)


def _datasets(group: Any, path: Path, before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield arrays of numbers and texts by their path; links to other files are not followed."""
    import h5py

    for name in group:
        if name.startswith("#") or not isinstance(group.get(name, getlink=True), h5py.HardLink):
            continue
        item = group[name]
        if isinstance(item, h5py.Group):
            yield from _datasets(item, path, f"{before}{name}/")
            continue
        if not isinstance(item, h5py.Dataset) or item.shape is None:
            continue
        text = h5py.check_string_dtype(item.dtype) is not None
        if not text and item.dtype.kind not in "buif":
            continue
        _check(item, path)
        yield f"{before}{name}", item


def _check(item: Any, path: Path) -> None:
    if item.external or item.is_virtual:
        raise unsound(path, "hold its arrays itself; got one that lies in another file.")
    check_expansion(f"{item.name!r} in {path}", path.stat().st_size, math.prod(item.shape) * item.dtype.itemsize)


def _decoded(values: Array) -> Array:
    if values.dtype.kind in "OS":
        return np.array([v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values.reshape(-1)])
    return values


def _matrix(item: Any, path: Path) -> Array:
    """Return a matrix of AnnData, which is an array, or a group that holds a sparse one."""
    import h5py

    if isinstance(item, h5py.Dataset):
        _check(item, path)
        return as_samples(item[()], f"{item.name!r} in {path}")
    kind = str(item.attrs.get("encoding-type", "csr_matrix"))[:3]
    shape = item.attrs["shape"] if "shape" in item.attrs else item.attrs["h5sparse_shape"]
    for name in ("data", "indices", "indptr"):
        _check(item[name], path)
    parts = {name: item[name][()] for name in ("data", "indices", "indptr")}
    return as_samples(matrix_of(kind, shape, parts, path), f"{item.name!r} in {path}")


def _index(frame: Any) -> Array | None:
    name = frame.attrs.get("_index", "_index")
    return _decoded(frame[name][()]) if name in frame else None


def _obs_column(item: Any) -> Array:
    import h5py

    if isinstance(item, h5py.Dataset):
        return _decoded(item[()])
    categories, codes = _decoded(item["categories"][()]).astype(str), item["codes"][()]
    return np.array([categories[code] if code >= 0 else "" for code in codes])
