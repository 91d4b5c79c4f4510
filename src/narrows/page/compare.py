"""Several runs side by side: their measures beside PCA's, and the same samples reconstructed by each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from narrows.data.arrays import Array
from narrows.data.catalogue import DATASETS
from narrows.errors import ConfigError, NarrowsError
from narrows.evaluation.comparison import LOWER
from narrows.http.answers import Json
from narrows.page.codes import Maps
from narrows.page.requests import missing_run, watch_of
from narrows.page.wire import Message, pack
from narrows.params import write_value
from narrows.runs import Run

MOST_RUNS, MOST_ROWS = 20, 64
"""Runs and samples that are compared at once."""
MEASURES = ("squared error per sample", "ELBO, nats", "parameters", "seconds", "bytes on disk")
"""What is known of a run without loading its model."""


def compared(request: Request) -> Json:
    """Return the measures of several runs, and those of PCA with as many dimensions."""
    runs = _runs(request)
    rows = [{"run": run.folder.name, "values": _values(run)} for run in runs]
    rows += _baselines(runs)
    there = [name for name in MEASURES if any(name in row["values"] for row in rows)]
    measures = [{"name": name, "lower_is_better": name in LOWER} for name in there]
    return Json({"measures": measures, "rows": rows, "problems": _problems(runs)})


def _runs(request: Request) -> list[Run]:
    """Return the runs that a request names; 404 where one of them is missing."""
    names = list(dict.fromkeys(request.query_params.getlist("run")))
    if not 1 <= len(names) <= MOST_RUNS:
        raise ConfigError(f"compare: run must name 1 to {MOST_RUNS} runs; got {len(names)}. Select some.")
    runs = []
    for name in names:
        run = watch_of(request).run(name)
        if run is None:
            raise missing_run(request, name)
        runs.append(run)
    return runs


def _values(run: Run) -> dict[str, float]:
    """Return what is known of a run, by measure."""
    summary = run.summary or {}
    files = [path for path in run.model_folder.rglob("*") if path.is_file()]
    values = {
        "squared error per sample": run.errors.get("model"), "ELBO, nats": summary.get("elbo"),
        "parameters": summary.get("parameters"), "seconds": run.record.get("seconds"),
        "bytes on disk": sum(path.stat().st_size for path in files) or None,
    }  # fmt: skip
    return {name: value for name, value in values.items() if value is not None}


def _baselines(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return a row for PCA of each number of dimensions, where the errors of all runs compare."""
    if _problems(runs, of_errors=True):
        return []
    errors = {run.summary["pca_latent_dim"]: run.errors["pca"] for run in runs if run.summary and "pca" in run.errors}
    shown = {run.summary["pca_latent_dim"] for run in runs if run.summary and run.is_pca}
    return [
        {"run": f"PCA, {size} dimension{'s' if size > 1 else ''}", "values": {"squared error per sample": error}}
        for size, error in sorted(errors.items())
        if size not in shown
    ]


def _problems(runs: Sequence[Run], *, of_errors: bool = False) -> list[str]:
    """Return why the measures of some runs are missing, or do not compare."""
    without = [run.folder.name for run in runs if run.summary is None]
    problems = [f"{', '.join(without)}: measured once training has ended."] if without and not of_errors else []
    summaries = [(run, run.summary) for run in runs if run.summary is not None]
    if len({(*_samples_of(run, summary["split"]), summary["split"]) for run, summary in summaries}) > 1:
        return [*problems, "The runs were measured on different data: their errors do not compare."]
    means = [error for run, _ in summaries if (error := run.errors.get("mean")) is not None]
    if means and not math.isclose(min(means), max(means), rel_tol=1e-3):
        problems.append("The runs scale the data in different ways: their squared errors do not compare.")
    return problems


def _samples_of(run: Run, split: str | None) -> tuple[object, ...]:
    """Return what tells the samples of a split apart from those of other data.

    What is held out for validation, which PCA does not need, comes from the training samples: it leaves the test ones.
    """
    data = run.record["data"]
    file, tests = data.get("file_sha256"), data["splits"].get("test")
    if split not in ("test", None) or not tests or not (file or data["name"] in DATASETS):
        return (data["sha256"],)
    options = sorted((name, write_value(value)) for name, value in data["options"].items() if name != "validation")
    return (file or data["name"], *options, data["splits"].get("seed"), tests)


async def samples(request: Request) -> Response:
    """Return samples, and their reconstructions by several runs; those that cannot are named, with the reason."""
    runs = await run_in_threadpool(_runs, request)
    rows = _rows(request.query_params.get("rows", ""))
    split = request.query_params.get("split")
    tensors: dict[str, Array] = {}
    problems: list[str] = []
    metadata: dict[str, Any] = {"kind": None, "labels": None, "problems": problems}
    for run in runs:
        name, of = run.folder.name, run.record["data"]
        if _samples_of(run, split) != _samples_of(runs[0], split):
            problems.append(f"{name}: it was trained on other data, {of['name']}.")
            continue
        try:
            worker = await request.app.state.models.get(name)
            if worker is None:
                raise ConfigError(f"{name}: it was removed.")
            answer, kind, labels = await worker.run(_reconstructed, rows, split)
        except NarrowsError as error:
            problems.append(f"{name}: {error}")
            continue
        if "originals" not in tensors:
            tensors["originals"], metadata["kind"], metadata["labels"] = answer["x"], kind, labels
        if answer["reconstruction"].shape == tensors["originals"].shape and kind == metadata["kind"]:
            tensors[name] = answer["reconstruction"]
        else:
            problems.append(f"{name}: its samples have another shape.")
    if not tensors:
        raise ConfigError(f"compare: no run can reconstruct these samples. {' '.join(problems)}")
    return Response(pack(Message(metadata, tensors)), media_type="application/octet-stream")


def _rows(text: str) -> list[int]:
    parts = text.split(",")
    sound = all(part.isascii() and part.isdecimal() and len(part) < 10 for part in parts)
    if not sound or len(parts) > MOST_ROWS:
        raise ConfigError(f"compare: rows must be 1 to {MOST_ROWS} whole numbers, such as 3,7; got {text[:40]!r}.")
    return [int(part) for part in parts]


def _reconstructed(maps: Maps, rows: Sequence[int], split: str | None) -> tuple[dict[str, Any], str, list[str] | None]:
    """Return samples and their reconstructions, their kind, and their labels as text."""
    explorer = maps.explorer
    on, _ = explorer.rows_of(split, rows, "compare")
    labels, names = on.shown.y, explorer.dataset.label_names
    texts = None
    if labels is not None:
        chosen = np.asarray(labels)[list(rows)]
        texts = [names[int(each)] if names and chosen.dtype.kind in "iu" else f"{each:g}" for each in chosen]
    return explorer.reconstruct(rows, split), explorer.display.kind, texts


ROUTES = [Route("/api/compare", compared), Route("/api/compare/samples", samples)]
