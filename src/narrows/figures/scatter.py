"""Points in a plane and in space, with what a model makes of them: axes, curves, planes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from narrows.figures.palette import ACCENT, CLASSES, FAINT, INK, RULE, SECOND
from narrows.figures.style import Array, figure_of, legend_of, page_of, rendered, space_of, styled

if TYPE_CHECKING:
    from PIL import Image

OBLIQUE = math.radians(50)
"""Angle between the line of sight and the normal of a plane in space."""


def cloud(
    X: Array, X_hat: Array, *, arrows: Sequence[tuple[Array, Array, str]] = (), curve: Array | None = None,
    line: Array | None = None,
) -> Image.Image:  # fmt: skip
    """Return points of a plane joined to what was recovered of them.

    Parameters
    ----------
    X, X_hat
        Points (N, 2) as they are, and as they come back.
    arrows
        Start (2,), vector (2,) and caption of each.
    curve
        All that the model can recover, (M, 2), where that is a line.
    line
        Two points (2, 2) of a straight line to hold it against, such as PCA's.
    """
    everything = np.concatenate([X, X_hat, *([start + vector] for start, vector, _ in arrows)])
    wide, high = np.maximum(np.ptp(everything, axis=0), 1e-9)
    figure, axes = page_of(6.4, float(np.clip(6.4 * high / wide, 3.2, 6.0)) + 0.3)
    longest = max((float(np.hypot(*vector)) for _, vector, _ in arrows), default=0.0)
    ends = np.stack([X, X_hat], 1)
    axes.plot(ends[:, :, 0].T, ends[:, :, 1].T, "-", lw=0.6, color=RULE, zorder=1)
    axes.plot(*X.T, "o", ms=4, color=FAINT, alpha=0.55, mew=0, label="original", zorder=2)
    if line is not None:
        axes.axline(line[0], line[1], ls=(0, (4, 3)), lw=1.1, color=CLASSES[2], label="PCA's line", zorder=2.5)
    if curve is not None:
        axes.plot(*curve.T, "-", lw=1.2, color=ACCENT, alpha=0.6, zorder=2.6)
    axes.plot(*X_hat.T, "o", ms=3.2, color=ACCENT, mew=0, label="recovered", zorder=3)
    for start, vector, caption in arrows:
        style = {"arrowstyle": "-|>,head_width=0.25,head_length=0.5", "lw": 2, "color": INK, "shrinkA": 0, "shrinkB": 0}
        tip = (float(start[0] + vector[0]), float(start[1] + vector[1]))
        axes.annotate("", tip, (float(start[0]), float(start[1])), arrowprops=style, zorder=4)
        # Beyond its tip; the longest one lies among the points there, so that its caption stands beside it.
        x, y = vector / max(float(np.hypot(*vector)), 1e-12)
        x, y = (y, -x) if np.hypot(*vector) >= longest else (x, y)
        axes.annotate(
            caption, tip, (11 * x, 11 * y), textcoords="offset points", ha="left" if x >= 0 else "right",
            va="bottom" if y >= 0 else "top", fontsize=9, color=INK, zorder=5,
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.5},
        )  # fmt: skip
        axes.update_datalim([tip])
    axes.set_aspect("equal", adjustable="datalim")
    axes.autoscale_view()
    axes.set_xlabel("column 1")
    axes.set_ylabel("column 2")
    legend_of(axes)
    return rendered(figure)


def codes(X: Array, X_hat: Array, Z: Array, surface: Array) -> Image.Image:
    """Return points in space on what a model can recover of them, beside their codes.

    Colours follow the angle around the centre of the codes, so that a point can be located in both.

    Parameters
    ----------
    X, X_hat
        Points (N, 3) as they are, and as they come back.
    Z
        Their codes, (N, 2).
    surface
        What is recovered from a grid of codes, (n, m, 3).
    """
    figure = figure_of(9.6, 4.6)
    space = space_of(figure, 1, 2, 1)
    colours = _around(Z)
    space.plot_surface(*np.moveaxis(surface, 2, 0), color=SECOND, alpha=0.12, shade=False, lw=0.4, edgecolor=SECOND)
    for a, b in zip(X, X_hat, strict=True):
        space.plot(*np.stack([a, b]).T, "-", lw=0.6, color=FAINT)
    space.scatter(*X_hat.T, c=colours, cmap="viridis", s=7, depthshade=False, linewidths=0)
    space.scatter(*X.T, c=colours, cmap="viridis", s=18, depthshade=False, linewidths=0)
    space.grid(False)
    sides = [np.ptp(limits) for limits in (space.get_xlim(), space.get_ylim(), space.get_zlim())]
    space.set_box_aspect(sides, zoom=0.92)
    space.view_init(*_sight(surface.reshape(-1, 3)))
    space.set_title("points, and what the codes can recover", fontsize=10, color=INK, loc="left")
    flat = styled(figure.add_subplot(1, 2, 2))
    flat.scatter(Z[:, 0], Z[:, 1], c=colours, cmap="viridis", s=22, linewidths=0)
    flat.set_aspect("equal", adjustable="datalim")
    flat.set_xlabel("code 1")
    flat.set_ylabel("code 2")
    flat.set_title("their codes", fontsize=10, color=INK, loc="left")
    return rendered(figure)


def _around(Z: Array) -> Array:
    """Return each code's direction from the middle, in radians, counted from the widest gap: (N,)."""
    centred = Z - Z.mean(0)
    angle = np.arctan2(centred[:, 1], centred[:, 0])
    ordered = np.sort(angle)
    gaps = np.diff(ordered, append=ordered[0] + 2 * np.pi)
    start = ordered[(int(gaps.argmax()) + 1) % len(ordered)]
    return np.mod(angle - start + 1e-9, 2 * np.pi)


def _sight(points: Array) -> tuple[float, float]:
    """Return elevation and azimuth, in degrees, from which a plane through points is seen obliquely and from above."""
    _, _, axes = np.linalg.svd(points - points.mean(0), full_matrices=False)
    normal = axes[2] * (1 if axes[2][2] >= 0 else -1)
    toward = axes[0] if axes[0][1] <= 0 else -axes[0]
    sight = math.cos(OBLIQUE) * normal + math.sin(OBLIQUE) * toward
    return math.degrees(math.asin(float(np.clip(sight[2], -1, 1)))), math.degrees(math.atan2(sight[1], sight[0]))
