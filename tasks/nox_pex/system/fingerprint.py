"""What decides "unchanged": digests of content, by kind and item, and the words for a difference.

Never a timestamp. A fast wrong "unchanged" is the worst mistake that nox-pex could make, so whatever a step reads is
an input of it, and a comparison is of all inputs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

Inputs: TypeAlias = Mapping[str, Mapping[str, str]]
"""Kind (`lock`, `settings`, `sources`, …) to item (`main.py`, `sh-boot`, …) to a digest or a short value."""


_FIRST: Final = ("python", "tools", "recipe", "settings", "lock")
"""Kinds whose differences are named first: those of the others follow from them, or tell less."""


_NAMED: Final = 4
"""Differences that are named one by one."""


def digests(inputs: Inputs) -> dict[str, str]:
    """One SHA-256 for each kind."""
    return {
        kind: hashlib.sha256(json.dumps(items, sort_keys=True).encode("utf-8", "surrogateescape")).hexdigest()
        for kind, items in sorted(inputs.items())
    }


def changes(before: Inputs, after: Inputs) -> tuple[str, ...]:
    """What differs, in words: `main.py changed`, `static/new.css added`, `pex 2.1 -> 2.2`, `sh-boot set anew`."""
    found = [
        words
        for kind in sorted({*before, *after}, key=lambda kind: (kind not in _FIRST, kind))
        for words in _differences(kind, before.get(kind, {}), after.get(kind, {}))
    ]
    rest = len(found) - _NAMED
    return (*found[:_NAMED], f"{rest} more") if rest > 0 else tuple(found)


def _differences(kind: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for item in sorted({*before, *after}):
        old, new = before.get(item), after.get(item)
        if old == new:
            continue
        if old is None:
            yield f"{item} added"
        elif new is None:
            yield f"{item} removed"
        elif kind in ("tools", "distributions") and _version(old) != _version(new):
            yield f"{item} {_version(old)} -> {_version(new)}"
        else:
            yield f"{item} changed"


def _version(value: str) -> str:
    """The version that a value begins with; behind it may stand digests of what was installed."""
    return value.partition(" ")[0]
