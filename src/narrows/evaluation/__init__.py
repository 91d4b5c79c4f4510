"""Measures of a fitted model; each names its unit, its variant and its source.

access.py          a model's data and module, for all measures
likelihood.py      ELBO, importance-weighted bounds, bits per dimension
reconstruction.py  squared error, PSNR, SSIM, beside PCA and the mean
representation.py  KL per dimension, active units, aggregate posterior, mutual information, codebooks
probes.py          neighbourhoods and labels read from the codes
"""

from narrows.evaluation.likelihood import Estimate, bits_per_dimension, elbo, log_likelihood, mean_and_error, unit
from narrows.evaluation.probes import (
    FewLabels,
    few_label_accuracy,
    knn_accuracy,
    logistic_accuracy,
    trustworthiness,
)
from narrows.evaluation.reconstruction import (
    AgainstBaselines,
    Reconstruction,
    against_baselines,
    compare,
    reconstruction,
    squared_error,
    ssim,
)
from narrows.evaluation.representation import (
    ActiveUnits,
    AggregatePosterior,
    Information,
    Perplexity,
    active_units,
    aggregate_posterior,
    information,
    kl_per_dimension,
    perplexity,
)

__all__ = [
    "ActiveUnits",
    "AgainstBaselines",
    "AggregatePosterior",
    "Estimate",
    "FewLabels",
    "Information",
    "Perplexity",
    "Reconstruction",
    "active_units",
    "against_baselines",
    "aggregate_posterior",
    "bits_per_dimension",
    "compare",
    "elbo",
    "few_label_accuracy",
    "information",
    "kl_per_dimension",
    "knn_accuracy",
    "log_likelihood",
    "logistic_accuracy",
    "mean_and_error",
    "perplexity",
    "reconstruction",
    "squared_error",
    "ssim",
    "trustworthiness",
    "unit",
]
