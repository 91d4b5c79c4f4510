"""Models on the Hugging Face Hub: `hf://user/name`, or `hf://user/name@revision`, as a folder on this machine.

Only JSON, lines of JSON and safetensors are fetched, whatever else lies in the repository. Nothing is executed.
"""

from __future__ import annotations

import contextlib
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from narrows.errors import ConfigError, DownloadError

SCHEME = "hf://"
READ = ("run.json", "metrics.jsonl", *(f"{folder}model{name}" for folder in ("", "model/") for name in (
    ".json", "-*.jsonl", "-*.safetensors")))  # fmt: skip
"""What is fetched: a run's record and history, and the model in the run's folder or at the top."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")


class Address(NamedTuple):
    """A repository of the hub, and a revision of it."""

    repository: str
    """user/name."""
    revision: str | None = None
    """A branch, a tag or a commit; None for the newest of the main branch."""

    @classmethod
    def parse(cls, text: str) -> Address:
        """Return what `hf://user/name@revision` names; the scheme and the revision may be missing.

        Raises
        ------
        ConfigError
            It names no repository.
        """
        repository, at, revision = text.removeprefix(SCHEME).partition("@")
        sound = _NAME.fullmatch(repository) and not re.search(r"\.\.|--|\.git$", repository)
        if not sound or (at and (not _REVISION.fullmatch(revision) or ".." in revision)):
            raise ConfigError(
                f"hub: address must be user/name, hf://user/name or hf://user/name@revision; got {text[:200]!r}."
            )
        return cls(repository, revision or None)

    def __str__(self) -> str:
        return f"{SCHEME}{self.repository}" + (f"@{self.revision}" if self.revision else "")


def is_address(text: object) -> bool:
    """Return whether a text is meant as an address of the hub, and not as a path."""
    return isinstance(text, str) and text.startswith(SCHEME)


def library() -> Any:
    """Return the package `huggingface_hub`, or raise ConfigError where it is not installed."""
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError:
        raise ConfigError(
            'hub: the extra `hub` must be installed; huggingface_hub is missing. Run: pip install "narrows[hub]"'
        ) from None


def fetch(text: str) -> Path:
    """Return the folder that holds what `READ` names of a repository, fetched unless it is there already.

    A private repository takes the token that `hf auth login` stored, or that of HF_TOKEN. Without a network the newest
    revision that was fetched before is taken.

    Raises
    ------
    ConfigError
        It is no address, or `huggingface_hub` is not installed.
    DownloadError
        There is no such repository or revision, it may not be read, or the hub cannot be reached.
    """
    address = Address.parse(text)
    hub = library()
    with told(address), _quiet(hub):
        return Path(hub.snapshot_download(address.repository, revision=address.revision, allow_patterns=list(READ)))


def is_fetched(folder: Path) -> bool:
    """Return whether a folder is one that `fetch` returned, which holds nothing but what the hub has."""
    return folder.parent.name == "snapshots" and folder.parent.parent.name.startswith("models--")


@contextlib.contextmanager
def told(address: Address) -> Iterator[None]:
    """Turn what `huggingface_hub` raises into a DownloadError that says what to do."""
    errors = importlib.import_module("huggingface_hub.errors")
    try:
        yield
    except errors.GatedRepoError:
        problem = "its owner must grant you access, and you must be logged in. Ask on its page; then: hf auth login"
    except errors.RevisionNotFoundError:
        problem = f"there is no revision {address.revision!r}. Leave it out for the newest"
    except errors.RepositoryNotFoundError:
        problem = "there is none of that name, or it is private and you are not logged in. Check it, or: hf auth login"
    except errors.LocalTokenNotFoundError:
        problem = "you must be logged in. Run: hf auth login"
    except errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        allowed = "Your token must be one that may write: hf auth login" if status in (401, 403) else "Try again later"
        problem = (
            f"the hub answered {status}: {str(error.server_message or '').strip()[:200] or 'no reason'}. {allowed}"
        )
    except errors.LocalEntryNotFoundError:
        problem = "it was not fetched before, and the hub cannot be reached. Check the network"
    except OSError as error:
        if error.errno is not None and error.filename is not None:  # of this machine's disk
            raise
        problem = _without_xet(error) or f"the hub cannot be reached ({type(error).__name__}). Check the network"
    except RuntimeError as error:
        if (without := _without_xet(error)) is None:
            raise
        problem = without
    except errors.HTTPError as error:
        problem = f"the hub cannot be reached ({type(error).__name__}). Check the network"
    else:
        return
    raise DownloadError(f"hub: {address} must be a repository that can be read or written; {problem}.")


def _without_xet(error: Exception) -> str | None:
    """Return what to do where Xet fails, the storage of the hub that `hf_xet` speaks to; None where it is not that.

    Other hubs and proxies have none. What is raised are Python's own errors, with an address of Xet in their text.
    """
    if not type(error).__module__.startswith("hf_xet") and "xet" not in str(error).lower():
        return None
    status = re.search(r"\((\d{3} [A-Za-z ]+)\)", str(error))
    reason = type(error).__name__ if status is None else status[1]
    return f"its Xet storage does not answer ({reason}). Where there is none, go without: HF_HUB_DISABLE_XET=1"


@contextlib.contextmanager
def _quiet(hub: Any) -> Iterator[None]:
    """Show no bars of progress for files of a few kilobytes, while in here."""
    bars = importlib.import_module("huggingface_hub.utils")
    before = bars.are_progress_bars_disabled()
    bars.disable_progress_bars()
    try:
        yield
    finally:
        if not before:
            bars.enable_progress_bars()
