"""Inception's features, from a file of random weights that is made here."""

import hashlib

import numpy as np
import pytest
import torch

from narrows.errors import DataError, FormatError
from narrows.evaluation import Features, inception, inception_features, measure_generation
from narrows.storage.tensors import write_tensors


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a module of random weights, and a file of them as they are published, classifier and all."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = inception.InceptionModule().eval()
    tensors = {name: t.numpy() for name, t in module.state_dict().items()}
    path = tmp_path_factory.mktemp("weights") / "inception.safetensors"
    write_tensors(path, tensors | {"fc.weight": np.zeros((1008, 2048), np.float32), "fc.bias": np.zeros(1008)})
    return module, path


def test_the_network_has_the_parameters_of_inception_without_its_classifier(made):
    shapes = {name: tuple(p.shape) for name, p in made[0].named_parameters()}
    assert sum(map(np.prod, shapes.values())) == 21_785_568
    assert len(shapes) == 94 * 3  # convolutions, each with scale and shift
    assert shapes["Mixed_5b.branch5x5_2.conv.weight"] == (64, 48, 5, 5)
    assert shapes["Mixed_6c.branch7x7dbl_4.conv.weight"] == (160, 160, 7, 1)
    assert shapes["Mixed_7c.branch3x3dbl_3b.conv.weight"] == (384, 384, 3, 1)
    assert shapes["Mixed_7a.branch7x7x3_4.bn.weight"] == (192,)


@pytest.mark.slow
def test_features_are_named_by_the_file_and_are_what_the_network_returns(made):
    module, path = made
    features = inception_features(path)
    assert features.name == f"inception:{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"
    grey = np.random.default_rng(0).integers(256, size=(3, 1, 20, 31)).astype(np.uint8)
    found = features.extract(grey)
    assert found.shape == (3, 2048)
    assert found.dtype == np.float64
    x = torch.from_numpy(grey).float().expand(-1, 3, -1, -1) / 255
    x = torch.nn.functional.interpolate(x, (299, 299), mode="bilinear", align_corners=False)
    with torch.inference_mode():
        np.testing.assert_allclose(found, module(x).numpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(features.extract(grey[:1] / 255.0), found[:1], rtol=1e-4, atol=1e-6)
    with pytest.raises(DataError, match=r"X must be images \(N, 1 or 3, H, W\); got \(3, 620\)"):
        features.extract(grey.reshape(3, -1))


def test_measures_carry_the_name():
    features = Features("inception:0123456789ab", lambda X: X.reshape(len(X), -1)[:, :4].astype(float))
    X = np.random.default_rng(0).normal(size=(40, 1, 3, 3))
    assert "frechet distance (inception:0123456789ab, n=40)" in measure_generation(X, X + 1, features=features)


def test_averages_leave_the_border_out_and_the_last_block_takes_the_greatest(made):
    ones = torch.ones(1, 1, 3, 3)
    assert torch.equal(inception._average(ones), ones)
    assert made[0].Mixed_7b.pool is inception._average
    assert made[0].Mixed_7c.pool is inception._greatest


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda tensors: tensors.pop("Mixed_5b.branch1x1.bn.bias"), "lacks 'Mixed_5b.branch1x1.bn.bias'"),
        (lambda tensors: tensors.update({"Mixed_8a.conv": np.zeros(1)}), "must not hold 'Mixed_8a.conv'"),
        (lambda tensors: tensors.update({"Conv2d_1a_3x3.bn.bias": np.zeros(3)}), r"of shape \(32,\); got"),
        (lambda tensors: tensors.update({"Conv2d_1a_3x3.bn.bias": np.full(32, np.nan)}), "must be finite"),
        (lambda tensors: tensors.update({"Conv2d_1a_3x3.bn.bias": np.zeros(32, int)}), "got int64"),
    ],
)
def test_other_weights_are_refused(made, monkeypatch, change, told):
    tensors = {name: t.numpy() for name, t in made[0].state_dict().items()}
    change(tensors)
    monkeypatch.setattr(inception, "read_tensors", lambda path: tensors)
    with pytest.raises(FormatError, match=told):
        inception_features(made[1])


def test_pickles_are_not_opened(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(FormatError, match="a pickle, which narrows never loads"):
        inception_features(path)
