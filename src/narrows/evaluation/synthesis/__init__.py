"""Drawn rows of a table beside real ones: columns, pairs, what models learn of them, privacy, validity.

columns.py    tables of mixed types as arrays
distances.py  of columns, and of pairs of them
utility.py    train on drawn rows, test on real ones
privacy.py    distance to the closest training row, and copies
validity.py   types, levels, ranges, missing values
baselines.py  independent columns and a Gaussian copula, beside which all of it stands
report.py     all measures of drawn rows and of the baselines
picture.py    a page of pictures
"""

from narrows.evaluation.synthesis.baselines import GaussianCopula, independent_rows
from narrows.evaluation.synthesis.columns import Column, columns_of, taken
from narrows.evaluation.synthesis.distances import (
    Pair,
    column_distance,
    correlation_ratio,
    pair_distances,
    rank_correlation,
    total_variation,
)
from narrows.evaluation.synthesis.picture import picture_synthesis
from narrows.evaluation.synthesis.privacy import closest_distances, share_nearer, share_of_copies
from narrows.evaluation.synthesis.report import BASELINES, Drawn, Synthesis, baseline_rows, measure_synthesis
from narrows.evaluation.synthesis.utility import Prediction, predictions
from narrows.evaluation.synthesis.validity import Validity, validity

__all__ = [
    "BASELINES", "Column", "Drawn", "GaussianCopula", "Pair", "Prediction", "Synthesis", "Validity", "baseline_rows",
    "closest_distances", "column_distance", "columns_of", "correlation_ratio", "independent_rows",
    "measure_synthesis", "pair_distances", "picture_synthesis", "predictions", "rank_correlation", "share_nearer",
    "share_of_copies", "taken", "total_variation", "validity",
]  # fmt: skip
