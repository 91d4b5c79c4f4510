"""The package's source: nothing in it executes what it reads."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import narrows

SOURCE = Path(narrows.__file__).parent
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml", "code"}
NAMES = {"eval", "exec", "compile", "__import__"}
CALLS = {"torch.load", "torch.save", "torch.jit.load", "os.system", "os.popen", "shutil.unpack_archive", "extractall"}


def offences(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names if name.name.partition(".")[0] in MODULES)
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in MODULES:
                yield module
            case ast.Call(func=function, keywords=keywords):
                name = ast.unparse(function)
                if name in NAMES or any(name == call or name.endswith("." + call) for call in CALLS):
                    yield name
                allowed = {k.arg: ast.unparse(k.value) for k in keywords}
                if allowed.get("allow_pickle", "False") != "False" or allowed.get("shell", "False") != "False":
                    yield f"{name} with allow_pickle or shell"
                if name in ("np.load", "numpy.load", "np.lib.format.read_array") and "allow_pickle" not in allowed:
                    yield f"{name} without allow_pickle=False"
                if allowed.get("weights_only", "True") != "True":
                    yield f"{name} with weights_only"


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_nothing_is_executed(path: Path) -> None:
    assert list(offences(ast.parse(path.read_text()))) == []


@pytest.mark.parametrize("line", [
    "import pickle", "from joblib import load", "eval('1')", "torch.load(f)", "x.extractall()", "np.load(f)",
    "np.load(f, allow_pickle=True)", "read(f, weights_only=False)", "subprocess.run('x', shell=True)", "import yaml.x",
])  # fmt: skip
def test_the_walk_sees(line: str) -> None:
    assert list(offences(ast.parse(line)))
