"""Packages that exports need, which are not installed with narrows."""

from __future__ import annotations

from importlib.util import find_spec

from narrows.errors import ConfigError


def check_installed(*names: str) -> None:
    """Raise ConfigError, which says what to install, unless these packages are there."""
    if missing := [name for name in names if find_spec(name) is None]:
        raise ConfigError(
            f'export: {", ".join(missing)} must be installed; it is not. Run: pip install "narrows[export]".'
        )
