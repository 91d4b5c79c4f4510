"""How well a fitted model does on held-out data, beside PCA of the same rank and the mean sample."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from narrows.data import Dataset
from narrows.estimators.base import Autoencoder
from narrows.estimators.inference import encoded, map_batches
from narrows.evaluation import elbo, pca_baseline, squared_error
from narrows.module import Batch
from narrows.objectives import divergence

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
        `split`, `samples`; `squared_error`: means per sample, of the squared differences summed over its values, for
        "model", "pca" and "mean"; `latent_dim`, `pca_latent_dim`; `elbo`, `kl`: nats per sample, for probabilistic
        models, else None: the bound itself, whatever beta was; `parameters`.
    """
    split, X, y = dataset.evaluation_split
    train, held_out = encoded(estimator, dataset.train, dataset.train_labels), encoded(estimator, X, y)
    errors = {"model": float(squared_error(estimator, held_out).mean())}
    rank = min(estimator.latent_dim_, len(dataset.train), estimator.n_features_in_)
    if len(dataset.train) > 1:
        baseline = pca_baseline(estimator, train)
        rank = baseline.rank
        errors["pca"] = float(baseline.squared_error(held_out).mean())
        errors["mean"] = float(baseline.squared_error_of_mean(held_out).mean())
    module: Any = estimator.module_
    bound: dict[str, float | None] = {"elbo": None, "kl": None}
    if module.probabilistic:

        def kl_of(batch: Batch) -> Tensor:
            posterior = module.posterior(batch)
            return divergence(posterior, module.prior(batch), posterior.mean)

        kl = map_batches(estimator, kl_of, held_out, exact=True)
        bound = {"elbo": float(elbo(estimator, held_out).mean()), "kl": float(kl.mean())}
    return {
        "split": split,
        "samples": len(X),
        "squared_error": errors,
        "latent_dim": estimator.latent_dim_,
        "pca_latent_dim": rank,
        **bound,
        "parameters": sum(p.numel() for p in module.parameters()),
    }
