"""Every view of every kind of run: without errors, without requests elsewhere, and for people with disabilities."""

import json
from urllib.parse import urlsplit

import pytest

from browser.conftest import RUNS, wait_until

pytestmark = pytest.mark.slow

OF_A_RUN = ("run", "codes", "combine", "denoise", "generate")
ADDRESSES = ["#/runs", "#/train", "#/compare?run=digits-vae&run=digits-pca"]
ADDRESSES += [f"#/{view}/{run}" for run in RUNS for view in OF_A_RUN]


def settled(page):
    """Wait until nothing is being loaded, and what came has been drawn."""
    wait_until(page, "() => !document.querySelector('.notice.loading')", seconds=60)
    page.wait_for_load_state("domcontentloaded")
    page.wait_for_timeout(300)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_views_work_and_hold_to_the_rules_of_accessibility(shared_server, open_page, axe, dark):
    watched = open_page(shared_server.address, dark=dark, bypass_csp=True)  # or axe-core could not be brought in
    page = watched.page
    page.evaluate(axe)
    wrong = {}
    for address in ADDRESSES:
        watched.go(address)
        settled(page)
        found = page.evaluate("async () => (await axe.run(document, { resultTypes: ['violations'] })).violations")
        if found:
            wrong[address] = [(each["id"], [node["html"][:120] for node in each["nodes"]][:3]) for each in found]
    assert not wrong, json.dumps(wrong, indent=1)
    assert watched.errors == []
    host = urlsplit(shared_server.base).netloc
    assert {urlsplit(url).netloc for url in watched.requests if not url.startswith(("data:", "blob:"))} == {host}


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 800), (1920, 1080)])
def test_nothing_is_wider_than_the_screen(shared_server, open_page, width, height):
    watched = open_page(shared_server.address, width=width, height=height)
    wide = {}
    for address in ["#/runs", "#/train", "#/compare?run=digits-vae&run=digits-pca"] + [
        f"#/{view}/{run}" for view in OF_A_RUN for run in ("digits-vae", "table", "waves")
    ]:
        watched.go(address)
        settled(watched.page)
        over = watched.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if over > 0:
            wide[address] = over
    assert wide == {}
    assert watched.errors == []


def test_a_view_is_found_again_by_its_address(shared_server, open_page):
    watched = open_page(shared_server.address)
    watched.go("#/denoise/digits-vae?row=5&strength=0.5&noise=dropout")
    settled(watched.page)
    assert watched.page.get_by_label("Strength").input_value() == "0.5"
    watched.page.get_by_label("Strength").fill("0.7")
    wait_until(watched.page, "() => location.hash.includes('strength=0.7')")
    watched.page.reload()
    settled(watched.page)
    assert watched.page.get_by_label("Strength").input_value() == "0.7"
    assert watched.errors == []
