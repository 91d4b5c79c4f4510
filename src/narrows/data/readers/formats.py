"""Which reader takes which file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from narrows.data.dataset import Dataset
from narrows.data.readers.arrays import read_npy, read_npz
from narrows.data.readers.checks import check_regular
from narrows.data.readers.idx import read_idx
from narrows.data.readers.images import read_image_zip, read_images
from narrows.data.readers.mat import read_mat
from narrows.data.readers.tables import read_csv, read_parquet
from narrows.errors import DataError

READERS: dict[str, Callable[..., Dataset]] = {
    ".npy": read_npy,
    ".npz": read_npz,
    ".csv": read_csv,
    ".tsv": read_csv,
    ".txt": read_csv,
    ".parquet": read_parquet,
    ".mat": read_mat,
    ".idx": read_idx,
    ".zip": read_image_zip,
}


def file_loader(name: str) -> Callable[..., Dataset] | None:
    """Return what reads the file or folder of this name, None if nothing is there; DataError if no reader takes it."""
    path = Path(name)
    try:
        exists, folder = bool(name) and path.exists(), path.is_dir()  # an empty name would be the current folder
    except (OSError, ValueError):  # names too long, or with a zero byte
        return None
    if not exists:
        return None
    reader = read_images if folder else _reader_for(path)
    if folder and (idx := _idx_in(path)) is not None:
        path, reader = idx, read_idx
    if reader is None:
        raise DataError(
            f"load_dataset: {name!r} must end in one of {', '.join(READERS)}, be an IDX file or a folder of images; "
            f"got {path.suffix or 'no ending'!r}. Rename or convert it."
        )
    if reader is not read_images:
        check_regular(path)
    return partial(reader, path)


def looks_like_path(name: str) -> bool:
    """Tell whether a name that does not exist was meant as a path rather than as that of a data set."""
    path = Path(name)
    return len(path.parts) > 1 or path.suffix.lower() in (*READERS, ".gz")


def _reader_for(path: Path) -> Callable[..., Dataset] | None:
    bare = path.name.lower().removesuffix(".gz")
    if bare.endswith("-ubyte"):
        return read_idx
    reader = READERS.get(Path(bare).suffix)
    packed = bare != path.name.lower()
    return None if packed and reader not in (read_csv, read_idx) else reader


def _idx_in(folder: Path) -> Path | None:
    """Return the training images of a folder laid out as MNIST is."""
    files = [folder / f"train-images-idx3-ubyte{ending}" for ending in ("", ".gz")]
    return next((file for file in files if file.is_file()), None)
