"""Lightning: the VAE as a LightningModule, images in memory, a whole batch by one index, nothing logged."""

from __future__ import annotations

import logging
import warnings

import lightning
import torch
from protocol import Prepared, Turns, serve
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset
from torch_networks import error, mlp_vae

from data import pixels

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", module="lightning")  # workers and logging steps: advice on what is chosen here


class Module(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.vae = mlp_vae()

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        return self.vae(batch[0])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-3, fused=True)


class After(lightning.Callback):
    """Does something at the end of every epoch."""

    def __init__(self, act) -> None:
        self.act = act

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self.act()


def fit(module: Module, rows: int | None, epochs: int, act) -> None:
    images = TensorDataset(torch.from_numpy(pixels("train", rows)))
    batches = BatchSampler(RandomSampler(images), 128, drop_last=False)
    trainer = lightning.Trainer(
        max_epochs=epochs, accelerator="cpu", devices=1, callbacks=[After(act)],
        logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(module, DataLoader(images, sampler=batches, batch_size=None))


def train(network: str, rows: int, batch: int, seed: int = 0, rounds: int = 1) -> Prepared:
    """A round is an epoch of one fit."""
    torch.manual_seed(seed)
    module = Module()
    turns = Turns(lambda: fit(module, rows, rounds + 1, turns.pause))
    return Prepared(turns.step, lambda: {"test_error": error(module.vae, torch.from_numpy(pixels("test")))})


def whole(epochs: int, target: float | None = None, seed: int = 0) -> Prepared:
    """A pass over the test images after every epoch; no more epochs once it finds the target."""
    found: list[float] = []

    def run() -> None:
        torch.manual_seed(seed)
        module, test = Module(), torch.from_numpy(pixels("test"))

        def look() -> None:
            found.append(error(module.vae, test))
            module.trainer.should_stop = target is not None and found[-1] <= target

        fit(module, None, epochs, look)

    return Prepared(run, lambda: {"test_error": found[-1], "epochs": len(found)})


if __name__ == "__main__":
    serve({"train": train, "whole": whole})
