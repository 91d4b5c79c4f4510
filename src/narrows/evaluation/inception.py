"""The features of FID: 2,048 activations of Inception v3, from weights that the user gives (Szegedy et al. 2016).

The network is that of the weights which FID was defined with, trained in TensorFlow in 2015 and published for torch as
pt_inception-2015-12-05: average pooling leaves the border out, and the last block pools by the maximum. Only with those
weights are a Fréchet distance and a kernel distance on these features FID and KID (Heusel et al. 2017). narrows
contains no weights and downloads none.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from narrows.data.arrays import Array
from narrows.errors import DataError, FormatError
from narrows.evaluation.features import Features, unit_values
from narrows.storage.tensors import read_tensors

SIDE = 299
"""Pixels; images are resized to this square."""
BATCH = 32

UNUSED = re.compile(r"(fc|AuxLogits)\.|.*\.num_batches_tracked$")
"""What files of these weights hold beside the features: the classifier, and counters of training."""


class Unit(nn.Module):
    """A convolution without bias, batch normalisation, and ReLU."""

    def __init__(self, n_in: int, n_out: int, kernel: int | tuple[int, int], stride: int = 1, pad: bool = True) -> None:
        super().__init__()
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (height // 2, width // 2) if pad else (0, 0)
        self.conv = nn.Conv2d(n_in, n_out, (height, width), stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(n_out, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """Return the activations."""
        return F.relu(self.bn(self.conv(x)))


class Block(nn.Module):
    """Branches side by side, their channels joined; a branch is a chain of units, the last of which may be a pair."""

    def __init__(
        self,
        n_in: int,
        branches: dict[str, list[tuple[str, Unit]]],
        pool: Callable[[Tensor], Tensor],
        after_pool: int | None,
    ) -> None:
        super().__init__()
        self.chains: list[list[list[str]]] = []
        for branch, units in branches.items():
            chain: list[list[str]] = []
            for name, unit in units:
                full = f"{branch}{name}"
                self.add_module(full, unit)
                if name.endswith("b"):
                    chain[-1].append(full)
                else:
                    chain.append([full])
            self.chains.append(chain)
        self.pool, self.pooled = pool, after_pool is not None
        if after_pool is not None:
            self.branch_pool = Unit(n_in, after_pool, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the branches' outputs, channel by channel."""
        outputs = []
        for chain in self.chains:
            h = x
            for parallel in chain:
                h = torch.cat([self.get_submodule(name)(h) for name in parallel], 1)
            outputs.append(h)
        pooled = self.pool(x)
        return torch.cat([*outputs, self.branch_pool(pooled) if self.pooled else pooled], 1)


def _average(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


def _greatest(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 3, 1, 1)


def _halved(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 3, 2)


def _fine(n: int, after_pool: int) -> Block:
    """Return a block at 35 x 35."""
    branches = {
        "branch1x1": [("", Unit(n, 64, 1))],
        "branch5x5": [("_1", Unit(n, 48, 1)), ("_2", Unit(48, 64, 5))],
        "branch3x3dbl": [("_1", Unit(n, 64, 1)), ("_2", Unit(64, 96, 3)), ("_3", Unit(96, 96, 3))],
    }
    return Block(n, branches, _average, after_pool)


def _to_middle(n: int) -> Block:
    branches = {
        "branch3x3": [("", Unit(n, 384, 3, 2, pad=False))],
        "branch3x3dbl": [("_1", Unit(n, 64, 1)), ("_2", Unit(64, 96, 3)), ("_3", Unit(96, 96, 3, 2, pad=False))],
    }
    return Block(n, branches, _halved, None)


def _middle(n: int, m: int) -> Block:
    """Return a block at 17 x 17, whose 7 x 7 convolutions are made of 1 x 7 and 7 x 1, `m` channels between."""
    across, down = (1, 7), (7, 1)
    branches = {
        "branch1x1": [("", Unit(n, 192, 1))],
        "branch7x7": [("_1", Unit(n, m, 1)), ("_2", Unit(m, m, across)), ("_3", Unit(m, 192, down))],
        "branch7x7dbl": [
            ("_1", Unit(n, m, 1)), ("_2", Unit(m, m, down)), ("_3", Unit(m, m, across)), ("_4", Unit(m, m, down)),
            ("_5", Unit(m, 192, across)),
        ],
    }  # fmt: skip
    return Block(n, branches, _average, 192)


def _to_coarse(n: int) -> Block:
    branches = {
        "branch3x3": [("_1", Unit(n, 192, 1)), ("_2", Unit(192, 320, 3, 2, pad=False))],
        "branch7x7x3": [
            ("_1", Unit(n, 192, 1)), ("_2", Unit(192, 192, (1, 7))), ("_3", Unit(192, 192, (7, 1))),
            ("_4", Unit(192, 192, 3, 2, pad=False)),
        ],
    }  # fmt: skip
    return Block(n, branches, _halved, None)


def _coarse(n: int, pool: Callable[[Tensor], Tensor]) -> Block:
    """Return a block at 8 x 8, whose branches end in a pair of 1 x 3 and 3 x 1."""
    branches = {
        "branch1x1": [("", Unit(n, 320, 1))],
        "branch3x3": [("_1", Unit(n, 384, 1)), ("_2a", Unit(384, 384, (1, 3))), ("_2b", Unit(384, 384, (3, 1)))],
        "branch3x3dbl": [
            ("_1", Unit(n, 448, 1)), ("_2", Unit(448, 384, 3)),
            ("_3a", Unit(384, 384, (1, 3))), ("_3b", Unit(384, 384, (3, 1))),
        ],
    }  # fmt: skip
    return Block(n, branches, pool, 192)


class InceptionModule(nn.Module):
    """Images (B, 3, 299, 299) in [0, 1] to features (B, 2048); its parts are named as in the published weights."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Unit(3, 32, 3, 2, pad=False)
        self.Conv2d_2a_3x3 = Unit(32, 32, 3, pad=False)
        self.Conv2d_2b_3x3 = Unit(32, 64, 3)
        self.Conv2d_3b_1x1 = Unit(64, 80, 1)
        self.Conv2d_4a_3x3 = Unit(80, 192, 3, pad=False)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = _fine(192, 32), _fine(256, 64), _fine(288, 64)
        self.Mixed_6a = _to_middle(288)
        self.Mixed_6b, self.Mixed_6c = _middle(768, 128), _middle(768, 160)
        self.Mixed_6d, self.Mixed_6e = _middle(768, 160), _middle(768, 192)
        self.Mixed_7a = _to_coarse(768)
        self.Mixed_7b, self.Mixed_7c = _coarse(1280, _average), _coarse(2048, _greatest)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features."""
        h = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(2 * x - 1)))  # (B, 64, 147, 147)
        h = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(_halved(h)))
        h = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(_halved(h))))  # (B, 288, 35, 35)
        h = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(h)))))  # (B, 768, 17, 17)
        return self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(h))).mean((2, 3))  # from (B, 2048, 8, 8)


def inception_features(weights: str | Path) -> Features:
    """Return the features of Inception v3, for `measure_generation(real, generated, features=...)`.

    Images become squares of 299 pixels by bilinear interpolation; grey ones get three equal channels. The features are
    named by the first 12 digits of the file's SHA-256, "inception:<digits>", and so are the measures made with them:
    two files of other weights give numbers that do not compare.

    Parameters
    ----------
    weights
        A safetensors file with the names of the published state dict, such as "Mixed_5b.branch1x1.conv.weight". The
        classifier ("fc.", "AuxLogits.") and "num_batches_tracked" may be present, and are not used. A .pth file is a
        pickle, which can execute any code, and is refused: convert one that you trust, by
        `safetensors.torch.save_file(state_dict, "inception.safetensors")`.

    Raises
    ------
    FormatError
        The file does not hold these weights.

    References
    ----------
    arXiv:1512.00567, arXiv:1706.08500
    """
    path = Path(weights)
    arrays = {name: array for name, array in read_tensors(path).items() if not UNUSED.match(name)}
    module = InceptionModule().eval()
    shapes = {name: t.shape for name, t in module.state_dict().items() if not UNUSED.match(name)}
    for what, names in (("lacks", shapes.keys() - arrays.keys()), ("must not hold", arrays.keys() - shapes.keys())):
        if names:
            raise FormatError(
                f"{path}: {what} {min(names)!r} ({len(names)} in all). Are these weights of Inception v3?"
            )
    for name, shape in shapes.items():
        if (a := arrays[name]).shape != shape or a.dtype.kind != "f" or not np.isfinite(a).all():
            raise FormatError(
                f"{path}: {name} must be finite, of shape {tuple(shape)}; got {a.dtype} {a.shape}. "
                "Is this Inception v3?"
            )
    module.load_state_dict({name: torch.from_numpy(array).float() for name, array in arrays.items()}, strict=False)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()

    def extract(X: Array) -> Array:
        if X.ndim != 4 or X.shape[1] not in (1, 3):
            raise DataError(f"inception_features: X must be images (N, 1 or 3, H, W); got {X.shape}. Use 'pixels'.")
        parts = []
        with torch.inference_mode():
            for start in range(0, len(X), BATCH):
                x = torch.from_numpy(unit_values(X[start : start + BATCH])).float()
                square = F.interpolate(x.expand(-1, 3, -1, -1), (SIDE, SIDE), mode="bilinear", align_corners=False)
                parts.append(module(square).double().numpy())
        return np.concatenate(parts)

    return Features(f"inception:{digest[:12]}", extract)
