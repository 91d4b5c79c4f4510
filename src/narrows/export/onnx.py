"""Functions of a model as ONNX files: one each, of opset 18, with free axes for batch and time."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from narrows.errors import ConfigError
from narrows.export.functions import Function

OPSET = 18
LARGEST = 2**31
"""Bytes that a file of protocol buffers may have."""


class OnnxLSTM(nn.Module):
    """A layer of `nn.LSTM` as ONNX's own operator: torch exports a loop over a fixed number of steps."""

    W: Tensor
    R: Tensor
    B: Tensor

    def __init__(self, layer: nn.LSTM) -> None:
        super().__init__()
        self.hidden_size = layer.hidden_size
        self.register_buffer("W", self._gates(layer.weight_ih_l0)[None])
        self.register_buffer("R", self._gates(layer.weight_hh_l0)[None])
        self.register_buffer("B", torch.cat([self._gates(layer.bias_ih_l0), self._gates(layer.bias_hh_l0)])[None])

    def _gates(self, weight: Any) -> Tensor:
        """Return weights in ONNX's order of the gates: input, output, forget, cell."""
        i, f, g, o = weight.detach().split(self.hidden_size)
        return torch.cat([i, o, f, g])

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """Return every step's output, (B, T, hidden_size), and no state."""
        steps = x.transpose(0, 1)
        (out,) = torch.onnx.ops.symbolic_multi_out(
            "LSTM", (steps, self.W, self.R, self.B), attrs={"hidden_size": self.hidden_size}, dtypes=(x.dtype,),
            shapes=((steps.shape[0], 1, steps.shape[1], self.hidden_size),), version=OPSET,
        )  # fmt: skip
        return out.squeeze(1).transpose(0, 1), None


def _with_operators(function: Function) -> Function:
    """Return a copy whose LSTM layers are ONNX's."""
    function = copy.deepcopy(function)
    for name, part in list(function.named_modules()):
        plain = type(part) is nn.LSTM and (part.num_layers, part.bidirectional, part.proj_size) == (1, False, 0)
        if plain and part.bias and part.batch_first:
            function.set_submodule(name, OnnxLSTM(part))
    return function


def onnx_bytes(function: Function, example: Mapping[str, Tensor], steps: int | None, about: Mapping[str, str]) -> bytes:
    """Return a function as an ONNX model.

    Parameters
    ----------
    function
        What is exported; its outputs and the example's names become those of the graph.
    example
        Inputs of at least two samples.
    steps
        The most steps of sequences that differ in length; None where x has a fixed shape.
    about
        The metadata.

    Raises
    ------
    ConfigError
        torch cannot export a part of it, or it exceeds 2 GB.
    """
    import onnx

    from narrows.export.operators import TRANSLATIONS

    batch = torch.export.Dim("batch")
    shapes: dict[str, dict[int, Any]] = {name: {0: batch} for name in example}
    if steps is not None and "x" in shapes:
        shapes["x"][1] = torch.export.Dim("time", max=steps)
    with quiet(), unchecked(), torch.no_grad():
        outputs = list(function(example))
        # In a tuple: torch 2.6 takes the keys of a dictionary for names of inputs.
        try:
            program = torch.onnx.export(
                _with_operators(function), (), kwargs={"tensors": dict(example)}, dynamic_shapes=(shapes,),
                input_names=list(example), output_names=outputs, opset_version=OPSET, dynamo=True, verbose=False,
                external_data=False, custom_translation_table=TRANSLATIONS,
            )  # fmt: skip
        except (RuntimeError, AssertionError) as error:
            raise ConfigError(f"export: model must be one that torch exports to ONNX; {reason(error)}") from error
    assert program is not None
    model = program.model_proto
    for value in model.graph.input:
        if not value.type.tensor_type.shape.dim[0].dim_param:
            raise ConfigError(
                f"export: model must take batches of any size; the graph has a fixed one for {value.name}. A network "
                "of your own should use x.shape[0] in place of len(x)."
            )
    for key, value in about.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    if model.ByteSize() >= LARGEST:
        raise ConfigError(f"export: model must have less than 2 GB; its graph has {model.ByteSize() / 1e9:.1f} GB.")
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def reason(error: BaseException) -> str:
    """Return the first line of an error that tells what torch stumbled over."""
    cause = error.__cause__ or error
    lines = [line for line in str(cause).splitlines() if line.strip()] or [type(cause).__name__]
    return f"{type(cause).__name__}: {lines[0][:300]}"


def quantised(model: bytes, folder: Path) -> bytes:
    """Return an ONNX model with weights in 8 bits, by ONNX Runtime's dynamic quantisation.

    Raises: ConfigError where it computes in double precision, which cannot be quantised.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    whole, small = folder / "whole.onnx", folder / "int8.onnx"
    try:
        whole.write_bytes(model)
        with quiet():
            quantize_dynamic(whole, small, weight_type=QuantType.QInt8, per_channel=True)
        return onnx.load(small).SerializeToString()
    finally:
        whole.unlink(missing_ok=True)
        small.unlink(missing_ok=True)


@contextmanager
def unchecked() -> Generator[None, None, None]:
    """Leave out torch's checks of the parameters of distributions, which branch on values: no graph holds these."""
    checks = Distribution._validate_args
    Distribution.set_default_validate_args(False)
    try:
        yield
    finally:
        Distribution.set_default_validate_args(checks)


@contextmanager
def quiet() -> Generator[None, None, None]:
    """Leave out what torch and ONNX Runtime say of parts that are not used here."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "root", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
