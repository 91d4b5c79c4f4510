"""Training that goes on batch by batch."""

from __future__ import annotations

from typing import Any, Self

from narrows.data.batches import Batches
from narrows.params import validate
from narrows.training.report import read_all
from narrows.training.steps import Steps


class PartialFitMixin:
    """The verb of an estimator that learns from one batch at a time."""

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Take one step of training on a batch, such as those of a generator or a DataLoader.

        The first batch gives the schema (columns, scale, classes of y) and where weights start, so let it be a large
        one; after `fit` those of the fitted model stay. The learning rate is constant, the optimiser's state goes from
        each call to the next, and `epochs`, `batch_size`, `schedule`, `warmup` and `patience` have no part in it.

        Parameters
        ----------
        X
            Samples, (N, *shape): all of them make one step.
        y
            Their labels, for a model with a condition.

        Raises
        ------
        DataError
            X does not fit the first batch: other columns, another shape, values that are not finite.
        """
        _step(self, X, y)
        return self


def _step(model: Any, X: Any, y: Any) -> None:
    if (steps := vars(model).get("_steps")) is None:
        steps = Steps()
        epochs, model.epochs = model.epochs, 1  # nothing is held out of one step
        try:
            read_all(model.fit_iter(X, y, warm_start="module_" in vars(model), trainer=steps.take))
        finally:
            model.epochs = epochs
        model._steps = steps
    else:
        validate(model)
        module = model.module_
        data = model.arrays(X, y if model._takes_condition else None)
        rows = Batches(data, model.schema_, module.device, module.dtype, module.density)
        for report in steps.take(module, rows, model._settings(len(rows), 0, False)):
            model.history_.append(report.record())
    model.codes_, model._densities = None, {}  # those of one batch say little of how all are distributed
