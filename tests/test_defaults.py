"""The measurement of default fits: PCA's ratio to itself, the scales, and the page, on tiny fits."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA as Reference

from narrows import PCA

FOLDER = Path(__file__).parents[1] / "benchmarks"
if not FOLDER.exists():
    pytest.skip("the benchmark is not part of this copy of the source", allow_module_level=True)
sys.path.insert(0, str(FOLDER))
try:
    data, fits, page = map(importlib.import_module, ("default_data", "default_fits", "default_page"))
finally:
    sys.path.remove(str(FOLDER))


def test_pca_is_as_good_as_pca_on_every_scale():
    X = load_iris().data
    rows, held = data.split(len(X), 0)
    assert (len(held), set(rows) & set(held)) == (45, set())
    found = fits.errors(PCA(latent_dim=2, scale="standard").fit(X[rows]), X[rows], X[held], 2)
    assert found["ratio"] == pytest.approx(1, abs=1e-6)
    assert found["standardised"] == pytest.approx(1, abs=1e-6)
    assert found["as_given"] > 1.05  # the best plane of standardised columns is not that of centimetres
    found = fits.errors(PCA(latent_dim=2).fit(X[rows]), X[rows], X[held], 2)
    assert (found["as_given"], found["ratio"]) == pytest.approx((1, 1), abs=1e-6)
    assert max(found["check"], found["check_likelihood"]) < 1e-9
    # What is left of the variance about the mean of the training rows, by scikit-learn alone.
    pca = Reference(2).fit(X[rows])
    left = np.square(X[held] - pca.inverse_transform(pca.transform(X[held]))).sum()
    assert found["left"] == pytest.approx(left / np.square(X[held] - X[rows].mean(0)).sum(), rel=1e-9)


def test_a_code_as_wide_as_the_sample_has_no_ratio():
    X = load_iris().data
    found = fits.errors(PCA(latent_dim=4).fit(X), X, X, 4)
    assert found["ratio"] is found["as_given"] is None
    assert found["left"] < 1e-20


def test_missing_values_do_not_count():
    X = np.array([[1.0, 2.0], [np.nan, 4.0]])
    assert fits.held_out_error(X, np.zeros((2, 2))) == (1 + 4 + 16) / 2


def test_a_fit_is_measured_and_told():
    X = data.read("iris", 60)
    fit = fits.measure(X, {"seed": 1, "latent_dim": 2, "network": "mlp:4", "epochs": 1})
    fit |= {"data": "iris", "kind": "table", "part": "defaults"}
    assert (fit["rows"], fit["latent_dim"], fit["rival"]["hidden"]) == (60, 2, [4])
    assert fit["AE"]["ratio"] > 1  # one step
    assert fit["VAE"]["density"]
    assert fit["VAE"]["gain"] < 0
    other = json.loads(json.dumps(fit))
    other["settings"]["seed"] = 2
    other["AE"]["ratio"] = 0.5
    results = {"command": "c", "started": "s", "source": "0", "machine": {}, "fits": {"a": fit, "b": other}}
    text = page.text(results)
    assert "| `AE`: the error is at most PCA's | 0 of 1 |" in text
    assert "iris (code 2), some seeds" in text
    assert "trial" in text
    fit["part"] = "networks"
    assert f"| iris | 60 of 4 | 2 | **{page.number(fit['AE']['ratio'])}** |" in page.text(results)
    assert "iris" in page.line(fit)


def test_there_are_enough_data_sets(monkeypatch):
    assert len(data.SOURCES) >= 24
    monkeypatch.delenv("NARROWS_DATA", raising=False)
    with pytest.raises(data.MissingDataError, match=r"no tables/abalone\.csv"):
        data.read("abalone", 10)
    assert data.read("photographs 16x16", 5).shape == (5, 3, 16, 16)
