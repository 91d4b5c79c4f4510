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
from narrows.cli.console import as_is, out, table_of
from narrows.cli.locate import folders, run_of
from narrows.errors import FormatError
from narrows.numbers import number

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
    wide, dated = console.width >= 72, console.width >= 96
    right = {"justify": "right"}
    columns: list[tuple[str, bool, dict[str, Any]]] = [
        ("run", True, {"overflow": "fold", "min_width": 12}), ("status", True, {}), ("epochs", wide, right),
        ("error", True, right), ("vs PCA", wide, right), ("ELBO", wide, right), ("started", dated, {"no_wrap": True}),
    ]  # fmt: skip
    rows = []
    for run in readable:
        summary = run.summary or {}
        errors = summary.get("squared_error", {})
        rows.append((
            Text(run.name), Text(run.status, STATUS.get(run.status, "")),
            str(run.record.get("epoch", len(run.history))), number(error_of(errors, "model") if errors else None),
            relative_to_pca(errors, "model"), number(summary.get("elbo")),
            str(run.record.get("started", ""))[:16].replace("T", " "),
        ))  # fmt: skip
    console.print(table_of(columns, rows))
    console.print(
        f"[dim]error: squared, per test sample; ELBO: nats{'; times in UTC' if dated else ''}[/]" if wide else ""
    )


def show(run: RunName = None, /) -> None:
    """Show a run: settings, results, pictures."""
    from narrows.cli.summary import results
    from narrows.data.dataset import sizes_of

    console = out()
    shown: Run = run_of(run)
    record = shown.record
    recorded = record["data"]
    console.print(Text(shown.name, "bold").append(f"  {shown.status}", f"not bold {STATUS.get(shown.status, '')}"))
    if record.get("error"):
        console.print(as_is(str(record["error"]), "red"), soft_wrap=True)
    table = _grid()
    table.add_row("started", f"{record.get('started', '')[:19].replace('T', ' ')} UTC")
    size = f"({sizes_of(recorded['splits'])} of {_shape(recorded['sample_shape'])})"
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
    wide = console.width >= 72
    columns: list[tuple[str, bool, dict[str, Any]]] = [
        ("name", True, {"no_wrap": True}), ("samples", wide, {"overflow": "fold", "max_width": 22}),
        ("what it is", True, {"overflow": "fold"}), ("available", wide, {"justify": "center"}),
    ]  # fmt: skip
    rows = []
    for key, entry in DATASETS.items():
        here = entry.available()
        available = Text("yes", "green") if here else Text("no", "dim")
        rows.append((Text(key, "bold" if here else ""), entry.size, entry.description, available))
    console.print(table_of(columns, rows))
    console.print(
        "[dim]Also any .npy, .npz, .csv, .parquet, .mat or IDX file, or a folder of images: --data PATH.\n"
        "One in detail: narrows data NAME[/]"
    )


def _print_dataset(name: str, options: Mapping[str, Any]) -> None:
    from narrows.data import DATASETS, load_dataset
    from narrows.data.dataset import sizes_of

    dataset = load_dataset(name, **options)
    rows: list[tuple[str, str]] = [("samples", sizes_of(dataset.splits)), ("shape", _shape(dataset.sample_shape))]
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


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) if len(shape) > 1 else f"{shape[0]} value{'s' if shape[0] > 1 else ''}"
