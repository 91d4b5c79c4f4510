"""A real Chromium on a real server, on runs that are trained once."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
]  # fmt: skip
AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
RUNS = {
    "digits-vae": ["vae", "--data", "digits", "--latent-dim", "8", "--epochs", "12", "--shape", "1x8x8"],
    "digits-plane": ["ae", "--data", "digits", "--latent-dim", "2", "--epochs", "6", "--shape", "1x8x8"],
    "digits-pca": ["pca", "--data", "digits", "--latent-dim", "8", "--shape", "1x8x8"],
    "table": ["ae", "--data", "table.csv", "--label", "kind", "--latent-dim", "2", "--epochs", "10"],
    "waves": ["vae", "--data", "waves.npy", "--latent-dim", "3", "--epochs", "4", "--shape", "sequence"],
    "codebook": ["ae", "--data", "digits", "--code", "vq:16", "--network", "conv", "--epochs", "2", "--shape", "1x8x8"],
}
"""What is trained, by the name of the run: pictures, a table, sequences, and codes that are indices."""


def command(*args):
    """Return the command line of narrows."""
    return [sys.executable, "-m", "narrows", *args]


def write_data(folder):
    """Write a small table with labels, and sequences."""
    import numpy as np

    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, 300)
    x = rng.normal(size=(300, 5)) + kind[:, None] * np.array([3, -2, 0, 1, 5])
    lines = ["height,width,depth,mass,colour,kind"]
    lines += [",".join(f"{v:.4f}" for v in row) + f",{'abc'[k]}" for row, k in zip(x, kind, strict=True)]
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    t = np.linspace(0, 6, 40)
    phase = rng.uniform(0, 6, (200, 1, 1))
    waves = np.sin(t[None, :, None] + phase + np.array([0, 1.5]))
    np.save(folder / "waves.npy", waves + rng.normal(0, 0.05, waves.shape))


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Return a folder of runs that tests copy and do not change."""
    folder = tmp_path_factory.mktemp("trained")
    write_data(folder)
    for name, args in RUNS.items():
        given, environment = command("train", *args, "--name", name), os.environ | {"OMP_NUM_THREADS": "1"}
        result = subprocess.run(given, cwd=folder, capture_output=True, text=True, env=environment)
        assert result.returncode == 0, f"{name}: {result.stdout}{result.stderr}"
    return folder


@pytest.fixture
def folder(trained, tmp_path):
    """Return a copy of the folder in which runs/ may be changed."""
    return shutil.copytree(trained, tmp_path / "work")


class Server:
    """`narrows open` in a process of its own."""

    def __init__(self, folder, *args):
        self.process = subprocess.Popen(
            command("open", "runs", "--no-browser", *args),
            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.lines = []
        for line in self.process.stdout:
            self.lines.append(line)
            if match := re.search(r"http://\S+", line):
                self.address = match[0]
                break
        else:
            raise AssertionError(f"no address: {self.lines}")
        self.base = self.address.split("?")[0]

    def close(self, sign=signal.SIGINT):
        """Interrupt it, and return its exit code."""
        self.process.send_signal(sign)
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self.process.stdout.close()


@pytest.fixture
def server(folder):
    """Return a server of a copy of the runs."""
    server = Server(folder)
    yield server
    if server.process.poll() is None:
        server.close()


@pytest.fixture(scope="session")
def shared_server(trained):
    """Return one server for all tests that change nothing."""
    server = Server(trained)
    yield server
    server.close()


@pytest.fixture(scope="session")
def chromium():
    """Return a browser; tests skip where there is none."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason='needs playwright: pip install -e ".[dev]"')
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Watched:
    """A page whose errors and requests are written down."""

    def __init__(self, chromium, address, *, dark=False, width=1280, height=800, bypass_csp=False):
        self.context = chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light",
            bypass_csp=bypass_csp, reduced_motion="reduce",
        )  # fmt: skip
        self.page = self.context.new_page()
        self.errors, self.requests = [], []
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(address)

    def go(self, hash_):
        """Go to a view by its address."""
        self.page.evaluate("hash => { location.hash = hash }", hash_)

    def close(self):
        """Close the page."""
        self.context.close()


@pytest.fixture
def open_page(chromium):
    """Return a function that opens a page, which is closed at the end."""
    pages = []

    def opened(address, **options):
        pages.append(Watched(chromium, address, **options))
        return pages[-1]

    yield opened
    for page in pages:
        page.close()


@pytest.fixture(scope="session")
def axe():
    """Return the source of axe-core, which finds what people with disabilities could not use."""
    if not AXE.exists():
        pytest.skip("needs axe-core: npm ci --prefix web")
    return AXE.read_text()


def wait_until(page, condition, arg=None, seconds=30):
    """Wait until a function of the page is true; Playwright's own needs eval, which the page's policy forbids."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(condition, arg):
        assert time.monotonic() < deadline, f"never true: {condition}"
        page.wait_for_timeout(20)
