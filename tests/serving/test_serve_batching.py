"""Requests that are computed together: each gets its own answer, and too many are refused."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from narrows.serve.batching import Batcher, BusyError, Limits
from serving.serving_client import PIXELS, body_of, client, run_of


def asked(work, *, answers=None, **limits):
    """Run a coroutine function with a batcher that doubles rows, and return what it returns and the batches."""
    batches = []

    def doubled(requests):
        batches.append([len(request) for request in requests])
        return [2 * request for request in requests]

    async def run():
        with ThreadPoolExecutor(1) as thread:
            return await work(Batcher(answers or doubled, thread, Limits(**limits)))

    return asyncio.run(run()), batches


def rows(*values):
    return np.array(values)


def test_a_thousand_at_once_are_not_mixed_up():
    async def work(batcher):
        requests = [np.full(n % 3 + 1, n) for n in range(1000)]
        return requests, await asyncio.gather(*map(batcher.submit, requests))

    (requests, answers), batches = asked(work, rows=256, waiting=10_000)
    assert all((2 * request == answer).all() for request, answer in zip(requests, answers, strict=True))
    assert sum(map(sum, batches)) == sum(map(len, requests))
    assert max(map(sum, batches)) <= 256
    assert len(batches) < 20


def test_a_request_alone_does_not_wait():
    async def work(batcher):
        return [await batcher.submit(rows(n)) for n in range(3)]

    (answers, batches) = asked(work, wait=3600)
    assert [answer.tolist() for answer in answers] == [[0], [2], [4]]
    assert batches == [[1], [1], [1]]


def test_after_a_batch_of_several_others_are_waited_for():
    async def work(batcher):
        first = asyncio.create_task(batcher.submit(rows(0)))
        await asyncio.sleep(0)
        await asyncio.gather(first, *(batcher.submit(rows(n)) for n in (1, 2)))  # two wait for the first
        late = [asyncio.create_task(batcher.submit(rows(n))) for n in (3, 4)]
        await asyncio.sleep(0.01)
        late.append(asyncio.create_task(batcher.submit(rows(5))))
        await asyncio.gather(*late)

    _, batches = asked(work, wait=0.2)
    assert batches == [[1], [1, 1], [1, 1, 1]]


def test_a_full_batch_does_not_wait():
    async def work(batcher):
        await asyncio.gather(*(batcher.submit(rows(n)) for n in range(9)))

    _, batches = asked(work, rows=4, wait=3600)
    assert batches == [[1], [1] * 4, [1] * 4]


def test_too_many_rows_are_refused_and_a_large_request_alone_is_not():
    async def work(batcher):
        large = await batcher.submit(np.arange(50))
        tasks = [asyncio.create_task(batcher.submit(rows(n))) for n in range(1 + 10)]
        await asyncio.sleep(0)
        assert (batcher.waiting, batcher.full) == (10, True)
        with pytest.raises(BusyError):
            await batcher.submit(rows(11))
        answers = await asyncio.gather(*tasks)
        assert (batcher.waiting, batcher.full) == (0, False)
        return large, answers

    (large, answers), _ = asked(work, waiting=10)
    assert (large == 2 * np.arange(50)).all()
    assert [answer.tolist() for answer in answers] == [[2 * n] for n in range(11)]


def test_a_request_that_fails_does_not_fail_others():
    def answers(requests):
        if any((request < 0).any() for request in requests):
            raise ValueError("negative")
        return [2 * request for request in requests]

    async def work(batcher):
        return await asyncio.gather(*(batcher.submit(rows(n)) for n in (1, 2, -3, 4)), return_exceptions=True)

    answers_, _ = asked(work, answers=answers)
    assert [str(each) for each in answers_] == ["[2]", "[4]", "negative", "[8]"]


def test_whoever_leaves_is_not_waited_for():
    async def work(batcher):
        tasks = [asyncio.create_task(batcher.submit(rows(n))) for n in range(3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    (first, second, third), _ = asked(work)
    assert (first.tolist(), third.tolist()) == ([0], [4])
    assert isinstance(second, asyncio.CancelledError)


def test_requests_at_once_are_answered_each_with_its_own():
    """Over HTTP, of different sizes and types: what is computed together equals what is computed alone."""
    model = run_of("pixels").load()
    Z = model.transform(PIXELS)
    wrong = []
    with client(run_of("pixels")) as served:

        def ask(first):
            for n in range(first, 24, 6):
                X = PIXELS[n : n + n % 3 + 1]
                X = X if n % 2 else (X / 255).astype(np.float32)
                answer = served.post("/v2/models/pixels-encode/infer", content=body_of(X))
                z = np.array(answer.json()["outputs"][0]["data"]).reshape(-1, 2)
                if not np.allclose(z, Z[n : n + len(X)], atol=1e-5):
                    wrong.append(n)

        threads = [threading.Thread(target=ask, args=(first,)) for first in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_a_server_that_holds_as_much_as_it_may_says_so():
    with client(run_of("pixels"), limits=Limits(waiting=0)) as served:
        for path in ("/v2/models/pixels-encode/infer", "/encode"):
            answer = served.post(path, content=body_of(PIXELS[:1]))
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "1"
            assert "in a second" in answer.json()["error"]
