"""The models, one file each."""

from narrows.base import Autoencoder
from narrows.models.ae import AE
from narrows.models.pca import PCA
from narrows.models.vae import VAE

__all__ = ["AE", "MODELS", "PCA", "VAE"]

MODELS: dict[str, type[Autoencoder]] = {"pca": PCA, "ae": AE, "vae": VAE}
"""Every model by its name on the command line and in saved files."""
