"""`narrows data`: the list of data sets, and what becomes of a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Group, Parameter
from rich.table import Table
from rich.text import Text

from narrows.cli.arguments import Source, with_source
from narrows.cli.console import as_is, in_flags, note, out, table_of
from narrows.data.options import OPTIONS
from narrows.numbers import number

if TYPE_CHECKING:
    from narrows.data import Dataset
    from narrows.data.readers.table import Use

HELP = "List the data sets, say what a file holds and what would be done with it, or pack a source into shards."
PACK = "Write samples as shards, which stay on disk while they are used: for more than fits into memory."

SHOWN = 60
"""At most so many columns of a file are listed."""


@with_source(data_option="")
def data(
    name: Annotated[str | None, Parameter(help="A data set or file to look into; the list if left out.")] = None,
    /,
    *,
    source: Source,
) -> None:
    """List the data sets, or say what a file holds and what would be done with it."""
    if name is None:
        _list_all()
        return
    from narrows.data.catalogue import options_for
    from narrows.data.readers.formats import table_of_file

    console = out()
    console.print(as_is(name, "bold"), soft_wrap=True)
    known = options_for(name, source.options)
    found = table_of_file(name, source.options)
    unusable = False
    if found is not None:
        table, uses = found
        unusable = any(use.role == "unusable" for use in uses)
        console.print(_columns(uses))
        if len(uses) > SHOWN:
            console.print(f"and {len(uses) - SHOWN:,} more columns", style="dim")
        if unusable:
            _print_rows([("rows", f"{len(table.columns[0].values):,}"), *_said(table.notes)])
            console.print(_flags(known))
            from narrows.data.readers.remarks import unusable_columns

            columns = [use.column for use in uses if use.role == "unusable"]
            note(unusable_columns(table.path, columns, len(uses)).removeprefix("load_dataset: "))
            return
    _print_dataset(name, source.options)
    console.print(_flags(known))


def application() -> App:
    """Return the command, which lists and describes, and its subcommand that packs."""
    app = App(name="data", help=HELP, help_epilogue="A file called pack is written ./pack.")
    app["--help"].group = Group("Options", sort_key=9)
    app.default(data)
    app.command(pack, name="pack", help=PACK)
    return app


def pack(
    source: Annotated[str, Parameter(help="A folder or zip of images, a .csv, .parquet or .npy file, or any other.")],
    folder: Annotated[str, Parameter(help="Where the shards go: new, or one in which packing was interrupted.")],
    /,
    *,
    jobs: Annotated[int, Parameter(help="Processes.")] = 1,
    label: Annotated[str | None, Parameter(help=OPTIONS["label"].help)] = None,
    id: Annotated[str | None, Parameter(help=OPTIONS["id"].help)] = None,
    drop: Annotated[str | None, Parameter(help=OPTIONS["drop"].help)] = None,
    columns: Annotated[str | None, Parameter(help=OPTIONS["columns"].help)] = None,
    size: Annotated[str | None, Parameter(help=OPTIONS["size"].help)] = None,
    mode: Annotated[str | None, Parameter(help=OPTIONS["mode"].help)] = None,
) -> None:
    """Write samples as shards; interrupted, the same command resumes."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from narrows.data.pack import pack as packed
    from narrows.data.shards import read_index

    console = out()
    options = {"label": label, "id": id, "drop": drop, "columns": columns, "size": size, "mode": mode}
    shown = Progress(
        TextColumn("shards"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console,
        disable=not console.is_terminal, transient=True,
    )  # fmt: skip
    with shown as progress:
        task = progress.add_task("shards", total=None)
        packed(
            source, folder, jobs=jobs, **options,
            told=lambda done, total: progress.update(task, completed=done, total=total or None),
        )  # fmt: skip
    index = read_index(Path(folder))
    rows = sum(shard.rows for shard in index.shards)
    if index.skipped:
        note(f"{len(index.skipped)} samples cannot be read and are left out: {'; '.join(index.skipped[:5])}")
    console.print(
        as_is(f"{folder}: {rows:,} samples of {'x'.join(map(str, index.shape))} in {len(index.shards):,} shards")
    )
    console.print(as_is(f"Train on it: narrows train vae --data {folder}", "dim"), soft_wrap=True)


def _list_all() -> None:
    from narrows.data import DATASETS

    console = out()
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
    from narrows.data.readers.formats import READERS

    endings = ", ".join(dict.fromkeys(READERS))
    console.print(
        Text(
            f"Also files ({endings}, IDX) and folders of images, arrays or tables: --data PATH.\n"
            "One in detail: narrows data NAME-OR-PATH",
            style="dim",
        )
    )


def _columns(uses: list[Use]) -> Table:
    """Return the table of a file's columns: what they hold, and what would be done with them."""
    columns: list[tuple[str, bool, dict[str, Any]]] = [
        ("column", True, {"overflow": "fold"}), ("holds", True, {"overflow": "fold"}),
        ("missing", True, {"justify": "right"}), ("values", True, {"overflow": "fold"}),
        ("becomes", True, {"overflow": "fold"}),
    ]  # fmt: skip
    styles = {"unusable": "yellow", "left out": "dim", "label": "green", "id": "green", "split": "green"}
    rows = []
    for use in uses[:SHOWN]:
        column = use.column
        why = f" ({use.why})" if use.role == "left out" or use.why in ("an index", "times", "constant") else ""
        becomes = "unusable: drop, label or id" if use.role == "unusable" else f"{use.role}{why}"
        rows.append((
            as_is(column.name or "(no name)"), column.kind, f"{column.missing:,}" if column.missing else "",
            as_is(column.range()), Text(becomes, styles.get(use.role, "")),
        ))  # fmt: skip
    return table_of(columns, rows)


def _said(notes: Any) -> list[tuple[str, str]]:
    return [("read as" if i == 0 else "", in_flags(text)) for i, text in enumerate(notes)]


def _print_dataset(name: str, options: Mapping[str, Any]) -> None:
    from narrows.data import DATASETS, load_dataset

    dataset = load_dataset(name, **options)
    _print_rows(_facts(dataset, name in DATASETS))


def _facts(dataset: Dataset, known: bool) -> list[tuple[str, str]]:
    from narrows.data.dataset import sizes_of

    rows: list[tuple[str, str]] = [
        ("samples", sizes_of(dataset.splits)), ("shape", _shape(dataset)), ("values", values_of(dataset)),
        ("splits", str(dataset.splits.get("how", ""))),
    ]  # fmt: skip
    if dataset.label_names is not None:
        names = ", ".join(dataset.label_names[:12]) + (", ..." if len(dataset.label_names) > 12 else "")
        rows.append(("labels", f"{len(dataset.label_names)}: {names}"))
    elif dataset.train_labels is not None:
        rows.append(("labels", "yes"))
    ids = dataset.ids("train")
    if ids.name != "row":
        rows.append(("ids", f"{ids.name}, such as {ids.values[0]}"))
    rows += _said(dataset.notes)
    rows += [("source", dataset.source), ("licence", dataset.licence)] if known else []
    rows.append(("sha256", dataset.sha256))
    if dataset.skipped:
        rows.append(("left out", f"{len(dataset.skipped)} files, such as {dataset.skipped[0]}"))
    return rows


def values_of(dataset: Dataset) -> str:
    """Return the type and the range of a data set's values, and how many are missing."""
    import numpy as np

    from narrows.data.arrays import on_disk
    from narrows.data.pixels import counts_as_pixels
    from narrows.data.types_table import MixedTable

    if isinstance(dataset.train, MixedTable):
        return dataset.train.words
    if on_disk(dataset.train):
        return f"{dataset.train.dtype}, {number(float(dataset.train.min()))} to {number(float(dataset.train.max()))}"
    parts = list(dataset.train) if dataset.train.dtype == object else [dataset.train]
    finite = [part[np.isfinite(part)] for part in parts]
    low = min((float(part.min()) for part in finite if part.size), default=float("nan"))
    high = max((float(part.max()) for part in finite if part.size), default=float("nan"))
    infinite = sum(int(np.isinf(part).sum()) for part in parts if part.dtype.kind == "f")
    missing = sum(int(np.isnan(part).sum()) for part in parts if part.dtype.kind == "f")
    kind = "pixels" if counts_as_pixels(parts[0]) else str(parts[0].dtype)
    return (
        f"{kind}, {number(low)} to {number(high)}"
        + (f", {missing:,} missing" if missing else "")
        + (f", {infinite:,} infinite" if infinite else "")
    )


def _flags(options: tuple[str, ...]) -> Text:
    """Return the flags that a data set or a file takes."""
    flags = [f"--{name.replace('_', '-')}" for name in options if name in OPTIONS]
    flags += [f"--data-option {name}=" for name in options if name not in OPTIONS and name != "validation"]
    return Text(f"options: {' '.join(flags)}\nWhat they do: narrows data --help", style="dim")


def _print_rows(rows: list[tuple[str, str]]) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for label, value in rows:
        table.add_row(label, as_is(value))
    out().print(table)


def _shape(dataset: Dataset) -> str:
    shape = dataset.sample_shape
    if dataset.train.dtype == object:
        return f"sequences of up to {shape[0]} steps of {shape[1]} value{'s' if shape[1] != 1 else ''}"
    return f"{shape[0]} value{'s' if shape[0] != 1 else ''}" if len(shape) == 1 else "x".join(map(str, shape))
