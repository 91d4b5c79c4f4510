"""Rows on disk and several processes on CUDA: the numbers of one process, of memory and of the CPU.

pytest -m gpu -n 0 tests/gpu/test_gpu_scale.py
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from drawn import structured
from narrows import VAE, load_dataset
from narrows.data.batches import Batches
from narrows.data.feeds import DiskFeed
from narrows.data.order import Order
from narrows.data.pack import pack
from narrows.data.schema import Schema
from test_ranks import TRAINING, torchrun

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")]

PIXELS = (structured((1, 7, 6)) * 255).round().astype(np.uint8)
FEW: dict[str, Any] = {"latent_dim": 2, "epochs": 3, "batch_size": 16, "network": "mlp:16", "device": "cuda"}


@pytest.fixture
def shards(tmp_path: Path) -> Any:
    return load_dataset(pack([PIXELS], tmp_path / "shards"), test=0).train


def losses(X: Any, **more: Any) -> list[float]:
    return [epoch["train"]["loss"] for epoch in VAE(**{**FEW, **more}).fit(X).history_]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_shards_train_as_memory_does(shards: Any, precision: str) -> None:
    np.testing.assert_allclose(losses(shards, precision=precision), losses(PIXELS, precision=precision), rtol=1e-5)


def test_bfloat16_ends_near_single_precision(shards: Any) -> None:
    single, half = (losses(shards, precision=precision, epochs=30) for precision in ("fp32", "bf16"))
    assert abs(half[-1] - single[-1]) < 0.1 * abs(single[0] - single[-1])


def test_batches_of_windows_come_through_pinned_memory(shards: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pinned, pin = [], torch.Tensor.pin_memory

    def counted(tensor: torch.Tensor) -> torch.Tensor:
        pinned.append(tensor.shape)
        return pin(tensor)

    monkeypatch.setattr(torch.Tensor, "pin_memory", counted)
    schema = Schema.of(PIXELS)
    data = Batches(schema.encode(shards), schema, torch.device("cuda"))
    n = len(PIXELS)
    order = Order(n, 42, 3, 1, block=42 * 5, window=42 * 20)
    with DiskFeed(data, order, 0) as feed:
        for start in range(0, n, 8):
            stop = min(start + 8, n)
            batch = feed.take(start, stop, 0.0, torch.Generator("cuda"))
            assert batch.x.device.type == "cuda"
            np.testing.assert_allclose(batch.x.cpu(), PIXELS[order.rows(start, stop)] / np.float32(255), rtol=1e-6)
    assert len(pinned) == -(-n // 8)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
@pytest.mark.parametrize("kind", ["vae", "adversarial"])
def test_two_ranks_by_nccl_take_the_steps_of_one(tmp_path: Path, kind: str) -> None:
    script = tmp_path / "training.py"
    script.write_text(TRAINING)
    found = []
    for n in (1, 2):
        file = tmp_path / f"{n}.json"
        done = subprocess.run(torchrun(n, str(script), kind, str(file)), capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        found.append(json.loads(file.read_text()))
    (gradients, history), (others, other_history) = found
    scale = max(1.0, float(np.abs(gradients).max()))
    np.testing.assert_allclose(others, gradients, rtol=1e-4, atol=1e-4 * scale)
    np.testing.assert_allclose(other_history, history, rtol=1e-3)
