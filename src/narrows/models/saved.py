"""A saved model back into an estimator: JSON and safetensors in, nothing is executed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from narrows.base import FORMAT, Autoencoder
from narrows.errors import FormatError, did_you_mean
from narrows.models import MODELS
from narrows.params import fields, validate
from narrows.storage import read_json, read_tensors

__all__ = ["load_model"]


def load_model(folder: str | Path, **objects: Any) -> Autoencoder:
    """Return the estimator that `save` wrote to a folder.

    Parameters
    ----------
    folder
        Holds `model.json` and `weights.safetensors`.
    objects
        Fields that were one's own objects (a network, a likelihood), which no file holds.

    Raises
    ------
    FormatError
        The folder does not hold a sound model of a format that this version knows.
    ConfigError
        A field has a value that it may not have.
    """
    folder = Path(folder)
    path = folder / "model.json"
    record = read_json(path)
    missing = {"format", "model", "fields", "sample_shape", "latent_dim", "pixels", "history"} - record.keys()
    if missing:
        raise FormatError(f"{path}: must hold {', '.join(sorted(missing))}; it does not. Is it a narrows model?")
    if record["format"] != FORMAT:
        raise FormatError(f"{path}: format must be {FORMAT}; got {record['format']!r}. Update narrows.")
    if record["model"] not in MODELS:
        known = ", ".join(MODELS)
        hint = did_you_mean(record["model"], MODELS)
        raise FormatError(f"{path}: model must be one of {known}; got {record['model']!r}.{hint}")
    cls = MODELS[record["model"]]
    known_fields = {field.name for field in fields(cls)}
    values = dict(record["fields"])
    for name in [*values, *objects]:
        if name not in known_fields:
            raise FormatError(f"{path}: {cls.__name__} has no field {name!r}.{did_you_mean(name, known_fields)}")
    values.update(objects)
    for name, value in values.items():
        if isinstance(value, dict):
            raise FormatError(
                f"{path}: {name} was an object of one's own ({value.get('object')}); no file holds it. "
                f"Give it again: load(folder, {name}=...)."
            )
        if isinstance(value, list):
            values[name] = tuple(value)
    estimator = cls(**values)
    validate(estimator)
    return estimator.restore(record, read_tensors(folder / "weights.safetensors"))
