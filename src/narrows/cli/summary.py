"""Tables of results: the summary of a run, and how an error compares with PCA's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from narrows.cli.console import as_is, out, plain_table
from narrows.numbers import count, duration, number
from narrows.runs.folder import ROUNDING

if TYPE_CHECKING:
    from narrows.runs import Run


def results(run: Run) -> None:
    """Print the summary of a run as a table, and the paths of its pictures."""
    console = out()
    summary = run.summary
    if summary is not None:
        console.print(_errors(run, summary))
        _print_nats(console, summary)
    epochs = run.record.get("epoch")
    if epochs:
        parameters = f"{count(summary['parameters'])} parameters, " if summary else ""
        time = duration(run.record.get("seconds") or 0)
        console.print(f"{parameters}{epochs} epoch{'s' if epochs != 1 else ''} in {time}", style="dim")
        if note := run.record.get("note"):
            console.print(as_is(note, "dim"), soft_wrap=not console.is_terminal)
    if run.pictures:
        console.print()
        # Paths on lines of their own and never broken, so that they can be clicked and copied.
        for path, caption in run.pictures.items():
            console.print(Text(f"{path}").append(f"  {caption}", "dim"), soft_wrap=True)
    if run.record.get("logged"):
        root = run.folder.parent  # all runs side by side
        console.print(Text(f"{run.logs_folder}").append(f"  tensorboard --logdir {root}", "dim"), soft_wrap=True)


def _errors(run: Run, summary: dict[str, Any]) -> Table:
    errors = run.errors
    table = plain_table()
    table.add_column(f"{summary['samples']:,} {summary['split']} samples", overflow="fold")
    table.add_column("squared error", justify="right")
    table.add_column("vs PCA", justify="right")
    k, pca_k = summary["latent_dim"], summary["pca_latent_dim"]
    table.add_row(
        f"{run.record['model']}, latent dimension {k}",
        Text(number(error_of(errors, "model")), "bold"),
        "" if run.is_pca else relative_to_pca(errors, "model"),
    )
    if "pca" in errors and not run.is_pca:
        label = f"PCA, latent dimension {pca_k}" + (" (as many as the data allow)" if pca_k < k else "")
        table.add_row(label, number(error_of(errors, "pca")), "")
    if "mean" in errors:
        table.add_row("the mean sample", number(errors["mean"]), relative_to_pca(errors, "mean"))
    return table


def error_of(errors: dict[str, float], name: str) -> float | None:
    """Return an error, 0 where it is one of rounding; None where there is none."""
    if name not in errors:
        return None
    return errors[name] if errors[name] > ROUNDING * errors.get("mean", 0) else 0.0


def relative_to_pca(errors: dict[str, float], name: str) -> Text:
    """Return by how many percent an error lies below or above PCA's, where that is more than rounding."""
    if name not in errors or errors.get("pca", 0) <= ROUNDING * abs(errors.get("mean", 0)):
        return Text("–", "dim")
    change = errors[name] / errors["pca"] - 1
    if abs(change) < 5e-4:
        return Text("0%", "dim")
    text = f"{change:+.1%}" if abs(change) < 0.1 else f"{change:+.0%}" if change < 10 else f"x{change + 1:.3g}"
    return Text(text.replace("-", "−"), "green" if change < 0 else "")


def _print_nats(console: Console, summary: dict[str, Any]) -> None:
    if summary["elbo"] is None:
        return
    table = Table.grid(Column(), Column(justify="right", style="bold"), Column(style="dim"), padding=(0, 2))
    for name in ("elbo", "kl"):
        table.add_row(f" {name.upper()}", number(summary[name]), "nats per sample")
    console.print(table)
    console.print()
