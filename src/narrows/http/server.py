"""The socket that a server listens on, and a server that ends in order."""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
from collections.abc import Callable
from types import FrameType

import uvicorn

from narrows.errors import ConfigError

TRIES = 100
"""Ports that are tried where none is asked for."""


class Server(uvicorn.Server):
    """Answers until Ctrl-C or SIGTERM.

    Parameters
    ----------
    config
        Of uvicorn.
    ending
        Called when it is to end, so that what would go on for ever ends first.
    begun
        Called once it answers.
    """

    def __init__(
        self, config: uvicorn.Config, ending: Callable[[], object], begun: Callable[[], object] = lambda: None
    ) -> None:
        super().__init__(config)
        self._ending, self._begun = ending, begun
        for name in ("uvicorn", "uvicorn.error", "uvicorn.asgi"):
            logging.getLogger(name).propagate = False  # the application itself reports what went wrong
            logging.getLogger(name).handlers = [logging.NullHandler()]

    def answer(self, listening: socket.socket) -> None:
        """Answer on a socket until it is to end."""
        with contextlib.suppress(KeyboardInterrupt):
            self.run([listening])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self._begun()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop to answer, and end what is still open."""
        self._ending()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End on SIGINT and SIGTERM, at once when asked twice, and without raising them again."""
        self.force_exit = self.should_exit
        self.should_exit = True


def bound(host: str, port: int | None, first: int, command: str) -> socket.socket:
    """Return a socket bound to a port, or to the first free one from `first` on; ConfigError where that cannot be.

    Errors name the command.
    """
    if port is not None and not 0 <= port <= 65535:
        raise ConfigError(f"{command}: port must be a whole number from 0 to 65535; got {port}.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port or first, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise ConfigError(f"{command}: host must be a name or an address of this machine; got {host!r}.") from None
    ports = range(first, first + TRIES) if port is None else (port,)
    problem: OSError | None = None
    for each in ports:
        made = socket.socket(family, kind, protocol)  # asyncio sends without delay only where the protocol is TCP
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
        raise ConfigError(f"{command}: port must be {what}; got none ({problem}). Choose one: --port.")
    raise ConfigError(
        f"{command}: port must be free on {host}; got {port} ({problem}). Leave --port out for any free one."
    )
