"""Texts that would be scripts, in the names of runs, columns, labels and files: shown, never executed."""

import json
import re
import shutil

import numpy as np
import pytest

from browser.test_browser_views import settled

pytestmark = pytest.mark.slow

SCRIPT = "window.executed = 1"
SCROLL = """top => {
    for (const each of document.querySelectorAll("main, main *")) {
        if (each.scrollHeight > each.clientHeight + 99) each.scrollTop = top;
    }
    scrollTo(0, top);
}"""
FORMS = (
    "<script>{0}</script>", "<img src=x onerror='{0}'>", "<svg onload={0}>", "\"><script>{0}</script>", "'-{0}-'",
    "javascript:{0}", "</script><script>{0}</script>", "<iframe srcdoc='<script>{0}</script>'></iframe>",
    "<body onload={0}>", "${{{0}}}", "{{{{{0}}}}}", "<a href='javascript:{0}'>x</a>", "<style onload={0}></style>",
    "<input autofocus onfocus={0}>", "<details open ontoggle={0}>x</details>", "<math><mtext><script>{0}</script>",
    "&lt;script&gt;{0}&lt;/script&gt;", "\\u003cscript\\u003e{0}\\u003c/script\\u003e", "<!--<script>{0}</script>-->",
    "<object data='javascript:{0}'></object>", "<embed src='javascript:{0}'>",
    "<link rel=stylesheet href='javascript:{0}'>",
    "<meta http-equiv=refresh content='0;url=javascript:{0}'>", "<video><source onerror={0}></video>",
    "]]><script>{0}</script>",
)  # fmt: skip


def payloads():
    """Return 200 texts: every form, in eight dresses."""
    dresses = (str, str.upper, lambda t: f" {t}", lambda t: f"x{t}", lambda t: "\x0b" + t.replace("<", "\x0b<"),
               lambda t: t.replace(" ", "/") + "/", lambda t: t + "é漢", lambda t: t * 2)  # fmt: skip
    return [f"{dress(form.format(SCRIPT))} {i}" for i, form in enumerate(FORMS) for dress in dresses]


def test_no_text_is_executed(server, folder, open_page):
    texts = payloads()
    assert len(texts) == len(set(texts)) == 200
    runs = folder / "runs"
    path = runs / "table" / "run.json"
    record = json.loads(path.read_text())
    record["data"]["label_names"] = [*texts[:3]]
    record["data"]["source"] = record["data"]["licence"] = texts[3]
    record["summary"]["split"] = "test"
    record["error"] = texts[4]
    path.write_text(json.dumps(record))
    for i, text in enumerate(texts):  # as names of runs, where a file may have them, and in every record
        name = re.sub(r"[/\0]", "⁄", text)[:60] + f" {i}"
        shutil.copytree(runs / "digits-pca", runs / name, ignore=shutil.ignore_patterns("model", "*.png", "frames"))
        copy = json.loads((runs / name / "run.json").read_text())
        copy["data"] |= {"name": text, "source": text, "columns": [text] * 64}
        copy["command"], copy["versions"] = ["narrows", text], {text: text}
        copy["parameters"]["latent_dim"] = text
        (runs / name / "run.json").write_text(json.dumps(copy))
    watched = open_page(server.address)
    page = watched.page
    page.on("dialog", lambda dialog: dialog.dismiss())
    names = sorted(path.name for path in runs.iterdir() if (path / "run.json").exists())
    watched.go("#/runs")
    settled(page)
    for top in range(0, 60 * len(names), 700):
        page.evaluate(SCROLL, top)
        page.wait_for_timeout(15)
    for name in names:
        page.evaluate("name => { location.hash = '#/run/' + encodeURIComponent(name) }", name)
        page.wait_for_timeout(25)
    for view in ("run", "codes", "combine", "denoise", "generate"):
        watched.go(f"#/{view}/table")
        settled(page)
    assert page.evaluate("window.executed") is None
    assert not [error for error in watched.errors if "404" not in error and "409" not in error]


def test_labels_and_columns_of_data_are_texts(server, folder, open_page, trained):
    import subprocess

    from browser.conftest import command

    texts = payloads()
    rng = np.random.default_rng(0)
    columns = ["a" + re.sub(r"[\s,;|\"']", "_", text) + str(i) for i, text in enumerate(texts[:40])]
    rows = [
        ",".join([*(f"{v:.3f}" for v in rng.normal(size=40)), '"' + texts[i % 200].replace('"', '""').strip() + '"'])
        for i in range(400)
    ]
    (folder / "hostile.csv").write_text("\n".join([",".join([*columns, "kind"]), *rows]), encoding="utf-8")
    args = ["train", "ae", "--data", "hostile.csv", "--label", "kind", "--epochs", "2", "--name", "hostile"]
    result = subprocess.run(command(*args), cwd=folder, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    out = folder / "page.html"
    result = subprocess.run(command("export", "hostile", str(out)), cwd=folder, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    served, offline = open_page(server.address), open_page(out.as_uri())
    for watched in (served, offline):
        for view in ("codes", "combine", "denoise", "generate"):
            watched.go(f"#/{view}/hostile")
            settled(watched.page)
            watched.page.mouse.move(400, 400)
            watched.page.wait_for_timeout(400)
        assert watched.page.evaluate("window.executed") is None
        assert watched.errors == []
