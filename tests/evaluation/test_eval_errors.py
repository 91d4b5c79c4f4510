"""One squared error and one PCA baseline, for every kind of data, output and device."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA as SklearnPCA

import narrows
from narrows.errors import DataError
from narrows.estimators import PCA
from narrows.evaluation import (
    against_baselines,
    anomaly_scores,
    compare_models,
    diagnose,
    few_label_accuracy,
    information,
    knn_accuracy,
    measure_reconstruction,
    pca_baseline,
    squared_error,
    squared_errors,
)


def test_masked_values_do_not_count_whatever_they_hold():
    x, x_hat = np.zeros((2, 3)), np.ones((2, 3))
    x_hat[0, 0] = np.nan
    mask = np.array([[False, True, True], [True, True, True]])
    assert squared_errors(x, x_hat, mask).tolist() == [2.0, 3.0]


@pytest.mark.parametrize("scale", [None, "standard", 3.0])
def test_the_baseline_is_pca_on_the_models_scale(scale):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(90, 6)) * [1, 2, 3, 4, 5, 60] + 5).astype(np.float32)
    model = narrows.AE(latent_dim=2, network="mlp:", epochs=1, scale=scale).fit(X[:60])
    x = model.schema_.values(model.arrays(X))
    wanted = SklearnPCA(2).fit(x[:60])
    baseline = pca_baseline(model, X[:60])
    assert (baseline.rank, baseline.n) == (2, 60)
    errors = np.square(x - wanted.inverse_transform(wanted.transform(x))).sum(1)
    np.testing.assert_allclose(baseline.squared_error(X), errors, rtol=1e-5)
    np.testing.assert_allclose(baseline.squared_error_of_mean(X), np.square(x - x[:60].mean(0)).sum(1), rtol=1e-5)
    np.testing.assert_allclose(np.abs(baseline.transform(X)), np.abs(wanted.transform(x)), rtol=1e-4, atol=1e-5)
    nats = wanted.score_samples(x) + model.schema_.log_jacobian
    np.testing.assert_allclose(baseline.log_likelihood(X), nats, rtol=1e-5)


def test_pixels_have_the_same_baseline_as_floats_in_the_unit_interval():
    X = np.random.default_rng(0).integers(0, 256, (40, 1, 5, 5), dtype=np.uint8)
    pixels, floats = (narrows.AE(latent_dim=3, network="mlp:", epochs=1).fit(x) for x in (X, X / 255))
    np.testing.assert_allclose(
        pca_baseline(pixels, X).squared_error(X), pca_baseline(floats, X / 255).squared_error(X / 255), rtol=1e-4
    )


def test_missing_values_count_as_the_mean_in_the_baseline():
    X = np.random.default_rng(0).normal(size=(60, 4))
    X[::7, 1] = np.nan
    model = narrows.AE(latent_dim=1, network="mlp:", epochs=1, scale=None).fit(X)
    filled = np.where(np.isnan(X), np.nanmean(X, 0), X)
    wanted = SklearnPCA(1).fit(filled)
    errors = np.square(filled - wanted.inverse_transform(wanted.transform(filled)))
    errors[np.isnan(X)] = 0
    np.testing.assert_allclose(pca_baseline(model, X).squared_error(X), errors.sum(1), rtol=1e-4)
    assert np.isfinite(measure_reconstruction(model, X).psnr)
    findings = diagnose(model, X, every=True)
    assert all(np.isfinite(value) for finding in findings for value in finding.evidence.values())


def test_the_baseline_is_fitted_once_for_the_same_model_and_samples(monkeypatch, digits):
    train, _, test, _ = digits
    model = narrows.AE(latent_dim=3, network="mlp:", epochs=1).fit(train)
    fits, fit = [], PCA.fit
    monkeypatch.setattr(PCA, "fit", lambda self, X, **more: (fits.append(len(X)), fit(self, X, **more))[1])
    values = [
        pca_baseline(model, train).squared_error(test).mean(),
        against_baselines(model, test, train).pca.per_sample,
    ]
    assert fits == [400]
    assert values[0] == pytest.approx(values[1])
    pca_baseline(model, train[:100])
    assert fits == [400, 100]


def test_a_code_longer_than_the_samples_allow_has_a_baseline(digits):
    model = narrows.AE(latent_dim=30, network="mlp:", epochs=1).fit(digits[0][:10])
    baseline = pca_baseline(model, digits[0][:10])
    assert baseline.rank == 10
    np.testing.assert_allclose(baseline.squared_error(digits[0][:10]), 0, atol=1e-9)


def test_one_sample_is_refused_by_name(digits):
    train, _, test, _ = digits
    model = narrows.VAE(latent_dim=2, network="mlp:8", epochs=1).fit(train)
    with pytest.raises(DataError, match=r"diagnose: X must have at least 2 samples; got 1"):
        diagnose(model, train[:1])
    with pytest.raises(DataError, match=r"pca_baseline: X_train must have at least 2 samples; got 1"):
        pca_baseline(model, train[:1])
    assert isinstance(diagnose(model, train[:2], test[:1]), list)


def test_measures_ignore_the_container_that_transform_returns(digits):
    train, y, test, y_test = (each[:150] for each in digits)
    options: dict[str, Any] = {"latent_dim": 3, "network": "mlp:8", "epochs": 1}
    plain, pandas = narrows.VAE(**options).fit(train), narrows.VAE(**options).fit(train).set_output(transform="pandas")
    assert type(pandas.transform(test)).__name__ == "DataFrame"
    for measure in (
        lambda m: knn_accuracy(m, train, y, test, y_test),
        lambda m: few_label_accuracy(m, train, y, test, y_test).mean,
        lambda m: float(anomaly_scores(m, test, by="latent:kde", X_train=train).mean()),
        lambda m: float(anomaly_scores(m, test, by="nearest", X_train=train).mean()),
        lambda m: information(m, test).kl,
        lambda m: [finding.rule for finding in diagnose(m, train, test, every=True)],
        lambda m: (
            compare_models({"model": m}, train, test, y=y, y_test=y_test, samples=2).rows[0].cells["kNN accuracy"]
        ),
    ):
        assert measure(plain) == measure(pandas)


class SinglePrecision(torch.Tensor):
    """A tensor on a simulated device that has no double precision, as Apple's GPUs."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function is torch.Tensor.cpu:
            return args[0].as_subclass(torch.Tensor)
        result = super().__torch_function__(function, types, args, kwargs or {})
        for value in result if isinstance(result, tuple | list) else (result,):
            if isinstance(value, cls) and value.dtype == torch.float64:
                raise TypeError("Cannot convert a tensor to float64: the device doesn't support it.")
        return result


def test_double_precision_never_reaches_a_device_that_lacks_it(digits):
    train, y, test, y_test = (each[:150] for each in digits)
    model = narrows.VAE(latent_dim=3, network="mlp:8", epochs=1).fit(train)
    wanted = narrows.elbo(model, test, samples=3)
    for module in model.module_.modules():
        for name, parameter in list(module._parameters.items()):
            module._parameters[name] = torch.nn.Parameter(parameter.detach().as_subclass(SinglePrecision))
        for name, buffer in list(module._buffers.items()):
            module._buffers[name] = buffer.as_subclass(SinglePrecision)
    with pytest.raises(TypeError, match="float64"):
        next(model.module_.parameters()).double()
    np.testing.assert_allclose(narrows.elbo(model, test, samples=3), wanted, rtol=1e-6)
    compare_models({"model": model}, train, test, y=y, y_test=y_test, samples=2)
    information(model, test)
    diagnose(model, train, test, every=True)


def test_models_with_a_condition_are_measured_with_labels(digits):
    train, y, test, y_test = (each[:150] for each in digits)
    model = narrows.VAE(latent_dim=2, network="mlp:8", condition="concat", epochs=1)
    found = compare_models({"conditional": model}, train, test, y=y, y_test=y_test, seeds=1, samples=2)
    (fitted,) = found.models["conditional"]
    assert found.rows[0].cells["squared error per sample"].mean == squared_error(fitted, test, y_test).mean()
    assert narrows.elbo(fitted, test, y_test).shape == (150,)
    assert isinstance(diagnose(fitted, train, test, y=y, y_test=y_test), list)
    with pytest.raises(DataError, match="y must be given, since the model takes a condition"):
        squared_error(fitted, test)


def test_codes_that_are_indices_have_a_baseline_of_their_size(digits):
    train, y, test, y_test = (each[:150] for each in digits)
    model = narrows.AE(latent_dim=3, network="mlp:8", code="vq:16,positions=5", epochs=1).fit(train)
    assert pca_baseline(model, train).rank == 5
    found = compare_models({"vq": model}, train, test, y=y, y_test=y_test)
    assert found.rows[1].name == "PCA"
    assert isinstance(diagnose(model, train, test, every=True), list)


@pytest.mark.parametrize("kind", ["missing", "ragged"])
def test_pca_has_its_row_where_values_are_missing_or_sequences_differ_in_length(kind):
    rng = np.random.default_rng(0)
    X: Any
    if kind == "missing":
        X, network = rng.normal(size=(80, 5)), "mlp:8"
        X[rng.random(X.shape) < 0.2] = np.nan
    else:
        X, network = [rng.normal(size=(int(t), 2)).astype(np.float32) for t in rng.integers(3, 9, 80)], "recurrent:8"
    model = narrows.VAE(latent_dim=2, network=network, epochs=1)
    found = compare_models({"model": model}, X[:60], X[60:], seeds=1, samples=2)
    baseline = pca_baseline(found.models["model"][0], X[:60])
    assert [row.name for row in found.rows] == ["model", "PCA"]
    measured = found.rows[1].cells["squared error per sample"].mean
    assert measured == pytest.approx(baseline.squared_error(X[60:]).mean())
    assert np.isfinite([cell.mean for cell in found.rows[0].cells.values()]).all()
