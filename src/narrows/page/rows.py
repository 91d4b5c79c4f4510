"""A run as a row of the table, and all that is known of it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from narrows.cli.plugins import FLAG, without_plugins
from narrows.components import AXES
from narrows.data.options import OPTIONS
from narrows.estimators import ESTIMATORS
from narrows.page.history import Course
from narrows.page.saving import saved
from narrows.params import Param, fields, write_value
from narrows.runs import Run

TERMS = {
    "loss": "What training minimises: the sum of the terms.",
    "reconstruction": "How far the reconstruction is from the sample: nats where the model is probabilistic, else the "
    "squared error.",
    "kl": "Kullback-Leibler divergence from the posterior to the prior, nats, times its weight.",
    "elbo": "Evidence lower bound, nats: a lower bound of the log-likelihood of the data. Higher is better.",
    "perplexity": "Of the codebook: how many of its vectors are in use.",
}
"""What the terms of a loss are; penalties tell of themselves."""


def row_of(run: Run, course: Course) -> dict[str, Any]:
    """Return a run as a row of the table of all runs."""
    record, summary, errors, last = run.record, run.summary or {}, run.errors, course.last
    status = run.status
    epoch, epochs = (_whole(last.get(name)) for name in ("epoch", "epochs"))
    seconds = _number(last.get("seconds") if status == "running" else record.get("seconds"))
    left = None
    if status == "running" and epoch and epochs and seconds is not None:
        left = seconds * (epochs - epoch) / epoch
    return {
        "name": run.folder.name, "status": status, "model": record["model"], "data": record["data"]["name"],
        "started": record["started"], "epoch": epoch or record.get("epoch") or 0, "epochs": epochs,
        "seconds": seconds, "left": left, "loss": course.losses, "error": errors.get("model"),
        "pca": errors.get("pca"), "elbo": summary.get("elbo"), "kl": summary.get("kl"), "split": summary.get("split"),
        "parameters": summary.get("parameters"), "latent_dim": _latent_dim(run), "resumable": run.resumable,
        "failure": str(record.get("error", "")), "note": str(record.get("note", "")), "changed": run.changed,
    }  # fmt: skip


def detail_of(run: Run, course: Course) -> dict[str, Any]:
    """Return all that is known of a run."""
    record, data = run.record, run.record["data"]
    return row_of(run, course) | {
        "settings": _settings(run),
        "command": command_of(run),
        "data_about": {
            "name": data["name"], "source": data["source"], "licence": data["licence"], "splits": data["splits"],
            "shape": data["sample_shape"], "columns": data.get("columns"),
        },
        "versions": record.get("versions", {}),
        "ended": record.get("ended"),
        "summary": run.summary,
        "pictures": [{"file": path.name, "caption": caption} for path, caption in (run.pictures | saved(run)).items()],
        "frames": run.frames.epochs,
        "label_names": data.get("label_names"),
        "terms": _terms(course.last),
    }  # fmt: skip


def command_of(run: Run, **changed: Any) -> str:
    """Return the command that trains the same again, or with other values of some parameters."""
    record, data = run.record, run.record["data"]
    _, plugins = without_plugins(record.get("command", []))
    parts = ["narrows", *(word for file in plugins for word in (FLAG, file))]
    parts += ["train", record["model"], "--data", data["name"]]
    for name, value in data["options"].items():
        text = _text(value)
        if name in OPTIONS and OPTIONS[name].metavar == "SWITCH":
            parts += [f"--{_flag(name)}"] if value else []
        elif name in OPTIONS or name == "validation":
            parts += [f"--{_flag(name)}", text]
        else:
            parts += ["--data-option", f"{name}={write_value(value)}"]
    cls = ESTIMATORS.get(record["model"])
    for field in () if cls is None else fields(cls):
        if field.name in changed:
            parts += [f"--{_flag(field.name)}", write_value(changed[field.name])]
        elif field.name in run.changed and field.name != "verbose":
            parts += _flags(run, field)
    return shlex.join(parts)


def _flags(run: Run, field: Param) -> list[str]:
    """Return the flags that set a parameter to what it was."""
    name, value = f"--{_flag(field.name)}", run.record["parameters"][field.name]
    if field.annotation is bool:
        return [name if value else f"--no-{_flag(field.name)}"]
    values = value if field.many and isinstance(value, list) else [value]
    return [part for each in values for part in (name, run.text_of(field.name, each))]


def _settings(run: Run) -> list[dict[str, Any]]:
    cls = ESTIMATORS.get(run.record["model"])
    changed, values = run.changed, run.record["parameters"]
    known = [] if cls is None else [field for field in fields(cls) if field.name != "verbose"]
    settings = []
    for field in known:
        default = write_value(field.default)
        text = run.text_of(field.name, values[field.name]) if field.name in values else default
        settings.append({
            "name": field.name, "text": text, "default": default, "help": field.help, "changed": field.name in changed,
        })  # fmt: skip
    others = changed.keys() - {field.name for field in known}
    return settings + [
        {"name": name, "text": changed[name], "default": "", "help": "", "changed": True} for name in sorted(others)
    ]


def _terms(last: Mapping[str, Any]) -> dict[str, str]:
    """Return what each term of a history is, as far as it is known."""
    names = {name for split in ("train", "validation") for name in last.get(split) or ()}
    known = dict(TERMS)
    for name, cls in AXES["penalty"].items() if "penalty" in AXES else ():
        known.setdefault(name, (cls.__doc__ or "").split("\n")[0])
    return {name: known[name] for name in sorted(names) if name in known}


def _latent_dim(run: Run) -> int | None:
    value = (run.summary or {}).get("latent_dim", run.record["parameters"].get("latent_dim"))
    if value is None and (cls := ESTIMATORS.get(run.record["model"])) is not None:
        value = next((field.default for field in fields(cls) if field.name == "latent_dim"), None)
    return _whole(value)


def _flag(name: str) -> str:
    return name.replace("_", "-")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
