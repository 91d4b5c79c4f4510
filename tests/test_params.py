"""Fields: what they know, what they take, and what they say."""

import math

import numpy as np
import pytest
from sklearn.base import BaseEstimator

from narrows import AE, ESTIMATORS, PCA, VAE
from narrows.errors import ConfigError
from narrows.params import fields, model, param, validate


@model
class Toy(BaseEstimator):
    size: int = param(3, "How many.", low=1, high=9)
    share: float | None = param(0.5, "How much.", low=0, high=1, low_open=True, high_open=True)
    kind: str = param("red", "Which.", choices=("red", "green"))
    pair: tuple[float, float] = param((0.1, 0.9), "Two.", low=0)
    sizes: tuple[int, ...] | None = param(None, "Some.", low=1)
    flag: bool = param(False, "Whether.")


def test_what_a_field_knows():
    size, share, kind, *_ = fields(Toy)
    assert (size.name, size.default, size.help, size.low, size.high, size.annotation) == (
        "size",
        3,
        "How many.",
        1,
        9,
        int,
    )
    assert (share.low_open, share.high_open) == (True, True)
    assert kind.choices == ("red", "green")
    assert fields(Toy()) == fields(Toy)


@pytest.mark.parametrize(
    "values",
    [
        {"size": 1}, {"size": 9}, {"size": np.int64(2)}, {"share": None}, {"share": np.float32(0.25)}, {"share": 0.999},
        {"kind": "green"}, {"pair": [0, 5]}, {"pair": (np.float64(0.5), 1)}, {"sizes": ()}, {"sizes": (1, 2, 3)},
        {"sizes": [4]}, {"flag": True},
    ],
)  # fmt: skip
def test_what_fits(values):
    toy = Toy(**values)
    validate(toy)
    assert {name: getattr(toy, name) for name in values} == values  # as it was given


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 0}, r"Toy: size must be a whole number >= 1 and <= 9; got 0. \(How many.\)"),
        ({"size": 10}, "size must be .* got 10"),
        ({"sizes": (2**63,)}, "sizes must be .* got \\(9223372036854775808,\\)"),
        ({"size": 2**63}, "got 9223372036854775808. Whole numbers must have 64 bits"),
        ({"size": 10**5000}, "got a whole number of 16,610 bits. Whole numbers must have 64 bits"),
        ({"share": 10**400}, "share must be a number"),
        ({"kind": "r" * 5000}, "got 'r{199}\\.\\.\\."),
        ({"size": 0, "kind": "blue"}, r"got 0. \(How many.\) Toy: kind must be one of 'red', 'green'; got 'blue'"),
        ({"size": 2.0}, "size must be a whole number.*got 2.0"),
        ({"size": True}, "size must be .* got True"),
        ({"size": "2"}, "size must be .* got '2'"),
        ({"size": None}, "size must be .* got None"),
        ({"share": 0}, r"share must be a number > 0 and < 1 or None; got 0\."),
        ({"share": 1.0}, "share must be .* got 1.0"),
        ({"share": math.nan}, "share must be .* got nan"),
        ({"share": math.inf}, "share must be .* got inf"),
        ({"share": 10**400}, "share must be .* got 1000"),
        ({"share": 1j}, "share must be .* got 1j"),
        ({"kind": "gren"}, r"kind must be one of 'red', 'green'; got 'gren'. Did you mean 'green'\?"),
        ({"kind": 3}, "kind must be .* got 3"),
        ({"pair": (1,)}, r"pair must be a tuple of 2 numbers >= 0; got \(1,\)"),
        ({"pair": (1, -1)}, "pair must be"),
        ({"pair": 3}, "pair must be"),
        ({"sizes": (0,)}, r"sizes must be a tuple of whole numbers >= 1 or None; got \(0,\)"),
        ({"sizes": (1.5,)}, "sizes must be"),
        ({"sizes": 5}, "sizes must be"),
        ({"flag": 1}, "flag must be True or False; got 1"),
    ],
)
def test_what_does_not(values, message):
    with pytest.raises(ConfigError, match=message):
        validate(Toy(**values))


def test_validation_waits_for_fit(table):
    estimator = VAE(beta=-1)
    assert estimator.beta == -1
    with pytest.raises(ConfigError, match=r"VAE: beta must be a number >= 0; got -1"):
        estimator.fit(table)
    with pytest.raises(ConfigError, match="VAE: beta"):
        estimator.fit_iter(table)  # at once, not at the first step


@pytest.mark.parametrize("cls", ESTIMATORS.values())
def test_every_field_is_described_and_its_default_fits(cls):
    validate(cls())
    for field in fields(cls):
        assert field.help.endswith("."), field.name
        assert len(field.help) < 100, field.name
        assert field.constraint


@pytest.mark.parametrize(("cls", "size"), [(PCA, np.int64(2)), (AE, np.int32(2)), (VAE, np.int64(2))])
def test_numpys_numbers_are_numbers(cls, size, table, tmp_path):
    from narrows.estimators.loading import load_model

    estimator = cls(latent_dim=size).fit(table)
    assert estimator.transform(table).shape == (48, 2)
    assert load_model(estimator.save(tmp_path)).latent_dim == 2


def test_fields_are_keywords_alone():
    with pytest.raises(TypeError):
        PCA(2)
    with pytest.raises(TypeError, match="lattent_dim"):
        PCA(lattent_dim=2)
