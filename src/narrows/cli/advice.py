"""What could be better in a finished run: `narrows diagnose`, and the advice at the end of training."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.text import Text

from narrows.cli.console import note, out
from narrows.data import Dataset
from narrows.estimators.base import Autoencoder
from narrows.evaluation import Finding, diagnose, diagnose_summary
from narrows.runs import Run, dataset_of

PATIENCE = 2.0
"""Seconds that advice at the end of training may take; where it would take longer, the command is named."""
FEW = 200
"""Samples whose codes are looked at in any case."""


def advise(run: Run, dataset: Dataset | None) -> None:
    """Say what could be better in a run that has just ended, or which command says it where that takes long.

    Where `dataset` is None, what the run was trained on is loaded again.
    """
    dataset = dataset_of(run, changed=note) if dataset is None else dataset
    if seconds_of(run, dataset) > PATIENCE:
        if findings := at_once(run, dataset):
            out().print()
            print_findings(findings)
        out().print(f"\nnarrows diagnose {run.folder}  says what could be better", style="dim", soft_wrap=True)
        return
    if findings := findings_of(run.load(), dataset):
        out().print()
        print_findings(findings)


def at_once(run: Run, dataset: Dataset) -> list[Finding]:
    """Return what the summary of a run and a few samples show."""
    summary = run.summary
    if summary is None or run.is_pca or not {"pca", "mean"} <= (errors := summary["squared_error"]).keys():
        return []
    known, held_out = (errors["model"], errors["pca"], errors["mean"]), summary["split"] != "training"
    y = None if dataset.train_labels is None else dataset.train_labels[:FEW]
    return diagnose_summary(run.load(), dataset.train[:FEW], known, y=y, held_out=held_out)


def findings_of(model: Autoencoder, dataset: Dataset) -> list[Finding]:
    """Return the findings on a model, from its data."""
    split, X, y = dataset.evaluation_split
    test, y_test = (None, None) if split == "training" else (X, y)
    return diagnose(model, dataset.train, test, y=dataset.train_labels, y_test=y_test)


def print_findings(findings: Sequence[Finding]) -> None:
    """Print each finding and what to try."""
    for finding in findings:
        # On a terminal lines are broken between words; who reads a pipe gets one line each.
        unbroken = not out().is_terminal
        rule = Text(f"{finding.rule}: ", style="bold")
        out().print(rule.append(finding.sentence, style="not bold"), soft_wrap=unbroken)
        if finding.remedies:
            out().print(Text(f"  {finding.advice(flags=True)}"), soft_wrap=unbroken)


def seconds_of(run: Run, dataset: Dataset) -> float:
    """Return about how long a diagnosis takes: some 12,000 samples through the model, and PCA of the training data."""
    n, d = len(dataset.train), math.prod(dataset.sample_shape)
    speed = max((record["samples_per_second"] for record in run.history), default=math.inf)
    return 4000 / speed + n * d * min(n, d) / 2e10  # without gradients a sample takes a third of the time
