"""Networks as lists of layers and their weights, by the type of each part."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from narrows.errors import NarrowsError
from narrows.nn.conv import ToSequence, Transpose
from narrows.nn.layers import EDGE, INVERSES, StackDecoder, StackEncoder
from narrows.nn.mlp import TiedLinear
from narrows.nn.network import OwnDecoder
from narrows.nn.residual import ResidualDecoder, ResidualEncoder, _Linear
from narrows.probability.likelihoods import BernoulliLikelihood, ContinuousBernoulliLikelihood

Layer = dict[str, Any]
"""What a layer does (`op`), its settings, and the names of its weights."""
ACTIVATIONS = {
    nn.ReLU: "relu", nn.ELU: "elu", nn.SELU: "selu", nn.SiLU: "silu", nn.Tanh: "tanh", nn.Sigmoid: "sigmoid",
    nn.Softplus: "softplus",
}  # fmt: skip
LOGIT_EPS = 1e-3
"""Of `BernoulliLikelihood.link`."""


class UnsupportedError(NarrowsError):
    """A part of a network that the exported page does not execute."""


@dataclass
class Graph:
    """Encoder and decoder, on the model's scale, and their weights in single precision by name."""

    encoder: list[Layer] = field(default_factory=list)
    decoder: list[Layer] = field(default_factory=list)
    tensors: dict[str, np.ndarray[Any, Any]] = field(default_factory=dict)

    def weight(self, value: Tensor) -> str:
        """Keep a tensor, and return its name."""
        name = f"w{len(self.tensors)}"
        self.tensors[name] = np.ascontiguousarray(value.detach().cpu().to(torch.float32).numpy())
        return name


def activation(name: str) -> Layer:
    """Return a function of every value."""
    return {"op": "activation", "name": name}


def linear(graph: Graph, weight: Tensor, bias: Tensor | None) -> Layer:
    """Return x W^T + b, for W (out, in)."""
    return {"op": "linear", "weight": graph.weight(weight), "bias": None if bias is None else graph.weight(bias)}


@singledispatch
def layers(module: nn.Module, graph: Graph) -> list[Layer]:
    """Return the layers of a module in evaluation mode. Raises: UnsupportedError where one is not known."""
    for known, name in ACTIVATIONS.items():
        if type(module) is known and (name != "elu" or module.alpha == 1) and getattr(module, "beta", 1) == 1:
            return [activation(name)]
    raise UnsupportedError(type(module).__name__)


@layers.register
def _(module: StackEncoder, graph: Graph) -> list[Layer]:  # OwnEncoder too
    return layers(module.body, graph)


@layers.register
def _(module: OwnDecoder, graph: Graph) -> list[Layer]:
    return layers(module.body, graph)


@layers.register
def _(module: StackDecoder, graph: Graph) -> list[Layer]:
    shape = {"op": "reshape", "shape": list(module.layout.output_shape)}
    return [*layers(module.body, graph), *layers(module.output, graph), shape, *layers(module.last, graph)]


@layers.register
def _(module: ResidualEncoder, graph: Graph) -> list[Layer]:
    linear = [{"op": "flatten"}, *layers(module.linear, graph)]
    return [{"op": "sum", "branches": [linear, layers(module.layers, graph)]}]


@layers.register
def _(module: ResidualDecoder, graph: Graph) -> list[Layer]:
    shape = {"op": "reshape", "shape": list(module.layout.shape)}
    linear = [*layers(module.linear, graph), shape, *_link(module.layout.link), *_inverse(module.inverse)]
    result = [{"op": "sum", "branches": [linear, layers(module.layers, graph)]}]
    if module.picture is not None:
        result.append({"op": "sum", "branches": [[], layers(module.picture, graph)]})
    return [*result, *layers(module.last, graph)]


def _inverse(inverse: Any) -> list[Layer]:
    if inverse is INVERSES["sigmoid"]:
        return [{"op": "logit", "eps": EDGE}]
    return [{"op": "atanh", "eps": EDGE}] if inverse is INVERSES["tanh"] else []


@layers.register
def _(module: nn.Sequential, graph: Graph) -> list[Layer]:
    return [layer for part in module for layer in layers(part, graph)]


@layers.register
def _(module: nn.Identity | nn.Dropout | nn.Dropout1d | nn.Dropout2d, graph: Graph) -> list[Layer]:
    return []


@layers.register
def _(module: nn.Flatten, graph: Graph) -> list[Layer]:
    if (module.start_dim, module.end_dim) != (1, -1):
        raise UnsupportedError(str(module))
    return [{"op": "flatten"}]


@layers.register
def _(module: nn.Unflatten, graph: Graph) -> list[Layer]:
    if module.dim != 1:
        raise UnsupportedError(str(module))
    return [{"op": "reshape", "shape": [int(n) for n in module.unflattened_size]}]


@layers.register
def _(module: Transpose, graph: Graph) -> list[Layer]:
    return [{"op": "transpose"}]


@layers.register
def _(module: ToSequence, graph: Graph) -> list[Layer]:
    return [*layers(module.output, graph), {"op": "transpose"}]


@layers.register
def _(module: nn.Linear | _Linear, graph: Graph) -> list[Layer]:
    return [linear(graph, module.weight, module.bias)]


@layers.register
def _(module: TiedLinear, graph: Graph) -> list[Layer]:
    return [linear(graph, module.source[0].weight.T, module.bias)]


@layers.register
def _(module: nn.LeakyReLU, graph: Graph) -> list[Layer]:
    return [activation("leaky_relu") | {"slope": module.negative_slope}]


@layers.register
def _(module: nn.GELU, graph: Graph) -> list[Layer]:
    return [activation("gelu" if module.approximate == "none" else "gelu_tanh")]


def _pair(value: Any, fill: int) -> list[int]:
    """Return a setting of one or two axes as one of two: sequences are images of height 1."""
    values = [int(n) for n in value] if isinstance(value, tuple) else [int(value)]
    return values if len(values) == 2 else [fill, *values]


@layers.register
def _(module: nn.Conv1d | nn.Conv2d | nn.ConvTranspose1d | nn.ConvTranspose2d, graph: Graph) -> list[Layer]:
    if (
        module.groups != 1 or set(module.dilation) != {1} or module.padding_mode != "zeros"
        or isinstance(module.padding, str)
    ):  # fmt: skip
        raise UnsupportedError(str(module))
    weight = module.weight if module.weight.dim() == 4 else module.weight[:, :, None]
    layer = {
        "op": "conv_transpose" if module.transposed else "conv", "weight": graph.weight(weight),
        "bias": None if module.bias is None else graph.weight(module.bias),
        "stride": _pair(module.stride, 1), "padding": _pair(module.padding, 0),
    }  # fmt: skip
    return [layer | {"extra": _pair(module.output_padding, 0)} if module.transposed else layer]


@layers.register
def _(module: nn.MaxPool1d | nn.MaxPool2d | nn.AvgPool1d | nn.AvgPool2d, graph: Graph) -> list[Layer]:
    flat = isinstance(module, nn.MaxPool1d | nn.AvgPool1d)
    kernel, stride, padding = (
        _pair(v if flat or isinstance(v, tuple) else (v, v), fill)
        for v, fill in ((module.kernel_size, 1), (module.stride, 1), (module.padding, 0))
    )
    if padding != [0, 0] or getattr(module, "dilation", 1) not in (1, (1, 1)):
        raise UnsupportedError(str(module))
    kind = "max" if isinstance(module, nn.MaxPool1d | nn.MaxPool2d) else "average"
    return [{"op": "pool", "kind": kind, "kernel": kernel, "stride": stride, "ceil": bool(module.ceil_mode)}]


@layers.register
def _(module: nn.Upsample, graph: Graph) -> list[Layer]:
    if module.scale_factor is None or module.mode not in ("nearest", "bilinear") or module.align_corners:
        raise UnsupportedError(str(module))
    factor = module.scale_factor if isinstance(module.scale_factor, tuple) else (module.scale_factor,) * 2
    if any(n != int(n) for n in factor):
        raise UnsupportedError(str(module))
    return [{"op": "upsample", "mode": module.mode, "factor": _pair(factor, 1)}]


@layers.register
def _(module: nn.BatchNorm1d | nn.BatchNorm2d, graph: Graph) -> list[Layer]:
    if module.running_mean is None or module.running_var is None:
        raise UnsupportedError(f"{type(module).__name__} without running statistics")
    factor = (module.running_var.double() + module.eps).rsqrt() * (1 if module.weight is None else module.weight)
    shift = (0 if module.bias is None else module.bias) - module.running_mean.double() * factor
    return [{"op": "channels", "factor": graph.weight(factor), "shift": graph.weight(shift)}]


@layers.register
def _(module: nn.LayerNorm, graph: Graph) -> list[Layer]:
    return [{"op": "layer_norm", "size": int(np.prod(module.normalized_shape)), **_norm(module, graph)}]


@layers.register
def _(module: nn.GroupNorm, graph: Graph) -> list[Layer]:
    return [{"op": "group_norm", "groups": module.num_groups, **_norm(module, graph)}]


def _norm(module: nn.LayerNorm | nn.GroupNorm, graph: Graph) -> Layer:
    weight, bias = module.weight, module.bias
    return {
        "eps": module.eps, "weight": None if weight is None else graph.weight(weight),
        "bias": None if bias is None else graph.weight(bias),
    }  # fmt: skip


def _link(link: Any) -> list[Layer]:
    """Return what `Layout.link` does, a method of a likelihood."""
    if link is None:
        return []
    of = link.__self__
    if isinstance(of, BernoulliLikelihood):
        return [{"op": "logit", "eps": LOGIT_EPS}]
    if isinstance(of, ContinuousBernoulliLikelihood):
        return [activation("continuous_bernoulli_link")]
    raise UnsupportedError(f"likelihood {of}")
