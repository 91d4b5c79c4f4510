"""Decoder output -> distribution over x. The reconstruction term of every model is -log_prob(x), summed, in nats.

A likelihood is written as a short string or an object: `"gaussian"` (unit variance: half the squared error and a
constant), `"gaussian:0.5"` (that deviation), `"gaussian:learned"` (one deviation, learnt with the weights),
`"laplace"` (likewise), `"bernoulli"`, `"continuous_bernoulli"`, `"discretized_logistic"` (8-bit pixels).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Bernoulli, ContinuousBernoulli, Distribution, Laplace, Normal, constraints

from narrows.errors import ConfigError, DataError, did_you_mean

__all__ = [
    "LIKELIHOODS",
    "BernoulliLikelihood",
    "ContinuousBernoulliLikelihood",
    "DiscretizedLogistic",
    "DiscretizedLogisticLikelihood",
    "GaussianLikelihood",
    "LaplaceLikelihood",
    "Likelihood",
    "ScaledLikelihood",
    "likelihood",
]

GREY = 1 / 255
"""The step between two levels of an 8-bit pixel scaled to [0, 1]."""


class Likelihood(nn.Module, ABC):
    """Decoder output (B, *shape) -> a distribution over x, independent over the values.

    Its `log_prob` gives one value per value of x, so that missing ones can be left out of the sum.
    """

    bounded: ClassVar[bool] = False
    """Whether x must lie in [0, 1]; the decoder's output is then unbounded by itself and needs no activation."""

    @abstractmethod
    def distribution(self, h: Tensor) -> Distribution:
        """Return the distribution for decoder output `h` (B, *shape), float32 or float64."""

    @abstractmethod
    def link(self, mean: Tensor) -> Tensor:
        """Return the decoder output that gives this mean: where the output's bias starts."""

    def start(self, deviation: float) -> None:
        """Start a learnt scale at the data's standard deviation."""

    def check(self, low: float, high: float, grey: bool, owner: str) -> None:
        """Refuse data that this likelihood cannot explain.

        Parameters
        ----------
        low, high
            Least and greatest value found.
        grey
            Whether every value is a multiple of 1/255.
        owner
            Name of the estimator, for the message.

        Raises
        ------
        DataError
            Prints the range found.
        """
        if self.bounded and not (low >= 0 and high <= 1):
            name = next(n for n, kind in LIKELIHOODS.items() if isinstance(self, kind))
            raise DataError(
                f"{owner}: X must lie in [0, 1] for likelihood={name!r}; got values from {low:.6g} to {high:.6g}. "
                "Scale X, pass pixels as uint8, or choose likelihood='gaussian'."
            )

    def forward(self, h: Tensor) -> Distribution:
        """Return the distribution for decoder output `h`; low precision is left behind here."""
        return self.distribution(h.float() if h.dtype in (torch.bfloat16, torch.float16) else h)


class ScaledLikelihood(Likelihood):
    """A location from the decoder, and one scale for all values: fixed, or learnt with the weights."""

    def __init__(self, scale: float | None = 1.0) -> None:
        super().__init__()
        if scale is not None and not (0 < scale < math.inf):
            raise ConfigError(
                f"{type(self).__name__}: scale must be > 0 and finite, or None to learn it; got {scale!r}."
            )
        log_scale = torch.tensor(math.log(1.0 if scale is None else scale))
        self.learned = scale is None
        self.log_scale = nn.Parameter(log_scale, requires_grad=self.learned)

    @property
    def scale(self) -> Tensor:
        """The scale, a tensor without dimensions."""
        return self.log_scale.exp()

    def start(self, deviation: float) -> None:
        if self.learned:
            nn.init.constant_(self.log_scale, math.log(max(deviation, 1e-3)))

    def link(self, mean: Tensor) -> Tensor:
        return mean


class _OneNormal(Normal):
    """Normals of one deviation: torch's take its logarithm and square anew for every value, which takes half a step."""

    def __init__(self, loc: Tensor, scale: Tensor) -> None:
        super().__init__(loc, scale, validate_args=False)
        self.one = scale

    def log_prob(self, value: Tensor) -> Tensor:
        value, loc = torch.broadcast_tensors(value, self.loc)
        constant = self.one.log() + math.log(2 * math.pi) / 2
        return torch.sub(-constant, F.mse_loss(loc, value, reduction="none") / (2 * self.one**2))


class GaussianLikelihood(ScaledLikelihood):
    """N(x; h, scale^2): half the squared error over scale^2, and log(scale sqrt(2 pi)) per value."""

    def distribution(self, h: Tensor) -> Distribution:
        return _OneNormal(h, self.scale.to(h.dtype))


class _OneLaplace(Laplace):
    """Likewise."""

    def __init__(self, loc: Tensor, scale: Tensor) -> None:
        super().__init__(loc, scale, validate_args=False)
        self.one = scale

    def log_prob(self, value: Tensor) -> Tensor:
        return torch.sub(-(2 * self.one).log(), (value - self.loc).abs() / self.one)


class LaplaceLikelihood(ScaledLikelihood):
    """Laplace(x; h, scale): the absolute error over scale, and log(2 scale) per value."""

    def distribution(self, h: Tensor) -> Distribution:
        return _OneLaplace(h, self.scale.to(h.dtype))


class BernoulliLikelihood(Likelihood):
    """Bernoulli with logits h; for x between 0 and 1 this is the cross-entropy, as is customary for grey digits."""

    bounded = True

    def distribution(self, h: Tensor) -> Distribution:
        return Bernoulli(logits=h, validate_args=False)

    def link(self, mean: Tensor) -> Tensor:
        # Values that are always 0 would have a bias of -inf; 1/1000 is about e^-7, and learns on from there.
        return torch.logit(mean, eps=1e-3)


class ContinuousBernoulliLikelihood(Likelihood):
    """The density on [0, 1] that a Bernoulli cross-entropy leaves unnormalised (Loaiza-Ganem & Cunningham 2019)."""

    bounded = True

    def distribution(self, h: Tensor) -> Distribution:
        return ContinuousBernoulli(logits=h, validate_args=False)

    def link(self, mean: Tensor) -> Tensor:
        # The mean rises with the logit and has no inverse in closed form: halve the interval 50 times.
        mean = mean.double().clamp(0.02, 0.98)
        low, high = torch.full_like(mean, -60.0), torch.full_like(mean, 60.0)
        for _ in range(50):
            middle = (low + high) / 2
            below = ContinuousBernoulli(logits=middle, validate_args=False).mean < mean
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return (low + high) / 2


class _GreyLevels(constraints.Constraint):
    """The multiples of 1/255 from 0 to 1."""

    is_discrete = True

    def check(self, value: Tensor) -> Tensor:
        levels = value / GREY
        return ((levels - levels.round()).abs() < 1e-3) & (value > -GREY / 2) & (value < 1 + GREY / 2)


class DiscretizedLogistic(Distribution):
    """Logistic(loc, scale) rounded to the 256 grey levels 0, 1/255, ... 1; what lies beyond counts to the ends.

    P(x) = sigmoid((x + 1/510 - loc) / scale) - sigmoid((x - 1/510 - loc) / scale) (Kingma et al. 2016, app. A).
    """

    arg_constraints: ClassVar[dict[str, object]] = {}  # type: ignore[assignment]
    support = _GreyLevels()

    def __init__(self, loc: Tensor, scale: Tensor) -> None:
        self.loc, self.scale = loc, scale
        super().__init__(loc.shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        """Mean of the logistic cut to [0, 1]: that of the rounded one to within half a grey level."""
        a, b = -self.loc / self.scale, (1 - self.loc) / self.scale
        return (1 - self.scale * (F.softplus(b) - F.softplus(a))).clamp(0, 1)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log P(value), one per value, for values on the grid."""
        upper = (value + GREY / 2 - self.loc) / self.scale
        lower = (value - GREY / 2 - self.loc) / self.scale
        # sigmoid(u) - sigmoid(l) = sigmoid(u) sigmoid(-l) (1 - exp(l - u)): no difference of near-equal numbers.
        inside = F.logsigmoid(upper) + F.logsigmoid(-lower) + torch.log(-torch.expm1(-GREY / self.scale))
        first = torch.where(value < GREY / 2, F.logsigmoid(upper), inside)
        return torch.where(value > 1 - GREY / 2, F.logsigmoid(-lower), first)

    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = torch.Size()) -> Tensor:  # noqa: B008
        """Draw grey levels."""
        with torch.no_grad():
            u = torch.rand(self._extended_shape(torch.Size(sample_shape)), device=self.loc.device, dtype=self.loc.dtype)
            return (((self.loc + self.scale * torch.logit(u, eps=1e-7)).clamp(0, 1) / GREY).round()) * GREY


class DiscretizedLogisticLikelihood(ScaledLikelihood):
    """Probability of an 8-bit pixel under a logistic with location h and one learnt scale."""

    bounded = True

    def __init__(self, scale: float | None = None) -> None:
        super().__init__(scale)

    def distribution(self, h: Tensor) -> Distribution:
        return DiscretizedLogistic(h, self.scale.to(h.dtype))

    def check(self, low: float, high: float, grey: bool, owner: str) -> None:
        super().check(low, high, grey, owner)
        if not grey:
            raise DataError(
                f"{owner}: X must be 8-bit pixels (uint8, or multiples of 1/255) for likelihood="
                f"'discretized_logistic'; got other values from {low:.6g} to {high:.6g}. "
                "Choose 'gaussian:learned' or 'continuous_bernoulli'."
            )


LIKELIHOODS: dict[str, type[Likelihood]] = {
    "gaussian": GaussianLikelihood,
    "laplace": LaplaceLikelihood,
    "discretized_logistic": DiscretizedLogisticLikelihood,
    "bernoulli": BernoulliLikelihood,
    "continuous_bernoulli": ContinuousBernoulliLikelihood,
}


def likelihood(spec: str | Likelihood) -> Likelihood:
    """Return the likelihood that `spec` names, as in `"gaussian:0.5"` or `"gaussian:learned"`; objects pass through.

    Raises
    ------
    ConfigError
        The name is unknown or the scale is not one.

    Examples
    --------
    >>> float(likelihood("gaussian:0.5").scale.detach())
    0.5
    """
    if not isinstance(spec, str):
        return spec
    name, colon, amount = spec.partition(":")
    if name not in LIKELIHOODS:
        known = ", ".join(map(repr, LIKELIHOODS))
        raise ConfigError(f"likelihood must be one of {known}; got {spec!r}.{did_you_mean(name, LIKELIHOODS)}")
    make: Callable[..., Likelihood] = LIKELIHOODS[name]
    if not colon:
        return make()
    if not issubclass(LIKELIHOODS[name], ScaledLikelihood):
        raise ConfigError(f"likelihood {name!r} must be written without a scale; got {spec!r}. It has none.")
    if amount == "learned":
        return make(None)
    try:
        return make(float(amount))
    except ValueError:
        message = f"likelihood {name!r} must carry a scale > 0 or 'learned'; got {spec!r}. Write {name + ':0.5'!r}."
        raise ConfigError(message) from None
