"""Drawn rows of a table beside real ones: distributions of columns, pairs of columns, and correlations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from narrows.figures.palette import ACCENT, FAINT, INK, SECOND
from narrows.figures.style import Array, figure_of, rendered, stacked, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL import Image

COLUMNS, PAIRS, CORRELATED = 24, 4, 40
"""Columns whose distributions are drawn, pairs of columns, and columns in a matrix of correlations, at most."""
BARS, BINS, CELLS = 8, 30, 14
"""Levels of a category that are drawn, bins of a histogram, and cells along one side of a pair."""
LONGEST = 26
"""Characters of a name."""


class RealAndDrawn(NamedTuple):
    """One column of a table, real and drawn."""

    name: str
    real: Array
    """(N,), numbers with NaN where missing; or positions among `levels`, -1 where missing."""
    drawn: Array
    """(M,), likewise."""
    levels: Sequence[str] | None = None
    """Names of the categories; None for numbers."""
    distance: float = math.nan
    """How far the drawn values are from the real ones, which is written above."""
    times: bool = False
    """Whether the numbers are seconds since 1970."""


def synthesis(
    columns: Sequence[RealAndDrawn], pairs: Sequence[tuple[str, str, float]] = (),
    correlations: tuple[Sequence[str], Array, Array] | None = None,
) -> Image.Image:  # fmt: skip
    """Return a page: distributions of columns, pairs of columns, and correlations, real and drawn beside one another.

    Parameters
    ----------
    columns
        At least one; the first 24 are drawn.
    pairs
        Names of two columns, and their distance; the first 4 are drawn, as shares of rows in cells.
    correlations
        Names of columns of numbers, and their correlations in real and in drawn rows (D, D); the first 40 are drawn.
    """
    pictures = [_distributions(columns[:COLUMNS], len(columns))]
    named = {column.name: column for column in columns}
    if pairs:
        pictures.append(_pairs([(named[a], named[b], distance) for a, b, distance in pairs[:PAIRS]]))
    if correlations is not None and len(correlations[0]) > 1:
        names, real, drawn = correlations
        n = min(CORRELATED, len(names))
        pictures.append(_correlations(names[:n], real[:n, :n], drawn[:n, :n]))
    return stacked(*pictures)


def _distributions(columns: Sequence[RealAndDrawn], of: int) -> Image.Image:
    from matplotlib.patches import Patch

    across = min(4, len(columns))
    rows = math.ceil(len(columns) / across)
    figure = figure_of(max(6.0, 2.9 * across), 1.9 * rows + 0.6)
    grid = figure.subplots(rows, across, squeeze=False)
    for axes in grid.flat[len(columns) :]:
        axes.set_visible(False)
    for axes, column in zip(grid.flat, columns, strict=False):
        styled(axes)
        (_histogram if column.levels is None else _bars)(axes, column)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        distance = "" if math.isnan(column.distance) else f"  {column.distance:.3f}"
        axes.set_title(f"{_short(column.name)}{distance}", fontsize=9, color=INK, loc="left")
    handles = [Patch(color=colour) for colour in (SECOND, ACCENT)]
    note = "" if of == len(columns) else f": {len(columns)} of {of} columns, least alike first"
    figure.legend(
        handles, ["real", f"drawn{note}"], loc="outside upper left", ncols=2, frameon=False, fontsize=9, labelcolor=INK,
        handlelength=1.2,
    )  # fmt: skip
    return rendered(figure)


def _histogram(axes: Axes, column: RealAndDrawn) -> None:
    """Draw both distributions of numbers over the middle 99% of the real ones; values beyond count at the ends."""
    real, drawn = (values[~np.isnan(values)] for values in (column.real, column.drawn))
    edges = _edges(real if len(real) else drawn, BINS)
    for values, colour, n in ((real, SECOND, len(column.real)), (drawn, ACCENT, len(column.drawn))):
        shares, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
        if colour == SECOND:
            axes.stairs(shares / max(1, n), edges, fill=True, color=colour, alpha=0.35)
        axes.stairs(shares / max(1, n), edges, color=colour, lw=1.2)
    if column.times:
        from matplotlib.ticker import FuncFormatter, MaxNLocator

        axes.xaxis.set_major_locator(MaxNLocator(3))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _day(x)))
    else:
        axes.locator_params(axis="x", nbins=4)


def _bars(axes: Axes, column: RealAndDrawn) -> None:
    """Draw the shares of the most frequent levels side by side, and of all others together."""
    names, real, drawn = _shares(column)
    places = np.arange(len(names))
    axes.bar(places - 0.2, real, 0.4, color=SECOND, alpha=0.75)
    axes.bar(places + 0.2, drawn, 0.4, color=ACCENT, alpha=0.85)
    width = 10 if len(names) > 3 else 14
    axes.set_xticks(places, [_short(name, width) for name in names], rotation=35 if len(names) > 3 else 0, fontsize=7)
    if len(names) > 3:
        for label in axes.get_xticklabels():
            label.set_horizontalalignment("right")
            label.set_rotation_mode("anchor")


def _shares(column: RealAndDrawn) -> tuple[list[str], Array, Array]:
    """Return names of levels, and their shares of the real and of the drawn rows: the most frequent, then the rest."""
    codes, names = _few(column, BARS)
    shares = [np.bincount(code, minlength=len(names)) / max(1, len(code)) for code in codes]
    return names, shares[0], shares[1]


def _few(column: RealAndDrawn, n: int) -> tuple[tuple[Array, Array], list[str]]:
    """Return real and drawn values as positions among at most n levels by their frequency, and the levels' names."""
    assert column.levels is not None
    size = len(column.levels) + 1
    real, drawn = (np.where(values < 0, size - 1, values).astype(int) for values in (column.real, column.drawn))
    counts = np.bincount(real, minlength=size) + 1e-9 * np.bincount(drawn, minlength=size)
    order = [int(level) for level in np.argsort(-counts, kind="stable") if counts[level] > 0]
    shown = order if len(order) <= n else order[: n - 1]
    names = ["missing" if level == size - 1 else str(column.levels[level]) for level in shown]
    places = np.full(size, len(shown))
    places[shown] = np.arange(len(shown))
    if len(order) > n:
        names.append(f"{len(order) - n + 1} others")
    return (places[real], places[drawn]), names


def _pairs(pairs: Sequence[tuple[RealAndDrawn, RealAndDrawn, float]]) -> Image.Image:
    """Draw pairs of columns, real above drawn, as shares of rows in cells with the same scale."""
    figure = figure_of(max(6.0, 2.9 * len(pairs)), 5.2)
    grid = figure.subplots(2, len(pairs), squeeze=False)
    for j, (a, b, distance) in enumerate(pairs):
        (real_x, drawn_x, x_names), (real_y, drawn_y, y_names) = _cells(a), _cells(b)
        shape = len(x_names), len(y_names)
        tables = [_joint(x, y, shape) for x, y in ((real_x, real_y), (drawn_x, drawn_y))]
        top = max(table.max() for table in tables)
        for i, table in enumerate(tables):
            axes = styled(grid[i, j])
            axes.imshow(
                np.sqrt(table.T), origin="lower", aspect="auto", cmap=("Blues", "Reds")[i], vmin=0, vmax=top**0.5
            )
            _name_cells(axes, "x", x_names)
            _name_cells(axes, "y", y_names)
            axes.set_xlabel(_short(a.name), fontsize=8, color=FAINT)
            axes.set_ylabel(_short(b.name), fontsize=8, color=FAINT)
            axes.set_title("real" if i == 0 else f"drawn  {distance:.3f}", fontsize=9, color=INK, loc="left")
    return rendered(figure)


def _cells(column: RealAndDrawn) -> tuple[Array, Array, list[str]]:
    """Return real and drawn values as cells, and the cells' names."""
    if column.levels is not None:
        (real, drawn), names = _few(column, BARS)
        return real, drawn, names
    edges = _edges(column.real[~np.isnan(column.real)], CELLS)
    cells = []
    for values in (column.real, column.drawn):
        inside = np.clip(np.nan_to_num(values), edges[0], edges[-1])
        cells.append(
            np.where(np.isnan(values), -1, np.clip(np.searchsorted(edges, inside, "right") - 1, 0, len(edges) - 2))
        )
    return cells[0], cells[1], [_day(v) if column.times else f"{v:.3g}" for v in (edges[:-1] + edges[1:]) / 2]


def _joint(x: Array, y: Array, shape: tuple[int, int]) -> Array:
    both = (x >= 0) & (y >= 0)
    counts = np.bincount(x[both] * shape[1] + y[both], minlength=shape[0] * shape[1]).reshape(shape)
    shares: Array = counts / max(1, len(x))
    return shares


def _name_cells(axes: Axes, side: str, names: Sequence[str]) -> None:
    places = np.arange(len(names)) if len(names) <= BARS else np.linspace(0, len(names) - 1, 4).round().astype(int)
    set_ticks: Any = axes.set_xticks if side == "x" else axes.set_yticks
    set_ticks(places, [_short(names[i], 12) for i in places], fontsize=6, rotation=40 if side == "x" else 0)
    if side == "x":
        for label in axes.get_xticklabels():
            label.set_horizontalalignment("right")
            label.set_rotation_mode("anchor")


def _correlations(names: Sequence[str], real: Array, drawn: Array) -> Image.Image:
    figure = figure_of(11.6, 4.9)
    panels = figure.subplots(1, 3)
    shown = None
    for axes, values, title in zip(panels, (real, drawn, drawn - real), ("real", "drawn", "drawn - real"), strict=True):
        styled(axes)
        shown = axes.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1)
        axes.set_title(f"rank correlation, {title}", fontsize=9, color=INK, loc="left")
        places = np.arange(len(names)) if len(names) <= 20 else np.arange(0, len(names), math.ceil(len(names) / 20))
        labels = [_short(names[i], 14) for i in places]
        axes.set_xticks(places, labels, rotation=90, fontsize=6)
        axes.set_yticks(places, labels if axes is panels[0] else [], fontsize=6)
    bar = figure.colorbar(shown, ax=panels, pad=0.01, shrink=0.7)
    bar.ax.tick_params(labelsize=7, labelcolor=FAINT)
    bar.outline.set_visible(False)
    return rendered(figure)


def _edges(values: Array, n: int) -> Array:
    """Return the edges of at most n bins over the middle 99% of values; whole numbers lie in the middle of bins."""
    if not len(values):
        return np.linspace(0, 1, 2)
    low, high = np.quantile(values, (0.005, 0.995))
    if low == high:
        low, high = float(values.min()), float(values.max())
    if (values == np.rint(values)).all() and high - low < n:
        return np.arange(np.floor(low) - 0.5, np.ceil(high) + 1)
    return np.linspace(low, high, n + 1) if high > low else np.array([low - 0.5, low + 0.5])


def _day(seconds: float) -> str:
    with np.errstate(all="ignore"):
        return str(np.datetime64(int(seconds), "s").astype("datetime64[D]"))


def _short(name: str, longest: int = LONGEST) -> str:
    """Return a name that fits; a dollar sign would begin a formula."""
    text = " ".join(str(name).split())
    return (text if len(text) <= longest else f"{text[: longest - 1]}…").replace("$", r"\$")
