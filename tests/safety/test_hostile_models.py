"""Model files from strangers: each is refused with a named error, in no time, and before memory is taken."""

import io
import json
import os
import pickle
import re
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from narrows import AE
from narrows.errors import ConfigError, FormatError
from narrows.estimators.loading import load_model
from narrows.storage.json import MAX_BYTES, MAX_VALUES, read_json
from narrows.storage.tensors import read_tensors
from safety.clock import within
from safety.mutations import Files, good_models, packed, put, signed


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> list[Files]:
    return good_models(tmp_path_factory.mktemp("good"))


def test_the_good_ones_load(good: list[Files], tmp_path: Path) -> None:
    for files in good:
        put(tmp_path, signed(json.loads(files.record), files.tensors, files.lines))
        assert load_model(tmp_path).module_ is not None


def refusal(folder: Path, files: Files) -> str:
    """Return the named error by which files are refused, within 2 s and 128 MB; fails where they are not."""
    put(folder, files)
    with within(2), pytest.raises((FormatError, ConfigError)) as caught:
        load_model(folder)
    tracemalloc.start()  # which makes it slow
    try:
        with pytest.raises((FormatError, ConfigError)):
            load_model(folder)
        assert tracemalloc.get_traced_memory()[1] < 2**27
    finally:
        tracemalloc.stop()
    assert len(str(caught.value)) < 1500
    assert "\0" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    return str(caught.value)


class Bomb:
    """Would leave a mark if it were unpickled."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("exploded",)


def pickles() -> dict[str, bytes]:
    torch_file, npz, npy = io.BytesIO(), io.BytesIO(), io.BytesIO()
    torch.save({"x": torch.zeros(2)}, torch_file)
    with zipfile.ZipFile(npz, "w") as archive:
        archive.writestr("data.pkl", pickle.dumps(Bomb()))
    np.save(npy, np.array([Bomb()], dtype=object), allow_pickle=True)
    made = {f"protocol {n}": pickle.dumps(Bomb(), n) for n in range(6)}
    return {**made, "torch": torch_file.getvalue(), "zip": npz.getvalue(), "npy": npy.getvalue()}


@pytest.mark.parametrize("kind", pickles())
def test_a_pickle_under_any_name(kind: str, good: list[Files], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data, files = pickles()[kind], good[1]
    record = json.loads(files.record)
    folder = tmp_path / "model"
    folder.mkdir()
    assert "safetensors" in refusal(folder, signed(record, data, files.lines))
    assert "JSON" in refusal(folder, signed(record, files.tensors, data))
    assert "JSON" in refusal(folder, files._replace(record=data))
    for name in ("model.pkl", "model.pt", "model.joblib", "weights.safetensors"):
        put(folder, files)
        (folder / name).write_bytes(data)  # what is not named is not read
        load_model(folder)
    assert not (tmp_path / "exploded").exists()


def entry(shape: list[int], start: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


HEADERS: dict[str, tuple[Callable[[], bytes], str]] = {
    "length 2^63": (lambda: struct.pack("<Q", 2**63) + b"{}", "header of at most"),
    "length 2^64 - 1": (lambda: b"\xff" * 8 + b"{}", "header of at most"),
    "length beyond the file": (lambda: struct.pack("<Q", 100) + b"{}", "header of at most"),
    "too short for a length": (lambda: b"\1\0", "header of at most"),
    "empty": (lambda: b"", "header of at most"),
    "100,000 tensors": (
        lambda: packed({f"t{i}": entry([0], 0, 0) for i in range(100_000)}, b""), "header of at most",
    ),
    "10,001 tensors": (
        lambda: packed({f"t{i}": entry([0], 0, 0) for i in range(10_001)}, b""), "at most 10000 tensors",
    ),
    "overlap": (lambda: packed({"a": entry([2], 0, 8), "b": entry([2], 4, 12)}, bytes(12)), "begin where"),
    "gap": (lambda: packed({"a": entry([1], 0, 4), "b": entry([1], 8, 12)}, bytes(12)), "begin where"),
    "not from the start": (lambda: packed({"a": entry([1], 4, 8)}, bytes(8)), "begin where"),
    "beyond the end": (lambda: packed({"a": entry([100], 0, 400)}, bytes(8)), "it was cut|It was cut"),
    "data left over": (lambda: packed({"a": entry([1], 0, 4)}, bytes(8)), "must hold 4 bytes"),
    "negative offsets": (lambda: packed({"a": entry([1], -4, 0)}, bytes(4)), "begin where"),
    "reversed offsets": (lambda: packed({"a": entry([1], 4, 0)}, bytes(4)), "as many bytes"),
    "huge offsets": (lambda: packed({"a": entry([2**62], 0, 2**64)}, bytes(4)), "must hold"),
    "shape overflows to 0": (lambda: packed({"a": entry([2**32, 2**32], 0, 0)}, b""), "as many bytes"),
    "shape overflows to 4": (lambda: packed({"a": entry([2**62 + 1, 4], 0, 16)}, bytes(16)), "as many bytes"),
    "negative shape": (lambda: packed({"a": entry([-1, -1], 0, 4)}, bytes(4)), "known dtype, a shape"),
    "shape of floats": (lambda: packed({"a": entry([1.0], 0, 4)}, bytes(4)), "known dtype, a shape"),  # type: ignore[list-item]
    "40 dimensions": (lambda: packed({"a": entry([1] * 40, 0, 4)}, bytes(4)), "known dtype, a shape"),
    "unknown dtype": (lambda: packed({"a": entry([1], 0, 4, "OBJ")}, bytes(4)), "known dtype, a shape"),
    "another key": (lambda: packed({"a": {**entry([1], 0, 4), "code": "x"}}, bytes(4)), "and no more"),
    "no object": (lambda: packed({"a": 7}, b""), "known dtype, a shape"),
    "tensor twice": (
        lambda: packed(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
                       b'"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4)), "twice",
    ),
    "header a list": (lambda: packed(b"[]", b""), "no object"),
    "header not JSON": (lambda: packed(b"{'a': 1}", b""), "sound JSON"),
    "header nested": (lambda: packed(b"[" * 100_000, b""), "deeper"),
    "metadata no strings": (lambda: packed({"__metadata__": {"a": 1}}, b""), "__metadata__"),
    "metadata a list": (lambda: packed({"__metadata__": [1]}, b""), "__metadata__"),
}  # fmt: skip


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_lies(name: str, good: list[Files], tmp_path: Path) -> None:
    make, words = HEADERS[name]
    assert re.search(words, refusal(tmp_path, signed(json.loads(good[1].record), make(), good[1].lines)))


def test_truth_values_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(packed({"a": entry([2], 0, 2, "BOOL")}, b"\1\2"))
    with pytest.raises(FormatError, match="0 and 1"):
        read_tensors(path)


TEXTS = {
    "empty": (b"", "sound JSON"),
    "not JSON": (b"model: ae", "sound JSON"),
    "not UTF-8": (b'{"a": "\xff"}', "sound JSON"),
    "a list": (b"[]", "no object"),
    "a number": (b"7", "no object"),
    "half a character": (b'{"a": "\\ud800"}', "surrogates not allowed"),
    "key twice": (b'{"a": 1, "a": 2}', "twice"),
    "inner key twice": (b'{"f": {"a": 1, "a": 1}}', "twice"),
    "NaN": (b'{"a": NaN}', "NaN is no number"),
    "Infinity": (b'{"a": [Infinity]}', "Infinity is no number"),
    "-Infinity": (b'{"a": -Infinity}', "-Infinity is no number"),
    "1e999": (b'{"a": 1e999}', "too large"),
    "a million digits": (b'{"a": ' + b"9" * 10**6 + b"}", "too long"),
    "lists 10^5 deep": (b'{"a": ' + b"[" * 10**5 + b"]" * 10**5 + b"}", "deeper"),
    "objects 10^5 deep": (b'{"a":' * 10**5 + b"1" + b"}" * 10**5, "deeper"),
    "never closed": (b'{"a": ' + b"[" * 10**5, "deeper"),
    "many values": (b'{"a": [' + b"[]," * (MAX_VALUES // 2) + b"1]}", "values"),
    "strings that never end": (b'{"' + b'\\"' * 10**6 + b"\\", "sound JSON"),
    "too long": (b'{"a": "' + b"x" * MAX_BYTES + b'"}', "at most"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_json_that_is_not_sound(name: str, good: list[Files], tmp_path: Path) -> None:
    text, words = TEXTS[name]
    assert re.search(words, refusal(tmp_path, good[1]._replace(record=text)))


def test_what_ends_in_a_string_is_no_structure(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps({"a": "[" * 1000 + '\\"{', "b": "\\"}))
    assert read_json(tmp_path / "x.json") == {"a": "[" * 1000 + '\\"{', "b": "\\"}


def with_parameters(**changed: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda record: {**record, "parameters": {**record["parameters"], **changed}}


def with_hidden(hidden: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return with_parameters(network={"mlp": {"hidden": hidden}})


def with_schema(**changed: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda record: {**record, "schema": {**record["schema"], **changed}}


def with_values(**changed: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda record: {**record, **changed}


def without(key: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda record: {name: value for name, value in record.items() if name != key}


RECORDS: dict[str, tuple[Callable[[dict[str, Any]], dict[str, Any]], str]] = {
    "another format": (with_values(format=1), "format must be 2; got 1"),
    "format true": (with_values(format=True), "format must be 2"),
    "a model that is not there": (with_values(model="aee"), "one of pca, ae, vae; got 'aee'. Did you mean 'ae'"),
    "a model with a path": (with_values(model="os.system"), "model must be one of"),
    "a model that is a list": (with_values(model=["ae"]), "model must be str"),
    "a long model": (with_values(model="a" * 10**6), "model must be one of"),
    "no parameters": (without("parameters"), "must hold parameters"),
    "no schema": (without("schema"), "must hold schema"),
    "parameters a list": (with_values(parameters=[]), "parameters must be"),
    "schema a list": (with_values(schema=[]), "schema must be"),
    "schema with a key": (with_schema(__class__="x"), "schema must have no '__class__'"),
    "no kind": (with_schema(kind=None), "schema.kind must be str"),
    "another kind": (with_schema(kind="images"), "schema must describe samples"),
    "shape empty": (with_schema(shape=[]), "schema must describe samples"),
    "shape of 4": (with_schema(shape=[1, 1, 1, 6]), "schema must describe samples"),
    "shape negative": (with_schema(shape=[-6]), "schema must describe samples"),
    "shape zero": (with_schema(shape=[0]), "schema must describe samples"),
    "shape of floats": (with_schema(shape=[6.0]), r"schema.shape\[0\] must be int or null"),
    "shape another": (with_schema(shape=[7]), "belongs to another model"),
    "shape vast": (with_schema(shape=[10**12]), "belongs to another model|can be built"),
    "shape beyond": (
        with_schema(shape=[2**62, 2**62], kind="sequences"), "belongs to another model|can be built"),
    "a free axis": (with_schema(shape=[None]), "schema must describe samples"),
    "steps of a table": (with_schema(steps=3), "schema must describe samples"),
    "no rows": (with_schema(rows=0), "schema must describe samples"),
    "columns too few": (with_schema(columns=["a"]), "schema must describe samples"),
    "a dtype of objects": (with_schema(dtype="object"), "schema must describe samples"),
    "another scale": (with_schema(scale="robust"), "schema must describe samples"),
    "latent_dim vast": (with_parameters(latent_dim=10**13), "another model|can be built|hidden must be"),
    "names too few": (with_values(feature_names=["a"]), "feature_names must be"),
    "names of numbers": (with_values(feature_names=[1] * 6), r"feature_names\[0\] must be str"),
    "a parameter unknown": (with_parameters(latent_dims=2), "no parameter 'latent_dims'. Did you mean 'latent_dim'"),
    "a method": (with_parameters(fit="x"), "no parameter 'fit'"),
    "a class": (with_parameters(__class__="x"), "no parameter '__class__'"),
    "hidden vast": (with_hidden([10**12]), "another model|can be built"),
    "hidden overflows": (with_hidden([2**62, 2**62]), "another model|can be built"),
    "hidden beyond int64": (with_hidden([10**19]), "another model|can be built|hidden must be"),
    "hidden of 10^5 layers": (with_hidden([1] * 10**5), "at most 1000 entries"),
    "hidden of 999 layers": (with_hidden([1] * 999), "another model"),
    "hidden of lists": (with_hidden([[4]]), "hidden must be"),
    "hidden a name": (with_hidden("4"), "hidden must be"),
    "out of bounds": (with_parameters(learning_rate=-1), "learning_rate must be"),
    "not a number": (with_parameters(learning_rate="0.1"), "learning_rate must be"),
    "a share": (with_parameters(warmup=1.5), "warmup must be"),
    "a whole number": (with_parameters(batch_size=1.5), "batch_size must be"),
    "true for a number": (with_parameters(epochs=True), "epochs must be"),
    "null": (with_parameters(epochs=None), "epochs must be"),
    "a path": (with_parameters(network="../../etc/passwd"), "not a path"),
    "an address": (with_parameters(likelihood="http://localhost/x"), "not a path"),
    "a windows path": (with_parameters(corruption="C:\\x"), "not a path"),
    "escapes": (with_parameters(network="\x1b[2J"), "network must be"),
    "a long name": (with_parameters(network="x" * 10**6), "not a path"),
    "code": (with_parameters(likelihood="__import__('os').getcwd()"), "likelihood must be one of"),
    "a likelihood's scale": (with_parameters(likelihood="gaussian:-1"), "scale must be"),
    "a corruption's name": (with_parameters(corruption="gausian:1"), "corruption must be one of"),
    "a corruption's amount": (with_parameters(corruption="masking:2"), "p must be"),
    "an activation": (with_parameters(network={"mlp": {"activation": "eval"}}), "activation must be"),
    "a long activation": (with_parameters(network={"mlp": {"activation": "x" * 10**6}}), "not a path"),
    "no such component": (with_parameters(network={"mpl": {}}), "one of the keys 'mlp'"),
    "two components": (with_parameters(network={"mlp": {}, "conv": {}}), "one of the keys 'mlp'"),
    "a parameter of no component": (with_parameters(network={"mlp": {"__class__": 1}}), "no parameter '__class__'"),
    "a number for a name": (with_parameters(code=3), "code must be a component or one of"),
    "null for a name": (with_parameters(code=None), "code must be a name or a component"),
    "a device": (with_parameters(device="cuda:0"), "device must be"),
    "an object": (with_parameters(network={"object": "Net()"}), "user's own object"),
    "a list for a name": (with_parameters(network=["mlp", "mlp"]), "network must be"),
    "an empty pair": (with_parameters(network=[]), "network must be|pair"),
    "another network": (with_parameters(network="conv"), "network='conv' must have"),
    "another code": (with_parameters(code="vq:4"), "lacks the tensors"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", RECORDS)
def test_a_record_that_lies(name: str, good: list[Files], tmp_path: Path) -> None:
    change, words = RECORDS[name]
    changed = signed(change(json.loads(good[1].record)), good[1].tensors, good[1].lines)
    assert re.search(words, refusal(tmp_path, changed))


LINES: dict[str, tuple[bytes, str]] = {
    "no object": (b"3\n", "no object"),
    "no epoch": (b"{}\n", r"history\[0\] must have 'epoch'"),
    "a name for a number": (b'{"epoch": "1"}\n', r"history\[0\].epoch must be int"),
    "cut": (b'{"epoch": 1, "tr', "sound JSON"),
    "NaN": (b'{"epoch": NaN}\n', "NaN is no number"),
}


@pytest.mark.parametrize("name", LINES)
def test_a_history_that_lies(name: str, good: list[Files], tmp_path: Path) -> None:
    lines, words = LINES[name]
    assert re.search(words, refusal(tmp_path, signed(json.loads(good[1].record), good[1].tensors, lines)))


def changed_tensors(change: Callable[[dict[str, np.ndarray]], None], good: Files, folder: Path) -> bytes:
    from safetensors.numpy import save

    path = folder / "x.safetensors"
    path.write_bytes(good.tensors)
    arrays = read_tensors(path)
    change(arrays)
    return save(arrays)


WEIGHT, BIAS = "networks.encoder.body.1.weight", "networks.encoder.body.1.bias"


def rename(arrays: dict[str, np.ndarray]) -> None:
    arrays["networks.encoder.body.9.weight"] = arrays.pop(WEIGHT)


TENSORS: dict[str, tuple[Callable[[dict[str, np.ndarray]], Any], str]] = {
    "one more": (lambda a: a.update(x=np.zeros(1, np.float32)), "must not hold the tensors 'x'"),
    "one fewer": (lambda a: a.pop(WEIGHT), f"lacks the tensors '{WEIGHT}'"),
    "renamed": (rename, f"lacks the tensors '{WEIGHT}'"),
    "transposed": (lambda a: a.update({WEIGHT: a[WEIGHT].T.copy()}), r"float32 \(4, 6\)"),
    "double": (lambda a: a.update({WEIGHT: a[WEIGHT].astype("f8")}), "must be float32"),
    "nan": (lambda a: a[BIAS].fill(np.nan), "must hold finite numbers"),
    "infinity": (lambda a: a[BIAS].fill(-np.inf), "must hold finite numbers"),
}


@pytest.mark.parametrize("name", TENSORS)
def test_tensors_of_another_model(name: str, good: list[Files], tmp_path: Path) -> None:
    change, words = TENSORS[name]
    folder = tmp_path / "model"
    folder.mkdir()
    tensors = changed_tensors(change, good[1], tmp_path)
    assert re.search(words, refusal(folder, signed(json.loads(good[1].record), tensors, good[1].lines)))


def test_changes_after_saving_are_seen(good: list[Files], tmp_path: Path) -> None:
    text, tensors, lines = good[1]
    for files in (
        good[1]._replace(record=text.replace(b'"epochs": 2', b'"epochs": 3')),
        good[1]._replace(tensors=tensors[:-1] + bytes([tensors[-1] ^ 1])),
        good[1]._replace(lines=lines.replace(b'"epoch": 1', b'"epoch": 2')),
    ):
        assert files != good[1]
        put(tmp_path, files)
        with pytest.raises(FormatError, match="checksum"):
            load_model(tmp_path)


def test_the_tensors_name_is_no_path(good: list[Files], tmp_path: Path) -> None:
    record = json.loads(good[1].record)
    for name in ("../../../../etc/passwd", "x" * 64, "", 7, None, ["a"]):
        (tmp_path / "model.json").write_text(json.dumps({**record, "tensors": name}))
        with pytest.raises(FormatError, match="name its tensors by a checksum"):
            load_model(tmp_path)


def test_what_is_no_file(good: list[Files], tmp_path: Path) -> None:
    for make in (lambda p: p.mkdir(), os.mkfifo, lambda p: p.symlink_to("/dev/zero")):
        path = tmp_path / "model.json"
        make(path)
        with pytest.raises(FormatError, match="must be a file; it is something else"):
            load_model(tmp_path)
        path.rmdir() if path.is_dir() else path.unlink()
    with pytest.raises(FormatError, match="it is missing"):
        load_model(tmp_path)
    put(tmp_path, good[1])
    next(tmp_path.glob("*.safetensors")).unlink()
    with pytest.raises(FormatError, match="it is missing"):
        load_model(tmp_path)


def test_own_objects_are_given_again(tmp_path: Path) -> None:
    pair = (torch.nn.Linear(4, 2), torch.nn.Linear(2, 4))
    X = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    model = AE(network=pair, latent_dim=2, epochs=1).fit(X)
    model.save(tmp_path)
    with pytest.raises(FormatError, match=re.escape("load(folder, network=...)")):
        load_model(tmp_path)
    np.testing.assert_array_equal(load_model(tmp_path, network=pair).transform(X), model.transform(X))
    for wrong in ((torch.nn.Linear(4, 2), torch.nn.Linear(2, 4, bias=False)), (torch.nn.Linear(5, 2), pair[1])):
        with pytest.raises((FormatError, ConfigError), match=r"network|tensors"):
            load_model(tmp_path, network=wrong)
