"""Which way imports go, and what `import narrows` leaves alone."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "narrows"
ORDER = [
    "errors", "params", "postponed", "storage", "lock", "axes", "figures", "notebook", "corruptions", "losses",
    "likelihoods", "networks", "modules", "training", "densities", "base", "together", "models", "datasets",
    "evaluation", "report", "runs", "tracking", "sweeps", "steps", "recipes", "cli",
]  # fmt: skip  # a part imports only what stands before it


def imported(path):
    """Yield the parts of narrows that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written in full"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        parts = (name.split(".")[1] for name in names if name.startswith("narrows."))
        yield from (part for part in parts if part != "__version__")


def test_imports_go_one_way():
    files = [path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py"]
    found = {(path.relative_to(SOURCE).parts[0].removesuffix(".py"), part) for path in files for part in imported(path)}
    assert [(a, b) for a, b in sorted(found) if ORDER.index(b) > ORDER.index(a)] == []


@pytest.mark.parametrize("command", ["", "from narrows.cli.app import main; sys.exit(main(['--help']))"])
def test_import_and_help_load_no_heavy_package(command):
    code = f"import sys, narrows\ntry:\n    {command or 'pass'}\nexcept SystemExit as end:\n    assert not end.code\n"
    code += "print(*sorted({'torch', 'sklearn', 'scipy', 'matplotlib'} & set(sys.modules)), file=sys.stderr)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stderr.split() == []


def loaded_by(code, *names):
    """Return which of the modules are loaded in a new process that runs the code."""
    code += f"\nimport sys\nprint(*(n for n in {names} if n in sys.modules), file=sys.stderr)"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr.split()


def test_training_loads_neither_a_compiler_nor_what_scikit_learn_seldom_needs(tmp_path):
    code = f"""
import numpy as np
from narrows import VAE
X = np.random.default_rng(0).random((16, 4), dtype=np.float32)
VAE(latent_dim=1, hidden=(4,), epochs=2).fit(X, validation=X, resume={str(tmp_path)!r}).transform(X)"""
    assert loaded_by(code, "torch._dynamo", "sympy", "pandas", "scipy.stats") == []
    assert any(tmp_path.iterdir())


def test_what_was_postponed_is_imported_on_first_use():
    code = """
import narrows.estimators, sys
from sklearn.utils import fixes
assert "scipy.stats" not in sys.modules
assert fixes._mode([1, 2, 2]).mode == 2
import scipy.stats
assert type(scipy.stats) is type(sys) and scipy.stats.mode([3, 3]).mode == 3"""
    assert loaded_by(code, "scipy.stats", "pandas") == ["scipy.stats"]


def test_other_importers_meanwhile_get_the_module_and_a_missing_one_stays_missing():
    code = """
from narrows.postponed import postponed
with postponed("wave", "nowhere_to_be_found"):
    import wave as early
    from wave import Error
    try:
        import nowhere_to_be_found
    except ModuleNotFoundError:
        pass
with postponed("wave"):
    import wave
assert early.Error is wave.Error is Error and type(wave) is not type(early)"""
    assert loaded_by(code, "wave", "nowhere_to_be_found") == ["wave"]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [({}, "50000"), ({"GOMP_SPINCOUNT": "5"}, "5"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None)],
)
def test_threads_wait_briefly_unless_one_says_otherwise(given, wanted):
    code = "import os, narrows; print(os.environ.get('GOMP_SPINCOUNT'))"
    inherited = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    result = subprocess.run(
        [sys.executable, "-c", code], env=inherited | given, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == str(wanted)
