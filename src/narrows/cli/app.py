"""The command line.

__init__.py   the commands and their flags, and what becomes of errors; imports nothing heavy, so that help is instant
training.py   train: flags from the fields of the models, the TOML file; resume
progress.py   the bar on a terminal, plain lines elsewhere
finding.py    which run is meant
showing.py    runs, show, data, and the table at the end of training
using.py      encode, reconstruct, sample
stepping.py   the steps that recipes share: a command each, its flags from the step's fields
judging.py    evaluate, diagnose, compare
published.py  recipes, recipe
sweeping.py   sweep
output.py     consoles and numbers
"""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType
from typing import Annotated

from cyclopts import App, CycloptsError, Group, Parameter

from narrows import __version__
from narrows.cli.console import error, out
from narrows.cli.train import placeholder
from narrows.errors import NarrowsError

__all__ = ["main"]

RunName = Annotated[str | None, Parameter(help="Its folder, or its name under runs/; the latest if left out.")]
Data = Annotated[str | None, Parameter(help="Another data set, by name or path; the run's own if left out.")]
DataOption = Annotated[
    list[str] | None,
    Parameter(
        name=["--data-option"], help="Such as limit=500 or label=species; may be repeated.", negative=(), n_tokens=1
    ),
]
Part = Annotated[
    str | None,
    Parameter(help="train, validation, test or all. Default: test; all for another file, in the file's order."),
]

Samples = Annotated[int, Parameter(help="Draws for the bound on the likelihood.")]

COLLECTED = (50_000, 20, 50)
"""Objects made until Python looks for garbage among the new, and how often until among the older."""

STEPS: dict[str, str] = {
    "denoise": "Corrupt samples, clean them, and compare.",
    "map": "Lay the codes out in the plane, coloured by label, with thumbnails of images.",
    "recognise": "Recognise samples by the nearest of a few labelled codes, beside PCA's codes and the raw values.",
    "regenerate": "Draw samples here and, from the saved model, in a new process, and compare them.",
    "scan": "Draw a plane of two numbers of the code as one picture.",
    "traverse": "Change one number of the code after the other, and draw what becomes of a sample.",
    "interpolate": "Go from one sample to another in small steps of the code, straight and around the centre.",
    "combine": "Add and subtract the codes of samples, and draw what comes out.",
    "cloud": "Draw points of a plane, what is recovered of them, and the axes of a linear model.",
    "codes": "Draw points in space, the plane of a code of two numbers, and the codes.",
    "components": "Draw what each number of the code adds to the mean sample: of PCA its axes, such as eigenfaces.",
    "ranks": "Rebuild samples from more and more numbers of an ordered code.",
    "features": "Draw what the most used units of the code look for in an image.",
    "gallery": "Draw samples as they are, of one class or all.",
    "epochs": "Draw how the same samples were rebuilt as training went on.",
}
"""Command -> what it does, as its class says in its first line: so that help need not import the steps."""

TRAIN, LOOK, USE = Group("Train", sort_key=1), Group("Look", sort_key=2), Group("Use", sort_key=3)
EXPLORE, JUDGE = Group("Explore", sort_key=4), Group("Judge", sort_key=5)
RECIPE = "Run a published system, and hold it against its number."
SWEEP = "Train a model with every combination of some settings, several times, into one table."
TERMINATED = 128 + signal.SIGTERM
"""The exit code of a process that was told to end."""


def resume(
    run: RunName = None,
    /,
    *,
    force: Annotated[bool, Parameter(help="Go on though the data have changed since.", negative=())] = False,
) -> int | None:
    """Go on with a run that was interrupted, as if it had not been."""
    from narrows.cli.train import go_on

    return go_on(run, force)


def runs(folder: Annotated[str, Parameter(help="Where runs lie.")] = "runs", /) -> None:
    """List the runs."""
    from narrows.cli.app import showing

    showing.runs(folder)


def show(run: RunName = None, /) -> None:
    """Show a run: settings, results, pictures."""
    from narrows.cli.app import showing

    showing.show(run)


def data(
    name: Annotated[str | None, Parameter(help="A data set or file to look into; the list if left out.")] = None,
    /,
    *,
    data_option: DataOption = None,
) -> None:
    """List the data sets, or look into one."""
    from narrows.cli.app import showing

    showing.data(name, data_option or [])


def encode(
    run: RunName = None,
    /,
    *,
    out: Annotated[str | None, Parameter(help="A .npy or .csv file. Default: codes.npy in the run.")] = None,
    data: Data = None,
    data_option: DataOption = None,
    part: Part = None,
) -> None:
    """Write the codes of samples to a file."""
    from narrows.cli.app import using

    using.encode(run, out, data, data_option or [], part)


def reconstruct(
    run: RunName = None,
    /,
    *,
    out: Annotated[
        str | None,
        Parameter(help="A .png file for a picture, .npy for all numbers. Default: reconstructed.png in the run."),
    ] = None,
    index: Annotated[str | None, Parameter(help="Only these samples, such as 7 or 0,3,5.")] = None,
    data: Data = None,
    data_option: DataOption = None,
    part: Part = None,
) -> None:
    """Rebuild samples from their codes."""
    from narrows.cli.app import using

    using.reconstruct(run, out, index, data, data_option or [], part)


def sample(
    run: RunName = None,
    /,
    *,
    n: Annotated[int, Parameter(name=["--number", "-n"], help="How many.")] = 64,
    seed: Annotated[int, Parameter(help="The same seed draws the same samples.")] = 0,
    sampler: Annotated[
        str,
        Parameter(
            help="Where codes come from: prior, the model's own; gmm, gaussian, kde or flow, fitted to the codes of "
            "training samples, for any model."
        ),
    ] = "prior",
    out: Annotated[str | None, Parameter(help="A .png or .npy file. Default: sampled.png in the run.")] = None,
) -> None:
    """Draw new samples from a model."""
    from narrows.cli.app import using

    using.sample(run, n, seed, sampler, out)


def evaluate(
    run: RunName = None,
    /,
    *,
    samples: Samples = 100,
    features: Annotated[
        str | None,
        Parameter(
            help="Also judge generated samples, by pixels, classifier (trained on the run's data once), or a "
            ".safetensors file of Inception's weights."
        ),
    ] = None,
    out: Annotated[str | None, Parameter(help="A .json file. Default: evaluation.json in the run.")] = None,
) -> None:
    """Measure a run on test samples, beside PCA."""
    from narrows.cli.app import judging

    judging.evaluate(run, samples, features, out)


def diagnose(run: RunName = None, /) -> None:
    """Say what went wrong in a run, and what to try."""
    from narrows.cli.app import judging

    judging.diagnosed(run)


def compare(
    *names: Annotated[str, Parameter(help="Runs, recipes, and models such as ae or vae.")],
    data: Annotated[
        str | None, Parameter(help="By name or path; if left out that of the first run, or of the recipes.")
    ] = None,
    data_option: DataOption = None,
    seeds: Annotated[int, Parameter(help="How often to train each model.")] = 3,
    samples: Samples = 100,
    out: Annotated[str, Parameter(help="Folder for the report and the tables.")] = "comparison",
) -> None:
    """Compare runs, recipes and models in one table and a report; PCA is always there."""
    from narrows.cli.app import judging

    judging.compare(names, data, data_option or [], seeds, samples, out)


def recipes() -> None:
    """List the recipes: published systems, each with the number that it must reach."""
    from narrows.cli.recipes import listed

    listed()


def version() -> None:
    """Print the version."""
    out().print(f"narrows {__version__}")


def application(tokens: Sequence[str]) -> App:
    """Return the commands; what `train` takes is found out, from the models, only when it is asked for."""
    app = App(
        name="narrows",
        help="Compact representations of images, sequences and tables: from PCA to the variational autoencoder.",
        help_epilogue="Start with `narrows train vae`; then `narrows show`.",
        version=__version__,
        version_flags=["--version"],
        help_format="plaintext",
    )
    app["--help"].group = app["--version"].group = Group("Options", sort_key=9)
    if tokens and tokens[0] == "train":
        from narrows.cli.train import application as train

        training = train(tokens[1:])
    else:
        training = placeholder("train")
    training.group = TRAIN
    app.command(training)
    recipe = placeholder("recipe", RECIPE)
    if tokens and tokens[0] == "recipe":
        from narrows.cli.recipes import application as recipe_of

        recipe = recipe_of(tokens[1:], RECIPE)
    recipe.group = TRAIN
    app.command(recipe)
    sweep = placeholder("sweep", SWEEP)
    if tokens and tokens[0] == "sweep":
        from narrows.cli.sweep import application as sweep_of

        sweep = sweep_of(tokens[1:], SWEEP)
    sweep.group = TRAIN
    app.command(sweep)
    app.command(recipes, group=LOOK)
    app.command(resume, group=TRAIN)
    for command in (runs, show, data):
        app.command(command, group=LOOK)
    for command in (encode, reconstruct, sample):
        app.command(command, group=USE)
    for name, about in STEPS.items():
        if tokens and tokens[0] == name:
            from narrows.cli.analyses import application as step

            command = step(name, about)
        else:
            command = placeholder(name, about)
        command.group = USE if name == "denoise" else EXPLORE
        app.command(command)
    for command in (evaluate, diagnose, compare):
        app.command(command, group=JUDGE)
    app.command(version, group=LOOK)
    return app


def main(tokens: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code.

    0, 1 for a file not written, 2 for a mistake, 130 for Ctrl-C, 143 for SIGTERM.
    """
    # What is imported stays to the end: looking through it for garbage takes a tenth of the way to the first step.
    gc.set_threshold(*COLLECTED)
    tokens = list(sys.argv[1:] if tokens is None else tokens)
    try:
        with _terminations():
            app = application(tokens)
            command, bound, _ = app.parse_args(tokens, exit_on_error=False, print_error=False, verbose=False)
            return command(*bound.args, **bound.kwargs) or 0
    except CycloptsError as problem:
        return error(str(problem), 2)
    except NarrowsError as problem:
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
