"""Hold training a small model with 8 seeds at once against training it with one: seconds, in turns, medians.

python benchmarks/seeds.py [--rounds 5] [--seeds 8]

The model is 64-32-8-32-64 on scikit-learn's 1,797 digits, batch 128, 30 epochs; all other settings are narrows' own.
With OMP_NUM_THREADS unset, torch takes all cores.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from narrows import AE, VAE, load_dataset
from narrows.together import batches, fit


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    """Print a row per model: one seed, all at once, the ratio, and whether `sweep` would train them so."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=8)
    given = parser.parse_args()
    data = load_dataset("digits")
    X = np.concatenate([data.train, data.test])
    print(f"{given.rounds} rounds")
    print(f"model  one [s]  {given.seeds} at once [s]  ratio (least to most)  chosen by rehearsal")
    for model in (AE, VAE):

        def models(n: int, model: type[AE | VAE] = model) -> list[AE | VAE]:
            return [model(latent_dim=8, hidden=(32,), network="mlp", seed=seed) for seed in range(n)]

        fit(models(1), X)
        one, several = [], []
        for _ in range(given.rounds):
            one.append(seconds(lambda: fit(models(1), X)))
            several.append(seconds(lambda: fit(models(given.seeds), X)))
        ratios = np.array(several) / np.array(one)
        chosen = next(batches(models(given.seeds), X)) == list(range(given.seeds))
        spread = f"{np.median(ratios):.2f} ({ratios.min():.2f} to {ratios.max():.2f})"
        print(
            f"{model.__name__:5} {np.median(one):8.3f} {np.median(several):13.3f}      {spread:22} {chosen}", flush=True
        )


if __name__ == "__main__":
    main()
