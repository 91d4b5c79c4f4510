"""Inputs and outputs of what is asked of a model: names, datatypes of the protocol and shapes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from narrows.data.axes import returned
from narrows.data.schema import Schema
from narrows.estimators.base import Autoencoder
from narrows.export.columns import AGAIN, LEVELS, NUMBERS, Columns
from narrows.serve.tensors import datatype_of

SAMPLES = ("x", "reconstruction", NUMBERS, LEVELS, *AGAIN.values())
"""Names of outputs that are samples."""


class Port(NamedTuple):
    """An input or an output of a verb."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    """-1 where the size is free; the first is that of the rows."""
    optional: bool = False


def samples(schema: Schema, name: str) -> Port:
    """Return the port of samples, in the order of axes that those of fit had."""
    if schema.kind == "images":
        shape = returned(np.empty((0, *schema.sample_shape)), schema.axes).shape[1:]
    else:
        shape = tuple(-1 if n is None else n for n in schema.shape)
    return Port(name, datatype_of(np.dtype(schema.dtype)), (-1, *shape))


def rows(schema: Schema, name: str) -> tuple[Port, ...]:
    """Return the ports of samples: one, or of typed columns one of numbers and one of levels."""
    if schema.types is None:
        return (samples(schema, name),)
    widths = {part: len(names) for part, names in Columns(schema.types).names.items()}
    types = {NUMBERS: "FP64", LEVELS: "INT64"}
    return tuple(Port(part if name == "x" else AGAIN[part], types[part], (-1, n)) for part, n in widths.items())


def codes(model: Autoencoder) -> Port:
    """Return the port of codes."""
    code = model.code_
    dtype = model.computing_dtype if code.continuous else np.dtype(np.int64)
    return Port("z", datatype_of(dtype), (-1, *code.shape))


def labels(schema: Schema) -> tuple[Port, ...]:
    """Return the port of labels where the model has a condition, else none."""
    if not schema.label_size:
        return ()
    if schema.levels is None:
        size = schema.label_values
        return (Port("y", "FP64", (-1,) if size == 1 else (-1, size)),)
    return (Port("y", datatype_of(np.array(schema.levels).dtype), (-1,)),)
