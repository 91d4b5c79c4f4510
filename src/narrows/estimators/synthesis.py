"""New rows of tables: draws from the likelihood at codes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from narrows.data.arrays import Array
from narrows.data.batches import chunk_size
from narrows.data.types_gaps import drawn_gaps
from narrows.estimators import inference
from narrows.module import Batch
from narrows.probability.draws import draw
from narrows.rng import Seeded
from narrows.training.arrays import as_array


def drawn(model: Any) -> bool:
    """Return whether new samples are draws from p(x | z), unless one says otherwise, rather than its mean.

    Those of typed columns always; and those of tables whose columns have names, whose means vary too little.
    """
    schema = model.schema_
    named = schema.kind == "table" and schema.columns is not None
    return schema.types is not None or (model.module_.probabilistic and named)


def rows_at(model: Any, Z: Array, y: Any, seed: int | None, *, clip: bool = False) -> Any:
    """Return one row for every code, drawn from p(x | z), as the kind of data frame that X was.

    Of typed columns the same values are missing as in a training row, which is drawn for each row and has nothing to do
    with its other values. Levels that share one class are drawn by their frequencies.

    Parameters
    ----------
    model
        A fitted model of typed columns.
    Z
        Codes (N, *code shape).
    y
        Labels, for a model with a condition.
    seed
        Of the draws; None for another each time.
    clip
        Whether numbers stay within the range of training.
    """
    start = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else int(seed)
    x, mask, rng = values_at(model, Z, y, start)
    if mask is None:
        return model.schema_.decode(x, decimals=True)
    return model.schema_.decode(x, mask=mask, rng=rng, clip=clip, decimals=True)


def values_at(model: Any, Z: Array, y: Any, seed: int) -> tuple[Array, Array | None, np.random.Generator]:
    """Return the rows of `rows_at` on the model's scale, which values are not missing, and what draws rare levels.

    None are missing, and there is no mask, but of typed columns.
    """
    x, schema = draws_at(model, Z, y, seed), model.schema_
    rng = np.random.default_rng([seed, 1])
    mask = None if schema.types is None else ~drawn_gaps(schema.gaps, len(x), x.shape[1], rng)
    return x, mask, rng


def draws_at(model: Any, Z: Array, y: Any, seed: int) -> Array:
    """Return one draw from p(x | z) for every code, on the model's scale: (N, *shape)."""
    module, schema = model.module_, model.schema_
    stream = Seeded(seed, module.device)
    labels = schema.labels_of(y, len(Z), type(model).__name__) if schema.label_size else None
    codes = Z.astype(model.computing_dtype, copy=False) if model.code_.continuous else Z
    size = chunk_size(schema.sample_shape)
    parts = []
    with inference.evaluating(module):
        for at in range(0, len(codes), size):
            z = torch.from_numpy(np.ascontiguousarray(codes[at : at + size])).to(module.device)
            label = None if labels is None else torch.from_numpy(labels[at : at + size]).to(module.device)
            parts.append(as_array(draw(module.likelihood(z, Batch(z, y=label)), stream)))
    return np.concatenate(parts)
