"""A fitted estimator as files: JSON and safetensors."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch

from narrows.components import AXES, Component, to_record
from narrows.data.arrays import Arrays
from narrows.errors import ConfigError
from narrows.module import Module
from narrows.params import Param, fields
from narrows.storage.record import write_record
from narrows.training import fingerprint
from narrows.training.arrays import as_array

FORMAT = 2
"""Version of the saved model's layout."""
CODES, SCHEMA = "training.codes", "schema."
"""Names of tensors beside the module's; no module can hold a part of this name."""


def estimator_name(estimator: Any) -> str:
    """Return the name of an estimator's class in files.

    Raises
    ------
    ConfigError
        It has none, so that no file could be loaded again.
    """
    kind = type(estimator)
    name = AXES["estimator"].name_of(estimator)
    if name is None:
        raise ConfigError(
            f"{kind.__name__}: save must be of an estimator that has a name in files; this class has none. Register "
            f"it here and where it is loaded: narrows.register({kind.__name__})."
        )
    return name


def describe(estimator: Any, field: Param) -> Any:
    """Return a parameter as JSON holds it: plain values, components by name, and a user's own objects by their text.

    Such an object has to be given again to `narrows.load`.
    """
    return _described(getattr(estimator, field.name), field.axis)


def describe_all(estimator: Any) -> dict[str, Any]:
    """Return all parameters as JSON holds them, but for what `fit` shows of itself."""
    return {field.name: describe(estimator, field) for field in fields(estimator) if field.name != "verbose"}


def training_identity(estimator: Any, data: Arrays, validation: Arrays | None, module: Module) -> dict[str, Any]:
    """Return what must be the same for training to resume, and what should be."""
    from narrows import __version__

    return {
        "model": type(estimator).__name__,
        "parameters": {name: value for name, value in describe_all(estimator).items() if name != "device"},
        "data": {name: fingerprint(a) for name, a in data._asdict().items() if a is not None},
        "schema": {name: fingerprint(a) for name, a in estimator.schema_.tensors().items()},
        "validation": None
        if validation is None
        else {name: fingerprint(a) for name, a in validation._asdict().items() if a is not None},
        "versions": {"narrows": __version__, "torch": torch.__version__, "numpy": np.__version__},
        "device": str(module.device),
        "threads": torch.get_num_threads(),
    }


def _described(value: Any, axis: str | None) -> Any:
    if value is None or isinstance(value, bool | int | float | str | np.generic):
        return value
    if isinstance(value, Component) and axis is not None and (record := to_record(value)) is not None:
        return record
    if isinstance(value, dict) and all(isinstance(v, str) for v in value.values()):
        return {str(name): v for name, v in value.items()}
    if isinstance(value, tuple | list) and all(isinstance(v, int | float | str | Component) for v in value):
        return [_described(v, axis) for v in value]
    return {"object": re.sub(" at 0x[0-9a-f]+", "", repr(value))[:100]}


def save_model(estimator: Any, folder: Path) -> Path:
    """Write a fitted estimator to a folder, and return the folder."""
    from narrows import __version__

    name = estimator_name(estimator)
    folder.mkdir(parents=True, exist_ok=True)
    names = getattr(estimator, "feature_names_in_", None)
    codes = estimator.codes_
    record = {
        "format": FORMAT,
        "model": name,
        "parameters": describe_all(estimator),
        "schema": estimator.schema_.record(),
        "feature_names": None if names is None else list(names),
        "codes": 0 if codes is None else len(codes),
        "narrows": __version__,
    }
    tensors: dict[str, Any] = {name: as_array(t) for name, t in estimator.module_.state_dict().items()}
    tensors |= {SCHEMA + name: array for name, array in estimator.schema_.tensors().items()}
    if record["codes"]:
        tensors[CODES] = codes
    write_record(folder / "model.json", record, tensors, estimator.history_)
    return folder
