"""The order of the axes of images, and the unit of their values: one rule, said, and undone in what comes back."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.exceptions import DataConversionWarning

from narrows import AE, PCA, VAE
from narrows.data import load_dataset
from narrows.data.axes import order_of
from narrows.errors import ConfigError, DataError
from narrows.estimators.loading import load_model
from narrows.evaluation.errors import pca_baseline

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (24, 9, 8)).astype(np.uint8)
COLOUR = RNG.integers(0, 256, (24, 9, 8, 3)).astype(np.uint8)
MODELS = [PCA(latent_dim=2), AE(latent_dim=2, network="mlp:4", epochs=1), VAE(latent_dim=2, network="mlp:4", epochs=1)]


@pytest.fixture(params=MODELS, ids=lambda model: type(model).__name__)
def model(request):
    return request.param


@pytest.mark.parametrize(
    ("X", "order"),
    [
        (GREY, "NHW"), (GREY[:, :3, :2], "NHW"), (GREY.astype(np.uint16) * 9, "NHW"), (GREY.astype(np.float32), "NHW"),
        (GREY / 255, "NHW"), ((GREY / 255).astype(np.float16), "NHW"), (GREY > 127, "NHW"), (GREY.astype(int), "NHW"),
        (GREY / 255 - 0.5, None), (RNG.random((9, 9, 8)), None), ((GREY > 127).astype(float), None),
        (GREY[:, :, :3] / 255, None), (GREY.astype(int) // 4, None), (np.full((9, 9, 8), np.nan), None),
        (COLOUR, "NHWC"), (COLOUR / 7, "NHWC"), (COLOUR[..., :1], "NHWC"), (np.ones((2, 9, 8, 4)), "NHWC"),
        (np.ones((2, 3, 8, 3)), None), (np.ones((2, 3, 9, 8)), None), (np.ones((2, 9, 8, 2)), None),
        (np.ones((2, 64, 4, 4)), None), (np.ones((2, 64, 1, 1)), None), (GREY.reshape(24, -1), None),
    ],
)  # fmt: skip
def test_what_is_recognised(X, order):
    assert order_of(X) == order


@pytest.mark.parametrize(("X", "order"), [(GREY, "NHW"), (COLOUR, "NHWC")], ids=["grey", "colour"])
def test_axes_are_turned_said_and_turned_back(model, X, order, tmp_path):
    first = X[:, None] if order == "NHW" else X.transpose(0, 3, 1, 2)
    with pytest.warns(DataConversionWarning, match=rf"taken as .*images .*axes='{order}' says that it does not"):
        model.fit(X)
    assert model.sample_shape_ == first.shape[1:]
    assert model.schema_.axes == order
    codes = model.transform(X)
    np.testing.assert_array_equal(model.transform(first), codes)
    for fitted in (model, load_model(model.save(tmp_path))):
        back = fitted.reconstruct(X)
        assert (back.shape, back.dtype) == (X.shape, X.dtype)
        assert fitted.reconstruct(first).shape == first.shape
        assert fitted.inverse_transform(codes).shape == X.shape
        assert fitted.sample(3, 0, "gaussian").shape == (3, *X.shape[1:])
        assert fitted.score(X) == fitted.score(first)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, axes=order)
        np.testing.assert_allclose(model.transform(X), codes, rtol=1e-5)
        np.testing.assert_allclose(model.fit(first).transform(X), codes, rtol=1e-5)
    assert model.inverse_transform(codes).shape == first.shape


def test_tensors_and_lists_of_images():
    model = AE(latent_dim=2, network="mlp:4", epochs=1).fit(torch.tensor(COLOUR), axes="NHWC")
    for X in (torch.tensor(COLOUR), list(COLOUR), COLOUR.tolist()):
        np.testing.assert_array_equal(model.transform(X), model.transform(COLOUR))
    assert model.reconstruct(torch.tensor(COLOUR)).shape == COLOUR.shape
    assert model.reconstruct(list(COLOUR)).shape == COLOUR.shape


def test_filled_in_values_come_back_in_order():
    X = np.where(RNG.random(COLOUR.shape) < 0.1, np.nan, COLOUR / 255)
    filled = AE(latent_dim=2, network="mlp:4", epochs=1).fit(X, axes="NHWC").impute(X)
    np.testing.assert_array_equal(filled[~np.isnan(X)], X[~np.isnan(X)])
    assert np.isfinite(filled).all()


def test_axes_that_are_said():
    model = AE(latent_dim=2, network="recurrent:4", epochs=1).fit(GREY, axes="NTD")
    assert model.schema_.kind == "sequences"
    assert model.reconstruct(GREY).shape == GREY.shape
    np.testing.assert_array_equal(model.transform(GREY[:, None]), model.transform(GREY))
    assert AE(latent_dim=2, network="mlp:4", epochs=1).fit(COLOUR, axes="NCHW").sample_shape_ == (9, 8, 3)
    for axes in ("NTD", "HWC", "nhwc"):
        with pytest.raises(ConfigError, match=r"AE: axes must be 'NCHW', 'NHWC' or None for X of 4 axes; got"):
            model.fit(COLOUR, axes=axes)
    with pytest.raises(DataError, match=r"samples of shape \(3, 9, 8\), as in fit; got \(8, 9, 3\)\. Bring the images"):
        AE(latent_dim=2, network="mlp:4", epochs=1).fit(COLOUR, axes="NHWC").transform(COLOUR.transpose(0, 2, 1, 3))


@pytest.mark.parametrize(("X", "words"), [(GREY, "grey images"), (COLOUR, "images with the channels last")])
def test_files_follow_the_same_rule(tmp_path, X, words):
    np.save(tmp_path / "x.npy", X)
    data = load_dataset(tmp_path / "x.npy", test=0, shuffle=False)
    assert words in data.notes[0]
    model = PCA(latent_dim=2).fit(data.train)
    np.testing.assert_array_equal(model.transform(X), model.transform(data.train))
    assert model.reconstruct(X).shape == X.shape


def test_shapes_written_out_are_those_of_the_file(tmp_path):
    np.save(tmp_path / "x.npy", COLOUR)
    for shape, X in {"9x8x3": COLOUR, "9x24": COLOUR.reshape(24, 9, 24), "216": COLOUR.reshape(24, -1)}.items():
        data = load_dataset(tmp_path / "x.npy", test=0, shuffle=False, shape=shape)
        np.testing.assert_array_equal(data.train, X)
        assert data.axes is None
    assert load_dataset(tmp_path / "x.npy").axes == "NHWC"


def test_splits_of_a_file_are_of_one_kind(tmp_path):
    np.savez(tmp_path / "x.npz", X_train=GREY / 255, X_test=(GREY > 99) * 0.5)
    data = load_dataset(tmp_path / "x.npz")
    assert data.train.shape[1:] == data.test.shape[1:] == (1, 9, 8)
    model = AE(latent_dim=2, network="mlp:4", epochs=1).fit(RNG.random((9, 9, 8)))  # sequences
    np.save(tmp_path / "new.npy", GREY / 255)
    assert model.transform(load_dataset(tmp_path / "new.npy", test=0).train).shape == (24, 2)


def test_memory_maps_are_turned_on_the_disk(tmp_path):
    np.save(tmp_path / "x.npy", COLOUR)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    one, two = (AE(latent_dim=2, network="mlp:4", epochs=1).fit(X, axes="NHWC") for X in (COLOUR, mapped))
    np.testing.assert_array_equal(one.transform(COLOUR), two.transform(mapped))


# Units of pixels ------------------------------------------------------------------------------------------------------

FORMS = {
    "uint8": GREY, "int64": GREY.astype(int), "float32": GREY.astype(np.float32), "float64": GREY.astype(float),
    "divided": GREY / 255, "divided float32": (GREY / 255).astype(np.float32),
}  # fmt: skip


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("fitted", FORMS)
def test_grey_levels_of_every_type_give_one_code(fitted, flat):
    X = {name: form.reshape(24, -1) if flat else form for name, form in FORMS.items()}
    model = AE(latent_dim=2, network="mlp:4", epochs=1).fit(X[fitted], axes=None if flat else "NHW")
    expected = model.transform(X[fitted])
    for form in X.values():
        np.testing.assert_allclose(model.transform(form), expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(model.score_samples(form), model.score_samples(X[fitted]), rtol=1e-4)


def test_units_that_are_unlike_are_said():
    X = GREY.astype(np.uint16) * 16
    model = AE(latent_dim=2, network="mlp:4", epochs=1).fit(X, axes="NHW")
    with pytest.warns(DataConversionWarning, match=r"from 0 to 255 \(uint8\), and the samples of fit from 0 to 4080"):
        model.transform(GREY)
    model.fit(GREY, axes="NHW")
    for wrong in (X, GREY - 1.0, GREY / 250):
        with pytest.raises(DataError, match=r"AE: X must be pixels as in fit, 0\.\.255 or divided by 255; got"):
            model.transform(wrong)
    with pytest.warns(DataConversionWarning, match="1 counts as white"):
        np.testing.assert_allclose(model.transform((GREY > 99) * 1.0), model.transform((GREY > 99) * np.uint8(255)))
    with pytest.warns(DataConversionWarning, match="1 counts as a grey level of 1 out of 255"):
        model.transform((GREY > 99).astype(np.uint8))
    np.testing.assert_allclose(model.transform(GREY > 99), model.transform((GREY > 99) * np.uint8(255)))


def test_measures_of_sequences_of_pixels_stay_sequences():
    model = AE(latent_dim=2, network="mlp:4", epochs=1).fit(GREY, axes="NTD")
    assert pca_baseline(model, GREY).pca.schema_.kind == "sequences"  # and nothing is warned of
