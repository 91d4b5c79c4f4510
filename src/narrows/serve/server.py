"""The server: its address, and how it ends without losing what it accepted."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import cast

import uvicorn
from sklearn.exceptions import DataConversionWarning

from narrows.http.security import ANY, LOOPBACK, Place, is_loopback, names_of, reached_by
from narrows.http.server import Server, bound
from narrows.runs import Run
from narrows.serve.admission import Admission, AdmittingProtocol
from narrows.serve.app import application
from narrows.serve.batching import Limits
from narrows.serve.guard import Guard
from narrows.serve.metrics import Metrics
from narrows.serve.models import Models

FIRST = 8080
"""The port that is tried first where none is asked for."""
DRAINED, FINISHED = 1.0, 30
"""Seconds for clients to send, on connections that are open, what they are about to; and for answers to be finished."""


class ModelServer:
    """Models that are served: loaded, bound to a port, and not yet answering.

    Parameters
    ----------
    runs
        Runs with a model.
    host, port
        Where it listens; without a port, on the first free one from 8080 on.
    token
        That requests must carry; None where all are answered.
    hosts
        Further names that it is reached by, as behind a proxy.
    limits
        Of batches.
    use_onnx
        Whether a run's export is used where there is one.
    report
        Called with a line on an error of the server itself.

    Raises
    ------
    ConfigError
        The port is taken, the host is no address of this machine, or two runs have one name.
    FormatError
        A run has no sound model.
    """

    def __init__(
        self, runs: Sequence[Run], *, host: str = LOOPBACK[0], port: int | None = None, token: str | None = None,
        hosts: Iterable[str] = (), limits: Limits | None = None, use_onnx: bool = True,
        report: Callable[[str], object] = lambda line: None,
    ) -> None:  # fmt: skip
        self.host = host
        self.socket = bound(host, port, FIRST, "serve")
        self.port: int = self.socket.getsockname()[1]
        metrics, limits = Metrics(), limits or Limits()
        try:
            self.models = Models(runs, limits, metrics.computed, use_onnx=use_onnx)
        except BaseException:
            self.socket.close()
            raise
        # A token protects under any name; so does nothing where all are let in.
        place = Place(names_of(host), others=hosts) if token is None and is_loopback(host) else None
        app = application(self.models, metrics, report=report)
        self.admission = Admission(limits.waiting, metrics)
        self.guard = Guard(app, self.admission, token=token, place=place)

    @property
    def address(self) -> str:
        """The address at which it answers."""
        host = "127.0.0.1" if self.host == ANY[0] else "::1" if self.host == ANY[1] else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def run(self, begun: Callable[[], object] = lambda: None) -> None:
        """Answer until Ctrl-C or SIGTERM, and finish what was accepted."""
        http = cast(type[asyncio.Protocol], functools.partial(AdmittingProtocol, admission=self.admission))
        config = uvicorn.Config(
            self.guard, http=http, log_config=None, access_log=False, lifespan="on", ws="none", server_header=False,
            proxy_headers=False, timeout_graceful_shutdown=FINISHED, timeout_keep_alive=60, loop="asyncio",
        )  # fmt: skip
        server = _Draining(config, self._ending, begun)
        with warnings.catch_warnings():  # before there are threads: a server says to its clients what it has to say
            warnings.simplefilter("ignore", DataConversionWarning)
            server.answer(self.socket)

    def _ending(self) -> None:
        self.admission.ending = True


class _Draining(Server):
    """Takes in, once it is to end, what clients have sent or are about to send on connections that are open."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let in who has connected, answer what comes, each answer closing its connection, and end."""
        self._ending()
        for listening in sockets or ():
            await self._let_in(listening)
        until = time.monotonic() + DRAINED
        while self.server_state.connections and time.monotonic() < until and not self.force_exit:
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)

    async def _let_in(self, listening: socket.socket) -> None:
        """Accept who has connected by now, and listen no more: to close a socket resets those who wait at it."""
        loop, config = asyncio.get_running_loop(), self.config
        loop.remove_reader(listening)
        accepted = []
        with contextlib.suppress(BlockingIOError):
            while True:
                connection, _ = listening.accept()
                accepted.append(connection)
        for server in self.servers:
            server.close()
        for connection in accepted:
            connection.setblocking(False)
            await loop.connect_accepted_socket(
                lambda: config.http_protocol_class(  # type: ignore[call-arg]
                    config=config, server_state=self.server_state, app_state=self.lifespan.state
                ),
                connection,
            )


def exposure(host: str) -> str:
    """Return what a server exposes that listens on more than this machine."""
    return f"{reached_by(host)} can use the models, and nothing is encrypted on the way"
