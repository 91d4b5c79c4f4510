"""Hold one ordered autoencoder against five, each trained for one length of the code: squared error per test digit.

python benchmarks/ordered.py [--seeds 3]

The five have 400 hidden units and 30 epochs each. The ordered one has as many weights as the five together, 2,000
hidden units, and 60 epochs, fewer than the five take together. All other settings are narrows' own.
"""

from __future__ import annotations

import argparse

import numpy as np

from narrows import AE, PCA, load_dataset

LENGTHS = (2, 4, 8, 16, 32)


def main() -> None:
    """Print a row per length: PCA, the model for that length alone, the ordered one, and the ratio to both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = range(parser.parse_args().seeds)
    data = load_dataset("mnist-5k")
    assert data.test is not None
    X, test = data.train, data.test / np.float32(255)

    def error(pixels: np.ndarray) -> float:
        return float(np.square(pixels / np.float32(255) - test).sum() / len(test))

    pca = [error(pixels) for pixels in PCA(latent_dim=32).fit(X).reconstruct(data.test, k=LENGTHS)]
    alone, ordered = [], []
    for seed in seeds:
        models = [AE(latent_dim=k, network="mlp:400", epochs=30, seed=seed).fit(X) for k in LENGTHS]
        alone.append([error(model.reconstruct(data.test)) for model in models])
        one = AE(latent_dim=32, network="mlp:2000", epochs=60, code="ordered", seed=seed).fit(X)
        ordered.append([error(pixels) for pixels in one.reconstruct(data.test, k=LENGTHS)])
    ratios = np.array(ordered) / np.array(alone)
    print("length     PCA   alone  ordered  to alone           to PCA")
    for i, k in enumerate(LENGTHS):
        few, many = np.mean(alone, 0)[i], np.mean(ordered, 0)[i]
        spread = f"{ratios[:, i].mean():.3f} +- {ratios[:, i].std(ddof=1) if len(seeds) > 1 else 0:.3f}"
        print(f"{k:6} {pca[i]:7.2f} {few:7.2f} {many:8.2f}  {spread:17}  {many / pca[i]:.3f}")


if __name__ == "__main__":
    main()
