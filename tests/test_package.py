"""What is shipped: the files of the package, and the archives that are built of them."""

import hashlib
import importlib
import pkgutil
import runpy
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import narrows

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"


@pytest.mark.slow
def test_no_import_opens_a_socket():
    code = """
import importlib, pkgutil, sys
opened = []
sys.addaudithook(lambda event, args: opened.append(event) if event.startswith("socket.") else None)
import narrows
for module in pkgutil.walk_packages(narrows.__path__, "narrows."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(*opened)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []


@pytest.mark.slow
def test_every_name_that_a_package_lists_is_there():
    for module in pkgutil.walk_packages(narrows.__path__, "narrows."):
        if module.ispkg:
            package = importlib.import_module(module.name)
            for name in getattr(package, "__all__", ()):
                assert hasattr(package, name), f"{module.name}.{name}"


def test_the_script_of_the_recipes_page_begins():
    known = runpy.run_path(str(ROOT / "scripts" / "recipes_page"))
    assert "| `cloud-pca` |" in known["page"]({})


def shipped():
    """Return the files of the package, as they are named in a wheel."""
    files = (path for path in SOURCE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(SOURCE).as_posix() for path in files}


def test_package_holds_source_and_nothing_else():
    others = {name for name in shipped() if not name.endswith(".py")}
    recipes = {name for name in others if name.startswith("narrows/recipes/") and name.endswith(".toml")}
    page = {f"narrows/page/static/{name}" for name in ("index.html", "icon.svg")}
    page |= {f"narrows/page/static/{name}.{kind}" for name in ("app", "offline", "widget") for kind in ("js", "css")}
    assert others - recipes == {"narrows/py.typed", *page}
    assert len(recipes) == 27


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    pytest.importorskip("hatchling", reason='building needs hatchling: pip install -e ".[dev]"')

    source = tmp_path_factory.mktemp("source") / "narrows"
    documents = (path.name for path in ROOT.glob("*.md"))
    parts = ("src", "tests", "scripts", "pyproject.toml", "constraints.txt", ".gitignore", "LICENSE", *documents)
    source.mkdir()
    for name in parts:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)

    def build(kind):
        """Build from a copy of its own, in which every file is newly dated; return the one file built."""
        folder = tmp_path_factory.mktemp("build") / "narrows"
        shutil.copytree(source, folder, copy_function=shutil.copy)
        command = [sys.executable, "-m", "hatchling", "build", "--target", kind]
        subprocess.run(command, cwd=folder, capture_output=True, check=True)
        (built,) = (folder / "dist").iterdir()
        return built

    return build


@pytest.mark.slow
def test_wheel_holds_the_package_its_record_and_the_licence(build):
    about = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
    with zipfile.ZipFile(build("wheel")) as wheel:
        assert set(wheel.namelist()) == shipped() | {f"narrows-0.1.0.dist-info/{name}" for name in about}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_two_builds_are_the_same_to_the_byte(build, kind):
    first, second = build(kind), build(kind)
    assert first.name == second.name
    assert hashlib.sha256(first.read_bytes()).hexdigest() == hashlib.sha256(second.read_bytes()).hexdigest()
