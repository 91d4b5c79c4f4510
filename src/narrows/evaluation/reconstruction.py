"""How well a model rebuilds its samples, beside PCA with as many numbers and beside the mean."""

from __future__ import annotations

import math
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from narrows.errors import ConfigError, DataError
from narrows.estimators import PCA
from narrows.estimators.base import Autoencoder
from narrows.evaluation.inference import Array, checked, scaled

__all__ = [
    "AgainstBaselines",
    "Reconstruction",
    "against_baselines",
    "compare",
    "measure_reconstruction",
    "squared_error",
    "ssim",
]

CHUNK = 1024
"""Rows that are compared in double precision at once."""


class Reconstruction(NamedTuple):
    """Means over samples; the scale is the model's, pixels lie in [0, 1]."""

    per_sample: float
    """Squared error summed over a sample's values, lower is better."""
    per_value: float
    """Squared error per value, lower is better."""
    psnr: float
    """Peak signal-to-noise ratio in decibels, of each sample, then the mean; higher is better, inf if equal."""
    data_range: float
    """What PSNR and SSIM count as the peak: 1 for pixels, else greatest minus least value of X."""
    ssim: float | None
    """Structural similarity (Wang et al. 2004) in [-1, 1], higher is better; None unless wanted and 11 x 11 or more."""
    rounded_accuracy: float | None
    """Share of values that are right once both are rounded to 0 or 1; None unless X lies in [0, 1]."""


class AgainstBaselines(NamedTuple):
    """One measure of reconstruction for a model and for what it must beat."""

    model: Reconstruction
    pca: Reconstruction
    """PCA with as many numbers in its code, or as many as the training samples allow."""
    mean: Reconstruction
    """The mean of the training samples, whatever the sample."""
    size: int
    """Numbers in the code of PCA."""
    explained: float
    """1 - squared error of the model / squared error of the mean: 1 is perfect, 0 no better than the mean."""
    explained_by_pca: float
    """The same for PCA."""


def squared_error(model: Autoencoder, X: ArrayLike) -> Array:
    """Return the squared error of every sample, summed over values: (N,), on the model's scale (pixels in [0, 1])."""
    data = checked(model, X)
    found = np.empty(len(data))
    for start in range(0, len(data), CHUNK):
        part = data[start : start + CHUNK]
        difference = scaled(model, part) - model.reconstruct(part)
        found[start : start + CHUNK] = np.square(difference).reshape(len(part), -1).sum(1)
    return found


def ssim(X: Array, X_hat: Array, data_range: float) -> Array:
    """Return the structural similarity of every pair of images: (N, C, H, W) twice -> (N,), at most 1.

    Variant of Wang et al. (2004): a Gaussian window of deviation 1.5 and 11 pixels, population covariances, the mean
    over pixels and channels; by scikit-image.

    Raises
    ------
    ConfigError
        scikit-image is not installed.

    References
    ----------
    doi:10.1109/TIP.2003.819861
    """
    try:
        from skimage.metrics import structural_similarity
    except ImportError as error:
        message = 'ssim: scikit-image must be installed; it is not. Run: pip install "narrows[evaluation]".'
        raise ConfigError(message) from error
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    pairs = zip(X.astype(np.float64), X_hat.astype(np.float64), strict=True)
    return np.array([structural_similarity(a, b, data_range=data_range, channel_axis=0, **options) for a, b in pairs])


def compare(
    X: Array, X_hat: Array, *, data_range: float | None = None, with_ssim: bool | None = None
) -> Reconstruction:
    """Return all measures of reconstruction for samples and what came back, on one scale: (N, *shape) twice.

    Parameters
    ----------
    X, X_hat
        Samples, and their reconstructions.
    data_range
        Peak for PSNR and SSIM; None for the range of X.
    with_ssim
        Whether to compute SSIM for images, about a millisecond each; None where scikit-image is installed.

    Raises
    ------
    DataError
        The shapes differ, or there are no samples.

    Examples
    --------
    >>> compare(np.zeros((2, 4)), np.full((2, 4), 0.1), data_range=1.0).psnr
    20.0
    """
    X, X_hat = np.asarray(X, np.float64), np.asarray(X_hat, np.float64)
    if X.shape != X_hat.shape or not X.size:
        raise DataError(f"reconstruction: X_hat must have the shape of X, {X.shape}, not empty; got {X_hat.shape}.")
    peak = float(X.max() - X.min()) if data_range is None else data_range
    errors = np.square(X - X_hat).reshape(len(X), -1)
    per_sample, per_value = errors.sum(1), errors.mean(1)
    with np.errstate(divide="ignore"):
        psnr = float(np.mean(10 * np.log10(peak**2 / per_value))) if peak > 0 else math.nan
    in_bounds = X.min() >= 0 and X.max() <= 1
    wanted = find_spec("skimage") is not None if with_ssim is None else with_ssim
    big_enough = X.ndim == 4 and min(X.shape[2:]) >= 11 and peak > 0
    return Reconstruction(
        per_sample=float(per_sample.mean()),
        per_value=float(per_value.mean()),
        psnr=round(psnr, 10),
        data_range=peak,
        ssim=float(ssim(X, X_hat, peak).mean()) if big_enough and wanted else None,
        rounded_accuracy=float(((X >= 0.5) == (X_hat >= 0.5)).mean()) if in_bounds else None,
    )


def measure_reconstruction(model: Autoencoder, X: ArrayLike, *, with_ssim: bool | None = None) -> Reconstruction:
    """Return all measures of a model's reconstruction of X (N, *shape), without noise.

    Parameters
    ----------
    model
        A fitted model.
    X
        Samples, best ones that it was not fitted to.
    with_ssim
        See `compare`.
    """
    data = checked(model, X)
    peak = 1.0 if data.dtype == np.uint8 else None
    return compare(scaled(model, data), model.reconstruct(data), data_range=peak, with_ssim=with_ssim)


def against_baselines(
    model: Autoencoder, X: ArrayLike, X_train: ArrayLike, *, with_ssim: bool | None = None
) -> AgainstBaselines:
    """Return a model's reconstruction of X beside that of PCA with as many numbers, and of the mean.

    Parameters
    ----------
    model
        A fitted model.
    X
        Samples to rebuild.
    X_train
        Samples that PCA and the mean are fitted to: those of the model.
    with_ssim
        See `compare`.
    """
    data, train = checked(model, X), checked(model, X_train)
    size = min(model.latent_dim_, len(train), model.n_features_in_)
    fields: dict[str, Any] = {"latent_dim": size}
    pca = PCA(**fields).fit(train)
    truth = scaled(model, data)
    mean = np.broadcast_to(pca.mean_.reshape(1, *model.sample_shape_), truth.shape)
    peak = 1.0 if data.dtype == np.uint8 else None
    of_model, of_pca, of_mean = (
        compare(truth, found, data_range=peak, with_ssim=with_ssim)
        for found in (model.reconstruct(data), pca.reconstruct(data), mean)
    )
    return AgainstBaselines(of_model, of_pca, of_mean, size, _explained(of_model, of_mean), _explained(of_pca, of_mean))


def _explained(found: Reconstruction, mean: Reconstruction) -> float:
    return 1 - found.per_sample / mean.per_sample if mean.per_sample > 0 else math.nan
