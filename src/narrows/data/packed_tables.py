"""Tables that are packed: Parquet by row groups, text files as a stream; numbers become features, one column labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from narrows.data.arrays import Array
from narrows.data.readers.checks import needed, reading, unsound
from narrows.data.sources import SHARD, Block, Form, Source, Stream, Task, gathered, utf8
from narrows.errors import ConfigError, DataError


def _names(option: Any) -> list[str]:
    return [] if option is None else [name.strip() for name in str(option).split(",") if name.strip()]


class Roles:
    """What becomes of the columns of an Arrow schema."""

    def __init__(self, schema: Any, options: Any, path: Path) -> None:
        pa = needed("pyarrow", "tables", path)
        known = list(schema.names)
        self.label, self.id = options.get("label"), options.get("id")
        wanted = _names(options.get("columns"))
        named = [*_names(self.label), *_names(self.id), *_names(options.get("drop")), *wanted]
        if unknown := [name for name in named if name not in known]:
            raise ConfigError(f"pack: columns must be among {', '.join(known[:20])}; got {unknown[0]!r}.")
        others = {self.label, self.id, *_names(options.get("drop"))}
        features = wanted or [name for name in known if name not in others]

        def numeric(kind: Any) -> bool:
            return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))

        if bad := [name for name in features if not numeric(schema.field(name).type)]:
            shown = ", ".join(f"{name!r} ({schema.field(name).type})" for name in bad[:10])
            raise DataError(
                f"pack: features must be numbers; got {shown}. Leave them out by drop={','.join(bad[:10])!r}, or "
                "make one the label or the id."
            )
        if not features:
            raise unsound(path, "hold columns of numbers; got none.")
        self.features = tuple(features)
        kinds = [schema.field(name).type.to_pandas_dtype() for name in features]
        # Whole numbers of 32 bits and more would be rounded in single precision.
        narrow = all(np.can_cast(kind, np.float32, "safe") for kind in kinds)
        self.dtype = np.dtype(np.float32 if narrow else np.float64)
        kind = None if self.label is None else schema.field(self.label).type
        self.classes: dict[str, int] | None = None
        self.label_dtype: str | None = None
        if kind is not None:
            self.label_dtype = "float64" if pa.types.is_floating(kind) else "int64"
            if not numeric(kind):
                self.classes = {}

    @property
    def columns(self) -> list[str]:
        """Return the columns that are read."""
        return [*self.features, *([self.label] if self.label else []), *([self.id] if self.id else [])]

    def block(self, table: Any) -> Block:
        """Return the rows of a table; nulls are NaN."""
        x = np.empty((table.num_rows, len(self.features)), self.dtype)
        for i, name in enumerate(self.features):
            x[:, i] = table.column(name).cast("float64", safe=False).to_numpy()
        y = None if self.label is None else self._labels(table.column(self.label))
        ids = None
        if self.id is not None:
            ids = utf8([str(value) for value in table.column(self.id).to_pylist()])
        return Block(x, y, ids, names=tuple(self.classes or ()))

    def _labels(self, values: Any) -> Array:
        if self.classes is None:
            return values.to_numpy().astype(self.label_dtype)
        return np.array([self.classes.setdefault(str(v), len(self.classes)) for v in values.to_pylist()], np.int64)


@dataclass
class ParquetFiles(Source):
    """Parquet files of one form, read by row groups."""

    files: list[Path]

    def __post_init__(self) -> None:
        needed("pyarrow", "tables", Path(self.name))
        import pyarrow.parquet as pq

        self.groups: list[tuple[Path, int]] = []
        rows = []
        with reading(Path(self.name)):
            for file in self.files:
                content = pq.ParquetFile(file)
                if file == self.files[0]:
                    self.roles = Roles(content.schema_arrow, self.options, file)
                elif missing := [name for name in self.roles.columns if name not in content.schema_arrow.names]:
                    raise unsound(file, f"have the columns of {self.files[0].name}; it lacks {missing[0]!r}.")
                for group in range(content.metadata.num_row_groups):
                    self.groups.append((file, group))
                    rows.append(content.metadata.row_group(group).num_rows)
            if self.roles.classes is not None:
                self._find_classes()
        self.label_names = None if self.roles.classes is None else tuple(self.roles.classes)
        features = self.roles.features
        self.form = Form((len(features),), str(self.roles.dtype), features, self.roles.label_dtype, self.roles.id)
        most, start, held = max(1, SHARD // (len(features) * self.roles.dtype.itemsize)), 0, 0
        for group, count in enumerate(rows):  # row groups together, up to a shard
            if held and held + count > most:
                self.tasks.append(Task("train", start, group))
                start, held = group, 0
            held += count
        self.tasks.append(Task("train", start, len(rows)))

    def _find_classes(self) -> None:
        """Find all names of classes first: processes that read different parts must number them alike."""
        import pyarrow.parquet as pq

        names: set[str] = set()
        for file, group in self.groups:
            column = pq.ParquetFile(file).read_row_group(group, columns=[self.roles.label]).column(0)
            names |= {str(value) for value in column.unique().to_pylist()}
        self.roles.classes = {name: number for number, name in enumerate(sorted(names))}

    def block(self, task: Task) -> Block:
        """Read the row groups of a shard."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        with reading(Path(self.name)):
            tables = [
                pq.ParquetFile(file).read_row_group(group, columns=self.roles.columns)
                for file, group in self.groups[task.start : task.stop]
            ]
            return self.roles.block(pa.concat_tables(tables))


class TextTable(Stream):
    """A text file with a header, whose types its first megabytes say, as Arrow reads it."""

    def __init__(self, name: str, options: Any) -> None:
        super().__init__(name, options)
        needed("pyarrow", "tables", Path(name))
        from pyarrow import csv

        self._parse = csv.ParseOptions(delimiter="\t" if name.lower().endswith(".tsv") else ",")
        self._read = csv.ReadOptions(block_size=2**23)
        with reading(Path(name)), self._opened() as reader:
            self.roles = Roles(reader.schema, options, Path(name))
        features, roles = self.roles.features, self.roles
        dtype = "float64"  # whole numbers that come first may be followed by others
        roles.dtype = np.dtype(dtype)
        self.form = Form((len(features),), dtype, features, roles.label_dtype, roles.id)
        self.columns = features

    def _opened(self) -> Any:
        from pyarrow import csv

        return csv.open_csv(self.name, read_options=self._read, parse_options=self._parse)

    def blocks(self) -> Iterator[Block]:
        """Yield rows gathered to shards."""
        return gathered(self, self._blocks())

    def _blocks(self) -> Iterator[Block]:
        import pyarrow as pa

        with reading(Path(self.name)), self._opened() as reader:
            for batch in reader:
                if batch.num_rows:
                    yield self.roles.block(pa.Table.from_batches([batch]))
