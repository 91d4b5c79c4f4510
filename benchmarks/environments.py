"""The environments of narrows and its rivals: what each installs, and its setting up."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE / ".envs"

NUMPY, TORCH = "numpy==2.4.6", "torch==2.13.0"

REQUIREMENTS: dict[str, tuple[str, ...]] = {
    "narrows": (TORCH, NUMPY, "scikit-learn==1.9.1", "-e", f"{HERE.parent}[samples]"),
    "torch": (TORCH, NUMPY, "pillow==13.0.0"),
    "lightning": (TORCH, NUMPY, "lightning==2.6.6"),
    "jax": (NUMPY, "jax==0.10.2", "keras==3.15.1", "optax==0.2.8"),
    "pythae": (TORCH, NUMPY, "pythae==0.1.2"),
    "pyod": (TORCH, NUMPY, "pyod==3.6.7", "tqdm==4.70.1"),
    "ctgan": (TORCH, "ctgan==0.12.1", "pyarrow==26.0.1"),
    "sklearn": (NUMPY, "scikit-learn==1.9.1"),
    "faiss": (NUMPY, "faiss-cpu==1.15.1"),
    "onnx": (NUMPY, "onnx==1.23.2", "onnxruntime==1.31.1"),
}
"""The one place of all versions. Torch is the same wherever it is used, so that only what is around it differs."""


def python(name: str) -> Path:
    return ROOT / name / "bin" / "python"


def ready(name: str) -> bool:
    """Say whether the environment is there, with what it must have."""
    stamp = ROOT / name / "requirements.sha256"
    return stamp.exists() and stamp.read_text() == _digest(name)


def set_up(name: str) -> str | None:
    """Make an environment, unless it is there; return why it could not be made, or None."""
    if ready(name):
        return None
    print(f"setting up {name}: {', '.join(REQUIREMENTS[name])}", file=sys.stderr, flush=True)
    folder = ROOT / name
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    command = [str(python(name)), "-m", "pip", "install", "--quiet", "--no-input", *REQUIREMENTS[name]]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        shutil.rmtree(folder)
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        return (errors or done.stderr.splitlines() or ["pip said nothing"])[-1]
    (folder / "requirements.sha256").write_text(_digest(name))
    return None


def packages(name: str) -> dict[str, str]:
    """Return the versions that are there of what was asked for."""
    wanted = [re.split(r"[=<>\[]", r)[0] for r in REQUIREMENTS[name] if "/" not in r and not r.startswith("-")]
    wanted += ["narrows"] if name == "narrows" else ["jaxlib"] if name == "jax" else []
    code = "import json, sys, importlib.metadata as m; print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"
    found: dict[str, Any] = json.loads(subprocess.check_output([python(name), "-c", code, *wanted], text=True))
    return found


def _digest(name: str) -> str:
    return hashlib.sha256("\n".join((sys.version, *REQUIREMENTS[name])).encode()).hexdigest()
