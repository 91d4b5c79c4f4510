"""The pictures: grids of samples, curves, and maps of codes.

Images are put together pixel by pixel (whole-number scale, no smoothing), so that what is seen is what the model made.
Everything else is drawn by matplotlib without its global state, so that pictures can be made in any thread. Every
function returns a Pillow image; matplotlib and Pillow are imported when the first picture is made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL import Image, ImageFont

__all__ = ["compare", "curves", "gallery", "latent_map", "room"]

Array = NDArray[Any]

INK, FAINT, RULE = "#1c1f24", "#6b7280", "#d7dade"
"""Text and originals; secondary text; axes."""
ACCENT, SECOND = "#c8452d", "#2f6db5"
"""What the model made; what it is held against."""
CLASSES = (
    "#2f6db5", "#e08a1e", "#3a9a56", "#c8452d", "#8460b8", "#8a5a44", "#d874b1", "#7a7f87", "#b3a92b", "#2aa9b8",
    "#14365e", "#8f5200", "#12572a", "#7a1d0d", "#452c70", "#47291c", "#8c2f68", "#33373d", "#615b07", "#0c5c66",
)  # fmt: skip
"""Colours of up to 20 classes: ten hues, then the same in dark."""
TILE = 96
"""About how many pixels the longer side of a small sample gets."""
LARGEST = 256
"""Images longer than this are reduced by a whole number."""
DPI = 150


# ------------------------------------------------------------------------------------------------ samples


def room(shape: tuple[int, ...]) -> int:
    """Return how many samples of a shape one picture has room for."""
    if _is_image(shape):
        return 10
    return 200 if len(shape) == 1 and shape[0] <= 3 else 8


def compare(rows: Mapping[str, Array], samples: Array | None = None) -> Image.Image:
    """Return the same samples in several versions, such as originals above their reconstructions.

    Parameters
    ----------
    rows
        Label -> (N, *shape), all of one shape; the first is what the others are held against and sets the range of
        values shown. uint8 counts as pixels.
    samples
        New samples to show below, (M, *shape), or None.

    Examples
    --------
    >>> import numpy as np
    >>> compare({"original": np.zeros((3, 1, 8, 8)), "reconstruction": np.ones((3, 1, 8, 8))}).mode
    'RGB'
    """
    versions = {label: _scaled(X) for label, X in rows.items()}
    shape = next(iter(versions.values())).shape[1:]
    if _is_image(shape):
        limits = _limits(next(iter(versions.values())))
        new = [] if samples is None else [("samples", _scaled(samples))]
        return _tiled([*versions.items(), *new], limits)
    draw = {1: _points, 2: _points, 3: _points_3d}.get(shape[0], _profiles) if len(shape) == 1 else _waves
    picture = _rendered(draw(versions))
    if samples is None:
        return picture
    # Drawn beside the originals, without which one could not tell whether they are good.
    return _stacked(picture, _rendered(_cloud(next(iter(versions.items())), _scaled(samples), draw)))


def gallery(X: Array, *, columns: int | None = None, label: str = "samples") -> Image.Image:
    """Return samples on their own, images row by row: (N, *shape)."""
    X = _scaled(X)
    if not _is_image(X.shape[1:]):
        return compare({label: X})
    n = len(X)
    columns = columns or min(n, max(1, math.ceil(math.sqrt(n * X.shape[-2] / X.shape[-1]))))
    rows = [X[start : start + columns] for start in range(0, n, columns)]
    return _tiled([("", row) for row in rows], _limits(X))


def _scaled(X: Array) -> Array:
    X = np.asarray(X)
    return X / np.float32(255) if X.dtype == np.uint8 else X.astype(np.float32)


def _is_image(shape: tuple[int, ...]) -> bool:
    """Whether samples are shown as pixels: images, and sequences too wide for one line per channel."""
    return len(shape) == 3 or (len(shape) == 2 and shape[1] > 6)


def _limits(X: Array) -> tuple[float, float]:
    """Return the values shown as black and white: 0 and 1, or the range where the data leave that."""
    low, high = float(np.nanmin(X)), float(np.nanmax(X))
    if low >= 0 and high <= 1 and high > 0.1:
        return 0.0, 1.0
    return low, high if high > low else low + 1


def _tiled(rows: Sequence[tuple[str, Array]], limits: tuple[float, float]) -> Image.Image:
    """Put rows of images under each other, each with its label on the left."""
    from PIL import Image, ImageDraw

    tiles = [[_tile(x, limits) for x in X] for _, X in rows]
    height, width = tiles[0][0].shape[:2]
    gap = 2 if max(height, width) < 2 * TILE else 4
    margin = 12
    font = _font(15)
    labels = [label for label, _ in rows]
    left = margin + (max(math.ceil(font.getlength(label)) for label in labels) + 14 if any(labels) else 0)
    columns = max(map(len, tiles))
    size = (left + columns * (width + gap) - gap + margin, 2 * margin + len(rows) * (height + gap) - gap)
    page = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(page)
    for i, (label, row) in enumerate(zip(labels, tiles, strict=True)):
        top = margin + i * (height + gap)
        pen.text((left - 14, top + height / 2), label, fill=FAINT if i else INK, font=font, anchor="rm")
        for j, tile in enumerate(row):
            page.paste(Image.fromarray(tile), (left + j * (width + gap), top))
    return page


def _tile(x: Array, limits: tuple[float, float]) -> NDArray[np.uint8]:
    """Return one sample as pixels: (C, H, W) or (H, W) -> (H', W', 3) uint8."""
    x = x[None] if x.ndim == 2 else x
    low, high = limits
    grey = np.clip((np.nan_to_num(x, nan=low) - low) / (high - low), 0, 1)
    colour = grey[:3] if len(grey) >= 3 else np.repeat(grey.mean(0, keepdims=True), 3, axis=0)
    pixels = colour.transpose(1, 2, 0)
    longest = max(pixels.shape[:2])
    if longest > LARGEST:
        k = math.ceil(longest / LARGEST)
        h, w = max(1, pixels.shape[0] // k), max(1, pixels.shape[1] // k)
        pad = np.pad(pixels, ((0, max(0, k - pixels.shape[0])), (0, max(0, k - pixels.shape[1])), (0, 0)), mode="edge")
        pixels = pad[: h * k, : w * k].reshape(h, k, w, k, 3).mean((1, 3))
    else:
        k = max(1, round(TILE / longest))
        pixels = pixels.repeat(k, 0).repeat(k, 1)
    return np.round(pixels * 255).astype(np.uint8)


# ------------------------------------------------------------------------------------------------ tables and sequences


def _points(versions: Mapping[str, Array]) -> Figure:
    """Draw tables of one or two columns: the first version as dots, the others joined to it by hairlines."""
    figure, axes = _page(5.6, 4.4)
    points = {label: _two_columns(X) for label, X in versions.items()}
    first, *others = points
    axes.plot(*points[first].T, "o", ms=4, color=FAINT, alpha=0.55, mew=0, label=first, zorder=2)
    for label, colour in zip(others, (ACCENT, SECOND, CLASSES[2]), strict=False):
        ends = np.stack([points[first], points[label]], 1)
        axes.plot(ends[:, :, 0].T, ends[:, :, 1].T, "-", lw=0.5, color=RULE, zorder=1)
        axes.plot(*points[label].T, "o", ms=3.2, color=colour, mew=0, label=label, zorder=3)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("column 1")
    axes.set_ylabel("column 2" if next(iter(versions.values())).shape[1] > 1 else "")
    _legend(axes)
    return figure


def _cloud(original: tuple[str, Array], samples: Array, draw: Callable[[Mapping[str, Array]], Figure]) -> Figure:
    """Draw new samples: beside the originals where both are points, else on their own."""
    label, X = original
    if draw is not _points:
        return draw({"samples": samples})
    figure, axes = _page(5.6, 4.4)
    axes.plot(*_two_columns(X).T, "o", ms=4, color=FAINT, alpha=0.55, mew=0, label=label)
    axes.plot(*_two_columns(samples).T, "o", ms=3.2, color=SECOND, mew=0, label="samples")
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("column 1")
    axes.set_ylabel("column 2" if X.shape[1] > 1 else "")
    _legend(axes)
    return figure


def _stacked(*pictures: Image.Image) -> Image.Image:
    from PIL import Image

    page = Image.new("RGB", (max(p.width for p in pictures), sum(p.height for p in pictures)), "white")
    top = 0
    for picture in pictures:
        page.paste(picture, (0, top))
        top += picture.height
    return page


def _two_columns(X: Array) -> Array:
    return X if X.shape[1] == 2 else np.column_stack([X[:, 0], np.zeros(len(X))])


def _points_3d(versions: Mapping[str, Array]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 4.8), dpi=DPI, layout="constrained")
    axes: Any = figure.add_subplot(projection="3d")
    first, *others = versions
    axes.plot(*versions[first].T, "o", ms=4, color=FAINT, mew=0, label=first)
    for label, colour in zip(others, (ACCENT, SECOND, CLASSES[2]), strict=False):
        for a, b in zip(versions[first], versions[label], strict=True):
            axes.plot(*np.stack([a, b]).T, "-", lw=0.5, color=RULE)
        axes.plot(*versions[label].T, "o", ms=3.2, color=colour, mew=0, label=label)
    for axis, name in ((axes.xaxis, "column 1"), (axes.yaxis, "column 2"), (axes.zaxis, "column 3")):
        axis.set_label_text(name, fontsize=8, color=FAINT)
        axis.set_tick_params(labelsize=7, labelcolor=FAINT)
        axis.set_pane_color((0.97, 0.97, 0.98, 1.0))
    _legend(axes)
    return figure


def _profiles(versions: Mapping[str, Array]) -> Figure:
    """Draw tables of many columns: one panel per sample, its values from left to right."""
    figure, panels = _panels(len(next(iter(versions.values()))))
    few = next(iter(versions.values())).shape[1] <= 12
    for i, axes in enumerate(panels):
        for j, ((label, X), colour) in enumerate(zip(versions.items(), _version_colours(len(versions)), strict=False)):
            if j == 0 and len(versions) > 1:
                axes.plot(range(1, X.shape[1] + 1), X[i], "o", ms=4 if few else 2.2, mew=0, color=colour, label=label)
            else:
                style = "o-" if few else "-"
                axes.plot(range(1, X.shape[1] + 1), X[i], style, ms=2.5, lw=1.1, color=colour, label=label)
        axes.margins(x=0.04)
    _finish_panels(figure, panels, "column", len(versions))
    return figure


def _waves(versions: Mapping[str, Array]) -> Figure:
    """Draw sequences of few channels: one panel per sample, its channels on top of each other."""
    figure, panels = _panels(len(next(iter(versions.values()))))
    for i, axes in enumerate(panels):
        for (label, X), colour in zip(versions.items(), _version_colours(len(versions)), strict=False):
            lines = axes.plot(X[i], "-", lw=1.1, color=colour, alpha=0.9)
            lines[0].set_label(label)
        axes.margins(x=0.02)
    _finish_panels(figure, panels, "step", len(versions))
    return figure


def _version_colours(n: int) -> tuple[str, ...]:
    return (ACCENT,) if n == 1 else ("#9aa1ab", ACCENT, SECOND, CLASSES[2], CLASSES[4])


def _panels(n: int) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    n = min(n, 12)
    columns = min(n, 4 if n > 6 else 3)
    rows = math.ceil(n / columns)
    figure = Figure(figsize=(2.5 * columns, 1.6 * rows + 0.4), dpi=DPI, layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[n:]:
        axes.set_visible(False)
    return figure, [_styled(axes) for axes in grid.flat[:n]]


def _finish_panels(figure: Figure, panels: Sequence[Axes], what: str, versions: int) -> None:
    figure.supxlabel(what, fontsize=8, color=FAINT)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper left", ncols=versions, frameon=False, fontsize=9, labelcolor=INK,
        handlelength=1.4,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------ curves and maps


def curves(history: Sequence[Mapping[str, Any]]) -> Image.Image:
    """Return the course of training: the loss and each of its terms by epoch, on training and validation data.

    Parameters
    ----------
    history
        An estimator's `history_`, or the lines of a run's `metrics.jsonl`: at least one.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    names = _drawn(history)
    columns = min(len(names), 3)
    rows = math.ceil(len(names) / columns)
    size = (5.0 if columns == 1 else 4.0 * columns, 3.0 * rows + 0.2)
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    epochs = [record["epoch"] for record in history]
    marker = "o" if len(epochs) <= 30 else ""
    for i, (axes, name) in enumerate(zip(grid.flat, names, strict=False)):
        _styled(axes)
        values = [record["train"].get(name, math.nan) for record in history]
        axes.plot(epochs, values, f"{marker}-", ms=2.5, lw=1.4, color=SECOND, label="training")
        held_out = [(record.get("validation") or {}).get(name, math.nan) for record in history]
        if not np.isnan(np.array(held_out, float)).all():
            axes.plot(epochs, held_out, f"{marker}-", ms=2.5, lw=1.4, color=ACCENT, label="validation")
        shown = np.array([v for v in [*values, *held_out] if v is not None and math.isfinite(v)])
        if len(shown) and shown.min() > 0 and shown.max() > 30 * shown.min():
            axes.set_yscale("log")
        axes.set_title(name.replace("_", " "), fontsize=10, color=INK, loc="left")
        axes.set_xlabel("epoch", fontsize=8, color=FAINT)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        if i == 0:
            _legend(axes)
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    return _rendered(figure)


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
        Codes, (N, latent_dim); of more than two numbers the two principal components are shown.
    labels
        (N,), whole numbers (classes) or other numbers, or None.
    label_names
        Name of class i at position i.
    seed
        Of the order in which points are drawn, so that no class lies on top.
    """
    Z = np.asarray(Z, np.float64)
    figure, axes = _page(6.2, 4.8)
    groups = _groups(labels, label_names)
    if Z.shape[1] == 1:
        edges = np.histogram_bin_edges(Z[:, 0], bins=min(60, max(10, len(Z) // 15))).tolist()
        for name, rows, colour in groups or [("", np.ones(len(Z), bool), SECOND)]:
            axes.hist(Z[rows, 0], edges, histtype="stepfilled", color=colour, alpha=0.25)
            axes.hist(Z[rows, 0], edges, histtype="step", color=colour, lw=1.2, label=name)
        axes.set_xlabel("code")
        axes.set_ylabel("samples")
    else:
        flat, names = _plane(Z)
        order = np.random.default_rng(seed).permutation(len(flat))
        size = float(np.clip(14000 / max(1, len(flat)), 4, 26))
        style: dict[str, Any] = {"s": size, "linewidths": 0, "alpha": 0.85 if len(flat) < 4000 else 0.6}
        if groups:
            colours = np.empty(len(flat), dtype="U7")
            for name, rows, colour in groups:
                colours[rows] = colour
                axes.scatter([], [], color=colour, s=26, label=name)
            axes.scatter(flat[order, 0], flat[order, 1], c=colours[order].tolist(), **style)
        elif labels is not None and np.asarray(labels).dtype.kind == "f":
            points = axes.scatter(flat[order, 0], flat[order, 1], c=np.asarray(labels)[order], cmap="viridis", **style)
            bar = figure.colorbar(points, ax=axes, pad=0.02)
            bar.set_label("label", fontsize=8, color=FAINT)
            bar.ax.tick_params(labelsize=8, labelcolor=FAINT, color=RULE)
            bar.outline.set_visible(False)
        else:
            axes.scatter(*flat[order].T, color=SECOND, **style)
        axes.set_xlabel(names[0])
        axes.set_ylabel(names[1])
    if groups and any(name for name, _, _ in groups):
        axes.legend(
            loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9, labelcolor=INK,
            handletextpad=0.4, borderaxespad=0.2,
        )  # fmt: skip
    return _rendered(figure)


def _groups(labels: Array | None, names: Sequence[str] | None) -> list[tuple[str, Array, str]]:
    """Return (name, rows, colour) of every class, where there are few enough to tell colours apart."""
    if labels is None or np.asarray(labels).dtype.kind == "f":
        return []
    labels = np.asarray(labels)
    classes = np.unique(labels)
    if not 1 < len(classes) <= len(CLASSES):
        return []
    return [
        (names[int(c)] if names is not None and 0 <= c < len(names) else str(c), labels == c, CLASSES[i])
        for i, c in enumerate(classes)
    ]


def _plane(Z: Array) -> tuple[Array, tuple[str, str]]:
    """Return the two columns, or the two principal components and their share of the variance."""
    if Z.shape[1] == 2:
        return Z, ("code 1", "code 2")
    centred = Z - Z.mean(0)
    _, s, v = np.linalg.svd(centred, full_matrices=False)
    share = s**2 / max(float((s**2).sum()), 1e-300)
    flat = np.zeros((len(Z), 2))
    found = centred @ v[:2].T
    flat[:, : found.shape[1]] = found
    first, second = share[0], share[1] if len(share) > 1 else 0.0
    note = f"of {Z.shape[1]} numbers"
    return flat, (f"component 1 {note} ({first:.0%} of the variance)", f"component 2 ({second:.0%})")


# ------------------------------------------------------------------------------------------------ style


def _page(width: float, height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    return figure, _styled(figure.subplots())


def _styled(axes: Axes) -> Axes:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(RULE)
    axes.tick_params(labelsize=8, labelcolor=FAINT, color=RULE, which="both")
    axes.xaxis.label.set(fontsize=9, color=FAINT)
    axes.yaxis.label.set(fontsize=9, color=FAINT)
    return axes


def _legend(axes: Axes) -> None:
    if len(axes.get_legend_handles_labels()[0]) > 1:
        axes.legend(frameon=False, fontsize=9, labelcolor=INK, loc="best", handlelength=1.2, handletextpad=0.5)


def _rendered(figure: Figure) -> Image.Image:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """Return the font that matplotlib brings, so that all pictures share one."""
    from matplotlib import get_data_path
    from PIL import ImageFont

    return ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)
