"""Keras 3 on JAX: functional models, `fit` on arrays in memory."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "jax"

import keras
import numpy as np
from keras import layers, ops
from protocol import Prepared, Turns, serve

from data import pixels


class Sampling(layers.Layer):
    """Draws the code, and adds its KL divergence to the loss."""

    def __init__(self) -> None:
        super().__init__()
        self.seeds = keras.random.SeedGenerator(1)

    def call(self, moments):
        mean, log_variance = ops.split(moments, 2, axis=1)
        self.add_loss(ops.mean(ops.sum(ops.square(mean) + ops.exp(log_variance) - 1 - log_variance, axis=1)) / 2)
        return mean + ops.exp(log_variance / 2) * keras.random.normal(ops.shape(mean), seed=self.seeds)


def cross_entropy(x, logits):
    """Summed over the pixels, in nats."""
    x, logits = (ops.reshape(a, (ops.shape(a)[0], -1)) for a in (x, logits))
    return ops.sum(ops.maximum(logits, 0) - x * logits + ops.softplus(-ops.abs(logits)), axis=1)


def half_squared_error(x, output):
    return ops.sum(ops.square(x - output), axis=(1, 2)) / 2


def vae() -> keras.Model:
    x = keras.Input((784,))
    z = Sampling()(layers.Dense(40)(layers.Dense(400, "relu")(x)))
    return keras.Model(x, layers.Dense(784)(layers.Dense(400, "relu")(z)))


def conv() -> keras.Model:
    x = keras.Input((28, 28, 1))
    h = layers.Conv2D(64, 3, 2, "same", activation="relu")(layers.Conv2D(32, 3, 2, "same", activation="relu")(x))
    z = Sampling()(layers.Dense(32)(layers.Flatten()(h)))
    h = layers.Reshape((7, 7, 64))(layers.Dense(3136, "relu")(z))
    h = layers.Conv2DTranspose(32, 3, 2, "same", activation="relu")(h)
    return keras.Model(x, layers.Conv2DTranspose(1, 3, 2, "same")(h))


def lstm() -> keras.Model:
    x = keras.Input((28, 28))
    z = layers.LSTM(30)(layers.LSTM(100, return_sequences=True)(x))
    h = layers.LSTM(100, return_sequences=True)(layers.RepeatVector(28)(z))
    return keras.Model(x, layers.TimeDistributed(layers.Dense(28))(h))


NETWORKS = {
    "vae": (vae, cross_entropy, (784,), 1),
    "conv": (conv, cross_entropy, (28, 28, 1), 1),
    "lstm": (lstm, half_squared_error, (28, 28), 2),
}
"""Network, loss, shape of an image, and what makes the squared error of the loss."""


class Training:
    def __init__(self, network: str, rows: int | None, seed: int) -> None:
        keras.utils.set_random_seed(seed)
        build, loss, self.shape, self.factor = NETWORKS[network]
        self.model = build()
        self.model.compile(keras.optimizers.Adam(1e-3), loss)
        self.x = self.images("train", rows)

    def images(self, part: str, rows: int | None = None) -> np.ndarray:
        return pixels(part, rows).reshape(-1, *self.shape)

    def fit(self, epochs: int, act, batch: int = 128) -> None:
        after = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: act())
        self.model.fit(self.x, self.x, batch_size=batch, epochs=epochs, verbose=0, callbacks=[after])

    def test(self, x: np.ndarray) -> float:
        """The loss on images, KL divergence included."""
        return self.factor * float(self.model.evaluate(x, x, batch_size=1000, verbose=0))


def train(network: str, rows: int, batch: int, seed: int = 0, rounds: int = 1) -> Prepared:
    """A round is an epoch of one fit; compilation falls into the first, which does not count."""
    training = Training(network, rows, seed)
    turns = Turns(lambda: training.fit(rounds + 1, turns.pause, batch))
    return Prepared(turns.step, lambda: {"test_error": training.test(training.images("test"))})


def whole(epochs: int, target: float | None = None, seed: int = 0) -> Prepared:
    """A pass over the test images after every epoch; no more epochs once it finds the target."""
    found: list[float] = []

    def run() -> None:
        training = Training("vae", None, seed)
        test = training.images("test")

        def look() -> None:
            found.append(training.test(test))
            training.model.stop_training = target is not None and found[-1] <= target

        training.fit(epochs, look)

    return Prepared(run, lambda: {"test_error": found[-1], "epochs": len(found)})


if __name__ == "__main__":
    serve({"train": train, "whole": whole})
