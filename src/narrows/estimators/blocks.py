"""Arrays and data frames of Dask: models applied block by block, on a cluster, and PCA of all blocks in one pass.

Dask is imported only where what is given is its own.
"""

from __future__ import annotations

import importlib
import math
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from narrows.data.schema import Schema
from narrows.errors import ConfigError, DataError
from narrows.estimators.validation import check_samples
from narrows.moments import Moments

if TYPE_CHECKING:
    from narrows.estimators.base import Autoencoder


def is_dask(X: Any) -> bool:
    """Return whether X is an array or a data frame of Dask, which is then imported already."""
    dask = sys.modules.get("dask")
    return dask is not None and bool(dask.is_dask_collection(X))


def transform(model: Autoencoder, X: Any) -> Any:
    """Return the codes of a Dask array as one, (N, *code shape), and of a data frame as one, with its index.

    Nothing is computed yet. The model goes to each worker once.
    """
    spec = model.code_
    dtype = model.computing_dtype if spec.continuous else np.dtype(np.int64)
    if not _is_frame(X):
        return _over_rows(_codes, model, X, spec.shape, dtype)
    frames = importlib.import_module("pandas")
    names = [str(name) for name in model.get_feature_names_out()]
    meta = frames.DataFrame({name: np.empty(0, dtype) for name in names})
    return X.map_partitions(_codes_frame, _sent(model), meta=meta)


def score_samples(model: Autoencoder, X: Any) -> Any:
    """Return how normal each row of a Dask array is as one, (N,), and of a data frame as a series with its index."""
    dtype = model.computing_dtype
    if not _is_frame(X):
        return _over_rows(_scores, model, X, (), dtype)
    frames = importlib.import_module("pandas")
    return X.map_partitions(_scores_series, _sent(model), meta=frames.Series(np.empty(0, dtype), name="score"))


def moments_of(X: Any) -> Moments:
    """Return the moments of a Dask array's rows: of every block where it is, merged in the order of the blocks."""
    delayed = importlib.import_module("dask").delayed
    blocks = _by_rows(X).to_delayed().ravel()
    return delayed(_merged)([delayed(_block_moments)(block) for block in blocks]).compute()


def learn_schema(model: Autoencoder, X: Any) -> tuple[Any, Schema]:
    """Return a Dask array of known length, and the schema of its rows, whose scale stays as it is.

    Raises
    ------
    ConfigError
        The model scales its data, which takes another pass.
    DataError
        The first rows do not fit a model.
    """
    name = type(model).__name__
    if model.get_params(deep=False).get("scale") is not None:
        scale = model.get_params(deep=False)["scale"]
        raise ConfigError(f"{name}: scale must be None for Dask; got {scale!r}. Scale X.")
    names = None
    if _is_frame(X):
        names = [str(column) for column in X.columns]
        X = X.to_dask_array(lengths=True)
    if any(math.isnan(n) for n in X.shape):
        X = X.compute_chunk_sizes()
    n = int(X.shape[0])
    if n < 2:
        raise DataError(f"{name}: X must have at least 2 samples; got n_samples = {n}. A variance needs two.")
    first = check_samples(model, np.asarray(X[:2].compute()), None, missing=False, columns=names)
    if first.shape[1:] != X.shape[1:]:
        raise DataError(f"{name}: X must have images as (N, C, H, W) for Dask; got {X.shape}. Move its axes.")
    schema = Schema.of(first, scale=None, columns=names, owner=name, double=model.takes_float64)
    scale = "pixels" if X.dtype == np.uint8 and schema.pixels else None
    return X, replace(schema, rows=n, limits=None, scale=scale)


def _sent(model: Autoencoder) -> Any:
    """Return a model as one node of a graph, which every worker gets once.

    Raises: ConfigError for a model with a condition, whose labels would have to be cut alike.
    """
    if model.get_params(deep=False).get("condition") is not None:
        name = type(model).__name__
        raise ConfigError(f"{name}: X must be in memory for a model with a condition; got an array or frame of Dask.")
    return importlib.import_module("dask").delayed(model, pure=True, traverse=False)


def _over_rows(function: Any, model: Autoencoder, X: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """Return a function of blocks of rows applied to a Dask array, with results (N, *shape)."""
    X = _by_rows(X)
    array = importlib.import_module("dask.array")
    return array.map_blocks(
        function, X, model=_sent(model), dtype=dtype, drop_axis=list(range(1, X.ndim)),
        new_axis=list(range(1, 1 + len(shape))), chunks=(X.chunks[0], *((n,) for n in shape)),
        meta=np.empty((0,) * (1 + len(shape)), dtype),
    )  # fmt: skip


def _by_rows(X: Any) -> Any:
    """Return a Dask array of which every block has whole rows."""
    return X.rechunk(dict.fromkeys(range(1, X.ndim), -1))


def _is_frame(X: Any) -> bool:
    frames = sys.modules.get("dask.dataframe")
    return frames is not None and isinstance(X, frames.DataFrame)


def _codes(block: Any, model: Any) -> Any:
    return model.transform(block)


def _scores(block: Any, model: Any) -> Any:
    return model.score_samples(block)


def _codes_frame(part: Any, model: Any) -> Any:
    frames = importlib.import_module("pandas")
    names = [str(name) for name in model.get_feature_names_out()]
    codes = np.asarray(model.transform(part)).reshape(len(part), -1) if len(part) else np.empty((0, len(names)))
    return frames.DataFrame(codes, index=part.index, columns=names)


def _scores_series(part: Any, model: Any) -> Any:
    frames = importlib.import_module("pandas")
    scores = model.score_samples(part) if len(part) else np.empty(0)
    return frames.Series(scores, index=part.index, name="score")


def _block_moments(block: Any) -> Moments:
    block = np.asarray(block)
    return Moments.of(block if block.dtype in (np.uint8, np.float32, np.float64) else block.astype(np.float64))


def _merged(parts: Any) -> Moments:
    return Moments.merged(part for part in parts if part.count)
