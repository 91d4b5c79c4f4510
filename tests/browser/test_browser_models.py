"""Models in one's hands: what is dragged, combined, denoised and drawn is what the commands give."""

import re
import subprocess

import numpy as np
import pytest
from PIL import Image

from browser.conftest import command, wait_until
from browser.test_browser_views import settled

pytestmark = pytest.mark.slow

PIXELS = """selector => {
    const canvas = document.querySelector(selector), { width, height } = canvas;
    const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
    return { width, height, grey: Array.from({ length: width * height }, (_, i) => data[4 * i]) };
}"""


def pixels(page, selector):
    """Return the grey levels of a canvas."""
    found = page.evaluate(PIXELS, selector)
    return np.array(found["grey"], np.uint8).reshape(found["height"], found["width"])


def run_command(folder, *args):
    """Return what a command prints."""
    result = subprocess.run(command(*args), cwd=folder, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def shrunk(picture, left, size, side=8):
    """Return the grey levels of an enlarged sample in a picture, one for each of its pixels."""
    tile = np.asarray(Image.open(picture).convert("L"))[:, left : left + size]
    return tile[size // side // 2 :: size // side, size // side // 2 :: size // side][:side, :side]


def test_denoising_gives_the_figures_of_the_command(server, folder, open_page):
    printed = run_command(
        folder, "denoise", "digits-vae", "--corruption", "gaussian:0.4", "--index", "7", "--seed", "3"
    )
    told = {
        name: float(value.replace(",", ""))
        for name, value in re.findall(r"(reconstruction|noisy|denoised)\s+([\d.,]+)", printed)
    }
    watched = open_page(server.address)
    watched.go("#/denoise/digits-vae?row=7&strength=0.4&noise=gaussian&seed=3")
    settled(watched.page)
    wait_until(watched.page, "() => document.querySelectorAll('.pane-number b').length === 3")
    shown = [float(text.replace(",", "")) for text in watched.page.locator(".pane-number b").all_inner_texts()]
    assert shown == [told["reconstruction"], told["noisy"], told["denoised"]]
    before = pixels(watched.page, "canvas[aria-label='Cleaned']")
    watched.page.get_by_label("Strength").fill("0.9")
    watched.page.wait_for_timeout(1500)
    assert np.any(before != pixels(watched.page, "canvas[aria-label='Cleaned']"))
    assert watched.errors == []


def test_combining_equals_the_command_to_the_last_grey_level(server, folder, open_page):
    run_command(folder, "combine", "digits-vae", "3 - 7 + 0.5*12")
    picture = np.asarray(Image.open(folder / "runs" / "digits-vae" / "combined.png").convert("L"))
    watched = open_page(server.address)
    watched.go("#/combine/digits-vae?sum=3 - 7 %2B 0.5*12")
    settled(watched.page)
    canvas = "main canvas.sample"
    wait_until(watched.page, "selector => document.querySelector(selector)?.width === 8", canvas)
    watched.page.wait_for_timeout(500)
    decoded = pixels(watched.page, canvas)
    scale = 96 // 8
    large = decoded.repeat(scale, 0).repeat(scale, 1)
    # The decoded sum is the last tile of the command's picture: found there, every pixel as it is.
    rows, columns = picture.shape
    places = [
        (y, x) for y in range(rows - large.shape[0] + 1) for x in range(columns // 2, columns - large.shape[1] + 1)
        if np.array_equal(picture[y : y + large.shape[0], x : x + large.shape[1]], large)
    ]  # fmt: skip
    assert places
    assert watched.errors == []


def test_dragging_in_the_plane_decodes_what_is_there(shared_server, open_page):
    watched = open_page(shared_server.address)
    watched.go("#/codes/digits-vae")
    settled(watched.page)
    page = watched.page
    wait_until(page, "() => window.narrowsMetrics.frames > 0")
    box = page.locator("main canvas").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    seen = set()
    for step in range(40):
        page.mouse.move(x + 4 * step, y + 2 * step)
        page.wait_for_timeout(20)
        seen.add(page.evaluate("window.narrowsMetrics.decoded"))
    page.mouse.up()
    assert len(seen) > 10
    assert watched.errors == []


def test_a_drawn_digit_is_reconstructed(shared_server, open_page):
    watched = open_page(shared_server.address)
    watched.go("#/denoise/digits-vae?from=draw")
    settled(watched.page)
    page = watched.page
    pad = page.locator("canvas[tabindex], .drawing canvas").first
    box = pad.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.15)
    page.mouse.down()
    for share in np.linspace(0.15, 0.85, 12):
        page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * share)
    page.mouse.up()
    wait_until(page, "() => document.querySelectorAll('.pane-number b').length === 3", seconds=15)
    drawn = pixels(page, "canvas[aria-label='Input']")
    assert drawn.shape == (8, 8)
    assert drawn[:, 3:5].mean() > 3 * drawn[:, [0, 7]].mean() + 20  # a stroke in the middle, as it was drawn
    assert pixels(page, "canvas[aria-label='Its reconstruction']").max() > 60
    assert watched.errors == []


def test_a_picture_is_saved_into_the_run(server, folder, open_page):
    watched = open_page(server.address)
    watched.go("#/combine/digits-vae")
    settled(watched.page)
    watched.page.get_by_role("button", name="Save").click()
    watched.page.wait_for_selector(".toast")
    saved = [path.name for path in (folder / "runs" / "digits-vae").glob("combination*.png")]
    assert len(saved) == 1
    Image.open(folder / "runs" / "digits-vae" / saved[0]).load()
