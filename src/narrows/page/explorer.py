"""A model in one's hands: everything that a view of the page asks of it, without any web framework.

What goes in and comes out is as it is on the wire: samples as `Display` shows them, codes as (n, latent_dim), rows as
positions in a split. Numbers come from the functions that the commands use.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from narrows import figures
from narrows.analyses.combination import Combination, combined
from narrows.analyses.denoising import Denoised, corruption_of, denoised
from narrows.analyses.expression import Term, parse
from narrows.analyses.interpolation import WAYS, path
from narrows.analyses.latents import decode
from narrows.components import resolve
from narrows.data.arrays import Array, Arrays
from narrows.errors import ConfigError
from narrows.estimators.inference import codes, reconstruct_encoded
from narrows.estimators.synthesis import drawn, values_at
from narrows.evaluation.errors import squared_errors
from narrows.page.fitted import FAR, Fitted
from narrows.page.samples import ModelOnSplit

MOST_CODES, MOST_SAMPLES = 4096, 256
"""Codes that one call decodes, and new samples that one draws."""

Answer = dict[str, Any]
"""Tensors by name, and numbers."""


class Sum(NamedTuple):
    """A sum of codes of a split."""

    on: ModelOnSplit
    terms: tuple[Term, ...]
    result: Combination
    label: Any
    """That it is decoded with, for a model with a condition."""


class Explorer(Fitted):
    """A fitted model with its data, in one's hands; see `Fitted` for its parameters."""

    # Codes and samples ------------------------------------------------------------------------------------------------

    def decode(self, z: Array, y: Any = None) -> Answer:
        """Return what codes decode to, cut to `code_limits`."""
        self.check_continuous()
        z = self.codes_of(z, MOST_CODES, "decode")
        return {"x": self.display.shown(decode(self.model, z, self.labels.of(y, len(z)))), "z": z}

    def blend(self, rows: Sequence[int], weights: Array, split: str | None = None, y: Any = None) -> Answer:
        """Return what a weighted sum of samples' codes decodes to."""
        self.check_continuous()
        on, positions = self.rows_of(split, rows, "decode")
        z = self.weights_of(weights, positions, "decode") @ on.codes[positions]
        label = self.label_of(on, positions[:1], y)
        return {"x": self.display.shown(decode(self.model, z[None], label)), "z": z[None]}

    def encode(self, x: Array | None = None, input: Array | None = None, y: Any = None) -> Answer:
        """Return the codes of samples as they are shown, or, as `input`, on the model's scale."""
        return {"z": codes(self.model, self.arrays(x, input, y))}

    def arrays(self, x: Array | None, input: Array | None, y: Any = None) -> Arrays:
        """Return samples that are given in one of two ways, as the model takes them."""
        given = x if input is None else input
        if given is None or not 1 <= len(given) <= MOST_CODES:
            raise ConfigError(f"encode: x must be 1 to {MOST_CODES} samples; got {0 if given is None else len(given)}.")
        n = 1 if given.shape == self.model.sample_shape_ else len(given)
        labels = self.labels.of(y, n)
        return self.display.arrays_of(given, labels) if input is None else self.display.on_scale(given, labels)

    def reconstruct(self, rows: Sequence[int], split: str | None = None) -> Answer:
        """Return samples, their reconstructions, codes and squared errors."""
        on, positions = self.rows_of(split, rows, "reconstruct")
        arrays = on.arrays.rows(positions)
        x, x_hat = on.values(arrays), reconstruct_encoded(self.model, arrays)
        return {
            "x": self.display.shown(x, arrays), "reconstruction": self.display.reconstructed(x_hat, arrays),
            "z": codes(self.model, arrays), "error": squared_errors(x, x_hat, arrays.mask),
        }  # fmt: skip

    # Combine, interpolate, denoise ------------------------------------------------------------------------------------

    def combination(
        self, expression: str | None = None, rows: Sequence[int] | None = None, weights: Array | None = None,
        split: str | None = None, y: Any = None,
    ) -> Sum:  # fmt: skip
        """Return a sum of codes, written as in `narrows combine`, or as rows with a weight each."""
        self.check_continuous()
        on = self.on(split)
        if expression is None:
            positions = self.rows_of(split, rows or (), "combine")[1]
            each = self.weights_of(np.ones(len(positions)) if weights is None else weights, positions, "combine")
            terms = tuple(Term(float(w), (row,), None, 0) for w, row in zip(each, positions, strict=True))
        else:
            terms = parse(expression)
        owner = "Combine" if expression is None else f"Combine: {expression!r}"
        limits = self.limits(split) if self.display.kind == "image" else None
        label = self.label_of(on, terms[0].index[:1], y)
        return Sum(on, terms, combined(on, terms, owner, limits, label), label)

    def combine(
        self, expression: str | None = None, rows: Sequence[int] | None = None, weights: Array | None = None,
        split: str | None = None, y: Any = None,
    ) -> Answer:  # fmt: skip
        """Return what a sum of codes decodes to, beside the same sum of the samples, and the numbers of the command."""
        result = self.combination(expression, rows, weights, split, y).result
        limits, show = self.limits(split), self.display.shown
        return {
            "decoded": show(result.decoded[None], limits=limits), "plain": show(result.plain[None], limits=limits),
            "numbers": {**result.numbers, "nearest row": result.nearest}, "z": result.z[None],
        }  # fmt: skip

    def interpolate(self, a: int, b: int, t: Array, way: str = "linear", split: str | None = None) -> Answer:
        """Return what lies between the codes of two samples, at shares t (n,) of the way."""
        self.check_continuous()
        on, (first, last) = self.rows_of(split, (a, b), "interpolate")
        if way not in WAYS:
            raise ConfigError(f"interpolate: way must be one of {', '.join(WAYS)}; got {str(way)[:40]!r}.")
        if not 1 <= len(t) <= MOST_CODES or not np.isfinite(t).all() or np.abs(t).max() > FAR:
            raise ConfigError(f"interpolate: t must be 1 to {MOST_CODES} shares of the way, such as [0, 0.5, 1].")
        z = path(on.codes[first], on.codes[last], self.distribution.centre, np.asarray(t, np.float64), way)
        label = self.label_of(on, [first], None, len(z))
        return {"x": self.display.shown(decode(self.model, z, label)), "z": z}

    def denoised(
        self, split: str | None = None, row: int | None = None, input: Array | None = None, corruption: str = "",
        strength: float | None = None, seed: int = 0, y: Any = None,
    ) -> tuple[Arrays, Denoised]:  # fmt: skip
        """Return one sample, of a split or given as `input` on the model's scale, and it corrupted and cleaned."""
        if input is None:
            on, positions = self.rows_of(split, () if row is None else (row,), "denoise")
            arrays = on.arrays.rows(positions)
        else:
            arrays = self.arrays(None, input, self._fitting(input) if y is None else y).rows(slice(1))
        name = corruption or str(corruption_of(self.model))
        if strength is not None:
            name = f"{name.partition(':')[0]}:{float(strength)!r}"
        kind = resolve("corruption", name, "denoise")
        return arrays, denoised(self.model, arrays, kind, check_seed(seed))

    def _fitting(self, input: Array) -> int | None:
        """Return the class with which a sample is reconstructed best, for a model with a condition that is a class."""
        levels = self.labels.levels
        if levels is None:
            return None
        x = self.arrays(None, input, 0).x[:1]
        arrays = self.display.on_scale(np.repeat(x, len(levels), axis=0), levels)
        return int(squared_errors(arrays.x, reconstruct_encoded(self.model, arrays)).argmin())

    def denoise(self, *given: Any, **named: Any) -> Answer:
        """Return what `denoised` does as it is shown, and the squared errors, which are those of `narrows denoise`."""
        arrays, result = self.denoised(*given, **named)
        limits = figures.limits_of(result.input) if self.display.kind == "image" else None
        shown = {
            "input": self.display.shown(result.input, arrays, limits=limits),
            "noisy": self.display.shown(result.noisy, arrays, limits=limits),
            "reconstruction": self.display.reconstructed(result.reconstruction, arrays, limits=limits),
            "denoised": self.display.reconstructed(result.denoised, arrays, limits=limits),
        }
        return {**shown, "numbers": result.errors}

    # New samples ------------------------------------------------------------------------------------------------------

    def generate(
        self, n: int = 16, sampler: str = "prior", temperature: float = 1.0, seed: int = 0, y: Any = None
    ) -> Answer:
        """Return new samples: those of `narrows sample` where the temperature is 1; see `drawn`."""
        z = self.drawn(n, sampler, temperature, seed)
        x, mask = self.new(z, seed, y)
        return {"x": self.display.shown(x, Arrays(x, mask=mask)), "z": z}

    def new(self, z: Array, seed: int, y: Any = None) -> tuple[Array, Array | None]:
        """Return the new samples at codes, on the model's scale, and which of their values are not missing.

        They are draws where those of `narrows sample` are.
        """
        labels = self.labels.of(y, len(z))
        if not drawn(self.model):
            return decode(self.model, z, labels), None
        x, mask, _ = values_at(self.model, z, labels, seed)
        return x.astype(np.float64), mask

    def drawn(self, n: int, sampler: str, temperature: float, seed: int) -> Array:
        """Return new codes; the temperature scales how far they are from the centre of what they are drawn from."""
        self.check_continuous()
        if not isinstance(n, int) or not 1 <= n <= MOST_SAMPLES:
            raise ConfigError(f"generate: n must be a whole number from 1 to {MOST_SAMPLES}; got {n!r}.")
        if not 0 <= temperature <= FAR:
            raise ConfigError(f"generate: temperature must be from 0 to {FAR}; got {temperature!r}. 1 is the model's.")
        kept = self.model.codes_ is not None and len(self.model.codes_)
        X: Any = None if sampler == "prior" or kept else self.on("train").arrays
        z = self.model.sample_codes(n, check_seed(seed), sampler, X=X)
        if temperature != 1:
            centre = self.distribution.centre if sampler == "prior" else self.model.density(sampler, X).mean
            z = centre + temperature * (z - centre)
        return np.asarray(z, np.float64)

    def nearest(
        self, z: Array | None = None, x: Array | None = None, input: Array | None = None, y: Any = None
    ) -> Answer:
        """Return for codes, or samples, the training samples that are nearest, in the data, on the model's scale."""
        if z is None:
            points = self._points(x, input, y)
        else:
            self.check_continuous()
            z = self.codes_of(z, MOST_SAMPLES, "nearest")
            points = decode(self.model, z, self.labels.of(y, len(z)))
        if not 1 <= len(points) <= MOST_SAMPLES:
            raise ConfigError(f"nearest: there must be 1 to {MOST_SAMPLES} samples; got {len(points)}.")
        rows, distances = self.neighbours.of(points)
        arrays = self.neighbours.arrays.rows(rows)
        return {"rows": rows, "distance": distances, "x": self.display.shown(self.model.schema_.values(arrays), arrays)}

    def _points(self, x: Array | None, input: Array | None, y: Any) -> Array:
        """Return samples on the model's scale; new rows of a table of pixels may lie beyond what a pixel can be."""
        schema = self.model.schema_
        if x is not None and input is None and schema.pixels and self.display.kind == "table":
            if x.shape[1:] != self.display.shape:
                raise ConfigError(f"nearest: x must be of shape (n, {schema.n_features}); got {x.shape}.")
            return x.astype(np.float64) / 255
        return schema.values(self.arrays(x, input, y))

    def prepare(self, given: Array | bytes | None, *, draw: bool = False) -> Answer:
        """Return a drawing (h, w), a picture file, or rows of a table, in the form of the data, and on their scale."""
        if self.display.kind == "table" and not isinstance(given, bytes):
            rows = np.asarray(given)
            return {"x": rows, "input": self.model.schema_.values(self.arrays(rows, None))}
        drawings = self.drawings
        x = drawings.read(given, drawing=draw) if isinstance(given, bytes) else drawings.drawn(np.asarray(given))
        return {"x": self.display.shown(x), "input": x}


def check_seed(seed: Any) -> int:
    """Return a seed. Raises: ConfigError where it is none."""
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**32:
        raise ConfigError(f"seed must be a whole number from 0 to {2**32 - 1}; got {str(seed)[:40]!r}.")
    return seed
