"""Networks and codes: encoders and decoders for any sample shape, and what lies between them."""

from narrows.components import Axis
from narrows.nn.codes import Code, CodeLayer, Continuous, Ordered
from narrows.nn.conv import Conv
from narrows.nn.layers import ACTIVATIONS, Decoder, Encoder, Layout
from narrows.nn.mlp import MLP
from narrows.nn.network import Network, Pair, Start
from narrows.nn.quantizers import VQ
from narrows.nn.recurrent import Recurrent
from narrows.nn.residual import Residual

__all__ = [
    "ACTIVATIONS", "CODES", "MLP", "NETWORKS", "VQ", "Code", "CodeLayer", "Continuous", "Conv", "Decoder", "Encoder",
    "Layout", "Network", "Ordered", "Pair", "Recurrent", "Residual", "Start",
]  # fmt: skip

NETWORKS = Axis("network", {"mlp": MLP, "conv": Conv, "recurrent": Recurrent, "residual": Residual})
CODES = Axis("code", {"continuous": Continuous, "ordered": Ordered, "vq": VQ})
