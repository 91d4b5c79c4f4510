"""Commands that use the model of a run: `narrows score`, `anomalies`, `reconstruct` and `sample`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from narrows.cli.arguments import RunName, Source, with_source
from narrows.cli.console import out
from narrows.cli.locate import run_of
from narrows.errors import ConfigError
from narrows.numbers import number

if TYPE_CHECKING:
    from narrows.runs import Run

OWN = "the run's own"
SPLIT = "test; of another file all, in its order. all takes every split"
By = Annotated[
    str,
    Parameter(
        help="score: the model's own, in nats; reconstruction; elbo; nearest, the distance from a few random training "
        "samples; latent:gaussian, latent:gmm, latent:kde, densities of the codes; or auto: nearest for tables, score "
        "for others."
    ),
]
SHOWN = 20
"""At most so many samples that were asked for by --index are drawn."""
TRACED = (
    "Its rows are numbered; a file name or id, where there is one, stands beside, with .npy in a second file, "
    "NAME.keys.csv"
)


@with_source(
    data=OWN, data_option="", split=SPLIT, force="",
    out=f"scores.csv in the run; a .csv, .parquet, .npz or .npy file. {TRACED}",
)  # fmt: skip
def score(run: RunName = None, /, *, by: By = "score", source: Source) -> None:
    """Score samples, higher is more normal; `narrows anomalies` says which are not."""
    from narrows.cli import scores
    from narrows.cli.samples import Written, samples_of, target, write_samples
    from narrows.evaluation.anomaly import UNFITTED

    chosen = run_of(run)
    path, written = target(chosen, source, "scores.csv"), Written(chosen.folder)
    dataset, model = source.dataset(chosen), chosen.load()
    samples = samples_of(dataset, source)
    own = dataset if source.data is None else scores.own_data_of(chosen) if by not in UNFITTED else None
    found = scores.scores_of(model, samples, dataset.columns, own, by)
    columns = found.columns()
    files = write_samples(path, samples.keys(dataset.label_names), columns, columns)
    scores.print_scores(samples, found)
    written.say(*files)


@with_source(
    data=OWN, data_option="", split=SPLIT, force="",
    out=f"anomalies.csv in the run, least normal first; a .csv, .parquet, .npz or .npy file. {TRACED}",
)  # fmt: skip
def anomalies(
    run: RunName = None,
    /,
    *,
    rate: Annotated[
        float, Parameter(help="An anomaly scores lower than this share of the run's held-out samples.")
    ] = 0.01,
    by: By = "auto",
    picture: Annotated[
        str | None, Parameter(help="Also draw the least normal samples and their reconstructions: a .png file.")
    ] = None,
    source: Source,
) -> None:
    """Find the samples that fit least, and the columns that make them so."""
    from narrows.cli import scores
    from narrows.cli.samples import Written, samples_of, target, write_samples

    if not 0 <= rate < 1:
        raise ConfigError(f"anomalies: --rate must be a share >= 0 and < 1; got {rate!r}. 0.01 is one in a hundred.")
    if picture is not None and Path(picture).suffix.lower() != ".png":
        raise ConfigError(f"anomalies: --picture must end in .png; got {picture!r}.")
    chosen = run_of(run)
    path, written = target(chosen, source, "anomalies.csv"), Written(chosen.folder)
    dataset, model = source.dataset(chosen), chosen.load()
    samples = samples_of(dataset, source)
    own = dataset if source.data is None else scores.own_data_of(chosen)
    found, words = scores.anomalies_of(model, samples, own, by, rate)
    keys = {name: values[found.rows] for name, values in samples.keys(dataset.label_names).items()}
    columns = scores.anomaly_columns(found)
    files = write_samples(path, keys, columns, columns)
    scores.print_anomalies(model, samples, found, words)
    written.say(*files)
    if picture is not None:
        scores.draw_worst(Path(picture), model, samples, found.scores, written)


@with_source(
    data=OWN, data_option="", split=SPLIT, force="",
    out="reconstructed.png in the run; .png for a picture, .csv, .parquet, .npz or .npy for all values, in the units "
    f"of the data. {TRACED}",
)  # fmt: skip
def reconstruct(
    run: RunName = None,
    /,
    *,
    index: Annotated[str | None, Parameter(help="Only these samples, such as 7 or 0,3,5.")] = None,
    source: Source,
) -> None:
    """Reconstruct samples from their codes."""
    from narrows import figures
    from narrows.cli.samples import Written, feature_columns, samples_of, target, write_samples, write_table
    from narrows.data.axes import returned
    from narrows.evaluation import squared_error
    from narrows.storage.atomic import write_png
    from narrows.storage.columns import ENDINGS

    chosen = run_of(run)
    path = target(chosen, source, "reconstructed.png", (".png", *ENDINGS))
    written, dataset = Written(chosen.folder), source.dataset(chosen)
    samples = samples_of(dataset, source, index)
    X, y = samples.X, samples.y
    model = chosen.load()
    X_hat = model.reconstruct(X, y=y)
    files = [path]
    if model.schema_.types is not None:
        files = [_of_table(path, source, "reconstructed.csv", chosen)]
        write_table(files[0], samples.keys(dataset.label_names), X_hat)
    elif path.suffix.lower() == ".png":
        n = figures.room(X.shape[1:]) if index is None else SHOWN
        write_png(path, figures.compare({"original": X[:n], "reconstruction": X_hat[:n]}))
    else:
        columns, steps = feature_columns(X_hat, dataset.columns)
        as_given = returned(X_hat, dataset.axes)
        files = write_samples(path, samples.keys(dataset.label_names), columns, {"reconstruction": as_given}, steps)
    error = float(squared_error(model, X, y).mean())
    out().print(f"squared error {number(error)} per sample, {samples.what}")
    written.say(*files)


@with_source(
    data=f"{OWN}, which a --sampler is fitted to", data_option="", force="",
    out="sampled.png in the run; .png for a picture, .csv, .parquet, .npz or .npy for all values",
)  # fmt: skip
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
    from narrows.cli.samples import Written, feature_columns, target, write_samples, write_table
    from narrows.data import RowIds
    from narrows.storage.atomic import write_png
    from narrows.storage.columns import ENDINGS

    chosen = run_of(run)
    path, written = target(chosen, source, "sampled.png", (".png", *ENDINGS)), Written(chosen.folder)
    if seed < 0:
        raise ConfigError(f"sample: seed must be a whole number >= 0; got {seed}.")
    model = chosen.load()
    # Models saved without codes learn how they are spread from data.
    fits = sampler != "prior" and (model.codes_ is None or source.data is not None)
    X = model.sample(n, seed, sampler, X=source.dataset(chosen).train if fits else None)
    if model.schema_.types is not None:
        path = _of_table(path, source, "sampled.csv", chosen)
        write_table(path, {"row": RowIds.numbered(len(X)).rows}, X)
    elif path.suffix.lower() == ".png":
        write_png(path, figures.gallery(X))
    else:
        columns, steps = feature_columns(X, model.schema_.columns)
        write_samples(path, {"row": RowIds.numbered(len(X)).rows}, columns, {"samples": X}, steps)
    out().print(f"{n:,} samples, seed {seed}" + ("" if sampler == "prior" else f", codes by {sampler}"))
    written.say(path)


def _of_table(path: Path, source: Source, default: str, run: Run) -> Path:
    """Return the file for rows of a table of typed columns, which are no picture; .csv where nothing else is said."""
    if source.out is None:
        return run.folder / default
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise ConfigError(f"--out must end in .csv or .parquet for a table with text or times; got {str(path)!r}.")
    return path
