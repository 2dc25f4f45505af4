"""Explain why a settings table is refused: which part of it, and what to write instead, in the terms of TOML.

msgspec checks every value. The part to blame is the smallest one that msgspec refuses by itself. msgspec's own messages
are not shown, because they name Python's types and not the keys of a table.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from nox_pex.system.wording import nearest

_TOML_TYPES: Final = {"str": "string", "int": "integer", "bool": "boolean", "object": "table", "datetime": "date-time"}
"""TOML's names of the types that msgspec and Python name differently."""


_HOW_TO_WRITE: Final = {
    "string": 'write text in quotes, as in "text"',
    "integer": "write a whole number, without quotes",
    "float": "write a number, without quotes",
    "boolean": "write true or false, without quotes",
    "array": 'write a list, as in ["a", "b"]',
    "table": 'write a table, as in { key = "value" }',
}


_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


_LONGEST: Final = 60
"""The number of characters of a value that are shown."""


DecodeHook: typing.TypeAlias = Callable[[type, Any], Any]
"""The `dec_hook` of `msgspec.convert`, for types that msgspec does not know."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """The dotted `path` of the refused part, the `problem` with it, and the `remedy`; each is part of one line."""

    path: str
    problem: str
    remedy: str


def explain(value: Any, kind: Any, *, path: str, dec_hook: DecodeHook) -> Refusal:
    """Return why `value`, which is at the dotted `path`, is not of the type `kind`.

    `kind` is a type that `msgspec.convert` knows, with `dec_hook`. Raises `ValueError` if `value` is of that type.
    """
    error = _error(value, kind, dec_hook)
    if error is None:
        msg = f"nothing is wrong at {path}"
        raise ValueError(msg)
    table = _struct(kind) if isinstance(value, Mapping) else None
    if table is not None and (unknown := _unknown_key(value, table, path)):
        return unknown
    for part, part_kind, part_path in _parts(value, kind, path):
        if _error(part, part_kind, dec_hook):
            return explain(part, part_kind, path=part_path, dec_hook=dec_hook)
    if table is None:
        return _wrong_value(value, kind, path, str(error))
    return _broken_rule(value, table, path, str(error), dec_hook)


def dotted(path: str, key: str) -> str:
    """Return the dotted path, as TOML writes it, of `key` in the table at the dotted `path` (empty: the top level)."""
    written = key if _BARE_KEY.fullmatch(key) else json.dumps(key, ensure_ascii=False)
    return f"{path}.{written}" if path else written


def _error(value: Any, kind: Any, dec_hook: DecodeHook) -> msgspec.ValidationError | None:
    try:
        msgspec.convert(value, kind, dec_hook=dec_hook)
    except msgspec.ValidationError as error:
        return error
    return None


def _unknown_key(value: Mapping[str, Any], table: type[msgspec.Struct], path: str) -> Refusal | None:
    """Return the refusal of the first key that `table` does not have, with the nearest one that it has."""
    keys = [field.encode_name for field in msgspec.structs.fields(table)]
    key = next((key for key in value if key not in keys), None)
    if key is None:
        return None
    near = nearest(key, keys)
    remedy = f"use {near}, the nearest valid key" if near else f"valid keys are {', '.join(keys)}"
    return Refusal(path=dotted(path, key), problem="unknown key", remedy=remedy)


def _broken_rule(
    value: Mapping[str, Any], table: type[msgspec.Struct], path: str, message: str, dec_hook: DecodeHook
) -> Refusal:
    """Return the refusal of a table of which each part by itself is valid: a key is missing, or a rule is broken.

    A rule is a `ValueError` of the table with the text "problem; remedy". It is about the key that the text begins
    with ("`key`: …"), or else about the only key without which the table is valid.
    """
    if missing := re.fullmatch(r"Object missing required field `(.+)`", message):
        return Refusal(path=path, problem=f"the key {missing[1]} is missing", remedy=f"add {missing[1]}")
    if named := re.match(r"`([a-z-]+)`: ", message):
        key, message = named[1], message[named.end() :]
    else:
        to_blame = [key for key in value if not _error(_without(value, key), table, dec_hook)]
        key = to_blame[0] if len(to_blame) == 1 else None
    problem, remedy = message.rsplit("; ", 1) if "; " in message else (message, "correct it")
    return Refusal(path=dotted(path, key) if key else path, problem=problem, remedy=remedy)


def _without(table: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {other: value for other, value in table.items() if other != key}


def _parts(value: Any, kind: Any, path: str) -> Iterator[tuple[Any, Any, str]]:
    """Yield the parts of `value`, each with its type according to `kind`, and its dotted path."""
    if isinstance(value, Mapping):
        if table := _struct(kind):
            for field in msgspec.structs.fields(table):
                if field.encode_name in value:
                    yield value[field.encode_name], field.type, dotted(path, field.encode_name)
        elif inside := _type_arguments(kind, dict):
            for key, part in value.items():
                yield part, inside[1], dotted(path, key)
    elif isinstance(value, list) and (inside := _type_arguments(kind, tuple)):
        for position, part in enumerate(value):
            yield part, inside[0], f"{path}[{position}]"


def _alternatives(kind: Any) -> tuple[Any, ...]:
    """Return the members of a union; of any other type, the type itself."""
    return typing.get_args(kind) if typing.get_origin(kind) in {typing.Union, types.UnionType} else (kind,)


def _struct(kind: Any) -> type[msgspec.Struct] | None:
    """Return the table among the alternatives of `kind`, if there is one."""
    structs = (one for one in _alternatives(kind) if isinstance(one, type) and issubclass(one, msgspec.Struct))
    return next(structs, None)


def _type_arguments(kind: Any, container: type) -> tuple[Any, ...]:
    """Return the type arguments of the `dict` or `tuple` among the alternatives of `kind`; empty if there is none."""
    return next((typing.get_args(one) for one in _alternatives(kind) if typing.get_origin(one) is container), ())


def _wrong_value(value: Any, kind: Any, path: str, message: str) -> Refusal:
    """Return the refusal of a single value: msgspec's `message` in the terms of TOML, and what to write instead."""
    choices = [
        choice for one in _alternatives(kind) if typing.get_origin(one) is typing.Literal
        for choice in typing.get_args(one)
    ]  # fmt: skip
    expected = re.match(r"Expected `(?P<types>[^`]+)`(?P<limit>.*?)(?:, got .*)?$", message)
    if choices:
        near = nearest(str(value), map(str, choices))
        remedy = f"use {_shown(near)}" if near else "use one of them"
        problem = f"expected one of {', '.join(map(_shown, choices))}, got {_shown(value)}"
    elif expected and expected["limit"]:
        problem = f"expected a value {expected['limit'].strip()}, got {_shown(value)}"
        remedy = "write a value within that limit"
    elif expected:
        kinds = [_TOML_TYPES.get(name, name) for name in expected["types"].split(" | ") if name != "null"]
        problem = f"expected {' or '.join(kinds)}, got {_described(value)}"
        one_item = "array" in kinds and isinstance(value, str) and len(_toml(value)) <= _LONGEST
        remedy = f"write [{_toml(value)}]" if one_item else _HOW_TO_WRITE.get(kinds[0], "correct it")
    else:
        problem, remedy = message, "correct it"
    return Refusal(path=path, problem=problem, remedy=remedy)


def _described(value: Any) -> str:
    """Return the TOML type of a value; after it the value, if it is a single one."""
    if isinstance(value, Mapping):
        return "table"
    if isinstance(value, list):
        return "array"
    name = type(value).__name__
    return f"{_TOML_TYPES.get(name, name)} {_shown(value)}"


def _shown(value: Any) -> str:
    """Return a single value as TOML writes it, cut off if it is long."""
    text = _toml(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _toml(value: Any) -> str:
    """Return a single value as TOML writes it; JSON writes all of them alike except `inf`, `nan`, dates and times."""
    if isinstance(value, float | dt.date | dt.time):
        return str(value)
    return json.dumps(value, ensure_ascii=False)
