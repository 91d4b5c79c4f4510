"""Downloading a file: resumed if it was cut, checked by sha256, and under its name only when it is complete."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from narrows.data.connection import opener
from narrows.errors import DownloadError
from narrows.storage.atomic import FULL

_CHUNK = 2**16
_LEAST = 2**14  # bytes a second of a transfer that is waited for


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


def fetch(
    remote: Remote, folder: Path, *, timeout: float = 30.0, retries: int = 4, pause: float = 0.5,
    within: float | None = None,
) -> Path:  # fmt: skip
    """Download a file into a folder, unless it is there, and return its path.

    The transfer goes to ``NAME.part``, which a later call resumes. Only a file with the right hash gets its name. Of
    several processes that want the same file one fetches it, and the others wait for it.

    Parameters
    ----------
    remote, folder
        What to fetch, and where to; the folder is made if need be.
    timeout
        Seconds without an answer, or at less than 512 bytes a second, after which a transfer counts as broken.
    retries, pause
        How often a transfer that brings less than 64 KiB is tried again, for each address, and seconds before the first
        of these; doubled every time.
    within
        Seconds for the whole, with all tries, addresses and waiting for other processes; if None, two minutes and as
        long as it takes at 16 KiB a second.

    Raises
    ------
    DownloadError
        If no address gives the right file in time, or the folder does not take it.
    """
    target = folder / remote.name
    with _writing(target, remote):
        if target.exists():
            return target
    for url in remote.urls:
        if not url.startswith(("https://", "http://")):
            raise DownloadError(f"fetch: urls must be http or https addresses; got {url!r}.")
    within = 120 + remote.size / _LEAST if within is None else within
    until = time.monotonic() + within
    with _writing(target, remote):
        folder.mkdir(parents=True, exist_ok=True)
    with _alone(target, remote, within):
        if target.exists():  # another process has fetched it meanwhile
            return target
        _fetch(remote, target, timeout, retries, pause, until)
    return target


def _fetch(remote: Remote, target: Path, timeout: float, retries: int, pause: float, until: float) -> None:
    """Fetch a file that nobody else fetches."""
    part = target.with_name(f"{target.name}.part")
    with _writing(target, remote):
        if part.is_symlink():  # it would lead what arrives out of the folder
            part.unlink()
    if part.exists() and not part.is_file():
        raise DownloadError(f"fetch: {str(part)!r} must be a plain file, or not be there; got something else. Move it.")
    failures = []
    for url in remote.urls:
        for attempt in range(2):  # a second time from the start, should the part have been another file's
            resumed = part.exists()
            reason = _transfer(url, part, remote, timeout, retries, pause, until)
            if reason is None:
                with _writing(target, remote):
                    reason = _wrong_content(part, remote)
                    if reason is None:
                        os.replace(part, target)
                        return
                    part.unlink()
                if resumed and not attempt:
                    continue
            failures.append(f"{url} ({reason})")
            break
        if time.monotonic() >= until:
            break
    kept = f" {part.stat().st_size:,} bytes are kept, to resume from." if part.exists() else ""
    raise DownloadError(
        f"fetch: {remote.name!r} could not be fetched; tried {'; '.join(failures)}.{_proxy(remote.urls)}{kept}"
    )


@contextmanager
def _alone(target: Path, remote: Remote, within: float) -> Iterator[None]:
    """Hold a lock while in here, which the system frees when its holder dies; wait for another holder."""
    from filelock import FileLock, Timeout

    lock = FileLock(target.with_name(f".{target.name}.lock"), timeout=within)
    try:
        with _writing(target, remote):
            lock.acquire()
    except Timeout:
        raise DownloadError(
            f"fetch: {remote.name!r} must be fetched by one process at a time; another one still holds "
            f"{str(lock.lock_file)!r} after {within:.0f} seconds. End it, or wait for it."
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _writing(target: Path, remote: Remote) -> Iterator[None]:
    """Name what keeps a file from being written."""
    try:
        yield
    except TimeoutError:  # of the lock
        raise
    except OSError as error:
        place, reason = str(target.parent), error.strerror or str(error)
        if error.errno in FULL:
            raise DownloadError(
                f"fetch: the disk of {place!r} must have room for the {remote.size / 1e6:,.1f} MB of {remote.name!r}; "
                f"got: {reason}. Make room, or set NARROWS_CACHE to another folder; what has arrived is kept."
            ) from error
        raise DownloadError(
            f"fetch: {place!r} must be a folder that can be written to; got: {reason}. "
            "Set NARROWS_CACHE to another folder."
        ) from error


def _proxy(urls: Sequence[str]) -> str:
    """Return a sentence that names the proxy that is used for addresses, without a password; "" without one."""
    for url in urls:
        parts = urllib.parse.urlsplit(url)
        proxy = urllib.request.getproxies().get(parts.scheme)
        if proxy and not urllib.request.proxy_bypass(parts.netloc):
            return f" The proxy {proxy.rpartition('@')[2]} is used, which {parts.scheme}_proxy names."
    return ""


def _transfer(
    url: str, part: Path, remote: Remote, timeout: float, retries: int, pause: float, until: float
) -> str | None:
    """Bring `part` to its full length; return None, or why that failed."""
    tries = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _receive(url, part, remote, timeout, until)
            return None
        except urllib.error.HTTPError as error:
            reason = f"HTTP {error.code} {error.reason}"
            error.close()
            if error.code == 416 and before:  # nothing lies beyond the part: it is complete, or of another file
                return None
            if error.code < 500 and error.code not in (408, 429):
                return reason
        except DownloadError:  # the folder does not take it
            raise
        except (_Retry, http.client.HTTPException) as error:
            reason = f"{type(error).__name__}: {error}" if isinstance(error, http.client.HTTPException) else str(error)
        except urllib.error.URLError as error:
            reason = str(error.reason)
        except OSError as error:  # of the connection: a timeout, a reset, a broken encryption
            reason = str(error) or type(error).__name__
        except ValueError as error:  # an answer that makes no sense, such as a length that is not a number
            return str(error)
        left = until - time.monotonic()
        if left <= 0:
            return f"not finished in time; at last: {reason}"
        gained = part.stat().st_size - before if part.exists() else 0
        tries = 0 if gained >= _CHUNK else tries + 1
        if tries > retries:
            return reason
        time.sleep(min(pause * 2 ** max(tries - 1, 0), 10, left))


def _receive(url: str, part: Path, remote: Remote, timeout: float, until: float) -> None:
    start = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "narrows", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the scheme is checked by fetch
    with opener(timeout, until).open(request, timeout=timeout) as answer:
        if answer.status != 206 or not (answer.headers.get("Content-Range") or "").startswith(f"bytes {start}-"):
            start = 0  # the server sends the whole file
        length = answer.headers.get("Content-Length")
        if length is not None and not length.strip().isdecimal():
            raise ValueError(f"Content-Length {length[:20]!r} is no number")
        total = None if length is None else start + int(length)
        limit = 2 * remote.size
        if total is not None and total > limit:
            raise ValueError(f"{total} bytes announced where about {remote.size} are expected")
        received = start
        with _progress(remote.name, total or remote.size, start) as advance, _opened(part, start, remote) as file:
            while chunk := answer.read1(_CHUNK):
                with _writing(part, remote):
                    rest = memoryview(chunk)
                    while rest:
                        rest = rest[file.write(rest) :]
                received += len(chunk)
                advance(len(chunk))
                if received > limit:
                    raise ValueError(f"more than {limit} bytes arrived where about {remote.size} are expected")
            with _writing(part, remote):
                os.fsync(file.fileno())
    if total is not None and received < total:
        raise _Retry(f"cut after {received} of {total} bytes")


@contextmanager
def _opened(part: Path, start: int, remote: Remote) -> Iterator[FileIO]:
    """Open a part to go on at `start`, unbuffered: a full disk is noticed in writing, not in closing."""
    with _writing(part, remote):
        file = part.open("r+b" if start else "wb", buffering=0)
    with file:
        file.seek(start)
        yield file


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
        found, expected = digest.hexdigest()[:16], remote.sha256[:16]
        return f"{size:,} bytes with the sha256 {found}... where {expected}... is expected"
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
