"""The TOML to write instead of a value of a wrong type: the value converted, or else an example of the right type."""

from __future__ import annotations

import datetime as dt
import re
import shlex
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from nox_pex.settings.toml_text import toml

_WRITTEN: Final = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}
"""Texts and numbers that mean a boolean."""


_INTEGER: Final = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,17})")
_FLOAT: Final = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,17})?")


def alternatives(kind: Any) -> tuple[Any, ...]:
    """Return the members of a union; of any other type, the type itself. A path is a text; a number has no limits."""
    if kind is Path:
        return (str,)
    if typing.get_origin(kind) is typing.Annotated:
        return alternatives(typing.get_args(kind)[0])
    if typing.get_origin(kind) in {typing.Union, types.UnionType}:
        return tuple(each for one in typing.get_args(kind) for each in alternatives(one))
    return (kind,)


def table_of(kind: Any) -> type[msgspec.Struct] | None:
    """Return the table among the alternatives of `kind`, if there is one."""
    return next((one for one in alternatives(kind) if isinstance(one, type) and issubclass(one, msgspec.Struct)), None)


def type_arguments(kind: Any, container: type) -> tuple[Any, ...]:
    """Return the type arguments of the `dict` or `tuple` among the alternatives of `kind`; empty if there is none."""
    return next((typing.get_args(one) for one in alternatives(kind) if typing.get_origin(one) is container), ())


def choices(kind: Any) -> tuple[Any, ...]:
    """Return the values that a `Literal` among the alternatives of `kind` allows; empty if there is none."""
    literals = (typing.get_args(one) for one in alternatives(kind) if typing.get_origin(one) is typing.Literal)
    return next(literals, ())


def conversions(value: Any, kind: Any) -> Iterator[str]:
    """Yield TOML for what the user may have meant by `value` in a place for the type `kind`, the most likely first.

    A text in place of an array is divided into words as a shell divides it.
    """
    if inside := type_arguments(kind, tuple):
        yield from _arrays(value, inside[0])
    expected = alternatives(kind)
    if isinstance(value, list) and len(value) == 1 and not isinstance(value[0], list | Mapping):
        yield toml(value[0])
    if isinstance(value, str | int | float):
        for one in expected:
            if one in _SCALARS:
                yield from _SCALARS[one](value)
    if str in expected and isinstance(value, dt.date | dt.time):
        yield toml(str(value))


def example(kind: Any) -> str | None:
    """Return an example, in TOML, of a value of the type `kind`; None for a type that no setting has."""
    if (table := table_of(kind)) is not None:
        return getattr(table, "example", None)
    if allowed := choices(kind):
        return toml(allowed[0])
    if inside := type_arguments(kind, tuple):
        return '["a", "b"]' if inside[0] is str else f"[{example(inside[0])}]"
    if inside := type_arguments(kind, dict):
        return f"{{ NAME = {example(inside[1])} }}"
    examples = {str: '"text"', int: "1", float: "1.0", bool: "true", Any: '"value"'}
    return next((examples[one] for one in alternatives(kind) if one in examples), None)


def _arrays(value: Any, kind: Any) -> Iterator[str]:
    """Yield arrays, of items of the type `kind`, that `value` may mean."""
    if isinstance(value, str):
        try:
            words = shlex.split(value)
        except ValueError:  # a quotation mark without its other half
            words = [value]
        items = [_number(word) if int in alternatives(kind) else word for word in words]
        yield toml([items] if type_arguments(kind, tuple) else items)
    elif not isinstance(value, list):
        yield toml([value])
        if str in alternatives(kind) and not isinstance(value, Mapping):
            yield toml([toml(value)])


def _number(word: str) -> int | str:
    return int(word) if _INTEGER.fullmatch(word) else word


def _as_text(value: Any) -> Iterator[str]:
    if not isinstance(value, str):
        yield toml(toml(value))


def _as_integer(value: Any) -> Iterator[str]:
    if (isinstance(value, str) and _INTEGER.fullmatch(value.strip())) or (
        isinstance(value, float) and value.is_integer()
    ):
        yield toml(int(value))


def _as_float(value: Any) -> Iterator[str]:
    if isinstance(value, str) and _FLOAT.fullmatch(value.strip()):
        yield toml(float(value))


def _as_boolean(value: Any) -> Iterator[str]:
    if (meant := _WRITTEN.get(str(value).strip().lower())) is not None:
        yield toml(meant)


_SCALARS: Final = {str: _as_text, int: _as_integer, float: _as_float, bool: _as_boolean}
"""The conversions to a single value, by the type in which they end."""
