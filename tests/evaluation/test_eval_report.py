"""The report is one file that holds the table, the pictures and the advice, and asks the network for nothing."""

import base64
import io
import shutil
import subprocess
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from PIL import Image

import narrows
from narrows.evaluation import compare_models
from narrows.evaluation.report import write_report

pytestmark = pytest.mark.slow  # two models are trained twice, and drawn


class Page(HTMLParser):
    """Collects what the page holds."""

    def __init__(self):
        super().__init__()
        self.images, self.links, self.rows, self.text, self.bold = [], [], [], [], []
        self.open = []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "img":
            self.images.append(given)
        self.links += [v for k, v in given.items() if k in ("src", "href") and not v.startswith("data:")]
        if tag == "tr":
            self.rows.append([])
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)
        if "td" in self.open or "th" in self.open:
            self.rows[-1].append(data)
        if "b" in self.open:
            self.bold.append(data)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    from sklearn.datasets import load_digits

    content = load_digits()
    X, y = (content.images[:300, None] * 15.9).astype(np.uint8), content.target[:300]
    options: dict[str, Any] = {"latent_dim": 4, "network": "mlp:16", "epochs": 2}
    models = {"AE <one>": narrows.AE(**options), "VAE": narrows.VAE(**options)}
    compared = compare_models(models, X[:200], X[200:], y=y[:200], y_test=y[200:], seeds=2, samples=5)
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, compared, X[:200], X[200:], title="Digits & more", about="From scikit-learn.", y_test=y[200:])
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return compared, page, path.read_text(encoding="utf-8")


def test_page_holds_table_and_pictures(written):
    compared, page, _ = written
    assert page.open == []
    assert page.rows[0] == ["measure", "AE <one>", "VAE", "PCA"]
    assert len(page.rows) == 1 + len(compared.measures)
    assert page.rows[1][1:] == [str(row.cells[compared.measures[0]]) for row in compared.rows]
    best = compared.best("squared error per sample")
    assert best == "PCA"
    assert page.rows[1][3] in page.bold
    assert len(page.images) == 1 + 3 + 3 + 2  # PCA has no course of training
    for image in page.images:
        assert image["alt"]
        picture = Image.open(io.BytesIO(base64.b64decode(image["src"].removeprefix("data:image/png;base64,"))))
        assert min(picture.size) > 50


def test_page_gives_advice_and_escapes_names(written):
    _, page, text = written
    assert "Digits & more" in page.text
    assert "AE <one>" not in text
    assert page.text.count("Advice") == 3
    remedies = [part for part in page.bold if part.startswith("Try ")]
    assert remedies.count("Try network='residual' (begins at PCA).") == 2
    assert page.text.count("No problem detected.") == 1


def test_page_asks_the_network_for_nothing(written):
    _, page, text = written
    assert page.links == []
    assert "default-src 'none'" in text.replace("&#x27;", "'")
    assert "<script" not in text
    assert "url(" not in text


BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no browser is installed")
def test_a_browser_shows_the_table_and_the_pictures(written, tmp_path):
    compared, _, text = written
    path, shot = tmp_path / "report.html", tmp_path / "shot.png"
    path.write_text(text, encoding="utf-8")
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        [*command, "--dump-dom", path.as_uri()], capture_output=True, text=True, timeout=60, check=True
    )
    page = Page()
    page.feed(done.stdout)
    assert len(page.rows) == 1 + len(compared.measures)
    assert len(page.images) == 9
    size = "--window-size=1000,3000"
    subprocess.run([*command, size, f"--screenshot={shot}", path.as_uri()], capture_output=True, timeout=60, check=True)
    pixels = np.asarray(Image.open(shot).convert("RGB"))
    assert len(pixels) == 3000
    inked = (pixels < 128).any(2)
    assert inked[:600].mean() > 0.01  # the table
    assert inked[600:].mean() > 0.03  # the pictures
