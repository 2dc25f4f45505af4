"""The keys of the settings' tables, with what the types say about each: its name, type, default and description.

The description of a key is the string literal below it in its class. It is not in the annotation, because there it
would cost 2 ms in each run of Nox, and only the documentation and the JSON Schema need it.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import typing
from collections.abc import Iterator
from typing import Any

import msgspec

from nox_pex.settings.model import Settings
from nox_pex.settings.table import Table


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One key of a table.

    `kind` is its annotation. `default` is the value without the key, or `msgspec.NODEFAULT` if the key is required;
    None and `msgspec.UNSET` mean that there is no value then. `description` is one paragraph of Markdown.
    """

    name: str
    kind: Any
    default: Any
    description: str


def tables() -> dict[str, type[Table]]:
    """Return each table of the settings by the name of its class, an outer one before those in it."""
    return {table.__name__: table for table in tables_in(Settings)}


def tables_in(annotation: Any) -> Iterator[type[Table]]:
    """Yield the tables that a value may be or contain, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, Table):
        yield annotation
        for inner in _annotations(annotation).values():
            yield from tables_in(inner)
    for part in typing.get_args(annotation):
        yield from tables_in(part)


def keys(table: type[Table]) -> tuple[Key, ...]:
    """Return the keys of a table in the order of its class. Raises `KeyError` for one without a description."""
    described = _descriptions(table)
    kinds = _annotations(table)
    return tuple(
        Key(
            name=field.encode_name,
            kind=kinds[field.name],
            default=field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory(),
            description=described[field.name],
        )
        for field in msgspec.structs.fields(table)
    )


def _annotations(table: type[Table]) -> dict[str, Any]:
    """Return the annotation of each attribute that is a key."""
    every = typing.get_type_hints(table, include_extras=True)
    return {name: every[name] for name in table.__struct_fields__}


def _descriptions(table: type[Table]) -> dict[str, str]:
    """Return the text below each attribute in the source of a class, as one line."""
    (body,) = (node.body for node in ast.parse(inspect.getsource(table)).body if isinstance(node, ast.ClassDef))
    return {
        attribute.target.id: " ".join(below.value.value.split())
        for attribute, below in itertools.pairwise(body)
        if isinstance(attribute, ast.AnnAssign) and isinstance(attribute.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str)
    }
