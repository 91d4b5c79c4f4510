"""pythae: its VAE with an encoder and a decoder of the same sizes, through its trainer."""

from __future__ import annotations

import tempfile

import torch
from protocol import Prepared, Turns, serve
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback
from torch import Tensor, nn

from data import pixels


class Encoder(BaseEncoder):
    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(784, 400), nn.ReLU())
        self.mean, self.log_variance = nn.Linear(400, 20), nn.Linear(400, 20)

    def forward(self, x: Tensor) -> ModelOutput:
        h = self.hidden(x)
        return ModelOutput(embedding=self.mean(h), log_covariance=self.log_variance(h))


class Decoder(BaseDecoder):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784), nn.Sigmoid())

    def forward(self, z: Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.layers(z))


class After(TrainingCallback):
    """Does something at the end of every epoch."""

    def __init__(self, act) -> None:
        self.act = act

    def on_epoch_end(self, training_config, **kwargs) -> None:
        self.act()


def images(part: str, rows: int | None = None) -> BaseDataset:
    X = torch.from_numpy(pixels(part, rows))
    return BaseDataset(X, torch.zeros(len(X)))


def model(seed: int) -> VAE:
    torch.manual_seed(seed)
    config = VAEConfig(input_dim=(784,), latent_dim=20, reconstruction_loss="bce")
    return VAE(config, encoder=Encoder(), decoder=Decoder())


def fit(vae: VAE, rows: int | None, batch: int, epochs: int, seed: int, act) -> None:
    with tempfile.TemporaryDirectory() as folder:
        config = BaseTrainerConfig(
            output_dir=folder, num_epochs=epochs, learning_rate=1e-3, per_device_train_batch_size=batch,
            optimizer_cls="Adam", no_cuda=True, seed=seed,
        )  # fmt: skip
        BaseTrainer(vae, images("train", rows), training_config=config, callbacks=[After(act)]).train()


@torch.no_grad()
def error(vae: VAE) -> float:
    """The bound on the test images, with one draw of the code."""
    test, training = images("test"), vae.training
    vae.eval()
    total = sum(vae({"data": piece}).loss.item() * len(piece) for piece in test.data.split(1000))
    vae.train(training)
    return total / len(test)


def train(network: str, rows: int, batch: int, seed: int = 0, rounds: int = 1) -> Prepared:
    """A round is an epoch of one fit."""
    vae = model(seed)
    turns = Turns(lambda: fit(vae, rows, batch, rounds + 1, seed, turns.pause))
    return Prepared(turns.step, lambda: {"test_error": error(vae)})


if __name__ == "__main__":
    serve({"train": train})
