"""What is measured: the works, who does them, and how much faster narrows wants to be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Contender:
    """A script, the environment it runs in, and what it is told besides the work's settings."""

    title: str
    script: str
    environment: str
    library: str
    """Its bare import is what memory is counted from."""
    options: dict[str, Any] = field(default_factory=dict)
    limit: bool = False
    """Whether this is only a bound on what can be reached, and no rival."""


CONTENDERS = {
    "narrows": Contender("narrows", "narrows_fit.py", "narrows", "torch"),
    "narrows_compiled": Contender("narrows, compiled", "narrows_fit.py", "narrows", "torch", {"compile": True}),
    "narrows_bf16": Contender("narrows, bf16 forced", "narrows_fit.py", "narrows", "torch", {"precision": "bf16"}),
    "torch_classic": Contender("classic PyTorch script", "torch_classic.py", "torch", "torch"),
    "torch_memory": Contender("PyTorch in memory", "torch_memory.py", "torch", "torch"),
    "lightning": Contender("Lightning", "lightning_fit.py", "lightning", "torch"),
    "keras_jax": Contender("Keras on JAX", "keras_jax.py", "jax", "jax"),
    "jax_scan": Contender("JAX with a scan", "jax_scan.py", "jax", "jax"),
    "pythae": Contender("pythae", "pythae_fit.py", "pythae", "torch"),
    "pyod": Contender("pyod", "pyod_fit.py", "pyod", "torch"),
    "sklearn_eigh": Contender(
        "scikit-learn covariance_eigh", "sklearn_pca.py", "sklearn", "numpy", {"solver": "covariance_eigh"}
    ),
    "sklearn_randomized": Contender(
        "scikit-learn randomized", "sklearn_pca.py", "sklearn", "numpy", {"solver": "randomized"}
    ),
    "faiss": Contender("faiss", "faiss_pca.py", "faiss", "numpy"),
    "onnx": Contender("ONNX Runtime int8", "onnx_encode.py", "onnx", "numpy"),
    "gemm_fp32": Contender(
        "matrix products only, fp32", "gemm.py", "torch", "torch", {"precision": "fp32"}, limit=True
    ),
    "gemm_bf16": Contender(
        "matrix products only, bf16", "gemm.py", "torch", "torch", {"precision": "bf16"}, limit=True
    ),
}


@dataclass(frozen=True)
class Goal:
    """The fastest of these is to take at least `times` as long as narrows."""

    times: float
    against: tuple[str, ...]


@dataclass(frozen=True)
class Work:
    """One kind of work, the same for all its contenders."""

    title: str
    call: str
    """Which function of the contenders' scripts."""
    settings: dict[str, Any]
    quick: dict[str, Any]
    """Settings that `--quick` makes smaller."""
    contenders: tuple[str, ...]
    goals: tuple[Goal, ...] = ()
    reference: str | None = None
    """Whose result, over two seeds, says what is as good."""
    least: float = 0.0
    """A difference from the reference that is none."""
    limit: float | None = None
    """In place of a reference: the most that the measure may be."""
    alike: bool = False
    """Whether another work runs the same code, so that `--quick` leaves this one out."""
    whole: bool = False
    """Whether the whole process is timed, from its start to its end."""
    long: bool = False
    """Whether three rounds must do."""
    per: str = ""
    """The setting that says how often the measured work is done in a round; once without one."""


GEMM = ("gemm_fp32", "gemm_bf16")
EVERYBODY = ("narrows", "torch_classic", "torch_memory", "lightning", "keras_jax", "jax_scan")
FRAMEWORKS = ("torch_memory", "lightning", "keras_jax", "jax_scan", "pythae")
SKLEARN = ("sklearn_eigh", "sklearn_randomized")
CLASSIC = 105.70
"""Nats per image that the classic script reaches on the test images after its ten epochs."""

WORKS = {
    "vae": Work(
        "VAE 784-400-20, batch 128: one epoch of MNIST", "train",
        {"network": "vae", "rows": 60_000, "batch": 128}, {"rows": 1000},
        (*EVERYBODY, "narrows_compiled", "pythae", *GEMM),
        (Goal(6.5, ("torch_classic",)), Goal(1, FRAMEWORKS)), "torch_memory",
    ),
    "vae10": Work(
        "the same VAE, 10 epochs with evaluation on the test set: whole process", "whole",
        {"epochs": 10}, {"epochs": 2}, (*EVERYBODY, "narrows_compiled"), (Goal(6, ("torch_classic",)),), "torch_memory",
        whole=True, long=True,
    ),
    "target": Work(
        f"the same VAE to a test loss of {CLASSIC:.2f}: whole process", "whole",
        {"epochs": 15, "target": CLASSIC}, {"epochs": 2}, EVERYBODY, (Goal(16, ("torch_classic",)),),
        limit=CLASSIC, alike=True, whole=True, long=True,
    ),
    "conv": Work(
        "convolutional VAE 1-32-64, stride 2, latent dimension 16: one epoch", "train",
        {"network": "conv", "rows": 60_000, "batch": 128}, {"rows": 256},
        ("narrows", "torch_memory", "keras_jax"), (Goal(1.4, ("torch_memory",)),), "torch_memory", long=True,
    ),
    "lstm": Work(
        "LSTM 28 x 28, 100-30: one epoch", "train",
        {"network": "lstm", "rows": 60_000, "batch": 128}, {"rows": 256},
        ("narrows", "torch_memory", "keras_jax"), (Goal(1.25, ("torch_memory",)),), "torch_memory", long=True,
    ),
    "deep": Work(
        "sigmoid network 784-256-128-32, full batch of 5,000: one step", "train",
        {"network": "deep", "rows": 5000, "batch": None, "epochs": 20}, {"rows": 500, "epochs": 3},
        ("narrows", "narrows_compiled", "torch_memory", *GEMM),
        (Goal(1.9, ("torch_memory",)),), "torch_memory", per="epochs",
    ),
    "sparse": Work(
        "sparse network 784-1000-784, full batch of 5,000: one step", "train",
        {"network": "sparse", "rows": 5000, "batch": None, "epochs": 20}, {"rows": 500, "epochs": 3},
        ("narrows", "narrows_compiled", "torch_memory", *GEMM),
        (Goal(1.9, ("torch_memory",)),), "torch_memory", alike=True, per="epochs",
    ),
    "scores": Work(
        "autoencoder 784-400-20: 3 epochs of 10,000 samples and anomaly scores", "scores",
        {"rows": 10_000, "epochs": 3}, {"rows": 500, "epochs": 1},
        ("narrows", "torch_memory", "pyod"), (Goal(1, ("torch_memory", "pyod")),), "torch_memory",
    ),
    "pca64": Work(
        "PCA 60,000 x 784, k = 64", "pca", {"data": "tall", "k": 64}, {},
        ("narrows", *SKLEARN, "torch_memory", "faiss"), (Goal(1, SKLEARN),), limit=1e-5,
    ),
    "pca256": Work(
        "PCA 60,000 x 784, k = 256", "pca", {"data": "tall", "k": 256}, {},
        ("narrows", *SKLEARN, "torch_memory", "faiss"), (Goal(1, SKLEARN),), limit=1e-5, alike=True,
    ),
    "pca_pixels": Work(
        "PCA 60,000 x 784 of 8-bit pixels, k = 64", "pca", {"data": "pixels", "k": 64}, {},
        ("narrows", *SKLEARN), (Goal(1, SKLEARN),), limit=1e-5, alike=True,
    ),
    "pca_wide": Work(
        "PCA 13,000 x 12,288, k = 256", "pca", {"data": "wide", "k": 256}, {"k": 32},
        ("narrows", "sklearn_randomized", "torch_memory"), (Goal(2, ("sklearn_randomized",)),),
        "sklearn_randomized", least=1e-5, long=True,
    ),
    "encode": Work(
        "encode 10,000 digits", "encode", {"rows": 10_000, "calls": 10}, {"rows": 500, "calls": 2},
        ("narrows", "narrows_bf16", "torch_memory", "onnx"), (Goal(2, ("torch_memory",)),), limit=0.02, per="calls",
    ),
    "encode_one": Work(
        "encode one digit", "encode", {"rows": 1, "calls": 1000}, {"calls": 50},
        ("narrows", "torch_memory", "onnx"), (Goal(1.5, ("torch_memory",)),), limit=0.02, alike=True, per="calls",
    ),
}  # fmt: skip

PYTHON = "{python}"
STARTUP: dict[str, tuple[str, str, tuple[str, ...], float | None]] = {
    "help": ("narrows --help", "narrows", ("{bin}/narrows", "--help"), 0.4),
    "first_step": ("narrows train, until the first step", "narrows", (PYTHON, "{contenders}/first_step.py"), 2.0),
    "import": ("import narrows", "narrows", (PYTHON, "-c", "import narrows"), None),
    "model": ("from narrows import VAE", "narrows", (PYTHON, "-c", "from narrows import VAE"), None),
    "torch": ("import torch", "torch", (PYTHON, "-c", "import torch"), None),
    "lightning": ("import lightning", "lightning", (PYTHON, "-c", "import lightning"), None),
    "keras": ("import keras", "jax", (PYTHON, "-c", "import keras"), None),
    "pythae": ("from pythae.models import VAE", "pythae", (PYTHON, "-c", "from pythae.models import VAE"), None),
    "sklearn": ("from sklearn.decomposition import PCA", "sklearn",
                (PYTHON, "-c", "from sklearn.decomposition import PCA"), None),
}  # fmt: skip
"""Title, environment, command, and the most seconds that it may take."""

AXES = {"rows": "Rows", "features": "Features", "latent": "Latent dimension", "batch": "Batch"}
GROWTH_AT = {"rows": 10_000, "features": 784, "latent": 20, "batch": 128}
GROWTH: dict[str, tuple[int, ...]] = {
    "rows": (1_000, 10_000, 100_000, 1_000_000),
    "features": (100, 1_000, 10_000),
    "latent": (2, 20, 200),
    "batch": (32, 128, 512, 2048),
}
"""One of them at a time, the others as above."""
GROWTH_QUICK: dict[str, tuple[int, ...]] = {"rows": (200, 400)}
GROWTH_LONG = 1_000_000
"""From this size two rounds must do."""
GROWTH_CONTENDERS = ("narrows", "torch_memory")

MEMORY = ("vae10", 500.0)
"""The work whose peak counts, and the most MB above the bare import that narrows may take."""
