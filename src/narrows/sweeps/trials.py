"""The trials of a study that have ended, and what values are drawn from."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from narrows.params import write_value
from narrows.storage.atomic import write_text
from narrows.storage.columns import csv_text


class Range(NamedTuple):
    """Values from `low` to `high`, for samplers: whole numbers or not; over a factor of ten by their logarithm."""

    low: float
    high: float
    whole: bool

    @property
    def log(self) -> bool:
        """Whether values are drawn by their logarithm."""
        return self.low > 0 and self.high >= 10 * self.low

    def __str__(self) -> str:
        return f"{write_value(self.low)}..{write_value(self.high)}"


class Trial(NamedTuple):
    """A trial that has ended."""

    number: int
    values: dict[str, Any]
    seed: int
    state: str
    """complete, pruned or failed."""
    loss: float | None
    """The least validation loss of all epochs."""
    measures: dict[str, float]
    host: str
    error: str


def ended(space: Mapping[str, Sequence[Any] | Range], trial: Any) -> Trial:
    """Return one of Optuna's trials that has ended."""
    values: dict[str, Any] = {}
    for name, known in space.items():
        text = trial.params.get(name)
        at = {} if isinstance(known, Range) else {write_value(value): value for value in known}
        values[name] = at.get(text, text)
    losses = list(trial.intermediate_values.values())
    states = {"COMPLETE": "complete", "PRUNED": "pruned"}
    attributes = trial.user_attrs
    return Trial(
        trial.number, values, attributes.get("seed", 0), states.get(trial.state.name, "failed"),
        trial.value if trial.value is not None else min(losses, default=None),
        attributes.get("measures", {}), (attributes.get("process") or {}).get("host", platform.node()),
        attributes.get("error", ""),
    )  # fmt: skip


def ranked(results: Sequence[Trial]) -> list[Trial]:
    """Return trials by their validation loss, those that are complete first."""
    order = ("complete", "pruned", "failed")
    return sorted(results, key=lambda t: (order.index(t.state), math.inf if t.loss is None else t.loss, t.number))


def write_trials(path: Path, names: Sequence[str], results: Sequence[Trial]) -> Path:
    """Write trials with the values of their parameters as a table, the best first, and return its path."""
    measures = list(dict.fromkeys(name for trial in results for name in trial.measures))
    header = ["trial", *names, "seed", "state", "validation loss", *measures, "host"]
    rows = [
        [t.number, *(write_value(t.values.get(name)) for name in names), t.seed, t.state,
         "" if t.loss is None else t.loss, *(t.measures.get(name, "") for name in measures), t.host]
        for t in ranked(results)
    ]  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, csv_text([header, *rows]))
    return path
