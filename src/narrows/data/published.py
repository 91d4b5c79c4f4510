"""Published data sets, by name: from NARROWS_DATA, the cache folder, or the network."""

from __future__ import annotations

import contextlib
import gzip
import io
import re
import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from narrows.data.arrays import Array
from narrows.data.builtin import MNIST_LICENCE
from narrows.data.dataset import Dataset, as_read
from narrows.data.download import Remote
from narrows.data.folders import cache_folder, find_files, locate_files
from narrows.data.options import whole_number
from narrows.data.readers.arrays import read_npz_arrays
from narrows.data.readers.checks import check_member_name, reading, unsound
from narrows.data.readers.decoding import decode
from narrows.data.readers.idx import read_idx_file
from narrows.errors import DataError
from narrows.storage.atomic import write_bytes

_IDX_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
_DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # of the package dataset-fashion-mnist
_UNPACKED = (47_040_016, 60_008, 7_840_016, 10_008)


def _idx_files(folders: tuple[str, ...], sizes: tuple[int, ...], sha256: tuple[str, ...]) -> list[Remote]:
    """Return the four files of a set in MNIST's layout; the hashes are of what they hold."""
    return [
        Remote(name, tuple(folder + name for folder in folders), size, digest, unpacked=True, unpacked_size=unpacked)
        for name, size, unpacked, digest in zip(_IDX_FILES, sizes, _UNPACKED, sha256, strict=True)
    ]


_MNIST = _idx_files(
    ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
    (9_912_422, 28_881, 1_648_877, 4_542),
    (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)
_FASHION = _idx_files(
    (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ),
    (26_421_880, 29_515, 4_422_102, 5_148),
    (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
)
_FASHION_NAMES = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
_BINARIZED = [
    Remote(
        f"binarized_mnist_{part}.amat",
        (
            f"http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/binarized_mnist_{part}.amat",
            f"https://storage.googleapis.com/tensorflow/tf-keras-datasets/binarized_mnist_{part}.amat",
        ),
        rows * 1568,
        sha256,
    )
    for part, rows, sha256 in (
        ("train", 50_000, "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d"),
        ("valid", 10_000, "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2"),
        ("test", 10_000, "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c"),
    )
]
_LFW_FILE = "lfw_gray_64x48.npz"
_LFW = Remote(
    "lfw.tgz",
    ("https://ndownloader.figshare.com/files/5976018", "http://vis-www.cs.umass.edu/lfw/lfw.tgz"),
    180_566_744,
    "055f7d9c632d7370e6fb4afc7468d40f970c34a80d4c6f50ffec63f5a8d536c0",
)
_LARGEST_PICTURE = 2**20  # bytes
_LFW_ROW = re.compile(r"lfw/(?P<person>[^/]+)/(?P=person)_(?P<number>\d{4})\.jpg")


def published_available(name: str) -> bool:
    """Tell whether the files of a published data set are on this machine, so that loading it needs no network."""
    amat = [remote.name for remote in _BINARIZED]
    choices: dict[str, list[Sequence[str]]] = {
        "mnist": [_IDX_FILES], "fashion-mnist": [_IDX_FILES], "binarized-mnist": [["binarized_mnist.npz"], amat],
        "lfw": [[_LFW_FILE], [_LFW.name]],
    }  # fmt: skip
    more = [_DEBIAN] if name == "fashion-mnist" else []
    return any(find_files(name, files, *more) is not None for files in choices[name])


def mnist() -> Dataset:
    """60,000 + 10,000 handwritten digits, (N, 1, 28, 28) uint8."""
    paths = locate_files("mnist", _MNIST, "mnist-5k")
    return _from_idx(paths, tuple("0123456789"), "MNIST (LeCun, Cortes, Burges)", MNIST_LICENCE)


def fashion_mnist() -> Dataset:
    """60,000 + 10,000 pictures of clothes, (N, 1, 28, 28) uint8; also from Debian's package dataset-fashion-mnist."""
    paths = locate_files("fashion-mnist", _FASHION, "mnist-5k", _DEBIAN)
    return _from_idx(paths, _FASHION_NAMES, "Fashion-MNIST (Xiao, Rasul, Vollgraf, 2017)", "MIT (Zalando SE)")


def binarized_mnist() -> Dataset:
    """Training, validation and test split of MNIST, drawn once as bits (Salakhutdinov & Murray, 2008).

    (50,000 + 10,000 + 10,000, 1, 28, 28) uint8 of 0 and 255, which are 0 and 1 to every model; there are no labels.
    """
    prepared = find_files("binarized-mnist", ["binarized_mnist.npz"])
    if prepared is not None:
        path = prepared["binarized_mnist.npz"]
        packed = read_npz_arrays(path, ("train", "valid", "test"))
        bits = {part: _unpack_bits(rows, part, path) for part, rows in packed.items()}
    else:
        paths = locate_files("binarized-mnist", _BINARIZED, "mnist-5k")
        bits = {path.stem.rpartition("_")[2]: _read_amat(path) for path in paths.values()}
    images = {part: (rows * np.uint8(255)).reshape(-1, 1, 28, 28) for part, rows in bits.items()}
    return as_read(
        images["train"],
        test=images["test"],
        validation=images["valid"],
        source="binarized MNIST (Salakhutdinov & Murray, 2008; files by Larochelle)",
        licence=MNIST_LICENCE,
    )


def lfw(*, min_faces_per_person: int = 1) -> Dataset:
    """13,233 grey faces of 5,749 people, (N, 1, 64, 48) uint8: Labeled Faces in the Wild; labels are people.

    Parameters
    ----------
    min_faces_per_person
        Leave out people of whom there are fewer pictures.
    """
    min_faces_per_person = whole_number("min_faces_per_person", min_faces_per_person, 1, 530)  # the most of one person
    prepared = find_files("lfw", [_LFW_FILE])
    if prepared is not None:
        path = prepared[_LFW_FILE]
        arrays = read_npz_arrays(path, ("images", "target", "names"))
    else:
        path = cache_folder() / "lfw" / _LFW_FILE
        arrays = read_lfw_archive(locate_files("lfw", [_LFW], "mnist-5k")[_LFW.name])
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
        with contextlib.suppress(OSError):  # it only saves time: a folder that takes no file stops nothing
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, buffer.getvalue())
    images, target, names = arrays["images"], arrays["target"].astype(np.int64), arrays["names"]
    if images.ndim != 3 or images.dtype != np.uint8 or target.shape != images.shape[:1] or target.max() >= len(names):
        raise unsound(path, f"hold grey faces and their people; got images {images.shape}.")
    kept_people = np.flatnonzero(np.bincount(target, minlength=len(names)) >= min_faces_per_person)
    rows = np.flatnonzero(np.isin(target, kept_people))
    if not len(rows):
        raise DataError(f"load_dataset: min_faces_per_person must leave somebody; got {min_faces_per_person!r}.")
    return as_read(
        images[rows][:, None],
        train_labels=np.searchsorted(kept_people, target[rows]),
        label_names=tuple(str(names[i]).replace("_", " ") for i in kept_people),
        source="Labeled Faces in the Wild (Huang et al., 2007), middle of the picture in grey, 64x48",
        licence="for research (University of Massachusetts)",
    )


def read_lfw_archive(path: Path) -> dict[str, Array]:
    """Read the original pictures (250x250) from lfw.tgz, without unpacking it, as scikit-learn cuts them by default.

    The box of rows 70 to 198 and columns 78 to 174, at half size, in grey.
    """
    faces: dict[tuple[str, int], Array] = {}
    with reading(path), _BoundedReads(path) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
        for member in archive:
            check_member_name(member.name, str(path))
            if member.size > _LARGEST_PICTURE:
                raise DataError(
                    f"load_dataset: {member.name!r} in {str(path)!r} must be a small picture; got {member.size} bytes."
                )
            match = _LFW_ROW.fullmatch(PurePosixPath(member.name).as_posix())
            content = archive.extractfile(member) if member.isreg() else None
            if match is None or content is None:
                continue
            try:
                picture = decode(content.read(), mode="rgb")
            except DataError as error:
                raise DataError(
                    f"load_dataset: {member.name!r} in {str(path)!r} must be a sound picture; got: {error}. "
                    "Fetch the archive again."
                ) from error
            faces[match["person"], int(match["number"])] = _face(picture)
    if not faces:
        raise unsound(path, "hold lfw/NAME/NAME_0001.jpg and so on; got no such picture.")
    keys = sorted(faces)
    names, target = np.unique([person for person, _ in keys], return_inverse=True)
    return {"images": np.stack([faces[key] for key in keys]), "target": target.astype(np.uint16), "names": names}


class _BoundedReads(gzip.GzipFile):
    """Refuses to read much at once, since tarfile asks for as many bytes as a file claims that its next name has."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= _LARGEST_PICTURE:
            raise tarfile.ReadError(f"{size} bytes asked for at once")
        return super().read(size)


def _face(picture: Array) -> Array:
    from PIL import Image

    box = Image.fromarray(picture.transpose(1, 2, 0)).crop((78, 70, 174, 198)).resize((48, 64))
    grey: Array = np.asarray(box, dtype=np.float64).mean(axis=2).round().astype(np.uint8)
    return grey


def _from_idx(paths: dict[str, Path], label_names: tuple[str, ...], source: str, licence: str) -> Dataset:
    arrays = {name: read_idx_file(path) for name, path in paths.items()}
    for images, labels in (_IDX_FILES[:2], _IDX_FILES[2:]):
        shape, count = arrays[images].shape, arrays[labels].shape
        if shape[1:] != (28, 28) or arrays[images].dtype != np.uint8 or count != shape[:1] or arrays[labels].max() > 9:
            raise unsound(
                paths[images],
                f"hold 28x28 pictures and as many labels 0..9; got shapes {shape} and {count}. Fetch both again.",
            )
    train, train_labels, test, test_labels = (arrays[name] for name in _IDX_FILES)
    return as_read(
        train[:, None],
        test=test[:, None],
        train_labels=train_labels.astype(np.int64),
        test_labels=test_labels.astype(np.int64),
        label_names=label_names,
        source=source,
        licence=licence,
    )


def _unpack_bits(rows: Array, part: str, path: Path) -> Array:
    if rows.dtype != np.uint8 or rows.ndim != 2 or rows.shape[1] != 98:
        raise DataError(
            f"load_dataset: {part!r} in {str(path)!r} must hold 98 bytes of 8 pixels a row; "
            f"got {rows.dtype} {rows.shape}."
        )
    bits: Array = np.unpackbits(rows, axis=1)
    return bits


def _read_amat(path: Path) -> Array:
    """Read lines of 784 digits 0 and 1 with a blank between."""
    with reading(path):
        content = np.fromfile(path, dtype=np.uint8)
    if not len(content) or len(content) % 1568 or not np.isin(content[::2], (48, 49)).all():
        raise unsound(path, f"hold lines of 784 zeros and ones; got {len(content)} bytes that do not.")
    return content[::2].reshape(-1, 784) - np.uint8(48)
