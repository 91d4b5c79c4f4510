"""Functions of a model as programs of `torch.export`, which torch loads without narrows."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from narrows.data.arrays import Array
from narrows.errors import ConfigError
from narrows.export.functions import Function
from narrows.export.onnx import quiet, reason, unchecked
from narrows.export.parity import Run


def program_bytes(
    function: Function, example: Mapping[str, Tensor], steps: int | None, about: Mapping[str, str]
) -> bytes:
    """Return a function as a program, `torch.export.load(file).module()({"x": x})`.

    Batches may have any size; sequences of different length are padded to the most steps of training.

    Raises: ConfigError where torch cannot export a part of it.
    """
    batch = torch.export.Dim("batch")
    shapes: dict[str, Any] = {name: {0: batch} for name in example}
    try:
        with quiet(), unchecked():
            program = torch.export.export(function, (dict(example),), dynamic_shapes={"tensors": shapes}, strict=False)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"export: model must be one that torch exports; {reason(error)}") from error
    file = io.BytesIO()
    torch.export.save(program, file, extra_files=dict(about))
    return file.getvalue()


def opened(path: Path) -> Run:
    """Return what runs a program."""
    program = torch.export.load(path).module()

    def run(arrays: Mapping[str, Array]) -> dict[str, Array]:
        with torch.no_grad():
            outputs = program({name: torch.from_numpy(array) for name, array in arrays.items()})
        return {name: value.numpy() for name, value in outputs.items()}

    return run
