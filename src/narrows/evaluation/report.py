"""A comparison as one HTML file that needs nothing else: the table, pictures and advice."""

from __future__ import annotations

import base64
import io
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from narrows import figures
from narrows.estimators.base import Autoencoder
from narrows.evaluation.comparison import LOWER, Comparison
from narrows.evaluation.diagnosis import diagnose
from narrows.evaluation.inference import codes
from narrows.storage.atomic import write_text

if TYPE_CHECKING:
    from PIL import Image

MAPPED = 2000
"""Codes in a map."""

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1c1f24; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; } h3 { font-size: 1rem; }
p.note, figcaption { color: #6b7280; font-size: 0.875rem; }
div.wide { overflow-x: auto; } figure { margin: 0.75rem 0; } img { max-width: 100%; height: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.9rem; }
th, td { padding: 0.3rem 0.7rem; text-align: right; border-bottom: 1px solid #d7dade; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; }
"""

# Nothing is fetched, whatever a name in the report may hold.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def report(
    comparison: Comparison,
    X: ArrayLike,
    X_test: ArrayLike,
    *,
    title: str = "Comparison",
    about: str = "",
    y: ArrayLike | None = None,
    y_test: ArrayLike | None = None,
    label_names: tuple[str, ...] | None = None,
    seed: int = 0,
) -> str:
    """Return a comparison as one HTML page.

    It holds the table, reconstructions side by side, and for every model the loss curves, samples, a map of codes, and
    advice. Of a model with several seeds, the first is shown.

    Parameters
    ----------
    comparison
        What `narrows.evaluation.compare_models` returned.
    X, X_test
        The training and test samples that it was given.
    title, about
        Heading, and a sentence below it, such as the data set's name, source and licence.
    y, y_test, label_names
        Labels of both (N,), of which those of the test samples colour the maps, and the names of the classes.
    seed
        Of samples, maps and advice.
    """
    test = np.asarray(X_test)
    labels = None if y_test is None else np.asarray(y_test)
    models = {name: fitted[0] for name, fitted in comparison.models.items()}
    shown = test[: figures.room(test.shape[1:])]
    shown_labels = None if labels is None else labels[: len(shown)]
    reconstructions = {name: model.reconstruct(shown, y=shown_labels) for name, model in models.items()}
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(about)}</p>" if about else "",
        "<h2>Measures</h2>",
        _table(comparison),
        "<h2>Reconstructions</h2>",
        _figure(
            figures.compare({"original": shown, **reconstructions}),
            "The same test samples, reconstructed by each model.",
        ),
    ]
    for name, model in models.items():
        parts += [f"<h2>{escape(name)}</h2>", f"<p class='note'>{escape(repr(model))}</p>"]
        parts += _pictures(model, test, labels, label_names, seed)
        findings = diagnose(model, X, X_test, y=y, y_test=y_test, seed=seed)
        advice = "".join(f"<li>{escape(f.sentence)} <b>{escape(f.remedy)}</b></li>" for f in findings)
        parts.append(f"<h3>Advice</h3><ul>{advice or '<li>No problem detected.</li>'}</ul>")
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title><style>{STYLE}</style>'
    )
    body = "\n".join(part for part in parts if part)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def write_report(path: str | Path, comparison: Comparison, X: ArrayLike, X_test: ArrayLike, **options: Any) -> Path:
    """Write `report` to a file, and return its path; options as there."""
    write_text(Path(path), report(comparison, X, X_test, **options))
    return Path(path)


def _table(comparison: Comparison) -> str:
    """Return the table, one measure a row; the best is bold where it leads by more than the spread."""
    head = "".join(f"<th>{escape(row.name)}</th>" for row in comparison.rows)
    lines = []
    for measure in comparison.measures:
        best = comparison.best(measure)
        cells = []
        for row in comparison.rows:
            text = escape(str(row.cells[measure])) if measure in row.cells else "-"
            cells.append(f"<td><b>{text}</b></td>" if row.name == best else f"<td>{text}</td>")
        arrow = "↓" if measure in LOWER else "↑"
        lines.append(f"<tr><td>{escape(measure)} {arrow}</td>{''.join(cells)}</tr>")
    seeds = ", ".join(f"{row.name} {row.seeds}" for row in comparison.rows)
    note = (
        f"Mean ± deviation over seeds ({seeds}), on test samples. ↓ less is better, ↑ more is better; the best is bold "
        "where its lead exceeds the spread of the first two."
    )
    table = f"<table><thead><tr><th>measure</th>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    return f"<div class='wide'>{table}</div><p class='note'>{escape(note)}</p>"


def _pictures(
    model: Autoencoder,
    X_test: NDArray[Any],
    labels: NDArray[Any] | None,
    label_names: tuple[str, ...] | None,
    seed: int,
) -> list[str]:
    pictures = []
    if len(model.history_) > 1:
        pictures.append(_figure(figures.curves(model.history_), "Loss by epoch."))
    sampler, source = ("prior", "the prior") if model.module_.probabilistic else ("gmm", "a mixture of normals")
    if model.module_.probabilistic or model.code_.continuous:  # indices have no density
        n = 2 * figures.room(X_test.shape[1:])
        samples = model.sample(n, seed, sampler, y=None if labels is None else np.resize(labels, n))
        pictures.append(_figure(figures.gallery(np.asarray(samples)), f"New samples, at codes drawn from {source}."))
    Z = codes(model, X_test[:MAPPED], None if labels is None else labels[:MAPPED])
    picture = figures.latent_map(Z, None if labels is None else labels[:MAPPED], label_names, seed=seed)
    pictures.append(_figure(picture, "Codes of test samples."))
    return pictures


def _figure(picture: Image.Image, caption: str) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    text = escape(caption)
    return f'<figure><img alt="{text}" src="data:image/png;base64,{data}"><figcaption>{text}</figcaption></figure>'
