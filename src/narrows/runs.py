"""The run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from narrows.base import Autoencoder
from narrows.models.saved import load_model

__all__ = ["load"]


def load(folder: str | Path, **objects: Any) -> Autoencoder:
    """Return the fitted estimator of a run or of a saved model."""
    folder = Path(folder)
    inner = folder / "model"
    return load_model(inner if (inner / "model.json").exists() else folder, **objects)
