"""Good model files, spoiled at random; run as a script, it loads them under an audit hook and prints what happened.

    python mutations.py SEED COUNT

A hook cannot be taken away again, so it is set in a process of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from narrows import AE, PCA, VAE
from narrows.components import AXES, resolve
from narrows.errors import ConfigError, DataError, FormatError
from narrows.estimators.loading import load_model
from narrows.nn import MLP, Pair
from narrows.params import fields
from narrows.storage.record import _checksum, lines_path, tensor_path
from safety.memory import fresh_peak, peak_mb

FORBIDDEN = (
    "compile", "exec", "code.__new__", "function.__new__", "marshal", "pickle", "subprocess", "os.system", "os.exec",
    "os.fork", "os.posix_spawn", "os.spawn", "os.remove", "os.rename", "os.mkdir", "socket", "ctypes", "import",
    "urllib",
)  # fmt: skip
"""Prefixes of audit events that loading a model has no reason to raise."""

NASTY: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 7, 2**31, 2**62, 10**19, 0.5, -0.0, 1e308, 5e-324, "", "auto", "mlp", "conv",
    "recurrent", "../../etc/passwd", "http://localhost/x", "file:///etc/passwd", "__import__('os').system('true')",
    "\0", "\ud800", "x" * 5000, "gaussian:1e999", "gaussian:-1", "pickle", [], [0], [-1], [1] * 2000, [[1]],
    [10**9, 10**9], ["a"], {}, {"object": "os.system"}, {"a": {"b": {"c": []}}}, [1.5], [None], "sigmoid",
    "bernoulli", "l1", 3.0, [4], [6], "mlp:4", "mlp:1e9", "vq:64",
    "standard", {"mlp": {}}, {"mlp": {"hidden": [10**9]}}, {"conv": {"x": 1}},
    {"gaussian": {"scale": -1}},
)  # fmt: skip
"""What a value of the record is replaced by."""


class Files(NamedTuple):
    """A saved model."""

    record: bytes
    tensors: bytes
    lines: bytes


def good_models(folder: Path) -> list[Files]:
    """Return one saved model of each kind: the smallest that have every layer."""
    rng = np.random.default_rng(0)
    table, images = rng.normal(size=(20, 6)), rng.integers(0, 256, (12, 1, 7, 6), dtype=np.uint8)
    sequences = rng.normal(size=(12, 5, 3))
    small: dict[str, Any] = {"latent_dim": 2, "epochs": 2}
    fitted = (
        PCA(latent_dim=2).fit(table),
        AE(**small, network=MLP(hidden=(4,)), corruption="gaussian:0.1").fit(table),
        AE(**small, network="conv:4,batch_norm=True").fit(images),
        AE(**small, network="recurrent:4").fit(sequences),
        VAE(**small, network="mlp:4").fit(table),
        AE(**small, network="mlp:4,tied=True", scale=None).fit(table),
        VAE(**small, network="conv:4", likelihood="discretized_logistic").fit(images),
    )
    saved = []
    for number, model in enumerate(fitted):
        path = model.save(folder / str(number)) / "model.json"
        record = json.loads(path.read_bytes())
        beside = (file(path, record).read_bytes() for file in (tensor_path, lines_path))
        saved.append(Files(path.read_bytes(), *beside))
    return saved


def put(folder: Path, files: Files) -> None:
    """Write files as a model, tensors and lines where the record says, as far as it says it."""
    for old in folder.iterdir():
        old.unlink()
    (folder / "model.json").write_bytes(files.record)
    for entry, suffix, content in (("tensors", "safetensors", files.tensors), ("lines", "jsonl", files.lines)):
        try:
            name = str(json.loads(files.record)[entry])[:16]
        except (ValueError, KeyError, TypeError, RecursionError):
            name = "lost"
        (folder / f"model-{name if name.isalnum() else 'odd'}.{suffix}").write_bytes(content)


def signed(record: Any, tensors: bytes, lines: bytes) -> Files:
    """Return files whose checksums are right, whatever they hold."""
    if not isinstance(record, dict):
        return Files(json.dumps(record).encode(), tensors, lines)
    checksums = {"tensors": hashlib.sha256(tensors).hexdigest(), "lines": hashlib.sha256(lines).hexdigest()}
    record = {**record, **checksums}
    record.pop("sha256", None)
    return Files(json.dumps({**record, "sha256": _checksum(record)}).encode(), tensors, lines)


def packed(header: Any, data: bytes) -> bytes:
    """Return a safetensors file of any header."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw + data


def unpacked(tensors: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the header and the data of a safetensors file."""
    n = int.from_bytes(tensors[:8], "little")
    return json.loads(tensors[8 : 8 + n]), tensors[8 + n :]


def spoiled_bytes(data: bytes, rng: random.Random) -> bytes:
    """Return bytes with a flipped bit, a cut, an insertion, a repetition, ..."""
    a, b = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    at = rng.randrange(len(data))
    return rng.choice([
        lambda: data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :],
        lambda: data[:a],
        lambda: data[b:],
        lambda: data[:a] + data[b:],
        lambda: data[:b] + data[a:],
        lambda: data[:a] + rng.randbytes(rng.randrange(1, 40)) + data[a:],
        lambda: data[:a] + rng.choice([b"[", b"{", b'"', b"\\", b"NaN", b"1e999", b"\xff", b"\0"]) * 200 + data[a:],
        lambda: rng.randbytes(rng.randrange(300)),
    ])()  # fmt: skip


def spoiled_value(value: Any, rng: random.Random) -> Any:
    """Return JSON with one value somewhere in it replaced, dropped, added or renamed."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        changed = dict(value)
        key = rng.choice(list(changed))
        action = rng.random()
        if action < 0.7:
            changed[key] = spoiled_value(changed[key], rng)
        elif action < 0.8:
            del changed[key]
        elif action < 0.9:
            changed[rng.choice(["x", "", "network", "__class__", "schema", "../x"])] = rng.choice(NASTY)
        else:
            changed[key + rng.choice([".", "_", "x"])] = changed.pop(key)
        return changed
    if isinstance(value, list) and value and rng.random() < 0.6:
        at = rng.randrange(len(value))
        return [*value[:at], spoiled_value(value[at], rng), *value[at + 1 :]]
    if isinstance(value, int) and not isinstance(value, bool) and rng.random() < 0.5:
        return value + rng.choice([-8, -4, -1, 1, 4, 8, 2**32, 2**63, -(2**63)])
    return rng.choice(NASTY)


def spoiled_data(data: bytes, rng: random.Random) -> bytes:
    """Return tensors' bytes with some numbers replaced by others, among them those that are none."""
    at = 4 * rng.randrange(max(1, len(data) // 4))
    odd = [np.float32(v).tobytes() for v in (np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45)]
    new = rng.choice([*odd, rng.randbytes(4)])
    return (data[:at] + new + data[at + 4 :])[: len(data)]


def spoiled_lines(lines: bytes, rng: random.Random) -> bytes:
    """Return a history with one value somewhere in it replaced, dropped, added or renamed."""
    return b"".join(json.dumps(spoiled_value(json.loads(line), rng)).encode() + b"\n" for line in lines.splitlines())


def mutated(files: Files, rng: random.Random) -> tuple[str, Files]:
    """Return what was done and the files; most have right checksums, so that the checks behind those are reached."""
    text, tensors, lines = files
    record = json.loads(text)
    header, data = unpacked(tensors)
    raw = json.dumps(header).encode()

    def inner(part: str) -> Files:
        return signed({**record, part: spoiled_value(record[part], rng)}, tensors, lines)

    kinds: dict[str, Callable[[], Files]] = {
        "record bytes": lambda: Files(spoiled_bytes(text, rng), tensors, lines),
        "tensor bytes": lambda: Files(text, spoiled_bytes(tensors, rng), lines),
        "line bytes": lambda: Files(text, tensors, spoiled_bytes(lines, rng)),
        "record value, signed": lambda: signed(spoiled_value(record, rng), tensors, lines),
        "parameters, signed": lambda: inner("parameters"),
        "schema, signed": lambda: inner("schema"),
        "tensor bytes, signed": lambda: signed(record, spoiled_bytes(tensors, rng), lines),
        "header bytes, signed": lambda: signed(record, packed(spoiled_bytes(raw, rng), data), lines),
        "header value, signed": lambda: signed(record, packed(spoiled_value(header, rng), data), lines),
        "numbers, signed": lambda: signed(record, packed(raw, spoiled_data(data, rng)), lines),
        "length, signed": lambda: signed(record, rng.randbytes(8) + tensors[8:], lines),
        "line bytes, signed": lambda: signed(record, tensors, spoiled_bytes(lines, rng)),
        "lines, signed": lambda: signed(record, tensors, spoiled_lines(lines, rng)),
    }
    kind = rng.choice(list(kinds))
    return kind, kinds[kind]()


def use(folder: Path) -> str:
    """Load and use a model; say how it went."""
    try:
        model = load_model(folder)
    except (FormatError, ConfigError):
        return "refused"
    if model.n_features_in_ <= 1000 and model.latent_dim_ <= 1000:
        with contextlib.suppress(DataError):  # weights of 3e38: what comes out is not finite, and it says so
            model.reconstruct(np.zeros((2, *model.sample_shape_), np.float32))
    return "loaded"


def main(seed: int, count: int) -> dict[str, Any]:
    """Return counts by outcome, and what must not be: crashes, forbidden events, memory, slowest load."""
    warnings.simplefilter("ignore")  # numbers of 3e38 overflow in use, as they may
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models = good_models(folder)
        trial = folder / "trial"
        trial.mkdir()
        with contextlib.suppress(ConfigError):
            resolve("network", "unknown")  # looks through the packages that are installed, once
        for kind in (Pair, *(kind for axis in AXES.values() for kind in axis.values())):
            fields(kind)  # reads the annotations, once
        for files in models:  # everything that is imported at first use is imported now
            put(trial, files)
            assert use(trial) == "loaded"
            put(trial, signed({**json.loads(files.record), "model": "pcb"}, files.tensors, files.lines))
            assert use(trial) == "refused"
        events: Counter[str] = Counter()
        watching = False

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            if watching and (event.startswith(FORBIDDEN) or (event == "open" and name not in str(arguments[0]))):
                events[f"{event} {str(arguments)[:100]}"] += 1

        sys.addaudithook(hook)
        outcomes: Counter[str] = Counter()
        crashes: list[str] = []
        slowest, memory = 0.0, fresh_peak()
        for number in range(count):
            kind, files = mutated(models[number % len(models)], rng)
            put(trial, files)
            started, watching = time.perf_counter(), True
            try:
                outcome = use(trial)
            except Exception as error:
                outcome = "crashed"
                crashes.append(f"{number} {kind}: {type(error).__name__}: {error}"[:300])
            watching = False
            slowest = max(slowest, time.perf_counter() - started)
            outcomes[f"{kind}: {outcome}"] += 1
        grown = peak_mb() - memory
    return {
        "count": count, "outcomes": dict(sorted(outcomes.items())), "crashes": crashes, "events": dict(events),
        "grown_mb": grown, "slowest": slowest,
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2])), indent=1))
