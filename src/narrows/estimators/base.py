"""What every estimator is: fields, scikit-learn's verbs, and a module that `build` makes and `optimise` fits."""

from __future__ import annotations

import atexit
import contextlib
import copy
import math
import re
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data
from torch import Tensor, nn

from narrows.corruptions import Corruption, corruption
from narrows.errors import ConfigError, DataError
from narrows.figures import notebook
from narrows.module import Module
from narrows.nn.network import ACTIVATIONS, NETWORKS, Decoder, Layout, ResidualDecoder, ResidualEncoder, start_at_axes
from narrows.params import fields, model, param, validate
from narrows.pca import principal_axes
from narrows.probability.likelihoods import Likelihood, ScaledLikelihood, likelihood
from narrows.storage.record import write_record
from narrows.training import Checkpoints, Report, Rows, Settings, Trainer, fingerprint, subset, train
from narrows.training.arrays import as_array, dtype_of
from narrows.training.memory import keep_freed
from narrows.training.precision import PRECISIONS, autocast
from narrows.training.schedules import OPTIMIZERS, SCHEDULES

if TYPE_CHECKING:
    from narrows.probability.densities import CodeDensity

__all__ = ["FORMAT", "Array", "Autoencoder", "NeuralAutoencoder"]

Array = NDArray[Any]

FORMAT = 1
"""Version of the saved model's layout."""

CHUNK = 2**22
"""Numbers that pass through a module at once outside training: 16 MB in float32."""

CODES = "training.codes"
"""Name of the codes among a saved model's tensors; no module can hold a part of this name."""

KEPT, KEPT_NUMBERS = 5000, 2**20
"""Training samples whose codes a model keeps at most, and numbers in all."""

_OPEN: weakref.WeakSet[Generator[Report, None, None]] = weakref.WeakSet()
"""Fits that are not at their end."""


@atexit.register
def _close() -> None:
    """End the fits that are open when Python ends, while there is enough left of it to save a checkpoint."""
    for reports in list(_OPEN):
        reports.close()


class Autoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, ABC):
    """An estimator of codes: numbers from which a sample can be rebuilt.

    `X` is a table (N, D), sequences (N, T, D) or images (N, C, H, W). uint8 counts as pixels and is scaled by 1/255;
    what comes back (`reconstruct`, `inverse_transform`, `sample`) is on that scale.

    Attributes
    ----------
    module_
        The fitted torch module.
    history_
        One record per epoch: the terms on training and validation data, and the time.
    sample_shape_, n_features_in_
        Shape of one sample, and how many numbers it has.
    latent_dim_
        How many numbers its code has.
    pixels_
        Whether X was uint8 in fit.
    codes_
        Codes of at most 5,000 training samples, drawn with the seed, from which `sample` learns how codes are spread;
        saved with the model. None before training ends, and for models that were saved without them.
    """

    module_: Module
    history_: list[dict[str, Any]]
    sample_shape_: tuple[int, ...]
    n_features_in_: int
    latent_dim_: int
    pixels_: bool
    codes_: Array | None = None
    _densities: dict[str, Any]

    takes_float64: ClassVar[bool] = False
    """Whether the model computes in double precision."""

    def code_size(self, shape: tuple[int, ...]) -> int:
        """Return how many numbers the code has for data of a shape (N, *shape)."""
        return int(self.latent_dim)

    @abstractmethod
    def build(self, shape: tuple[int, ...]) -> Module:
        """Return the module for samples of a shape, not yet fitted."""

    @abstractmethod
    def optimise(
        self, X: Array, validation: Array | None, checkpoints: Checkpoints | None = None, trainer: Trainer = train
    ) -> Generator[Report, None, None]:
        """Fit `module_` to X, by `trainer` where it is trained step by step, and report."""

    def fit(
        self,
        X: ArrayLike,
        y: Any = None,
        *,
        validation: ArrayLike | float | None = None,
        resume: str | Path | Checkpoints | None = None,
    ) -> Self:
        """Fit to X.

        Parameters
        ----------
        X
            (N, *shape).
        y
            Ignored; it is there for scikit-learn's pipelines.
        validation
            Samples that choose the best weights and end training early, or the share of X to hold out for that.
        resume
            A folder of checkpoints: training goes on from the last good one, bit for bit as if it had never stopped,
            and leaves new ones. Where there is none it begins. A model that is fitted in one step always begins.

        Raises
        ------
        ConfigError
            A field is out of bounds.
        DataError
            X is empty, not numeric, not finite, or does not fit the model.
        DivergedError
            Training left the finite numbers; the estimator holds the last good weights.
        TrainingError
            The checkpoints are of another training, or another process is at it.
        """
        for _ in self.fit_iter(X, y, validation=validation, resume=resume):
            pass
        return self

    def fit_iter(
        self,
        X: ArrayLike,
        y: Any = None,
        *,
        validation: ArrayLike | float | None = None,
        resume: str | Path | Checkpoints | None = None,
        trainer: Trainer = train,
    ) -> Generator[Report, None, None]:
        """Fit to X step by step: a generator of reports. Leave it, and training stops; what was learned is kept."""
        validate(self)
        data = self._checked(X, reset=True)
        self.latent_dim_ = self.code_size(data.shape)
        self.pixels_ = data.dtype == np.uint8
        held_out = None
        if isinstance(validation, float):
            data, held_out = self._split(data, validation)
        elif validation is not None:
            held_out = self._checked(validation, reset=False)
        checkpoints = Checkpoints(resume) if isinstance(resume, str | Path) else resume
        reports = self._fit(data, held_out, checkpoints, trainer)
        _OPEN.add(reports)
        return reports

    def _fit(
        self, X: Array, validation: Array | None, checkpoints: Checkpoints | None, trainer: Trainer
    ) -> Generator[Report, None, None]:
        self.history_, self.codes_, self._densities = [], None, {}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._seed)
            self.module_ = self.build(self.sample_shape_)
        learned = False
        try:
            # Closed by name: what the last save has to say must reach whoever leaves.
            with contextlib.closing(self.optimise(X, validation, checkpoints, trainer)) as reports:
                for report in reports:
                    learned = True
                    if report.end_of_epoch:
                        self.history_.append(report.record())
                    yield report
        finally:
            if learned or self.history_:
                self._keep_codes(X)

    @property
    def _seed(self) -> int:
        return 0

    def _split(self, X: Array, share: float) -> tuple[Array, Array]:
        n = round(share * len(X)) if 0 < share < 1 else 0
        if not 0 < n < len(X):
            raise DataError(
                f"{type(self).__name__}: validation must be a share that leaves samples on both sides; got {share!r} "
                f"of {len(X)} samples. Give a larger share or more samples."
            )
        order = np.random.default_rng(self._seed).permutation(len(X))
        return X[np.sort(order[n:])], X[np.sort(order[:n])]

    def _checked(self, X: Any, *, reset: bool) -> Array:
        """Return X as an array of a dtype the model computes in, or uint8; refuse what it cannot be."""
        if not reset and self._is_ready(X):
            ready: Array = X
            return ready
        name = type(self).__name__
        try:
            if np.asarray(X).ndim in (3, 4):
                X = check_array(X, dtype="numeric", allow_nd=True, ensure_2d=False, input_name="X", estimator=self)
                if reset:
                    self.sample_shape_ = tuple(X.shape[1:])
                    self.n_features_in_ = math.prod(self.sample_shape_)
            else:
                X = validate_data(self, X, reset=reset, dtype="numeric")
                if reset:
                    self.sample_shape_ = tuple(X.shape[1:])
        except ValueError as error:
            raise DataError(f"{name}: {error}") from error
        if tuple(X.shape[1:]) != self.sample_shape_:
            raise DataError(
                f"{name}: X must have samples of shape {self.sample_shape_}, as in fit; got "
                f"{tuple(X.shape[1:])}. Reshape it."
            )
        if math.prod(X.shape) == 0:
            raise DataError(f"{name}: X must hold at least one number per sample; got shape {tuple(X.shape)}.")
        wide = np.float64 if self.takes_float64 else np.float32
        if X.dtype == np.uint8 or X.dtype == wide or (X.dtype == np.float32):
            return X
        with np.errstate(over="ignore"):  # told below, with what to do
            narrow = X.astype(wide)
        if X.dtype.kind == "f" and not np.isfinite(narrow).all():
            raise DataError(
                f"{name}: X must lie within float32, +-3.4e38; got values from {X.min():.3g} to {X.max():.3g}. Scale X."
            )
        return narrow

    def _is_ready(self, X: Any) -> bool:
        """Whether X needs no conversion and no complaint: scikit-learn takes longer than a model to find out."""
        if type(X) is not np.ndarray or X.shape[1:] != self.sample_shape_ or not len(X) or self._has_names:
            return False
        if X.dtype == np.uint8:
            return True
        # The sum is finite where all values are, but for sums beyond the type.
        with np.errstate(over="ignore", invalid="ignore"):
            return X.dtype == self._code_dtype and bool(np.isfinite(X.sum()))

    @property
    def _has_names(self) -> bool:
        return "feature_names_in_" in vars(self)

    def _keep_codes(self, X: Array) -> None:
        """Keep some codes for `sample`; those of weights that diverged may not be finite, and are left out."""
        rows = subset(len(X), max(1, min(KEPT, KEPT_NUMBERS // self.latent_dim_)), self._seed)
        codes = self._encoded(X, rows)
        self.codes_ = codes[np.isfinite(codes).all(1)]

    def _encoded(self, X: Array, rows: Array) -> Array:
        """Return the codes of some rows."""
        size = max(1, min(CHUNK // max(1, self.n_features_in_), 4096))
        module, found = self.module_.eval(), []
        with torch.inference_mode():
            for start in range(0, len(rows), size):
                (x,) = Rows(X[rows[start : start + size]], module.device, module.dtype).chunks(size)
                found.append(as_array(module.encode(x)).astype(self._code_dtype))
        return np.concatenate(found)

    @property
    def _code_dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float64 if self.takes_float64 else np.float32)

    def transform(self, X: ArrayLike, k: int | None = None) -> Array:
        """Return the codes, without noise: (N, *shape) -> (N, latent_dim), or their first `k` numbers.

        Raises
        ------
        ConfigError
            `k` is out of bounds, or the model's codes are not ordered (PCA's are; those of others with
            `ordered=True`).
        """
        if "module_" not in vars(self):  # quicker than what it calls
            check_is_fitted(self)
        if k is not None:
            self._check_cut(k)
        return self._mapped(self.module_.encode, self._checked(X, reset=False))[:, :k]

    def inverse_transform(self, Z: ArrayLike) -> Array:
        """Return what codes stand for, the mean over x: (N, latent_dim) -> (N, *shape).

        Ordered codes may be short: (N, k) with k <= latent_dim.
        """
        check_is_fitted(self)
        codes = check_array(Z, dtype=[np.float64, np.float32], input_name="Z", estimator=self)
        k, size = codes.shape[1], self.latent_dim_
        if k > size or (k < size and not self.module_.ordered):
            raise DataError(f"{type(self).__name__}: Z must have latent_dim = {size} columns; got {k}.")
        return self._mapped(self.module_.decode, np.pad(codes, ((0, 0), (0, size - k))))

    def reconstruct(self, X: ArrayLike, k: int | Sequence[int] | None = None) -> Array:
        """Return X as its codes tell it: the shape of X, on the model's scale (pixels in [0, 1]).

        With `k`, as the first k numbers of ordered codes tell it; with several, (len(k), N, *shape).
        """
        check_is_fitted(self)
        module = self.module_
        data = self._checked(X, reset=False)
        if k is None:
            return self._mapped(lambda x: module.decode(module.encode(x)), data)
        cuts = [k] if isinstance(k, int) else list(k)
        for cut in cuts:
            self._check_cut(cut)
        codes = self._mapped(module.encode, data)
        several = np.stack([self.inverse_transform(codes[:, :cut]) for cut in cuts])
        return several[0] if isinstance(k, int) else several

    def _check_cut(self, k: int) -> None:
        if not self.module_.ordered:
            raise ConfigError(
                f"{type(self).__name__}: k must go with ordered codes; got k={k!r}. Fit with ordered=True, or use PCA."
            )
        if not 1 <= k <= self.latent_dim_:
            raise ConfigError(
                f"{type(self).__name__}: k must be between 1 and latent_dim = {self.latent_dim_}; got {k!r}."
            )

    def score_samples(self, X: ArrayLike) -> Array:
        """Return how normal each sample is, higher is more normal, without noise: (N,), in nats."""
        check_is_fitted(self)
        return self._mapped(self.module_.score, self._checked(X, reset=False), exact=True)

    def score(self, X: ArrayLike, y: Any = None) -> float:
        """Return the mean of `score_samples`, in nats."""
        return float(self.score_samples(X).mean(dtype=np.float64))

    def sample(
        self, n: int = 1, seed: int | None = None, sampler: str = "prior", *, X: ArrayLike | None = None
    ) -> Array:
        """Return new samples, the means over x at codes that are drawn: (n, *shape).

        Parameters
        ----------
        n
            How many.
        seed
            Of the draw; None for another each time.
        sampler
            What codes are drawn from: "prior", the model's own; or a density fitted to the codes of training samples,
            so that models without a prior generate too, and others more like their data (Ghosh et al. 2020, sec. 4):
            "gmm" (10 normals), "gaussian" (one), "kde" (a kernel at every code) or "flow" (a neural spline flow, needs
            zuko).
        X
            Samples whose codes the density is fitted to; None for `codes_`, the codes kept from training. It is then
            fitted once, with the model's seed.

        Raises
        ------
        ConfigError
            The model has no prior over codes, or kept no codes and got no X; the sampler is unknown.

        References
        ----------
        arXiv:1903.12436
        """
        check_is_fitted(self)
        if not isinstance(n, int | np.integer) or n < 1:
            raise ConfigError(f"{type(self).__name__}: n must be a whole number >= 1; got {n!r}.")
        if sampler != "prior":
            drawn = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
            return self.inverse_transform(self._density(sampler, X).sample(n, drawn))
        prior = self.module_.prior()
        with torch.random.fork_rng(devices=[]):
            if seed is None:
                torch.seed()
            else:
                torch.manual_seed(seed)
            Z = as_array(prior.sample(torch.Size([n])))
        return self._mapped(self.module_.decode, Z)

    def _density(self, sampler: str, X: ArrayLike | None) -> CodeDensity:
        from narrows.probability.densities import fit_density  # costs half a second, which training does without

        if X is not None:
            return fit_density(self.transform(X), sampler, self._seed)
        if self.codes_ is None:
            raise ConfigError(
                f"{type(self).__name__}: sampler={sampler!r} must have codes to be fitted to; this model was saved "
                f"without any. Pass the training samples: sample(n, seed, {sampler!r}, X=...)."
            )
        if sampler not in self._densities:
            self._densities[sampler] = fit_density(self.codes_, sampler, self._seed)
        return self._densities[sampler]

    def _mapped(self, function: Callable[[Tensor], Tensor], X: Array, exact: bool = False) -> Array:
        """Apply a function of the module to X in chunks, in evaluation mode: (N, ...) -> (N, ...) numpy.

        What is `exact` is never computed in a lower precision than that of the weights.
        """
        module = self.module_
        size = max(1, min(CHUNK // max(1, self.n_features_in_), 4096))
        training = module.training
        if training:
            module.eval()
        out: Array | None = None
        try:
            products = contextlib.nullcontext() if exact else self._products
            with torch.inference_mode(), np.errstate(over="ignore", invalid="ignore"), products:
                start = 0
                for x in Rows(X, module.device, module.dtype).chunks(size):
                    result = as_array(function(x))
                    # The sum is the quick check: it is finite where all are, but for sums beyond float32. `sum` itself
                    # would take a tenth of the time of coding one sample.
                    if not (math.isfinite(np.add.reduce(result, axis=None)) or np.isfinite(result).all()):
                        raise DataError(
                            f"{type(self).__name__}: what comes out must be finite; got nan or infinity for values "
                            f"from {X.min():.3g} to {X.max():.3g}. Scale them as in fit."
                        )
                    if out is None:
                        if len(result) == len(X):
                            return result
                        out = np.empty((len(X), *result.shape[1:]), result.dtype)
                    out[start : start + len(result)] = result
                    start += len(result)
        finally:
            if training:
                module.train()
        assert out is not None  # X has at least one sample
        return out

    @property
    def _products(self) -> contextlib.AbstractContextManager[Any]:
        """The context in which codes and reconstructions are computed."""
        return contextlib.nullcontext()

    @property
    def _n_features_out(self) -> int:
        return self.latent_dim_

    def _repr_html_inner(self) -> str:
        """Return what a notebook shows: scikit-learn's diagram, and what there is to see of a fitted model."""
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
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        from narrows import __version__

        names = getattr(self, "feature_names_in_", None)
        record = {
            "format": FORMAT,
            "model": type(self).__name__.lower(),
            "fields": {f.name: self._described(f.name) for f in fields(self)},
            "sample_shape": self.sample_shape_,
            "latent_dim": self.latent_dim_,
            "pixels": self.pixels_,
            "feature_names": None if names is None else list(names),
            "history": self.history_,
            "codes": 0 if self.codes_ is None else len(self.codes_),
            "narrows": __version__,
        }
        tensors: dict[str, Any] = {name: as_array(t) for name, t in self.module_.state_dict().items()}
        if record["codes"]:
            tensors[CODES] = self.codes_
        write_record(folder / "model.json", record, tensors)
        return folder

    def _described(self, name: str) -> Any:
        """Return a field as JSON holds it; one's own objects by their description, to be given again to `load`."""
        value = getattr(self, name)
        plain = value is None or isinstance(value, bool | int | float | str | np.generic)
        if plain or (isinstance(value, tuple | list) and all(isinstance(v, int | float) for v in value)):
            return value
        return {"object": re.sub(" at 0x[0-9a-f]+", "", repr(value))}

    def restore(self, record: dict[str, Any], read: Callable[[dict[str, tuple[Any, ...]]], dict[str, Array]]) -> Self:
        """Take over a saved state; `narrows.load` calls it.

        Parameters
        ----------
        record
            What `save` wrote, its types checked.
        read
            Returns the tensors, given the type and shape of each that there must be.
        """
        self.sample_shape_ = tuple(record["sample_shape"])
        self.n_features_in_ = math.prod(self.sample_shape_)
        if record.get("feature_names") is not None:
            self.feature_names_in_ = np.array(record["feature_names"], dtype=object)
        self.latent_dim_ = record["latent_dim"]
        self.pixels_ = record["pixels"]
        self.history_ = record["history"]
        wanted = {name: (dtype_of(t), tuple(t.shape)) for name, t in self._planned().items()}
        kept = record.get("codes", 0)  # models saved at first had none
        if kept:
            wanted[CODES] = (self._code_dtype, (kept, self.latent_dim_))
        tensors = read(wanted)  # before anything of the size that the record asks for is allocated
        self.codes_, self._densities = tensors.pop(CODES, None), {}
        with torch.random.fork_rng(devices=[]):
            self.module_ = self.build(self.sample_shape_).eval()
        self.module_.load_state_dict({name: torch.from_numpy(array) for name, array in tensors.items()})
        return self

    def _planned(self) -> dict[str, Tensor]:
        """Return the state of the module to be built, as tensors that have a shape and take no memory."""
        with torch.device("meta"):
            return self.build(self.sample_shape_).state_dict()


@model
class NeuralAutoencoder(Autoencoder):
    """An autoencoder whose module is trained by gradient descent: the fields of networks and training."""

    latent_dim: int = param(20, "Numbers in the code.", low=1)
    network: str | tuple[nn.Module, ...] = param(
        "auto", "Encoder and decoder: a name, or your own pair of modules.", choices=("auto", *NETWORKS)
    )
    hidden: tuple[int, ...] | None = param(
        None, "Sizes from input to code: units of mlp and lstm, channels of conv.", low=1
    )
    activation: str = param("relu", "Between layers of mlp and conv.", choices=tuple(ACTIVATIONS))
    output_activation: str = param("linear", "On the decoder's output.", choices=tuple(ACTIVATIONS))
    kernel: int = param(3, "Width of convolutions, odd.", low=1)
    downsample: str = param("stride", "How a stage of conv halves an image.", choices=("stride", "max", "average"))
    batch_norm: bool = param(False, "Batch normalisation in conv.")
    likelihood: str | Likelihood = param("gaussian", "Distribution of a value, given the code.")
    ordered: bool = param(False, "Order the code by nested dropout, so that its first k numbers are a code.")
    data_bias: bool = param(True, "Start the output's bias at the data's mean.")
    corruption: str | Corruption | None = param(None, "Noise on the input in training, such as gaussian:0.2.")

    epochs: int = param(30, "Passes over the data.", low=1)
    batch_size: int | None = param(128, "Samples per step; None for all at once.", low=1)
    optimizer: str = param("adam", "The optimiser.", choices=tuple(OPTIMIZERS))
    learning_rate: float = param(2e-3, "Its step size.", low=0, low_open=True)
    momentum: float = param(0.0, "Of sgd and rmsprop.", low=0, high=1, high_open=True)
    adam_betas: tuple[float, float] = param(
        (0.9, 0.999), "Decay of the averages of adam, adamw and adamax.", low=0, high=1, high_open=True
    )
    weight_decay: float = param(0.0, "L2 penalty on weights (decoupled in adamw).", low=0)
    schedule: str = param("cosine", "Of the learning rate, after the warm-up.", choices=tuple(SCHEDULES))
    warmup: float = param(0.1, "Share of training over which the learning rate rises.", low=0, high=1, high_open=True)
    clip: float | None = param(None, "Largest norm of the gradient.", low=0, low_open=True)
    averaging: float | None = param(None, "Decay of the weights' moving average, such as 0.999.", low=0, high=1)
    patience: int | None = param(None, "Stop after so many epochs without a better validation loss.", low=1)
    precision: str = param(
        "auto", "Of products in training; auto: bf16 where it gains. bf16: and in codes, not in scores.",
        choices=PRECISIONS,
    )  # fmt: skip
    compile: bool = param(False, "Compile the loss with torch.compile.")
    device: str = param("auto", "Where to train.", choices=("auto", "cpu", "cuda", "mps"))
    seed: int = param(0, "Of initial weights, order and noise.", low=0)

    heads: ClassVar[int] = 1
    """Numbers that the encoder returns per latent dimension."""

    @property
    def _products(self) -> contextlib.AbstractContextManager[Any]:
        forced = self.precision == "bf16"  # what "auto" chooses for training leaves codes in full precision
        return autocast(self.module_, self.precision, self.module_.device) if forced else super()._products

    @property
    def _seed(self) -> int:
        return self.seed

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]  # what networks compute in
        return tags

    def layout(self, shape: tuple[int, ...]) -> Layout:
        """Return what the networks are built from."""
        return Layout(
            shape=shape,
            latent_dim=self.latent_dim,
            n_out=self.heads * self.latent_dim,
            hidden=None if self.hidden is None else tuple(self.hidden),
            activation=self.activation,
            output_activation=self.output_activation,
            kernel=self.kernel,
            downsample=self.downsample,
            batch_norm=self.batch_norm,
        )

    def observed(self) -> Likelihood:
        """Return the likelihood that the field names; auto stands for bernoulli for pixels, else gaussian:learned."""
        if self.likelihood == "auto":
            pixels = self.pixels_ and self.network != "residual"  # which begins at PCA, of normal values
            return likelihood("bernoulli" if pixels else "gaussian:learned")
        found = likelihood(self.likelihood)
        if found.bounded and self.output_activation != "linear":
            raise ConfigError(
                f"{type(self).__name__}: output_activation must be 'linear' for likelihood={self.likelihood!r}, which "
                f"bounds the output itself; got {self.output_activation!r}. Leave it out."
            )
        if self.network == "residual" and not isinstance(found, ScaledLikelihood):
            raise ConfigError(
                f"{type(self).__name__}: likelihood must be gaussian, laplace or discretized_logistic for "
                f"network='residual', which begins at PCA; got {self.likelihood!r}. Set likelihood='gaussian:learned'."
            )
        return copy.deepcopy(found)  # one's own object stays as it was given

    def restore(self, record: dict[str, Any], read: Callable[[dict[str, tuple[Any, ...]]], dict[str, Array]]) -> Self:
        """Take over a saved state; the one field that `build` does not look at is checked first."""
        corruption(self.corruption)
        super().restore(record, read)
        self.module_.ordered = self.ordered
        return self

    def optimise(
        self, X: Array, validation: Array | None, checkpoints: Checkpoints | None = None, trainer: Trainer = train
    ) -> Generator[Report, None, None]:
        """Train `module_`."""
        if self.patience is not None and validation is None:
            raise ConfigError(
                f"{type(self).__name__}: patience must come with validation data; got patience={self.patience} and "
                "none. Call fit(X, validation=0.1)."
            )
        keep_freed()
        module = self.module_.to(_device(self.device))
        module.corruption = corruption(self.corruption)
        module.ordered = self.ordered
        rows = Rows(X, module.device, module.dtype)
        self._start(X, module)
        settings = Settings(**{name: getattr(self, name) for name in Settings.__dataclass_fields__})
        held_out = None if validation is None else Rows(validation, module.device, module.dtype)
        with contextlib.ExitStack() as opened:
            opened.callback(module.cpu)
            if checkpoints is not None:
                opened.enter_context(checkpoints.opened(self._identity(X, validation, module)))
                self.history_.extend(checkpoints.history)
            yield from trainer(module, rows, settings, held_out, checkpoints)

    def _identity(self, X: Array, validation: Array | None, module: Module) -> dict[str, Any]:
        """Return what must be the same for training to go on, and what should be."""
        from narrows import __version__

        return {
            "model": type(self).__name__,
            "fields": {f.name: self._described(f.name) for f in fields(self) if f.name != "device"},
            "data": fingerprint(X),
            "validation": None if validation is None else fingerprint(validation),
            "versions": {"narrows": __version__, "torch": torch.__version__, "numpy": np.__version__},
            "device": str(module.device),
            "threads": torch.get_num_threads(),
        }

    def _start(self, X: Array, module: Module) -> None:
        """Check the data against the likelihood; start its scale and the output's bias where the data are."""
        found = next((m for m in module.modules() if isinstance(m, Likelihood)), None)
        decoder = next((m for m in module.modules() if isinstance(m, Decoder)), None)
        if found is None:
            return
        mean, deviation, low, high, grey = _moments(X)
        found.check(low, high, grey, type(self).__name__)
        found.start(deviation)
        if self.network == "residual":
            self._start_at_axes(X, module)
        if decoder is None or not self.data_bias or self.network == "residual":
            return
        links: dict[str, Callable[[Tensor], Tensor]] = {
            "linear": found.link,
            "sigmoid": lambda m: torch.logit(m, eps=1e-3),
        }
        if self.output_activation in links and (
            found.bounded or self.output_activation == "linear" or 0 <= low <= high <= 1
        ):
            decoder.start_at(torch.from_numpy(mean).to(module.device, module.dtype), links[self.output_activation])

    def _start_at_axes(self, X: Array, module: Module) -> None:
        """Give the maps of the residual network, and a learnt scale where PCA leaves it."""
        kinds = (ResidualEncoder, ResidualDecoder, ScaledLikelihood)
        encoder, decoder, observed = (next(m for m in module.modules() if isinstance(m, kind)) for kind in kinds)
        assert isinstance(encoder, ResidualEncoder)
        assert isinstance(decoder, ResidualDecoder)
        assert isinstance(observed, ScaledLikelihood)
        axes = principal_axes(X, min(self.latent_dim, len(X), self.n_features_in_))
        observed.start(math.sqrt(axes.noise))
        start_at_axes(encoder, decoder, axes, float(observed.scale.detach()) ** 2 if self.heads == 2 else 0.0)


def _moments(X: Array) -> tuple[Array, float, float, float, bool]:
    """Return the mean of every value, the deviation of all, the least and greatest, and whether all are grey levels."""
    scale = 255.0 if X.dtype == np.uint8 else 1.0
    total, squares = np.zeros(X.shape[1:]), 0.0
    low, high, grey = math.inf, -math.inf, True
    shift = float(np.mean(X[0], dtype=np.float64)) / scale  # near the mean: squares about it lose no digits
    rows = max(1, min(2 * CHUNK // max(1, X[0].size), 8192))
    for start in range(0, len(X), rows):
        chunk = np.asarray(X[start : start + rows])
        low, high = min(low, float(chunk.min()) / scale), max(high, float(chunk.max()) / scale)
        total += chunk.sum(0, dtype=np.float64) / scale
        flat = chunk.reshape(-1).astype(np.float64)
        apart = flat / scale - shift
        squares += float(np.einsum("i,i", apart, apart))  # numpy's product would leave threads awake, in torch's way
        grey = grey and (scale != 1.0 or bool(np.all(np.abs(flat * 255 - np.round(flat * 255)) < 1e-3)))
    mean = total / len(X)
    variance = squares / X.size - (float(mean.mean()) - shift) ** 2
    return mean, math.sqrt(max(variance, 0.0)), low, high, grey


def _device(name: str) -> torch.device:
    if name == "auto":
        if torch.cuda.is_available():
            name = "cuda"
        elif torch.backends.mps.is_available():
            name = "mps"
        else:
            name = "cpu"
    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if not found[name]:
        usable = ", ".join(repr(n) for n, there in found.items() if there)
        raise ConfigError(f"device must be one that this machine has ({usable}); got {name!r}. Use 'auto'.")
    return torch.device(name)
