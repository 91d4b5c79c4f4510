"""`narrows runs`, `narrows show` and `narrows data`."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from narrows.cli.arguments import RunName, Source, with_source
from narrows.cli.console import as_is, number, out, plain_table
from narrows.cli.locate import folders, run_of
from narrows.errors import FormatError

if TYPE_CHECKING:
    from narrows.runs import Run

STATUS = {"finished": "green", "running": "cyan", "interrupted": "yellow", "failed": "red"}


def runs(folder: Annotated[str, Parameter(help="The folder that holds the runs.")] = "runs", /) -> None:
    """List the runs."""
    from narrows.cli.summary import error_of, relative_to_pca
    from narrows.runs import Run

    console = out()
    readable = []
    for path in folders(Path(folder)):
        with contextlib.suppress(FormatError):  # of another version: no reason not to list the others
            readable.append(Run(path))
    if not readable:
        console.print(f"No runs in {folder}/. Train one: narrows train vae", soft_wrap=True, markup=False)
        return
    table = plain_table()
    wide, dated = console.width >= 72, console.width >= 96
    table.add_column("run", overflow="fold", min_width=12)
    table.add_column("status")
    if wide:
        table.add_column("epochs", justify="right")
    table.add_column("error", justify="right")
    if wide:
        table.add_column("vs PCA", justify="right")
        table.add_column("ELBO", justify="right")
    if dated:
        table.add_column("started", no_wrap=True)
    for run in readable:
        summary = run.summary or {}
        errors = summary.get("squared_error", {})
        cells: list[Any] = [Text(run.name), Text(run.status, STATUS.get(run.status, ""))]
        error = number(error_of(errors, "model") if errors else None)
        if wide:
            epochs = str(run.record.get("epoch", len(run.history)))
            cells += [epochs, error, relative_to_pca(errors, "model"), number(summary.get("elbo"))]
        else:
            cells.append(error)
        if dated:
            cells.append(str(run.record.get("started", ""))[:16].replace("T", " "))
        table.add_row(*cells)
    console.print(table)
    console.print(
        f"[dim]error: squared, per test sample; ELBO: nats{'; times in UTC' if dated else ''}[/]" if wide else ""
    )


def show(run: RunName = None, /) -> None:
    """Show a run: settings, results, pictures."""
    from narrows.cli.summary import results

    console = out()
    shown: Run = run_of(run)
    record = shown.record
    recorded = record["data"]
    console.print(Text(shown.name, "bold").append(f"  {shown.status}", f"not bold {STATUS.get(shown.status, '')}"))
    if record.get("error"):
        console.print(as_is(str(record["error"]), "red"), soft_wrap=True)
    table = _grid()
    table.add_row("started", f"{record.get('started', '')[:19].replace('T', ' ')} UTC")
    size = f"({_sizes(recorded['splits'])} of {_shape(recorded['sample_shape'])})"
    table.add_row("data", as_is(f"{recorded['name']}  {size}"))
    table.add_row("source", as_is(str(recorded.get("source") or "–")))
    table.add_row("parameters", as_is(shown.settings))
    if resumed := record.get("resumed"):
        table.add_row("resumed", ", ".join(f"from step {each['step']:,}" for each in resumed))
    if (schema := shown.schema) is not None:
        table.add_row("schema", as_is(str(schema)))
    versions = record.get("versions", {})
    table.add_row("versions", as_is(", ".join(f"{name} {version}" for name, version in versions.items())))
    console.print(table)
    results(shown)


@with_source(data_option="")
def data(
    name: Annotated[str | None, Parameter(help="A data set or file to look into; the list if left out.")] = None,
    /,
    *,
    source: Source,
) -> None:
    """List the data sets, or look into one."""
    from narrows.data import DATASETS

    console = out()
    if name is not None:
        _print_dataset(name, source.options)
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


def _print_dataset(name: str, options: Mapping[str, Any]) -> None:
    from narrows.data import DATASETS, load_dataset

    dataset = load_dataset(name, **options)
    rows: list[tuple[str, str]] = [("samples", _sizes(dataset.splits)), ("shape", _shape(dataset.sample_shape))]
    rows.append(("values", "pixels, 0 to 255" if dataset.train.dtype == "uint8" else f"{dataset.train.dtype}"))
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
    table = _grid()
    for label, value in rows:
        table.add_row(label, as_is(value))
    console = out()
    console.print(as_is(dataset.name, "bold"))
    console.print(table)


def _grid() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    return table


def _sizes(splits: Any) -> str:
    parts = (("train", "training"), ("validation", "validation"), ("test", "test"))
    return ", ".join(f"{splits[key]:,} {name}" for key, name in parts if splits.get(key))


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) if len(shape) > 1 else f"{shape[0]} value{'s' if shape[0] > 1 else ''}"
