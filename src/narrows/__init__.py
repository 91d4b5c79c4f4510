"""narrows: compact representations of images, sequences and tables.

The public names are loaded when they are first used, so that `import narrows` costs nothing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from narrows.datasets import load_dataset
    from narrows.evaluation import elbo, log_likelihood
    from narrows.models import AE, MODELS, PCA, VAE
    from narrows.runs import load

__version__ = "0.1.0"

# torch's threads wait for one another by spinning, which on a busy machine takes the very core that they wait for: an
# epoch of 2 seconds then takes 10 to 120. Read when torch is imported; a short spin costs nothing where cores are free.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "50000")

__all__ = ["AE", "MODELS", "PCA", "VAE", "elbo", "load", "load_dataset", "log_likelihood"]

_HOMES = {
    "AE": "models",
    "MODELS": "models",
    "PCA": "models",
    "VAE": "models",
    "elbo": "evaluation",
    "load": "runs",
    "load_dataset": "datasets",
    "log_likelihood": "evaluation",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'narrows' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"narrows.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
