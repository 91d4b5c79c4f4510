"""Folders and zip archives of images: every mode, every turn, and files that are not what they say."""

import io
import os
import struct
import sys
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from narrows.data import load_dataset
from narrows.data.readers.decoding import decode
from narrows.errors import ConfigError, DataError

rng = np.random.default_rng(1)


def encoded(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def grey(value=100, size=(6, 5)):
    return encoded(Image.new("L", size, value))


@pytest.fixture
def folder(tmp_path):
    """Two classes of twenty grey images, whose value is their number."""
    for i in range(40):
        place = tmp_path / ("cats" if i % 2 else "dogs \n🐕")
        place.mkdir(exist_ok=True)
        (place / f"{i:03d}.png").write_bytes(grey(i))
    (tmp_path / "notes.txt").write_text("not an image")
    return tmp_path


def test_sub_folders_are_classes_and_their_shares_are_kept(folder):
    data = load_dataset(folder)
    assert data.train.shape == (32, 1, 5, 6)
    assert data.train.dtype == np.uint8
    assert np.bincount(data.test_labels).tolist() == [4, 4]
    assert data.label_names == ("cats", "dogs \n🐕")
    assert np.array_equal(data.train[:, 0, 0, 0] % 2 == 1, data.train_labels == 0)
    assert data.skipped == ()


def test_a_malformed_file_changes_neither_order_nor_part_of_the_others(folder):
    before = load_dataset(folder)
    gone = [3, 8, 21]
    for i in gone:
        place = folder / ("cats" if i % 2 else "dogs \n🐕") / f"{i:03d}.png"
        place.write_bytes(place.read_bytes()[: 10 * (i % 4)])
    message = r"3 of 40 images cannot be read .*: cats/003\.png: .*; cats/021\.png: .*; dogs \\n🐕/008\.png: "
    with pytest.warns(UserWarning, match=message):
        after = load_dataset(folder)
    assert len(after.skipped) == 3
    assert after.skipped[0].startswith("cats/003.png: ")
    for part in ("train", "test"):
        expected = [v for v in getattr(before, part)[:, 0, 0, 0] if v not in gone]
        assert getattr(after, part)[:, 0, 0, 0].tolist() == expected
    with pytest.raises(DataError, match=r"3 that are not: cats/003\.png: .*cats/021\.png: .*strict"):
        load_dataset(folder, strict=True)


def test_a_malformed_file_counts_in_the_limit(folder):
    before = load_dataset(folder, limit=10, validation=0.25)
    chosen = load_dataset(folder, limit=10).files.names
    (folder / chosen[3]).write_bytes(b"no")
    with pytest.warns(UserWarning, match="1 of 40 images"):
        after = load_dataset(folder, limit=10, validation=0.25)
    gone = int(chosen[3][-7:-4])
    for part in ("train", "validation", "test"):
        values = getattr(before, part)[:, 0, 0, 0].tolist()
        assert getattr(after, part)[:, 0, 0, 0].tolist() == [value for value in values if value != gone]
    assert len(after.train) + len(after.validation) == 9
    (folder / chosen[0]).write_bytes(b"no")
    message = "limit must reach a sound training image"
    with pytest.warns(UserWarning, match="2 of 40"), pytest.raises(DataError, match=message):
        load_dataset(folder, limit=1)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_that_are_no_text_become_text(tmp_path):
    for name in (b"caf\xe9", b"the\xe9"):
        os.mkdir(os.path.join(os.fsencode(tmp_path), name))
        for i in range(3):
            content = grey() if i else b"no"
            with open(os.path.join(os.fsencode(tmp_path), name, b"%d.png" % i), "wb") as file:
                file.write(content)
    with pytest.warns(UserWarning, match=r"caf\\xe9/0.png"):
        data = load_dataset(tmp_path, test=0)
    assert data.label_names == ("caf\\xe9", "the\\xe9")
    assert [line.partition(":")[0] for line in data.skipped] == ["caf\\xe9/0.png", "the\\xe9/0.png"]


def test_folders_named_train_and_test_are_the_parts(tmp_path):
    for part, values in (("train", (1, 2, 3)), ("val", (4,)), ("test", (5, 6))):
        for kind in ("a", "b"):
            (tmp_path / "all" / part / kind).mkdir(parents=True)
            for value in values:
                (tmp_path / "all" / part / kind / f"{value}.png").write_bytes(grey(value))
    data = load_dataset(tmp_path)
    assert (len(data.train), len(data.validation), len(data.test)) == (6, 2, 4)
    assert data.label_names == ("a", "b")
    assert data.test[:, 0, 0, 0].tolist() == [5, 6, 5, 6]


def test_sizes(tmp_path):
    (tmp_path / "a.png").write_bytes(grey(9, (6, 5)))
    (tmp_path / "b.png").write_bytes(encoded(Image.new("RGB", (12, 7), (1, 2, 3))))
    with pytest.raises(DataError, match="size="):
        load_dataset(tmp_path)
    data = load_dataset(tmp_path, size="4x8", test=0)
    assert data.train.shape == (2, 3, 4, 8), "a grey image among coloured ones gets three channels"
    assert sorted(data.train[:, :, 0, 0].tolist()) == [[1, 2, 3], [9, 9, 9]]
    assert load_dataset(tmp_path, size=4, mode="grey", test=0).train.shape == (2, 1, 4, 4)
    for wrong in ("4x", "0", "big", "1x2x3", -1):
        with pytest.raises(ConfigError, match="size must be"):
            load_dataset(tmp_path, size=wrong)
    with pytest.raises(ConfigError, match="Did you mean 'grey'"):
        load_dataset(tmp_path, mode="gray")


def test_a_zip_of_images_is_read_as_the_folder_is(folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("zip") / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.png")):
            archive.write(file, file.relative_to(folder))
    assert load_dataset(path).sha256 == load_dataset(folder).sha256


@pytest.mark.parametrize("name", ["../a.png", "/a.png", "x/../../a.png", "C:/a.png", "C:a.png", "..\\a.png"])
def test_a_zip_with_names_that_lead_out_is_refused(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(name, grey())
    with pytest.raises(DataError, match="within itself"):
        load_dataset(tmp_path / "x.zip")
    assert [p.name for p in tmp_path.rglob("*")] == ["x.zip"]


def test_a_zip_with_links_is_refused(tmp_path):
    link = zipfile.ZipInfo("a.png")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="link"):
        load_dataset(tmp_path / "x.zip")


def pixel(content):
    return decode(content)[:, 0, 0].tolist()


def test_every_mode_becomes_grey_or_colour():
    assert pixel(encoded(Image.new("1", (2, 2), 1))) == [255]
    assert pixel(encoded(Image.fromarray(np.full((2, 2), 32896, np.uint16)))) == [32896]
    assert pixel(encoded(Image.fromarray(np.full((2, 2), 65535, np.uint16)), "TIFF")) == [65535]
    assert pixel(encoded(Image.fromarray(np.full((2, 2), 0.5, np.float32)), "TIFF")) == [0.5]
    assert pixel(encoded(Image.new("RGB", (2, 2), (9, 8, 7)).quantize(4))) == [9, 8, 7]
    assert pixel(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF")) == [255, 0, 0]
    assert pixel(encoded(Image.new("RGBA", (2, 2), (255, 0, 0, 0)))) == [255, 255, 255]
    assert pixel(encoded(Image.new("RGBA", (2, 2), (255, 0, 0, 255)))) == [255, 0, 0]
    assert pixel(encoded(Image.new("LA", (2, 2), (0, 0)))) == [255]
    assert pixel(encoded(Image.new("P", (2, 2), 0), transparency=0)) == [255, 255, 255]
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    assert pixel(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])) == [255, 0, 0]


@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_orientation_is_honoured(turn):
    upright = np.zeros((16, 24), np.uint8)
    upright[:8, :8] = 255  # one corner, and unequal sides, tell all eight apart
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[turn]
    exif = Image.Exif()
    exif[0x0112] = turn
    content = encoded(Image.fromarray(np.ascontiguousarray(stored)), "JPEG", quality=95, exif=exif)
    assert np.abs(decode(content)[0].astype(int) - upright).max() < 30


def png_that_claims(width, height):
    ihdr = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", ihdr), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        png_that_claims(60000, 60000),
        png_that_claims(0, 9),
    ],
)
def test_malformed_images(content):
    with pytest.raises(DataError):
        decode(content)


def test_random_damage_ends_in_an_image_or_a_data_error():
    picture = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
    for kind in ("PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", "PPM"):
        whole = encoded(picture, kind)
        for _ in range(25):
            damaged = bytearray(whole[: rng.integers(1, len(whole) + 1)])
            for at in rng.integers(0, len(damaged), 3):
                damaged[at] = rng.integers(256)
            try:
                image = decode(bytes(damaged))
            except DataError:
                continue
            assert image.dtype == np.uint8
            assert image.shape[0] in (1, 3)


def test_a_folder_without_a_sound_image(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no")
    with pytest.raises(DataError, match="at least one image must be sound"):
        load_dataset(tmp_path)


@pytest.mark.parametrize(("kind", "mode"), [("WEBP", "RGB"), ("GIF", "RGB"), ("PNG", "1"), ("TIFF", "1")])
def test_one_colour_is_no_bomb(kind, mode):
    """A large picture of one colour takes a few bytes."""
    options = {"lossless": True} if kind == "WEBP" else {"compression": "group4"} if kind == "TIFF" else {}
    content = encoded(Image.new(mode, (800, 600), "white"), kind, **options)
    assert len(content) < 3000
    assert decode(content, size=(2, 2), mode="rgb").tolist() == [[[255, 255], [255, 255]]] * 3


def test_large_images_of_greedy_formats_are_refused_before_they_are_decoded():
    content = encoded(Image.new("L", (4000, 4000)), "WEBP", method=0) + bytes(2**20)
    with pytest.raises(DataError, match="take more than 251658240 bytes"):
        decode(content)
