"""Networks of the exported page: what the page computes is what torch computes, and the rest is refused by name."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from torch import nn

from narrows import AE, PCA, VAE
from narrows.estimators.inference import evaluating
from narrows.export.graph import graph_of
from narrows.export.layers import UnsupportedError
from narrows.module import Batch
from narrows.nn import MLP, Conv, Residual

WEB = Path(__file__).parents[2] / "web"
DIGITS = np.random.default_rng(0).integers(0, 256, (24, 1, 12, 9)).astype(np.uint8)
GREY = DIGITS[:, :, :7].astype(np.float32) / 255
TABLE = np.random.default_rng(1).normal(2, 3, (30, 5))
WAVES = np.random.default_rng(2).normal(size=(20, 11, 3))


def own():
    """Return a user-defined network with layers that those of narrows do not have."""
    encoder = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.GELU(), nn.MaxPool2d(2, ceil_mode=True), nn.Flatten(),
        nn.Linear(4 * 6 * 5, 12), nn.LayerNorm(12), nn.GELU("tanh"), nn.Dropout(0.5), nn.Linear(12, 3),
    )  # fmt: skip
    decoder = nn.Sequential(
        nn.Linear(3, 4 * 6 * 3), nn.LeakyReLU(0.1), nn.Unflatten(1, (4, 6, 3)), nn.Upsample(scale_factor=2),
        nn.Conv2d(4, 3, 3, 1, (1, 1)), nn.Softplus(), nn.ConvTranspose2d(3, 2, (1, 2), (1, 1), (0, 0)), nn.SiLU(),
        nn.Upsample(scale_factor=(1, 3), mode="bilinear"), nn.AvgPool2d((1, 2), (1, 3), ceil_mode=True),
        nn.Conv2d(2, 1, (1, 1), padding=(0, 1), bias=False), nn.Tanh(),
    )  # fmt: skip
    return encoder, decoder


CASES = {
    "pca": (PCA(latent_dim=3, whiten=True), TABLE),
    "residual_vae": (VAE(latent_dim=3, network=Residual(hidden=(16,)), likelihood="bernoulli"), DIGITS),
    "residual_table": (VAE(latent_dim=2), TABLE),
    "residual_odd": (AE(latent_dim=3, network=Residual(hidden=(8, 6), activation="silu")), GREY),
    "residual_sigmoid": (AE(latent_dim=3, network=Residual(output_activation="sigmoid")), DIGITS),
    "residual_tanh": (AE(latent_dim=3, network=Residual(output_activation="tanh", activation="gelu")), GREY),
    "residual_continuous": (VAE(latent_dim=2, likelihood="continuous_bernoulli"), GREY),
    "mlp_tied": (
        AE(latent_dim=2, network=MLP(hidden=(7,), tied=True, activation="elu"), code="continuous:tanh"),
        TABLE,
    ),
    "mlp_logistic": (VAE(latent_dim=2, network=MLP(hidden=(9, 5)), likelihood="discretized_logistic"), DIGITS),
    "conv": (VAE(latent_dim=3, network=Conv(hidden=(4, 5), batch_norm=True, activation="selu")), DIGITS),
    "conv_average": (AE(latent_dim=3, network=Conv(hidden=(4, 5), downsample="average", kernel=5)), GREY),
    "conv_waves": (AE(latent_dim=2, network=Conv(hidden=(4, 6), downsample="max"), code="ordered"), WAVES),
    "own": (AE(latent_dim=3, network=own(), likelihood="laplace"), DIGITS),
}


def fitted(estimator, X):
    """Return the module of an estimator after a step, all of its weights moved: no layer may be left at zero."""
    estimator = estimator if isinstance(estimator, PCA) else estimator.set_params(epochs=1)
    module = estimator.fit(X).module_
    rng = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for value in module.parameters() if not isinstance(estimator, PCA) else []:
            value += 0.05 * torch.randn(value.shape, generator=rng)
    return estimator, module


def case_of(estimator, X, path):
    """Write the layers and weights of a model, and what torch makes of samples and codes."""
    estimator, module = fitted(estimator, X)
    graph = graph_of(module)
    x = torch.from_numpy(estimator.schema_.values(estimator.arrays(X[:5])))
    z = torch.randn(5, *module.code.shape, generator=torch.Generator().manual_seed(1), dtype=x.dtype)
    with evaluating(module.double()):  # the page computes in double precision
        tensors = {"x": x, "z": z, "encoded": module.encode(Batch(x)), "decoded": module.decode(z)}
    arrays = {name: np.ascontiguousarray(value.float().numpy()) for name, value in tensors.items()}
    layers = json.dumps({"encoder": graph.encoder, "decoder": graph.decoder})
    save_file(graph.tensors | arrays, path, {"json": layers})


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npx") is None, reason="needs Node")
@pytest.mark.skipif(not (WEB / "node_modules").is_dir(), reason="needs `npm ci` in web/")
def test_page_computes_what_torch_computes(tmp_path, monkeypatch):
    for name, (estimator, X) in CASES.items():
        case_of(estimator, X, tmp_path / f"{name}.safetensors")
    monkeypatch.setenv("NARROWS_CASES", str(tmp_path))
    command = ["npx", "vitest", "run", "test/offline/torch.test.ts"]
    done = subprocess.run(command, cwd=WEB, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert f"{len(CASES)} passed" in done.stdout


@pytest.mark.parametrize(
    ("estimator", "X", "part"),
    [
        (AE(network="recurrent", latent_dim=2), WAVES, "RecurrentEncoder"),
        (AE(code="vq:4", network="mlp", latent_dim=2), TABLE, "codes that are indices"),
        (AE(network=(nn.Linear(5, 2), nn.Sequential(nn.Linear(2, 5), nn.Hardtanh())), latent_dim=2), TABLE, "Hardtanh"),
    ],
    ids=["recurrent", "indices", "own"],
)
def test_other_networks_are_named(estimator, X, part):
    _, module = fitted(estimator, X)
    with pytest.raises(UnsupportedError, match=part):
        graph_of(module)
