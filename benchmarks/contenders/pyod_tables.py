"""pyod's detectors as they come, on the splits of `anomalies.py`: a line of JSON for each detector, table and split."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
from pyod.models.auto_encoder import AutoEncoder
from pyod.models.ecod import ECOD
from pyod.models.iforest import IForest
from pyod.models.knn import KNN
from pyod.models.pca import PCA
from pyod.models.vae import VAE
from sklearn.metrics import roc_auc_score

DETECTORS = {
    "PCA": lambda seed: PCA(random_state=seed),
    "IForest": lambda seed: IForest(random_state=seed),
    "ECOD": lambda seed: ECOD(),
    "KNN": lambda seed: KNN(),
    "AutoEncoder": lambda seed: AutoEncoder(random_state=seed, verbose=0),
    "VAE": lambda seed: VAE(random_state=seed, verbose=0),
}

for name, detector in DETECTORS.items():  # the quick ones first
    for path in sorted(Path(sys.argv[1]).glob("*.npz")):
        table, _, seed = path.stem.rpartition("-")
        with np.load(path) as held:
            X, X_test, y_test = held["X"], held["X_test"], held["y_test"]
        started = time.perf_counter()
        scores = detector(int(seed)).fit(X).decision_function(X_test)
        # Some scores are not finite where a column is constant.
        auroc = roc_auc_score(y_test, scores) if np.isfinite(scores).all() else None
        record = {"detector": f"pyod {name}", "table": table, "seed": int(seed), "auroc": auroc}
        print(json.dumps({**record, "seconds": time.perf_counter() - started}), flush=True)
