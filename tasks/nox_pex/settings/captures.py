"""The rules about several checks: a value is used only after a check has captured it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from nox_pex.settings.checks import CommandCheck, HttpCheck, TcpCheck
from nox_pex.settings.values import TOKEN, check_path, tokens_in


def check_captures(
    http: Sequence[HttpCheck],
    tcp: Sequence[TcpCheck],
    command: Sequence[CommandCheck],
    *,
    before: Mapping[str, Any],
) -> Iterator[str]:
    """Yield a broken rule for each use of a value before it is captured, and each path that begins with no value.

    The checks run in the order `http`, `tcp`, `command`. A path may begin with a captured value, such as that of the
    header `Location`. `before` are the keys of the table that are needed before any check, with their values.
    """
    names = {name for check in http for name in check.capture}
    for key, value in before.items():
        yield from _early(key, value, names, "but it is needed before any check")
    captured: set[str] = set()
    for key, checks in (("http", http), ("tcp", tcp), ("command", command)):
        for number, check in enumerate(checks):
            early = "but no earlier check captures it"
            yield from _early(f"{key}[{number}]", check, names - captured, early)
            if isinstance(check, HttpCheck):
                begins = TOKEN.match(check.path)
                if begins is not None and begins[1] not in names:
                    yield from check_path(f"{key}[{number}].path", check.path)
                captured |= check.capture.keys()


def _early(key: str, value: Any, names: set[str], why: str) -> Iterator[str]:
    """Yield a broken rule for the first of `names` that the texts in the value of `key` use."""
    early = next((name for name in tokens_in(msgspec.to_builtins(value)) if name in names), None)
    if early is not None:
        yield f"`{key}`: uses {{{early}}}, {why}; use it in a later check"
