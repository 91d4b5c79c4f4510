"""Numbers with their spread: bars, and lines along a field that is swept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from narrows.figures.palette import ACCENT, CLASSES, FAINT, INK, RULE
from narrows.figures.style import figure_of, log_scale, page_of, rendered, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL import Image

    from narrows.figures.style import Array

GREY = "#9aa1ab"
WIDELY = 8.0
"""Values that span more than this factor are drawn by their logarithm."""


class Line(NamedTuple):
    """One line of a panel."""

    name: str
    x: Sequence[Any]
    """Values of the parameter: numbers, or anything else, each at a position of its own."""
    mean: Sequence[float]
    deviation: Sequence[float]
    baseline: bool = False
    """Whether models are compared with it."""


def bars(values: Mapping[str, Array | Sequence[float]], what: str, *, chance: float | None = None) -> Image.Image:
    """Return a bar for each name: the mean of its values, their deviation, and every one of them as a dot.

    Parameters
    ----------
    values
        Name -> (draws,), at least one each; the first is drawn in the accent colour.
    what
        The name of the measure.
    chance
        Its value for guesses, drawn as a line.
    """
    figure, axes = page_of(5.6, 0.9 + 0.62 * len(values))
    for i, (name, draws) in enumerate(values.items()):
        points = np.asarray(draws, np.float64)
        colour = ACCENT if i == 0 else GREY
        axes.barh(name, points.mean(), height=0.62, color=colour, alpha=0.85)
        across = np.linspace(-0.2, 0.2, len(points)) if len(points) > 1 else np.zeros(1)
        axes.plot(points, i + across, "o", ms=2, mew=0, color=INK, alpha=0.45)
        spread = points.std(ddof=1) if len(points) > 1 else 0.0
        axes.errorbar(points.mean(), i, xerr=spread, color=INK, lw=1.2, capsize=4)
        text = f"{points.mean():.1%} ± {spread:.1%}"
        axes.annotate(text, (points.max(), i), (8, 0), textcoords="offset points", va="center", fontsize=9, color=INK)
    if chance is not None:
        axes.axvline(chance, lw=0.9, ls=(0, (4, 3)), color=FAINT)
        axes.annotate(" chance", (chance, -0.5), fontsize=8, color=FAINT, va="bottom", ha="left")
    axes.set_xlim(0, 1.32 * max(float(np.max(several)) for several in values.values()))
    axes.set_ylim(len(values) - 0.4, -0.85 if chance is not None else -0.6)
    axes.set_xlabel(what)
    axes.tick_params(axis="y", length=0, labelsize=9, labelcolor=INK)
    axes.spines["left"].set_color(RULE)
    return rendered(figure)


def sweep(panels: Mapping[str, Sequence[Line]], across: str) -> Image.Image:
    """Return measures by the values of a parameter: a panel each, means as points and deviations as whiskers.

    Parameters
    ----------
    panels
        Measure -> its lines.
    across
        The parameter's name.
    """
    figure = figure_of(0.8 + 4.4 * len(panels), 3.7)
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (what, lines) in zip(grid, panels.items(), strict=True):
        styled(axes)
        places = _places(axes, [value for line in lines for value in line.x])
        models = [line for line in lines if not line.baseline]
        others = [line for line in lines if line.baseline]
        colours = [ACCENT] if len(models) == 1 else [CLASSES[i % len(CLASSES)] for i in range(len(models))]
        for line, colour in zip(models, colours, strict=True):
            order = np.argsort([places[value] for value in line.x])
            x = np.array([places[value] for value in line.x], float)[order]
            mean, deviation = np.asarray(line.mean)[order], np.asarray(line.deviation)[order]
            axes.errorbar(x, mean, deviation, fmt="o-", ms=4, lw=1.4, capsize=2.5, color=colour, label=line.name)
        for line, style in zip(others, ((0, (5, 3)), (0, (1, 2))), strict=False):
            known = dict(zip((places[value] for value in line.x), line.mean, strict=True))
            x = np.array(sorted(known), float)
            axes.plot(x, [known[place] for place in x], ls=style, lw=1.3, color=FAINT, label=line.name)
        shown = np.array([value for line in lines for value in line.mean])
        if shown.min() > 0 and shown.max() > WIDELY * shown.min():
            log_scale(axes)
        axes.set_title(what, fontsize=10, color=INK, loc="left")
        axes.set_xlabel(across.replace("_", " "))
        handles, names = axes.get_legend_handles_labels()
        named = [i for i, name in enumerate(names) if axes is grid[0] or name in {line.name for line in others}]
        if named:  # the colours are named once
            kept, texts = [handles[i] for i in named], [names[i] for i in named]
            axes.legend(kept, texts, frameon=False, fontsize=8.5, labelcolor=INK, handlelength=1.8)
    return rendered(figure)


def _places(axes: Axes, values: Sequence[Any]) -> dict[Any, float]:
    """Return where each value stands on the axis: numbers where they are, by their logarithm if they span much."""
    from matplotlib.ticker import FixedLocator, NullLocator

    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    ordered = sorted(set(values)) if numbers else list(dict.fromkeys(values))
    places = {value: float(value) if numbers else float(i) for i, value in enumerate(ordered)}
    if numbers and ordered[0] > 0 and ordered[-1] >= WIDELY * ordered[0]:
        axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(list(places.values())))
    axes.xaxis.set_minor_locator(NullLocator())
    names = [f"{value:g}" if numbers else str(value).strip("()").replace(", ", "/") for value in ordered]
    axes.set_xticks(list(places.values()), names)
    return places
