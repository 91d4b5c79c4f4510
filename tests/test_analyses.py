"""Numbers and pictures of analyses; each by its command; and what they refuse."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.special import ndtri
from sklearn.base import clone

from narrows import AE, PCA, VAE, load_dataset
from narrows.analyses import ANALYSES, Subject
from narrows.analyses.classes import class_of
from narrows.analyses.cloud import direction, subspace_angle
from narrows.analyses.expression import parse
from narrows.analyses.interpolation import slerp
from narrows.cli.analyses import HELPS
from narrows.cli.app import main
from narrows.errors import ConfigError
from narrows.params import fields
from narrows.probability.priors import StandardNormal
from narrows.runs import Run, record
from subjects import run_of
from test_cli import fails

PIXELS = ("digits", {"shape": "image", "limit": 300})
CLOUD = ("cloud", {"samples": 100})
FLAT: dict[str, Any] = {"network": "mlp:", "scale": None}
MADE = {
    "ae": (AE(**FLAT, latent_dim=4, epochs=2), PIXELS),
    "sparse": (AE(**FLAT, latent_dim=20, epochs=1, code="continuous:sigmoid", penalty="sparsity"), PIXELS),
    "pca": (PCA(latent_dim=9), PIXELS),
    "vae1": (VAE(network="mlp:8", latent_dim=1, epochs=1), PIXELS),
    "cloud-pca": (PCA(latent_dim=2), CLOUD),
    "cloud-ae": (AE(**FLAT, latent_dim=1, epochs=1), CLOUD),
    "arc": (PCA(latent_dim=2), ("arc", {})),
    "rows": (AE(network="recurrent:8", latent_dim=2, epochs=1), ("digits", {"shape": "8x8", "limit": 60})),
}
"""Runs that have a model and no pictures."""
TRAINED = {
    "vae": (VAE(network="mlp:16", latent_dim=3, epochs=2), PIXELS),
    "bent": (AE(network="mlp:3,activation=tanh", scale=None, latent_dim=1, epochs=5, learning_rate=0.1), CLOUD),
}
"""Runs as training leaves them."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Small runs of every kind, in one folder."""
    folder = tmp_path_factory.mktemp("analyses")
    for name, (estimator, (data, options)) in TRAINED.items():
        given: dict[str, Any] = {**options, "validation": 0.1}
        for _ in record(clone(estimator), load_dataset(data, **given), folder / name):
            pass
    for name, (estimator, (data, options)) in MADE.items():
        run_of(folder / name, clone(estimator), load_dataset(data, **options))
    return folder


@pytest.fixture
def here(runs, monkeypatch):
    monkeypatch.chdir(runs)
    return runs


def subject(runs, name, **given: Any):
    run = Run(runs / name)
    data = run.record["data"]
    return Subject(run, load_dataset(data["name"], **data["options"]), **given)


def made(runs, name, step, **given: Any):
    """Run an analysis and return its result and its picture."""
    result = ANALYSES[step](**given)(subject(runs, name))
    (path,) = result.pictures
    assert path.parent == runs / name
    with Image.open(path) as picture:
        return result, np.asarray(picture.convert("RGB"))


@pytest.fixture
def drawn(monkeypatch):
    """What a function of narrows.figures was given to draw: a list that it fills."""
    from narrows import figures

    def watch(name):
        found, real = [], getattr(figures, name)
        monkeypatch.setattr(figures, name, lambda *a, **k: (found.append((a, k)), real(*a, **k))[1])
        return found

    return watch


# --- all of them


def test_the_list_of_commands_says_what_the_analyses_say():
    assert {name: cls.__doc__.split("\n")[0] for name, cls in ANALYSES.items()} == HELPS
    for cls in ANALYSES.values():
        names = {field.name for field in fields(cls)}
        assert set(cls.positional) <= names
        assert not names & {"run", "data", "data_option", "split", "out"}  # those of all steps


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "picture", "told"),
    [
        ("scan vae --size 4", "scan.png", r"4 x 4 samples, at quantiles of the prior; the others at the prior"),
        ("scan ae --dims 3,1 --around 2 --size 3", "scan.png", "over the central 98% of the codes; the others those"),
        ("scan vae --range -2,2 --size 3", "scan.png", r"dimension \d, least +-2.000"),
        ("scan vae --spacing even --size 3", "scan.png", "evenly spaced over 3 deviations of the prior"),
        ("traverse vae1", "traversed.png", "dimension 1, nats"),
        ("traverse ae --dims 2,4 --size 5 --around 7", "traversed.png", "dimension 2, variance"),
        ("interpolate vae 3 8", "interpolated.png", "middle to centre, spherical"),
        ("interpolate ae 3,4 8,9 --steps 4", "interpolated.png", "Means over 2 pairs of test samples"),
        ("combine vae -3+7+12", "combined.png", "values clipped, share"),
        ("cloud cloud-pca --use 2", "cloud.png", "25 test points from 2 dimensions"),
        ("cloud bent --split train", "cloud.png", "90 training points from 1 dimension;"),
        ("codes arc", "codes.png", "angle to PCA, rad"),
        ("components pca --number 4", "components.png", "explained variance of 4 components, share"),
        ("ranks pca --index 0,5", "ranks.png", "squared error from 8 "),
        ("features sparse --number 6", "features.png", "The 6 most active of 20 units"),
        ("gallery pca --label 3 --number 5", "gallery.png", r"5 of \d+ test samples of 3"),
        ("epochs vae", "epochs.png", "loss, epoch 2"),
        ("epochs bent", "epochs.png", "Loss on validation samples"),
    ],
)
def test_every_analysis_has_a_command(command, picture, told, here, tmp_path, capsys):
    target = tmp_path / picture
    name, run, *rest = command.split()
    assert main([name, run, *rest, "--out", str(target)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert re.search(told.replace(" +", "[ ]?"), shown), shown
    with Image.open(target) as page:
        assert np.asarray(page.convert("L")).std() > 5


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (
            "scan cloud-pca",
            "Scan: data must be images, or sequences of more than 6 channels; got a table of shape (2,)",
        ),
        ("traverse cloud-pca", "Traverse: data must be images"),
        ("scan vae1", "Scan: latent_dim must be at least 2; got 1"),
        ("scan vae --dims 1,4", "Scan: dims must be different integers from 1 to latent_dim = 3; got (1, 4)"),
        ("scan vae --dims 0,1", "from 1 to latent_dim = 3; got (0, 1)"),
        ("scan vae --dims 2,2", "Scan: dims must be different"),
        ("scan vae --range 3,-3", "Scan: range must be the least and the greatest value"),
        ("scan vae --range 1,2,3", "Write -3,3 or -3,3,-2,2"),
        ("scan vae --range -1,1 --spacing quantiles", "range must be left out with spacing='quantiles'"),
        ("scan vae --around 4000", "Scan: around must be below 359, the number of test samples; got 4000"),
        ("scan vae --spacing evn", "Did you mean 'even'?"),
        ("traverse vae --range 2,1", "Traverse: range must be the least and the greatest value"),
        ("interpolate vae 3 900", "Interpolate: B must be below 359, the number of test samples; got 900"),
        ("interpolate vae 3,4 5", "Interpolate: A and B must be as many samples; got 2 and 1"),
        ("interpolate cloud-ae 3 5", "Interpolate: data must be images"),
        ("combine vae 1+400", "Combine: '1+400', character 3: index must be below 359"),
        ("combine vae digit:12", "class must be one of 0, 1, 2"),
        ("combine cloud-pca 1+2", "Combine: data must be images"),
        ("cloud vae", "Cloud: data must be a table of 2 columns; got shape (1, 8, 8)"),
        ("cloud cloud-ae --use 2", "Cloud: use must be latent_dim = 1, since these codes are not ordered; got 2"),
        ("cloud cloud-pca --use 3", "Cloud: use must be from 1 to latent_dim = 2; got 3"),
        ("codes cloud-pca", "Codes: data must be a table of 3 columns; got shape (2,)"),
        ("ranks ae", "Ranks: codes must be ordered; got those of AE"),
        ("ranks pca --ranks 2,10", "Ranks: ranks must be at most latent_dim = 9; got 10"),
        ("ranks pca --index 400", "Ranks: index must be below 359"),
        ("components cloud-pca", "Components: data must be images"),
        ("features cloud-ae", "Features: data must be images"),
        ("gallery cloud-ae --label 3", "Gallery: label must go with data that have classes; got '3' for 'cloud'"),
        ("gallery vae --label x", "Gallery: label must be one of 0, 1, 2"),
    ],
)
def test_mistakes_are_named(command, told, here, capsys):
    assert told in fails(command.split(), capsys)


@pytest.mark.parametrize("step", ["scan", "traverse", "interpolate", "combine", "components", "features", "gallery"])
def test_wide_sequences_are_drawn_as_images(runs, step):
    result, page = made(runs, "rows", step)
    assert all(np.isfinite(value) for value in result.numbers.values())
    assert page.std() > 5


# --- scan, traverse


def test_every_place_of_a_scan_is_what_its_code_decodes_to(runs, drawn):
    seen = drawn("plane")
    made(runs, "vae", "scan", dims=(3, 1), size=5, range=(-2.0, 2.0, 0.0, 1.0), around=4)
    (((X, x, y), given),) = seen
    assert given["labels"] == ("dimension 3", "dimension 1")
    assert x.tolist() == [-2, -1, 0, 1, 2]
    assert y.tolist() == [0, 0.25, 0.5, 0.75, 1]
    about = subject(runs, "vae")
    for i, j in ((0, 0), (4, 1), (2, 4)):
        code = about.model.transform(about.shown.X[4:5])
        code[0, [2, 0]] = x[j], y[i]
        np.testing.assert_allclose(X[i, j], about.model.inverse_transform(code)[0], rtol=0, atol=1e-5)


def test_a_scan_by_quantiles_is_the_inverse_of_the_normal_distribution(runs, drawn):
    seen = drawn("plane")
    made(runs, "vae", "scan", size=8)
    (((_, x, y), _),) = seen
    np.testing.assert_allclose(x, ndtri((np.arange(8) + 0.5) / 8), atol=1e-12)
    np.testing.assert_allclose(y, x)
    np.testing.assert_allclose(x, -x[::-1], atol=1e-12)


def test_without_a_prior_quantiles_and_range_are_those_of_the_codes(runs, drawn):
    seen = drawn("plane")
    made(runs, "ae", "scan", dims=(2, 3), size=6, spacing="quantiles")
    made(runs, "ae", "scan", dims=(2, 3), size=6)
    Z = subject(runs, "ae").model.codes_.astype(float)
    np.testing.assert_allclose(seen[0][0][1], np.quantile(Z[:, 1], (np.arange(6) + 0.5) / 6))
    np.testing.assert_allclose(seen[1][0][2][[0, -1]], np.quantile(Z[:, 2], [0.01, 0.99]))


def test_the_plane_left_out_is_that_of_the_most_used_dimensions(runs, drawn, monkeypatch):
    seen = drawn("plane")
    made(runs, "ae", "scan", size=2)
    order = np.argsort(-subject(runs, "ae").model.codes_.var(0))[:2]
    assert seen[0][1]["labels"] == tuple(f"dimension {d + 1}" for d in order)
    monkeypatch.setattr("narrows.analyses.scan.usage", lambda about: (np.array([0.1, 3.0, 0.0, 2.0]), "nats"))
    made(runs, "ae", "scan", size=2)
    assert seen[1][1]["labels"] == ("dimension 2", "dimension 4")


def test_a_prior_without_quantiles_leaves_those_of_the_codes(runs, drawn, monkeypatch):
    monkeypatch.setattr(StandardNormal, "quantile", lambda self, p: None)  # as that of a mixture
    result, _ = made(runs, "vae", "scan", size=2)
    assert "at quantiles of the codes" in result.note


def test_traversal_changes_one_number_and_goes_by_use(runs, drawn):
    seen = drawn("rows")
    result, _ = made(runs, "vae", "traverse", size=3)
    used = list(result.numbers.values())
    assert used == sorted(used, reverse=True)
    assert len(used) == 3
    (X, names, heads), _ = seen[0]
    about = subject(runs, "vae")
    middle = about.model.inverse_transform(np.zeros((1, 3)))[0]
    np.testing.assert_allclose(X[:, 1], np.stack([middle] * 3), atol=1e-5)
    code = np.zeros((1, 3))
    code[0, int(names[2].split()[1]) - 1] = 3
    np.testing.assert_allclose(X[2, 2], about.model.inverse_transform(code)[0], atol=1e-5)
    assert heads == ["−3.0", "0", "+3.0"]
    from narrows.evaluation.representation import kl_per_dimension

    np.testing.assert_allclose(used, np.sort(kl_per_dimension(about.model, about.shown.X))[::-1])


# --- interpolate, combine


@pytest.mark.parametrize("k", [2, 3, 50])
def test_the_way_around_keeps_its_distance_and_meets_both_ends(k):
    rng = np.random.default_rng(k)
    a, b = rng.normal(size=(2, k))
    b *= np.linalg.norm(a) / np.linalg.norm(b)
    t = np.linspace(0, 1, 11)
    path = slerp(a, b, t)
    assert (path[0] == a).all()
    assert (path[-1] == b).all()
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), np.linalg.norm(a), rtol=1e-12)
    omega = np.arccos(a @ b / (a @ a))  # the formula of Shoemake (1985)
    wanted = (np.sin((1 - t) * omega)[:, None] * a + np.sin(t * omega)[:, None] * b) / np.sin(omega)
    np.testing.assert_allclose(path, wanted, atol=1e-12)
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    np.testing.assert_allclose(steps, steps[0])


def test_ways_around_of_opposite_equal_and_zero_ends():
    a = np.array([3.0, 4.0, 0.0])
    t = np.linspace(0, 1, 5)
    np.testing.assert_allclose(np.linalg.norm(slerp(a, -a, t), axis=1), 5)
    np.testing.assert_allclose(slerp(a, -a, t)[2] @ a, 0, atol=1e-12)
    np.testing.assert_allclose(slerp(a, a, t), np.tile(a, (5, 1)))
    np.testing.assert_allclose(slerp(a, 2 * a, t), (1 + t)[:, None] * a)
    np.testing.assert_allclose(slerp(np.zeros(3), a, t), t[:, None] * a)


def test_interpolation_ends_with_reconstructions_and_originals(runs, drawn):
    seen = drawn("rows")
    result, _ = made(runs, "vae", "interpolate", a=(3,), b=(8,), steps=5)
    (X, names, heads), _ = seen[0]
    about = subject(runs, "vae")
    ends = about.shown.X[[3, 8]]
    rebuilt = about.model.reconstruct(ends)
    assert X.shape == (2, 7, 1, 8, 8)
    assert names == ["3 to 8, linear", "spherical"]
    assert heads == ["A", "0", "0.25", "0.5", "0.75", "1", "B"]
    for row in X:
        np.testing.assert_array_equal(row[[0, -1]], ends)
        np.testing.assert_allclose(row[[1, -2]], rebuilt, atol=1e-5)
    Z = about.model.transform(ends).astype(float)
    np.testing.assert_allclose(X[0, 3], about.model.inverse_transform(Z.mean(0, keepdims=True))[0], atol=1e-5)
    assert result.numbers["middle to centre, spherical"] == pytest.approx(np.linalg.norm(Z, axis=1).mean())
    assert result.numbers["distance of the codes"] == pytest.approx(np.linalg.norm(Z[0] - Z[1]))
    made(runs, "vae1", "interpolate")
    assert seen[1][0][1] == ["0 to 1, linear"]  # on a line there is no way around


def test_what_is_added_and_taken_away_again_leaves_the_rest(runs, drawn):
    seen = drawn("total")
    made(runs, "vae", "combine", expression="3 - 3 + 5")
    (terms, (result, _), limits), _ = seen[0]
    about = subject(runs, "vae")
    np.testing.assert_allclose(result, np.clip(about.model.reconstruct(about.shown.X[5:6])[0], *limits), atol=1e-6)
    assert [(sign, caption) for sign, _, caption in terms] == [("", "sample 3"), ("−", "sample 3"), ("+", "sample 5")]
    np.testing.assert_array_equal(terms[1][1], about.shown.X[3])


def test_means_weights_and_classes(runs, drawn):
    seen = drawn("total")
    made(runs, "pca", "combine", expression="0.5*digit:3 + .5*mean(1, 2) - 2 * 7")
    about = subject(runs, "pca")
    Z = about.model.transform(about.shown.X)
    wanted = 0.5 * Z[about.shown.y == 3].mean(0) + 0.5 * Z[[1, 2]].mean(0) - 2 * Z[7]
    (terms, (result, _), limits), _ = seen[0]
    assert limits == (0.0, 1.0)
    raw = about.model.inverse_transform(wanted[None])[0]
    assert raw.min() < 0  # so that clipping matters
    np.testing.assert_allclose(result, np.clip(raw, 0, 1), atol=1e-12)
    assert [caption for *_, caption in terms] == ["0.5 · class 3", "0.5 · mean(1,2)", "2 · sample 7"]


def test_sums_are_read_as_they_are_written():
    found = parse("-3 − 0.5*mean(1,2 , 5)+class:'G W Bush' + digit:3-label:\"a\"")
    assert [(t.weight, t.index, t.label) for t in found] == [
        (-1, (3,), None), (-0.5, (1, 2, 5), None), (1, (), "G W Bush"), (1, (), "3"), (-1, (), "a"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "position", "told"),
    [
        ("", 1, "got the end"),
        ("3 -", 4, "got the end"),
        ("3 - + 4", 5, "got '+'"),
        ("3 4", 3, "must be + or -; got '4'"),
        ("3.5", 1, "an integer; got '3.5'. A weight is written with *"),
        ("3*", 3, "got the end"),
        ("3 % 4", 3, "got '%'"),
        ("mean 3", 6, "must be (; got '3'"),
        ("mean(3", 7, "must be ); got the end"),
        ("mean()", 6, "got ')'"),
        ("mean(1.5)", 6, "got '1.5'"),
        ("(3 + 4)", 1, "got '('"),
        ("class:", 1, "got 'c'"),
        ("99999999999999999999", 1, "must be a sample's index"),
        ("9e9*3", 2, "got 'e'"),
        ("__import__('os')", 1, "got '_'"),
    ],
)
def test_what_is_no_sum_is_refused_with_its_place(text, position, told):
    with pytest.raises(ConfigError) as error:
        parse(text)
    assert f"character {position}: " in str(error.value)
    assert told in str(error.value)


# --- cloud, codes


def test_the_cloud_of_pca_has_numpys_numbers(runs):
    result, _ = made(runs, "cloud-pca", "cloud")
    data = load_dataset("cloud", samples=100)
    train, test = data.train.astype(float), data.test.astype(float)
    _, _, axes = np.linalg.svd(train - train.mean(0))
    line = np.outer((test - train.mean(0)) @ axes[0], axes[0]) + train.mean(0)
    assert result.numbers["squared error"] == pytest.approx(((test - line) ** 2).sum(1).mean(), rel=1e-9)
    angle = np.degrees(np.arctan(axes[0, 1] / axes[0, 0]))
    assert result.numbers["angle of component 1, degrees"] == pytest.approx(angle, abs=1e-9)
    assert result.numbers["angle of component 2, degrees"] == pytest.approx(angle + 90, abs=1e-9)
    assert result.numbers["angle to PCA, rad"] < 1e-6
    assert result.numbers["squared error of PCA"] == pytest.approx(result.numbers["squared error"], rel=1e-12)
    trained = ANALYSES["cloud"]()(subject(runs, "cloud-pca", split="train")).numbers
    ratio = PCA().fit(train).explained_variance_ratio_
    assert trained["explained variance of component 1, share"] == pytest.approx(ratio[0])
    assert trained["explained variance, share"] == pytest.approx(ratio[0])


def test_the_angle_of_a_linear_autoencoder_is_that_of_its_decoder(runs, drawn):
    seen = drawn("cloud")
    result, _ = made(runs, "cloud-ae", "cloud")
    about = subject(runs, "cloud-ae")
    column = about.model.module_.decoder.output.weight.detach().double().numpy()[:, 0]
    _, _, axes = np.linalg.svd(about.dataset.train.astype(float) - about.dataset.train.mean(0, dtype=float))
    cosine = abs(column @ axes[0]) / np.linalg.norm(column)
    assert result.numbers["angle to PCA, rad"] == pytest.approx(np.arccos(cosine), rel=1e-4)
    assert result.numbers["angle of the axis, degrees"] == pytest.approx(direction(column), abs=1e-3)
    assert seen[0][1]["line"] is not None


def test_a_bent_line_has_no_axes(runs, drawn):
    seen = drawn("cloud")
    result, _ = made(runs, "bent", "cloud")
    assert not any("angle" in name for name in result.numbers)
    assert list(seen[0][1]["arrows"]) == []
    assert seen[0][1]["curve"].shape == (200, 2)


@pytest.mark.parametrize("small", [1e-12, 1e-7, 0.3])
def test_small_angles_keep_their_digits(small):
    a = np.array([[1.0, 0, 0], [0, 1, 0]])
    b = np.array([[1.0, 0, 0], [0, np.cos(small), np.sin(small)]])
    assert subspace_angle(a * 7, b) == pytest.approx(small, rel=1e-6)


def test_the_plane_of_an_arc(runs, drawn):
    seen = drawn("codes")
    result, _ = made(runs, "arc", "codes")
    assert result.numbers["angle to PCA, rad"] < 1e-6
    X, X_hat, Z, surface = seen[0][0]
    pca = subject(runs, "arc").model
    flat = (surface.reshape(-1, 3) - pca.mean_) @ np.cross(*pca.components_)
    np.testing.assert_allclose(flat, 0, atol=1e-9)  # all of it lies in PCA's plane
    np.testing.assert_allclose(result.numbers["squared error"], ((X - X_hat) ** 2).sum(1).mean())
    assert Z.shape == (60, 2)


# --- components, ranks, features


def test_components_of_pca_are_its_axes(runs, drawn):
    seen = drawn("signed")
    result, _ = made(runs, "pca", "components", number=4)
    (change, captions), given = seen[0]
    about = subject(runs, "pca")
    axes = about.model.components_[:4]
    flat = change.reshape(4, -1)
    np.testing.assert_allclose(flat / np.linalg.norm(flat, axis=1, keepdims=True), axes, atol=1e-9)
    np.testing.assert_allclose(given["first"].ravel(), about.model.mean_, atol=1e-9)
    assert [caption.split()[0] for caption in captions] == ["1", "2", "3", "4"]
    X = about.shown.X.reshape(len(about.shown.X), -1).astype(float)
    left = X - about.model.mean_
    left = left - left @ axes.T @ axes
    wanted = 1 - (left**2).sum() / ((X - X.mean(0)) ** 2).sum()
    assert result.numbers["explained variance of 4 components, share"] == pytest.approx(wanted, abs=1e-6)


def test_ranks_are_the_errors_of_shorter_codes(runs, drawn):
    seen = drawn("rows")
    result, _ = made(runs, "pca", "ranks", index=(2, 7))
    about = subject(runs, "pca")
    assert seen[0][0][2] == ["original", "1", "2", "4", "8", "9"]
    for k in (1, 2, 4, 8, 9):
        wanted = np.square(about.shown.X - about.model.reconstruct(about.shown.X, k), dtype=float).sum((1, 2, 3)).mean()
        assert result.numbers[f"squared error from {k}"] == pytest.approx(wanted)
    np.testing.assert_allclose(seen[0][0][0][1, 3], about.model.reconstruct(about.shown.X[7:8], 4)[0], atol=1e-6)
    assert not any("pixel" in name for name in result.numbers)  # 8x8 digits are no bytes


def test_features_of_one_layer_are_its_weights_by_use(runs, drawn):
    seen = drawn("signed")
    result, _ = made(runs, "sparse", "features", number=5)
    about = subject(runs, "sparse")
    activity = about.model.transform(about.shown.X).mean(0)
    order = np.argsort(-activity)[:5]
    weights = next(m for m in about.model.module_.encoder.modules() if isinstance(m, torch.nn.Linear)).weight
    for slope, unit in zip(seen[0][0][0], order, strict=True):
        w = weights[int(unit)].detach().numpy().astype(float)
        cosine = slope.ravel() @ w / np.linalg.norm(slope) / np.linalg.norm(w)
        assert cosine == pytest.approx(1, abs=1e-6)
    assert result.numbers["mean activity"] == pytest.approx(activity.mean(), rel=1e-5)
    assert result.numbers["mean activity of the most active"] == pytest.approx(activity.max(), rel=1e-5)


# --- gallery, epochs


def test_a_gallery_holds_one_class(runs, drawn):
    seen = drawn("gallery")
    result, _ = made(runs, "pca", "gallery", label="3", number=4)
    about = subject(runs, "pca")
    wanted = about.shown.X[about.shown.y == 3]
    np.testing.assert_array_equal(seen[0][0][0], wanted[:4])
    assert result.numbers["samples"] == len(wanted)
    result, _ = made(runs, "pca", "gallery", label="most frequent")
    assert result.numbers["samples"] == np.bincount(about.shown.y).max()


def test_classes_are_found_by_name_in_any_writing():
    data = replace(load_dataset("digits"), label_names=("George W Bush", "Ann B", "c", *"3456789"))
    labels = np.array([0, 1, 1, 5])
    for name in ("George W Bush", "george_w_bush", "0"):
        assert class_of(data, labels, name, "Gallery: label") == (0, "George W Bush")
    assert class_of(data, labels, "most frequent", "Gallery: label") == (1, "Ann B")
    with pytest.raises(ConfigError, match=r"got 'Ann C'\. Did you mean 'Ann B'"):
        class_of(data, labels, "Ann C", "Gallery: label")
    with pytest.raises(ConfigError, match="got '2'"):  # a class without samples here
        class_of(data, labels, "2", "Gallery: label")


def test_the_epochs_are_those_of_the_run(runs, drawn):
    seen = drawn("compare")
    result, _ = made(runs, "vae", "epochs")
    rows = seen[0][0][0]
    assert list(rows) == ["original", "epoch 1", "epoch 2", "samples, epoch 1", "samples, epoch 2"]
    frames = Run(runs / "vae").frames
    np.testing.assert_array_equal(rows["original"][:, 0], frames.originals["x"])
    np.testing.assert_array_equal(rows["samples, epoch 2"][:, 0], frames.read(2)["samples"])
    history = Run(runs / "vae").history
    assert result.numbers == {f"loss, epoch {r['epoch']}": r["validation"]["loss"] for r in history}
    made(runs, "vae", "epochs", number=1)
    assert list(seen[1][0][0]) == ["original", "epoch 1", "samples, epoch 1"]
