"""The server: its address, its port, the browser, how it ends, and what it does to a training beside it."""

import base64
import json
import os
import random
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import time
import webbrowser

import pytest

from narrows.cli import beside, main
from webpage.served import TOKEN, Server, append, epoch, running, trained, written


@pytest.fixture
def folder(tmp_path):
    written(tmp_path / "runs", "one")
    return tmp_path / "runs"


def refused(capsys, *tokens):
    assert main(["open", *map(str, tokens)]) == 2
    return " ".join(capsys.readouterr().err.split())


def test_what_is_refused_before_anything_is_served(folder, capsys):
    assert "RUNS must be a folder of runs" in refused(capsys, folder / "none")
    assert "it is a file" in refused(capsys, folder / "one" / "run.json")
    assert "Did you mean 'one'?" in refused(capsys, folder, "--run", "oen")
    assert "port must be a whole number from 0 to 65535" in refused(capsys, folder, "--port", "70000")
    assert "token must have from 16 to 200" in refused(capsys, folder, "--token", "short")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com"])
def test_other_machines_need_a_token(host, folder, capsys):
    words = refused(capsys, folder, "--host", host)
    assert "token must be given" in words
    assert "can see the runs, models and data, train, rename and delete" in words
    assert "nothing is encrypted" in words


def test_without_the_extra_it_is_named(folder, capsys, monkeypatch):
    monkeypatch.setattr(beside, "NEEDED", ("starlette", "nothing_of_that_name"))
    for tokens in (["open", str(folder)], ["train", "pca", "--open", "--data", "cloud"]):
        assert main(tokens) == 2
        words = " ".join(capsys.readouterr().err.split())
        assert (
            "the extra `page` must be installed; nothing_of_that_name is missing. pip install 'narrows[page]'." in words
        )


class Graphical(webbrowser.BackgroundBrowser):
    def open(self, url, *rest):
        self.opened = url
        return True


@pytest.mark.parametrize(
    ("browser", "display", "opens"),
    [
        (Graphical("firefox"), ":0", True),
        (Graphical("firefox"), "", False),  # no screen
        (webbrowser.GenericBrowser("w3m"), ":0", False),
        (webbrowser.GenericBrowser("anything"), ":0", False),  # it would wait for its end
        (Graphical("links"), ":0", False),
        (None, ":0", False),
    ],
)
def test_only_a_graphical_browser_is_opened(browser, display, opens, monkeypatch):
    def get():
        if browser is None:
            raise webbrowser.Error
        return browser

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(webbrowser, "get", get)
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert beside.open_browser("http://x") is opens


@pytest.mark.slow
def test_a_server_from_its_start_to_its_end(folder):
    with Server(folder, "--run", "one") as first, Server(folder) as second:
        assert first.address.endswith(f"/?token={TOKEN}#/run/one")
        assert first.netloc != second.netloc
        assert first.words == "Ctrl-C ends the page; trainings go on."
        assert [row["name"] for row in first.json("/api/runs")["runs"]] == ["one"]
        port = first.netloc.rpartition(":")[2]
        taken = subprocess.run(
            [sys.executable, "-m", "narrows", "open", str(folder), "--port", port], capture_output=True, text=True
        )
        assert taken.returncode == 2
        assert f"port must be free on 127.0.0.1; got {port}" in taken.stderr
        key = first.json("/api/runs/one/delete", "POST")["undo"]
        assert key
        streams = [first.request(f"/api/events?follow=one:{i}") for i in range(3)]
        for stream in streams:
            stream.readline()
        code, seconds, printed = first.stop()
        assert (code, printed) == (0, "")
        assert seconds < 5
        assert list(folder.iterdir()) == []  # what was deleted is gone
        code, _, printed = second.stop(signal.SIGTERM)
        assert (code, printed) == (0, "")


@pytest.mark.slow
def test_new_epochs_come_at_once(tmp_path):
    run = running(tmp_path, "run", epochs=1)
    for i in range(300):
        written(tmp_path, f"other-{i}")
    with Server(tmp_path) as server:
        stream = server.request("/api/events?follow=run:0")
        delays = []
        for n in range(2, 12):
            time.sleep(0.3)
            append(run, epoch(n, 20))
            begun = time.monotonic()
            while True:
                line = stream.readline().decode()
                if line.startswith("data: ") and f'"epoch":{n},"epochs":20,"step"' in line:
                    break
            delays.append(time.monotonic() - begun)
        assert statistics.median(delays) < 0.5
        assert max(delays) < 2


@pytest.mark.slow
def test_runs_that_vanish_and_break_under_the_server(tmp_path):
    for i in range(500):
        written(tmp_path, f"run-{i}")
    with Server(tmp_path) as server:
        assert len(server.json("/api/runs")["runs"]) == 500
        begun = time.monotonic()
        server.json("/api/runs")
        assert time.monotonic() - begun < 2
        stream = server.request("/api/events")
        while not stream.readline().startswith(b"data: "):
            pass  # the list as it is: what vanished before it is not told
        shutil.rmtree(tmp_path / "run-7")
        (tmp_path / "run-8" / "run.json").write_bytes(os.urandom(1000))
        append(tmp_path / "run-9", "\x00\xff{\n")
        gone, problems = set(), []
        while not gone >= {"run-7", "run-8"}:
            line = stream.readline().decode()
            if line.startswith("data: "):
                told = json.loads(line[6:])
                gone |= set(told.get("gone", []))
                problems += told.get("problems", [])
        assert any("run-8" in problem for problem in problems)
        assert server.json("/api/runs/run-9/history")["broken"] == 1
        assert "error" in server.json("/api/runs/run-7")
        assert len(server.json("/api/runs")["runs"]) == 498


def frames(seed, count):
    """WebSocket frames, most of them wrong in some way."""
    rng = random.Random(seed)
    for _ in range(count):
        match rng.randrange(8):
            case 0:  # anything
                yield rng.randbytes(rng.randint(1, 200))
            case 1:  # a binary message that is no safetensors file
                yield frame(2, rng.randbytes(rng.randint(0, 300)))
            case 2:  # a header with a wild length
                yield frame(2, struct.pack("<Q", rng.choice([0, 1, 2**31, 2**63, 2**64 - 1])) + rng.randbytes(20))
            case 3:  # JSON that asks for nonsense
                asked = rng.choice(
                    [{"do": "decode"}, {"do": "__init__"}, {"do": "info", "seq": "x" * 999}, {"do": 5}, {}]
                )
                text = json.dumps({"__metadata__": {"json": json.dumps(asked)}}).encode()
                yield frame(2, struct.pack("<Q", len(text)) + text)
            case 4:  # text, a continuation without a beginning, unknown kinds
                yield frame(rng.choice([0, 1, 3, 7, 11, 15]), rng.randbytes(10))
            case 5:  # a length that no message may have
                yield struct.pack("!BBQ", 0x82, 0xFF, rng.choice([2**24 + 1, 2**40, 2**63])) + b"mask" + b"x" * 50
            case 6:  # without a mask, or with bits that mean nothing
                yield bytes([0x82 | rng.choice([0, 0x10, 0x70]), 5]) + b"12345"
            case 7:  # control frames that are too long, or cut
                yield frame(rng.choice([8, 9, 10]), rng.randbytes(rng.randint(0, 200)), cut=rng.randint(0, 3))


def frame(kind, payload, cut=0):
    mask = b"\1\2\3\4"
    masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    n = len(payload)
    length = bytes([0x80 | n]) if n < 126 else struct.pack("!BH", 0xFE, n)
    whole = bytes([0x80 | kind]) + length + mask + masked
    return whole[: len(whole) - cut]


def connected(server):
    """Return a socket after the handshake of a WebSocket."""
    host, _, port = server.netloc.rpartition(":")
    connection = socket.create_connection((host, int(port)), timeout=20)
    key = base64.b64encode(bytes(16)).decode()
    lines = [
        "GET /api/runs/cloud/socket HTTP/1.1", f"Host: {server.netloc}", "Upgrade: websocket", "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", f"Authorization: Bearer {TOKEN}", "", "",
    ]  # fmt: skip
    connection.sendall("\r\n".join(lines).encode())
    answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 101"), answer
    return connection


@pytest.mark.slow
@pytest.mark.usefixtures("blank_pictures_here")
def test_a_thousand_malformed_frames(tmp_path):
    trained(tmp_path)
    with Server(tmp_path) as server:
        before = server.process.pid
        for i, data in enumerate(frames(0, 1000)):
            with connected(server) as connection:
                try:
                    connection.sendall(data)
                    connection.settimeout(0.001 if i % 50 else 2)
                    connection.recv(4096)
                except OSError:
                    pass
        assert server.process.poll() is None
        assert server.process.pid == before
        assert server.json("/api/runs/cloud/model")["latent_dim"] == 1
        code, _, printed = server.stop()
    assert (code, printed) == (0, "")


@pytest.mark.slow
def test_the_page_beside_a_training(tmp_path):
    command = [sys.executable, "-m", "narrows", "train", "pca", "--data", "cloud", "--latent-dim", "1", "--open"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("page: "))
    assert line.endswith("#/run/pca-cloud-1")
    port = int(line.split("/?")[0].rpartition(":")[2])
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=5).close()


@pytest.mark.slow
def test_a_model_of_a_plugin_is_trained_from_the_page(tmp_path):
    plugin = tmp_path / "own.py"
    plugin.write_text(
        "from narrows import register\n"
        "from narrows.estimators import AE\n"
        "from narrows.params import model, param\n\n\n"
        "@register\n@model\nclass Deep(AE):\n"
        '    """An autoencoder of my own."""\n\n'
        '    network: str = param("mlp:8x8", "Its network.", axis="network")\n'
    )
    (tmp_path / "runs").mkdir()
    asked = {"model": "deep", "data": "cloud", "parameters": {"epochs": "1"}}
    with Server(tmp_path / "runs", "--plugin", str(plugin)) as server:
        told = server.json("/api/train", "POST", timeout=60, body=asked)
        assert "error" not in told, told
        assert told["command"].startswith(f"narrows --plugin {plugin} train deep --data cloud")
        run = f"/api/runs/{told['run']}"
        while server.json(run)["status"] == "running":
            time.sleep(0.2)
        assert server.json(run)["status"] == "finished"
        assert server.json(run)["command"].startswith(f"narrows --plugin {plugin} train deep --data cloud")
