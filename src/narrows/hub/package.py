"""The files of a run that others get: the model as it loads, a record without what is private, pictures and a card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from narrows.data import DATASETS
from narrows.evaluation import Finding
from narrows.hub.card import card
from narrows.hub.private import Private
from narrows.runs import Run
from narrows.storage.atomic import write_png, write_text
from narrows.storage.hub import Address
from narrows.storage.json import write_json
from narrows.storage.lines import write_lines

KEPT = ("format", "status", "model", "seed", "started", "versions", "epoch", "seconds", "summary")
"""Entries of a run's record that are the same for others; the rest is cleaned or left out."""
OF_DATA = ("sha256", "splits", "sample_shape", "file_sha256", "columns", "other_columns", "label_names")
"""The same of its data: new rows are read by the names of columns and classes, which the model holds as well."""


def write_package(
    run: Run, folder: Path, address: Address, *, licence: str | None = None, pictures: bool = True,
    findings: Sequence[Finding] = (),
) -> list[Path]:  # fmt: skip
    """Write what is uploaded of a run to a folder, and return the paths of the files.

    The folder is a run folder as well: `narrows.runs.Run` and all commands read it. The model is loaded and saved, so
    that only what can be loaded is shared, and no other file that lies beside it.

    Raises
    ------
    FormatError
        The run has no sound model, or one with modules of the user's own, which no file holds.
    """
    private = Private(run.record)
    model = run.load()
    model.history_ = private.clean(model.history_)
    model.save(folder / "model")
    record = shared_record(run.record, private)
    write_json(folder / "run.json", record)
    write_lines(folder / "metrics.jsonl", private.clean(run.history))
    shown: dict[str, str] = {}
    for path, caption in run.pictures.items() if pictures else ():
        with Image.open(path, formats=["PNG"]) as picture:
            write_png(folder / path.name, picture.convert("RGB"))  # the pixels alone: files may hold texts as well
        shown[path.name] = caption
    advice = [private.text(f"{finding.sentence} {finding.advice(flags=True)}".rstrip()) for finding in findings]
    text = card(record, address, licence=licence, pictures=shown, advice=advice)
    write_text(folder / "README.md", text)
    return sorted(path for path in folder.rglob("*") if path.is_file())


def shared_record(record: Mapping[str, Any], private: Private) -> dict[str, Any]:
    """Return a run's record as others may see it: what is listed here, and nothing else."""
    data = record["data"]
    named = data["name"] in DATASETS
    shared = {name: record[name] for name in KEPT if name in record}
    shared["versions"] = private.clean(record.get("versions", {}))
    shared["parameters"] = private.clean(record["parameters"])
    shared["command"] = _command(record.get("command", []), private)
    shared["data"] = {
        **{name: data[name] for name in OF_DATA if name in data},
        "name": data["name"] if named else private.text(data["name"]),
        "options": private.clean(data["options"]),
        "source": data["source"] if named else private.text(data["source"]),
        "licence": private.text(data["licence"]),
    }
    return shared


def _command(words: Sequence[str], private: Private) -> list[str]:
    """Return the command line; of a program other than narrows its name."""
    cleaned = private.command(words)
    if words and Path(words[0]).name == "__main__.py" and Path(words[0]).parent.name == "narrows":
        cleaned[0] = "narrows"
    return cleaned
