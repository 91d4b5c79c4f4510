"""`narrows serve` as a process: clients that people have, overload, ends, malformed requests, and its description."""

import asyncio
import importlib
import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from loops import complete
from serving.serving_client import PIXELS, TABLE, TOKEN, Server, run_of, tensor

pytestmark = pytest.mark.slow
FOLDER = Path(__file__).parents[2] / "benchmarks"


def load_module():
    if not FOLDER.exists():
        pytest.skip("the benchmark is not part of this copy of the source")
    sys.path.insert(0, str(FOLDER))
    try:
        return importlib.import_module("load")
    finally:
        sys.path.remove(str(FOLDER))


def codes_of(answer):
    """Return the codes in an answer whose tensor follows its JSON."""
    end = answer.body.index(b"}]}") + 3
    return np.frombuffer(answer.body[end:], np.float32).reshape(-1, 2)


def distinct(load, n):
    """Return n different images, requests for their codes, and the codes."""
    X = np.random.default_rng(1).integers(0, 256, (n, 1, 4, 5), np.uint8)
    return [load.infer_request("pixels-encode", x[None]) for x in X], run_of("pixels").load().transform(X)


@pytest.fixture(scope="module")
def server():
    with Server(run_of("pixels").folder, run_of("table").folder) as started:
        yield started
        assert started.stop()[0] == 0


def test_tritonclient_works_unchanged(server):
    http = pytest.importorskip("tritonclient.http", reason='pip install "tritonclient[http]"')
    client = http.InferenceServerClient(f"127.0.0.1:{server.port}")
    try:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("pixels-encode")
        assert client.is_model_ready("pixels-encode", "1")
        assert not client.is_model_ready("pixel-encode")
        assert client.get_server_metadata()["name"] == "narrows"
        about = client.get_model_metadata("pixels-encode")
        assert about["inputs"] == [{"name": "x", "datatype": "UINT8", "shape": [-1, 1, 4, 5]}]
        Z = run_of("pixels").load().transform(PIXELS)
        for binary_in in (True, False):
            for outputs in (None, True, False):
                x = http.InferInput("x", list(PIXELS.shape), "UINT8")
                x.set_data_from_numpy(PIXELS, binary_data=binary_in)
                wanted = None if outputs is None else [http.InferRequestedOutput("z", binary_data=outputs)]
                result = client.infer("pixels-encode", [x], outputs=wanted, request_id="7")
                np.testing.assert_array_equal(result.as_numpy("z"), Z)
                assert result.get_response()["id"] == "7"
        waiting = [client.async_infer("pixels-encode", [x]) for _ in range(5)]
        for each in waiting:
            np.testing.assert_array_equal(each.get_result().as_numpy("z"), Z)
        wrong = http.InferInput("x", [1, 3], "UINT8")
        wrong.set_data_from_numpy(np.zeros((1, 3), np.uint8))
        with pytest.raises(Exception, match=r"VAE: X must have samples of shape \(1, 4, 5\)"):
            client.infer("pixels-encode", [wrong])
    finally:
        client.close()


def test_a_thousand_inputs_at_once_are_not_mixed_up(server):
    load = load_module()
    requests, Z = distinct(load, 1000)

    async def work():
        clients = [await load.Client.connect(server.port) for _ in range(250)]

        async def one(number):
            return [await clients[number].ask(requests[n]) for n in range(number, 1000, 250)]

        answers = await asyncio.gather(*map(one, range(250)))
        for client in clients:
            await client.close()
        return answers

    for number, answers in enumerate(complete(work())):
        for n, answer in zip(range(number, 1000, 250), answers, strict=True):
            assert answer.status == 200
            np.testing.assert_allclose(codes_of(answer)[0], Z[n], atol=1e-5)


def test_what_is_too_much_is_refused_and_the_rest_is_answered():
    load = load_module()
    requests, Z = distinct(load, 64)
    with Server(run_of("pixels").folder, "--waiting", 4, "--batch", 2) as small:

        async def work():
            clients = [await load.Client.connect(small.port) for _ in range(64)]

            async def one(number):
                return [(number, await clients[number].ask(requests[number])) for _ in range(10)]

            answers = [pair for pairs in await asyncio.gather(*map(one, range(64))) for pair in pairs]
            for client in clients:
                await client.close()
            return answers

        answers = complete(work())
        assert small.stop()[0] == 0
    statuses = Counter(answer.status for _, answer in answers)
    assert set(statuses) == {200, 503}, statuses
    for number, answer in answers:
        if answer.status == 200:
            np.testing.assert_allclose(codes_of(answer)[0], Z[number], atol=1e-5)
        else:
            assert b"send the request again" in answer.body


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_was_accepted_is_finished(number):
    """Under load: every request that was sent on a connection that was made is answered, and the exit code is 0."""
    load = load_module()
    requests, Z = distinct(load, 16)
    lost, answered = [], Counter()
    with Server(run_of("pixels").folder) as server:

        async def one(number):
            while True:
                try:
                    client = await load.Client.connect(server.port)
                except OSError:
                    return  # nobody listens any more
                while client.open:
                    answer = await client.ask(requests[number])
                    answered[answer.status] += 1
                    if answer.status != 200 or not np.allclose(codes_of(answer)[0], Z[number], atol=1e-5):
                        lost.append(answer)
                await client.close()

        async def work():
            clients = asyncio.gather(*map(one, range(16)))
            await asyncio.sleep(1)
            server.process.send_signal(number)
            await asyncio.wait_for(clients, 60)

        complete(work())
        code, _, printed = server.stop()
    assert (code, printed) == (0, "")
    assert lost == []
    assert answered[200] > 16


def test_an_idle_connection_does_not_hold_it():
    with Server(run_of("table").folder) as server, socket.create_connection(("127.0.0.1", server.port)):
        time.sleep(0.2)
        code, _, _ = server.stop()
    assert code == 0


def test_hosts_tokens_and_runs_that_it_does_not_take(capsys):
    from narrows.cli import main

    folder = str(run_of("table").folder)
    for words, sentence in (
        (["--host", "0.0.0.0"], "token must be given with a host that is not this machine alone"),
        (["--token", "short"], "token must have from 16"),
        (["--port", "70000"], "port must be a whole number from 0 to 65535"),
        (["--host", "no.such.host.invalid", "--without-token"], "host must be a name or an address"),
        (["--batch", "0"], "batch must be a number from 1"),
        ([folder], "runs must have different names; got 'table' twice"),
        (["no-such-run"], "RUN must be a run folder"),
    ):
        assert main(["serve", folder, *words]) == 2, words
        assert sentence in " ".join(capsys.readouterr().err.split())


def test_a_server_for_other_machines_says_what_it_exposes():
    with Server(run_of("table").folder, "--host", "0.0.0.0", "--token", TOKEN) as server:
        head = f"GET /v2 HTTP/1.1\r\nHost: models.example.com\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(head.encode())
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")


def spoiled(rng, sound):
    """Return a body that is spoiled in one of many ways."""
    body = bytearray(sound)
    for _ in range(rng.randint(1, 4)):
        way, at = rng.randrange(6), rng.randrange(len(body) + 1)
        if way == 0:
            body[at : at + rng.randint(1, 40)] = b""
        elif way == 1:
            body[at:at] = rng.randbytes(rng.randint(1, 20))
        elif way == 2 and body:
            body[at % len(body)] ^= 1 << rng.randrange(8)
        elif way == 3:
            body[at:at] = rng.choice([b"null", b"-1", b"1e999", b"NaN", b"{}", b"[]", b'"', b"[[", b"9" * 30, b"true"])
        elif way == 4:
            body += body[at : at + rng.randint(1, 60)]
        else:
            del body[at:]
        body = body or bytearray(b" ")
    return bytes(body)


def send_spoiled(server, n):
    """Send n spoiled bodies: a sentence and a status of the client's for each; then a sound one is answered."""
    load, rng = load_module(), random.Random(0)
    picture = b"\x89PNG\r\n\x1a\n" + rng.randbytes(60)
    sound = [
        json.dumps({"inputs": [tensor("x", PIXELS[:1])]}).encode(), b"a,b,c\n1,2,3\n4,5,6\n",
        b'[{"a": 1, "b": 2, "c": 3}]', picture,
        load.infer_request("pixels-encode", PIXELS[:1]).partition(b"\r\n\r\n")[2],
    ]  # fmt: skip
    people = [f"/{verb}?run={run}" for verb in ("encode", "score", "decode") for run in ("pixels", "table")]
    paths = ["/v2/models/pixels-encode/infer", "/v2/models/table-decode/infer", *people]
    statuses: Counter[int] = Counter()

    async def work():
        client = await load.Client.connect(server.port)
        for _ in range(n):
            lines = (
                [] if rng.random() < 0.7 else [f"Inference-Header-Content-Length: {rng.choice([0, 1, 80, 150, 10**9])}"]
            )
            request = load.post(rng.choice(paths), spoiled(rng, rng.choice(sound)), *lines)
            answer = await client.ask(request)
            statuses[answer.status] += 1
            if answer.status != 200:
                assert json.loads(answer.body)["error"], request
            assert answer.status in (200, 400), (answer, request)
            if not client.open:
                await client.close()
                client = await load.Client.connect(server.port)
        answer = await client.ask(load.infer_request("pixels-encode", PIXELS[:1]))
        await client.close()
        return answer

    assert complete(work()).status == 200
    assert statuses[400] > n / 2


def test_malformed_requests_are_answered_in_words(server):
    send_spoiled(server, 400)


def test_requests_that_are_no_http_end_their_connection_alone(server):
    for data in (
        b"\x00" * 100,
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /encode HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            assert b"HTTP/1.1 200" not in connection.recv(1000)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")


def test_many_threads_of_requests_with_tables(server):
    """The same answers under load as alone, over several connections, as clients of the requests library make them."""
    import http.client

    expected = run_of("table").load().transform(TABLE)
    wrong = []

    def ask(first):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        for n in range(first, 60, 6):
            connection.request("POST", "/encode?run=table", json.dumps(TABLE[n : n + 1].tolist()))
            z = json.loads(connection.getresponse().read())["z"]
            if not np.allclose(z, expected[n : n + 1]):
                wrong.append(n)
        connection.close()

    threads = [threading.Thread(target=ask, args=(first,)) for first in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_requests_made_of_the_description_are_answered_as_it_says(server, tmp_path):
    """schemathesis, but for one check: that a tensor has as many values as its shape says, no schema can say."""
    pytest.importorskip("schemathesis", reason='pip install "schemathesis"')
    tool = Path(sys.executable).with_name("st")
    flags = ["--exclude-checks", "positive_data_acceptance", "--max-examples", "10", "--seed", "1", "--no-color"]
    done = subprocess.run(
        [tool, "run", f"{server.address}/openapi.json", *flags], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:]
