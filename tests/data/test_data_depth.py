"""Images of more than 8 bits, of floating point and of several pages, and models of them."""

import io

import numpy as np
import pytest
from PIL import Image

from narrows import AE, PCA
from narrows.data import load_dataset
from narrows.data.readers.decoding import decode
from narrows.data.readers.tiff import pages_of
from narrows.errors import DataError

RNG = np.random.default_rng(0)
SPOTS = (200 + 2500 * RNG.random((20, 1, 9, 8))).astype(np.uint16)
"""12 bits in 16, as cameras write them."""
COUNTS = RNG.poisson(100, (20, 1, 9, 8)).astype(np.uint16)


def write(folder, images, suffix="png"):
    folder.mkdir(exist_ok=True)
    for i, image in enumerate(images):
        Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)).save(folder / f"{i:02}.{suffix}")
    return folder


def tiff_of(pages, **options):
    tifffile = pytest.importorskip("tifffile")
    stream = io.BytesIO()
    tifffile.imwrite(stream, pages, **options)
    return stream.getvalue()


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("images", [SPOTS, COUNTS], ids=["spots", "counts"])
def test_sixteen_bits_keep_their_levels_and_are_scaled_by_the_range_of_all(tmp_path, images, suffix):
    data = load_dataset(write(tmp_path / "x", images, suffix), test=0)
    assert data.train.dtype == np.uint16
    np.testing.assert_array_equal(np.sort(data.train, axis=None), np.sort(images, axis=None))
    ae = AE(latent_dim=2, network="mlp:4", epochs=1).fit(images)
    assert ae.schema_.scale == "minmax"
    x = ae.arrays(images).x
    assert (x.min(), x.max()) == (0, 1)
    one = ae.arrays(images[:1]).x  # by the range of training, not its own
    np.testing.assert_array_equal(one, x[:1])
    assert ae.reconstruct(images).dtype == np.uint16


def test_arrays_of_sixteen_bits_are_as_files_are(tmp_path):
    np.save(tmp_path / "x.npy", SPOTS[:, 0])
    data = load_dataset(tmp_path / "x.npy", test=0, shuffle=False)
    assert (data.train.dtype, data.train.shape) == (np.uint16, (20, 1, 9, 8))
    assert data.notes == ("9 x 8 are grey images (otherwise: shape=sequence)",)
    np.testing.assert_array_equal(data.train, SPOTS)


def test_floating_point_has_one_scale_for_all_files(tmp_path):
    images = (RNG.random((6, 1, 5, 4)) * np.arange(1, 7)[:, None, None, None]).astype(np.float32)
    data = load_dataset(write(tmp_path / "x", images, "tif"), test=0, shuffle=False)
    np.testing.assert_array_equal(data.train, images)


def test_whole_numbers_with_signs_keep_their_values():
    assert decode(tiff_of(np.full((3, 4), -5, np.int16))).dtype == np.int32
    assert decode(tiff_of(np.full((3, 4), 70000, np.uint32)))[0, 0, 0] == 70000
    assert decode(tiff_of(np.full((3, 4), 0.25)))[0, 0, 0] == 0.25  # double precision


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"planarconfig": "separate"}])
def test_colour_of_sixteen_bits_in_tiff(options):
    image = RNG.integers(0, 4096, (3, 5, 4)).astype(np.uint16)
    planes = image if "planarconfig" in options else image.transpose(1, 2, 0)
    np.testing.assert_array_equal(decode(tiff_of(planes, photometric="rgb", **options)), image)
    grey = decode(tiff_of(planes, photometric="rgb", **options), mode="grey")
    np.testing.assert_allclose(grey[0], np.tensordot([0.299, 0.587, 0.114], image, 1), atol=1)


def test_colour_of_sixteen_bits_in_png():
    codecs = pytest.importorskip("imagecodecs")
    image = RNG.integers(0, 4096, (5, 4, 3)).astype(np.uint16)
    np.testing.assert_array_equal(decode(codecs.png_encode(image)), image.transpose(2, 0, 1))
    clear = np.concatenate([image, np.zeros((5, 4, 1), np.uint16)], axis=2)
    assert (decode(codecs.png_encode(clear)) == 65535).all()
    grey = np.stack([image[..., 0], np.full((5, 4), 65535, np.uint16)], axis=2)
    np.testing.assert_array_equal(decode(codecs.png_encode(grey)), image[None, ..., 0])


def test_what_is_missing_for_deep_colour_is_named(monkeypatch):
    content = tiff_of(np.zeros((5, 4, 3), np.uint16), photometric="rgb")
    monkeypatch.setitem(__import__("sys").modules, "tifffile", None)
    with pytest.raises(DataError, match=r"needs tifffile: pip install 'narrows\[images\]'"):
        decode(content)


def test_resizing_stays_within_the_range():
    content = tiff_of((RNG.random((20, 20)) > 0.5).astype(np.float32))
    small = decode(content, size=(7, 9))
    assert (small.shape, small.dtype) == ((1, 7, 9), np.float32)
    assert 0 <= small.min() < small.max() <= 1
    assert decode(tiff_of(SPOTS[0, 0]), size=(4, 4)).dtype == np.uint16


def test_a_folder_of_two_depths_is_refused_by_name(tmp_path):
    write(tmp_path, SPOTS[:2])
    Image.new("L", (8, 9)).save(tmp_path / "z.png")
    with pytest.raises(DataError, match=r"one range of values; got 16 bits \('00.png'\) and 8 bits \('z.png'\)"):
        load_dataset(tmp_path)


def test_two_levels(tmp_path):
    masks = RNG.random((6, 9, 8)) > 0.5
    for i, mask in enumerate(masks):
        Image.fromarray(mask).save(tmp_path / f"{i}.png")
    data = load_dataset(tmp_path, test=0)
    assert np.unique(data.train).tolist() == [0, 255]
    zero_one = masks[:, None].astype(np.uint8)
    one, two = (AE(latent_dim=2, network="mlp:4", epochs=1).fit(X) for X in (zero_one, zero_one * 255))
    np.testing.assert_allclose(one.transform(zero_one), two.transform(zero_one * 255), rtol=1e-5, atol=1e-6)
    assert set(np.unique(one.reconstruct(zero_one))) <= {0, 1}


# Pages ----------------------------------------------------------------------------------------------------------------

STACK = RNG.integers(0, 4096, (10, 6, 5)).astype(np.uint16)


@pytest.mark.parametrize(("order", "bigtiff"), [("<", False), ("<", True), (">", False)])
def test_pages_are_samples(tmp_path, order, bigtiff):
    content = tiff_of(STACK, photometric="minisblack", byteorder=order, bigtiff=bigtiff)
    assert pages_of(content) == list(range(10))
    (tmp_path / "stack.tif").write_bytes(content)
    for source in (tmp_path, tmp_path / "stack.tif"):
        data = load_dataset(source, test=0.2)
        assert (len(data.train), len(data.test)) == (8, 2)
        for name, image in zip(data.ids("train").values, data.train, strict=True):
            np.testing.assert_array_equal(image[0], STACK[int(name.removeprefix("stack.tif#")) - 1])


def test_smaller_copies_are_no_samples():
    tifffile = pytest.importorskip("tifffile")
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as file:
        for subfile in (0, 1, 2, 0):
            file.write(STACK[0][:: 1 + subfile], subfiletype=subfile)
    assert pages_of(stream.getvalue()) == [0, 2, 3]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_a_stack_that_is_cut_short_is_named(tmp_path):
    content = tiff_of(STACK, photometric="minisblack")
    (tmp_path / "stack.tif").write_bytes(content[: len(content) // 2])
    (tmp_path / "whole.tif").write_bytes(tiff_of(STACK[0]))
    with pytest.warns(UserWarning, match="cannot be read") as caught:
        data = load_dataset(tmp_path, test=0)
    (message,) = [str(w.message) for w in caught if "cannot be read" in str(w.message)]
    assert f"1 of {len(data.train) + 1} images cannot be read and are left out: stack.tif#" in message
    assert "cut short" in message


@pytest.mark.parametrize("damage", [b"", b"II*\0", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08\0\x01" + b"\0" * 20])
def test_chains_that_end_nowhere(damage):
    assert pages_of(damage)[0] == 0


def test_a_chain_that_goes_round_ends():
    directory = b"\0\0" + (8).to_bytes(4, "little")
    assert pages_of(b"II*\0" + (8).to_bytes(4, "little") + directory) == [0]


def test_a_picture_alone_is_one_sample(tmp_path):
    write(tmp_path, SPOTS[:1])
    data = load_dataset(tmp_path / "00.png", test=0)
    assert data.train.shape == (1, 1, 9, 8)
    pca = PCA(latent_dim=2).fit(SPOTS)
    np.testing.assert_array_equal(pca.transform(data.train), pca.transform(SPOTS[:1]))
