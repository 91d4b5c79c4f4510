"""Training that resumes within an epoch, with everything that a state may hold."""

import numpy as np
import pytest
import torch

from narrows import AE, VAE
from narrows.training import Checkpoints

# Resuming, with everything that a state may hold


class Stops:
    """A corruption that changes nothing, and interrupts training at one of its calls."""

    def __init__(self, at=None):
        self.at, self.calls = at, 0

    def __repr__(self):
        return "Stops()"

    def __call__(self, x, rng):
        self.calls += 1
        if self.calls == self.at:
            raise KeyboardInterrupt
        return x + 0.1 * torch.randn(x.shape, generator=rng)


TWO = {"penalty": ("l1:0.1", "adversarial:1,hidden=4")}


@pytest.mark.parametrize(
    ("model", "fields", "at"),
    [
        (AE, TWO, 3),
        (AE, TWO, 11),
        (AE, {"penalty": "adversarial:1,hidden=4", "optimizer": "sgd", "momentum": 0.9, "condition": "concat"}, 7),
        (AE, {"code": "vq:4,positions=2", "averaging": 0.8}, 7),
        (VAE, {"code": "ordered", "kl_warmup": 0.5, "condition": "concat"}, 7),
    ],
)
def test_training_resumes_bit_for_bit_within_an_epoch(model, fields, at, tmp_path, monkeypatch):
    """Two optimisers, codebooks, missing values, labels: as if it had never stopped."""
    monkeypatch.setattr("narrows.training.checkpoints.SHARE", 1e9)  # a checkpoint after every step
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 6)), rng.integers(0, 3, 40)
    X[rng.random(X.shape) < 0.2] = np.nan
    options = {"latent_dim": 2, "network": "mlp:5", "epochs": 3, "batch_size": 10, "learning_rate": 1e-2, **fields}

    def fit(folder, stops):
        made = model(**options, corruption=stops)
        return made.fit(X, y, validation=(X[:9], y[:9]) if made.condition else X[:9], resume=folder)

    phases = 2 if "penalty" in fields else 1  # the corruption is drawn in each
    expected = fit(Checkpoints(tmp_path / "whole", seconds=0), Stops())
    with pytest.raises(KeyboardInterrupt):
        fit(Checkpoints(tmp_path / "cut", seconds=0), Stops(at * phases))
    resumed = Checkpoints(tmp_path / "cut", seconds=0)
    model_again = fit(resumed, Stops())
    assert resumed.step == at - 1
    one, other = expected.module_.state_dict(), model_again.module_.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    for a, b in zip(expected.history_, model_again.history_, strict=True):
        assert (a["train"], a["validation"]) == (b["train"], b["validation"])
