"""Curves of training, and maps of codes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from narrows.figures.palette import ACCENT, CLASSES, FAINT, INK, RULE, SECOND
from narrows.figures.style import Array, figure_of, legend_of, log_scale, page_of, rendered, styled
from narrows.projection import plane, tsne

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure
    from PIL import Image

MAPPED = 1000
"""Codes in a map by t-SNE, which takes some 3 s for so many."""
FEWEST = 30
"""Codes that make a map by t-SNE."""


def curves(history: Sequence[Mapping[str, Any]]) -> Image.Image:
    """Return the course of training: the loss and each of its terms by epoch, on training and validation data.

    Parameters
    ----------
    history
        An estimator's `history_`, or the lines of a run's `metrics.jsonl`: at least one.
    """
    from matplotlib.ticker import MaxNLocator

    names = _drawn(history)
    columns = min(len(names), 3)
    rows = math.ceil(len(names) / columns)
    figure = figure_of(5.0 if columns == 1 else 4.0 * columns, 3.0 * rows + 0.2)
    grid = figure.subplots(rows, columns, squeeze=False)
    epochs = [record["epoch"] for record in history]
    marker = "o" if len(epochs) <= 30 else ""
    for i, (axes, name) in enumerate(zip(grid.flat, names, strict=False)):
        styled(axes)
        values = [record["train"].get(name, math.nan) for record in history]
        axes.plot(epochs, values, f"{marker}-", ms=2.5, lw=1.4, color=SECOND, label="training")
        held_out = [(record.get("validation") or {}).get(name, math.nan) for record in history]
        if not np.isnan(np.array(held_out, float)).all():
            axes.plot(epochs, held_out, f"{marker}-", ms=2.5, lw=1.4, color=ACCENT, label="validation")
        shown = np.array([v for v in [*values, *held_out] if v is not None and math.isfinite(v)])
        if len(shown) and shown.min() > 0 and shown.max() > 30 * shown.min():
            log_scale(axes)
        axes.set_title(name.replace("_", " "), fontsize=10, color=INK, loc="left")
        axes.set_xlabel("epoch", fontsize=8, color=FAINT)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        if i == 0:
            legend_of(axes)
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    return rendered(figure)


def _drawn(history: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names worth a panel: the loss first, and no term that is the loss again, or its negative."""
    names = ["loss"]
    for name in history[-1]["train"]:
        twin = all(
            math.isclose(abs(r["train"].get(name) or 0), abs(r["train"]["loss"] or 0), rel_tol=1e-4) for r in history
        )
        if name not in names and not twin:
            names.append(name)
    return names[:6]


def latent_map(
    Z: Array, labels: Array | None = None, label_names: Sequence[str] | None = None, *, seed: int = 0
) -> Image.Image:
    """Return the codes as points, coloured by label; as a histogram where a code is one number.

    Parameters
    ----------
    Z
        Codes, (N, latent_dim). Of more than two dimensions t-SNE of at most 1,000 codes is shown where there are
        classes, else the two principal components.
    labels
        (N,), integers (classes) or real numbers, or None.
    label_names
        Name of class i at position i.
    seed
        Of the order in which points are drawn, so that no class lies on top, and of t-SNE.
    """
    Z = np.asarray(Z, np.float64)
    figure, axes = page_of(6.2, 4.8)
    if Z.shape[1] == 1:
        groups = _groups(labels, label_names)
        edges = np.histogram_bin_edges(Z[:, 0], bins=min(60, max(10, len(Z) // 15))).tolist()
        for name, rows, colour in groups or [("", np.ones(len(Z), bool), SECOND)]:
            axes.hist(Z[rows, 0], edges, histtype="stepfilled", color=colour, alpha=0.25)
            axes.hist(Z[rows, 0], edges, histtype="step", color=colour, lw=1.2, label=name)
        axes.set_xlabel("code")
        axes.set_ylabel("samples")
        class_legend(axes)
    else:
        order = np.random.default_rng(seed).permutation(len(Z))
        classes = bool(_groups(labels, label_names))
        if classes and Z.shape[1] > 2:
            order = order[:MAPPED]
        points, names = _plane(Z[order], classes, seed)
        scattered(figure, axes, points, None if labels is None else np.asarray(labels)[order], label_names)
        axes.set_xlabel(names[0])
        axes.set_ylabel(names[1])
    return rendered(figure)


def scattered(
    figure: Figure, axes: Axes, points: Array, labels: Array | None, names: Sequence[str] | None
) -> PathCollection:
    """Draw points (N, 2) in the order given, coloured by label, with a legend or a scale, and return what is drawn."""
    from matplotlib.colors import to_rgba_array

    size = float(np.clip(14000 / max(1, len(points)), 4, 26))
    groups = _groups(labels, names)
    style: dict[str, Any] = {"s": size, "linewidths": 0, "alpha": 0.85 if len(points) < 4000 else 0.6}
    if not groups and labels is not None and np.asarray(labels).dtype.kind == "f":
        drawn = axes.scatter(points[:, 0], points[:, 1], c=np.asarray(labels), cmap="viridis", **style)
        bar = figure.colorbar(drawn, ax=axes, pad=0.02)
        bar.set_label("label", fontsize=8, color=FAINT)
        bar.ax.tick_params(labelsize=8, labelcolor=FAINT, color=RULE)
        bar.outline.set_visible(False)
        return drawn
    colours = np.tile(to_rgba_array(SECOND), (len(points), 1))
    for name, rows, colour in groups:
        colours[rows] = to_rgba_array(colour)
        axes.scatter([], [], color=colour, s=26, label=name)
    class_legend(axes)
    return axes.scatter(points[:, 0], points[:, 1], c=colours, **style)


def class_legend(axes: Axes) -> None:
    """Name the classes to the right of a chart, where they have names."""
    if any(axes.get_legend_handles_labels()[1]):
        axes.legend(
            loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9, labelcolor=INK,
            handletextpad=0.4, borderaxespad=0.2,
        )  # fmt: skip


def _groups(labels: Array | None, names: Sequence[str] | None) -> list[tuple[str, Array, str]]:
    """Return (name, rows, colour) of every class, where there are few enough for different colours."""
    if labels is None or np.asarray(labels).dtype.kind == "f":
        return []
    labels = np.asarray(labels)
    classes = np.unique(labels)
    if not 1 < len(classes) <= len(CLASSES):
        return []
    known = [str(c) if names is None or not 0 <= c < len(names) else names[int(c)] for c in classes]
    # A dollar sign would begin a formula.
    return [
        (name.replace("$", r"\$"), labels == c, CLASSES[i])
        for i, (name, c) in enumerate(zip(known, classes, strict=True))
    ]


def _plane(Z: Array, classes: bool, seed: int) -> tuple[Array, tuple[str, str]]:
    """Return two numbers of each code, (N, 2), and what they are.

    Of more than two those of t-SNE where there are `classes`, which it keeps apart, else the principal components.
    """
    if Z.shape[1] == 2:
        return Z, ("code 1", "code 2")
    note = f"of the codes, {Z.shape[1]} dimensions"
    if classes and len(Z) >= FEWEST:
        return tsne(Z, seed=seed), (f"t-SNE {note}: neighbours count, distances do not", "")
    points, _, _, (first, second) = plane(Z)
    return points, (
        f"principal component 1 {note} ({first:.0%} of the variance)",
        f"principal component 2 ({second:.0%})",
    )
