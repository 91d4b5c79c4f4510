"""Every column's share of the score."""

import numpy as np
import pandas as pd
import pytest

import narrows
from narrows.errors import DataError
from narrows.evaluation import column_gains, column_scores, diagnose
from narrows.evaluation.likelihood import kl


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(200, 1))
    X = np.column_stack([z * 3 + 1, -z, rng.normal(size=(200, 1)) * 100]) + 0.1 * rng.normal(size=(200, 3))
    X[::7, 1] = np.nan
    return X


def test_columns_of_ae_add_up_to_its_score(table):
    ae = narrows.AE(latent_dim=1, epochs=2).fit(table)
    scores = column_scores(ae, table)
    assert scores.names == ("0", "1", "2")
    assert (np.isnan(scores.values) == np.isnan(table)).all()
    np.testing.assert_allclose(np.nansum(scores.values, 1), ae.score_samples(table), rtol=1e-5)


def test_columns_of_vae_add_up_to_its_score_and_the_divergence(table):
    vae = narrows.VAE(latent_dim=1, epochs=2).fit(table)
    total = np.nansum(column_scores(vae, table).values, 1) - kl(vae, table)
    np.testing.assert_allclose(total, vae.score_samples(table), rtol=1e-5)


def test_columns_of_ae_are_normal_densities_of_the_data_as_given(table):
    ae = narrows.AE(latent_dim=1, epochs=2).fit(table)
    factor = ae.schema_.factor
    error = (table - ae.reconstruct(table)) / factor
    expected = -(error**2) / 2 - np.log(2 * np.pi) / 2 - np.log(factor)
    np.testing.assert_allclose(column_scores(ae, table).values, expected, rtol=1e-4, atol=1e-4)


def test_columns_of_pca_are_normals_around_the_axes(table):
    X = np.where(np.isnan(table), 0, table)
    pca = narrows.PCA(latent_dim=1).fit(X)
    variance = pca.noise_variance_
    expected = -((X - pca.reconstruct(X)) ** 2) / (2 * variance) - np.log(2 * np.pi * variance) / 2
    np.testing.assert_allclose(column_scores(pca, X).values, expected, rtol=1e-8)


def test_images_have_no_columns():
    images = np.random.default_rng(0).integers(0, 256, (20, 1, 4, 4), np.uint8)
    model = narrows.PCA(latent_dim=2).fit(images)
    with pytest.raises(DataError, match="column_scores: model must be one of a table"):
        column_scores(model, images)


def test_gains_are_the_variance_and_the_entropy_that_the_code_explains(table):
    ae = narrows.AE(latent_dim=1, epochs=2).fit(table)
    residual = (table - ae.reconstruct(table))[:, 0]
    expected = -np.log(np.mean(residual**2) / table[:, 0].var()) / 2
    assert column_gains(ae, table)["0"] == pytest.approx(expected, rel=1e-4)


def test_columns_that_are_not_learned_are_named():
    rng = np.random.default_rng(0)
    z = rng.normal(size=600)
    frame = pd.DataFrame(
        {
            "a": z + 0.1 * rng.normal(size=600),
            "b": -z,
            "kind": np.where(z > 0, "x", "y"),
            "noise": rng.random(600) < 0.5,
        }
    )
    vae = narrows.VAE(latent_dim=1, epochs=15).fit(frame)
    gains = column_gains(vae, frame)
    assert gains["a"] > 0.5
    assert gains["kind"] > 0.3
    assert gains["noise"] < 0.01
    found = {finding.rule: str(finding) for finding in diagnose(vae, frame)}
    assert "'noise' is not explained by the code" in found["columns not learned"]
    assert "'kind'" not in found["columns not learned"]
