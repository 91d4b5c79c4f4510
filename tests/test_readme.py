"""The README says what is there: its commands, its examples and its tree."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_readme_opens_with_a_sentence_and_the_two_commands():
    title, sentence, rest = README.split("\n\n", 2)
    commands = re.match(r"```\n(.*?)```", rest, re.DOTALL)[1]
    assert title == "# narrows"
    assert sentence.endswith(".")
    assert [line for line in commands.splitlines() if line.startswith("pip")] == [
        'pip install -c constraints.txt ".[samples]" && narrows train vae',
        'pip install -c constraints.txt -e ".[test]" && pytest',
    ]


@pytest.mark.slow
def test_ci_runs_the_test_command_of_the_readme():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    reading = re.search(r"^test_command=\$\((.*)\)$", script, re.MULTILINE)[1]
    result = subprocess.run(["bash", "-c", reading], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert result == 'pip install -c constraints.txt -e ".[test]" && pytest\n'


@pytest.mark.slow
def test_python_examples_run_and_print_what_they_say(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for number, example in enumerate(EXAMPLES, 1):
        exec(compile(example, f"README.md, example {number}", "exec"), names)
    promised = re.findall(r"print\(.*\)  # (.*)", "\n".join(EXAMPLES))
    assert capsys.readouterr().out.splitlines() == promised


def test_tree_lists_every_file_and_package_with_a_comment():
    tree = re.search(r"^```\nsrc/narrows/\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)[1]
    rows = [re.fullmatch(r" +(\S+) +(.+)", line).groups() for line in tree.splitlines()]
    source = ROOT / "src" / "narrows"
    packages = [f"{path.parent.name}/" for path in source.glob("*/__init__.py")]
    assert sorted(name for name, _ in rows) == sorted([*packages, *(path.name for path in source.glob("*.py"))])


def test_links_lead_to_files():
    for document in ROOT.glob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (ROOT / target).exists(), f"{document.name}: {target}"
