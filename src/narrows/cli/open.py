"""`narrows open`: the page on a folder of runs, in the browser."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from narrows.cli.beside import BEGUN, check_page, open_browser
from narrows.errors import ConfigError, did_you_mean


def open_page(
    runs: Annotated[str, Parameter(help="The folder that holds the runs, or a run.")] = "runs",
    /,
    *,
    run: Annotated[str | None, Parameter(help="The run to begin at, by name.")] = None,
    port: Annotated[
        int | None, Parameter(help="Where the page is served. Default: the first free one from 8765 on.")
    ] = None,
    browser: Annotated[bool, Parameter(help="Open the page in a browser, where there is one.")] = True,
    host: Annotated[str, Parameter(help="Address to listen on; another than 127.0.0.1 needs --token.")] = "127.0.0.1",
    token: Annotated[
        str | None, Parameter(help="Of the address, in place of a random one; at least 16 characters.")
    ] = None,
    allow_host: Annotated[
        list[str] | None, Parameter(help="Name by which a proxy is reached that leads here.", n_tokens=1, negative=())
    ] = None,
    until_closed: Annotated[
        bool, Parameter(help="End when standard input is closed.", negative=(), show=False)
    ] = False,
) -> int:
    """Open the page: watch trainings live, and take models in your hands."""
    check_page()
    folder, only = _place(runs)
    begin = run if only is None else only
    if begin is not None and not (folder / begin / "run.json").exists() and not until_closed:
        known = [path.parent.name for path in folder.glob("*/run.json")]
        raise ConfigError(f"open: run must be one of those in {folder}; got {begin!r}.{did_you_mean(begin, known)}")
    from narrows.http import security
    from narrows.page import serve

    if not security.is_loopback(host) and token is None:
        raise ConfigError(
            f"open: token must be given with a host that is not this machine alone; got {host!r} and none. With it, "
            f"{serve.exposure(host)}. Add --token, or leave --host out."
        )
    secret = security.new_token() if token is None else security.check_token(token, "open")
    from narrows.cli.console import note, out

    page = serve.Page(folder, token=secret, only=only, host=host, port=port, hosts=allow_host or (), report=note)

    def begun() -> None:
        address = page.address(begin)
        if not security.is_loopback(host):
            note(f"{serve.exposure(host)}.")
        text = f"{BEGUN}{address}" if until_closed else f"{address}\nCtrl-C ends the page; trainings go on."
        out().print(text, soft_wrap=True)
        if browser:
            open_browser(address)

    page.run(begun, sys.stdin.buffer.read if until_closed else None)
    gc.freeze()  # else Python, as it ends, looks for garbage for seconds among all that was imported
    return 0


def _place(runs: str) -> tuple[Path, str | None]:
    """Return the folder of the runs, and the name of the only run to show where that was given."""
    path = Path(runs)
    for folder in (path, Path("runs") / runs):
        if (folder / "run.json").exists():
            whole = folder.absolute()
            return whole.parent, whole.name
    if not path.is_dir() and (runs != "runs" or path.exists()):
        what = "it is a file" if path.exists() else "there is none"
        raise ConfigError(
            f"open: RUNS must be a folder of runs, or a run; got {runs!r}; {what}. Make one: narrows train."
        )
    return path, None
