"""Files back into an estimator: JSON and safetensors in, nothing is executed.

The files may come from anybody. Each value is checked before it is used, and the sizes that the record asks for are
compared with the tensors that are there before any of them is allocated.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from narrows.components import from_record, resolve_all
from narrows.data.learning import KINDS
from narrows.data.schema import FORM, Schema
from narrows.errors import ConfigError, FormatError, did_you_mean
from narrows.estimators import ESTIMATORS
from narrows.estimators.base import Autoencoder
from narrows.estimators.device import device_of
from narrows.estimators.persistence import CODES, FORMAT, SCHEMA
from narrows.params import Param, fields, validate
from narrows.rng import Seeded
from narrows.storage.form import check_form
from narrows.storage.lines import read_lines
from narrows.storage.record import lines_path, read_record, tensor_path
from narrows.storage.tensors import read_tensors
from narrows.training import EPOCH
from narrows.training.arrays import dtype_of

LONGEST = 100
"""Characters that a parameter may have: it names something, and is never a path, an address or code."""
MOST_VALUES = 1000
RECORD = {
    "format": int, "model": str, "parameters": dict, "schema": FORM, "feature_names": ([str], type(None)), "codes": int,
}  # fmt: skip
"""The form of model.json (see `narrows.storage`)."""
DTYPES = ("bool", "float16", "float32", "float64", *(f"{u}int{bits}" for u in ("", "u") for bits in (8, 16, 32, 64)))
"""Types that data may have had."""


def load_model(folder: str | Path, **objects: Any) -> Autoencoder:
    """Return the estimator that `save` wrote to a folder.

    Parameters
    ----------
    folder
        Holds `model.json`, and the tensors that it names.
    objects
        Parameters that were a user's own objects (a network, a likelihood), which no file holds.

    Raises
    ------
    FormatError
        The folder does not hold a sound model of a format that this version knows.
    ConfigError
        A parameter has a value that it may not have.
    """
    path = Path(folder) / "model.json"
    while True:
        before = _written(path)
        try:
            return _restored(path, read_record(path), objects)
        except FormatError:
            if _written(path) == before:
                raise
            # It was saved anew while it was read. The content does not tell: the same model may be saved again.


def _written(path: Path) -> tuple[int, int] | None:
    """Return what changes whenever a file is replaced; None where there is none."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_ino, status.st_mtime_ns


def read_schema(folder: Path) -> Schema:
    """Return the schema of a saved model, without offset and factor.

    Raises
    ------
    FormatError
        The folder holds no sound record of a model.
    """
    path = folder / "model.json"
    record = read_record(path)
    check_form(record.get("schema"), FORM, path, "schema")
    return _schema(path, record["schema"])


def _restored(path: Path, record: dict[str, Any], objects: dict[str, Any]) -> Autoencoder:
    missing = {name for name in RECORD if name not in record}
    if missing:
        raise FormatError(f"{path}: must hold {', '.join(sorted(missing))}; it does not. Is it a narrows model?")
    if type(record["format"]) is not int or record["format"] != FORMAT:
        raise FormatError(f"{path}: format must be {FORMAT}; got {_short(record['format'])}. Train the model anew.")
    check_form(record, RECORD, path, "model")
    schema = _schema(path, record["schema"])
    names = record["feature_names"]
    if names is not None and [len(names)] != ([schema.n_columns] if schema.types else list(schema.shape)):
        raise FormatError(f"{path}: feature_names must be a name for every feature; got {len(names)}.")
    estimator = described_estimator(path, record, objects)
    try:
        _fill(path, record, estimator, schema)
    except (FormatError, ConfigError):
        raise
    except (RuntimeError, ValueError, TypeError, ArithmeticError, MemoryError) as error:
        # What torch says of sizes whose product overflows, and the like.
        raise FormatError(f"{path}: must describe a module that can be built; {_short(error)}.") from error
    return estimator


def _schema(path: Path, record: dict[str, Any]) -> Schema:
    """Return the schema without offset and factor, which are among the tensors."""
    if unknown := sorted(record.keys() - {name.removesuffix("?") for name in FORM}):
        raise FormatError(f"{path}: schema must have no {_short(unknown[0])}. The file was changed.")
    schema = Schema.from_record(record, {})
    free = schema.shape[:1] == (None,)
    sizes = [n for n in schema.shape[free:] if n is None or n < 1]
    scaled = schema.scale in ("standard", "minmax") or isinstance(schema.scale, float | int)
    sound = (
        1 <= len(schema.shape) <= 3 and not sizes and schema.kind == KINDS[len(schema.shape)]
        and free == (schema.steps is not None) and (schema.kind == "sequences" or not free)
        and (schema.steps is None or schema.steps >= 1) and schema.rows >= 1 and schema.label_values >= 0
        and (scaled or schema.scale in ("pixels", None))
        and (schema.columns is None or schema.shape == (len(schema.columns),))
        and (schema.dtypes is None) == (schema.frame is None) and schema.dtype in DTYPES
        and schema.axes in (None, "NHWC", "NHW") and (schema.axes is None or schema.kind == "images")
        and all(pattern[:1] >= (1,) and all(0 <= at < len(schema.features) for at in pattern[1:])
                for pattern in schema.gaps)
        and (schema.limits is None or (len(schema.limits) == 2 and schema.limits[0] <= schema.limits[1]))
    )  # fmt: skip
    if not sound:
        raise FormatError(f"{path}: schema must describe samples; got {_short(record)}. The file was changed.")
    return schema


def _fill(path: Path, record: dict[str, Any], estimator: Autoencoder, schema: Schema) -> None:
    """Read the tensors that the module needs, and make the estimator a fitted one."""
    with torch.device("meta"):  # names, shapes and types, before anything of their size is allocated
        planned = estimator.build(schema)
    wanted = {name: (dtype_of(t), tuple(t.shape)) for name, t in planned.state_dict().items()}
    if schema.scale not in ("pixels", None):
        features = schema.shape[0] if schema.kind == "images" else schema.shape[-1]
        wanted |= {SCHEMA + name: (np.dtype(np.float64), (features,)) for name in ("offset", "factor")}
    if record["codes"] > 0:
        kind = estimator.computing_dtype if planned.code.continuous else np.dtype(np.int64)
        wanted[CODES] = (kind, (record["codes"], *planned.code.shape))
    tensors = read_tensors(tensor_path(path, record), wanted, record["tensors"])
    for name, array in tensors.items():
        if not np.isfinite(array).all() or (name == SCHEMA + "factor" and (array <= 0).any()):
            raise FormatError(f"{path}: {name!r} must hold finite numbers, and a factor > 0; it holds others.")
    scaling: dict[str, Any] = {
        name: tensors.pop(SCHEMA + name) for name in ("offset", "factor") if SCHEMA + name in tensors
    }
    schema = replace(schema, **scaling)
    history = read_lines(lines_path(path, record), sha256=record["lines"])
    check_form(history, [EPOCH], path, "history")
    codes = tensors.pop(CODES, None)
    with Seeded(0):
        module = estimator.build(schema).eval()
    module.load_state_dict({name: torch.from_numpy(array) for name, array in tensors.items()})
    names = record["feature_names"]
    estimator.__dict__.update(
        module_=module.to(device_of(estimator.get_params(deep=False).get("device", "cpu"), strict=False)),
        schema_=schema, history_=history, latent_dim_=estimator.latent_size(schema),
        n_features_in_=schema.n_columns, codes_=codes, _densities={},
        **({} if names is None else {"feature_names_in_": np.array(names, dtype=object)}),
    )  # fmt: skip


def described_estimator(path: Path, record: dict[str, Any], objects: dict[str, Any]) -> Autoencoder:
    """Return the estimator, not fitted, that the "model" and "parameters" of a model's or a run's record describe.

    `path` is that of the record, for messages; `objects` are parameters that were a user's own objects, which no file
    holds. Raises: FormatError, ConfigError where it describes none.
    """
    name, described = record.get("model"), record.get("parameters")
    if not isinstance(name, str) or name not in ESTIMATORS:
        hint = did_you_mean(str(name)[:LONGEST], ESTIMATORS)
        raise FormatError(f"{path}: model must be one of {', '.join(ESTIMATORS)}; got {_short(name)}.{hint}")
    if not isinstance(described, dict):
        raise FormatError(f"{path}: parameters must be an object; got {_short(described)}. The file was changed.")
    cls = ESTIMATORS[name]
    known = {field.name: field for field in fields(cls)}
    for key in [*described, *objects]:
        if key not in known:
            raise FormatError(f"{path}: {cls.__name__} has no parameter {_short(key)}.{did_you_mean(key, known)}")
    values = {key: _value(path, known[key], value) for key, value in described.items() if key not in objects}
    estimator = cls(**{**values, **objects})
    validate(estimator)
    for parameter in known.values():
        value = getattr(estimator, parameter.name)
        if parameter.axis is not None and value != "auto" and parameter.name not in objects:
            resolve_all(parameter.axis, value, cls.__name__)  # a mistake is named now, not when it is trained again
    return estimator


def _value(path: Path, field: Param, value: Any) -> Any:
    """Return the value of a parameter that a record describes."""
    if isinstance(value, dict) and field.annotation == dict[str, str] | None and "object" not in value:
        return {str(name): str(kind) for name, kind in value.items()}
    if isinstance(value, dict):
        if field.axis is None or "object" in value:
            raise FormatError(
                f"{path}: {field.name} was a user's own object ({_short(value.get('object'))}); no file holds it. "
                f"Give it again: load(folder, {field.name}=...)."
            )
        for parameters in value.values():
            _check_sizes(path, field.name, list(parameters.values()) if isinstance(parameters, dict) else parameters)
        return from_record(field.axis, value)
    _check_sizes(path, field.name, value)
    return tuple(_value(path, field, item) for item in value) if isinstance(value, list) else value


def _check_sizes(path: Path, name: str, value: Any) -> None:
    """Refuse lists that are too long, and strings that are no names."""
    if isinstance(value, list):
        if len(value) > MOST_VALUES:
            raise FormatError(f"{path}: {name} must have at most {MOST_VALUES} entries; got {len(value)}.")
        for item in value:
            _check_sizes(path, name, item)
    if isinstance(value, str) and (len(value) > LONGEST or any(mark in value for mark in "/\\\0")):
        raise FormatError(f"{path}: {name} must be a name, not a path or an address; got {_short(value)}.")


def _short(value: Any) -> str:
    text = repr(value) if not isinstance(value, Exception) else str(value).partition("\n")[0]
    return text if len(text) <= LONGEST else text[:LONGEST] + "..."
