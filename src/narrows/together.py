"""Which models to train at once: those that differ in seed, learning rate and weights of the loss, where it is faster.

Whether it is, is found by training copies for a few steps each way (`narrows.training.rehearse`): small models gain
several times, large ones nothing, and are trained one after the other as ever.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from typing import Any

from sklearn.base import clone

from narrows.base import Autoencoder
from narrows.errors import NarrowsError
from narrows.params import fields
from narrows.training import Lockstep, Report, Rows, Settings, Training, fits, rehearse

__all__ = ["batches", "fit"]

MOST = 32
"""Models at once, at most."""
OWN = ("seed", "learning_rate")
"""Fields in which models at once always may differ."""


def batches(estimators: Sequence[Autoencoder], X: Any, validation: Any = None) -> Generator[list[int], None, None]:
    """Yield the positions of the estimators to train next: several that go at once, or one alone.

    They come in the order of the first of each; every position comes once. Copies are tried, as late as possible: when
    the first of them is due.

    Parameters
    ----------
    estimators
        Not fitted; they are left as they are.
    X, validation
        What they are to be fitted to.
    """
    done: set[int] = set()
    refused: set[str] = set()
    for first, estimator in enumerate(estimators):
        if first in done:
            continue
        found, tried = [first], [first]
        for weights_too in (True, False):
            key = _key(estimator, weights_too)
            if key in refused:
                continue
            alike = [
                i
                for i, other in enumerate(estimators[first:], first)
                if i not in done and _key(other, weights_too) == key
            ][:MOST]
            if alike != tried and _gains([estimators[i] for i in alike], X, validation):
                found = alike
                break
            refused.add(key)
            tried = alike
        done.update(found)
        yield found


def fit(estimators: Sequence[Autoencoder], X: Any, validation: Any = None) -> None:
    """Fit estimators that `batches` found to go at once; one is fitted as ever.

    Raises
    ------
    DivergedError
        Of the first that left the finite numbers; those after it are not done.
    """
    if len(estimators) == 1:
        estimators[0].fit(X, validation=validation)
        return
    lockstep = Lockstep()
    with contextlib.ExitStack() as opened:
        readers = [other.fit_iter(X, validation=validation, trainer=lockstep.train) for other in estimators]
        for reader in readers:
            opened.enter_context(contextlib.closing(reader))
            next(reader)  # all begin before one goes on
        for reader in readers:
            for _ in reader:
                pass


def _key(estimator: Autoencoder, weights_too: bool) -> str:
    """Return what estimators to be trained at once have in common; `weights_too`: but for numbers of the loss."""
    common = {}
    for field in fields(estimator):
        of_loss = field.annotation is float and field.name not in Settings.__dataclass_fields__
        if field.name not in OWN and not (weights_too and of_loss):
            common[field.name] = estimator._described(field.name)
    return f"{type(estimator)} {common}"


def _gains(estimators: Sequence[Autoencoder], X: Any, validation: Any) -> bool:
    try:
        first = _prepared(estimators[0], X, validation)
        if not first or not fits([*first, *first]):  # before there are copies of all
            return False
        several = [*first, *(training for other in estimators[1:] for training in _prepared(other, X, validation))]
    except NarrowsError:
        return False  # it comes again where it is trained
    return fits(several) and bool(rehearse(several))


def _prepared(estimator: Autoencoder, X: Any, validation: Any) -> list[Training]:
    """Return the training that a copy of an estimator would begin; none where its kind is not trained by steps."""
    found = []

    def keep(
        module: Any, data: Rows, settings: Settings, held_out: Rows | None, checkpoints: Any
    ) -> Generator[Report, None, None]:
        found.append(Training(module, data, settings, held_out))
        yield from ()

    copy: Autoencoder = clone(estimator)
    for _ in copy.fit_iter(X, validation=validation, trainer=keep):
        pass
    return found
