"""`narrows serve`: models of runs over HTTP."""

from __future__ import annotations

import gc
from typing import Annotated

from cyclopts import Parameter

from narrows.cli.installed import check_installed
from narrows.errors import ConfigError

NEEDED = ("starlette", "uvicorn", "httptools", "prometheus_client")
"""Packages that the server needs."""


def serve(
    *runs: Annotated[str, Parameter(help="Folders of runs, or their names under runs/; the latest if left out.")],
    port: Annotated[
        int | None, Parameter(help="Where models are served. Default: the first free one from 8080 on.")
    ] = None,
    host: Annotated[
        str, Parameter(help="Address to listen on; another than 127.0.0.1 needs --token, or --without-token.")
    ] = "127.0.0.1",
    token: Annotated[
        str | None, Parameter(help="That requests must carry, as Authorization: Bearer TOKEN; at least 16 characters.")
    ] = None,
    without_token: Annotated[
        bool, Parameter(help="Answer everybody who reaches --host, as behind a gateway that checks.", negative=())
    ] = False,
    allow_host: Annotated[
        list[str] | None, Parameter(help="Name by which a proxy is reached that leads here.", n_tokens=1, negative=())
    ] = None,
    batch: Annotated[int, Parameter(help="Rows of requests that are computed together, at most.")] = 256,
    wait: Annotated[float, Parameter(help="Milliseconds that requests wait for one another, at most.")] = 2.0,
    waiting: Annotated[
        int, Parameter(help="Requests in progress, and rows of a model that wait, at most; those beyond get 503.")
    ] = 1024,
    onnx: Annotated[
        bool, Parameter(help="Compute by ONNX Runtime where `narrows export RUN --to onnx` wrote into the run.")
    ] = True,
) -> int:
    """Serve models of runs over HTTP, by the Open Inference Protocol (KServe, Triton) and for curl."""
    check_installed("serve", "serve", NEEDED)
    for name, value, low in (("batch", batch, 1), ("waiting", waiting, 1), ("wait", wait, 0)):
        if not low <= value <= 1_000_000:
            raise ConfigError(f"serve: {name} must be a number from {low} to 1,000,000; got {value}.")
    from narrows.http import security

    open_to_others = not security.is_loopback(host)
    if token is not None:
        security.check_token(token, "serve")
    from narrows.cli.console import note, out
    from narrows.cli.locate import run_of
    from narrows.serve import server
    from narrows.serve.batching import Limits

    if open_to_others and token is None and not without_token:
        raise ConfigError(
            f"serve: token must be given with a host that is not this machine alone; got {host!r} and none. "
            f"{server.exposure(host)}. Add --token, or --without-token where a gateway checks."
        )
    served = server.ModelServer(
        [run_of(name) for name in runs or (None,)], host=host, port=port, token=token, hosts=allow_host or (),
        limits=Limits(batch, wait / 1000, waiting), use_onnx=onnx, report=note,
    )  # fmt: skip

    def begun() -> None:
        if open_to_others:
            note(f"{server.exposure(host)}.")
        out().print(f"{served.address}\n{', '.join(served.models.served)}\nCtrl-C ends the server.", soft_wrap=True)

    gc.freeze()  # else Python looks for garbage among all that was imported, now and then and for seconds at the end
    served.run(begun)
    return 0
