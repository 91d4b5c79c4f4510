"""A Chromium with software rendering on a server of runs, and what is measured of its pages."""

from __future__ import annotations

import contextlib
import math
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FLAGS = [
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-gpu",
]  # fmt: skip
"""Rendering in software, as on a machine without a graphics card."""
SECONDS = 10.0
"""How long one drags."""


def narrows(*args: str) -> list[str]:
    """Return the command line of narrows."""
    return [sys.executable, "-m", "narrows", *args]


class Bench:
    """A browser, and a folder of runs that are trained when they are first needed."""

    def __init__(self, browser: Any, folder: Path) -> None:
        self.browser, self.folder = browser, folder

    def train(self, name: str, *args: str) -> None:
        """Train a run of that name, where there is none."""
        if not (self.folder / "runs" / name).exists():
            command = narrows("train", *args, "--name", name)
            subprocess.run(command, cwd=self.folder, check=True, capture_output=True)

    @contextlib.contextmanager
    def served(self) -> Iterator[str]:
        """Yield the address of a server of the runs."""
        process = subprocess.Popen(
            narrows("open", "runs", "--no-browser"), cwd=self.folder, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if match := re.search(r"http://\S+", line):
                    yield match[0]
                    break
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(10)

    @contextlib.contextmanager
    def page(self, address: str, view: str = "") -> Iterator[Any]:
        """Yield a page on a view."""
        context = self.browser.new_context(viewport={"width": 1280, "height": 800})
        page = context.new_page()
        page.goto(address.split("#")[0] + view)
        if view:
            page.evaluate("hash => { location.hash = hash }", view)
        try:
            yield page
        finally:
            context.close()


def dragged(page: Any, target: str) -> dict[str, Any]:
    """Drag over an element for ten seconds, and return what the page counted."""
    box = page.locator(target).first.bounding_box()
    centre = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    radius = min(box["width"], box["height"]) / 3
    page.mouse.move(*centre)
    page.mouse.down()
    started = page.evaluate("() => { window.narrowsMetrics.decoded = 0; return performance.now() }")
    end, i = time.perf_counter() + SECONDS, 0
    while time.perf_counter() < end:
        angle = i * 0.05
        page.mouse.move(centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(1.7 * angle))
        i += 1
    result = page.evaluate(
        """started => {
            const metrics = window.narrowsMetrics, seconds = (performance.now() - started) / 1000;
            const ring = [...metrics.latencies].filter((ms) => ms > 0).slice(-metrics.decoded).sort((a, b) => a - b);
            return { drawn: metrics.decoded / seconds, p95: ring[Math.floor(ring.length * 0.95)], n: ring.length };
        }""",
        started,
    )
    page.mouse.up()
    return {"pointer events a second": i / SECONDS, "pictures drawn a second": result["drawn"],
            "pointer to pixels, p95, ms": result["p95"], "pictures measured": result["n"]}  # fmt: skip


def memory(page: Any) -> float:
    """Return the resident memory of the largest process that draws pages, in MB: scripts, pictures and all."""
    largest = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            if "--type=renderer" in (status.parent / "cmdline").read_text():
                largest = max(largest, int(re.search(r"VmRSS:\s+(\d+)", status.read_text())[1]))  # type: ignore[index]
    return largest / 1024
