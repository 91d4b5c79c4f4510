"""The form that an object read from JSON must have."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any

from narrows.errors import FormatError


def check_form(value: Any, form: Any, path: Path, where: str = "the record") -> None:
    """Refuse a value of JSON that has another form; a FormatError names the place, by `path` and `where`.

    A form is a type or a union of types; `[form]` for a list; `{key: form}` for an object, where a key that ends in "?"
    may be missing and other keys may be there; `{str: form}` for an object of any keys; a tuple of forms for either.
    """
    match form:
        case tuple():
            problems = []
            for either in form:
                try:
                    return check_form(value, either, path, where)
                except FormatError as error:
                    problems.append(error)
            raise problems[0]
        case list():
            check_form(value, list, path, where)
            for index, item in enumerate(value):
                check_form(item, form[0], path, f"{where}[{index}]")
        case dict():
            check_form(value, dict, path, where)
            inner = dict.fromkeys(value, form[str]) if str in form else form
            for key, kind in inner.items():
                name = key if str in form else key.removesuffix("?")
                if name in value:
                    check_form(value[name], kind, path, f"{where}.{name[:40]}")
                elif key == name:
                    raise FormatError(f"{path}: {where} must have {key!r}; it has not. The file was changed.")
        case _:
            kinds = typing.get_args(form) or (form,)
            if type(value) not in kinds:
                wanted = " or ".join("null" if kind is type(None) else kind.__name__ for kind in kinds)
                raise FormatError(
                    f"{path}: {where} must be {wanted}; got {type(value).__name__}. The file was changed."
                )
    return None
