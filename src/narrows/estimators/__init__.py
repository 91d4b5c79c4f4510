"""The estimators, one file each."""

from narrows.components import Axis
from narrows.estimators.ae import AE
from narrows.estimators.base import Autoencoder
from narrows.estimators.pca import PCA
from narrows.estimators.vae import VAE

__all__ = ["AE", "ESTIMATORS", "PCA", "VAE"]

ESTIMATORS = Axis("estimator", {"pca": PCA, "ae": AE, "vae": VAE}, Autoencoder)
"""Every estimator by its name on the command line and in saved files."""
