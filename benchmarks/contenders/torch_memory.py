"""PyTorch eager at its best: images in memory as floats, batches by index, fused Adam, cross-entropy on logits."""

from __future__ import annotations

import torch
from protocol import Prepared, course, serve
from torch import Tensor, nn
from torch_networks import NETWORKS, error, mlp_vae

from data import code_error, digits, drawn, gap, pixels, table, weights


def passes(model: nn.Module, x: Tensor, batch: int | None, learning_rate: float):
    """Return a function that trains for one epoch."""
    optimiser = torch.optim.Adam(model.parameters(), lr=learning_rate, fused=True)

    def epoch() -> None:
        for index in torch.randperm(len(x)).split(batch or len(x)):
            optimiser.zero_grad()
            model(x[index]).backward()
            optimiser.step()

    return epoch


def train(
    network: str, rows: int, batch: int | None = 128, epochs: int = 1, learning_rate: float = 1e-3, seed: int = 0,
    rounds: int = 1,
) -> Prepared:  # fmt: skip
    """A round is `epochs` epochs."""
    torch.manual_seed(seed)
    model, x = NETWORKS[network](), torch.from_numpy(pixels("train", rows))
    epoch = passes(model, x, batch, learning_rate)

    def run() -> None:
        for _ in range(epochs):
            epoch()

    return Prepared(run, lambda: {"test_error": error(model, torch.from_numpy(pixels("test")))})


def whole(epochs: int, target: float | None = None, seed: int = 0) -> Prepared:
    def begin():
        torch.manual_seed(seed)
        model, x, test = NETWORKS["vae"](), torch.from_numpy(pixels("train")), torch.from_numpy(pixels("test"))
        return passes(model, x, 128, 1e-3), lambda: error(model, test)

    return course(begin, epochs, target)


def growth(rows: int, features: int, latent: int, batch: int, rounds: int) -> Prepared:
    """One epoch of the VAE on pixels that are drawn."""
    x = torch.from_numpy(drawn(rows, features)).float().div_(255)
    return Prepared(passes(mlp_vae(features, latent), x, batch, 1e-3), dict)


def pca(data: str, k: int, seed: int = 0) -> Prepared:
    """Covariance and its eigenvectors for tall data, the randomised method of torch for wide ones."""
    torch.manual_seed(seed)
    X = table(data)
    x, found = torch.from_numpy(X), []

    def run() -> None:
        if data == "wide":
            _, _, axes = torch.pca_lowrank(x, q=k + 10, niter=2)
            found[:] = [axes[:, :k].T]
        else:
            centred = x - x.mean(0)
            _, axes = torch.linalg.eigh(centred.T @ centred)
            found[:] = [axes[:, -k:].flip(1).T]

    return Prepared(run, lambda: gap(found[0].numpy(), X, data))


def encode(rows: int, calls: int) -> Prepared:
    """Codes of pixels in uint8, `calls` times."""
    X, found = digits("test", rows), []
    layers: list[nn.Module] = []
    for weight, bias in weights():
        layers += [nn.Linear(weight.shape[1], weight.shape[0]), nn.ReLU()]
        layers[-2].load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
    model = nn.Sequential(*layers[:-1]).eval()

    @torch.inference_mode()
    def run() -> None:
        for _ in range(calls):
            found[:] = [model(torch.from_numpy(X).float().div_(255)).numpy()]

    return Prepared(run, lambda: code_error(found[0], rows))


def scores(rows: int, epochs: int, seed: int = 0) -> Prepared:
    """Fit an autoencoder, and score the test images by their squared error."""
    found: list[Tensor] = []

    def run() -> None:
        torch.manual_seed(seed)
        model, x, test = NETWORKS["detector"](), torch.from_numpy(pixels("train", rows)), pixels("test")
        epoch = passes(model, x, 128, 1e-3)
        for _ in range(epochs):
            epoch()
        with torch.inference_mode():
            x = torch.from_numpy(test)
            found[:] = [(model.decoder(model.encoder(x)) - x).square().sum(1)]

    return Prepared(run, lambda: {"test_error": found[0].mean().item()})


if __name__ == "__main__":
    serve({"train": train, "whole": whole, "growth": growth, "pca": pca, "encode": encode, "scores": scores})
