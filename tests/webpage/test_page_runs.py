"""What the page tells of runs: rows, details, histories, frames, pictures."""

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load

from narrows.cli.app import application as commands
from narrows.page import runs as routes
from narrows.page.history import POINTS, Course, read_from
from narrows.page.rows import command_of, row_of
from narrows.page.watch import Watch
from narrows.runs import Run
from webpage.served import append, client, epoch, run_record, running, trained, written

pytestmark = pytest.mark.usefixtures("blank_pictures")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def page(run):
    with client(run.parent) as page:
        yield page


def test_rows_tell_what_the_record_holds(page, run):
    (row,) = page.get("/api/runs").json()["runs"]
    known = Run(run)
    assert (row["name"], row["status"], row["model"], row["data"]) == ("cloud", "finished", "vae", "cloud")
    assert (row["epoch"], row["epochs"], row["left"], row["resumable"], row["failure"]) == (3, 3, None, False, "")
    assert row["loss"] == [line["validation"]["loss"] for line in known.history]
    assert row["error"] == known.summary["squared_error"]["model"]
    assert row["pca"] == known.summary["squared_error"]["pca"]
    for name in ("elbo", "kl", "split", "parameters", "latent_dim"):
        assert row[name] == known.summary[name]
    assert row["changed"] == {"latent_dim": "1", "network": "mlp:4", "epochs": "3"}


def test_what_followed_the_last_epoch_is_told(tmp_path):
    for name, more in (("one", {}), ("two", {"note": "trained again, on all samples"})):
        written(tmp_path, name, **more)
    with client(tmp_path) as page:
        notes = {row["name"]: row["note"] for row in page.get("/api/runs").json()["runs"]}
    assert notes == {"one": "", "two": "trained again, on all samples"}


def test_details_tell_all(page, run):
    detail = page.get("/api/runs/cloud").json()
    settings = {each["name"]: each for each in detail["settings"]}
    assert settings["epochs"] == {
        "name": "epochs", "text": "3", "default": "auto", "changed": True, "help": settings["epochs"]["help"],
    }  # fmt: skip
    assert not settings["beta"]["changed"]
    assert settings["beta"]["text"] == settings["beta"]["default"] == "1"
    assert detail["data_about"]["shape"] == [2]
    assert next(each["file"] for each in detail["pictures"]) == "reconstructions.png"
    assert detail["frames"] == Run(run).frames.epochs
    assert detail["terms"].keys() == {"loss", "reconstruction", "kl", "elbo"}
    assert detail["versions"]["torch"]
    assert detail["ended"] > detail["started"]


def test_the_command_repeats_the_run(run):
    text = command_of(Run(run))
    assert text == (
        "narrows train vae --data cloud --data-option samples=100 --validation 0.2 --latent-dim 1 --network mlp:4 "
        "--epochs 3"
    )
    assert command_of(Run(run), beta=0.5).endswith("--epochs 3 --beta 0.5")


@pytest.mark.parametrize(
    ("model", "parameters", "flags"),
    [
        ("pca", {"latent_dim": 3, "whiten": True, "center": False}, "--latent-dim 3 --no-center --whiten"),
        (
            "ae",
            {"penalty": ["l1:0.1", {"sparsity": {"weight": 2.0, "target": 0.1}}]},
            "--penalty l1:0.1 --penalty sparsity:2,target=0.1",
        ),
        ("vae", {"patience": None, "clip": 2.0, "adam_betas": [0.5, 0.9]}, "--adam-betas 0.5x0.9 --clip 2"),
    ],
)
def test_commands_are_flags_that_are_read_again(model, parameters, flags, tmp_path):
    data = {**run_record()["data"], "options": {"noise": 0.1, "transpose": True, "header": False}, "name": "a b"}
    run = Run(written(tmp_path, "run", model=model, parameters=parameters, data=data))
    text = command_of(run)
    assert "--data 'a b' --data-option noise=0.1 --transpose --header no" in text
    assert flags in text
    import shlex

    tokens = shlex.split(text)[1:]
    commands(tokens).parse_args(tokens, exit_on_error=False, print_error=False)


def test_histories_are_read_from_any_byte_on(tmp_path):
    run = written(tmp_path, "run", 0)
    path = run / "metrics.jsonl"
    assert read_from(path, 0) == ([], 0, 0, False)
    append(run, epoch(1))
    first = read_from(path, 0)
    assert ([line["epoch"] for line in first.lines], first.offset, first.broken) == ([1], path.stat().st_size, 0)
    text = json.dumps(epoch(2))
    append(run, text[:30])
    assert read_from(path, first.offset) == ([], first.offset, 0, False)  # half a line: left for the next time
    append(run, text[30:] + "\n")
    second = read_from(path, first.offset)
    assert [line["epoch"] for line in second.lines] == [2]
    append(run, '{"epoch": 3, "ep' + json.dumps(epoch(4)) + "\n[]\n{}\nnull\n\xff\n")
    append(run, epoch(5))
    third = read_from(path, second.offset)
    assert ([line["epoch"] for line in third.lines], third.broken) == ([5], 5)
    path.write_text(json.dumps(epoch(1)) + "\n")  # written anew
    assert [line["epoch"] for line in read_from(path, third.offset).lines] == [1]
    assert read_from(tmp_path / "none", 5) == ([], 0, 0, False)


def test_long_histories_come_in_parts(tmp_path):
    run = written(tmp_path, "run", 0)
    (run / "metrics.jsonl").write_text("".join(json.dumps(epoch(n + 1, 9000)) + "\n" for n in range(9000)))
    with client(tmp_path) as page:
        epochs, offset, more = [], 0, True
        while more:
            part = page.get("/api/runs/run/history", params={"from": offset}).json()
            epochs += [line["epoch"] for line in part["lines"]]
            offset, more = part["offset"], part["more"]
    assert epochs == list(range(1, 9001))
    assert offset == (run / "metrics.jsonl").stat().st_size


@pytest.mark.parametrize("epochs", [1, 2, 39, 40, 41, 399, 400, 401, 5000])
def test_sparklines_have_few_numbers_and_both_ends(epochs, tmp_path):
    run = written(tmp_path, "run", 0)
    course = Course(run / "metrics.jsonl")
    for n in range(epochs):
        append(run, epoch(n + 1, epochs, loss=float(n)))
        if n < 60 or n % 97 == 0:
            course.refresh()
            assert course.losses[-1] == n + 1
    course.refresh()
    assert not course.refresh()
    losses = course.losses
    assert losses[0] == 1.0
    assert losses[-1] == epochs
    assert len(losses) == min(epochs, POINTS)
    assert losses == sorted(set(losses))
    whole = Course(run / "metrics.jsonl")
    whole.refresh()
    assert whole.losses == losses


def test_sparklines_pass_over_what_is_broken(tmp_path):
    run = written(tmp_path, "run", 2)
    append(run, '{"epoch": 3\n[1]\nnull\n{"epoch": "x", "train": 5}\n')
    append(run, epoch(4) | {"validation": None})
    append(run, epoch(5) | {"validation": {"loss": None}})
    course = Course(run / "metrics.jsonl")
    course.refresh()
    assert course.losses == [11.0, 6.0, 2.5]
    assert course.last["epoch"] == 5
    (run / "metrics.jsonl").unlink()
    assert course.refresh()
    assert course.losses == []


def test_frames_come_in_parts(page, run, monkeypatch):
    kept = Run(run).frames
    every = kept.epochs
    message = load(page.get("/api/runs/cloud/frames").content)
    assert message["epochs"].tolist() == every
    np.testing.assert_array_equal(message["originals"], kept.originals["x"])
    np.testing.assert_array_equal(message["reconstructions"][-1], kept.read(every[-1])["reconstruction"])
    np.testing.assert_array_equal(message["samples"][-1], kept.read(every[-1])["samples"])
    answer = page.get("/api/runs/cloud/frames", params={"from": every[-1], "to": every[-1]})
    assert load(answer.content)["epochs"].tolist() == [every[-1]]
    monkeypatch.setattr(routes, "MOST", 1)
    answer = page.get("/api/runs/cloud/frames").content
    header = json.loads(answer[8 : 8 + int.from_bytes(answer[:8], "little")])
    assert json.loads(header["__metadata__"]["json"]) == {"next": every[1], "kind": "table", "labels": None}
    assert load(answer)["epochs"].tolist() == every[:1]
    assert page.get("/api/runs/cloud/frames", params={"from": 999}).status_code == 200


def test_frames_that_are_broken_are_left_out(run, tmp_path):
    shutil.copytree(run, tmp_path / "cloud")
    kept = Run(tmp_path / "cloud").frames
    kept.path_of(1).write_bytes(b"broken")
    with client(tmp_path) as page:
        assert load(page.get("/api/runs/cloud/frames").content)["epochs"].tolist() == kept.epochs[1:]
        shutil.rmtree(kept.folder)
        answer = page.get("/api/runs/cloud/frames")
        assert answer.status_code == 404
        assert "no frames" in answer.json()["error"]


def test_labels_of_frames_are_names():
    assert routes._named(np.array([1, 0], np.int32), ["a", "b"]) == ["b", "a"]
    assert routes._named(np.array([1, 2], np.int32), ["a", "b"]) == ["1", "2"]
    assert routes._named(np.array([0.5], np.float32), None) == ["0.5"]


def test_pictures_are_those_of_the_run(page, run):
    answer = page.get("/api/runs/cloud/pictures/latent.png")
    assert answer.headers["content-type"] == "image/png"
    assert answer.content == (run / "latent.png").read_bytes()
    assert page.get("/api/runs/cloud/pictures/epoch_0001.png").status_code == 200
    for name in ("run.json", "none.png", "model.json", "latent.PNG"):
        assert page.get(f"/api/runs/cloud/pictures/{name}").status_code == 404
    (run / "link.png").symlink_to(run / "run.json")
    assert page.get("/api/runs/cloud/pictures/link.png").status_code == 404


def test_folders_without_runs_are_no_error(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        with client(folder) as page:
            assert page.get("/api/runs").json() == {"runs": [], "problems": []}
            assert page.get("/api/page").json()["folder"] == folder.name


def test_runs_that_are_broken_are_told_and_the_others_shown(tmp_path):
    written(tmp_path, "good")
    for name, text in (("broken", "{"), ("list", "[]"), ("form", '{"format": 1}'), ("later", '{"format": 99}')):
        written(tmp_path, name)
        (tmp_path / name / "run.json").write_text(text)
    (tmp_path / "file").write_text("")
    (tmp_path / "no run").mkdir()
    with client(tmp_path) as page:
        answer = page.get("/api/runs").json()
        assert [row["name"] for row in answer["runs"]] == ["good"]
        assert len(answer["problems"]) == 4
        assert page.get("/api/runs/broken").status_code == 404
        (tmp_path / "broken" / "run.json").write_text((tmp_path / "good" / "run.json").read_text())
        (tmp_path / "good" / "run.json").write_text("")
        answer = page.get("/api/runs").json()
        assert [row["name"] for row in answer["runs"]] == ["broken"]
        assert len(answer["problems"]) == 4


def test_records_with_odd_content_cost_no_other_run(tmp_path, monkeypatch):
    written(tmp_path, "good")
    odd = written(tmp_path, "odd")
    with client(tmp_path) as page:
        assert len(page.get("/api/runs").json()["runs"]) == 2
        monkeypatch.setattr("narrows.page.watch.row_of", lambda run, _: 1 / 0 if run.name == "odd" else row_of(run, _))
        (odd / "run.json").write_text(json.dumps(run_record(epoch=7)))
        answer = page.get("/api/runs").json()
        assert [row["name"] for row in answer["runs"]] == ["good"]
        assert "odd: must hold a run that can be shown; ZeroDivisionError" in answer["problems"][0]
        assert page.head("/api/events").status_code == 200


def test_a_single_run(tmp_path):
    written(tmp_path, "one")
    written(tmp_path, "two")
    with client(tmp_path, only="two") as page:
        assert [row["name"] for row in page.get("/api/runs").json()["runs"]] == ["two"]
        assert page.get("/api/runs/one").status_code == 404
        assert page.post("/api/runs/two/rename", json={"to": "three"}).json() == {"run": "three"}
        assert [row["name"] for row in page.get("/api/runs").json()["runs"]] == ["three"]


def test_only_what_changed_is_read_again(tmp_path, monkeypatch):
    for i in range(5):
        written(tmp_path, f"run-{i}")
    active = running(tmp_path, "active")
    watch = Watch(tmp_path)
    first = watch.refresh()
    assert len(watch.since(0).changed) == 6
    monkeypatch.setattr("narrows.page.watch.Run", None)  # nothing is read again
    assert watch.refresh() == watch.refresh(all_=False) == first
    assert watch.since(first) == (first, [], [], None)
    append(active, epoch(4, 8))
    second = watch.refresh(all_=False)
    change = watch.since(first)
    assert [(row["name"], row["epoch"], row["status"]) for row in change.changed] == [("active", 4, "running")]
    assert change.changed[0]["left"] == pytest.approx(2.0)
    shutil.rmtree(tmp_path / "run-3")
    watch.refresh()
    assert watch.since(second).gone == ["run-3"]
    assert watch.since(0).gone == []


def test_a_run_whose_process_is_gone_is_told(tmp_path):
    active = running(tmp_path, "active")
    watch = Watch(tmp_path)
    watch.refresh()
    record = json.loads((active / "run.json").read_text())
    record["process"]["pid"] = 2**22 + 1  # no process has such a number
    (active / "run.json").write_text(json.dumps(record))
    watch.refresh()
    (row,) = watch.since(0).changed
    assert (row["status"], row["resumable"], row["left"]) == ("interrupted", True, None)


def test_names_that_are_no_text_are_told(tmp_path):
    name = b"odd\xff".decode("utf-8", "surrogateescape")
    written(tmp_path, name)
    with client(tmp_path) as page:
        answer = page.get("/api/runs").json()
    assert answer["runs"] == []
    assert "must be text" in answer["problems"][0]


def test_the_newest_comes_first(tmp_path):
    for name, day in (("old", 1), ("new", 3), ("middle", 2)):
        written(tmp_path, name, started=f"2026-01-0{day}T00:00:00.000+00:00")
    with client(tmp_path) as page:
        assert [row["name"] for row in page.get("/api/runs").json()["runs"]] == ["new", "middle", "old"]
