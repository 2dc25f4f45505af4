"""Which part of a table of settings is refused, and why, in TOML's words.

msgspec is the judge of every value: the smallest part that it refuses, taken by itself, is the one to blame. Its own
message would speak of Python's types, and know neither a table's key nor the nearest valid one.
"""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from nox_pex.system.wording import nearest

_TOML_TYPES: Final = {"str": "string", "int": "integer", "bool": "boolean", "object": "table", "datetime": "date-time"}
"""msgspec's words for types that TOML calls otherwise."""


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
"""Characters of a value that are shown."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """The dotted `path` of what is refused, the `problem` with it, and the `remedy`; each is part of one line."""

    path: str
    problem: str
    remedy: str


def explain(value: Any, kind: Any, *, path: str, dec_hook: Callable[[type, Any], Any]) -> Refusal:
    """Why `value`, which stands at the dotted `path`, is not a `kind`.

    `kind` is a type that `msgspec.convert` knows, with the help of `dec_hook`. Raises `ValueError` where `value` is a
    `kind` after all.
    """
    error = _error(value, kind, dec_hook)
    if error is None:
        msg = f"nothing is wrong at {path}"
        raise ValueError(msg)
    table = _struct(kind) if isinstance(value, Mapping) else None
    if table is not None:
        keys = [field.encode_name for field in msgspec.structs.fields(table)]
        for key in value:
            if key not in keys:
                return Refusal(path=dotted(path, key), problem="unknown key", remedy=_nearest_key(key, keys))
    for part, part_kind, part_path in _parts(value, kind, path):
        if _error(part, part_kind, dec_hook):
            return explain(part, part_kind, path=part_path, dec_hook=dec_hook)
    if table is None:
        return _wrong_value(value, kind, path, str(error))
    if missing := re.fullmatch(r"Object missing required field `(.+)`", str(error)):
        return Refusal(path=path, problem=f"the key {missing[1]} is missing", remedy=f"add {missing[1]}")
    # the table breaks a rule of its own: about one key, where it says so or where leaving that one out mends it
    named = re.match(r"`([a-z-]+)`: ", str(error))
    mends = [key for key in value if not _error({k: v for k, v in value.items() if k != key}, table, dec_hook)]
    message = str(error)[named.end() if named else 0 :]
    problem, remedy = message.rsplit("; ", 1) if "; " in message else (message, "correct it")
    key = named[1] if named else mends[0] if len(mends) == 1 else None
    return Refusal(path=dotted(path, key) if key else path, problem=problem, remedy=remedy)


def dotted(path: str, key: str) -> str:
    """The dotted path, as TOML writes it, of `key` in the table at the dotted `path` (empty: at the top level)."""
    written = key if _BARE_KEY.fullmatch(key) else json.dumps(key, ensure_ascii=False)
    return f"{path}.{written}" if path else written


def _error(value: Any, kind: Any, dec_hook: Callable[[type, Any], Any]) -> msgspec.ValidationError | None:
    try:
        msgspec.convert(value, kind, dec_hook=dec_hook)
    except msgspec.ValidationError as error:
        return error
    return None


def _parts(value: Any, kind: Any, path: str) -> Iterator[tuple[Any, Any, str]]:
    """The parts of `value`, each with the type that `kind` has for it and its dotted path."""
    if isinstance(value, Mapping):
        if table := _struct(kind):
            for field in msgspec.structs.fields(table):
                if field.encode_name in value:
                    yield value[field.encode_name], field.type, dotted(path, field.encode_name)
        elif inside := _inside(kind, dict):
            for key, part in value.items():
                yield part, inside[1], dotted(path, key)
    elif isinstance(value, list) and (inside := _inside(kind, tuple)):
        for position, part in enumerate(value):
            yield part, inside[0], f"{path}[{position}]"


def _alternatives(kind: Any) -> tuple[Any, ...]:
    """The members of a union; of any other type, itself."""
    return typing.get_args(kind) if typing.get_origin(kind) in {typing.Union, types.UnionType} else (kind,)


def _struct(kind: Any) -> type[msgspec.Struct] | None:
    """The table among the alternatives of `kind`."""
    structs = (one for one in _alternatives(kind) if isinstance(one, type) and issubclass(one, msgspec.Struct))
    return next(structs, None)


def _inside(kind: Any, container: type) -> tuple[Any, ...]:
    """The type arguments of the `dict` or `tuple` among the alternatives of `kind`; empty where there is none."""
    return next((typing.get_args(one) for one in _alternatives(kind) if typing.get_origin(one) is container), ())


def _wrong_value(value: Any, kind: Any, path: str, message: str) -> Refusal:
    """What msgspec says of a single value, in TOML's words, with the value and what to write instead."""
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
        kinds = [_TOML_TYPES.get(word, word) for word in expected["types"].split(" | ") if word != "null"]
        problem = f"expected {' or '.join(kinds)}, got {_described(value)}"
        one_item = "array" in kinds and isinstance(value, str)
        remedy = f"write [{_shown(value)}]" if one_item else _HOW_TO_WRITE.get(kinds[0], "correct it")
    else:
        problem, remedy = message, "correct it"
    return Refusal(path=path, problem=problem, remedy=remedy)


def _described(value: Any) -> str:
    """A value's type in TOML, with the value where it is a single one."""
    if isinstance(value, Mapping):
        return "table"
    if isinstance(value, list):
        return "array"
    word = type(value).__name__
    return f"{_TOML_TYPES.get(word, word)} {_shown(value)}"


def _shown(value: Any) -> str:
    """A single value as TOML writes it, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _nearest_key(key: str, keys: Sequence[str]) -> str:
    near = nearest(key, keys)
    return f"use {near}, the nearest valid key" if near else f"valid keys are {', '.join(keys)}"
