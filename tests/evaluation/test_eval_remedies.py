"""The rules on synthetic evidence: each fires on its own situation alone; their advice works and does not conflict."""

import itertools
import shlex
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

import narrows
from narrows.cli.arguments import values_of_flags
from narrows.errors import ConfigError
from narrows.estimators import ESTIMATORS
from narrows.evaluation import Remedy
from narrows.evaluation.diagnosis import findings_on
from narrows.evaluation.diagnosis.evidence import Errors, Evidence, Spread
from narrows.evaluation.diagnosis.measurements import Activity
from narrows.evaluation.diagnosis.remedies import without_contradictions
from narrows.evaluation.diagnosis.rules import RULES

rng = np.random.default_rng(0)
TABLE = rng.normal(size=(60, 8)).astype(np.float32)
GREY = rng.uniform(0.2, 0.8, size=(60, 8)).astype(np.float32)
IMAGES = rng.integers(0, 256, (40, 1, 8, 8), dtype=np.uint8)
WAVES = rng.normal(size=(40, 6, 2)).astype(np.float32)
RAGGED = [wave[: 3 + i % 4] for i, wave in enumerate(WAVES)]
FAST = {"epochs": 1, "latent_dim": 4}
MODELS = {
    "pca": (narrows.PCA(latent_dim=4), TABLE),
    "ae": (narrows.AE(network="mlp:8", code="continuous:tanh", scale=None, **FAST), TABLE),
    "tanh": (narrows.AE(network="mlp:8,activation=tanh", weight_decay=0.1, **FAST), TABLE),
    "residual": (narrows.AE(network="residual:8", **FAST), TABLE),
    "pixels": (narrows.AE(network="conv:4", **FAST), IMAGES),
    "lstm": (narrows.AE(network="recurrent:4", **FAST), WAVES),
    "ragged": (narrows.AE(network="recurrent:4", **FAST), RAGGED),
    "vae": (narrows.VAE(network="mlp:8", likelihood="gaussian", scale=None, beta=0.5, **FAST), TABLE),
    "beta": (narrows.VAE(network="mlp:8", beta=8, clip=5, patience=None, **FAST), TABLE),
    "set": (narrows.VAE(network="residual:8", kl_warmup=0.5, clip=1, likelihood="gaussian:learned", **FAST), TABLE),
    "bits": (narrows.VAE(network="mlp:8", likelihood="bernoulli", **FAST), GREY),
    "digits": (narrows.VAE(network="mlp:8", **FAST), IMAGES),
    "lstm-vae": (narrows.VAE(network="recurrent:4", **FAST), WAVES),
}
SITUATIONS: dict[str, dict[str, Any]] = {
    "scale misfit": {"deviations": np.array([1, 1, 1, 1, 1, 1, 1, 900.0])},
    "learning rate too high": {"jump": (30.0, 10.0)},
    "dead units": {"activity": [Activity("encoder.1", 8, False, 0.95, 0.0)]},
    "saturated units": {"activity": [Activity("encoder.1", 8, False, 0.0, 0.9)]},
    "learning rate too low": {"speed": 0.8, "train": Errors(1.2501, 1.0, 1.2), "test": Errors(1.0, 1.0, 2.0)},
    "likelihood misfit": {"residual_ratio": 40.0},
    "posterior collapse": {"kl": np.full(4, 1e-3)},
    "collapsed dimensions": {"kl": np.array([2.0, 1e-3, 1e-3, 1e-3])},
    "too few samples": {"n": 12},
    "overfitting": {"train": Errors(0.4, 0.9, 2.0), "test": Errors(1.0, 1.0, 2.0)},
    "output ignores the code": {"output_share": 1e-5},
    "unused codes": {"constant": 2},
    "worse than PCA": {"train": Errors(3.0, 1.0, 2.0), "test": Errors(3.0, 1.0, 2.0)},
    "columns not learned": {"gains": {"a": 0.5, "b": 0.001}},
    "codes off the prior": {"spread": Spread(np.array([4, 0, 0, 0.0]), np.ones(4), np.zeros(4), np.ones(4))},
    "samples off range": {"off_range": 0.4},
}


@pytest.fixture(scope="module")
def sound():
    """Return a function from the name of a model, fitted once, to evidence in which nothing is wrong."""
    fitted = {}

    def evidence(name):
        if name in fitted:
            return SOUND[id(fitted[name])]
        model, X = MODELS[name]
        model = fitted[name] = clone(model).fit(X)
        probabilistic = model.module_.probabilistic
        calm = Errors(1.0, 1.0, 2.0)
        SOUND[id(model)] = Evidence(
            model=model, n=1000, rank=4, train=calm, test=calm, kl=np.full(4, 2.0) if probabilistic else None,
            spread=Spread(np.zeros(4), np.ones(4), np.zeros(4), np.ones(4)) if probabilistic else None,
            deviations=np.ones(8), speed=0.1, output_share=0.9, activity=[Activity("encoder.1", 8, False, 0.1, 0.1)],
            low=0.0 if name in ("bits", "digits", "pixels") else -3.0,
            high=1.0 if name in ("bits", "digits", "pixels") else 3.0,
            **({"residual_ratio": 1.0, "off_range": 0.01} if probabilistic else {}),
        )  # fmt: skip
        return SOUND[id(model)]

    return evidence


def rules_of(evidence):
    return [finding.rule for finding in findings_on(evidence, every=True)]


SOUND: dict[int, Evidence] = {}  # by the model; findings too are made once
FOUND: dict[tuple[int, str], Any] = {}
BY_NAME = dict(zip(SITUATIONS, RULES, strict=True))  # in the same order


def of(rule: str, evidence: Any) -> Any:
    """Return the finding of a rule on its situation, before others are heard; None where it says nothing."""
    key = (id(evidence.model), rule)
    if id(SOUND.get(id(evidence.model))) != id(evidence):  # changed by the test
        return BY_NAME[rule](replace(evidence, **SITUATIONS[rule]))
    if key not in FOUND:
        FOUND[key] = BY_NAME[rule](replace(evidence, **SITUATIONS[rule]))
    return FOUND[key]


def remedies_of(evidence):
    """Return every remedy that any rule gives for a model, with its rule, each once."""
    found = {}
    for rule in SITUATIONS:
        finding = of(rule, evidence)
        for remedy in finding.remedies if finding else ():
            found.setdefault(remedy.text(), (rule, remedy))
    return found.values()


@pytest.mark.parametrize("name", MODELS)
def test_every_rule_fires_on_its_own_situation_and_on_no_other(name, sound):
    evidence = sound(name)
    assert rules_of(evidence) == []
    for rule, changes in SITUATIONS.items():
        unscaled = evidence.model.schema_.scale != "standard" and evidence.model.schema_.kind == "table"
        expected = [] if rule == "scale misfit" and not unscaled else [rule]
        assert rules_of(replace(evidence, **changes)) == expected, rule


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in ("pca", "ae") else pytest.mark.slow) for name in MODELS]
)
def test_every_remedy_changes_its_parameters_can_be_fitted_and_is_not_advised_again(name, sound):
    evidence, X = sound(name), MODELS[name][1]
    before = evidence.model.get_params(deep=False)
    for rule, remedy in remedies_of(evidence):
        assert all(before[key] != value for key, value in remedy.values.items()), remedy
        changed = clone(evidence.model).set_params(**remedy.values)
        if "epochs" in before:
            changed.set_params(epochs=1)
        model = changed.fit(X, **(remedy.fit or ({"validation": 0.2} if "patience" in remedy.values else {})))
        if remedy.sample:
            assert len(model.sample(3, X=X, **remedy.sample)) == 3
        elif "epochs" not in remedy.values and (again := of(rule, replace(evidence, model=model))):
            assert not remedy.values or all(each.values != remedy.values for each in again.remedies), remedy


@pytest.mark.parametrize("name", MODELS)
def test_flags_are_those_of_the_command_line(name, sound):
    evidence = sound(name)
    cls = ESTIMATORS[type(evidence.model).__name__.lower()]
    for _, remedy in remedies_of(evidence):
        if remedy.values and not remedy.fit:
            words = shlex.split(remedy._replace(reason="").text(flags=True))
            names = [word.removeprefix("--").replace("-", "_") for word in words[::2]]
            assert values_of_flags(cls, dict(zip(names, words[1::2], strict=True))) == dict(remedy.values)


UP, DOWN = 1, -1
DIRECTIONS = {  # what a change of a parameter does, for those whose advice could pull two ways
    "learning_rate": ("rate", UP), "clip": ("rate", DOWN), "epochs": ("training", UP), "patience": ("training", DOWN),
    "beta": ("kl", UP), "kl_warmup": ("kl", DOWN), "latent_dim": ("size", UP),
}  # fmt: skip


def pulls(model, finding):
    """Return the ways in which a finding's remedies pull, and the other values that they set."""
    now = model.get_params(deep=False)
    ways, others = set(), set()
    for name, value in (item for remedy in finding.remedies for item in remedy.values.items()):
        if name in DIRECTIONS:
            what, way = DIRECTIONS[name]
            changes = isinstance(now[name], int | float) and name not in ("clip", "kl_warmup")
            ways.add((what, way * (np.sign(value - now[name]) if changes else 1)))
        else:
            others.add((name, value))
    return ways, others


@pytest.mark.parametrize("name", MODELS)
def test_no_two_findings_contradict_each_other(name, sound):
    evidence = sound(name)
    findings = [finding for rule in SITUATIONS if (finding := of(rule, evidence)) is not None]
    pulled = {}
    for several in itertools.chain(itertools.combinations(findings, 2), itertools.combinations(findings, 3)):
        kept = without_contradictions(several)
        assert [finding.rule for finding in kept] == [finding.rule for finding in several]
        for one, other in itertools.combinations(kept, 2):
            for each in (one, other):
                if id(each.remedies) not in pulled:
                    pulled[id(each.remedies)] = (*pulls(evidence.model, each), each)
            (ways, values, _), (more_ways, more_values, _) = (pulled[id(each.remedies)] for each in (one, other))
            assert not {(what, -way) for what, way in ways} & more_ways, (one, other)
            names = {key for key, _ in values}
            assert all(item in values for item in more_values if item[0] in names), (one, other)


def remedies(rule, evidence):
    return [dict(remedy.values) for remedy in of(rule, evidence).remedies]


def test_an_lstm_that_returns_the_mean_is_told_of_other_networks(sound):
    for rule in ("worse than PCA", "output ignores the code"):
        assert [r for r in remedies(rule, sound("lstm")) if "network" in r] == [
            {"network": "residual"}, {"network": "conv"},
        ]  # fmt: skip
    assert remedies("posterior collapse", sound("lstm-vae"))[:2] == [{"network": "residual"}, {"network": "conv"}]
    for rule in ("worse than PCA", "output ignores the code"):  # sequences of different lengths have no other network
        assert not [r for r in remedies(rule, sound("ragged")) if "network" in r]


def test_what_is_set_already_is_not_advised(sound):
    assert remedies("worse than PCA", sound("residual")) == [{"epochs": 3}, {"learning_rate": 0.0002}]
    assert remedies("posterior collapse", sound("set")) == [{"beta": 0.25}]
    assert remedies("learning rate too high", sound("set")) == [{"learning_rate": 0.0002}]
    assert remedies("likelihood misfit", sound("set")) == [{"epochs": 3}]
    assert {"clip": 1.0} in remedies("learning rate too high", sound("beta"))
    assert remedies("posterior collapse", sound("beta"))[1] == {"beta": 1.0}
    validated = replace(sound("ae"), validated=True)
    assert remedies("overfitting", validated) == [{"latent_dim": 2}, {"network": "mlp:4"}]


def test_a_bounded_likelihood_keeps_its_range(sound):
    assert {"scale": "standard", "likelihood": "gaussian:learned"} in remedies("scale misfit", sound("bits"))
    evidence = replace(sound("bits"), grey_share=0.9)
    (finding,) = findings_on(evidence)
    assert [dict(each.values) for each in finding.remedies] == [
        {"likelihood": "continuous_bernoulli"}, {"likelihood": "gaussian:learned"},
    ]  # fmt: skip


def test_an_error_far_above_pcas_and_codes_far_from_the_prior_are_always_told(sound):
    wrong: dict[str, Any] = {}
    for rule in ("worse than PCA", "codes off the prior"):
        wrong |= SITUATIONS[rule]
    for rule, changes in SITUATIONS.items():
        told = [finding.rule for finding in findings_on(replace(sound("vae"), **{**changes, **wrong}))]
        assert "worse than PCA" in told, rule
        assert "codes off the prior" in told or rule == "posterior collapse", rule


def test_sentences_have_no_absurd_percentages(sound):
    far = Errors(4.2857e4, 1.0, 2.0)
    (finding,) = findings_on(replace(sound("ae"), train=far, test=far))
    assert finding.sentence == (
        "On held-out samples the squared error is 42,857 per sample, 42,857 times that of PCA with 4 dimensions "
        "(1.000). Even the mean sample leaves less: 2.000."
    )
    exact = Errors(0.5, 0.0, 2.0)
    (finding,) = findings_on(replace(sound("ae"), train=exact, test=None))
    assert finding.sentence == (
        "On training samples the squared error is 0.5000 per sample. PCA with 4 dimensions leaves none."
    )


def test_a_remedy_is_written_for_python_and_for_the_command_line():
    remedy = Remedy({"patience": 5, "network": "mlp:8,activation=relu"}, "why", fit={"validation": 0.1})
    assert remedy.text() == "patience=5, network='mlp:8,activation=relu' with fit(X, validation=0.1) (why)"
    assert remedy.text(flags=True) == "--patience 5 --network mlp:8,activation=relu --validation 0.1 (why)"
    assert Remedy(sample={"sampler": "gmm"}).text() == "sample(sampler='gmm')"
    assert Remedy(sample={"sampler": "gmm"}).text(flags=True) == "narrows sample --sampler gmm"
    assert Remedy(words="more samples").text(flags=True) == "more samples"
    with pytest.raises(ConfigError):
        # Why remedies are tried on the estimator.
        narrows.VAE(network="residual:8,output_activation=sigmoid", likelihood="bernoulli").fit(GREY)
