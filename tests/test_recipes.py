"""Recipes: every key is checked, every one runs on small data, and goals are compared with what was measured."""

import math
from typing import Any

import numpy as np
import pytest

import narrows
from narrows.cli.app import main
from narrows.data import load_dataset
from narrows.errors import ConfigError, FormatError
from narrows.recipes import MEASURES, Evaluation, evaluate, load_recipe, recipe_names
from narrows.recipes.curves import Curve, draw_curve, point_of
from narrows.recipes.goals import Goal
from narrows.recipes.recipe import parse_recipe
from narrows.runs import Run

pytestmark = pytest.mark.usefixtures("blank_pictures")

SMALL = """
lesson = 1
title = "A line"
teaches = "What a line is."
source = "Pearson (1901)"
data = "cloud"
model = "pca"

[data_options]
samples = 40

[parameters]
latent_dim = 1

[[goals]]
measure = "squared error"
at_most = 1.0
"""


@pytest.fixture
def points():
    return load_dataset("cloud", samples=40)


def test_every_recipe_says_what_it_is_and_what_it_must_reach():
    assert len(recipe_names()) == 27
    for name in recipe_names():
        recipe = load_recipe(name)
        assert recipe.title
        assert recipe.teaches
        assert recipe.source
        assert recipe.goals, name
        assert all(goal.origin for goal in recipe.goals), name


def test_recipes_come_in_the_order_of_the_course():
    names = recipe_names()
    assert names[0] == "cloud-pca"
    assert names.index("digits-deep") < names.index("digits-vae") < names.index("celeba-vae")


QUICK = ("cloud-pca", "cloud-nonlinear", "digits-pca30")
"""Recipes of every kind; the others, and one that starts a process, take a minute."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in recipe_names()]
)
def test_a_trial_of_every_recipe_runs(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["recipe", name, "--quick"]) == 0
    assert "A trial run" in capsys.readouterr().out
    recipe = load_recipe(name)
    for variant in recipe.variants:
        stem = f"{name}-{variant.name}" if variant.name else name
        run = Run(tmp_path / "runs" / f"{stem}-1")
        assert run.status == "finished"
        assert run.record["recipe"] == {
            "name": name, "variant": variant.name, "quick": True, "changed": False, "goals": [],
        }  # fmt: skip
        assert set(run.record.get("analyses", {})) <= {planned.name for planned in recipe.analyses_for(variant)}


def test_a_recipe_is_held_against_its_number(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["recipe", "cloud-pca"]) == 0
    out = capsys.readouterr().out
    assert out.rstrip().endswith("reached")
    assert "difference from numpy's SVD" in out
    (goal,) = Run("runs/cloud-pca-1").record["recipe"]["goals"]
    assert goal["reached"] is True
    assert 0 <= goal["value"] < goal["target"] == 1e-6


def test_a_recipe_that_falls_short_says_by_how_much(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["recipe", "cloud-nonlinear", "--epochs", "1"]) == 0
    told = capsys.readouterr()
    assert "fell short: 1 of 1 goals" in told.out
    assert "Parameters or data were changed" in told.err
    (goal,) = Run("runs/cloud-nonlinear-1").record["recipe"]["goals"]
    assert goal["reached"] is False
    assert f"fell short by {goal['value'] - goal['target']:.4g}"[:16] in told.out


@pytest.mark.slow
def test_one_variant_can_be_run_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["recipe", "faces-linear", "--quick", "--only", "8"]) == 0
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["faces-linear-8-1"]


def test_recipes_are_listed(capsys):
    assert main(["recipes"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in recipe_names())


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("recipe digits-va", "NAME must be one of `narrows recipes`; got 'digits-va'. Did you mean 'digits-vae'?"),
        ("recipe cloud-linear --latent-dim 0 --quick", "AE: latent_dim must be a whole number >= 1 or 'auto'; got 0."),
        ("recipe cloud-linear --latent-dimm 1", "Unknown option: --latent-dimm."),
        ("recipe faces-linear --quick --only 9", "only must be one of 8, 64, 256; got '9'."),
    ],
)
def test_a_wrong_command_is_refused_before_anything_is_made(command, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(command.split()) == 2
    assert told in " ".join(capsys.readouterr().err.split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("title", "titel"), "keys must be among"),
        (('"A line"', "3"), "title must be a string; got 3."),
        (("lesson = 1", "lesson = 'one'"), "lesson must be a number; got 'one'."),
        (('"pca"', '"pka"'), "model must be one of pca, ae, vae; got 'pka'. Did you mean 'pca'?"),
        (("latent_dim", "latent_dims"), "got 'latent_dims'. Did you mean 'latent_dim'?"),
        (("latent_dim = 1", "latent_dim = 0"), "PCA: latent_dim must be"),
        (('"squared error"', '"squared eror"'), "got 'squared eror'. Did you mean 'squared error'?"),
        (("at_most = 1.0", ""), "must have one of at_most, at_least, equals, reference; got none."),
        (("at_most = 1.0", "at_most = true"), "at_most must be a number, or one per epoch; got True."),
        (("at_most = 1.0", "at_most = 1.0\nat_least = 0.0"), "got ['at_most', 'at_least']"),
        (("at_most = 1.0", "reference = { mean = 1.0 }"), "reference must have mean, deviation, seeds, comm"),
        (("at_most = 1.0", "at_most = 1.0\nvariant = 'x'"), "variant must be among"),
        (("[parameters]", "[[analyses]]\nanalysis = 'denois'\n[parameters]"), "got 'denois'. Did you mean 'denoise'?"),
        (("[parameters]", "[[analyses]]\nanalysis = 'denoise'\nindx = 3\n[parameters]"), "Did you mean 'index'?"),
        (("[parameters]", "[[analyses]]\nanalysis = 'denoise'\nseed = -1\n[parameters]"), "Denoise: seed must be"),
        (("[parameters]", "[[analyses]]\nanalysis = 'denoise'\npicture = '../a.png'\n[parameters]"), "picture must be"),
        (("[parameters]", "[quick]\nepochs = 1\n[parameters]"), "data, data_options, parameters; got 'epochs'."),
        (("[parameters]", "[parameters"), "must be TOML"),
    ],
)
def test_every_key_is_checked(change, told):
    assert change[0] in SMALL
    with pytest.raises(FormatError) as caught:
        parse_recipe("small", SMALL.replace(change[0], change[1], 1))
    assert told in str(caught.value)
    assert str(caught.value).startswith("small: ")


def test_variants_share_and_change():
    text = SMALL + "\n[[variants]]\nname = 'a'\n\n[[variants]]\nname = 'b'\nparameters = { latent_dim = 2 }\n"
    recipe = parse_recipe("small", text)
    assert [(v.name, v.parameters["latent_dim"], v.data_options["samples"]) for v in recipe.variants] == [
        ("a", 1, 40),
        ("b", 2, 40),
    ]
    assert recipe.variants[1].estimator().latent_dim == 2
    with pytest.raises(FormatError, match="variants must be named apart"):
        parse_recipe("small", text.replace("'b'", "'a'"))


@pytest.mark.parametrize(
    ("bound", "value", "tolerance", "found", "reached", "missed"),
    [
        ("at_most", 1.0, 0.0, 1.0, True, 0.0),
        ("at_most", 1.0, 0.1, 1.25, False, 0.15),
        ("at_least", 1.0, 0.0, 0.5, False, 0.5),
        ("at_least", 1.0, 0.5, 0.5, True, 0.0),
        ("equals", 2.0, 0.5, 1.0, False, 0.5),
        ("equals", (2.0, 3.0), 1.0, (1.5, 3.5), True, -0.5),
        ("equals", (2.0, 3.0), 1.0, (1.5, 5.0), False, 1.0),
        ("equals", (2.0, 3.0), 1.0, (2.0,), False, math.inf),
        ("at_most", 1.0, 0.0, math.nan, False, math.inf),
    ],
)
def test_goals_are_reached_or_missed_by_so_much(bound, value, tolerance, found, reached, missed):
    result = Evaluation(Goal("squared error", bound=bound, value=value, tolerance=tolerance), found)
    assert result.reached is reached
    assert result.missed_by == pytest.approx(missed, abs=1e-12)


def test_a_reference_allows_two_deviations():
    reference = "reference = { mean = 3.0, deviation = 0.25, seeds = 3, command = 'python x' }"
    text = SMALL.replace("at_most = 1.0", reference)
    (goal,) = parse_recipe("small", text).goals
    assert (goal.bound, goal.value, goal.tolerance) == ("at_most", 3.0, 0.5)
    assert goal.origin == "plain PyTorch, 3 seeds: 3 ± 0.25; python x"


def measured(name, model, X, train):
    return MEASURES[name].of(model, model.arrays(X), model.arrays(train))


def test_measures_against_what_they_say(points):
    pca = narrows.PCA(latent_dim=1).fit(points.train)
    X, train = points.test, points.train
    squared = ((X - pca.reconstruct(X)) ** 2).sum(1).mean()
    assert measured("squared error", pca, X, train) == pytest.approx(squared, rel=1e-5)
    assert measured("squared error per pixel", pca, X, train) == pytest.approx(squared / 2 * 65025, rel=1e-5)
    assert measured("squared error relative to PCA", pca, X, train) == pytest.approx(1)
    assert measured("difference from numpy's SVD", pca, X, train) < 1e-6
    assert measured("mean activity", pca, X, train) == pytest.approx(pca.transform(X).mean(), rel=1e-5)


def test_a_curve_across_variants_stands_beside_pca(points):
    curve = Curve("latent_dim", "squared error", "train")
    fitted = [narrows.AE(latent_dim=k, network="mlp:", scale=None, epochs=2).fit(points.train) for k in (1, 2)]
    curves = [point_of(curve, model, points) for model in fitted]
    assert [p.x for p in curves] == [1, 2]
    pca = narrows.PCA(latent_dim=1).fit(points.train)
    assert curves[0].pca == pytest.approx(measured("squared error", pca, points.train, points.train))
    assert curves[0].value > curves[0].pca > curves[1].pca
    assert draw_curve(curve, curves, "ae").width > 300
    rows = point_of(Curve("training samples", "squared error"), pca, points)
    assert rows.x == 40
    assert rows.value == pytest.approx(rows.pca)
    bound = point_of(Curve("latent_dim", "negative ELBO"), pca, points)
    assert bound.value == pytest.approx(-pca.score(points.test)) == pytest.approx(bound.pca)


@pytest.mark.parametrize(
    ("curve", "told"),
    [
        ("across = 'latent_dims'\nmeasure = 'squared error'", "across must be 'training samples' or a parameter of"),
        ("across = 'latent_dim'\nmeasure = 'loss'", "measure must be one of"),
        ("across = 'latent_dim'\nmeasure = 'mean activity'", "measure must be one of"),
        ("across = 'latent_dim'", "measure must be one of"),
        ("acros = 'latent_dim'", "got 'acros'. Did you mean 'across'?"),
    ],
)
def test_a_curve_is_checked(curve, told):
    with pytest.raises(FormatError) as caught:
        parse_recipe("small", f"{SMALL}\n[curve]\n{curve}\n")
    assert told in str(caught.value)


def test_squared_error_and_kl_is_the_bound_without_the_constant_of_a_gaussian(points):
    options: dict[str, Any] = {"latent_dim": 1, "network": "mlp:4", "scale": None, "epochs": 2}
    vae = narrows.VAE(**options, likelihood=f"gaussian:{math.sqrt(0.5)}").fit(points.train)
    constant = 2 * 0.5 * math.log(math.pi)  # of two values: half the logarithm of 2 pi variance each
    expected = -narrows.elbo(vae, points.test).mean() - constant
    assert measured("squared error + KL", vae, points.test, points.train) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("scale", [None, "standard"])
def test_a_bound_is_compared_with_the_exact_likelihood_of_pca(points, scale):
    vae = narrows.VAE(latent_dim=1, network="mlp:4", scale=scale, epochs=2).fit(points.train)
    x, train = (vae.schema_.values(vae.arrays(part)) for part in (points.test, points.train))
    exact = narrows.PCA(latent_dim=1).fit(train).score(x) + vae.schema_.log_jacobian
    value = measured("ELBO above probabilistic PCA", vae, points.test, points.train)
    assert value == pytest.approx(narrows.elbo(vae, points.test).mean() - exact, rel=1e-5)


def test_cross_entropy_and_rounded_accuracy():
    X = (np.random.default_rng(0).random((60, 5)) < 0.3).astype(np.float32)
    ae = narrows.AE(latent_dim=2, network="mlp:8", epochs=3, likelihood="bernoulli").fit(X)
    p = ae.reconstruct(X).astype(np.float64)
    expected = -(X * np.log(p) + (1 - X) * np.log(1 - p)).sum(1).mean()
    assert measured("cross-entropy", ae, X, X) == pytest.approx(expected, rel=1e-4)
    assert measured("rounded accuracy", ae, X, X) == pytest.approx(((p >= 0.5) == X).mean())


def test_a_goal_may_ask_for_the_number_of_an_analysis(points):
    pca = narrows.PCA(latent_dim=1).fit(points.train)
    goal = Goal("angle", analysis="cloud", value=1.0)
    (result,) = evaluate([goal], pca, points, {"cloud": {"angle": 0.5}}, {})
    assert result.value == 0.5
    with pytest.raises(ConfigError, match="'cloud' must have the number 'angle'; it has 'slope'"):
        evaluate([goal], pca, points, {"cloud": {"slope": 0.5}}, {})
