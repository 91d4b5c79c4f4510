"""A user's networks, whose weights are of types that numpy lacks: kept to the last bit, or a named error."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from narrows import AE, VAE, load
from narrows.errors import ConfigError
from narrows.training import Checkpoints

X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)


class Half(nn.Module):
    """A linear layer in bfloat16 between float32 ones; what comes out is float32, or stays bfloat16."""

    def __init__(self, n_in: int, n_out: int, out: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.first, self.second, self.out = nn.Linear(n_in, 5), nn.Linear(5, n_out).bfloat16(), out

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(x.float())).bfloat16()).to(self.out)


def pair(n_out: int, out: torch.dtype = torch.float32) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    return Half(4, n_out, out), Half(2, 4)


@pytest.mark.parametrize(
    ("cls", "n_out", "out"), [(AE, 2, torch.float32), (VAE, 4, torch.float32), (AE, 2, torch.bfloat16)]
)
def test_bfloat16(cls: type[AE | VAE], n_out: int, out: torch.dtype, tmp_path: Path) -> None:
    small: dict[str, Any] = {"latent_dim": 2, "epochs": 4, "batch_size": 16, "averaging": 0.9}
    whole = cls(network=pair(n_out, out), **small).fit(X, validation=0.2)
    reports = cls(network=pair(n_out, out), **small).fit_iter(
        X, validation=0.2, resume=Checkpoints(tmp_path / "c", epochs=1)
    )
    for report in reports:
        if report.epoch == 2 and report.end_of_epoch:
            break
    reports.close()
    again = cls(network=pair(n_out, out), **small).fit(X, validation=0.2, resume=tmp_path / "c")
    again.save(tmp_path / "m")
    found = load(tmp_path / "m", network=pair(n_out, out))
    for model in (again, found):
        weights = model.module_.state_dict()
        for name, t in whole.module_.state_dict().items():
            assert t.dtype == weights[name].dtype
            assert torch.equal(t, weights[name])
    assert any(t.dtype == torch.bfloat16 for t in weights.values())
    np.testing.assert_array_equal(found.transform(X), whole.transform(X))
    assert found.transform(X).dtype == np.float32


def test_what_no_type_of_numpy_holds_is_named(tmp_path: Path) -> None:
    network = pair(2)
    network[0].register_buffer("scale", torch.ones(3).to(torch.float8_e4m3fn))
    model = AE(network=network, latent_dim=2, epochs=1).fit(X)
    with pytest.raises(ConfigError, match=r"must be of a type that numpy has, or bfloat16; got torch\.float8_e4m3fn"):
        model.save(tmp_path / "m")
    assert not list((tmp_path / "m").iterdir())
