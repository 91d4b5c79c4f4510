"""The exported page from a disk: every view works, asks nobody for anything, and is usable by all."""

import subprocess
from pathlib import Path

import pytest

from browser.conftest import command

pytestmark = pytest.mark.slow

STATIC = Path(__file__).parents[2] / "src" / "narrows" / "page" / "static" / "offline.js"
INK = """canvas => {
    const { width, height } = canvas;
    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
    const row = y => Array.from({ length: width }, (_, x) => data[4 * (y * width + x)]);
    return [width, Array.from({ length: height }, (_, y) => Math.max(...row(y)))];
}"""
"""The width of a picture, and the brightest level of each of its rows."""
VIEWS = ("Codes", "Combine", "Denoise", "Generate")


@pytest.fixture(scope="module")
def export(trained, tmp_path_factory):
    """Return a function that exports a run, and returns the file's address."""
    if not STATIC.exists():
        pytest.skip("needs the built page: npm ci && npm run build in web/")
    folder = tmp_path_factory.mktemp("exported")

    def exported(name):
        file = folder / f"{name}.html"
        if not file.exists():
            args = command("export", f"runs/{name}", str(file))
            done = subprocess.run(args, cwd=trained, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
        return file.as_uri()

    return exported


def violations(watched, axe):
    """Return what axe-core finds, in a few words."""
    watched.page.evaluate(axe)
    found = watched.page.evaluate("axe.run().then(result => result.violations)")
    return [(each["id"], each["nodes"][0]["html"][:120]) for each in found]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["digits-vae", "digits-pca", "table", "waves", "codebook"])
def test_every_view_works_and_asks_nobody(export, open_page, axe, name, dark):
    address, width = export(name), 390 if dark else 1280
    watched = open_page(address, dark=dark, width=width, bypass_csp=True)  # for axe, which is a script
    for view in VIEWS:
        watched.page.get_by_role("button", name=view, exact=True).click()
        watched.page.get_by_role("heading", name=view, exact=True).wait_for()
        watched.page.wait_for_timeout(300)
        assert violations(watched, axe) == [], view
        assert watched.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view
    assert watched.errors == []
    assert watched.requests == [address]


def test_its_own_rules_allow_it_and_nothing_else(export, open_page):
    watched = open_page(export("digits-vae"))
    watched.page.get_by_role("button", name="Combine").click()
    watched.page.get_by_role("img", name="The decoded sum of the codes").wait_for()
    assert watched.errors == []
    refused = watched.page.evaluate("fetch('https://example.org/').then(() => 'went', () => 'refused')")
    assert refused == "refused"


def test_the_strength_slider_changes_the_cleaned_picture(export, open_page):
    watched = open_page(export("digits-vae") + "#/denoise/digits-vae?strength=0")
    page = watched.page
    page.get_by_text("error 0", exact=False).first.wait_for()
    pixels = "document.querySelector('[aria-label=Cleaned]').toDataURL()"
    before, slider = page.evaluate(pixels), page.get_by_label("Strength")
    slider.focus()
    for _ in range(25):
        slider.press("ArrowRight")
    page.wait_for_timeout(500)
    assert page.evaluate(pixels) != before
    assert page.evaluate("window.narrowsMetrics.denoised") >= 5
    assert "strength=0.25" in page.url


def test_a_drawing_is_brought_to_the_size_of_the_data_and_reconstructed(export, open_page):
    page = open_page(export("digits-vae") + "#/denoise/digits-vae?from=draw").page
    page.get_by_text("Draw something.").wait_for()
    box = page.locator(".drawing canvas").bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    for step in range(12):
        page.mouse.move(box["x"] + 20 + 3 * step, box["y"] + 20 + 8 * step)
    page.mouse.up()
    canvas = page.get_by_role("img", name="Input")
    canvas.wait_for()
    page.wait_for_timeout(500)
    width, rows = canvas.evaluate(INK)
    assert width == 8
    assert sum(level > 40 for level in rows) >= 6  # a stroke over a third of the field fills the height, as digits do
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("Draw something.").wait_for()


def test_a_sum_is_kept_in_the_address_and_wrong_ones_are_said(export, open_page):
    address = export("digits-vae")
    page = open_page(address + "#/combine/digits-vae?sum=3 - 0.5*7").page
    page.get_by_role("img", name="The decoded sum of the codes").wait_for()
    page.get_by_label("sample 7", exact=False).first.wait_for()
    field = page.get_by_role("textbox", name="Sum")
    field.fill("3 - 7 +")
    page.get_by_text("Character 8 must be").wait_for()
    field.fill("3 - 7 + 99999")
    page.get_by_text("This page holds the samples").first.wait_for()
    field.fill("3")
    page.get_by_role("button", name="Add sample 5").click()
    assert field.input_value() == "3 + 5"
    page.wait_for_timeout(600)
    assert "sum=3+%2B+5" in page.url
