"""`narrows sweep`: values on the command line, what it prints, and the panels of its picture."""

import numpy as np
import pytest

from narrows import AE, cli, figures
from narrows.cli.sweep import _swept, values_of
from narrows.errors import ConfigError
from narrows.sweeps import Sweep


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("latent_dim", "2,4,8", [2, 4, 8]), ("learning_rate", "1e-3, 0.01", [1e-3, 0.01]),
        ("network", "mlp:400x200,activation=elu,conv", ["mlp:400x200,activation=elu", "conv"]),
        ("data_bias", "true,false", [True, False]), ("corruption", "gaussian:0.2,none", ["gaussian:0.2", None]),
        ("adam_betas", "0.9/0.99,0.5/0.9", [(0.9, 0.99), (0.5, 0.9)]), ("latent_dim", "two", ["two"]),
    ],
)  # fmt: skip
def test_commas_stand_between_values_and_slashes_within(name, text, values):
    assert values_of(AE, name, text) == values


def test_parameters_of_components_are_swept():
    given = {"network": "mlp,residual", "network__hidden": "400x100,50", "latent_dim": "2"}
    assert _swept(AE, given) == {
        "network": ["mlp:400x100", "mlp:50", "residual:400x100", "residual:50"], "latent_dim": [2],
    }  # fmt: skip
    with pytest.raises(ConfigError, match=r"--network.kernel must go with one of conv; got 'mlp'"):
        _swept(AE, {"network": "mlp", "network__kernel": "3,5"})


def test_panels_have_lines_for_numbers_and_for_names():
    numbers = [
        figures.Line("AE", [2, 8, 32], [9.0, 4.0, 1.0], [0.1, 0.2, 0.0]),
        figures.Line("PCA", [2, 8, 32], [9, 8, 7], [0, 0, 0], True),
    ]
    names = [figures.Line("AE", ["conv", None, (4, 2)], [0.5, 0.6, 0.7], [0.0, 0.1, 0.1])]
    one, two = figures.sweep({"error": numbers}, "latent_dim"), figures.sweep({"error": numbers, "more": names}, "x")
    assert np.asarray(one).std() > 5
    assert two.width > 1.6 * one.width


@pytest.mark.slow
def test_the_command_prints_a_line_for_each_training_and_the_table(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command = ["sweep", "ae", "--data", "digits", "--data-option", "limit=200", "--data-option", "shape=image"]
    command += ["--latent-dim", "2,4", "--network", "mlp:16", "--epochs", "1", "--seeds", "1"]
    assert cli.main(command) == 0
    printed = capsys.readouterr().out
    assert "ae on digits: 180 training, 20 validation, 359 test samples of 1x8x8; 2 trainings\n" in printed
    assert "2/2  latent_dim 4  seed 0  squared error " in printed
    assert "sweeps/ae-digits-latent-dim/sweep.csv" in printed
    assert cli.main(command) == 0
    assert capsys.readouterr().out.count("trained before") == 2
    assert cli.main(["sweep", "ae", "--latent-dim", "4"]) == 2
    assert "a parameter must have several values, such as --latent-dim 2,4,8" in capsys.readouterr().err
    assert cli.main(["sweep", "vea"]) == 2
    assert "sweep: MODEL must be one of pca, ae, vae" in capsys.readouterr().err


def test_an_interrupt_tells_how_far_it_got(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def train(self, read):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(Sweep, "train", train)
    assert cli.main(["sweep", "pca", "--data", "cloud", "--latent-dim", "1,2"]) == 130
    assert "interrupted; 0 of 2 trainings are done. The same command resumes it." in capsys.readouterr().err
