"""Types and values in the words of TOML, for the tables of the documentation."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec

from nox_pex.settings.table import Seconds, Timeout

_NAMES: Final[Mapping[Any, str]] = {
    str: "string",
    Path: "string",
    int: "integer",
    bool: "boolean",
    Any: "any",
    Seconds: "seconds",
    Timeout: "seconds",
}
"""The words for each annotation that has no parts."""


def kind_in_words(annotation: Any) -> str:
    """Return the type of a key in words, such as "array of strings", or "string, or an array of them".

    Raises `KeyError` for a type that no key has had yet.
    """
    if annotation in _NAMES:
        return _NAMES[annotation]
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return "table"
    return _WRITERS[get_origin(annotation)](*get_args(annotation))


def _array(item: Any, _: Any) -> str:
    return f"array of {_plural(item)}"


def _table(_: Any, value: Any) -> str:
    return "table" if value is Any else f"table of {_plural(value)}"


def _choice(*values: Any) -> str:
    return ", ".join(f"`{json.dumps(value)}`" for value in values)


def _alternatives(*every: Any) -> str:
    kinds = [each for each in every if each is not NoneType]
    single = [kind_in_words(each) for each in kinds if get_origin(each) is not tuple]
    if single and len(single) < len(kinds):
        return f"{', '.join(single)}, or an array of them"
    return " or ".join(map(kind_in_words, kinds))


_WRITERS: Final[Mapping[Any, Callable[..., str]]] = {
    Union: _alternatives,
    UnionType: _alternatives,
    Literal: _choice,
    tuple: _array,
    dict: _table,
    Annotated: lambda kind, _: kind_in_words(kind),
}
"""Returns the words for an annotation from its parts, by its origin."""


def _plural(annotation: Any) -> str:
    """Return several values of a type in words: "strings", "integers and strings"."""
    if get_origin(annotation) in (Union, UnionType):
        return " and ".join(map(_plural, get_args(annotation)))
    words = kind_in_words(annotation)
    first, *rest = words.split(" ", 1)
    return words if get_origin(annotation) is Literal else " ".join([f"{first}s", *rest])


def default_in_toml(default: Any) -> str:
    """Return a default as TOML writes it, in Markdown; empty if there is no value without the key."""
    if default is msgspec.NODEFAULT:
        return "required"
    if default is None or default is msgspec.UNSET:
        return ""
    return f"`{json.dumps(as_json(default))}`"


def as_json(default: Any) -> Any:
    """Return a default as a JSON value. The defaults of a table's own keys are not repeated in it."""
    if isinstance(default, msgspec.Struct):
        return {}
    return str(default) if isinstance(default, Path) else msgspec.to_builtins(default)
