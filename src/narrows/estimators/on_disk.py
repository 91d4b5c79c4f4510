"""Statistics of rows on disk, of as few passes as there can be: one, and two where principal axes are sketched."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from narrows.data.arrays import Array, Arrays
from narrows.data.facts import Facts
from narrows.data.schema import Schema
from narrows.data.stored import StoredRows, Sum
from narrows.moments import Products
from narrows.pca import Axes, axes_of, axes_of_sketch, principal_axes, solver_of
from narrows.sketch import Refined, Sketch, sketch_width


def sums_for_axes(
    X: StoredRows, k: int, dtype: np.dtype[Any], *, center: bool = True, solver: str = "auto", scaled: bool = False
) -> list[Sum]:
    """Return what to sum in the first pass over rows for k principal axes.

    `dtype` is that in which products are computed; `scaled` says that features are divided by factors of their own.
    """
    n, d = len(X), math.prod(X.shape[1:])
    solver = solver_of(n, d, k, solver)
    if solver == "covariance":
        return [Products(d, dtype)]
    # A random block that is divided by factors is not random alike in all directions: it has a pass of its own.
    return [Sketch(d, sketch_width(k, min(n, d)), center=center)] if solver == "range" and not scaled else []


def axes_on_disk(
    X: StoredRows, schema: Schema, k: int, dtype: np.dtype[Any], *, center: bool = True, solver: str = "auto",
) -> Axes:  # fmt: skip
    """Return the first k principal axes of rows without missing values on the model's scale, k <= min(N, D)."""
    n, d = len(X), math.prod(X.shape[1:])
    offset, factor = schema.units
    solver = solver_of(n, d, k, solver)
    if solver == "covariance":
        if (products := X.taken(Products)) is None:
            X.gather(products := Products(d, dtype))
        return axes_of(products.moments.scaled(offset, factor), k, center=center)
    if solver != "range":
        return principal_axes(schema.in_memory(Arrays(X), dtype).x, k, center=center, solver=solver)  # type: ignore[arg-type]
    rows, unit = X, float(factor.flat[0])
    if offset.any() or (factor != unit).any():
        rows, unit = schema.on_scale(Arrays(X), np.dtype(np.float32)).x, 1.0  # type: ignore[arg-type,assignment]
    first = rows.taken(Sketch)
    if first is None or first.center != center:
        rows.gather(first := Sketch(d, sketch_width(k, min(n, d)), center=center))
    rows.gather(second := Refined(first.basis(), first.mean if center else np.zeros(d)))
    facts = scaled_facts(X, schema)
    squares = float(facts.squares.sum()) + (0.0 if center else float((facts.count * facts.mean**2).sum()))
    found = axes_of_sketch(first, second, k, squares * unit**2)
    ratio = unit**2
    return Axes(found.mean / unit, found.components, found.variance / ratio, found.total / ratio, found.noise / ratio)


def scaled_facts(X: StoredRows, schema: Schema) -> Facts:
    """Return moments and ranges of every value on the model's scale."""
    facts, (offset, factor) = X.facts, schema.units
    return replace(
        facts, mean=(facts.mean - offset) / factor, squares=facts.squares / factor**2,
        low=(facts.low - offset) / factor, high=(facts.high - offset) / factor,
    )  # fmt: skip


def deviation_of(facts: Facts) -> float:
    """Return the deviation of all values, whatever feature they are of."""
    count = facts.count.sum()
    overall = (facts.mean * facts.count).sum() / count
    return math.sqrt(float((facts.squares + facts.count * (facts.mean - overall) ** 2).sum() / count))


def multiples_of_grey(X: StoredRows, schema: Schema) -> bool:
    """Return whether all values on the model's scale are multiples of 1/255; rows are read up to one that is not."""
    return schema.pixels or all(_grey(schema.scaled(part, np.dtype(np.float32))) for part in X.parts())


def _grey(rows: tuple[Array, Array | None]) -> bool:
    x = rows[0] * 255  # what is missing is 0
    return bool(np.all(np.abs(x - np.round(x)) < 1e-3))
