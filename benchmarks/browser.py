"""Measure the page in a real Chromium with software rendering: how soon, how often, and at what cost to a training.

python benchmarks/browser.py                     everything: about ten minutes on two cores
python benchmarks/browser.py --only drag,live    some of it
python benchmarks/browser.py --page              write what was measured into docs/page.md

Needs Debian's chromium, `pip install -e ".[dev]"`, and for the 60,000 digits NARROWS_DATA with MNIST. What was measured
is printed, and written into benchmarks/browser.json.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chromium import FLAGS, SECONDS, Bench, dragged, memory, narrows

HERE = Path(__file__).resolve().parent
MARK = "<!-- measured -->"


def live(bench: Bench) -> dict[str, Any]:
    """From the line of an epoch in metrics.jsonl to the epoch on the page."""
    with bench.served() as address, bench.page(address, "#/runs") as page:
        training = subprocess.Popen(
            narrows("train", "vae", "--data", "mnist-5k", "--epochs", "12", "--name", "watched"),
            cwd=bench.folder, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        metrics = bench.folder / "runs" / "watched" / "metrics.jsonl"
        written: dict[int, float] = {}
        while not metrics.exists():
            time.sleep(0.002)
        page.evaluate("location.hash = '#/run/watched'")
        page.evaluate(WATCH)
        while training.poll() is None:
            lines = metrics.read_bytes().count(b"\n")
            for epoch in range(len(written) + 1, lines + 1):
                written[epoch] = time.time()
            page.wait_for_timeout(2)
        page.wait_for_timeout(1500)
        drawn = {int(epoch): at / 1000 for epoch, at in page.evaluate("window.epochsSeen").items()}
    delays = [drawn[epoch] - at for epoch, at in written.items() if epoch > 1 and epoch in drawn]
    return {
        "epochs that were seen": f"{len(drawn)} of {len(written)}",
        "median delay, s": statistics.median(delays),
        "longest delay, s": max(delays),
    }


WATCH = """() => {
    window.epochsSeen = {};
    const look = () => {
        const shown = document.querySelector(".fact b")?.textContent.match(/^[0-9,]+/);
        const epoch = shown && Number(shown[0].replaceAll(",", ""));
        if (epoch && !(epoch in window.epochsSeen)) window.epochsSeen[epoch] = Date.now();
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
    look();
}"""


def drag(bench: Bench) -> dict[str, Any]:
    """Dragging in the Codes view: a VAE 784-400-20, and a convolutional one."""
    results = {}
    for name, network in (("dense", "mlp:400"), ("convolutional", "conv")):
        bench.train(name, "vae", "--data", "mnist-5k", "--network", network, "--latent-dim", "20", "--epochs", "2")
        with bench.served() as address, bench.page(address, f"#/codes/{name}") as page:
            page.wait_for_selector("canvas")
            page.wait_for_timeout(4000)
            results |= {f"{name}: {key}": value for key, value in dragged(page, "main canvas").items()}
    return results


def many(bench: Bench) -> dict[str, Any]:
    """60,000 codes of MNIST, its training data, with thumbnails: first paint, pan, zoom and memory."""
    bench.train("mnist", "vae", "--data", "mnist", "--validation", "0", "--latent-dim", "20", "--epochs", "2")
    results: dict[str, Any] = {}
    for renderer in ("webgl", "canvas"):
        with bench.served() as address, bench.page(address) as page:
            page.evaluate(f"location.hash = '#/codes/mnist?split=train&renderer={renderer}'")
            while not page.evaluate(PAINTED):
                page.wait_for_timeout(5)
            results[f"{renderer}: data to first paint, s"] = page.evaluate(PAINTED) / 1000
            page.wait_for_timeout(8000)
            box = page.locator("main canvas").first.bounding_box()
            middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
            page.mouse.move(*middle)
            page.evaluate("window.narrowsMetrics.frames = 0")
            started, i = time.perf_counter(), 0
            while time.perf_counter() - started < SECONDS:
                page.mouse.wheel(0, -60 if i % 60 < 30 else 60)
                i += 1
            results[f"{renderer}: frames a second, zooming"] = page.evaluate("window.narrowsMetrics.frames") / SECONDS
            page.mouse.down(button="middle")
            page.evaluate("window.narrowsMetrics.frames = 0")
            started, i = time.perf_counter(), 0
            while time.perf_counter() - started < SECONDS:
                page.mouse.move(middle[0] + 80 * (i % 40 - 20) / 20, middle[1] + 60 * (i % 30 - 15) / 15)
                i += 1
            page.mouse.up(button="middle")
            results[f"{renderer}: frames a second, panning"] = page.evaluate("window.narrowsMetrics.frames") / SECONDS
            results[f"{renderer}: memory of the tab, MB"] = memory(page)
    return results


PAINTED = """() => {
    const came = performance.getEntriesByType("resource").filter(({ name }) => name.includes("/codes?")).at(-1);
    if (!came || !window.narrowsMetrics?.frames) return 0;
    window.paintedAt ??= performance.now();
    return window.paintedAt - came.responseEnd;
}"""


def denoise(bench: Bench) -> dict[str, Any]:
    """Moving the strength of the noise."""
    bench.train("dense", "vae", "--data", "mnist-5k", "--network", "mlp:400", "--latent-dim", "20", "--epochs", "2")
    with bench.served() as address, bench.page(address, "#/denoise/dense") as page:
        slider = page.get_by_label("Strength")
        slider.wait_for()
        page.wait_for_timeout(2000)
        box = slider.bounding_box()
        y = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + 10, y)
        page.mouse.down()
        page.evaluate("window.narrowsMetrics.denoised = 0")
        started, i = time.perf_counter(), 0
        while time.perf_counter() - started < SECONDS:
            page.mouse.move(box["x"] + 10 + (i * 3) % (box["width"] - 20), y)
            i += 1
        page.mouse.up()
        return {"cleaned pictures a second": page.evaluate("window.narrowsMetrics.denoised") / SECONDS}


def beside(bench: Bench) -> dict[str, Any]:
    """A training alone, and with two browsers on its page: samples a second, in alternating runs."""
    rates: dict[str, list[float]] = {"alone": [], "watched": []}
    for i in range(3):
        for kind in rates:
            name = f"beside-{kind}-{i}"
            with contextlib.ExitStack() as stack:
                if kind == "watched":
                    address = stack.enter_context(bench.served())
                    pages = [stack.enter_context(bench.page(address)) for _ in range(2)]
                command = narrows(
                    "train", "vae", "--data", "mnist-5k", "--epochs", "12", "--threads", "1", "--name", name
                )
                training = subprocess.Popen(command, cwd=bench.folder, stdout=subprocess.DEVNULL)
                while kind == "watched" and not (bench.folder / "runs" / name / "run.json").exists():
                    time.sleep(0.05)
                for page in pages if kind == "watched" else []:
                    page.evaluate("name => { location.hash = '#/run/' + name }", name)
                training.wait()
            lines = (bench.folder / "runs" / name / "metrics.jsonl").read_text().splitlines()
            rates[kind].append(statistics.median(json.loads(line)["samples_per_second"] for line in lines[2:]))
    ratios = [b / a for a, b in zip(rates["alone"], rates["watched"], strict=True)]
    return {"samples a second, alone": statistics.median(rates["alone"]),
            "samples a second, watched": statistics.median(rates["watched"]),
            "watched / alone": statistics.median(ratios), "range": [min(ratios), max(ratios)]}  # fmt: skip


def exported(bench: Bench) -> dict[str, Any]:
    """Dragging in the exported file, from file://."""
    bench.train("dense", "vae", "--data", "mnist-5k", "--network", "mlp:400", "--latent-dim", "20", "--epochs", "2")
    out = bench.folder / "dense.html"
    subprocess.run(
        narrows("export", "dense", "--to", "page", str(out), "--force"),
        cwd=bench.folder,
        check=True,
        capture_output=True,
    )
    context = bench.browser.new_context(viewport={"width": 1280, "height": 800})
    page, requests, errors = context.new_page(), [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(out.as_uri())
    page.wait_for_selector("canvas")
    page.wait_for_timeout(3000)
    result = dragged(page, "main canvas")
    result["pictures drawn a second, of 125 events"] = page.evaluate(INSIDE)
    context.close()
    elsewhere = [url for url in requests if not url.startswith(("file:", "data:", "blob:"))]
    return {"size, MB": out.stat().st_size / 1e6, **result, "requests": len(elsewhere), "errors": len(errors)}


INSIDE = """async () => {
    const canvas = document.querySelector("main canvas"), box = canvas.getBoundingClientRect();
    const target = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    const event = (name, i) => target.dispatchEvent(new PointerEvent(name, {
        bubbles: true, pointerId: 1, isPrimary: true, buttons: 1, button: name === "pointerdown" ? 0 : -1,
        clientX: box.x + box.width * (0.5 + 0.3 * Math.cos(i / 20)),
        clientY: box.y + box.height * (0.5 + 0.3 * Math.sin(i / 12)),
    }));
    event("pointerdown", 0);
    window.narrowsMetrics.decoded = 0;
    const started = performance.now();
    for (let i = 0; performance.now() - started < 10000; i++) {
        event("pointermove", i);
        await new Promise((resolve) => setTimeout(resolve, 8));
    }
    event("pointerup", 0);
    return window.narrowsMetrics.decoded / 10;
}"""
"""Pointer events made in the page itself: those of a test's mouse come at most once a frame, 45 to 60 a second here."""


PARTS: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "live": live, "drag": drag, "many": many, "denoise": denoise, "beside": beside, "exported": exported,
}  # fmt: skip


def write_page(results: dict[str, Any]) -> None:
    """Write the last section of docs/page.md."""
    path = HERE.parent / "docs" / "page.md"
    text = path.read_text().split(MARK)[0]
    cores = {f"{part['cores']} cores, Chromium {part['chromium']}, rendering in software" for part in results.values()}
    lines = [
        f"{MARK}\n",
        f"`python benchmarks/browser.py`, {'; '.join(sorted(cores))}.\n",
        "| what | | load before |",
        "|---|---|---|",
    ]
    for name, part in results.items():
        about = (PARTS[name].__doc__ or "").splitlines()[0].rstrip(".:")
        lines.append(f"| **{about}** | | {part['load before']:.1f} |")
        for what, value in part["measured"].items():
            told = (
                f"{value:.3g}"
                if isinstance(value, float) and value < 1000
                else f"{value:,.0f}"
                if isinstance(value, float)
                else value
            )
            told = " to ".join(f"{each:.2f}" for each in value) if isinstance(value, list) else told
            lines.append(f"| {what} | {told} | |")
    path.write_text(text + "\n".join(lines) + "\n")


def main() -> None:
    """Measure, print, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--page", action="store_true", help="write docs/page.md from the file")
    asked = parser.parse_args()
    if asked.page:
        write_page(json.loads((HERE / "browser.json").read_text()))
        return
    from playwright.sync_api import sync_playwright

    path = HERE / "browser.json"
    results: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        bench = Bench(browser, Path(folder))
        for name in asked.only.split(","):
            print(f"{name}: {(PARTS[name].__doc__ or '').splitlines()[0]}", flush=True)
            load = os.getloadavg()[0]
            measured = PARTS[name](bench)
            for what, value in measured.items():
                print(f"  {what}: {value:.4g}" if isinstance(value, float) else f"  {what}: {value}", flush=True)
            when = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            results[name] = {"measured": measured, "at": when, "load before": load, "cores": os.cpu_count(),
                             "chromium": browser.version, "python": platform.python_version()}  # fmt: skip
            path.write_text(json.dumps(results, indent=1) + "\n")
        browser.close()


if __name__ == "__main__":
    main()
