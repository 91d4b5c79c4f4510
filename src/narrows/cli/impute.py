"""`narrows impute`: a table with its missing values filled in."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from narrows.cli.arguments import RunName, Source, with_source
from narrows.cli.console import note, out
from narrows.cli.locate import run_of
from narrows.cli.use import OWN, TRACED
from narrows.errors import ConfigError


@with_source(
    data=OWN, data_option="", split="all. Or train, validation, test", force="",
    out=f"imputed.csv in the run; a .csv or .parquet file. {TRACED}",
)  # fmt: skip
def impute(
    run: RunName = None,
    /,
    *,
    draw: Annotated[
        bool, Parameter(help="Draw what is missing, as values vary, rather than take its mean or likeliest level.")
    ] = False,
    seed: Annotated[int, Parameter(help="Of the draws.")] = 0,
    source: Source,
) -> None:
    """Fill in the missing values of a table."""
    from dataclasses import replace

    from narrows.cli.samples import Written, feature_columns, samples_of, target, write_samples, write_table
    from narrows.estimators.imputation import missing_values

    chosen = run_of(run)
    path, written = target(chosen, source, "imputed.csv", (".csv", ".parquet")), Written(chosen.folder)
    dataset, model = source.dataset(chosen), chosen.load()
    schema = model.schema_
    if schema.kind != "table":
        raise ConfigError(f"impute: the run must be of a table; got one of {schema.kind}. Use denoise or reconstruct.")
    samples = samples_of(dataset, replace(source, split=source.split or "all"))
    filled = model.impute(samples.X, samples.y, seed=seed, samples=1 if draw else None)
    filled = filled[0] if draw else filled
    keys = samples.keys(dataset.label_names)
    if schema.types is None:
        columns, _ = feature_columns(filled, dataset.columns)
        write_samples(path, keys, columns, {})
    else:
        write_table(path, keys, filled)
    missing = missing_values(model, samples.X)
    most = sorted((name for name in missing if missing[name]), key=lambda name: -missing[name])[:5]
    where = ", ".join(f"{missing[name]:,} in {name}" for name in most)
    total = sum(missing.values())
    out().print(f"{total:,} values filled in, {samples.what}" + (f": {where}" if where else ""))
    if not total:
        note("nothing was missing")
    written.say(path)
