"""ONNX files: what they compute is what torch computes, and nothing is left where it is not."""

import json

import numpy as np
import pytest
import torch

from export.exported import DIGITS, TABLE, close
from narrows import AE, PCA, VAE, export_model, load_onnx
from narrows.errors import ConfigError, DataError, FormatError
from narrows.export import models, onnx
from narrows.export.functions import FUNCTIONS
from narrows.probability.likelihoods import BernoulliLikelihood, ContinuousBernoulliLikelihood

onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra export")


@pytest.fixture(scope="module")
def pixels(tmp_path_factory):
    """An exported variational autoencoder of pixels."""
    model = VAE(latent_dim=2, network="mlp:6", epochs=1, likelihood="bernoulli").fit(DIGITS)
    folder = tmp_path_factory.mktemp("pixels") / "model"
    model.export(folder, X=DIGITS)
    return model, load_onnx(folder), folder


@pytest.mark.slow
def test_verbs_are_those_of_the_estimator(pixels):
    model, exported, _ = pixels
    for X in (DIGITS, DIGITS[:1], DIGITS.astype(np.float32) / 255, DIGITS[:, 0].astype(np.int64)):
        close(exported.transform(X), model.transform(X), model.transform(DIGITS).std())
        np.testing.assert_allclose(exported.score_samples(X), model.score_samples(X), rtol=1e-5)
        again = exported.reconstruct(X)
        assert again.dtype == np.uint8
        assert np.abs(again.astype(int) - model.reconstruct(X)).max() <= 1  # a value halfway is rounded to either
    Z = np.random.default_rng(0).normal(size=(5, 2))
    assert np.abs(exported.inverse_transform(Z).astype(int) - model.inverse_transform(Z)).max() <= 1


@pytest.mark.slow
def test_likelihoods_keep_their_digits_for_large_logits():
    """ONNX Runtime's sigmoid is 0 below -18, where torch's log(sigmoid) is the logit itself."""

    class Densities(torch.nn.Module):
        def forward(self, tensors):
            h, x = tensors["h"], tensors["x"]
            density, continuous = (
                of().distribution(h, h) for of in (BernoulliLikelihood, ContinuousBernoulliLikelihood)
            )
            return {"a": density.log_prob(x), "b": continuous.log_prob(x), "mean": continuous.mean}

    arrays = {"h": torch.linspace(-40, 40, 2001), "x": torch.rand(2001, generator=torch.Generator().manual_seed(0))}
    session = onnxruntime.InferenceSession(onnx.onnx_bytes(Densities(), arrays, None, {}))
    wanted = Densities()(arrays)
    for got, (name, value) in zip(
        session.run(None, {n: a.numpy() for n, a in arrays.items()}), wanted.items(), strict=True
    ):
        np.testing.assert_allclose(got, value.numpy(), atol=5e-6, rtol=0, err_msg=name)


@pytest.mark.slow
def test_files_say_what_they_are(pixels):
    model, _, folder = pixels
    assert {path.name for path in folder.iterdir()} == {"schema.json", *(f"{name}.onnx" for name in FUNCTIONS)}
    session = onnxruntime.InferenceSession(folder / "encoder.onnx")
    (x,), (z, log_variance) = session.get_inputs(), session.get_outputs()
    assert (x.name, x.type, x.shape) == ("x", "tensor(uint8)", ["batch", 1, 7, 6])
    assert (z.name, z.type, z.shape) == ("z", "tensor(float)", ["batch", 2])
    about = session.get_modelmeta().custom_metadata_map
    assert (about["model"], about["narrows_version"]) == ("VAE", "0.1.0")
    assert json.loads(about["schema"])["code"] == {"shape": [2], "dtype": "float32", "ordered": False, "levels": 0}
    assert log_variance.name == "log_variance"
    with torch.no_grad():
        batch = torch.from_numpy(DIGITS).float() / 255
        stddev = model.module_.posterior(models_batch(batch)).stddev
    np.testing.assert_allclose(
        session.run(["log_variance"], {"x": DIGITS})[0], 2 * stddev.log().numpy(), rtol=1e-4, atol=1e-5
    )


def models_batch(x):
    from narrows.module import Batch

    return Batch(x)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("X", "problem"),
    [
        (DIGITS[:, :, :3], r"VAE: X must have samples of shape \(1, 7, 6\), as in fit; got \(1, 3, 6\)"),
        (np.where(DIGITS > 200, np.nan, DIGITS), "missing values"),
        (DIGITS.astype(float) - 300, "VAE: X must be pixels as in fit"),
        (DIGITS / 255 + 0.001, "VAE: X must be"),
        (np.empty((0, 1, 7, 6), np.uint8), "one at least"),
        (np.array([["a"]]), "must hold real numbers"),
    ],
    ids=["shape", "nan", "range", "between", "empty", "text"],
)
def test_samples_that_do_not_fit_are_refused(pixels, X, problem):
    with pytest.raises(DataError, match=problem):
        pixels[1].transform(X)


@pytest.mark.slow
def test_codes_that_do_not_fit_are_refused(pixels):
    for Z, problem in ((np.zeros((2, 3)), r"codes of shape \(2,\); got \(3,\)"), ([[np.nan, 0]], "finite numbers")):
        with pytest.raises(DataError, match=problem):
            pixels[1].inverse_transform(Z)


@pytest.mark.slow
def test_a_folder_is_never_replaced_silently(pixels, tmp_path):
    model, _, folder = pixels
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for target, problem in (
        (folder, "holds an export. Add --force"), (tmp_path / "notes", "holds other files"),
        (tmp_path / "file", "is a file"), (tmp_path / "file" / "in", "must lie in a folder"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=problem):
            export_model(model, target)
    with pytest.raises(ConfigError, match="holds other files"):
        export_model(model, tmp_path / "notes", force=True)
    assert {path.name for path in tmp_path.iterdir()} == {"notes", "file"}


def test_options_are_checked_before_anything_is_written(tmp_path):
    model = AE(latent_dim=2, network="mlp:6", epochs=1).fit(TABLE)
    for options, problem in (
        ({"format": "onx"}, "format must be one of onnx, triton, torch; got 'onx'. Did you mean 'onnx'"),
        ({"format": "torch", "int8": True}, "int8 must go with the format onnx or triton"),
    ):
        with pytest.raises(ConfigError, match=problem):
            export_model(model, tmp_path / "out", **options)
    with pytest.raises(ConfigError, match="int8 must go with a model of single precision"):
        export_model(PCA(latent_dim=2).fit(TABLE), tmp_path / "out", int8=True)
    assert list(tmp_path.iterdir()) == []


def test_what_differs_from_torch_is_not_left_behind(tmp_path, monkeypatch):
    model = AE(latent_dim=2, network="mlp:6", epochs=1).fit(TABLE)

    def wrong(function, example, steps, about):
        for parameter in function.parameters():
            parameter.mul_(1.001)
        return onnx.onnx_bytes(function, example, steps, about)

    form = models.FORMATS["onnx"]
    monkeypatch.setitem(models.FORMATS, "onnx", form._replace(pack=wrong))
    with pytest.raises(ConfigError, match="encoder must be within 1e-05 of torch"):
        export_model(model, tmp_path / "out", X=TABLE)
    assert list(tmp_path.iterdir()) == []


def test_other_files_are_named(tmp_path):
    (tmp_path / "schema.json").write_text("{}")
    with pytest.raises(FormatError, match="must be a model that narrows exported"):
        load_onnx(tmp_path)
    with pytest.raises(FormatError, match="is missing"):
        load_onnx(tmp_path / "nowhere")
