"""A model repository of NVIDIA Triton: a folder per function, with its configuration and one version.

docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/model_configuration.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from narrows.errors import ConfigError

VERBS = {"encoder": "encode", "decoder": "decode", "reconstruct": "reconstruct", "score": "score"}
"""Functions by what `narrows serve` calls them."""
TYPES = {"uint8": "TYPE_UINT8", "int64": "TYPE_INT64", "float32": "TYPE_FP32", "float64": "TYPE_FP64"}
BATCH, DELAY = 256, 2000
"""Samples that are computed at once at most, and microseconds that a request waits for others."""


def place(name: str, function: str) -> str:
    """Return where a function lies: NAME-encode/1/model.onnx.

    Raises: ConfigError where the name is none that a model may have in an address.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ConfigError(
            f"export: name must be letters, digits, '.', '_' and '-' for Triton; got {name!r}. Rename the run."
        )
    return f"{name}-{VERBS[function]}/1/model.onnx"


def configuration(name: str, function: str, ports: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the configuration, by its path."""
    folder = f"{name}-{VERBS[function]}"
    lines = [f'name: "{folder}"', 'backend: "onnxruntime"', f"max_batch_size: {BATCH}"]
    for kind in ("inputs", "outputs"):
        entries = ",\n".join(_entry(port) for port in ports[kind])
        lines.append(f"{kind[:-1]} [\n{entries}\n]")
    lines.append(f"dynamic_batching {{ max_queue_delay_microseconds: {DELAY} }}")
    return {f"{folder}/config.pbtxt": ("\n".join(lines) + "\n").encode()}


def _entry(port: Mapping[str, Any]) -> str:
    """Return an input or output without its batch axis; one value a sample has an axis of 1 outside the model."""
    sizes = [-1 if isinstance(size, str) else size for size in port["shape"][1:]]
    shape = f"dims: [ {', '.join(map(str, sizes))} ]" if sizes else "dims: [ 1 ] reshape { shape: [ ] }"
    return f'  {{ name: "{port["name"]}" data_type: {TYPES[port["dtype"]]} {shape} }}'
