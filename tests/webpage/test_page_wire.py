"""Messages of the page: what goes in comes out, and hostile bytes are an error."""

import json

import numpy as np
import pytest

from narrows.errors import FormatError
from narrows.page.wire import Message, pack, unpack


def test_what_is_packed_is_unpacked():
    tensors = {"x": np.arange(6.0).reshape(2, 3), "rows": np.array([3, 7]), "tiles": np.zeros((1, 2, 2), np.uint8)}
    message = unpack(pack(Message({"seq": 7, "text": "é\u0000", "bad": float("nan")}, tensors)))
    assert message.meta == {"seq": 7, "text": "é\u0000", "bad": None}
    assert {name: array.dtype.name for name, array in message.tensors.items()} == {
        "x": "float32", "rows": "int32", "tiles": "uint8"
    }  # fmt: skip
    for name, array in tensors.items():
        np.testing.assert_array_equal(message.tensors[name], array)


def test_a_header_with_blanks_at_its_end_is_one():
    header = json.dumps({"__metadata__": {"json": '{"do":"x"}'}, "e": entry("F32", [0, 3], 0, 0)}).encode() + b"   "
    message = unpack(len(header).to_bytes(8, "little") + header)
    assert message.meta == {"do": "x"}
    assert message.tensors["e"].shape == (0, 3)


def entry(kind, shape, start, end):
    return {"dtype": kind, "shape": shape, "data_offsets": [start, end]}


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ({"x": entry("F64", [1], 0, 8)}, "U8, I32 or F32"),
        ({"x": entry("F32", [2**62, 0], 0, 0)}, "possible shape"),
        ({"x": entry("F32", [2**40], 0, 2**42)}, "It was cut"),
        ({"x": entry("F32", [2], 0, 8), "y": entry("F32", [2], 0, 8)}, "begin where"),
        ({"__metadata__": {"json": "[1]"}}, "object"),
        ({"__metadata__": {"json": '{"a": NaN}'}}, "number"),
        ({"__metadata__": {"json": "[" * 100}}, "nests"),
        ({"__metadata__": {"json": 3}}, "strings"),
    ],
)
def test_unsound_messages_are_named_errors(header, why):
    head = json.dumps(header).encode()
    with pytest.raises(FormatError, match=why):
        unpack(len(head).to_bytes(8, "little") + head + b"\0" * 8 * ("F64" in str(header)))


def test_too_many_bytes_are_refused_first():
    with pytest.raises(FormatError, match="at most 10 bytes"):
        unpack(b"x" * 11, limit=10)


def test_spoiled_bytes_never_do_more_than_raise():
    data = pack(Message({"do": "decode", "seq": 1}, {"z": np.ones((2, 3), np.float32)}))
    rng = np.random.default_rng(0)
    sound = 0
    for i in range(400):
        spoiled = bytearray(data)
        for _ in range(rng.integers(1, 6)):
            spoiled[rng.integers(len(spoiled))] = rng.integers(256)
        try:
            unpack(bytes(spoiled[: rng.integers(len(data))] if i % 3 == 0 else spoiled))
            sound += 1
        except FormatError:
            pass
    assert sound < 100
