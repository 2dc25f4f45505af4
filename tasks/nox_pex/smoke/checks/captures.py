"""The values that a check captures from an answer, for later checks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from nox_pex.settings.checks import Capture, HttpCheck
from nox_pex.smoke.checks import json_values
from nox_pex.smoke.checks.charsets import NotTextError, text_of
from nox_pex.smoke.checks.http_client import Answer
from nox_pex.smoke.checks.texts import shorten
from nox_pex.system.limited import doing

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
"""Half a character, which JSON can express, and which no request and no command can have."""


class Captured(Struct, frozen=True, kw_only=True):
    """The `values` by name, and the `problem` of the first one that the answer does not have."""

    values: Mapping[str, str] = {}
    problem: str | None = None


class _NothingError(Exception):
    """The answer does not have the value."""


def capture(check: HttpCheck, answer: Answer) -> Captured:
    """Return what `check` captures from its answer. `limited.call` bounds the time."""
    values: dict[str, str] = {}
    problem: str | None = None
    for name, where in check.capture.items():
        try:
            values[name] = _value(where, answer, name)
        except (_NothingError, NotTextError) as error:
            problem = problem or f"`capture.{name}` {error}"
    return Captured(values=values, problem=problem)


def _value(where: str | Capture, answer: Answer, name: str) -> str:
    """Return the value, which is not empty. Raises `_NothingError`, `NotTextError`."""
    value = _json_value(where, answer) if isinstance(where, str) else _part(where, answer, name)
    if not value:
        msg = "found an empty text"
        raise _NothingError(msg)
    if _SURROGATE.search(value):
        msg = f"found {value[:40]!r}, which is no text in Unicode"
        raise _NothingError(msg)
    return value


def _part(where: Capture, answer: Answer, name: str) -> str:
    """Return the value of a header, or of the first match in the body. Raises `_NothingError`, `NotTextError`."""
    if where.header is not None:
        given = answer.headers.get(where.header.lower())
        if given is None:
            msg = f"found no header {where.header}"
            raise _NothingError(msg)
        return given
    pattern = where.matches or ""
    doing(f"`capture.{name}.matches` {pattern!r}")
    text = text_of(answer.headers, answer.body)
    match = re.search(pattern, text)
    if match is None:
        msg = f"found no match of {pattern!r} in {json.dumps(shorten(text), ensure_ascii=False)}"
        raise _NothingError(msg)
    found: str | None = match[1] if match.re.groups else match[0]
    return found or ""


def _json_value(path: str, answer: Answer) -> str:
    """Return the one value that a JSONPath selects. Raises `_NothingError`, `NotTextError`."""
    doing(f"`capture` {path!r}")
    try:
        found = json_values.find(path, json_values.parse(text_of(answer.headers, answer.body)))
    except ValueError as error:
        msg = f"needs JSON, and the answer is none: {error}"
        raise _NothingError(msg) from None
    if len(found) != 1:
        msg = f"found {len(found)} values at {path!r} instead of one" if found else f"found nothing at {path!r}"
        raise _NothingError(msg)
    return _as_text(found[0], path)


def _as_text(value: Any, path: str) -> str:
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, dict | list):
        kind = "null" if value is None else "an object" if isinstance(value, dict) else "an array"
        msg = f"found {kind} at {path!r} instead of a text or a number"
        raise _NothingError(msg)
    return json.dumps(value)
