"""New samples of a fitted model: codes from its prior, or from a density fitted to codes, and what they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from narrows.data.arrays import Array
from narrows.errors import ConfigError
from narrows.estimators import inference
from narrows.estimators.synthesis import drawn, rows_at
from narrows.training.arrays import as_array

if TYPE_CHECKING:
    from narrows.probability.densities import CodeDensity


class SamplerMixin:
    """The verbs of an estimator that draw new samples."""

    def sample(
        self: Any, n: int = 1, seed: int | None = None, sampler: str = "prior", *, X: ArrayLike | None = None,
        y: Any = None, clip: bool = False, noise: bool | None = None,
    ) -> Any:  # fmt: skip
        """Return new samples, (n, *shape) in X's units: the means over x at codes that are drawn, or draws of x there.

        Of tables of typed columns they are draws from p(x | z), with levels, whole numbers and times as in X, and
        values are missing at the rate of each column; identifiers are left out.

        Parameters
        ----------
        n
            How many.
        seed
            Of the draw; None for another each time.
        sampler
            What codes are drawn from: "prior", the model's own; or a density fitted to the codes of training samples,
            so that models without a prior generate too, and others more like their data (Ghosh et al. 2020,
            arXiv:1903.12436, sec. 4): "gmm" (10 normals), "gaussian" (one), "kde" (a kernel at every code) or "flow" (a
            neural spline flow, needs zuko).
        X
            Samples whose codes the density is fitted to; None for `codes_`, the codes kept from training. It is then
            fitted once, with the model's seed.
        y
            The label of all, or of each, for a model with a condition.
        clip
            Whether numbers of typed columns stay within the range of training.
        noise
            Whether values are drawn from p(x | z), of a model that has one, rather than its mean. None: of tables whose
            columns have names, whose means vary too little; of pictures and sequences the mean shows more.

        Raises
        ------
        ConfigError
            The model has no prior over codes, or kept no codes and got no X; the sampler is unknown; `noise` is asked
            of a model without a likelihood.
        """
        Z = self.sample_codes(n, seed, sampler, X=X)
        labels = np.broadcast_to(np.asarray(y), (n,)) if y is not None and np.ndim(y) == 0 else y
        probabilistic, schema = self.module_.probabilistic, self.schema_
        if noise and not probabilistic:
            raise ConfigError(
                f"{type(self).__name__}: noise must be False for a model without p(x | z) and a prior; got True. Use "
                "VAE."
            )
        if schema.types is not None or (drawn(self) if noise is None else noise):
            return rows_at(self, Z, labels, seed, clip=clip)
        return self.schema_.decode(self.decode(Z, labels))

    def sample_codes(
        self: Any, n: int = 1, seed: int | None = None, sampler: str = "prior", *, X: ArrayLike | None = None
    ) -> Array:
        """Return the codes that `sample` decodes: (n, latent_dim); see there."""
        check_is_fitted(self)
        name = type(self).__name__
        if not isinstance(n, int | np.integer) or isinstance(n, bool) or n < 1:
            raise ConfigError(f"{name}: n must be a whole number >= 1; got {n!r}.")
        if not self.code_.continuous:
            raise ConfigError(
                f"{name}: sampler must be for codes that are real numbers, not indices; got {sampler!r}. Use "
                "code='continuous'."
            )
        if sampler != "prior":
            start = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
            return self.density(sampler, X).sample(int(n), start)
        rng = torch.Generator()
        if seed is None:
            rng.seed()
        else:
            rng.manual_seed(int(seed))
        with torch.inference_mode():
            return as_array(self.module_.prior().draw(int(n), rng))

    def density(self: Any, sampler: str, X: ArrayLike | None = None) -> CodeDensity:
        """Return the density over codes that `sample` draws from, where that is not the prior; see there."""
        from narrows.probability.densities import fit_density  # costs half a second, which training does without

        if X is not None:
            return fit_density(inference.encode(self, X), sampler, self._seed)
        if self.codes_ is None or not len(self.codes_):
            raise ConfigError(
                f"{type(self).__name__}: sampler={sampler!r} must have codes to be fitted to; this model was saved "
                f"without any. Pass the training samples: sample(n, seed, {sampler!r}, X=...)."
            )
        if sampler not in self._densities:
            self._densities[sampler] = fit_density(self.codes_, sampler, self._seed)
        return self._densities[sampler]
