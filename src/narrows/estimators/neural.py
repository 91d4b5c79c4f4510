"""Estimators whose module is trained by gradient descent: the parameters of networks and training."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from torch import nn

from narrows.components import resolve
from narrows.conditions import Condition
from narrows.corruptions import CopyMask, Corruption, Own
from narrows.data.arrays import Arrays, on_disk
from narrows.data.batches import Batches
from narrows.data.schema import Schema
from narrows.data.stored import StoredRows, Sum
from narrows.errors import ConfigError
from narrows.estimators.base import Autoencoder
from narrows.estimators.device import device_of
from narrows.estimators.incremental import PartialFitMixin
from narrows.estimators.initialisation import filling_rank, start_at_data
from narrows.estimators.latents import auto_latent_dim
from narrows.estimators.on_disk import sums_for_axes
from narrows.estimators.persistence import training_identity
from narrows.estimators.refitting import Refit, copied
from narrows.estimators.validation import check_types
from narrows.nn import Decoder, Encoder, Layout, Network, Pair
from narrows.nn.codes import Code
from narrows.nn.masked import MaskedInput
from narrows.nn.typed import TypedInput
from narrows.params import model, param
from narrows.probability.likelihoods import Likelihood
from narrows.probability.typed import ColumnLikelihoods, outputs_of
from narrows.training import Checkpoints, Report, Settings, Trainer
from narrows.training.effort import PATIENCE, SMALL, auto_epochs, costly, held_out, multiplications, on_one_thread
from narrows.training.memory import keep_freed
from narrows.training.optimizers import OPTIMIZERS
from narrows.training.precision import PRECISIONS, autocast
from narrows.training.schedules import SCHEDULES


@model
class NeuralAutoencoder(PartialFitMixin, Autoencoder):
    """An autoencoder whose module is trained by gradient descent."""

    latent_dim: int | str = param(
        "auto", "Latent dimension; auto: half of a sample's values, 20 at most.", low=1, choices=("auto",)
    )
    network: str | tuple[nn.Module, ...] | Network = param(
        "auto", "Encoder and decoder: residual (auto), mlp, conv, recurrent, or your own modules.", axis="network"
    )
    code: str | Code = param(
        "continuous", "What becomes of the encoder's output: continuous, ordered, vq.", axis="code"
    )
    likelihood: str | Likelihood = param("gaussian", "Distribution of a value, given the code.", axis="likelihood")
    corruption: str | Corruption | None = param(
        "auto",
        "Noise on the input in training, such as gaussian:0.2; auto: copy_mask for holes in an AE's table.",
        axis="corruption",
    )
    condition: str | Condition | None = param(
        None, "How labels y enter encoder and decoder: concat; None to ignore them.", axis="condition"
    )
    scale: str | float | None = param(
        "auto",
        "How values are scaled: standard, minmax, a divisor, none; auto: standard unless all lie in [0, 1].",
        low=0, low_open=True, choices=("auto", "standard", "minmax"),
    )  # fmt: skip
    data_bias: bool = param(True, "Start the output's bias at the data's mean.")
    columns: dict[str, str] | None = param(
        None, "The kind of columns of a table, such as {'zip': 'category'}; those of others are inferred."
    )

    epochs: int | str = param(
        "auto", "Passes over the data; auto: by their size, ended early by data that are held out.", low=1,
        high=500_000, choices=("auto",),
    )  # fmt: skip
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
    compile: bool = param(False, "Compile the loss by torch.compile.")
    device: str = param("auto", "Where to train and to compute.", choices=("auto", "cpu", "cuda", "mps"))
    seed: int = param(0, "Of initial weights, order and noise.", low=0)
    verbose: bool = param(False, "Whether fit shows its progress.")

    takes_missing: ClassVar[bool] = True
    takes_types: ClassVar[bool] = True
    hides: ClassVar[bool] = False
    """Whether corruption="auto" hides values from the encoder of a table that lacks some."""
    heads: ClassVar[int] = 1
    """Values that the encoder returns per latent."""

    # Components -------------------------------------------------------------------------------------------------------

    def network_for(self, schema: Schema) -> Network:
        """Return the network for samples of a schema.

        auto is residual, as measured in docs/defaults.md; recurrent for sequences of different lengths, and conv for
        codes that lie on a map.

        Raises: ConfigError where there is none of that name, or it takes no sequences of different lengths.
        """
        network, name = self._network(schema.ragged, schema.kind == "images"), type(self).__name__
        if schema.ragged and not network.ragged:
            raise ConfigError(
                f"{name}: network must be 'recurrent' for sequences of different lengths; got {str(network)!r}. Or cut "
                "them to one length."
            )
        return network

    def _network(self, ragged: bool, images: bool) -> Network:
        if isinstance(self.network, tuple | list):
            return Pair(modules=tuple(self.network))
        chosen, name = self.network, type(self).__name__
        if chosen == "auto":
            code: Code = resolve("code", self.code, name)
            chosen = "recurrent" if ragged else "conv" if code.maps and images else "residual"
        network: Network = resolve("network", chosen, name)
        return network

    def sums_of(self, X: StoredRows) -> list[Sum]:
        """Return products, or a sketch of them, for networks that begin at PCA."""
        if not self._network(False, X.ndim == 4).begins_at_pca:
            return []
        d = math.prod(X.shape[1:])
        k = min(auto_latent_dim(d) if self.latent_dim == "auto" else int(self.latent_dim), len(X), d)
        return sums_for_axes(X, k, self.computing_dtype, scaled=X.dtype != np.uint8)

    def likelihood_for(self, schema: Schema, network: Network) -> Likelihood:
        """Return the likelihood; auto stands for bernoulli for black and white pixels, else gaussian:learned.

        Raises: ConfigError where it does not go with the network or the scale.
        """
        name = type(self).__name__
        chosen = self.likelihood
        if schema.types is not None:
            if chosen not in ("auto", "gaussian", "gaussian:learned"):
                raise ConfigError(
                    f"{name}: likelihood must be left out for a table of typed columns, which have one each; got "
                    f"{str(chosen)!r}. Choose them by columns={{'age': 'real:student'}}."
                )
            if network.output_activation != "linear":
                raise ConfigError(
                    f"{name}: output_activation must be 'linear' for a table of typed columns; got "
                    f"{network.output_activation!r}. Leave it out."
                )
            return ColumnLikelihoods(schema.features, learned=chosen != "gaussian")
        if chosen == "auto":
            chosen = "bernoulli" if schema.two_tone else "gaussian:learned"
        likelihood: Likelihood = resolve("likelihood", chosen, name)
        if likelihood.bounded and network.output_activation != "linear":
            raise ConfigError(
                f"{name}: output_activation must be 'linear' for likelihood={str(likelihood)!r}, which bounds the "
                f"output itself; got {network.output_activation!r}. Leave it out."
            )
        return likelihood

    def _scale(self) -> str | float | None:
        """Return the scale; values that a bounded likelihood explains stay as they are."""
        if self.scale != "auto" or self.likelihood == "auto":
            return self.scale
        likelihood = resolve("likelihood", self.likelihood, type(self).__name__)
        return None if getattr(likelihood, "bounded", False) else "auto"

    def latent_size(self, schema: Schema) -> int:
        """Return latent_dim; auto is half of a sample's values at most: a code of all of them would explain nothing."""
        if self.latent_dim == "auto":
            return auto_latent_dim(schema.n_features)
        return int(self.latent_dim)

    def networks(self, schema: Schema) -> tuple[Encoder, Decoder, Code, Layout, Likelihood, Network, nn.Module | None]:
        """Return new networks for samples of a schema, and what they were built for."""
        network = self.network_for(schema)
        likelihood = self.likelihood_for(schema, network)
        code: Code = resolve("code", self.code, type(self).__name__)
        condition = self._component("condition")
        inputs = self.inputs_for(schema, network)
        layout = Layout(
            shape=schema.sample_shape if inputs is None else (inputs.linear,),
            latents=code.latents(network, schema.sample_shape, self.latent_size(schema)),
            heads=self.heads, outputs=likelihood.outputs,
            condition=0 if condition is None else condition.size(schema.label_size),
            link=None if likelihood.located else likelihood.link,
            inputs=None if inputs is None else inputs.size,
            values=None if schema.types is None else sum(map(outputs_of, schema.features)),
        )  # fmt: skip
        encoder, decoder = network.build(layout)
        return encoder, decoder, code, layout, likelihood, network, inputs

    def inputs_for(self, schema: Schema, network: Network) -> TypedInput | MaskedInput | None:
        """Return what makes features of a table's typed columns, or of its values and mask; None for other samples."""
        if schema.types is not None:
            return TypedInput(schema.features)
        if schema.kind != "table" or not schema.missing or not network.sees_mask:
            return None
        return MaskedInput(schema.n_features, filling_rank(schema.n_features))

    def corruption_for(self, schema: Schema) -> Corruption | None:
        """Return the noise; auto stands for none, and for `CopyMask` in an AE of a table with missing values.

        An AE that is asked for nothing that it does not see learns to keep values, not to fill them in.
        """
        given: Any = self.corruption  # a user's function is taken too
        if given == "auto":
            return CopyMask(p=1.0) if self.hides and schema.missing and schema.kind == "table" else None
        own = callable(given) and not isinstance(given, Corruption)
        corruption: Corruption | None = (
            Own(function=given) if own else resolve("corruption", given, type(self).__name__)
        )
        return corruption

    # Training ---------------------------------------------------------------------------------------------------------

    @property
    def _seed(self) -> int:
        return self.seed

    @property
    def _takes_condition(self) -> bool:
        return self.condition is not None

    def products(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context for codes and reconstructions: bfloat16 only where it was asked for by name."""
        forced = self.precision == "bf16"  # what "auto" chooses for training leaves codes in full precision
        return autocast(self.module_, self.precision, self.module_.device) if forced else super().products()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]  # what networks compute in
        return tags

    def optimise(
        self, data: Arrays, validation: Arrays | None, checkpoints: Checkpoints | None, trainer: Trainer
    ) -> Generator[Report, None, None]:
        """Train `module_`."""
        name = type(self).__name__
        if self.patience is not None and validation is None and self.epochs != "auto":
            raise ConfigError(
                f"{name}: patience must come with validation data; got patience={self.patience} and "
                "none. Call fit(X, validation=0.1)."
            )
        keep_freed()
        module, schema = self.module_, self.schema_
        module.corruption = self.corruption_for(schema)
        check_types(self, schema, module.corruption)
        parts = held_out(len(data.x), self.seed) if validation is None and self.epochs == "auto" else None
        twice = parts is not None and not on_disk(data.x) and costly(len(parts[1]), len(data.x))
        untrained = copied(module) if twice else {}
        start_at_data(self, module, data.rows(parts[0]) if parts is not None and twice else data)
        module.to(device_of(self.device))
        rows = Batches(data, schema, module.device, module.dtype, module.density)
        held = None if validation is None else Batches(validation, schema, module.device, module.dtype, module.density)
        if parts is not None:
            # One fit alone starts at the PCA of all samples: layers must beat one that knows those held out as well.
            rows, held = (
                rows.divided(len(parts[1]), self.seed) if on_disk(data.x) else (rows.rows(part) for part in parts)
            )
        work = multiplications(module, rows)
        settings = self._settings(len(rows), work, held is not None)
        with contextlib.ExitStack() as opened:
            if checkpoints is not None:
                opened.enter_context(checkpoints.opened(training_identity(self, data, validation, module)))
                self.history_.extend(checkpoints.history)
            reports = trainer(module, rows, settings, held, checkpoints)
            small = module.device.type == "cpu" and work * min(self.batch_size or len(rows), len(rows)) < SMALL
            yield from on_one_thread(reports) if small else reports
            if twice and parts is not None and held is not None:
                reports = Refit(self, settings, trainer, untrained, data, parts[0], held).reports()
                yield from on_one_thread(reports) if small else reports

    def _settings(self, n: int, work: int, held_out: bool) -> Settings:
        """Return how to train on n samples, of `work` multiplications each."""
        given = {name: getattr(self, name) for name in Settings.__dataclass_fields__ if name != "start"}
        settings = Settings(**given, start=self.network_for(self.schema_).begins_at_pca)
        if self.epochs == "auto":
            epochs = auto_epochs(n, self.batch_size, work)
            patience = self.patience or math.ceil(epochs * PATIENCE)
            settings = replace(settings, epochs=epochs, patience=patience if held_out else None)
        return settings
