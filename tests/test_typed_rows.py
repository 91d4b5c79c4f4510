"""Rows of typed columns: drawn, with some columns given, filled in, and unlike all others."""

import re

import numpy as np
import pandas as pd
import pytest

import narrows
from narrows.data.schema import Schema
from narrows.data.types_gaps import drawn_gaps, patterns_of
from narrows.errors import ConfigError
from narrows.evaluation import anomaly_scores


def dependent(n=400, seed=0):
    """Return rows in which everything follows a hidden number; city and pulse are missing together."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    frame = pd.DataFrame(
        {
            "size": z * 10 + 170 + rng.normal(size=n),
            "city": np.where(z + 0.2 * rng.normal(size=n) > 0, "Köln", "Ulm"),
            "pulse": np.exp(0.5 * z + 0.1 * rng.normal(size=n) + 4),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.rint(100 * z + 400), unit="D"),
        }
    )
    frame.loc[rng.random(n) < 0.3, ["city", "pulse"]] = np.nan
    frame.loc[rng.random(n) < 0.1, "size"] = np.nan
    return frame


@pytest.fixture(scope="module")
def of_dependent():
    frame = dependent()
    return frame, narrows.VAE(latent_dim=1, epochs=8, network="residual:16", learning_rate=5e-3).fit(frame)


def test_drawn_rows_lack_what_training_rows_lack_together(of_dependent):
    frame, vae = of_dependent
    drawn = vae.sample(2000, seed=0).isna()
    assert (drawn.city == drawn.pulse).all()
    np.testing.assert_allclose(drawn.mean(), frame.isna().mean(), atol=0.03)
    assert vae.schema_.gaps == Schema.from_record(vae.schema_.record(), {}).gaps
    assert sum(count for count, *_ in vae.schema_.gaps) == len(frame)


def test_patterns_of_many_are_some_rows():
    missing = np.random.default_rng(0).random((5000, 30)) < 0.3
    patterns = patterns_of(missing)
    assert len(patterns) == 1000
    drawn = drawn_gaps(patterns, 4000, 30, np.random.default_rng(1))
    np.testing.assert_allclose(drawn.mean(0), missing.mean(0), atol=0.06)
    assert not drawn_gaps(patterns_of(missing & False), 3, 30, np.random.default_rng(1)).any()


def test_rows_with_some_columns_given(of_dependent):
    frame, vae = of_dependent
    tall = vae.conditional({"city": "Köln"}, n=300)
    assert list(tall) == list(frame)
    assert (dict(tall.dtypes), set(tall.city)) == (dict(frame.dtypes), {"Köln"})
    assert not tall.isna().any().any()
    small = vae.conditional({"city": "Ulm"}, n=300)
    drawn = vae.sample(8000, seed=1)  # of which those of a city have the same distribution
    for rows, city in ((tall, "Köln"), (small, "Ulm")):
        expected = drawn["size"][drawn.city == city]
        assert rows["size"].mean() == pytest.approx(expected.mean(), abs=5 * expected.std() / 300**0.5)
        assert rows["size"].std() == pytest.approx(expected.std(), rel=0.2)
    when = pd.Timestamp("2021-06-01")
    late = vae.conditional({"since": when, "size": 175}, n=50)
    assert set(late.since) == {when}
    assert set(late["size"]) == {175.0}
    pd.testing.assert_frame_equal(late, vae.conditional({"since": "2021-06-01", "size": 175.0}, n=50))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"town": "Köln"}, "given must have columns that the model takes: size, city, pulse, since; got 'town'"),
        ({"city": "Kölln"}, "given must hold a value among 'Köln', 'Ulm' for 'city'; got 'Kölln'. Did you mean 'Köln'"),
        ({"size": "tall"}, "given must hold numbers for 'size'; got 'tall'"),
        ({"size": np.inf}, "given must hold finite numbers; got inf for column 'size'"),
        ({"pulse": -1}, "given must hold a value that its likelihood has for 'pulse'; got -1"),
        ({"since": "soon"}, "given must hold times for 'since'; got 'soon'"),
    ],
)
def test_what_cannot_be_given_is_named(of_dependent, given, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        of_dependent[1].conditional(given, n=2)


def test_values_are_filled_in_by_the_others(of_dependent):
    _, vae = of_dependent
    truth = dependent(seed=1).dropna()
    holes = truth.assign(city=pd.Series([None] * len(truth), dtype=truth.city.dtype, index=truth.index), pulse=np.nan)
    filled = vae.impute(holes)
    assert (filled.city == truth.city).mean() > 0.85
    assert np.corrcoef(np.log(filled.pulse), np.log(truth.pulse))[0, 1] > 0.9
    pd.testing.assert_series_equal(filled["size"], truth["size"])
    drawn = vae.impute(holes[:40], samples=50)
    assert len(drawn) == 50
    spread = np.std([np.log(each.pulse) for each in drawn], axis=0)
    assert 0.03 < spread.mean() < 0.4  # 0.1 of noise, and what the code leaves open
    assert all(each.since.equals(truth.since[:40]) for each in drawn)


@pytest.mark.parametrize("by", ["nearest", "score", "reconstruction"])
def test_what_is_unlike_all_others_is_an_anomaly(of_dependent, by):
    frame, vae = of_dependent
    odd = dependent(seed=2).dropna()[:100]
    odd.loc[odd.index[:10], "size"] = 340 - odd["size"][:10]  # short rows in the city of tall ones
    odd.loc[odd.index[:10], "pulse"] *= 4
    found = anomaly_scores(vae, odd, by=by, X_train=frame)
    assert found[:10].mean() < found[10:].mean() - found[10:].std()
    holes = odd.mask(np.random.default_rng(0).random(odd.shape) < 0.3)
    assert np.isfinite(anomaly_scores(vae, holes, by=by, X_train=frame)).all()
