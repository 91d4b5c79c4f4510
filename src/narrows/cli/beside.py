"""The page beside a training: served by a process of its own, which ends with the command."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator
from urllib.parse import quote

from narrows.cli.installed import check_installed
from narrows.cli.plugins import plugin_flags

NEEDED = ("starlette", "uvicorn", "websockets")
"""Packages that only the page needs."""
TEXT = ("www-browser", "links", "elinks", "lynx", "w3m")
"""Browsers that would take the terminal."""
BEGUN = "page: "
"""Before the address of a page that serves beside a training."""


def check_page() -> None:
    """Raise ConfigError where a package is missing that only the page needs."""
    check_installed("open", "page", NEEDED)


def open_browser(address: str) -> bool:
    """Open an address in a graphical browser, and return whether there is one."""
    if sys.platform not in ("win32", "darwin") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False
    if getattr(browser, "basename", "") in TEXT or type(browser) is webbrowser.GenericBrowser:
        return False
    threading.Thread(target=browser.open, args=(address,), daemon=True).start()
    return True


@contextlib.contextmanager
def page_beside(asked: bool, runs: str) -> Iterator[Callable[[str], None]]:
    """Serve the page on a folder of runs while in here, where it is asked for; it stays until Ctrl-C on a terminal.

    What is given is called with the name of a run that begins: it prints the address and opens a browser, once.
    """
    if not asked:
        yield lambda run: None
        return
    check_page()
    command = [sys.executable, "-m", "narrows", *plugin_flags(), "open", runs, "--until-closed", "--no-browser"]
    # It ends when its input does, however this process ends; Ctrl-C is for the training alone.
    server = subprocess.Popen(  # noqa: S603 - a list of arguments: no shell reads it
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    shown: list[str] = []

    def show(run: str) -> None:
        if not shown and server.stdout is not None:
            address = server.stdout.readline().strip()
            shown.append(address)
            if address.startswith(BEGUN):
                _announce(f"{address.removeprefix(BEGUN)}#/run/{quote(run, safe='')}")

    try:
        yield show
        if shown:
            _stay(server)
    finally:
        for pipe in (server.stdin, server.stdout):
            if pipe is not None:
                pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(5)
        if server.poll() is None:
            server.kill()
            server.wait()


def _announce(address: str) -> None:
    from narrows.cli.console import out

    out().print(f"{BEGUN}{address}", soft_wrap=True)
    open_browser(address)


def _stay(server: subprocess.Popen[str]) -> None:
    """Wait for Ctrl-C on a terminal: elsewhere nobody would send it."""
    from narrows.cli.console import out

    console = out()
    if console.is_terminal and server.poll() is None:
        console.print("the page stays open: Ctrl-C closes it", style="dim")
        with contextlib.suppress(KeyboardInterrupt):
            server.wait()
