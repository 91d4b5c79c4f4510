"""What every estimator is: parameters, scikit-learn's verbs, and a module that `build` makes and `optimise` fits."""

from __future__ import annotations

import atexit
import contextlib
import weakref
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from copy import copy
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted

from narrows.components import Component, resolve
from narrows.data.arrays import Array, Arrays, on_disk, subset
from narrows.data.batches import chunk_size
from narrows.data.order import Division
from narrows.data.schema import Schema
from narrows.data.stored import Chosen, stored
from narrows.data.types_table import MixedTable
from narrows.errors import ConfigError, DataError
from narrows.estimators import blocks, inference
from narrows.estimators.imputation import ImputerMixin
from narrows.estimators.memory import check_memory
from narrows.estimators.persistence import describe_all, save_model
from narrows.estimators.synthesis import rows_at
from narrows.estimators.validation import check_samples
from narrows.figures import notebook
from narrows.module import Batch, CodeSpec, Module
from narrows.params import fields, validate
from narrows.rng import Seeded
from narrows.training import Checkpoints, Report, Settings, Trainer, train
from narrows.training.arrays import as_array
from narrows.training.effort import apart
from narrows.training.report import read_all

if TYPE_CHECKING:
    from narrows.probability.densities import CodeDensity

KEPT, KEPT_VALUES = 5000, 2**20
"""Training samples whose codes a model keeps at most, and values of codes in all."""

_OPEN: weakref.WeakSet[Generator[Report, None, None]] = weakref.WeakSet()
"""Fits that are not at their end."""


@atexit.register
def _close() -> None:
    """End the fits that are open when Python ends, while there is enough left of it to save a checkpoint."""
    for reports in list(_OPEN):
        reports.close()


class Autoencoder(ImputerMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, ABC):
    """An estimator of codes, from which samples can be reconstructed.

    `X` is a table (N, D), sequences (N, T, D) or a list of (T_i, D), or images (N, C, H, W), (N, H, W, C) or (N, H, W):
    an array, a tensor, a data frame or a sparse matrix. uint8 counts as pixels, but not in tables of small numbers.
    What comes back (`reconstruct`, `inverse_transform`, `sample`) has the units, type, columns and kind of data frame
    of the X that went into `fit`.

    Attributes
    ----------
    module_
        The fitted torch module.
    schema_
        What was learned of the form of X: kind, shape, columns, scale, classes of y.
    history_
        One record per epoch: the terms on training and validation data, and the time.
    sample_shape_, n_features_in_
        Shape of one sample, and how many values it has.
    latent_dim_
        The latent dimension.
    code_
        Shape and type of a code.
    codes_
        Codes of at most 5,000 training samples, drawn with the seed, from which `sample` learns how codes are
        distributed; saved with the model. None before training ends.
    """

    module_: Module
    schema_: Schema
    history_: list[dict[str, Any]]
    n_features_in_: int
    latent_dim_: int
    codes_: Array | None
    _densities: dict[str, Any]

    axis: ClassVar[str] = "estimator"
    """The table in which estimators are registered; see `narrows.components.register`."""
    takes_float64: ClassVar[bool] = False
    """Whether the model computes in double precision."""
    takes_missing: ClassVar[bool] = False
    """Whether NaN counts as a missing value."""
    takes_types: ClassVar[bool] = False
    """Whether columns of a table may hold text, categories, dates and the like."""

    # Parameters -------------------------------------------------------------------------------------------------------

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name; with `deep`, those of components too, as in `network__hidden`."""
        params: dict[str, Any] = super().get_params(deep=False)
        if deep:
            for field in fields(self):
                with contextlib.suppress(ConfigError):  # what a name means is checked by fit alone
                    value = self._component(field.name) if field.axis and not field.many else None
                    if isinstance(value, Component):
                        params |= {f"{field.name}__{name}": inner for name, inner in value.get_params().items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters; those of components by names such as `network__hidden`.

        Raises
        ------
        ConfigError
            There is no such parameter, or one of a component is out of bounds.
        """
        nested: dict[str, dict[str, Any]] = {}
        for key in list(params):
            name, separator, inner = key.partition("__")
            if separator:
                nested.setdefault(name, {})[inner] = params.pop(key)
        super().set_params(**params)
        for name, values in nested.items():
            component = self._component(name) if name in {f.name for f in fields(self) if f.axis} else None
            if not isinstance(component, Component):
                raise ConfigError(
                    f"{type(self).__name__}: {name} must be a component to have the parameter {next(iter(values))!r}; "
                    f"got {getattr(self, name, None)!r}. Set {name} itself first."
                )
            setattr(self, name, component.set_params(**values))
        return self

    def _component(self, name: str) -> Any:
        """Return the component that a parameter stands for; None where it stands for none, as "auto" does."""
        value = getattr(self, name)
        if value is None or (isinstance(value, str) and value == "auto"):
            return None
        axis = next(field.axis for field in fields(self) if field.name == name)
        return resolve(str(axis), value, type(self).__name__)

    def _scale(self) -> str | float | None:
        """Return the scale that the schema is to learn."""
        return None

    @property
    def _seed(self) -> int:
        return 0

    # Fitting ----------------------------------------------------------------------------------------------------------

    @abstractmethod
    def latent_size(self, schema: Schema) -> int:
        """Return the latent dimension for samples of a schema."""

    @abstractmethod
    def build(self, schema: Schema) -> Module:
        """Return the module for samples of a schema, not yet fitted."""

    @abstractmethod
    def optimise(
        self, data: Arrays, validation: Arrays | None, checkpoints: Checkpoints | None, trainer: Trainer
    ) -> Generator[Report, None, None]:
        """Fit `module_`, by `trainer` where it is trained step by step, and report."""

    def fit(
        self, X: ArrayLike, y: Any = None, *, validation: Any = None, resume: str | Path | Checkpoints | None = None,
        axes: str | None = None, warm_start: bool | Autoencoder = False,
    ) -> Self:  # fmt: skip
        """Fit to X.

        Parameters
        ----------
        X
            (N, *shape), or a list of (T_i, D).
        y
            Labels (N,), for models with a condition; others ignore it.
        validation
            Samples that choose the best weights and end training early, or the share of X to hold out for that; for a
            model with a condition (samples, labels), or a share.
        resume
            A folder of checkpoints: training resumes from the last good one, bit for bit as if it had never stopped,
            and leaves new ones. Where there is none it begins. A model that is fitted in one step always begins.
        axes
            The order of the axes of X: "NCHW", "NHWC" or "NHW" for images, "NTD" for sequences. None: a last axis of 1,
            3 or 4 in four is that of the channels, and (N, H, W) of uint8, or of grey levels, are images; where X is
            turned, a warning says so, and what comes back has the order of X.
        warm_start
            Begin at the weights of a fitted model with the same network: another one, or True for this one. Its schema
            stays: X has its columns, and its scale is not learned again.

        Raises
        ------
        ConfigError
            A parameter is out of bounds.
        DataError
            X is empty, not numeric, not finite, or does not fit the model.
        DivergedError
            A loss or gradient was not finite. Where something had been reported, the estimator holds the last good
            weights.
        TrainingError
            The checkpoints are of another training, or another process trains there.

        Notes
        -----
        A fit that fails before its first report leaves the estimator as it was.
        """
        if blocks.is_dask(X):
            return self._fit_blocks(X)
        reports = self.fit_iter(X, y, validation=validation, resume=resume, axes=axes, warm_start=warm_start)
        if vars(self).get("verbose"):
            from narrows.training.progress import follow  # a tenth of a second, which others do without

            follow(reports)
        else:
            read_all(reports)
        return self

    def _fit_blocks(self, X: Any) -> Self:
        """Fit to an array or a data frame of Dask, read block by block."""
        name = type(self).__name__
        raise ConfigError(
            f"{name}: X must be in memory or on the disk to train; got {type(X).__name__} of Dask. Use PCA."
        )

    def fit_iter(
        self,
        X: ArrayLike,
        y: Any = None,
        *,
        validation: Any = None,
        resume: str | Path | Checkpoints | None = None,
        axes: str | None = None,
        columns: Sequence[str] | None = None,
        warm_start: bool | Autoencoder = False,
        trainer: Trainer = train,
    ) -> Generator[Report, None, None]:
        """Fit to X step by step: a generator of reports. Leave it, and training stops; what was learned is kept.

        Parameters
        ----------
        X, y, validation, resume, axes, warm_start
            As in `fit`.
        columns
            Names of the columns of a table, where X has none itself.
        trainer
            What trains the module.
        """
        before = dict(vars(self))
        try:
            validate(self)
            y = y if self._takes_condition else None
            start = self._begin_at(warm_start)
            if start is not None:
                trainer = partial(_continued, trainer, start.module_.state_dict(), start, self)
            samples = check_samples(
                self, X, start and start.schema_, missing=self.takes_missing, axes=axes, columns=columns
            )
            held_out: Any = None
            if isinstance(validation, float | np.floating):
                samples, y, held_out = self._split(samples, y, float(validation))
            schema = start.schema_ if start is not None else Schema.of(
                samples, y, scale=self._scale(), columns=columns, like=X, owner=type(self).__name__,
                double=self.takes_float64, types=self.get_params(deep=False).get("columns"),
            )  # fmt: skip
            if start is not None and columns is not None and schema.columns not in (None, tuple(columns)):
                raise DataError(
                    f"{type(self).__name__}: X must have the columns of warm_start, {', '.join(schema.columns)}; got "
                    f"{', '.join(columns)}."
                )
            self.schema_ = schema
            self.latent_dim_ = self.latent_size(schema)
            data = self._encode(samples, y)
            held = None
            if held_out is not None:
                held = self._encode(*held_out)
            elif validation is not None:
                pair = validation if isinstance(validation, tuple) and self._takes_condition else (validation, None)
                held = self.arrays(*pair)
            fitted = {name: value for name, value in vars(self).items() if before.get(name) is not value}
        finally:
            self.__dict__.clear()
            self.__dict__.update(before)
        checkpoints = Checkpoints(resume) if isinstance(resume, str | Path) else resume
        reports = self._fit(fitted, data, held, checkpoints, trainer)
        _OPEN.add(reports)
        return reports

    def _fit(
        self, fitted: Mapping[str, Any], data: Arrays, validation: Arrays | None, checkpoints: Checkpoints | None,
        trainer: Trainer,
    ) -> Generator[Report, None, None]:  # fmt: skip
        before = dict(vars(self))
        if "feature_names_in_" not in fitted:
            self.__dict__.pop("feature_names_in_", None)
        self.__dict__.update(fitted)
        learned = False
        try:
            self.history_, self.codes_, self._densities = [], None, {}
            check_memory(self, self.schema_)
            self.__dict__.pop("_steps", None)
            with Seeded(self._seed):
                self.module_ = self.build(self.schema_)
            # Closed by name: what the last save has to say must reach whoever leaves.
            with contextlib.closing(self.optimise(data, validation, checkpoints, trainer)) as reports:
                for report in reports:
                    learned = True
                    if report.end_of_epoch:
                        self.history_.append(report.record())
                    yield report
        finally:
            if learned or vars(self).get("history_"):
                self._keep_codes(data)
            else:  # nothing was learned: what there was before is better than random weights
                self.__dict__.clear()
                self.__dict__.update(before)

    def _split(self, X: Any, y: Any, share: float) -> tuple[Any, Any, tuple[Any, Any]]:
        """Return the samples and labels to train on, and those held out."""
        n = round(share * len(X)) if 0 < share < 1 else 0
        if not 0 < n < len(X):
            raise DataError(
                f"{type(self).__name__}: validation must be a share that leaves samples on both sides; got {share!r} "
                f"of {len(X)} samples. Give a larger share or more samples."
            )
        kept, held = apart(len(X), n, self._seed)
        if on_disk(X):
            division = Division(len(X), n, self._seed)
            kept, held = division.kept(np.arange(len(X) - n)), division.held(np.arange(n))

        def rows(values: Any, index: Array) -> Any:
            if values is None:
                return None
            if on_disk(values):
                return Chosen(stored(values), len(index), index.__getitem__, f" divided {share} by {self._seed}")
            if isinstance(values, list):
                return [values[i] for i in index]
            return values[index] if isinstance(values, MixedTable) else np.asarray(values)[index]

        return rows(X, kept), rows(y, kept), (rows(X, held), rows(y, held))

    def _begin_at(self, warm_start: bool | Autoencoder) -> Autoencoder | None:
        """Return the fitted model that training begins at, whose features count as those of this one; else None."""
        start = self if warm_start is True else warm_start
        if start is False:
            return None
        name = type(self).__name__
        if not isinstance(start, Autoencoder) or type(start).__name__ != name:
            raise ConfigError(f"{name}: warm_start must be True or a fitted {name}; got {repr(start)[:100]}.")
        check_is_fitted(start)
        if "epochs" not in self.get_params(deep=False):
            raise ConfigError(f"{name}: warm_start must be False for a model that is fitted in one step. Fit it anew.")
        for attribute in ("n_features_in_", "feature_names_in_"):
            if attribute in vars(start):
                setattr(self, attribute, copy(getattr(start, attribute)))
        return start

    @property
    def _takes_condition(self) -> bool:
        """Whether the model takes labels."""
        return False

    def _encode(self, samples: Any, y: Any = None) -> Arrays:
        return self.schema_.encode(samples, y, dtype=self.computing_dtype, owner=type(self).__name__)

    def arrays(self, X: ArrayLike, y: Any = None) -> Arrays:
        """Return samples, checked, on the model's scale; see `narrows.data.arrays.Arrays`."""
        return self._encode(check_samples(self, X, self.schema_, missing=self.takes_missing), y)

    def _keep_codes(self, data: Arrays) -> None:
        """Keep some codes for `sample`; none where those of weights that diverged are not finite."""
        size = max(1, int(np.prod(self.code_.shape)))
        rows = subset(len(data.x), max(1, min(KEPT, KEPT_VALUES // size)), self._seed)
        try:
            self.codes_ = self._codes(data.rows(rows))
        except DataError:
            self.codes_ = np.empty((0, *self.code_.shape), self.computing_dtype)

    def _codes(self, data: Arrays) -> Array:
        """Return codes in the type that the estimator keeps them in."""
        codes = inference.map_batches(self, self.module_.encode, data, exact=True)
        return codes.astype(self.computing_dtype) if codes.dtype.kind == "f" else codes

    # Properties -------------------------------------------------------------------------------------------------------

    @property
    def sample_shape_(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return self.schema_.sample_shape

    @property
    def code_(self) -> CodeSpec:
        """Shape and type of a code."""
        return self.module_.code

    @property
    def computing_dtype(self) -> np.dtype[Any]:
        """The type in which the model computes."""
        return np.dtype(np.float64 if self.takes_float64 else np.float32)

    def products(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context in which codes and reconstructions are computed."""
        return contextlib.nullcontext()

    @property
    def _n_features_out(self) -> int:
        return int(np.prod(self.code_.shape))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.takes_missing
        tags.input_tags.string = tags.input_tags.categorical = self.takes_types
        tags.input_tags.sparse = True  # as dense arrays, where these fit into memory
        return tags

    # Verbs ------------------------------------------------------------------------------------------------------------

    def transform(self, X: ArrayLike, y: Any = None) -> Array:
        """Return the codes, without noise: (N, *shape) -> (N, latent_dim), or (N, *code_.shape).

        Parameters
        ----------
        X
            Samples.
        y
            Their labels, for a model with a condition; others ignore it.
        """
        if blocks.is_dask(X):
            return blocks.transform(self, X)
        return inference.encode(self, X, y if self._takes_condition else None)

    def inverse_transform(self, Z: ArrayLike, y: Any = None) -> Any:
        """Return the samples that codes stand for, the mean over x: (N, *code_.shape) -> (N, *shape), in X's units.

        Ordered codes may be short: (N, k) with k <= latent_dim.

        Parameters
        ----------
        Z
            Codes.
        y
            Labels, for a model with a condition.
        """
        check_is_fitted(self)
        return self.schema_.decode(self.decode(self.check_codes(Z), y))

    def check_codes(self, Z: ArrayLike) -> Array:
        """Return codes as `decode` takes them, (N, *code_.shape), ordered ones filled up with 0.

        Raises: DataError or ValueError where they are no finite numbers, of another shape, or no indices of the code.
        """
        name, spec = type(self).__name__, self.code_
        kinds: Any = [np.float64, np.float32] if spec.continuous else "numeric"
        codes = check_array(Z, dtype=kinds, input_name="Z", estimator=self, allow_nd=True)
        if not spec.continuous:
            codes = codes.reshape(len(codes), -1)
            if codes.shape[1] != self._n_features_out:
                raise DataError(f"{name}: Z must have codes of shape {spec.shape}; got {codes.shape[1]} values a row.")
            if (unlike := codes[codes != np.floor(codes)]).size:
                raise DataError(f"{name}: Z must hold whole numbers; got {unlike[0]}. Codes are indices.")
            if (beyond := codes[(codes < 0) | (codes >= spec.levels)]).size:
                raise DataError(f"{name}: Z must hold indices from 0 to {spec.levels - 1}; got {beyond[0]}.")
            return codes.reshape(-1, *spec.shape).astype(np.int64)
        k, size = codes.shape[1], self._n_features_out
        if k > size or (k < size and not spec.ordered):
            raise DataError(f"{name}: Z must have latent_dim = {size} columns; got {k}.")
        return np.pad(codes, ((0, 0), (0, size - k)))

    def decode(self, Z: Array, y: Any = None) -> Array:
        """Return what codes stand for on the model's scale: (N, *code_.shape) -> (N, *shape), in chunks."""
        module, schema = self.module_, self.schema_
        labels = None
        if self._takes_condition:
            labels = schema.labels_of(y, len(Z), type(self).__name__)
        codes = Z.astype(self.computing_dtype, copy=False) if self.code_.continuous else Z
        size = chunk_size(schema.sample_shape)
        parts = []
        with inference.evaluating(module), np.errstate(over="ignore", invalid="ignore"), self.products():
            for start in range(0, len(codes), size):
                z = torch.from_numpy(np.ascontiguousarray(codes[start : start + size])).to(module.device)
                label = None if labels is None else torch.from_numpy(labels[start : start + size]).to(module.device)
                part = as_array(module.decode(z, Batch(z, y=label)))
                if not np.isfinite(part).all():
                    raise DataError(
                        f"{type(self).__name__}: what comes out must be finite; got nan or infinity for codes from "
                        f"{codes.min():.3g} to {codes.max():.3g}. Give codes nearer to those of training."
                    )
                parts.append(part)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def reconstruct(self, X: ArrayLike, k: int | Sequence[int] | None = None, y: Any = None) -> Any:
        """Return X decoded from its codes: like X, in its units, type, columns and kind of data frame.

        Parameters
        ----------
        X
            Samples.
        k
            Use the first k values of ordered codes alone; with several, the result is (len(k), N, *shape), or a list
            for sequences of different length.
        y
            Labels, for a model with a condition.

        Raises
        ------
        ConfigError
            `k` is out of bounds, or the model's codes are not ordered (PCA's are; those of others with
            `code="ordered"`).
        """
        data = inference.encoded(self, X, y if self._takes_condition else None)
        if k is None:
            return self.schema_.decode(inference.reconstruct_encoded(self, data), like=X, lengths=data.lengths)
        several = isinstance(k, Sequence | np.ndarray) and not isinstance(k, str)
        cuts: list[Any] = list(k) if several else [k]  # type: ignore[arg-type]
        for cut in cuts:
            self.check_cut(cut)
        codes = inference.encode(self, data)
        labels = y if self._takes_condition else None
        decoded = [self.decode(np.where(np.arange(codes.shape[1]) < cut, codes, 0), labels) for cut in cuts]
        results = [self.schema_.decode(x, like=X, lengths=data.lengths) for x in decoded]
        if not several:
            return results[0]
        return results if data.lengths is not None else np.stack([np.asarray(X_hat) for X_hat in results])

    def check_cut(self, k: int) -> None:
        """Raise ConfigError unless codes are ordered and have a first k values."""
        if not self.code_.ordered:
            raise ConfigError(
                f"{type(self).__name__}: k must go with ordered codes; got k={k!r}. Fit with code='ordered', or use "
                "PCA."
            )
        if not isinstance(k, int | np.integer) or isinstance(k, bool) or not 1 <= k <= self.latent_dim_:
            raise ConfigError(
                f"{type(self).__name__}: k must be a whole number from 1 to latent_dim = {self.latent_dim_}; got {k!r}."
            )

    def score_samples(self, X: ArrayLike, y: Any = None) -> Array:
        """Return how normal each sample is, higher is more normal, without noise: (N,), in nats of the data as given.

        Of missing values nothing is asked: the score is that of the observed ones.
        """
        if blocks.is_dask(X):
            return blocks.score_samples(self, X)
        data = inference.encoded(self, X, y if self._takes_condition else None)
        return inference.map_batches(self, self.module_.score, data, exact=True)

    def score(self, X: ArrayLike, y: Any = None) -> float:
        """Return the mean of `score_samples`, in nats."""
        return float(self.score_samples(X, y).mean(dtype=np.float64))

    def sample(
        self, n: int = 1, seed: int | None = None, sampler: str = "prior", *, X: ArrayLike | None = None, y: Any = None,
        clip: bool = False, noise: bool | None = None,
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
        if noise is None:
            noise = probabilistic and schema.kind == "table" and schema.columns is not None
        if schema.types is not None or noise:
            return rows_at(self, Z, labels, seed, clip=clip)
        return self.schema_.decode(self.decode(Z, labels))

    def sample_codes(
        self, n: int = 1, seed: int | None = None, sampler: str = "prior", *, X: ArrayLike | None = None
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
            drawn = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
            return self.density(sampler, X).sample(int(n), drawn)
        rng = torch.Generator()
        if seed is None:
            rng.seed()
        else:
            rng.manual_seed(int(seed))
        with torch.inference_mode():
            return as_array(self.module_.prior().draw(int(n), rng))

    def density(self, sampler: str, X: ArrayLike | None = None) -> CodeDensity:
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

    # Notebooks and files ----------------------------------------------------------------------------------------------

    def _repr_html_inner(self) -> str:
        """Return what a notebook shows: scikit-learn's diagram, and training and samples of a fitted model."""
        return super()._repr_html_inner() + (notebook.model(self) if "module_" in vars(self) else "")

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        shown = super()._repr_mimebundle_(**kwargs)
        return {**shown, "text/html": self._repr_html_inner()} if "text/html" in shown else shown

    def save(self, folder: str | Path) -> Path:
        """Write the fitted model to a folder, as JSON and safetensors, and return the folder.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            There is nothing to save yet.
        """
        check_is_fitted(self)
        return save_model(self, Path(folder))

    def export(self, folder: str | Path, format: str = "onnx", *, X: Any = None, y: Any = None) -> Path:
        """Write encoder, decoder, reconstruct and score for others to run, without narrows, and return the folder.

        Needs the extra `export`. `narrows.export_model` does the same, has more options, and tells what was measured.

        Parameters
        ----------
        folder
            A new or an empty folder.
        format
            "onnx" (see `narrows.load_onnx`), "triton" or "torch".
        X, y
            Held-out samples and labels, on which the files are compared with torch.

        Raises
        ------
        ConfigError
            A part of the model cannot be exported, or differs from torch; nothing is left behind.
        """
        from narrows import export_model  # what exports stands far after this in the order of imports

        export_model(self, folder, format, X=X, y=y)
        return Path(folder)


def _continued(
    trainer: Trainer, weights: Mapping[str, Any], start: Autoencoder, model: Autoencoder, module: Module, *rest: Any
) -> Generator[Report, None, None]:
    """Train a module from the weights of a fitted model, which may be the same estimator."""
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        before, now = describe_all(start), describe_all(model)
        differ = [name for name in now if now[name] != before[name] and name not in Settings.__dataclass_fields__]
        raise ConfigError(
            f"{type(model).__name__}: warm_start must be a model with the same network; it differs in "
            f"{', '.join(differ) or 'its modules'}. Set what it has, or fit anew."
        ) from error
    yield from trainer(module, *rest)
