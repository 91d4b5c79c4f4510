"""Commands that use the model of a run: `narrows encode`, `reconstruct` and `sample`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from narrows.cli.arguments import RunName, Source, with_source
from narrows.cli.console import out
from narrows.cli.locate import run_of
from narrows.errors import ConfigError
from narrows.numbers import number

OWN = "the run's own"
SPLIT = "test; of another file all, in its order. all takes every split"
SHOWN = 20
"""At most so many samples that were asked for by --index are drawn."""


@with_source(data=OWN, data_option="", split=SPLIT, out="codes.npy in the run; a .npy or .csv file")
def encode(run: RunName = None, /, *, source: Source) -> None:
    """Write the codes of samples to a file."""
    from narrows.cli.samples import samples_of, target, write_array, write_codes

    chosen = run_of(run)
    path = target(chosen, source.out, "codes.npy", (".npy", ".csv"))
    dataset = source.dataset(chosen)
    split, X, y = samples_of(dataset, source)
    Z = chosen.load().transform(X, y)
    if path.suffix == ".npy":
        write_array(path, Z)
    else:
        write_codes(path, Z, y, dataset.label_names)
    shape = "x".join(map(str, Z.shape[1:]))
    _say(f"{len(Z):,} codes of latent dimension {shape} ({split} samples)", path)


@with_source(
    data=OWN, data_option="", split=SPLIT, out="reconstructed.png in the run; .png for a picture, .npy for all values"
)
def reconstruct(
    run: RunName = None,
    /,
    *,
    index: Annotated[str | None, Parameter(help="Only these samples, such as 7 or 0,3,5.")] = None,
    source: Source,
) -> None:
    """Reconstruct samples from their codes."""
    from narrows import figures
    from narrows.cli.samples import samples_of, target, write_array
    from narrows.evaluation import squared_error
    from narrows.storage.atomic import write_png

    chosen = run_of(run)
    path = target(chosen, source.out, "reconstructed.png", (".png", ".npy"))
    split, X, y = samples_of(source.dataset(chosen), source, index)
    model = chosen.load()
    X_hat = model.reconstruct(X, y=y)
    if path.suffix == ".npy":
        write_array(path, X_hat)
    else:
        n = figures.room(X.shape[1:]) if index is None else SHOWN
        write_png(path, figures.compare({"original": X[:n], "reconstruction": X_hat[:n]}))
    error = float(squared_error(model, X, y).mean())
    _say(f"squared error {number(error)} per sample, {len(X):,} {split} samples", path)


@with_source(data=f"{OWN}, which a --sampler is fitted to", data_option="", out="sampled.png in the run; .png or .npy")
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
    source: Source,
) -> None:
    """Draw new samples from a model."""
    from narrows import figures
    from narrows.cli.samples import target, write_array
    from narrows.storage.atomic import write_png

    chosen = run_of(run)
    path = target(chosen, source.out, "sampled.png", (".png", ".npy"))
    if seed < 0:
        raise ConfigError(f"sample: seed must be a whole number >= 0; got {seed}.")
    model = chosen.load()
    # Models saved without codes learn how they are spread from data.
    fits = sampler != "prior" and (model.codes_ is None or source.data is not None)
    X = model.sample(n, seed, sampler, X=source.dataset(chosen).train if fits else None)
    if path.suffix == ".npy":
        write_array(path, X)
    else:
        write_png(path, figures.gallery(X))
    _say(f"{n:,} samples, seed {seed}" + ("" if sampler == "prior" else f", codes by {sampler}"), path)


def _say(what: str, path: Path) -> None:
    out().print(what)
    out().print(str(path), soft_wrap=True)
