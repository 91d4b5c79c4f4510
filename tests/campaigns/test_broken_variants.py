"""The tests of safety catch every variant of the package that is broken on purpose (see `variants`)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from campaigns.variants import VARIANTS

TESTS = Path(__file__).parent.parent


@pytest.mark.parametrize("name", VARIANTS)
def test_the_variants_can_be_made(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    VARIANTS[name].apply(monkeypatch)
    file, _, test = VARIANTS[name].test.partition("::")
    assert f"def {test}" in (TESTS / "safety" / file).read_text()


def run(tests: list[str], variant: str = "") -> subprocess.CompletedProcess[str]:
    """Run tests of safety in another process, on the package as it is or on a variant of it."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "campaigns.variants", "-p", "no:cacheprovider"]
    command += ["-m", "not gpu and not campaign"]  # slow ones too: what the fast suite leaves out catches nothing
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [*command, "-n", "0", *(str(TESTS / "safety" / test) for test in tests)],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "NARROWS_VARIANT": variant},
        capture_output=True, text=True, cwd=TESTS.parent, timeout=300,
    )  # fmt: skip


@pytest.mark.campaign
@pytest.mark.parametrize("name", VARIANTS)
def test_a_broken_variant_is_caught(name: str) -> None:
    done = run([VARIANTS[name].test], name)
    assert done.returncode == 1, done.stdout[-3000:]  # 1: tests were run, and failed
    assert "FAILED" in done.stdout


@pytest.mark.campaign
def test_the_package_as_it_is_passes() -> None:
    done = run(sorted({variant.test for variant in VARIANTS.values()}))
    assert done.returncode == 0, done.stdout[-3000:]
