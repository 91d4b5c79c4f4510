"""Good data files, cut and spoiled; run as a script, it reads them under an audit hook and prints what happened.

    python data_files.py SEED COUNT

Each kind of file is cut at every 1% of its length first; the rest of COUNT are spoiled at random.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import random
import struct
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from narrows import load_dataset
from narrows.errors import NarrowsError
from safety.memory import fresh_peak, peak_mb
from safety.mutations import FORBIDDEN, spoiled_bytes


def _image(kind: str, number: int) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, (9, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def _mat() -> bytes:
    """Return a MATLAB file of version 5 with one matrix "X" (6, 4)."""
    values = np.arange(24.0).tobytes()
    parts = [
        struct.pack("<4I", 6, 8, 6, 0), struct.pack("<2I2i", 5, 8, 6, 4), struct.pack("<2I", 1, 1) + b"X" + bytes(7),
        struct.pack("<2I", 9, len(values)) + values,
    ]  # fmt: skip
    body = b"".join(parts)
    return b"MATLAB 5.0".ljust(124) + struct.pack("<H", 0x0100) + b"IM" + struct.pack("<2I", 14, len(body)) + body


def good_files() -> dict[str, bytes]:
    """Return one small file of every kind by its name."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(12, 4))
    npy, npz, packed, archive = io.BytesIO(), io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(npy, table)
    np.savez(npz, X=table, y=np.arange(12))
    np.savez_compressed(packed, X=table, y=np.arange(12))
    with zipfile.ZipFile(archive, "w") as file:
        for number in range(3):
            file.writestr(f"a/{number}.png", _image("PNG", number))
    csv = "a,b,c\n" + "".join(f"{a:.4f},{b:.4f},{c:.4f}\n" for a, b, c, _ in table)
    idx = struct.pack(">4B3I", 0, 0, 8, 3, 10, 4, 4) + rng.integers(0, 256, 160, dtype=np.uint8).tobytes()
    found = {
        "x.npy": npy.getvalue(), "x.npz": npz.getvalue(), "packed.npz": packed.getvalue(), "x.csv": csv.encode(),
        "x.csv.gz": gzip.compress(csv.encode()), "x.idx": idx, "x.idx.gz": gzip.compress(idx), "x.mat": _mat(),
        "x.zip": archive.getvalue(),
    }  # fmt: skip
    found |= _with_packages(table)
    found |= {f"{kind.lower()}.zip": _zipped(_image(kind, 0)) for kind in ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")}
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        return found
    parquet = io.BytesIO()
    pq.write_table(pa.table({name: table[:, i] for i, name in enumerate("abcd")}), parquet)
    feather = io.BytesIO()
    with pa.ipc.new_file(feather, pa.schema([("a", pa.float64())])) as writer:
        writer.write_table(pa.table({"a": table[:, 0]}))
    return {**found, "x.parquet": parquet.getvalue(), "x.arrow": feather.getvalue()}


def _with_packages(table: Any) -> dict[str, bytes]:
    """Return files of kinds that torch, scipy, openpyxl and h5py read."""
    import h5py
    import scipy.sparse
    import torch
    from openpyxl import Workbook

    tensor, sparse, book, store, cells = (io.BytesIO() for _ in range(5))
    torch.save({"X": torch.from_numpy(table), "y": torch.arange(12)}, tensor)
    scipy.sparse.save_npz(sparse, scipy.sparse.csr_matrix(np.where(table > 0, table, 0)))
    sheet = Workbook()
    for row in (["a", "b", "c", "d"], *table.tolist()):
        sheet.active.append(row)
    sheet.save(book)
    with h5py.File(store, "w") as file:
        file["X"], file["y"] = table, np.arange(12)
    with h5py.File(cells, "w") as file:
        file.create_dataset("X", data=table, compression="gzip")
        file.create_group("obs")
    rows = [dict(zip("abcd", row, strict=True)) for row in table.tolist()]
    return {
        "x.pt": tensor.getvalue(), "sparse.npz": sparse.getvalue(), "x.xlsx": book.getvalue(), "x.h5": store.getvalue(),
        "x.h5ad": cells.getvalue(), "x.json": json.dumps(rows).encode(),
    }  # fmt: skip


def _zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("0.png", content)
    return file.getvalue()


def _spoiled(name: str, good: bytes, rng: random.Random) -> bytes:
    """Return a spoiled file; in archives of one image, often the image is spoiled and the archive sound."""
    if name.endswith(".zip") and name != "x.zip" and rng.random() < 0.8:
        with zipfile.ZipFile(io.BytesIO(good)) as archive:
            return _zipped(spoiled_bytes(archive.read("0.png"), rng))
    if name.endswith(".gz") and rng.random() < 0.5:
        return gzip.compress(spoiled_bytes(gzip.decompress(good), rng))
    return spoiled_bytes(good, rng)


def cases(count: int, rng: random.Random) -> list[tuple[str, bytes]]:
    """Return names and contents: every kind cut at every 1%, and others spoiled at random."""
    files = good_files()
    cut = [(name, good[: len(good) * percent // 100]) for name, good in files.items() for percent in range(100)]
    names = list(files)
    random_ones = [names[n % len(names)] for n in range(max(0, count - len(cut)))]
    found = cut + [(name, _spoiled(name, files[name], rng)) for name in random_ones]
    rng.shuffle(found)
    return found[:count]


def read(path: Path) -> str:
    """Read a file, and say how it went."""
    try:
        dataset = load_dataset(str(path))
    except NarrowsError:
        return "refused"
    assert dataset.train.ndim >= 2, dataset.train.shape
    assert math.prod(dataset.train.shape) > 0
    return "loaded"


def main(seed: int, count: int) -> dict[str, Any]:
    """Return counts by outcome, and what must not be: crashes, forbidden events, memory, slowest read."""
    warnings.simplefilter("ignore")
    rng = random.Random(seed)
    events: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    crashes: list[str] = []
    watching = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            # numpy reads the header of an array by ast.literal_eval, which parses (compile) and runs nothing (exec).
            forbidden = event.startswith(FORBIDDEN) and event != "compile"
            if watching and (forbidden or (event == "open" and name not in str(arguments[0]))):
                events[f"{event} {str(arguments)[:100]}"] += 1

        for kind, good in good_files().items():
            (folder / kind).write_bytes(good)
            assert read(folder / kind) == "loaded", kind
            (folder / kind).write_bytes(good[: len(good) // 2])
            read(folder / kind)  # what is imported for an error is imported now
        b"".decode("cp1252")  # and for spoiled texts
        sys.addaudithook(hook)
        slowest, memory = 0.0, fresh_peak()
        for number, (kind, content) in enumerate(cases(count, rng)):
            path = folder / kind
            path.write_bytes(content)
            started, watching = time.perf_counter(), True
            try:
                outcome = read(path)
            except Exception as error:
                outcome = "crashed"
                where = traceback.extract_tb(error.__traceback__)[-1]
                crashes.append(
                    f"{number} {kind}: {type(error).__name__}: {error} {where.filename}:{where.lineno}"[:400]
                )
            watching = False
            slowest = max(slowest, time.perf_counter() - started)
            outcomes[f"{kind}: {outcome}"] += 1
        grown = peak_mb() - memory
    return {
        "count": sum(outcomes.values()), "outcomes": dict(sorted(outcomes.items())), "crashes": crashes,
        "events": dict(events), "grown_mb": grown, "slowest": slowest,
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2])), indent=1))
