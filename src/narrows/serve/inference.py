"""Routes of the Open Inference Protocol V2."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from narrows import __version__
from narrows.data.arrays import Array
from narrows.errors import DataError, did_you_mean
from narrows.http.answers import Json
from narrows.serve.batching import BusyError
from narrows.serve.models import Models, Served, apart
from narrows.serve.ports import Port
from narrows.serve.protocol import HEADER, VERSION, InferRequest, parse, respond
from narrows.serve.verbs import Question

EXTENSIONS = ("binary_tensor_data",)


def server(request: Request) -> Response:
    """Tell what the server is."""
    return Json({"name": "narrows", "version": __version__, "extensions": list(EXTENSIONS)})


def live(request: Request) -> Response:
    """Tell that the server answers."""
    return Json({"live": True})


def ready(request: Request) -> Response:
    """Tell whether requests are welcome: no more once the server is to end."""
    ending = bool(request.scope.get("ending"))
    return Json({"live": True, "ready": not ending}, 503 if ending else 200)


def model(request: Request) -> Response:
    """Tell what a model takes and gives."""
    served = _served(request)
    about = {"name": served.name, "versions": [VERSION], "platform": served.platform}
    tensors = {
        "inputs": [_tensor(port) for port in served.verb.inputs],
        "outputs": [_tensor(port) for port in served.verb.outputs],
    }
    return Json({**about, **tensors})


def model_ready(request: Request) -> Response:
    """Tell that a model can be asked."""
    return Json({"name": _served(request).name, "ready": True})


async def infer(request: Request) -> Response:
    """Return the outputs of a model."""
    served = _served(request)
    if served.batcher.full:  # before the body is read
        raise BusyError
    body = await request.body()
    wanted, question = await apart(len(body), _asked, served, body, request.headers.get(HEADER))
    result = await served.answer(question)
    content, headers = await apart(result.nbytes, _answered, served, wanted, result)
    return Response(content, headers=headers)


def _asked(served: Served, body: bytes, header: str | None) -> tuple[InferRequest, Question]:
    wanted = parse(body, header)
    known = [port.name for port in served.verb.outputs]
    if wanted.outputs is not None and not set(wanted.outputs) <= set(known):
        raise DataError(f"{served.name}: outputs must be {', '.join(known)}; got {', '.join(wanted.outputs)[:100]}.")
    return wanted, served.question(wanted.inputs)


def _answered(served: Served, wanted: InferRequest, result: Array) -> tuple[bytes, Any]:
    tensors = served.verb.tensors(result)
    asked = tensors if wanted.outputs is None else {name: tensors[name] for name in tensors if name in wanted.outputs}
    return respond(served.name, wanted, asked)


def _served(request: Request) -> Served:
    """Return the model that the address names; 404 where there is none."""
    models: Models = request.app.state.models
    name, version = request.path_params["name"], request.path_params.get("version", VERSION)
    served = models.served.get(name)
    if served is None:
        hint = did_you_mean(name[:100], models.served)
        raise HTTPException(404, f"There is no model {name[:100]!r} here.{hint}")
    if version != VERSION:
        raise HTTPException(404, f"{name}: version must be {VERSION}; got {version[:40]!r}.")
    request.scope["model"] = served.name
    return served


def _tensor(port: Port) -> dict[str, Any]:
    return {"name": port.name, "datatype": port.datatype, "shape": list(port.shape)}


MODEL = ("/v2/models/{name}", "/v2/models/{name}/versions/{version}")
ROUTES: list[BaseRoute] = [
    Route("/v2", server), Route("/v2/", server), Route("/v2/health/live", live), Route("/v2/health/ready", ready),
    *(Route(path, model) for path in MODEL),
    *(Route(f"{path}/ready", model_ready) for path in MODEL),
    *(Route(f"{path}/infer", infer, methods=["POST"]) for path in MODEL),
]  # fmt: skip
"""They need `Models` in `app.state.models`; errors of narrows are left to the application to answer."""
