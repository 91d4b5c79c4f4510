"""Features on which generated samples are compared. Two kinds do not compare: a measure's name carries theirs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.neural_network import MLPClassifier

from narrows.data import Dataset, cache_folder
from narrows.data.arrays import Array, Arrays
from narrows.data.schema import Schema
from narrows.errors import DataError, FormatError
from narrows.storage.tensors import read_tensors, write_tensors


class Features(NamedTuple):
    """A name, and a function from samples to features. Any other network's features can be used in this form."""

    name: str
    extract: Callable[[Array], Array]
    """(N, *shape), uint8 or on the model's scale -> (N, d) double precision."""


def unit_values(X: Array) -> Array:
    """Return samples in double precision, pixels in [0, 1]: the shape of X."""
    samples = np.asarray(X)
    return Schema.of(samples, scale=None, double=True).values(Arrays(samples))


def _values(X: Array) -> Array:
    return unit_values(X).reshape(len(X), -1)


PIXELS = Features("pixels", _values)
"""The values themselves; those of pixels in [0, 1]."""

WIDTHS = (256, 64)
"""Units of the classifier; the last layer's activations are the features."""


def classifier_features(data: Dataset, *, folder: Path | None = None, seed: int = 0) -> Features:
    """Return the features of a small classifier of a labelled data set, trained once and stored.

    A perceptron of 256 and 64 units (scikit-learn), stopped early by a held-out tenth of the training samples;
    the features are the 64 activations before the output. The file is named by the data set's hash and the seed,
    and so are the features: "classifier:<first 12 digits>".

    Parameters
    ----------
    data
        A data set with training labels.
    folder
        Where to store it; None for `features` in the cache folder.
    seed
        Of the weights and the order.

    Raises
    ------
    DataError
        The data set has no labels.
    FormatError
        The stored file does not hold such a classifier.
    """
    if data.train_labels is None:
        raise DataError(
            f"classifier_features: data must have train_labels; got none in {data.name!r}. Use the features 'pixels'."
        )
    name = data.sha256[:12] if seed == 0 else f"{data.sha256[:12]}-{seed}"
    path = (folder or cache_folder() / "features") / f"classifier-{name}.safetensors"
    layers = range(len(WIDTHS))
    if not path.exists():
        trained = MLPClassifier(WIDTHS, early_stopping=True, n_iter_no_change=3, max_iter=30, random_state=seed)
        trained.fit(_values(data.train).astype(np.float32), data.train_labels)
        path.parent.mkdir(parents=True, exist_ok=True)
        tensors = {f"weight.{i}": trained.coefs_[i] for i in layers}
        write_tensors(path, tensors | {f"bias.{i}": trained.intercepts_[i] for i in layers}, {"data": data.sha256})
    tensors = read_tensors(path)
    widths = (int(np.prod(data.sample_shape)), *WIDTHS)
    for i in layers:
        shapes = {f"weight.{i}": widths[i : i + 2], f"bias.{i}": widths[i + 1 : i + 2]}
        for key, shape in shapes.items():
            if key not in tensors or tensors[key].shape != shape:
                raise FormatError(f"{path}: must hold {key} of shape {shape}; it does not. Delete the file.")
    weights, biases = ([tensors[f"{kind}.{i}"].astype(np.float64) for i in layers] for kind in ("weight", "bias"))

    def extract(X: Array) -> Array:
        h = _values(X)
        for weight, bias in zip(weights, biases, strict=True):
            h = np.maximum(h @ weight + bias, 0)
        return h

    return Features(f"classifier:{name}", extract)
