"""Archives and servers of strangers; run as a script, it reads from them and prints what happened.

    python archives.py FOLDER SEED COUNT

All that they may write is the cache, one folder within FOLDER: a hook watches every file that is opened, made, moved
or removed, and the rest of FOLDER is compared afterwards.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import random
import re
import shutil
import sys
import tarfile
import threading
import zipfile
from collections import Counter
from collections.abc import Callable
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from narrows import load_dataset
from narrows.data.download import Remote, fetch
from narrows.errors import NarrowsError
from safety.memory import fresh_peak, peak_mb

LEADING_OUT = (
    "../x.png", "a/../../x.png", "a/b/../../../x.png", "..\\x.png", "a\\..\\..\\x.png", "/x.png", "//host/share/x.png",
    "\\x.png", "\\\\host\\share\\x.png", "\\\\?\\C:\\x.png", "C:/x.png", "C:\\x.png", "C:x.png", "c:cats/x.png",
    "{outside}/secret.png", "../../../../../../../../../../../../../../tmp/x.png", "cats/..", "a/../b/x.png",
)  # fmt: skip
ODD = (
    "two words/a b .png", "line\nbreak/\n.png", "שלום/שלום.png", "\u202egnp.exe.png", "🐕‍🦺/👩‍🔬.png", "~/x.png",
    "$HOME/`id`.png", "%2e%2e/x.png", "-rf.png", "CON/nul.png", "long" * 50 + ".png", "e\u0301/é.png", "a\u2028b.png",
    "\x1b[31mred.png", "[/bold]/x.png", "a...png/x...png", "a;b|c&d.png", "tab\there/'\".png", "كلب/قط 1.png",
)  # fmt: skip
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = ("os.rename", "os.link", "os.symlink", "os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.chmod")


class Case(NamedTuple):
    kind: str
    about: str
    make: Callable[[Path], Any]
    """Writes what is to be read into a folder."""
    read: Callable[[Path], Any]
    """Reads it; returns the names of what was read, or None where they are not compared."""
    expected: Any
    """"refused", those names, or None: either."""


@cache
def picture(kind: str = "PNG", side: int = 8) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (side, side), 70).save(stream, kind)
    return stream.getvalue()


def refused_name(name: str) -> bool:
    """Whether a name leads out of its archive, said in another way than the package does."""
    slashed = name.replace("\\", "/")
    return bool(re.match(r"/|[A-Za-z]:", slashed)) or ".." in slashed.split("/")


# Archives of images, of arrays, and of published data sets -----------------------------------------------------------


def zipped(path: Path, entries: list[tuple[str, bytes, int]]) -> None:
    """Write a zip archive; the last number of an entry is its mode."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, mode in entries:
            info = zipfile.ZipInfo("x")
            info.filename, info.external_attr, info.compress_type = name, mode << 16, zipfile.ZIP_DEFLATED
            archive.writestr(info, content)


def image_zip(names: list[str], about: str, **changes: Any) -> Case:
    seen = [name for name in ("zz/1.png", *names) if not name.rpartition("/")[2].startswith(".")]  # no hidden ones
    expected = "refused" if any(map(refused_name, names)) else tuple(sorted(seen))
    entries = [(name, picture(), 0o100644) for name in ("zz/1.png", *names)]
    return Case(
        "zip", about, lambda folder: zipped(folder / "x.zip", changes.get("entries", entries)),
        lambda folder: names_of(folder / "x.zip"), changes.get("expected", expected),
    )  # fmt: skip


def names_of(path: Path) -> tuple[str, ...]:
    files = load_dataset(path, test=0, strict=True).files
    assert files is not None
    return tuple(sorted(files.names))


def array_zip(name: str) -> Case:
    stream = io.BytesIO()
    np.save(stream, np.arange(12.0).reshape(4, 3))
    entries = [("X.npy", stream.getvalue(), 0o100644), (f"{name}.npy", stream.getvalue(), 0o100644)]
    expected = "refused" if refused_name(f"{name}.npy") else None
    return Case("npz", repr(name), lambda folder: zipped(folder / "x.npz", entries), whole("x.npz"), expected)


def array_bomb() -> Case:
    stream = io.BytesIO()
    np.save(stream, np.zeros((2**12, 2**13)))
    entries = [("X.npy", stream.getvalue(), 0o100644)]
    return Case("npz", "bomb", lambda folder: zipped(folder / "x.npz", entries), whole("x.npz"), "refused")


def whole(name: str) -> Callable[[Path], Any]:
    return lambda folder: load_dataset(folder / name, test=0) and None


def faces(members: list[tuple[str, bytes, str]], about: str, expected: Any, *, cut: float = 1.0) -> Case:
    """Return a case of lfw.tgz; the last text of a member is its type and where it leads."""

    def make(folder: Path) -> None:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
            for name, content, kind in members:
                info = tarfile.TarInfo(name)
                info.type, info.linkname = kind[:1].encode(), kind[1:]
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        (folder / "lfw").mkdir()
        (folder / "lfw" / "lfw.tgz").write_bytes(stream.getvalue()[: int(len(stream.getvalue()) * cut)])

    return Case("lfw", about, make, published("lfw"), expected)


def published(name: str) -> Callable[[Path], Any]:
    """Return what loads a data set that lies in the folder, which is the data folder and not the cache."""

    def read(folder: Path) -> Any:
        os.environ["NARROWS_DATA"] = str(folder)
        options: dict[str, Any] = {"size": 8} if name == "celeba" else {"test": 0}
        return load_dataset(name, **options).label_names

    return read


def celeba(name: str) -> Case:
    def make(folder: Path) -> None:
        (folder / "celeba").mkdir()
        entries = [(each, picture("PNG", 178), 0o100644) for each in ("1.png", name)]
        zipped(folder / "celeba" / "celeba_aligned_subset_jpg.zip", entries)
        # What the list calls a picture is looked up in the archive only.
        rows = (
            f'image,identity,part,Male\n1.png,1,train,0\n"{name}",1,train,1\n../secret.png,2,test,1\n1.png,2,test,0\n'
        )
        (folder / "celeba" / "celeba_aligned_subset.csv").write_text(rows, newline="")

    return Case("celeba", repr(name), make, published("celeba"), "refused" if refused_name(name) else None)


def on_disk(name: str) -> Case:
    def make(folder: Path) -> None:
        for each in ("zz/1.png", name):
            path = folder / "images" / each
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture())

    return Case(
        "folder", repr(name), make, lambda folder: names_of(folder / "images"), tuple(sorted(["zz/1.png", name]))
    )


# Servers ----------------------------------------------------------------------------------------------------------

CONTENT = bytes(range(256)) * 64


class Server(BaseHTTPRequestHandler):
    """Answers as the address says."""

    def do_GET(self) -> None:
        way = self.path.rpartition("/")[2]
        if way.startswith("to-"):
            self.send_response(302)
            self.send_header("Location", bytes.fromhex(way[3:]).decode("latin-1"))
            self.end_headers()
            return
        content = {"bomb": gzip.compress(bytes(2**27)), "other": CONTENT[::-1], "more": CONTENT * 3}.get(way, CONTENT)
        self.send_response(206 if way == "ranges" else 200)
        if way == "named":
            self.send_header("Content-Disposition", 'attachment; filename="../../x.png"')
        if way == "ranges":
            self.send_header("Content-Range", "bytes -5-99999999/1")
        if way not in ("more", "long"):
            self.send_header("Content-Length", {"lies": "-1", "words": "many"}.get(way, str(len(content))))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


def download(way: str, expected: Any, *, part: str = "", target: str = "", unpacked: bool = False) -> Case:
    """Return a case of a download; `part` and `target` say where links lead that lie in the cache already."""

    def make(folder: Path) -> None:
        cached = cache_of(folder)
        for name, where in (("x.bin.part", part), ("x.bin", target)):
            if where:
                (cached / name).symlink_to(where.format(outside=folder.parent))

    def read(folder: Path) -> Any:
        content = b"" if unpacked else CONTENT
        remote = Remote(
            "x.bin", (f"{address()}/a/../../{way}",), len(CONTENT), hashlib.sha256(content).hexdigest(), unpacked,
            len(CONTENT),
        )  # fmt: skip
        path = fetch(remote, cache_of(folder), timeout=5, retries=0, pause=0)
        return path.read_bytes() == CONTENT

    return Case("download", f"{way} {part} {target}"[:60], make, read, expected)


def cache_of(folder: Path) -> Path:
    return folder.parent / "cache"


@cache
def address() -> str:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def leading_to(url: str) -> str:
    return "to-" + url.encode("latin-1").hex()


# All of them ------------------------------------------------------------------------------------------------------


def cases(count: int, rng: random.Random, outside: Path) -> list[Case]:
    """Return so many cases: the written-out ones in random order, and then names put together at random."""
    names = [name.format(outside=outside) for name in LEADING_OUT]
    jpeg = picture("JPEG", 250)
    found = [image_zip([name], repr(name)) for name in (*names, *ODD)]
    found += [on_disk(name) for name in (*ODD, "caf\udce9/\udcff.png")]
    found += [array_zip(name) for name in (*names, *ODD[:6])]
    found += [celeba(name) for name in (*names, *ODD[:6])]
    found += [faces([(f"lfw/A/{name}", jpeg, "0")], repr(name), "refused") for name in names if ".." in name]
    found += [faces([(name, jpeg, "0")], repr(name), "refused") for name in names]
    zeros, plain = bytes(2**27), ("zz/1.png", picture(), 0o100644)
    for about, entries in {
        "link": [plain, ("a.png", b"/etc/passwd", 0o120777)],
        "link to a folder": [("cats", b"../..", 0o120777), ("cats/x.png", picture(), 0o100644)],
        "pipe": [plain, ("a.png", b"", 0o010644)],
        "device": [plain, ("a.png", b"", 0o020666)],
        "socket": [plain, ("a.png", b"", 0o140666)],
        "bomb": [plain, ("a.png", zeros, 0o100644)],
        "name twice": [plain, plain],
        "zip in a zip": [("x.zip", zeros[:1000], 0o100644)],
        "nothing": [],
    }.items():
        found.append(image_zip([], about, entries=entries, expected="refused"))
    face = ("lfw/A_B/A_B_0001.jpg", jpeg, "0")
    found += [
        faces([face], "sound", ("A B",)),
        faces([("lfw/א 🐕/א 🐕_0001.jpg", jpeg, "0"), face], "odd", ("A B", "א 🐕")),
        faces([("lfw/a\nb/a\nb_0001.jpg", jpeg, "0")], "newline", ("a\nb",)),
        faces([("lfw/C_D/C_D_0001.jpg", b"", "2../../../secret.png"), face], "link", ("A B",)),
        faces([("lfw/C_D/C_D_0001.jpg", b"", "1../../secret.png")], "hard link", "refused"),
        faces([("lfw/A_B", b"", f"2{outside}"), face], "into a link", ("A B",)),
        faces([("lfw/C_D/C_D_0001.jpg", b"", "3"), face], "device", ("A B",)),
        faces([("lfw/C_D/C_D_0001.jpg", b"", "6"), face], "pipe", ("A B",)),
        faces([face, ("lfw/notes", zeros, "0")], "bomb", "refused"),
        faces([("lfw/A_B/A_B_0001.jpg", zeros[: 2**20 + 1], "0")], "large", "refused"),
        faces([("x", zeros, "L"), face], "long name", "refused"),
        faces([("x", zeros, "x"), face], "long header", "refused"),
        faces([("lfw/A_B/A_B_0001.jpg", jpeg[:300], "0")], "malformed", "refused"),
        faces([], "nothing", "refused"),
        *(faces([face, face], f"cut at {share}", "refused", cut=share) for share in (0, 0.01, 0.2, 0.5, 0.9)),
        array_bomb(),
        download("sound", True), download("named", True), download(leading_to("/b/../c"), True),
        download("other", "refused"), download("more", "refused"), download("lies", None), download("words", "refused"),
        download("ranges", None), download("bomb", "refused", unpacked=True), download("long", True),
        *(download(leading_to(url), "refused") for url in (
            "file:///etc/passwd", f"file:{outside}/secret.png", "data:text/plain,x", "gopher://127.0.0.1/x",
            "javascript:x", "../" * 30 + "other",
        )),
        download("sound", True, part="{outside}/secret.png"), download("other", "refused", part="{outside}/secret.png"),
        download("sound", True, part="{outside}/new"), download("sound", True, target="{outside}/new"),
    ]  # fmt: skip
    rng.shuffle(found)
    while len(found) < count:
        slash = rng.choice("/\\")
        parts = [
            rng.choice(["..", ".", "a b", "🐕", "אב", "x\ny", "C:", "...", "c", ""]) for _ in range(rng.randrange(1, 6))
        ]
        name = rng.choice(["", "", "", "/", "\\", "D:", "\\\\"]) + slash.join([*parts, "x.png"])
        found.append(rng.choice([lambda n: image_zip([n], repr(n)), array_zip, celeba])(name))
    return found[:count]


def snapshot(folder: Path) -> dict[str, str]:
    """Return what lies in a folder, the cache and what is read apart."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not name.startswith(("cache/", "read/")):
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    return found


def outcome(case: Case, folder: Path) -> str | None:
    """Read a case, and return what is wrong with how it went, or None."""
    try:
        got = case.read(folder)
    except NarrowsError as error:
        named = case.kind == "download" or folder.name in str(error)
        if case.expected not in ("refused", None):
            return f"refused: {error}"
        return None if named and "\n" not in str(error) else f"not named: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None if case.expected in (got, None) else f"got {got!r}"


def main(folder: Path, seed: int, count: int) -> dict[str, Any]:
    """Return counts, and what must not be: wrong outcomes, changes outside the cache, memory."""
    outside = folder.resolve() / "outside"
    (outside / "work" / "cats").mkdir(parents=True)
    (outside / "secret.png").write_bytes(picture("PNG", 250))
    (outside / "work" / "cats" / "x.png").write_bytes(b"mine")
    os.chdir(outside / "work")
    os.environ["NARROWS_CACHE"] = str(outside / "cache")
    changed: Counter[str] = Counter()
    watching = False

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if not watching:
            return
        paths = arguments[:2] if event in ("os.rename", "os.link") else arguments[:1]
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & WRITING):
            return
        if event == "open" or event in CHANGES:
            for path in paths:
                if isinstance(path, int):  # a descriptor: it has been opened, and seen
                    continue
                place, name = os.path.split(os.path.abspath(os.fsdecode(path)))
                if not (Path(os.path.realpath(place)) / name).is_relative_to(outside / "cache"):
                    changed[f"{event} {path!r}"[:200]] += 1

    address()
    sys.addaudithook(hook)
    made = cases(count, random.Random(seed), outside)
    for name in ("cache", "read"):
        (outside / name).mkdir()
    before, wrong, grown = snapshot(outside), [], 0.0
    for number, case in enumerate(made):
        place = outside / "read"
        for old in (place, outside / "cache"):
            shutil.rmtree(old, ignore_errors=True)
            old.mkdir()
        case.make(place)
        start = fresh_peak()
        watching = True
        problem = outcome(case, place)
        watching = False
        grown = max(grown, peak_mb() - start)
        if problem:
            wrong.append(f"{number} {case.kind} {case.about}: {problem}")
    after = snapshot(outside)
    return {
        "count": len(made),
        "kinds": dict(Counter(case.kind for case in made)),
        "must be refused": sum(case.expected == "refused" for case in made),
        "wrong": wrong,
        "changed outside": {**changed, **dict.fromkeys(before.keys() ^ after.keys(), 1)},
        "other content": [name for name in before if after.get(name) != before[name]],
        "grown_mb": grown,
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])), indent=1))
