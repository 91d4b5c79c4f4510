"""How well a model reconstructs its samples, beside PCA of the same rank and beside the mean."""

from __future__ import annotations

import math
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from narrows.data.arrays import Array, Arrays
from narrows.errors import ConfigError, DataError
from narrows.estimators.base import Autoencoder
from narrows.estimators.inference import encoded
from narrows.evaluation.errors import compared_reconstructions, compared_values, measured, pca_baseline, squared_errors


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
    """Structural similarity (Wang et al. 2004) in [-1, 1], higher is better; None if not computed, or below 11 x 11."""
    rounded_accuracy: float | None
    """Share of values that agree once both are rounded to 0 or 1; None unless X lies in [0, 1]."""


class AgainstBaselines(NamedTuple):
    """One measure of reconstruction for a model and for what it must beat."""

    model: Reconstruction
    pca: Reconstruction
    """PCA of the same rank; see `narrows.evaluation.errors.pca_baseline`."""
    mean: Reconstruction
    """The mean of the training samples, whatever the sample."""
    rank: int
    """Of PCA."""
    explained: float
    """1 - squared error of the model / squared error of the mean: 1 is perfect, 0 no better than the mean."""
    explained_by_pca: float
    """The same for PCA."""


def ssim(X: Array, X_hat: Array, data_range: float) -> Array:
    """Return the structural similarity of every pair of images: (N, C, H, W) twice -> (N,), at most 1.

    Variant of Wang et al. (2004, doi:10.1109/TIP.2003.819861): a Gaussian window of deviation 1.5 and 11 pixels,
    population covariances, the mean over pixels and channels; by scikit-image.

    Raises
    ------
    ConfigError
        scikit-image is not installed.
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
    X: Array, X_hat: Array, *, mask: Array | None = None, data_range: float | None = None,
    with_ssim: bool | None = None,
) -> Reconstruction:  # fmt: skip
    """Return all measures of reconstruction for samples and their reconstructions, on one scale: (N, *shape) twice.

    Parameters
    ----------
    X, X_hat
        Samples, and their reconstructions.
    mask
        (N, *shape), True where a value was observed; the others do not count. SSIM needs all.
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
    observed = X if mask is None else X[mask]
    if not observed.size:
        return Reconstruction(0.0, 0.0, math.nan, 0.0, None, None)
    peak = float(observed.max() - observed.min()) if data_range is None else data_range
    counts = X[0].size if mask is None else mask.reshape(len(X), -1).sum(1)
    per_sample = squared_errors(X, X_hat, mask)
    per_value = per_sample / np.maximum(counts, 1)
    with np.errstate(divide="ignore"):
        psnr = float(np.mean(10 * np.log10(peak**2 / per_value))) if peak > 0 else math.nan
    in_bounds = observed.min() >= 0 and observed.max() <= 1
    rounded = (X >= 0.5) == (X_hat >= 0.5)
    with_ssim = find_spec("skimage") is not None if with_ssim is None else with_ssim
    big_enough = X.ndim == 4 and min(X.shape[2:]) >= 11 and peak > 0 and mask is None
    return Reconstruction(
        per_sample=float(per_sample.mean()),
        per_value=float(per_value.mean()),
        psnr=round(psnr, 10),
        data_range=peak,
        ssim=float(ssim(X, X_hat, peak).mean()) if big_enough and with_ssim else None,
        rounded_accuracy=float((rounded if mask is None else rounded[mask]).mean()) if in_bounds else None,
    )


def measure_reconstruction(
    model: Autoencoder,
    X: ArrayLike | Arrays,
    y: Any = None,
    *,
    like: Autoencoder | None = None,
    with_ssim: bool | None = None,
) -> Reconstruction:
    """Return all measures of a model's reconstruction of X (N, *shape), without noise.

    Parameters
    ----------
    model
        A fitted model.
    X
        Samples, best held-out ones.
    y
        Their labels, for models with a condition.
    like
        A fitted model on whose scale the measures are taken, so that models of other scales compare; None for the
        model's own.
    with_ssim
        See `compare`.
    """
    arrays = model.schema_.in_memory(encoded(model, X, y), model.computing_dtype)
    x, x_hat = compared_values(model, arrays), compared_reconstructions(model, arrays)
    if like is not None and like is not model:
        x, x_hat = (model.schema_.rescale(part, like.schema_) for part in (x, x_hat))
    return _compared(like or model, arrays, x, x_hat, with_ssim)


def against_baselines(
    model: Autoencoder,
    X: ArrayLike | Arrays,
    X_train: ArrayLike | Arrays,
    y: Any = None,
    *,
    with_ssim: bool | None = None,
) -> AgainstBaselines:
    """Return a model's reconstruction of X beside that of PCA of the same rank, and of the mean.

    Parameters
    ----------
    model
        A fitted model.
    X
        Samples to reconstruct.
    X_train
        Samples that PCA and the mean are fitted to: those of the model.
    y
        Labels of X, for models with a condition.
    with_ssim
        See `compare`.
    """
    arrays, baseline = encoded(model, X, y), pca_baseline(model, X_train)
    arrays = model.schema_.in_memory(arrays, model.computing_dtype)
    x = compared_values(model, arrays)
    mean = np.broadcast_to(baseline.mean_sample, x.shape)
    of_model, of_pca, of_mean = (
        _compared(model, arrays, x, x_hat, with_ssim)
        for x_hat in (compared_reconstructions(model, arrays), baseline.reconstruct(arrays), mean)
    )
    total = of_mean.per_sample
    explained = (1 - of.per_sample / total if total > 0 else math.nan for of in (of_model, of_pca))
    return AgainstBaselines(of_model, of_pca, of_mean, baseline.rank, *explained)


def _compared(model: Autoencoder, arrays: Arrays, x: Array, x_hat: Array, with_ssim: bool | None) -> Reconstruction:
    peak = 1.0 if model.schema_.pixels else None
    return compare(x, x_hat, mask=measured(model, arrays), data_range=peak, with_ssim=with_ssim)
