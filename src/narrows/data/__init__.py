"""Data sets by name or from files, as one frozen `Dataset`.

dataset    Dataset, its splits, and what readers return
splits     dividing rows
options    checks of options
catalogue  load_dataset, DATASETS
builtin    inside other packages or drawn: mnist-5k, digits, cloud, arc
factors    rendered from known factors: shapes
published  mnist, fashion-mnist, binarized-mnist, lfw
celeba     celeba
folders    where data sets lie
download   fetching one file
alike      rows of another file for the columns of a data set
labels     labels in a second file
windows    windows of rows in the order of time
readers    files: tables, arrays, images, and folders of them

What is named here is loaded when it is first used: the command line reads the options alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from narrows.data.catalogue import DATASETS, Entry, load_dataset
    from narrows.data.dataset import Dataset, RowIds, Split
    from narrows.data.folders import cache_folder
    from narrows.data.splits import split_rows

__all__ = ["DATASETS", "Dataset", "Entry", "RowIds", "Split", "cache_folder", "load_dataset", "split_rows"]

_MODULES = {
    "DATASETS": "catalogue", "Entry": "catalogue", "load_dataset": "catalogue", "Dataset": "dataset",
    "RowIds": "dataset", "Split": "dataset", "cache_folder": "folders", "split_rows": "splits",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _MODULES:
        raise AttributeError(f"module 'narrows.data' has no attribute {name!r}")
    return getattr(import_module(f"narrows.data.{_MODULES[name]}"), name)
