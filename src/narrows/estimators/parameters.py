"""Parameters of an estimator, some of whose values are components with parameters of their own."""

from __future__ import annotations

import contextlib
from typing import Any, Self

from sklearn.base import BaseEstimator

from narrows.components import Component, resolve
from narrows.errors import ConfigError
from narrows.params import fields


class ComponentParameters(BaseEstimator):
    """Parameters by name; those of components by names such as `network__hidden`."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name; with `deep`, those of components too, as in `network__hidden`."""
        params: dict[str, Any] = super().get_params(deep=False)
        if deep:
            for field in fields(self):
                with contextlib.suppress(ConfigError):  # what a name means is checked by fit alone
                    value = self._component(field.name) if field.axis and not field.many else None
                    if isinstance(value, Component):
                        params |= {f"{field.name}__{name}": inner for name, inner in value.get_params().items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters; those of components by names such as `network__hidden`.

        Raises
        ------
        ConfigError
            There is no such parameter, or one of a component is out of bounds.
        """
        nested: dict[str, dict[str, Any]] = {}
        for key in list(params):
            name, separator, inner = key.partition("__")
            if separator:
                nested.setdefault(name, {})[inner] = params.pop(key)
        super().set_params(**params)
        for name, values in nested.items():
            component = self._component(name) if name in {f.name for f in fields(self) if f.axis} else None
            if not isinstance(component, Component):
                raise ConfigError(
                    f"{type(self).__name__}: {name} must be a component to have the parameter {next(iter(values))!r}; "
                    f"got {getattr(self, name, None)!r}. Set {name} itself first."
                )
            setattr(self, name, component.set_params(**values))
        return self

    def _component(self, name: str) -> Any:
        """Return the component that a parameter stands for; None where it stands for none, as "auto" does."""
        value = getattr(self, name)
        if value is None or (isinstance(value, str) and value == "auto"):
            return None
        axis = next(field.axis for field in fields(self) if field.name == name)
        return resolve(str(axis), value, type(self).__name__)
