"""Stop, resume, rename, delete and undo."""

import json
import os

import pytest

from narrows.page import actions, processes
from narrows.page.processes import Started, Trainings
from narrows.page.trash import PREFIX, Trash
from narrows.page.watch import Watch
from narrows.storage.process import this_process
from webpage.served import client, running, written


@pytest.fixture
def page(tmp_path):
    written(tmp_path, "one")
    with client(tmp_path) as page:
        yield page


def test_a_run_is_renamed(page, tmp_path):
    assert page.post("/api/runs/one/rename", json={"to": "two words"}).json() == {"run": "two words"}
    assert [row["name"] for row in page.get("/api/runs").json()["runs"]] == ["two words"]
    assert page.get("/api/runs/two%20words").status_code == 200


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/tmp/x", ".hidden", "\0", "x" * 201, None, 3, "taken"])
def test_names_that_runs_cannot_have(name, page, tmp_path):
    written(tmp_path, "taken")
    answer = page.post("/api/runs/one/rename", json={"to": name})
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert (tmp_path / "one" / "run.json").exists()


def test_a_deleted_run_comes_back(page, tmp_path):
    key = page.post("/api/runs/one/delete").json()["undo"]
    assert page.get("/api/runs").json() == {"runs": [], "problems": []}
    assert not (tmp_path / "one").exists()
    assert page.post("/api/undo", json={"undo": key}).json() == {"run": "one"}
    assert [row["name"] for row in page.get("/api/runs").json()["runs"]] == ["one"]
    assert page.post("/api/undo", json={"undo": key}).status_code == 400


def test_what_cannot_be_brought_back(page, tmp_path):
    key = page.post("/api/runs/one/delete").json()["undo"]
    written(tmp_path, "one")
    answer = page.post("/api/undo", json={"undo": key})
    assert answer.status_code == 400
    assert "must be free" in answer.json()["error"]
    for wrong in ("..", "../one", "", "process.json", ".", None):
        assert page.post("/api/undo", json={"undo": wrong}).status_code == 400
    (tmp_path / "one").rename(tmp_path / "other")
    assert page.post("/api/undo", json={"undo": key}).json() == {"run": "one"}


def test_what_was_deleted_goes_when_the_server_ends(tmp_path):
    written(tmp_path, "one")
    written(tmp_path, "two")
    with client(tmp_path) as page:
        page.post("/api/runs/one/delete")
    assert [path.name for path in tmp_path.iterdir()] == ["two"]


def test_what_a_killed_server_left_goes_with_the_next(tmp_path):
    written(tmp_path, "one")
    written(tmp_path, "two")
    dead, alive = Trash(tmp_path), Trash(tmp_path)
    dead.delete(tmp_path / "one")
    key = alive.delete(tmp_path / "two")
    record = this_process() | {"pid": 2**22 + 1}
    (dead.folder / "process.json").write_text(json.dumps(record))
    strange = tmp_path / f"{PREFIX}strange"
    strange.mkdir()
    (strange / "file").write_text("not ours")
    with client(tmp_path):
        assert not dead.folder.exists()
        assert alive.restore(key) == "two"
        assert (strange / "file").exists()


def test_a_link_to_a_run_is_deleted_and_not_the_run(tmp_path):
    elsewhere = written(tmp_path / "elsewhere", "real")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "link").symlink_to(elsewhere)
    with client(tmp_path / "runs") as page:
        assert page.get("/api/runs").json()["runs"][0]["name"] == "link"
        page.post("/api/runs/link/delete")
    assert (elsewhere / "run.json").exists()
    assert not (tmp_path / "runs" / "link").is_symlink()


def test_runs_that_are_trained_stay(tmp_path, monkeypatch):
    from narrows.storage.lock import lock_of, locked

    monkeypatch.setattr(actions, "PATIENCE", 0.0)
    run = running(tmp_path, "run")
    with client(tmp_path) as page, locked(lock_of(run)):
        for action, body in (("delete", {}), ("rename", {"to": "x"}), ("resume", {})):
            answer = page.post(f"/api/runs/run/{action}", json=body)
            assert answer.status_code == 409, action
            assert f"process {os.getpid()}" in answer.json()["error"]
    assert run.exists()


def test_runs_that_are_not_running_cannot_be_stopped(page, tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "_signal", None)
    answer = page.post("/api/runs/one/stop")
    assert answer.status_code == 409
    assert "must be running" in answer.json()["error"]
    others = ({"host": "elsewhere"}, {"pid": 2**22 + 1}, {"began": None}, {"began": "before"}, {"pid": 0})
    for i, wrong in enumerate(others):
        running(tmp_path, f"other-{i}", process=this_process() | wrong)
        answer = page.post(f"/api/runs/other-{i}/stop")
        assert answer.status_code == 409, wrong
    answer = page.post("/api/runs/one/resume")
    assert answer.status_code == 409
    assert "must have been interrupted" in answer.json()["error"]


def test_only_posts_act(page, tmp_path):
    for action in ("stop", "resume", "rename", "delete"):
        assert page.get(f"/api/runs/one/{action}").status_code == 405
    assert page.get("/api/undo").status_code == 405
    assert (tmp_path / "one").exists()


@pytest.mark.slow
def test_what_ends_without_a_run_says_why(tmp_path):
    trainings = Trainings(Watch(tmp_path))
    started = trainings.start("x", "train", ["train", "vae", "--latent-dim", "-1"])
    assert isinstance(started, Started)
    with pytest.raises(ValueError, match="latent_dim must be"):
        started.wait_for((tmp_path / "x" / "run.json").exists)
    trainings.refresh()
    trainings.watch.refresh()
    (problem,) = trainings.watch.since(0).problems
    assert problem.startswith("train x: VAE: latent_dim must be")
    trainings.close()
