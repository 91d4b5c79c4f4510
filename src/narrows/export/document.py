"""What is written beside exported functions, as `schema.json`: the form of data and codes, and the functions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from narrows import __version__
from narrows.data.arrays import Array
from narrows.export.columns import Columns
from narrows.export.form import FORMAT
from narrows.export.functions import input_type, takes_missing
from narrows.storage.json import plain

if TYPE_CHECKING:
    from narrows.estimators.base import Autoencoder


def document_of(model: Autoencoder, run: str, licence: str) -> dict[str, Any]:
    """Return what a client must know of a model; `functions` are added as they are written."""
    schema, code = model.schema_, model.code_
    numbers = [None if values is None else values.tolist() for values in (schema.offset, schema.factor)]
    return {
        "format": FORMAT, "narrows": __version__, "model": type(model).__name__, "run": run, "licence": licence,
        "kind": schema.kind, "shape": list(schema.shape), "steps": schema.steps, "dtype": schema.dtype,
        "input": str(input_type(schema)).removeprefix("torch."), "columns": schema.columns, "axes": schema.axes,
        "scale": schema.scale, "offset": numbers[0], "factor": numbers[1], "limits": schema.limits,
        "missing": takes_missing(model), "levels": schema.levels, "label_values": schema.label_values,
        "types": None if schema.types is None else [column.record() for column in schema.types],
        "inputs": {} if schema.types is None else Columns(schema.types).names,
        "code": {
            "shape": list(code.shape), "dtype": str(code.dtype).removeprefix("torch."), "ordered": code.ordered,
            "levels": code.levels,
        },
        "functions": {},
    }  # fmt: skip


def metadata_of(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the metadata of a file: the same, without the other functions."""
    schema = {name: value for name, value in document.items() if name != "functions"}
    about = {"narrows_version": document["narrows"], "model": document["model"], "run": document["run"]}
    return {**about, "licence": document["licence"], "schema": json.dumps(plain(schema), allow_nan=False)}


def ports(arrays: Mapping[str, Array], *, ragged: bool) -> list[dict[str, Any]]:
    """Return names, types and shapes of inputs or outputs, with "batch" and "time" for free axes.

    `ragged` says that sequences differ in length; those that the decoder returns, x, all have the most steps.
    """
    result = []
    for name, array in arrays.items():
        shape: list[int | str] = ["batch", *array.shape[1:]]
        if ragged and name in ("x", "reconstruction"):
            shape[1] = "time"
        result.append({"name": name, "dtype": array.dtype.name, "shape": shape})
    return result


def written(port: Mapping[str, Any]) -> str:
    """Return an input or an output in words: x uint8 (batch, 1, 28, 28)."""
    return f"{port['name']} {port['dtype']} ({', '.join(map(str, port['shape']))})"


def example(arrays: Mapping[str, Array], n: int) -> dict[str, Array]:
    """Return n rows, the same again and again where there are fewer."""
    return {name: array[np.arange(n) % len(array)] for name, array in arrays.items()}
