"""Bodies that people send with curl: pictures, CSV and JSON, as the tensors that a verb takes."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from narrows.data.alike import chosen_columns
from narrows.data.arrays import Array
from narrows.data.columns import unseen
from narrows.data.readers.decoding import decode
from narrows.data.readers.table import Table
from narrows.data.readers.tables import table_of_json, table_of_text
from narrows.data.schema import Schema
from narrows.data.types_schema import table_like
from narrows.data.types_table import MixedTable, Values
from narrows.errors import ConfigError, DataError
from narrows.serve.protocol import parsed
from narrows.serve.verbs import Tensors, Verb

BODY = Path("body")
"""What errors of tables call the body of a request."""
PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"RIFF", b"II*\0", b"MM\0*", b"P5", b"P6")
"""How pictures of the formats that are read begin."""


class Bodies:
    """Reads bodies for a verb.

    Parameters
    ----------
    verb
        Which takes what is read.
    data
        What is recorded of the run's data: its columns that are no features, and its codes of missing values.
    """

    def __init__(self, verb: Verb, data: Mapping[str, Any]) -> None:
        self.verb, self.first = verb, verb.inputs[0]
        self.schema: Schema = verb.schema
        self.others = dict(data.get("other_columns") or {})
        self.missing = data.get("options", {}).get("missing")
        columns = data.get("columns")
        self.columns = columns or (None if self.schema.columns is None else list(self.schema.columns))

    def read(self, body: bytes, y: str | None = None) -> tuple[Tensors, str | None]:
        """Return the tensors that a body holds: a picture, JSON or CSV, whichever its first bytes say it is.

        `y` is the label of all samples, or of each, separated by commas. Beside the tensors stands a warning where
        values are levels that fit did not see, which count as missing.

        Raises: DataError or ConfigError where it is none of them.
        """
        if not body.strip():
            raise DataError(f"{self.verb.name}: the body must hold a picture, JSON or CSV; it is empty.")
        warning = None
        typed = self.verb.columns is not None and self.first.name in self.verb.columns.names
        if body.startswith(PICTURES):
            tensors = {self.first.name: self._picture(body)}
        elif typed:
            tensors, strange = self._typed(body)
            warning = unseen(self.verb.owner, strange) if strange else None
        elif body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"[", b"{"):
            tensors = self._json(parsed(body))
        else:
            tensors = {self.first.name: self._csv(body)}
        if y is not None:
            tensors["y"] = self._labels(y.split(","), len(tensors[self.first.name]))
        return tensors, warning

    def _picture(self, body: bytes) -> Array:
        if self.first.name != "x":
            raise DataError(f"{self.verb.name}: the body must hold codes, as JSON or CSV; got a picture.")
        colour = self.schema.kind == "images" and self.schema.sample_shape[0] == 3
        try:
            return decode(body, mode="rgb" if colour else "grey")[None]
        except DataError as error:
            raise DataError(f"{self.verb.name}: the picture must be a sound PNG, JPEG or the like; {error}.") from error

    def _typed(self, body: bytes) -> tuple[dict[str, Array], dict[str, list[object]]]:
        """Return rows of typed columns, as CSV, records or one record, and the levels that fit did not see."""
        columns, schema = self.verb.columns, self.schema
        assert columns is not None
        assert schema.types is not None
        if body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"[", b"{"):
            content = parsed(body)
            if isinstance(content, dict) and not any(isinstance(value, list | dict) for value in content.values()):
                content = [content]
            table = table_of_json(content, BODY, missing=self.missing)
        else:
            table = self._text(body)
        names = list(self.columns) if self.columns is not None and table.named else None
        rows: Any = chosen_columns(table, names, self.others, len(schema.types)).train
        if not isinstance(rows, MixedTable):
            named = names or [column.name for column in schema.types]
            rows = MixedTable({name: Values("number", rows[:, i].astype(np.float64)) for i, name in enumerate(named)})
        return columns.tensors(table_like(rows, schema.types, self.verb.owner).columns)

    def _csv(self, body: bytes) -> Array:
        return self._rows(self._text(body))

    def _text(self, body: bytes) -> Table:
        try:
            text = body.decode("utf-8-sig").rstrip("\x1a\r\n")
        except UnicodeDecodeError:
            raise DataError(
                f"{self.verb.name}: the body must be a picture, JSON, or CSV in UTF-8; it is none."
            ) from None
        return table_of_text(text, BODY, missing=self.missing)

    def _json(self, content: Any) -> dict[str, Array]:
        name = self.first.name
        if isinstance(content, dict) and name in content and name not in (self.columns or ()):
            unknown = sorted(content.keys() - {port.name for port in self.verb.inputs})
            if unknown:
                raise DataError(f"{self.verb.name}: the body must hold {name} alone; got {unknown[0][:40]!r} as well.")
            tensors = {key: np.asarray(content[key]) for key in content.keys() - {name, "y"}}
            tensors[name] = self._samples(content[name])
            if "y" in content:
                labels = content["y"] if isinstance(content["y"], list) else [content["y"]]
                tensors["y"] = self._labels(labels, len(tensors[name]))
            return tensors
        return {name: self._samples(content)}

    def _samples(self, content: Any) -> Array:
        """Return samples from lists of numbers, or from records."""
        if isinstance(content, dict) and not any(isinstance(value, list | dict) for value in content.values()):
            content = [content]  # one record
        records = isinstance(content, dict) or (isinstance(content, list) and content and isinstance(content[0], dict))
        if records:
            return self._rows(table_of_json(content, BODY, missing=self.missing))
        shape = self.first.shape[1:]
        try:
            array = np.array(content, np.float64)  # null becomes nan: a missing value
        except (ValueError, TypeError, OverflowError):
            raise DataError(
                f"{self.verb.name}: the body must hold numbers, in lists of one length, or records; it does not. Send "
                f"{self.first.name} of shape {list(self.first.shape)}."
            ) from None
        if array.ndim == len(shape) and all(n in (-1, size) for n, size in zip(shape, array.shape, strict=True)):
            array = array[None]
        integers = self.first.datatype.startswith(("INT", "UINT"))
        if integers and array.size and np.isfinite(array).all() and (array == np.round(array)).all():
            return array.astype(np.int64)
        return array

    def _rows(self, table: Table) -> Array:
        """Return the rows of a table as samples: columns by name where it has names."""
        if self.first.name != "x" or self.schema.kind != "table":
            data = table.dataset()
            if data.typed:
                raise DataError(
                    f"{self.verb.name}: the body must hold numbers; got others among the columns "
                    f"{', '.join(table.names)[:100]}. Send {self.first.name} of shape {list(self.first.shape)}."
                )
            samples = data.train
            if self.schema.kind == "sequences" and self.first.name == "x" and samples.ndim == 2:
                return samples[None]  # its rows are the steps of one sequence
            if self.schema.kind == "images" and self.first.name == "x" and samples.ndim == 2:
                return samples.reshape(-1, *self.first.shape[1:]) if _fits(samples, self.first.shape) else samples
            return samples
        columns = list(self.columns) if self.columns is not None and table.named else None
        return chosen_columns(table, columns, self.others, self.schema.n_features).train

    def _labels(self, labels: list[Any], n: int) -> Array:
        """Return labels in the type that the model knows: one for each of n samples, or one for all."""
        port = next((port for port in self.verb.inputs if port.name == "y"), None)
        if port is None:
            raise ConfigError(f"{self.verb.name}: y must be left out for a model without a condition; got a label.")
        try:
            if port.datatype == "BYTES":
                values: Array = np.array([str(label) for label in labels], object)
            else:
                values = np.array(labels, np.float64)
                if port.datatype == "INT64" and (values == np.round(values)).all():
                    values = values.astype(np.int64)
        except (ValueError, TypeError, OverflowError):
            raise DataError(f"{self.verb.name}: y must hold labels of training; got {str(labels)[:60]}.") from None
        return np.repeat(values, n, axis=0) if len(values) == 1 else values


def _fits(samples: Array, shape: tuple[int, ...]) -> bool:
    return samples.shape[1] == math.prod(shape[1:])


def picture_of(samples: Array, schema: Schema) -> bytes:
    """Return the one image in samples, in whichever order, as PNG.

    Raises: DataError where there are none, or several, or they are no grey or coloured images.
    """
    from PIL import Image

    if schema.kind != "images" or len(samples) != 1 or schema.sample_shape[0] not in (1, 3):
        raise DataError(
            f"image/png must be asked for with one grey or coloured image; got {len(samples)} samples of shape "
            f"{list(samples.shape[1:])}. Leave out Accept."
        )
    image = samples[0]
    if image.shape == schema.sample_shape:
        image = image.transpose(1, 2, 0)
    image = image.reshape(*image.shape[:2], -1).astype(np.float64)
    low, high = (0.0, 255.0) if schema.pixels or schema.limits is None else schema.limits
    grey = np.rint(255 * ((image - low) / max(high - low, 1e-300)).clip(0, 1)).astype(np.uint8)
    written = io.BytesIO()
    Image.fromarray(grey[..., 0] if grey.shape[2] == 1 else grey).save(written, "PNG")
    return written.getvalue()


def csv_of(array: Array, names: list[str] | None, prefix: str) -> bytes:
    """Return rows as CSV, a column per value."""
    flat = array.reshape(len(array), -1)
    if names is None or len(names) != flat.shape[1]:
        names = [prefix] if flat.shape[1] == 1 else [f"{prefix}_{i + 1}" for i in range(flat.shape[1])]
    return csv_of_rows(names, flat.tolist())


def csv_of_rows(names: list[str], rows: Iterable[Iterable[Any]]) -> bytes:
    """Return rows as CSV, below the names of their columns."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return written.getvalue().encode()
