"""Principal component analysis (Pearson 1901; Hotelling 1933), with its probabilistic score (Tipping & Bishop 1999)."""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, Normal

from narrows.data.arrays import Array, Arrays
from narrows.data.schema import Schema
from narrows.data.stored import StoredRows, Sum
from narrows.errors import ConfigError, DataError
from narrows.estimators import blocks
from narrows.estimators.base import Autoencoder
from narrows.estimators.on_disk import axes_on_disk, scaled_facts, sums_for_axes
from narrows.module import MAIN, Batch, CodeSpec, ExactModule, Loss
from narrows.objectives import sum_values
from narrows.params import model, param, validate
from narrows.pca import LARGEST, SOLVERS, Axes, axes_of, principal_axes
from narrows.ppca import ITERATIONS, Gaussian, draws, given, incomplete_axes
from narrows.training import Checkpoints, Report, Trainer

SECONDS = 0.5
"""Between two reports of an iteration."""


class PCAModule(ExactModule):
    """The mean, the principal axes and their variances, in double precision."""

    density = True

    def __init__(self, shape: tuple[int, ...], k: int, whiten: bool) -> None:
        super().__init__()
        n = math.prod(shape)
        self.shape, self.whiten = shape, whiten
        self.code, self.noise_size = CodeSpec((k,), torch.float64, ordered=True), k + n
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

    @property
    def gaussian(self) -> Gaussian:
        """The density over a sample's values, flat."""
        return Gaussian.of(self.mean, self.components, self.variance, self.noise_variance)

    def encode(self, batch: Batch) -> Tensor:
        """Return the codes, their mean given what is observed: (B, latent_dim)."""
        return ((self.complete(batch).flatten(1) - self.mean) @ self.components.T) / self.scale

    def complete(self, batch: Batch, noise: Tensor | None = None) -> Tensor:
        """Return x with the conditional mean of what is missing, exactly, or draws: see `ExactModule`."""
        if batch.mask is None:
            return batch.x if noise is None else batch.x.expand(len(noise), *batch.x.shape)
        x, mask = batch.x.flatten(1), batch.mask.flatten(1)
        if noise is not None:
            return draws(x, mask, self.gaussian, noise).reshape(-1, *batch.x.shape)
        filled = torch.empty_like(x)
        for part in given(x, mask, self.gaussian):
            filled[part.rows] = part.filled
        return filled.reshape(batch.x.shape)

    def decode(self, z: Tensor, batch: Batch | None = None) -> Tensor:
        """Return the points on the axes: (B, *shape)."""
        return (z * self.scale @ self.components + self.mean).reshape(-1, *self.shape)

    def likelihood(self, z: Tensor, batch: Batch | None = None) -> Distribution:
        """Return p(x | z) of the probabilistic model: normals around the point on the axes."""
        tiny = float(self.variance.max()) * torch.finfo(z.dtype).eps + torch.finfo(z.dtype).tiny
        return Normal(self.decode(z), self.noise_variance.clamp(min=tiny).sqrt(), validate_args=False)

    def loss(self, batch: Batch, phase: str = MAIN) -> Loss:
        """Return half the squared error, in training and out of it."""
        error = batch.x - self.decode(self.encode(batch))
        return Loss({"reconstruction": sum_values(error.square() / 2, batch.mask)})

    def score(self, batch: Batch) -> Tensor:
        """Return log p(x) of the probabilistic model, in closed form (Tipping & Bishop 1999, eq. 3 to 8).

        p(x) = N(mean, W W^T + s^2 I): a variance of its own along every axis, and s^2 along all the others. Of samples
        with missing values, the density of those observed.
        """
        x = batch.x
        if batch.mask is not None:
            log_prob = x.new_empty(len(x))
            for part in given(x.flatten(1), batch.mask.flatten(1), self.gaussian):
                log_prob[part.rows] = part.log_prob
            return log_prob + batch.log_jacobian
        centred = x.flatten(1) - self.mean
        along = centred @ self.components.T
        n, k = self.mean.numel(), self.variance.numel()
        across = (centred.square().sum(1) - along.square().sum(1)).clamp(min=0)
        # Data that lie in a plane have no density: a variance of 0 counts as the rounding error of the largest.
        tiny = self.variance.max() * torch.finfo(x.dtype).eps + torch.finfo(x.dtype).tiny
        variance, noise = self.variance.clamp(min=tiny), self.noise_variance.clamp(min=tiny)
        log_determinant = variance.log().sum() + (n - k) * noise.log()
        distance = (along.square() / variance).sum(1) + (across / noise if k < n else 0)
        return batch.log_jacobian - (n * math.log(2 * math.pi) + log_determinant + distance) / 2


def _constant(*sizes: int) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.zeros(sizes, dtype=torch.float64), requires_grad=False)


@model
class PCA(Autoencoder):
    """The linear code with the least squared error; exact, for tables, sequences and images alike.

    Minimises sum ||x - x_hat||^2 over all linear maps to latent_dim values and back (Pearson, 1901).
    Shapes: x (B, *shape), z (B, latent_dim); `components_` (latent_dim, D), `mean_` (D,), D values per sample.
    Units: `score` in nats per sample (Tipping & Bishop, 1999), equal to scikit-learn's.
    Missing values (NaN): the maximum likelihood of probabilistic PCA given the observed ones, by EM (`solver` does not
    matter then); `transform` gives the mean of the code given what is observed, `score_samples` the density of that,
    `impute` the conditional mean, all exact. A warning says where EM has not converged.
    Use it first: whatever a network adds shows against it.
    `solver="auto"` is exact, but for covariances of over 5e11 multiplications: there a range finder takes over,
    whose axes hold nearly all of that variance (Musco & Musco, 2015). Ask for "covariance" or "gram" to have all of it.
    Raises: ConfigError where latent_dim exceeds min(n_samples, n_features); DataError for fewer than two samples.

    {parameters}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> pca = PCA(latent_dim=2).fit(load_iris().data)
    >>> pca.explained_variance_ratio_.round(4).tolist()
    [0.9246, 0.0531]

    References: doi.org/10.1111/1467-9868.00196
    """

    latent_dim: int | None = param(None, "Latent dimension; None for as many as the data allow.", low=1)
    center: bool = param(True, "Subtract the mean first.")
    whiten: bool = param(False, "Scale the codes to unit variance.")
    scale: str | float | None = param(
        None, "How values are scaled: standard, minmax, a divisor, or none.", low=0, low_open=True,
        choices=("auto", "standard", "minmax"),
    )  # fmt: skip
    solver: str = param(
        "auto",
        "Decomposition of the data, of their covariance, or of a range that nearly holds it; auto: by shape.",
        choices=("auto", *SOLVERS),
    )

    takes_float64: ClassVar[bool] = True
    takes_missing: ClassVar[bool] = True

    def _scale(self) -> str | float | None:
        return self.scale

    def latent_size(self, schema: Schema) -> int:
        """Return latent_dim, or the most that the data allow."""
        n, d = schema.rows, schema.n_features
        if n < 2:
            raise DataError(f"PCA: X must have at least 2 samples; got n_samples = {n}. A variance needs two.")
        if self.latent_dim is not None and self.latent_dim > min(n, d):
            raise ConfigError(
                f"PCA: latent_dim must be at most min(n_samples, n_features) = {min(n, d)} (n_samples = {n}, "
                f"n_features = {d}); got {self.latent_dim}. Lower it or add samples."
            )
        return self.latent_dim or min(n, d)

    def sums_of(self, X: StoredRows) -> list[Sum]:
        """Return products, or a sketch of them."""
        n, d = len(X), math.prod(X.shape[1:])
        k = min(self.latent_dim or n, n, d)
        scaled = self.scale not in (None, "auto")
        return sums_for_axes(
            X, k, self.computing_dtype, center=self.center, solver=self.solver, scaled=scaled
        )  # fmt: skip

    def build(self, schema: Schema) -> PCAModule:
        """Return the module, all zero."""
        return PCAModule(schema.sample_shape, self.latent_size(schema), self.whiten)

    def optimise(
        self, data: Arrays, validation: Arrays | None, checkpoints: Checkpoints | None, trainer: Trainer
    ) -> Generator[Report, None, None]:
        """Decompose the data, and report once; where values are missing, several times a minute on the way."""
        started = time.perf_counter()
        X: Any = data.x
        n = len(X)
        stored = isinstance(X, StoredRows) and not self.schema_.missing
        if stored:
            facts = scaled_facts(X, self.schema_)
            low, high = facts.low.min(), facts.high.max()
        else:
            data = self.schema_.in_memory(data, self.computing_dtype)
            X = data.x
            low, high = 0.0, 0.0
            if X.dtype == np.float64:
                limits = self.schema_.limits if self.schema_.factor is None else None
                low, high = limits or (X.min(), X.max())
        if max(high, -low) > LARGEST:
            raise DataError(
                f"PCA: X must lie within +-{LARGEST:g}, so that its squares are finite; got values from "
                f"{low:.3g} to {high:.3g}. Scale X."
            )

        def report(step: int, steps: int, axes: Axes) -> Report:
            error = float(axes.total - axes.variance.sum()) * (n - 1) / n / 2
            seconds = time.perf_counter() - started
            means, speed = {"loss": error, "reconstruction": error}, n * step / max(seconds, 1e-9)
            return Report(1, 1, step, steps, means, None, seconds, speed, 0.0, step == steps, step == steps)

        if data.mask is None:
            how: dict[str, Any] = {"center": self.center, "solver": self.solver}
            axes = (
                axes_on_disk(X, self.schema_, self.latent_dim_, self.computing_dtype, **how) if stored
                else principal_axes(X, self.latent_dim_, dtype=self.computing_dtype, **how)
            )  # fmt: skip
            self._set(axes)
            yield report(1, 1, axes)
            return
        shown, found = time.perf_counter(), incomplete_axes(X, data.mask, self.latent_dim_, center=self.center)
        for steps, (axes, last) in enumerate(found, 1):
            if last or time.perf_counter() - shown > SECONDS:
                shown = time.perf_counter()
                self._set(axes)
                yield report(steps, steps if last else ITERATIONS, axes)

    def _fit_blocks(self, X: Any) -> Self:
        """Merge the moments of all blocks, in their order, and decompose them here."""
        validate(self)
        started = time.perf_counter()
        rows, schema = blocks.learn_schema(self, X)
        k, moments = self.latent_size(schema), blocks.moments_of(rows)
        if not np.isfinite(moments.product).all():
            raise DataError(f"PCA: X must hold finite numbers within +-{LARGEST:g}; got others. Leave those rows out.")
        found = axes_of(moments, k, center=self.center, pixels=schema.pixels)
        self.schema_, self.latent_dim_, self.codes_, self._densities = schema, k, None, {}
        self.module_ = self.build(schema)
        self._set(found)
        error = float(found.total - found.variance.sum()) * (schema.rows - 1) / schema.rows / 2
        seconds, means = time.perf_counter() - started, {"loss": error, "reconstruction": error}
        report = Report(1, 1, 1, 1, means, None, seconds, schema.rows / max(seconds, 1e-9), 0.0, True, True)
        self.history_ = [report.record()]
        return self

    def _set(self, axes: Axes) -> None:
        """Give the module what was found."""
        module = self.module_
        assert isinstance(module, PCAModule)
        ratio = axes.variance / axes.total if axes.total > 0 else np.zeros(len(axes.variance))
        with torch.no_grad():
            for parameter, value in (
                (module.mean, axes.mean),
                (module.components, axes.components),
                (module.variance, axes.variance),
                (module.variance_ratio, ratio),
                (module.noise_variance, np.float64(axes.noise)),
            ):
                parameter.copy_(torch.as_tensor(value))

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
