"""Samples that tests draw."""

import numpy as np


def structured(shape, n=48, seed=0):
    """Return samples in [0, 1] that two hidden numbers make, float32: (n, *shape)."""
    rng = np.random.default_rng(seed)
    hidden, mixing = rng.normal(size=(n, 2)), rng.normal(size=(2, *shape))
    return (1 / (1 + np.exp(-np.tensordot(hidden, mixing, 1)))).astype(np.float32)
