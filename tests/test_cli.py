import csv
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from narrows import ESTIMATORS, load, load_dataset
from narrows.cli.app import main
from narrows.cli.arguments import axis_of, options_of, values_of_flags
from narrows.cli.config import plan
from narrows.errors import ConfigError
from narrows.evaluation import squared_error
from narrows.numbers import duration, number
from narrows.params import fields
from narrows.runs import Run
from narrows.storage.lock import lock_of, locked
from narrows.training import Report
from narrows.training.progress import line, printed

pytestmark = pytest.mark.usefixtures("blank_pictures")


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with one finished VAE and one PCA on the drawn cloud; tests only read it."""
    folder, before = tmp_path_factory.mktemp("place"), os.getcwd()
    os.chdir(folder)
    try:
        flags = ["--data", "cloud", "--data-option", "samples=100", "--latent-dim", "1"]
        assert main(["train", "pca", *flags]) == 0
        assert main(["train", "vae", *flags, "--network", "mlp:8x4", "--epochs", "3"]) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def made(place, monkeypatch):
    monkeypatch.chdir(place)
    return place


def fails(tokens, capsys):
    """Run a command that must fail by a mistake of the user, and return its one line."""
    assert main(tokens) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    return captured.err


def width(path):
    with Image.open(path) as picture:
        return picture.width


@pytest.mark.slow
def test_help_needs_nothing_heavy():
    code = (
        "import sys; from narrows.cli.app import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'sklearn', 'scipy', 'matplotlib', 'PIL', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    for tokens in (["--help"], [], ["--version"], ["version"], ["encode", "--help"], ["nonsense"]):
        done = subprocess.run([sys.executable, "-c", code, *tokens], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_help_lists_commands_models_and_fields(capsys):
    main(["--help"])
    shown = capsys.readouterr().out
    for command in ("train", "runs", "show", "data", "encode", "reconstruct", "sample", "denoise", "version"):
        assert re.search(rf"│ {command}\b", shown)
    main(["train", "--help"])
    shown = capsys.readouterr().out
    assert all(re.search(rf"│ {model}\b", shown) for model in ESTIMATORS)
    main(["train", "vae", "--help"])
    shown = capsys.readouterr().out
    for field in fields(ESTIMATORS["vae"]):
        assert (field.name == "verbose") != (f"--{field.name.replace('_', '-')}" in shown)
    for heading in ("Data and files", "VAE", "Training"):
        assert f"─ {heading} ─" in shown


def test_help_shows_types_and_choices(capsys):
    main(["train", "vae", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for flag in (
        "--epochs INT", "--learning-rate FLOAT", "--network.hidden INT,...", "--adam-betas FLOAT,FLOAT",
        "--batch-size INT", "--likelihood NAME:VALUE", "--clip FLOAT", "--network NAME:VALUE",
        "--scale CHOICE", "--log CHOICE",
        "--data-option KEY=VALUE",
    ):  # fmt: skip
        assert f"{flag} " in shown
    assert "One of mlp, conv, recurrent, residual." in re.sub(r" │ │ ", " ", shown)


def test_version_is_printed(capsys):
    from narrows import __version__

    assert main(["version"]) == 0
    assert capsys.readouterr().out == f"narrows {__version__}\n"


def test_training_ends_with_a_table_and_paths_that_exist(here, capsys):
    assert main(["train", "vae", "--data", "cloud", "--data-option", "samples=100", "--epochs", "2"]) == 0
    shown = capsys.readouterr().out
    assert "vae on cloud: 90 training, 10 validation, 25 test samples" in shown
    assert len(re.findall(r"^epoch \d/2  loss .*validation .*samples/s", shown, re.M)) == 2
    run = Run(here / "runs" / "vae-cloud-1")
    errors = run.summary["squared_error"]
    assert re.search(rf"vae, latent dimension 1 +{re.escape(number(errors['model']))} ", shown)
    assert re.search(rf"PCA, latent dimension 1 +{re.escape(number(errors['pca']))}\s", shown)
    assert re.search(rf"ELBO +{re.escape(number(run.summary['elbo']))} +nats per sample", shown)
    paths = re.findall(r"^runs\S+\.png", shown, re.M)
    assert len(paths) == 4
    assert all(width(path) > 100 for path in paths)
    assert "\x1b" not in shown


@pytest.mark.parametrize("model", ["ae", "vae"])
def test_defaults_need_no_flags(model, here, capsys):
    assert main(["train", model, "--data", "cloud", "--data-option", "samples=100"]) == 0
    shown = capsys.readouterr().out
    assert f"{model} on cloud: 100 training, 25 test samples" in shown
    assert "held out: 25 of the training samples, which choose the best epoch" in shown
    run = Run(here / "runs" / f"{model}-cloud-1")
    assert (run.record["parameters"]["epochs"], run.summary["latent_dim"]) == ("auto", 1)
    assert run.history[-1]["epochs"] == 200


def test_every_train_flag_reaches_its_field_and_the_record(here):
    flags = "--network mlp --network.hidden 6,3 --network.activation tanh "
    flags += "--epochs 2 --adam-betas 0.8,0.9 --batch-size none --beta 0.5 --no-data-bias"
    assert main(["train", "vae", "--data", "arc", *flags.split(), "--out", "there", "--name", "mine"]) == 0
    parameters = Run("there/mine").record["parameters"]
    expected = {"adam_betas": [0.8, 0.9], "batch_size": None, "network": "mlp:6x3,activation=tanh", "beta": 0.5}
    assert {name: parameters[name] for name in expected} == expected
    assert parameters["data_bias"] is False
    assert load("there/mine").get_params()["network__hidden"] == (6, 3)


def test_flags_win_over_the_file_and_the_file_over_defaults(here):
    (here / "c.toml").write_text(
        'model = "ae"\ndata = "cloud"\nepochs = 9\nlatent-dim = 1\nnetwork = "mlp:8x4"\nvalidation = 0.3\n'
        "limit = 40\n[data_options]\nsamples = 50\nseed = 4\n"
    )
    asked = plan("ae", {"config": "c.toml", "epochs": "2", "data_option": ["samples=60"]})
    assert asked.values == {"epochs": 2, "latent_dim": 1, "network": "mlp:8x4"}
    assert (asked.data, asked.validation, asked.options) == ("cloud", 0.3, {"samples": 60, "seed": 4, "limit": 40})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("latent_dmi = 2", "got 'latent_dmi'. Did you mean 'latent_dim'?"),
        ("epochs = 'many'", "AE: epochs must be a whole number >= 1 and <= 500000 or 'auto'; got 'many'"),
        ("epochs = ", "must be a TOML file"),
        ("model = 'vae'", "model must be 'ae', as on the command line; got 'vae'"),
        ("data_options = 3", "data_options must be a table"),
        ("data = 3", "data must be a string; got 3"),
        ("validation = 1.5", "validation must be a share >= 0 and < 1; got 1.5"),
        ("latent_dmi = 2\nname = 3\nepochz = 1", "'latent_dim'? name must be a string; got 3. keys must be flags"),
        ('name = "a\\u0000b"', "name must be a string without the character NUL; got 'a\\x00b'"),
        ("[epochs]\nmany = 1", "epochs must be one value; got a table"),
        (
            "epochs = 1979-05-27",
            "epochs must be a whole number >= 1 and <= 500000 or 'auto'; got datetime.date(1979, 5, 27)",
        ),
        ("seed = 99999999999999999999", "seed must be a whole number >= 0; got 99999999999999999999. Whole numbers mu"),
        ("epochs = " + "9" * 5000, "must be a TOML file"),
        ("a = " + "[" * 100_000, "must be a TOML file; 'c.toml' is none: it nests too deeply"),
        ("\0\1\2", "must be a TOML file"),
        ("x = 1\n" * 200_000, "must have at most 1,048,576 bytes; 'c.toml' has more. Is it data?"),
        ("epochs = 0\nbatch_size = -1", "AE: batch_size must be"),
    ],
)
def test_mistakes_in_the_file_are_named(content, message, here, capsys):
    (here / "c.toml").write_text(content)
    assert message in fails(["train", "ae", "--config", "c.toml"], capsys)


NONSENSE = ("", "nan", "-1", "1e400", "é☃", "x" * 5000, "9" * 30, "a,b", "1,2", "[]", "mlp:", "{}", "%s", "../..")


@pytest.mark.parametrize("model", ["pca", "vae"])
def test_nonsense_in_any_flag_of_a_model_is_a_named_error_or_a_value(model):
    cls = ESTIMATORS[model]
    flags = [each.name for each in fields(cls)]
    flags += [f"{each.name}__{inner.name}" for each in fields(cls) if each.axis and not each.many
              for component in list(axis_of(each).values())[:1] for inner in fields(component)]  # fmt: skip
    messages = []
    for name in (*flags, "validation"):
        for text in NONSENSE:
            try:
                asked = plan(model, {name: text})
            except ConfigError as error:
                messages.append((name, text, str(error)))
            else:
                assert asked.values or name == "validation"
    assert len(messages) > 5 * len(flags)
    assert all(name.partition("__")[0] in message for name, _, message in messages)


def test_what_is_very_long_is_cut(here, capsys):
    assert len(fails(["train", "ae", "--data", "cloud", "--network", "x" * 5000], capsys)) < 700
    assert len(fails(["train", "ae", "--data", "x" * 5000], capsys)) < 700


def test_what_is_no_file_is_no_config(here, capsys):
    (here / "latin.toml").write_bytes(b'name = "\xe9"')
    os.mkfifo(here / "pipe")
    for path, message in {
        "latin.toml": "'latin.toml' is none: it is not UTF-8 text",
        "pipe": "must be an existing file; got 'pipe', which is no plain file",
        "/dev/zero": "must be an existing file; got '/dev/zero', which is no plain file",
        ".": "must be an existing file; got '.', which is no plain file",
        "missing": "must be an existing file; got 'missing', which does not exist",
        "x" * 5000: "must be a file that can be read",
        "a\0b": "must be an existing file",
    }.items():
        assert message in fails(["train", "ae", "--config", path], capsys)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("train ae --network mlp:1000000000", "AE: weights must fit into the memory of this machine"),
        ("trian", 'Did you mean "train"?'),
        ("train vea", "MODEL must be one of pca, ae, vae; got 'vea'. Did you mean 'vae'?"),
        ("train vae --epoch 3", "Unknown option: --epoch. Did you mean --epochs?"),
        ("train vae --epochs abc", "VAE: epochs must be a whole number >= 1 and <= 500000 or 'auto'; got 'abc'."),
        ("train vae --epochs", "--epochs requires an argument"),
        ("train vae --network cnov", "got 'cnov'. Did you mean 'conv'?"),
        ("train ae --data mnist5k", "Did you mean 'mnist-5k'?"),
        ("train ae --data cloud --data-option sample=5", "got 'sample'. Did you mean 'samples'?"),
        ("train ae --data cloud --data-option samples", "--data-option must be written key=value; got 'samples'."),
        ("train ae --data cloud --likelihood gausian", "Did you mean 'gaussian'?"),
        ("train pca --data cloud --latent-dim 3", "latent_dim must be at most min(n_samples, n_features) = 2"),
        ("train pca --validation 0.1", "Unknown option: --validation"),
        ("train pca --data cloud --name a/b", "--name must be the name of a folder; got 'a/b'."),
        ("train pca --data cloud --name ..", "--name must be the name of a folder; got '..'."),
        ("train ae --config none.toml", "config must be an existing file; got 'none.toml', which does not exist."),
        ("show", "RUN must be a run folder, or its name under runs/; got none. Train one first: narrows train vae."),
        ("data lwf", "Did you mean 'lfw'?"),
    ],
)
def test_mistakes_get_one_line_that_helps_and_leave_nothing(command, message, here, capsys):
    assert message in fails(command.split(), capsys)
    assert not list(here.glob("runs/*"))


def test_a_run_of_that_name_is_not_overwritten(made, capsys):
    before = (made / "runs/vae-cloud-1/run.json").read_bytes()
    message = fails(["train", "vae", "--data", "cloud", "--epochs", "1", "--name", "vae-cloud-1"], capsys)
    assert "holds another run. Choose another name." in message
    assert (made / "runs/vae-cloud-1/run.json").read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", ["train vae --name held", "train vae --out=runs --name=held", "resume held", "resume"]
)
def test_who_trains_into_a_folder_is_told_before_the_models_are_imported(command, here):
    lock = lock_of(here / "runs/held")
    lock.parent.mkdir(parents=True)
    (here / "runs/held/run.json").write_text('{"status": "running", "started": "2026"}')
    code = (
        "import sys; from narrows.cli.app import main; message = main(sys.argv[1:])\n"
        "assert not {'torch', 'sklearn', 'scipy'} & set(sys.modules); sys.exit(message)"
    )
    with locked(lock):
        done = subprocess.run([sys.executable, "-c", code, *command.split()], capture_output=True, text=True)
    assert done.returncode == 2
    assert re.search(f"^error: .*; process {os.getpid()} on .* is at it", done.stderr)
    assert done.stderr.count("\n") == 1


def test_runs_and_show(made, capsys):
    assert main(["runs"]) == 0
    shown = capsys.readouterr().out
    names = re.findall(r"^ (\S+-cloud-1) +finished", shown, re.M)
    assert sorted(names) == ["pca-cloud-1", "vae-cloud-1"]
    for name in ("vae-cloud-1", "runs/vae-cloud-1"):
        assert main(["show", name]) == 0
        shown = capsys.readouterr().out
        assert "vae: latent_dim=1, network=mlp:8x4, epochs=3" in shown
        assert "90 training, 10 validation, 25 test of 2 values" in shown
    assert "Did you mean 'vae-cloud-1'?" in fails(["show", "vae-clod-1"], capsys)
    assert "must be a run folder, with run.json" in fails(["show", "runs"], capsys)


def test_pca_is_not_held_against_itself(made, capsys):
    assert main(["show", "pca-cloud-1"]) == 0
    shown = capsys.readouterr().out
    errors = Run("runs/pca-cloud-1").summary["squared_error"]
    assert re.search(rf"^ pca, latent dimension 1 +{re.escape(number(errors['pca']))} +$", shown, re.M)
    assert "PCA, latent" not in shown
    assert re.search(r"^ the mean sample +[\d.]+ +\S+ $", shown, re.M)


def test_no_runs_yet(here, capsys):
    assert main(["runs"]) == 0
    assert "No runs in runs/. Train one: narrows train vae" in capsys.readouterr().out


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_tables_fit_the_terminal(columns, made, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(columns))
    for command in (["runs"], ["data"], ["data", "cloud"]):
        assert main(command) == 0
        assert max(map(len, capsys.readouterr().out.splitlines())) <= columns


def test_data_sets_are_listed(capsys):
    from narrows.data import DATASETS

    assert main(["data"]) == 0
    shown = capsys.readouterr().out
    assert all(re.search(rf"^ {re.escape(name)}\s", shown, re.M) for name in DATASETS)


def test_encode_writes_what_transform_returns(made, tmp_path, capsys):
    data = load_dataset("cloud", samples=100, validation=0.1)
    estimator = load("runs/vae-cloud-1")
    assert main(["encode", "vae-cloud-1", "--out", f"{tmp_path}/z.npy"]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "z.npy"), estimator.transform(data.test))
    assert "25 codes of latent dimension 1 (25 test samples)" in capsys.readouterr().out
    assert main(["encode", "vae-cloud-1", "--out", f"{tmp_path}/z.csv", "--split", "all"]) == 0
    rows = list(csv.reader((tmp_path / "z.csv").read_text().splitlines()))
    assert rows[0] == ["row", "code_1"]
    everything = estimator.transform(data.split("all").X)
    np.testing.assert_array_equal(np.array(rows[1:], np.float32)[:, 1:], everything)


def test_other_files_are_encoded_in_their_own_order_with_their_labels(made, tmp_path):
    X = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    names = [("low", "high")[int(x[0] > 0)] for x in X]
    lines = ["a,b,kind", *(f"{a:.9g},{b:.9g},{name}" for (a, b), name in zip(X, names, strict=True))]
    (tmp_path / "x.csv").write_text("\n".join(lines) + "\n")
    out = tmp_path / "z.csv"
    flags = ["--data", f"{tmp_path}/x.csv", "--data-option", "label=kind", "--out", str(out)]
    assert main(["encode", "pca-cloud-1", *flags]) == 0
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [row["label"] for row in rows] == names
    codes = np.array([float(row["code_1"]) for row in rows])
    np.testing.assert_allclose(codes, load("runs/pca-cloud-1").transform(X)[:, 0], rtol=1e-5, atol=1e-6)


def test_reconstruct_tells_the_error_and_writes_numbers_or_a_picture(made, tmp_path, capsys):
    data = load_dataset("cloud", samples=100, validation=0.1)
    rebuilt = load("runs/vae-cloud-1").reconstruct(data.test)
    assert main(["reconstruct", "vae-cloud-1", "--out", f"{tmp_path}/r.npy"]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "r.npy"), rebuilt)
    error = float(squared_error(load("runs/vae-cloud-1"), data.test).mean())
    assert f"squared error {number(error)} per sample, 25 test samples" in capsys.readouterr().out
    again = ["reconstruct", "vae-cloud-1", "--index", "0,3", "--out", f"{tmp_path}/r.npy"]
    assert "r.npy' is there. Add --force to replace it." in fails(again, capsys)
    assert main([*again, "--force"]) == 0
    np.testing.assert_allclose(np.load(tmp_path / "r.npy"), rebuilt[[0, 3]], atol=1e-6)
    assert main(["reconstruct", "vae-cloud-1", "--out", f"{tmp_path}/new/r.png"]) == 0
    assert width(tmp_path / "new/r.png") > 300


def test_samples_are_those_of_the_seed(made, tmp_path):
    for name, seed in (("a", "5"), ("b", "5"), ("c", "6")):
        assert main(["sample", "vae-cloud-1", "-n", "7", "--seed", seed, "--out", f"{tmp_path}/{name}.npy"]) == 0
    a, b, c = (np.load(tmp_path / f"{name}.npy") for name in "abc")
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(a, load("runs/vae-cloud-1").sample(7, seed=5))
    assert not np.allclose(a, c)


def test_denoise_compares_noisy_and_denoised(made, tmp_path, capsys):
    assert main(["denoise", "pca-cloud-1", "--corruption", "gaussian:0.5", "--out", f"{tmp_path}/d.png"]) == 0
    shown = capsys.readouterr().out
    errors = {name: float(value) for name, value in re.findall(r"^ (noisy|denoised) +([\d.]+)", shown, re.M)}
    assert errors["noisy"] == pytest.approx(2 * 0.25, rel=0.5)  # two values of variance 0.25
    assert errors["denoised"] < errors["noisy"]
    assert width(tmp_path / "d.png") > 300
    assert main(["denoise", "pca-cloud-1", "--index", "7", "--out", f"{tmp_path}/e.png"]) == 0
    assert "1 test sample, gaussian:0.3" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("sample pca-cloud-1", "PCA: sampler must be 'gaussian', 'gmm', 'kde' or 'flow'"),
        ("sample vae-cloud-1 -n 0", "n must be a whole number >= 1; got 0"),
        ("sample vae-cloud-1 --seed=-1", "seed must be a whole number >= 0; got -1"),
        ("sample vae-cloud-1 --out x.jpg", "--out must end in .png, .csv, .parquet, .npy or .npz; got 'x.jpg'"),
        ("encode vae-cloud-1 --split tset", "got 'tset'. Did you mean 'test'?"),
        ("encode pca-cloud-1 --split validation", "split must be one of train, test, all for 'cloud'"),
        (
            "reconstruct vae-cloud-1 --index 99",
            "--index must be whole numbers from 0 to 24, such as 7 or 0,3,5; got '99'",
        ),
        ("denoise vae-cloud-1 --corruption gausian:1", "Did you mean 'gaussian'?"),
        ("encode vae-cloud-1 --data arc", "X must have samples of shape"),
    ],
)
def test_mistakes_with_runs_are_named(command, message, made, capsys):
    error = fails(command.split(), capsys)
    if "--data arc" not in command:
        assert message in error
    else:
        assert "VAE: " in error


def test_data_that_have_changed_since_are_told(here, capsys):
    np.save("x.npy", np.random.default_rng(0).normal(size=(50, 3)))
    assert main(["train", "pca", "--data", "x.npy", "--latent-dim", "2"]) == 0
    assert main(["encode"]) == 0
    assert capsys.readouterr().err == ""
    np.save("x.npy", np.random.default_rng(1).normal(size=(50, 3)))
    assert main(["encode"]) == 0
    assert "note: x.npy is not what the run was trained on" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_an_error_of_its_own(made, capsys):
    assert main(["encode", "vae-cloud-1", "--out", "/proc/nowhere/z.npy"]) == 1
    assert capsys.readouterr().err.startswith("error: ")


def _started(folder, *flags):
    """Start a long training in a process of its own, and wait until it has learned something."""
    command = [sys.executable, "-c", "import sys; from narrows.cli.app import main; sys.exit(main())"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*command, "train", "ae", "--data", "cloud", "--epochs", "100000", *flags],
        cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    metrics = folder / "runs/ae-cloud-1/metrics.jsonl"
    for _ in range(600):
        if (metrics.exists() and metrics.stat().st_size) or process.poll() is not None:
            return process
        time.sleep(0.05)
    process.kill()
    raise AssertionError("training did not start")


@pytest.mark.slow
@pytest.mark.parametrize(("signal_", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_saves_the_model_and_says_how_to_look_at_it(signal_, code, here):
    process = _started(here)
    process.send_signal(signal_)
    shown, message = process.communicate(timeout=60)
    assert process.returncode == code, message
    assert "Traceback" not in message
    assert re.fullmatch(
        r"interrupted in epoch \d+; its model is saved. Look at it: narrows show runs/ae-cloud-1.*\n", message
    )
    run = Run(here / "runs/ae-cloud-1")
    assert run.status == "interrupted"
    assert run.load().reconstruct(load_dataset("cloud").test).shape == (125, 2)
    assert "epoch" in shown  # plain lines where there is no terminal


@pytest.mark.slow
def test_on_a_terminal_there_is_a_live_bar(here):
    pty = pytest.importorskip("pty")
    import fcntl
    import struct
    import termios

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    env = {k: v for k, v in os.environ.items() if k != "COLUMNS"} | {"TERM": "xterm", "NO_COLOR": "1"}
    command = "import sys; from narrows.cli.app import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", command, "train", "ae", "--data", "cloud", "--epochs", "4"],
        cwd=here, env=env, stdout=slave, stderr=slave,
    )  # fmt: skip
    os.close(slave)
    shown = b""
    while True:
        try:
            piece = os.read(master, 4096)
        except OSError:  # the other end was closed
            break
        if not piece:
            break
        shown += piece
    os.close(master)
    text = shown.decode()
    assert process.wait() == 0, text
    assert "4/4" in text
    assert "\x1b[?25h" in text  # the cursor is given back
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", text)  # no colour where none is expected
    lines = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", part) for part in re.split(r"[\r\n]+", text)]
    wide = ("runs/", "ae on cloud", "note: ")  # paths, the title, and that the machine is busy
    long = [part for part in lines if len(part) > 40 and not any(each in part for each in wide)]
    assert not long


def test_lines_are_thinned_for_many_epochs():
    assert [e for e in range(1, 13) if printed(e, 12)] == list(range(1, 13))
    assert [e for e in range(1, 1002) if printed(e, 1001)] == [1, 2, 5, *range(100, 1001, 100), 1001]


def test_a_line_says_all_terms():
    terms = {"loss": 104.25, "reconstruction": 80.0, "kl": 24.25}
    report = Report(3, 50, 90, 1500, terms, {"loss": 106.5}, 3.21, 12345.6, 1e-3, True)
    assert line(report) == (
        "epoch  3/50  loss 104.2  validation 106.5  reconstruction 80.00  kl 24.25  12,346 samples/s  3.2 s"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (12.3456, "12.35"), (1234.56, "1,235"), (0.012345, "0.01235"), (-3.5, "-3.500"), (1e9, "1.000e+09"),
     (None, "–"), (float("nan"), "–")],
)  # fmt: skip
def test_numbers_have_four_digits(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.84, "0.8 s"), (21.4, "21 s"), (59.6, "1:00 min"), (185, "3:05 min"), (7800, "2:10 h")]
)
def test_times_read_as_one_says_them(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("learning_rate", "3e-4", 3e-4), ("epochs", "7", 7), ("epochs", "7.5", "7.5"),
        ("clip", "None", None),
        ("network", "conv", "conv"), ("likelihood", "gaussian:0.5", "gaussian:0.5"), ("batch_size", "none", None),
        ("adam_betas", "0.5,0.9", (0.5, 0.9)),
    ],
)  # fmt: skip
def test_texts_become_values_by_the_type_of_the_field(name, text, value):
    assert values_of_flags(ESTIMATORS["vae"], {name: text}) == {name: value}


def test_components_are_made_of_a_name_and_flags_for_their_parameters():
    asked = plan("ae", {"network": "mlp", "network__hidden": "400x100", "network__activation": "elu"})
    assert asked.values["network"] == "mlp:400x100,activation=elu"
    assert asked.estimator().get_params()["network__hidden"] == (400, 100)
    assert plan("vae", {"likelihood": "gaussian:0.5", "likelihood__scale": "0.2"}).values == {
        "likelihood": "gaussian:0.2"
    }
    assert plan("ae", {"penalty": ["sparsity:0.03", "l1:0.1"]}).values["penalty"] == ("sparsity:0.03", "l1:0.1")
    assert plan("ae", {"corruption": "none"}).values == {"corruption": None}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--network.hidden 4", "--network.hidden must go with one of mlp, conv, recurrent, residual; got 'auto'."),
        ("--network mlp --network.kernel 3", "--network.kernel must go with one of conv; got 'mlp'. Choose one by"),
        ("--network mlp:4 --network.hidden 0", "hidden must be a tuple of whole numbers >= 1"),
        ("--network mlp --network.activation rleu", "Did you mean 'relu'?"),
        ("--network mlp:4,activtion=elu", "Did you mean 'activation'?"),
        ("--penalty l1:0.1 --penalty sprsity", "Did you mean 'sparsity'?"),
        ("--code vq:many", "size must be a whole number"),
        ("--scale 0", "scale must be"),
    ],
)
def test_mistakes_with_components_are_named_before_data_are_loaded(flags, message, here, capsys):
    assert message in fails(["train", "ae", "--data", "no-such-data", *flags.split()], capsys)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("penalty", ["--penalty", "contractive:0.03", "--penalty", "l1:0.1"]),
        ("code", ["--code", "vq", "--code.size", "8"]),
    ],
)
def test_components_reach_the_run_and_can_be_resumed_and_used(name, flags, here):
    command = ["train", "ae", "--data", "arc", "--network", "mlp:8", "--latent-dim", "2", "--epochs", "2", *flags]
    assert main(command) == 0
    assert (
        Run("runs/ae-arc-1").record["parameters"][name]
        == {"penalty": ["contractive:0.03", "l1:0.1"], "code": "vq:8"}[name]
    )
    assert main(["encode"]) == 0
    assert main(["reconstruct", "--out", "r.npy"]) == 0
    assert main(["show"]) == 0


def test_data_options_are_read_by_what_they_look_like():
    texts = ["limit=5", "share=0.5", "crop=false", "label=none", "shape=28x28", "name=a=b", "min-faces=3"]
    assert options_of(texts) == {
        "limit": 5, "share": 0.5, "crop": False, "label": "none", "shape": "28x28", "name": "a=b", "min_faces": 3,
    }  # fmt: skip
    with pytest.raises(ConfigError, match="key=value"):
        options_of(["=3"])


def test_names_with_brackets_are_printed_as_they_are(here, capsys):
    assert main(["train", "pca", "--data", "cloud", "--latent-dim", "1", "--name", "[red]x"]) == 0
    assert "runs/[red]x/latent.png" in capsys.readouterr().out
    assert main(["encode", "[red]x"]) == 0
    assert capsys.readouterr().out.endswith("runs/[red]x/codes.csv\n")
    assert main(["runs"]) == 0
    assert "[red]x" in capsys.readouterr().out
    assert main(["runs", "[dim]none"]) == 0
    assert "No runs in [dim]none/" in capsys.readouterr().out


def test_run_json_is_plain_json(made):
    content = json.loads((made / "runs/vae-cloud-1/run.json").read_text(), parse_constant=pytest.fail)
    assert content["command"]
