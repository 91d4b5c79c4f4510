"""What a notebook shows of a run and of a fitted model: HTML that carries its pictures inside and fetches nothing.

Colours and fonts are the notebook's own, light or dark; pictures are always on white.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from narrows import figures
from narrows.figures.samples import is_image

if TYPE_CHECKING:
    from PIL import Image

DENSE = 2
"""Pixels of a drawn picture for one of the page: it stays sharp on fine screens."""
COLUMNS = 5
"""Images in a row."""
CELL = "text-align:left;padding:1px 14px 1px 0;vertical-align:top;border:0"
FRAME = "display:inline-block;margin:8px 14px 8px 0;vertical-align:top;max-width:100%"
SMALL = "font-size:85%;opacity:.75"


class Fitted(Protocol):
    """What is shown of a fitted model."""

    history_: list[dict[str, Any]]
    codes_: NDArray[Any] | None
    module_: Any
    schema_: Any

    @property
    def sample_shape_(self) -> tuple[int, ...]:
        """Shape of one sample."""

    def inverse_transform(self, Z: Any) -> NDArray[Any]:
        """Return what codes stand for."""

    def sample(self, n: int, seed: int | None, *, y: Any) -> NDArray[Any]:
        """Return new samples."""


def figure(picture: bytes, caption: str, dense: int = DENSE) -> str:
    """Return a PNG with its caption below, so large that `dense` of its pixels are one of the page."""
    from PIL import Image

    with Image.open(io.BytesIO(picture)) as opened:
        width = opened.width // dense
    data, text = base64.b64encode(picture).decode(), escape(caption)
    style = f"width:{width}px;max-width:100%;background:#fff"
    image = f"<img alt='{text}' style='{style}' src='data:image/png;base64,{data}'>"
    return f"<figure style='{FRAME}'>{image}<figcaption style='{SMALL}'>{text}</figcaption></figure>"


def drawn(picture: Image.Image, caption: str, dense: int = DENSE) -> str:
    """Return a picture as `figure` does."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return figure(buffer.getvalue(), caption, dense)


def model(fitted: Fitted) -> str:
    """Return the course of training, and what can be seen of a model without data.

    That is training samples, reconstructed from the codes that were kept, and new samples where there is a prior.
    """
    n = figures.room(fitted.sample_shape_)
    parts = []
    if len(fitted.history_) > 1:
        losses = [
            {**epoch, "train": _loss(epoch["train"]), "validation": _loss(epoch["validation"])}
            for epoch in fitted.history_
        ]
        parts.append(drawn(figures.curves(losses), f"{len(losses):,} epochs"))
    schema = fitted.schema_
    if fitted.codes_ is not None and not schema.label_size:  # of codes without their labels nothing can be decoded
        X_hat = fitted.inverse_transform(fitted.codes_[:n])
        parts.append(_samples(X_hat, "training samples, reconstructed from their codes"))
    if fitted.module_.probabilistic and (schema.levels or not schema.label_size):
        y = np.resize(schema.levels, n) if schema.levels else None
        parts.append(_samples(fitted.sample(n, seed=0, y=y), "new samples"))
    return f"<div>{''.join(parts)}</div>"


def run(title: str, status: str, about: Iterable[tuple[str, str]], pictures: Sequence[str]) -> str:
    """Return a run: its name and state, a table of what is known of it, and its figures."""
    rows = "".join(
        f"<tr><th style='{CELL};font-weight:normal;opacity:.75'>{escape(name)}</th>"
        f"<td style='{CELL}'>{escape(value)}</td></tr>"
        for name, value in about
    )
    head = f"<div><b>{escape(title)}</b> <span style='{SMALL}'>{escape(status)}</span></div>"
    table = f"<table style='border-collapse:collapse;margin:6px 0'>{rows}</table>"
    return f"<div>{head}{table}<div>{''.join(pictures)}</div></div>"


def _loss(terms: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if terms is None else {"loss": terms["loss"]}


def _samples(X: NDArray[Any], caption: str) -> str:
    return drawn(figures.gallery(X, columns=COLUMNS, label=""), caption, 1 if is_image(X.shape[1:]) else DENSE)
