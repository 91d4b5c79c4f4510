"""Classes by name or number."""

from __future__ import annotations

import numpy as np

from narrows.data import Dataset
from narrows.data.arrays import Array
from narrows.errors import ConfigError, did_you_mean

MOST_FREQUENT = "most frequent"
"""The class with the most samples, whatever its name."""


def class_of(dataset: Dataset, labels: Array | None, name: str, owner: str) -> tuple[int, str]:
    """Return the number of a class and its name, given either; case does not matter, and _ stands for a space.

    "most frequent" is the class with the most samples.

    Raises
    ------
    ConfigError
        There are no classes, none of that name, or no sample of it among `labels`.
    """
    if labels is None or labels.dtype.kind == "f":
        raise ConfigError(f"{owner} must go with data that have classes; got {name!r} for {dataset.name!r}, without.")
    classes, counts = np.unique(labels, return_counts=True)
    numbers = [int(c) for c in classes]
    names = {c: str(c) if dataset.label_names is None else dataset.label_names[c] for c in numbers}
    keys = {str(c): c for c in numbers} | {_normalised(text): c for c, text in names.items()}
    code = numbers[int(counts.argmax())] if name == MOST_FREQUENT else keys.get(_normalised(name))
    if code is None:
        known = list(names.values())
        choices = f"one of {', '.join(known)}" if len(known) <= 12 else f"one of the {len(known):,} classes"
        raise ConfigError(f"{owner} must be {choices}; got {name!r}.{did_you_mean(name, known)}")
    return code, names[code]


def _normalised(name: str) -> str:
    return name.strip().lower().replace(" ", "_")
