"""Tables that are packed: Parquet by row groups, text files of numbers as a stream, other tables from memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from narrows.data.arrays import Array
from narrows.data.dataset import Dataset
from narrows.data.readers.checks import needed, reading, unsound
from narrows.data.readers.columns import column_of_texts
from narrows.data.readers.typed import values_of_column
from narrows.data.sources import SHARD, Block, Form, Source, Stream, Task, cut, gathered, utf8
from narrows.data.types_inferred import LEVELS
from narrows.data.types_stored import StoredColumn
from narrows.errors import ConfigError, DataError


def _names(option: Any) -> list[str]:
    return [] if option is None else [name.strip() for name in str(option).split(",") if name.strip()]


class Roles:
    """What becomes of the columns of an Arrow schema."""

    def __init__(self, schema: Any, options: Any, path: Path, owner: str = "pack") -> None:
        pa = needed("pyarrow", "tables", path)
        known = list(schema.names)
        self.label, self.id = options.get("label"), options.get("id")
        wanted = _names(options.get("columns"))
        named = [*_names(self.label), *_names(self.id), *_names(options.get("drop")), *wanted]
        if unknown := [name for name in named if name not in known]:
            raise ConfigError(f"{owner}: columns must be among {', '.join(known[:20])}; got {unknown[0]!r}.")
        others = {self.label, self.id, *_names(options.get("drop"))}
        features = wanted or [name for name in known if name not in others]

        held = {name: held_by(schema.field(name).type) for name in known}
        if bad := [name for name in features if held[name] is None]:
            shown = ", ".join(f"{name!r} ({schema.field(name).type})" for name in bad[:10])
            raise DataError(
                f"{owner}: features must be numbers, texts or times; got {shown}. Leave them out by "
                f"drop={','.join(bad[:10])!r}, or make one the label or the id."
            )
        typed = {held[name] for name in features} & {"text", "time"}
        self.table = tuple(StoredColumn(name, str(held[name])) for name in features) if typed else None
        self.texts: dict[str, tuple[list[str], Array]] = {}
        """Of features of text: all texts that there are, and the number that each becomes."""
        if not features:
            raise unsound(path, "hold columns of numbers; got none.")
        self.features = tuple(features)
        # Whole numbers of 32 bits and more would be rounded in single precision, and so would times.
        narrow = not typed and all(
            np.can_cast(schema.field(name).type.to_pandas_dtype(), np.float32, "safe") for name in features
        )
        self.dtype = np.dtype(np.float32 if narrow else np.float64)
        kind = None if self.label is None else schema.field(self.label).type
        self.classes: dict[str, int] | None = None
        self.label_dtype: str | None = None
        if kind is not None:
            self.label_dtype = "float64" if pa.types.is_floating(kind) else "int64"
            if held[self.label] not in ("number", "truth"):
                self.classes = {}

    @property
    def columns(self) -> list[str]:
        """Return the columns that are read."""
        return [*self.features, *([self.label] if self.label else []), *([self.id] if self.id else [])]

    def block(self, table: Any) -> Block:
        """Return the rows of a table."""
        y, ids = self.beside(table)
        return Block(self.features_of(table), y, ids, names=tuple(self.classes or ()))

    def features_of(self, table: Any) -> Array:
        """Return the features of a table as numbers (n, D); nulls are NaN."""
        x = np.empty((table.num_rows, len(self.features)), self.dtype)
        for i, name in enumerate(self.features):
            x[:, i] = numbers_of(table.column(name), self.texts.get(name))
        return x

    def beside(self, table: Any) -> tuple[Array | None, Array | None]:
        """Return the labels and the ids of a table, where there are any."""
        y = None if self.label is None else self._labels(table.column(self.label))
        ids = None if self.id is None else utf8([str(value) for value in table.column(self.id).to_pylist()])
        return y, ids

    def _labels(self, values: Any) -> Array:
        if self.classes is None:
            return values.to_numpy().astype(self.label_dtype)
        return np.array([self.classes.setdefault(str(v), len(self.classes)) for v in values.to_pylist()], np.int64)


def held_by(kind: Any) -> str | None:
    """Return what a column of a type of Arrow holds: number, truth, text or time; None where it is none of these."""
    import pyarrow as pa

    is_ = pa.types
    if is_.is_dictionary(kind):
        return held_by(kind.value_type)
    tests = {
        "truth": is_.is_boolean(kind), "number": is_.is_integer(kind) or is_.is_floating(kind),
        "text": is_.is_string(kind) or is_.is_large_string(kind),
        "time": is_.is_date(kind) or is_.is_timestamp(kind),
    }  # fmt: skip
    return next((name for name, holds in tests.items() if holds), None)


def numbers_of(values: Any, texts: tuple[list[str], Array] | None) -> Array:
    """Return a column of Arrow as numbers (N,), NaN for null: seconds of times, and of texts the numbers given."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if texts is not None:
        places = pc.index_in(values.cast(pa.string()), value_set=pa.array(texts[0], pa.string()), skip_nulls=True)
        return np.append(texts[1], np.nan)[places.fill_null(len(texts[0])).to_numpy()]
    if held_by(values.type) == "time":
        exact = values.cast(pa.timestamp("us", getattr(values.type, "tz", None)), safe=False)
        return np.asarray(exact.cast("int64").cast("float64", safe=False).to_numpy(), np.float64) / 1e6
    return np.asarray(values.cast("float64", safe=False).to_numpy(), np.float64)


@dataclass
class ParquetFiles(Source):
    """Parquet files of one form, read by row groups."""

    files: list[Path]
    owner: str = "pack"
    """Of the error messages."""

    def __post_init__(self) -> None:
        needed("pyarrow", "tables", Path(self.name))
        import pyarrow.parquet as pq

        self.groups: list[tuple[Path, int]] = []
        self.rows: list[int] = []
        rows = self.rows
        with reading(Path(self.name)):
            for file in self.files:
                content = pq.ParquetFile(file)
                if file == self.files[0]:
                    self.roles = Roles(content.schema_arrow, self.options, file, self.owner)
                elif missing := [name for name in self.roles.columns if name not in content.schema_arrow.names]:
                    raise unsound(file, f"have the columns of {self.files[0].name}; it lacks {missing[0]!r}.")
                for group in range(content.metadata.num_row_groups):
                    self.groups.append((file, group))
                    rows.append(content.metadata.row_group(group).num_rows)
            if not sum(rows):
                raise unsound(Path(self.name), "hold rows of numbers; got none.")
            texts = self._different()
            if self.roles.classes is not None:
                self.roles.classes = {name: number for number, name in enumerate(texts[self.roles.label])}
            if self.roles.table is not None:
                self.roles.table = tuple(self._read(column, texts.get(column.name)) for column in self.roles.table)
        self.label_names = None if self.roles.classes is None else tuple(self.roles.classes)
        features = self.roles.features
        self.form = Form(
            (len(features),), str(self.roles.dtype), features, self.roles.label_dtype, self.roles.id,
            table=self.roles.table,
        )  # fmt: skip
        most, start, held = max(1, SHARD // (len(features) * self.roles.dtype.itemsize)), 0, 0
        for group, count in enumerate(rows):  # row groups together, up to a shard
            if held and held + count > most:
                self.tasks.append(Task("train", start, group))
                start, held = group, 0
            held += count
        self.tasks.append(Task("train", start, len(rows)))

    def _different(self) -> dict[str, list[str]]:
        """Return all texts in order of features of text and of classes, found in one pass before any row is read.

        Processes that read different parts number them alike.
        """
        features = [column.name for column in self.roles.table or () if column.holds == "text"]
        found: dict[str, set[str]] = {name: set() for name in features}
        if self.roles.classes is not None:
            found.setdefault(self.roles.label, set())
        for group in range(len(self.groups) if found else 0):
            table = self.table(group, list(found))
            for name, texts in found.items():
                texts.update(str(value) for value in table.column(name).unique().to_pylist() if value is not None)
                if name in features and len(texts) > LEVELS:
                    raise DataError(
                        f"{self.owner}: features of text must have at most {LEVELS:,} different values; {name!r} has "
                        f"more. Leave it out by drop={name!r}, or make it the id."
                    )
        return {name: sorted(texts) for name, texts in found.items()}

    def _read(self, column: StoredColumn, texts: list[str] | None) -> StoredColumn:
        """Return a column whose texts have been read as those of text files are: yes and no, times, numbers, levels."""
        if texts is None or column.holds != "text":
            return column
        values = values_of_column(column_of_texts(column.name, texts or [""], frozenset(), "."))
        self.roles.texts[column.name] = texts, values.numbers()
        return StoredColumn(column.name, values.holds, tuple(map(str, values.levels)))

    def block(self, task: Task) -> Block:
        """Read the row groups of a shard."""
        import pyarrow as pa

        with reading(Path(self.name)):
            tables = [self.table(group, self.roles.columns) for group in range(task.start, task.stop)]
            return self.roles.block(pa.concat_tables(tables))

    def table(self, group: int, columns: list[str]) -> Any:
        """Read columns of a row group, counted over all files, as a table of Arrow."""
        import pyarrow.parquet as pq

        file, number = self.groups[group]
        with pq.ParquetFile(file, memory_map=True) as content:
            return content.read_row_group(number, columns=columns)


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


class TypedTable(Source):
    """A table of typed columns that was read into memory."""

    sendable = False

    def __init__(self, name: str, options: Mapping[str, Any], data: Dataset) -> None:
        super().__init__(name, options)
        table: Any = data.train
        self._data, self.label_names, ids = data, data.label_names, data.ids("train")
        form = tuple(StoredColumn(name, v.holds, tuple(map(str, v.levels))) for name, v in table.columns.items())
        if long := [column.name for column in form if len(column.levels) > LEVELS]:
            raise DataError(
                f"pack: features of text must have at most {LEVELS:,} different values; {long[0]!r} has more. Leave it "
                f"out by drop={long[0]!r}, or make it the id."
            )
        self._ids = None if ids.name == "row" else utf8([str(value) for value in ids.values.tolist()])
        self.form = Form(
            (len(form),), "float64", tuple(table.columns),
            None if data.train_labels is None else str(data.train_labels.dtype),
            None if self._ids is None else ids.name, data.notes, form,
        )  # fmt: skip
        self.tasks = cut(len(table), max(1, SHARD // (8 * len(form))))

    def block(self, task: Task) -> Block:
        """Return the rows of a shard."""
        rows = slice(task.start, task.stop)
        table: Any = self._data.train[rows]
        x = np.column_stack([values.numbers() for values in table.columns.values()])
        y, ids = self._data.train_labels, self._ids
        return Block(x, None if y is None else y[rows], None if ids is None else ids[rows])
