"""CelebA: faces with 40 attributes (Liu et al., 2015), from the published files or a subset of them."""

from __future__ import annotations

import csv
import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from narrows.data.dataset import Dataset, RowIds, as_read
from narrows.data.folders import find_files, manual_download
from narrows.data.options import whole_number
from narrows.data.readers.checks import reading, unsound, zip_members
from narrows.data.readers.decoding import decode
from narrows.data.readers.images import attempts, decode_all
from narrows.errors import ConfigError, DownloadError, did_you_mean

_SUBSET = ("celeba_aligned_subset_jpg.zip", "celeba_aligned_subset.csv")
_PUBLISHED = ("img_align_celeba.zip", "list_attr_celeba.txt", "list_eval_partition.txt", "identity_CelebA.txt")
_SPLIT_NAMES = {"0": "train", "1": "val", "2": "test"}


@dataclass
class _Table:
    """One row a picture."""

    archive: Path
    images: list[str] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    columns: dict[str, list[int]] = field(default_factory=dict)  # identity and the attributes


def celeba_available() -> bool:
    """Tell whether the files are on this machine."""
    return find_files("celeba", _PUBLISHED) is not None or find_files("celeba", _SUBSET) is not None


def celeba(
    *,
    size: int = 64,
    crop: int = 178,
    label: str = "Male",
    grey: bool = False,
    strict: bool = False,
    limit: int | None = None,
) -> Dataset:
    """Faces of CelebA, aligned, (N, 3, size, size) uint8, in the published splits.

    A subset without the training split trains on the validation split.

    Parameters
    ----------
    size
        Height and width after resizing.
    crop
        Side of the square that is cut from the middle of the 178x218 pictures first.
    label
        "identity", or an attribute: "Male", "Smiling", "Eyeglasses" and so on.
    grey
        Whether to give one channel.
    strict
        Raise an error for the first malformed picture instead of leaving it out.
    limit
        Read only that many of the training pictures.
    """
    size, crop = whole_number("size", size, 1, 178), whole_number("crop", crop, 1, 178)
    published, subset = find_files("celeba", _PUBLISHED), find_files("celeba", _SUBSET)
    if published is not None:
        table = _read_published(*(published[name] for name in _PUBLISHED))
    elif subset is not None:
        table = _read_subset(*(subset[name] for name in _SUBSET))
    else:
        page = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
        reason = f"it is missing, and its licence lets only you fetch it, from {page}."
        raise DownloadError(manual_download("celeba", _PUBLISHED, reason, "mnist-5k"))
    if label not in table.columns:
        raise ConfigError(
            f"load_dataset: label must be one of {', '.join(table.columns)}; "
            f"got {label!r}.{did_you_mean(label, table.columns)}"
        )
    complete = "train" in table.splits
    roles = {"train": "train", "validation": "val", "test": "test"} if complete else {"train": "val", "test": "test"}
    labels = np.array(table.columns[label], dtype=np.int64)
    result: dict[str, Any] = {}
    ids: dict[str, RowIds] = {}
    skipped: tuple[str, ...] = ()
    with reading(table.archive), zipfile.ZipFile(table.archive) as archive:
        members = {PurePosixPath(n).name: m for n, m in zip_members(archive, str(table.archive)).items()}
        for role, split in roles.items():
            rows = np.array([i for i, of in enumerate(table.splits) if of == split], dtype=np.int64)
            rows = rows[:limit] if role == "train" else rows
            if not len(rows):
                continue
            images, read, bad = decode_all(
                (names := [table.images[i] for i in rows]),
                attempts(
                    names,
                    lambda name: archive.read(members[name]) if name in members else b"",
                    lambda content: decode(content, size=(size, size), crop=crop, mode="grey" if grey else "rgb"),
                ),
                strict=strict,
            )
            result[role], result[f"{role}_labels"] = images, labels[rows[read]]
            ids[role] = RowIds("file", np.array([table.images[i] for i in rows[read]]), rows[read])
            skipped += bad
    if "train" not in result:
        raise unsound(table.archive, "hold training pictures; got none.")
    return as_read(
        **result,
        label_names=None if label == "identity" else (f"not {label}", label),
        source="CelebA (Liu et al., 2015), aligned",
        licence="for non-commercial research (Chinese University of Hong Kong)",
        how="as published" if complete else "the published validation split, since there is no training split",
        skipped=skipped,
        row_ids=ids,
    )


def _read_subset(archive: Path, listing: Path) -> _Table:
    with reading(listing), listing.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, strict=True))
        if not rows or not {"image", "identity", "part"} <= rows[0].keys():
            raise unsound(listing, "have the columns image, identity and part.")
        return _Table(
            archive,
            [row["image"] for row in rows],
            [row["part"] for row in rows],
            {name: [int(row[name]) for row in rows] for name in rows[0] if name not in ("image", "part")},
        )


def _pairs(path: Path) -> dict[str, str]:
    with reading(path):
        return dict(line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())


def _read_published(archive: Path, attributes: Path, partition: Path, identity: Path) -> _Table:
    splits, people = _pairs(partition), _pairs(identity)
    with reading(attributes):
        _, names, *lines = attributes.read_text(encoding="utf-8").splitlines()
        rows = [line.split() for line in lines if line.strip()]
        table = _Table(archive, [row[0] for row in rows], [_SPLIT_NAMES[splits[row[0]]] for row in rows])
        table.columns["identity"] = [int(people[row[0]]) for row in rows]
        for i, name in enumerate(names.split(), start=1):
            table.columns[name] = [int(row[i] == "1") for row in rows]
    return table
