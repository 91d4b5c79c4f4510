"""How well a fitted model does on held-out data, beside PCA of the same rank and the mean sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from narrows.data import Dataset
from narrows.estimators.base import Array, Autoencoder
from narrows.estimators import PCA
from narrows.estimators.inference import map_batches, reconstruct_encoded, values
from narrows.module import Batch
from narrows.objectives import divergence, negative_log_likelihood

__all__ = ["summarise"]


def summarise(estimator: Autoencoder, dataset: Dataset) -> dict[str, Any]:
    """Return how well a fitted estimator does on test data, beside PCA of the same rank and the mean sample.

    Parameters
    ----------
    estimator
        Fitted to the data set's training split.
    dataset
        Where there is no test split, the validation split is used, or else the training split; the result says which.

    Returns
    -------
    dict
        `part`, `samples`; `squared_error`: means per sample, of the squared differences summed over its values, for
        "model", "pca" and "mean"; `latent_dim`, `pca_latent_dim`; `elbo`, `kl`: nats per sample, for probabilistic
        models, else None: the bound itself, whatever beta was; `parameters`.
    """
    part, X, y = dataset.evaluation_split
    data, x = estimator.arrays(X, y), values(estimator, X, y)
    errors = {"model": _squared_error(x, reconstruct_encoded(estimator, data))}
    rank = min(estimator.latent_dim_, len(dataset.train), estimator.n_features_in_)
    if len(dataset.train) > 1:
        kind: Any = PCA
        train = values(estimator, dataset.train, dataset.train_labels)
        pca = kind(latent_dim=rank).fit(train.reshape(len(train), -1))
        errors["pca"] = _squared_error(x, pca.reconstruct(x.reshape(len(x), -1)).reshape(x.shape))
        errors["mean"] = _squared_error(x, train.mean(0))
    module: Any = estimator.module_
    bound: dict[str, float | None] = {"elbo": None, "kl": None}
    if module.probabilistic:

        def terms(batch: Batch) -> Any:
            posterior = module.posterior(batch)
            z = posterior.draw(batch.randn(posterior.mean.shape))
            kl = divergence(posterior, module.prior(batch), z)
            elbo = batch.log_jacobian - kl - negative_log_likelihood(module.likelihood(z, batch), batch.x, batch.mask)
            return torch.stack([elbo, kl], 1)

        elbo, kl = map_batches(estimator, terms, data, exact=True).mean(0, dtype=np.float64).tolist()
        bound = {"elbo": elbo, "kl": kl}
    return {
        "part": part,
        "samples": len(X),
        "squared_error": errors,
        "latent_dim": estimator.latent_dim_,
        "pca_latent_dim": rank,
        **bound,
        "parameters": sum(p.numel() for p in module.parameters()),
    }


def _squared_error(x: Array, x_hat: Array) -> float:
    return float(np.square(x - x_hat, dtype=np.float64).sum() / len(x))
