"""The likelihood axis: decoder output -> a distribution over x. A reconstruction term is -log p(x | z), in nats.

A likelihood is a component: `"gaussian"` (unit variance: half the squared error and a constant), `"gaussian:0.5"` (that
deviation), `"gaussian:learned"` (one deviation, learned with the weights), `"laplace"` (likewise), `"bernoulli"`,
`"continuous_bernoulli"`, `"discretized_logistic"` (8-bit pixels).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Laplace, Normal, constraints

from narrows.components import Axis, Component, component
from narrows.errors import DataError
from narrows.params import param
from narrows.probability.continuous_bernoulli import ContinuousBernoulli

GREY = 1 / 255
"""The step between two levels of an 8-bit pixel scaled to [0, 1]."""


class Likelihood(Component):
    """Decoder output -> a distribution over x, independent over the values.

    Its `log_prob` gives one value per value of x, so that missing ones can be left out of the sum.
    """

    axis: ClassVar[str] = "likelihood"
    bounded: ClassVar[bool] = False
    """Whether x must lie in [0, 1]; the decoder's output is then unbounded by itself and needs no activation."""
    discrete: ClassVar[bool] = False
    """Whether `log_prob` is of a probability rather than of a density."""
    outputs: ClassVar[int] = 1
    """Decoder outputs per value of x: 1, or several parameters, which then come as (B, outputs, *shape)."""
    scaled: ClassVar[bool] = False
    """Whether the distribution has one scale for all values, fixed or learned: `initial_scale`."""
    located: ClassVar[bool] = False
    """Whether the one decoder output is the distribution's location on the scale of x, as PCA's reconstruction is."""

    @abstractmethod
    def distribution(self, h: Tensor, scale: Tensor) -> Distribution:
        """Return the distribution for decoder output `h`, float32 or float64.

        `scale` is the fixed or learned scale, a tensor without dimensions; 1 for likelihoods without one.
        """

    @abstractmethod
    def link(self, mean: Tensor) -> Tensor:
        """Return the decoder output that gives this mean (*shape): where the output's bias starts."""

    @property
    def initial_scale(self) -> float | None:
        """The fixed scale; None where it is learned."""
        return 1.0

    def layer(self) -> LikelihoodLayer:
        """Return the likelihood as a part of a module, with the parameters that it learns."""
        return LikelihoodLayer(self)

    def check(self, low: float, high: float, grey: bool, owner: str) -> None:
        """Refuse training data from `low` to `high` that this likelihood cannot explain, by a DataError that says them.

        `grey` says whether every value is a multiple of 1/255; `owner` is the estimator's name, for the message.
        """
        if self.bounded and not (low >= 0 and high <= 1):
            raise DataError(
                f"{owner}: X must lie in [0, 1] for likelihood={str(self)!r}; got values from {low:.6g} to "
                f"{high:.6g}. Set scale='minmax', pass pixels as uint8, or choose likelihood='gaussian'."
            )


class LikelihoodLayer(nn.Module):
    """A likelihood within a module, with its scale: fixed, or learned with the weights."""

    def __init__(self, likelihood: Likelihood) -> None:
        super().__init__()
        self.of = likelihood
        initial = likelihood.initial_scale
        self.learned = initial is None
        self.log_scale: nn.Parameter | None = None
        if likelihood.scaled:
            self.log_scale = nn.Parameter(torch.tensor(math.log(initial or 1.0)), requires_grad=self.learned)

    @property
    def scale(self) -> Tensor:
        """The scale, a tensor without dimensions."""
        return torch.ones(()) if self.log_scale is None else self.log_scale.exp()

    def start(self, deviation: float) -> float:
        """Start a learned scale at a standard deviation, and return the variance of a value then."""
        if self.learned and self.log_scale is not None:
            nn.init.constant_(self.log_scale, math.log(max(deviation, 1e-3)))
        return float(self.scale.detach()) ** 2 if self.of.scaled else deviation**2

    def forward(self, h: Tensor) -> Distribution:
        """Return the distribution for decoder output `h`; low precision is left behind here."""
        h = h.float() if h.dtype in (torch.bfloat16, torch.float16) else h
        return self.of.distribution(h, self.scale.to(h))


class _OneNormal(Normal):
    """Normals of one deviation: torch's take its logarithm and square anew for every value, which takes half a step."""

    def __init__(self, loc: Tensor, scale: Tensor) -> None:
        super().__init__(loc, scale, validate_args=False)
        self.one = scale

    def log_prob(self, value: Tensor) -> Tensor:
        value, loc = torch.broadcast_tensors(value, self.loc)
        constant = self.one.log() + math.log(2 * math.pi) / 2
        return torch.sub(-constant, F.mse_loss(loc, value, reduction="none") / (2 * self.one**2))


class _Scaled(Likelihood):
    """A location from the decoder, and one scale for all values: fixed, or learned with the weights."""

    located: ClassVar[bool] = True
    scaled: ClassVar[bool] = True
    scale: float | str

    @property
    def initial_scale(self) -> float | None:
        """The fixed scale; None where it is learned."""
        return None if self.scale == "learned" else float(self.scale)

    def link(self, mean: Tensor) -> Tensor:
        """Return the mean itself."""
        return mean


@component
class GaussianLikelihood(_Scaled):
    """N(x; h, scale^2): half the squared error over scale^2, and log(scale sqrt(2 pi)) per value."""

    scale: float | str = param(
        1.0, "Standard deviation of every value, or learned.", low=0, low_open=True, choices=("learned",)
    )

    def distribution(self, h: Tensor, scale: Tensor) -> Distribution:
        """Return normal distributions around h."""
        return _OneNormal(h, scale)


class _OneLaplace(Laplace):
    """Likewise."""

    def __init__(self, loc: Tensor, scale: Tensor) -> None:
        super().__init__(loc, scale, validate_args=False)
        self.one = scale

    def log_prob(self, value: Tensor) -> Tensor:
        return torch.sub(-(2 * self.one).log(), (value - self.loc).abs() / self.one)


@component
class LaplaceLikelihood(_Scaled):
    """Laplace(x; h, scale): the absolute error over scale, and log(2 scale) per value."""

    scale: float | str = param(1.0, "Scale of every value, or learned.", low=0, low_open=True, choices=("learned",))

    def distribution(self, h: Tensor, scale: Tensor) -> Distribution:
        """Return Laplace distributions around h."""
        return _OneLaplace(h, scale)


@component
class BernoulliLikelihood(Likelihood):
    """Bernoulli with logits h; for x between 0 and 1 this is the cross-entropy, as is customary for grey digits."""

    bounded: ClassVar[bool] = True
    discrete: ClassVar[bool] = True

    def distribution(self, h: Tensor, scale: Tensor) -> Distribution:
        """Return Bernoulli distributions with logits h."""
        return Bernoulli(logits=h, validate_args=False)

    def link(self, mean: Tensor) -> Tensor:
        """Return the logit of the mean."""
        # Values that are always 0 would have a bias of -inf; 1/1000 is about e^-7, and learns on from there.
        return torch.logit(mean, eps=1e-3)


@component
class ContinuousBernoulliLikelihood(Likelihood):
    """The density on [0, 1] that a Bernoulli cross-entropy leaves unnormalised (Loaiza-Ganem & Cunningham 2019)."""

    bounded: ClassVar[bool] = True

    def distribution(self, h: Tensor, scale: Tensor) -> Distribution:
        """Return continuous Bernoulli distributions with logits h."""
        return ContinuousBernoulli(logits=h, validate_args=False)

    def link(self, mean: Tensor) -> Tensor:
        """Return the logit that gives the mean."""
        # The mean rises with the logit and has no inverse in closed form: halve the interval 50 times.
        near = mean.detach().cpu().double().clamp(0.02, 0.98)  # not every device has double precision
        low, high = torch.full_like(near, -60.0), torch.full_like(near, 60.0)
        for _ in range(50):
            middle = (low + high) / 2
            below = ContinuousBernoulli(logits=middle, validate_args=False).mean < near
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        logit = (low + high) / 2
        if not mean.requires_grad:
            return logit.to(mean)
        # One step of Newton's, which changes nothing, has the inverse function's gradient: 1 / variance.
        slope = 1 / ContinuousBernoulli(logits=logit, validate_args=False).variance
        return torch.addcmul(logit.to(mean), mean.clamp(0.02, 0.98) - near.to(mean), slope.to(mean))


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


@component
class DiscretizedLogisticLikelihood(_Scaled):
    """Probability of an 8-bit pixel under a logistic distribution with location h and one scale."""

    bounded: ClassVar[bool] = True
    discrete: ClassVar[bool] = True

    scale: float | str = param(
        "learned", "Scale of every value, or learned.", low=0, low_open=True, choices=("learned",)
    )

    def distribution(self, h: Tensor, scale: Tensor) -> Distribution:
        """Return discretized logistic distributions around h."""
        return DiscretizedLogistic(h, scale)

    def check(self, low: float, high: float, grey: bool, owner: str) -> None:
        """Refuse values that are not grey levels."""
        super().check(low, high, grey, owner)
        if not grey:
            raise DataError(
                f"{owner}: X must be 8-bit pixels (uint8, or multiples of 1/255) for likelihood="
                f"'discretized_logistic'; got other values from {low:.6g} to {high:.6g}. "
                "Choose 'gaussian:learned' or 'continuous_bernoulli'."
            )


LIKELIHOODS = Axis(
    "likelihood",
    {
        "gaussian": GaussianLikelihood,
        "laplace": LaplaceLikelihood,
        "discretized_logistic": DiscretizedLogisticLikelihood,
        "bernoulli": BernoulliLikelihood,
        "continuous_bernoulli": ContinuousBernoulliLikelihood,
    },
)
