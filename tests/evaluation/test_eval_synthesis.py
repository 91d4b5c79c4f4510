"""Drawn rows beside real ones: every measure against scipy, a closed form or a known case, and the baselines."""

import datetime
import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.stats import ks_2samp, norm, spearmanr

import narrows
from narrows import load_dataset
from narrows.cli.app import main
from narrows.errors import ConfigError, DataError
from narrows.evaluation import measure_synthesis, picture_synthesis
from narrows.evaluation.synthesis import (
    BASELINES,
    GaussianCopula,
    baseline_rows,
    closest_distances,
    column_distance,
    columns_of,
    correlation_ratio,
    independent_rows,
    pair_distances,
    predictions,
    rank_correlation,
    share_nearer,
    share_of_copies,
    taken,
    total_variation,
    validity,
)
from narrows.runs import record

KINDS = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}


def people(n, seed=0):
    """Rows whose columns say much of each other: dates, numbers with holes, whole numbers, categories and booleans."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, n)
    income = np.exp(rng.normal(size=n) * 0.3 + age / 30)
    return {
        "age": age.tolist(),
        "income": [None if gone else float(v) for v, gone in zip(income, rng.random(n) < 0.2, strict=True)],
        "job": [("none", "clerk", "doctor")[int(v)] for v in np.clip(income - 2, 0, 2)],
        "married": (rng.random(n) < age / 80).tolist(),
        "since": [datetime.date(2000, 1, 1) + datetime.timedelta(days=int(30 * a)) for a in age],
    }


# Distances ------------------------------------------------------------------------------------------------------------


def test_numbers_differ_by_the_statistic_of_kolmogorov_and_smirnov():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(300, 1)).round(1), (rng.normal(size=(200, 1)) * 1.5 + 0.3).round(1)  # with ties
    (column,) = columns_of(a, b)
    assert column_distance(column) == pytest.approx(ks_2samp(a[:, 0], b[:, 0]).statistic, abs=1e-12)


def test_missing_numbers_count_as_a_value_below_all():
    a, b = np.array([[1.0], [2.0], [np.nan], [np.nan]]), np.array([[1.0], [2.0], [1.0], [2.0]])
    assert column_distance(columns_of(a, b)[0]) == 0.5
    assert column_distance(columns_of(a, a)[0]) == 0


def test_categories_differ_by_total_variation():
    a, b = pl.DataFrame({"c": ["x", "x", "y", None]}), pl.DataFrame({"c": ["x", "y", "y", "z"]})
    assert column_distance(columns_of(a, b)[0]) == pytest.approx((0.25 + 0.25 + 0.25 + 0.25) / 2)
    assert total_variation(np.array([0, 1]), np.array([2, 3])) == 1


def test_ranks_correlate_as_spearman_has_it():
    rng = np.random.default_rng(1)
    a = rng.integers(0, 9, 200).astype(float)
    b = a + rng.integers(0, 9, 200)
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)
    holes = np.where(rng.random(200) < 0.3, np.nan, b)
    assert rank_correlation(a, holes) == pytest.approx(spearmanr(a, holes, nan_policy="omit").statistic, abs=1e-12)
    assert rank_correlation(a, np.ones(200)) == 0


def test_the_correlation_ratio_is_the_share_between_groups():
    # Ranks 1, 2, 3, 4 in two groups: 2.5 +- 1 of a variance of 1.25.
    assert correlation_ratio(np.array([1.0, 2, 7, 9]), np.array([0, 0, 1, 1])) == pytest.approx(np.sqrt(1 / 1.25))
    assert correlation_ratio(np.array([1.0, 2, 1, 2]), np.array([0, 0, 1, 1])) == 0
    assert correlation_ratio(np.array([5.0, 5, 5]), np.array([0, 1, 1])) == 0


def test_pairs_differ_by_what_their_types_allow():
    table = pl.DataFrame({"n": [1.0, 2.0, 3.0, 4.0], "m": [1.0, 2.0, 3.0, 4.0], "c": list("aabb"), "d": list("uuvv")})
    other = pl.DataFrame({"n": [1.0, 2.0, 3.0, 4.0], "m": [4.0, 3.0, 2.0, 1.0], "c": list("abba"), "d": list("uuvv")})
    found = {(pair.first, pair.second): pair.distance for pair in pair_distances(columns_of(table, other))}
    assert found["n", "m"] == pytest.approx(1)  # correlations 1 and -1
    assert found["c", "d"] == pytest.approx(0.5)
    assert found["n", "c"] == pytest.approx(np.sqrt(0.8))  # and 0
    assert len(pair_distances(columns_of(table, other), limit=2)) == 2


# Baselines ------------------------------------------------------------------------------------------------------------


def test_the_copula_finds_the_correlations_of_data_that_follow_one():
    """Numbers, steps, a category and a boolean of normal variables whose correlations are known."""
    rng = np.random.default_rng(2)
    root = rng.normal(size=(5, 5)) / 2 + np.eye(5)
    wanted = root @ root.T
    wanted /= np.sqrt(np.outer(np.diag(wanted), np.diag(wanted)))
    z = rng.multivariate_normal(np.zeros(5), wanted, 20_000, method="cholesky")
    frame = pl.DataFrame({
        "exponential": np.exp(z[:, 0]), "steps": np.round(2 * z[:, 1]).astype(int), "spike": np.maximum(z[:, 2], 0),
        # The more frequent a level, the lower it lies.
        "level": np.array(["most", "some", "few"])[np.searchsorted(norm.ppf([0.6, 0.9]), z[:, 3])],
        "flag": z[:, 4] > norm.ppf(0.7),
    })  # fmt: skip
    columns = columns_of(frame)
    copula = GaussianCopula(columns)
    assert np.abs(copula.correlations - wanted).max() < 0.03
    drawn = columns_of(frame, taken(frame, copula.rows(20_000, 1)))
    assert max(column_distance(column) for column in drawn) < 0.02
    assert max(pair.distance for pair in pair_distances(drawn)) < 0.03
    independent = columns_of(frame, taken(frame, independent_rows(columns, 20_000, 1)))
    assert max(column_distance(column) for column in independent) < 0.02
    assert max(pair.distance for pair in pair_distances(independent)) > 0.15


def test_two_booleans_have_the_tetrachoric_correlation():
    rng = np.random.default_rng(3)
    z = rng.multivariate_normal([0, 0], [[1, -0.5], [-0.5, 1]], 50_000)
    both = np.mean((z > 0).all(1))
    found = GaussianCopula(columns_of(pl.DataFrame({"a": z[:, 0] > 0, "b": z[:, 1] > 0}))).correlations[0, 1]
    expected = np.sin(2 * np.pi * (both - 0.25))  # P(both) = 1/4 + arcsin(r) / 2 pi
    assert abs(found) == pytest.approx(abs(expected), abs=0.01)  # its sign is that of which level is more frequent


def test_correlations_of_columns_that_repeat_each_other_are_one():
    X = np.random.default_rng(4).normal(size=(500, 1))
    copula = GaussianCopula(columns_of(np.hstack([X, X, -X, np.ones_like(X)])))
    assert copula.correlations[0] == pytest.approx([1, 1, -1, 0], abs=1e-3)
    rows = copula.rows(200)
    assert (rows[:, 0] == rows[:, 1]).mean() > 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_baselines_have_types_levels_and_missing_values_of_the_training_rows(kind):
    train = KINDS[kind](people(400))
    for rows in baseline_rows(train, 500, seed=1).values():
        assert type(rows) is type(train)
        columns = columns_of(train, rows)
        assert [column.name for column in columns] == list(people(1))
        assert all(column.types[0] == column.types[1] for column in columns)
        found = validity(columns, 1, 0)
        assert (found.valid, found.in_range) == (1, 1)
        assert found.missing < 0.06


def test_baselines_of_arrays_are_arrays():
    X = np.random.default_rng(5).normal(size=(50, 3)).astype(np.float32)
    for rows in baseline_rows(X, 7).values():
        assert rows.shape == (7, 3)
        assert rows.dtype == np.float32


# Prediction, privacy, validity ----------------------------------------------------------------------------------------


def test_prediction_is_as_good_as_what_was_learned_of():
    rng = np.random.default_rng(6)
    frames = []
    for n in (300, 300, 300):
        x = rng.normal(size=(n, 2))
        y = x[:, 0] + 0.1 * rng.normal(size=n)
        frames.append(pl.DataFrame({"x": x[:, 0], "noise": x[:, 1], "y": y, "sign": np.where(y > 0, "up", "down")}))
    frames[2] = frames[2].with_columns(y=pl.Series(rng.permutation(frames[2]["y"])), sign=pl.lit("up"))
    columns = columns_of(*frames)
    real = {each.column: each for each in predictions(columns, 0, 1, ["y", "sign"])}
    assert (real["y"].measure, real["sign"].measure) == ("R2", "AUC")
    assert real["y"].value > 0.9
    assert real["sign"].value > 0.99
    shuffled = {each.column: each.value for each in predictions(columns, 2, 1, ["y", "sign"])}
    assert shuffled["y"] < 0.2
    assert shuffled["sign"] == 0.5  # one level alone: nothing to learn


def test_many_levels_and_holes_do_not_disturb_the_boosting():
    rng = np.random.default_rng(7)
    level = rng.integers(0, 400, 1000)
    y = (level < 3) | (rng.random(1000) < 0.1)
    x = np.where(rng.random(1000) < 0.5, np.nan, rng.normal(size=1000))
    frame = pl.DataFrame({"level": [f"l{i:03}" if i else None for i in level], "x": x, "y": y})
    (found,) = predictions(columns_of(frame[:700], frame[700:]), 0, 1, ["y"])
    assert 0.4 < found.value <= 1


def test_the_closest_row_is_the_one_of_least_mean_distance():
    train = pl.DataFrame({"n": [1.0, 2.0, None, 4.0], "c": ["a", "b", "b", None]})
    rows = pl.DataFrame({"n": [1.0, None, 3.0], "c": ["a", "b", "z"]})
    columns = columns_of(rows, train)
    # Ranks of 1, 2, 4 are 1/6, 3/6, 5/6; that of 3 is 4/6.
    assert closest_distances(columns, 0, 1) == pytest.approx([0, 0, (1 / 6 + 1) / 2])
    numbers = columns_of(np.array([[1.0, 4.0]]), np.array([[1.0, 1.0], [4.0, 4.0], [2.0, 2.0]]))
    assert closest_distances(numbers, 0, 1) == pytest.approx([(1 / 2 - 1 / 6 + 1 / 3) / 2])


def test_copies_are_nearer_and_new_rows_are_not():
    assert share_nearer(np.zeros(3), np.array([0.1, 0.2])) == 1
    assert share_nearer(np.array([0.1, 0.2]), np.array([0.1, 0.2])) == 0.5
    assert share_nearer(np.ones(2), np.array([0.1, 0.2])) == 0
    table = pl.DataFrame({"n": [1.0, None, 0.0], "c": ["a", None, "b"]})
    assert share_of_copies(columns_of(table, pl.DataFrame({"n": [None, -0.0, 1.0], "c": [None, "b", "b"]})), 1, 0) == (
        pytest.approx(2 / 3)
    )


def test_rows_that_break_the_table_are_named_by_column():
    train = pl.DataFrame({"whole": [1, 2, 3], "level": ["a", "b", "b"], "hole": [1.0, None, 2.0]})
    fine = pl.DataFrame({"whole": [2, 9], "level": ["a", "b"], "hole": [None, 1.0]})
    found = validity(columns_of(train, fine), 1, 0)
    assert (found.valid, found.in_range, found.wrong) == (1, 0.5, {})
    assert found.missing == pytest.approx(1 / 2 - 1 / 3)
    broken = pl.DataFrame({"whole": [2.5, 2.0], "level": ["c", None], "hole": [None, 1.0]})
    found = validity(columns_of(train, broken), 1, 0)
    assert found.valid == 0
    assert found.wrong == {"whole": 1, "level": 1}  # of another type; unknown, and missing where nothing is
    values = np.array([[1.0], [2.0]]), np.array([[1.0], [1.5], [np.nan]])
    assert validity(columns_of(*values), 1, 0).wrong == {"value_1": pytest.approx(2 / 3)}


# All together ---------------------------------------------------------------------------------------------------------


def test_real_rows_are_near_and_baselines_stand_beside():
    train, real, drawn = (pd.DataFrame(people(400, seed)) for seed in (1, 2, 3))
    result = measure_synthesis(real, drawn, train, label="married")
    measures = {name: source.measures() for name, source in result.sources.items()}
    assert list(measures) == ["drawn", "training rows", *BASELINES]
    drawn, copies, independent, copula = measures.values()
    assert drawn["column distance"] < 0.08
    assert drawn["pair distance"] < copula["pair distance"] < independent["pair distance"]
    assert drawn["nearer than held-out rows"] == pytest.approx(0.5, abs=0.06)
    assert copies["nearer than held-out rows"] > 0.9
    assert copies["copies"] == 1
    assert drawn["AUC of prediction"] > independent["AUC of prediction"] + 0.1
    assert drawn["valid rows"] == 1
    assert "R2 of prediction" not in drawn
    assert len(result.worst_columns(2)) == 2
    assert result.record()["sources"]["drawn"]["columns"] == result.sources["drawn"].columns


def test_all_kinds_of_frames_are_read_alike():
    first, *others = (columns_of(kind(people(60))) for kind in KINDS.values())
    for columns in others:
        for one, other in zip(first, columns, strict=True):
            assert (one.name, one.levels, one.times) == (other.name, other.levels, other.times)
            np.testing.assert_array_equal(one.values[0], other.values[0])


def test_dates_times_and_objects_are_numbers_where_they_are():
    moment = datetime.datetime(1970, 1, 2, 0, 0, 1)
    table = {
        "moment": [moment, None], "day": [moment.date(), None], "time": [datetime.time(1, 0, 0, 500_000), None],
        "span": [datetime.timedelta(minutes=1), None],
    }  # fmt: skip
    for kind in KINDS.values():
        columns = columns_of(kind(table))
        assert [column.values[0][0] for column in columns] == [86_401, 86_400, 3600.5, 60]
        assert all(column.times and np.isnan(column.values[0][1]) for column in columns)
    mixed = pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": pd.array([True, None], dtype="boolean")})
    a, b = columns_of(mixed)
    assert (a.numeric, b.levels) == (True, (True,))
    assert a.missing(0).tolist() == b.missing(0).tolist() == [False, True]


def test_tables_that_do_not_go_together_are_refused():
    a = pl.DataFrame({"x": [1.0, 2.0], "y": [1.0, 2.0]})
    with pytest.raises(DataError, match=r"same columns; got one without \['y'\] and with \['z'\]"):
        measure_synthesis(a, a.rename({"y": "z"}), a)
    with pytest.raises(ConfigError, match=r"label must be a column; got 'xx'. Did you mean 'x'"):
        measure_synthesis(a, a, a, label="xx")
    with pytest.raises(ConfigError, match=r"categories must be columns"):
        measure_synthesis(a, a, a, categories=["w"])
    with pytest.raises(DataError, match="two rows at least; got 2 training, 1 held-out"):
        measure_synthesis(a[:1], a, a)
    with pytest.raises(DataError, match=r"arrays of numbers \(N, D\)"):
        measure_synthesis(np.zeros((3, 2, 2)), np.zeros((3, 2, 2)), np.zeros((3, 2, 2)))


def test_numbers_may_stand_for_categories():
    X = np.array([[1.0, 0], [2.0, 1], [3.0, 0], [4.0, np.nan]])
    columns = columns_of(X, X, categories=["value_2"])
    assert columns[1].levels == (0.0, 1.0)
    assert columns[1].values[0].tolist() == [0, 1, 0, -1]


@pytest.mark.slow
def test_a_page_shows_columns_pairs_and_correlations():
    page = picture_synthesis(pl.DataFrame(people(80)), pl.DataFrame(people(60, 1)))
    colours = {colour for _, colour in page.getcolors(2**24)}
    assert (47, 109, 181) in colours  # real
    assert page.width > 800
    one = picture_synthesis(np.ones((5, 1)), np.full((4, 1), np.nan))  # a constant, and nothing
    assert one.height < page.height


@pytest.fixture
def run_of_rows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    X = np.random.default_rng(0).normal(size=(120, 1)) @ np.array([[1.0, 2, 3]]) + 5
    X += np.random.default_rng(1).normal(size=X.shape)
    pd.DataFrame(X, columns=["a", "b", "c"]).to_csv("rows.csv", index=False)
    model = narrows.VAE(latent_dim=1, network="mlp:4", epochs=1)
    list(record(model, load_dataset("rows.csv"), "runs/rows", pictures=False))
    return tmp_path / "runs" / "rows"


@pytest.mark.slow
def test_evaluate_says_how_near_drawn_rows_are(run_of_rows, capsys):
    assert main(["evaluate", "rows", "--samples", "1", "--synthesis"]) == 0
    text = capsys.readouterr().out
    assert "Gaussian" in text
    assert "column distance" in text
    found = json.loads((run_of_rows / "evaluation.json").read_text())["synthesis"]
    assert set(found["sources"]) == {"drawn", "training rows", *BASELINES}
    assert set(found["sources"]["drawn"]["columns"]) == {"a", "b", "c"}
    assert (run_of_rows / "synthesis.png").exists()


def test_drawn_rows_are_those_of_tables(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    X = np.random.default_rng(0).integers(0, 255, (20, 1, 5, 5), dtype=np.uint8)
    np.save("images.npy", X)
    list(record(narrows.PCA(latent_dim=1), load_dataset("images.npy"), "runs/i", pictures=False))
    assert main(["evaluate", "i", "--synthesis"]) == 2
    assert "--synthesis must go with a model of a table that draws rows; got one of images" in capsys.readouterr().err
