"""The exported page: what it holds, and that it holds it as data."""

import base64
import hashlib
import re
import zlib

import numpy as np
import pytest
from torch import nn

from narrows import AE, PCA, load_dataset
from narrows.cli.app import main
from narrows.data import Dataset
from narrows.errors import ConfigError
from narrows.export import page
from narrows.page.explorer import Explorer
from narrows.page.wire import unpack
from narrows.runs import record

rng = np.random.default_rng(0)
IMAGES = rng.integers(0, 256, (40, 1, 6, 5)).astype(np.uint8)
TABLE = rng.normal(3, 2, (60, 4))
HOSTILE = '</script><img src=x onerror="alert(1)">'


@pytest.fixture(autouse=True)
def built(tmp_path, monkeypatch):
    """A front end in place of the one that is built from web/."""
    (tmp_path / "offline.js").write_text('const a = "</script><!--";')
    (tmp_path / "offline.css").write_text("body { color: red }")
    monkeypatch.setattr(page, "STATIC", tmp_path)
    return tmp_path


def explorer_of(estimator, X, **options):
    names = ("a", HOSTILE)
    labels = np.arange(len(X)) % 2
    test = {"test": X[30:], "train_labels": labels[:30], "test_labels": labels[30:], "label_names": names}
    return Explorer(estimator.fit(X[:30]), Dataset("own", X[:30], **test, **options), name=HOSTILE)


def content_of(html):
    """Return what the script of a page reads."""
    (data,) = re.findall(r'<script type="text/plain" id="content">([^<]*)</script>', html)
    return unpack(zlib.decompress(base64.b64decode(data)), None)


def test_page_holds_samples_codes_and_networks():
    explorer = explorer_of(AE(latent_dim=2, network="mlp:6", epochs=1), IMAGES)
    made = page.page_of(explorer)
    content = content_of(made.html)
    known, tensors = content.meta["info"], content.tensors
    assert (made.rows, made.why, made.rounded) == (10, "", False)
    np.testing.assert_array_equal(tensors["x"], IMAGES[30:, 0])
    np.testing.assert_allclose(tensors["z"], explorer.model.transform(IMAGES[30:]), atol=1e-6)
    np.testing.assert_array_equal(tensors["labels"], np.arange(10) % 2)
    assert content.meta["labels"] == ["a", HOSTILE] * 5
    assert known["splits"] == {"test": 10}
    assert {kind["name"] for kind in known["corruption"]["kinds"]} == set(page.CORRUPTIONS)
    assert [layer["op"] for layer in content.meta["graph"]["encoder"]] == ["flatten", "linear", "activation", "linear"]
    codes = explorer.model.codes_
    np.testing.assert_allclose(tensors["gaussian_root"] @ tensors["gaussian_root"].T, np.cov(codes.T), rtol=1e-4)
    assert tensors["tsne"].shape == (10, 2)


def test_page_converts_tables_to_their_units():
    explorer = explorer_of(PCA(latent_dim=2, scale="standard"), TABLE)
    tensors = content_of(page.page_of(explorer).html).tensors
    x = tensors["z"] @ tensors[_weight(tensors)].T
    np.testing.assert_allclose(
        x * tensors["factor"] + tensors["offset"], explorer.model.reconstruct(TABLE[30:]), atol=1e-4
    )
    np.testing.assert_allclose(tensors["offset"], TABLE[:30].mean(0), rtol=1e-5)


def _weight(tensors):
    """Return the name of the decoder's weights."""
    return next(name for name, value in tensors.items() if name[0] == "w" and value.shape == (4, 2))


def test_names_are_data_and_nothing_is_loaded():
    made = page.page_of(explorer_of(PCA(latent_dim=2), IMAGES)).html
    assert HOSTILE not in made
    assert made.count("</script") == 2  # the content's and the page's own
    assert "<title>&lt;/script&gt;&lt;img" in made
    script, style = made.split("<script>")[1].split("</script>")[0], made.split("<style>")[1].split("</style>")[0]
    for text in (script, style):
        assert f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" in made
    assert "default-src 'none'" in made
    assert not re.search(r"https?://|src=(?!x)", made.replace("http-equiv", ""))


def test_large_weights_are_rounded_to_16_bits(monkeypatch):
    monkeypatch.setattr(page, "SMALL", 4096)
    explorer = explorer_of(AE(latent_dim=2, network="mlp:200", epochs=1), IMAGES)
    exact, rounded = page.page_of(explorer), page.page_of(explorer, large=1000)
    assert rounded.rounded
    assert len(rounded.html) < len(exact.html)
    before, after = content_of(exact.html).tensors, content_of(rounded.html)
    assert len(after.meta["rounded"]) == 2
    for name in after.meta["rounded"]:
        high, low = after.tensors[name].astype(np.int64)
        scale = after.tensors[f"{name}_scale"]
        weight = (high * 256 + low - page.STEPS) * scale[:, None]
        assert (np.abs(weight - before[name]) <= 0.51 * scale[:, None]).all()


def test_other_networks_get_the_page_without_decoding():
    network = (nn.Linear(4, 2), nn.Sequential(nn.Linear(2, 4), nn.Hardtanh()))
    explorer = explorer_of(AE(latent_dim=2, network=network, epochs=1), TABLE)
    made = page.page_of(explorer)
    content = content_of(made.html)
    assert "Hardtanh" in made.why
    assert content.meta["graph"] is None
    assert content.meta["info"]["absent"]["denoise"] == made.why
    np.testing.assert_allclose(content.tensors["reconstruction"], explorer.model.reconstruct(TABLE[30:]), atol=1e-5)


def test_the_file_says_where_the_front_end_is_missing(built):
    (built / "offline.js").unlink()
    with pytest.raises(ConfigError, match="npm run build"):
        page.page_of(explorer_of(PCA(latent_dim=2), IMAGES))


def test_command_writes_a_new_file_and_says_what_is_wrong(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    list(record(PCA(latent_dim=1), load_dataset("cloud", samples=40), "runs/cloud", pictures=False))
    assert main(["export", "cloud", "page.html"]) == 0
    assert content_of((tmp_path / "page.html").read_text()).meta["info"]["run"] == "cloud"
    assert re.search(r"cloud: 0\.0 MB, \d+ samples\n", capsys.readouterr().out)
    for given, problem in (
        (["page.html"], "must be a new file; 'page.html' is there. Add --force"),
        (["page.pdf"], "must end in .html; got 'page.pdf'"),
        (["page.html", "--to", "pages"], "--to must be one of page, onnx, triton, torch; got 'pages'."),
    ):
        assert main(["export", "cloud", *given]) == 2
        assert problem in " ".join(capsys.readouterr().err.split())
    assert main(["export", "cloud", "page.html", "--force"]) == 0
    assert main(["export", "cloud"]) == 0
    assert (tmp_path / "runs" / "cloud" / "page.html").exists()
