"""The estimator of a run, of a saved model, or of a repository on the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from narrows.estimators.base import Autoencoder
from narrows.estimators.loading import load_model
from narrows.storage.hub import fetch, is_address


def load(folder: str | Path, **objects: Any) -> Autoencoder:
    """Return the fitted estimator of a run or of a saved model.

    Parameters
    ----------
    folder
        A run's folder, the one that `save` wrote, or `hf://user/name` on the Hugging Face Hub (extra `hub`), with
        `@revision` for a branch, a tag or a commit.
    objects
        Parameters that were objects of your own (a network, a likelihood), which no file holds.

    Raises
    ------
    FormatError
        The folder does not hold a sound model.
    DownloadError
        There is no such repository, it may not be read, or the hub cannot be reached.
    """
    folder = fetch(str(folder)) if is_address(folder) else Path(folder)
    model = folder / "model"
    return load_model(model if (model / "model.json").exists() or (folder / "run.json").exists() else folder, **objects)
