"""What a view must know of a model before it asks for anything: `ModelInfo` of the page."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Any

import numpy as np

from narrows.analyses.denoising import DEFAULT, corruption_of
from narrows.analyses.latents import training_codes, usage
from narrows.analyses.scan import REACH
from narrows.components import AXES
from narrows.data.types import ColumnType
from narrows.errors import NarrowsError
from narrows.page.explorer import Explorer
from narrows.page.fitted import INDICES, TYPED
from narrows.params import Param, fields

QUANTILES = np.linspace(0, 1, 11)
SEEN = 20_000
"""Samples from which the quantiles of columns are taken, at most."""
NAMED = 1000
"""Levels of a column whose names are sent, at most."""
UNITS = {"time": "year", "span": "s"}
"""Of what a column holds."""
LARGEST_STRENGTH = 1.0
"""Of corruptions without an upper bound: a deviation, on the model's scale."""
FAR_APART = "Between levels of text there are no distances by which a training row could be the nearest."
DRAWN_ROWS = "Rows with levels of text have no picture to save; narrows sample writes them to a file."

SAMPLERS = {
    "prior": "The model's own prior.",
    "gaussian": "One normal distribution, fitted to the codes of training samples.",
    "gmm": "A mixture of ten normal distributions, fitted to the codes of training samples.",
    "kde": "A kernel at every code of a training sample.",
    "flow": "A neural spline flow, fitted to the codes of training samples.",
}


def info(explorer: Explorer) -> dict[str, Any]:
    """Return what is known of a model; see the module."""
    model, display = explorer.model, explorer.display
    continuous = model.code_.continuous
    dims, unit = _dimensions(explorer) if continuous else ([], "")
    used = np.argsort([-dim["usage"] for dim in dims], kind="stable")
    low, high = explorer.code_limits if continuous else (0.0, float(model.code_.levels))
    return {
        "run": explorer.name, "model": type(model).__name__, "kind": display.kind,
        "shape": list(display.shape), "columns": _columns(explorer),
        "latent_dim": model.latent_dim_ if continuous else int(np.prod(model.code_.shape)),
        "code": {"continuous": continuous, "shape": list(model.code_.shape)},
        "probabilistic": model.module_.probabilistic, "condition": explorer.labels.conditions,
        "splits": {name: len(explorer.dataset.split(name).X) for name in explorer.split_names},
        "default_split": explorer.default_split,
        "label_names": None if explorer.dataset.label_names is None else list(explorer.dataset.label_names),
        "labelled": not explorer.gone and explorer.on().shown.y is not None, "limits": list(display.limits),
        "dims": dims, "usage_unit": unit, "dims_by_usage": [int(i) for i in used],
        "corruption": {"default": str(corruption_of(model) or DEFAULT), "kinds": _corruptions(explorer)},
        "samplers": _samplers(explorer), "maps": _maps(explorer), "distribution": _distribution(explorer),
        "absent": absent(explorer), "decode_limits": {"codes_low": low, "codes_high": high},
    }  # fmt: skip


def absent(explorer: Explorer) -> dict[str, str]:
    """Return what makes no sense for a model, or cannot be done, and why."""
    why: dict[str, str] = {}
    if explorer.gone:
        why |= dict.fromkeys(("codes", "combine", "interpolate", "nearest", "recolour"), explorer.gone)
    elif explorer.on().shown.y is None:
        why["recolour"] = "These data have no labels."
    if explorer.display.kind != "image" or len(explorer.display.shape) != 3:
        why["draw"] = "Its samples are no images, so that there is nothing to draw or to upload."
    if explorer.display.columns:
        why |= dict.fromkeys(("combine", "denoise"), TYPED) | {"nearest": FAR_APART, "save": DRAWN_ROWS}
    if not explorer.model.code_.continuous:
        why |= dict.fromkeys(("drag", "combine", "interpolate", "generate"), INDICES)
    elif not (samplers := _samplers(explorer)):
        why["generate"] = "It has no prior, and kept no codes that a density could be fitted to."
    elif all(sampler["name"] != "prior" for sampler in samplers):
        why["prior"] = "It has no prior; codes are drawn from a density that is fitted to those of training samples."
    return why


def _dimensions(explorer: Explorer) -> tuple[list[dict[str, Any]], str]:
    """Return every latent dimension: its range, centre and usage; and the unit of usage."""
    centre, deviation, _ = explorer.distribution
    try:
        used, unit = usage(explorer.without_rows)
    except NarrowsError:  # the nats need samples
        used, unit = training_codes(explorer.without_rows).var(0), "variance"
    dims = [
        {
            "name": f"dimension {i + 1}", "low": float(c - REACH * d), "high": float(c + REACH * d),
            "centre": float(c), "deviation": float(d), "usage": float(u),
        }
        for i, (c, d, u) in enumerate(zip(centre, deviation, used, strict=True))
    ]  # fmt: skip
    return dims, unit


def _corruptions(explorer: Explorer) -> list[dict[str, Any]]:
    """Return the kinds of corruption that these samples can have, and the bounds of their strength."""
    kinds = []
    for name, kind in AXES["corruption"].items():
        described = fields(kind)
        if len(described) != 1 or (name == "warp" and len(explorer.display.shape) != 3):
            continue
        (strength,) = described
        kinds.append({
            "name": name, "help": _plain(kind.__doc__ or ""), "low": strength.low or 0.0,
            "high": _high(strength), "default": strength.default, "integer": strength.annotation is int,
        })  # fmt: skip
    return kinds


def _plain(text: str) -> str:
    """Return the first line of a docstring without its references and marks of code."""
    return re.sub(r" \([^()]*\d{4}[^()]*\)", "", text.partition("\n")[0]).replace("`", "")


def _high(strength: Param) -> float:
    if strength.high is None:
        return LARGEST_STRENGTH
    return strength.high - 0.05 * strength.high if strength.high_open else strength.high


def _samplers(explorer: Explorer) -> list[dict[str, str]]:
    """Return what codes can be drawn from, the model's own first."""
    model = explorer.model
    if not model.code_.continuous:
        return []
    kept = model.codes_ is not None and len(model.codes_) > 0
    names = ["prior"] if model.module_.probabilistic else []
    if kept or not explorer.gone:
        names += ["gmm", "gaussian", "kde", *(["flow"] if find_spec("zuko") else [])]
    return [{"name": name, "help": SAMPLERS[name]} for name in names]


def _maps(explorer: Explorer) -> list[str]:
    """Return the maps of codes that can be made."""
    names = ["dims"] if explorer.model.code_.continuous else []
    return [*names, "pca", "tsne", *(["umap"] if find_spec("umap") else [])]


def _columns(explorer: Explorer) -> list[str] | None:
    """Return the names of a table's columns, or of the channels of sequences that were cut out of one."""
    if explorer.display.columns:
        return [column.name for column in explorer.display.columns]
    names, shape = explorer.model.schema_.columns or explorer.dataset.columns, explorer.display.shape
    return None if names is None or len(shape) > 2 or len(names) != shape[-1] else list(names)


def _distribution(explorer: Explorer) -> list[dict[str, Any]]:
    """Return the quantiles of every column of a table, in the units of the data; none where the data are gone."""
    if explorer.display.kind != "table" or explorer.gone:
        return []
    on = explorer.on("train")
    part = on.train.rows(slice(SEEN))
    X = explorer.display.shown(on.values(part), part).astype(np.float64)
    columns = _columns(explorer) or [f"column {i + 1}" for i in range(X.shape[1])]
    quantiles = np.nanquantile(X, QUANTILES, axis=0).T
    types: list[ColumnType | None] = [*explorer.display.columns] or [None] * len(columns)
    return [
        {"name": name, "quantiles": [float(v) for v in values], **_words_of(column)}
        for name, values, column in zip(columns, quantiles, types, strict=True)
    ]


def _words_of(column: ColumnType | None) -> dict[str, Any]:
    """Return what stands for a column's numbers, or beside them: its levels, or its unit."""
    if column is not None and column.holds == "text" and len(column.levels) <= NAMED:
        return {"unit": "", "levels": [str(level) for level in column.levels]}
    return {"unit": "" if column is None else UNITS.get(column.holds, "")}
