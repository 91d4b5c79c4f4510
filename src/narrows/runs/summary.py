"""How well a fitted model does on held-out data, beside PCA of the same rank and the mean sample."""

from __future__ import annotations

from typing import Any

from narrows.data import Dataset
from narrows.estimators.base import Autoencoder
from narrows.estimators.inference import encoded
from narrows.evaluation.errors import baseline_rank, pca_baseline, squared_error
from narrows.evaluation.likelihood import elbo, kl


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
    arrays = encoded(estimator, X, y)
    errors = {"model": float(squared_error(estimator, arrays).mean())}
    if len(dataset.train) > 1:
        baseline = pca_baseline(estimator, dataset.train, dataset.train_labels)
        errors["pca"] = float(baseline.squared_error(arrays).mean())
        errors["mean"] = float(baseline.squared_error_of_mean(arrays).mean())
    probabilistic = estimator.module_.probabilistic
    return {
        "split": split,
        "samples": len(X),
        "squared_error": errors,
        "latent_dim": estimator.latent_dim_,
        "pca_latent_dim": baseline_rank(estimator, len(dataset.train)),
        "elbo": float(elbo(estimator, arrays).mean()) if probabilistic else None,
        "kl": float(kl(estimator, arrays).mean()) if probabilistic else None,
        "parameters": sum(p.numel() for p in estimator.module_.parameters()),
    }
