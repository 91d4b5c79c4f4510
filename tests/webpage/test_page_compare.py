"""Several runs side by side."""

import json

import numpy as np
import pytest
from safetensors.numpy import load

from narrows import AE, PCA, VAE, load_dataset
from narrows.runs import Run, record
from webpage.served import client, written

pytestmark = pytest.mark.usefixtures("blank_pictures")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Runs on the same data, on other data, on another scale, and one without a summary."""
    folder = tmp_path_factory.mktemp("compared")
    data, other = load_dataset("cloud", samples=100), load_dataset("cloud", samples=90)
    small = {"latent_dim": 1, "network": "mlp:4", "epochs": 2}
    models = {
        "vae": VAE(**small),
        "ae": AE(**small),
        "pca": PCA(latent_dim=1, scale="standard"),
        "raw": PCA(latent_dim=1),
    }
    for name, model in models.items():
        list(record(model, data, folder / name, pictures=False))
    list(record(AE(**small), other, folder / "other", pictures=False))
    held_out = load_dataset("cloud", samples=100, validation=0.2)
    list(record(AE(**small), held_out, folder / "held-out", pictures=False))
    written(folder, "bare")
    return folder


@pytest.fixture(scope="module")
def page(folder):
    with client(folder) as page:
        yield page


def test_measures_are_those_of_the_summaries(page, folder):
    table = page.get("/api/compare", params={"run": ["vae", "ae"]}).json()
    assert table["problems"] == []
    summary = Run(folder / "vae").summary
    vae, ae, pca = table["rows"]
    assert (vae["run"], ae["run"], pca["run"]) == ("vae", "ae", "PCA, 1 dimension")
    assert vae["values"]["squared error per sample"] == summary["squared_error"]["model"]
    assert vae["values"]["ELBO, nats"] == summary["elbo"]
    assert "ELBO, nats" not in ae["values"]
    assert pca["values"] == {"squared error per sample": summary["squared_error"]["pca"]}
    better = {each["name"]: each["lower_is_better"] for each in table["measures"]}
    assert better == {
        "squared error per sample": True, "ELBO, nats": False, "parameters": True, "seconds": True,
        "bytes on disk": True,
    }  # fmt: skip


def test_runs_that_hold_out_other_shares_for_validation_compare(page):
    runs = ["pca", "held-out"]
    problems = page.get("/api/compare", params={"run": runs}).json()["problems"]
    assert not any("different data" in problem for problem in problems)
    samples = load(page.get("/api/compare/samples", params={"run": runs, "rows": "1,2"}).content)
    assert samples.keys() == {"originals", *runs}


def test_a_run_of_pca_is_its_own_baseline(page):
    table = page.get("/api/compare", params={"run": ["vae", "pca"]}).json()
    assert [row["run"] for row in table["rows"]] == ["vae", "pca"]


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ("other", "different data"),
        ("raw", "scale the data in different ways"),
        ("bare", "bare: measured once training has ended."),
    ],
)
def test_what_does_not_compare_is_told(other, sentence, page):
    table = page.get("/api/compare", params={"run": ["vae", other]}).json()
    assert sentence in table["problems"][0]


def test_the_same_samples_by_every_run(page, folder):
    answer = page.get("/api/compare/samples", params={"run": ["vae", "pca", "other"], "rows": "3,0,7"})
    message = load(answer.content)
    assert message.keys() == {"originals", "vae", "pca"}
    data = load_dataset("cloud", samples=100)
    X = data.test[[3, 0, 7]]
    np.testing.assert_allclose(message["originals"], X, rtol=1e-5)
    np.testing.assert_allclose(message["vae"], Run(folder / "vae").load().reconstruct(X), rtol=1e-4)
    header = json.loads(answer.content[8 : 8 + int.from_bytes(answer.content[:8], "little")])
    told = json.loads(header["__metadata__"]["json"])
    assert told["kind"] == "table"
    assert told["problems"] == ["other: it was trained on other data, cloud."]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 400),
        ({"run": ["none"]}, 404),
        ({"run": ["vae"]}, 400),
        ({"run": ["vae"], "rows": "x"}, 400),
        ({"run": ["vae"], "rows": "-1"}, 400),
        ({"run": ["vae"], "rows": "99999"}, 400),
        ({"run": ["vae"], "rows": "1", "split": "none"}, 400),
        ({"run": ["vae"], "rows": ",".join("1" * 65)}, 400),
        ({"run": ["bare"], "rows": "1"}, 400),
        ({"run": [f"run-{i}" for i in range(21)], "rows": "1"}, 400),
    ],
)
def test_what_cannot_be_compared(query, status, page):
    answer = page.get("/api/compare/samples", params=query)
    assert answer.status_code == status
    assert answer.json()["error"]
