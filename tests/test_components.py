"""Components: short strings, objects, errors, entry points; what a user registers trains, saves and loads."""

import importlib.metadata
import json
import pickle
from typing import ClassVar

import numpy as np
import pytest
import torch
from sklearn.base import clone

import narrows.components as components
from drawn import structured
from narrows import AE, ESTIMATORS, VAE, elbo, log_likelihood
from narrows.components import AXES, Component, component, from_record, register, resolve, resolve_all, to_record
from narrows.conditions import CONDITIONS
from narrows.corruptions import Corruption, Gaussian
from narrows.errors import ConfigError, FormatError
from narrows.estimators.loading import load_model
from narrows.nn import CODES, MLP, NETWORKS, Conv
from narrows.params import fields, model, param
from narrows.penalties import L1, PENALTIES
from narrows.probability.likelihoods import LIKELIHOODS, GaussianLikelihood, Likelihood
from narrows.probability.posteriors import POSTERIORS
from narrows.probability.priors import PRIORS
from own import Heteroscedastic, Mixture, UnitInterval, registered

ALL = [(axis.name, name) for axis in AXES.values() if axis.base is Component for name in axis]


def other(field):
    """Return another value of a field than its default."""
    if field.choices and len(field.choices) > 1:
        return next(choice for choice in field.choices if choice != field.default)
    if isinstance(field.default, bool):
        return not field.default
    if isinstance(field.default, tuple):
        return tuple(2 * value + 1 for value in field.default)
    if isinstance(field.default, int):
        return field.default + 2
    return field.default / 3 if isinstance(field.default, float) and field.default else 0.123456789012


def test_the_axes():
    tables = (NETWORKS, CODES, LIKELIHOODS, PRIORS, POSTERIORS, PENALTIES, CONDITIONS)
    assert {table.name for table in tables} | {"corruption", "estimator", "missingness"} == set(AXES)
    used = {field.axis for cls in ESTIMATORS.values() for field in fields(cls) if field.axis}
    assert used == set(AXES) - {"estimator"}
    assert AXES["estimator"] is ESTIMATORS


@pytest.mark.parametrize(("axis", "name"), ALL)
def test_every_value_round_trips(axis, name):
    default = resolve(axis, name)
    assert isinstance(default, Component)
    assert default.axis == axis
    assert str(default) == name
    changed = default.set_params(**{f.name: other(f) for f in fields(default)})
    for value in (default, changed):
        assert resolve(axis, str(value)) == value
        assert from_record(axis, to_record(value)) == value
        assert resolve(axis, value) is value
        assert pickle.loads(pickle.dumps(value)) == value
        assert hash(value) == hash(resolve(axis, str(value)))
        assert clone(value, safe=False) == value
    for field in fields(default):
        one = default.set_params(**{field.name: other(field)})
        assert resolve(axis, str(one)) == one != default
    assert type(default).__doc__
    assert all(field.help.endswith(".") for field in fields(default))


def test_fields_of_short_strings():
    assert resolve("network", "mlp:8x4") == resolve("network", "mlp:8,4") == MLP(hidden=(8, 4))
    assert resolve("network", "mlp:8,4,activation=tanh,tied=true") == MLP(hidden=(8, 4), activation="tanh", tied=True)
    assert resolve("network", "mlp:activation=elu,hidden=3") == MLP(hidden=(3,), activation="elu")
    assert resolve("network", "mlp:") == MLP(hidden=())
    assert resolve("network", " conv: 3 , kernel = 5 ".strip()) == Conv(hidden=(3,), kernel=5)
    assert resolve("likelihood", "gaussian:1e-3") == GaussianLikelihood(scale=1e-3)
    assert str(GaussianLikelihood(scale=0.1 + 0.2)) == f"gaussian:{0.1 + 0.2!r}"
    assert str(MLP(activation="tanh")) == "mlp:activation=tanh"
    assert resolve_all("penalty", ("l1:2", L1(weight=3.0))) == (L1(weight=2.0), L1(weight=3.0))
    assert resolve_all("penalty", "l1") == (L1(),)
    assert resolve_all("penalty", None) == resolve_all("penalty", ()) == ()


@pytest.mark.parametrize(
    ("axis", "text", "message"),
    [
        ("network", "mpl", r"AE: network must be one of 'mlp', .*; got 'mpl'. Did you mean 'mlp'\?"),
        ("network", "", "AE: network must be one of"),
        ("network", "mlp:8,activ=tanh", r"'mlp' has the parameters hidden, activation.*got 'activ' in .*Did you mean"),
        (
            "network",
            "mlp:8,activation=tanhh",
            r"activation must be one of 'relu'.*; got 'tanhh'. Did you mean 'tanh'\?",
        ),
        ("network", "mlp:activation=tanh,8", "must be written name:value,key=value"),
        ("network", "mlp:0", r"hidden must be a tuple of whole numbers >= 1; got \(0,\)"),
        ("network", "mlp:x", "hidden must be a tuple of whole numbers >= 1; got 'x'"),
        ("network", "conv:8,kernel=2", "Conv: kernel must be odd"),
        ("corruption", "gaussian:-1", r"AE: corruption='gaussian:-1': Gaussian: std must be a number >= 0; got -1.0"),
        ("condition", "concat:3", "'concat' must be written without a value"),
        ("condition", "concat:a=3", "'concat' has the parameters none; got 'a'"),
        ("code", "vq:1", "size must be a whole number >= 2; got 1"),
        ("code", "vq:1.5", "size must be a whole number >= 2; got '1.5'"),
        ("network", 3, "AE: network must be a component or one of 'mlp', .*; got 3"),
        ("network", MLP, "AE: network must be a component or one of .*; got <class"),
        ("network", L1(), "AE: network must be a component or one of .*; got L1"),
    ],
)
def test_errors(axis, text, message):
    with pytest.raises(ConfigError, match=message):
        resolve(axis, text, "AE")


def test_components_are_immutable_and_made_of_keywords():
    value = MLP(hidden=(3,))
    with pytest.raises(AttributeError):
        setattr(value, "hidden", (4,))  # noqa: B010
    with pytest.raises(TypeError):
        MLP(*[(3,)])
    assert value.set_params(tied=True) == MLP(hidden=(3,), tied=True)
    assert value == MLP(hidden=(3,))
    assert value.get_params() == {"hidden": (3,), "activation": "relu", "output_activation": "linear", "tied": False}
    with pytest.raises(ConfigError, match="Gaussian: std must be a number >= 0; got -1"):
        Gaussian(std=-1)


@pytest.mark.parametrize(
    "record",
    [{}, {"mlp": {}, "conv": {}}, {"nothing": {}}, {"mlp": 3}, {"mlp": {"hiden": [3]}}, {"mlp": {"hidden": "x"}}],
)
def test_records_that_describe_none(record):
    with pytest.raises(ConfigError):
        from_record("network", record)


# Registration ---------------------------------------------------------------------------------------------------------


def test_register_and_its_errors():
    @component
    class Halve(Corruption):
        """Half of everything."""

        share: float = param(0.5, "Share.", low=0)

        def __call__(self, x, rng):
            return x * self.share

    with registered(halve=Halve):
        assert register(Halve, "halve") is Halve
        anew = component(type("Halve", (Halve,), {"__qualname__": Halve.__qualname__, "__module__": __name__}))
        assert register(anew, "halve") is anew  # as a notebook's cell that is run again makes it
        register(Halve)
        assert resolve("corruption", "halve:0.25") == Halve(share=0.25)
        assert str(Halve(share=0.25)) == "halve:0.25"
        with pytest.raises(ConfigError, match=r"name must be free on the axis 'corruption'; 'gaussian' is Gaussian"):
            register(Halve, "gaussian")
    with pytest.raises(ConfigError, match="got 'halve"):
        resolve("corruption", "halve")
    assert to_record(Halve()) is None
    for wrong in (object, Corruption, type("Plain", (), {"axis": "corruption"}), type("Nowhere", (Component,), {})):
        with pytest.raises(
            ConfigError, match=r"register: kind must be an estimator or a component of one of the axes .*corruption"
        ):
            register(wrong)


KINDS = {
    "table": (structured((6,)) * 3, "mlp:6"),
    "missing": (np.where(structured((6,)) > 0.9, np.nan, structured((6,)) * 3), "residual:6"),
    "sequences": (structured((5, 3)), "recurrent:6"),
    "ragged": ([x[: 2 + i % 4] for i, x in enumerate(structured((5, 3)))], "recurrent:6"),
    "images": (structured((2, 7, 6)), "conv:4"),
    "pixels": ((structured((1, 7, 6)) * 255).astype(np.uint8), "conv:4"),
}


@pytest.mark.parametrize("model", [AE, VAE])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "missing"])
def test_a_likelihood_of_ones_own_with_two_outputs(kind, model, tmp_path):
    """A normal with a predicted log-variance: trained on every kind of samples, saved, loaded, and named."""
    X, network = KINDS[kind]
    with registered():
        options = {"latent_dim": 2, "network": network, "epochs": 4, "learning_rate": 1e-2, "batch_size": 16}
        fitted = model(**options, likelihood="heteroscedastic:0.2").fit(X)
        assert fitted.history_[-1]["train"]["loss"] < fitted.history_[0]["train"]["loss"]
        assert fitted.get_params()["likelihood__floor"] == 0.2
        back = load_model(fitted.save(tmp_path))
        for one, two in zip(back.reconstruct(X), fitted.reconstruct(X), strict=True):
            np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(back.score_samples(X), fitted.score_samples(X))
        as_object = model(**options, likelihood=Heteroscedastic(floor=0.2)).fit(X)
        np.testing.assert_array_equal(as_object.score_samples(X), fitted.score_samples(X))
        described = load_model(as_object.save(tmp_path / "object"))
        assert described.likelihood == Heteroscedastic(floor=0.2)
    with pytest.raises((ConfigError, FormatError), match="heteroscedastic"):
        load_model(tmp_path)


@pytest.mark.slow
def test_a_predicted_deviation_is_learned():
    """Of noise whose deviation depends on the sample, which a single scale cannot express."""
    rng = np.random.default_rng(0)
    loud = rng.random(600) < 0.5
    X = (np.where(loud, 3.0, -3.0)[:, None] + rng.normal(size=(600, 4)) * np.where(loud, 1.0, 0.1)[:, None]).astype(
        "f4"
    )
    options = {"latent_dim": 1, "network": "mlp:16", "epochs": 60, "learning_rate": 1e-2, "schedule": "constant"}
    one = AE(**options, likelihood="gaussian:learned").fit(X)
    two = AE(**options, likelihood=Heteroscedastic(floor=0.01)).fit(X)
    assert two.score(X) > one.score(X) + 1


def test_an_own_likelihood_begins_at_pca_as_well(table):
    options = {"latent_dim": 2, "network": "residual:4", "epochs": 1, "learning_rate": 1e-12}
    own = AE(**options, likelihood=Heteroscedastic()).fit(table)
    np.testing.assert_allclose(own.reconstruct(table), AE(**options).fit(table).reconstruct(table), atol=1e-5)


@pytest.mark.parametrize("model", [AE, VAE])
def test_a_bounded_likelihood_of_ones_own(model, table):
    fitted = model(latent_dim=2, network="mlp:6", epochs=10, likelihood=UnitInterval(), learning_rate=1e-2).fit(table)
    assert fitted.schema_.scale is None
    assert fitted.history_[-1]["train"]["loss"] < fitted.history_[0]["train"]["loss"]
    with pytest.raises(
        ValueError, match=rf"{model.__name__}: X must lie in \[0, 1\] for likelihood='UnitInterval'; got"
    ):
        model(latent_dim=2, likelihood=UnitInterval()).fit(table * 2)
    with pytest.raises(ConfigError, match="output_activation must be 'linear' for likelihood='UnitInterval'"):
        model(latent_dim=2, network="mlp:4,output_activation=sigmoid", likelihood=UnitInterval()).fit(table)


def test_what_is_not_registered_is_given_again(table, tmp_path):
    fitted = AE(latent_dim=2, network="mlp:4", epochs=1, likelihood=UnitInterval()).fit(table)
    fitted.save(tmp_path)
    with pytest.raises(FormatError, match=r"likelihood was a user's own object .*Give it again: load\(folder, likeli"):
        load_model(tmp_path)
    back = load_model(tmp_path, likelihood=UnitInterval())
    np.testing.assert_array_equal(back.transform(table), fitted.transform(table))


def test_a_network_of_ones_own(table, tmp_path):
    @component
    class Wide(MLP):
        """An MLP with another default."""

        hidden: tuple[int, ...] = param((9,), "Units.", low=1)

    with registered(wide=Wide):
        fitted = AE(latent_dim=2, network="wide", epochs=1).fit(table)
        assert fitted.module_.encoder.body[1].out_features == 9
        np.testing.assert_array_equal(load_model(fitted.save(tmp_path)).transform(table), fitted.transform(table))


# Priors that do not factorise -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_mixture_as_prior(tmp_path):
    """No closed form of the divergence: the draw estimates it, and the bound is the bound."""
    rng = np.random.default_rng(0)
    centres = 4 * np.array([[1, 0, 0, 1], [-1, 0, 1, 0], [0, 1, -1, 0]])
    X = centres[rng.integers(0, 3, 300)] + 0.3 * rng.normal(size=(300, 4))
    with registered():
        options = {"latent_dim": 2, "network": "mlp:16", "epochs": 40, "learning_rate": 1e-2, "batch_size": 50}
        vae = VAE(**options, prior="mixture:3").fit(X)
        assert vae.history_[-1]["train"]["loss"] < vae.history_[0]["train"]["loss"] - 2
        assert any("means" in name for name, _ in vae.module_.named_parameters())
        bound, tighter = elbo(vae, X, samples=20), log_likelihood(vae, X, samples=20)
        assert bound.mean() <= tighter.mean()
        batch = vae.score_samples(X)
        assert np.isfinite(batch).all()
        assert np.abs(bound.mean() - np.mean([vae.history_[-1]["train"]["elbo"]])) < 1
        drawn = vae.sample(300, seed=0)
        near = ((drawn[:, None] - centres) ** 2).sum(2).min(1) < 4
        assert near.mean() > 0.6
        back = load_model(vae.save(tmp_path))
        np.testing.assert_array_equal(elbo(back, X), elbo(vae, X))
        np.testing.assert_array_equal(back.sample(5, seed=1), vae.sample(5, seed=1))


def test_the_loss_with_a_mixture_is_the_bound_by_hand(table):
    vae = VAE(latent_dim=2, network="mlp:4", epochs=1, prior=Mixture(components=2), likelihood="gaussian").fit(table)
    module = vae.module_.eval().double()
    from narrows.module import Batch

    x = torch.from_numpy(table).double()
    batch = Batch(x, rng=torch.Generator().manual_seed(2))
    loss = module.loss(batch)
    posterior = module.posterior(batch)
    noise = torch.randn(48, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    z = posterior.mean + posterior.stddev * noise
    kl = posterior.log_prob(z) - module.prior().log_prob(z)
    torch.testing.assert_close(loss.terms["kl"], kl)
    torch.testing.assert_close(loss.metrics["elbo"], module.likelihood(z).log_prob(x).sum(1) - kl)


# Entry points ---------------------------------------------------------------------------------------------------------


@component
class Elsewhere(Likelihood):
    """A likelihood of another package."""

    located: ClassVar[bool] = True

    def distribution(self, h, scale):
        return torch.distributions.Normal(h, 0.3, validate_args=False)

    def link(self, mean):
        return mean


class Entry:
    """As importlib.metadata has them."""

    name = "elsewhere"
    loads = 0

    def load(self):
        self.loads += 1
        return Elsewhere


def test_entry_points_are_looked_through_once_where_a_name_is_unknown(monkeypatch, table, tmp_path):
    entry, asked = Entry(), []

    def entry_points(group):
        asked.append(group)
        return [entry]

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    monkeypatch.setattr(components, "_loaded", [])
    try:
        resolve("network", "mlp")
        assert not asked
        fitted = AE(latent_dim=2, network="mlp:4", epochs=1, likelihood="elsewhere").fit(table)
        assert (asked, entry.loads) == (["narrows.components"], 1)
        assert load_model(fitted.save(tmp_path)).likelihood == "elsewhere"
        with pytest.raises(ConfigError, match=r"'elsewhere'; got 'elsewher'. Did you mean 'elsewhere'"):
            resolve("likelihood", "elsewher")
        assert len(asked) == 1
    finally:
        AXES["likelihood"].values_by_name.pop("elsewhere", None)


def test_saved_objects_of_entry_points_load(monkeypatch, table, tmp_path):
    """A process that has not used the name yet finds it while it loads."""
    with registered(elsewhere=Elsewhere):
        AE(latent_dim=2, network="mlp:4", epochs=1, likelihood=Elsewhere()).fit(table).save(tmp_path)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [Entry()])
    monkeypatch.setattr(components, "_loaded", [])
    try:
        assert load_model(tmp_path).likelihood == Elsewhere()
    finally:
        AXES["likelihood"].values_by_name.pop("elsewhere", None)


def test_a_broken_package_is_named(monkeypatch):
    class Broken(Entry):
        name = "broken"

        def load(self):
            raise ImportError("no such module")

    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [Broken()])
    monkeypatch.setattr(components, "_loaded", [])
    with (
        pytest.warns(UserWarning, match="'broken' could not be imported: no such module"),
        pytest.raises(ConfigError, match="network must be one of"),
    ):
        resolve("network", "unknown")


# Estimators -----------------------------------------------------------------------------------------------------------


class Mine(AE):
    """An autoencoder with nothing of its own."""


@model
class Weighted(VAE):
    """A VAE with a field of its own.

    {parameters}
    """

    extra: float = param(0.5, "A number of its own.", low=0)

    def build(self, schema):
        module = super().build(schema)
        module.beta = self.extra
        return module


@pytest.mark.parametrize("kind", [Mine, Weighted])
def test_a_subclass_is_saved_once_it_is_registered(kind, table, tmp_path):
    fitted = kind(latent_dim=2, network="mlp:4", epochs=1).fit(table)
    name = kind.__name__
    with pytest.raises(
        ConfigError, match=rf"{name}: save must be of .*has none. Register it .*narrows.register\({name}"
    ):
        fitted.save(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    with registered(**{name.lower(): kind}):
        back = load_model(fitted.save(tmp_path / "some"))
        assert type(back) is kind
        assert back.get_params() == fitted.get_params()
        np.testing.assert_array_equal(back.reconstruct(table), fitted.reconstruct(table))
        assert resolve_name(tmp_path / "some") == name.lower()
    with pytest.raises(FormatError, match=f"model must be one of pca, ae, vae; got '{name.lower()}'"):
        load_model(tmp_path / "some")


def resolve_name(folder):
    return json.loads((folder / "model.json").read_text())["model"]


def test_fields_of_a_subclass_are_checked_and_described(table):
    with pytest.raises(ConfigError, match="Weighted: extra must be a number >= 0; got -1"):
        Weighted(latent_dim=2, extra=-1).fit(table)
    with pytest.raises(ConfigError, match="Mine: penalty must be one of"):
        Mine(latent_dim=2, penalty="none at all").fit(table)
    assert "extra : a number >= 0" in Weighted.__doc__
    assert Weighted(latent_dim=2, network="mlp:4", epochs=1, extra=3.0).fit(table).module_.beta == 3.0


def test_none_among_several_is_none(table):
    fitted = AE(latent_dim=2, network="mlp:4", epochs=1, penalty=(None, "l1:0.1")).fit(table)
    alone = AE(latent_dim=2, network="mlp:4", epochs=1, penalty="l1:0.1").fit(table)
    np.testing.assert_array_equal(fitted.transform(table), alone.transform(table))
