"""Downloading a file: resumed if it was cut, checked by sha256, and under its name only when it is complete."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import os
import sys
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from narrows.errors import DownloadError

_CHUNK = 2**16
_SLOWEST = 512  # bytes a second, averaged over `timeout`: less than that counts as stalled


@dataclass(frozen=True)
class Remote:
    """One file on the network."""

    name: str
    """Its name in the data folder."""
    urls: tuple[str, ...]
    """Where it is, the best address first."""
    size: int
    """Its size in bytes as published; up to twice that is accepted, since mirrors pack it anew."""
    sha256: str
    """Hash of its content."""
    unpacked: bool = False
    """Whether the hash is that of the content of the gzip file, whose own bytes differ from mirror to mirror."""
    unpacked_size: int = 0
    """Size of that content; more is refused."""


class _Retry(Exception):  # noqa: N818 - not an error yet
    """The transfer broke in a way that may pass."""


def fetch(remote: Remote, folder: Path, *, timeout: float = 30.0, retries: int = 4, pause: float = 0.5) -> Path:
    """Download a file into a folder, unless it is there, and return its path.

    The transfer goes to ``NAME.part``, which a later call resumes. Only a file with the right hash gets its name.

    Parameters
    ----------
    remote, folder
        What to fetch, and where to; the folder is made if need be.
    timeout
        Seconds without an answer, or at less than 512 bytes a second, after which a transfer counts as broken.
    retries, pause
        How often a transfer that makes no progress is tried again, for each address, and seconds before the first of
        these; doubled every time.

    Raises
    ------
    DownloadError
        If no address gives the right file.
    """
    target = folder / remote.name
    if target.exists():
        return target
    part = folder / f"{remote.name}.part"
    failures = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if part.is_symlink():  # it would lead what arrives out of the folder
            part.unlink()
        for url in remote.urls:
            if not url.startswith(("https://", "http://")):
                raise DownloadError(f"fetch: urls must be http or https addresses; got {url!r}.")
            for attempt in range(2):  # a second time from the start, should the part have been another file's
                resumed = part.exists()
                reason = _transfer(url, part, remote, timeout, retries, pause)
                if reason is None:
                    reason = _wrong_content(part, remote)
                    if reason is None:
                        os.replace(part, target)
                        return target
                    part.unlink()
                    if resumed and not attempt:
                        continue
                failures.append(f"{url} ({reason})")
                break
    except OSError as error:
        if isinstance(error, DownloadError):
            raise
        raise DownloadError(f"fetch: {str(folder)!r} must be a folder that can be written to; got: {error}.") from error
    raise DownloadError(f"fetch: {remote.name!r} could not be fetched; tried {'; '.join(failures)}.")


def _transfer(url: str, part: Path, remote: Remote, timeout: float, retries: int, pause: float) -> str | None:
    """Bring `part` to its full length; return None, or why that failed."""
    tries = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _receive(url, part, remote, timeout)
            return None
        except urllib.error.HTTPError as error:
            reason = f"HTTP {error.code} {error.reason}"
            error.close()
            if error.code == 416 and before:  # nothing lies beyond the part: it is complete, or of another file
                return None
            if error.code < 500 and error.code not in (408, 429):
                return reason
        except (_Retry, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
        except urllib.error.URLError as error:
            reason = str(error.reason)
        except (TimeoutError, ConnectionError) as error:
            reason = str(error) or type(error).__name__
        except ValueError as error:  # an answer that makes no sense, such as a length that is not a number
            return str(error)
        tries = 0 if part.exists() and part.stat().st_size > before else tries + 1
        if tries > retries:
            return reason
        time.sleep(min(pause * 2 ** max(tries - 1, 0), 10))


def _receive(url: str, part: Path, remote: Remote, timeout: float) -> None:
    start = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "narrows", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the scheme is checked by fetch
    with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310
        if answer.status != 206 or not (answer.headers.get("Content-Range") or "").startswith(f"bytes {start}-"):
            start = 0  # the server sends the whole file
        length = answer.headers.get("Content-Length")
        total = None if length is None else start + int(length)
        limit = 2 * remote.size
        if total is not None and total > limit:
            raise ValueError(f"{total} bytes announced where about {remote.size} are expected")
        with (
            part.open("r+b" if start else "wb") as file,
            _progress(remote.name, total or remote.size, start) as advance,
        ):
            file.seek(start)
            received, since, at = start, time.monotonic(), start
            while chunk := answer.read1(_CHUNK):
                file.write(chunk)
                received += len(chunk)
                advance(len(chunk))
                if received > limit:
                    raise ValueError(f"more than {limit} bytes arrived where about {remote.size} are expected")
                if (now := time.monotonic()) - since > timeout:
                    if received - at < _SLOWEST * (now - since):
                        raise _Retry(f"stalled at {(received - at) / (now - since):.0f} bytes a second")
                    since, at = now, received
            file.flush()
            os.fsync(file.fileno())
    if total is not None and received < total:
        raise _Retry(f"cut after {received} of {total} bytes")


def _wrong_content(part: Path, remote: Remote) -> str | None:
    digest, size = hashlib.sha256(), 0
    try:
        with gzip.open(part) if remote.unpacked else part.open("rb") as stream:
            while chunk := stream.read(2**20):
                digest.update(chunk)
                size += len(chunk)
                if remote.unpacked and size > remote.unpacked_size:
                    return f"unpacks to more than {remote.unpacked_size} bytes"
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        return f"not a sound gzip file: {error}"
    if digest.hexdigest() != remote.sha256:
        return f"sha256 {digest.hexdigest()[:16]}... where {remote.sha256[:16]}... is expected"
    return None


@contextmanager
def _progress(name: str, total: int, start: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal, and a line every ten seconds elsewhere (on stderr)."""
    if sys.stderr.isatty():
        from rich import progress
        from rich.console import Console

        bytes_done, speed = progress.DownloadColumn(), progress.TransferSpeedColumn()
        columns = ("{task.description}", progress.BarColumn(), bytes_done, speed, progress.TimeRemainingColumn())
        with progress.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(name, total=total, completed=start)
            yield lambda count: bar.advance(task, count)
        return
    done, said = start, time.monotonic()

    def advance(count: int) -> None:
        nonlocal done, said
        done += count
        if time.monotonic() - said >= 10:
            said = time.monotonic()
            print(f"{name}: {done / 1e6:.1f} of {total / 1e6:.1f} MB", file=sys.stderr, flush=True)

    print(f"{name}: fetching {total / 1e6:.1f} MB", file=sys.stderr, flush=True)
    yield advance
