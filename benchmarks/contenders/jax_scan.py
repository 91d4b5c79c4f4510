"""JAX: one epoch is one compiled call, a scan over its batches, with Adam from optax."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
from protocol import Prepared, course, serve

from data import pixels

SIZES = {"hidden": (784, 400), "code": (400, 40), "back": (20, 400), "output": (400, 784)}
optimiser = optax.adam(1e-3)


def initial(key):
    layers = {}
    for name, (n_in, n_out) in SIZES.items():
        key, a, b = jax.random.split(key, 3)
        bound = n_in**-0.5
        layers[name] = (
            jax.random.uniform(a, (n_in, n_out), minval=-bound, maxval=bound),
            jax.random.uniform(b, (n_out,), minval=-bound, maxval=bound),
        )
    return layers


def loss(layers, x, key):
    """The bound per image, with one draw of the code."""

    def affine(name, x):
        weight, bias = layers[name]
        return x @ weight + bias

    mean, log_variance = jnp.split(affine("code", jax.nn.relu(affine("hidden", x))), 2, axis=1)
    z = mean + jnp.exp(log_variance / 2) * jax.random.normal(key, mean.shape)
    logits = affine("output", jax.nn.relu(affine("back", z)))
    entropy = optax.sigmoid_binary_cross_entropy(logits, x).sum()
    divergence = (mean**2 + jnp.exp(log_variance) - 1 - log_variance).sum() / 2
    return (entropy + divergence) / len(x)


def step(state, batch):
    layers, moments, x = state
    index, key = batch
    gradient = jax.grad(loss)(layers, x[index], key)
    change, moments = optimiser.update(gradient, moments)
    return (optax.apply_updates(layers, change), moments, x), None


def epoch(layers, moments, x, key, batch):
    """Whole batches by scan, and the short last one after them."""
    order, noise = jax.random.split(key)
    n = len(x) // batch
    order, keys = jax.random.permutation(order, len(x)), jax.random.split(noise, n + 1)
    state, _ = jax.lax.scan(step, (layers, moments, x), (order[: n * batch].reshape(n, batch), keys[:n]))
    if len(x) % batch:
        state, _ = step(state, (order[n * batch :], keys[n]))
    return state[0], state[1]


compiled = jax.jit(epoch, static_argnames="batch", donate_argnums=(0, 1))
measured = jax.jit(loss)


class Training:
    def __init__(self, rows: int | None, seed: int, batch: int = 128) -> None:
        self.x, self.batch = jnp.asarray(pixels("train", rows)), batch
        self.key, first = jax.random.split(jax.random.key(seed))
        self.layers = initial(first)
        self.moments = optimiser.init(self.layers)

    def epoch(self) -> None:
        self.key, now = jax.random.split(self.key)
        self.layers, self.moments = compiled(self.layers, self.moments, self.x, now, batch=self.batch)
        jax.block_until_ready(self.layers)

    def test(self, X: np.ndarray) -> float:
        return float(measured(self.layers, jnp.asarray(X), jax.random.key(7)))


def train(network: str, rows: int, batch: int, seed: int = 0, rounds: int = 1) -> Prepared:
    """A round is an epoch; compilation falls into the first, which does not count."""
    training = Training(rows, seed, batch)
    return Prepared(training.epoch, lambda: {"test_error": training.test(pixels("test"))})


def whole(epochs: int, target: float | None = None, seed: int = 0) -> Prepared:
    def begin():
        training, test = Training(None, seed), pixels("test")
        return training.epoch, lambda: training.test(test)

    return course(begin, epochs, target)


if __name__ == "__main__":
    serve({"train": train, "whole": whole})
