"""Memory of `narrows encode` over a million small images: it must not grow with the rows that are done.

    python benchmarks/encoding.py --rows 1000000              # 28x28 bytes in one array on the disk, 0.8 GB
    python benchmarks/encoding.py --rows 1000000 --shards --kill      # packed; killed three times, and resumed
    python benchmarks/encoding.py --rows 100000 --files       # as many .png files in a folder
    python benchmarks/encoding.py --rows 2000000 --text --kill        # a .csv file of typed columns with classes

Prints, for every tenth of the rows, the memory of the process that no file backs (RssAnon, Linux), and at the end rows
a second, and the largest of the last nine tenths over the first.
"""

from __future__ import annotations

import argparse
import filecmp
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

import narrows
from narrows.data.pack import pack
from narrows.runs import record
from narrows.training.report import read_all

BLOCK = 10_000


def images(first: int, n: int) -> np.ndarray:
    """Return n images (n, 1, 28, 28) of smooth noise."""
    rng = np.random.default_rng(first)
    coarse = rng.integers(0, 256, (n, 1, 7, 7), np.uint8)
    return np.repeat(np.repeat(coarse, 4, axis=2), 4, axis=3)


def table(path: Path, rows: int) -> Path:
    """Write a text file of numbers with gaps, categories, times and classes, and return its path."""
    rng = np.random.default_rng(rows)
    with path.open("w") as file:
        file.write("age,income,town,when,key,kind\n")
        for start in range(0, rows, BLOCK):
            n = min(BLOCK, rows - start)
            numbers, choices = rng.normal(40, 9, (n, 2)), rng.integers(0, 28, (n, 3))
            for i, ((a, c), (b, d, e)) in enumerate(zip(numbers, choices, strict=True), start):
                age = "" if b == 7 else f"{a:.3f}"
                file.write(f"{age},{1000 * c:.2f},town {b % 9},2020-01-{d + 1:02d},k{i},{'xyz'[e % 3]}\n")
    return path


def write(folder: Path, rows: int, files: bool) -> Path:
    """Write the images as one array or as files, and return the path."""
    if not files:
        path = folder / "images.npy"
        array = np.lib.format.open_memmap(path, "w+", np.uint8, (rows, 1, 28, 28))
        for start in range(0, rows, BLOCK):
            array[start : start + BLOCK] = images(start, min(BLOCK, rows - start))
        return path
    path = folder / "images"
    for start in range(0, rows, BLOCK):
        place = path / f"{start // BLOCK:04d}"
        place.mkdir(parents=True)
        for i, image in enumerate(images(start, min(BLOCK, rows - start))):
            Image.fromarray(image[0]).save(place / f"{start + i:08d}.png")
    return path


def anonymous(pid: int) -> int:
    """Return the bytes of a process that no file backs."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def killed(command: list[str], parts: Path, wanted: int) -> bool:
    """Run a command until so many parts are there, kill it, and return whether that was before its end."""
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while process.poll() is None and sum(1 for _ in parts.glob("*.npz")) < wanted:
        time.sleep(0.05)
    before = process.poll() is None
    process.kill()
    process.wait()
    return before


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--files", action="store_true")
    parser.add_argument("--text", action="store_true", help="a .csv file of typed columns with classes")
    parser.add_argument("--shards", action="store_true", help="pack the array into a folder of shards first")
    parser.add_argument("--kill", action="store_true", help="encode again, kill it three times, and compare the bytes")
    parser.add_argument("--model", choices=("pca", "vae"), default="pca")
    parser.add_argument("--ending", choices=("npy", "csv", "parquet", "npz"), default="npy")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few = folder / "few.npy"
        if asked.text:
            few = table(folder / "few.csv", 2000)
            training = narrows.load_dataset(few, label="kind", id="key")
            estimator = narrows.VAE(latent_dim=2, epochs=1)
        else:
            np.save(few, images(1, 2000))
            training = narrows.load_dataset(few)
            estimator = narrows.PCA(latent_dim=16) if asked.model == "pca" else narrows.VAE(latent_dim=16, epochs=1)
        read_all(record(estimator, training, folder / "run", pictures=False))
        data = table(folder / "new.csv", asked.rows) if asked.text else write(folder, asked.rows, asked.files)
        if asked.shards:
            pack(str(data), folder / "shards")
            data = folder / "shards"
        out = folder / f"codes.{asked.ending}"
        words = ["-m", "narrows", "encode", str(folder / "run"), "--data", str(data), "--out", str(out)]
        started = time.perf_counter()
        process = subprocess.Popen([sys.executable, *words])
        parts, seen, largest = folder / f".{out.name}.parts", 0, {}
        total = -(-asked.rows // 2**14)
        while process.poll() is None:
            done = sum(1 for _ in parts.glob("*.npz")) if parts.is_dir() else 0
            tenth = min(9, 10 * done // total)
            try:
                memory = anonymous(process.pid)
            except OSError:
                break
            if done:
                largest[tenth] = max(largest.get(tenth, 0), memory)
            if done and tenth > seen:
                print(f"{done:6d} of {total} parts  {memory / 2**20:7.0f} MiB", flush=True)
                seen = tenth
            time.sleep(0.05)
        if process.wait():
            raise SystemExit(process.returncode)
        seconds = time.perf_counter() - started
        growth = max(value for tenth, value in largest.items() if tenth) / largest[min(largest)]
        print(f"{asked.rows / seconds:,.0f} rows/s with start and end, {out.stat().st_size / 1e6:,.0f} MB written")
        print(f"largest of the last nine tenths over the first: {growth:.3f}")
        if asked.kill:
            again = out.with_stem("again")
            command = [sys.executable, *words[:-1], str(again)]
            kills = sum(killed(command, folder / f".{again.name}.parts", total * n // 4) for n in (1, 2, 3))
            subprocess.run(command, check=True)
            same = filecmp.cmp(out, again, shallow=False)
            print(f"killed {kills} times and resumed: {'the same bytes' if same else 'OTHER BYTES'}")


if __name__ == "__main__":
    main()
