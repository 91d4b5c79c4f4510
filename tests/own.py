"""Components of a user's own, as another package would write and register them."""

import contextlib
import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Independent, MixtureSameFamily, Normal

from narrows.components import AXES, component, register
from narrows.params import param
from narrows.probability.likelihoods import Likelihood
from narrows.probability.priors import PriorFamily, PriorLayer


@component
class Heteroscedastic(Likelihood):
    """A normal whose mean and log-variance both come from the decoder: two outputs per value."""

    outputs: ClassVar[int] = 2

    floor: float = param(0.05, "Least standard deviation.", low=0, low_open=True)

    def distribution(self, h, scale):
        mean, raw = h.unbind(1)
        return Normal(mean, self.floor + F.softplus(raw), validate_args=False)

    def link(self, mean):
        return torch.stack([mean, torch.zeros_like(mean)])


@component
class UnitInterval(Likelihood):
    """A normal about a sigmoid: bounded, and with nothing else overridden."""

    bounded: ClassVar[bool] = True

    def distribution(self, h, scale):
        return Normal(torch.sigmoid(h), 0.1, validate_args=False)

    def link(self, mean):
        return torch.logit(mean, eps=1e-3)


class MixtureLayer(PriorLayer):
    """A mixture of normals with means that are learned; it does not factorise, and its KL has no closed form."""

    def __init__(self, components, latent_dim):
        super().__init__()
        angle = torch.arange(components) * 2 * math.pi / components
        means = torch.zeros(components, latent_dim)
        means[:, 0], means[:, -1] = angle.cos(), angle.sin()
        self.means = nn.Parameter(means)

    def mixture(self):
        weights = torch.distributions.Categorical(logits=torch.zeros(len(self.means), device=self.means.device))
        return MixtureSameFamily(weights, Independent(Normal(self.means, 0.5), 1), validate_args=False)

    def log_prob(self, z):
        return self.mixture().log_prob(z)

    def draw(self, n, rng):
        which = torch.randint(len(self.means), (n,), generator=rng)
        return self.means[which] + 0.5 * torch.randn(n, self.means.shape[1], generator=rng)


@component
class Mixture(PriorFamily):
    """A mixture of normals."""

    components: int = param(3, "Normals.", low=1)

    def layer(self, latent_dim):
        return MixtureLayer(self.components, latent_dim)


OWN = {"heteroscedastic": Heteroscedastic, "unitinterval": UnitInterval, "mixture": Mixture}


@contextlib.contextmanager
def registered(**kinds):
    """Register components while in here, by default all of these."""
    kinds = kinds or OWN
    for name, kind in kinds.items():
        register(kind, name)
    try:
        yield
    finally:
        for name, kind in kinds.items():
            AXES[kind.axis].values_by_name.pop(name, None)
