"""What `narrows evaluate --synthesis` prints, draws and records of rows that a model draws."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from narrows.cli.console import out
from narrows.data import Dataset
from narrows.data.arrays import Array
from narrows.data.frames import frame_kind
from narrows.data.types_frames import to_native_frame
from narrows.data.types_schema import table_like
from narrows.errors import ConfigError
from narrows.estimators.base import Autoencoder
from narrows.evaluation import measure_synthesis, picture_synthesis
from narrows.numbers import number
from narrows.storage.atomic import write_png

ROWS = 10_000
"""Rows that are drawn at most."""


def check_synthesis(model: Autoencoder, flag: str = "--synthesis") -> None:
    """Raise ConfigError unless a model is one of a table and draws rows."""
    kind = model.schema_.kind
    if kind != "table" or not model.code_.continuous:
        got = f"one of {kind}" if kind != "table" else "one whose codes are indices"
        raise ConfigError(f"{flag} must go with a model of a table that draws rows; got {got}. Leave {flag} out.")


def _frame(X: Any, model: Autoencoder) -> Any:
    """Return rows as a data frame of a library that is there where columns have types, without identifiers."""
    types = model.schema_.types
    if types is None or frame_kind(X) is not None:
        return X
    kind = next((name for name in ("pandas", "polars", "pyarrow") if find_spec(name)), None)
    if kind is None:
        raise ConfigError("--synthesis must have a library of data frames; got none. Install pandas or polars.")
    table = table_like(X, types, "evaluate")
    return to_native_frame(table.chosen([column.name for column in types if column.kind != "identifier"]), kind)


def synthesis_record(model: Autoencoder, dataset: Dataset, X: Array, picture: Path) -> dict[str, Any]:
    """Print, draw and return how near rows that a model draws are to those held out, beside the baselines."""
    sampler = "prior" if model.module_.probabilistic else "gmm"
    train = None if model.codes_ is not None else dataset.train
    n = min(ROWS, len(dataset.train))
    drawn = model.sample(n, 0, sampler, X=train)
    names = dataset.columns
    held_out, drawn, known = (_frame(rows, model) for rows in (X, drawn, dataset.train))
    result = measure_synthesis(held_out, drawn, known, names=names, limit=ROWS)
    measures = {name: source.measures() for name, source in result.sources.items()}
    table = Table(f"rows, codes by {sampler}", *measures, box=None, pad_edge=False, header_style="dim")
    for column in table.columns[1:]:
        column.justify = "right"
    for measure in measures["drawn"]:
        table.add_row(measure, *(number(each.get(measure)) for each in measures.values()))
    out().print(table)
    distances = result.sources["drawn"].columns
    worst = ", ".join(f"{name} {number(distances[name])}" for name in result.worst_columns(3))
    out().print(Text(f"{result.rows:,} rows of each, beside {result.held_out:,} held out; least alike: {worst}", "dim"))
    picture.parent.mkdir(parents=True, exist_ok=True)
    write_png(picture, picture_synthesis(held_out, drawn, names=names))
    return {"sampler": sampler, **result.record()}
