"""Which remedies there are: those that change what a model has, and that its estimator accepts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from sklearn.base import clone

from narrows.components import resolve_all
from narrows.errors import NarrowsError
from narrows.estimators.neural import NeuralAutoencoder
from narrows.evaluation.diagnosis.evidence import Evidence
from narrows.evaluation.diagnosis.finding import Finding, Remedy
from narrows.params import fields, validate

TOPICS = {"kl_warmup": "beta", "free_bits": "beta", "patience": "epochs", "clip": "learning_rate"}
"""Parameters by which advice on another one could be contradicted."""
SHAPING = ("latent_dim", "scale")
"""Parameters that the module depends on, beside its components."""


def usable(evidence: Evidence, remedies: Iterable[Remedy]) -> tuple[Remedy, ...]:
    """Return the remedies that change something, and that the estimator accepts."""
    return tuple(remedy for remedy in remedies if _usable(evidence, remedy))


def first_usable(evidence: Evidence, *values: Mapping[str, Any], reason: str) -> list[Remedy]:
    """Return the first of several forms of one remedy that can be used."""
    return list(usable(evidence, (Remedy(each, reason) for each in values)))[:1]


def without_contradictions(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings, in order, without remedies for what an earlier one sets to another value."""
    kept = []
    settled: dict[str, set[tuple[str, Any]]] = {}
    for finding in findings:
        remedies = tuple(remedy for remedy in finding.remedies if _agrees(settled, remedy))
        for item in (item for remedy in remedies for item in remedy.values.items()):
            settled.setdefault(_topic(item[0]), set()).add(item)
        kept.append(finding._replace(remedies=remedies))
    return kept


def _topic(name: str) -> str:
    return TOPICS.get(name, name)


def _agrees(settled: Mapping[str, set[tuple[str, Any]]], remedy: Remedy) -> bool:
    """Return whether nothing, or one of these very values, is advised already."""
    return all(item in settled.get(_topic(item[0]), {item}) for item in remedy.values.items())


def scaled(evidence: Evidence, name: str, factor: float, *, most: float = float("inf")) -> dict[str, Any]:
    """Return a parameter multiplied by a factor, with three digits; nothing where the model has none."""
    value = evidence.parameter(name)
    if not isinstance(value, int | float):
        return {}
    return {
        name: min(most, max(1, round(value * factor)) if isinstance(value, int) else float(f"{value * factor:.3g}"))
    }


def with_network(evidence: Evidence, **values: Any) -> dict[str, Any]:
    """Return the network with other parameters; nothing where it has none of them. A function gets the old value."""
    model = evidence.model
    if not isinstance(model, NeuralAutoencoder) or "schema_" not in vars(model):
        return {}
    network = model.network_for(model.schema_)
    known = network.get_params()
    if not values.keys() <= known.keys():
        return {}
    values = {name: value(known[name]) if callable(value) else value for name, value in values.items()}
    return {"network": str(network.set_params(**values))}


def network_name(evidence: Evidence) -> str:
    """Return the name of the network; "" where there is none."""
    model = evidence.model
    if not isinstance(model, NeuralAutoencoder) or "schema_" not in vars(model):
        return ""
    return str(model.network_for(model.schema_)).partition(":")[0]


def _usable(evidence: Evidence, remedy: Remedy) -> bool:
    if not remedy.values:
        return bool(remedy.fit or remedy.sample or remedy.words)
    model = evidence.model
    by_name = {field.name: field for field in fields(model)}
    if not remedy.values.keys() <= by_name.keys():
        return False
    try:
        candidate = clone(model).set_params(**remedy.values)
        validate(candidate)
        if (schema := vars(model).get("schema_")) is None:
            return _differs(model, None, candidate, None, remedy)
        scale = remedy.values.get("scale", schema.scale)
        changed = replace(schema, scale=scale)
        if not _differs(model, schema, candidate, changed, remedy):
            return False
        if isinstance(candidate, NeuralAutoencoder):
            network = candidate.network_for(changed)
            bounded = candidate.likelihood_for(changed, network).bounded
            inside = scale == schema.scale and 0 <= evidence.low <= evidence.high <= 1
            if bounded and not inside:
                return False
        if any(by_name[name].axis or name in SHAPING for name in remedy.values):
            with torch.device("meta"):  # shapes alone
                candidate.build(changed)
    except (NarrowsError, NotImplementedError, RuntimeError, TypeError):  # a user's own component may take no such
        return False
    return True


def _differs(model: Any, schema: Any, candidate: Any, changed: Any, remedy: Remedy) -> bool:
    """Return whether every parameter of a remedy has another value than the model's."""
    before, after = _effective(model, schema), _effective(candidate, changed)
    return all(before[name] != after[name] for name in remedy.values)


def _effective(model: Any, schema: Any) -> dict[str, Any]:
    """Return the parameters with "auto" and short strings resolved, so that what is the same compares as the same."""
    known = {}
    for field in fields(model):
        value = getattr(model, field.name)
        if field.axis is not None and value != "auto":
            modules = field.name == "network" and isinstance(value, tuple | list)  # the user's own
            value = value if modules else resolve_all(field.axis, value)
        known[field.name] = value
    if schema is not None:
        known["scale"] = schema.scale
        if isinstance(model, NeuralAutoencoder):
            network = model.network_for(schema)
            known["network"], known["likelihood"] = network, model.likelihood_for(schema, network)
    return known
