"""Tables of which a column says what each row is for: training, validation or testing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from narrows.data.dataset import Dataset, as_read
from narrows.data.readers.columns import Column
from narrows.data.readers.remarks import listed
from narrows.errors import DataError

_SPLITS = {
    "train": "train", "training": "train", "tr": "train", "validation": "validation", "valid": "validation",
    "val": "validation", "dev": "validation", "test": "test", "testing": "test", "holdout": "test",
}  # fmt: skip


def divided(data: Dataset, column: Column, path: Path) -> Dataset:
    """Return a data set whose rows are divided by what a column says of each."""
    values = [
        str(int(v)) if isinstance(v, float) and v == v else str(v).strip().lower() for v in column.values.tolist()
    ]
    known = dict(_SPLITS)
    if set(values) <= {"0", "1", "2"}:  # CelebA's numbers; of two, the column's name says which is which
        lone = "test" if "2" not in values and "val" not in column.name.lower() else "validation"
        known = {"0": "train", "1": lone, "2": "test"}
        if column.name.lower() in ("train", "is_train", "training"):
            known = {"0": "test", "1": "train"}
    if unknown := sorted(set(values) - known.keys()):
        raise DataError(
            f"load_dataset: split_column must say train, validation or test in every row; got {listed(unknown)} in "
            f"{column.name!r} of {str(path)!r}. Choose another column."
        )
    splits = np.array([known[value] for value in values])
    if "train" not in splits:
        raise DataError(f"load_dataset: {column.name!r} of {str(path)!r} must name training rows; got none.")
    ids, parts = data.ids("train"), dict[str, Any](label_names=data.label_names, columns=data.columns)
    rows = {split: np.flatnonzero(splits == split) for split in ("train", "validation", "test")}
    for split, chosen in rows.items():
        if len(chosen):
            labels = None if data.train_labels is None else data.train_labels[chosen]
            parts |= {split: data.train[chosen], f"{split}_labels": labels}
    return as_read(
        **parts, source=data.source, how=f"by column {column.name!r}", notes=data.notes, ordered=data.ordered,
        row_ids={split: ids.take(chosen) for split, chosen in rows.items() if len(chosen)},
        other_columns=data.other_columns,
    )  # fmt: skip
