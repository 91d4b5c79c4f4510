"""Densities over codes, fitted after training, so that every model can be drawn from (Ghosh et al. 2020, sec. 4)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

from narrows.data.arrays import subset
from narrows.errors import ConfigError, DataError, did_you_mean
from narrows.rng import Seeded

Array = NDArray[Any]


class CodeDensity(ABC):
    """A density over codes Z (N, latent_dim). Codes are standardised inside, dimension by dimension."""

    fewest: ClassVar[int] = 2
    """Codes that it must be fitted to at least."""

    def fit(self, Z: ArrayLike, seed: int = 0) -> CodeDensity:
        """Fit to codes (N, latent_dim).

        Raises
        ------
        DataError
            Too few codes, or codes that are not finite.
        """
        codes = np.asarray(Z, dtype=np.float64)
        if codes.ndim != 2 or len(codes) < self.fewest or not np.isfinite(codes).all():
            raise DataError(
                f"{type(self).__name__}: Z must be finite, of shape (N, latent_dim) with N >= {self.fewest}; "
                f"got {codes.shape}. Give the codes of more samples."
            )
        deviation = codes.std(0)
        self.mean, self.deviation = codes.mean(0), np.where(deviation > 0, deviation, 1.0)
        self._fit((codes - self.mean) / self.deviation, seed)
        return self

    def sample(self, n: int, seed: int = 0) -> Array:
        """Return n codes: (n, latent_dim), double precision; the same for the same seed."""
        return self._sample(n, seed) * self.deviation + self.mean

    def score_samples(self, Z: ArrayLike) -> Array:
        """Return the log density of codes: (N, latent_dim) -> (N,), in nats."""
        codes = (np.asarray(Z, dtype=np.float64) - self.mean) / self.deviation
        return self._score(codes) - float(np.log(self.deviation).sum())

    @abstractmethod
    def _fit(self, Z: Array, seed: int) -> None: ...

    @abstractmethod
    def _sample(self, n: int, seed: int) -> Array: ...

    @abstractmethod
    def _score(self, Z: Array) -> Array: ...


class MixtureDensity(CodeDensity):
    """A mixture of normals with full covariances, 10 of them as in Ghosh et al. (2020), by scikit-learn."""

    def __init__(self, components: int = 10) -> None:
        self.components = components

    def _fit(self, Z: Array, seed: int) -> None:
        parts = min(self.components, max(1, len(Z) // (2 * Z.shape[1] + 2)))  # each needs samples for its covariance
        self.mixture = GaussianMixture(parts, reg_covar=1e-4, random_state=seed, max_iter=300).fit(Z)

    def _sample(self, n: int, seed: int) -> Array:
        self.mixture.set_params(random_state=seed)
        codes = self.mixture.sample(n)[0]
        return np.random.default_rng(seed).permutation(codes)  # scikit-learn returns them component by component

    def _score(self, Z: Array) -> Array:
        return self.mixture.score_samples(Z)


class KernelCodeDensity(CodeDensity):
    """A normal kernel at every code, by scikit-learn.

    Its width is Scott's, N^(-1 / (latent_dim + 4)) (Scott 1992), which is made for one cluster, times the one of 2 to
    1/8 that is likeliest for a tenth of the codes that is held out.
    """

    fewest = 10

    def __init__(self, limit: int = 10_000) -> None:
        self.limit = limit

    def _fit(self, Z: Array, seed: int) -> None:
        Z = Z[subset(len(Z), self.limit, seed)]
        scott = float(len(Z) ** (-1 / (Z.shape[1] + 4)))
        order = np.random.default_rng(seed).permutation(len(Z))
        held, rest = Z[order[: max(1, len(Z) // 10)][:500]], Z[order[max(1, len(Z) // 10) :]]
        widths = [scott * 2.0**power for power in (1, 0.5, 0, -0.5, -1, -1.5, -2, -3)]
        found = [KernelDensity(bandwidth=width).fit(rest).score(held) for width in widths]
        self.kernels = KernelDensity(bandwidth=widths[int(np.argmax(found))]).fit(Z)

    def _sample(self, n: int, seed: int) -> Array:
        return self.kernels.sample(n, random_state=seed)

    def _score(self, Z: Array) -> Array:
        return self.kernels.score_samples(Z)


class FlowDensity(CodeDensity):
    """A neural spline flow (Durkan et al. 2019, arXiv:1906.04032) by zuko, trained by Adam on the log likelihood.

    The epoch with the best likelihood on a tenth of the codes, held out, is kept.
    """

    fewest = 20

    def __init__(self, epochs: int = 40, transforms: int = 3, hidden: tuple[int, ...] = (64, 64)) -> None:
        self.epochs, self.transforms, self.hidden = epochs, transforms, hidden

    def _fit(self, Z: Array, seed: int) -> None:
        try:
            import zuko
        except ImportError as error:
            message = 'sampler: zuko must be installed for "flow"; it is not. Run: pip install "narrows[evaluation]".'
            raise ConfigError(message) from error
        codes = torch.from_numpy(np.random.default_rng(seed).permutation(Z)).float()
        held, train = codes[: len(codes) // 10], codes[len(codes) // 10 :]
        with Seeded(seed):
            options = {"transforms": self.transforms, "hidden_features": self.hidden}
            self.flow: Any = zuko.flows.NSF(codes.shape[1], **options)
            optimiser = torch.optim.Adam(self.flow.parameters(), 2e-3)
            best, kept = -np.inf, {}
            for _ in range(self.epochs):
                for rows in torch.split(torch.randperm(len(train)), 256):
                    optimiser.zero_grad()
                    (-self.flow().log_prob(train[rows]).mean()).backward()
                    optimiser.step()
                with torch.no_grad():
                    found = float(self.flow().log_prob(held).mean())
                if found > best:
                    best, kept = found, {k: v.clone() for k, v in self.flow.state_dict().items()}
        self.flow.load_state_dict(kept)

    def _sample(self, n: int, seed: int) -> Array:
        with Seeded(seed), torch.no_grad():
            return self.flow().sample((n,)).double().numpy()

    def _score(self, Z: Array) -> Array:
        with torch.no_grad():
            return self.flow().log_prob(torch.from_numpy(Z).float()).double().numpy()


DENSITIES: dict[str, Callable[[], CodeDensity]] = {
    "gaussian": partial(MixtureDensity, 1),
    "gmm": MixtureDensity,
    "kde": KernelCodeDensity,
    "flow": FlowDensity,
}
"""Every density over codes by name; "gaussian" is one normal with a full covariance."""


def fit_density(Z: ArrayLike, density: str = "gmm", seed: int = 0) -> CodeDensity:
    """Return a density fitted to codes Z (N, latent_dim): "gaussian", "gmm", "kde" or "flow".

    Raises
    ------
    ConfigError
        The name is unknown, or "flow" without zuko installed.
    DataError
        Too few codes, or codes that are not finite.

    References
    ----------
    arXiv:1903.12436

    Examples
    --------
    >>> codes = np.random.default_rng(0).normal(size=(200, 2))
    >>> fit_density(codes, "kde").sample(3, seed=1).shape
    (3, 2)
    """
    if density not in DENSITIES:
        known = ", ".join(map(repr, DENSITIES))
        raise ConfigError(f"sampler must be one of {known}; got {density!r}.{did_you_mean(density, DENSITIES)}")
    return DENSITIES[density]().fit(Z, seed)
