"""The data of a run: its own, loaded again, or others for its model."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

from narrows.data import DATASETS, Dataset, load_dataset
from narrows.runs.folder import Run


def dataset_of(
    run: Run,
    data: str | None = None,
    options: Mapping[str, Any] | None = None,
    *,
    changed: Callable[[str], object] = warnings.warn,
) -> Dataset:
    """Return the data that a run was trained on, or other data for it.

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
    """
    options = dict(options or {})
    if data is not None:
        in_order = {} if data in DATASETS else {"shuffle": False}  # rows of a file keep its order
        return load_dataset(data, **{**in_order, **options})
    recorded = run.record["data"]
    dataset = load_dataset(recorded["name"], **{**recorded["options"], **options})
    before, now = recorded["sha256"], dataset.sha256
    if not options and before != now:
        changed(
            f"{recorded['name']} is not what the run was trained on: sha256 was {before[:12]}... and is {now[:12]}..."
        )
    return dataset
