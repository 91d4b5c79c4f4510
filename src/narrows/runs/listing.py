"""Runs side by side: their values by name, those that differ, in an order, and those that meet conditions."""

from __future__ import annotations

import contextlib
import math
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from narrows.errors import ConfigError, FormatError, did_you_mean
from narrows.estimators import ESTIMATORS
from narrows.params import fields
from narrows.runs.folder import Run

VALUES = ("name", "status", "model", "data", "started", "epochs", "seconds", "error", "pca", "elbo", "kl")
"""Of every run, beside the parameters of its model."""
COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le, ">=": operator.ge, "!=": operator.ne, "=": operator.eq, "<": operator.lt, ">": operator.gt,
}  # fmt: skip


def runs_in(folder: str | Path) -> tuple[list[Run], list[str]]:
    """Return the runs in a folder, the latest last, and a sentence for each folder whose record is not sound."""
    found, problems = [], []
    for path in sorted(Path(folder).glob("*/run.json")):
        try:
            found.append(Run(path.parent))
        except FormatError as error:
            problems.append(str(error))
    return sorted(found, key=lambda run: (run.record["started"], run.name)), problems


def values_of(run: Run) -> dict[str, Any]:
    """Return what can be sorted and filtered by: `VALUES`, and every parameter of the model as text or number."""
    record, summary, errors = run.record, run.summary or {}, run.errors
    cls = ESTIMATORS.get(record["model"])
    defaults = {} if cls is None else {field.name: field.default for field in fields(cls)}
    parameters = {name: run.text_of(name, value) for name, value in {**defaults, **record["parameters"]}.items()}
    return parameters | {
        "name": run.name, "status": run.status, "model": record["model"], "data": record["data"]["name"],
        "started": record["started"], "epochs": record.get("epoch", 0), "seconds": record.get("seconds"),
        "error": errors.get("model"), "pca": errors.get("pca"), "elbo": summary.get("elbo"), "kl": summary.get("kl"),
    }  # fmt: skip


def differing(runs: Sequence[Run]) -> list[dict[str, str]]:
    """Return of each run the parameters, as text, in which these runs differ; those at their default are left out.

    Of a single run they are all that are not at their default.
    """
    changed = [run.changed for run in runs]
    names = dict.fromkeys(name for each in changed for name in each)
    if len(runs) > 1:
        names = {name: None for name in names if len({each.get(name) for each in changed}) > 1}
    return [{name: each[name] for name in names if name in each} for each in changed]


def arranged(
    runs: Iterable[Run], *, by: str = "started", descending: bool = False, conditions: Sequence[str] = ()
) -> list[Run]:
    """Return the runs that meet all conditions, in order; those that lack the value come last.

    Parameters
    ----------
    runs
        Any runs.
    by
        One of `VALUES`, or a parameter such as latent_dim.
    descending
        From the highest to the lowest.
    conditions
        Such as "model=vae", "error<10" or "data!=digits"; a word alone must be a part of the name.

    Raises
    ------
    ConfigError
        No run has a value of such a name.
    """
    rows = [(values_of(run), run) for run in runs]
    known = list(dict.fromkeys([*VALUES, *(name for values, _ in rows for name in values)]))
    name = _known(by, known, "sort")
    for condition in conditions:
        rows = [row for row in rows if _meets(row[0], condition, known)]

    def key(row: tuple[dict[str, Any], Run]) -> tuple[Any, ...]:
        value = _number(row[0].get(name))
        return (0, value, "") if isinstance(value, float) else (1, 0.0, str(value))

    there = [row for row in rows if row[0].get(name) is not None]
    lacking = [row for row in rows if row[0].get(name) is None]
    return [run for _, run in [*sorted(there, key=key, reverse=descending), *lacking]]


def _known(name: str, known: Sequence[str], flag: str) -> str:
    plain = name.strip().replace("-", "_")
    if plain not in known:
        raise ConfigError(
            f"runs: {flag} must be by {', '.join(VALUES)} or a parameter; got {name!r}.{did_you_mean(plain, known)}"
        )
    return plain


def _meets(values: dict[str, Any], condition: str, known: Sequence[str]) -> bool:
    match = re.fullmatch(r"\s*([\w-]+?)\s*(<=|>=|!=|=|<|>)\s*(.*?)\s*", condition)
    if match is None:
        return condition in str(values["name"])
    name, sign, text = match.groups()
    value = values.get(_known(name, known, "filter"))
    if value is None:
        return sign == "!="
    left, right = _number(value), _number(text)
    if isinstance(left, float) != isinstance(right, float):
        left, right = str(value), text
    return COMPARED[sign](left, right)


def _number(value: Any) -> Any:
    """Return a number, or a text that is one, as a float; anything else as it is."""
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        if math.isfinite(number := float(value)):
            return number
    return value
