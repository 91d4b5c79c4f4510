"""One table, with spread, and the best only where it leads by more than that."""

import csv
import json
import math
from typing import Any

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

import narrows
from narrows.errors import ConfigError, DataError
from narrows.evaluation import Cell, Comparison, Row, compare_models, knn_accuracy, measure_reconstruction, pca_baseline


def table(**cells):
    rows = [Row(name, 3, {"kNN accuracy": Cell(*a), "seconds": Cell(*b)}) for name, (a, b) in cells.items()]
    return Comparison(rows, ["kNN accuracy", "seconds"], {})


def test_best_must_lead_by_more_than_the_spread():
    found = table(A=((0.9, 0.03), (1.0, 0.1)), B=((0.87, 0.01), (2.0, 0.1)), C=((0.5, 0.0), (9.0, 0.0)))
    assert found.best("kNN accuracy") is None
    assert found.best("seconds") == "A"
    assert table(A=((0.9, 0.02), (1.0, 0.0)), B=((0.87, 0.02), (1.0, 0.0))).best("kNN accuracy") == "A"
    assert table(A=((0.9, 0.0), (1.0, 0.0)), B=((0.9, 0.0), (1.0, 0.0))).best("kNN accuracy") is None


@pytest.fixture(scope="module")
def compared(digits):
    train, y, test, y_test = digits
    options: dict[str, Any] = {"latent_dim": 4, "network": "mlp:16", "epochs": 2}
    models = {"AE": narrows.AE(**options), "VAE": narrows.VAE(**options)}
    trained = []
    found = compare_models(
        models, train, test, y=y, y_test=y_test, seeds=2, samples=5,
        on_start=lambda name, seed: trained.append((name, seed)),
    )  # fmt: skip
    assert trained == [("AE", 0), ("AE", 1), ("VAE", 0), ("VAE", 1), ("PCA", 0)]
    assert not hasattr(models["AE"], "module_")
    return found


@pytest.mark.slow
def test_rows_are_measured_over_seeds(compared, digits):
    train, y, test, y_test = digits
    assert [(row.name, row.seeds) for row in compared.rows] == [("AE", 2), ("VAE", 2), ("PCA", 1)]
    first, second = compared.models["AE"]
    assert (first.seed, second.seed) == (0, 1)
    errors = [measure_reconstruction(model, test).per_sample for model in (first, second)]
    cell = compared.rows[0].cells["squared error per sample"]
    assert cell.mean == pytest.approx(sum(errors) / 2)
    assert cell.deviation == pytest.approx(abs(errors[0] - errors[1]) / math.sqrt(2))
    (pca,) = compared.models["PCA"]
    assert pca.latent_dim == 4
    assert compared.rows[2].cells["kNN accuracy"] == (knn_accuracy(pca, train, y, test, y_test), 0)
    assert compared.rows[0].cells["parameters"].mean == sum(p.numel() for p in first.module_.parameters())
    likelihoods = [name for name in compared.measures if name.startswith("log likelihood")]
    assert likelihoods == ["log likelihood [nats, log density of the values]"]
    assert likelihoods[0] not in compared.rows[0].cells
    assert compared.best("squared error per sample") == "PCA"


def test_files_hold_the_table(compared, tmp_path):
    compared.to_json(tmp_path / "table.json")
    record = json.loads((tmp_path / "table.json").read_text())
    assert record["best"]["squared error per sample"] == "PCA"
    assert record["rows"][1]["measures"]["seconds"]["mean"] == compared.rows[1].cells["seconds"].mean
    compared.to_csv(tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["model"] for row in rows] == ["AE", "VAE", "PCA"]
    assert float(rows[2]["PSNR [dB]"]) == compared.rows[2].cells["PSNR [dB]"].mean
    (text,) = [row for row in compared.table() if row[0] == "AE"]
    assert "-" in text
    assert "±" in text[1]


def test_fitted_models_are_measured_without_training(digits):
    train, _, test, _ = digits
    model = narrows.PCA(latent_dim=3).fit(train)
    found = compare_models({"mine": model}, train, test)
    assert [row.name for row in found.rows] == ["mine"]
    assert found.models["mine"] == [model]
    assert "seconds" not in found.measures


def test_errors(digits):
    train, y, test, _ = digits
    with pytest.raises(ConfigError, match=r"compare_models: models must be at least one"):
        compare_models({}, train, test)
    with pytest.raises(DataError, match=r"y and y_test must be given together"):
        compare_models({"PCA": narrows.PCA()}, train, test, y=y)


def test_models_of_other_scales_are_measured_on_the_first_ones(digits):
    train, _, test, _ = digits
    train, test = (np.concatenate([part[:, 20:24], 1000 * part[:, 24:28]], 1) for part in (train, test))
    plain, standard = narrows.PCA(latent_dim=2), narrows.PCA(latent_dim=2, scale="standard")
    found = compare_models({"standard": standard, "plain": plain}, train, test)
    fitted = StandardScaler().fit(train)
    errors = [
        np.square(fitted.transform(test) - fitted.transform(row.reconstruct(test))).sum(1).mean()
        for row in (found.models["standard"][0], found.models["plain"][0])
    ]
    measured = [row.cells["squared error per sample"].mean for row in found.rows]
    np.testing.assert_allclose(measured, errors, rtol=1e-4)
    assert measured[0] < measured[1]


def test_the_row_of_pca_is_the_baseline(digits):
    train, _, test, _ = digits
    model = narrows.AE(latent_dim=3, scale="standard", network="mlp:", epochs=1)
    found = compare_models({"AE": model}, train, test, seeds=1)
    baseline = pca_baseline(found.models["AE"][0], train)
    measured = found.rows[1].cells["squared error per sample"].mean
    assert measured == pytest.approx(baseline.squared_error(test).mean())


@pytest.mark.slow
def test_several_processes_come_to_the_same_table(digits, compared):
    train, y, test, y_test = digits
    options: dict[str, Any] = {"latent_dim": 4, "network": "mlp:16", "epochs": 2}
    models = {"AE": narrows.AE(**options), "VAE": narrows.VAE(**options)}
    several = compare_models(models, train, test, y=y, y_test=y_test, seeds=2, samples=5, jobs=2)
    timed = ("seconds", "bytes on disk")  # the history holds times as well
    timeless = [
        [(row.name, {m: c for m, c in row.cells.items() if m not in timed}) for row in comparison.rows]
        for comparison in (compared, several)
    ]
    assert timeless[0] == timeless[1]
