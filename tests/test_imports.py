"""Which way imports go, file by file, and what `import narrows` leaves alone."""

import ast
import os
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
PACKAGE = SOURCE / "narrows"
ORDER = [
    ["errors"], ["params"], ["components", "plugins"], ["rng", "storage", "moments", "objectives", "projection"],
    ["sketch"], ["pca", "ppca", "filling", "figures", "numbers"],
    ["module"], ["data", "corruptions", "conditions", "missingness"], ["probability", "nn"], ["penalties"],
    ["training"], ["estimators"], ["evaluation"], ["runs"], ["sweeps", "analyses"], ["recipes"], ["http"],
    ["cli", "page", "export", "serve", "hub"],
]  # fmt: skip  # which way things flow: a part imports what stands before it, or beside it
LEVEL = {part: level for level, parts in enumerate(ORDER) for part in parts}
FILES = {".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path
         for path in PACKAGE.rglob("*.py")}  # fmt: skip


@cache
def imports(name):
    """Return the modules of narrows that a file imports anywhere, but for what only a type checker reads."""
    tree = ast.parse(FILES[name].read_text(encoding="utf-8"))
    typed = {
        id(inner)
        for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }  # fmt: skip
    names = set()
    for node in (node for node in ast.walk(tree) if id(node) not in typed):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: imports are written in full"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= inner & FILES.keys() or {node.module} & FILES.keys()
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names} & FILES.keys()
    return names - {"narrows"}  # which imports nothing before it is asked to


def part_of(name):
    return name.split(".")[1]


def test_no_file_imports_itself_by_way_of_others():
    """A package counts as a file as well: its __init__ stands after what it imports."""
    order = [*TopologicalSorter({name: imports(name) for name in FILES}).static_order()]  # CycleError names a circle
    assert order.index("narrows.errors") < order.index("narrows.params") < order.index("narrows.cli.app")
    assert FILES.keys() <= set(order)


def test_parts_flow_one_way():
    against = [
        (name, other) for name in FILES if name not in ("narrows", "narrows.__main__") for other in imports(name)
        if LEVEL[part_of(name)] < LEVEL[part_of(other)]
    ]  # fmt: skip
    assert against == []


@pytest.mark.slow
@pytest.mark.parametrize("code", ["", "from narrows.cli import main; main(['--help'])"])
def test_import_and_help_load_nothing_heavy(code):
    code = f"import sys, narrows\n{code}\n"
    code += "heavy = {'torch', 'numpy', 'sklearn', 'scipy', 'matplotlib', 'PIL', 'pandas'}\n"
    code += "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_packages_are_reached_without_a_second_import():
    code = "import sys, narrows; narrows.figures; narrows.errors; assert 'torch' not in sys.modules\n"
    code += "narrows.runs.Run, narrows.evaluation.squared_error, narrows.data.load_dataset"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_import_changes_nothing_in_the_process():
    code = """
import gc, os, signal, sys, warnings
def state():
    return dict(os.environ), gc.get_threshold(), signal.getsignal(signal.SIGINT), warnings.filters[:], sys.path[:]
before, modules = state(), set(sys.modules)
import narrows
assert state() == before
packages = {name.partition(".")[0] for name in set(sys.modules) - modules}
assert packages - {"narrows"} <= set(sys.stdlib_module_names), packages
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "value"), [({}, "50000"), ({"GOMP_SPINCOUNT": "5"}, "5"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None)]
)
def test_on_the_command_line_threads_wait_briefly_unless_one_says_otherwise(given, value):
    code = "import os; from narrows.cli import main; main(['version']); print(os.environ.get('GOMP_SPINCOUNT'))"
    inherited = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    done = subprocess.run([sys.executable, "-c", code], env=inherited | given, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == str(value), done.stderr


@pytest.mark.slow
def test_narrows_is_a_module_that_runs():
    done = subprocess.run([sys.executable, "-m", "narrows", "version"], capture_output=True, text=True)
    assert done.stdout.startswith("narrows "), done.stderr
