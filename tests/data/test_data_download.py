"""fetch against a local server that cuts, lies, stalls and refuses; and data sets read from what was fetched."""

import errno
import gzip
import hashlib
import io
import subprocess
import sys
import tarfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from narrows.data import DATASETS, load_dataset
from narrows.data.download import Remote, fetch
from narrows.data.folders import cache_folder
from narrows.data.published import read_lfw_archive
from narrows.errors import DataError, DownloadError

CONTENT = np.random.default_rng(0).bytes(200_000)


class Server:
    """Serves CONTENT; `ways` says how each request in turn is answered, the last way from then on."""

    def __init__(self):
        self.ways, self.ranges = ["whole"], []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.ranges.append(self.headers.get("Range"))
                way = outer.ways.pop(0) if len(outer.ways) > 1 else outer.ways[0]
                getattr(outer, way)(self)

            def log_message(self, *_):
                pass

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, *_):  # who leaves early is part of the tests
                pass

        self.http = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/file"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def send(self, handler, start, stop, *, content=CONTENT, ranged=True):
        handler.send_response(206 if start and ranged else 200)
        if start and ranged:
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        handler.send_header("Content-Length", str(len(content) - (start if ranged else 0)))
        handler.end_headers()
        handler.wfile.write(content[start if ranged else 0 : stop])

    def start_of(self, handler):
        wanted = handler.headers.get("Range")
        return int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0

    def whole(self, handler):
        start = self.start_of(handler)
        if start >= len(CONTENT):
            handler.send_error(416)
        else:
            self.send(handler, start, None)

    def cut(self, handler):
        start = self.start_of(handler)
        self.send(handler, start, start + 70_000)

    def no_ranges(self, handler):
        self.send(handler, self.start_of(handler), None, ranged=False)

    def other(self, handler):
        self.send(handler, 0, None, content=CONTENT[::-1])

    def missing(self, handler):
        handler.send_error(404)

    def busy(self, handler):
        handler.send_error(503)

    def endless(self, handler):
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(CONTENT)
        except OSError:
            pass

    def huge(self, handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(2**60))
        handler.end_headers()

    def silent(self, handler):
        time.sleep(0.6)

    def drip(self, handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        try:
            for i in range(40):
                handler.wfile.write(CONTENT[i : i + 1])
                handler.wfile.flush()
                time.sleep(0.05)
        except OSError:
            pass

    def one_byte(self, handler):
        start = self.start_of(handler)
        self.send(handler, start, start + 1)

    def slow_headers(self, handler):
        self.slowly(handler, b"HTTP/1.1 200 OK\r\nX-Long: ", b"a")

    def continues(self, handler):
        self.slowly(handler, b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100)

    def chunks(self, handler):
        self.slowly(handler, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n" * 200)

    def trailers(self, handler):
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
        self.slowly(handler, head, b"X-More: a\r\n" * 100)

    def slowly(self, handler, first, again):
        try:
            handler.wfile.write(first)
            while True:
                handler.wfile.write(again)
                time.sleep(0.01)
        except OSError:
            pass

    def no_number(self, handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "-5")
        handler.end_headers()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


def remote(*urls, content=CONTENT, **changes):
    return Remote(
        **{"name": "file", "urls": urls, "size": len(content), "sha256": hashlib.sha256(content).hexdigest(), **changes}
    )


def got(folder, file, **options):
    return fetch(file, folder, **{"timeout": 2.0, "retries": 1, "pause": 0.01, **options}).read_bytes()


@pytest.mark.slow
def test_a_file_is_fetched_once(server, tmp_path, capsys):
    file = remote(server.url)
    assert got(tmp_path / "a" / "b", file) == CONTENT
    assert "0.2 MB" in capsys.readouterr().err
    assert got(tmp_path / "a" / "b", file) == CONTENT
    assert server.ranges == [None]
    assert sorted(p.name for p in (tmp_path / "a" / "b").iterdir()) == [".file.lock", "file"]


@pytest.mark.slow
def test_a_cut_transfer_goes_on_where_it_stopped(server, tmp_path):
    server.ways = ["cut", "cut", "busy", "whole"]
    assert got(tmp_path, remote(server.url)) == CONTENT
    assert server.ranges == [None, "bytes=70000-", "bytes=140000-", "bytes=140000-"]


@pytest.mark.slow
def test_a_part_of_an_earlier_day_is_gone_on_with(server, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT[:150_000])
    assert got(tmp_path, remote(server.url)) == CONTENT
    assert server.ranges == ["bytes=150000-"]


@pytest.mark.slow
def test_a_whole_part_is_only_checked(server, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT)
    assert got(tmp_path, remote(server.url)) == CONTENT


@pytest.mark.slow
def test_a_part_of_another_file_is_thrown_away(server, tmp_path):
    (tmp_path / "file.part").write_bytes(b"x" * 1000)
    assert got(tmp_path, remote(server.url)) == CONTENT
    assert server.ranges == ["bytes=1000-", None]


@pytest.mark.slow
def test_a_server_that_knows_no_ranges(server, tmp_path):
    server.ways = ["cut", "no_ranges"]
    assert got(tmp_path, remote(server.url)) == CONTENT


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "reason", "requests"),
    [
        ("missing", "HTTP 404", 1),
        ("busy", "HTTP 503", 2),
        ("other", "sha256 .* expected", 1),
        ("endless", "more than 400000 bytes", 1),
        ("huge", "announced", 1),
        ("silent", "timed out|closed|disconnected", 2),
        ("drip", "stalled", None),
    ],
)
def test_failures_are_named_and_leave_no_file(server, tmp_path, way, reason, requests):
    server.ways = [way]
    with pytest.raises(DownloadError, match=reason):
        got(tmp_path, remote(server.url), timeout=0.2, retries=0 if way == "drip" else 1)
    assert not (tmp_path / "file").exists()
    assert requests is None or len(server.ranges) == requests


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "reason", "options"),
    [
        ("one_byte", "cut after 2 of 200000 bytes", {"retries": 1}),
        ("one_byte", "not finished in time", {"retries": 10**6}),
        ("slow_headers", "stalled at [0-9]+ bytes a second", {"timeout": 0.2, "retries": 0}),
        ("continues", "not finished in time", {"retries": 0}),
        ("chunks", "not finished in time", {"retries": 0}),
        ("trailers", "not finished in time", {"retries": 0}),
        ("drip", "not finished in time", {"timeout": 0.1, "retries": 10**6}),
        ("no_number", "Content-Length '-5' is no number", {}),
    ],
)
def test_a_server_that_never_ends_is_left(server, tmp_path, way, reason, options):
    server.ways = [way]
    began = time.monotonic()
    with pytest.raises(DownloadError, match=reason):
        got(tmp_path, remote(server.url, size=10**6 if way == "chunks" else len(CONTENT)), within=0.6, **options)
    assert time.monotonic() - began < 1.5


@pytest.mark.slow
def test_many_fetch_the_same_file_once(server, tmp_path):
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda _: got(tmp_path, remote(server.url)), range(6)))
    assert results == [CONTENT] * 6
    assert server.ranges == [None]


PROCESS = """
import sys
from pathlib import Path
from narrows.data.download import Remote, fetch
url, folder, size, sha256 = sys.argv[1:]
fetch(Remote("file", (url,), int(size), sha256), Path(folder), pause=0.01)
"""


@pytest.mark.slow
def test_processes_fetch_the_same_file_though_one_is_killed(server, tmp_path):
    server.ways = ["drip", "whole"]
    file = remote(server.url)
    command = [sys.executable, "-c", PROCESS, server.url, str(tmp_path), str(file.size), file.sha256]
    killed = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while not server.ranges:
        time.sleep(0.02)
    others = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(4)]
    killed.kill()
    killed.wait()
    assert [process.wait(30) for process in others] == [0] * 4
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert len(server.ranges) == 2


@pytest.mark.slow
def test_a_process_that_holds_the_lock_is_named(server, tmp_path):
    with FileLock(tmp_path / ".file.lock"), pytest.raises(DownloadError, match=r"one process .*\.file\.lock"):
        got(tmp_path, remote(server.url), within=0.1)
    assert server.ranges == []


@pytest.mark.slow
def test_a_full_disk_is_named_and_what_arrived_is_kept(server, tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("narrows.data.download.os.fsync", full)
    with pytest.raises(DownloadError, match=r"must have room for the 0\.2 MB of 'file'; got: No space left on device"):
        got(tmp_path, remote(server.url))
    assert (tmp_path / "file.part").read_bytes() == CONTENT
    monkeypatch.undo()
    assert got(tmp_path, remote(server.url)) == CONTENT


@pytest.mark.slow
def test_a_folder_that_may_not_be_written_is_named(server, tmp_path, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(DownloadError, match=r"can be written to; got: Permission denied\. Set NARROWS_CACHE"):
        got(tmp_path, remote(server.url))


@pytest.mark.slow
def test_the_proxy_is_named_without_its_password(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://me:secret@127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(DownloadError, match=r"refused.* The proxy 127\.0\.0\.1:9 is used, which http_proxy") as error:
        got(tmp_path, remote("http://data.example/file"), retries=0)
    assert "secret" not in str(error.value)


@pytest.mark.slow
def test_something_else_in_place_of_the_part_is_named(server, tmp_path):
    (tmp_path / "file.part").mkdir()
    with pytest.raises(DownloadError, match="must be a plain file"):
        got(tmp_path, remote(server.url))


@pytest.mark.slow
def test_the_next_address_is_tried(server, tmp_path):
    server.ways = ["missing", "whole"]
    assert got(tmp_path, remote(server.url, server.url + "2")) == CONTENT


@pytest.mark.slow
def test_nobody_listens(tmp_path):
    with pytest.raises(DownloadError, match="refused"):
        got(tmp_path, remote("http://127.0.0.1:9/file"))


def test_other_schemes_are_refused(tmp_path):
    with pytest.raises(DownloadError, match="http or https"):
        got(tmp_path, remote("file:///etc/passwd"))


@pytest.mark.slow
def test_a_folder_that_cannot_be_made(server, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(DownloadError, match="must be a folder"):
        got(tmp_path / "taken", remote(server.url))


@pytest.mark.slow
def test_gzip_files_are_checked_by_their_content(server, tmp_path):
    plain = b"digits" * 100
    for packed, reason in (
        (gzip.compress(plain, mtime=0), None),
        (gzip.compress(plain * 9, mtime=0), "unpacks to more"),
        (plain, "gzip"),
    ):
        server.whole = lambda handler, packed=packed: server.send(handler, 0, None, content=packed)
        file = remote(server.url, content=plain, unpacked=True, unpacked_size=len(plain), size=10_000)
        if reason is None:
            assert gzip.decompress(got(tmp_path / "sound", file)) == plain
        else:
            with pytest.raises(DownloadError, match=reason):
                got(tmp_path / "bad", file)


def test_binarized_mnist_from_text_files_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.delenv("NARROWS_DATA", raising=False)
    monkeypatch.setenv("NARROWS_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    (tmp_path / "binarized-mnist").mkdir()
    bits = np.random.default_rng(0).integers(0, 2, (4, 784))
    for part in ("train", "valid", "test"):
        lines = "".join(" ".join(map(str, row)) + "\n" for row in bits)
        (tmp_path / "binarized-mnist" / f"binarized_mnist_{part}.amat").write_text(lines)
    assert DATASETS["binarized-mnist"].available()
    data = load_dataset("binarized-mnist")
    assert np.array_equal(data.validation.reshape(4, 784), bits * 255)
    (tmp_path / "binarized-mnist" / "binarized_mnist_test.amat").write_text(lines[:-1])
    with pytest.raises(DataError, match=r"binarized_mnist_test\.amat"):
        load_dataset("binarized-mnist")


def lfw_archive(path, names):
    with tarfile.open(path, "w:gz") as archive:
        for i, name in enumerate(names):
            pixels = np.zeros((250, 250, 3), np.uint8)
            pixels[70:198, 78:174] = 40 * (i + 1)  # the box that is cut out
            stream = io.BytesIO()
            Image.fromarray(pixels).save(stream, "JPEG", quality=95)
            member = tarfile.TarInfo(name)
            member.size = stream.tell()
            stream.seek(0)
            archive.addfile(member, stream)


def test_lfw_archive_is_cut_and_halved_without_unpacking(tmp_path, monkeypatch):
    monkeypatch.delenv("NARROWS_DATA", raising=False)
    monkeypatch.setenv("NARROWS_CACHE", str(tmp_path))
    (tmp_path / "lfw").mkdir()
    names = ["lfw/B_Two/B_Two_0002.jpg", "lfw/B_Two/B_Two_0001.jpg", "lfw/A_One/A_One_0001.jpg", "lfw/notes.txt"]
    lfw_archive(tmp_path / "lfw" / "lfw.tgz", names)
    for _ in range(2):  # the second time from the small file that the first one leaves
        data = load_dataset("lfw", test=0, shuffle=False)
        assert data.train.shape == (3, 1, 64, 48)
        assert data.train[:, 0, 32, 24] == pytest.approx([120, 80, 40], abs=2)
        assert data.label_names == ("A One", "B Two")
        assert data.train_labels.tolist() == [0, 1, 1]
    assert sorted(p.name for p in (tmp_path / "lfw").iterdir()) == ["lfw.tgz", "lfw_gray_64x48.npz"]
    assert load_dataset("lfw", test=0, min_faces_per_person=2).label_names == ("B Two",)


@pytest.mark.parametrize("name", ["../lfw/A_One/A_One_0001.jpg", "/A_0001.jpg"])
def test_lfw_archive_with_names_that_lead_out(tmp_path, name):
    lfw_archive(tmp_path / "lfw.tgz", [name])
    with pytest.raises(DataError, match="within itself"):
        read_lfw_archive(tmp_path / "lfw.tgz")


def test_lfw_archive_with_a_malformed_picture_names_both(tmp_path):
    lfw_archive(tmp_path / "lfw.tgz", ["lfw/A_One/A_One_0001.jpg"])
    content = gzip.decompress((tmp_path / "lfw.tgz").read_bytes())
    (tmp_path / "lfw.tgz").write_bytes(gzip.compress(content.replace(b"JFIF", b"____").replace(b"\xff\xc0", b"\0\0")))
    with pytest.raises(DataError, match=r"A_One_0001\.jpg' in .*lfw\.tgz' must be a sound picture"):
        read_lfw_archive(tmp_path / "lfw.tgz")
