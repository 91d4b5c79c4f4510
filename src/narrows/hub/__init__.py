"""Runs on the Hugging Face Hub: a model with its card, and nothing of the machine that it was trained on.

private.py   paths, names of users and secrets in the texts of a record
package.py   the files that are uploaded
card.py      the model card: README.md

`narrows.load("hf://user/name")` reads what `push` wrote; see `narrows.storage.hub`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from narrows.errors import ConfigError
from narrows.evaluation import Finding
from narrows.hub.package import write_package
from narrows.runs import Run
from narrows.storage.hub import Address, library, told

__all__ = ["push", "write_package"]


def push(
    run: Run | str | Path, repository: str, *, private: bool | None = None, licence: str | None = None,
    pictures: bool = True, findings: Sequence[Finding] = (), message: str = "",
) -> str:  # fmt: skip
    """Upload a run's model, record and card to the Hugging Face Hub, and return the address of the commit.

    The repository is made where there is none; files of an older model in it are deleted in the same commit. The token
    is that of `hf auth login`, or of HF_TOKEN; HF_ENDPOINT names another hub.

    Parameters
    ----------
    run
        A run with a saved model, or its folder.
    repository
        "user/name"; with "@branch" a branch that is there.
    private
        Whether a repository that is made is private; None for what the account's settings say, which is public where
        nobody changed it.
    licence
        Of the model, as the hub spells it, such as "mit" or "cc-by-4.0"; None to leave it out.
    pictures
        Whether the run's pictures are uploaded; they show samples of the data.
    findings
        What `narrows.evaluation.diagnose` found, for the card.
    message
        Of the commit.

    Raises
    ------
    ConfigError
        The repository's name is none, or `huggingface_hub` is not installed.
    DownloadError
        The hub cannot be reached, or refuses.
    FormatError
        The run has no sound model.
    """
    address = Address.parse(repository)
    hub = library()
    run = run if isinstance(run, Run) else Run(run)
    if "/" in (address.revision or ""):
        raise ConfigError(f"push: the branch must have a name without slashes; got {address.revision!r}.")
    with tempfile.TemporaryDirectory() as folder:
        write_package(run, Path(folder), address, licence=licence, pictures=pictures, findings=findings)
        api = hub.HfApi(library_name="narrows")
        with told(address):
            api.create_repo(address.repository, private=private, exist_ok=True)
            commit = api.upload_folder(
                repo_id=address.repository, folder_path=folder, revision=address.revision,
                commit_message=message or "Upload a model by narrows", delete_patterns=["model/*", "*.png"],
            )  # fmt: skip
    return str(commit.commit_url)
