"""What `narrows score` and `narrows anomalies` measure, and what they print."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from narrows import figures
from narrows.cli.console import note, out, table_of
from narrows.cli.samples import Samples, Written, numbered
from narrows.data import Dataset
from narrows.data.arrays import Array
from narrows.data.types_schema import table_like
from narrows.errors import ConfigError, DataError
from narrows.estimators.base import Autoencoder
from narrows.evaluation import Anomalies, anomalies, anomaly_scores, squared_error
from narrows.evaluation.errors import squared_error_by_feature
from narrows.numbers import number
from narrows.runs import Run
from narrows.runs.dataset import own_data
from narrows.storage.atomic import write_png

WORST = 10
"""Rows that are printed, those least normal."""
REASONS = 3
"""Columns that are named of each."""


class Scores(NamedTuple):
    """What is known of samples, in the order of their rows."""

    score: Array
    """(N,), higher is more normal."""
    error: Array
    """(N,), squared, on the model's scale."""
    of_features: Array | None
    """(N, features), the same by columns; None for images."""
    names: Sequence[str]
    """Of the features."""

    def columns(self) -> dict[str, Array]:
        """Return the columns of a file."""
        columns = {"score": self.score, "error": self.error}
        if self.of_features is not None:
            columns |= {f"error_{name}": self.of_features[:, i] for i, name in enumerate(self.names)}
        return columns


def scores_of(
    model: Autoencoder, samples: Samples, names: Sequence[str] | None, own: Dataset | None, by: str
) -> Scores:
    """Return the scores of samples; `own` are the data of the run, whose training samples some scores need."""
    arrays = model.arrays(samples.X, samples.y)
    train = None if own is None else model.arrays(own.train, own.train_labels)
    score = anomaly_scores(model, arrays, by=by, X_train=train)
    of_features = None if model.schema_.kind == "images" else squared_error_by_feature(model, arrays)
    if of_features is not None and (names is None or len(names) != of_features.shape[1]):
        names = numbered("value", of_features.shape[1])
    return Scores(score, squared_error(model, arrays), of_features, names or ())


def own_data_of(run: Run) -> Dataset | None:
    """Return the data that a run was trained on; None, which is said, where they are nowhere."""
    try:
        return own_data(run, changed=note)
    except DataError as error:
        note(f"the rows themselves say what is usual: {error}")
        return None


def anomalies_of(
    model: Autoencoder, samples: Samples, own: Dataset | None, by: str, rate: float
) -> tuple[Anomalies, str]:
    """Return the samples that fit least, and in words what the limit is.

    It is that of a share `rate` of the run's held-out samples, or of all of its samples where so few were held out that
    the share is less than one; without the data of the run, of the samples themselves.
    """
    arrays = model.arrays(samples.X, samples.y)
    if own is None:
        found = anomalies(model, arrays, rate=rate, by=by)
        return found, f"below {number(found.limit)}, the lowest {100 * rate:.3g}% of these samples"
    train = model.arrays(own.train, own.train_labels)
    held_out = [name for name in ("validation", "test") if name in own.split_names]
    enough = sum(len(own.split(name).X) for name in held_out) * rate >= 1
    kind, splits = ("held-out", held_out) if enough else ("own", own.split_names)
    parts = [own.split(name) for name in splits]
    known = [anomaly_scores(model, model.arrays(part.X, part.y), by=by, X_train=train) for part in parts]
    found = anomalies(model, arrays, rate=rate, by=by, X_train=train, reference=np.concatenate(known))
    words = f"the lowest {100 * rate:.3g}% of the run's {sum(map(len, known)):,} {kind} samples"
    return found, f"below {number(found.limit)}, {words}"


def reasons(found: Anomalies) -> list[list[tuple[str, float]]]:
    """Return of each anomaly the columns with the largest part, and that part."""
    if found.shares is None or found.columns is None:
        return [[] for _ in found.rows]
    largest = [np.argsort(-shares, kind="stable")[:REASONS] for shares in found.shares]
    return [
        [(found.columns[d], float(shares[d])) for d in columns if shares[d] > 0]
        for columns, shares in zip(largest, found.shares, strict=True)
    ]


def anomaly_columns(found: Anomalies) -> dict[str, Array]:
    """Return the columns of a file, one row for each anomaly: its score, and the columns that make it one."""
    columns = {"score": found.scores[found.rows]}
    if found.shares is not None:
        named = reasons(found)
        for place in range(REASONS):
            of = [row[place] if place < len(row) else ("", np.nan) for row in named]
            columns[f"column_{place + 1}"] = np.array([name for name, _ in of], dtype=str)
            columns[f"share_{place + 1}"] = np.array([share for _, share in of], dtype=np.float64)
    return columns


def print_anomalies(model: Autoencoder, samples: Samples, found: Anomalies, words: str) -> None:
    """Print how many anomalies there are, and the least normal samples with the columns that make them so."""
    n = len(found.rows)
    out().print(f"{n:,} of {samples.what} ({n / len(found.scores):.2%}): score {words}", soft_wrap=True)
    if not n:
        return
    shown, wide, ids = found.rows[:WORST], out().width >= 72, samples.ids
    columns: list[tuple[str, bool, dict[str, Any]]] = [
        ("row", True, {"justify": "right"}), (ids.name, ids.name != "row", {"overflow": "fold"}),
        ("score", True, {"justify": "right"}),
        ("because of: value (reconstruction), share", wide and found.shares is not None, {"overflow": "fold"}),
    ]  # fmt: skip
    texts = _in_words(model, samples, found, shown)
    rows = [
        (str(ids.rows[i]), str(ids.values[i]), number(float(found.scores[i])), text)
        for i, text in zip(shown, texts, strict=True)
    ]
    out().print(table_of(columns, rows))


def print_scores(samples: Samples, scores: Scores) -> None:
    """Print how the scores are spread."""
    low, middle, high = np.quantile(scores.score, (0, 0.5, 1))
    out().print(f"{samples.what} scored: from {number(low)} to {number(high)}, median {number(middle)}")


def draw_worst(path: Path, model: Autoencoder, samples: Samples, scores: Array, written: Written) -> None:
    """Draw the least normal samples above their reconstructions; of images their errors, too."""
    if model.schema_.types is not None:
        raise ConfigError("anomalies: --picture must be left out for a table of typed columns. The file has them.")
    worst = np.argsort(scores, kind="stable")[: figures.room(model.sample_shape_)]
    X, X_hat = _with_reconstruction(model, samples, worst)
    rows = {"least normal": X, "reconstruction": X_hat}
    if model.schema_.kind == "images":
        rows["error"] = np.abs(X.astype(np.float64) - X_hat).astype(X.dtype)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png(path, figures.compare(rows))
    written.say(path)


def _with_reconstruction(model: Autoencoder, samples: Samples, rows: Array) -> tuple[Array, Array]:
    X = [samples.X[i] for i in rows] if isinstance(samples.X, list) else samples.X[rows]
    X_hat = model.reconstruct(X, y=None if samples.y is None else samples.y[rows])
    return np.asarray(X), np.asarray(X_hat)


def _in_words(model: Autoencoder, samples: Samples, found: Anomalies, shown: Array) -> list[str]:
    """Return of each sample the columns that make it an anomaly, their values and what the model expects."""
    if found.columns is None:
        return ["" for _ in shown]
    typed = model.schema_.types is not None
    X, X_hat = (_cells if typed else _with_reconstruction)(model, samples, shown)
    place = {name: d for d, name in enumerate(found.columns)}
    return [
        ", ".join(
            f"{name} {_short(X[i, place[name]])} ({_short(X_hat[i, place[name]])}), {share:.0%}" for name, share in row
        )
        for i, row in enumerate(reasons(found)[: len(shown)])
    ]


def _cells(model: Autoencoder, samples: Samples, rows: Array) -> tuple[Array, Array]:
    """Return the values of typed columns in these rows, and their reconstructions, as Python's objects."""
    X: Any = table_like(samples.X[rows], model.schema_.types or (), type(model).__name__)
    X_hat = model.reconstruct(X, y=None if samples.y is None else samples.y[rows])
    found = []
    for table in (X, X_hat):
        columns = [table.columns[column.name].objects() for column in model.schema_.features]
        found.append(np.array(columns, dtype=object).T)
    return found[0], found[1]


def _short(value: Any) -> str:
    """Return a value in a few characters."""
    try:
        return f"{float(value):.4g}" if math.isfinite(float(value)) else "missing"
    except (TypeError, ValueError):
        return "missing" if value is None else str(value)
