"""Tensors that PyTorch saved: `.pt` and `.pth`, read as weights only, so that nothing in them is run."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from narrows.data.arrays import Array
from narrows.data.axes import axes_of
from narrows.data.dataset import Dataset, as_read
from narrows.data.readers.arrays import as_samples, from_arrays, from_samples
from narrows.data.readers.checks import reading, unsound
from narrows.data.readers.roles import choose
from narrows.errors import DataError


def read_tensors(
    path: Path, *, variable: str | None = None, label: str | None = None, transpose: bool = False
) -> Dataset:
    """Read samples from a tensor, a pair of samples and labels, a dict of tensors, or a list of sequences (T_i, D)."""
    import torch

    with reading(path):
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise DataError(
                f"load_dataset: {str(path)!r} must hold tensors alone, since other objects could run code when loaded; "
                "got others. Save the tensors: torch.save({'X': X, 'y': y}, path)."
            ) from error
        if isinstance(content, torch.Tensor):
            samples = _array(content, path)
            return as_read(
                as_samples(samples.T if transpose else samples, str(path)), source=str(path), **axes_of(samples)
            )
        if isinstance(content, list | tuple):
            tensors = [_array(each, path) for each in content]
            if len(tensors) == 2 and len(tensors[0]) == len(tensors[1]) and tensors[1].ndim == 1:
                return from_arrays({"train": tensors[0], "train_labels": tensors[1]}, path, transpose=transpose)
            return from_samples(tensors, path)
        if not isinstance(content, dict):
            raise unsound(path, f"hold tensors; got {type(content).__name__}.")
        arrays = {str(name): _array(each, path) for name, each in content.items() if isinstance(each, torch.Tensor)}
        wanted = choose({name: each.shape for name, each in arrays.items()}, variable, label, str(path))
    return from_arrays({role: arrays[name] for role, name in wanted.items()}, path, transpose=transpose)


def _array(tensor: Any, path: Path) -> Array:
    import torch

    if not isinstance(tensor, torch.Tensor):
        raise unsound(path, f"hold tensors; got {type(tensor).__name__} in a list.")
    tensor = tensor.detach()
    tensor = tensor.to_dense() if tensor.layout != torch.strided else tensor
    array: Array = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    return array
