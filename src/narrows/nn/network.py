"""The network axis: what makes an encoder (B, *shape) -> (B, *latents) and a decoder back, for any sample shape.

A network knows nothing of the estimator that uses it. A user's pair of modules is taken wherever a name is.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from narrows.components import Component, component
from narrows.errors import ConfigError
from narrows.nn.layers import Decoder, Encoder, Layout, StackEncoder
from narrows.pca import Axes


class Start(NamedTuple):
    """What is known of the training data before the first step, for weights that start there."""

    mean: Tensor
    """(*shape), of every value over the training rows."""
    link: Callable[[Tensor], Tensor] | None
    """From a mean to the decoder output that gives it; None where it has none."""
    data_bias: bool
    """Whether the output's bias shall start at the mean."""
    axes: Callable[[int], Axes]
    """The first k principal axes of the training data."""
    set_scale: Callable[[float], float]
    """Starts a learned scale of the likelihood at a standard deviation, and returns the variance that it has then."""


class Network(Component):
    """Builds an encoder and a decoder."""

    axis: ClassVar[str] = "network"
    dimensions: ClassVar[tuple[int, ...]] = (1, 2, 3)
    """Numbers of dimensions that a sample may have: 1 for tables, 2 for sequences, 3 for images."""
    ragged: ClassVar[bool] = False
    """Whether it takes sequences of different lengths."""
    begins_at_pca: ClassVar[bool] = False
    """Whether its weights start where the model is PCA."""
    draws: ClassVar[bool] = False
    """Whether layers may draw random numbers of their own in training, as dropout does."""
    sees_mask: bool = True
    """Whether the encoder of a table takes further features that say which values are missing."""
    output_activation: str = "linear"
    """On the decoder's output."""

    @abstractmethod
    def pair(self, layout: Layout) -> tuple[Encoder, Decoder]:
        """Return encoder and decoder, with initial weights."""

    def map_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the grid on which latents of a map lie, such as (h, w); () for networks without one."""
        return ()

    def start(self, encoder: Encoder, decoder: Decoder, start: Start) -> None:
        """Start weights where the training data are: by default the output's bias at their mean."""
        if start.data_bias and start.link is not None:
            decoder.start_at(start.mean, start.link)

    def build(self, layout: Layout) -> tuple[Encoder, Decoder]:
        """Return `pair`. Raises: ConfigError where samples have a shape that the network does not take."""
        if len(layout.shape) not in self.dimensions:
            kinds = {1: "tables", 2: "sequences", 3: "images"}
            raise ConfigError(
                f"network={str(self)!r} must have {' or '.join(kinds[n] for n in self.dimensions)}; got samples of "
                f"shape {layout.shape}. Use 'mlp'."
            )
        return self.pair(layout)


class OwnEncoder(StackEncoder):
    """A module that a user gave."""

    def features(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """Return (B, heads * latents)."""
        return self.body(x.clone())  # it may work in place, on the caller's own data


class OwnDecoder(Decoder):
    """A module that a user gave."""

    def __init__(self, body: nn.Module, layout: Layout) -> None:
        super().__init__(layout)
        self.body = body

    def values(self, z: Tensor) -> Tensor:
        """Return (B, *output shape)."""
        return self.body(z.clone())


@component
class Pair(Network):
    """A user's encoder and decoder, whose weights are where training starts; the modules given stay as they are."""

    draws: ClassVar[bool] = True
    sees_mask = False

    modules: Any = None

    def pair(self, layout: Layout) -> tuple[Encoder, Decoder]:
        """Return copies, after a check of what they return.

        Raises: ConfigError where there are not two, or one returns another shape.
        """
        modules: Sequence[nn.Module] = self.modules
        if len(modules) != 2 or not all(isinstance(module, nn.Module) for module in modules):
            raise ConfigError(f"network must be a name or the pair (encoder, decoder); got {repr(modules)[:100]}.")
        encoder, decoder = copy.deepcopy(modules[0]), copy.deepcopy(modules[1])
        _check("encoder", encoder, layout.input_shape, (layout.n_out,))
        _check("decoder", decoder, layout.latents, layout.output_shape)
        return OwnEncoder(encoder, layout), OwnDecoder(decoder, layout)


def _check(role: str, module: nn.Module, shape: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    training = module.training
    try:
        with torch.no_grad(), torch.device("cpu"):
            result: Tensor = module.eval()(torch.zeros(2, *shape))
    except RuntimeError as error:
        raise ConfigError(f"network: the {role} must take (B, {shape_text(shape)}); it raised {error}") from error
    finally:
        module.train(training)
    if tuple(result.shape[1:]) != wanted:
        raise ConfigError(
            f"network: the {role} must return (B, {shape_text(wanted)}) for (B, {shape_text(shape)}); got shape (B, "
            f"{shape_text(result.shape[1:])}). A variational encoder returns mean and log-variance: 2 * latent_dim "
            "values."
        )


def shape_text(sizes: Sequence[int]) -> str:
    """Return sizes as they are written: "3, 28, 28"."""
    return ", ".join(map(str, sizes))
