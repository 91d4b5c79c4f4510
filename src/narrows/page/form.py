"""The form of a training: the parameters of each model as fields, and recipes as presets."""

from __future__ import annotations

from functools import cache
from typing import Any

from narrows.cli.train import summary_of
from narrows.components import AXES
from narrows.data.catalogue import DATASETS
from narrows.estimators import ESTIMATORS
from narrows.params import Param, fields, kinds_of, write_value
from narrows.recipes import load_recipe, recipe_names
from narrows.training import Settings

NONE = "none"
"""How None is written."""


@cache
def form() -> dict[str, Any]:
    """Return the models with their fields, and the presets."""
    models = [
        {"name": name, "about": summary_of(cls), "fields": [_field(each) for each in fields(cls) if _is_shown(each)]}
        for name, cls in ESTIMATORS.items()
    ]
    return {"models": models, "presets": [preset for name in recipe_names() for preset in _presets(name)]}


def datasets() -> list[dict[str, str]]:
    """Return the data sets that can be loaded now, and then those that would be fetched."""
    there = sorted(DATASETS.items(), key=lambda item: not item[1].available())
    return [
        {
            "name": name,
            "about": f"{entry.description}; {entry.size} samples" + ("" if entry.available() else f"; {entry.source}"),
        }
        for name, entry in there
    ]


def _is_shown(field: Param) -> bool:
    return field.name != "verbose"


def _field(field: Param) -> dict[str, Any]:
    """Return a parameter as a field of the form."""
    training = field.name in Settings.__dataclass_fields__ or field.name == "device"
    kinds = kinds_of(field.annotation)
    words = [*(field.choices or ()), *([NONE] if type(None) in kinds and field.axis is None else [])]
    return {
        "name": field.name, "help": field.help, "group": "training" if training else "model", "type": _type(field),
        "default": write_value(field.default), "low": field.low, "high": field.high, "choices": words or None,
        "options": [] if field.axis is None else _options(field),
    }  # fmt: skip


def _type(field: Param) -> str:
    """Return what kind of field asks for a parameter."""
    kinds = set(kinds_of(field.annotation)) - {type(None)}
    if field.axis is not None:
        return "list" if field.many else "component"
    if kinds == {bool}:
        return "flag"
    if kinds == {str}:
        return "choice" if field.choices else "text"
    if kinds <= {int, str} and int in kinds:
        return "whole"
    return "number" if kinds <= {int, float, str} and float in kinds else "text"


def _options(field: Param) -> list[dict[str, Any]]:
    """Return the components that a parameter takes, each with fields of its own."""
    assert field.axis is not None
    options = [
        {"name": name, "about": summary_of(component), "fields": [_field(inner) for inner in fields(component)]}
        for name, component in AXES[field.axis].items()
    ]
    none = {"name": NONE, "about": "", "fields": []}
    return [none, *options] if type(None) in kinds_of(field.annotation) and not field.many else options


def _presets(name: str) -> list[dict[str, Any]]:
    """Return the variants of a recipe."""
    recipe = load_recipe(name)
    return [
        {
            "name": name + (f"/{variant.name}" if variant.name else ""), "title": recipe.title, "model": variant.model,
            "data": variant.data,
            "data_options": {key: write_value(value) for key, value in variant.data_options.items()},
            "parameters": {key: _text(value) for key, value in variant.parameters.items()},
        }
        for variant in recipe.variants
    ]  # fmt: skip


def _text(value: Any) -> str:
    """Return the value of a recipe as the form has it: several components stand apart by spaces."""
    several = isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)
    return " ".join(value) if several and value else write_value(value)
