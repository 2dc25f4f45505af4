"""JSON that a program sent, and the values in it that a JSONPath (RFC 9535) selects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    import jsonpath
else:
    jsonpath = lazy("jsonpath")  # it takes 80 ms to load, and only some checks need it

import json
from typing import Any, Final, NoReturn

_DEEPEST: Final = 2_000
"""Levels of objects and arrays that a JSONPath descends into. The recursion of a process has room for them."""


def parse(text: str) -> Any:
    """Return the value of a JSON text. Raises `ValueError`, also for NaN and for JSON that is nested too deeply."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        msg = "it is nested too deeply"
        raise ValueError(msg) from None


def find(path: str, value: Any) -> list[Any]:
    """Return the values that `path` selects."""
    environment = jsonpath.JSONPathEnvironment(strict=True)
    environment.max_recursion_depth = _DEEPEST
    found: list[Any] = environment.findall(path, value)
    return found


def _refuse_constant(name: str) -> NoReturn:
    msg = f"{name} is not JSON"
    raise ValueError(msg)
