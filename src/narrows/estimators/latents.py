"""The latent dimension where none is given."""

LATENTS = 20
"""The latent dimension that "auto" stands for, at most."""


def auto_latent_dim(n_features: int) -> int:
    """Return the latent dimension that "auto" stands for, for samples of so many values."""
    return max(1, min(LATENTS, n_features // 2))
