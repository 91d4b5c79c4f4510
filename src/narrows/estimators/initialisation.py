"""Where training starts: the output's bias at the data's mean, a learned scale at their deviation, PCA's maps."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch

from narrows.data.arrays import Array, Arrays
from narrows.data.batches import Batches
from narrows.data.schema import Schema
from narrows.data.stored import StoredRows
from narrows.estimators.on_disk import axes_on_disk, deviation_of, multiples_of_grey, scaled_facts
from narrows.filling import filling_gaussian
from narrows.nn import Network, Start
from narrows.nn.masked import MaskedInput
from narrows.pca import Axes, principal_axes
from narrows.ppca import Gaussian, leading_axes
from narrows.probability.likelihoods import LikelihoodLayer
from narrows.rng import Seeded, seed_of

ROWS = 20_000
"""Rows that principal axes are taken of, of typed columns and where values are missing."""
RESIDUALS = 5_000
"""Of these, rows that scales of typed columns start at."""
RANK = 32
"""The most axes along which missing values are filled for the encoder."""
PART = 2**22
"""Values that are looked at once at a time in double precision."""


class Moments(NamedTuple):
    """Of the training data on the model's scale."""

    mean: Array
    """(*shape), of every value."""
    deviation: float
    """Of all values."""
    low: float
    high: float
    grey: bool
    """Whether all values are multiples of 1/255."""


def start_at_data(estimator: Any, module: Any, data: Arrays) -> None:
    """Check the data against the likelihood; start its scale, the output's bias and PCA's maps where the data are.

    The estimator is a `NeuralAutoencoder`; the module has `encoder`, `decoder` and `observed`.
    Raises: DataError where the likelihood cannot explain the data.
    """
    schema: Schema = estimator.schema_
    network: Network = estimator.network_for(schema)
    if schema.types is not None:
        _start_at_columns(estimator, network, module, data)
        return
    observed: LikelihoodLayer = module.observed
    found = moments(data, schema)
    likelihood = observed.of
    likelihood.check(found.low, found.high, found.grey, type(estimator).__name__)
    observed.start(found.deviation)
    if module.missingness is not None:
        mask = schema.in_memory(data, np.dtype(np.float32)).mask
        module.missingness.start(torch.from_numpy(np.ones(data.x.shape, bool) if mask is None else mask))
    inputs = module.networks.inputs
    filling = None
    if isinstance(inputs, MaskedInput):
        filling = _filling(data, schema, inputs.loadings.shape[1])
        inputs.start(filling)
    links = {"linear": likelihood.link, "sigmoid": lambda mean: torch.logit(mean, eps=1e-3)}
    in_range = likelihood.bounded or network.output_activation == "linear" or 0 <= found.low <= found.high <= 1
    network.start(
        module.encoder,
        module.decoder,
        Start(
            mean=torch.from_numpy(found.mean).to(module.dtype),
            link=links.get(network.output_activation) if in_range else None,
            data_bias=estimator.data_bias,
            axes=lambda k: (
                _axes(data, schema, k, found.mean) if filling is None else leading_axes(filling, min(k, len(data.x)))
            ),
            set_scale=observed.start,
        ),
    )


def _start_at_columns(estimator: Any, network: Network, module: Any, data: Arrays) -> None:
    """Start at the means and the principal axes of the linear features of typed columns, of rows spread over all."""
    step = slice(None, None, max(1, len(data.x) // ROWS))
    rows = estimator.schema_.some_rows(data, step, np.dtype(np.float32))
    with torch.no_grad():
        mask = None if rows.mask is None else torch.from_numpy(rows.mask)
        linear = module.networks.inputs.linear_features(torch.from_numpy(rows.x), mask).numpy()
    network.start(
        module.encoder,
        module.decoder,
        Start(
            mean=torch.from_numpy(linear.mean(0, dtype=np.float64)).to(module.dtype),
            link=module.observed.of.link,
            data_bias=estimator.data_bias,
            axes=lambda k: principal_axes(linear, min(k, *linear.shape)),
            set_scale=module.observed.start,
        ),
    )
    _start_columns_apart(estimator, module, rows.rows(slice(None, None, max(1, len(rows.x) // RESIDUALS))))


def _start_columns_apart(estimator: Any, module: Any, rows: Arrays) -> None:
    """Start the scale of every column at what the network leaves of it, as it starts: PCA leaves more of some."""
    device = torch.device("cpu")
    noise = torch.Generator(device).manual_seed(seed_of(estimator.seed, 5))
    batch = Batches(rows, estimator.schema_, device, module.dtype, module.density).between(0, len(rows.x), noise)
    with torch.no_grad(), Seeded(seed_of(estimator.seed, 6)):
        z = module.encode(batch)
        if module.probabilistic:
            z = (posterior := module.posterior(batch)).draw(batch.randn(posterior.mean.shape, posterior.mean.dtype))
        h = module.likelihood(z, batch).h
    module.observed.start_at(batch.x, batch.mask, h, math.prod(module.code.shape) / len(rows.x))


def _axes(data: Arrays, schema: Schema, k: int, mean: Array) -> Axes:
    """Return principal axes of the training data on the model's scale, missing values at their mean."""
    if isinstance(data.x, StoredRows) and not schema.missing:
        return axes_on_disk(data.x, schema, min(k, len(data.x), schema.n_features), np.dtype(np.float32))
    x, mask, *_ = schema.on_scale(data, np.dtype(np.float32), fill=mean)
    if mask is not None:
        x = np.where(mask, x, mean.astype(x.dtype))
    return principal_axes(x, min(k, len(data.x), schema.n_features))


def _filling(data: Arrays, schema: Schema, rank: int) -> Gaussian:
    """Return the Gaussian by which missing values of a table are filled in for the encoder, of rows spread over all."""
    some = slice(None, None, math.ceil(len(data.x) / ROWS))
    x, mask, *_ = schema.some_rows(data, some, np.dtype(np.float32))
    seen = np.ones(x.shape, bool) if mask is None else mask
    return filling_gaussian(torch.from_numpy(x).double(), torch.from_numpy(seen), rank)


def filling_rank(d: int) -> int:
    """Return the rank of the Gaussian by which missing values of rows of d values are filled for the encoder."""
    return max(1, min(d - 1, RANK))


def moments(data: Arrays, schema: Schema) -> Moments:
    """Return moments of the observed values, in one pass; of rows on disk, those that are known of them."""
    if isinstance(data.x, StoredRows):
        facts = scaled_facts(data.x, schema)
        low, high, shape = float(facts.low.min()), float(facts.high.max()), data.x.shape[1:]
        return Moments(facts.mean.reshape(shape), deviation_of(facts), low, high, multiples_of_grey(data.x, schema))
    X, shape = data.x, data.x.shape[1:]
    pixels = schema.pixels and X.dtype == np.uint8
    unit = 255.0 if pixels else 1.0
    total, count, squares, n = np.zeros(shape), np.zeros(shape), 0.0, 0.0
    low, high, grey = math.inf, -math.inf, True
    rows = max(1, min(2 * PART // max(1, math.prod(shape)), 8192))
    shift = None
    for start in range(0, len(X), rows):
        part = slice(start, start + rows)
        raw = np.asarray(X[part])
        mask = None if data.mask is None else data.mask[part]
        if shift is None:  # near the mean: squares about it lose no digits
            shift = float(np.mean(raw[0], dtype=np.float64)) / unit
        if mask is None:
            low, high = min(low, float(raw.min()) / unit), max(high, float(raw.max()) / unit)
            total += raw.sum(0, dtype=np.float64) / unit
            count += len(raw)
            flat = raw.reshape(-1).astype(np.float64)
        else:
            flat = raw[mask].astype(np.float64)
            low, high = min(low, float(flat.min(initial=low))), max(high, float(flat.max(initial=high)))
            total += np.where(mask, raw, 0).sum(0, dtype=np.float64)
            count += mask.sum(0)
        apart = flat / unit - shift
        squares += float(np.einsum("i,i", apart, apart))  # numpy's product would leave threads awake, in torch's way
        n += len(flat)
        grey = grey and (unit != 1.0 or bool(np.all(np.abs(flat * 255 - np.round(flat * 255)) < 1e-3)))
    mean = total / np.maximum(count, 1)
    overall = float(total.sum() / n) if data.mask is not None else float(mean.mean())
    variance = squares / n - (overall - (shift or 0.0)) ** 2
    return Moments(mean, math.sqrt(max(variance, 0.0)), low, high, grey)
