"""The commands, and what becomes of errors and signals."""

from __future__ import annotations

import gc
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import current_thread, main_thread
from types import FrameType
from typing import Any

from cyclopts import App, CycloptsError, Group

from narrows import __version__
from narrows.cli import analyses, data, plugins, ranks, recipes, sweep, threads, train
from narrows.cli.console import as_is, error, in_flags, out
from narrows.cli.encode import encode
from narrows.cli.evaluate import COMPARE, compare_application, diagnose, evaluate
from narrows.cli.export import export
from narrows.cli.impute import impute
from narrows.cli.open import open_page
from narrows.cli.push import push
from narrows.cli.resume import resume
from narrows.cli.runs import delete, rename, runs
from narrows.cli.serve import serve
from narrows.cli.show import show
from narrows.cli.use import anomalies, reconstruct, sample, score
from narrows.errors import NarrowsError
from narrows.plugins import import_plugin

TRAIN, LOOK, USE = Group("Train", sort_key=1), Group("Look", sort_key=2), Group("Use", sort_key=3)
EXPLORE, EVALUATE = Group("Explore", sort_key=4), Group("Evaluate", sort_key=5)
PACKAGE = Path(__file__).parents[1]
COLLECTED = (50_000, 20, 50)
"""Objects made until Python looks for garbage among the new, and how often until among the older."""
SPIN = "50000"
TERMINATED = 128 + signal.SIGTERM
"""The exit code of a process that was ended by SIGTERM."""


def version() -> None:
    """Print the version."""
    out().print(f"narrows {__version__}")


FUNCTIONS: dict[Group, dict[str, Callable[..., Any]]] = {
    TRAIN: {"resume": resume},
    LOOK: {
        "recipes": recipes.listed,
        "runs": runs,
        "show": show,
        "open": open_page,
        "rename": rename,
        "delete": delete,
        "version": version,
    },
    USE: {
        "encode": encode,
        "score": score,
        "anomalies": anomalies,
        "reconstruct": reconstruct,
        "impute": impute,
        "sample": sample,
        "export": export,
        "serve": serve,
        "push": push,
    },
    EVALUATE: {"evaluate": evaluate, "diagnose": diagnose},
}
"""Commands whose flags are their parameters."""
MADE = {"train": train, "recipe": recipes, "sweep": sweep}
"""Commands whose flags are those of a model or a recipe."""


def application(tokens: Sequence[str]) -> App:
    """Return the commands: the one that is asked for alone, which is quicker; all of them where it is none."""
    app = App(
        name="narrows",
        help="Compact representations of images, sequences and tables: from PCA to the variational autoencoder.",
        help_epilogue=f"Start with `narrows train vae`; then `narrows show`.\n\n{plugins.FLAG} FILE  {plugins.HELP}"
        f"\n\n{threads.FLAG} N  {threads.HELP}\n\n{ranks.FLAG} N  {ranks.HELP}",
        version=__version__,
        version_flags=["--version"],
        help_format="plaintext",
    )
    app["--help"].group = app["--version"].group = Group("Options", sort_key=9)
    asked, rest = (tokens[0], tokens[1:]) if tokens else ("", [])
    functions = {name for commands in FUNCTIONS.values() for name in commands}
    known = asked in {*MADE, *analyses.HELPS, "compare", "data", *functions}

    def add(command: App, group: Group) -> None:
        command.group = group
        app.command(command)

    def wanted(names: Iterable[str]) -> list[str]:
        return [name for name in names if name == asked or not known]

    for name in wanted(MADE):
        add(MADE[name].application(rest) if known else App(name=name, help=MADE[name].HELP), TRAIN)
    for name in wanted(analyses.HELPS):
        command = analyses.application(name) if known else App(name=name, help=analyses.HELPS[name])
        add(command, USE if name == "denoise" else EXPLORE)
    if wanted(["compare"]):
        add(compare_application(rest) if known else App(name="compare", help=COMPARE), EVALUATE)
    if wanted(["data"]):
        add(data.application(), LOOK)
    for group, commands in FUNCTIONS.items():
        for name in wanted(commands):
            app.command(commands[name], name=name, group=group)
    return app


def main(tokens: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code.

    0, 1 for a file not written, 2 for a mistake, 130 for Ctrl-C, 143 for SIGTERM.
    """
    _prepare_process()
    tokens = list(sys.argv[1:] if tokens is None else tokens)
    try:
        with _terminations(), _warnings_as_notes():
            tokens, numbers = plugins.without(tokens, threads.FLAG, "a whole number")
            for number in numbers:
                threads.set_threads(number)
            tokens, processes = plugins.without(tokens, ranks.FLAG, "a whole number")
            for number in processes:
                if (code := ranks.start(tokens, number)) is not None:
                    return code
            tokens, files = plugins.without_plugins(tokens)
            for file in files:
                import_plugin(file)
            app = application(tokens)
            command, bound, _ = app.parse_args(tokens, exit_on_error=False, print_error=False, verbose=False)
            return command(*bound.args, **bound.kwargs) or 0
    except (CycloptsError, NarrowsError) as problem:
        ranks.let_the_first_speak()
        return error(str(problem), 2)
    except BrokenPipeError:
        # Whoever read our output has left, as `head` does: say nothing, also when Python flushes at its end.
        sys.stdout = open("/dev/null", "w")  # noqa: SIM115
        return 1
    except OSError as problem:
        return error(str(problem), 1)
    except KeyboardInterrupt:
        return error("interrupted", 130)
    except SystemExit as stop:
        if stop.code != TERMINATED:
            raise
        return error("terminated", TERMINATED)


def _prepare_process() -> None:
    """Set what speeds up a process that is ours alone."""
    # What is imported stays to the end: looking through it for garbage takes a tenth of the way to the first step.
    gc.set_threshold(*COLLECTED)
    # torch's threads wait for one another by spinning, which on a busy machine takes the very core that they wait for:
    # an epoch of 2 seconds then takes 10 to 120. Read when torch is imported; a short spin costs nothing otherwise.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN)


@contextmanager
def _warnings_as_notes() -> Iterator[None]:
    """Print what narrows warns of as notes, without the place in its source, while in here."""
    before = warnings.formatwarning

    def written(message: Warning | str, category: type[Warning], filename: str, *rest: Any, **more: Any) -> str:
        ours = issubclass(category, UserWarning) and Path(filename).is_relative_to(PACKAGE)
        return (
            f"note: {as_is(in_flags(str(message))).plain}\n"
            if ours
            else before(message, category, filename, *rest, **more)
        )

    warnings.formatwarning = written
    try:
        yield
    finally:
        warnings.formatwarning = before


@contextmanager
def _terminations() -> Iterator[None]:
    """Treat the signal that ends a process politely (kill, a batch system, a shutdown) like Ctrl-C, while in here."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if current_thread() is not main_thread():  # elsewhere there are no signals
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
