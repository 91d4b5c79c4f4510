"""From samples to codes, and from codes back to samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted

from narrows.data.arrays import Array
from narrows.data.batches import chunk_size
from narrows.errors import ConfigError, DataError
from narrows.estimators import blocks, inference
from narrows.module import Batch
from narrows.training.arrays import as_array


class CodingMixin(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """The verbs of an estimator that encode and decode; `set_output` wraps `transform` where it is defined, here."""

    def transform(self: Any, X: ArrayLike, y: Any = None) -> Array:
        """Return the codes, without noise: (N, *shape) -> (N, latent_dim), or (N, *code_.shape).

        Parameters
        ----------
        X
            Samples.
        y
            Their labels, for a model with a condition; others ignore it.
        """
        if blocks.is_dask(X):
            return blocks.transform(self, X)
        return inference.encode(self, X, y if self._takes_condition else None)

    def inverse_transform(self: Any, Z: ArrayLike, y: Any = None) -> Any:
        """Return the samples that codes stand for, the mean over x: (N, *code_.shape) -> (N, *shape), in X's units.

        Ordered codes may be short: (N, k) with k <= latent_dim.

        Parameters
        ----------
        Z
            Codes.
        y
            Labels, for a model with a condition.
        """
        check_is_fitted(self)
        return self.schema_.decode(self.decode(self.check_codes(Z), y))

    def check_codes(self: Any, Z: ArrayLike) -> Array:
        """Return codes as `decode` takes them, (N, *code_.shape), ordered ones filled up with 0.

        Raises: DataError or ValueError where they are no finite numbers, of another shape, or no indices of the code.
        """
        name, spec = type(self).__name__, self.code_
        kinds: Any = [np.float64, np.float32] if spec.continuous else "numeric"
        codes = check_array(Z, dtype=kinds, input_name="Z", estimator=self, allow_nd=True)
        if not spec.continuous:
            codes = codes.reshape(len(codes), -1)
            if codes.shape[1] != self._n_features_out:
                raise DataError(f"{name}: Z must have codes of shape {spec.shape}; got {codes.shape[1]} values a row.")
            if (unlike := codes[codes != np.floor(codes)]).size:
                raise DataError(f"{name}: Z must hold whole numbers; got {unlike[0]}. Codes are indices.")
            if (beyond := codes[(codes < 0) | (codes >= spec.levels)]).size:
                raise DataError(f"{name}: Z must hold indices from 0 to {spec.levels - 1}; got {beyond[0]}.")
            return codes.reshape(-1, *spec.shape).astype(np.int64)
        k, size = codes.shape[1], self._n_features_out
        if k > size or (k < size and not spec.ordered):
            raise DataError(f"{name}: Z must have latent_dim = {size} columns; got {k}.")
        return np.pad(codes, ((0, 0), (0, size - k)))

    def decode(self: Any, Z: Array, y: Any = None) -> Array:
        """Return what codes stand for on the model's scale: (N, *code_.shape) -> (N, *shape), in chunks."""
        module, schema = self.module_, self.schema_
        labels = None
        if self._takes_condition:
            labels = schema.labels_of(y, len(Z), type(self).__name__)
        codes = Z.astype(self.computing_dtype, copy=False) if self.code_.continuous else Z
        size = chunk_size(schema.sample_shape)
        parts = []
        with inference.evaluating(module), np.errstate(over="ignore", invalid="ignore"), self.products():
            for start in range(0, len(codes), size):
                z = torch.from_numpy(np.ascontiguousarray(codes[start : start + size])).to(module.device)
                label = None if labels is None else torch.from_numpy(labels[start : start + size]).to(module.device)
                part = as_array(module.decode(z, Batch(z, y=label)))
                if not np.isfinite(part).all():
                    raise DataError(
                        f"{type(self).__name__}: what comes out must be finite; got nan or infinity for codes from "
                        f"{codes.min():.3g} to {codes.max():.3g}. Give codes nearer to those of training."
                    )
                parts.append(part)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def reconstruct(self: Any, X: ArrayLike, k: int | Sequence[int] | None = None, y: Any = None) -> Any:
        """Return X decoded from its codes: like X, in its units, type, columns and kind of data frame.

        Parameters
        ----------
        X
            Samples.
        k
            Use the first k values of ordered codes alone; with several, the result is (len(k), N, *shape), or a list
            for sequences of different length.
        y
            Labels, for a model with a condition.

        Raises
        ------
        ConfigError
            `k` is out of bounds, or the model's codes are not ordered (PCA's are; those of others with
            `code="ordered"`).
        """
        data = inference.encoded(self, X, y if self._takes_condition else None)
        if k is None:
            return self.schema_.decode(inference.reconstruct_encoded(self, data), like=X, lengths=data.lengths)
        several = isinstance(k, Sequence | np.ndarray) and not isinstance(k, str)
        cuts: list[Any] = list(k) if several else [k]  # type: ignore[arg-type]
        for cut in cuts:
            self.check_cut(cut)
        codes = inference.encode(self, data)
        labels = y if self._takes_condition else None
        decoded = [self.decode(np.where(np.arange(codes.shape[1]) < cut, codes, 0), labels) for cut in cuts]
        results = [self.schema_.decode(x, like=X, lengths=data.lengths) for x in decoded]
        if not several:
            return results[0]
        return results if data.lengths is not None else np.stack([np.asarray(X_hat) for X_hat in results])

    def check_cut(self: Any, k: int) -> None:
        """Raise ConfigError unless codes are ordered and have a first k values."""
        if not self.code_.ordered:
            raise ConfigError(
                f"{type(self).__name__}: k must go with ordered codes; got k={k!r}. Fit with code='ordered', or use "
                "PCA."
            )
        if not isinstance(k, int | np.integer) or isinstance(k, bool) or not 1 <= k <= self.latent_dim_:
            raise ConfigError(
                f"{type(self).__name__}: k must be a whole number from 1 to latent_dim = {self.latent_dim_}; got {k!r}."
            )
