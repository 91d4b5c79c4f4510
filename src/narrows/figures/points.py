"""Tables and sequences: points, profiles and waves, in several versions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from narrows.figures.palette import ACCENT, CLASSES, FAINT, RULE, SECOND
from narrows.figures.style import (
    Array,
    figure_of,
    finish_panels,
    legend_of,
    page_of,
    panels_of,
    space_of,
    version_colours,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def points_of(versions: Mapping[str, Array]) -> Figure:
    """Draw tables of one or two columns: the first version as dots, the others joined to it by hairlines."""
    figure, axes = page_of(5.6, 4.4)
    points = {label: _two_columns(X) for label, X in versions.items()}
    first, *others = points
    axes.plot(*points[first].T, "o", ms=4, color=FAINT, alpha=0.55, mew=0, label=first, zorder=2)
    for label, colour in zip(others, (ACCENT, SECOND, CLASSES[2]), strict=False):
        ends = np.stack([points[first], points[label]], 1)
        axes.plot(ends[:, :, 0].T, ends[:, :, 1].T, "-", lw=0.5, color=RULE, zorder=1)
        axes.plot(*points[label].T, "o", ms=3.2, color=colour, mew=0, label=label, zorder=3)
    _finish(axes, next(iter(versions.values())))
    return figure


def cloud_of(original: tuple[str, Array], samples: Array, draw: Callable[[Mapping[str, Array]], Figure]) -> Figure:
    """Draw new samples: beside the originals where both are points, else alone."""
    label, X = original
    if draw is not points_of:
        return draw({"samples": samples})
    figure, axes = page_of(5.6, 4.4)
    axes.plot(*_two_columns(X).T, "o", ms=4, color=FAINT, alpha=0.55, mew=0, label=label)
    axes.plot(*_two_columns(samples).T, "o", ms=3.2, color=SECOND, mew=0, label="samples")
    _finish(axes, X)
    return figure


def _finish(axes: Axes, X: Array) -> None:
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("column 1")
    axes.set_ylabel("column 2" if X.shape[1] > 1 else "")
    legend_of(axes)


def _two_columns(X: Array) -> Array:
    return X if X.shape[1] == 2 else np.column_stack([X[:, 0], np.zeros(len(X))])


def points_3d(versions: Mapping[str, Array]) -> Figure:
    """Draw tables of three columns: the first version as dots in space, the others joined to it."""
    figure = figure_of(5.6, 4.8)
    axes = space_of(figure)
    first, *others = versions
    axes.plot(*versions[first].T, "o", ms=4, color=FAINT, mew=0, label=first)
    for label, colour in zip(others, (ACCENT, SECOND, CLASSES[2]), strict=False):
        for a, b in zip(versions[first], versions[label], strict=True):
            axes.plot(*np.stack([a, b]).T, "-", lw=0.5, color=RULE)
        axes.plot(*versions[label].T, "o", ms=3.2, color=colour, mew=0, label=label)
    legend_of(axes)
    return figure


def profiles_of(versions: Mapping[str, Array]) -> Figure:
    """Draw tables of many columns: one panel per sample, its values from left to right."""
    figure, panels = panels_of(len(next(iter(versions.values()))))
    few = next(iter(versions.values())).shape[1] <= 12
    for i, axes in enumerate(panels):
        for j, ((label, X), colour) in enumerate(zip(versions.items(), version_colours(len(versions)), strict=False)):
            if j == 0 and len(versions) > 1:
                axes.plot(range(1, X.shape[1] + 1), X[i], "o", ms=4 if few else 2.2, mew=0, color=colour, label=label)
            else:
                style = "o-" if few else "-"
                axes.plot(range(1, X.shape[1] + 1), X[i], style, ms=2.5, lw=1.1, color=colour, label=label)
        axes.margins(x=0.04)
    finish_panels(figure, panels, "column", len(versions))
    return figure


def waves_of(versions: Mapping[str, Array]) -> Figure:
    """Draw sequences of few channels: one panel per sample, its channels on top of each other."""
    figure, panels = panels_of(len(next(iter(versions.values()))))
    for i, axes in enumerate(panels):
        for (label, X), colour in zip(versions.items(), version_colours(len(versions)), strict=False):
            lines = axes.plot(X[i], "-", lw=1.1, color=colour, alpha=0.9)
            lines[0].set_label(label)
        axes.margins(x=0.02)
    finish_panels(figure, panels, "step", len(versions))
    return figure
