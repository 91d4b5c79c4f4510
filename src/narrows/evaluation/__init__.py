"""Measures of a fitted model; each states its unit, its variant and its source.

errors.py           the squared error, and the PCA baseline
columns.py          every column's share of the score, in nats
likelihood.py       ELBO, importance-weighted bounds, bits per dimension
reconstruction.py   squared error, PSNR, SSIM, beside PCA and the mean
representation.py   KL per dimension, active units, aggregate posterior, mutual information, codebooks
probes.py           neighbourhoods, and labels predicted from codes
anomaly.py          scores, thresholds, AUROC, one class against the rest
outliers.py         the rows that fit least, and the columns that make them so
synthesis/          drawn rows of a table beside real ones, independent columns and a copula
features.py         features on which generated samples are compared: pixels, or a classifier's
inception.py        the features of FID, from weights that the user gives
generation.py       Fréchet distance, kernel distance, precision and recall, density and coverage
disentanglement.py  MIG, DCI, SAP, FactorVAE score, modularity
comparison.py       several models in one table, with the spread over seeds
report.py           that table as an HTML file
diagnosis/          what went wrong, in sentences: rules, what they measure, and the loss curves of a training
"""

from narrows.data.factors import FactorGrid, factor_grid
from narrows.evaluation.anomaly import (
    SCORES,
    Detection,
    OneAgainstRest,
    anomaly_scores,
    detection,
    one_against_rest,
    predict_anomalies,
    threshold,
)
from narrows.evaluation.columns import ColumnScores, column_gains, column_scores
from narrows.evaluation.comparison import Cell, Comparison, Row, compare_models
from narrows.evaluation.diagnosis import Finding, Remedy, diagnose, diagnose_history, diagnose_summary
from narrows.evaluation.disentanglement import (
    DCI,
    Disentanglement,
    completeness,
    dci,
    disentanglement_of_matrix,
    factor_vae_score,
    measure_disentanglement,
    mig,
    modularity,
    modularity_of_matrix,
    mutual_information_matrix,
    sap,
)
from narrows.evaluation.errors import Baseline, pca_baseline, squared_error, squared_errors
from narrows.evaluation.features import PIXELS, Features, classifier_features
from narrows.evaluation.generation import (
    DensityCoverage,
    KernelDistance,
    PrecisionRecall,
    density_coverage,
    frechet_distance,
    frechet_from_moments,
    kernel_distance,
    measure_generation,
    precision_recall,
)
from narrows.evaluation.inception import inception_features
from narrows.evaluation.likelihood import Estimate, bits_per_dimension, elbo, log_likelihood, mean_and_error, unit
from narrows.evaluation.outliers import Anomalies, anomalies, column_nats, column_shares
from narrows.evaluation.probes import FewLabels, few_label_accuracy, knn_accuracy, logistic_accuracy, trustworthiness
from narrows.evaluation.reconstruction import (
    AgainstBaselines,
    Reconstruction,
    against_baselines,
    compare,
    measure_reconstruction,
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
from narrows.evaluation.synthesis import Synthesis, baseline_rows, measure_synthesis, picture_synthesis
from narrows.probability.densities import (
    DENSITIES,
    CodeDensity,
    FlowDensity,
    KernelCodeDensity,
    MixtureDensity,
    fit_density,
)

__all__ = [
    "DCI", "DENSITIES", "PIXELS", "SCORES", "ActiveUnits", "AgainstBaselines", "AggregatePosterior", "Anomalies",
    "Baseline", "Cell", "CodeDensity", "ColumnScores", "Comparison", "DensityCoverage", "Detection", "Disentanglement",
    "Estimate", "FactorGrid", "Features", "FewLabels", "Finding", "FlowDensity", "Information", "KernelCodeDensity",
    "KernelDistance", "MixtureDensity", "OneAgainstRest", "Perplexity", "PrecisionRecall", "Reconstruction", "Remedy",
    "Row", "Synthesis", "active_units", "against_baselines", "aggregate_posterior", "anomalies", "anomaly_scores",
    "baseline_rows", "bits_per_dimension", "classifier_features", "column_gains", "column_nats", "column_scores",
    "column_shares", "compare", "compare_models", "completeness", "dci", "density_coverage", "detection", "diagnose",
    "diagnose_history", "diagnose_summary", "disentanglement_of_matrix", "elbo", "factor_grid", "factor_vae_score",
    "few_label_accuracy", "fit_density", "frechet_distance", "frechet_from_moments", "inception_features",
    "information", "kernel_distance", "kl_per_dimension", "knn_accuracy", "log_likelihood", "logistic_accuracy",
    "mean_and_error", "measure_disentanglement", "measure_generation", "measure_reconstruction", "measure_synthesis",
    "mig", "modularity", "modularity_of_matrix", "mutual_information_matrix", "one_against_rest", "pca_baseline",
    "perplexity", "picture_synthesis", "precision_recall", "predict_anomalies", "sap", "squared_error",
    "squared_errors", "ssim", "threshold", "trustworthiness", "unit",
]  # fmt: skip
