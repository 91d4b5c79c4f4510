"""Numbers with their spread: bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from narrows.figures.style import ACCENT, FAINT, INK, RULE, page_of, rendered

if TYPE_CHECKING:
    from PIL import Image

    from narrows.figures.style import Array

__all__ = ["bars"]

GREY = "#9aa1ab"


def bars(values: Mapping[str, Array | Sequence[float]], what: str, *, chance: float | None = None) -> Image.Image:
    """Return a bar for each name: the mean of its values, their deviation, and every one of them as a dot.

    Parameters
    ----------
    values
        Name -> (draws,), each at least one; the first is what the others are held against.
    what
        The name of the number.
    chance
        What guessing reaches, drawn as a line.
    """
    figure, axes = page_of(5.6, 0.9 + 0.62 * len(values))
    for i, (name, several) in enumerate(values.items()):
        found = np.asarray(several, np.float64)
        colour = ACCENT if i == 0 else GREY
        axes.barh(name, found.mean(), height=0.62, color=colour, alpha=0.85)
        across = np.linspace(-0.2, 0.2, len(found)) if len(found) > 1 else np.zeros(1)
        axes.plot(found, i + across, "o", ms=2, mew=0, color=INK, alpha=0.45)
        spread = found.std(ddof=1) if len(found) > 1 else 0.0
        axes.errorbar(found.mean(), i, xerr=spread, color=INK, lw=1.2, capsize=4)
        text = f"{found.mean():.1%} ± {spread:.1%}"
        axes.annotate(text, (found.max(), i), (8, 0), textcoords="offset points", va="center", fontsize=9, color=INK)
    if chance is not None:
        axes.axvline(chance, lw=0.9, ls=(0, (4, 3)), color=FAINT)
        axes.annotate(" chance", (chance, -0.5), fontsize=8, color=FAINT, va="bottom", ha="left")
    axes.set_xlim(0, 1.32 * max(float(np.max(several)) for several in values.values()))
    axes.set_ylim(len(values) - 0.4, -0.85 if chance is not None else -0.6)
    axes.set_xlabel(what)
    axes.tick_params(axis="y", length=0, labelsize=9, labelcolor=INK)
    axes.spines["left"].set_color(RULE)
    return rendered(figure)
