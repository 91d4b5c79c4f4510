"""The server of the page: its address, the browser, and how it ends."""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from urllib.parse import quote

import uvicorn

from narrows.errors import ConfigError
from narrows.page.app import application
from narrows.page.security import COOKIE, MAX_BODY, Guard, names_of

FIRST = 8765
"""The port that is tried first where none is asked for."""
TRIES = 100
"""Ports that are tried."""
ANY = ("0.0.0.0", "::")  # noqa: S104  # nosec B104
"""Hosts that stand for all addresses of a machine."""


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
        self.socket = bound(host, port)
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
        for name in ("uvicorn", "uvicorn.error", "uvicorn.asgi"):
            logging.getLogger(name).propagate = False  # what went wrong is told by `report`
            logging.getLogger(name).handlers = [logging.NullHandler()]
        server = _Server(config, self.app.state.ticker.close, started)
        if until is not None:
            threading.Thread(target=_end_after, args=(until, server), daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):
            server.run([self.socket])


class _Server(uvicorn.Server):
    """Ends streams of events at once when it is to end, so that nothing waits for them."""

    def __init__(self, config: uvicorn.Config, ending: Callable[[], object], started: Callable[[], object]) -> None:
        super().__init__(config)
        self._ending, self._begun = ending, started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._begun()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._ending()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End on SIGINT and SIGTERM, at once when asked twice, and without raising them again."""
        self.force_exit = self.should_exit
        self.should_exit = True


def _end_after(wait: Callable[[], object], server: uvicorn.Server) -> None:
    wait()
    server.should_exit = True


def bound(host: str, port: int | None) -> socket.socket:
    """Return a socket bound to a port, or to the first free one; ConfigError where that cannot be."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port or FIRST, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise ConfigError(f"open: host must be a name or an address of this machine; got {host!r}.") from None
    ports = range(FIRST, FIRST + TRIES) if port is None else (port,)
    problem: OSError | None = None
    for each in ports:
        made = socket.socket(family, kind)
        if sys.platform != "win32":  # there it would let two servers share a port
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((address[0], each, *address[2:]))
            made.listen(128)  # bound alone, a second server could take the port as well
            return made
        except OSError as error:
            made.close()
            problem = error
    if port is None:
        what = f"one of {ports[0]} to {ports[-1]} that is free on {host}"
        raise ConfigError(f"open: port must be {what}; got none ({problem}). Choose one: --port.")
    raise ConfigError(f"open: port must be free on {host}; got {port} ({problem}). Leave --port out for any free one.")


def exposure(host: str) -> str:
    """Return what a server exposes that listens on more than this machine."""
    where = "every machine that reaches this one" if host in ANY else f"every machine that reaches {host}"
    return (
        f"{where} can see the runs, models and data, train, rename and delete, with the token alone; nothing is "
        "encrypted on the way"
    )
