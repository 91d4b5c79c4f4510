"""Runs that change under the page: trained, stopped, deleted, broken, and a server that is killed."""

import json
import shutil
import signal
import socket
import statistics
import subprocess
import time

import pytest

from browser.conftest import Server, command, wait_until
from browser.test_browser_views import settled

pytestmark = pytest.mark.slow

SEEN = """() => {
    window.epochsSeen = {};
    const look = () => {
        const shown = document.querySelector(".fact b")?.textContent.match(/^[0-9,]+/);
        const epoch = shown && Number(shown[0].replaceAll(",", ""));
        if (epoch && !(epoch in window.epochsSeen)) window.epochsSeen[epoch] = Date.now();
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
    look();
}"""


def test_a_training_is_watched_epoch_by_epoch(server, folder, open_page):
    watched = open_page(server.address)
    args = ["vae", "--data", "digits", "--shape", "1x8x8", "--latent-dim", "8", "--epochs", "60", "--network", "conv"]
    training = subprocess.Popen(command("train", *args, "--name", "live"), cwd=folder, stdout=subprocess.DEVNULL)
    metrics = folder / "runs" / "live" / "metrics.jsonl"
    while not metrics.exists():
        assert training.poll() is None
        time.sleep(0.01)
    watched.go("#/run/live")
    watched.page.evaluate(SEEN)
    written = {}
    while training.poll() is None:
        for epoch in range(len(written) + 1, metrics.read_bytes().count(b"\n") + 1):
            written[epoch] = time.time()
        watched.page.wait_for_timeout(5)
    watched.page.wait_for_timeout(2000)
    seen = {int(epoch): at / 1000 for epoch, at in watched.page.evaluate("window.epochsSeen").items()}
    delays = [seen[epoch] - written[epoch] for epoch in seen if epoch in written and epoch > 2]
    assert max(seen) == 60
    assert len(delays) >= 10
    assert statistics.median(delays) < 1
    settled(watched.page)
    assert watched.page.locator("main canvas").count() > 2  # curves, reconstructions and samples
    assert watched.page.get_by_text("finished").first.is_visible()
    assert watched.errors == []


def test_what_happens_to_a_run_is_said_and_the_page_goes_on(server, folder, open_page):
    runs = folder / "runs"
    watched = open_page(server.address)
    page = watched.page
    watched.go("#/runs")
    settled(page)
    with (runs / "digits-vae" / "metrics.jsonl").open("ab") as file:
        file.write(b'{"epoch": 13, "epo\n\xff\xfe not json\n')
    shutil.copytree(runs / "table", runs / "another")
    page.get_by_text("another", exact=True).first.wait_for(timeout=5000)  # by itself
    (runs / "unreadable").mkdir()
    (runs / "unreadable" / "run.json").write_text("{")
    page.get_by_text("unreadable").first.wait_for(timeout=5000)
    watched.go("#/run/digits-vae")
    settled(page)
    page.get_by_text("cannot be read").first.wait_for()
    watched.go("#/run/another")
    settled(page)
    shutil.rmtree(runs / "another")
    page.get_by_text("No such run").wait_for(timeout=5000)
    watched.go("#/codes/waves")
    settled(page)
    assert page.locator("main canvas").count()


def test_a_box_is_ticked_while_its_run_is_selected(server, open_page):
    watched = open_page(server.address)
    page = watched.page
    watched.go("#/runs")
    settled(page)
    first, second, last = [page.get_by_role("checkbox", name="Select ", exact=False).nth(i) for i in (1, 2, 3)]
    first.click()
    second.click()
    wait_until(page, "() => document.querySelectorAll('.run-row.selected').length === 2")
    assert [box.is_checked() for box in (first, second, last)] == [True, True, False]
    second.click()
    last.click(modifiers=["Shift"])  # from the second to the last
    page.get_by_text("3 selected").wait_for()
    assert [box.is_checked() for box in (first, second, last)] == [True, True, True]
    assert watched.errors == []


def test_delete_is_undone(server, folder, open_page):
    watched = open_page(server.address)
    page = watched.page
    watched.go("#/run/digits-plane")
    settled(page)
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Undo").wait_for()
    assert not (folder / "runs" / "digits-plane").exists()
    page.get_by_role("button", name="Undo").click()
    wait_until(page, "() => !document.querySelector('.toast button:not([aria-label])')")
    page.wait_for_timeout(500)
    assert json.loads((folder / "runs" / "digits-plane" / "run.json").read_text())["status"] == "finished"
    assert watched.errors == []


def test_a_killed_server_is_said_and_found_again(folder, open_page):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Server(folder, "--port", str(port), "--token", "a-token-of-my-own")
    watched = open_page(server.address)
    watched.go("#/runs")
    settled(watched.page)
    server.close(signal.SIGKILL)
    watched.page.get_by_text("does not answer").wait_for(timeout=10_000)
    again = Server(folder, "--port", str(port), "--token", "a-token-of-my-own")
    try:
        watched.page.goto(again.address)
        settled(watched.page)
        assert watched.page.get_by_text("digits-vae").first.is_visible()
        assert watched.page.get_by_text("does not answer").count() == 0
    finally:
        again.close()


def test_a_training_is_started_and_stopped_from_the_page(server, folder, open_page):
    watched = open_page(server.address)
    page = watched.page
    watched.go("#/train?model=ae")
    settled(page)
    page.get_by_label("Data", exact=True).first.fill("digits")
    page.get_by_label("epochs", exact=False).first.fill("3000")
    page.get_by_role("button", name="Start").click()
    wait_until(page, "() => location.hash.startsWith('#/run/')", seconds=30)
    name = page.evaluate("decodeURIComponent(location.hash.slice(6).split('?')[0])")
    metrics = folder / "runs" / name / "metrics.jsonl"
    deadline = time.time() + 60
    while not metrics.exists() and time.time() < deadline:
        time.sleep(0.05)
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("interrupted").first.wait_for(timeout=30_000)
    record = json.loads((folder / "runs" / name / "run.json").read_text())
    assert record["status"] == "interrupted"
    deadline = time.time() + 60
    while not (folder / "runs" / name / "model" / "model.json").exists():  # saved after the status is written
        assert time.time() < deadline
        time.sleep(0.05)
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Stop").wait_for(timeout=60_000)
    assert json.loads((folder / "runs" / name / "run.json").read_text())["status"] == "running"
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Resume").wait_for(timeout=60_000)
    assert watched.errors == []


def test_a_thousand_runs_stay_smooth(server, folder, open_page):
    for i in range(1000):
        shutil.copytree(
            folder / "runs" / "digits-pca",
            folder / "runs" / f"copy-{i:04}",
            ignore=shutil.ignore_patterns("model", "*.png", "frames"),
        )
    watched = open_page(server.address)
    page = watched.page
    watched.go("#/runs")
    settled(page)
    page.get_by_text("1,006 runs").wait_for(timeout=15_000)
    assert page.locator("[role=row]").count() < 80  # only what is seen is in the page
    filtered = page.get_by_label("Filter")
    filtered.fill("copy-037")
    page.get_by_text("copy-0377").wait_for(timeout=3000)
    assert page.locator("[role=row]").count() <= 12
    assert watched.errors == []
