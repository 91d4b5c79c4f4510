"""What `narrows score` measures, and what it prints."""

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
from narrows.data.types_table import MixedTable
from narrows.errors import ConfigError, DataError
from narrows.estimators.base import Autoencoder
from narrows.evaluation import anomaly_scores, squared_error, threshold
from narrows.evaluation.errors import squared_error_by_feature
from narrows.numbers import number
from narrows.runs import Run
from narrows.runs.dataset import own_data
from narrows.storage.atomic import write_png

WORST = 10
"""Samples that are printed, those least normal."""
OFF = 3
"""Columns that are printed of each."""


class Scores(NamedTuple):
    """What is known of samples, in the order of their rows."""

    score: Array
    """(N,), higher is more normal."""
    error: Array
    """(N,), squared, on the model's scale."""
    of_features: Array | None
    """(N, features), the same by columns; None for images."""
    flagged: Array | None
    """(N,), whether the score is below the limit; None where there is none."""
    limit: str
    """What the limit is, in words."""
    names: Sequence[str]
    """Of the features."""

    def columns(self) -> dict[str, Array]:
        """Return the columns of a file."""
        columns = {"score": self.score, "error": self.error}
        if self.of_features is not None:
            columns |= {f"error_{name}": self.of_features[:, i] for i, name in enumerate(self.names)}
        return columns if self.flagged is None else {**columns, "flagged": self.flagged}


def own_data_of(run: Run) -> Dataset | None:
    """Return the data that a run was trained on; None, which is said, where they are nowhere."""
    try:
        return own_data(run, changed=note)
    except DataError as error:
        note(f"nothing is flagged: {error}")
        return None


def scores_of(
    model: Autoencoder, samples: Samples, names: Sequence[str] | None, own: Dataset | None, by: str, rate: float
) -> Scores:
    """Return the scores of samples, and which are below those of a share `rate` of a run's own samples.

    These are the samples held out from training, or all of them where so few were held out that the share is less than
    one.
    """
    arrays = model.arrays(samples.X, samples.y)
    train = None if own is None else model.arrays(own.train, own.train_labels)
    score = anomaly_scores(model, arrays, by=by, X_train=train)
    of_features = None if model.schema_.kind == "images" else squared_error_by_feature(model, arrays)
    flagged, words = None, ""
    if own is not None:
        held_out = [name for name in ("validation", "test") if name in own.split_names]
        enough = sum(len(own.split(name).X) for name in held_out) * rate >= 1
        kind, splits = ("held-out", held_out) if enough else ("own", own.split_names)
        parts = [own.split(name) for name in splits]
        known = [anomaly_scores(model, model.arrays(part.X, part.y), by=by, X_train=train) for part in parts]
        limit = threshold(np.concatenate(known), rate)
        flagged = score < limit
        words = (
            f"below {number(limit)}, the lowest {100 * rate:.3g}% of the run's {sum(map(len, known)):,} {kind} samples"
        )
    if of_features is not None and (names is None or len(names) != of_features.shape[1]):
        names = numbered("value", of_features.shape[1])
    return Scores(score, squared_error(model, arrays), of_features, flagged, words, names or ())


def print_scores(model: Autoencoder, samples: Samples, scores: Scores) -> None:
    """Print how many are flagged, and the least normal samples with the columns in which they are off."""
    if scores.flagged is None:
        out().print(f"{samples.what} scored")
    else:
        flagged = int(scores.flagged.sum())
        share = f"{flagged / len(scores.score):.2%}"
        out().print(f"{flagged:,} of {samples.what} flagged ({share}): score {scores.limit}", soft_wrap=True)
    worst = np.argsort(scores.score, kind="stable")[:WORST]
    off = ["" for _ in worst] if scores.of_features is None else _off(model, samples, worst, scores)
    wide = out().width >= 72
    columns: list[tuple[str, bool, dict[str, Any]]] = [
        ("row", True, {"justify": "right"}), (samples.ids.name, samples.ids.name != "row", {"overflow": "fold"}),
        ("score", True, {"justify": "right"}), ("error", True, {"justify": "right"}),
        ("flagged", scores.flagged is not None, {}),
        ("off by most: value (reconstruction)", wide and scores.of_features is not None, {"overflow": "fold"}),
    ]  # fmt: skip
    ids = samples.ids
    rows = [
        (
            str(ids.rows[i]),
            str(ids.values[i]),
            number(float(scores.score[i])),
            number(float(scores.error[i])),
            "yes" if scores.flagged is not None and scores.flagged[i] else "",
            text,
        )
        for i, text in zip(worst, off, strict=True)
    ]
    out().print(table_of(columns, rows))


def draw_worst(path: Path, model: Autoencoder, samples: Samples, scores: Scores, written: Written) -> None:
    """Draw the least normal samples above their reconstructions; of images their errors, too."""
    if isinstance(samples.X, MixedTable):
        raise ConfigError("score: --picture must be left out for a table with text or times. The file has all values.")
    worst = np.argsort(scores.score, kind="stable")[: figures.room(model.sample_shape_)]
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


def _off(model: Autoencoder, samples: Samples, worst: Array, scores: Scores) -> list[str]:
    """Return of each sample the columns that are most unlike their reconstruction, in words."""
    names, table, texts = scores.names, model.schema_.kind == "table", []
    of_features = np.asarray(scores.of_features)
    if isinstance(samples.X, MixedTable):
        cells = _cells(model, samples, worst)
    elif table:
        cells = [[[_short(v) for v in row] for row in part] for part in _with_reconstruction(model, samples, worst)]
    else:
        cells = []
    for position, i in enumerate(worst):
        errors = np.nan_to_num(of_features[i])
        columns = [c for c in np.argsort(-errors, kind="stable")[:OFF] if errors[c] > 0]
        pairs = [f" {cells[0][position][c]} ({cells[1][position][c]})" if cells else "" for c in columns]
        texts.append(", ".join(names[c] + pair for c, pair in zip(columns, pairs, strict=True)))
    return texts


def _cells(model: Autoencoder, samples: Samples, rows: Array) -> list[list[list[str]]]:
    """Return the values of typed columns in these rows, and their reconstructions, in words."""
    X = samples.X[rows]
    X_hat = model.reconstruct(X, y=None if samples.y is None else samples.y[rows])
    found = []
    for table in (X, X_hat):
        columns = [table.columns[column.name].objects() for column in model.schema_.features]
        found.append([[_word(value) for value in row] for row in zip(*columns, strict=True)])
    return found


def _word(value: Any) -> str:
    if value is None:
        return "missing"
    return value if isinstance(value, str) else f"{float(value):.4g}"


def _short(value: Any) -> str:
    return f"{float(value):.4g}" if math.isfinite(float(value)) else "missing"
