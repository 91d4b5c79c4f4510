"""The VAE of PyTorch's own examples, as everybody first meets it: images one by one through a DataLoader."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from protocol import Prepared, course, serve
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch_networks import Classic

from data import digits


class Digits(Dataset):
    """Does per image what the usual chain does: a Pillow image, its bytes, channels first, floats in [0, 1]."""

    def __init__(self, part: str, rows: int | None = None) -> None:
        self.images = torch.from_numpy(digits(part, rows).reshape(-1, 28, 28))
        self.labels = torch.zeros(len(self.images), dtype=torch.int64)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        picture, label = Image.fromarray(self.images[i].numpy()), int(self.labels[i])
        levels = torch.from_numpy(np.array(picture)).view(28, 28, 1)
        return levels.permute(2, 0, 1).contiguous().to(torch.float32).div(255), label


class Script:
    """Training and test passes of the example, printing aside."""

    def __init__(self, seed: int, rows: int | None = None) -> None:
        torch.manual_seed(seed)
        self.train_loader = DataLoader(Digits("train", rows), batch_size=128, shuffle=True)
        self.test_loader = DataLoader(Digits("test"), batch_size=128, shuffle=False)
        self.model = Classic()
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=1e-3)

    def train(self) -> None:
        self.model.train()
        total = 0.0
        for x, _ in self.train_loader:
            self.optimiser.zero_grad()
            loss = self.model.loss(*self._pass(x))
            loss.backward()
            total += loss.item()
            self.optimiser.step()

    def test(self) -> float:
        self.model.eval()
        with torch.no_grad():
            total = sum(self.model.loss(*self._pass(x)).item() for x, _ in self.test_loader)
        return total / len(self.test_loader.dataset)

    def _pass(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        output, mean, log_variance = self.model(x)
        return output, x, mean, log_variance


def train(network: str, rows: int, batch: int, seed: int = 0, rounds: int = 1) -> Prepared:
    """A round is an epoch; the network is always the VAE."""
    script = Script(seed, rows)
    return Prepared(script.train, lambda: {"test_error": script.test()})


def whole(epochs: int, target: float | None = None, seed: int = 0) -> Prepared:
    def begin():
        script = Script(seed)
        return script.train, script.test

    return course(begin, epochs, target)


if __name__ == "__main__":
    serve({"train": train, "whole": whole})
