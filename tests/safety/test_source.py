"""The package's source: nothing in it executes what it reads."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import narrows

SOURCE = Path(narrows.__file__).parent
MODULES = {
    "pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "code"
}  # fmt: skip
"""Those that run what they load."""
NAMES = {"eval", "exec", "compile", "__import__"}
CALLS = {
    "torch.load", "torch.save", "torch.jit.load", "os.system", "os.popen", "shutil.unpack_archive", "extractall",
    "yaml.load", "yaml.unsafe_load",
}  # fmt: skip
CALLED = tuple(f".{call}" for call in CALLS)
EXCEPTIONS = {"data/readers/tensors.py": ["pickle", "torch.load"]}
"""What loads with `weights_only=True`, which runs nothing, and names the error where that refuses."""
KEYWORDS = {"allow_pickle": "False", "shell": "False", "weights_only": "True"}
"""The one value that each may have."""
NEEDED = {"np.load", "numpy.load", "np.lib.format.read_array"}
"""What must be called with allow_pickle."""


def offences(tree: ast.AST) -> Iterator[str]:
    """Yield what in a syntax tree could execute what was only to be read."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names if name.name.partition(".")[0] in MODULES)
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in MODULES:
                yield module
            case ast.Attribute() if f".{ast.unparse(node)}".endswith(CALLED):
                yield ast.unparse(node)
            case ast.Call(func=function, keywords=keywords):
                name = ast.unparse(function)
                given = {keyword.arg: ast.unparse(keyword.value) for keyword in keywords}
                if name in NAMES:
                    yield name
                yield from (f"{key}={given[key]}" for key, value in KEYWORDS.items() if given.get(key, value) != value)
                if name in NEEDED and "allow_pickle" not in given:
                    yield f"{name} without allow_pickle=False"


def test_nothing_is_executed() -> None:
    files = sorted(SOURCE.rglob("*.py"))
    assert len(files) > 100
    found = {str(path.relative_to(SOURCE)): list(offences(ast.parse(path.read_text("utf-8")))) for path in files}
    assert {name: what for name, what in found.items() if what} == EXCEPTIONS


@pytest.mark.parametrize("line", [
    "import pickle", "from joblib import load", "import pickle.x", "eval('1')", "torch.load(f)", "x.extractall()",
    "unpack = x.extractall", "yaml.load(text)", "np.load(f)", "np.load(f, allow_pickle=True)",
    "read(f, weights_only=False)", "subprocess.run('x', shell=True)",
])  # fmt: skip
def test_offences_are_seen(line: str) -> None:
    assert len(list(offences(ast.parse(line)))) == 1


@pytest.mark.parametrize("line", [
    "module.eval()", "re.compile('a')", "np.load(path, allow_pickle=False)", "load(f, weights_only=True)",
])  # fmt: skip
def test_harmless_code_is_not_seen(line: str) -> None:
    assert list(offences(ast.parse(line))) == []
