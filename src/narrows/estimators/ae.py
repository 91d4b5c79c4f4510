"""The deterministic autoencoder in all its classic forms: linear, deep, sparse, denoising, contractive, tied."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from narrows.errors import ConfigError
from narrows.estimators.base import NeuralAutoencoder
from narrows.module import Module
from narrows.nn.network import ACTIVATIONS, Layout, networks
from narrows.objectives import Batch, Loss, contractive_penalty, negative_log_likelihood, sparsity_kl, sparsity_l1
from narrows.params import model, param
from narrows.probability.likelihoods import Likelihood

__all__ = ["AE", "AEModule"]


class AEModule(Module):
    """-log p(x | z) at the one code z, and penalties on it."""

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, likelihood: Likelihood, *,
        sparsity: str | None, target: float, weight: float, contractive: float,
    ) -> None:  # fmt: skip
        super().__init__()
        self.encoder, self.decoder, self.observed = encoder, decoder, likelihood
        self.sparsity, self.target, self.weight, self.contractive = sparsity, target, weight, contractive

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x)

    def decode(self, z: Tensor) -> Tensor:
        return self.observed(self.decoder(z)).mean

    def loss(self, batch: Batch) -> Loss:
        x = self.corrupted(batch)
        penalise_slope = self.contractive > 0 and self.training  # needs a gradient, which evaluation does without
        if penalise_slope:
            x = x.detach().requires_grad_()
        z = self.encoder(x)
        kept = self.kept(batch, z.shape[1])
        z = z if kept is None else z * kept
        terms = {"reconstruction": negative_log_likelihood(self.observed(self.decoder(z)), batch.x, batch.mask)}
        if self.sparsity == "kl":
            terms["sparsity"] = self.weight * sparsity_kl(z.float(), self.target)
        elif self.sparsity == "l1":
            terms["sparsity"] = self.weight * sparsity_l1(z.float())
        if penalise_slope:
            terms["contractive"] = self.contractive * contractive_penalty(x, z)
        metrics = {"activity": z.detach().float().mean(1)} if self.sparsity else {}
        return Loss(terms, metrics)

    def score(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return -negative_log_likelihood(self.observed(self.decoder(self.encoder(x))), x, mask)


@model
class AE(NeuralAutoencoder):
    """An autoencoder with one code per sample.

    Minimises -log p(x | z), z = f(x + noise), summed over a sample's values (Hinton & Salakhutdinov, 2006), and what
    is asked for of sparsity (Ng, 2011; Olshausen & Field, 1996), slope (Rifai et al., 2011), and noise (Vincent et
    al., 2010). Without hidden layers, `activation="linear"` or not, it is the linear autoencoder: PCA's subspace.
    Shapes: x (B, *shape), z (B, latent_dim). Units: nats per sample.
    Use it for codes and clean reconstructions; prefer VAE to draw new samples.
    Raises: ConfigError for a field out of bounds; DataError where the likelihood cannot explain the data.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> ae = AE(latent_dim=2, hidden=(), epochs=2).fit(load_iris().data)
    >>> ae.transform(load_iris().data).shape
    (150, 2)

    References: doi.org/10.1126/science.1127647
    """

    code_activation: str = param("linear", "On the code.", choices=tuple(ACTIVATIONS))
    sparsity: str | None = param(
        None, "Penalty on the code's activity: kl to a target mean, or l1.", choices=("kl", "l1")
    )
    sparsity_target: float = param(0.05, "Mean activity for kl.", low=0, high=1, low_open=True, high_open=True)
    sparsity_weight: float = param(1.0, "Weight of the sparsity, which is summed over units.", low=0)
    contractive: float = param(0.0, "Weight of the squared slope of the encoder.", low=0)
    tied: bool = param(False, "Decode by the encoder's transposed weights (mlp).")

    def layout(self, shape: tuple[int, ...]) -> Layout:
        """Return what the networks are built from."""
        return replace(super().layout(shape), tied=self.tied)

    def build(self, shape: tuple[int, ...]) -> AEModule:
        """Return the module for samples of a shape."""
        if self.sparsity == "kl" and self.code_activation != "sigmoid":
            raise ConfigError(
                "AE: sparsity='kl' must go with a code in (0, 1); got code_activation="
                f"{self.code_activation!r}. Set code_activation='sigmoid', or sparsity='l1'."
            )
        encoder, decoder = networks(self.network, self.layout(shape))
        if self.code_activation != "linear":
            encoder = nn.Sequential(encoder, ACTIVATIONS[self.code_activation]())
        return AEModule(
            encoder, decoder, self.observed(),
            sparsity=self.sparsity, target=self.sparsity_target, weight=self.sparsity_weight,
            contractive=self.contractive,
        )  # fmt: skip
