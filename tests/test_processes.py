"""Work in several processes: the results of one, in any order; what ends a process, and what ends them all."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest
import torch
from threadpoolctl import threadpool_info

from narrows.errors import ConfigError, TrainingError
from narrows.training.processes import check_jobs, in_processes

pytestmark = pytest.mark.slow


def squared(shared, task):
    return (
        shared * task**2,
        os.getpid(),
        {torch.get_num_threads(), *(pool["num_threads"] for pool in threadpool_info())},
    )


def killed(shared, task):
    if task == shared:
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def failing(shared, task):
    if task == shared:
        raise ConfigError(f"task must be another than {shared}; got {task}.")
    return task


def unmade():
    raise ImportError("there is no such function here")


class Unmade:
    """What can be sent to a process, and not be had there."""

    def __reduce__(self):
        return unmade, ()

    def __call__(self, shared, task):
        raise AssertionError


def waiting(shared, task):
    def leave(number, frame):
        (Path(shared) / f"ended-{task}").touch()
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    (Path(shared) / f"began-{task}").touch()
    time.sleep(60)


def test_results_come_with_their_tasks_from_so_many_processes():
    done = list(in_processes(squared, 3, range(6), 2))
    assert sorted(done)[0][0] == 0
    assert {task: result[0] for task, result in done} == {n: 3 * n**2 for n in range(6)}
    assert len({result[1] for _, result in done}) == 2
    assert os.getpid() not in {result[1] for _, result in done}
    assert all(result[2] == {max(1, torch.get_num_threads() // 2)} for _, result in done)


def test_tasks_are_asked_for_as_processes_take_them():
    asked, done = [], []

    def tasks():
        while len(done) < 3:
            asked.append(len(asked))
            yield asked[-1]

    for task, _ in in_processes(squared, 3, tasks(), 2):
        done.append(task)
    assert sorted(done) == asked
    assert 3 <= len(asked) <= 5


def test_a_process_that_is_killed_is_one_result_and_another_takes_its_place():
    done = dict(in_processes(killed, 1, range(4), 2))
    assert isinstance(done.pop(1), TrainingError)
    assert done == {0: 0, 2: 2, 3: 3}


@pytest.mark.parametrize("size", [1, 2**24])  # which a pipe takes or does not take while nobody reads
def test_a_process_that_cannot_start_is_told(size):
    (result,) = (result for _, result in in_processes(Unmade(), b"0" * size, [1], 2))
    assert isinstance(result, TrainingError)
    assert "ended by itself (exit code 1)" in str(result)


def test_an_error_is_raised_here():
    with pytest.raises(ConfigError, match="must be another than 2; got 2"):
        list(in_processes(failing, 2, range(4), 2))


def test_an_interrupt_ends_the_processes_politely(tmp_path):
    def interrupt_when_all_began():
        while len(list(tmp_path.glob("began-*"))) < 2:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt_when_all_began).start()
    with pytest.raises(KeyboardInterrupt):
        list(in_processes(waiting, str(tmp_path), range(3), 2))
    assert {path.name for path in tmp_path.glob("ended-*")} == {"ended-0", "ended-1"}


@pytest.mark.parametrize("jobs", [0, -1, True, 1.5, "2"])
def test_jobs_are_whole_numbers(jobs):
    with pytest.raises(ConfigError, match="sweep: jobs must be a whole number >= 1; got"):
        check_jobs("sweep", jobs)
