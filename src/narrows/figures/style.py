"""What all pictures share: axes, fonts, and a matplotlib figure as a Pillow image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from narrows.figures.palette import ACCENT, CLASSES, FAINT, INK, RULE, SECOND

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL import Image, ImageFont

Array = NDArray[Any]

DPI = 150
WIDTH = 2.5
"""Inches of a small panel."""


def figure_of(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def page_of(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure of a size in inches, and its one pair of axes."""
    figure = figure_of(width, height)
    return figure, styled(figure.subplots())


def space_of(figure: Figure, *place: int) -> Any:
    """Return axes in space at a place of a figure, named as columns."""
    axes: Any = figure.add_subplot(*place, projection="3d")
    for axis, name in ((axes.xaxis, "column 1"), (axes.yaxis, "column 2"), (axes.zaxis, "column 3")):
        axis.set_label_text(name, fontsize=8, color=FAINT)
        axis.set_tick_params(labelsize=7, labelcolor=FAINT)
        axis.set_pane_color((0.97, 0.97, 0.98, 1.0))
    return axes


def log_scale(axes: Axes) -> None:
    """Let the vertical axis go by the logarithm, with numbers that read as one writes them: 200, 500, 1,000."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,g}" if 1e-3 <= y < 1e6 else f"{y:.0e}"))


def panels_of(n: int) -> tuple[Figure, list[Axes]]:
    """Return a figure of n small panels that share their axes, at most 12."""
    n = min(n, 12)
    columns = min(n, 4 if n > 6 else 3)
    rows = math.ceil(n / columns)
    figure = figure_of(WIDTH * columns, 1.6 * rows + 0.4)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[n:]:
        axes.set_visible(False)
    return figure, [styled(axes) for axes in grid.flat[:n]]


def finish_panels(figure: Figure, panels: Sequence[Axes], what: str, versions: int) -> None:
    """Label the common axis of panels, and name their versions in one legend."""
    figure.supxlabel(what, fontsize=8, color=FAINT)
    handles, labels = panels[0].get_legend_handles_labels()
    in_a_row = min(versions, 2 * round(figure.get_figwidth() / WIDTH))  # of which two fit above a panel
    figure.set_figheight(figure.get_figheight() + 0.2 * (-(-versions // in_a_row) - 1))
    figure.legend(
        handles, labels, loc="outside upper left", ncols=in_a_row, frameon=False, fontsize=9, labelcolor=INK,
        handlelength=1.4,
    )  # fmt: skip


def version_colours(n: int) -> tuple[str, ...]:
    """Return the colours of n versions of the same samples; the original is grey."""
    return (ACCENT,) if n == 1 else ("#9aa1ab", ACCENT, SECOND, CLASSES[2], CLASSES[4])


def styled(axes: Axes) -> Axes:
    """Return axes without the box around them, in the colours of all pictures."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(RULE)
    axes.tick_params(labelsize=8, labelcolor=FAINT, color=RULE, which="both")
    axes.xaxis.label.set(fontsize=9, color=FAINT)
    axes.yaxis.label.set(fontsize=9, color=FAINT)
    return axes


def legend_of(axes: Axes) -> None:
    """Draw a legend where there is more than one thing to name."""
    if len(axes.get_legend_handles_labels()[0]) > 1:
        axes.legend(frameon=False, fontsize=9, labelcolor=INK, loc="best", handlelength=1.2, handletextpad=0.5)


def rendered(figure: Figure) -> Image.Image:
    """Return a matplotlib figure as a picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    _replace_missing_glyphs(figure)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def _replace_missing_glyphs(figure: Figure) -> None:
    """Write "?" for characters that a text's font lacks, such as those of class names: matplotlib would warn."""
    from matplotlib.font_manager import findfont, get_font
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        content = text.get_text()
        if not (content.isascii() and content.replace("\n", "").isprintable()):
            font = get_font(findfont(text.get_fontproperties()))
            text.set_text("".join(c if c == "\n" or font.get_char_index(ord(c)) else "?" for c in content))


def stacked(*pictures: Image.Image) -> Image.Image:
    """Return pictures under each other."""
    from PIL import Image

    page = Image.new("RGB", (max(p.width for p in pictures), sum(p.height for p in pictures)), "white")
    top = 0
    for picture in pictures:
        page.paste(picture, (0, top))
        top += picture.height
    return page


@cache
def font_of(size: int) -> ImageFont.FreeTypeFont:
    """Return the font that matplotlib brings, so that all pictures share one."""
    from matplotlib import get_data_path
    from PIL import ImageFont

    return ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)
