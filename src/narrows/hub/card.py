"""The model card of a run: README.md with the hub's metadata, made from a record without what is private."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from narrows import __version__
from narrows.estimators import ESTIMATORS
from narrows.numbers import duration, number
from narrows.params import fields, write_value
from narrows.storage.hub import Address, library

LIMITS = (
    "It was measured on the data above alone. Other data must be in the same units, shape and columns; what is unlike "
    "the training samples is reconstructed as something like them.",
    "Codes are no anonymisation: samples can be reconstructed from them, and the model keeps the codes of some of its "
    "training samples.",
)


def card(
    record: Mapping[str, Any], address: Address, *, licence: str | None, pictures: Mapping[str, str],
    advice: Sequence[str],
) -> str:  # fmt: skip
    """Return the model card of a run.

    Parameters
    ----------
    record
        Of the run, as others may see it; see `narrows.hub.package.shared_record`.
    address
        Where the model is pushed to.
    licence
        Of the model, as the hub spells it; None where nobody said it.
    pictures
        Names of the files that lie beside the card, and what they show.
    advice
        Findings on the run, each in a sentence or two.
    """
    data, model = record["data"], record["model"].upper()
    name = address.repository.partition("/")[2]
    parts = [
        f"# {name}",
        f"{_article(model)} of {_of_data(data)}, trained by narrows {record['versions'].get('narrows', __version__)}"
        + ("." if record["status"] == "finished" else f"; the training is {record['status']}."),
        _use(address),
        "## Measured",
        _measures(record),
        *(f"![{caption}]({file})\n\n{caption[:1].upper()}{caption[1:]}." for file, caption in pictures.items()),
        "## Data",
        _data(data),
        "## Training",
        _training(record),
        *(["## Advice", "\n".join(f"- {_plain(text)}" for text in advice)] if advice else []),
        "## Limits",
        "\n".join(f"- {text}" for text in (*_compared(record), *LIMITS)),
        "## Citation",
        _citation(record),
    ]
    return f"---\n{_metadata(record, name, licence)}\n---\n\n" + "\n\n".join(parts) + "\n"


def _metadata(record: Mapping[str, Any], name: str, licence: str | None) -> str:
    """Return the YAML at the top, as the hub's library writes it."""
    hub = library()
    data, summary = record["data"], record.get("summary")
    results = []
    if summary is not None and summary["squared_error"].get("model") is not None:
        results = [
            hub.EvalResult(
                task_type="feature-extraction", dataset_type=_slug(data["name"]), dataset_name=data["name"],
                dataset_split=summary["split"], metric_type="squared_error", metric_name="squared error per sample",
                metric_value=summary["squared_error"]["model"],
            )
        ]  # fmt: skip
    metadata = hub.ModelCardData(
        library_name="narrows", pipeline_tag="feature-extraction", license=licence, model_name=name,
        tags=["narrows", "autoencoder", "representation-learning", record["model"].lower()],
        eval_results=results or None,
    )  # fmt: skip
    return str(metadata.to_yaml()).strip()


def _use(address: Address) -> str:
    python = f'import narrows\n\nmodel = narrows.load("{address}")\nZ = model.transform(X)'
    return (
        f'```\npip install "narrows[hub]"\nnarrows encode {address} --data FILE --out codes.csv\n```\n\n'
        f"```python\n{python}\n```\n\nThe files are JSON and safetensors: loading executes nothing."
    )


def _measures(record: Mapping[str, Any]) -> str:
    """Return the table of errors, with the rows of PCA and of the mean sample."""
    summary = record.get("summary")
    if summary is None:
        return "The run did not end, and was not measured."
    errors = summary["squared_error"]
    rows = [
        (f"{record['model']}, latent dimension {summary['latent_dim']}", errors["model"]),
        (f"PCA, latent dimension {summary['pca_latent_dim']}", errors.get("pca")),
        ("the mean sample", errors.get("mean")),
    ]
    lines = [f"| {summary['samples']:,} {summary['split']} samples | squared error |", "|---|---:|"]
    lines += [f"| {what} | {number(error)} |" for what, error in rows if error is not None]
    lines += [
        f"| {what} [nats per sample] | {number(summary[key])} |"
        for key, what in (("elbo", "ELBO"), ("kl", "KL"))
        if summary.get(key) is not None
    ]
    return (
        "\n".join(lines) + f"\n\nSquared errors are sums over a sample's values. {summary['parameters']:,} parameters."
    )


def _compared(record: Mapping[str, Any]) -> list[str]:
    """Return what the comparison with PCA says."""
    errors = (record.get("summary") or {}).get("squared_error", {})
    model, pca = errors.get("model"), errors.get("pca")
    if model is None or pca is None or record["model"] == "pca":
        return []
    if model >= pca:
        return ["Its squared error is not below that of PCA of the same latent dimension, which is simpler and exact."]
    return (
        [f"Its squared error is {1 - model / pca:.0%} below that of PCA of the same latent dimension."] if pca else []
    )


def _of_data(data: Mapping[str, Any]) -> str:
    return f"{_code(data['name'])}, samples of {'x'.join(map(str, data['sample_shape']))}"


def _data(data: Mapping[str, Any]) -> str:
    counts = {"train": "training", "validation": "validation", "test": "test"}
    sizes = ", ".join(f"{data['splits'][key]:,} {what}" for key, what in counts.items() if data["splits"].get(key))
    options = ", ".join(f"{name}={write_value(value)}" for name, value in data["options"].items())
    lines = [
        f"- Name: {_code(data['name'])}", f"- Source: {_code(data['source'])}", f"- Licence: {_plain(data['licence'])}",
        f"- Samples: {sizes}", f"- SHA-256: `{data['sha256']}`",
    ]  # fmt: skip
    return "\n".join([*lines, f"- Options: {_code(options)}"] if options else lines)


def _training(record: Mapping[str, Any]) -> str:
    cls = ESTIMATORS.get(record["model"])
    defaults = {} if cls is None else {field.name: field.default for field in fields(cls)}
    changed = {
        name: value for name, value in record["parameters"].items()
        if name not in defaults or defaults[name] != (tuple(value) if isinstance(value, list) else value)
    }  # fmt: skip
    shown = ", ".join(f"{name}={_value(value)}" for name, value in changed.items()) or "all defaults"
    seconds = record.get("seconds")
    lines = [f"- Parameters: {_code(shown)}", f"- Seed: {record.get('seed')}"]
    if record.get("command"):
        lines.insert(0, f"- Command: {_code(shlex.join(record['command']))}")
    if record.get("epoch"):
        lines.append(f"- Epochs: {record['epoch']}" + (f", in {duration(seconds)}" if seconds else ""))
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    return "\n".join([*lines, f"- Versions: {_plain(versions)}"])


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "own object" if "object" in value else "; ".join(
            f"{name}:{','.join(f'{k}={_value(v)}' for k, v in inner.items()) if isinstance(inner, dict) else inner}"
            for name, inner in value.items()
        )  # fmt: skip
    return write_value(tuple(value) if isinstance(value, list) else value)


def _citation(record: Mapping[str, Any]) -> str:
    cls = ESTIMATORS.get(record["model"])
    found = re.search(r"References?: (\S+(?:, \S+)*)", (cls.__doc__ or "") if cls is not None else "")
    software = (
        f"```bibtex\n@software{{narrows,\n  title = {{narrows: compact representations of images, sequences and "
        f"tables}},\n  version = {{{__version__}}}\n}}\n```"
    )
    return f"The model: {found[1].rstrip('.')}.\n\n{software}" if found else software


def _article(model: str) -> str:
    return f"{'An' if model[:1] in 'AEIO' else 'A'} {model}"


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-") or "data"


def _plain(text: str) -> str:
    """Return text of others as it is, in one line, with the marks of Markdown and HTML shown and not obeyed."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return re.sub(r"([\\`*_{}\[\]<>#|!])", r"\\\1", line)


def _code(text: str) -> str:
    """Return text of others in one line of code."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    marks, pad = "`" * (longest + 1), " " if longest or line[:1] == "`" else ""
    return f"{marks}{pad}{line}{pad}{marks}"
