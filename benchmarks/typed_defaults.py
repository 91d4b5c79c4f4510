"""Default fits of tables of typed columns, held out: squared errors beside PCA's, nats beside simpler models of rows.

python benchmarks/typed_defaults.py                      every table, three seeds: some ten minutes on two cores
python benchmarks/typed_defaults.py --only iris,wine     some of them

A line per table and seed: the squared error of AE and VAE over that of PCA with a code of the same size (see
`narrows.evaluation.squared_error`), and by how many nats a held-out row is more probable to VAE than to independent
columns and to a Gaussian copula (`copula_likelihood.py`): its start at PCA, and as trained. 70% of the rows are for
training. Bounds of VAE are importance-weighted with 200 draws, as many as the copula's simulator has. NARROWS_DATA is
the folder that holds the tables that scikit-learn does not come with.
"""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn.datasets
from copula_likelihood import DRAWS, log_likelihoods

import narrows
from narrows.data.types import UnseenLevelWarning
from narrows.evaluation import log_likelihood, pca_baseline, squared_error

ROWS = 2000
"""Held-out rows at most."""


def _file(name: str, **options: object) -> pd.DataFrame:
    return pd.read_csv(Path(os.environ["NARROWS_DATA"], "tables", name), na_values="?", **options)  # type: ignore[call-overload]


def _adult() -> pd.DataFrame:
    return _file("adult-train.csv.gz", skipinitialspace=True).sample(6000, random_state=0, ignore_index=True)


def _labelled(load: Callable[..., sklearn.utils.Bunch], name: str = "") -> pd.DataFrame:
    data = load(as_frame=True)
    frame = data.data.copy()
    if name:  # a column of numbers that is one of text
        return frame.assign(**{name: np.where(frame[name] > 0, "b", "a")})
    return frame.assign(label=np.asarray(data.target_names)[data.target])


TABLES: dict[str, Callable[[], pd.DataFrame]] = {
    "adult": _adult,
    "abalone": lambda: _file("abalone.csv"),
    "iris": lambda: _labelled(sklearn.datasets.load_iris),
    "diabetes": lambda: _labelled(sklearn.datasets.load_diabetes, "sex"),
    "breast cancer": lambda: _labelled(sklearn.datasets.load_breast_cancer),
    "wine": lambda: _labelled(sklearn.datasets.load_wine),
    "horse-colic": lambda: _file("horse-colic.csv").assign(surgery=lambda f: f.surgery.map({1: "yes", 2: "no"})),
}


def measured(frame: pd.DataFrame, seed: int) -> dict[str, float]:
    """Return the measures of one split."""
    order = np.random.default_rng(seed).permutation(len(frame))
    cut = round(0.7 * len(frame))
    train, test = (frame.iloc[rows].reset_index(drop=True) for rows in (order[:cut], order[cut : cut + ROWS]))
    found = {}
    ae, vae = narrows.AE(seed=seed).fit(train), narrows.VAE(seed=seed).fit(train)
    for name, model in (("AE error / PCA", ae), ("VAE error / PCA", vae)):
        found[name] = squared_error(model, test).mean() / pca_baseline(model, train).squared_error(test).mean()
    start = narrows.VAE(seed=seed, epochs=1, learning_rate=1e-12).fit(train)
    nats = {name: log_likelihood(model, test, samples=DRAWS) for name, model in (("start", start), ("VAE", vae))}
    plain = log_likelihoods(vae.schema_, train, vae.arrays(train), vae.arrays(test), seed)
    independent = plain.pop("independent columns")
    for name, values in {**plain, **nats}.items():
        found[f"{name} - independent"] = float((values - independent).mean())
    return found


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="tables, with commas between")
    parser.add_argument("--seeds", type=int, default=3, help="0, 1 and so on (default 3)")
    asked = parser.parse_args()
    warnings.simplefilter("ignore", UnseenLevelWarning)
    for name in asked.only.split(",") if asked.only else TABLES:
        frame = TABLES[name]()
        for seed in range(asked.seeds):
            values = measured(frame, seed)
            print(f"{name} {seed}: " + ", ".join(f"{key} {value:.2f}" for key, value in values.items()), flush=True)


if __name__ == "__main__":
    main()
