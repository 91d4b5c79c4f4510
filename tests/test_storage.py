"""Plain reading and writing; what hostile files and dying disks do is in safety/."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from narrows.errors import FormatError
from narrows.storage.record import (
    read_json,
    read_record,
    read_tensors,
    tensor_path,
    write_json,
    write_record,
    write_tensors,
    write_text,
)


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
    found = tensor_path(path, record)
    assert sorted(tmp_path.iterdir()) == sorted([path, found])
    same(read_tensors(found, {"t": (np.dtype("f8"), (3,))}, record["tensors"]), {"t": np.arange(3.0)})
    with pytest.raises(FormatError, match=r"'t' must be float64 \(4,\); got float64 \(3,\)"):
        read_tensors(found, {"t": (np.dtype("f8"), (4,))})
    with pytest.raises(FormatError, match="checksum"):
        read_tensors(found, sha256="0" * 64)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    for read in (read_json, read_record, read_tensors):
        with pytest.raises(FormatError, match=r"nowhere\.x: must be a file; it is missing"):
            read(tmp_path / "nowhere.x")


def test_text_keeps_its_line_ends(tmp_path: Path) -> None:
    write_text(tmp_path / "x", "a\r\nü\n")
    assert (tmp_path / "x").read_bytes() == "a\r\nü\n".encode()
