"""A fitted module's encoder and decoder as lists of layers and their weights, which the exported page executes."""

from __future__ import annotations

from functools import singledispatch

from narrows.estimators.ae import AEModule, NetworkModule
from narrows.estimators.pca import PCAModule
from narrows.estimators.vae import VAEModule
from narrows.export.layers import Graph, Layer, UnsupportedError, activation, layers, linear
from narrows.module import Module
from narrows.nn.codes import CodeLayer, OrderedLayer
from narrows.probability.likelihoods import (
    BernoulliLikelihood,
    ContinuousBernoulliLikelihood,
    DiscretizedLogisticLikelihood,
    GaussianLikelihood,
    LaplaceLikelihood,
    Likelihood,
)
from narrows.probability.posteriors import Diagonal


def graph_of(module: Module) -> Graph:
    """Return the layers of a fitted module. Raises: UnsupportedError, which names the first part that is not known."""
    graph = Graph()
    _add(module, graph)
    return graph


# Modules --------------------------------------------------------------------------------------------------------------


@singledispatch
def _add(module: Module, graph: Graph) -> None:
    raise UnsupportedError(type(module).__name__)


@_add.register
def _(module: PCAModule, graph: Graph) -> None:
    inward = module.components / module.scale[:, None]
    outward = (module.components * module.scale[:, None]).T
    graph.encoder = [{"op": "flatten"}, linear(graph, inward, -inward @ module.mean)]
    graph.decoder = [linear(graph, outward, module.mean), {"op": "reshape", "shape": list(module.shape)}]


@_add.register
def _(module: NetworkModule, graph: Graph) -> None:
    layer = module.layer
    if type(layer) not in (CodeLayer, OrderedLayer):
        raise UnsupportedError("codes that are indices")
    if module.networks.condition is not None:
        raise UnsupportedError("a condition")
    latents = module.encoder.layout.latents
    if len(latents) > 1 or module.decoder.layout.outputs > 1:
        raise UnsupportedError("codes on a map" if len(latents) > 1 else "several outputs per value")
    graph.encoder = [*layers(module.encoder, graph), *_posterior(module, latents[0]), *layers(layer.activation, graph)]
    graph.decoder = [*layers(module.decoder, graph), *_mean(module.observed.of, float(module.observed.scale.detach()))]


@singledispatch
def _posterior(module: NetworkModule, latent_dim: int) -> list[Layer]:
    """Return what makes the code of the encoder's output."""
    raise UnsupportedError(type(module).__name__)


@_posterior.register
def _(module: AEModule, latent_dim: int) -> list[Layer]:
    return []


@_posterior.register
def _(module: VAEModule, latent_dim: int) -> list[Layer]:
    if type(module.family) is not Diagonal:
        raise UnsupportedError(f"posterior {module.family}")
    return [{"op": "first", "size": latent_dim}]  # the mean, without the log-variances


# Likelihoods ----------------------------------------------------------------------------------------------------------


@singledispatch
def _mean(likelihood: Likelihood, scale: float) -> list[Layer]:
    """Return what makes the mean over x of the decoder's output."""
    raise UnsupportedError(f"likelihood {likelihood}")


@_mean.register
def _(likelihood: GaussianLikelihood | LaplaceLikelihood, scale: float) -> list[Layer]:
    return []


@_mean.register
def _(likelihood: BernoulliLikelihood, scale: float) -> list[Layer]:
    return [activation("sigmoid")]


@_mean.register
def _(likelihood: ContinuousBernoulliLikelihood, scale: float) -> list[Layer]:
    return [activation("continuous_bernoulli")]


@_mean.register
def _(likelihood: DiscretizedLogisticLikelihood, scale: float) -> list[Layer]:
    return [{"op": "discretized_logistic", "scale": scale}]
