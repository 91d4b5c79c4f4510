"""Folders and zips of images of every kind, sound and spoiled; run as a script, it reads them and prints what happened.

    python spoiled_images.py FOLDER

Each image says beforehand what must come of it: pixels, or a name in the list of those skipped. `write` makes them
in another process, since the memory that this takes would hide what reading them takes.
"""

from __future__ import annotations

import io
import json
import random
import struct
import sys
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from narrows import load_dataset
from narrows.data import Dataset
from narrows.errors import DataError
from safety.memory import fresh_peak, peak_mb
from safety.mutations import FORBIDDEN

HEIGHT, WIDTH = 10, 12
SIZE = f"{HEIGHT}x{WIDTH}"
LARGEST = 5792  # the largest side whose square is within 2**25 pixels
CLASSES = ("cats", "dogs \n🐕", "حيوانات")
MARK = (255, 0, 255)  # no sound case is of this colour
SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "GIF": ".gif", "BMP": ".bmp", "TIFF": ".tif", "WEBP": ".webp", "PPM": ".ppm"}

Made = tuple[str, bytes, Any]  # ending, content, and the pixels (H, W, 3) or the colour; None where it is malformed


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def png(width: int, height: int, depth: int = 8, colour: int = 0, rows: Iterable[bytes] = (bytes(100),)) -> bytes:
    """Return a PNG whose header claims a size; `rows` are its filtered rows."""
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(row) for row in rows) + packer.flush()
    chunks = ((b"IHDR", struct.pack(">2I5B", width, height, depth, colour, 0, 0, 0)), (b"IDAT", packed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def noise(rng: random.Random) -> Image.Image:
    return Image.frombytes("RGB", (WIDTH, HEIGHT), rng.randbytes(WIDTH * HEIGHT * 3))


def colour_of(rng: random.Random) -> tuple[int, int, int]:
    return rng.randrange(250), rng.randrange(250), rng.randrange(250)


def plain(rng: random.Random) -> Made:
    kind = rng.choice(list(SUFFIXES))
    colour = colour_of(rng)
    return rng.choice(list(SUFFIXES.values())), encoded(Image.new("RGB", (WIDTH, HEIGHT), colour), kind), colour


def truncated(rng: random.Random) -> Made:
    kind = rng.choice(list(SUFFIXES))
    whole = encoded(noise(rng), kind)
    return SUFFIXES[kind], whole[: rng.randrange(len(whole) * 7 // 10)], None


def wrong_magic(rng: random.Random) -> Made:
    kind = rng.choice(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
    whole = encoded(noise(rng), kind)
    magic = rng.choice([
        bytes(16), b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%id) (r) file\n", b"%PDF-1.7\n", b"PK\3\4",
        b"\x7fELF\2\1\1", b"<svg xmlns='http://www.w3.org/2000/svg' width='12' height='10'/>", b"\0\0\1\0\1\0",
        b"\x80\4\x95", b"<!doctype html>", b"8BPS\0\1", b"icns\0\0\0\0", b"\xff" * 12,
    ])  # fmt: skip
    return SUFFIXES[kind], magic + whole[12:], None


def pixel_bomb(rng: random.Random) -> Made:
    side = rng.randrange(6000, 2**16)
    ppm = rng.choice([b"P5", b"P6", b"P4"]) + b" %d %d" % (side, side)
    jpeg = bytearray(encoded(noise(rng), "JPEG"))
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">2H", side, side)
    bmp = bytearray(encoded(noise(rng), "BMP"))
    bmp[18:26] = struct.pack("<2i", side, side)
    gif = b"GIF89a" + struct.pack("<2H3B", side, side, 0, 0, 0)
    gif += b"," + struct.pack("<4HB", 0, 0, side, side, 0) + b"\2\2\x4c\1\0;"
    tiff = bytearray(encoded(noise(rng), "TIFF"))
    for tag in (256, 257):
        at = next(i for i in range(len(tiff)) if tiff[i : i + 2] == struct.pack("<H", tag))
        tiff[at : at + 12] = struct.pack("<2H2I", tag, 4, 1, side)
    return rng.choice([
        (".png", png(side, side), None), (".png", png(2**31 - 1, 1), None), (".png", png(2**31 - 1, 2**31 - 1), None),
        (".png", png(LARGEST + 1, LARGEST + 1, rows=[bytes((LARGEST + 1) * (LARGEST + 2))]), None), (".gif", gif, None),
        (".ppm", ppm + b" 255\n", None), (".ppm", ppm + b"0" * 40 + b" 255\n", None), (".jpg", bytes(jpeg), None),
        (".bmp", bytes(bmp), None), (".tif", bytes(tiff), None),
    ])  # fmt: skip


@cache
def large(number: int) -> Made:
    """Return an image of as many pixels as are allowed, or of its kind; the last two are larger."""
    if number < len(LARGE):
        depth, colour, channels, turn = LARGE[number]
        made = png(LARGEST, LARGEST, depth, colour, [bytes(LARGEST * channels * depth // 8 + 1)] * LARGEST)
        exif = Image.Exif()
        exif[0x0112] = turn
        # What follows the end lifts the size to one that may unpack to so much.
        made = made[:33] + chunk(b"eXIf", exif.tobytes()[6:]) + made[33:] + bytes(2**20)
        return ".png", made, (255, 255, 255) if colour in (4, 6) else (0, 0, 0)
    kind, width, height = OTHERS[number - len(LARGE)]
    options: dict[str, Any] = {"method": 0} if kind == "WEBP" else {"progressive": True, "subsampling": 0}
    made = encoded(Image.new("RGB", (width, height), (40, 80, 120)), kind, **options) + bytes(2**20)
    return SUFFIXES[kind], made, (40, 80, 120) if number < len(LARGE) + 2 else None


LARGE = ((8, 0, 1, 1), (8, 2, 3, 1), (8, 6, 4, 1), (8, 4, 2, 1), (16, 0, 1, 1), (16, 2, 3, 1), (8, 6, 4, 6))
"""Depth, colour type, channels and turn of PNGs."""
OTHERS = (("WEBP", 4000, 3900), ("JPEG", 5000, 5000), ("WEBP", 4000, 4000), ("JPEG", 5200, 5000))


def largest(rng: random.Random) -> Made:
    """Return one that takes as much memory as any may, or asks for more."""
    return large(rng.randrange(len(LARGE) + len(OTHERS)))


def zero_size(rng: random.Random) -> Made:
    side = rng.randrange(1, 100)
    bmp = bytearray(encoded(noise(rng), "BMP"))
    bmp[18:22] = bytes(4)
    gif = b"GIF89a" + bytes(7) + b"," + bytes(9) + b"\2\2\x4c\1\0;"
    return rng.choice([
        (rng.choice([".png", ".jpg", ".gif", ".webp"]), b"", None), (".png", png(0, side), None),
        (".png", png(side, 0), None), (".ppm", b"P5 0 %d 255\n" % side, None), (".bmp", bytes(bmp), None),
        (".gif", gif, None),
    ])  # fmt: skip


def animated(rng: random.Random) -> Made:
    colours = [colour_of(rng) for _ in range(rng.randrange(2, 9))]
    frames = [Image.new("RGB", (WIDTH, HEIGHT), colour) for colour in colours]
    kind, options = rng.choice([("GIF", {}), ("PNG", {}), ("WEBP", {"lossless": True})])
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    return SUFFIXES[kind], content, colours[0]


def palette(rng: random.Random) -> Made:
    colour = colour_of(rng)
    image = Image.new("P", (WIDTH, HEIGHT), 1)
    image.putpalette([9, 9, 9, *colour])
    kind, clear = rng.choice([("PNG", False), ("PNG", True), ("GIF", False), ("TIFF", False), ("BMP", False)])
    return (
        SUFFIXES[kind],
        encoded(image, kind, **({"transparency": 1} if clear else {})),
        MARK[:1] * 3 if clear else colour,
    )


def cmyk(rng: random.Random) -> Made:
    cyan, magenta, yellow, black = (rng.randrange(256) for _ in range(4))
    image = Image.new("CMYK", (WIDTH, HEIGHT), (cyan, magenta, yellow, black))
    light = (255 - black) / 255
    kind = rng.choice(["JPEG", "TIFF"])
    expected = tuple((255 - ink) * light for ink in (cyan, magenta, yellow))
    return SUFFIXES[kind], encoded(image, kind), expected


def alpha(rng: random.Random) -> Made:
    colour, opacity = colour_of(rng), rng.choice([0, 255, rng.randrange(256)])
    kind, mode = rng.choice([("PNG", "RGBA"), ("PNG", "LA"), ("TIFF", "RGBA"), ("WEBP", "RGBA")])
    colour = colour[:1] * 3 if mode == "LA" else colour
    image = Image.new("RGBA", (WIDTH, HEIGHT), (*colour, opacity)).convert(mode)
    options: dict[str, Any] = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    expected = tuple((value * opacity + 255 * (255 - opacity)) / 255 for value in colour)
    return SUFFIXES[kind], encoded(image, kind, **options), expected


def turned(rng: random.Random) -> Made:
    turn = rng.randrange(1, 9)
    upright = np.full((HEIGHT, WIDTH, 3), 20 + rng.randrange(60), np.uint8)
    upright[: HEIGHT // 2, : WIDTH // 2] = 200 + rng.randrange(50)
    stored = [
        upright, upright[:, ::-1], upright[::-1, ::-1], upright[::-1], upright.swapaxes(0, 1), np.rot90(upright),
        upright[::-1, ::-1].swapaxes(0, 1), np.rot90(upright, -1),
    ][turn - 1]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = turn
    ways: list[tuple[str, dict[str, Any]]] = [
        ("JPEG", {"quality": 95, "subsampling": 0}), ("PNG", {}), ("WEBP", {"lossless": True})
    ]  # fmt: skip
    kind, options = rng.choice(ways)
    return SUFFIXES[kind], encoded(Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif, **options), upright


KINDS: dict[str, Callable[[random.Random], Made]] = {
    f.__name__: f
    for f in (
        truncated, wrong_magic, pixel_bomb, zero_size, animated, palette, cmyk, alpha, turned, plain,
    )
}  # fmt: skip


def cases(count: int, rng: random.Random) -> Iterator[tuple[str, str, bytes, Any]]:
    """Yield kind, name, content and what must come of it."""
    kinds = list(KINDS.items())
    for number in range(count):
        # The largest ones take a second each: one in fifty.
        kind, make = ("largest", largest) if number % 50 == 25 else kinds[number % len(kinds)]
        suffix, content, expected = make(rng)
        # Spelled at random, so that the order of the names is not that of the kinds.
        yield kind, f"{rng.choice(CLASSES)}/{rng.getrandbits(32):08x} {number}{suffix}", content, expected


def write(folder: Path, seed: int, count: int) -> None:
    """Write the images to a folder's parts.

    spoiled/, spoiled.zip
        All of them.
    whole/
        All, with a sound image of one colour in the place of each malformed one.
    without/
        The sound ones.
    warm/, warm.zip
        One sound image of each format.
    expected.json
        Name, kind, and what must come of it, in the order of the names.
    """
    rng = random.Random(seed)
    mark = encoded(Image.new("RGB", (WIDTH, HEIGHT), MARK))
    found = []
    with zipfile.ZipFile(folder / "spoiled.zip", "w") as archive:
        for kind, name, content, wanted in cases(count, rng):
            archive.writestr(name, content)
            put(folder / "spoiled" / name, content)
            put(folder / "whole" / name, mark if wanted is None else content)
            if wanted is not None:
                put(folder / "without" / name, content)
            found.append((name, kind, None if wanted is None else np.asarray(wanted).tolist()))
    with zipfile.ZipFile(folder / "warm.zip", "w") as archive:
        for kind, suffix in SUFFIXES.items():
            put(folder / "warm" / f"{kind}{suffix}", encoded(noise(rng), kind))
            archive.writestr(f"{kind}{suffix}", encoded(noise(rng), kind))
    (folder / "expected.json").write_text(json.dumps(sorted(found, key=lambda each: each[0])))


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def differences(found: Dataset, expected: dict[str, Any]) -> list[str]:
    """Return the names of images that are not what was drawn, to within what lossy formats change."""
    assert found.files is not None
    names = [found.files.names[i] for i in found.files.rows]
    return [
        name
        for name, image in zip(names, found.train, strict=True)
        if np.abs(image.transpose(1, 2, 0) - np.asarray(expected[name], dtype=float)).max() > 12
    ]


def unmarked(rows: Any, labels: Any) -> tuple[Any, Any]:
    """Return rows and labels without those that stand for malformed files."""
    marked = (rows == np.array(MARK, np.uint8)[:, None, None]).all(axis=(1, 2, 3))
    return rows[~marked], labels[~marked]


def same_parts(found: Dataset, twin: Dataset) -> bool:
    """Whether every part is that of the folder in which nothing is malformed, less the files that are."""
    return all(
        np.array_equal(mine, theirs)
        for part in ("train", "validation", "test")
        for mine, theirs in zip(
            (getattr(found, part), getattr(found, f"{part}_labels")),
            unmarked(getattr(twin, part), getattr(twin, f"{part}_labels")),
            strict=True,
        )
    )


def main(folder: Path) -> dict[str, Any]:
    """Return counts, and what must not be."""
    expected = json.loads((folder / "expected.json").read_text())
    wanted = {name: pixels for name, _, pixels in expected}
    bad = [name for name, pixels in wanted.items() if pixels is None]
    events: Counter[str] = Counter()
    options: dict[str, Any] = {"size": SIZE, "mode": "rgb"}
    parts: dict[str, Any] = {**options, "test": 0.25, "validation": 0.2}
    for name in ("warm", "warm.zip"):
        load_dataset(folder / name, **parts)  # readers are imported now

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith(FORBIDDEN) and event not in ("compile", "import"):
            events[f"{event} {str(arguments)[:100]}"] += 1

    sys.addaudithook(hook)
    before, started = fresh_peak(), time.perf_counter()
    found = load_dataset(folder / "spoiled", **parts)
    seconds = time.perf_counter() - started
    everything = load_dataset(folder / "spoiled.zip", test=0, **options)
    grown = peak_mb() - before
    skipped = [line.partition(": ") for line in found.skipped]
    strict = []
    for path in (folder / "spoiled", folder / "spoiled.zip"):
        try:
            load_dataset(path, strict=True, **options)
        except DataError as error:
            strict.append(str(error))
    without = load_dataset(folder / "without", test=0, strict=True, **options)
    return {
        "kinds": dict(Counter(kind for _, kind, _ in expected)),
        "sound": len(wanted) - len(bad),
        "malformed": len(bad),
        "skipped": len(found.skipped),
        "list is exact": [name for name, _, _ in skipped] == bad and all(reason for _, _, reason in skipped),
        "zip skips the same": everything.skipped == found.skipped,
        "rows": sum(len(part) for part in (found.train, found.validation, found.test) if part is not None),
        "split as without damage": same_parts(found, load_dataset(folder / "whole", **parts)),
        "order as without the files": everything.sha256 == without.sha256,
        "wrong pixels": differences(everything, wanted),
        "strict names the first": [f"got {len(bad)} that are not: {bad[0]}: " in error for error in strict],
        "events": dict(events),
        "grown_mb": grown,
        "seconds": seconds,
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1])), indent=1))
