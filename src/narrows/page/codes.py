"""The codes of a split on a map: two of their dimensions, their principal plane, t-SNE or UMAP.

The last two take long: they are computed once, in the background, and kept in the run's folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from narrows.analyses.latent_map import FEWEST
from narrows.data.arrays import Array, subset
from narrows.errors import ConfigError
from narrows.estimators.inference import reconstruct_encoded
from narrows.page.display import TILE
from narrows.page.explorer import Explorer
from narrows.page.kept import NAMES, KeptMaps, Progress
from narrows.page.samples import ModelOnSplit
from narrows.page.wire import Message
from narrows.pca import Axes, principal_axes
from narrows.projection import plane

LIMIT = 70_000
"""Codes that are shown at most, drawn with a seed."""
MOST = {"tsne": 5_000, "umap": 10_000}
"""Codes on maps that take long, likewise: about a minute."""
MOST_TILES = 4096
"""Thumbnails that one call draws."""
COMPONENTS = 50
"""Principal components of reconstructions that stand for codes that are indices."""
SEEN = 2_048
"""Samples that these are found from, and that are reconstructed at once."""


class Maps:
    """Maps of the codes of a model.

    Parameters
    ----------
    explorer
        The model and its data.
    folder
        Where maps are kept, `page` in the run's folder; None to keep them in memory alone.
    model
        What tells this model from others in the same folder, such as the checksum of its weights.
    """

    def __init__(self, explorer: Explorer, folder: Path | None = None, model: str = "") -> None:
        self.explorer = explorer
        self.kept = KeptMaps(folder, model)
        self._reconstructed: dict[str | None, list[Array]] = {}
        self._axes: dict[str | None, Axes] = {}

    def rows(self, split: str | None, limit: int = LIMIT, kind: str = "dims") -> Array:
        """Return the positions in a split that a map shows: (N,), ascending."""
        rows = subset(len(self.explorer.on(split).arrays.x), limit, 0)
        return rows[subset(len(rows), MOST.get(kind, len(rows)), 0)]

    def steps(self, split: str | None) -> Iterator[float]:
        """Compute what maps are made of, in steps between which others may use the model."""
        on = self.explorer.on(split)
        yield from on.encode() if on.model.code_.continuous else self._reconstruct(on)

    def map(self, name: str, split: str | None = None, limit: int = LIMIT) -> Message | Progress:
        """Return a map, "dims:0,1" (counted from 0), "pca", "tsne" or "umap"; or that it is still being computed.

        Raises: ConfigError where the name or the split is unknown.
        """
        on = self.explorer.on(split)
        kind, _, dims = name.partition(":")
        limit = min(max(limit, FEWEST), LIMIT)
        if kind == "dims":
            return self._dims(on, dims, limit)
        if kind not in NAMES:
            raise ConfigError(f"map must be dims:i,j, {', '.join(NAMES)}; got {name[:40]!r}.")
        Z, what = self._vectors(on)
        rows = self.rows(split, limit, kind)
        if len(rows) < FEWEST:
            raise ConfigError(f"map: there must be at least {FEWEST} samples; got {len(rows)}. Choose another split.")
        of = what and f" of the {what}"
        names = [f"{NAMES[kind]} {i}{of}" for i in (1, 2)]
        if kind == "pca":
            flat = plane(Z[rows])
            linear = {"kind": "linear", "mean": flat.mean.tolist(), "components": flat.axes.tolist()}
            return self._answer(flat.points, rows, names, {"kind": "neighbours"} if what else linear, len(Z))
        points = self.kept.points(f"{kind}_{on.split}_{len(rows)}", kind, Z[rows])
        if isinstance(points, Progress):
            return points
        return self._answer(points, rows, names, {"kind": "neighbours"}, len(Z))

    def values(self, split: str | None = None, limit: int = LIMIT) -> Message:
        """Return label, squared error, score and, where they say more than `rows`, ids of the samples."""
        on, rows = self.explorer.on(split), self.rows(split, limit)
        labels, names = on.shown.y, self.explorer.dataset.label_names
        tensors = {"rows": rows, "error": on.measures.error[rows], "score": on.measures.score[rows]}
        if labels is not None and labels.ndim == 1 and labels.dtype.kind in "iufb":
            tensors["labels"] = labels[rows]
        units = {"error_unit": "squared error per sample", "score_unit": "nats, higher is more normal"}
        ids = self.explorer.dataset.ids(on.split or self.explorer.default_split).values[rows]
        return Message(
            {
                "label_names": None if names is None else list(names), **units,
                "ids": None if np.array_equal(ids, rows) else [str(each) for each in ids],
            },
            tensors,
        )  # fmt: skip

    def tiles(self, split: str | None, start: int, stop: int, limit: int = LIMIT) -> Message:
        """Return small pictures of the samples at positions from start to stop among those that `rows` names.

        Raises: ConfigError where samples are no images.
        """
        display, on = self.explorer.display, self.explorer.on(split)
        if display.kind != "image":
            raise ConfigError(f"thumbnails: samples must be images; got a {display.kind}.")
        if not 0 <= start <= stop <= start + MOST_TILES:
            raise ConfigError(f"thumbnails: from and to must be at most {MOST_TILES} apart; got {start} and {stop}.")
        part = on.arrays.rows(self.rows(split, limit)[start:stop])
        return Message({}, {"tiles": display.shown(on.values(part), longest=TILE)})

    def _dims(self, on: ModelOnSplit, text: str, limit: int) -> Message:
        """Return two dimensions of the codes, or the only one with 0 beside it."""
        self.explorer.check_continuous()
        size = on.model.latent_dim_
        dims = [int(d) for d in text.split(",") if d.isascii() and d.isdecimal() and len(d) < 7]
        sound = 1 <= len(dims) <= 2 and len(dims) == text.count(",") + 1 and max(dims) < size
        if not sound:
            raise ConfigError(f"map: dims must be two numbers from 0 to {size - 1}, as in dims:0,1; got {text[:40]!r}.")
        rows = self.rows(on.split, limit)
        points = np.zeros((len(rows), 2))
        points[:, : len(dims)] = on.codes[rows][:, dims]
        names = [f"dimension {d + 1}" for d in dims] + [""] * (2 - len(dims))
        return self._answer(points, rows, names, {"kind": "dims", "dims": dims}, len(on.codes))

    def _answer(self, points: Array, rows: Array, names: list[str], inverse: dict[str, Any], n: int) -> Message:
        continuous = self.explorer.model.code_.continuous
        meta = {
            "names": names, "inverse": inverse, "shown": len(rows), "of": n,
            "centre": self.explorer.distribution.centre.tolist() if continuous else [],
        }  # fmt: skip
        return Message(meta, {"points": points.astype(np.float32), "rows": rows.astype(np.int32)})

    def _vectors(self, on: ModelOnSplit) -> tuple[Array, str]:
        """Return what a map is made of, (N, k), and its name where these are not the codes.

        Codes that are indices have no distances: their reconstructions have.
        """
        if on.model.code_.continuous:
            return on.codes, ""
        for _ in self._reconstruct(on):
            pass
        return np.concatenate(self._reconstructed[on.split]), "reconstructions"

    def _reconstruct(self, on: ModelOnSplit) -> Iterator[float]:
        """Compute the principal components of reconstructions, those of the first ones, in steps."""
        parts, n = self._reconstructed.setdefault(on.split, []), len(on.arrays.x)
        while (start := sum(map(len, parts))) < n:  # of two who ask at once each does what is next
            x_hat = reconstruct_encoded(on.model, on.arrays.rows(slice(start, start + SEEN)))
            flat = x_hat.reshape(len(x_hat), -1)
            if not parts:
                self._axes[on.split] = principal_axes(flat, min(COMPONENTS, *flat.shape))
            axes = self._axes[on.split]
            parts.append((flat - axes.mean) @ axes.components.T)
            yield sum(map(len, parts)) / n
