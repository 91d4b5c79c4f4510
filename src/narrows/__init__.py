"""narrows: compact representations of images, sequences and tables.

The public names are loaded when they are first used, so that `import narrows` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from narrows.components import register
    from narrows.data import load_dataset
    from narrows.estimators import AE, ESTIMATORS, PCA, VAE
    from narrows.evaluation import elbo, log_likelihood
    from narrows.export.loading import load_onnx
    from narrows.export.models import export_model
    from narrows.page.widget import explore
    from narrows.runs import load

__version__ = "0.1.0"

__all__ = [
    "AE",
    "ESTIMATORS",
    "PCA",
    "VAE",
    "elbo",
    "explore",
    "export_model",
    "load",
    "load_dataset",
    "load_onnx",
    "log_likelihood",
    "register",
]

_MODULES = {
    "AE": "estimators",
    "ESTIMATORS": "estimators",
    "PCA": "estimators",
    "VAE": "estimators",
    "elbo": "evaluation",
    "explore": "page.widget",
    "export_model": "export.models",
    "load": "runs",
    "load_dataset": "data",
    "load_onnx": "export.loading",
    "log_likelihood": "evaluation",
    "register": "components",
}
_PACKAGES = ("analyses", "components", "data", "errors", "estimators", "evaluation", "figures", "hub", "runs", "sweeps")
"""Reached as `narrows.runs` after `import narrows` alone; they too are imported when they are first used."""


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _PACKAGES:
        return import_module(f"narrows.{name}")
    if name not in _MODULES:
        raise AttributeError(f"module 'narrows' has no attribute {name!r}")
    return getattr(import_module(f"narrows.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, *_PACKAGES, "__version__"])
