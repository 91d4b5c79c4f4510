"""What a notebook shows of a run: a table of what is known of it, and its pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from narrows import figures
from narrows.data.dataset import sizes_of
from narrows.figures import notebook

if TYPE_CHECKING:
    from narrows.runs.folder import Run


def html(run: Run) -> str:
    """Return a run as HTML that carries its pictures inside and fetches nothing."""
    return notebook.run(run.name, run.status, _rows(run), _pictures(run))


def _rows(run: Run) -> list[tuple[str, str]]:
    """Return what is known of the run: names and values."""
    record, data = run.record, run.record["data"]
    rows = [("model", run.settings), ("data", f"{data['name']}: {sizes_of(data['splits'])}")]
    if history := run.history:
        of = "" if run.status == "finished" else f" of {history[-1]['epochs']:,}"
        rows.append(("epochs", f"{history[-1]['epoch']:,}{of} in {history[-1]['seconds']:,.0f} s"))
    if summary := run.summary:
        names = {"model": "", "pca": "PCA ", "mean": "the mean sample "}
        errors = [
            f"{names[name]}{error:.4g}"
            for name, error in run.errors.items()
            if name in names and not (name == "pca" and run.is_pca)
        ]
        rows.append((f"squared error per {summary['split']} sample", "; ".join(errors)))
        rows += [
            (f"{name.upper()}, nats", f"{summary[name]:.4g}") for name in ("elbo", "kl") if summary[name] is not None
        ]
    return [*rows, ("error", record["error"])] if record.get("error") else rows


def _pictures(run: Run) -> list[str]:
    """Return the pictures of the finished model; before there are any, the curves and the latest samples."""
    if pictures := [notebook.figure(path.read_bytes(), caption) for path, caption in run.pictures.items()]:
        return pictures
    if len(history := run.history) > 1:
        pictures.append(notebook.drawn(figures.curves(history), "loss by epoch"))
    latest = run.samples[-1:]
    return pictures + [notebook.figure(path.read_bytes(), f"epoch {int(path.stem[6:])}") for path in latest]
