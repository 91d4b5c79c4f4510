"""Models saved by released versions load for ever and say what they said; training takes the steps that it took."""

import json
from pathlib import Path

import numpy as np
import pytest

from golden.write import data, losses, machine, models, outputs, trained
from narrows.estimators.loading import load_model
from narrows.estimators.persistence import describe_all
from narrows.storage.tensors import read_tensors

FOLDERS = sorted(Path(__file__).parent.glob("format_*/*"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}-{folder.name}")
def test_saved_models(folder: Path) -> None:
    like, kind = models()[folder.name]
    model = load_model(folder)
    assert type(model) is type(like)
    stored = json.loads((folder / "model.json").read_text())["parameters"]
    described = describe_all(model)
    assert {name: described[name] for name in stored} == stored  # parameters that are new have their default
    assert model.schema_.pixels == (kind == "images")
    assert [epoch["epoch"] for epoch in model.history_] == ([1] if folder.name == "pca" else [1, 2])
    expected = read_tensors(folder / "expected.safetensors")
    for name, values in outputs(model, data()[kind]).items():
        atol = 2e-5 * max(1, np.abs(expected[name].astype(float)).max())
        np.testing.assert_allclose(values, expected[name], rtol=2e-5, atol=atol, err_msg=name)


def test_every_kind_is_there() -> None:
    assert {folder.name for folder in FOLDERS} == models().keys()


@pytest.mark.parametrize("name", trained())
def test_the_first_twenty_steps(name: str) -> None:
    recorded = json.loads((Path(__file__).parent / "losses.json").read_text())
    if recorded["machine"] == machine():
        assert losses(name) == recorded["losses"][name]  # to the last bit
    np.testing.assert_allclose(losses(name), recorded["losses"][name], rtol=1e-4)
