"""One HTML file that shows a model: samples, codes and the networks are in it, and it asks nobody for anything.

It is read from a disk (`file://`), so that its content must be in it: a message of tensors, deflated, in base64.
"""

from __future__ import annotations

import base64
import hashlib
import html
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from narrows.analyses.latents import training_codes
from narrows.data.arrays import Array
from narrows.errors import ConfigError
from narrows.estimators.inference import reconstruct_encoded
from narrows.export.graph import graph_of
from narrows.export.layers import Graph, UnsupportedError
from narrows.page.explorer import Explorer
from narrows.page.info import info
from narrows.page.kept import NAMES
from narrows.page.wire import Message, pack
from narrows.projection import plane, tsne

ROWS, VALUES = 1000, 1_500_000
"""Samples that the file holds at most, and values of samples."""
MAPPED = 4
"""Codes of which there is a t-SNE map at least."""
LARGE = 3_000_000
"""Bytes; of a larger file the weights are rounded to 16 bits."""
STEPS = 32767
"""Positive numbers of 16 bits with a sign."""
SMALL = 20_000
"""Weights of a layer that are not worth rounding; PCA's maps, whose logits feel it most, are mostly among them."""
CORRUPTIONS = ("gaussian", "dropout", "masking", "uniform", "salt_pepper")
"""Kinds of noise that web/src/offline/noise.ts knows."""
STATIC = Path(__file__).parents[1] / "page" / "static"


class Page(NamedTuple):
    """The file, and what there is to say of it."""

    html: str
    rows: int
    """Samples that it holds."""
    why: str
    """Why it does not decode; empty where it does."""
    rounded: bool
    """Whether its weights are rounded to 16 bits."""


def page_of(explorer: Explorer, *, large: int = LARGE) -> Page:
    """Return the page of a model with its data. Raises: ConfigError where the built front end is missing."""
    graph, why = _graph(explorer)
    content = _content(explorer, graph, why)
    page = _html(explorer.name, content)
    rounded = graph is not None and len(page) > large
    if rounded:
        page = _html(explorer.name, _rounded(content))
    return Page(page, len(content.tensors["z"]), why, rounded)


def _graph(explorer: Explorer) -> tuple[Graph | None, str]:
    """Return the networks, or why the page cannot run them."""
    model, display = explorer.model, explorer.display
    if display.kind == "image" and len(display.shape) == 3 and display.shape[0] not in (1, 3):
        return None, f"This page does not decode: it shows images of one or three channels, not of {display.shape[0]}."
    try:
        return graph_of(model.module_), ""
    except UnsupportedError as part:
        why = f"This page does not decode: it cannot run a part of the network, {part}."
        return None, f"{why} `narrows open` shows the run itself."


def _content(explorer: Explorer, graph: Graph | None, why: str) -> Message:
    """Return everything that the page shows."""
    on, display, model = explorer.on(), explorer.display, explorer.model
    n = min(ROWS, len(on.shown.X), max(1, VALUES // model.n_features_in_))
    rows = np.arange(n)
    arrays = on.arrays.rows(slice(n))
    Z, measures = on.codes[:n], on.measures
    reconstructions = None if graph is not None else reconstruct_encoded(model, arrays)
    tensors = {
        "x": display.shown(on.values(arrays), arrays), "z": Z, "error": measures.error[:n], "score": measures.score[:n],
        **_maps(Z, None if model.code_.continuous else reconstructions), **_units(explorer), **_labels(on.shown.y, n),
    }  # fmt: skip
    if reconstructions is not None:
        tensors["reconstruction"] = display.reconstructed(reconstructions, arrays)
    known, samplers = _info(explorer, n, why, len(Z) >= MAPPED)
    if graph is not None:
        tensors |= graph.tensors
    if graph is not None and samplers:
        tensors |= _gaussian(explorer)
    return Message(
        {
            "info": known, "graph": None if graph is None else {"encoder": graph.encoder, "decoder": graph.decoder},
            "why": why, "names": {map_: [f"{NAMES[map_]} {i}" for i in (1, 2)] for map_ in ("pca", "tsne")},
            "labels": explorer.labels.names(on.shown.y, rows),
            "ids": [str(each) for each in explorer.dataset.ids(known["default_split"]).values[:n]],
            "label_names": known["label_names"], "error_unit": "squared error per sample",
            "score_unit": "nats, higher is more normal",
        },
        tensors,
    )  # fmt: skip


def _info(explorer: Explorer, n: int, why: str, mapped: bool) -> tuple[dict[str, Any], bool]:
    """Return `ModelInfo` as far as it holds within the page, and whether it draws from a density of codes."""
    known = info(explorer)
    split = known["default_split"]
    maps = [name for name in ("dims", "pca", "tsne") if name in known["maps"] and (mapped or name != "tsne")]
    kinds = [kind for kind in known["corruption"]["kinds"] if kind["name"] in CORRUPTIONS]
    samplers = [sampler for sampler in known["samplers"] if sampler["name"] in ("prior", "gaussian")]
    absent = dict(known["absent"])
    if why:
        absent |= dict.fromkeys(("drag", "combine", "denoise", "interpolate", "generate"), why)
    known |= {
        "splits": {split: n}, "maps": maps, "samplers": samplers, "absent": absent, "condition": None,
        "corruption": known["corruption"] | {"kinds": kinds},
    }  # fmt: skip
    return known, any(sampler["name"] == "gaussian" for sampler in samplers)


def _maps(Z: Array, reconstructions: Array | None) -> dict[str, Array]:
    """Return the principal plane of the codes, and their t-SNE map.

    Codes that are indices have no distances: their reconstructions have, as on the page of `narrows open`.
    """
    vectors = Z if reconstructions is None else reconstructions.reshape(len(Z), -1)
    flat = plane(vectors)
    maps = {"pca": flat.points}
    if reconstructions is None:
        axes = np.zeros((2, Z.shape[1]))
        axes[: len(flat.axes)] = flat.axes
        maps |= {"pca_mean": flat.mean, "pca_components": axes}
    return maps if len(Z) < MAPPED else maps | {"tsne": tsne(vectors)}


def _units(explorer: Explorer) -> dict[str, Array]:
    """Return offset and factor of every feature: X = x * factor + offset."""
    display = explorer.display
    size = 1 if display.kind == "image" else display.shape[-1]
    if display.kind == "image":
        return {"offset": np.zeros(size), "factor": np.ones(size)}
    ends = np.stack([np.zeros(display.shape), np.ones(display.shape)])
    low, high = np.asarray(display.schema.in_units(ends), np.float64).reshape(2, -1, size)[:, 0]
    return {"offset": low, "factor": high - low}


def _labels(y: Array | None, n: int) -> dict[str, Array]:
    return {} if y is None or y.ndim > 1 else {"labels": y[:n]}


def _gaussian(explorer: Explorer) -> dict[str, Array]:
    """Return the mean of the codes of training samples, and a root of their covariance, to draw from."""
    codes = training_codes(explorer.without_rows)
    values, vectors = np.linalg.eigh(np.cov(codes, rowvar=False).reshape(codes.shape[1], -1))
    return {"gaussian_mean": codes.mean(0), "gaussian_root": vectors * np.sqrt(np.maximum(values, 0))}


# Weights of 16 bits ---------------------------------------------------------------------------------------------------


def _rounded(content: Message) -> Message:
    """Return the content with large weights as whole numbers of 16 bits, times a scale for each row.

    Most of a file are weights, and float32 hardly compresses. A row is what makes one output, so that its scale is that
    of its own weights; the error of an output is about 1e-5 of their largest one times the length of the input.
    """
    tensors = dict(content.tensors)
    names = [name for name, w in tensors.items() if name[:1] == "w" and w.ndim > 1 and w.size > SMALL]
    for name in names:
        weight = np.asarray(tensors[name], np.float64)
        rows = weight.reshape(len(weight), -1)
        scale = np.maximum(np.abs(rows).max(1), np.finfo(np.float32).tiny) / STEPS
        levels = (np.round(rows / scale[:, None]) + STEPS).astype(np.uint16)
        tensors[name] = np.stack([levels >> 8, levels & 255]).astype(np.uint8).reshape(2, *weight.shape)
        tensors[f"{name}_scale"] = scale
    return Message({**content.meta, "rounded": names}, tensors)


# The file -------------------------------------------------------------------------------------------------------------


def _html(name: str, content: Message) -> str:
    """Return the file: the page's script and style, and the content as data."""
    script, style = _static("offline.js"), _static("offline.css")
    script = script.replace("</script", "<\\/script").replace("<!--", "<\\!--")
    data = base64.b64encode(zlib.compress(pack(content), 9)).decode()
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>{html.escape(name)} · narrows</title>\n<style>{style}</style>\n</head>\n<body>\n"
        '<div id="page"></div>\n<noscript>This page needs JavaScript: it runs the model by itself.</noscript>\n'
        f'<script type="text/plain" id="content">{data}</script>\n<script>{script}</script>\n</body>\n</html>\n'
    )


def _static(file: str) -> str:
    try:
        return (STATIC / file).read_text(encoding="utf-8")
    except OSError:
        raise ConfigError(
            f"export: the built page must be in {STATIC.name}/; {file} is missing. Run `npm ci && npm run build` in "
            "web/, or install narrows from a wheel."
        ) from None


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
