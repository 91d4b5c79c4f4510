"""What every estimator is: parameters, scikit-learn's verbs, and a module that `build` makes and `optimise` fits."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from narrows.data.arrays import Array, Arrays
from narrows.data.schema import Schema
from narrows.data.stored import StoredRows, Sum
from narrows.errors import ConfigError
from narrows.estimators import blocks, fitting, inference
from narrows.estimators.coding import CodingMixin
from narrows.estimators.imputation import ImputerMixin
from narrows.estimators.parameters import ComponentParameters
from narrows.estimators.persistence import save_model
from narrows.estimators.sampling import SamplerMixin
from narrows.estimators.validation import check_samples
from narrows.figures import notebook
from narrows.module import CodeSpec, Module
from narrows.training import Checkpoints, Report, Trainer, train
from narrows.training.report import read_all


class Autoencoder(CodingMixin, SamplerMixin, ImputerMixin, ComponentParameters, ABC):
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
        return fitting.begin(
            self, X, y, validation=validation, resume=resume, axes=axes, columns=columns, warm_start=warm_start,
            trainer=trainer,
        )  # fmt: skip

    @property
    def _takes_condition(self) -> bool:
        """Whether the model takes labels."""
        return False

    def sums_of(self, X: StoredRows) -> list[Sum]:
        """Return what `fit` needs of rows on disk beside moments and ranges, to be summed in the same pass."""
        return []

    def _encode(self, samples: Any, y: Any = None, *, learned: bool = False) -> Arrays:
        name = type(self).__name__
        return self.schema_.encode(samples, y, dtype=self.computing_dtype, owner=name, learned=learned)

    def arrays(self, X: ArrayLike, y: Any = None) -> Arrays:
        """Return samples, checked, on the model's scale; see `narrows.data.arrays.Arrays`."""
        return self._encode(check_samples(self, X, self.schema_, missing=self.takes_missing), y)

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

    # Scores -----------------------------------------------------------------------------------------------------------

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
