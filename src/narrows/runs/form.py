"""The form of run.json, which every run that is read is checked against."""

from __future__ import annotations

from narrows.storage.process import FORM as PROCESS

FORMAT = 1
"""Version of the folder's layout."""
NUMBER = float | int | None
RECORD = {
    "status": str,
    "process?": PROCESS,
    "launcher?": str | None,
    "model": str,
    "parameters": dict,
    "seed?": int | None,
    "data": {
        "name": str, "options": dict, "sha256": str, "source": str, "licence": str,
        "splits": {"train?": int | None, "validation?": int | None, "test?": int | None}, "sample_shape": [int],
        "place?": ({"absolute": str, "relative?": str}, type(None)), "file_sha256?": str | None,
        "columns?": ([str], type(None)), "other_columns?": {str: str}, "label_names?": ([str], type(None)),
    },
    "command?": [str],
    "checkpoint_every?": str,
    "pictures?": bool,
    "started": str,
    "versions?": {str: str},
    "epoch?": int,
    "seconds?": NUMBER,
    "note?": str,
    "error?": str,
    "resumed?": [{"at": str, "step": int}],
    "analyses?": {str: dict},
    "logged?": {"to": str, "folder": str, "scalars": [str], "images": [str], "epoch": int},
    "summary?": ({
        "split": str, "samples": int, "latent_dim": int,
        "squared_error": {"model": NUMBER, "pca?": NUMBER, "mean?": NUMBER},
        "pca_latent_dim": int, "elbo": NUMBER, "kl": NUMBER, "parameters": int,
    }, type(None)),
}  # fmt: skip
"""The form of run.json."""
