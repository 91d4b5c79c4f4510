"""Measures of a fitted model; each names its unit, its variant and its source.

access.py          a model's data and module, for all measures
likelihood.py      ELBO, importance-weighted bounds, bits per dimension
"""

from narrows.evaluation.likelihood import Estimate, bits_per_dimension, elbo, log_likelihood, mean_and_error, unit

__all__ = ["Estimate", "bits_per_dimension", "elbo", "log_likelihood", "mean_and_error", "unit"]
