"""The Codes view in a real Chromium: both ways to draw, pointing, selecting, dragging, and the keyboard."""

import io

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow
HOST = ".codes-host"
READY = "() => window.narrowsMetrics?.frames > 0"


def opened(open_page, server, params, run="digits-vae", **options):
    """Open the view of a run, and wait until its points are drawn and its labels known."""
    watched = open_page(server.address, **options)
    watched.go(f"#/codes/{run}?{params}")
    watched.page.wait_for_selector(".codes-legend, .codes-scale", timeout=60_000)
    watched.page.wait_for_function(READY)
    watched.page.wait_for_timeout(600)  # thumbnails come after the points
    return watched


def at(page, x, y):
    """Return a place of the plane, from shares of its width and height."""
    box = page.locator(HOST).bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def seen(page):
    """Return the pixels of the plane."""
    return np.asarray(Image.open(io.BytesIO(page.locator(HOST).screenshot())).convert("RGB"), int)


def test_canvas_and_webgl_draw_the_same(open_page, shared_server):
    pictures = {}
    for name in ("canvas", "webgl"):
        page = opened(open_page, shared_server, f"renderer={name}&window=0,0,3").page
        if page.locator(HOST).get_attribute("data-renderer") != name:
            pytest.skip("needs a Chromium with WebGL2")
        page.mouse.move(5, 5)
        pictures[name] = seen(page)
    assert (pictures["canvas"].max(2) < 40).mean() > 0.02  # thumbnails: black beside the strokes
    difference = np.abs(pictures["canvas"] - pictures["webgl"]).max(2)
    assert (difference > 60).mean() < 0.08, "they differ by more than the edges of points and thumbnails"


def test_dragging_decodes_and_the_sliders_follow(open_page, shared_server):
    watched = opened(open_page, shared_server, "renderer=canvas")
    page = watched.page
    slider = page.locator(".codes-slider input").first
    before, value = page.evaluate("narrowsMetrics.decoded"), slider.input_value()
    page.mouse.move(*at(page, 0.3, 0.4))
    page.mouse.down()
    page.mouse.move(*at(page, 0.7, 0.6), steps=30)
    page.wait_for_timeout(300)
    assert page.locator(".codes-lens").is_visible()
    page.mouse.up()
    assert not page.locator(".codes-lens").is_visible()
    assert page.evaluate("narrowsMetrics.decoded") - before > 5
    assert slider.input_value() != value
    slider.focus()
    page.keyboard.press("Delete")
    page.wait_for_timeout(200)
    assert float(slider.input_value()) == pytest.approx(float(value), abs=0.05)
    assert watched.errors == []


def test_a_line_around_codes_selects_them(open_page, shared_server):
    page = opened(open_page, shared_server, "renderer=canvas&tool=select").page
    corners = [(0.05, 0.05), (0.98, 0.05), (0.98, 0.98), (0.05, 0.98)]
    page.mouse.move(*at(page, *corners[0]))
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*at(page, *corner), steps=4)
    page.mouse.up()
    heading = page.locator(".codes-selected h2")
    assert int(heading.inner_text().split()[0].replace(",", "")) > 300
    page.wait_for_selector(".codes-member")
    assert page.locator(".codes-member").count() == 12
    page.locator(HOST).focus()
    page.keyboard.press("Escape")
    assert heading.count() == 0


def test_everything_is_reached_by_keys_and_kept_in_the_address(open_page, shared_server):
    watched = opened(open_page, shared_server, "renderer=canvas")
    page = watched.page
    page.locator(HOST).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.locator(".codes-plane [aria-live]").inner_text().startswith("Sample ")
    for key in ("Enter", "a", "ArrowUp", "b", "+", "+"):
        page.keyboard.press(key)
    page.wait_for_timeout(600)
    params = page.evaluate("location.hash")
    assert all(f"{name}=" in params for name in ("pin", "a", "b", "panel", "window"))
    page.wait_for_selector(".codes-film")
    page.reload()
    page.wait_for_selector(".codes-film", timeout=60_000)
    assert page.locator(".codes-pointed h2").inner_text() == "Pinned sample"
    assert page.evaluate("location.hash") == params
    assert watched.errors == []


@pytest.mark.parametrize(
    ("run", "gone"), [("codebook", ".codes-decoded"), ("table", ".codes-shown.image"), ("waves", ".codes-shown.image")]
)
def test_what_makes_no_sense_is_absent(open_page, shared_server, run, gone):
    watched = opened(open_page, shared_server, "", run)
    assert watched.page.locator(gone).count() == 0
    assert watched.page.locator(HOST).count() == 1
    assert watched.errors == []
