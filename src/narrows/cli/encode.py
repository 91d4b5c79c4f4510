"""`narrows encode`: the codes of any number of samples in one file, resumed where it was interrupted."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from narrows.cli.arguments import RunName, Source, with_source
from narrows.cli.console import err, note, out
from narrows.cli.locate import run_of
from narrows.errors import DataError

if TYPE_CHECKING:
    from narrows.cli.rows import Rows
    from narrows.cli.samples import Samples
    from narrows.estimators.base import Autoencoder
    from narrows.storage.columns import Part
    from narrows.storage.parts import Parts

T = TypeVar("T")
EVERY = 10.0
"""Seconds between two lines of progress where there is no terminal."""
NAMED = 5
"""Malformed images that are named."""


@with_source(
    data="the run's own", data_option="", split="test; of another file all, in its order. all takes every split",
    force="", out="codes.csv in the run; a .csv, .parquet, .npz or .npy file. Its rows are numbered; a file name or "
    "id, where there is one, stands beside, with .npy in a second file, NAME.keys.csv",
)  # fmt: skip
def encode(run: RunName = None, /, *, source: Source) -> int:
    """Write the codes of samples to a file; interrupted, the same command resumes."""
    from narrows.cli.rows import rows_of
    from narrows.cli.samples import Written, keys_path, target
    from narrows.cli.text_rows import text_rows
    from narrows.storage.parts import Parts

    chosen = run_of(run)
    path, written = target(chosen, source, "codes.csv"), Written(chosen.folder)
    keys = keys_path(path)
    model = chosen.load()
    in_parts = text_rows(chosen, source)
    with rows_of(chosen, source) if in_parts is None else contextlib.nullcontext(in_parts) as rows:
        parts = Parts(path, {**rows.identity, "model": _sha256(chosen.model_folder / "model.json")})
        try:
            with parts.held():
                count = _encode(model, rows, parts)
                parts.finish(keys)
        except (KeyboardInterrupt, SystemExit) as stop:
            err().print("interrupted; the same command resumes it.", soft_wrap=True, style="yellow")
            return 130 if isinstance(stop, KeyboardInterrupt) else 143
    _say_left_out(rows)
    what = rows.what if count == rows.count else f"{count:,} of {rows.what}"
    shape = "x".join(map(str, model.code_.shape))
    out().print(f"{count:,} codes of latent dimension {shape} ({what})")
    written.say(path, *([keys] if keys is not None and keys.exists() else []))
    return 0


def _encode(model: Autoencoder, rows: Rows, parts: Parts) -> int:
    """Write the parts that are not there yet, and return how many codes there are."""
    from narrows.cli.rows import part_size

    size = part_size(model.schema_.sample_shape)
    done = parts.begin()
    if parts.others:
        note("what an earlier command left behind was of other data or another model: it starts again.")
    total = -(-rows.count // size)
    if done:
        note(f"resumes: {min(done * size, rows.count):,} of {rows.count:,} rows are done.")
    with contextlib.closing(rows.parts(done * size, size)) as left:
        for number, samples in _followed(left, done, total, size, rows.count):
            parts.add(number, _part(model, samples, rows.label_names))
    count = sum(len(part.arrays["codes"]) for part in parts.read())
    if not count:
        named = "; ".join(rows.left_out[:NAMED])
        raise DataError(f"encode: at least one image must be sound; got {rows.count} malformed: {named}.")
    return count


def _part(model: Autoencoder, samples: Samples, label_names: tuple[str, ...] | None) -> Part:
    """Return the codes of samples, with what tells their rows apart."""
    import numpy as np

    from narrows.cli.samples import keyed, numbered

    if len(samples.X):
        Z = model.transform(samples.X, samples.y)
    else:
        Z = np.empty((0, *model.code_.shape), model.computing_dtype if model.code_.continuous else np.int64)
    flat = Z.reshape(len(Z), int(np.prod(model.code_.shape)))
    columns = dict(zip(numbered("code", int(np.prod(model.code_.shape))), flat.T, strict=True))
    return keyed(samples.keys(label_names), columns, {"codes": Z})


def _followed(parts: Iterator[T], done: int, total: int, size: int, count: int) -> Iterator[tuple[int, T]]:
    """Yield numbered parts, with a bar on a terminal, and a line now and then elsewhere."""
    console = err()
    numbers = enumerate(parts, start=done)
    if console.is_terminal and total > 1:
        from rich.progress import Progress

        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("rows", total=total, completed=done)
            for number, part in numbers:
                yield number, part
                progress.update(task, completed=number + 1)
        return
    started = shown = time.monotonic()
    for number, part in numbers:
        yield number, part
        if (now := time.monotonic()) - shown > EVERY and number + 1 < total:
            rate = (number + 1 - done) * size / (now - started)
            console.print(f"{(number + 1) * size:,} of {count:,} rows, {rate:,.0f} rows/s", soft_wrap=True)
            shown = now


def _say_left_out(rows: Rows) -> None:
    if rows.left_out:
        more = f"; and {len(rows.left_out) - NAMED} more" if len(rows.left_out) > NAMED else ""
        note(f"{len(rows.left_out)} images cannot be read and are left out: {'; '.join(rows.left_out[:NAMED])}{more}.")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
