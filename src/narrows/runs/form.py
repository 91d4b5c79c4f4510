"""The form of run.json, which every run that is read is checked against."""

from __future__ import annotations

FORMAT = 1
"""Version of the folder's layout."""
NUMBER = float | int | None
RECORD = {
    "status": str,
    "pid?": int | str | None,
    "model": str,
    "parameters": dict,
    "seed?": int | None,
    "data": {
        "name": str, "options": dict, "sha256": str, "source": str, "licence": str,
        "splits": {"train?": int | None, "validation?": int | None, "test?": int | None}, "sample_shape": [int],
    },
    "command?": [str],
    "checkpoint_every?": str,
    "pictures?": bool,
    "started": str,
    "versions?": {str: str},
    "epoch?": int,
    "seconds?": NUMBER,
    "error?": str,
    "resumed?": [{"at": str, "step": int}],
    "logged?": {"to": str, "folder": str, "scalars": [str], "images": [str], "epoch": int},
    "summary?": ({
        "split": str, "samples": int, "squared_error": {str: NUMBER}, "latent_dim": int,
        "pca_latent_dim": int, "elbo": NUMBER, "kl": NUMBER, "parameters": int,
    }, type(None)),
}  # fmt: skip
"""The form of run.json."""
