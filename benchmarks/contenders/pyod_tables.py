"""pyod's detectors as they come, on the splits of `representations.py`; prints their AUROC as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from pyod.models.auto_encoder import AutoEncoder
from pyod.models.iforest import IForest
from pyod.models.pca import PCA
from pyod.models.vae import VAE
from sklearn.metrics import roc_auc_score

found: dict[str, list[list[float]]] = {}
for path in sorted(Path(sys.argv[1]).glob("*.npz")):
    with np.load(path) as held:
        X, y = held["X"].astype(np.float64), held["y"].astype(int)
    detectors = {
        "pyod AutoEncoder": lambda seed: AutoEncoder(random_state=seed, verbose=0),
        "pyod VAE": lambda seed: VAE(random_state=seed, verbose=0),
        "pyod PCA": lambda seed: PCA(random_state=seed),
        "pyod IForest": lambda seed: IForest(random_state=seed),
    }
    for name, detector in detectors.items():
        values = []
        for seed in range(3):
            order, n = np.random.default_rng(seed).permutation(len(X)), int(0.7 * len(X))
            scores = detector(seed).fit(X[order[:n]]).decision_function(X[order[n:]])
            values.append(roc_auc_score(y[order[n:]], scores) if np.isfinite(scores).all() else float("nan"))
        found.setdefault(name, []).append(values)
print(json.dumps(found))
