"""How well a fitted model does on held-out data, beside PCA of the same size and the mean sample."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from narrows.data import Dataset
from narrows.estimators import PCA
from narrows.estimators.base import Array, Autoencoder
from narrows.objectives import kl, negative_log_likelihood
from narrows.training import Rows

__all__ = ["WIDE", "summarise"]

WIDE = 4096
"""Samples with more values than this are compared with PCA of so many samples: its cost grows with the cube."""


def summarise(estimator: Autoencoder, dataset: Dataset) -> dict[str, Any]:
    """Return how well a fitted estimator does on test data, beside PCA of the same size and the mean sample.

    Parameters
    ----------
    estimator
        Fitted to the data set's training part.
    dataset
        Where there is no test part, the validation part is used, or else the training part; the result says which.

    Returns
    -------
    dict
        `part`, `samples`; `squared_error`: means per sample, of the squared differences summed over its values, for
        "model", "pca" and "mean"; `pca_latent_dim`, `pca_samples`: what PCA was fitted with; `elbo`, `kl`: nats per
        sample, for probabilistic models, else None: the bound itself, whatever beta was; `parameters`.
    """
    part, X, _ = dataset.evaluation_split
    k = min(estimator.latent_dim_, *dataset.train.shape[:1], estimator.n_features_in_)
    rows = dataset.train if estimator.n_features_in_ <= WIDE else dataset.train[:WIDE]
    k = min(k, len(rows))
    errors: dict[str, float] = {"model": _squared_error(estimator, X)}
    if len(rows) > 1:
        kind: Any = PCA
        pca = kind(latent_dim=k).fit(rows)
        errors["pca"] = _squared_error(pca, X)
        errors["mean"] = _squared_error(pca, X, np.zeros((1, k), np.float32))
    bound = _bound(estimator, X) if estimator.module_.probabilistic else {"elbo": None, "kl": None}
    return {
        "part": part,
        "samples": len(X),
        "squared_error": errors,
        "latent_dim": estimator.latent_dim_,
        "pca_latent_dim": k,
        "pca_samples": len(rows),
        **bound,
        "parameters": sum(p.numel() for p in estimator.module_.parameters()),
    }


def _chunks(X: Array) -> Iterable[Array]:
    size = max(1, 2**24 // max(1, int(np.prod(X.shape[1:]))))
    return (X[start : start + size] for start in range(0, len(X), size))


def _squared_error(estimator: Autoencoder, X: Array, code: Array | None = None) -> float:
    """Return the mean per sample; with `code`, of the one reconstruction from that code."""
    total = 0.0
    fixed = None if code is None else estimator.inverse_transform(code)
    for x in _chunks(X):
        rebuilt = estimator.reconstruct(x) if fixed is None else fixed
        scaled = x / np.float32(255) if x.dtype == np.uint8 else x
        total += float(np.square(scaled - rebuilt, dtype=np.float64).sum())
    return total / len(X)


def _bound(estimator: Autoencoder, X: Array, seed: int = 0) -> dict[str, float]:
    """Return E log p(x | z) - KL and KL, means per sample in nats, from one code per sample.

    A row's noise is drawn by its position, so that the size of the chunks does not change a value.
    """
    module: Any = estimator.module_.eval()
    noise = torch.randn(len(X), estimator.latent_dim_, generator=torch.Generator().manual_seed(seed))
    elbo = divergence = 0.0
    start = 0
    with torch.no_grad():
        for x in Rows(X, module.device, module.dtype).chunks(max(1, 2**21 // estimator.n_features_in_)):
            posterior = module.posterior(x)
            z = posterior.mean + posterior.stddev * noise[start : start + len(x)].to(x.device, x.dtype)
            start += len(x)
            nats = kl(posterior, module.prior()).sum(1)
            elbo -= float((negative_log_likelihood(module.likelihood(z), x) + nats).double().sum())
            divergence += float(nats.double().sum())
    return {"elbo": elbo / len(X), "kl": divergence / len(X)}
