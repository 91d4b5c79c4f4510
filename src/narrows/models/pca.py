"""Principal component analysis (Pearson 1901; Hotelling 1933), with its probabilistic score (Tipping & Bishop 1999)."""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from typing import Any, ClassVar

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from narrows.base import Array, Autoencoder
from narrows.errors import ConfigError, DataError
from narrows.losses import Batch, Loss, sum_values
from narrows.modules import Module
from narrows.params import model, param
from narrows.training import Checkpoints, Report

__all__ = ["PCA", "PCAModule"]


class PCAModule(Module):
    """The mean, the principal axes and their variances, in double precision."""

    ordered = True

    exact_score = True

    def __init__(self, shape: tuple[int, ...], k: int, whiten: bool) -> None:
        super().__init__()
        n = math.prod(shape)
        self.shape, self.whiten = shape, whiten
        self.mean = _constant(n)
        self.components = _constant(k, n)
        self.variance = _constant(k)
        self.variance_ratio = _constant(k)
        self.noise_variance = _constant()

    @property
    def scale(self) -> Tensor:
        """What a code is divided by: (latent_dim,); with whitening the deviations."""
        if not self.whiten:
            return torch.ones_like(self.variance)
        return self.variance.sqrt().clamp(min=torch.finfo(self.variance.dtype).eps)

    def encode(self, x: Tensor) -> Tensor:
        return ((x.flatten(1) - self.mean) @ self.components.T) / self.scale

    def decode(self, z: Tensor) -> Tensor:
        return (z * self.scale @ self.components + self.mean).reshape(-1, *self.shape)

    def loss(self, batch: Batch) -> Loss:
        """Return half the squared error, in training and out of it."""
        error = batch.x - self.decode(self.encode(batch.x))
        return Loss({"reconstruction": sum_values(error.square() / 2, batch.mask)})

    def score(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return log p(x) of the probabilistic model, in closed form (Tipping & Bishop 1999, eq. 3 to 8).

        p(x) = N(mean, W W^T + s^2 I): a variance of its own along every axis, and s^2 along all the others.
        """
        centred = x.flatten(1) - self.mean
        along = centred @ self.components.T
        n, k = self.mean.numel(), self.variance.numel()
        across = (centred.square().sum(1) - along.square().sum(1)).clamp(min=0)
        # Data that lie in a plane have no density: a variance of 0 counts as the rounding error of the largest.
        tiny = float(self.variance.max()) * torch.finfo(x.dtype).eps + torch.finfo(x.dtype).tiny
        variance, noise = self.variance.clamp(min=tiny), self.noise_variance.clamp(min=tiny)
        log_determinant = variance.log().sum() + (n - k) * noise.log()
        distance = (along.square() / variance).sum(1) + (across / noise if k < n else 0)
        return -(n * math.log(2 * math.pi) + log_determinant + distance) / 2


def _constant(*sizes: int) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.zeros(sizes, dtype=torch.float64), requires_grad=False)


@model
class PCA(Autoencoder):
    """The linear code with the least squared error; exact, for tables, sequences and images alike.

    Minimises sum ||x - x_hat||^2 over all linear maps to latent_dim numbers and back (Pearson, 1901).
    Shapes: x (B, *shape), z (B, latent_dim); `components_` (latent_dim, D), `mean_` (D,), D numbers per sample.
    Units: `score` in nats per sample (Tipping & Bishop, 1999), equal to scikit-learn's.
    Use it first: whatever a network adds shows against it.
    `solver="auto"` is exact, but for covariances of over 5e11 multiplications: there a range finder takes over,
    whose axes hold nearly all of that variance (Halko et al., 2011). Ask for "covariance" or "gram" to have all of it.
    Raises: ConfigError where latent_dim exceeds min(n_samples, n_features); DataError for fewer than two samples.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> pca = PCA(latent_dim=2).fit(load_iris().data)
    >>> pca.explained_variance_ratio_.round(4).tolist()
    [0.9246, 0.0531]

    References: doi.org/10.1111/1467-9868.00196
    """

    latent_dim: int | None = param(None, "Numbers in the code; None for as many as the data allow.", low=1)
    center: bool = param(True, "Subtract the mean first.")
    whiten: bool = param(False, "Scale the codes to unit variance.")
    solver: str = param(
        "auto",
        "Decomposition of the data, of their covariance, or of a range that nearly holds it; auto: by shape.",
        choices=("auto", "svd", "covariance", "gram", "range"),
    )

    takes_float64: ClassVar[bool] = True

    def code_size(self, shape: tuple[int, ...]) -> int:
        """Return latent_dim, or the most that the data allow."""
        n, d = shape[0], math.prod(shape[1:])
        if n < 2:
            raise DataError(f"PCA: X must have at least 2 samples; got n_samples = {n}. A variance needs two.")
        if self.latent_dim is not None and self.latent_dim > min(n, d):
            raise ConfigError(
                f"PCA: latent_dim must be at most min(n_samples, n_features) = {min(n, d)} (n_samples = {n}, "
                f"n_features = {d}); got {self.latent_dim}. Lower it or add samples."
            )
        return self.latent_dim or min(n, d)

    def build(self, shape: tuple[int, ...]) -> PCAModule:
        """Return the module, all zero."""
        return PCAModule(shape, self.latent_dim_, self.whiten)

    def optimise(
        self, X: Array, validation: Array | None, checkpoints: Checkpoints | None = None
    ) -> Generator[Report, None, None]:
        """Decompose the data, and report once."""
        started = time.perf_counter()
        module = self.module_
        assert isinstance(module, PCAModule)
        n, d, k = len(X), self.n_features_in_, self.latent_dim_
        if X.dtype == np.float64 and max(X.max(), -X.min()) > LARGEST:
            raise DataError(
                f"PCA: X must lie within +-{LARGEST:g}, so that its squares are finite; got values from "
                f"{X.min():.3g} to {X.max():.3g}. Scale X."
            )
        mean = _mean(X).reshape(-1) if self.center else np.zeros(d)
        solver = self.solver
        if solver == "auto":
            work = float(n) * d * min(n, d)
            if work < 2e9:  # a second or so: the decomposition of the data keeps all digits
                solver = "svd"
            elif work > HUGE and 8 * (k + OVERSAMPLING) < min(n, d):
                solver = "range"
            else:
                solver = "covariance" if n >= d else "gram"
        solvers = {"svd": _svd, "covariance": _covariance, "gram": _gram, "range": _range}
        values, components, total = solvers[solver](X, mean, k)
        # scikit-learn's sign: the largest entry of every component is positive.
        largest = np.abs(components).argmax(1)
        components *= np.where(components[np.arange(k), largest] < 0, -1.0, 1.0)[:, None]
        variance, total = np.maximum(values, 0) / (n - 1), total / (n - 1)
        rest = min(n, d) - k
        noise = max(total - variance.sum(), 0.0) / rest if rest > 0 else 0.0
        with torch.no_grad():
            for parameter, value in (
                (module.mean, mean),
                (module.components, components),
                (module.variance, variance),
                (module.variance_ratio, variance / total if total > 0 else np.zeros(k)),
                (module.noise_variance, np.float64(noise)),
            ):
                parameter.copy_(torch.as_tensor(value))
        error = (total - variance.sum()) * (n - 1) / n / 2
        seconds = time.perf_counter() - started
        yield Report(
            1, 1, 1, 1, {"loss": error, "reconstruction": error}, None, seconds, n / max(seconds, 1e-9), 0.0, True
        )

    @property
    def components_(self) -> Array:
        """Principal axes, unit vectors, by falling variance: (latent_dim, D)."""
        return self._fitted("components")

    @property
    def mean_(self) -> Array:
        """What is subtracted: (D,)."""
        return self._fitted("mean")

    @property
    def explained_variance_(self) -> Array:
        """Variance along each axis, with n - 1 degrees of freedom: (latent_dim,)."""
        return self._fitted("variance")

    @property
    def explained_variance_ratio_(self) -> Array:
        """Its share of the whole variance: (latent_dim,)."""
        return self._fitted("variance_ratio")

    @property
    def noise_variance_(self) -> float:
        """Mean variance along the axes left out."""
        return float(self._fitted("noise_variance"))

    def _fitted(self, name: str) -> Array:
        module = self.__dict__.get("module_")
        if module is None:
            raise AttributeError(f"PCA: {name} is there after fit.")
        return getattr(module, name).detach().numpy()


LARGEST = 1e150
"""Values beyond have no finite square in double precision."""
ROWS = 4096
"""Rows that are held in double precision at once."""
EXACT = 2**10
"""Rows of pixels whose products float32 sums without rounding."""
OVERSAMPLING, POWERS = 64, 3
"""Dimensions beyond latent_dim that the range finder follows, and how often it multiplies by the product."""
HUGE = 5e11
"""Multiplications for the exact product from which on auto finds the range instead."""


def _chunks(X: Array, mean: Array) -> Generator[Array, None, None]:
    """Yield centred rows in double precision, flat; uint8 scaled by 1/255."""
    for start in range(0, len(X), ROWS):
        chunk = np.asarray(X[start : start + ROWS]).reshape(-1, mean.size)
        scaled = chunk / 255 if chunk.dtype == np.uint8 else chunk.astype(np.float64)
        yield scaled - mean


def _mean(X: Array) -> Array:
    total = np.zeros(math.prod(X.shape[1:]))
    if X.dtype == np.uint8:  # whole numbers: float32 sums so many of them exactly
        for start in range(0, len(X), ROWS):
            rows = np.asarray(X[start : start + ROWS]).reshape(-1, total.size).astype(np.float32)
            total += np.ones(len(rows), np.float32) @ rows
        return total / 255 / len(X)
    for chunk in _chunks(X, total.copy()):
        total += chunk.sum(0)
    return total / len(X)


def _svd(X: Array, mean: Array, k: int) -> tuple[Array, Array, float]:
    """Return the first k squared singular values, their right vectors, and the sum of all: all digits are kept."""
    _, s, v = scipy.linalg.svd(np.concatenate(list(_chunks(X, mean))), full_matrices=False)
    return s[:k] ** 2, v[:k], float((s**2).sum())


def _covariance(X: Array, mean: Array, k: int) -> tuple[Array, Array, float]:
    """Return the same from the D x D product, built in one pass."""
    if X.dtype == np.uint8:
        product = _pixel_product(X, mean)
    else:
        product = np.zeros((mean.size, mean.size))
        for chunk in _chunks(X, mean):
            # float32 data hold no more than float32 multiplies, once they are centred; the sum has all digits.
            rows = chunk.astype(X.dtype)
            product += rows.T @ rows
    # Beyond some eighth of the axes the decomposition of all of them is the faster one.
    few = 8 * k < mean.size
    most: dict[str, Any] = {"subset_by_index": [mean.size - k, mean.size - 1]} if few else {"driver": "evd"}
    values, vectors = scipy.linalg.eigh(product, **most)
    values, vectors = values[-k:], vectors[:, -k:]
    return values[::-1], np.ascontiguousarray(vectors.T[::-1]), float(np.trace(product))


def _pixel_product(X: Array, mean: Array) -> Array:
    """Return the centred product of pixels, (D, D), with not one digit lost at float32's speed.

    Pixels less 128 are whole numbers whose products are at most 2^14: float32 sums 2^10 of them exactly.
    """
    product, total = np.zeros((mean.size, mean.size)), np.zeros(mean.size)
    for start in range(0, len(X), EXACT):
        rows = np.asarray(X[start : start + EXACT]).reshape(-1, mean.size).astype(np.float32)
        rows -= 128
        product += rows.T @ rows
        total += np.ones(len(rows), np.float32) @ rows
    # What was subtracted is 128, what should have been is the mean of every column (0 where nothing is centred).
    shift = 128 - 255 * mean
    product += np.outer(total, shift) + np.outer(shift, total) + len(X) * np.outer(shift, shift)
    return product / 255**2


def _range(X: Array, mean: Array, k: int) -> tuple[Array, Array, float]:
    """Return nearly the same from a subspace that powers of the product find (Halko, Martinsson & Tropp 2011, 4.4).

    A pass over the rows multiplies by the D x D product, which is never there; in float32, sums of squares in double.
    """
    size = min(k + OVERSAMPLING, *X.shape[:1], mean.size)
    rng = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(mean.size, size, generator=rng))[0]
    centre = torch.from_numpy(mean).float()
    for _ in range(POWERS):
        product = torch.zeros_like(basis)
        for rows in _float_rows(X, centre):
            product.addmm_(rows.T, rows @ basis)
        basis = torch.linalg.qr(product)[0]  # Householder: through the product with itself, float32 has too few digits
    small, total = torch.zeros(size, size, dtype=torch.float64), 0.0
    for rows in _float_rows(X, centre):
        codes = (rows @ basis).double()
        small.addmm_(codes.T, codes)
        total += float(torch.linalg.vector_norm(rows, dtype=torch.float64)) ** 2
    values, vectors = torch.linalg.eigh(small)
    axes = (basis.double() @ vectors[:, -k:]).T.flip(0)
    return values[-k:].flip(0).numpy(), np.ascontiguousarray(axes.numpy()), total


def _float_rows(X: Array, centre: Tensor) -> Generator[Tensor, None, None]:
    """Yield centred rows in float32, flat; uint8 scaled by 1/255."""
    scale = 255 if X.dtype == np.uint8 else 1
    for start in range(0, len(X), ROWS):
        rows = torch.from_numpy(np.array(X[start : start + ROWS], dtype=np.float32).reshape(-1, len(centre)))
        yield rows.div_(scale).sub_(centre)


def _gram(X: Array, mean: Array, k: int) -> tuple[Array, Array, float]:
    """Return the same from the N x N product, for data with more features than samples."""
    centred = np.concatenate(list(_chunks(X, mean)))
    product = centred @ centred.T
    values, vectors = scipy.linalg.eigh(product, subset_by_index=[len(X) - k, len(X) - 1])
    values, vectors = values[::-1], vectors[:, ::-1]
    # Where the data do not reach k dimensions, QR completes the axes to an orthonormal set.
    axes, triangle = scipy.linalg.qr((vectors.T @ centred).T, mode="economic")
    return (
        values,
        np.ascontiguousarray((axes * np.sign(np.diag(triangle) + (np.diag(triangle) == 0))).T),
        float(np.trace(product)),
    )
