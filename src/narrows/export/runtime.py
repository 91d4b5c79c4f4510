"""An exported model in ONNX Runtime: transform, inverse_transform, reconstruct and score_samples, without torch.

It needs numpy and onnxruntime alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from narrows.data.arrays import Array, as_type, padded
from narrows.data.axes import given_order, order_for, returned, turned
from narrows.data.classes import encoded_labels
from narrows.data.columns import check_values, positions_of, shortened
from narrows.data.pixels import as_fitted
from narrows.errors import DataError, FormatError
from narrows.export.form import FORMAT, RECORD, SCHEMA, Form
from narrows.export.requirements import check_installed
from narrows.storage.form import check_form
from narrows.storage.json import read_json

CHUNK = 4096
"""Samples that are computed at once."""
MODERATE = 1e30
"""Sum of squares up to which no product of a model's can leave single precision."""


def session_of(path: str | Path, threads: int | None = None) -> Any:
    """Return an ONNX Runtime session on the CPU; `threads` None leaves their number to it."""
    check_installed("onnxruntime")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors: it warns of constants that a branch does not use
    if threads is not None:
        options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise FormatError(f"{path}: must be a model that ONNX Runtime loads; {error}. Export it again.") from error


def opened(path: Path) -> Any:
    """Return what runs a file: arrays by name to arrays by name."""
    session = session_of(path)
    names = [output.name for output in session.get_outputs()]

    def run(arrays: Mapping[str, Array]) -> dict[str, Array]:
        return dict(zip(names, session.run(names, dict(arrays)), strict=True))

    return run


class OnnxModel:
    """An exported model: the verbs of the estimator that it was, computed by ONNX Runtime.

    Samples enter as they enter the estimator, and its errors are raised; what comes back are arrays in the units and
    the type of X, their columns in the order of `columns`, and lists for sequences of different length. Each function's
    session is made when it is first used.

    Attributes
    ----------
    schema
        What `schema.json` holds.
    columns
        Names of the columns of a table, where it had any.
    """

    def __init__(self, folder: str | Path, threads: int | None = None) -> None:
        path = Path(folder) / SCHEMA
        self.schema = read_json(path)
        if self.schema.get("format") != FORMAT:
            raise FormatError(f"{path}: must be a model that narrows exported, of format {FORMAT}. Export it again.")
        check_form(self.schema, RECORD, path, "schema")
        self.form = Form.of(self.schema)
        self.columns = self.form.columns
        self._folder, self._threads = Path(folder), threads
        self._sessions: dict[str, Any] = {}
        self._ready = None if self.form.takes_labels or self.form.ragged else self.form.sample_shape
        self._input = np.dtype(self.form.input)
        self._usual = _bits(self.form.usual_largest, self._input)

    def session(self, function: str) -> Any:
        """Return the session of encoder, decoder, reconstruct or score."""
        if function not in self._sessions:
            file = self.schema["functions"][function]["file"]
            if Path(file).suffix != ".onnx" or Path(file).name != file:
                raise FormatError(
                    f"{self._folder}: must hold ONNX files beside {SCHEMA}; got {file!r}. Export it with --to onnx."
                )
            self._sessions[function] = session_of(self._folder / file, self._threads)
        return self._sessions[function]

    # Verbs ------------------------------------------------------------------------------------------------------------

    def transform(self, X: Any, y: Any = None) -> Array:
        """Return the codes, without noise: (N, *shape) -> (N, *code shape)."""
        if self._is_ready(X) and len(X) <= CHUNK:
            return self.session("encoder").run(_Z, {"x": X})[0]
        return self.run("encoder", "z", self.inputs(X, y))

    def inverse_transform(self, Z: Any, y: Any = None) -> Array:
        """Return the samples that codes stand for, in the units and the type of X."""
        arrays = {"z": self._codes(Z)}
        if self.form.takes_labels:
            arrays["y"] = self._labels(y, len(arrays["z"]))
        return self._presented(self.run("decoder", "x", arrays), None)

    def reconstruct(self, X: Any, y: Any = None) -> Any:
        """Return X decoded from its codes, in the units and the type of X."""
        arrays = self.inputs(X, y)
        decoded = self.run("reconstruct", "reconstruction", arrays)
        if "lengths" not in arrays:
            return self._presented(decoded, X)
        whole = as_type(decoded, np.dtype(self.form.dtype))
        return [x[:n] for x, n in zip(whole, arrays["lengths"], strict=True)]

    def score_samples(self, X: Any, y: Any = None) -> Array:
        """Return how normal each sample is, higher is more normal: (N,), in nats of the data as given."""
        return self.run("score", "score", self.inputs(X, y))

    # Conversion -------------------------------------------------------------------------------------------------------

    def inputs(self, X: Any, y: Any = None) -> dict[str, Array]:
        """Return samples, and labels where they are asked for, as the functions take them: x, y and lengths by name.

        Raises: DataError, as the estimator does, where X or y do not fit the model.
        """
        form = self.form
        arrays: dict[str, Array] = {}
        if self._is_ready(X):
            return {"x": X}
        samples = self._samples(X)
        if form.ragged:
            sequences = [np.asarray(x, self._input) for x in samples]
            x, _, lengths = padded([(x, None) for x in sequences], form.sample_shape, self._input, form.model)
            arrays = {"x": x[:, : lengths.max()], "lengths": lengths.astype(np.int64)}
        else:
            arrays = {"x": self._typed(as_fitted(np.asarray(samples), form, form.model))}
        if form.takes_labels:
            arrays = {"x": arrays["x"], "y": self._labels(y, len(arrays["x"])), **arrays}
        return arrays

    def _is_ready(self, X: Any) -> bool:
        """Return whether X is as the functions take it: to find out more takes longer than a small model."""
        if type(X) is not np.ndarray or X.dtype != self._input or X.shape[1:] != self._ready or not len(X):
            return False
        if self.form.pixels:  # those of 0 and 1 alone may be divided ones: bytes tell it in a tenth of a ufunc's time
            return bool(X.tobytes().lstrip(b"\0\1"))
        if self._usual is None:
            return bool(np.vdot(X, X) < MODERATE)  # not for nan either
        of, low, high = self._usual
        bits = X.view(of)
        return bool(low < bits.item(bits.argmax()) <= high)

    def _samples(self, X: Any) -> Any:
        """Return X as an array (N, *shape), or as sequences (T_i, D) where these may differ in length."""
        form, name = self.form, self.form.model
        columns = getattr(X, "column_names", None)
        columns = getattr(X, "columns", None) if columns is None else columns
        if columns is not None:
            X = self._of_frame(X, [str(column) for column in columns])
        if form.ragged:
            return self._sequences(X)
        try:
            array = np.asarray(X)
        except ValueError as error:
            raise DataError(f"{name}: X must be an array of numbers; got {error}.") from error
        if array.dtype == object:
            try:
                array = array.astype(np.float64)  # None is missing
            except (TypeError, ValueError) as error:
                raise DataError(f"{name}: X must be an array of numbers; got {error}.") from error
        if array.dtype.kind not in "biuf" or not array.size:
            raise DataError(f"{name}: X must hold real numbers, one at least; got {array.dtype}, {array.shape}.")
        check_values(array, form.columns, name, missing=form.missing)
        array = turned(array, order_for(array.shape[1:], form.sample_shape))
        if array.shape[1:] != form.sample_shape:
            columns_known = f" They are {shortened(form.columns)}." if form.columns else ""
            raise DataError(
                f"{name}: X must have samples of shape {form.sample_shape}, as in fit; got {array.shape[1:]}."
                f"{columns_known}"
            )
        return array

    def _of_frame(self, X: Any, names: list[str]) -> Array:
        """Return the columns of a data frame in the order of fit: (N, D)."""
        order = range(len(names))
        if self.columns is not None:
            order = positions_of(names, self.columns, self.form.model, fillable=self.form.missing)  # type: ignore[assignment]
        native = list(getattr(X, "column_names", None) or X.columns)
        return np.column_stack([np.asarray(X[native[i]]) for i in order])

    def _sequences(self, X: Any) -> list[Array]:
        form, sequences = self.form, [np.asarray(x) for x in X]
        name = form.model
        if not sequences or any(x.ndim != 2 or not len(x) or x.shape[1] != form.shape[1] for x in sequences):
            got = sequences[0].shape if sequences else "none"
            raise DataError(f"{name}: X must have samples of shape {form.shape}, as in fit; got {got}.")
        for x in sequences:
            check_values(x, None, name, missing=form.missing)
        return sequences

    def _typed(self, X: Array) -> Array:
        """Return samples in the type of the input."""
        if not self.form.pixels or X.dtype == np.uint8:
            return np.ascontiguousarray(X, self._input)
        levels = np.rint(X.astype(np.float64) * 255)
        if np.abs(levels - X * 255.0).max() > 1e-3:
            raise DataError(
                f"{self.form.model}: X must be grey levels 0 to 255, or such divided by 255, for an exported model; "
                "got others. Round them: (X * 255).round().astype('uint8')."
            )
        return levels.astype(np.uint8)

    def _labels(self, y: Any, n: int) -> Array:
        form = self.form
        return encoded_labels(y, n, form.levels, form.label_values, form.model)

    def _codes(self, Z: Any) -> Array:
        """Return codes as the decoder takes them; ordered ones may be short."""
        code, name = self.form.code, self.form.model
        codes, shape = np.asarray(Z), tuple(code["shape"])
        if codes.dtype.kind not in "iuf" or not codes.size or not np.isfinite(codes).all():
            raise DataError(f"{name}: Z must hold finite numbers; got others.")
        if code["ordered"] and codes.ndim == 2 and codes.shape[1] < shape[0]:
            codes = np.pad(codes, ((0, 0), (0, shape[0] - codes.shape[1])))
        if codes.shape[1:] != shape:
            raise DataError(f"{name}: Z must have codes of shape {shape}; got {codes.shape[1:]}.")
        if code["levels"] and ((codes < 0) | (codes >= code["levels"]) | (codes != np.floor(codes))).any():
            raise DataError(f"{name}: Z must hold indices from 0 to {code['levels'] - 1}; got others.")
        return np.ascontiguousarray(codes, code["dtype"])

    def run(self, function: str, output: str, arrays: dict[str, Array]) -> Array:
        """Return an output of a function for what `inputs` returned, in chunks. Raises: DataError for nan and inf."""
        session, n = self.session(function), len(next(iter(arrays.values())))
        parts = []
        size = self.form.chunk(CHUNK)
        for start in range(0, n, size):
            chunk = {name: array[start : start + size] for name, array in arrays.items()}
            parts.append(self._finite(session.run([output], chunk)[0], next(iter(chunk.values()))))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _finite(self, result: Array, X: Array) -> Array:
        # The quickest check: squares are finite where all values are, but for those beyond the type.
        if not (math.isfinite(np.vdot(result, result)) or np.isfinite(result).all()):
            raise DataError(
                f"{self.form.model}: what comes out must be finite; got nan or infinity for values from "
                f"{np.nanmin(X):.3g} to {np.nanmax(X):.3g}. Scale them as in fit."
            )
        return result

    def _presented(self, decoded: Array, like: Any) -> Array:
        """Return samples in the type of X, and images in the order of their axes."""
        X, form = as_type(decoded, np.dtype(self.form.dtype)), self.form
        if form.kind != "images":
            return X
        return returned(X, form.axes if like is None else given_order(like, form.shape))


def _bits(usual: tuple[float, float] | None, dtype: np.dtype[Any]) -> tuple[np.dtype[Any], int, int] | None:
    """Return between what the largest value lies, as whole numbers of the same bits; None where it may be any.

    Numbers from 0 on have the order of their bits, below those of all negative ones and nan: one pass, and the quickest
    of numpy's, tells everything.
    """
    if usual is None or dtype.kind != "f":
        return None
    unsigned = np.dtype(f"u{dtype.itemsize}")
    low, high = (int(np.array(min(end, math.sqrt(MODERATE) / 1e3), dtype).view(unsigned)) for end in usual)
    return unsigned, -1 if usual[0] < 0 else low, high


_Z = ["z"]
