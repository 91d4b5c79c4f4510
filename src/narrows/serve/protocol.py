"""Requests and responses of inference in the Open Inference Protocol V2, as JSON, and with tensors as bytes after it.

The protocol: https://github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md; its
extension: https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol, binary tensor data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from narrows.data.arrays import Array
from narrows.errors import DataError
from narrows.serve.tensors import check_shape, datatype_of, from_bytes, from_json, to_bytes

HEADER = "inference-header-content-length"
"""Of the bytes that JSON takes, where tensors follow it."""
VERSION = "1"
"""Of every model: a run is trained once."""
BINARY, JSON = "application/octet-stream", "application/json"
REFUSED = ("shared_memory_region", "shared_memory_offset", "shared_memory_byte_size", "classification")
"""Parameters of other extensions, which change what a tensor is: to pass them over would answer something else."""


@dataclass(frozen=True)
class InferRequest:
    """What a request of inference asks."""

    inputs: Mapping[str, Array]
    outputs: tuple[str, ...] | None = None
    """The names of those that are wanted; None for all."""
    id: str | None = None
    binary: frozenset[str] = field(default_factory=frozenset)
    """Outputs that are wanted as bytes."""
    all_binary: bool = False
    """Whether those are that say nothing of it."""
    as_json: frozenset[str] = field(default_factory=frozenset)
    """Outputs that are wanted as JSON."""

    def is_binary(self, output: str) -> bool:
        """Return whether an output is wanted as bytes."""
        return output in self.binary or (self.all_binary and output not in self.as_json)


def parse(body: bytes, header: str | None) -> InferRequest:
    """Return the request that a body holds; `header` is that of its length in JSON.

    Raises
    ------
    DataError
        The body is no request of the protocol.
    """
    end = _json_length(header, len(body))
    content = _object(parsed(body[:end] if end < len(body) else body), "the body")
    tensors = _list(content.get("inputs"), "inputs")
    inputs: dict[str, Array] = {}
    rest = memoryview(body)[end:]
    at = 0
    for tensor in tensors:
        name = _name(tensor, "inputs")
        shape = check_shape(name, tensor.get("shape"))
        size = _parameters(tensor, name).get("binary_data_size")
        if name in inputs:
            raise DataError(f"{name}: an input must be there once; it is there twice.")
        if size is None:
            inputs[name] = from_json(name, tensor.get("data"), tensor.get("datatype"), shape)
            continue
        if type(size) is not int or not 0 <= size <= len(rest) - at or "data" in tensor:
            raise DataError(
                f"{name}: binary_data_size must be the bytes of the tensor after the JSON, in place of data; got "
                f"{str(size)[:40]} and {len(rest) - at:,} bytes. Send the header {HEADER.title()}."
            )
        inputs[name] = from_bytes(name, rest[at : at + size], tensor.get("datatype"), shape)
        at += size
    if at != len(rest):
        raise DataError(f"the body must end with its tensors; got {len(rest) - at:,} more bytes.")
    return InferRequest(inputs, **_wanted(content))


def respond(
    model: str, request: InferRequest, outputs: Mapping[str, Array]
) -> tuple[bytes, Mapping[str, str]]:  # fmt: skip
    """Return the body and the headers of the response."""
    described, tensors = [], []
    for name, array in outputs.items():
        about: dict[str, Any] = {"name": name, "shape": list(array.shape), "datatype": datatype_of(array.dtype)}
        if request.is_binary(name):
            tensors.append(to_bytes(array))
            about["parameters"] = {"binary_data_size": len(tensors[-1])}
        else:
            about["data"] = array.ravel().tolist()
        described.append(about)
    content: dict[str, Any] = {"model_name": model, "model_version": VERSION}
    if request.id is not None:
        content["id"] = request.id
    text = json.dumps({**content, "outputs": described}, allow_nan=False, separators=(",", ":")).encode()
    if not tensors:
        return text, {"content-type": JSON}
    return b"".join([text, *tensors]), {"content-type": BINARY, HEADER: str(len(text))}


def parsed(body: bytes) -> Any:
    """Return what JSON from anywhere holds. Raises: DataError where it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and numbers of too many digits as well
        reason = "it nests too deeply" if isinstance(error, RecursionError) else str(error)
        raise DataError(f"the body must be JSON; {reason}.") from None


def _wanted(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a request says of its outputs, and its id."""
    id_ = content.get("id")
    if id_ is not None and not isinstance(id_, str):
        raise DataError(f"id must be a text; got {str(id_)[:40]}.")
    flags: dict[str, bool | None] = {}
    for output in _list(content["outputs"], "outputs") if "outputs" in content else ():
        name = _name(output, "outputs")
        flags[name] = _flag(_parameters(output, name), "binary_data")
    return {
        "outputs": tuple(flags) or None, "id": id_,
        "binary": frozenset(name for name, flag in flags.items() if flag),
        "as_json": frozenset(name for name, flag in flags.items() if flag is False),
        "all_binary": bool(_flag(_parameters(content, "the request"), "binary_data_output")),
    }  # fmt: skip


def _json_length(header: str | None, length: int) -> int:
    if header is None:
        return length
    if not header.isascii() or not header.isdecimal() or len(header) > 12 or not 0 < int(header) <= length:
        raise DataError(
            f"{HEADER.title()} must be the bytes that JSON takes at the beginning of the body, from 1 to {length}; got "
            f"{header[:40]!r}."
        )
    return int(header)


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{name} must be a JSON object; got {type(value).__name__}.")
    return value


def _list(value: Any, name: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise DataError(f"{name} must be a list of objects; got {str(value)[:60]}.")
    return value


def _name(tensor: Mapping[str, Any], what: str) -> str:
    name = tensor.get("name")
    if not isinstance(name, str) or len(name) > 100:
        raise DataError(f"{what}: name must be a text of at most 100 characters; got {str(name)[:60]}.")
    return name


def _parameters(owner: Mapping[str, Any], name: str) -> dict[str, Any]:
    parameters = owner.get("parameters")
    parameters = {} if parameters is None else _object(parameters, f"{name}: parameters")
    if refused := [each for each in REFUSED if parameters.get(each)]:
        raise DataError(f"{name}: parameters must be those of the protocol; got {refused[0]}, which is not served.")
    return parameters


def _flag(parameters: Mapping[str, Any], name: str) -> bool | None:
    value = parameters.get(name)
    if value is not None and not isinstance(value, bool):
        raise DataError(f"{name} must be true or false; got {str(value)[:40]}.")
    return value
