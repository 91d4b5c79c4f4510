"""The models of runs over HTTP and over the socket: newest first, and hostile calls end nothing."""

import asyncio
import json
import shutil
import threading

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.responses import JSONResponse

from loops import complete
from narrows.analyses import Subject
from narrows.analyses.combination import Combine
from narrows.errors import ConfigError, NarrowsError
from narrows.page import kept, models
from narrows.page.explorer import Explorer
from narrows.page.lanes import Lanes
from narrows.page.models import MOST, Models
from narrows.page.routes import ROUTES
from narrows.page.saving import saved
from narrows.page.wire import Message, pack, unpack
from narrows.runs import Run
from webpage.asgi import request, socket
from webpage.explorers import digits, run_with


def test_of_every_lane_the_newest_call_is_next():
    lanes = Lanes()
    new = [
        lanes.put(Message({"seq": seq, "lane": lane, "do": "denoise"}))
        for seq, lane in enumerate(["decode", "scan", "decode", None, "decode"])
    ]
    assert new == [True, True, False, True, False]
    assert [lanes.take().meta["seq"] for _ in range(len(lanes))] == [4, 1, 3]


def test_lanes_are_bounded():
    lanes = Lanes()
    assert all(lanes.put(Message({"lane": str(i)})) for i in range(64))
    with pytest.raises(ConfigError, match="At most 64"):
        lanes.put(Message({"lane": "one more"}))
    assert not lanes.put(Message({"lane": "0"}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three runs; what is drawn into them stays."""
    folder = tmp_path_factory.mktemp("runs")
    run_with(folder / "vae")
    run_with(folder / "pca", pca=True)
    run_with(folder / "none", pca=True)
    shutil.rmtree(folder / "none" / "model")
    Run(folder / "none").update(status="interrupted")
    return folder


@pytest.fixture
def app(folder, monkeypatch):
    """The routes, on those runs, whose data are at hand."""
    monkeypatch.setattr(models, "dataset_of", lambda run, changed: digits())

    def told(request, error):
        return JSONResponse({"error": str(error)}, 400)

    app = Starlette(routes=ROUTES, exception_handlers={NarrowsError: told})
    app.state.models = Models(lambda name: folder / name if (folder / name / "run.json").exists() else None)
    return app


pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
RUN = "/api/runs/vae"


def get(app, path, status=200):
    response = complete(request(app, "GET", path))
    assert response.status_code == status, response.text
    return unpack(response.content, None) if "octet" in response.headers["content-type"] else response.json()


@pytest.mark.slow
def test_every_route_answers(app):
    info = get(app, f"{RUN}/model")
    assert (info["run"], info["latent_dim"], info["splits"]) == ("vae", 3, {"train": 300, "test": 40})
    assert get(app, f"{RUN}/codes?map=dims:0,1&split=train&limit=30").tensors["points"].shape == (30, 2)
    assert get(app, f"{RUN}/values?split=test").tensors["error"].shape == (40,)
    assert get(app, f"{RUN}/thumbnails?split=test&from=2&to=5").tensors["tiles"].shape == (3, 8, 8)
    samples = get(app, f"{RUN}/samples?split=test&rows=3,7")
    np.testing.assert_array_equal(samples.tensors["x"], digits().test[[3, 7], 0])
    assert samples.meta["labels"] == [digits().label_names[digits().test_labels[row]] for row in (3, 7)]
    assert samples.meta["ids"] == ["3", "7"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "status", "why"),
    [
        ("/api/runs/other/model", 404, "There is no run"), ("/api/runs/none/model", 400, "none saved yet"),
        (f"{RUN}/codes?map=dims:7,0", 400, "dims"), (f"{RUN}/codes?split=x", 400, "split"),
        (f"{RUN}/codes?limit=1e9", 400, "whole number"), (f"{RUN}/samples?rows=1,x", 400, "rows"),
        (f"{RUN}/samples?rows=40", 400, "below 40"), (f"{RUN}/thumbnails?from=9&to=99999", 400, "apart"),
    ],
)  # fmt: skip
def test_other_requests_are_answered_by_a_sentence(app, path, status, why):
    response = complete(request(app, "GET", path))
    assert response.status_code == status
    assert why in response.text


@pytest.mark.slow
def test_drawings_and_files_are_prepared(app):
    drawing = np.zeros((60, 60), np.uint8)
    drawing[10:50, 25:33] = 255
    post = lambda body, query="": complete(request(app, "POST", f"{RUN}/prepare{query}", content=body))  # noqa: E731
    message = unpack(post(pack(Message({}, {"x": drawing})), "?draw=1").content)
    assert message.tensors["x"].shape == (1, 8, 8)
    assert message.tensors["input"].shape == (1, 1, 8, 8)
    for body in (b"", b"{}", b"\x10\0\0\0\0\0\0\0{broken", b"\xff" * 50):
        response = post(body)
        assert response.status_code == 400
        assert response.json()["error"]


@pytest.mark.slow
def test_a_result_is_saved_as_the_command_draws_it(app, folder):
    call = {"do": "combine", "expression": "3 - 7 + 12", "seq": 9}
    body = {"name": "", "kind": "combination", "call": call}
    save = lambda body: complete(request(app, "POST", f"{RUN}/save", json=body))  # noqa: E731
    first, second = (save(body).json()["file"] for _ in range(2))
    assert (first, second) == ("combined-1.png", "combined-2.png")
    result = Combine(expression="3 - 7 + 12")(Subject(Run(folder / "vae"), digits(), out=folder / "command.png"))
    assert (folder / "vae" / first).read_bytes() == result.pictures[0].read_bytes()
    record = Run(folder / "vae").record["analyses"]["combined-1"]
    caption = "sample 3 - sample 7 + sample 12, test samples"
    assert record == {**result.numbers, "caption": caption, "call": {"do": "combine", "expression": "3 - 7 + 12"}}
    assert saved(Run(folder / "vae"))[folder / "vae" / first] == caption
    five = save({"name": "five of mine", "kind": "generated", "call": {"n": 5, "sampler": "gmm", "seed": 1}})
    assert Image.open(folder / "vae" / five.json()["file"]).width > 100
    for name in ("../x", "/etc/x", "", "a/b", "a\0", "." * 3, "x" * 99):
        response = save({"name": name or "\n", "kind": "denoised", "call": {"row": 1}})
        assert response.status_code == 400, name
    assert save({"kind": "other", "call": {}}).status_code == save({"kind": "denoised", "call": 3}).status_code == 400


@pytest.mark.slow
def test_maps_that_take_long_are_waited_for(app, monkeypatch):
    monkeypatch.setattr(kept, "SMALL", 0)
    done = threading.Event()
    monkeypatch.setattr(kept, "points_of", lambda Z, method: done.wait(20) and Z[:, :2].astype(np.float32))

    async def poll():
        path = f"{RUN}/codes?map=tsne&split=test&limit=39"
        first = await request(app, "GET", path)
        assert first.status_code == 202
        assert "t-SNE of 39 codes" in first.json()["progress"]
        async with socket(app, f"{RUN}/socket") as ws:  # the model is free meanwhile
            ws.call(1, "decode", {"z": np.zeros((1, 3), np.float32)})
            assert (await ws.answer()).meta == {"seq": 1}
        done.set()
        while (last := await request(app, "GET", path)).status_code == 202:
            await asyncio.sleep(0.01)
        return last

    assert unpack(complete(poll()).content).tensors["points"].shape == (39, 2)


def with_socket(app, work, path=f"{RUN}/socket"):
    async def run():
        async with socket(app, path) as ws:
            return await work(ws)

    return complete(run())


@pytest.mark.slow
def test_calls_are_answered_by_their_numbers(app, folder):
    explored = Explorer(Run(folder / "vae").load(), digits())
    z = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)

    async def work(ws):
        ws.call(5, "decode", {"z": z})
        ws.call(6, "combine", expression="1 + 2", lane="b")
        ws.call(7, "denoise", row=3, corruption="gaussian", strength=0.3, seed=1)
        ws.call(8, "combine", expression="1 ++", lane="c")
        ws.call(9, "nothing")
        return [await ws.answer() for _ in range(5)]

    decoded, combined, denoised, wrong, unknown = with_socket(app, work)
    assert [m.meta["seq"] for m in (decoded, combined, denoised, wrong, unknown)] == [5, 6, 7, 8, 9]
    np.testing.assert_array_equal(decoded.tensors["x"], explored.decode(z)["x"])
    np.testing.assert_array_equal(combined.tensors["plain"], explored.combine("1 + 2")["plain"])
    assert denoised.meta["numbers"] == explored.denoise(row=3, strength=0.3, seed=1)["numbers"]
    assert "character 4" in wrong.meta["error"]
    assert "do must be one of" in unknown.meta["error"]


@pytest.mark.slow
def test_while_the_model_works_older_calls_of_a_lane_are_dropped(app, monkeypatch):
    begun, go_on, decode = threading.Event(), threading.Event(), Explorer.decode

    def slowly(self, z, y=None):
        begun.set()
        go_on.wait(20)
        return decode(self, z, y)

    monkeypatch.setattr(Explorer, "decode", slowly)

    async def work(ws):
        z = {"z": np.zeros((1, 3), np.float32)}
        ws.call(0, "decode", z)
        await asyncio.to_thread(begun.wait, 20)
        for seq in range(1, 50):
            ws.call(seq, "decode", z)
        ws.call(50, "decode", z, lane="scan")
        await asyncio.sleep(0.05)
        go_on.set()
        return [(await ws.answer()).meta["seq"] for _ in range(3)]

    assert with_socket(app, work) == [0, 49, 50]


HOSTILE = [
    {},
    {"do": None},
    {"do": "decode"},
    {"do": "decode", "z": "x"},
    {"do": "decode", "rows": [1.5]},
    {"do": "decode", "rows": [10**15], "weights": [1]},
    {"do": "decode", "rows": [[1], [2, 3]]},
    {"do": "decode", "rows": [1], "weights": [1e300]},
    {"do": "combine", "expression": 7},
    {"do": "combine", "expression": "1" * 9000},
    {"do": "combine", "expression": "class:" + "x" * 500},
    {"do": "combine", "rows": list(range(2000))},
    {"do": "interpolate", "a": "0"},
    {"do": "interpolate", "a": 0, "b": 10**9},
    {"do": "interpolate", "a": 0, "b": 1, "t": [], "way": {}},
    {"do": "denoise", "row": -1},
    {"do": "denoise", "row": 1, "corruption": "gaussian", "strength": 1e308},
    {"do": "denoise", "row": 1, "corruption": "__import__('os')"},
    {"do": "denoise", "row": 1, "corruption": "masking:1"},
    {"do": "generate", "n": True},
    {"do": "generate", "n": 10**15},
    {"do": "generate", "temperature": "hot"},
    {"do": "generate", "sampler": ["prior"]},
    {"do": "generate", "seed": -1},
    {"do": "nearest"},
    {"do": "reconstruct", "rows": {}},
    {"do": "encode", "x": [[1]]},
    {"do": "codes", "map": 3},
    {"do": "values", "split": 4, "limit": "x"},
    {"do": "thumbnails", "from": -4, "to": 2},
    {"do": "prepare"},
    {"do": "prepare", "x": [[1, 2], [3]]},
    {"seq": {"a": [1]}, "do": "__init__"},
    {"do": "samples", "rows": "all"},
    {"lane": {"a": 1}, "do": "decode", "y": [1]},
]


@pytest.mark.slow
def test_hostile_calls_are_answered_and_end_nothing(app):
    odd = [
        np.zeros((0, 3)),
        np.full((1, 3), np.nan),
        np.zeros((2, 2, 2, 2)),
        np.zeros(()),
        np.zeros((1, 7)),
        np.zeros((0, 0)),
    ]

    async def work(ws):
        replies = []
        for seq, meta in enumerate(HOSTILE):
            ws.send(Message({"seq": seq, **meta}))
            replies.append(await ws.answer())
        for name in ("z", "x", "input", "rows", "weights", "t", "file"):
            for array in odd:
                for do in ("decode", "encode", "nearest", "denoise", "prepare", "interpolate"):
                    ws.send(Message({"seq": 1, "do": do}, {name: array.astype(np.float32)}))
                    replies.append(await ws.answer())
        ws.call("last", "decode", {"z": np.zeros((1, 3), np.float32)})
        assert (await ws.answer()).tensors["x"].shape == (1, 8, 8)
        return replies

    replies = with_socket(app, work)
    assert all("error" in reply.meta for reply in replies[: len(HOSTILE)])
    errors = [reply.meta.get("error", "") for reply in replies]  # some odd tensors are a call all the same
    faults = ("TypeError", "IndexError", "KeyError", "AttributeError", "ValueError", "RuntimeError")
    assert not [error for error in errors if error.startswith(faults)]


@pytest.mark.slow
def test_what_is_no_message_closes_the_socket(app):
    async def closing(ws, data):
        ws.send(data)
        while (event := await ws.event())["type"] == "websocket.send":
            pass
        return event["code"]

    assert with_socket(app, lambda ws: closing(ws, "a text")) == 1003
    rng = np.random.default_rng(0)
    data = pack(Message({"do": "decode", "seq": 1}, {"z": np.zeros((1, 3), np.float32)}))
    for i in range(60):
        spoiled = bytearray(data[: rng.integers(len(data))])
        spoiled[:8] = rng.integers(256, size=8, dtype=np.uint8).tobytes() if i % 2 else spoiled[:8]
        assert with_socket(app, lambda ws, spoiled=spoiled: closing(ws, bytes(spoiled))) == 1007
    assert with_socket(app, lambda ws: asked_for_nothing(ws), "/api/runs/other/socket") == 4404


async def asked_for_nothing(ws):
    ws.call(1, "decode")
    return (await ws.event())["code"]


@pytest.mark.slow
def test_a_run_without_a_model_says_so(app):
    async def work(ws):
        ws.call(1, "decode")
        return await ws.answer()

    assert "none saved yet" in with_socket(app, work, "/api/runs/none/socket").meta["error"]


@pytest.mark.slow
def test_few_models_are_kept_and_a_new_one_is_loaded_when_a_view_begins(app, folder, tmp_path, monkeypatch):
    loaded, load = [], models.load
    monkeypatch.setattr(models, "load", lambda path: loaded.append(path.name) or load(path))
    for i in range(MOST + 1):
        shutil.copytree(folder / "pca", tmp_path / str(i))

    async def work():
        held = Models(lambda name: tmp_path / name)
        first = await held.get("0")
        both = await asyncio.gather(held.get("1"), held.get("1"))
        assert both[0] is both[1]
        for i in range(2, MOST + 1):
            await held.get(str(i))
        assert loaded == ["0", "1", *map(str, range(2, MOST + 1))]
        assert await first.run(lambda maps: maps.explorer.name) == "0"  # who has it goes on
        again = await held.get("0", fresh=True)
        assert again is not first
        record = tmp_path / "0" / "model" / "model.json"
        record.write_text(json.dumps(json.loads(record.read_text())))
        assert await held.get("0") is again
        assert await held.get("0", fresh=True) is not again
        held.close()

    complete(work())


@pytest.mark.slow
def test_a_run_whose_data_are_gone_says_so(app, monkeypatch):
    def gone(run, changed):
        raise ConfigError("its data must be where they were.")

    monkeypatch.setattr(models, "dataset_of", gone)
    info = get(app, f"{RUN}/model")
    assert info["absent"]["codes"] == "The data of this run cannot be read: its data must be where they were."
    assert "cannot be read" in get(app, f"{RUN}/codes", 400)["error"]
