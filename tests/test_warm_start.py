"""Training that begins at a fitted model, and steps on batches that come one by one."""

import re
import sys
import types
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from narrows import AE, PCA, VAE
from narrows.errors import ConfigError, DataError

SMALL: dict[str, Any] = {"latent_dim": 2, "network": "mlp:8", "epochs": 3, "batch_size": 16}


@pytest.fixture
def frame(table):
    return pd.DataFrame(table * [1, 10, 100, 1, 1, 1] + 5, columns=list("abcdef"))


def validation_losses(model):
    return [epoch["validation"]["loss"] for epoch in model.history_]


@pytest.mark.parametrize(("cls", "network"), [(AE, "mlp:8"), (VAE, "mlp:8"), (AE, "residual")])
def test_steps_of_no_size_change_nothing(cls, network, table):
    given = {**SMALL, "network": network, "schedule": "constant", "warmup": 0.0}
    first = cls(**given).fit(table, validation=table[:10])
    again = cls(**{**given, "learning_rate": 1e-30, "epochs": 2}).fit(table, validation=table[:10], warm_start=first)
    assert validation_losses(again) == pytest.approx([min(validation_losses(first))] * 2, rel=1e-6)
    np.testing.assert_array_equal(again.transform(table), first.transform(table))
    started = cls(**{**given, "learning_rate": 1e-30, "epochs": 1}).fit(table, validation=table[:10])
    assert not np.allclose(started.transform(table), first.transform(table))


def test_going_on_lowers_the_loss_and_true_stands_for_the_model_itself(table):
    model = AE(**SMALL).fit(table, validation=table[:10])
    before = min(validation_losses(model))
    other = AE(**SMALL).fit(table, validation=table[:10], warm_start=model)
    assert min(validation_losses(other)) < before
    model.fit(table, validation=table[:10], warm_start=True)
    np.testing.assert_array_equal(model.transform(table), other.transform(table))


def test_the_schema_stays(frame):
    model = AE(**SMALL).fit(frame)
    again = AE(**SMALL).fit(frame.iloc[:20] + 100, warm_start=model)
    assert again.schema_ is model.schema_
    assert list(again.feature_names_in_) == list("abcdef")
    assert list(model.fit(frame, warm_start=True).feature_names_in_) == list("abcdef")
    assert isinstance(again.reconstruct(frame), pd.DataFrame)


def test_columns_must_be_those_of_the_model(frame, table):
    model = AE(**SMALL).fit(frame)
    with pytest.raises(DataError, match=r"AE: X must have the 6 columns of fit"):
        AE(**SMALL).fit(frame.rename(columns={"b": "x"}), warm_start=model)
    named = AE(**SMALL)
    list(named.fit_iter(table, columns=list("abcdef")))
    with pytest.raises(DataError, match=r"AE: .*5 features"):
        AE(**SMALL).fit(table[:, :5], warm_start=named)
    with pytest.raises(DataError, match="must have the columns of warm_start, a, b, c, d, e, f; got a, c, b"):
        next(AE(**SMALL).fit_iter(table, columns=list("acbdef"), warm_start=named))


@pytest.mark.parametrize(
    ("estimator", "start", "message"),
    [
        (AE(**{**SMALL, "latent_dim": 3}), AE, "the same network; it differs in latent_dim. Set what it has"),
        (AE(**{**SMALL, "network": "mlp:4"}), AE, "it differs in network"),
        (AE(**SMALL), VAE, "warm_start must be True or a fitted AE; got VAE"),
        (AE(**SMALL), "ae", "warm_start must be True or a fitted AE; got 'ae'"),
    ],
)
def test_models_that_differ_are_named(estimator, start, message, table):
    start = start(**SMALL).fit(table) if isinstance(start, type) else start
    with pytest.raises(ConfigError, match=message):
        estimator.fit(table, warm_start=start)
    assert not hasattr(estimator, "module_")


def test_pca_is_fitted_anew(table):
    pca = PCA(latent_dim=2).fit(table)
    with pytest.raises(ConfigError, match="warm_start must be False for a model that is fitted in one step"):
        pca.fit(table, warm_start=True)
    assert not hasattr(pca, "partial_fit")


# partial_fit ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [{}, {"optimizer": "sgd", "momentum": 0.9}, {"averaging": 0.9}])
def test_steps_on_batches_are_those_of_one_training(given, table):
    """All rows as one batch again and again: the same weights as of `fit` with as many epochs."""
    steps = AE(**{**SMALL, "schedule": "constant", "warmup": 0.0, "precision": "fp32", **given})
    for _ in range(4):
        steps.partial_fit(table)
    whole = AE(**{**steps.get_params(deep=False), "epochs": 4, "batch_size": None}).fit(table)
    np.testing.assert_allclose(steps.transform(table), whole.transform(table), rtol=1e-5, atol=1e-6)
    assert [e["train"]["loss"] for e in steps.history_] == pytest.approx([e["train"]["loss"] for e in whole.history_])


def test_batches_of_a_generator_and_of_a_loader(frame):
    rows = frame.to_numpy(np.float32).copy()
    model, other = VAE(**SMALL), VAE(**SMALL)
    loader = torch.utils.data.DataLoader(torch.from_numpy(rows), batch_size=12)
    for batch in loader:
        model.partial_fit(batch)
    for batch in (rows[i : i + 12] for i in range(0, 48, 12)):
        other.partial_fit(batch)
    assert len(model.history_) == 4
    np.testing.assert_array_equal(model.transform(rows), other.transform(rows))
    scale = VAE(**SMALL).fit(rows[:12]).schema_
    np.testing.assert_array_equal(model.schema_.offset, scale.offset)


def test_steps_after_fit_go_on_from_it_and_fit_begins_anew(table, tmp_path):
    model = AE(**SMALL).fit(table)
    codes = model.transform(table)
    model.set_params(learning_rate=1e-30).partial_fit(table[:8]).partial_fit(table[8:])
    np.testing.assert_array_equal(model.transform(table), codes)
    assert len(model.history_) == 2
    model.save(tmp_path)
    model.set_params(learning_rate=2e-3).fit(table)
    np.testing.assert_array_equal(model.transform(table), codes)


def test_batches_must_fit_the_first(frame):
    model = AE(**SMALL).partial_fit(frame[:20])
    before = model.transform(frame)
    for wrong, message in ((frame.rename(columns={"a": "x"}), "no column 'a'"), (frame.assign(a=np.inf), "infinity")):
        with pytest.raises(DataError, match=message):
            model.partial_fit(wrong)
    with pytest.raises(ConfigError, match="learning_rate must be"):
        model.set_params(learning_rate=-1.0).partial_fit(frame)
    np.testing.assert_array_equal(model.transform(frame), before)
    with pytest.raises(ConfigError, match="must have codes to be fitted to"):
        model.sample(2, sampler="gmm")


def test_labels_enter_steps(table):
    y = np.arange(48) % 2
    model = VAE(**SMALL, condition="concat").partial_fit(table, y).partial_fit(table[:5], y[:5])
    with pytest.raises(DataError, match="classes of training, 0, 1; got 7"):
        model.partial_fit(table, y + 7)


# verbose --------------------------------------------------------------------------------------------------------------


def test_verbose_shows_lines_where_there_is_no_terminal_and_is_no_part_of_the_model(table, tmp_path, capsys):
    model = AE(**SMALL, verbose=True).fit(table)
    shown = capsys.readouterr().out
    assert [line.split("  ")[0] for line in shown.splitlines()] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert "verbose" not in (model.save(tmp_path) / "model.json").read_text()
    assert AE(**SMALL).fit(table).transform(table).tolist() == model.transform(table).tolist()
    assert capsys.readouterr().out == ""


def test_in_a_notebook_a_bar_is_updated_in_place(table, monkeypatch, capsys):
    shown = []

    class Handle:
        def update(self, content):
            shown.append(content)

    module = types.ModuleType("IPython.display")
    vars(module).update(HTML=str, display=lambda content, display_id: Handle())
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    AE(**SMALL, verbose=True).fit(table)
    assert capsys.readouterr().out == ""
    assert [re.search(r"epoch \d/3", content)[0] for content in shown] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert all("<progress max=9 value=" in content for content in shown)
