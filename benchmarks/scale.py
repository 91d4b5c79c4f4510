"""What data larger than memory and several processes cost and gain, as ratios of two measurements of the same run.

    python benchmarks/scale.py epoch     # over shards beside the same rows in memory: samples/s, resident memory
    python benchmarks/scale.py kills     # five SIGKILLs within epochs, and the same weights to the last bit
    python benchmarks/scale.py pca       # one pass beside scikit-learn's IncrementalPCA
    python benchmarks/scale.py ranks     # two processes beside one, on a convolutional VAE
    python benchmarks/scale.py pack      # JPEG files to shards, two processes beside one
    python benchmarks/scale.py sweep     # 16 trials, two at a time beside one: by the clock, and by the processor

Sizes are flags; the defaults take up to 16 GB of disk below --folder and some minutes each. What a process takes to
start counts in `pack` and `sweep`: ten epochs, `sweep --epochs 10`, say more than one.
"""

import argparse
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np


def resident():
    """Bytes in memory now, of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def timed(function):
    started = time.perf_counter()
    result = function()
    return time.perf_counter() - started, result


def images(rows, features, size=20_000):
    """Blocks of bytes with some structure: a low rank, and noise."""
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(16, features)).astype(np.float32)
    for start in range(0, rows, size):
        n = min(size, rows - start)
        values = rng.normal(size=(n, 16)).astype(np.float32) @ maps * 12 + 128
        values += rng.normal(size=(n, features)).astype(np.float32) * 8
        yield (
            values.clip(0, 255).astype(np.uint8).reshape(n, 1, 28, -1)
            if features == 784
            else values.clip(0, 255).astype(np.uint8)
        )


def packed(folder, rows, features):
    """Shards of such rows, which another process makes: memory that it took is not counted here."""
    into = (folder / f"bytes-{rows}x{features}").resolve()
    code = f"import scale; from narrows.data.pack import pack; pack(scale.images({rows}, {features}), {str(into)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, check=True)
    return into


def epoch(options, folder):
    """The samples a second of an epoch over shards, and over as many of their rows as are held in memory, in turns.

    What other processes take from both in turns says less of the ratio than of either; the median of the turns' ratios
    says it. Resident memory is that of the first turn, before any rows are in memory.
    """
    import torch  # noqa: F401

    base = resident()
    import narrows

    shards = narrows.load_dataset(packed(folder, options.rows, 784), test=0).train
    model = {"latent_dim": 16, "network": "mlp:512", "epochs": 1000, "batch_size": 128}

    def turn(reports):
        """Train for some seconds, and return samples a second, by the clock and by the processor, and bytes."""
        most, first = 0, next(reports)
        started, used = time.perf_counter(), time.process_time()
        while True:
            report = next(reports)
            most = max(most, resident())
            if (seconds := time.perf_counter() - started) > options.seconds:
                count = (report.step - first.step) * model["batch_size"]
                return count / seconds, count / (time.process_time() - used), most - base

    reports = {"shards": narrows.VAE(**model).fit_iter(shards)}
    above = turn(reports["shards"])[2]
    reports["memory"] = narrows.VAE(**model).fit_iter(np.asarray(shards[: options.in_memory]))
    turns = [{name: turn(each)[:2] for name, each in reports.items()} for _ in range(options.turns)]
    by = {"clock": 0, "processor": 1}
    return {
        "samples_per_second": {n: float(np.median([each[n][0] for each in turns])) for n in reports},
        "rows": {"shards": len(shards), "memory": options.in_memory},
        "resident_above_torch_mb": above / 1e6,
        "ratios": {name: sorted(each["shards"][i] / each["memory"][i] for each in turns) for name, i in by.items()},
        "ratio": float(np.median([each["shards"][0] / each["memory"][0] for each in turns])),
    }


TRAINING = """
import hashlib, sys, narrows
X = narrows.load_dataset(sys.argv[1], test=0).train
from narrows.training import Checkpoints
model = narrows.VAE(latent_dim=16, network="mlp:512", epochs=2, batch_size=128)
model.fit(X, resume=Checkpoints(sys.argv[2], seconds=float(sys.argv[3])))
print(hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in model.module_.parameters())).hexdigest())
"""


def kills(options, folder):
    """Train, and train again with SIGKILL at moments drawn with a seed: the weights' checksums."""
    data = packed(folder, options.rows, 784)
    with tempfile.TemporaryDirectory() as temporary:
        command = [sys.executable, "-c", TRAINING, str(data)]
        seconds, done = timed(
            lambda: subprocess.run([*command, f"{temporary}/whole", "1e9"], capture_output=True, text=True, check=True)
        )
        rng, times = np.random.default_rng(0), 0
        while times < options.kills:
            with subprocess.Popen([*command, f"{temporary}/killed", "2"], stdout=subprocess.PIPE, text=True) as run:
                try:
                    run.communicate(timeout=10 + rng.random() * seconds / options.kills)
                    break
                except subprocess.TimeoutExpired:
                    run.send_signal(signal.SIGKILL)
                    times += 1
        last = subprocess.run([*command, f"{temporary}/killed", "2"], capture_output=True, text=True, check=True)
    return {"kills": times, "equal": last.stdout == done.stdout, "sha256": done.stdout.strip(), "seconds": seconds}


def pca(options, folder):
    """PCA in one pass over float32 rows, scikit-learn's IncrementalPCA on the same, and numpy's products alone."""
    from sklearn.decomposition import IncrementalPCA

    from narrows import PCA, load_dataset
    from narrows.data.pack import pack

    n, d, k = options.pca_rows, options.features, 32

    def blocks(size=50_000):
        rng = np.random.default_rng(0)
        spread = np.linspace(3, 0.3, d).astype(np.float32)
        for start in range(0, n, size):
            yield rng.normal(size=(min(size, n - start), d)).astype(np.float32) * spread + 1

    X = load_dataset(pack(blocks(), folder / f"floats-{n}x{d}"), test=0).train
    ours, model = timed(lambda: PCA(latent_dim=k, solver="covariance").fit(X))

    def incremental():
        other = IncrementalPCA(k, batch_size=5 * d)
        for start in range(0, n - n % (5 * d), 5 * d):
            other.partial_fit(np.asarray(X[start : start + 5 * d]))
        return other

    def products():
        total = np.zeros((d, d))
        for part in X.parts():
            total += part.T @ part
        return total

    def exact():
        count, sums, product = 0, np.zeros(d), np.zeros((d, d))
        for part in X.parts():
            rows = part.astype(np.float64) - 1
            count, sums, product = count + len(rows), sums + rows.sum(0), product + rows.T @ rows
        covariance = (product - np.outer(sums, sums) / count) / (count - 1)
        return np.linalg.eigvalsh(covariance)[::-1][:k]

    limit, _ = timed(products)
    values = exact()
    theirs, _ = timed(incremental)
    error = float(np.abs(model.explained_variance_ / values - 1).max())
    return {"ratio": theirs / ours, "seconds": ours, "incremental": theirs, "products": limit, "relative_error": error}


def ranks(options, folder):
    """Samples per second of a convolutional VAE: 2 processes, one with one thread, one with two."""
    found = {}
    for name, threads, processes in (("one", 1, 1), ("two processes", 1, 2), ("two threads", 2, 1)):
        with tempfile.TemporaryDirectory() as temporary:
            command = [sys.executable, "-m", "narrows", "--threads", str(threads), "train", "vae", "--network", "conv",
                       "--data", "mnist-5k", "--epochs", str(options.epochs), "--name", "run",
                       "--processes", str(processes)]  # fmt: skip
            subprocess.run(command, cwd=temporary, check=True, capture_output=True)
            lines = (Path(temporary) / "runs/run/metrics.jsonl").read_text().splitlines()
            found[name] = float(np.median([json.loads(line)["samples_per_second"] for line in lines]))
    return {
        "samples_per_second": found, "ratio": found["two processes"] / found["one"],
        "beside_two_threads": found["two processes"] / found["two threads"],
    }  # fmt: skip


def content(folder):
    digest = hashlib.sha256()
    for file in [*sorted(folder.glob("*.npy")), folder / "shards.json"]:
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


def pack(options, folder):
    """Pack JPEG files by one process, by two, and by two that are killed and started again."""
    from PIL import Image

    source = folder / f"jpeg-{options.images}"
    for number in range(options.images):
        file = source / f"{number % 10}" / f"{number:06d}.jpg"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((64, 64), Image.Resampling.BICUBIC).save(file, quality=90)

    def command(into, jobs):
        return [sys.executable, "-m", "narrows", "data", "pack", str(source), str(into), "--jobs", str(jobs)]

    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        into = [Path(temporary) / name for name in ("one", "two", "killed")]
        one, two = (
            timed(lambda n=n: subprocess.run(command(into[n - 1], n), check=True, capture_output=True))[0]
            for n in (1, 2)
        )
        with subprocess.Popen(command(into[2], 2), stdout=subprocess.DEVNULL, start_new_session=True) as run:
            time.sleep(two / 2)
            os.killpg(run.pid, signal.SIGKILL)
        subprocess.run(command(into[2], 2), check=True, capture_output=True)
        same = len({content(each) for each in into}) == 1
    return {
        "images_per_second": {"one": options.images / one, "two": options.images / two},
        "ratio": one / two,
        "same": same,
    }


def sweep(options, folder):
    """The seconds of 16 trials one after the other, and two at a time.

    The clock's ratio needs two idle cores: beside others' work, Linux gives all processes of a session one share. The
    processor's seconds say what the second process costs, which is its start and what the two take from each other.
    """
    found, used = {}, {}
    for jobs in (1, 2):
        with tempfile.TemporaryDirectory() as temporary:
            command = [sys.executable, "-m", "narrows", "--threads", "1", "sweep", "ae", "--data", "mnist-5k",
                       "--epochs", str(options.epochs), "--latent-dim", "2,4,8,16",
                       "--learning-rate", "5e-4,1e-3,2e-3,4e-3", "--seeds", "1", "--jobs", str(jobs)]  # fmt: skip
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            found[jobs], _ = timed(
                lambda c=command, t=temporary: subprocess.run(c, cwd=t, check=True, capture_output=True)
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            used[jobs] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": found, "processor_seconds": used, "ratio": found[1] / found[2]}


MEASURES = {"epoch": epoch, "kills": kills, "pca": pca, "ranks": ranks, "pack": pack, "sweep": sweep}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measure", choices=MEASURES)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "narrows-scale")
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows of 784 bytes")
    parser.add_argument("--in-memory", type=int, default=1_000_000, help="of these, rows that are trained on in memory")
    parser.add_argument("--seconds", type=float, default=20.0, help="of a turn of epoch: several windows of rows")
    parser.add_argument("--turns", type=int, default=5, help="of epoch")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--pca-rows", type=int, default=10_000_000)
    parser.add_argument("--features", type=int, default=256)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    print(json.dumps({options.measure: MEASURES[options.measure](options, options.folder)}, indent=2))


if __name__ == "__main__":
    main()
