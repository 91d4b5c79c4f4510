"""Copies of fitted estimators by pickle, joblib and copy.deepcopy: the same codes, and training that goes on alike."""

import copy
import io
import pickle
from functools import partial

import joblib
import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import narrows
from narrows import AE, PCA, VAE

Small = partial(AE, latent_dim=2, network="mlp:8", epochs=2)
SmallVAE = partial(VAE, latent_dim=2, network="mlp:8", epochs=2)


def by_joblib(value):
    buffer = io.BytesIO()
    joblib.dump(value, buffer)
    buffer.seek(0)
    return joblib.load(buffer)


COPIES = {"pickle": lambda value: pickle.loads(pickle.dumps(value)), "joblib": by_joblib, "deepcopy": copy.deepcopy}


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).normal(size=(40, 6))


@pytest.fixture(scope="module")
def labels():
    return np.arange(40) % 3


def loaded(X, folder):
    return narrows.load(SmallVAE().fit(X).save(folder))


def sampled(X):
    """Return a model that keeps a density fitted to its codes."""
    model = Small().fit(X)
    model.sample(2, 0, "gaussian")
    return model


STATES = {
    "pca": lambda X, y, folder: PCA(latent_dim=2).fit(X),
    "ae": lambda X, y, folder: Small().fit(X),
    "vae": lambda X, y, folder: SmallVAE().fit(X),
    "residual": lambda X, y, folder: AE(latent_dim=2, epochs=1).fit(X),
    "condition": lambda X, y, folder: SmallVAE(condition="concat").fit(X, y),
    "vq": lambda X, y, folder: Small(code="vq:8").fit(X),
    "adversarial": lambda X, y, folder: Small(penalty="adversarial:1").fit(X),
    "own modules": lambda X, y, folder: AE(
        latent_dim=2, epochs=2, network=(torch.nn.Linear(6, 2), torch.nn.Linear(2, 6))
    ).fit(X),
    "after partial_fit": lambda X, y, folder: Small().partial_fit(X).partial_fit(X),
    "after load": lambda X, y, folder: loaded(X, folder),
    "after sample": lambda X, y, folder: sampled(X),
}


@pytest.fixture(scope="module", params=STATES)
def fitted(request, rows, labels, tmp_path_factory):
    return STATES[request.param](rows, labels, tmp_path_factory.mktemp("model"))


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_gives_the_same_codes_and_reconstructions(fitted, how, rows, labels):
    model = fitted
    before = model.transform(rows, labels)
    other = COPIES[how](model)
    assert np.array_equal(other.transform(rows, labels), before)
    assert np.array_equal(other.reconstruct(rows, y=labels), model.reconstruct(rows, y=labels))
    assert np.array_equal(other.score_samples(rows, labels), model.score_samples(rows, labels))
    assert other.get_params().keys() == model.get_params().keys()
    assert other.history_ == model.history_
    for mine, its in zip(model.module_.parameters(), other.module_.parameters(), strict=True):
        assert mine.data_ptr() != its.data_ptr()  # a copy, which shares no weights


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("state", ["vae", "after partial_fit", "after load"])
def test_a_copy_is_trained_further_like_the_model(state, how, rows, labels, tmp_path):
    """The optimiser's state and the noise's stream are copied too."""
    model = STATES[state](rows, labels, tmp_path)
    other = COPIES[how](model)
    untouched = model.transform(rows)
    other.partial_fit(rows).partial_fit(rows)
    assert np.array_equal(model.transform(rows), untouched)
    model.partial_fit(rows).partial_fit(rows)
    assert np.array_equal(other.transform(rows), model.transform(rows))
    assert not np.array_equal(model.transform(rows), untouched)


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_saves_the_same_file(how, rows, tmp_path):
    model = SmallVAE().fit(rows)
    COPIES[how](model).save(tmp_path / "copy")
    assert np.array_equal(narrows.load(tmp_path / "copy").transform(rows), model.transform(rows))


@pytest.mark.parametrize("how", COPIES)
def test_a_pipeline_can_be_dumped(how, rows, labels):
    pipeline = make_pipeline(StandardScaler(), SmallVAE(), LogisticRegression()).fit(rows, labels)
    other = COPIES[how](pipeline)
    assert np.array_equal(other.predict_proba(rows), pipeline.predict_proba(rows))


def test_data_frames_come_back_as_data_frames(rows):
    frames = pytest.importorskip("pandas")
    X = frames.DataFrame(rows, columns=list("abcdef"))
    model = Small().set_output(transform="pandas").fit(X)
    other = pickle.loads(pickle.dumps(model))
    assert other.transform(X).equals(model.transform(X))
    assert list(other.reconstruct(X)) == list(X)
