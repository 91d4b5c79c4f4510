"""The flag --threads, which goes with every command, and its hint."""

import os

import pytest
import torch

from narrows.cli import main, threads


@pytest.fixture(autouse=True)
def _restored(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "2"))
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("tokens", [["--threads", "1", "version"], ["version", "--threads=1"]])
def test_threads_are_limited_wherever_the_flag_stands(tokens, capsys):
    torch.set_num_threads(2)
    assert main(tokens) == 0
    assert torch.get_num_threads() == 1
    assert os.environ["OMP_NUM_THREADS"] == "1"
    assert capsys.readouterr().out.startswith("narrows ")


@pytest.mark.parametrize("value", ["0", "-1", "1025", "two", "", "1e3", "9" * 5000])
def test_a_number_of_threads_is_a_whole_number(value, capsys):
    assert main(["version", f"--threads={value}"]) == 2
    assert "--threads must be a whole number from 1 to 1,024; got " in capsys.readouterr().err


def test_no_number_is_told(capsys):
    assert main(["version", "--threads"]) == 2
    assert "--threads must be followed by a whole number; got none." in capsys.readouterr().err


@pytest.mark.parametrize(("load", "limit", "hint"), [(1.5, "2", False), (5.2, "2", True), (5.2, "1", False)])
def test_a_busy_machine_gets_a_hint(load, limit, hint, monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setenv("OMP_NUM_THREADS", limit)
    assert threads.busy() == ("5.2 processes share 2 cores: --threads 1 may be faster" if hint else "")
