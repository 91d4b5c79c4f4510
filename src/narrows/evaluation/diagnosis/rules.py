"""The rules of diagnosis: each reads the evidence on one model, and returns a finding or None.

The thresholds were set on runs that are known to be sound or broken: sound ones stay well clear of them.
"""

from __future__ import annotations

from collections.abc import Callable

from narrows.evaluation.diagnosis.code_rules import (
    codes_off_prior,
    collapsed_dimensions,
    ignores_code,
    off_range,
    posterior_collapse,
    unused_codes,
)
from narrows.evaluation.diagnosis.columns import unlearned_columns
from narrows.evaluation.diagnosis.error_rules import overfitting, too_few_samples, worse_than_pca
from narrows.evaluation.diagnosis.evidence import Evidence
from narrows.evaluation.diagnosis.finding import Finding
from narrows.evaluation.diagnosis.training_rules import (
    dead_units,
    learning_rate_high,
    learning_rate_low,
    likelihood_misfit,
    saturated_units,
    scale_misfit,
)

Rule = Callable[[Evidence], Finding | None]
RULES: dict[Rule, tuple[Rule, ...]] = {
    scale_misfit: (likelihood_misfit, saturated_units, dead_units, learning_rate_low, learning_rate_high, ignores_code),
    learning_rate_high: (dead_units, saturated_units, unused_codes, ignores_code, posterior_collapse, likelihood_misfit,
                         off_range, collapsed_dimensions, learning_rate_low),
    dead_units: (unused_codes, ignores_code, posterior_collapse),
    saturated_units: (learning_rate_low, ignores_code, posterior_collapse),
    learning_rate_low: (ignores_code, posterior_collapse, collapsed_dimensions, likelihood_misfit, off_range),
    likelihood_misfit: (posterior_collapse, collapsed_dimensions, ignores_code),
    posterior_collapse: (ignores_code, unlearned_columns),
    collapsed_dimensions: (),
    too_few_samples: (overfitting,),
    overfitting: (),
    ignores_code: (unused_codes,),
    unused_codes: (),
    worse_than_pca: (),
    unlearned_columns: (),
    codes_off_prior: (off_range,),
    off_range: (),
}  # fmt: skip
"""Every rule, causes first, with the rules whose findings follow from it and are then left out.

An error above PCA's, and codes far from the prior, follow from many and are told in any case.
"""
