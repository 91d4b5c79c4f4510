"""What is looked at before every step is taken."""

from __future__ import annotations

import math
import warnings

from narrows.errors import DivergedError
from narrows.training.phases import Result
from narrows.training.state import State

EARLY, SPIKE = 20, 30.0
"""A loss that grows by this factor within the first steps gets a warning: the learning rate is too high."""


def check_step(result: Result, learning_rate: float, state: State, values: int) -> None:
    """Stop before a step that would put numbers that are not finite into the weights; warn of a loss that shoots up.

    `learning_rate` is that of the settings, `values` how many values a sample has. Raises DivergedError where the loss
    or the norm of its gradient is not finite.
    """
    loss = result.objective
    if not math.isfinite(loss):
        bad = [name for name, value in zip(result.names, result.sums.tolist(), strict=True) if not math.isfinite(value)]
        what = f"the term {' and '.join(map(repr, bad))} must be finite; got nan or infinity"
    elif not math.isfinite(result.norm):
        what = "the gradient must be finite; got nan or infinity"
    else:
        if state.first_loss is None:
            state.first_loss = loss
        # Against a sample's values too: the loss may begin near 0.
        if state.step < EARLY and not state.spiked and loss > SPIKE * max(abs(state.first_loss), values):
            state.spiked = True
            warnings.warn(
                f"The loss rose from {state.first_loss:.3g} to {loss:.3g} by step {state.step + 1}: the learning rate "
                f"is probably too high (it is {learning_rate:g}: try a tenth, or clip=1).", stacklevel=2,
            )  # fmt: skip
        return
    raise DivergedError(
        f"{what} at step {state.step + 1} (epoch {state.epoch}). The weights of the step before are kept. Likely "
        f"cause: a learning rate too high (it is {learning_rate:g}: try a tenth, or clip=1), or values on too large a "
        "scale (set scale='standard')."
    )
