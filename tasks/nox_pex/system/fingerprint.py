"""The inputs of a step: their digests decide whether it is unchanged, and their differences say what changed.

Timestamps are never compared. A wrong "unchanged" would be the worst mistake of nox-pex: everything that a step reads
is one of its inputs, and all of them are compared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

Inputs: TypeAlias = Mapping[str, Mapping[str, str]]
"""Kind (`lock`, `settings`, `sources`, …) to item (`main.py`, `sh-boot`, …) to a digest or a short value."""


_FIRST: Final = ("python", "tools", "recipe", "settings", "lock")
"""Kinds whose differences are named first: those of the other kinds follow from them, or say less."""


_NAMED: Final = 4
"""The number of differences that are named one by one; the others are counted."""


def digests(inputs: Inputs) -> dict[str, str]:
    """Return one SHA-256 for each kind; it does not depend on the order of the items."""
    return {
        kind: hashlib.sha256(json.dumps(items, sort_keys=True).encode()).hexdigest()
        for kind, items in sorted(inputs.items())
    }


def changes(before: Inputs, after: Inputs) -> tuple[str, ...]:
    """Return the differences as text: `main.py changed`, `static/new.css added`, `pex 2.1 -> 2.2`, `3 more`."""
    found = [
        difference
        for kind in sorted({*before, *after}, key=lambda kind: (kind not in _FIRST, kind))
        for difference in _differences(kind, before.get(kind, {}), after.get(kind, {}))
    ]
    unnamed = len(found) - _NAMED
    return (*found[:_NAMED], f"{unnamed} more") if unnamed > 0 else tuple(found)


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
    """Return the version at the start of a value, which digests of the installed files may follow."""
    return value.partition(" ")[0]
