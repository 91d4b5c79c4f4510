"""The export of a run, which ONNX Runtime computes faster than torch does."""

from __future__ import annotations

import importlib.util

from narrows.export.form import SCHEMA
from narrows.export.loading import load_onnx
from narrows.export.runtime import OnnxModel
from narrows.runs import Run
from narrows.storage.json import read_json


def exported(run: Run) -> OnnxModel | None:
    """Return what `narrows export RUN --to onnx` wrote into a run, whose parity with torch was checked then.

    None where there is none, it is older than the model or has weights in 8 bits, or onnxruntime is not installed.
    """
    folder = run.folder / "export" / "onnx"
    schema, model = folder / SCHEMA, run.model_folder / "model.json"
    if importlib.util.find_spec("onnxruntime") is None or not schema.is_file():
        return None
    functions = read_json(schema).get("functions", {}).values()
    if schema.stat().st_mtime_ns < model.stat().st_mtime_ns or any(each["int8"] is not None for each in functions):
        return None
    return load_onnx(folder, threads=1)
