"""A model whose log p(x) is known, and small data."""

from __future__ import annotations

import numpy as np
import pytest

from linear_gaussian import LinearGaussian


@pytest.fixture
def linear_gaussian():
    """Return a function that makes the model, fitted, with 6 values per sample, and 9 samples of it."""

    def make(n: int = 9, d: int = 6, **fields):
        fitted = LinearGaussian(**fields).fit(np.zeros((2, d)))
        return fitted, fitted.draw(n)

    return make


@pytest.fixture(scope="session")
def digits():
    """Return 8x8 digits as a table in [0, 1], 400 to train and 200 to test, with labels."""
    from sklearn.datasets import load_digits

    content = load_digits()
    order = np.random.default_rng(0).permutation(len(content.data))  # the file goes writer by writer
    X, y = (content.data[order] / 16).astype(np.float32), content.target[order]
    return X[:400], y[:400], X[400:600], y[400:600]
