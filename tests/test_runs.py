import json
import re
import shutil

import numpy as np
import pytest
import torch

import narrows
from narrows import AE, PCA, VAE, load_dataset
from narrows.errors import ConfigError, DivergedError, FormatError
from narrows.estimators import inference
from narrows.runs import Run, next_folder, record, resume
from narrows.runs.pictures import has_picture, representative
from narrows.runs.summary import summarise
from narrows.storage.process import this_process

pytestmark = pytest.mark.usefixtures("blank_pictures")


@pytest.fixture(scope="module")
def cloud():
    return load_dataset("cloud", samples=100, validation=0.2)


@pytest.fixture(scope="module")
def finished(cloud, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "first"
    vae = VAE(latent_dim=1, network="mlp:8", epochs=6, seed=3)
    reports = list(record(vae, cloud, folder, command=["narrows", "x"]))
    return Run(folder), vae, reports


def test_a_run_holds_what_one_asks_for_later(finished, cloud):
    run, _, reports = finished
    assert run.status == "finished"
    assert run.record["model"] == "vae"
    assert run.record["seed"] == 3
    assert run.record["parameters"]["network"] == "mlp:8"
    assert run.record["command"] == ["narrows", "x"]
    assert run.record["data"]["sha256"] == cloud.sha256
    assert run.record["data"]["options"] == {"samples": 100, "validation": 0.2}
    assert run.record["versions"]["torch"] == torch.__version__
    assert run.record["epoch"] == 6
    assert len(run.history) == len([r for r in reports if r.end_of_epoch]) == 6
    assert run.history[-1]["validation"]["loss"] == reports[-1].validation["loss"]
    assert [path.name for path in run.samples] == [f"epoch_{i:04d}.png" for i in (1, 2, 5, 6)]
    assert [p.name for p in run.pictures] == ["reconstructions.png", "samples.png", "curves.png", "latent.png"]


def test_the_same_data_come_back_from_the_record(finished):
    data = finished[0].record["data"]
    assert load_dataset(data["name"], **data["options"]).sha256 == data["sha256"]


def test_a_run_can_be_moved_and_loaded_from_anywhere(finished, cloud, tmp_path):
    run, vae, _ = finished
    shutil.copytree(run.folder, tmp_path / "elsewhere")
    copied = Run(tmp_path / "elsewhere")
    np.testing.assert_array_equal(copied.load().transform(cloud.test), vae.transform(cloud.test))
    np.testing.assert_array_equal(
        narrows.load(copied.folder / "model").transform(cloud.test), vae.transform(cloud.test)
    )
    inside = "".join(path.read_text() for path in copied.folder.rglob("*.json*"))
    assert str(run.folder.parent) not in inside


def test_the_summary_is_what_numpy_says(finished, cloud):
    run, vae, _ = finished
    summary = run.summary
    X, train = (inference.values(vae, part) for part in (cloud.test, cloud.train))  # on the model's scale
    assert (summary["split"], summary["samples"], summary["latent_dim"]) == ("test", len(X), 1)
    error = ((X - inference.reconstruct_encoded(vae, cloud.test)) ** 2).sum(1).mean()
    assert summary["squared_error"]["model"] == pytest.approx(error, rel=1e-6)
    assert summary["squared_error"]["mean"] == pytest.approx(((X - train.mean(0)) ** 2).sum(1).mean(), rel=1e-6)
    axis = np.linalg.svd(train - train.mean(0), full_matrices=False)[2][:1]
    centred = X - train.mean(0)
    rest = ((centred - centred @ axis.T @ axis) ** 2).sum(1).mean()
    assert summary["squared_error"]["pca"] == pytest.approx(rest, rel=1e-6)
    assert summary["parameters"] == sum(p.numel() for p in vae.module_.parameters())


def test_elbo_and_kl_are_the_bound_itself_whatever_beta_was(cloud):
    vae = VAE(latent_dim=2, network="mlp:8", epochs=3, beta=9.0).fit(cloud.train)
    summary = summarise(vae, cloud)
    with torch.no_grad():
        batch = next(inference.batches(vae, cloud.test))
        posterior = vae.module_.posterior(batch)
        divergence = posterior.kl(vae.module_.prior(batch)).sum(1).mean().item()
        noise = torch.randn(4000, len(cloud.test), 2, generator=torch.Generator().manual_seed(9))
        z = posterior.mean + posterior.stddev * noise
        x = batch.x.repeat(4000, 1)
        likelihood = vae.module_.likelihood(z.reshape(-1, 2)).log_prob(x).sum(1).mean().item() + batch.log_jacobian
    assert summary["kl"] == pytest.approx(divergence, abs=1e-5)
    assert summary["elbo"] == pytest.approx(likelihood - divergence, abs=0.3)  # one draw per sample


def test_pca_in_the_summary_is_cut_to_what_the_data_allow():
    data = load_dataset("cloud", samples=30)
    summary = summarise(AE(latent_dim=7, network="mlp:4", epochs=1).fit(data.train), data)
    assert (summary["latent_dim"], summary["pca_latent_dim"]) == (7, 2)
    assert summary["squared_error"]["pca"] == pytest.approx(0, abs=1e-9)
    assert summary["elbo"] is None


def test_pixels_are_evaluated_on_the_scale_of_0_to_1(tmp_path):
    X = np.random.default_rng(0).integers(0, 256, (40, 1, 4, 4), dtype=np.uint8)
    np.save(tmp_path / "x.npy", X)
    data = load_dataset(tmp_path / "x.npy", test=0)
    summary = summarise(PCA(latent_dim=3).fit(data.train), data)
    assert summary["split"] == "training"
    assert summary["squared_error"]["mean"] == pytest.approx((X / 255).var(0).sum(), rel=1e-6)
    assert summary["squared_error"]["model"] == pytest.approx(summary["squared_error"]["pca"], rel=1e-6)


def test_whoever_stops_reading_keeps_the_model_of_that_moment(cloud, tmp_path):
    reports = record(AE(latent_dim=1, network="mlp:8", epochs=50), cloud, tmp_path / "run")
    while next(reports).epoch < 4:
        pass
    assert Run(tmp_path / "run").status == "running"
    reports.close()
    run = Run(tmp_path / "run")
    assert (run.status, run.record["epoch"], run.summary) == ("interrupted", 4, None)
    assert run.load().transform(cloud.test).shape == (len(cloud.test), 1)
    assert run.folder / "curves.png" in run.pictures


@pytest.mark.parametrize(("raised", "status"), [(KeyboardInterrupt, "interrupted"), (MemoryError, "failed")])
def test_what_is_raised_in_training_is_told_and_the_model_saved(raised, status, cloud, tmp_path):
    reports = record(AE(latent_dim=1, network="mlp:8", epochs=50), cloud, tmp_path / "run")
    next(reports)
    with pytest.raises(raised):
        reports.throw(raised("no room"))
    run = Run(tmp_path / "run")
    assert run.status == status
    assert run.record.get("error") == (None if status == "interrupted" else "MemoryError: no room")
    assert run.load().module_ is not None


def test_a_run_that_diverges_keeps_its_last_good_weights(cloud, tmp_path):
    ae = AE(
        latent_dim=1, network="mlp:8,activation=linear", epochs=400, optimizer="sgd", learning_rate=0.05, momentum=0.99
    )
    reports = record(ae, cloud, tmp_path / "run")
    for _ in range(2):
        next(reports)
    with torch.no_grad():
        for parameter in ae.module_.parameters():
            parameter.mul_(1e18)  # what a learning rate too high would do
    with pytest.raises(DivergedError):
        list(reports)
    run = Run(tmp_path / "run")
    assert run.status == "failed"
    assert run.record["error"].startswith("DivergedError: ")
    assert run.load() is not None


def test_a_mistake_that_shows_before_training_leaves_no_folder(cloud, tmp_path):
    with pytest.raises(ConfigError, match="epochs must be"):
        list(record(AE(epochs=0), cloud, tmp_path / "run"))
    with pytest.raises(narrows.errors.DataError, match=r"\[0, 1\]"):
        list(record(AE(likelihood="bernoulli", network="mlp:4"), cloud, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_folder_that_holds_something_is_left_as_it_is(finished, cloud, tmp_path):
    before = (finished[0].folder / "run.json").read_bytes()
    with pytest.raises(ConfigError, match="another run"):
        list(record(PCA(latent_dim=1), cloud, finished[0].folder))
    assert (finished[0].folder / "run.json").read_bytes() == before
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="something else"):
        list(record(PCA(latent_dim=1), cloud, tmp_path))
    with pytest.raises(ConfigError, match="something else"):
        list(record(PCA(latent_dim=1), cloud, tmp_path / "notes.txt"))
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_names_of_new_runs_count_on(tmp_path):
    names = [
        next_folder(tmp_path, "vae", data).name for data in ("mnist-5k", "mnist-5k", "a/My Data.csv.gz", "./é.npy")
    ]
    assert names == ["vae-mnist-5k-1", "vae-mnist-5k-2", "vae-my-data-1", "vae-data-1"]
    (tmp_path / "vae-mnist-5k-10").mkdir()
    assert next_folder(tmp_path, "vae", "mnist-5k").name == "vae-mnist-5k-11"


def test_a_run_whose_process_is_gone_counts_as_interrupted(finished, tmp_path):
    gone = {"process": {**this_process(), "pid": 2**22 + 5}}
    for process in (gone, {}):
        (tmp_path / "run.json").write_text(json.dumps({**finished[0].record, "status": "running", **process}))
        assert Run(tmp_path).status == "interrupted"


def test_a_last_line_that_was_cut_is_passed_over(finished, tmp_path):
    shutil.copytree(finished[0].folder, tmp_path / "cut")
    metrics = tmp_path / "cut" / "metrics.jsonl"
    metrics.write_text(metrics.read_text()[:-25])
    assert [entry["epoch"] for entry in Run(tmp_path / "cut").history] == [1, 2, 3, 4, 5]


def test_folders_that_hold_no_run_are_named(finished, tmp_path):
    with pytest.raises(FormatError, match=r"run\.json: must be a file; it is missing"):
        Run(tmp_path)
    (tmp_path / "run.json").write_text('{"format": 99}')
    with pytest.raises(FormatError, match="format must be 1; got 99"):
        Run(tmp_path)


def test_in_a_notebook_a_run_shows_itself(finished, tmp_path):
    shown = finished[0]._repr_html_()
    assert shown.count("data:image/png;base64,iVBOR") == 4
    errors = finished[0].summary["squared_error"]
    assert f"<td>{errors['model']:.4g}; PCA {errors['pca']:.4g}; the mean sample" in re.sub(" style='.*?'", "", shown)
    shutil.copytree(finished[0].folder, tmp_path / "<b>")
    assert "<b><b>" not in Run(tmp_path / "<b>")._repr_html_()


def test_pictures_show_one_sample_of_every_class_first():
    data = load_dataset("digits")
    _, X, y = representative(data)
    labels = [int(data.test_labels[np.flatnonzero((data.test == x).all(1))[0]]) for x in X]
    assert labels == y.tolist() == [0, 1, 2, 3, 4, 5, 6, 7]


def test_long_runs_get_pictures_at_few_epochs():
    assert [e for e in range(1, 1002) if has_picture(e, 1001)] == [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 1001]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cls", "given"),
    [(VAE, {"condition": "concat"}), (AE, {"code": "vq:8"}), (AE, {"penalty": ("l1:0.1", "adversarial:1")})],
)
def test_models_of_every_axis_are_recorded_and_resumed(cls, given, tmp_path):
    data = load_dataset("digits", limit=120, validation=0.2)
    estimator = cls(latent_dim=2, network="mlp:8", epochs=3, **given)
    reports = record(estimator, data, tmp_path / "run")
    while next(reports).epoch < 2:
        pass
    reports.close()
    assert Run(tmp_path / "run").status == "interrupted"
    list(resume(tmp_path / "run"))
    run = Run(tmp_path / "run")
    assert run.status == "finished"
    assert {path.name for path in run.pictures} >= {"reconstructions.png", "curves.png"}
    y = data.test_labels
    alone = cls(latent_dim=2, network="mlp:8", epochs=3, **given)
    list(record(alone, data, tmp_path / "alone"))
    np.testing.assert_array_equal(run.load().transform(data.test, y), alone.transform(data.test, y))
    assert run.summary == Run(tmp_path / "alone").summary
    assert "<img" in alone._repr_html_()
