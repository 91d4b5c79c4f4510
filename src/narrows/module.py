"""The contract between a model and everything else: `Batch` in, `Loss` out, and what a module must offer.

A module works on tensors alone. It knows no numpy, no files and no loop: `narrows.training` trains every module that
keeps this contract, and bounds, samples, imputation and diagnosis are computed from it outside the models.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from narrows.errors import ConfigError
from narrows.objectives import divergence, negative_log_likelihood

MAIN = "main"
"""The phase that every module has."""


@dataclass(slots=True)
class Batch:
    """Samples and what goes with them. It goes to `encode`, `decode`, `loss` and `score` alike."""

    x: Tensor
    """(B, *shape), floating point. Where `mask` is False it holds 0, whatever it was made from."""
    mask: Tensor | None = None
    """(B, *shape), True where a value was observed; None where all were."""
    lengths: Tensor | None = None
    """(B,), the number of steps of each padded sequence; None where all are of full length."""
    y: Tensor | None = None
    """(B,) integer classes or (B, n) numbers: labels and conditions, for models that use them."""
    progress: float | Tensor = 1.0
    """Share of training that is done, in [0, 1]; it drives schedules. Evaluation has 1; a compiled step, a tensor."""
    rng: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(0))
    """The only source of noise."""
    log_jacobian: Tensor | float = 0.0
    """(B,) or one number: log |dx / dX|, which turns log densities of x into those of the data as they were given."""

    def __post_init__(self) -> None:
        if self.mask is not None:  # before any arithmetic: the gradient of what is masked later may be nan
            self.x = torch.where(self.mask, self.x, self.x.new_zeros(()))
        if self.rng.device != self.x.device:
            self.rng = torch.Generator(self.x.device).manual_seed(self.rng.initial_seed())

    def __len__(self) -> int:
        return len(self.x)

    def repeated(self, k: int) -> Batch:
        """Return the batch k times: that of (k, B) codes, flattened to (k * B); without the Jacobian."""

        def many(part: Tensor) -> Tensor:
            return part.expand(k, *part.shape).flatten(0, 1)

        mask, lengths, y = (None if part is None else many(part) for part in (self.mask, self.lengths, self.y))
        return Batch(many(self.x), mask, lengths, y, self.progress, self.rng)

    def randn(self, shape: torch.Size | tuple[int, ...], dtype: torch.dtype | None = None) -> Tensor:
        """Return standard normal noise from `rng`; what is compiled calls it as it is, see `training.compilation`."""
        return torch.randn(shape, generator=self.rng, device=self.x.device, dtype=dtype or self.x.dtype)


@dataclass(slots=True)
class Loss:
    """Named values per sample, each of shape (B,)."""

    terms: dict[str, Tensor]
    """Summed and averaged over the batch, they are the objective."""
    metrics: dict[str, Tensor] = field(default_factory=dict)
    """Logged, not minimised."""
    batch_metrics: dict[str, Tensor] = field(default_factory=dict)
    """Logged values of the batch as a whole, without dimensions, such as a codebook's perplexity."""

    @property
    def total(self) -> Tensor:
        """(B,), the sum of the terms."""
        return reduce(torch.add, self.terms.values())

    @property
    def names(self) -> tuple[str, ...]:
        """Of the terms, the metrics after them, and the batch metrics last."""
        return (*self.terms, *self.metrics, *self.batch_metrics)

    @property
    def sums(self) -> Tensor:
        """(len(names),), each summed over the batch; a batch metric counts once for every sample."""
        sums = torch.stack((*self.terms.values(), *self.metrics.values())).sum(1)
        if not self.batch_metrics:
            return sums
        count = len(next(iter(self.terms.values())))
        return torch.cat([sums, torch.stack([v.detach().to(sums.dtype) * count for v in self.batch_metrics.values()])])


class CodeSpec(NamedTuple):
    """What a code is."""

    shape: tuple[int, ...]
    """Of one sample's code: (latent_dim,), or for example (h, w) for a map of codebook indices."""
    dtype: torch.dtype = torch.float32
    """Floating point, or integer where codes are indices."""
    ordered: bool = False
    """Whether the first k values of a code are a code by themselves, the others counting as 0."""
    levels: int = 0
    """How many values an index may have, from 0 on; 0 for real numbers."""

    @property
    def continuous(self) -> bool:
        """Whether codes are real numbers, so that they can be interpolated and have a density."""
        return self.dtype.is_floating_point


class Prior(Protocol):
    """p(z): a distribution over latents (B, *latent shape), which need not factorise over them."""

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p(z), summed over a sample's latents: (..., *latent shape) -> (...)."""

    def draw(self, n: int, rng: torch.Generator) -> Tensor:
        """Return n draws: (n, *latent shape)."""

    def kl_from(self, mean: Tensor, stddev: Tensor) -> Tensor | None:
        """Return KL(N(mean, stddev^2) || p) per latent dimension, (B, latent_dim); None without a closed form."""

    def quantile(self, p: Tensor) -> Tensor | None:
        """Return the quantiles of every dimension at probabilities p (n,): (n, latent_dim); None where unknown."""


class Posterior(Protocol):
    """q(z | x) of a batch; it need not factorise over the latents."""

    mean: Tensor
    """(B, *latent shape)."""
    stddev: Tensor
    """(B, *latent shape)."""

    def draw(self, noise: Tensor) -> Tensor:
        """Return draws made of standard normal noise: (..., B, *latent shape) to the same shape.

        The noise is given, not drawn: evaluation draws each row's by the row's position alone.
        """

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log q(z | x), summed over a sample's latents: (..., B, *latent shape) -> (..., B)."""

    def kl(self, prior: Prior) -> Tensor | None:
        """Return KL(q(z | x) || p(z)) per latent dimension, (B, latent_dim), in nats; None without a closed form."""


class Module(nn.Module):
    """Encodes, decodes, and says what to minimise."""

    probabilistic: ClassVar[bool] = False
    """Whether `posterior`, `prior` and `likelihood` are there; see `LatentVariableModule`."""
    exact_score: ClassVar[bool] = False
    """Whether `score` is log p(x) itself, in closed form."""
    density: bool = False
    """Whether x has a density under the model, whose value depends on the unit of x, rather than a probability."""
    layers_draw: bool = False
    """Whether layers draw random numbers of their own in training, as dropout does."""
    corruption: Any = None
    """What is done to the input in training: a `narrows.corruptions.Corruption`; see `corrupted`."""
    code: CodeSpec
    """What `encode` returns and `decode` takes."""

    @abstractmethod
    def encode(self, batch: Batch) -> Tensor:
        """Return the codes, without noise: (B, *code.shape)."""

    @abstractmethod
    def decode(self, z: Tensor, batch: Batch | None = None) -> Tensor:
        """Return the mean over x: (B, *code.shape) -> (B, *shape). `batch` carries conditions and lengths."""

    @abstractmethod
    def loss(self, batch: Batch, phase: str = MAIN) -> Loss:
        """Return the terms to minimise in a phase, one value per sample, in nats where the model is probabilistic."""

    @abstractmethod
    def score(self, batch: Batch) -> Tensor:
        """Return how normal samples are, without noise: (B,), higher is more normal."""

    def phases(self) -> dict[str, Iterable[nn.Parameter]]:
        """Return the parameters that each phase of a step trains, by the phase's name, in the order of a step."""
        return {MAIN: self.parameters()}

    def after_step(self, batch: Batch, phase: str) -> None:
        """Do what follows an optimiser's step, such as moving averages of a codebook. By default nothing."""
        return

    def prior(self, batch: Batch | None = None) -> Prior:
        """Return p(z), or raise ConfigError where the model has none."""
        name = type(self).__name__.removesuffix("Module")
        raise ConfigError(
            f"{name}: sampler must be 'gaussian', 'gmm', 'kde' or 'flow' for a model without a prior over codes; got "
            "'prior'. Use 'gmm'."
        )

    def likelihood(self, z: Tensor, batch: Batch | None = None) -> Distribution:
        """Return p(x | z), whose `log_prob` gives one value per value of x; ConfigError where the model has none."""
        name = type(self).__name__.removesuffix("Module")
        raise ConfigError(f"{name}: likelihood must be that of a model with one; this model has none. Use AE or VAE.")

    def corrupted(self, batch: Batch) -> Batch:
        """Return what the encoder sees: the batch with the corruption in training, and as it is else."""
        if self.corruption is None or not self.training:
            return copy(batch)
        x, mask = self.corruption.corrupted(batch.x, batch.mask, batch.rng)
        return replace(batch, x=x, mask=mask)

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights."""
        return _first_weight(self).dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return _first_weight(self).device


def _first_weight(module: nn.Module) -> Tensor:
    return next(module.parameters())


class ExactModule(Module):
    """Adds what follows in closed form: `score` is log p(x) itself, and the distribution of missing values is known."""

    exact_score = True
    noise_size: int
    """How many standard normal numbers a draw of a sample's missing values takes."""

    @abstractmethod
    def complete(self, batch: Batch, noise: Tensor | None = None) -> Tensor:
        """Return x with the mean of what is missing given what is observed, (B, *shape).

        With noise (m, B, noise_size), draws from that distribution: (m, B, *shape).
        """


class LatentVariableModule(Module):
    """Adds the three distributions from which bounds, samples and diagnosis are computed, outside the models."""

    probabilistic = True

    @abstractmethod
    def posterior(self, batch: Batch) -> Posterior:
        """Return q(z | x)."""

    @abstractmethod
    def prior(self, batch: Batch | None = None) -> Prior:
        """Return p(z), or p(z | y)."""

    @abstractmethod
    def likelihood(self, z: Tensor, batch: Batch | None = None) -> Distribution:
        """Return p(x | z), whose `log_prob` gives one value per value of x: (B, *shape)."""

    def mask_log_prob(self, x: Tensor, mask: Tensor) -> Tensor | None:
        """Return log p(mask | x) of complete samples, (B,); None, as here, where values are missing at random."""
        return None

    def encode(self, batch: Batch) -> Tensor:
        """Return the posterior mean."""
        return self.posterior(batch).mean

    def decode(self, z: Tensor, batch: Batch | None = None) -> Tensor:
        """Return the likelihood's mean."""
        return self.likelihood(z, batch).mean

    def score(self, batch: Batch) -> Tensor:
        """Return log p(x | z) - KL(q || p) at the posterior mean: in nats, without noise."""
        posterior = self.posterior(batch)
        reconstruction = negative_log_likelihood(self.likelihood(posterior.mean, batch), batch.x, batch.mask)
        bound = -reconstruction - divergence(posterior, self.prior(batch), posterior.mean)
        return bound + batch.log_jacobian
