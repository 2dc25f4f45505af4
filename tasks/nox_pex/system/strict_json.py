"""JSON that anybody may have written, parsed so that no two readers can understand it differently (RFC 8259)."""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

_DEEPEST: Final = 20
"""Levels of tables and arrays. PEX-INFO and the manifest of a scie have five."""


_MOST: Final = 1_000_000
"""Tables and arrays that a text may begin. Each takes far more memory than its two characters."""


class RepeatedKeyError(ValueError):
    """A table has a key twice, so that one reader takes the first value, another one the last."""


def parse(text: bytes) -> Any:
    """Return the value of a JSON text.

    Raises `ValueError`, also if it has a key twice, NaN, a lone surrogate, a number of thousands of digits, or more
    than 20 levels of tables and arrays, or a million of them.
    """
    if text.count(b"[") + text.count(b"{") > _MOST:
        msg = f"it has more than {_MOST:,} tables and arrays"
        raise ValueError(msg)
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


def check(text: bytes) -> None:
    """Raise `RepeatedKeyError` if a table in a JSON text has a key twice.

    Raises `ValueError` if the text is not JSON, has NaN, or has more levels than Python reads. The text may be large: a
    table is forgotten as soon as it is checked, and so is every number.
    """
    try:
        json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_check_keys,
            parse_constant=_refuse_constant,
            parse_int=_forget,
            parse_float=_forget,
        )
    except RecursionError as error:
        msg = "it has too many levels"
        raise ValueError(msg) from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _check_keys(pairs)
    return dict(pairs)


def _check_keys(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        msg = "a key is there twice"
        raise RepeatedKeyError(msg)


def _forget(_: str) -> None:
    """Return nothing for a number."""


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
