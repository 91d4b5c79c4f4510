"""Who is let in while there is much to do, by the bytes that a connection receives and sends."""

import asyncio
import json

import pytest
import uvicorn
from uvicorn.server import ServerState

from narrows.http.security import MAX_BODY
from narrows.serve.admission import BUSY, Admission, AdmittingProtocol, is_whole
from narrows.serve.metrics import Metrics

GET = b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"


def post(body=b"12345", more=""):
    return f"POST /encode HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


class Transport(asyncio.Transport):
    """Keeps what is sent."""

    def __init__(self):
        super().__init__()
        self.sent, self.closed = b"", False

    def write(self, data):
        self.sent += data

    def close(self):
        self.closed = True

    def is_closing(self):
        return self.closed

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass


def talk(work, most=1):
    """Run `work(connect, release)`; what the application is asked, it answers with `done` after `release.set()`."""

    async def run():
        release, admission = asyncio.Event(), Admission(most, Metrics())

        async def app(scope, receive, send):
            if scope["method"] == "POST":
                await release.wait()
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
            await send({"type": "http.response.body", "body": b"done"})

        config, state = uvicorn.Config(app, log_config=None, access_log=False, ws="none"), ServerState()

        def connect():
            protocol = AdmittingProtocol(admission=admission, config=config, server_state=state, app_state={})
            protocol.connection_made(Transport())
            return protocol

        await work(connect, release, admission)
        release.set()
        await asyncio.gather(*state.tasks)
        return admission.metrics.text().decode()

    return asyncio.run(run())


def test_one_too_many_is_refused_at_once_and_the_connection_goes_on():
    async def work(connect, release, admission):
        first, second = connect(), connect()
        first.data_received(post())
        second.data_received(post())
        head, _, body = second.transport.sent.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"retry-after: 1" in head
        assert f"content-length: {len(body)}".encode() in head
        assert json.loads(body) == {"error": BUSY}
        assert (first.transport.sent, second.transport.closed) == (b"", False)
        second.transport.sent = b""
        second.data_received(GET)  # what is not asked of a model is answered
        await asyncio.sleep(0.01)
        assert second.transport.sent.endswith(b"done")
        release.set()
        await asyncio.sleep(0.01)
        second.transport.sent = b""
        second.data_received(post())
        await asyncio.sleep(0.01)
        assert first.transport.sent.endswith(b"done")
        assert second.transport.sent.endswith(b"done")
        for protocol in (first, second):
            protocol.timeout_keep_alive_task.cancel()

    assert 'narrows_requests_total{model="",status="503"} 1.0' in talk(work)


def test_a_body_in_parts_and_the_next_request_are_told_apart():
    async def work(connect, release, admission):
        connect().data_received(post())
        second = connect()
        whole = post(b"x" * 100) + post(b"y" * 50)
        for start in range(0, len(whole), 7):
            second.data_received(whole[start : start + 7])
        assert second.transport.sent.count(b"HTTP/1.1 503") == 2
        second.timeout_keep_alive_task.cancel()

    talk(work)


def test_answers_keep_the_order_of_requests():
    """The second of a connection waits for the first, and is not refused before it is answered."""

    async def work(connect, release, admission):
        only = connect()
        only.data_received(post() + post())
        assert only.transport.sent == b""
        release.set()
        await asyncio.sleep(0.01)
        assert only.transport.sent.count(b"done") == 2
        only.timeout_keep_alive_task.cancel()

    talk(work)


def test_who_sends_slowly_keeps_nobody_out():
    async def work(connect, release, admission):
        connect().data_received(post()[:-1])
        admission.receiving += 1  # as the guard counts
        second = connect()
        second.data_received(post())
        assert second.transport.sent == b""

    talk(work)


@pytest.mark.parametrize(("more", "ending"), [("Connection: close\r\n", False), ("", True)])
def test_a_connection_is_closed_where_it_is_to_be(more, ending):
    async def work(connect, release, admission):
        connect().data_received(post())
        admission.ending = ending
        second = connect()
        second.data_received(post(more=more))
        assert b"connection: close" in second.transport.sent
        assert second.transport.closed

    talk(work)


def test_a_refused_body_without_end_ends_the_connection():
    async def work(connect, release, admission):
        connect().data_received(post())
        second = connect()
        second.data_received(b"POST /encode HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"100000\r\n" + bytes(2**20) + b"\r\n"
        for _ in range(MAX_BODY // 2**20):
            second.data_received(chunk)
        assert not second.transport.closed
        second.data_received(chunk)
        assert second.transport.closed

    talk(work)


LINES = [
    ["Content-Length: 5"], ["content-length:5"], ["Host: a", "Content-Length: 5", "Connection: keep-alive"],
    ["Connection: close", "Content-Length: 5"], ["Connection: keep-alive, close", "Content-Length: 5"],
    ["Content-Length: 5", "Content-Length: 5"], ["Content-Length: 5, 5"], ["Content-Length: +5"],
    ["Content-Length: 4"], ["Content-Length: 6"], ["Content-Length: 5", "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: chunked"], ["Content-Length: 5", "Expect: 100-continue"], ["X-Content-Length: 5"],
    ["Content-Length: 1", " 5"], ["Inference-Header-Content-Length: 3", "Content-Length: 5"], ["Content-Length : 5"],
    ["Content-Length: 5", "Upgrade: websocket", "Connection: Upgrade"], ["Content-Length: 5\nX: y"], ["X"],
]  # fmt: skip
WHOLE = [LINES[at] for at in (0, 1, 2, 15)]


@pytest.mark.parametrize(("start", "lines"), [
    *(("POST /encode HTTP/1.1", lines) for lines in LINES),
    *(("POST /encode HTTP/1.0", lines) for lines in LINES[:4]), ("GET /encode HTTP/1.1", LINES[0]),
], ids=repr)  # fmt: skip
def test_what_comes_in_one_piece_is_refused_as_in_many(start, lines):
    data = "\r\n".join([start, *lines, "", "12345"]).encode()

    async def work(connect, release, admission):
        connect().data_received(post())
        answers = []
        for size in (len(data), 7):
            second = connect()
            for at in range(0, len(data), size):
                if not second.transport.closed:
                    second.data_received(data[at : at + size])
            left: tuple[object, ...] = (second.transport.sent, second.transport.closed, len(second.tasks))
            if not second.transport.closed:  # where it ended: the next is refused as well, or is part of the body
                second.data_received(post())
                left = (*left, second._is_between)
            answers.append((*left, second.transport.sent, second.transport.closed))
            if second.timeout_keep_alive_task is not None:
                second.timeout_keep_alive_task.cancel()
            second.tasks.clear()
            connect().data_received(post())
        assert answers[0] == answers[1]
        assert is_whole(data) == (start == "POST /encode HTTP/1.1" and lines in WHOLE)
        release.set()

    talk(work)


def test_a_connection_that_was_refused_lately_is_kept():
    async def work(connect, release, admission):
        connect().data_received(post())
        second = connect()
        second.data_received(post())
        timer = second.timeout_keep_alive_task
        second.timeout_keep_alive_handler()  # as if the timer were of an earlier answer
        assert not second.transport.closed
        assert second.timeout_keep_alive_task.when() <= timer.when() + 0.1
        second._refused_at -= second.timeout_keep_alive
        second.timeout_keep_alive_handler()
        assert second.transport.closed
        for each in (timer, second.timeout_keep_alive_task):
            each.cancel()

    talk(work)
