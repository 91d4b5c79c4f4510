"""`narrows show`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from narrows.cli.arguments import RunName
from narrows.cli.console import as_is, out
from narrows.cli.locate import run_of
from narrows.cli.runs import STATUS

if TYPE_CHECKING:
    from narrows.runs import Run


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
    if shown.resumable:
        console.print(f"Resume: narrows resume {shown.folder}", style=STATUS["interrupted"], soft_wrap=True)


def _grid() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    return table


def _shape(shape: Sequence[int]) -> str:
    return f"{shape[0]} value{'s' if shape[0] != 1 else ''}" if len(shape) == 1 else "x".join(map(str, shape))
