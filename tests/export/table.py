"""Every estimator x network x code x kind of samples as ONNX, at several batch sizes, beside torch.

`python tests/export/table.py` writes the table of docs/export.md; `test_onnx_table.py` runs the same.
"""

import argparse
import contextlib
import functools
import re
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.onnx._internal.exporter._registration import ONNXRegistry

sys.path.insert(0, str(Path(__file__).parents[1]))

from export.exported import frame
from narrows import AE, VAE, export_model
from narrows.errors import ConfigError
from narrows.export.parity import largest, spread_of
from narrows.export.runtime import opened
from narrows.export.samples import comparable, expected
from narrows.params import fields
from own import registered
from test_contract import CASES, NETWORK, PAIRS, samples

BATCHES, LENGTHS = (1, 2, 33), (5, 17, 64)
DOCUMENT = Path(__file__).parents[2] / "docs" / "export.md"
MORE = {
    "ae-mlp": (AE, {"network": "mlp:6"}, ("sequences", "pixels")),
    "ae-residual-all": (AE, {"network": "residual:4"}, ("table", "sequences", "images")),
    "ae-vq-conv": (AE, {"network": "conv:4", "code": "vq:6"}, ("sequences", "pixels")),
    "ae-vq-recurrent": (AE, {"network": "recurrent:5", "code": "vq:6,positions=2"}, ("sequences",)),
    "ae-recurrent": (AE, {"network": "recurrent:5"}, ("images", "long")),
    "vae-mlp": (VAE, {"network": "mlp:6", "likelihood": "bernoulli"}, ("pixels",)),
    "vae-continuous": (VAE, {"likelihood": "continuous_bernoulli", "network": "residual:4"}, ("pixels",)),
    "vae-conv": (VAE, {"network": "conv:4,batch_norm=true", "code": "ordered"}, ("sequences", "images")),
    "vae-recurrent": (VAE, {"network": "recurrent:5"}, ("images", "long")),
    "vae-residual-rest": (VAE, {"network": "residual:4"}, ("sequences", "missing", "pixels")),
    "vae-recurrent-condition": (VAE, {"network": "recurrent:5", "condition": "concat"}, ("long",)),
    "ae-typed": (AE, {"network": "mlp:6"}, ("typed",)),
    "ae-residual-typed": (AE, {"network": "residual:4"}, ("typed",)),
    "vae-typed": (VAE, {"network": "mlp:6"}, ("typed",)),
    "vae-residual-typed": (VAE, {"network": "residual:4"}, ("typed",)),
    "vae-condition-typed": (VAE, {"network": "mlp:6", "condition": "concat"}, ("typed",)),
}
"""Combinations that the contract of the estimators does not have."""
ALL: dict[str, Any] = {**CASES, **MORE}
EVERY = [*PAIRS, *((case, kind) for case, (_, _, kinds) in MORE.items() for kind in kinds)]


def data(kind):
    """Return samples and labels; "long" are sequences of up to 64 steps, "typed" a frame with missing values."""
    if kind == "typed":
        table = frame(60)
        return table, np.arange(len(table)) % 3
    if kind != "long":
        return samples(kind)
    rng = np.random.default_rng(3)
    lengths = [*LENGTHS, *rng.integers(1, 65, 30)]
    return [np.cumsum(rng.normal(size=(n, 3)), 0) for n in lengths], np.arange(33) % 3


def fitted(case, kind):
    cls, options, _ = ALL[case]
    known = {field.name for field in fields(cls)}
    small = {"latent_dim": 2, "epochs": 2, "batch_size": 12, "network": NETWORK.get(kind, "recurrent:5")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        X, y = data(kind)
        return cls(**{name: v for name, v in {**small, **options}.items() if name in known}).fit(X, y), X, y


def parity(case, kind, folder):
    """Export a model; return the largest difference of every function over batch sizes and lengths, or why not."""
    model, X, y = fitted(case, kind)
    try:
        files = export_model(model, folder, X=X, y=y)
    except ConfigError as error:
        return str(error)
    arrays = comparable(model, 33, X, y)
    rows = np.arange(33) % len(next(iter(arrays.values())))
    arrays = {name: array[rows] for name, array in arrays.items()}
    apart = {}
    for file in files:
        run = opened(file.path)
        apart[file.name] = max(
            at(model, run, file.name, {name: array[:n] for name, array in arrays.items()}, steps)
            for n in BATCHES
            for steps in lengths_of(model)
        )
    return apart


def lengths_of(model):
    return [n for n in LENGTHS if n <= model.schema_.steps] if model.schema_.ragged else [None]


def at(model, run, name, arrays, steps):
    """Return the difference of a function for a batch; sequences are cut to so many steps."""
    if steps is not None:
        arrays = arrays | {"x": arrays["x"][:, :steps], "lengths": np.minimum(arrays["lengths"], steps)}
    wanted = expected(model, arrays)
    given = arrays if name != "decoder" else {"z": wanted["encoder"]["z"]} | {k: arrays[k] for k in arrays if k == "y"}
    if name == "reconstruct" and steps is not None:
        wanted["reconstruct"]["reconstruction"] = wanted["reconstruct"]["reconstruction"][:, :steps]
    spreads = {
        key: spread_of(key, value, model.schema_) if len(value) > 1 else 1.0 for key, value in wanted[name].items()
    }
    if len(next(iter(arrays.values()))) == 1:  # one sample has no spread: its values stand for it
        spreads = {key: float(np.abs(value).max()) or 1.0 for key, value in wanted[name].items()}
    return largest(run(given), wanted[name], model.schema_, spreads)


def row(case, kind, apart):
    model = fitted(case, kind)[0]
    name = type(model).__name__
    params = model.get_params(deep=False)
    network = "-" if name == "PCA" else re.split(r"[:,(]", str(params["network"]))[0].lower()
    rest = [f"{key}={value}" for key, value in ALL[case][1].items() if key not in ("network", "latent_dim")]
    if isinstance(apart, str):
        return f"| {name} | {network} | {kind} | {', '.join(rest)} | {apart} | | | |"
    numbers = " | ".join(f"{apart[key]:.1e}" for key in ("encoder", "decoder", "reconstruct", "score"))
    return f"| {name} | {network} | {kind} | {', '.join(rest)} | {numbers} |"


@contextlib.contextmanager
def one_registry():
    """Let torch's exporter gather its operators once, which takes longer than to export a small model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ONNXRegistry, "from_torchlib", staticmethod(functools.cache(ONNXRegistry.from_torchlib)))
        yield


def main():
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"put the table into {DOCUMENT.name}")
    chosen = parser.parse_args()
    head = "| estimator | network | samples | further | encoder | decoder | reconstruct | score |\n" + "|---" * 8 + "|"
    rows = []
    with registered(), one_registry(), tempfile.TemporaryDirectory() as folder:
        for i, (case, kind) in enumerate(EVERY):
            rows.append(row(case, kind, parity(case, kind, Path(folder, str(i)))))
            print(rows[-1], flush=True)
    if chosen.write:
        text = DOCUMENT.read_text(encoding="utf-8")
        before, after = text.split("<!-- table -->\n", 1)
        after = after[after.index("<!-- end of table -->") :]
        DOCUMENT.write_text(f"{before}<!-- table -->\n{head}\n" + "\n".join(rows) + f"\n{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
