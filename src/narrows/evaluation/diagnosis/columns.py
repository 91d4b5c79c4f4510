"""The rule on columns that a model of a table has not learned."""

from __future__ import annotations

from narrows.data.columns import shortened
from narrows.evaluation.diagnosis.evidence import Evidence
from narrows.evaluation.diagnosis.finding import Finding, Remedy
from narrows.evaluation.diagnosis.remedies import scaled, usable

NONE = 0.01
"""Nats a value: columns that gain less by the code are not learned."""


def unlearned_columns(e: Evidence) -> Finding | None:
    """Return which columns the code explains no better than their own distribution does."""
    names = [name for name, gain in e.gains.items() if gain < NONE]
    if not names:
        return None
    listed = shortened([repr(name) for name in names])
    explained = "is not explained" if len(names) == 1 else "are not explained"
    sentence = f"{listed} {explained} by the code: less than {NONE:g} nats better than without it."
    more = Remedy(scaled(e, "latent_dim", 2, most=512), "room for more columns")
    apart = Remedy(words="leave out columns that have nothing to do with the others")
    return Finding("columns not learned", sentence, {"columns": len(names)}, (*usable(e, [more]), apart))
