"""Tables of Apache Arrow: .parquet, .feather and IPC files, and folders of them; needs pyarrow."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from narrows.data.readers.checks import check_expansion, needed, reading, unsound
from narrows.data.readers.columns import Column, column_of_lists, column_of_texts
from narrows.data.readers.table import Table
from narrows.data.readers.tables import codes_of

PARQUET, IPC = (".parquet", ".pq"), (".feather", ".arrow", ".ipc")


def arrow_table(path: Path, *, missing: Any = None) -> Table:
    """Read a .parquet, .feather or Arrow IPC file, or a folder of them in the order of their names, as a table.

    Nulls are missing values. Columns of lists are vectors where all have one length, and sequences where they do not.
    """
    pa = needed("pyarrow", "tables", path)
    files = (
        sorted(file for file in path.rglob("*") if file.suffix.lower() in (*PARQUET, *IPC)) if path.is_dir() else [path]
    )
    try:
        with reading(path):
            tables = [_read(file) for file in files]
            table = pa.concat_tables(tables, promote_options="default") if len(tables) > 1 else tables[0]
            if table.num_rows < 1:
                raise unsound(path, "hold rows of numbers; got none.")
            metadata = table.schema.pandas_metadata or {}
            index = tuple(str(name) for name in metadata.get("index_columns", ()) if isinstance(name, str))
            columns = [_column(name, table.column(i), missing) for i, name in enumerate(table.column_names)]
    except pa.ArrowException as error:
        raise unsound(path, f"be a sound file of Apache Arrow; got: {error}.") from error
    return Table(path, columns, notes=[f"{len(files)} files"] if len(files) > 1 else [], index=index)


def _read(file: Path) -> Any:
    import pyarrow as pa

    size = max(file.stat().st_size, 64 * 2**10)
    if file.suffix.lower() in PARQUET:
        import pyarrow.parquet as pq

        with pq.ParquetFile(file) as content:
            check_expansion(str(file), size, content.metadata.num_rows * len(content.schema_arrow.names))
            return content.read()
    with pa.OSFile(str(file), "rb") as stream:
        start = stream.read(8)
        stream.seek(0)
        if start[:4] == b"FEA1":
            raise unsound(file, "be of Feather version 2 or later; got version 1. Write it again with pandas.")
        reader = pa.ipc.open_file(stream) if start[:6] == b"ARROW1" else pa.ipc.open_stream(stream)
        return reader.read_all()


def _column(name: str, values: Any, missing: Any) -> Column:
    import pyarrow as pa

    kind = values.type
    if pa.types.is_dictionary(kind):
        values = values.cast(kind.value_type)
        kind = values.type
    if (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
    ):
        numbers = values.cast(pa.float64(), safe=False).to_numpy()
        for code in map(_number, codes_of(missing)):
            numbers = np.where(numbers == code, np.nan, numbers)
        gaps = int(np.isnan(numbers).sum())
        known = "yes/no" if pa.types.is_boolean(kind) else "numbers"
        return Column(name, known if gaps < len(numbers) else "empty", np.asarray(numbers, np.float64), gaps)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return column_of_lists(name, values.to_pylist())
    texts = ["" if value is None else str(value) for value in values.to_pylist()]
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return column_of_texts(name, texts, codes_of(missing), ".")
    column = Column(name, "times" if pa.types.is_temporal(kind) else f"type {kind}", np.array(texts, dtype=np.str_))
    column.missing = values.null_count
    column.codes = Counter({"": values.null_count} if values.null_count else {})
    return column if column.missing < len(texts) else Column(name, "empty", np.full(len(texts), np.nan), len(texts))


def _number(code: str) -> float:
    try:
        return float(code)
    except ValueError:
        return float("nan")
