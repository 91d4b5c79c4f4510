"""What a notebook shows of runs, fitted estimators and pipelines."""

import base64
import io
import re
import shutil
from typing import Any

import numpy as np
import pytest
import sklearn
import torch
from PIL import Image
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from narrows import AE, PCA, VAE, figures, load_dataset
from narrows.figures import notebook
from narrows.runs import Run, record

pytestmark = pytest.mark.usefixtures("blank_pictures")

SMALL: dict[str, Any] = {"latent_dim": 2, "network": "mlp:8", "epochs": 3}


@pytest.fixture(scope="module")
def X():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (40, 1, 5, 4), dtype=np.uint8)


@pytest.fixture(scope="module")
def vae(X):
    return VAE(**SMALL).fit(X, validation=0.25)


def pictures(html):
    """Return caption -> picture, of every figure that stands in HTML."""
    shown_pictures = re.findall(r"src='data:image/png;base64,([^']*)'><figcaption[^>]*>([^<]*)<", html)
    assert len(shown_pictures) == html.count("<img")
    return {caption: Image.open(io.BytesIO(base64.b64decode(data))) for data, caption in shown_pictures}


def assert_same(picture, other):
    np.testing.assert_array_equal(np.asarray(picture), np.asarray(other))


def test_a_fitted_model_shows_its_course_and_what_it_makes(vae):
    shown = vae._repr_html_()
    assert "sk-top-container" in shown
    shown_pictures = pictures(shown)
    assert list(shown_pictures) == ["3 epochs", "training samples, reconstructed from their codes", "new samples"]
    assert_same(shown_pictures["new samples"], figures.gallery(vae.sample(10, seed=0), columns=5))
    rebuilt = vae.inverse_transform(vae.codes_[:10])
    assert_same(shown_pictures["training samples, reconstructed from their codes"], figures.gallery(rebuilt, columns=5))
    losses = [
        {"epoch": r["epoch"], **{part: {"loss": r[part]["loss"]} for part in ("train", "validation")}}
        for r in vae.history_
    ]
    assert_same(shown_pictures["3 epochs"], figures.curves(losses))


def test_models_without_prior_or_epochs_show_what_they_have(X):
    assert list(pictures(AE(**SMALL).fit(X)._repr_html_())) == [
        "3 epochs", "training samples, reconstructed from their codes",
    ]  # fmt: skip
    assert list(pictures(PCA(latent_dim=2).fit(X)._repr_html_())) == [
        "training samples, reconstructed from their codes"
    ]


@pytest.mark.parametrize("shape", [(2,), (6, 2)])
def test_samples_of_every_kind_are_drawn(shape):
    X = np.random.default_rng(0).normal(size=(30, *shape)).astype(np.float32)
    shown_pictures = pictures(VAE(**SMALL).fit(X)._repr_html_())
    assert all(picture.width > 200 for picture in shown_pictures.values())


def test_one_that_is_not_fitted_is_shown_by_scikit_learn_alone():
    shown = VAE()._repr_html_()
    assert "sk-top-container" in shown
    assert pictures(shown) == {}


def test_while_it_trains_it_can_be_looked_at(X):
    estimator = VAE(**SMALL)
    shown = [list(pictures(estimator._repr_html_())) for report in estimator.fit_iter(X) if report.end_of_epoch]
    assert shown == [["new samples"], ["2 epochs", "new samples"], ["3 epochs", "new samples"]]
    np.testing.assert_array_equal(estimator.transform(X), VAE(**SMALL).fit(X).transform(X))


def test_showing_changes_nothing(vae, X):
    before, codes, state = set(vars(vae)), vae.transform(X), torch.random.get_rng_state()
    vae._repr_html_()
    assert set(vars(vae)) == before
    assert not vae.module_.training
    np.testing.assert_array_equal(vae.transform(X), codes)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_all_that_notebooks_ask_for_is_there(vae):
    bundle = vae._repr_mimebundle_()
    assert bundle["text/plain"] == repr(vae)
    assert pictures(bundle["text/html"]).keys() == pictures(vae._repr_html_()).keys()
    with sklearn.config_context(display="text"):
        assert vae._repr_mimebundle_() == {"text/plain": repr(vae)}
        assert not hasattr(vae, "_repr_html_")


def test_a_pipeline_is_shown_as_scikit_learn_shows_it():
    X = np.random.default_rng(0).normal(size=(20, 4))
    shown = make_pipeline(StandardScaler(), PCA(latent_dim=2)).fit(X)._repr_html_()
    assert pictures(shown) == {}
    assert all(name in shown for name in ("StandardScaler", "PCA", "latent_dim"))


def test_nothing_is_fetched(vae, finished):
    for shown in (notebook.model(vae), finished._repr_html_()):
        assert "//" not in re.sub(r"base64,[^']*", "", shown)
        assert "<script" not in shown


def test_texts_are_escaped():
    shown = notebook.run("<i>", "<b>", [("<u>", "<a href='x'>")], [])
    assert re.findall("<[iabu][ >]", shown) == ["<b>"]  # the heading's own
    picture = io.BytesIO()
    Image.new("RGB", (4, 2)).save(picture, "PNG")
    assert "alt='&lt;&#x27;'" in notebook.figure(picture.getvalue(), "<'")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "first"
    list(record(VAE(**SMALL), load_dataset("cloud", samples=60), folder))
    return Run(folder)


def table(shown):
    """Return the rows of a run's table."""
    return dict(re.findall(r"<th[^>]*>([^<]*)</th><td[^>]*>([^<]*)</td>", shown))


def test_a_finished_run_shows_its_results_and_pictures(finished):
    shown = finished._repr_html_()
    rows, errors = table(shown), finished.summary["squared_error"]
    assert rows["model"] == "vae: latent_dim=2, network=mlp:8, epochs=3"
    assert rows["data"] == "cloud: 60 training, 15 test"
    assert rows["epochs"].startswith("3 in ")
    assert rows["squared error per test sample"] == (
        f"{errors['model']:.4g}; PCA {errors['pca']:.4g}; the mean sample {errors['mean']:.4g}"
    )
    assert rows["KL, nats"] == f"{finished.summary['kl']:.4g}"
    assert list(pictures(shown)) == [
        "originals above their reconstructions", "new samples", "loss by epoch", "map of the codes",
    ]  # fmt: skip


def test_a_run_at_work_shows_how_far_it_is(tmp_path):
    reports = record(VAE(**SMALL), load_dataset("cloud", samples=60), tmp_path / "run")
    while next(reports).epoch < 2:
        pass
    shown = Run(tmp_path / "run")._repr_html_()
    assert table(shown)["epochs"].startswith("2 of 3 in ")
    assert list(pictures(shown)) == ["loss by epoch", "epoch 2"]
    shutil.rmtree(tmp_path / "run" / "samples")
    (tmp_path / "run" / "metrics.jsonl").unlink()
    assert pictures(Run(tmp_path / "run")._repr_html_()) == {}
    reports.close()


def test_what_went_wrong_is_shown(tmp_path):
    reports = record(AE(**SMALL), load_dataset("cloud", samples=60), tmp_path / "run")
    next(reports)
    with pytest.raises(MemoryError):
        reports.throw(MemoryError("no <room>"))
    assert table(Run(tmp_path / "run")._repr_html_())["error"] == "MemoryError: no &lt;room&gt;"


def test_pca_is_not_held_against_itself(tmp_path):
    list(record(PCA(latent_dim=1), load_dataset("cloud", samples=60), tmp_path / "run"))
    run = Run(tmp_path / "run")
    errors = run.summary["squared_error"]
    assert run.is_pca
    row = table(run._repr_html_())["squared error per test sample"]
    assert row == f"{errors['pca']:.4g}; the mean sample {errors['mean']:.4g}"
