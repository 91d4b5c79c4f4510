"""What a recipe holds: a TOML file, every key of which is checked.

title, teaches, source     title, what one learns from it, and who published it
data, [data_options]       what `load_dataset` is given
model, [parameters]        the estimator, and its parameters that differ from the defaults
[[variants]]               the same with other parameters: a run each
[[analyses]]               analyses of the finished run: a name and its fields
[[goals]]                  the values to reach: measure, split, a bound, and where it comes from
[curve]                    a measure across the variants: by a parameter, or by the number of training samples
[quick]                    data, data_options and parameters for a trial run in seconds
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple, NoReturn

from narrows.analyses import ANALYSES, Analysis
from narrows.errors import ConfigError, FormatError, did_you_mean
from narrows.estimators import ESTIMATORS
from narrows.estimators.base import Autoencoder
from narrows.params import fields, validate
from narrows.recipes.curves import ROWS, Curve
from narrows.recipes.goals import BOUNDS, MEASURES, Goal

PICTURE = re.compile(r"[a-z0-9-]+\.png")
TEXTS = ("title", "teaches", "source", "data", "model")
KEYS = (
    "lesson",
    *TEXTS,
    "note",
    "seconds",
    "data_options",
    "parameters",
    "variants",
    "analyses",
    "goals",
    "curve",
    "quick",
)


@dataclass(frozen=True)
class Variant:
    """One training of a recipe."""

    name: str
    """Empty where there is only one."""
    model: str
    parameters: Mapping[str, Any]
    """Those that differ from the model's defaults."""
    data: str
    data_options: Mapping[str, Any]

    def estimator(self) -> Autoencoder:
        """Return the estimator, not fitted, its parameters checked."""
        estimator = ESTIMATORS[self.model](**self.parameters)
        validate(estimator)
        return estimator


class Planned(NamedTuple):
    """An analysis of a recipe's runs."""

    name: str
    analysis: Analysis
    variants: tuple[str, ...]
    """The variants that it is for; empty for all."""
    picture: str | None
    """Name of its picture in the run's folder, where it is not the default one."""


@dataclass(frozen=True)
class Recipe:
    """A published system and the values that it must reach."""

    name: str
    title: str
    teaches: str
    source: str
    note: str
    seconds: float | None
    variants: tuple[Variant, ...]
    analyses: tuple[Planned, ...]
    goals: tuple[Goal, ...]
    curve: Curve | None = None
    quick: Mapping[str, Any] = field(default_factory=dict)

    def for_quick_run(self) -> Recipe:
        """Return the recipe as its `quick` table changes it: small data, few epochs."""
        changed = tuple(
            replace(
                variant,
                data=self.quick.get("data", variant.data),
                data_options={**variant.data_options, **self.quick.get("data_options", {})},
                parameters={**variant.parameters, **self.quick.get("parameters", {})},
            )
            for variant in self.variants
        )
        return replace(self, variants=changed)

    def with_parameters(self, given: Mapping[str, Any]) -> Recipe:
        """Return the recipe with other values of these parameters in every variant."""
        return replace(self, variants=tuple(replace(v, parameters={**v.parameters, **given}) for v in self.variants))

    def analyses_for(self, variant: Variant) -> list[Planned]:
        """Return the analyses of a variant."""
        return [planned for planned in self.analyses if not planned.variants or variant.name in planned.variants]

    def goals_for(self, variant: Variant) -> list[Goal]:
        """Return the goals of a variant."""
        return [goal for goal in self.goals if goal.variant in ("", variant.name)]


@cache
def recipe_names() -> tuple[str, ...]:
    """Return the names of all recipes, in the order of a course."""
    texts = {e.name.removesuffix(".toml"): e.read_text(encoding="utf-8") for e in _folder() if e.name.endswith(".toml")}
    return tuple(sorted(texts, key=lambda name: (tomllib.loads(texts[name])["lesson"], name)))


def _folder() -> Iterator[Traversable]:
    return files(__package__).iterdir()


def load_recipe(name: str) -> Recipe:
    """Return the recipe of a name.

    Raises
    ------
    ConfigError
        There is none of that name.
    FormatError
        Its file holds an unknown key, or a value that is not what it must be.
    """
    if name not in recipe_names():
        hint = did_you_mean(name, recipe_names())
        raise ConfigError(f"recipe: NAME must be one of `narrows recipes`; got {name!r}.{hint}")
    return parse_recipe(name, files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8"))


def parse_recipe(name: str, text: str) -> Recipe:
    """Return the recipe that a TOML text describes.

    Raises
    ------
    FormatError
        A key is unknown or missing, or a value is not what it must be; names the key, and the nearest known one.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise FormatError(f"{name}: must be TOML; {problem}.") from None
    try:
        return _parsed(name, content)
    except ConfigError as problem:
        raise FormatError(f"{name}: {problem}") from problem


def _parsed(name: str, content: dict[str, Any]) -> Recipe:
    _check_keys(name, content, KEYS)
    if not isinstance(content.get("lesson"), int | float):
        _refuse(name, "lesson", "a number", content.get("lesson"))
    for key in TEXTS:
        if not isinstance(content.get(key), str):
            _refuse(name, key, "a string", content.get(key))
    variants = tuple(_variant(name, content, entry) for entry in content.get("variants", [{}]))
    names = [variant.name for variant in variants]
    if len(set(names)) < len(names):
        _refuse(name, "variants", "named apart", names)
    analyses = tuple(_analysis(name, entry, names) for entry in content.get("analyses", []))
    goals = tuple(_goal(name, entry, names) for entry in content.get("goals", []))
    quick = content.get("quick", {})
    _check_keys(f"{name}: quick", quick, ("data", "data_options", "parameters"))
    recipe = Recipe(
        name, content["title"], content["teaches"], content["source"], content.get("note", ""),
        content.get("seconds"), variants, analyses, goals,
        _curve(name, content, variants), {**quick, "parameters": _python_values(quick.get("parameters", {}))},
    )  # fmt: skip
    for variant in (*recipe.variants, *recipe.for_quick_run().variants):
        variant.estimator()
    return recipe


def _variant(name: str, content: Mapping[str, Any], entry: Mapping[str, Any]) -> Variant:
    where = f"{name}: variant {entry.get('name', '')!r}"
    _check_keys(where, entry, ("name", "model", "data", "parameters", "data_options"))
    model = entry.get("model", content["model"])
    if model not in ESTIMATORS:
        _refuse(where, "model", f"one of {', '.join(ESTIMATORS)}", model, ESTIMATORS)
    given = {**content.get("parameters", {}), **entry.get("parameters", {})}
    _check_keys(f"{where}: parameters", given, [f.name for f in fields(ESTIMATORS[model])])
    options = {**content.get("data_options", {}), **entry.get("data_options", {})}
    return Variant(entry.get("name", ""), model, _python_values(given), entry.get("data", content["data"]), options)


def _python_values(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return values of TOML as Python has them: arrays become tuples, and "none" stands for None."""
    return {
        key: None if value == "none" else tuple(value) if isinstance(value, list) else value
        for key, value in given.items()
    }


def _analysis(name: str, entry: Mapping[str, Any], variants: list[str]) -> Planned:
    kind = entry.get("analysis")
    if kind not in ANALYSES:
        _refuse(name, "analysis", f"one of {', '.join(ANALYSES)}", kind, ANALYSES)
    cls = ANALYSES[kind]
    given = {key: value for key, value in entry.items() if key not in ("analysis", "variants", "picture")}
    _check_keys(f"{name}: analysis {kind!r}", given, [f.name for f in fields(cls)])
    only = tuple(entry.get("variants", ()))
    for variant in only:
        if variant not in variants:
            _refuse(f"{name}: analysis {kind!r}", "variants", f"among {', '.join(variants)}", variant, variants)
    analysis = cls(**_python_values(given))
    validate(analysis)
    picture = entry.get("picture")
    if picture is not None and not (isinstance(picture, str) and PICTURE.fullmatch(picture)):
        _refuse(f"{name}: analysis {kind!r}", "picture", "the name of a .png file", picture)
    return Planned(kind, analysis, only, picture)


def _curve(name: str, content: Mapping[str, Any], variants: Sequence[Variant]) -> Curve | None:
    if "curve" not in content:
        return None
    where, given = f"{name}: curve", content["curve"]
    _check_keys(where, given, Curve.__dataclass_fields__)
    known = [ROWS, *(f.name for f in fields(ESTIMATORS[variants[0].model]))]
    if given.get("across") not in known:
        _refuse(where, "across", f"{ROWS!r} or a parameter of {content['model']}", given.get("across"), known)
    measures = [measure for measure, how in MEASURES.items() if how.of_pca is not None]
    if given.get("measure") not in measures:
        _refuse(where, "measure", f"one of {', '.join(measures)}", given.get("measure"), measures)
    return Curve(**given)


def _goal(name: str, entry: Mapping[str, Any], variants: list[str]) -> Goal:
    where = f"{name}: goal"
    _check_keys(where, entry, (*Goal.__dataclass_fields__, *BOUNDS, "reference"))
    goal = Goal.parsed(where, entry)
    if goal.variant and goal.variant not in variants:
        _refuse(where, "variant", f"among {', '.join(variants)}", goal.variant, variants)
    if goal.analysis and goal.analysis not in ANALYSES:
        _refuse(where, "analysis", f"one of {', '.join(ANALYSES)}", goal.analysis, ANALYSES)
    if not goal.analysis and goal.measure not in MEASURES:
        _refuse(where, "measure", f"one of {', '.join(MEASURES)}", goal.measure, MEASURES)
    return goal


def _check_keys(where: str, given: Mapping[str, Any], known: Iterable[str]) -> None:
    for key in given:
        if key not in tuple(known):
            raise ConfigError(f"{where}: keys must be among {', '.join(known)}; got {key!r}.{did_you_mean(key, known)}")


def _refuse(where: str, key: str, constraint: str, value: Any, known: Iterable[str] = ()) -> NoReturn:
    hint = did_you_mean(str(value), known)
    raise ConfigError(f"{where}: {key} must be {constraint}; got {value!r}.{hint}")
