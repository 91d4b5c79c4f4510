"""The deterministic autoencoder: linear, deep, sparse, denoising, contractive, tied, quantised, adversarial."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from torch import Tensor, nn
from torch.distributions import Distribution

from narrows.components import AXES, resolve_all
from narrows.conditions import Condition, join
from narrows.data.schema import Schema
from narrows.errors import ConfigError
from narrows.estimators.neural import NeuralAutoencoder
from narrows.missingness import MissingnessLayer
from narrows.module import MAIN, Batch, Loss, Module, Prior
from narrows.nn import Decoder, Encoder
from narrows.nn.codes import CodeLayer
from narrows.objectives import negative_log_likelihood
from narrows.params import model, param
from narrows.penalties import Penalty, PenaltyLayer
from narrows.probability.likelihoods import LikelihoodLayer


class Conditional(nn.Module):
    """An encoder and a decoder, to which the values of a condition are joined where there is one."""

    def __init__(
        self, encoder: Encoder, decoder: Decoder, condition: Condition | None, inputs: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.condition, self.inputs = encoder, decoder, condition, inputs

    def encode(self, batch: Batch) -> Tensor:
        """Return the encoder's output."""
        layout, x = self.encoder.layout, batch.x
        if self.inputs is not None:
            x = self.inputs(x, batch.mask)
        if self.condition is not None and batch.y is not None:
            x = join(x, self.condition.values(batch.y, layout.condition, x), layout.feature_axis + 1)
        return self.encoder(x, batch.lengths)

    def decode(self, z: Tensor, batch: Batch | None) -> Tensor:
        """Return the decoder's output for latents."""
        if self.condition is not None and batch is not None and batch.y is not None:
            z = join(z, self.condition.values(batch.y, self.decoder.layout.condition, z), 1)
        return self.decoder(z)


class NetworkModule(Module):
    """Encoder and decoder, the code between them, and the likelihood after them."""

    def __init__(self, networks: Conditional, code: CodeLayer, likelihood: LikelihoodLayer) -> None:
        super().__init__()
        self.networks, self.layer, self.observed = networks, code, likelihood
        self.missingness: MissingnessLayer | None = None
        self.code = code.spec
        self.density = not likelihood.of.discrete

    @property
    def encoder(self) -> Encoder:
        """The encoder."""
        return self.networks.encoder

    @property
    def decoder(self) -> Decoder:
        """The decoder."""
        return self.networks.decoder


class AEModule(NetworkModule):
    """-log p(x | z) at the one code z, and penalties on it."""

    def __init__(
        self, networks: Conditional, code: CodeLayer, likelihood: LikelihoodLayer, penalties: Sequence[PenaltyLayer]
    ) -> None:
        super().__init__(networks, code, likelihood)
        self.penalties = nn.ModuleList(penalties)

    def encode(self, batch: Batch) -> Tensor:
        """Return the codes."""
        return self.layer.encode(self.networks.encode(batch))

    def decode(self, z: Tensor, batch: Batch | None = None) -> Tensor:
        """Return the likelihood's mean."""
        return self.likelihood(z, batch).mean

    def likelihood(self, z: Tensor, batch: Batch | None = None) -> Distribution:
        """Return p(x | z) at a code."""
        return self.observed(self.networks.decode(self.layer.latents_of(z), batch))

    def loss(self, batch: Batch, phase: str = MAIN) -> Loss:
        """Return the reconstruction and the penalties; or the loss of a penalty's own phase."""
        seen = self.corrupted(batch)
        slope = self.training and any(layer.penalty.slope for layer in self._penalties)
        if slope:  # evaluation does without a gradient
            seen.x = seen.x.detach().requires_grad_()
        h = self.networks.encode(seen)
        if phase != MAIN:
            layer = next(layer for layer in self._penalties if layer.name == phase)
            return layer.phase_loss(self.layer(h, batch).z.detach(), batch)
        z, terms, batch_metrics = self.layer(h, batch)
        distribution = self.observed(self.networks.decode(z, batch))
        objective = {"reconstruction": negative_log_likelihood(distribution, batch.x, batch.mask), **terms}
        metrics: dict[str, Tensor] = {}
        for layer in self._penalties:
            if layer.penalty.slope and not slope:
                continue
            objective[layer.name] = layer.term(seen.x, z, batch)
            metrics |= layer.penalty.metrics(z)
        return Loss(objective, metrics, batch_metrics)

    @property
    def _penalties(self) -> list[PenaltyLayer]:
        return list(self.penalties)  # type: ignore[arg-type]

    def score(self, batch: Batch) -> Tensor:
        """Return log p(x | z) at the code."""
        distribution = self.likelihood(self.encode(batch), batch)
        return batch.log_jacobian - negative_log_likelihood(distribution, batch.x, batch.mask)

    def phases(self) -> dict[str, Iterable[nn.Parameter]]:
        """Return the main phase, and one for every penalty that trains parameters of its own."""
        phases = {layer.name: list(layer.phase_parameters()) for layer in self._penalties}
        own = {id(parameter) for parameters in phases.values() for parameter in parameters}
        main = [parameter for parameter in self.parameters() if id(parameter) not in own]
        return {MAIN: main, **{name: parameters for name, parameters in phases.items() if parameters}}

    def after_step(self, batch: Batch, phase: str) -> None:
        """Move a codebook."""
        if phase == MAIN:
            self.layer.after_step()

    def prior(self, batch: Batch | None = None) -> Prior:
        """Return the distribution that a penalty draws the codes to, if there is one."""
        priors = [prior for layer in self._penalties if (prior := layer.prior()) is not None]
        return priors[0] if priors else super().prior(batch)


@model
class AE(NeuralAutoencoder):
    """An autoencoder with one code per sample.

    Minimises -log p(x | z), z = f(x + noise), summed over a sample's values (Hinton & Salakhutdinov, 2006), and
    penalties on the code: sparsity (Ng, 2011; Olshausen & Field, 1996), slope (Rifai et al., 2011), distance from a
    prior (Makhzani et al., 2016); noise is that of Vincent et al. (2010). Without hidden layers, `network="mlp:"` or
    `MLP(hidden=())`, it is the linear autoencoder: PCA's subspace.
    Shapes: x (B, *shape), z (B, latent_dim). Units: nats per sample.
    Use it for codes and clean reconstructions; prefer VAE to draw new samples.
    Raises: ConfigError for a parameter out of bounds; DataError where the likelihood cannot explain the data.

    {parameters}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> ae = AE(latent_dim=2, network="mlp:", epochs=2).fit(load_iris().data)
    >>> ae.transform(load_iris().data).shape
    (150, 2)

    References: doi.org/10.1126/science.1127647
    """

    penalty: str | Penalty | tuple[str | Penalty, ...] = param(
        (), "Penalties on the code, any number: sparsity, l1, contractive, adversarial.", axis="penalty", many=True
    )

    hides: ClassVar[bool] = True

    def build(self, schema: Schema) -> AEModule:
        """Return the module for samples of a schema."""
        owner = type(self).__name__
        penalties: tuple[Penalty, ...] = resolve_all("penalty", self.penalty, owner)
        encoder, decoder, code, layout, likelihood, network, inputs = self.networks(schema)
        for penalty in penalties:
            penalty.check(owner, code.activation)
        names = [AXES["penalty"].name_of(penalty) or type(penalty).__name__.lower() for penalty in penalties]
        if repeated := next((name for name in names if names.count(name) > 1), None):
            raise ConfigError(
                f"{owner}: penalty must name every penalty once; got {repeated!r} twice. Add the weights."
            )
        layers = [penalty.layer(name, layout.latents) for name, penalty in zip(names, penalties, strict=True)]
        module = AEModule(
            Conditional(encoder, decoder, self._component("condition"), inputs), code.layer(layout.latents),
            likelihood.layer(), layers,
        )  # fmt: skip
        module.layers_draw = network.draws
        return module
