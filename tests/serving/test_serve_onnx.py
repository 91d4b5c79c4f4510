"""Runs whose export ONNX Runtime computes: the answers, and the sentences, are the estimator's."""

import json
import os

import numpy as np
import pytest

from narrows.runs import Run
from narrows.serve.exported import exported
from serving.serving_client import PIXELS, TABLE, client, infer, run_of, tensor

pytestmark = pytest.mark.slow  # torch takes seconds to export a function
VERBS = ("encode", "reconstruct", "score", "denoise")


@pytest.fixture(scope="module", params=["pixels", "table"])
def run(request, tmp_path_factory):
    import shutil

    pytest.importorskip("onnxruntime", reason='pip install "narrows[export]"')
    pytest.importorskip("onnxscript", reason='pip install "narrows[export]"')
    folder = tmp_path_factory.mktemp("runs") / request.param
    run = Run(shutil.copytree(run_of(request.param).folder, folder))
    X = PIXELS if request.param == "pixels" else TABLE
    run.load().export(run.folder / "export" / "onnx", X=X)
    return run, X


def test_the_answers_are_those_of_torch(run):
    chosen, X = run
    with client(chosen) as served, client(run_of(chosen.name)) as plain:
        about = served.get(f"/v2/models/{chosen.name}-encode").json()
        assert about["platform"] == "onnxruntime_onnx"
        assert plain.get(f"/v2/models/{chosen.name}-encode").json() == about | {"platform": "pytorch"}
        for verb in VERBS:
            for given in (X[:7], (X[:7] / 255).astype(np.float32) if X.dtype == np.uint8 else X[:7].tolist()):
                given = np.asarray(given)
                got, wanted = (infer(each, f"{chosen.name}-{verb}", x=given) for each in (served, plain))
                assert got.dtype == wanted.dtype
                np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1 if got.dtype == np.uint8 else 1e-5)
        Z = infer(plain, f"{chosen.name}-encode", x=X[:7])
        got, wanted = (infer(each, f"{chosen.name}-decode", z=Z) for each in (served, plain))
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1 if got.dtype == np.uint8 else 1e-5)


def test_what_is_wrong_is_said_in_the_estimators_words(run):
    chosen, X = run
    with client(chosen) as served, client(run_of(chosen.name)) as plain:
        for wrong in (np.zeros((1, 2)), np.full((1, *X.shape[1:]), np.inf), np.zeros((0, *X.shape[1:]))):
            body = json.dumps({"inputs": [tensor("x", wrong)]})
            errors = [each.post(f"/v2/models/{chosen.name}-encode/infer", content=body) for each in (served, plain)]
            assert [error.status_code for error in errors] == [400, 400]
            assert errors[0].json() == errors[1].json()


def test_an_export_that_is_older_than_its_model_is_not_used(run):
    chosen, _ = run
    model = chosen.model_folder / "model.json"
    assert exported(chosen) is not None
    before = model.stat()
    try:
        os.utime(model, (before.st_atime + 1000, before.st_mtime + 1000))
        assert exported(chosen) is None
    finally:
        os.utime(model, ns=(before.st_atime_ns, before.st_mtime_ns))
