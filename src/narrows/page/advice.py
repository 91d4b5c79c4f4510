"""Advice on runs: from the history while they train, from the model and its data once they have ended.

It is computed in one thread of its own, one run at a time, and kept until the history or the model changes.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from narrows.cli.advice import at_once, findings_of, seconds_of
from narrows.errors import NarrowsError
from narrows.estimators.loading import described_estimator
from narrows.evaluation import Finding, diagnose_history
from narrows.evaluation.diagnosis.curves import FEWEST
from narrows.page.rows import command_of
from narrows.page.watch import Watch
from narrows.runs import Run, dataset_of

LONGEST = 60.0
"""Seconds that a diagnosis may take here; where it would take longer, the command is named."""

Key = tuple[Any, ...]
Advice = dict[str, Any]


class Adviser:
    """Gives advice on the runs of a folder.

    Parameters
    ----------
    watch
        The runs.
    """

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self._known: dict[str, tuple[Key, list[Advice]]] = {}
        self._asked: set[str] = set()
        self._lock = threading.Lock()
        self._queue: SimpleQueue[str] = SimpleQueue()
        self._worker: threading.Thread | None = None

    def latest(self, name: str) -> list[Advice] | None:
        """Return the latest advice on a run, or None; where that is out of date, it is computed meanwhile."""
        key = self._key(name)
        with self._lock:
            known = self._known.get(name)
            if key is not None and (known is None or known[0] != key) and name not in self._asked:
                self._asked.add(name)
                self._queue.put(name)
                if self._worker is None:  # a thread that does not keep the server from ending
                    self._worker = threading.Thread(target=self._work, name="advice", daemon=True)
                    self._worker.start()
        return None if known is None else known[1]

    def _key(self, name: str) -> Key | None:
        """Return what advice on a run depends on; None where there is nothing to read yet."""
        known = self.watch.known(name)
        if known is None:
            return None
        run, epochs = known
        if (status := run.status) != "running":
            return status, _stamp(run.model_folder / "model.json")
        step = epochs // 50 + 1  # of many epochs not after each: it reads all of them
        return None if epochs < FEWEST else (status, epochs // step * step)

    def _work(self) -> None:
        while True:
            self._compute(self._queue.get())

    def _compute(self, name: str) -> None:
        try:
            key, run = self._key(name), self.watch.run(name)
            if run is not None and key is not None:
                self._known[name] = (key, advice_on(run))
        finally:
            with self._lock:
                self._asked.discard(name)


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        stat = path.stat()
    except OSError:
        return ()
    return stat.st_mtime_ns, stat.st_size


def advice_on(run: Run) -> list[Advice]:
    """Return the advice on a run, computed now."""
    notes: list[str] = []
    try:
        if run.status == "running" or not (run.model_folder / "model.json").exists():
            model = described_estimator(run.folder / "run.json", run.record, {})
            return [_advice(run, finding) for finding in diagnose_history(run.history, model)]
        dataset = dataset_of(run, changed=notes.append)
        if seconds_of(run, dataset) > LONGEST:
            findings: Sequence[Finding] = at_once(run, dataset)
            notes.append("A diagnosis of all data takes more than a minute.")
        else:
            findings = findings_of(run.load(), dataset)
    except (NarrowsError, OSError) as error:
        return [_note(str(error))]
    except Exception as error:  # a model or data that no longer fit together cost the advice, and nothing else
        return [_note(f"{type(error).__name__}: {error}")]
    slow = f"narrows diagnose {run.folder}"
    return [_advice(run, finding) for finding in findings] + [
        _note(text, slow if "takes more" in text else None) for text in notes
    ]


def _advice(run: Run, finding: Finding) -> Advice:
    values = next((remedy.values for remedy in finding.remedies if remedy.values and not remedy.fit), None)
    return {
        "title": finding.rule, "text": f"{finding.sentence} {finding.advice(flags=True)}".rstrip(),
        "command": None if values is None else command_of(run, **values), "severity": "warning",
    }  # fmt: skip


def _note(text: str, command: str | None = None) -> Advice:
    return {"title": "diagnosis", "text": text, "command": command, "severity": "note"}
