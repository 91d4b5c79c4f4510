"""Encoders (B, *shape) -> (B, n_out) and decoders (B, n_in) -> (B, *shape), for any sample shape.

`NETWORKS` names them. A network knows nothing of the model that uses it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from narrows.errors import ConfigError
from narrows.nn.conv import conv
from narrows.nn.layers import ACTIVATIONS, Decoder, Layout
from narrows.nn.mlp import mlp
from narrows.nn.recurrent import lstm
from narrows.nn.residual import ResidualDecoder, ResidualEncoder, residual, start_at_axes

__all__ = [
    "ACTIVATIONS",
    "NETWORKS",
    "Decoder",
    "Layout",
    "ResidualDecoder",
    "ResidualEncoder",
    "network_for",
    "networks",
    "start_at_axes",
]

NETWORKS: dict[str, Callable[[Layout], tuple[nn.Module, nn.Module]]] = {
    "mlp": mlp,
    "conv": conv,
    "lstm": lstm,
    "residual": residual,
}


def network_for(shape: tuple[int, ...]) -> str:
    """Return the network's name that `"auto"` stands for: mlp for tables, lstm for sequences, conv for images."""
    return {1: "mlp", 2: "lstm", 3: "conv"}[len(shape)]


def networks(network: str | tuple[nn.Module, ...], layout: Layout) -> tuple[nn.Module, nn.Module]:
    """Return an encoder and a decoder: those that are named, or a copy of one's own pair.

    Parameters
    ----------
    network
        A name in `NETWORKS`, `"auto"`, or `(encoder, decoder)`, whose weights are where training starts.
    layout
        Sample shape, sizes and activations. One's own modules follow the shapes alone.

    Raises
    ------
    ConfigError
        The network does not take such samples, or one's own modules return another shape.
    """
    if layout.tied and (network_for(layout.shape) if network == "auto" else network) != "mlp":
        raise ConfigError(
            f"tied must go with network='mlp'; got network={network!r} for samples of shape {layout.shape}. "
            "Set network='mlp', or leave tied out."
        )
    if isinstance(network, str):
        return NETWORKS[network_for(layout.shape) if network == "auto" else network](layout)
    if len(network) != 2:
        raise ConfigError(f"network must be a name or the pair (encoder, decoder); got {len(network)} modules.")
    encoder, decoder = copy.deepcopy(network[0]), copy.deepcopy(network[1])
    _check("encoder", encoder, layout.shape, (layout.n_out,))
    _check("decoder", decoder, (layout.latent_dim,), layout.shape)
    return encoder, decoder


def _check(role: str, module: nn.Module, shape: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    training = module.training
    try:
        with torch.no_grad(), torch.device("cpu"):
            found: Tensor = module.eval()(torch.zeros(2, *shape))
    except RuntimeError as error:
        raise ConfigError(f"network: the {role} must take (B, {_csv(shape)}); it raised {error}") from error
    finally:
        module.train(training)
    if tuple(found.shape[1:]) != wanted:
        raise ConfigError(
            f"network: the {role} must return (B, {_csv(wanted)}) for (B, {_csv(shape)}); got shape (B, "
            f"{_csv(found.shape[1:])}). A variational encoder returns mean and log-variance: 2 * latent_dim numbers."
        )


def _csv(sizes: tuple[int, ...]) -> str:
    return ", ".join(map(str, sizes))
