"""Models of typed columns within scikit-learn: tags, frames of codes, pipelines, clones and grid searches."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags

from narrows import AE, PCA, VAE
from narrows.errors import ConfigError


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    n = 200
    x = rng.normal(size=n)
    kind = pd.Series(np.where(x > 0, "high", "low")).where(rng.random(n) > 0.1).to_numpy()
    return pd.DataFrame({"x": x, "kind": kind, "n": rng.poisson(30, n)}, index=[f"r{i}" for i in range(n)])


def test_tags_say_that_text_and_missing_values_are_taken():
    tags = get_tags(VAE()).input_tags
    assert (tags.string, tags.categorical, tags.allow_nan) == (True, True, True)
    assert not get_tags(PCA()).input_tags.string


def test_codes_come_as_frames(frame):
    model = AE(latent_dim=2, epochs=1, network="mlp:4", columns={"n": "real"}).set_output(transform="pandas")
    Z = model.fit_transform(frame)
    assert list(Z) == ["ae0", "ae1"]
    assert Z.index.equals(frame.index)
    assert clone(model).get_params()["columns"] == {"n": "real"}


def test_pipelines_and_column_transformers(frame):
    codes = VAE(latent_dim=2, epochs=2, network="mlp:8")
    within = ColumnTransformer([("codes", codes, ["x", "kind"])], remainder="passthrough")
    y = frame.x > 0
    assert make_pipeline(within, LogisticRegression()).fit(frame, y).score(frame, y) > 0.6
    search = GridSearchCV(AE(epochs=1, network="mlp:4"), {"latent_dim": [1, 2]}, cv=2, error_score="raise").fit(frame)
    assert search.best_params_["latent_dim"] in (1, 2)


def test_partial_fit_and_warm_start_keep_the_columns(frame):
    model = VAE(latent_dim=2, network="mlp:4").partial_fit(frame.head(100))
    types = model.schema_.types
    model.partial_fit(frame.tail(50))
    assert model.schema_.types is types
    again = VAE(latent_dim=2, network="mlp:4", epochs=1).fit(frame, warm_start=model)
    assert again.schema_.types is types


def test_conditions_codes_and_other_networks_go_with_typed_columns(frame):
    y = np.arange(200) % 3
    model = VAE(latent_dim=2, epochs=1, network="mlp:8", condition="concat").fit(frame, y)
    drawn = model.sample(6, y=1, seed=0)
    assert set(drawn.kind.dropna()) <= {"high", "low"}
    assert model.impute(frame, y, importance_samples=2).kind.notna().all()
    assert VAE(latent_dim=2, epochs=1, code="ordered", network="mlp:8").fit(frame).reconstruct(frame).shape == (200, 3)
    with pytest.raises(ConfigError, match="must have"):
        AE(latent_dim=2, epochs=1, network="conv").fit(frame)
