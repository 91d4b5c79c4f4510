"""Plain reading and writing; what hostile files and dying disks do is in safety/."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from narrows.errors import FormatError
from narrows.storage import json as json_module
from narrows.storage import lines
from narrows.storage.atomic import write_text
from narrows.storage.json import read_json, write_json
from narrows.storage.lines import append_line, read_lines, write_lines
from narrows.storage.record import lines_path, read_record, tensor_path, write_record
from narrows.storage.tensors import read_tensors, write_tensors


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    made: dict[str, np.ndarray] = {
        kind: rng.integers(0, 2, (2, 3)).astype(kind)
        for kind in ("f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?")
    }
    return {**made, "nothing": np.zeros((0, 3)), "one": np.array(1.5), "turned": rng.normal(size=(3, 2)).T}


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert a[name].dtype == b[name].dtype
        assert a[name].shape == b[name].shape
        np.testing.assert_array_equal(a[name], b[name])


def test_tensors_are_those_of_safetensors(tmp_path: Path) -> None:
    write_tensors(tmp_path / "ours", arrays(), {"note": "ü"})
    same(load_file(tmp_path / "ours"), arrays())
    same(read_tensors(tmp_path / "ours"), arrays())
    flat = {name: np.ascontiguousarray(array) for name, array in arrays().items()}
    save_file(flat, tmp_path / "theirs", {"format": "pt"})
    same(read_tensors(tmp_path / "theirs"), flat)
    assert all(array.flags.writeable for array in read_tensors(tmp_path / "ours").values())


def test_json_comes_back(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, None, True, "ü\u200f\n"], "b": {"c": []}, "zero": -0.0, "tiny": 5e-324}
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json") == value
    assert "ü" in (tmp_path / "x.json").read_text(encoding="utf-8")


def test_characters_beyond_16_bits(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"a": "\\ud83d\\ude00"}')
    assert read_json(tmp_path / "x.json") == {"a": "\U0001f600"}


def test_json_of_numpy_and_of_what_is_not_finite(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"a": np.float32(0.5), "b": (np.int64(3), np.nan), "c": float("inf")})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": 0.5, "b": [3, None], "c": None}


def test_a_record_and_its_tensors(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_record(path, {"a": (1, np.nan)}, {"t": np.arange(3.0)})
    record = read_record(path)
    assert record["a"] == [1, None]
    file = tensor_path(path, record)
    assert sorted(tmp_path.iterdir()) == sorted([path, file])
    same(read_tensors(file, {"t": (np.dtype("f8"), (3,))}, record["tensors"]), {"t": np.arange(3.0)})
    with pytest.raises(FormatError, match=r"'t' must be float64 \(4,\); got float64 \(3,\)"):
        read_tensors(file, {"t": (np.dtype("f8"), (4,))})
    with pytest.raises(FormatError, match="checksum"):
        read_tensors(file, sha256="0" * 64)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    for read in (read_json, read_record, read_tensors):
        with pytest.raises(FormatError, match=r"nowhere\.x: must be a file; it is missing"):
            read(tmp_path / "nowhere.x")


def test_text_keeps_its_line_ends(tmp_path: Path) -> None:
    write_text(tmp_path / "x", "a\r\nü\n")
    assert (tmp_path / "x").read_bytes() == "a\r\nü\n".encode()


LIMITS: dict[str, tuple[dict[str, object], str]] = {
    "bytes": ({"a": "x" * json_module.MAX_BYTES}, "more than 33554432 bytes"),
    "values": ({"a": [0] * (json_module.MAX_VALUES + 1)}, "more than 2097152 values"),
    "depth": ({"a": json.loads("[" * 40 + "]" * 40)}, "deeper than 32"),
    "a key twice": ({1: 0, "1": 0}, None),
    "a long number": ({"a": 10**30}, "too long"),
    "half a surrogate": ({"a": "\ud800"}, "decode"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", LIMITS)
@pytest.mark.parametrize("write", [write_json, append_line, lambda path, value: write_lines(path, [value])])
def test_what_cannot_be_read_again_is_not_written(case: str, write: Callable[..., None], tmp_path: Path) -> None:
    value, reason = LIMITS[case]
    path = tmp_path / "x.json"
    if reason is None:  # keys become text first, and the last one counts
        write(path, value)
        assert read_json(path) == {"1": 0}
        return
    with pytest.raises(FormatError, match=rf"x\.json: must be JSON that can be read again; .*{reason}.* Nothing was"):
        write(path, value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("tensors", [
    {str(i): np.zeros(0) for i in range(10_001)}, {"n" * 2**21: np.zeros(0)}, {"t": np.zeros([1] * 9)},
])  # fmt: skip
def test_tensors_that_cannot_be_read_again_are_not_written(tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"x\.json: "):
        write_record(tmp_path / "x.json", {}, tensors)
    assert list(tmp_path.iterdir()) == []


def test_lines_come_back(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    values = [{"epoch": 1, "loss": 0.1}, {"epoch": 2, "text": "ü\u2028\n"}]
    write_lines(path, values[:1])
    append_line(path, values[1])
    assert read_lines(path) == values
    with path.open("a") as file:
        file.write('{"epoch": ')
    assert read_lines(path, appended=True) == values
    with pytest.raises(FormatError, match="sound JSON"):
        read_lines(path)


def test_limits_of_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.jsonl"
    write_lines(path, [{"a": 1}] * 10)
    monkeypatch.setattr(lines, "MAX_BYTES", 80)
    for act in (lambda: read_lines(path), lambda: append_line(path, {}), lambda: write_lines(path, [{"a": 1}] * 11)):
        with pytest.raises(FormatError, match="must have at most 80 bytes"):
            act()
    assert path.read_text() == '{"a": 1}\n' * 10


@pytest.mark.slow
def test_a_record_of_200000_epochs(tmp_path: Path) -> None:
    """Which one JSON file could not hold."""
    path = tmp_path / "x.json"
    epochs = [{"epoch": i, "train": {"loss": i / 7, "mse": i / 3}, "seconds": i * 0.1} for i in range(200_000)]
    write_record(path, {}, {}, epochs)
    record = read_record(path)
    assert read_lines(lines_path(path, record), record["lines"]) == epochs
    write_record(path, {}, {}, epochs[:1])
    assert len(list(tmp_path.iterdir())) == 3
    with pytest.raises(FormatError, match="checksum"):
        read_lines(lines_path(path, read_record(path)), record["lines"])
    write_record(path, {}, {})
    with pytest.raises(FormatError, match="must name a file of lines"):
        lines_path(path, read_record(path))
