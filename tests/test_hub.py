"""Sharing a model: addresses, what a card and a record must not say, and pushing to a stand-in of the hub."""

import getpass
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import narrows
from hub_server import TOKEN, hub_server
from narrows import PCA, VAE
from narrows.cli import main
from narrows.errors import ConfigError, DownloadError, FormatError
from narrows.evaluation import diagnose
from narrows.hub.private import NAME, SECRET, Private
from narrows.runs import Run, record
from narrows.runs.folder import PICTURES
from narrows.storage.hub import READ, Address, told
from narrows.storage.json import read_json, write_json
from narrows.training.report import read_all

HOME = "/home/alice.smith"
USER = "alice.smith"
SECRETS = ("hf_AbCdEfGhIjKlMnOp", "ghp_0123456789abcdefABCD", "hunter2hunter2", "sk-abcdefghijklmnopqrst")


@pytest.mark.parametrize(("text", "repository", "revision"), [
    ("hf://alice/digits", "alice/digits", None), ("alice/digits", "alice/digits", None),
    ("hf://alice/digits@v1.0", "alice/digits", "v1.0"), ("hf://a-b/c.d_e@refs/pr/1", "a-b/c.d_e", "refs/pr/1"),
])  # fmt: skip
def test_addresses(text, repository, revision):
    assert Address.parse(text) == (repository, revision)
    assert Address.parse(str(Address.parse(text))) == (repository, revision)


@pytest.mark.parametrize("text", [
    "hf://", "hf://digits", "hf://a/b/c", "hf://../b", "hf://a/..", "hf://a/b@", "hf://a/b@../x", "hf://a/b@-x",
    "hf://a b/c", "hf://a/b?x=1", "hf://user:secret@host/x", "a/b.git", "hf://a//b", "hf:///etc/passwd", "hf://a/b\n",
])  # fmt: skip
def test_what_is_no_address_is_refused_before_anything_is_asked(text):
    with pytest.raises(ConfigError, match=r"^hub: address must be user/name"):
        Address.parse(text)


@pytest.fixture
def private():
    return Private({"data": {"place": {"absolute": f"{HOME}/My Data/cells of bob.csv"}}, "note": "/Users/carol/x"})


@pytest.mark.parametrize(("text", "clean"), [
    (f"{HOME}/My Data/cells of bob.csv", "cells of bob.csv"),
    (f"read from {HOME}/My Data/cells of bob.csv today", "read from cells of bob.csv today"),
    ("/srv/x/labels.csv", "labels.csv"), ("../secret project/labels.csv", "labels.csv"), ("~/labels.csv", "labels.csv"),
    ("~", "files"), ("/", "files"), ("data/labels.csv", "labels.csv"), (r"C:\Users\dave\x y.csv", "x y.csv"),
    (r"\\server\share\x.csv", "x.csv"), ("file:///srv/x/y.csv", "y.csv"), ("see /srv/x/y.csv, /tmp/z", "see y.csv, z"),
    (f"by {USER}, and Alice.Smith", f"by {NAME}, and {NAME}"), ("carol_cells.csv", f"{NAME}_cells.csv"),
    ("caroline", "caroline"), ("alice.smith@example.org wrote", f"{NAME} wrote"),
    ("token=abc", f"token={SECRET}"), ("api_key: 'abc'", f"api_key: {SECRET}'"),
    ("postgresql://bob:hunter2hunter2@db/x", "postgresql://db/x"),
    ("https://example.org/x.csv?sig=abc#d", "https://example.org/x.csv"),
    ("https://example.org/a/b.csv", "https://example.org/a/b.csv"), ("CC BY 4.0 (UCI)", "CC BY 4.0 (UCI)"),
    ("tokens are words", "tokens are words"), ("0.5 to 1", "0.5 to 1"), ("mlp:400x100", "mlp:400x100"),
    ("scikit-learn: test part of UCI's digits", "scikit-learn: test part of UCI's digits"),
])  # fmt: skip
def test_texts_are_cleaned(private, text, clean):
    assert private.text(text) == clean


def test_tokens_of_services_and_of_this_process_are_cleaned(private, monkeypatch):
    for secret in (*SECRETS[:2], SECRETS[3], "AKIA0123456789ABCDEF", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc"):
        assert private.text(f"x {secret} y") == f"x {SECRET} y"
    monkeypatch.setenv("MY_SERVICE_TOKEN", "correct-horse-battery")
    assert Private({}).text("x correct-horse-battery y") == f"x {SECRET} y"


def test_commands_are_cleaned(private):
    words = [f"{HOME}/venv/bin/narrows", "train", "vae", "--data", f"{HOME}/My Data/x y.csv", "--data-option",
             f"labels={HOME}/y.csv", "--token", "abc", "--password=abc", "--latent-dim", "8"]  # fmt: skip
    assert private.command(words) == [
        "narrows", "train", "vae", "--data", "x y.csv", "--data-option", "labels=y.csv", "--token", SECRET,
        f"--password={SECRET}", "--latent-dim", "8",
    ]  # fmt: skip


def test_names_of_this_machine_are_cleaned(monkeypatch):
    monkeypatch.setenv("USER", "erika")
    monkeypatch.setattr(Path, "home", lambda: Path("/home/mustermann"))
    assert Private({}).text("erika in /home/mustermann/x; mustermann") == f"{NAME} in x; {NAME}"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "digits"
    data = narrows.load_dataset("digits", limit=200)
    command = ["narrows", "train", "vae", "--data", "digits"]
    model = VAE(latent_dim=2, network="mlp:8", epochs=2)
    run = read_all(record(model, data, folder, command=command, pictures=False))
    for name in PICTURES:  # drawing them takes longer than all else here
        run.draw(name, Image.new("RGB", (4, 4), "red"))
    return run


@pytest.fixture
def hostile(trained, tmp_path):
    """Return a run whose record names paths, people and secrets wherever it can."""
    import shutil

    folder = shutil.copytree(trained.folder, tmp_path / "hostile")
    path = folder / "run.json"
    hostile = f"{HOME}/My Data/{USER} cells.csv token={SECRETS[2]} {SECRETS[0]} {SECRETS[1]}"
    values = read_json(path)
    values["command"] = [f"{HOME}/bin/narrows", "train", f"{HOME}/a b/x.csv", "--note", hostile, f"key={SECRETS[3]}"]
    values["data"] |= {
        "name": f"{HOME}/My Data/{USER} cells.csv", "source": f"`{hostile}` <script> | x", "licence": hostile,
        "options": {"labels": f"{HOME}/My Data/labels.csv", "drop": hostile},
        "place": {"absolute": f"{HOME}/My Data/{USER} cells.csv", "relative": f"../../{USER}/cells.csv"},
    }  # fmt: skip
    values |= {
        "platform": f"Linux {HOME}", "error": hostile, "notes": hostile, "versions": {"narrows": "0.1.0", "x": hostile},
        "logged": {"to": "x", "folder": HOME, "scalars": [], "images": [], "epoch": 1},
        "analyses": {"map": {"where": hostile}}, "process": {"pid": 1, "node": USER, "started": 1.0},
    }  # fmt: skip
    values.pop("process")
    write_json(path, values)
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    lines[-1] = json.dumps({**json.loads(lines[-1]), "note": hostile})
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    with Image.open(folder / "curves.png") as picture:
        info = PngInfo()
        info.add_text("Author", hostile)
        picture.copy().save(folder / "curves.png", pnginfo=info)
    (folder / "model" / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    (folder / "notes.txt").write_text(hostile)
    return Run(folder)


def test_nothing_private_reaches_what_is_uploaded(hostile, tmp_path):
    findings = diagnose(hostile.load(), narrows.load_dataset("digits", limit=200).train)
    files = narrows.hub.write_package(hostile, tmp_path / "out", Address("bob/x"), findings=findings)
    names = {path.relative_to(tmp_path / "out").as_posix() for path in files}
    assert {"README.md", "run.json", "metrics.jsonl", "model/model.json"} <= names
    assert not any(name.endswith((".bin", ".txt", ".pkl")) for name in names)
    for path in files:
        content = path.read_bytes()
        for word in (HOME, USER, "My Data", *SECRETS, str(hostile.folder), str(tmp_path), "alice"):
            assert word.lower().encode() not in content.lower(), (path.name, word)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "\\<script\\>" in card or "<script>" in card.split("Source: ")[1].split("\n")[0]  # in code, or escaped
    assert f"{NAME} cells.csv" in card  # the file's name stays, without the user's


def test_the_card_of_a_run(trained, tmp_path):
    advice = diagnose(trained.load(), narrows.load_dataset("digits", limit=200).train)
    narrows.hub.write_package(trained, tmp_path / "out", Address("bob/digits"), licence="mit", findings=advice)
    card = (tmp_path / "out" / "README.md").read_text()
    errors = trained.summary["squared_error"]
    from narrows.numbers import number

    assert card.startswith("---\n")
    for text in (
        "license: mit", "library_name: narrows", f"value: {errors['model']}", "CC BY 4.0",
        f"| vae, latent dimension 2 | {number(errors['model'])} |",
        f"| PCA, latent dimension 2 | {number(errors['pca'])} |",
        "`narrows train vae --data digits`", "arXiv:1312.6114", 'narrows.load("hf://bob/digits")', "## Limits",
        "![originals above their reconstructions](reconstructions.png)", "torch ", "## Advice", "limit=200",
    ):  # fmt: skip
        assert text in card, text
    hub = pytest.importorskip("huggingface_hub")
    metadata = hub.ModelCard(card).data.to_dict()
    assert metadata["license"] == "mit"
    assert hub.ModelCard(card).data.eval_results[0].metric_value == errors["model"]
    again = Run(tmp_path / "out")  # it is a run folder
    assert np.array_equal(again.load().codes_, trained.load().codes_)
    assert again.history == trained.history


def test_a_run_with_modules_of_the_users_own_is_refused(tmp_path):
    import torch

    data = narrows.load_dataset("cloud", samples=50)
    model = narrows.AE(latent_dim=1, epochs=1, network=(torch.nn.Linear(2, 1), torch.nn.Linear(1, 2)))
    run = read_all(record(model, data, tmp_path / "run", pictures=False))
    with pytest.raises(FormatError, match="was a user's own object"):
        narrows.hub.write_package(run, tmp_path / "out", Address("bob/x"))


def test_dry_run_writes_what_would_be_uploaded(trained, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["push", str(trained.folder), "bob/digits", "--dry-run", "--out", str(out), "--no-pictures"]) == 0
    said = capsys.readouterr().out
    assert "nothing was uploaded" in said
    assert str(out / "README.md") in said
    assert not list(out.glob("*.png"))
    assert main(["push", str(trained.folder), "bob/digits", "--dry-run", "--out", str(out)]) == 2  # it is not empty
    assert main(["push", str(trained.folder), "digits", "--dry-run"]) == 2
    assert main(["push", str(trained.folder), "bob/digits", "--licence", "My Own", "--dry-run"]) == 2


def test_without_the_extra_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ConfigError, match=r'pip install "narrows\[hub\]"'):
        narrows.load("hf://alice/digits")


# A stand-in of the hub ------------------------------------------------------------------------------------------------


@pytest.fixture
def hub():
    with hub_server() as hub:
        yield hub


@pytest.fixture
def run_narrows(hub, tmp_path):
    """Return a function that runs narrows, or Python, in a process that knows the stand-in as the hub."""
    source = str(Path(narrows.__file__).parents[1])
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    environment = {**clean, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1",
                   "HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONPATH": source, "NO_PROXY": "127.0.0.1"}  # fmt: skip

    def run(*words, token=None, code=0, **more):
        given = environment | ({"HF_TOKEN": token} if token else {}) | more
        done = subprocess.run(
            [sys.executable, *words], capture_output=True, text=True, env=given, cwd=tmp_path, timeout=300
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


LOAD = """
import sys, numpy as np, narrows
model = narrows.load(sys.argv[1])
np.save(sys.argv[2], model.transform(narrows.load_dataset("digits", limit=200).test))
"""


@pytest.mark.slow
def test_push_and_load_back(trained, hub, run_narrows, tmp_path):
    data = narrows.load_dataset("digits", limit=200)
    codes = trained.load().transform(data.test)
    said = run_narrows("-m", "narrows", "push", str(trained.folder), "bob/digits", token=TOKEN)
    assert "hf://bob/digits" in said
    repository = hub.repositories["bob/digits"]
    assert not repository.private
    first = repository.sha("main")
    files = repository.files()
    assert b"license" not in files["README.md"].split(b"---")[1]
    assert TOKEN.encode() not in b"".join(files.values())
    assert getpass.getuser() == "root" or getpass.getuser().encode() not in files["README.md"]

    # what is no JSON and no tensors lies there as well, and is neither fetched nor loaded
    bad = {"pytorch_model.bin": b"\x80\x04.", "model/evil.pkl": b"\x80\x04.", "model/model-0.bin": b"\x80\x04."}
    repository.commit("main", "evil", bad)
    run_narrows("-c", LOAD, "hf://bob/digits", str(tmp_path / "codes.npy"))
    assert np.array_equal(np.load(tmp_path / "codes.npy"), codes)
    fetched = {path.name for path in (tmp_path / "hf").rglob("snapshots/*/**/*") if not path.is_dir()}
    assert "model.json" in fetched
    assert not any(name.endswith((".bin", ".pkl", ".png", ".md")) for name in fetched)
    assert not any("evil" in path or ".bin" in path for _, path, _ in hub.requests)

    # the command line takes the address for a run
    said = run_narrows("-m", "narrows", "encode", "hf://bob/digits", "--data", "digits", code=2)
    assert "--out must be given" in said
    out = tmp_path / "codes.csv"
    run_narrows("-m", "narrows", "encode", "hf://bob/digits", "--data", "digits", "--limit", "200", "--split", "test",
                "--out", str(out))  # fmt: skip
    assert len(out.read_text().splitlines()) == len(data.test) + 1

    # a second push leaves no file of the first model behind, and the revision of the first is there still
    other = tmp_path / "other"
    read_all(record(PCA(latent_dim=2), data, other, pictures=False))
    run_narrows("-m", "narrows", "push", str(other), "bob/digits", token=TOKEN)
    assert len([path for path in repository.files() if path.endswith(".safetensors")]) == 1
    assert "samples.png" not in repository.files()
    assert "pytorch_model.bin" in repository.files()  # not ours
    run_narrows("-c", LOAD, f"hf://bob/digits@{first}", str(tmp_path / "first.npy"))
    assert np.array_equal(np.load(tmp_path / "first.npy"), codes)
    run_narrows("-c", LOAD, "hf://bob/digits", str(tmp_path / "second.npy"))
    assert np.allclose(np.load(tmp_path / "second.npy"), narrows.load(other).transform(data.test))


@pytest.mark.slow
def test_private_repositories_and_what_goes_wrong(trained, hub, run_narrows, tmp_path):
    push = ("-m", "narrows", "push", str(trained.folder), "bob/secret", "--private", "--no-advice")
    assert "hf auth login" in run_narrows(*push, code=2)
    assert hub.repositories == {}
    run_narrows(*push, token=TOKEN)
    assert hub.repositories["bob/secret"].private
    target = str(tmp_path / "codes.npy")
    (tmp_path / "hf").mkdir(exist_ok=True)
    for address, sentence in (("hf://bob/secret", "hf auth login"), ("hf://bob/none", "there is none of that name")):
        said = run_narrows("-m", "narrows", "show", address, code=2)
        assert sentence in said
        assert "Traceback" not in said
    said = run_narrows("-m", "narrows", "show", "hf://bob/secret@nowhere", token=TOKEN, code=2)
    assert "there is no revision 'nowhere'" in said
    (tmp_path / "hf" / "token").write_text(TOKEN)  # as `hf auth login` stores it
    run_narrows("-c", LOAD, "hf://bob/secret", target)
    assert np.array_equal(np.load(target), trained.load().transform(narrows.load_dataset("digits", limit=200).test))
    away = "http://127.0.0.1:9"  # nobody answers there
    run_narrows("-c", LOAD, "hf://bob/secret", target, HF_ENDPOINT=away)  # it was fetched before
    said = run_narrows("-m", "narrows", "show", "hf://bob/none", HF_ENDPOINT=away, code=2)
    assert "cannot be reached" in said
    hub.repositories["bob/secret"].commit("main", "spoiled", {"model/model.json": b"{}"})
    encode = ("-m", "narrows", "encode", "hf://bob/secret", "--data", "digits", "--out", "x.npy")
    assert "must name its tensors by a checksum" in run_narrows(*encode, token=TOKEN, code=2)


@pytest.mark.slow
def test_a_hub_without_xet_says_what_to_do(trained, hub, run_narrows):
    pytest.importorskip("hf_xet", reason="needs hf_xet")
    push = ("-m", "narrows", "push", str(trained.folder), "bob/digits", "--no-advice")
    said = run_narrows(*push, token=TOKEN, code=2, HF_HUB_DISABLE_XET="0")
    assert "Xet storage does not answer (404 Not Found)" in " ".join(said.split())
    assert "HF_HUB_DISABLE_XET=1" in said
    run_narrows(*push, token=TOKEN)
    assert any(path.endswith(".safetensors") for path in hub.repositories["bob/digits"].files())


@pytest.mark.parametrize(("error", "sentence"), [
    (ConnectionError("HTTP error (404 Not Found), domain: http://x/xet-write-token/main"), "(404 Not Found)"),
    (RuntimeError("no route to cas-server.xethub.hf.co"), "Xet storage does not answer (RuntimeError)"),
    (ConnectionError("no route"), "the hub cannot be reached"),
])  # fmt: skip
def test_errors_of_storage_and_of_the_hub_are_told_apart(error, sentence):
    with pytest.raises(DownloadError) as raised, told(Address("a/b")):
        raise error
    assert sentence in str(raised.value)
    with pytest.raises(RuntimeError, match="else"), told(Address("a/b")):
        raise RuntimeError("something else")


def test_what_is_fetched_is_json_and_tensors():
    assert all(pattern.endswith((".json", ".jsonl", ".safetensors")) for pattern in READ)
