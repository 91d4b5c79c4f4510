"""The server of the page: its address, the browser, and how it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import quote

import uvicorn

from narrows.http.security import ANY, MAX_BODY, names_of, reached_by
from narrows.http.server import Server, bound
from narrows.page.app import application
from narrows.page.security import COOKIE, Guard

FIRST = 8765
"""The port that is tried first where none is asked for."""


class Page:
    """A page that is served: bound to its port, and not yet answering.

    Parameters
    ----------
    folder, only
        See `narrows.page.app.application`.
    host, port
        Where it listens; without a port, on the first free one from 8765 on.
    token
        Of the address.
    hosts
        Further names that it is reached by, as behind a proxy.
    report
        See `narrows.page.app.application`.

    Raises
    ------
    ConfigError
        The port is taken, or the host is no address of this machine.
    """

    def __init__(
        self, folder: Path, *, token: str, only: str | None = None, host: str = "127.0.0.1", port: int | None = None,
        hosts: Iterable[str] = (), report: Callable[[str], object] = lambda line: None,
    ) -> None:  # fmt: skip
        self.token, self.host = token, host
        self.socket = bound(host, port, FIRST, "open")
        self.port: int = self.socket.getsockname()[1]
        self.app = application(folder, only=only, report=report)
        self.guard = Guard(
            self.app, token, names_of(host), others=hosts, any_address=host in ANY, cookie=f"{COOKIE}-{self.port}"
        )

    def address(self, run: str | None = None) -> str:
        """Return the address to open, at a run where one is named."""
        host = "127.0.0.1" if self.host == ANY[0] else "::1" if self.host == ANY[1] else self.host
        place = "" if run is None else f"#/run/{quote(run, safe='')}"
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/?token={self.token}{place}"

    def run(self, started: Callable[[], object] = lambda: None, until: Callable[[], object] | None = None) -> None:
        """Answer until Ctrl-C, SIGTERM, or until a function that waits for something returns."""
        config = uvicorn.Config(
            self.guard, log_config=None, access_log=False, lifespan="on", ws_max_size=MAX_BODY, server_header=False,
            proxy_headers=False, timeout_graceful_shutdown=1, http="h11",
            ws_per_message_deflate=False,  # on one machine it only takes time, for every decoded picture
        )  # fmt: skip
        server = Server(config, self.app.state.ticker.close, started)
        if until is not None:
            threading.Thread(target=_end_after, args=(until, server), daemon=True).start()
        server.answer(self.socket)


def _end_after(wait: Callable[[], object], server: Server) -> None:
    wait()
    server.should_exit = True


def exposure(host: str) -> str:
    """Return what a server exposes that listens on more than this machine."""
    return (
        f"{reached_by(host)} can see the runs, models and data, train, rename and delete, with the token alone; "
        "nothing is encrypted on the way"
    )
