"""The results of a sweep: a row per combination of values, as CSV and as a picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from narrows import figures
from narrows.evaluation import Cell
from narrows.params import write_value
from narrows.runs import Run
from narrows.sweeps.measures import BASELINES, ELBO

if TYPE_CHECKING:
    from PIL import Image

Grid = Mapping[str, Sequence[Any]]


class Trained(NamedTuple):
    """One training that is done."""

    run: Run
    values: dict[str, Any]
    """Of the parameters that are swept."""
    seed: int
    measures: dict[str, float]
    """On held-out data; empty where the training failed: `run.record["error"]` says why."""
    earlier: bool
    """Whether it had been trained before the sweep was started."""


class Row(NamedTuple):
    """One combination of values."""

    values: dict[str, Any]
    trainings: int
    """Those that did not fail."""
    cells: dict[str, Cell]
    """By measure: mean and deviation over seeds."""


def rows_of(points: Sequence[dict[str, Any]], done: Sequence[Trained]) -> list[Row]:
    """Return means and deviations over seeds, a row per combination that was trained."""
    rows = []
    for values in points:
        several = [trained.measures for trained in done if trained.values == values]
        measured = [measures for measures in several if measures]
        names = measured[0] if measured else {}
        cells = {name: _cell([measures[name] for measures in measured]) for name in names}
        if several:
            rows.append(Row(values, len(measured), cells))
    return rows


def _cell(values: Sequence[float]) -> Cell:
    return Cell(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0)


def as_csv(grid: Grid, rows: Sequence[Row]) -> str:
    """Return the rows as CSV: parameters, trainings, and mean and deviation of every measure."""
    measures = list(dict.fromkeys(measure for row in rows for measure in row.cells))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*grid, "trainings", *(name for m in measures for name in (m, f"{m}, deviation"))])
    for row in rows:
        cells = [row.cells.get(measure, ("", "")) for measure in measures]
        numbers = [value for cell in cells for value in cell]
        writer.writerow([*(write_value(value) for value in row.values.values()), row.trainings, *numbers])
    return text.getvalue()


def picture(name: str, grid: Grid, rows: Sequence[Row]) -> Image.Image:
    """Return the squared error, and the accuracy and the ELBO where there are any, by the parameter swept."""
    axis = across(grid)
    others = [parameter for parameter in grid if parameter != axis and len(grid[parameter]) > 1]
    panels: dict[str, list[figures.Line]] = {}
    for measure in ("squared error", "accuracy", ELBO):
        lines: dict[tuple[str, bool], list[tuple[Any, Cell]]] = {}
        for row in rows:
            what = ", ".join(f"{other.replace('_', ' ')} {write_value(row.values[other])}" for other in others)
            names = {measure: what or name}
            names |= {baseline: baseline.split(", ")[1] for baseline in BASELINES.get(measure, ())}
            for key, label in names.items():
                if key in row.cells:
                    lines.setdefault((label, key != measure), []).append((row.values[axis], row.cells[key]))
        panels[measure] = [
            figures.Line(
                label, [x for x, _ in points], [c.mean for _, c in points], [c.deviation for _, c in points], baseline
            )
            for (label, baseline), points in lines.items()
        ]
    return figures.sweep({measure: lines for measure, lines in panels.items() if lines}, axis)


def across(grid: Grid) -> str:
    """Return the parameter that the picture goes along: the latent dimension, or else the one with most numbers."""
    numeric = [name for name, values in grid.items() if all(isinstance(v, int | float) for v in values)]
    if "latent_dim" in numeric:
        return "latent_dim"
    return max(numeric or grid, key=lambda name: len(grid[name]))
