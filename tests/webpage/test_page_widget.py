"""The widget of notebooks: the calls of the page over a notebook's channel."""

import queue
import sys
import threading

import numpy as np
import pytest

import narrows
from narrows.errors import ConfigError, DataError
from narrows.page import models, widget
from narrows.page.codes import Maps
from narrows.page.wire import Message, pack, unpack
from webpage.explorers import digits, explorer, run_with


class Kernel(widget.Channel):
    """A channel whose answers are kept."""

    def __init__(self, explored, folder=None):
        self.answers = queue.Queue()
        super().__init__(Maps(explored), folder, lambda content, buffers: self.answers.put((content, buffers)))

    def ask(self, do, tensors=None, **given):
        """Return the answer to a call, as a message."""
        buffers = [memoryview(pack(Message({}, tensors)))] if tensors else []
        self.receive({"seq": 1, "do": do, **given}, buffers)
        content, parts = self.answers.get(timeout=20)
        assert content["seq"] == 1
        return Message(content, unpack(parts[0]).tensors if parts else {})


def test_calls_are_those_of_the_socket():
    explored = explorer()
    kernel = Kernel(explored)
    z = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(kernel.ask("decode", {"z": z}).tensors["x"], explored.decode(z)["x"])
    assert kernel.ask("codes", map="pca").tensors["points"].shape == (40, 2)
    assert kernel.ask("info").meta["latent_dim"] == 3
    assert kernel.ask("denoise", row=2).meta["numbers"] == explored.denoise(row=2)["numbers"]
    assert kernel.ask("thumbnails", **{"from": 1, "to": 3}).tensors["tiles"].shape == (2, 8, 8)


def test_older_calls_of_a_lane_are_dropped_while_the_model_works():
    kernel, go_on = Kernel(explorer()), threading.Event()
    kernel.thread.submit(go_on.wait, 20)
    for seq in range(9):
        kernel.receive({"seq": seq, "do": "generate", "n": 1}, [])
    kernel.receive({"seq": 9, "do": "generate", "n": 1, "lane": "other"}, [])
    go_on.set()
    assert [kernel.answers.get(timeout=20)[0]["seq"] for _ in range(2)] == [8, 9]
    assert kernel.answers.empty()


@pytest.mark.parametrize("content", [None, 3, [], {"do": 7}, {"do": "save"}, {"do": "save", "call": {}}])
def test_hostile_messages_are_answered(content):
    kernel = Kernel(explorer())
    kernel.receive(content, [])
    assert kernel.answers.get(timeout=20)[0]["error"]
    kernel.receive({"do": "decode"}, [b"x"])
    assert kernel.answers.get(timeout=20)[0]["error"]


def test_a_result_is_saved_where_there_is_a_run(tmp_path, monkeypatch):
    run = run_with(tmp_path / "run", pca=True)
    monkeypatch.setattr(models, "dataset_of", lambda run, changed: digits())
    shown = run.show()
    assert shown.info["run"] == "run"
    kernel = Kernel(shown.channel.maps.explorer, shown.channel.folder)
    call = {"do": "denoise", "row": 3, "corruption": "masking", "strength": 0.3}
    assert kernel.ask("save", kind="denoised", call=call).meta["file"] == "denoised-1.png"
    assert (run.folder / "denoised-1.png").exists()
    assert "rows must be below" in kernel.ask("save", kind="denoised", call={"row": -1}).meta["error"]


def test_the_widget_answers_its_front_end(monkeypatch):
    data = digits()
    shown = narrows.explore(explorer().model, data.test, data.test_labels)
    assert shown.info["splits"] == {"train": 40}
    assert shown.info["labelled"]
    sent = []
    monkeypatch.setattr(type(shown), "send", lambda self, content, buffers: sent.append((content, buffers)))
    shown._handle_custom_msg({"seq": 4, "do": "reconstruct", "rows": [1]}, [])
    shown.channel.thread.shutdown(wait=True)
    ((content, buffers),) = sent
    assert content["seq"] == 4
    np.testing.assert_array_equal(unpack(buffers[0]).tensors["x"][0], data.test[1, 0])


def test_labels_may_be_names():
    data = digits()
    names = np.array(data.label_names)[data.test_labels]
    shown = narrows.explore(explorer().model, data.test, names)
    assert shown.info["label_names"] == sorted(set(names))
    assert Kernel(shown.channel.maps.explorer).ask("samples", rows=[5]).meta["labels"] == [names[5]]


def test_what_does_not_fit_is_told_at_once():
    model = explorer().model
    with pytest.raises(ConfigError, match="X must be samples"):
        narrows.explore(model)
    with pytest.raises(DataError, match="one label per sample"):
        narrows.explore(model, digits().test, [1, 2])
    with pytest.raises(DataError, match="shape"):
        narrows.explore(model, np.zeros((3, 1, 9, 9)))


def test_without_anywidget_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    widget._widget.cache_clear()
    with pytest.raises(ConfigError, match=r'pip install "narrows\[page\]"'):
        narrows.explore(explorer().model, digits().test)
    widget._widget.cache_clear()
