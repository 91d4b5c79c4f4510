"""Several trainings at the same time, each in a process of its own.

A process is a fresh interpreter ("spawn"), which imports the caller's module anew: a script that trains in processes
keeps its own work below `if __name__ == "__main__":`.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
from collections.abc import Callable, Generator, Iterable
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

import torch
from threadpoolctl import ThreadpoolController

from narrows.errors import ConfigError, TrainingError
from narrows.plugins import import_plugin, imported_plugins

PATIENCE = 30.0
"""Seconds that a process may take after SIGTERM to save what it trains."""

Task = TypeVar("Task")
Shared = TypeVar("Shared")
Result = TypeVar("Result")


def check_jobs(owner: str, jobs: int) -> None:
    """Raise ConfigError unless `jobs` is a whole number of at least 1."""
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1:
        raise ConfigError(f"{owner}: jobs must be a whole number >= 1; got {jobs!r}.")


def in_processes(
    function: Callable[[Shared, Task], Result], shared: Shared, tasks: Iterable[Task], jobs: int
) -> Generator[tuple[Task, Result | TrainingError], None, None]:
    """Yield (task, `function(shared, task)`) for every task as it is done, by so many processes.

    Tasks are asked for as processes take them, so that there may be any number of them.
    Threads, those of torch, numpy and scikit-learn alike, are divided between the processes; their number decides the
    last digits of a result, that of the processes does not. What a task raises is raised here, and ends the others; so
    does leaving the generator: processes get SIGTERM, and what trains into a run folder saves its state first. The
    function is one of a module, tasks can be pickled, and `shared`, such as the data, is sent once to each process,
    which holds a copy. A result is a TrainingError where the process was killed, as systems do that are short of
    memory, or could not start.
    """
    waiting = iter(tasks)
    threads = max(1, torch.get_num_threads() // jobs)
    at_work: dict[Connection, tuple[BaseProcess, Task]] = {}
    ended: list[BaseProcess] = []
    try:
        while True:
            for task in itertools.islice(waiting, jobs - len(at_work)):
                connection, process = _started(function, shared, threads)
                at_work[connection] = process, task
                _send(connection, task)
            if not at_work:
                return
            ready = wait(list(at_work))
            for connection in [each for each in at_work if each in ready]:
                process, task = at_work[connection]
                try:
                    succeeded, result = connection.recv()
                except (EOFError, ConnectionError):
                    process.join()
                    del at_work[connection]
                    yield task, TrainingError(_said_of(process.exitcode))
                    continue
                if not succeeded:
                    raise result
                del at_work[connection]
                for following in itertools.islice(waiting, 1):
                    at_work[connection] = process, following
                    _send(connection, following)
                if connection not in at_work:
                    connection.close()
                    ended.append(process)
                yield task, result
    finally:
        for process, _ in at_work.values():
            process.terminate()
        for process in (*ended, *(process for process, _ in at_work.values())):
            process.join(PATIENCE)
            if process.is_alive():
                process.kill()
                process.join()


def _started(function: Callable[..., Any], shared: Any, threads: int) -> tuple[Connection, BaseProcess]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, function, imported_plugins(), threads), daemon=True)
    process.start()
    theirs.close()
    _send(ours, shared)
    return ours, process


def _send(connection: Connection, what: Any) -> None:
    """Send something to a process, unless it has ended: reading from it says so then."""
    with contextlib.suppress(ConnectionError):
        connection.send(what)


def _said_of(code: int | None) -> str:
    """Return in words how a process ended that was to go on."""
    if code is not None and code < 0:
        return f"its process was killed (exit code {code})"
    return (
        f"its process ended by itself (exit code {code}); what it printed says why. A script that trains in processes "
        'keeps its own work below `if __name__ == "__main__":`'
    )


def _work(connection: Connection, function: Callable[[Any, Any], Any], plugins: list[str], threads: int) -> None:
    """Do what is sent, until nothing more comes."""
    if hasattr(os, "setpgrp"):
        os.setpgrp()  # Ctrl-C on a terminal reaches the parent alone, which sends SIGTERM
    torch.set_num_threads(threads)
    ThreadpoolController().limit(limits=threads)  # others have as many as there are cores, in every process
    for file in plugins:
        import_plugin(file)
    with contextlib.suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        shared = connection.recv()
        while True:
            task = connection.recv()
            try:
                result = True, function(shared, task)
            except Exception as error:
                result = False, error
            connection.send(result)
