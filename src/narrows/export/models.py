"""A model as a folder of functions that others run, each compared with torch before anything is left on the disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from narrows.data.arrays import Array
from narrows.errors import ConfigError, did_you_mean
from narrows.export import onnx, triton
from narrows.export import torch as programs
from narrows.export.document import document_of, example, metadata_of, ports, written
from narrows.export.folders import replaced
from narrows.export.form import SCHEMA
from narrows.export.functions import FUNCTIONS, Function
from narrows.export.parity import Run, compare, largest, median_time
from narrows.export.requirements import check_installed
from narrows.export.runtime import opened
from narrows.export.samples import comparable, expected
from narrows.storage.json import pack_json

if TYPE_CHECKING:
    from narrows.estimators.base import Autoencoder

ROWS, MANY = 100, 1000
"""Samples that are compared with torch, and that a time is taken of."""


class Format(NamedTuple):
    """A kind of file in which functions are written."""

    about: str
    place: Callable[[str, str], str]
    """From the model's name and a function's to the file's path within the folder."""
    pack: Callable[[Function, Mapping[str, Tensor], int | None, Mapping[str, str]], bytes]
    """Returns the file; see `onnx.onnx_bytes`."""
    opened: Callable[[Path], Run]
    """Returns what runs a file."""
    extras: Callable[[str, str, Mapping[str, Any]], dict[str, bytes]] = lambda name, function, ports: {}
    """Returns further files of a function, by their paths."""
    quantises: bool = False
    any_length: bool = True
    """Whether sequences may have any number of steps up to those of training; else they are padded to these."""


FORMATS = {
    "onnx": Format(
        "ONNX files, for ONNX Runtime and narrows.load_onnx", lambda name, function: f"{function}.onnx",
        onnx.onnx_bytes, opened, quantises=True,
    ),
    "triton": Format(
        "a model repository of NVIDIA Triton", triton.place, onnx.onnx_bytes, opened, triton.configuration, True
    ),
    "torch": Format(
        "programs of torch.export", lambda name, function: f"{function}.pt2", programs.program_bytes, programs.opened,
        any_length=False,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Exported:
    """One function in its file, and what was measured of it."""

    name: str
    """encoder, decoder, reconstruct or score."""
    path: Path
    inputs: tuple[str, ...]
    """As in "x uint8 (batch, 1, 28, 28)"."""
    outputs: tuple[str, ...]
    size: int
    """In bytes."""
    difference: float
    """The largest from torch, relative to the spread of what is computed; see `narrows.export.parity`."""
    seconds: tuple[float, float]
    """Median time of 1 and of 1,000 samples."""
    int8: float | None = None
    """The difference with weights in 8 bits, which the file then has."""


def export_model(
    model: Autoencoder, folder: str | Path, format: str = "onnx", *, X: Any = None, y: Any = None, int8: bool = False,
    name: str | None = None, licence: str = "", force: bool = False, each: Callable[[Exported], object] = bool,
) -> list[Exported]:  # fmt: skip
    """Write a fitted model to a folder as encoder, decoder, reconstruct and score, and return what was written.

    Parameters
    ----------
    model
        A fitted estimator.
    folder
        Where to: a new or an empty folder, or with `force` an earlier export, which is replaced.
    format
        "onnx" for ONNX Runtime and `narrows.load_onnx`, "triton" for a model repository of NVIDIA Triton, "torch" for
        programs of `torch.export`.
    X, y
        Samples, and labels where the model takes them, by which the files are compared with torch; held-out ones are
        best. None: samples that the model decodes from codes of training.
    int8
        Weights in 8 bits, by ONNX Runtime's dynamic quantisation. The exact file is compared with torch first.
    name, licence
        Of the run, and of its data, for the metadata. The name is that of the class if left out.
    force
        Replace an earlier export.
    each
        Called with every file as soon as it is written.

    Raises
    ------
    ConfigError
        A part of the model cannot be exported, or what was exported differs from torch by more than 1e-5 of the
        spread of its values; nothing is left behind.
    """
    check_is_fitted(model)
    if format not in FORMATS:
        hint = did_you_mean(format, list(FORMATS))
        raise ConfigError(f"export: format must be one of {', '.join(FORMATS)}; got {format!r}.{hint}")
    form, name = FORMATS[format], name or type(model).__name__.lower()
    if int8 and not form.quantises:
        raise ConfigError(f"export: int8 must go with the format onnx or triton; got {format!r}.")
    if int8 and model.takes_float64:
        raise ConfigError(
            f"export: int8 must go with a model of single precision; {type(model).__name__} computes in double. "
            "Leave it out."
        )
    if form.opened is opened:
        check_installed("onnx", "onnxscript", "onnxruntime")
    steps = model.schema_.steps if model.schema_.ragged else None
    ragged = steps is not None and form.any_length
    with replaced(Path(folder), SCHEMA, force=force) as draft:
        arrays = comparable(model, ROWS, X, y)
        wanted, agree = expected(model, arrays), np.ones(len(next(iter(arrays.values()))), bool)
        document, files = document_of(model, name, licence), []
        for key, kind in FUNCTIONS.items():
            given = _inputs(kind, arrays, wanted)
            place = form.place(name, key)
            path = draft / place
            path.parent.mkdir(parents=True, exist_ok=True)
            tensors = {n: torch.from_numpy(a) for n, a in example(given, 3).items()}
            content = form.pack(kind(model).eval(), tensors, steps, metadata_of(document))
            path.write_bytes(content)
            run = form.opened(path)
            apart, agree = compare(key, run, given, wanted[key], agree, model.schema_)
            quantised = None
            if int8:
                path.write_bytes(onnx.quantised(content, path.parent))
                run = form.opened(path)
                quantised = largest(run(given), wanted[key], model.schema_)
            signature = {
                "inputs": ports(given, ragged=ragged and not kind.takes_codes),
                "outputs": ports(run(example(given, 2)), ragged=ragged and key == "reconstruct"),
            }
            document["functions"][key] = {"file": place, **signature, "difference": apart, "int8": quantised}
            for extra, data in form.extras(name, key, signature).items():
                (draft / extra).write_bytes(data)
            exported = Exported(
                key, Path(folder) / place, tuple(map(written, signature["inputs"])),
                tuple(map(written, signature["outputs"])), path.stat().st_size, apart,
                (median_time(run, example(given, 1)), median_time(run, example(given, MANY))), quantised,
            )  # fmt: skip
            files.append(exported)
            each(exported)
        (draft / SCHEMA).write_bytes(pack_json(document, draft / SCHEMA))
    return files


def _inputs(kind: type[Function], arrays: Mapping[str, Array], wanted: Mapping[str, Any]) -> dict[str, Array]:
    """Return the inputs of a function: samples and what goes with them, or their codes and labels."""
    if not kind.takes_codes:
        return dict(arrays)
    return {"z": wanted["encoder"]["z"], **{name: array for name, array in arrays.items() if name == "y"}}
