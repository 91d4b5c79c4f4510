"""Write one small saved model of every kind, and what it returns: once per released format, and never again.

python tests/golden/write.py tests/golden/format_2       the models
python tests/golden/write.py tests/golden/losses.json    the losses of the first steps of training
"""

import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from narrows import AE, PCA, VAE
from narrows.estimators.base import Autoencoder
from narrows.storage.json import write_json
from narrows.storage.tensors import write_tensors


def data() -> dict[str, Any]:
    """Return samples by their kind; made without a generator, whose numbers may change."""
    n = np.arange(8 * 60)
    values = np.sin(n * n % 97 + n / 7).reshape(8, 60)
    return {
        "table": values[:, :6].astype(np.float32),
        "sequences": values[:, :15].reshape(8, 5, 3).astype(np.float32),
        "images": ((values[:, :42] + 1) * 127).astype(np.uint8).reshape(8, 1, 7, 6),
        "missing": np.where(values[:, 6:12] > 0.9, np.nan, values[:, 6:12]) * 1e3 + 1e6,
        "ragged": [row[: 3 * (i % 4 + 2)].reshape(-1, 3).astype(np.float32) for i, row in enumerate(values)],
    }


LABELS = np.array(["b", "a", "b", "c", "a", "b", "c", "a"])


def models() -> dict[str, tuple[Autoencoder, str]]:
    """Return estimators by name, and the kind of samples that they take."""
    scaled: dict[str, Any] = {"latent_dim": 2, "epochs": 2, "batch_size": 4}
    small: dict[str, Any] = {**scaled, "scale": None}
    return {
        "pca": (PCA(latent_dim=2, whiten=True), "table"),
        "ae_mlp": (
            AE(**small, network="mlp:3,tied=true", corruption="gaussian:0.1", adam_betas=(0.8, 0.9)), "table"
        ),
        "ae_conv": (AE(**small, network="conv:3,batch_norm=true", likelihood="bernoulli"), "images"),
        "ae_recurrent": (AE(**small, network="recurrent:3"), "sequences"),
        "ae_ragged": (AE(**scaled, network="recurrent:3", code="ordered"), "ragged"),
        "ae_vq": (AE(**small, network="conv:3", code="vq:4"), "images"),
        "ae_adversarial": (AE(**scaled, network="mlp:3", penalty=("l1:0.1", "adversarial:1,hidden=4")), "missing"),
        "vae_mlp": (VAE(**small, network="mlp:3", beta=0.5), "table"),
        "vae_residual": (VAE(**scaled, network="residual:3", condition="concat"), "missing"),
        "vae_conv": (VAE(**small, network="conv:3", likelihood="discretized_logistic"), "images"),
    }  # fmt: skip


def outputs(model: Autoencoder, X: Any) -> dict[str, np.ndarray]:
    """Return what a fitted model computes of samples."""
    Z = model.transform(X, LABELS)
    return {"codes": Z, "decoded": model.inverse_transform(Z, LABELS), "scores": model.score_samples(X, LABELS)}


def losses(name: str) -> list[float]:
    """Return the loss of each of the first 20 steps, of a model whose every field of training is given."""
    model, kind = models()[name]
    model.set_params(
        epochs=20, batch_size=None, optimizer="adam", learning_rate=1e-2, schedule="cosine", warmup=0.1, seed=7,
        precision="fp32", data_bias=True, corruption=None, device="cpu",
    )  # fmt: skip
    return [report.train["loss"] for report in model.fit_iter(data()[kind], LABELS) if report.end_of_epoch]


def trained() -> list[str]:
    """Return the names of the models that are trained in steps."""
    return [name for name, (model, _) in models().items() if "epochs" in model.get_params()]


def machine() -> str:
    """Return what the last bits of results depend on, on one thread."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    processor = names[0] if names else platform.processor() or platform.machine()
    return f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, {processor}"


if __name__ == "__main__" and sys.argv[1].endswith(".json"):
    torch.set_num_threads(1)
    write_json(Path(sys.argv[1]), {"machine": machine(), "losses": {name: losses(name) for name in trained()}})
elif __name__ == "__main__":
    folder = Path(sys.argv[1])
    for name, (model, kind) in models().items():
        model.fit(data()[kind], LABELS).save(folder / name)
        write_tensors(folder / name / "expected.safetensors", outputs(model, data()[kind]))
