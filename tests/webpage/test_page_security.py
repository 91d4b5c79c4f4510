"""Who is answered: tokens, hosts, origins, bodies, and paths that lead out of the folder."""

import itertools
import random
from urllib.parse import quote, unquote

import pytest
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from narrows.errors import ConfigError
from narrows.http.security import MAX_BODY, check_token, is_loopback, names_of
from narrows.page.app import application
from narrows.page.security import HEADERS, Guard
from webpage.served import BASE, TOKEN, client, run_record, stranger, written

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY")


@pytest.fixture
def folder(tmp_path):
    written(tmp_path / "runs", "one")
    (tmp_path / "secret.txt").write_text("not to be read")
    (tmp_path / "runs" / "secret.txt").write_text("not to be read")
    return tmp_path / "runs"


def addresses(folder):
    """Every route, with names in place of its parameters."""
    routes = application(folder).routes
    assert all(isinstance(route, Route | WebSocketRoute) for route in routes)
    return [
        (route.path.replace("{run}", "one").replace("{file}", "curves.png"), isinstance(route, WebSocketRoute))
        for route in routes
        if isinstance(route, Route | WebSocketRoute)
    ]


def test_every_route_and_method_needs_the_token(folder):
    with stranger(folder) as page:
        for path, is_socket in addresses(folder):
            if is_socket:
                with pytest.raises(WebSocketDisconnect), page.websocket_connect(path):
                    pass
            for method in METHODS:
                answer = page.request(method, path)
                assert answer.status_code == 401, (method, path)
                assert "narrows" in answer.text or method == "HEAD"
    assert (folder / "one").is_dir()


def test_the_token_is_exchanged_for_a_cookie(folder):
    with stranger(folder) as page:
        answer = page.get("/", params={"token": TOKEN})
        assert (answer.status_code, answer.headers["location"]) == (303, "./")
        cookie = answer.headers["set-cookie"]
        assert cookie.endswith("; HttpOnly; SameSite=Strict")
        assert "Path" not in cookie  # that of the address, also behind the prefix of a proxy
        assert TOKEN not in cookie
        assert page.get("/api/runs").status_code == 200
        page.cookies.set("narrows", "something else", domain="127.0.0.1")
        page.cookies.clear()
        assert page.get("/api/runs").status_code == 401


@pytest.mark.parametrize("token", ["", "x", TOKEN[:-1], TOKEN + "x", TOKEN.upper()])
def test_other_tokens_are_refused(token, folder):
    with stranger(folder) as page:
        for answer in (
            page.get("/", params={"token": token}),
            page.get("/", params={"token": [token, TOKEN]}),
            page.get("/api/runs", params={"token": TOKEN}),
            page.get("/api/runs", headers={"Authorization": f"Bearer {token}"}),
            page.get("/api/runs", headers={"Authorization": f"Basic {TOKEN}"}),
            page.get("/api/runs", headers={"Cookie": f"narrows={token}"}),
            page.get("/api/runs", headers={"Cookie": f"narrows={TOKEN}"}),
        ):
            assert answer.status_code == 401
            assert "set-cookie" not in answer.headers


def test_other_cookies_beside_ours_are_no_hindrance(folder):
    with stranger(folder) as page:
        (value,) = page.get("/", params={"token": TOKEN}).cookies.values()
        page.cookies.clear()
        cookie = f'a="x, y; z"; é=1; narrows={value}; [bad]=2'
        assert page.get("/api/runs", headers={"Cookie": cookie.encode("latin-1")}).status_code == 200


GOOD_HOSTS = ["127.0.0.1:8765", "localhost:8765", "LOCALHOST:8765", "[::1]:8765", "localhost:8888", "127.0.0.1"]
BAD_HOSTS = [
    "", "evil.com", "evil.com:8765", "127.0.0.1.evil.com:8765", "localhost.evil.com", "evil.localhost",
    "127.0.0.2:8765",
    "127.0.0.1:8765:8765", "127.0.0.1:8765@evil.com", "evil.com/127.0.0.1:8765", "localhost:8765, evil.com",
    "localhost evil.com", "[::2]:8765", "::1", "[::1", "0.0.0.0:8765", "2130706433:8765", "0x7f.1:8765",
    "localhost:87651234", "localhost:", "localhost:abc", "localhost\t", "127.1", "①27.0.0.1",
]  # fmt: skip
ORIGINS = [None, "own", "https own", "null", "http://evil.com", "http://localhost:9999", "file://", "ftp own", ""]


def test_hosts_and_origins(folder):
    """Every host with every origin: the right ones are answered, and no other."""
    tried = 0
    with client(folder) as page:
        for host, origin in itertools.product(GOOD_HOSTS + BAD_HOSTS, ORIGINS):
            headers = {"Host": host.encode()}
            if origin is not None:
                scheme = "https" if origin == "https own" else "ftp" if origin == "ftp own" else "http"
                own = f"{scheme}://{host}"
                headers["Origin"] = (own if "own" in origin else origin).encode()
            right = host in GOOD_HOSTS and origin in (None, "own", "https own")
            status = page.get("/api/runs", headers=headers).status_code
            assert (status == 200) == right, (host, origin, status)
            assert status in (200, 403)
            tried += 1
    assert tried > 200


def test_two_headers_of_a_kind_are_refused(folder):
    with client(folder) as page:
        for extra in ([("Host", "evil.com")], [("Origin", BASE), ("Origin", "http://evil.com")]):
            assert page.get("/api/runs", headers=extra).status_code in (200, 403)
        headers = [("Host", "127.0.0.1:8765"), ("Host", "evil.com"), ("Authorization", f"Bearer {TOKEN}")]
        request = page.build_request("GET", "/api/runs")
        request.headers = type(request.headers)(headers)
        assert page.send(request).status_code == 403


@pytest.mark.parametrize(
    ("site", "mode", "path", "status"),
    [
        ("same-origin", "cors", "/api/runs", 200),
        ("none", "navigate", "/api/runs", 200),
        ("same-site", "no-cors", "/api/runs", 403),  # another port of this machine, which gets our cookies
        ("cross-site", "no-cors", "/api/runs", 403),
        ("cross-site", "navigate", "/api/runs", 403),
        ("cross-site", "navigate", f"/?token={TOKEN}", 303),  # a link in a notebook
        ("cross-site", "no-cors", f"/?token={TOKEN}", 403),
    ],
)
def test_requests_that_other_sites_make(site, mode, path, status, folder):
    with client(folder) as page:
        headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}
        assert page.get(path, headers=headers, follow_redirects=False).status_code == status


def test_sockets_are_checked_as_well(folder):
    async def answer(scope, receive, send):
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close"})

    page = TestClient(Guard(answer, TOKEN), BASE)
    good = {"Authorization": f"Bearer {TOKEN}", "Host": "127.0.0.1:8765"}
    with page.websocket_connect("/any", headers=good | {"Origin": BASE}):
        pass
    for wrong in ({"Origin": "http://evil.com"}, {"Host": "evil.com"}, {"Authorization": "Bearer x"}):
        with pytest.raises(WebSocketDisconnect), page.websocket_connect("/any", headers=good | wrong):
            pass


def test_a_server_for_other_machines_and_proxies():
    assert is_loopback("127.0.0.1")
    assert is_loopback("::1")
    assert is_loopback("localhost")
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.5", "example.com")))
    assert names_of("127.0.0.1") == {"127.0.0.1", "localhost", "[::1]"}
    assert "192.168.1.5" in names_of("192.168.1.5")
    assert "[fe80::1]" in names_of("fe80::1")


def served(**options):
    async def answer(scope, receive, send):
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    return TestClient(Guard(answer, TOKEN, **options), BASE, headers={"Authorization": f"Bearer {TOKEN}"})


def test_any_address_is_no_name():
    page = served(any_address=True)
    assert page.get("/", headers={"Host": "192.168.7.9:8765"}).status_code == 204
    assert page.get("/", headers={"Host": "[fe80::7]:8765"}).status_code == 204
    assert page.get("/", headers={"Host": "evil.com"}).status_code == 403


def test_a_proxy_may_change_the_host():
    page = served(others=["Hub.example.com"])
    assert page.get("/", headers={"Host": "hub.example.com", "Origin": "https://hub.example.com"}).status_code == 204
    assert page.get("/", headers={"Origin": "https://hub.example.com"}).status_code == 204
    assert page.get("/", headers={"Origin": "https://hub.example.com.evil.com"}).status_code == 403


def test_headers_of_every_answer(folder):
    with client(folder) as page, stranger(folder) as other:
        for answer in (page.get("/"), page.get("/api/runs"), page.get("/none"), page.post("/api/undo"), other.get("/")):
            for name in ("content-security-policy", "x-content-type-options", "referrer-policy"):
                assert answer.headers.get_list(name) == [HEADERS[name]]
        policy = page.get("/").headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; ")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy


def test_large_bodies(folder):
    def chunks():
        for _ in range(MAX_BODY // 2**20 + 1):
            yield bytes(2**20)

    with client(folder) as page:
        for answer in (page.post("/api/undo", content=bytes(MAX_BODY + 1)), page.post("/api/undo", content=chunks())):
            assert answer.status_code == 413
            assert "16 MiB" in answer.json()["error"]
        for length in ("99999999999999999999", "1" * 5000, str(2**24 + 1)):
            assert page.post("/api/undo", headers={"Content-Length": length}, content=b"").status_code == 413
        assert page.post("/api/undo", content=b" " * 1000).status_code == 400


def test_bodies_that_are_no_objects(folder):
    with client(folder) as page:
        for body in (
            b"[",
            b"[]",
            b"1",
            b'"x"',
            b"\xff",
            b'{"undo": 1e999}',
            b'{"undo": 3}',
            b"{" * 500,
            b'{"a":1,"a":2}',
        ):
            answer = page.post("/api/undo", content=body)
            assert answer.status_code == 400, body
            assert answer.json()["error"]


@pytest.mark.parametrize("value", ["-1", "x", "", "1e3", "nan", "9" * 30, "0x10", "1_0", " 1", "٣"])
def test_numbers_are_bounded(value, folder):
    with client(folder) as page:
        answer = page.get("/api/runs/one/history", params={"from": value})
        assert answer.status_code == 400, value
        assert "must be a whole number" in answer.json()["error"]


def encodings(seed, count):
    """Ways to write a path that leads out of the folder."""
    rng = random.Random(seed)
    targets = ["secret.txt", "run.json", "one/run.json", "../secret.txt", "etc/passwd", "one"]
    dots = ["..", ".", "%2e%2e", "%2E.", ".%2e", "%252e%252e", "..%00", "%c0%ae%c0%ae", "．．", "..;", "....", "~"]
    slashes = ["/", "%2f", "%2F", "\\", "%5c", "%252f", "//", "%c0%af", "/./", "／", "%00/", "\t/"]
    for _ in range(count):
        parts = [rng.choice(dots) + rng.choice(slashes) for _ in range(rng.randint(1, 6))]
        path = rng.choice(["", "/", "%2f", "one/", "file:///", "C:\\"]) + "".join(parts) + rng.choice(targets)
        yield quote(path, safe="%/\\.;~:") if rng.random() < 0.5 else path


@pytest.mark.parametrize("count", [200, pytest.param(2000, marks=pytest.mark.slow)])
def test_no_path_leads_out_of_the_folder(count, folder):
    places = [
        "/api/runs/{}",
        "/api/runs/{}/history",
        "/api/runs/one/pictures/{}",
        "/static/{}",
        "/{}",
        "/api/runs/{}/frames",
    ]
    known = {b"not to be read", b"root:"}
    with client(folder) as page:
        for i, path in enumerate(encodings(count, count)):
            target = places[i % len(places)].format(path)
            status, body = page.portal.call(asked, page.app, target)
            assert status in (400, 404, 405, 503), (target, status, body)
            assert not any(word in body for word in known)
    assert (folder / "one" / "run.json").exists()


async def asked(app, path):
    """Send a path as it is, as a server hands it on: clients tidy paths before they send them."""
    headers = [(b"host", b"127.0.0.1:8765"), (b"authorization", f"Bearer {TOKEN}".encode())]
    scope = {
        "type": "http", "method": "GET", "path": unquote(path, errors="replace"), "query_string": b"",
        "raw_path": path.encode("utf-8", "replace"), "headers": headers, "scheme": "http", "root_path": "",
        "asgi": {"version": "3.0"}, "http_version": "1.1",
    }  # fmt: skip
    sent = []

    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


def test_names_that_are_no_runs(folder):
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "run.json").write_text((folder / "one" / "run.json").read_text())
    with client(folder) as page:
        for name in (".hidden", "two", "ONE", "one%00", "one%20", "a" * 300, "%ff", "<script>"):
            answer = page.get(f"/api/runs/{name}")
            assert answer.status_code == 404, name
        assert page.get("/api/runs/oen").json()["error"].endswith("Did you mean 'one'?")
        assert [row["name"] for row in page.get("/api/runs").json()["runs"]] == ["one"]


def test_names_are_text_wherever_they_stand(folder):
    """No answer that holds a name from a run is anything that a browser would take for a page."""
    names = [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "javascript:alert(1)",
        "\"'><svg onload=alert(1)>",
    ]
    for i, name in enumerate(names):
        safe = name.replace("/", "\u2215")
        written(folder, safe, status="failed", error=name, data=run_record()["data"] | {"name": name, "source": name})
        with client(folder) as page:
            for path in ("/api/runs", f"/api/runs/{quote(safe, safe='')}", f"/api/runs/{i}{quote(name, safe='')}"):
                answer = page.get(path)
                assert answer.headers["content-type"] == "application/json"
                assert answer.headers["x-content-type-options"] == "nosniff"
            known = page.get(f"/api/runs/{quote(safe, safe='')}").json()
            assert (known["name"], known["data_about"]["source"], known["failure"]) == (safe, name, name)
            assert stranger(folder).get(f"/?token={quote(name)}").text.count("<script") == 0


def test_tokens_that_one_chooses():
    assert check_token("a.b-c_d~1234567890", "open")
    for token in ("short", "", "a" * 201, "spaces are not good", "a/b?c=d&efghijklmnop", "ümläütsümläütsümläüts"):
        with pytest.raises(ConfigError, match="token must have"):
            check_token(token, "open")
