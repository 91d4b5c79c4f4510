"""What is printed of runs and data sets."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from narrows.cli.console import as_is, count, duration, number, out, plain_table
from narrows.cli.locate import folders, located
from narrows.errors import FormatError
from narrows.runs.folder import PICTURES, ROUNDING, Run

__all__ = ["data", "find", "results", "runs", "show"]

STATUS = {"finished": "green", "running": "cyan", "interrupted": "yellow", "failed": "red"}


def find(name: str | None) -> Run:
    """Return the run of that folder, or of that name under runs/; the latest one if there is no name."""
    return Run(located(name))


def _all(folder: Path) -> list[Run]:
    """Return the runs in a folder, the latest last."""
    found = []
    for path in folders(folder):
        with contextlib.suppress(FormatError):  # of another version: no reason not to list the others
            found.append(Run(path))
    return found


def runs(folder: str) -> None:
    """Print the runs of a folder as a table, the latest last."""
    console = out()
    found = _all(Path(folder))
    if not found:
        console.print(f"No runs in {folder}/. Train one: narrows train vae", soft_wrap=True, markup=False)
        return
    table = plain_table()
    wide = console.width >= 72
    table.add_column("run", overflow="fold", min_width=12)
    table.add_column("status")
    if wide:
        table.add_column("epochs", justify="right")
    table.add_column("error", justify="right")
    if wide:
        table.add_column("vs PCA", justify="right")
        table.add_column("ELBO", justify="right")
    if dated := console.width >= 96:
        table.add_column("started", no_wrap=True)
    for run in found:
        summary = run.summary or {}
        errors = summary.get("squared_error", {})
        cells: list[Any] = [Text(run.name), Text(run.status, STATUS.get(run.status, ""))]
        error = number(_rounded(errors, "model") if errors else None)
        if wide:
            started = str(run.record.get("started", ""))[:16].replace("T", " ")
            epochs = str(run.record.get("epoch", len(run.history)))
            cells += [
                epochs,
                error,
                _against(errors, "model"),
                number(summary.get("elbo")),
                *([started] if dated else []),
            ]
        else:
            cells.append(error)
        table.add_row(*cells)
    console.print(table)
    console.print(
        f"[dim]error: squared, per test sample; ELBO: nats{'; times in UTC' if dated else ''}[/]" if wide else ""
    )


def show(name: str | None) -> None:
    """Print what a run is: settings, data, results, pictures."""
    console = out()
    run = find(name)
    record = run.record
    data_ = record["data"]
    console.print(Text(run.name, "bold").append(f"  {run.status}", f"not bold {STATUS.get(run.status, '')}"))
    if record.get("error"):
        console.print(as_is(str(record["error"]), "red"), soft_wrap=True)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    table.add_row("started", f"{record.get('started', '')[:19].replace('T', ' ')} UTC")
    size = f"({_sizes(data_['splits'])} of {_shape(data_['sample_shape'])})"
    table.add_row("data", as_is(f"{data_['name']}  {size}"))
    table.add_row("source", as_is(str(data_.get("source") or "–")))
    table.add_row("fields", as_is(run.settings))
    if resumed := record.get("resumed"):
        table.add_row("gone on with", ", ".join(f"from step {each['step']:,}" for each in resumed))
    versions = record.get("versions", {})
    table.add_row("versions", as_is(", ".join(f"{name} {version}" for name, version in versions.items())))
    console.print(table)
    results(run)


def results(run: Run) -> None:
    """Print the summary as a table, and where the pictures are."""
    console = out()
    summary = run.summary
    if summary is not None:
        console.print(_errors(run, summary))
        _print_nats(console, summary)
    epochs = run.record.get("epoch")
    if epochs:
        parameters = f"{count(summary['parameters'])} parameters, " if summary else ""
        time = duration(run.record.get("seconds") or 0)
        console.print(f"[dim]{parameters}{epochs} epoch{'s' if epochs > 1 else ''} in {time}[/]")
    if run.pictures:
        console.print()
        # Paths on lines of their own and never broken: they are there to be clicked and copied.
        for path in run.pictures:
            console.print(Text(f"{path}").append(f"  {PICTURES[path.name]}", "dim"), soft_wrap=True)
    if run.record.get("logged"):
        root = run.folder.parent  # all runs side by side
        console.print(Text(f"{run.logs_folder}").append(f"  tensorboard --logdir {root}", "dim"), soft_wrap=True)


def _errors(run: Run, summary: dict[str, Any]) -> Table:
    errors = summary["squared_error"]
    table = plain_table()
    table.add_column(f"{summary['samples']:,} {summary['part']} samples", overflow="fold")
    table.add_column("squared error", justify="right")
    table.add_column("vs PCA", justify="right")
    k, pca_k = summary["latent_dim"], summary["pca_latent_dim"]
    table.add_row(
        f"{run.record['model']}, {_numbers(k)}",
        Text(number(_rounded(errors, "model")), "bold"),
        "" if run.is_pca else _against(errors, "model"),
    )
    if "pca" in errors and not run.is_pca:
        label = f"PCA, {_numbers(pca_k)}" + (" (as many as the data allow)" if pca_k < k else "")
        if summary["pca_samples"] < (run.record["data"]["splits"].get("train") or 0):
            label += f", fitted to {count(summary['pca_samples'])} samples"
        table.add_row(label, number(_rounded(errors, "pca")), "")
    if "mean" in errors:
        table.add_row("the mean sample", number(errors["mean"]), _against(errors, "mean"))
    return table


def _rounded(errors: dict[str, float], name: str) -> float:
    """Return an error; 0 where it is one of rounding."""
    return errors[name] if errors[name] > ROUNDING * errors.get("mean", 0) else 0.0


def _numbers(k: int) -> str:
    return f"{k} number{'s' if k > 1 else ''}"


def _print_nats(console: Console, summary: dict[str, Any]) -> None:
    if summary["elbo"] is None:
        return
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right", style="bold")
    table.add_column(style="dim")
    table.add_row(" ELBO", number(summary["elbo"]), "nats per sample")
    table.add_row(" KL", number(summary["kl"]), "nats per sample")
    console.print(table)
    console.print()


def _against(errors: dict[str, float], name: str) -> Text:
    """Return by how many percent an error lies below or above PCA's, where that is more than rounding."""
    if name not in errors or errors.get("pca", 0) <= ROUNDING * errors.get("mean", 0):
        return Text("–", "dim")
    change = errors[name] / errors["pca"] - 1
    if abs(change) < 5e-4:
        return Text("0%", "dim")
    text = f"{change:+.1%}" if abs(change) < 0.1 else f"{change:+.0%}" if change < 10 else f"x{change + 1:.3g}"
    return Text(text.replace("-", "−"), "green" if change < 0 else "")


def data(name: str | None, pairs: Sequence[str]) -> None:
    """Print the list of data sets, or what one holds."""
    from narrows.data import DATASETS

    console = out()
    if name is not None:
        _print_dataset(console, name, pairs)
        return
    table = plain_table()
    wide = console.width >= 72
    table.add_column("name", no_wrap=True)
    table.add_column("samples" if wide else "what it is", overflow="fold", max_width=22 if wide else None)
    if wide:
        table.add_column("what it is", overflow="fold")
        table.add_column("available", justify="center")
    for key, entry in DATASETS.items():
        available = entry.available()
        cells: list[Any] = [Text(key, "bold" if available else "")]
        if wide:
            cells += [entry.size, entry.description, Text("yes", "green") if available else Text("no", "dim")]
        else:
            cells.append(entry.description)
        table.add_row(*cells)
    console.print(table)
    console.print(
        "[dim]Also any .npy, .npz, .csv, .parquet, .mat or IDX file, or a folder of images: --data PATH.\n"
        "One in detail: narrows data NAME[/]"
    )


def _print_dataset(console: Console, name: str, pairs: Sequence[str]) -> None:
    from narrows.cli.train import options_of
    from narrows.data import DATASETS, load_dataset

    dataset = load_dataset(name, **options_of(pairs))
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    rows: list[tuple[str, str]] = [("samples", _sizes(dataset.splits)), ("shape", _shape(dataset.sample_shape))]
    kind = "pixels, 0 to 255" if dataset.train.dtype == "uint8" else f"{dataset.train.dtype}"
    rows.append(("values", kind))
    if dataset.label_names is not None:
        names = ", ".join(dataset.label_names[:12]) + (", ..." if len(dataset.label_names) > 12 else "")
        rows.append(("labels", f"{len(dataset.label_names)}: {names}"))
    elif dataset.train_labels is not None:
        rows.append(("labels", "yes"))
    rows += [("source", dataset.source), ("licence", dataset.licence), ("sha256", dataset.sha256)]
    if name in DATASETS and DATASETS[name].options:
        rows.append(("options", ", ".join(DATASETS[name].options)))
    if dataset.skipped:
        rows.append(("left out", f"{len(dataset.skipped)} files, such as {dataset.skipped[0]}"))
    for label, value in rows:
        table.add_row(label, as_is(value))
    console.print(as_is(dataset.name, "bold"))
    console.print(table)


def _sizes(splits: Any) -> str:
    parts = (("train", "training"), ("validation", "validation"), ("test", "test"))
    return ", ".join(f"{splits[key]:,} {name}" for key, name in parts if splits.get(key))


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) if len(shape) > 1 else _numbers(shape[0])
