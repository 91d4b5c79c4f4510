"""What is written down of a training before it begins: model, data, command, versions."""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from narrows import __version__
from narrows.data import Dataset
from narrows.estimators.base import Autoencoder
from narrows.estimators.persistence import describe_all, estimator_name
from narrows.runs.dataset import file_sha256, place_of
from narrows.storage.process import launcher

MOST_NAMES = 1000
"""Names of classes that are written down."""


def description_of(
    estimator: Autoencoder, dataset: Dataset, folder: Path, command: Sequence[str] | None
) -> dict[str, Any]:
    """Return the first entries of run.json; the status and the process are added where the folder is made."""
    import sklearn

    return {
        "model": estimator_name(estimator),
        "parameters": describe_all(estimator),
        "seed": getattr(estimator, "seed", None),
        "data": {
            "name": dataset.name,
            "options": dict(dataset.options),
            "sha256": dataset.sha256,
            "source": dataset.source,
            "licence": dataset.licence,
            "splits": dict(dataset.splits),
            "sample_shape": dataset.sample_shape,
            "place": place_of(dataset.name, folder),
            "file_sha256": file_sha256(dataset.name),
            "columns": dataset.columns,
            "other_columns": dict(dataset.other_columns),
            "label_names": dataset.label_names if len(dataset.label_names or ()) <= MOST_NAMES else None,
        },
        "command": list(command or sys.argv),
        "launcher": launcher(),
        "started": now(),
        "versions": {
            "narrows": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
            "python": platform.python_version(),
        },
        "platform": platform.platform(),
        "threads": torch.get_num_threads(),
    }


def now() -> str:
    """Return the time as run.json has it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
