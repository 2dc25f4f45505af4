"""JSON that anybody may have written, parsed so that no two readers can understand it differently (RFC 8259)."""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

_DEEPEST: Final = 20
"""Levels of tables and arrays. PEX-INFO and the manifest of a scie have five."""


def parse(text: bytes) -> Any:
    """Return the value of a JSON text.

    Raises `ValueError`, also if it has a key twice, NaN, a lone surrogate, a number of thousands of digits, or more
    than 20 levels of tables and arrays.
    """
    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=_object, parse_constant=_refuse_constant)
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # lone surrogates have no bytes
    except RecursionError:
        value, levels = None, _DEEPEST + 1
    else:
        levels = _levels(value)
    if levels > _DEEPEST:
        msg = f"it has more than {_DEEPEST} levels"
        raise ValueError(msg)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        msg = "a key is there twice"
        raise ValueError(msg)
    return found


def _refuse_constant(name: str) -> NoReturn:
    msg = f"{name} is no number of JSON"
    raise ValueError(msg)


def _levels(value: object) -> int:
    """Return the levels of tables and arrays in a JSON value."""
    level, levels = [value], 0
    while nested := [each for each in level if isinstance(each, dict | list)]:
        levels += 1
        level = [inner for each in nested for inner in (each.values() if isinstance(each, dict) else each)]
    return levels
