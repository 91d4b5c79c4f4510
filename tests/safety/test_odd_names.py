"""Folders and classes with names of every kind, through the commands: nothing is obeyed, nothing breaks."""

import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from narrows import load_dataset
from narrows.cli.app import main
from narrows.runs import Run

CLASSES = (
    "two words", "line\nbreak", "tab\there", "שלום \u202egnp", "🐕", "[bold]x[", "]", "\x1b[31mred", "$\\frac{$", "-rf",
    "caf\udce9",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:load_dataset")
@pytest.mark.skipif(sys.platform == "win32", reason="there are no such names")
def test_odd_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "images [" / "] $of$ \x1b[2J🐕"  # as a path, it holds what ends a style in rich: [/]
    classes = CLASSES if sys.platform == "linux" else CLASSES[:-1]
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for i in range(4):
            Image.new("L", (6, 6), 20 * number + i).save(folder / name / f"{i}.png")
        (folder / name / "bad.png").write_bytes(b"no image")
    data = str(folder.relative_to(tmp_path))

    assert main(["data", data]) == 0
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "\u202e" not in printed
    assert f"{len(classes)} files" in printed
    for text in ("[bold]x[", "\\x1b[31mred", "$\\frac{$", "🐕", "שלום"):
        assert text in printed

    small = ["--latent-dim", "2", "--network", "mlp:4", "--epochs", "1", "--name", "x"]
    assert main(["train", "ae", "--data", data, *small]) == 0
    run = Run("runs/x")
    assert run.status == "finished"
    assert (run.folder / "latent.png").stat().st_size > 0
    names = load_dataset(data).label_names
    assert names is not None
    assert set(names) == {os.fsencode(name).decode("utf-8", "backslashreplace") for name in classes}
    for command in ("show", "evaluate"):
        assert main([command, "x"]) == 0
    printed, problems = capsys.readouterr()
    assert "\x1b" not in printed + problems
