"""The pages of a TIFF file, by its chain of directories: nothing is decoded."""

from __future__ import annotations

import struct

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First bytes of a TIFF file, small or big, in either byte order."""
SUBFILE, REDUCED, MASK = 254, 1, 4
"""The tag of a page that says what it is, and its bits of smaller copies and of masks."""


def pages_of(content: bytes) -> list[int]:
    """Return the pages of a TIFF file that are images, without smaller copies and masks of others; [0] of any other.

    Where the file is cut short, the first page that it lacks is among them: to decode it is an error.
    """
    if not content.startswith(TIFF):
        return [0]
    order, big = "<" if content[:2] == b"II" else ">", b"+" in content[2:4]
    count, entry, offset = ("Q", "HHQ8s", "Q") if big else ("H", "HHI4s", "I")
    pages: list[int] = []
    seen: set[int] = set()
    try:
        (place,) = struct.unpack_from(order + offset, content, 8 if big else 4)
        while place and place not in seen:
            number = len(seen)
            seen.add(place)
            (entries,) = struct.unpack_from(order + count, content, place)
            start, size = place + struct.calcsize(order + count), struct.calcsize(order + entry)
            (following,) = struct.unpack_from(order + offset, content, start + entries * size)
            if not _kind(content, order + entry, start, entries) & (REDUCED | MASK):
                pages.append(number)
            place = following
    except struct.error:
        pages.append(max(0, len(seen) - 1))
    return pages or [0]


def _kind(content: bytes, entry: str, start: int, entries: int) -> int:
    """Return what a page is: the bits of its tag."""
    size = struct.calcsize(entry)
    for place in range(start, start + min(entries, 100) * size, size):
        tag, kind, _, value = struct.unpack_from(entry, content, place)
        if tag >= SUBFILE:  # tags are in ascending order
            return int.from_bytes(value[: 2 if kind == 3 else 4], "little" if entry[0] == "<" else "big") * (
                tag == SUBFILE
            )
    return 0
