"""Exported models read from their folder, without torch: `narrows.load_onnx`."""

from __future__ import annotations

from pathlib import Path

from narrows.export.form import SCHEMA
from narrows.export.runtime import OnnxModel
from narrows.export.tables import OnnxTableModel
from narrows.storage.json import read_json


def load_onnx(folder: str | Path, *, threads: int | None = None) -> OnnxModel:
    """Return a model that `narrows export --to onnx` or `model.export(folder)` wrote, run by ONNX Runtime.

    Needs numpy and onnxruntime alone: torch is not imported.

    Parameters
    ----------
    folder
        The folder with `schema.json` and the ONNX files.
    threads
        On which a product is computed; None leaves it to ONNX Runtime.

    Raises
    ------
    FormatError
        The folder does not hold such a model.
    """
    typed = read_json(Path(folder) / SCHEMA).get("types") is not None
    return OnnxTableModel(folder, threads) if typed else OnnxModel(folder, threads)
