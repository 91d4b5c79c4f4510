"""A saved model back into an estimator: JSON and safetensors in, nothing is executed.

The files may come from anybody. Each value is checked before it is used, and the sizes that the record asks for are
compared with the tensors that are there before any of them is allocated.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from narrows.errors import ConfigError, FormatError, did_you_mean
from narrows.estimators import ESTIMATORS
from narrows.estimators.base import FORMAT, Array, Autoencoder
from narrows.params import fields, validate
from narrows.storage.form import check_form
from narrows.storage.record import read_record, tensor_path
from narrows.storage.tensors import read_tensors
from narrows.training import EPOCH

__all__ = ["described_model", "load_model"]

LONGEST = 100
"""Characters that a field may have: it names something, and is never a path, an address or code."""
MOST_LAYERS = 1000


def load_model(folder: str | Path, **objects: Any) -> Autoencoder:
    """Return the estimator that `save` wrote to a folder.

    Parameters
    ----------
    folder
        Holds `model.json`, and the tensors that it names.
    objects
        Fields that were one's own objects (a network, a likelihood), which no file holds.

    Raises
    ------
    FormatError
        The folder does not hold a sound model of a format that this version knows.
    ConfigError
        A field has a value that it may not have.
    """
    path = Path(folder) / "model.json"
    record = read_record(path)
    while True:
        try:
            return _restored(path, record, objects)
        except FormatError:
            newer = read_record(path)
            if newer == record:
                raise
            record = newer  # it was saved anew while it was read


def _restored(path: Path, record: dict[str, Any], objects: dict[str, Any]) -> Autoencoder:
    _check(path, record)
    estimator = described_model(path, record, objects)
    own = estimator.get_params(deep=False)["latent_dim"]
    if own not in (None, record["latent_dim"]):
        raise FormatError(f"{path}: latent_dim must be {own}, as in fields; got {record['latent_dim']}.")
    read = partial(_finite_tensors, tensor_path(path, record), record["tensors"])
    try:
        return estimator.restore(record, read)
    except (FormatError, ConfigError):
        raise
    except (RuntimeError, ValueError, TypeError, ArithmeticError, MemoryError) as error:
        # What torch says of sizes whose product overflows, and the like.
        raise FormatError(f"{path}: must describe a module that can be built; {_short(error)}.") from error


def described_model(path: Path, record: dict[str, Any], objects: dict[str, Any]) -> Autoencoder:
    """Return the estimator, not fitted, that the "model" and "fields" of a record describe.

    Parameters
    ----------
    path
        Of the record, for messages.
    record
        Of a model or a run.
    objects
        Fields that were one's own objects, which no file holds.

    Raises
    ------
    FormatError, ConfigError
        It describes none.
    """
    name, described = record.get("model"), record.get("fields")
    if not isinstance(name, str) or name not in ESTIMATORS:
        hint = did_you_mean(str(name)[:LONGEST], ESTIMATORS)
        raise FormatError(f"{path}: model must be one of {', '.join(ESTIMATORS)}; got {_short(name)}.{hint}")
    if not isinstance(described, dict):
        raise FormatError(f"{path}: fields must be an object; got {_short(described)}. The file was changed.")
    cls = ESTIMATORS[name]
    known = {field.name for field in fields(cls)}
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in described.items()}
    for key in [*values, *objects]:
        if key not in known:
            raise FormatError(f"{path}: {cls.__name__} has no field {_short(key)}.{did_you_mean(key, known)}")
    for key, value in values.items():
        _check_field(path, key, value, given=key in objects)
    estimator = cls(**{**values, **objects})
    validate(estimator)
    return estimator


def _finite_tensors(path: Path, sha256: str, expected: dict[str, tuple[Any, ...]]) -> dict[str, Array]:
    tensors = read_tensors(path, expected, sha256)
    for name, array in tensors.items():
        if not np.isfinite(array).all():
            raise FormatError(f"{path}: {name!r} must hold finite numbers; it holds nan or infinity.")
    return tensors


def _check(path: Path, record: dict[str, Any]) -> None:
    """Check everything but the fields."""
    needed = {"format", "model", "fields", "sample_shape", "latent_dim", "pixels", "history"}
    if missing := needed - record.keys():
        raise FormatError(f"{path}: must hold {', '.join(sorted(missing))}; it does not. Is it a narrows model?")
    if _not_whole(record["format"]) or record["format"] != FORMAT:
        raise FormatError(f"{path}: format must be {FORMAT}; got {_short(record['format'])}. Update narrows.")

    def must(condition: bool, key: str, constraint: str) -> None:
        if not condition:
            raise FormatError(f"{path}: {key} must be {constraint}; got {_short(record[key])}. The file was changed.")

    shape, names, history = record["sample_shape"], record.get("feature_names"), record["history"]
    must(
        isinstance(shape, list) and 1 <= len(shape) <= 3 and not any(_not_whole(n) or n < 1 for n in shape),
        "sample_shape", "one to three whole numbers >= 1",
    )  # fmt: skip
    must(not _not_whole(record["latent_dim"]) and record["latent_dim"] >= 1, "latent_dim", "a whole number >= 1")
    must(isinstance(record["pixels"], bool), "pixels", "true or false")
    check_form(history, [EPOCH], path, "history")
    if "codes" in record:
        must(not _not_whole(record["codes"]) and record["codes"] >= 0, "codes", "a whole number >= 0")
    if names is not None:
        must(
            isinstance(names, list) and [len(names)] == shape and all(isinstance(n, str) for n in names),
            "feature_names", "a name for every feature",
        )  # fmt: skip


def _check_field(path: Path, name: str, value: Any, *, given: bool) -> None:
    if isinstance(value, dict) and not given:
        raise FormatError(
            f"{path}: {name} was an object of one's own ({_short(value.get('object'))}); no file holds it. "
            f"Give it again: load(folder, {name}=...)."
        )
    if isinstance(value, str) and (len(value) > LONGEST or any(mark in value for mark in "/\\\0")):
        raise FormatError(f"{path}: {name} must be a name, not a path or an address; got {_short(value)}.")
    if isinstance(value, tuple) and len(value) > MOST_LAYERS:
        raise FormatError(f"{path}: {name} must have at most {MOST_LAYERS} entries; got {len(value)}.")


def _not_whole(value: Any) -> bool:
    return not isinstance(value, int) or isinstance(value, bool)


def _short(value: Any) -> str:
    text = repr(value) if not isinstance(value, Exception) else str(value).partition("\n")[0]
    return text if len(text) <= LONGEST else text[:LONGEST] + "..."
