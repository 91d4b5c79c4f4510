"""Samples and codes as the arrays that exported functions take, and what torch makes of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from narrows.data.arrays import Array, Arrays
from narrows.data.types_schema import table_like
from narrows.estimators import inference
from narrows.export.columns import AGAIN, Columns
from narrows.export.functions import input_type, takes_missing
from narrows.module import Batch, LatentVariableModule
from narrows.training.arrays import as_array

if TYPE_CHECKING:
    from narrows.estimators.base import Autoencoder

Named = dict[str, Array]
HOLES = 0.1
"""Share of the values that are hidden from every other sample of complete data, to compare what is filled in."""


def drawn_samples(model: Autoencoder, n: int, seed: int = 0) -> tuple[Any, Any]:
    """Return n samples that the model decodes, and labels where it takes them: where no data are at hand.

    Codes are drawn from those of training.
    """
    rng, schema = np.random.default_rng(seed), model.schema_
    kept = model.codes_ if model.codes_ is not None and len(model.codes_) else np.zeros((1, *model.code_.shape))
    codes = kept[rng.integers(len(kept), size=n)]
    y: Any = None
    if schema.levels is not None:
        y = np.array(schema.levels, dtype=object)[rng.integers(len(schema.levels), size=n)]
    elif schema.label_values:
        y = rng.normal(size=(n, schema.label_values))
    x = model.decode(np.ascontiguousarray(codes), y)
    lengths = rng.integers(1, schema.sample_shape[0] + 1, size=n) if schema.ragged else None
    return schema.decode(x, lengths=lengths), y


def named_arrays(model: Autoencoder, X: Any, y: Any = None) -> Named:
    """Return x in the data's units, y, and lengths of padded sequences, as the functions take them."""
    data = inference.encoded(model, X, y)
    if (types := model.schema_.types) is not None:
        table = table_like(X, types, type(model).__name__)
        arrays, _ = Columns(types).tensors(table.columns)
    else:
        arrays = {"x": _in_units(model, data)}
    if data.y is not None:
        arrays["y"] = data.y
    if data.lengths is not None:
        arrays["lengths"] = data.lengths.astype(np.int64)
    return arrays


def comparable(model: Autoencoder, n: int, X: Any = None, y: Any = None) -> Named:
    """Return at most n samples that what is exported takes: those without missing values where it takes none.

    Where there are none, samples that the model decodes.
    """
    if model.schema_.types is not None:
        some = drawn_samples(model, n) if X is None else (X[:n], None if y is None else y[:n])
        return named_arrays(model, *some)
    if X is not None:
        arrays = named_arrays(model, X, y)
        there: Array = np.ones(len(arrays["x"]), bool)
        if not takes_missing(model) and arrays["x"].dtype.kind == "f":
            there = np.asarray(np.isfinite(arrays["x"].reshape(len(there), -1)).all(axis=1))
        if there.any():
            return _with_holes(model, {name: array[there][:n] for name, array in arrays.items()})
    return _with_holes(model, named_arrays(model, *drawn_samples(model, n)))


def _with_holes(model: Autoencoder, arrays: Named) -> Named:
    """Return samples of which some lack values, where the model fills these in and all are there."""
    x = arrays["x"]
    if not takes_missing(model) or np.isnan(x).any() or model.schema_.ragged:
        return arrays
    gaps = np.random.default_rng(0).random(x.shape) < HOLES
    gaps.reshape(len(x), -1)[:, 0] = False
    gaps[::2] = False
    return {**arrays, "x": np.where(gaps, np.nan, x)}


def _in_units(model: Autoencoder, data: Arrays) -> Array:
    """Return samples in the data's units; what is missing is NaN, and what pads a sequence 0."""
    schema = model.schema_
    kind = np.dtype(str(input_type(schema)).removeprefix("torch."))
    if schema.pixels:
        levels = data.x if data.x.dtype == np.uint8 else np.rint(np.asarray(data.x, np.float64) * 255)
        return np.ascontiguousarray(levels, kind)
    X = replace(schema, dtype=kind.name).in_units(schema.in_memory(data, model.computing_dtype).x)
    if data.mask is not None:
        X = np.where(data.mask, X, np.nan)
    if data.lengths is not None:
        X[np.arange(X.shape[1]) >= data.lengths[:, None]] = 0
    return np.ascontiguousarray(X, kind)


def _on_scale(model: Autoencoder, arrays: Named) -> Arrays:
    """Return arrays as the estimator's own `Schema.encode` does; sequences may have fewer steps than it pads them to.

    What is given is in the data's units already, so that none need be found out.
    """
    schema, lengths = model.schema_, arrays.get("lengths")
    if schema.types is not None:
        values, seen = Columns(schema.types).encoded(arrays)
        return Arrays(values.astype(model.computing_dtype), None if seen.all() else seen, None, arrays.get("y"))
    X = arrays["x"]
    if lengths is None:
        x, mask = schema.scaled(X, model.computing_dtype)
        return Arrays(x, mask, None, arrays.get("y"))
    X = np.pad(X, ((0, 0), (0, schema.sample_shape[0] - X.shape[1]), (0, 0)))
    x, observed = schema.scaled(X, model.computing_dtype)
    mask = np.broadcast_to((np.arange(X.shape[1]) < lengths[:, None])[:, :, None], X.shape)
    mask = mask if observed is None else mask & observed
    return Arrays(np.where(mask, x, x.dtype.type(0)), mask, lengths, arrays.get("y"))


def expected(model: Autoencoder, arrays: Named) -> dict[str, Named]:
    """Return the outputs of every function by its name, as the estimator computes them for the same arrays."""
    module, schema = model.module_, model.schema_
    labels, data = arrays.get("y"), _on_scale(model, arrays)
    columns = None if schema.types is None else Columns(schema.types)
    unrounded = replace(schema, dtype="float64")

    def units(x: Array, name: str) -> Named:
        if columns is None:
            return {name: unrounded.in_units(x)}
        parts = columns.decoded(x)
        return parts if name == "x" else {AGAIN[part]: values for part, values in parts.items()}

    def mapped(function: Any) -> Array:
        return inference.map_batches(model, function, data, exact=True)

    z = mapped(module.encode)
    with inference.evaluating(module):
        code = torch.from_numpy(z).to(module.device)
        label = None if labels is None else torch.from_numpy(labels).to(module.device)
        x = as_array(module.decode(code, Batch(code, y=label)))
    reconstruction = mapped(lambda batch: module.decode(module.encode(batch), batch))
    outputs = {
        "encoder": {"z": z}, "decoder": units(x, "x"), "reconstruct": units(reconstruction, "reconstruction"),
        "score": {"score": mapped(module.score)},
    }  # fmt: skip
    if module.probabilistic:
        variational = cast(LatentVariableModule, module)
        outputs["encoder"]["log_variance"] = mapped(lambda batch: 2 * variational.posterior(batch).stddev.log())
    return outputs
