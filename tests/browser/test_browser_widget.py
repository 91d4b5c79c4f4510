"""The widget in a real browser, its kernel in this process: views of a model that leave the notebook as it was."""

import base64
from pathlib import Path
from queue import SimpleQueue

import pytest

pytestmark = pytest.mark.slow

STATIC = Path(__file__).parents[2] / "src" / "narrows" / "page" / "static"
NOTEBOOK = """<!doctype html><html lang="en"><head><title>notebook</title></head>
<body><h1>Mine</h1><a href="#">a</a><main></main></body></html>"""
START = """async ([module, style, info]) => {
    const bytes = text => Uint8Array.from(atob(text), character => character.charCodeAt(0));
    const text = buffer => btoa(Array.from(new Uint8Array(buffer), byte => String.fromCharCode(byte)).join(""));
    const heard = [];
    const model = {
        get: () => info,
        on: (_, callback) => heard.push(callback),
        off: () => undefined,
        send: async (content, _, buffers = []) => {
            await window.kernel(content, buffers.map(text));
        },
    };
    setInterval(async () => {
        for (const [answer, parts] of await window.answers()) {
            for (const callback of heard) callback(answer, parts.map(part => new DataView(bytes(part).buffer)));
        }
    }, 20);
    document.head.append(Object.assign(document.createElement("style"), { textContent: style }));
    const url = URL.createObjectURL(new Blob([module], { type: "text/javascript" }));
    const { default: widget } = await import(url);
    window.closeWidget = await widget.render({ model, el: document.querySelector("main") });
}"""
LOOK = """JSON.stringify([...document.querySelectorAll("body, body > h1, body > a")].map(element => {
    const { font, color, margin, backgroundColor, boxSizing } = getComputedStyle(element);
    return [font, color, margin, backgroundColor, boxSizing];
}))"""
VIEWS = {"Combine": "The decoded sum of the codes", "Denoise": "Cleaned", "Generate": "New sample 1"}
"""Pictures in the views."""


@pytest.fixture(scope="module")
def model(trained):
    """Return a model with its data."""
    if not (STATIC / "widget.js").exists():
        pytest.skip("needs the built page: npm ci && npm run build in web/")
    from narrows.page.models import load

    return load(trained / "runs" / "digits-vae")


def test_widget_shows_the_views_and_leaves_the_notebook_alone(model, chromium, axe):
    from narrows.page.info import info
    from narrows.page.widget import Channel
    from narrows.storage.json import plain

    waiting = SimpleQueue()
    channel = Channel(model, None, lambda answer, parts: waiting.put((answer, parts)))

    def kernel(_, content, buffers):
        channel.receive(content, [base64.b64decode(buffer) for buffer in buffers])

    def answers(_):
        taken = [waiting.get() for _ in range(waiting.qsize())]
        return [[answer, [base64.b64encode(part).decode() for part in parts]] for answer, parts in taken]

    context = chromium.new_context(viewport={"width": 900, "height": 700})
    page, errors = context.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.expose_binding("kernel", kernel)
    page.expose_binding("answers", answers)
    page.set_content(NOTEBOOK)
    before = page.evaluate(LOOK)
    files = [(STATIC / name).read_text(encoding="utf-8") for name in ("widget.js", "widget.css")]
    page.evaluate(START, [*files, plain(info(model.explorer))])
    assert page.evaluate(LOOK) == before
    for view, canvas in VIEWS.items():
        page.get_by_role("button", name=view, exact=True).click()
        picture = page.get_by_role("img", name=canvas, exact=True).first
        picture.wait_for()
        page.wait_for_function("canvas => canvas.width === 8", arg=picture.element_handle())
    page.evaluate(axe)
    found = page.evaluate("axe.run('main').then(result => result.violations.map(each => each.id))")
    assert found == []
    assert errors == []
    page.evaluate("closeWidget()")
    assert page.evaluate("document.querySelector('main').childElementCount") == 0
    context.close()
    channel.thread.shutdown()
