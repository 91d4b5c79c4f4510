"""Decimals of columns: what is drawn and filled in has as many as what was given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import narrows
from narrows.data.decimals import decimals_of, rounded
from narrows.data.schema import Schema

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("values", "decimals"),
    [
        (np.array([1.0, 2.0, np.nan]), 0),
        (np.round(RNG.uniform(0, 1e5, 2000), 2), 2),
        (np.append(np.ones(5000), 0.125), 3),  # one value says it
        (RNG.normal(size=50), None),
        (np.full(3, np.nan), None),
    ],
)
def test_the_least_number_of_decimals(values, decimals):
    assert decimals_of(values) == decimals


def test_single_precision_has_fewer_digits():
    values = np.round(RNG.uniform(0, 50, 200), 2).astype(np.float32)
    assert decimals_of(values) is None
    assert decimals_of(values, single=True) == 2
    assert decimals_of(RNG.normal(size=200).astype(np.float32), single=True) is None


def test_rows_are_rounded_column_by_column():
    X = np.array([[1.237, 1.237]])
    assert rounded(X, (2, None)).tolist() == [[1.24, 1.237]]
    assert rounded(X, None) is X


def prices(n: int = 60) -> pd.DataFrame:
    size = RNG.normal(size=n)
    price = np.round(np.exp(0.8 * size + 0.1 * RNG.normal(size=n)), 2).clip(0.01)
    return pd.DataFrame({"price": price, "length": np.round(3 * size, 1), "real": size + 0.2 * RNG.normal(size=n)})


def shares(values: pd.Series, decimals: int) -> float:
    return float((values.round(decimals) == values).mean())


@pytest.mark.parametrize("typed", [False, True])
def test_drawn_and_filled_in_values_have_the_decimals_of_training(typed):
    frame = prices()
    if typed:
        frame["shop"] = np.where(RNG.random(len(frame)) < 0.5, "a", "b")
    model = narrows.VAE(latent_dim=2, epochs=2, seed=0).fit(frame)
    holes = frame.mask(pd.DataFrame(RNG.random(frame.shape) < 0.3, columns=frame.columns))
    filled = model.impute(holes, importance_samples=20)
    drawn = model.impute(holes, samples=1, importance_samples=20)[0]
    given = model.conditional({"length": 1.5}, n=20, importance_samples=400)
    for made in (model.sample(50, seed=0), filled, drawn, given):
        assert shares(made["price"], 2) == shares(made["length"], 1) == 1
        assert shares(made["real"], 4) < 0.9
    assert (given["length"] == 1.5).all()
    if typed:
        assert (model.sample(200, seed=1)["price"] > 0).all()  # a price of 0 has no logarithm
    again = model.reconstruct(frame)
    assert shares(again["length"], 1) < 0.5  # a mean is not rounded


def test_arrays_are_left_as_they_are():
    X = prices()[["price", "length"]].to_numpy()
    model = narrows.PCA(latent_dim=1).fit(X)
    assert model.schema_.decimals is None
    holes = X.copy()
    holes[0, 1] = np.nan
    assert decimals_of(model.impute(holes)[:1, 1]) is None


def test_decimals_are_saved():
    schema = Schema.of(prices().to_numpy(), columns=["price", "length", "real"])
    assert schema.decimals == (2, 1, None)
    assert Schema.from_record(schema.record(), schema.tensors()).decimals == (2, 1, None)
