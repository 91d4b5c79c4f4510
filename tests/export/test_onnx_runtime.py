"""Exported models in processes that have neither torch nor narrows' other requirements, and all kinds of samples."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.exceptions import DataConversionWarning

from export.exported import DIGITS, LABELS, RAGGED, TABLE, close
from narrows import AE, PCA, VAE, export_model, load_onnx
from narrows.errors import ConfigError, DataError
from narrows.export.document import document_of
from narrows.export.functions import FUNCTIONS
from narrows.export.triton import configuration
from narrows.storage.json import plain

pytest.importorskip("onnxruntime", reason="needs the extra export")

ALONE = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "sklearn", "scipy", "narwhals", "pandas", "PIL", "onnx", "safetensors"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
import numpy as np
import narrows

model = narrows.load_onnx(sys.argv[1])
X = np.load(sys.argv[2])
Z = model.transform(X)
np.savez(sys.argv[3], z=Z, x=model.inverse_transform(Z), again=model.reconstruct(X), score=model.score_samples(X))
"""
PROGRAM = """
import sys
import numpy as np
import torch

arrays = {name: torch.from_numpy(value) for name, value in np.load(sys.argv[2]).items()}
program = torch.export.load(sys.argv[1]).module()
np.savez(sys.argv[3], **{name: value.detach().numpy() for name, value in program(arrays).items()})
assert "narrows" not in sys.modules
"""


@pytest.mark.parametrize("high", [1.0, 255.0])
def test_what_needs_no_conversion_is_told_from_what_does(tmp_path, high):
    """Without a session: values in the unit of fit pass as they are; of others the estimator's errors are raised."""
    X = np.random.default_rng(0).random((20, 6)).astype(np.float32) * high
    model = PCA(latent_dim=2, scale=None).fit(X)
    document = document_of(model, "run", "") | {"functions": {name: {"file": f"{name}.onnx"} for name in FUNCTIONS}}
    (tmp_path / "schema.json").write_text(json.dumps(plain(document)))
    exported = load_onnx(tmp_path)
    assert exported.inputs(X)["x"] is X
    for value in (np.inf, -np.inf):
        wrong = X.copy()
        wrong[3, 4] = value
        with pytest.raises(DataError, match="PCA: X must hold finite numbers"):
            exported.inputs(wrong)
    gap = np.where(X.max() == X, np.nan, X)
    np.testing.assert_array_equal(exported.inputs(gap)["x"], gap)
    with pytest.warns(DataConversionWarning, match="PCA: X lies from"):
        exported.inputs(X.astype(np.float64) * 1e6)
    zeros = np.zeros((1, 6), np.float32)
    np.testing.assert_array_equal(exported.inputs(zeros)["x"], zeros)
    negative = -X
    np.testing.assert_array_equal(exported.inputs(negative)["x"], negative)


@pytest.mark.slow
def test_numpy_and_onnxruntime_are_enough(tmp_path):
    model = VAE(latent_dim=2, network="mlp:6", epochs=1).fit(TABLE)
    model.export(tmp_path / "model", X=TABLE)
    np.save(tmp_path / "x.npy", TABLE)
    command = [sys.executable, "-c", ALONE, *(str(tmp_path / name) for name in ("model", "x.npy", "out.npz"))]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = np.load(tmp_path / "out.npz")
    Z = model.transform(TABLE)
    close(found["z"], Z)
    close(found["x"], model.inverse_transform(Z))
    close(found["again"], model.reconstruct(TABLE))
    np.testing.assert_allclose(found["score"], model.score_samples(TABLE), rtol=1e-5)


@pytest.mark.slow
def test_programs_run_by_torch_alone(tmp_path):
    model = VAE(latent_dim=2, network="recurrent:5", condition="concat", epochs=1).fit(RAGGED, LABELS)
    files = export_model(model, tmp_path / "model", "torch", X=RAGGED, y=LABELS)
    assert [file.path.name for file in files] == [f"{n}.pt2" for n in ("encoder", "decoder", "reconstruct", "score")]
    assert all(file.difference <= 1e-5 for file in files)
    x = np.zeros((len(RAGGED), 5, 3), np.float32)
    for row, sequence in zip(x, RAGGED, strict=True):
        row[: len(sequence)] = sequence
    y = np.array([sorted(set(LABELS)).index(label) for label in LABELS])
    np.savez(tmp_path / "in.npz", x=x, y=y, lengths=np.array([len(s) for s in RAGGED]))
    paths = (tmp_path / "model" / "encoder.pt2", tmp_path / "in.npz", tmp_path / "out.npz")
    command = [sys.executable, "-c", PROGRAM, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    close(np.load(tmp_path / "out.npz")["z"], model.transform(RAGGED, LABELS))


@pytest.mark.slow
def test_sequences_of_different_length_with_labels(tmp_path):
    model = AE(latent_dim=2, network="recurrent:5", condition="concat", epochs=1).fit(RAGGED, LABELS)
    model.export(tmp_path / "model")  # on samples that it decodes itself
    exported = load_onnx(tmp_path / "model")
    close(exported.transform(RAGGED, LABELS), model.transform(RAGGED, LABELS))
    again = exported.reconstruct(RAGGED[:4], LABELS[:4])
    assert [x.shape for x in again] == [x.shape for x in RAGGED[:4]]
    for one, other in zip(again, model.reconstruct(RAGGED[:4], y=LABELS[:4]), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-4)
    close(exported.transform(RAGGED[:1], ["a"]), model.transform(RAGGED[:1], ["a"]), 1.0)
    for X, y, problem in (
        (RAGGED, None, "y must be given"), (RAGGED[:1], ["z"], "classes of training"),
        ([np.zeros((9, 3))], ["a"], "at most 5 steps"), ([np.zeros((2, 4))], ["a"], "must have samples of shape"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=problem):
            exported.transform(X, y)


@pytest.mark.slow
def test_columns_of_frames_are_put_in_order_by_name(tmp_path):
    frame = pd.DataFrame(TABLE, columns=list("abcdef")).astype({"b": "int64"})
    model = PCA(latent_dim=2, scale="standard").fit(frame)
    model.export(tmp_path / "model", X=frame)
    exported = load_onnx(tmp_path / "model")
    other = frame[list("fbdace")]
    wanted = model.transform(frame)
    for X in (frame, other, pl.from_pandas(other), pl.from_pandas(other).to_arrow(), frame.to_numpy()):
        close(exported.transform(X), wanted)
    assert exported.columns == tuple("abcdef")
    np.testing.assert_allclose(exported.score_samples(other), model.score_samples(frame), rtol=1e-6)
    again, wanted = exported.reconstruct(other), model.reconstruct(frame).to_numpy()
    close(again[:, [0, 2, 3, 4, 5]], wanted[:, [0, 2, 3, 4, 5]])
    assert np.abs(again[:, 1] - wanted[:, 1]).max() <= 0.5 + 1e-6  # a frame has whole numbers there, an array has not
    Z = model.transform(frame)
    np.testing.assert_allclose(exported.inverse_transform(Z[:, :1]), model.inverse_transform(Z[:, :1]), atol=0.51)
    with pytest.raises(DataError, match=r"no column 'c'"):
        exported.transform(frame.drop(columns="c"))
    some = frame.assign(a=frame["a"].where(frame.index > 0))
    close(exported.transform(some), model.transform(some))


@pytest.mark.slow
def test_images_keep_the_order_of_their_axes_and_indices_are_codes(tmp_path):
    images = DIGITS.transpose(0, 2, 3, 1)
    with pytest.warns(UserWarning, match="taken as images"):
        model = AE(latent_dim=2, network="conv:4", code="vq:6", epochs=1).fit(images)
    files = export_model(model, tmp_path / "model", X=images)
    assert files[0].outputs == ("z int64 (batch, 4, 3)",)
    exported = load_onnx(tmp_path / "model")
    np.testing.assert_array_equal(exported.transform(images), model.transform(images))
    assert np.abs(exported.reconstruct(images).astype(int) - model.reconstruct(images)).max() <= 1
    with pytest.raises(DataError, match="indices from 0 to 5"):
        exported.inverse_transform(np.full((1, 4, 3), 6))


@pytest.mark.slow
def test_int8_is_smaller_and_tells_its_error(tmp_path):
    model = AE(latent_dim=2, network="mlp:200", epochs=1).fit(TABLE)
    exact = export_model(model, tmp_path / "exact", X=TABLE)
    small = export_model(model, tmp_path / "int8", X=TABLE, int8=True)
    assert all(file.int8 is None for file in exact)
    assert 1e-5 < small[0].int8 < 0.5
    apart = np.abs(load_onnx(tmp_path / "int8").transform(TABLE) - model.transform(TABLE)).max()
    assert apart / model.transform(TABLE).std() == pytest.approx(small[0].int8, rel=0.05)


@pytest.mark.slow
def test_triton_finds_a_model_per_function(tmp_path):
    model = AE(latent_dim=2, network="mlp:6", epochs=1, condition="concat").fit(DIGITS, LABELS)
    files = export_model(model, tmp_path / "models", "triton", X=DIGITS, y=LABELS, name="digits")
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == [
        "digits-decode", "digits-encode", "digits-reconstruct", "digits-score", "schema.json",
    ]  # fmt: skip
    assert files[0].path == tmp_path / "models" / "digits-encode" / "1" / "model.onnx"
    text = (tmp_path / "models" / "digits-encode" / "config.pbtxt").read_text()
    assert 'name: "x" data_type: TYPE_UINT8 dims: [ 1, 7, 6 ]' in text
    assert 'name: "y" data_type: TYPE_INT64 dims: [ 1 ] reshape { shape: [ ] }' in text
    assert "dynamic_batching" in text


def test_the_configuration_names_axes_that_are_free():
    port = {"name": "x", "dtype": "float64", "shape": ["batch", "time", 3]}
    (text,) = configuration("waves", "encoder", {"inputs": [port], "outputs": []}).values()
    assert b'{ name: "x" data_type: TYPE_FP64 dims: [ -1, 3 ] }' in text


def test_what_torch_cannot_export_is_named(tmp_path):
    class Fixed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(6, 2)

        def forward(self, x):
            return self.linear(x) * (2.0 if float(x.sum()) > 0 else 1.0)

    model = AE(latent_dim=2, network=(Fixed(), torch.nn.Linear(2, 6)), epochs=1).fit(TABLE)
    # torch 2.6 does export it, for one size of batch alone.
    with pytest.raises(ConfigError, match=r"must be one that torch exports to ONNX|must take batches of any size"):
        model.export(tmp_path / "model", X=TABLE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_command_writes_and_says_what_was_measured(tmp_path, monkeypatch, capsys):
    from narrows import load_dataset
    from narrows.cli.app import main
    from narrows.runs import record

    monkeypatch.chdir(tmp_path)
    list(record(PCA(latent_dim=1), load_dataset("cloud", samples=40), "runs/cloud", pictures=False))
    assert main(["export", "cloud", "--to", "onnx", "out"]) == 0
    printed = capsys.readouterr().out
    assert "encoder.onnx:" in printed
    assert "from torch" in printed
    assert json.loads((tmp_path / "out" / "schema.json").read_text())["run"] == "cloud"
    for given, problem in (
        (["--to", "onnx", "out"], "holds an export. Add --force"), (["--int8"], "--int8 must go with --to onnx"),
        (["--to", "onnx", "--int8", "new"], "computes in double"),
    ):  # fmt: skip
        assert main(["export", "cloud", *given]) == 2
        assert problem in " ".join(capsys.readouterr().err.split())
    assert main(["export", "cloud", "--to", "onnx", "out", "--force"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"out", "runs"}
