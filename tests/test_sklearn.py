"""scikit-learn's own checks of an estimator, and its tools."""

import os
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from narrows import AE, PCA, VAE
from narrows.errors import ConfigError

SMALL: dict[str, Any] = {"latent_dim": 1, "network": "mlp:8", "epochs": 2}
ESTIMATORS = [PCA(latent_dim=1), PCA(), AE(**SMALL), VAE(**SMALL)]
ARRAY_API = "check_array_api_input"  # asks for an environment variable that scipy reads at its import
CHECKS = [
    pytest.param(estimator, check, id=f"{type(estimator).__name__}-{estimator.latent_dim}-{check.func.__name__}")
    for estimator in ESTIMATORS
    for estimator, check in estimator_checks_generator(estimator)
    if check.func.__name__ != ARRAY_API or "SCIPY_ARRAY_API" in os.environ
]


@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def test_there_are_many_checks():
    assert len(CHECKS) > 40 * len(ESTIMATORS)


@pytest.fixture(params=[PCA, AE, VAE])
def estimator(request):
    return PCA(latent_dim=2) if request.param is PCA else request.param(latent_dim=2, network="mlp:8", epochs=5)


def test_in_a_pipeline(estimator, table):
    y = (table[:, 0] > np.median(table[:, 0])).astype(int)
    pipeline = make_pipeline(StandardScaler(), estimator, LogisticRegression()).fit(table, y)
    assert pipeline.predict(table).shape == (48,)
    assert pipeline.score(table, y) > 0.6
    assert pipeline[:-1].inverse_transform(pipeline[:-1].transform(table)).shape == table.shape


def test_in_a_grid_search(estimator, table):
    search = GridSearchCV(estimator, {"latent_dim": [1, 2]}, cv=2, error_score="raise").fit(table)
    assert search.best_params_["latent_dim"] in (1, 2)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    scores = [clone(estimator).set_params(latent_dim=k).fit(table[24:]).score(table[:24]) for k in (1, 2)]
    np.testing.assert_allclose(search.cv_results_["split0_test_score"], scores, rtol=1e-5)


@pytest.mark.parametrize("cls", [AE, VAE])
def test_a_grid_search_over_fields_of_components(cls, table):
    model = cls(latent_dim=2, network="mlp:4", epochs=2, likelihood="gaussian")
    assert {
        "network__hidden",
        "network__activation",
        "code__activation",
        "likelihood__scale",
    } <= model.get_params().keys()
    grid = {"network__hidden": [(3,), (6, 4)], "likelihood__scale": [0.5]}
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(table)
    best = search.best_estimator_
    assert best.network.hidden == search.best_params_["network__hidden"]
    assert best.module_.observed.scale.item() == 0.5
    sizes = [p.shape[0] for n, p in best.module_.encoder.named_parameters() if "weight" in n]
    assert tuple(sizes[:-1]) == best.network.hidden
    assert model.network == "mlp:4"  # clones were set, not the model itself
    assert clone(best).get_params() == best.get_params()


def test_fields_that_no_component_has(table):
    model = AE(network="auto")
    with pytest.raises(
        ConfigError, match=r"AE: network must be a component to have the parameter 'hidden'; got 'auto'"
    ):
        model.set_params(network__hidden=(3,))
    with pytest.raises(ConfigError, match=r"MLP: parameters must be among .*; got 'hiden'. Did you mean 'hidden'\?"):
        model.set_params(network="mlp", network__hiden=(3,))
    with pytest.raises(ConfigError, match="MLP: hidden must be a tuple of whole numbers >= 1"):
        model.set_params(network="mlp", network__hidden=(0,))


def test_names_of_features(estimator, table):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(table, columns=list("abcdef"))
    estimator.set_output(transform="pandas").fit(frame)
    codes = estimator.transform(frame)
    name = type(estimator).__name__.lower()
    assert list(codes.columns) == [f"{name}0", f"{name}1"] == list(estimator.get_feature_names_out())
    assert codes.index.equals(frame.index)
    assert list(estimator.feature_names_in_) == list("abcdef")
    np.testing.assert_array_equal(estimator.transform(frame[list("fedcba")]), codes)
