"""A PostgreSQL server of Debian's package, in a temporary folder and under a user without rights."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

PLACES = ("/usr/lib/postgresql/*/bin", "/usr/local/bin", "/usr/bin")


def program(name):
    """Return the path of a program of PostgreSQL; the test is skipped where it is not installed."""
    found = [path for place in PLACES for path in Path("/").glob(f"{place[1:]}/{name}")]
    if not found:
        pytest.skip(f"{name} is not installed: apt-get install postgresql")
    return str(found[0].resolve())


@contextlib.contextmanager
def postgres_server():
    """Run a server while in here; the address of its database is given."""
    initdb, server = program("initdb"), program("postgres")
    root = os.geteuid() == 0  # PostgreSQL refuses to run as root
    who: dict[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": []} if root else {}
    folder = tempfile.mkdtemp(prefix="narrows-pg-", dir="/tmp")
    if root:
        shutil.chown(folder, "nobody", "nogroup")
    try:
        data = f"{folder}/data"
        make = [initdb, "-D", data, "-U", "tester", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"]
        subprocess.run(make, check=True, capture_output=True, cwd=folder, **who)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        run = [server, "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", folder, "-F"]
        with subprocess.Popen(
            run, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=folder, text=True, **who
        ) as process:
            try:
                assert process.stderr is not None
                lines = []
                for line in process.stderr:
                    lines.append(line)
                    if "ready to accept connections" in line:
                        break
                else:
                    raise RuntimeError("".join(lines))
                yield f"postgresql://tester@127.0.0.1:{port}/postgres"
            finally:
                process.send_signal(signal.SIGINT)  # SIGTERM would wait for connections to close
                process.communicate(timeout=30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
