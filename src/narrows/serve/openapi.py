"""The description of what is served, in OpenAPI 3.1.

The paths and schemas of the protocol are those of kserve/open-inference-protocol, for the models that are served.
"""

from __future__ import annotations

from typing import Any

from narrows import __version__
from narrows.serve.models import Models
from narrows.serve.protocol import HEADER, VERSION
from narrows.serve.tensors import DATATYPES, LONGEST, MOST_AXES
from narrows.serve.verbs import VERBS

ERRORS = {
    400: "The request cannot be answered; the sentence says why.", 401: "The token of the server is missing.",
    403: "The host or the origin is another than those of the server.", 413: "The body has more than 16 MiB.",
    503: "The server has as much to do as it may hold.",
}  # fmt: skip


def description(models: Models) -> dict[str, Any]:
    """Return the description of the models that are served."""
    paths: dict[str, Any] = {
        "/v2": {"get": _get("What the server is.", "metadata_server_response")},
        "/v2/": {"get": _get("What the server is.", "metadata_server_response")},
        "/v2/health/live": {"get": _get("Whether the server answers.", "live_server_response")},
        "/v2/health/ready": {"get": _get("Whether requests are welcome.", "ready_server_response", 503)},
        "/metrics": {"get": _plain("What was counted, for Prometheus.", "text/plain")},
        "/openapi.json": {"get": _get("This description.", "object")},
    }
    name = _parameter("name", {"type": "string", "enum": sorted(models.served)})
    version = _parameter("version", {"type": "string", "enum": [VERSION]})
    for path, parameters in (("/v2/models/{name}", [name]), ("/v2/models/{name}/versions/{version}", [name, version])):
        about = {"parameters": parameters}
        paths[path] = {**about, "get": _get("What a model takes and gives.", "metadata_model_response", 404)}
        paths[f"{path}/ready"] = {
            **about, "get": _get("Whether a model can be asked.", "ready_model_response", 404)
        }  # fmt: skip
        paths[f"{path}/infer"] = {**about, "post": _infer()}
    for verb in VERBS.values():
        paths[f"/{verb.name}"] = {"post": _curl(models, verb.name, verb.about)}
    info = {"title": "narrows", "version": __version__, "description": "Models of narrows over HTTP."}
    components = {"schemas": SCHEMAS, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": components, "security": [{}, {"token": []}]}


def _get(about: str, schema: str, *errors: int) -> dict[str, Any]:
    return {"summary": about, "responses": {"200": _json("OK", schema), **_errors(*errors)}}


def _plain(about: str, media: str) -> dict[str, Any]:
    ok = {"description": "OK", "content": {media: {"schema": {"type": "string"}}}}
    return {"summary": about, "responses": {"200": ok, **_errors()}}


def _infer() -> dict[str, Any]:
    header = {
        "name": HEADER, "in": "header", "required": False,
        "description": "Bytes of the JSON, where tensors follow it as bytes.",
        "schema": {"type": "integer", "minimum": 1},
    }  # fmt: skip
    content = {"application/json": {"schema": _ref("inference_request")}}
    return {
        "summary": "Ask a model.", "parameters": [header],
        "requestBody": {"required": True, "content": content},
        "responses": {"200": _json("OK", "inference_response"), **_errors(404, 413)},
    }  # fmt: skip


def _curl(models: Models, verb: str, about: str) -> dict[str, Any]:
    run = {"name": "run", "in": "query", "required": len(models.runs) > 1,
           "schema": {"type": "string", "enum": models.runs}}  # fmt: skip
    label = {
        "name": "y", "in": "query", "required": False, "schema": {"type": "string"},
        "description": "The label of all samples, or of each, separated by commas, for a model with a condition.",
    }  # fmt: skip
    text = {"schema": {"type": "string"}}
    content = {
        "application/json": {"schema": {"type": ["array", "object"]}}, "text/csv": text,
        "image/png": {"schema": {"type": "string", "contentMediaType": "image/png"}},
        "image/jpeg": {"schema": {"type": "string", "contentMediaType": "image/jpeg"}},
    }  # fmt: skip
    ok = {"description": "OK", "content": {"application/json": {"schema": {"type": "object"}}, "text/csv": text,
                                           "image/png": content["image/png"]}}  # fmt: skip
    return {
        "summary": about, "parameters": [run, label], "requestBody": {"required": True, "content": content},
        "responses": {"200": ok, **_errors(413)},
    }  # fmt: skip


def _errors(*more: int) -> dict[str, Any]:
    known = {**ERRORS, 404: "There is no such model or version."}
    found = {str(status): _json(known[status], "error_response") for status in (400, 401, 403, 503, *more)}
    retry = {"retry-after": {"description": "Seconds to wait.", "schema": {"type": "string"}}}
    return {**found, "503": {**found["503"], "headers": retry}}


def _json(about: str, schema: str) -> dict[str, Any]:
    content = {"type": "object"} if schema == "object" else _ref(schema)
    return {"description": about, "content": {"application/json": {"schema": content}}}


def _parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "object", "properties": {**required, **(optional or {})}, "required": list(required)}


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


TEXT, TRUTH = {"type": "string"}, {"type": "boolean"}
NAME = {"type": "string", "maxLength": 100}
SHAPE = {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": LONGEST}, "maxItems": MOST_AXES}
DATATYPE = {"type": "string", "enum": list(DATATYPES)}
FREE_SHAPE = _list({"type": "integer", "minimum": -1})
TENSOR = {"name": TEXT, "shape": SHAPE, "datatype": DATATYPE}
METADATA = _list(_ref("metadata_tensor"))
SCHEMAS: dict[str, Any] = {
    "metadata_server_response": _object({"name": TEXT, "version": TEXT, "extensions": _list(TEXT)}),
    "live_server_response": _object({"live": TRUTH}),
    "ready_server_response": _object({"live": TRUTH, "ready": TRUTH}),
    "ready_model_response": _object({"name": TEXT, "ready": TRUTH}),
    "metadata_tensor": _object({"name": TEXT, "datatype": DATATYPE, "shape": FREE_SHAPE}),
    "metadata_model_response": _object(
        {"name": TEXT, "platform": TEXT, "inputs": METADATA, "outputs": METADATA}, {"versions": _list(TEXT)}
    ),
    "parameters": {"type": "object"},
    "tensor_data": _list({"anyOf": [_ref("tensor_data"), {"type": ["number", "string", "boolean"]}]}),
    "request_input": _object(
        {"name": NAME, "shape": SHAPE, "datatype": DATATYPE},
        {"data": _ref("tensor_data"), "parameters": _ref("parameters")},
    ),
    "request_output": _object({"name": NAME}, {"parameters": _ref("parameters")}),
    "inference_request": _object(
        {"inputs": _list(_ref("request_input"))},
        {"id": TEXT, "parameters": _ref("parameters"), "outputs": _list(_ref("request_output"))},
    ),
    "response_output": _object(TENSOR, {"data": _ref("tensor_data"), "parameters": _ref("parameters")}),
    "inference_response": _object(
        {"model_name": TEXT, "outputs": _list(_ref("response_output"))},
        {"model_version": TEXT, "id": TEXT, "parameters": _ref("parameters")},
    ),
    "error_response": _object({"error": TEXT}),
}
