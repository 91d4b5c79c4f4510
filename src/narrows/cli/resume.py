"""`narrows resume`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from narrows.cli import ranks
from narrows.cli.arguments import RunName
from narrows.cli.reports import followed, read_beside
from narrows.errors import NarrowsError

if TYPE_CHECKING:
    from narrows.estimators.base import Autoencoder


def resume(
    run: RunName = None,
    /,
    *,
    data: Annotated[str | None, Parameter(help="Where its data are now, if they are no longer in their place.")] = None,
    force: Annotated[bool, Parameter(help="Resume although the data have changed since.", negative=())] = False,
) -> int:
    """Resume an interrupted run; it ends as if it had not been interrupted."""
    from narrows.cli.locate import located

    folder = located(run)
    with ranks.together() as first:
        if first:
            return resumed_run(folder, data, force)
        from narrows.runs.recording import followed_again

        return read_beside(followed_again(folder, data=data))


def resumed_run(folder: Path, data: str | None, force: bool) -> int:
    """Resume the run of a folder, and show it to its end."""
    from narrows.storage.lock import check_free, lock_of

    check_free(lock_of(folder))  # before the models are imported, which takes seconds
    from narrows.cli.console import out
    from narrows.runs import Run
    from narrows.runs import resume as resumed
    from narrows.runs.trackers import logged

    reports = resumed(folder, data=data, force=force)
    if log := Run(folder).record.get("logged"):
        reports = logged(reports, folder, log["to"])
    out().print(f"resuming {folder}", soft_wrap=True, style="bold")
    return followed(folder, reports, estimator_of(folder))


def estimator_of(folder: Path) -> Autoencoder | None:
    """Return the estimator of a run, not fitted; None where it has parts that no file holds."""
    from narrows.estimators.loading import described_estimator
    from narrows.runs import Run

    with contextlib.suppress(NarrowsError):
        return described_estimator(folder / "run.json", Run(folder).record, {})
    return None
